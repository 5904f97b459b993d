"""The report as one page and as a model card: templates filled with findings; nothing is fetched from anywhere."""

import base64
import io
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from ruamel.yaml import YAML

from winnow.findings import Findings, Table
from winnow.recipe import TrainingRecipe
from winnow.report.tables import for_people, markdown

FIGURES = {
    "loss_curves": "Loss over the steps. Thin: each seed; thick: their mean. The steep start is cut off.",
    "exact_match_curves": "Exact match over the steps, on a sample of each set; dotted: a constant answer.",
    "loss_against_cost": "Validation loss over training cost, without selection; dotted: the baseline's best level.",
    "crossover": "Loss over all FLOPs, selection included, and who wins. Grey: arms that never lead.",
    "final_loss": "Loss over whole evaluation sets at the best and the last checkpoint.",
    "composition": "Where the examples come from.",
}


def html_page(findings: Findings, figures: Mapping[str, bytes]) -> str:
    """`report.html`: self-contained, figures inside."""
    embedded = {name: base64.b64encode(data).decode() for name, data in figures.items()}
    return environment(autoescape=True).get_template("report.html.jinja").render(
        **_shared(findings), figures=embedded, captions=FIGURES,
    )  # fmt: skip


def model_card(findings: Findings, figures: Mapping[str, bytes]) -> str:
    """`README.md`: the model card, with machine-readable results in its front matter."""
    return environment(autoescape=False).get_template("card.md.jinja").render(
        **_shared(findings), front_matter=_yaml(front_matter(findings)), figures=list(figures), captions=FIGURES,
    )  # fmt: skip


def front_matter(findings: Findings) -> dict[str, Any]:
    """The card's metadata, with a result for each arm and evaluation set in the hub's `model-index`."""
    recipe = findings.recipe
    tags = ["winnow", "data-selection", *_adapter_tags(recipe.training)]
    front: dict[str, Any] = {"license": "other", "pipeline_tag": "text-generation", "tags": tags}
    if recipe.training.method == "lora":
        front["library_name"] = "peft"
    if recipe.base.model:
        front["base_model"] = recipe.base.model
    return front | {"model-index": [_index_entry(findings, arm.name) for arm in findings.arms if arm.seeds]}


def _adapter_tags(training: TrainingRecipe) -> list[str]:
    if training.method == "full":
        return []
    return ["peft", "lora" if training.peft is None else str(training.peft["peft_type"]).lower()]


def _index_entry(findings: Findings, arm: str) -> dict[str, Any]:
    rows = [
        row
        for row in findings.tables["evaluation"].rows
        if row["arm"] == arm and row["checkpoint"] == "best" and row["set"] not in ("micro", "macro")
    ]
    return {
        "name": f"{findings.recipe.name} {arm}",
        "results": [
            {
                "task": {"type": "text-generation"},
                "dataset": {"name": row["set"], "type": row["set"]},
                "metrics": [
                    {"type": "exact_match", "name": "exact match (%)", "value": round(100 * row["exact_match"], 2)},
                    {"type": "loss", "name": "loss (nats per target token)", "value": round(row["loss"], 4)},
                ],
            }
            for row in rows
        ],
    }


def _shared(findings: Findings) -> dict[str, Any]:
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
        "example_arm": first or next((arm.name for arm in findings.arms if arm.seeds), findings.baseline),
        "base_path": findings.settings.get("base_path", "base"),
        "recipe_yaml": _yaml(recipe.model_dump(mode="json", exclude_defaults=True)),
        "environment": findings.settings.get("environment", {}),
        "machine": findings.settings.get("machine", {}),
    }


def where(table: Table, column: str, value: str) -> Table:
    """The rows with this value in a column, without that column."""
    rows = (row for row in table.rows if row[column] == value)
    return replace(table, rows=tuple({key: each for key, each in row.items() if key != column} for row in rows))


def environment(*, autoescape: bool) -> Environment:
    """Where the templates are; an undefined name in one is an error."""
    return Environment(
        loader=PackageLoader("winnow.report"), autoescape=autoescape, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True, keep_trailing_newline=True,
    )  # fmt: skip


def _yaml(tree: Any) -> str:
    buffer = io.StringIO()
    writer = YAML()
    writer.default_flow_style = False
    writer.width = 100
    writer.dump(tree, buffer)
    return buffer.getvalue()
