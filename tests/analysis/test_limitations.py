from types import SimpleNamespace

import pytest

from winnow.analysis.limitations import _left_in, _licences
from winnow.recipe import PoolRecipe

FILE = {"name": "a", "licence": "MIT", "path": "a.jsonl", "format": "gsm8k"}


def study(**pool):
    return SimpleNamespace(recipe=SimpleNamespace(pool=PoolRecipe(**({"sources": [FILE]} | pool))))


@pytest.mark.parametrize(
    ("licence", "said"),
    [
        ("MIT", None),
        ("unknown", "The licence of a is unknown"),
        ("CC-BY-NC-4.0", "The licence of a forbids commercial"),
    ],
)
def test_licences_that_bind_are_said(licence, said):
    told = list(_licences(study(sources=[FILE | {"licence": licence}])))
    assert [line.startswith(said) for line in told] == ([True] if said else [])


def test_contamination_that_was_left_in_is_said():
    assert len(list(_left_in(study(hygiene={"contamination": "report"})))) == 1
    assert not list(_left_in(study(hygiene={}))) + list(_left_in(study()))
