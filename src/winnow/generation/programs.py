"""What a program is written as for training, and which number it gives.

as_function("Ann has 3 eggs. How many?", "eggs = 3\nresult = eggs")     # a function with the question as docstring
worked_steps("a = 3\nb = 4\nresult = a + b")                           # "3 + 4 = 7"
"""

import ast
import operator
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from winnow.generation.parsing import RESULT
from winnow.text.answers import spell

FUNCTION = "solution"
"""Name of the function."""

SIGNS: dict[type[ast.operator], tuple[str, Callable[[Fraction, Fraction], Fraction | int]]] = {
    ast.Add: ("+", operator.add),
    ast.Sub: ("-", operator.sub),
    ast.Mult: ("*", operator.mul),
    ast.Div: ("/", operator.truediv),
    ast.FloorDiv: ("//", operator.floordiv),
    ast.Mod: ("%", operator.mod),
}
RunPrograms = Literal["python", "arithmetic", "none"]

LARGEST = 10**18
"""Greater numbers are no word problem's; steps to them are not written out."""


@dataclass(frozen=True)
class Ran:
    """What became of a program: its number where the outcome is `ok`, as the answers of examples are spelled."""

    outcome: str
    answer: str = ""


def run_programs(programs: Sequence[str], how: RunPrograms) -> list[Ran]:
    """Run programs apart from this process, in the way that `synthetic.run_programs` says.

    Raises SandboxError where the extra `sandbox` is not installed, or full Python is needed and cannot be confined.
    """
    if how == "none" or not programs:
        return work_out(programs)
    from winnow.sandbox.arithmetic import run_arithmetic
    from winnow.sandbox.calculations import run_calculations

    results = run_calculations(programs) if how == "python" else run_arithmetic(programs)
    return [_ran(result.outcome, result.value) for result in results]


def work_out(programs: Sequence[str]) -> list[Ran]:
    """The numbers of programs of plain assignments, without running anything; any other one is `not plain`."""
    equations = [worked_steps(program) for program in programs]
    return [Ran("not plain") if each is None else Ran("ok", each.split(" = ")[-1]) for each in equations]


def _ran(outcome: str, value: float | None) -> Ran:
    if outcome != "ok" or value is None:
        return Ran(outcome)
    return Ran("ok", spell(Fraction(value)))


def as_function(question: str, program: str) -> str:
    """A function without arguments, annotated to give an int, whose docstring is the question and whose last line
    returns `result` (Liu et al. 2023, section 2). Floats are annotated as int, too: the reference has one signature.
    """
    quoted = question.replace("\\", "\\\\").replace('"""', '\\"\\"\\"')
    body = ['"""', quoted + (" " if quoted.endswith('"') else ""), '"""', *program.splitlines(), f"return {RESULT}"]
    lines = [f"    {line}" if line else "" for line in body]
    return "\n".join([f"def {FUNCTION}() -> int:", *lines])


def worked_steps(program: str) -> str | None:
    """The equations that a program works out, one a line, the last one ending in its number.

    None where the program is not made of assignments of numbers and of one operation each, or works nothing out.
    """
    known: dict[str, Fraction] = {}
    equations: list[str] = []
    try:
        for line in ast.parse(program).body:
            name, equation, value = _step(line, known)
            known[name] = value
            equations += [equation] if equation else []
        ends_in_result = bool(equations) and equations[-1].endswith(f" = {spell(known.get(RESULT, Fraction(0)))}")
    except (SyntaxError, ValueError, KeyError, ZeroDivisionError, RecursionError, MemoryError):
        return None
    return "\n".join(equations) if RESULT in known and ends_in_result else None


def _step(line: ast.stmt, known: dict[str, Fraction]) -> tuple[str, str, Fraction]:
    """Name, equation and value of an assignment; no equation where it only names a number."""
    match line:
        case ast.Assign(targets=[ast.Name(id=name)], value=ast.BinOp(left=left, op=sign, right=right)):
            first, second = _number(left, known), _number(right, known)
            symbol, work_out = SIGNS[type(sign)]
            value = Fraction(work_out(first, second))
            if abs(value) > LARGEST:
                raise ValueError("too large")
            if symbol == "//" and value * second == first:
                symbol = "/"  # nothing is left over, and so it is written in worked answers
            return name, f"{spell(first)} {symbol} {spell(second)} = {spell(value)}", value
        case ast.Assign(targets=[ast.Name(id=name)], value=value_node):
            return name, "", _number(value_node, known)
    raise ValueError("no plain assignment")


def _number(node: ast.expr, known: dict[str, Fraction]) -> Fraction:
    match node:
        case ast.Name(id=name):
            return known[name]
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
            return Fraction(str(value))
    raise ValueError("no number")


def majority_answer(answers: Iterable[str], asked: int) -> str | None:
    """The number that more than half of so many programs give; None where there is none."""
    given = list(answers)
    found = max(sorted(set(given)), key=given.count, default=None)
    return found if found is not None and 2 * given.count(found) > asked else None
