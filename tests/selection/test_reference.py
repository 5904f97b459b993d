from typing import Annotated, Literal

import pytest
from pydantic import Field

from winnow.recipe import Fraction, Frozen
from winnow.selection import registry
from winnow.selection.reference import describe, type_text


class Options(Frozen):
    """All kinds of options."""

    count: Annotated[int, Field(ge=1)] = 4
    share: Fraction = 0.5
    kind: Literal["auto", "all"] = "auto"
    is_on: bool = True
    limit: Annotated[float, Field(gt=0)] | None = None
    names: tuple[str, ...] = ()
    inner: dict[str, object] = {}


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("count", "int >= 1"),
        ("share", "float > 0 <= 1"),
        ("kind", '"auto" | "all"'),
        ("is_on", "true or false"),
        ("limit", "float > 0 | null"),
        ("names", "list of text"),
        ("inner", "mapping"),
    ],
)
def test_types_in_words(option, said):
    assert type_text(Options.model_json_schema()["properties"][option], {}) == said


def test_every_selector_is_described_with_all_its_options():
    entries = {entry["name"]: entry for entry in describe()}
    assert entries.keys() == registry.traits().keys()
    for name, entry in entries.items():
        assert entry["summary"].endswith(".")
        assert {option["name"] for option in entry["options"]} == set(registry.options_of(name).model_fields)


def test_every_option_says_what_it_means():
    bare = [f"{e['name']}.{o['name']}" for e in describe() for o in e["options"] if not o["text"].endswith((".", ")"))]
    assert bare == []


def test_herding_and_its_control():
    entries = {entry["name"]: entry for entry in describe()}
    herding, matched = entries["herding"], entries["source_matched"]
    assert herding["traits"].startswith(
        "needs features of hidden_states; target optional; deterministic; gives an order"
    )
    assert {"name", "type", "text", "default"} == herding["options"][0].keys()
    assert (matched["kind"], matched["is_random"]) == ("control", True)
