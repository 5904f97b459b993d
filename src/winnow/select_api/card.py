"""The card of an exported data set: what it is made of, how it was chosen, and how to load it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from winnow.records import Cost
from winnow.text.markup import Markdown, code, escaped, front_matter, literal, table

HUB_LICENCES = (
    "afl-3.0", "apache-2.0", "bsd-3-clause", "cc-by-2.0", "cc-by-3.0", "cc-by-4.0", "cc-by-nc-4.0", "cc-by-nc-sa-4.0",
    "cc-by-sa-3.0", "cc-by-sa-4.0", "cc0-1.0", "cdla-permissive-2.0", "gpl-3.0", "mit", "odbl", "odc-by", "unknown",
)  # fmt: skip
"""Identifiers that a card may name; any other licence is `other`."""
SIZES = ((1e3, "n<1K"), (1e4, "1K<n<10K"), (1e5, "10K<n<100K"), (1e6, "100K<n<1M"), (1e7, "1M<n<10M"))


@dataclass(frozen=True)
class Facts:
    """What a card tells."""

    selector: str
    options: dict[str, Any]
    fraction: float
    seed: int | None
    """Null where the selection does not depend on it."""
    examples: int
    pool_examples: int
    composition: Sequence[Mapping[str, Any]]
    licences: Mapping[str, str]
    """Of each source."""
    cost: Cost
    removed: Mapping[str, int]
    """Reason -> rows that could not be chosen."""
    study: str | None = None
    """Name of the study, if it is one's."""
    notes: tuple[str, ...] = field(default=())


def card(facts: Facts, fields: Mapping[str, str], *, folder: str, data_files: str) -> str:
    """The card as Markdown with its front matter; `fields` are the added columns and what they hold."""
    seed = "no seed" if facts.seed is None else f"seed {facts.seed}"
    pool = f" of the study {code(facts.study)}" if facts.study else ""
    lines = [
        front_matter(_metadata(facts, data_files)),
        f"# {facts.examples:,} rows chosen by {escaped(facts.selector)}",
        "",
        f"winnow chose {facts.examples:,} of {facts.pool_examples:,} candidates{pool}, best first: selector "
        f"{code(facts.selector)}, fraction {facts.fraction:.6g}, {seed}, options "
        f"{code(json.dumps(facts.options, default=str))}.",
        "",
        "```python",
        "from datasets import load_dataset",
        "",
        f'rows = load_dataset({literal(folder)}, split="train")',
        "```",
        "",
        "## What it is made of",
        "",
        _composition(facts),
        "## What it cost",
        "",
        f"Scoring and selecting took {facts.cost.flops:.3g} FLOPs, {facts.cost.tokens:,} tokens through a model and "
        f"{facts.cost.seconds:.3g} seconds.",
        "",
        "## What was left out",
        "",
        *([f"- {count:,} rows: {escaped(reason)}" for reason, count in facts.removed.items() if count] or ["Nothing."]),
        "",
        "## Columns",
        "",
        "All columns of the rows as they were, and",
        "",
        *(f"- {code(name)}: {meaning}" for name, meaning in fields.items()),
        *(f"\n{note}" for note in facts.notes),
    ]
    return "\n".join(lines) + "\n"


def _metadata(facts: Facts, data_files: str) -> dict[str, Any]:
    lower = dict.fromkeys(licence.lower() for licence in facts.licences.values())
    named = dict.fromkeys(each if each in HUB_LICENCES else "other" for each in lower)
    size = next((name for bound, name in SIZES if facts.examples < bound), "n>10M")
    files = [{"split": "train", "path": data_files}]
    return {
        "license": list(named), "size_categories": [size], "tags": ["data-selection"],
        "configs": [{"config_name": "default", "data_files": files}],
    }  # fmt: skip


def _composition(facts: Facts) -> Markdown:
    heads = ["source", "licence", "candidates", "chosen", "share of candidates", "share of chosen", "mean tokens"]
    rows = [
        [
            row["source"], facts.licences.get(row["source"], "unknown"), f"{row['pool_examples']:,}",
            f"{row['selected_examples']:,}", f"{row['pool_share']:.1%}", f"{row['selected_share']:.1%}",
            "–" if row["mean_tokens"] is None else f"{row['mean_tokens']:.1f}",
        ]
        for row in facts.composition
    ]  # fmt: skip
    return table(heads, rows, numbers=5)
