"""Stages between pool and runs: what selectors see of the examples, and what they select."""

from collections.abc import Mapping

from winnow.parts import ModelPart, RepresentPart, SelectPart
from winnow.recipe import GIVES, FourierRecipe, GradientsRecipe, Recipe
from winnow.records import Stage, Traits, inner_of
from winnow.study.selections import Selection, representation_of
from winnow.study.training_stages import ancestry


def representation_stages(recipe: Recipe, selections: list[Selection]) -> list[Stage]:
    """A stage for each representation that a selection uses, after one that points at its model if that is another."""
    names = dict.fromkeys(name for each in selections for name in (each.representation, each.score) if name)
    return [stage for name in names for stage in _representation(recipe, name)]


def _representation(recipe: Recipe, name: str) -> list[Stage]:
    asked = representation_of(recipe, name)
    lora = (asked.lora or recipe.training.lora) if isinstance(asked, GradientsRecipe) else None
    part = RepresentPart(representation=asked, lora=lora, threads=recipe.training.threads)
    proxy = getattr(asked, "model", None)
    if proxy is None:
        return [Stage(represent_stage(name), "represent", part, {"pool": "pool"})]
    own = {stage.name: stage for stage in recipe.stages}
    inputs, extra = {"pool": "pool", "model": proxy}, []
    if proxy != "base" and proxy not in own:
        inputs |= {"model": f"proxy.{name}", "tokenizer": f"proxy.{name}"}
        extra = [Stage(f"proxy.{name}", "model", ModelPart(model=proxy, is_encoder=asked.kind == "embeddings"))]
    return [*extra, Stage(represent_stage(name), "represent", part, inputs)]


def represent_stage(name: str) -> str:
    """Name of the stage that makes a representation."""
    return f"represent.{name}"


def audit_of(selections: list[Selection], recipe: Recipe) -> str | None:
    """The representation in which all selections of a study are compared with the pool; null where none has vectors."""
    used = [selection.representation for selection in selections if selection.representation]
    vectors = [name for name in used if GIVES[representation_of(recipe, name).kind] == "vectors"]
    return "hidden_states" if "hidden_states" in vectors else next(iter(vectors), None)


def _warm_ups(recipe: Recipe, selection: Selection) -> list[str]:
    """The recipe's own stages that are trained for what this selector sees, and not for a run."""
    own = {stage.name: stage for stage in recipe.stages}
    asked = [representation_of(recipe, name) for name in (selection.representation, selection.score) if name]
    needed = dict.fromkeys(stage for each in asked for stage in ancestry(getattr(each, "model", "base"), own))
    shared = ancestry(recipe.training.start, own)
    return [stage for stage in needed if stage not in shared]


def _seen_by(recipe: Recipe, selection: Selection, audit: str | None) -> dict[str, str]:
    """Inputs of a selection: what it sees, what was trained for that, and what its summary alone sees."""
    inputs = {"pool": "pool"}
    if selection.representation:
        inputs["counts" if "counts" in selection.needs else "vectors"] = represent_stage(selection.representation)
    if selection.score:
        inputs["scores"] = represent_stage(selection.score)
    if audit and represent_stage(audit) != inputs.get("vectors"):
        inputs["audit"] = represent_stage(audit)
    return inputs | {f"warm_up.{stage}": stage for stage in _warm_ups(recipe, selection)}


def selection_stages(recipe: Recipe, selections: list[Selection], traits: Mapping[str, Traits]) -> list[Stage]:
    """A stage for each selection and seed; one for all seeds where it does not depend on them."""
    stages: dict[str, Stage] = {}
    audit = audit_of(selections, recipe)
    for seed in recipe.study.seeds:
        for selection in selections:
            name = selection_stage(recipe, selection, seed, traits)
            inputs = _seen_by(recipe, selection, audit)
            if selection.of is not None:
                reference = next(other for other in selections if other.name == selection.of)
                inputs["reference"] = selection_stage(recipe, reference, seed, traits)
            part = SelectPart(
                selector=selection.selector, options=dict(selection.options), fraction=selection.fraction,
                target=selection.target, sized_by=recipe.selection.sized_by, fourier=_fourier(recipe, selection),
                resample=_resample(recipe, selection), seed=seed if _is_random(recipe, selection, traits) else None,
            )  # fmt: skip
            stages.setdefault(name, Stage(name, "select", part, inputs, selection.name, part.seed))
    return list(stages.values())


def _fourier(recipe: Recipe, selection: Selection) -> FourierRecipe | None:
    if "features" not in selection.needs or selection.representation is None:
        return None
    found: FourierRecipe | None = getattr(representation_of(recipe, selection.representation), "fourier", None)
    return found


def _resample(recipe: Recipe, selection: Selection) -> float:
    return 1.0 if selection.fraction is None else recipe.study.resample_pool


def _is_random(recipe: Recipe, selection: Selection, traits: Mapping[str, Traits]) -> bool:
    inner = inner_of(traits[selection.selector], selection.options, traits)
    return (
        traits[selection.selector].is_random
        or inner.is_random
        or selection.of is not None
        or _resample(recipe, selection) < 1
    )


def selection_stage(recipe: Recipe, selection: Selection, seed: int, traits: Mapping[str, Traits]) -> str:
    """Name of the stage that makes this selection for a seed."""
    return f"select.{selection.name}.s{seed}" if _is_random(recipe, selection, traits) else f"select.{selection.name}"
