"""Templates and files that pages are made of, and what several of them print the same way."""

from dataclasses import replace
from importlib.resources import files
from typing import Any, Literal

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from winnow.credentials import masked_tree
from winnow.findings import Findings, Table
from winnow.kinds import KINDS
from winnow.recipe import TrainingRecipe
from winnow.report.tables import for_people, markdown
from winnow.text.markup import code, escaped_value, fenced, literal, yaml_text

FIGURES = {
    "loss_curves": "Loss over the steps. Thin: each seed; thick: their mean. The steep start is cut off.",
    "exact_match_curves": "Exact match over the steps, on a sample of each set; dotted: a constant answer.",
    "loss_against_cost": "Validation loss over training cost, without selection; dotted: the baseline's best level.",
    "crossover": "Loss over all FLOPs, selection included, and who wins. Grey: arms that never lead.",
    "primary": "The primary metric at its checkpoint, with the interval over seeds; dotted: the untrained model.",
    "grid": "Mean of each cell; star: best; frames: cells not shown to be worse. Lines are interpolated between cells.",
    "pareto": "Each arm in two measures; filled and joined: no other arm has better means in both.",
    "learning": "What was learnt, to the right, over what was forgotten; arrows lead to longer runs. Bars: over seeds.",
    "final_loss": "Loss over whole evaluation sets at the best and the last checkpoint.",
    "composition": "Where the examples come from.",
    "simplex": "Mixtures by their shares of the whole run, coloured by loss: dark is better. Star: learned shares.",
    "schedules": "Share of each source in what a run reads: lines as asked, points as read.",
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


def trainings_of(findings: Findings) -> list[tuple[str, TrainingRecipe]]:
    """How each arm with a finished run trained, as its records say; the recipe's own words where there is no run."""
    found = [(arm.name, TrainingRecipe.model_validate(arm.training)) for arm in findings.arms if arm.training]
    return found or [("", findings.recipe.training)]


def settings_of(trainings: list[tuple[str, TrainingRecipe]], devices: int) -> list[tuple[str, str]]:
    """Setting -> value for the card; where arms differ, each value with the arms that have it."""
    rows = dict[str, dict[str, list[str]]]()
    for arm, training in trainings:
        for key, value in _settings(training, devices).items():
            rows.setdefault(key, {}).setdefault(value, []).append(arm)
    return [(key, _by_arm(values, len(trainings))) for key, values in rows.items()]


def _by_arm(values: dict[str, list[str]], count: int) -> str:
    if len(values) == 1 and len(next(iter(values.values()))) == count:
        return next(iter(values))
    return "; ".join(f"{value} ({', '.join(arms)})" for value, arms in values.items())


def _settings(training: TrainingRecipe, devices: int) -> dict[str, str]:
    batch = training.per_device_batch_size * training.gradient_accumulation_steps * devices
    return {
        "method": training.method,
        "learning rate": f"{training.learning_rate:g}",
        "schedule": training.schedule,
        "weight decay": f"{training.weight_decay:g}",
        "examples per step": f"{batch}",
        "loss on": training.loss_on,
        "precision": training.precision,
    }


def adapter_settings(trainings: list[tuple[str, TrainingRecipe]]) -> list[tuple[str, str]]:
    """The same of the adapters; empty where none was trained."""
    adapted = [(arm, training) for arm, training in trainings if training.method == "lora"]
    rows = dict[str, dict[str, list[str]]]()
    for arm, training in adapted:
        for key, value in _adapter(training).items():
            rows.setdefault(key, {}).setdefault(value, []).append(arm)
    return [(key, _by_arm(values, len(adapted))) for key, values in rows.items()]


def _adapter(training: TrainingRecipe) -> dict[str, str]:
    if training.peft is not None:
        return {key: str(value) for key, value in training.peft.items()}
    lora = training.lora
    given = lora.target_modules or "the usual ones of the model's type"
    targets = given if isinstance(given, str) else ", ".join(given)
    usual = {
        "r": f"{lora.r}", "lora_alpha": f"{lora.lora_alpha:g}", "lora_dropout": f"{lora.lora_dropout:g}",
        "target_modules": targets,
    }  # fmt: skip
    return usual | {key: "true" for key in ("use_rslora", "use_dora") if getattr(lora, key)} | {"bias": "none"}


def context_of(findings: Findings) -> dict[str, Any]:
    """What the templates of page and card both print."""
    recipe, trainings = findings.recipe, trainings_of(findings)
    first = next((arm.name for arm in findings.arms if arm.seeds and arm.name == findings.verdict.primary.arm), None)
    example = first or next((arm.name for arm in findings.arms if arm.seeds), findings.baseline)
    kept = recipe.study.kept_checkpoints
    return {
        "findings": findings,
        "recipe": recipe,
        "verdict": findings.verdict,
        "tables": findings.tables,
        "printed": for_people,
        "markdown": markdown,
        "where": where,
        "captions": FIGURES,
        "example_method": dict(trainings).get(example, recipe.training).method,
        "trainings": trainings,
        "training_settings": settings_of(trainings, recipe.machine.devices),
        "adapter_settings": adapter_settings(trainings),
        "has_one_start": len({training.start for _, training in trainings}) == 1,
        "is_all_adapters": all(training.method == "lora" for _, training in trainings),
        "example_path": KINDS["train"].weights.format(run=example, checkpoint=kept[0]) if kept else None,
        "base_path": findings.settings.get("base_paths", {}).get(example, findings.settings.get("base_path", "base")),
        "base_paths": findings.settings.get("base_paths", {}),
        "recipe_yaml": yaml_text(masked_tree(recipe.model_dump(mode="json", exclude_defaults=True))),
        "environment": findings.settings.get("environment", {}),
        "machine": findings.settings.get("machine", {}),
    }


def where(table: Table, column: str, value: str) -> Table:
    """The rows with this value in a column, without that column."""
    rows = (row for row in table.rows if row[column] == value)
    kept = tuple({key: each for key, each in row.items() if key != column} for row in rows)
    return replace(table, rows=kept, columns=tuple(key for key in table.columns if key != column))
