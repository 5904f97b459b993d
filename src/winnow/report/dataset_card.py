"""The card of a study's selections as a data set: a configuration for each, how it was chosen, and what it cost.

The data set holds ids and ranks, not the rows, whose licences are those of their sources; `winnow select --export`
writes rows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from winnow.credentials import masked_tree
from winnow.findings import Findings, Table
from winnow.report.tables import markdown
from winnow.report.templating import environment, where
from winnow.text import markup
from winnow.text.markup import yaml_text
from winnow.text.printing import clock, exaflops, fixed

SIZES = ((1e3, "n<1K"), (1e4, "1K<n<10K"), (1e5, "10K<n<100K"), (1e6, "100K<n<1M"), (1e7, "1M<n<10M"))


@dataclass(frozen=True)
class SelectionFiles:
    """One arm's selection in the data set."""

    arm: str
    rows: int
    splits: Mapping[str, str]
    """Split -> its file, relative to the card: one for each seed that the selection depends on."""


def dataset_card(findings: Findings, selections: Sequence[SelectionFiles]) -> str:
    """`README.md` of the data set of all selections."""
    costs = {
        row["arm"]: _cost(row)
        for row in findings.tables["iso_compute"].rows
        if row.get("selection_seconds") is not None
    }
    facts = {arm.name: arm for arm in findings.arms}
    recipe = findings.recipe.model_dump(mode="json", exclude_defaults=True)
    return environment("markdown").get_template("selections.md.jinja").render(
        findings=findings, selections=selections, facts=facts, costs=costs, where=where, markdown=markdown,
        composition=findings.tables["composition"], planted=findings.tables.get("planted", Table("", "", ())),
        front_matter=markup.front_matter(front_matter(selections)), sources=pool_sources(findings),
        selection_yaml=yaml_text(masked_tree({key: recipe[key] for key in ("pool", "selection") if key in recipe})),
    )  # fmt: skip


def front_matter(selections: Sequence[SelectionFiles]) -> dict[str, Any]:
    """The metadata: a configuration for each arm with its splits."""
    most = sum(each.rows for each in selections)
    return {
        "license": "other",
        "license_name": "see-the-section-licences",
        "tags": ["winnow", "data-selection"],
        "size_categories": [next((name for bound, name in SIZES if most < bound), "n>10M")],
        "configs": [
            {
                "config_name": each.arm,
                "data_files": [{"split": split, "path": path} for split, path in each.splits.items()],
            }
            for each in selections
        ],
    }


def pool_sources(findings: Findings) -> list[Any]:
    """The sources that rows were chosen from."""
    return [each for each in findings.sources if each.role in ("training pool", "target sample", "planted noise")]


def _cost(row: Mapping[str, Any]) -> str:
    dollars = fixed(row["selection_dollars"], 2)
    return f"{exaflops(row['selection_exaflops'])} exaFLOPs, {clock(row['selection_seconds'])}, {dollars} USD"
