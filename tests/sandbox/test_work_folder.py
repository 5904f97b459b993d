import os
import subprocess
import sys
import tempfile

import pytest

from winnow.sandbox.work_folder import BYTES_OF_A_NAME, clear_leftovers, fresh, make_scratch, remove, used_bytes


def test_a_folder_is_empty_and_then_gone(tmp_path):
    with fresh(tmp_path, 1 << 20, mounted=False) as folder:
        assert list(folder.iterdir()) == []
        (folder / "file").write_text("x")
    assert list(tmp_path.iterdir()) == []


def test_files_names_and_folders_are_counted(tmp_path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "file").write_bytes(os.urandom(10_000))
    (tmp_path / "link").symlink_to("/")
    assert 10_000 + 3 * BYTES_OF_A_NAME <= used_bytes(tmp_path, 1 << 30) < 40_000
    assert used_bytes(tmp_path, 1) > 1


def deep(folder):
    """Folders deeper than any path, made as a program makes them."""
    code = "import os\nfor _ in range(2100):\n    os.mkdir('d')\n    os.chdir('d')\nopen('file', 'w').write('x')"
    subprocess.run([sys.executable, "-c", code], cwd=folder, check=True)


@pytest.mark.slow
def test_what_lies_too_deep_to_look_at_is_too_much(tmp_path):
    work = tmp_path / "work"
    work.mkdir()
    deep(work)
    assert used_bytes(work, 1 << 30) == (1 << 30) + 1
    remove(work)
    assert not work.exists()


@pytest.mark.skipif(os.getuid() == 0, reason="root looks into locked folders too")
def test_what_is_locked_is_too_much(tmp_path):
    work = tmp_path / "work"
    (work / "locked").mkdir(parents=True)
    (work / "locked").chmod(0)
    assert used_bytes(work, 1 << 30) == (1 << 30) + 1
    remove(work)
    assert not work.exists()


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_leftovers_are_cleared_and_nothing_else(temporary):
    held, lock = make_scratch()
    left, other = make_scratch()
    (left / "work" / "deep").mkdir(parents=True)
    (left / "work").chmod(0)
    os.close(other)
    (temporary / "aim").mkdir()
    (temporary / "winnow-sandbox-1-link").symlink_to(temporary / "aim")
    for name in ("winnow-sandbox-abcdefgh", "winnow-sandbox-", "winnow-sandbox-1-x.bak", "mine"):
        (temporary / name).mkdir()
    (temporary / "winnow-sandbox-2-file").write_text("x")
    before = {path.name for path in temporary.iterdir()}
    clear_leftovers()
    assert {path.name for path in temporary.iterdir()} == before - {left.name}
    os.close(lock)
    clear_leftovers()
    assert not held.exists()


def test_a_folder_has_its_name_only_once_it_is_locked(temporary, monkeypatch):
    def lock(descriptor, how):
        assert [path.name.startswith("winnow-starting-") for path in temporary.iterdir()] == [True]
        clear_leftovers_seen.append(len(list(temporary.iterdir())))

    clear_leftovers_seen = []
    monkeypatch.setattr("winnow.sandbox.work_folder.fcntl.flock", lock)
    folder, descriptor = make_scratch()
    os.close(descriptor)
    assert clear_leftovers_seen == [1]
    assert folder.is_dir()
