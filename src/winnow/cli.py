"""The command line: a thin coat over library calls.

Results go to standard output (`--json` for machines), progress to standard error. Whatever a user can mend is one line
and exit code 1 (2 for usage); `--debug` shows the traceback. Heavy imports stand inside the commands, so that
`winnow --help` is instant.
"""

import dataclasses
import io
import json
import os
import signal
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from winnow import stopping
from winnow.errors import RecipeError, WinnowError, one_line, visible
from winnow.system_errors import told

if TYPE_CHECKING:
    from winnow.compare_api.compare import Compared
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
    from winnow import pipeline
    from winnow.planning import plan as make_plan

    pipeline.store_beside(asked, out, store)  # looks at both places, in the words of the options
    made = make_plan(asked, out=out, store=store)
    if as_json:
        _print_json(dataclasses.asdict(made))
        return
    from winnow.plan_table import plan_lines

    _print_lines(plan_lines(made, asked))


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


@app.command(epilog="Example: winnow generate recipes/generated.yaml --dry-run")
def generate(
    recipe: RecipeFile, overrides: Overrides = None, out: Out = None, store: StoreFolder = None,
    as_json: AsJson = False, dry_run: DryRun = False,
) -> None:  # fmt: skip
    """Have the teachers of the pool's synthetic sources write them; leaves each as a folder with a card."""
    asked = _load(recipe, overrides)
    from winnow import generating
    from winnow.progress_bars import Bars

    if dry_run:
        _print_missing(generating.missing_of(asked, out, store), as_json)
        if not as_json:
            _print_lines(generating.asked_lines(asked))
        return
    bars = Bars()
    with bars.shown():
        made = generating.generate(asked, out=out, store=store, watch=bars)
    if as_json:
        _print_json([each.facts | {"folder": str(each.folder)} for each in made])
        return
    _print_lines(line for each in made for line in generating.lines(each))


@app.command(epilog="Example: winnow pool recipes/gsm-cpu.yaml")
def pool(
    recipe: RecipeFile, overrides: Overrides = None, out: Out = None, store: StoreFolder = None,
    as_json: AsJson = False, dry_run: DryRun = False,
) -> None:  # fmt: skip
    """Build the pool and say what is in it, and what was removed."""
    walk = _advance(recipe, overrides, "pool", out, store, dry_run=dry_run, as_json=as_json)
    if walk is not None:
        _print_pool(walk, as_json)


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
        _print_json(made) if as_json else _print_lines(selection_lines(made))


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


@app.command(epilog="Example: winnow report runs/quickstart; winnow report runs/clean runs/noisy --out both")
def report(
    studies: Annotated[list[Path], typer.Argument(help="Study folders, or the recipe of one.", metavar="STUDY...")],
    out: Annotated[Path | None, typer.Option(
        "--out", help="Folder for the report; of one study its own folder, of several `report` beside the first one.",
    )] = None,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Make all tables, figures and pages again, from records alone; of several studies one page with all of them."""
    from winnow import pipeline

    if len(studies) > 1:
        folder = out or studies[0].resolve().parent / "report"
        _print_together(pipeline.report_together(studies, folder), folder, as_json)
        return
    study = studies[0]
    if study.is_file():
        study, out = pipeline.study_folder(_load(study, None), out), None
    _print_findings(pipeline.report(study, out=out), out or study, as_json)


@app.command(
    epilog="Example: winnow compare runs.csv --baseline full --metric loss --out runs/theirs; "
    "winnow compare checkpoints --recipe recipes/gsm-cpu.yaml --baseline full"
)
def compare(
    runs: Annotated[list[Path], typer.Argument(
        help="CSV, JSONL or Parquet files with a row per measurement (arm, seed, metric, value; step, cost); with "
        "--recipe one folder of checkpoints, named ARM_sSEED.", metavar="RUNS...",
    )],
    baseline: Annotated[str, typer.Option("--baseline", help="Arm that the others are compared with.")],
    metric: Annotated[str, typer.Option("--metric", help="What is compared.")] = "loss",
    primary: Annotated[
        str | None, typer.Option("--primary", help="Arm of the comparison that was declared; stands uncorrected.")
    ] = None,
    higher_is_better: Annotated[bool | None, typer.Option(
        "--higher-is-better/--lower-is-better", help="Where the metric's name does not say it.", show_default=False,
    )] = None,
    checkpoint: Annotated[str, typer.Option("--checkpoint", help="Which measurement of a run: last or best.")] = "last",
    best_by: Annotated[str | None, typer.Option("--best-by", help="Metric that chooses the best.")] = None,
    cost: Annotated[str, typer.Option("--cost", help="Column of cumulative costs.")] = "cost",
    recipe: Annotated[
        Path | None, typer.Option("--recipe", help="Score checkpoints on the evaluation sets of this recipe.")
    ] = None,
    overrides: Overrides = None,
    out: Annotated[Path, typer.Option("--out", help="Folder for page and tables.")] = Path("runs/comparison"),
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Compare runs that others made, from their numbers or their checkpoints: verdict, tables and page."""
    if recipe is not None:
        found = _compare_checkpoints(recipe, overrides, runs, baseline, metric, primary, out)
    else:
        from winnow.compare_api.compare import compare as compare_rows

        found = compare_rows(
            runs, baseline=baseline, metric=metric, primary=primary, higher_is_better=higher_is_better,
            checkpoint=_checkpoint(checkpoint), best_by=best_by, cost=cost,
        )  # fmt: skip
    page = found.write(out)
    if as_json:
        arms = {arm: dataclasses.asdict(each) for arm, each in found.items()}
        _print_json({"verdict": found.verdict, "notes": found.notes, "arms": arms, "page": str(page)})
        return
    from winnow.report.terminal import compared_lines

    _print_lines([*compared_lines(found.findings), "", f"page: {page}"])


@app.command(epilog="Example: winnow track runs/quickstart --set trackers.tensorboard={}")
def track(
    study: Annotated[Path, typer.Argument(help="Study folder.", metavar="STUDY")],
    overrides: Overrides = None, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Send a finished study to MLflow, Weights & Biases, Trackio or TensorBoard: what they do not have of it."""
    from winnow import pipeline

    count = pipeline.track(study, overrides or [])
    _print_json({"runs": count}) if as_json else print(f"sent {count} runs and the verdict of {study}")


@app.command(epilog="Example: winnow sandbox")
def sandbox(as_json: AsJson = False) -> None:
    """Try which layers confine the programs of models on this machine; exit code 1 where a required one is missing."""
    from winnow.sandbox.programs import examine, require

    found = examine()
    if as_json:
        _print_json({layer: {"holds": not reason, "reason": reason} for layer, reason in found.items()})
    else:
        print("\n".join(f"{layer:<12}{f'missing: {reason}' if reason else 'holds'}" for layer, reason in found.items()))
    require(found)


@app.command(epilog="Example: winnow watch runs/quickstart --port 8000")
def watch(
    study: Annotated[Path, typer.Argument(help="Study folder, or the recipe of one.", metavar="STUDY")],
    store: StoreFolder = None,
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Port; 0 takes any free one.")] = 0,
) -> None:
    """Serve the report of a study while it runs, on this machine alone: progress, money, curves so far."""
    from winnow import pipeline, watching

    folder = study if study.is_dir() else pipeline.study_folder(_load(study, None), None)
    watching.watch(folder, store=store, port=port)


@app.command(epilog="Example: winnow publish runs/quickstart --dry-run; winnow publish runs/quickstart --repo me/study")
def publish(
    study: Annotated[Path, typer.Argument(help="Study folder.", metavar="STUDY")],
    repository: Annotated[str | None, typer.Option("--repo", help="Where to push, as USER/NAME.")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Upload folder; <study>-upload by default.")] = None,
    private: Annotated[bool, typer.Option("--private", help="Make new repositories private.")] = False,
    as_json: AsJson = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Build and check the folder, and push nothing.")] = False,
) -> None:
    """Build what a hub takes of a study (model and selections, with cards), check it, and push it."""
    if repository is None and not dry_run:
        raise typer.BadParameter("give --repo USER/NAME, or --dry-run to build and check alone")
    from winnow import publishing

    if repository is not None:
        publishing.check_repository(repository)
    built = publishing.build(study, out or study.absolute().with_name(f"{study.absolute().name}-upload"))
    checked = publishing.check(built)
    pushed = publishing.push(built, repository, private=private) if repository and not dry_run else {}
    if as_json:
        _print_json({"folder": str(built.root)} | dataclasses.asdict(checked) | {"pushed": pushed})
    else:
        lines = [f"built {built.root}: {checked.files} files, {checked.bytes / 1e6:,.1f} MB"]
        lines += [f"problem: {each}" for each in checked.problems] + [f"warning: {each}" for each in checked.warnings]
        lines += [f"pushed {name}: {address}" for name, address in pushed.items()] or ["nothing was pushed"]
        _print_lines(lines)
    if checked.problems:
        raise typer.Exit(1)


# ------------------------------------------------------------------------------------------- what they share


def _load(recipe: Path, overrides: list[str] | None) -> "Recipe":
    """The recipe; where it is refused, with all that can be told of the rest of it."""
    from winnow.recipe_file import load_recipe

    try:
        return load_recipe(recipe, overrides or [])
    except RecipeError as error:
        if error.rest is None:
            raise
        from winnow.mistakes import with_later

        raise with_later(error, f"recipe {recipe}") from error


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

    _print_json(describe()) if as_json else _print_lines(selector_lines(describe()))


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
    _print_lines([*comparison_lines(found), "", f"page: {page}"])


def _compare_checkpoints(
    recipe: Path, overrides: list[str] | None, runs: list[Path], baseline: str, metric: str, primary: str | None,
    out: Path,
) -> "Compared":  # fmt: skip
    """Score the checkpoints of one folder and compare them."""
    if len(runs) > 1:
        raise typer.BadParameter(f"--recipe takes one folder of checkpoints, not {len(runs)}")
    asked = _load(recipe, overrides)
    from winnow.compare_api.checkpoints import compare_checkpoints
    from winnow.progress_bars import Bars

    bars = Bars()
    with bars.shown():
        return compare_checkpoints(
            runs[0], asked, baseline=baseline, metric=metric, primary=primary, out=out, watch=bars
        )


def _checkpoint(name: str) -> Literal["last", "best"]:
    if name not in ("last", "best"):
        raise typer.BadParameter(f"--checkpoint is {name!r}; it must be last or best")
    return "last" if name == "last" else "best"


def _print_pool(walk: "Walk", as_json: bool) -> None:
    """What is in the pool; where its recipe asks for hygiene, what that found."""
    from winnow.plan_table import pool_lines
    from winnow.store import read_json

    statistics = read_json(walk.done["pool"].folder / "statistics.json")
    found = read_json(walk.done["hygiene"].folder / "hygiene.json") if "hygiene" in walk.done else None
    if as_json:
        _print_json(statistics | ({"hygiene": found} if found else {}))
        return
    _print_lines(pool_lines(statistics, found))


def _print_missing(names: list[str], as_json: bool) -> None:
    if as_json:
        _print_json({"missing": names})
    else:
        _print_lines([f"{len(names)} stages would be made", *(f"  {name}" for name in names)])


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

    _print_lines([*render_terminal(findings).split("\n"), "", f"report: {folder / 'report.html'}"])


def _print_together(found: list[Any], folder: Path, as_json: bool) -> None:
    """Each study's verdict, and where the page of all of them is."""
    page = folder / "report.html"
    if as_json:
        studies = [{"study": each.recipe.name, "verdict": dataclasses.asdict(each.verdict)} for each in found]
        _print_json({"studies": studies, "report": str(page)})
        return
    _print_lines([*(f"{each.recipe.name}: {each.verdict.sentence}" for each in found), "", f"report: {page}"])


def _print_json(tree: Any) -> None:
    """JSON for people and machines: letters as they are, what cannot be seen as JSON spells it."""
    text = json.dumps(tree, indent=1, ensure_ascii=False, default=str)
    print("".join(each if each.isprintable() or each == "\n" else json.dumps(each)[1:-1] for each in text))


def _print_lines(lines: Iterable[str]) -> None:
    """Lines as a terminal may show them, whatever data brought into them."""
    print("\n".join(map(visible, lines)))


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
    _let_terminals_print_all()
    try:
        try:
            app(arguments, standalone_mode=True)
        finally:
            _flush()
    except WinnowError as error:
        _leave(error.lines, error.exit_code, debug)
    except Interrupted:
        _leave(("stopped; run the same command again to go on from the last checkpoint",), 1, debug)
    except stopping.Stopped:
        _leave(("asked to stop; run the same command again to go on from here",), stopping.EXIT_CODE, debug)
    except OSError as error:
        _leave((one_line(told(error)),), 1, debug)


def _let_terminals_print_all() -> None:
    """Characters that a terminal's encoding lacks are spelled out, not a reason to fail after all is done."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _flush() -> None:
    """Print what is left, quietly where nobody reads on (`winnow ... | head`)."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _leave(lines: tuple[str, ...], code: int, debug: bool) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if debug:
        raise  # noqa: PLE0704  called while an exception is being handled
    print("\n".join(["winnow: " + lines[0], *lines[1:]]), file=sys.stderr)
    sys.exit(code)
