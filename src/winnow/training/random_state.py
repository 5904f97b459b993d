"""The state of torch's random generators, taken and put back: dropout after a resume draws what it would have drawn."""

import torch
from torch import Tensor


def random_state() -> dict[str, Tensor]:
    """The state of the generators of the CPU and, where there is one, of the GPU in use."""
    on_gpu = {"cuda": torch.cuda.get_rng_state()} if torch.cuda.is_available() else {}
    return {"cpu": torch.get_rng_state()} | on_gpu


def set_random_state(state: dict[str, Tensor]) -> None:
    """Put back what `random_state` gave."""
    torch.set_rng_state(state["cpu"])
    if "cuda" in state:
        torch.cuda.set_rng_state(state["cuda"])
