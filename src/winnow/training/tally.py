"""What a run has done so far: its counts, its log of losses, its evaluations, its best step."""

import dataclasses
import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from winnow import files
from winnow.errors import TrainingError
from winnow.records import Cost
from winnow.store import write_atomic

JOURNAL = "spent.jsonl"
LOGGED_POINTS = 400
"""About so many points of the training loss are kept, each the mean since the one before."""
NOT_LOGGED = "flops_6n", "dollars"
"""Costs that a point leaves out: one follows from its tokens, the other training does not have."""


@dataclass
class Tally:
    """Cumulative counts of one run; all of it is in every checkpoint."""

    step: int = 0
    visits: int = 0
    spent: Cost = Cost()
    evaluating: Cost = Cost()
    steps: list[dict[str, float]] = field(default_factory=list)
    evaluations: list[dict[str, Any]] = field(default_factory=list)
    best_step: int = 0
    best_value: float = float("inf")
    pending: list[float] = field(default_factory=list)
    """Losses since the last logged point."""
    pending_metrics: dict[str, list[float]] = field(default_factory=dict)
    """What the objective logs beside the loss, since the last logged point."""
    micro_batch_size: int | None = None
    """Smaller than the recipe's where memory ran out."""
    peak_memory_bytes: int = 0
    """What training took of an accelerator at the worst moment; 0 on a CPU."""

    def count_step(self, *, visits: int, cost: Cost, loss: float, metrics: Mapping[str, float]) -> None:
        """One optimizer step is done."""
        self.step += 1
        self.visits += visits
        self.spent += cost
        self.pending.append(loss)
        for name, value in metrics.items():
            self.pending_metrics.setdefault(name, []).append(value)

    def log(self, learning_rate: float) -> None:
        """Keep a point: the mean loss and metrics of the steps since the last one, and the counts."""
        means = {name: sum(values) / len(values) for name, values in self.pending_metrics.items()}
        self.steps.append(
            {"step": self.step, "loss": sum(self.pending) / len(self.pending), "learning_rate": learning_rate}
            | self.counts()
            | means
        )
        self.pending.clear()
        self.pending_metrics.clear()

    def counts(self) -> dict[str, float]:
        """What is spent so far, as it stands in the records."""
        cost = dataclasses.asdict(self.spent)
        return {"visits": self.visits} | {key: cost[key] for key in cost if key not in NOT_LOGGED}

    def add_evaluation(self, scores: dict[str, Any], cost: Cost) -> None:
        """An evaluation on the way is done."""
        self.evaluating += cost
        at = {"step": self.step} | self.counts() | {"evaluation_seconds": self.evaluating.seconds}
        self.evaluations.append(at | scores)

    def improves(self, value: float) -> bool:
        """Whether this loss is the lowest so far (the earliest wins ties); remembers it if so."""
        if not value < self.best_value:
            return False
        self.best_step, self.best_value = self.step, value
        return True

    @property
    def kept_step(self) -> int | None:
        """The step of the best weights so far; None where no evaluation gave a number yet."""
        return self.best_step if self.best_value < float("inf") else None

    def to_json(self) -> dict[str, Any]:
        """All of it, as JSON."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, tree: dict[str, Any]) -> "Tally":
        """The tally that `to_json` gave."""
        costs = {key: Cost(**tree[key]) for key in ("spent", "evaluating")}
        return cls(**(tree | costs))


class DivergedError(TrainingError):
    """The loss of a run is no number; `tally` is what it had done before."""

    def __init__(self, message: str, tally: Tally) -> None:
        super().__init__(message)
        self.tally = tally

    def __reduce__(self) -> tuple[type["DivergedError"], tuple[str, Tally]]:
        """Both parts of it, so that it comes whole out of another process."""
        return DivergedError, (str(self), self.tally)


class Journal:
    """What attempts spent, line by line, so that a resumed run knows what a kill made it do again.

    The first line holds what all earlier attempts wasted, the others how far this one has come. Steps and evaluations
    that were finished count; the one that a kill interrupts does not.
    """

    def __init__(self, folder: Path) -> None:
        self._place = folder / JOURNAL

    def note(self, spent: Cost) -> None:
        """The run has come to this cost. Not synced: a kill of the process loses nothing of it."""
        files.append(self._place, _line("spent", spent))

    def resume(self, spent: Cost) -> None:
        """A new attempt goes on from `spent`; what the last one had beyond it was wasted.

        One atomic write adds the waste and begins anew: a kill cannot make it count twice.
        """
        wasted = self.wasted() + _beyond(self.reached(), spent)
        write_atomic(self._place, _line("wasted", wasted) + _line("spent", spent))

    def wasted(self) -> Cost:
        """All that was done again, over all attempts; warns where the journal is damaged."""
        lines = self._lines()
        found = _parsed("wasted", lines[0]) if lines else Cost()
        if found is None:
            warnings.warn(f"{self._place} is damaged; what was wasted before is not counted", stacklevel=2)
        return found or Cost()

    def reached(self) -> Cost:
        """How far this attempt has come, by the last line that is whole: a kill may have cut short the one after it."""
        parsed = (_parsed("spent", line) for line in reversed(self._lines()))
        return next((cost for cost in parsed if cost is not None), Cost())

    def _lines(self) -> list[str]:
        return self._place.read_text(encoding="utf-8", errors="replace").splitlines() if self._place.exists() else []


class Unwritten(Journal):
    """The journal of a rank that keeps none, since the first one does."""

    def note(self, spent: Cost) -> None:
        """Nothing."""

    def resume(self, spent: Cost) -> None:
        """Nothing."""


def _line(key: str, cost: Cost) -> str:
    return json.dumps({key: dataclasses.asdict(cost)}) + "\n"


def _parsed(key: str, line: str) -> Cost | None:
    try:
        return Cost(**json.loads(line)[key])
    except (ValueError, TypeError, KeyError):
        return None


def _beyond(reached: Cost, kept: Cost) -> Cost:
    pairs = zip(dataclasses.astuple(reached), dataclasses.astuple(kept), strict=True)
    return Cost(*(max(0, after - before) for after, before in pairs))
