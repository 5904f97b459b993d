"""How figures look: one colour per selector, one line style per fraction, the full pool in black.

Where arms differ in factors, one colour per level of the first factor and one line style per level of the second.
"""

import re
from collections.abc import Sequence
from typing import Any, Literal

from winnow.errors import visible
from winnow.findings import ArmFacts, Factor

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#C05F96", "#C98A00", "#2F9FD6", "#8C6D31", "#6A51A3")
"""Okabe and Ito's colour-blind safe palette without its yellow, as dark as a white page needs, and two more.

Those of the page's own curves (`page.css`).
"""
BLACK, GREY = "#222222", "#7D7D7D"
SMALL = 8
"""Points of the smallest letters in a figure."""
DARK = {
    "#000000": "#e4e8ed", "#ffffff": "#14181e", "#222222": "#f2f2f2", "#333333": "#c6ced8", "#444444": "#a3adb9",
    "#7d7d7d": "#9a9a9a", "#999999": "#6b7480", "#e6e6e6": "#2f3742", "#f2f2f2": "#232a33", "#0072b2": "#4aa8e0",
    "#d55e00": "#f0843c", "#009e73": "#34c79b", "#c05f96": "#e39cc4", "#c98a00": "#efb13b", "#2f9fd6": "#8ad0f5",
    "#8c6d31": "#c9a766", "#6a51a3": "#a995e0", "#b00020": "#ff8f8f",
}  # fmt: skip
"""Colour on a light page -> on a dark one."""
LineStyle = Literal["-", "--", ":", "-."]
LINES: tuple[LineStyle, ...] = ("-", "--", ":", "-.")

SETTINGS: dict[Any, Any] = {
    "font.family": "DejaVu Sans", "font.size": 9, "axes.titlesize": 10, "axes.titleweight": "bold",
    "axes.titlelocation": "left", "axes.spines.top": False, "axes.spines.right": False, "axes.edgecolor": "#999999",
    "axes.grid": True, "grid.color": "#E6E6E6", "grid.linewidth": 0.7, "axes.axisbelow": True, "xtick.color": "#444444",
    "ytick.color": "#444444", "axes.labelcolor": "#333333", "legend.frameon": False, "figure.dpi": 150,
    "figure.constrained_layout.w_pad": 0.08, "figure.constrained_layout.h_pad": 0.06,
}  # fmt: skip


def dark(drawing: str) -> str:
    """The SVG in colours for a dark page; letters that name no colour are black, and so get one."""
    recoloured = re.sub("#[0-9a-f]{6}", lambda found: DARK.get(found[0], found[0]), drawing)
    return recoloured.replace("</style>", f"text{{fill: {DARK['#000000']}}}</style>", 1)


def in_figure(name: str) -> str:
    """A name as matplotlib draws it: with `$` it would be a formula, with `_` at its head the legend left it out."""
    text = visible(name).replace("$", r"\$")
    return f"\u2009{text}" if text.startswith("_") else text


MANY_ARMS = 12
"""Beyond so many arms that differ in factors, a legend names levels."""


def arm_styles(arms: Sequence[ArmFacts], factors: Sequence[Factor] = ()) -> dict[str, tuple[str, LineStyle]]:
    """Arm -> colour and line style, the same in all figures that are given all arms.

    No two arms look the same as long as that can be, but for those that have the same levels of two factors.
    """
    if factors:
        return _styles_by_level(arms, factors)
    families = dict.fromkeys(_family(arm) for arm in arms if arm.selector not in ("full", "random"))
    colours = {family: COLOURS[place % len(COLOURS)] for place, family in enumerate(families)}
    colours |= {"full": BLACK, "random": GREY}
    fractions = sorted({arm.fraction for arm in arms if arm.fraction is not None and arm.selector != "full"})
    lines = {fraction: LINES[place % len(LINES)] for place, fraction in enumerate(fractions)}
    styles: dict[str, tuple[str, LineStyle]] = {}
    for arm in arms:
        colour, line = colours[_family(arm)], lines.get(arm.fraction or 1.0, "-")
        used = set(styles.values())
        styles[arm.name] = colour, next((each for each in (line, *LINES) if (colour, each) not in used), line)
    return styles


def _styles_by_level(arms: Sequence[ArmFacts], factors: Sequence[Factor]) -> dict[str, tuple[str, LineStyle]]:
    colours, lines = level_colours(factors), level_lines(factors)
    levels = {arm.name: [*(arm.factors.get(factor.name, "") for factor in factors), ""] for arm in arms}
    return {name: (colours.get(each[0], GREY), lines.get(each[1], "-")) for name, each in levels.items()}


def level_colours(factors: Sequence[Factor]) -> dict[str, str]:
    """Level of the first factor -> colour."""
    return {level: COLOURS[place % len(COLOURS)] for place, level in enumerate(factors[0].levels)}


def level_lines(factors: Sequence[Factor]) -> dict[str, LineStyle]:
    """Level of the second factor -> line style; none where there is one factor alone."""
    return {level: LINES[place % len(LINES)] for factor in factors[1:2] for place, level in enumerate(factor.levels)}


def _family(arm: ArmFacts) -> str:
    """The arm's name without its fraction, so that all fractions of one way to choose share a colour."""
    if arm.selector in ("full", "random"):
        return arm.selector
    suffix = f"_{arm.fraction:g}" if arm.fraction is not None else ""
    return arm.name.removesuffix(suffix)
