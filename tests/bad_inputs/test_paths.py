"""Paths that give no rows (folders, pipes, devices, links to nothing): refused before anything opens them."""

import json
import os
import socket

import pytest

import winnow
from bad_inputs_support import assert_one_line, assert_refuses
from tests_support import SMALLEST
from winnow.pool import stages
from winnow.pool.file_types import read_file
from winnow.pool.sources import locate, read_rows
from winnow.recipe import SourceRecipe

LINES = '{"prompt": "a", "completion": "b"}\n' * 6


@pytest.fixture
def places(tmp_path, monkeypatch):
    """A folder of what is no data file, to stand in."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.jsonl").mkdir()
    os.mkfifo(tmp_path / "pipe.jsonl")
    (tmp_path / "loop.jsonl").symlink_to("loop.jsonl")
    (tmp_path / "dangling.jsonl").symlink_to("nothing")
    (tmp_path / "zero.jsonl").symlink_to("/dev/zero")
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind("socket.jsonl")
        yield tmp_path


PATHS = {
    "empty": ("", "is a folder"),
    "the root": ("/", "is a folder"),
    "here": (".", "is a folder"),
    "above": ("..", "is a folder"),
    "blank": (" ", "finds no file"),
    "a folder": ("folder.jsonl", "is a folder", "folder/*.jsonl"),
    "a named pipe": ("pipe.jsonl", "is a named pipe"),
    "a pipe in a pattern": ("p*.jsonl", "is a named pipe"),
    "a socket": ("socket.jsonl", "is a socket"),
    "a device": ("/dev/zero", "is a device"),
    "a link to a device": ("zero.jsonl", "is a device"),
    "a link to itself": ("loop.jsonl", "symbolic links"),
    "a link to nothing": ("dangling.jsonl", "is a link to nothing"),
    "a link to nothing in a pattern": ("d*.jsonl", "is a link to nothing"),
    "nobody's home": ("~nobody-of-that-name/rows.jsonl", "home directory"),
    "a pattern that is none": ("a**b/*", "Invalid pattern"),
    "stars": ("***", "Invalid pattern"),
    "a long name": ("x" * 300 + ".jsonl", "too long"),
    "a long path": ("a/" * 3000 + "rows.jsonl", "source 'mine'"),
    "a NUL": ("a\0b.jsonl", "a\\x00b.jsonl"),
    "half of a character": ("a\ud800.jsonl", "a\\ud800.jsonl"),
    "an escape code": ("\x1b[31mred.jsonl", "\\x1b[31mred.jsonl"),
    "a line break": ("two\nlines.jsonl", "finds no file"),
    "nothing there": ("no/rows.jsonl", "finds no file"),
    "a pattern of nothing": ("no/*.jsonl", "finds no file"),
    "folders alone": ("folder*", "finds no file"),
    "a hub without a name": ("hf://", "names no data set"),
    "a hub folder that is not there": ("hf://./nothing", "finds no folder"),
    "a name of no type": ("/etc/passwd", "no known type"),
}


@pytest.mark.parametrize("case", PATHS)
def test_a_path_that_gives_no_rows_is_one_line(places, case):
    path, *said = PATHS[case]
    source = SourceRecipe.model_construct(name="mine", licence="MIT", path=path, format="gsm8k")
    assert_refuses(lambda: (locate(source), list(read_rows(source))), *said)
    said = [word.replace("source 'mine'", "dataset") for word in said]
    assert_refuses(lambda: winnow.select(path, selector="random", size=1), *said)


@pytest.mark.parametrize("name", ["folder", "pipe", "socket", "zero", "loop", "dangling", "nothing", "a\0b", "x" * 300])
def test_a_path_that_gives_no_runs_is_one_line(places, name):
    assert_refuses(lambda: winnow.compare(f"{name}.jsonl", baseline="full"), ".jsonl")


def test_a_file_that_nobody_may_read_is_named(tmp_path, monkeypatch):
    (path := tmp_path / "rows.jsonl").write_text(LINES)

    def refuse(self, *args, **options):
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(type(path), "open", refuse)
    assert_refuses(lambda: list(read_file(path)), "rows.jsonl cannot be read: Permission denied")


def test_a_file_that_changes_while_it_is_read_is_named(tmp_path):
    (path := tmp_path / "rows.jsonl").write_text(LINES)
    rows = read_file(path)
    next(rows)
    path.write_text(LINES + LINES)
    assert_refuses(lambda: list(rows), "rows.jsonl changed while it was read")


# -------------------------------------------------------------------------------------------- through a recipe

PROBLEM = {"question": "Tom has 1 egg and gets 2. How many?", "answer": "1 + 2 = 3\n#### 3"}
RECIPE = f"""
extends: {SMALLEST}
pool: {{sources: [{{name: mine, path: rows.jsonl, format: gsm8k, licence: MIT}}], target: null}}
evaluation: {{sets: [{{name: test, path: test.jsonl, format: gsm8k, licence: MIT}}]}}
"""


@pytest.mark.parametrize("path", ["rows.jsonl", "test.jsonl", "pipe.jsonl", ""])
def test_the_command_says_it_in_one_line(tmp_path, monkeypatch, command, path):
    monkeypatch.chdir(tmp_path)
    for name in ("rows.jsonl", "test.jsonl"):
        odd = {"question": "\ud83d", "answer": "#### 1"} if name == path else PROBLEM
        (tmp_path / name).write_text(json.dumps(PROBLEM) + "\n" + json.dumps(odd) + "\n")
    os.mkfifo("pipe.jsonl")
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    more = [] if path in ("rows.jsonl", "test.jsonl") else ["--set", f"evaluation.sets.0.path={path or '.'}"]
    code, _, err = command("pool", "recipe.yaml", "--out", "out", "--store", "out/store", *more)
    said = {"pipe.jsonl": "is a named pipe", "": "is a folder"}.get(path, f"{path}, line 2, holds half of a character")
    assert_one_line(code, err, said, folder=tmp_path / "out")


def test_files_that_change_after_they_were_hashed_leave_no_artifact(tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    for name in ("rows.jsonl", "test.jsonl"):
        (tmp_path / name).write_text(json.dumps(PROBLEM) + "\n")
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    write = stages.tests_statistics

    def change(*given):
        (tmp_path / "test.jsonl").write_text(json.dumps(PROBLEM | {"answer": "#### 4"}) + "\n")
        return write(*given)

    monkeypatch.setattr(stages, "tests_statistics", change)
    code, _, err = command("pool", "recipe.yaml", "--out", "out", "--store", "store")
    assert_one_line(code, err, "files that tests reads changed while it was made")
    assert not [
        path for path in (tmp_path / "store" / "tests").iterdir() if path.is_dir() and path.suffix != ".partial"
    ]
