"""What a run has done so far: its counts, its log of losses, its evaluations, its best step."""

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from winnow.records import Cost
from winnow.store import read_json, write_json

LOGGED_POINTS = 400
"""About so many points of the training loss are kept, each the mean since the one before."""


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
    micro_batch_size: int | None = None
    """Smaller than the recipe's where memory ran out."""

    def count_step(self, *, visits: int, cost: Cost, loss: float) -> None:
        """One optimizer step is done."""
        self.step += 1
        self.visits += visits
        self.spent += cost
        self.pending.append(loss)

    def log(self, learning_rate: float) -> None:
        """Keep a point: the mean loss of the steps since the last one, and the counts."""
        self.steps.append(
            {"step": self.step, "loss": sum(self.pending) / len(self.pending), "learning_rate": learning_rate}
            | self.counts()
        )
        self.pending.clear()

    def counts(self) -> dict[str, float]:
        """What is spent so far, as it stands in the records."""
        cost = dataclasses.asdict(self.spent)
        return {"visits": self.visits} | {key: cost[key] for key in cost if key != "flops_6n"}

    def add_evaluation(self, scores: dict[str, Any], cost: Cost) -> None:
        """An evaluation on the way is done."""
        self.evaluating += cost
        at = {"step": self.step} | self.counts() | {"evaluation_seconds": self.evaluating.seconds}
        self.evaluations.append(at | scores)

    def improves(self, value: float) -> bool:
        """Whether this validation loss is the lowest so far (the earliest wins ties); remembers it if so."""
        if not value < self.best_value:
            return False
        self.best_step, self.best_value = self.step, value
        return True

    def to_json(self) -> dict[str, Any]:
        """All of it, as JSON."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, tree: dict[str, Any]) -> "Tally":
        """The tally that `to_json` gave."""
        costs = {key: Cost(**tree[key]) for key in ("spent", "evaluating")}
        return cls(**(tree | costs))


class Journal:
    """What attempts spent, line by line, so that a resumed run knows what a kill made it do again."""

    def __init__(self, folder: Path) -> None:
        self._spent, self._wasted = folder / "spent.jsonl", folder / "wasted.json"

    def note(self, spent: Cost) -> None:
        """The run has come to this cost. Not synced: a kill of the process loses nothing of it."""
        with self._spent.open("a", encoding="utf-8") as file:
            file.write(json.dumps(dataclasses.asdict(spent)) + "\n")

    def resume(self, spent: Cost) -> None:
        """A new attempt goes on from `spent`; what the last one had beyond it was wasted."""
        lost = _beyond(self._last_line(), spent)
        write_json(self._wasted, dataclasses.asdict(self.wasted() + lost))
        self._spent.write_text("", encoding="utf-8")

    def wasted(self) -> Cost:
        """All that was done again, over all attempts."""
        return Cost(**read_json(self._wasted)) if self._wasted.exists() else Cost()

    def _last_line(self) -> Cost:
        lines = self._spent.read_text(encoding="utf-8").splitlines() if self._spent.exists() else []
        for line in reversed(lines):
            try:
                return Cost(**json.loads(line))
            except (ValueError, TypeError):  # the line that the kill cut short
                continue
        return Cost()


def _beyond(reached: Cost, kept: Cost) -> Cost:
    pairs = zip(dataclasses.astuple(reached), dataclasses.astuple(kept), strict=True)
    return Cost(*(max(0, after - before) for after, before in pairs))
