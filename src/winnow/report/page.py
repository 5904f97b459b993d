"""The report as one HTML page, of one study or of several side by side: nothing in it is fetched from anywhere.

Tables are written here and can be read and printed without a script; curves, sorting and the browser of items are
drawn by the scripts in `templates/` with uPlot (`vendor/`), from the JSON that stands in the page.
"""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from markupsafe import Markup

from winnow.findings import Findings, Table
from winnow.report.across import across
from winnow.report.page_data import page_data
from winnow.report.styles import MANY_ARMS, dark
from winnow.report.tables import cells_of
from winnow.report.templating import asset, context_of, environment
from winnow.text.printing import clock, fixed, flops_text

SCRIPTS = "page.js", "factors.js", "curves.js", "items.js"
KNOWN_TABLES = (
    "savings", "comparisons", "evaluation", "evaluation_clean", "iso_compute", "equal_flops", "adapters", "composition",
    "crossover", "crossover_losses", "sweep", "delayed_gain", "planted", "ledger_arms", "ledger_stages", "effects",
    "grid", "pareto", "measured", "primary", "predicted", "mixture_sweep", "mixtures", "mixture_points",
    "measured_mixtures", "predicted_realised", "proxies", "text_losses", "learning_forgetting", "equal_learning",
)  # fmt: skip
"""Tables that have a place of their own on the page; others follow the evaluation."""
CONTAMINATION, COSTS = "contamination", "cost_to_quality_"
"""How the names of tables begin that stand under a heading of their own."""
SECTIONS = (
    ("mixtures", "Mixtures"), ("factors", "Factors"), ("savings", "Savings"), ("curves", "Curves"),
    ("frontier", "Learning against cost"), ("crossover", "Who wins"), ("learning", "Learning and forgetting"),
    ("evaluation", "Evaluation"), ("compute", "Compute"), ("composition", "Composition"),
    ("contamination", "Contamination"), ("items", "Items"), ("ledger", "Ledger"), ("data", "Data and licences"),
    ("limitations", "Limitations"), ("recipe", "Recipe"),
)  # fmt: skip


@dataclass(frozen=True)
class StudyPage:
    """What a page shows of one study."""

    findings: Findings
    figures: Mapping[str, str] = field(default_factory=dict)
    """Name -> SVG."""
    items: Mapping[str, Any] = field(default_factory=dict)
    """From `read_items`."""


@dataclass(frozen=True)
class Live:
    """How far a running study is."""

    text: str
    done: int
    total: int
    version: str
    """Of the report below; another one replaces it."""


def html_page(studies: Sequence[StudyPage], *, live: Live | None = None) -> str:
    """The page, self-contained. Several studies have a section each, and one table across."""
    shown = [_section(study, f"study-{place}", num=len(studies)) for place, study in enumerate(studies, 1)]
    names = [study.findings.recipe.name for study in studies]
    scripts = [asset(f"templates/{name}") for name in (*SCRIPTS, *(["live.js"] if live else []))]
    table = _table_of(across([study.findings for study in studies])) if len(studies) > 1 else ""
    return environment("html").get_template("report.html.jinja").render(
        title=" and ".join(names), studies=shown, across=table, live=live,
        styles=[asset("vendor/uPlot.css"), asset("templates/page.css")], scripts=[asset("vendor/uPlot.js"), *scripts],
    )  # fmt: skip


def _section(study: StudyPage, name: str, *, num: int) -> dict[str, Any]:
    """One study's part of the page and the data for its scripts."""
    findings, data = study.findings, page_data(study.findings)
    tables = findings.tables
    has = {"curves": data["runs"], "frontier": data["runs"]} | {
        "crossover": tables["crossover"].rows, "items": study.items, "factors": findings.factors,
        "mixtures": findings.recipe.is_text, "composition": not findings.recipe.is_text,
        "learning": "learning_forgetting" in tables and tables["learning_forgetting"].rows,
    }  # fmt: skip
    more = [
        each for each, table in tables.items()
        if each not in KNOWN_TABLES and not each.startswith((COSTS, CONTAMINATION)) and table.rows
    ]  # fmt: skip
    body = environment("html").get_template("study.html.jinja").render(
        **context_of(findings), id=name, prefix=f"{name}-" if num > 1 else "", cells=cells_of, data=data,
        items=study.items, bars=composition_bars(tables["composition"]), facts=headline(findings), more=more,
        sections=[(anchor, title) for anchor, title in SECTIONS if has.get(anchor, True)],
        axis_options=[axis | {"chosen": axis["key"] == "steps"} for axis in data["axes"]],
        dash_options=dash_options(data["factors"]), by_levels=bool(data["factors"]) and len(data["arms"]) > MANY_ARMS,
        contamination=[table for each, table in tables.items() if each.startswith(CONTAMINATION) and table.rows],
        figures={each: {"light": _uri(svg), "dark": _uri(dark(svg))} for each, svg in study.figures.items()},
    )  # fmt: skip
    script = json_in_html(data | {"items": study.items})
    return {"id": name, "name": findings.recipe.name, "body": Markup(body), "data": script}


def dash_options(factors: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """What may tell lines of one colour apart: no factor, or one; at first the second."""
    return [{"key": "", "label": "none"}, *(each | {"chosen": each is factors[1]} for each in factors if factors[1:])]


def json_in_html(tree: Any) -> Markup:
    """JSON that may stand in a script element, whatever texts are in it."""
    return Markup(json.dumps(tree, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c"))


def _table_of(table: Table) -> Markup:
    module = environment("html").get_template("table.html.jinja").module
    return Markup(module.table(table, cells_of(table), None))  # type: ignore[attr-defined]


def _uri(svg: str) -> str:
    return f"data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()}"


def headline(findings: Findings) -> list[tuple[str, str]]:
    """What the whole study used: runs, time, money, FLOPs, and what was redone."""
    rows = findings.tables["ledger_stages"].rows

    def total(column: str) -> float:
        return sum(row[column] for row in rows)

    return [
        ("finished runs", f"{len(findings.curves):,}"),
        ("spent", f"{fixed(total('spent_dollars'), 2)} USD"),
        ("machine time", clock(total("spent_seconds"))),
        ("FLOPs (reference)", flops_text(1e18 * total("spent_exaflops"), findings.flops_unit)),
        ("wasted, redone after a kill", f"{fixed(total('wasted_dollars'), 2)} USD"),
    ]


def composition_bars(table: Table) -> dict[str, Any]:
    """Each source's share in the pool and in every selection but the full one, as rows of shares."""
    rows = [row for row in table.rows if row["arm"] != "full"] or list(table.rows)
    sources = list(dict.fromkeys(row["source"] for row in rows))
    shares: dict[str, dict[str, float]] = {"the whole pool": {row["source"]: row["pool_share"] for row in rows}}
    for row in rows:
        shares.setdefault(row["arm"], {})[row["source"]] = row["selected_share"]
    bars = [(name, [each.get(source, 0.0) for source in sources]) for name, each in shares.items()]
    return {"sources": sources, "rows": bars if rows else []}
