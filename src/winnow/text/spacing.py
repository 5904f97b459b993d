"""Pieces of a formula and the one rule by which spaces stand between them.

joined([Atom("x", "letter"), Atom("+", "sum"), Atom("1", "number")])    # "x + 1"
"""

from dataclasses import dataclass
from itertools import pairwise


def names(text: str) -> frozenset[str]:
    """The commands and signs in a text, divided by spaces."""
    return frozenset(text.split())


RELATIONS = names(
    r"= < > <= >= != & \\ \approx \in \notin \cup \cap \setminus \subset \subseteq \to \Rightarrow \equiv \sim \cong "
    r"\pmod \iff \land \lor \propto \parallel \perp"
)
"""Signs with a space on both sides wherever they stand."""
SUMS = frozenset(["+", "-", r"\pm", r"\mp"])
"""Signs between two things, with spaces, or before one, without."""
OPEN, CLOSE = frozenset(["(", "[", r"\{"]), frozenset([")", "]", r"\}"])


@dataclass(slots=True)
class Atom:
    """A piece that no spacing rule divides."""

    text: str
    kind: str
    """number, word, letter, command, fraction, script, sum, relation, product, open, close, comma, other."""
    spaced: bool = False
    """Whether a space stood before it."""


OPERANDS = frozenset(["number", "letter", "command", "fraction", "script", "close"])


def kind_of(token: str) -> str:
    """What a token is to the rules of spacing."""
    if token in RELATIONS:
        return "relation"
    for kind, members in (("sum", SUMS), ("product", "*/"), ("open", OPEN), ("close", CLOSE), ("comma", ",")):
        if token in members:
            return kind
    if token[0] in "0123456789" or (token[0] == "." and len(token) > 1):
        return "number"
    if token.isalpha():
        return "letter" if len(token) == 1 else "word"
    return "command" if token[0] == "\\" and len(token) > 2 else "command" if token in ("°", "%", "!", "'") else "other"


def joined(atoms: list[Atom]) -> str:
    """The atoms as a text, spaced by one rule."""
    atoms = _bracketed(atoms)
    depth, text = 0, atoms[0].text if atoms else ""
    depth += bool(atoms) and atoms[0].kind == "open"
    commas = sum(atom.kind == "comma" for atom in atoms)
    for at, (left, right) in enumerate(pairwise(atoms)):
        before = atoms[at - 1] if at else None
        after = atoms[at + 2] if at + 2 < len(atoms) else None
        text += (" " if _is_apart(before, left, right, after, is_pair=depth == 0 and commas == 1) else "") + right.text
        depth += (right.kind == "open") - (right.kind == "close")
    return text.strip()


def _bracketed(atoms: list[Atom]) -> list[Atom]:
    """The atoms, fractions in brackets where a line would read them otherwise."""
    made = list(atoms)
    for at, atom in enumerate(atoms):
        if atom.kind != "fraction":
            continue
        before, after = atoms[at - 1] if at else None, atoms[at + 1] if at + 1 < len(atoms) else None
        is_raised = after is not None and after.text.startswith("^")
        is_below = before is not None and before.text == "/"
        is_taken_off = atom.text.startswith("-") and before is not None and before.kind in OPERANDS
        if is_raised or is_below or is_taken_off:
            made[at] = Atom(f"({atom.text})", "close", atom.spaced)
    return made


def _is_apart(before: Atom | None, left: Atom, right: Atom, after: Atom | None, *, is_pair: bool) -> bool:
    """Whether a space stands between two neighbours; `is_pair`: outside brackets, in a text with one comma."""
    if left.kind == "open" or right.kind in ("close", "script") or "product" in (left.kind, right.kind):
        return False
    if "relation" in (left.kind, right.kind):
        return True
    if "comma" in (left.kind, right.kind):
        return _is_apart_from_comma(before, left, right, after, is_pair)
    if right.kind == "sum":
        return _is_between(left, right, after) or right.spaced
    if left.kind == "sum":
        return (before is not None and _is_between(before, left, right)) or left.text[0] == "\\"
    if right.kind == "fraction":
        return right.text[0].isdigit() or left.kind == "word" or (left.text[0] == "\\" and right.text[0].isalpha())
    if left.kind == "command" and left.text[0] == "\\" and left.text[-1].isalpha() and right.kind in ("letter", "word"):
        return True
    if left.kind == "fraction" and right.kind == "number":
        return True
    if left.kind == "number" and right.kind == "letter":
        return right.spaced and (right.text in "mglsh" or (after is not None and after.kind in ("number", "word")))
    is_written = {left.kind, right.kind} <= {"number", "letter", "word", "other"} or "word" in (left.kind, right.kind)
    return right.spaced and (is_written or "other" in (left.kind, right.kind))


def _is_between(left: Atom, sign: Atom, right: Atom | None) -> bool:
    """Whether a plus or minus stands between two operands; the hyphen of a word does not, nor a sign before one."""
    if right is None or not right.text:
        return False
    if "word" in (left.kind, right.kind):
        return sign.spaced and right.spaced and left.kind != "other"
    return left.kind in OPERANDS and right.kind in OPERANDS | {"open", "sum"} | {"other"}


def _is_apart_from_comma(before: Atom | None, left: Atom, right: Atom, after: Atom | None, is_pair: bool) -> bool:
    """After a comma stands a space, before it none. `12,34` may be a decimal and `30 , 10` a number cut by a
    tokenizer: where two numbers are the whole text they stay as they are."""
    first, second = (left, after) if right.kind == "comma" else (before, right)
    comma = right if right.kind == "comma" else left
    are_numbers = first is not None and second is not None and first.kind == second.kind == "number"
    if is_pair and are_numbers and second is not None and comma.spaced == second.spaced:
        return comma.spaced
    return left.kind == "comma"
