"""The figure of who wins: loss over all FLOPs spent, and the winner at each budget and number of uses."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from winnow.findings import Findings
from winnow.report.styles import GREY, LineStyle, arm_styles
from winnow.text.printing import EXA, PREFIXES

WIDTH = 9.0
NO_COLOUR = "#F2F2F2"
TICKS = 4
"""Budgets that are named below a panel, which often spans less than a decade."""

Styles = Mapping[str, tuple[str, LineStyle]]
Row = Mapping[str, Any]


def crossover(findings: Findings) -> Figure | None:
    """Two panels of curves, for a selection used once and without end, above a strip of winners; None without any."""
    winners, losses = (findings.tables[name].rows for name in ("crossover", "crossover_losses"))
    if not winners:
        return None
    first_of = [arm for row in winners for arm in (row["selection"], row["control"]) if arm]
    run = {row["arm"] for row in losses}
    named = [arm for arm in dict.fromkeys([findings.baseline, *first_of]) if arm in run]
    styles = arm_styles(findings.arms, findings.factors)
    uses = list(dict.fromkeys(row["uses"] for row in winners))
    legend_lines = -(-len(named) // 3)
    figure = Figure(figsize=(WIDTH, 3.2 + 0.42 * len(uses) + 0.22 * legend_lines), layout="constrained")
    grid = figure.add_gridspec(2, 2, height_ratios=(2.4, 0.4 * len(uses)))
    first = figure.add_subplot(grid[0, 0])
    second = figure.add_subplot(grid[0, 1], sharex=first, sharey=first)
    for axis, use in ((first, uses[0]), (second, uses[-1])):
        _curves(axis, [row for row in losses if row["uses"] == use], named, styles, findings.flops_unit)
        axis.set_title(f"selection used {'once' if use == '1' else use}")
    known = [row["loss"] for row in losses if row["loss"] is not None]
    low, high = min(known), float(np.quantile(known, 0.75))  # the steep start is cut off
    first.set_ylim(low - 0.06 * (high - low), high)
    first.set_ylabel("loss (nats per token)")
    numbers = {arm: str(place) for place, arm in enumerate(named, 1)}
    _strip(figure.add_subplot(grid[1, :]), winners, uses, {arm: (numbers[arm], styles[arm][0]) for arm in named},
           unit=findings.flops_unit)  # fmt: skip
    handles = [
        Line2D([], [], color=styles[arm][0], linestyle=styles[arm][1], label=f"{numbers[arm]}  {arm}") for arm in named
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=3)
    return figure


def _curves(axis: Axes, rows: Sequence[Row], named: Sequence[str], styles: Styles, unit: float) -> None:
    """Mean loss of each arm; those that never lead are thin and grey."""
    for arm in dict.fromkeys(row["arm"] for row in rows):
        known = [row for row in rows if row["arm"] == arm and row["loss"] is not None]
        colour, line = styles[arm] if arm in named else (GREY, "-")
        axis.plot(
            [EXA / unit * row["budget_exaflops"] for row in known], [row["loss"] for row in known], color=colour,
            linestyle=line, linewidth=1.7 if arm in named else 0.5, alpha=1 if arm in named else 0.5,
        )  # fmt: skip
    axis.set_xscale("log")
    budgets = [EXA / unit * row["budget_exaflops"] for row in rows]
    axis.set_xticks(np.geomspace(min(budgets), max(budgets), TICKS).tolist())
    axis.xaxis.set_major_formatter("{x:.3g}")
    axis.minorticks_off()
    axis.set_xlabel(f"{PREFIXES[unit]}FLOPs of training and of a share of the selection")


def _strip(
    axis: Axes, winners: Sequence[Row], uses: Sequence[str], named: Mapping[str, tuple[str, str]], *, unit: float
) -> None:
    """A row for each number of uses, a column for each budget: the winner's number, in its colour."""
    places = {budget: place for place, budget in enumerate(sorted({row["budget_exaflops"] for row in winners}))}
    for row in winners:
        x, y = places[row["budget_exaflops"]], uses.index(row["uses"])
        number, colour = named[row["winner"]] if row["winner"] else ("none", NO_COLOUR)
        axis.add_patch(Rectangle((x, y), 1, 1, facecolor=colour, alpha=0.35, edgecolor="white"))
        text = number + {"better": " +", "worse": " –"}.get(row["verdict"], "")
        axis.text(x + 0.5, y + 0.5, text, ha="center", va="center")
    axis.set_xlim(0, len(places))
    axis.set_ylim(len(uses), 0)
    axis.set_yticks([place + 0.5 for place in range(len(uses))], uses)
    axis.set_xticks([place + 0.5 for place in places.values()], [f"{EXA / unit * budget:.3g}" for budget in places])
    axis.set_xlabel(f"{PREFIXES[unit]}FLOPs")
    axis.grid(visible=False)
    axis.set_ylabel("uses")
    axis.set_title(
        "lowest loss, by number;  + best selection better than best control,  – worse,  else no difference shown"
    )
