"""Several studies in one table: what each declared, what it found and what it spent."""

from collections.abc import Sequence
from typing import Any

from winnow.findings import Estimate, Findings, Table


def across(studies: Sequence[Findings]) -> Table:
    """One row per study: its primary comparison, the saving on its axis, and its costs."""
    note = (
        "Each study's own declared comparison. A positive gain is better. Studies differ in pool, budget and model, so "
        "their losses are no comparison of studies."
    )
    return Table("studies", "All studies at a glance", tuple(_row(findings) for findings in studies), note)


def _row(findings: Findings) -> dict[str, Any]:
    verdict, primary = findings.verdict, findings.verdict.primary
    gain, net = primary.gain, verdict.saving.net if verdict.saving else None
    rows = findings.tables["ledger_stages"].rows
    return {
        "study": findings.recipe.name,
        "budget": findings.budget_text,
        "arm": primary.arm, "baseline": primary.baseline, "seeds": gain.num if gain else 0, "verdict": verdict.kind,
        "metric": f"{primary.metric.replace('_', ' ')} ({primary.facts.unit})",
        **_bounded("gain", gain, primary.facts.scale), **_bounded("net_saving_percent", net, 100),
        "spent_exaflops": sum(row["spent_exaflops"] for row in rows),
        "spent_seconds": sum(row["spent_seconds"] for row in rows),
        "spent_dollars": sum(row["spent_dollars"] for row in rows),
    }  # fmt: skip


def _bounded(column: str, estimate: Estimate | None, factor: float) -> dict[str, float | None]:
    values = (estimate.mean, estimate.low, estimate.high) if estimate else (None, None, None)
    scaled = (None if value is None else factor * value for value in values)
    return dict(zip((column, f"{column}_low", f"{column}_high"), scaled, strict=True))
