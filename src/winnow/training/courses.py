"""What a run reads, whatever its data are: rows in epochs, rows of examples at shares, rows of plain text.

    course = course_of_run(goal, part, inputs, tokenizer)
    reading = course.reading(allowed, goal.visit_flops(flops, course), global_batch_size=8)
    reading.plan, reading.batches(sizes)

How many rows there will be is known with the budget, and what they cost with the model: so a course comes first, and
what a run reads of it then.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from winnow.budget import Allowance, VisitPlan, plan_no_visits, plan_rows, plan_visits
from winnow.models.rows import TokenRows
from winnow.parts import TrainPart
from winnow.records import Stored
from winnow.training.batches import Batches
from winnow.training.material import rows_of_run
from winnow.training.mixed_rows import MixedOrder, MixedRows, mixed_rows
from winnow.training.objectives.goal import Goal
from winnow.training.text_rows import TextBatches, TextPool, TextRows, text_pool

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Sizes:
    """How a run cuts what it reads."""

    global_batch_size: int
    micro_batch_size: int
    packing: bool
    devices: int
    start_tokens: int | None
    """See `micro_cuts`."""


class Reading(Protocol):
    """What a run reads with its budget."""

    @property
    def plan(self) -> VisitPlan:
        """How far it goes."""
        ...

    def batches(self, sizes: Sizes, whole: VisitPlan) -> Batches:
        """Its batches; of a branch the first of those that the run of plan `whole` has, which is its own else."""
        ...

    def record(self, whole: VisitPlan) -> Mapping[str, Any] | None:
        """What records say of its sources; None where it does not mix any."""
        ...


class Course(Protocol):
    """What there is to read."""

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens of every row, or of one where all are alike."""
        ...

    @property
    def examples(self) -> int:
        """Rows that are there once."""
        ...

    def reading(self, allowed: Allowance | None, visit_flops: FloatArray, *, global_batch_size: int) -> Reading:
        """What an allowance pays for, nothing without one; `visit_flops` as `lengths`. Raises BudgetError."""
        ...


def course_of_run(goal: Goal, part: TrainPart, inputs: Mapping[str, Stored], tokenizer: Any) -> Course:
    """The course of a run. Raises DataError where a row has nothing to learn, or a mixed source has no row."""
    if "mixture" in inputs:
        assert part.context_tokens is not None
        return TextCourse(
            text_pool(inputs, context_tokens=part.context_tokens, seed=part.seed, source_fraction=part.source_fraction)
        )
    rows = rows_of_run(goal, part, inputs, tokenizer)
    return Epochs(goal, rows, part.seed, mixed_rows(part, inputs, rows))


@dataclass(frozen=True)
class Epochs:
    """Rows in memory, visited epoch by epoch; where `mixed` says so at shares of their sources."""

    goal: Goal
    rows: TokenRows
    seed: int
    mixed: MixedRows | None = None

    @property
    def lengths(self) -> NDArray[np.int64]:
        """[rows]."""
        return self.rows.lengths

    @property
    def examples(self) -> int:
        """All rows."""
        return len(self.rows.names)

    def reading(
        self, allowed: Allowance | None, visit_flops: FloatArray, *, global_batch_size: int
    ) -> "EpochReading | MixedReading":
        """By epochs, or by shares."""
        if allowed is None:
            return EpochReading(self, plan_no_visits(self.examples))
        if self.mixed is not None:
            order = self.mixed.order(allowed, visit_flops)
            plan = self.mixed.plan(order, visit_flops, global_batch_size=global_batch_size)
            return MixedReading(self, plan, self.mixed, order)
        plan = plan_visits(
            self.lengths, visit_flops, allowed=allowed, global_batch_size=global_batch_size, seed=self.seed
        )
        return EpochReading(self, plan)

    def cut(self, plan: VisitPlan, sizes: Sizes, **given: Any) -> Batches:
        """The batches of a plan."""
        return self.goal.batches(
            self.rows, plan, global_batch_size=sizes.global_batch_size, micro_batch_size=sizes.micro_batch_size,
            seed=self.seed, packing=sizes.packing, devices=sizes.devices, start_tokens=sizes.start_tokens, **given,
        )  # fmt: skip


@dataclass(frozen=True)
class EpochReading:
    """All rows alike often."""

    course: Epochs
    plan: VisitPlan

    def batches(self, sizes: Sizes, whole: VisitPlan) -> Batches:
        """A shorter run visits the first of what a longer one does anyway."""
        return self.course.cut(self.plan, sizes)

    def record(self, whole: VisitPlan) -> None:
        """Nothing is mixed."""
        return


@dataclass(frozen=True)
class MixedReading:
    """Rows of examples in an order that keeps shares."""

    course: Epochs
    plan: VisitPlan
    mixed: MixedRows
    order: MixedOrder

    def batches(self, sizes: Sizes, whole: VisitPlan) -> Batches:
        """Branches of mixed examples are refused, so that the run is always the whole."""
        return self.course.cut(self.plan, sizes, order=self.order.rows)

    def record(self, whole: VisitPlan) -> Mapping[str, Any]:
        """Source by source."""
        return self.mixed.record(self.order)


@dataclass(frozen=True)
class TextCourse:
    """Plain text, of which rows are made as they are read."""

    pool: TextPool

    @property
    def lengths(self) -> NDArray[np.int64]:
        """[1]."""
        return self.pool.lengths

    @property
    def examples(self) -> int:
        """Rows that all sources fill once."""
        return self.pool.unique_rows

    def reading(self, allowed: Allowance | None, visit_flops: FloatArray, *, global_batch_size: int) -> "TextReading":
        """Whole steps alone."""
        if allowed is None:
            return TextReading(self.pool, plan_no_visits(self.examples))
        plan = plan_rows(
            allowed, unique_rows=self.examples, row_tokens=self.pool.context_tokens, row_flops=float(visit_flops[0]),
            global_batch_size=global_batch_size,
        )  # fmt: skip
        return TextReading(self.pool, plan)


@dataclass(frozen=True)
class TextReading:
    """Rows of plain text at shares of their sources."""

    pool: TextPool
    plan: VisitPlan

    def batches(self, sizes: Sizes, whole: VisitPlan) -> Batches:
        """In the order of the whole run."""
        return TextBatches(
            self._rows(whole), self.plan, global_batch_size=sizes.global_batch_size,
            micro_batch_size=sizes.micro_batch_size,
        )  # fmt: skip

    def record(self, whole: VisitPlan) -> Mapping[str, Any] | None:
        """Source by source; nothing of a run of no steps."""
        return self.pool.record(self._rows(whole)) if self.plan.visits else None

    def _rows(self, whole: VisitPlan) -> TextRows:
        return self.pool.rows(self.plan.visits, whole=whole.visits)
