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
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import ValidationError

from winnow.analysis import long_table
from winnow.analysis.scores import Final
from winnow.analysis.study_records import Run, Selection, StageRecord, Trial
from winnow.errors import ArtifactError, RecipeError
from winnow.kinds import KINDS, Copied
from winnow.ledger import charged_stages, metered
from winnow.recipe import Recipe
from winnow.recipe.arguments import AnyPath, checks_arguments
from winnow.recipe.file import parse_recipe, parse_yaml
from winnow.records import SELECTION, ZERO_SHOT, Artifact, Cost, from_json
from winnow.store import read_json
from winnow.study_files import CHECKPOINTS, STAGES, STUDY, check_records, read_settings, run_name

if TYPE_CHECKING:
    import pandas

Record = TypeVar("Record")
BASE = "base"
"""The base model and what it rests on are the same for all arms, and are not charged."""


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
        chosen = self.settings.get("arms", {}).get(arm, {}).get("selection", arm)
        return next((selection for (name, _), selection in self.selections.items() if name == chosen), None)

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

    @cached_property
    def trials(self) -> tuple[Trial, ...]:
        """Of the sweeps, by arm, from the lowest rate to the highest; none where the recipe gives the rate."""
        return tuple(_trials(self))

    def suffix(self, seed: int | None) -> str:
        """What the file names of this seed carry: nothing for the first one."""
        return run_name("", seed, self.settings["first_seed"])

    def name_of(self, arm: str, seed: int | None, checkpoint: str | None = None) -> str:
        """What the folder calls a run, or a checkpoint of it."""
        return run_name(arm, seed, self.settings["first_seed"], checkpoint)

    def path_of(self, copied: Copied, arm: str, seed: int | None, checkpoint: str | None = None) -> Path:
        """Where the folder has this file of a run, or of a checkpoint of it."""
        return self.folder / copied.path.format(run=self.name_of(arm, seed, checkpoint))

    def records_path(self, arm: str, seed: int) -> Path:
        """The file of a run's records."""
        return self.path_of(KINDS["train"].record, arm, seed)

    @property
    def dollars_per_hour(self) -> float:
        """Price of the whole machine."""
        return self.recipe.machine.dollars_per_hour

    @property
    def factors(self) -> tuple[str, ...]:
        """What arms differ in, where that is more than their selection."""
        names = dict.fromkeys(name for arm in self.settings.get("arms", {}).values() for name in arm.get("factors", ()))
        return tuple(names) if set(names) - {SELECTION} else ()

    @property
    def columns(self) -> tuple[str, ...]:
        """Of the long table."""
        return long_table.columns(self.factors)

    def rows(self) -> Iterator[tuple[Any, ...]]:
        """All measurements, one a row, in the order of `columns`."""
        measurements = long_table.rows(self.runs, self.finals, zero_shot=self.zero_shot, trials=self.trials)
        levels = {name: arm.get("factors", {}) for name, arm in self.settings.get("arms", {}).items()}
        return long_table.with_levels(measurements, self.factors, levels)

    def to_pandas(self) -> "pandas.DataFrame":
        """One tidy long table: arm, seed, step, split, source, metric, value, flops, seconds, and factors."""
        import pandas

        return pandas.DataFrame(self.rows(), columns=list(self.columns))


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
    stages = _load_stages(root / STAGES)
    bare = Study(root, _load_recipe(root / "recipe.yaml"), settings, stages, {}, {}, {})
    zero_shot = bare.path_of(KINDS["evaluate"].record, ZERO_SHOT, None)
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
                path = study.path_of(KINDS["evaluate"].record, stage.arm, stage.seed, checkpoint)
                yield (stage.arm, stage.seed, checkpoint), _read(Final, path)


def _load_selections(study: Study) -> Iterator[tuple[tuple[str, int | None], Selection]]:
    for stage in study.stages.values():
        if stage.artifact.kind == "select" and stage.arm is not None:
            path = study.path_of(KINDS["select"].record, stage.arm, stage.seed)
            yield (stage.arm, stage.seed), _read(Selection, path)


def _trials(study: Study) -> Iterator[Trial]:
    asked = study.recipe.study.sweep
    if asked is None:
        return
    for sweep in (stage for stage in study.stages.values() if stage.artifact.kind == "sweep"):
        baseline = study.settings.get("baseline", study.recipe.study.primary.baseline)
        arm = sweep.arm or sweep.artifact.numbers.get("of", baseline)  # one for several arms is of one arm's data
        chosen = sweep.artifact.numbers["learning_rate"]
        for told in sweep.artifact.numbers["trials"]:
            rate = told["learning_rate"]
            if told.get("is_beyond"):
                steps, cost = told["steps"], Cost(**told["cost"])
            else:
                trial = study.stages[sweep.inputs_by_name[f"trial.{rate}"]].artifact
                steps, cost = trial.numbers["steps"], metered(trial, ("train",))
            yield Trial(arm, asked.seed, rate, told["loss"], told["is_stable"], rate == chosen, steps, cost)


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
