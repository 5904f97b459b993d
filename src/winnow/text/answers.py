r"""Final answers: found in a model's output, brought to one spelling, compared.

    extract_answer("48 + 24 = 72\n#### $72.00", options=0)    # "72"
    is_correct("so the answer is (c).", "C", options=5)       # True
    is_correct(r"\boxed{3\frac12}", "7/2", options=0)         # True

`options` is the number of options of a multiple-choice question, 0 where the answer is a number or a word. Everything
here takes time in proportion to the text, whatever a model that has lost its way writes.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import islice
from string import ascii_uppercase

from winnow.text.notation import one_notation
from winnow.text.spelling import CURRENCY, LETTER, MAX_CHARACTERS, NO_VALUE, NUMBER, is_number, normalise_answer, spell

__all__ = [
    "INSIDE", "MARKER", "MAX_OPTIONS", "after_marker", "answer_of_turn", "extract_answer", "extract_declared_answer",
    "is_correct", "normalise_answer", "spell", "written_answer",
]  # fmt: skip

MARKER = "####"
NEXT_QUESTION = "\nQuestion:"
"""A base model that does not stop goes on with another question; what follows is not its answer."""
MAX_OPTIONS = len(ascii_uppercase)
MAX_LINE = 200
MAX_MARKED = 50
"""Marks of an answer that are looked at."""

INSIDE = re.compile(rf"(?:(?<![\w)])[-−])?\s?{CURRENCY}?(?<![\d.])(?:{NUMBER})(?:\s?/\s?(?:{NUMBER}))?", re.IGNORECASE)
"""A number in running text; a minus after a digit, a word or a bracket is a subtraction."""
PART = r"(?:\{\s?[0-9]{1,50}\s?\}|\s?[0-9])"
WRITTEN = re.compile(
    rf"(?:(?<![\w)])[-−])?\s?(?:[0-9]{{1,15}}\s?)?(?:\\[dtc]?frac{PART}{PART}|(?<=\s)[0-9]{{1,9}}/[0-9]{{1,9}}(?![\w/]))"
    rf"|{INSIDE.pattern}",
    re.IGNORECASE,
)
"""As `INSIDE`, also LaTeX's fractions and mixed numbers."""
BOX = re.compile(r"\\(?:boxed|fbox)(?:\s*\{|\s+([^\s${}\\]+?)(?=[\s$.,]|$))")
ANSWER_IS = r"\b(?:answer|ans|option|choice)\b(?:\s?\.)?(?:\s+is\b)?\s*(?:[:=]|-(?=\s))?"
ANSWERED = re.compile(rf"{ANSWER_IS}[\s*_(\[\"'$€£]*", re.IGNORECASE)
TOLD = re.compile(rf"{ANSWER_IS}[\s*_\"']*", re.IGNORECASE)
SENTENCE = re.compile(r"(?:[^\n.]|\.(?!\s|$)|(?<=\s)\.(?=\s?\d)){1,200}")
ANSWER_BEGINS = re.compile(r"[\s*_(\[\"'$€£]*")
EXPRESSION = re.compile(
    r"(?!.*\b(?:i\.e|e\.g)\b)(?:\\[A-Za-z]+|[^\w\s]|[0-9_\s]|(?<![A-Za-z])(?:[A-Za-z]|and|or|pi|sin|cos|tan|log|ln)(?![A-Za-z]))+"
)
ANSWER_STARTS = re.compile(
    r"[-+−\s]*(?:[$€£¥₹(\[{\\.0-9½⅓¼¾√π∞±]|us\$|usd\b|rs\b|[A-Z]{1,2}\s*(?:\([^()]{1,9}\)\s*)?(?:[=<>≤≥∈]|\\[lgi]))",
    re.IGNORECASE,
)
ASIDE = re.compile(r"^\(?[A-Za-z](?:\)|[.:]?\s)\s*(?=[-\d$])")
"""The letter of an option before its number."""
FORMULA = re.compile(r"\$\$?([^$\n]{1,200})\$(?![0-9])|\\\(([^\n]{1,200}?)\\\)|\\\[([^\n]{1,200}?)\\\]")
"""What stands between LaTeX's marks of a formula."""

HEADED = re.compile(r"\W*(?:the\s)?(?:final\s)?(?:answer|solution|result|conclusion)\W*", re.IGNORECASE)
CALLED = re.compile(r"\W*(?:the\s)?(?:final\s)?(?:answer|solution|result)\s*[:=][\s*]*", re.IGNORECASE)
BEGINS = re.compile(r"[-+−$€£¥₹(\[{\s*]*(?:[0-9]|\\[A-Za-z])")
HEADING = re.compile(
    r"^\W*(?:[0-9]{1,2}[.):]\s|(?:step|part|case|explanation|reasoning|calculations?|work|approach|analysis|method|steps|"
    r"verification|check|summary|given|understanding|discussion|notes?|rationale)\b)|:\W*$|\w\s+\w",
    re.IGNORECASE,
)
"""A title of text below it, rather than an answer in words."""
NUMBERED = re.compile(r"\W*(?:[0-9]{1,2}[.):]\s*(?:\\?\*)*[A-Za-z]|(?:step|part|case)\b)", re.IGNORECASE)
"""A heading that counts steps."""


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
    declared = find_declared(text, options)
    if declared is not None:
        return declared_answer(declared, options)
    return last_letter(text, options) if options else last_number(text)


def extract_declared_answer(output: str, *, options: int) -> str | None:
    r"""The answer that an output declares by `####` or `\boxed{}`, in the spelling of `normalise_answer`; else None.

    The strict reading: an output that reasons rightly and declares nothing has no answer.
    """
    declared = find_declared(output.split(NEXT_QUESTION, 1)[0], options)
    return None if declared is None else declared_answer(declared, options)


def answer_of_turn(text: str) -> str:
    r"""What a turn of a conversation answers: what `####` or `\boxed{}` declares, else all of it, in one spelling."""
    declared = find_declared(text, 0)
    return normalise_answer(text) if declared is None else declared_answer(declared, 0)


def written_answer(text: str) -> str:
    """A final answer as it is trained on: a number or a letter in its one spelling, all else as it stands, in one line.

    `normalise_answer` is for comparing: it would teach a model to write words small and formulas in our notation.
    """
    spelled = normalise_answer(text)
    is_letter = len(spelled) == 1 and spelled.isalpha()
    return spelled if is_letter or is_number(spelled) else " ".join(text.split())


def find_declared(text: str, options: int) -> str | None:
    r"""What an output declares: after the first `####` that an answer follows, else in the last `\boxed{}`, else after
    the first `####` that is no heading; None where there is none.

    `#### Step 1: add` is a heading of Markdown's. What stands alone under `#### Answer` is declared.
    """
    marked = list(islice(after_markers(text), MAX_MARKED))
    told = next((line for line, _ in marked if tells_answer(line, options)), None) or last_boxed(text)
    return told or next((line for line, is_heading in marked if not is_heading), None)


def after_markers(text: str) -> Iterator[tuple[str, bool]]:
    """What stands on each line after `####`, or alone below it, and whether it is a heading."""
    if MARKER not in text:
        return
    lines = [line.strip() for line in text.splitlines()]
    places = [at for at, line in enumerate(lines) if MARKER in line]
    for place, end in zip(places, [*places[1:], len(lines)], strict=True):
        title = lines[place].partition(MARKER)[2].strip("# ")
        below = list(islice((line for line in lines[place + 1 : end] if line), 2))
        is_titled = bool(HEADED.fullmatch(title)) if title else False
        if below and (not title or (is_titled and len(below) == 1)):
            yield below[0], False
        elif title:
            yield title, bool(below) and (is_titled or len(places) > 1 or bool(HEADING.search(title[:MAX_LINE])))


def tells_answer(line: str, options: int) -> bool:
    """Whether a line begins with an option letter or a number, or tells one; one that counts steps does not."""
    if NUMBERED.match(line):
        return False
    if options:
        return (
            re.match(rf"\W*[A-{last_option(options)}](?![A-Za-z0-9])(?!(?<=A)\s+[a-z])", line, re.IGNORECASE)
            is not None
        )
    return bool(BEGINS.match(line)) or is_number(declared_answer(line, 0))


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
    for brace in re.finditer(r"[{}]", text[begin:]):
        depth += 1 if brace[0] == "{" else -1
        if depth == 0:
            return text[begin : begin + brace.start()].strip() or None
    return None


def declared_answer(text: str, options: int) -> str:
    """What stands after `####` or in a box: its first letter or its number, else all of it."""
    text = last_boxed(text) or text
    if options:
        plain = one_notation(text[:MAX_CHARACTERS])
        found = re.match(rf"\W*([A-{last_option(options)}])(?![A-Za-z0-9])", plain, re.IGNORECASE)
        return found[1].upper() if found else normalise_answer(text)
    called = CALLED.match(text)
    spelled = normalise_answer((text[called.end() :] if called else "") or text)
    told = [part for part in re.split(r"\bis\b", spelled) if part.strip()]
    if len(told) < 2:
        return normalise_answer(told[0]) if told else spelled
    answer = normalise_answer(told[-1])
    return answer if len(told) == 2 or (is_number(answer) and not NO_VALUE.search(spelled)) else spelled


def last_number(text: str) -> str | None:
    """What is told after the last "answer is", else the last number."""
    places = [found.end() for found in TOLD.finditer(text)]
    told = (answer_at(text, place) for place in reversed(places[-MAX_MARKED:]))
    if answer := next((each for each in told if each), None):
        return answer
    if is_formula(text.strip()):
        return normalise_answer(text)
    numbers = [found[0] for found in WRITTEN.finditer(text)]
    return normalise_answer(numbers[-1]) if numbers else None


def is_formula(text: str) -> bool:
    """Whether the text is a line of mathematics alone that says more than a number: `x = 5, y = 7`, `x >= 5`, `1, 100`.

    A row of sums, such as `2 + 2 = 4, 4 + 4 = 8`, is a calculation, whose last number counts.
    """
    if len(text) > MAX_LINE or not EXPRESSION.fullmatch(text) or "\n" in text:
        return False
    return bool(re.search(r"[<>≤≥]|\\[lg]e", text) or (re.search("[=,]", text) and re.search("[A-Za-z]|^[^=]*$", text)))


def answer_at(text: str, place: int) -> str | None:
    """The answer that begins at a place: the formula or the sentence there, where it is an answer, else its number."""
    formula = FORMULA.match(text, place)
    sentence = SENTENCE.match(text, place)
    said = ASIDE.sub("", next(filter(None, formula.groups())) if formula else sentence[0] if sentence else "")
    answer = normalise_answer(said) if ANSWER_STARTS.match(said) else ""
    if is_number(answer) or (answer and EXPRESSION.fullmatch(said) and re.search(r"[0-9\\]", said)):
        return answer
    begins = ANSWER_BEGINS.match(text, place)
    number = WRITTEN.match(text, begins.end() if begins else place)
    return normalise_answer(number[0]) if number else None


def last_letter(text: str, options: int) -> str | None:
    """The option letter after the last "answer is", else the last one that stands alone."""
    whole = LETTER.fullmatch(" ".join(text.split()))
    last = last_option(options)
    if whole and whole[1].upper() <= last:
        return whole[1].upper()
    after, alone = letter_patterns(last)
    places = [found.end() for found in ANSWERED.finditer(text)]
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
