"""Parquet in and out for those who compute nothing with pandas.

    table = read_columns(path, ["id", "loss"])
    array = array_of(["a", None], pa.string())

`pyarrow.array`, `to_numpy` and `read_table` import pandas wherever it is installed, half a second of CPU time; what is
here gives the same without it.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq


def read_columns(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """The table of a Parquet file, or some of its columns.

    Raises OSError or ValueError where it is damaged, KeyError where it lacks a column.
    """
    with pq.ParquetFile(path) as file:
        table = file.read(columns=None if columns is None else list(columns))
    return table if columns is None else table.select(list(columns))


def array_of(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    """The values, None among them, as an array of texts or of numbers of 64 bits."""
    known = [value is not None for value in values]
    mask = None if all(known) else pa.py_buffer(np.packbits(known, bitorder="little"))
    if pa.types.is_string(kind):
        texts = [b"" if value is None else value.encode() for value in values]
        ends = np.cumsum([0, *map(len, texts)], dtype=np.int32)
        return pa.Array.from_buffers(kind, len(values), [mask, pa.py_buffer(ends), pa.py_buffer(b"".join(texts))])
    dtype = np.float64 if pa.types.is_floating(kind) else np.int64
    numbers = np.array([0 if value is None else value for value in values], dtype=dtype)
    return pa.Array.from_buffers(kind, len(values), [mask, pa.py_buffer(numbers)])
