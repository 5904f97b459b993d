"""What the command line prints of a study: the verdict's sentences, and the savings as rows."""

from dataclasses import replace

from winnow.errors import visible
from winnow.findings import Findings, GivenFindings
from winnow.report.tables import for_people

SAVINGS_COLUMNS = (
    "arm", "checkpoint", "loss_difference", "exact_match_difference_points", "seconds_saved", "seconds_saved_percent",
    "net_seconds_saved_percent", "dollars_saved", "net_dollars_saved_percent",
)  # fmt: skip


def verdict_lines(findings: Findings | GivenFindings) -> list[str]:
    """The verdict's sentence, then one for each boring arm beside it."""
    return [visible(each) for each in (findings.verdict.sentence, *findings.verdict.notes)]


def savings_rows(findings: Findings) -> tuple[list[str], list[list[str]]]:
    """Headings and cells of the savings at the best checkpoint."""
    table = findings.tables["savings"]
    rows = tuple({key: row[key] for key in SAVINGS_COLUMNS} for row in table.rows if row["checkpoint"] == "best")
    return for_people(replace(table, rows=rows))


def render_terminal(findings: Findings) -> str:
    """The verdict and the savings as plain text."""
    headings, cells = savings_rows(findings)
    return "\n".join([*verdict_lines(findings), "", *_aligned([headings, *cells])]) + "\n"


def compared_lines(findings: GivenFindings) -> list[str]:
    """Of runs that others made: the verdict's sentences, and all arms as rows."""
    headings, cells = for_people(findings.tables["comparisons"])
    return [*verdict_lines(findings), "", *_aligned([headings, *cells])]


def _aligned(lines: list[list[str]]) -> list[str]:
    lines = [list(map(visible, line)) for line in lines]
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))] if lines[0] else []
    return [
        "  ".join(
            cell.ljust(width) if place == 0 else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]
