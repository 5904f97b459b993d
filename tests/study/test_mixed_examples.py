"""A study whose arms read the sources of an example pool at other shares: plan, run, records, tables, kills."""

import json

import pytest

from tests_support import SMALLEST
from winnow import pipeline
from winnow.errors import RecipeError
from winnow.parts import asked
from winnow.pipeline import expand, report, run, selector_traits
from winnow.recipe.file import load_recipe
from winnow.records import Context
from winnow.store import Store, hash_tree
from winnow.training.stages import train_model
from winnow.verbs.plan import plan

pytestmark = pytest.mark.long

SHARES = {"market": 0.3, "school": 0.7}
LEVELS = {"usual": {"mixture": "natural"}, "school": {"mixture": SHARES}, "equal": {"mixture": "equal"}}
SETTINGS = [
    f"vary={json.dumps({'mixture': LEVELS})}", "selection.arms=[full, equal_shares]", "selection.controls=false",
    "study.primary={arm: full_school, baseline: full_usual}", "budget={tokens: 6000}", "evaluation.every_steps=50",
]  # fmt: skip


def recipe(*others):
    return load_recipe(SMALLEST, [*SETTINGS, *others])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("mixed") / "mixed"
    run(recipe(), out=place)
    return place


def records(folder, arm):
    return json.loads((folder / f"training_records.{arm}.json").read_text())


@pytest.mark.parametrize("arm", ["full_school", "equal_shares_0.25_school", "full_equal"])
def test_an_arm_reads_its_shares_of_the_tokens_whatever_it_selects(folder, arm):
    asked_of = SHARES if arm.endswith("school") else {"market": 0.5, "school": 0.5}
    found = records(folder, arm)
    read = {row["source"]: row for row in found["mixture"]["sources"]}
    assert 6000 - 160 < found["plan"]["tokens"] == sum(row["tokens"] for row in read.values()) <= 6000
    for name, share in asked_of.items():
        assert read[name]["asked_share"] == share
        assert abs(read[name]["realised_share"] - share) < 160 / 5800
        assert read[name]["epochs"] == pytest.approx(read[name]["tokens"] / read[name]["unique_tokens"])


def test_a_selection_is_read_more_often_than_the_pool(folder):
    whole, part = (records(folder, arm)["mixture"]["sources"] for arm in ("full_school", "equal_shares_0.25_school"))
    assert all(few["unique_tokens"] < many["unique_tokens"] for few, many in zip(part, whole, strict=True))
    assert all(few["epochs"] > many["epochs"] for few, many in zip(part, whole, strict=True))


def test_the_natural_mixture_is_a_run_as_ever(folder):
    """The same question as that of a recipe that says nothing of mixtures, and so the same bits."""
    assert "mixture" not in records(folder, "full_usual")
    mixed = expand(recipe(), selector_traits()).stages["train.full_usual.s0"]
    plain = load_recipe(SMALLEST, [each for each in SETTINGS if not each.startswith(("vary", "study.primary"))])
    stage = expand(plain, selector_traits()).stages["train.full.s0"]
    assert asked(mixed.part) == asked(stage.part) and "mixture" not in asked(stage.part)
    assert "mixture" in asked(expand(recipe(), selector_traits()).stages["train.full_school.s0"].part)


def test_tables_card_and_page_say_what_was_read(folder):
    rows = report(folder).tables["mixtures"].rows
    assert {row["arm"] for row in rows} == {
        f"{chosen}_{mixture}" for chosen in ("full", "equal_shares_0.25") for mixture in ("school", "equal")
    }  # fmt: skip
    assert "mixture_sweep" not in report(folder).tables
    for text in ((folder / "report.html").read_text(), (folder / "README.md").read_text()):
        assert "What each arm read" in text and "Composition" in text


def test_a_plan_says_how_far_the_run_then_goes(folder):
    planned = plan(recipe(), out=folder)
    arms = {arm.name: arm for arm in planned.arms}
    for name in ("full_school", "full_usual"):
        visits = records(folder, name)["plan"]["visits"]
        assert arms[name].visits == pytest.approx(visits, rel=0.05)
    rows = {(row.arm, row.source): row for row in planned.mixtures}
    assert rows["full_school", "school"].share == pytest.approx(0.7)
    read = {row["source"]: row["epochs"] for row in records(folder, "full_school")["mixture"]["sources"]}
    assert rows["full_school", "school"].epochs == pytest.approx(read["school"], rel=0.05)
    assert not any(arm == "full_usual" for arm, _ in rows)
    assert any("equal_shares_0.25_school: how often" in line for line in planned.warnings)


class Killed(Exception):
    pass


class KilledAt:
    def __init__(self, step):
        self.step = step

    def update(self, done, total, note=""):
        if done == self.step:
            raise Killed


def test_a_run_that_is_killed_comes_to_the_same_bits(folder, tmp_path):
    stages = json.loads((folder / "records" / "stages.json").read_text())
    entries = {each["name"]: each for each in stages}
    store = Store(folder.parent / ".store")
    stored = {name: store.find(each["kind"], each["fingerprint"]) for name, each in entries.items()}
    name = "train.full_school.s0"
    inputs = {role: stored[at] for role, at in entries[name]["inputs_by_name"].items()}
    part = expand(recipe(), selector_traits()).stages[name].part
    training = part.training.model_copy(update={"checkpoint_every_seconds": 0.0})
    part = part.model_copy(update={"training": training, "every_steps": None})
    digests = []
    for place, step in (("whole", None), ("killed", 3)):
        (tmp_path / place).mkdir()
        if step is not None:
            with pytest.raises(Killed):
                train_model(part, inputs, Context(tmp_path / place, KilledAt(step)))
        outcome = train_model(part, inputs, Context(tmp_path / place))
        digests.append(hash_tree(tmp_path / place, outcome.outputs))
    assert digests[0] == digests[1]


@pytest.mark.parametrize(("setting", "told"), [
    ("mixture={market: 0.3, skool: 0.7}", "did you mean 'school'"), ("mixture=mixmin", "proxies on plain text"),
    ("mixture={market: 0.3}", "sum to 0.3"),
    ("mixture={between: step, knots: [{at: 0, shares: {marcet: 1}}]}", "marcet"),
])  # fmt: skip
def test_a_mistake_is_one_line(setting, told):
    with pytest.raises(RecipeError, match=told) as error:
        pipeline.checked(load_recipe(SMALLEST, [setting]))
    assert all("\n" not in line for line in error.value.mistakes)


def test_a_schedule_of_examples_comes_in_its_order(tmp_path):
    steps = {"between": "step", "knots": [{"at": 0, "shares": {"market": 1.0}}, {"at": 0.5, "shares": {"school": 1.0}}]}
    others = [f"mixture={json.dumps(steps)}", "selection.arms=[full]", "selection.controls=false",
              "study.primary={baseline: full}", "evaluation.every_steps=50"]  # fmt: skip
    run(load_recipe(SMALLEST, others), out=tmp_path / "steps")
    found = records(tmp_path / "steps", "full")["mixture"]
    halves = [row for end, row in zip(found["rows"], found["rows_by_source"], strict=True) if row[1] == 0]
    assert halves[-1][0] >= found["rows_by_source"][-1][0] - 4  # none of the second half before it
    assert {row["source"]: row["realised_share"] for row in found["sources"]} == pytest.approx(
        {"market": 0.5, "school": 0.5}, abs=0.03
    )
