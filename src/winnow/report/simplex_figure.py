"""The figure of measured mixtures: a point for each, coloured by what it reached; three sources span a triangle."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from numpy.typing import NDArray

from winnow.findings import Findings
from winnow.report.styles import GREY, SMALL, in_figure

WIDTH, HEIGHT = 9.0, 3.6
COLOURS = "viridis"
"""The lowest losses, which are the best, are the darkest."""
CORNERS = np.array([[0.0, 0.0], [1.0, 0.0], [0.5, np.sqrt(0.75)]])
"""Of the triangle, a source each."""
TOGETHER = 0.02
"""Of a triangle's side: nearer points share their label."""
NAMED = 12
"""Arms up to which each point has its name beside it."""


@dataclass(frozen=True)
class Mixtures:
    """One panel's mixtures."""

    title: str
    unit: str
    names: tuple[str, ...]
    shares: NDArray[np.float64]
    """[mixtures, sources]"""
    losses: NDArray[np.float64]
    chosen: tuple[bool, ...]
    """Whether its shares were learned."""


def simplex(findings: Findings) -> Figure | None:
    """Runs, and beside them proxies where there are any; None where no two mixtures, or no two sources, were read."""
    table = findings.tables.get("measured_mixtures")
    rows = table.rows if table else ()
    sources = list(dict.fromkeys(row["source"] for row in rows))
    if len(sources) < 2:
        return None
    panels = [each for each in (_runs(rows, sources), _proxies(rows, sources)) if len(each.names) > 1]
    if not panels:
        return None
    figure = Figure(figsize=(WIDTH, HEIGHT), layout="constrained")
    for axis, panel in zip(figure.subplots(1, len(panels), squeeze=False).ravel(), panels, strict=True):
        scale = ScalarMappable(Normalize(panel.losses.min(), panel.losses.max()), COLOURS)
        (_triangle if len(sources) == len(CORNERS) else _parallel)(axis, panel, sources, scale)
        axis.set_title(panel.title)
        figure.colorbar(scale, ax=axis, label=panel.unit, shrink=0.75)
    return figure


def _runs(rows: Sequence[Mapping[str, Any]], sources: Sequence[str]) -> Mixtures:
    own = [row for row in rows if row["proxy"] is None]
    where = own[0]["where"].replace("_", " ") if own else ""
    return _mixtures(f"runs, {where}", "bits per byte", "bits_per_byte", own, sources)


def _proxies(rows: Sequence[Mapping[str, Any]], sources: Sequence[str]) -> Mixtures:
    return _mixtures(
        "proxies, goal", "nats per byte", "nats_per_byte", [row for row in rows if row["proxy"] is not None], sources
    )


def _mixtures(
    title: str, unit: str, column: str, rows: Sequence[Mapping[str, Any]], sources: Sequence[str]
) -> Mixtures:
    points: dict[tuple[str, str | None], dict[str, Mapping[str, Any]]] = {}
    for row in rows:
        points.setdefault((row["arm"], row["proxy"]), {})[row["source"]] = row
    first = [next(iter(point.values())) for point in points.values()]
    shares = [[point[name]["share"] if name in point else 0.0 for name in sources] for point in points.values()]
    return Mixtures(
        title, unit, tuple(arm if proxy is None else "" for arm, proxy in points),
        np.array(shares, dtype=np.float64).reshape(-1, len(sources)),
        np.array([row[column] for row in first], dtype=np.float64), tuple(row["is_learned"] for row in first),
    )  # fmt: skip


def _triangle(axis: Axes, panel: Mixtures, sources: Sequence[str], scale: ScalarMappable) -> None:
    """Each mixture where its shares put it between the corners; lines at every fifth of a share."""
    for place in range(3):
        others = CORNERS[(place + 1) % 3], CORNERS[(place + 2) % 3]
        for share in np.linspace(0, 0.8, 5):
            ends = np.array([share * CORNERS[place] + (1 - share) * other for other in others])
            axis.plot(*ends.T, color=GREY if share == 0 else "#E6E6E6", linewidth=0.8, zorder=0)
    for corner, name, side in zip(CORNERS, sources, ("top", "top", "bottom"), strict=True):
        axis.annotate(
            in_figure(name), corner, (0, -6 if side == "top" else 6), textcoords="offset points", ha="center", va=side
        )
    places = panel.shares @ CORNERS
    for (x, y), loss, is_chosen in zip(places, panel.losses, panel.chosen, strict=True):
        colour = scale.to_rgba(np.array(loss))
        mark, size = ("*", 15) if is_chosen else ("o", 8)
        axis.plot(x, y, mark, color=colour, markersize=size, markeredgecolor=GREY, clip_on=False)
    for (x, y), name in _labels(panel.names, places).items() if len(panel.names) <= NAMED else ():
        axis.annotate(in_figure(name), (x, y), (6, 5), textcoords="offset points", fontsize=SMALL)
    axis.set_aspect("equal")
    axis.margins(y=0.12)
    axis.set_axis_off()


def _labels(names: Sequence[str], places: NDArray[np.float64]) -> dict[tuple[float, float], str]:
    """Place -> the names there; of mixtures that are one point but for rounding, all."""
    found: dict[tuple[float, float], str] = {}
    for name, (x, y) in zip(names, places, strict=True):
        near = next((at for at in found if abs(at[0] - x) + abs(at[1] - y) < TOGETHER), (float(x), float(y)))
        found[near] = f"{found[near]}, {name}" if near in found else name
    return found


def _parallel(axis: Axes, panel: Mixtures, sources: Sequence[str], scale: ScalarMappable) -> None:
    """A line for each mixture, its share of every source."""
    places = np.arange(len(sources))
    for shares, loss, is_chosen in zip(panel.shares, panel.losses, panel.chosen, strict=True):
        axis.plot(
            places, shares, "*-" if is_chosen else "o-", color=scale.to_rgba(np.array(loss)),
            linewidth=1.4, markersize=11 if is_chosen else 4,
        )  # fmt: skip
    ends = np.array([(places[-1], shares[-1]) for shares in panel.shares])
    for end, name in _labels(panel.names, ends).items() if len(panel.names) <= NAMED else ():
        axis.annotate(in_figure(name), end, (6, 0), textcoords="offset points", fontsize=SMALL, va="center")
    axis.set_xticks(places, [in_figure(name) for name in sources])
    axis.set_ylim(bottom=0)
    axis.yaxis.set_major_formatter(PercentFormatter(1.0))
    axis.set_ylabel("share of the tokens")
