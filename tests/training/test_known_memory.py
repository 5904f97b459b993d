"""Memory by arithmetic beside a step on tensors without contents, which knows no architecture."""

import pytest

from winnow.models import cross_entropy, loading
from winnow.models.layouts import layout_of
from winnow.models.trained_parts import trained_parts
from winnow.recipe import TrainingRecipe
from winnow.training.known_memory import BLOCK_LOGITS, MIN_BLOCK, is_known, known_peak
from winnow.training.largest_batches import MicroBatch
from winnow.training.peak_memory import predict

LLAMA = {
    "model_type": "llama", "num_hidden_layers": 3, "hidden_size": 64, "intermediate_size": 160, "vocab_size": 500,
    "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 512,
}  # fmt: skip
GPT2 = {"model_type": "gpt2", "n_layer": 2, "n_embd": 64, "n_head": 4, "n_positions": 256, "vocab_size": 500,
        "bos_token_id": 0, "eos_token_id": 0}  # fmt: skip
WIDE = {"vocab_size": 30_000, "tie_word_embeddings": True}
SHAPES = {
    "llama": LLAMA, "llama, wide vocabulary": LLAMA | WIDE, "gpt2": GPT2, "gpt2, wide vocabulary": GPT2 | WIDE,
    "gpt2, no dropout": GPT2 | {"resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0},
    "qwen3": LLAMA | {"model_type": "qwen3", "head_dim": 32}, "qwen2": LLAMA | {"model_type": "qwen2"},
    "mistral": LLAMA | {"model_type": "mistral"},
}  # fmt: skip
FULL = {"method": "full"}
LORA = {"method": "lora", "lora": {"target_modules": "all-linear"}}
TRAININGS = {
    "full": FULL, "accumulated": FULL | {"gradient_accumulation_steps": 2},
    "recomputed": FULL | {"gradient_checkpointing": True},
    "embeddings frozen": FULL | {"freeze": ["embed_tokens|wte|wpe"]},
    "lora": LORA, "lora without dropout": {"method": "lora", "lora": LORA["lora"] | {"lora_dropout": 0.0}},
}  # fmt: skip
BATCHES = MicroBatch(4, 64, 64), MicroBatch(2, 200, 300), MicroBatch(1, 8, 4, follows=True)
TOLERANCE = 0.10
"""Of the whole; that of the step against measured runs is 0.15."""


def both(architecture, section, batch):
    """By arithmetic, and by the step."""
    training = TrainingRecipe.model_validate(section)
    layout, model = layout_of(architecture), loading.skeleton(architecture)
    parts = trained_parts(layout, training)
    loading.freeze(model, training.freeze)
    model = loading.adapt(model, training.adapter, seed=0) if training.method == "lora" else model
    assert is_known(training, parts)
    return known_peak(layout, parts, training, batch), predict(model, training, batch)


def check(architecture, section, batch):
    """Weights and the optimizer's state to the byte, the whole within the tolerance."""
    known, found = both(architecture, section, batch)
    assert (known.weights_bytes, known.optimizer_bytes) == (found.weights_bytes, found.optimizer_bytes)
    assert known.total_bytes / found.total_bytes == pytest.approx(1, abs=TOLERANCE)


@pytest.mark.slow
@pytest.mark.parametrize("batch", BATCHES, ids=str)
@pytest.mark.parametrize("section", TRAININGS)
@pytest.mark.parametrize("shape", ["llama", "gpt2", "llama, wide vocabulary", "gpt2, wide vocabulary"])
def test_memory_is_what_the_step_says(shape, section, batch):
    check(SHAPES[shape], TRAININGS[section], batch)


@pytest.mark.slow
@pytest.mark.parametrize("section", ["full", "lora"])
@pytest.mark.parametrize("shape", SHAPES)
def test_every_family_is_known(shape, section):
    check(SHAPES[shape], TRAININGS[section], BATCHES[1])


@pytest.mark.parametrize("shape", ["llama", "gpt2"])
def test_an_adapter_on_some_matrices_is_known(shape):
    targets = ["q_proj", "v_proj"] if shape == "llama" else ["c_attn", "c_proj"]
    check(SHAPES[shape], {"method": "lora", "lora": {"target_modules": targets}}, BATCHES[0])


@pytest.mark.slow
@pytest.mark.parametrize("section", ["full", "lora", "lora without dropout"])
@pytest.mark.parametrize("shape", ["llama", "gpt2", "gpt2, no dropout", "qwen3"])
def test_what_a_layer_keeps_is_exact(shape, section):
    """Two depths differ by a layer's activations and nothing else that is alive at the worst moment."""
    architecture, batch = SHAPES[shape], BATCHES[1]
    key = "n_layer" if "gpt2" in shape else "num_hidden_layers"
    deeper = architecture | {key: architecture[key] + 1}
    pairs = [both(each, TRAININGS[section], batch) for each in (architecture, deeper)]
    (less, found_less), (more, found_more) = ([each.activations_bytes for each in pair] for pair in pairs)
    assert more - less == found_more - found_less


def test_blocks_of_the_head_are_those_of_its_code():
    assert (BLOCK_LOGITS, MIN_BLOCK) == (cross_entropy.BLOCK_LOGITS, cross_entropy.MIN_BLOCK)


@pytest.mark.parametrize("change", [
    {"packing": True}, {"compile": True}, {"precision": "bfloat16"}, {"optimizer": "sgd"}, {"sharding": "full"},
    {"method": "lora", "quantise": "4bit"},
    {"method": "lora", "lora": {"target_modules": "all-linear", "use_dora": True}},
])  # fmt: skip
def test_what_is_not_known_is_left_to_the_step(change):
    training = TrainingRecipe.model_validate({"method": "full"} | change)
    layout = layout_of(GPT2)
    assert not is_known(training, trained_parts(layout, training))


def test_more_tokens_layers_and_weights_take_more():
    training = TrainingRecipe.model_validate(FULL)

    def peak(architecture, batch):
        layout = layout_of(architecture)
        return known_peak(layout, trained_parts(layout, training), training, batch)

    least = peak(LLAMA, MicroBatch(4, 64, 64))
    for architecture, batch in (
        (LLAMA, MicroBatch(8, 64, 64)), (LLAMA | {"num_hidden_layers": 4}, MicroBatch(4, 64, 64)),
        (LLAMA | {"intermediate_size": 320}, MicroBatch(4, 64, 64)), (LLAMA, MicroBatch(4, 64, 256)),
    ):  # fmt: skip
        assert peak(architecture, batch).activations_bytes > least.activations_bytes
    tiny = peak(LLAMA, MicroBatch(1, 2, 1))
    assert tiny.gradients_bytes + tiny.activations_bytes == 4 * layout_of(LLAMA).num_weights
