"""Columns of frames and tables as Arrow arrays that the database can read.

Types that it does not know, or that end it (a dictionary of an extension type, as of
``pandas.cut``), become numbers of a type that it knows, or text.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from decimal import Decimal
from enum import Enum
from typing import Any, Final

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from shipkit.common.cell_text import text_of
from shipkit.common.memory_database import memory_database

__all__ = ["column_array", "readable_table"]

_MOST_DIGITS: Final = 38
"""Digits of the largest decimal number of the database."""


def column_array(values: Any) -> Any:
    """Return a column as an Arrow array: with its type if it has one, as text if it is mixed."""
    try:
        made = pa.array(values, from_pandas=True)
    except (
        pa.ArrowInvalid,
        pa.ArrowTypeError,
        pa.ArrowNotImplementedError,
        AttributeError,
        OverflowError,
        TypeError,
        ValueError,
    ):
        return _texts(values)
    if pa.types.is_null(made.type):
        return made.cast(pa.string())
    return _readable(made, values)


def readable_table(table: pa.Table) -> pa.Table:
    """Return an Arrow table whose columns the database can read."""
    for place, name in enumerate(table.column_names):
        column = table.column(place)
        made = _readable(column, None)
        if made is not column:
            table = table.set_column(place, name, made)
    return table


def _readable(column: Any, values: Any) -> Any:
    """Return `column`, or what is read in its place.

    Parameters
    ----------
    values
        What the column was made of, if its texts are better taken from there.
    """
    kind = column.type
    inner = kind.value_type if pa.types.is_dictionary(kind) else kind
    if pa.types.is_timestamp(inner) and inner.tz is not None:
        return _clock(column.cast(inner), values)
    if _is_plain(inner):
        return column
    if pa.types.is_float16(inner):
        return column.cast(pa.float32())
    if pa.types.is_decimal256(inner) and inner.precision > _MOST_DIGITS:
        return _texts(column.to_pylist())
    if str(getattr(inner, "extension_name", "")).startswith("pandas."):
        return _texts(values) if values is not None else _extension_texts(column)
    return column if _is_read(column) else _texts(column.to_pylist())


def _clock(column: Any, values: Any) -> Any:
    """Return times with a zone as the clock of their zone shows them: orders are read so.

    Midnight in Berlin is that day, as it is in a file of texts, and not the day before.
    """
    if values is None or getattr(getattr(values, "dtype", None), "kind", None) == "M":
        return pc.local_timestamp(column)  # all cells have the zone of the column
    bare = [
        value.replace(tzinfo=None) if isinstance(value, dt.datetime) else value for value in values
    ]
    return pa.array(bare, pa.timestamp(column.type.unit), from_pandas=True)


def _is_plain(kind: pa.DataType) -> bool:
    """Whether the database reads a type for certain; the usual types of orders."""
    types = pa.types
    return bool(
        types.is_string(kind)
        or types.is_large_string(kind)
        or types.is_integer(kind)
        or types.is_float32(kind)
        or types.is_float64(kind)
        or types.is_boolean(kind)
        or types.is_date(kind)
        or types.is_timestamp(kind)
        or types.is_decimal128(kind)
    )


def _is_read(column: Any) -> bool:
    """Whether the database reads a column, tried in one that may break."""
    try:
        with memory_database() as scratch:
            scratch.register("tried", pa.table({"c": column}))
            scratch.execute("SELECT c FROM tried").fetchall()
    except duckdb.Error:
        return False
    return True


def _extension_texts(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return the texts of a column of intervals or periods, as pandas writes them."""
    made = []
    for chunk in column.chunks:
        if pa.types.is_dictionary(chunk.type):
            words = _texts(chunk.dictionary.to_pandas())
            made.append(pa.DictionaryArray.from_arrays(chunk.indices, words).dictionary_decode())
        else:
            made.append(_texts(chunk.to_pandas()))
    return pa.chunked_array(made, pa.string())


def _texts(values: Iterable[Any]) -> pa.Array:
    return pa.array([_text(value) for value in values], pa.string())


def _text(value: Any) -> str | None:
    if isinstance(value, Enum):
        return _text(value.value)
    if type(value).__name__ in {"NAType", "NaTType"}:
        return None
    if isinstance(value, Decimal) and value.is_nan():
        return None
    try:
        text = text_of(value)
    except (TypeError, ValueError):  # a frame inside a cell has no truth value
        text = str(value)
    # Half a character cannot be stored.
    return None if text is None else text.encode(errors="backslashreplace").decode()
