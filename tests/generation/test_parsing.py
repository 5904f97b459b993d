"""A teacher's answers: what fits the markers is taken as it stands, what does not is counted by reason."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from winnow.generation.parsing import parse_problems, parse_program, parse_questions
from winnow.generation.prompts import END, KINDS, PROGRAM, PROMPTS, write_prompt

PAIR = f"Ann has 3 eggs and buys 4.\nHow many?\n{PROGRAM}\nfirst = 3\nmore = 4\nresult = first + more\n{END}\n"
QUESTION, CODE = "Ann has 3 eggs and buys 4. How many?", "first = 3\nmore = 4\nresult = first + more"


def test_problems_are_read_by_markers():
    parsed = parse_problems(PAIR * 3)
    assert parsed.problems == [(QUESTION, CODE)] * 3
    assert not parsed.malformed


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (PAIR.replace("Ann has", "1. Ann has"), QUESTION),
        (PAIR.replace("Ann has", "**Problem 7:** Ann has"), QUESTION),
        (PAIR.replace("Ann has", "Question: Ann has"), QUESTION),
        (PAIR.replace("\n", "\r\n"), QUESTION),
        (PAIR.replace("Ann has", "3.5 kg are left. Ann has"), f"3.5 kg are left. {QUESTION}"),
        (PAIR.replace("Ann has", "3 hens lay. Ann has"), f"3 hens lay. {QUESTION}"),
    ],
)
def test_numbering_goes_and_numbers_stay(written, meant):
    parsed = parse_problems(written)
    assert parsed.problems == [(meant, CODE)]


def test_a_code_fence_and_the_printing_of_the_result_go():
    fenced = PAIR.replace("first = 3", "```python\nfirst = 3").replace(
        "first + more\n", 'first + more\nprint("<<", result, ">>")\n```\n'
    )
    assert parse_problems(fenced).problems == [(QUESTION, CODE)]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (PAIR.replace(PROGRAM, ""), "no program marker"),
        (PAIR.replace(PROGRAM, PROGRAM + "x = 1" + PROGRAM), "several program markers"),
        (PAIR.replace(END, ""), "cut off before its end marker"),
        ("", "empty answer"),
        (" \n", "empty answer"),
        (f"\n{PROGRAM}\nresult = 1\n{END}", "no question"),
        (f"How many?\n{PROGRAM}\n\n{END}", "no program"),
        (PAIR.replace("first + more", "first +"), "a program that is no Python"),
        (PAIR.replace("result =", "answer ="), "no assignment to result at the end"),
        (PAIR.replace("result = first + more", "if more:\n    result = 1"), "no assignment to result at the end"),
        (PAIR.replace("How many?", "```python"), "a question that holds code"),
        (PAIR.replace("How many?", "x" * 30_000), "too long"),
        (PAIR.replace("result =", "x = '\0'\nresult ="), "a program that is no Python"),
        (PAIR.replace("first + more", "(" * 5_000), "a program that is no Python"),
    ],
)
def test_what_does_not_fit_is_counted_by_reason(answer, reason):
    parsed = parse_problems(answer)
    assert dict(parsed.malformed) == {reason: 1}
    assert parsed.problems == []


def test_good_problems_beside_bad_ones_stay():
    parsed = parse_problems(PAIR + PAIR.replace(PROGRAM, "") + PAIR + "Ben has")
    assert len(parsed.problems) == 2
    assert dict(parsed.malformed) == {"no program marker": 1, "cut off before its end marker": 1}


def test_questions_and_programs_of_their_own():
    assert parse_questions(f"1) A is 1?\n{END}\nB is 2?\n{END}").problems == [("A is 1?", ""), ("B is 2?", "")]
    assert parse_program(f"{CODE}\n{END}\nI hope this helps").problems == [("", CODE)]
    assert dict(parse_program(CODE).malformed) == {"cut off before its end marker": 1}


PIECES = [*"ab1 .\n=()`#'\"\\\0", END, PROGRAM, "result = 1", "```"]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=40).map("".join))
def test_no_answer_breaks_the_parser(answer):
    for parse in (parse_problems, parse_questions, parse_program):
        parsed = parse(answer)
        assert parsed.problems or parsed.malformed
        assert all(END not in text and PROGRAM not in text for pair in parsed.problems for text in pair)


@pytest.mark.parametrize("kind", KINDS)
def test_prompts_hold_the_question_and_the_markers(kind):
    prompt = write_prompt(kind, "  How {many} eggs?  ", 7)
    assert "\nHow {many} eggs?\n" in prompt
    assert END in prompt
    assert (PROGRAM in prompt) == (kind == "one_step")
    assert ("7" in prompt) == (kind != "program")
    assert "{question}" not in prompt
    assert PROMPTS[kind].count("{question}") == 1


@pytest.mark.parametrize(
    ("kind", "demands"),
    [
        ("one_step", ["similar", "differently", "four sentences", "several\nsteps", "`result`"]),
        ("one_step", ["no\narithmetic in comments", "nothing is left to fill", "without numbering"]),
        ("reworded", ["other words", "quantities may change", "No variant is easier", "more steps", "on its own"]),
        ("reworded", ["no hints"]),
        ("irrelevant", ["does not depend on", "new names", "new scene"]),
        ("program", ["sympy", "math.ceil", "print", "step by step", "a name of its own", "no numbers"]),
    ],
)  # fmt: skip
def test_prompts_ask_for_what_their_kind_is(kind, demands):
    assert all(demand in PROMPTS[kind] for demand in demands)
