"""Section `evaluation`: what is measured, and when."""

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from winnow.errors import nearest
from winnow.recipe.sources import SourceRecipe
from winnow.recipe.values import (
    ADDED,
    Count,
    Fraction,
    Frozen,
    Name,
    Number,
    Positive,
    Seed,
    Size,
    Text,
    Whole,
    once,
)

BENCHMARKS = {
    "hellaswag": 0, "arc_easy": 0, "arc_challenge": 0, "piqa": 0, "winogrande": 0, "truthfulqa_mc1": 0,
    "truthfulqa_mc2": 0, "mmlu": 5, "commonsense_qa": 0, "boolq": 0, "lambada_openai": 0, "gsm8k": 5,
    "minerva_math500": 4, "ifeval": 0,
}  # fmt: skip
"""Benchmark, by lm-eval's name -> solved examples in its prompts where the recipe gives no other number."""
PROMPTS_AS_THEY_ARE = "truthfulqa_mc1", "truthfulqa_mc2", "lambada_openai", "ifeval"
"""Benchmarks whose prompts take no examples."""


Percent = Annotated[Number, Field(ge=0.0, le=100.0)]
"""A score as people print it."""


class ReferenceRecipe(Frozen):
    """Scores that somebody published of another model; tables show them beside ours."""

    name: Text
    """Of the model."""
    scores: Annotated[dict[Name, Percent], Field(min_length=1)]
    """Task -> its score in percent, as published."""


class BenchmarksRecipe(Frozen):
    """Benchmarks of the field, with the tasks, prompts and metrics of lm-eval (extra `benchmarks`)."""

    tasks: Annotated[tuple[Name, ...], Field(min_length=1)]
    """Which ones, by lm-eval's names: hellaswag, arc_easy, arc_challenge, piqa, winogrande, truthfulqa_mc1,
    truthfulqa_mc2, mmlu, commonsense_qa, boolq, lambada_openai, gsm8k, minerva_math500, ifeval."""
    data_dir: str | None = None
    """Folder of local files that stand in for the hub's data; docs/benchmarks.md says where each task looks."""
    limit: Count | None = None
    """Ask the first so many items of each task (of mmlu: of each subject); null for all."""
    num_fewshot: dict[Name, Annotated[Whole, Field(ge=0, le=1000)]] = {}
    """Solved examples in the prompts of the named tasks, where not the usual number."""
    forgetting: Annotated[tuple[Name, ...], AfterValidator(once)] = ("hellaswag", "arc_challenge", "winogrande")
    """Tasks whose average tells how much of its earlier abilities a tuned model has lost; those of `tasks` count."""

    reference: Annotated[ReferenceRecipe | None, ADDED] = None
    """A model whose scores stand beside ours; null for none."""

    @model_validator(mode="after")
    def _known_tasks(self) -> Self:
        reference = self.reference.scores if self.reference else {}
        for name in (*self.tasks, *self.num_fewshot, *self.forgetting, *reference):
            if name not in BENCHMARKS:
                raise ValueError(
                    f"evaluation.benchmarks names {name!r}{nearest(name, BENCHMARKS)}; known: {', '.join(BENCHMARKS)}"
                )
        if len(set(self.tasks)) < len(self.tasks):
            raise ValueError("evaluation.benchmarks.tasks names a task twice")
        fixed = [name for name in self.num_fewshot if name in PROMPTS_AS_THEY_ARE]
        if fixed:
            raise ValueError(f"evaluation.benchmarks.num_fewshot names {fixed[0]}, whose prompts take no examples")
        return self


class MeasureRecipe(Frozen):
    """A measure with options of its own."""

    name: Name
    """Of the measure: loss, exact_match, strict_exact_match, or another package's."""
    options: dict[str, Any] = {}
    """The measure's own options."""


class OwnSamplesRecipe(Frozen):
    """What the model that runs start from writes by itself, drawn once for a study, at temperature 1."""

    count: Annotated[Whole, Field(ge=2, le=10**6)] = 64
    """Texts."""
    tokens: Annotated[Whole, Field(ge=1, le=10**6)] = 128
    """Longest text; one that ends before is shorter."""
    seed: Seed = 0
    """Of the draw."""


class SpectraRecipe(Frozen):
    """What training changed in each matrix, as singular values."""

    share: Fraction = 0.9
    """A rank is the number of singular values that hold this share of the squares."""
    first: Annotated[Whole, Field(ge=1, le=10**6)] = 10
    """Intruders are looked for among so many of a tuned matrix's first singular vectors,"""
    below: Fraction = 0.5
    """those whose cosine with every singular vector of the base is below this (Shuttleworth et al. 2024)."""


class SamplingRecipe(Frozen):
    """Several answers to each prompt, drawn from the whole distribution."""

    num_samples: Annotated[Whole, Field(ge=1, le=10**4)] = 16
    """Answers to a prompt."""
    temperature: Positive = 0.8
    """The logits are divided by it."""
    k: Annotated[tuple[Annotated[Whole, Field(ge=1)], ...], Field(min_length=1), AfterValidator(once)] = (1, 2, 4, 8)
    """How often one of so many answers is right, and how many of so many differ; at most `num_samples`."""
    sets: Annotated[tuple[Name, ...] | None, Field(min_length=1)] = None
    """Of these evaluation sets; null for all that have final answers."""
    limit: Count = 100
    """Items of each set, the first by id."""
    seed: Seed = 0
    """Of the draw."""

    @model_validator(mode="after")
    def _known_k(self) -> Self:
        most = max(self.k)
        if most > self.num_samples:
            raise ValueError(
                f"evaluation.sampling.k has {most}, and a prompt gets num_samples {self.num_samples} answers, which "
                "say nothing of more; lower k or raise num_samples"
            )
        return self


USUAL_MEASURES = MeasureRecipe(name="loss"), MeasureRecipe(name="exact_match")
"""What is measured where the recipe does not say."""
TEXT_MEASURES = MeasureRecipe(name="loss"), MeasureRecipe(name="bits_per_byte"), MeasureRecipe(name="perplexity")
"""The same where it pretrains on plain text."""
IN_DOMAIN, OUT_OF_DOMAIN = "in_domain", "out_of_domain"
"""Averages of plain text, every set counting alike: over what is held out of each source, and over others' text."""

OWN_ROWS = "micro", "macro", "validation", "target_validation", IN_DOMAIN, OUT_OF_DOMAIN
"""What tables call the averages over sets, and the examples that are held out; no set has such a name."""


class EvaluationRecipe(Frozen):
    """What is measured, and when."""

    sets: tuple[SourceRecipe, ...]
    """Evaluation sets."""
    text: Annotated[tuple[SourceRecipe, ...] | None, ADDED] = None
    """Plain text to evaluate on beside what is held out of each source, for studies that pretrain on plain text."""
    every_steps: Count = 200
    """Steps between two evaluations on the way."""
    sample: Count = 100
    """Items of each set that are evaluated on the way; at the end the whole sets are."""
    max_new_tokens: Size = 64
    """Length of a generated answer."""
    batch_size: Size = 256
    """Items generated at once: part of the recipe, since the last bits depend on it."""
    best_by: Literal["validation", "target", "test"] | None = None
    """By which loss the best checkpoint is chosen, and cost to quality counted: on the pool's `validation` split, or on
    held-out examples of the `target`'s kind; null for `target` where the pool has one, else `validation`. `test` is the
    published rule of some references; it leaks, and the report says so."""
    benchmarks: Annotated[BenchmarksRecipe | None, ADDED] = None
    """Benchmarks of the base model and of every run's checkpoint; null for none."""

    measures: Annotated[tuple[MeasureRecipe | Name, ...] | None, ADDED] = None
    """What is read from every item of the sets: measures, by name or with `{name, options}`; null for loss and exact
    match. The loss is always measured, named or not."""

    own_samples: Annotated[OwnSamplesRecipe | None, ADDED] = None
    """Forgetting without data: how far each run's model has moved from the one it started from, on that one's own
    texts (docs/adapters.md), at the end and on the way; null for none."""

    spectra: Annotated[SpectraRecipe | None, ADDED] = None
    """What each run changed in each matrix of its model (docs/adapters.md); null for none."""

    sampling: Annotated[SamplingRecipe | None, ADDED] = None
    """Several answers to each prompt: pass@k and diversity (docs/adapters.md); null for none."""

    @property
    def asked(self) -> tuple[MeasureRecipe, ...]:
        """The measures with their options, the loss first."""
        if self.measures is None:
            return USUAL_MEASURES if self.text is None else TEXT_MEASURES
        given = tuple(each if isinstance(each, MeasureRecipe) else MeasureRecipe(name=each) for each in self.measures)
        loss = USUAL_MEASURES[0]
        return (next((each for each in given if each.name == loss.name), loss),
                *(each for each in given if each.name != loss.name))  # fmt: skip

    @property
    def asked_beyond(self) -> tuple[MeasureRecipe, ...] | None:
        """The same, null where they are the usual ones, which are never told apart from a recipe that names none."""
        return None if self.asked == USUAL_MEASURES else self.asked

    @model_validator(mode="after")
    def _different_measures(self) -> Self:
        names = [each if isinstance(each, str) else each.name for each in self.measures or ()]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ValueError(f"evaluation.measures names {twice!r} twice; give it once")
        return self

    @model_validator(mode="after")
    def _has_sets(self) -> Self:
        if not self.sets and self.text is None:
            raise ValueError("evaluation.sets is []; it must have at least 1 item")
        return self

    @model_validator(mode="after")
    def _text_is_text(self) -> Self:
        other = next((source.name for source in self.text or () if not source.is_text), None)
        if other is not None:
            raise ValueError(f"evaluation.text has {other!r}, which holds examples; give `format: text`, or use sets")
        return self

    @model_validator(mode="after")
    def _known_sampled_sets(self) -> Self:
        names = [source.name for source in self.sets]
        for name in (self.sampling and self.sampling.sets) or ():
            if name not in names:
                raise ValueError(
                    f"evaluation.sampling.sets names {name!r}{nearest(name, names)}; evaluation.sets has "
                    f"{', '.join(names)}"
                )
        return self

    @model_validator(mode="after")
    def _free_set_names(self) -> Self:
        given = (*self.sets, *(self.text or ()))
        taken = next((source.name for source in given if source.name in OWN_ROWS), None)
        if taken is not None:
            raise ValueError(
                f"evaluation.sets has one named {taken!r}, as rows of the tables are: {', '.join(OWN_ROWS)}; rename it"
            )
        return self
