"""The plan of recipes/gpt2-70m.yaml, offline: the published sizes of a GPT-2 on a mixture of three sources.

Golden tests G4, G5 and G22 of the described system, and M2 of the mixing specification.
"""

import math

import pytest

from tests_support import ROOT
from winnow.cli.tables import plan_lines
from winnow.errors import RecipeError
from winnow.recipe.file import load_recipe
from winnow.records import Context
from winnow.training.schedule import learning_rate_at, warmup_steps
from winnow.training.untrained import make_untrained
from winnow.verbs.plan import plan

pytestmark = pytest.mark.slow
ROW, BATCH, BUDGET = 1024, 120, 10**9
STEPS = BUDGET // (BATCH * ROW)
SHARES = {"finepdfs": 0.5, "dclm": 0.3, "fineweb_edu": 0.2}


@pytest.fixture(scope="module")
def recipe():
    return load_recipe(ROOT / "recipes" / "gpt2-70m.yaml")


@pytest.fixture(scope="module")
def planned(recipe):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
        patch.setattr("socket.socket.connect", lambda *address: pytest.fail(f"a plan asked {address} of the network"))
        return plan(recipe)


def test_the_plan_has_the_published_sizes(planned):
    """Parameters by the closed form for a GPT-2 with tied embeddings (G4); steps and warm-up rounded down (G5)."""
    width, layers, vocabulary = 512, 12, 50_257
    closed = (vocabulary + ROW) * width + layers * (12 * width**2 + 13 * width) + 2 * width
    (arm,) = planned.arms
    assert planned.parameters == planned.trainable_parameters == closed == 64_085_504
    assert (
        (arm.steps, arm.warmup_steps, arm.global_batch_size) == (STEPS, int(0.02 * STEPS), BATCH) == (8_138, 162, 120)
    )
    assert arm.tokens == STEPS * BATCH * ROW == 999_997_440
    assert arm.exaflops_6n == pytest.approx(6 * closed * arm.tokens / 1e18)


def test_each_source_gives_its_share_of_what_rows_hold(planned):
    """500, 300 and 200 million less the 2,560 tokens that fill no step (M2), of a billion each."""
    assert {each.source: each.tokens for each in planned.mixtures} == {
        name: round(share * STEPS * BATCH * ROW) for name, share in SHARES.items()
    } == {"finepdfs": 499_998_720, "dclm": 299_999_232, "fineweb_edu": 199_999_488}  # fmt: skip
    assert [each.epochs for each in planned.mixtures] == pytest.approx(list(SHARES.values()), rel=1e-5)
    assert planned.is_declared and planned.warnings == []


def test_published_figures_stand_beside_ours(planned, recipe):
    (arm,) = planned.arms
    assert arm.published == {"tokens": 10**9, "warmup_steps": arm.warmup_steps, "seconds": 8 * 3600}
    assert arm.published["tokens"] - arm.tokens < BATCH * ROW
    lines = plan_lines(planned, recipe)
    heads = next(line for line in lines if "published" in line and line.lstrip().startswith("arm"))
    assert heads.split() == ["arm", "tokens", "published", "warm-up", "steps", "published", "time", "published"]
    row = lines[lines.index(heads) + 2]
    assert row.split() == ["50-30-20", "999,997,440", "1,000,000,000", "162", "162", "07:58:15", "08:00:00"]


def test_the_rate_rises_over_the_published_steps_and_ends_at_a_tenth(recipe):
    rates = [learning_rate_at(step, STEPS, recipe.training) for step in range(STEPS)]
    assert rates.index(max(rates)) == warmup_steps(recipe.training, STEPS) == 162
    assert (max(rates), rates[-1]) == pytest.approx((5e-4, 5e-5), rel=1e-4)
    assert all(earlier < later for earlier, later in zip(rates[:162], rates[1:163], strict=True))
    halfway = rates[162 + (STEPS - 162) // 2]
    assert halfway == pytest.approx(5e-4 * (0.1 + 0.9 * (1 + math.cos(math.pi / 2)) / 2), rel=1e-3)


def test_a_vocabulary_that_is_said_wrong_is_refused(tmp_path, recipe, monkeypatch):
    monkeypatch.setattr("winnow.training.untrained.tokenizer_of", lambda stored: range(300))
    part = type("Part", (), {"architecture": recipe.base.from_scratch.sized(ROW), "seed": 0})()
    with pytest.raises(RecipeError, match=r"vocab_size is 50257; the tokenizer has 300 pieces: remove it"):
        make_untrained(part, {"tokenizer": None}, Context(tmp_path))
