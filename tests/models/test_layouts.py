"""Layouts of known architectures beside the models that transformers and PEFT build, over many shapes."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some
from transformers import AutoConfig

from winnow.models import loading
from winnow.models.file_sizes import adapter_bytes, float32_bytes
from winnow.models.flops import flop_model
from winnow.models.known_configs import FAMILIES
from winnow.models.known_flops import known_flops
from winnow.models.layouts import layout_of
from winnow.models.trained_parts import trained_parts
from winnow.recipe import TrainingRecipe

SIZES = {
    "num_hidden_layers": 2, "hidden_size": 24, "intermediate_size": 40, "vocab_size": 61, "num_attention_heads": 4,
    "num_key_value_heads": 2, "max_position_embeddings": 48, "bos_token_id": 0, "eos_token_id": 0, "pad_token_id": None,
}  # fmt: skip
GPT2 = {"model_type": "gpt2", "n_layer": 2, "n_embd": 24, "n_head": 3, "n_positions": 32, "vocab_size": 61,
        "bos_token_id": 0, "eos_token_id": 0}  # fmt: skip
LLAMA = SIZES | {"model_type": "llama"}
FULL = {"method": "full"}


def lora(*targets, **others):
    """A section `training` that trains adapters on these matrices, all where none is named."""
    return {"method": "lora", "lora": {"target_modules": list(targets) or "all-linear", "r": 3, **others}}


def built(architecture, training):
    """The skeleton, trained as the section says."""
    model = loading.skeleton(architecture)
    loading.freeze(model, training.freeze)
    return loading.adapt(model, training.adapter, seed=0) if training.method == "lora" else model


def compare(architecture, section):
    """Every number of the layout beside the model's own."""
    training = TrainingRecipe.model_validate(section)
    layout, model = layout_of(architecture), built(architecture, training)
    parts = trained_parts(layout, training)
    assert known_flops(layout, parts) == flop_model(model)
    names = {name for name, weight in model.named_parameters() if weight.requires_grad}
    if training.method == "lora":
        assert float32_bytes(parts.adapter_weights(layout)) == adapter_bytes(model)
    else:
        assert {name: tuple(weight.shape) for name, weight in model.named_parameters()} == layout.weights
        assert parts.trained == names


SHAPES = {
    "gpt2": GPT2,
    "gpt2, inner width, untied": GPT2 | {"n_inner": 20, "tie_word_embeddings": False},
    "gpt2, other names": {"model_type": "gpt2", "num_hidden_layers": 1, "hidden_size": 16, "num_attention_heads": 2,
                          "bos_token_id": 0, "eos_token_id": 0},
    "llama, untied": LLAMA,
    "llama, tied": LLAMA | {"tie_word_embeddings": True},
    "llama, biases, wide heads": LLAMA | {"attention_bias": True, "mlp_bias": True, "head_dim": 10},
    "llama, a key for every query": LLAMA | {"num_key_value_heads": None},
    "llama, one key for all": LLAMA | {"num_key_value_heads": 1},
    "mistral": SIZES | {"model_type": "mistral", "head_dim": 8},
    "qwen2": SIZES | {"model_type": "qwen2", "tie_word_embeddings": True},
    "qwen3": SIZES | {"model_type": "qwen3", "head_dim": 16},
    "qwen3, biases": SIZES | {"model_type": "qwen3", "attention_bias": True},
    "smollm3": SIZES | {"model_type": "smollm3"},
    "smollm3, biases": SIZES | {"model_type": "smollm3", "attention_bias": True, "mlp_bias": True},
}  # fmt: skip
EMBEDDINGS = "embed_tokens|wte|wpe"
TRAININGS = {
    "full": FULL,
    "embeddings frozen": FULL | {"freeze": [EMBEDDINGS]},
    "upper layer alone": FULL | {"freeze": [EMBEDDINGS, r"\.0\."]},
    "all layers frozen": FULL | {"freeze": [r"(layers|h)\."]},
    "attention frozen": FULL | {"freeze": [r"attn"]},
    "norms alone": FULL | {"freeze": [EMBEDDINGS, r"attn\.|mlp\."]},
    "lora": lora(),
    "lora with dropout, rslora": lora(lora_dropout=0.1, use_rslora=True, r=5),
    "dora": lora(use_dora=True, lora_dropout=0.0),
    "dora with dropout": lora(use_dora=True, lora_dropout=0.1),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("section", [FULL, lora()], ids=["full", "lora"])
@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_costs_what_the_model_says(shape, section):
    compare(SHAPES[shape], section)


@pytest.mark.slow
@pytest.mark.parametrize("section", TRAININGS)
@pytest.mark.parametrize("shape", ["gpt2", "llama, untied", "qwen3, biases"])
def test_every_way_of_training_costs_what_the_model_says(shape, section):
    compare(SHAPES[shape], TRAININGS[section])


@pytest.mark.parametrize("section", [FULL, lora()], ids=["full", "lora"])
@pytest.mark.parametrize("shape", ["gpt2", "llama, biases, wide heads", "qwen3"])
def test_the_main_families_agree(shape, section):
    compare(SHAPES[shape], section)


@pytest.mark.slow
@pytest.mark.parametrize("targets", [
    ("q_proj",), ("o_proj",), ("v_proj", "down_proj"), ("gate_proj",), ("mlp.up_proj",),
    ("model.layers.1.self_attn.k_proj",), ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"),
])  # fmt: skip
def test_gradients_begin_at_the_lowest_adapter(targets):
    compare(LLAMA, lora(*targets))
    compare(LLAMA, lora(*targets, use_dora=True))


@pytest.mark.slow
@pytest.mark.parametrize("targets", [("c_attn",), ("c_proj",), ("attn.c_proj",), ("mlp.c_proj",), ("c_fc", "c_attn")])
def test_a_name_of_gpt2_may_mean_two_matrices(targets):
    compare(GPT2, lora(*targets))


@some.composite
def architectures(draw):
    """Any configuration of a known type that transformers takes."""
    kind = draw(some.sampled_from([name for name in FAMILIES if name != "gpt2"]))
    keys, groups = draw(some.integers(1, 3)), draw(some.integers(1, 3))
    heads = keys * groups
    chosen = {
        "model_type": kind, "num_hidden_layers": draw(some.integers(1, 3)),
        "hidden_size": heads * 2 * draw(some.integers(1, 5)), "num_attention_heads": heads,
        "num_key_value_heads": keys, "intermediate_size": draw(some.integers(1, 50)),
        "vocab_size": draw(some.integers(5, 90)), "tie_word_embeddings": draw(some.booleans()),
    }  # fmt: skip
    defaults = FAMILIES[kind].defaults
    chosen |= {key: draw(some.booleans()) for key in ("attention_bias", "mlp_bias") if key in defaults}
    own_size = {"head_dim": 2 * draw(some.integers(1, 9))} if "head_dim" in defaults and draw(some.booleans()) else {}
    return {"bos_token_id": 0, "eos_token_id": 0, "pad_token_id": None} | chosen | own_size


@some.composite
def trainings(draw):
    """Adapters of any kind on any of Llama's matrices, or all weights."""
    names = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    targets = draw(some.lists(some.sampled_from(names), unique=True, max_size=4))
    dropout = draw(some.sampled_from([0.0, 0.1]))
    adapter = lora(*targets, r=draw(some.integers(1, 9)), use_dora=draw(some.booleans()), lora_dropout=dropout)
    frozen = FULL | {"freeze": [r"layers\.0\.", "embed_tokens"][: draw(some.integers(0, 2))]}
    return draw(some.sampled_from([adapter, frozen]))


@pytest.mark.long
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(architecture=architectures(), section=trainings())
def test_any_shape_and_any_adapter_agree(architecture, section):
    frozen_all = architecture["num_hidden_layers"] == 1 and len(section.get("freeze", ())) == 2
    if not frozen_all or not architecture["tie_word_embeddings"]:
        compare(architecture, section)


@pytest.mark.parametrize("kind", FAMILIES)
def test_what_is_not_said_is_as_transformers_has_it(kind):
    family, config = FAMILIES[kind], AutoConfig.for_model(kind)
    assert family.class_name == {"gpt2": "GPT2LMHeadModel"}.get(kind, type(config).__name__[:-6] + "ForCausalLM")
    for key, default in family.defaults.items():
        if default is not None:
            assert getattr(config, key) == default, key
    layout = layout_of({"model_type": kind})
    assert layout.key_value_heads == getattr(config, "num_key_value_heads", layout.heads)
    assert layout.head_size == (getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads)


@pytest.mark.parametrize("change", [
    {"model_type": "gpt_neox"}, {"architectures": ["LlamaModel"]}, {"layer_types": ["sliding_attention"] * 2},
    {"hidden_size": 25}, {"hidden_size": "24"}, {"hidden_size": 24.0}, {"num_hidden_layers": 0}, {"vocab_size": True},
    {"num_hidden_layers": 10**4}, {"num_key_value_heads": 3}, {"tie_word_embeddings": 1}, {"hidden_act": "sillu"},
    {"quantization_config": {"bits": 4}}, {"rope_parameters": {"rope_type": "llama3", "factor": 8.0}},
    {"rope_scaling": {"type": "linear"}}, {"pretraining_tp": 2}, {"is_decoder": False}, {"n_layer": 2},
    {"attention_dropout": "none"}, {"initializer_range": -0.1}, {"eos_token_id": [0, 1]}, {"vocab_size": None},
])  # fmt: skip
def test_what_is_not_understood_has_no_layout(change):
    assert layout_of(LLAMA) is not None
    assert layout_of(LLAMA | change) is None


def test_a_size_under_two_names_has_no_layout():
    assert layout_of(GPT2 | {"hidden_size": 24}) is None


@pytest.mark.parametrize("section", [
    lora("c_attn"), lora("q_proj", "lm_head"), lora("embed_tokens"), lora("q_proj", "nothing"),
    {"method": "lora", "lora": {"target_modules": ".*q_proj"}}, FULL | {"freeze": ["nothing"]},
    FULL | {"freeze": ["."]},
    {"method": "lora", "peft": {"peft_type": "LORA", "target_modules": "all-linear"}}, lora() | {"freeze": ["nothing"]},
])  # fmt: skip
def test_what_the_layout_does_not_tell_is_left_to_the_model(section):
    assert trained_parts(layout_of(LLAMA), TrainingRecipe.model_validate(section)) is None


def test_published_sizes():
    """GPT-2 small, SmolLM2 135M, Llama 2 7B, Mistral 7B, Qwen2 0.5B and Qwen3 0.6B, as their cards count."""
    smollm = {"hidden_size": 576, "intermediate_size": 1536, "num_hidden_layers": 30, "num_attention_heads": 9,
              "num_key_value_heads": 3, "vocab_size": 49152, "tie_word_embeddings": True}  # fmt: skip
    qwen2 = {"hidden_size": 896, "intermediate_size": 4864, "num_hidden_layers": 24, "num_attention_heads": 14,
             "num_key_value_heads": 2, "tie_word_embeddings": True}  # fmt: skip
    qwen3 = {"hidden_size": 1024, "intermediate_size": 3072, "num_hidden_layers": 28, "num_attention_heads": 16,
             "num_key_value_heads": 8, "tie_word_embeddings": True}  # fmt: skip
    counted = {
        "gpt2": ({}, 124_439_808), "llama": ({}, 6_738_415_616), "mistral": ({}, 7_241_732_096),
        "qwen2": (qwen2, 494_032_768), "qwen3": (qwen3, 596_049_920),
    }  # fmt: skip
    assert {kind: layout_of({"model_type": kind, **sizes}).num_weights for kind, (sizes, _) in counted.items()} == {
        kind: number for kind, (_, number) in counted.items()
    }
    assert layout_of({"model_type": "llama", **smollm}).num_weights == 134_515_008
