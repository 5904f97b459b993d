import math
from dataclasses import replace

import pytest
from study_factory import EFFECTS, write_study

from winnow.analysis.arms import arm_facts
from winnow.analysis.cost import selection_charge
from winnow.analysis.crossover import Point, Track, budgets, cells_of, crossover_tables, tracks_of
from winnow.analysis.study_folder import load
from winnow.records import Cost

POINTS = (Point(0, 5.0, 5.0), Point(100, 3.0, 3.2), Point(200, 2.0, 2.6), Point(300, 2.5, 2.4))


def tables(folder):
    study = load(folder)
    winners, losses = crossover_tables(study, arm_facts(study))
    return winners.rows, losses.rows


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Herding costs 6e13 FLOPs of a run's 1.28e15 and is 0.2 nats better than everything else."""
    return write_study(tmp_path_factory.mktemp("study") / "s", effects=EFFECTS | {"herding_0.25": 0.2})


@pytest.mark.parametrize(
    ("flops", "expected"),
    [
        (0, 5.0),
        (50, 4.1),
        (100, 3.2),
        (150, 2.9),
        (200, 2.6),
        (250, 2.6),  # validation has risen: the checkpoint at 200 stays the best
        (300, 2.6),
        (301, None),
        (-1, None),
    ],
)
def test_the_loss_after_some_training_is_that_of_the_best_checkpoint_so_far(flops, expected):
    found = Track(POINTS, 0.0).loss_at(flops)
    assert found == (None if expected is None else pytest.approx(expected))


def test_a_selection_is_paid_out_of_the_budget_and_shared_by_its_uses():
    track = Track(POINTS, 100.0)
    assert track.loss_within(100, 1) is None
    assert track.loss_within(200, 1) == pytest.approx(3.2)
    assert track.loss_within(200, 2) == pytest.approx(2.9)
    assert track.loss_within(200, math.inf) == pytest.approx(2.6)
    assert track.loss_within(400, 1) == pytest.approx(2.6)
    assert track.furthest(1) == 400 and track.furthest(math.inf) == 300


def test_budgets_go_from_the_first_evaluation_to_the_end_of_the_shortest_run():
    short = Track(POINTS[:3], 0.0)
    found = budgets([Track(POINTS, 50.0), short])
    assert (found[0], found[-1]) == (100, 200)
    ratios = [after / before for before, after in zip(found, found[1:], strict=False)]
    assert ratios == pytest.approx([ratios[0]] * len(ratios))
    assert budgets([Track(POINTS, 60.0), Track(POINTS, 50.0)])[-2:] == [300, 350]
    assert budgets([Track(POINTS[:1], 0.0), short]) == []


def test_no_run_is_followed_beyond_its_end():
    tracks = {"a": {0: Track(POINTS, 60.0)}, "b": {0: Track(POINTS, 30.0)}}
    last = {uses: max(budget for budget, each, _ in cells_of(tracks) if each == uses) for uses in (1, 3, math.inf)}
    assert last == {1: 330, 3: 300, math.inf: 300}


def test_a_costly_selection_loses_small_budgets_and_wins_large_ones(folder):
    winners, _ = tables(folder)
    once = [row for row in winners if row["uses"] == "1"]
    assert once[0]["winner"] != "herding_0.25" and once[0]["not_affordable"] == 0
    assert once[-1]["winner"] == "herding_0.25" and once[-1]["verdict"] == "better"
    free = [row for row in winners if row["uses"] == "without end"]
    assert all(row["winner"] == "herding_0.25" for row in free)
    crossing = [
        [row["winner"] for row in winners if row["uses"] == uses].index("herding_0.25") for uses in ("1", "3", "10")
    ]
    assert crossing == sorted(crossing, reverse=True) and crossing[0] > crossing[-1]


def test_a_selection_dearer_than_the_budget_is_not_affordable(tmp_path):
    folder = write_study(tmp_path / "s", features=Cost(flops=5e14, seconds=9.0))
    winners, losses = tables(folder)
    small = min(row["budget_exaflops"] for row in winners)
    row = next(row for row in winners if (row["budget_exaflops"], row["uses"]) == (small, "1"))
    assert row["selection"] is None and row["verdict"] == "nothing to compare" and row["not_affordable"] == 1
    refused = [each["arm"] for each in losses if each["loss"] is None and each["uses"] == "1"]
    assert set(refused) == {"herding_0.25"}


def test_rows_are_recomputable_from_the_records(folder):
    study = load(folder)
    winners, losses = tables(folder)
    row = [row for row in winners if row["uses"] == "3"][-1]
    budget, gains = 1e18 * row["budget_exaflops"], []
    for seed, run in study.runs_of("herding_0.25").items():
        selection = selection_charge(study, "herding_0.25", seed).whole.flops
        assert selection == pytest.approx(6.01e13)
        reached = {}
        for name, left in ((row["selection"], budget - selection / 3), (row["control"], budget)):
            points = study.runs[name, seed].evaluations
            at = max(i for i, point in enumerate(points) if point.flops <= left)
            share = (
                0.0 if at + 1 == len(points) else (left - points[at].flops) / (points[at + 1].flops - points[at].flops)
            )
            after = points[min(at + 1, len(points) - 1)]
            here = (points[at].validation.loss + share * (after.validation.loss - points[at].validation.loss),
                    points[at].micro.loss + share * (after.micro.loss - points[at].micro.loss))  # fmt: skip
            reached[name] = min([*((p.validation.loss, p.micro.loss) for p in points[: at + 1]), here])[1]
        gains.append(reached[row["control"]] - reached[row["selection"]])
        assert run.arm == row["selection"]
    assert row["gain_nats"] == pytest.approx(sum(gains) / 3)
    listed = {each["arm"]: each["loss"] for each in losses
              if (each["budget_exaflops"], each["uses"]) == (row["budget_exaflops"], "3")}  # fmt: skip
    assert listed[row["selection"]] == row["selection_loss"] and min(listed.values()) == listed[row["winner"]]


def test_a_tie_between_arms_shows_no_difference(tmp_path):
    folder = write_study(tmp_path / "s", effects=dict.fromkeys(EFFECTS, 0.0), noise=0.05, features=Cost())
    winners, _ = tables(folder)
    assert {row["verdict"] for row in winners} == {"no difference shown"}


def test_one_seed_claims_nothing(tmp_path):
    winners, _ = tables(write_study(tmp_path / "s", seeds=(0,)))
    assert winners and {row["verdict"] for row in winners} == {"too few seeds"}


def test_only_seeds_that_all_arms_have_count(folder):
    study = load(folder)
    runs = {key: run for key, run in study.runs.items() if key != ("full", 2)}
    fewer = replace(study, runs=runs)
    tracks = tracks_of(fewer, arm_facts(fewer))
    assert {tuple(by_seed) for by_seed in tracks.values()} == {(0, 1)}


@pytest.mark.parametrize("effects", [{}, {"full": 0.0, "herding_0.25": 0.1}])
def test_a_study_of_few_arms_has_no_such_table(tmp_path, effects):
    assert tables(write_study(tmp_path / "s", effects=effects, seeds=(0,))) == ((), ())
