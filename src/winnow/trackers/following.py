"""A run, told to trackers while it trains."""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from winnow.kinds import KINDS
from winnow.recipe import TrackersRecipe
from winnow.recipe.marks import asked
from winnow.records import Listener, Stage
from winnow.trackers.courier import Courier
from winnow.trackers.interface import Parameters, Row, RunName, TrackerRun, open_tracker, wanted
from winnow.trackers.rows import flat, rows_of

KEY_LENGTH = 12


@dataclass(frozen=True)
class Following:
    """Called where a run trains, tells it to trackers; plain data, since a run may have processes of its own."""

    trackers: TrackersRecipe
    name: RunName
    parameters: Parameters

    @contextmanager
    def __call__(self) -> Iterator[Listener]:
        """The listener of the run, inside the block. A tracker that fails is one warning, and is left alone."""
        told = [_Told(tracker, options, self) for tracker, options in wanted(self.trackers).items()]
        follower = _Follower(told)
        try:
            yield follower.hear
        except BaseException:
            follower.end(is_leaving=True)
            raise
        follower.end()


def following(trackers: TrackersRecipe, study: str, stage: Stage, fingerprint: str) -> Following:
    """How the run of a training stage is told to the trackers."""
    assert stage.arm is not None and stage.seed is not None
    name = name_of(study, stage.kind, stage.arm, stage.seed, fingerprint=fingerprint)
    return Following(trackers, name, parameters_of(stage))


def name_of(study: str, kind: str, arm: str, seed: int, *, fingerprint: str) -> RunName:
    """What trackers know an arm's run by."""
    told_as = KINDS[kind].told_as
    assert told_as is not None
    return RunName(study, told_as.format(arm=arm, seed=seed), fingerprint[:KEY_LENGTH])


def parameters_of(stage: Stage) -> Parameters:
    """What was asked of the run: the part of the recipe that its fingerprint holds."""
    return flat(({"arm": stage.arm} if stage.arm else {}) | asked(stage.part))


def send_missing(run: TrackerRun, rows: Sequence[Row], known: set[int]) -> None:
    """Send the rows whose steps are not among the known ones."""
    missing = [row for row in rows if row[0] not in known]
    if missing:
        run.log(missing)


class _Told:
    """One tracker and the run in it, opened on the courier's thread."""

    def __init__(self, tracker: str, options: Any, following: Following) -> None:
        self.courier = Courier(tracker)
        self._run: TrackerRun | None = None
        self._known: set[int] = set()
        """Steps that an earlier process sent."""
        self.courier.ask(partial(self._open, options, following))

    def _open(self, options: Any, following: Following) -> None:
        self._run = open_tracker(self.courier.tracker)(options, following.name, following.parameters)
        self._known = self._run.steps()

    def log(self, rows: list[Row]) -> None:
        assert self._run is not None
        send_missing(self._run, rows, self._known)

    def close(self) -> None:
        assert self._run is not None
        self._run.close()


class _Follower:
    """Hands to all trackers what they have not been handed."""

    def __init__(self, told: list[_Told]) -> None:
        self._told = told
        self._last_step = -1

    def hear(self, steps: Sequence[Mapping[str, Any]], evaluations: Sequence[Mapping[str, Any]]) -> None:
        """Hand over the rows since the last call; the first one has those before a resume."""
        if rows := rows_of(steps, evaluations, after=self._last_step):
            self._last_step = rows[-1][0]
            for each in self._told:
                each.courier.ask(partial(each.log, rows))
        self._drop_failed()

    def end(self, *, is_leaving: bool = False) -> None:
        """Wait for what is on its way."""
        for each in self._told:
            each.courier.ask(each.close)
        for each in self._told:
            each.courier.end(is_leaving=is_leaving)
        self._drop_failed()

    def _drop_failed(self) -> None:
        for each in [each for each in self._told if each.courier.failure is not None]:
            self._told.remove(each)
            warnings.warn(failure_text(each.courier), stacklevel=2)


def failure_text(courier: Courier) -> str:
    """What a user reads of a tracker that failed."""
    return (
        f"tracker {courier.tracker} failed ({courier.failure}); training goes on and the study folder gets every "
        f"record: `winnow track` sends them later"
    )
