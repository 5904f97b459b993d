"""The evaluated items of a study, arms side by side: prompt, answer, and what each arm's model put out.

Read from `records/items/` of the study folder. Of a set whose licence does not let others have a copy, an item shows
the hash of its prompt, and whether each arm got it right: no text.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from winnow.columns import read_columns
from winnow.findings import Findings
from winnow.recipe.licences import may_redistribute, text_hash

PROMPTS = "prompts.parquet"
ZERO_SHOT = "zero_shot"
MOST_LETTERS = 1_500_000
"""Of all items of a page together, so that it stays small; the records hold the rest."""
LONGEST = 700
"""Letters of a text that are shown; of a longer one, its beginning and its end."""

Row = dict[str, Any]


def read_items(folder: str | Path, findings: Findings, *, most_letters: int = MOST_LETTERS) -> dict[str, Any]:
    """`columns` (arms), `sets` and `rows` for the page's browser; empty where the study folder has no items.

    Of the first seed at the best checkpoint. Where all rows would be too large, each set gives the first of its ids,
    which are hashes, so that these rows are a random sample of it.
    """
    columns = _columns(Path(folder) / "records" / "items", findings)
    if not columns or not findings.recipe.evaluation.sets:
        return {}  # windows of plain text have neither prompts nor answers
    licences = {each.name: each.licence for each in findings.recipe.evaluation.sets}
    prompts = _prompts(Path(folder) / "records" / "items" / PROMPTS)
    rows = _rows(columns, prompts, licences)
    kept = _that_fit(rows, most_letters)
    sets = [_set_facts(name, licences, rows, kept) for name in dict.fromkeys(row["set"] for row in rows)]
    seed = findings.settings["first_seed"]
    return {"columns": list(columns), "sets": sets, "rows": kept, "seed": seed}


def _columns(folder: Path, findings: Findings) -> dict[str, list[Row]]:
    """Arm -> its items, for arms that were evaluated; the untrained model first."""
    files = {ZERO_SHOT: folder / f"evaluation.{ZERO_SHOT}.parquet"}
    first = findings.settings.get("first_seed")
    files |= {arm.name: folder / f"evaluation.{arm.name}_best.parquet" for arm in findings.arms if first in arm.seeds}
    return {arm: _by_item(read_columns(path)) for arm, path in files.items() if path.is_file()}


def _by_item(table: pa.Table) -> list[Row]:
    """A row for each item: its loss per target token, the exact match, the first answer and what was read from it.

    Files of before have such rows: their loss is a sum.
    """
    if "metric" not in table.column_names:
        return [_item(row, row["answer"]) | {"loss": _share(row), "right": row["correct"]} for row in table.to_pylist()]
    found: dict[tuple[str, str], Row] = {}
    for row in table.to_pylist():
        item = found.setdefault((row["set"], row["id"]), _item(row, row["target"]) | {"loss": None, "right": None})
        if item["output"] is None:
            item |= {"output": row["output"], "extracted": row["extracted"]}
        if row["metric"] in PLACES:
            item[PLACES[row["metric"]]] = row["score"] if row["weight"] else None
    return list(found.values())


PLACES = {"loss": "loss", "exact_match": "right"}
"""Metric -> what an item calls its score."""


def _item(row: Row, answer: str) -> Row:
    return {key: row[key] for key in ("set", "id", "output", "extracted")} | {"answer": answer}


def _share(row: Row) -> float | None:
    return row["loss"] / row["target_tokens"] if row["target_tokens"] else None


def _prompts(path: Path) -> dict[tuple[str, str], Row]:
    if not path.is_file():
        return {}
    return {(row["set"], row["id"]): row for row in read_columns(path).to_pylist()}


def _rows(
    columns: Mapping[str, Sequence[Row]], prompts: Mapping[tuple[str, str], Row], licences: Mapping[str, str]
) -> list[Row]:
    """One row per item of the first column, in the order of sets and ids, with one entry per arm in `given`."""
    by_arm = {arm: {(row["set"], row["id"]): row for row in rows} for arm, rows in columns.items()}
    heads = sorted(next(iter(columns.values())), key=lambda row: (list(licences).index(row["set"])
                   if row["set"] in licences else len(licences), row["id"]))  # fmt: skip
    return [_row(head, prompts, by_arm, licences) for head in heads]


def _row(head: Row, prompts: Mapping[tuple[str, str], Row], by_arm: Mapping[str, Any], licences: Any) -> Row:
    key = head["set"], head["id"]
    is_shown = may_redistribute(licences.get(head["set"], "unknown"))
    prompt = prompts.get(key, {})
    row: Row = {"set": head["set"], "id": head["id"].removeprefix(f"{head['set']}:")}
    if is_shown:
        row |= {"prompt": _cut(prompt.get("prompt")), "answer": head["answer"]}
    else:
        row["hash"] = prompt.get("prompt_hash") or text_hash(head["id"])
    return row | {"given": [_given(items.get(key), is_shown=is_shown) for items in by_arm.values()]}


def _given(item: Row | None, *, is_shown: bool) -> list[Any] | None:
    """Whether it is right, its loss per target token, what was put out and the answer that was read from it.

    Whether it is right is None of an open answer.
    """
    if item is None:
        return None
    loss = None if item["loss"] is None else round(item["loss"], 3)
    head = [None if item["right"] is None else int(item["right"]), loss]
    return [*head, _cut(item["output"]), item["extracted"]] if is_shown else head


def _cut(text: str | None) -> str | None:
    if text is None or len(text) <= LONGEST:
        return text
    half = LONGEST // 2
    return f"{text[:half]} […] {text[-half:]}"


def _letters(row: Row) -> int:
    given = [each for each in row["given"] if each]
    texts = [row.get("prompt"), row.get("answer"), *(part for each in given for part in each[2:])]
    return sum(len(text) for text in texts if text) + 20 * len(given)


def _that_fit(rows: Sequence[Row], most_letters: int) -> list[Row]:
    """All rows, or as many of each set as fit into its equal part of the letters."""
    names = dict.fromkeys(row["set"] for row in rows)
    kept = []
    for name in names:
        left = most_letters / len(names)
        for row in (row for row in rows if row["set"] == name):
            left -= _letters(row)
            if left < 0:
                break
            kept.append(row)
    return kept


def _set_facts(name: str, licences: Mapping[str, str], rows: Sequence[Row], kept: Sequence[Row]) -> Row:
    licence = licences.get(name, "unknown")
    return {
        "name": name, "licence": licence, "hidden": not may_redistribute(licence),
        "num_items": sum(row["set"] == name for row in rows), "shown": sum(row["set"] == name for row in kept),
    }  # fmt: skip
