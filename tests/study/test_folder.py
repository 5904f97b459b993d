from pathlib import Path

import pyarrow.parquet as pq

from winnow.recipe.file import load_recipe
from winnow.records import Artifact, from_json
from winnow.store import read_json, write_atomic
from winnow.study.identity import check_identity, known_study
from winnow.study_files import run_name

SELECTION = {"arms": ["full", "random"], "controls": False}


def files(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_the_first_seed_carries_no_name(study):
    runs = ["full", "full_s4", "random_0.1", "random_0.1_s4"]
    ends = [f"{run}_{checkpoint}" for run in runs for checkpoint in ("best", "last")]
    evaluations = ["zero_shot", *ends]
    assert files(study()) == {
        "recipe.yaml", "study.json", "records/stages.json", "records/pool.json", "records/items/prompts.parquet",
        *(f"records/selection.{run}.json" for run in runs),
        *(f"records/items/selection.{run}.parquet" for run in runs),
        *(f"training_records.{run}.json" for run in runs),
        *(f"adapters/{end}/weights" for end in ends),
        *(f"records/evaluation.{name}.json" for name in evaluations),
        *(f"records/items/evaluation.{name}.parquet" for name in evaluations),
    }  # fmt: skip


def test_prompts_are_kept_where_their_licence_lets_others_have_a_copy(study):
    first, second = pq.read_table(study() / "records/items/prompts.parquet").to_pylist()
    assert (first["set"], first["id"], first["prompt"]) == ("test", "test:1", "Question: 1?")
    assert second["prompt"] is None and len(second["prompt_hash"]) == 16


def test_a_folder_without_weights_has_all_else(study, tmp_path):
    whole, bare = files(study()), files(study(weights=False, folder=tmp_path / "bare"))
    assert bare == {name for name in whole if not name.startswith("adapters/")}


def test_records_tell_their_arm_seed_and_checkpoint(study):
    records = study() / "records"
    assert read_json(records / "evaluation.random_0.1_s4_last.json") == {
        "arm": "random_0.1", "seed": 4, "checkpoint": "last", "step": 4, "made": "evaluate.random_0.1.s4 1",
    }  # fmt: skip
    zero_shot = read_json(records / "evaluation.zero_shot.json")
    assert (zero_shot["arm"], zero_shot["seed"], zero_shot["checkpoint"]) == ("zero_shot", None, "last")
    assert read_json(records.parent / "training_records.full.json") == {
        "arm": "full", "seed": 3, "objective": "sft", "made": "train.full.s3 1",
    }  # fmt: skip
    shared = [read_json(records / f"selection.{name}.json") for name in ("full", "full_s4")]
    assert [(each["seed"], each["made"]) for each in shared] == [(3, "select.full 1"), (4, "select.full 1")]
    assert read_json(records / "pool.json")["pool"]["examples"] == 50


def test_stages_are_records_with_names_for_their_inputs(study):
    stages = {entry["name"]: entry for entry in read_json(study() / "records" / "stages.json")}
    run = stages["train.random_0.1.s4"]
    assert (run["arm"], run["seed"], run["fingerprint"]) == ("random_0.1", 4, "train.random_0.1.s41")
    assert run["inputs_by_name"]["selection"] == "select.random_0.1.s4"
    assert from_json(Artifact, run).kind == "train"


def test_the_resolved_recipe_is_read_back(study, make_recipe):
    recipe = load_recipe(study(not_affordable={"full": "too dear"}) / "recipe.yaml")
    assert recipe == make_recipe(selection=SELECTION, study={"seeds": [3, 4]})


def test_the_study_file_says_what_a_reader_needs(study, make_recipe):
    folder = study(not_affordable={"full": "too dear"}, selection=SELECTION | {"arms": ["random"], "controls": True})
    known = known_study(folder)
    assert (known["first_seed"], known["base_path"], known["digests"]) == (3, "some/model", {"pool": "d", "base": "d"})
    assert known["added_arms"] == ["full", "equal_shares_0.1"]
    assert known["not_affordable"] == {"full": "too dear"}
    facts = {"selector": "equal_shares", "fraction": 0.1, "control_of": None, "is_added": True}
    assert known["arms"]["equal_shares_0.1"].items() >= facts.items() and len(known["arms"]) == 3
    assert {"python", "torch", "peft"} < known["environment"].keys()
    check_identity(make_recipe(), folder)


def test_writing_again_changes_no_file(study):
    folder = study()
    before = {name: (folder / name).read_bytes() for name in files(folder)}
    study()
    assert {name: (folder / name).read_bytes() for name in files(folder)} == before


def test_another_seed_keeps_the_names_of_the_first(study):
    folder = study(study={"seeds": [3]})
    study(study={"seeds": [2, 3]})
    assert (folder / "adapters/full_s2_best").is_dir()
    assert not (folder / "adapters/full_s3_best").exists()
    assert read_json(folder / "training_records.full.json")["seed"] == 3


def test_a_narrower_recipe_keeps_the_stages_of_a_wider_one(study):
    folder = study()
    before = files(folder)
    study(study={"seeds": [4]})
    assert files(folder) == before
    assert "train.full.s3" in {entry["name"] for entry in read_json(folder / "records/stages.json")}


def test_unfinished_stages_leave_nothing(study):
    folder = study(only=("tests", "base", "pool", "select.full"))
    assert files(folder) == {
        "recipe.yaml", "study.json", "records/stages.json", "records/pool.json", "records/items/prompts.parquet",
        "records/selection.full.json",
        "records/selection.full_s4.json", "records/items/selection.full.parquet",
        "records/items/selection.full_s4.parquet",
    }  # fmt: skip


def test_runs_made_anew_replace_their_checkpoints_and_records(study):
    folder = study()
    (folder / "adapters/full_best/weights").write_text("a user's own")
    study(attempt=2, only=("base", "train.full.s4", "evaluate.full.s4"))
    assert (folder / "adapters/full_s4_best/weights").read_text() == "best train.full.s4 2"
    assert (folder / "adapters/full_best/weights").read_text() == "a user's own"
    assert read_json(folder / "training_records.full_s4.json")["made"] == "train.full.s4 2"
    assert (folder / "records/items/evaluation.full_s4_best.parquet").read_text() == "best items evaluate.full.s4 2"


def test_a_pretrained_base_is_copied_for_adapters_and_replaced_when_made_anew(study):
    text = {"name": "text", "licence": "MIT", "passages": {"documents": 9}}
    base = {"pretrain": {"architecture": {"model_type": "gpt2"}, "budget": {"tokens": 9}, "sources": [text]}}
    folder = study(base=base)
    assert (folder / "base/weights").read_text() == "last base 1"
    assert known_study(folder)["base_path"] == "base"
    study(base=base, attempt=2)
    assert (folder / "base/weights").read_text() == "last base 2"


def test_a_copy_that_was_interrupted_is_made_again(study):
    folder = study(only=("base",))
    write_atomic(folder / "adapters/.full_best.partial/half", "half")
    study()
    assert files(folder / "adapters/full_best") == {"weights"}
    assert not list(Path(folder / "adapters").glob(".*"))


def test_names_of_runs():
    assert [run_name("full", seed, 0) for seed in (0, 1)] == ["full", "full_s1"]
