"""What is wrong with a mixture of examples: of sources whose rows are prompts and completions, or conversations."""

from winnow.errors import RecipeError
from winnow.mixing.asked import is_learned, mixture_mistakes
from winnow.recipe import NATURAL, Recipe


def examples_mistakes(recipe: Recipe) -> list[str]:
    """A line for each mistake in the recipe of an arm; none where it mixes nothing."""
    if recipe.mixture == NATURAL:
        return []
    mistakes = mixture_mistakes(recipe.mixture, [source.name for source in recipe.pool.sources])
    if not mistakes and _learns(recipe):
        mistakes.append(
            "mixture learns its shares from proxies on plain text (pool.text), and pool.sources holds examples; give "
            "shares, or `equal`, `temperature` or `unimax`"
        )
    if recipe.study.branches:
        mistakes.append("study.branches is not there for mixtures of examples; remove it, or mixture")
    return mistakes


def _learns(recipe: Recipe) -> bool:
    try:
        return is_learned(recipe.mixture)
    except RecipeError:
        return False
