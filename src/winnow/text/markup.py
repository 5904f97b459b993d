"""Text that data, machines and others' files bring, written so that it stays text: in Markdown, YAML and code.

    escaped("a|b <script>\n# c")    # a\\|b &lt;script> # c
    code("herding_0.1")             # `herding_0.1`
    front_matter({"license": "other"})

Names, licences and versions go through here wherever winnow writes a card or a table.
"""

import io
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.scalarstring import DoubleQuotedScalarString

from winnow.credentials import masked
from winnow.errors import visible


class Markdown(str):
    """Text that is Markdown already, and is not escaped again."""

    __slots__ = ()


SPECIAL = re.compile(r"[\\`*~|]|\](?=[(\[:])|(?<![^\W_])_|_(?![^\W_])")
"""What ends a cell or a code span, links, emphasises or strikes; `_` inside a word does nothing."""
BLOCK = re.compile(r"^(\d*)(#|>|=|[.)](?=\s|$)|[-+](?=\s|$)|--)")
"""What makes a heading, a quote, a list or a rule of a line that begins with it."""
TAG = re.compile(r"<(?=[A-Za-z/!?])")
ENTITY = re.compile(r"&(?=#?\w+;)")
ODD = re.compile(
    rf"{TAG.pattern}|[`\x00-\x09\x0b-\x1f\x7f-\xa0\xad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]"
)
"""What is spelled out in YAML: tags, backticks, control characters, marks that turn the direction, halves of pairs."""
IN_CODE = re.compile(r"[\w ./:;,@+=%(){}\[\]\"'*#&!?$^~-]+", re.ASCII)
"""Text that a code span shows as it is, also inside a table."""


def escaped(text: str) -> Markdown:
    """The text in one line of Markdown, in which nothing is a tag, a link, code, emphasis or the end of a cell."""
    if isinstance(text, Markdown):
        return text
    line = SPECIAL.sub(r"\\\g<0>", masked(visible(" ".join(text.split()))))
    line = TAG.sub("&lt;", ENTITY.sub("&amp;", line))
    return Markdown(BLOCK.sub(r"\g<1>\\\g<2>", line))


def escaped_value(value: Any) -> Any:
    """A template's value as it stands in Markdown: text escaped, all else as it is."""
    return escaped(value) if isinstance(value, str) else value


def code(text: str) -> Markdown:
    """The text as code, or escaped where it holds what a code span cannot."""
    return Markdown(f"`{text}`") if IN_CODE.fullmatch(text) and text.strip() == text else escaped(text)


def literal(text: str) -> Markdown:
    """The text as a literal of Python, inside a block of code."""
    return Markdown(TAG.sub(r"\\x3c", json.dumps(text)).replace("`", "\\x60"))


def fenced(text: str, language: str) -> Markdown:
    """A block of code, with a fence that nothing in it closes."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return Markdown(f"{fence}{language}\n{text.rstrip()}\n{fence}\n")


def table(headings: Sequence[str], rows: Iterable[Sequence[str]], *, numbers: int = 0) -> Markdown:
    """A table; its last columns, so many as are `numbers`, stand on the right."""
    rule = ["---"] * (len(headings) - numbers) + ["---:"] * numbers
    lines = [map(escaped, headings), rule, *(map(escaped, row) for row in rows)]
    return Markdown("".join(f"| {' | '.join(line)} |\n" for line in lines))


def yaml_text(tree: Any) -> Markdown:
    """A tree as YAML, in its own order; what cannot be seen, tags and backticks are spelled out in its texts."""
    buffer, writer = io.StringIO(), YAML()
    writer.default_flow_style = False
    writer.width = 100
    writer.dump(_quoted(tree), buffer)
    return Markdown(ODD.sub(_spelled, buffer.getvalue()))


def front_matter(tree: Mapping[str, Any]) -> Markdown:
    """The metadata at the head of a card."""
    return Markdown(f"---\n{yaml_text(tree)}---\n")


def _quoted(tree: Any) -> Any:
    """The same, with each text in double quotes that holds what is spelled out: only there YAML reads it back."""
    if isinstance(tree, Mapping):
        return {_quoted(key): _quoted(value) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        return [_quoted(value) for value in tree]
    is_odd = isinstance(tree, str) and ("\n" in tree or ODD.search(tree))
    return DoubleQuotedScalarString(tree) if is_odd else tree


def _spelled(found: re.Match[str]) -> str:
    number = ord(found[0])
    return f"\\x{number:02X}" if number < 0x100 else f"\\u{number:04X}" if number < 0x10000 else f"\\U{number:08X}"
