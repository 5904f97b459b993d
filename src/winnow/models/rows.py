"""Token rows: ids, and from which position on they are targets; and the rectangles that are made of them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray

from winnow.errors import DataError
from winnow.models.forward import Batch


class HasLengths(Protocol):
    """Rows of which no more than the lengths is asked."""

    @property
    def lengths(self) -> NDArray[np.int64]:
        """[rows]; tokens of every row."""
        ...


class NamedRows(HasLengths, Protocol):
    """Rows that messages can name."""

    @property
    def names(self) -> Sequence[str]:
        """[rows]; a stable id for every row."""
        ...


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
    is_target: NDArray[np.bool_] | None = None
    """[tokens of all rows]; of the tokens from `target_from` on, those that are targets; null where all are."""

    @property
    def lengths(self) -> NDArray[np.int64]:
        """[rows]; tokens of every row."""
        return np.diff(self.offsets)

    def row(self, index: int) -> NDArray[np.int32]:
        """The token ids of one row."""
        return self.ids[self._span(index)]

    def targets(self, index: int) -> NDArray[np.bool_]:
        """Which tokens of one row are targets."""
        is_target = np.arange(self.offsets[index + 1] - self.offsets[index]) >= self.target_from[index]
        is_target[:1] = False
        return is_target if self.is_target is None else is_target & self.is_target[self._span(index)]

    def take(self, indices: Sequence[int] | NDArray[np.int64]) -> "TokenRows":
        """These rows, in this order."""
        at = np.asarray(indices, dtype=np.int64)
        taken = rows_of([self.names[i] for i in at], [self.row(i) for i in at], self.target_from[at])
        masks = None if self.is_target is None else np.concatenate([self.is_target[self._span(i)] for i in at])
        return replace(taken, weights=None if self.weights is None else self.weights[at], is_target=masks)

    def _span(self, index: int) -> slice:
        return slice(self.offsets[index], self.offsets[index + 1])


def sft_rows(examples: pa.Table, *, loss_on: str) -> TokenRows:
    """Prompt and completion of every example; the prompt is masked unless `loss_on` is `all`.

    A conversation, whose tokens come with a mask `is_target`, has targets in its prompt too: all the assistant's turns.
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
    made = rows_of(names, rows, np.array(starts, dtype=np.int64))
    has_masks = loss_on != "all" and "is_target" in examples.column_names
    return _masked(made, examples["is_target"].to_pylist()) if has_masks else made


def _masked(rows: TokenRows, masks: list[list[bool] | None]) -> TokenRows:
    """The rows with these targets, where a row has a mask. Raises DataError where one is all zero or all one."""
    targets = [rows.targets(at) if mask is None else np.array(mask, dtype=bool) for at, mask in enumerate(masks)]
    for name, is_target, mask in zip(rows.names, targets, masks, strict=True):
        is_target[:1] = False
        if not is_target.any():
            raise DataError(f"no token of example {name} is a target; its mask is all zero, so drop it from the pool")
        if mask is not None and is_target[1:].all():
            raise DataError(
                f"every token of example {name} is a target; its mask is all one, so drop it from the pool, or set "
                "training.loss_on to all"
            )
    firsts = np.array([is_target.argmax() for is_target in targets], dtype=np.int64)
    return replace(rows, target_from=firsts, is_target=np.concatenate(targets))


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
    for at, (member, length) in enumerate(zip(members.tolist(), lengths, strict=True)):
        ids[at, :length] = rows.row(member)
        is_target[at, :length] = rows.targets(member)
    weights = None if rows.weights is None else torch.from_numpy(rows.weights[members])
    return Batch(torch.from_numpy(ids), torch.from_numpy(is_target), members.tolist(), int(lengths.sum()), weights)


def pack(rows: TokenRows, lines: Sequence[Sequence[int]]) -> Batch:
    """These rows end to end, a line of the rectangle for each of `lines`, padded on the right.

    Every row has positions of its own, from 0 on, which is what keeps it apart from its neighbours; padding has
    position 0. The first token of a row, which nothing in its row predicts, is never a target.
    """
    members = [member for line in lines for member in line]
    lengths = rows.lengths
    shape = len(lines), max(int(lengths[list(line)].sum()) for line in lines)
    ids, positions, example_of = (np.zeros(shape, dtype=np.int64) for _ in range(3))
    is_target = np.zeros(shape, dtype=bool)
    number = 0
    for at, line in enumerate(lines):
        start = 0
        for member in line:
            place = at, slice(start, start + int(lengths[member]))
            ids[place], is_target[place] = rows.row(member), rows.targets(member)
            positions[place], example_of[place] = np.arange(lengths[member]), number
            start, number = start + int(lengths[member]), number + 1
    return Batch(
        torch.from_numpy(ids), torch.from_numpy(is_target), members, int(lengths[members].sum()),
        None if rows.weights is None else torch.from_numpy(rows.weights[members]),
        torch.from_numpy(positions), torch.from_numpy(example_of),
    )  # fmt: skip


def rows_of(names: list[str], rows: list[NDArray[np.int32]], starts: NDArray[np.int64]) -> TokenRows:
    """Rows end to end; `starts` is [rows], the first target position of each."""
    offsets = np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int64)
    ids = np.concatenate(rows) if rows else np.zeros(0, dtype=np.int32)
    return TokenRows(names, ids.astype(np.int32), offsets, starts)
