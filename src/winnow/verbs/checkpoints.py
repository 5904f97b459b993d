"""A finished study's checkpoints, found again after training, and merged into models that stand alone.

chosen = choose("runs/quickstart", arm="herding_0.25")     # the first seed, at the declared checkpoint
merge(chosen, "models/herding")                            # transformers loads it without PEFT
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from winnow.analysis.study_folder import Study, load
from winnow.errors import ArtifactError, RecipeError, nearest
from winnow.models.folders import ADAPTER_CONFIG
from winnow.study_files import CHECKPOINTS, check_weights

Precision = Literal["float32", "bfloat16", "float16"]
WEIGHTS = "adapters"
"""Where the study folder has its checkpoints."""
CARD = "README.md"


@dataclass(frozen=True)
class Checkpoint:
    """One run's weights in a study folder."""

    study: Study
    arm: str
    seed: int
    checkpoint: str
    """best or last"""

    @property
    def name(self) -> str:
        """What the study folder calls it."""
        return self.study.name_of(self.arm, self.seed, self.checkpoint)

    @property
    def folder(self) -> Path:
        """The adapter, or the whole model."""
        return self.study.folder / WEIGHTS / self.name

    @property
    def base(self) -> str | None:
        """The model that it is an adapter of: a folder, or a name on the hub; null where it is a whole model."""
        if not (self.folder / ADAPTER_CONFIG).is_file():
            return None
        settings = self.study.settings
        named = settings.get("base_paths", {}).get(self.study.name_of(self.arm, self.seed), settings.get("base_path"))
        inside = self.study.folder / str(named)
        return str(inside) if inside.is_dir() else str(named)


def choose(folder: str | Path, *, arm: str, seed: int | None = None, checkpoint: str | None = None) -> Checkpoint:
    """The checkpoint of an arm: of the study's first seed, and the one that its question is about, where not said.

    Raises RecipeError for an arm, seed or checkpoint that the study does not have, ArtifactError for weights that are
    not what was trained.
    """
    study = load(folder)
    if arm not in study.arms:
        raise RecipeError(
            f"--arm {arm} is no finished arm{nearest(arm, study.arms)}; {study.folder} has "
            f"{', '.join(study.arms) or 'none yet'}"
        )
    chosen = Checkpoint(study, arm, _seed(study, arm, seed), _checkpoint(study, checkpoint))
    if not chosen.folder.is_dir():
        raise ArtifactError(f"{chosen.folder} is missing; run the study again to restore it")
    check_weights(study.folder, _settings_of(chosen))
    return chosen


def _seed(study: Study, arm: str, seed: int | None) -> int:
    seeds = study.runs_of(arm)
    if seed is None:
        first = int(study.settings["first_seed"])
        return first if first in seeds else min(seeds)
    if seed not in seeds:
        raise RecipeError(f"--seed {seed} is no finished run of {arm}; it has {', '.join(map(str, sorted(seeds)))}")
    return seed


def _checkpoint(study: Study, checkpoint: str | None) -> str:
    kept = study.recipe.study.kept_checkpoints
    if checkpoint is not None and checkpoint not in CHECKPOINTS:
        raise RecipeError(f"--checkpoint is {checkpoint!r}; it must be {' or '.join(CHECKPOINTS)}")
    if not kept or (checkpoint is not None and checkpoint not in kept):
        raise RecipeError(
            f"{study.folder} keeps {' and '.join(kept) or 'no'} checkpoints (study.keep); winnow run "
            f"{study.folder / 'recipe.yaml'} --set study.keep=null brings the others back from the store"
        )
    declared = study.recipe.study.primary.checkpoint
    return checkpoint or (declared if declared in kept else kept[0])


def _settings_of(chosen: Checkpoint) -> dict[str, Any]:
    """The study's settings with the files of this checkpoint alone, and of what adapters stand on."""
    listed: Mapping[str, str] = chosen.study.settings.get("files", {})
    own = f"{WEIGHTS}/{chosen.name}/"
    return {"files": {name: listed[name] for name in listed if name.startswith((own, "base"))}}


def open_checkpoint(chosen: Checkpoint) -> Any:
    """The whole model, float32, in evaluation mode, on the CPU; an adapter merged. Raises RecipeError."""
    from winnow.models.merging import merge as merged
    from winnow.models.opening import open_model, put_on

    if chosen.base is None:
        return open_model(str(chosen.folder)).eval()
    return merged(put_on(open_model(chosen.base), str(chosen.folder))).eval()


def merge(chosen: Checkpoint, out: str | Path, *, precision: Precision = "float32") -> Path:
    """Write the checkpoint as a whole model with its tokenizer and a card into a new folder, complete or not at all.

    Raises ArtifactError where something stands at `out` already.
    """
    import torch

    from winnow.store import write_folder
    from winnow.text.tokenizers import load_tokenizer

    folder = Path(out)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ArtifactError(f"{folder} is there already; give a new folder with --out")
    model, tokenizer = open_checkpoint(chosen), load_tokenizer(chosen.folder)

    def fill(place: Path) -> None:
        model.to(getattr(torch, precision)).save_pretrained(place)
        tokenizer.save_pretrained(place)
        (place / CARD).write_text(_card(chosen, precision), encoding="utf-8")

    write_folder(folder, fill)
    return folder


def _card(chosen: Checkpoint, precision: str) -> str:
    """What the model is, for whoever finds the folder."""
    from winnow.text.markup import code, escaped, front_matter

    study = chosen.study
    front = {"license": "other", "license_name": "of-base-model-and-data", "pipeline_tag": "text-generation",
             "library_name": "transformers", "tags": ["winnow"]}  # fmt: skip
    base = study.recipe.base.model
    start = f"{code(base)}" if base else "a base model that the study made"
    licences = sorted({source.licence for source in study.recipe.pool.sources})
    return (
        f"{front_matter(front)}\n# {escaped(f'{study.recipe.name} {chosen.name}')}\n\n"
        f"The {chosen.checkpoint} checkpoint of the arm {code(chosen.arm)}, seed {chosen.seed}, of the winnow study "
        f"{code(study.recipe.name)}, as one whole model in {precision}. It started from {start}. Its licence follows "
        f"from that model and from the data ({escaped(', '.join(licences))}).\n"
    )
