"""Commands that make a study or a part of it: plan, run, generate, pool, select, train, evaluate."""

import dataclasses
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from winnow.cli.shared import (
    ArmName,
    AsJson,
    DryRun,
    Out,
    Overrides,
    RecipeFile,
    Seed,
    StoreFolder,
    Workers,
    app,
    load,
    print_findings,
    print_json,
    print_lines,
    print_missing,
)
from winnow.errors import RecipeError

if TYPE_CHECKING:
    from winnow.recipe import Recipe
    from winnow.walk import Walk


@app.command(epilog="Example: winnow plan recipes/gsm-gpt2-rff.yaml --json")
def plan(
    recipe: RecipeFile, overrides: Overrides = None, out: Out = None, store: StoreFolder = None, as_json: AsJson = False
) -> None:
    """Print what a study would cost, arm by arm, without training."""
    asked = load(recipe, overrides)
    from winnow import pipeline
    from winnow.cli.bars import Bars
    from winnow.verbs.plan import plan as make_plan

    pipeline.store_beside(asked, out, store)  # looks at both places, in the words of the options
    bars = Bars()
    with bars.shown():
        made = make_plan(asked, out=out, store=store, watch=bars)
    if as_json:
        print_json(dataclasses.asdict(made))
        return
    from winnow.cli.tables import plan_lines
    from winnow.cli.text_tables import mixture_lines

    print_lines([*plan_lines(made, asked), *mixture_lines(made)])


@app.command(epilog="Example: winnow run recipes/quickstart.yaml --set study.seeds=[0,1,2]")
def run(
    recipe: RecipeFile, overrides: Overrides = None, out: Out = None, store: StoreFolder = None, arm: ArmName = None,
    seed: Seed = None, workers: Workers = None, as_json: AsJson = False, dry_run: DryRun = False,
) -> None:  # fmt: skip
    """Do the whole study, or what is missing of it: pool, select, train, evaluate, account, report."""
    asked = load(recipe, overrides)
    from winnow import pipeline
    from winnow.cli.bars import Bars
    from winnow.verbs import workers as side

    if dry_run:
        print_missing(pipeline.dry_run(asked, out, store), as_json)
        return
    if _is_surplus(asked):
        return
    bars, count = Bars(), (workers or side.default_workers(asked)) - 1
    if pipeline.lacks_speed(asked):
        asked = pipeline.with_measured_speed(pipeline.checked(asked), pipeline.study_folder(asked, out))
    with bars.shown(), side.helpers(asked, count=count, out=out, store=store, arm=arm, seed=seed) as start:
        bars.at_first = start
        findings = pipeline.run(asked, out=out, store=store, arm=arm, seed=seed, watch=bars)
    print_findings(findings, pipeline.study_folder(asked, out), as_json)


@app.command(epilog="Example: winnow generate recipes/generated.yaml --dry-run")
def generate(
    recipe: RecipeFile, overrides: Overrides = None, out: Out = None, store: StoreFolder = None,
    as_json: AsJson = False, dry_run: DryRun = False,
) -> None:  # fmt: skip
    """Have the teachers of the pool's synthetic sources write them; leaves each as a folder with a card."""
    asked = load(recipe, overrides)
    from winnow.cli.bars import Bars
    from winnow.verbs import generate as generating

    if dry_run:
        print_missing(generating.missing_of(asked, out, store), as_json)
        if not as_json:
            print_lines(generating.asked_lines(asked))
        return
    bars = Bars()
    with bars.shown():
        made = generating.generate(asked, out=out, store=store, watch=bars)
    if as_json:
        print_json([each.facts | {"folder": str(each.folder)} for each in made])
        return
    print_lines(line for each in made for line in generating.lines(each))


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
        from winnow.cli.tables import selection_lines
        from winnow.store import read_json

        made = {whose: read_json(stored.folder / "selection.json") for whose, stored in walk.made("select").items()}
        print_json(made) if as_json else print_lines(selection_lines(made))


@app.command(epilog="Example: winnow train recipes/gsm-cpu.yaml --arm full --seed 1")
def train(
    recipe: RecipeFile, overrides: Overrides = None, out: Out = None, store: StoreFolder = None, arm: ArmName = None,
    seed: Seed = None, as_json: AsJson = False, dry_run: DryRun = False,
) -> None:  # fmt: skip
    """Train what is missing, up to the checkpoints."""
    walk = _advance(recipe, overrides, "train", out, store, arm=arm, seed=seed, dry_run=dry_run, as_json=as_json)
    _print_numbers(walk, "train", as_json)


@app.command(
    epilog="Example: winnow evaluate recipes/gsm-cpu.yaml --arm full; "
    "winnow evaluate --model models/mine --sets test.jsonl"
)
def evaluate(
    recipe: Annotated[Path | None, typer.Argument(help="Recipe, a YAML file.", metavar="RECIPE")] = None,
    overrides: Overrides = None, out: Out = None, store: StoreFolder = None, arm: ArmName = None,
    seed: Seed = None, as_json: AsJson = False, dry_run: DryRun = False,
    model: Annotated[str | None, typer.Option(
        "--model", help="Score this model instead: a folder (an adapter's, too) or a name on the hub.",
    )] = None,
    sets: Annotated[list[str] | None, typer.Option("--sets", help="With --model: a file of items; repeat it.")] = None,
    sets_recipe: Annotated[
        Path | None, typer.Option("--recipe", help="With --model: take the evaluation sets of this recipe.")
    ] = None,
    format: Annotated[str | None, typer.Option("--format", help="Of the files of --sets, such as gsm8k.")] = None,
) -> None:  # fmt: skip
    """Score the checkpoints of a study, or any model, on whole evaluation sets."""
    if model is not None:
        from winnow.cli.trained import evaluate_one

        evaluate_one(model, sets or [], sets_recipe or recipe, overrides, format, store, out, as_json=as_json)
        return
    if recipe is None or sets or sets_recipe or format:
        raise typer.BadParameter("give a recipe; --sets, --recipe and --format go with --model")
    walk = _advance(recipe, overrides, "evaluate", out, store, arm=arm, seed=seed, dry_run=dry_run, as_json=as_json)
    _print_numbers(walk, "evaluate", as_json)


def _advance(
    recipe: Path, overrides: list[str] | None, until: str, out: Path | None, store: Path | None, *,
    arm: str | None = None, seed: int | None = None, dry_run: bool, as_json: bool,
) -> "Walk | None":  # fmt: skip
    """Walk as far as stages of one kind; with `dry_run` only say what is missing."""
    asked = load(recipe, overrides)
    from winnow import pipeline
    from winnow.cli.bars import Bars

    if dry_run:
        missing = pipeline.dry_run(asked, out, store)
        graph = pipeline.expand(pipeline.checked(asked), pipeline.selector_traits())
        kept = set(pipeline.wanted(graph, until=(until,), arm=arm, seed=seed))
        print_missing([name for name in missing if name in kept], as_json)
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
    asked = load(recipe, overrides)
    from winnow.cli.bars import Bars
    from winnow.select_api.of_recipe import export_arm

    bars = Bars()
    with bars.shown():
        export_arm(asked, arm=arm, folder=folder, format=format, seed=seed, out=out, store=store, watch=bars)
    print_json({"export": str(folder)}) if as_json else print(f"export: {folder / 'README.md'}")


def _list_selectors(as_json: bool) -> None:
    from winnow.cli.tables import selector_lines
    from winnow.selection.reference import describe

    print_json(describe()) if as_json else print_lines(selector_lines(describe()))


def _compare(
    recipe: Path, overrides: list[str] | None, out: Path | None, store: Path | None, selectors: list[str],
    fractions: list[float], *, dry_run: bool, as_json: bool,
) -> None:  # fmt: skip
    """Compare selectors on the recipe's pool; with `dry_run` only say what is missing."""
    asked = load(recipe, overrides)
    from winnow import pipeline
    from winnow.cli.bars import Bars
    from winnow.cli.tables import comparison_lines
    from winnow.verbs import compare_selections as comparing

    if dry_run:
        print_missing(comparing.missing_of(asked, selectors, fractions, out, store), as_json)
        return
    bars = Bars()
    with bars.shown():
        found = comparing.compare(asked, selectors, fractions=fractions, out=out, store=store, watch=bars)
    page = pipeline.study_folder(asked, out) / comparing.FOLDER / comparing.PAGE
    if as_json:
        print_json({"tables": {name: list(table.rows) for name, table in found.tables.items()}, "page": str(page)})
        return
    print_lines([*comparison_lines(found), "", f"page: {page}"])


def _print_pool(walk: "Walk", as_json: bool) -> None:
    """What is in the pool; where its recipe asks for hygiene, what that found."""
    from winnow.cli.tables import pool_lines
    from winnow.cli.text_tables import text_pool_lines
    from winnow.store import read_json

    statistics = read_json(walk.done["pool"].folder / "statistics.json")
    found = read_json(walk.done["hygiene"].folder / "hygiene.json") if "hygiene" in walk.done else None
    if as_json:
        print_json(statistics | ({"hygiene": found} if found else {}))
        return
    print_lines(text_pool_lines(statistics) if "shared" in statistics else pool_lines(statistics, found))


def _print_numbers(walk: "Walk | None", kind: str, as_json: bool) -> None:
    if walk is None:
        return
    made = {whose: dict(stored.numbers) for whose, stored in walk.made(kind).items()}
    made |= {arm: {"not_affordable": reason} for arm, reason in walk.not_affordable.items()}
    if as_json:
        print_json(made)
        return
    for name, numbers in made.items():
        print(f"{name}: {json.dumps(numbers)}")
