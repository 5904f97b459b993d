"""FLOPs of a transformer, counted per matrix from the model itself.

A probe pass of two tokens tells, for every matrix, its shape, whether it is trained, and whether gradients must pass
through it (below the lowest adapter none do). An example of n tokens then costs `linear * n + square * n^2`:

    costs = flop_model(model)
    costs.forward(lengths), costs.train(lengths)

Reference FLOPs: dense head, full-square attention as torch's counter counts it (without causal saving), real lengths,
no recomputation; a multiplication and an addition are two. `tests/models/test_flops.py` checks them against
`torch.utils.flop_counter` to 1 %. The same functions work on the meta device, so `winnow plan` needs no weights.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from winnow.models.costs import Coefficients, FlopModel
from winnow.models.counted_flops import computes_outside_matrices, flops_per_token


@dataclass
class _Attention:
    """Scores and mixing of one layer, as the probe pass met them."""

    passes_gradient: bool
    layer: nn.Module | None


@dataclass
class _Seen:
    """One matrix, as the probe pass met it."""

    size: int
    is_trained: bool
    passes_gradient: bool
    is_head: bool
    is_adapter: bool
    layer: nn.Module | None
    """The layer that gradient checkpointing would run again as a whole; null outside of such."""

    @property
    def forward(self) -> float:
        return 2.0 * self.size

    @property
    def train(self) -> float:
        return self.forward * (1 + self.is_trained + self.passes_gradient)


def flop_model(model: nn.Module) -> FlopModel:
    """The FLOPs of a causal language model, plain or with adapters, in its present state of trained weights."""
    matrices, attentions, rerun = _probe(model)
    square = 4.0 * _attention_width(model)
    forward = _coefficients(matrices, lambda seen: seen.forward, square * len(attentions))
    backward = square * sum(1 + 2 * attention.passes_gradient for attention in attentions)
    train = _coefficients(matrices, lambda seen: seen.train, backward)
    if computes_outside_matrices(model):
        of_forward, of_train = flops_per_token(model)
        forward = replace(forward, body=of_forward - forward.head)
        train = replace(train, body=of_train - train.head)
    again = [seen for seen in matrices if seen.layer in rerun]
    return FlopModel(
        forward=forward,
        train=train,
        rerun=_coefficients(
            again, lambda seen: seen.forward, square * sum(attention.layer in rerun for attention in attentions)
        ),
        parameters=sum(p.numel() for p in model.parameters()),
        trainable_parameters=sum(p.numel() for p in model.parameters() if p.requires_grad),
    )


def _coefficients(matrices: list[_Seen], cost: Callable[[_Seen], float], attention: float) -> Coefficients:
    body = sum(cost(seen) for seen in matrices if not seen.is_head)
    return Coefficients(body, sum(cost(seen) for seen in matrices if seen.is_head), attention)


def _probe(model: nn.Module) -> tuple[list[_Seen], list[_Attention], set[nn.Module]]:
    """Every matrix and every attention that two tokens pass, and the layers through which gradients pass."""
    from transformers.modeling_layers import GradientCheckpointingLayer

    matrices: list[_Seen] = []
    attentions: list[_Attention] = []
    passed: set[nn.Module] = set()
    head = model.get_output_embeddings()  # type: ignore[operator]
    adapters = {module for name, module in model.named_modules() if ".lora_" in name}
    layers = [module for module in model.modules() if isinstance(module, GradientCheckpointingLayer)]
    layer_of = {module: layer for layer in layers for module in layer.modules()}

    def on_matrix(module: nn.Module, args: Any, output: Any) -> None:
        weight: Any = module.weight
        passes = args[0].requires_grad
        is_adapter = module in adapters
        matrices.append(
            _Seen(_size(module), weight.requires_grad, passes, module is head, is_adapter, layer_of.get(module))
        )

    def on_attention(module: nn.Module, args: Any, output: Any) -> None:
        projection = next(seen for seen in reversed(matrices) if not seen.is_adapter)
        attentions.append(_Attention(projection.passes_gradient, layer_of.get(module)))

    def on_layer(module: nn.Module, args: Any, output: Any) -> None:
        if (output if isinstance(output, torch.Tensor) else output[0]).requires_grad:
            passed.add(module)

    hooks = [module.register_forward_hook(on_matrix) for module in model.modules() if _is_matrix(module)]
    hooks += [module.register_forward_hook(on_attention) for module in model.modules() if _is_attention(module)]
    hooks += [layer.register_forward_hook(on_layer) for layer in layers]
    was_training = model.training
    try:
        model.eval()
        pass_two_tokens(model)
    finally:
        model.train(was_training)
        for hook in hooks:
            hook.remove()
    return matrices, attentions, passed


def pass_two_tokens(model: nn.Module) -> None:
    """Run the model on two tokens, gradients recorded; also without contents, on the meta device."""
    parameter = next(model.parameters())
    ids = torch.zeros(1, 2, dtype=torch.long, device=parameter.device)
    # A full mask is taken as it is; making one from scratch reads values, which the meta device does not have.
    mask = torch.zeros(1, 1, 2, 2, dtype=parameter.dtype, device=parameter.device)
    with torch.enable_grad():
        model(input_ids=ids, attention_mask=mask, use_cache=False)


def _is_attention(module: nn.Module) -> bool:
    """Whether scores are computed here; in some models (GPT-Neo) one attention module wraps another."""
    named = [inner for inner in module.modules() if type(inner).__name__.endswith("Attention")]
    return named == [module]


def _size(matrix: nn.Module) -> int:
    """Weights of a matrix; of a quantised one, too, whose tensor holds several in a byte."""
    return matrix.in_features * matrix.out_features if isinstance(matrix, nn.Linear) else int(matrix.weight.numel())  # type: ignore[operator]


def _is_matrix(module: nn.Module) -> bool:
    return isinstance(module, nn.Linear) or type(module).__name__ == "Conv1D"


def _attention_width(model: nn.Module) -> int:
    """Heads x head size."""
    config: Any = model.config
    head_size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    return int(config.num_attention_heads * head_size)
