import os
import subprocess
import sys

import pytest

from winnow.sandbox.work_folder import BYTES_OF_A_NAME, fresh, remove, used_bytes


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
