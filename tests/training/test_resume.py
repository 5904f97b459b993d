import dataclasses
import errno
import shutil
from contextlib import suppress

import pytest
import torch
from safetensors.torch import load_file, save_file

from faults import FAULTS, Disk, Killed
from winnow.records import Cost
from winnow.training import checkpoints
from winnow.training.tally import Journal


class InterruptedRun(Exception):
    pass


class StopAt:
    def __init__(self, step):
        self.step = step

    def update(self, done, total, note=""):
        if done == self.step:
            raise InterruptedRun


OPTIONS = {"method": "lora", "checkpoint_every_seconds": 0.0, "every_steps": 2, "micro": 3}


def loss_probe(model):
    """The mean weight of the adapter, so that it follows the training."""
    weights = torch.cat([w.detach().flatten() for w in model.parameters() if w.requires_grad])
    cost = Cost(flops=1.0, tokens=1, seconds=0.1)
    return {"validation": {"loss": float(weights.abs().mean())}, "micro": {"loss": 0.0}, "cost": cost}


@pytest.fixture
def whole(make_job, run_job, weights_of):
    saved = []
    job = make_job(saved=saved, **OPTIONS)
    tally, _ = run_job(job, "whole", probe=loss_probe)
    return weights_of(job), tally, saved


@pytest.fixture
def check(whole, same_bits, weights_of, without_seconds):
    """That a resumed run gave the bits and counts of the uninterrupted one."""

    def compare(job, tally):
        weights, expected, _ = whole
        assert same_bits(weights_of(job), weights)
        for meter in ("spent", "evaluating"):
            found, wanted = (without_seconds(dataclasses.asdict(getattr(each, meter))) for each in (tally, expected))
            assert found == wanted
        assert [without_seconds(at) for at in tally.evaluations] == [without_seconds(at) for at in expected.evaluations]
        assert [without_seconds(at) for at in tally.steps] == [without_seconds(at) for at in expected.steps]
        assert (tally.visits, tally.best_step, tally.best_value) == (
            expected.visits, expected.best_step, expected.best_value,
        )  # fmt: skip

    return compare


@pytest.mark.parametrize("stops", [(1,), (2,), (5,), (1, 2, 3, 4)])
@pytest.mark.slow
def test_resumed_is_uninterrupted(make_job, run_job, check, stops, whole):
    saved = []
    for stop in stops:
        with pytest.raises(InterruptedRun):
            run_job(make_job(saved=saved, **OPTIONS), progress=StopAt(stop), probe=loss_probe)
    job = make_job(saved=saved, **OPTIONS)
    tally, wasted = run_job(job, probe=loss_probe)
    check(job, tally)
    assert dataclasses.replace(wasted, seconds=0) == Cost()
    assert saved == whole[2]


@pytest.mark.slow
def test_dropout_matters_to_these_runs(make_job, run_job, same_bits, weights_of, whole):
    job = make_job(**OPTIONS | {"lora": make_job(**OPTIONS).recipe.lora.model_copy(update={"lora_dropout": 0.0})})
    run_job(job, probe=loss_probe)
    assert not same_bits(weights_of(job), whole[0])


@pytest.mark.slow
def test_work_done_again_is_wasted_and_not_charged(make_job, run_job, check, tmp_path):
    spent = {}
    with pytest.raises(InterruptedRun):
        run_job(make_job(**OPTIONS), progress=StopAt(5), probe=loss_probe)
    job = make_job(**OPTIONS)
    for step in range(5):
        lengths = job.batches.rows.lengths[job.batches.members(step)]
        spent[step] = int(lengths.sum()), float(job.flops.train(lengths).sum())
    shutil.rmtree(tmp_path / "run" / "checkpoints" / "step_0000000005")
    tally, wasted = run_job(job, probe=loss_probe)
    check(job, tally)
    assert (wasted.tokens, wasted.flops) == (spent[4][0], pytest.approx(spent[4][1]))


def test_waste_adds_up_over_kills_before_the_first_checkpoint(make_job, run_job, tmp_path):
    for stop in (2, 3):
        with pytest.raises(InterruptedRun):
            run_job(make_job(), progress=StopAt(stop))
    job = make_job()
    tally, wasted = run_job(job)
    tokens = [int(job.batches.rows.lengths[job.batches.members(step)].sum()) for step in range(6)]
    assert wasted.tokens == 2 * tokens[0] + 2 * tokens[1] + tokens[2]
    assert tally.spent.tokens == sum(tokens) == job.batches.plan.tokens
    assert wasted.seconds > 0


@pytest.mark.slow
def test_a_kill_inside_an_evaluation_redoes_its_step(make_job, run_job, check):
    calls = []

    def killed(model):
        calls.append(1)
        if len(calls) == 3:
            raise InterruptedRun
        return loss_probe(model)

    with pytest.raises(InterruptedRun):
        run_job(make_job(**OPTIONS), probe=killed)
    job = make_job(**OPTIONS)
    tally, wasted = run_job(job, probe=loss_probe)
    check(job, tally)
    assert wasted.tokens == job.batches.rows.lengths[job.batches.members(3)].sum()


def test_a_kill_while_the_journal_is_written_is_survived(make_job, run_job, tmp_path):
    with pytest.raises(InterruptedRun):
        run_job(make_job(), progress=StopAt(2))
    journal = tmp_path / "run" / "spent.jsonl"
    journal.write_text(journal.read_text() + '{"flops": 12')
    job = make_job()
    _, wasted = run_job(job)
    assert wasted.tokens == sum(job.batches.rows.lengths[job.batches.members(step)].sum() for step in (0, 1))


@pytest.mark.parametrize("fault", FAULTS)
def test_waste_counts_once_wherever_a_resume_is_killed(tmp_path, monkeypatch, fault):
    for at in range(1, 100):
        journal = Journal(tmp_path / f"run{at}")
        journal.resume(Cost())
        for tokens in (10, 20, 30):
            journal.note(Cost(tokens=tokens))
        with monkeypatch.context() as patch:
            disk = Disk(patch, fault, at)
            with suppress(Killed, OSError):
                journal.resume(Cost(tokens=20))
        journal.resume(Cost(tokens=20))
        assert journal.wasted().tokens == 10
        # The checkpoint of 20 turns out to be damaged: what it held is done again too.
        journal.resume(Cost(tokens=5))
        assert journal.wasted().tokens == 25
        if disk.is_over:
            break
    assert at > 3


def test_a_damaged_journal_is_said(tmp_path):
    journal = Journal(tmp_path)
    journal.resume(Cost())
    (tmp_path / "spent.jsonl").write_bytes(b"\xff{")
    with pytest.warns(UserWarning, match="spent.jsonl is damaged; what was wasted before is not counted"):
        assert journal.wasted() == Cost()


def keep_weights(job):
    """The job, saving what it trains into a file of its own."""

    def save(folder):
        save_file({name: w.detach().contiguous() for name, w in job.model.named_parameters()}, folder / "weights")

    return dataclasses.replace(job, save=save)


@pytest.mark.slow
def test_the_best_weights_are_those_of_the_best_step_whatever_was_kept_after_it(
    make_job, run_job, scripted_probe, same_bits, weights_of, tmp_path
):
    """Step 4 is the best until a kill; done again, on another machine say, it is not: then step 2 is the best."""
    options = OPTIONS | {"checkpoint_every_seconds": 0.0}
    with pytest.raises(InterruptedRun):
        run_job(keep_weights(make_job(**options)), progress=StopAt(3), probe=scripted_probe([5.0, 3.0]))
    at_two = make_job(**options)
    with pytest.raises(InterruptedRun):
        run_job(at_two, "two", progress=StopAt(2), probe=scripted_probe([5.0, 3.0]))
    job, calls = keep_weights(make_job(**options)), []

    def killed_after_it_was_kept(folder):
        job.save(folder)
        calls.append(folder)

    later = dataclasses.replace(job, save=killed_after_it_was_kept)
    with pytest.raises(InterruptedRun):
        run_job(later, progress=StopAt(4), probe=scripted_probe([1.0]))
    places = tmp_path / "run" / "checkpoints"
    shutil.rmtree(places / "step_0000000004")
    assert len(calls) == 1 and (places / "best_0000000004").is_dir()
    tally, _ = run_job(keep_weights(make_job(**options)), probe=scripted_probe([4.0, 4.0]))
    assert (tally.best_step, tally.best_value) == (2, 3.0)
    assert same_bits(load_file(places / "best_0000000002" / "weights"), weights_of(at_two))


@pytest.mark.parametrize("damage", [lambda path: path.unlink(), lambda path: path.write_bytes(b"")])
@pytest.mark.slow
def test_damaged_best_weights_are_made_again(make_job, run_job, check, tmp_path, damage):
    with pytest.raises(InterruptedRun):
        run_job(make_job(**OPTIONS), progress=StopAt(3), probe=loss_probe)
    damage(tmp_path / "run" / "checkpoints" / "best_0000000000" / "weights")
    job = make_job(**OPTIONS)
    with pytest.warns(UserWarning, match="damaged .best_0000000000, the best weights: weights (is m|has c)"):
        tally, _ = run_job(job, probe=loss_probe)
    check(job, tally)


@pytest.mark.slow
def test_with_every_checkpoint_damaged_it_starts_again_says_so_and_counts_it(make_job, run_job, check, tmp_path):
    stopped = make_job(**OPTIONS)
    with pytest.raises(InterruptedRun):
        run_job(stopped, progress=StopAt(4), probe=loss_probe)
    for place in (tmp_path / "run" / "checkpoints").glob("step_*"):
        (place / "random_state.pt").unlink()
    job = make_job(**OPTIONS)
    with pytest.warns(UserWarning) as caught:
        tally, wasted = run_job(job, probe=loss_probe)
    said = [str(warning.message) for warning in caught if "checkpoint" in str(warning.message)]
    assert [line.partition(";")[0] for line in said[:2]] == [
        f"checkpoint step_000000000{step} is damaged (random_state.pt is missing)" for step in (4, 3)
    ]
    assert said[2].endswith("is whole; starting from the beginning")
    check(job, tally)
    lengths = [job.batches.rows.lengths[job.batches.members(step)] for step in range(4)]
    assert wasted.tokens == sum(int(each.sum()) for each in lengths) + 3  # and three evaluations of one token


@pytest.mark.slow
def test_a_full_disk_keeps_the_older_checkpoint_and_the_run_goes_on_from_it(
    make_job, run_job, check, tmp_path, monkeypatch
):
    places = tmp_path / "run" / "checkpoints"
    with monkeypatch.context() as patch:
        disk = Disk(patch)

        def full_at_step_four(name, path, *given):
            if "step_0000000004.partial/optimizer" in str(path):
                disk.fail(name, path, *given)

        disk.before = full_at_step_four
        with pytest.raises(OSError, match=r"No space left on device: .*optimizer.pt'") as caught:
            run_job(make_job(**OPTIONS), probe=loss_probe)
    assert caught.value.errno == errno.ENOSPC
    assert checkpoints.newest(places).step == 3 and not list(places.glob("*.partial"))
    job = make_job(**OPTIONS)
    tally, wasted = run_job(job, probe=loss_probe)
    check(job, tally)
    assert wasted.tokens == job.batches.rows.lengths[job.batches.members(3)].sum() + 1


@pytest.mark.slow
def test_a_damaged_checkpoint_is_named_and_the_result_the_same(make_job, run_job, check, tmp_path):
    with pytest.raises(InterruptedRun):
        run_job(make_job(**OPTIONS), progress=StopAt(4), probe=loss_probe)
    (tmp_path / "run" / "checkpoints" / "step_0000000004" / "optimizer.pt").write_bytes(b"")
    job = make_job(**OPTIONS)
    with pytest.warns(UserWarning, match="step_0000000004 is damaged .optimizer.pt has changed"):
        tally, wasted = run_job(job, probe=loss_probe)
    check(job, tally)
    assert wasted.tokens > 0


@pytest.mark.parametrize("options", [{"packing": True}, {"gradient_checkpointing": True}])
@pytest.mark.slow
def test_resumed_is_uninterrupted_packed_and_recomputed(make_job, run_job, same_bits, weights_of, options):
    whole, resumed = (make_job(**OPTIONS | options) for _ in range(2))
    run_job(whole, "whole", probe=loss_probe)
    with pytest.raises(InterruptedRun):
        run_job(make_job(**OPTIONS | options), progress=StopAt(3), probe=loss_probe)
    run_job(resumed, probe=loss_probe)
    assert same_bits(weights_of(resumed), weights_of(whole))
