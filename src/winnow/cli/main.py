"""The command line: a thin coat over library calls.

Results go to standard output (`--json` for machines), progress to standard error. Whatever a user can mend is one line
and exit code 1 (2 for usage); `--debug` shows the traceback. Heavy imports stand inside the commands, so that
`winnow --help` is instant.
"""

import io
import os
import signal
import sys

from winnow import stopping
from winnow.cli import results, starting, studies, trained  # noqa: F401  they register their commands
from winnow.cli.habits import as_meant, hint
from winnow.cli.shared import app
from winnow.cli.system_errors import told
from winnow.errors import WinnowError, one_line


class Interrupted(BaseException):
    """Ctrl-C. Not a KeyboardInterrupt, which typer would turn into an exit without a word."""


def _interrupt(number: int, frame: object) -> None:
    raise Interrupted


def main() -> None:
    """Run the command line; the edge where errors become one line."""
    signal.signal(signal.SIGINT, _interrupt)
    stopping.listen()
    debug = "--debug" in sys.argv
    verbs = {command.name or command.callback.__name__ for command in app.registered_commands if command.callback}
    arguments = as_meant([word for word in sys.argv[1:] if word != "--debug"], verbs)
    from winnow.quiet import quiet_libraries

    quiet_libraries()
    _let_terminals_print_all()
    if (wrong := hint(arguments, verbs)) is not None:
        print(f"winnow: {wrong}", file=sys.stderr)
        sys.exit(2)
    try:
        try:
            app(arguments, standalone_mode=True)
        finally:
            _flush()
    except WinnowError as error:
        _leave(error.lines, error.exit_code, debug)
    except Interrupted:
        _leave(("stopped; run the same command again to go on from the last checkpoint",), 1, debug)
    except stopping.Stopped:
        _leave(("asked to stop; run the same command again to go on from here",), stopping.EXIT_CODE, debug)
    except OSError as error:
        _leave((one_line(told(error)),), 1, debug)


def _let_terminals_print_all() -> None:
    """Characters that a terminal's encoding lacks are spelled out, not a reason to fail after all is done."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _flush() -> None:
    """Print what is left, quietly where nobody reads on (`winnow ... | head`)."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _leave(lines: tuple[str, ...], code: int, debug: bool) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if debug:
        raise  # noqa: PLE0704  called while an exception is being handled
    print("\n".join(["winnow: " + lines[0], *lines[1:]]), file=sys.stderr)
    sys.exit(code)
