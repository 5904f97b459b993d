"""Section `pool`: all candidates for training."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from winnow.recipe.licences import is_noncommercial
from winnow.recipe.sources import SourceRecipe
from winnow.recipe.values import ADDED, HOW, Count, Fraction, Frozen, Number, Seed, Share, Whole, once


class TargetRecipe(Frozen):
    """Training data set aside as the target of targeted selectors; never evaluation data.

    Where the best checkpoint is chosen by it (`evaluation.best_by`), other examples of its kind are held out for that.
    """

    per_source: dict[str, Annotated[Whole, Field(ge=1, le=10**9)]] | None = None
    """How many examples to set aside from each named source of the pool. Of its kind are the same sources' examples in
    the validation split, in the same proportions."""
    source: SourceRecipe | None = None
    """Or a user's own file. Half of it is held out where the best checkpoint is chosen by it; no selector sees that."""

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        if (self.per_source is None) == (self.source is None):
            raise ValueError("pool.target needs exactly one of per_source and source")
        return self


class PlantRecipe(Frozen):
    """Noise put into training rows on purpose, in the places of others; validation and target stay clean."""

    wrong_answers: Share = 0.0
    """Share of the training rows whose final answer becomes another one of its source, or another option."""
    copies: Share = 0.0
    """Share that become exact copies of a few others."""
    copied_rows: Annotated[Whole, Field(ge=1, le=10**9)] = 50
    """How many rows are copied."""
    off_topic: Share = 0.0
    """Share that become questions of another kind."""
    off_topic_source: SourceRecipe | None = None
    """Where those come from: files or a hub data set with questions and answers."""
    seed: Seed = 0
    """Decides which rows; the same rows for all arms and seeds of a study."""

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.wrong_answers + self.copies + self.off_topic > 0.95:
            raise ValueError("pool.plant changes more than 95 % of the rows; lower its shares")
        if (self.off_topic > 0) != (self.off_topic_source is not None):
            raise ValueError("pool.plant needs both off_topic and off_topic_source, or neither")
        if self.off_topic_source is not None and self.off_topic_source.path is None:
            raise ValueError("pool.plant.off_topic_source is generated; give files or a hub data set")
        return self


class HygieneRecipe(Frozen):
    """What is looked for in all rows of the pool's sources before any is drawn: evaluation items, and copies."""

    contamination: Literal["report", "drop_examples", "drop_source"] = "drop_examples"
    """`report` leaves all rows in, those of equal questions too; `drop_examples` drops the rows that `drop_by` finds,
    `drop_source` those and every source above `max_contaminated_fraction`."""
    drop_by: Annotated[
        tuple[Literal["equal_question", "covered_8", "shared_13"], ...], Field(min_length=1), AfterValidator(once)
    ] = (
        "equal_question",
        "covered_8",
        "shared_13",
    )
    """Rules: the same question; over half of the item's words in 8-grams shared with one question (Tulu 3); a shared
    13-gram without digits (TinyGSM)."""
    max_contaminated_fraction: Share = 0.02
    """Share of one evaluation set's items, by `equal_question` or `covered_8`, above which a source is contaminated."""
    duplicates: Literal["report", "drop_exact", "drop_near"] = "report"
    """Of equal rows, or of nearly equal rows with the same numbers, the first one stays, in the recipe's order."""
    similarity: Fraction = 0.7
    """Estimated Jaccard similarity of three-word runs from which on two rows are nearly equal."""


class TextRecipe(Frozen):
    """How plain text becomes rows of tokens, for pretraining."""

    context_tokens: Annotated[Whole, Field(ge=8, le=10**7)] = 256
    """Length of a row: documents of one source end to end, an end token after each, cut into rows."""
    validation_tokens: Count = 40_000
    """Held out of each source for validation, whole documents until so many tokens are reached; in no mixture."""


_OF_EXAMPLES = (
    "sample", "max_tokens", "too_long", "validation_fraction", "max_validation", "completion", "chat_template",
    "target", "plant", "hygiene",
)  # fmt: skip
"""Keys of `pool` that plain text has no use for."""


class PoolRecipe(Frozen):
    """All candidates for training."""

    sources: Annotated[tuple[SourceRecipe, ...], Field(min_length=1)]
    """Where the examples come from."""
    sample: Count | None = None
    """Keep a seeded sample of so many examples of all sources together."""
    max_tokens: Annotated[Whole, Field(ge=8, le=10**7)] = 512
    """Longest example in tokens; longer ones are treated by `too_long`."""
    too_long: Literal["truncate", "drop", "error"] = "truncate"
    """`truncate` cuts the end of the completion and counts it."""
    validation_fraction: Annotated[Number, Field(gt=0.0, lt=1.0)] = 0.1
    """Share of the examples held out for validation, by group of near-equal questions."""
    max_validation: Count = 500
    """At most so many validation examples."""
    completion: Literal["rationale", "answer"] = "rationale"
    """Train on the worked answer followed by the final one, or on the final answer alone."""
    chat_template: Annotated[str | None, ADDED] = None
    """Jinja template of conversations (format `chat`), or a file that holds one; null for the tokenizer's own."""
    target: TargetRecipe | None = None
    """Sample for targeted selectors."""
    plant: PlantRecipe | None = None
    """Noise put into the training rows, for studies of what selection makes of it."""
    hygiene: Annotated[HygieneRecipe | None, ADDED] = None
    """Look for evaluation items and for copies; null drops equal questions of the evaluation sets, and nothing else."""
    text: Annotated[TextRecipe | None, ADDED] = None
    """For sources of plain text, and for these alone: how rows of tokens are made of them."""
    licence_policy: Annotated[Literal["flag", "refuse"], HOW] = "flag"
    """Sources whose licence forbids commercial use, as far as its name tells: mark them, or refuse the recipe."""
    seed: Seed = 0
    """Seed of sampling and splitting."""

    @model_validator(mode="after")
    def _text_or_examples(self) -> Self:
        texts = [source.name for source in self.sources if source.is_text]
        others = [source.name for source in self.sources if not source.is_text]
        if texts and others:
            raise ValueError(
                f"source {texts[0]!r} holds plain text, source {others[0]!r} examples; a study trains on one of both: "
                "move the text to base.pretrain.sources, or make two studies"
            )
        if texts and self.text is None:
            raise ValueError(
                f"source {texts[0]!r} holds plain text, not questions; say how it becomes rows with pool.text, such as "
                "{context_tokens: 256}, or move it to base.pretrain.sources"
            )
        if self.text is not None and not texts:
            raise ValueError(f"pool.text is for plain text, and source {others[0]!r} holds examples; remove it")
        return self

    @model_validator(mode="after")
    def _only_what_text_has(self) -> Self:
        if self.text is None:
            return self
        for key in _OF_EXAMPLES:
            if getattr(self, key) != type(self).model_fields[key].default:
                raise ValueError(f"pool.{key} is for examples, and pool.sources holds plain text; remove it")
        return self

    @model_validator(mode="after")
    def _limits_of_text(self) -> Self:
        limited = next((source.name for source in self.sources if source.limit_tokens is not None), None)
        if limited is not None and self.text is None:
            raise ValueError(f"source {limited!r} has limit_tokens, which is for plain text; use limit")
        return self

    @model_validator(mode="after")
    def _plants_into_questions(self) -> Self:
        chats = [source.name for source in self.sources if source.path is not None and source.format == "chat"]
        if self.plant is not None and chats:
            raise ValueError(f"pool.plant cannot change conversations, such as those of {chats[0]!r}; remove it")
        return self

    @model_validator(mode="after")
    def _licences_allowed(self) -> Self:
        own = (self.target.source if self.target else None, self.plant.off_topic_source if self.plant else None)
        for source in (*self.sources, *own):
            if self.licence_policy == "refuse" and source is not None and is_noncommercial(source.licence):
                raise ValueError(
                    f"source {source.name!r} has licence {source.licence!r}, which forbids commercial use, and "
                    "pool.licence_policy is refuse; remove it, or set flag"
                )
        return self
