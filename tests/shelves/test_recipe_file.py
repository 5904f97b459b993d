import json
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from winnow.errors import RecipeError
from winnow.recipe import Recipe
from winnow.recipe.file import load_recipe, parse_recipe

RECIPES = sorted((Path(__file__).parents[2] / "recipes").glob("*.yaml"))


TINY = {
    "name": "tiny",
    "pool": {"sources": [{"name": "a", "licence": "MIT", "path": "a.jsonl", "format": "gsm8k"}]},
    "base": {"model": "some/model"},
    "budget": {"pool_epochs": 2},
    "evaluation": {"sets": [{"name": "test", "licence": "MIT", "path": "t.jsonl", "format": "gsm8k"}]},
}


@pytest.fixture
def write(tmp_path):
    """Writes a recipe file of TINY and the given sections; None leaves a section out."""

    def write_file(file="recipe.yaml", base=TINY, /, **sections):
        tree = {key: value for key, value in (base | sections).items() if value is not None}
        YAML().dump(tree, tmp_path / file)
        return tmp_path / file

    return write_file


def refusal(path, *overrides):
    with pytest.raises(RecipeError) as caught:
        load_recipe(path, overrides)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_recipe_parses_and_comes_back_from_json(path):
    recipe = load_recipe(path)
    assert Recipe.model_validate_json(recipe.model_dump_json()) == recipe
    assert parse_recipe(json.loads(recipe.model_dump_json())) == recipe


@pytest.mark.parametrize("text", ["2e-4", "2E-4", "0.0002", "2.0e-04"])
def test_numbers_are_those_of_yaml_1_2(write, text):
    path = write()
    path.write_text(path.read_text() + f"training: {{learning_rate: {text}}}\n")
    assert load_recipe(path).training.learning_rate == 2e-4
    assert load_recipe(path, [f"training.learning_rate={text}"]).training.learning_rate == 2e-4


def test_words_of_yaml_1_1_are_plain_text(write):
    sources = {"sources": [{"name": "no", "licence": "off", "path": "a.jsonl", "format": "gsm8k"}]}
    path = write(pool=sources)
    path.write_text(path.read_text().replace("'no'", "no").replace("'off'", "off"))
    assert load_recipe(path).pool.sources[0].name == "no"


@pytest.mark.parametrize(("overrides", "message"), [
    (["training.learning_rat=1"], "unknown key training.learning_rat (did you mean 'learning_rate'?); known here:"),
    (["Training.start=x"], "unknown key Training (did you mean 'training'?); known here: base, budget,"),
    (["selection.arms=[{selectr: full}]"], "unknown key selection.arms[0].selectr (did you mean 'selector'?)"),
    (["published.full.epoch=3"], "unknown key published.full.epoch (did you mean 'epochs'?); known here: dollars,"),
    (["selection.fractions=[0.1, 1.5]"], "selection.fractions[1] is 1.5; it must lie in (0, 1]"),
    (["selection.fractions=[0]"], "selection.fractions[0] is 0; it must lie in (0, 1]"),
    (["selection.fractions=[-0.1]"], "selection.fractions[0] is -0.1; it must lie in (0, 1]"),
    (["selection.fractions=[.nan]"], "selection.fractions[0] is nan; input should be a finite number"),
    (["selection.arms=[{selector: a, fractions: [2]}]"], "selection.arms[0].fractions[0] is 2; it must lie in (0, 1]"),
    (["budget.tokens=0"], "budget.tokens is 0; it must be at least 1"),
    (["budget.flops=0"], "budget.flops is 0; it must be above 0.0"),
    (["budget.flops=.inf"], "budget.flops is inf; input should be a finite number"),
    (["budget={tokens: 5, flops: 3}"], "budget names ['tokens', 'flops']; give exactly one of pool_epochs, examples,"),
    (["budget={}"], "budget names no unit; give exactly one of pool_epochs, examples, tokens, flops, seconds, dollars"),
    (["pool.sources=[{name: a, path: x, format: text}]"], "pool.sources[0].licence is missing; it says: Licence of"),
    (["pool.sources.0.path=null"], "pool.sources[0]: source 'a' has no origin; give exactly one of path, problems,"),
    (["pool.sources.0.passages.documents=5"], "pool.sources[0]: source 'a' has ['path', 'passages']; give exactly one"),
    (["pool.sources.0.format=fields"], "pool.sources[0]: source 'a' has neither a format nor fields; name a format"),
    (["pool.sources=[]"], "pool.sources is []; list should have at least 1 item"),
    (["pool.sources=a.jsonl"], "pool.sources is 'a.jsonl'; it must be a list"),
    (["pool.target.per_source.GSM8K=0"], "pool.target.per_source.GSM8K is 0; it must be at least 1"),
    (["pool.target={}"], "pool.target needs exactly one of per_source and source"),
    (["base.pretrain=null", "base.model=null"], "base needs exactly one of model, pretrain and from_scratch"),
    (["training.schedule=liner"], "training.schedule is 'liner' (did you mean 'linear'?); allowed: 'constant', "),
    (["training.learning_rate=fast"], "training.learning_rate is 'fast'; input should be a valid number"),
    (["pool.validation_fraction=1"], "pool.validation_fraction is 1; it must be below 1.0"),
    (["study.seeds=[0, -1]"], "study.seeds[1] is -1; it must be at least 0"),
    (["study.seeds=[0, 1, 0]"], "study.seeds is [0, 1, 0]; give every seed once"),
    (["name=../elsewhere"], "name is '../elsewhere'; it must be a name of letters, digits"),
])  # fmt: skip
def test_bad_values_are_named_in_one_line(write, overrides, message):
    assert refusal(write(), *overrides).startswith(message)


def test_several_mistakes_have_a_line_each(write):
    path = write()
    with pytest.raises(RecipeError) as caught:
        load_recipe(path, ["training.lora.r=0", "training.threads=true", "study.seeds=[0, -1]", "name=.."])
    assert str(caught.value).splitlines() == [
        f"4 mistakes in recipe {path}:",
        "  name is '..'; it must be a name of letters, digits, _, . and -, a letter or digit first",
        "  training.lora.r is 0; it must be at least 1",
        "  training.threads is true; input should be a valid integer",
        "  study.seeds[1] is -1; it must be at least 0",
    ]


@pytest.mark.parametrize(("override", "message"), [
    ("training.learning_rate", "has no key and value; write --set training.learning_rate=2e-4"),
    ("=3", "has no key and value"),
    ("pool.sources.1.name=b", "'1' is no position in a list of 1; count from 0"),
    ("pool.sources.first.name=b", "'first' is no position in a list of 1"),
    ("pool.sources.-1=b", "'-1' is no position"),
    ("training.betas=[0.9", "line 1 is not valid YAML"),
])  # fmt: skip
def test_bad_overrides_are_named(write, override, message):
    found = refusal(write(), override)
    assert found.startswith(f"--set {override!r}")
    assert message in found


def test_overrides_set_scalars_lists_and_positions(write):
    recipe = load_recipe(write(), [
        "training.learning_rate=1e-3", "study.seeds=[3, 4]", "pool.sources.0.licence=MIT = fine",
        "pool.sources.0.limit=7", "training.max_grad_norm=null", "name=other",
    ])  # fmt: skip
    assert (recipe.training.learning_rate, recipe.study.seeds, recipe.name) == (1e-3, (3, 4), "other")
    assert (recipe.pool.sources[0].licence, recipe.pool.sources[0].limit) == ("MIT = fine", 7)
    assert recipe.training.max_grad_norm is None


def test_a_budget_that_is_set_replaces_the_old_one(write):
    stages = [{"name": "first", "budget": {"examples": 3}}]
    recipe = load_recipe(write(stages=stages), ["budget.flops=1e9", "stages.0.budget.tokens=5"])
    assert (recipe.budget.unit, recipe.budget.amount) == ("flops", 1e9)
    assert (recipe.stages[0].budget.unit, recipe.stages[0].budget.amount) == ("tokens", 5)


def test_a_section_in_part_keeps_the_defaults_of_its_place(write):
    text = [{"name": "text", "licence": "MIT", "passages": {"documents": 9}}]
    pretrain = {"architecture": {"model_type": "gpt2"}, "sources": text, "budget": {"tokens": 9}}
    stages = [{"name": "first", "budget": {"examples": 3}}]
    plain = write(base={"pretrain": pretrain}, stages=stages)
    recipe = load_recipe(plain, ["base.pretrain.training.threads=2", "stages.0.training.threads=2"])
    pretraining, first = recipe.base.pretrain.training, recipe.stages[0].training
    assert (pretraining.method, pretraining.loss_on, pretraining.schedule) == ("full", "all", "cosine")
    assert (pretraining.learning_rate, pretraining.threads, first.method, first.threads) == (1e-3, 2, "full", 2)
    assert refusal(plain, "stages.0.training.thread=2").startswith("unknown key stages[0].training.thread (did you")


def test_a_missing_file_is_named(tmp_path):
    for path in (tmp_path / "none.yaml", tmp_path):
        assert refusal(path).startswith(f"recipe {path} is not a file; give the path of a YAML file")


@pytest.mark.parametrize(("content", "message"), [
    (b"name: [a", "line 1 is not valid YAML"),
    (b"name: a\nname: b\n", "line 2 is not valid YAML: found duplicate key"),
    (b"- a\n", "holds a list, not keys and values"),
    (b"", "holds nothing, not keys and values"),
    (b"\xff\xfe", "cannot be read as UTF-8 text"),
    (b"extends: [a]\n", "extends ['a']; give the path of a YAML file"),
])  # fmt: skip
def test_an_unreadable_file_is_named(tmp_path, content, message):
    path = tmp_path / "broken.yaml"
    path.write_bytes(content)
    found = refusal(path)
    assert found.startswith(f"recipe {path}")
    assert message in found


def test_a_missing_section_is_explained(write):
    says = "budget is missing; it says: What every arm may spend, where `vary` does not say otherwise."
    assert refusal(write(budget=None)) == says
    assert refusal(write(name=None)) == "name is missing; it says: Name of the study and of its folder."


def test_extends_merges_keys_and_replaces_lists_and_budgets(write, tmp_path):
    write("parent.yaml", training={"learning_rate": 1e-3, "threads": 2}, selection={"fractions": [0.1, 0.2]})
    (tmp_path / "below").mkdir()
    child = {"extends": "../parent.yaml", "training": {"threads": 1}, "budget": {"flops": 1e9}}
    recipe = load_recipe(write("below/child.yaml", {}, **child, selection={"fractions": [0.5]}))
    assert (recipe.training.learning_rate, recipe.training.threads) == (1e-3, 1)
    assert (recipe.budget.unit, recipe.selection.fractions) == ("flops", (0.5,))
    grandchild = write("below/grandchild.yaml", {}, extends="child.yaml", name="third")
    assert load_recipe(grandchild) == recipe.model_copy(update={"name": "third"})


def test_extends_in_a_circle_or_of_nothing_is_refused(write, tmp_path):
    assert "extends itself; remove one `extends:`" in refusal(write("self.yaml", extends="self.yaml"))
    write("one.yaml", extends="two.yaml")
    assert "extends itself" in refusal(write("two.yaml", extends="one.yaml"))
    assert refusal(write("orphan.yaml", extends="gone.yaml")).startswith(
        f"recipe {tmp_path / 'gone.yaml'} is not a file"
    )


def test_a_recipe_does_not_change(write):
    recipe = load_recipe(write())
    with pytest.raises(ValueError, match="frozen"):
        recipe.name = "other"
