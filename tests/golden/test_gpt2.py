"""Published sizes of GPT-2 small, its adapter and its plan, recomputed: the golden tests G3 and G4 of the described
system, and the plan of recipes/gsm-gpt2-rff.yaml, which needs no network."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from winnow.cli.main import app
from winnow.ledger import round_half_up
from winnow.models import loading
from winnow.models.file_sizes import adapter_bytes
from winnow.models.flops import flop_model
from winnow.recipe import LoraRecipe

pytestmark = pytest.mark.slow

RECIPE = Path(__file__).parents[2] / "recipes" / "gsm-gpt2-rff.yaml"
GPT2 = {"model_type": "gpt2"}
HEADER, PADDING, TENSORS = 9_062, 2, 811_008 * 4
ADAPTER_BYTES = 3_253_104
LORA = LoraRecipe(r=8, target_modules=("c_attn", "c_proj"))


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


def trainable(model):
    return sum(tensor.numel() for tensor in loading.trainable_state(model).values())


@pytest.mark.parametrize(("width", "parameters", "embeddings"), [
    (768, 124_439_808, 39_383_808), (512, 64_085_504, 26_255_872),
])  # fmt: skip
def test_g4_parameters_of_gpt2(width, parameters, embeddings):
    model = loading.skeleton(GPT2 | {"n_embd": width, "n_head": 8})
    head = model.get_output_embeddings().weight
    assert head is model.get_input_embeddings().weight
    assert flop_model(model).parameters == sum(p.numel() for p in model.parameters()) == parameters
    assert embeddings == (50_257 + 1_024) * width
    assert parameters - embeddings == {768: 85_056_000, 512: 37_829_632}[width]


def test_g3_adapter_bytes_from_names_and_shapes_alone():
    model = loading.adapt(loading.skeleton(GPT2), LORA, seed=0)
    assert {p.device.type for p in model.parameters()} == {"meta"}
    assert trainable(model) == flop_model(model).trainable_parameters == 811_008
    assert adapter_bytes(model) == 8 + HEADER + PADDING + TENSORS == ADAPTER_BYTES


def test_g3_an_adapter_on_attention_alone_is_another():
    model = loading.adapt(
        loading.skeleton(GPT2), LORA.model_copy(update={"target_modules": ("c_attn", "attn.c_proj")}), seed=0
    )
    assert trainable(model) == 442_368
    assert 442_368 * 4 < adapter_bytes(model) < 1_780_000


@pytest.mark.slow
def test_g3_the_file_that_peft_writes(tmp_path):
    model = loading.adapt(loading.build_model(GPT2, seed=0, vocab_size=50_257, eos_id=0), LORA, seed=0)
    model.save_pretrained(tmp_path)
    written = (tmp_path / "adapter_model.safetensors").read_bytes()
    assert len(written) == ADAPTER_BYTES == adapter_bytes(model)
    assert int.from_bytes(written[:8], "little") == HEADER + PADDING
    header = written[8 : 8 + HEADER + PADDING].decode()
    assert header == header.rstrip(" ") + " " * PADDING
    assert len(json.loads(header)) == 12 * 3 * 2 + 1


@pytest.fixture(scope="module")
def planned():
    """What `winnow plan --json` prints."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
        result = CliRunner().invoke(app, ["plan", str(RECIPE), "--json"])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.mark.long
def test_the_plan_knows_the_model(planned):
    assert planned["trainable_parameters"] == 811_008
    assert planned["parameters"] == 125_250_816
    assert planned["adapter_bytes"] == ADAPTER_BYTES
    assert (planned["is_declared"], planned["pool_examples"], planned["global_batch_size"]) == (True, 497_800, 160)


@pytest.mark.long
def test_the_plan_has_the_published_epochs(planned):
    assert {arm["name"]: arm["epochs"] for arm in planned["arms"]} == {
        "herding_0.01": 3000, "herding_0.02": 1500, "herding_0.05": 600, "herding_0.1": 300, "full": 30,
    }  # fmt: skip
    assert {arm["name"]: arm["published"]["epochs"] for arm in planned["arms"]} == {
        arm["name"]: arm["epochs"] for arm in planned["arms"]
    }


@pytest.mark.long
def test_the_plan_has_the_published_flops_of_the_full_pool(planned):
    full = next(arm for arm in planned["arms"] if arm["name"] == "full")
    assert round_half_up(full["exaflops_6n"], 4) == full["published"]["exaflops"] == 5.7090
    assert full["exaflops"] < full["exaflops_6n"]


@pytest.mark.long
def test_every_planned_arm_tells_its_numbers(planned):
    keys = ("fraction", "epochs", "examples", "visits_per_example", "steps", "tokens", "exaflops", "seconds", "dollars")
    for arm in planned["arms"]:
        assert all(arm[key] > 0 for key in keys)
        assert arm["visits_per_example"] * arm["examples"] == arm["visits"] == 30 * 497_800
        assert arm["steps"] == -(-arm["visits"] // 160)
        assert arm["dollars"] == pytest.approx(arm["seconds"] / 3600 * 3.56)
