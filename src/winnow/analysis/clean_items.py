"""Scores on the evaluation items that no source of the pool holds, beside those on all items.

`records/items/contamination.parquet`, which a study with `pool.hygiene` has, says of each item whether it is clean. An
item that it does not name was not checked, and counts as clean nowhere.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from winnow.analysis.item_records import items_of, zero_shot_items
from winnow.analysis.items import ItemScores, parts_of
from winnow.analysis.study_folder import Study
from winnow.analysis.tables import with_bounds, within_unit
from winnow.columns import read_columns
from winnow.errors import ArtifactError
from winnow.findings import ArmFacts, Table
from winnow.metrics import ALWAYS
from winnow.records import ZERO_SHOT
from winnow.study_files import CHECKPOINTS

Row = dict[str, Any]
Items = Mapping[tuple[str, str], bool]
"""Set and id -> whether the item is clean."""
NOTE = (
    "Clean: no source of the pool holds the item, before anything was dropped; an item that nobody checked is not "
    "counted. Mean over seeds with its interval (a share's is cut to 0 to 100 %). Differences: clean less all, paired "
    "over seeds; clean items may be harder or easier in themselves, so that a difference alone shows no contamination. "
    "Micro: over items; macro: over sets, empty where a set has no clean item."
)


def evaluation_clean(study: Study, arms: Sequence[ArmFacts]) -> Table | None:
    """Loss and exact match per evaluation set over all and over clean items; None without a contamination report."""
    clean = clean_items(study)
    if clean is None:
        return None
    places = [(ZERO_SHOT, "start"), *((arm.name, kind) for arm in arms for kind in CHECKPOINTS)]
    confidence = study.recipe.study.confidence
    rows = [
        {"arm": arm, "checkpoint": checkpoint} | row
        for arm, checkpoint in places
        for loss, match in [[_runs(study, arm, checkpoint, metric) for metric in ALWAYS]]
        for row in _rows(loss, match, clean, confidence)
    ]
    return Table("evaluation_clean", "Evaluation on clean items", tuple(rows), NOTE)


def _runs(study: Study, arm: str, checkpoint: str, metric: str) -> list[ItemScores]:
    """The items of each seed, in order; of the untrained model its own."""
    found = zero_shot_items(study, metric) if arm == ZERO_SHOT else items_of(study, arm, checkpoint, metric)
    return [found[seed] for seed in sorted(found)]


def clean_items(study: Study) -> Items | None:
    """Whether each checked item is clean; None without a report. Raises ArtifactError where it is damaged."""
    report = _read_report(study)
    return None if report is None else {(row["set"], row["id"]): row["is_clean"] for row in report.to_pylist()}


def clean_questions(study: Study) -> dict[str, bool] | None:
    """Hash of each checked question -> whether all items that ask it are clean; None where no report names questions.

    Raises ArtifactError where the report is damaged.
    """
    report = _read_report(study)
    if report is None or "question_hash" not in report.column_names:
        return None
    found: dict[str, bool] = {}
    for row in report.select(["question_hash", "is_clean"]).to_pylist():
        found[row["question_hash"]] = row["is_clean"] and found.get(row["question_hash"], True)
    return found


def _read_report(study: Study) -> pa.Table | None:
    path: Path = study.folder / "records" / "items" / "contamination.parquet"
    if not path.is_file():
        return None
    try:
        report = read_columns(path)
        report.select(["set", "id", "is_clean"])
    except (OSError, ValueError, KeyError) as error:
        raise ArtifactError(f"{path} is damaged ({str(error).splitlines()[0]}); run the study again") from error
    return report


def _rows(runs: Sequence[ItemScores], matched: Sequence[ItemScores], clean: Items, confidence: float) -> Iterator[Row]:
    """A row for each evaluation set and each average, of the items' losses and of their exact matches."""
    kept, right = ([run.where(_is_clean(run, clean)) for run in each] for each in (runs, matched))
    for name in (*dict.fromkeys(runs[0].sets.tolist()), "micro", "macro") if runs else ():
        loss, clean_loss = ([_level(run, name, runs[0]) for run in each] for each in (runs, kept))
        match, clean_match = ([_level(run, name, matched[0]) for run in each] for each in (matched, right))
        matches = {"exact_match": match, "clean_exact_match": clean_match}
        bounded = [within_unit(with_bounds(key, values, confidence), key) for key, values in matches.items()]
        yield {
            "set": name, "items": _count(runs[0], name), "clean_items": _count(kept[0], name), "seeds": len(runs),
            **with_bounds("loss", loss, confidence), **with_bounds("clean_loss", clean_loss, confidence),
            **with_bounds("loss_difference", _gaps(clean_loss, loss), confidence),
            **bounded[0], **bounded[1],
            **with_bounds("exact_match_difference_points", _gaps(clean_match, match, scale=100), confidence),
        }  # fmt: skip


def _is_clean(run: ItemScores, clean: Items) -> NDArray[np.bool_]:
    keys = zip(run.sets.tolist(), run.ids.tolist(), strict=True)
    return np.array([clean.get(key, False) for key in keys], dtype=bool)


def _level(run: ItemScores, aggregate: str, whole: ItemScores) -> float | None:
    """None without items, and for a macro average where some set of the whole has none."""
    if aggregate == "macro" and len(np.unique(run.sets)) < len(np.unique(whole.sets)):
        return None
    parts = parts_of({0: run}, aggregate=aggregate)
    return None if parts is None else float(parts.values.sum())


def _count(run: ItemScores, aggregate: str) -> int:
    return len((run if aggregate in ("micro", "macro") else run.of_set(aggregate)).ids)


def _gaps(ours: Sequence[float | None], theirs: Sequence[float | None], *, scale: float = 1.0) -> list[float | None]:
    pairs = zip(ours, theirs, strict=True)
    return [None if one is None or other is None else scale * (one - other) for one, other in pairs]
