"""What needs a CUDA GPU and bitsandbytes (the extra `gpu`): saying in one line that they are missing."""

import sys
from importlib.util import find_spec

from winnow.errors import RecipeError
from winnow.models.devices import may_have_accelerator


def lacks_gpu_extra(what: str) -> str | None:
    """Why `what`, a key of a recipe with its value, cannot run here; None where it can."""
    if not _has_gpu():
        return f"{what} needs a CUDA GPU, and torch finds none here; run it on such a machine or leave it out"
    if find_spec("bitsandbytes") is None:
        return f'{what} needs a package: pip install "winnow-lm[gpu]"'
    return None


def _has_gpu() -> bool:
    if not may_have_accelerator() and "torch" not in sys.modules:
        return False
    import torch

    return torch.cuda.is_available()


def check_gpu_extra(what: str) -> None:
    """Raises RecipeError where `what` cannot run here."""
    lacking = lacks_gpu_extra(what)
    if lacking is not None:
        raise RecipeError(lacking)
