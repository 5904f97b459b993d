"""Selections compared before anything is trained on them.

    found = compare(recipe, ["herding", "herding:target", "k_centre", "source_matched:herding"], fractions=[0.1])
    print(found.tables["selections"].rows)

The selections are made by the ordinary stages and stay in the store, where `winnow run` finds them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from winnow.errors import refused
from winnow.findings import SelectionFindings
from winnow.ledger import charged_stages, metered, total
from winnow.looking.plane import plane
from winnow.looking.reading import Look, Pool, Spent, num_bytes, read_ids, read_pool, read_summary
from winnow.looking.specimens import EACH
from winnow.looking.tables import comparison_tables
from winnow.mistakes import data_mistakes
from winnow.models.usual_modules import with_usual_modules
from winnow.parts import SelectPart
from winnow.pipeline import selector_traits, store_beside, study_folder, with_measured_speed
from winnow.recipe import Recipe
from winnow.records import Cost, Stage, Stored, Traits
from winnow.study.compared import compared
from winnow.study.graph import Graph, expand
from winnow.study.identity import check_identity
from winnow.study.selection_stages import audit_of, represent_stage, selection_stage
from winnow.study.selections import representation_of
from winnow.verbs.plan import training_flops
from winnow.walk import Walk, Watch, missing, walk_stages, wanted

FOLDER = "selections"
"""Of tables and page, in the study folder."""
PAGE = "selections.html"


def compare(
    recipe: Recipe,
    selectors: Sequence[str],
    *,
    fractions: Sequence[float] = (),
    out: str | Path | None = None,
    store: str | Path | None = None,
    watch: Watch | None = None,
) -> SelectionFindings:
    """What the selections of these selectors are made of, share, and cost; leaves tables and a page.

    Each is the name of an arm of the recipe without its fraction, a selector, `SELECTOR:target`, or `CONTROL:ARM`.
    Fractions are the recipe's where none are given, the whole pool the candidates, the seeds at least three. Raises
    WinnowError.
    """
    from winnow.report.selections_page import write_selections

    folder = study_folder(recipe, out)
    check_identity(recipe, folder)
    asked, graph = _expanded(recipe, selectors, fractions, folder)
    shelf = store_beside(recipe, out, store)
    walk = walk_stages(graph, asked, shelf, wanted(graph, until=("pool",)), watch or Watch())
    pool = read_pool(walk.done["pool"])
    graph, wider = _with_wider(graph, asked, selector_traits(), len(pool))
    walk = walk_stages(graph, asked, shelf, wanted(graph, until=("select",)), watch or Watch())
    found = _findings(asked, graph, walk, pool, wider)
    write_selections(folder / FOLDER / PAGE, found)
    return found


def missing_of(
    recipe: Recipe, selectors: Sequence[str], fractions: Sequence[float], out: Path | None, store: Path | None
) -> list[str]:
    """Names of the stages that `compare` would make, as far as can be told without making their inputs."""
    _, graph = _expanded(recipe, selectors, fractions, study_folder(recipe, out))
    kept = set(wanted(graph, until=("select",)))
    return [name for name in missing(graph, store_beside(recipe, out, store)) if name in kept]


def _expanded(
    recipe: Recipe, selectors: Sequence[str], fractions: Sequence[float], folder: Path
) -> tuple[Recipe, Graph]:
    """The recipe narrowed to these arms, their options checked, and its stages."""
    from winnow.selection.registry import check

    traits = selector_traits()
    if found := data_mistakes(recipe):
        raise refused(found, f"the recipe of {recipe.name}")
    asked = with_measured_speed(with_usual_modules(compared(recipe, selectors, fractions, traits)), folder)
    graph = expand(asked, traits)
    for arm in graph.selections:
        check(arm.selector, arm.options)
    return asked, graph


def _with_wider(
    graph: Graph, recipe: Recipe, traits: Mapping[str, Traits], pool_size: int
) -> tuple[Graph, dict[str, str]]:
    """The graph with a slightly larger selection for each arm that gives an order, and arm -> that stage's name."""
    stages, wider = dict(graph.stages), {}
    for arm in graph.selections:
        if not traits[arm.selector].is_nested or arm.fraction is None or arm.fraction == 1:
            continue
        stage = stages[selection_stage(recipe, arm, graph.seeds[0], traits)]
        assert isinstance(stage.part, SelectPart)
        part = stage.part.model_copy(update={"fraction": min(1.0, arm.fraction + EACH / pool_size)})
        wider[arm.name] = f"{stage.name}.wider"
        stages[wider[arm.name]] = Stage(wider[arm.name], "select", part, stage.inputs, stage.arm, stage.seed)
    return replace(graph, stages=stages), wider


def _findings(recipe: Recipe, graph: Graph, walk: Walk, pool: Pool, wider: Mapping[str, str]) -> SelectionFindings:
    traits = selector_traits()
    audit = audit_of(graph.selections, recipe)
    given = walk.done.get(represent_stage(audit)) if audit else None
    vectors = np.load(given.folder / "vectors.npy", mmap_mode="r") if given else None
    made = {
        arm.name: {seed: selection_stage(recipe, arm, seed, traits) for seed in graph.seeds} for arm in graph.selections
    }
    nearness = _nearness(given, made, walk, pool)
    per_row = training_flops(recipe, pool.tokens)
    looks = [
        Look(
            arm=arm.name, fraction=arm.fraction, is_random=len(set(made[arm.name].values())) > 1,
            ids={seed: read_ids(walk.done[name]) for seed, name in made[arm.name].items()},
            summaries={seed: read_summary(walk.done[name]) for seed, name in made[arm.name].items()},
            next_ids=_next(walk, made[arm.name][graph.seeds[0]], wider.get(arm.name)),
            target_mmd_ratio=nearness.get(arm.name),
            spent=_spent(recipe, graph, walk, made[arm.name], pool, per_row),
        )
        for arm in graph.selections
    ]  # fmt: skip
    rows = {look.arm: pool.rows(look.first_ids) for look in looks}
    is_whitened = audit is not None and getattr(representation_of(recipe, audit), "dimensions", None) is not None
    return SelectionFindings(
        study=recipe.name, pool_examples=len(pool), seeds=graph.seeds, representation=audit,
        tables=comparison_tables(looks, pool, vectors),
        plane={} if vectors is None else plane(vectors, rows, is_whitened=is_whitened),
    )  # fmt: skip


def _next(walk: Walk, name: str, wider: str | None) -> list[str]:
    """Ids that follow the selection in its order."""
    if wider is None:
        return []
    chosen = set(read_ids(walk.done[name]))
    return [each for each in read_ids(walk.done[wider]) if each not in chosen]


def _nearness(given: Stored | None, made: Mapping[str, Mapping[int, str]], walk: Walk, pool: Pool) -> dict[str, float]:
    """Arm -> squared MMD to the target over random's, mean over seeds; empty without vectors of a target."""
    from winnow.selection.nearness import target_mmd_ratios

    if given is None or not (given.folder / "target_vectors.npy").is_file():
        return {}
    names = list(dict.fromkeys(name for by_seed in made.values() for name in by_seed.values()))
    rows = [np.sort(pool.rows(read_ids(walk.done[name]))) for name in names]
    points, target = (np.load(given.folder / f"{part}vectors.npy").astype(np.float32) for part in ("", "target_"))
    ratios = dict(zip(names, target_mmd_ratios(points, target, rows), strict=True))
    found = {arm: [ratios[name] for name in by_seed.values()] for arm, by_seed in made.items()}
    return {arm: float(np.mean([x for x in each if x is not None])) for arm, each in found.items() if any(each)}


def _spent(
    recipe: Recipe, graph: Graph, walk: Walk, made: Mapping[int, str], pool: Pool, per_row: NDArray[np.float64]
) -> Spent:
    """What the selections of an arm cost, seed -> stage, without what the runs need anyway."""
    edges = {name: stage.inputs for name, stage in graph.stages.items()}
    shared = {below for name in ("pool", recipe.training.start) for below in charged_stages(name, edges)}
    first = made[graph.seeds[0]]
    below = [at for at in charged_stages(first, edges, except_below=("base",)) if at not in shared and at != first]
    stored = {name: walk.done[name] for name in below}
    represented = [each for name, each in stored.items() if graph.stages[name].kind == "represent"]
    selected = [metered(walk.done[name].artifact, ("select",)) for name in made.values()]
    return Spent(
        represent=total(metered(each.artifact, ("train", "represent")) for each in stored.values()),
        select=_mean_cost(selected),
        train_flops=float(np.mean([_train_flops(read_ids(walk.done[name]), pool, per_row) for name in made.values()])),
        representation_bytes=sum(num_bytes(each.folder, each.artifact.files) for each in represented),
        features_bytes=_features_bytes(graph.stages[first].part, walk, graph.stages[first], len(pool)),
    )


def _train_flops(ids: list[str], pool: Pool, per_row: NDArray[np.float64]) -> float:
    """Of one pass over the selection; added rows of the target count as much as its others."""
    return float(per_row[pool.rows(ids)].mean()) * len(ids)


def _mean_cost(costs: Sequence[Cost]) -> Cost:
    return Cost(
        flops=float(np.mean([cost.flops for cost in costs])), seconds=float(np.mean([cost.seconds for cost in costs]))
    )


def _features_bytes(part: Any, walk: Walk, stage: Stage, pool_size: int) -> int:
    if part.fourier is None:
        return 0
    target = walk.done[stage.inputs["vectors"]].folder / "target_vectors.npy"
    aimed = len(np.load(target, mmap_mode="r")) if part.target and target.is_file() else 0
    return 4 * part.fourier.features * (pool_size + aimed)
