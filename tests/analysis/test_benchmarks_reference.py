"""Benchmarks beside guessing, the untrained model and a reference: the published table, recomputed; what noise is."""

import json
import math

import numpy as np
import pytest
from benchmark_factory import write_benchmarks
from ruamel.yaml import YAML
from study_factory import write_study

from winnow.analysis.benchmarks_reference import (
    AVERAGE,
    gain_share,
    less,
    mean_stderr,
    reference_sentences,
)
from winnow.analysis.find import find
from winnow.errors import RecipeError
from winnow.recipe.file import parse_recipe

PUBLISHED = {
    "mmlu": (24.11, 25.0, 26.0, -0.89, -1.89), "hellaswag": (27.03, 25.0, 30.0, 2.03, -2.97),
    "arc_challenge": (21.67, 25.0, 24.0, -3.33, -2.33), "piqa": (57.29, 50.0, 63.0, 7.29, -5.71),
    "winogrande": (51.46, 50.0, 51.0, 1.46, 0.46), "truthfulqa_mc2": (47.31, 25.0, 40.0, 22.31, 7.31),
}  # fmt: skip
"""Task -> score, random level, GPT-2, and the differences as the card prints them."""
SIZES = {"mmlu": 14_042, "hellaswag": 10_042, "arc_challenge": 1_172, "piqa": 1_838, "winogrande": 1_267}


def test_g6_differences_of_printed_figures():
    for score, random, reference, over_random, over_reference in PUBLISHED.values():
        assert (less(score, random), less(score, reference)) == (over_random, over_reference)
    means = [sum(row[column] for row in PUBLISHED.values()) / 6 for column in range(3)]
    assert means == pytest.approx([38.145, 200 / 6, 39.0])
    assert less(means[0], means[2]) == -0.85 and means[0] - means[2] == pytest.approx(-0.855)
    assert round(100 * gain_share(*means), 1) == 84.9
    assert gain_share(30.0, 25.0, 25.0) is None


def test_m14_the_average_of_six_is_known_to_half_a_point():
    shares = {"mmlu": 0.25, "hellaswag": 0.27, "arc_challenge": 0.22, "piqa": 0.57, "winogrande": 0.51}
    errors = [100 * math.sqrt(shares[task] * (1 - shares[task]) / size) for task, size in SIZES.items()]
    assert errors == pytest.approx([0.36, 0.44, 1.2, 1.15, 1.4], abs=0.02)
    assert mean_stderr([0.36, 0.44, 1.2, 1.15, 1.4, 1.5]) == pytest.approx(0.45, abs=0.005)
    assert mean_stderr([*errors, 1.5]) == pytest.approx(0.45, abs=0.01)
    drawn = np.random.default_rng(0).normal(0, [0.36, 0.44, 1.2, 1.15, 1.4, 1.5], (20_000, 6)).mean(axis=1)
    assert mean_stderr([0.36, 0.44, 1.2, 1.15, 1.4, 1.5]) == pytest.approx(drawn.std(), rel=0.03)


GIVEN = {"name": "a larger one", "scores": {"piqa": 63.0, "boolq": 60.0}}


@pytest.fixture
def found(tmp_path):
    folder = write_study(tmp_path / "s", effects={"full": 0.0}, seeds=(0,))
    return write_benchmarks(folder, {"piqa": 0.8, "boolq": 0.46}, reference=GIVEN), find(folder)


def test_each_task_stands_beside_guessing_the_untrained_model_and_the_reference(found):
    right, findings = found
    rows = {row["task"]: row for row in findings.tables["benchmarks_reference"].rows}
    assert list(rows) == ["piqa", "boolq", AVERAGE]
    for task in ("piqa", "boolq"):
        gained = right[task, "full_best"].astype(float) - right[task, "zero_shot"]
        row = rows[task]
        assert row["untrained_percent"] == pytest.approx(100 * right[task, "zero_shot"].mean())
        assert row["above_untrained_points"] == pytest.approx(100 * gained.mean())
        half = 1.96 * 100 * gained.std(ddof=1) / math.sqrt(len(gained))
        width = row["above_untrained_points_high"] - row["above_untrained_points_low"]
        assert width / 2 == pytest.approx(half, rel=0.02)  # paired: the untrained model answers the same items
        assert row["above_reference_points"] == pytest.approx(row["score_percent"] - GIVEN["scores"][task])
        own = row["above_reference_points_high"] - row["above_reference_points"]
        assert own == pytest.approx(1.96 * row["stderr_points"], rel=1e-3)


def test_the_average_has_the_error_of_a_mean_and_a_share_of_the_references_gain(found):
    rows = {row["task"]: row for row in found[1].tables["benchmarks_reference"].rows}
    own = [rows[task] for task in ("piqa", "boolq")]
    mean = rows[AVERAGE]
    assert mean["score_percent"] == pytest.approx(np.mean([row["score_percent"] for row in own]))
    assert mean["stderr_points"] == pytest.approx(math.hypot(*(row["stderr_points"] for row in own)) / 2)
    assert mean["reference_gain_share"] == pytest.approx((mean["score_percent"] - 50) / 11.5)
    gained = np.mean([row["above_untrained_points"] for row in own])
    assert mean["above_untrained_points"] == pytest.approx(gained)


def test_what_is_noise_or_below_guessing_is_said(found):
    note = found[1].tables["benchmarks_reference"].note
    assert "Not told from the untrained model: boolq (full)." in note and "Below random: boolq (full)." in note
    assert "cannot be told from none" in note and "a larger one" in note
    rows = found[1].tables["benchmarks_reference"].rows
    clear = [row for row in rows if row["task"] == "piqa"]
    assert reference_sentences(clear, 0.95) == []


def test_studies_that_name_no_reference_have_no_such_table(tmp_path):
    folder = write_study(tmp_path / "s", effects={"full": 0.0}, seeds=(0,))
    write_benchmarks(folder, {"piqa": 0.8})
    assert "benchmarks_reference" not in find(folder).tables


@pytest.mark.parametrize(("reference", "told"), [
    ({"name": "x", "scores": {"piqqa": 60}}, "did you mean 'piqa'"), ({"name": "x", "scores": {"piqa": 160}}, "100"),
    ({"name": "x", "scores": {}}, "scores"), ({"scores": {"piqa": 60}}, "name"),
])  # fmt: skip
def test_a_reference_that_is_none_is_one_line(tmp_path, reference, told):
    tree = YAML(typ="safe").load(write_study(tmp_path / "s", effects={"full": 0.0}, seeds=(0,)) / "recipe.yaml")
    tree["evaluation"]["benchmarks"] = {"tasks": ["piqa"], "reference": reference}
    with pytest.raises(RecipeError, match=told) as error:
        parse_recipe(json.loads(json.dumps(tree)))
    assert all("\n" not in line for line in error.value.mistakes)
