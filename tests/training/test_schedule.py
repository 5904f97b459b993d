import pytest

from winnow.recipe import TrainingRecipe
from winnow.training.schedule import Cooldown, learning_rate_at

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
    recipe = TrainingRecipe(
        learning_rate=2.0, schedule=schedule, warmup_fraction=warmup, decay_fraction=min(0.2, 1 - warmup)
    )
    assert 0 < learning_rate_at(0, 1, recipe) <= 2.0


def test_inverse_square_root_halves_the_rate_when_the_steps_are_four_times_as_many():
    found = rates("inverse_sqrt", warmup_fraction=0.1)
    assert found[10] == pytest.approx(2.0) and found[43] == pytest.approx(1.0)


def test_a_cooldown_of_a_constant_rate_is_warmup_stable_decay():
    constant = TrainingRecipe(learning_rate=2e-3, schedule="constant")
    decaying = TrainingRecipe(learning_rate=2e-3, schedule="warmup_stable_decay", decay_fraction=0.2)
    cooldown = Cooldown(long_steps=1000, fraction=0.2)
    rates = [learning_rate_at(step, 50, constant, cooldown) for step in range(50)]
    assert rates == [learning_rate_at(step, 50, decaying) for step in range(50)]
    assert cooldown.begins(50) == 40 and rates[40] == 2e-3 > rates[41] and rates[-1] == pytest.approx(2e-3 / 10)


def test_a_cooldown_begins_at_the_rate_of_the_longer_run():
    recipe = TrainingRecipe(learning_rate=2.0, schedule="inverse_sqrt", warmup_fraction=0.1)
    rates = [learning_rate_at(step, 40, recipe, Cooldown(100, 0.25)) for step in range(40)]
    assert rates[:31] == [learning_rate_at(step, 100, recipe) for step in range(31)]
    assert rates[30:] == pytest.approx([rates[30] * (40 - step) / 10 for step in range(30, 40)])


def test_without_a_cooldown_the_longer_run_goes_on():
    recipe = TrainingRecipe(schedule="linear")
    assert [learning_rate_at(step, 1, recipe, Cooldown(9, 0.01)) for step in range(1)] == [recipe.learning_rate]
