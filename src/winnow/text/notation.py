r"""Mathematics in one notation, so that what is written in two ways becomes one text.

    one_notation(r"\left( \dfrac12,\,3\right)")    # "(1/2, 3)"
    one_notation("x>=5")                           # "x >= 5"

This is about spelling alone: fractions, roots, exponents, spacing, names of signs. Nothing is computed, and what is no
LaTeX stays as it is but for spaces around signs. Takes time in proportion to the text.
"""

import re

from winnow.text.spacing import OPERANDS, Atom, joined, kind_of, names

MAX_DEPTH = 30
"""Braces in braces beyond which a text is left as it is."""

SIGNS = str.maketrans(
    {
        "−": "-", "×": r"\times ", "·": r"\cdot ", "÷": "/", "≤": r"\le ", "⩽": r"\le ", "≥": r"\ge ", "⩾": r"\ge ",
        "≠": r"\ne ", "≈": r"\approx ", "±": r"\pm ", "∞": r"\infty ", "π": r"\pi ", "∪": r"\cup ", "∩": r"\cap ",
        "∈": r"\in ", "√": r"\sqrt ", "⁄": "/", "½": " 1/2", "⅓": " 1/3", "⅔": " 2/3", "¼": " 1/4", "¾": " 3/4",
        "⅕": " 1/5", "⅖": " 2/5", "⅗": " 3/5", "⅘": " 4/5", "⅙": " 1/6", "⅚": " 5/6", "⅛": " 1/8", "⅜": " 3/8",
        "⅝": " 5/8", "⅞": " 7/8", "~": " ", "\u200b": "", "\u200c": "", "\u200d": "", "\u2060": "", "\ufeff": "",
    }
)  # fmt: skip
"""Unicode's signs as LaTeX has them; marks that nobody sees."""
RAISED = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")
REWRITTEN = [
    (re.compile(r"(?<=[0-9])(?:\\[!, ]|\{,\}|,\\!)(?=[0-9]{3}(?![0-9]))"), ""),  # thousands
    (re.compile(r"\{,\}"), ","),
    (re.compile(r"(?:\{\})?\^\s?(?:\\circ|\\degree|\{\s?\\(?:circ|degree)\s?\})(?![A-Za-z])"), "°"),
    (re.compile(r"<=|=<|\\leq?(?:slant|q)?(?![A-Za-z])"), r"\\le "),
    (re.compile(r">=|\\geq?(?:slant|q)?(?![A-Za-z])"), r"\\ge "),
    (re.compile(r"!=|\\neq?(?![A-Za-z])"), r"\\ne "),
    (re.compile(r"\+/?-(?=\s?[0-9a-z\\])"), r"\\pm "),
    (re.compile(r"=>|\\implies(?![A-Za-z])"), r"\\Rightarrow "),
    (re.compile(r"[-−]>"), r"\\to "),
    (re.compile(r"=="), "="),
    (re.compile(r"\s?\\colon(?![A-Za-z])\s?"), ":"),
    (re.compile(r"\*\*"), "^"),
    (re.compile(r"(?:\\sqrt ?|(?<![\\A-Za-z])sqrt ?)\(([^()]*)\)"), r"\\sqrt{\1}"),
    (re.compile(r"(?<![\\A-Za-z])pi(?![A-Za-z])"), r"\\pi "),
    (re.compile(r"(?<![0-9])([0-9]{1,9}) : ([0-9])(?![0-9])"), r"\1:\2"),  # a ratio; minutes have two digits
    (re.compile(r"(?<![A-Za-z])([AaPp])\.\s?[Mm](?:\.|(?![A-Za-z]))"), r"\1m"),
]  # fmt: skip

THOUSANDS = re.compile(r"(?<![0-9.,])[1-9][0-9]{0,2}(?:,[0-9]{3})+(?![0-9]|,[0-9])")
TOKENISED = re.compile(
    rf"{THOUSANDS.pattern}|(?<![0-9.,])(?<![0-9.,] )[1-9][0-9]{{0,2}}(?: , [0-9]{{3}})+(?![0-9]| ?,)"
)
"""Also `19 , 104`, as texts cut into words have it."""

TOKEN = re.compile(
    r"\\[A-Za-z]+\*?|\\.|(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)(?:[eE][-+]?[0-9]{1,2}(?![0-9A-Za-z]))?|[^\W\d_]+|\s+|.",
    re.DOTALL,
)
TEXT = names(
    r"\text \textbf \textit \textrm \textnormal \texttt \textsf \emph \mbox \hbox \mathrm \mathbf \mathit \mathsf "
    r"\mathtt \boldsymbol \bm \operatorname \boxed \fbox"
)
"""What stands in their braces is text like any other."""
LETTERS = names(r"\mathbf \mathit \boldsymbol \bm \boxed \fbox")
"""Those of them that hold names of things, never units."""
UNSEEN = names(
    r"\left \right \big \Big \bigg \Bigg \bigl \bigr \Bigl \Bigr \biggl \biggr \Biggl \Biggr \displaystyle \textstyle "
    r"\limits \nolimits \rm \bf \it \! \( \) \[ \]"
)
SPACES = names(r"\, \; \: \> \quad \qquad \thinspace \enspace \space") | {"\\ "}
WITH_UNSEEN = names(r"\hspace \vspace \phantom \hphantom \vphantom \color \textcolor \label \tag")
"""Commands whose first braces hold nothing that is read."""
WITH_ARGUMENT = names(
    r"\begin \end \overline \underline \mathbb \mathcal \vec \hat \bar \tilde \widehat \overrightarrow \binom \dbinom "
    r"\tbinom"
)
FRACTIONS = names(r"\frac \dfrac \tfrac \cfrac")
SAME = {r"\%": "%", r"\$": "$", r"\#": "#", r"\_": "_", r"\lbrace": r"\{", r"\rbrace": r"\}", r"\degree": "°",
        r"\times": "*", r"\cdot": "*", r"\div": "/", r"\lt": "<", r"\gt": ">", r"\le": "<=", r"\ge": ">=", r"\ne": "!=",
        r"\mid": "|", r"\vert": "|", r"\lvert": "|", r"\rvert": "|", r"\cdots": r"\dots",
        r"\ldots": r"\dots", r"\rightarrow": r"\to", r"\dotsc": r"\dots"}  # fmt: skip
ORDINAL = frozenset(["st", "nd", "rd", "th"])


def one_notation(text: str) -> str:
    """The text with its mathematics in one notation; as it is where its braces do not match or go too deep."""
    text = without_thousands(text.translate(SIGNS))
    text = re.sub("[⁰¹²³⁴-⁹⁻]+", lambda found: f"^{{{found[0].translate(RAISED)}}}", text)
    for pattern, written in REWRITTEN:
        text = pattern.sub(written, text)
    tokens = TOKEN.findall(text)
    return " ".join((joined(_Reader(tokens).atoms()) if _is_balanced(tokens) else text).split())


def without_thousands(text: str) -> str:
    """The text with its numbers free of the commas between thousands.

    `1, 100` is a list; `(1,100)` a pair, unless other commas there have spaces after them, as in `(1,100, 5)`.
    """
    if re.search(r"[0-9)}], ", text):
        return THOUSANDS.sub(lambda found: found[0].replace(",", ""), text)
    head = re.match(r"(?:[^(\[{]|(?<=[A-Za-z^_}])\{)*", text)
    assert head is not None
    return TOKENISED.sub(lambda found: re.sub("[ ,]+", "", found[0]), head[0]) + text[head.end() :]


def _is_balanced(tokens: list[str]) -> bool:
    depth = 0
    for token in tokens:
        depth += {"{": 1, "}": -1}.get(token, 0)
        if not 0 <= depth <= MAX_DEPTH:
            return False
    return depth == 0


class _Reader:
    """Goes through tokens whose braces match."""

    def __init__(self, tokens: list[str]) -> None:
        self.tokens = tokens
        self.place = 0
        self.depth = 0
        """Commands whose arguments are being read."""

    def atoms(self) -> list[Atom]:
        """The atoms up to the brace that closes this group, or to the end."""
        found: list[Atom] = []
        spaced = False
        while self.place < len(self.tokens):
            token = self._next()
            if token == "}":
                break
            if token.isspace() or token in SPACES:
                spaced = True
            elif token in UNSEEN:
                if token in (r"\left", r"\right") and self._peek() == ".":
                    self.place += 1
            else:
                new = self._read(SAME.get(token, token), found[-1] if found else None)
                if new:
                    new[0].spaced |= spaced
                    spaced = False
                found += new
        return found

    def _next(self) -> str:
        self.place += 1
        return self.tokens[self.place - 1]

    def _peek(self) -> str:
        return self.tokens[self.place] if self.place < len(self.tokens) else ""

    def _skip_spaces(self) -> None:
        while self._peek().isspace():
            self.place += 1

    def _read(self, token: str, before: Atom | None) -> list[Atom]:
        """The atoms that begin with a token; none for what nobody sees."""
        if token == "{":
            return _freed(self.atoms())
        if token in TEXT:
            return self._text(before, is_unit=token not in LETTERS)
        if token in FRACTIONS:
            return [Atom(_divided(self._argument(), self._argument()), "fraction")]
        if token in ("^", "_"):
            return [Atom(token + _script(joined(self._script_argument())), "script")]
        if token in WITH_UNSEEN:
            self._argument()
            return []
        return [self._command(token)] if len(token) > 2 and token[0] == "\\" else [Atom(token, kind_of(token))]

    def _text(self, before: Atom | None, *, is_unit: bool) -> list[Atom]:
        """What stands in the braces of a text; a word right after a number is its unit."""
        inner = self._argument()
        if is_unit and before and before.kind in OPERANDS and inner and inner[0].kind in ("word", "letter"):
            inner[0].spaced |= before.kind != "script" and inner[0].text not in ORDINAL
        ends_in_space = self.place > 1 and self.tokens[self.place - 2].isspace()
        return [*inner, Atom("", "other", True)] if inner and ends_in_space else inner

    def _command(self, name: str) -> Atom:
        """A command with what it takes in brackets and braces."""
        if (kind := kind_of(name)) != "command":
            return Atom(name, kind)
        if name == r"\sqrt":
            root = ""
            if self._peek() == "[":
                end = next((at for at in range(self.place, len(self.tokens)) if self.tokens[at] in "]{}"), self.place)
                if end > self.place and self.tokens[end] == "]":
                    root, self.place = "".join(self.tokens[self.place : end + 1]), end + 1
            return Atom(rf"\sqrt{root}{{{joined(self._argument())}}}", "command")
        text = name
        while name in WITH_ARGUMENT and self._peek() == "{":
            self.place += 1
            text += f"{{{joined(self.atoms())}}}"
        kind = {r"\begin": "open", r"\end": "close"}.get(name, "command")
        return Atom(text, kind)

    def _argument(self) -> list[Atom]:
        """What a command applies to: a group, or one digit, letter or command."""
        self._skip_spaces()
        token = self._peek()
        if token in ("", "}"):
            return []
        if token[0].isalnum() and len(token) > 1:
            self.tokens[self.place] = token[1:]
            return [Atom(token[0], kind_of(token[0]))]
        self.place += 1
        if token in ("^", "_") or (token != "{" and self.depth > MAX_DEPTH):
            return [Atom(token, "other")]
        self.depth += 1
        found = self.atoms() if token == "{" else self._read(SAME.get(token, token), None)
        self.depth -= 1
        return found

    def _script_argument(self) -> list[Atom]:
        """An exponent or index: `10^12` and `10^-3` are read as people write them, not as TeX does."""
        self._skip_spaces()
        if (
            self._peek() in ("-", "+")
            and self.place + 1 < len(self.tokens)
            and self.tokens[self.place + 1][0].isdigit()
        ):
            return [Atom(self._next(), "sum"), Atom(self._next(), "number")]
        if self._peek()[:1].isdigit():
            return [Atom(self._next(), "number")]
        return self._argument()


def _freed(inner: list[Atom]) -> list[Atom]:
    """A group without its braces, which only hold together; with a comma in it, a set."""
    if any(atom.kind == "comma" for atom in inner):
        return [Atom(r"\{", "open"), *inner, Atom(r"\}", "close")]
    return inner


def _script(text: str) -> str:
    return text if len(text) == 1 or (text.startswith("\\") and text[1:].isalpha()) else f"{{{text}}}"


def _divided(above: list[Atom], below: list[Atom]) -> str:
    """Numerator, slash, denominator, with the brackets that a line needs."""
    is_sum = any(atom.kind in ("relation", "comma") or (atom.kind == "sum" and at) for at, atom in enumerate(above))
    seen = [atom for atom in below if atom.text]
    is_raised = len(seen) == 2 and seen[1].text.startswith("^")
    is_one = (len(seen) == 1 or is_raised) and seen[0].kind in ("number", "letter", "command")
    over, under = joined(above), joined(below)
    return (f"({over})" if is_sum else over) + "/" + (under if is_one else f"({under})")
