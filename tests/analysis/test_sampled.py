"""pass@k and rarefaction: by hand, by drawing, and as tables of planted answers."""

import itertools
import sys
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from ruamel.yaml import YAML

sys.path.insert(0, str(Path(__file__).parents[1] / "report"))
from study_factory import stage
from varied_factory import write_varied

from winnow.analysis.find import find
from winnow.analysis.sampled import pass_at_k, unique_of
from winnow.errors import DataError
from winnow.evaluation.sampling import COLUMNS
from winnow.store import read_json, write_json


@pytest.mark.parametrize(
    ("n", "right", "k", "expected"),
    [(50, 10, 1, 0.2), (8, 4, 1, 0.5), (8, 4, 2, 0.785714), (8, 4, 4, 0.985714), (8, 4, 8, 1), (50, 50, 1, 1)],
)
def test_pass_at_k_is_the_published_one(n, right, k, expected):
    assert pass_at_k(n=n, right=right, k=k) == pytest.approx(expected, abs=1e-6)


def test_pass_at_k_is_the_share_of_subsets_with_a_right_one():
    for n, right in ((6, 0), (6, 1), (6, 4), (5, 5)):
        for k in range(1, n + 1):
            subsets = list(itertools.combinations(range(n), k))
            share = sum(min(subset) < right for subset in subsets) / len(subsets)
            assert pass_at_k(n=n, right=right, k=k) == pytest.approx(share)


@pytest.mark.parametrize("k", [0, 9])
def test_more_than_were_drawn_is_refused(k):
    with pytest.raises(DataError, match=rf"pass@{k} is asked of 8 answers; k has to lie in 1 to 8"):
        pass_at_k(n=8, right=4, k=k)


@pytest.mark.parametrize(("m", "expected"), [(1, 1), (5, 2.5288), (10, 3.2963), (50, 4)])
def test_unique_of_m_is_the_published_one(m, expected):
    assert unique_of([30, 10, 5, 5], m) == pytest.approx(expected, abs=5e-5)


def test_unique_of_m_is_the_mean_over_all_draws():
    answers = "aaabbc"
    for m in range(len(answers) + 1):
        draws = list(itertools.combinations(answers, m))
        mean = sum(len(set(draw)) for draw in draws) / len(draws)
        assert unique_of(list(Counter(answers).values()), m) == pytest.approx(mean)
    with pytest.raises(DataError, match="different ones of 7 are asked of 6 answers"):
        unique_of([3, 2, 1], 7)


ANSWERS = {"q1": ["4", "4", "5", "6"], "q2": ["7", "7", "7", "7"]}
"""Item -> its outputs; right are 4 and 7."""


@pytest.fixture
def tables(tmp_path):
    write_varied(tmp_path)
    yaml = YAML()
    recipe = yaml.load((tmp_path / "recipe.yaml").read_text())
    recipe["evaluation"]["sampling"] = {"num_samples": 4, "k": [1, 2, 4]}
    yaml.dump(recipe, tmp_path / "recipe.yaml")
    stages = read_json(tmp_path / "records/stages.json")
    for arm, seeds in (("full_epochs1", (0, 1, 2)), ("zero_shot", (None,))):
        for seed in seeds:
            run = "zero_shot" if seed is None else f"{arm}{f'_s{seed}' if seed else ''}_best"
            rows = [
                {"set": "gsm_like", "id": item, "sample": place, "output": f" {output}\n", "extracted": output,
                 "is_right": output in "47" and seed is not None, "target": "4"}
                for item, outputs in ANSWERS.items() for place, output in enumerate(outputs)
            ]  # fmt: skip
            (tmp_path / "records/items").mkdir(exist_ok=True)
            pq.write_table(
                pa.Table.from_pylist(rows, schema=COLUMNS), tmp_path / f"records/items/sampling.{run}.parquet"
            )
            name = f"sample.{arm}" if seed is None else f"sample.{arm}.s{seed}"
            stages.append(stage(name, "sample", {}, arm=None if seed is None else arm, seed=seed))
    write_json(tmp_path / "records/stages.json", stages)
    return find(tmp_path).tables


def test_the_table_of_pass_at_k_has_a_row_for_each_k(tables):
    rows = {(row["arm"], row["k"]): row for row in tables["pass_at_k"].rows}
    assert set(rows) == {(arm, k) for arm in ("full_epochs1", "zero_shot") for k in (1, 2, 4)}
    assert rows["full_epochs1", 1]["pass_share"] == pytest.approx((0.5 + 1) / 2)
    assert rows["full_epochs1", 2]["pass_share"] == pytest.approx((5 / 6 + 1) / 2)
    assert rows["full_epochs1", 4]["pass_share"] == 1 and rows["zero_shot", 4]["pass_share"] == 0
    assert (rows["full_epochs1", 1]["items"], rows["full_epochs1", 1]["seeds"]) == (2, 3)
    assert rows["full_epochs1", 1]["stderr_share"] == pytest.approx(0.25)


def test_the_table_of_diversity_has_right_and_wrong_ones_apart(tables):
    rows = {(row["arm"], row["among"], row["m"]): row for row in tables["diversity"].rows}
    assert rows["full_epochs1", "all", 4]["different"] == pytest.approx((3 + 1) / 2)
    assert rows["full_epochs1", "right", 2]["different"] == 1 and rows["full_epochs1", "right", 2]["items"] == 2
    assert rows["full_epochs1", "right", 4]["items"] == 1, "the one item with four right answers"
    assert rows["full_epochs1", "wrong", 2]["different"] == 2 and rows["full_epochs1", "wrong", 2]["items"] == 1
    assert rows["full_epochs1", "wrong", 4]["different"] is None
    assert rows["zero_shot", "wrong", 4]["different"] == pytest.approx(2)
