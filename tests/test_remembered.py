"""What plans keep in the store: the skeleton's own figures, asked for again where anything they rest on changes."""

from pathlib import Path

import numpy as np
import pytest

from tests_support import SMALLEST
from winnow.recipe.file import load_recipe
from winnow.verbs import planned_sizes, remembered
from winnow.verbs.planned_pool import PlannedPool
from winnow.verbs.remembered import Remembered

GPT2 = {"model_type": "gpt2", "n_layer": 2, "n_embd": 32, "n_head": 2, "n_positions": 128, "vocab_size": 300}
LLAMA = {
    "model_type": "llama", "num_hidden_layers": 2, "hidden_size": 32, "intermediate_size": 48, "vocab_size": 300,
    "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 128,
}  # fmt: skip
NEOX = {
    "model_type": "gpt_neox", "num_hidden_layers": 2, "hidden_size": 32, "intermediate_size": 48, "vocab_size": 300,
    "num_attention_heads": 4, "max_position_embeddings": 128,
}  # fmt: skip
"""Not known to arithmetic."""
KNOWN = {"gpt2": GPT2, "llama": LLAMA, "qwen2": {**LLAMA, "model_type": "qwen2", "tie_word_embeddings": True}}
METHODS = {
    "full": {"method": "full"},
    "frozen": {"method": "full", "freeze": ["embed|wte|wpe"]},
    "all-linear": {"method": "lora", "lora": {"target_modules": "all-linear", "r": 3}},
    "dora": {"method": "lora", "lora": {"target_modules": "all-linear", "use_dora": True, "use_rslora": True}},
    "checkpointed": {"method": "full", "gradient_checkpointing": True, "optimizer": "sgd"},
    "peft": {"method": "lora", "peft": {"peft_type": "LORA", "target_modules": "all-linear", "r": 2}},
}
POOL = PlannedPool(np.array([9, 20, 31, 17], dtype=np.int64), False, targets_share=0.5)


def recipe_of(architecture=NEOX, **training):
    """The smallest recipe on another base, trained otherwise, with adapters on all matrices unless told."""
    own = {} if "peft" in training else {"lora": {"target_modules": "all-linear"}}
    training = {"method": "lora"} | own | training
    recipe = load_recipe(SMALLEST)
    pretrain = recipe.base.pretrain.model_copy(update={"architecture": architecture})
    base = recipe.base.model_copy(update={"pretrain": pretrain})
    training = type(recipe.training).model_validate(
        recipe.training.model_dump() | {"per_device_batch_size": 2} | training
    )
    return recipe.model_copy(update={"base": base, "training": training})


@pytest.fixture
def asked(monkeypatch):
    """What the skeleton was asked, in order."""
    found = []
    for name in ("costs_of", "adapter_bytes_of", "peak_of"):
        make = getattr(planned_sizes, name)
        monkeypatch.setattr(planned_sizes, name, lambda *a, make=make, name=name: found.append(name) or make(*a))
    return found


def answers(root, recipe):
    kept = Remembered(root)
    return kept.costs(recipe), kept.adapter_bytes(recipe), kept.peak(recipe, recipe.training, POOL)


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_what_is_remembered_is_what_the_skeleton_says(tmp_path, asked, method):
    recipe = recipe_of(NEOX, **METHODS[method])
    said = answers(tmp_path, recipe)
    assert len(asked) == (3 if METHODS[method]["method"] == "lora" else 2)
    asked.clear()
    assert answers(tmp_path, recipe) == said
    assert not asked


@pytest.mark.parametrize("method", ["full", "frozen", "all-linear"])
@pytest.mark.parametrize("kind", KNOWN)
def test_a_known_architecture_asks_the_skeleton_nothing(tmp_path, asked, monkeypatch, kind, method):
    from winnow.models import checking

    monkeypatch.setattr(checking, "check_models", None)
    recipe = recipe_of(KNOWN[kind], **METHODS[method])
    Remembered(tmp_path).check_models(recipe)
    costs, adapter, peak = answers(tmp_path, recipe)
    assert not asked and not list(tmp_path.iterdir())
    assert costs == planned_sizes.costs_of(recipe)
    assert adapter == (planned_sizes.adapter_bytes_of(recipe) if METHODS[method]["method"] == "lora" else None)
    stepped = planned_sizes.peak_of(recipe, recipe.training, POOL)
    assert peak.total_bytes == pytest.approx(stepped.total_bytes, rel=0.1)


@pytest.mark.parametrize("method", ["dora", "peft"])
def test_what_arithmetic_does_not_know_of_a_known_architecture_is_asked(tmp_path, asked, method):
    answers(tmp_path, recipe_of(LLAMA, **METHODS[method]))
    assert "peak_of" in asked and ("costs_of" in asked) == (method == "peft")


def lora(**changes):
    return {"method": "lora", "lora": {"r": 8, "target_modules": "all-linear"} | changes}


@pytest.mark.parametrize(
    ("training", "again"),
    [
        (lora(), []),
        (lora() | {"learning_rate": 0.5, "schedule": "cosine", "warmup_fraction": 0.1}, []),
        (lora(r=4), ["costs_of", "adapter_bytes_of", "peak_of"]),
        (lora() | {"per_device_batch_size": 4}, ["costs_of", "adapter_bytes_of", "peak_of"]),
        ({"method": "full"}, ["costs_of", "peak_of"]),
    ],
)
def test_rates_ask_nothing_anew_and_shapes_do(tmp_path, asked, training, again):
    answers(tmp_path, recipe_of(**lora()))
    asked.clear()
    answers(tmp_path, recipe_of(**training))
    assert asked == again


def test_another_pool_asks_for_its_memory_anew(tmp_path, asked):
    recipe, kept = recipe_of(), Remembered(tmp_path)
    kept.peak(recipe, recipe.training, POOL)
    longer = PlannedPool(POOL.lengths + 1, False, targets_share=0.5)
    assert kept.peak(recipe, recipe.training, longer) != kept.peak(recipe, recipe.training, POOL)
    assert asked == ["peak_of", "peak_of"]


@pytest.mark.parametrize("what", ["hash_code", "LIBRARIES"])
def test_other_code_or_libraries_ask_anew(tmp_path, asked, monkeypatch, what):
    answers(tmp_path, recipe_of())
    asked.clear()
    monkeypatch.setattr(remembered, what, {"hash_code": lambda folder: "other", "LIBRARIES": ("torch",)}[what])
    answers(tmp_path, recipe_of())
    assert asked


@pytest.mark.parametrize("harm", [lambda text: text[:-9], lambda text: text.replace("answer", "answr"), lambda _: "[]"])
def test_a_damaged_answer_is_worked_out_again(tmp_path, asked, harm):
    said = answers(tmp_path, recipe_of())
    for path in (tmp_path / remembered.KEPT).iterdir():
        path.write_text(harm(path.read_text()))
    asked.clear()
    assert answers(tmp_path, recipe_of()) == said
    assert len(asked) == 3


def test_models_that_can_be_used_are_not_tried_again(tmp_path, monkeypatch):
    from winnow.models import checking

    tried = []
    monkeypatch.setattr(checking, "check_models", tried.append)
    for _ in range(2):
        Remembered(tmp_path).check_models(recipe_of())
    assert len(tried) == 1


def test_a_base_at_a_hub_and_a_plan_without_a_store_keep_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(planned_sizes, "costs_of", lambda recipe: planned_sizes.flop_model(
        planned_sizes.skeleton(recipe_of(), recipe_of().training)))  # fmt: skip
    recipe = recipe_of()
    hub = recipe.model_copy(update={"base": recipe.base.model_copy(update={"model": "gpt2", "pretrain": None})})
    Remembered(tmp_path).costs(hub)
    Remembered(None).costs(recipe)
    assert list(Path(tmp_path).iterdir()) == []


def test_a_changed_model_folder_asks_anew(tmp_path):
    recipe, folder = recipe_of(), tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    local = recipe.model_copy(update={"base": recipe.base.model_copy(update={"model": str(folder)})})
    before = remembered._base(local)
    (folder / "config.json").write_text('{"a": 1}')
    assert remembered._base(local) != before
