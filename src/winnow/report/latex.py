r"""Tables as a paper has them: LaTeX with booktabs, the mean ± half its interval, the best in bold.

    latex(table, Interval(0.95, (0, 1, 2)), label="quickstart-evaluation")

Needs `\usepackage{booktabs}`. Names that data brought are escaped, so that nothing in them is a command.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from winnow.errors import visible
from winnow.findings import Table
from winnow.metrics import METRICS
from winnow.report.tables import rows_for_people
from winnow.text.printing import BOUNDS, NONE, cell, heading, level

SPECIAL = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%", "_": r"\_",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", '"': r"\textquotedbl{}", "±": r"$\pm$", "×": r"$\times$", "σ": r"$\sigma$", "≥": r"$\geq$",
    "≤": r"$\leq$", "−": "$-$", "–": "--", "—": "---", "…": r"\ldots{}",
}  # fmt: skip
"""What LaTeX reads as something else, or not at all, and how it is written."""
NUMBER = re.compile(r"[+-]?\d[\d,]*(\.\d+)?(e[+-]?\d+)?")
AS_NUMBER = re.compile(r"(\$-\$|\+)?\d[\d,]*(\.\d+)?(e\S+)?($| )")
"""A cell that begins with a number."""
APART = ("set", "checkpoint", "task", "source", "axis", "metric", "kind", "split")
"""Columns within whose values rows are compared: the best is one of each evaluation set."""
SYMMETRIC = 1e-6
"""How far the two halves of an interval may differ, over its width, to be written as one."""


@dataclass(frozen=True, slots=True)
class Interval:
    """What the bounds of a table are."""

    confidence: float
    seeds: tuple[int, ...] = ()
    """Empty where rows are of different studies."""

    @property
    def text(self) -> str:
        """As a caption says it."""
        seeds = f" over {len(self.seeds)} seeds ({', '.join(map(str, self.seeds))})" if self.seeds else ""
        return f"Mean ± half of its {100 * self.confidence:g} % Student-t interval{seeds}."


def escaped(text: str) -> str:
    """The text as LaTeX prints it, in one line."""
    return "".join(SPECIAL.get(letter, letter) for letter in visible(" ".join(text.split())))


def latex(table: Table, interval: Interval, *, label: str) -> str:
    """The table as a float of its own, its note below; a comment where it has no rows."""
    rows = rows_for_people(table)
    if not rows:
        return f"% {escaped(table.title)}: no rows yet\n"
    columns = [column for column in rows[0] if not column.endswith(BOUNDS)]
    shown = [[_cell(row, column, table) for column in columns] for row in rows]
    best = {place for column in columns for place in _best(table, rows, column)}
    lines = [
        " & ".join(rf"\textbf{{{text}}}" if (number, column) in best else text
                   for column, text in zip(columns, line, strict=True))
        for number, line in enumerate(shown)
    ]  # fmt: skip
    heads = [
        escaped(column.replace("_", " ") if column in table.levels else heading(column, table.flops_unit))
        for column in columns
    ]
    has_bounds = any(row.get(column + BOUNDS[0]) is not None for row in rows for column in columns)
    caption = [escaped(table.title) + ".", *([escaped(interval.text)] if has_bounds else [])]
    caption += ["The best mean is bold, which is no claim."] if best else []
    return "\n".join([
        r"% needs \usepackage{booktabs}", r"\begin{table}", r"\centering", rf"\caption{{{' '.join(caption)}}}",
        rf"\label{{tab:{re.sub(r'[^A-Za-z0-9.:-]+', '-', label)}}}",
        rf"\begin{{tabular}}{{{''.join(map(_alignment, zip(*shown, strict=True)))}}}", r"\toprule",
        rf"{' & '.join(heads)} \\", r"\midrule", *(rf"{line} \\" for line in lines), r"\bottomrule", r"\end{tabular}",
        *([rf"\par\smallskip{{\footnotesize {escaped(table.note)}\par}}"] if table.note else []), r"\end{table}", "",
    ])  # fmt: skip


def _alignment(cells: Sequence[str]) -> str:
    """Numbers stand on the right, words on the left."""
    return "r" if any(AS_NUMBER.match(each) for each in cells) else "l"


def _cell(row: Mapping[str, Any], column: str, table: Table) -> str:
    """A value with its interval: as ± where both halves are alike, else by its bounds."""
    value, unit = row[column], table.flops_unit
    if column in table.levels:
        return _number(level(value))
    low, high = (row.get(column + bound) for bound in BOUNDS)
    if low is None or high is None or value is None or low == high:
        return _number(cell(column, value, unit))
    if abs((high - value) - (value - low)) <= SYMMETRIC * (high - low):
        half = cell(column, (high - low) / 2, unit).removeprefix("+")
        return rf"{_number(cell(column, value, unit))} $\pm$ {_number(half)}"
    shown = [_number(cell(column, each, unit)) for each in (value, low, high)]
    return f"{shown[0]} [{shown[1]}, {shown[2]}]"


def _number(text: str) -> str:
    """A number as text, which can be bold, with a true minus; other text escaped."""
    return text.replace("-", "$-$") if NUMBER.fullmatch(text) else escaped(text)


def is_higher_better(column: str) -> bool | None:
    """Of a column of levels, gains or savings; None where no way is better, or nothing says which."""
    if column in METRICS:
        return METRICS[column].higher_is_better
    words = column.split("_")
    if words[0] == "gain" or ("saved" in words and "percent" in words):
        return True
    return None


def _best(table: Table, rows: Sequence[Mapping[str, Any]], column: str) -> list[tuple[int, str]]:
    """Number of row and column of the best means, ties as they are printed; none where all rows are alike."""
    way = is_higher_better(column)
    if way is None:
        return []
    groups: dict[tuple[Any, ...], list[int]] = {}
    for number, row in enumerate(rows):
        if row[column] is not None:
            groups.setdefault(tuple(row[name] for name in APART if name in row), []).append(number)
    found = []
    for members in (each for each in groups.values() if len(each) > 1):
        values = [rows[number][column] for number in members]
        printed = {number: cell(column, rows[number][column], table.flops_unit) for number in members}
        best = cell(column, max(values) if way else min(values), table.flops_unit)
        ties = [number for number in members if printed[number] == best != NONE]
        found += [(number, column) for number in ties if len(ties) < len(members)]
    return found
