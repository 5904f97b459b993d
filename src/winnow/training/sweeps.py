"""Learning-rate sweeps: the stages `trial` and `sweep`.

A trial is a short run at one rate that is judged on validation alone. It is *stable* where all its losses are numbers
and it did not get worse than it was before training: at none of its evaluations on the way lies the validation loss
above that of step 0, unless the training loss lies below that of the first step (which is overfitting: a matter of
when to stop, not of the rate). Of the stable rates the one with the lowest validation loss is taken, or the highest
one ("the highest learning rate that trains stably": Biderman et al. 2024, LoRA Learns Less and Forgets Less).
"""

import dataclasses
import math
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from statistics import fmean
from typing import Any

from winnow import files
from winnow.errors import TrainingError
from winnow.ledger import total
from winnow.parts import SweepPart, TrainPart, TrialPart
from winnow.recipe import BudgetRecipe
from winnow.records import Context, Cost, Outcome, Stored
from winnow.store import read_json, write_json
from winnow.training.stages import RECORDS, allowance_of, train_model
from winnow.training.tally import DivergedError, Journal, Tally

TRIAL, TRIAL_RECORDS, CHOSEN = "trial.json", "trial_records.json", "learning_rate.json"
BEYOND = "beyond"
"""Folder of the trials beyond the grid."""
OF_GRID = "trial."
"""How the roles of the grid's trials begin."""
MOST_BEYOND = 2
"""Rates that are tried beyond the grid: a grid that is off by more than two steps was not thought about."""
Trial = dict[str, Any]


def run_trial(part: TrialPart, inputs: Mapping[str, Stored], context: Context) -> Outcome:
    """Train for a part of a run's budget and leave the losses on the way in `trial.json`; no weights.

    A trial whose loss is no number ends there and says so; it is charged for the steps before.
    """
    place = context.folder / TRIAL_RECORDS
    if not place.is_file():  # else a kill came after the training, before the store's record
        write_json(place, _trained(part, inputs, context))
    for other in context.folder.iterdir():
        if other != place:
            files.remove(other)
    records = read_json(place)
    write_json(context.folder / TRIAL, records["trial"])
    return Outcome(
        outputs=(TRIAL,), logs=(TRIAL_RECORDS,), numbers={"steps": records["steps"]},
        costs={meter: Cost(**cost) for meter, cost in records["costs"].items()}, wasted=Cost(**records["wasted"]),
    )  # fmt: skip


def _trained(part: TrialPart, inputs: Mapping[str, Stored], context: Context) -> dict[str, Any]:
    """What a trial came to, and what it cost."""
    is_finished = True
    try:
        train_model(_shortened(part, inputs), inputs, context)
        records = read_json(context.folder / RECORDS)
    except DivergedError as error:
        is_finished, records = False, _records_until(error.tally, context.folder)
    trial = {
        "learning_rate": part.run.training.learning_rate, "is_finished": is_finished,
        "first_training_loss": records["steps"][0]["loss"] if records["steps"] else None,
        "evaluations": losses_on_the_way(records["steps"], records["evaluations"]),
    }  # fmt: skip
    told = {key: records[key] for key in ("costs", "wasted")}
    return told | {"trial": trial, "steps": records["last"]["step"]}


def _records_until(tally: Tally, folder: Path) -> dict[str, Any]:
    """The records of a run that did not come to its end, in the shape of a finished one's."""
    costs = {"train": tally.spent, "evaluate": tally.evaluating}
    return {
        "steps": tally.steps, "evaluations": tally.evaluations, "last": {"step": tally.step},
        "costs": {meter: dataclasses.asdict(cost) for meter, cost in costs.items()},
        "wasted": dataclasses.asdict(Journal(folder).wasted()),
    }  # fmt: skip


def _shortened(part: TrialPart, inputs: Mapping[str, Stored]) -> TrainPart:
    """The run with a part of what its arm may spend on training, after the selection. Raises BudgetError."""
    allowed = allowance_of(part.run, inputs, examples=0)
    unit, amount = allowed.unit.replace("visits", "examples"), allowed.amount * part.budget_fraction
    budget = BudgetRecipe.model_validate({unit: amount if unit == "flops" else max(1, int(amount + 1e-9))})
    return part.run.model_copy(update={"budget": budget, "charge_selection": False})


def losses_on_the_way(steps: list[dict[str, Any]], evaluations: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Validation loss at each evaluation, and the mean training loss since the one before; null for no number.

    Of the target's kind, where examples of it are held out.
    """
    judged = [row.get("target_validation", row["validation"])["loss"] for row in evaluations]
    found = [
        {"step": row["step"], "validation_loss": _number(loss)} for row, loss in zip(evaluations, judged, strict=True)
    ]
    found[0]["training_loss"] = None
    for before, row in pairwise(found):
        since = [at["loss"] for at in steps if before["step"] < at["step"] <= row["step"]]
        row["training_loss"] = fmean(since) if since else None
    return found


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None


def is_stable(trial: Trial) -> bool:
    """Whether a trial came to its end without getting worse than before training, overfitting aside."""
    start, *later = trial["evaluations"]
    return trial["is_finished"] and not any(_is_worse(row, start, trial["first_training_loss"]) for row in later)


def _is_worse(row: dict[str, Any], start: dict[str, Any], first_training_loss: float) -> bool:
    if row["validation_loss"] is None or start["validation_loss"] is None:
        return True
    is_fitted = row["training_loss"] is not None and row["training_loss"] < first_training_loss
    return row["validation_loss"] > start["validation_loss"] and not is_fitted


def trial_loss(trial: Trial, checkpoint: str) -> float | None:
    """Validation loss of a finished trial at its best or its last evaluation; null for one that did not finish."""
    losses = [row["validation_loss"] for row in trial["evaluations"]]
    if not trial["is_finished"] or losses[-1] is None:
        return None
    return min(loss for loss in losses if loss is not None) if checkpoint == "best" else losses[-1]


def choose_rate(part: SweepPart, inputs: Mapping[str, Stored], context: Context) -> Outcome:
    """Choose among the trials' rates; of equal losses the lower rate wins.

    Where the part allows it and the best rate lies at an end of the grid, tries rates beyond it. Leaves the rate alone,
    so that a longer grid with the same choice trains no run again. Raises TrainingError where no rate is stable.
    """
    trials = [read_json(each.folder / TRIAL) for role, each in inputs.items() if role.startswith(OF_GRID)]
    told = [_told(trial, part.checkpoint) for trial in sorted(trials, key=_rate)]
    tried: list[Outcome] = []
    while part.beyond is not None and len(tried) < MOST_BEYOND:
        rate = _beyond([row["learning_rate"] for row in told], _chosen(part, told)["learning_rate"])
        if rate is None:
            break
        row, outcome = _tried(part.beyond, rate, part.checkpoint, inputs, context)
        tried.append(outcome)
        told = sorted([*told, row], key=_rate)
    rate_alone = {"learning_rate": _chosen(part, told)["learning_rate"]}
    write_json(context.folder / CHOSEN, rate_alone)
    costs = {meter: total(each.costs[meter] for each in tried) for meter in (tried[0].costs if tried else ())}
    return Outcome(
        outputs=(CHOSEN,), logs=(BEYOND,) if tried else (), costs=costs,
        numbers=rate_alone | {"trials": told, "of": part.of}, wasted=total(each.wasted for each in tried),
    )  # fmt: skip


def _told(trial: Trial, checkpoint: str) -> dict[str, Any]:
    return {
        "learning_rate": trial["learning_rate"], "loss": trial_loss(trial, checkpoint), "is_stable": is_stable(trial),
    }  # fmt: skip


def _rate(row: Mapping[str, Any]) -> float:
    return float(row["learning_rate"])


def _chosen(part: SweepPart, told: list[dict[str, Any]]) -> dict[str, Any]:
    """The best of the stable rates. Raises TrainingError where there is none."""
    stable = [row for row in told if row["is_stable"]]
    if not stable:
        rates = ", ".join(f"{row['learning_rate']:g}" for row in told)
        raise TrainingError(
            f"none of the learning rates {rates} is stable for {part.of}: the loss of each trial became no number or "
            "rose above its start; add lower rates to study.sweep.learning_rate"
        )
    return stable[-1] if part.choose == "highest_stable" else min(stable, key=lambda row: row["loss"])


def _beyond(rates: list[float], chosen: float) -> float | None:
    """The next rate beyond the end of the grid that was chosen, by the grid's own step there; None inside the grid."""
    if chosen == rates[-1]:
        return float(f"{chosen * rates[-1] / rates[-2]:.12g}")
    return float(f"{chosen * rates[0] / rates[1]:.12g}") if chosen == rates[0] else None


def _tried(
    trial: TrialPart, rate: float, checkpoint: str, inputs: Mapping[str, Stored], context: Context
) -> tuple[dict[str, Any], Outcome]:
    """A trial at a rate beyond the grid, in a folder of its own, so that a kill costs no more than in a run."""
    folder = context.folder / BEYOND / f"{rate!r}"
    folder.mkdir(parents=True, exist_ok=True)
    training = trial.run.training.model_copy(update={"learning_rate": rate})
    part = trial.model_copy(update={"run": trial.run.model_copy(update={"training": training})})
    own = {role: stored for role, stored in inputs.items() if not role.startswith(OF_GRID)}
    outcome = run_trial(part, own, dataclasses.replace(context, folder=folder))
    cost = dataclasses.asdict(outcome.costs["train"])
    row = _told(read_json(folder / TRIAL), checkpoint)
    return row | {"is_beyond": True, "steps": outcome.numbers["steps"], "cost": cost}, outcome
