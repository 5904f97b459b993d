import random

from hypothesis import given, settings
from hypothesis import strategies as st

from winnow.pool.cleaning import keys_by_set, remove_overlaps, sample, without
from winnow.text.examples import build_example


def example(question, source="toy", answer="5"):
    return build_example(source, question, answer=answer)


def test_rows_of_evaluation_sets_are_removed_and_counted_by_set():
    tests = [example("Rs. 560?", "dev"), example("rs . 560", "test"), example("Other", "test"), example("?!", "test")]
    rows = [example("rs 560"), example("RS 560!"), example("mine"), example("...")]
    cleaned = remove_overlaps(rows, keys_by_set(tests))
    assert [each.question for each in cleaned.kept] == ["mine", "..."]
    assert cleaned.removed == {"dev": 2, "test": 2}


def test_equal_questions_leave_with_the_target():
    rows = [example("one"), example("One?", answer="6"), example("two"), example("?"), example("!")]
    assert without(rows, [rows[0], rows[3]]) == [rows[2], rows[4]]


@settings(max_examples=25)
@given(st.integers(0, 30), st.integers(0, 5))
def test_samples_nest_and_do_not_depend_on_order(size, seed):
    items = [str(number) for number in range(30)]
    drawn = sample(items, size, seed=seed, identity=str)
    shuffled = random.Random(seed).sample(items, len(items))
    assert len(drawn) == size
    assert set(drawn) == set(sample(shuffled, size, seed=seed, identity=str))
    assert set(drawn) <= set(sample(items, size + 1, seed=seed, identity=str))


def test_samples_follow_the_seed():
    items = [str(number) for number in range(100)]
    assert len({tuple(sample(items, 10, seed=seed, identity=str)) for seed in range(5)}) == 5
    assert sample(items, None, seed=0, identity=str) == items
