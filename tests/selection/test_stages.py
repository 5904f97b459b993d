import json
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel

from winnow.errors import ArtifactError, DataError, RecipeError
from winnow.models import loading
from winnow.models.flops import flop_model
from winnow.parts import RepresentPart, SelectPart
from winnow.recipe import FourierRecipe, HiddenStatesRecipe
from winnow.records import Artifact, Context, Cost, Stored
from winnow.selection.represent import represent
from winnow.selection.stages import select

FOURIER = FourierRecipe(features=64)
REPRESENTATION = HiddenStatesRecipe(dimensions=4, fourier=FOURIER, batch_size=16)


def stored(folder):
    folder.mkdir(exist_ok=True)
    return Stored(Artifact(folder.name, "pool", "f", "d", {}, {}, Cost(), {}, {}), folder)


def examples(count, seed):
    rng = np.random.default_rng(seed)
    sources = rng.choice(["a", "b"], count, p=[0.7, 0.3])
    prompts = [rng.integers(0, 40, rng.integers(2, 9)).tolist() for _ in range(count)]
    completions = [rng.integers(0, 40, rng.integers(1, 5)).tolist() for _ in range(count)]
    ids = [f"r{seed}-{row:03d}" for row in rng.permutation(count)]
    return pa.table({"id": ids, "source": sources, "prompt_ids": prompts, "completion_ids": completions})


@pytest.fixture
def pool(tmp_path):
    made = stored(tmp_path / "pool")
    pq.write_table(examples(80, 1), made.folder / "train.parquet")
    pq.write_table(examples(10, 2), made.folder / "target.parquet")
    return made


@pytest.fixture
def run(tmp_path, pool, monkeypatch):
    """Run a stage in a folder of its own and give back that folder and the outcome."""
    torch.manual_seed(0)
    config = GPT2Config(vocab_size=40, n_embd=16, n_layer=1, n_head=2, n_positions=32)
    model = GPT2LMHeadModel(config).eval()
    monkeypatch.setattr(loading, "load_model", lambda _: model)

    def run_stage(name, part, **inputs):
        made = stored(tmp_path / name)
        stage = represent if isinstance(part, RepresentPart) else select
        outcome = stage(part, {"pool": pool, "model": pool} | inputs, Context(made.folder))
        return replace(made, artifact=replace(made.artifact, numbers=outcome.numbers)), outcome

    return run_stage


@pytest.fixture
def vectors(run):
    return run("vectors", RepresentPart(representation=REPRESENTATION))[0]


def ids_in(folder):
    return pq.read_table(folder.folder / "selection.parquet")["id"].to_pylist()


def summary_in(folder):
    return json.loads((folder.folder / "selection.json").read_text())


def test_represent_leaves_features_and_says_what_they_cost(run):
    made, outcome = run("vectors", RepresentPart(representation=REPRESENTATION))
    assert outcome.outputs == ("vectors.npy", "target_vectors.npy")
    rows = {name: np.load(made.folder / name) for name in outcome.outputs}
    assert [rows[name].shape for name in outcome.outputs] == [(80, 4), (10, 4)]
    assert all(each.dtype == np.float32 for each in rows.values())
    cost = outcome.costs["represent"]
    rows = [row for table in (examples(80, 1), examples(10, 2)) for row in table.to_pylist()]
    lengths = np.array([len(row["prompt_ids"]) + len(row["completion_ids"]) for row in rows])
    assert cost.tokens == lengths.sum() <= cost.padded_tokens
    assert cost.flops == pytest.approx(flop_model(loading.load_model(None)).forward(lengths).sum())
    assert cost.seconds > 0


def test_features_follow_the_pools_rows_to_the_bit(run, pool, vectors):
    before = np.load(vectors.folder / "vectors.npy")
    order = np.random.default_rng(0).permutation(80)
    pq.write_table(pq.read_table(pool.folder / "train.parquet").take(order), pool.folder / "train.parquet")
    again, _ = run("again", RepresentPart(representation=REPRESENTATION))
    assert np.array_equal(np.load(again.folder / "vectors.npy"), before[order])


def test_a_selection_has_the_agreed_files(run, vectors):
    made, outcome = run("herding", SelectPart(selector="herding", fourier=FOURIER, fraction=0.25), vectors=vectors)
    table = pq.read_table(made.folder / "selection.parquet")
    assert table.column_names == ["id", "rank"] and table["rank"].to_pylist() == list(range(20))
    summary = summary_in(made)
    keys = "selector fraction size pool_size added seed composition mean_tokens pool_mean_tokens planted mmd_ratio"
    assert " ".join(summary) == keys
    assert (summary["selector"], summary["size"], summary["pool_size"], summary["seed"]) == ("herding", 20, 80, None)
    assert 0 < summary["mmd_ratio"] < 0.8
    assert outcome.costs["select"].flops == 2 * 64 * 80 * 20 + 80 * 64 * 4
    assert (outcome.outputs, outcome.logs) == (("selection.parquet",), ("selection.json",))


def test_the_composition_adds_up(run):
    made, _ = run("random", SelectPart(selector="random", fraction=0.5, seed=0))
    summary, pool = summary_in(made), examples(80, 1)
    rows = summary["composition"]
    assert [row["source"] for row in rows] == ["a", "b"] and summary["mmd_ratio"] is None
    assert sum(row["selected_examples"] for row in rows) == 40 and sum(row["pool_examples"] for row in rows) == 80
    assert sum(row["pool_share"] for row in rows) == pytest.approx(1) == sum(row["selected_share"] for row in rows)
    assert all(row["ratio"] == pytest.approx(row["selected_share"] / row["pool_share"]) for row in rows)
    chosen = set(ids_in(made))
    tokens = [len(r["prompt_ids"]) + len(r["completion_ids"]) for r in pool.to_pylist() if r["id"] in chosen]
    assert summary["mean_tokens"] == pytest.approx(np.mean(tokens))


def test_full_takes_everything(run, vectors):
    made, _ = run("full", SelectPart(selector="full"), vectors=vectors)
    assert ids_in(made) == sorted(examples(80, 1)["id"].to_pylist())
    assert summary_in(made)["fraction"] == 1 and summary_in(made)["mmd_ratio"] is None


def test_a_targeted_selection_goes_towards_the_target(run, vectors):
    chosen = {}
    for target in (False, True):
        part = SelectPart(selector="herding", fourier=FOURIER, fraction=0.2, target=target)
        made, _ = run(f"herding{target}", part, vectors=vectors)
        chosen[target] = ids_in(made)
    assert chosen[True] != chosen[False]
    rows, aim = (np.load(vectors.folder / name) for name in ("vectors.npy", "target_vectors.npy"))
    place = {name: row for row, name in enumerate(examples(80, 1)["id"].to_pylist())}
    gap = {t: np.linalg.norm(rows[[place[n] for n in names]].mean(0) - aim.mean(0)) for t, names in chosen.items()}
    assert gap[True] < gap[False]


def test_a_control_matches_its_reference(run, vectors):
    reference, _ = run("herding", SelectPart(selector="herding", fourier=FOURIER, fraction=0.25), vectors=vectors)
    made, _ = run("matched", SelectPart(selector="source_matched", fraction=0.25, seed=3), reference=reference)
    counts = [[row["selected_examples"] for row in summary_in(each)["composition"]] for each in (reference, made)]
    assert counts[0] == counts[1] and set(ids_in(made)) != set(ids_in(reference))


def test_a_resampled_pool_is_the_same_for_all_arms_of_a_seed(run, vectors):
    part = SelectPart(selector="herding", fourier=FOURIER, fraction=0.5, resample=0.5, seed=1)
    chosen = set(ids_in(run("herding", part, vectors=vectors)[0]))
    assert chosen == set(ids_in(run("random", part.model_copy(update={"selector": "random"}))[0]))
    other = part.model_copy(update={"seed": 2})
    assert chosen != set(ids_in(run("other", other, vectors=vectors)[0]))


@pytest.mark.parametrize(
    ("part", "error", "problem"),
    [
        ({"selector": "herding", "fraction": 0.1}, RecipeError, "herding needs features"),
        ({"selector": "random"}, RecipeError, "random has no fraction"),
        ({"selector": "full", "fraction": 0.5}, RecipeError, "full brings its own size"),
        ({"selector": "random", "fraction": 0.1, "target": True}, RecipeError, "random cannot aim at a target"),
        ({"selector": "source_matched", "seed": 0}, RecipeError, "nothing to match"),
        ({"selector": "rndom", "fraction": 0.1}, RecipeError, "did you mean 'random'"),
        ({"selector": "random", "fraction": 0.6, "resample": 0.5, "seed": 0}, RecipeError, "the 40 candidates"),
    ],
)
def test_what_does_not_fit_is_refused(run, part, error, problem):
    with pytest.raises(error, match=problem):
        run("bad", SelectPart(**part))


def test_inputs_that_do_not_fit_each_other_are_refused(run, vectors, pool):
    (vectors.folder / "target_vectors.npy").unlink()
    with pytest.raises(RecipeError, match="a pool without a target"):
        run("bad", SelectPart(selector="herding", fourier=FOURIER, fraction=0.1, target=True), vectors=vectors)
    np.save(vectors.folder / "vectors.npy", np.zeros((3, 4), np.float32))
    with pytest.raises(ArtifactError, match="has 3 rows, the pool more"):
        run("bad", SelectPart(selector="herding", fourier=FOURIER, fraction=0.1), vectors=vectors)
    reference, _ = run("random", SelectPart(selector="random", fraction=0.5, seed=0))
    with pytest.raises(DataError, match="are no candidates"):
        run("bad", SelectPart(selector="source_matched", resample=0.5, seed=1), reference=reference)
