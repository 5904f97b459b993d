"""The overlaps that the README of the public data tells of."""

from pathlib import Path

import pytest

from winnow.pool.hygiene.contamination import EQUAL, EvaluationIndex, Item, Row
from winnow.pool.loading import load_examples
from winnow.recipe import SourceRecipe
from winnow.text.questions import question_key

DATA = Path(__file__).parents[3].parent / "shared" / "data"
AQUA = {"question": "question", "rationale": "rationale", "answer": "answer"}


@pytest.mark.slow
@pytest.mark.skipif(not DATA.is_dir(), reason=f"no public data at {DATA}")
@pytest.mark.parametrize(
    ("splits", "format", "expected"),
    [(["mathqa/dev", "mathqa/test"], "math_qa", 225), (["aqua_rat/dev"], "aqua_rat", 3)],
)
def test_problems_of_other_sets_in_aqua_train_are_found(splits, format, expected):
    def examples(path, **others):
        return load_examples(
            SourceRecipe(name="x", licence="unknown", path=f"{DATA}/{path}.jsonl.gz", **others), {}
        ).examples

    items = [Item(path, each.id, each.question) for path in splits for each in examples(path, format=format)]
    rows = [Row(each.id, (each.question,), "") for each in examples("flan_cot/aqua_train", fields=AQUA)]
    found = EvaluationIndex(items).hits(rows).items[EQUAL]
    assert len({question_key(items[number].question) for number in found}) == expected
