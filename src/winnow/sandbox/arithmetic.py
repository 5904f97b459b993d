"""Arithmetic programs that a model wrote, run apart from this process: what number do they leave in `result`?

    for ran in run_arithmetic(["a = 3\\nresult = a * 24", "result = 1 / 0"]):
        print(ran.outcome, ran.value, ran.reason)    # ok 72 "", then error None "ZeroDivisionError: division by zero"

The interpreter is Monty (pydantic-monty, extra `sandbox`), a subset of Python written in Rust that knows no files, no
network, no environment and no processes, in worker processes with limits on time and memory. What only full Python
can run has the outcome `unsupported`; `winnow.sandbox.calculations` runs that too.
"""

import builtins
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Literal

from winnow.errors import SandboxError
from winnow.sandbox.numbers import shown, to_number
from winnow.sandbox.ordered import in_order, num_cores

if TYPE_CHECKING:
    from pydantic_monty import Monty

Outcome = Literal["ok", "error", "timeout", "memory", "no_result", "non_numeric", "unsupported"]
"""`error`: the program fails; `no_result`: it leaves no `result` (no other variable is taken for it); `non_numeric`:
`result` is no finite number; `unsupported`: this interpreter cannot say, since it lacks what the program uses."""

BATCH = 200
"""Programs handed to a worker at once: a program of 20 µs sent alone costs another 55 µs of talking to the worker."""

MATH = re.compile(r"^[ \t]*(?:import math(?: as \w+)?|from math import [\w, ]+)[ \t]*$", re.MULTILINE)

RUN_EACH = """
def run(program):
    names = {'__name__': '__main__'}
    try:
        exec(program, names)
    except BaseException as error:
        return ('raised', type(error).__name__, str(error))
    if 'result' not in names:
        return ('no_result', '', None)
    value = names['result']
    if type(value) is int or type(value) is float:
        return value
    kind = type(value).__name__
    text = str(value) if kind in ('str', 'Decimal') else ''
    return ('value', kind, text if len(text) <= 1000 else None)
[run(program) for program in programs]
"""


@dataclass(frozen=True)
class ArithmeticLimits:
    """What one program may use."""

    seconds: float = 1.0
    memory_bytes: int = 64 << 20


@dataclass(frozen=True)
class ArithmeticResult:
    """What became of one program: its number where the outcome is `ok`, else why there is none."""

    outcome: Outcome
    value: int | float | None = None
    reason: str = ""


def run_arithmetic(
    programs: Iterable[str],
    *,
    call: str | None = None,
    limits: ArithmeticLimits | None = None,
    workers: int | None = None,
) -> Iterator[ArithmeticResult]:
    """What each program leaves in its variable `result`, in the order of the programs; reads only little ahead.

    With `call`, `result` is what the program's function of that name returns without arguments. A result depends on
    its program alone, unless that draws random numbers or reads the clock. `workers` are processes, by default one
    per core. Raises SandboxError where the extra `sandbox` is not installed.
    """
    limits = limits or ArithmeticLimits()
    workers = workers or num_cores()
    ending = f"\nresult = {call}()\n" if call else ""
    stream = (program + ending for program in programs)
    batches = iter(lambda: list(islice(stream, BATCH)), [])
    with _pool(workers) as pool:
        for ran in in_order(lambda batch: _run_batch(pool, batch, limits), batches, workers):
            yield from ran


def _pool(workers: int) -> "Monty":
    try:
        from pydantic_monty import Monty
    except ImportError as error:
        raise SandboxError("arithmetic programs need pydantic-monty: pip install 'winnow-lm[sandbox]'") from error
    return Monty(min_processes=workers, max_processes=workers)


def _run_batch(pool: "Monty", programs: Sequence[str], limits: ArithmeticLimits) -> list[ArithmeticResult]:
    """Results of these programs, run together where one cannot touch another, and alone where a limit was met."""
    from pydantic_monty import MontyError

    together = [program for program in programs if _can_share(program)]
    try:
        found = dict(zip(together, _run_together(pool, together, limits), strict=True))
    except MontyError:
        found = {}
    return [found[program] if program in found else _run_alone(pool, program, limits) for program in programs]


def _can_share(program: str) -> bool:
    """Whether a program can leave nothing behind for the next one: it imports nothing but `math`.

    Each program has names of its own and cannot reach those of others; modules such as `random` and `decimal` keep
    state between programs, so that whoever imports them gets an interpreter of its own.
    """
    if "import" in program:
        program = MATH.sub("", program)
    return not ("import" in program or "exec" in program or "eval" in program)


def _run_together(pool: "Monty", programs: Sequence[str], limits: ArithmeticLimits) -> list[ArithmeticResult]:
    """Results of programs that one fresh interpreter runs one after the other, all within the limits of one."""
    from pydantic_monty import ResourceLimits

    held = ResourceLimits(max_feed_duration_secs=limits.seconds, max_memory=limits.memory_bytes)
    with pool.checkout(limits=held, os_policy={"sleep": "zero"}) as session:
        seen = session.feed_run(RUN_EACH, inputs={"programs": list(programs)}, print_callback=_discard)
    return [_result(*one) if isinstance(one, tuple) else _numeric(type(one).__name__, one) for one in seen]


def _run_alone(pool: "Monty", program: str, limits: ArithmeticLimits) -> ArithmeticResult:
    from pydantic_monty import MontyCrashedError, MontyError

    try:
        return _run_together(pool, [program], limits)[0]
    except MontyCrashedError as error:
        return ArithmeticResult("timeout" if error.timed_out else "error", reason="the interpreter ended")
    except MontyError as error:
        raised = error.exception()
        if isinstance(raised, TimeoutError):
            return ArithmeticResult("timeout", reason=f"more than {limits.seconds:g} s")
        if isinstance(raised, MemoryError):
            return ArithmeticResult("memory", reason=f"more than {limits.memory_bytes} bytes")
        return ArithmeticResult("unsupported", reason=str(raised))


def _discard(stream: str, text: str) -> None:
    """Printed text; nothing is read from it."""


def _result(kind: str, name: str, value: object) -> ArithmeticResult:
    if kind == "raised":
        return ArithmeticResult(
            "unsupported" if _is_lacking(name, str(value)) else "error", reason=f"{name}: {value}".removesuffix(": ")
        )
    if kind == "no_result":
        return ArithmeticResult("no_result", reason="no variable `result`")
    return _numeric(name, value)


def _numeric(name: str, value: object) -> ArithmeticResult:
    """The result of a program whose `result` has this type and value; the value of other types is None."""
    number = to_number(value)
    if number is None:
        return ArithmeticResult("non_numeric", reason=f"`result` is {name}" + (f": {shown(value)}" if value else ""))
    return ArithmeticResult("ok", number)


def _is_lacking(name: str, message: str) -> bool:
    """Whether an error says that Monty lacks what Python has, not that the program is wrong."""
    quoted = re.findall(r"'([^']*)'", message)
    match name:
        case "NotImplementedError":
            return "monty" in message or "not supported" in message
        case "ModuleNotFoundError":
            return quoted[0].partition(".")[0] in sys.stdlib_module_names | {"sympy", "numpy", "scipy"}
        case "ImportError":
            return message.startswith("cannot import name")
        case "RuntimeError":
            return "not supported in this environment" in message
        case "NameError":
            return quoted[0] in {*dir(builtins), "exit", "quit"} if quoted else False
        case "AttributeError":
            return message.startswith("module ") or _has(quoted)
    return False


def _has(quoted: list[str]) -> bool:
    """Whether "'str' object has no attribute 'title'" names a built-in type that has it in Python."""
    return len(quoted) == 2 and hasattr(getattr(builtins, quoted[0], None), quoted[1])
