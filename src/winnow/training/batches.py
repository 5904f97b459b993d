"""Which rows a step trains on.

The batch of a step is a pure function of (seed, step): a resumed run needs no saved position. The rows of a global
batch are drawn at random first and sorted by length inside it, so that micro-batches have little padding and batches
stay unbiased; where small micro-batches are as fast as large ones, they are cut where that saves padding. Packed, the
rows of a step stand end to end in lines hardly longer than its longest row, so that a micro-batch of so many lines
takes about the memory of a padded one of so many rows, and a step takes fewer of them.
"""

from itertools import pairwise
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from winnow.budget import VisitPlan, visit_order
from winnow.models.forward import Batch
from winnow.models.rows import NamedRows, TokenRows, pack, pad
from winnow.training.largest_batches import micro_cuts
from winnow.training.lines import fill_lines


class Batches(Protocol):
    """What a step trains on, whatever makes it."""

    plan: VisitPlan

    @property
    def rows(self) -> NamedRows:
        """What it cuts."""
        ...

    def micro_batches(self, step: int, size: int | None = None) -> list[Batch]:
        """The micro-batches of a step (from 0), of up to `size` rows or lines each; the run's own where that is null.

        The same visits whatever the size.
        """
        ...


class EpochBatches:
    """Epochs over a training set, cut into global batches; the last batch of a run ends exactly at its budget."""

    def __init__(
        self, rows: TokenRows, plan: VisitPlan, *, global_batch_size: int, micro_batch_size: int, seed: int,
        packing: bool = False, devices: int = 1, start_tokens: int | None = None,
        order: NDArray[np.int64] | None = None,
    ) -> None:  # fmt: skip
        """`start_tokens`: see `micro_cuts`; `order`: the row of each visit, where a mixture gives it."""
        self.rows, self.plan, self.seed, self.packing, self.devices = rows, plan, seed, packing, devices
        self.global_batch_size, self.micro_batch_size = global_batch_size, micro_batch_size
        self.start_tokens = start_tokens
        self._epoch, self._order = -1, np.zeros(0, dtype=np.int64)
        self._given = order

    def members(self, step: int) -> NDArray[np.int64]:
        """The rows that step number `step` (from 0) visits, in order of visit."""
        first = step * self.global_batch_size
        last = min(first + self.global_batch_size, self.plan.visits)
        return np.array([self._visit(number) for number in range(first, last)], dtype=np.int64)

    def micro_batches(self, step: int, size: int | None = None) -> list[Batch]:
        """The step's rows, sorted by length, in micro-batches of `size` (the run's own) rows, padded on the right.

        With `start_tokens`: of up to `size` rows, more and smaller ones where that spares enough padding.
        Packed: up to `size` lines (see `fill_lines`), in equal parts, and a part for every device.
        """
        members, count = self.members(step), size or self.micro_batch_size
        by_length = members[np.lexsort((members, self.rows.lengths[members]))]
        if not self.packing:
            cuts = micro_cuts(self.rows.lengths[by_length].tolist(), most=count, start_tokens=self.start_tokens)
            return [pad(self.rows, by_length[cut]) for cut in cuts]
        lines = fill_lines(by_length[::-1].tolist(), self.rows.lengths[by_length[::-1]].tolist())
        parts = max(-(-len(lines) // count), min(self.devices, len(lines)))
        ends = [len(lines) * part // parts for part in range(parts + 1)]
        return [pack(self.rows, lines[first:last]) for first, last in pairwise(ends)]

    def _visit(self, number: int) -> int:
        if self._given is not None:
            return int(self._given[number])
        epoch, position = divmod(number, self.plan.examples)
        if epoch != self._epoch:
            self._epoch, self._order = epoch, visit_order(self.plan.examples, seed=self.seed, epoch=epoch)
        return int(self._order[position])
