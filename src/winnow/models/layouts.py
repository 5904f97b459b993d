"""The weights of well-known architectures, from a configuration alone: neither torch nor transformers is asked.

    layout = layout_of({"model_type": "llama", "hidden_size": 64, ...})
    layout.weights["lm_head.weight"]          # its shape

Known are GPT-2, and Llama with those that are built like it. `tests/models/test_layouts.py` compares every name and
shape with the model that transformers builds.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any

from winnow.models.known_configs import Sizes, sizes_of

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Matrix:
    """A linear map, by the name of the module that holds it."""

    name: str
    inputs: int
    outputs: int
    has_bias: bool = False
    is_transposed: bool = False
    """Its weight stands as [inputs, outputs], as GPT-2 has it."""

    @property
    def size(self) -> int:
        """Weights, the bias not counted."""
        return self.inputs * self.outputs

    def weights(self) -> Iterator[tuple[str, Shape]]:
        """Names and shapes of its weights."""
        shape = (self.inputs, self.outputs)
        yield f"{self.name}.weight", shape if self.is_transposed else shape[::-1]
        if self.has_bias:
            yield f"{self.name}.bias", (self.outputs,)


@dataclass(frozen=True, slots=True)
class Norm:
    """A norm over so many numbers."""

    name: str
    size: int
    has_bias: bool = False

    def weights(self) -> Iterator[tuple[str, Shape]]:
        """Names and shapes of its weights."""
        yield f"{self.name}.weight", (self.size,)
        if self.has_bias:
            yield f"{self.name}.bias", (self.size,)


@dataclass(frozen=True, slots=True)
class Branch:
    """What a layer adds to the stream: a norm, matrices that read what it gives, and one that writes back."""

    norm: Norm
    reading: tuple[Matrix, ...]
    writing: Matrix
    between: tuple[Norm, ...] = ()
    """Norms of queries and keys."""

    @property
    def modules(self) -> tuple[Matrix | Norm, ...]:
        """In the order in which a pass meets them."""
        return self.norm, *self.reading, *self.between, self.writing

    @property
    def matrices(self) -> tuple[Matrix, ...]:
        """In the order in which a pass meets them."""
        return *self.reading, self.writing


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer of a transformer."""

    attention: Branch
    feed_forward: Branch

    @property
    def matrices(self) -> tuple[Matrix, ...]:
        """In the order in which a pass meets them."""
        return *self.attention.matrices, *self.feed_forward.matrices


@dataclass(frozen=True, slots=True)
class Layout:
    """A causal language model's modules with their sizes."""

    embeddings: Mapping[str, tuple[int, int]]
    """Name of the weight -> its shape; that of the tokens first."""
    layers: tuple[Layer, ...]
    norm: Norm
    """Before the head."""
    head: Matrix
    is_tied: bool
    """Head and embedding of the tokens are one weight, which has the embedding's name."""
    heads: int
    key_value_heads: int
    head_size: int
    attention_dropout: bool
    """Whether training drops weights of the attention."""
    residual_dropout: bool
    """Whether it drops what a layer adds to the stream."""

    @property
    def has_learned_positions(self) -> bool:
        """Positions have an embedding, as in GPT-2; else queries and keys are turned by them."""
        return len(self.embeddings) > 1

    @property
    def head_weight(self) -> str:
        """Name of the weight that the head multiplies with."""
        return next(iter(self.embeddings)) if self.is_tied else f"{self.head.name}.weight"

    @property
    def vocab_size(self) -> int:
        """Rows of the embedding."""
        return self.head.outputs

    @property
    def matrices(self) -> tuple[Matrix, ...]:
        """The linear maps of all layers; the head is none of them."""
        return tuple(chain.from_iterable(layer.matrices for layer in self.layers))

    @property
    def weights(self) -> dict[str, Shape]:
        """Name -> shape of every weight, a tied one once."""
        branches = chain.from_iterable((layer.attention, layer.feed_forward) for layer in self.layers)
        modules = (*chain.from_iterable(branch.modules for branch in branches), self.norm)
        named = chain.from_iterable(module.weights() for module in modules)
        return {**self.embeddings, **dict(named), **({} if self.is_tied else dict(self.head.weights()))}

    @property
    def num_weights(self) -> int:
        """Of all its tensors."""
        return sum(math.prod(shape) for shape in self.weights.values())


def layout_of(architecture: Mapping[str, Any]) -> Layout | None:
    """The layout of a configuration as config.json has it; None where it is not one that is known in every part."""
    sizes = sizes_of(architecture)
    if sizes is None:
        return None
    return _gpt2(sizes) if architecture["model_type"] == "gpt2" else _llama(sizes)


def _gpt2(sizes: Sizes) -> Layout:
    width, vocab_size, heads = sizes["hidden_size"], sizes["vocab_size"], sizes["num_attention_heads"]
    return Layout(
        embeddings={
            "transformer.wte.weight": (vocab_size, width),
            "transformer.wpe.weight": (sizes["max_position_embeddings"], width),
        },
        layers=tuple(_gpt2_layer(f"transformer.h.{number}", sizes) for number in range(sizes["num_hidden_layers"])),
        norm=Norm("transformer.ln_f", width, has_bias=True), head=Matrix("lm_head", width, vocab_size),
        is_tied=sizes["tie_word_embeddings"], heads=heads, key_value_heads=heads, head_size=width // heads,
        attention_dropout=sizes["attention_dropout"], residual_dropout=sizes["residual_dropout"],
    )  # fmt: skip


def _gpt2_layer(at: str, sizes: Sizes) -> Layer:
    width, inner = sizes["hidden_size"], sizes["intermediate_size"]

    def matrix(name: str, inputs: int, outputs: int) -> Matrix:
        return Matrix(f"{at}.{name}", inputs, outputs, has_bias=True, is_transposed=True)

    first, second = (Norm(f"{at}.{name}", width, has_bias=True) for name in ("ln_1", "ln_2"))
    return Layer(
        Branch(first, (matrix("attn.c_attn", width, 3 * width),), matrix("attn.c_proj", width, width)),
        Branch(second, (matrix("mlp.c_fc", width, inner),), matrix("mlp.c_proj", inner, width)),
    )


def _llama(sizes: Sizes) -> Layout:
    width, vocab_size = sizes["hidden_size"], sizes["vocab_size"]
    return Layout(
        embeddings={"model.embed_tokens.weight": (vocab_size, width)},
        layers=tuple(_llama_layer(f"model.layers.{number}", sizes) for number in range(sizes["num_hidden_layers"])),
        norm=Norm("model.norm", width), head=Matrix("lm_head", width, vocab_size),
        is_tied=sizes["tie_word_embeddings"], heads=sizes["num_attention_heads"],
        key_value_heads=sizes["num_key_value_heads"], head_size=sizes["head_dim"],
        attention_dropout=sizes["attention_dropout"], residual_dropout=sizes["residual_dropout"],
    )  # fmt: skip


def _llama_layer(at: str, sizes: Sizes) -> Layer:
    width, inner, head_size = sizes["hidden_size"], sizes["intermediate_size"], sizes["head_dim"]
    queries, keys = sizes["num_attention_heads"] * head_size, sizes["num_key_value_heads"] * head_size
    has_bias, reads_biased = sizes["attention_bias"], sizes["attention_bias"] or sizes["query_bias"]
    read = {"q_proj": queries, "k_proj": keys, "v_proj": keys}
    norms = ("q_norm", "k_norm") if sizes["query_norm"] else ()
    wide = ("gate_proj", "up_proj")
    return Layer(
        Branch(
            Norm(f"{at}.input_layernorm", width),
            tuple(Matrix(f"{at}.self_attn.{name}", width, size, reads_biased) for name, size in read.items()),
            Matrix(f"{at}.self_attn.o_proj", queries, width, has_bias),
            tuple(Norm(f"{at}.self_attn.{name}", head_size) for name in norms),
        ),
        Branch(
            Norm(f"{at}.post_attention_layernorm", width),
            tuple(Matrix(f"{at}.mlp.{name}", width, inner, sizes["mlp_bias"]) for name in wide),
            Matrix(f"{at}.mlp.down_proj", inner, width, sizes["mlp_bias"]),
        ),
    )
