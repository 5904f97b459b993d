"""What can be said of a recipe's models before any work: heads of files are read, no weights.

check_models(recipe)            # the base, its adapters, representations' and teachers' models
check_model("models/other")     # one of them
"""

import json
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from winnow.errors import RecipeError
from winnow.models import loading
from winnow.models.folders import folder_of
from winnow.models.generate import context_of
from winnow.models.opening import open_skeleton
from winnow.recipe import LocalTeacherRecipe, LoraRecipe, Recipe, TrainingRecipe
from winnow.text.tokenizers import check_vocabulary, eos_id, load_tokenizer

OF_THE_STUDY = "base"
"""What a representation or a teacher calls the model that the recipe starts from."""


def check_models(recipe: Recipe) -> None:
    """Raises RecipeError, in one line, for the first model or adapter of a recipe that cannot be used.

    Local folders are looked at; names at the hub are left to the stage that loads them.
    """
    if recipe.base.model is not None:
        check_model(recipe.base.model, recipe.base.revision)
    for name, is_encoder in dict.fromkeys(_others(recipe)):
        check_model(name, is_encoder=is_encoder)
    check_adapters(recipe)


def check_model(name: str, revision: str | None = None, *, is_encoder: bool = False) -> None:
    """Raises RecipeError where a local folder's configuration, weights and tokenizer do not fit each other."""
    if folder_of(name) is not None:
        check_tokenizer(name, revision, open_skeleton(name, revision, is_encoder=is_encoder), is_encoder=is_encoder)


def check_tokenizer(name: str, revision: str | None, model: Any, *, is_encoder: bool = False) -> None:
    """Raises RecipeError where a model's tokenizer has ids that it does not know, or no token that ends a text."""
    tokenizer = load_tokenizer(name, revision)
    check_vocabulary(tokenizer, int(model.get_input_embeddings().weight.shape[0]), name)
    if not is_encoder:
        eos_id(tokenizer)


def check_adapters(recipe: Recipe) -> None:
    """Raises RecipeError where an adapter of the recipe does not fit the base."""
    architecture = loading.written(loading.architecture_for(recipe.base, row_tokens=recipe.row_tokens))
    _context(architecture)
    for training in _trainings(recipe):
        if training.method == "lora":
            peft = None if training.peft is None else json.dumps(training.peft)
            _check_adapter(architecture, training.lora.model_dump_json(), peft)


# A run and its plan ask for the same several times.
@lru_cache
def _context(architecture: str) -> int:
    """How many tokens a model of this architecture takes. Raises RecipeError where it cannot be built or run."""
    return context_of(loading.skeleton(json.loads(architecture)))


@lru_cache
def _check_adapter(architecture: str, lora: str, peft: str | None) -> None:
    adapter = LoraRecipe.model_validate_json(lora) if peft is None else json.loads(peft)
    loading.adapt(loading.skeleton(json.loads(architecture)), adapter, seed=0)


def check_answers(recipe: Recipe) -> None:
    """Raises RecipeError where the answers that evaluation asks for leave no room for a prompt."""
    if not recipe.evaluation.sets:
        return
    context = _context(loading.written(loading.architecture_for(recipe.base, row_tokens=recipe.row_tokens)))
    if recipe.evaluation.max_new_tokens >= context:
        raise RecipeError(
            f"evaluation.max_new_tokens is {recipe.evaluation.max_new_tokens}; the model takes {context} tokens, "
            "prompt and answer together; lower it"
        )
    own = recipe.evaluation.own_samples
    if own is not None and own.tokens >= context:
        raise RecipeError(
            f"evaluation.own_samples.tokens is {own.tokens}; the model takes {context}, the one that begins a text "
            "included; lower it"
        )


def _trainings(recipe: Recipe) -> Iterator[TrainingRecipe]:
    yield recipe.training
    yield from (stage.training for stage in recipe.stages)


def _others(recipe: Recipe) -> Iterator[tuple[str, bool]]:
    """Models beside the base, and whether each is an encoder."""
    own = {OF_THE_STUDY, *(stage.name for stage in recipe.stages)}
    for asked in recipe.selection.representations.values():
        name = getattr(asked, "model", OF_THE_STUDY)
        if name not in own:
            yield name, asked.kind == "embeddings"
    for source in recipe.pool.sources:
        teacher = source.synthetic.teacher if source.synthetic else None
        if isinstance(teacher, LocalTeacherRecipe) and teacher.model not in own:
            yield teacher.model, False
