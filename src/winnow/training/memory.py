"""Memory: telling that it ran out, and what to do where a smaller micro-batch does not help."""

import torch

from winnow.errors import TrainingError
from winnow.models.forward import Batch
from winnow.recipe import TrainingRecipe
from winnow.training.sharding import ELEMENTWISE

CPU_MESSAGE = "can't allocate memory"
"""What torch says where the machine's memory, not an accelerator's, is at its end."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether this error says that no more memory was to be had, on an accelerator or on the CPU."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or CPU_MESSAGE in str(error)


def peak_bytes() -> int:
    """What tensors took of the accelerator at the worst moment since the start, or since `forget_peak`; 0 on a CPU.

    There the process holds libraries and evaluation beside, which nothing tells apart.
    """
    return int(torch.cuda.max_memory_allocated()) if torch.cuda.is_available() else 0


def forget_peak() -> None:
    """Count anew: what evaluation took is no part of training."""
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()


def half(micro_batches: list[Batch]) -> int:
    """Half the rows, or lines, of the largest of these. Raises TrainingError where that is a single one."""
    rows = max(len(batch.ids) for batch in micro_batches)
    if rows > 1:
        return rows // 2
    longest = max(batch.ids.shape[1] for batch in micro_batches)
    is_packed = micro_batches[0].positions is not None
    raise TrainingError(
        f"out of memory with one {'packed line' if is_packed else 'example'} of {longest} tokens; "
        f"{'set training.packing to false, ' if is_packed else ''}lower pool.max_tokens or choose a smaller model"
    )


def no_room_to_update(recipe: TrainingRecipe, *, weights: int, step: int) -> str:
    """What to say where memory ran out in the update of so many weights at this step, counted from 1.

    Activations are gone by then. What stays is weights, gradients and the optimizer's state, which its first update
    makes.
    """
    when = "the first, which makes its state" if step == 1 else "after its state was made"
    return (
        f"out of memory in the update of {weights:,} weights by {recipe.optimizer} at step {step}, {when}; any of "
        f"these takes less: {', '.join(_ways_to_update(recipe))}"
    )


def _ways_to_update(recipe: TrainingRecipe) -> list[str]:
    is_cut, is_adamw = recipe.sharding == "full", recipe.optimizer == "adamw"
    ways = {
        "training.optimizer adafactor": recipe.optimizer != "adafactor" and not is_cut,
        "training.optimizer adamw_8bit on a GPU": is_adamw and not is_cut,
        "training.optimizer lion": is_adamw and is_cut,
        "training.method lora": recipe.method == "full",
        "training.sharding full with machine.devices 2 or more": not is_cut and recipe.optimizer in ELEMENTWISE,
        "more machine.devices": is_cut,
        "a smaller model": True,
    }
    return [way for way, helps in ways.items() if helps]
