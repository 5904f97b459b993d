"""A family of word problems as a row of a table, and how one problem is drawn from it.

A family says which numbers are drawn, which follow from them, and by which steps the answer is
reached. Question, rationale and program are all written from that one row:

    Family(
        name="subtraction",
        wordings=("{name} had {start} {thing} and lost {gone}. How many {thing} are left?", ...),
        numbers={"gone": FULL, "left": FULL},
        given=("start = gone + left",),
        steps=("answer = start - gone",),
    )

A line of `given` or `steps` is `name = operand operator operand`, where an operand is a number or
a name. Drawing backwards (`start` from what is left) keeps answers whole and never negative.
"""

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Literal

from winnow.generation.words import CONTAINERS, NAMES, PLACES, THINGS

Range = Literal["full", "factor"]
FULL: Range = "full"
FACTOR: Range = "factor"

SMALLEST_NUMBER = 2
"""Nothing smaller is drawn, so that plural words are always right."""

OPERATORS: dict[str, Callable[[int, int], int]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.floordiv,  # used only where nothing is left over
    "//": operator.floordiv,
    "%": operator.mod,
}


@dataclass(frozen=True, slots=True)
class Problem:
    """One row: a question with its worked answer, and a program that computes the same."""

    question: str
    rationale: str
    """One equation a line, such as `3 + 4 = 7`; the last one ends in the answer."""
    answer: str
    program: str
    """Python assignments, the last one to `answer`; empty where nothing is computed."""
    family: str
    steps: int
    planted: str | None = None
    """None, or the fault put in on purpose: near_copy, wrong_answer, off_topic."""


@dataclass(frozen=True, slots=True)
class Family:
    """Problems that differ in words and numbers and are solved by the same steps."""

    name: str
    wordings: tuple[str, ...]
    numbers: Mapping[str, Range]
    steps: tuple[str, ...] = ()
    given: tuple[str, ...] = ()
    """Numbers of the question that follow from the drawn ones, in order."""
    scenes: tuple[Mapping[str, str | int], ...] = ({},)
    """Words and numbers that go together, such as weeks, days and 7; one is drawn."""


def upper_bound(kind: Range, largest_number: int) -> int:
    """The largest number of this kind: factors stay small, so that products can be learnt."""
    return largest_number if kind == FULL else max(3, min(10, largest_number // 2))


def draw_values(family: Family, random: Random, *, largest_number: int) -> dict[str, str | int]:
    """Every word and number that a wording or a step of the family may name."""
    name, other = random.sample(NAMES, 2)
    values: dict[str, str | int] = {
        "name": name,
        "other": other,
        "thing": random.choice(THINGS),
        "place": random.choice(PLACES),
        "container": random.choice(CONTAINERS),
    }
    values |= random.choice(family.scenes)
    for number, kind in family.numbers.items():
        values[number] = random.randint(SMALLEST_NUMBER, upper_bound(kind, largest_number))
    for line in family.given:
        target, left, sign, right = parse_line(line)
        values[target] = OPERATORS[sign](number_of(left, values), number_of(right, values))
    return values


def write_problem(family: Family, wording: str, values: Mapping[str, str | int]) -> Problem:
    """The problem that these words and numbers make."""
    known = dict(values)
    equations, assignments, shown = [], [], []
    for line in family.steps:
        target, left, sign, right = parse_line(line)
        first, second = number_of(left, known), number_of(right, known)
        result = OPERATORS[sign](first, second)
        equations.append(f"{first} {sign} {second} = {result}")
        shown += [operand for operand in (left, right) if operand in values and operand not in shown]
        assignments.append(line.replace(" / ", " // "))
        known[target] = result
    return Problem(
        question=wording.format(**values),
        rationale="\n".join(equations),
        answer=str(known["answer"]),
        program="\n".join([*(f"{operand} = {values[operand]}" for operand in shown), *assignments]),
        family=family.name,
        steps=len(family.steps),
    )


def draw_problem(family: Family, random: Random, *, largest_number: int) -> Problem:
    """One problem of the family, in one of its wordings."""
    values = draw_values(family, random, largest_number=largest_number)
    return write_problem(family, random.choice(family.wordings), values)


def parse_line(line: str) -> tuple[str, str, str, str]:
    """Target, left operand, sign and right operand of `target = left sign right`."""
    target, _, left, sign, right = line.split(" ")
    return target, left, sign, right


def number_of(operand: str, values: Mapping[str, str | int]) -> int:
    """The number that an operand names or is."""
    return int(operand) if operand.isdigit() else int(values[operand])
