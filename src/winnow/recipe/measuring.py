"""What is asked of stages that look at what a run left, beside its evaluation sets; `winnow.parts` has all others."""

from typing import Literal

from winnow.recipe.evaluation import OwnSamplesRecipe, SpectraRecipe
from winnow.recipe.values import Frozen


class SourceSamplesPart(Frozen):
    """Draw what a model writes by itself. Inputs: `model` (a trained or given one), `tokenizer`."""

    samples: OwnSamplesRecipe
    batch_size: int
    """Drawn at once; the last bits depend on it."""
    threads: int = 1


class DivergencePart(Frozen):
    """How far checkpoints are from the model that wrote the samples. Inputs: `run` (a trained model), `samples`."""

    checkpoints: tuple[Literal["best", "last"], ...]
    threads: int = 1


class SpectraPart(Frozen):
    """What training changed in each matrix of a checkpoint. Inputs: `run` (a trained model), `start`."""

    spectra: SpectraRecipe
    checkpoint: Literal["best", "last"]
    quantise: str | None = None
    """How the base was held; spectra of such a run cannot be had."""
    threads: int = 1


class SamplePart(Frozen):
    """Draw several answers to each prompt. Inputs: `run` (a trained or given model), `tests`, `tokenizer`."""

    checkpoint: Literal["best", "last"]
    num_samples: int
    temperature: float
    sets: tuple[str, ...] | None
    """Null for all."""
    limit: int
    seed: int
    max_new_tokens: int
    batch_size: int
    threads: int = 1
