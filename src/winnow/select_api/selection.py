"""What `winnow.select` gives back."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from winnow.errors import DataError, nearest, shown
from winnow.recipe.arguments import FolderPath, Must, Text, checks_arguments
from winnow.records import Cost
from winnow.select_api.card import Facts
from winnow.select_api.export import Chosen, write_dataset
from winnow.select_api.given import GivenRows, is_dataset
from winnow.selection.views import IntArray

LICENCES = "be the licence of the data, such as 'apache-2.0', or source -> licence"


@dataclass(frozen=True)
class Selection:
    """Chosen rows of a data set, best first."""

    indices: IntArray
    """Positions in the data set as it was given."""
    ids: list[str] = field(repr=False)
    """Their ids: source and hash of content, or the user's own."""
    sources: list[str] = field(repr=False)
    scores: NDArray[np.float64] | None
    """The number that the selector went by, for each chosen row; null where it went by none."""
    weights: NDArray[np.float64] | None
    """How much each counts in training, mean 1; null where all count alike."""
    cost: Cost
    """Of scoring and selecting together; what a store held already is counted like the first time."""
    composition: list[dict[str, Any]]
    """A row for each source: shares of pool and selection, mean tokens; as in selection.json."""
    selector: str
    fraction: float
    """Of the candidates: in rows, or in tokens where `tokens` was asked for."""
    seed: int
    options: Mapping[str, Any]
    candidates: int
    """Rows that could be chosen."""
    removed: dict[str, int]
    """Reason -> rows that could not."""
    numbers: dict[str, Any]
    """`mean_tokens`, `pool_mean_tokens` and `mmd_ratio` (None without vectors), as in selection.json."""
    given: GivenRows = field(repr=False)
    """The rows of the data set."""

    def __len__(self) -> int:
        return len(self.indices)

    @checks_arguments(DataError)
    def apply(self, dataset: Any) -> Any:
        """The chosen rows of the data set that was given, or of one with the same rows, best first, of its own kind.

        Takes a datasets.Dataset, a list or an Arrow table. Raises DataError where its size is another.
        """
        if not (is_dataset(dataset) or isinstance(dataset, list | tuple | pa.Table)):
            kind = type(dataset).__name__
            raise DataError(f"apply takes a Dataset, a list or an Arrow table, not a {kind}; for files use export")
        if len(dataset) != len(self.given):
            raise DataError(
                f"this data set has {len(dataset)} rows, the one selected from {len(self.given)}; give that"
            )
        if isinstance(dataset, pa.Table):
            return dataset.take(self.indices)
        return dataset.select(self.indices) if is_dataset(dataset) else [dataset[row] for row in self.indices]

    @checks_arguments(DataError)
    def export(
        self,
        folder: FolderPath,
        format: Text = "parquet",
        *,
        licences: Annotated[Mapping[Text, Text] | Text, Must(LICENCES)] = "unknown",
    ) -> Path:
        """Write the chosen rows, with all their columns, and a card, as a folder for `datasets.load_dataset`.

        `format` is parquet or jsonl. `licences`: of the data, or source -> licence. Raises DataError where the folder
        is there and not empty.
        """
        names = [row["source"] for row in self.composition]
        unknown = [] if isinstance(licences, str) else [name for name in licences if name not in names]
        if unknown:
            raise DataError(
                f"licences has {shown(unknown[0])}{nearest(unknown[0], names)}; the sources are {', '.join(names)}"
            )
        by_source = {name: licences if isinstance(licences, str) else licences.get(name, "unknown") for name in names}
        facts = Facts(
            selector=self.selector, options=dict(self.options), fraction=self.fraction, seed=self.seed,
            examples=len(self), pool_examples=self.candidates, composition=self.composition, licences=by_source,
            cost=self.cost, removed=self.removed,
        )  # fmt: skip
        chosen = Chosen(self.ids, self.sources, self.weights, self.scores)
        return write_dataset(Path(folder), self.given.take(self.indices), chosen, facts, format)
