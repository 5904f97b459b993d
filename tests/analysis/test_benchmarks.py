"""Forgetting: its arithmetic, its interval over items and seeds, and what is said of it; clean items."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from ruamel.yaml import YAML
from study_factory import stage, write_study

from winnow.analysis.benchmarks import (
    BenchmarkItems,
    clean_score,
    forgetting,
    forgetting_interval,
    forgetting_sentence,
    forgetting_verdict,
)
from winnow.analysis.find import find
from winnow.analysis.items import Parts
from winnow.findings import Estimate, Table
from winnow.store import read_json, write_json


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


@pytest.mark.parametrize(("verdict", "low", "high", "expected"), [
    ("gains", -5.06, -1.02, "full forgets nothing and gains (3.0 points gained on the average over piqa, interval 1.0 "
     "to 5.1)."),
    ("no difference shown", -7.1, 1.02, "full, forgetting: no difference shown (3.0 points gained on the average over "
     "piqa, interval -1.0 to 7.1)."),
    ("too few items", None, None, "full, forgetting: too few items (3.0 points gained on the average over piqa)."),
])  # fmt: skip
def test_what_is_gained_is_not_called_lost(verdict, low, high, expected):
    row = {"arm": "full", "tasks": "piqa", "verdict": verdict, "forgetting_points": -3.04,
           "forgetting_points_low": low, "forgetting_points_high": high}  # fmt: skip
    assert forgetting_sentence(Table("forgetting", "", (row,)), "full") == expected


@pytest.mark.parametrize(("report", "score"), [
    ({"a": True, "b": False, "c": True}, 0.75), ({"a": True}, 1.0), ({"b": False}, None), ({}, None),
])  # fmt: skip
def test_only_questions_that_were_checked_count_as_clean(report, score):
    """The weights 1 and 3 are those of items with so many instructions; `d` is never checked."""
    items = BenchmarkItems(
        np.array(["1", "2", "3", "4"]), np.array([1.0, 0.0, 2 / 3, 0.5]), np.array([1, 1, 3, 1]), np.array(list("abcd"))
    )
    assert clean_score(items, report) == (None if score is None else pytest.approx(score))


def write_benchmark(folder, questions):
    """A boolq of one item per question, of the untrained model and of arm `full`; every other item is right."""
    yaml, records = YAML(), folder / "records"
    recipe = yaml.load(folder / "recipe.yaml")
    recipe["evaluation"]["benchmarks"] = {"tasks": ["boolq"], "forgetting": ["boolq"]}
    yaml.dump(recipe, folder / "recipe.yaml")
    rows = [
        {"subset": "boolq", "item": place, "id": each, "metric": "acc", "score": float(place % 2), "weight": 1}
        for place, each in enumerate(questions)
    ]
    score = {"value": 0.5, "stderr": 0.1, "random_level": 0.5, "constant_level": 0.6}
    summary = {"items": len(rows), "primary": "acc", "constant_answer": "yes", "metrics": {"acc": score}}
    (records / "items").mkdir()
    for name in ("zero_shot", "full_best"):
        pq.write_table(pa.Table.from_pylist(rows), records / "items" / f"benchmark.boolq.{name}.parquet")
        write_json(records / f"benchmark.boolq.{name}.json", summary | {"left_out": None})
    made = [stage(f"benchmark.boolq.{name}", "benchmark", {}) for name in ("zero_shot", "full.s0")]
    write_json(records / "stages.json", [*read_json(records / "stages.json"), *made])


def test_checked_and_clean_items_are_told_apart_in_the_table(tmp_path):
    folder = write_study(tmp_path / "s", seeds=(0,), effects={"full": 0.0})
    write_benchmark(folder, questions="abcd")
    columns = ("checked_items", "clean_items", "clean_score")

    def found():
        row = next(row for row in find(folder).tables["benchmarks"].rows if row["arm"] == "full")
        return tuple(row[column] for column in columns)

    assert found() == (None, None, None)
    report = {
        "set": ["s"] * 3,
        "id": ["1", "2", "3"],
        "question_hash": ["a", "b", "z"],
        "is_clean": [False, True, True],
    }
    pq.write_table(pa.table(report), folder / "records" / "items" / "contamination.parquet")
    assert found() == (2, 1, 100.0)
    row = next(row for row in find(folder).tables["benchmarks"].rows if row["arm"] == "full")
    assert [row[key] for key in ("unit", "score", "stderr", "guessing", "constant")] == ["%", 50.0, 10.0, 50.0, 60.0]
    lost = find(folder).tables["forgetting"].rows[0]
    assert (lost["base_percent"], lost["tuned_percent"]) == (50.0, 50.0)
    report["question_hash"] = ["x", "y", "z"]
    pq.write_table(pa.table(report), folder / "records" / "items" / "contamination.parquet")
    assert found() == (0, 0, None)


def test_what_was_refused_is_told_of_its_own_task(tmp_path):
    """Whatever arms are called: this one has another task's name in it."""
    folder = write_study(tmp_path / "s", seeds=(0,), effects={"full": 0.0, "a.piqa.b_0.5": 0.1})
    write_benchmark(folder, questions="ab")
    yaml, settings = YAML(), read_json(folder / "study.json")
    recipe = yaml.load(folder / "recipe.yaml")
    recipe["evaluation"]["benchmarks"]["tasks"] = ["boolq", "piqa", "gsm8k"]
    yaml.dump(recipe, folder / "recipe.yaml")
    refused = {"benchmark.gsm8k.a.piqa.b_0.5.s0": "no room", "benchmark.gsm8k.zero_shot": "no room"}
    write_json(folder / "study.json", settings | {"unavailable": refused})
    rows = find(folder).tables["benchmarks_left_out"].rows
    assert rows == ({"task": "gsm8k", "reason": "no room"},)
