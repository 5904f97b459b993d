import pytest

from winnow.recipe import TrainingRecipe
from winnow.training.schedule import learning_rate_at

STEPS = 100


def rates(schedule, **options):
    recipe = TrainingRecipe(learning_rate=2.0, schedule=schedule, **options)
    return [learning_rate_at(step, STEPS, recipe) for step in range(STEPS)]


def test_constant_is_constant():
    assert set(rates("constant", final_learning_rate_fraction=0.5)) == {2.0}


def test_linear_goes_along_a_line_to_its_floor():
    found = rates("linear", final_learning_rate_fraction=0.1)
    assert found == pytest.approx([0.2 + 1.8 * (1 - step / STEPS) for step in range(STEPS)])
    assert (found[0], rates("linear")[-1]) == (2.0, pytest.approx(2.0 / STEPS))


def test_cosine_is_half_way_down_in_the_middle():
    found = rates("cosine", final_learning_rate_fraction=0.5)
    assert (found[0], found[50], found[-1]) == (2.0, pytest.approx(1.5), pytest.approx(1.0, abs=1e-3))
    drops = [before - after for before, after in zip(found, found[1:], strict=False)]
    assert min(drops) > 0 and drops[0] < drops[49] > drops[-1]


def test_warmup_stable_decay_falls_along_a_line_at_the_end():
    found = rates("warmup_stable_decay", decay_fraction=0.2, final_learning_rate_fraction=0.1)
    assert set(found[:81]) == {2.0}
    assert found[90] == pytest.approx(1.1) and found[-1] == pytest.approx(0.2 + 1.8 / 20)
    assert set(rates("warmup_stable_decay", decay_fraction=0.0)) == {2.0}


@pytest.mark.parametrize("schedule", ["constant", "linear", "cosine", "inverse_sqrt", "warmup_stable_decay"])
def test_warmup_rises_along_a_line_to_the_peak(schedule):
    found = rates(schedule, warmup_fraction=0.1)
    assert found[:10] == pytest.approx([2.0 * (step + 1) / 11 for step in range(10)])
    assert found[10] == 2.0 and max(found) == 2.0
    assert all(rate > 0 for rate in found)


@pytest.mark.parametrize("schedule", ["constant", "linear", "cosine", "inverse_sqrt", "warmup_stable_decay"])
@pytest.mark.parametrize("warmup", [0.0, 0.5, 1.0])
def test_a_single_step_has_a_rate(schedule, warmup):
    recipe = TrainingRecipe(learning_rate=2.0, schedule=schedule, warmup_fraction=warmup)
    assert 0 < learning_rate_at(0, 1, recipe) <= 2.0


def test_inverse_square_root_halves_the_rate_when_the_steps_are_four_times_as_many():
    found = rates("inverse_sqrt", warmup_fraction=0.1)
    assert found[10] == pytest.approx(2.0) and found[43] == pytest.approx(1.0)
