"""The text of a first recipe: YAML with what was guessed beside it."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from winnow.pool.guessing import Guess
from winnow.pool.holding_out import HeldOut
from winnow.verbs.first_sizes import BATCH, SEEDS, Size

TARGET_ROWS = 100
GENERIC = {"train", "training", "data", "all", "rows", "pool", "test", "validation", "val", "dev", "target"}
"""Names of files that say nothing; their folder's name does."""
PLAIN = re.compile(r"(\.{1,2}/|[A-Za-z_/])[\w/.-]*")
"""Text that needs no quotes, unless it is one of `WORDS`; `.5` would be a number."""
WORDS = {"true", "false", "null", "yes", "no", "on", "off", "~", ".inf", ".nan"}
"""What YAML would not take for text."""


@dataclass(frozen=True)
class Asked:
    """What a user gives."""

    data: tuple[str, ...]
    model: str
    out: Path
    target: str | None = None
    evaluation: tuple[str, ...] = ()
    fraction: float = 0.2
    minutes: float = 15.0


@dataclass(frozen=True)
class Source:
    """A file, how it is read, and what was held out of it."""

    name: str
    path: str
    guess: Guess
    held: HeldOut | None = None


def recipe_lines(
    asked: Asked, pool: Sequence[Source], target: Source | None, measured: Sequence[Source], size: Size
) -> list[str]:
    """The recipe, line by line."""
    arm = "herding_target" if target else "herding"
    herding = "{selector: herding, target: true}" if target else "herding"
    millions = f"{size.parameters / 1e6:,.4g} million parameters" if size.parameters else "size not known here"
    return [
        "# Written by `winnow init`; what it guessed is said beside it. Mend what is wrong, then",
        f"#   winnow plan {asked.out}     what it would cost",
        f"#   winnow run {asked.out}      the study; the same command goes on after a kill",
        f"name: {_scalar(name_of(str(asked.out)))}",
        "",
        "pool:",
        "  sources:",
        *(line for each in pool for line in _entry(each, each.path, each.name)),
        f"  sample: {size.sample or 'null'}  # rows drawn from all sources: {size.note}; see `winnow plan`",
        f"  max_tokens: {size.max_tokens}",
        "  # hygiene: {}  # drop rows that share runs of words with what is measured on, too",
        *(_target_lines(target) if target else []),
        "",
        f"base: {{model: {_scalar(asked.model)}}}  # {size.model_type or 'type not known here'}, {millions}",
        "",
        "selection:",
        f"  fractions: [{asked.fraction:g}]",
        f"  arms: [full, random, {herding}]  # the controls that a fair study needs are added",
        "",
        f"training: {{method: lora, per_device_batch_size: {BATCH}}}  # adapted modules and rate: the usual ones",
        "",
        "budget: {pool_epochs: 1}  # every arm may visit as many rows as the pool has",
        "",
        "evaluation:",
        "  sets:",
        *(line for each in measured for line in _measured_lines(asked.out, each)),
        f"  every_steps: {size.every_steps}",
        "  sample: 16  # items on the way; at the end all",
        "  measures: [loss]  # exact_match too asks for answers to final questions, which takes longer",
        "",
        "study:",
        f"  seeds: [{', '.join(map(str, SEEDS))}]",
        f"  primary: {{arm: {arm}_{asked.fraction:g}, baseline: full, metric: loss}}  # declared before the runs",
    ]


def _target_lines(target: Source) -> list[str]:
    return [
        f"  # {TARGET_ROWS} rows at most of what is aimed at; those that are measured on are left out of them",
        "  target:",
        f"    source: {_flow(target.path, 'target', target.guess.settings, limit=TARGET_ROWS)}",
    ]


def _measured_lines(out: Path, source: Source) -> list[str]:
    if source.held is None:
        return _entry(source, source.path, source.name)
    path = held_path(out, source)
    return [
        f"    # {len(source.held.rows)} of the {source.held.total:,} rows of {source.path}, drawn by a hash;",
        "    # the pool drops every row that asks one of their questions, and says how many",
        f"    - {_flow(str(path), f'{source.name}_heldout', source.guess.settings)}",
    ]  # fmt: skip


def _entry(source: Source, path: str, name: str) -> list[str]:
    return [f"    # columns {', '.join(source.guess.columns)}", f"    - {_flow(path, name, source.guess.settings)}"]


def _flow(path: str, name: str, settings: Mapping[str, Any], **more: Any) -> str:
    """A source in one line; of whose data the licence is, nothing here says."""
    keys = {"name": name, "path": path, **settings, "licence": "unknown", **more}
    return "{" + ", ".join(f"{key}: {_scalar(value)}" for key, value in keys.items()) + "}"


def _scalar(value: Any) -> str:
    """A value as YAML has it within a line: plain where that is safe, else as JSON."""
    if isinstance(value, str) and PLAIN.fullmatch(value) and value.lower() not in WORDS:
        return value
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_scalar(inner)}" for key, inner in value.items()) + "}"
    return "".join(map(_spelled, json.dumps(value, ensure_ascii=False)))


def _spelled(character: str) -> str:
    """A character within double quotes; what YAML would fold into a space, or not read, by its number."""
    return character if character.isprintable() else f"\\U{ord(character):08X}"


def reading(settings: Mapping[str, Any]) -> str:
    """How a file is read, in a clause."""
    if "format" in settings:
        return f"format {settings['format']}"
    if "fields" in settings:
        return "columns " + ", ".join(f"{part} = {name}" for part, name in settings["fields"].items())
    return f"prompt {settings['prompt']!r}, completion {settings['completion']!r}"


def name_of(path: str) -> str:
    """A name of letters that a file, or else its folder, has."""
    place = Path(path).absolute()
    stem = place.name.partition(".")[0]
    word = place.parent.name if stem.lower() in GENERIC and place.parent.name else stem
    return re.sub(r"[^A-Za-z0-9_-]+", "_", word).strip("_-")[:60] or "data"


def held_path(out: Path, source: Source) -> Path:
    """Where the rows held out of a file are written."""
    return out.with_name(f"{out.stem}.{source.name}.heldout.jsonl")
