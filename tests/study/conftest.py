import pytest

from winnow.pipeline import selector_traits
from winnow.recipe.file import parse_recipe
from winnow.study.graph import expand

PROBLEMS = {"licence": "MIT", "problems": {"examples": 50}}


@pytest.fixture(scope="session")
def traits():
    return selector_traits()


@pytest.fixture(scope="session")
def make_recipe():
    """Makes a small recipe, with other sections: make_recipe(budget={"tokens": 5})."""
    tree = {
        "name": "small",
        "pool": {"sources": [PROBLEMS | {"name": "a"}]},
        "base": {"model": "some/model"},
        "budget": {"pool_epochs": 2},
        "evaluation": {"sets": [PROBLEMS | {"name": "test"}]},
    }
    return lambda **sections: parse_recipe(tree | sections)


@pytest.fixture(scope="session")
def make_graph(make_recipe, traits):
    """Makes the graph of a small recipe with other sections."""
    return lambda **sections: expand(make_recipe(**sections), traits)
