import itertools
import sys

import pytest

pytest.importorskip("pydantic_monty")

from escapes import CLAIMS, Host
from winnow.sandbox.arithmetic import BATCH, ArithmeticLimits, ArithmeticResult, run_arithmetic

FAST = ArithmeticLimits(seconds=1.0, memory_bytes=16 << 20)


def outcomes(*programs, **options):
    return [result.outcome for result in run_arithmetic(programs, limits=FAST, workers=1, **options)]


CASES = {
    "a = 3\nresult = a * 24": "ok",
    "import math\nresult = math.ceil(2.1)": "ok",
    "result = '$1,080.50'": "ok",
    "from decimal import Decimal\nresult = Decimal('2.50')": "ok",
    "if __name__ == '__main__':\n    result = 1": "ok",
    "def f():\n    global result\n    result = 7\nf()": "ok",
    "result = 1 / 0": "error",
    "result = = 1": "error",
    "result = unknown": "error",
    "raise TimeoutError('mine')": "error",
    "raise NotImplementedError": "error",
    "import a_library_that_nobody_wrote": "error",
    "result = open('/etc/passwd').read()": "error",
    "def f(): return f()\nresult = f()": "error",
    "while True: pass": "timeout",
    "try:\n    while True: pass\nexcept BaseException: result = 1": "timeout",
    "x = 'a'\nwhile True: x += x": "memory",
    "result = 10 ** 10 ** 10": "memory",
    "answer = 3\ntotal = 4": "no_result",
    "": "no_result",
    "result = None": "non_numeric",
    "result = True": "non_numeric",
    "result = [3]": "non_numeric",
    "result = '3 apples'": "non_numeric",
    "result = float('nan')": "non_numeric",
    "result = float('inf')": "non_numeric",
    "result = (-8) ** 0.5": "non_numeric",
    "import sympy\nresult = sympy.Integer(1)": "unsupported",
    "from sympy import *\nresult = 1": "unsupported",
    "import fractions": "unsupported",
    "def f():\n    yield 1\nresult = sum(f())": "unsupported",
    "class A(int): pass\nresult = A(3)": "unsupported",
    "result = input()": "unsupported",
    "import sys\nsys.exit(0)": "unsupported",
    "raise SystemExit(0)": "unsupported",
    "import os\nresult = os.environ": "unsupported",
}


@pytest.mark.slow
def test_each_outcome():
    assert dict(zip(CASES, outcomes(*CASES), strict=True)) == CASES


def test_values_are_numbers_of_the_program():
    ran = list(run_arithmetic(["result = 2 ** 70", "result = 7 / 2", "result = ' $1,080.50 '"], workers=1))
    assert [(r.value, type(r.value)) for r in ran] == [(2**70, int), (3.5, float), (1080.5, float)]


def test_no_other_variable_is_taken_for_the_answer():
    assert list(run_arithmetic(["answer = 42"], workers=1)) == [
        ArithmeticResult("no_result", None, "no variable `result`")
    ]


def test_a_function_is_called_for_its_answer():
    written = 'def simple_math_problem() -> int:\n    """Two and two?"""\n    result = 2 + 2\n    return result'
    assert [r.value for r in run_arithmetic([written], call="simple_math_problem", workers=1)] == [4]
    assert outcomes("result = 3", call="simple_math_problem") == ["error"]


@pytest.mark.slow
def test_results_come_in_order_with_any_number_of_workers():
    programs = ["while True: pass", *(f"result = {n}" for n in range(3 * BATCH)), "import random\nresult = 5"]
    one, two = (list(run_arithmetic(programs, limits=FAST, workers=workers)) for workers in (1, 2))
    assert one == two
    assert [r.value for r in one] == [None, *range(3 * BATCH), 5]


def test_programs_that_run_together_cannot_touch_each_other():
    programs = ["result = 1\nleft = 2", "result = left", "len = 3\nresult = len", "result = len([1])"]
    programs += ["import math\nmath.pi = 3\nresult = math.pi", "import math\nresult = math.pi"]
    programs += ["import decimal\ndecimal.getcontext().prec = 2\nresult = 1"]
    programs += ["import decimal\nresult = str(decimal.Decimal(1) / 3)"]
    programs += ["import random\nrandom.seed(1)\nresult = random.random()"] * 2
    together = list(run_arithmetic(programs, workers=1))
    alone = [next(iter(run_arithmetic([program], workers=1))) for program in programs]
    assert together == alone
    assert together[3].value == 1
    assert together[1].outcome == "error"
    assert together[7].value == pytest.approx(1 / 3, rel=1e-9)


def test_a_stream_is_read_only_a_little_ahead():
    taken = itertools.count()
    stream = (f"result = {next(taken)}" for _ in range(10_000))
    ran = run_arithmetic(stream, workers=1)
    assert next(ran).value == 0
    ran.close()
    assert next(taken) < 10 * BATCH


def test_what_is_printed_goes_nowhere(capfd):
    assert outcomes("print('x' * 100)\nresult = 1") == ["ok"]
    assert capfd.readouterr() == ("", "")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the corpus is for Linux")
def test_nothing_of_the_host_is_reached(tmp_path):
    host = Host(tmp_path)
    tried = [host.written(f"{program}\nresult = 1 if f() is True else 0") for program in CLAIMS.values()]
    try:
        reached = [name for name, ran in zip(CLAIMS, run_arithmetic(tried, limits=FAST), strict=True) if ran.value]
        assert reached == []
        assert host.touched() == []
    finally:
        host.close()
