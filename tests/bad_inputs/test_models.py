"""Damaged and unfitting models, adapters, tokenizers and architectures: one line, before anything is made."""

import ast
import json
import shutil
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, PeftModel, PromptTuningConfig, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import (
    AutoModelForCausalLM,
    BertConfig,
    BertModel,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    T5Config,
    T5ForConditionalGeneration,
)

from bad_inputs_support import assert_one_line, assert_refuses
from winnow.fingerprints import fingerprint_of
from winnow.models import loading
from winnow.models.checking import check_model, check_models
from winnow.parts import ModelPart
from winnow.recipe import LoraRecipe, TokenizerRecipe
from winnow.recipe.file import load_recipe
from winnow.records import Context, Stage
from winnow.text.tokenizers import train_tokenizer
from winnow.training.pointing import point_at_model

SOURCES = Path(__file__).parents[2] / "src" / "winnow"
VOCABULARY = 270
SIZES = {"vocab_size": VOCABULARY, "bos_token_id": 0, "eos_token_id": 0, "pad_token_id": None}
LLAMA = {
    "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2,
    "num_key_value_heads": 1, "max_position_embeddings": 64, "tie_word_embeddings": True,
}  # fmt: skip
UP = "model.layers.0.mlp.up_proj.weight"
FIRST, SECOND, INDEX = (
    "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors", "model.safetensors.index.json",
)  # fmt: skip
IDS = torch.tensor([[1, 5, 9, 7, 30, 44, 2, 8]])


def llama():
    torch.manual_seed(0)
    return LlamaForCausalLM(LlamaConfig(**LLAMA, **SIZES, initializer_range=0.2)).eval()


def bert():
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    return BertModel(BertConfig(vocab_size=VOCABULARY, **sizes))


def t5():
    sizes = {"d_model": 16, "d_kv": 8, "d_ff": 16, "num_layers": 1, "num_heads": 2, "decoder_start_token_id": 0}
    return T5ForConditionalGeneration(T5Config(vocab_size=VOCABULARY, **sizes))


def loss(model):
    model.eval()
    with torch.no_grad():
        return float(model(input_ids=IDS, labels=IDS).loss)


def give_tokenizer(source, target):
    for path in source.glob("tokenizer*"):
        shutil.copy(path, target)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A tiny model and its tokenizer, as save_pretrained leaves them; do not change it."""
    folder = tmp_path_factory.mktemp("models") / "whole"
    llama().save_pretrained(folder)
    train_tokenizer(["Tom has 12 eggs"], TokenizerRecipe(vocab_size=VOCABULARY), 64).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def adapter(tmp_path_factory, whole):
    """An adapter of it that has learnt something, with the tokenizer; do not change it."""
    folder = tmp_path_factory.mktemp("adapters") / "adapter"
    config = LoraConfig(r=2, target_modules=["q_proj"], modules_to_save=["lm_head"], task_type="CAUSAL_LM")
    model = get_peft_model(AutoModelForCausalLM.from_pretrained(whole), config)
    with torch.no_grad():
        for weight in loading.trainable_state(model).values():
            weight.add_(0.1 * torch.randn_like(weight))
    model.save_pretrained(folder)
    give_tokenizer(whole, folder)
    return folder


# ------------------------------------------------------------------------------------ ways to damage a folder


def text(name, content):
    return lambda folder: (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())


def cut(name, share):
    def damage(folder):
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content[: int(len(content) * share)])

    return damage


def without(pattern):
    return lambda folder: [path.unlink() for path in folder.glob(pattern)]


def keys(name, **values):
    def damage(folder):
        tree = json.loads((folder / name).read_text())
        (folder / name).write_text(json.dumps(tree | values))

    return damage


def config(**values):
    return keys("config.json", **values)


def of_tokenizer(**values):
    return keys("tokenizer_config.json", **values)


def of_adapter(**values):
    return keys("adapter_config.json", **values)


def tensors(change, name="model.safetensors"):
    def damage(folder):
        found = load_file(folder / name)
        change(found)
        save_file(found, folder / name, metadata={"format": "pt"})

    return damage


def of_adapter_file(change):
    return tensors(change, "adapter_model.safetensors")


def another(model):
    """Weights and configuration of another model."""

    def damage(folder):
        without("*.safetensors")(folder)
        model().save_pretrained(folder)

    return damage


def sharded(change):
    """The weights in two files, and something done to them or to their index."""

    def damage(folder):
        found = load_file(folder / "model.safetensors")
        (folder / "model.safetensors").unlink()
        names = sorted(found)
        files = {FIRST: names[:5], SECOND: names[5:]}
        for file, held in files.items():
            save_file({name: found[name] for name in held}, folder / file, metadata={"format": "pt"})
        index = {"metadata": {}, "weight_map": {name: file for file, held in files.items() for name in held}}
        change(folder, index)
        (folder / INDEX).write_text(json.dumps(index))

    return damage


def mapped(**places):
    return sharded(lambda folder, index: index["weight_map"].update(places))


def pickled(folder):
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()


def foreign_shard(folder, index):
    save_file({"model.norm.weight": torch.ones(16)}, folder / SECOND)


def nothing_of(name):
    return tensors(lambda found: found.pop(name))


def token_far_outside(folder):
    tree = json.loads((folder / "tokenizer.json").read_text())
    tree["model"]["vocab"]["zz"] = 9999
    (folder / "tokenizer.json").write_text(json.dumps(tree))


DAMAGED = "model.safetensors is damaged"
MODELS = {
    # weights that are damaged
    "weights_cut_to_half": (cut("model.safetensors", 0.5), [DAMAGED]),
    "weights_cut_by_a_byte": (cut("model.safetensors", 0.9999), [DAMAGED]),
    "weights_cut_in_their_head": (cut("model.safetensors", 0.01), [DAMAGED]),
    "weights_emptied": (text("model.safetensors", ""), [DAMAGED]),
    "weights_of_text": (text("model.safetensors", "no weights at all"), [DAMAGED]),
    "weights_of_zeros": (text("model.safetensors", bytes(4096)), [DAMAGED]),
    "weights_of_a_pointer": (text("model.safetensors", "version https://git-lfs.github.com/spec/v1\n"), [DAMAGED]),
    "weights_gone": (without("*.safetensors"), ["is no model folder", "no model.safetensors"]),
    "weights_pickled": (pickled, ["only pytorch_model.bin", "pickled", "save_pretrained"]),
    # weights of another model
    "one_tensor_missing": (nothing_of(UP), [f"the weights lack {UP}"]),
    "embedding_missing": (nothing_of("model.embed_tokens.weight"), ["the weights lack", "embed_tokens"]),
    "last_norm_missing": (nothing_of("model.norm.weight"), ["the weights lack model.norm.weight"]),
    "all_tensors_missing": (tensors(dict.clear), ["cannot be used"]),
    "a_tensor_too_many": (tensors(lambda found: found.update(extra=torch.ones(2))), ["does not know extra"]),
    "a_value_head": (tensors(lambda found: found.update({"v_head.weight": torch.ones(2)})), ["v_head.weight"]),
    "other_shape": (tensors(lambda found: found.update({UP: torch.ones(23, 16)})), ["cannot be used"]),
    "shape_turned": (tensors(lambda found: found.update({UP: torch.ones(16, 24)})), ["cannot be used"]),
    "tensor_renamed": (tensors(lambda found: found.update({"model.layers.0.up": found.pop(UP)})), ["lack", "know"]),
    "a_layer_more": (config(num_hidden_layers=3), ["the weights lack model.layers.2"]),
    "a_layer_less": (config(num_hidden_layers=1), ["the model does not know model.layers.1"]),
    "untied": (config(tie_word_embeddings=False), ["the weights lack lm_head.weight"]),
    "larger_vocabulary": (config(vocab_size=300), ["cannot be used"]),
    "called_gpt2": (config(model_type="gpt2", architectures=None), ["the weights lack"]),
    "called_qwen2": (config(model_type="qwen2", architectures=None), ["the weights lack", "bias"]),
    "called_mistral": (config(model_type="mistral"), ["mistral", "LlamaForCausalLM", "contradict"]),
    "called_bert": (config(model_type="bert"), ["bert"]),
    # shards
    "shard_gone": (sharded(lambda folder, index: (folder / SECOND).unlink()), [SECOND, "not there"]),
    "shard_cut": (sharded(lambda folder, index: cut(SECOND, 0.5)(folder)), [f"{SECOND} is damaged"]),
    "shard_emptied": (sharded(lambda folder, index: text(SECOND, "")(folder)), [f"{SECOND} is damaged"]),
    "shard_of_another_model": (sharded(foreign_shard), [f"{SECOND} lacks"]),
    "shard_elsewhere": (mapped(**{UP: "../x.safetensors"}), ["../x.safetensors"]),
    "tensor_in_the_wrong_shard": (mapped(**{"model.norm.weight": FIRST}), ["model.norm.weight"]),
    "tensor_not_in_the_index": (sharded(lambda folder, index: index["weight_map"].pop(UP)), [f"holds {UP}"]),
    "index_without_map": (sharded(lambda folder, index: index.pop("weight_map")), ["no weight_map"]),
    "index_with_an_empty_map": (sharded(lambda folder, index: index["weight_map"].clear()), ["no weight_map"]),
    "index_of_numbers": (mapped(a=1), ["no weight_map"]),
    "index_beside_weights": (text(INDEX, "{}"), ["holds both model.safetensors and"]),
    # configurations
    "config_gone": (without("config.json"), ["is no model folder"]),
    "config_emptied": (text("config.json", ""), ["config.json cannot be read"]),
    "config_a_list": (text("config.json", "[1]"), ["config.json holds no JSON object but a list"]),
    "config_a_number": (text("config.json", "3"), ["config.json holds no JSON object but a int"]),
    "config_no_json": (text("config.json", "model_type: llama"), ["config.json cannot be read"]),
    "config_not_utf8": (text("config.json", b"\xff\xfe{}"), ["config.json cannot be read"]),
    "config_cut": (cut("config.json", 0.5), ["config.json cannot be read"]),
    "config_nested_deep": (text("config.json", "[" * 100_000), ["config.json cannot be read"]),
    "config_of_nothing": (text("config.json", "{}"), ["cannot be used"]),
    "type_unknown": (config(model_type="lama"), ["lama"]),
    "type_a_number": (config(model_type=7), ["cannot be used"]),
    "type_null": (config(model_type=None), ["cannot be used"]),
    "code_of_its_own": (
        config(model_type="mine", auto_map={"AutoConfig": "m.C", "AutoModelForCausalLM": "m.M"}), ["code of its own"],
    ),
    "activation_unknown": (config(hidden_act="nope"), ["nope"]),
    "heads_0": (config(num_attention_heads=0), ["cannot be used"]),
    "heads_negative": (config(num_attention_heads=-2), ["num_attention_heads is -2"]),
    "heads_that_do_not_divide": (config(num_attention_heads=3), ["cannot be used"]),
    "key_heads_0": (config(num_key_value_heads=0), ["num_key_value_heads is 0"]),
    "size_a_text": (config(hidden_size="large"), ["hidden_size"]),
    "size_a_fraction": (config(hidden_size=16.5), ["hidden_size"]),
    "size_negative": (config(hidden_size=-16), ["hidden_size is -16"]),
    "size_absurd": (config(hidden_size=10**8), ["hidden_size is 100000000"]),
    "layers_absurd": (config(num_hidden_layers=10**5), ["num_hidden_layers is 100000"]),
    "layers_0": (config(num_hidden_layers=0), ["num_hidden_layers is 0"]),
    "vocabulary_0": (config(vocab_size=0), ["vocab_size is 0"]),
    "context_0": (config(max_position_embeddings=0), ["max_position_embeddings is 0"]),
    "context_a_text": (config(max_position_embeddings="long"), ["max_position_embeddings"]),
    "width_absurd": (config(intermediate_size=10**12), ["intermediate_size is 1000000000000"]),
    "quantised": (config(quantization_config={"quant_method": "bitsandbytes"}), ["quantised"]),
    "rope_of_text": (config(rope_parameters="wide"), ["cannot be used"]),
    # kinds
    "encoder": (another(bert), ["bert sees what follows"]),
    "encoder_and_decoder": (another(t5), ["encoder with a decoder (t5)"]),
    # tokenizers
    "tokenizer_gone": (without("tokenizer*"), ["has no tokenizer"]),
    "tokenizer_emptied": (text("tokenizer.json", ""), ["tokenizer.json cannot be read"]),
    "tokenizer_cut": (cut("tokenizer.json", 0.5), ["tokenizer.json cannot be read"]),
    "tokenizer_a_list": (text("tokenizer.json", "[]"), ["tokenizer.json holds no JSON object but a list"]),
    "tokenizer_of_nothing": (text("tokenizer.json", "{}"), ["no tokenizer can be loaded"]),
    "tokenizer_of_another_kind": (keys("tokenizer.json", model={"type": "Nope"}), ["no tokenizer can be loaded"]),
    "tokenizer_config_emptied": (text("tokenizer_config.json", ""), ["tokenizer_config.json cannot be read"]),
    "tokenizer_config_a_list": (text("tokenizer_config.json", "[]"), ["tokenizer_config.json holds no JSON object"]),
    "tokenizer_with_code": (
        of_tokenizer(tokenizer_class="Mine", auto_map={"AutoTokenizer": ["m.T", None]}), ["code of its own"],
    ),
    "end_gone": (of_tokenizer(eos_token=None), ["no end-of-text token"]),
    "end_a_number": (of_tokenizer(eos_token=5), ["no tokenizer can be loaded"]),
    "length_a_text": (of_tokenizer(model_max_length="x"), ["no tokenizer can be loaded"]),
    "token_far_outside": (token_far_outside, ["ids up to 9999", "270 rows"]),
}  # fmt: skip
OUTSIDE = {
    "end_outside": (of_tokenizer(eos_token="<|im_end|>"), ["'<|im_end|>'", "embedding has 257 rows"]),
    "padding_outside": (of_tokenizer(pad_token="<pad>"), ["'<pad>'", "embedding has 257 rows"]),
}

ADAPTERS = {
    "weights_cut": (cut("adapter_model.safetensors", 0.5), ["adapter_model.safetensors is damaged"]),
    "weights_emptied": (text("adapter_model.safetensors", ""), ["adapter_model.safetensors is damaged"]),
    "weights_gone": (without("adapter_model.safetensors"), ["no adapter_model.safetensors"]),
    "weights_pickled": (
        lambda folder: (folder / "adapter_model.safetensors").rename(folder / "adapter_model.bin"),
        ["only adapter_model.bin", "save_pretrained"],
    ),
    "one_tensor_missing": (of_adapter_file(lambda found: found.pop(sorted(found)[-1])), ["the weights lack"]),
    "a_tensor_too_many": (of_adapter_file(lambda found: found.update(extra=torch.ones(2))), ["extra belong"]),
    "all_tensors_missing": (of_adapter_file(dict.clear), ["cannot be used"]),
    "other_rank": (of_adapter(r=3), ["cannot be used"]),
    "rank_0": (of_adapter(r=0), ["cannot be used"]),
    "rank_a_text": (of_adapter(r="two"), ["cannot be used"]),
    "other_modules": (of_adapter(target_modules=["v_proj"]), ["cannot be used"]),
    "modules_of_another_model": (of_adapter(target_modules=["c_attn"]), ["No modules were targeted"]),
    "more_modules_saved": (of_adapter(modules_to_save=["lm_head", "norm"]), ["cannot be used", "norm"]),
    "no_expression": (of_adapter(target_modules="["), ["cannot be used"]),
    "type_unknown": (of_adapter(peft_type="LORAX"), ["LORAX"]),
    "type_null": (of_adapter(peft_type=None), ["cannot be used"]),
    "another_task": (of_adapter(task_type="SEQ_CLS"), ["an adapter for SEQ_CLS"]),
    "config_emptied": (text("adapter_config.json", ""), ["adapter_config.json cannot be read"]),
    "config_a_list": (text("adapter_config.json", "[]"), ["adapter_config.json holds no JSON object"]),
    "config_of_nothing": (text("adapter_config.json", "{}"), ["names no base_model_name_or_path"]),
    "no_base_named": (of_adapter(base_model_name_or_path=None), ["names no base_model_name_or_path"]),
    "base_a_number": (of_adapter(base_model_name_or_path=3), ["names no base_model_name_or_path"]),
    "base_gone": (of_adapter(base_model_name_or_path="/nowhere/x"), ["an adapter of /nowhere/x"]),
    "base_of_no_study": (of_adapter(base_model_name_or_path="base"), ["an adapter of base"]),
    "base_itself": (
        lambda folder: of_adapter(base_model_name_or_path=str(folder))(folder), ["without an end"],
    ),
    "model_beside_it": (text("config.json", "{}"), ["holds both an adapter (adapter_config.json) and a model"]),
    "tokenizer_gone": (without("tokenizer*"), ["has no tokenizer"]),
    "tokenizer_larger": (token_far_outside, ["ids up to 9999", "270 rows"]),
}  # fmt: skip


def copy_of(folder, tmp_path, damage):
    shutil.copytree(folder, tmp_path / "given")
    damage(tmp_path / "given")
    return str(tmp_path / "given")


def assert_refused_everywhere(given, said, tmp_path):
    """By what `plan` and `run` ask before anything, and by the stage that points at a model."""
    assert_refuses(lambda: check_model(given), *said, folder=tmp_path)
    assert_refuses(lambda: point_at_model(ModelPart(model=given), {}, Context(tmp_path)), *said, folder=tmp_path)


@pytest.mark.parametrize("name", MODELS)
def test_a_model_that_is_none_is_refused(name, whole, tmp_path):
    damage, said = MODELS[name]
    assert_refused_everywhere(copy_of(whole, tmp_path, damage), said, tmp_path)


@pytest.mark.parametrize("name", OUTSIDE)
def test_an_end_outside_of_the_embedding_is_refused(name, whole, tmp_path):
    damage, said = OUTSIDE[name]
    given = copy_of(whole, tmp_path, damage)
    rows = len(json.loads((whole / "tokenizer.json").read_text())["model"]["vocab"])
    small = LlamaForCausalLM(LlamaConfig(**LLAMA, **SIZES | {"vocab_size": rows}))
    small.save_pretrained(given)
    assert_refused_everywhere(given, [word.replace("257", str(rows)) for word in said], tmp_path)


@pytest.mark.parametrize("name", ADAPTERS)
def test_an_adapter_that_is_none_is_refused(name, adapter, tmp_path):
    damage, said = ADAPTERS[name]
    assert_refused_everywhere(copy_of(adapter, tmp_path, damage), said, tmp_path)


def test_a_head_that_is_tied_by_word_alone_is_refused(whole, tmp_path):
    head = tensors(lambda found: found.update({"lm_head.weight": torch.ones(VOCABULARY, 16)}))
    given = copy_of(whole, tmp_path, head)
    assert_refuses(lambda: loading.load_named(given, None), "ties head and embedding", folder=tmp_path)
    equal = tensors(lambda found: found.update({"lm_head.weight": found["model.embed_tokens.weight"].clone()}))
    equal(tmp_path / "given")
    check_model(given)
    assert loss(loading.load_named(given, None)) == pytest.approx(loss(llama()), abs=1e-4)


def test_an_adapter_of_prompts_is_refused(whole, tmp_path):
    asked = PromptTuningConfig(num_virtual_tokens=2, task_type="CAUSAL_LM", tokenizer_name_or_path=str(whole))
    get_peft_model(AutoModelForCausalLM.from_pretrained(whole), asked).save_pretrained(tmp_path)
    give_tokenizer(whole, tmp_path)
    assert_refused_everywhere(str(tmp_path), ["PROMPT_TUNING, which cannot be merged"], tmp_path)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("/nowhere/at/all", "is no model folder (there is none of that name)"), ("./nowhere", "there is none"),
        ("~/nowhere-at-all", "there is none"), (__file__, "it is a file"), (" ", "is no model folder"),
    ],
)  # fmt: skip
def test_a_folder_that_is_none_is_refused(given, said, tmp_path):
    assert_refused_everywhere(given, [said], tmp_path)


# ----------------------------------------------------------------------------------- through the command line

RECIPE = """
name: tried
pool:
  sources: [{name: market, licence: CC0-1.0, problems: {examples: 40, families: easy}}]
  max_tokens: 60
base: {model: GIVEN}
selection: {fractions: [0.5], arms: [full, random], controls: false}
training: {per_device_batch_size: 8, lora: {target_modules: [q_proj]}}
budget: {pool_epochs: 1}
evaluation:
  sets: [{name: easy, licence: CC0-1.0, problems: {examples: 4, families: easy, seed: 9}}]
  max_new_tokens: 8
study: {seeds: [0], primary: {arm: random_0.5, baseline: full, metric: loss, cost: flops}}
machine: {flops_per_second: 2e10}
"""


@pytest.fixture
def recipe(tmp_path):
    def write(given, **changed):
        told = RECIPE.replace("GIVEN", str(given))
        for old, new in changed.items():
            told = told.replace(*new) if isinstance(new, tuple) else told.replace(old, new)
        (tmp_path / "tried.yaml").write_text(told)
        return tmp_path / "tried.yaml"

    return write


@pytest.mark.parametrize("verb", ["plan", "run"])
@pytest.mark.parametrize("name", ["one_tensor_missing", "encoder_and_decoder", "token_far_outside", "config_emptied"])
def test_nothing_is_made_for_a_model_that_is_none(name, verb, whole, tmp_path, command, recipe):
    damage, said = MODELS[name]
    path = recipe(copy_of(whole, tmp_path, damage))
    code, _, err = command(verb, path, "--out", tmp_path / "out")
    assert_one_line(code, err, *said, folder=tmp_path)
    assert list(tmp_path.rglob("record.json")) == [] and not (tmp_path / "out").exists()


LORA = "lora: {target_modules: [q_proj]}"
ASKED = {
    "modules_of_another_model": ("lora: {target_modules: [c_attn]}", "target_modules is ['c_attn']; this model has"),
    "one_module_of_another_model": ("lora: {target_modules: [q_proj, c_fc]}", "not c_fc"),
    "modules_that_hold_no_matrix": ("lora: {target_modules: [norm]}", "training.lora.target_modules is ['norm']"),
    "modules_empty": ("lora: {target_modules: []}", "target_modules"),
    "no_expression": ("lora: {target_modules: '['}", "'[' is no regular expression"),
    "expression_that_finds_nothing": ("lora: {target_modules: 'h[.].*'}", "training.lora.target_modules is h[.].*"),
    "peft_of_nothing": ("peft: {}", "peft_type is None"),
    "peft_unknown": ("peft: {peft_type: LORAX}", "peft_type is 'LORAX'"),
    "peft_rank_0": ("peft: {peft_type: LORA, r: 0, target_modules: [q_proj]}", "training.peft"),
    "peft_rank_text": ("peft: {peft_type: LORA, r: two, target_modules: [q_proj]}", "training.peft"),
    "peft_modules_number": ("peft: {peft_type: LORA, target_modules: 5}", "training.peft"),
    "peft_never_merged": ("peft: {peft_type: LILY, target_modules: [q_proj]}", "LILY cannot be merged"),
    "peft_saves_nothing": (
        "peft: {peft_type: LORA, target_modules: [q_proj], modules_to_save: [score]}", "modules_to_save is ['score']",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ASKED)
def test_an_adapter_that_cannot_be_is_told_before_anything_is_made(name, whole, tmp_path, command, recipe):
    asked, said = ASKED[name]
    code, _, err = command("plan", recipe(whole, **{LORA: asked}), "--out", tmp_path / "out")
    assert_one_line(code, err, said, folder=tmp_path)
    assert list(tmp_path.rglob("record.json")) == []


@pytest.mark.slow
def test_answers_without_room_for_a_prompt_are_told_before_anything_is_made(whole, tmp_path, command, recipe):
    path = recipe(whole, **{"max_new_tokens: 8": "max_new_tokens: 64"})
    code, _, err = command("run", path, "--out", tmp_path / "out")
    assert_one_line(code, err, "evaluation.max_new_tokens is 64; the model takes 64", folder=tmp_path)
    assert list(tmp_path.rglob("record.json")) == []


GPT2 = {"model_type": "gpt2", "n_layer": 1, "n_embd": 32, "n_head": 2, "n_positions": 64}
ARCHITECTURES = {
    "no_type": ({"n_layer": 1}, "no model_type"),
    "type_unknown": ({"model_type": "gtp2"}, "gtp2"),
    "type_a_number": ({"model_type": 2}, "base architecture"),
    "type_a_list": ({"model_type": []}, "base architecture"),
    "key_unknown": (GPT2 | {"n_layers": 2}, "did you mean 'n_layer'"),
    "heads_that_do_not_divide": (GPT2 | {"n_head": 3}, "base architecture"),
    "heads_0": (GPT2 | {"n_head": 0}, "n_head is 0"),
    "width_0": (GPT2 | {"n_embd": 0}, "n_embd is 0"),
    "width_negative": (GPT2 | {"n_embd": -32}, "n_embd is -32"),
    "width_absurd": (GPT2 | {"n_embd": 10**8}, "n_embd is 100000000"),
    "layers_absurd": (GPT2 | {"n_layer": 10**5}, "n_layer is 100000"),
    "layers_a_text": (GPT2 | {"n_layer": "two"}, "n_layer"),
    "layers_a_fraction": (GPT2 | {"n_layer": 1.5}, "n_layer"),
    "layers_a_truth": (GPT2 | {"n_layer": True}, "n_layer"),
    "context_absurd": (GPT2 | {"n_positions": 10**12}, "n_positions is 1000000000000"),
    "activation_unknown": (GPT2 | {"activation_function": "nope"}, "nope"),
    "dropout_absurd": (GPT2 | {"resid_pdrop": 7}, "base architecture"),
    "encoder": ({"model_type": "bert", "hidden_size": 16, "num_attention_heads": 2}, "bert sees what follows"),
    "encoder_and_decoder": ({"model_type": "t5"}, "encoder with a decoder (t5)"),
    "no_language_model": ({"model_type": "vit"}, "vit is no causal language model"),
    "key_heads_that_do_not_divide": (
        {"model_type": "llama", "hidden_size": 32, "num_attention_heads": 4, "num_key_value_heads": 3},
        "base architecture",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_an_architecture_that_is_none_is_refused(name, tmp_path):
    architecture, said = ARCHITECTURES[name]
    assert_refuses(lambda: loading.check_architecture(architecture), said, folder=tmp_path)


@pytest.mark.parametrize("seed", [-1, 2**64, 10**30])
def test_a_seed_that_torch_does_not_take_is_no_mistake_of_the_adapter(seed, tmp_path):
    adapter = LoraRecipe(target_modules=("q_proj",))
    assert_refuses(lambda: loading.adapt(llama(), adapter, seed=seed), f"a seed is {seed}", folder=tmp_path)


# --------------------------------------------------------------------------------------------- what is right


def test_an_adapter_is_merged_into_its_base_first(adapter, whole):
    expected = loss(PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(whole), adapter))
    assert abs(expected - loss(llama())) > 1e-3
    model = loading.load_named(str(adapter), None)
    assert loss(model) == pytest.approx(expected, abs=1e-4) and not hasattr(model, "peft_config")
    for targets in (("q_proj", "v_proj"), ("v_proj",), ("k_proj",)):
        fresh = loading.adapt(loading.load_named(str(adapter), None), LoraRecipe(target_modules=targets), seed=0)
        assert loss(fresh) == pytest.approx(expected, abs=1e-4)
        trained = {name.split(".lora_")[0].rpartition(".")[2] for name in loading.trainable_state(fresh)}
        assert trained == set(targets)


def test_an_adapter_of_an_adapter_stands_on_both(adapter, tmp_path):
    twice = loading.adapt(loading.load_named(str(adapter), None), LoraRecipe(r=2, target_modules=("v_proj",)), seed=0)
    with torch.no_grad():
        for weight in loading.trainable_state(twice).values():
            weight.add_(0.1)
    expected = loss(twice)
    twice.save_pretrained(tmp_path)
    of_adapter(base_model_name_or_path=str(adapter))(tmp_path)
    assert loss(loading.load_named(str(tmp_path), None)) == pytest.approx(expected, abs=1e-4)


def test_a_plan_counts_the_merged_model(adapter):
    architecture = loading.architecture_of(str(adapter), None, None)
    assert architecture["hidden_size"] == 16 and architecture["tie_word_embeddings"] is False  # the head was trained
    loaded = loading.load_named(str(adapter), None)
    assert loading.skeleton(architecture).num_parameters() == loaded.num_parameters()


def test_an_adapter_is_another_model_on_another_base(adapter, whole, tmp_path):
    base = Path(shutil.copytree(whole, tmp_path / "base_model"))
    given = Path(shutil.copytree(adapter, tmp_path / "given"))
    of_adapter(base_model_name_or_path=str(base))(given)
    stage = Stage("base", "model", ModelPart(model=str(given)))

    def identity():
        point_at_model(stage.part, {}, Context(tmp_path))
        return fingerprint_of(stage, {}), (tmp_path / "contents.json").read_text()

    before = identity()
    assert identity() == before
    tensors(lambda found: found[UP].add_(0.01))(base)
    assert all(now != then for now, then in zip(identity(), before, strict=True))


def test_legitimate_folders_are_taken(whole, tmp_path):
    for name in ("sharded", "half", "buffers", "headless"):
        shutil.copytree(whole, tmp_path / name)
    sharded(lambda folder, index: None)(tmp_path / "sharded")
    llama().half().save_pretrained(tmp_path / "half")
    frequencies = {"model.layers.0.self_attn.rotary_emb.inv_freq": torch.ones(4)}  # as older versions saved them
    tensors(lambda found: found.update(frequencies))(tmp_path / "buffers")
    for name in ("sharded", "half", "buffers"):
        check_model(str(tmp_path / name))
        assert loss(loading.load_named(str(tmp_path / name), None)) == pytest.approx(loss(llama()), abs=1e-2)
    gpt2 = GPT2LMHeadModel(GPT2Config(n_layer=1, n_embd=16, n_head=2, n_positions=64, **SIZES))
    gpt2.transformer.save_pretrained(tmp_path / "headless")  # the head is the embedding
    check_model(str(tmp_path / "headless"))
    loaded = loading.load_named(str(tmp_path / "headless"), None)
    assert torch.equal(loaded.lm_head.weight, gpt2.lm_head.weight)


def test_a_whole_recipe_is_looked_at(whole, tmp_path, recipe):
    check_models(load_recipe(recipe(whole)))
    missing = "representations: {x: {kind: embeddings, model: /nowhere/at/all}}, fractions"
    path = recipe(whole, fractions=missing)
    assert_refuses(lambda: check_models(load_recipe(path)), "/nowhere/at/all", folder=tmp_path)


# -------------------------------------------------------------------------------------------- the source code

LOADERS = "from_pretrained", "from_config", "load_dataset", "load_dataset_builder", "snapshot_download"


def calls():
    """Every call in the source that loads what a hub or a folder brings: place, owner, name, keyword arguments."""
    for path in sorted(SOURCES.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in LOADERS:
                given = {each.arg: ast.unparse(each.value) for each in node.keywords}
                yield f"{path.name}:{node.lineno}", ast.unparse(node.func.value), node.func.attr, given


@pytest.mark.slow
def test_code_that_data_or_models_bring_is_never_run():
    found = [call for call in calls() if not call[1].startswith("Peft")]  # PEFT has no code of folders to run
    assert len(found) >= 6
    for place, owner, name, given in found:
        assert given.get("trust_remote_code") == "False", (place, owner, name)
        if name == "from_pretrained" and ("Model" in owner or owner == "family"):
            assert given.get("use_safetensors") == "True", (place, owner, name)
