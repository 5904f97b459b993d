"""What a run that is still training has come to, read from the folder it works in. Imports no torch."""

import json
from contextlib import suppress
from pathlib import Path

from winnow.records import Cost
from winnow.training.tally import Journal, Tally

COUNTS = "checkpoints/step_*/counts.json"
"""Where checkpoints keep the run's counts, below its folder; names of steps sort as the steps do."""


def tally_so_far(folder: Path) -> Tally | None:
    """The tally of the newest checkpoint that can be read; None before the first one."""
    for place in sorted(folder.glob(COUNTS), reverse=True):
        with suppress(OSError, ValueError, TypeError, KeyError):  # it may be removed, or be another version's
            return Tally.from_json(json.loads(place.read_text(encoding="utf-8")))
    return None


def spent_so_far(folder: Path) -> Cost:
    """All that the run has spent, evaluation and wasted work included, up to its last step."""
    journal = Journal(folder)
    return journal.reached() + journal.wasted()
