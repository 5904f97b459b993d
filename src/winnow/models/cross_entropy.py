"""Head and cross-entropy in one, a block of positions at a time.

The logits of one block are all that is ever held: peak memory does not grow with positions x vocabulary. Gradients
are made in the forward pass, block by block, as the scale of each loss is known there; nothing is computed twice.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

BLOCK_LOGITS = 1 << 23
"""Logits in one block on a CPU: 32 MiB in float32, with which it is fastest (benchmarks/bench_cross_entropy.py)."""
BLOCK_LOGITS_ON_ACCELERATOR = 1 << 26
"""Larger, for an accelerator waits for every block's start."""
MIN_BLOCK = 16


def scaled_cross_entropy(
    hidden: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor, scales: Tensor
) -> Tensor:
    """The sum over positions of scale x cross-entropy of the target, in nats.

    hidden [positions, width], weight [vocabulary, width], bias [vocabulary] or None, targets [positions] int64, scales
    [positions]. Under autocast products are of the lower precision and everything else float32, as usual. Gradients
    reach hidden, weight and bias.
    """
    if torch.is_autocast_enabled(hidden.device.type):
        dtype = torch.get_autocast_dtype(hidden.device.type)
        hidden, weight = hidden.to(dtype), weight.to(dtype)
        bias = None if bias is None else bias.to(dtype)
    total: Tensor = _ScaledCrossEntropy.apply(hidden, weight, bias, targets, scales)
    return total


class _ScaledCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor, scales: Tensor
    ) -> Tensor:
        """Blocks of logits, their losses and, where somebody wants them, their gradients."""
        wants = ctx.needs_input_grad[:3]
        exact = torch.float64 if hidden.dtype == torch.float64 else torch.float32
        new = torch.empty_like if len(hidden) else torch.zeros_like  # written by the first block
        grads = [
            made(t) if t is not None and wanted else None
            for made, t, wanted in zip((new, new, torch.zeros_like), (hidden, weight, bias), wants, strict=True)
        ]
        total = torch.zeros((), dtype=exact, device=hidden.device)
        logits = BLOCK_LOGITS if hidden.device.type == "cpu" else BLOCK_LOGITS_ON_ACCELERATOR
        block = max(MIN_BLOCK, logits // weight.shape[0])
        with torch.autocast(hidden.device.type, enabled=False):
            for start in range(0, len(hidden), block):
                part = slice(start, start + block)
                total += _block(hidden[part], weight, bias, targets[part], scales[part].to(exact), grads, part)
        ctx.save_for_backward(*grads)
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        """What the forward pass made, times the gradient of the sum."""
        is_one = upstream.device.type == "cpu" and bool(upstream == 1)  # asking an accelerator would wait for it
        grads = (grad if grad is None or is_one else grad * upstream.to(grad.dtype) for grad in ctx.saved_tensors)
        return (*grads, None, None)


def _block(
    hidden: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor, scales: Tensor, grads: list[Tensor | None],
    part: slice,
) -> Tensor:  # fmt: skip
    """The scaled losses of one block, summed; adds its share to the gradients, which the first block begins."""
    logits = torch.nn.functional.linear(hidden, weight, bias).to(scales.dtype)
    wanted = logits.gather(1, targets[:, None])
    peak = logits.amax(dim=1, keepdim=True)
    shares = logits.sub_(peak).exp_()
    sums = shares.sum(dim=1, keepdim=True)
    loss = ((sums.log() + peak - wanted)[:, 0] * scales).sum()
    if any(grad is not None for grad in grads):
        shares.mul_(scales[:, None] / sums)
        shares.scatter_add_(1, targets[:, None], -scales[:, None])
        slopes = shares.to(hidden.dtype)
        of_hidden, of_weight, of_bias = grads
        if of_hidden is not None:
            torch.mm(slopes, weight, out=of_hidden[part])
        if of_weight is not None:
            of_weight.addmm_(slopes.T, hidden, beta=float(part.start > 0))
        if of_bias is not None:
            of_bias += slopes.sum(dim=0)
    return loss
