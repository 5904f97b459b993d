"""What makes two questions the same, or nearly the same; and options that are written into a question.

    question_key("Rs . 560 , or rs. 5?") == question_key("rs.560 or RS 5")
    near_key("Tom has 3 eggs.") == near_key("Tom has twelve eggs.")

Words are compared, not meanings: a question put in other words is another question.
"""

import re
import unicodedata
from collections.abc import Iterable
from string import ascii_uppercase

INLINE_OPTIONS = re.compile(r"(?:^|\s)(?:options|answer choices)\s*:", re.IGNORECASE)
OPTION_LABEL = re.compile(r"(?:^|\s)(?:-\s+)?\(?([A-Z])\)\s*")

NUMBER_WORDS = (
    "zero|one|two|three|four|five|sixteen|sixty|six|seventeen|seventy|seven|eighteen|eighty|eight|nineteen|ninety|nine|"
    "ten|eleven|twelve|thirteen|fourteen|fifteen|twenty|thirty|forty|fifty|hundred|thousand|million|billion"
)
NUMBERS = re.compile(rf"\d(?:[\d\s.,/-]*\d)?|\b(?:{NUMBER_WORDS})\b(?:[\s-]+(?:and\s+)?(?:{NUMBER_WORDS})\b)*")
"""A number in digits (several in a row count as one), or in words such as `a hundred and five`."""
MASK = "N"
"""Stands for a number; no other letter is a capital after casefolding."""


def question_key(question: str) -> str:
    """The letters and digits of the question, casefolded, without its inline options; equal for equal questions.

    Spacing and punctuation do not count, so that `rs . 560` equals `rs.560` (and, rarely, `5 * 3` equals `5 + 3`).
    Empty where the question has no letter or digit: an empty key stands for no question and matches nothing.
    """
    return letters_and_digits(fold(question))


def near_key(question: str) -> str:
    """As `question_key`, with every number masked, in digits or words: equal for questions that differ in numbers.

    A question of numbers alone keeps them, since all such would be one.
    """
    key = letters_and_digits(NUMBERS.sub(MASK, fold(question)))
    return key if key.replace(MASK, "") else question_key(question)


def letters_and_digits(text: str) -> str:
    """The text without all else; letters beyond ASCII count only where they are most of it.

    In MathQA one copy of a question has `c − a` and another, wrongly decoded, `c â ˆ ’ a`.
    """
    whole = re.sub(r"[\W_]+", "", text)
    ascii_only = re.sub(r"[^\x00-\x7f]+", "", whole)
    return ascii_only if 2 * len(ascii_only) >= len(whole) else whole


def fold(question: str) -> str:
    """The question without its inline options, casefolded, in Unicode's compatible form."""
    return unicodedata.normalize("NFKC", without_options(question)).casefold()


def without_options(question: str) -> str:
    """The question up to an inline "Options:" or "Answer Choices:"; whole where nothing stands before that."""
    found = INLINE_OPTIONS.search(question)
    stem = question[: found.start()] if found else question
    return stem if stem.strip() else question


def split_options(question: str) -> tuple[str, tuple[str, ...]]:
    """The question, and the texts of its inline options where they are lettered A, B, C ...; else none.

    `Which? Options: (A) 3 (B) 4` gives `Which?` and `("3", "4")`.
    """
    stem = without_options(question)
    found = INLINE_OPTIONS.search(question)
    if not found or stem == question:
        return question, ()
    labels = in_turn(OPTION_LABEL.finditer(question, found.end()))
    if len(labels) < 2:
        return question, ()
    ends = [label.start() for label in labels[1:]] + [len(question)]
    texts = (question[label.end() : end].strip() for label, end in zip(labels, ends, strict=True))
    return stem.strip(), tuple(texts)


def in_turn(labels: Iterable[re.Match[str]]) -> list[re.Match[str]]:
    """Those of the labels that go A, B, C ...; others belong to the text of an option."""
    kept: list[re.Match[str]] = []
    for label in labels:
        if len(kept) < len(ascii_uppercase) and label[1] == ascii_uppercase[len(kept)]:
            kept.append(label)
    return kept
