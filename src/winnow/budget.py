"""From a budget to visits, steps, epochs, tokens and FLOPs.

A run visits the examples of its training set epoch by epoch, each epoch in a seeded order of its own. The order is
known before training, so the visit at which a budget ends is known exactly, and so is the number of steps.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from winnow.errors import BudgetError, NotAffordableError
from winnow.recipe import BudgetRecipe

CHARGES_SELECTION = ("flops", "seconds", "dollars")
"""Units that can express what a selection costs; in the others the tables show savings net of it."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """A budget in the unit in which a run counts: visits, tokens or reference FLOPs."""

    unit: str
    amount: float


@dataclass(frozen=True, slots=True)
class VisitPlan:
    """How far a run goes."""

    examples: int
    """Size of the training set."""
    visits: int
    """Examples seen, with repetition."""
    steps: int
    """Optimizer updates; the last may be smaller than a global batch."""
    epochs: float
    """Visits over examples."""
    tokens: int
    """Real tokens seen."""
    flops: float
    """Reference FLOPs of the training."""


def allowance(
    budget: BudgetRecipe,
    *,
    pool_examples: int,
    flops_per_second: float | None = None,
    dollars_per_hour: float = 0.0,
    spent_flops: float = 0.0,
) -> Allowance:
    """What training itself may use, in visits, tokens or FLOPs, after `spent_flops` of selection.

    Raises NotAffordableError where the selection alone costs more, BudgetError where a speed or price is missing.
    """
    unit, amount = budget.unit, budget.amount
    if unit == "pool_epochs":
        return Allowance("visits", float(int(amount * pool_examples + 1e-9)))
    if unit == "examples":
        return Allowance("visits", amount)
    if unit == "tokens":
        return Allowance("tokens", amount)
    flops = amount
    if unit in ("seconds", "dollars"):
        if flops_per_second is None:
            raise BudgetError(f"budget.{unit} needs machine.flops_per_second; write it or let `winnow run` measure it")
        if unit == "dollars":
            if dollars_per_hour <= 0:
                raise BudgetError("budget.dollars needs machine.dollars_per_hour above 0; write the machine's price")
            amount = amount / dollars_per_hour * 3600
        flops = amount * flops_per_second
    if flops <= spent_flops:
        raise NotAffordableError(
            f"not affordable: the selection costs {spent_flops:.3g} FLOPs of a budget of {flops:.3g}; "
            "raise the budget or choose a cheaper selector"
        )
    return Allowance("flops", flops - spent_flops)


def left_by(allowed: Allowance, share: float) -> Allowance:
    """What proxies leave a run whose budget they are paid out of, each of a share of that budget.

    Raises NotAffordableError where they take all of it.
    """
    if share >= 1:
        raise NotAffordableError(
            f"not affordable: the proxies take {share:.3g} of the budget; lower tokens_fraction, or train fewer"
        )
    return Allowance(allowed.unit, allowed.amount * (1 - share))


def visit_order(examples: int, *, seed: int, epoch: int) -> NDArray[np.int64]:
    """The order in which an epoch visits the training set: a permutation, drawn from (seed, epoch)."""
    return np.random.default_rng([seed, epoch, 0x5EED]).permutation(examples)


def plan_visits(
    tokens: NDArray[np.int64], flops: NDArray[np.float64], *, allowed: Allowance, global_batch_size: int, seed: int
) -> VisitPlan:
    """The plan of a run over examples of these lengths and costs: it ends before the first visit too many.

    Raises BudgetError where not even one example can be visited.
    """
    per_example = {"visits": np.ones(len(tokens)), "tokens": tokens.astype(np.float64), "flops": flops}[allowed.unit]
    epoch_cost = float(per_example.sum())
    epochs = int(allowed.amount / epoch_cost * (1 + 1e-12))
    order = visit_order(len(tokens), seed=seed, epoch=epochs)
    spent = epochs * epoch_cost + np.cumsum(per_example[order])
    rest = int(np.searchsorted(spent, allowed.amount * (1 + 1e-12), side="right"))
    visits = epochs * len(tokens) + rest
    if visits == 0:
        raise BudgetError(f"a budget of {allowed.amount:.3g} {allowed.unit} is less than one example; raise it")
    part = order[:rest]
    return VisitPlan(
        examples=len(tokens),
        visits=visits,
        steps=steps_for(visits, global_batch_size),
        epochs=visits / len(tokens),
        tokens=int(epochs * int(tokens.sum()) + int(tokens[part].sum())),
        flops=float(epochs * flops.sum() + flops[part].sum()),
    )


def plan_rows(
    allowed: Allowance, *, unique_rows: int, row_tokens: int, row_flops: float, global_batch_size: int
) -> VisitPlan:
    """The plan of a run over rows of one length and cost: whole steps alone, unless it has less than one.

    Raises BudgetError where not even one row fits.
    """
    each = {"visits": 1.0, "tokens": float(row_tokens), "flops": row_flops}[allowed.unit]
    rows = int(allowed.amount / each * (1 + 1e-12))
    if rows == 0:
        raise BudgetError(
            f"a budget of {allowed.amount:.3g} {allowed.unit} is less than one row of {row_tokens} tokens; raise it"
        )
    visits = rows - rows % global_batch_size if rows >= global_batch_size else rows
    return VisitPlan(
        examples=unique_rows, visits=visits, steps=steps_for(visits, global_batch_size), epochs=visits / unique_rows,
        tokens=visits * row_tokens, flops=visits * row_flops,
    )  # fmt: skip


def run_tokens(allowed: Allowance, *, row_tokens: int, row_flops: float | None = None) -> int:
    """Tokens of the rows of plain text that an allowance buys, one row at least; one in FLOPs needs those of a row."""
    assert row_flops is not None or allowed.unit != "flops"
    each = {"visits": 1.0, "tokens": float(row_tokens), "flops": row_flops or 1.0}[allowed.unit]
    return max(1, int(allowed.amount / each * (1 + 1e-12))) * row_tokens


def plan_no_visits(examples: int) -> VisitPlan:
    """The plan of a run that leaves its start as it is."""
    return VisitPlan(examples, visits=0, steps=0, epochs=0.0, tokens=0, flops=0.0)


def steps_for(visits: int, global_batch_size: int) -> int:
    """Optimizer steps for so many visits; a smaller last batch counts as one."""
    return -(-visits // global_batch_size)


def stopping_place(losses: Sequence[float], *, patience: int, min_delta: float = 0.0) -> int | None:
    """The place in a run's losses at which `patience` of them in a row had been no better than the best before.

    Better is lower by more than `min_delta`. None where that never happened.
    """
    best, waited = math.inf, 0
    for place, loss in enumerate(losses):
        waited = 0 if loss < best - min_delta else waited + 1
        best = loss if waited == 0 else best
        if waited == patience:
            return place
    return None


def selected_size(fraction: float, pool_examples: int) -> int:
    """Examples in a selection: gamma x n rounded half up, at least one."""
    return max(1, int(fraction * pool_examples + 0.5 + 1e-9))  # 0.145 x 100 is 14.499999999999998 in floats


def epochs_at_equal_visits(pool_epochs: float, fraction: float) -> float:
    """Epochs over a selection that give the visits of `pool_epochs` over the pool: gamma x epochs is constant."""
    return pool_epochs / fraction


def flops_6n(parameters: int, tokens: float) -> float:
    """The papers' convention: 6 FLOPs per parameter and token (Kaplan et al. 2020, section 2.1)."""
    return 6.0 * parameters * tokens


def tokens_from_flops(flops: float, parameters: int, epochs: float) -> float:
    """Tokens in one epoch, from a published FLOP count in the 6N convention."""
    return flops / (6.0 * parameters * epochs)
