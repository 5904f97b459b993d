"""FLOPs per token of models whose adapters compute outside of plain matrices (DoRA, LoHa, ...), by torch's counter.

A pass over n tokens costs a + b n + c n^2. Counted at three lengths, on tensors without contents, that gives b. The
constant a, what an adapter computes on weights alone, comes once per micro-batch however long and is left out.
"""

from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from winnow.models.contentless import contentless

LENGTHS = (4, 8, 12)


def computes_outside_matrices(model: nn.Module) -> bool:
    """Whether the model has an adapter other than LoRA's two matrices beside a frozen one."""
    configs: Any = getattr(model, "peft_config", {}).values()
    return any(config.peft_type != "LORA" or config.use_dora for config in configs)


def flops_per_token(model: nn.Module) -> tuple[float, float]:
    """FLOPs that grow with the tokens alone, head included: of a forward pass, and of forward and backward."""
    was_training = model.training
    try:
        with contentless():
            forward = [_forward(model.eval(), length) for length in LENGTHS]
            train = [_train(model.train(), length) for length in LENGTHS]
    finally:
        model.train(was_training)
    return _linear_part(forward), _linear_part(train)


def _linear_part(counts: list[int]) -> float:
    """b of a + b n + c n^2 through the three counts."""
    (first, second, third), (low, middle, high) = counts, LENGTHS
    squares = (third - 2 * second + first) / (2 * (middle - low) ** 2)
    assert high - middle == middle - low
    return (second - first) / (middle - low) - squares * (low + middle)


def _forward(model: nn.Module, length: int) -> int:
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        _logits(model, length)
    return int(counter.get_total_flops())


def _train(model: nn.Module, length: int) -> int:
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    with torch.enable_grad(), FlopCounterMode(display=False) as counter:
        torch.autograd.grad(_logits(model, length).sum(), trained, allow_unused=True)
    return int(counter.get_total_flops())


def _logits(model: nn.Module, length: int) -> torch.Tensor:
    weight = next(model.parameters())
    ids = torch.zeros(1, length, dtype=torch.long, device=weight.device)
    # A full mask is taken as it is; making one from scratch reads values.
    mask = torch.zeros(1, 1, length, length, dtype=weight.dtype, device=weight.device)
    logits: torch.Tensor = model(input_ids=ids, attention_mask=mask, use_cache=False).logits
    return logits
