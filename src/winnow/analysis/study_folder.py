"""Reads a study folder into plain records.

    study = load("runs/quickstart")
    study.to_pandas()

`records/stages.json` lists what is finished; a run that is not in it is simply absent, but a file that it promises
and that is missing or damaged is an error naming it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from pydantic import ValidationError

from winnow.analysis.scores import Final, Score
from winnow.budget import VisitPlan
from winnow.errors import ArtifactError, RecipeError
from winnow.ledger import charged_stages
from winnow.recipe import Recipe
from winnow.recipe.arguments import AnyPath, checks_arguments
from winnow.recipe.file import parse_recipe, parse_yaml
from winnow.records import Artifact, Cost, from_json
from winnow.store import read_json
from winnow.study_files import STUDY, check_records, read_settings

if TYPE_CHECKING:
    import pandas

Record = TypeVar("Record")
CHECKPOINTS = ("best", "last")
ZERO_SHOT = "zero_shot"
BASE = "base"
"""The base model and what it rests on are the same for all arms, and are not charged."""


@dataclass(frozen=True, slots=True)
class Step:
    """One optimizer update; counts are cumulative."""

    step: int
    loss: float
    tokens: int
    flops: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One evaluation on the way; counts are cumulative and without evaluation and selection."""

    step: int
    tokens: int
    flops: float
    seconds: float
    evaluation_seconds: float
    validation: Score
    sets: dict[str, Score]
    micro: Score
    macro: Score


@dataclass(frozen=True, slots=True)
class Best:
    """Where the best checkpoint lies and which rule chose it."""

    step: int
    value: float
    by: Literal["validation", "test"]


@dataclass(frozen=True)
class Run:
    """An arm with a seed, from training_records.<arm>.json."""

    arm: str
    seed: int
    plan: VisitPlan
    parameters: dict[str, int]
    checkpoint_bytes: int
    steps: tuple[Step, ...]
    evaluations: tuple[Evaluation, ...]
    best: Best
    last: dict[str, int]
    costs: dict[str, Cost]
    wasted: Cost
    training: dict[str, Any] = field(default_factory=dict)
    """How it trained: the recipe's section, with the learning rate that a sweep chose."""

    @property
    def learning_rate(self) -> float | None:
        """Its peak; None where the records do not say."""
        return self.training.get("learning_rate")

    @property
    def at_best(self) -> Evaluation:
        """The evaluation of the best checkpoint."""
        return next(row for row in self.evaluations if row.step == self.best.step)

    def step_of(self, checkpoint: str) -> int:
        """The step of the best or the last checkpoint."""
        return self.best.step if checkpoint == "best" else self.last["step"]

    @property
    def best_validation_loss(self) -> float:
        """The lowest validation loss on the way."""
        return min(row.validation.loss for row in self.evaluations)


@dataclass(frozen=True, slots=True)
class SourceShare:
    """One source in the pool and in a selection."""

    source: str
    pool_examples: int
    selected_examples: int
    pool_share: float
    selected_share: float
    ratio: float | None
    mean_tokens: float | None = None


@dataclass(frozen=True)
class Selection:
    """What a selector chose."""

    selector: str
    fraction: float | None
    size: int
    pool_size: int
    composition: tuple[SourceShare, ...]
    mean_tokens: float | None = None
    pool_mean_tokens: float | None = None
    mmd_ratio: float | None = None
    seed: int | None = None
    planted: dict[str, dict[str, float]] = field(default_factory=dict)
    """Fault -> its `pool_share` and its `share` of the chosen rows."""


@dataclass(frozen=True)
class StageRecord:
    """A finished stage: its artifact, whose it is and what it rests on."""

    artifact: Artifact
    arm: str | None
    seed: int | None
    inputs_by_name: dict[str, str]
    """Role -> name of the stage that gave it."""


@dataclass(frozen=True)
class Study:
    """A study folder, read."""

    folder: Path
    recipe: Recipe
    settings: dict[str, Any]
    stages: dict[str, StageRecord]
    runs: dict[tuple[str, int], Run]
    finals: dict[tuple[str, int, str], Final]
    """By arm, seed and checkpoint."""
    selections: dict[tuple[str, int | None], Selection]
    """By arm and seed; the seed is None where the selection does not depend on it."""
    zero_shot: Final | None = None
    pool: dict[str, Any] = field(default_factory=dict)
    items_read: dict[tuple[str, str, str], Any] = field(default_factory=dict, compare=False, repr=False)
    """By arm, checkpoint and metric, the items that `item_records` has read, so that each file is read once."""

    @property
    def arms(self) -> tuple[str, ...]:
        """Arms with a finished run, in the order of the stages."""
        return tuple(dict.fromkeys(arm for arm, _ in self.runs))

    def runs_of(self, arm: str) -> dict[int, Run]:
        """The arm's finished runs by seed."""
        return {seed: run for (name, seed), run in self.runs.items() if name == arm}

    def finals_of(self, arm: str, checkpoint: str) -> dict[int, Final]:
        """The arm's evaluated checkpoints of this kind by seed."""
        return {seed: final for (name, seed, kind), final in self.finals.items() if (name, kind) == (arm, checkpoint)}

    def selection_of(self, arm: str) -> Selection | None:
        """The arm's selection, of its first seed where it depends on the seed."""
        return next((selection for (name, _), selection in self.selections.items() if name == arm), None)

    @cached_property
    def trained(self) -> dict[tuple[str | None, int | None], StageRecord]:
        """By arm and seed, the stage that trained the run."""
        return {(each.arm, each.seed): each for each in self.stages.values() if each.artifact.kind == "train"}

    @cached_property
    def charged_below(self) -> dict[str, tuple[str, ...]]:
        """Stage -> itself and the finished stages that it is charged for, without the base model."""
        inputs = {name: each.inputs_by_name for name, each in self.stages.items()}
        found = {name: charged_stages(name, inputs, except_below=(BASE,)) for name in self.stages}
        return {name: tuple(at for at in below if at in self.stages) for name, below in found.items()}

    @cached_property
    def arms_on(self) -> dict[str, set[str]]:
        """Stage -> the arms with a finished run that rests on it."""
        found: dict[str, set[str]] = {}
        for arm, seed in self.runs:
            for name in self.charged_below[self.trained[arm, seed].artifact.name]:
                found.setdefault(name, set()).add(arm)
        return found

    def suffix(self, seed: int | None) -> str:
        """What the file names of this seed carry: nothing for the first one."""
        return "" if seed in (None, self.settings["first_seed"]) else f"_s{seed}"

    def records_path(self, arm: str, seed: int) -> Path:
        """The file of a run's records."""
        return self.folder / f"training_records.{arm}{self.suffix(seed)}.json"

    @property
    def dollars_per_hour(self) -> float:
        """Price of the whole machine."""
        return self.recipe.machine.dollars_per_hour

    def to_pandas(self) -> "pandas.DataFrame":
        """One tidy long table: arm, seed, step, split, source, metric, value, flops, seconds."""
        import pandas

        from winnow.analysis.long_table import COLUMNS, rows

        return pandas.DataFrame(rows(self), columns=list(COLUMNS))


@checks_arguments(ArtifactError)
def load(folder: AnyPath) -> Study:
    """The study in `folder`, every file of it compared with what was written.

    Raises ArtifactError naming a missing or damaged file.
    """
    root = Path(folder)
    settings = read_settings(root)
    if settings is None:
        raise ArtifactError(f"{root / STUDY} is missing; give the folder of a study, such as runs/quickstart")
    check_records(root, settings)
    stages = _load_stages(root / "records" / "stages.json")
    bare = Study(root, _load_recipe(root / "recipe.yaml"), settings, stages, {}, {}, {})
    zero_shot = root / "records" / f"evaluation.{ZERO_SHOT}.json"
    pool = root / "records" / "pool.json"
    return Study(
        folder=root,
        recipe=bare.recipe,
        settings=settings,
        stages=stages,
        runs=dict(_load_runs(bare)),
        finals=dict(_load_finals(bare)),
        selections=dict(_load_selections(bare)),
        zero_shot=_read(Final, zero_shot) if zero_shot.is_file() else None,
        pool=read_json(pool) if pool.is_file() or "pool" in stages else {},
    )


def _load_recipe(path: Path) -> Recipe:
    try:
        return parse_recipe(parse_yaml(path.read_text(encoding="utf-8"), str(path)))
    except (OSError, ValueError, RecipeError) as error:
        raise ArtifactError(f"{path} is missing or damaged; run the study again to restore it ({error})") from error


def _load_stages(path: Path) -> dict[str, StageRecord]:
    found = {}
    for tree in read_json(path):
        artifact = _parsed(Artifact, tree, path)
        found[artifact.name] = StageRecord(artifact, tree.get("arm"), tree.get("seed"), tree.get("inputs_by_name", {}))
    return found


def _load_runs(study: Study) -> Iterator[tuple[tuple[str, int], Run]]:
    for stage in study.stages.values():
        if stage.artifact.kind == "train" and stage.arm is not None and stage.seed is not None:
            path = study.records_path(stage.arm, stage.seed)
            run = _read(Run, path)
            if not any(row.step == run.best.step for row in run.evaluations):
                raise ArtifactError(f"{path} is damaged: no evaluation at its best step {run.best.step}; run again")
            yield (stage.arm, stage.seed), run


def _load_finals(study: Study) -> Iterator[tuple[tuple[str, int, str], Final]]:
    for stage in study.stages.values():
        if stage.artifact.kind == "evaluate" and stage.arm is not None and stage.seed is not None:
            for checkpoint in CHECKPOINTS:
                file = f"evaluation.{stage.arm}{study.suffix(stage.seed)}_{checkpoint}.json"
                yield (stage.arm, stage.seed, checkpoint), _read(Final, study.folder / "records" / file)


def _load_selections(study: Study) -> Iterator[tuple[tuple[str, int | None], Selection]]:
    for stage in study.stages.values():
        if stage.artifact.kind == "select" and stage.arm is not None:
            file = f"selection.{stage.arm}{study.suffix(stage.seed)}.json"
            yield (stage.arm, stage.seed), _read(Selection, study.folder / "records" / file)


def _read(kind: type[Record], path: Path) -> Record:
    return _parsed(kind, read_json(path), path)


def _parsed(kind: type[Record], tree: Mapping[str, Any], path: Path) -> Record:
    try:
        return from_json(kind, tree)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        what = f"{place}: {first['msg'].lower()}"
        raise ArtifactError(f"{path} is damaged: {what}; run the study again to restore it") from error
