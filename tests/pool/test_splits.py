from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from winnow.errors import DataError, RecipeError
from winnow.pool.splits import choose_target, hold_out_half, of_the_targets_kind, split_validation, validation_quotas
from winnow.recipe import PoolRecipe, SourceRecipe
from winnow.text.examples import build_example

THINGS = ["eggs", "nuts", "cups", "pens", "hats", "keys", "figs", "jars", "maps"]
THINGS += ["rugs", "toys", "oars", "bees", "cows", "ducks", "ants", "coins", "books"]


def recipe(**others):
    source = SourceRecipe(name="toy", licence="MIT", path="toy.jsonl", format="gsm8k")
    return PoolRecipe(sources=(source,), **others)


def examples_of(source, things, copies=1, planted=None):
    return [
        build_example(source, f"{source} has {number} {thing}", answer="5", planted=planted)
        for thing in things
        for number in range(copies)
    ]


def test_groups_of_near_equal_questions_stay_together():
    train, validation = split_validation(examples_of("Tom", THINGS, copies=3), recipe(validation_fraction=0.3))
    assert not {each.group for each in train} & {each.group for each in validation}
    assert len(validation) == 15


def test_every_source_of_size_is_represented():
    rows = [*examples_of("big", THINGS) * 20, *examples_of("small", THINGS[:10]), *examples_of("tiny", THINGS[:2])]
    rows = [build_example(row.source, f"{row.question} {'x' * number}", answer="5") for number, row in enumerate(rows)]
    for most, counts in ((500, {"big": 36, "small": 1}), (2, {"big": 1, "small": 1})):
        validation = split_validation(rows, recipe(max_validation=most))[1]
        assert Counter(each.source for each in validation) == counts


def test_planted_noise_and_its_group_stay_in_train():
    noise = examples_of("Tom", THINGS[:9], planted="wrong_answer") + examples_of("Tom", ["sky"], planted="off_topic")
    clean = [build_example("Tom", f"Tom has 7 {thing}", answer="7") for thing in THINGS]
    copies = examples_of("Ann", THINGS, planted="near_copy")
    train, validation = split_validation([*noise, *clean, *copies], recipe(validation_fraction=0.3))
    assert {each.id for each in noise} <= {each.id for each in train}
    assert not {each.group for each in noise} & {each.group for each in validation}
    assert "near_copy" in {each.planted for each in validation}


def test_the_split_follows_the_seed_and_not_the_order():
    rows = examples_of("Tom", THINGS)
    splits = [split_validation(each, recipe(seed=seed))[1] for each, seed in ((rows, 0), (rows[::-1], 0), (rows, 1))]
    ids = [{each.id for each in validation} for validation in splits]
    assert ids[0] == ids[1] != ids[2]


def test_a_pool_of_one_group_cannot_be_split():
    with pytest.raises(DataError, match="20 examples in 1 groups .* 20 would train, 0 validate"):
        split_validation(examples_of("Tom", ["eggs"], copies=20), recipe())


@settings(max_examples=50)
@given(
    sizes=st.dictionaries(st.text(max_size=3), st.integers(1, 5000), min_size=1),
    fraction=st.floats(0.01, 0.9),
    most=st.integers(1, 600),
)
def test_quotas_add_up_and_are_fair(sizes, fraction, most):
    quotas = validation_quotas(sizes, recipe(validation_fraction=fraction, max_validation=most))
    wanted = max(1, min(most, round(sum(sizes.values()) * fraction)))
    assert sum(quotas.values()) == wanted
    if wanted >= len(sizes):
        assert all(quotas[name] >= 1 for name, size in sizes.items() if size * fraction >= 1)
    assert all(0 <= quotas[name] <= max(1, wanted * size / sum(sizes.values()) + 1) for name, size in sizes.items())


def test_the_target_is_drawn_from_the_named_sources():
    rows = examples_of("Tom", THINGS) + examples_of("Ann", THINGS)
    target = choose_target(rows, {"Ann": 4}, seed=0)
    assert [each.source for each in target] == ["Ann"] * 4
    assert target == choose_target(rows[::-1], {"Ann": 4}, seed=0) != choose_target(rows, {"Ann": 4}, seed=1)


def test_a_target_needs_a_known_source_with_rows_to_spare():
    rows = examples_of("Tom", THINGS)
    with pytest.raises(RecipeError, match=r"names source 'Tim' \(did you mean 'Tom'\?\); the pool has Tom"):
        choose_target(rows, {"Tim": 1}, seed=0)
    with pytest.raises(DataError, match="wants 18 of the 18 examples of 'Tom'; ask for fewer"):
        choose_target(rows, {"Tom": len(THINGS)}, seed=0)


def test_half_of_a_file_is_held_out_in_whole_groups_whatever_the_order():
    rows = examples_of("Tom", THINGS, copies=3)
    target, held = hold_out_half(rows, recipe())
    assert (len(target), len(held)) == (27, 27)
    assert not {each.group for each in target} & {each.group for each in held}
    assert {each.id for each in hold_out_half(rows[::-1], recipe())[1]} == {each.id for each in held}
    assert len(hold_out_half(rows, recipe(max_validation=6))[1]) == 6
    assert len(hold_out_half(examples_of("Tom", ["eggs", "nuts"]), recipe())[1]) == 1


@pytest.mark.parametrize("rows", [examples_of("Tom", ["eggs"]), examples_of("Tom", ["eggs"], copies=9)])
def test_a_target_of_one_group_cannot_be_halved(rows):
    with pytest.raises(DataError, match=f"the {len(rows)} examples of pool.target, in 1 groups .*best_by: validation"):
        hold_out_half(rows, recipe())


@pytest.mark.parametrize(("held", "per_source", "expected"), [
    ({"Tom": 12, "Ann": 6}, {"Tom": 5}, {"Tom": 12}),  # all that the source has
    ({"Tom": 12, "Ann": 6}, {"Tom": 10, "Ann": 10}, {"Tom": 6, "Ann": 6}),
    ({"Tom": 12, "Ann": 6}, {"Tom": 30, "Ann": 10}, {"Tom": 12, "Ann": 4}),
    ({"Tom": 2, "Ann": 18}, {"Tom": 100, "Ann": 1}, {"Tom": 2, "Ann": 1}),
])  # fmt: skip
def test_what_is_held_out_has_the_targets_proportions(held, per_source, expected):
    validation = [each for name, size in held.items() for each in examples_of(name, THINGS[:size])]
    found = of_the_targets_kind(validation, per_source, seed=0)
    assert Counter(each.source for each in found) == expected
    assert {each.id for each in found} <= {each.id for each in validation}
    assert found == of_the_targets_kind(validation[::-1], per_source, seed=0)


def test_a_source_without_held_out_examples_is_named():
    with pytest.raises(DataError, match="no example of 'Ann', which pool.target names; raise pool.validation_fraction"):
        of_the_targets_kind(examples_of("Tom", THINGS), {"Tom": 2, "Ann": 2}, seed=0)
