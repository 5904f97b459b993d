"""Branch and cool down: shorter runs out of one long run, at the price of their last steps.

A long run keeps whole checkpoints on its way (`keep_at`, `keep_every_steps`). A run of another length goes on from the
last of them that comes before its cooldown: same examples in the same order, same optimizer, same learning rate, until
in its last steps the rate falls to zero (Hu et al. 2024; several lengths out of one run: Hägele et al. 2024). It ends
in the bits of a run of that length from the start, whichever checkpoint it goes on from.
"""

import shutil
from collections.abc import Sequence
from dataclasses import astuple
from pathlib import Path

from winnow.errors import RecipeError
from winnow.parts import TrainPart
from winnow.records import Cost, Stored
from winnow.store import read_json, write_folder
from winnow.training import checkpoints
from winnow.training.schedule import Cooldown
from winnow.training.tally import Tally

BRANCHES = "branches"
"""Where a long run's kept checkpoints stand, in its folder and in its artifact."""


def kept_steps(part: TrainPart, steps: int) -> frozenset[int]:
    """The steps of a run of this length after which its whole state is kept."""
    every = part.keep_every_steps or steps + 1
    return frozenset([*range(every, steps + 1, every), *(max(1, round(share * steps)) for share in part.keep_at)])


def branch_points(part: TrainPart, steps: int, ends: Sequence[int]) -> frozenset[int]:
    """The steps at which shorter runs, which end at these steps in the order of `keep_for`, leave one of `steps`."""
    pairs = zip(part.keep_for, ends, strict=True)
    return frozenset(Cooldown(steps, each.fraction).begins(end) for each, end in pairs)


def until_cooled_down(part: TrainPart) -> TrainPart:
    """The part with the budget at which the run ends: of a branch, its own."""
    return part if part.cooldown is None else part.model_copy(update={"budget": part.cooldown.budget})


def cooldown_of(part: TrainPart, steps: int, long_steps: int) -> Cooldown:
    """How a branch ends that comes to `steps`, of a run of `long_steps`.

    Raises RecipeError where the branch is the longer one.
    """
    assert part.cooldown is not None
    if steps > long_steps:
        raise RecipeError(
            f"a cooldown ends at step {steps} of a run that has {long_steps}; lower the budget of the stage with "
            "`cooldown_of`, or raise that of the run which it names"
        )
    return Cooldown(long_steps, part.cooldown.fraction)


def branch_off(trunk: Stored, folder: Path, *, latest: int) -> Tally:
    """Put the long run's last whole checkpoint up to step `latest` into `folder`, unless the branch has its own there.

    With the best weights of the long run until then, if it kept any. Gives back what it had done by then: nothing where
    the cooldown begins at once. Raises RecipeError where it kept no checkpoint so early.
    """
    if latest == 0:
        return Tally()
    source = checkpoints.newest_place(trunk.folder / BRANCHES, latest=latest)
    if source is None:
        raise RecipeError(
            f"the cooldown begins at step {latest} of stage {trunk.artifact.name!r}, which keeps no checkpoint up to "
            "there; add one by its keep_at or keep_every_steps"
        )
    if checkpoints.newest_place(folder) is None:
        checkpoints.copy_best(trunk.folder / BRANCHES, folder, checkpoints.best_of(source))
        write_folder(folder / source.name, lambda place: shutil.copytree(source, place, dirs_exist_ok=True))
    return Tally.from_json(read_json(source / checkpoints.COUNTS))


def without(spent: Cost, before: Cost) -> Cost:
    """What was spent after `before`."""
    return Cost(*(after - first for after, first in zip(astuple(spent), astuple(before), strict=True)))
