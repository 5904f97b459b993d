import pytest
import torch
from toys import toy_model

from winnow.errors import RecipeError
from winnow.models.loading import adapt, freeze
from winnow.recipe import LoraRecipe, TrainingRecipe
from winnow.training.optimizers import build_optimizer
from winnow.training.requirements import missing_here

OPTIMIZERS = ["adamw", "sgd", "adafactor", "muon", "lion"]


def skip_without_package(optimizer):
    if optimizer == "lion":
        pytest.importorskip("lion_pytorch", reason="needs the extra `optimizers`")


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("method", ["full", "lora"])
@pytest.mark.slow
def test_every_optimizer_lowers_the_loss_and_resumes_to_the_bit(
    make_job, run_job, weights_of, same_bits, optimizer, method
):
    skip_without_package(optimizer)
    rate = {"sgd": 0.3, "lion": 1e-3, "adafactor": 0.5}.get(optimizer, 1e-2)
    options = {"optimizer": optimizer, "learning_rate": rate, "method": method, "schedule": "constant"}
    whole = make_job(("visits", 160), **options)
    tally, _ = run_job(whole, "whole")
    assert tally.steps[-1]["loss"] < tally.steps[0]["loss"]

    class Interruption(Exception):
        pass

    class AtTen:
        def update(self, done, total, note=""):
            if done == 10:
                raise Interruption

    with pytest.raises(Interruption):
        run_job(make_job(("visits", 160), checkpoint_every_seconds=0.0, **options), "cut", progress=AtTen())
    again = make_job(("visits", 160), **options)
    run_job(again, "cut")
    assert same_bits(weights_of(again), weights_of(whole))


def test_muon_takes_the_matrices_inside_the_layers():
    model = toy_model()
    optimizer = build_optimizer(model, TrainingRecipe(method="full", optimizer="muon"))
    muon, rest = ([id(w) for group in part.param_groups for w in group["params"]] for part in optimizer.parts)
    names = {id(weight): name for name, weight in model.named_parameters()}
    assert all(".h." in names[at] and names[at].endswith("weight") for at in muon)
    assert {"transformer.wte.weight", "transformer.wpe.weight", "transformer.ln_f.bias"} <= {names[at] for at in rest}
    assert len(muon) + len(rest) == len(names)


def test_frozen_weights_stay_as_they_are(make_job, run_job):
    job = make_job()
    freeze(job.model, [r"\.wte\.", r"h\.0\."])
    before = {name: weight.clone() for name, weight in job.model.named_parameters()}
    run_job(job)
    moved = {name for name, weight in job.model.named_parameters() if not torch.equal(weight, before[name])}
    assert moved and not any("wte" in name or ".h.0." in name for name in moved)


@pytest.mark.parametrize(("patterns", "problem"), [
    (["nowhere"], "'nowhere' matches no weight; this model has transformer"), (["("], "is no regular expression"),
    ([""], "leaves nothing to train"),
])  # fmt: skip
def test_what_cannot_be_frozen_is_said(patterns, problem):
    with pytest.raises(RecipeError, match=problem):
        freeze(toy_model(), patterns)


@pytest.mark.skipif(torch.cuda.is_available(), reason="what is missing without a GPU")
def test_what_needs_a_gpu_says_so_in_one_line():
    eight_bits = TrainingRecipe(method="full", optimizer="adamw_8bit")
    message = "training.optimizer adamw_8bit needs a CUDA GPU, and torch finds none here"
    with pytest.raises(RecipeError, match=message):
        build_optimizer(toy_model(), eight_bits)
    assert missing_here(eight_bits).startswith(message)
    assert missing_here(TrainingRecipe(quantise="4bit")).startswith("training.quantise 4bit needs a CUDA GPU")
    assert missing_here(TrainingRecipe()) is None


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr("winnow.models.gpu_extra.find_spec", lambda name: None)
    assert missing_here(TrainingRecipe(quantise="8bit")) == (
        'training.quantise 8bit needs a package: pip install "winnow-lm[gpu]"'
    )


def test_an_adapter_is_optimized_by_muon_too():
    model = adapt(toy_model(), LoraRecipe(r=2, target_modules=("c_attn",)), seed=0)
    optimizer = build_optimizer(model, TrainingRecipe(optimizer="muon"))
    assert len(optimizer.parts) == 1
