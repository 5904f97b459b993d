"""How good every arm is at what the study declared, by seed: what effects, grids and fronts are made of."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from winnow.analysis.levels import facts, levels
from winnow.analysis.quality import primary_question
from winnow.analysis.study_folder import Study
from winnow.findings import ArmFacts
from winnow.metrics import ALWAYS, Metric

Place = TypeVar("Place")


@dataclass(frozen=True)
class Measured:
    """Levels at the primary metric, aggregate and checkpoint."""

    metric: str
    """Its name, or that of a benchmark."""
    where: str
    """Aggregate and checkpoint, in words."""
    facts: Metric
    levels: Mapping[str, Mapping[int, float]]
    """Arm -> level by seed, in the unit of `level_column`."""

    @property
    def column(self) -> str:
        """What a column of gains is called."""
        return _with_unit("gain", self.facts.unit)

    @property
    def gap_column(self) -> str:
        """What a column of gaps to the best is called."""
        return _with_unit("gap", self.facts.unit)

    @property
    def level_column(self) -> str:
        """What a column of levels is called: by the metric, with the unit where its name does not tell it by itself."""
        unit = "percent" if self.facts.is_share else self.facts.unit
        return self.metric if self.metric in ALWAYS else _with_unit(self.metric, unit)

    def gains(self, arm: str) -> dict[int, float]:
        """By seed, in the column's unit; higher is better."""
        factor = self.facts.sign * self.facts.scale / level_scale(self.metric, self.facts)
        return {seed: factor * level for seed, level in self.levels.get(arm, {}).items()}


def level_scale(metric: str, known: Metric) -> float:
    """From a level as it is stored to the one in a column of levels."""
    return 1.0 if metric in ALWAYS else known.scale


def _with_unit(name: str, unit: str) -> str:
    return f"{name}_{unit}" if unit else name


def measured(study: Study, arms: Sequence[ArmFacts]) -> Measured:
    """The arms at the study's declared question."""
    asked = study.recipe.study.primary
    known, question = facts(study, asked.metric), primary_question(asked)
    scale = level_scale(asked.metric, known)
    found = {arm.name: levels(study, arm.name, question) for arm in arms}
    return Measured(
        metric=asked.metric,
        where=f"{asked.aggregate}, {asked.checkpoint} checkpoint",
        facts=known,
        levels={arm: {seed: scale * each for seed, each in by_seed.items()} for arm, by_seed in found.items()},
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
