"""The grid as heat maps: means of all cells, the best one, and those that are not shown to be worse."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from winnow.findings import Factor, Findings, Table
from winnow.metrics import Metric
from winnow.report.legend import titled
from winnow.report.styles import SMALL
from winnow.text.printing import heading, level

Row = Mapping[str, Any]
Floats = NDArray[np.float64]
WIDTHS = {1: 5.4, 2: 7.5, 3: 9.0}
"""By panels beside each other, in inches."""
MOST_PANELS = 12
"""Combinations of the other factors that are drawn."""
MOST_NUMBERS = 60
"""Cells of a panel in which a number is legible."""
LIGHT_LETTERS, DARK_LETTERS = "#fdfdfd", "#0d0d0d"
"""On cells, whose colours are the same on a dark page: no colours that change there."""
NO_COLOUR = "#F2F2F2"


def grid(findings: Findings) -> Figure | None:
    """A heat map for each combination of the other factors; None without a grid."""
    table = findings.tables.get("grid")
    if table is None or not table.rows:
        return None
    panels = _panels_of(findings, table.rows)
    (first, second), column = _axes(findings), _column(table)
    columns = min(len(panels), 2 if len(first.levels) > 6 else 3)
    lines = -(-len(panels) // columns)
    height = 0.6 + lines * (0.9 + min(3.6, 0.5 * len(second.levels)))
    figure = Figure(figsize=(WIDTHS[columns], height), layout="constrained")
    spots = list(figure.subplots(lines, columns, squeeze=False).flat)
    for axis, (title, cells) in zip(spots, panels.items(), strict=False):
        _panel(axis, _Panel(cells, (first, second), column, findings.verdict.primary.facts))
        axis.set_title(title)
    for axis in spots[len(panels) :]:
        axis.set_visible(False)
    title = f"{heading(column)}, mean over seeds"
    figure.legend(handles=_marks(), loc="outside lower center", ncols=2, title=title)
    return figure


def _axes(findings: Findings) -> tuple[Factor, Factor]:
    """As `analysis.grid` chooses them: numbers first."""
    first, second = sorted(findings.factors, key=lambda factor: not factor.is_numeric)[:2]
    return first, second


def _column(table: Table) -> str:
    """The metric's: it stands before its bounds and the seeds."""
    columns = list(table.rows[0])
    return columns[columns.index("seeds") - 3]


def _panels_of(findings: Findings, rows: Sequence[Row]) -> dict[str, list[tuple[Mapping[str, str], Row]]]:
    """Title -> the levels and the row of each cell, for the first combinations of the other factors."""
    others = [factor for factor in findings.factors if factor not in _axes(findings)]
    levels = {arm.name: arm.factors for arm in findings.arms}
    panels: dict[str, list[tuple[Mapping[str, str], Row]]] = {}
    for row in rows:
        own = levels[row["arm"]]
        panels.setdefault(", ".join(titled(each, own[each.name]) for each in others), []).append((own, row))
    return dict(list(panels.items())[:MOST_PANELS])


def _marks() -> list[Line2D]:
    return [
        Line2D([], [], marker="*", linestyle="", color="#222222", markersize=9, label="best"),
        Line2D([], [], marker="s", linestyle="", markerfacecolor="none", color="#222222", markersize=9,
               label="not shown to be worse"),
    ]  # fmt: skip


@dataclass(frozen=True)
class _Panel:
    """The cells of one heat map."""

    cells: Sequence[tuple[Mapping[str, str], Row]]
    """Levels and row of each."""
    axes: tuple[Factor, Factor]
    column: str
    """Of the metric."""
    facts: Metric

    @cached_property
    def orders(self) -> list[list[str]]:
        """Levels along x and along y."""
        return [_ordered(factor) for factor in self.axes]

    @property
    def is_lower_better(self) -> bool:
        """Whether a low mean is a good one."""
        return not self.facts.higher_is_better

    def number(self, value: float) -> str:
        """As a cell has it: a share in percent, which a column of another name than the metric's is in already."""
        if self.facts.is_share:
            return f"{(self.facts.scale if self.column == self.facts.name else 1) * value:.1f}"
        return f"{value:.4g}" if self.facts.places is None else f"{value:.3f}"

    def place(self, levels: Mapping[str, str]) -> tuple[int, int]:
        """Column and line of a cell."""
        x, y = (order.index(levels[axis.name]) for order, axis in zip(self.orders, self.axes, strict=True))
        return x, y

    @cached_property
    def means(self) -> Floats:
        """[y, x]; NaN where there is none."""
        found = np.full((len(self.orders[1]), len(self.orders[0])), np.nan)
        for levels, row in self.cells:
            x, y = self.place(levels)
            found[y, x] = np.nan if row[self.column] is None else row[self.column]
        return found

    @property
    def ends(self) -> tuple[float, float]:
        """The means between which colours differ."""
        if self.is_lower_better:
            return limits(self.means)
        low, high = limits(-self.means)
        return -high, -low


def _panel(axis: Axes, panel: _Panel) -> None:
    for factor, rescale in zip(panel.axes, (axis.set_xscale, axis.set_yscale), strict=True):
        rescale("log" if is_log(factor) else "linear")
    made = [_edges(factor, order) for factor, order in zip(panel.axes, panel.orders, strict=True)]
    edges, centres = (made[0][0], made[1][0]), (made[0][1], made[1][1])
    low, high = panel.ends
    axis.pcolormesh(
        *edges, np.ma.masked_invalid(panel.means), cmap="viridis" if panel.is_lower_better else "viridis_r",
        edgecolors="none", vmin=low, vmax=high,
    )  # fmt: skip
    axis.set_facecolor(NO_COLOUR)
    _contours(axis, panel, centres)
    for levels, row in panel.cells:
        x, y = panel.place(levels)
        shade = (panel.means[y, x] - low) / (high - low or 1.0)
        is_dark = shade < 0.55 if panel.is_lower_better else shade > 0.45
        _cell(axis, row, [edges[0][x : x + 2], edges[1][y : y + 2]], LIGHT_LETTERS if is_dark else DARK_LETTERS, panel)
    for index, (factor, order) in enumerate(zip(panel.axes, panel.orders, strict=True)):
        _named(axis, "xy"[index], factor, order, centres[index])


def _ordered(factor: Factor) -> list[str]:
    """Levels as they stand on an axis: numbers from low to high."""
    if not factor.is_numeric:
        return list(factor.levels)
    return sorted(factor.levels, key=lambda name: float(factor.value_of(name) or 0))


def _edges(factor: Factor, order: Sequence[str]) -> tuple[Floats, Floats]:
    """Where cells begin and end on an axis, and their middles: numbers at their place."""
    if not factor.is_numeric or len(order) < 2:
        sides: Floats = np.arange(len(order) + 1, dtype=np.float64)
        return sides, sides[:-1] + 0.5
    values: Floats = np.array([float(factor.value_of(name) or 0) for name in order])
    places: Floats = np.log(values) if is_log(factor) else values
    middles = (places[1:] + places[:-1]) / 2
    ends: Floats = np.array([2 * places[0] - middles[0], *middles, 2 * places[-1] - middles[-1]])
    return (np.exp(ends) if is_log(factor) else ends), values


def is_log(factor: Factor) -> bool:
    """Whether a factor's numbers stand on a log axis: all above 0, and the largest twice the smallest or more."""
    if not factor.is_numeric:
        return False
    values = [float(value) for value in factor.values]
    return min(values) > 0 and max(values) >= 2 * min(values)


def limits(losses: Floats) -> tuple[float, float]:
    """The range of colours, lower better: a little beyond the third quartile, or a diverged cell would hide all."""
    known = losses[np.isfinite(losses)]
    if not known.size:
        return 0.0, 1.0
    low, high = float(known.min()), float(np.quantile(known, 0.75))
    return low, min(float(known.max()), high + 0.5 * (high - low)) or low + 1.0


def _contours(axis: Axes, panel: _Panel, centres: Sequence[Floats]) -> None:
    """Levels between the cells, linear in the logarithms; only of numbers, and with no cell missing."""
    means, (low, high) = panel.means, panel.ends
    are_numbers = all(factor.is_numeric for factor in panel.axes)
    if not are_numbers or min(means.shape) < 2 or not np.isfinite(means).all() or high <= low:
        return
    places = [np.log(each) if is_log(factor) else each for factor, each in zip(panel.axes, centres, strict=True)]
    x, y = (np.linspace(each[0], each[-1], 80) for each in places)
    rows = np.array([np.interp(x, places[0], row) for row in means])
    surface = np.array([np.interp(y, places[1], column) for column in rows.T]).T
    shown = [np.exp(each) if is_log(factor) else each for factor, each in zip(panel.axes, (x, y), strict=True)]
    axis.contour(
        *shown, surface, levels=np.linspace(low, high, 8)[1:-1], colors=LIGHT_LETTERS, linewidths=0.6, alpha=0.5
    )


def _cell(axis: Axes, row: Row, sides: Sequence[Floats], colour: str, panel: _Panel) -> None:
    """Number of a cell, a star in the best one, a frame around those that may be."""
    (left, right), (low, high) = sides
    if row["not_shown_worse"]:
        axis.add_patch(Rectangle((left, low), right - left, high - low, fill=False, edgecolor=colour, linewidth=2.2))
    value, has_number = row[panel.column], panel.means.size <= MOST_NUMBERS
    if value is None:
        return
    number = panel.number(value) if has_number else ""
    x, y = (np.sqrt(a * b) if is_log(factor) else (a + b) / 2 for (a, b), factor in zip(sides, panel.axes, strict=True))
    text = f"{'★ ' if row['best'] else ''}{number}".strip()
    axis.text(x, y, text, ha="center", va="center", fontsize=SMALL, color=colour)


def _named(axis: Axes, which: str, factor: Factor, order: Sequence[str], centres: Floats) -> None:
    """Levels beside an axis, a number as the recipe has it."""
    names = [level(factor.value_of(name)) for name in order]
    place, rename = (axis.set_xticks, axis.set_xlabel) if which == "x" else (axis.set_yticks, axis.set_ylabel)
    place(centres, names, fontsize=SMALL)
    place([], minor=True)
    rename(factor.name.replace("_", " "))
    axis.grid(visible=False)
