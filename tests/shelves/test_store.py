import hashlib
import json
import os
import signal
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from winnow import files
from winnow.errors import ArtifactError
from winnow.records import Artifact, Cost
from winnow.store import Store, hash_file, hash_json, hash_tree, read_json, write_atomic, write_json


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


def artifact(*files, fingerprint="abc"):
    hashes = {name: hashlib.sha256(name.encode()).hexdigest() for name in files}
    costs = {"generate": Cost(seconds=1.0)}
    return Artifact("pool", "pool", fingerprint, "d", {}, costs, Cost(), {"rows": 3}, hashes)


def commit(store, *files, fingerprint="abc"):
    """An artifact whose files hold their own names."""
    folder = store.draft("pool", fingerprint)
    for name in files:
        write_atomic(folder / name, name)
    return store.commit("pool", fingerprint, artifact(*files, fingerprint=fingerprint))


def test_a_draft_keeps_what_a_killed_attempt_left(store):
    (store.draft("pool", "abc") / "half.txt").write_text("half")
    assert (Store(store.root).draft("pool", "abc") / "half.txt").read_text() == "half"
    assert store.find("pool", "abc") is None


def test_an_artifact_is_visible_once_it_is_committed(store):
    stored = commit(store, "rows.txt", "best/weights.bin")
    assert store.find("pool", "abc") == stored
    assert stored.folder == store.folder("pool", "abc")
    assert (stored.folder / "best/weights.bin").read_text() == "best/weights.bin"
    assert not list(store.root.rglob("*.partial"))
    assert store.find("pool", "other") is None
    assert store.find("train", "abc") is None


def test_a_commit_that_dies_before_its_rename_leaves_nothing_visible(store, monkeypatch):
    def die(path):
        raise OSError("no space left")

    folder = store.draft("pool", "abc")
    (folder / "rows.txt").write_text("rows")
    with monkeypatch.context() as patch, pytest.raises(OSError, match="no space"):
        patch.setattr(files, "sync", die)
        store.commit("pool", "abc", artifact("rows.txt"))
    assert store.find("pool", "abc") is None
    assert commit(store, "rows.txt").folder.is_dir()


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"name": "pool"}', "\x00\x00", None])
def test_a_damaged_record_is_named(store, damage):
    record = commit(store).folder / "record.json"
    record.unlink() if damage is None else record.write_text(damage)
    with pytest.raises(ArtifactError) as caught:
        store.find("pool", "abc")
    assert str(caught.value) == f"{record} is missing or damaged; remove the folder {record.parent} and run again"


def test_a_missing_file_is_named(store):
    folder = commit(store, "a.txt", "best/b.txt").folder
    (folder / "best/b.txt").unlink()
    with pytest.raises(ArtifactError, match=r"best/b\.txt is missing; remove the folder .*abc and run again"):
        store.find("pool", "abc")


def test_a_file_that_is_not_what_was_written_is_named(store):
    folder = commit(store, "a.txt", "best/b.txt").folder
    (folder / "best/b.txt").write_text("best/c.txt")
    with pytest.raises(ArtifactError, match=r"best/b\.txt is damaged: .*; remove the folder .*abc and run again"):
        store.find("pool", "abc")


def test_the_same_times_do_not_hide_a_change(store):
    place = commit(store, "a.txt").folder / "a.txt"
    os.utime(place, (1, 1))
    assert store.find("pool", "abc")
    place.write_text("b.txt")
    os.utime(place, (1, 1))
    with pytest.raises(ArtifactError, match=r"a\.txt is damaged"):
        store.find("pool", "abc")


def test_two_folders_in_each_others_place_are_named(store):
    first, second = commit(store, "a.txt").folder, commit(store, "a.txt", fingerprint="def").folder
    first.rename(store.root / "aside")
    second.rename(first)
    with pytest.raises(ArtifactError, match=r"pool/abc holds another artifact, pool/def; remove the folder"):
        store.find("pool", "abc")


@pytest.mark.parametrize("edit", [
    lambda record: record["numbers"].update(rows=4),
    lambda record: record["costs"]["generate"].update(seconds=0.5),
    lambda record: record["files"].clear(),
    lambda record: record.update(name="other"),
    lambda record: record.update(sha266=record.pop("sha256")),
])  # fmt: skip
def test_an_edited_record_is_named(store, edit):
    place = commit(store, "a.txt").folder / "record.json"
    record = read_json(place)
    edit(record)
    write_json(place, record)
    with pytest.raises(ArtifactError, match=r"record\.json is missing or damaged"):
        store.find("pool", "abc")


def test_a_record_of_an_earlier_version_has_no_seal_and_is_read(store):
    stored = commit(store, "a.txt")
    place = stored.folder / "record.json"
    write_json(place, {key: value for key, value in read_json(place).items() if key != "sha256"})
    assert store.find("pool", "abc") == stored


def test_an_artifact_whose_place_is_taken_by_a_file_is_named(store):
    commit(store)
    (store.root / "pool" / "def").write_text("")
    with pytest.raises(ArtifactError, match=r"pool/def is no folder; remove it"):
        store.find("pool", "def")


def test_a_lease_is_for_one(store):
    with store.lease("pool", "abc") as mine:
        assert mine
        with store.lease("pool", "abc") as second, store.lease("pool", "other") as other:
            assert (second, other) == (False, True)
    with store.lease("pool", "abc") as again:
        assert again


def test_a_lease_is_freed_when_its_work_fails(store):
    with pytest.raises(ZeroDivisionError), store.lease("pool", "abc"):
        raise ZeroDivisionError
    with store.lease("pool", "abc") as again:
        assert again


HOLD = """
import sys
from winnow.store import Store
with Store(sys.argv[1]).lease("pool", "abc") as mine:
    print(mine, flush=True)
    sys.stdin.read()
"""


def test_a_lease_excludes_other_processes_and_dies_with_its_own(store):
    command = [sys.executable, "-c", HOLD, str(store.root)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "True\n"
        with store.lease("pool", "abc") as mine:
            assert not mine
        holder.send_signal(signal.SIGKILL)
        assert holder.wait() == -signal.SIGKILL
    with store.lease("pool", "abc") as mine:
        assert mine


def test_a_failed_write_leaves_the_old_content(tmp_path, monkeypatch):
    place = tmp_path / "deep" / "file.txt"
    write_atomic(place, "old")
    for call in ("fsync", "replace"):
        with monkeypatch.context() as patch, pytest.raises(OSError, match="no space"):
            patch.setattr(os, call, _full_disk)
            write_atomic(place, "new")
        assert place.read_text() == "old"
        assert [path.name for path in place.parent.iterdir()] == ["file.txt"]
    write_atomic(place, b"new")
    assert place.read_text() == "new"


def _full_disk(*args, **kwargs):
    raise OSError("no space left on device")


def test_json_comes_back_and_damage_is_named(tmp_path):
    place = tmp_path / "a.json"
    write_json(place, {"größe": [1, None, 2.5]})
    assert read_json(place) == {"größe": [1, None, 2.5]}
    assert "größe" in place.read_text(encoding="utf-8")
    place.write_text("{")
    for bad in (place, tmp_path / "none.json"):
        with pytest.raises(ArtifactError, match=rf"{bad.name} is missing or damaged"):
            read_json(bad)


trees = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None)
@given(tree=st.dictionaries(st.text(), trees, max_size=4))
def test_a_hash_does_not_depend_on_order_or_spelling(tree):
    assert hash_json(dict(reversed(tree.items()))) == hash_json(tree)
    assert hash_json(json.loads(json.dumps(tree, indent=3, ensure_ascii=False))) == hash_json(tree)


def test_different_values_have_different_hashes():
    values = [0, 0.5, "0", None, [], {}, [0], {"a": 0}, {"b": 0}, {"a": 1}, "ä", "a", [[0]], True]
    assert len({hash_json(value) for value in values}) == len(values)


def test_a_tree_of_files_is_hashed_by_path_and_content(tmp_path):
    for name in ("best/a.txt", "best/deep/b.txt", "log.txt", "other.txt"):
        write_atomic(tmp_path / name, name)
    found = hash_tree(tmp_path, ["best", "log.txt"])
    assert found == {name: hash_file(tmp_path / name) for name in ("best/a.txt", "best/deep/b.txt", "log.txt")}
    (tmp_path / "log.txt").write_text("changed")
    assert hash_tree(tmp_path, ["best", "log.txt"])["log.txt"] != found["log.txt"]
