"""What commands cost that have nothing to compute: CPU seconds of a process, user and system, the best of three.

    python benchmarks/bench_startup.py                    # makes the smallest study first: half a minute
    python benchmarks/bench_startup.py --study runs/s --recipe recipes/smallest.yaml

`plan`, `run` and `report` are of a study that is finished.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

TIMES = 3
LIMITS = {"--help": 0.5, "select --list": 0.8, "plan": 3.0, "run": 3.0, "report": 4.0}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--study", type=Path, help="Folder of a finished study; made anew without.")
    parser.add_argument("--recipe", default=str(Path(__file__).parents[1] / "recipes" / "smallest.yaml"))
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        study = asked.study or Path(folder) / "study"
        commands = {
            "--help": ["--help"],
            "select --list": ["select", "--list"],
            "plan": ["plan", asked.recipe, "--out", str(study)],
            "run": ["run", asked.recipe, "--out", str(study)],
            "report": ["report", str(study)],
        }
        if asked.study is None:
            seconds(commands["run"])
        for name in ("run", "plan", "report"):
            seconds(commands[name])  # whatever they leave behind for the next time
        for name, limit in LIMITS.items():
            spent = min(seconds(commands[name]) for _ in range(TIMES))
            print(f"{name:<14}{spent:6.2f} CPU-seconds, at most {limit:g}{'' if spent <= limit else '  ABOVE'}")


def seconds(arguments: list[str]) -> float:
    """CPU time of a command and of all that it starts. Raises CalledProcessError where it fails."""
    before = os.times()
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, "-m", "winnow", *arguments], check=True, capture_output=True, env=environment)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


if __name__ == "__main__":
    main()
