"""What the disk holds after a write that failed, was torn or lost, at every call of the file layer."""

import errno
import os
from pathlib import Path

import pytest

from faults import FAULTS, Disk, Killed
from winnow import files
from winnow.records import Artifact, Cost
from winnow.store import Store, hash_tree, write_atomic, write_folder


def tries(monkeypatch, fault, work):
    """Do the work with the fault at the first call, the second, ... until there is no such call."""
    for at in range(1, 1000):
        with monkeypatch.context() as patch:
            disk = Disk(patch, fault, at)
            try:
                work(at)
            except (Killed, OSError):
                assert not disk.is_over
        if disk.is_over:
            return
        yield at


@pytest.mark.parametrize("fault", FAULTS)
def test_a_file_is_the_old_or_the_new_one(tmp_path, monkeypatch, fault):
    file, seen = tmp_path / "file", set()
    write_atomic(file, f"{0:100}")
    for at in tries(monkeypatch, fault, lambda at: write_atomic(file, f"{at:100}")):
        assert file.read_text() in (f"{at - 1:100}", f"{at:100}")
        seen.add(file.read_text() == f"{at:100}")
        write_atomic(file, f"{at:100}")
    assert False in seen


@pytest.mark.parametrize("fault", FAULTS)
def test_a_folder_is_whole_or_not_there(tmp_path, monkeypatch, fault):
    def fill(folder):
        files.write(folder / "one", b"1" * 100)
        files.write(folder, lambda place: (place / "two").write_bytes(b"2" * 100))

    seen = set()
    for at in tries(monkeypatch, fault, lambda at: write_folder(tmp_path / str(at), fill)):
        place = tmp_path / str(at)
        seen.add(place.exists())
        if place.exists() and fault != "dropped":
            assert {path.name: path.stat().st_size for path in place.iterdir()} == {"one": 100, "two": 100}
        assert fault != "full" or place.exists() or not place.with_name(f"{at}.partial").exists()
        write_folder(place, fill)
        assert len(list(place.iterdir())) == 2
    assert False in seen


def make(store, at):
    folder = store.draft("pool", str(at))
    write_atomic(folder / "rows", b"r" * 100)
    write_atomic(folder / "best" / "weights", b"w" * 100)
    found = hash_tree(folder, ["rows", "best"])
    return store.commit("pool", str(at), Artifact("pool", "pool", str(at), "d", {}, {}, Cost(), {}, found))


@pytest.mark.parametrize("fault", [name for name in FAULTS if name != "dropped"])
def test_an_artifact_is_whole_or_made_again(tmp_path, monkeypatch, fault):
    store, seen = Store(tmp_path), set()
    for at in tries(monkeypatch, fault, lambda at: make(store, at)):
        found = store.find("pool", str(at))
        seen.add(found is not None)
        stored = found or make(store, at)
        assert hash_tree(stored.folder, ["rows", "best"]) == stored.artifact.files
        assert set(stored.artifact.files) == {"rows", "best/weights"}
        assert sorted(path.name for path in stored.folder.iterdir()) == ["best", "record.json", "rows"]
        assert store.find("pool", str(at)) == stored
    assert False in seen


def failing(path):
    path.write_bytes(b"half")
    raise RuntimeError("unexpected pos 576 vs 534")


def test_a_library_that_finds_the_disk_full_fails_like_the_disk(tmp_path, monkeypatch):
    def full(path, data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def write(path):
        monkeypatch.setattr(Path, "write_bytes", full)
        raise RuntimeError("unexpected pos 576 vs 534")

    with pytest.raises(OSError, match=r"No space left on device: .*weights'") as caught:
        files.write(tmp_path / "weights", write)
    assert caught.value.errno == errno.ENOSPC


def test_a_library_that_fails_for_another_reason_says_so_itself(tmp_path):
    with pytest.raises(RuntimeError, match="unexpected pos"):
        files.write(tmp_path / "weights", failing)
    assert [path.name for path in tmp_path.iterdir()] == ["weights"]


def test_what_was_removed_may_be_gone_already(tmp_path):
    (tmp_path / "folder" / "deep").mkdir(parents=True)
    (tmp_path / "file").write_text("text")
    for name in ("folder", "file", "file", "nowhere"):
        files.remove(tmp_path / name)
    assert not list(tmp_path.iterdir())
