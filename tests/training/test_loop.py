import copy
import dataclasses

import numpy as np
import pytest
import torch
from toys import toy_rows, whole_batch

from winnow.errors import RecipeError, TrainingError
from winnow.models.rows import rows_of

FLOAT64 = {"dtype": torch.float64, "precision": "float64"}


class Notes:
    """Progress that calls a function after every step."""

    def __init__(self, then):
        self.then = then

    def update(self, done, total, note=""):
        self.then(int(done))


def trajectory(run_job, job, name):
    states = []
    run_job(job, name, progress=Notes(lambda step: states.append(copy.deepcopy(job.model.state_dict()))))
    return states


@pytest.mark.parametrize("micro", [1, 3, 5])
def test_accumulated_is_the_large_batch_all_the_way(make_job, run_job, micro):
    whole = trajectory(run_job, make_job(micro=8, **FLOAT64), "whole")
    cut = trajectory(run_job, make_job(micro=micro, **FLOAT64), "cut")
    assert len(whole) == len(cut) == 6
    for first, second in zip(whole, cut, strict=True):
        assert max((first[name] - second[name]).abs().max().item() for name in first) < 1e-9


def test_steps_equal_a_plain_loop_in_transformers_words(make_job, run_job):
    """AdamW, linear decay, clipping, mean over the targets of the batch; the loss as the model itself gives it."""
    job = make_job(("visits", 80), micro=8, weight_decay=0.1, learning_rate=3e-3)
    model, start = job.model, copy.deepcopy(job.model).train()
    tally, _ = run_job(job)
    decayed = [p for p in start.parameters() if p.ndim >= 2]
    plain = [p for p in start.parameters() if p.ndim < 2]
    optimizer = torch.optim.AdamW([{"params": decayed, "weight_decay": 0.1}, {"params": plain}], 3e-3, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / 10)
    losses = []
    for step in range(10):
        batch = whole_batch(job.batches.rows.take(job.batches.members(step)))
        loss = start(input_ids=batch.ids, labels=torch.where(batch.is_target, batch.ids, -100)).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(start.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    assert [point["loss"] for point in tally.steps] == pytest.approx(losses, abs=1e-6)
    assert losses[-1] < losses[0] - 0.1
    for ours, theirs in zip(model.parameters(), start.parameters(), strict=True):
        assert ours.detach().numpy() == pytest.approx(theirs.detach().numpy(), abs=2e-5)


@pytest.mark.parametrize("unit", ["visits", "tokens", "flops"])
def test_a_run_stops_exactly_at_its_budget(make_job, run_job, unit):
    whole = make_job(("visits", 20))
    amount = {"visits": 33, "tokens": 1.7 * whole.batches.plan.tokens, "flops": 1.7 * whole.batches.plan.flops}[unit]
    job = make_job((unit, amount))
    tally, wasted = run_job(job)
    plan, rows = job.batches.plan, job.batches.rows
    spent = {"visits": tally.visits, "tokens": tally.spent.tokens, "flops": tally.spent.flops}
    assert spent == {"visits": plan.visits, "tokens": plan.tokens, "flops": pytest.approx(plan.flops)}
    following = rows.lengths[job.batches._visit(plan.visits)]
    more = {"visits": 1, "tokens": following, "flops": job.flops.train(following)}[unit]
    assert spent[unit] <= amount < spent[unit] + more
    assert tally.step == plan.steps and wasted.tokens == 0


def test_what_is_spent_is_counted_with_and_without_padding(make_job, run_job):
    job = make_job(("visits", 20), micro=3)
    tally, _ = run_job(job)
    batches = [batch for step in range(3) for batch in job.batches.micro_batches(step)]
    rows, spent = job.batches.rows, tally.spent
    assert spent.tokens == rows.lengths.sum()
    assert spent.padded_tokens == sum(batch.ids.numel() for batch in batches) > spent.tokens
    assert spent.flops == pytest.approx(job.flops.train(rows.lengths).sum())
    assert spent.flops_6n == pytest.approx(job.flops.six_n(spent.tokens))
    heads = sum(int(batch.is_target.sum()) for batch in batches)
    padded = sum(float(job.flops.train(batch.ids.shape[1])) * len(batch.ids) for batch in batches)
    assert spent.executed_flops == pytest.approx(padded - job.flops.train.head * (spent.padded_tokens - heads))


BODY = 2 * (2 * 12 * 32 * 32)
"""FLOPs of one token forward: two layers of matrices 32 x 96, 32 x 32, 32 x 128, 128 x 32, two FLOPs a weight."""
SQUARE = 2 * (4 * 32)
"""FLOPs forward, over the length squared: two layers, two products, two FLOPs, 32 wide."""
HEAD = 2 * 270 * 32
"""FLOPs of one position forward: 270 pieces, 32 wide."""


@pytest.mark.parametrize(
    ("options", "padded_tokens", "squares", "rerun"),
    [
        # Lengths 4 and 6 in one micro-batch, 10 in the other.
        ({}, 2 * 6 + 10, 2 * 6**2 + 10**2, 0),
        # Two lines of 10: 10, and 6 with 4.
        ({"packing": True}, 2 * 10, 2 * 10**2, 0),
        ({"gradient_checkpointing": True}, 22, 172, BODY * 22 + SQUARE * 172),
    ],
    ids=["padded", "packed", "gradient checkpointing"],
)
def test_every_step_costs_what_a_pencil_finds(make_job, run_job, options, padded_tokens, squares, rerun):
    ids = [np.arange(1, 1 + length, dtype=np.int32) for length in (10, 4, 6)]
    rows = rows_of(["a", "b", "c"], ids, np.array([5, 2, 3]))
    tally, _ = run_job(make_job(("visits", 6), global_batch=3, micro=2, rows=rows, **options))
    tokens, targets = 4 + 6 + 10, 2 + 3 + 5
    reference = 3 * ((BODY + HEAD) * tokens + SQUARE * (4**2 + 6**2 + 10**2))
    executed = 3 * (BODY * padded_tokens + SQUARE * squares + HEAD * targets) + rerun
    assert (reference, executed - rerun) == (4102656, {22: 3894528, 20: 3621120}[padded_tokens])
    for step, point in enumerate(tally.steps, start=1):
        assert (point["step"], point["visits"], point["tokens"]) == (step, 3 * step, tokens * step)
        assert point["padded_tokens"] == padded_tokens * step
        assert (point["flops"], point["executed_flops"]) == (reference * step, executed * step)
    assert len(tally.steps) == 2


def test_packing_is_refused_where_examples_would_see_each_other(make_job, run_job, monkeypatch):
    job = make_job(packing=True)
    inner = job.model.transformer.forward
    monkeypatch.setattr(job.model.transformer, "forward", lambda position_ids=None, **inputs: inner(**inputs))
    with pytest.raises(RecipeError, match="training.packing is true, but GPT2LMHeadModel does not keep packed"):
        run_job(job)


def test_a_loss_that_is_no_number_names_step_and_examples(make_job, run_job):
    job = make_job(micro=4)

    def poison(step):
        if step == 2:
            next(iter(job.model.parameters())).data.fill_(float("nan"))

    with pytest.raises(TrainingError, match=r"the loss is nan at step 3, on examples row\d+, .*lower training.learn"):
        run_job(job, progress=Notes(poison))


def test_evaluations_at_the_start_every_n_steps_and_at_the_end(make_job, run_job, scripted_probe):
    saved = []
    job = make_job(every_steps=2, saved=saved, global_batch=9)
    tally, _ = run_job(job, probe=scripted_probe([5.0, 3.0, 3.0, 4.0]))
    assert job.batches.plan.steps == 5
    assert [at["step"] for at in tally.evaluations] == [0, 2, 4, 5]
    assert [at["visits"] for at in tally.evaluations] == [0, 18, 36, 44]
    assert tally.evaluations[0]["flops"] == 0 and tally.evaluations[-1]["flops"] == tally.spent.flops
    assert [at["evaluation_seconds"] for at in tally.evaluations] == [0.5, 1.0, 1.5, 2.0]
    assert (tally.evaluating.flops, tally.evaluating.tokens) == (20.0, 8)


@pytest.mark.parametrize(("best_by", "expected"), [("validation", (2, 3.0)), ("test", (0, 5.0))])
def test_best_is_the_lowest_loss_and_the_earliest_of_ties(make_job, run_job, scripted_probe, best_by, expected):
    saved = []
    job = make_job(every_steps=2, saved=saved, best_by=best_by)
    tally, _ = run_job(job, probe=scripted_probe([5.0, 3.0, 3.0, 4.0]))
    assert (tally.best_step, tally.best_value) == expected
    assert saved == (["best", "best", "last"] if best_by == "validation" else ["best", "last"])


def test_the_targets_kind_chooses_where_it_shall(make_job, run_job, scripted_probe):
    """The validation split is best at step 2, the target's kind at step 4."""
    on_validation, on_target = scripted_probe([5.0, 3.0, 4.0, 4.5]), iter([2.0, 1.9, 1.1, 1.2])

    def probe(model):
        return on_validation(model) | {"target_validation": {"loss": next(on_target), "items": 3}}

    tally, _ = run_job(make_job(every_steps=2, global_batch=9, best_by="target"), probe=probe)
    assert (tally.best_step, tally.best_value) == (4, 1.1)


def test_without_a_probe_only_the_last_weights_are_kept(make_job, run_job):
    saved = []
    tally, _ = run_job(make_job(saved=saved))
    assert saved == ["last"] and tally.evaluations == []


def test_an_evaluation_that_is_no_number_is_never_the_best(make_job, run_job, scripted_probe):
    tally, _ = run_job(make_job(every_steps=3), probe=scripted_probe([float("nan"), 2.0, float("nan")]))
    assert (tally.best_step, tally.best_value) == (3, 2.0)


def test_logged_points_are_means_that_cover_every_step(make_job, run_job, monkeypatch):
    monkeypatch.setattr("winnow.training.loop.LOGGED_POINTS", 3)
    every = run_job(make_job(("visits", 56)), "every")[0]
    points = every.steps
    assert [point["step"] for point in points] == [2, 4, 6, 7]
    assert points[-1]["flops"] == every.spent.flops and not every.pending
    monkeypatch.setattr("winnow.training.loop.LOGGED_POINTS", 400)
    losses = [point["loss"] for point in run_job(make_job(("visits", 56)), "all")[0].steps]
    assert [p["loss"] for p in points] == pytest.approx([np.mean(losses[i : i + 2]) for i in (0, 2, 4, 6)])


def test_only_the_adapter_is_trained(make_job, run_job, weights_of):
    job = make_job(method="lora")
    before = weights_of(job)
    run_job(job)
    changed = {name for name, weight in weights_of(job).items() if not torch.equal(weight, before[name])}
    assert changed == {name for name in before if "lora_" in name}


def test_long_rows_cost_more_than_their_share(make_job):
    short, long = (make_job(rows=toy_rows(8, shortest=n, longest=n)).batches.plan for n in (10, 20))
    assert long.flops > 2 * short.flops and long.tokens == 2 * short.tokens
    assert dataclasses.asdict(long)["examples"] == 8


@pytest.mark.parametrize("micro", [1, 4])
def test_a_row_of_weight_two_counts_like_two_rows(make_job, run_job, micro):
    rows = toy_rows(6)
    weighed = dataclasses.replace(rows, weights=np.array([2.0, 1, 1, 1, 1, 1]))
    twice = rows.take([0, *range(6)])
    one = make_job(("visits", 6), global_batch=6, micro=micro, rows=weighed, **FLOAT64)
    other = make_job(("visits", 7), global_batch=7, micro=micro, rows=twice, **FLOAT64)
    plain = make_job(("visits", 6), global_batch=6, micro=micro, rows=rows, **FLOAT64)
    states = [trajectory(run_job, job, name)[0] for job, name in ((one, "one"), (other, "two"), (plain, "plain"))]
    gaps = [max((states[0][name] - state[name]).abs().max().item() for name in state) for state in states[1:]]
    assert gaps[0] < 1e-9 < gaps[1]
