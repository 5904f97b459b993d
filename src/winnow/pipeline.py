"""A study from recipe to report: the whole story on one page.

    recipe = load_recipe("recipes/quickstart.yaml")
    findings = run(recipe)          # pool, select, train, evaluate, account, report
    print(findings.verdict.sentence)

Every stage leaves an artifact in the store; one that is there already is not made again. Several processes may walk
the same study side by side (`walk.py`): each takes the stages that no other one holds.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from filelock import FileLock

from winnow.credentials import MASK
from winnow.errors import RecipeError, refused
from winnow.evaluation.measures.asking import is_of_final_answers
from winnow.findings import Findings
from winnow.kinds import KINDS
from winnow.mistakes import lacking_here, missing_keys, mistakes
from winnow.models.usual_modules import with_usual_modules
from winnow.recipe import Recipe
from winnow.recipe.arguments import AnyPath, FolderPath, Seed, Text, checks_arguments
from winnow.recipe.file import AnyRecipe, as_recipe, load_recipe
from winnow.records import Stored
from winnow.store import Store, read_json
from winnow.study.arms import arm_recipes
from winnow.study.folder import announce, arms_facts, write_folder
from winnow.study.graph import Graph, expand
from winnow.study.identity import check_contents, check_identity, known_study
from winnow.study_files import STUDY
from winnow.text.data_warnings import data_warnings, text_warnings
from winnow.trackers.interface import check_installed
from winnow.trackers.interface import wanted as wanted_trackers
from winnow.verbs.predicting import keep_predictions
from winnow.verbs.track import send_study
from winnow.walk import Walk, Watch, Watching, missing, walk_stages, wanted


@checks_arguments(RecipeError)
def run(
    recipe: AnyRecipe,
    *,
    out: FolderPath | None = None,
    store: FolderPath | None = None,
    arm: Text | None = None,
    seed: Seed | None = None,
    watch: Watching | None = None,
) -> Findings:
    """Make whatever the study lacks, bring its folder up to date, and say what it shows.

    `recipe` may also be the path of one. `arm` and `seed` restrict the training to one arm or seed. Raises WinnowError
    in one line for whatever is wrong.
    """
    recipe = as_recipe(recipe)
    folder, shelf = study_folder(recipe, out), store_beside(recipe, out, store)
    recipe = with_measured_speed(checked(recipe, is_trained=True), folder)
    graph = expand(recipe, selector_traits())
    check_identity(recipe, folder, arms_facts(graph))
    names = wanted(graph, arm=arm, seed=seed)
    _check_keys(recipe, graph, shelf)
    watch, check = watch or Watch(), models_checked(recipe)

    def begin() -> None:
        check()
        announce(folder, recipe)  # so that a run which is refused leaves nothing in the folder

    data = set(wanted(graph, until=("pool", "text_pool", "tests"))).intersection(names)
    ready = walk_stages(graph, recipe, shelf, [name for name in names if name in data], watch, begin)
    watch.warned(look_over(recipe, ready.done))
    if any(graph.stages[name].kind == "train" and graph.stages[name].arm is not None for name in names):
        keep_predictions(folder, recipe, graph.arms, ready, shelf.root)
    walk = walk_stages(graph, recipe, shelf, names, watch, so_far=ready)
    announce(folder, recipe)  # also where nothing was to be made
    findings = publish(folder, recipe, graph, walk)
    send_study(folder, findings, graph.stages, recipe.trackers)
    return findings


def advance(
    recipe: AnyRecipe,
    until: str,
    *,
    out: str | Path | None = None,
    store: str | Path | None = None,
    arm: str | None = None,
    seed: int | None = None,
    watch: Watch | None = None,
) -> Walk:
    """Make the stages of one kind and all that they rest on, without a report."""
    recipe = as_recipe(recipe)
    folder = study_folder(recipe, out)
    recipe = with_measured_speed(checked(recipe, is_trained=until in ("train", "evaluate")), folder)
    graph = expand(recipe, selector_traits())
    check_identity(recipe, folder, arms_facts(graph))
    if recipe.is_text and until == "select":
        raise RecipeError("nothing is selected in a study of plain text, which compares mixtures; see winnow plan")
    measures = tuple(name for name, kind in KINDS.items() if kind.is_measure)
    kinds = {"evaluate": measures, "pool": ("pool", "text_pool")}.get(until, (until,))
    names, shelf = wanted(graph, until=kinds, arm=arm, seed=seed), store_beside(recipe, out, store)
    _check_keys(recipe, graph, shelf)
    watch = watch or Watch()
    before = models_checked(recipe, answers=until in ("train", "evaluate"))
    walk = walk_stages(graph, recipe, shelf, names, watch, before)
    if until == "pool":
        watch.warned(look_over(recipe, walk.done))
    return walk


def models_checked(recipe: Recipe, *, answers: bool = True) -> Callable[[], None]:
    """What raises RecipeError, before anything is made, for models and adapters that cannot be used.

    Where models are asked for `answers`, also if these have no room in their context.
    """

    def check() -> None:
        from winnow.models.checking import check_answers, check_models

        check_models(recipe)
        if answers:
            check_answers(recipe)

    return check


def look_over(recipe: Recipe, done: Mapping[str, Stored]) -> tuple[str, ...]:
    """What a user should know of the pool and the evaluation sets before training.

    Raises RecipeError where the study's one question asks of open answers alone what only final ones tell.
    """
    if "pool" not in done or "tests" not in done:
        return ()
    pool, tests = (read_json(done[name].folder / "statistics.json") for name in ("pool", "tests"))
    if recipe.is_text:
        return text_warnings(pool)
    primary, sets = recipe.study.primary, tests["sets"]
    asked = {primary.aggregate: sets[primary.aggregate]} if primary.aggregate in sets else sets
    is_open = all(row["constant_level"] is None for row in asked.values())
    if is_open and is_of_final_answers(recipe, primary.metric):
        raise RecipeError(
            f"study.primary.metric is {primary.metric}, and all answers of {', '.join(asked)} are open text; set it to "
            "loss, or say `answers: final` of a set that has final ones"
        )
    return data_warnings(pool, tests)


def study_folder(recipe: Recipe, out: str | Path | None) -> Path:
    """Where the study stands: `out`, or runs/<name>. Raises RecipeError where a file stands there."""
    folder = Path(out) if out is not None else Path("runs") / recipe.name
    _check_place(folder, "--out")
    return folder


def store_beside(recipe: Recipe, out: str | Path | None, store: str | Path | None) -> Store:
    """The store that studies share: `store`, or `.store` beside the study folder.

    Raises RecipeError where a file stands in its place, or in that of one of its folders.
    """
    folder = study_folder(recipe, out)
    root = Path(store) if store is not None else folder.parent / ".store"
    for place in (root, *(root / kind for kind in KINDS)):
        _check_place(place, "--store")
    return Store(root)


def _check_place(folder: Path, option: str) -> None:
    """Raises RecipeError where no folder can be made: a file or a link to nothing stands there or above."""
    for place in (folder, *folder.parents):
        if place.is_dir():
            return
        if os.path.lexists(place):
            what = "a link to nothing" if place.is_symlink() and not place.exists() else "a file"
            raise RecipeError(f"{place} is {what}, not a folder; move it away, or give another {option}")


def publish(folder: Path, recipe: Recipe, graph: Graph, walk: Walk) -> Findings:
    """Bring the study folder and its report up to date with what the walk has done."""
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / ".lock"):
        check_contents(folder, {n: walk.done[n].artifact.digest for n in ("pool", "base") if n in walk.done})
        write_folder(folder, recipe, graph, walk.done, walk.not_affordable, walk.unavailable)
        return _report(folder, folder)


@checks_arguments(RecipeError)
def report(folder: AnyPath, *, out: FolderPath | None = None) -> Findings:
    """Make every table, figure and page of a study folder again, from the records in it; into `out`, if given."""
    root = Path(folder)
    if out is not None or not (root / STUDY).is_file():  # which `load` will say
        return _report(root, Path(folder if out is None else out))
    with FileLock(root / ".lock"):
        return _report(root, root)


def _report(folder: Path, out: Path) -> Findings:
    from winnow.analysis.study_folder import load

    return report_of(load(folder), out)


def report_of(study: Any, out: Path, *, left_out: Sequence[str] = ()) -> Findings:
    """Every table, figure and page of a study (`analysis.load`) into `out`; its card says what was `left_out`."""
    from winnow.analysis.find import findings_of
    from winnow.analysis.long_table import write_parquet
    from winnow.report.write import write_report

    findings = findings_of(study)
    write_report(study.folder, findings, out=out, left_out=left_out)
    write_parquet(study.rows(), study.columns, out / "tables" / "long.parquet")
    return findings


def report_together(folders: Sequence[str | Path], out: str | Path) -> list[Findings]:
    """One page in `out` for several studies, with a table across them, from the records in their folders."""
    from winnow.analysis.find import find
    from winnow.report.write import write_together

    found = [find(folder) for folder in folders]
    write_together(list(zip(folders, found, strict=True)), out)
    return found


def track(folder: str | Path, overrides: Sequence[str] = ()) -> int:
    """Send a finished study to the trackers that its recipe, or an override of it, names; how many runs that were.

    Raises RecipeError where it names none or one that is not installed, TrackerError where one does not answer.
    """
    from winnow.analysis.find import find

    findings = find(Path(folder))
    recipe = load_recipe(Path(folder) / "recipe.yaml", overrides)
    if not wanted_trackers(recipe.trackers):
        raise RecipeError(f"study {folder} has no trackers; name one: --set trackers.tensorboard={{}}")
    check_installed(recipe.trackers)
    if recipe.trackers.mlflow is not None and MASK in (recipe.trackers.mlflow.uri or ""):
        raise RecipeError(
            f"study {folder} keeps the address of MLflow without its password; give the address again with --set "
            "trackers.mlflow.uri=..., and name and password in MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"
        )
    stages = expand(recipe, selector_traits()).stages
    return send_study(Path(folder), findings, stages, recipe.trackers, must=True)


def checked(recipe: Recipe, *, must_exist: bool = True, is_trained: bool = False) -> Recipe:
    """The recipe, as far as it and the first rows of its data tell without a mistake, with what its model decides.

    `must_exist`: its files have to be here; `is_trained`: this machine has to be able to train so. Raises RecipeError
    with all mistakes.
    """
    found = mistakes(recipe, must_exist=must_exist) + (lacking_here(recipe) if is_trained else [])
    if found:
        raise refused(found, f"the recipe of {recipe.name}")
    return with_usual_modules(recipe)


def able(recipe: Recipe) -> Recipe:
    """The recipe, its training possible here. Raises RecipeError naming all that is missing."""
    found = lacking_here(recipe)
    if found:
        raise refused(found, f"the recipe of {recipe.name}")
    return recipe


def selector_traits() -> dict[str, Any]:
    """What the graph has to know of every selector, those of other packages too."""
    from winnow.selection.registry import traits

    return traits()


def lacks_speed(recipe: Recipe) -> bool:
    """Whether its budget is one of time or money, and nothing says how fast the machine is."""
    return recipe.machine.flops_per_second is None and arm_recipes(recipe)[0].budget.unit in ("seconds", "dollars")


def with_measured_speed(recipe: Recipe, folder: Path) -> Recipe:
    """The recipe with a machine speed where its budget needs one: the study's own, else measured now, once."""
    if not lacks_speed(recipe):
        return recipe
    known = known_study(folder)
    speed = known["machine"]["flops_per_second"] if known else None
    if speed is None:
        from winnow.training.calibration import measure

        speed = measure(recipe)
    return recipe.model_copy(update={"machine": recipe.machine.model_copy(update={"flops_per_second": speed})})


def dry_run(recipe: AnyRecipe, out: str | Path | None, store: str | Path | None) -> list[str]:
    """Names of the stages that `run` would make, as far as can be told without making their inputs."""
    recipe = checked(as_recipe(recipe), is_trained=True)
    graph = expand(with_measured_speed(recipe, study_folder(recipe, out)), selector_traits())
    shelf = store_beside(recipe, out, store)
    _check_keys(recipe, graph, shelf)
    lacking = missing(graph, shelf)
    if lacking:
        models_checked(recipe)()
    return lacking


def _check_keys(recipe: Recipe, graph: Graph, store: Store) -> None:
    """Raises RecipeError where a teacher that has to be asked needs a key which is not here."""
    found = missing_keys(recipe, graph, store)
    if found:
        raise refused(found, f"the recipe of {recipe.name}")
