"""Walk over a graph of stages: find each artifact or make it, skipping what another process is making."""

import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from winnow import stopping
from winnow.errors import ArtifactError, DataError, NotAffordableError, RecipeError, UnavailableError, nearest
from winnow.fingerprints import fingerprint_of
from winnow.kinds import KINDS
from winnow.recipe import EvaluationRecipe, Recipe
from winnow.recipe.arguments import Must
from winnow.records import Artifact, Context, Listener, Outcome, Probe, Progress, Silent, Stage, Stored, nobody
from winnow.store import Store, hash_json, hash_tree
from winnow.study.graph import Graph
from winnow.trackers.following import following

WAIT_SECONDS = 0.5


@dataclass
class Walk:
    """How far a walk over a graph has come."""

    stages: Mapping[str, Stage] = field(default_factory=dict)
    """Of the whole graph."""
    done: dict[str, Stored] = field(default_factory=dict)
    not_affordable: dict[str, str] = field(default_factory=dict)
    """Arm -> why."""
    unavailable: dict[str, str] = field(default_factory=dict)
    """Stage that cannot be made here -> why; nothing rests on such stages."""
    before: Callable[[], None] | None = None
    """What has still to be done before the first stage is made."""

    def begin(self) -> None:
        """Do what has to be done before anything is made, if it is not done yet."""
        if self.before is not None:
            self.before()
            self.before = None

    def made(self, kind: str) -> dict[str, Stored]:
        """The artifacts of this kind that are of an arm, or of the untrained model, by whose they are."""
        stages = [self.stages[name] for name in self.done if self.stages[name].kind == kind]
        return {stage.whose: self.done[stage.name] for stage in stages if stage.whose is not None}


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
    chosen = next((each.selection.name for each in graph.arms if each.name == arm), None)
    ends = [
        stage
        for stage in graph.stages.values()
        if (until is None or stage.kind in until)
        and (arm is None or stage.arm in (None, chosen if stage.kind == "select" else arm))
        and (seed is None or stage.seed in (None, seed))
    ]
    needed: set[str] = set()
    todo = [stage.name for stage in ends]
    while todo:
        name = todo.pop()
        if name not in needed:
            needed.add(name)
            todo += [*graph.stages[name].inputs.values(), *graph.stages[name].beside.values()]
    return [name for name in graph.stages if name in needed]


class Watch:
    """Who is told what happens; the command line shows bars."""

    @contextmanager
    def stage(self, name: str, kind: str) -> Iterator[Progress]:
        """A stage is being made."""
        yield Silent()

    def finished(self, done: int, total: int, waiting: bool) -> None:
        """So many of the stages are there; `waiting` while another process makes what is left."""

    def warned(self, warnings: Sequence[str]) -> None:
        """What a user should know of the data before they are trained on."""


Watching = Annotated[Watch, Must("be a winnow.walk.Watch")]


def walk_stages(
    graph: Graph, recipe: Recipe, store: Store, names: list[str], watch: Watch,
    before: Callable[[], None] | None = None, *, so_far: Walk | None = None,
) -> Walk:  # fmt: skip
    """Make all named stages, in order; where another process holds one, go on with others and come back.

    `before` is called once, before the first stage is made, if any is. A walk that came `so_far` is gone on with:
    nothing of it is read again.
    """
    walk = so_far or Walk(graph.stages, before=before)
    while pending := [name for name in names if not _is_settled(graph.stages[name], walk)]:
        for name in pending:
            stopping.heed()  # a stage that trains only notes a request
            _attempt(graph.stages[name], graph, recipe, store, walk, watch)
            watch.finished(len(walk.done), len(names), waiting=False)
        if not any(_is_settled(graph.stages[name], walk) for name in pending):
            watch.finished(len(walk.done), len(names), waiting=True)
            time.sleep(WAIT_SECONDS)
    stopping.heed()
    return walk


def _is_settled(stage: Stage, walk: Walk) -> bool:
    """Whether the stage is there, cannot be made here, or its arm cannot pay for it."""
    is_refused = stage.arm in walk.not_affordable and KINDS[stage.kind].is_of_arm
    return stage.name in walk.done or stage.name in walk.unavailable or is_refused


def _attempt(stage: Stage, graph: Graph, recipe: Recipe, store: Store, walk: Walk, watch: Watch) -> None:
    """Find the stage's artifact or make it, if its inputs are there and no other process is making it."""
    if any(name not in walk.done for name in (*stage.inputs.values(), *stage.beside.values())):
        return
    inputs = {role: walk.done[name] for role, name in stage.inputs.items()}
    fingerprint = fingerprint_of(stage, inputs)
    found = _find(stage, fingerprint, store)
    if found is None:
        with store.lease(stage.kind, fingerprint) as is_mine:
            if not is_mine:
                return
            found = _find(stage, fingerprint, store)
            if found is None:
                _discard_changed(stage, fingerprint, store)
                walk.begin()
                found = _make(stage, inputs, fingerprint, recipe, store, walk, watch)
    if found is not None:
        walk.done[stage.name] = found


def _find(stage: Stage, fingerprint: str, store: Store) -> Stored | None:
    """The artifact, or None where there is none, or it was changed through a link and has to be made again."""
    try:
        return store.find(stage.kind, fingerprint)
    except ArtifactError:
        if store.changed_through_link(stage.kind, fingerprint) is None:
            raise
        return None


def _discard_changed(stage: Stage, fingerprint: str, store: Store) -> None:
    changed = store.changed_through_link(stage.kind, fingerprint)
    if changed is not None:
        warnings.warn(
            f"{changed} was changed, through its other name in a study folder for example; {stage.name} is made again",
            stacklevel=2,
        )
        store.discard(stage.kind, fingerprint)


def _make(
    stage: Stage, inputs: dict[str, Stored], fingerprint: str, recipe: Recipe, store: Store, walk: Walk, watch: Watch
) -> Stored | None:
    make = KINDS[stage.kind].load()
    folder = store.draft(stage.kind, fingerprint)
    with watch.stage(stage.name, stage.kind) as progress:
        try:
            probe, follow = _probe_maker(stage, recipe, inputs, walk), _follow(stage, fingerprint, recipe)
            outcome = make(stage.part, inputs, Context(folder, progress, probe, follow, store.root / "kept"))
        except NotAffordableError as error:
            if stage.arm is None:
                raise
            walk.not_affordable[stage.arm] = str(error)
            return None
        except UnavailableError as error:
            walk.unavailable[stage.name] = str(error)
            return None
    if fingerprint_of(stage, inputs) != fingerprint:
        raise DataError(
            f"files that {stage.name} reads changed while it was made; run again when nothing writes to them"
        )
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


@dataclass(frozen=True)
class ProbeMaker:
    """How a run evaluates on the way; plain data, since it may have to go to a process of the run's own."""

    recipe: EvaluationRecipe
    inputs: Mapping[str, Stored]
    """Of the run."""
    tests: Stored | None
    """Evaluation sets; null to look at the validation split alone."""
    context_tokens: int | None = None
    """Length of the windows that plain text is cut into; null where the run trains on examples."""
    own_samples: Stored | None = None
    """What the model that the run starts from writes by itself; null where that is not looked at."""

    def __call__(self, model: Any) -> Probe:
        """The probe for this model."""
        from winnow.evaluation.own_samples import with_divergence

        probe = self._probe(model)
        return probe if self.own_samples is None else with_divergence(probe, self.own_samples)

    def _probe(self, model: Any) -> Probe:
        from winnow.evaluation.probe import probe_for, validation_probe

        if self.context_tokens is not None:
            from winnow.evaluation.text_probe import text_probe

            return text_probe(self.recipe, self.inputs, self.tests, context_tokens=self.context_tokens)
        pool, tokenizer = self.inputs["data"], self.inputs["tokenizer"]
        if self.tests is None:
            return validation_probe(pool)
        return probe_for(model, self.recipe, pool=pool, tests=self.tests, tokenizer=tokenizer)


def _probe_maker(stage: Stage, recipe: Recipe, inputs: Mapping[str, Stored], walk: Walk) -> ProbeMaker | None:
    """On its validation split; a run, which is no trial, on samples of the evaluation sets too."""
    looks_at = KINDS[stage.kind].looks_at
    windows = recipe.pool.text.context_tokens if recipe.pool.text else None
    if looks_at == "validation":
        return ProbeMaker(recipe.evaluation, inputs, None, windows)
    if looks_at is None or stage.arm is None:
        return None
    samples = walk.done[stage.beside["own_samples"]] if "own_samples" in stage.beside else None
    return ProbeMaker(recipe.evaluation, inputs, walk.done["tests"], windows, samples)


def _follow(stage: Stage, fingerprint: str, recipe: Recipe) -> Callable[[], AbstractContextManager[Listener]]:
    """Whoever follows the run of an arm while it trains: the recipe's trackers."""
    if KINDS[stage.kind].told_as is None or stage.arm is None:
        return nobody
    return following(recipe.trackers, recipe.name, stage, fingerprint)


@dataclass(frozen=True)
class Present:
    """What is there of a graph, seen from outside."""

    done: dict[str, Stored]
    drafts: dict[str, Path]
    """Stage that is being made, or was stopped on the way -> the folder it works in."""
    fingerprints: dict[str, str]
    """Of the stages whose inputs are there; working one out reads all the data that the stage reads."""


def missing(graph: Graph, store: Store) -> list[str]:
    """Names of the stages that are not there, as far as can be told without making their inputs."""
    done = present(graph, store).done
    return [name for name in graph.stages if name not in done]


def present(graph: Graph, store: Store, before: Present | None = None) -> Present:
    """What is there, without making anything; what was done `before` is not looked for again."""
    seen = Present(*((dict(before.done), {}, dict(before.fingerprints)) if before else ({}, {}, {})))
    for stage in graph.stages.values():
        if stage.name in seen.done or any(name not in seen.done for name in stage.inputs.values()):
            continue
        if stage.name not in seen.fingerprints:
            inputs = {role: seen.done[name] for role, name in stage.inputs.items()}
            seen.fingerprints[stage.name] = fingerprint_of(stage, inputs)
        found = store.find(stage.kind, seen.fingerprints[stage.name])
        draft = store.draft_place(stage.kind, seen.fingerprints[stage.name])
        if found is not None:
            seen.done[stage.name] = found
        elif draft.is_dir():
            seen.drafts[stage.name] = draft
    return seen
