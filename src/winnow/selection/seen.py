"""From stored representations to what a selector sees, and what the map to kernel features costs."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from scipy import sparse

from winnow.errors import ArtifactError, RecipeError
from winnow.parts import SelectPart
from winnow.records import Stored
from winnow.selection.features import fit_fourier_features
from winnow.selection.represent import (
    COUNTS,
    SCORES,
    TARGET_COUNTS,
    TARGET_SCORES,
    TARGET_VECTORS,
    VECTORS,
)
from winnow.selection.targets import target_split
from winnow.selection.views import FloatArray, IntArray, Seen, TargetSample


def read_seen(
    part: SelectPart, inputs: Mapping[str, Stored], needs: tuple[str, ...], rows: IntArray
) -> tuple[Seen, float]:
    """What the selector needs of `rows` (positions in the pool's file) and of the target where it aims at one.

    And the FLOPs of the map to kernel features: one product per frequency and input dimension. Raises
    RecipeError where an input or the target is missing.
    """
    roles = {"features": "vectors"}
    for need in needs:
        if roles.get(need, need) not in inputs:
            raise RecipeError(
                f"{part.selector} needs {need}; give it a `represent` stage as input {roles.get(need, need)}"
            )
    target = _read_target(part, inputs, needs) if part.target else None
    vectors = read_rows(inputs["vectors"], VECTORS, rows) if {"vectors", "features"} & set(needs) else None
    features, flops = None, 0.0
    if "features" in needs:
        assert vectors is not None
        features, of_target = _features(part, vectors, None if target is None else target.vectors)
        target = None if target is None else replace(target, features=of_target)
        mapped = len(vectors) + (0 if target is None else len(target))
        flops = float(mapped * part.fourier.features * vectors.shape[1]) if part.fourier else 0.0
    seen = Seen(
        vectors=vectors if "vectors" in needs else None,
        features=features,
        scores=read_rows(inputs["scores"], SCORES, rows) if "scores" in needs else None,
        counts=read_counts(inputs["counts"], COUNTS)[rows] if "counts" in needs else None,
        target=target,
    )
    return seen, flops


def read_rows(given: Stored, name: str, rows: IntArray) -> Any:
    """These rows of a stored array, float32 (scores float64); taken from a memory map, the only copy."""
    path = given.folder / name
    stored = np.load(path, mmap_mode="r")
    if len(rows) and rows.max() >= len(stored):
        raise ArtifactError(f"{path} has {len(stored)} rows, the pool more; remove its folder and run again")
    taken = stored[rows]
    return taken.astype(np.float32, copy=False) if taken.ndim == 2 else taken


def read_counts(given: Stored, name: str) -> sparse.csr_array:
    """Stored n-gram counts."""
    return sparse.csr_array(sparse.load_npz(given.folder / name))


def _target_rows(given: Stored, name: str, rows: IntArray) -> Any:
    """Rows of the target's part of a representation. Raises RecipeError where it was made without a target."""
    if not (given.folder / name).is_file():
        raise RecipeError(f"{given.folder} was made of a pool without a target; remove its folder and run again")
    return read_rows(given, name, rows)


def _read_target(part: SelectPart, inputs: Mapping[str, Stored], needs: tuple[str, ...]) -> TargetSample:
    """The target split of the pool, sorted by id."""
    split = target_split(inputs["pool"], selector=part.selector)
    order = split.order
    has_vectors = bool({"vectors", "features"} & set(needs))
    return TargetSample(
        sources=split.sources,
        vectors=_target_rows(inputs["vectors"], TARGET_VECTORS, order) if has_vectors else None,
        scores=_target_rows(inputs["scores"], TARGET_SCORES, order) if "scores" in needs else None,
        counts=read_counts(inputs["counts"], TARGET_COUNTS)[order] if "counts" in needs else None,
    )


def _features(part: SelectPart, vectors: FloatArray, target: FloatArray | None) -> tuple[FloatArray, FloatArray | None]:
    """Random Fourier features of pool and target; the vectors themselves where no map is asked for."""
    if part.fourier is None:
        return vectors, target
    asked = part.fourier
    fitted = fit_fourier_features(
        vectors, features=asked.features, seed=asked.seed, bandwidth_scale=asked.bandwidth_scale
    )
    return fitted.apply(vectors), None if target is None else fitted.apply(target)
