import json
import re
import shutil
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fake_hub import fake_hub
from ruamel.yaml import YAML
from safetensors.numpy import save_file
from study_factory import HIDDEN, SETS, write_items, write_study
from typer.testing import CliRunner

from tests_support import SMALLEST
from winnow.analysis.study_folder import load
from winnow.cli.main import app
from winnow.errors import ArtifactError, PublishError
from winnow.verbs import publish as publishing

pytestmark = pytest.mark.slow

ARMS = {"full": 0.0, "herding_0.25": 0.05}


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return publishable(tmp_path_factory.mktemp("publish") / "s")


@pytest.fixture(scope="module")
def built(study):
    return publishing.build(study, study.with_name("upload"))


@pytest.fixture
def copied(built, tmp_path):
    """What was built, to be harmed."""
    return replace(built, root=shutil.copytree(built.root, tmp_path / "up"))


def publishable(folder):
    """A study with weights, items of which one set is not free, and the ids of its selections."""
    write_study(folder, effects=ARMS, seeds=(0, 1), licences={"choice_like": "unknown"})
    write_items(folder, arms=tuple(ARMS), seeds=(0, 1), hidden_set="choice_like")
    study = load(folder)
    for arm, seed in study.runs:
        for checkpoint in ("best", "last"):
            place = folder / "adapters" / f"{arm}{study.suffix(seed)}_{checkpoint}"
            place.mkdir(parents=True)
            save_file({"w": np.ones(3, np.float32)}, place / "adapter_model.safetensors")
            (place / "adapter_config.json").write_text("{}")
    (folder / "base").mkdir()
    save_file({"w": np.ones(3, np.float32)}, folder / "base" / "model.safetensors")
    for arm in ARMS:
        ids = pa.table({"id": ["gsm_like:1", "noise:2"], "rank": [0, 1]})
        pq.write_table(ids, folder / "records" / "items" / f"selection.{arm}.parquet")
    return folder


def test_a_dry_run_builds_and_checks(study, tmp_path):
    before = {path: path.stat().st_mtime_ns for path in study.rglob("*")}
    done = CliRunner().invoke(app, ["publish", str(study), "--dry-run", "--json", "--out", str(tmp_path / "up")])
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told["problems"] == [] and told["pushed"] == {}
    assert any("choice_like" in warning for warning in told["warnings"])
    assert {path: path.stat().st_mtime_ns for path in study.rglob("*")} == before


def test_the_cards_are_what_the_hubs_library_takes(built):
    from huggingface_hub import DatasetCard, ModelCard

    card = ModelCard.load(built.folders["model"] / "README.md", ignore_metadata_errors=False)
    results = card.data.eval_results
    assert len(results) == 2 * len(ARMS) * len(SETS)
    assert {each.metric_type for each in results} == {"exact_match", "loss"}
    data = DatasetCard.load(built.folders["selections"] / "README.md", ignore_metadata_errors=False).data
    assert [each["config_name"] for each in data.to_dict()["configs"]] == list(ARMS)


@pytest.mark.slow
def test_selections_load_as_a_data_set(built, tmp_path):
    datasets = pytest.importorskip("datasets", reason="datasets is not installed")
    folder = str(built.folders["selections"])
    rows = datasets.load_dataset(folder, "herding_0.25", split="train", cache_dir=str(tmp_path))
    assert rows["id"][:] == ["gsm_like:1", "noise:2"]


def test_the_dataset_card_tells_procedure_cost_composition_and_licences(built):
    card = (built.folders["selections"] / "README.md").read_text()
    sections = re.findall(r"^## (.+)$", card, re.MULTILINE)
    assert sections == ["What came of it", "Configurations", "Procedure", "Limitations", "Licences"]
    assert "Selector `herding`, fraction 0.25 of the pool: 2 rows." in card and "00:00:10" in card
    assert "| noise | training pool | unknown |" in card and "| gsm_like | 3,000 |" in card


def test_texts_that_may_not_be_copied_stay_here(study, built):
    hidden = HIDDEN.encode()
    for path in (each for each in built.root.rglob("*") if each.is_file()):
        if path.suffix == ".parquet":
            assert HIDDEN not in str(pq.read_table(path).to_pydict())
        else:
            assert hidden not in path.read_bytes()
    name = "records/items/evaluation.full_best.parquet"
    kept, own = (pq.read_table(folder / name).to_pylist() for folder in (built.folders["model"], study))
    assert [row["correct"] for row in kept] == [row["correct"] for row in own]
    assert [row["output"] for row in kept[:30]] == [row["output"] for row in own[:30]]
    assert {row["answer"] for row in kept[30:]} == {None}


def test_pushing_leaves_on_the_hub_what_was_built(built, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "not-a-real-token")
    with fake_hub() as hub:
        pushed = publishing.push(built, "someone/study", endpoint=hub.endpoint)
    assert pushed["selections"].endswith("/datasets/someone/study-selections")
    for (kind, name), folder in {("models", "someone/study"): "model", ("datasets", "someone/study-selections"):
                                 "selections"}.items():  # fmt: skip
        root = built.folders[folder]
        here = {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}
        assert hub.repos[kind, name] == here
    assert hub.commits == ["planted, made by winnow"] * 2
    assert hub.tokens == {"Bearer not-a-real-token"}


def test_a_hub_that_refuses_is_one_line(built, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "not-a-real-token")
    with fake_hub(refuse=401) as hub, pytest.raises(PublishError, match="study was not pushed: .+log in") as told:
        publishing.push(built, "someone/study", endpoint=hub.endpoint)
    assert "\n" not in str(told.value)


def damaged(model):
    (model / "adapters" / "full_best" / "adapter_model.safetensors").write_bytes(b"no tensors")


def removed(model):
    (model / "adapters" / "full_best" / "adapter_model.safetensors").unlink()


def without_base(model):
    shutil.rmtree(model / "base")


def with_token(model):
    (model / "recipe.yaml").write_text("path: hf_" + "a" * 34)


def with_a_broken_card(model):
    card = model / "README.md"
    card.write_text(card.read_text().replace("type: exact_match", "kind: exact_match"))


@pytest.mark.parametrize(("harm", "told"), [
    (damaged, "adapters/full_best/adapter_model.safetensors is damaged"),
    (removed, "adapters/full_best has no weights"),
    (without_base, "adapters need base/"), (with_token, "recipe.yaml holds what looks like an access token"),
    (with_a_broken_card, "model/README.md is no card that the hub takes"),
])  # fmt: skip
def test_nothing_is_pushed_while_a_check_fails(copied, harm, told):
    harm(copied.folders["model"])
    assert any(told in problem for problem in publishing.check(copied).problems)
    with fake_hub() as hub, pytest.raises(PublishError, match="nothing was pushed"):
        publishing.push(copied, "someone/study", endpoint=hub.endpoint)
    assert hub.repos == {}


def keeping(folder, keep):
    """The study's recipe and study.json, as a run with this `study.keep` leaves them."""
    yaml, place = YAML(), folder / "recipe.yaml"
    recipe = yaml.load(place)
    recipe["study"]["keep"] = keep
    yaml.dump(recipe, place)
    settings = json.loads((folder / "study.json").read_text())
    (folder / "study.json").write_text(json.dumps(settings | {"base_path": None if keep == "none" else "base"}))


def test_a_study_that_keeps_no_weights_is_published_without_them(tmp_path):
    study = publishable(tmp_path / "s")
    keeping(study, "none")
    for name in ("adapters", "base"):
        shutil.rmtree(study / name)
    built = publishing.build(study, tmp_path / "up")
    found = publishing.check(built)
    assert found.problems == () and any("study.keep: none" in each for each in found.warnings)
    card = (built.folders["model"] / "README.md").read_text()
    assert "--set study.keep=null" in card and "from_pretrained" not in card


def test_a_study_that_keeps_the_last_checkpoints_loads_them(tmp_path):
    study = publishable(tmp_path / "s")
    keeping(study, "last")
    for place in (study / "adapters").glob("*_best"):
        shutil.rmtree(place)
    built = publishing.build(study, tmp_path / "up")
    assert publishing.check(built).problems == ()
    assert (
        'PeftModel.from_pretrained(base, "adapters/herding_0.25_last")'
        in (built.folders["model"] / "README.md").read_text()
    )


def test_what_is_published_is_a_copy(tmp_path):
    """An upload folder may be changed: nothing of it is a second name of the study's files."""
    study = publishable(tmp_path / "s")
    weights = study / "adapters/full_best/adapter_model.safetensors"
    weights.chmod(0o444)
    made = publishing.build(study, tmp_path / "up").folders["model"] / "adapters/full_best/adapter_model.safetensors"
    assert not made.samefile(weights) and made.stat().st_mode & 0o200


def test_an_upload_folder_replaces_nothing_else(study, tmp_path):
    (tmp_path / "notes.txt").write_text("keep")
    for place in (study, tmp_path):
        with pytest.raises(ArtifactError, match="is the study folder itself|holds something else"):
            publishing.build(study, place)
    assert (tmp_path / "notes.txt").read_text() == "keep"


def test_publishing_needs_a_name_or_a_dry_run(study):
    done = CliRunner().invoke(app, ["publish", str(study)])
    assert done.exit_code == 2


# ------------------------------------------------------------------------------- a base model of this machine


def on_a_local_base(folder):
    """A study whose adapters stand on a model folder of this machine, with seals where a run leaves them."""
    from winnow.store import sealed

    study, base = publishable(folder / "s"), folder / "models" / "tiny"
    base.mkdir(parents=True)
    yaml = YAML()
    recipe = yaml.load(study / "recipe.yaml")
    recipe["base"] = {"model": str(base)}
    yaml.dump(recipe, study / "recipe.yaml")
    settings = json.loads((study / "study.json").read_text())
    (study / "study.json").write_text(json.dumps(sealed(settings | {"base_path": str(base), "files": {}})))
    for place in (study / "adapters").glob("*/adapter_config.json"):
        place.write_text(json.dumps({"base_model_name_or_path": str(base), "r": 8}))
    return study, str(base)


@pytest.mark.long
def test_a_base_model_of_this_machine_is_not_published(tmp_path):
    study, base = on_a_local_base(tmp_path)
    with fake_hub() as hub, pytest.raises(PublishError, match="a folder of this machine.*--base-model USER/NAME"):
        publishing.push(publishing.build(study, tmp_path / "up"), "someone/study", endpoint=hub.endpoint)
    assert hub.repos == {}
    done = CliRunner().invoke(app, ["publish", str(study), "--dry-run"])
    assert done.exit_code == 1 and f"problem: the base model is {base}, a folder of this machine" in done.output


@pytest.mark.long
def test_the_name_of_a_base_model_is_written_wherever_its_folder_stood(tmp_path):
    from huggingface_hub import ModelCard

    from winnow.store import unsealed

    study, base = on_a_local_base(tmp_path)
    words = ["publish", str(study), "--dry-run", "--out", str(tmp_path / "up"), "--base-model", "me/tiny"]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    model = tmp_path / "up" / "model"
    for path in (each for each in model.parent.rglob("*") if each.is_file()):
        assert base.encode() not in path.read_bytes(), path
    card = (model / "README.md").read_text()
    assert ModelCard.load(model / "README.md").data.base_model == "me/tiny"
    assert 'AutoModelForCausalLM.from_pretrained("me/tiny")' in card
    config = json.loads((model / "adapters" / "full_best" / "adapter_config.json").read_text())
    assert config == {"base_model_name_or_path": "me/tiny", "r": 8}
    assert unsealed(json.loads((model / "study.json").read_text()))["base_path"] == "me/tiny"
    assert YAML().load(model / "recipe.yaml")["base"]["model"] == "me/tiny"
    assert base in (study / "recipe.yaml").read_text(), "the study stays as it is"


@pytest.mark.parametrize("name", ["/x/y", "a/b/c", "..", "a b", "./x", ""])
def test_a_base_model_has_a_name_that_a_hub_takes(tmp_path, name):
    study, _ = on_a_local_base(tmp_path)
    with pytest.raises((PublishError, ArtifactError), match="base.model is"):
        publishing.build(study, tmp_path / "up", base_model=name)
    assert not (tmp_path / "up").exists()


def test_a_base_that_the_recipe_made_has_no_other_name(study):
    from winnow.recipe.file import load_recipe
    from winnow.verbs.base_names import with_base

    made_here = replace(load(study), recipe=load_recipe(SMALLEST))
    with pytest.raises(PublishError, match="makes its own"):
        with_base(made_here, "me/tiny")


@pytest.mark.parametrize(("name", "is_path"), [
    ("openai-community/gpt2", False), ("gpt2", False), ("/a/b", True), ("~/m", True), ("./m", True), ("a/b/c", True),
    ("C:\\models\\x", True), ("models", True), ("models/tiny", True),
])  # fmt: skip
def test_which_names_are_folders_of_this_machine(tmp_path, monkeypatch, name, is_path):
    from winnow.verbs.base_names import is_here

    (tmp_path / "models" / "tiny").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert is_here(name) is is_path


def test_the_card_says_what_was_left_out(study, built, tmp_path):
    card = (built.folders["model"] / "README.md").read_text()
    section = card.partition("## Left out\n")[2].partition("\n## ")[0]
    assert "The rows that were trained on" in section
    assert "items of choice_like, whose licences are not known to let others have copies" in section
    assert "checkpoints" not in section and "The base model, which adapters stand on" in section
    other = publishable(tmp_path / "s")
    keeping(other, "last")
    for place in (other / "adapters").glob("*_best"):
        shutil.rmtree(place)
    told = (publishing.build(other, tmp_path / "up").folders["model"] / "README.md").read_text()
    assert "The best checkpoints, which the study folder does not keep" in told
