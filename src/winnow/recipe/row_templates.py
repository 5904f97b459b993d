"""Texts with columns of a row in braces: `{instruction}` stands for a value, `{{` and `}}` for braces of the text."""

import re
from functools import lru_cache

Piece = tuple[str, str | None]
"""A text, and the column whose value follows it; none at the end."""
BRACES = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")


@lru_cache
def parse_template(template: str) -> tuple[Piece, ...]:
    """The template as pieces. Raises ValueError where a brace stands alone or names no column."""
    pieces: list[Piece] = []
    said, place = "", 0
    for found in BRACES.finditer(template):
        said += template[place : found.start()]
        place = found.end()
        if found[0] in ("{{", "}}"):
            said += found[0][0]
            continue
        if not (found[1] or "").strip():
            what = (
                "names no column in {}"
                if found[0].startswith("{") and found[1] is not None
                else f"has a lone {found[0]}"
            )
            raise ValueError(f"{what} at character {found.start() + 1}; write {{column}}, or {{{{ and }}}} for braces")
        pieces.append((said, found[1]))
        said = ""
    return (*pieces, (said + template[place:], None))


def columns_of(template: str) -> tuple[str, ...]:
    """The columns that a template names, each once, in its order. Raises ValueError as `parse_template`."""
    return tuple(dict.fromkeys(name for _, name in parse_template(template) if name is not None))
