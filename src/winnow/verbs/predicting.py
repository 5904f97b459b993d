"""What a run is predicted to use, kept in the study folder before it trains: its findings show both side by side.

    keep_predictions(folder, recipe, graph.arms, walk, store.root)

An arm is predicted once, when it is first about to run; a study that is extended predicts what is new. It costs a
moment where arithmetic knows the architecture, else what `winnow plan` costs.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from winnow.recipe import Recipe
from winnow.records import Prediction, Stored, to_json
from winnow.store import sealed, write_json
from winnow.study.arms import Arm
from winnow.study.predictions import PREDICTED, read_predictions, trained_arms
from winnow.text.printing import EXA
from winnow.verbs.planned_arms import PlannedArm, planned_arms, trainings_of
from winnow.verbs.planned_pool import pool_of, text_pool_of
from winnow.verbs.planned_speed import speed_for
from winnow.verbs.remembered import Remembered
from winnow.walk import Walk


def keep_predictions(folder: Path, recipe: Recipe, arms: Sequence[Arm], walk: Walk, store: Path) -> None:
    """Leave predictions of the arms that have none yet and have not trained; the others' stay as they are.

    The walk has pool and evaluation sets. What has to be done before it makes a first stage is done before this, too:
    a study that is refused leaves nothing in its folder.
    """
    known = read_predictions(folder)
    new = [arm.name for arm in arms if arm.name not in {*known, *trained_arms(folder)}]
    if new:
        walk.begin()
        made = predictions(recipe, list(arms), walk.done, folder=folder, store=store)
        known |= {name: made[name] for name in new if name in made}  # none of an arm that cannot pay for its selection
        write_json(folder / PREDICTED, sealed({"arms": {name: to_json(each) for name, each in known.items()}}))


def predictions(
    recipe: Recipe, arms: list[Arm], done: Mapping[str, Stored], *, folder: Path, store: Path
) -> dict[str, Prediction]:
    """Arm -> what one of its runs is predicted to use."""
    pool = pool_of(done) if recipe.row_tokens is None else text_pool_of(recipe, done)
    trained = next((arm for arm in arms if arm.recipe.training.method != "none"), arms[0])
    speed, _ = speed_for(recipe, trained.recipe, pool, folder)
    planned = planned_arms(recipe, arms, trainings_of(arms, pool, Remembered(store)), pool, speed)
    return {arm.name: _of(arm) for arm in planned if not arm.note}


def _of(arm: PlannedArm) -> Prediction:
    return Prediction(
        steps=arm.steps, tokens=arm.tokens, flops=EXA * arm.exaflops, seconds=arm.train_seconds,
        memory_bytes=arm.memory_bytes, evaluation_flops=EXA * arm.evaluation_exaflops,
        evaluation_seconds=arm.evaluation_seconds, dollars=arm.dollars + arm.evaluation_dollars,
    )  # fmt: skip
