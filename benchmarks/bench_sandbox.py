"""Programs of models: how many arithmetic programs a second, and what confinement costs a program with tests.

Arithmetic programs: `run_arithmetic` with a worker per core against one interpreter thread, which is Python's own
`exec` in this process, without limits or protection, or Monty in its caller's process, which its releases up to 0.0.18
allowed (left out unless it is given: `pip install --no-deps --target FOLDER pydantic-monty==0.0.18`, then
`--in-process FOLDER`). The ratio of CPU time times two is what two idle cores give; the wall clock is what this machine
gave. Programs with tests: CPU time of a verdict, both processes and all layers in it, over that of a bare `python -I`
that runs nothing; programs run by `python -I -S`, which leaves out the search for installed packages.
"""

import argparse
import resource
import statistics
import subprocess
import sys
import time

from winnow.sandbox.arithmetic import run_arithmetic
from winnow.sandbox.confinement import REQUIRED
from winnow.sandbox.programs import Submission, run_tests

ROUNDS, PROGRAMS, VERDICTS = 3, 10_000, 40
ARITHMETIC = '''def simple_math_problem() -> int:
    """
    A store sells {0} apples a day at ${1} each, and twice as many on Saturday and on Sunday. What does it earn a week?
    """
    apples_per_day = {0}
    price = {1}
    weekday_income = apples_per_day * price * 5
    weekend_income = apples_per_day * 2 * price * 2
    total = weekday_income + weekend_income
    result = total
    return result

result = simple_math_problem()
'''
PROGRAM, TESTS = "def f(x):\n    return x + 1\n", "assert f(1) == 2\n"


def exec_in_this_thread(programs):
    """The peer: nothing between the programs and this process."""
    values = []
    for program in programs:
        names = {"__name__": "__main__"}
        exec(compile(program, "<program>", "exec"), names)
        values.append(names["result"])
    return values


IN_PROCESS = """
import sys, time
sys.path.insert(0, sys.argv[1])
from pydantic_monty import Monty
programs = sys.stdin.read().split("\\0")
started = time.process_time()
for program in programs:
    Monty(program + "\\nresult").run(limits={"max_duration_secs": 1.0, "max_memory": 64 << 20})
print(time.process_time() - started)
"""


def monty_in_process(programs, folder):
    """CPU seconds of one thread of an older Monty, in a process of its own, since both have one module name."""
    command = [sys.executable, "-I", "-c", IN_PROCESS, folder]
    ran = subprocess.run(command, input="\0".join(programs), capture_output=True, text=True, check=True)
    return float(ran.stdout)


def throughput(folder):
    programs = [ARITHMETIC.format(n % 97 + 1, n % 13 + 1) for n in range(PROGRAMS)]
    peers = {"exec": [], "Monty in process": []}
    ours, seconds = [], []
    for _ in range(ROUNDS):
        started = time.process_time()
        wanted = exec_in_this_thread(programs)
        peers["exec"].append(time.process_time() - started)
        if folder:
            peers["Monty in process"].append(monty_in_process(programs, folder))
        clock, found = time.perf_counter(), []
        ours.append(all_seconds(lambda: found.extend(run_arithmetic(programs, workers=2))))  # noqa: B023
        seconds.append(time.perf_counter() - clock)
        assert [ran.value for ran in found] == wanted
    print(f"run_arithmetic, 2 workers: {1e6 * statistics.median(ours) / PROGRAMS:.0f} CPU-µs a program")
    for name, spent in peers.items():
        if not spent:
            print(f"{name}: left out, see --help")
            continue
        ratio = statistics.median(peer / own for peer, own in zip(spent, ours, strict=True))
        print(f"{name}, one thread: {1e6 * statistics.median(spent) / PROGRAMS:.0f} CPU-µs a program; "
              f"two cores of ours do {2 * ratio:.2f}x its programs (goal: 1.4x)")  # fmt: skip
    print(
        f"wall clock, on cores that other work shared: {PROGRAMS / statistics.median(seconds):,.0f} programs a second"
    )


def all_seconds(act):
    """CPU seconds of this process and of those that ended during an act."""
    started = time.process_time()
    children = child_seconds(act)
    return time.process_time() - started + children


def child_seconds(act):
    """CPU seconds of the processes that ended during an act."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    act()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def bare(code, *options):
    for _ in range(VERDICTS):
        subprocess.run([sys._base_executable, *options, "-c", code], stdin=subprocess.DEVNULL, check=True)


def verdicts(number):
    found = run_tests([Submission(PROGRAM, TESTS, "f")] * number, workers=1)
    assert all(verdict.is_passed and set(REQUIRED) <= set(verdict.layers) for verdict in found)


def cost():
    seconds = {"python -I": [], "python -I, same program and tests": [], "python -I -S": [], "a verdict": []}
    for _ in range(ROUNDS):
        seconds["python -I"].append(child_seconds(lambda: bare("pass", "-I")) / VERDICTS)
        alone = child_seconds(lambda: bare(PROGRAM + TESTS, "-I"))
        seconds["python -I, same program and tests"].append(alone / VERDICTS)
        seconds["python -I -S"].append(child_seconds(lambda: bare("pass", "-I", "-S")) / VERDICTS)
        few, many = child_seconds(lambda: verdicts(2)), child_seconds(lambda: verdicts(2 + VERDICTS))
        seconds["a verdict"].append((many - few) / VERDICTS)
    for name, found in seconds.items():
        print(f"{name}: {1000 * statistics.median(found):.1f} CPU-ms")
    for name in ("python -I", "python -I -S"):
        over = [ours - none for ours, none in zip(seconds["a verdict"], seconds[name], strict=True)]
        print(f"a verdict over a bare {name}: {1000 * statistics.median(over):+.1f} CPU-ms (goal: at most 30)")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--in-process", metavar="FOLDER", help="where pydantic-monty 0.0.18 lies")
    throughput(parser.parse_args().in_process)
    cost()
