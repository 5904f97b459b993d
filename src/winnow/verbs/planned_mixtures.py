"""What the runs of a plan would read of each source of plain text."""

from collections.abc import Sequence
from dataclasses import dataclass

from winnow.mixing.asked import is_learned, proxies_of, resolved
from winnow.mixing.repeats import uses_of, warnings
from winnow.recipe import NATURAL
from winnow.study.arms import Arm
from winnow.verbs.planned_arms import PlannedArm
from winnow.verbs.planned_pool import PlannedPool


@dataclass(frozen=True)
class PlannedSource:
    """What one run of an arm reads of a source."""

    arm: str
    source: str
    share: float
    """Of the tokens of the run."""
    tokens: int
    unique_tokens: int
    epochs: float
    effective_tokens: int
    """Unique tokens that would be worth as much."""


def planned_mixtures(
    arms: Sequence[Arm], planned: Sequence[PlannedArm], pool: PlannedPool
) -> tuple[list[PlannedSource], list[str]]:
    """A row for each arm and source, and what to know of them; arms whose shares are learned have none yet.

    Raises RecipeError where the sources hold too little for what is asked.
    """
    rows, notes = list[PlannedSource](), list[str]()
    for arm, plan in zip(arms, planned, strict=True):
        is_natural = not arm.recipe.is_text and arm.recipe.mixture == NATURAL
        if not pool.sources or not plan.tokens or is_natural:
            continue
        if not arm.recipe.is_text and plan.fraction < 1:
            notes.append(f"{arm.name}: how often it reads each source depends on the rows that are selected")
            continue
        if is_learned(arm.recipe.mixture):
            proxies = proxies_of(arm.recipe.mixture, [source.name for source in pool.sources])
            notes.append(f"{arm.name}: its shares are learned from {len(proxies)} proxies, and not known before")
            continue
        schedule = resolved(arm.recipe.mixture, pool.sources, tokens=plan.tokens).schedule
        uses = uses_of(schedule, pool.sources, tokens=plan.tokens)
        notes += [f"{arm.name}: {line}" for line in warnings(uses)]
        rows += [
            PlannedSource(
                arm.name, use.source, use.share, round(use.tokens), use.unique_tokens, use.epochs,
                round(use.effective_tokens),
            )
            for use in uses
        ]  # fmt: skip
    return rows, notes
