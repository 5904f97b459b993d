"""Kinds of stages, a row each: all that the rest of winnow has to know of one.

    kind = KINDS["train"]
    kind.version, kind.on_device, kind.record.path

A new kind is a part (`parts.py`), a function in its room, and a row here.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Copied:
    """A file of an artifact that the study folder has, too."""

    file: str
    """In the artifact; with `{checkpoint}` there is one for each."""
    path: str
    """Below the study folder. `{run}` is an arm with a seed and, where one is scored, a checkpoint; `{task}`."""
    is_record: bool = False
    """A JSON object, to which is added whose it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """What there is to know of the stages of one kind."""

    module: str
    function: str
    """(part, inputs, context) -> Outcome."""
    version: int
    """Raised when the same question gets another answer."""
    is_of_arm: bool = False
    """An arm goes without it where its selection costs more than the budget."""
    on_device: bool = False
    """The last bits depend on the kind of device."""
    meter: str | None = None
    """What its own work is counted under; null where that is not counted."""
    charged_as: Literal["data", "selection", "training"] | None = None
    """What an arm that rests on it pays it as; null where it pays nothing for it."""
    copied: tuple[Copied, ...] = ()
    """What the study folder has of an arm's stages, or of the study's one where the path names no run."""
    weights: str = ""
    """Where the study folder has the checkpoints of an arm's run; empty where it has none."""
    is_measure: bool = False
    """It measures what a run left; `winnow evaluate` makes all of these."""
    looks_at: Literal["validation", "tests"] | None = None
    """What an arm's run is evaluated on while it trains; `tests` also on the validation split."""
    told_as: str | None = None
    """What trackers call an arm's run, of `{arm}` and `{seed}`; null where they are not told of it."""

    @property
    def is_charged(self) -> bool:
        """Whether an arm that rests on it pays for it."""
        return self.charged_as is not None

    @property
    def record(self) -> Copied:
        """The one JSON record of it in the study folder."""
        return next(each for each in self.copied if each.is_record)

    @property
    def items(self) -> Copied:
        """What stands beside that record, item by item."""
        return next(each for each in self.copied if not each.is_record)

    def load(self) -> Callable[..., Any]:
        """The stage function; imports its room."""
        function: Callable[..., Any] = getattr(import_module(self.module), self.function)
        return function


KINDS: dict[str, Kind] = {
    "generate": Kind(
        module="winnow.generation.stages", function="generate", version=2, meter="generate", charged_as="data",
    ),
    "seeds": Kind(module="winnow.pool.stages", function="make_tests", version=4),
    "tests": Kind(module="winnow.pool.stages", function="make_tests", version=5),
    "corpus": Kind(module="winnow.pool.stages", function="make_corpus", version=3),
    "tokenizer": Kind(module="winnow.pool.tokenizer", function="make_tokenizer", version=1),
    "hygiene": Kind(
        module="winnow.pool.hygiene.stage", function="make_hygiene", version=2,
        copied=(
            Copied("hygiene.json", "records/hygiene.json"),
            Copied("items.parquet", "records/items/contamination.parquet"),
        ),
    ),
    "pool": Kind(module="winnow.pool.stages", function="make_pool", version=6),
    "documents": Kind(module="winnow.pool.documents", function="make_documents", version=1),
    "tokens": Kind(module="winnow.pool.tokens", function="make_tokens", version=1),
    "text_pool": Kind(module="winnow.pool.text_pool", function="make_text_pool", version=1),
    "row_cost": Kind(module="winnow.training.row_cost", function="count_row_flops", version=1),
    "mixture": Kind(
        module="winnow.mixing.stage", function="make_mixture", version=2, is_of_arm=True, meter="mix",
        charged_as="selection",
        copied=(
            Copied("mixture.json", "records/mixture.{run}.json", is_record=True),
            Copied("fit.json", "records/fit.{run}.json", is_record=True),
        ),
    ),
    "proxy": Kind(
        module="winnow.training.proxies", function="train_proxy", version=1, is_of_arm=True, on_device=True,
        meter="train", charged_as="training",
    ),
    "reading": Kind(
        module="winnow.evaluation.readings", function="read_proxy", version=1, is_of_arm=True, on_device=True,
        meter="mix", charged_as="selection",
    ),
    "rows": Kind(module="winnow.pool.rows", function="make_rows_pool", version=3),
    "model": Kind(module="winnow.training.pointing", function="point_at_model", version=3),
    "untrained": Kind(module="winnow.training.untrained", function="make_untrained", version=1),
    "represent": Kind(
        module="winnow.selection.represent", function="represent", version=4, on_device=True,
        meter="represent", charged_as="selection",
    ),
    "select": Kind(
        module="winnow.selection.stages", function="select", version=3, meter="select", charged_as="selection",
        copied=(
            Copied("selection.json", "records/selection.{run}.json", is_record=True),
            Copied("selection.parquet", "records/items/selection.{run}.parquet"),
        ),
    ),
    "train": Kind(
        module="winnow.training.stages", function="train_model", version=4, is_of_arm=True, on_device=True,
        meter="train", charged_as="training", looks_at="tests", told_as="{arm}.s{seed}",
        copied=(Copied("training_records.json", "training_records.{run}.json", is_record=True),),
        weights="adapters/{run}_{checkpoint}",
    ),
    "trial": Kind(
        module="winnow.training.sweeps", function="run_trial", version=2, is_of_arm=True, on_device=True,
        meter="train", charged_as="training", looks_at="validation",
    ),
    "sweep": Kind(  # may try rates beyond its grid
        module="winnow.training.sweeps", function="choose_rate", version=1, is_of_arm=True,
        meter="train", charged_as="training", looks_at="validation",
    ),
    "evaluate": Kind(
        module="winnow.evaluation.stages", function="evaluate", version=7, is_of_arm=True, on_device=True,
        meter="evaluate", is_measure=True,
        copied=(
            Copied("evaluation_{checkpoint}.json", "records/evaluation.{run}.json", is_record=True),
            Copied("items_{checkpoint}.parquet", "records/items/evaluation.{run}.parquet"),
        ),
    ),
    "benchmark": Kind(
        module="winnow.evaluation.benchmarks.stage", function="run_benchmark", version=2, is_of_arm=True,
        on_device=True, meter="evaluate", is_measure=True,
        copied=(
            Copied("benchmark.json", "records/benchmark.{task}.{run}.json", is_record=True),
            Copied("items.parquet", "records/items/benchmark.{task}.{run}.parquet"),
        ),
    ),
    "source_samples": Kind(
        module="winnow.evaluation.own_samples", function="draw_own_samples", version=1, on_device=True,
        meter="evaluate", copied=(Copied("samples.parquet", "records/items/own_samples.parquet"),),
    ),
    "divergence": Kind(
        module="winnow.evaluation.own_samples", function="measure_divergence", version=1, is_of_arm=True,
        on_device=True, meter="evaluate", is_measure=True,
        copied=(
            Copied("divergence_{checkpoint}.json", "records/divergence.{run}.json", is_record=True),
            Copied("items_{checkpoint}.parquet", "records/items/divergence.{run}.parquet"),
        ),
    ),
    "spectra": Kind(
        module="winnow.evaluation.spectra", function="measure_spectra", version=1, is_of_arm=True, on_device=True,
        meter="evaluate", is_measure=True,
        copied=(
            Copied("spectra.json", "records/spectra.{run}.json", is_record=True),
            Copied("spectra.parquet", "records/items/spectra.{run}.parquet"),
        ),
    ),
    "sample": Kind(
        module="winnow.evaluation.sampling", function="sample_answers", version=1, is_of_arm=True, on_device=True,
        meter="evaluate", is_measure=True,
        copied=(
            Copied("sampling.json", "records/sampling.{run}.json", is_record=True),
            Copied("answers.parquet", "records/items/sampling.{run}.parquet"),
        ),
    ),
}  # fmt: skip
"""Kind of stage -> its row."""


def meters(*charged_as: str) -> tuple[str, ...]:
    """The meters of the kinds that are charged so; without a word, of all that are charged."""
    kept = [each for each in KINDS.values() if each.charged_as and (not charged_as or each.charged_as in charged_as)]
    return tuple(dict.fromkeys(each.meter for each in kept if each.meter is not None))
