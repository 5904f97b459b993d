"""Predictions of a study's runs, as its folder keeps them: `.predicted.json` while it runs, then among its records."""

import json
from contextlib import suppress
from pathlib import Path

from winnow.records import Prediction, from_json, to_json
from winnow.store import unsealed
from winnow.study_files import PREDICTIONS, STAGES, StudyFiles

PREDICTED = ".predicted.json"


def read_predictions(folder: Path) -> dict[str, Prediction]:
    """Arm -> what was predicted; the record of a finished run counts before what a running one has left."""
    found: dict[str, Prediction] = {}
    for name in (PREDICTED, PREDICTIONS):
        with suppress(OSError, ValueError, KeyError, TypeError):  # not there, or damaged: predicted anew, or not shown
            tree = unsealed(json.loads((folder / name).read_text(encoding="utf-8")))["arms"]
            found |= {arm: from_json(Prediction, each) for arm, each in tree.items()}
    return found


def trained_arms(folder: Path) -> set[str]:
    """Arms of which a run is finished already, so that nothing can be predicted of them any more."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        stages = json.loads((folder / STAGES).read_text(encoding="utf-8"))
        return {each["arm"] for each in stages if each["kind"] == "train" and each["arm"] is not None}
    return set()


def write_predictions(files: StudyFiles) -> None:
    """Bring what was predicted among the records, where anything was."""
    known = read_predictions(files.folder)
    if known:
        files.write_json(PREDICTIONS, {"arms": {arm: to_json(each) for arm, each in known.items()}})
