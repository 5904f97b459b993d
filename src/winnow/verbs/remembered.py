"""What training takes by arithmetic where an architecture is known, else what the skeleton said, kept in the store.

    memory = Remembered(store.root)
    memory.costs(recipe).train(lengths)

Neither takes torch the second time. A question is all that its answer rests on: the base with its files, the section
`training` without its rates, for memory the pool's lengths and the machine, and always the code of winnow and the
versions of the libraries. A base at a hub is asked for anew each time, since only the hub knows what it is.
"""

import dataclasses
import hashlib
import json
from collections.abc import Callable
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import Any, TypeVar

import winnow
from winnow.models.costs import FlopModel, PeakMemory
from winnow.models.file_sizes import float32_bytes
from winnow.models.folders import contents_of
from winnow.models.host import kind_of_device
from winnow.models.known_flops import known_flops
from winnow.models.known_models import is_usable, known_parts
from winnow.recipe import Recipe, TrainingRecipe
from winnow.records import from_json, to_json
from winnow.store import hash_code, hash_json, sealed, unsealed, write_json
from winnow.verbs.known_sizes import known_peak_of
from winnow.verbs.planned_pool import PlannedPool

KEPT = Path("kept") / "plans"
LIBRARIES = "torch", "transformers", "peft", "numpy"
RATES = {
    "learning_rate", "schedule", "warmup_fraction", "decay_fraction", "final_learning_rate_fraction",
    "checkpoint_every_seconds", "threads", "early_stopping",
}  # fmt: skip
"""Of `training`: what changes neither shapes nor what is kept of them."""
Answer = TypeVar("Answer")


class Remembered:
    """Answers below the root of a store; without one nothing is kept."""

    def __init__(self, root: Path | None) -> None:
        self.root = root

    def check_models(self, recipe: Recipe) -> None:
        """Raises RecipeError for a model or adapter that cannot be used; one that can is not tried again."""
        if is_usable(recipe):
            return

        def check() -> dict[str, Any]:
            from winnow.models.checking import check_models

            check_models(recipe)
            return {}

        trainings = [recipe.training, *(stage.training for stage in recipe.stages)]
        asked = [_base(recipe), [_shape(each) for each in trainings], _others(recipe)]
        self._of("models", asked, check, lambda tree: None)

    def costs(self, recipe: Recipe) -> FlopModel:
        """FLOPs of an example of any length."""
        known = known_parts(recipe.base, recipe.training)
        if known is not None:
            return known_flops(*known)

        def count() -> dict[str, Any]:
            from winnow.verbs.planned_sizes import costs_of

            return dict(to_json(costs_of(recipe)))

        return self._of(
            "flops", [_base(recipe), _shape(recipe.training)], count, lambda tree: from_json(FlopModel, tree)
        )

    def adapter_bytes(self, recipe: Recipe) -> int | None:
        """Size of the file of a run's adapter; None where all weights are trained."""
        if recipe.training.method != "lora":
            return None
        known = known_parts(recipe.base, recipe.training)
        if known is not None:
            layout, parts = known
            return float32_bytes(parts.adapter_weights(layout))

        def count() -> dict[str, Any]:
            from winnow.verbs.planned_sizes import adapter_bytes_of

            return {"bytes": adapter_bytes_of(recipe)}

        return self._of("adapter", [_base(recipe), _shape(recipe.training)], count, lambda tree: int(tree["bytes"]))

    def peak(self, recipe: Recipe, training: TrainingRecipe, pool: PlannedPool) -> PeakMemory:
        """Memory of one device at the worst moment of a run that trains as this section says."""
        known = known_peak_of(recipe, training, pool)
        if known is not None:
            return known

        def predict() -> dict[str, Any]:
            from winnow.verbs.planned_sizes import peak_of

            return dataclasses.asdict(peak_of(recipe, training, pool))

        machine, rows = recipe.machine, hashlib.sha256(pool.lengths.tobytes()).hexdigest()
        data = [rows, float(pool.targets_share), pool.is_declared, recipe.pool.max_tokens, recipe.study.seeds[0]]
        asked = [_base(recipe), _shape(training), data, machine.devices, machine.memory_bytes is None, kind_of_device()]
        return self._of("memory", asked, predict, lambda tree: PeakMemory(**tree))

    def _of(
        self, what: str, asked: list[Any], answer: Callable[[], dict[str, Any]], read: Callable[[Any], Answer]
    ) -> Answer:
        if self.root is None or asked[0] is None:
            return read(answer())
        path = self.root / KEPT / f"{hash_json([what, asked, _versions()])[:24]}.json"
        with suppress(OSError, ValueError, KeyError, TypeError):  # not there, or damaged: worked out again
            return read(unsealed(json.loads(path.read_text(encoding="utf-8")))["answer"])
        made = answer()
        write_json(path, sealed({"question": what, "answer": made}))
        return read(made)


def _base(recipe: Recipe) -> Any:
    """The base model, with the hashes of its files; None where it is at a hub."""
    name = recipe.base.model
    if name is not None and not Path(name).expanduser().is_dir():
        return None
    return [recipe.base.model_dump(mode="json"), None if name is None else contents_of(name)]


def _others(recipe: Recipe) -> list[Any]:
    """The models of representations and teachers, with the hashes of their files."""
    asked = [getattr(each, "model", None) for each in recipe.selection.representations.values()]
    teachers = [source.synthetic.teacher for source in recipe.pool.sources if source.synthetic]
    names = [name for name in (*asked, *(getattr(each, "model", None) for each in teachers)) if name]
    kinds = [each.kind for each in recipe.selection.representations.values()]
    return [kinds, [[name, contents_of(name) if Path(name).expanduser().is_dir() else None] for name in names]]


def _shape(training: TrainingRecipe) -> dict[str, Any]:
    return training.model_dump(mode="json", exclude=RATES)


def _versions() -> list[str]:
    return [hash_code(Path(winnow.__file__).parent), *(metadata.version(name) for name in LIBRARIES)]
