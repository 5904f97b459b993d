"""How large a first study may be: rows that a run can visit in its part of the time, by a usual speed."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from winnow.models.devices import may_have_accelerator
from winnow.models.families import known_architecture, num_parameters
from winnow.models.folders import adapter_chain
from winnow.pool.guessing import Guess
from winnow.recipe import BaseRecipe

SEEDS, ARMS = (0, 1, 2), 6
"""Seeds, and arms with the controls that are added."""
CHARACTERS_PER_TOKEN = 3.5
FLOPS_PER_SECOND, FLOPS_PER_SECOND_OF_GPU = 5e10, 1e14
"""Of a core, and of a GPU: within a factor of three of what is common. `winnow plan` measures it."""
FLOPS_PER_TOKEN = 4
"""Times the parameters: forward, and backward through weights that stay."""
TRAINING_SHARE = 0.5
"""Of the time; the rest goes into selecting and evaluating."""
BATCH = 8
EVALUATIONS, USUAL_STEPS = 4, 200
"""Evaluations on the way of a run; steps between two of them where its length is not known."""


MOST_TOKENS, FEWEST = 512, 80
"""Tokens of an example, and rows of a pool."""
CONTEXT = "max_position_embeddings", "n_positions", "max_seq_len", "seq_length"
"""How configurations call the longest sequence."""


@dataclass(frozen=True)
class Size:
    """How much of the pool fits into the time."""

    max_tokens: int
    parameters: int | None
    model_type: str | None
    sample: int | None = None
    """Rows of the pool; null for all."""
    note: str = "all rows, since the model's size is not known here"

    @property
    def every_steps(self) -> int:
        """Steps between two evaluations on the way."""
        return USUAL_STEPS if self.sample is None else max(1, self.sample // BATCH // EVALUATIONS)


def guess_size(model: str, minutes: float, guesses: Sequence[Guess]) -> Size:
    """How many rows a run can visit in its part of the time, by the model's size and a usual speed."""
    architecture = known_architecture(BaseRecipe(model=adapter_chain(model)[-1]))
    context = next((architecture[key] for key in CONTEXT if key in architecture), MOST_TOKENS)
    size = Size(min(MOST_TOKENS, int(context)), num_parameters(model), architecture.get("model_type"))
    if size.parameters is None:
        return size
    tokens = fmean(min(size.max_tokens, each / CHARACTERS_PER_TOKEN) for guess in guesses for each in guess.characters)
    cores, has_gpu = os.cpu_count() or 1, may_have_accelerator()
    speed = FLOPS_PER_SECOND_OF_GPU if has_gpu else FLOPS_PER_SECOND * cores
    seconds = 60 * minutes * TRAINING_SHARE / (ARMS * len(SEEDS))
    visits = round(seconds * speed / (FLOPS_PER_TOKEN * size.parameters * max(1.0, tokens)), -1)
    return replace(
        size, sample=max(FEWEST, int(visits)),
        note=f"about {minutes:g} minutes on {'a GPU' if has_gpu else f'{cores} cores'}, by a guess",
    )  # fmt: skip
