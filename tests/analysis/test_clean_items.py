"""Scores over clean items, of made study folders with a contamination report, and of a real small study."""

import csv
from statistics import fmean

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from study_factory import SETS, write_items, write_study

from tests_support import SMALLEST
from winnow.analysis.clean_items import clean_questions, evaluation_clean
from winnow.analysis.find import find
from winnow.analysis.study_folder import load
from winnow.errors import ArtifactError
from winnow.pipeline import run
from winnow.recipe.file import load_recipe
from winnow.report.card import model_card
from winnow.report.page import StudyPage, html_page

NUM = 30
GSM, CHOICE = SETS
HELD = {f"{GSM}:{number:04x}" for number in range(10)} | {f"{CHOICE}:{number:04x}" for number in range(20)}


@pytest.fixture
def folder(tmp_path):
    """One arm, two seeds; held items are easier by about a nat per token, and right."""
    folder = write_study(tmp_path / "s", seeds=(0, 1), effects={"full": 0.0})
    write_items(folder, arms=("full",), seeds=(0, 1), num=NUM)
    rng = np.random.default_rng(0)
    for path in sorted((folder / "records" / "items").glob("evaluation.*.parquet")):
        rows = pq.read_table(path).to_pylist()
        for row in rows:
            row["target_tokens"] = int(rng.integers(1, 20))
            row["loss"] = row["target_tokens"] * (2 + rng.random() - (row["id"] in HELD))
            row["correct"] = row["id"] in HELD or bool(rng.random() < 0.3)
        pq.write_table(pa.Table.from_pylist(rows), path)
    return folder


def write_contamination(folder, *, held=HELD, checked=tuple(SETS)):
    """A report on all items of the sets that were checked."""
    lines = [
        {"set": name, "id": f"{name}:{number:04x}", "question_hash": f"{number:04x}"}
        for name in checked
        for number in range(NUM)
    ]
    found = [line | {"is_clean": line["id"] not in held} for line in lines]
    pq.write_table(pa.Table.from_pylist(found), folder / "records" / "items" / "contamination.parquet")


def table_of(folder):
    study = load(folder)
    return evaluation_clean(study, find(folder).arms)


def row_of(table, name, *, arm="full", checkpoint="best"):
    return next(row for row in table.rows if (row["arm"], row["checkpoint"], row["set"]) == (arm, checkpoint, name))


def level(rows, metric, aggregate):
    """From the definition: nats per target token, or the share that is right."""
    if aggregate == "macro":
        return fmean(level(rows, metric, name) for name in SETS)
    kept = [row for row in rows if aggregate in ("micro", row["set"])]
    if metric == "exact_match":
        return fmean(row["correct"] for row in kept)
    return sum(row["loss"] for row in kept) / sum(row["target_tokens"] for row in kept)


@pytest.mark.parametrize("name", [GSM, CHOICE, "micro", "macro"])
def test_scores_over_all_and_over_clean_items_are_those_of_the_item_records(folder, name):
    write_contamination(folder)
    row = row_of(table_of(folder), name)
    files = [folder / "records" / "items" / f"evaluation.full{suffix}_best.parquet" for suffix in ("", "_s1")]
    runs = [pq.read_table(path).to_pylist() for path in files]
    clean = [[item for item in items if item["id"] not in HELD] for items in runs]
    for metric, difference, scale in (
        ("loss", "loss_difference", 1),
        ("exact_match", "exact_match_difference_points", 100),
    ):
        ours, theirs = ([level(items, metric, name) for items in each] for each in (clean, runs))
        assert row[metric] == pytest.approx(fmean(theirs))
        assert row[f"clean_{metric}"] == pytest.approx(fmean(ours))
        gaps = [scale * (one - other) for one, other in zip(ours, theirs, strict=True)]
        half = 12.706 * np.std(gaps, ddof=1) / np.sqrt(2)
        assert row[difference] == pytest.approx(fmean(gaps))
        assert row[f"{difference}_high"] - row[difference] == pytest.approx(half, rel=1e-4)
    assert row["loss_difference"] > 0 > row["exact_match_difference_points"]
    assert row["seeds"] == 2 and 0 <= row["clean_exact_match_low"] <= row["clean_exact_match_high"] <= 1


def test_items_are_counted_by_set_and_the_untrained_model_stands_beside(folder):
    write_contamination(folder)
    table = table_of(folder)
    counts = {row["set"]: (row["items"], row["clean_items"]) for row in table.rows}
    assert counts == {GSM: (30, 20), CHOICE: (30, 10), "micro": (60, 30), "macro": (60, 30)}
    untrained = row_of(table, "micro", arm="zero_shot", checkpoint="start")
    assert untrained["clean_loss"] > untrained["loss"] and untrained["clean_loss_low"] is None
    assert [row["checkpoint"] for row in table.rows if row["set"] == "micro"] == ["start", "best", "last"]


def test_what_nobody_checked_is_not_clean(folder):
    """A set without a clean item has no clean score, and so there is no average over sets."""
    write_contamination(folder, checked=(GSM,))
    table = table_of(folder)
    assert row_of(table, CHOICE)["clean_items"] == 0 and row_of(table, CHOICE)["clean_loss"] is None
    assert row_of(table, "macro")["clean_exact_match"] is None
    for metric in ("clean_loss", "clean_exact_match"):
        assert row_of(table, "micro")[metric] == pytest.approx(row_of(table, GSM)[metric])
    assert row_of(table, "macro")["loss_difference"] is None and row_of(table, "macro")["loss"] is not None


def test_page_and_card_show_the_table_only_where_there_is_a_report(folder):
    findings = find(folder)
    assert "evaluation_clean" not in findings.tables
    assert "Over clean items" not in html_page([StudyPage(findings)]) + model_card(findings, {})
    write_contamination(folder)
    findings = find(folder)
    shown = row_of(findings.tables["evaluation_clean"], "micro")["clean_loss"]
    page = html_page([StudyPage(findings)])
    assert "Over clean items" in page and page.count(f'data-value="{shown}"') == 2
    assert f"{shown:.4f}" in model_card(findings, {}).partition("### On clean items")[2]


def test_a_damaged_report_is_named(folder):
    path = folder / "records" / "items" / "contamination.parquet"
    path.write_bytes(b"PAR1 and then nothing")
    with pytest.raises(ArtifactError, match=r"contamination\.parquet is damaged"):
        find(folder)
    pq.write_table(pa.table({"set": ["a"]}), path)
    with pytest.raises(ArtifactError, match='"id" does not exist'):
        find(folder)


def test_a_question_is_clean_where_every_item_that_asks_it_is(folder):
    study = load(folder)
    assert clean_questions(study) is None
    write_contamination(folder)
    found = clean_questions(study)
    assert [found[f"{number:04x}"] for number in (0, 15, 25)] == [False, False, True] and len(found) == NUM
    path = folder / "records" / "items" / "contamination.parquet"
    pq.write_table(pq.read_table(path).drop_columns(["question_hash"]), path)
    assert clean_questions(study) is None


@pytest.mark.slow
def test_a_study_with_hygiene_has_clean_scores_that_its_items_bear_out(finished_study):
    """`easy` and `market` are made of the same families: some items stand in the pool, and are left in."""
    folder = finished_study.parent / "reported"
    run(load_recipe(SMALLEST, ["pool.hygiene={contamination: report}"]), out=folder, arm="full")
    with (folder / "tables" / "evaluation_clean.csv").open() as file:
        rows = {(row["arm"], row["checkpoint"], row["set"]): row for row in csv.DictReader(file)}
    with (folder / "tables" / "evaluation.csv").open() as file:
        for row in csv.DictReader(file):
            beside = rows[row["arm"], row["checkpoint"], row["set"]]
            assert beside["items"] == row["items"]
            for metric in ("loss", "exact_match"):
                assert float(beside[metric]) == pytest.approx(float(row[metric]), abs=1e-6)
    report = pq.read_table(folder / "records" / "items" / "contamination.parquet").to_pylist()
    clean = {line["id"] for line in report if line["is_clean"]}
    items = pq.read_table(folder / "records" / "items" / "evaluation.full_best.parquet").to_pylist()
    items = [item for item in items if item["metric"] == "loss"]
    kept = [item for item in items if item["id"] in clean]
    row = rows["full", "best", "easy"]
    assert 0 < int(row["clean_items"]) == len(kept) < len(items)
    loss = sum(item["score"] * item["weight"] for item in kept) / sum(item["weight"] for item in kept)
    assert float(row["clean_loss"]) == pytest.approx(loss)
    assert "Over clean items" in (folder / "report.html").read_text()
