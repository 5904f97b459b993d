"""Trackio: a study is a project, a run is found again by its name; `trackio show` opens the page.

Everything goes into Trackio's folder on this machine (its environment variable TRACKIO_DIR says where), and `trackio
sync` sends a project on to a Hugging Face Space.
"""

import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from typing import Any

from winnow.recipe import TrackioRecipe
from winnow.trackers.interface import MARKER, Parameters, Row, RunName, TrackerRun, Values


def open_run(options: TrackioRecipe, name: RunName, parameters: Parameters) -> TrackerRun:
    """The run in Trackio, new or found again, with its parameters."""
    import trackio

    project = options.project or name.study
    with redirect_stdout(_OtherThreads(sys.stdout)):
        run = trackio.init(
            project=project, name=name.id, group=name.study, config=dict(parameters), resume="allow", embed=False,
            auto_log_gpu=False, auto_log_cpu=False,
        )  # fmt: skip
    return TrackioRun(run, project, name.id)


class TrackioRun:
    """A run in Trackio's local database."""

    def __init__(self, run: Any, project: str, name: str) -> None:
        from trackio.sqlite_storage import SQLiteStorage

        self._run = run
        self._rows: list[dict[str, Any]] = SQLiteStorage.get_logs(project, name)

    def steps(self) -> set[int]:
        """Steps whose rows the database had when the run was opened."""
        return {row["step"] for row in self._rows if MARKER in row}

    def log(self, rows: Sequence[Row]) -> None:
        """Hand rows to Trackio, which writes them within a second."""
        for step, values in rows:
            self._run.log(values, step=step)

    def summarize(self, numbers: Values, texts: Mapping[str, str]) -> None:
        """Hand over, as a row at step 0, what the database had not or had otherwise."""
        known = {key: value for row in self._rows for key, value in row.items()}
        new = {key: value for key, value in (numbers | dict(texts)).items() if known.get(key) != value}
        if new:
            self._run.log(new, step=0)

    def close(self) -> None:
        """Wait until Trackio has written everything."""
        with redirect_stdout(_OtherThreads(sys.stdout)):
            self._run.finish()


class _OtherThreads:
    """Standard output without what this thread prints: results are there, and Trackio's notices are none."""

    def __init__(self, stream: Any) -> None:
        self._stream, self._thread = stream, threading.get_ident()

    def write(self, text: str) -> int:
        """Write, unless this thread asks."""
        return len(text) if threading.get_ident() == self._thread else self._stream.write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
