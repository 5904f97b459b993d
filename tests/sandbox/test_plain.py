import pytest
from hypothesis import given
from hypothesis import strategies as st

from winnow.sandbox.plain import NotPlain, decode, encode

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary()
PLAIN = st.recursive(
    SCALARS | st.complex_numbers(allow_nan=False),
    lambda inner: (
        st.lists(inner)
        | st.tuples(inner, inner)
        | st.dictionaries(SCALARS, inner)
        | st.sets(SCALARS)
        | st.frozensets(SCALARS)
    ),
    max_leaves=12,
)


def same(one, other):
    """Equal, of equal types all the way down."""
    if type(one) is not type(other):
        return False
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return same(list(one.items()), list(other.items()))
    return one == other


@given(PLAIN)
def test_plain_data_comes_back_as_it_was(value):
    assert same(decode(encode(value)), value)


def test_a_class_of_its_own_goes_over_as_plain():
    class Sly(list):
        def __eq__(self, other):
            return True

        __hash__ = None

    assert Sly([1]) == [2]
    assert type(decode(encode(Sly([1])))) is list
    assert decode(encode(Sly([1]))) != [2]


@pytest.mark.parametrize("value", [object(), print, (n for n in [1]), [object()], {1: print}, range(3)])
def test_other_things_do_not_go_over(value):
    with pytest.raises(NotPlain):
        encode(value)


def test_what_holds_itself_does_not_go_over():
    value = []
    value.append(value)
    with pytest.raises(NotPlain):
        encode(value)


@pytest.mark.parametrize(
    "text", ["", "[", '["list"]', '["object", []]', '["dict", [[["list", []], 1]]]', '["bytes", 3]']
)
def test_nonsense_is_refused(text):
    with pytest.raises((ValueError, KeyError, TypeError, AttributeError)):
        decode(text)
