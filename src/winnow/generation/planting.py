"""The faults put into generated data on purpose, so that selection has something to find."""

from collections.abc import Sequence
from dataclasses import replace
from random import Random

from winnow.generation.family import Problem

COPIES_PER_ORIGINAL = 10
"""Near copies come in bunches, as in crawled data: about so many of one row."""

SYNONYMS = (
    ("How many", "What number of"),
    ("have left", "still have"),
    ("gives", "hands"),
    ("buys", "purchases"),
    ("found", "got"),
    ("more", "extra"),
    ("are there", "can you count"),
)


def wrong_answer(problem: Problem, random: Random) -> Problem:
    """The problem with another final number in rationale and answer; its program stays right.

    The wrong number is at most 9 away and not negative.
    """
    right = int(problem.answer)
    wrong = random.choice([right + shift for shift in range(-9, 10) if shift and right + shift >= 0])
    rationale = problem.rationale.removesuffix(problem.answer) + str(wrong)
    return replace(problem, rationale=rationale, answer=str(wrong), planted="wrong_answer")


def near_copies(originals: Sequence[Problem], number: int, random: Random) -> list[Problem]:
    """So many re-wordings of a few of the originals; numbers and answers are kept."""
    if number == 0:
        return []
    bunches = min(len(originals), -(-number // COPIES_PER_ORIGINAL))
    chosen = random.sample(originals, bunches)
    return [near_copy(chosen[index % bunches], random) for index in range(number)]


def near_copy(problem: Problem, random: Random) -> Problem:
    """The problem with one or two small edits of its question: case, spacing or a synonym."""
    question = problem.question
    while question == problem.question:
        for edit in random.sample((change_case, change_spacing, change_word), random.choice((1, 2))):
            question = edit(question, random)
    return replace(problem, question=question, planted="near_copy")


def change_case(text: str, random: Random) -> str:
    """The text in small letters, or with the other case of its first letter."""
    return random.choice((text.lower(), text[0].swapcase() + text[1:]))


def change_spacing(text: str, random: Random) -> str:
    """The text with one space doubled, or one more at its end."""
    spaces = [index for index, letter in enumerate(text) if letter == " "]
    place = random.choice([*spaces, len(text)])
    return f"{text[:place]} {text[place:]}"


def change_word(text: str, random: Random) -> str:
    """The text with one word replaced by a synonym, or as it is where none fits."""
    fitting = [(word, synonym) for word, synonym in SYNONYMS if word in text]
    if not fitting:
        return text
    word, synonym = random.choice(fitting)
    return text.replace(word, synonym, 1)
