"""How numbers look, in one place: a fixed format per unit, chosen by the words in a column's name.

Exact match and shares are stored in [0, 1] and become percent only here.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from winnow.ledger import round_half_up

NONE = "–"
MANY = 1e9
"""From here on a number that is no count is written with an exponent."""
NO_DECIMALS = 999.95
"""From here on four significant digits leave none behind the point."""
BOUNDS = ("_low", "_high")
EXA = 1e18
"""FLOPs in a column whose name says exaflops; people read them with the prefix of the table's `flops_unit`."""
PREFIXES = {1e21: "zetta", EXA: "exa", 1e15: "peta", 1e12: "tera", 1e9: "giga", 1e6: "mega", 1.0: ""}
"""So many FLOPs -> what stands before the word."""
UNITS = {"dollars": "USD", "percent": "(%)", "points": "(points)", "nats": "(nats)", "6n": "6N",
         "gigaflops": "GFLOPs", "milliseconds": "ms", "mmd": "MMD", "jaccard": "Jaccard",
         "mib": "MiB"}  # fmt: skip


def fixed(value: float, places: int, *, signed: bool = False) -> str:
    """So many decimals, rounded half up, with thousands separators."""
    rounded = round_half_up(value, places) + 0.0
    return f"{rounded:{'+' if signed else ''},.{places}f}"


def percent(share: float, places: int = 2) -> str:
    """A share in percent: 0.0445 is "4.45 %"."""
    return f"{fixed(100 * share, places)} %"


def clock(seconds: float) -> str:
    """Whole seconds as hh:mm:ss."""
    whole = int(round_half_up(abs(seconds), 0))
    sign = "-" if seconds < 0 and whole else ""
    return f"{sign}{whole // 3600:02d}:{whole // 60 % 60:02d}:{whole % 60:02d}"


def memory(size_bytes: float) -> str:
    """Bytes of memory in MiB, from 1000 of them on in GiB, about three significant digits: "1.46 GiB"."""
    unit, size = ("MiB", size_bytes / 2**20) if size_bytes < 1000 * 2**20 else ("GiB", size_bytes / 2**30)
    return f"{size:,.0f} {unit}" if size >= 99.95 else f"{size:#.3g} {unit}"  # 99.95 has no decimals left


def flops_unit(flops: float) -> float:
    """The largest of `PREFIXES` that is not above so many FLOPs."""
    return next((unit for unit in PREFIXES if flops >= unit), 1.0)


def flops_text(flops: float, unit: float | None = None) -> str:
    """FLOPs with four digits and the prefix of `unit`, or of their own size: "66.46 teraFLOPs"."""
    unit = unit or flops_unit(flops)
    return f"{plain(flops / unit)} {PREFIXES[unit]}FLOPs"


def exaflops(value: float, unit: float = EXA) -> str:
    """1e18 FLOPs with four significant digits, in another unit where that is given; from 1,000 on as `plain`."""
    amount = value * (EXA / unit)
    return "0" if value == 0 else f"{amount:#.4g}" if abs(amount) < NO_DECIMALS else plain(amount)


def plain(value: Any) -> str:
    """A count with thousands separators, or a number with at most four significant digits where it has decimals."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:,.0f}" if NO_DECIMALS <= abs(value) < MANY else f"{value:.4g}"


def cell(column: str, value: Any, flops_unit: float = EXA) -> str:
    """One value of a table, in the format of its column."""
    if value is None:
        return NONE
    if isinstance(value, str | bool):
        return value if isinstance(value, str) else plain(value)
    words = set(column.split("_"))
    if "step" in words:
        return plain(value)
    signed = bool(words & {"difference", "gain"})
    if words & {"percent", "points"}:
        return fixed(value, 2, signed=signed)
    if "ratio" in words:
        return fixed(value, 3)
    if "exaflops" in words:
        return exaflops(value, flops_unit)
    if "seconds" in words:
        return clock(value)
    if "dollars" in words:
        return fixed(value, 2)
    if words & {"match", "level", "share"}:
        return fixed(100 * value, 2, signed=signed)
    if words & {"loss", "nats"}:
        return fixed(value, 4, signed=signed)
    return plain(value)


def heading(column: str, flops_unit: float = EXA) -> str:
    """The words of a column's name, with the unit that its cells are printed in."""
    words = column.split("_")
    units = UNITS | {"exaflops": f"{PREFIXES[flops_unit]}FLOPs"}
    shown = " ".join(units.get(word, word) for word in words)
    if set(words) & {"match", "level", "share"} and not set(words) & {"step", "percent", "points"}:
        return f"{shown} (%)"
    if "seconds" in words:
        return shown.replace("seconds", "time")
    return shown


def level(value: float | str | None) -> str:
    """A factor's level: its name, or its number as a recipe has it, with thousands separators."""
    if value is None or isinstance(value, str):
        return value or NONE
    return f"{int(value):,}" if float(value).is_integer() and abs(value) < MANY else f"{value:g}"


def printed(
    rows: Sequence[Mapping[str, Any]], levels: Collection[str] = (), flops_unit: float = EXA
) -> tuple[list[str], list[list[str]]]:
    """Headings and cells of a table for people: bounds are folded into the cell of what they bound.

    `levels` are columns of factors, whose names say nothing of a unit.
    """
    columns = [column for column in (rows[0] if rows else {}) if not column.endswith(BOUNDS)]
    headings = [column.replace("_", " ") if column in levels else heading(column, flops_unit) for column in columns]
    return headings, [
        [level(row[column]) if column in levels else _bounded(column, row, flops_unit) for column in columns]
        for row in rows
    ]


def _bounded(column: str, row: Mapping[str, Any], flops_unit: float) -> str:
    shown = cell(column, row[column], flops_unit)
    low, high = (cell(column, row.get(column + bound), flops_unit) for bound in BOUNDS)
    return shown if NONE in (low, high) or low == high else f"{shown} [{low}, {high}]"
