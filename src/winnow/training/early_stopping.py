"""Early stopping: whether a run ends where its validation loss no longer falls (`training.early_stopping`).

It rests on the run's evaluations alone, which every checkpoint holds: a resumed run ends where it would have anyway.
"""

from winnow.budget import stopping_place
from winnow.recipe import TrainingRecipe
from winnow.training.tally import Tally


def ends_early(tally: Tally, training: TrainingRecipe) -> bool:
    """Whether the recipe's rule ends a run with these evaluations, of the target's kind where the best is chosen so.

    The one before training counts as the others do.
    """
    rule = training.early_stopping
    if rule is None:
        return False
    losses = [row.get("target_validation", row["validation"])["loss"] for row in tally.evaluations]
    return stopping_place(losses, patience=rule.patience, min_delta=rule.min_delta) is not None
