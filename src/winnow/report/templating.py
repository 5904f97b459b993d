"""Templates and files that pages are made of, and what several of them print the same way."""

from dataclasses import replace
from importlib.resources import files
from typing import Any, Literal

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from winnow.credentials import masked_tree
from winnow.findings import Findings, Table
from winnow.report.tables import for_people, markdown
from winnow.text.markup import code, escaped_value, fenced, literal, yaml_text

FIGURES = {
    "loss_curves": "Loss over the steps. Thin: each seed; thick: their mean. The steep start is cut off.",
    "exact_match_curves": "Exact match over the steps, on a sample of each set; dotted: a constant answer.",
    "loss_against_cost": "Validation loss over training cost, without selection; dotted: the baseline's best level.",
    "crossover": "Loss over all FLOPs, selection included, and who wins. Grey: arms that never lead.",
    "primary": "The primary metric at its checkpoint, with the interval over seeds; dotted: the untrained model.",
    "final_loss": "Loss over whole evaluation sets at the best and the last checkpoint.",
    "composition": "Where the examples come from.",
}


def environment(language: Literal["html", "markdown"]) -> Environment:
    """Where the templates are. Texts are escaped as the language asks for; an undefined name is an error."""
    is_html = language == "html"
    made = Environment(
        loader=PackageLoader("winnow.report"), autoescape=is_html, finalize=None if is_html else escaped_value,
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True,
    )  # fmt: skip
    made.globals |= {"code": code, "literal": literal, "fenced": fenced}
    return made


def asset(path: str) -> Markup:
    """A file of this package, such as `vendor/uPlot.js`, to stand in a page as it is."""
    return Markup(files("winnow.report").joinpath(path).read_text(encoding="utf-8"))


def context_of(findings: Findings) -> dict[str, Any]:
    """What the templates of page and card both print."""
    recipe = findings.recipe
    first = next((arm.name for arm in findings.arms if arm.seeds and arm.name == findings.verdict.primary.arm), None)
    return {
        "findings": findings,
        "recipe": recipe,
        "verdict": findings.verdict,
        "tables": findings.tables,
        "printed": for_people,
        "markdown": markdown,
        "where": where,
        "captions": FIGURES,
        "example_arm": first or next((arm.name for arm in findings.arms if arm.seeds), findings.baseline),
        "base_path": findings.settings.get("base_path", "base"),
        "recipe_yaml": yaml_text(masked_tree(recipe.model_dump(mode="json", exclude_defaults=True))),
        "environment": findings.settings.get("environment", {}),
        "machine": findings.settings.get("machine", {}),
    }


def where(table: Table, column: str, value: str) -> Table:
    """The rows with this value in a column, without that column."""
    rows = (row for row in table.rows if row[column] == value)
    return replace(table, rows=tuple({key: each for key, each in row.items() if key != column} for row in rows))
