"""Forgetting: its arithmetic, its interval over items and seeds, and what is said of it; contaminated items."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from winnow.analysis.benchmarks import (
    contaminated,
    forgetting,
    forgetting_interval,
    forgetting_sentence,
    forgetting_verdict,
)
from winnow.analysis.items import Parts
from winnow.findings import Estimate, Table


def test_forgetting_is_the_drop_of_the_plain_average():
    """G21 of the published definition, with fixed numbers: mean(HellaSwag, ARC-C, WinoGrande), base - tuned."""
    base = {"hellaswag": 0.60, "arc_challenge": 0.45, "winogrande": 0.75}
    tuned = {"hellaswag": 0.57, "arc_challenge": 0.39, "winogrande": 0.75}
    assert forgetting(base, tuned) == pytest.approx(0.03)
    assert forgetting(tuned, base) == pytest.approx(-0.03)


def lost(rates, *, seeds=1, items=400, seed=0):
    """What so many items of each task add to the forgetting, where each is lost with its task's rate."""
    draw = np.random.default_rng(seed)
    values = [draw.random((seeds, items)) < rate for rate in rates]
    sets = np.repeat([f"task{n}" for n in range(len(rates))], items)
    ids = np.tile([str(n) for n in range(items)], len(rates))
    return Parts(np.concatenate(values, axis=1) / items / len(rates), sets, ids)


@pytest.mark.parametrize("seeds", [1, 3])
def test_a_drop_is_called_forgetting_and_none_is_not(seeds):
    dropped = forgetting_interval(lost([0.2, 0.1], seeds=seeds), 0.95, num_comparisons=1)
    assert dropped.mean == pytest.approx(0.15, abs=0.03)
    assert forgetting_verdict(dropped) == "forgets"
    parts = lost([0.1, 0.1], seeds=seeds)
    same = Parts(parts.values - lost([0.1, 0.1], seeds=seeds, seed=1).values, parts.sets, parts.ids)
    assert forgetting_verdict(forgetting_interval(same, 0.95, num_comparisons=1)) == "no difference shown"
    gained = Parts(-lost([0.2, 0.1], seeds=seeds).values, parts.sets, parts.ids)
    assert forgetting_verdict(forgetting_interval(gained, 0.95, num_comparisons=1)) == "gains"


def test_more_arms_widen_the_interval():
    one, ten = (forgetting_interval(lost([0.1]), 0.95, num_comparisons=num) for num in (1, 10))
    assert ten.low < one.low < one.mean < one.high < ten.high


def test_without_an_interval_nothing_is_claimed():
    assert forgetting_verdict(Estimate(0.5, None, None, 1)) == "too few items"


def test_the_sentence_says_how_much_of_what():
    row = {
        "arm": "full", "tasks": "hellaswag, winogrande", "verdict": "forgets", "forgetting_points": 3.04,
        "forgetting_points_low": 1.02, "forgetting_points_high": 5.06,
    }  # fmt: skip
    told = forgetting_sentence(Table("forgetting", "", (row,)), "full")
    expected = "full forgets (3.0 points lost of the average over hellaswag, winogrande, interval 1.0 to 5.1)."
    assert told == expected
    assert forgetting_sentence(Table("forgetting", "", ()), "full") is None


def test_contaminated_questions_are_those_of_a_report_that_names_them(tmp_path):
    class Folder:
        folder = tmp_path

    items = tmp_path / "records" / "items"
    items.mkdir(parents=True)
    assert contaminated(Folder) is None
    table = pa.table({"is_clean": [True, False], "question_hash": ["a", "b"]})
    pq.write_table(table.drop_columns(["question_hash"]), items / "contamination.parquet")
    assert contaminated(Folder) is None
    pq.write_table(table, items / "contamination.parquet")
    assert contaminated(Folder) == {"b"}
