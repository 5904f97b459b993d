"""Writes a report into a study folder: `write_report(folder, findings)`.

tables/*.csv and *.md, figures/*.png, report.html (one page that works offline) and README.md (the model card).
"""

from pathlib import Path

from winnow.findings import Findings
from winnow.report.figures import draw_figures
from winnow.report.page import html_page, model_card
from winnow.report.tables import csv_text, markdown
from winnow.store import write_atomic


def write_report(folder: str | Path, findings: Findings) -> Path:
    """The page that was written. Files of an earlier report are replaced."""
    root = Path(folder)
    for table in findings.tables.values():
        write_atomic(root / "tables" / f"{table.name}.csv", csv_text(table))
        write_atomic(root / "tables" / f"{table.name}.md", f"# {table.title}\n\n{markdown(table)}")
    figures = draw_figures(findings)
    for name, image in figures.items():
        write_atomic(root / "figures" / f"{name}.png", image)
    write_atomic(root / "README.md", model_card(findings, figures))
    write_atomic(root / "report.html", html_page(findings, figures))
    return root / "report.html"
