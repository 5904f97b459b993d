"""Instruction data: open answers are trained on as they stand, by every format that brings them."""

import json

import pyarrow.parquet as pq
import pytest

from winnow.pool.loading import load_examples
from winnow.recipe import SourceRecipe
from winnow.text.examples import from_table, to_table
from winnow.text.open_answers import is_open_text

FIELDS = {"question": ["instruction", "context"], "answer": "response"}
CODE = "Use **this**:\n\n```python\ndef F(X):\n    return {'a': X}\n```"
ROWS = [
    {"instruction": "Write F.", "context": None, "response": CODE},
    {"instruction": "Who is Ann?", "context": "Ann Lee was born in Rome.", "response": "Ann Lee"},
    {"instruction": "Tell me of Rome.", "context": "", "response": "Rome is the capital of Italy, and a large one."},
]


@pytest.fixture
def load(tmp_path):
    """The examples of these rows, by the question."""

    def build(rows, **layout):
        path = tmp_path / "rows.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        loaded = load_examples(SourceRecipe(name="rows", licence="MIT", path=str(path), **layout), {})
        return {each.question: each for each in loaded.examples}

    return build


def test_fields_of_instruction_data_keep_their_case_lines_and_code(load):
    made = load(ROWS, fields=FIELDS)
    assert made["Write F."].completion == f" {CODE}"
    short = made["Who is Ann? Ann Lee was born in Rome."]
    assert (short.prompt, short.completion) == ("Question: Who is Ann? Ann Lee was born in Rome.\nAnswer:", " Ann Lee")
    assert all(each.is_open and "####" not in each.completion for each in made.values())


def test_answers_say_what_rows_would_not(load):
    final = load(ROWS, fields=FIELDS, answers="final")
    assert final["Tell me of Rome."].completion == " #### Rome is the capital of Italy, and a large one."
    short = [{"instruction": "Who?", "context": "", "response": "Ann Lee"}]
    assert load(short, fields=FIELDS)["Who?"].completion == " #### Ann Lee"
    assert load(short, fields=FIELDS, answers="open")["Who?"].completion == " Ann Lee"


def test_a_few_long_answers_leave_the_others_final(load):
    rows = [{"instruction": f"How many {n}?", "context": "", "response": str(n)} for n in range(9)]
    made = load([*rows, ROWS[2]], fields=FIELDS)
    assert sorted(each.is_open for each in made.values()) == [False] * 9 + [True]
    assert made["How many 3?"].completion == " #### 3"
    assert made["Tell me of Rome."].completion == " Rome is the capital of Italy, and a large one."


def test_a_column_for_the_worked_answer_makes_answers_final(load):
    rows = [{"q": "Why?", "r": "Because\nof x.", "a": "The sum of all the numbers that were named above"}]
    made = load(rows, fields={"question": "q", "rationale": "r", "answer": "a"})["Why?"]
    assert made.completion == " Because\nof x.\n#### The sum of all the numbers that were named above"
    made = load(rows, fields={"question": "q", "rationale": "r", "answer": "a"}, answers="open")["Why?"]
    assert made.completion == " Because\nof x.\nThe sum of all the numbers that were named above"


@pytest.mark.parametrize(
    ("answer", "is_open"),
    [("5", False), ("(B)", False), ("the day after tomorrow", False), (r"\frac{\sqrt{3} + 1}{2} \cdot \pi", False),
     ("one two three four five six seven", True), ("a\nb", True), ("x" * 101, True), ("5\n", False)],
)  # fmt: skip
def test_open_text_has_lines_or_words(answer, is_open):
    assert is_open_text(answer) is is_open


def test_templates_are_taken_to_the_letter(load):
    layout = {"prompt": "{{Task}}: {instruction}\n\n{context}\n\n", "completion": "{response}<end>"}
    made = load(ROWS, **layout)
    assert made["Write F."].prompt == "{Task}: Write F.\n\n\n\n"
    assert made["Write F."].completion == f"{CODE}<end>"
    assert made["Who is Ann?\n\nAnn Lee was born in Rome."].completion == "Ann Lee<end>"


def test_a_column_that_some_rows_lack_is_empty_there(load):
    rows = [{"a": "x", "b": "{a}", "c": "1"}, {"a": "y", "c": "2"}, {"b": None, "c": "3"}, {"a": "z", "b": "w"}]
    made = load(rows, prompt="{a}|{b}", completion="{c}")
    assert {each.prompt: each.completion for each in made.values()} == {"x|{a}": "1", "y|": "2"}


def test_alpaca_lays_out_instruction_and_input(load):
    rows = [
        {"instruction": "Name it.", "input": "France", "output": "Paris"},
        {"instruction": "Go.", "output": "OK!\n"},
    ]
    made = load(rows, format="alpaca")
    assert (made["Name it.\n\nFrance"].prompt, made["Name it.\n\nFrance"].completion) == (
        "Question: Name it.\n\nFrance\nAnswer:", " Paris",
    )  # fmt: skip
    assert made["Go."].completion == " OK!\n"


TURNS = (("user", "Hi"), ("assistant", "Hello!"))
PART = [{"type": "text", "text": "Hello!"}]


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": [{"role": "user", "content": "Hi"}], "completion": [{"role": "assistant", "content": "Hello!"}]},
        {"prompt": [{"role": "user", "content": "Hi"}], "completion": "Hello!"},
        {"prompt": "Hi", "completion": [{"role": "assistant", "content": PART}]},
        {"prompt": [{"role": "user", "content": "Hi"}], "completion": PART},
    ],
)
def test_turns_in_prompt_and_completion_are_a_conversation(load, row):
    assert load([row], format="prompt_completion")["Hi"].messages == TURNS


def test_sharegpt_speaks_of_humans_and_gpt(load):
    turns = [{"from": "system", "value": "S"}, {"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello!"}]
    assert load([{"conversations": turns}], format="sharegpt")["Hi"].messages == (("system", "S"), *TURNS)
    named = load([{"talk": turns}], format="sharegpt", messages_field="talk")
    assert named["Hi"].messages == (("system", "S"), *TURNS)


def test_prompt_and_completion_stand_as_they_are_with_ids_of_their_own(load):
    rows = [{"prompt": "Say it. ", "completion": " Yes"}, {"prompt": "Say it.", "completion": " Yes"}]
    path_rows = load(rows, format="prompt_completion")
    assert len(path_rows) == 1
    one = path_rows["Say it."]
    assert one.completion == " Yes" and "#" not in one.id


def test_open_flags_come_back_from_the_table(load):
    made = list(load(ROWS, fields=FIELDS).values())
    assert from_table(to_table(made)) == made
    final = list(load([{"instruction": "1+1", "context": "", "response": "2"}], fields=FIELDS).values())
    assert "is_open" not in to_table(final).column_names and from_table(to_table(final)) == final


def test_a_pool_of_instructions_counts_and_tells(run_pool, source, tmp_path):
    path = tmp_path / "dolly.jsonl"
    rows = [row | {"instruction": f"{row['instruction']} {n}"} for n in range(8) for row in ROWS]
    rows += [{"instruction": "x", "context": "", "response": {"a": 1}}]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    dolly = SourceRecipe(name="dolly", licence="MIT", path=str(path), fields=FIELDS)
    numbers = source("gsm", [(f"{n} + 1?", f"#### {n + 1}") for n in range(9)] + [("no marker", "one\ntwo")])
    pool, outcome = run_pool([dolly, numbers], [source("test", [("9 + 9?", "#### 18")])], validation_fraction=0.1)
    found = {row["name"]: row for row in json.loads((pool.folder / "statistics.json").read_text())["sources"]}
    assert found["dolly"]["dropped_by_reason"] == {"a dict in column 'response'": 1}
    assert found["gsm"]["dropped_by_reason"] == {"no #### before a final answer": 1}
    assert found["dolly"]["long_answers"] > 0 and "long_answers" not in found["gsm"]
    table = pq.read_table(pool.folder / "train.parquet").to_pylist()
    assert {row["is_open"] for row in table if row["source"] == "gsm"} == {False}
    assert {row["completion"] for row in table if row["source"] == "dolly"} <= {f" {row['response']}" for row in ROWS}


def test_open_answers_are_never_planted_wrong(load):
    from winnow.pool.planting import wrong_choices

    made = [
        *load(ROWS, fields=FIELDS).values(),
        *load([{"q": "1+1", "a": "2"}], fields={"question": "q", "answer": "a"}).values(),
    ]
    assert not any(wrong_choices(made).values())


@pytest.mark.parametrize(("prompt", "count"), [("{instruction}", 24), ("{instruction}\n", 0)])
def test_prompts_that_run_into_their_completions_are_counted(run_pool, source, tmp_path, prompt, count):
    path = tmp_path / "dolly.jsonl"
    rows = [row | {"instruction": f"{row['instruction']} {n}"} for n in range(8) for row in ROWS]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    dolly = SourceRecipe(name="dolly", licence="MIT", path=str(path), prompt=prompt, completion="{response}")
    pool, outcome = run_pool([dolly], [source("test", [("9 + 9?", "#### 18")])], validation_fraction=0.5)
    (found,) = json.loads((pool.folder / "statistics.json").read_text())["sources"]
    assert (found.get("run_together", 0) > 0) is (count > 0) and found["format"] == "template"
