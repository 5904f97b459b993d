"""Parquet without pandas: the same arrays and tables as pyarrow's own ways make."""

import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from winnow.columns import array_of, read_columns


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["a", "", "größer", None, "e"], pa.string()),
        ([None] * 9, pa.string()),
        ([], pa.string()),
        ([1, -2, 1 << 60], pa.int64()),
        ([None, 3], pa.int64()),
        ([0.1, float("inf"), None, -0.0], pa.float64()),
        ([], pa.float64()),
    ],
)
def test_an_array_is_what_pyarrow_makes_of_the_values(values, kind):
    made = array_of(values, kind)
    made.validate(full=True)
    assert made.equals(pa.array(values, kind))


def test_columns_come_as_they_are_asked_for(tmp_path):
    table = pa.table({"a": [1, 2], "b": ["x", None], "c": [0.5, 1.5]})
    pq.write_table(table, tmp_path / "t.parquet")
    assert read_columns(tmp_path / "t.parquet").equals(table)
    assert read_columns(tmp_path / "t.parquet", ["c", "a"]).equals(table.select(["c", "a"]))
    with pytest.raises(KeyError):
        read_columns(tmp_path / "t.parquet", ["d"])


def test_a_damaged_file_is_refused(tmp_path):
    (tmp_path / "t.parquet").write_bytes(b"PAR1 and nothing else")
    with pytest.raises((OSError, ValueError)):
        read_columns(tmp_path / "t.parquet")


def test_nothing_of_it_imports_pandas(tmp_path):
    script = f"""
import sys
import pyarrow as pa, pyarrow.parquet as pq
from winnow.columns import array_of, read_columns
arrays = [array_of(["x", None], pa.string()), array_of([1, 2], pa.int64()), array_of([None, 2.0], pa.float64())]
pq.write_table(pa.Table.from_arrays(arrays, names=["a", "b", "c"]), {str(tmp_path / "t")!r})
assert read_columns({str(tmp_path / "t")!r}, ["a"]).to_pylist() == [{{"a": "x"}}, {{"a": None}}]
assert "pandas" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", script], check=True)
