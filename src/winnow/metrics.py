"""What is known of a metric: which way is better, its unit and scale, how it is printed. Only here.

    metric_named("acc_norm").sign        # 1: higher is better
    METRICS["loss"].unit                 # "nats"

A measure of another package brings its own (`evaluation/measures/`); the records of an evaluation carry the facts of
all that it measured, so that findings need nobody's package.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Metric:
    """A number that is compared."""

    name: str
    higher_is_better: bool
    unit: str = ""
    """Of a difference, in one word, which column names carry; a share's is points."""
    level_unit: str = ""
    """Of the number itself, where that is another one: `%`, `nats per target token`."""
    is_share: bool = False
    """It lies in [0, 1], is printed in percent, and guessing has a level of its own."""
    places: int | None = None
    """Decimals of a printed difference; null for four significant digits."""
    is_perplexity: bool = False
    """Its level is exp(-mean) of its items' scores, which are log-likelihoods; else their weighted mean."""

    @property
    def sign(self) -> int:
        """1 where higher is better, else -1: what turns a difference into a gain."""
        return 1 if self.higher_is_better else -1

    @property
    def scale(self) -> float:
        """From the number as it is stored to the one that is printed with its unit."""
        return 100.0 if self.is_share else 1.0

    @property
    def words(self) -> str:
        """Its name in a sentence."""
        return self.name.replace("_", " ")

    @property
    def title(self) -> str:
        """Its name with the unit that it is printed in, as of an axis."""
        unit = self.level_unit or self.unit
        return self.words if unit in ("", self.words) else f"{self.words} ({unit})"

    def within(self, value: float) -> float:
        """The value cut to what the metric can be, such as the bound of an interval."""
        return min(1.0, max(0.0, value)) if self.is_share else value


def share(name: str, *, higher_is_better: bool = True) -> Metric:
    """A metric in [0, 1], printed in percent, its differences in points."""
    return Metric(name, higher_is_better, "points", level_unit="%", is_share=True, places=2)


def _by_name(*metrics: Metric) -> dict[str, Metric]:
    return {metric.name: metric for metric in metrics}


LOSS = Metric("loss", higher_is_better=False, unit="nats", level_unit="nats per target token", places=4)
EXACT_MATCH = share("exact_match")
METRICS: Mapping[str, Metric] = _by_name(
    LOSS,
    EXACT_MATCH,
    share("strict_exact_match"),
    # those of lm-eval's tasks
    share("acc"),
    share("acc_norm"),
    share("f1"),
    share("pass@1"),
    share("math_verify"),
    share("prompt_level_strict_acc"),
    share("prompt_level_loose_acc"),
    share("inst_level_strict_acc"),
    share("inst_level_loose_acc"),
    Metric("perplexity", higher_is_better=False, is_perplexity=True),
    Metric("bits_per_byte", higher_is_better=False, unit="bits", level_unit="bits per byte", places=4),
    share("forgetting", higher_is_better=False),
    Metric("kl_from_base", higher_is_better=False, unit="nats", level_unit="nats per token", places=4),
)
COSTS: Mapping[str, Metric] = _by_name(
    Metric("flops", higher_is_better=False, unit="FLOPs"),
    Metric("seconds", higher_is_better=False, unit="seconds"),
    Metric("dollars", higher_is_better=False, unit="dollars", places=2),
    Metric("tokens", higher_is_better=False, unit="tokens"),
)
"""What a run spends, where it is compared as a metric is."""
ALWAYS = "loss", "exact_match"
"""The metrics that records have fields of their own for; all others stand under `measured`."""


def metric_named(name: str, others: Mapping[str, Metric] | None = None) -> Metric:
    """The metric of this name, of `others` or known here. Raises KeyError.

    What follows a comma is lm-eval's filter, which says how the answer was read from the output.
    """
    known = {**METRICS, **COSTS, **(others or {})}
    return known[name] if name in known else known[name.partition(",")[0]]


LOWER = {"loss", "nll", "perplexity", "ppl", "error", "wer", "cer", "mse", "mae", "rmse", "bpb"}
HIGHER = {
    "accuracy", "acc", "match", "em", "f1", "bleu", "rouge", "rougel", "reward", "auc", "pass", "recall", "precision",
}  # fmt: skip
"""Words in the name of a metric of others that say which way is better."""


def direction(name: str, asked: bool | None = None) -> bool | None:
    """Whether higher is better: as asked, as known here, or as the name says; None where nothing does."""
    if asked is not None:
        return asked
    if name in METRICS:
        return METRICS[name].higher_is_better
    words = set("".join(letter if letter.isalnum() else " " for letter in name.lower()).split())
    says_lower, says_higher = bool(words & LOWER), bool(words & HIGHER)
    return None if says_lower == says_higher else says_higher
