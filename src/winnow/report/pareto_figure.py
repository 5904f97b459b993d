"""Two measures of all arms: each arm a point, those on the front joined."""

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from winnow.findings import Findings
from winnow.report.legend import columns_of, handles_of
from winnow.report.styles import GREY, LINES, MANY_ARMS, SMALL, arm_styles
from winnow.text.printing import EXA, heading

WIDTH = 9.0
SAME = 0.01
"""Arms whose second measure differs by less, over the largest, are one point."""
MARKERS = dict(zip(LINES, "osD^", strict=True))
"""Line style of an arm -> its mark."""


def pareto(findings: Findings) -> Figure | None:
    """Quality over the second measure; better is towards the left, and lower or higher as the metric is.

    None where all arms are the same in the second measure.
    """
    table = findings.tables.get("pareto")
    if table is None or not table.rows:
        return None
    place = list(table.rows[0]).index("verdict") + 1
    second, first = reversed(list(table.rows[0])[place : place + 2])
    rows = [row for row in table.rows if row[first] is not None and row[second] is not None]
    ends = [row[second] for row in rows] or [0.0]
    if max(ends) - min(ends) <= SAME * abs(max(ends)):
        return None
    handles = marked(findings)
    columns = columns_of(handles, WIDTH)
    figure = Figure(figsize=(WIDTH, 4.2 + 0.2 * -(-len(handles) // columns)), layout="constrained")
    axis = figure.subplots()
    known = findings.verdict.primary.facts
    scale = known.scale if first == known.name else 1.0  # a column of another name has its unit in it
    size = EXA / findings.flops_unit if second == "exaflops" else 1.0
    _points(axis, findings, [(row, (size * row[second], scale * row[first])) for row in rows])
    axis.set_xlabel(heading(second, findings.flops_unit))
    axis.set_ylabel(heading(first))
    figure.legend(handles=handles, loc="outside lower center", ncols=columns)
    return figure


def marked(findings: Findings) -> list[Line2D]:
    """The legend's lines as marks."""
    handles = handles_of(findings)
    for handle in handles:
        handle.set_marker(MARKERS[handle.get_linestyle()])  # type: ignore[index]
        handle.set_linestyle("")
    return handles


def _points(axis: Axes, findings: Findings, ends: Sequence[tuple[dict[str, Any], tuple[float, float]]]) -> None:
    """All arms, the front joined; named where they are few."""
    styles = arm_styles(findings.arms, findings.factors)
    for row, (x, y) in ends:
        colour, line = styles[row["arm"]]
        face = colour if row["on_the_front"] else "white"
        axis.plot(x, y, MARKERS[line], color=colour, markersize=6, markerfacecolor=face)
        if len(ends) <= MANY_ARMS:
            axis.annotate(row["arm"], (x, y), (5, 4), textcoords="offset points", fontsize=SMALL)
    leading = sorted(end for row, end in ends if row["on_the_front"])
    axis.plot(*zip(*leading, strict=True), color=GREY, linewidth=0.9, linestyle=(0, (4, 3)), zorder=0)
