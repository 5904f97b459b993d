"""Which modules an adapter adapts where none are named, and the rate where none is given."""

import json

import pytest

from winnow.errors import RecipeError
from winnow.models import loading
from winnow.models.families import known_architecture, usual_modules
from winnow.models.usual_modules import with_usual_modules
from winnow.parts import TrainPart, asked
from winnow.recipe import BaseRecipe, BudgetRecipe, LoraRecipe, Recipe, TrainingRecipe
from winnow.study.identity import identity

SIZES = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "vocab_size": 32, "intermediate_size": 32}
LLAMA = {"model_type": "llama", "num_key_value_heads": 2} | SIZES
OF_TYPE = {
    "llama": (LLAMA, {"q_proj", "v_proj"}),
    "gpt_neox": ({"model_type": "gpt_neox"} | SIZES, {"query_key_value"}),
    "gpt2": ({"model_type": "gpt2", "n_layer": 2, "n_embd": 16, "n_head": 2}, {"c_attn", "c_proj"}),
    # PEFT's table has no olmo: every linear layer but the head
    "olmo": (
        {"model_type": "olmo", "num_key_value_heads": 2} | SIZES,
        {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"},
    ),
}


def recipe_of(architecture=LLAMA, **sections):
    source = {"licence": "CC0-1.0", "problems": {"examples": 20}}
    base = {
        "architecture": architecture, "budget": {"tokens": 1000}, "context_tokens": 64,
        "sources": [{"name": "text", "licence": "CC0-1.0", "passages": {"documents": 5}}],
    }  # fmt: skip
    given = {
        "name": "t", "pool": {"sources": [source | {"name": "p"}]}, "base": {"pretrain": base},
        "budget": {"pool_epochs": 1}, "evaluation": {"sets": [source | {"name": "e"}]},
    }  # fmt: skip
    return Recipe.model_validate(given | sections)


def test_the_table_is_the_one_that_peft_imports():
    from peft.utils.constants import TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING as THEIRS

    for model_type, modules in THEIRS.items():
        if model_type not in ("gpt2", "gpt_bigcode"):
            assert usual_modules(model_type) == (modules if isinstance(modules, str) else tuple(modules))
    assert usual_modules("no_such_type") == usual_modules(None) == "all-linear"


@pytest.mark.parametrize("model_type", OF_TYPE)
def test_an_adapter_that_names_no_modules_fits_the_model(model_type):
    architecture, modules = OF_TYPE[model_type]
    model = loading.adapt(loading.skeleton(architecture), LoraRecipe(), seed=0)
    adapted = {name.split(".")[-4] for name, _ in model.named_parameters() if name.endswith("lora_A.default.weight")}
    assert adapted == modules


def test_a_recipe_gets_the_modules_of_its_model():
    told = with_usual_modules(recipe_of(training={"method": "lora"}))
    assert told.training.lora.target_modules == ("q_proj", "v_proj")
    assert with_usual_modules(told) is told
    named = recipe_of(training={"lora": {"target_modules": "all-linear"}})
    assert with_usual_modules(named) is named


def test_stages_and_levels_that_train_an_adapter_get_them_too():
    stages = [
        {"name": "warm", "training": {"method": "lora"}, "budget": {"pool_epochs": 1}},
        {"name": "whole", "budget": {"pool_epochs": 1}},
    ]
    told = with_usual_modules(recipe_of(training={"method": "full"}, stages=stages))
    assert [stage.training.lora.target_modules for stage in told.stages] == [("q_proj", "v_proj"), None]
    assert told.training.lora.target_modules is None
    varied = recipe_of(training={"method": "full"}, vary={"method": {"training.method": ["full", "lora"]}})
    assert with_usual_modules(varied).training.lora.target_modules == ("q_proj", "v_proj")


@pytest.mark.parametrize(
    "training", [{"method": "full"}, {"method": "none"}, {"peft": {"peft_type": "IA3", "target_modules": ["q_proj"]}}]
)
def test_where_no_lora_is_trained_the_recipe_stays(training):
    recipe = recipe_of(training=training)
    assert with_usual_modules(recipe) is recipe


def test_a_folder_tells_its_type_and_a_damaged_one_nothing(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "mistral"}))
    assert known_architecture(BaseRecipe(model=str(tmp_path))) == {"model_type": "mistral"}
    (tmp_path / "config.json").write_text("{")
    assert known_architecture(BaseRecipe(model=str(tmp_path))) == {}
    assert known_architecture(BaseRecipe(model="owner/name")) == {}


def part_of(**training):
    budget = BudgetRecipe(pool_epochs=1)
    return TrainPart(
        objective="sft", training=TrainingRecipe.model_validate(training), global_batch_size=4, budget=budget
    )


@pytest.mark.parametrize("method", ["lora", "full"])
def test_named_or_not_the_modules_of_gpt2_are_the_same_question(method):
    rate = {"method": method, "learning_rate": 1e-3}
    named = {"lora": {"target_modules": ["c_attn", "c_proj"]}} if method == "lora" else {}
    assert asked(part_of(**rate)) == asked(part_of(**rate, **named))
    assert asked(part_of(**rate))["training"]["lora"]["target_modules"] == ["c_attn", "c_proj"]
    assert asked(part_of(**rate)) != asked(part_of(**rate, lora={"target_modules": ["c_attn"]}))


def test_a_study_of_gpt2_stays_the_study_that_it_was():
    recipe = recipe_of(OF_TYPE["gpt2"][0])
    known = json.loads(json.dumps(identity(with_usual_modules(recipe))))
    assert known == json.loads(json.dumps(identity(recipe)))
    assert known["training"]["lora"]["target_modules"] == ["c_attn", "c_proj"]


@pytest.mark.parametrize(
    ("given", "rate"),
    [({}, 2e-4), ({"method": "lora"}, 2e-4), ({"method": "full"}, 2e-5), ({"method": "full", "learning_rate": 1}, 1)],
)
def test_the_rate_goes_by_the_method_where_none_is_given(given, rate):
    assert TrainingRecipe.model_validate(given).learning_rate == rate
    assert TrainingRecipe.model_validate(TrainingRecipe.model_validate(given).model_dump()).learning_rate == rate


def test_a_stage_that_changes_its_method_takes_the_rate_of_that():
    stages = [
        {"name": "a", "training": {"method": "lora"}, "budget": {"pool_epochs": 1}},
        {"name": "b", "training": {"warmup_fraction": 0.1}, "budget": {"pool_epochs": 1}},
    ]
    assert [stage.training.learning_rate for stage in recipe_of(stages=stages).stages] == [2e-4, 2e-5]
    assert recipe_of().base.pretrain.training.learning_rate == 1e-3


def test_modules_that_are_not_there_are_told_with_a_remedy():
    with pytest.raises(RecipeError, match="leave target_modules out for q_proj, v_proj, or write all-linear"):
        loading.adapt(loading.skeleton(LLAMA), LoraRecipe(target_modules=("c_attn",)), seed=0)
    with pytest.raises(RecipeError, match="leave target_modules out for"):
        loading.adapt(loading.skeleton(LLAMA), LoraRecipe(target_modules="no.*such"), seed=0)
