"""The filter, run by a small reader of its instructions: also for the architecture that the tests do not run on."""

import errno

import pytest

from winnow.sandbox import system_calls as calls

OWN = 4711
X86, ARM = "x86_64", "aarch64"


def answer(machine, number, *arguments, architecture=None):
    """What the filter says to a call: "allow", "kill", or the number of the error."""
    words = {calls.NUMBER: number, calls.ARCHITECTURE: architecture or calls.MACHINES[machine][1]}
    words |= {calls.ARGUMENTS + 8 * place: value & 0xFFFFFFFF for place, value in enumerate(arguments)}
    program, place, held = calls.instructions(machine, OWN), 0, 0
    while True:
        code, yes, no, constant = program[place]
        place += 1
        match code:
            case calls.LOAD:
                held = words.get(constant, 0)
            case calls.AND:
                held &= constant
            case calls.EQUAL:
                place += yes if held == constant else no
            case calls.AT_LEAST:
                place += yes if held >= constant else no
            case calls.RETURN:
                if constant == calls.ALLOW:
                    return "allow"
                return "kill" if constant == calls.KILL else constant & 0xFFFF


@pytest.mark.parametrize("machine", [X86, ARM])
def test_every_denied_call_fails(machine):
    column = calls.MACHINES[machine][0]
    for name, numbers in calls.DENIED.items():
        if numbers[column] is not None:
            assert answer(machine, numbers[column]) == errno.EPERM, name
    assert {answer(machine, numbers[column]) for numbers in calls.NOT_FOUND.values()} == {errno.ENOSYS}
    assert answer(machine, calls.LAST_KNOWN + 1) == errno.ENOSYS


@pytest.mark.parametrize(("machine", "numbers"), [(X86, (0, 1, 9, 59, 231)), (ARM, (63, 64, 222, 221, 94))])
def test_reading_writing_mapping_starting_and_ending_are_allowed(machine, numbers):
    assert {answer(machine, number) for number in numbers} == {"allow"}


@pytest.mark.parametrize("machine", [X86, ARM])
def test_another_architecture_ends_the_process(machine):
    assert answer(machine, 0, architecture=0x40000003) == "kill"
    assert answer(X86, calls.X32 + 41) == "kill"


@pytest.mark.parametrize("machine", [X86, ARM])
def test_calls_that_are_allowed_for_some_arguments(machine):
    column = calls.MACHINES[machine][0]
    kill, limits = calls.OWN_PROCESS_ONLY["kill"][column], calls.WITHOUT_PROCESS["prlimit64"][column]
    opening, control = calls.OPENING["openat"][column], calls.FCNTL[column]
    assert [answer(machine, kill, who, 9) for who in (OWN, 1, 0, -1)] == ["allow", 1, 1, 1]
    assert [answer(machine, limits, who) for who in (0, OWN)] == ["allow", 1]
    assert [answer(machine, opening, -100, 0, flags) for flags in (0o0, 0o1000, 0o1001, 0o1102)] == ["allow", 1] + [
        "allow"
    ] * 2
    assert [answer(machine, control, 3, command) for command in (1, 2, 8, 10, 15)] == ["allow"] * 2 + [1] * 3


def test_a_call_has_one_rule():
    tables = (calls.DENIED, calls.NOT_FOUND, calls.OWN_PROCESS_ONLY, calls.WITHOUT_PROCESS)
    for column in (0, 1):
        numbers = [pair[column] for table in tables for pair in table.values() if pair[column] is not None]
        numbers += [opening[column] for opening in calls.OPENING.values() if opening[column]] + [calls.FCNTL[column]]
        assert len(numbers) == len(set(numbers))
