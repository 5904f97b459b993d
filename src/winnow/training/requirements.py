"""What a training recipe needs beyond what every machine has: told before anything is computed."""

from importlib.util import find_spec

from winnow.models.gpu_extra import lacks_gpu_extra
from winnow.recipe import TrainingRecipe


def missing_here(training: TrainingRecipe) -> str | None:
    """Why this machine cannot train so, in one line that says what to do; None where it can.

    Raises RecipeError where no machine can, since PEFT knows no such adapter.
    """
    if training.peft is not None:
        from winnow.models.adapters import adapter_config

        adapter_config(training.peft)
    if training.quantise is not None and (lacking := lacks_gpu_extra(f"training.quantise {training.quantise}")):
        return lacking
    if training.optimizer == "adamw_8bit":
        return lacks_gpu_extra("training.optimizer adamw_8bit")
    if training.optimizer == "lion" and find_spec("lion_pytorch") is None:
        return 'training.optimizer lion needs a package: pip install "winnow-lm[optimizers]"'
    return None
