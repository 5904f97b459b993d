"""How good every arm is at what the study declared, by seed: what effects, grids and fronts are made of."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from winnow.analysis.quality import levels
from winnow.analysis.study_folder import Study
from winnow.findings import ArmFacts, Comparison

Place = TypeVar("Place")


@dataclass(frozen=True)
class Measured:
    """Levels at the primary metric, aggregate and checkpoint."""

    metric: str
    where: str
    """Aggregate and checkpoint, in words."""
    unit: str
    """nats, points, or empty."""
    scale: float
    """From the metric's own number to the one with the unit."""
    sign: int
    """1 where higher is better, else -1."""
    levels: Mapping[str, Mapping[int, float]]
    """Arm -> level by seed."""

    @property
    def column(self) -> str:
        """What a column of gains is called."""
        return f"gain_{self.unit}" if self.unit else "gain"

    def gains(self, arm: str) -> dict[int, float]:
        """By seed, in the column's unit; higher is better."""
        return {seed: self.sign * self.scale * level for seed, level in self.levels.get(arm, {}).items()}


def measured(study: Study, arms: Sequence[ArmFacts]) -> Measured:
    """The arms at the study's declared question."""
    asked = study.recipe.study.primary
    facts = Comparison("", "", asked.metric, asked.aggregate, asked.checkpoint, "too few seeds")
    return Measured(
        metric=asked.metric,
        where=f"{asked.aggregate}, {asked.checkpoint} checkpoint",
        unit=facts.unit,
        scale=facts.scale,
        sign=1 if asked.metric == "exact_match" else -1,
        levels={arm.name: levels(study, arm.name, asked) for arm in arms},
    )


def largest_block(found: Collection[tuple[int, Place]]) -> tuple[list[int], list[Place]]:
    """Seeds and places of which every pair is there; as many pairs as that leaves when the emptiest seeds go first.

    Of two equally large blocks that with more seeds.
    """
    by_seed: dict[int, set[Place]] = {}
    for seed, place in found:
        by_seed.setdefault(seed, set()).add(place)
    fullest = sorted(by_seed, key=lambda seed: (-len(by_seed[seed]), seed))
    blocks = [
        (fullest[:num], set.intersection(*(by_seed[seed] for seed in fullest[:num])))
        for num in range(1, len(fullest) + 1)
    ]
    seeds, places = max(blocks, key=lambda block: (len(block[0]) * len(block[1]), len(block[0])), default=([], set()))
    return sorted(seeds), [place for place in dict.fromkeys(place for _, place in found) if place in places]
