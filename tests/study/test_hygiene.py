"""The stage `hygiene` in the graph of a study."""

import pytest

from winnow.fingerprints import fingerprint_of

SOURCES = [{"name": "a", "licence": "MIT", "problems": {"examples": 50}}]


@pytest.fixture
def fingerprint(make_graph):
    """Fingerprint of a stage under these fields of the pool."""

    def build(stage, **pool):
        found = make_graph(pool={"sources": SOURCES, **pool}).stages[stage]
        return fingerprint_of(found, {})

    return build


def test_a_pool_rests_on_it_where_the_recipe_asks(make_graph):
    graph = make_graph(pool={"sources": SOURCES, "hygiene": {}})
    names = list(graph.stages)
    assert graph.stages["pool"].inputs["hygiene"] == "hygiene"
    assert names.index("generated.a") < names.index("hygiene") < names.index("pool")
    assert "hygiene" not in make_graph(pool={"sources": SOURCES}).stages


def test_every_action_shares_what_was_found(fingerprint):
    one = {"contamination": "report", "duplicates": "report"}
    other = {"contamination": "drop_source", "duplicates": "drop_near", "max_contaminated_fraction": 0.5}
    assert fingerprint("hygiene", hygiene=one) == fingerprint("hygiene", hygiene=other)
    assert fingerprint("pool", hygiene=one) != fingerprint("pool", hygiene=other)
    assert fingerprint("hygiene", hygiene=one) != fingerprint("hygiene", hygiene=one | {"similarity": 0.5})


def test_the_policy_on_licences_changes_no_pool(fingerprint):
    assert fingerprint("pool", licence_policy="refuse") == fingerprint("pool")
