"""Peak memory of training known architectures by arithmetic: what `peak_memory.py` finds by a step without contents.

    peak = known_peak(layout, parts, recipe.training, MicroBatch(rows=8, length=512, targets=2000))

Exact are weights and optimizer state, and of the activations what every layer keeps for its backward pass (counted as
by Korthikanti et al. 2022, section 4). The few tensors that live but a moment are estimated at the moments that can be
the worst, so that the whole is right to a few percent, which `tests/training/test_known_memory.py` holds it to. Known
are padded rows, float32, a CPU and AdamW; all else is left to the step.
"""

import math
from collections.abc import Iterator

from winnow.models.costs import PeakMemory
from winnow.models.layouts import Branch, Layout, Matrix
from winnow.models.trained_parts import TrainedParts
from winnow.recipe import TrainingRecipe
from winnow.training.largest_batches import MicroBatch

FLOAT = 4
"""Bytes."""
BLOCK_LOGITS, MIN_BLOCK = 1 << 23, 16
"""As `models/cross_entropy.py` cuts the head's work on a CPU; a test holds them equal."""
OTHER_FLOATS = 16
"""Of every token at the peak: ids, masks, positions, angles and statistics, whatever the model (measured)."""
Moment = tuple[float, int]
"""Floats of activations, and of gradients, that are there at once."""


def is_known(training: TrainingRecipe, parts: TrainedParts) -> bool:
    """Whether arithmetic knows what this way of training keeps, on a CPU."""
    if training.packing or training.compile or training.quantise or training.sharding != "none":
        return False
    if training.attention_dropout is not None:
        return False
    is_plain = parts.lora is None or not parts.lora.use_dora
    return is_plain and training.optimizer == "adamw" and training.precision in ("auto", "float32")


def known_peak(layout: Layout, parts: TrainedParts, training: TrainingRecipe, largest: MicroBatch) -> PeakMemory:
    """The peak of a run that trains so, in micro-batches up to `largest`."""
    trained = parts.num_trained(layout)
    before = trained if largest.follows or training.gradient_accumulation_steps > 1 else 0
    moments = _moments(layout, parts, largest, is_rerun=training.gradient_checkpointing)
    # Gradients of micro-batches before are there whole at every moment, and all of them at the update.
    told = [(activations, max(before, gradients)) for activations, gradients in (*moments, (0.0, trained))]
    activations, gradients = max(told, key=sum)
    tensors = len(parts.trained) + len(parts.adapter_weights(layout))
    return PeakMemory(
        weights_bytes=FLOAT * (layout.num_weights + parts.num_added(layout) + _buffers(layout)),
        gradients_bytes=FLOAT * gradients,
        optimizer_bytes=FLOAT * (2 * trained + tensors),  # two averages, and of each tensor the number of its steps
        activations_bytes=int(FLOAT * activations),
    )


def _buffers(layout: Layout) -> int:
    """Floats of the frequencies that turn positions, which transformers keeps twice."""
    return 0 if layout.has_learned_positions else 2 * (layout.head_size // 2)


def _moments(layout: Layout, parts: TrainedParts, largest: MicroBatch, *, is_rerun: bool) -> Iterator[Moment]:
    """In the head, in the backward pass of the last layer and of the first, and in that of the embedding."""
    kept = _Kept(layout, parts, largest)
    layers = [kept.by_layer(number) for number in range(len(layout.layers))]
    below = kept.stream * len(layers) if is_rerun else sum(layers)
    of_head = layout.head.size if layout.head_weight in parts.trained else 0
    yield below + kept.by_head() + of_head, 0
    again = layers[-1] if is_rerun else 0.0
    yield below + again + kept.momentary() + of_head, 0
    above = parts.num_trained(layout) - _trained_below(layout, parts)
    yield (kept.stream + again if is_rerun else layers[0]) + kept.momentary(), above
    if next(iter(layout.embeddings)) in parts.trained:
        own = math.prod(next(iter(layout.embeddings.values())))
        yield float((3 if layout.is_tied else 1) * own), parts.num_trained(layout) - own


def _trained_below(layout: Layout, parts: TrainedParts) -> int:
    """Trained weights whose gradients come last: those of the first layer and of the embeddings."""
    first = layout.layers[0]
    modules = (*first.attention.modules, *first.feed_forward.modules)
    shapes = dict(layout.embeddings) | {name: shape for module in modules for name, shape in module.weights()}
    added = parts.num_added(layout) // max(1, len(layout.layers))
    return sum(math.prod(shape) for name, shape in shapes.items() if name in parts.trained) + added


class _Kept:
    """What stays for the backward pass, in floats of a whole micro-batch."""

    def __init__(self, layout: Layout, parts: TrainedParts, largest: MicroBatch) -> None:
        self.layout, self.parts, self.largest = layout, parts, largest
        self.tokens, self.width = largest.rows * largest.length, layout.head.inputs
        self.stream = float(self.tokens * self.width)
        self.drops = parts.lora is not None and parts.lora.lora_dropout > 0

    def by_head(self) -> float:
        """What the last norm and the head hold, with one block of logits; the head's own gradient not counted."""
        block = min(self.largest.targets, max(MIN_BLOCK, BLOCK_LOGITS // self.layout.vocab_size))
        is_root = not self.layout.has_learned_positions
        normed = self.stream * (2 if is_root and f"{self.layout.norm.name}.weight" in self.parts.trained else 1)
        targets = 2 * self.largest.targets * self.width  # with their gradients
        return normed + targets + block * self.layout.vocab_size + OTHER_FLOATS * self.tokens

    def momentary(self) -> float:
        """What the backward pass of a layer's last matrix holds beside what was kept."""
        widened = self.layout.layers[-1].feed_forward
        inner = float(self.tokens * widened.writing.inputs)
        if self.parts.lora is None and len(widened.reading) == 1:
            return 2 * self.stream + inner + OTHER_FLOATS * self.tokens
        return self.stream + 2 * inner + OTHER_FLOATS * self.tokens

    def by_layer(self, number: int) -> float:
        """Of one layer; the first keeps its input only where the embeddings are trained."""
        layer = self.layout.layers[number]
        is_below = number == 0 and not any(name in self.parts.trained for name in self.layout.embeddings)
        inner = layer.feed_forward.writing.inputs
        floats = self._read(layer.attention, is_below=is_below) + self._attended(layer.attention)
        floats += self._adapter(layer.attention.writing)
        # What the nonlinearity reads, and where it gates, its result and what it is multiplied with.
        floats += self._read(layer.feed_forward) + inner * (3 if len(layer.feed_forward.reading) > 1 else 1)
        floats += inner * self._needs_input(layer.feed_forward.writing) + self._adapter(layer.feed_forward.writing)
        return float(self.tokens * (floats + 2 * self.width * self.layout.residual_dropout))

    def _read(self, branch: Branch, *, is_below: bool = False) -> int:
        """Of a norm and of the matrices that read it: their common input, and what their adapters keep."""
        is_root = not self.layout.has_learned_positions
        kept = 0 if is_below else self.width + (1 if is_root else 2)
        kept += self.width * (is_root and self._trains(branch.norm.name))
        kept += self.width * any(self._needs_input(matrix) for matrix in branch.reading)
        return kept + sum(self._adapter(matrix) for matrix in branch.reading)

    def _attended(self, attention: Branch) -> int:
        """Of queries, keys, values and what comes of them."""
        layout = self.layout
        queries, keys = (count * layout.head_size for count in (layout.heads, layout.key_value_heads))
        normed = 0
        if attention.between:
            is_trained = self._trains(attention.between[0].name)
            normed = (queries + keys) * (1 + is_trained) + layout.heads + layout.key_value_heads
        if not layout.attention_dropout:
            return 2 * queries + 2 * keys + layout.heads + normed
        # Dropping weights, torch keeps all of them, before and after, with the mask, and not what comes of them.
        weights = 3 * layout.heads * self.largest.length
        return queries + 2 * keys + weights + normed + queries * self._needs_input(attention.writing)

    def _trains(self, module: str) -> bool:
        return f"{module}.weight" in self.parts.trained

    def _needs_input(self, matrix: Matrix) -> bool:
        """Whether a matrix or its adapter needs what it reads, as it is, for its own gradient."""
        return self._trains(matrix.name) or (matrix.name in self.parts.adapted and not self.drops)

    def _adapter(self, matrix: Matrix) -> int:
        """Of an adapter: what stands between its matrices, and with dropout its own input and the mask."""
        if matrix.name not in self.parts.adapted or self.parts.lora is None:
            return 0
        return self.parts.lora.r + 2 * matrix.inputs * self.drops


def kept_floats(layout: Layout, parts: TrainedParts, largest: MicroBatch) -> float:
    """Floats that all layers keep of a micro-batch for its backward pass."""
    kept = _Kept(layout, parts, largest)
    return sum(kept.by_layer(number) for number in range(len(layout.layers)))
