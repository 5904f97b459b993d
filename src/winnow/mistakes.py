"""All that is wrong with a recipe, as far as it, the first rows of its data and its models' settings tell.

    for mistake in mistakes(recipe): print(mistake)       # before anything is computed, and all of them at once

What one value tells by itself is in the schema (`recipe.py`); here stands what takes two of them, or a look outside.
"""

import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from winnow.errors import RecipeError, WinnowError, nearest, refused
from winnow.evaluation.measures.asking import measure_mistakes
from winnow.generation.problems import find_family
from winnow.pool.first_rows import first_mistakes
from winnow.recipe import (
    ArmRecipe,
    BaseRecipe,
    EndpointTeacherRecipe,
    HiddenStatesRecipe,
    Recipe,
    SyntheticRecipe,
    TrainingRecipe,
)
from winnow.records import Traits
from winnow.selection import registry
from winnow.store import Store, read_json
from winnow.study.arms import Arm, arm_recipes, build_arms, primary_baseline
from winnow.study.graph import Graph, expand
from winnow.study.selections import selection_mistakes
from winnow.study.text_mistakes import text_mistakes
from winnow.text.chat_templates import check_template, read_template
from winnow.trackers.interface import check_installed
from winnow.trackers.interface import wanted as wanted_trackers
from winnow.training.objectives.asked import objective_mistakes
from winnow.walk import missing

CHAT = "chat"
"""The format of conversations."""
OWN_ARM = "zero_shot"
"""What tables call the model that all runs start from."""
CONTEXT = "max_position_embeddings", "n_positions"
LAYERS = "num_hidden_layers", "n_layer", "num_layers"
"""How architectures call the longest sequence, and the number of layers."""


def mistakes(recipe: Recipe, *, must_exist: bool = True) -> list[str]:
    """A line for each mistake; none where there is none.

    Without `must_exist` files that are not here are passed over, as where a plan goes by declared sizes.
    """
    traits = registry.traits()
    found = [*selection_mistakes(recipe, traits), *_options(recipe, traits)]
    if not found:
        found += told_by(lambda: expand(recipe, traits)) or _claims(recipe, build_arms(recipe, traits))
    found += [*measure_mistakes(recipe), *_sources(recipe), *_names(recipe)]
    found += [*_models(recipe), *_templates(recipe), *_budgets(recipe)]
    found += [line for each in _arm_recipes(recipe) for line in text_mistakes(each)]
    found += objective_mistakes(recipe, [each.training for each in _arm_recipes(recipe)])
    found += data_mistakes(recipe, must_exist=must_exist)
    return list(dict.fromkeys(found))


def with_later(error: RecipeError, what: str) -> RecipeError:
    """The refusal of a recipe, with the mistakes that the rest of it tells by a closer look."""
    if error.rest is None:
        return error
    return refused([*error.mistakes, *mistakes(error.rest)], what)


def told_by(*checks: Callable[[], object]) -> list[str]:
    """What these calls refuse, in order."""
    found: list[str] = []
    for check in checks:
        try:
            check()
        except WinnowError as error:
            found += error.mistakes
    return found


def lacking_here(recipe: Recipe) -> list[str]:
    """What this machine lacks to run the recipe, a line each: packages, a GPU."""
    from winnow.training.requirements import missing_here

    found = told_by(*(partial(_check_tracker, recipe, name) for name in wanted_trackers(recipe.trackers)))
    for training in _trainings(recipe):
        try:
            lacking = missing_here(training)
        except RecipeError as error:  # no machine can
            lacking = str(error)
        found += [lacking] if lacking is not None else []
    if recipe.evaluation.benchmarks is not None and find_spec("lm_eval") is None:
        found.append("evaluation.benchmarks needs lm-eval: pip install 'winnow-lm[benchmarks]', or remove it")
    return list(dict.fromkeys(found))


def missing_keys(
    recipe: Recipe, graph: Graph, store: Store, find: Callable[[str], str | None] = os.environ.get
) -> list[str]:
    """Keys that the teachers of sources not generated yet need, and the environment lacks."""
    teachers = {s.name: s.synthetic.teacher for s in recipe.pool.sources if s.synthetic is not None}
    keys = {name: each.api_key_variable for name, each in teachers.items() if isinstance(each, EndpointTeacherRecipe)}
    lacking = {name: key for name, key in keys.items() if key and not find(key)}
    absent = missing(graph, store) if lacking else []
    return [
        f"the environment has no {key}; put the teacher's key there"
        for name, key in lacking.items()
        if f"generated.{name}" in absent
    ]


def doubts(recipe: Recipe, *, longest: int) -> list[str]:
    """What a recipe says that has no effect, or will not do for a pool whose longest example has `longest` tokens."""
    training, context, found = recipe.training, _size(_architecture(recipe.base), CONTEXT), []
    if training.method != "lora" and training.lora != TrainingRecipe().lora:
        found.append(f"training.lora has no effect: training.method is {training.method}")
    if training.method == "lora" and training.freeze:
        found.append("training.freeze has no effect: training.method lora freezes the whole base")
    if context is not None and longest > context:
        found.append(
            f"the longest example has {longest} tokens, the model takes {context}: training will refuse it; lower "
            + ("pool.text.context_tokens" if recipe.is_text else "pool.max_tokens")
        )
    return found


def _check_tracker(recipe: Recipe, name: str) -> None:
    check_installed(
        recipe.trackers.model_copy(update={other: None for other in wanted_trackers(recipe.trackers) if other != name})
    )


def _arm_recipes(recipe: Recipe) -> list[Recipe]:
    """The recipes of the arms; of a study whose levels are wrong, which is told elsewhere, its own."""
    try:
        return arm_recipes(recipe)
    except RecipeError:
        return [recipe]


def _trainings(recipe: Recipe) -> list[TrainingRecipe]:
    pretraining = [recipe.base.pretrain.training] if recipe.base.pretrain is not None else []
    return [
        *pretraining,
        *(stage.training for stage in recipe.stages),
        *(each.training for each in _arm_recipes(recipe)),
    ]


# ------------------------------------------------------------------------------------------ arms and claims


def _options(recipe: Recipe, traits: Mapping[str, Traits]) -> list[str]:
    """Of the selectors: their own options, and the files that these name."""
    given = [arm for arm in recipe.selection.arms if isinstance(arm, ArmRecipe) and arm.selector in traits]
    found = told_by(*(partial(registry.check, arm.selector, arm.options) for arm in given))
    for arm in given if not found else []:
        for path in registry.data_files(arm.selector, arm.options):
            if not path.is_file():
                found.append(f"selection arm {arm.selector!r} finds no file at {path.absolute()}; mend its options")
    return found


def _claims(recipe: Recipe, arms: list[Arm]) -> list[str]:
    """Of the arms' names, and of the declared comparison."""
    known, primary = [arm.name for arm in arms], recipe.study.primary
    found = [mistake for arm in known for mistake in _arm_name(arm)]
    baseline = primary_baseline(recipe, arms)
    for key, name in (("arm", primary.arm), ("baseline", baseline.name if baseline else primary.baseline)):
        if name is not None and name not in known:
            found.append(f"study.primary.{key} is {name!r}{nearest(name, known)}; this study has {', '.join(known)}")
    if baseline is not None and primary.arm == baseline.name:
        found.append(f"study.primary compares {primary.arm!r} with itself; name another arm or baseline")
    return found


def _arm_name(name: str) -> Iterator[str]:
    """Names that are those of other arms' files: `random_s1` is what the second seed of `random` is called."""
    if name == OWN_ARM or re.search(r"([._]s\d+|\.wider)$", name):
        yield f"an arm is named {name!r}, as winnow names files and stages of its own; give it another `name:`"


def _names(recipe: Recipe) -> Iterator[str]:
    """Of sources: two of one name, and names of none."""
    pool = [source.name for source in recipe.pool.sources]
    lists = {"pool.sources": recipe.pool.sources, "evaluation.sets": recipe.evaluation.sets}
    if recipe.base.pretrain is not None:
        lists["base.pretrain.sources"] = recipe.base.pretrain.sources
    for key, sources in lists.items():
        generated = Counter(source.name for source in sources if source.path is None)
        for name, times in Counter(source.name for source in sources).items():
            if times > 1 and generated[name] < 2:  # of two generated ones the stages tell
                yield f"{key} has two sources named {name!r}; give each a name of its own"
    wanted = {f"stage {stage.name!r} trains on": stage.sources or () for stage in recipe.stages}
    wanted["pool.target.per_source names"] = tuple((recipe.pool.target and recipe.pool.target.per_source) or ())
    for what, names in wanted.items():
        for name in names:
            if name not in pool:
                yield f"{what} {name!r}{nearest(name, pool)}; pool.sources has {', '.join(pool)}"


# ------------------------------------------------------------------------------------------------- data


def data_mistakes(recipe: Recipe, *, must_exist: bool = True) -> list[str]:
    """What is wrong with the files of all sources, as far as their first rows tell."""
    found: list[str] = []
    for source, has_text in recipe.sources:
        if source.path is not None:
            found += first_mistakes(source, has_text=has_text, must_exist=must_exist)
    return found


def _sources(recipe: Recipe) -> Iterator[str]:
    """Of generated sources: what they cannot have, and what they do not know."""
    for source, has_text in recipe.sources:
        if source.path is None and source.where is not None:
            yield f"source {source.name!r} is generated and takes no `where`; remove it"
        if source.passages is not None and not has_text:
            yield f"source {source.name!r} holds passages, not questions; it is for base.pretrain.sources alone"
        teacher = source.synthetic.teacher if isinstance(source.synthetic, SyntheticRecipe) else None
        families = getattr(source.problems or teacher, "families", ())
        if not isinstance(families, str):
            yield from told_by(*(partial(find_family, name) for name in families))


def _templates(recipe: Recipe) -> list[str]:
    """Of conversations: a template that is there, and can be read and filled in."""
    chats = [source.name for source, _ in recipe.sources if source.path is not None and source.format == CHAT]
    if recipe.pool.chat_template is None:
        if chats and recipe.base.pretrain is not None:
            return [
                f"source {chats[0]!r} holds conversations, for which a base made here has no template; give "
                "pool.chat_template"
            ]
        return []
    return told_by(lambda: check_template(read_template(recipe.pool.chat_template) or ""))


# ------------------------------------------------------------------------------------- models and budgets


def _models(recipe: Recipe) -> Iterator[str]:
    """Of representations: whose they are, and of which layer."""
    layers = _size(_architecture(recipe.base), LAYERS)
    stages = ["base", *(stage.name for stage in recipe.stages)]
    for name, asked in recipe.selection.representations.items():
        model = getattr(asked, "model", "base")
        if model not in stages:
            yield from (
                f"selection.representations.{name}.model is {model!r}; {what}" for what in _no_model(model, stages)
            )
        elif (
            isinstance(asked, HiddenStatesRecipe)
            and layers is not None
            and not -layers <= asked.layer + 1 <= layers + 1
        ):
            yield (
                f"selection.representations.{name}.layer is {asked.layer}; the model has {layers} layers: "
                f"{-layers - 1} to {layers}"
            )


def _no_model(model: str, stages: list[str]) -> Iterator[str]:
    """Why this is no model of another name: a folder without one, or hardly the name of one on a hub."""
    folder = Path(model).expanduser()
    if folder.is_dir():
        if not (folder / "config.json").is_file():
            yield "that folder has no config.json; name the folder of a model"
    elif model.startswith(("/", ".", "~")) or not re.fullmatch(r"[\w.-]+(/[\w.-]+)?", model) or nearest(model, stages):
        yield f"that is no folder{nearest(model, stages)}; write {', '.join(stages)}, or a folder or hub name"


def _architecture(base: BaseRecipe) -> dict[str, Any]:
    """What is known of the base model's architecture without a look at the hub."""
    if base.pretrain is not None:
        return {"n_positions": base.pretrain.context_tokens} | base.pretrain.architecture
    if base.from_scratch is not None:
        return base.from_scratch.architecture
    config = Path(base.model or "").expanduser() / "config.json"
    if base.model and config.is_file():
        found = told_by(lambda: read_json(config)) or read_json(config)
        return found if isinstance(found, dict) else {}
    return base.architecture or {}


def _size(architecture: Mapping[str, Any], names: tuple[str, ...]) -> int | None:
    found = next((architecture[name] for name in names if name in architecture), None)
    return found if isinstance(found, int) and not isinstance(found, bool) else None


def _budgets(recipe: Recipe) -> Iterator[str]:
    """Budgets that buy nothing."""
    pretrain, machine = recipe.base.pretrain, recipe.machine
    if pretrain is not None and pretrain.budget.tokens is not None and pretrain.budget.tokens < pretrain.context_tokens:
        yield (
            f"base.pretrain.budget.tokens is {pretrain.budget.tokens}, less than one sequence of "
            f"{pretrain.context_tokens} tokens (context_tokens); raise it"
        )
    budgets = [
        *(each.budget for each in _arm_recipes(recipe)),
        *(stage.budget for stage in recipe.stages),
        *([pretrain.budget] if pretrain else []),
    ]
    if any(budget.dollars is not None for budget in budgets) and machine.dollars_per_hour <= 0:
        yield "budget.dollars needs machine.dollars_per_hour above 0; write the machine's price"
