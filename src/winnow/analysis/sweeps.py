"""What learning-rate sweeps found: each trial's rate, its validation loss, and what it cost."""

from collections.abc import Iterator
from dataclasses import dataclass

from winnow.analysis.study_folder import Study
from winnow.findings import Table
from winnow.ledger import dollars, metered
from winnow.records import Cost

EXA = 1e18


@dataclass(frozen=True, slots=True)
class Trial:
    """A short run at one learning rate."""

    arm: str
    """On whose data."""
    seed: int
    learning_rate: float
    loss: float | None
    """On validation; None where it did not come to its end."""
    is_stable: bool
    is_chosen: bool
    steps: int
    cost: Cost
    """Of its training."""


def trials(study: Study) -> Iterator[Trial]:
    """The trials of a study, by arm, from the lowest rate to the highest; none where the recipe gives the rate."""
    asked = study.recipe.study.sweep
    if asked is None:
        return
    for sweep in (stage for stage in study.stages.values() if stage.artifact.kind == "sweep"):
        arm, chosen = sweep.artifact.name.removeprefix("sweep."), sweep.artifact.numbers["learning_rate"]
        for told in sweep.artifact.numbers["trials"]:
            rate = told["learning_rate"]
            if told.get("is_beyond"):
                steps, cost = told["steps"], Cost(**told["cost"])
            else:
                trial = study.stages[sweep.inputs_by_name[f"trial.{rate}"]].artifact
                steps, cost = trial.numbers["steps"], metered(trial, ("train",))
            yield Trial(arm, asked.seed, rate, told["loss"], told["is_stable"], rate == chosen, steps, cost)


def sweep_table(study: Study) -> Table:
    """One row per trial; empty where the recipe gives the learning rate."""
    price, asked = study.dollars_per_hour, study.recipe.study.sweep
    rows = tuple(
        {
            "arm": trial.arm, "learning_rate": trial.learning_rate, "validation_loss": trial.loss,
            "stable": trial.is_stable, "chosen": trial.is_chosen, "steps": trial.steps,
            "exaflops": trial.cost.flops / EXA, "seconds": trial.cost.seconds,
            "dollars": dollars(trial.cost.seconds, price),
        }
        for trial in trials(study)
    )  # fmt: skip
    per = asked.per if asked is not None else "arm"
    data = {"arm": "its own data", "study": "this arm's data, for all arms"}.get(
        per, f"this arm's data, for all arms of its {per}"
    )
    note = (
        f"Trials on {data}, judged on validation; evaluation sets are not looked at. Charged to the arm, beside its "
        "budget. Stable: all losses are numbers, and validation never got worse than at the start, overfitting aside."
    )
    return Table("sweep", "Learning-rate sweep", rows, note)
