"""The first command of a new study: init."""

from pathlib import Path
from typing import Annotated

import typer

from winnow.cli.shared import AsJson, app, print_json, print_lines


@app.command(epilog="Example: winnow init dolly.jsonl gsm8k.jsonl --model models/mine --target gsm8k.jsonl")
def init(
    data: Annotated[list[str], typer.Argument(help="Files to select from: JSONL, Parquet, CSV.", metavar="DATA...")],
    model: Annotated[str, typer.Option("--model", help="Folder or hub name of the model to train.")],
    target: Annotated[str | None, typer.Option("--target", help="File with rows of the kind that is aimed at.")] = None,
    evaluation: Annotated[
        list[str] | None, typer.Option("--eval", help="File to measure on; rows held out where none is given.")
    ] = None,
    out: Annotated[Path, typer.Option("--out", help="Recipe to write; nothing is overwritten.")] = Path("study.yaml"),
    fraction: Annotated[float, typer.Option("--fraction", help="Share of the pool that is selected.")] = 0.2,
    minutes: Annotated[float, typer.Option("--minutes", min=1, help="About how long the study may take.")] = 15,
    as_json: AsJson = False,
) -> None:
    """Write a first recipe from data files and a model, with what was guessed in its comments."""
    from winnow.verbs.first_recipe import Asked, write_first_recipe

    made = write_first_recipe(
        Asked(tuple(data), model, out, target, tuple(evaluation or ()), fraction=fraction, minutes=minutes)
    )
    if as_json:
        print_json({"recipe": str(out), "written": list(map(str, made.written)), "guessed": list(made.notes)})
        return
    print_lines(
        [
            *made.notes,
            *(f"wrote {path}" for path in made.written),
            f"next: winnow plan {out}, then winnow run {out}",
        ]
    )
