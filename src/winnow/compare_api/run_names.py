"""Whose a file is that others wrote: `full:0=outputs/a/trainer_state.json`, or a folder named full_s0.

    split("full:0=logs.csv")               # RunName("full", 0), "logs.csv"
    named_in("outputs/full_s0/logs.csv")   # RunName("full", 0)

Trainers write no seed into what they log, so it has to be said, or to stand in a name as the folders of
`winnow compare --recipe` have it: <arm>_s<seed>.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import NamedTuple

from winnow.errors import DataError

PREFIX = re.compile(r"(?P<arm>[^=/\\:]+):(?P<seed>\d{1,19})=(?P<rest>.+)", re.DOTALL)
NAME = re.compile(r"(?P<arm>.+)_s(?P<seed>\d{1,19})")
ASSIGNED = re.compile(r"(?P<name>.+)=(?P<arm>[^=:]+):(?P<seed>\d{1,19})", re.DOTALL)


class RunName(NamedTuple):
    """An arm and a seed."""

    arm: str
    seed: int


@dataclass(frozen=True)
class Names:
    """How the runs of files are called."""

    columns: Mapping[str, str]
    """Part (arm, seed, metric, value, step) -> the column, parameter or tag that holds it."""
    runs: Mapping[str, RunName]
    """A run's name in a tracker -> whose it is."""

    def column(self, part: str) -> str:
        """The column of a part."""
        return self.columns.get(part, part)

    def of(self, name: str, place: str) -> RunName:
        """Whose a run of this name in a tracker is. Raises DataError where nothing says it."""
        found = self.runs.get(name) or of_name(name)
        if found is None:
            raise DataError(
                f"{place} has a run named {name!r}, which does not say arm and seed; say --run '{name}=ARM:SEED', or "
                "name runs <arm>_s<seed>"
            )
        return found


PARTS = ("arm", "seed", "metric", "value", "step")


def names_of(columns: Mapping[str, str], runs: Mapping[str, str]) -> Names:
    """The names, checked. Raises DataError for an unknown part, or a run that is not given as ARM:SEED."""
    for part in columns:
        if part not in PARTS:
            raise DataError(f"columns names {part!r}; it may name {', '.join(PARTS)}")
    given = {name: split(f"{told}=x")[0] for name, told in runs.items()}
    for name, run in given.items():
        if run is None:
            raise DataError(f"run {name!r} is given as {runs[name]!r}; write ARM:SEED, such as full:0")
    return Names(dict(columns), {name: run for name, run in given.items() if run is not None})


def assigned(words: list[str]) -> dict[str, str]:
    """Of `NAME=ARM:SEED` on the command line: name -> ARM:SEED. Raises DataError."""
    found = [ASSIGNED.fullmatch(word) for word in words]
    for word, match in zip(words, found, strict=True):
        if match is None:
            raise DataError(f"--run is {word!r}; write NAME=ARM:SEED, such as glowing-sun-12=full:0")
    return {match["name"]: f"{match['arm']}:{match['seed']}" for match in found if match is not None}


def split(given: str) -> tuple[RunName | None, str]:
    """Whose a file is where its path says so in front, and the path."""
    match = PREFIX.fullmatch(given)
    return (None, given) if match is None else (RunName(match["arm"].strip(), int(match["seed"])), match["rest"])


def of_name(name: str) -> RunName | None:
    """Of `full_s0`; None where a name is not made so."""
    match = NAME.fullmatch(name)
    return None if match is None else RunName(match["arm"], int(match["seed"]))


def named_in(path: str) -> RunName:
    """Whose a file is by its own name or that of the nearest folder above that has such a one.

    Raises DataError where none has.
    """
    place = PurePath(path)
    names = [place.name.partition(".")[0], place.stem, place.name, *reversed(place.parts[:-1])]
    found = next((run for run in map(of_name, names) if run is not None), None)
    if found is None:
        raise DataError(
            f"{path} does not say whose it is; write ARM:SEED={path}, such as full:0={path}, or put it into a folder "
            "named <arm>_s<seed>"
        )
    return found
