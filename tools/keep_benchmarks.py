"""Keep what the benchmarks print: `python tools/keep_benchmarks.py [bench_herding ...]` runs them, all or those named.

Writes docs/performance.md after each: the sections of the others stay as they are.
"""

import os
import platform
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "performance.md"
HEAD = """# Speed

Written by `python tools/keep_benchmarks.py`, which runs `benchmarks/` and keeps what they print; `make bench` prints
the same. Each ratio is of CPU time, both sides taken in turn in one process, on a machine that other work shares:
ratios can be compared, seconds cannot. Nothing here ran on a GPU: `benchmarks/gpu_training.py` is for whoever has one.
"""


def main(names: list[str]) -> None:
    """Run the benchmarks and write their sections."""
    files = sorted((ROOT / "benchmarks").glob("bench_*.py"))
    for file in files:
        if not names or file.stem in names:
            made = section(file)
            known = sections(PAGE.read_text(encoding="utf-8")) if PAGE.is_file() else {}
            known[file.stem] = made
            kept = "\n".join(known[file.stem] for file in files if file.stem in known)
            PAGE.write_text(f"{HEAD}\n{kept}", encoding="utf-8")


def sections(page: str) -> dict[str, str]:
    """Benchmark -> its section of the page."""
    parts = re.split(r"^## ", page, flags=re.MULTILINE)[1:]
    return {part.split("\n", 1)[0].strip("`"): f"## {part.rstrip()}\n" for part in parts}


def section(file: Path) -> str:
    """What a benchmark says of itself and what it printed, where and when. Ends the program where it fails."""
    made = subprocess.run([sys.executable, str(file)], capture_output=True, text=True, check=False)
    if made.returncode:
        sys.exit(f"{file.name} failed:\n{made.stderr[-2000:]}")
    claim = file.read_text(encoding="utf-8").split('"""')[1].strip()
    return f"## `{file.stem}`\n\n{claim}\n\n```\n{made.stdout.rstrip()}\n```\n\n{origin()}\n"


def origin() -> str:
    """Revision, machine and versions, in a line."""
    revision = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    model = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), flags=re.MULTILINE)
    machine = f"{os.cpu_count()} x {model[1] if model else platform.machine()}"
    made_with = f"torch {version('torch')}, Python {platform.python_version()}"
    return f"Revision {revision.stdout.strip()}; {machine}; {made_with}."


if __name__ == "__main__":
    main(sys.argv[1:])
