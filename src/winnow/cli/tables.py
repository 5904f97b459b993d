"""Plain-text tables of the command line: plans, pools, selections and their comparison, selectors."""

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from winnow.errors import visible
from winnow.ledger import dollars
from winnow.recipe.licences import is_noncommercial
from winnow.text.printing import NONE, clock, memory

if TYPE_CHECKING:
    from winnow.findings import SelectionFindings
    from winnow.recipe import Recipe
    from winnow.verbs.plan import Plan, PlannedArm

WIDTH = 140
CONTAMINATION_RULES = "equal_question", "covered_8", "shared_13", "shared_8"


def plan_lines(plan: "Plan", recipe: "Recipe") -> list[str]:
    """A plan for people."""
    declared, what = " (declared)" if plan.is_declared else "", "rows" if recipe.is_text else "examples"
    lines = [
        f"{recipe.name}: {len(plan.arms)} arms x {plan.seeds} seed(s){_batch(plan)}",
        _model(plan),
        f"pool{declared}: {plan.pool_examples:,} {what}, {plan.pool_tokens:,} tokens",
        f"speed: {plan.flops_per_second:.3g} FLOP/s ({recipe.machine.flops_convention}{_origin(plan)}); "
        f"memory of {'a' if _is_same(plan, 'memory_bytes') else 'the largest'} run: about {_memory(plan)}",
        "",
        *_arms(plan.arms),
    ]
    total = [_sum(plan, key) - _sum(plan, f"shared_{key}") for key in ("exaflops", "seconds", "dollars")]
    total[0] += _sum(plan, "selection_exaflops")
    lines += [f"all runs, selection included: {_spent(total)}"]
    if any(arm.evaluation_exaflops for arm in plan.arms):
        looks = [_sum(plan, f"evaluation_{key}") for key in ("exaflops", "seconds", "dollars")]
        looks[0], looks[1] = looks[0] + plan.untrained_exaflops, looks[1] + plan.untrained_seconds
        looks[2] += dollars(plan.untrained_seconds, recipe.machine.dollars_per_hour)
        lines += [f"evaluation and benchmarks, beside the budget: {_spent(looks)}"]
    if any(arm.shared_exaflops for arm in plan.arms):
        shared = [_sum(plan, f"shared_{key}") for key in ("exaflops", "seconds", "dollars")]
        lines += [f"trained once by the longer run that others branch from, and not counted again: {_spent(shared)}"]
    if recipe.study.sweep is not None:
        keys = ("sweep_exaflops", "sweep_seconds", "sweep_dollars")
        swept = [sum(getattr(arm, key) for arm in plan.arms) for key in keys]
        lines += [f"learning-rate trials, beside the budget: {_spent(swept)}"]
    if any(arm.published for arm in plan.arms):
        lines += ["", "beside the published figures:", *_published(plan.arms)]
    return lines + [f"warning: {warning}" for warning in plan.warnings]


def _sum(plan: "Plan", key: str) -> float:
    """Over all arms and seeds."""
    return float(sum(getattr(arm, key) for arm in plan.arms) * plan.seeds)


def _is_same(plan: "Plan", key: str) -> bool:
    """Whether it is the same for all arms that train."""
    return len({getattr(arm, key) for arm in plan.arms if arm.visits}) <= 1


def _origin(plan: "Plan") -> str:
    return {"estimated": ", estimated", "measured": ", measured", "known": ", as this study has it"}.get(
        plan.speed_origin, ""
    )


def _batch(plan: "Plan") -> str:
    return f", global batch {plan.global_batch_size}" if _is_same(plan, "global_batch_size") else ""


def _model(plan: "Plan") -> str:
    if not _is_same(plan, "trainable_parameters"):
        return f"model: {plan.parameters:,} parameters"
    adapter = f", adapter file {plan.adapter_bytes:,} bytes" if plan.adapter_bytes is not None else ""
    return f"model: {plan.parameters:,} parameters, {plan.trainable_parameters:,} trained{adapter}"


def _memory(plan: "Plan") -> str:
    """The peak and what it is made of."""
    peak = plan.memory
    parts = {
        "weights": peak.weights_bytes, "gradients": peak.gradients_bytes, "optimizer": peak.optimizer_bytes,
        "activations": peak.activations_bytes,
    }  # fmt: skip
    made_of = ", ".join(f"{name} {memory(size)}" for name, size in parts.items())
    return f"{memory(plan.memory_bytes)} ({made_of}) of {memory(plan.device_bytes)}"


def _spent(amounts: Sequence[float]) -> str:
    return f"{amounts[0]:.4g} exaFLOPs, {clock(amounts[1])}, {amounts[2]:.2f} USD"


def _arms(arms: Sequence["PlannedArm"]) -> list[str]:
    """A row for each arm; what is the same for all of them stands above the table."""
    columns = {
        "arm": [arm.name for arm in arms],
        **{head: [spell(arm) for arm in arms] for head, key, spell in OWN_COLUMNS if _differs(arms, key)},
        "epochs": [f"{arm.epochs:,.4g}" for arm in arms],
        "examples": [f"{arm.examples:,}" for arm in arms],
        "visits each": [f"{arm.visits_per_example:,.4g}" for arm in arms],
        "steps": [f"{arm.steps:,}" for arm in arms],
        "tokens": [f"{arm.tokens:,}" for arm in arms],
        "exaFLOPs": [f"{arm.exaflops:.4g}" for arm in arms],
        "6N": [f"{arm.exaflops_6n:.4g}" for arm in arms],
        "selection": [f"{arm.selection_exaflops:.3g}" for arm in arms],
        "time": [clock(arm.seconds) for arm in arms],
        "USD": [f"{arm.dollars:.2f}" for arm in arms],
        **({"evaluation": [f"{arm.evaluation_exaflops:.3g}" for arm in arms],
            "its time": [clock(arm.evaluation_seconds) for arm in arms]}
           if any(arm.evaluation_exaflops for arm in arms) else {}),
    }  # fmt: skip
    return table_lines(list(columns), [list(row) for row in zip(*columns.values(), strict=True)])


OWN_COLUMNS: tuple[tuple[str, str, Callable[["PlannedArm"], str]], ...] = (
    ("rate", "learning_rate", lambda arm: f"{arm.learning_rate:g}"),
    ("batch", "global_batch_size", lambda arm: f"{arm.global_batch_size:,}"),
    ("trained", "trainable_parameters", lambda arm: f"{arm.trainable_parameters:,}"),
    ("memory", "memory_bytes", lambda arm: memory(arm.memory_bytes)),
)
"""Columns of what arms mostly have in common: head, field, spelling."""


def _differs(arms: Sequence["PlannedArm"], key: str) -> bool:
    return len({getattr(arm, key) for arm in arms if arm.visits}) > 1


PUBLISHED: tuple[tuple[str, str, Callable[["PlannedArm"], float], Callable[[float], str]], ...] = (
    ("epochs", "epochs", lambda arm: arm.epochs, lambda value: f"{value:g}"),
    ("tokens", "tokens", lambda arm: arm.tokens, lambda value: f"{value:,.0f}"),
    ("steps", "steps", lambda arm: arm.steps, lambda value: f"{value:,.0f}"),
    ("warmup_steps", "warm-up steps", lambda arm: arm.warmup_steps, lambda value: f"{value:,.0f}"),
    ("exaflops", "exaFLOPs 6N", lambda arm: arm.exaflops_6n, lambda value: f"{value:.4f}"),
    ("seconds", "time", lambda arm: arm.seconds, clock),
    ("dollars", "USD", lambda arm: arm.dollars, lambda value: f"{value:.2f}"),
)
"""Figures that people publish: key in a recipe, head, ours, spelling."""


def _published(arms: Sequence["PlannedArm"]) -> list[str]:
    """Ours and theirs side by side, of the figures that some arm has."""
    told = [(arm, arm.published) for arm in arms if arm.published is not None]
    columns = [column for column in PUBLISHED if any(column[0] in figures for _, figures in told)]
    heads = [head for _, own, _, _ in columns for head in (own, "published")]
    rows = [
        [arm.name, *(
            text for key, _, ours, spell in columns
            for text in (spell(ours(arm)), spell(figures[key]) if key in figures else "")
        )]
        for arm, figures in told
    ]  # fmt: skip
    return table_lines(["arm", *heads], rows)


def pool_lines(statistics: Mapping[str, Any], hygiene: Mapping[str, Any] | None = None) -> list[str]:
    """A pool for people; with what the stage `hygiene` found, where the recipe asks for it."""
    heads = ["source", "licence", "read", "overlaps removed", "dropped", "truncated", "train", "validation", "target",
             "mean tokens", "share"]  # fmt: skip
    rows = [
        [
            source["name"], marked_licence(source["licence"]), f"{source['read']:,}", f"{source['removed_overlaps']:,}",
            f"{source['dropped']:,}", f"{source['truncated']:,}", f"{source['examples']:,}",
            f"{source['validation']:,}", f"{source['target']:,}", f"{source['mean_tokens'] or 0:.1f}",
            f"{source['share']:.1%}",
        ]
        for source in statistics["sources"]
    ]  # fmt: skip
    removed = statistics["removed_overlaps_total"]
    where = "they stand in an evaluation set" if hygiene else "their question occurs in an evaluation set"
    return [
        *table_lines(heads, rows),
        f"{statistics['examples']:,} examples to train on, {statistics['tokens']:,} tokens; {removed:,} rows removed "
        f"because {where}",
        *_reasons(statistics["sources"]),
        *(hygiene_lines(hygiene) if hygiene else []),
    ]


def marked_licence(licence: str) -> str:
    """The licence, marked where its name forbids commercial use."""
    return f"{licence} (non-commercial)" if is_noncommercial(licence) else licence


def _reasons(sources: Sequence[Mapping[str, Any]]) -> list[str]:
    """Why rows were dropped, all sources together; nothing where none was."""
    reasons = Counter[str]()
    for source in sources:
        reasons.update(source["dropped_by_reason"])
    said = ", ".join(f"{times:,} with {reason}" for reason, times in reasons.most_common())
    return [f"dropped: {said}"] if said else []


def hygiene_lines(tables: Mapping[str, Any]) -> list[str]:
    """What the pool's sources share with evaluation sets and with each other, for people."""
    contaminated = [
        [
            cell["source"], cell["set"], f"{cell['items']:,}",
            *(f"{cell[rule]:,} ({cell[f'{rule}_percent']:.2f} %)" for rule in CONTAMINATION_RULES),
        ]
        for cell in tables["contamination"] if any(cell[rule] for rule in CONTAMINATION_RULES)
    ]  # fmt: skip
    kinds = "examples", "exact", "near", "masked", "questions_asked_again"
    copies = [[row["source"], *(f"{row[kind]:,}" for kind in kinds)] for row in tables["duplicates"]]
    texts = [
        [
            row["name"], f"{row['read']:,}", f"{row['words']:,}", f"{row['mean_words']:.1f}",
            f"{row['latex_share']:.1%}",
            ", ".join(f"{name} {share:.1%}" for name, share in list(row["languages"].items())[:3]),
        ]
        for row in tables["sources"]
    ]  # fmt: skip
    return [
        "",
        "Evaluation items that stand in a source, and percent of their set:",
        *table_lines(["source", "evaluation set", "items", *CONTAMINATION_RULES], contaminated),
        "",
        "Rows that have an earlier row as their copy; `masked`: with other numbers in it, which makes them no copies:",
        *table_lines(["source", "examples", "exact", "near", "masked", "questions asked again"], copies),
        "",
        "Texts:",
        *table_lines(["source", "examples", "words", "mean words", "with LaTeX", "languages"], texts),
    ]


def selection_lines(selections: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Selections for people: size, cost in tokens, and the ratio of each source's share to the pool's."""
    sources = [row["source"] for row in next(iter(selections.values()))["composition"]] if selections else []
    heads = ["selection", "examples", "mean tokens", "MMD to pool / random's", *sources]
    rows = []
    for name, made in selections.items():
        ratio = made["mmd_ratio"]
        shares = [f"{row['selected_share']:.1%} ({row['ratio']:.2f}x)" for row in made["composition"]]
        rows.append(
            [name, f"{made['size']:,}", f"{made['mean_tokens']:.1f}", "" if ratio is None else f"{ratio:.2f}", *shares]
        )
    return [*table_lines(heads, rows), "In brackets: share of the selection over share of the pool."]


def selector_lines(entries: Sequence[Mapping[str, Any]]) -> list[str]:
    """All selectors and controls: summary, what they need and give, options."""
    lines = []
    for entry in entries:
        lines += [f"{entry['name']}  {'Control. ' if entry['kind'] == 'control' else ''}{entry['summary']}"]
        lines += [f"    {entry['traits']}", *(f"      {_option(option)}" for option in entry["options"])]
    return lines


def _option(option: Mapping[str, Any]) -> str:
    default = f"default {json.dumps(option['default'])}" if "default" in option else "required"
    return f"{option['name']} ({option['type']}; {default}): {option['text']}"


def comparison_lines(found: "SelectionFindings") -> list[str]:
    """Selections side by side: what they are like, what they cost, and how much each two share."""
    selections, cost = found.tables["selections"].rows, found.tables["cost"].rows
    heads = ["selection", "examples", "mean tokens", "MMD / random's", "to target / random's", "faults", "passes"]
    rows = [
        [
            row["arm"], f"{row['examples']:,}", f"{row['mean_tokens']:.1f}", _number(row["mmd_root_ratio"]),
            _number(row["target_mmd_root_ratio"]), _share(row.get("fault_share")), f"{spent['passes']:.2f}",
        ]
        for row, spent in zip(selections, cost, strict=True)
    ]  # fmt: skip
    names = [row["arm"] for row in selections]
    pairs = found.tables["overlap"].rows
    shared = {(row["arm"], row["other"]): row for row in pairs} | {(row["other"], row["arm"]): row for row in pairs}
    numbers = [str(place) for place in range(1, len(names) + 1)]
    matrix = [
        [f"{number} {name}", *(_shared(shared.get((name, other))) for other in names)]
        for number, name in zip(numbers, names, strict=True)
    ]
    return [
        *table_lines(heads, rows),
        "MMD: root of the squared one; 1 is as far from the pool, or the target, as random rows.",
        "Passes: FLOPs of representation and selection over those of training on the selection once.",
        *table_lines(["Jaccard (random draws)", *numbers], matrix),
        "On the diagonal: a random arm over its seeds.",
    ]


def _share(value: float | None) -> str:
    return NONE if value is None else f"{value:.1%}"


def _number(value: float | None) -> str:
    return NONE if value is None else f"{value:.2f}"


def _shared(row: Mapping[str, Any] | None) -> str:
    return "" if row is None else f"{row['jaccard_share']:.0%} ({row['random_jaccard_share']:.0%})"


def table_lines(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A table, its first column left-aligned."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for number, head in enumerate(heads):
        table.add_column(visible(head), justify="left" if number == 0 else "right", no_wrap=True)
    for row in rows:
        table.add_row(*map(visible, row))
    console = Console(width=max(WIDTH, 14 * len(heads)), color_system=None, markup=False, emoji=False)
    with console.capture() as capture:
        console.print(table)
    return [line.rstrip() for line in capture.get().splitlines() if line.strip()]
