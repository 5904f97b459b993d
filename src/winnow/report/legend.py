"""Legends: of arms, or of levels where there are too many arms to be told apart by name."""

from collections.abc import Sequence

from matplotlib.lines import Line2D

from winnow.findings import Factor, Findings
from winnow.report.styles import BLACK, MANY_ARMS, LineStyle, arm_styles, level_colours, level_lines
from winnow.text.printing import level

LETTER = 0.075
"""Inches."""


def handles_of(findings: Findings) -> list[Line2D]:
    """One for each arm; of very many arms that differ in factors, one for each level that has a colour or a dash."""
    arms = list(dict.fromkeys(curve.arm for curve in findings.curves))
    if findings.factors and len(arms) > MANY_ARMS:
        return _of_levels(findings.factors)
    styles = arm_styles(findings.arms, findings.factors)
    return [_line(arm, *styles[arm]) for arm in arms]


def _of_levels(factors: Sequence[Factor]) -> list[Line2D]:
    colours = [_line(titled(factors[0], each), colour) for each, colour in level_colours(factors).items()]
    return colours + [_line(titled(factors[1], each), BLACK, line) for each, line in level_lines(factors).items()]


def titled(factor: Factor, name: str) -> str:
    """A level in a figure: a number behind its factor, a name as it is."""
    value = factor.value_of(name)
    return name if isinstance(value, str) else f"{factor.name.replace('_', ' ')} {level(value)}"


def _line(label: str, colour: str, line: LineStyle = "-") -> Line2D:
    return Line2D([], [], color=colour, linestyle=line, linewidth=1.8, label=label)


def columns_of(handles: Sequence[Line2D], width: float) -> int:
    """As many as fit beside each other into so many inches."""
    inches = 0.7 + LETTER * max((len(str(handle.get_label())) for handle in handles), default=0)
    return max(1, min(len(handles), int(width / inches)))
