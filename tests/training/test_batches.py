import numpy as np
import pytest
from toys import toy_rows

from winnow.budget import Allowance, plan_visits
from winnow.training.batches import EpochBatches


@pytest.fixture
def make_batches():
    def build(visits, *, count=20, global_batch=8, micro=3, seed=0, **packing):
        rows = toy_rows(count)
        plan = plan_visits(
            rows.lengths, rows.lengths.astype(float), allowed=Allowance("visits", visits),
            global_batch_size=global_batch, seed=seed,
        )  # fmt: skip
        return EpochBatches(rows, plan, global_batch_size=global_batch, micro_batch_size=micro, seed=seed, **packing)

    return build


def visits_of(batches):
    return np.concatenate([batches.members(step) for step in range(batches.plan.steps)])


def test_every_epoch_visits_every_example_once(make_batches):
    visits = visits_of(make_batches(60)).reshape(3, 20)
    assert (np.sort(visits, axis=1) == np.arange(20)).all()
    assert not (visits[0] == visits[1]).all()


@pytest.mark.parametrize("visits", [1, 8, 9, 43])
def test_the_last_batch_ends_at_the_plan(make_batches, visits):
    batches = make_batches(visits)
    sizes = [len(batches.members(step)) for step in range(batches.plan.steps)]
    assert sum(sizes) == visits and set(sizes[:-1]) <= {8} and 1 <= sizes[-1] <= 8


def test_micro_batches_cover_the_global_batch_sorted_by_length(make_batches):
    batches = make_batches(40)
    micro = batches.micro_batches(1)
    rows = [row for batch in micro for row in batch.rows]
    lengths = batches.rows.lengths
    assert [len(batch.rows) for batch in micro] == [3, 3, 2]
    assert sorted(rows) == sorted(batches.members(1).tolist())
    assert lengths[rows].tolist() == sorted(lengths[rows].tolist())
    assert all(batch.ids.shape[1] == lengths[batch.rows].max() for batch in micro)
    assert sum(batch.real_tokens for batch in micro) == lengths[rows].sum()


def test_a_step_does_not_hang_on_the_steps_before_it(make_batches):
    walked, jumped = make_batches(100), make_batches(100)
    last = [walked.members(step) for step in range(13)][12]
    assert jumped.members(12).tolist() == last.tolist()
    assert jumped.members(2).tolist() == walked.members(2).tolist()


def test_the_seed_makes_the_order(make_batches):
    assert visits_of(make_batches(20, seed=1)).tolist() == visits_of(make_batches(20, seed=1)).tolist()
    assert visits_of(make_batches(20, seed=1)).tolist() != visits_of(make_batches(20, seed=2)).tolist()


def test_the_plan_counts_what_is_visited(make_batches):
    batches = make_batches(47)
    assert batches.plan.tokens == batches.rows.lengths[visits_of(batches)].sum()
    assert batches.plan.flops == pytest.approx(float(batches.plan.tokens))


def test_packed_micro_batches_cover_the_global_batch_in_lines_about_as_long_as_its_longest_row(make_batches):
    padded, packed = make_batches(40, global_batch=20), make_batches(40, global_batch=20, packing=True)
    lengths = packed.rows.lengths
    for step in range(2):
        micro = packed.micro_batches(step)
        assert sorted(row for batch in micro for row in batch.rows) == sorted(packed.members(step).tolist())
        counts = [len(batch.ids) for batch in micro]
        assert max(counts) == 3 and min(counts) >= 2
        assert 1 <= max(batch.ids.shape[1] for batch in micro) / lengths[packed.members(step)].max() <= 1.2
        assert len(micro) < len(padded.micro_batches(step))


def test_packing_a_large_micro_batch_wastes_little(make_batches):
    padded = make_batches(40, global_batch=20, micro=20).micro_batches(0)
    packed = make_batches(40, global_batch=20, micro=20, packing=True).micro_batches(0)
    assert len(padded) == len(packed) == 1
    wasted, saved = (batch.ids.numel() - batch.real_tokens for batch in (padded[0], packed[0]))
    assert saved < wasted / 3


def test_smaller_micro_batches_hold_the_same_lines(make_batches):
    packed = make_batches(20, global_batch=20, packing=True)
    one, three = packed.micro_batches(0, 1), packed.micro_batches(0)
    assert [row for batch in one for row in batch.rows] == [row for batch in three for row in batch.rows]
    assert all(len(batch.ids) == 1 for batch in one)


@pytest.mark.parametrize("devices", [2, 3, 20])
def test_every_device_has_packed_lines(make_batches, devices):
    one = make_batches(20, global_batch=20, micro=20, packing=True).micro_batches(0)
    several = make_batches(20, global_batch=20, micro=20, packing=True, devices=devices).micro_batches(0)
    lines = len(one[0].ids)
    assert len(several) == min(devices, lines)
    assert [row for batch in several for row in batch.rows] == one[0].rows


def test_more_micro_batches_are_made_where_that_spares_enough_padding(make_batches):
    sizes = {start: make_batches(40, global_batch=20, micro=20, start_tokens=start) for start in (None, 0, 2, 10_000)}
    padding = {start: each.micro_batches(0) for start, each in sizes.items()}
    wasted = {start: sum(b.ids.numel() - b.real_tokens for b in found) for start, found in padding.items()}
    assert wasted[0] == 0 < wasted[2] < wasted[10_000] == wasted[None]
    assert len(padding[None]) == len(padding[10_000]) == 1 < len(padding[2]) < len(padding[0])
    assert sorted(row for batch in padding[2] for row in batch.rows) == sorted(sizes[2].members(0).tolist())


def test_micro_batches_of_least_padding_hold_no_more_rows_than_asked_for(make_batches):
    batches = make_batches(40, global_batch=20, micro=6, start_tokens=10_000)
    assert all(len(batch.rows) <= 6 for batch in batches.micro_batches(0))
    assert all(len(batch.rows) <= 3 for batch in batches.micro_batches(0, 3))
