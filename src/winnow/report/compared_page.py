"""Writes a comparison of runs that others made: a page that works offline; tables as CSV, Markdown and LaTeX."""

import base64
from pathlib import Path

from winnow.findings import GivenFindings
from winnow.report.compared_figures import curves_figure
from winnow.report.figures import our_style, svg
from winnow.report.latex import Interval, latex
from winnow.report.styles import dark
from winnow.report.tables import csv_text, for_people, markdown_file
from winnow.report.templating import environment
from winnow.store import write_atomic


def write_compared(page: Path, findings: GivenFindings) -> None:
    """Write the page and its tables; files of an earlier comparison of these names are replaced."""
    seeds = tuple(sorted({curve.seed for curve in findings.curves}))
    interval = Interval(findings.verdict.confidence, seeds)
    for table in findings.tables.values():
        write_atomic(page.parent / f"{table.name}.csv", csv_text(table))
        write_atomic(page.parent / f"{table.name}.md", markdown_file(table))
        write_atomic(page.parent / f"{table.name}.tex", latex(table, interval, label=f"compared-{table.name}"))
    write_atomic(page, compared_page(findings))


def compared_page(findings: GivenFindings) -> str:
    """The page: verdict, tables, curves in light and dark."""
    with our_style():
        figure = curves_figure(findings)
        drawing = "" if figure is None else svg(figure)
    template = environment("html").get_template("compared.html.jinja")
    return template.render(
        findings=findings, verdict=findings.verdict, printed=for_people,
        drawing=_embedded(drawing), dark_drawing=_embedded(dark(drawing)),
    )  # fmt: skip


def _embedded(drawing: str) -> str:
    return base64.b64encode(drawing.encode()).decode()
