"""Parts by name: built-in ones, those of other packages, and what is said of names that are taken or unknown."""

import sys
from types import ModuleType, SimpleNamespace

import pytest

from winnow import registry
from winnow.errors import RecipeError
from winnow.registry import Registry


@pytest.fixture
def known(monkeypatch):
    """A registry with one built-in module; `entries` are what other packages bring, `loads` counts looks at them."""
    made, entries, looks = (
        Registry("shape", "shapes", group="toy.shapes", package="toy_parts", built_in=("square",)),
        [],
        [],
    )

    class Importing(ModuleType):
        def __init__(self):
            super().__init__("toy_parts.square")
            made.add("square", 4)

    def import_module(name):
        assert name == "toy_parts.square"
        return sys.modules.get(name) or Importing()

    monkeypatch.setattr(registry, "import_module", import_module)
    monkeypatch.setattr(registry, "entry_points", lambda group: looks.append(group) or entries)
    return SimpleNamespace(parts=made, entries=entries, looks=looks)


def entry(load):
    return SimpleNamespace(value="other.shapes", load=load)


def test_built_in_and_other_parts_are_known_at_the_first_look_and_in_the_order_of_names(known):
    known.entries.append(entry(lambda: known.parts.add("circle", 0)))
    assert known.parts.parts == {} and known.looks == []
    assert list(known.parts.all().items()) == [("circle", 0), ("square", 4)]
    assert known.parts.find("circle") == 0 and known.looks == ["toy.shapes"], "looked for once"


@pytest.mark.parametrize(("name", "said"), [
    ("sqare", "unknown shape 'sqare' (did you mean 'square'?); known: square"),
    ("zzz", "unknown shape 'zzz'; known: square"),
])  # fmt: skip
def test_an_unknown_name_lists_the_known_ones(known, name, said):
    with pytest.raises(RecipeError) as error:
        known.parts.find(name)
    assert str(error.value) == said


def test_a_name_is_given_once(known):
    known.parts.all()
    with pytest.raises(RecipeError, match="the shape name 'square' is taken; rename one of the two"):
        known.parts.add("square", 5)
    assert known.parts.find("square") == 4


def test_a_package_that_cannot_be_loaded_is_named_at_every_look(known):
    def broken():
        raise ImportError("no module named numpyy")

    known.entries.append(entry(broken))
    for _ in range(2):
        with pytest.raises(RecipeError, match=r"^shapes of 'other.shapes' cannot be loaded \(no module named numpyy\)"):
            known.parts.all()
        known.parts.parts.clear()
