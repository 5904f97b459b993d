"""The primary metric by arm, where that is not the loss, which has a figure of its own."""

from matplotlib.figure import Figure

from winnow.findings import Findings
from winnow.report.styles import arm_styles

WIDTH = 9.0
START = "#B00020"
"""Of the untrained model's level."""


def primary_levels(findings: Findings) -> Figure | None:
    """A dot for each arm's mean, a line for its interval over seeds, in the metric's printed unit."""
    table = findings.tables.get("primary")
    styles = arm_styles(findings.arms, findings.factors)
    rows = [row for row in table.rows if row["arm"] in styles] if table else []
    if table is None or not rows:
        return None
    figure = Figure(figsize=(WIDTH, 1.0 + 0.42 * len(rows)), layout="constrained")
    axis = figure.subplots()
    for place, row in enumerate(rows):
        colour = styles[row["arm"]][0]
        if row["value_low"] is not None:
            axis.plot([row["value_low"], row["value_high"]], [place, place], color=colour, linewidth=1.6, alpha=0.7)
        axis.plot(row["value"], place, "o", color=colour, markersize=6)
    start = next((row["value"] for row in table.rows if row["arm"] not in styles), None)
    if start is not None:
        axis.axvline(start, color=START, linewidth=0.9, linestyle=(0, (1, 2)))
    axis.set_yticks(range(len(rows)), [row["arm"] for row in rows])
    axis.invert_yaxis()
    axis.grid(visible=False, axis="y")
    axis.set_xlabel(f"{table.title}, interval over seeds")
    return figure
