"""Arithmetic programs in full Python: what `arithmetic.py` cannot run, confined as `programs.py` confines.

run_calculations(["import sympy\\nresult = sympy.Rational(1, 2) * 3"])    # [ok 1.5]
"""

from collections.abc import Iterable

from winnow.sandbox.arithmetic import ArithmeticLimits, ArithmeticResult, Outcome, run_arithmetic
from winnow.sandbox.confinement import Limits
from winnow.sandbox.ordered import num_cores
from winnow.sandbox.programs import run_confined


def run_calculations(
    programs: Iterable[str],
    *,
    call: str | None = None,
    limits: ArithmeticLimits | None = None,
    full_limits: Limits | None = None,
    workers: int | None = None,
    let_programs_reach_this_machine: bool = False,
) -> list[ArithmeticResult]:
    """What `run_arithmetic` finds; programs that it does not support are run again by full Python with its packages.

    A program of full Python costs about a tenth of a second and more where it imports sympy. Raises SandboxError as
    `run_arithmetic` and `run_tests` do.
    """
    asked = list(programs)
    workers = workers or num_cores()
    found = list(run_arithmetic(asked, call=call, limits=limits, workers=workers))
    again = [place for place, result in enumerate(found) if result.outcome == "unsupported"]
    if not again:
        return found
    ending = f"\nresult = {call}()\n" if call else ""
    answers = run_confined(
        ({"program": asked[place] + ending, "value": "result"} for place in again),
        limits=full_limits or Limits(), workers=min(workers, len(again)), packages=True,
        risk=let_programs_reach_this_machine,
    )  # fmt: skip
    for place, (answer, _) in zip(again, answers, strict=True):
        outcome: Outcome = "error" if answer["outcome"] in ("output", "disk") else answer["outcome"]
        found[place] = ArithmeticResult(outcome, answer.get("value"), answer["reason"])
    return found
