"""Table `spectra`: by arm and module, what training changed in the matrices, beside what noise would look like."""

from collections.abc import Sequence
from statistics import fmean
from typing import Any

from winnow.analysis.study_folder import Study
from winnow.columns import read_columns
from winnow.findings import ArmFacts, Table
from winnow.kinds import KINDS

Row = dict[str, Any]
MEANS = (
    "least_side", "bound", "rank90", "rank90_base", "rank90_tuned", "rank90_random", "stable_rank", "relative_size",
    "noise_floor", "intruders",
)  # fmt: skip
FAR = 3.0
"""A difference that is not so many times the noise of rounding is called noise."""


def spectra_tables(study: Study, arms: Sequence[ArmFacts]) -> tuple[Table, ...]:
    """The table; none where the recipe asks for no spectra."""
    asked = study.recipe.evaluation.spectra
    if asked is None:
        return ()
    rows = [row for arm in arms for row in _rows(study, arm.name)]
    note = (
        f"Means over matrices and seeds. A rank90 is how many singular values hold {100 * asked.share:g} % of the "
        "squares: of the difference, of the base, of the tuned matrix, and of a random matrix of this shape. Bound: "
        "the most that the difference's can be, by the adapter's rank or the shape. Relative size: the difference's "
        "norm over the base's; noise floor: what rounding of the weights leaves of it (nothing of an adapter, which is "
        f"kept apart). Intruders: of the first {asked.first} left singular vectors of a tuned matrix, those whose "
        f"cosine with every one of the base is below {asked.below:g}. Matrices that are as they were are left out."
    )
    return (Table("spectra", "What training changed in the matrices", tuple(rows), note),)


def _rows(study: Study, arm: str) -> list[Row]:
    kind, checkpoint = KINDS["spectra"].items, study.recipe.study.primary.checkpoint
    there = [seed for seed in sorted(study.runs_of(arm)) if f"spectra.{arm}.s{seed}" in study.stages]
    columns = ["module", "rows", "columns", *MEANS[1:]]
    found = [
        row | {"least_side": min(row["rows"], row["columns"])}
        for seed in there
        for row in read_columns(study.path_of(kind, arm, seed, checkpoint), columns).to_pylist()
    ]
    return [_mean_row(arm, len(there), module, found) for module in dict.fromkeys(row["module"] for row in found)]


def _mean_row(arm: str, seeds: int, module: str, found: Sequence[Row]) -> Row:
    rows = [row for row in found if row["module"] == module]
    known = {column: [row[column] for row in rows if row[column] is not None] for column in MEANS}
    means = {column: fmean(values) if values else None for column, values in known.items()}
    size, noise = means["relative_size"], means["noise_floor"]
    is_noise = size is not None and noise is not None and size < FAR * noise
    return {
        "arm": arm, "module": module, "matrices": len(rows) // max(1, seeds), "seeds": seeds, **means,
        "note": "hardly more than rounding" if is_noise else "",
    }  # fmt: skip
