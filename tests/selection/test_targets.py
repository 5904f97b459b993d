import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from winnow.errors import ArtifactError, RecipeError
from winnow.records import Artifact, Cost, Stored
from winnow.selection.targets import target_split


def artifact(folder, kind, *, has_target=True):
    if has_target:
        pq.write_table(pa.table({"id": ["c", "a", "b"], "source": ["x", "y", "z"]}), folder / "target.parquet")
    return Stored(Artifact("made", kind, "f", "d", {}, {}, Cost(), {}, {}), folder)


def test_the_target_split_of_a_pool_comes_sorted_by_id(tmp_path):
    split = target_split(artifact(tmp_path, "pool"), selector="herding")
    assert split.ids == ["a", "b", "c"] and split.sources.tolist() == ["y", "z", "x"]
    assert split.order.tolist() == [1, 2, 0] and split.order.dtype == np.int64


@pytest.mark.parametrize("kind", ["tests", "evaluate", "train"])
def test_what_is_no_pool_cannot_be_aimed_at(tmp_path, kind):
    with pytest.raises(ArtifactError, match=f"herding was to aim at an artifact of kind '{kind}'.*target split"):
        target_split(artifact(tmp_path, kind), selector="herding")


def test_a_pool_without_a_target_says_what_to_write(tmp_path):
    with pytest.raises(RecipeError, match=r"herding aims at a target and the pool has none; .*`pool.target`"):
        target_split(artifact(tmp_path, "pool", has_target=False), selector="herding")
