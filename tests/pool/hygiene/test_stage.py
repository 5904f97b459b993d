import json
from itertools import product
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from winnow.errors import DataError, RecipeError
from winnow.parts import HygienePart, PoolPart, TestsPart
from winnow.pool.cleaning import sample
from winnow.pool.hygiene import stage
from winnow.pool.hygiene.dropping import Dropping
from winnow.pool.hygiene.stage import make_hygiene
from winnow.pool.hygiene.text_statistics import TextStatistics
from winnow.pool.stages import make_pool, make_tests
from winnow.recipe import HygieneRecipe, PoolRecipe
from winnow.records import Context
from winnow.text.examples import build_example, read_examples

PLACES = "the old market", "a quiet harbour", "her uncle's farm", "the village school", "a busy station"
CLEAN = [
    (
        f"{name} walks to {place} with {n} red apples in a basket. How many apples are there?",
        f"There are {n}.\n#### {n}",
    )
    for n, (name, place) in enumerate(product(("Tom", "Ann", "Ben", "Eve", "Ida", "Max"), PLACES), start=2)
]
"""One text about other numbers each: copies of each other for a tool that masks numbers."""
TEST = (
    "A train of 120 metres leaves the small town at noon and passes 9 grey bridges before it stops, so what now?",
    "#### 4",
)
OTHER_NUMBERS = (TEST[0].replace("120", "70").replace("9", "11"), "#### 5")
TWICE = ("Zoe paints 7 green doors in the long street of her home town on a rainy day. How many doors?", "#### 7")
NEARLY = (TWICE[0].replace("rainy day", "Rainy  DAY !"), "#### 7")


@pytest.fixture
def run(stored, source, tokenizer):
    """Hygiene and pool of these sources against one evaluation set; gives (hygiene folder, pool folder)."""

    def build(sources, sets, **hygiene):
        recipe = HygieneRecipe(**hygiene)
        tests, found, pool = stored("tests"), stored("hygiene"), stored("pool")
        make_tests(TestsPart(sets=tuple(sets)), {}, Context(tests.folder))
        part = HygienePart(sources=tuple(sources), sets=tuple(sets), similarity=recipe.similarity)
        outcome = make_hygiene(part, {}, Context(found.folder))
        assert sorted(outcome.outputs) == sorted(path.name for path in found.folder.iterdir())
        asked = PoolPart(pool=PoolRecipe(sources=tuple(sources), hygiene=recipe))
        make_pool(asked, {"tests": tests, "tokenizer": tokenizer, "hygiene": found}, Context(pool.folder))
        return found.folder, pool.folder

    return build


def statistics_of(pool):
    return json.loads((pool / "statistics.json").read_text())


def questions_of(pool):
    return [row.question for name in ("train", "validation") for row in read_examples(pool / f"{name}.parquet")]


def test_contaminated_rows_are_dropped_and_counted(run, source):
    rows = [*CLEAN, (TEST[0].upper(), "#### 4"), OTHER_NUMBERS]
    found, pool = run([source("toy", rows)], [source("test", [TEST, TWICE])])
    assert not [question for question in questions_of(pool) if "train" in question.lower().split()]
    row = statistics_of(pool)["sources"][0]
    assert (row["read"], row["removed_overlaps"], row["left_out"]) == (32, 2, 0)
    cell = json.loads((found / "hygiene.json").read_text())["contamination"][0]
    assert (cell["items"], cell["equal_question"], cell["covered_8_percent"]) == (2, 1, 50.0)


def test_the_items_say_which_are_clean_and_where_the_others_stand(run, source):
    found, _ = run([source("toy", [*CLEAN, TEST]), source("more", CLEAN[:3])], [source("test", [TEST, TWICE])])
    items = {row["is_clean"]: row for row in pq.read_table(found / "items.parquet").to_pylist()}
    assert items[False]["equal_question"] == items[False]["shared_13"] == ["toy"]
    assert (items[False]["cover"], items[False]["row"].split(":")[0]) == (1.0, "toy")
    assert (items[True]["covered_8"], items[True]["row"]) == ([], None)


@pytest.mark.slow
def test_report_leaves_all_rows_in_but_none_in_the_target(run, source):
    rows = [*CLEAN, TEST, TEST]
    _, pool = run([source("toy", rows)], [source("test", [TEST])], contamination="report")
    assert TEST[0] in questions_of(pool)
    assert statistics_of(pool)["removed_overlaps_total"] == 0


def test_a_source_above_the_limit_is_dropped_whole(run, source):
    sources = [source("clean", CLEAN[:20]), source("dirty", [*CLEAN[20:], TEST])]
    sets = [source("test", [TEST, TWICE])]
    _, pool = run(sources, sets, contamination="drop_source")
    assert {row["name"]: row["removed_overlaps"] for row in statistics_of(pool)["sources"]} == {"clean": 0, "dirty": 11}
    _, pool = run(sources, sets, contamination="drop_source", max_contaminated_fraction=0.5)
    assert statistics_of(pool)["sources"][1]["removed_overlaps"] == 1


def test_rules_can_be_chosen(run, source):
    _, pool = run([source("toy", [*CLEAN, OTHER_NUMBERS])], [source("test", [TEST])], drop_by=["equal_question"])
    assert OTHER_NUMBERS[0] in questions_of(pool)


@pytest.mark.parametrize(("duplicates", "left"), [("report", 3), ("drop_exact", 2), ("drop_near", 1)])
def test_copies_are_dropped_as_asked(run, source, duplicates, left):
    sources = [source("toy", [*CLEAN, TWICE, TWICE]), source("more", [NEARLY])]
    _, pool = run(sources, [source("test", [TEST])], duplicates=duplicates)
    assert sum("doors" in question for question in questions_of(pool)) == left
    assert sum("apples" in question for question in questions_of(pool)) == len(CLEAN)


def test_a_copy_stays_where_the_first_of_its_group_is_contaminated(run, source):
    sources = [source("dirty", [*CLEAN[:20], TEST, TWICE]), source("more", [*CLEAN[20:], TWICE, NEARLY])]
    _, pool = run(sources, [source("test", [TEST])], contamination="drop_source", duplicates="drop_near")
    assert sum("doors" in question for question in questions_of(pool)) == 1
    assert [row["removed_overlaps"] for row in statistics_of(pool)["sources"]] == [22, 0]


def test_a_source_that_changed_between_the_stages_is_refused():
    lines = iter([{"id": "toy:0123456789abcdef"}])
    with pytest.raises(DataError, match="source 'toy' has changed since pool.hygiene read it"):
        Dropping(HygieneRecipe(), Path(), set(), lines).keep("toy", [build_example("toy", "What?", answer="1")])


def test_shards_and_groups_of_rows_do_not_change_the_tables(run, source, monkeypatch):
    sources = [source("toy", [*CLEAN, TWICE, NEARLY, TEST]), source("more", [*CLEAN[:5], TWICE, TWICE])]
    names = ("examples.parquet", "items.parquet", "hygiene.json")
    found, _ = run(sources, [source("test", [TEST])])
    before = pq.read_table(found / names[0]), [(found / name).read_bytes() for name in names[1:]]
    monkeypatch.setattr(stage, "SHARD", 3)
    monkeypatch.setattr(stage, "GROUP_ROWS", 7)
    found, _ = run(sources, [source("test", [TEST])])
    assert (pq.read_table(found / names[0]), [(found / name).read_bytes() for name in names[1:]]) == before
    assert pq.read_metadata(found / names[0]).num_row_groups == 6


def test_languages_are_of_the_same_sample_however_texts_are_cut():
    texts = [f"{word} " * (3 + number % 4) for number in range(1500) for word in ("haus", "house") if number % 3]
    whole, cut = TextStatistics(), TextStatistics()
    whole.add(texts)
    for start in range(0, len(texts), 70):
        cut.add(texts[start : start + 70])
    assert cut.as_json() == whole.as_json()
    drawn = sample([(text, n) for n, text in enumerate(texts)], 1000, seed=0, identity=lambda it: it[0])
    assert cut.as_json()["languages_of"] == len(drawn)


def test_multiplicity_of_questions_is_a_column(run, source):
    rows = [*CLEAN, TWICE, (TWICE[0], "Seven doors are green.\n#### 7")]
    _, pool = run([source("toy", rows)], [source("test", [TEST])])
    tables = [
        pq.read_table(pool / f"{name}.parquet", columns=["question", "question_copies"])
        for name in ("train", "validation")
    ]
    copies = {row["question"]: row["question_copies"] for table in tables for row in table.to_pylist()}
    assert copies[TWICE[0]] == 2
    assert {times for question, times in copies.items() if "apples" in question} == {1}


def test_the_order_of_rows_does_not_matter(run, source):
    rows = [*CLEAN, TWICE, NEARLY, TEST]
    found, _ = run([source("toy", rows)], [source("test", [TEST])])
    before = [(found / name).read_bytes() for name in ("examples.parquet", "items.parquet", "hygiene.json")]
    found, _ = run([source("toy", rows[::-1])], [source("test", [TEST])])
    assert [(found / name).read_bytes() for name in ("examples.parquet", "items.parquet", "hygiene.json")] == before


def test_a_source_named_as_a_set_is_refused(run, source):
    with pytest.raises(RecipeError, match="pool.sources and evaluation.sets have two named 'toy'"):
        run([source("toy", CLEAN)], [source("toy", [TEST])])


def test_texts_are_described(run, source):
    german = "Was kostet das Brot auf dem Markt in der alten Stadt am Fluss, wenn 3 Brote 9 Euro kosten?"
    latex = "What is $\\frac{1}{2}$ of 8 when it costs $5 or $6 there?"
    rows = [*CLEAN, (german, "#### 3"), (latex, "#### 4")]
    found, _ = run([source("toy", rows)], [source("test", [TEST])])
    (row,) = json.loads((found / "hygiene.json").read_text())["sources"]
    assert row["latex_share"] == pytest.approx(1 / 32)
    assert row["languages"]["de"] == pytest.approx(1 / 32)
    assert row["languages"]["en"] > 0.9


def test_sums_of_money_are_no_latex():
    from winnow.pool.hygiene.text_statistics import LATEX

    assert not LATEX.search("It costs $5 and the other $10.")
    assert LATEX.search("Find $x^2$.") and LATEX.search(r"\(x\)") and LATEX.search(r"\frac12")


def test_noncommercial_sources_are_refused_where_the_policy_says_so(source):
    fine, closed = source("fine", CLEAN), source("closed", CLEAN, licence="CC-BY-NC-4.0")
    PoolRecipe(sources=(fine, closed))
    with pytest.raises(ValueError, match="'closed' has licence 'CC-BY-NC-4.0', which forbids commercial use"):
        PoolRecipe(sources=(fine, closed), licence_policy="refuse")


@pytest.mark.parametrize(
    ("licence", "expected"),
    [("CC-BY-NC-SA-4.0", True), ("research only", True), ("Non-Commercial", True), ("cc_by_nc_4.0", True),
     ("MIT", False), ("CC-BY-SA-4.0", False), ("NCSA", False), ("unknown", False)],
)  # fmt: skip
def test_licences_are_read_by_their_names(licence, expected):
    from winnow.recipe.licences import is_noncommercial

    assert is_noncommercial(licence) == expected
