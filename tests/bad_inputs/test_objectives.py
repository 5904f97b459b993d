"""Bad objectives and contradictory methods: one clear line each, told before anything is computed."""

import pytest

from bad_inputs_support import assert_mistakes, assert_one_line, assert_refuses
from tests_support import SMALLEST
from winnow.errors import RecipeError
from winnow.mistakes import mistakes
from winnow.pipeline import checked
from winnow.recipe import Frozen
from winnow.recipe.file import load_recipe
from winnow.training.objectives import registry

VALUES = {
    "number": ("training.objective=5", "training.objective is 5", "keys and values"),
    "list": ("training.objective=[sft]", "training.objective is ['sft']", "keys and values"),
    "name": ("training.objective={name: 'a b'}", "training.objective.name is 'a b'", "a name of letters"),
    "key": ("training.objective={nam: sft}", "unknown key training.objective.nam", "did you mean 'name'?"),
    "options": ("training.objective={name: sft, options: 5}", "training.objective.options is 5", "keys and values"),
    "method": ("training.method=non", "training.method is 'non'", "did you mean 'none'?"),
    "none-peft": ("training={method: none, peft: {peft_type: IA3}}", "training.peft goes with", "this one is none"),
    "none-quantise": ("training={method: none, quantise: 4bit}", "training.quantise goes with", "this one is none"),
    "none-freeze": ("training={method: none, freeze: [wte]}", "training.freeze goes with", "trains nothing"),
    "none-base": ("base.pretrain.training.method=none", "base.pretrain.training.method is none", "set it to full"),
    "none-stage": (
        "stages=[{name: s, budget: {examples: 5}, training: {method: none}}]", "stage 's' has training.method none",
        "start from 'base'",
    ),
}  # fmt: skip
EARLY = {
    "unknown": ("training.objective=stf", "training.objective: unknown objective 'stf'", "did you mean 'sft'?"),
    "option": (
        "training.objective={name: sft, options: {gamma: 2}}",
        "training.objective: unknown option gamma of objective sft", "known: none",
    ),
    "stage": (
        "stages=[{name: s, budget: {examples: 5}, training: {objective: stf}}]",
        "stage 's': training.objective: unknown objective 'stf'",
    ),
    "base": ("base.pretrain.training.objective=nothing", "base.pretrain.training.objective: unknown objective"),
    "corpus": ("training.objective=pretraining", "'pretraining', which trains on a corpus; here is a pool"),
    "pool": ("base.pretrain.training.objective=sft", "'sft', which trains on a pool; here is a corpus", "pretraining"),
    "sweep": (
        "training.method=none", "study.sweep tries learning rates, and training.method is none",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", VALUES.values(), ids=VALUES)
def test_a_bad_value_is_one_line(case):
    override, *said = case
    assert_refuses(lambda: load_recipe(SMALLEST, [override]), *said)


@pytest.mark.parametrize("case", EARLY.values(), ids=EARLY)
def test_a_mistake_is_told_before_the_first_stage(case, tmp_path):
    override, *said = case
    sweep = ["study.sweep={learning_rate: [1e-3, 3e-3]}"] if said[0].startswith("study.sweep") else []
    recipe = load_recipe(SMALLEST, [override, *sweep])
    assert_refuses(lambda: checked(recipe), *said, folder=tmp_path)


def test_the_command_tells_them_in_one_line_or_in_a_line_each(command, tmp_path):
    _, _, err = refused = command("plan", SMALLEST, "--set", "training.objective=stf")
    assert_one_line(refused[0], err, "unknown objective 'stf'", folder=tmp_path)
    code, _, err = command("plan", SMALLEST, "--set", "training.objective=stf", "--set", "selection.arms=[hering]")
    assert_mistakes(code, err, "unknown selector 'hering'", "unknown objective 'stf'", folder=tmp_path)


@pytest.mark.parametrize("objective", ["sft", "{name: sft}", "{name: sft, options: {}}"])
def test_the_usual_objective_may_be_spelled_out(objective):
    assert mistakes(load_recipe(SMALLEST, [f"training.objective={objective}"])) == []


class Needs(Frozen):
    weight: float


@pytest.fixture
def strange(monkeypatch):
    """A registry in which strange objectives can be put; it forgets them."""
    registry.names()
    monkeypatch.setattr(registry.REGISTRY, "parts", dict(registry.REGISTRY.parts))

    def put(name="strange", **others):
        registry.objective(name, summary="None.", **others)(lambda models, batch, *, total_weight, options: None)

    return put


def test_a_missing_option_says_how_it_is_written(strange):
    strange(options=Needs)
    assert_refuses(
        lambda: registry.check("strange", {}), "option weight of objective strange is missing",
        "{name: strange, options: {weight: ...}}",
    )  # fmt: skip
    assert_refuses(lambda: registry.check("strange", {"weight": "x"}), "option weight of objective strange is 'x'")
    assert_refuses(lambda: registry.check("strange", {"wieght": 1, "weight": 1}), "did you mean 'weight'?")


@pytest.mark.parametrize(("given", "said"), [
    ({"name": "sft"}, "the objective name 'sft' is taken"),
    ({"metrics": ("flops",)}, "calls a metric 'flops', which is taken"),
    ({"beside": ("reference",)}, "calls a model 'reference', which is taken"),
])  # fmt: skip
def test_taken_names_are_refused(strange, given, said):
    with pytest.raises(RecipeError, match=said):
        strange(**given)


def test_a_model_that_no_run_has_is_told(strange):
    strange(beside=("start", "judge"))
    (found,) = mistakes(load_recipe(SMALLEST, ["training.objective=strange"]))
    assert found.startswith("training.objective is 'strange', which looks at a model 'judge'; no run has one here")
