"""Commands on what was made: report, compare, track, sandbox, watch, publish."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from winnow.cli.shared import AsJson, Overrides, StoreFolder, app, load, print_findings, print_json, print_lines

if TYPE_CHECKING:
    from winnow.compare_api.compare import Compared


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
        study, out = pipeline.study_folder(load(study, None), out), None
    print_findings(pipeline.report(study, out=out), out or study, as_json)


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
        print_json(
            {"advice": found.advice, "verdict": found.verdict, "notes": found.notes, "arms": arms, "page": str(page)}
        )
        return
    from winnow.report.terminal import compared_lines

    print_lines([*compared_lines(found.findings), "", f"page: {page}"])


@app.command(epilog="Example: winnow track runs/quickstart --set trackers.tensorboard={}")
def track(
    study: Annotated[Path, typer.Argument(help="Study folder.", metavar="STUDY")],
    overrides: Overrides = None, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Send a finished study to MLflow, Weights & Biases, Trackio or TensorBoard: what they do not have of it."""
    from winnow import pipeline

    count = pipeline.track(study, overrides or [])
    print_json({"runs": count}) if as_json else print(f"sent {count} runs and the verdict of {study}")


@app.command(epilog="Example: winnow sandbox")
def sandbox(as_json: AsJson = False) -> None:
    """Try which layers confine the programs of models on this machine; exit code 1 where a required one is missing."""
    from winnow.sandbox.programs import examine, require

    found = examine()
    if as_json:
        print_json({layer: {"holds": not reason, "reason": reason} for layer, reason in found.items()})
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
    from winnow import pipeline
    from winnow.verbs import watch as watching

    folder = study if study.is_dir() else pipeline.study_folder(load(study, None), None)
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
    from winnow.verbs import publish as publishing

    if repository is not None:
        publishing.check_repository(repository)
    built = publishing.build(study, out or study.absolute().with_name(f"{study.absolute().name}-upload"))
    checked = publishing.check(built)
    pushed = publishing.push(built, repository, private=private) if repository and not dry_run else {}
    if as_json:
        print_json({"folder": str(built.root)} | dataclasses.asdict(checked) | {"pushed": pushed})
    else:
        lines = [f"built {built.root}: {checked.files} files, {checked.bytes / 1e6:,.1f} MB"]
        lines += [f"problem: {each}" for each in checked.problems] + [f"warning: {each}" for each in checked.warnings]
        lines += [f"pushed {name}: {address}" for name, address in pushed.items()] or ["nothing was pushed"]
        print_lines(lines)
    if checked.problems:
        raise typer.Exit(1)


def _compare_checkpoints(
    recipe: Path, overrides: list[str] | None, runs: list[Path], baseline: str, metric: str, primary: str | None,
    out: Path,
) -> "Compared":  # fmt: skip
    """Score the checkpoints of one folder and compare them."""
    if len(runs) > 1:
        raise typer.BadParameter(f"--recipe takes one folder of checkpoints, not {len(runs)}")
    asked = load(recipe, overrides)
    from winnow.cli.bars import Bars
    from winnow.compare_api.checkpoints import compare_checkpoints

    bars = Bars()
    with bars.shown():
        return compare_checkpoints(
            runs[0], asked, baseline=baseline, metric=metric, primary=primary, out=out, watch=bars
        )


def _checkpoint(name: str) -> Literal["last", "best"]:
    if name not in ("last", "best"):
        raise typer.BadParameter(f"--checkpoint is {name!r}; it must be last or best")
    return "last" if name == "last" else "best"


def _print_together(found: list[Any], folder: Path, as_json: bool) -> None:
    """Each study's verdict, and where the page of all of them is."""
    page = folder / "report.html"
    if as_json:
        studies = [{"study": each.recipe.name, "verdict": dataclasses.asdict(each.verdict)} for each in found]
        print_json({"studies": studies, "report": str(page)})
        return
    print_lines(
        [
            *(f"{each.recipe.name}: {each.verdict.advice} {each.verdict.sentence}" for each in found),
            "",
            f"report: {page}",
        ]
    )
