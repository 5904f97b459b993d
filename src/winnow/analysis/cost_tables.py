"""Tables of what was spent: compute, costs at each arm's own checkpoint, ledger."""

from collections.abc import Sequence
from statistics import fmean
from typing import Any

from winnow.analysis.arms import has_equal_budget, peer
from winnow.analysis.cost import amount, arm_charge, evaluation_cost, scaled, selection_charge, sweep_charge
from winnow.analysis.frontier import PATIENCE, early_stop
from winnow.analysis.savings import Point, saved
from winnow.analysis.study_folder import Study
from winnow.analysis.study_records import Run
from winnow.analysis.tables import from_zero, with_bounds
from winnow.findings import ArmFacts, Table, budget_text
from winnow.ledger import CHARGED_METERS, dollars, metered, spent, total
from winnow.records import Cost
from winnow.study_files import CHECKPOINTS
from winnow.text.printing import EXA

Row = dict[str, Any]
EARLY_STOP = "early_stop"


def iso_compute(study: Study, arms: Sequence[ArmFacts], baseline: str) -> Table:
    """What each arm was given: means over seeds, and each axis over the baseline's."""
    rows = [_iso_row(study, arm) for arm in arms if arm.seeds]
    reference = next((row for row in rows if row["arm"] == baseline), None)
    axes = ("visits", "tokens", "exaflops", "seconds", "dollars")
    for row in rows:
        row |= {f"{axis}_ratio": _ratio(row[axis], reference[axis]) if reference else None for axis in axes}
        row["note"] = ""
    columns = list(rows[0]) if rows else ["arm", "note"]
    refused = [
        dict.fromkeys(columns) | {"arm": arm.name, "note": arm.not_affordable} for arm in arms if arm.not_affordable
    ]
    early = (
        " Unspent: of the planned FLOPs, left by early stopping." if any("unspent_percent" in r for r in rows) else ""
    )
    note = (
        f"Budget: {budget_text(arms)}.{early} Ratios are to {baseline}. FLOPs: reference; "
        "executed: as done, with padding; 6N: 6 x parameters x tokens. Evaluation is metered beside."
    )
    return Table("iso_compute", "What each arm took", (*rows, *refused), note)


def _iso_row(study: Study, arm: ArmFacts) -> Row:
    runs, price = list(study.runs_of(arm.name).values()), study.dollars_per_hour
    confidence = study.recipe.study.confidence
    spent = [run.costs["train"] for run in runs]
    selection = [selection_charge(study, run.arm, run.seed).whole for run in runs]

    def plan(field: str) -> float:
        return fmean(getattr(run.done, field) for run in runs)

    to_best = from_zero(
        with_bounds("seconds_to_best", [run.at_best.seconds for run in runs], confidence), "seconds_to_best"
    )
    took = from_zero(with_bounds("seconds", [cost.seconds for cost in spent], confidence), "seconds")
    return {
        "arm": arm.name, "fraction": arm.fraction, "seeds": len(runs), "learning_rate": runs[0].learning_rate,
        "epochs": plan("epochs"),
        "examples": round(plan("examples")), "visits": round(plan("visits")),
        "visits_per_example": plan("visits") / plan("examples"), "steps": round(plan("steps")),
        "tokens": round(plan("tokens")), "exaflops": fmean(cost.flops for cost in spent) / EXA,
        "executed_exaflops": fmean(cost.executed_flops for cost in spent) / EXA,
        "6n_exaflops": fmean(cost.flops_6n for cost in spent) / EXA,
        **took, **to_best,
        "evaluation_seconds": fmean(run.costs.get("evaluate", Cost()).seconds for run in runs),
        "dollars": dollars(fmean(cost.seconds for cost in spent), price),
        "dollars_to_best": dollars(to_best["seconds_to_best"], price),
        "selection_exaflops": fmean(cost.flops for cost in selection) / EXA,
        "selection_seconds": fmean(cost.seconds for cost in selection),
        "selection_dollars": dollars(fmean(cost.seconds for cost in selection), price),
        **_unspent(study, runs),
    }  # fmt: skip


def _unspent(study: Study, runs: Sequence[Run]) -> Row:
    """What early stopping left of the budget, where a run of the study was to stop so."""
    if not any(run.stops_early for run in study.runs.values()):
        return {}
    return {"stopped_early": sum(run.unspent_share > 0 for run in runs),
            "unspent_percent": 100 * fmean(run.unspent_share for run in runs)}  # fmt: skip


def savings(study: Study, arms: Sequence[ArmFacts], baseline: str) -> Table:
    """Each arm against the baseline, each at its own checkpoint, gross and net of selection, with all inputs.

    The way of counting of a published study (`recipes/gsm-gpt2-rff.yaml`): what is less here is saved only where the
    quality is no worse. Cost to equal quality is in `quality_tables.py`.
    """
    theirs = next((arm for arm in arms if arm.name == baseline), None)
    pairs = [(arm, peer(arm, theirs, arms)) for arm in arms if theirs is not None and arm.name != baseline]
    rows = [
        row
        for checkpoint in (*CHECKPOINTS, EARLY_STOP)
        for arm, other in pairs
        if other is not None and other.name != arm.name
        and (row := _savings_row(study, arm.name, other.name, checkpoint)) is not None
    ]  # fmt: skip
    unequal = any(theirs is not None and not has_equal_budget(arm, theirs) for arm, _ in pairs)
    note = (
        f"What an arm took less than {baseline} to its own checkpoint, at whatever quality, as a published study "
        "(gsm-gpt2-rff) counts its savings: nothing is saved where the loss difference is above 0; see the cost to "
        "the level. Means over the common seeds, rounded as printed, then compared: a negative loss difference is "
        "better. "
        "Intervals are of the differences, paired over seeds, and not corrected for the number of arms. "
        "At best one would have to know when to stop: every run went on to its end. Early stop: both arms end "
        f"after {PATIENCE} evaluations without a better validation loss and keep their best checkpoint until then, as "
        "scored on the way. Net: less what the arm's selection costs beyond the baseline's."
    )
    if unequal:
        note += f" An arm of another budget than {baseline}'s is compared with what {baseline} is at its own budget."
    title = f"At each arm's own checkpoint, against {baseline}"
    return Table("savings", title, tuple(rows), note, columns=SAVINGS)


SAVINGS = (
    "arm", "baseline", "checkpoint", "seeds", "loss_difference", "exact_match_difference_points", "less_seconds",
    "less_seconds_percent", "less_dollars", "less_dollars_percent", "net_less_seconds", "net_less_seconds_percent",
    "net_less_dollars", "net_less_dollars_percent", "loss_difference_low", "loss_difference_high",
    "exact_match_difference_points_low", "exact_match_difference_points_high", "less_seconds_low", "less_seconds_high",
    "less_dollars_low", "less_dollars_high", "net_less_seconds_low", "net_less_seconds_high", "net_less_dollars_low",
    "net_less_dollars_high", "loss", "baseline_loss", "exact_match", "baseline_exact_match", "seconds",
    "baseline_seconds", "selection_seconds", "dollars_per_hour",
)  # fmt: skip
"""Of the table of savings."""


def _savings_row(study: Study, arm: str, baseline: str, checkpoint: str) -> Row | None:
    points = {name: _points(study, name, checkpoint) for name in (arm, baseline)}
    seeds = sorted(points[arm].keys() & points[baseline].keys())
    if not seeds:
        return None
    pairs = [(points[arm][seed], points[baseline][seed]) for seed in seeds]
    ours, theirs = (_mean_point(each) for each in zip(*pairs, strict=True))
    price = study.dollars_per_hour
    charges = [
        selection_charge(study, arm, seed).whole.seconds - selection_charge(study, baseline, seed).whole.seconds
        for seed in seeds
    ]
    selection = fmean(charges)
    gross = saved(ours, theirs, dollars_per_hour=price)
    net = saved(ours, theirs, dollars_per_hour=price, selection_seconds=selection)
    return {
        "arm": arm, "baseline": baseline, "checkpoint": checkpoint, "seeds": len(seeds),
        "loss_difference": gross.loss_difference, "exact_match_difference_points": gross.exact_match_difference_points,
        "less_seconds": gross.seconds, "less_seconds_percent": _percent(gross.seconds, theirs.seconds),
        "less_dollars": gross.dollars, "less_dollars_percent": gross.dollars_percent,
        "net_less_seconds": net.seconds, "net_less_seconds_percent": _percent(net.seconds, theirs.seconds),
        "net_less_dollars": net.dollars, "net_less_dollars_percent": net.dollars_percent,
        **_savings_bounds(pairs, charges, price, study.recipe.study.confidence),
        "loss": ours.loss, "baseline_loss": theirs.loss,
        "exact_match": ours.exact_match, "baseline_exact_match": theirs.exact_match,
        "seconds": ours.seconds, "baseline_seconds": theirs.seconds,
        "selection_seconds": selection, "dollars_per_hour": price,
    }  # fmt: skip


def _savings_bounds(
    pairs: Sequence[tuple[Point, Point]], charges: Sequence[float], price: float, confidence: float
) -> Row:
    """The intervals of what is saved: of differences paired over seeds."""
    seconds = [theirs.seconds - ours.seconds for ours, theirs in pairs]
    net = [each - charge for each, charge in zip(seconds, charges, strict=True)]
    differences: dict[str, list[float | None]] = {
        "loss_difference": [ours.loss - theirs.loss for ours, theirs in pairs],
        "exact_match_difference_points": [_points_between(ours, theirs) for ours, theirs in pairs],
        "less_seconds": [*seconds],
        "less_dollars": [dollars(each, price) for each in seconds],
        "net_less_seconds": [*net],
        "net_less_dollars": [dollars(each, price) for each in net],
    }
    found = [with_bounds(column, values, confidence) for column, values in differences.items()]
    return {column: value for row in found for column, value in row.items() if column not in differences}


def _points_between(ours: Point, theirs: Point) -> float | None:
    """Percentage points; None where exact match is asked of no item."""
    if ours.exact_match is None or theirs.exact_match is None:
        return None
    return 100 * (ours.exact_match - theirs.exact_match)


def _points(study: Study, arm: str, checkpoint: str) -> dict[int, Point]:
    """By seed, what a checkpoint reached on the whole sets and the training time to it; early stops as on the way."""
    if checkpoint == EARLY_STOP:
        return {seed: _early_point(run) for seed, run in study.runs_of(arm).items()}
    found = {}
    for seed, final in study.finals_of(arm, checkpoint).items():
        run = study.runs[arm, seed]
        seconds = run.at_best.seconds if checkpoint == "best" else run.costs["train"].seconds
        found[seed] = Point(final.micro.loss, final.micro.exact_match, seconds)
    return found


def _early_point(run: Run) -> Point:
    stop = early_stop(run.evaluations)
    kept = min((row for row in run.evaluations if row.step <= stop.step), key=lambda row: row.judged)
    return Point(kept.micro.loss, kept.micro.exact_match, stop.seconds)


def _mean_point(points: Sequence[Point]) -> Point:
    matches = [point.exact_match for point in points if point.exact_match is not None]
    return Point(
        fmean(point.loss for point in points), fmean(matches) if matches else None,
        fmean(point.seconds for point in points),
    )  # fmt: skip


def ledger_stages(study: Study) -> Table:
    """What every finished stage used, what arms are charged for it, and what was done again after a kill."""
    price = study.dollars_per_hour
    rows = tuple(
        {"stage": name, "kind": stage.artifact.kind, "arm": stage.arm, "seed": _text(stage.seed)}
        | _counts("spent", spent(stage.artifact))
        | _costs("spent", spent(stage.artifact), price)
        | {"charged_arms": len(study.arms_on.get(name, ()))}
        | _costs("charged", _charged_for(study, name), price)
        | _costs("wasted", stage.artifact.wasted, price)
        for name, stage in study.stages.items()
    )
    note = (
        "Every artifact once, also where it was found in the store. Charged: to all arms that rest on it together, "
        "each paying the whole; nothing for the base model, for evaluation, and for what no finished run rests on."
    )
    return Table("ledger_stages", "Ledger by stage", rows, note)


def _charged_for(study: Study, name: str) -> Cost:
    """What the arms that rest on a stage are charged for it, all of them together."""
    return scaled(metered(study.stages[name].artifact, CHARGED_METERS), len(study.arms_on.get(name, ())))


def ledger_arms(study: Study, arms: Sequence[ArmFacts]) -> Table:
    """What is charged to each arm: training, selection and generation of all its seeds."""
    rows = tuple(_ledger_row(study, arm.name) for arm in arms if arm.seeds)
    note = (
        "All seeds together. Charged: whatever the arm's results rest on, reused or not, without base model and "
        "evaluation. Amortised: shared stages divided among the arms that rest on them."
    )
    if study.recipe.study.sweep is not None:
        note += " Sweep: the trials of the learning rate, a part of what is charged, beside the budget."
    return Table("ledger_arms", "Ledger by arm", rows, note)


def _ledger_row(study: Study, arm: str) -> Row:
    price, charge = study.dollars_per_hour, arm_charge(study, arm)
    swept = _costs("sweep", sweep_charge(study, arm).whole, price) if study.recipe.study.sweep else {}
    return {
        "arm": arm, "seeds": len(study.runs_of(arm)),
        **_counts("charged", charge.whole), **_costs("charged", charge.whole, price),
        **swept, **_costs("amortised", charge.amortised, price),
        **_costs("evaluation", evaluation_cost(study, arm), price),
        **_costs("wasted", total(run.wasted for run in study.runs_of(arm).values()), price),
    }  # fmt: skip


def _counts(column: str, cost: Cost) -> Row:
    return {
        f"{column}_tokens": cost.tokens, f"{column}_executed_exaflops": cost.executed_flops / EXA,
        f"{column}_6n_exaflops": cost.flops_6n / EXA,
    }  # fmt: skip


def _costs(column: str, cost: Cost, price: float) -> Row:
    return {
        f"{column}_exaflops": cost.flops / EXA, f"{column}_seconds": cost.seconds,
        f"{column}_dollars": amount(cost, "dollars", price),
    }  # fmt: skip


def _ratio(value: float, reference: float) -> float | None:
    return value / reference if reference else None


def _percent(saved_amount: float, reference: float) -> float | None:
    return 100 * saved_amount / reference if reference else None


def _text(seed: int | None) -> str | None:
    return None if seed is None else str(seed)
