"""Whatever an adapter changes: trained, merged, loaded by plain PEFT and loaded by winnow, it is one model."""

import numpy as np
import pytest
import torch
from peft import PeftModel
from toys import SIZES, config_of, store_artifact, toy_tokenizer, whole_batch
from transformers import AutoModelForCausalLM

from winnow.errors import RecipeError
from winnow.models import loading, merging
from winnow.models.forward import Losses
from winnow.models.rows import rows_of
from winnow.recipe import LoraRecipe

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:peft", "ignore::FutureWarning")
IDS = torch.tensor([[1, 5, 9, 7, 30, 44, 2, 8, 100, 6]])
NAMES = {"llama": ("embed_tokens", "q_proj", "down_proj", "norm"), "gpt2": ("wte", "c_attn", "c_proj", "ln_f")}
SHAPES = [(kind, tied) for kind in NAMES for tied in (True, False)]


def lora(**options):
    return {"peft_type": "LORA", "r": 4, **options}


ADAPTERS = {
    "plain": lambda embed, q, down, norm: LoraRecipe(target_modules=(q, down), lora_dropout=0),
    "all_linear": lambda embed, q, down, norm: LoraRecipe(target_modules="all-linear", lora_dropout=0),
    "dora": lambda embed, q, down, norm: LoraRecipe(target_modules=(q, down), use_dora=True, lora_dropout=0),
    "embedding": lambda embed, q, down, norm: LoraRecipe(target_modules=(embed,), lora_dropout=0),
    "head": lambda embed, q, down, norm: LoraRecipe(target_modules=("lm_head",), lora_dropout=0),
    "embedding_and_head": lambda embed, q, down, norm: LoraRecipe(target_modules=(q, embed, "lm_head"), lora_dropout=0),
    "dora_embedding": lambda embed, q, down, norm: LoraRecipe(target_modules=(embed,), use_dora=True, lora_dropout=0),
    "rslora_head": lambda embed, q, down, norm: lora(target_modules=["lm_head"], use_rslora=True),
    "saved_head": lambda embed, q, down, norm: lora(target_modules=[q], modules_to_save=["lm_head"]),
    "saved_embedding": lambda embed, q, down, norm: lora(target_modules=[q], modules_to_save=[embed]),
    "saved_both": lambda embed, q, down, norm: lora(target_modules=[q], modules_to_save=[embed, "lm_head"]),
    "saved_norm": lambda embed, q, down, norm: lora(target_modules=[q], modules_to_save=[norm]),
    "tokens": lambda embed, q, down, norm: lora(target_modules=[q], trainable_token_indices=[5, 6]),
    "tokens_of_both": lambda embed, q, down, norm: lora(
        target_modules=[q], trainable_token_indices={embed: [5, 6], "lm_head": [5, 7]}
    ),
    "tokens_alone": lambda embed, q, down, norm: {
        "peft_type": "TRAINABLE_TOKENS", "target_modules": [embed], "token_indices": [5, 6],
    },
    "bias": lambda embed, q, down, norm: lora(target_modules=[q], bias="all"),
    "bias_of_lora": lambda embed, q, down, norm: lora(target_modules=[q], bias="lora_only"),
    "patterns": lambda embed, q, down, norm: lora(target_modules=[q, down], rank_pattern={down: 2}),
    "one_layer": lambda embed, q, down, norm: lora(target_modules=[q], layers_to_transform=[0]),
    "pissa": lambda embed, q, down, norm: lora(target_modules=[q], init_lora_weights="pissa"),
    "ia3": lambda embed, q, down, norm: {
        "peft_type": "IA3", "target_modules": [q, down], "feedforward_modules": [down],
    },
    "ia3_head": lambda embed, q, down, norm: {
        "peft_type": "IA3", "target_modules": ["lm_head"], "feedforward_modules": [],
    },
    "oft_embedding": lambda embed, q, down, norm: {"peft_type": "OFT", "target_modules": [embed]},
    "hira_embedding": lambda embed, q, down, norm: {"peft_type": "HIRA", "target_modules": [embed]},
    "loha_head": lambda embed, q, down, norm: {"peft_type": "LOHA", "target_modules": ["lm_head"]},
    "lokr_head": lambda embed, q, down, norm: {"peft_type": "LOKR", "target_modules": ["lm_head"]},
    "vera_head": lambda embed, q, down, norm: {"peft_type": "VERA", "target_modules": ["lm_head"]},
    "norms": lambda embed, q, down, norm: {"peft_type": "LN_TUNING", "target_modules": [norm]},
    "fourier_head": lambda embed, q, down, norm: {"peft_type": "FOURIERFT", "target_modules": ["lm_head"]},
}  # fmt: skip
REFUSED = {
    "bias_that_is_not_there": (lora(target_modules=["q_proj"], lora_bias=True), "cannot be merged into Llama"),
    "bias_alone": ({"peft_type": "BEFT", "target_modules": ["q_proj"]}, "cannot be merged into LlamaForCausalLM"),
    "never_merged": ({"peft_type": "LILY", "target_modules": ["q_proj"]}, "LILY cannot be merged"),
    "not_to_be_copied": (lora(target_modules=["embed_tokens"], ensure_weight_tying=True), "cannot be merged"),
    "shadow": ({"peft_type": "SHADOW", "target_modules": ["lm_head"]}, "training.peft"),
    "half_of_it": (lora(target_modules=["q_proj", "c_attn"]), "target_modules is ['c_attn', 'q_proj']; this model has"),
    "saves_nothing": (lora(target_modules=["q_proj"], modules_to_save=["score"]), "modules_to_save is ['score']"),
    "a_norm": (lora(target_modules=["norm"]), "training.peft: Target module"),
    "rank_0": (lora(target_modules=["q_proj"], r=0), "training.peft: `r` should be a positive"),
    "matches_nothing": (LoraRecipe(target_modules="c_.*"), "training.lora.target_modules is c_.*; this model has"),
}  # fmt: skip


def model_of(kind, tied):
    config = config_of(kind)
    config.tie_word_embeddings, config.initializer_range = tied, 0.2
    with loading.seeded(0):
        return AutoModelForCausalLM.from_config(config).eval()


def loss(model):
    model.eval()
    with torch.no_grad():
        return float(model(input_ids=IDS, labels=IDS).loss)


def trained(kind, tied, adapter):
    """The adapted model after a few steps, and its loss."""
    model = loading.adapt(model_of(kind, tied), adapter, seed=0)
    optimizer = torch.optim.SGD([weight for weight in model.parameters() if weight.requires_grad], lr=0.1)
    for _ in range(5):
        optimizer.zero_grad()
        model(input_ids=IDS, labels=IDS).loss.backward()
        optimizer.step()
    return model, loss(model)


@pytest.fixture
def base_of(tmp_path):
    def store(kind, tied):
        stored = store_artifact(tmp_path, "train", "base")
        loading.save_model(model_of(kind, tied), stored.folder / "last", toy_tokenizer(), None)
        return stored

    return store


@pytest.mark.parametrize("name", ADAPTERS)
@pytest.mark.parametrize(("kind", "tied"), [
    pytest.param(kind, tied, id=f"{kind}-{'tied' if tied else 'untied'}", marks=() if tied else pytest.mark.long)
    for kind, tied in SHAPES
])  # fmt: skip
@pytest.mark.slow
def test_what_is_evaluated_is_what_was_trained(name, kind, tied, base_of, tmp_path):
    try:
        model, expected = trained(kind, tied, ADAPTERS[name](*NAMES[kind]))
    except RecipeError as error:
        assert "\n" not in str(error)  # refused before any training
        return
    assert abs(expected - loss(model_of(kind, tied))) > 1e-4
    assert loss(loading.merged(model)) == pytest.approx(expected, abs=1e-3)
    assert loss(model) == expected
    run, base = store_artifact(tmp_path, "train", "run"), base_of(kind, tied)
    loading.write_start(run.folder, base.artifact)
    loading.save_model(model, run.folder / "last", toy_tokenizer(), str(base.folder / "last"))
    plain = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base.folder / "last"), run.folder / "last")
    assert loss(plain) == pytest.approx(expected, abs=1e-3)
    loaded = loading.load_model(run)
    assert loss(loaded) == pytest.approx(expected, abs=1e-3)
    assert loss(loading.load_named(str(run.folder / "last"), None)) == pytest.approx(expected, abs=1e-3)
    loading.save_model(loaded, tmp_path / "whole", toy_tokenizer(), None)
    assert loss(AutoModelForCausalLM.from_pretrained(tmp_path / "whole")) == pytest.approx(expected, abs=1e-3)
    assert loss(loading.load_named(str(tmp_path / "whole"), None)) == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("is_hollow", [True, False], ids=["in a plan", "before training"])
def test_what_cannot_be_is_refused_before_any_training(name, is_hollow):
    adapter, message = REFUSED[name]
    model = model_of("llama", True)
    with pytest.raises(RecipeError) as raised:
        loading.adapt(merging.hollow(model) if is_hollow else model, adapter, seed=0)
    assert message in str(raised.value) and "\n" not in str(raised.value)


def test_an_adapter_that_does_not_run_is_refused_before_training():
    adapter = {"peft_type": "TRAINABLE_TOKENS", "target_modules": ["embed_tokens"]}  # of which tokens?
    with pytest.raises(RecipeError, match="TRAINABLE_TOKENS cannot be merged into LlamaForCausalLM as asked"):
        loading.adapt(model_of("llama", True), adapter, seed=0)


def test_a_wrong_merge_is_noticed(monkeypatch):
    model, _ = trained("llama", True, ADAPTERS["head"](*NAMES["llama"]))
    monkeypatch.setattr(merging, "part_shared", lambda adapted: None)
    with pytest.raises(RecipeError, match="merged, the model's answers move by up to"):
        merging.merge(model)


def test_tied_weights_stay_tied_where_no_adapter_changes_them():
    model, _ = trained("llama", True, ADAPTERS["plain"](*NAMES["llama"]))
    whole = merging.merge(model)
    assert whole.get_input_embeddings().weight is whole.get_output_embeddings().weight
    assert whole.config.tie_word_embeddings
    apart = merging.merge(trained("llama", True, ADAPTERS["head"](*NAMES["llama"]))[0])
    assert not apart.config.tie_word_embeddings


def test_repeated_layers_are_merged_each_for_itself():
    model, expected = trained("llama", True, lora(target_modules=["q_proj"], layer_replication=[[0, 2], [1, 2]]))
    assert loss(merging.merge(model)) == pytest.approx(expected, abs=1e-3)


def test_a_hollow_copy_takes_no_memory_and_shares_what_is_shared():
    model = model_of("llama", True)
    copy = merging.hollow(model)
    assert all(weight.is_meta for weight in copy.parameters())
    assert copy.lm_head.weight is copy.model.embed_tokens.weight and not model.lm_head.weight.is_meta
    assert SIZES["vocab_size"] == copy.lm_head.weight.shape[0]


def test_sparse_losses_are_those_of_the_trained_model_on_tied_heads():
    model, expected = trained("llama", True, ADAPTERS["embedding_and_head"](*NAMES["llama"]))
    rows = rows_of(["a"], [IDS[0].numpy().astype("int32")], np.array([1]))
    with torch.no_grad():
        assert float(Losses(model).of_targets(whole_batch(rows)).mean()) == pytest.approx(expected, abs=1e-4)
