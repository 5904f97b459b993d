"""Token rows: ids, and from which position on they are targets; and the rectangles that are made of them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray

from winnow.errors import DataError
from winnow.models.forward import Batch


@dataclass(frozen=True)
class TokenRows:
    """Rows of token ids of any length, end to end in one array."""

    names: list[str]
    """A stable id for every row."""
    ids: NDArray[np.int32]
    offsets: NDArray[np.int64]
    """[rows + 1]; row i is ids[offsets[i]:offsets[i + 1]]."""
    target_from: NDArray[np.int64]
    """[rows]; tokens from this position on are targets. Position 0 never is one."""
    weights: NDArray[np.float64] | None = None
    """[rows]; how much each row's targets count in training; null where all count alike."""

    @property
    def lengths(self) -> NDArray[np.int64]:
        """[rows]; tokens of every row."""
        return np.diff(self.offsets)

    def row(self, index: int) -> NDArray[np.int32]:
        """The token ids of one row."""
        return self.ids[self.offsets[index] : self.offsets[index + 1]]

    def take(self, indices: Sequence[int] | NDArray[np.int64]) -> "TokenRows":
        """These rows, in this order."""
        at = np.asarray(indices, dtype=np.int64)
        taken = rows_of([self.names[i] for i in at], [self.row(i) for i in at], self.target_from[at])
        return replace(taken, weights=None if self.weights is None else self.weights[at])


def sft_rows(examples: pa.Table, *, loss_on: str) -> TokenRows:
    """Prompt and completion of every example; the prompt is masked unless `loss_on` is `all`.

    Raises DataError where an example has no target at all.
    """
    prompts, completions = examples["prompt_ids"].to_pylist(), examples["completion_ids"].to_pylist()
    names = examples["id"].to_pylist()
    both = zip(names, prompts, completions, strict=True)
    # The first token of a row is never a target, be it the completion's.
    empty = [name for name, prompt, completion in both if len(prompt) + len(completion) <= max(1, len(prompt))]
    if empty:
        raise DataError(
            f"{len(empty)} examples have no completion to learn, such as {empty[0]}; drop them from the pool"
        )
    rows = [np.array(p + c, dtype=np.int32) for p, c in zip(prompts, completions, strict=True)]
    starts = [1 if loss_on == "all" else max(1, len(prompt)) for prompt in prompts]
    return rows_of(names, rows, np.array(starts, dtype=np.int64))


def packed_rows(documents: Iterable[Sequence[int]], *, context_tokens: int, eos_id: int) -> TokenRows:
    """Documents joined by the end token and cut into rows of `context_tokens`; the rest at the end is dropped.

    Raises DataError where the text does not fill one row.
    """
    stream = np.fromiter((token for ids in documents for token in (*ids, eos_id)), dtype=np.int32)
    count = len(stream) // context_tokens
    if count == 0:
        raise DataError(f"the text has {len(stream)} tokens, less than one sequence of {context_tokens}; add text")
    offsets = np.arange(count + 1, dtype=np.int64) * context_tokens
    names = [f"packed:{i}" for i in range(count)]
    return TokenRows(names, stream[: count * context_tokens], offsets, np.ones(count, dtype=np.int64))


def pad(rows: TokenRows, members: NDArray[np.int64]) -> Batch:
    """These rows in one rectangle, padded on the right with token 0, which is never a target."""
    lengths = rows.lengths[members]
    ids = np.zeros((len(members), int(lengths.max())), dtype=np.int64)
    is_target = np.zeros(ids.shape, dtype=bool)
    for at, (member, length) in enumerate(zip(members, lengths, strict=True)):
        ids[at, :length] = rows.row(int(member))
        is_target[at, rows.target_from[member] : length] = True
    weights = None if rows.weights is None else torch.from_numpy(rows.weights[members])
    return Batch(torch.from_numpy(ids), torch.from_numpy(is_target), members.tolist(), int(lengths.sum()), weights)


def rows_of(names: list[str], rows: list[NDArray[np.int32]], starts: NDArray[np.int64]) -> TokenRows:
    """Rows end to end; `starts` is [rows], the first target position of each."""
    offsets = np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int64)
    ids = np.concatenate(rows) if rows else np.zeros(0, dtype=np.int32)
    return TokenRows(names, ids.astype(np.int32), offsets, starts)
