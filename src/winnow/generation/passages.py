"""Plain text for pretraining a tiny base model: the words and sums of the problems, but no worked answer.

A passage is four sentences of one kind: sums, stories whose numbers are told again (from which a model
learns to copy), stories that end in a sum, talk without numbers, or other things. How to read a row:
`family.py`; only wordings and numbers are used here.
"""

from random import Random

from winnow.errors import RecipeError
from winnow.generation.family import FACTOR, FULL, Family, draw_values
from winnow.generation.off_topic import draw_off_topic

PLUS_AND_MINUS = (
    Family(
        name="plus_and_minus",
        wordings=("{first} + {second} = {total}.", "{total} - {first} = {second}."),
        numbers={"first": FULL, "second": FULL},
        given=("total = first + second",),
    ),
)

TIMES_AND_DIVIDED = (
    Family(
        name="times_and_divided",
        wordings=("{first} * {second} = {total}.", "{total} / {first} = {second}."),
        numbers={"first": FACTOR, "second": FACTOR},
        given=("total = first * second",),
    ),
)

RECAPS = (
    Family(
        name="two_people",
        wordings=(
            "{name} has {first} {thing} and {other} has {second}. So {name} has {first}, {other} {second}.",
            "{name} counted {first} {thing} in the {place}. {other} counted {second}. "
            "The numbers are {first} and {second}.",
            "{name} is {first} years old and {other} is {second}. Their ages are {first} and {second}.",
            "There are {first} {thing} in the {place} and {second} in {container}. That is {first} and {second}.",
            "{name} paid {first} dollars for {thing}, {other} paid {second} dollars. They paid {first} and {second}.",
        ),
        numbers={"first": FULL, "second": FULL},
    ),
    Family(
        name="three_numbers",
        wordings=(
            "{name} found {first} {thing} on Monday, {second} on Tuesday and {third} on Friday: "
            "{first}, {second}, {third}.",
            "{first} {thing}, {second} books, {third} cups. The numbers again: {first}, {second}, {third}.",
        ),
        numbers={"first": FULL, "second": FULL, "third": FULL},
    ),
)

STORIES = (
    Family(
        name="growing",
        wordings=(
            "{name} had {first} {thing} and got {second} more from {other}. {first} + {second} = {total}.",
            "The {place} had {first} {thing} and then {second} more. {first} + {second} = {total}.",
            "{name} was {first} years old. That was {second} years ago. {first} + {second} = {total}.",
        ),
        numbers={"first": FULL, "second": FULL},
        given=("total = first + second",),
    ),
    Family(
        name="shrinking",
        wordings=(
            "{name} had {total} {thing} and {first} were lost. {total} - {first} = {second}.",
            "Of {total} dollars {name} spent {first} in the {place}. {total} - {first} = {second}.",
            "{other} took {first} of the {total} {thing} of {name}. {total} - {first} = {second}.",
        ),
        numbers={"first": FULL, "second": FULL},
        given=("total = first + second",),
    ),
)

OTHER_STORIES = (
    Family(
        name="many_times",
        wordings=(
            "{name} filled {first} {container} with {second} {thing} each. {first} * {second} = {total}.",
            "For {first} {thing} at {second} dollars {name} paid {first} * {second} = {total} dollars.",
        ),
        numbers={"first": FACTOR, "second": FACTOR},
        given=("total = first * second",),
    ),
    Family(
        name="shared",
        wordings=(
            "{total} {thing} were shared by {first} friends. {total} / {first} = {second}.",
            "{name} put {total} {thing} evenly into {first} {container}. {total} / {first} = {second}.",
        ),
        numbers={"first": FACTOR, "second": FACTOR},
        given=("total = first * second",),
    ),
)

TALK = (
    Family(
        name="talk",
        wordings=(
            "How many {thing} does {name} have now? {other} does not know.",
            "How many {thing} are there in the {place}? Question after question, and no answer.",
            "How many {thing} are left? {name} asks and nobody in the {place} will say.",
            "How many dollars does {name} need? How old is {other}? The answer is not in the books.",
            "What is the total number of {thing}? What is the difference? {name} wants to know.",
            "Question: did {name} give more {thing} than {other}? Answer: that was never counted.",
            "{name} buys {thing} in the {place} with the money of {other} and does not get them.",
        ),
        numbers={},
    ),
)
"""The words of questions and answers, without numbers: a vocabulary made from this text has them."""

KINDS: tuple[tuple[Family, ...], ...] = (
    *[PLUS_AND_MINUS] * 3,
    TIMES_AND_DIVIDED,
    RECAPS,
    *[STORIES] * 6,
    OTHER_STORIES,
    TALK,
    (),
)
"""One is drawn for each passage; () is off topic. Stories come most often: in them a model learns to
find the numbers to add, which bare sums do not teach."""

SENTENCES = 4
"""Sentences in a passage."""


def generate_text(*, documents: int, seed: int, largest_number: int = 20) -> list[str]:
    """So many short passages, of about 45 words each; the same arguments give the same text."""
    if documents < 0:
        raise RecipeError(f"documents is {documents}; it must be 0 or more")
    random = Random(seed)
    return [draw_passage(random.choice(KINDS), random, largest_number=largest_number) for _ in range(documents)]


def draw_passage(kind: tuple[Family, ...], random: Random, *, largest_number: int) -> str:
    """A few sentences of one kind; off topic where the kind has no families."""
    if not kind:
        return " ".join(draw_off_topic(random).rationale for _ in range(SENTENCES))
    return " ".join(draw_sentence(random.choice(kind), random, largest_number) for _ in range(SENTENCES))


def draw_sentence(family: Family, random: Random, largest_number: int) -> str:
    """One story or sum of the family, with its numbers filled in."""
    values = draw_values(family, random, largest_number=largest_number)
    return random.choice(family.wordings).format(**values)
