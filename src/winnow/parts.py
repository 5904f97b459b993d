"""What is asked of a stage of each kind: the part of a recipe that goes into its fingerprint.

A part holds what can change the result and nothing else: no folder, no host, no number of workers.
"""

from typing import Annotated, Any, Literal

from winnow.recipe import (
    ADDED,
    ELSEWHERE,
    HOW,
    BudgetRecipe,
    FourierRecipe,
    Frozen,
    GivenTokenizerRecipe,
    LoraRecipe,
    MeasureRecipe,
    MixtureRecipe,
    PoolRecipe,
    RepresentationRecipe,
    SourceRecipe,
    TokenizerRecipe,
    TrainingRecipe,
    earlier,
)


def asked(part: Frozen) -> dict[str, Any]:
    """What of a part goes into a fingerprint."""
    return dict(_unmarked(part, part.model_dump(mode="json"), {HOW, ELSEWHERE}))


def without_added(value: Any, tree: Any) -> Any:
    """`tree`, which is how `value` is dumped, without fields marked HOW, and those marked ADDED at their defaults."""
    return _unmarked(value, tree, {HOW})


def _unmarked(value: Any, tree: Any, marks: set[str]) -> Any:
    """`tree` without the fields that have one of the marks, and those marked ADDED at their defaults."""
    if isinstance(value, dict):
        return {key: _unmarked(value[key], branch, marks) for key, branch in tree.items()}
    if isinstance(value, tuple):
        return [_unmarked(inner, branch, marks) for inner, branch in zip(value, tree, strict=True)]
    if not isinstance(value, Frozen):
        return tree
    given = {key: getattr(value, key) for key in tree}
    fields = type(value).model_fields
    kept = [
        key
        for key in tree
        if marks.isdisjoint(fields[key].metadata)
        and (ADDED not in fields[key].metadata or given[key] != fields[key].default)
    ]
    return {key: _unmarked(given[key], tree[key], marks) for key in kept} | earlier(value, kept)


class GeneratePart(Frozen):
    """Make one source with the built-in generator or a teacher.

    Inputs, for a teacher: `seeds`? (its questions to start from), `teacher`? and `tokenizer`? (of a local model).
    """

    source: SourceRecipe


class TestsPart(Frozen):
    """Read the evaluation sets. Inputs: `generated.<source>`."""

    sets: tuple[SourceRecipe, ...]
    completion: Literal["rationale", "answer"] = "rationale"
    """As in the pool, so that the loss is of what was trained on."""
    chat_template: Annotated[str | None, ADDED] = None
    """The text of the template that the recipe gives for conversations."""
    text: Annotated[tuple[SourceRecipe, ...], ADDED] = ()
    """Sets of plain text."""


class CorpusPart(Frozen):
    """Read text for pretraining. Inputs: `tests`, `generated.<source>`."""

    sources: tuple[SourceRecipe, ...]


class TokenizerPart(Frozen):
    """Train a tokenizer, or take that of a model. Inputs: `corpus`, or `documents.<source>`, of each as many bytes."""

    tokenizer: TokenizerRecipe | GivenTokenizerRecipe
    context_tokens: int


class DocumentsPart(Frozen):
    """Read a source of plain text. Inputs: `tests`, `generated.<source>`?."""

    source: SourceRecipe
    seed: int = 0
    """Of the order, whose beginning is a sample."""


class TokensPart(Frozen):
    """Turn documents into tokens. Inputs: `documents`, `tokenizer` (a tokenizer or a model)."""

    validation_tokens: int
    """Held out: the first documents that reach so many."""
    limit_tokens: int | None = None
    """Trained on: the next documents that reach so many; null for all others."""


class TextPoolPart(Frozen):
    """Look at all sources of plain text together. Inputs: `documents.<source>`, `tokens.<source>`."""

    sources: tuple[SourceRecipe, ...]
    context_tokens: int


class UntrainedPart(Frozen):
    """A model with random weights. Input: `tokenizer`."""

    architecture: dict[str, Any]
    seed: int = 0


class MixturePart(Frozen):
    """Work out the shares of a run's sources. Inputs: `tokens.<source>`; where they are learned `reading.<proxy>`."""

    mixture: MixtureRecipe
    sources: tuple[str, ...]  # in the recipe's order, which decides ties
    budget: BudgetRecipe
    context_tokens: int


class ModelPart(Frozen):
    """Point at a model folder or hub name; holds its hash, not its weights."""

    model: str
    revision: str | None = None
    is_encoder: bool = False
    """An encoder, for embeddings; else a causal language model."""


class HygienePart(Frozen):
    """Look for evaluation items and for copies in the pool's sources. Inputs: `generated.<source>`."""

    sources: tuple[SourceRecipe, ...]
    sets: tuple[SourceRecipe, ...]
    completion: Literal["rationale", "answer"] = "rationale"
    similarity: float = 0.7


class PoolPart(Frozen):
    """Read, clean and split the pool.

    Inputs: `tests`, `tokenizer` (a tokenizer or a model), `generated.<source>`, `hygiene`?.
    """

    pool: PoolRecipe
    validates_target: Annotated[bool, ADDED] = False
    """Hold out examples of the target's kind, too."""


class RowsPart(Frozen):
    """Make a pool of rows that a caller hands over. Input: `tokenizer`? (without it tokens are words)."""

    given: Annotated[str, HOW]
    """Folder that holds them."""
    contents: dict[str, str]
    """File -> sha256: what is asked."""
    max_tokens: int | None = None
    """Longest example in tokens of the tokenizer; the end of the completion is cut."""


class CooldownPart(Frozen):
    """End a run early, its learning rate falling to zero."""

    budget: BudgetRecipe
    """What the run may spend up to its end, in the unit of the longer run's budget."""
    fraction: float
    """Share of its steps in which the learning rate falls."""


class TrainPart(Frozen):
    """Train one model.

    Inputs: `data` (a pool or corpus; of text `tokens.<source>`), `selection`? or `mixture`, `start`?, `tokenizer`;
    `sweep`? (gives the learning rate); `trunk`? (the longer run that a branch goes on from).
    """

    objective: str
    """Name of a registered objective."""
    training: TrainingRecipe
    global_batch_size: int
    budget: BudgetRecipe
    flops_per_second: float | None = None
    """Turns a budget in seconds or dollars into FLOPs."""
    dollars_per_hour: float = 0.0
    architecture: dict[str, Any] | None = None
    """For a model from scratch."""
    context_tokens: int | None = None
    """Length of packed sequences, for pretraining."""
    sources: tuple[str, ...] | None = None
    """Train on these sources of the data alone."""
    charge_selection: bool = False
    """Take the selection's FLOPs out of the budget."""
    every_steps: int | None = None
    """Steps between two evaluations; null for none."""
    best_by: Literal["validation", "target", "test"] = "validation"
    seed: int = 0
    objective_options: Annotated[dict[str, Any], ADDED] = {}
    """The objective's own options."""
    leaves: Annotated[Literal["adapter", "model"], ELSEWHERE] = "model"
    """What a run with an adapter leaves: that alone, or a whole model, into which it is merged, for others to start
    from. A fingerprint says how it is merged."""
    devices: Annotated[int, ADDED] = 1
    """Processes that train together; the last bits depend on it."""
    keep_every_steps: Annotated[int | None, ADDED] = None
    """Steps between two states that are kept for branches; null for none."""
    keep_at: Annotated[tuple[float, ...], ADDED] = ()
    """Shares of the steps at which a state is kept, too."""
    keep_for: Annotated[tuple[CooldownPart, ...], ADDED] = ()
    """Shorter runs that branch from this one: a state is kept where the cooldown of each begins."""
    cooldown: Annotated[CooldownPart | None, ADDED] = None
    """For a branch: all else is the longer run's."""
    source_fraction: Annotated[float, ADDED] = 1.0
    """Of every source of plain text, train on the first documents that have this share of its tokens."""


class TrialPart(Frozen):
    """A short run of a learning-rate sweep. Inputs: those of the run, without `tests`."""

    run: TrainPart
    """The run that it is a trial of, at the trial's learning rate."""
    budget_fraction: float
    """Its length over the run's."""


class SweepPart(Frozen):
    """Choose a learning rate. Inputs: `trial.<rate>`; those of a trial where rates beyond the grid may be tried."""

    of: Annotated[str, HOW]
    """Whose sweep it is, for messages."""
    choose: Literal["lowest_loss", "highest_stable"]
    checkpoint: Literal["best", "last"]
    """Which validation loss of a trial counts: that of its best checkpoint, or of its last."""
    beyond: Annotated[TrialPart | None, ADDED] = None
    """A trial, of which rates beyond the grid are tried where the best one lies at its end; null to try none."""


class ProxyPart(Frozen):
    """A small run that a mixture is learned from. Inputs: those of the run, without `mixture`."""

    run: TrainPart
    """The run that the shares are for."""
    shares: dict[str, float]
    """Source -> share of the tokens."""
    tokens_fraction: float
    """Its tokens over the run's."""


class ReadingPart(Frozen):
    """Score a proxy. Inputs: `run` (the proxy), `tokenizer`, `tokens.<source>`, `target`?; never an evaluation set."""

    context_tokens: int
    threads: int = 1


class RepresentPart(Frozen):
    """Vectors, counts or a score for each pool example.

    Inputs: `pool`; where a model is needed `model`, and `tokenizer` if the pool's tokens are not the model's own.
    """

    representation: RepresentationRecipe
    lora: LoraRecipe | None = None
    """The adapter, for gradients."""
    threads: int = 1


class SelectPart(Frozen):
    """Choose rows.

    Inputs: `pool`, `vectors`?, `counts`?, `scores`?, `audit`?, `reference`? (for a control), `warm_up.<stage>`.
    """

    selector: str
    options: dict[str, Any] = {}
    fraction: float | None = None
    """Null for selectors that bring their own size."""
    target: bool = False
    sized_by: Literal["examples", "tokens"] = "examples"
    fourier: FourierRecipe | None = None
    """The map from vectors to features, where the selector needs features and they are not the vectors themselves."""
    resample: float = 1.0
    """Share of the pool that is drawn as candidates, by the seed."""
    seed: int | None = None
    """Null where the selection does not depend on it."""


class EvaluatePart(Frozen):
    """Score checkpoints on whole evaluation sets. Inputs: `run`, `tests`, `tokenizer`, `tokens.<source>`."""

    checkpoints: tuple[Literal["best", "last"], ...]
    max_new_tokens: int
    batch_size: int
    threads: int = 1
    measures: Annotated[tuple[MeasureRecipe, ...] | None, ADDED] = None
    """What is measured; null for loss and exact match."""
    context_tokens: Annotated[int | None, ADDED] = None
    """Length of the windows that plain text is cut into; null where there is none."""


class BenchmarkPart(Frozen):
    """Ask one benchmark of a checkpoint. Inputs: `run` (a trained or given model), `tokenizer`."""

    task: str
    checkpoint: Literal["best", "last"]
    num_fewshot: int | None = None
    """Null for the usual number."""
    limit: int | None = None
    data_dir: Annotated[str | None, HOW] = None
    """Where its files stand; their contents are asked. Null for the hub."""
    threads: int = 1
