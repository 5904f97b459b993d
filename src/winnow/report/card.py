"""`README.md` of a study folder: the model card, with machine-readable results in its front matter."""

from collections.abc import Iterable, Sequence
from typing import Any

from winnow.findings import Findings
from winnow.recipe import TrainingRecipe
from winnow.report.model_index import hub_names, index_entry
from winnow.report.templating import context_of, environment, trainings_of
from winnow.text import markup

TEXT_TAGS = "pretraining", "dataset-mixing"
"""Of studies of plain text."""


def model_card(findings: Findings, figures: Iterable[str], *, left_out: Sequence[str] = ()) -> str:
    """The card; `figures` are the names of those that lie in `figures/`, `left_out` what is not there of the study."""
    return environment("markdown").get_template("card.md.jinja").render(
        **context_of(findings), front_matter=markup.front_matter(front_matter(findings)), figures=list(figures),
        left_out=list(left_out),
    )  # fmt: skip


def front_matter(findings: Findings) -> dict[str, Any]:
    """The card's metadata, with a result for each arm and evaluation set in the hub's `model-index`."""
    recipe = findings.recipe
    trainings = [training for _, training in trainings_of(findings)]
    tags = ["winnow", *([] if recipe.vary else ["data-selection"]), *(TEXT_TAGS if recipe.is_text else ())]
    tags += dict.fromkeys(tag for training in trainings for tag in _adapter_tags(training))
    front: dict[str, Any] = {
        "license": "other", "license_name": "see-the-section-licence", "pipeline_tag": "text-generation", "tags": tags,
    }  # fmt: skip
    if all(training.method == "lora" for training in trainings):
        front["library_name"] = "peft"
    elif recipe.base.from_scratch:
        front["library_name"] = "transformers"
    if recipe.base.model:
        front["base_model"] = recipe.base.model
    if trained_on := dict.fromkeys(name for source in recipe.pool.sources for name in hub_names(source)):
        front["datasets"] = list(trained_on)
    entries = [index_entry(findings, arm.name) for arm in findings.arms if arm.seeds]
    return front | {"model-index": [entry for entry in entries if entry["results"]]}


def _adapter_tags(training: TrainingRecipe) -> list[str]:
    if training.method != "lora":
        return []
    return ["peft", "lora" if training.peft is None else str(training.peft["peft_type"]).lower()]
