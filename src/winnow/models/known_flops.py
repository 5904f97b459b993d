"""FLOPs of well-known architectures by arithmetic on their layout: the numbers of `flops.py`, without a model.

    costs = known_flops(layout, trained_parts(layout, recipe.training))
    costs.train(lengths)

Gradients begin at the lowest weight that trains: what lies below costs a forward pass alone, as `_Flow` follows it
from the embeddings up. `tests/models/test_known_flops.py` holds every number to the skeleton's.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from winnow.models.costs import Coefficients, FlopModel
from winnow.models.layouts import Branch, Layout, Matrix, Norm
from winnow.models.trained_parts import TrainedParts


@dataclass(frozen=True, slots=True)
class _Met:
    """A matrix as a pass meets it."""

    matrix: Matrix
    is_trained: bool
    is_adapted: bool
    passes_gradient: bool
    """Its input needs a gradient."""
    is_rerun: bool
    """It stands in a layer whose output needs a gradient."""


def known_flops(layout: Layout, parts: TrainedParts) -> FlopModel:
    """What examples cost in this model, trained so."""
    met, attentions, head = _pass(layout, parts)
    square = 4.0 * layout.heads * layout.head_size
    backward = sum(1 + 2 * passes for passes, _ in attentions)
    added = parts.num_added(layout)
    return FlopModel(
        forward=Coefficients(
            sum(2.0 * (each.matrix.size + _adapter(each, parts)) for each in met), 2.0 * layout.head.size,
            square * len(attentions),
        ),
        train=Coefficients(
            sum(_training(each, parts) for each in met),
            2.0 * layout.head.size * (1 + head.is_trained + head.passes_gradient), square * backward,
        ),
        rerun=_rerun(met, parts, square * sum(is_rerun for _, is_rerun in attentions)),
        parameters=layout.num_weights + added, trainable_parameters=parts.num_trained(layout),
    )  # fmt: skip


def _adapter(met: _Met, parts: TrainedParts) -> int:
    """Weights of the two low matrices beside one."""
    return parts.lora.r * (met.matrix.inputs + met.matrix.outputs) if met.is_adapted and parts.lora else 0


def _training(met: _Met, parts: TrainedParts) -> float:
    """FLOPs per token of a matrix and its adapter, forward and backward."""
    matrix, passes = met.matrix, met.passes_gradient
    plain = 2.0 * matrix.size * (1 + met.is_trained + passes)
    if not met.is_adapted or parts.lora is None:
        return plain
    lora = parts.lora
    lower = 2.0 * lora.r * matrix.inputs * (2 + passes)
    upper = 2.0 * lora.r * matrix.outputs * 3
    # DoRA rescales the base's product; with dropout that is another than the one at hand (Liu et al. 2024, PEFT).
    again = 2.0 * matrix.size * (1 + passes) if lora.use_dora and lora.lora_dropout > 0 else 0.0
    return plain + lower + upper + again


def _rerun(met: Iterable[_Met], parts: TrainedParts, attention: float) -> Coefficients:
    """The forward pass of the layers that gradients pass.

    DoRA's low matrices also pass an identity matrix there, which is counted as tokens are: the bound stays one.
    """
    times = 2 if parts.lora is not None and parts.lora.use_dora else 1
    again = [each for each in met if each.is_rerun]
    return Coefficients(sum(2.0 * (each.matrix.size + times * _adapter(each, parts)) for each in again), 0, attention)


def _pass(layout: Layout, parts: TrainedParts) -> tuple[list[_Met], list[tuple[bool, bool]], _Met]:
    """All matrices of the layers; of each attention whether gradients pass it and its layer; the head."""
    flow = _Flow(parts, any(name in parts.trained for name in layout.embeddings))
    met, attentions = list[_Met](), list[tuple[bool, bool]]()
    for layer in layout.layers:
        attention, feed_forward = flow.through(layer.attention), flow.through(layer.feed_forward)
        met += [
            _Met(matrix, flow.trains(matrix), matrix.name in parts.adapted, passes, flow.needs_gradient)
            for matrix, passes in (*attention, *feed_forward)
        ]
        attentions.append((attention[-1][1], flow.needs_gradient))
    passes = flow.needs_gradient or flow.trains(layout.norm)
    return met, attentions, _Met(layout.head, layout.head_weight in parts.trained, False, passes, False)


class _Flow:
    """Whether what flows through the layers needs a gradient, followed upwards."""

    def __init__(self, parts: TrainedParts, needs_gradient: bool) -> None:
        self.parts, self.needs_gradient = parts, needs_gradient

    def trains(self, module: Matrix | Norm) -> bool:
        """Whether its weight is trained."""
        return f"{module.name}.weight" in self.parts.trained

    def _changes(self, module: Matrix | Norm) -> bool:
        """Whether anything of it is trained, so that its output needs a gradient."""
        is_trained = any(name in self.parts.trained for name, _ in module.weights())
        return is_trained or module.name in self.parts.adapted

    def through(self, branch: Branch) -> list[tuple[Matrix, bool]]:
        """The matrices of a branch, each with whether its input needs a gradient; the stream goes on behind it."""
        reads = self.needs_gradient or self._changes(branch.norm)
        inner: tuple[Matrix | Norm, ...] = (*branch.reading, *branch.between)
        writes = reads or any(self._changes(module) for module in inner)
        self.needs_gradient = self.needs_gradient or writes or self._changes(branch.writing)
        return [*((matrix, reads) for matrix in branch.reading), (branch.writing, writes)]
