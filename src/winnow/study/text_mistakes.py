"""What is wrong with a study that pretrains on plain text, and what of such a study one of examples cannot have."""

from collections.abc import Iterator

from winnow.mixing.asked import is_learned, mixture_mistakes
from winnow.recipe import Recipe, StageRecipe
from winnow.study.mixed_mistakes import examples_mistakes
from winnow.study.text_stages import learning_target


def text_mistakes(recipe: Recipe) -> list[str]:
    """A line for each mistake in the recipe of an arm."""
    if not recipe.is_text:
        return [reason for is_wrong, reason in _of_text(recipe) if is_wrong] + examples_mistakes(recipe)
    found = [reason for is_wrong, reason in _of_examples(recipe) if is_wrong]
    mixing = mixture_mistakes(recipe.mixture, [source.name for source in recipe.pool.sources])
    found += mixing or _of_target(recipe)
    found += [line for stage in recipe.stages for line in _of_stage(recipe, stage)]
    if recipe.budget.tokens is not None and recipe.budget.tokens < (recipe.row_tokens or 0):
        found.append(
            f"budget.tokens is {recipe.budget.tokens}, less than one row of {recipe.row_tokens} tokens "
            "(pool.text.context_tokens); raise it"
        )
    return found


def _of_stage(recipe: Recipe, stage: StageRecipe) -> list[str]:
    """What is wrong with a stage that trains on plain text."""
    mixture, names = stage.mixture or recipe.mixture, [source.name for source in recipe.pool.sources]
    found = [f"stage {stage.name!r}: {line}" for line in mixture_mistakes(mixture, names)]
    if stage.sources is not None:
        found.append(f"stage {stage.name!r} has sources, and pool.sources holds plain text; give it a mixture")
    if not found and is_learned(mixture):
        found.append(f"stage {stage.name!r} has a mixture that is learned, which arms alone have; give it shares")
    return found


def _of_target(recipe: Recipe) -> list[str]:
    """What shares are learned for must be none of what they are then judged by."""
    target = learning_target(recipe)
    if target is None:
        return []
    judges = (*(recipe.evaluation.text or ()), *recipe.evaluation.sets)
    same = next((each.name for each in judges if each.path is not None and each.path == target.path), None)
    if same is not None:
        return [f"mixture.options.target is the evaluation set {same!r}; learn shares from other text than judges them"]
    if target.limit_tokens is not None:
        return [f"mixture.options.target {target.name!r} has limit_tokens, which is for pool.sources; use limit"]
    names = [source.name for source in recipe.pool.sources]
    if target.name in names or not target.is_text:
        return [f"mixture.options.target {target.name!r} must be plain text, and named as no source is"]
    return []


def _of_examples(recipe: Recipe) -> Iterator[tuple[bool, str]]:
    """What a study of plain text cannot have, and why."""
    chosen = recipe.selection
    yield (
        chosen.arms != ("full",) or chosen.controls or bool(chosen.representations),
        "selection chooses among examples, and pool.sources holds plain text, all of which is trained on; remove it, "
        "and compare mixtures with vary.mixture",
    )
    limited = next((each.name for each in recipe.evaluation.text or () if each.limit_tokens is not None), None)
    yield (
        limited is not None,
        f"evaluation.text {limited!r} has limit_tokens, which is for pool.sources; use limit",
    )
    yield recipe.study.resample_pool < 1, "study.resample_pool draws examples, and pool.sources holds plain text"
    names = [each.name for each in (*recipe.pool.sources, *(recipe.evaluation.text or ()), *recipe.evaluation.sets)]
    twice = next((name for at, name in enumerate(names) if name in names[:at]), None)
    yield (
        twice is not None,
        f"two of pool.sources, evaluation.text and evaluation.sets are named {twice!r}, and each is a row of the "
        "tables; give each a name of its own",
    )
    is_scratch = recipe.base.from_scratch is not None
    yield (
        is_scratch and recipe.training.start == "base" and recipe.training.method == "lora",
        f"training.method is {recipe.training.method}; a model from scratch trains all weights: set it to full",
    )


def _of_text(recipe: Recipe) -> Iterator[tuple[bool, str]]:
    """What only a study of plain text can have."""
    yield recipe.base.from_scratch is not None, "base.from_scratch is for plain text (pool.text); use base.pretrain"
    yield recipe.evaluation.text is not None, "evaluation.text is for plain text (pool.text); use evaluation.sets"
    yield (
        any(stage.mixture is not None for stage in recipe.stages),
        "stages have a mixture, which is for sources of plain text (pool.text); remove it",
    )
