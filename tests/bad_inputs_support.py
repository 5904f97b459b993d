"""What every bad input must give: one clear line, exit code 1, nothing half-written.

code, out, err = winnow(monkeypatch, capsys, "plan", path)
assert_one_line(code, err, "budget.pool_epochs is 0", "above 0", folder=tmp_path)
assert_mistakes(code, err, "training.threads is 0", "study.seeds[0] is -1", folder=tmp_path)   # a line for each
assert_refuses(lambda: winnow.select(rows, fraction="x"), "fraction is 'x'", "(0, 1]", folder=tmp_path)
"""

import signal
import sys

import pytest

from winnow.cli import main as cli
from winnow.errors import WinnowError


def winnow(monkeypatch, capsys, *arguments):
    """Run the command in this process; gives back exit code, standard output and standard error."""
    monkeypatch.setattr(sys, "argv", ["winnow", *map(str, arguments)])
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with pytest.raises(SystemExit) as left:
            cli.main()
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    out, err = capsys.readouterr()
    return left.value.code or 0, out, err


def assert_one_line(code, err, *said, folder=None):
    """The command left with code 1 and one line that says these words; `folder` holds nothing half-written."""
    lines = err.strip().splitlines()
    assert code == 1, (code, err)
    assert [line for line in lines if line.startswith("winnow: ")] == lines[-1:], err
    assert "Traceback" not in err
    _assert_says(lines[-1].removeprefix("winnow: "), said)
    assert_nothing_half_written(folder)


def assert_mistakes(code, err, *said, folder=None):
    """The command left with code 1, told how many mistakes there are, and each of these words in a line of its own."""
    head, *lines = err[err.index("winnow: ") :].rstrip("\n").splitlines()
    assert code == 1, (code, err)
    assert head.startswith(f"winnow: {len(lines)} mistakes in "), err
    assert len(lines) == len(said) > 1, err
    for line, word in zip(lines, said, strict=True):
        assert line.startswith("  "), line
        _assert_says(line.removeprefix("  "), [word])
    assert "Traceback" not in err
    assert_nothing_half_written(folder)


def assert_refuses(call, *said, folder=None):
    """The call raises one of winnow's own errors, whose one line says these words."""
    with pytest.raises(WinnowError) as raised:
        call()
    message = str(raised.value)
    assert "\n" not in message.strip(), message
    _assert_says(message, said)
    assert_nothing_half_written(folder)


def assert_nothing_half_written(folder):
    """No temporary file or folder is left, and no artifact without its record."""
    if folder is None or not folder.is_dir():
        return
    assert [str(path) for path in folder.rglob("*.partial") if not path.is_dir() or any(path.iterdir())] == []


def _assert_says(message, said):
    for word in said:
        assert word in message, (word, message)
    assert message.isprintable(), repr(message)
    assert len(message) <= 1000, f"{len(message)} characters: {message[:200]}"
