"""The select stage end to end with a target: files in, selection out, and training on what a control adds."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy import sparse

from winnow.errors import RecipeError
from winnow.parts import SelectPart, TrainPart
from winnow.recipe import BudgetRecipe, FourierRecipe, TrainingRecipe
from winnow.records import Artifact, Context, Cost, Stored
from winnow.selection import registry
from winnow.selection.stages import select
from winnow.training.material import rows_of_run
from winnow.training.objectives.goal import goal_of

POOL, TARGET = 120, 12
IS_IN = np.arange(POOL + TARGET) % 6 == 0
"""Every sixth row is of the kind that the target is made of; the target's rows all are."""
IS_IN[POOL:] = True
TARGETED = sorted(name for name, traits in registry.traits().items() if traits.target == "required")
AIMED = [*TARGETED, "herding", "score_gated_herding"]
INNER = [name for name in AIMED if name != "source_shares"]


def stored(folder, **flops):
    folder.mkdir(exist_ok=True)
    costs = {meter: Cost(flops=amount) for meter, amount in flops.items()}
    return Stored(Artifact(folder.name, "pool", "f", "d", {}, costs, Cost(), {}, {}), folder)


def make_inputs(folder, order, target_order):
    """A pool, its target, and all representations, their rows stored in the given orders."""
    rng = np.random.default_rng(3)
    vectors = (rng.standard_normal((POOL + TARGET, 5)) + 4 * IS_IN[:, None]).astype(np.float32)
    counts = sparse.csr_array(rng.poisson(np.where(IS_IN[:, None], [3.0] * 4 + [0.3] * 8, 0.5)).astype(np.float32))
    scores = rng.random(POOL + TARGET)
    sources = np.where(IS_IN, "b", "a")
    lengths = rng.integers(1, 6, POOL + TARGET)
    folder.mkdir()
    inputs = {role: stored(folder / role, represent=10.0) for role in ("pool", "vectors", "counts", "scores")}
    for prefix, name, rows in (("", "train", order), ("target_", "target", POOL + target_order)):
        np.save(inputs["vectors"].folder / f"{prefix}vectors.npy", vectors[rows])
        np.save(inputs["scores"].folder / f"{prefix}scores.npy", scores[rows])
        sparse.save_npz(inputs["counts"].folder / f"{prefix}counts.npz", counts[rows])
        tokens = {
            "prompt_ids": [[int(row) % 9] * int(lengths[row]) for row in rows],
            "completion_ids": [[1, 2] for _ in rows],
        }
        table = pa.table({"id": [f"r{row:03d}" for row in rows], "source": sources[rows], **tokens})
        pq.write_table(table, inputs["pool"].folder / f"{name}.parquet")
    return inputs


@pytest.fixture
def inputs(tmp_path):
    return make_inputs(tmp_path / "given", np.arange(POOL), np.arange(TARGET))


def run(part, inputs, folder):
    """Selected ids in order, the outcome, and the stored selection."""
    roles = {"vectors": {"vectors", "features"}, "counts": {"counts"}, "scores": {"scores"}}
    is_control = registry.traits()[part.selector].is_control
    needs = set() if is_control else set(registry.needs(part.selector, part.options))
    used = {role: given for role, given in inputs.items() if role not in roles or roles[role] & needs}
    made = stored(folder)
    outcome = select(part, used, Context(made.folder))
    return pq.read_table(made.folder / "selection.parquet")["id"].to_pylist(), outcome, made


def test_training_that_two_representations_rest_on_is_charged_once(inputs, tmp_path):
    warm_up = {"warm_up.first": stored(tmp_path / "first", train=7e9, evaluate=1e9)}
    _, outcome, _ = run(part_of("score_gated_herding", target=False), inputs | warm_up, tmp_path / "out")
    assert outcome.numbers["charged_flops"] == outcome.costs["select"].flops + 10.0 + 10.0 + 7e9


def part_of(selector, **others):
    return SelectPart(**{"selector": selector, "fraction": 0.1, "target": True, "seed": 0} | others)


def share_inside(ids):
    return np.mean([IS_IN[int(name[1:])] for name in ids])


@pytest.mark.parametrize("name", TARGETED)
def test_a_targeted_selection_finds_what_the_target_is_made_of(name, inputs, tmp_path):
    ids, outcome, made = run(
        part_of(name, options={"clusters": 4} if name == "cluster_shares" else {}), inputs, tmp_path / "out"
    )
    assert len(ids) == 12 and share_inside(ids) >= 0.9
    summary = json.loads((made.folder / "selection.json").read_text())
    assert (summary["size"], summary["added"]) == (12, 0)
    flops = outcome.costs["select"].flops
    paid = 10.0 if registry.needs(name, {}) else 0.0
    assert outcome.numbers["charged_flops"] == flops + paid
    assert (flops > 0) == (paid > 0)


@pytest.mark.parametrize("name", AIMED)
def test_the_order_in_which_rows_are_stored_does_not_matter(name, inputs, tmp_path):
    part = part_of(name, fourier=FourierRecipe(features=32), fraction=0.3)
    rng = np.random.default_rng(0)
    shuffled = make_inputs(tmp_path / "shuffled", rng.permutation(POOL), rng.permutation(TARGET))
    first, second = (run(part, given, tmp_path / f"out{n}")[0] for n, given in enumerate((inputs, shuffled)))
    assert first == second


@pytest.mark.parametrize("name", INNER)
def test_inside_sources_at_the_targets_shares(name, inputs, tmp_path):
    options = {"order": name, "shares": {"a": 1, "b": 2}}
    part = part_of("within_sources", options=options, fourier=FourierRecipe(features=32))
    ids, outcome, _ = run(part, inputs, tmp_path / "out")
    assert share_inside(ids) == pytest.approx(8 / 12)
    assert outcome.costs["select"].flops > 0


@pytest.mark.parametrize("name", TARGETED)
def test_a_pool_without_a_target_is_refused(name, inputs, tmp_path):
    with pytest.raises(RecipeError, match=f"{name} needs a target"):
        run(part_of(name, target=False), inputs, tmp_path / "out")
    (inputs["pool"].folder / "target.parquet").unlink()
    with pytest.raises(RecipeError, match=f"{name} aims at a target and the pool has none"):
        run(part_of(name), inputs, tmp_path / "out")


def controlled(inputs, tmp_path, fraction):
    _, _, reference = run(part_of("source_shares", fraction=fraction), inputs, tmp_path / "reference")
    part = SelectPart(selector="random_plus_target", fraction=fraction, seed=1)
    return run(part, inputs | {"reference": reference}, tmp_path / "control")


def test_random_plus_target_takes_the_target_first_and_fills_up_with_random_rows(inputs, tmp_path):
    ids, _, made = controlled(inputs, tmp_path, 0.25)
    target = {f"r{POOL + row:03d}" for row in range(TARGET)}
    assert len(ids) == len(set(ids)) == 30
    assert set(ids[:TARGET]) == target and not target & set(ids[TARGET:])
    summary = json.loads((made.folder / "selection.json").read_text())
    assert (summary["size"], summary["added"]) == (30, TARGET)
    assert sum(row["selected_examples"] for row in summary["composition"]) == 18


def test_a_selection_smaller_than_the_target_holds_a_random_part_of_it(inputs, tmp_path):
    ids, _, made = controlled(inputs, tmp_path, 0.05)
    assert len(ids) == 6 and all(int(name[1:]) >= POOL for name in ids) and ids != sorted(ids)
    assert json.loads((made.folder / "selection.json").read_text())["added"] == 6


@pytest.mark.parametrize("fraction", [0.05, 0.25])
def test_training_sees_the_rows_of_the_target_that_were_added(fraction, inputs, tmp_path):
    ids, _, made = controlled(inputs, tmp_path, fraction)
    part = TrainPart(objective="sft", training=TrainingRecipe(), global_batch_size=4, budget=BudgetRecipe(examples=10))
    rows = rows_of_run(goal_of("sft"), part, {"data": inputs["pool"], "selection": made}, None)
    assert sorted(rows.names) == sorted(ids)
    both = {}
    for name in ("train", "target"):
        table = pq.read_table(inputs["pool"].folder / f"{name}.parquet").to_pylist()
        both |= {row["id"]: len(row["prompt_ids"]) + len(row["completion_ids"]) for row in table}
    assert [both[name] for name in rows.names] == rows.lengths.tolist()
