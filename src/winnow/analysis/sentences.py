"""The verdict in words: what is shown, what is not, and what it would take."""

from winnow.analysis.equal_compute import UNEQUAL, AtEqualFlops, Compute
from winnow.findings import Comparison, Estimate, Saving
from winnow.ledger import round_half_up
from winnow.text.printing import fixed, flops_text, percent

AXIS_WORDS = {"flops": "FLOPs", "seconds": "time", "dollars": "dollars", "tokens": "tokens"}


def verdict_sentence(
    comparison: Comparison, saving: Saving | None, confidence: float, unequal: str = "", chosen_by: str = ""
) -> str:
    """The study's answer in one sentence; `unequal` says which budgets differ, where no saving can be stated.

    `chosen_by` is the loss that chose the best checkpoint, where that is not the one on the pool's validation split.
    """
    if comparison.reason:
        return f"{comparison.arm}: {comparison.reason}."
    head = f"{_head(comparison, chosen_by)}: {_finding(comparison, confidence)}"
    if unequal:
        return f"{head}; the budgets differ ({unequal}), so no saving is stated."
    if comparison.gain is None or saving is None:
        return f"{head}."
    return f"{head}; {_saved(saving, comparison)}."


def control_sentence(comparison: Comparison, *, what: str, confidence: float) -> str:
    """Whether an arm beats a boring one, said plainly."""
    opening = {
        "better": f"It beats {comparison.baseline} ({what})",
        "worse": f"It is worse than {comparison.baseline} ({what})",
        "no difference shown": f"It is not shown to beat {comparison.baseline} ({what})",
    }.get(comparison.kind, f"Against {comparison.baseline} ({what})")
    return f"{opening}: {_finding(comparison, confidence)}."


def compute_sentence(comparison: Comparison, compute: Compute | None) -> str:
    """The ratios of FLOPs, where the two arms did not have the same; else nothing. Begins with a space."""
    if compute is None or compute.is_equal:
        return ""
    training, whole = (fixed(ratio, 2) for ratio in (compute.training, compute.whole))
    selection = "" if training == whole else f", {whole} times with the selection"
    times = "as many" if abs(compute.training - 1) <= UNEQUAL else f"{training} times as many"
    took = f"{comparison.arm} took {times} training FLOPs as {comparison.baseline}{selection}"
    return f" Compute was not equal: {took}."


def at_equal_sentence(found: AtEqualFlops | None, confidence: float, unit: float) -> tuple[str, ...]:
    """How the two compare where both had the same FLOPs; nothing where they had them anyway."""
    if found is None:
        return ()
    budget = f"At equal FLOPs ({flops_text(found.flops, unit)} each, selection included)"
    if found.comparison is None:
        return (f"{budget} there is nothing to compare: a selection alone takes that much.",)
    where = f"{found.comparison.aggregate} loss on the way, best checkpoint until then"
    return (f"{budget}, {where}: {_finding(found.comparison, confidence)}.",)


def items_sentence(comparison: Comparison, confidence: float) -> str:
    """What the primary interval covers, and what becomes of the finding for other items."""
    covers = f"The interval covers other seeds on these {comparison.num_items:,} items"
    wider = comparison.over_items
    if wider is None or wider.low is None or wider.high is None:
        return f"{covers}."
    interval = _interval(comparison, wider, confidence)
    claimed = comparison.kind in ("better", "worse")
    holds = (wider.low > 0) == (wider.high > 0)
    lost = "; the difference is not shown for other items" if claimed and not holds else ""
    return f"{covers}; for other items of the same kind, too, it is {interval.partition('interval ')[2]}{lost}."


def _head(comparison: Comparison, chosen_by: str) -> str:
    metric = comparison.metric.replace("_", " ")
    seeds = comparison.gain.num if comparison.gain else 0
    checkpoint = f"{comparison.checkpoint} checkpoint" if comparison.checkpoint else ""
    checkpoint += f" by {chosen_by}" if chosen_by and comparison.checkpoint == "best" else ""
    where = (comparison.aggregate, checkpoint, f"{seeds} seed{'s' * (seeds != 1)}")
    return f"{comparison.arm} against {comparison.baseline}, {metric} ({', '.join(part for part in where if part)})"


def _finding(comparison: Comparison, confidence: float) -> str:
    gain = comparison.gain
    if gain is None:
        return "no seed of both has finished yet; nothing is claimed"
    size = _size(comparison, gain)
    if gain.low is None or gain.high is None:
        return f"one seed: no interval; nothing is claimed (observed: {size})"
    interval = _interval(comparison, gain, confidence)
    if comparison.kind == "no difference shown":
        return f"no difference shown at {gain.num} seeds ({size}, {interval}); {_needed(comparison)}"
    return f"{size} ({interval})"


def _needed(comparison: Comparison) -> str:
    if comparison.needed_seeds is None:
        return "more than 1,000 seeds would be needed to show one of this size"
    return f"about {comparison.needed_seeds:,} would be needed to show one of this size"


def _size(comparison: Comparison, gain: Estimate) -> str:
    direction = "better" if gain.mean > 0 else "worse" if gain.mean < 0 else "different"
    return f"{direction} by {_number(comparison, abs(gain.mean))} {comparison.facts.unit}".rstrip()


def _interval(comparison: Comparison, gain: Estimate, confidence: float) -> str:
    assert gain.low is not None and gain.high is not None
    bounds = (-gain.high, -gain.low) if gain.mean < 0 else (gain.low, gain.high)
    corrected = f", corrected for {comparison.num_comparisons} comparisons" if comparison.num_comparisons > 1 else ""
    low, high = (_number(comparison, bound) for bound in bounds)
    return f"{100 * confidence:g} % interval {low} to {high}{corrected}"


def _number(comparison: Comparison, value: float) -> str:
    facts = comparison.facts
    return f"{facts.scale * value:.4g}" if facts.places is None else fixed(facts.scale * value, facts.places)


def _saved(saving: Saving, comparison: Comparison) -> str:
    target = f"{saving.baseline}'s best {saving.level.replace('_', ' ')}"
    observed = "observed, not claimed: " if comparison.kind == "too few seeds" else ""
    if saving.num_never:
        never = f"{target} was never reached in {saving.num_never} of {saving.num} seeds"
        if saving.num_never == saving.num:
            return f"{observed}{_subject(saving, comparison)} did not pay: {never}"
        return f"{observed}no saving is shown: {never}{_at_most(saving)}"
    if saving.gross is None or saving.net is None:
        return f"no saving can be stated, since {target} is that of the untrained model"
    axis, did_not_pay = _axis(saving), f"{observed}{_subject(saving, comparison)} did not pay: {target} took"
    if saving.net.mean <= 0:
        more = _whole(-saving.gross.mean) if saving.gross.mean < 0 else None
        gross = f"{more} more" if more else f"{_whole(saving.gross.mean)} less"
        if saving.includes_selection:
            return f"{did_not_pay} {f'{more} more' if more else 'as much'} of the {axis}"
        return f"{did_not_pay} {gross} of the {axis} before selection, {_whole(-saving.net.mean)} more with it"
    if comparison.kind == "worse":  # less of the cost at another quality is no saving
        return f"no saving: {target} was reached with {_whole(saving.gross.mean)} less of the {axis}, but it is worse"
    net = "" if saving.includes_selection else f" (net of selection {_with_spread(saving.net)})"
    return f"{_verb(saving, comparison)} {_with_spread(saving.gross)} of the {axis} to {target}{net}"


def _at_most(saving: Saving) -> str:
    """A bound, where it says more than that nothing is saved."""
    if saving.at_most is None or round_half_up(saving.at_most) <= 0:
        return ""
    return f" (at most {_whole(saving.at_most)} of the {_axis(saving)}, counted as if they had at their end)"


def _axis(saving: Saving) -> str:
    return AXIS_WORDS.get(saving.axis, saving.axis.replace("_", " "))


def _subject(saving: Saving, comparison: Comparison) -> str:
    """What saved: the selection where two arms differ in nothing else, else the arm, whatever sets it apart."""
    return "selection" if saving.is_of_selection else comparison.arm


def _with_spread(share: Estimate) -> str:
    spread = "" if share.half_width is None else f" ± {fixed(100 * share.half_width, 0)}"
    return f"{_whole(share.mean)}{spread}"


def _verb(saving: Saving, comparison: Comparison) -> str:
    """Claim a saving only where its interval lies above 0."""
    if comparison.kind == "too few seeds":
        return f"observed, not claimed: {_subject(saving, comparison)} saved"
    shown = saving.net is not None and saving.net.low is not None and saving.net.low > 0
    return f"{_subject(saving, comparison)} saved" if shown else "a saving is not shown: observed"


def _whole(share: float) -> str:
    return percent(share, 0)
