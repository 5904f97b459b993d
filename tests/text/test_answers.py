import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from winnow.text.answers import extract_answer, is_correct, normalise_answer

SPELLINGS = [
    ("(E)", "E"), ("e", "E"), ("E.", "E"), ("e )", "E"), ("[B]", "B"), ("**C**", "C"), (r"\text{(B)}", "B"),
    ("1,080", "1080"), ("$1,080.00", "1080"), ("122.00000000000004", "122"), ("51.0", "51"), (".5", "0.5"),
    ("5.", "5"), ("-5", "-5"), ("- 5", "-5"), ("−5", "-5"), ("-$5", "-5"), ("$-5", "-5"), ("-0.0", "0"),
    ("50%", "50"), (r"50\%", "50"), ("1/3", "0.333333"), ("3 / 4", "0.75"), (r"\frac{1}{2}", "0.5"), ("1/0", "1/0"),
    ("Rs. 560", "560"), ("rs . 560", "560"), ("$12$", "12"), ("1e-05", "0.00001"), ("2,520,000", "2520000"),
    ("19 , 104", "19104"), ("15 (balls)", "15"), ("5 apples", "5"), ("12 km/h", "12"), ("5 million", "5 million"),
    ("3 and a half", "3 and a half"), ("30 , 10", "30 , 10"), ("2x", "2x"), ("2:3", "2:3"), ("1.5.2", "1.5.2"),
    ("12 : 30", "12 : 30"), ("24a2", "24a2"), (" Paris. ", "paris"), ("None  of these", "none of these"), ("", ""),
    ("123456789012345678901234567890", "123456789012345678901234567890"), ("9" * 5000, "9" * 5000),
]  # fmt: skip

OUTPUTS = [
    ("48 + 24 = 72\n#### 72", 0, "72"),
    ("#### $72.00\n", 0, "72"),
    ("#### x = 5", 0, "5"),
    ("#### the total is 5.", 0, "5"),
    ("#### 2:3", 0, "2:3"),
    ("#### Paris", 0, "paris"),
    ("it is 5\n####  ", 0, "5"),
    ("#### 5\nQuestion: how many?\nAnswer: #### 6", 0, "5"),
    ("\nQuestion: 7 #### 8", 0, None),
    ("first #### 1 then #### 2", 0, "1 then #### 2"),
    (r"so \boxed{12}", 0, "12"),
    (r"\boxed{1} no, \boxed{\frac{3}{4}}.", 0, "0.75"),
    (r"\boxed{12", 0, "12"),
    ("The answer is 5. Then 6 more", 0, "5"),
    ("The answer is: **72**.", 0, "72"),
    ("the final answer is -5", 0, "-5"),
    ("Answer: $5.50 in total", 0, "5.5"),
    ("so 3 + 4 = 7.", 0, "7"),
    ("10-3", 0, "3"),
    ("10 - 13 = -3", 0, "-3"),
    ("there are 1,080 and 2,250", 0, "2250"),
    ("no idea", 0, None),
    ("", 0, None),
    ("rationale\n#### C", 5, "C"),
    ("#### (c) 5 km", 5, "C"),
    ("#### c ) 625", 5, "C"),
    ("#### 36", 5, "36"),
    ("A or B\n#### F", 5, "F"),
    (r"\boxed{C}", 5, "C"),
    ("the answer is (b)", 5, "B"),
    ("therefore , answer c .", 5, "C"),
    ("answer : c . \"", 5, "C"),
    ("Correct answer - A", 5, "A"),
    ("ans . e", 5, "E"),
    ("The answer is **D**", 5, "D"),
    ("correct option is C.", 5, "C"),
    ("Answer is a mystery", 5, None),
    ("A train left. So D is right.", 5, "D"),
    ("A train left at noon", 5, None),
    ("I think B", 9, "B"),
    ("either (C) or (D)", 5, "D"),
    ("so c ) 625 it is", 5, "C"),
    ("d", 5, "D"),
    ("E", 4, None),
    ("It's B's car", 5, None),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), SPELLINGS)
def test_answers_have_one_spelling(text, expected):
    assert normalise_answer(text) == expected


@pytest.mark.parametrize(("output", "options", "expected"), OUTPUTS)
def test_final_answers_are_found(output, options, expected):
    assert extract_answer(output, options=options) == expected


def test_equal_answers_are_correct_whatever_their_spelling():
    assert is_correct("#### 122.0", "122.00000000000004", options=0)
    assert is_correct("so it is (e)", "E.", options=5)
    assert is_correct("#### 2:3", "2:3", options=0)
    assert not is_correct("#### 36", "C", options=5)
    assert not is_correct("", "", options=0)


@settings(max_examples=50)
@given(st.text())
@example("0*.")
@example("\\\x1f0")
def test_spelling_is_stable(text):
    assert normalise_answer(normalise_answer(text)) == normalise_answer(text)


@settings(max_examples=50)
@given(st.text(alphabet="#5/,.$- abAE()\\boxed{}\n"), st.integers(0, 30))
def test_no_output_breaks_extraction(output, options):
    found = extract_answer(output, options=options)
    assert found is None or normalise_answer(found) == found


@settings(max_examples=50)
@given(st.integers(-(10**12), 10**12), st.integers(0, 3))
def test_numbers_survive_being_declared(number, places):
    assert is_correct(f"work\n#### {number:,.{places}f}", str(number), options=0)
