"""What a pool and its evaluation sets hold, as plain numbers: `statistics.json`."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from math import fsum
from typing import Any

from winnow.pool.loading import Loaded
from winnow.recipe import SourceRecipe
from winnow.text.chat import RowTokens
from winnow.text.data_warnings import TOLD_FROM
from winnow.text.examples import Example
from winnow.text.open_answers import is_open_text

OPEN_FORMATS = ("prompt_completion", "alpaca", "template", "chat", "sharegpt")
"""Formats whose answers may be open text."""


@dataclass
class SourceTally:
    """What became of one source's rows, filled in as a pool is made."""

    source: SourceRecipe
    read: int
    dropped: Counter[str]
    """Reason -> rows."""
    overlaps: dict[str, int]
    """Evaluation set -> rows that ask one of its questions; one in two sets counts in both."""
    removed_overlaps: int
    """Rows removed for that."""
    truncated: int = 0


@dataclass(frozen=True)
class Splits:
    """Where the examples of a pool went."""

    train: list[Example]
    validation: list[Example]
    target: list[Example]
    target_validation: list[Example] = field(default_factory=list)
    """Of the target's kind, to choose checkpoints by; of a target out of the pool's sources a part of `validation`."""


def pool_statistics(
    tallies: Sequence[SourceTally], splits: Splits, tokens: Mapping[str, RowTokens], *, target_is_own: bool
) -> dict[str, Any]:
    """The whole of a pool's `statistics.json`; token counts and shares are of the train split.

    For every source: read = removed_overlaps + dropped + left_out + examples + validation + target, where `left_out`
    are the rows that `limit`, `sample` or an equal question of the target kept out. A target that comes from a file
    of its own is counted in `target_examples` alone.
    """
    parts = {
        "examples": Counter(each.source for each in splits.train),
        "validation": Counter(each.source for each in splits.validation),
        "target": Counter[str]() if target_is_own else Counter(each.source for each in splits.target),
    }
    lengths = Counter[str]()
    for each in splits.train:
        lengths[each.source] += length(tokens[each.id])
    sources = [
        source_statistics(tally, {part: counts[tally.source.name] for part, counts in parts.items()}, lengths)
        | {"share": parts["examples"][tally.source.name] / len(splits.train)}
        | long_answers(tally.source, [each for each in splits.train if each.source == tally.source.name])
        | run_together(tally.source, [each for each in splits.train if each.source == tally.source.name])
        for tally in tallies
    ]
    return {
        "sources": sources,
        "removed_overlaps": {tally.source.name: tally.overlaps for tally in tallies if tally.overlaps},
        "removed_overlaps_total": sum(tally.removed_overlaps for tally in tallies),
        "dropped": sum(tally.dropped.total() for tally in tallies),
        "left_out": sum(row["left_out"] for row in sources),
        "truncated": sum(tally.truncated for tally in tallies),
        "examples": len(splits.train),
        "tokens": lengths.total(),
        "mean_tokens": lengths.total() / len(splits.train),
        "validation_examples": len(splits.validation),
        "target_examples": len(splits.target),
        **({"target_validation_examples": len(splits.target_validation)} if splits.target_validation else {}),
        "multiple_choice_share": multiple_choice_share(splits.train),
        "planted": dict(sorted(Counter(each.planted for each in splits.train if each.planted).items())),
        "licences": {tally.source.name: tally.source.licence for tally in tallies},
    }


def source_statistics(tally: SourceTally, counts: Mapping[str, int], lengths: Mapping[str, int]) -> dict[str, Any]:
    """One row of the table of sources."""
    source = tally.source
    return {
        "name": source.name,
        "licence": source.licence,
        "format": format_of(source),
        "read": tally.read,
        "removed_overlaps": tally.removed_overlaps,
        "dropped": tally.dropped.total(),
        "dropped_by_reason": dict(sorted(tally.dropped.items())),
        "left_out": tally.read - tally.removed_overlaps - tally.dropped.total() - sum(counts.values()),
        "truncated": tally.truncated,
        **counts,
        "tokens": lengths[source.name],
        "mean_tokens": lengths[source.name] / counts["examples"] if counts["examples"] else 0.0,
    }


def length(tokens: RowTokens) -> int:
    """Tokens of prompt and completion."""
    return len(tokens.prompt_ids) + len(tokens.completion_ids)


def tests_statistics(sets: Sequence[Loaded], keys: Mapping[str, set[str]]) -> dict[str, Any]:
    """The `statistics.json` of the evaluation sets; `shared` counts questions that stand in two of them."""
    pairs = ((one, other, len(keys[one] & keys[other])) for one, other in combinations(keys, 2))
    return {
        "sets": {loaded.source.name: set_statistics(loaded) for loaded in sets},
        "items": sum(len(loaded.examples) for loaded in sets),
        "shared": [{"sets": [one, other], "questions": number} for one, other, number in pairs if number],
        "licences": {loaded.source.name: loaded.source.licence for loaded in sets},
    }


def set_statistics(loaded: Loaded) -> dict[str, Any]:
    """One evaluation set: its size, and the levels that need no model, of the items with final answers."""
    examples = loaded.examples
    final = [each for each in examples if not each.is_open]
    answer, times = constant_answer(final) if final else (None, 0)
    chances = [1 / len(each.options) if each.options else 0.0 for each in final]
    found = {
        "licence": loaded.source.licence,
        "format": format_of(loaded.source),
        "read": loaded.read,
        "dropped": sum(loaded.dropped.values()),
        "dropped_by_reason": loaded.dropped,
        "items": len(examples),
        "multiple_choice_share": multiple_choice_share(examples),
        "constant_answer": answer,
        "constant_level": times / len(final) if final else None,
        "random_level": fsum(chances) / len(final) if final else None,
    }
    found |= {"open_items": len(examples) - len(final)} if len(final) < len(examples) else {}
    return found | long_answers(loaded.source, examples)


def long_answers(source: SourceRecipe, examples: Sequence[Example]) -> dict[str, int]:
    """How many answers are open text though the source is read as one of final answers; no entry where none is."""
    if source.path is None or source.answers == "open" or format_of(source) in OPEN_FORMATS:
        return {}
    found = Counter(
        "long_answers" if each.is_open else "long_final_answers" for each in examples if is_open_text(each.answer)
    )
    return {name: count for name, count in sorted(found.items()) if count > TOLD_FROM * len(examples)}


def run_together(source: SourceRecipe, examples: Sequence[Example]) -> dict[str, int]:
    """How many prompts that are taken to the letter run into their completions; no entry where hardly one does."""
    if format_of(source) not in ("template", "prompt_completion"):
        return {}
    count = sum(not (each.messages or each.prompt[-1:].isspace() or each.completion[:1].isspace()) for each in examples)
    return {"run_together": count} if count > TOLD_FROM * len(examples) else {}


def constant_answer(examples: Iterable[Example]) -> tuple[str, int]:
    """The most frequent answer, and how often it is right; the first in the alphabet among equals."""
    counts = Counter(each.answer for each in examples)
    answer = min(counts, key=lambda each: (-counts[each], each))
    return answer, counts[answer]


def multiple_choice_share(examples: Sequence[Example]) -> float:
    """Share of the examples that have options."""
    return sum(bool(each.options) for each in examples) / len(examples)


def format_of(source: SourceRecipe) -> str:
    """How a table names the format of a source."""
    if source.problems is not None or source.synthetic is not None:
        return "problems" if source.problems is not None else "synthetic"
    if source.passages is not None:
        return "passages"
    return "template" if source.has_templates else source.format
