import json
import subprocess
import sys
from pathlib import Path

import pytest
from toys import ARCHITECTURE, LLAMA_SIZES, VOCABULARY, toy_rows

from winnow.budget import Allowance, plan_visits
from winnow.models import loading
from winnow.models.costs import PeakMemory
from winnow.models.host import device_bytes
from winnow.recipe import LoraRecipe, MachineRecipe, TrainingRecipe
from winnow.training.batches import EpochBatches
from winnow.training.fitting import cut_shares, per_device, ways_to_fit
from winnow.training.largest_batches import MicroBatch, largest_micro_batch
from winnow.training.peak_memory import predict

SMALL = MicroBatch(rows=1, length=2, targets=1)
LARGE = MicroBatch(rows=8, length=64, targets=256)
LLAMA = LLAMA_SIZES | {"model_type": "llama", "vocab_size": VOCABULARY}


def peak_of(largest=LARGE, architecture=LLAMA, **training):
    recipe = TrainingRecipe.model_validate({"method": "full"} | training)
    model = loading.skeleton(architecture)
    model = loading.adapt(model, recipe.adapter, seed=0) if recipe.method == "lora" else model
    return predict(model, recipe, largest)


def bytes_per_weight(**training):
    """Weights, gradients and optimizer state over the number of base weights and of trained ones."""
    recipe = {"gradient_accumulation_steps": 2} | training
    model = loading.skeleton(LLAMA)
    base = sum(weight.numel() for weight in model.parameters())
    if recipe.get("method") == "lora":
        model = loading.adapt(model, LoraRecipe(**recipe["lora"]), seed=0)
    trained = sum(weight.numel() for weight in model.parameters() if weight.requires_grad)
    peak = peak_of(SMALL, **recipe)
    return peak.total_bytes - peak.activations_bytes, base, trained


@pytest.mark.parametrize(("optimizer", "per_weight", "published"), [("adamw", 16, 112e9), ("lion", 12, 84e9)])
@pytest.mark.slow
def test_full_training_takes_the_published_bytes_per_weight(optimizer, per_weight, published):
    if optimizer == "lion":
        pytest.importorskip("lion_pytorch", reason="needs the extra `optimizers`")
    held, weights, _ = bytes_per_weight(optimizer=optimizer)
    assert held / weights == pytest.approx(per_weight, rel=1e-2)
    assert 7e9 * held / weights == pytest.approx(published, rel=1e-2)


@pytest.mark.slow
def test_an_adapter_takes_the_published_bytes_of_a_float32_base():
    held, weights, trained = bytes_per_weight(method="lora", lora={"r": 1, "target_modules": "all-linear"})
    per_trained = (held - 4 * weights) / trained
    assert per_trained == pytest.approx(16, rel=2e-2)  # with the adapter's own weights
    assert 4 * 7e9 + per_trained * 0.01 * 7e9 == pytest.approx(29.12e9, rel=1e-2)


def test_layers_are_cut_over_devices_and_the_rest_is_whole_on_each():
    model = loading.skeleton(LLAMA)
    every = sum(weight.numel() for weight in model.parameters())
    outer = sum(w.numel() for name, w in model.named_parameters() if ".layers." not in name)
    cut = cut_shares(model)
    assert (cut.weights, cut.trained) == pytest.approx([1 - outer / every] * 2)
    assert cut.layer == pytest.approx((1 - outer / every) / LLAMA["num_hidden_layers"])
    peak = per_device(PeakMemory(4 * every, 4 * every, 8 * every, 0), cut, 4, has_copy=False)
    own = outer + (every - outer) / 4
    assert (peak.weights_bytes, peak.gradients_bytes, peak.optimizer_bytes) == pytest.approx(
        [4 * own, 4 * own, 8 * own]
    )
    assert peak.activations_bytes == pytest.approx(2 * 4 * (every - outer) / LLAMA["num_hidden_layers"], abs=1)
    first = per_device(PeakMemory(4 * every, 4 * every, 8 * every, 0), cut, 4, has_copy=True)
    assert first.weights_bytes == peak.weights_bytes + 4 * every


def test_all_of_an_adapter_that_stands_in_the_layers_is_cut():
    cut = cut_shares(loading.adapt(loading.skeleton(LLAMA), LoraRecipe(target_modules="all-linear"), seed=0))
    assert cut.trained == 1 > cut.weights


def test_a_cut_where_it_pads_least_is_planned_as_the_run_makes_it():
    """Of every step of the first epoch, beside what `EpochBatches` makes of the same rows."""
    rows = toy_rows(50, shortest=4, longest=40)
    plan = plan_visits(
        rows.lengths, rows.lengths.astype(float), allowed=Allowance("visits", 50), global_batch_size=12, seed=5
    )
    batches = EpochBatches(rows, plan, global_batch_size=12, micro_batch_size=6, seed=5, start_tokens=8)
    made = [batch.ids.shape for step in range(plan.steps) for batch in batches.micro_batches(step)]
    training = TrainingRecipe(per_device_batch_size=6, gradient_accumulation_steps=2)
    options = {"targets_share": 0.5, "seed": 5}
    found = largest_micro_batch(rows.lengths, training, 1, start_tokens=8, **options)
    assert (found.rows, found.length) in made and found.follows
    assert found.rows * found.length == max(count * length for count, length in made) == 2 * found.targets
    full = largest_micro_batch(rows.lengths, training, 1, start_tokens=None, **options)
    assert full == MicroBatch(6, int(rows.lengths.max()), 3 * int(rows.lengths.max()))
    assert full.rows * full.length > found.rows * found.length


@pytest.mark.slow
def test_gradients_of_a_micro_batch_before_are_there():
    def gradients(**others):
        return peak_of(MicroBatch(8, 64, 256, **others)).gradients_bytes

    trained = sum(weight.numel() for weight in loading.skeleton(LLAMA).parameters())
    assert gradients(follows=True) == 4 * trained > gradients()


@pytest.mark.parametrize("kind", ["gpt2", "llama"])
@pytest.mark.slow
def test_activations_grow_with_the_tokens(kind):
    architecture = ARCHITECTURE | {"vocab_size": VOCABULARY} if kind == "gpt2" else LLAMA
    small, large = (peak_of(MicroBatch(rows, 64, rows * 32), architecture).activations_bytes for rows in (8, 32))
    assert 3.5 < large / small < 4.5


@pytest.mark.slow
def test_the_head_counts_at_targets_a_block_at_a_time():
    wide = LLAMA | {"vocab_size": 300_000}
    adapter = {"method": "lora", "lora": {"target_modules": "all-linear"}}
    few, many = (peak_of(MicroBatch(8, 64, targets), wide, **adapter).activations_bytes for targets in (128, 512))
    dense = 8 * 64 * 300_000 * 4
    assert abs(many - few) < dense / 20 and many < dense / 2


@pytest.mark.slow
def test_recomputing_layers_takes_less():
    assert peak_of(gradient_checkpointing=True).activations_bytes < 0.7 * peak_of().activations_bytes


@pytest.mark.slow
def test_packed_examples_need_a_mask():
    lines = MicroBatch(rows=2, length=256, targets=256)
    assert peak_of(lines, packing=True).activations_bytes > peak_of(lines).activations_bytes + 2 * 256 * 256


@pytest.mark.slow
def test_a_float64_model_takes_twice_as_much():
    double, single = peak_of(precision="float64"), peak_of()
    assert double.optimizer_bytes == pytest.approx(2 * single.optimizer_bytes, rel=1e-3)
    assert 1.8 < double.total_bytes / single.total_bytes <= 2


@pytest.mark.slow
def test_fewer_bits_take_less():
    adapter = {"method": "lora", "lora": {"target_modules": "all-linear"}}
    plain, eight, four = (peak_of(SMALL, **adapter, quantise=bits).weights_bytes for bits in (None, "8bit", "4bit"))
    frozen = 2 * (2 * 32 * 32 + 2 * 32 * 16 + 3 * 32 * 48)
    assert (plain - eight, plain - four) == (frozen * 3, pytest.approx(frozen * 3.484, rel=1e-3))
    assert peak_of(SMALL, optimizer="adamw_8bit").optimizer_bytes < 0.3 * peak_of(SMALL).optimizer_bytes


def test_what_would_make_a_run_fit_is_told():
    def fake(training):
        rest = 0 if training.gradient_checkpointing else 10 * training.per_device_batch_size
        return PeakMemory(100 if training.method == "full" else 50, 0, 0, rest)

    asked = TrainingRecipe(method="full", per_device_batch_size=12)
    ways = ways_to_fit(fake, asked, room=170)
    assert [way.partition(" (")[0] for way in ways] == [
        "training.per_device_batch_size=6 training.gradient_accumulation_steps=2",
        "training.gradient_checkpointing=true",
        "training.method=lora training.lora.target_modules=all-linear",
    ]
    assert ways_to_fit(fake, asked, room=20) == []


def test_the_memory_of_a_device_is_declared_or_looked_up():
    assert device_bytes(MachineRecipe(memory_bytes=123)) == 123
    assert device_bytes(MachineRecipe()) > 2**28


MEASURED = [
    "toy Llama, full, adamw",
    "toy Llama, full, adamw, ragged rows",
    "toy GPT-2, LoRA, adamw",
    "GPT-2 124M, full, adamw",
]


@pytest.mark.long
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peaks are read from /proc")
def test_predicted_and_measured_peaks_agree():
    bench = Path(__file__).parents[2] / "benchmarks" / "bench_memory.py"
    answer = subprocess.run([sys.executable, bench, "--json", *MEASURED], check=True, capture_output=True, text=True)
    found = json.loads(answer.stdout.splitlines()[-1])
    assert list(found) == MEASURED
    for predicted, measured in found.values():
        assert measured > 100 * 2**20
        assert predicted / measured == pytest.approx(1, abs=0.15)
