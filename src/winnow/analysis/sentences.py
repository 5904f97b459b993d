"""The verdict in words: what is shown, what is not, and what it would take."""

from winnow.findings import Comparison, Estimate, Saving
from winnow.printing import fixed, percent

AXIS_WORDS = {"flops": "FLOPs", "seconds": "time", "dollars": "dollars", "tokens": "tokens"}


def verdict_sentence(comparison: Comparison, saving: Saving | None, confidence: float) -> str:
    """The study's answer in one sentence."""
    if comparison.reason:
        return f"{comparison.arm}: {comparison.reason}."
    head = f"{_head(comparison)}: {_finding(comparison, confidence)}"
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


def _head(comparison: Comparison) -> str:
    metric = comparison.metric.replace("_", " ")
    seeds = comparison.gain.num if comparison.gain else 0
    return (
        f"{comparison.arm} against {comparison.baseline}, {metric} ({comparison.aggregate}, "
        f"{comparison.checkpoint} checkpoint, {seeds} seed{'s' * (seeds != 1)})"
    )


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
    return f"{direction} by {_number(comparison, abs(gain.mean))} {_unit(comparison)}"


def _interval(comparison: Comparison, gain: Estimate, confidence: float) -> str:
    assert gain.low is not None and gain.high is not None
    bounds = (-gain.high, -gain.low) if gain.mean < 0 else (gain.low, gain.high)
    corrected = f", corrected for {comparison.num_comparisons} comparisons" if comparison.num_comparisons > 1 else ""
    low, high = (_number(comparison, bound) for bound in bounds)
    return f"{100 * confidence:g} % interval {low} to {high}{corrected}"


def _number(comparison: Comparison, value: float) -> str:
    return fixed(value, 4) if comparison.metric == "loss" else fixed(100 * value, 2)


def _unit(comparison: Comparison) -> str:
    return "nats" if comparison.metric == "loss" else "points"


def _saved(saving: Saving, comparison: Comparison) -> str:
    target = f"{saving.baseline}'s best validation loss"
    observed = "observed, not claimed: " if comparison.kind == "too few seeds" else ""
    if saving.num_never:
        return (
            f"{observed}selection did not pay: {target} was never reached in {saving.num_never} of {saving.num} seeds"
        )
    if saving.gross is None or saving.net is None:
        return f"no saving can be stated, since {target} is that of the untrained model"
    axis = AXIS_WORDS[saving.axis]
    if saving.net.mean <= 0:
        more = _whole(-saving.gross.mean) if saving.gross.mean < 0 else None
        gross = f"{more} more" if more else f"{_whole(saving.gross.mean)} less"
        return (
            f"{observed}selection did not pay: {target} took {gross} of the {axis} before selection, "
            f"{_whole(-saving.net.mean)} more with it"
        )
    verb, gross, net = _verb(saving, comparison), _with_spread(saving.gross), _with_spread(saving.net)
    return f"{verb} {gross} of the {axis} to {target} (net of selection {net})"


def _with_spread(share: Estimate) -> str:
    spread = "" if share.half_width is None else f" ± {fixed(100 * share.half_width, 0)}"
    return f"{_whole(share.mean)}{spread}"


def _verb(saving: Saving, comparison: Comparison) -> str:
    """Claim a saving only where its interval lies above 0."""
    if comparison.kind == "too few seeds":
        return "observed, not claimed: selection saved"
    shown = saving.net is not None and saving.net.low is not None and saving.net.low > 0
    return "selection saved" if shown else "a saving is not shown: observed"


def _whole(share: float) -> str:
    return percent(share, 0)
