"""Figures of a comparison of selections, as PNG bytes: composition by source, and where the rows lie."""

import matplotlib as mpl
from matplotlib.figure import Figure

from winnow.findings import SelectionFindings
from winnow.report.figures import COLUMNS, WIDTH, composition, png
from winnow.report.styles import COLOURS, GREY, SETTINGS

POOL = "pool"


def draw_selection_figures(findings: SelectionFindings) -> dict[str, bytes]:
    """Name -> PNG."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(SETTINGS)
        drawn = {"composition": composition(findings.tables["composition"]), "plane": plane(findings)}
        return {name: png(figure) for name, figure in drawn.items() if figure is not None}


def plane(findings: SelectionFindings) -> Figure | None:
    """A panel per arm at the smallest fraction: its rows over the pool's, in the first two principal components."""
    if not findings.plane:
        return None
    rows = [row for row in findings.tables["selections"].rows if row["arm"] != "full"]
    smallest = min((row["fraction"] for row in rows if row["fraction"] is not None), default=None)
    arms = [row["arm"] for row in rows if row["fraction"] in (None, smallest)]
    if not arms:
        return None
    columns = min(len(arms), COLUMNS)
    lines = -(-len(arms) // columns)
    figure = Figure(figsize=(WIDTH, 0.2 + 2.6 * lines), layout="constrained")
    grid = list(figure.subplots(lines, columns, squeeze=False, sharex=True, sharey=True).flat)
    pool = findings.plane[POOL]
    for place, (axis, arm) in enumerate(zip(grid, arms, strict=False)):
        points = findings.plane[arm]
        axis.scatter(pool[:, 0], pool[:, 1], s=4, color=GREY, alpha=0.35, linewidths=0)
        axis.scatter(points[:, 0], points[:, 1], s=7, color=COLOURS[place % len(COLOURS)], alpha=0.8, linewidths=0)
        axis.set_title(arm, fontsize=8.5)
        axis.tick_params(labelleft=False, labelbottom=False, length=0)
    for axis in grid[len(arms) :]:
        axis.set_visible(False)
    return figure
