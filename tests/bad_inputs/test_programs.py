"""Programs and teachers' answers that are nothing like what was asked for: each is counted, none ends a generation."""

import json

import pyarrow.parquet as pq
import pytest

from generation_support import FakeEndpoint, answer_to, endpoint_recipe
from winnow.errors import TeacherError
from winnow.generation.answers import KeptAnswers
from winnow.generation.programs import run_programs, work_out
from winnow.generation.prompts import END, PROGRAM
from winnow.generation.synthetic import ANSWERS, COUNTS, ROWS, generate_synthetic
from winnow.generation.teachers import pacing
from winnow.generation.teachers.interface import Answer, Lost
from winnow.parts import GeneratePart
from winnow.recipe import SourceRecipe
from winnow.records import Context
from winnow.sandbox.numbers import same_number, shown, to_number

HALF = chr(0xD800)
PROGRAMS = [
    ("power", "result = 10**5000", "non_numeric"),
    ("negative power", "result = -(10**5000)", "non_numeric"),
    ("just too long", "result = 10**1000", "non_numeric"),
    ("hexadecimal", f"result = 0x{'f' * 5000}", "non_numeric"),
    ("binary", f"result = 0b{'1' * 15000}", "non_numeric"),
    ("shifted", "result = 1 << 40000", "non_numeric"),
    ("long literal", f"result = {'1' * 5000}", "error"),
    ("text of digits", "result = '1' * 5000", "non_numeric"),
    ("text that goes on after a gap", "result = '1' + ' ' * 2000 + '2'", "non_numeric"),
    ("infinite", "result = 1e999", "non_numeric"),
    ("no number", "result = float('nan')", "non_numeric"),
    ("complex", "result = 2j", "non_numeric"),
    ("true", "result = True", "non_numeric"),
    ("long list", "result = [0] * 100000", "non_numeric"),
    ("list of itself", "result = []\nresult.append(result)", "non_numeric"),
    ("long text", "result = 'x' * 100000", "non_numeric"),
    ("decimal", "from decimal import Decimal\nresult = Decimal(10) ** 5000", "non_numeric"),
    ("half a character", f"result = '{HALF}'", "unsupported"),
    ("half a character, escaped", "result = '\\ud800'", "non_numeric"),
    ("raises half a character", "raise ValueError('\\ud800\\x00\\x1b')", "error"),
    ("NUL", "\x00", "error"),
    ("text with NUL", "result = '1' + chr(0)", "non_numeric"),
    ("digits of another script", "result = '\u0663'", "non_numeric"),
    ("underlined digits", "result = '1_000'", "non_numeric"),
    ("printed", "print(10**5000)\nresult = 1", "error"),
    ("raised", "raise StopIteration", "error"),
    ("left", "raise SystemExit", "error"),
    ("function", "result = print", "non_numeric"),
    ("bytes", "result = b'12'", "non_numeric"),
    ("nothing", "", "no_result"),
    ("brackets", "(" * 5000, "error"),
    ("a thousand digits", "result = 10**999", "ok"),
]


def named(rows):
    return [pytest.param(*row[1:], id=row[0]) for row in rows]


@pytest.mark.parametrize(("program", "outcome"), named(PROGRAMS))
def test_a_program_has_an_outcome(program, outcome):
    pytest.importorskip("pydantic_monty")
    (ran,) = run_programs([program], "arithmetic")
    assert ran.outcome == outcome
    assert bool(ran.answer) == (outcome == "ok")
    assert len(ran.answer) <= 1000
    assert work_out([program])[0].outcome == "not plain"


FULL = [
    ("power of sympy", "import sympy\nresult = sympy.Integer(10) ** 5000", "non_numeric"),
    ("infinity of sympy", "import sympy\nresult = sympy.oo", "non_numeric"),
    ("numpy's number", "import numpy\nresult = numpy.int64(3)", "ok"),
    ("numpy's truth", "import numpy\nresult = numpy.bool_(True)", "non_numeric"),
    ("numpy's list", "import numpy\nresult = numpy.arange(9)", "non_numeric"),
    ("fraction", "from fractions import Fraction\nresult = Fraction(10**5000, 3)", "non_numeric"),
    ("without the limit on digits", "import sys\nsys.set_int_max_str_digits(0)\nresult = 10**10000", "error"),
    ("in what is raised", "import sys, numpy\nraise ValueError('\\ud800' * 3000)", "error"),
    ("a class that is no number", "import numpy\nclass A(numpy.ndarray): pass\nresult = A((2,))", "non_numeric"),
]


@pytest.fixture(scope="module")
def ran_in_full(confined):
    """The outcome of each program of FULL, run by one keeper."""
    pytest.importorskip("pydantic_monty")
    pytest.importorskip("sympy")
    ran = run_programs([program for _, program, _ in FULL], "python")
    return {name: each for (name, *_), each in zip(FULL, ran, strict=True)}


@pytest.mark.slow
@pytest.mark.parametrize(("name", "outcome"), [pytest.param(name, outcome, id=name) for name, _, outcome in FULL])
def test_a_program_in_full_python_has_an_outcome(name, outcome, ran_in_full):
    assert ran_in_full[name].outcome == outcome


@pytest.mark.parametrize("value", [10**5000, -(10**1000), "9" * 1001, "1" + " " * 10**5 + "2"], ids=range(4))
def test_a_long_number_is_none(value):
    assert to_number(value) is None
    assert not same_number(value, value)
    assert len(shown(value)) <= 200


def chat(content, **more):
    choice = {"message": {"content": content}, "finish_reason": "stop"} | more.pop("choice", {})
    return json.dumps({"choices": [choice], "usage": {"prompt_tokens": 100, "completion_tokens": 50}} | more).encode()


QUESTION = "Ann has 3 red eggs and 4 blue ones in a box. How many eggs are in the box now?"


def problem(program="a = 3\nb = 4\nresult = a + b", question=QUESTION):
    return f"{question}\n{PROGRAM}\n{program}\n{END}\n"


ODD_ANSWERS = [
    ("empty", chat("")),
    ("nothing", chat(None)),
    ("white space", chat(" \n" * 500)),
    ("half a character", chat(problem(question=f"{QUESTION} {HALF}"))),
    ("half a character in its program", chat(problem(f"a = '{HALF}'\nresult = 1"))),
    ("half a character alone", chat(HALF * 100)),
    ("half a character as its reason", chat("x", choice={"finish_reason": HALF})),
    ("NUL", chat("\0" * 100)),
    ("NUL in its program", chat(problem("a = '\0'\nresult = 1"))),
    ("control characters", chat("".join(map(chr, range(32))) * 10)),
    ("end markers", chat(END * 500)),
    ("program markers", chat(PROGRAM * 500 + END)),
    ("dots", chat(problem(question=QUESTION + "." * 15000 + "x"))),
    ("a long number", chat(problem("a = 10\nresult = a ** 5000"))),
    ("a long hexadecimal number", chat(problem(f"result = 0x{'f' * 5000}"))),
    ("a long literal", chat(problem(f"result = {'1' * 5000}"))),
    ("an infinite number", chat(problem("result = 1e999"))),
    ("deep brackets", chat(problem("result = " + "(" * 5000 + ")" * 5000))),
    ("a long question", chat(problem(question=QUESTION * 1000))),
    ("parts", chat([{"type": "text", "text": problem()}, {"type": "image"}, None, 3])),
    ("no tokens told", chat("x", usage=None)),
    ("tokens as a list", chat("x", usage=[1])),
    ("tokens as text", chat("x", usage={"prompt_tokens": "many", "completion_tokens": "3"})),
    ("endless tokens", chat("x").replace(b"50", b"1e999")),
    ("no number of tokens", chat("x").replace(b"50", b"NaN")),
    ("fewer than no tokens", chat("x").replace(b"50", b"-5")),
    ("tokens beyond counting", chat("x").replace(b"50", b"1e30")),
    ("a reason that is none", chat("x", choice={"finish_reason": {"a": [1]}})),
]
BROKEN_ANSWERS = [
    ("no body", b""),
    ("no JSON", b"<html>busy</html>"),
    ("any bytes", bytes(range(256))),
    ("deep JSON", b"[" * 100_000),
    ("long number", b"1" * 5000),
    ("null", b"null"),
    ("a list", b"[]"),
    ("an error", b'{"error": {"message": "x"}}'),
    ("no choices", b'{"choices": []}'),
    ("choices by name", b'{"choices": {"0": {}}}'),
    ("no message", b'{"choices": [{}]}'),
    ("a message that is text", b'{"choices": [{"message": "x"}]}'),
    ("content that is a number", chat(3)),
    ("content that is an object", chat({"text": "x"})),
    ("another encoding", chat("x").decode().encode("utf-16")[:-1]),
]


@pytest.fixture
def generation(tmp_path, monkeypatch):
    """A whole generation whose second request is answered so; gives back rows and counts."""
    monkeypatch.setattr(pacing, "FIRST_WAIT_SECONDS", 0.001)

    def generate(status, body, **changes):
        faults = {1: (status, body), 2: (status, body)}
        with FakeEndpoint(faults=faults, write=answer_to) as endpoint:
            teacher = {"concurrency": 1, "max_attempts": 2}
            usual = {"irrelevant_share": 0, "reworded_share": 0, "run_programs": "none"}
            recipe = endpoint_recipe(endpoint, **usual | changes, teacher=teacher)
            source = SourceRecipe(name="source", licence="CC0-1.0", synthetic=recipe)
            part, context = GeneratePart(source=source), Context(tmp_path, kept=tmp_path / "kept")
            generate_synthetic(part, {}, context)
            return pq.read_table(tmp_path / ROWS).to_pylist(), json.loads((tmp_path / COUNTS).read_text()), endpoint

    return generate


@pytest.mark.parametrize("body", [pytest.param(body, id=name) for name, body in ODD_ANSWERS])
@pytest.mark.slow
def test_an_odd_answer_is_counted_and_kept(body, generation, tmp_path):
    rows, counts, endpoint = generation(200, body)
    assert len(rows) == 12
    assert counts["requests"] == len(endpoint.charged) == counts["attempts"], "none was asked twice"
    assert counts["dollars"] > 0
    (kept,) = (tmp_path / "kept").glob("*.jsonl")
    assert len(KeptAnswers(kept).answers) == counts["requests"]
    assert (tmp_path / ANSWERS).is_file()


@pytest.mark.parametrize(("how", "program"), [("arithmetic", "result = 10**5000"), ("arithmetic", "while True: pass")])
@pytest.mark.slow
def test_a_program_that_fails_is_counted(how, program, generation):
    pytest.importorskip("pydantic_monty")
    _, counts, _ = generation(200, chat(problem(f"{program}\nresult = 10**5000")), run_programs=how)
    assert sum(count for reason, count in counts["left_out"].items() if reason.startswith("program: ")) == 1


@pytest.mark.parametrize("body", [pytest.param(body, id=name) for name, body in BROKEN_ANSWERS])
def test_a_broken_answer_is_given_up_once_others_were_had(body, generation, tmp_path):
    rows, counts, _ = generation(200, body)
    assert len(rows) == 12
    assert counts["malformed"] == {"given up: broken answer": 1}
    assert counts["lost_attempts"] == {"broken answer": 2}
    (kept,) = (tmp_path / "kept").glob("*.jsonl")
    assert len(KeptAnswers(kept).answers) == counts["requests"] - 1, "another run asks again"


@pytest.mark.parametrize("status", [400, 413, 422])
@pytest.mark.slow
def test_a_request_that_is_refused_is_given_up_once_others_were_had(status, generation):
    rows, counts, endpoint = generation(status, b'{"error": "too long"}')
    assert len(rows) == 12
    assert counts["malformed"] == {f"given up: HTTP {status}": 2}


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_teacher_that_is_gone_ends_it_with_one_line(status, generation):
    with pytest.raises(TeacherError, match=f"HTTP {status}: x y; check"):
        generation(status, b"x\n\x1b\x00 y")


@pytest.mark.parametrize(
    "event",
    [Answer("k", HALF), Answer("k", "\0\n\u2028"), Answer("k", "x", finish_reason=HALF), Lost("k", HALF, 1.0)],
    ids=["text", "lines", "reason", "lost"],
)
def test_what_is_kept_is_read_again(event, tmp_path):
    KeptAnswers(tmp_path / "kept.jsonl").tell(event)
    kept = KeptAnswers(tmp_path / "kept.jsonl")
    assert [*kept.answers.values(), *kept.lost] == [event]
