"""Samples of what a model writes, each drawn with noise of its own.

    drawn = draw_samples(model, prompts, keys=ids, num_samples=50, seed=0, temperature=0.8, ...)
    drawn.samples[3]                    # the 50 answers to the fourth prompt

A token is drawn by adding Gumbel noise to the logits and taking the largest sum (Maddison et al. 2014, A* Sampling),
which follows their softmax. The noise is a function of seed, prompt's key, sample and place alone (Philox, a
counter-based generator: Salmon et al. 2011), so that a sample depends neither on the batch it stands in, but for the
last bits of the logits, nor on how many others are drawn.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from winnow.models.generate import generate_greedy


@dataclass(frozen=True)
class Drawn:
    """What a model wrote to each prompt, several times."""

    samples: list[list[list[int]]]
    """By prompt and sample, token ids without the end token."""
    tokens: int
    """Tokens drawn, end tokens counted."""


def draw_samples(
    model: Any,
    prompts: Sequence[Sequence[int]],
    *,
    keys: Sequence[str],
    num_samples: int,
    seed: int,
    temperature: float,
    max_new_tokens: int,
    eos_id: int,
    batch_size: int,
) -> Drawn:
    """So many samples of what follows each prompt, from softmax(logits / temperature), whole: no top-k, no top-p.

    `keys` name the prompts, so that one keeps its samples wherever it stands. Raises RecipeError as `generate_greedy`.
    """
    places = [(key, sample) for key in keys for sample in range(num_samples)]
    repeated = [prompt for prompt in prompts for _ in range(num_samples)]

    def choose(logits: Tensor, rows: Sequence[int], place: int) -> Tensor:
        drawn = [noise(seed, *places[row], place, size=logits.shape[-1]) for row in rows]
        summed = logits.double() / temperature + torch.from_numpy(np.stack(drawn)).to(logits.device)
        chosen: Tensor = summed.argmax(dim=-1)
        return chosen

    written = generate_greedy(
        model, repeated, max_new_tokens=max_new_tokens, eos_id=eos_id, batch_size=batch_size, choose=choose
    )
    starts = range(0, len(repeated), num_samples)
    return Drawn([written.completions[start : start + num_samples] for start in starts], written.tokens)


def noise(seed: int, key: str, sample: int, place: int, *, size: int) -> NDArray[np.float64]:
    """[size]: independent standard Gumbel numbers, the same for the same arguments; fewer of them are its beginning."""
    named = int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8).digest(), "little")
    counter = [0, place, sample, 0]  # the first word counts the numbers drawn
    uniform = np.random.Generator(np.random.Philox(key=[seed, named], counter=counter)).random(size)
    with np.errstate(divide="ignore"):  # of a uniform 0: minus infinity, which is never the largest
        return -np.log(-np.log(uniform))
