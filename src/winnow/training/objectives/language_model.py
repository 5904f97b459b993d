"""What most objectives have in common: rows of tokens, every target counting, the FLOPs of a language model."""

from typing import TYPE_CHECKING, Any

from winnow.training.objectives.views import Flops, Material, Models

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from winnow.models.forward import Batch, Losses
    from winnow.models.rows import HasLengths, TokenRows
    from winnow.training.batches import Batches


def completions(material: Material, *, options: Any) -> "TokenRows":
    """Prompt and completion of every example of a pool; see `sft_rows`."""
    from winnow.models.rows import sft_rows

    return sft_rows(material.table, loss_on=material.training.loss_on)


def documents(material: Material, *, options: Any) -> "TokenRows":
    """The documents of a corpus end to end, cut into rows of one length; see `packed_rows`."""
    from winnow.models.rows import packed_rows
    from winnow.text.tokenizers import encode_texts, eos_id

    assert material.context_tokens is not None
    encoded = encode_texts(material.tokenizer, material.table["text"].to_pylist())
    return packed_rows(encoded, context_tokens=material.context_tokens, eos_id=eos_id(material.tokenizer))


def epochs(rows: "TokenRows", plan: Any, **how: Any) -> "Batches":
    """Epochs over the rows."""
    from winnow.training.batches import EpochBatches

    return EpochBatches(rows, plan, **how)


def targets(batch: "Batch", *, options: Any) -> float:
    """Number of targets, each counted by its row's weight."""
    return batch.total_weight()


def visit_flops(flops: Flops, rows: "HasLengths", *, options: Any) -> "NDArray[np.float64]":
    """Each row forward and backward in the trained model, and forward in those beside it."""
    cost = flops.trained.train(rows.lengths)
    for model in flops.beside.values():
        cost = cost + model.forward(rows.lengths)
    return cost


def executed_flops(models: Models, flops: Flops, batch: "Batch", *, is_rerun: bool, options: Any) -> float:
    """The same of a padded or packed batch, the head at its targets alone where the model allows that."""
    rows, length = batch.ids.shape
    cost = flops.trained.executed(
        rows=rows, padded_length=length, heads=_heads(models.trained, batch), is_rerun=is_rerun
    )
    for role, model in flops.beside.items():
        cost += model.forward.executed(rows=rows, padded_length=length, heads=_heads(models.beside[role], batch))
    return cost


def _heads(losses: "Losses", batch: "Batch") -> int:
    return int(batch.is_target[:, 1:].sum()) if losses.is_sparse else batch.ids.numel()
