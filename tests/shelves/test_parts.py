"""What identifies a stage: two parts that ask for different things never come out equal."""

import typing

import pytest

from winnow import parts
from winnow.fingerprints import fingerprint_of
from winnow.parts import TrainPart, asked
from winnow.recipe import ELSEWHERE, HOW, Frozen, HiddenStatesRecipe, RepresentationRecipe
from winnow.records import Stage

TOLD_ELSEWHERE = {
    "TrainingRecipe.objective": "in the run's part, its options beside it",
    "TrainingRecipe.start": "an input of the run",
    "TrainPart.leaves": "`merges`, where an adapter is merged",
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
OTHER_REPRESENTATIONS = set(typing.get_args(RepresentationRecipe)) - {HiddenStatesRecipe}
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
    of_others = {f"{kind.__name__}.{name}" for kind in OTHER_REPRESENTATIONS for name in ("model", "fourier")}
    assert found - of_others == set(TOLD_ELSEWHERE)


def test_what_a_run_leaves_is_told_where_it_matters():
    """An adapter merged into a whole model is another artifact; without an adapter both are the same model."""

    def both(method):
        plain = TrainPart(objective="sft", training={"method": method}, global_batch_size=8, budget={"examples": 1})
        leaving = [plain.model_copy(update={"leaves": leaves}) for leaves in ("model", "adapter")]
        return {fingerprint_of(Stage("run", "train", part), {}) for part in leaving}

    assert (len(both("lora")), len(both("full"))) == (2, 1)
