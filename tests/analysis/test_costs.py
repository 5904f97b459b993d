import pytest
from study_factory import FEATURES, write_study

from winnow.analysis.cost import arm_charge, selection_charge
from winnow.analysis.find import find
from winnow.analysis.frontier import (
    CostToQuality,
    break_even_runs,
    cost_to_quality,
    early_stop,
    first_reaching,
    saving,
    saving_of,
)
from winnow.analysis.scores import Score
from winnow.analysis.sentences import verdict_sentence
from winnow.analysis.statistics import mean_interval
from winnow.analysis.study_folder import load
from winnow.analysis.study_records import Evaluation
from winnow.findings import Comparison, Estimate, Saving


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    effects = {"full": 0.0, "herding_0.25": 0.05, "herding_0.5": 0.02, "random_0.25": -0.1}
    return load(write_study(tmp_path_factory.mktemp("study") / "s", effects=effects, seeds=(0, 1)))


def evaluations(*losses):
    score = Score(1.0, 0.0)
    return [Evaluation(step, 10 * step, 1e3 * step, float(step), 0.0, Score(loss), {}, score, score)
            for step, loss in enumerate(losses)]  # fmt: skip


def test_level_is_reached_at_the_first_evaluation_at_or_below():
    rows = evaluations(4.0, 2.0, 1.5, 1.2, 1.5)
    assert first_reaching(rows, 1.5).step == 2
    assert first_reaching(rows, 1.0) is None


def test_early_stop_waits_for_its_patience():
    assert early_stop(evaluations(4, 2, 3, 3, 1, 2, 2, 2, 0)).step == 7
    assert early_stop(evaluations(4, 3, 2)).step == 2


def test_selection_is_found_along_the_edges_and_shared(study):
    charge = selection_charge(study, "herding_0.25", 0)
    assert charge.whole.flops == FEATURES.flops + 1e11
    assert charge.amortised.flops == FEATURES.flops / 2 + 1e11
    assert selection_charge(study, "random_0.25", 1).whole.flops == 1e11


def test_an_arm_is_not_charged_its_base_model_and_pays_features_once(study):
    runs = sum(run.costs["train"].flops for run in study.runs_of("herding_0.25").values())
    assert arm_charge(study, "herding_0.25").whole.flops == runs + FEATURES.flops + 1e11


def test_savings_are_recomputable_from_the_records(study):
    found = saving(study, "herding_0.25", "full", axis="flops", confidence=0.95)
    full, ours = study.runs_of("full"), study.runs_of("herding_0.25")
    level = sum(min(row.validation.loss for row in run.evaluations) for run in full.values()) / 2
    reached = {
        seed: next(row.flops for row in run.evaluations if row.validation.loss <= level) for seed, run in ours.items()
    }
    gross = [1 - reached[seed] / full[seed].at_best.flops for seed in (0, 1)]
    assert found.gross.mean == pytest.approx(sum(gross) / 2)
    assert found.net.mean < found.gross.mean
    assert found.break_even_runs == 1


def test_an_arm_that_never_gets_there_is_censored(study):
    found = saving(study, "random_0.25", "full", axis="seconds", confidence=0.95)
    assert (found.gross, found.num_never, found.num) == (None, 2, 2)
    run = study.runs["random_0.25", 0]
    assert cost_to_quality(study, run, "dollars", 0.1).to_baseline is None
    assert cost_to_quality(study, run, "dollars", 0.1).to_last == pytest.approx(200 / 3600 * 36)


def test_where_some_seeds_get_there_the_saving_is_bounded():
    def run(to_baseline):
        return CostToQuality("arm", 0, "flops", 40.0, 80.0, 60.0, to_baseline, 0.0, 0.0)

    found = saving_of([(run(50.0), run(40.0)), (run(None), run(40.0))], baseline="full", axis="flops", confidence=0.95)
    assert (found.gross, found.net, found.num_never, found.num) == (None, None, 1, 2)
    assert found.at_most == pytest.approx(1 - (50 / 40 + 80 / 40) / 2)


@pytest.mark.parametrize(("num_never", "at_most", "said"), [
    (1, 0.25, "no saving is shown: full's best validation loss was never reached in 1 of 2 seeds (at most 25 % of"),
    (1, 0.001, "no saving is shown: full's best validation loss was never reached in 1 of 2 seeds."),
    (2, 0.25, "selection did not pay: full's best validation loss was never reached in 2 of 2 seeds."),
])  # fmt: skip
def test_what_was_not_reached_is_said(num_never, at_most, said):
    found = Comparison("a", "full", "loss", "micro", "best", "better", Estimate(0.1, 0.05, 0.15, 2))
    assert said in verdict_sentence(found, Saving("flops", "full", None, None, num_never, 2, None, at_most), 0.95)


def test_savings_have_paired_intervals_and_an_early_stop(study):
    rows = {(row["arm"], row["checkpoint"]): row for row in find(study.folder).tables["savings"].rows}
    best = rows["herding_0.25", "best"]
    ours, theirs = study.finals_of("herding_0.25", "best"), study.finals_of("full", "best")
    expected = mean_interval([ours[seed].micro.loss - theirs[seed].micro.loss for seed in (0, 1)])
    assert (best["loss_difference_low"], best["loss_difference_high"]) == pytest.approx((expected.low, expected.high))
    assert best["less_dollars_high"] == pytest.approx(best["less_seconds_high"] / 3600 * 36)
    early = rows["herding_0.25", "early_stop"]
    stops = [early_stop(run.evaluations).seconds for run in study.runs_of("herding_0.25").values()]
    assert early["seconds"] == pytest.approx(sum(stops) / 2)
    assert early["seconds"] > best["seconds"]


def test_break_even():
    assert break_even_runs(selection=29, saved_per_run=10) == 3
    assert break_even_runs(selection=1, saved_per_run=10) == 1
    assert break_even_runs(selection=1, saved_per_run=0) is None
