r"""The one spelling of an answer, so that equal answers are equal texts.

    normalise_answer("$1,080.00")           # "1080"
    normalise_answer(r"3\frac{1}{2}")       # "3.5"
    normalise_answer("x = 5, y = 7")        # "x = 5, y = 7"

Nothing is computed but the value of a number, so that answers that are equal by algebra alone stay different.
"""

import re
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache

from winnow.text.notation import one_notation

DECIMALS = 6
MAX_CHARACTERS = 1_000
"""A longer text is no answer in numbers or LaTeX: only its spaces and its case are made one."""
NOISE = Fraction(1, 10**9)
"""What is smaller is a float's 0: 0.1 + 0.2 - 0.3 is 5.6e-17."""
MAX_DIGITS = 500
"""A number of more digits is a text: Python may be told to read no more than 640."""

CURRENCY = r"(?:[$€£¥₹]|us\$|usd\b|rs\b\s?\.?)"
DIGITS = r"(?:[0-9]{1,3}(?:,[0-9]{3}(?![0-9]))+|[0-9]+)(?:\.[0-9]+)?|\.[0-9]+"
EXPONENT = r"(?:e[-+]?[0-9]{1,2}(?![0-9a-z]))?"
NUMBER = rf"(?:{DIGITS}){EXPONENT}"
PLAIN = rf"(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+){EXPONENT}"
POWER = r"(?:\*10\^(?:([0-9])|\{([-+]?[0-9]{1,2})\}))?"
NO_UNIT = (
    r"(?:and|hundred|thousand|million|billion|trillion|dozen|to|or|plus|minus|times|over|pi|am|pm|squared|cubed|mod)\b"
)
SPELLED = r"(?:one|two|three|four|five|six|seven|eight|nine|ten|half|halves|third|thirds|quarter|quarters|dozen)\b"
UNIT = (
    rf"\s+\(?(?!{NO_UNIT})(?:[a-z]{{2,}}|[mglsh]\b)(?:(?!\b{SPELLED})[a-z\s./()!]|(?<=[a-z])-(?=[a-z]))*(?:\^[23])?"
    r"|\s*\((?:[a-z\s./]|(?<=[a-z])-(?=[a-z]))+(?:\^[23])?\)|\s*°[cf]?"
)

SIMPLE = re.compile(r"(-?)[$€£]?((?:[1-9][0-9]{0,2}(?:,[0-9]{3})+|[0-9]{1,15})(?:\.[0-9]{1,15})?)%?")
"""What most answers look like; read at once, to the same end."""
WHOLE = re.compile(
    rf"([-+]?)\s*{CURRENCY}?\s*(-?)(?:([0-9]{{1,15}}) (?=[0-9]+/))?({PLAIN})(?:/({PLAIN}))?{POWER}\s*%?\.?(?:{UNIT})?"
)
"""An answer that is a number: sign, currency, sign, whole of a mixed number, number, denominator, power of ten; a unit
may follow."""
BARE = re.compile(rf"-?(?!0[0-9])(?:[0-9]{{1,15}} (?=[0-9]+/))?{PLAIN}(?:/{PLAIN})?")
"""A number in a list."""
LETTER = re.compile(r"[(\[]? ?([A-Za-z]) ?[.:]? ?[)\]]? ?[.:]?")
WORD = re.compile(r"(?<![\\A-Za-z])[A-Za-z]{3,}")
DOLLAR = re.compile(r"(?<!\\)\$")
NAME = re.compile(
    r"(?:\\(?:angle|triangle|theta|alpha|beta|gamma|lambda|mu|phi|omega|Delta) ?)?"
    r"(?:[A-Za-z]{0,20}|[A-Za-z][A-Za-z ']{0,80})(?:_(?:[0-9A-Za-z]|\{[^{}]{1,20}\}))?'*(?:\([^()=]{1,40}\))?°?"
)
"""What an answer may be the value of: `x`, `f(x)`, `total cost`."""
PRODUCT = re.compile(r"[a-z]{2}|[b-df-hj-np-tv-z]{2,}")
NO_VALUE = re.compile(r"[<>]|!=|\\(?:approx|to|Rightarrow)(?![A-Za-z])|(?<![A-Za-z])(?:and|or)(?![A-Za-z])")
SUM = re.compile(r"(?:[0-9.,+*/()%$°! -]|\^|\{|\}|\\(?:pi|sqrt|dots)|(?<=[0-9 ])x(?=[0-9 ]))+")
"""Numbers and signs of arithmetic."""


def normalise_answer(text: str) -> str:
    r"""The one spelling of an answer: an upper-case letter, a plain decimal, or casefolded text.

    Numbers lose commas between thousands, currency, percent signs and units; fractions and mixed numbers become
    decimals, as `spell` has them: "$1,080.00" is "1080", "1/3" is "0.333333", `3\frac{1}{2}` is "3.5". What is the
    value of one name loses the name: "x = 5" is "5"; lists, intervals, inequalities and equations stay what they are.
    An answer in this spelling stays as it is.
    """
    return _stable(text) if len(text) <= MAX_CHARACTERS else _stable.__wrapped__(text)


@lru_cache(maxsize=4096)
def _stable(text: str) -> str:
    """The spelling that stays as it is, or of several that follow one another in a ring the first by alphabet."""
    if simple := SIMPLE.fullmatch(text.strip()):
        return _decimal(Fraction((simple[1] + simple[2]).replace(",", "")))
    seen: list[str] = []
    while text not in seen:
        seen.append(text)
        text = _spelled_once(text)
    return min(seen[seen.index(text) :])


def _spelled_once(text: str) -> str:
    plain = " ".join(text.split()).strip("*\"'` ").rstrip("*\"'` .")
    if len(plain) > MAX_CHARACTERS:
        return fold(plain)
    plain = one_notation(without_dollars(plain)).rstrip(" .,;")
    if letter := LETTER.fullmatch(plain):
        return letter[1].upper()
    value = fold(value_of_name(plain))
    return normalise_number(value) or normalise_list(value)


def fold(text: str) -> str:
    """The text casefolded, but for LaTeX's commands."""
    return "".join(part if part[0] == "\\" else part.casefold() for part in re.findall(r"\\[A-Za-z]+|\\|[^\\]+", text))


def without_dollars(text: str) -> str:
    r"""The text without dollar signs that mark a formula: two or more, or the last character; `\$` is money."""
    is_marked = len(DOLLAR.findall(text)) > 1
    return (DOLLAR.sub("", text) if is_marked else text).rstrip("$")


def value_of_name(text: str) -> str:
    """The right side where the text says what one name or one sum is worth; else the text.

    `x = 5` and `3 + 2 = 5` are 5, but `x + y = 5` and `x = 5, y = 7` are equations, and `x >= 5` is an inequality.
    """
    *names, value = (part.strip() for part in re.split(r" (?:=|\\in) |^= ", text.removesuffix(" =")))
    if not names or not value or NO_VALUE.search(text):
        return text.removesuffix(" =")
    if len(names) == 1 and SUM.fullmatch(names[0]) and re.fullmatch("[A-Za-z]", value):
        names, value = [value], names[0]
    if all(SUM.fullmatch(name) or is_name(name) for name in names):
        return value
    is_said = all(WORD.search(name) and not re.search(r"[\\^]", name) for name in names)
    return value if is_said and WHOLE.fullmatch(fold(value)) else text


def is_name(text: str) -> bool:
    """Whether the text names one thing; two small letters are a product."""
    return bool(NAME.fullmatch(text)) and not PRODUCT.fullmatch(text.replace(" ", ""))


def normalise_number(text: str) -> str | None:
    """The plain decimal of a casefolded text that is one number, perhaps with a unit; None where it is not."""
    found = WHOLE.fullmatch(text)
    if not found or sum(map(str.isdigit, text)) > MAX_DIGITS:
        return None
    outer, inner, whole, number, denominator, digit, power = found.groups()
    below = Fraction(denominator or 1)
    value = Fraction(number) / below if below else None
    if value is None or (whole and not 0 < value < 1):
        return None
    value = (value + int(whole or 0)) * Fraction(10) ** int(digit or power or 0)
    value = -value if (outer == "-") != bool(inner) else value
    return spell_fraction(value) if denominator else _decimal(value)


def normalise_list(text: str) -> str:
    """The text, each number between its commas as a plain decimal."""
    if "," not in text:
        return text
    parts = re.split(r"(, |^(?:\(|\[|\\\{)|(?:\)|\]|\\\})$)", text)
    return "".join((BARE.fullmatch(part) and normalise_number(part)) or part for part in parts)


def spell_fraction(value: Fraction) -> str:
    """As `spell`; a fraction whose decimals would look like another number, as 4036082/4036081 like 1, stays one."""
    rounded = round(value, DECIMALS)
    is_near = rounded != value and abs(value) > Fraction(1, 1000) and (rounded * 1000).denominator == 1
    return f"{value.numerator}/{value.denominator}" if is_near else _decimal(value)


def spell(value: Fraction) -> str:
    """The value as a decimal of any size, without trailing zeros or negative zero; below 1e-9 it is 0.

    It has at most six decimals or, below a thousandth, six digits that count.
    """
    return _decimal(value) if abs(value) >= NOISE else "0"


def _decimal(value: Fraction) -> str:
    decimals = DECIMALS
    if 0 < abs(value) < Fraction(1, 1000):
        decimals += len(_digits(value.denominator // abs(value.numerator))) - 1
    scaled = round(value * 10**decimals)
    whole, part = divmod(abs(scaled), 10**decimals)
    text = f"{_digits(whole)}.{_digits(part).zfill(decimals)}".rstrip("0").rstrip(".")
    return f"-{text}" if scaled < 0 else text


def _digits(number: int) -> str:
    """As `str`, which refuses numbers of some thousand digits."""
    return f"{Decimal(number):f}"


def is_number(answer: str) -> bool:
    """Whether an answer in its one spelling is a number."""
    return re.fullmatch(r"-?[0-9]+(?:[./][0-9]+)?", answer) is not None
