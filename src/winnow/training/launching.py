"""Start the ranks of a run on this machine, watch them, and end them all when one of them ends.

    outcome = together(train_as, 2, part, inputs, context, progress=context.progress)

Each rank is a fresh process (spawned, as CUDA asks for), and they meet over a file: gloo on the CPU, NCCL on CUDA.
What the first rank gives back, its progress, its warnings and every rank's error come through a pipe. Nothing is
started again here: a run goes on from its checkpoint when its command is run again, as after any other kill.
"""

import multiprocessing
import os
import pickle
import signal
import sys
import tempfile
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, NoReturn, TextIO

import torch
from torch import distributed

from winnow import stopping
from winnow.errors import RecipeError, TrainingError, WinnowError
from winnow.quiet import quiet_libraries
from winnow.records import Progress, Silent
from winnow.training.ranks import Ranks

START_METHOD = "spawn"
TICK_SECONDS = 0.2
GRACE_SECONDS = 5.0
"""How long the other ranks may go on after one has failed, so that the cause is told apart from what follows."""
PATIENCE = timedelta(days=30)
"""How long a rank waits for the others, such as during an evaluation; a dead one is noticed otherwise."""


def check_devices(size: int) -> None:
    """Raises RecipeError where this machine has accelerators, but too few for so many ranks."""
    if torch.cuda.is_available() and torch.cuda.device_count() < size:
        raise RecipeError(
            f"machine.devices is {size}; this machine has {torch.cuda.device_count()} GPUs: set machine.devices to "
            "that, and training.gradient_accumulation_steps so that the global batch stays the same"
        )


def together(function: Callable[..., Any], size: int, *arguments: Any, progress: Progress) -> Any:
    """What `function(ranks, *arguments, progress)` gives back on the first of `size` ranks.

    `function` stands at the top of a module; it and its arguments are pickled. A script that comes here needs Python's
    `if __name__ == "__main__":`. Raises what a rank raised, TrainingError where one was killed, Stopped where this
    process was asked to stop and the ranks have written their checkpoint.
    """
    check_devices(size)
    with stopping.deferred(), _started(function, size, arguments) as ranks:
        return _watch(ranks, progress)


@dataclass(frozen=True)
class _Rank:
    number: int
    process: Any
    pipe: Connection


@contextmanager
def _started(function: Callable[..., Any], size: int, arguments: tuple[Any, ...]) -> Iterator[list[_Rank]]:
    _track_quietly()
    spawning: Any = multiprocessing.get_context(START_METHOD)
    folder = tempfile.TemporaryDirectory()
    ranks: list[_Rank] = []
    try:
        for number in range(size):
            ours, its = spawning.Pipe(duplex=False)
            given = (Ranks(number, size), str(Path(folder.name) / "meeting"), its, function, arguments)
            process = spawning.Process(target=_be_rank, args=given, name=f"rank {number}")
            process.start()
            its.close()  # so that ours ends when the process does
            ranks.append(_Rank(number, process, ours))
        yield ranks
    finally:
        for rank in ranks:
            rank.process.kill()
            rank.process.join()
            rank.pipe.close()
        folder.cleanup()


def _track_quietly() -> None:
    """Start the process by which Python clears the semaphores of ranks, so that it says nothing where a rank left some.

    Ranks are killed, or leave at once (`_leave`): what they made is the tracker's to clear, and our line is last.
    It has its warning filters from its command line, which Python makes from `sys.warnoptions`.
    """
    sys.warnoptions.append("ignore::UserWarning:multiprocessing.resource_tracker")
    try:
        resource_tracker.ensure_running()
    finally:
        sys.warnoptions.pop()


def _watch(ranks: list[_Rank], progress: Progress) -> Any:
    """Listen to the ranks until all of them have ended, or one has failed and the others had time to."""
    result, errors = None, dict[int, BaseException | None]()
    listening = {rank.pipe: rank for rank in ranks}
    is_told, failed_at = False, None
    while listening and (failed_at is None or time.monotonic() - failed_at < GRACE_SECONDS):
        if stopping.asked() and not is_told:
            is_told = True
            for rank in ranks:
                rank.process.terminate()
        for pipe in wait(list(listening), timeout=TICK_SECONDS):
            rank = listening[pipe]  # type: ignore[index]  # only our own pipes are waited for
            match _received(rank):
                case "progress", told:
                    progress.update(*told)
                case "warning", told:
                    warnings.warn_explicit(*told)
                case "result", result:
                    pass
                case "error", error:
                    errors[rank.number] = error
                case None:
                    del listening[rank.pipe]
                    rank.process.join()
                    if rank.process.exitcode != 0:
                        errors.setdefault(rank.number, None)
        failed_at = failed_at or (time.monotonic() if errors else None)
    if errors:
        raise _cause(errors, ranks)
    return result


def _received(rank: _Rank) -> Any:
    """The rank's next message; None where it has ended."""
    try:
        return rank.pipe.recv()
    except (EOFError, OSError):
        return None


def _cause(errors: dict[int, BaseException | None], ranks: list[_Rank]) -> BaseException:
    """Of all that went wrong: what a user can mend, else a rank that was killed, else what came first.

    The other ranks' complaints that the one that ended does not answer come after it.
    """
    told = [error for error in errors.values() if error is not None]
    for error in told:
        if isinstance(error, WinnowError | stopping.Stopped):
            return error
    codes = {number: ranks[number].process.exitcode for number, error in errors.items() if error is None}
    if any(code == -signal.SIGTERM for code in codes.values()) and stopping.asked():
        return stopping.Stopped()  # before it could listen
    for number, code in codes.items():
        how = f"was killed by {signal.Signals(-code).name}" if code and code < 0 else f"ended with code {code}"
        return TrainingError(
            f"rank {number} of {len(ranks)} {how}, so the run has ended (if nobody did that, its memory may have "
            "been at its end); run the same command again to go on from the last checkpoint"
        )
    return told[0]


# ------------------------------------------------------------------------------------------- inside a rank


class _Told:
    """Progress that is told to the process that started the ranks."""

    def __init__(self, pipe: Connection) -> None:
        self.pipe = pipe

    def update(self, done: float, total: float, note: str = "") -> None:
        self.pipe.send(("progress", (done, total, note)))


def _be_rank(
    ranks: Ranks, meeting: str, pipe: Connection, function: Callable[..., Any], arguments: tuple[Any, ...]
) -> None:
    """What a rank's process does."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    stopping.listen()
    quiet_libraries()
    _pass_on_warnings(ranks, pipe)
    try:
        _meet(ranks, meeting)
        given = function(ranks, *arguments, _Told(pipe) if ranks.is_first else Silent())
        distributed.destroy_process_group()
        if ranks.is_first:
            pipe.send(("result", given))
    except BaseException as error:
        pipe.send(("error", _portable(error)))
        _leave(1)
    _leave(0)


def _leave(code: int) -> NoReturn:
    """End this process at once: without waiting for ranks that wait for it, and without taking Python apart.

    Threads of libraries may ask for Python while that goes on; in those written in C++ it ends in SIGABRT, "terminate
    called without an active exception" (apache/arrow issue 34314, pytorch pull request 179291).
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _meet(ranks: Ranks, meeting: str) -> None:
    on_gpu = torch.cuda.is_available()
    if on_gpu:
        torch.cuda.set_device(ranks.number)
    distributed.init_process_group(
        "cpu:gloo,cuda:nccl" if on_gpu else "gloo",
        init_method=f"file://{meeting}", rank=ranks.number, world_size=ranks.size, timeout=PATIENCE,
    )  # fmt: skip


def _pass_on_warnings(ranks: Ranks, pipe: Connection) -> None:
    """The first rank's warnings go to the process that started it; the others would only repeat them."""

    def show(
        message: Warning | str, category: type[Warning], filename: str, lineno: int,
        file: TextIO | None = None, line: str | None = None,
    ) -> None:  # fmt: skip
        if ranks.is_first:
            pipe.send(("warning", (str(message), category, filename, lineno)))

    warnings.showwarning = show


def _portable(error: BaseException) -> BaseException:
    """The error with its traceback as a note; where it cannot be pickled, one that says the same."""
    error.add_note(traceback.format_exc())
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError("".join(traceback.format_exception(error)))
    return error


def _end_with_parent() -> None:
    """Leave at once when the process that started this one is gone, however it went."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
