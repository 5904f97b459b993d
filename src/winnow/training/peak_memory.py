"""Peak memory of training, predicted without weights: one step on tensors that have a shape and no contents.

    peak = predict(skeleton, recipe.training, MicroBatch(rows=8, length=512, targets=2000))
    peak.total_bytes

The step is the loop's own: forward pass, blockwise head, backward pass, clipping, optimizer. Torch's fake tensors say
what every operation would make; what is alive is added up as it comes and goes, so that no architecture, adapter or
optimizer needs a formula. Not counted: what the process holds before the model (libraries, a CUDA context), what the
allocator leaves unused, scratch memory inside single operations, torch.compile, and evaluation.
"""

import math
import weakref
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from winnow.models import loading
from winnow.models.contentless import Unread, contentless
from winnow.models.costs import PeakMemory
from winnow.models.forward import Batch, Losses
from winnow.models.recomputing import recompute_layers
from winnow.recipe import TrainingRecipe
from winnow.training.largest_batches import MicroBatch
from winnow.training.optimizers import build_optimizer, trained
from winnow.training.precision import autocast_dtype

aten = torch.ops.aten

QUANTISED_BYTES = {"4bit": 0.5 + 1 / 64 + 4 / (64 * 256), "8bit": 1.0}
"""Bytes per weight: NF4 with its doubly quantised scales (Dettmers et al. 2023, section 3), LLM.int8."""
EIGHT_BIT_STATE = (2 + 2 * 4 / 256) / 8
"""AdamW's state in 8 bits over that in 32: two bytes per weight, and two scales per block of 256."""


def predict(model: Any, training: TrainingRecipe, largest: MicroBatch) -> PeakMemory:
    """The peak memory of a run that trains this model, a skeleton on `meta`, in micro-batches up to `largest`.

    The skeleton is used up. Takes a few seconds for a billion parameters.
    """
    model = model.double() if training.precision == "float64" else model
    live = LiveBytes(largest.targets)
    with _as_trained(training.packing), contentless(live):
        model = _on_device(model, training)
        for tensor in (*model.parameters(), *model.buffers()):
            live.add(tensor)
        weights = live.now
        optimizer = _stepped_once(model, training)
        state = live.now - weights
        live.watch_gradients(trained(model))
        for _ in range(2 if largest.follows or training.gradient_accumulation_steps > 1 else 1):
            _backward(model, training, largest)
        torch.nn.utils.clip_grad_norm_(trained(model), training.max_grad_norm or math.inf)
        optimizer.step()
    activations = live.peak - weights - state - live.gradients_at_peak
    return PeakMemory(
        weights_bytes=weights - _saved_by_quantising(model, training),
        gradients_bytes=live.gradients_at_peak,
        optimizer_bytes=int(state * EIGHT_BIT_STATE) if training.optimizer == "adamw_8bit" else state,
        activations_bytes=activations,
    )


class LiveBytes(Unread):
    """Adds up the bytes of all tensors that operations make, for as long as they live.

    A mask, which has no contents either, picks `targets` positions.
    """

    def __init__(self, targets: int) -> None:
        super().__init__()
        self.targets = targets
        self.now = self.peak = 0
        self.gradients = self.gradients_at_peak = 0
        self.operations: Counter[Any] = Counter()
        """How often each operation ran that computes anything."""
        self._alive: dict[int, weakref.ref[Any]] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None) -> Any:
        """Runs one operation and counts what it made."""
        if func.namespace != "aten":
            return func(*args, **(kwargs or {}))
        if func is aten.index.Tensor and args[1][0] is not None and args[1][0].dtype == torch.bool:
            args = (args[0], self._positions(args[1][0]))
        made = super().__torch_dispatch__(func, types, args, kwargs)
        if not any(returned.alias_info for returned in func._schema.returns):
            self.operations[func] += 1
        for tensor in tree_leaves(made):
            if isinstance(tensor, Tensor):
                self.add(tensor)
        return made

    def add(self, tensor: Tensor) -> None:
        """Count this tensor's memory, once however many tensors share it, until nothing refers to it."""
        storage = tensor.untyped_storage()
        key, size = storage._cdata, storage.nbytes()
        if key in self._alive:
            return

        def forget(_: Any) -> None:
            del self._alive[key]
            self.now -= size

        self._alive[key] = weakref.ref(storage, forget)
        self.now += size
        if self.now > self.peak:
            self.peak, self.gradients_at_peak = self.now, self.gradients

    def watch_gradients(self, weights: Iterable[nn.Parameter]) -> None:
        """Start anew with the peak, and from here on tell gradients of weights from the rest."""
        seen: set[Tensor] = set()

        def arrived(weight: Tensor) -> None:
            if weight not in seen:
                seen.add(weight)
                self.gradients += weight.numel() * weight.element_size()

        for weight in weights:
            weight.register_post_accumulate_grad_hook(arrived)
        self.peak = self.now

    def _positions(self, mask: Tensor) -> list[Tensor]:
        return [torch.empty(self.targets, dtype=torch.int64, device=mask.device) for _ in range(mask.ndim)]


class _PlannedLosses(Losses):
    def _head_is_plain(self) -> bool:
        """Whether the model computes nothing after its head: told by the operations, since there are no values."""
        head = self.plain.get_output_embeddings()
        if head is None:
            return False
        ids = torch.zeros(1, 4, dtype=torch.int64, device=self.device)

        def apart() -> None:
            head(self.plain.base_model(input_ids=ids, use_cache=False).last_hidden_state)

        try:
            return _operations(apart) == _operations(lambda: self.model(input_ids=ids, use_cache=False))
        except (AttributeError, TypeError):
            return False


def _operations(run: Callable[[], object]) -> Counter[Any]:
    with torch.no_grad(), LiveBytes(0) as live:
        run()
    return live.operations


@contextmanager
def _as_trained(packing: bool) -> Iterator[None]:
    """Tensors without contents make transformers build the mask of packed examples; without packing a run has none."""
    from transformers import masking_utils

    find = masking_utils.find_packed_sequence_indices
    if not packing:
        masking_utils.find_packed_sequence_indices = lambda position_ids: None
    try:
        yield
    finally:
        masking_utils.find_packed_sequence_indices = find


def _on_device(model: Any, training: TrainingRecipe) -> Any:
    """The model without contents on the device that will train it, its tied weights tied again."""
    model = model.to_empty(device=loading.best_device())
    (model.get_base_model() if hasattr(model, "peft_config") else model).tie_weights()
    if training.gradient_checkpointing:
        recompute_layers(model)
    return model.train()


def _stepped_once(model: Any, training: TrainingRecipe) -> Any:
    """The optimizer with its state made; in 32 bits where it will have 8."""
    if training.optimizer == "adamw_8bit":
        training = training.model_copy(update={"optimizer": "adamw"})
    optimizer = build_optimizer(model, training)
    for weight in trained(model):
        weight.grad = torch.empty_like(weight)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return optimizer


def _backward(model: Any, training: TrainingRecipe, largest: MicroBatch) -> None:
    losses = _PlannedLosses(model, autocast=autocast_dtype(training.precision, loading.best_device()))
    shape = (largest.rows, largest.length)
    ids = torch.zeros(shape, dtype=torch.int64, device=losses.device)
    is_target = torch.ones(shape, dtype=torch.bool, device=losses.device)
    positions = torch.zeros_like(ids) if training.packing else None
    batch = Batch(ids, is_target, list(range(largest.rows)), ids.numel(), positions=positions)
    losses.scaled_sum(batch, 1.0).backward()


def _saved_by_quantising(model: Any, training: TrainingRecipe) -> int:
    """Bytes that the frozen matrices need less in 4 or 8 bits; the head stays as it is."""
    if training.quantise is None:
        return 0
    from transformers.pytorch_utils import Conv1D

    head = model.get_output_embeddings()
    matrices: list[Any] = [m for m in model.modules() if isinstance(m, nn.Linear | Conv1D) and m is not head]
    frozen = sum(matrix.weight.numel() for matrix in matrices if not matrix.weight.requires_grad)
    return int(frozen * (4 - QUANTISED_BYTES[training.quantise]))
