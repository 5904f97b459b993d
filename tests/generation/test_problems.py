"""The built-in word problems: right programs, true equations, exact shares, the same every time."""

import operator
import re
from collections import Counter
from fractions import Fraction
from string import Formatter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from winnow.errors import RecipeError
from winnow.generation.families import EASY_FAMILIES, FAMILIES
from winnow.generation.planting import COPIES_PER_ORIGINAL
from winnow.generation.problems import ALL_FAMILIES, Problem, generate_problems

EQUATION = re.compile(r"(\d+) (\+|-|\*|/|//) (\d+) = (\d+)")
SIGNS = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": Fraction,  # exact: a rounded quotient would fail
    "//": operator.floordiv,
}


def run_program(problem: Problem) -> str:
    names: dict[str, int] = {}
    exec(problem.program, {}, names)
    return str(names["answer"])


def is_true(equation: str) -> bool:
    match = EQUATION.fullmatch(equation)
    assert match, equation
    left, sign, right, result = match.groups()
    return SIGNS[sign](int(left), int(right)) == int(result)


@pytest.mark.parametrize("family", ALL_FAMILIES)
@pytest.mark.parametrize("largest_number", [5, 20, 100])
def test_programs_and_rationales_are_right(family: str, largest_number: int) -> None:
    for seed in range(10):
        for problem in generate_problems(examples=10, seed=seed, families=[family], largest_number=largest_number):
            equations = problem.rationale.split("\n")
            assert run_program(problem) == problem.answer
            assert all(map(is_true, equations)), problem.rationale
            assert equations[-1].endswith(f" = {problem.answer}")
            assert len(equations) == problem.steps == len(FAMILIES[family].steps)
            assert re.fullmatch(r"\d+", problem.answer)
            assert (problem.family, problem.planted) == (family, None)


@pytest.mark.parametrize("family", FAMILIES.values(), ids=lambda family: family.name)
def test_every_family_has_wordings_that_give_all_numbers(family) -> None:
    assert len(family.wordings) >= 3
    drawn = {line.split(" ")[0] for line in family.given} | set(family.numbers)
    scene_numbers = {"size", "parts", "percent"}  # told in words: "weeks", "half", or as they are
    used = {word for line in family.steps for word in line.split(" ")[2::2]}
    for wording in family.wordings:
        shown = {name for _, name, _, _ in Formatter().parse(wording) if name}
        assert used & drawn <= shown
        assert shown - {"name", "other", "thing", "place", "container", "unit", "part", "share"} <= (
            drawn | scene_numbers
        )
        assert wording[0].isupper() or wording[0] == "{"
        assert "?" in wording


def test_there_are_many_families_of_all_lengths() -> None:
    steps = Counter(len(family.steps) for family in FAMILIES.values())
    assert len(ALL_FAMILIES) >= 16
    assert steps[2] >= 5
    assert steps[3] >= 2
    assert all(len(FAMILIES[name].steps) == 1 for name in EASY_FAMILIES)


def test_same_arguments_give_the_same_rows_and_seeds_differ() -> None:
    shares = {"near_copies": 0.2, "wrong_answers": 0.1, "off_topic": 0.1}
    first = generate_problems(examples=100, seed=3, **shares)
    assert first == generate_problems(examples=100, seed=3, **shares)
    assert first != generate_problems(examples=100, seed=4, **shares)


def test_a_row_is_what_it_was_on_every_machine() -> None:
    assert generate_problems(examples=1, seed=0, families=["gain_and_loss"]) == [
        Problem(
            question="There were 28 balls in the market. Mia brought 14 and Noah took 11. "
            "How many balls are there now?",
            rationale="28 + 14 = 42\n42 - 11 = 31",
            answer="31",
            program="start = 28\nfound = 14\nlost = 11\nmost = start + found\nanswer = most - lost",
            family="gain_and_loss",
            steps=2,
        )
    ]


shares = st.integers(0, 30).map(lambda percent: percent / 100)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 120), st.integers(0, 1000), shares, shares, shares)
def test_shares_are_exact(examples: int, seed: int, copies: float, wrong: float, chat: float) -> None:
    rows = generate_problems(examples=examples, seed=seed, near_copies=copies, wrong_answers=wrong, off_topic=chat)
    planted = Counter(row.planted for row in rows)
    assert len(rows) == examples
    assert planted["near_copy"] == round(copies * examples)
    assert planted["wrong_answer"] == round(wrong * examples)
    assert planted["off_topic"] == round(chat * examples)


def test_shares_may_fill_everything() -> None:
    rows = generate_problems(examples=3, seed=0, wrong_answers=0.5, off_topic=0.5)
    assert Counter(row.planted for row in rows) == {"wrong_answer": 2, "off_topic": 1}
    assert generate_problems(examples=0, seed=0) == []


def test_families_have_equal_shares() -> None:
    rows = generate_problems(examples=10 * len(ALL_FAMILIES), seed=0)
    assert Counter(row.family for row in rows) == dict.fromkeys(ALL_FAMILIES, 10)


def test_wrong_answers_are_wrong_while_their_program_is_right() -> None:
    for row in generate_problems(examples=300, seed=1, wrong_answers=1.0):
        *rest, last = row.rationale.split("\n")
        assert run_program(row) != row.answer
        assert int(row.answer) >= 0
        assert last.endswith(f" = {row.answer}")
        assert all(map(is_true, rest))
        assert not is_true(last)


def test_off_topic_rows_have_no_numbers_and_no_program() -> None:
    rows = generate_problems(examples=200, seed=1, off_topic=1.0)
    assert len({row.question for row in rows}) == 200
    for row in rows:
        assert row.program == ""
        assert not re.search(r"\d", row.question + row.rationale + row.answer)
        assert row.answer in row.rationale


def test_near_copies_are_small_edits_of_clean_rows() -> None:
    rows = generate_problems(examples=400, seed=2, near_copies=0.25)
    clean = {(row.rationale, row.answer, row.program, row.family): row for row in rows if not row.planted}
    copies = [row for row in rows if row.planted]
    for copy in copies:
        original = clean[(copy.rationale, copy.answer, copy.program, copy.family)]
        assert copy.question != original.question
        assert re.findall(r"\d+", copy.question) == re.findall(r"\d+", original.question)
    bunches = Counter(copy.program + copy.rationale + copy.family for copy in copies)
    assert len(bunches) == len(copies) / COPIES_PER_ORIGINAL


def test_questions_are_distinct_without_near_copies() -> None:
    rows = generate_problems(examples=3000, seed=0, wrong_answers=0.2, off_topic=0.1)
    assert len({row.question for row in rows}) == 3000


def test_a_used_up_family_repeats_instead_of_hanging() -> None:
    rows = generate_problems(examples=2000, seed=0, families=["unit_conversion"], largest_number=5)
    assert len(rows) == 2000


def test_rows_are_shuffled() -> None:
    rows = generate_problems(examples=200, seed=0, off_topic=0.5)
    assert 20 < sum(row.planted is not None for row in rows[:100]) < 80


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"families": ["additon"]}, r"unknown family 'additon' \(did you mean 'addition'\?\); known: addition, "),
        ({"families": []}, "families is empty"),
        ({"near_copies": 1.5}, r"near_copies is 1.5; it must lie in \[0, 1\]"),
        ({"off_topic": -0.1}, r"off_topic is -0.1; it must lie in \[0, 1\]"),
        ({"wrong_answers": 0.6, "off_topic": 0.6}, r"is 1.2; it must not exceed 1"),
        ({"near_copies": 1.0}, "no clean row is left to copy"),
        ({"examples": -1}, "examples is -1"),
        ({"largest_number": 1}, "largest_number is 1; it must be 5 or more"),
    ],
)
def test_errors_say_what_is_allowed(arguments: dict, message: str) -> None:
    with pytest.raises(RecipeError, match=message) as caught:
        generate_problems(**{"examples": 10, "seed": 0, **arguments})
    assert "\n" not in str(caught.value)


def test_an_unknown_family_lists_all() -> None:
    with pytest.raises(RecipeError) as caught:
        generate_problems(examples=10, seed=0, families=["poetry"])
    assert str(caught.value) == f"unknown family 'poetry'; known: {', '.join(ALL_FAMILIES)}"
