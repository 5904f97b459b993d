"""The figure of mixtures: what share each source has of what a run reads, as asked and as it came."""

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import EngFormatter, PercentFormatter

from winnow.findings import Findings
from winnow.report.styles import COLOURS

WIDTH, COLUMNS = 9.0, 3
MOST_ARMS = 12


def schedules(findings: Findings) -> Figure | None:
    """A panel for each arm, shares over tokens: asked as lines, realised as points; None where none changes."""
    table = findings.tables.get("mixture_points")
    rows = table.rows if table else ()
    arms = list(dict.fromkeys(row["arm"] for row in rows))[:MOST_ARMS]
    changes = {(row["arm"], row["source"], round(row["asked_share"], 6)) for row in rows}
    if len(changes) == len({(arm, source) for arm, source, _ in changes}):
        return None
    sources = list(dict.fromkeys(row["source"] for row in rows))
    columns = min(COLUMNS, len(arms))
    lines = -(-len(arms) // columns)
    figure = Figure(figsize=(WIDTH, 0.6 + 2.3 * lines), layout="constrained")
    panels = figure.subplots(lines, columns, sharex=True, sharey=True, squeeze=False).ravel()
    for panel in panels[len(arms) :]:
        panel.set_visible(False)
    for panel, arm in zip(panels, arms, strict=False):
        panel.set_title(arm)
        for place, source in enumerate(sources):
            own = [row for row in rows if row["arm"] == arm and row["source"] == source]
            middle = [(row["from_tokens"] + row["until_tokens"]) / 2 for row in own]
            colour = COLOURS[place % len(COLOURS)]
            panel.plot(middle, [row["asked_share"] for row in own], color=colour, linewidth=1.4)
            panel.plot(middle, [row["realised_share"] for row in own], "o", color=colour, markersize=2.5, alpha=0.7)
        panel.xaxis.set_major_formatter(EngFormatter(sep=""))
        panel.yaxis.set_major_formatter(PercentFormatter(1.0))
        panel.set_xlabel("tokens")
    handles = [
        Line2D([], [], color=COLOURS[place % len(COLOURS)], label=source) for place, source in enumerate(sources)
    ]
    for panel in panels[: len(arms)]:
        panel.tick_params(labelbottom=True)
    figure.legend(handles=handles, loc="outside lower center", ncols=COLUMNS)
    return figure
