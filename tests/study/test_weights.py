"""Weights lie on disk once: the study folder's are second names of the store's files; `study.keep` says which."""

import errno
import os
import shutil
import stat
import warnings

import pytest

from damage import one_bit
from tests_support import SMALLEST
from winnow import files as disk
from winnow.pipeline import run
from winnow.recipe.file import load_recipe
from winnow.store import hash_tree
from winnow.study_files import StudyFiles, check_weights, read_settings

SETTINGS = {"identity": {}, "first_seed": 0}


@pytest.fixture
def artifact(tmp_path):
    """A checkpoint in the store, with a folder in it."""
    folder = tmp_path / "store" / "best"
    (folder / "tokenizer").mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(b"weights" * 99)
    (folder / "tokenizer" / "tokenizer.json").write_text("{}")
    return folder


@pytest.fixture
def no_links(monkeypatch):
    """The study folder stands on another file system."""

    def refuse(source, target):
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), str(target))

    monkeypatch.setattr(os, "link", refuse)


def bring(root, artifact, name="adapters/full_best"):
    files = StudyFiles(root)
    files.bring_checkpoint(artifact, name, hash_tree(artifact, ["model.safetensors", "tokenizer"]))
    files.finish(SETTINGS)
    return root / name


def modes(folder):
    return {stat.S_IMODE(path.stat().st_mode) & 0o222 for path in folder.rglob("*") if path.is_file()}


def test_both_names_are_one_file_and_read_only(tmp_path, artifact):
    made = bring(tmp_path / "study", artifact)
    for name in ("model.safetensors", "tokenizer/tokenizer.json"):
        assert (made / name).samefile(artifact / name) and (made / name).stat().st_nlink == 2
    assert modes(made) == modes(artifact) == {0}
    check_weights(tmp_path / "study", read_settings(tmp_path / "study"))


def test_another_file_system_has_copies_and_says_so_once(tmp_path, artifact, no_links):
    files = StudyFiles(tmp_path / "study")
    with pytest.warns(UserWarning, match="lie on disk twice; put both on one file system, or set study.keep") as said:
        for name in ("adapters/full_best", "adapters/full_last"):
            files.bring_checkpoint(artifact, name, hash_tree(artifact, ["model.safetensors", "tokenizer"]))
    assert len(said) == 1
    copy = tmp_path / "study/adapters/full_best/model.safetensors"
    assert copy.read_bytes() == (artifact / "model.safetensors").read_bytes()
    assert not copy.samefile(artifact / "model.safetensors")
    with warnings.catch_warnings(action="error"):
        bring(tmp_path / "study", artifact)


def test_copies_of_an_earlier_version_become_second_names(tmp_path, artifact, monkeypatch):
    with monkeypatch.context() as patch, pytest.warns(UserWarning, match="copied"):
        patch.setattr(disk, "link", lambda source, target: False)
        made = bring(tmp_path / "study", artifact)
    assert not (made / "model.safetensors").samefile(artifact / "model.safetensors")
    with warnings.catch_warnings(action="error"):
        bring(tmp_path / "study", artifact)
    assert (made / "model.safetensors").samefile(artifact / "model.safetensors")
    assert not list(tmp_path.rglob("*.partial"))


def test_another_error_of_the_disk_is_raised(tmp_path, artifact, monkeypatch):
    def full(source, target):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(target))

    monkeypatch.setattr(os, "link", full)
    with pytest.raises(OSError, match="No space left"):
        bring(tmp_path / "study", artifact)
    assert not (tmp_path / "study/adapters/full_best").exists()


@pytest.mark.filterwarnings("ignore:weights are copied")
@pytest.mark.parametrize("has_links", [True, False])
def test_a_file_that_was_replaced_is_restored(tmp_path, artifact, has_links, monkeypatch):
    monkeypatch.setattr(disk, "link", disk.link if has_links else lambda source, target: False)
    with warnings.catch_warnings(action="ignore"):
        made = bring(tmp_path / "study", artifact)
    (made / "model.safetensors").unlink()
    (made / "model.safetensors").write_bytes(b"somebody's own")
    (made / "notes.txt").write_text("mine")
    with pytest.warns(UserWarning, match=r"model\.safetensors was not what had been trained; it is restored"):
        bring(tmp_path / "study", artifact)
    assert (made / "model.safetensors").read_bytes() == (artifact / "model.safetensors").read_bytes()
    assert (made / "notes.txt").read_text() == "mine"


def test_a_file_that_is_gone_is_restored(tmp_path, artifact):
    made = bring(tmp_path / "study", artifact)
    (made / "tokenizer" / "tokenizer.json").unlink()
    with pytest.warns(UserWarning, match="it is restored"):
        bring(tmp_path / "study", artifact)
    assert (made / "tokenizer" / "tokenizer.json").samefile(artifact / "tokenizer" / "tokenizer.json")


def test_what_is_dropped_leaves_what_somebody_else_put_there(tmp_path, artifact):
    made = bring(tmp_path / "study", artifact)
    (made / "notes.txt").write_text("mine")
    files = StudyFiles(tmp_path / "study")
    files.drop("adapters/full_best")
    files.drop("adapters/never_there")
    assert [path.name for path in made.iterdir()] == ["notes.txt"] and not files.digests
    assert (artifact / "model.safetensors").is_file()


def kept(folder):
    return sorted(path.name for path in (folder / "adapters").iterdir()) if (folder / "adapters").is_dir() else []


def test_keep_says_which_checkpoints_the_folder_has(study):
    both = ["full_best", "full_last", "random_0.1_best", "random_0.1_last"]
    for keep, ends in ((None, ("best", "last")), ("best", ("best",)), ("last", ("last",)), ("none", ()), (None, both)):
        folder = study(study={"seeds": [3], "keep": keep})
        wanted = [name for name in both if name.endswith(tuple(ends))]
        assert kept(folder) == wanted, keep
        settings = read_settings(folder)
        listed = {name for name in settings["files"] if name.startswith("adapters/")}
        assert listed == {f"adapters/{name}/weights" for name in wanted}
        check_weights(folder, settings)


def test_runs_of_a_wider_recipe_are_dropped_too(study):
    folder = study(study={"seeds": [3, 4]})
    study(study={"seeds": [4], "keep": "last"})
    assert kept(folder) == ["full_last", "full_s4_last", "random_0.1_last", "random_0.1_s4_last"]


def test_a_folder_without_weights_has_no_base_either(study):
    text = {"name": "text", "licence": "MIT", "passages": {"documents": 9}}
    base = {"pretrain": {"architecture": {"model_type": "gpt2"}, "budget": {"tokens": 9}, "sources": [text]}}
    folder = study(base=base)
    assert (folder / "base/weights").is_file()
    study(base=base, study={"seeds": [3, 4], "keep": "none"})
    assert kept(folder) == [] and not (folder / "base").exists()
    assert read_settings(folder)["base_path"] is None


@pytest.mark.slow
def test_what_was_changed_through_the_study_folder_is_made_again_and_said(finished_study, tmp_path):
    """A whole study: one bit of a weights file, changed in place, is changed in the store too."""
    folder = copied_with_links(finished_study, tmp_path)
    before = hash_tree(folder, ["adapters", "records"])
    changed = folder / "adapters/full_best/model.safetensors"
    changed = changed if changed.is_file() else next((folder / "adapters/full_best").glob("*.safetensors"))
    changed.chmod(0o644)
    one_bit(changed, None)
    with pytest.warns(UserWarning) as said:
        run(load_recipe(SMALLEST), out=folder)
    lines = [str(each.message) for each in said]
    (line,) = [each for each in lines if "is made again" in each]
    assert "best" in line and "train.full.s0 is made again" in line
    assert any("adapters/full_best" in each and "it is restored" in each for each in lines)
    weights = {name: digest for name, digest in before.items() if name.startswith("adapters")}
    assert hash_tree(folder, ["adapters"]) == weights
    assert changed.stat().st_nlink == 2


def copied_with_links(finished_study, root):
    """The finished study and its store, each pair of names one file again."""
    for folder in (finished_study, finished_study.parent / ".store"):
        shutil.copytree(folder, root / folder.name, copy_function=shutil.copyfile)
    run(load_recipe(SMALLEST), out=root / finished_study.name)
    return root / finished_study.name
