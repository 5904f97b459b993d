"""A study as folders that a hub takes, built and checked before anything leaves the machine.

    built = build("runs/quickstart", "runs/quickstart-upload")
    check(built).problems          # one line each; nothing is pushed while there are any
    push(built, "someone/quickstart")

`model/` has the card, adapters, records, tables, figures and page; `selections/` is a data set of the chosen ids. Item
records lose the texts of evaluation sets whose licence is not known to let others have a copy; the card says what else
was left out.
"""

import io
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from winnow.analysis.study_folder import Study, load
from winnow.credentials import holds_secret
from winnow.errors import ArtifactError, PublishError, shown
from winnow.findings import Findings
from winnow.kinds import KINDS
from winnow.pipeline import report_of
from winnow.recipe import Recipe
from winnow.recipe.arguments import AnyPath, FolderPath, Text, checks_arguments
from winnow.recipe.licences import may_redistribute
from winnow.report.dataset_card import SelectionFiles, dataset_card
from winnow.store import write_atomic, write_folder
from winnow.study_files import CHECKPOINTS, check_weights
from winnow.verbs import base_names

MODEL, SELECTIONS, CARD = "model", "selections", "README.md"
COPIED = "recipe.yaml", "study.json", "adapters", "base"
TEXTS = "output", "extracted", "answer", "target", "prompt"
"""Columns of item records that hold what a licence may forbid to copy."""
ITEM_RECORDS = "evaluation.*.parquet", "prompts.parquet", "selection.*.parquet"
WEIGHTS = "adapter_model.safetensors", "model.safetensors", "model.safetensors.index.json"
LONGEST_REPOSITORY = 80
"""Letters, so that the repository of the selections, whose name is longer, has a name as hubs allow it."""
TEXT_FILES = (".md", ".json", ".yaml", ".csv", ".html", ".txt")


@dataclass(frozen=True)
class Built:
    """Folders that are ready to be checked and pushed."""

    root: Path
    findings: Findings
    selections: tuple[SelectionFiles, ...]
    base: str | None = None
    """The base model as cards and adapters name it; None where the recipe makes it."""

    @property
    def folders(self) -> dict[str, Path]:
        """`model`, and `selections` where the study selects rows."""
        names = (MODEL, *((SELECTIONS,) if self.selections else ()))
        return {name: self.root / name for name in names}


@dataclass(frozen=True)
class Check:
    """What stands against publishing, and what a publisher should know."""

    problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    files: int = 0
    bytes: int = field(default=0)


@checks_arguments(ArtifactError)
def build(folder: AnyPath, out: FolderPath, base_model: Text | None = None) -> Built:
    """Both folders, made anew below `out` from the study folder, which is left as it is.

    `base_model` is written for the base that the recipe names, which may be a folder here. Raises ArtifactError where
    something else stands at `out`, or a file of the study is not what was written; PublishError for a base that is
    none.
    """
    root, study = Path(out), load(folder)
    check_weights(study.folder, study.settings)
    if root.exists() and any(root.iterdir()) and not any((root / name).is_dir() for name in (MODEL, SELECTIONS)):
        raise ArtifactError(f"{root} holds something else than an upload folder; give a new folder with --out")
    if root.resolve() == study.folder.resolve():
        raise ArtifactError(f"{root} is the study folder itself; give a new folder with --out")
    if base_model is not None:
        base_names.check_name(base_model)
    named = study if base_model is None else base_names.with_base(study, base_model)
    made: list[Any] = []
    write_folder(root / MODEL, lambda place: made.append(_fill_model(place, named, study.recipe.base.model)))
    if not study.selections:
        shutil.rmtree(root / SELECTIONS, ignore_errors=True)
        return Built(root, made[0], (), named.recipe.base.model)
    write_folder(root / SELECTIONS, lambda place: made.append(_fill_selections(place, named, made[0])))
    return Built(root, made[0], tuple(made[1]), named.recipe.base.model)


def _fill_model(place: Path, study: Study, base: str | None) -> Findings:
    """The findings of the study, whose base model was called `base` where it stands."""
    for name in COPIED:
        source = study.folder / name
        if source.is_dir():
            ignore = shutil.ignore_patterns(".*", "*.partial")
            shutil.copytree(source, place / name, ignore=ignore, copy_function=shutil.copyfile)
        elif source.is_file():
            shutil.copy(source, place / name)
    records = [*study.folder.glob("training_records.*.json"), *(study.folder / "records").glob("*.json")]
    for path in records:
        target = place / path.relative_to(study.folder)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    if base is not None and study.recipe.base.model not in (None, base):
        base_names.rename(place, base, str(study.recipe.base.model))
    hidden = _hidden_sets(study.recipe)
    for pattern in ITEM_RECORDS:
        for path in (study.folder / "records" / "items").glob(pattern):
            write_atomic(place / path.relative_to(study.folder), without_texts(path, hidden))
    return report_of(study, place, left_out=left_out(study.recipe))


def _hidden_sets(recipe: Recipe) -> set[str]:
    """The evaluation sets of which no text may leave the machine."""
    return {each.name for each in recipe.evaluation.sets if not may_redistribute(each.licence)}


def left_out(recipe: Recipe) -> list[str]:
    """What the study folder has and the upload has not, in words for its card."""
    kept, hidden = recipe.study.kept_checkpoints, sorted(_hidden_sets(recipe))
    told = ["The rows that were trained on: the data set of selections has their ids and ranks."]
    if hidden:
        told.append(
            f"Prompts, answers and outputs of the items of {', '.join(hidden)}, whose licences are not known to let "
            "others have copies; their scores are here."
        )
    if recipe.evaluation.benchmarks is not None:
        told.append("The items of benchmarks; their scores are in the tables.")
    lacking = [name for name in CHECKPOINTS if name not in kept]
    if lacking:
        told.append(f"The {' and '.join(lacking)} checkpoints, which the study folder does not keep (`study.keep`).")
    if recipe.base.model is not None and kept and recipe.training.method == "lora":
        told.append("The base model, which adapters stand on: it is loaded by its name.")
    return told


def without_texts(path: Path, hidden: set[str]) -> bytes:
    """The item records as Parquet, with nulls for the texts of the sets whose licence forbids to copy them."""
    table = pq.read_table(path)
    if "set" in table.column_names:
        keeps = pa.array([name not in hidden for name in table["set"].to_pylist()])
        for column in (name for name in TEXTS if name in table.column_names):
            kept = pc.if_else(keeps, table[column], pa.scalar(None, table.schema.field(column).type))
            table = table.set_column(table.column_names.index(column), column, kept)
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    return buffer.getvalue()


def _fill_selections(place: Path, study: Study, findings: Findings) -> list[SelectionFiles]:
    found: dict[str, dict[str, str]] = {}
    rows: dict[str, int] = {}
    for arm, seed in study.selections:
        source = study.path_of(KINDS["select"].items, arm, seed)
        if not source.is_file():
            raise ArtifactError(f"{source} is missing; run the study again to restore it")
        split = "train" if seed is None else f"seed_{seed}"
        target = place / arm / f"{split}.parquet"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)
        found.setdefault(arm, {})[split] = f"{arm}/{split}.parquet"
        rows[arm] = pq.read_metadata(source).num_rows
    selections = [SelectionFiles(arm, rows[arm], splits) for arm, splits in found.items()]
    write_atomic(place / CARD, dataset_card(findings, selections))
    return selections


def check(built: Built) -> Check:
    """Cards as the hub's library reads them, checkpoints, data files, licences, secrets and paths of this machine."""
    files = [path for folder in built.folders.values() for path in sorted(folder.rglob("*")) if path.is_file()]
    problems = [
        *_base_problems(built), *_card_problems(built), *_checkpoint_problems(built), *_selection_problems(built),
        *_secrets(built.root, files),
    ]  # fmt: skip
    return Check(
        tuple(problems), tuple(_warnings(built, files)), len(files), sum(path.stat().st_size for path in files)
    )


def _base_problems(built: Built) -> Iterator[str]:
    if built.base is not None and base_names.is_here(built.base):
        yield (
            f"the base model is {built.base}, a folder of this machine, which nobody else has; say its name on the hub "
            "with --base-model USER/NAME"
        )


def _card_problems(built: Built) -> Iterator[str]:
    from huggingface_hub import DatasetCard, ModelCard

    kinds = {MODEL: ModelCard, SELECTIONS: DatasetCard}
    for name, folder in built.folders.items():
        kind, path = kinds[name], folder / CARD
        try:
            data = kind.load(path, ignore_metadata_errors=False).data
        except (OSError, ValueError, TypeError, KeyError) as error:
            yield f"{name}/{CARD} is no card that the hub takes: {error}"
            continue
        if name == MODEL and built.findings.curves and not data.eval_results:
            yield f"{name}/{CARD} has no results in its model-index; evaluate the study first"


def _checkpoint_problems(built: Built) -> Iterator[str]:
    from safetensors import safe_open

    folder = built.folders[MODEL]
    rows = built.findings.tables["adapters"].rows
    for path in dict.fromkeys(row["path"] for row in rows if row["path"] is not None):
        weights = next((folder / path / name for name in WEIGHTS if (folder / path / name).is_file()), None)
        if weights is None:
            yield f"{path} has no weights; run the study again to restore them"
        elif weights.suffix == ".safetensors":
            try:
                with safe_open(weights, framework="numpy") as file:
                    is_empty = not list(file.keys())
            except Exception as error:  # its own class of errors, which is not always the same
                yield f"{path}/{weights.name} is damaged: {error}"
                continue
            if is_empty:
                yield f"{path}/{weights.name} holds no tensor"
    settings, usual = built.findings.settings, built.findings.recipe.training.method
    has_adapters = any(arm.training.get("method", usual) == "lora" for arm in built.findings.arms if arm.seeds)
    bases = {settings.get("base_path"), *settings.get("base_paths", {}).values()} if has_adapters else set()
    for base in sorted(name for name in bases if name and name.split("_")[0] == "base"):
        if not (folder / base).is_dir():
            yield f"the adapters need {base}/, which the study folder does not have; run the study again to restore it"
    if not rows:
        yield "the study has no finished run, so there is nothing to publish; run it first"


def _selection_problems(built: Built) -> Iterator[str]:
    for each in built.selections:
        for path in each.splits.values():
            rows = pq.read_metadata(built.folders[SELECTIONS] / path).num_rows
            if rows == 0:
                yield f"{SELECTIONS}/{path} holds no rows"


def _secrets(root: Path, files: Sequence[Path]) -> Iterator[str]:
    for path in files:
        if path.suffix in TEXT_FILES and holds_secret(path.read_text(encoding="utf-8", errors="replace")):
            yield (
                f"{path.relative_to(root)} holds what looks like an access token or a password; remove it where it "
                "comes from (winnow run leaves it out of recipe.yaml)"
            )


def _warnings(built: Built, files: Sequence[Path]) -> Iterator[str]:
    if not built.findings.recipe.study.kept_checkpoints:
        yield "the study folder keeps no weights (study.keep: none), so that none are published"
    for source in built.findings.sources:
        if not may_redistribute(source.licence):
            yield (
                f"{source.name} ({source.role}) is under {source.licence!r}, which is not known to let others have "
                "copies; whether what was trained or scored on it may be published is yours to find out"
            )
    home = str(Path.home()).encode()
    named = [path for path in files if path.suffix in TEXT_FILES and len(home) > 1 and home in path.read_bytes()]
    if named:
        first = named[0].relative_to(built.root)
        yield f"{len(named)} files name your home folder, such as {first}; write paths relative to the recipe's folder"


def check_repository(name: str) -> None:
    """Raises PublishError where a hub takes no repositories of this name: known without asking one."""
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    try:
        for each in (name, f"{name}-selections"):
            validate_repo_id(each)
        is_name = name.count("/") == 1 and not set(name.split("/")) & {"", ".", ".."}
    except HFValidationError:
        is_name = False
    if not is_name:
        raise PublishError(
            f"--repo is {shown(name)}; it must be USER/NAME, of letters, digits, -, _ and ., at most 85 characters"
        )


def push(built: Built, repository: str, *, private: bool = False, endpoint: str | None = None) -> dict[str, str]:
    """Push the model folder to `repository` and the selections to `<repository>-selections`; their addresses.

    With the token that the hub's own client is logged in with. Raises PublishError in one line.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    check_repository(repository)
    found = check(built).problems
    if found:
        raise PublishError(f"nothing was pushed, since {len(found)} checks failed: {'; '.join(found)}")
    api, pushed = HfApi(endpoint=endpoint), {}
    names = {MODEL: (repository, "model"), SELECTIONS: (f"{repository}-selections", "dataset")}
    for folder in built.folders:
        name, kind = names[folder]
        try:
            pushed[folder] = str(api.create_repo(name, repo_type=kind, private=private, exist_ok=True))
            api.upload_folder(
                repo_id=name, repo_type=kind, folder_path=built.folders[folder],
                commit_message=f"{built.findings.recipe.name}, made by winnow",
            )  # fmt: skip
        except (HfHubHTTPError, HFValidationError, OSError) as error:
            first = next(iter(str(error).strip().splitlines()), type(error).__name__)
            raise PublishError(
                f"{name} was not pushed: {first}; log in with `hf auth login`, or check the name USER/NAME"
            ) from error
    return pushed
