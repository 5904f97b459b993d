"""What an arm's runs and its selection cost, on any axis; selections are found along the edges of the stages.

*Whole*: an arm pays for all that its selection rests on. *Amortised*: a stage that several arms rest on, such as
the features of the pool, is shared equally among them.
"""

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass

from winnow.analysis.study_folder import Evaluation, StageRecord, Study
from winnow.ledger import CHARGED_METERS, SELECTION_METERS, charged_stages, dollars, metered, total
from winnow.records import Cost

AXES = ("flops", "seconds", "dollars", "tokens")
BASE = "base"
"""The base model and what it rests on are the same for all arms, and are not charged."""


@dataclass(frozen=True, slots=True)
class Charge:
    """A cost, paid whole and shared with the other arms that rest on it."""

    whole: Cost
    amortised: Cost


def amount(cost: Cost, axis: str, dollars_per_hour: float) -> float:
    """A cost on one axis."""
    return dollars(cost.seconds, dollars_per_hour) if axis == "dollars" else float(getattr(cost, axis))


def amount_at(evaluation: Evaluation, axis: str, dollars_per_hour: float) -> float:
    """What a run's training had cost when this evaluation was made, on one axis."""
    return dollars(evaluation.seconds, dollars_per_hour) if axis == "dollars" else float(getattr(evaluation, axis))


def selection_charge(study: Study, arm: str, seed: int) -> Charge:
    """What the selection behind one run cost: representation, selectors, and training that was done for them alone."""
    inputs = train_stage(study, arm, seed).inputs_by_name
    if "selection" not in inputs:
        return Charge(Cost(), Cost())
    shared = {below for role, at in inputs.items() if role != "selection" for below in stages_below(study, at)}
    return _charge(
        study, [at for at in stages_below(study, inputs["selection"]) if at not in shared], ("train", *SELECTION_METERS)
    )


def arm_charge(study: Study, arm: str) -> Charge:
    """All that is charged to an arm: training, selection and generation, without base model and evaluation.

    A stage that several of its seeds rest on counts once.
    """
    runs = [train_stage(study, arm, seed).artifact.name for seed in study.runs_of(arm)]
    names = dict.fromkeys(name for run in runs for name in stages_below(study, run))
    return _charge(study, names, CHARGED_METERS)


def evaluation_cost(study: Study, arm: str) -> Cost:
    """What evaluating an arm cost, on the way and at the end; metered, not charged."""
    return total(metered(stage.artifact, ("evaluate",)) for stage in study.stages.values() if stage.arm == arm)


def _charge(study: Study, stages: Iterable[str], meters: Iterable[str]) -> Charge:
    costs = {name: metered(study.stages[name].artifact, meters) for name in stages}
    return Charge(
        whole=total(costs.values()),
        amortised=total(scaled(cost, 1 / num_sharing_arms(study, name)) for name, cost in costs.items()),
    )


def train_stage(study: Study, arm: str, seed: int) -> StageRecord:
    """The stage that trained this run."""
    return next(
        stage
        for stage in study.stages.values()
        if stage.artifact.kind == "train" and (stage.arm, stage.seed) == (arm, seed)
    )


def stages_below(study: Study, name: str) -> list[str]:
    """The stage and the finished stages that it is charged for, each once, without the base model."""
    inputs = {stage: record.inputs_by_name for stage, record in study.stages.items()}
    return [stage for stage in charged_stages(name, inputs, except_below=(BASE,)) if stage in study.stages]


def num_sharing_arms(study: Study, name: str) -> int:
    """Arms of the study with a finished run that rests on this stage; at least one."""
    arms = {arm for arm, seed in study.runs if name in stages_below(study, train_stage(study, arm, seed).artifact.name)}
    return max(1, len(arms))


def scaled(cost: Cost, factor: float) -> Cost:
    """A share of a cost; tokens are rounded."""
    parts = dataclasses.asdict(cost).items()
    return Cost(**{key: round(value * factor) if isinstance(value, int) else value * factor for key, value in parts})
