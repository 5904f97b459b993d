"""On small pools every deterministic selector chooses what its definition says, by brute force."""

from dataclasses import replace

import numpy as np
import pytest

from conformance.made import make_pool
from conformance.oracles import ORACLES, READS_A_FILE
from winnow.selection import registry
from winnow.selection.choose import choose

TRAITS = registry.traits()
BUILT_IN = {name for name in registry.BUILT_IN if not TRAITS[name].is_control}
UNTARGETED = [name for name in ORACLES if TRAITS[name].target != "required"]
TARGETED = [name for name in ORACLES if TRAITS[name].target != "none"]


def made(seed):
    """A pool of one source sorted by id: sources are what the tests of shares are about."""
    pool, seen = make_pool(24, seed)
    order = np.argsort(pool.ids)
    pool = pool.take(order)
    return replace(pool, sources=np.full(len(pool), "alpha")), seen.take(order)


def size_of(name):
    return 12 if TRAITS[name].takes_fraction else None


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", UNTARGETED)
def test_it_chooses_what_its_definition_says(name, seed):
    pool, seen = made(seed)
    seen = replace(seen, target=None)
    assert choose(name, pool, size=size_of(name), seen=seen).rows.tolist() == ORACLES[name](pool, seen, 12)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", TARGETED)
def test_towards_a_target_too(name, seed):
    pool, seen = made(seed)
    assert choose(name, pool, size=size_of(name), seen=seen).rows.tolist() == ORACLES[name](pool, seen, 12)


def test_every_deterministic_selector_has_an_oracle():
    deterministic = {name for name in BUILT_IN if not TRAITS[name].is_random}
    assert set(ORACLES) | READS_A_FILE == deterministic
