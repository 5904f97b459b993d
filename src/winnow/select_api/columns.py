"""Columns of several tables brought to one type each, so that none is lost where tables differ.

schema = shared_schema({path: schema_of_file, ...}, "dataset")
table = conform(table_of_one_file, schema)
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from numbers import Number
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from winnow.errors import DataError
from winnow.pool.file_types import check_distinct

KINDS: tuple[tuple[type | tuple[type, ...], str], ...] = (
    ((bool, np.bool_), "truth values"),
    (Number, "numbers"),
    (str, "text"),
    ((bytes, bytearray, memoryview), "bytes"),
    (datetime, "times"),
    (date, "days"),
    ((list, tuple, set, frozenset, np.ndarray), "lists"),
    (Mapping, "objects"),
)
"""Python types that go together -> what they are called; the first that fits counts."""


def array_of(values: Sequence[Any]) -> pa.Array:
    """Python values as an Arrow array. Raises ArrowInvalid where they are of several kinds.

    Arrow by itself makes bytes of text beside bytes, and days of times beside days.
    """
    kinds = dict.fromkeys(kind_of(each) for each in dict.fromkeys(map(type, values)) if each is not type(None))
    if len(kinds) > 1:
        raise pa.ArrowInvalid(f"{' and '.join(kinds)}")
    if list(kinds) == ["times"]:
        zones = {value.tzinfo is None for value in values if value is not None}
        if len(zones) > 1:
            raise pa.ArrowInvalid("times with and without a time zone")
    return pa.array(values)


def kind_of(given: type) -> str:
    """What values of this type are called."""
    return next((name for types, name in KINDS if issubclass(given, types)), given.__name__)


def shared_schema(schemas: Mapping[Any, pa.Schema], what: str) -> pa.Schema:
    """The columns of all tables, each of a type that holds the values of all; `schemas` by file or number.

    Raises DataError where two columns of a table have one name, or one is of types that do not go together, such as
    numbers here and text there.
    """
    schemas = {place: without_views(schema) for place, schema in schemas.items()}
    for place, schema in schemas.items():
        check_distinct(schema.names, f"{what}{_in(place)}")
    one = next(iter(schemas.values()), pa.schema([]))
    if all(schema.equals(one) for schema in schemas.values()):
        return one
    fields, first = dict[str, pa.DataType](), dict[str, Any]()
    for place, schema in schemas.items():
        for field in schema:
            known = fields.setdefault(field.name, field.type)
            first.setdefault(field.name, place)
            merged = merged_type(known, field.type)
            if merged is None:
                where = (f"{known}{_in(first[field.name])}", f"{field.type}{_in(place)}")
                raise DataError(
                    f"{what} has mixed types in column {field.name!r} ({' and '.join(where)}); make it one type"
                )
            fields[field.name] = merged
    return pa.schema(list(fields.items()))


def _in(place: Any) -> str:
    return f" in {place.name}" if isinstance(place, Path) else ""


def merged_type(first: pa.DataType, second: pa.DataType) -> pa.DataType | None:
    """A type that holds what either holds; None where there is none, or text would become bytes."""
    if first == second:
        return first
    first, second = plain(first), plain(second)
    schemas = [pa.schema([("column", each)]) for each in (first, second)]
    try:
        merged = pa.unify_schemas(schemas, promote_options="permissive").field(0).type
    except pa.ArrowException:
        return None
    loses_text = is_binary(merged) and any(is_text(each) for each in (first, second))
    return None if loses_text else merged


def without_views(schema: pa.Schema) -> pa.Schema:
    """The schema with plain text and bytes for views of them, of which Arrow cannot take rows."""
    for place, field in enumerate(schema):
        if pa.types.is_string_view(field.type) or pa.types.is_binary_view(field.type):
            schema = schema.set(place, field.with_type(plain(field.type)))
    return schema


def plain(given: pa.DataType) -> pa.DataType:
    """The type of the values themselves: not of a dictionary's places, and without views."""
    if pa.types.is_dictionary(given):
        return plain(given.value_type)
    if pa.types.is_string_view(given):
        return pa.large_string()
    return pa.large_binary() if pa.types.is_binary_view(given) else given


def is_text(given: pa.DataType) -> bool:
    """Whether values are text."""
    return bool(pa.types.is_string(given) or pa.types.is_large_string(given))


def is_binary(given: pa.DataType) -> bool:
    """Whether values are bytes."""
    return bool(pa.types.is_binary(given) or pa.types.is_large_binary(given))


def conform(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """The table with the columns of a schema: null where it has none. Raises ArrowInvalid where values do not fit."""
    has = set(table.column_names)
    columns: Iterable[Any] = (
        table[field.name].cast(field.type) if field.name in has else pa.nulls(len(table), field.type)
        for field in schema
    )
    return pa.table(list(columns), schema=schema)
