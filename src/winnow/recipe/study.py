"""Section `study`: how often, and what is claimed."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from winnow.recipe.values import ADDED, Fraction, Frozen, Name, Number, Rate, Seed, Text, Truth


class PrimaryRecipe(Frozen):
    """The one comparison that the verdict answers, declared before the runs."""

    arm: str | None = None
    """Arm with its fraction, such as herding_0.1; the first selected arm where it is not given."""
    baseline: str = "full"
    """Arm it is compared with."""
    metric: Text = "loss"
    """What is compared: loss, exact_match, a metric of `evaluation.measures`, or one of `evaluation.benchmarks.tasks`
    for that benchmark's own main metric."""
    aggregate: str = "micro"
    """micro (over items), macro (over sets), or the name of one set; of a benchmark always micro."""
    checkpoint: Literal["best", "last"] = "best"
    """Which checkpoint of each run."""
    cost: Literal["flops", "seconds", "dollars", "tokens"] = "flops"
    """The cost whose saving is stated."""


class SweepRecipe(Frozen):
    """A learning-rate sweep: short trials on a grid, judged on validation, before any run of the study.

    The rate with the lowest validation loss among the stable ones is the peak learning rate of the runs;
    `training.learning_rate` is then not used. Evaluation sets are not looked at.
    """

    learning_rate: Annotated[tuple[Rate, ...], Field(min_length=2)]
    """The grid: peak learning rates, one trial each."""
    per: Name = "arm"
    """`arm`: each arm on its own data; `study`: once for all arms, on the data of `study.primary.baseline`; a factor of
    `vary`: once for each of its levels, on the arm that is that baseline in all else."""
    choose: Literal["lowest_loss", "highest_stable"] = "lowest_loss"
    """Among the stable rates: the one with the lowest validation loss, or the highest (Biderman et al. 2024)."""
    budget_fraction: Fraction = 0.25
    """Length of a trial over that of the arm's run. Trials are charged to the arm beside its budget, not out of it."""
    edge: Annotated[Literal["flag", "extend"], ADDED] = "flag"
    """A best rate at an end of the grid: `flag` says so; `extend` tries the next rate beyond it, by the grid's own step
    there, twice at most."""
    seed: Seed = 0
    """Seed of the trials, one of `study.seeds`: their rows are the ones that this seed selects."""

    @model_validator(mode="after")
    def _different_rates(self) -> Self:
        if len(set(self.learning_rate)) < len(self.learning_rate):
            raise ValueError(f"study.sweep.learning_rate is {list(self.learning_rate)}; give every rate once")
        return self


class StudyRecipe(Frozen):
    """How often, and what is claimed."""

    seeds: Annotated[tuple[Seed, ...], Field(min_length=1)] = (0,)
    """Seeds of selection and training; more can be added later."""
    resample_pool: Fraction = 1.0
    """Share of the pool that each seed draws as candidates; below 1 a deterministic selector has a variance too."""
    primary: PrimaryRecipe = PrimaryRecipe()
    """The declared comparison."""
    branches: Annotated[Truth, ADDED] = False
    """Arms that differ in their budget alone are one run with branches: the longest one keeps its state where the decay
    of a shorter one begins, which goes on from there; asks for schedule warmup_stable_decay, whose warm-up is then that
    of the longest. Spent once, charged to each arm as far as it goes."""
    controls: Annotated[Truth, ADDED] = True
    """Where a factor of `vary` sets mixtures of plain text, add the levels that a fair study needs where they are
    missing: `equal`, `natural`, and beside each schedule its static control. Selections have `selection.controls`."""
    sweep: SweepRecipe | None = None
    """Choose the learning rate on validation; null trains with `training.learning_rate`, which the report says."""
    keep: Annotated[Literal["best", "last", "none"] | None, ADDED] = None
    """Which checkpoint of each run the study folder has; `none` leaves no weights in it, null has both."""
    confidence: Annotated[Number, Field(gt=0.5, le=0.999999)] = 0.95
    """Level of all intervals."""

    @property
    def kept_checkpoints(self) -> tuple[str, ...]:
        """The checkpoints of each run that the study folder has."""
        return {None: ("best", "last"), "none": ()}.get(self.keep, (str(self.keep),))

    @model_validator(mode="after")
    def _different_seeds(self) -> Self:
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError(f"study.seeds is {list(self.seeds)}; give every seed once")
        return self

    @model_validator(mode="after")
    def _sweep_of_a_seed(self) -> Self:
        if self.sweep is not None and self.sweep.seed not in self.seeds:
            raise ValueError(f"study.sweep.seed is {self.sweep.seed}; it must be one of study.seeds {list(self.seeds)}")
        return self
