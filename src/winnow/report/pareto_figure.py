"""Two measures of all arms: each arm a point, those on the front joined."""

from matplotlib.figure import Figure

from winnow.findings import Findings
from winnow.report.legend import columns_of, handles_of
from winnow.report.styles import GREY, LINES, MANY_ARMS, arm_styles
from winnow.text.printing import heading

WIDTH = 9.0
SAME = 0.01
"""Arms whose second measure differs by less, over the largest, are one point."""
MARKERS = dict(zip(LINES, "osD^", strict=True))
"""Line style of an arm -> its mark."""


def pareto(findings: Findings) -> Figure | None:
    """Quality over the second measure; better is towards the lower left, of an exact match the upper left.

    None where all arms are the same in the second measure.
    """
    table = findings.tables.get("pareto")
    rows = [row for row in table.rows if row["seeds"]] if table else []
    if not rows:
        return None
    columns = list(rows[0])
    first, second = columns[columns.index("verdict") + 1 : columns.index("verdict") + 3]
    known = [row for row in rows if row[first] is not None and row[second] is not None]
    ends = [row[second] for row in known]
    if not known or max(ends) - min(ends) <= SAME * abs(max(ends)):
        return None
    styles, scale = arm_styles(findings.arms, findings.factors), 100 if "match" in first else 1
    handles = handles_of(findings)
    for handle in handles:
        handle.set_marker(MARKERS[handle.get_linestyle()])  # type: ignore[index]
        handle.set_linestyle("")
    figure = Figure(figsize=(WIDTH, 4.2 + 0.2 * -(-len(handles) // columns_of(handles, WIDTH))), layout="constrained")
    axis = figure.subplots()
    for row in known:
        colour, line = styles[row["arm"]]
        axis.plot(
            row[second], scale * row[first], MARKERS[line], color=colour, markersize=6,
            markerfacecolor=colour if row["on_the_front"] else "white",
        )  # fmt: skip
    leading = sorted((row[second], scale * row[first]) for row in known if row["on_the_front"])
    axis.plot(*zip(*leading, strict=True), color=GREY, linewidth=0.9, linestyle=(0, (4, 3)), zorder=0)
    if len(known) <= MANY_ARMS:
        for row in known:
            axis.annotate(row["arm"], (row[second], scale * row[first]), (5, 4), textcoords="offset points", fontsize=7)
    axis.set_xlabel(heading(second))
    axis.set_ylabel(heading(first))
    figure.legend(handles=handles, loc="outside lower center", ncols=columns_of(handles, WIDTH))
    return figure
