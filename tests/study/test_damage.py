"""Every file of a finished study, damaged in every way: named or restored, never used."""

import shutil

import pytest

from damage import WAYS, damaged
from tests_support import SMALLEST, copy_study
from winnow.errors import ArtifactError
from winnow.pipeline import report, run
from winnow.recipe.file import load_recipe
from winnow.store import Store, check_files, hash_tree, read_json, write_json
from winnow.study.predictions import PREDICTED
from winnow.study_files import STUDY, WEIGHTS, check_records, check_weights, read_settings
from winnow.verbs.watch import look

pytestmark = pytest.mark.slow

WRITTEN_EACH_TIME = "tables/", "figures/", "README.md", "report.html"
ASIDE = ".lock", ".running.yaml", PREDICTED, STUDY


@pytest.fixture(scope="module")
def copies(finished_study, tmp_path_factory):
    """The finished study and what the store has of it, to be damaged."""
    return copy_study(finished_study, tmp_path_factory.mktemp("damaged"))


def below(folder):
    return sorted(path for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("way", WAYS)
def test_the_store_names_every_damaged_file(copies, way):
    store = Store(copies.parent / ".store")
    files = [path for path in below(store.root) if path.suffix not in (".lease", ".lock")]
    tried = 0
    for path in files:
        kind, fingerprint = path.relative_to(store.root).parts[:2]
        with damaged(way, path, files) as is_changed:
            if is_changed:
                tried += 1
                with pytest.raises(ArtifactError) as caught:
                    store.find(kind, fingerprint)
                assert str(path) in str(caught.value) or path.name == "record.json"
                assert f"remove the folder {store.folder(kind, fingerprint)} and run again" in str(caught.value)
        assert store.find(kind, fingerprint), "the damage is undone"
    assert tried >= 0.9 * len(files) >= 80


@pytest.mark.parametrize("way", WAYS)
def test_the_study_folder_names_every_damaged_file(copies, way):
    listed = read_settings(copies)["files"]
    files = [copies / name for name in listed]
    for path in files:
        check = check_weights if path.relative_to(copies).as_posix().startswith(WEIGHTS) else check_records
        with damaged(way, path, files) as is_changed:
            if is_changed:
                with pytest.raises(ArtifactError, match="run the study again to restore it") as caught:
                    check(copies, read_settings(copies))
                assert str(path) in str(caught.value)
    assert len(files) >= 60


@pytest.mark.parametrize("way", WAYS)
def test_what_the_folder_says_of_itself_is_checked_too(copies, way):
    place = copies / STUDY
    others = [place, *copies.glob("*.json")]
    with damaged(way, place, others), pytest.raises(ArtifactError, match=r"study\.json is (damaged|missing)"):
        report(copies)
    recipe = look(copies).recipe
    with damaged(way, copies / ".running.yaml", [copies / "recipe.yaml"]):
        if way.__name__ in ("removed", "swapped"):  # the recipe of the finished study stands in for it
            assert look(copies).recipe == recipe
        else:
            with pytest.raises(ArtifactError, match=r"\.running\.yaml is damaged"):
                look(copies)


def test_all_else_in_the_folder_is_written_anew_by_every_report(copies):
    listed = read_settings(copies)["files"]
    others = [name for path in below(copies) if (name := path.relative_to(copies).as_posix()) not in listed]
    assert [name for name in others if name not in ASIDE and not name.startswith(WRITTEN_EACH_TIME)] == []
    report(copies)
    made = {name: (copies / name).read_bytes() for name in others if name.startswith(WRITTEN_EACH_TIME)}
    for name in made:
        (copies / name).write_bytes(b"damaged")
    report(copies)
    assert {name: (copies / name).read_bytes() for name in made} == made


def test_a_run_restores_the_folder_from_the_store(copies):
    listed = read_settings(copies)["files"]
    for number, name in enumerate(sorted(listed)):
        if name != "records/stages.json":
            WAYS[number % 4](copies / name, None)
    with pytest.warns(UserWarning, match=r"was not what had been trained; it is restored"):
        run(load_recipe(SMALLEST), out=copies)
    assert read_settings(copies)["files"] == listed
    check_files(copies, listed, "")
    assert not list(copies.rglob("*.partial"))


def test_a_run_names_damaged_stage_records(copies):
    place = copies / "records" / "stages.json"
    for way in WAYS[:3]:
        with damaged(way, place, []), pytest.raises(ArtifactError, match=r"stages\.json is (missing or )?damaged"):
            run(load_recipe(SMALLEST), out=copies)


def test_what_an_earlier_version_left_is_read(copies, tmp_path):
    """No seals and no list of files, as before both were written."""
    folder = shutil.copytree(copies, tmp_path / copies.name)
    shutil.copytree(copies.parent / ".store", tmp_path / ".store")
    for place in [folder / STUDY, *(tmp_path / ".store").rglob("record.json")]:
        tree = {key: value for key, value in read_json(place).items() if key not in ("sha256", "files")}
        files = read_json(place)["files"] if place.name == "record.json" else None
        write_json(place, tree | ({"files": files} if files else {}))
    before = hash_tree(folder, ["adapters", "records"])
    run(load_recipe(SMALLEST), out=folder)
    assert hash_tree(folder, ["adapters", "records"]) == before
    assert read_settings(folder)["files"] == read_settings(copies)["files"]
