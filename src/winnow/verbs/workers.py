"""More processes that walk the same study, so that runs train side by side.

Each walks all stages and takes those that no other one holds; which of them made a stage never shows in a result. What
each did, and the error of one that died, stands in the study folder: `logs/worker_2.log` and on; the first worker is
the command itself.
"""

import os
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from winnow import stopping
from winnow.errors import visible
from winnow.models.usual_modules import with_usual_modules
from winnow.pipeline import selector_traits, store_beside, study_folder
from winnow.recipe import Recipe
from winnow.records import Progress
from winnow.store import Store
from winnow.study.graph import expand
from winnow.walk import Watch, walk_stages, wanted

MOST = 8
LOGS = "logs"
"""Folder of the workers' logs, in the study folder."""


def default_workers(recipe: Recipe) -> int:
    """How many runs fit side by side: the cores over the threads of one run's processes; one on an accelerator."""
    if _has_accelerator():
        return 1
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(MOST, cores // (recipe.training.threads * recipe.machine.devices)))


@contextmanager
def helpers(
    recipe: Recipe, *, count: int, out: str | Path | None, store: str | Path | None, arm: str | None, seed: int | None
) -> Iterator[Callable[[], None]]:
    """What starts `count` more processes, once there is something to make.

    They end by themselves when nothing is left, or with the block. Warns of each that died, with its log.
    """
    place = str(store_beside(recipe, out, store).root.absolute())
    logs = study_folder(recipe, out).absolute() / LOGS
    started: dict[Path, subprocess.Popen[bytes]] = {}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "recipe.json"
        file.write_text(with_usual_modules(recipe).model_dump_json(), encoding="utf-8")
        asked = [str(file), place, arm or "", "" if seed is None else str(seed)]
        command = [sys.executable, "-m", "winnow.verbs.workers", *asked]

        def start() -> None:
            logs.mkdir(parents=True, exist_ok=True)
            for number in range(2, count + 2):
                log = logs / f"worker_{number}.log"
                with log.open("ab") as file:
                    started[log] = subprocess.Popen(command, stdout=file, stderr=file)

        try:
            yield start
        finally:
            died = {log: process.returncode for log, process in started.items() if process.poll() not in ENDS}
            for process in started.values():
                process.terminate()
            for process in started.values():
                process.wait()
            for log, code in died.items():
                warnings.warn(
                    f"worker {log.stem} died ({_why(code)}) and left its work to the others; see {log}", stacklevel=2
                )


ENDS = None, 0, stopping.EXIT_CODE
"""How a worker may leave: it still walks, nothing was left, or it was asked to stop."""


def _why(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"


class _Log(Watch):
    """A line for each stage that begins and ends, on standard error."""

    @contextmanager
    def stage(self, name: str, kind: str) -> Iterator[Progress]:
        """A stage is being made."""
        started = time.perf_counter()
        _say(f"making {name}")
        with super().stage(name, kind) as progress:
            yield progress
        _say(f"made {name} in {time.perf_counter() - started:.1f} s")


def _say(line: str) -> None:
    print(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {visible(line)}", file=sys.stderr, flush=True)


def _has_accelerator() -> bool:
    """Without importing torch, which takes seconds."""
    return Path("/dev/nvidia0").exists()


def work(recipe_file: str, store: str, arm: str, seed: str) -> None:
    """What a helper process does: walk until nothing is left that it could make."""
    recipe = Recipe.model_validate_json(Path(recipe_file).read_text(encoding="utf-8"))
    graph = expand(recipe, selector_traits())
    names = wanted(graph, arm=arm or None, seed=int(seed) if seed else None)
    walk_stages(graph, recipe, Store(store), names, _Log())


def _end_with_parent() -> None:
    """Leave at once when the process that started this one is gone, however it went."""
    parent = os.getppid()
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


if __name__ == "__main__":
    from winnow.quiet import quiet_libraries

    quiet_libraries()
    threading.Thread(target=_end_with_parent, daemon=True).start()
    stopping.listen()
    try:
        work(*sys.argv[1:])
    except stopping.Stopped:
        sys.exit(stopping.EXIT_CODE)
