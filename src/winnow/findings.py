"""What analysis found in a study folder, as plain data: the report and the command line print it.

Shares lie in [0, 1], losses are nats per target token; `winnow.text.printing` knows how numbers look.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from winnow.metrics import Metric
from winnow.recipe import BudgetRecipe, Recipe
from winnow.records import SELECTION

UNKNOWN = Metric("", higher_is_better=True)
"""Of a comparison that nobody could make."""

Kind = Literal["better", "worse", "no difference shown", "too few seeds", "not affordable"]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over seeds with its Student-t interval."""

    mean: float
    low: float | None
    """None with fewer than two seeds."""
    high: float | None
    num: int
    """Seeds."""

    @property
    def half_width(self) -> float | None:
        """Half the interval; None where there is none."""
        return None if self.low is None or self.high is None else (self.high - self.low) / 2


@dataclass(frozen=True, slots=True)
class Comparison:
    """An arm against another, paired over common seeds, on one metric at one checkpoint."""

    arm: str
    baseline: str
    metric: str
    """Name of what is compared: a metric, or a benchmark, by its own."""
    aggregate: str
    """micro, macro or a set; empty for a number that others measured."""
    checkpoint: str
    kind: Kind
    gain: Estimate | None = None
    """Positive is better: lower loss (nats), higher exact match (share). None without a common finished seed."""
    num_comparisons: int = 1
    """Size of the family that the interval is Bonferroni-corrected for."""
    needed_seeds: int | None = None
    """About how many seeds would show a difference of this size; None where that is unknown or beyond reach."""
    reason: str = ""
    """Why there is no comparison: not affordable, or not finished."""
    over_items: Estimate | None = None
    """The same gain with the interval for other seeds and other items of the sets; None without item records."""
    num_items: int | None = None
    facts: Metric = UNKNOWN
    """What is known of the metric; of numbers that others measured neither unit nor scale."""


@dataclass(frozen=True, slots=True)
class Saving:
    """The share of the baseline's cost to its best loss that an arm saves on the way to the same loss."""

    axis: str
    """flops, seconds, dollars or tokens."""
    baseline: str
    gross: Estimate | None
    """None where a seed never reaches the level, or where the baseline's best costs nothing."""
    net: Estimate | None
    """With what the selection costs on both sides."""
    num_never: int
    """Seeds that never reach the baseline's best validation loss."""
    num: int
    """Seeds in common."""
    break_even_runs: int | None
    """Runs that must share one selection until it has paid for itself; None: never."""
    at_most: float | None = None
    """Where some seeds never get there: the gross saving if they had at their end, which is more than the truth."""
    level: str = "validation loss"
    """What the level is a level of."""
    includes_selection: bool = False
    """Nothing to be netted: the arms have one selection, or costs that others metered hold everything."""
    is_of_selection: bool = True
    """The two arms differ in their selection alone, so that it is what saved; else it is the arm, with all it sets."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The study's answer to its one declared question, and what stands beside it."""

    kind: Kind
    sentence: str
    notes: tuple[str, ...]
    """The same arm against random rows and against its source-matched control, one sentence each."""
    primary: Comparison
    saving: Saving | None
    ranking: tuple[Comparison, ...]
    """All arms against the baseline, best first, corrected for their number."""
    confidence: float
    advice: str = ""
    """The answer in plain words: what to use, or that nothing is shown; empty where nobody asked for it."""
    so_far: str = ""
    """What is missing yet, such as "so far, 2 of 3 seeds"; empty where all planned runs of the two arms are there."""


@dataclass(frozen=True)
class Table:
    """Rows with the unit in each column's name; `x_low` and `x_high` bound `x`."""

    name: str
    """Of its file."""
    title: str
    rows: tuple[dict[str, Any], ...]
    note: str = ""
    levels: tuple[str, ...] = ()
    """Columns of factors: people see names and numbers as the recipe has them, and no column that is empty."""
    flops_unit: float = 1e18
    """People read columns of exaflops in it."""
    columns: tuple[str, ...] = ()
    """What it has where it has no rows; told by the rows else."""

    def __post_init__(self) -> None:
        """One table has one set of columns, with rows or without."""
        assert not (self.rows and self.columns) or tuple(self.rows[0]) == self.columns, self.name


@dataclass(frozen=True, slots=True)
class Curve:
    """The evaluations on the way of one run; all tuples have one entry per evaluation."""

    arm: str
    seed: int
    best_step: int
    steps: tuple[int, ...]
    tokens: tuple[int, ...]
    flops: tuple[float, ...]
    seconds: tuple[float, ...]
    validation_loss: tuple[float, ...]
    """By which the best checkpoint is chosen, unless there is a `target_validation_loss`."""
    loss: tuple[float, ...]
    """Micro average over the evaluation sets."""
    exact_match: tuple[float | None, ...]
    """Micro average; None where nothing was generated."""
    set_loss: Mapping[str, tuple[float, ...]]
    set_exact_match: Mapping[str, tuple[float | None, ...]]
    measured: Mapping[str, Mapping[str, tuple[float | None, ...]]] = field(default_factory=dict)
    """Other metrics, each by set and micro; None where an evaluation lacks it."""
    target_validation_loss: tuple[float, ...] = ()
    """On held-out examples of the target's kind; empty where there are none."""

    @property
    def judged_loss(self) -> tuple[float, ...]:
        """On the held-out examples that the recipe aims at."""
        return self.target_validation_loss or self.validation_loss


@dataclass(frozen=True, slots=True)
class DelayedGain:
    """How far behind the best loss of a run its best exact match lies."""

    arm: str
    seed: int
    best_loss_step: int
    best_exact_match_step: int
    exact_match_at_best_loss: float
    best_exact_match: float
    is_delayed: bool


@dataclass(frozen=True, slots=True)
class ArmFacts:
    """An arm and how it came to be."""

    name: str
    selector: str
    fraction: float | None
    """Selected examples over pool examples; None where the arm was never selected."""
    control_of: str | None
    """The arm whose selection this control takes as its reference."""
    is_control: bool
    seeds: tuple[int, ...]
    """Finished ones."""
    not_affordable: str = ""
    """Why the budget could not pay for it; empty where it could."""
    factors: Mapping[str, str] = field(default_factory=dict)
    """Factor -> its level in this arm; `selection` among them where the study has several."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """What the arm sets of the study's recipe: dotted key -> value."""
    budget: BudgetRecipe | None = None
    """What each of its runs may spend."""
    training: Mapping[str, Any] = field(default_factory=dict)
    """How its runs trained, as the first one's records say: the recipe's section, with the rate that a sweep chose."""
    learning_rates: tuple[float, ...] = ()
    """Peak rates of its runs; several where each seed has its own."""

    @property
    def selection_factor(self) -> str | None:
        """Its level of the factor `selection`; None where the study has one selection."""
        return self.factors.get(SELECTION)


def budget_text(arms: Sequence[ArmFacts]) -> str:
    """The budget of every arm, or all of them where arms have different ones."""
    budgets = list(dict.fromkeys(arm.budget.text for arm in arms if arm.budget is not None))
    return budgets[0] if len(budgets) == 1 else f"by arm, {', '.join(budgets)}"


@dataclass(frozen=True, slots=True)
class Factor:
    """Something in which the arms of a study differ, and what it is in each."""

    name: str
    levels: tuple[str, ...]
    """Names, in the recipe's order; the first is what effects compare with."""
    values: tuple[float | str, ...]
    """The number that each level sets, where all of them set one and the same key to a number; else their names."""

    @property
    def is_numeric(self) -> bool:
        """Whether its levels are numbers."""
        return all(not isinstance(value, str) for value in self.values)

    def value_of(self, level: str | None) -> float | str | None:
        """What tables show of a level; None where an arm has none."""
        return None if level is None else self.values[self.levels.index(level)]


@dataclass(frozen=True, slots=True)
class DataSource:
    """One origin of data and its licence."""

    name: str
    role: Literal["training pool", "target sample", "planted noise", "pretraining", "evaluation"]
    licence: str
    origin: str


@dataclass(frozen=True)
class Findings:
    """Everything that a report prints."""

    recipe: Recipe
    settings: Mapping[str, Any]
    """The study's study.json: name, identity, environment, revision, machine, base_path, first_seed."""
    arms: tuple[ArmFacts, ...]
    baseline: str
    """Of savings and ratios: `full` where it was run, else the primary comparison's."""
    verdict: Verdict
    tables: Mapping[str, Table]
    """By name: savings, evaluation, iso_compute, equal_flops, adapters, composition, comparisons,
    cost_to_quality_<axis>, crossover, crossover_losses, delayed_gain, ledger_arms, ledger_stages, predicted;
    evaluation_clean where the study has a contamination report; effects, grid and pareto where there are factors."""
    curves: tuple[Curve, ...]
    delayed_gains: tuple[DelayedGain, ...]
    limitations: tuple[str, ...]
    sources: tuple[DataSource, ...]
    metrics: Mapping[str, Metric] = field(default_factory=dict)
    """What is known of the metrics of the study's own evaluation sets, by name."""
    factors: tuple[Factor, ...] = ()
    """In which arms differ; none in a study of selections alone."""
    flops_unit: float = 1e18
    """FLOPs in which all that people read is said: one prefix for the whole study."""
    level_words: str = "validation loss"
    """By which loss the best checkpoints were chosen, and the level is reached."""

    @property
    def budget_text(self) -> str:
        """The budget of every arm, or all of them where arms have different ones."""
        return budget_text(self.arms) if self.arms else self.recipe.budget.text


@dataclass(frozen=True, slots=True)
class GivenCurve:
    """One metric of a run that others made; all tuples have one entry per measurement, by step."""

    arm: str
    seed: int
    steps: tuple[float, ...]
    values: tuple[float, ...]
    costs: tuple[float, ...]
    """What the run had cost by then; empty where nobody metered it."""
    chosen: int
    """The place of the checkpoint that is compared."""


@dataclass(frozen=True)
class GivenFindings:
    """Runs that others made, compared."""

    metric: str
    higher_is_better: bool
    cost: str | None
    """Name of the cost; None where there is none."""
    baseline: str
    verdict: Verdict
    tables: Mapping[str, Table]
    """By name: comparisons, runs, and where there is something to say cost_to_quality and best_steps."""
    curves: tuple[GivenCurve, ...]


@dataclass(frozen=True)
class SelectionFindings:
    """Selections of one pool side by side, before anything is trained on them."""

    study: str
    pool_examples: int
    seeds: tuple[int, ...]
    representation: str | None
    """Where distances are measured; null where no arm sees vectors."""
    tables: Mapping[str, Table]
    """By name: selections, overlap, composition, cost, examples, and faults where the generator planted any."""
    plane: Mapping[str, NDArray[np.float64]]
    """`pool` and each arm -> points [rows, 2] in the vectors' first two principal components; empty without vectors."""
