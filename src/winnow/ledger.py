"""What was spent, what is charged to whom, what was wasted, and what it costs in dollars.

*Spent*: every artifact's cost, once. *Charged*: to an arm, everything its result rests on, reused or not, except
the base model (the same for all arms) and evaluation (metered, not charged). *Wasted*: redone work.
"""

from collections.abc import Collection, Iterable, Mapping
from decimal import ROUND_HALF_UP, Decimal

from winnow.kinds import meters
from winnow.records import Artifact, Cost

SHARED = "shared"
"""Meter of what a longer run had paid where a run branches from it: charged to the branch, spent by the other."""
CHARGED_METERS = (*meters(), SHARED)
SELECTION_METERS = meters("selection")
FLOATS_ARE_WHOLE = 2.0**53
NOT_CHARGED = ("audit", "reference", "trunk")
"""Roles of inputs whose cost is not the arm's own: features that only the summary reads, a control's reference, and a
longer run, of which a branch pays no more than it has of it."""


def dollars(seconds: float, dollars_per_hour: float) -> float:
    """Price of so much wall time on the whole machine."""
    return seconds / 3600 * dollars_per_hour


def round_half_up(value: float, places: int = 2) -> float:
    """Rounded as in a printed table: half away from zero, on the decimal spelling of the number."""
    if abs(value) >= FLOATS_ARE_WHOLE:  # Decimal has no digits left to round
        return float(value)
    step = Decimal(1).scaleb(-places)
    return float(Decimal(repr(float(value))).quantize(step, rounding=ROUND_HALF_UP))


def total(costs: Iterable[Cost]) -> Cost:
    """The sum of costs."""
    return sum(costs, Cost())


def spent(artifact: Artifact) -> Cost:
    """What making an artifact used, evaluation and all."""
    return total(cost for meter, cost in artifact.costs.items() if meter != SHARED)


def metered(artifact: Artifact, meters: Iterable[str]) -> Cost:
    """What one artifact used under these meters."""
    return total(cost for meter, cost in artifact.costs.items() if meter in meters)


def charged_stages(
    name: str, inputs: Mapping[str, Mapping[str, str]], *, except_below: Collection[str] = ()
) -> list[str]:
    """The stage and all stages that it is charged for, each once, found along the edges (stage -> role -> stage).

    The stages in `except_below`, and what only they rest on, are left out.
    """
    found = [name]
    for stage in found:
        below = [at for role, at in inputs.get(stage, {}).items() if role not in NOT_CHARGED and at not in except_below]
        found += [at for at in dict.fromkeys(below) if at not in found]
    return found
