"""Section `vary`: factors in which arms differ, the levels of each, and what a level sets.

vary:
  adapter:                                     # factor
    full: {training.method: full}              # level: what it sets
    r16: {training.lora.r: 16, training.lora.lora_alpha: 32}
  epochs: {budget.pool_epochs: [1, 2, 4]}      # one key and its values: levels epochs1, epochs2, epochs4
"""

import re
import sys
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator

from winnow.errors import nearest
from winnow.recipe.values import Name

ARM_SECTIONS = "training", "budget", "mixture"
"""Sections of a recipe in which arms may differ; all others are the study's."""
TAKEN_NAMES = "arm", "study", "seed", "seeds", "set", "selection", "selector", "fraction", "checkpoint", "metric"
"""What tables call something else."""
Settings = dict[str, Any]
"""Dotted key -> value, as in `--set`."""
Levels = dict[Name, Settings]


def level_name(factor: str, value: Any) -> str | None:
    """Name of the level that sets one key to this value: text stands for itself, a number behind its factor.

    None for values that make no name, such as lists, or whole numbers that no float holds.
    """
    if isinstance(value, str):
        return value if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", value) else None
    if value is None or isinstance(value, bool):
        return factor + {None: "none", True: "true", False: "false"}[value]
    if not isinstance(value, int | float) or (isinstance(value, int) and abs(value) > sys.float_info.max):
        return None
    is_whole = float(value).is_integer() and abs(value) < 1e15
    return factor + (str(int(value)) if is_whole else repr(float(value)).replace("+", ""))


def _named_levels(given: Any) -> Any:
    """Each factor as level -> settings. Raises ValueError for what is neither way of writing a factor."""
    if not isinstance(given, dict):
        raise ValueError(f"vary is a {type(given).__name__}; it must be factors, such as epochs: {_EXAMPLE}")
    return {factor: _levels(factor, levels) for factor, levels in given.items()}


_EXAMPLE = "{budget.pool_epochs: [1, 2, 4]}"


def _levels(factor: str, given: Any) -> Levels:
    if factor in TAKEN_NAMES:
        raise ValueError(f"vary.{factor}: tables have another column of this name; call the factor something else")
    if not isinstance(given, dict) or not given:
        raise ValueError(f"vary.{factor} has no levels; write {_EXAMPLE}, or level: {{key: value}} for each")
    if all(isinstance(value, dict) for value in given.values()):
        found = {str(level): _settings(f"vary.{factor}.{level}", settings) for level, settings in given.items()}
    elif len(given) == 1 and isinstance(next(iter(given.values())), list | tuple):
        found = _of_one_key(factor, *next(iter(given.items())))
    else:
        raise ValueError(
            f"vary.{factor} mixes keys and levels; write {_EXAMPLE} with one key, or level: {{key: value}} for each"
        )
    return found


def _of_one_key(factor: str, key: str, values: list[Any]) -> Levels:
    if not values:
        raise ValueError(f"vary.{factor} has no levels; give {key} one value at least")
    found: Levels = {}
    for value in values:
        name = level_name(factor, value)
        if name is None:
            raise ValueError(f"vary.{factor} sets {key} to {value!r}, which makes no name; write name: {{{key}: ...}}")
        if name in found:
            raise ValueError(f"vary.{factor} has two levels named {name!r}; give each value once")
        found[name] = _settings(f"vary.{factor}.{name}", {key: value})
    return found


def _settings(place: str, given: dict[str, Any]) -> Settings:
    """The settings of one level with dotted keys. Raises ValueError for a key that no arm may set."""
    found: Settings = {}
    for key, value in given.items():
        section, _, rest = str(key).partition(".")
        if section not in ARM_SECTIONS:
            raise ValueError(
                f"{place} sets {key}{nearest(section, ARM_SECTIONS)}, which belongs to the study; arms may differ in "
                f"{', '.join(f'{name}.*' for name in ARM_SECTIONS[:2])}, mixture"
            )
        if section == "mixture":
            found |= {key: value}  # one value, whatever it holds
            continue
        if not rest and not isinstance(value, dict):
            raise ValueError(
                f"{place} sets {key} as a whole; name one of its keys, such as {section}.{_FIRST[section]}"
            )
        found |= {key: value} if rest else {f"{section}.{inner}": each for inner, each in value.items()}
    if not found:
        raise ValueError(f"{place} sets nothing; say what it is, such as {{training.method: full}}")
    return found


def _each_key_once(vary: dict[str, Levels]) -> dict[str, Levels]:
    """The same factors, if no two of them set the same thing; a budget is one thing, since it has one unit."""
    owners: dict[str, str] = {}
    for factor, levels in vary.items():
        for key in sorted({"budget" if key.startswith("budget.") else key for each in levels.values() for key in each}):
            other = next((name for set_, name in owners.items() if _overlap(key, set_)), factor)
            if other != factor:
                raise ValueError(f"vary.{other} and vary.{factor} both set {key}; let one factor set it")
            owners[key] = factor
    return vary


def _overlap(one: str, other: str) -> bool:
    """Whether two dotted keys are the same, or one holds the other."""
    return f"{one}.".startswith(f"{other}.") or f"{other}.".startswith(f"{one}.")


_FIRST = {"training": "learning_rate", "budget": "tokens"}

VaryRecipe = Annotated[dict[Name, Levels], BeforeValidator(_named_levels), AfterValidator(_each_key_once)]
