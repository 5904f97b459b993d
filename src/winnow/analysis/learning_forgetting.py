"""What arms learnt of the target beside what they forgot of their base: tables `learning_forgetting`, `equal_learning`.

Learnt: how far the loss on the evaluation sets lies below the base's. Forgotten: the divergence from the base on its
own texts. Each arm is held against the baseline of its own duration, pair by pair of seeds; both tables together are
one family of three comparisons for each arm (Bonferroni).
"""

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from winnow.analysis.arms import baseline_name, like
from winnow.analysis.equal_learning import Way, at_equal_learning, verdict_at_equal_learning
from winnow.analysis.levels import Question, levels, own_aggregate
from winnow.analysis.pareto import words
from winnow.analysis.statistics import mean_interval, paired_differences
from winnow.analysis.study_folder import Study
from winnow.analysis.study_records import Run
from winnow.analysis.tables import bounded, with_bounds
from winnow.findings import ArmFacts, Estimate, Table
from winnow.kinds import KINDS
from winnow.records import ZERO_SHOT
from winnow.store import read_json
from winnow.text.printing import fixed

Row = dict[str, Any]
PER_ARM = 3
"""Comparisons of an arm: what it learnt, what it forgot, and what it forgot at equal learning."""
TRADES = "learns less and forgets less", "learns more and forgets more"


def learning_tables(study: Study, arms: Sequence[ArmFacts]) -> tuple[Table, ...]:
    """Both tables; none where the recipe asks for no own samples."""
    if study.recipe.evaluation.own_samples is None:
        return ()
    pairs = counterparts(study, arms)
    num = PER_ARM * len([arm for arm, other in pairs.items() if other != arm])
    return _ends(study, pairs, num), _at_equal_learning(study, pairs, num)


def counterparts(study: Study, arms: Sequence[ArmFacts]) -> dict[str, str]:
    """Arm with a finished run -> the baseline of its duration: like the study's in all factors but those of budget."""
    baseline = next((arm for arm in arms if arm.name == baseline_name(study)), None)
    run = [arm for arm in arms if study.runs_of(arm.name)]
    if baseline is None:
        return {}
    spending = budget_factors(study)
    found = {}
    for arm in run:
        own = {name: arm.factors[name] for name in spending if name in arm.factors}
        other = like(baseline, run, **own) if own else baseline
        found[arm.name] = (other or baseline).name
    return found


def budget_factors(study: Study) -> tuple[str, ...]:
    """The factors whose levels set nothing but budgets: durations."""
    return tuple(
        name
        for name, settings in study.recipe.vary.items()
        if all(key.startswith("budget.") for level in settings.values() for key in level)
    )


def learned_by_seed(study: Study, arm: str) -> dict[int, float]:
    """By how many nats a target token each seed's loss is below the base's; none without the base's."""
    primary = study.recipe.study.primary
    asked = Question("loss", own_aggregate(study.recipe), primary.checkpoint)
    base = levels(study, ZERO_SHOT, asked).get(0)
    return {} if base is None else {seed: base - loss for seed, loss in levels(study, arm, asked).items()}


def divergences(study: Study, arm: str) -> dict[int, dict[str, float]]:
    """By seed, the record of the divergence from the base on its own texts."""
    checkpoint, kind = study.recipe.study.primary.checkpoint, KINDS["divergence"].record
    there = [seed for seed in sorted(study.runs_of(arm)) if f"divergence.{arm}.s{seed}" in study.stages]
    return {seed: read_json(study.path_of(kind, arm, seed, checkpoint)) for seed in there}


def way_of(run: Run) -> Way | None:
    """A run's evaluations on the way; None where they did not look at own samples."""
    rows = [(row.micro.loss, row.kl_from_base) for row in run.evaluations if row.kl_from_base is not None]
    if not rows:
        return None
    first = rows[0][0]
    return Way(tuple(first - loss for loss, _ in rows), tuple(moved or 0.0 for _, moved in rows))


def _ends(study: Study, pairs: Mapping[str, str], num: int) -> Table:
    confidence = study.recipe.study.confidence
    rows = []
    for arm, other in pairs.items():
        learned, records = learned_by_seed(study, arm), divergences(study, arm)
        forgotten = {seed: each["kl_from_base"] for seed, each in records.items()}
        if not learned or not forgotten:
            continue
        more, less = (_difference(study, each, arm, other, num) for each in (learned_by_seed, _forgotten))
        rows.append({
            "arm": arm, "against": other, "seeds": len(forgotten),
            "verdict": "baseline" if arm == other else words(more, less, trade=TRADES),
            **with_bounds("learned_nats", list(learned.values()), confidence),
            **with_bounds("forgotten_nats", list(forgotten.values()), confidence),
            "forgotten_stderr": fmean(each["stderr"] or 0.0 for each in records.values()),
            **bounded("learned_difference_nats", more), **bounded("forgotten_difference_nats", less),
            "trained_tokens": fmean(run.done.tokens for run in study.runs_of(arm).values()), "corrected_for": num,
        })  # fmt: skip
    note = (
        "Learnt: the base's loss on the evaluation sets minus the tuned model's, nats per target token. Forgotten: the "
        "divergence KL(base || tuned) on the base's own texts, nats per token; its stderr is over texts, mean of the "
        "seeds. Bounds of both are over seeds, of this arm alone. Differences are from the baseline of the same "
        "duration, paired over seeds, corrected for three comparisons of each arm (Bonferroni). Undecided: one of the "
        "two is shown, and the mean of the other says the opposite."
    )
    return Table("learning_forgetting", "What was learnt, what was forgotten", tuple(rows), note)


def _forgotten(study: Study, arm: str) -> dict[int, float]:
    return {seed: each["kl_from_base"] for seed, each in divergences(study, arm).items()}


def _difference(study: Study, by_seed: Any, arm: str, other: str, num: int) -> Estimate | None:
    if arm == other:
        return None
    found = paired_differences(by_seed(study, arm), by_seed(study, other))
    return mean_interval(found, study.recipe.study.confidence, num_comparisons=num)


def _at_equal_learning(study: Study, pairs: Mapping[str, str], num: int) -> Table:
    ways = {arm: _ways(study, arm) for arm in {*pairs, *pairs.values()}}
    rows = [
        _equal_row(ways, arm, other, num, study.recipe.study.confidence)
        for arm, other in pairs.items()
        if arm != other and ways[arm].keys() & ways[other].keys()
    ]
    note = (
        "What each arm had forgotten when it had first learnt what both arms of the pair learnt at some point (the "
        "lower of their two best, seed by seed), interpolated along its own evaluations on the way, on samples of the "
        "sets. Positive: the arm forgets more than the other at equal learning. Does not reach: one of the two learnt "
        "nothing. Corrected as the table of learning and forgetting is, with which it is one family."
    )
    return Table("equal_learning", "Forgetting at equal learning", tuple(rows), note)


def _ways(study: Study, arm: str) -> dict[int, Way]:
    return {seed: way for seed, run in study.runs_of(arm).items() if (way := way_of(run)) is not None}


def _equal_row(ways: Mapping[str, Mapping[int, Way]], arm: str, other: str, num: int, confidence: float) -> Row:
    found = at_equal_learning(ways[arm], ways[other])
    difference = found.difference(confidence, num_comparisons=num)
    means = {
        "learned_nats": found.levels, "forgotten_nats": found.ours, "forgotten_against_nats": found.theirs,
    }  # fmt: skip
    return {
        "arm": arm, "against": other, "seeds": len(found.levels) + len(found.never),
        "verdict": verdict_at_equal_learning(found, difference),
        **{column: fmean(values.values()) if values else None for column, values in means.items()},
        **bounded("forgotten_difference_nats", difference), "corrected_for": num,
    }  # fmt: skip


def equal_learning_sentence(table: Table | None, arm: str | None) -> str | None:
    """What the verdict says of an arm at equal learning; None where that was not measured."""
    row = next((row for row in table.rows if row["arm"] == arm), None) if table else None
    if row is None:
        return None
    head = f"At equal learning {arm}, against {row['against']}: {row['verdict']}"
    if row["forgotten_difference_nats"] is None:
        return f"{head}."
    size = f"{fixed(row['forgotten_difference_nats'], 4, signed=True)} nats per token of the base's own texts"
    low, high = (row[f"forgotten_difference_nats_{end}"] for end in ("low", "high"))
    bounds = "" if low is None else f", interval {fixed(low, 4)} to {fixed(high, 4)}"
    return f"{head} ({size}{bounds}, where both have learnt {fixed(row['learned_nats'], 4)} nats)."
