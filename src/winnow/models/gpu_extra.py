"""What needs a CUDA GPU and bitsandbytes (the extra `gpu`): saying in one line that they are missing."""

from importlib.util import find_spec

import torch

from winnow.errors import RecipeError


def lacks_gpu_extra(what: str) -> str | None:
    """Why `what`, a key of a recipe with its value, cannot run here; None where it can."""
    if not torch.cuda.is_available():
        return f"{what} needs a CUDA GPU, and torch finds none here; run it on such a machine or leave it out"
    if find_spec("bitsandbytes") is None:
        return f'{what} needs a package: pip install "winnow-lm[gpu]"'
    return None


def check_gpu_extra(what: str) -> None:
    """Raises RecipeError where `what` cannot run here."""
    lacking = lacks_gpu_extra(what)
    if lacking is not None:
        raise RecipeError(lacking)
