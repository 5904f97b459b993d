"""The real data: every built-in format, and the overlaps that its README counts."""

import pytest

from winnow.pool.cleaning import keys_by_set, remove_overlaps
from winnow.pool.loading import load_examples
from winnow.recipe import FieldsRecipe, SourceRecipe

FLAN = FieldsRecipe(question="question", answer="answer", rationale="rationale")
GAIN = FieldsRecipe(question="Input", answer="Output Answer")
MAWPS = FieldsRecipe(question="original_text", answer="ans")
LISTED = FieldsRecipe(question="sQuestion", answer="lSolutions")

SETS = {
    "gsm8k/test": ("gsm8k", None, 1319, 0),
    "aqua_rat/dev": ("aqua_rat", None, 254, 5),
    "mathqa/dev": ("math_qa", None, 4475, 5),
    "mathqa/test": ("math_qa", None, 2985, 5),
    "mathqa/train_gain_subset": ("fields", GAIN, 3629, 0),
    "svamp/all": ("svamp", None, 1000, 0),
    "mawps/subset": ("fields", MAWPS, 1975, 0),
    "multiarith/test": ("fields", LISTED, 600, 0),
    "addsub/test": ("fields", LISTED, 395, 0),
    "singleeq/test": ("fields", LISTED, 508, 0),
    "flan_cot/aqua_train": ("fields", FLAN, 2728, 5),
}
"""File -> format, fields, rows, options of a question (of most of them in aqua_train)."""


@pytest.fixture(scope="module")
def load():
    cache = {}

    def once(folder, name):
        if name not in cache:
            kind, fields, *_ = SETS[name]
            path = str(folder / f"{name}.jsonl.gz")
            source = SourceRecipe(name=name.replace("/", "_"), licence="x", path=path, format=kind, fields=fields)
            cache[name] = load_examples(source, {})
        return cache[name].examples

    return once


@pytest.mark.parametrize("name", SETS)
@pytest.mark.slow
def test_every_row_is_read(data, load, name):
    *_, rows, options = SETS[name]
    examples = load(data, name)
    assert len(examples) == len({each.id for each in examples}) == rows
    assert sum(len(each.options) == options for each in examples) >= rows - 1
    assert all(each.completion.endswith(f"#### {each.answer}") for each in examples)


def overlaps(one, other):
    """Rows of one that ask a question of the other, and how many questions these are."""
    keys = keys_by_set(other)
    found = {each.id for each in one} - {each.id for each in remove_overlaps(one, keys).kept}
    shared = set.intersection(*(set.union(*keys_by_set(rows).values()) for rows in (one, other)))
    return len(found), len(shared)


@pytest.mark.slow
def test_mathqa_problems_in_aqua_train_are_found(data, load):
    mathqa = load(data, "mathqa/dev") + load(data, "mathqa/test")
    assert overlaps(mathqa, load(data, "flan_cot/aqua_train")) == (226, 225)
    assert overlaps(load(data, "flan_cot/aqua_train"), mathqa) == (313, 225)
    assert overlaps(load(data, "aqua_rat/dev"), load(data, "flan_cot/aqua_train")) == (3, 3)


def test_mathqa_dev_and_test_share_problems(data, load):
    assert overlaps(load(data, "mathqa/dev"), load(data, "mathqa/test")) == (17, 17)


def test_mawps_holds_the_sets_made_from_it(data, load):
    for name in ("multiarith/test", "addsub/test", "singleeq/test"):
        assert overlaps(load(data, name), load(data, "mawps/subset"))[0] == SETS[name][2]
    assert overlaps(load(data, "addsub/test"), load(data, "singleeq/test"))[0] == 126
    assert overlaps(load(data, "svamp/all"), load(data, "mawps/subset")) == (0, 0)


def test_gsm8k_holds_no_calculator_marks(data, load):
    examples = load(data, "gsm8k/test")
    assert not any("<<" in each.completion for each in examples)
    assert {each.answer for each in examples if "," in each.answer} == set()
