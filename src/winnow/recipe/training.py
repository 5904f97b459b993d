"""Sections `training`, `base` and `stages`: where training starts, and how it goes on."""

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from winnow.recipe.lora import LoraRecipe
from winnow.recipe.mixture import MixtureRecipe
from winnow.recipe.sources import SourceRecipe
from winnow.recipe.spending import BudgetRecipe, EarlyStoppingRecipe
from winnow.recipe.values import (
    ADDED,
    ELSEWHERE,
    HOW,
    Architecture,
    Beta,
    Count,
    Fraction,
    Frozen,
    Name,
    Names,
    Number,
    Pattern,
    Positive,
    Rate,
    Seed,
    Share,
    Size,
    Text,
    Truth,
    Whole,
    once,
)


def _named(given: Any) -> Any:
    return {"name": given} if isinstance(given, str) else given


class ObjectiveRecipe(Frozen):
    """What training minimises; a bare name stands for `{name: ...}`."""

    name: Name = "sft"
    """`sft`, `pretraining`, or an objective of another package."""
    options: dict[str, Any] = {}
    """The objective's own options."""

    def of_part(self) -> dict[str, Any]:
        """How a training part says it."""
        return {"objective": self.name, "objective_options": self.options}


FULL_RATE = 2e-5
"""Peak learning rate where all weights are trained: adapters take about ten times as much (LoRA Without Regret,
Schulman et al. 2025; Biderman et al. 2024)."""


class TrainingRecipe(Frozen):
    """How a run trains."""

    objective: Annotated[ObjectiveRecipe, BeforeValidator(_named), ADDED, ELSEWHERE] = ObjectiveRecipe()
    """What is minimised."""
    method: Literal["lora", "full", "none"] = "lora"
    """Train an adapter, all weights, or nothing: `none` is a run of no steps, which leaves its start as it is."""
    lora: LoraRecipe = LoraRecipe()
    """The adapter, for method `lora`."""
    peft: Annotated[dict[str, Any] | None, ADDED] = None
    """For method `lora`, in place of `lora`: any adapter of PEFT, by its `peft_type` and that type's own options."""
    quantise: Annotated[Literal["4bit", "8bit"] | None, ADDED] = None
    """Hold the frozen base in 4 bits (NF4, as in QLoRA, Dettmers et al. 2023) or 8; needs a GPU and the extra `gpu`."""
    start: Annotated[Name, ELSEWHERE] = "base"
    """Stage whose checkpoint the runs start from: `base` or one of `stages`."""
    freeze: tuple[Pattern, ...] = ()
    """Weights whose name matches one of these regular expressions are not trained (method `full`)."""
    optimizer: Literal["adamw", "sgd", "adafactor", "lion", "muon", "adamw_8bit"] = "adamw"
    """`muon` takes the matrices inside the layers, AdamW the rest; `lion` needs the extra `optimizers`, `adamw_8bit`
    (its state in 8 bits) a GPU and the extra `gpu`."""
    learning_rate: Rate = 2e-4
    """Peak learning rate; where none is given 2e-4 for method `lora`, a tenth of it for `full`."""
    schedule: Literal["constant", "linear", "cosine", "inverse_sqrt", "warmup_stable_decay"] = "linear"
    """Learning rate over the steps."""
    warmup_fraction: Share = 0.0
    """Share of the steps with linear warm-up."""
    decay_fraction: Share = 0.2
    """Share of the steps in the decay of `warmup_stable_decay`."""
    final_learning_rate_fraction: Share = 0.0
    """Learning rate at the end over the peak (linear, cosine, warmup_stable_decay)."""
    weight_decay: Annotated[Number, Field(ge=0.0, le=1000.0)] = 0.0
    """Decoupled weight decay of matrices."""
    attention_dropout: Annotated[Beta | None, ADDED] = None
    """Share of the attention weights that is dropped in training; null for what the model's configuration says."""
    betas: tuple[Beta, Beta] = (0.9, 0.999)
    """Averaging of AdamW and Lion; the first is SGD's momentum."""
    max_grad_norm: Positive | None = 1.0
    """Gradients are clipped to this norm; null for none."""
    per_device_batch_size: Size = 40
    """Examples in one micro-batch on one device; on a CPU up to so many, fewer where that spares padding."""
    gradient_accumulation_steps: Size = 1
    """Micro-batches per step; the global batch is per_device_batch_size x this x machine.devices."""
    loss_on: Literal["completion", "all"] = "completion"
    """Tokens that are trained on."""
    sharding: Annotated[Literal["none", "full"], ADDED] = "none"
    """On several devices: `full` cuts each layer's weights, gradients and optimizer state over them (FSDP2)."""
    precision: Literal["auto", "float32", "bfloat16", "float64"] = "auto"
    """`auto` is bfloat16 where the device has it, float32 elsewhere."""
    packing: Annotated[Truth, ADDED] = False
    """Examples stand end to end in lines hardly longer than the step's longest one, each seeing only itself: less
    padding, most of all where micro-batches are large."""
    gradient_checkpointing: Annotated[Truth, ADDED] = False
    """Keep the inputs of layers alone and compute the rest again in the backward pass: less memory, more time."""
    compile: Annotated[Truth, ADDED] = False
    """Train through torch.compile: minutes at the start, faster steps after; pays on a GPU."""
    threads: Annotated[Whole, Field(ge=1, le=1024)] = 1
    """CPU threads of one run; part of what makes the bits, so it stands here and not in the environment."""
    early_stopping: Annotated[EarlyStoppingRecipe | None, ADDED] = None
    """End a run where its validation loss no longer falls; null trains to the end of the budget. The best checkpoint is
    kept either way. Of runs of arms alone: stages and pretraining are not evaluated on the way."""
    checkpoint_every_seconds: Annotated[Number, Field(ge=0.0, le=1e9), HOW] = 60.0
    """How much work a kill may cost."""

    @model_validator(mode="before")
    @classmethod
    def _rate_of_method(cls, given: Any) -> Any:
        if isinstance(given, dict) and given.get("method") == "full" and "learning_rate" not in given:
            return given | {"learning_rate": FULL_RATE}
        return given

    @property
    def adapter(self) -> LoraRecipe | dict[str, Any]:
        """What method `lora` trains: `peft` where it is given, else `lora`."""
        return self.lora if self.peft is None else self.peft

    @model_validator(mode="after")
    def _one_adapter(self) -> Self:
        if self.method != "lora" and (self.peft is not None or self.quantise is not None):
            given = "peft" if self.peft is not None else "quantise"
            raise ValueError(f"training.{given} goes with training.method lora; this one is {self.method}")
        if self.method == "none" and self.early_stopping is not None:
            raise ValueError("training.early_stopping has nothing to stop: method is none, which trains nothing")
        if self.method == "none" and self.attention_dropout is not None:
            raise ValueError("training.attention_dropout has nothing to drop: method is none, which trains nothing")
        if self.method == "none" and self.freeze:
            raise ValueError("training.freeze goes with training.method full; this one is none, which trains nothing")
        if self.peft is not None and self.lora != LoraRecipe():
            raise ValueError("training has both lora and peft; give one of them")
        if self.quantise is not None and self.precision == "float64":
            raise ValueError("training.quantise cannot go with training.precision float64; use auto or bfloat16")
        return self

    @model_validator(mode="after")
    def _phases_fit(self) -> Self:
        if self.schedule == "warmup_stable_decay" and self.warmup_fraction + self.decay_fraction > 1:
            raise ValueError("training.warmup_fraction and decay_fraction exceed 1 together; lower one")
        return self


class TokenizerRecipe(Frozen):
    """A byte-level BPE tokenizer for a base model that the recipe pretrains."""

    vocab_size: Annotated[Whole, Field(ge=260, le=10**7)] = 1024
    """Pieces, the 256 bytes and the end-of-text token among them."""
    split_digits: Truth = True
    """Every digit is a token of its own."""


def _over(defaults: TrainingRecipe) -> BeforeValidator:
    """A section that is written in part keeps the other defaults of its place, such as method `full`.

    The rate is that of its place only where the method is, too.
    """

    def completed(given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        is_other = given.get("method", defaults.method) != defaults.method
        return defaults.model_dump(exclude={"learning_rate"} if is_other else None) | given

    return BeforeValidator(completed)


PRETRAINING = TrainingRecipe(
    objective=ObjectiveRecipe(name="pretraining"), method="full", loss_on="all", schedule="cosine", learning_rate=1e-3
)
FULL_TRAINING = TrainingRecipe(method="full")
EACH = "each"
"""In place of a seed: every seed of the study."""


class PretrainRecipe(Frozen):
    """A base model made from scratch by the recipe itself."""

    architecture: Architecture
    """`model_type` and sizes, as in transformers; vocab_size comes from the tokenizer."""
    tokenizer: TokenizerRecipe = TokenizerRecipe()
    """Its tokenizer, trained on the same text."""
    sources: Annotated[tuple[SourceRecipe, ...], Field(min_length=1)]
    """Text to train on: format `text`, `passages`, or problems (question and answer as text)."""
    context_tokens: Annotated[Whole, Field(ge=8, le=10**7)] = 256
    """Length of the packed sequences."""
    budget: BudgetRecipe
    """What pretraining may spend."""
    training: Annotated[TrainingRecipe, _over(PRETRAINING)] = PRETRAINING
    """How it trains."""
    seed: Seed = 0
    """Seed of the weights and of the order of the data."""

    @model_validator(mode="after")
    def _trains(self) -> Self:
        if self.training.early_stopping is not None:
            raise ValueError(
                "base.pretrain.training.early_stopping: pretraining is not evaluated on the way; remove it"
            )
        if self.training.method != "full":
            raise ValueError(
                f"base.pretrain.training.method is {self.training.method}; a model from scratch trains all weights: "
                "set it to full"
            )
        return self


class GivenTokenizerRecipe(Frozen):
    """The tokenizer of a model."""

    model: Text
    """Folder or hub name."""
    revision: str | None = None
    """Revision of a hub model."""


class ScratchRecipe(Frozen):
    """Random weights, drawn anew from each seed: every run pretrains a model of its own."""

    architecture: Architecture
    """`model_type` and sizes, as in transformers; vocab_size comes from the tokenizer (where it is said it must be the
    same, and a plan needs no tokenizer), the longest sequence from `pool.text.context_tokens` where it is not given."""
    tokenizer: TokenizerRecipe | GivenTokenizerRecipe = TokenizerRecipe()
    """Its tokenizer: trained on equal bytes of each source, or `{model: NAME}`, that of a model."""

    def sized(self, context_tokens: int) -> dict[str, Any]:
        """The architecture with a longest sequence; `context_tokens` where it gives none."""
        has_length = any(key in self.architecture for key in ("max_position_embeddings", "n_positions", "n_ctx"))
        return self.architecture if has_length else {"max_position_embeddings": context_tokens} | self.architecture


class BaseRecipe(Frozen):
    """The model that every arm starts from: a folder, a hub name, one that the recipe pretrains, or random weights."""

    model: Text | None = None
    """Folder or hub name."""
    revision: str | None = None
    """Revision of a hub model."""
    architecture: Architecture | None = None
    """Declared architecture, used by `winnow plan` alone where the hub is out of reach."""
    pretrain: PretrainRecipe | None = None
    """Or: pretrain it."""
    from_scratch: Annotated[ScratchRecipe | None, ADDED] = None
    """Or: random weights, for studies that pretrain on plain text (`pool.text`)."""

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        if sum(given is not None for given in (self.model, self.pretrain, self.from_scratch)) != 1:
            raise ValueError("base needs exactly one of model, pretrain and from_scratch")
        return self


class StageRecipe(Frozen):
    """A training stage of its own, such as a first fine-tuning that all arms start from, or a branch of another one."""

    name: Name
    """Name, for `start`."""
    start: Name = "base"
    """Stage whose checkpoint it starts from."""
    sources: Names | None = None
    """Sources of the pool it trains on; null for all."""
    mixture: Annotated[MixtureRecipe | None, ADDED] = None
    """Of plain text: how much of each source it reads; null for the study's `mixture`."""
    training: Annotated[TrainingRecipe, _over(FULL_TRAINING)] = FULL_TRAINING
    """How it trains."""
    budget: BudgetRecipe
    """What it may spend; a branch, together with the part of the other stage that it goes on from."""
    seed: Seed | Literal["each"] = 0
    """Its seed; `each`: every seed of the study trains the stage anew, and goes on from its own."""
    keep_every_steps: Annotated[Count | None, ADDED] = None
    """Keep the whole state every so many steps, for branches; each is as large as a checkpoint."""
    keep_at: Annotated[tuple[Fraction, ...], AfterValidator(once), ADDED] = ()
    """Keep the whole state at these shares of its steps, for branches."""
    cooldown_of: Annotated[Name | None, ADDED] = None
    """Branch: go on from the last state that this stage keeps before the cooldown; data, order, optimizer, learning
    rate, seed and start are that stage's, until in the last steps the learning rate falls to zero."""
    cooldown_fraction: Annotated[Fraction, ADDED] = 0.2
    """Share of a branch's steps, those of the other stage before it counted, in which the learning rate falls."""

    @model_validator(mode="after")
    def _leaves_a_whole_model(self) -> Self:
        if self.training.quantise is not None:
            raise ValueError(f"stage {self.name!r} leaves a whole model; training.quantise is for the arms' adapters")
        if self.training.early_stopping is not None:
            raise ValueError(f"stage {self.name!r} is not evaluated on the way; remove training.early_stopping")
        if self.training.method == "none":
            raise ValueError(
                f"stage {self.name!r} has training.method none, so it is its start; remove it and start from "
                f"{self.start!r}"
            )
        return self

    @model_validator(mode="after")
    def _branch_trains_as_its_trunk(self) -> Self:
        own = {"start": "base", "sources": None, "mixture": None, "training": FULL_TRAINING, "seed": 0}
        given = [key for key, default in own.items() if getattr(self, key) != default]
        kept = [key for key in ("keep_every_steps", "keep_at") if getattr(self, key)]
        if self.cooldown_of is not None and given + kept:
            raise ValueError(
                f"stage {self.name!r} cools down {self.cooldown_of!r} and trains as that does; "
                f"remove {', '.join(given + kept)}"
            )
        return self
