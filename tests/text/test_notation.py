"""Answers of mathematics in one spelling: what is equal, what is not, and what a real set of answers gives."""

import gzip
import json
import random
import re
from collections import defaultdict
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests_support import SHARED
from winnow.text.answers import extract_answer, normalise_answer, spell
from winnow.text.notation import one_notation

MATH = SHARED / "data" / "math"
PIECES = [
    r"\frac",
    r"\sqrt",
    r"\text{q}",
    r"\dfrac",
    "^",
    "_",
    "{a}",
    "{b1}",
    "{",
    "}",
    "x",
    "7",
    ",",
    "-",
    "+",
    "(",
    ")",
]
GSM8K = SHARED / "data" / "gsm8k"

EQUAL = [
    [r"3\frac{1}{2}", "3.5", "7/2", "3 1/2", r"\frac72", "3½", r"3\dfrac12", r"$3\frac 1 2$", r"x = 3\frac12"],
    [r"-\frac{1}{2}", r"\frac{-1}{2}", r"-\frac12", "-1/2", "−0.5", "-.5", r"- \dfrac 1 2"],
    [r"\frac1{72}", r"\frac{1}{72}", "1/72", r"\dfrac1{72}"],
    ["1,100", r"1{,}100", r"1\,100", r"1\!100", r"1,\!100", "1100", "$1,100", r"\$1{,}100", r"1\ 100"],
    ["3 \\times 10^4", r"3 \cdot 10^{4}", "30000", "30,000", "3e4", "3×10^4", "3*10**4", "3 × 10⁴"],
    ["(3,4)", "(3, 4)", r"\left( 3,4 \right)", r"(3,\,4)", r"( 3 , 4 )", r"\left(3,\; 4\right)", r"(x, y) = (3, 4)"],
    ["(1,5]", "(1, 5]", r"\left(1,5\right]", r"x \in (1, 5]"],
    [r"x \ge 5", "x >= 5", r"x \geq 5", "x≥5", r"x\geqslant 5", "x>=5"],
    [r"\{1,2\}", "{1, 2}", r"\left\{1, 2\right\}", r"\lbrace 1, 2 \rbrace"],
    [r"2\sqrt{3}", r"2\sqrt3", r"2 \sqrt 3", "2√3", "2sqrt(3)", "2√(3)"],
    [r"\frac{\pi}{6}", r"\pi/6", "π/6", "pi/6", r"\frac\pi6"],
    [r"\frac{x+1}{2}", "(x+1)/2", r"\dfrac{x + 1}{2}"],
    ["x^2+1", "x^{2} + 1", "x² + 1", "y = x^2+1", "f(x) = x**2 + 1"],
    ["5 cm", r"5\text{ cm}", r"5\,\text{cm}", r"5 \mathrm{cm}", "5", "5 cm^2", r"5\mbox{ cm}^2", "5 cm²"],
    ["90°", r"90^\circ", r"90^{\circ}", "90 degrees", "90"],
    ["101_2", "101_{2}", r"101_{\text{2}}"],
    [r"1 \pm \sqrt{2}", r"1\pm\sqrt2", "1±√2", "1 +/- √2"],
    [r"(-\infty, 3) \cup (3, \infty)", r"(-\infty,3)\cup(3,\infty)", "(-∞,3)∪(3,∞)"],
    ["4:30 p.m.", "4:30 PM", r"\text{4:30 pm}", r"4\!:\!30\text{ p.m.}"],
    [r"\begin{pmatrix}1&2\\3&4\end{pmatrix}", r"\begin{pmatrix} 1 & 2 \\ 3 & 4 \end{pmatrix}"],
    ["3:2", r"3\colon 2", r"3\!:\!2", "3 : 2"],
    [r"\text{Monday}", "monday", "Monday.", r"\mbox{Monday}", "**Monday**"],
]  # fmt: skip

DIFFERENT = [
    [r"3\frac{1}{2}", "15.5", r"3\cdot\frac{1}{2}", "3, 1/2"],
    ["1, 100", "1100", "1, 10, 0", "(1, 100)", r"\{1, 100\}", "100, 1", "1"],
    ["2, 345", "2345", "2 345", "345"],
    ["x >= 5", "x > 5", "x <= 5", "x < 5", "5", "x = 5, 5", "x != 5", "5 >= x"],
    ["x=5, y=7", "7", "5", "5, 7", "x=7, y=5", "x = 5 and y = 7"],
    ["(1,5)", "[1,5]", "(1,5]", "[1,5)", "1, 5", "1.5", r"\{1,5\}"],
    ["x = 5 or x = 7", "7", "5"],
    ["101_2", "101", "101_3", "1012"],
    ["10:30", "10", "30", "10.5", "1030", "10/30"],
    ["5 am", "5 pm", "5"],
    ["3:2", "1.5", "32", "2:3"],
    [r"1 \pm \sqrt{2}", r"1 + \sqrt{2}", r"1 - \sqrt{2}", "1"],
    [r"\frac{2a+b}{2}", r"2a+\frac{b}{2}", "2a + b"],
    [r"\frac{176}{3}\pi", r"\frac{176}{3\pi}", r"\frac{3\pi}{176}"],
    [r"\frac{x}{y+1}", r"\frac{x}{y}+1"],
    [r"2^{10}", "210", "2^1", "20"],
    [r"\sqrt{2}", "2", r"\sqrt{3}", r"\sqrt[3]{2}", "1/2"],
    [r"\pi", "3.14", "1"],
    [r"\frac{4036082}{4036081}", "1"],
    [r"\dfrac{1}{29,\!322,\!216}", "0"],
    ["6.63 \\times 10^{-34}", "0", "6.63"],
    ["x^2 + y^2 = 13", "13"],
    ["x - 3z = 0", "0", "2x + z - 5 = 0"],
    [r"-\infty", r"\infty", "0"],
    ["0,333", "333", "0.333"],
    ["1,000,00", "100000", "1, 0, 0"],
    ["3 feet and six inches", "3"],
    ["5 squared", "5"],
    [r"\begin{pmatrix}1\\2\end{pmatrix}", r"\begin{pmatrix}1&2\end{pmatrix}", "1, 2", "12"],
    [r"\Delta", r"\delta"],
]  # fmt: skip


@pytest.mark.parametrize("answers", EQUAL, ids=lambda answers: answers[0])
def test_answers_that_are_written_in_several_ways_are_equal(answers):
    assert {answer: normalise_answer(answer) for answer in answers} == dict.fromkeys(
        answers, normalise_answer(answers[0])
    )
    assert {extract_answer(rf"so \boxed{{{answer}}}", options=0) for answer in answers} == {
        normalise_answer(answers[0])
    }


@pytest.mark.parametrize("answers", DIFFERENT, ids=lambda answers: answers[0])
def test_answers_that_say_different_things_are_different(answers):
    assert len({normalise_answer(answer) for answer in answers}) == len(answers)
    assert len({extract_answer(rf"so \boxed{{{answer}}}", options=0) for answer in answers}) == len(answers)


def test_classes_of_equal_answers_have_spellings_of_their_own():
    assert len({normalise_answer(answers[0]) for answers in EQUAL}) == len(EQUAL)


@settings(max_examples=300)
@given(st.text(alphabet="0123456789.,/ -+=<>$%()[]{}^_\\xyπ½frac sqrt text le|:°'\n"))
def test_spelling_mathematics_is_stable(text):
    assert normalise_answer(normalise_answer(text)) == normalise_answer(text)
    found = extract_answer(f"#### {text}", options=0)
    assert found is None or normalise_answer(found) == found


@settings(max_examples=200)
@given(st.lists(st.sampled_from(PIECES)))
@pytest.mark.slow
def test_no_letter_or_digit_is_lost(pieces):
    def told(text):
        return sorted(re.sub(r"\\d?frac|\\(?:sqrt|text)|[^0-9a-z]", "", text))

    assert told(one_notation("".join(pieces))) == told("".join(pieces))


@settings(max_examples=200)
@given(st.integers(0, 999), st.integers(1, 99), st.integers(2, 99), st.booleans())
def test_mixed_numbers_are_the_numbers_that_they_are(whole, above, below, is_negative):
    sign, value = "-" if is_negative else "", whole + Fraction(above % below, below)
    written = rf"{sign}{whole}\frac{{{above % below}}}{{{below}}}"
    if above % below and whole:
        assert normalise_answer(written) == spell(-value if is_negative else value)
        assert normalise_answer(f"{sign}{whole} {above % below}/{below}") == normalise_answer(written)


@settings(max_examples=200)
@given(st.integers(-(10**9), 10**9), st.integers(0, 4), st.sampled_from(["{}", "${}", "{}%", "{} apples", "x = {}"]))
def test_the_short_way_for_numbers_ends_where_the_long_one_does(number, places, written):
    text = f"{number / 7:,.{places}f}"
    assert normalise_answer(written.format(text)) == normalise_answer(rf"\text{{{text}}}")


def test_numbers_of_thousands_of_digits_stay_texts_and_are_written_whole():
    assert normalise_answer("1" * 5000) == "1" * 5000
    assert normalise_answer(f"1/{'3' * 5000}") == f"1/{'3' * 5000}"
    assert spell(Fraction(10**5000)) == "1" + "0" * 5000
    assert spell(Fraction(-1, 10**5000)) == "0"
    assert spell(Fraction(10**5000 + 1, 2)) == "5" + "0" * 4999 + ".5"
    assert extract_answer(f"#### 0.{'1' * 900}", options=0) == f"0.{'1' * 900}"


def test_braces_that_do_not_match_or_go_deep_are_left():
    assert one_notation(r"\frac{1}{2") == r"\frac{1}{2"
    assert one_notation("{" * 50 + "1" + "}" * 50) == "{" * 50 + "1" + "}" * 50
    assert normalise_answer(r"\frac{1}{2") != normalise_answer("1/2")
    for repeated in ("^", "_", r"\frac", r"\sqrt", r"\text", r"\frac1", r"\sqrt{", "^{", r"\left("):
        assert normalise_answer("5" + repeated * (900 // len(repeated)))
        assert normalise_answer("5" + repeated * 40 + "}" * 40)


def math_answers():
    """The answers of MATH, each once."""
    answers = []
    for name in ("train", "test"):
        with gzip.open(MATH / f"{name}.jsonl.gz", "rt", encoding="utf-8") as lines:
            answers += [str(json.loads(line)["answer"]) for line in lines]
    assert len(answers) == 12_500
    return [answer for answer in dict.fromkeys(answers) if answer]


@pytest.mark.skipif(not MATH.is_dir(), reason=f"{MATH} is not there")
@pytest.mark.slow
def test_answers_of_math_are_stable_and_found_in_a_box():
    for answer in math_answers():
        spelled = normalise_answer(answer)
        assert normalise_answer(spelled) == spelled
        assert extract_answer(rf"\boxed{{{answer}}}", options=0) == spelled


@pytest.mark.skipif(not GSM8K.is_dir(), reason=f"{GSM8K} is not there")
def test_answers_of_gsm8k_are_plain_numbers():
    for name in ("train", "test"):
        with gzip.open(GSM8K / f"{name}.jsonl.gz", "rt", encoding="utf-8") as lines:
            finals = [json.loads(line)["answer"].rpartition("#### ")[2] for line in lines]
        assert [normalise_answer(final) for final in finals] == [final.replace(",", "") for final in finals]


@pytest.mark.slow
@pytest.mark.skipif(not MATH.is_dir(), reason=f"{MATH} is not there")
def test_answers_of_math_that_we_call_equal_are_equal_to_math_verify():
    """But for percent signs, which we leave out, and what it does not read at all: text, and stops after the answer."""
    verified = math_verify_judge()
    groups = defaultdict(list)
    for answer in math_answers():
        groups[normalise_answer(answer)].append(answer)
    pairs = [(group[0], other) for group in groups.values() for other in group[1:]]
    assert len(pairs) > 500
    differing = [pair for pair in pairs if not verified(*pair)]
    unread = re.compile(r"%|[.,]$|\\text")
    assert [pair for pair in differing if not any(unread.search(answer) for answer in pair)] == []
    assert len(differing) < 50


@pytest.mark.slow
@pytest.mark.skipif(not MATH.is_dir(), reason=f"{MATH} is not there")
def test_answers_of_math_with_one_fault_are_not_called_right():
    """What we call equal of 150 answers and their faulty copies, math-verify does too, but for names and units."""
    verified, random_state = math_verify_judge(), random.Random(0)
    answers = random_state.sample(math_answers(), 150)
    pairs = [(answer, faulty) for answer in answers for faulty in faulty_copies(answer, random_state)]
    wrong = [pair for pair in pairs if normalise_answer(pair[0]) == normalise_answer(pair[1]) and not verified(*pair)]
    assert len(pairs) > 800
    assert [pair for pair in wrong if not re.match(r"[a-z] ?=|.*(?:\\text|%)", pair[0])] == []


def faulty_copies(answer, random_state):
    """The answer with one character changed, in several ways."""
    made = set()
    if digits := [found.start() for found in re.finditer(r"\d", answer)]:
        at = random_state.choice(digits)
        other = str((int(answer[at]) + random_state.randint(1, 8)) % 10)
        made |= {answer[:at] + put + answer[at + 1 :] for put in (other, answer[at] + other, "", ", " + answer[at])}
    for old, new in [
        ("+", "-"),
        ("-", "+"),
        ("[", "("),
        (")", "]"),
        (r"\pi", ""),
        (r"\sqrt", ""),
        ("_", ""),
        ("^", ""),
    ]:
        made.add(answer.replace(old, new, 1))
    made |= {answer + ", 5", "x >= " + answer, "x = " + answer + ", y = 3", answer + "x", "3" + answer}
    return sorted(made - {answer})


def math_verify_judge():
    """Whether math-verify takes two answers for equal."""
    math_verify = pytest.importorskip("math_verify")
    read = {}

    def parsed(answer):
        if answer not in read:
            read[answer] = math_verify.parse(rf"\boxed{{{answer}}}", parsing_timeout=None)
        return read[answer]

    return lambda a, b: (
        math_verify.verify(parsed(a), parsed(b), timeout_seconds=None)
        or math_verify.verify(parsed(b), parsed(a), timeout_seconds=None)
    )
