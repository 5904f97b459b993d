"""Tables as files and as what people read: CSV has every column, Markdown and HTML leave out the inputs."""

import csv
import io
from dataclasses import dataclass
from typing import Any

from winnow.findings import Table
from winnow.text import markup
from winnow.text.markup import Markdown, escaped
from winnow.text.printing import BOUNDS, printed

INPUTS = {
    "savings": ("baseline", "net_less_seconds", "net_less_dollars", "loss", "baseline_loss", "exact_match",
                "baseline_exact_match", "seconds", "baseline_seconds", "selection_seconds", "dollars_per_hour"),
    **{
        f"cost_to_quality_{axis}": ("seeds_never_reaching", f"selection_{unit}_amortised", f"{unit}_to_early_stop")
        for axis, unit in (("flops", "exaflops"), *((axis, axis) for axis in ("seconds", "dollars", "tokens")))
    },
    "iso_compute": ("visits_per_example", "steps", "executed_exaflops", "6n_exaflops", "seconds_to_best",
                    "dollars_to_best", "evaluation_seconds", "selection_seconds", "selection_dollars", "visits_ratio",
                    "tokens_ratio", "seconds_ratio", "dollars_ratio"),
    "adapters": ("trainable_parameters",),
    "comparisons": ("baseline", "corrected_for"),
    "effects": ("corrected_for",),
    "equal_flops": ("corrected_for",),
    "pareto": ("corrected_for",),
    "learning_forgetting": ("forgotten_stderr", "trained_tokens", "corrected_for"),
    "equal_learning": ("corrected_for",),
    "predicted": ("steps_predicted", "steps", "steps_ratio", "tokens_predicted", "tokens", "evaluation_exaflops_ratio",
                  "evaluation_seconds_ratio", "memory_mib_ratio"),
    "ledger_arms": ("charged_executed_exaflops", "charged_6n_exaflops", "amortised_seconds", "evaluation_exaflops",
                    "evaluation_dollars", "wasted_exaflops", "wasted_dollars"),
    "ledger_stages": ("kind", "arm", "seed", "spent_executed_exaflops", "spent_6n_exaflops", "charged_seconds",
                      "wasted_exaflops"),
    "mixture_sweep": ("mixture", "seeds", "in_domain_loss", "out_of_domain_loss", "tokens", "seconds"),
    **dict.fromkeys(("mixtures", "mixture_points", "text_losses", "predicted_realised", "proxies"), ("mixture",)),
    "selections": ("fraction", "pool_mean_tokens"),
}  # fmt: skip
"""Table -> columns that only its CSV has."""


def csv_text(table: Table) -> str:
    """Every column, unrounded; an empty cell where there is no value; the columns alone where there is no row."""
    buffer = io.StringIO()
    if heads := list(table.rows[0]) if table.rows else table.columns:
        writer = csv.DictWriter(buffer, fieldnames=heads, lineterminator="\n")
        writer.writeheader()
        writer.writerows(table.rows)
    return buffer.getvalue()


def for_people(table: Table) -> tuple[list[str], list[list[str]]]:
    """Headings and printed cells, without the columns that only the CSV has, and without empty notes."""
    return printed(rows_for_people(table), table.levels, table.flops_unit)


def rows_for_people(table: Table) -> list[dict[str, Any]]:
    """The rows without the columns that only the CSV has, and without empty notes."""
    hidden = set(INPUTS.get(table.name, ()))
    if not any(row.get("note") for row in table.rows):
        hidden.add("note")
    if table.levels and table.rows:
        hidden |= {key for key in table.rows[0] if all(row[key] is None for row in table.rows)}
    return [{key: value for key, value in row.items() if _base(key) not in hidden} for row in table.rows]


@dataclass(frozen=True, slots=True)
class Cell:
    """What people read, and the number that stands in the CSV."""

    text: str
    value: float | None


def cells_of(table: Table) -> tuple[list[str], list[list[Cell]]]:
    """Headings and cells as in `for_people`, each cell with its unrounded number where it has one."""
    headings, shown = for_people(table)
    columns = _shown_columns(table)
    return headings, [
        [Cell(text, _number(row[column])) for text, column in zip(line, columns, strict=True)]
        for line, row in zip(shown, table.rows, strict=True)
    ]


def _number(value: Any) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _shown_columns(table: Table) -> list[str]:
    return [key for key in rows_for_people(table)[0] if not key.endswith(BOUNDS)] if table.rows else []


def _base(column: str) -> str:
    return column.removesuffix("_low").removesuffix("_high")


def markdown(table: Table) -> Markdown:
    """A Markdown table with its note below."""
    headings, cells = for_people(table)
    if not cells:
        return Markdown("Nothing yet.\n")
    body = markup.table(headings, cells)
    return Markdown(f"{body}\n{escaped(table.note)}\n") if table.note else body


def markdown_file(table: Table) -> str:
    """A table as a file of its own, under its title."""
    return f"# {escaped(table.title)}\n\n{markdown(table)}"
