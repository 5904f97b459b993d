import csv
import json
import re

import numpy as np
import pandas
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import winnow
from tests_support import ROOT
from winnow.analysis.statistics import mean_interval
from winnow.errors import DataError
from winnow.metrics import direction


def runs(effects, *, seeds=4, steps=(0, 10, 20, 30), noise=0.01, seed=0, cost=1.0):
    """Losses that fall by 0.1 a step's place, lower by an arm's effect at the end."""
    rng = np.random.default_rng(seed)
    return [
        {"arm": arm, "seed": number, "step": step, "metric": "loss", "cost": cost * step,
         "value": 2.0 - 0.1 * place - effect * (step > 0) + offset}
        for arm, effect in effects.items() for number in range(seeds)
        for offset in [noise * rng.standard_normal()] for place, step in enumerate(steps)
    ]  # fmt: skip


def without(rows, *columns):
    return [{key: value for key, value in row.items() if key not in columns} for row in rows]


def test_a_planted_difference_is_found_with_the_interval_of_students_t():
    rows = runs({"full": 0.0, "herding": 0.05, "noise": -0.05})
    found = winnow.compare(rows, baseline="full", metric="loss")
    assert [(arm, each.verdict) for arm, each in found.items()] == [("herding", "better"), ("noise", "worse")]
    last = {(row["arm"], row["seed"]): row["value"] for row in rows if row["step"] == 30}
    expected = mean_interval([last["herding", s] - last["full", s] for s in range(4)], num_comparisons=2)
    herding = found["herding"]
    assert (herding.difference, herding.low, herding.high) == pytest.approx(
        (expected.mean, expected.low, expected.high)
    )
    assert "herding against full, loss (last checkpoint, 4 seeds): better by" in found.verdict
    assert found.notes[0].startswith("No comparison was declared: this is the best of 2 arms")


@pytest.mark.parametrize(("effect", "cost", "line"), [
    (0.05, 1.0, "Use mine: it is better than full, and costs as much."),
    (0.05, 0.5, "Use mine: it is better than full, and costs less."),
    (0.05, 2.0, "mine is better than full, but costs more."),
    (-0.05, 2.0, "Use full: mine is worse, and costs more."),
    (-0.05, 0.5, "mine is worse than full, but costs less."),
    (0.05, None, "Use mine: it is better than full."),
])  # fmt: skip
def test_runs_of_others_have_a_line_in_plain_words(effect, cost, line):
    rows = runs({"full": 0.0}) + runs({"mine": effect}, cost=cost or 1.0)
    found = winnow.compare(rows if cost else without(rows, "cost"), baseline="full")
    assert found.advice == line


def test_a_declared_comparison_stands_uncorrected():
    rows = runs({"full": 0.0, "herding": 0.05, "noise": -0.05})
    found = winnow.compare(rows, baseline="full", primary="noise")
    assert "noise against full" in found.verdict and "corrected" not in found.verdict
    assert found.notes == ()


def test_higher_is_better_where_the_name_says_so_or_the_caller_does():
    rows = [row | {"metric": "accuracy"} for row in runs({"full": 0.0, "herding": 0.05})]
    assert winnow.compare(rows, baseline="full", metric="accuracy")["herding"].verdict == "worse"
    named = [row | {"metric": "quality"} for row in rows]
    with pytest.raises(DataError, match="'quality' does not say by its name whether higher is better; say higher_is"):
        winnow.compare(named, baseline="full", metric="quality")
    assert winnow.compare(named, baseline="full", metric="quality", higher_is_better=False)["herding"].low < 0


def test_few_seeds_and_no_difference_are_said():
    found = winnow.compare(runs({"full": 0.0, "herding": 0.05}, seeds=1), baseline="full")
    assert (found["herding"].verdict, found["herding"].low) == ("too few seeds", None)
    assert "one seed: no interval; nothing is claimed (observed: better by" in found.verdict
    found = winnow.compare(runs({"full": 0.0, "herding": 0.004}, seeds=3, seed=3), baseline="full")
    assert found["herding"].verdict == "no difference shown"
    assert re.search(rf"about {found['herding'].needed_seeds} would be needed", found.verdict)


def test_runs_without_a_common_seed_are_not_compared():
    rows = runs({"full": 0.0}) + [row | {"seed": row["seed"] + 10} for row in runs({"herding": 0.1})]
    found = winnow.compare(rows, baseline="full")
    assert (found["herding"].verdict, found["herding"].difference) == ("too few seeds", None)
    assert "no seed in common with full" in found.verdict


def test_costs_give_the_saving_and_say_where_the_level_was_never_reached():
    found = winnow.compare(runs({"full": 0.0, "herding": 0.15, "noise": -0.3}), baseline="full")
    assert "herding saved 33 % ± 0 of the cost to full's best loss" in found.verdict
    by_arm = {row["arm"]: row for row in found.tables["cost_to_quality"]}
    assert by_arm["herding"]["saved_percent"] == pytest.approx(100 / 3)
    assert (by_arm["noise"]["to_baseline_best"], by_arm["noise"]["seeds_never_reaching"]) == (None, 4)
    declared = winnow.compare(runs({"full": 0.0, "noise": -0.3}), baseline="full", primary="noise")
    assert "noise did not pay: full's best loss was never reached in 4 of 4 seeds" in declared.verdict


def test_the_best_checkpoint_is_chosen_by_another_metric():
    rows = runs({"full": 0.0, "herding": 0.05})
    rows += [row | {"metric": "validation_loss", "value": abs(row["step"] - 10)} for row in rows]
    found = winnow.compare(rows, baseline="full", checkpoint="best", best_by="validation_loss")
    assert {row["step"] for row in found.tables["runs"]} == {10}
    assert found.notes == ()
    peeking = winnow.compare(rows, baseline="full", checkpoint="best")
    assert "chosen by loss itself" in peeking.notes[0]
    assert peeking.tables["best_steps"][0] == {
        "arm": "full", "seed": "0", "loss_best_step": 30, "validation_loss_best_step": 10
    }  # fmt: skip


def test_rows_come_as_files_frames_and_tables(tmp_path):
    rows = runs({"full": 0.0, "herding": 0.05})
    expected = winnow.compare(rows, baseline="full")["herding"]
    with (tmp_path / "a.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows[:16])
    (tmp_path / "b.jsonl").write_text("\n".join(json.dumps(row) for row in rows[16:]) + "\n")
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "all.parquet")
    for given in ([tmp_path / "a.csv", str(tmp_path / "b.jsonl")], tmp_path / "all.parquet", pandas.DataFrame(rows),
                  pa.Table.from_pylist(rows), without(rows, "cost")):  # fmt: skip
        assert winnow.compare(given, baseline="full")["herding"] == expected


@pytest.mark.parametrize(("change", "message"), [
    (lambda rows: without(rows, "seed"), r"row 1 has no seed; each row needs arm, seed, metric, value"),
    (lambda rows: [{**rows[0], "value": float("inf")}], r"row 1 has the value inf; it must be a finite number"),
    (lambda rows: [*rows, rows[3]], r"row 33 is the second for arm full, seed 0, step 30, metric loss; keep one"),
    (lambda rows: [row | {"seed": 0.5} for row in rows], r"row 1 has the seed 0.5; it must be a whole number"),
    (lambda rows: [row | {"arm": row["arm"].replace("full", "ful")} for row in rows],
     r"baseline is 'full' \(did you mean 'ful'\?\)"),
    (lambda rows: rows[:16], r"full is the only arm with loss"),
    (lambda rows: [], r"there are no rows"),
    (lambda rows: [3], r"a row is of type int; give a list of dicts"),
    (lambda rows: "missing.csv", r"missing.csv is no file of runs"),
    (lambda rows: 3, r"runs are given as int; give a list of dicts, a data frame"),
])  # fmt: skip
def test_bad_rows_are_one_clear_line(change, message):
    with pytest.raises(DataError, match=message) as caught:
        winnow.compare(change(runs({"full": 0.0, "herding": 0.05})), baseline="full")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("asked", "message"), [
    ({"metric": "los"}, r"no row has the metric 'los' \(did you mean 'loss'\?\)"),
    ({"primary": "herdin"}, r"primary is 'herdin' \(did you mean 'herding'\?\)"),
    ({"primary": "full"}, r"primary and baseline are both 'full'"),
    ({"confidence": 95}, r"confidence is 95"),
    ({"best_by": "loss"}, r"best_by is 'loss', but the last checkpoint is compared"),
    ({"best_by": "validation_loss", "checkpoint": "best"}, r"full, seed 0, has no validation_loss at a step with loss"),
])  # fmt: skip
def test_bad_questions_are_one_clear_line(asked, message):
    with pytest.raises(DataError, match=message):
        winnow.compare(runs({"full": 0.0, "herding": 0.05}), baseline="full", **asked)


def test_tables_of_others_have_marks_empty_cells_and_odd_lines(tmp_path):
    rows = runs({"full": 0.0, "herding": 0.05})
    expected = winnow.compare(rows, baseline="full")["herding"]
    lines = [",".join(rows[0]), *(",".join(map(str, row.values())) for row in rows)]
    (tmp_path / "excel.csv").write_text("\n".join(lines), encoding="utf-8-sig")
    assert winnow.compare(tmp_path / "excel.csv", baseline="full")["herding"] == expected
    frame = pandas.DataFrame(without(rows, "cost")).convert_dtypes()
    frame["cost"] = pandas.array([pandas.NA] * len(frame), dtype="Float64")
    found = winnow.compare(frame, baseline="full")
    assert found["herding"] == expected and "cost_to_quality" not in found.tables
    (tmp_path / "odd.jsonl").write_text("[1, 2]\n")
    with pytest.raises(DataError, match="line 1, is a list, not an object"):
        winnow.compare(tmp_path / "odd.jsonl", baseline="full")


def test_a_damaged_file_is_named(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"arm": "full"\n')
    with pytest.raises(DataError, match=r"a.jsonl, line 1, is not JSON"):
        winnow.compare(tmp_path / "a.jsonl", baseline="full")


def test_the_page_holds_verdict_tables_and_curves(tmp_path):
    found = winnow.compare(runs({"full": 0.0, "herding": 0.05}), baseline="full")
    page = found.write(tmp_path / "out")
    text = page.read_text()
    assert found.verdict in text.replace("&#39;", "'")
    assert "data:image/svg+xml;base64," in text and not re.search(r'(?:src|href)="http', text)
    rows = list(csv.DictReader((tmp_path / "out" / "comparisons.csv").open()))
    assert float(rows[0]["gain"]) == -found["herding"].difference
    assert {"comparisons.md", "cost_to_quality.csv", "runs.csv"} <= {each.name for each in page.parent.iterdir()}


def test_a_saving_of_nothing_is_said_as_such():
    equal = runs({"full": 0.0, "herding": 0.0}, noise=0.0)
    assert (
        "herding did not pay: full's best loss took as much of the cost"
        in winnow.compare(equal, baseline="full").verdict
    )


def test_the_example_of_the_docs_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    code = re.search(r"```python\n(.*?)```", (ROOT / "docs" / "statistics.md").read_text(), re.S)[1]
    exec(compile(code, "docs/statistics.md", "exec"), {})
    assert "mine saved 50 %" in capsys.readouterr().out
    assert (tmp_path / "runs" / "comparison" / "comparison.html").is_file()


@pytest.mark.parametrize(("metric", "is_higher"), [
    ("validation_loss", False), ("Perplexity", False), ("exact_match", True), ("pass@1", True), ("eval/accuracy", True),
    ("speed", None), ("loss_of_accuracy", None),
])  # fmt: skip
def test_names_say_which_way_is_better(metric, is_higher):
    assert direction(metric) is is_higher
    assert direction(metric, True) is True
