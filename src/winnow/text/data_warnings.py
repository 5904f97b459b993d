"""What a pool and its evaluation sets lost on the way, and what was cut: sentences from their statistics.

data_warnings(pool_statistics, tests_statistics)     # ["source dolly: 900 of 14,012 rows (6.4 %) were cut ...", ...]
"""

import math
from collections.abc import Iterator, Mapping
from typing import Any

from winnow.text.printing import percent

TOLD_FROM = 0.02
"""Share of a source's rows from which it is said that they were dropped or cut."""
TOO_LONG, NO_ROOM, SPECIAL_TOKEN = "too many tokens", "a prompt that fills max_tokens", "a special token in its text"
OF_TOKENS = TOO_LONG, NO_ROOM, SPECIAL_TOKEN
"""Reasons that are found after `limit` and `sample` have drawn their rows: nothing takes the places of such rows."""

Row = Mapping[str, Any]


def text_warnings(pool: Row) -> tuple[str, ...]:
    """One sentence for each source of plain text that lost documents, and for each pair that shares some."""
    found = []
    for row in pool["sources"]:
        for key, reason in (("repeats", "stand there more than once"), ("overlaps", "stand in evaluation sets")):
            share = row[key] / max(1, row["read"])
            if share > TOLD_FROM:
                found.append(
                    f"source {row['name']}: {row[key]:,} of {row['read']:,} documents ({percent(share, 1)}) {reason}, "
                    "and are left out"
                )
    for row in pool["shared"]:
        both, count = " and ".join(row["sources"]), f"{row['documents']:,}"
        found.append(f"sources {both} have {count} documents in common: shares of one are partly shares of the other")
    return tuple(found)


def data_warnings(pool: Row, tests: Row) -> tuple[str, ...]:
    """One sentence for each source that lost rows or ends of rows, or whose answers are no final ones."""
    if "shared" in pool:  # of plain text
        return text_warnings(pool)
    sources = pool.get("sources", ())
    kept = {row["name"]: row["examples"] + row["validation"] + row["target"] for row in sources}
    before = {row["name"]: kept[row["name"]] + _lost(row) for row in sources}
    found = [*(_dropped(row, kept, before) for row in sources), *(_cut(row, kept[row["name"]]) for row in sources)]
    found += [_long_answers(f"source {row['name']}", row) for row in sources]
    found += [_run_together(row) for row in sources]
    for name, row in tests.get("sets", {}).items():
        found += [_dropped_items(name, row), _long_answers(f"evaluation set {name}", row)]
    return tuple(sentence for sentence in found if sentence)


def _lost(row: Row) -> int:
    """Rows that the pool lacks because they were dropped: where rows were left out, others took their places."""
    reasons = row["dropped_by_reason"]
    return int(sum(reasons.get(reason, 0) for reason in OF_TOKENS) if row["left_out"] else row["dropped"])


def _dropped(row: Row, kept: Mapping[str, int], before: Mapping[str, int]) -> str | None:
    name, reasons = row["name"], row["dropped_by_reason"]
    long = sum(reasons.get(reason, 0) for reason in OF_TOKENS)
    of_read, of_drawn = row["dropped"] / max(1, row["read"]), long / max(1, kept[name] + long)
    if max(of_read, of_drawn) <= TOLD_FROM:
        return None
    rows, share = (row["read"], of_read) if of_read >= of_drawn else (kept[name] + long, of_drawn)
    count = row["dropped"] if of_read >= of_drawn else long
    shares = [sizes[name] / max(1, math.fsum(sizes.values())) for sizes in (before, kept)]
    moved = f"its share of the pool is {percent(shares[1], 1)} instead of {percent(shares[0], 1)}"
    effect = moved if len(kept) > 1 else f"{kept[name]:,} are left"
    return f"source {name}: {count:,} of {rows:,} rows ({percent(share, 1)}) were dropped ({_told(reasons)}); {effect}"


def _cut(row: Row, kept: int) -> str | None:
    share = row["truncated"] / max(1, kept)
    if share <= TOLD_FROM:
        return None
    return (
        f"source {row['name']}: {row['truncated']:,} of {kept:,} rows ({percent(share, 1)}) were cut at the end, and "
        "count with fewer tokens in the pool than in the source; raise pool.max_tokens"
    )


def _dropped_items(name: str, row: Row) -> str | None:
    share = row["dropped"] / max(1, row["read"])
    if share <= TOLD_FROM:
        return None
    reasons = _told(row["dropped_by_reason"])
    told = f"{row['dropped']:,} of {row['read']:,} rows ({percent(share, 1)}) were dropped ({reasons})"
    return f"evaluation set {name}: {told}"


def _long_answers(what: str, row: Row) -> str | None:
    """Where a format for final answers holds open text."""
    count, final = row.get("long_answers", 0), row.get("long_final_answers", 0)
    if not count + final:
        return None
    head = f"{what}: {count + final:,} answers are long texts in format {row['format']}, which is for final answers"
    if final > count:
        return (
            f"{head}; they are trained on in small letters and on one line: give `prompt:` and `completion:`, or "
            "`fields:` with `answers: open`"
        )
    return (
        f"{head}; they are taken as they stand and measured by loss alone: say so with `answers: open`, or name the "
        "format that they are in (gsm8k, alpaca, prompt_completion)"
    )


def _run_together(row: Row) -> str | None:
    count = row.get("run_together", 0)
    if not count:
        return None
    return (
        f"source {row['name']}: {count:,} prompts run into their completions without a space or a line between them; "
        "end the prompt with one, since nothing is put there"
    )


def _told(reasons: Mapping[str, int]) -> str:
    most = sorted(reasons.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{count:,} with {reason}" for reason, count in most)


def sentences(pool: Row, tests: Row) -> Iterator[str]:
    """The same as whole sentences."""
    return (f"{text[0].upper()}{text[1:]}." for text in data_warnings(pool, tests))
