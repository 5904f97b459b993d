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
"""Longer numbers count as none: Python itself spells and reads no more than 4,300 digits."""
GREATEST = 10**MOST_DIGITS
SHOWN_CHARACTERS = 200
CURRENCY = re.compile(r"[$€£¥₹]")
NUMBER = re.compile(r"[-+]?(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)?(?:\.[0-9]*)?(?:e[-+]?[0-9]{1,3})?", re.IGNORECASE)


def to_number(value: object) -> int | float | None:
    """The finite number that a value is, or that a text spells with commas or currency; None where it is none.

    Numbers of more than MOST_DIGITS digits are none. True and False are no numbers, nor are a fraction "1/2", a
    percentage or a number with its unit.
    """
    if isinstance(value, str):
        return _spelled(value) if len(value) <= MOST_DIGITS else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if isinstance(value, int):
        return value if -GREATEST < value < GREATEST else None
    return value if math.isfinite(value) else None


def shown(value: object) -> str:
    """The beginning of a value that is no number, as one line for a reason; raises nothing for plain data."""
    if isinstance(value, int) and to_number(value) is None and not isinstance(value, bool):
        return f"more than {MOST_DIGITS} digits"
    if isinstance(value, list | tuple | set | frozenset | dict):
        return f"{len(value):,} elements"
    return " ".join(str(value)[: 4 * SHOWN_CHARACTERS].split())[:SHOWN_CHARACTERS]


def same_number(value: float | str, reference: float | str) -> bool:
    """Whether two numbers are equal up to a millionth of the reference; False where one is no number."""
    found, wanted = to_number(value), to_number(reference)
    if found is None or wanted is None:
        return False
    allowed = max(RELATIVE * abs(Fraction(wanted)), ABSOLUTE)
    return abs(Fraction(found) - Fraction(wanted)) <= allowed


def _spelled(text: str) -> int | float | None:
    plain = CURRENCY.sub("", text.replace("−", "-"), count=1).replace(" ", "").strip()
    if not re.search("[0-9]", plain) or not NUMBER.fullmatch(plain):
        return None
    plain = plain.replace(",", "")
    if plain.lstrip("-+").isdecimal():
        return int(plain)
    return to_number(float(plain))
