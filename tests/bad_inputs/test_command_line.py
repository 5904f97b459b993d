"""Bad options, places and machines at the command line: one line that names the file, exit code 1, nothing left."""

import errno
import io
import os
import shutil
import sys
from pathlib import Path

import pytest

from bad_inputs_support import assert_mistakes, assert_one_line
from tests_support import SMALLEST
from winnow.cli import main as cli
from winnow.cli import studies
from winnow.cli.system_errors import told
from winnow.errors import RecipeError
from winnow.pipeline import store_beside, study_folder
from winnow.recipe.file import load_recipe

LETTERS = "a" * 300


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with a file, links that lead nowhere, and a recipe."""
    monkeypatch.chdir(tmp_path)
    Path("FILE").write_text("x")
    Path("loop").symlink_to("loop")
    Path("dangling").symlink_to("nowhere/x")
    Path("recipe.yaml").write_text(SMALLEST.read_text())
    Path("store").mkdir()
    Path("store/train").write_text("x")
    return tmp_path


# ------------------------------------------------------------------------------------------ where things go

PLACES = {
    "out-file": (["--out", "FILE"], "FILE is a file, not a folder"),
    "out-below-a-file": (["--out", "FILE/x/y"], "FILE is a file, not a folder"),
    "out-below-a-device": (["--out", "/dev/null/x"], "/dev/null is a file, not a folder"),
    "out-loop": (["--out", "loop"], "loop is a link to nothing"),
    "out-below-a-loop": (["--out", "loop/x"], "loop"),
    "out-dangling": (["--out", "dangling"], "dangling is a link to nothing"),
    "out-below-dangling": (["--out", "dangling/x"], "dangling is a link to nothing"),
    "out-long": (["--out", LETTERS], "File name too long"),
    "out-very-long": (["--out", "a/" * 3000], "File name too long"),
    "store-file": (["--store", "FILE"], "FILE is a file, not a folder"),
    "store-below-a-file": (["--store", "FILE/x"], "FILE is a file, not a folder"),
    "store-device": (["--store", "/dev/null"], "/dev/null is a file, not a folder"),
    "store-loop": (["--store", "loop"], "loop is a link to nothing"),
    "store-dangling": (["--store", "dangling"], "dangling is a link to nothing"),
    "store-long": (["--store", LETTERS], "File name too long"),
    "store-kind": (["--store", "store"], "store/train is a file, not a folder"),
}


@pytest.mark.parametrize("verb", [["plan"], ["run", "--dry-run"], ["run"]], ids=" ".join)
@pytest.mark.parametrize("case", PLACES.values(), ids=PLACES)
def test_a_place_that_is_none_is_one_line_before_anything_is_made(case, verb, place, command):
    options, *said = case
    before = sorted(place.rglob("*"))
    code, _, err = command(verb[0], "recipe.yaml", *verb[1:], *options)
    assert_one_line(code, err, *said, folder=place)
    assert sorted(place.rglob("*")) == before


@pytest.mark.parametrize("verb", ["pool", "select", "train", "evaluate"])
@pytest.mark.parametrize("option", ["--out", "--store"])
def test_every_verb_looks_where_it_writes(verb, option, place, command):
    code, _, err = command(verb, "recipe.yaml", option, "FILE")
    assert_one_line(code, err, "FILE is a file, not a folder", folder=place)


RECIPES = {
    "long": ("a" * 6000, "longer than"),
    "long-name": (LETTERS, "longer than"),
    "device": ("/dev/zero", "/dev/zero is not a file"),
    "folder": (".", "is not a file"),
    "loop": ("loop", "loop is not a file"),
    "dangling": ("dangling", "dangling is not a file"),
    "below-a-file": ("FILE/x.yaml", "is not a file"),
    "escape": ("a\x1b[31m.yaml", "a\\x1b[31m.yaml is not a file"),
    "newline": ("a\nb.yaml", "is not a file"),
    "text": ("FILE", "holds a str"),
}


@pytest.mark.parametrize("verb", ["plan", "run", "select", "generate"])
@pytest.mark.parametrize("case", RECIPES.values(), ids=RECIPES)
def test_a_recipe_that_is_none_is_one_line(case, verb, place, command):
    path, *said = case
    code, _, err = command(verb, path)
    assert_one_line(code, err, *said, folder=place)


@pytest.mark.parametrize("name", [
    "../../x", "x", "a/b/c", "/a/b", "a/", "/b", "a b/c", "a/b\n", "é/x", "", " ", "https://h.co/a/b", f"a/{LETTERS}",
])  # fmt: skip
def test_a_repository_that_is_none_is_one_line_before_anything_is_built(name, place, command):
    code, _, err = command("publish", "nowhere", "--repo", name)
    assert_one_line(code, err, "--repo is", "USER/NAME", folder=place)


@pytest.mark.parametrize(("option", "value"), [
    ("--seed", "x"), ("--seed", "1.5"), ("--workers", "0"), ("--workers", "-1"), ("--nonsense", "5"), ("--arm", None),
])  # fmt: skip
def test_options_that_are_none_are_errors_of_usage(option, value, place, command):
    code, out, err = command("run", "recipe.yaml", option, *([value] if value else []))
    assert (code, out) == (2, "")
    assert "Traceback" not in err
    assert not (place / "runs").exists()


@pytest.mark.parametrize(("options", "said"), [
    (["--arm", "hering_0.25"], "did you mean 'herding_0.25'?"),
    (["--arm", "a\nb"], "is no arm"),
    (["--seed", "7"], "--seed 7 is not in study.seeds"),
])  # fmt: skip
def test_arms_and_seeds_that_a_study_lacks_are_named(options, said, place, command):
    for verb in ("train", "run"):
        code, _, err = command(verb, "recipe.yaml", *options, "--workers", "1") if verb == "run" else command(
            verb, "recipe.yaml", *options)  # fmt: skip
        assert_one_line(code, err, said, folder=place)


def test_several_mistakes_have_a_line_each(place, command):
    bad = ("--set", "training.threads=true", "--set", "study.seeds=[0, 0.5]", "--set", "budgt=5")
    said = "training.threads is true", "study.seeds[1] is 0.5", "unknown key budgt (did you mean 'budget'?)"
    for verb in (["plan"], ["run", "--dry-run"], ["run"], ["train"]):
        code, _, err = command(verb[0], "recipe.yaml", *verb[1:], *bad)
        assert_mistakes(code, err, *said, folder=place)
        assert "in recipe recipe.yaml:" in err
    late = ("--set", "study.primary={arm: full, aggregate: nope}", "--set", "pool.target={per_source: {markt: 5}}")
    for verb in (["plan"], ["run", "--dry-run"], ["run"], ["train"]):
        code, _, err = command(verb[0], "recipe.yaml", *verb[1:], *late)
        assert_mistakes(code, err, "compares 'full' with itself", "'nope'", "'market'", folder=place)
    both = ("--set", "training.threads=true", "--set", "budget.tokens=x", "--set", "study.primary.aggregate=nope")
    code, _, err = command("plan", "recipe.yaml", *both)
    assert_mistakes(code, err, "training.threads is true", "budget.tokens is 'x'", "aggregate is 'nope'", folder=place)
    assert not (place / "runs").exists()


def test_a_dry_run_and_a_run_say_what_is_missing_here(place, command, monkeypatch):
    monkeypatch.delenv("NO_SUCH_KEY", raising=False)
    teacher = "{kind: endpoint, url: 'http://localhost:1/v1', model: m, api_key_variable: NO_SUCH_KEY}"
    source = f"pool.sources.0={{name: market, licence: x, synthetic: {{examples: 5, teacher: {teacher}}}}}"
    for verb in (["run", "--dry-run"], ["run"], ["generate"], ["pool"]):
        code, _, err = command(verb[0], "recipe.yaml", *verb[1:], "--set", source)
        assert_one_line(code, err, "the environment has no NO_SUCH_KEY", folder=place)


@pytest.mark.parametrize("override", [
    "training.lora.target_modules=[q_proj]",
    "stages=[{name: s, budget: {examples: 5}, training: {method: lora, lora: {target_modules: [q_proj]}}}]",
])  # fmt: skip
@pytest.mark.slow
def test_modules_that_a_model_lacks_are_told_before_the_first_stage(override, place, command):
    for verb in (["run", "--dry-run"], ["run"], ["train"]):
        code, _, err = command(verb[0], "recipe.yaml", *verb[1:], "--set", override)
        assert_one_line(code, err, "target_modules is ['q_proj']; this model has c_attn", folder=place)
    assert list(place.rglob("record.json")) == []


@pytest.mark.slow
def test_a_plan_tells_what_has_no_effect(place, command):
    code, out, _ = command(
        "plan", "recipe.yaml", "--set", "training={method: full, lora: {r: 4, target_modules: [c_attn]}}", "--set",
        "pool.max_tokens=512", "--set", "base.pretrain.architecture.n_positions=64",
    )  # fmt: skip
    assert code == 0
    assert "warning: training.lora has no effect: training.method is full" in out
    assert "tokens, the model takes 64: training will refuse it" in out


# ------------------------------------------------------------------------------------- the operating system


def _listed(*rows):
    return shutil.Error([("from", f"to/{name}", f"[Errno {number}] {os.strerror(number)}: 'to/{name}'")
                         for name, number in rows])  # fmt: skip


def _caused(outer, inner):
    outer.__cause__ = inner
    return outer


ERRORS = {
    "full": (OSError(errno.ENOSPC, "", "/data/x"), "No space left on device: /data/x", "make room"),
    "quota": (OSError(errno.EDQUOT, "", "/data/x"), "Disk quota exceeded: /data/x", "make room"),
    "large": (OSError(errno.EFBIG, "", "/data/x"), "File too large: /data/x", "another --out"),
    "denied": (PermissionError(errno.EACCES, "", "/data/x"), "Permission denied: /data/x", "permissions"),
    "not-permitted": (PermissionError(errno.EPERM, "", "/data/x"), "/data/x", "permissions"),
    "read-only": (OSError(errno.EROFS, "", "/data/x"), "Read-only file system: /data/x", "another --out"),
    "open-files": (OSError(errno.EMFILE, "", "/data/x"), "Too many open files: /data/x", "ulimit -n"),
    "system-files": (OSError(errno.ENFILE, ""), "Too many open files in system", "limit"),
    "no-folder": (NotADirectoryError(errno.ENOTDIR, "", "/data/x"), "Not a directory: /data/x", "another --out"),
    "a-folder": (IsADirectoryError(errno.EISDIR, "", "/data/x"), "Is a directory: /data/x", "another --out"),
    "exists": (FileExistsError(errno.EEXIST, "", "/data/x"), "File exists: /data/x", "another --out"),
    "not-empty": (OSError(errno.ENOTEMPTY, "", "/a", None, "/b"), "Directory not empty: /a -> /b", "another --out"),
    "gone": (FileNotFoundError(errno.ENOENT, "", "/data/x"), "No such file or directory: /data/x", "another --out"),
    "loop": (OSError(errno.ELOOP, "", "/data/x"), "Too many levels of symbolic links: /data/x", "another --out"),
    "long": (OSError(errno.ENAMETOOLONG, "", LETTERS * 20), "File name too long: aaa", "shorter"),
    "disk": (OSError(errno.EIO, "", "/data/x"), "Input/output error: /data/x", "check the disk"),
    "stale": (OSError(errno.ESTALE, "", "/data/x"), "Stale file handle: /data/x", "mount"),
    "memory": (OSError(errno.ENOMEM, ""), "Cannot allocate memory", "memory"),
    "across": (OSError(errno.EXDEV, "", "/a", None, "/b"), "/a -> /b", "another --out"),
    "refused": (ConnectionRefusedError(errno.ECONNREFUSED, ""), "Connection refused", "run the same command again"),
    "bytes": (OSError(errno.ENOSPC, "", b"/data/\xff"), "No space left on device: /data/"),
    "descriptor": (OSError(errno.EBADF, "", 5), "Bad file descriptor", "run the same command again"),
    "escape": (OSError(errno.ENOSPC, "", "/data/\x1b[31m\n"), "/data/\\x1b[31m"),
    "unknown": (OSError(9999, "odd", "/data/x"), "odd: /data/x"),
    "words": (OSError("cannot open the file\nat all"), "cannot open the file"),
    "nothing": (OSError(), "OSError"),
    "copy-full": (_listed(("a", errno.ENOSPC), ("b", errno.ENOSPC)), "No space left on device: to/a", "make room"),
    "copy-denied": (_listed(("a", errno.EACCES)), "Permission denied: to/a", "permissions"),
    "copy-odd": (shutil.Error("'a' and 'a' are the same file"), "are the same file"),
    "copy-empty": (shutil.Error([]), ""),
    "cause": (_caused(OSError("cannot be written"), OSError(errno.ENOSPC, "", "/data/x")), "No space", "/data/x"),
    "of-another": (_caused(shutil.Error("x"), _caused(ValueError("y"), OSError(errno.EROFS, "", "/z"))), "Read-only"),
}  # fmt: skip


@pytest.mark.parametrize("case", ERRORS.values(), ids=ERRORS)
def test_an_error_of_the_system_is_one_line(case, command, monkeypatch):
    error, *said = case
    monkeypatch.setattr(studies, "load", lambda *given: _raise(error))
    code, _, err = command("plan", "recipe.yaml")
    assert_one_line(code, err, *said, "; ")
    assert told(error)


def test_a_full_disk_while_the_study_is_copied_is_one_line(place, command, monkeypatch):
    monkeypatch.setattr(studies, "load", lambda *given: shutil.copytree("store", "copy", copy_function=_full))
    code, _, err = command("plan", "recipe.yaml")
    assert_one_line(code, err, "No space left on device: copy/train; make room")


def test_the_traceback_is_shown_to_who_asks(monkeypatch, capsys):
    error = OSError(errno.ENOSPC, "", "/data/x")
    monkeypatch.setattr(studies, "load", lambda *given: _raise(error))
    monkeypatch.setattr(sys, "argv", ["winnow", "plan", "x.yaml", "--debug"])
    with pytest.raises(OSError, match="/data/x"):
        cli.main()


def _raise(error):
    raise error


def _full(source, target):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), target)


# ------------------------------------------------------------------------------------------------ terminals


def test_a_reader_that_goes_away_is_no_error(monkeypatch, tmp_path):
    """What is left of the output goes nowhere, and no second error is raised when the process ends."""
    read, write = os.pipe()
    with os.fdopen(write, "w") as pipe:
        monkeypatch.setattr(sys, "stdout", pipe)
        os.close(read)
        print("nobody reads this")
        cli._flush()


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252"])
def test_a_terminal_without_a_character_gets_it_spelled_out(encoding, monkeypatch):
    bytes_out = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(bytes_out, encoding=encoding))
    cli._let_terminals_print_all()
    print("算 \ud800")
    sys.stdout.flush()
    assert bytes_out.getvalue() == b"\\u7b97 \\ud800\n"


def test_places_are_checked_for_the_python_interface_too(place):
    recipe = load_recipe("recipe.yaml")
    with pytest.raises(RecipeError, match="FILE is a file"):
        study_folder(recipe, "FILE/x")
    with pytest.raises(RecipeError, match="FILE is a file"):
        store_beside(recipe, None, "FILE")
    assert store_beside(recipe, "runs/x", None).root == Path("runs/.store")
