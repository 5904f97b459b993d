import pytest

from winnow.errors import RecipeError
from winnow.plan_table import plan_lines, selection_lines
from winnow.planning import plan
from winnow.recipe_file import parse_recipe

ARCHITECTURE = {"model_type": "gpt2", "n_layer": 2, "n_embd": 32, "n_head": 2}
PASSAGES = {"name": "text", "licence": "MIT", "passages": {"documents": 30}}
PROBLEMS = {"licence": "MIT", "problems": {"examples": 60, "families": "easy"}}
TREE = {
    "name": "planned",
    "pool": {"sources": [
        {"name": "a", "licence": "MIT", "path": "none.jsonl", "format": "gsm8k", "examples": 600, "tokens": 30_000},
        {"name": "b", "licence": "MIT", "path": "none.jsonl", "format": "gsm8k", "examples": 400, "tokens": 20_001},
    ]},
    "base": {"pretrain": {
        "architecture": ARCHITECTURE, "sources": [PASSAGES], "budget": {"tokens": 1000}, "context_tokens": 64,
        "tokenizer": {"vocab_size": 300},
    }},
    "selection": {
        "arms": ["full", "herding"], "controls": False,
        "representations": {"hidden_states": {"fourier": {"features": 16}}},
    },
    "training": {"method": "full", "per_device_batch_size": 8},
    "budget": {"pool_epochs": 10},
    "evaluation": {"sets": [PROBLEMS | {"name": "test"}]},
    "machine": {"flops_per_second": 1e9, "dollars_per_hour": 3.6, "devices": 2},
}  # fmt: skip


def plan_of(**sections):
    return plan(parse_recipe(TREE | sections))


def by_name(made):
    return {arm.name: arm for arm in made.arms}


def test_declared_pools_need_no_data():
    made = plan_of()
    assert (made.is_declared, made.pool_examples, made.pool_tokens) == (True, 1000, 50_001)
    assert (made.global_batch_size, made.seeds, made.adapter_bytes) == (16, 1, None)
    assert made.trainable_parameters == made.parameters
    assert made.warnings == []


def test_arms_are_equal_in_visits_and_differ_in_epochs():
    arms = by_name(plan_of())
    assert [arm.visits for arm in arms.values()] == [10_000, 10_000]
    assert (arms["full"].epochs, arms["herding_0.1"].epochs) == (10, 100)
    assert (arms["full"].examples, arms["herding_0.1"].examples) == (1000, 100)
    assert arms["full"].steps == 625
    assert (arms["full"].selection_exaflops, arms["herding_0.1"].selection_exaflops > 0) == (0, True)


def test_a_budget_of_flops_pays_for_selection_too():
    arms = by_name(plan_of(budget={"flops": 1e12}))
    spent = [(arm.exaflops + arm.selection_exaflops) * 1e18 for arm in arms.values()]
    assert spent == pytest.approx([1e12, 1e12], rel=1e-3)
    assert arms["herding_0.1"].visits < arms["full"].visits


@pytest.mark.parametrize("budget", [{"seconds": 1800}, {"dollars": 1.8}])
def test_a_budget_of_time_or_money_is_used_up(budget):
    for arm in plan_of(budget=budget).arms:
        assert (arm.seconds, arm.dollars) == (pytest.approx(1800, rel=1e-3), pytest.approx(1.8, rel=1e-3))


def test_a_pool_that_is_not_seen_once_draws_a_warning():
    found = plan_of(budget={"examples": 50}).warnings
    assert found[0].startswith("the pool is visited 0.05 times: fractions cannot differ")
    assert "herding_0.1 visits its examples 0.50 times: fewer than it selects" in found


def test_selection_above_a_fifth_of_the_compute_draws_a_warning():
    assert any("of its compute on selection" in warning for warning in plan_of(budget={"pool_epochs": 1}).warnings)
    assert plan_of(budget={"pool_epochs": 3}).warnings == []


def test_a_run_larger_than_the_memory_draws_a_warning():
    needed = plan_of().memory_bytes
    fits, bursts = (plan_of(machine=TREE["machine"] | {"memory_bytes": size}) for size in (needed, needed - 1))
    assert fits.warnings == []
    assert "lower training.per_device_batch_size or pool.max_tokens" in bursts.warnings[0]


def test_an_arm_that_cannot_be_paid_for_says_so():
    made = plan_of(budget={"flops": 1e7})
    arm = by_name(made)["herding_0.1"]
    assert (arm.visits, arm.dollars) == (0, 0)
    assert arm.note.startswith("not affordable: the selection costs")
    assert f"herding_0.1: {arm.note}" in made.warnings


def test_lora_trains_less_and_knows_its_file():
    made = plan_of(training={"method": "lora", "per_device_batch_size": 8})
    assert made.trainable_parameters < made.parameters
    assert made.adapter_bytes > 4 * made.trainable_parameters


def test_sizes_come_from_the_data_where_they_are_there(tmp_path):
    pool = {"name": "a", "licence": "MIT", "problems": {"examples": 60, "seed": 1}}
    recipe = parse_recipe(TREE | {"pool": {"sources": [pool], "max_tokens": 256}})
    made = plan(recipe, out=tmp_path / "study")
    assert not made.is_declared
    assert 40 <= made.pool_examples < 60
    assert made.pool_tokens <= 256 * made.pool_examples
    assert plan(recipe, out=tmp_path / "study") == made
    assert not (tmp_path / "study").exists()


def test_a_model_that_is_nowhere_is_named(tmp_path):
    with pytest.raises(RecipeError, match=r"base\.model .* is no model folder"):
        plan_of(base={"model": str(tmp_path)})


def test_a_plan_is_printed_with_its_warnings():
    published = {"full": {"epochs": 10, "dollars": 2}}
    recipe = parse_recipe(TREE | {"budget": {"pool_epochs": 1}, "published": published})
    lines = plan_lines(plan(recipe), recipe)
    assert lines[0] == "planned: 2 arms x 1 seed(s), global batch 16"
    assert lines[2] == "pool (declared): 1,000 examples, 50,001 tokens"
    assert any(line.split()[:3] == ["herding_0.1", "10", "100"] for line in lines)
    assert "beside the published figures:" in lines
    assert lines[-1].startswith("warning: herding_0.1 spends")


def test_selections_are_printed_by_source():
    rows = [
        {"source": "a", "selected_share": 0.75, "ratio": 1.5},
        {"source": "b", "selected_share": 0.25, "ratio": 0.5},
    ]
    made = {"full": {"size": 1000, "mean_tokens": 50.0, "mmd_ratio": None, "composition": rows}}
    text = "\n".join(selection_lines(made))
    assert "75.0% (1.50x)" in text
    assert "1,000" in text
    assert selection_lines({})[-1].startswith("In brackets")
