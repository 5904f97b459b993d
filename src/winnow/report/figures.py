"""The figures of a report, as PNG, SVG and PDF: curves with seeds thin and their mean thick, intervals, composition."""

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_pdf import FigureCanvasPdf
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import EngFormatter, MaxNLocator

from winnow.findings import Curve, Findings, Table
from winnow.report.crossover_figure import crossover
from winnow.report.grid_figure import grid
from winnow.report.learning_figure import learning
from winnow.report.legend import columns_of, handles_of
from winnow.report.pareto_figure import pareto
from winnow.report.primary_figure import primary_levels
from winnow.report.schedule_figure import schedules
from winnow.report.simplex_figure import simplex
from winnow.report.styles import COLOURS, GREY, MANY_ARMS, SETTINGS, SMALL, arm_styles
from winnow.text.printing import PREFIXES

Series = Callable[[Curve], Sequence[float | None]]
Places = Callable[[Curve], Sequence[float]]
WIDTH = 9.0
COLUMNS = 3
"""Panels beside each other."""
ALL_ITEMS = "all items (micro)"
"""Title of a panel; no set can be named so, since it has spaces."""
NAMES = (
    "loss_curves", "exact_match_curves", "loss_against_cost", "crossover", "grid", "pareto", "learning",
    "final_loss", "primary", "composition", "simplex", "schedules",
)  # fmt: skip


def drawn_figures(findings: Findings, names: Sequence[str] = NAMES) -> dict[str, Figure]:
    """Name -> figure, of those that have something to show."""
    with our_style():
        drawn = {name: DRAWERS[name](findings) for name in names}
    return {name: figure for name, figure in drawn.items() if figure is not None}


@contextmanager
def our_style() -> Iterator[None]:
    """Inside the block figures look as ours do; they are made and written in it, since ticks are made late."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(SETTINGS)
        yield


def png(figure: Figure) -> bytes:
    """The figure as a PNG file."""
    buffer = io.BytesIO()
    with our_style():
        FigureCanvasAgg(figure).print_png(buffer, metadata={"Software": None})
    return buffer.getvalue()


def svg(figure: Figure) -> str:
    """The figure as an SVG file, the same bytes each time; its letters are text."""
    buffer = io.StringIO()
    with our_style(), mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "winnow"}):
        FigureCanvasSVG(figure).print_svg(buffer, metadata={"Date": None, "Creator": None})
    return buffer.getvalue()


def pdf(figure: Figure) -> bytes:
    """The figure as a PDF file for papers, the same bytes each time; its letters are text of an embedded font."""
    buffer = io.BytesIO()
    with our_style(), mpl.rc_context({"pdf.fonttype": 42}):
        FigureCanvasPdf(figure).print_pdf(buffer, metadata={"CreationDate": None, "Creator": None, "Producer": None})
    return buffer.getvalue()


def loss_curves(findings: Findings) -> Figure | None:
    """Loss over the steps, on validation and on each evaluation set."""
    panels: dict[str, Series] = {}
    if any(curve.target_validation_loss for curve in findings.curves):
        panels["validation of the target's kind"] = lambda curve: curve.target_validation_loss
    panels["validation"] = lambda curve: curve.validation_loss
    panels |= {name: _set_loss(name) for name in _sets(findings)}
    figure, axes = _panels(findings, panels, x=lambda curve: curve.steps)
    for axis, series in zip(axes, panels.values(), strict=False):
        _focus(axis, [value for curve in findings.curves for value in series(curve)])
        axis.set_xlabel("step")
    if axes:
        axes[0].set_ylabel("loss (nats per token)")
    return figure


def exact_match_curves(findings: Findings) -> Figure | None:
    """Exact match over the steps, over all items and on each set, beside the constant answer's level."""
    panels: dict[str, Series] = {ALL_ITEMS: lambda curve: curve.exact_match}
    panels |= {name: _set_exact_match(name) for name in _sets(findings)}
    panels = {name: series for name, series in panels.items() if _has_values(findings, series)}
    if not panels:
        return None
    figure, axes = _panels(findings, panels, x=lambda curve: curve.steps, factor=100)
    levels = {row["set"]: row["constant_level"] for row in findings.tables["evaluation"].rows}
    for axis, name in zip(axes, panels, strict=False):
        level = levels.get("micro" if name == ALL_ITEMS else name)
        if level:
            axis.axhline(100 * level, color="#B00020", linewidth=0.9, linestyle=(0, (1, 2)))
            _label_level(axis, "constant answer", 100 * level, "#B00020", is_right=True)
        axis.set_ylim(bottom=0)
        axis.set_xlabel("step")
    if axes:
        axes[0].set_ylabel("exact match (%)")
    return figure


def loss_against_cost(findings: Findings) -> Figure | None:
    """Validation loss over training FLOPs and over training time, with the baseline's best level."""
    loss: Series = lambda curve: curve.judged_loss  # noqa: E731
    figure, axes = _panels(findings, {"over training FLOPs": loss}, x=_in_unit(findings), num=2)
    if not axes:
        return figure
    left, right = axes
    _draw(findings, right, x=lambda curve: curve.seconds, series=loss)
    right.set_title("over training time")
    best = [min(curve.judged_loss) for curve in findings.curves if curve.arm == findings.baseline]
    right.xaxis.set_major_formatter(EngFormatter(unit="s"))
    for axis in (left, right):
        _focus(axis, [value for curve in findings.curves for value in curve.judged_loss])
        if best:
            axis.axhline(float(np.mean(best)), color="#444444", linewidth=0.9, linestyle=(0, (1, 2)))
    if best:
        _label_level(right, f"best of {findings.baseline}", float(np.mean(best)), "#444444")
    left.set_xlabel(f"training {PREFIXES[findings.flops_unit]}FLOPs (reference, without selection)")
    right.set_xlabel("training time")
    left.set_ylabel(f"{findings.level_words} (nats per token)")
    return figure


def final_loss(findings: Findings) -> Figure | None:
    """Loss over all test items at the best and the last checkpoint, with the interval over seeds."""
    rows = [row for row in findings.tables["evaluation"].rows if row["set"] == "micro" and row["arm"] != "zero_shot"]
    arms = list(dict.fromkeys(row["arm"] for row in rows))
    if not rows:
        return None
    styles, are_many = arm_styles(findings.arms, findings.factors), _are_many(findings)
    figure = Figure(figsize=(WIDTH, 1.0 + (0.2 if are_many else 0.42) * len(arms)), layout="constrained")
    axis = figure.subplots()
    for row in rows:
        is_best = row["checkpoint"] == "best"
        place, colour = arms.index(row["arm"]) + (-0.13 if is_best else 0.13), styles[row["arm"]][0]
        if row["loss_low"] is not None:
            axis.plot([row["loss_low"], row["loss_high"]], [place, place], color=colour, linewidth=1.6, alpha=0.7)
        axis.plot(row["loss"], place, "o", color=colour, markersize=6, markerfacecolor=colour if is_best else "white")
    axis.set_yticks(range(len(arms)), arms, fontsize=SMALL if are_many else None)
    axis.invert_yaxis()
    if are_many:
        axis.margins(y=0.01)
    axis.grid(visible=False, axis="y")
    axis.set_xlabel("loss over all test items (nats per target token), interval over seeds")
    marks = [Line2D([], [], marker="o", linestyle="", color=GREY, markerfacecolor=face, label=label)
             for face, label in ((GREY, "best checkpoint"), ("white", "last checkpoint"))]  # fmt: skip
    figure.legend(handles=marks, loc="outside lower center", ncols=2)
    return figure


def composition(table: Table) -> Figure | None:
    """Each source's share of the pool and of every selection."""
    rows = [row for row in table.rows if row["arm"] != "full"]
    sources = list(dict.fromkeys(row["source"] for row in rows))
    if not rows:
        return None
    bars = {"pool": {row["source"]: row["pool_share"] for row in rows}}
    for row in rows:
        bars.setdefault(row["arm"], {})[row["source"]] = row["selected_share"]
    figure = Figure(figsize=(WIDTH, 1.0 + 0.36 * len(bars)), layout="constrained")
    axis = figure.subplots()
    left = np.zeros(len(bars))
    for place, source in enumerate(sources):
        shares = np.array([100 * bar.get(source, 0.0) for bar in bars.values()])
        axis.barh(
            list(bars),
            shares,
            left=left,
            height=0.62,
            color=COLOURS[place % len(COLOURS)],
            label=source,
            alpha=0.55 if place >= len(COLOURS) else 0.9,
            edgecolor="white",
            linewidth=0.8,
        )
        _label_bars(axis, shares, left)
        left += shares
    axis.invert_yaxis()
    axis.grid(visible=False, axis="y")
    axis.set_xlim(0, 100)
    axis.set_xlabel("share of examples (%)")
    figure.legend(loc="outside lower center", ncols=min(len(sources), 4))
    return figure


def _label_bars(axis: Axes, shares: np.ndarray, left: np.ndarray) -> None:
    for row, share in enumerate(shares):
        if share >= 7:
            axis.text(
                left[row] + share / 2, row, f"{share:.0f}", ha="center", va="center", fontsize=SMALL, color="white"
            )


def _label_level(axis: Axes, text: str, level: float, colour: str, *, is_right: bool = False) -> None:
    """The words above a level, at the end of the axis where curves are away from it."""
    place: Any = ("axes fraction", "data")
    x, side = (0.99, "right") if is_right else (0.01, "left")
    axis.annotate(text, (x, level), xycoords=place, ha=side, va="bottom", fontsize=SMALL, color=colour)


def _panels(
    findings: Findings, panels: Mapping[str, Series], *, x: Places, factor: float = 1, num: int | None = None
) -> tuple[Figure | None, list[Axes]]:
    """A figure with a panel per series and one legend below; `num` makes more, empty panels."""
    if not all(_has_values(findings, series) for series in panels.values()):
        return None, []
    num = num or len(panels)
    columns = min(num, COLUMNS)
    lines = -(-num // columns)
    handles = handles_of(findings)
    legend_lines = -(-len(handles) // columns_of(handles, WIDTH))
    figure = Figure(figsize=(WIDTH, 0.3 + 0.2 * legend_lines + 2.6 * lines), layout="constrained")
    axes = list(figure.subplots(lines, columns, squeeze=False).flat)
    for axis, (name, series) in zip(axes, panels.items(), strict=False):
        _draw(findings, axis, x=x, series=series, factor=factor)
        axis.set_title(name)
    for axis in axes[num:]:
        axis.set_visible(False)
    figure.legend(handles=handles, loc="outside lower center", ncols=columns_of(handles, WIDTH))
    return figure, axes[:num]


def _has_values(findings: Findings, series: Series) -> bool:
    return any(value is not None for curve in findings.curves for value in series(curve))


def _draw(findings: Findings, axis: Axes, *, x: Places, series: Series, factor: float = 1) -> None:
    """All arms: each seed thin, their mean thick; of very many the means alone."""
    styles, are_many = arm_styles(findings.arms, findings.factors), _are_many(findings)
    for arm in dict.fromkeys(curve.arm for curve in findings.curves):
        colour, line = styles[arm]
        curves = [curve for curve in findings.curves if curve.arm == arm]
        values = [factor * np.array(series(curve), dtype=float) for curve in curves]
        if len(curves) > 1 and not are_many:
            for curve, value in zip(curves, values, strict=True):
                axis.plot(x(curve), value, color=colour, linestyle=line, linewidth=0.6, alpha=0.35)
        length = min(len(value) for value in values)
        mean_x = np.mean([x(curve)[:length] for curve in curves], axis=0)
        mean = np.mean([value[:length] for value in values], axis=0)
        axis.plot(mean_x, mean, color=colour, linestyle=line, linewidth=1.0 if are_many else 1.8)
    axis.xaxis.set_major_locator(MaxNLocator(5))


def _are_many(findings: Findings) -> bool:
    """More arms than can be told apart one by one, where levels can be."""
    return bool(findings.factors) and len({curve.arm for curve in findings.curves}) > MANY_ARMS


def _focus(axis: Axes, values: Sequence[float | None]) -> None:
    """Cut off the steep start, so that the arms can be told apart where they end."""
    known = np.array([value for value in values if value is not None])
    low, high = float(known.min()), float(np.quantile(known, 0.75))
    margin = 0.06 * (high - low) or 0.01
    axis.set_ylim(low - margin, high + margin)


def _in_unit(findings: Findings) -> Places:
    """FLOPs in the study's unit."""
    return lambda curve: [each / findings.flops_unit for each in curve.flops]


def _sets(findings: Findings) -> list[str]:
    return list(findings.curves[0].set_loss) if findings.curves else []


def _set_loss(name: str) -> Series:
    return lambda curve: curve.set_loss[name]


def _set_exact_match(name: str) -> Series:
    return lambda curve: curve.set_exact_match[name]


DRAWERS: dict[str, Callable[[Findings], Figure | None]] = {
    "loss_curves": loss_curves,
    "exact_match_curves": exact_match_curves,
    "loss_against_cost": loss_against_cost,
    "crossover": crossover,
    "grid": grid,
    "pareto": pareto,
    "learning": learning,
    "final_loss": final_loss,
    "primary": primary_levels,
    "composition": lambda findings: composition(findings.tables["composition"]),
    "simplex": simplex,
    "schedules": schedules,
}
"""Name of a figure -> what draws it."""
