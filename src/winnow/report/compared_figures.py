"""The figure of runs that others made: their metric over steps, and over cost where it was metered."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from winnow.findings import GivenCurve, GivenFindings
from winnow.report.styles import BLACK, COLOURS, in_figure

SIZE = (9.0, 3.4)


def curves_figure(findings: GivenFindings) -> Figure | None:
    """Each run thin with its compared checkpoint as a dot, an arm's mean thick where its runs share their steps.

    None where no run was measured more than once.
    """
    if all(len(curve.steps) == 1 for curve in findings.curves):
        return None
    figure = Figure(figsize=SIZE, layout="constrained")
    panels = list(figure.subplots(1, 1 + (findings.cost is not None), squeeze=False, sharey=True).flat)
    _draw(panels[0], findings, by_cost=False)
    panels[0].set_xlabel("step")
    panels[0].set_ylabel(in_figure(findings.metric))
    if findings.cost is not None:
        _draw(panels[1], findings, by_cost=True)
        panels[1].set_xlabel(in_figure(findings.cost))
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4)
    return figure


def _draw(axis: Axes, findings: GivenFindings, *, by_cost: bool) -> None:
    arms = list(dict.fromkeys(curve.arm for curve in findings.curves))
    others = [arm for arm in arms if arm != findings.baseline]
    colours = {arm: COLOURS[place % len(COLOURS)] for place, arm in enumerate(others)} | {findings.baseline: BLACK}
    for arm in arms:
        curves = [curve for curve in findings.curves if curve.arm == arm]
        for curve in curves:
            x = _places(curve, by_cost)
            axis.plot(x, curve.values, color=colours[arm], linewidth=0.7, alpha=0.45)
            axis.plot(x[curve.chosen], curve.values[curve.chosen], "o", color=colours[arm], markersize=3)
        is_aligned = len({curve.steps for curve in curves}) == 1
        mean = (
            np.mean([(_places(curve, by_cost), curve.values) for curve in curves], axis=0) if is_aligned else ([], [])
        )
        axis.plot(*mean, color=colours[arm], linewidth=1.8, label=in_figure(arm))


def _places(curve: GivenCurve, by_cost: bool) -> tuple[float, ...]:
    return curve.costs if by_cost else curve.steps
