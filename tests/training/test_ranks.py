"""Several processes (gloo) train what one trains. Forked here, so that torch is imported once; one test spawns."""

import atexit
import dataclasses
import os
import shutil
import signal
import sys
import time
import warnings
from multiprocessing import resource_tracker
from multiprocessing.shared_memory import SharedMemory
from pathlib import Path

import numpy as np
import pytest
import torch

from winnow import stopping
from winnow.errors import RecipeError, TrainingError
from winnow.models.forward import Losses
from winnow.models.loading import trainable_state
from winnow.recipe import LoraRecipe
from winnow.records import Cost, Silent
from winnow.training import checkpoints, launching
from winnow.training import ranks as ranks_module
from winnow.training.launching import together
from winnow.training.loop import train
from winnow.training.ranks import Ranks, deal
from winnow.training.sharding import shard
from winnow.training.tally import DivergedError

FLOAT64 = {"dtype": torch.float64, "precision": "float64"}
PLAIN_LORA = {"method": "lora", "lora": LoraRecipe(r=4, lora_dropout=0.0)}
DROPOUT_LORA = {"method": "lora", "lora": LoraRecipe(r=4, lora_dropout=0.3), "checkpoint_every_seconds": 0.0}


class Notes:
    """Progress that calls a function after every step."""

    def __init__(self, then):
        self.update = lambda done, total, note="": then(int(done))


def loss_probe(model):
    """The mean of the first trained weight, so that it follows the training."""
    weight = next(w for w in model.parameters() if w.requires_grad).detach()
    cost = Cost(flops=1.0, tokens=1, seconds=0.1)
    return {"validation": {"loss": float(weight.abs().mean())}, "micro": {"loss": 0.0}, "cost": cost}


def arrays(state):
    return {name: weight.numpy().copy() for name, weight in state.items()}


@pytest.fixture(autouse=True)
def forked(monkeypatch):
    monkeypatch.setattr(launching, "START_METHOD", "fork")


@pytest.fixture
def listening():
    before = signal.getsignal(signal.SIGTERM)
    stopping.listen()
    yield
    signal.signal(signal.SIGTERM, before)
    stopping._Request.asked = False


@pytest.fixture
def alone(tmp_path):
    """Train in this process; gives the weights after every step, the tally, and what was wasted."""

    def run(job, name="alone"):
        states = []
        note = Notes(lambda step: states.append(arrays(trainable_state(job.model))))
        return states, *train(job, tmp_path / name, note, loss_probe)

    return run


@pytest.fixture
def in_ranks(tmp_path):
    """Train in two processes; gives what `alone` does. `at` is called with the rank after every step."""

    def run(make, name="ranks", *, sharded=False, swap=False, at=lambda rank, step: None, progress=None):
        def work(ranks, told):
            job = make()
            if swap:  # in this process alone
                ranks_module.deal = lambda sizes, hands: deal(sizes, hands)[::-1]
            ranks = shard(ranks, job.model, job.recipe) if sharded else ranks
            states = []

            def note(step):
                whole = ranks.gathered(trainable_state(job.model))
                if ranks.is_first:
                    states.append(arrays(whole))
                told.update(step, 0)
                at(ranks.number, step)

            probe = loss_probe if ranks.is_first and not sharded else None
            tally, wasted = train(dataclasses.replace(job, ranks=ranks), tmp_path / name, Notes(note), probe)
            return states, tally, wasted

        return together(work, 2, progress=progress or Silent())

    return run


def largest_gap(first, second):
    assert len(first) == len(second) > 0
    return max(np.abs(one[name] - other[name]).max() for one, other in zip(first, second, strict=True) for name in one)


def counts(tally):
    return {name: value for name, value in dataclasses.asdict(tally.spent).items() if name != "seconds"}


def test_hands_are_even():
    assert deal([100, 80, 60, 40], 2) == [[0, 3], [1, 2]]
    assert deal([5], 3) == [[0], [], []]
    sizes = np.random.default_rng(0).integers(1, 500, 40).tolist()
    hands = deal(sizes, 4)
    assert sorted(number for hand in hands for number in hand) == list(range(40))
    totals = [sum(sizes[number] for number in hand) for hand in hands]
    assert max(totals) <= sum(sizes) / 4 + max(sizes)


# The last batch has 4 rows: one micro-batch of 4, so that one of the ranks has none; or two of 3 and 1.
@pytest.mark.parametrize(
    "options",
    [{"micro": 4}, {"micro": 3} | PLAIN_LORA, {"micro": 2, "packing": True}],
    ids=["full", "lora", "packed"],
)
@pytest.mark.slow
def test_two_processes_train_what_one_trains(make_job, alone, in_ranks, options):
    one, tally, _ = alone(make_job(every_steps=2, **FLOAT64, **options))
    two, tallies, wasted = in_ranks(lambda: make_job(every_steps=2, **FLOAT64, **options))
    assert len(one) == 6 and largest_gap(one, two) < 1e-9
    assert counts(tallies) == counts(tally) and wasted.tokens == 0
    assert [at["loss"] for at in tallies.steps] == pytest.approx([at["loss"] for at in tally.steps], abs=1e-9)
    found, wanted = ([at["validation"]["loss"] for at in each.evaluations] for each in (tallies, tally))
    assert found == pytest.approx(wanted, abs=1e-9) and len(found) == 4


@pytest.mark.slow
def test_two_processes_that_pack_and_are_killed_train_what_one_trains_padded(make_job, alone, in_ranks):
    def packed():
        job = make_job(micro=8, packing=True, checkpoint_every_seconds=0.0, **FLOAT64)
        job.batches.devices = 2  # as for a run of two: each gets a part of the lines
        return job

    def kill(rank, step):
        if (rank, step) == (1, 3):
            os.kill(os.getpid(), signal.SIGKILL)

    one, tally, _ = alone(make_job(micro=8, **FLOAT64))
    with pytest.raises(TrainingError, match="rank 1 of 2 was killed by SIGKILL"):
        in_ranks(packed, at=kill)
    rest, tallies, _ = in_ranks(packed)
    assert 1 < len(rest) < 6 and largest_gap(one[-len(rest) :], rest) < 1e-9
    assert (tallies.spent.flops, tallies.spent.tokens) == (tally.spent.flops, tally.spent.tokens)
    assert tallies.spent.padded_tokens < tally.spent.padded_tokens


@pytest.mark.parametrize(
    "options",
    [{"micro": 3}, {"micro": 3} | PLAIN_LORA, {"micro": 4, "gradient_checkpointing": True, "max_grad_norm": 0.05}],
    ids=["full", "lora", "recomputed"],
)
@pytest.mark.slow
def test_cut_layers_train_what_whole_ones_train(make_job, alone, in_ranks, options):
    one, tally, _ = alone(make_job(**FLOAT64, **options))
    two, tallies, _ = in_ranks(lambda: make_job(**FLOAT64, **options), sharded=True)
    assert len(one) == 6 and largest_gap(one, two) < 1e-9
    assert counts(tallies) == counts(tally)


@pytest.mark.parametrize("sharded", [False, pytest.param(True, marks=pytest.mark.long)], ids=["whole", "cut"])
@pytest.mark.slow
def test_a_killed_rank_ends_the_attempt_and_the_next_one_ends_in_the_same_bits(
    make_job, in_ranks, tmp_path, sharded
):  # fmt: skip
    def make():
        return make_job(every_steps=2, **DROPOUT_LORA)

    def kill(rank, step):
        if (rank, step) == (1, 3):
            os.kill(os.getpid(), signal.SIGKILL)

    whole, tally, _ = in_ranks(make, "whole", sharded=sharded)
    with pytest.raises(TrainingError, match="rank 1 of 2 was killed by SIGKILL, .* run the same command again"):
        in_ranks(make, "killed", sharded=sharded, at=kill)
    shutil.rmtree(checkpoints.newest_place(tmp_path / "killed" / "checkpoints"))
    rest, tallies, wasted = in_ranks(make, "killed", sharded=sharded)
    assert largest_gap(whole[-len(rest) :], rest) == 0 and len(rest) < 6
    assert counts(tallies) == counts(tally) and wasted.tokens > 0


@pytest.mark.slow
def test_dropout_does_not_depend_on_who_trains_on_a_micro_batch(make_job, in_ranks):
    options = DROPOUT_LORA | FLOAT64
    two = in_ranks(lambda: make_job(("visits", 16), micro=2, **options))[0]
    swapped = in_ranks(lambda: make_job(("visits", 16), micro=2, **options), "swapped", swap=True)[0]
    assert largest_gap(two, swapped) < 1e-12


@pytest.mark.slow
def test_asked_to_stop_all_ranks_save_and_leave(make_job, in_ranks, tmp_path, listening, monkeypatch):
    """The first rank writes for longer than others may go on after the first that has left."""
    write = checkpoints.write

    def write_slowly(*args, **options):
        time.sleep(0.5)
        write(*args, **options)

    monkeypatch.setattr(checkpoints, "write", write_slowly)
    monkeypatch.setattr(launching, "GRACE_SECONDS", 0.0)

    def make():
        return make_job(**DROPOUT_LORA | {"checkpoint_every_seconds": 1e9})

    def ask(step):
        if step == 2:
            os.kill(os.getpid(), signal.SIGTERM)

    whole = in_ranks(make, "whole")[0]
    # A rank that goes on too fast would be done before it is asked.
    with pytest.raises(stopping.Stopped):
        in_ranks(make, at=lambda rank, step: time.sleep(0.3), progress=Notes(ask))
    stopping._Request.asked = False
    reached = checkpoints.newest(tmp_path / "ranks" / "checkpoints").step
    rest, _, wasted = in_ranks(make)
    assert 2 < reached < 6 and len(rest) == 6 - reached and wasted.flops == 0
    assert largest_gap(whole[reached:], rest) == 0


@pytest.mark.slow
def test_memory_that_runs_out_on_one_rank_halves_the_micro_batches_of_all(make_job, alone, in_ranks, monkeypatch):
    scaled_sum = Losses.scaled_sum

    def scarce(self, batch, total_weight):
        if len(batch.ids) > 2 and batch.ids.shape[1] > 12:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return scaled_sum(self, batch, total_weight)

    one = alone(make_job(**FLOAT64))[0]
    monkeypatch.setattr(Losses, "scaled_sum", scarce)
    with pytest.warns(UserWarning, match="out of memory: going on with micro-batches of 2"):
        two, tally, _ = in_ranks(lambda: make_job(**FLOAT64))
    assert tally.micro_batch_size == 2 and largest_gap(one, two) < 1e-9
    with pytest.raises(TrainingError, match="out of memory; with training.sharding full"):
        in_ranks(lambda: make_job(**FLOAT64), "cut", sharded=True)


@pytest.mark.slow
def test_a_loss_that_is_no_number_is_told_as_by_one_process(make_job, in_ranks):
    def make():
        job = make_job()
        next(iter(job.model.parameters())).data.fill_(float("nan"))
        return job

    with pytest.raises(DivergedError, match="the loss is nan at step 1, on examples row") as caught:
        in_ranks(make)
    assert caught.value.tally.step == 0


@pytest.mark.parametrize(
    ("error", "expected", "message"),
    [
        (RecipeError("mend this"), RecipeError, "mend this"),
        (ValueError("no such shape"), ValueError, "no such shape"),
        (SystemExit(3), SystemExit, "3"),
    ],
)
def test_an_error_of_one_rank_is_raised_here(error, expected, message):
    def work(ranks, told):
        if not ranks.is_first:
            raise error
        ranks.wait()

    with pytest.raises(expected, match=message):
        together(work, 2, progress=Silent())


def test_progress_result_and_warnings_come_from_the_first_rank():
    def work(ranks, told):
        warnings.warn(f"rank {ranks.number}", UserWarning, stacklevel=1)
        told.update(ranks.number, 2)
        return ranks.any(ranks.is_first, False), ranks.number

    seen = []
    with pytest.warns(UserWarning, match="rank 0") as caught:
        assert together(work, 2, progress=Notes(seen.append)) == ((True, False), 0)
    assert seen == [0] and len(caught) == 1


def abort_at_exit(ranks, told):
    """What a thread of a library written in C++ does that asks for Python while it is taken apart."""
    atexit.register(os.abort)
    return ranks.size


@pytest.mark.long
def test_a_rank_that_is_done_leaves_without_taking_python_apart(monkeypatch):
    monkeypatch.setattr(launching, "START_METHOD", "spawn")  # a forked process never does
    assert together(abort_at_exit, 1, progress=Silent()) == 1


def test_what_a_rank_leaves_is_cleared_without_a_word(monkeypatch, capfd):
    tracker = resource_tracker.ResourceTracker()
    monkeypatch.setattr(resource_tracker, "ensure_running", tracker.ensure_running)
    before = list(sys.warnoptions)
    launching._track_quietly()
    left = SharedMemory(create=True, size=1)  # as a killed rank leaves its locks
    left.close()
    tracker.register(left._name, "shared_memory")
    tracker._stop()
    assert not (Path("/dev/shm") / left.name).exists()
    assert capfd.readouterr().err == "" and sys.warnoptions == before
    resource_tracker.unregister(left._name, "shared_memory")


def test_too_few_gpus_are_named(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(RecipeError, match="machine.devices is 2; this machine has 1 GPUs: set machine.devices to"):
        together(print, 2, progress=Silent())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"optimizer": "muon"},
            "training.optimizer muon needs whole weights; with training.sharding full choose one of",
        ),
        ({"method": "lora", "quantise": "4bit"}, "training.sharding full does not cut quantised weights"),
    ],
)
def test_what_cannot_be_cut_is_refused(make_job, options, message):
    job = make_job(**options)
    with pytest.raises(RecipeError, match=message):
        shard(Ranks(0, 2), job.model, job.recipe)


def test_a_model_that_does_not_name_its_layers_is_refused(make_job):
    job = make_job()
    job.model._no_split_modules = None
    with pytest.raises(RecipeError, match="training.sharding full: GPT2LMHeadModel does not name its layers"):
        shard(Ranks(0, 2), job.model, job.recipe)
