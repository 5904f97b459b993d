import json
import re

import pytest
from study_factory import write_study

from winnow.analysis.delayed_gain import delayed_gain
from winnow.analysis.find import find
from winnow.analysis.study_folder import load
from winnow.analysis.verdict import judge
from winnow.errors import ArtifactError
from winnow.records import Cost


def verdict(folder, **planted):
    return judge(load(write_study(folder / "s", **planted)))


def test_planted_gain_is_found(tmp_path):
    found = verdict(tmp_path)
    assert found.kind == "better"
    assert found.primary.arm == "herding_0.25"
    assert found.primary.gain.low < 0.05 < found.primary.gain.high
    assert "selection saved" in found.sentence and "of the FLOPs to full's best validation loss" in found.sentence
    assert found.notes[1].startswith("It beats random_0.25")


def test_planted_loss_is_said(tmp_path):
    found = verdict(tmp_path, effects={"full": 0.0, "herding_0.25": -0.05, "random_0.25": 0.0})
    assert found.kind == "worse"
    assert "worse by 0.0" in found.sentence
    assert "selection did not pay" in found.sentence and "never reached in 3 of 3 seeds" in found.sentence
    assert found.notes[1].startswith("It is worse than random_0.25")


def test_null_shows_no_difference_and_names_the_seeds_it_would_take(tmp_path):
    effects = {"full": 0.0, "herding_0.25": 0.003, "random_0.25": 0.0}
    found = verdict(tmp_path, effects=effects, noise=0.02, seeds=(0, 1, 2, 3))
    assert found.kind == "no difference shown"
    assert "no difference shown at 4 seeds" in found.sentence and "would be needed" in found.sentence
    assert found.notes[1].startswith("It is not shown to beat random_0.25")


def test_one_seed_claims_nothing(tmp_path):
    found = verdict(tmp_path, seeds=(0,))
    assert found.kind == "too few seeds"
    assert "one seed: no interval; nothing is claimed (observed: better by" in found.sentence
    assert "observed, not claimed: selection saved" in found.sentence


def test_an_arm_the_budget_cannot_pay_for(tmp_path):
    reason = "not affordable: the selection costs 2e+15 FLOPs of a budget of 1e+15; raise the budget"
    found = verdict(tmp_path, not_affordable={"grand_0.25": reason}, primary={"arm": "grand_0.25"})
    assert found.kind == "not affordable"
    assert found.sentence == f"grand_0.25: {reason}."
    assert found.ranking[-1].kind == "not affordable"


def test_a_gain_that_cost_more_than_it_saved_is_said(tmp_path):
    found = verdict(tmp_path, features=Cost(flops=2e15, seconds=500))
    assert found.kind == "better"
    assert found.saving.gross.mean > 0 > found.saving.net.mean
    assert re.search(
        r"selection did not pay: .* took 4\d % less of the FLOPs before selection, \d+ % more with it", found.sentence
    )
    assert found.saving.break_even_runs > 1


def test_the_source_matched_control_is_compared(tmp_path):
    effects = {"full": 0.0, "herding_0.25": 0.05, "random_0.25": 0.0, "source_matched_herding_0.25": 0.05}
    found = verdict(tmp_path, effects=effects)
    assert found.primary.arm == "herding_0.25"
    assert found.notes[2].startswith("It is not shown to beat source_matched_herding_0.25 (control matched")
    assert "corrected for 2 comparisons" in found.notes[2]


def test_exact_match_is_compared_in_points(tmp_path):
    found = verdict(tmp_path, primary={"metric": "exact_match", "aggregate": "choice_like", "checkpoint": "last"})
    assert "exact match (choice_like, last checkpoint, 3 seeds): better by" in found.sentence
    assert "points" in found.sentence


def test_ranking_is_corrected_and_sorted(tmp_path):
    ranking = verdict(tmp_path).ranking
    assert [each.num_comparisons for each in ranking] == [3, 3, 3]
    assert [each.gain.mean for each in ranking] == sorted((each.gain.mean for each in ranking), reverse=True)


def test_an_unknown_aggregate_is_refused(tmp_path):
    with pytest.raises(ArtifactError, match="aggregate is 'nano'; the study has gsm_like, choice_like, micro, macro"):
        verdict(tmp_path, primary={"aggregate": "nano"})


@pytest.mark.parametrize("effects", [{}, {"full": 0.0}, {"herding_0.25": 0.0}])
def test_an_unfinished_study_has_findings_too(tmp_path, effects):
    found = find(write_study(tmp_path / "s", effects=effects))
    assert found.verdict.kind == "too few seeds"
    assert "nothing is claimed" in found.verdict.sentence


def test_delayed_gain_needs_to_be_late_and_large(tmp_path):
    folder = write_study(tmp_path / "s", effects={"full": 0.0}, seeds=(0,))
    place = folder / "training_records.full.json"
    tree = json.loads(place.read_text())
    for row in tree["evaluations"]:
        row["validation"]["loss"] = 1.0 + abs(row["step"] - 60) / 400
    tree["best"]["step"] = 60
    place.write_text(json.dumps(tree))
    found = delayed_gain(load(folder).runs["full", 0])
    assert (found.best_loss_step, found.is_delayed) == (60, True)
    assert found.best_exact_match_step >= 360
    for row in tree["evaluations"]:
        row["micro"]["exact_match"] = 0.30 + 0.01 * (row["step"] == 400)
    place.write_text(json.dumps(tree))
    assert not delayed_gain(load(folder).runs["full", 0]).is_delayed
