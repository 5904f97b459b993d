"""Cost to quality, a table for each axis: what each arm spent to the baseline's level, and what that saves.

Saved is only what is less at equal quality: of an arm that never reaches the level nothing is.
"""

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from winnow.analysis.frontier import (
    PATIENCE,
    CostToQuality,
    baseline_level,
    break_even_runs,
    cost_to_quality,
    level_words,
    saving_of,
)
from winnow.analysis.sentences import AXIS_WORDS
from winnow.analysis.study_folder import Study
from winnow.analysis.tables import from_zero, with_bounds
from winnow.findings import ArmFacts, Estimate, Table
from winnow.text.printing import EXA

Row = dict[str, Any]
COST_COLUMNS = {"flops": ("exaflops", EXA)}
"""Axis -> word in column names, and its size in the axis's unit, where they differ."""
NEVER, OWN = "never reached", "its own"


def cost_to_quality_table(study: Study, arms: Sequence[ArmFacts], baseline: str, *, axis: str) -> Table:
    """Cost to best, to last, to an early stop and to the baseline's best loss, on one axis, and what that saves."""
    level, words = baseline_level(study, baseline), level_words(study, baseline)
    runs = {arm.name: study.runs_of(arm.name) for arm in arms if arm.seeds}
    costs = {
        name: {seed: cost_to_quality(study, run, axis, level) for seed, run in found.items()}
        for name, found in runs.items()
    }
    rows = [_row(each, costs.get(baseline, {}), name == baseline, study, axis) for name, each in costs.items()]
    known = f" ({level:.4f})" if level is not None else ""
    note = (
        f"Level: {baseline}'s best {words}, mean over its seeds{known}. Saved: the share of {baseline}'s cost to its "
        "best that an arm did not need to the level, paired over the common seeds; net: with the selections on both "
        "sides. Selection: paid whole. Break-even: runs that share a selection until it has paid. The CSV has the "
        f"selection shared among the arms that rest on it, too, and costs to an early stop, after {PATIENCE} "
        f"evaluations without a better {words}."
    )
    return Table(
        f"cost_to_quality_{axis}", f"Cost to {baseline}'s level, in {AXIS_WORDS.get(axis, axis)}", tuple(rows), note
    )


def _row(
    found: Mapping[int, CostToQuality], theirs: Mapping[int, CostToQuality], is_baseline: bool, study: Study, axis: str
) -> Row:
    unit, scale = COST_COLUMNS.get(axis, (axis, 1.0))
    confidence, runs = study.recipe.study.confidence, list(found.values())

    def bounded(column: str, values: Sequence[float | None]) -> Row:
        scaled = [None if value is None else value / scale for value in values]
        return from_zero(with_bounds(column, scaled, confidence), column)

    selection = fmean(each.selection for each in runs) / scale
    row = {
        "arm": runs[0].arm, "seeds": len(runs),
        "at_baseline_best": OWN if is_baseline else reached_words([each.to_baseline is not None for each in runs]),
        **bounded(f"{unit}_to_baseline_best", [each.to_baseline for each in runs]),
        "seeds_never_reaching": sum(each.to_baseline is None for each in runs),
        f"selection_{unit}": selection,
        **_saved({} if is_baseline else found, theirs, study.recipe.study.confidence),
        f"selection_{unit}_amortised": fmean(each.selection_amortised for each in runs) / scale,
        **bounded(f"{unit}_to_best", [each.to_best for each in runs]),
        **bounded(f"{unit}_to_early_stop", [each.to_early_stop for each in runs]),
        **bounded(f"{unit}_to_last", [each.to_last for each in runs]),
    }  # fmt: skip
    needed, runs_needed = row[f"{unit}_to_baseline_best"], None
    if needed is not None and theirs and not is_baseline:
        saved_per_run = fmean(each.to_best for each in theirs.values()) / scale - needed
        runs_needed = break_even_runs(selection=selection, saved_per_run=saved_per_run)
    return row | {"break_even_runs": runs_needed}


def reached_words(reached: Sequence[bool]) -> str:
    """Whether runs got to the level: all, none, or so many."""
    if all(reached):
        return "reached"
    return f"reached in {sum(reached)} of {len(reached)} seeds" if any(reached) else NEVER


def _saved(found: Mapping[int, CostToQuality], theirs: Mapping[int, CostToQuality], confidence: float) -> Row:
    """Gross and net, in percent, with their intervals; empty where the level was not always reached."""
    pairs = [(found[seed], theirs[seed]) for seed in sorted(found.keys() & theirs.keys())]
    share = saving_of(pairs, baseline=pairs[0][1].arm, axis="", confidence=confidence) if pairs else None
    return {
        **_percents("saved_percent", share.gross if share else None),
        **_percents("net_saved_percent", share.net if share else None),
    }


def _percents(column: str, share: Estimate | None) -> Row:
    values = (share.mean, share.low, share.high) if share else (None, None, None)
    scaled = (None if value is None else 100 * value for value in values)
    return dict(zip((column, f"{column}_low", f"{column}_high"), scaled, strict=True))
