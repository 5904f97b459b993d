"""Progress on standard error: one bar for the stage at work, one for the study."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from winnow.errors import visible
from winnow.records import Progress as StageProgress
from winnow.walk import Watch

QUIET_SECONDS = 15.0
"""Between two lines of progress where standard error is no terminal."""


class Bars(Watch):
    """Rich bars where there is a terminal, a line now and then where there is none."""

    def __init__(self) -> None:
        self.console = Console(stderr=True, markup=False, emoji=False)
        columns = _words("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
        self.progress = Progress(*columns, _words("{task.fields[note]}"), console=self.console, transient=True)
        self.study: TaskID | None = None
        self.said_at = 0.0
        self.at_first: Callable[[], None] | None = None
        """What is called once, when a first stage is about to be made."""

    @contextmanager
    def shown(self) -> Iterator["Bars"]:
        """Show the bars inside the block."""
        if not self.console.is_terminal:
            yield self
            return
        with self.progress:
            self.study = self.progress.add_task("study", total=None, note="")
            yield self

    @contextmanager
    def stage(self, name: str, kind: str) -> Iterator[StageProgress]:
        """A stage is being made."""
        started, start, self.at_first = time.perf_counter(), self.at_first, None
        if start is not None:
            start()
        if not self.console.is_terminal:
            yield _Lines(self, name)
            self.console.print(f"made {name} in {time.perf_counter() - started:.1f} s", highlight=False)
            return
        task = self.progress.add_task(name, total=None, note="")
        try:
            yield _Bar(self.progress, task)
        finally:
            self.progress.remove_task(task)

    def warned(self, warnings: Sequence[str]) -> None:
        """One line each."""
        for warning in warnings:
            self.console.print(f"warning: {warning}", highlight=False, markup=False, soft_wrap=True)

    def finished(self, done: int, total: int, waiting: bool) -> None:
        """So many of the stages are there."""
        if self.study is not None:
            note = "waiting for other workers" if waiting else ""
            self.progress.update(self.study, completed=done, total=total, note=note)


def _words(text: str) -> TextColumn:
    """Words as they are: brackets in a name are no markup."""
    return TextColumn(text, markup=False)


class _Bar:
    def __init__(self, progress: Progress, task: TaskID) -> None:
        self.progress, self.task = progress, task

    def update(self, done: float, total: float, note: str = "") -> None:
        """Move the bar."""
        spent = f"{done / total:.0%} of the budget spent, {note}" if note.startswith("loss") and total else note
        self.progress.update(self.task, completed=int(done), total=int(total), note=visible(spent))


class _Lines:
    def __init__(self, bars: Bars, name: str) -> None:
        self.bars, self.name, self.started = bars, name, time.perf_counter()

    def update(self, done: float, total: float, note: str = "") -> None:
        """Say a line, unless one was said a moment ago."""
        now = time.perf_counter()
        if now - self.bars.said_at < QUIET_SECONDS:
            return
        self.bars.said_at = now
        left = (now - self.started) / max(done, 1) * (total - done)
        text = f"{self.name}: {done:g} of {total:g} ({done / max(total, 1):.0%} spent), {note}, about {left:.0f} s left"
        self.bars.console.print(visible(text), highlight=False)
