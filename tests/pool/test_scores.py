import json

import pyarrow.parquet as pq
import pytest

from winnow.errors import DataError
from winnow.pool.loading import load_examples
from winnow.recipe import SourceRecipe
from winnow.text.examples import POOL_SCHEMA, build_example, from_table, number_repeats, to_table

FIELDS = {"question": "q", "answer": "a"}


def scored(tmp_path, rows, **others):
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return SourceRecipe(name="mine", licence="MIT", path=str(path), fields=FIELDS, scores={"quality": "s"}, **others)


def row(number, **others):
    return {"q": f"{number} + 1?", "a": number + 1, "s": number / 4} | others


def test_scores_go_with_their_examples_and_are_no_part_of_the_id(tmp_path):
    loaded = load_examples(scored(tmp_path, [row(n) for n in range(9)]), {})
    plain = load_examples(scored(tmp_path, [row(n) for n in range(9)]).model_copy(update={"scores": {}}), {})
    assert [each.id for each in loaded.examples] == [each.id for each in plain.examples]
    assert {each.scores for each in plain.examples} == {()}
    for each in loaded.examples:
        assert each.scores == (("quality", int(each.question.split()[0]) / 4),)


def test_scores_survive_the_file():
    examples = [
        build_example("a", "x?", answer="1", scores={"z": 2.5, "b": -1.0}),
        build_example("a", "y?", answer="2"),
    ]
    table = to_table(examples)
    assert table["scores"].to_pylist() == [[("b", -1.0), ("z", 2.5)], []]
    assert from_table(table) == examples


def test_text_that_spells_a_number_is_one(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("q,a,s\n1 + 1?,2,0.5\n")
    source = SourceRecipe(name="mine", licence="MIT", path=str(path), fields=FIELDS, scores={"quality": "s"})
    assert load_examples(source, {}).examples[0].scores == (("quality", 0.5),)


@pytest.mark.parametrize("value", [None, "high", True, [1], float("nan"), float("inf")])
def test_a_score_that_is_no_number_is_refused(tmp_path, value):
    rows = [row(1), row(2, s=value)]
    with pytest.raises(DataError, match=r"in column 's'; a score must be a finite number in every row"):
        load_examples(scored(tmp_path, rows), {})


def test_a_column_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(DataError, match="source 'mine' has no column 's'; its columns are q, a"):
        load_examples(scored(tmp_path, [{"q": "1?", "a": 2}]), {})


def test_repeats_with_other_scores_are_numbered_the_same_in_any_order():
    twins = [build_example("a", "x?", answer="1", scores={"s": value}) for value in (0.3, 0.1, 0.2)]
    numbered = number_repeats(twins)
    assert numbered == number_repeats(twins[::-1])
    assert [each.scores[0][1] for each in numbered] == [0.1, 0.2, 0.3]


def test_the_pool_keeps_scores(run_pool, source, tmp_path):
    pool, _ = run_pool([scored(tmp_path, [row(n) for n in range(30)])], [source("test", [("9 + 9?", "#### 18")])])
    table = pq.read_table(pool.folder / "train.parquet")
    assert table.schema == POOL_SCHEMA
    assert all(dict(each)["quality"] >= 0 for each in table["scores"].to_pylist())
