"""The modules that a recipe's adapters adapt, where it names none.

recipe = with_usual_modules(recipe)      # training.lora.target_modules is there now
"""

from winnow.models.families import Modules, known_architecture, usual_modules
from winnow.models.folders import adapter_chain
from winnow.recipe import BaseRecipe, Recipe, TrainingRecipe


def with_usual_modules(recipe: Recipe) -> Recipe:
    """The recipe with the modules of its base model's type wherever it trains a LoRA adapter and names none.

    Raises RecipeError where only the hub knows the type, and is out of reach.
    """
    settings = [level for levels in recipe.vary.values() for level in levels.values()]
    varies = any(level.get("training.method") == "lora" for level in settings)
    lacking = [stage.name for stage in recipe.stages if _lacks(stage.training)]
    is_lacking = _lacks(recipe.training, has_adapter=varies)
    if not (is_lacking or lacking):
        return recipe
    modules = usual_modules(_model_type(recipe.base))
    stages = tuple(
        stage.model_copy(update={"training": _filled(stage.training, modules)}) if stage.name in lacking else stage
        for stage in recipe.stages
    )
    training = _filled(recipe.training, modules) if is_lacking else recipe.training
    return recipe.model_copy(update={"training": training, "stages": stages})


def _model_type(base: BaseRecipe) -> str | None:
    """Of an adapter's folder that of the model which it is for. Raises RecipeError where no config can be had."""
    whole = base if base.model is None else base.model_copy(update={"model": adapter_chain(base.model)[-1]})
    known = known_architecture(whole).get("model_type")
    if known is None and whole.model is not None:
        from winnow.models.opening import open_config

        known = open_config(whole.model, whole.revision).model_type
    return None if known is None else str(known)


def _lacks(training: TrainingRecipe, *, has_adapter: bool = False) -> bool:
    is_adapted = has_adapter or training.method == "lora"
    return is_adapted and training.peft is None and training.lora.target_modules is None


def _filled(training: TrainingRecipe, modules: Modules) -> TrainingRecipe:
    return training.model_copy(update={"lora": training.lora.model_copy(update={"target_modules": modules})})
