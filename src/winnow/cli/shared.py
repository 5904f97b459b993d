"""What all commands share: the application, its options, how a recipe is read and how results are printed."""

import dataclasses
import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from winnow import __version__
from winnow.errors import RecipeError, visible

if TYPE_CHECKING:
    from winnow.recipe import Recipe


app = typer.Typer(
    help="Select data, train small language models at equal compute, and prove what it saved.",
    epilog="Example: winnow plan recipes/quickstart.yaml && winnow run recipes/quickstart.yaml",
    no_args_is_help=True, add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False,
)  # fmt: skip


def _print_version(is_asked: bool) -> None:
    if is_asked:
        print(f"winnow {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Select data, train small language models at equal compute, and prove what it saved."""


RecipeFile = Annotated[Path, typer.Argument(help="Recipe, a YAML file.", metavar="RECIPE")]
Overrides = Annotated[
    list[str] | None, typer.Option("--set", help="Override one key: training.learning_rate=2e-4.", metavar="KEY=VALUE")
]
Out = Annotated[Path | None, typer.Option("--out", help="Study folder; runs/<name> by default.")]
StoreFolder = Annotated[
    Path | None, typer.Option("--store", help="Store of artifacts; .store beside the study folder.")
]
ArmName = Annotated[str | None, typer.Option("--arm", help="Only this arm, such as herding_0.1.")]
Seed = Annotated[int | None, typer.Option("--seed", help="Only this seed of study.seeds.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON value.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be made, and make nothing.")]
Workers = Annotated[
    int | None, typer.Option("--workers", min=1, help="Processes that train side by side; cores / threads by default.")
]


def load(recipe: Path, overrides: list[str] | None) -> "Recipe":
    """The recipe; where it is refused, with all that can be told of the rest of it."""
    from winnow.recipe.file import load_recipe

    try:
        return load_recipe(recipe, overrides or [])
    except RecipeError as error:
        if error.rest is None:
            raise
        from winnow.mistakes import with_later

        raise with_later(error, f"recipe {recipe}") from error


def study_of(study: Path) -> Path:
    """The study folder that is meant: itself, or the one of a recipe."""
    if not study.is_file():
        return study
    from winnow import pipeline

    return pipeline.study_folder(load(study, None), None)


def print_missing(names: list[str], as_json: bool) -> None:
    """The stages that would be made."""
    if as_json:
        print_json({"missing": names})
    else:
        print_lines([f"{len(names)} stages would be made", *(f"  {name}" for name in names)])


def print_json(tree: Any) -> None:
    """JSON for people and machines: letters as they are, what cannot be seen as JSON spells it."""
    text = json.dumps(tree, indent=1, ensure_ascii=False, default=str)
    print("".join(each if each.isprintable() or each == "\n" else json.dumps(each)[1:-1] for each in text))


def print_lines(lines: Iterable[str]) -> None:
    """Lines as a terminal may show them, whatever data brought into them."""
    print("\n".join(map(visible, lines)))


def print_findings(findings: Any, folder: Path, as_json: bool) -> None:
    """The verdict and its tables, and where the report is."""
    if as_json:
        verdict = dataclasses.asdict(findings.verdict)
        tables = {name: list(table.rows) for name, table in findings.tables.items()}
        print_json({"verdict": verdict, "tables": tables, "report": str(folder / "report.html")})
        return
    from winnow.report.terminal import render_terminal

    print_lines([*render_terminal(findings).split("\n"), "", f"report: {folder / 'report.html'}"])
