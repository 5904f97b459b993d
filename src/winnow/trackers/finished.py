"""Finished runs, sent to trackers: whatever a tracker lacks of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from winnow.recipe import TrackersRecipe
from winnow.trackers.courier import Courier
from winnow.trackers.following import send_missing
from winnow.trackers.interface import Parameters, Row, RunName, Values, open_tracker, wanted


@dataclass(frozen=True)
class FinishedRun:
    """All that a tracker is told of a run."""

    name: RunName
    parameters: Parameters = field(default_factory=dict)
    rows: Sequence[Row] = ()
    numbers: Values = field(default_factory=dict)
    """Costs, and scores on the whole evaluation sets."""
    texts: Mapping[str, str] = field(default_factory=dict)


def send(trackers: TrackersRecipe, runs: Sequence[FinishedRun]) -> list[Courier]:
    """Send the runs to all trackers, side by side; gives back those that failed, with their reasons."""
    couriers = []
    for tracker, options in wanted(trackers).items():
        courier = Courier(tracker)
        for run in runs:
            courier.ask(partial(_send_run, tracker, options, run))
        couriers.append(courier)
    for courier in couriers:
        courier.end()
    return [courier for courier in couriers if courier.failure is not None]


def _send_run(tracker: str, options: Any, finished: FinishedRun) -> None:
    run = open_tracker(tracker)(options, finished.name, finished.parameters)
    try:
        send_missing(run, finished.rows, run.steps())
        run.summarize(finished.numbers, finished.texts)
    finally:
        run.close()
