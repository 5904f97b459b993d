import pytest
import torch
from peft import PeftModel
from toys import LLAMA_SIZES, VOCABULARY, toy_model, toy_rows, toy_tokenizer, whole_batch

from winnow.errors import RecipeError
from winnow.models import loading
from winnow.models.adapters import adapter_config
from winnow.models.file_sizes import adapter_bytes
from winnow.models.forward import Losses
from winnow.recipe import LoraRecipe, TrainingRecipe

IDS = torch.arange(1, 20).unsqueeze(0)
TARGETS = ("q_proj", "v_proj")
LLAMA = LLAMA_SIZES | {"model_type": "llama", "vocab_size": VOCABULARY}
ADAPTERS = {
    "lora": LoraRecipe(r=4, target_modules=TARGETS),
    "rslora": LoraRecipe(r=4, target_modules=TARGETS, use_rslora=True),
    "dora": LoraRecipe(r=4, target_modules=TARGETS, use_dora=True),
    "ia3": {"peft_type": "IA3", "target_modules": ["k_proj", "down_proj"], "feedforward_modules": ["down_proj"]},
    "loha": {"peft_type": "LOHA", "r": 2, "target_modules": list(TARGETS)},
    "vera": {"peft_type": "vera", "r": 4, "target_modules": ["q_proj", "o_proj"]},
}


def adapted(name, kind="llama"):
    """A toy model whose adapter has learnt something."""
    model = loading.adapt(toy_model(kind, spread=0.2), ADAPTERS[name], seed=0)
    with loading.seeded(1):
        for weight in loading.trainable_state(model).values():
            weight.add_(0.1 * torch.randn_like(weight))
    return model.eval()


def logits(model):
    with torch.no_grad():
        return model.eval()(input_ids=IDS).logits


@pytest.fixture(params=ADAPTERS)
def name(request):
    return request.param


def test_plain_peft_loads_what_is_saved(name, tmp_path):
    model = adapted(name)
    loading.save_model(model, tmp_path, toy_tokenizer(), "some/base")
    assert torch.equal(logits(PeftModel.from_pretrained(toy_model("llama", spread=0.2), tmp_path)), logits(model))
    assert not torch.allclose(logits(model), logits(toy_model("llama", spread=0.2)), atol=1e-3)


def test_merged_is_unmerged(name):
    model = adapted(name)
    assert torch.allclose(logits(loading.merged(model)), logits(model), atol=1e-4)


def test_losses_at_targets_are_those_of_the_whole_model(name):
    model, batch = adapted(name), whole_batch(toy_rows(4))
    losses = Losses(model)
    assert losses.is_sparse
    is_target = batch.is_target[:, 1:]
    with torch.no_grad():
        dense = model(input_ids=batch.ids).logits[:, :-1][is_target]
        expected = torch.nn.functional.cross_entropy(dense, batch.ids[:, 1:][is_target], reduction="none")
        assert torch.allclose(losses.of_targets(batch), expected, atol=1e-5)


def test_the_size_of_the_file_is_known_before(name, tmp_path):
    loading.save_model(adapted(name), tmp_path, toy_tokenizer(), None)
    size = (tmp_path / "adapter_model.safetensors").stat().st_size
    assert adapter_bytes(loading.adapt(loading.skeleton(LLAMA), ADAPTERS[name], seed=0)) == size


@pytest.mark.slow
def test_saved_twice_is_the_same_file(name, tmp_path):
    for folder in ("first", "second"):
        loading.save_model(adapted(name), tmp_path / folder, toy_tokenizer(), None)
    for file in ("adapter_config.json", "adapter_model.safetensors"):
        assert (tmp_path / "first" / file).read_bytes() == (tmp_path / "second" / file).read_bytes()


def test_transposed_matrices_are_told(tmp_path):
    options = {"peft_type": "IA3", "target_modules": ["c_attn", "c_proj"], "feedforward_modules": ["c_proj"]}
    model = loading.adapt(toy_model("gpt2"), options, seed=0)
    assert model.peft_config["default"].fan_in_fan_out


def test_rank_stabilised_means_the_root_of_the_rank():
    plain, stabilised = (
        adapted(name).get_submodule("base_model.model.model.layers.0.self_attn.q_proj").scaling["default"]
        for name in ("lora", "rslora")
    )
    assert (plain, stabilised) == (16 / 4, 16 / 2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"peft_type": "IA33"}, r"training\.peft\.peft_type is 'IA33' \(did you mean 'IA3'\?\); this PEFT has ADALORA"),
        ({"r": 8}, r"training\.peft\.peft_type is None; this PEFT has"),
        ({"peft_type": "LOHA", "rr": 8}, r"unknown key training\.peft\.rr.*; LOHA has alpha"),
        ({"peft_type": "LOHA", "target_module": []}, r"did you mean 'target_modules'\?"),
        ({"peft_type": "LOHA", "task_type": "SEQ_CLS"}, r"training\.peft\.task_type is set by winnow; remove it"),
        ({"peft_type": "PROMPT_TUNING", "num_virtual_tokens": 4}, r"PROMPT_TUNING puts virtual tokens before"),
        ({"peft_type": "ADALORA", "total_step": 10}, r"ADALORA moves ranks between layers"),
        ({"peft_type": "IA3", "target_modules": ["k_proj"], "feedforward_modules": ["x"]}, r"training\.peft: .*feedf"),
    ],
)  # fmt: skip
def test_an_adapter_that_cannot_be_is_one_clear_line(options, message):
    with pytest.raises(RecipeError, match=message) as caught:
        adapter_config(options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"peft_type": "LOHA", "target_modules": ["c_attn"]}, r"training\.peft: .*; this model has .*q_proj"),
        ({"peft_type": "LOHA", "r": -1, "target_modules": ["q_proj"]}, r"training\.peft: .*-1"),
        ({"peft_type": "ADAPTION_PROMPT", "adapter_len": 4, "adapter_layers": 1}, "ADAPTION_PROMPT cannot be merged"),
    ],
)
def test_an_adapter_that_does_not_fit_the_model_is_one_clear_line(options, message):
    with pytest.raises(RecipeError, match=message) as caught:
        loading.adapt(toy_model("llama"), options, seed=0)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("training", "message"),
    [
        ({"method": "full", "peft": {"peft_type": "IA3"}}, "training.peft goes with training.method lora"),
        ({"method": "full", "quantise": "4bit"}, "training.quantise goes with training.method lora"),
        ({"peft": {"peft_type": "IA3"}, "lora": {"r": 4}}, "both lora and peft"),
        ({"quantise": "8bit", "precision": "float64"}, "cannot go with training.precision float64"),
    ],
)
def test_contradictions_are_refused(training, message):
    with pytest.raises(ValueError, match=message):
        TrainingRecipe.model_validate(training)
