import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from toys import naive_losses, toy_model, toy_rows

from winnow.evaluation import scoring
from winnow.evaluation.scoring import ItemScores, RowReader, averages, row_losses, scoring_cost
from winnow.models.flops import flop_model
from winnow.models.forward import Losses
from winnow.models.generate import generate_greedy


def test_losses_equal_a_plain_cross_entropy_of_each_item(make_sets, score):
    model = toy_model(spread=0.2)
    for items in make_sets():
        scored = score(model, items)
        naive = [naive_losses(model, items.rows.row(i), items.rows.target_from[i]) for i in range(len(items.answers))]
        assert scored.losses.tolist() == pytest.approx([sum(row) for row in naive], rel=1e-5)
        assert scored.target_tokens.tolist() == [len(row) for row in naive]
        assert scored.loss == pytest.approx(sum(map(sum, naive)) / sum(map(len, naive)), rel=1e-5)


@pytest.mark.parametrize("tokens", [1, 50])
def test_row_losses_come_in_the_order_of_the_rows_whatever_the_batches(monkeypatch, tokens):
    model, rows = toy_model(dtype=torch.float64), toy_rows(30)
    sums, counts = row_losses(Losses(model), rows)
    monkeypatch.setattr(scoring, "tokens_at_once", lambda device: tokens)
    again, _ = row_losses(Losses(model), rows)
    assert again == pytest.approx(sums, abs=1e-12)
    assert counts.tolist() == (rows.lengths - rows.target_from).tolist()
    assert not any(p.grad is not None for p in model.parameters())


@pytest.mark.slow
def test_a_model_that_knows_the_answers_gets_them_all(make_sets, score, expert):
    for items in make_sets():
        scored = score(expert, items)
        assert scored.exact_match == 1.0 and scored.loss < 0.05
        assert scored.extracted == items.answers
        assert [output.rpartition("#### ")[2] for output in scored.outputs] == items.answers


def test_a_wrong_answer_counts_against_exact_match_alone(make_sets, score, expert, examples):
    answers = [each.answer for each in examples]
    right = score(expert, make_sets()[0])
    wrong = score(expert, make_sets(answer=["999", *answers[1:]])[0])
    assert wrong.exact_match == pytest.approx(2 / 3) and sorted(wrong.correct) == [False, True, True]
    assert wrong.losses.tolist() == right.losses.tolist()


def test_a_model_that_knows_nothing_gets_none(make_sets, score):
    for items in make_sets():
        scored = score(toy_model(), items)
        assert scored.exact_match == 0.0 and scored.loss == pytest.approx(np.log(270), rel=0.05)


@pytest.mark.parametrize("batch_size", [1, 2, 100])
def test_the_batch_size_of_generation_changes_nothing(make_sets, score, expert, batch_size):
    for items in make_sets():
        found, expected = score(expert, items, batch_size), score(expert, items, 3)
        assert (found.outputs, found.generated_tokens) == (expected.outputs, expected.generated_tokens)


def scores_of(losses, tokens, correct):
    return ItemScores(
        np.array(losses), np.array(tokens), [], [], np.array(correct), np.array(correct), 0, np.array(correct)
    )


def test_micro_is_over_items_and_tokens_macro_over_sets():
    small, large = scores_of([4.0], [2], [True]), scores_of([1.0, 2.0, 3.0], [2, 2, 2], [False, False, True])
    micro, macro = averages([small, large])
    assert micro == {"loss": pytest.approx(10 / 8), "exact_match": pytest.approx(2 / 4)}
    assert macro == {"loss": pytest.approx((2 + 1) / 2), "exact_match": pytest.approx((1 + 1 / 3) / 2)}


@pytest.mark.parametrize("kind", ["gpt2", "llama"])
@pytest.mark.parametrize(("batch_size", "tokens"), [(1, 2048), (7, 50), (100, 2048), (100, 1)])
@pytest.mark.slow
def test_prompts_read_once_give_the_losses_and_answers_of_two_passes(kind, batch_size, tokens, monkeypatch):
    model, rows = toy_model(kind, spread=0.5), toy_rows(30)
    prompts = [rows.row(at)[:start].tolist() for at, start in enumerate(rows.target_from)]
    options = {"max_new_tokens": 12, "eos_id": common_token(model, prompts), "batch_size": batch_size}
    answers, (sums, counts) = generate_greedy(model, prompts, **options), row_losses(Losses(model), rows)
    assert len(set(map(len, prompts))) > 1 and len(set(map(len, answers.completions))) > 1
    monkeypatch.setattr(scoring, "tokens_at_once", lambda device: tokens)
    reader = RowReader(model, rows, prompts)
    assert generate_greedy(model, prompts, reader=reader, **options) == answers
    assert reader.is_read.all() and (reader.counts == counts).all()
    assert reader.sums == pytest.approx(sums, rel=1e-6)


def common_token(model, prompts):
    """One that the model writes at various places."""
    free = generate_greedy(model, prompts, max_new_tokens=12, eos_id=-1, batch_size=1).completions
    return max(sorted({token for row in free for token in row[2:-2]}), key=lambda token: sum(token in r for r in free))


@pytest.mark.slow
def test_batches_with_a_prompt_that_is_cut_are_read_twice():
    model, rows = toy_model(spread=0.5), toy_rows(30)
    prompts = [rows.row(at)[:start].tolist() for at, start in enumerate(rows.target_from)]
    room = sorted(map(len, prompts))[-1] - 1
    options = {"max_new_tokens": 96 - room, "eos_id": 0, "batch_size": 10}
    reader, (sums, _) = RowReader(model, rows, prompts), row_losses(Losses(model), rows)
    assert generate_greedy(model, prompts, reader=reader, **options) == generate_greedy(model, prompts, **options)
    assert reader.is_read.sum() == 20 and not reader.is_read[np.argmax([len(prompt) for prompt in prompts])]
    reader.read_others()
    assert reader.sums == pytest.approx(sums, rel=1e-6)


def test_scoring_costs_one_pass_over_rows_and_the_answers(make_sets, score, expert):
    items, flops = make_sets()[0], flop_model(expert)
    scored = score(expert, items)
    cost = scoring_cost(flops, [items], [scored], time.perf_counter())
    prompts = np.array([len(prompt) for prompt in items.prompts])
    written = prompts + scored.target_tokens  # the expert writes the reference
    assert scored.is_shared.all()
    assert cost.tokens == items.rows.lengths.sum() + scored.target_tokens.sum()
    answers = flops.forward(written).sum() - flops.forward(prompts).sum()
    assert cost.flops == pytest.approx(flops.forward(items.rows.lengths).sum() + answers, rel=0.02)
    assert cost.seconds >= 0


def test_prompts_that_are_read_twice_cost_twice(make_sets, score, expert):
    items, flops = make_sets()[0], flop_model(expert)
    once = score(expert, items)
    twice = replace(once, is_shared=np.zeros_like(once.is_shared))
    costs = [scoring_cost(flops, [items], [scored], time.perf_counter()) for scored in (once, twice)]
    prompts = np.array([len(prompt) for prompt in items.prompts])
    assert costs[1].tokens - costs[0].tokens == prompts.sum()
    assert costs[1].flops - costs[0].flops == pytest.approx(flops.forward(prompts).sum())


def test_a_sample_is_the_first_items_by_id(make_sets):
    items = make_sets()[0]
    sample = items.sample(2)
    assert sample.rows.names == items.rows.names[:2] == sorted(items.rows.names)[:2]
    assert (sample.answers, sample.prompts) == (items.answers[:2], items.prompts[:2])
    assert items.sample(100).rows.names == items.rows.names


def test_items_beyond_the_context_lose_their_end(make_sets):
    items = make_sets(max_tokens=25)[0]
    assert items.rows.lengths.max() == 25
    assert (items.rows.target_from <= items.rows.lengths).all()
    assert [len(p) for p in items.prompts] == [len(p) for p in make_sets()[0].prompts]


def test_items_whose_prompt_fills_the_context_have_no_target_and_are_still_answered(make_sets, score):
    items = make_sets(max_tokens=8)[0]
    scored = score(toy_model(), items)
    assert scored.target_tokens.tolist() == [0, 0, 0] and scored.loss == 0.0
    assert not scored.is_shared.any()
    assert len(scored.outputs) == 3
