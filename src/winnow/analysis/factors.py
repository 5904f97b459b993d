"""Factors of a study: what its arms differ in, as tables and figures show it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from winnow.analysis.arms import varied
from winnow.analysis.study_folder import Study
from winnow.findings import ArmFacts, Factor, Table
from winnow.records import SELECTION

NOT_OF_ARMS = ("ledger_stages",)
"""Tables that have an arm here and there, and no row for each."""


def factors_of(study: Study, arms: Sequence[ArmFacts]) -> tuple[Factor, ...]:
    """Factors of two or more levels, in the recipe's order; none where arms differ in their selection alone."""
    found, vary = varied(arms), study.recipe.vary
    if not set(found) - {SELECTION}:
        return ()
    return tuple(_factor(name, levels, vary.get(name, {})) for name, levels in found.items())


def _factor(name: str, levels: Sequence[str], declared: Mapping[str, Mapping[str, Any]]) -> Factor:
    ordered = [level for level in declared if level in levels]
    ordered += [level for level in levels if level not in ordered]
    settings = [declared.get(level, {}) for level in ordered]
    keys, values = {tuple(each) for each in settings}, [value for each in settings for value in each.values()]
    are_numbers = len(keys) == 1 and len(values) == len(ordered) and all(map(_is_number, values))
    return Factor(name, tuple(ordered), tuple(values if are_numbers else ordered))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def with_factors(table: Table, arms: Sequence[ArmFacts], factors: Sequence[Factor]) -> Table:
    """The table with a column for each factor behind the arm's; of a table without arms, itself.

    A factor that is called as a column of the table is `factor_<name>` there. Where arms do not differ in their
    selection, its fraction goes.
    """
    if not factors or table.name in NOT_OF_ARMS or not table.rows or "arm" not in table.rows[0]:
        return table
    own = set(table.rows[0])
    names = {factor.name: f"factor_{factor.name}" if factor.name in own else factor.name for factor in factors}
    levels = {
        arm.name: {names[each.name]: each.value_of(arm.factors.get(each.name)) for each in factors} for arm in arms
    }
    none = dict.fromkeys(names.values())
    hidden = set() if SELECTION in names else {"fraction"}
    rows = tuple(_inserted(row, levels.get(row["arm"], none), hidden) for row in table.rows)
    return replace(table, rows=rows, columns=(), levels=(*table.levels, *names.values()))


def _inserted(row: Mapping[str, Any], levels: Mapping[str, Any], hidden: set[str]) -> dict[str, Any]:
    """The row with levels behind its arm."""
    place = list(row).index("arm") + 1
    columns = [*list(row.items())[:place], *levels.items(), *list(row.items())[place:]]
    return {key: value for key, value in columns if key not in hidden}
