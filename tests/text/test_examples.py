import random

import pyarrow as pa
import pytest

from winnow.text.examples import (
    EXAMPLE_SCHEMA,
    build_example,
    completion_of,
    from_table,
    number_repeats,
    prompt_of,
    read_examples,
    to_table,
    write_table,
)


@pytest.fixture
def examples():
    return [
        build_example("toy", "How many?", answer="5", rationale="2 + 3 = 5"),
        build_example("toy", "Which?", answer="B", options=["sun", "sea"], planted="near_copy"),
    ]


def test_prompt_and_completion():
    assert prompt_of("How many?", []) == "Question: How many?\nAnswer:"
    assert prompt_of("Which?", ["3", "4"]) == "Question: Which?\nOptions: A) 3 B) 4\nAnswer:"
    assert completion_of("2 + 3 = 5", "5", "rationale") == " 2 + 3 = 5\n#### 5"
    assert completion_of("2 + 3 = 5", "5", "answer") == completion_of("", "5", "rationale") == " #### 5"


def test_ids_come_from_the_content_and_are_the_same_everywhere(examples):
    assert examples[0].id == "toy:f3edb1b0b84d88ef"
    assert examples[0].id == build_example("toy", " How many? ", answer="5", rationale="2 + 3 = 5").id
    assert build_example("toy", "How many?", answer="6", rationale="2 + 3 = 5").id != examples[0].id


def test_questions_that_differ_in_numbers_are_one_group():
    one, other = (build_example("toy", f"Tom has {number} eggs.", answer="5") for number in ("3", "twelve"))
    assert one.group == other.group
    signs = [build_example("toy", question, answer="5") for question in ("?", "!")]
    assert signs[0].group != signs[1].group


def test_repeats_are_numbered_whatever_the_order(examples):
    planted = build_example("toy", "How many?", answer="5", rationale="2 + 3 = 5", planted="near_copy")
    rows = [*examples, examples[0], planted]
    numbered = number_repeats(rows)
    random.Random(1).shuffle(rows)
    assert number_repeats(rows) == numbered
    assert len({example.id for example in numbered}) == 4
    assert {f"{examples[0].id}{end}" for end in ("", "#2", "#3")} <= {example.id for example in numbered}


def test_examples_survive_a_table(examples):
    assert from_table(to_table(examples)) == examples
    assert to_table([]).schema == EXAMPLE_SCHEMA
    assert from_table(to_table(examples).append_column("score", pa.array([1, 2]))) == examples


def test_files_are_the_same_bytes_and_read_back(examples, tmp_path):
    for name in ("one", "two"):
        write_table(to_table(examples), tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    assert read_examples(tmp_path / "one") == examples
