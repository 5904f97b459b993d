"""Walk the stages of a study and do what is missing: the whole story on one page.

    recipe = load_recipe("recipes/quickstart.yaml")
    findings = run(recipe)          # pool, select, train, evaluate, account, report
    print(findings.verdict.sentence)

Every stage leaves an artifact in the store; one that is there already is not made again. Several processes may walk
the same study side by side: each takes the stages that no other one holds.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from filelock import FileLock

from winnow.errors import BudgetError, RecipeError, nearest
from winnow.findings import Findings
from winnow.parts import SelectPart, asked
from winnow.recipe import Frozen, Recipe, SourceRecipe
from winnow.records import Artifact, Context, Outcome, Probe, Progress, Silent, Stage, Stored
from winnow.store import Store, hash_file, hash_json, hash_tree
from winnow.study.arms import build_arms
from winnow.study.folder import write_folder
from winnow.study.graph import Graph, expand
from winnow.study.identity import check_contents, check_identity, known_study

StageFunction = Callable[[Any, Mapping[str, Stored], Context], Outcome]

KINDS = {
    "generate": ("winnow.generation.stages", "generate", 1),
    "tests": ("winnow.pool.stages", "make_tests", 1),
    "corpus": ("winnow.pool.stages", "make_corpus", 1),
    "tokenizer": ("winnow.pool.stages", "make_tokenizer", 1),
    "pool": ("winnow.pool.stages", "make_pool", 1),
    "model": ("winnow.training.pointing", "point_at_model", 1),
    "represent": ("winnow.selection.stages", "represent", 1),
    "select": ("winnow.selection.stages", "select", 1),
    "train": ("winnow.training.stages", "train_model", 1),
    "evaluate": ("winnow.evaluation.stages", "evaluate", 1),
}
"""Kind of stage -> module, function, version. Raise the version when the same question gets another answer."""

WAIT_SECONDS = 0.5


@dataclass
class Walk:
    """How far a walk over a graph has come."""

    done: dict[str, Stored] = field(default_factory=dict)
    not_affordable: dict[str, str] = field(default_factory=dict)
    """Arm -> why."""
    made: list[str] = field(default_factory=list)
    """Stages that this process itself made."""


def run(
    recipe: Recipe,
    *,
    out: str | Path | None = None,
    store: str | Path | None = None,
    arm: str | None = None,
    seed: int | None = None,
    watch: "Watch | None" = None,
) -> Findings:
    """Make whatever the study lacks, bring its folder up to date, and say what it shows.

    `arm` and `seed` restrict the training to one arm or seed. Raises WinnowError in one line for whatever is wrong.
    """
    folder, shelf = study_folder(recipe, out), store_beside(recipe, out, store)
    recipe = with_measured_speed(checked(recipe), folder)
    graph = expand(recipe, selector_traits())
    check_identity(recipe, folder)
    walk = walk_stages(graph, recipe, shelf, wanted(graph, arm=arm, seed=seed), watch or Watch())
    return publish(folder, recipe, graph, walk)


def advance(
    recipe: Recipe,
    until: str,
    *,
    out: str | Path | None = None,
    store: str | Path | None = None,
    arm: str | None = None,
    seed: int | None = None,
    watch: "Watch | None" = None,
) -> Walk:
    """Make the stages of one kind and all that they rest on, without a report."""
    folder = study_folder(recipe, out)
    recipe = with_measured_speed(checked(recipe), folder)
    graph = expand(recipe, selector_traits())
    check_identity(recipe, folder)
    names = wanted(graph, until=(until,), arm=arm, seed=seed)
    return walk_stages(graph, recipe, store_beside(recipe, out, store), names, watch or Watch())


def study_folder(recipe: Recipe, out: str | Path | None) -> Path:
    """Where the study stands: `out`, or runs/<name>."""
    return Path(out) if out is not None else Path("runs") / recipe.name


def store_beside(recipe: Recipe, out: str | Path | None, store: str | Path | None) -> Store:
    """The store that studies share: `store`, or `.store` beside the study folder."""
    return Store(store if store is not None else study_folder(recipe, out).parent / ".store")


def publish(folder: Path, recipe: Recipe, graph: Graph, walk: Walk) -> Findings:
    """Bring the study folder and its report up to date with what the walk has done."""
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / ".lock"):
        check_contents(folder, {n: walk.done[n].artifact.digest for n in ("pool", "base") if n in walk.done})
        write_folder(folder, recipe, graph, walk.done, walk.not_affordable)
        return report(folder)


def report(folder: str | Path) -> Findings:
    """Make every table, figure and page of a study folder again, from the records in it."""
    from winnow.analysis.find import find
    from winnow.report.write import write_report

    findings = find(Path(folder))
    write_report(Path(folder), findings)
    return findings


def checked(recipe: Recipe) -> Recipe:
    """The recipe, its selectors' own options and its primary comparison checked. Raises RecipeError."""
    from winnow.selection.registry import check

    arms = build_arms(recipe, selector_traits())
    for arm in arms:
        check(arm.selector, dict(arm.options))
    known, primary = [arm.name for arm in arms], recipe.study.primary
    for key, name in (("arm", primary.arm), ("baseline", primary.baseline)):
        if name is not None and name not in known:
            raise RecipeError(
                f"study.primary.{key} is {name!r}{nearest(name, known)}; this study has {', '.join(known)}"
            )
    return recipe


def selector_traits() -> dict[str, Any]:
    """What the graph has to know of every selector, those of other packages too."""
    from winnow.selection.registry import traits

    return traits()


def with_measured_speed(recipe: Recipe, folder: Path) -> Recipe:
    """The recipe with a machine speed where its budget needs one: the study's own, else measured now, once."""
    if recipe.machine.flops_per_second is not None or recipe.budget.unit not in ("seconds", "dollars"):
        return recipe
    known = known_study(folder)
    speed = known["machine"]["flops_per_second"] if known else None
    if speed is None:
        from winnow.training.calibration import measure

        speed = measure(recipe)
    return recipe.model_copy(update={"machine": recipe.machine.model_copy(update={"flops_per_second": speed})})


# ---------------------------------------------------------------------------------------------- the walk


def wanted(
    graph: Graph, *, until: tuple[str, ...] | None = None, arm: str | None = None, seed: int | None = None
) -> list[str]:
    """Names of the stages to make, in order: those of some kinds, arms or seeds, and all that they rest on.

    Raises RecipeError for an arm or seed that the study does not have.
    """
    known = [each.name for each in graph.arms]
    if arm is not None and arm not in known:
        raise RecipeError(f"--arm {arm} is no arm{nearest(arm, known)}; this study has {', '.join(known)}")
    if seed is not None and seed not in graph.seeds:
        raise RecipeError(f"--seed {seed} is not in study.seeds {list(graph.seeds)}; add it to the recipe")
    ends = [
        stage
        for stage in graph.stages.values()
        if (until is None or stage.kind in until)
        and (arm is None or stage.arm in (None, arm))
        and (seed is None or stage.seed in (None, seed))
    ]
    needed: set[str] = set()
    todo = [stage.name for stage in ends]
    while todo:
        name = todo.pop()
        if name not in needed:
            needed.add(name)
            todo += graph.stages[name].inputs.values()
    return [name for name in graph.stages if name in needed]


class Watch:
    """Who is told what happens; the command line shows bars."""

    @contextmanager
    def stage(self, name: str, kind: str) -> Iterator[Progress]:
        """A stage is being made."""
        yield Silent()

    def finished(self, done: int, total: int, waiting: bool) -> None:
        """So many of the stages are there; `waiting` while another process makes what is left."""


def walk_stages(graph: Graph, recipe: Recipe, store: Store, names: list[str], watch: Watch) -> Walk:
    """Make all named stages, in order; where another process holds one, go on with others and come back."""
    walk = Walk()
    while pending := [name for name in names if not _is_settled(graph.stages[name], walk)]:
        for name in pending:
            _attempt(graph.stages[name], graph, recipe, store, walk, watch)
            watch.finished(len(walk.done), len(names), waiting=False)
        if not any(_is_settled(graph.stages[name], walk) for name in pending):
            watch.finished(len(walk.done), len(names), waiting=True)
            time.sleep(WAIT_SECONDS)
    return walk


def _is_settled(stage: Stage, walk: Walk) -> bool:
    """Whether the stage is there, or its arm cannot pay for it."""
    return stage.name in walk.done or (stage.arm in walk.not_affordable and stage.kind in ("train", "evaluate"))


def _attempt(stage: Stage, graph: Graph, recipe: Recipe, store: Store, walk: Walk, watch: Watch) -> None:
    """Find the stage's artifact or make it, if its inputs are there and no other process is making it."""
    if any(name not in walk.done for name in stage.inputs.values()):
        return
    inputs = {role: walk.done[name] for role, name in stage.inputs.items()}
    fingerprint = fingerprint_of(stage, inputs)
    found = store.find(stage.kind, fingerprint)
    if found is None:
        with store.lease(stage.kind, fingerprint) as is_mine:
            if not is_mine:
                return
            found = store.find(stage.kind, fingerprint) or _make(stage, inputs, fingerprint, recipe, store, walk, watch)
    if found is not None:
        walk.done[stage.name] = found


def _make(
    stage: Stage, inputs: dict[str, Stored], fingerprint: str, recipe: Recipe, store: Store, walk: Walk, watch: Watch
) -> Stored | None:
    module, function, _ = KINDS[stage.kind]
    make: StageFunction = getattr(import_module(module), function)
    folder = store.draft(stage.kind, fingerprint)
    with watch.stage(stage.name, stage.kind) as progress:
        probe = _probe_maker(recipe, inputs, walk) if stage.kind == "train" and stage.arm is not None else None
        try:
            outcome = make(stage.part, inputs, Context(folder, progress, probe))
        except BudgetError as error:
            if stage.arm is None or not str(error).startswith("not affordable"):
                raise
            walk.not_affordable[stage.arm] = str(error)
            return None
    walk.made.append(stage.name)
    return store.commit(stage.kind, fingerprint, _artifact(stage, inputs, fingerprint, folder, outcome))


def _artifact(stage: Stage, inputs: dict[str, Stored], fingerprint: str, folder: Path, outcome: Outcome) -> Artifact:
    outputs = hash_tree(folder, outcome.outputs)
    return Artifact(
        name=stage.name,
        kind=stage.kind,
        fingerprint=fingerprint,
        digest=hash_json(outputs),
        inputs={role: stored.artifact.fingerprint for role, stored in inputs.items()},
        costs=outcome.costs,
        wasted=outcome.wasted,
        numbers=outcome.numbers,
        files=outputs | hash_tree(folder, outcome.logs),
    )


def fingerprint_of(stage: Stage, inputs: Mapping[str, Stored]) -> str:
    """Of what is asked: part, contents of the inputs, data read, stage version, kind of device."""
    return hash_json(
        {
            "kind": stage.kind,
            "version": KINDS[stage.kind][2],
            "part": asked(stage.part),
            "inputs": {role: stored.artifact.digest for role, stored in inputs.items()},
            "data": _data_digests(stage.part),
            "device": _device() if stage.kind in ("train", "represent", "evaluate") else None,
        }
    )[:24]


def _data_digests(part: Frozen) -> dict[str, Any]:
    """Hashes of all files that a part reads."""
    from winnow.pool.sources import source_digests

    sources = [value for value in _values(part) if isinstance(value, SourceRecipe) and value.path is not None]
    return {source.name: source_digests(source) for source in sources} | _model_digests(part) | _user_files(part)


def _user_files(part: Frozen) -> dict[str, Any]:
    """Hashes of the files that a selector's options name."""
    from winnow.selection.registry import data_files

    if not isinstance(part, SelectPart):
        return {}
    return {path.name: hash_file(path) for path in data_files(part.selector, part.options) if path.is_file()}


def _values(part: Any) -> Iterator[Any]:
    yield part
    inner = [getattr(part, key) for key in type(part).model_fields] if isinstance(part, Frozen) else part
    if isinstance(part, Frozen | tuple):
        for value in inner:
            yield from _values(value)


def _model_digests(part: Frozen) -> dict[str, Any]:
    folder = Path(getattr(part, "model", "") or "/nowhere").expanduser()
    return {"model": hash_tree(folder, [p.name for p in sorted(folder.iterdir())])} if folder.is_dir() else {}


def _device() -> str:
    from winnow.models.loading import best_device

    return best_device().type


def _probe_maker(recipe: Recipe, inputs: Mapping[str, Stored], walk: Walk) -> Callable[[Any], Probe]:
    """How a run evaluates on the way: on its validation split and on samples of the evaluation sets."""

    def make(model: Any) -> Probe:
        from winnow.evaluation.probe import probe_for

        tests, tokenizer = walk.done["tests"], inputs["tokenizer"]
        return probe_for(model, recipe.evaluation, pool=inputs["data"], tests=tests, tokenizer=tokenizer)

    return make


def dry_run(recipe: Recipe, out: str | Path | None, store: str | Path | None) -> list[str]:
    """Names of the stages that `run` would make, as far as can be told without making their inputs."""
    shelf = store_beside(recipe, out, store)
    graph = expand(with_measured_speed(recipe, study_folder(recipe, out)), selector_traits())
    done: dict[str, Stored] = {}
    for stage in graph.stages.values():
        if all(name in done for name in stage.inputs.values()):
            inputs = {role: done[name] for role, name in stage.inputs.items()}
            found = shelf.find(stage.kind, fingerprint_of(stage, inputs))
            if found is not None:
                done[stage.name] = found
    return [name for name in graph.stages if name not in done]
