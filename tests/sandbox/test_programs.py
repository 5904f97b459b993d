import gzip
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from winnow.cli.main import app
from winnow.errors import SandboxError
from winnow.sandbox.confinement import LAYERS, REQUIRED, Limits
from winnow.sandbox.programs import Keeper, Submission, examine, of_humaneval, require, run_tests

HUMANEVAL = Path(__file__).parents[3] / "shared" / "data" / "humaneval" / "test.jsonl.gz"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="programs are confined on Linux only"),
    pytest.mark.usefixtures("confined"),
]


def verdicts(*pairs, entry_point="f", **options):
    """Verdicts on pairs of program and tests."""
    given = [Submission(program, tests, entry_point) for program, tests in pairs]
    return list(run_tests(given, workers=1, **options))


JUDGED = """
passed       def f(x): return x + 1                 | assert f(1) == 2
failed       def f(x): return x + 1                 | assert f(1) == 3
failed       def f(x): return x.y                   | assert f(1) == 3
error        def f(x): return (x                    |
error        def g(x): return x                     | assert f(1) == 1
error        1 / 0                                  |
passed       def f(x): x.append(2)                  | a = [1]; f(a); assert a == [1, 2]
passed       def f(x): x['b'] = 1; x.pop('a')       | a = {'a': 0}; f(a); assert a == {'b': 1}
passed       def f(x): return x                     | x = [1, (2.5, None), {'a': {3}}, 1j, True]; assert f(x) == x
passed       def f(x): return x                     | x = {(1, 2): b'\\xff', '\\ud800': frozenset()}; assert f(x) == x
passed       def f(a, *, b): return a - b           | assert f(3, b=1) == 2
passed       def g(): return 1; f = int             | assert f(2) == 2 and g() == 1
passed       from collections import Counter as f   | assert f('aa') == {'a': 2}
passed       import math, re, decimal; f = math.exp | assert f(0) == 1
passed       def f(a, b): a.append(b.pop())         | x, y = [], [1]; f(b=y, a=x); assert (x, y) == ([1], [])
failed       def f(x): raise StopIteration          | assert all(map(f, [1]))
failed       def f(x): raise StopIteration          | list(map(f, [1]))
failed       def f(x): raise StopAsyncIteration     | assert f(1)
error        def f(): import os; os._exit(0)        | exec('try: f()\\nexcept: pass')
unsupported  def f(): return print                  | exec('try: f()\\nexcept: pass')
unsupported  def f(): return (n for n in [1])       | assert list(f()) == [1]
unsupported  def f(x): return 1                     | assert f(print) == 1
"""


def test_programs_are_judged_by_their_tests():
    rows = [re.fullmatch(r"(\w+) +(.*?) *\| ?(.*)", line).groups() for line in JUDGED.strip().splitlines()]
    rows = [(outcome, program.replace("; f = ", "\nf = "), tests) for outcome, program, tests in rows]
    found = verdicts(*((program, tests) for _, program, tests in rows))
    assert [(v.outcome, program) for v, (_, program, _) in zip(found, rows, strict=True)] == [row[:2] for row in rows]


@pytest.mark.parametrize("program", ["def f(): raise KeyError('k')", "class E(KeyError): pass\ndef f(): raise E('k')"])
def test_tests_see_what_a_program_raises(program):
    tests = "try:\n    f()\nexcept KeyError as error:\n    assert error.args == ('k',)\nelse:\n    assert False"
    (verdict,) = verdicts((program, tests))
    assert verdict.outcome == "passed", verdict


def test_the_context_is_the_tests_own():
    helper = "def double(x): return 2 * x\n"
    forged = Submission("def double(x): return 0\ndef f(x): return 7", "assert f(1) == double(1)", "f", helper)
    right = Submission(
        helper + "def f(x): return 2 * x", "def check(c): assert c(1) == double(1)", "f", helper, "check"
    )
    assert [v.outcome for v in run_tests([forged, right], workers=1)] == ["failed", "passed"]


@pytest.mark.skipif(not HUMANEVAL.is_file(), reason="needs ../shared/data/humaneval")
@pytest.mark.parametrize("stride", [5, pytest.param(1, marks=pytest.mark.long)])
def test_humaneval_references_pass_and_wrong_ones_fail(stride):
    with gzip.open(HUMANEVAL, "rt", encoding="utf-8") as lines:
        problems = [json.loads(line) for line in lines]
    assert len(problems) == 164
    problems = problems[::stride]
    right = run_tests(of_humaneval(problem, problem["canonical_solution"]) for problem in problems)
    assert [p["task_id"] for p, verdict in zip(problems, right, strict=True) if not verdict.is_passed] == []
    fourth = problems[::4]
    wrong = run_tests(of_humaneval(problem, "    return 'wrong'\n") for problem in fourth)
    assert [p["task_id"] for p, verdict in zip(fourth, wrong, strict=True) if verdict.is_passed] == []


def test_the_layers_are_stored_with_the_verdict():
    found = examine()
    (verdict,) = verdicts(("def f(): return 1", "assert f() == 1"))
    assert set(REQUIRED) <= set(verdict.layers)
    assert verdict.layers == tuple(layer for layer in LAYERS if not found[layer])


def test_the_command_says_which_layers_hold():
    ran = CliRunner().invoke(app, ["sandbox", "--json"])
    assert ran.exit_code == 0, ran.output
    assert {layer for layer, told in json.loads(ran.stdout).items() if told["holds"]} >= set(REQUIRED)


def test_a_program_starts_with_nothing():
    program = (
        "import os\nos.write(1, b'printed')\n"
        "def f(): return [sorted(os.environ), os.listdir('.'), os.getcwd() == os.environ['HOME'], os.read(0, 1)]"
    )
    tests = (
        "assert f() == [['HOME', 'LC_ALL', 'OMP_NUM_THREADS', 'OPENBLAS_NUM_THREADS', 'PATH', 'TMPDIR'], [], True, b'']"
    )
    (verdict,) = verdicts((program, tests))
    assert (verdict.outcome, verdict.output) == ("passed", "printed")


def test_a_missing_layer_is_refused_by_name():
    keeper = Keeper(Limits(), layers=("rlimits", "seccomp"))
    try:
        with pytest.raises(SandboxError, match=r"landlock \(left out\).*let_programs_reach_this_machine=True"):
            keeper.start()
    finally:
        keeper.close()
    with pytest.raises(SandboxError, match=r"seccomp \(a socket was made\)"):
        require({"rlimits": "", "landlock": "", "seccomp": "a socket was made"})


WITHOUT_LANDLOCK = """
import ctypes, os, sys
from winnow.sandbox import system_calls as calls
LANDLOCK_CREATE_RULESET = [(calls.LOAD, 0, 0, calls.NUMBER), (calls.EQUAL, 0, 1, 444), calls._answer(calls.FAIL, 38)]
calls.instructions = lambda machine, own_pid: [*LANDLOCK_CREATE_RULESET, calls._answer(calls.ALLOW)]
ctypes.CDLL(None).prctl(38, 1, 0, 0, 0)
calls.install(os.getpid())
from winnow.errors import SandboxError
from winnow.sandbox.programs import Submission, run_tests
asked = [Submission("def f(): return 1", "assert f() == 1", "f")]
try:
    list(run_tests(asked, workers=1))
except SandboxError as error:
    print(error)
(verdict,) = run_tests(asked, workers=1, let_programs_reach_this_machine=True)
print(verdict.outcome, *verdict.layers)
"""


def test_a_kernel_without_landlock_is_refused_unless_the_risk_is_named():
    said = subprocess.run(
        [sys.executable, "-c", WITHOUT_LANDLOCK], capture_output=True, text=True, check=True, timeout=60
    ).stdout.splitlines()
    assert said[0].startswith("programs cannot be confined here: landlock (Function not implemented) does not hold")
    assert said[1].split()[:3] == ["passed", "rlimits", "seccomp"]
    assert "landlock" not in said[1]


def test_an_abandoned_run_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    endless = (Submission("def f(): return 1", "assert f() == 1", "f") for _ in range(1000))
    ran = run_tests(endless, workers=2)
    assert next(ran).is_passed
    ran.close()
    assert list(tmp_path.iterdir()) == []


def test_programs_end_with_whoever_asked(tmp_path):
    script = (
        "from winnow.sandbox.programs import *\n"
        "slow = Submission('import time\\ndef f(): time.sleep(600)', 'f()', 'f')\n"
        "print(next(run_tests([slow], limits=Limits(seconds=600), workers=1)))\n"
    )
    asked = subprocess.Popen([sys.executable, "-c", script], env={**os.environ, "TMPDIR": str(tmp_path)})
    started = time.monotonic()
    while not (homes := running(tmp_path)) and time.monotonic() < started + 30:
        time.sleep(0.05)
    assert homes
    asked.kill()
    asked.wait()
    while running(tmp_path) and time.monotonic() < started + 60:
        time.sleep(0.05)
    assert running(tmp_path) == []


def running(folder):
    """Processes, other than those that ended and wait for their parent, whose home lies in a folder."""
    found = []
    for place in Path("/proc").glob("[0-9]*/environ"):
        try:
            if f"HOME={folder}".encode() in place.read_bytes():
                found.append(place.parent.name)
        except OSError:
            continue
    return found


def test_installed_packages_are_there_only_where_asked_for():
    asked = ("import numpy\ndef f(): return int(numpy.arange(4).sum())", "assert f() == 6")
    assert [v.outcome for v in verdicts(asked, packages=True)] == ["passed"]
    assert [v.outcome for v in verdicts(asked)] == ["error"]


def test_what_monty_lacks_runs_in_full_python():
    pytest.importorskip("pydantic_monty")
    pytest.importorskip("sympy")
    from winnow.sandbox.calculations import run_calculations

    programs = {
        "result = 3": ("ok", 3),
        "import sympy\nresult = sympy.Rational(1, 2) * 3": ("ok", 1.5),
        "from fractions import Fraction\nresult = Fraction(1, 4)": ("ok", 0.25),
        "import sympy\nresult = sympy.Symbol('x')": ("non_numeric", None),
        "import statistics\nanswer = 3": ("no_result", None),
        "import statistics\nresult = statistics.mean([])": ("error", None),
    }
    ran = run_calculations(programs, workers=1)
    assert [(r.outcome, r.value) for r in ran] == list(programs.values())


OWN_ERROR = """
class Low(Exception):
    def __init__(self, need, have):
        super().__init__(f"{need} > {have}")
def f(): raise Low(3, 2)
"""


def test_an_exception_of_the_tests_own_class_reaches_them():
    tests = f"{OWN_ERROR}\ndef check(f):\n    try: f()\n    except Low as error: assert str(error) == '3 > 2'"
    asked = Submission(OWN_ERROR, tests, "f", check="check")
    assert next(iter(run_tests([asked], workers=1))).reason == ""


def test_a_killed_winnow_leaves_no_folder(tmp_path):
    code = """
from winnow.sandbox.programs import Submission, run_tests
asked = Submission("import time\\ndef f():\\n    open('x', 'w').write('x')\\n    time.sleep(60)", "f()", "f")
list(run_tests([asked], workers=1))
"""
    with subprocess.Popen([sys.executable, "-c", code], env={**os.environ, "TMPDIR": str(tmp_path)}) as process:
        wait_until(lambda: any(tmp_path.glob("winnow-sandbox-*/work")))
        time.sleep(0.3)
        process.kill()
    wait_until(lambda: not list(tmp_path.iterdir()))


def wait_until(true, seconds=20.0):
    """Fails where it does not become true in time."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)
