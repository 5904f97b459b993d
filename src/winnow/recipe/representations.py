"""What selectors may see of the examples: `selection.representations`."""

from typing import Annotated, Any, Literal

from pydantic import Field

from winnow.recipe.lora import LoraRecipe
from winnow.recipe.values import ELSEWHERE, Frozen, Number, Seed, Size, Text, Truth, Whole


class FourierRecipe(Frozen):
    """Random Fourier features of vectors, for kernel methods such as herding."""

    features: Annotated[Whole, Field(ge=2, le=10**6, multiple_of=2)] = 1024
    """Cosines and sines together."""
    bandwidth_scale: Annotated[Number, Field(ge=1e-6, le=1e6)] = 1.0
    """Multiplies the median-heuristic bandwidth."""
    seed: Seed = 0
    """Seed of the frequencies."""


class _Batched(Frozen):
    """What all passes of a model over the pool share."""

    model: Annotated[Text, ELSEWHERE] = "base"
    """Proxy model: `base`, one of `stages`, or a folder or hub name of another model."""
    batch_size: Size = 64
    """Examples per forward pass: part of the recipe, since the last bits depend on it."""
    shard_size: Annotated[Whole, Field(ge=1, le=10**9)] = 4096
    """Examples that are read, batched and written together: a kill costs one shard at most."""


class _Vectors(_Batched):
    """What all vectors share."""

    fourier: Annotated[FourierRecipe | None, ELSEWHERE] = FourierRecipe()
    """The map to features for kernel methods; null to use the vectors as they are."""
    dtype: Literal["float32", "float16"] = "float32"
    """How vectors are stored."""


class HiddenStatesRecipe(_Vectors):
    """Hidden states of a causal language model, pooled over an example's tokens, then whitened."""

    kind: Literal["hidden_states"] = "hidden_states"
    """Names this representation."""
    layer: Annotated[Whole, Field(ge=-1000, le=1000)] = -1
    """Hidden layer, as in `hidden_states`; -1 is the last."""
    pooling: Literal["weighted_mean", "mean", "last"] = "weighted_mean"
    """`weighted_mean`: weights grow with the position (Muennighoff 2022)."""
    dimensions: Size | None = 32
    """Principal components kept, whitened; null to keep the states as they are."""


class GradientsRecipe(_Vectors):
    """Gradients of each example's mean loss with respect to LoRA's B matrices, projected (LESS, Xia et al. 2024)."""

    kind: Literal["gradients"] = "gradients"
    """Names this representation."""
    lora: LoraRecipe | None = None
    """The adapter; `training.lora` where it is not given."""
    projection: Size = 512
    """Width of the random projection, all modules together."""
    adam: Truth = False
    """Precondition by Adam's second moment, estimated on the pool itself."""
    dimensions: Size | None = None
    """Principal components kept, whitened; null to keep the gradients as they are."""
    seed: Seed = 0
    """Seed of the adapter's A matrices and of the projection."""


class EmbeddingsRecipe(_Vectors):
    """Sentence embeddings of a transformers encoder, scaled to length 1."""

    kind: Literal["embeddings"] = "embeddings"
    """Names this representation."""
    model: Annotated[Text, ELSEWHERE]
    """Folder or hub name of the encoder."""
    pooling: Literal["mean", "first"] = "mean"
    """Mean over the tokens, or the first (CLS) token's state."""
    max_tokens: Size = 512
    """Longer texts are cut."""
    of: Literal["all", "prompt", "completion"] = "all"
    """Text that is embedded."""
    dimensions: Size | None = None
    """Principal components kept, whitened; null to keep the embeddings as they are."""


class LossRecipe(_Batched):
    """Loss of each example in nats; its exponential is the perplexity and gives the same order."""

    kind: Literal["loss"] = "loss"
    """Names this score."""
    over: Literal["completion", "all"] = "completion"
    """Tokens that count."""
    reduce: Literal["mean", "sum"] = "mean"
    """Sums rank by length: take means."""


class IfdRecipe(_Batched):
    """Instruction-following difficulty: completion loss with the prompt over that without it (Li et al. 2024)."""

    kind: Literal["ifd"] = "ifd"
    """Names this score."""
    ratio: Literal["perplexity", "loss"] = "perplexity"
    """Ratio of perplexities, as published, or of losses."""


class LengthRecipe(Frozen):
    """Number of tokens."""

    kind: Literal["length"] = "length"
    """Names this score."""
    of: Literal["all", "prompt", "completion"] = "all"
    """Tokens that count."""


class ColumnRecipe(Frozen):
    """A number that the data bring with them: `scores:` of a source says where it stands."""

    kind: Literal["column"] = "column"
    """Names this score."""
    column: str
    """Its name in `scores:`."""


class NgramsRecipe(Frozen):
    """Hashed word n-grams (DSIR, Xie et al. 2023)."""

    kind: Literal["ngrams"] = "ngrams"
    """Names this representation."""
    n: Annotated[Whole, Field(ge=1, le=100)] = 2
    """n-grams of 1 to n words."""
    buckets: Annotated[Whole, Field(ge=1, le=10**8)] = 10_000
    """Size of the hash table."""


RepresentationRecipe = (
    HiddenStatesRecipe
    | GradientsRecipe
    | EmbeddingsRecipe
    | LossRecipe
    | IfdRecipe
    | LengthRecipe
    | ColumnRecipe
    | NgramsRecipe
)
DEFAULT_REPRESENTATIONS: dict[str, RepresentationRecipe] = {
    "hidden_states": HiddenStatesRecipe(),
    "gradients": GradientsRecipe(),
    "loss": LossRecipe(),
    "ifd": IfdRecipe(),
    "length": LengthRecipe(),
    "ngrams": NgramsRecipe(),
}
"""What an arm may name without a word in `representations`."""
GIVES = {
    "hidden_states": "vectors", "gradients": "vectors", "embeddings": "vectors", "ngrams": "counts",
    "loss": "scores", "ifd": "scores", "length": "scores", "column": "scores",
}  # fmt: skip
"""Kind of representation -> what a selector gets of it."""


def _kind_from_name(given: Any) -> Any:
    """An entry without `kind:` is of the kind that it is named after."""
    if not isinstance(given, dict):
        return given
    return {
        name: {"kind": name} | entry if isinstance(entry, dict) and name in GIVES else entry
        for name, entry in given.items()
    }
