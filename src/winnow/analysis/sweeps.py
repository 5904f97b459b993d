"""What learning-rate sweeps found: each trial's rate, its validation loss, and what it cost."""

from winnow.analysis.study_folder import Study
from winnow.findings import Table
from winnow.ledger import dollars
from winnow.text.printing import EXA

COLUMNS = (
    "arm", "learning_rate", "validation_loss", "stable", "chosen", "steps", "exaflops", "seconds", "dollars",
)  # fmt: skip


def sweep_table(study: Study) -> Table:
    """One row per trial; empty where the recipe gives the learning rate."""
    price, asked = study.dollars_per_hour, study.recipe.study.sweep
    rows = tuple(
        {
            "arm": trial.arm, "learning_rate": trial.learning_rate, "validation_loss": trial.loss,
            "stable": trial.is_stable, "chosen": trial.is_chosen, "steps": trial.steps,
            "exaflops": trial.cost.flops / EXA, "seconds": trial.cost.seconds,
            "dollars": dollars(trial.cost.seconds, price),
        }
        for trial in study.trials
    )  # fmt: skip
    per = asked.per if asked is not None else "arm"
    data = {"arm": "its own data", "study": "this arm's data, for all arms"}.get(
        per, f"this arm's data, for all arms of its {per}"
    )
    note = (
        f"Trials on {data}, judged on validation; evaluation sets are not looked at. Charged to the arm, beside its "
        "budget. Stable: all losses are numbers, and validation never got worse than at the start, overfitting aside."
    )
    return Table("sweep", "Learning-rate sweep", rows, note, columns=COLUMNS)
