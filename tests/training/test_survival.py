"""What a run does when memory runs out, when it is asked to stop, when its loss is no number."""

import os
import re
import signal
from dataclasses import replace

import pytest
import torch

from winnow import stopping
from winnow.errors import TrainingError
from winnow.models.forward import Losses
from winnow.recipe import TrainingRecipe
from winnow.training import checkpoints, loop
from winnow.training.memory import no_room_to_update

FLOAT64 = {"dtype": torch.float64, "precision": "float64"}


class CallAt:
    """Progress that calls a function when a step is done."""

    def __init__(self, step, function):
        self.step, self.function = step, function

    def update(self, done, total, note=""):
        if done == self.step:
            self.function()


@pytest.fixture
def memory_for(monkeypatch):
    """Let memory run out in batches of more rows than this."""

    def limit(rows, error):
        whole = Losses.scaled_sum

        def scaled_sum(self, batch, total_weight):
            if len(batch.ids) > rows:
                raise error
            return whole(self, batch, total_weight)

        monkeypatch.setattr(Losses, "scaled_sum", scaled_sum)

    return limit


@pytest.fixture
def listening():
    before = signal.getsignal(signal.SIGTERM)
    stopping.listen()
    yield
    signal.signal(signal.SIGTERM, before)
    stopping._Request.asked = False


OUT_OF_MEMORY = [
    torch.OutOfMemoryError("CUDA out of memory"),
    RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
    MemoryError(),
]


@pytest.mark.parametrize("error", OUT_OF_MEMORY)
def test_out_of_memory_halves_the_micro_batch_and_trains_the_same(make_job, run_job, weights_of, memory_for, error):
    whole = make_job(micro=8, **FLOAT64)
    run_job(whole, "whole")
    memory_for(3, error)
    job = make_job(micro=8, **FLOAT64)
    with pytest.warns(UserWarning, match="out of memory: going on with micro-batches of [42]"):
        tally, _ = run_job(job, "cut")
    assert tally.micro_batch_size == 2
    expected = weights_of(whole)
    assert max((weight - expected[name]).abs().max().item() for name, weight in weights_of(job).items()) < 1e-9


def test_another_error_is_not_taken_for_it(make_job, run_job, memory_for):
    memory_for(3, RuntimeError("shapes do not match"))
    with pytest.raises(RuntimeError, match="shapes do not match"):
        run_job(make_job(micro=8))


@pytest.mark.filterwarnings("ignore:out of memory")
@pytest.mark.parametrize(
    ("packing", "message"),
    [
        (False, r"out of memory with one example of \d+ tokens; lower pool.max_tokens"),
        (True, r"out of memory with one packed line of \d+ tokens; set training.packing to false, lower pool.max"),
    ],
)
def test_what_does_not_fit_alone_is_an_error(make_job, run_job, memory_for, packing, message):
    memory_for(0, torch.OutOfMemoryError("CUDA out of memory"))
    with pytest.raises(TrainingError, match=message):
        run_job(make_job(micro=4, packing=packing))


@pytest.mark.parametrize("checkpointed", [False, True], ids=["its first", "its third"])
@pytest.mark.slow
def test_an_update_that_does_not_fit_is_an_error_and_the_run_goes_on_from_before_it(
    make_job, run_job, weights_of, same_bits, tmp_path, monkeypatch, checkpointed
):
    """Memory runs out where the state of the second group is made, when weights of the first are updated already."""

    def make():
        return make_job(checkpoint_every_seconds=0.0)

    whole = make()
    run_job(whole, "whole")
    make_state, calls = torch.optim.AdamW._init_group, []

    def scarce(self, *args):
        calls.append(args)
        if len(calls) == (6 if checkpointed else 2):
            raise torch.OutOfMemoryError("CUDA out of memory")
        return make_state(self, *args)

    broken = make()
    before = weights_of(broken)
    with monkeypatch.context() as patched:
        patched.setattr(torch.optim.AdamW, "_init_group", scarce)
        with pytest.raises(TrainingError) as caught:
            run_job(broken)
    assert not same_bits(weights_of(broken), before)
    weights = sum(weight.numel() for weight in broken.model.parameters())
    step, when, good = (
        (3, "after its state was made", ".*step_0000000002") if checkpointed
        else (1, "the first, which makes its state", "the start: none was written yet")
    )  # fmt: skip
    ways = (
        "training.optimizer adafactor, training.optimizer adamw_8bit on a GPU, training.method lora, training.sharding"
    )
    assert re.fullmatch(
        f"out of memory in the update of {weights:,} weights by adamw at step {step}, {when}; any of these takes less: "
        f"{ways} full with machine.devices 2 or more, a smaller model; the last good checkpoint is {good}",
        str(caught.value),
    )
    again = make()
    run_job(again)
    assert same_bits(weights_of(again), weights_of(whole))


@pytest.mark.parametrize(
    ("recipe", "told"),
    [
        ({"method": "lora", "optimizer": "muon"}, "training.optimizer adafactor"),
        ({"method": "full", "sharding": "full"}, "training.optimizer lion, training.method lora, more machine.devices"),
    ],
)
def test_only_what_can_be_asked_for_is_advised(recipe, told):
    said = no_room_to_update(TrainingRecipe(**recipe), weights=10, step=1)
    assert said.endswith(f"any of these takes less: {told}, a smaller model")


def test_asked_to_stop_it_saves_the_step_it_is_in_and_goes_on_to_the_same_bits(
    make_job, run_job, weights_of, same_bits, tmp_path, listening
):
    whole = make_job(method="lora")
    run_job(whole, "whole")
    stopped = make_job(method="lora")
    # The signal arrives while step 3 is being made known; the step after it is the last.
    with pytest.raises(stopping.Stopped):
        run_job(stopped, progress=CallAt(3, lambda: os.kill(os.getpid(), signal.SIGTERM)))
    assert checkpoints.newest(tmp_path / "run" / "checkpoints").step == 4
    stopping._Request.asked = False
    again = make_job(method="lora")
    _, wasted = run_job(again)
    assert same_bits(weights_of(again), weights_of(whole)) and wasted.flops == 0


def _ask():
    os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.parametrize("stopped_at", range(4))
@pytest.mark.slow
def test_asked_to_stop_in_an_evaluation_it_does_that_one_again_and_no_step(
    make_job, run_job, weights_of, same_bits, scripted_probe, listening, stopped_at
):
    losses = [5.0, 4.0, 3.5, 3.0]  # before step 1, after 2 and 4, and at the end
    whole, stopped, again = (make_job(method="lora", every_steps=2) for _ in range(3))
    expected, _ = run_job(whole, "whole", probe=scripted_probe(losses))
    before = scripted_probe(losses)
    calls = iter(range(9))

    def probe(model):
        if next(calls) == stopped_at:
            _ask()
            pytest.fail("went on with the evaluation")
        return before(model)

    with pytest.raises(stopping.Stopped):
        run_job(stopped, probe=probe)
    stopping._Request.asked = False
    tally, wasted = run_job(again, probe=scripted_probe(losses[stopped_at:]))
    assert same_bits(weights_of(again), weights_of(whole)) and wasted.flops == 0
    assert [(row["step"], row["validation"]) for row in tally.evaluations] == [
        (row["step"], row["validation"]) for row in expected.evaluations
    ]


def test_asked_to_stop_in_the_last_step_it_leaves_and_has_nothing_to_train_again(
    make_job, run_job, monkeypatch, listening
):
    job, again = make_job(), make_job()
    steps = job.batches.plan.steps
    hear = lambda points, evaluations: _ask() if points and points[-1]["step"] == steps else None  # noqa: E731
    with pytest.raises(stopping.Stopped):
        run_job(replace(job, hear=hear))
    stopping._Request.asked = False
    stepped = []
    monkeypatch.setattr(loop, "_step_that_fits", lambda *arguments: stepped.append(1))
    tally, wasted = run_job(again)
    assert tally.step == steps and wasted.flops == 0 and not stepped


def test_outside_of_training_a_request_stops_at_once(listening):
    with pytest.raises(stopping.Stopped):
        os.kill(os.getpid(), signal.SIGTERM)


def test_a_loss_that_is_no_number_names_the_last_good_checkpoint(make_job, run_job, tmp_path):
    job = make_job(checkpoint_every_seconds=0.0)
    first = next(iter(job.model.parameters())).data
    with pytest.raises(TrainingError, match="the last good checkpoint is .*step_0000000002"):
        run_job(job, progress=CallAt(2, lambda: first.fill_(float("nan"))))
    assert checkpoints.newest(tmp_path / "run" / "checkpoints").weights


@pytest.mark.parametrize("max_grad_norm", [1.0, None])
def test_a_gradient_that_is_no_number_ends_the_run_before_it_reaches_the_weights(make_job, run_job, max_grad_norm):
    job = make_job(max_grad_norm=max_grad_norm)
    first = next(iter(job.model.parameters()))

    def spoil():
        first.register_hook(lambda gradient: gradient * float("inf"))

    with pytest.raises(TrainingError, match="norm of the gradient is (nan|inf) at step 3, on examples row") as caught:
        run_job(job, progress=CallAt(2, spoil))
    assert caught.value.tally.step == 2
    assert all(weight.isfinite().all() for weight in job.model.parameters())


def test_the_examples_of_a_step_that_went_wrong_are_named_all_but_very_many(make_job, run_job, monkeypatch):
    monkeypatch.setattr(loop, "NAMED_EXAMPLES", 5)
    for global_batch, named in ((5, r"(row\d+, ){4}row\d+; lower"), (8, r"(row\d+, ){4}row\d+ and 3 more; lower")):
        job = make_job(global_batch=global_batch)
        next(iter(job.model.parameters())).data.fill_(float("nan"))
        with pytest.raises(TrainingError, match=f"the loss is nan at step 1, on examples {named}"):
            run_job(job, str(global_batch))
