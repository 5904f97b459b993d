"""torch.compile around a model's forward pass, for shapes that change from batch to batch."""

from collections.abc import Callable
from typing import Any

import torch

from winnow.errors import TrainingError


def compiled(module: torch.nn.Module) -> Callable[..., Any]:
    """The module's forward pass, compiled when it is first called; the module itself stays as it is.

    The call raises TrainingError where compiling fails, such as without a C++ compiler.
    """
    run = torch.compile(module, dynamic=True)

    def call(**inputs: Any) -> Any:
        from torch._dynamo.exc import TorchDynamoException

        try:
            return run(**inputs)
        except TorchDynamoException as error:
            why = str(error).strip().splitlines()[0][:160]
            raise TrainingError(f"training.compile is true, but compiling failed ({why}); set it to false") from error

    return call
