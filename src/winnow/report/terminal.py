"""What the command line prints of a study: the verdict's lines, and a table of arms that fits `WIDTH` columns."""

import textwrap
from typing import Any

from winnow.errors import visible
from winnow.findings import Findings, GivenFindings
from winnow.metrics import ALWAYS
from winnow.report.tables import for_people
from winnow.text.printing import NONE, PREFIXES, cell, fixed

WIDTH = 100
MIN_NAME = 24
"""Letters of an arm's name that are always shown."""
AXIS_WORDS = {"flops": "FLOPs", "seconds": "time", "dollars": "USD", "tokens": "tokens"}


def verdict_lines(findings: Findings | GivenFindings) -> list[str]:
    """The answer in plain words, the sentence with its numbers, then what stands beside it."""
    verdict = findings.verdict
    head = [verdict.advice, ""] if verdict.advice else []
    return [visible(each) for each in (*head, verdict.sentence, *verdict.notes)]


def arms_table(findings: Findings) -> tuple[list[str], list[list[str]]]:
    """Headings and cells: what each arm reached, cost, and saved to the baseline's level, on the declared axis."""
    axis = findings.recipe.study.primary.cost
    table = findings.tables[f"cost_to_quality_{axis}"]
    levels, primary = _levels(findings), findings.verdict.primary
    unit = "exaflops" if axis == "flops" else axis
    words = f"{PREFIXES[findings.flops_unit]}FLOPs" if axis == "flops" else AXIS_WORDS[axis]
    has_answers = any(found.get("exact_match") is not None for found in levels.values())
    other = (
        {row["arm"]: row["value"] for row in findings.tables["primary"].rows} if "primary" in findings.tables else {}
    )
    is_other = bool(other) and primary.metric not in ALWAYS
    headings = ["arm", "loss", *(["exact match (%)"] if has_answers else [])]
    headings += [findings.tables["primary"].title] if is_other else []
    headings += [f"{words} of a run", f"to {findings.baseline}'s level", "saved (%)"]
    rows = []
    for row in table.rows:
        paid, found = row[f"selection_{unit}"], levels.get(row["arm"], {})
        own = "to_best" if row["arm"] == findings.baseline else "to_baseline_best"
        to_level, whole = row[f"{unit}_{own}"], row[f"{unit}_to_last"]
        rows.append([
            row["arm"], cell("loss", found.get("loss")),
            *([cell("exact_match", found.get("exact_match"))] if has_answers else []),
            *([cell("value", other.get(row["arm"]))] if is_other else []),
            cell(unit, whole + paid, findings.flops_unit),
            row["at_baseline_best"] if to_level is None else cell(unit, to_level + paid, findings.flops_unit),
            _saved(row),
        ])  # fmt: skip
    return headings, rows


def _saved(row: dict[str, Any]) -> str:
    value, high = row["net_saved_percent"], row["net_saved_percent_high"]
    if value is None:
        return NONE
    return fixed(value, 0) + (f" ± {fixed(high - value, 0)}" if high is not None else "")


def _levels(findings: Findings) -> dict[str, dict[str, Any]]:
    """Arm -> its row over all items at the checkpoint of the primary comparison."""
    asked = findings.verdict.primary.checkpoint
    rows = findings.tables["evaluation"].rows
    return {row["arm"]: row for row in rows if (row["set"], row["checkpoint"]) == ("micro", asked)}


def caption(findings: Findings) -> str:
    """What the console's table shows."""
    primary, baseline = findings.recipe.study.primary, findings.baseline
    return (
        f"Means over seeds at the {primary.checkpoint} checkpoint, over all items. Costs are "
        f"{AXIS_WORDS[primary.cost]} (study.primary.cost), selection included. "
        f"Level: {baseline}'s best {findings.level_words}. Saved: the share of {baseline}'s cost to "
        f"it, {100 * findings.verdict.confidence:g} % interval over seeds."
    )


def render_terminal(findings: Findings) -> str:
    """The verdict and the arms as plain text."""
    headings, cells = arms_table(findings)
    lines = [*verdict_lines(findings), ""]
    lines += (
        [*_within(WIDTH, [headings, *cells]), "", *textwrap.wrap(visible(caption(findings)), WIDTH)] if cells else []
    )
    return "\n".join(lines) + "\n"


def compared_lines(findings: GivenFindings) -> list[str]:
    """Of runs that others made: the verdict's sentences, and all arms as rows."""
    headings, cells = for_people(findings.tables["comparisons"])
    return [*verdict_lines(findings), "", *_aligned([headings, *cells])]


def _within(width: int, lines: list[list[str]]) -> list[str]:
    """The lines aligned, headings on two lines, and long names without their middle where that is needed."""
    heads = [_halves(heading) for heading in lines[0]]
    rows = [
        [upper for upper, _ in heads],
        [lower for _, lower in heads],
        *(list(map(visible, row)) for row in lines[1:]),
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(1, len(rows[0]))]
    room = max(MIN_NAME, width - sum(widths) - 2 * len(widths))
    return _aligned([[_shortened(row[0], room), *row[1:]] for row in rows])


def _halves(heading: str) -> tuple[str, str]:
    """A heading on two lines of about the same length."""
    words = visible(heading).split(" ")
    cuts = [(" ".join(words[:at]), " ".join(words[at:])) for at in range(len(words))]
    return min(cuts, key=lambda cut: (max(map(len, cut)), len(cut[0])))


def _shortened(name: str, most: int) -> str:
    if len(name) <= most:
        return name
    kept = most - 1
    return f"{name[: kept // 2]}…{name[-(kept - kept // 2) :]}"


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
