"""A first recipe from data files and the name of a model: `winnow init`.

    made = write_first_recipe(Asked(data=("mine.jsonl",), model="models/mine", out=Path("study.yaml")))
    made.recipe, made.written

What the files do not say is guessed, and each guess stands in a comment beside its line.
"""

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import chain, count
from pathlib import Path

from winnow.errors import RecipeError, WinnowError, refused
from winnow.mistakes import mistakes
from winnow.models.folders import adapter_chain, check_whole, folder_of
from winnow.pool.guessing import guess_source
from winnow.pool.holding_out import hold_out, write_rows
from winnow.pool.hub import HUB
from winnow.recipe import Recipe
from winnow.recipe.file import load_recipe
from winnow.store import write_atomic
from winnow.verbs.first_sizes import guess_size
from winnow.verbs.recipe_text import Asked, Source, held_path, name_of, reading, recipe_lines

HELD_OUT = 100
"""Rows that are measured on."""
SHARE, TARGET_SHARE = 0.1, 0.5
"""Of a file that they may be; of what is aimed at more may be spared."""


@dataclass(frozen=True)
class Made:
    """What was written."""

    recipe: Recipe
    written: tuple[Path, ...]
    """The recipe, then rows that were held out."""
    notes: tuple[str, ...]
    """What was guessed, a line each."""


def write_first_recipe(asked: Asked) -> Made:
    """Write the recipe and the rows that it holds out. Raises WinnowError, and leaves nothing, where that cannot be."""
    _check_model(asked.model)
    pool = _sources(asked.data)
    target = _sources((asked.target,))[0] if asked.target else None
    measured = _sources(asked.evaluation) or _held_out(pool, target)
    guesses = [each.guess for each in pool]
    text = "\n".join(recipe_lines(asked, pool, target, measured, guess_size(asked.model, asked.minutes, guesses)))
    held = {held_path(asked.out, each): each.held.rows for each in measured if each.held is not None}
    _refuse_overwriting([asked.out, *held])
    try:
        for path, rows in held.items():
            write_rows(rows, path)
        write_atomic(asked.out, f"{text}\n")
        recipe = load_recipe(asked.out)
        if wrong := mistakes(recipe):
            raise refused(wrong, f"the recipe for {', '.join(asked.data)}")
    except BaseException:
        for path in (asked.out, *held):
            with suppress(OSError):
                path.unlink(missing_ok=True)
        raise
    files = [*pool, *([target] if target else []), *measured]
    notes = dict.fromkeys(f"{each.path}: {reading(each.guess.settings)}" for each in files)
    return Made(recipe, (asked.out, *held), tuple(notes))


def _check_model(model: str) -> None:
    """Raises RecipeError where a folder holds no model; a name of a hub is left to `winnow plan`."""
    whole = adapter_chain(model)[-1]
    folder = folder_of(whole)
    if folder is not None:
        check_whole(whole, folder)


def _refuse_overwriting(paths: Sequence[Path]) -> None:
    for path in paths:
        if os.path.lexists(path):
            raise RecipeError(f"{path} is there already; move it away, or give another --out")


def _sources(paths: Sequence[str]) -> list[Source]:
    """The files with their readings, each under a name of its own. Raises RecipeError with all that cannot be read."""
    found, wrong = list[Source](), list[str]()
    for path in paths:
        taken, name = {each.name for each in found}, name_of(path)
        name = next(each for each in chain([name], (f"{name}_{number}" for number in count(2))) if each not in taken)
        try:
            if path.startswith(HUB):
                raise RecipeError(
                    f"{path} is at a hub; init reads files: download it, or write it into a recipe's source"
                )
            found.append(Source(name, path, guess_source(Path(path).expanduser())))
        except WinnowError as error:
            wrong += error.mistakes
    if wrong:
        raise refused(wrong, "the data files")
    return found


def _held_out(pool: Sequence[Source], target: Source | None) -> list[Source]:
    """Rows of what is aimed at; where nothing is, of every file alike."""
    share = SHARE if target is None else TARGET_SHARE
    files = pool if target is None else [target]
    most = max(1, HELD_OUT // len(files))
    return [
        replace(each, held=hold_out(Path(each.path).expanduser(), each.guess, share=share, most=most)) for each in files
    ]
