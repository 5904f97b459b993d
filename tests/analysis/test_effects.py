"""Effects of factors against brute force and against SciPy; pairs that are not all there."""

from itertools import product

import numpy as np
import pytest
from scipy import stats
from varied_factory import ADAPTERS, BATCHES, write_varied

from winnow.analysis.effects import effects
from winnow.analysis.factors import factors_of
from winnow.analysis.find import find
from winnow.analysis.gains import largest_block
from winnow.analysis.study_folder import load

VARY = {"adapter": ADAPTERS, "batch": {name: BATCHES[name] for name in ("bs1", "bs2")}}


def rows_of(folder, factor):
    return {row["level"]: row for row in find(folder).tables["effects"].rows if row["factor"] == factor}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_varied(tmp_path_factory.mktemp("effects") / "s", VARY, noise=0.02)


def test_effects_are_those_of_brute_force_and_of_scipy(folder):
    study, rows = load(folder), rows_of(folder, "adapter")
    for level in ("r4", "r16"):
        averages = []
        for seed in (0, 1, 2):
            losses = {
                (adapter, batch): study.finals_of(f"{adapter}_{batch}", "best")[seed].micro.loss
                for adapter, batch in product(ADAPTERS, VARY["batch"])
            }
            averages.append(np.mean([losses["full", batch] - losses[level, batch] for batch in VARY["batch"]]))
        expected = stats.ttest_1samp(averages, 0).confidence_interval(1 - 0.05 / 2)
        row = rows[level]
        assert row["gain_nats"] == pytest.approx(np.mean(averages), abs=1e-12)
        assert (row["gain_nats_low"], row["gain_nats_high"]) == pytest.approx(tuple(expected), abs=1e-9)
        assert (row["seeds"], row["combinations"], row["corrected_for"], row["left_out"]) == (3, 2, 2, 0)
        assert row["least_gain_nats"] <= row["gain_nats"] <= row["most_gain_nats"]


def test_effects_are_the_coefficients_of_a_balanced_linear_model(folder):
    """Least squares with seeds and all other factors as blocks gives the same means."""
    study = load(folder)
    cells = list(product(ADAPTERS, VARY["batch"], (0, 1, 2)))
    losses = [study.finals_of(f"{adapter}_{batch}", "best")[seed].micro.loss for adapter, batch, seed in cells]
    columns = [[1.0] * len(cells)]
    columns += [[float(adapter == each) for adapter, _, _ in cells] for each in ("r4", "r16")]
    columns += [[float(batch == "bs2") for _, batch, _ in cells]]
    columns += [[float(seed == each) for _, _, seed in cells] for each in (1, 2)]
    coefficients = np.linalg.lstsq(np.array(columns).T, np.array(losses), rcond=None)[0]
    rows = rows_of(folder, "adapter")
    assert [-rows[level]["gain_nats"] for level in ("r4", "r16")] == pytest.approx(coefficients[1:3].tolist())


def test_planted_effects_are_found_with_their_sign(tmp_path):
    folder = write_varied(tmp_path / "s", VARY)
    rows = rows_of(folder, "adapter")
    assert rows["r16"]["verdict"] == "better" and rows["r16"]["gain_nats"] == pytest.approx(0.08, abs=0.03)
    assert rows["r4"]["against"] == "full"
    assert rows_of(folder, "batch")[2]["against"] == 1


def test_incomplete_pairs_are_left_out_and_counted(tmp_path):
    folder = write_varied(tmp_path / "s", VARY, skip={("r4_bs2", 1)})
    row = rows_of(folder, "adapter")["r4"]
    assert (row["seeds"], row["combinations"], row["left_out"]) == (2, 2, 2)
    row = rows_of(folder, "adapter")["r16"]
    assert (row["seeds"], row["combinations"], row["left_out"]) == (3, 2, 0)


def test_one_seed_claims_nothing(tmp_path):
    folder = write_varied(tmp_path / "s", VARY, seeds=(0,))
    rows = rows_of(folder, "adapter")
    assert {row["verdict"] for row in rows.values()} == {"too few seeds"}
    assert rows["r4"]["gain_nats_low"] is None


def test_an_exact_match_is_in_points(tmp_path):
    folder = write_varied(tmp_path / "s", VARY, primary={"metric": "exact_match"})
    study, row = load(folder), rows_of(folder, "batch")[2]
    gains = [
        100 * (study.finals_of(f"{each}_bs2", "best")[seed].micro.exact_match
               - study.finals_of(f"{each}_bs1", "best")[seed].micro.exact_match)
        for each in ADAPTERS for seed in (0, 1, 2)
    ]  # fmt: skip
    assert row["gain_points"] == pytest.approx(np.mean(gains))


def test_without_factors_there_are_no_effects(folder):
    study = load(folder)
    assert effects(study, (), ()).rows == () and factors_of(study, ()) == ()


@pytest.mark.parametrize(
    ("missing", "seeds", "places"),
    [
        (set(), [0, 1, 2], "abc"),
        ({(2, "a")}, [0, 1, 2], "bc"),
        ({(2, "a"), (2, "b")}, [0, 1], "abc"),
        ({(0, "a"), (1, "b"), (2, "c")}, [0, 1], "c"),
        ({(seed, place) for seed in range(3) for place in "abc"}, [], ""),
    ],
)
def test_the_largest_block_has_every_seed_at_every_place(missing, seeds, places):
    found = [(seed, place) for seed in range(3) for place in "abc" if (seed, place) not in missing]
    assert largest_block(found) == (seeds, list(places))
