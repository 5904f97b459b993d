"""What arms learnt over what they forgot: a point an arm, arrows from each duration to the next longer one."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from winnow.findings import ArmFacts, Findings
from winnow.report.legend import columns_of
from winnow.report.pareto_figure import MARKERS, marked
from winnow.report.styles import MANY_ARMS, arm_styles

WIDTH = 9.0
LEARNED, FORGOTTEN = "learned_nats", "forgotten_nats"


def learning(findings: Findings) -> Figure | None:
    """Better is towards the right, and lower. Bars are the intervals over seeds; None without own samples."""
    table = findings.tables.get("learning_forgetting")
    if table is None or not table.rows:
        return None
    handles = marked(findings)
    columns = columns_of(handles, WIDTH)
    figure = Figure(figsize=(WIDTH, 4.2 + 0.2 * -(-len(handles) // columns)), layout="constrained")
    axis = figure.subplots()
    for chain in chains(table.rows, findings.arms):
        _drawn(axis, findings, chain)
    axis.set_xlabel("learnt (nats per target token)")
    axis.set_ylabel("forgotten (nats per token of the base's own texts)")
    figure.legend(handles=handles, loc="outside lower center", ncols=columns)
    return figure


def chains(rows: Sequence[Mapping[str, Any]], arms: Sequence[ArmFacts]) -> list[list[Mapping[str, Any]]]:
    """The rows of arms that differ in their budget alone, from the shortest to the longest."""
    settings = {arm.name: arm.settings for arm in arms}
    found = defaultdict[str, list[Mapping[str, Any]]](list)
    for row in rows:
        same = {key: value for key, value in settings[row["arm"]].items() if not key.startswith("budget.")}
        found[repr(sorted(same.items())) if same else row["arm"]].append(row)
    return [sorted(chain, key=lambda row: row["trained_tokens"]) for chain in found.values()]


def _drawn(axis: Axes, findings: Findings, chain: Sequence[Mapping[str, Any]]) -> None:
    styles = arm_styles(findings.arms, findings.factors)
    for row in chain:
        colour, line = styles[row["arm"]]
        place = row[LEARNED], row[FORGOTTEN]
        bars = [_arms_of(row, column) for column in (LEARNED, FORGOTTEN)]
        axis.errorbar(
            *place, xerr=bars[0], yerr=bars[1], fmt=MARKERS[line], color=colour, markersize=6, linewidth=0.9
        )  # fmt: skip
        if len(findings.arms) <= MANY_ARMS:
            axis.annotate(row["arm"], place, (5, 4), textcoords="offset points", fontsize=7)
    for shorter, longer in pairwise(chain):
        arrow = {"arrowstyle": "->", "color": styles[longer["arm"]][0], "linewidth": 1.0, "shrinkA": 4, "shrinkB": 4}
        end, start = ((row[LEARNED], row[FORGOTTEN]) for row in (longer, shorter))
        axis.annotate("", end, start, arrowprops=arrow)


def _arms_of(row: Mapping[str, Any], column: str) -> list[list[float]] | None:
    """How far an interval reaches to both sides; None without one."""
    if row[f"{column}_low"] is None:
        return None
    return [[row[column] - row[f"{column}_low"]], [row[f"{column}_high"] - row[column]]]
