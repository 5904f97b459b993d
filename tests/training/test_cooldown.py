"""Branch and cool down: a shorter run out of a longer one ends in the bits of a run of its own."""

import pyarrow.parquet as pq
import pytest
from safetensors.torch import load_file
from toys import store_artifact, store_tokenizer, token_table, toy_examples, toy_model, toy_tokenizer

from winnow.errors import RecipeError
from winnow.models import loading
from winnow.parts import CooldownPart, TrainPart
from winnow.recipe import BudgetRecipe, TrainingRecipe
from winnow.records import Artifact, Context, Cost, Silent, Stored
from winnow.store import read_json
from winnow.training.stages import train_model

LONG, SHORT = 64, 32
"""Examples; 16 and 8 steps of four."""
STEPS = 8
CONSTANT = TrainingRecipe(
    method="full", per_device_batch_size=4, learning_rate=1e-2, schedule="constant", precision="float32"
)
DECAYING = CONSTANT.model_copy(update={"schedule": "warmup_stable_decay", "decay_fraction": 0.25})


@pytest.fixture
def inputs(tmp_path):
    pool = store_artifact(tmp_path, "pool", "pool", {"examples": 12})
    pq.write_table(token_table(toy_examples(12)), pool.folder / "train.parquet")
    base = store_artifact(tmp_path, "model", "base", {"model": "some/base"})
    loading.save_model(toy_model(), base.folder / "last", toy_tokenizer(), None)
    return {"data": pool, "tokenizer": store_tokenizer(tmp_path), "start": base}


def part_of(examples, training=CONSTANT, **others):
    budget = BudgetRecipe(examples=examples)
    return TrainPart(objective="sft", training=training, global_batch_size=4, budget=budget, seed=5, **others)


def branch_of(examples=SHORT, *, training=CONSTANT, fraction=0.25, long=LONG):
    return part_of(long, training, cooldown=CooldownPart(budget=BudgetRecipe(examples=examples), fraction=fraction))


@pytest.fixture
def train(tmp_path, inputs):
    """Run the stage; gives the stored run, its outcome and its records."""

    def run(part, name, progress=None, **more):
        stored = store_artifact(tmp_path, "train", name)
        outcome = train_model(part, inputs | more, Context(stored.folder, progress or Silent(), None))
        artifact = Artifact(name, "train", name, name, {}, outcome.costs, Cost(), outcome.numbers, {})
        return Stored(artifact, stored.folder), outcome, read_json(stored.folder / "training_records.json")

    return run


def weights(stored):
    return load_file(stored.folder / "last" / "model.safetensors")


def is_same(one, other):
    first, second = weights(one), weights(other)
    return first.keys() == second.keys() and all(first[name].equal(second[name]) for name in first)


@pytest.mark.parametrize("kept", [{"keep_at": (6 / 16,)}, {"keep_every_steps": 4}, {"keep_at": (0.1, 0.3, 1.0)}])
@pytest.mark.slow
def test_trunk_and_cooldown_end_in_the_bits_of_one_run_of_warmup_stable_decay(train, kept):
    trunk, *_ = train(part_of(LONG, **kept), "long")
    branch, _, records = train(branch_of(), "short", trunk=trunk)
    whole, _, alone = train(part_of(SHORT, DECAYING), "whole")
    assert is_same(branch, whole) and not is_same(branch, trunk)
    rates = [[row["learning_rate"] for row in each["steps"]] for each in (records, alone)]
    assert rates[0] == rates[1] and rates[0][-1] == pytest.approx(1e-2 / 2)
    assert [row["loss"] for row in records["steps"]] == [row["loss"] for row in alone["steps"]]


@pytest.mark.parametrize("schedule", ["constant", "inverse_sqrt"])
def test_the_rate_is_the_longer_runs_until_it_falls_to_zero(train, schedule):
    training = CONSTANT.model_copy(update={"schedule": schedule, "warmup_fraction": 0.25})
    trunk, _, long = train(part_of(LONG, training, keep_every_steps=5), "long")
    _, _, records = train(branch_of(training=training, fraction=0.25), "short", trunk=trunk)
    kept, own = ([row["learning_rate"] for row in each["steps"]] for each in (long, records))
    begins = STEPS - STEPS // 4
    assert own[: begins + 1] == kept[: begins + 1]
    assert own[begins:] == pytest.approx([kept[begins] * (STEPS - at) / 2 for at in range(begins, STEPS)])


def test_a_branch_pays_for_its_own_steps_and_the_trunk_for_the_rest(train):
    trunk, outcome, _ = train(part_of(LONG, keep_at=(0.25,)), "long")
    _, own, _ = train(branch_of(), "short", trunk=trunk)
    _, whole, _ = train(part_of(SHORT, DECAYING), "whole")
    before = Cost(**read_json(trunk.folder / "branches" / "step_0000000004" / "counts.json")["spent"])
    assert own.costs["train"].tokens == whole.costs["train"].tokens - before.tokens > 0
    assert own.costs["train"].flops == pytest.approx(whole.costs["train"].flops - before.flops)
    assert before.tokens < outcome.costs["train"].tokens
    assert own.numbers["steps"] == STEPS and own.wasted == Cost()


def test_kept_states_are_logs_and_a_run_without_them_is_as_before(train):
    trunk, outcome, _ = train(part_of(LONG, keep_at=(0.25, 0.5), keep_every_steps=7), "long")
    assert [each.name for each in sorted((trunk.folder / "branches").iterdir())] == [
        f"step_{step:010d}" for step in (4, 7, 8, 14)
    ]
    assert "branches" in outcome.logs and "branches" not in outcome.outputs
    plain, bare, _ = train(part_of(LONG), "plain")
    assert is_same(trunk, plain) and "branches" not in bare.logs


class Killed(Exception):
    pass


class KillAt(Silent):
    """Ends the run after this step, as a kill would."""

    def __init__(self, step):
        self.step = step

    def update(self, done, total, what=""):
        if done == self.step:
            raise Killed


@pytest.mark.slow
def test_a_branch_that_was_killed_goes_on_to_the_same_bits(train):
    often = CONSTANT.model_copy(update={"checkpoint_every_seconds": 0.0})
    trunk, *_ = train(part_of(LONG, often, keep_at=(0.25,)), "long")
    with pytest.raises(Killed):
        train(branch_of(training=often), "short", KillAt(6), trunk=trunk)
    branch, outcome, _ = train(branch_of(training=often), "short", trunk=trunk)
    whole, _, _ = train(branch_of(training=often), "again", trunk=trunk)
    assert is_same(branch, whole)
    assert outcome.costs["train"].tokens == outcome.numbers["tokens"]


def test_a_branch_without_a_state_to_go_on_from_says_so(train):
    trunk, *_ = train(part_of(LONG, keep_at=(0.5,)), "long")
    with pytest.raises(RecipeError, match=r"begins at step 6 of stage 'long', which keeps no checkpoint up to there"):
        train(branch_of(), "short", trunk=trunk)
    with pytest.raises(RecipeError, match="ends at step 20 of a run that has 16"):
        train(branch_of(80), "longer", trunk=trunk)


def test_a_damaged_state_is_passed_over_by_name(train):
    trunk, *_ = train(part_of(LONG, keep_at=(0.25, 0.375)), "long")
    damaged = trunk.folder / "branches" / "step_0000000006" / "optimizer.pt"
    damaged.write_bytes(damaged.read_bytes()[:-1])
    with pytest.warns(UserWarning, match=r"step_0000000006 is damaged \(optimizer\.pt"):
        branch, *_ = train(branch_of(), "short", trunk=trunk)
    whole, *_ = train(part_of(SHORT, DECAYING), "whole")
    assert is_same(branch, whole)
