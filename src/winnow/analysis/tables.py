"""Tables of what was trained, selected and reached, as plain rows with units in the column names."""

import math
from collections.abc import Iterable, Sequence
from statistics import fmean
from typing import Any

from winnow.analysis.scores import Final, FinalScore
from winnow.analysis.statistics import mean_interval
from winnow.analysis.study_folder import Study
from winnow.findings import ArmFacts, Comparison, DelayedGain, Estimate, Table
from winnow.kinds import KINDS
from winnow.records import ZERO_SHOT
from winnow.study_files import CHECKPOINTS

Row = dict[str, Any]


def with_bounds(column: str, values: Sequence[float | None], confidence: float) -> Row:
    """Three columns: the mean over seeds and its interval; all None where a seed has no value."""
    known = [value for value in values if value is not None]
    return bounded(column, mean_interval(known, confidence) if len(known) == len(values) else None)


def bounded(column: str, estimate: Estimate | None, scale: float = 1.0) -> Row:
    """Three columns: an estimate and its interval, times `scale`; all None without one."""
    values = (estimate.mean, estimate.low, estimate.high) if estimate else (None, None, None)
    scaled = (None if value is None else scale * value for value in values)
    return dict(zip((column, f"{column}_low", f"{column}_high"), scaled, strict=True))


def within_unit(row: Row, column: str) -> Row:
    """The row with the interval of a share cut to what a share can be."""
    low, high = row[f"{column}_low"], row[f"{column}_high"]
    if low is None or high is None:
        return row
    return row | {f"{column}_low": max(0.0, low), f"{column}_high": min(1.0, high)}


def from_zero(row: Row, column: str) -> Row:
    """The row with the interval of an amount or a loss cut to what one can be."""
    low = row[f"{column}_low"]
    return row if low is None else row | {f"{column}_low": max(0.0, low)}


def adapters(study: Study, arms: Sequence[ArmFacts]) -> Table:
    """One row per checkpoint; its path is null where the study folder does not keep it."""
    rows = []
    for arm in arms:
        for seed, run in sorted(study.runs_of(arm.name).items()):
            for checkpoint in CHECKPOINTS:
                final = study.finals_of(arm.name, checkpoint).get(seed)
                if final is None:
                    continue
                place = KINDS["train"].weights.format(run=study.name_of(arm.name, seed), checkpoint=checkpoint)
                row = {
                    "arm": arm.name, "seed": str(seed), "fraction": arm.fraction, "checkpoint": checkpoint,
                    "path": place if checkpoint in study.recipe.study.kept_checkpoints else None,
                    "step": run.step_of(checkpoint), "loss": final.micro.loss, "exact_match": final.micro.exact_match,
                    "bytes": run.checkpoint_bytes, "trainable_parameters": run.parameters["trainable"],
                }  # fmt: skip
                rows.append(row)
    note = "Loss and exact match: micro average over the whole evaluation sets."
    return Table("adapters", "Checkpoints", tuple(rows), note)


def evaluation(study: Study, arms: Sequence[ArmFacts]) -> Table:
    """Loss and exact match per evaluation set, and their averages, beside what guessing gives."""
    rows: list[Row] = []
    if study.zero_shot:
        rows += _evaluation_rows(ZERO_SHOT, "start", [study.zero_shot], study.recipe.study.confidence)
    for arm in arms:
        for checkpoint in CHECKPOINTS:
            finals = list(study.finals_of(arm.name, checkpoint).values())
            rows += _evaluation_rows(arm.name, checkpoint, finals, study.recipe.study.confidence)
    note = (
        "Mean over seeds with its interval (cut to what a loss or a share can be); stderr is over items, mean of the "
        "seeds. Random level: guessing; constant level: always the most frequent answer. Micro: over items; macro: "
        "over sets."
    )
    note += open_note(study)
    return Table("evaluation", "Evaluation", tuple(rows), note)


def _evaluation_rows(arm: str, checkpoint: str, finals: Sequence[Final], confidence: float) -> Iterable[Row]:
    if not finals:
        return
    for name in (*finals[0].sets, *finals[0].aggregates, "micro", "macro"):
        scores = [averaged_score(final, name) for final in finals]
        yield {
            "arm": arm, "checkpoint": checkpoint, "set": name, "items": scores[0].items, "seeds": len(finals),
            **from_zero(with_bounds("loss", [score.loss for score in scores], confidence), "loss"),
            **within_unit(
                with_bounds("exact_match", [score.exact_match for score in scores], confidence), "exact_match"
            ),
            "exact_match_stderr": _mean([score.stderr for score in scores]),
            "random_level": scores[0].random_level, "constant_level": scores[0].constant_level,
        }  # fmt: skip


def open_note(study: Study) -> str:
    """Of which sets exact match is not asked, or not of all items; nothing where it is asked of all."""
    final = next(iter(study.finals.values()), study.zero_shot)
    found = {name: score for name, score in final.sets.items() if score.open_items} if final else {}
    if not found:
        return ""
    named = ", ".join(f"{name} ({score.open_items:,} of {score.items:,} items)" for name, score in found.items())
    return (
        f" Open answers, measured by loss alone: {named}. Exact match and the levels beside it are over the items with "
        "final answers, and empty where there are none."
    )


def averaged_score(final: Final, name: str) -> FinalScore:
    """One set's score, or the average of all: micro weighs sets by items, macro equally."""
    if name in final.sets:
        return final.sets[name]
    if name in final.aggregates:
        average = final.aggregates[name]
        count = average.items or 0
        return FinalScore(count, 0, average.loss, None, None, None, None, open_items=count)
    average = final.micro if name == "micro" else final.macro
    every = list(final.sets.values())
    sets = [score for score in every if score.final_items and score.exact_match is not None]
    items = sum(score.final_items for score in sets)
    weights = [score.final_items / items if name == "micro" else 1 / len(sets) for score in sets]

    def mean(field: str) -> float | None:
        values = (weight * (getattr(score, field) or 0.0) for weight, score in zip(weights, sets, strict=True))
        return math.fsum(values) if sets else None

    errors = [weight * (score.stderr or 0.0) for weight, score in zip(weights, sets, strict=True)]
    return FinalScore(
        items=sum(score.items for score in every), target_tokens=sum(score.target_tokens for score in every),
        loss=average.loss, exact_match=(average.exact_match or 0.0) if sets else None,
        stderr=math.hypot(*errors) if sets else None, random_level=mean("random_level"),
        constant_level=mean("constant_level"), open_items=sum(score.open_items for score in every),
    )  # fmt: skip


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known else None


COMPOSITION = (
    "arm", "source", "pool_examples", "selected_examples", "pool_share", "selected_share", "ratio", "mean_tokens",
)  # fmt: skip
PLANTED = "arm", "fault", "pool_share", "selected_share", "ratio"
DELAYED_GAIN = (
    "arm", "seed", "best_loss_step", "best_exact_match_step", "exact_match_at_best_loss", "best_exact_match", "delayed",
)  # fmt: skip
"""Columns of tables that a study may leave without rows."""


def composition(study: Study, arms: Sequence[ArmFacts]) -> Table:
    """Each source's share of the pool and of each selection; means over seeds where the selection depends on them."""
    rows = []
    for arm in arms:
        selections = [selection for (name, _), selection in study.selections.items() if name == arm.name]
        if not selections:
            continue
        for source in [share.source for share in selections[0].composition]:
            shares = [share for each in selections for share in each.composition if share.source == source]
            pool_share = fmean(share.pool_share for share in shares)
            selected_share = fmean(share.selected_share for share in shares)
            tokens = [share.mean_tokens for share in shares if share.mean_tokens is not None]
            row = {
                "arm": arm.name, "source": source, "pool_examples": shares[0].pool_examples,
                "selected_examples": round(fmean(share.selected_examples for share in shares)),
                "pool_share": pool_share, "selected_share": selected_share,
                "ratio": selected_share / pool_share if pool_share else None,
                "mean_tokens": fmean(tokens) if tokens else None,
            }  # fmt: skip
            rows.append(row)
    note = "Selections are not stratified by source: a ratio above 1 means that the source is over-represented."
    return Table("composition", "Composition of the training sets", tuple(rows), note, columns=COMPOSITION)


def planted(study: Study, arms: Sequence[ArmFacts]) -> Table:
    """What selections make of faults that were put into the pool on purpose; empty where there are none."""
    rows = []
    for arm in arms:
        selections = [selection for (name, _), selection in study.selections.items() if name == arm.name]
        for fault in selections[0].planted if selections else ():
            found = [selection.planted[fault] for selection in selections]
            pool_share, share = (fmean(each[key] for each in found) for key in ("pool_share", "share"))
            rows.append({
                "arm": arm.name, "fault": fault, "pool_share": pool_share, "selected_share": share,
                "ratio": share / pool_share,
            })  # fmt: skip
    note = "A ratio below 1 means that the selection leaves such rows out. Means over seeds."
    return Table("planted", "What became of planted faults", tuple(rows), note, columns=PLANTED)


COMPARED = (
    "arm", "baseline", "seeds", "verdict", "gain_nats", "gain_nats_low", "gain_nats_high", "corrected_for",
    "needed_seeds", "note",
)  # fmt: skip
"""Of the table of comparisons, of losses."""


def comparisons(ranking: Sequence[Comparison]) -> Table:
    """All arms against the primary baseline, best first."""
    has_items = any(each.num_items is not None for each in ranking)
    rows = tuple(
        {
            "arm": each.arm,
            "baseline": each.baseline,
            "seeds": each.gain.num if each.gain else 0,
            "verdict": each.kind,
            **_gain(each, each.gain),
            **(_gain_over_items(each) if has_items else {}),
            "corrected_for": each.num_comparisons,
            "needed_seeds": each.needed_seeds,
            "note": each.reason,
        }
        for each in ranking
    )
    num = max((each.num_comparisons for each in ranking), default=1)
    note = (
        f"A positive gain is better. Intervals are corrected for all {num} comparisons (Bonferroni): wider than that "
        "of the declared comparison in the verdict, which stands alone, and so its arm may have another word here."
        if num > 1
        else "A positive gain is better."
    )
    if has_items:
        note += " The gain's covers other seeds on these items; the one over items covers other items, too."
    against = ranking[0].baseline if ranking else "the baseline"
    return Table("comparisons", f"Ranking of all arms against {against}", rows, note, columns=() if rows else COMPARED)


def _gain(comparison: Comparison, gain: Estimate | None, suffix: str = "") -> Row:
    """In the unit of the metric's differences: nats of a loss, points of a share."""
    column = "_".join(word for word in ("gain", comparison.facts.unit, suffix) if word)
    values = (gain.mean, gain.low, gain.high) if gain else (None, None, None)
    scaled = (None if value is None else comparison.facts.scale * value for value in values)
    return dict(zip((column, f"{column}_low", f"{column}_high"), scaled, strict=True))


def _gain_over_items(comparison: Comparison) -> Row:
    """The same gain for other items, too, and how many there were."""
    return {**_gain(comparison, comparison.over_items, "over_items"), "items": comparison.num_items}


def delayed_gain(gains: Sequence[DelayedGain]) -> Table:
    """Where best loss and best exact match of each run lie."""
    rows = tuple(
        {
            "arm": gain.arm,
            "seed": str(gain.seed),
            "best_loss_step": gain.best_loss_step,
            "best_exact_match_step": gain.best_exact_match_step,
            "exact_match_at_best_loss": gain.exact_match_at_best_loss,
            "best_exact_match": gain.best_exact_match,
            "delayed": gain.is_delayed,
        }
        for gain in gains
    )
    note = (
        "On validation and on a sample of the test items. Delayed: the best exact match lies at least twice as far "
        "into the run as the best loss, and is higher by more than two standard errors."
    )
    return Table("delayed_gain", "Best loss and best exact match", rows, note, columns=DELAYED_GAIN)
