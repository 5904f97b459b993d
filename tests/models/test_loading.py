import shutil

import pytest
import torch
from peft import PeftModel
from toys import ARCHITECTURE, EOS, VOCABULARY, store_artifact, toy_model, toy_tokenizer
from transformers import AutoModelForCausalLM, AutoTokenizer

from winnow.errors import ArtifactError, RecipeError
from winnow.models import loading
from winnow.models.activations import fuse_activations
from winnow.models.file_sizes import adapter_bytes
from winnow.recipe import LoraRecipe
from winnow.store import write_json

IDS = torch.arange(1, 20).unsqueeze(0)
LORA = LoraRecipe(r=4, target_modules=("c_fc", "c_attn"))


def logits(model):
    with torch.no_grad():
        return model.eval()(input_ids=IDS).logits


def adapted(seed=0):
    model = loading.adapt(toy_model(spread=0.2), LORA, seed=seed)
    with loading.seeded(seed + 1):
        for name, weight in loading.trainable_state(model).items():
            if "lora_B" in name:
                torch.nn.init.normal_(weight, std=0.1)
    return model


@pytest.fixture
def base(tmp_path):
    stored = store_artifact(tmp_path, "train", "base")
    loading.save_model(toy_model(spread=0.2), stored.folder / "last", toy_tokenizer(), None)
    return stored


@pytest.fixture
def run(tmp_path, base):
    stored = store_artifact(tmp_path, "train", "run")
    loading.write_start(stored.folder, base.artifact)
    loading.save_model(adapted(), stored.folder / "last", toy_tokenizer(), "some/base")
    return stored


def test_a_full_model_comes_back_bit_for_bit(base):
    model = loading.load_model(base)
    assert not model.training and torch.equal(logits(model), logits(fuse_activations(toy_model(spread=0.2))))


def test_an_adapter_comes_back_merged_as_plain_peft_reads_it(base, run):
    plain = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base.folder / "last"), run.folder / "last")
    model = loading.load_model(run)
    assert type(model).__name__ == "GPT2LMHeadModel"
    assert torch.allclose(logits(model), logits(plain), atol=1e-5)
    assert torch.equal(logits(plain), logits(adapted()))
    assert not torch.allclose(logits(model), logits(loading.load_model(base)), atol=1e-2)


def test_merging_leaves_the_model_itself_alone():
    model = adapted()
    before = logits(model)
    assert torch.allclose(logits(loading.merged(model)), before, atol=1e-5)
    assert torch.equal(logits(model), before) and hasattr(model, "peft_config")
    plain = toy_model()
    assert loading.merged(plain) is plain


def test_an_adapter_of_an_adapter_starts_from_the_merged_one(tmp_path, run):
    second = store_artifact(tmp_path, "train", "second")
    loading.write_start(second.folder, run.artifact)
    model = loading.adapt(loading.load_model(run), LORA, seed=5)
    loading.save_model(model, second.folder / "last", toy_tokenizer(), None)
    assert torch.equal(logits(loading.load_model(second)), logits(loading.load_model(run)))


@pytest.mark.parametrize("name", ["base", "run"])
def test_the_tokenizer_lies_beside_the_weights(name, request):
    folder = request.getfixturevalue(name).folder / "last"
    assert AutoTokenizer.from_pretrained(folder).get_vocab() == toy_tokenizer().get_vocab()


def test_adapter_files_are_the_same_every_time(tmp_path, run):
    loading.save_model(adapted(), tmp_path / "again", toy_tokenizer(), "some/base")
    names = sorted(path.name for path in (tmp_path / "again").iterdir())
    assert "adapter_config.json" in names and "README.md" not in names
    for name in names:
        assert (tmp_path / "again" / name).read_bytes() == (run.folder / "last" / name).read_bytes()
    text = (tmp_path / "again" / "adapter_config.json").read_text()
    assert text.index('"c_attn"') < text.index('"c_fc"') and '"some/base"' in text


def test_the_size_of_an_adapter_is_known_before_it_is_written(run):
    architecture = ARCHITECTURE | {"vocab_size": VOCABULARY}
    size = (run.folder / "last" / "adapter_model.safetensors").stat().st_size
    assert adapter_bytes(loading.adapt(loading.skeleton(architecture), LORA, seed=0)) == size


def test_a_fresh_adapter_changes_nothing_and_hangs_on_its_seed():
    first, again, other = (loading.adapt(toy_model(), LORA, seed=seed) for seed in (3, 3, 4))
    assert torch.equal(logits(first), logits(toy_model()))
    same = [torch.equal(a, b) for a, b in zip(first.parameters(), again.parameters(), strict=True)]
    assert all(same)
    assert any(not torch.equal(a, b) for a, b in zip(first.parameters(), other.parameters(), strict=True))


def test_unknown_target_modules_are_one_clear_line():
    with pytest.raises(RecipeError) as caught:
        loading.adapt(toy_model(), LoraRecipe(target_modules=("q_proj",)), seed=0)
    message = str(caught.value)
    assert message.startswith("training.lora.target_modules is ['q_proj']; this model has ")
    assert "c_attn" in message and "\n" not in message


def test_a_folder_without_config_is_named(base, run):
    (base.folder / "last" / "config.json").unlink()
    with pytest.raises(ArtifactError, match="base/last holds no model"):
        loading.load_model(base)
    with pytest.raises(ArtifactError, match="base/last holds no model"):
        loading.load_model(run)
    shutil.rmtree(run.folder / "last")
    with pytest.raises(ArtifactError, match="run/last holds no model"):
        loading.load_model(run)


def test_a_pointer_loads_what_it_names(tmp_path, base):
    pointer = store_artifact(tmp_path, "model", "pointer")
    write_json(pointer.folder / "model.json", {"model": str(base.folder / "last"), "revision": None})
    assert torch.equal(logits(loading.load_model(pointer)), logits(loading.load_model(base)))


def test_a_model_that_is_not_there_is_one_clear_line(tmp_path):
    with pytest.raises(RecipeError, match=f"base.model {tmp_path} is no model folder") as caught:
        loading.load_named(str(tmp_path), None)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("architecture", "message"),
    [
        ({}, "no model_type"),
        ({"model_type": "gtp2"}, "base architecture: .*gtp2"),
        ({"model_type": "gpt2", "n_layers": 2}, "n_layers .*did you mean 'n_layer'"),
        ({"model_type": "gpt2", "n_layer": "two"}, "base architecture: .*n_layer"),
    ],
)
def test_an_architecture_that_is_none_is_one_clear_line(architecture, message):
    with pytest.raises(RecipeError, match=message) as caught:
        loading.check_architecture(architecture)
    assert "\n" not in str(caught.value)


def test_a_built_model_is_drawn_from_its_seed():
    first, again, other = (
        loading.build_model(ARCHITECTURE, seed=seed, vocab_size=VOCABULARY, eos_id=EOS).eval() for seed in (1, 1, 2)
    )
    assert torch.equal(logits(first), logits(again)) and not torch.equal(logits(first), logits(other))
    assert first.config.eos_token_id == EOS
    loading.check_architecture(ARCHITECTURE | {"hidden_size": 32})
