"""Writes a report: `write_report(folder, findings)` for a study, `write_together` for several on one page.

tables/*.csv, *.md and *.tex, figures/*.png, *.svg and *.pdf, report.html (one page that works offline) and README.md
(the model card). All of it is made from the study folder's records.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from winnow.findings import Findings, Table
from winnow.report.across import across
from winnow.report.card import model_card
from winnow.report.drawn import bring_figures, figures_of
from winnow.report.items import MOST_LETTERS, read_items
from winnow.report.latex import Interval, latex
from winnow.report.page import StudyPage, html_page
from winnow.report.tables import csv_text, markdown_file
from winnow.store import write_atomic

PAGE = "report.html"
ON_PAGE = "crossover", "grid", "pareto", "learning", "final_loss", "primary", "simplex", "schedules"
"""Figures that stand in the page as they are; the script draws the others."""
WITHOUT_SCRIPT = "loss_curves", "exact_match_curves", "loss_against_cost"
"""Figures for readers whose browser runs no scripts."""


def write_report(
    folder: str | Path, findings: Findings, *, out: str | Path | None = None, left_out: Sequence[str] = ()
) -> Path:
    """The page that was written, into `out` or the study folder itself. Files of an earlier report are replaced.

    `left_out`: what the card says is not there of the study, a sentence each.
    """
    root = Path(out) if out is not None else Path(folder)
    recipe = findings.recipe
    write_tables(root, findings.tables, Interval(recipe.study.confidence, recipe.study.seeds), name=recipe.name)
    drawings = bring_figures(root, findings)
    write_atomic(root / "README.md", model_card(findings, drawings, left_out=left_out))
    kept = {name: drawings[name] for name in drawings if name in (*ON_PAGE, *WITHOUT_SCRIPT)}
    write_atomic(root / PAGE, html_page([StudyPage(findings, kept, read_items(folder, findings))]))
    return root / PAGE


def write_together(studies: Sequence[tuple[str | Path, Findings]], out: str | Path) -> Path:
    """One page for several studies, and the table across them; each study's own files are left as they are."""
    root, letters = Path(out), MOST_LETTERS // len(studies)
    findings = [found for _, found in studies]
    write_tables(root, {"studies": across(findings)}, Interval(findings[0].recipe.study.confidence), name="studies")
    pages = [study_page(folder, found, most_letters=letters) for folder, found in studies]
    write_atomic(root / PAGE, html_page(pages))
    return root / PAGE


def study_page(folder: str | Path, findings: Findings, *, most_letters: int = MOST_LETTERS) -> StudyPage:
    """One study's part of a page, without the figures for readers without scripts."""
    figures = figures_of(Path(folder), findings, ON_PAGE)
    return StudyPage(findings, figures, read_items(folder, findings, most_letters=most_letters))


def write_tables(root: Path, tables: Mapping[str, Table], interval: Interval, *, name: str) -> None:
    """`tables/<name>.csv` with all columns, `tables/<name>.md` for people and `tables/<name>.tex` for papers."""
    for table in tables.values():
        place = root / "tables"
        write_atomic(place / f"{table.name}.csv", csv_text(table))
        write_atomic(place / f"{table.name}.md", markdown_file(table))
        write_atomic(place / f"{table.name}.tex", latex(table, interval, label=f"{name}-{table.name}"))
