"""Final answers: found in a model's output, brought to one spelling, compared.

    extract_answer("48 + 24 = 72\n#### $72.00", options=0)    # "72"
    is_correct("so the answer is (c).", "C", options=5)       # True

`options` is the number of options of a multiple-choice question, 0 where the answer is a number or a word.
"""

import re
from collections.abc import Iterator
from fractions import Fraction
from functools import lru_cache
from string import ascii_uppercase

MARKER = "####"
NEXT_QUESTION = "\nQuestion:"
"""A base model that does not stop goes on with another question; what follows is not its answer."""
DECIMALS = 6
MAX_OPTIONS = len(ascii_uppercase)

CURRENCY = r"(?:[$€£¥₹]|us\$|usd\b|rs\b\s?\.?)"
DIGITS = r"(?:[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])|[0-9]+)(?:\.[0-9]+)?|\.[0-9]+"
EXPONENT = r"(?:e[-+]?[0-9]{1,2}(?![0-9a-z]))?"
NUMBER = rf"(?:{DIGITS}){EXPONENT}"
NO_UNIT = r"(?:and|hundred|thousand|million|billion|trillion|dozen|to|or|plus|minus|times|over|pi)\b"
UNIT = rf"\s+\(?(?!{NO_UNIT})(?:[a-z]{{2,}}|[mglsh]\b)[a-z\s./²³()!]*|\s*\([a-z\s./²³]+\)|\s*°[cf]?"

WHOLE = re.compile(rf"([-+−]?)\s*{CURRENCY}?\s*([-−]?)({NUMBER})(?:\s*/\s*({NUMBER}))?\s*%?\.?(?:{UNIT})?")
"""An answer that is a number: sign, currency, sign, number, denominator; a unit may follow."""
INSIDE = re.compile(rf"(?:(?<![\w)])[-−])?\s?{CURRENCY}?(?<![\d.])(?:{NUMBER})(?:\s?/\s?(?:{NUMBER}))?", re.IGNORECASE)
"""A number in running text; a minus after a digit, a word or a bracket is a subtraction."""
BOX = re.compile(r"\\(?:boxed|fbox)(?:\s*\{|\s+([^\s${}\\]+?)(?=[\s$.,]|$))")
LETTER = re.compile(r"[(\[]?\s*([A-Za-z])\s*[.:]?\s*[)\]]?\s*[.:]?")
ANSWER_IS = re.compile(
    r"\b(?:answer|ans|option|choice)\b(?:\s?\.)?(?:\s+is\b)?\s*(?:[:=]|-(?=\s))?[\s*_(\[\"'$€£]*", re.IGNORECASE
)
DISPLAY = re.compile(r"\\[!,; ]|\\[()\[\]]|(?<!\w)\$(?=[^$]*\$$)|(?<=\S)\$$")
"""LaTeX's thin spaces, and the marks around a formula."""


def is_correct(output: str, answer: str, *, options: int) -> bool:
    """Whether the output's final answer equals the reference answer."""
    return extract_answer(output, options=options) == normalise_answer(answer)


def extract_answer(output: str, *, options: int) -> str | None:
    r"""The final answer in an output, in the spelling of `normalise_answer`; None where there is none.

    Looks after `####`, then in the last `\boxed{}`, then after the last "answer is" or "answer:", and then takes
    the last option letter that stands alone, or the last number. What is declared by `####` or `\boxed{}` counts
    even where it is no letter or number, so that a stray letter earlier on is not taken for an answer.
    """
    text = output.split(NEXT_QUESTION, 1)[0]
    declared = after_marker(text) or last_boxed(text)
    if declared is not None:
        return declared_answer(declared, options)
    return last_letter(text, options) if options else last_number(text)


def extract_declared_answer(output: str, *, options: int) -> str | None:
    r"""The answer that an output declares by `####` or `\boxed{}`, in the spelling of `normalise_answer`; else None.

    The strict reading: an output that reasons rightly and declares nothing has no answer.
    """
    text = output.split(NEXT_QUESTION, 1)[0]
    declared = after_marker(text) or last_boxed(text)
    return None if declared is None else declared_answer(declared, options)


def answer_of_turn(text: str) -> str:
    r"""What a turn of a conversation answers: what `####` or `\boxed{}` declares, else all of it, in one spelling."""
    declared = after_marker(text) or last_boxed(text)
    return normalise_answer(text) if declared is None else declared_answer(declared, 0)


def normalise_answer(text: str) -> str:
    """The one spelling of an answer: an upper-case letter, a plain decimal, or casefolded text.

    Numbers lose commas, currency, percent signs and units, fractions become decimals, and all are rounded to six
    decimals: "$1,080.00" is "1080", "1/3" is "0.333333". An answer in this spelling stays as it is.
    """
    spelled = _spelled_once(text)
    while (again := _spelled_once(spelled)) != spelled:
        spelled = again
    return spelled


def _spelled_once(text: str) -> str:
    plain = unlatex(" ".join(text.split())).strip().strip("*\"'` ").removesuffix(".").rstrip()
    if letter := LETTER.fullmatch(plain):
        return letter[1].upper()
    plain = " ".join(plain.casefold().split())
    return normalise_number(plain) or plain


def normalise_number(text: str) -> str | None:
    """The plain decimal of a casefolded text that is one number, perhaps with a unit; None where it is not."""
    found = WHOLE.fullmatch(re.sub(r"(?<=[0-9]) ?, ?(?=[0-9]{3}(?![0-9]))", ",", text))
    if not found:
        return None
    outer, inner, number, denominator = found.groups()
    try:
        value = to_fraction(number) / to_fraction(denominator or "1")
    except (ValueError, ZeroDivisionError):  # beyond Python's limit on digits; division by zero
        return None
    return spell(-value if (outer in ("-", "−")) != bool(inner) else value)


def to_fraction(number: str) -> Fraction:
    """The value of a number with commas."""
    return Fraction(number.replace(",", ""))


def spell(value: Fraction) -> str:
    """The value as a decimal with at most six decimals, no trailing zeros and no negative zero."""
    scaled = round(value * 10**DECIMALS)
    whole, part = divmod(abs(scaled), 10**DECIMALS)
    text = f"{whole}.{part:0{DECIMALS}d}".rstrip("0").rstrip(".")
    return f"-{text}" if scaled < 0 else text


def unlatex(text: str) -> str:
    """The text without the LaTeX that stands around plain answers."""
    text = re.sub(r"\\[dt]?frac\s*\{([^{}]*)\}\s*\{([^{}]*)\}", r"\1/\2", text)
    text = re.sub(r"\\(?:text|mathrm|textbf|mathbf)\s*\{([^{}]*)\}", r"\1", text)
    text = re.sub(r"\^\s*(?:\\circ|\{\s*\\circ\s*\})", "°", text.replace("{,}", ","))
    return DISPLAY.sub("", text).replace(r"\$", "$").replace(r"\%", "%")


def after_marker(text: str) -> str | None:
    """The rest of the line after the first `####`, repeated ones aside; None where there is none or it is empty."""
    rest = text.partition(MARKER)[2].strip().lstrip("# ")
    return rest.splitlines()[0].rstrip("# ") if rest else None


def last_boxed(text: str) -> str | None:
    r"""The contents of the last `\boxed{}` (or `\fbox{}`) if its braces are balanced, or what follows a last `\boxed`
    without braces up to a space; None where there is none."""
    boxes = list(BOX.finditer(text))
    if not boxes or boxes[-1][1]:
        return boxes[-1][1] if boxes else None
    begin, depth = boxes[-1].end(), 1
    for place in range(begin, len(text)):
        depth += {"{": 1, "}": -1}.get(text[place], 0)
        if depth == 0:
            return text[begin:place].strip() or None
    return None


def declared_answer(text: str, options: int) -> str:
    """What stands after `####` or in a box: its first letter or its number, else all of it."""
    if options:
        found = re.match(rf"\W*([A-{last_option(options)}])(?![A-Za-z0-9])", unlatex(text), re.IGNORECASE)
        return found[1].upper() if found else normalise_answer(text)
    told = [part for part in re.split(r"=|\bis\b", text) if part.strip()]
    return normalise_answer(told[-1] if told else text)


def last_number(text: str) -> str | None:
    """The number after the last "answer is", else the last number."""
    places = [found.end() for found in ANSWER_IS.finditer(text)]
    numbers = [found[0] for place in places if (found := INSIDE.match(text, place))] or INSIDE.findall(text)
    return normalise_answer(numbers[-1]) if numbers else None


def last_letter(text: str, options: int) -> str | None:
    """The option letter after the last "answer is", else the last one that stands alone."""
    whole = LETTER.fullmatch(text.strip())
    last = last_option(options)
    if whole and whole[1].upper() <= last:
        return whole[1].upper()
    after, alone = letter_patterns(last)
    places = [found.end() for found in ANSWER_IS.finditer(text)]
    letters = [found[1] for place in places if (found := after.match(text, place))] or list(letters_alone(alone, text))
    return letters[-1].upper() if letters else None


def letters_alone(pattern: re.Pattern[str], text: str) -> Iterator[str]:
    """Every option letter that stands alone, in order."""
    return (next(group for group in found.groups() if group) for found in pattern.finditer(text))


def last_option(options: int) -> str:
    """The letter of the last of so many options."""
    return ascii_uppercase[min(options, MAX_OPTIONS) - 1]


@lru_cache
def letter_patterns(last: str) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """Patterns of an option letter right after "answer is", and of one that stands alone.

    A small letter counts only before a bracket, a stop or the end, and a capital A or I not before a small word:
    there they are words.
    """
    small, capital = f"a-{last.lower()}", f"A-{last}"
    before = r"(?<!\w)(?<!\w['’])"
    stands = rf"[{capital}](?!['’]?\w)(?!(?<=[AI])\s+[a-z])"
    after = re.compile(rf"({stands}|[{small}](?=\s*(?:[)\]*.,;:\"'!]|$|\n)))")
    alone = re.compile(rf"{before}({stands})|\(\s*([{small}])\s*\)|{before}([{small}])\s?\)")
    return after, alone
