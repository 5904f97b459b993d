"""What a careful reader has to know before believing a study: sentences made from checks of its records."""

import json
import math
from collections.abc import Iterator, Sequence
from statistics import fmean
from typing import Any

from winnow.analysis.study_folder import Study
from winnow.analysis.tables import averaged_score
from winnow.budget import CHARGES_SELECTION
from winnow.findings import ArmFacts, DelayedGain, budget_text
from winnow.recipe import SweepRecipe
from winnow.recipe.licences import is_noncommercial
from winnow.text.data_warnings import sentences as data_sentences
from winnow.text.printing import fixed, percent

OVER_REPRESENTED = 1.25
"""Selected share over pool share from which a source is named."""
SMALL_SAMPLE = 500
"""Evaluation items below which the width of a score's interval is said."""
MANY_CHOICES = 0.5
"""Share of multiple-choice items from which it is said."""
FEW_HELD_OUT = 50
"""Examples of the target's kind below which it is said that checkpoints were chosen on few."""
RATE = "training.learning_rate"
UNEQUAL = 0.02
"""Relative difference in reference FLOPs from which arms are called unequal."""


def limitations(study: Study, arms: Sequence[ArmFacts], gains: Sequence[DelayedGain]) -> tuple[str, ...]:
    """One sentence for each check that found something."""
    checks = (
        _seeds(study), _leak(study), _few(study), _compute(study, arms), _learning_rate(study, arms), _schedule(study),
        _choices(study), _same(arms),
        _constant_level(study, arms), _sample(study), _sources(study, arms), _pool(study.pool.get("pool", {})),
        data_sentences(study.pool.get("pool", {}), study.pool.get("tests", {})),
        _licences(study), _left_in(study), _delayed(gains), _refused(arms),
    )  # fmt: skip
    return tuple(sentence for check in checks for sentence in check)


def _seeds(study: Study) -> Iterator[str]:
    if len({seed for _, seed in study.runs}) == 1:
        yield "One seed: no interval can be given, and no difference between arms is claimed."


def _leak(study: Study) -> Iterator[str]:
    if any(run.best.by == "test" for run in study.runs.values()):
        yield (
            "The best checkpoint was chosen on the evaluation sets themselves (evaluation.best_by: test): scores at "
            "the best checkpoint are too good. Choose it on validation for a fair one."
        )


def _few(study: Study) -> Iterator[str]:
    found = next((run.evaluations[0].target_validation for run in study.runs.values()), None)
    if found is not None and (found.items or 0) < FEW_HELD_OUT:
        yield (
            f"Best checkpoints were chosen on {found.items:,} held-out examples of the target's kind, which is few: "
            "more come with pool.validation_fraction, pool.max_validation, or a larger file of the target's."
        )


def _compute(study: Study, arms: Sequence[ArmFacts]) -> Iterator[str]:
    flops = {arm: [run.costs["train"].flops for run in study.runs_of(arm).values()] for arm in study.arms}
    means = {arm: math.fsum(values) / len(values) for arm, values in flops.items()}
    if any(run.unspent_share > 0 for run in study.runs.values()):
        yield _stopped_early(study)
        return
    if not means or min(means.values()) >= (1 - UNEQUAL) * max(means.values()):
        return
    low, high = min(means, key=means.__getitem__), max(means, key=means.__getitem__)
    share, unit = percent(means[low] / means[high], 0), study.recipe.budget.unit
    if len({arm.budget for arm in arms}) > 1:
        yield (
            f"Arms have different budgets ({budget_text(arms)}): {low} used {share} of the training FLOPs of {high}. "
            "Compare arms of one budget, or the cost to a level."
        )
        return
    if unit in CHARGES_SELECTION:
        yield (
            f"Arms spend the same {unit}, selection included: {low} trained with {share} of the training FLOPs of "
            f"{high}, since what its selection took (or a last batch that no longer fitted) was not left for training."
        )
        return
    yield (
        f"Arms are equal in {unit.replace('_', ' ')}, not in FLOPs: {low} used {share} of the training FLOPs of {high}."
    )


def _stopped_early(study: Study) -> str:
    """What early stopping did to equal budgets."""
    runs = list(study.runs.values())
    left = {arm: fmean(run.unspent_share for run in study.runs_of(arm).values()) for arm in study.arms}
    named = ", ".join(f"{arm} {percent(share, 0)}" for arm, share in left.items() if share > 0)
    return (
        f"Early stopping ended {sum(run.unspent_share > 0 for run in runs)} of {len(runs)} runs before their budget "
        f"was spent (left of the planned FLOPs: {named}): arms may differ in compute; equal is the rule that ends them."
    )


def _learning_rate(study: Study, arms: Sequence[ArmFacts]) -> Iterator[str]:
    sweep, trained = study.recipe.study.sweep, [arm for arm in arms if arm.learning_rates]
    if sweep is None:
        yield from _given_rates(trained, study.recipe.training.learning_rate)
        return
    how = "with the lowest validation loss" if sweep.choose == "lowest_loss" else "that is the highest"
    grid = ", ".join(f"{rate:g}" for rate in sorted(sweep.learning_rate))
    grid += ", and beyond where the best lay at an end" if sweep.edge == "extend" else ""
    yield (
        f"Learning rates were chosen of {grid}: the stable one {how}, in trials on {_trial_data(study, sweep)} of "
        f"{percent(sweep.budget_fraction, 0)} of a run, with one seed. A whole run may do better with another rate. "
        "The trials are charged in the ledger, and to no arm's budget or saving."
    )
    tried = study.trials
    ends = {trial.arm: [each.learning_rate for each in tried if each.arm == trial.arm] for trial in tried}
    chosen = [trial for trial in tried if trial.is_chosen and trial.learning_rate in _ends(ends[trial.arm])]
    if chosen:
        named = ", ".join(f"{trial.arm} ({trial.learning_rate:g})" for trial in chosen)
        yield f"The chosen rate is an end of the grid for {named}: a wider grid may hold a better one."


def _ends(rates: Sequence[float]) -> tuple[float, float]:
    return min(rates), max(rates)


def _given_rates(trained: Sequence[ArmFacts], usual: float) -> Iterator[str]:
    """What to say where no sweep chose the rates; the recipe's is the `usual` one."""
    if all(RATE in arm.settings for arm in trained) and trained:
        return  # the rate is what is compared
    rates = list(dict.fromkeys(rate for arm in trained for rate in arm.learning_rates)) or [usual]
    if len(rates) == 1:
        yield (
            f"All arms train with the same learning rate ({rates[0]:g}), which was not "
            "tuned for each; an arm may do better or worse with its own."
        )
    else:
        by_rate = {rate: [arm.name for arm in trained if rate in arm.learning_rates] for rate in rates}
        named = "; ".join(f"{rate:g} for {', '.join(names)}" for rate, names in by_rate.items())
        yield (f"Learning rates were given, not tuned ({named}); an arm may do better or worse with another one.")


def _trial_data(study: Study, sweep: SweepRecipe) -> str:
    if sweep.per == "arm":
        return "the arm's own data"
    owners = ", ".join(dict.fromkeys(trial.arm for trial in study.trials))
    if sweep.per == "study":
        return f"{owners}'s (for all arms) data"
    return f"the data of {owners} (one for each {sweep.per})"


def _schedule(study: Study) -> Iterator[str]:
    schedules = dict.fromkeys(
        run.training.get("schedule", study.recipe.training.schedule) for run in study.runs.values()
    )
    decaying = [schedule for schedule in schedules if schedule in ("linear", "cosine")]
    if decaying:
        yield (
            f"The learning rate decays over the whole run ({', '.join(decaying)}): costs to a level on the way are "
            "what these runs spent until then; a run planned to end there would have had another schedule."
        )


def _choices(study: Study) -> Iterator[str]:
    final = next(iter(study.finals.values()), None)
    if final is None:
        return
    items = sum(score.items for score in final.sets.values())
    share = math.fsum(score.items * score.multiple_choice_share for score in final.sets.values()) / items
    if share > MANY_CHOICES:
        yield (
            f"{percent(share, 1)} of the evaluation items are multiple choice: learning to answer with a letter "
            "raises exact match. Sets without options show whether more was learned."
        )


def _constant_level(study: Study, arms: Sequence[ArmFacts]) -> Iterator[str]:
    below: list[str] = []
    level: float | None = None
    for arm in arms:
        finals = list(study.finals_of(arm.name, "best").values())
        if finals:
            scores = [averaged_score(final, "micro") for final in finals]
            matches = [score.exact_match for score in scores if score.exact_match is not None]
            level = scores[0].constant_level
            if level is None or len(matches) < len(scores):
                continue
            mean = math.fsum(matches) / len(matches)
            below += [f"{arm.name} ({percent(mean)})"] if mean < level else []
    if below and level is not None:
        yield (
            f"Exact match at the best checkpoint lies below the constant answer's {percent(level)} for "
            f"{', '.join(below)}: such a score is no evidence of solved problems."
        )


def _sample(study: Study) -> Iterator[str]:
    evaluation = study.recipe.evaluation
    what, carry = ("windows", "curves") if study.recipe.is_text else ("items", "delayed gains and curves")
    yield f"Evaluations on the way use at most {evaluation.sample:,} {what} of each set; {carry} carry that noise."
    for name, score in next(iter(study.finals.values())).sets.items() if study.finals else ():
        if score.final_items < SMALL_SAMPLE and score.stderr:
            kind = " with final answers" if score.open_items else ""
            yield (
                f"{name} has only {score.final_items:,} items{kind}: an exact match on it is known to about "
                f"± {fixed(200 * score.stderr, 1)} points."
            )


def _sources(study: Study, arms: Sequence[ArmFacts]) -> Iterator[str]:
    for arm in arms:
        selection = study.selection_of(arm.name)
        shares = selection.composition if selection and not arm.is_control else ()
        ratios = {share.source: share.ratio for share in shares if share.ratio is not None}
        over = _times({name: ratio for name, ratio in ratios.items() if ratio >= OVER_REPRESENTED})
        under = _times({name: ratio for name, ratio in ratios.items() if ratio <= 1 / OVER_REPRESENTED})
        parts = [f"{verb} {named}" for verb, named in (("over-represents", over), ("under-represents", under)) if named]
        if parts:
            yield f"The selection is not stratified by source: {arm.name} {' and '.join(parts)}, against the pool."


def _times(ratios: dict[str, float]) -> str:
    return ", ".join(f"{name} ({fixed(ratio, 2)} times)" for name, ratio in ratios.items())


def _pool(pool: dict[str, Any]) -> Iterator[str]:
    removed, truncated = pool.get("removed_overlaps_total"), pool.get("truncated")
    if removed:
        yield f"{removed:,} training examples that overlap with the evaluation sets were removed before training."
    if truncated:
        yield f"{truncated:,} training examples were longer than the limit and were cut at the end."


def _licences(study: Study) -> Iterator[str]:
    unknown = [source.name for source in study.recipe.pool.sources if source.licence.lower() == "unknown"]
    if unknown:
        yield f"The licence of {', '.join(unknown)} is unknown; find it out before you publish what was trained on it."
    closed = [source.name for source in study.recipe.pool.sources if is_noncommercial(source.licence)]
    if closed:
        yield f"The licence of {', '.join(closed)} forbids commercial use."


def _left_in(study: Study) -> Iterator[str]:
    hygiene = study.recipe.pool.hygiene
    if hygiene is not None and hygiene.contamination == "report":
        yield (
            "Training rows with evaluation items in them were left in, as pool.hygiene.contamination asks: scores on "
            "such items are no scores on unseen problems."
        )


def _delayed(gains: Sequence[DelayedGain]) -> Iterator[str]:
    late = sorted({gain.arm for gain in gains if gain.is_delayed})
    if late:
        yield (
            f"Exact match peaks well after the best loss for {', '.join(late)}: the ranking of the arms depends on "
            "the checkpoint; see both."
        )


def _same(arms: Sequence[ArmFacts]) -> Iterator[str]:
    """Arms that are one under two names: they show no difference because there is none."""
    known = dict[str, str]()
    for arm in arms:
        key = json.dumps(
            [
                arm.selector,
                arm.fraction,
                arm.factors.get("selection"),
                dict(arm.training),
                arm.budget and arm.budget.text,
                arm.settings.get("mixture"),
            ]
        )
        if arm.training and arm.factors and known.setdefault(key, arm.name) != arm.name:
            yield f"{known[key]} and {arm.name} are the same once all is set: one run serves both."


def _refused(arms: Sequence[ArmFacts]) -> Iterator[str]:
    refused = [arm.name for arm in arms if arm.not_affordable]
    if refused:
        yield f"Not affordable within the budget, and so not run: {', '.join(refused)}."
