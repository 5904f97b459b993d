"""Programs as functions, as equations, and run."""

import ast
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from winnow.errors import SandboxError
from winnow.generation.problems import ALL_FAMILIES, generate_problems
from winnow.generation.programs import as_function, majority_answer, run_programs, work_out, worked_steps

PROGRAM = "eggs = 3\n\nif eggs:\n    eggs = eggs + 1\nresult = eggs"


def test_a_function_has_the_question_as_docstring_and_returns_the_result():
    assert as_function("Ann has 3 eggs. How many?", PROGRAM) == (
        'def solution() -> int:\n    """\n    Ann has 3 eggs. How many?\n    """\n    eggs = 3\n\n    if eggs:\n'
        "        eggs = eggs + 1\n    result = eggs\n    return result"
    )


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from([*"ab7? ", '"', "'", "\\", '"""', "\\n", "{", "é"]), max_size=30).map("".join))
def test_any_question_survives_as_docstring(text):
    question = " ".join(text.split()) or "?"
    (function,) = ast.parse(as_function(question, PROGRAM)).body
    assert ast.get_docstring(function).strip() == question
    assert function.args.args == []
    assert function.returns.id == "int"
    assert ast.unparse(function.body[-1]) == "return result"


def test_the_function_gives_what_the_program_gives():
    names = {}
    exec(as_function("How many?", PROGRAM), names)
    assert names["solution"]() == 4


@pytest.mark.parametrize("family", ALL_FAMILIES)
def test_the_equations_of_a_program_are_the_worked_answer_of_its_problem(family):
    for problem in generate_problems(examples=20, seed=5, families=[family]):
        worked = worked_steps(re.sub(r"\banswer\b", "result", problem.program))
        assert worked.replace(" // ", " / ") == problem.rationale.replace(" // ", " / ")


@pytest.mark.parametrize(
    ("program", "worked"),
    [
        ("a = 3\nb = 4\nresult = a + b", "3 + 4 = 7"),
        ("a = 7\nresult = a / 2", "7 / 2 = 3.5"),
        ("a = 7\nresult = a // 2", "7 // 2 = 3"),
        ("a = 0.1\nb = 0.2\nresult = a + b", "0.1 + 0.2 = 0.3"),
        ("result = 3", None),
        ("a = 3\nresult = a * (a + 1)", None),
        ("import math\nresult = math.ceil(2.5)", None),
        ("a = 3\nb = a + 1\nresult = 5", None),
        ("a = 3\nresult = a / 0", None),
        ("result = b + 1", None),
        ("result = True + 1", None),
        ("a = 10\nresult = a * 1000000000000000000", None),
    ],
)
def test_equations_are_written_for_plain_assignments_alone(program, worked):
    assert worked_steps(program) == worked
    (ran,) = work_out([program])
    assert ran.answer == (worked.rpartition(" = ")[2] if worked else "")


def test_programs_run_apart_and_their_numbers_are_spelled_as_answers_are():
    pytest.importorskip("pydantic_monty")
    programs = ["result = 3.50", "result = 10 ** 3", "result = 1 / 0", "x = 1", "result = 'many'", "result = 2 / 4"]
    ran = run_programs(programs, "arithmetic")
    assert [each.outcome for each in ran] == ["ok", "ok", "error", "no_result", "non_numeric", "ok"]
    assert [each.answer for each in ran] == ["3.5", "1000", "", "", "", "0.5"]
    assert run_programs([], "python") == []


@pytest.mark.slow
def test_what_needs_a_package_is_run_by_full_python_or_left_out():
    pytest.importorskip("pydantic_monty")
    pytest.importorskip("sympy")
    program = "import sympy\nx = sympy.Symbol('x')\nresult = sympy.solve(2 * x - 7, x)[0]"
    (left_out,) = run_programs([program], "arithmetic")
    assert left_out.outcome == "unsupported"
    try:
        plain, (ran,) = run_programs(["result = 1"], "python"), run_programs([program], "python")
    except SandboxError as error:
        pytest.skip(f"no confinement here: {error}")
    assert (plain[0].answer, ran.answer) == ("1", "3.5")


@pytest.mark.parametrize(
    ("answers", "asked", "most"),
    [(["3", "3", "4"], 3, "3"), (["3", "3"], 4, None), (["3", "4", "5"], 3, None), ([], 3, None), (["1"] * 3, 5, "1")],
)
def test_a_majority_is_more_than_half_of_all_that_were_asked(answers, asked, most):
    assert majority_answer(answers, asked) == most
