"""Results of programs as numbers, compared with reference answers.

    same_number(72.0, "$72.00")           # True
    same_number(0.3333, "0.333333")       # False: the tolerance is relative, 1e-6

A program that a model wrote decides its number, never whether it is right.
"""

import math
import re
from fractions import Fraction

RELATIVE = Fraction(1, 10**6)
ABSOLUTE = Fraction(1, 10**9)
"""Only near a reference of 0, where a relative tolerance allows nothing: 0.1 + 0.2 - 0.3 is 5.6e-17."""

MOST_DIGITS = 1000
CURRENCY = re.compile(r"[$€£¥₹]")
NUMBER = re.compile(r"[-+]?(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)?(?:\.[0-9]*)?(?:e[-+]?[0-9]{1,3})?", re.IGNORECASE)


def to_number(value: object) -> int | float | None:
    """The finite number that a value is, or that a text spells with commas or currency; None where it is none.

    True and False are no numbers, nor are a fraction "1/2", a percentage or a number with its unit.
    """
    if isinstance(value, str):
        return _spelled(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if isinstance(value, int) or math.isfinite(value) else None


def same_number(value: float | str, reference: float | str) -> bool:
    """Whether two numbers are equal up to a millionth of the reference; False where one is no number."""
    found, wanted = to_number(value), to_number(reference)
    if found is None or wanted is None:
        return False
    allowed = max(RELATIVE * abs(Fraction(wanted)), ABSOLUTE)
    return abs(Fraction(found) - Fraction(wanted)) <= allowed


def _spelled(text: str) -> int | float | None:
    plain = CURRENCY.sub("", text.replace("−", "-"), count=1).replace(" ", "").strip()
    if len(plain) > MOST_DIGITS or not re.search("[0-9]", plain) or not NUMBER.fullmatch(plain):
        return None
    plain = plain.replace(",", "")
    if plain.lstrip("-+").isdecimal():
        return int(plain)
    return to_number(float(plain))
