"""Mixtures of examples and conversations: which row each visit of a run is to, so that sources have their shares.

Shares are of tokens, and hold at every prefix of the run to the longest row (`mixing/token_order.py`). Each source is
read in an order drawn from (seed, source, epoch), then again in another one, however often the others are read. Which
row comes when is known before training, as of a run without a mixture.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from winnow.budget import Allowance, VisitPlan, steps_for
from winnow.columns import read_columns
from winnow.errors import BudgetError, DataError
from winnow.mixing.asked import resolved
from winnow.mixing.record import mixture_record
from winnow.mixing.schedule import Schedule
from winnow.mixing.sources import IntArray, SourceTokens, source_seed
from winnow.mixing.token_order import token_order
from winnow.models.rows import TokenRows
from winnow.parts import TrainPart
from winnow.recipe import MixtureRecipe
from winnow.records import Stored

ATTEMPTS = 20
"""At an order that ends where the budget does; two or three are enough, as it scales with the tokens."""


@dataclass(frozen=True)
class MixedOrder:
    """The visits of a run."""

    schedule: Schedule
    sources: NDArray[np.int16]
    """[visits]: number of the source that each is to."""
    rows: IntArray
    """[visits]: number of the row."""


@dataclass(frozen=True)
class MixedRows:
    """The rows of a run by source, and how they are to be mixed."""

    mixture: MixtureRecipe
    names: tuple[str, ...]
    """Sources in the recipe's order, which decides ties."""
    members: tuple[IntArray, ...]
    """By source: its rows."""
    lengths: IntArray
    """[rows]: tokens of each."""
    seed: int

    @cached_property
    def sizes(self) -> list[SourceTokens]:
        """What each source holds for training; how many bytes that is nobody counts."""
        return [
            SourceTokens(name, int(self.lengths[own].sum()), len(own), 0)
            for name, own in zip(self.names, self.members, strict=True)
        ]

    def order(self, allowed: Allowance, flops: NDArray[np.float64]) -> MixedOrder:
        """The visits that a budget pays for; the run ends before the first one too many.

        Where shares change, they do so over the tokens of the run. A budget in another unit tells these only with the
        order: guessed from the mean row, and mended until the order ends where the budget does. Raises BudgetError
        where not one row fits.
        """
        costs = {"visits": np.ones(len(self.lengths)), "tokens": self.lengths.astype(np.float64), "flops": flops}
        each, tokens = costs[allowed.unit], self._guess(costs[allowed.unit], allowed)
        for attempt in range(ATTEMPTS):
            found = self._read(tokens)
            spent = np.cumsum(each[found.rows])
            beyond = spent[-1] - allowed.amount
            is_near = found.schedule.is_constant or beyond <= 2 * each.max() or attempt > ATTEMPTS // 2
            if beyond >= -1e-9 * allowed.amount and is_near:
                break
            tokens = max(1, int(tokens - beyond / spent[-1] * tokens) + (1 if beyond > 0 else int(self.lengths.max())))
        visits = int(np.searchsorted(spent, allowed.amount * (1 + 1e-12), side="right"))
        if visits == 0:
            raise BudgetError(f"a budget of {allowed.amount:.3g} {allowed.unit} is less than one example; raise it")
        return MixedOrder(found.schedule, found.sources[:visits], found.rows[:visits])

    def plan(self, order: MixedOrder, flops: NDArray[np.float64], *, global_batch_size: int) -> VisitPlan:
        """How far these visits go."""
        visits, examples = len(order.rows), len(self.lengths)
        return VisitPlan(
            examples=examples, visits=visits, steps=steps_for(visits, global_batch_size), epochs=visits / examples,
            tokens=int(self.lengths[order.rows].sum()), flops=float(flops[order.rows].sum()),
        )  # fmt: skip

    def record(self, order: MixedOrder) -> dict[str, Any]:
        """What records say of what a run reads; see `mixture_record`."""
        return mixture_record(
            order.schedule, self.names, [size.tokens for size in self.sizes],
            sources=order.sources, tokens=self.lengths[order.rows],
        )  # fmt: skip

    def _guess(self, costs: NDArray[np.float64], allowed: Allowance) -> int:
        """Tokens of a run that spends about this much, at the mean cost of a token."""
        if allowed.unit == "tokens":
            return max(1, int(allowed.amount))
        return max(1, int(allowed.amount * self.lengths.sum() / costs.sum()))

    def _read(self, tokens: int) -> MixedOrder:
        schedule = resolved(self.mixture, self.sizes, tokens=tokens).schedule
        lengths = [(int(self.lengths[row]) for row in self._stream(number)) for number in range(len(self.names))]
        sources = token_order(schedule, self.names, lengths, tokens=tokens)
        rows = np.empty(len(sources), dtype=np.int64)
        for number in range(len(self.names)):
            places = np.flatnonzero(sources == number)
            rows[places] = list(islice(self._stream(number), len(places)))
        return MixedOrder(schedule, sources, rows)

    def _stream(self, number: int) -> Iterator[int]:
        """The rows of a source, epoch after epoch, without end."""
        own, epoch = self.members[number], 0
        while True:
            drawn = np.random.default_rng(source_seed(self.seed, self.names[number], epoch))
            yield from own[drawn.permutation(len(own))].tolist()
            epoch += 1


def mixed_rows(part: TrainPart, inputs: Mapping[str, Stored], rows: TokenRows) -> MixedRows | None:
    """The rows by source; None where the run has no mixture of examples.

    Raises DataError where none of the run's rows is of some source.
    """
    if part.mixture is None or part.sources is None or part.training.method == "none":
        return None
    folder = inputs["data"].folder
    tables = [read_columns(path, ["id", "source"]) for name in ("train", "target")
              if (path := folder / f"{name}.parquet").is_file()]  # fmt: skip
    source_of = {
        name: source for table in tables
        for name, source in zip(table["id"].to_pylist(), table["source"].to_pylist(), strict=True)
    }  # fmt: skip
    return by_source(part.mixture, part.sources, [source_of[name] for name in rows.names], rows.lengths, seed=part.seed)


def by_source(
    mixture: MixtureRecipe, names: Sequence[str], source_of_row: Sequence[str], lengths: IntArray, *, seed: int
) -> MixedRows:
    """Rows by source. Raises DataError where a source has none."""
    sources = np.array(source_of_row)
    members = tuple(np.flatnonzero(sources == name) for name in names)
    empty = next((name for name, own in zip(names, members, strict=True) if not len(own)), None)
    if empty is not None:
        raise DataError(
            f"none of the rows that are trained on is of source {empty!r}, and `mixture` shares tokens among all "
            "sources; select some of each (selector within_sources), or leave it out of pool.sources"
        )
    return MixedRows(mixture, tuple(names), members, lengths, seed)
