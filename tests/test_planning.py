import pytest
import torch

from winnow.cli.tables import plan_lines, selection_lines
from winnow.errors import RecipeError
from winnow.pipeline import able
from winnow.recipe.file import parse_recipe
from winnow.text.printing import memory
from winnow.verbs import planned_sizes
from winnow.verbs.plan import plan

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


@pytest.fixture(autouse=True, scope="module")
def predict_once():
    """Predictions of memory take the better part of a second: each is made once for all tests."""
    found, make = {}, planned_sizes.predict

    def predict(model, training, largest):
        asked = (model.config.to_json_string(), training.model_dump_json(), largest)
        if asked not in found:
            found[asked] = make(model, training, largest)
        return found[asked]

    planned_sizes.predict = predict
    yield
    planned_sizes.predict = make


def plan_of(**sections):
    return plan(parse_recipe(TREE | sections))


def by_name(made):
    return {arm.name: arm for arm in made.arms}


@pytest.mark.slow
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


@pytest.mark.slow
def test_a_run_larger_than_the_memory_draws_a_warning():
    needed = plan_of().memory_bytes
    fits, bursts = (plan_of(machine=TREE["machine"] | {"memory_bytes": size}) for size in (needed, needed - 1))
    assert fits.warnings == []
    size = memory(needed)
    assert bursts.warnings[0].startswith(f"a run needs about {size}, a device has {size}; any of these would fit: ")
    for way in (
        "training.per_device_batch_size=4 training.gradient_accumulation_steps=2",
        "training.gradient_checkpointing=true",
    ):
        assert way in bursts.warnings[0]
    assert (
        plan_of(machine=TREE["machine"] | {"memory_bytes": 1})
        .warnings[0]
        .endswith("choose a smaller model; or lower pool.max_tokens")
    )


@pytest.mark.slow
def test_on_a_cpu_micro_batches_are_planned_as_they_are_cut(tmp_path):
    if torch.cuda.is_available():
        pytest.skip("micro-batches are full on a GPU")
    pool = {"name": "a", "licence": "MIT", "problems": {"examples": 60, "seed": 1}}
    here, elsewhere = (
        plan(parse_recipe(TREE | {"pool": {"sources": [pool]}, "machine": TREE["machine"] | told}), out=tmp_path / "s")
        for told in ({}, {"memory_bytes": 2**40})
    )
    assert here.memory.activations_bytes < 0.8 * elsewhere.memory.activations_bytes


@pytest.mark.slow
def test_layers_alone_are_cut_over_devices():
    whole, cut = (plan_of(training=TREE["training"] | {"sharding": how}) for how in ("none", "full"))
    layers = 2 * (12 * 32 * 32 + 13 * 32)
    assert whole.memory.optimizer_bytes - cut.memory.optimizer_bytes == pytest.approx(8 * layers / 2, rel=0.01)
    alone = TREE["machine"] | {"devices": 1}
    one, none = (
        plan_of(training=TREE["training"] | {"sharding": how}, machine=alone).memory for how in ("full", "none")
    )
    assert one == none


def test_memory_is_told_by_what_holds_it():
    made = plan_of()
    peak = made.memory
    assert peak.optimizer_bytes == pytest.approx(2 * 4 * made.parameters, rel=0.01)
    assert made.memory_bytes == peak.total_bytes > peak.weights_bytes + peak.optimizer_bytes
    assert made.device_bytes > made.memory_bytes


@pytest.mark.slow
def test_packed_lines_may_be_longer_than_any_example():
    training = TREE["training"]
    padded, packed = (plan_of(training=training | {"packing": packing}).memory for packing in (False, True))
    assert 1.2 * padded.activations_bytes < packed.activations_bytes


@pytest.mark.slow
def test_what_this_machine_cannot_train_is_planned_and_warned_of():
    training = {"method": "lora", "optimizer": "adamw_8bit"}
    if torch.cuda.is_available():
        pytest.skip("what is missing without a GPU")
    assert plan_of(training=training).warnings[0].startswith("training.optimizer adamw_8bit needs a CUDA GPU")
    with pytest.raises(RecipeError, match="to plan it here declare machine.flops_per_second"):
        plan_of(training=training, machine={})
    with pytest.raises(RecipeError, match="training.optimizer adamw_8bit needs a CUDA GPU"):
        able(parse_recipe(TREE | {"training": training}))


def test_an_arm_that_cannot_be_paid_for_says_so():
    made = plan_of(budget={"flops": 1e7})
    arm = by_name(made)["herding_0.1"]
    assert (arm.visits, arm.dollars) == (0, 0)
    assert arm.note.startswith("not affordable: the selection costs")
    assert f"herding_0.1: {arm.note}" in made.warnings


@pytest.mark.slow
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


def test_an_arm_of_ids_has_the_rows_of_its_file_and_its_control_as_many(tmp_path):
    (tmp_path / "chosen.txt").write_text("".join(f"row{number}\n" for number in range(40)))
    ids = {"selector": "ids", "options": {"path": str(tmp_path / "chosen.txt")}}
    arms = by_name(plan_of(selection={"arms": ["full", ids, {"selector": "length_matched", "of": "ids"}]}))
    assert [arms[name].examples for name in ("full", "ids", "length_matched_ids")] == [1000, 40, 40]
    assert (arms["ids"].visits, arms["ids"].epochs, arms["ids"].fraction) == (10_000, 250, 0.04)


@pytest.mark.slow
def test_trials_of_the_learning_rate_are_counted_once_for_all_seeds():
    sweep = {"learning_rate": [1e-3, 2e-3, 4e-3], "budget_fraction": 0.2}
    recipe = parse_recipe(TREE | {"study": {"seeds": [0, 1], "sweep": sweep}})
    made = plan(recipe)
    for arm in made.arms:
        assert arm.sweep_exaflops == pytest.approx(0.6 * arm.exaflops)
        assert arm.sweep_dollars == pytest.approx(arm.sweep_seconds / 3600 * 3.6)
    line = next(line for line in plan_lines(made, recipe) if line.startswith("learning-rate trials, beside"))
    assert f"{sum(arm.sweep_exaflops for arm in made.arms):.4g} exaFLOPs" in line
    once = by_name(plan_of(study={"sweep": sweep | {"per": "study"}}))
    assert once["full"].sweep_exaflops > 0 == once["herding_0.1"].sweep_exaflops
    assert by_name(plan_of())["full"].sweep_exaflops == 0
