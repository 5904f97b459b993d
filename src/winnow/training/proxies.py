"""The stage that trains a proxy: a small run at shares of its own, from which the shares of larger ones are learned.

It trains as the run does, on a fraction of its tokens. With repeats matched each source is cut to the same fraction, so
that it is repeated as often as it will be in the run; else a small run hardly repeats what the large one wears out.
"""

import dataclasses
from collections.abc import Mapping

from winnow.budget import allowance
from winnow.errors import BudgetError
from winnow.mixing.schedule import Schedule
from winnow.mixing.stage import write_schedule
from winnow.parts import ProxyPart, TrainPart
from winnow.recipe import BudgetRecipe
from winnow.records import Artifact, Context, Cost, Outcome, Stored
from winnow.training.stages import train_model
from winnow.training.text_rows import unique_rows

MIXTURE = "mixture"
"""Folder of the shares that it trains at."""


def train_proxy(part: ProxyPart, inputs: Mapping[str, Stored], context: Context) -> Outcome:
    """Leaves the trained weights, `last/`. Raises BudgetError where the fraction does not buy a row."""
    run, folder = _shortened(part, inputs), context.folder / MIXTURE
    folder.mkdir(exist_ok=True)
    write_schedule(folder, Schedule.constant(part.shares), list(part.shares))
    shares = Stored(Artifact(MIXTURE, MIXTURE, "", "", {}, {}, Cost(), {"charged_flops": 0.0}, {}), folder)
    outcome = train_model(run, {**inputs, MIXTURE: shares}, context)
    return dataclasses.replace(outcome, logs=(*outcome.logs, MIXTURE))


def _shortened(part: ProxyPart, inputs: Mapping[str, Stored]) -> TrainPart:
    """The run with a fraction of its budget, on a fraction of its sources where repeats are matched."""
    row_tokens = part.run.context_tokens
    assert row_tokens is not None
    allowed = allowance(
        part.run.budget, pool_examples=unique_rows(inputs, row_tokens=row_tokens),
        flops_per_second=part.run.flops_per_second, dollars_per_hour=part.run.dollars_per_hour,
    )  # fmt: skip
    if allowed.unit == "flops":
        return part.run.model_copy(update={"budget": BudgetRecipe(flops=allowed.amount * part.tokens_fraction)})
    rows = allowed.amount * part.tokens_fraction / (row_tokens if allowed.unit == "tokens" else 1)
    if rows < 1:
        raise BudgetError(
            f"a proxy of {part.tokens_fraction:g} of a run of {part.run.budget.text} is less than one row of "
            f"{row_tokens} tokens; raise tokens_fraction or the budget"
        )
    return part.run.model_copy(update={"budget": BudgetRecipe(examples=int(rows * (1 + 1e-12)))})
