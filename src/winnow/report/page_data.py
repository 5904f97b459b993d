"""What the page's script draws: the curves of all runs and what selections cost, as plain JSON."""

from collections.abc import Sequence
from typing import Any

from winnow.findings import Curve, Factor, Findings, Table
from winnow.ledger import dollars
from winnow.metrics import LOSS, METRICS, metric_named
from winnow.report.styles import BLACK, COLOURS, GREY, arm_styles
from winnow.text.printing import EXA, PREFIXES, level

DIGITS = 7
"""Significant digits of the numbers that are drawn."""
MOST_SHOWN = 6
"""Arms that are drawn at first; a reader adds others."""

AXES = {
    "steps": "step", "tokens": "training tokens", "flops": "training {}FLOPs (reference)",
    "seconds": "training time (s)", "dollars": "training cost (USD)",
}  # fmt: skip
"""Name of a cost -> what stands below the axis."""
VALIDATION, TARGET_VALIDATION = "validation_loss", "target_validation_loss"
"""Keys of the losses on the part of the pool that is held out, and on held-out examples of the target's kind."""
HELD_OUT = {VALIDATION: "validation", TARGET_VALIDATION: "validation of the target's kind"}
NAMED = {BLACK: "full", GREY: "random"}
DASHES = {"-": [], "--": [7, 4], ":": [2, 3], "-.": [8, 3, 2, 3]}


def page_data(findings: Findings) -> dict[str, Any]:
    """`arms`, `factors`, `metrics`, `axes`, `runs` and `levels`: all that the interactive figures need."""
    price = findings.recipe.machine.dollars_per_hour
    runs = [_run(curve, price, findings.flops_unit) for curve in findings.curves]
    names = dict.fromkeys(key for run in runs for key in run["y"])
    named = {*HELD_OUT, *METRICS, *findings.metrics}
    told = [key for key in names if key.partition(":")[0] in named]
    known = [key for key in told if any(value is not None for run in runs for value in run["y"].get(key, ()))]
    return {
        "arms": [arm | {"selection": _selection_cost(findings, arm["name"])} for arm in _arms(findings)],
        "factors": [_factor(factor) for factor in findings.factors],
        "metrics": [_metric(findings, key) for key in known],
        "axes": [{"key": key, "label": label.format(PREFIXES[findings.flops_unit])} for key, label in AXES.items()],
        "runs": runs,
        "levels": _constant_levels(findings),
        "cost": findings.recipe.study.primary.cost,
    }


def _arms(findings: Findings) -> list[dict[str, Any]]:
    """Arms with runs: colour, dash, place among those a reader asks for, and whether they are drawn at first.

    A colour is a place in the page's palette, `full` or `random`.
    """
    names = {curve.arm for curve in findings.curves}
    run = [arm for arm in findings.arms if arm.name in names]
    styles, places = arm_styles(findings.arms, findings.factors), _places(findings)
    made = []
    for arm in run:
        colour, line = styles[arm.name]
        made.append({
            "name": arm.name, "colour": NAMED.get(colour) or f"c{COLOURS.index(colour)}", "dash": DASHES[line],
            "place": places[arm.name], "shown": places[arm.name] < MOST_SHOWN or bool(findings.factors),
            "levels": dict(arm.factors),
        })  # fmt: skip
    return made


def _factor(factor: Factor) -> dict[str, Any]:
    """A factor's name, and its levels as arms have them and as people read them."""
    shown = [{"key": name, "label": level(factor.value_of(name))} for name in factor.levels]
    return {"key": factor.name, "label": factor.name.replace("_", " "), "levels": shown}


def _places(findings: Findings) -> dict[str, int]:
    """Arm -> its place: the compared arms, the baseline, the best of the others, all others."""
    verdict, run = findings.verdict, [curve.arm for curve in findings.curves]
    ranked = [verdict.primary.arm, verdict.primary.baseline, findings.baseline, *(each.arm for each in verdict.ranking)]
    return {name: place for place, name in enumerate(each for each in dict.fromkeys((*ranked, *run)) if each in run)}


def _run(curve: Curve, price: float, flops_unit: float) -> dict[str, Any]:
    series: dict[str, Sequence[float | None]] = (
        {TARGET_VALIDATION: curve.target_validation_loss} if curve.target_validation_loss else {}
    )
    series |= {
        VALIDATION: curve.validation_loss, "loss": curve.loss, "exact_match": curve.exact_match,
    }  # fmt: skip
    series |= {f"loss:{name}": values for name, values in curve.set_loss.items()}
    series |= {f"exact_match:{name}": values for name, values in curve.set_exact_match.items()}
    for metric, places in curve.measured.items():
        series |= {metric if name == "micro" else f"{metric}:{name}": values for name, values in places.items()}
    costs: dict[str, Sequence[float | None]] = {
        "steps": curve.steps, "tokens": curve.tokens, "flops": [each / flops_unit for each in curve.flops],
        "seconds": curve.seconds, "dollars": [dollars(each, price) for each in curve.seconds],
    }  # fmt: skip
    return {
        "arm": curve.arm, "seed": curve.seed, "best": curve.steps.index(curve.best_step),
        "x": {key: _rounded(values) for key, values in costs.items()},
        "y": {key: _rounded(values) for key, values in series.items()},
    }  # fmt: skip


def _rounded(values: Sequence[float | None]) -> list[float | None]:
    return [None if value is None else float(f"{value:.{DIGITS}g}") for value in values]


def _metric(findings: Findings, key: str) -> dict[str, Any]:
    """What a reader chooses among: its label and unit, the factor to what is printed, and which way is better."""
    name, _, place = key.partition(":")
    metric = LOSS if key in HELD_OUT else metric_named(name, findings.metrics)
    place = HELD_OUT.get(key) or place or "all items"
    return {
        "key": key, "label": f"{metric.words} on {place}", "unit": metric.level_unit or metric.unit,
        "factor": metric.scale, "higher": metric.higher_is_better, "share": metric.is_share,
    }  # fmt: skip


def _selection_cost(findings: Findings, arm: str) -> dict[str, float]:
    """What its selection cost, by axis, whole; a step is none."""
    costs = {}
    for axis in ("tokens", "flops", "seconds", "dollars"):
        table = findings.tables.get(f"cost_to_quality_{axis}", Table("", "", ()))
        column, factor = (
            ("selection_exaflops", EXA / findings.flops_unit) if axis == "flops" else (f"selection_{axis}", 1)
        )
        row = next((row for row in table.rows if row["arm"] == arm), {})
        costs[axis] = factor * (row.get(column) or 0.0)
    return costs


def _constant_levels(findings: Findings) -> dict[str, float]:
    """Metric -> the exact match of always giving the most frequent answer."""
    levels = {row["set"]: row["constant_level"] for row in findings.tables["evaluation"].rows}
    named = {"exact_match" if name == "micro" else f"exact_match:{name}": level for name, level in levels.items()}
    return {key: level for key, level in named.items() if level}
