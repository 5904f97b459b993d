import dataclasses
import shutil

import pytest
import torch

from winnow.records import Cost


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


def test_dropout_matters_to_these_runs(make_job, run_job, same_bits, weights_of, whole):
    job = make_job(**OPTIONS | {"lora": make_job(**OPTIONS).recipe.lora.model_copy(update={"lora_dropout": 0.0})})
    run_job(job, probe=loss_probe)
    assert not same_bits(weights_of(job), whole[0])


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


def test_a_damaged_checkpoint_is_named_and_the_result_the_same(make_job, run_job, check, tmp_path):
    with pytest.raises(InterruptedRun):
        run_job(make_job(**OPTIONS), progress=StopAt(4), probe=loss_probe)
    (tmp_path / "run" / "checkpoints" / "step_0000000004" / "optimizer.pt").write_bytes(b"")
    job = make_job(**OPTIONS)
    with pytest.warns(UserWarning, match="step_0000000004 is damaged .optimizer.pt has changed"):
        tally, wasted = run_job(job, probe=loss_probe)
    check(job, tally)
    assert wasted.tokens > 0
