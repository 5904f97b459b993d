"""More processes that walk the same study, so that runs train side by side.

Each walks all stages and takes those that no other one holds; which of them made a stage never shows in a result.
"""

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from winnow import stopping
from winnow.models.usual_modules import with_usual_modules
from winnow.pipeline import selector_traits, store_beside
from winnow.recipe import Recipe
from winnow.store import Store
from winnow.study.graph import expand
from winnow.walk import Watch, walk_stages, wanted

MOST = 8


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

    They end by themselves when nothing is left, or with the block.
    """
    place = str(store_beside(recipe, out, store).root.absolute())
    started: list[subprocess.Popen[bytes]] = []
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "recipe.json"
        file.write_text(with_usual_modules(recipe).model_dump_json(), encoding="utf-8")
        asked = [str(file), place, arm or "", "" if seed is None else str(seed)]
        command = [sys.executable, "-m", "winnow.verbs.workers", *asked]

        def start() -> None:
            started.extend(subprocess.Popen(command, stderr=subprocess.DEVNULL) for _ in range(count))

        try:
            yield start
        finally:
            for process in started:
                process.terminate()
            for process in started:
                process.wait()


def _has_accelerator() -> bool:
    """Without importing torch, which takes seconds."""
    return Path("/dev/nvidia0").exists()


def work(recipe_file: str, store: str, arm: str, seed: str) -> None:
    """What a helper process does: walk until nothing is left that it could make."""
    recipe = Recipe.model_validate_json(Path(recipe_file).read_text(encoding="utf-8"))
    graph = expand(recipe, selector_traits())
    names = wanted(graph, arm=arm or None, seed=int(seed) if seed else None)
    walk_stages(graph, recipe, Store(store), names, Watch())


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
