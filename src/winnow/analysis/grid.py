"""A grid of two factors: the mean of every cell, the best one, and which cells are not shown to be worse."""

from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean
from typing import Any

import numpy as np

from winnow.analysis.best_cells import may_be_best
from winnow.analysis.gains import Measured, largest_block, level_scale, measured
from winnow.analysis.statistics import mean_interval
from winnow.analysis.study_folder import Study
from winnow.findings import ArmFacts, Factor, Table

Row = dict[str, Any]


def axes_of(factors: Sequence[Factor]) -> tuple[Factor, Factor] | None:
    """The two factors of the grid: the first whose levels are numbers, then any; None with fewer than two."""
    if len(factors) < 2:
        return None
    first, second = sorted(factors, key=lambda factor: not factor.is_numeric)[:2]
    return first, second


def grid(study: Study, arms: Sequence[ArmFacts], factors: Sequence[Factor]) -> Table:
    """One row for each cell, for each combination of the other factors a grid of its own; empty below two factors."""
    axes, found, confidence = axes_of(factors), measured(study, arms), study.recipe.study.confidence
    rows: list[Row] = []
    best = []
    for others, cells in _grids(arms, axes).items() if axes else ():
        made = list(_rows(found, cells, axes or (), confidence))
        rows += made
        best += [_sentence(row, made, axes or (), others) for row in made if row["best"]]
    note = (
        f"{found.metric.replace('_', ' ').capitalize()} ({found.where}), mean over seeds with its interval. Gap: how "
        f"much worse than the best of its grid. Not shown worse: the set of cells that no cell of the same grid is "
        f"shown to beat; the truly best cell lies in it with {100 * confidence:g} % over other seeds, whichever cell "
        "looks best (all pairs of cells are compared, paired over seeds; the largest difference is judged by "
        "Dunnett's distribution with the variance of all cells, or of the pair's own where that is larger). An empty "
        "field: a cell that lacks seeds of the others, or one seed alone. " + " ".join(best)
    )
    return Table("grid", _title(axes), tuple(rows), note.rstrip())


def _title(axes: tuple[Factor, Factor] | None) -> str:
    return "Grid" if axes is None else f"Grid of {axes[0].name.replace('_', ' ')} and {axes[1].name.replace('_', ' ')}"


def _grids(arms: Sequence[ArmFacts], axes: tuple[Factor, Factor]) -> dict[tuple[str, ...], list[ArmFacts]]:
    """Levels of the other factors -> the arms of that grid, those with runs."""
    names = {axis.name for axis in axes}
    found: dict[tuple[str, ...], list[ArmFacts]] = {}
    for arm in arms:
        if arm.seeds and names <= arm.factors.keys():
            found.setdefault(tuple(level for name, level in arm.factors.items() if name not in names), []).append(arm)
    return found


def _rows(found: Measured, arms: Sequence[ArmFacts], axes: Sequence[Factor], confidence: float) -> Iterator[Row]:
    gains = {arm.name: found.gains(arm.name) for arm in arms}
    seeds, names = largest_block([(seed, name) for name, each in gains.items() for seed in sorted(each)])
    table = np.array([[gains[name][seed] for name in names] for seed in seeds])
    kept = may_be_best(table, confidence) if names else None
    shown = dict(zip(names, kept.tolist(), strict=True)) if kept is not None else {}
    means = {name: fmean(gains[name][seed] for seed in seeds) for name in names}
    best = max(means, key=lambda name: means[name], default=None)
    unit, column = found.gap_column, found.level_column
    for arm in arms:
        level = mean_interval([each for _, each in sorted(found.levels[arm.name].items())], confidence)
        yield {
            "arm": arm.name, column: level.mean if level else None,
            **{f"{column}_{end}": _possible(found, getattr(level, end, None)) for end in ("low", "high")},
            "seeds": level.num if level else 0,
            unit: means[best] - means[arm.name] if best and arm.name in means else None,
            "best": arm.name == best, "not_shown_worse": shown.get(arm.name),
            "edge": edge(arm.factors, axes) if arm.name == best else "",
        }  # fmt: skip


def _possible(found: Measured, bound: float | None) -> float | None:
    """A bound of a level, cut to what the metric can be."""
    scale = level_scale(found.metric, found.facts)
    return None if bound is None else scale * found.facts.within(bound / scale)


def edge(levels: Mapping[str, str], axes: Sequence[Factor]) -> str:
    """On which ends of the grid a cell lies, such as "rate highest"; empty inside. Names have no ends."""
    ends = []
    for axis in axes:
        value = axis.value_of(levels[axis.name])
        for word, end in (("lowest", min), ("highest", max)):
            if axis.is_numeric and value == end(axis.values, key=float):
                ends.append(f"{axis.name.replace('_', ' ')} {word}")
    return ", ".join(ends)


def _sentence(best: Row, rows: Sequence[Row], axes: Sequence[Factor], others: Sequence[str]) -> str:
    """What is best, how sure that is, and whether the grid ends there."""
    compared = [row["not_shown_worse"] for row in rows if row["not_shown_worse"] is not None]
    sure = f"{sum(compared)} of {len(compared)} cells not shown to be worse" if compared else "one seed, no interval"
    end = f"; it lies on the edge ({best['edge']}), so that a wider grid may hold a better one" if best["edge"] else ""
    where = f" of {', '.join(others)}" if others else ""
    return f"Best{where}: {best['arm']} ({sure}){end}."
