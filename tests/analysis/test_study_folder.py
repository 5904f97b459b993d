import json

import pytest
from study_factory import STEPS, write_study

from winnow.analysis import long_table
from winnow.analysis.arms import arm_facts
from winnow.analysis.study_folder import load
from winnow.errors import ArtifactError


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_study(tmp_path_factory.mktemp("study") / "planted", seeds=(3, 4))


def test_reads_every_finished_run(folder):
    study = load(folder)
    assert set(study.runs) == {(arm, seed) for arm in study.arms for seed in (3, 4)}
    assert study.arms == ("full", "herding_0.25", "random_0.25", "equal_shares_0.25")
    assert study.suffix(3) == "" and study.suffix(4) == "_s4"


def test_long_table_is_tidy(folder):
    table = load(folder).to_pandas()
    assert list(table.columns) == ["arm", "seed", "step", "split", "source", "metric", "value", "flops", "seconds"]
    validation = table[(table.arm == "full") & (table.seed == 4) & (table.split == "validation")]
    assert tuple(validation.step) == STEPS
    assert {"train", "test", "best", "last", "start"} <= set(table.split)
    assert {"micro", "macro", "gsm_like"} <= set(table.source.dropna())
    assert not table.duplicated(["arm", "seed", "step", "split", "source", "metric"]).any()


@pytest.mark.parametrize("name", ["study.json", "recipe.yaml", "records/stages.json", "records/pool.json",
    "training_records.full_s4.json", "records/evaluation.full_best.json", "records/selection.full.json"])  # fmt: skip
def test_names_a_missing_file(tmp_path, name):
    folder = write_study(tmp_path / "s", effects={"full": 0.0}, seeds=(3, 4))
    (folder / name).unlink()
    with pytest.raises(ArtifactError, match=name.rpartition("/")[2]):
        load(folder)


def test_names_a_damaged_file_and_the_place_in_it(tmp_path):
    folder = write_study(tmp_path / "s", effects={"full": 0.0}, seeds=(0,))
    place = folder / "training_records.full.json"
    tree = json.loads(place.read_text())
    del tree["evaluations"][3]["flops"]
    place.write_text(json.dumps(tree))
    with pytest.raises(
        ArtifactError, match=r"training_records\.full\.json is damaged: evaluations\.3\.flops: field req"
    ):
        load(folder)
    place.write_text(place.read_text()[:100])
    with pytest.raises(ArtifactError, match=r"training_records\.full\.json is missing or damaged"):
        load(folder)


def test_what_an_arm_is_is_told_not_read_from_its_name(tmp_path):
    folder = write_study(tmp_path / "s", not_affordable={"my_own_draw": "too dear", "random_forest_0.1": "too dear"})
    settings = json.loads((folder / "study.json").read_text())
    told = {"my_own_draw": {"selector": "random", "fraction": 0.5, "control_of": None}}
    (folder / "study.json").write_text(json.dumps(settings | {"arms": told}))
    arms = {arm.name: arm for arm in arm_facts(load(folder))}
    assert (arms["my_own_draw"].selector, arms["my_own_draw"].is_control) == ("random", True)
    assert not arms["random_forest_0.1"].is_control


def test_unfinished_runs_are_absent(tmp_path):
    folder = write_study(tmp_path / "s", seeds=(0, 1))
    place = folder / "records/stages.json"
    stages = [stage for stage in json.loads(place.read_text()) if not stage["name"].endswith("herding_0.25.s1")]
    place.write_text(json.dumps(stages))
    (folder / "training_records.herding_0.25_s1.json").unlink()
    assert set(load(folder).runs_of("herding_0.25")) == {0}


def test_a_factor_called_as_a_column_has_a_column_of_its_own():
    names = long_table.columns(["adapter", "step"])
    assert names == (*long_table.COLUMNS, "adapter", "factor_step")
    row = ("a", 0, 8, "train", None, "loss", 1.0, 2.0, 3.0)
    levels = {"a": {"step": "long", "adapter": "r4"}}
    made = list(long_table.with_levels([row, ("zero_shot", *row[1:])], ["adapter", "step"], levels))
    assert made == [(*row, "r4", "long"), ("zero_shot", *row[1:], None, None)]
