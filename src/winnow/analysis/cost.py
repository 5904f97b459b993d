"""What an arm's runs and its selection cost, on any axis; selections are found along the edges of the stages.

*Whole*: an arm pays for all that its selection rests on. *Amortised*: a stage that several arms rest on, such as
the features of the pool, is shared equally among them.
"""

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from winnow.analysis.study_folder import Study
from winnow.analysis.study_records import Evaluation, StageRecord
from winnow.ledger import CHARGED_METERS, SELECTION_METERS, SHARED, dollars, metered, total
from winnow.records import Cost
from winnow.text.printing import EXA, flops_unit

AXES = ("flops", "seconds", "dollars", "tokens")


@dataclass(frozen=True, slots=True)
class Charge:
    """A cost, paid whole and shared with the other arms that rest on it."""

    whole: Cost
    amortised: Cost


def amount(cost: Cost, axis: str, dollars_per_hour: float) -> float:
    """A cost on one axis."""
    if axis == "dollars":
        return dollars(cost.seconds, dollars_per_hour) + cost.dollars
    return float(getattr(cost, axis))


def amount_at(evaluation: Evaluation, axis: str, dollars_per_hour: float) -> float:
    """What a run's training had cost when this evaluation was made, on one axis."""
    return dollars(evaluation.seconds, dollars_per_hour) if axis == "dollars" else float(getattr(evaluation, axis))


def selection_charge(study: Study, arm: str, seed: int) -> Charge:
    """What the selection behind one run cost: representation, selectors, and training that was done for them alone."""
    inputs = train_stage(study, arm, seed).inputs_by_name
    chosen = inputs.get("selection") or inputs.get("mixture")
    if chosen is None:
        return Charge(Cost(), Cost())
    others = [at for role, at in inputs.items() if at != chosen and role != "sweep"]  # a sweep rests on the selection
    shared = {below for at in others for below in stages_below(study, at)}
    return _charge(
        study,
        [at for at in stages_below(study, chosen) if at not in shared],
        ("train", SHARED, *SELECTION_METERS),
    )


def arm_charge(study: Study, arm: str) -> Charge:
    """All that is charged to an arm: training, selection and generation, without base model and evaluation.

    A stage that several of its seeds rest on counts once.
    """
    runs = [train_stage(study, arm, seed).artifact.name for seed in study.runs_of(arm)]
    names = dict.fromkeys(name for run in runs for name in stages_below(study, run))
    return _charge(study, names, CHARGED_METERS)


def sweep_charge(study: Study, arm: str) -> Charge:
    """What the trials cost that the arm's learning rate was chosen from; nothing where the recipe gives it."""
    sweep = sweep_of(study, arm)
    below = stages_below(study, sweep.artifact.name) if sweep else ()
    return _charge(study, [at for at in below if study.stages[at].artifact.kind in ("trial", "sweep")], CHARGED_METERS)


def sweep_of(study: Study, arm: str) -> StageRecord | None:
    """The stage that chose the arm's learning rate; None where the recipe gives it."""
    names = [train_stage(study, arm, seed).inputs_by_name.get("sweep") for seed in study.runs_of(arm)]
    return next((study.stages[name] for name in names if name in study.stages), None)


def evaluation_cost(study: Study, arm: str) -> Cost:
    """What evaluating an arm cost, on the way and at the end; metered, not charged."""
    return total(metered(stage.artifact, ("evaluate",)) for stage in study.stages.values() if stage.arm == arm)


def flops_unit_of(study: Study) -> float:
    """The unit in which the FLOPs of this study are said: of its largest run, selection included."""
    whole = [
        run.costs["train"].flops + selection_charge(study, run.arm, run.seed).whole.flops for run in study.runs.values()
    ]
    return flops_unit(max(whole, default=EXA))


def _charge(study: Study, stages: Iterable[str], meters: Iterable[str]) -> Charge:
    costs = {name: metered(study.stages[name].artifact, meters) for name in stages}
    return Charge(
        whole=total(costs.values()),
        amortised=total(scaled(cost, 1 / num_sharing_arms(study, name)) for name, cost in costs.items()),
    )


def train_stage(study: Study, arm: str, seed: int) -> StageRecord:
    """The stage that trained this run."""
    return study.trained[arm, seed]


def stages_below(study: Study, name: str) -> Sequence[str]:
    """The stage and the finished stages that it is charged for, each once, without the base model."""
    return study.charged_below.get(name, ())


def num_sharing_arms(study: Study, name: str) -> int:
    """Arms of the study with a finished run that rests on this stage; at least one."""
    return max(1, len(study.arms_on.get(name, ())))


def scaled(cost: Cost, factor: float) -> Cost:
    """A share of a cost; tokens are rounded."""
    parts = dataclasses.asdict(cost).items()
    return Cost(**{key: round(value * factor) if isinstance(value, int) else value * factor for key, value in parts})
