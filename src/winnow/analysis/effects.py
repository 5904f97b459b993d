"""Effects: what each level of a factor does against the factor's first, all other factors being equal."""

from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean
from typing import Any

from winnow.analysis.gains import Measured, largest_block, measured
from winnow.analysis.quality import kind_of
from winnow.analysis.statistics import mean_interval, needed_seeds
from winnow.analysis.study_folder import Study
from winnow.findings import ArmFacts, Factor, Table

Row = dict[str, Any]
Combination = tuple[tuple[str, str], ...]
"""The levels of all other factors."""


def effects(study: Study, arms: Sequence[ArmFacts], factors: Sequence[Factor]) -> Table:
    """Each factor's levels against its first, paired over seeds and over all other factors; empty without factors."""
    found, confidence = measured(study, arms), study.recipe.study.confidence
    rows = [row for factor in factors for row in _effects_of(found, arms, factor, confidence)] if factors else []
    note = (
        f"In {found.metric.replace('_', ' ')} ({found.where}); a positive gain is better. Arms that differ in this "
        "factor alone are paired within each seed; a seed's differences are averaged over the combinations of all "
        f"other factors, and the {100 * confidence:g} % interval is Student's t over those averages. It covers other "
        "seeds: these levels of the other factors and these items stand. It is corrected for the levels that are "
        "compared with the first (Bonferroni), not for the number of factors. Least and most: the mean gain of single "
        "combinations; where they differ much, the average says little. Left out: pairs of runs without which every "
        "combination has every seed."
    )
    return Table("effects", "Effects of each factor", tuple(rows), note, ("level", "against") if factors else ())


def _effects_of(found: Measured, arms: Sequence[ArmFacts], factor: Factor, confidence: float) -> Iterator[Row]:
    first, *others = factor.levels
    for level in others:
        differences, num_pairs = pairs(found, arms, factor.name, first, level)
        seeds, combinations = largest_block(differences)
        averages = [fmean(differences[seed, each] for each in combinations) for seed in seeds]
        gain = mean_interval(averages, confidence, num_comparisons=len(others))
        means = [fmean(differences[seed, each] for seed in seeds) for each in combinations]
        kind, column = kind_of(gain), found.column
        yield {
            "factor": factor.name, "level": factor.value_of(level), "against": factor.value_of(first),
            "seeds": len(seeds), "combinations": len(combinations), "verdict": kind,
            column: gain.mean if gain else None, f"{column}_low": gain.low if gain else None,
            f"{column}_high": gain.high if gain else None,
            f"least_{column}": min(means, default=None), f"most_{column}": max(means, default=None),
            "needed_seeds": needed_seeds(averages, confidence, num_comparisons=len(others))
            if kind == "no difference shown" else None,
            "corrected_for": len(others), "left_out": num_pairs - len(seeds) * len(combinations),
        }  # fmt: skip


def pairs(
    found: Measured, arms: Sequence[ArmFacts], factor: str, first: str, level: str
) -> tuple[dict[tuple[int, Combination], float], int]:
    """Gains of `level` over `first` by seed and combination of all else, and how many there are once all runs are."""
    cells = [_by_combination(arms, factor, each) for each in (first, level)]
    combinations = [each for each in cells[0] if each in cells[1]]
    seeds = {seed for arm in arms for seed in found.gains(arm.name)}
    differences: dict[tuple[int, Combination], float] = {}
    for each in combinations:
        before, after = (found.gains(cell[each]) for cell in cells)
        differences |= {(seed, each): after[seed] - before[seed] for seed in sorted(before.keys() & after.keys())}
    return differences, len(seeds) * len(combinations)


def _by_combination(arms: Sequence[ArmFacts], factor: str, level: str) -> Mapping[Combination, str]:
    """The arms at a level, by what they are in all other factors."""
    return {
        tuple(sorted((name, each) for name, each in arm.factors.items() if name != factor)): arm.name
        for arm in arms if arm.factors.get(factor) == level
    }  # fmt: skip
