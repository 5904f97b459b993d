"""What the pool has in common with the evaluation sets, and what was removed for it, as tables for a report."""

from collections.abc import Mapping, Sequence
from typing import Any

from winnow.analysis.study_folder import Study
from winnow.findings import Table
from winnow.store import read_json

REMOVED_COLUMNS = (
    ("source", "name"), ("rows_read", "read"), ("removed_overlaps", "removed_overlaps"), ("dropped", "dropped"),
    ("examples", "examples"),
)  # fmt: skip
"""Column of the table, and its name in the pool's records."""

TEXT_COLUMNS = (
    ("source", "name"), ("documents_read", "read"), ("copies", "repeats"), ("in_evaluation_sets", "overlaps"),
    ("left_out", "left_out"), ("documents_to_train", "documents"), ("tokens_to_train", "tokens"),
    ("held_out_documents", "validation_documents"), ("held_out_tokens", "validation_tokens"),
)  # fmt: skip
"""The same of plain text."""
TEXT_NOTE = (
    "Copies: of an earlier document of the source. In evaluation sets: documents that hold an item of an evaluation "
    "set, or text that is evaluated on; they are not trained on. Left out: beyond limit_tokens."
)

RULES = "equal_question", "covered_8", "shared_13", "shared_8"
FOUND_COLUMNS = ("source", "set", "items", *RULES, *(f"{rule}_percent" for rule in RULES))
COPIES_COLUMNS = "source", "examples", "exact", "near", "masked", "questions_asked_again"
"""Columns of the tables that the hygiene of a pool leaves, which are told where it was not asked for."""
REMOVED_NOTE = (
    "Removed overlaps: training rows that ask what an item of an evaluation set asks. Dropped: for other reasons, such "
    "as a missing answer. Examples: what is left, after sampling."
)
FOUND_NOTE = "Before anything was removed: how many items of the set stand in the source, by each rule."
COPIES_NOTE = "Rows that are not the first of their group: equal texts, near copies, copies but for numbers and names."


def contamination_tables(study: Study) -> tuple[Table, ...]:
    """`contamination_removed` from the pool's records; `contamination` and `contamination_duplicates` where a study
    looked for shared passages and near copies. Tables without rows where the records say nothing."""
    path = study.folder / "records" / "hygiene.json"
    hygiene: Mapping[str, Any] = read_json(path) if path.is_file() else {}
    found, copies = (tuple(hygiene.get(key, ())) for key in ("contamination", "duplicates"))
    if study.recipe.is_text:
        rows = _removed(study, TEXT_COLUMNS)
        return (
            Table(
                "contamination_removed", "What became of each source's documents", rows, TEXT_NOTE,
                columns=_names(TEXT_COLUMNS),
            ),
        )  # fmt: skip
    return (
        Table(
            "contamination_removed",
            "Rows removed from each source",
            _removed(study, REMOVED_COLUMNS),
            REMOVED_NOTE,
            columns=_names(REMOVED_COLUMNS),
        ),
        Table(
            "contamination",
            "Items of evaluation sets found in each source",
            found,
            FOUND_NOTE,
            columns=() if found else FOUND_COLUMNS,
        ),
        Table(
            "contamination_duplicates",
            "Copies within and between sources",
            copies,
            COPIES_NOTE,
            columns=() if copies else COPIES_COLUMNS,
        ),
    )


def _names(columns: Sequence[tuple[str, str]]) -> tuple[str, ...]:
    return tuple(column for column, _ in columns)


def _removed(study: Study, columns: Sequence[tuple[str, str]]) -> tuple[dict[str, Any], ...]:
    sources = study.pool.get("pool", {}).get("sources", ())
    return tuple({column: source.get(key) for column, key in columns} for source in sources)
