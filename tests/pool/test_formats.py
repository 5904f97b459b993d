import pytest

from winnow.errors import DataError, RecipeError
from winnow.pool.formats import FORMATS, Parts, data_format, document_of, find_format, math_qa_options
from winnow.pool.loading import ReadRow, example_of
from winnow.recipe import FieldsRecipe, SourceRecipe


def source_of(format_name, **others):
    return SourceRecipe(name="toy", licence="MIT", path="toy.jsonl", format=format_name, **others)


def read(format_name, row, **others):
    return find_format(format_name)(row, source_of(format_name, **others))


def by_fields(row, **columns):
    return read("fields", row, fields=FieldsRecipe(**({"question": "q", "answer": "a"} | columns)))


def test_gsm8k_loses_its_calculator_marks():
    row = {"question": "How many?", "answer": "48/2 = <<48/2=24>>24 clips.\nAll: <<24+48=72>>72.\n#### 1,072"}
    assert read("gsm8k", row) == Parts("How many?", " 1,072", "48/2 = 24 clips.\nAll: 72.\n")


def test_aqua_rat_options_lose_their_letters():
    row = {"question": "Which?", "options": ["A)36", "B) (1) alone", "C )7"], "rationale": "Answer B", "correct": "B"}
    assert read("aqua_rat", row) == Parts("Which?", "B", "Answer B", ("36", "(1) alone", "7"))


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("a ) 38 , b ) 27.675 , c ) none", ("38", "27.675", "none")),
        ("a ) 35 , 3 , b ) 1 , 512 , c ) 3,312", ("35 , 3", "1 , 512", "3,312")),
        ("['a ) 13 1 / 2', 'b ) b ) 4 π']", ("13 1 / 2", "4 π")),
        ("a ) f ( a ) = 1 , b ) g ( b ) , c )", ("f ( a ) = 1", "g ( b )", "")),
        ("[1, 2]", ()),
        ("", ()),
    ],
)
def test_math_qa_options_may_hold_commas_and_brackets(text, options):
    assert math_qa_options(text) == options


def test_math_qa_is_read_in_both_spellings_of_its_columns():
    row = {"Problem": "how many ?", "Rationale": '"so answer c ."', "options": "a ) 1 , b ) 2", "correct": "b"}
    expected = Parts("how many ?", "b", "so answer c .", ("1", "2"))
    assert read("math_qa", row) == read("math_qa", {key.lower(): value for key, value in row.items()}) == expected


def test_a_letter_without_options_is_no_answer():
    assert read("math_qa", {"Problem": "?", "Rationale": "", "options": "none", "correct": "b"}).answer == ""


def test_svamp_joins_body_and_question():
    row = {"Body": "Dan had $ 3 left ", "Question": "How much was it?", "Answer": 1.0}
    assert read("svamp", row) == Parts("Dan had $ 3 left, How much was it?", "1.0")


def test_fields_join_questions_and_take_lists_of_one():
    row = {"q": "How many?", "body": "Tom has 3.", "a": ["400"], "r": None}
    assert by_fields(row, question=("body", "q"), rationale="r") == Parts("Tom has 3. How many?", "400")


def test_inline_options_make_a_question_multiple_choice():
    row = {"q": "Find it?\nOptions:\n(A) 24a8\n(B) 24a4", "a": "(B)"}
    assert by_fields(row) == Parts("Find it?", "(B)", "", ("24a8", "24a4"))


@pytest.mark.parametrize(("answer", "letter"), [("B", "B"), ("(b)", "(b)"), ("sea", "B"), (1, "B"), ("fog", "fog")])
def test_right_options_are_named_by_letter_text_or_position(answer, letter):
    assert by_fields({"q": "Which?", "o": ["sun", "sea"], "a": answer}, options="o").answer == letter


def test_options_must_be_a_list():
    with pytest.raises(DataError, match="options 'sun, sea'; they must be a list"):
        by_fields({"q": "Which?", "o": "sun, sea", "a": "A"}, options="o")


def test_a_missing_column_lists_those_there_are():
    with pytest.raises(DataError, match=r"no column 'answer' \(did you mean 'answers'\?\); its columns are q, answers"):
        by_fields({"q": "How many?", "answers": "5"}, answer="answer")
    with pytest.raises(DataError, match="no column 'Problem'"):
        read("math_qa", {"Question": "?"})


def test_unknown_formats_list_the_known_ones():
    with pytest.raises(RecipeError, match=r"unknown format 'gsm9k' \(did you mean 'gsm8k'\?\); known: gsm8k, aqua_rat"):
        find_format("gsm9k")
    with pytest.raises(RecipeError, match="'text' has no questions"):
        find_format("text")


def test_a_format_is_registered_once():
    with pytest.raises(ValueError, match="registered twice"):
        data_format("gsm8k")(FORMATS["svamp"])


def test_documents_come_from_their_column():
    assert document_of({"body": "Once."}, source_of("text", text_field="body")) == "Once."


@pytest.mark.parametrize(("answer", "trained", "compared"), [
    ("$1,080.00", "1080", "1080"),
    ("(b)", "B", "B"),
    ("Paris", "Paris", "paris"),
    (r"\dfrac{1}{2}", "0.5", "0.5"),
    (r"\left(3,\,-4\right)", r"\left(3,\,-4\right)", "(3, -4)"),
    ("x >= 5", "x >= 5", "x >= 5"),
])  # fmt: skip
def test_a_final_answer_is_trained_on_as_it_stands_unless_it_is_a_number_or_a_letter(answer, trained, compared):
    parts = by_fields({"q": "Where?", "a": answer})
    example = example_of(source_of("fields", fields={"question": "q", "answer": "a"}), ReadRow({}, parts, {}))
    assert (example.completion, example.answer) == (f" #### {trained}", compared)
