"""The command line: a thin coat over library calls.

Results go to standard output (`--json` for machines), progress to standard error. Whatever a user can mend is one line
and exit code 1 (2 for usage); `--debug` shows the traceback. Heavy imports stand inside the commands, so that
`winnow --help` is instant.
"""

import dataclasses
import errno
import json
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from winnow import stopping
from winnow.errors import RecipeError, WinnowError

if TYPE_CHECKING:
    from winnow.recipe import Recipe
    from winnow.walk import Walk

app = typer.Typer(
    help="Select data, train small language models at equal compute, and prove what it saved.",
    epilog="Example: winnow plan recipes/quickstart.yaml && winnow run recipes/quickstart.yaml",
    no_args_is_help=True, add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False,
)  # fmt: skip

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


@app.command(epilog="Example: winnow plan recipes/gsm-gpt2-rff.yaml --json")
def plan(
    recipe: RecipeFile, overrides: Overrides = None, out: Out = None, store: StoreFolder = None, as_json: AsJson = False
) -> None:
    """Print what a study would cost, arm by arm, without training."""
    asked = _load(recipe, overrides)
    from winnow.planning import plan as make_plan

    made = make_plan(asked, out=out, store=store)
    if as_json:
        _print_json(dataclasses.asdict(made))
        return
    from winnow.plan_table import plan_lines

    print("\n".join(plan_lines(made, asked)))


@app.command(epilog="Example: winnow run recipes/quickstart.yaml --set study.seeds=[0,1,2]")
def run(
    recipe: RecipeFile, overrides: Overrides = None, out: Out = None, store: StoreFolder = None, arm: ArmName = None,
    seed: Seed = None, workers: Workers = None, as_json: AsJson = False, dry_run: DryRun = False,
) -> None:  # fmt: skip
    """Do the whole study, or what is missing of it: pool, select, train, evaluate, account, report."""
    asked = _load(recipe, overrides)
    from winnow import pipeline
    from winnow import workers as side
    from winnow.progress_bars import Bars

    if dry_run:
        _print_missing(pipeline.dry_run(asked, out, store), as_json)
        return
    if _is_surplus(asked):
        return
    bars, count = Bars(), (workers or side.default_workers(asked)) - 1
    asked = pipeline.with_measured_speed(pipeline.checked(asked), pipeline.study_folder(asked, out))
    with bars.shown(), side.helpers(asked, count=count, out=out, store=store, arm=arm, seed=seed):
        findings = pipeline.run(asked, out=out, store=store, arm=arm, seed=seed, watch=bars)
    _print_findings(findings, pipeline.study_folder(asked, out), as_json)


@app.command(epilog="Example: winnow pool recipes/gsm-cpu.yaml")
def pool(
    recipe: RecipeFile, overrides: Overrides = None, out: Out = None, store: StoreFolder = None,
    as_json: AsJson = False, dry_run: DryRun = False,
) -> None:  # fmt: skip
    """Build the pool and say what is in it, and what was removed."""
    walk = _advance(recipe, overrides, "pool", out, store, dry_run=dry_run, as_json=as_json)
    if walk is not None:
        from winnow.plan_table import pool_lines
        from winnow.store import read_json

        statistics = read_json(walk.done["pool"].folder / "statistics.json")
        _print_json(statistics) if as_json else print("\n".join(pool_lines(statistics)))


@app.command(
    epilog="Example: winnow select recipes/gsm-cpu.yaml --arm herding_0.1; winnow select --list; "
    "winnow select recipes/gsm-cpu.yaml --selector random --selector herding:target; "
    "winnow select recipes/gsm-cpu.yaml --arm herding_0.1 --export chosen"
)
def select(
    recipe: Annotated[Path | None, typer.Argument(help="Recipe, a YAML file.", metavar="RECIPE")] = None,
    overrides: Overrides = None, out: Out = None, store: StoreFolder = None, arm: ArmName = None, seed: Seed = None,
    as_json: AsJson = False, dry_run: DryRun = False,
    selectors: Annotated[list[str] | None, typer.Option(
        "--selector", help="Compare: an arm of the recipe, a selector, SELECTOR:target or CONTROL:ARM; repeat it.",
    )] = None,
    fractions: Annotated[
        list[float] | None, typer.Option("--fraction", help="Fraction for --selector; the recipe's by default.")
    ] = None,
    list_all: Annotated[bool, typer.Option("--list", help="List all selectors and controls with options.")] = False,
    export: Annotated[
        Path | None, typer.Option("--export", help="New folder for the rows of --arm, for datasets.load_dataset.")
    ] = None,
    format: Annotated[str, typer.Option("--format", help="Of the export: parquet or jsonl.")] = "parquet",
) -> None:  # fmt: skip
    """Select rows for every arm, and say what the selections are made of; or compare selectors, without training."""
    from winnow.plan_table import selection_lines

    if export is not None and (list_all or selectors):
        raise typer.BadParameter("--export is of one --arm; leave out --list and --selector")
    if list_all:
        _list_selectors(as_json)
        return
    if recipe is None:
        raise typer.BadParameter("give a recipe, or --list")
    if selectors:
        if arm is not None or seed is not None:
            raise typer.BadParameter("--selector compares all seeds; leave out --arm and --seed")
        _compare(recipe, overrides, out, store, selectors, fractions or [], dry_run=dry_run, as_json=as_json)
        return
    if fractions:
        raise typer.BadParameter("--fraction goes with --selector; for a study write --set selection.fractions=[0.1]")
    if export is not None and not dry_run:
        _export(recipe, overrides, out, store, arm, seed, export, format, as_json=as_json)
        return
    walk = _advance(recipe, overrides, "select", out, store, arm=arm, seed=seed, dry_run=dry_run, as_json=as_json)
    if walk is not None:
        from winnow.store import read_json

        made = {
            name.removeprefix("select."): read_json(stored.folder / "selection.json")
            for name, stored in walk.done.items()
            if name.startswith("select.")
        }
        _print_json(made) if as_json else print("\n".join(selection_lines(made)))


@app.command(epilog="Example: winnow train recipes/gsm-cpu.yaml --arm full --seed 1")
def train(
    recipe: RecipeFile, overrides: Overrides = None, out: Out = None, store: StoreFolder = None, arm: ArmName = None,
    seed: Seed = None, as_json: AsJson = False, dry_run: DryRun = False,
) -> None:  # fmt: skip
    """Train what is missing, up to the checkpoints."""
    walk = _advance(recipe, overrides, "train", out, store, arm=arm, seed=seed, dry_run=dry_run, as_json=as_json)
    _print_numbers(walk, "train.", as_json)


@app.command(epilog="Example: winnow evaluate recipes/gsm-cpu.yaml --arm full")
def evaluate(
    recipe: RecipeFile, overrides: Overrides = None, out: Out = None, store: StoreFolder = None, arm: ArmName = None,
    seed: Seed = None, as_json: AsJson = False, dry_run: DryRun = False,
) -> None:  # fmt: skip
    """Score the checkpoints on the whole evaluation sets."""
    walk = _advance(recipe, overrides, "evaluate", out, store, arm=arm, seed=seed, dry_run=dry_run, as_json=as_json)
    _print_numbers(walk, "evaluate.", as_json)


@app.command(epilog="Example: winnow report runs/quickstart")
def report(
    study: Annotated[Path, typer.Argument(help="Study folder, or the recipe of one.", metavar="STUDY")],
    out: Out = None, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Make all tables, figures and pages of a study again, from the records in its folder."""
    from winnow import pipeline

    folder = study if study.is_dir() else pipeline.study_folder(_load(study, None), out)
    _print_findings(pipeline.report(folder), folder, as_json)


@app.command(epilog="Example: winnow track runs/quickstart --set trackers.tensorboard={}")
def track(
    study: Annotated[Path, typer.Argument(help="Study folder.", metavar="STUDY")],
    overrides: Overrides = None, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Send a finished study to MLflow, Weights & Biases, Trackio or TensorBoard: what they do not have of it."""
    from winnow import pipeline

    count = pipeline.track(study, overrides or [])
    _print_json({"runs": count}) if as_json else print(f"sent {count} runs and the verdict of {study}")


# ------------------------------------------------------------------------------------------- what they share


def _load(recipe: Path, overrides: list[str] | None) -> "Recipe":
    from winnow.recipe_file import load_recipe

    return load_recipe(recipe, overrides or [])


def _advance(
    recipe: Path, overrides: list[str] | None, until: str, out: Path | None, store: Path | None, *,
    arm: str | None = None, seed: int | None = None, dry_run: bool, as_json: bool,
) -> "Walk | None":  # fmt: skip
    """Walk as far as stages of one kind; with `dry_run` only say what is missing."""
    asked = _load(recipe, overrides)
    from winnow import pipeline
    from winnow.progress_bars import Bars

    if dry_run:
        missing = pipeline.dry_run(asked, out, store)
        graph = pipeline.expand(pipeline.checked(asked), pipeline.selector_traits())
        kept = set(pipeline.wanted(graph, until=(until,), arm=arm, seed=seed))
        _print_missing([name for name in missing if name in kept], as_json)
        return None
    if _is_surplus(asked):
        return None
    bars = Bars()
    with bars.shown():
        return pipeline.advance(asked, until, out=out, store=store, arm=arm, seed=seed, watch=bars)


def _is_surplus(asked: "Recipe") -> bool:
    """Whether torchrun started this process beside the first one, which starts the processes that train itself.

    Raises RecipeError where torchrun spans machines, or starts another number of processes than the recipe asks for.
    """
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        return False
    rank, size, machines = (int(os.environ[key]) for key in ("RANK", "WORLD_SIZE", "GROUP_WORLD_SIZE"))
    if machines > 1:
        raise RecipeError(
            f"torchrun spans {machines} machines; a run trains on one: give each machine arms of its own (--arm) and "
            "all of them one --store"
        )
    if size != asked.machine.devices:
        raise RecipeError(
            f"torchrun starts {size} processes, machine.devices is {asked.machine.devices}; make them equal, or leave "
            "torchrun out: the processes that train are started where they are needed"
        )
    return rank > 0


def _export(
    recipe: Path, overrides: list[str] | None, out: Path | None, store: Path | None, arm: str | None,
    seed: int | None, folder: Path, format: str, *, as_json: bool,
) -> None:  # fmt: skip
    """Write the rows of one arm as a folder of their own."""
    if arm is None:
        raise typer.BadParameter("--export needs --arm: whose rows")
    asked = _load(recipe, overrides)
    from winnow.progress_bars import Bars
    from winnow.select_api.of_recipe import export_arm

    bars = Bars()
    with bars.shown():
        export_arm(asked, arm=arm, folder=folder, format=format, seed=seed, out=out, store=store, watch=bars)
    _print_json({"export": str(folder)}) if as_json else print(f"export: {folder / 'README.md'}")


def _list_selectors(as_json: bool) -> None:
    from winnow.plan_table import selector_lines
    from winnow.selection.reference import describe

    _print_json(describe()) if as_json else print("\n".join(selector_lines(describe())))


def _compare(
    recipe: Path, overrides: list[str] | None, out: Path | None, store: Path | None, selectors: list[str],
    fractions: list[float], *, dry_run: bool, as_json: bool,
) -> None:  # fmt: skip
    """Compare selectors on the recipe's pool; with `dry_run` only say what is missing."""
    asked = _load(recipe, overrides)
    from winnow import comparing, pipeline
    from winnow.plan_table import comparison_lines
    from winnow.progress_bars import Bars

    if dry_run:
        _print_missing(comparing.missing_of(asked, selectors, fractions, out, store), as_json)
        return
    bars = Bars()
    with bars.shown():
        found = comparing.compare(asked, selectors, fractions=fractions, out=out, store=store, watch=bars)
    page = pipeline.study_folder(asked, out) / comparing.FOLDER / comparing.PAGE
    if as_json:
        _print_json({"tables": {name: list(table.rows) for name, table in found.tables.items()}, "page": str(page)})
        return
    print("\n".join([*comparison_lines(found), "", f"page: {page}"]))


def _print_missing(names: list[str], as_json: bool) -> None:
    if as_json:
        _print_json({"missing": names})
    else:
        print("\n".join([f"{len(names)} stages would be made", *(f"  {name}" for name in names)]))


def _print_numbers(walk: "Walk | None", prefix: str, as_json: bool) -> None:
    if walk is None:
        return
    made = {n.removeprefix(prefix): dict(s.numbers) for n, s in walk.done.items() if n.startswith(prefix)}
    made |= {arm: {"not_affordable": reason} for arm, reason in walk.not_affordable.items()}
    if as_json:
        _print_json(made)
        return
    for name, numbers in made.items():
        print(f"{name}: {json.dumps(numbers)}")


def _print_findings(findings: Any, folder: Path, as_json: bool) -> None:
    if as_json:
        verdict = dataclasses.asdict(findings.verdict)
        tables = {name: list(table.rows) for name, table in findings.tables.items()}
        _print_json({"verdict": verdict, "tables": tables, "report": str(folder / "report.html")})
        return
    from winnow.report.terminal import render_terminal

    print(render_terminal(findings))
    print(f"\nreport: {folder / 'report.html'}")


def _print_json(tree: Any) -> None:
    print(json.dumps(tree, indent=1, ensure_ascii=False, default=str))


class Interrupted(BaseException):
    """Ctrl-C. Not a KeyboardInterrupt, which typer would turn into an exit without a word."""


def _interrupt(number: int, frame: object) -> None:
    raise Interrupted


def main() -> None:
    """Run the command line; the edge where errors become one line."""
    signal.signal(signal.SIGINT, _interrupt)
    stopping.listen()
    debug = "--debug" in sys.argv
    arguments = [word for word in sys.argv[1:] if word != "--debug"]
    from winnow.quiet import quiet_libraries

    quiet_libraries()
    try:
        app(arguments, standalone_mode=True)
    except WinnowError as error:
        _leave(str(error), error.exit_code, debug)
    except Interrupted:
        _leave("stopped; run the same command again to go on from the last checkpoint", 1, debug)
    except stopping.Stopped:
        _leave("asked to stop; run the same command again to go on from here", stopping.EXIT_CODE, debug)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS):
            raise
        where = f" while writing {error.filename}" if error.filename else ""
        _leave(f"{error.strerror}{where}; make room (or choose another --out) and run the same command again", 1, debug)


def _leave(message: str, code: int, debug: bool) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if debug:
        raise  # noqa: PLE0704  called while an exception is being handled
    print(f"winnow: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(code)
