"""What identifies a stage: two parts that ask for different things never come out equal."""

import typing

import pytest

from winnow import parts
from winnow.parts import asked
from winnow.recipe import ELSEWHERE, HOW, Frozen

TOLD_ELSEWHERE = {
    "TrainingRecipe.start": "an input of the run",
    "HiddenStatesRecipe.fourier": "in the selection's part",
    "HiddenStatesRecipe.model": "an input of the representation",
}
"""Field that the part does not say -> where a fingerprint has it; a representation's two stand for those of all."""


def models(kind, seen):
    """The model and all models in its fields."""
    if isinstance(kind, type) and issubclass(kind, Frozen) and kind not in seen:
        seen.append(kind)
        for field in kind.model_fields.values():
            models(field.annotation, seen)
    for inner in typing.get_args(kind):
        models(inner, seen)
    return seen


PARTS = [kind for kind in vars(parts).values() if isinstance(kind, type) and kind.__module__ == parts.__name__]
MODELS = list(dict.fromkeys(model for part in PARTS for model in models(part, [])))
FIELDS = [(model, name) for model in MODELS for name in model.model_fields]


def test_every_kind_of_part_is_walked():
    assert {"TrainPart", "RowsPart", "SweepPart"} < {part.__name__ for part in PARTS}
    assert {"TrainingRecipe", "SourceRecipe", "GradientsRecipe"} < {model.__name__ for model in MODELS}


@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")
@pytest.mark.parametrize(("model", "name"), FIELDS, ids=lambda case: getattr(case, "__name__", case))
def test_parts_that_differ_in_one_field_differ(model, name):
    """The fields of every part and of all that stands in it; a value of no type's own takes the place of each."""
    plain = model.model_construct(**dict.fromkeys(model.model_fields, "one"))
    other = plain.model_copy(update={name: "another"})
    is_marked = not {HOW, ELSEWHERE}.isdisjoint(model.model_fields[name].metadata)
    assert (asked(plain) == asked(other)) == is_marked


def test_what_a_part_does_not_say_is_named_here():
    found = {f"{model.__name__}.{name}" for model, name in FIELDS if ELSEWHERE in model.model_fields[name].metadata}
    of_representations = {each for each in found if each.endswith((".model", ".fourier"))}
    assert found - of_representations | {"HiddenStatesRecipe.fourier", "HiddenStatesRecipe.model"} == set(
        TOLD_ELSEWHERE
    )
    assert all("Recipe." in each for each in of_representations)
