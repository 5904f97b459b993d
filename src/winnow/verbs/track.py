"""A finished study, sent to trackers from its folder.

    send_study(folder, findings, parts, recipe.trackers)

Whatever trackers were not told while the runs trained they are told here: nothing is sent twice.
"""

import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path

from winnow.analysis.scores import Final
from winnow.analysis.study_folder import Study, load
from winnow.errors import TrackerError
from winnow.findings import Estimate, Findings, Verdict
from winnow.recipe import TrackersRecipe
from winnow.records import Stage
from winnow.store import hash_json, read_json
from winnow.trackers.finished import FinishedRun, send
from winnow.trackers.following import KEY_LENGTH, failure_text, name_of, parameters_of
from winnow.trackers.interface import RunName, Values, wanted
from winnow.trackers.rows import cost_values, rows_of


def send_study(
    folder: Path, findings: Findings, stages: Mapping[str, Stage], trackers: TrackersRecipe, *, must: bool = False
) -> int:
    """Send every run of the study and its verdict; gives back how many runs that were.

    `stages` say what was asked of the runs. A tracker that fails is a warning; TrackerError with `must`.
    """
    if not wanted(trackers):
        return 0
    study = load(folder)
    runs = [*_runs(study, stages), _verdict_run(study, findings.verdict)]
    failed = send(trackers, runs)
    if failed and must:
        raise TrackerError("; ".join(f"tracker {each.tracker} failed: {each.failure}" for each in failed))
    for each in failed:
        warnings.warn(failure_text(each), stacklevel=2)
    return len(runs) - 1


def _runs(study: Study, stages: Mapping[str, Stage]) -> Iterator[FinishedRun]:
    for (arm, seed), run in study.runs.items():
        artifact = study.trained[arm, seed].artifact
        records = read_json(study.records_path(arm, seed))
        numbers = cost_values(artifact.costs | {"wasted": artifact.wasted}) | {"best/step": float(run.best.step)}
        for (name, of_seed, checkpoint), final in study.finals.items():
            if (name, of_seed) == (arm, seed):
                numbers |= _final_values(checkpoint, final)
        yield FinishedRun(
            name_of(study.settings["name"], artifact.kind, arm, seed, fingerprint=artifact.fingerprint),
            parameters_of(stages[artifact.name]) if artifact.name in stages else {},
            rows_of(records["steps"], records["evaluations"]),
            numbers,
        )


def _final_values(checkpoint: str, final: Final) -> Values:
    return {
        f"final/{checkpoint}/{f'sets/{name}' if name in final.sets else name}/{metric}": level
        for name, levels in final.levels.items()
        for metric, level in levels.items()
    }


def _verdict_run(study: Study, verdict: Verdict) -> FinishedRun:
    """The study's answer, as a run of its own beside the others."""
    key = hash_json(study.settings["identity"])[:KEY_LENGTH]
    numbers = _estimate("gain", verdict.primary.gain)
    if verdict.saving is not None:
        numbers |= _estimate("saving_gross", verdict.saving.gross) | _estimate("saving_net", verdict.saving.net)
    texts = {
        "advice": verdict.advice,
        "verdict": verdict.sentence,
        "verdict_kind": verdict.kind,
        "notes": " ".join(verdict.notes),
    }
    return FinishedRun(
        RunName(study.settings["name"], "verdict", key),
        numbers=numbers,
        texts={name: text for name, text in texts.items() if text},
    )


def _estimate(name: str, estimate: Estimate | None) -> Values:
    if estimate is None:
        return {}
    values = {f"{name}/mean": estimate.mean, f"{name}/low": estimate.low, f"{name}/high": estimate.high}
    return {key: value for key, value in values.items() if value is not None} | {f"{name}/seeds": float(estimate.num)}
