"""`winnow generate`: a folder with a card that any recipe reads, and stages that the study finds in the store."""

import json
import sys

import pyarrow.parquet as pq
import pytest
from ruamel.yaml import YAML

from generation_support import FakeEndpoint, endpoint_recipe
from tests_support import ROOT, SMALLEST
from winnow import pipeline
from winnow.cli import main as cli
from winnow.errors import BudgetError, RecipeError
from winnow.generation.card import percent_words
from winnow.recipe.file import load_recipe, parse_recipe
from winnow.store import hash_file
from winnow.study.graph import expand
from winnow.study.identity import identity
from winnow.verbs import generate as generating
from winnow.verbs import plan as planning


def tree_of(synthetic, **source):
    """The smallest recipe with one more source, which a teacher writes."""
    tree = YAML(typ="safe").load(SMALLEST.read_text())
    tree["pool"].pop("target")
    tree["pool"]["sources"].append({"name": "taught", "licence": "CC0-1.0", "synthetic": synthetic} | source)
    return tree


def recipe_of(synthetic, **source):
    return parse_recipe(tree_of(synthetic, **source))


BUILT_IN = {"examples": 40, "irrelevant_share": 0.5, "run_programs": "none", "written_as": "worked"}


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    folder = tmp_path_factory.mktemp("generated") / "study"
    (made,) = generating.generate(recipe_of(BUILT_IN), out=folder)
    return made


def test_the_folder_holds_rows_answers_counts_and_a_card(published):
    assert {path.name for path in published.folder.iterdir()} == {
        "rows.parquet", "answers.jsonl.gz", "generation.json", "README.md",
    }  # fmt: skip
    assert json.loads((published.folder / "generation.json").read_text()) == json.loads(json.dumps(published.facts))
    card = (published.folder / "README.md").read_text()
    assert f"# taught: {published.facts['rows']} synthetic word problems" in card
    for reason, count in (published.facts["malformed"] | published.facts["left_out"]).items():
        assert f"| {reason} | {count:,} |" in card
    for each in published.facts["contamination"]:
        assert f"| {each['set']} | {each['items']} |" in card
    assert [each["set"] for each in published.facts["contamination"]] == ["easy"]


def test_the_recipe_in_the_card_reads_the_folder(published, tmp_path):
    card = (published.folder / "README.md").read_text()
    (source,) = YAML(typ="safe").load(card.split("```yaml\n")[1].split("```")[0])
    tree = tree_of(BUILT_IN)
    tree["pool"]["sources"] = [source]
    walk = pipeline.advance(parse_recipe(tree), "pool", out=tmp_path / "other")
    examples = sum(
        pq.read_metadata(walk.done["pool"].folder / f"{name}.parquet").num_rows for name in ("train", "validation")
    )
    removed = walk.done["pool"].numbers["removed_overlaps_total"]
    assert examples + removed == published.facts["rows"]


def test_the_study_finds_it_in_the_store_and_is_charged_for_it(published):
    recipe, out = recipe_of(BUILT_IN), published.folder.parent.parent
    graph = expand(recipe, pipeline.selector_traits())
    walk = pipeline.advance(recipe, "pool", out=out)
    stored = walk.done["generated.taught"]
    assert hash_file(stored.folder / "rows.parquet") == hash_file(published.folder / "rows.parquet")
    assert "generated.taught" in graph.stages["pool"].inputs
    assert stored.artifact.costs["generate"].seconds > 0
    train = pq.read_table(walk.done["pool"].folder / "train.parquet", columns=["source", "completion"]).to_pylist()
    assert any(row["source"] == "taught" and " = " in row["completion"] for row in train)


@pytest.mark.slow
def test_a_planted_evaluation_item_is_found(tmp_path):
    """A teacher that repeats an item of the evaluation set: the card says so, and the pool leaves it out."""
    from winnow.text.examples import read_examples

    tests = pipeline.advance(recipe_of(BUILT_IN), "tests", out=tmp_path / "study").done["tests"]
    item = read_examples(tests.folder / "tests.parquet")[0].question
    numbers = [int(word) for word in item.replace("?", " ").replace(".", " ").split() if word.isdigit()]

    def write(prompt, seed):
        return f"{item}\n[[program]]\na = {numbers[0]}\nresult = a + {seed}\n[[end]]\n"

    with FakeEndpoint(write=write) as endpoint:
        asked = endpoint_recipe(
            endpoint, examples=3, run_programs="none", irrelevant_share=0, reworded_share=0, min_characters=5
        )
        recipe = recipe_of(asked.model_dump())
        (made,) = generating.generate(recipe, out=tmp_path / "study")
    (row,) = made.facts["contamination"]
    assert row["equal_question"] >= 1
    assert made.facts["contaminated_rows"]["equal_question"] == 3
    pool = pipeline.advance(recipe, "pool", out=tmp_path / "study").done["pool"]
    assert pool.numbers["removed_overlaps_total"] >= 3


@pytest.mark.slow
def test_what_a_teacher_costs_is_in_the_record_and_in_the_ledger(tmp_path):
    from winnow.analysis.cost import amount

    with FakeEndpoint() as endpoint:
        recipe = recipe_of(endpoint_recipe(endpoint, examples=6, run_programs="none").model_dump())
        (made,) = generating.generate(recipe, out=tmp_path / "study")
        walk = pipeline.advance(recipe, "pool", out=tmp_path / "study")
    cost = walk.done["generated.taught"].artifact.costs["generate"]
    paid = len(endpoint.charged) * 0.0006
    assert made.facts["dollars"] == pytest.approx(paid)
    assert amount(cost, "dollars", 0.0) == pytest.approx(paid)
    assert amount(cost, "dollars", 3.6) == pytest.approx(paid + cost.seconds / 1000)
    assert cost.tokens == 150 * len(endpoint.charged)


@pytest.mark.slow
def test_a_plan_pays_nobody(tmp_path):
    with FakeEndpoint() as endpoint:
        recipe = recipe_of(endpoint_recipe(endpoint, examples=6, run_programs="none").model_dump())
        with pytest.raises(RecipeError, match="'taught' is not generated yet.*winnow generate"):
            planning.plan(recipe, out=tmp_path / "study")
        assert endpoint.asked == []
        generating.generate(recipe, out=tmp_path / "study")
        paid = len(endpoint.asked)
        assert planning.plan(recipe, out=tmp_path / "study").pool_examples > 0
    assert len(endpoint.asked) == paid


def run_command(monkeypatch, capsys, *arguments):
    monkeypatch.setattr(sys, "argv", ["winnow", "generate", *map(str, arguments)])
    with pytest.raises(SystemExit) as left:
        cli.main()
    out, err = capsys.readouterr()
    return left.value.code or 0, out, err


def test_the_command_says_what_came_of_it(monkeypatch, capsys, tmp_path):
    path = tmp_path / "recipe.yaml"
    with path.open("w") as file:
        YAML().dump(tree_of(BUILT_IN), file)
    out = tmp_path / "study"
    code, said, _ = run_command(monkeypatch, capsys, path, "--out", out, "--dry-run")
    assert code == 0
    assert "generated.taught" in said
    assert "train" not in said
    assert "taught: about 4 requests for problems and 20 for programs" in said
    assert not out.exists()
    code, said, _ = run_command(monkeypatch, capsys, path, "--out", out)
    assert code == 0
    assert "taught: 40 problems from" in said
    assert str(out / "generated" / "taught" / "README.md") in said
    code, said, _ = run_command(monkeypatch, capsys, path, "--out", out, "--json")
    assert json.loads(said)[0]["rows"] == 40
    code, said, err = run_command(monkeypatch, capsys, SMALLEST, "--out", out)
    assert code == 1
    assert err.strip() == "winnow: no source of the pool has `synthetic:`; see recipes/generated.yaml for one"


def test_a_budget_that_is_spent_is_one_line_and_exit_code_1(monkeypatch, capsys, tmp_path):
    path = tmp_path / "recipe.yaml"
    with FakeEndpoint() as endpoint:
        asked = endpoint_recipe(endpoint, run_programs="none", max_dollars=0.003)
        with path.open("w") as file:
            YAML().dump(tree_of(asked.model_dump(mode="json")), file)
        code, _, err = run_command(monkeypatch, capsys, path, "--out", tmp_path / "study")
        assert code == 1
        assert "of 12 problems" in err
        assert "max_dollars" in err
        assert "Traceback" not in err
        rest = ["--set", "pool.sources.2.synthetic.max_dollars=1"]
        code, said, _ = run_command(monkeypatch, capsys, path, "--out", tmp_path / "study", *rest)
        assert code == 0
        assert "taught: 12 problems" in said
    assert len(endpoint.charged) == len(set(endpoint.charged))


def test_synthetic_sources_stand_in_the_pool_alone():
    tree = tree_of(BUILT_IN)
    tree["evaluation"]["sets"].append({"name": "taught_set", "licence": "CC0-1.0", "synthetic": BUILT_IN})
    with pytest.raises(RecipeError, match="'taught_set' is synthetic; that is possible for pool.sources alone"):
        expand(parse_recipe(tree), pipeline.selector_traits())


@pytest.mark.parametrize(
    ("teacher", "said"),
    [
        ({"kind": "endpont"}, r"teacher.kind is 'endpont' \(did you mean 'endpoint'\?\); allowed: 'built_in'"),
        ({"kind": "endpoint", "url": "http://x/v1"}, r"\[2\].synthetic.teacher.model is missing"),
        ({"kind": "local", "modl": "m"}, r"teacher.modl \(did you mean 'model'\?\); known here: batch_size"),
        ({"kind": "endpoint", "model": "m", "url": "http://me:secret@host"}, "holds a name or password"),
    ],
)
def test_a_teacher_that_is_misspelt_is_one_line(teacher, said):
    with pytest.raises(RecipeError, match=said) as caught:
        recipe_of(BUILT_IN | {"teacher": teacher})
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_base_model_can_teach_and_questions_can_come_from_files(tmp_path):
    rows = tmp_path / "questions.jsonl"
    rows.write_text('{"q": "Ann has 3 eggs. How many?", "a": "3"}\n{"q": "Ben has 4 nuts. How many?", "a": "4"}\n')
    seeds = {"name": "mine", "licence": "MIT", "path": str(rows), "fields": {"question": "q", "answer": "a"}}
    teacher = {"kind": "local", "model": "base"}
    recipe = recipe_of(BUILT_IN | {"seeds": seeds, "teacher": teacher})
    stage = expand(recipe, pipeline.selector_traits()).stages
    assert dict(stage["generated.taught"].inputs) == {
        "seeds": "seeds.taught", "teacher": "base", "tokenizer": "tokenizer",
    }  # fmt: skip
    assert list(stage).index("base") < list(stage).index("generated.taught") < list(stage).index("pool")
    (made,) = generating.generate(recipe_of(BUILT_IN | {"seeds": seeds}), out=tmp_path / "study")
    rows = pq.read_table(made.folder / "rows.parquet").to_pylist()
    assert all(row["seed_id"].startswith("mine:") for row in rows)
    assert "questions of mine (MIT)" in (made.folder / "README.md").read_text()


def test_a_higher_limit_is_the_same_study():
    with FakeEndpoint() as endpoint:
        pass
    low, high = (
        recipe_of(endpoint_recipe(endpoint, max_dollars=dollars, teacher={"concurrency": n}).model_dump())
        for dollars, n in ((1, 2), (5, 9))
    )
    assert identity(low) == identity(high)
    other = recipe_of(endpoint_recipe(endpoint, examples=13).model_dump())
    assert identity(low) != identity(other)


def test_the_recipe_that_comes_with_it_asks_for_20000_problems():
    recipe = load_recipe(ROOT / "recipes" / "generated.yaml")
    (source,) = generating.synthetic_sources(recipe)
    assert source.synthetic.examples == 20_000
    assert source.synthetic.run_programs == "python"


@pytest.mark.parametrize(
    ("part", "whole", "words"), [(0, 5, "0 %"), (1, 1, "100 %"), (1, 3, "33 %"), (1e-9, 1, "0.0000001 %")]
)
def test_percents_have_two_significant_digits(part, whole, words):
    assert percent_words(part, whole) == words


@pytest.mark.slow
def test_a_budget_error_of_generation_is_no_arm_that_is_not_affordable(tmp_path):
    with FakeEndpoint() as endpoint:
        recipe = recipe_of(endpoint_recipe(endpoint, run_programs="none", max_dollars=0.001).model_dump())
        with pytest.raises(BudgetError):
            pipeline.advance(recipe, "select", out=tmp_path / "study")
