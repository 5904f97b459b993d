"""What a report says of learning-rate sweeps: charges, tables, caveats."""

import json

import pytest
from ruamel.yaml import YAML
from study_factory import FEATURES, stage, write_study

from winnow.analysis.arms import arm_facts
from winnow.analysis.cost import arm_charge, selection_charge, sweep_charge
from winnow.analysis.cost_tables import ledger_arms
from winnow.analysis.limitations import limitations
from winnow.analysis.study_folder import load
from winnow.analysis.sweeps import sweep_table
from winnow.records import Cost

GRID = {0.001: 3e12, 0.002: 4e12}
"""Learning rate -> FLOPs of its trial."""
EFFECTS = {"full": 0.0, "herding_0.25": 0.05}


def swept(folder, *, per="arm"):
    """A study whose arms were swept: full took the highest rate, herding the lowest."""
    write_study(folder, effects=EFFECTS, seeds=(0, 1))
    yaml, place = YAML(), folder / "recipe.yaml"
    recipe = yaml.load(place)
    recipe["study"]["sweep"] = {"learning_rate": list(GRID), "per": per}
    yaml.dump(recipe, place)
    place = folder / "records/stages.json"
    stages = json.loads(place.read_text())
    owners = list(EFFECTS) if per == "arm" else ["full"]
    for each in stages:
        if each["kind"] == "train" and each["arm"]:
            each["inputs_by_name"]["sweep"] = f"sweep.{each['arm'] if per == 'arm' else 'full'}"
    for arm in owners:
        stages += sweep_stages(arm, arm if per == "arm" else None, 0.002 if arm == "full" else 0.001)
    place.write_text(json.dumps(stages))
    return load(folder)


def sweep_stages(arm, owner, chosen):
    made = []
    for rate, flops in GRID.items():
        costs = {"train": Cost(flops=flops, seconds=2.0), "evaluate": Cost(flops=1e9)}
        inputs = {"data": "pool", "selection": f"select.{arm}", "start": "base", "tokenizer": "base"}
        made.append(stage(f"trial.{arm}.{rate}", "trial", inputs, arm=owner, costs=costs) | {"numbers": {"steps": 100}})
    told = [{"learning_rate": rate, "loss": 1.5, "is_stable": True} for rate in GRID]
    inputs = {f"trial.{rate}": f"trial.{arm}.{rate}" for rate in GRID}
    sweep = stage(f"sweep.{arm}", "sweep", inputs, arm=owner)
    return [*made, sweep | {"numbers": {"learning_rate": chosen, "trials": told}}]


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return swept(tmp_path_factory.mktemp("swept") / "s")


def test_trials_are_charged_to_the_arm_once_and_are_no_part_of_its_selection(study):
    runs = sum(run.costs["train"].flops for run in study.runs_of("herding_0.25").values())
    selection = FEATURES.flops + 1e11
    assert sweep_charge(study, "herding_0.25").whole.flops == 7e12
    assert arm_charge(study, "herding_0.25").whole.flops == runs + selection + 7e12
    assert selection_charge(study, "herding_0.25", 0).whole.flops == selection


def test_a_sweep_of_the_whole_study_is_shared_by_its_arms(tmp_path):
    study = swept(tmp_path / "s", per="study")
    charge = sweep_charge(study, "herding_0.25")
    assert (charge.whole.flops, charge.amortised.flops) == (7e12, 3.5e12)
    assert [row["arm"] for row in sweep_table(study).rows] == ["full", "full"]
    assert any("in trials on full's (for all arms) data" in line for line in limitations(study, (), ()))


def test_the_ledger_shows_what_of_the_charge_were_trials(study, tmp_path):
    row = next(row for row in ledger_arms(study, arm_facts(study)).rows if row["arm"] == "full")
    assert row["sweep_exaflops"] == 7e12 / 1e18 and row["sweep_seconds"] == 4.0
    plain = load(write_study(tmp_path / "plain", effects=EFFECTS, seeds=(0,)))
    assert "sweep_seconds" not in ledger_arms(plain, arm_facts(plain)).rows[0]
    assert sweep_table(plain).rows == () and sweep_charge(plain, "full").whole == Cost()


def test_the_table_has_a_row_per_trial_and_marks_the_chosen(study):
    rows = sweep_table(study).rows
    assert [(row["arm"], row["learning_rate"]) for row in rows if row["chosen"]] == [
        ("full", 0.002), ("herding_0.25", 0.001),
    ]  # fmt: skip
    assert len(rows) == 4 and {row["validation_loss"] for row in rows} == {1.5}
    table = study.to_pandas()
    assert len(table[table.split == "sweep"]) == 4
    assert not table.duplicated(["arm", "seed", "step", "split", "source", "metric"]).any()


def test_the_reader_is_told_how_rates_were_chosen_and_where_the_grid_ends(study, tmp_path):
    told = limitations(study, (), ())
    assert any(line.startswith("Learning rates were chosen of 0.001, 0.002: the stable one") for line in told)
    assert any("an end of the grid for full (0.002), herding_0.25 (0.001)" in line for line in told)
    plain = limitations(load(write_study(tmp_path / "plain", effects=EFFECTS, seeds=(0,))), (), ())
    assert any("same learning rate (0.0002), which was not tuned" in line for line in plain)
