"""Commands on what was trained: chat and merge; and the scoring of any model that `winnow evaluate --model` names."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from winnow.cli.shared import AsJson, app, load, print_json, print_lines, study_of
from winnow.errors import WinnowError, visible

if TYPE_CHECKING:
    from winnow.analysis.scores import Final
    from winnow.verbs.chat import Chat
    from winnow.verbs.checkpoints import Checkpoint

StudyFolder = Annotated[Path, typer.Argument(help="Study folder, or the recipe of one.", metavar="STUDY")]
Arm = Annotated[str, typer.Option("--arm", help="Whose checkpoint, such as herding_0.1.")]
RunSeed = Annotated[int | None, typer.Option("--seed", help="Of the run; the study's first by default.")]
WhichCheckpoint = Annotated[
    str | None,
    typer.Option("--checkpoint", help="best or last; by default the one that the question is about."),
]
PROMPT = "> "


@app.command(
    epilog="Example: winnow chat runs/quickstart --arm herding_0.25; "
    "echo 'What is 2 + 3?' | winnow chat runs/quickstart --arm full"
)
def chat(
    study: StudyFolder, arm: Arm, seed: RunSeed = None, checkpoint: WhichCheckpoint = None,
    template: Annotated[str | None, typer.Option(
        "--template", help="Layout of a line, such as 'Q: {question}\\nA:'; by default the pool's first source's.",
    )] = None,
    max_new_tokens: Annotated[int | None, typer.Option("--max-new-tokens", min=1, help="Longest answer.")] = None,
    temperature: Annotated[float, typer.Option("--temperature", min=0, help="0: the most likely token.")] = 0.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON object for each line.")] = False,
) -> None:  # fmt: skip
    """Ask a trained checkpoint: line by line at a terminal, or each line of standard input."""
    chosen = _chosen(study, arm, seed, checkpoint)
    from winnow.verbs.chat import Chat

    layout = template.replace("\\n", "\n") if template else None
    talk = Chat(chosen, template=layout, max_new_tokens=max_new_tokens, temperature=temperature)
    is_typed = sys.stdin.isatty()
    if is_typed:
        print(f"{chosen.name}; an empty line ends", file=sys.stderr)
    for line in _lines(is_typed):
        _answer(talk, line, is_typed=is_typed, as_json=as_json)


def _lines(is_typed: bool) -> Iterator[str]:
    """What is asked; at a terminal until an empty line or the end of input, else every line that is not empty."""
    if not is_typed:
        yield from filter(str.strip, (line.rstrip("\r\n") for line in sys.stdin))
        return
    import readline  # noqa: F401  gives input() a history and arrow keys

    while True:
        try:
            line = input(PROMPT)
        except EOFError:
            return
        if not line.strip():
            return
        yield line


def _answer(talk: "Chat", line: str, *, is_typed: bool, as_json: bool) -> None:
    """Print an answer; at a terminal a line that cannot be asked is told, and the session goes on."""
    try:
        said = talk.answer(line)
    except WinnowError as error:
        if not is_typed:
            raise
        print(f"winnow: {error}", file=sys.stderr)
        return
    if as_json:
        import json

        print(json.dumps({"prompt": line, "answer": said}), flush=True)
    else:
        print("\n".join(map(visible, said.split("\n"))), flush=True)


@app.command(epilog="Example: winnow merge runs/quickstart --arm herding_0.25 --out models/herding")
def merge(
    study: StudyFolder, arm: Arm,
    out: Annotated[Path, typer.Option("--out", help="New folder for the model.")],
    seed: RunSeed = None, checkpoint: WhichCheckpoint = None,
    precision: Annotated[str, typer.Option("--precision", help="float32, bfloat16 or float16.")] = "float32",
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Write a checkpoint as one whole model, its adapter merged into its base, as transformers loads it."""
    if precision not in ("float32", "bfloat16", "float16"):
        raise typer.BadParameter(f"--precision is {precision!r}; it must be float32, bfloat16 or float16")
    chosen = _chosen(study, arm, seed, checkpoint)
    from winnow.verbs.checkpoints import merge as write

    folder = write(chosen, out, precision=precision)  # type: ignore[arg-type]
    told = {"model": str(folder), "arm": chosen.arm, "seed": chosen.seed, "checkpoint": chosen.checkpoint}
    print_json(told) if as_json else print_lines([f"{chosen.name}: {folder}"])


def evaluate_one(
    model: str, sets: list[str], recipe: Path | None, overrides: list[str] | None, format: str | None,
    store: Path | None, out: Path | None, *, as_json: bool,
) -> None:  # fmt: skip
    """Score one model, and print its levels by set."""
    if bool(sets) == (recipe is not None):
        raise typer.BadParameter("--model needs either --sets FILE or --recipe RECIPE")
    from winnow.cli.bars import Bars
    from winnow.verbs.evaluate_model import evaluate_model, recipe_for

    if recipe is not None:
        asked = load(recipe, overrides)
    else:
        asked = recipe_for(model, sets, format=format, overrides=overrides or [])
    bars = Bars()
    with bars.shown():
        found = evaluate_model(model, asked, store=store, out=out, watch=bars)
    if as_json:
        print_json({"model": model} | found)
        return
    from winnow.analysis.scores import Final
    from winnow.records import from_json

    print_lines(level_lines(from_json(Final, found)))


def level_lines(final: "Final") -> list[str]:
    """The levels on each set and their averages, beside what guessing gives."""
    from winnow.findings import Table
    from winnow.report.tables import for_people
    from winnow.report.terminal import aligned

    measured = [name for name in final.known if any(name in levels for levels in final.levels.values())]
    rows = [
        {"set": name, "items": score.items if (score := final.sets.get(name)) else None}
        | {metric: levels.get(metric) for metric in measured}
        | {key: getattr(score, key, None) for key in ("random_level", "constant_level")}
        for name, levels in final.levels.items()
    ]
    headings, cells = for_people(Table("evaluation", "Evaluation", tuple(rows), ""))
    return aligned([headings, *cells])


def _chosen(study: Path, arm: str, seed: int | None, checkpoint: str | None) -> "Checkpoint":
    from winnow.verbs.checkpoints import choose

    return choose(study_of(study), arm=arm, seed=seed, checkpoint=checkpoint)
