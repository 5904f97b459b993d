"""Writes a comparison of selections: `write_selections(page, findings)`.

One page that works offline, and beside it <table>.csv and <table>.md.
"""

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from winnow.findings import SelectionFindings, Table
from winnow.report.selection_figures import draw_selection_figures
from winnow.report.tables import csv_text, for_people, markdown_file
from winnow.report.templating import environment, where
from winnow.store import write_atomic
from winnow.text.printing import percent

EXPLAINED = {
    "first": "First chosen. Best first where the selector gives an order, else any of the set.",
    "extreme": "Farthest from the pool's mean.",
    "last chosen": "Last chosen: one side of the edge.",
    "first left out": "First left out: the other side of it, had the selection been a little larger.",
}
"""Kind of example -> what it is."""


def write_selections(page: Path, findings: SelectionFindings) -> None:
    """Write the page and its tables; those of an earlier comparison are replaced."""
    folder = page.parent
    for old in [*folder.glob("*.csv"), *folder.glob("*.md")]:
        old.unlink()
    for table in findings.tables.values():
        write_atomic(folder / f"{table.name}.csv", csv_text(table))
        write_atomic(folder / f"{table.name}.md", markdown_file(table))
    write_atomic(page, selections_page(findings))


def selections_page(findings: SelectionFindings) -> str:
    """`selections.html`: self-contained, figures inside."""
    figures = {name: base64.b64encode(image).decode() for name, image in draw_selection_figures(findings).items()}
    return environment("html").get_template("selections.html.jinja").render(
        findings=findings, tables=findings.tables, printed=for_people, figures=figures, explained=EXPLAINED,
        matrices=overlap_matrices(findings), examples=examples_of,
    )  # fmt: skip


def overlap_matrices(findings: SelectionFindings) -> list[dict[str, Any]]:
    """For each fraction its `arms` and `cells`, a row per arm; a cell has `jaccard`, what `random` would, and `common`.

    Arms that bring their own size stand beside every fraction's. An arm beside itself is compared over its seeds.
    """
    arms = findings.tables["selections"].rows
    pairs: dict[Any, Any] = {}
    for row in findings.tables["overlap"].rows:
        pairs |= {(row["arm"], row["other"]): row, (row["other"], row["arm"]): row}
    fractions = sorted({arm["fraction"] for arm in arms if arm["fraction"] is not None}) or [None]
    groups = [[arm["arm"] for arm in arms if arm["fraction"] in (None, fraction)] for fraction in fractions]
    return [
        {"fraction": fraction, "arms": names, "cells": [[_cell(pairs.get((a, b))) for b in names] for a in names]}
        for fraction, names in zip(fractions, groups, strict=True)
        if len(names) > 1
    ]


def _cell(row: dict[str, Any] | None) -> dict[str, Any] | None:
    if row is None:
        return None
    return {
        "jaccard": percent(row["jaccard_share"], 0),
        "random": percent(row["random_jaccard_share"], 0),
        "common": percent(row["common_share"], 0),
        "depth": round(0.55 * row["jaccard_share"], 3),
    }


def examples_of(table: Table, arm: str, kind: str) -> Sequence[dict[str, Any]]:
    """Rows of one kind, of one arm."""
    return where(where(table, "arm", arm), "kind", kind).rows
