"""Columns of frames and tables as Arrow arrays that the database can read.

Types that it does not know, or that end it (a dictionary of an extension type, as of
``pandas.cut``), become numbers of a type that it knows, or text.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from decimal import Decimal
from enum import Enum
from typing import Any, Final

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shipkit.common.cell_text import text_of
from shipkit.common.memory_database import memory_database
from shipkit.common.relation import StageSchema
from shipkit.errors import SourceError
from shipkit.orders.cells import put, whole_text

__all__ = ["as_table", "column_array", "put_columns", "readable_table"]

_MOST_DIGITS: Final = 38
"""Digits of the largest decimal number of the database."""


def column_array(values: Any) -> Any:
    """Return a column as an Arrow array: with its type if it has one, as text if it is mixed."""
    if type(getattr(values, "dtype", None)).__name__ == "SparseDtype":
        values = np.asarray(values)
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


def as_table(source: Any) -> pa.Table:
    """Return what has an Arrow stream as a table.

    Raises
    ------
    SourceError
        It is a single column, or Arrow does not know a type of it; the message names the column.
    """
    if isinstance(source, pa.Table):
        return source
    columns = getattr(source, "columns", None)
    # Polars hands out the addresses of Python objects as if they were bytes.
    kinds = getattr(source, "dtypes", None)
    opaque = isinstance(kinds, list) and any(str(kind) == "Object" for kind in kinds)
    if not opaque:
        try:
            return pa.table(source)
        except (pa.ArrowException, TypeError, ValueError) as error:
            if not isinstance(columns, list):
                raise SourceError(
                    f"Cannot read orders from this {type(source).__name__}: {_first_line(error)}.",
                    fix="Pass a DataFrame or an Arrow table with one row per order or line.",
                ) from None
    return pa.table({name: _stream_column(source[name]) for name in columns or ()})


def _stream_column(values: Any) -> Any:
    if str(values.dtype) != "Object":
        try:
            return pa.chunked_array(values)
        except (pa.ArrowException, TypeError, ValueError):
            pass
    return _texts(values.to_list())


def put_columns(schema: StageSchema, table: str, data: pa.Table, headings: Sequence[str]) -> Any:
    """Store a table of cells.

    Raises
    ------
    SourceError
        The database cannot read a column, which the message names. It is tried in a database of
        its own, because some faults end the one that they happen in.
    """
    doubtful = [
        place
        for place, column in enumerate(data.columns)
        if _may_be_damaged(column.type) and not _is_read(column)
    ]
    if doubtful:
        raise _unreadable(data, headings, doubtful[0])
    try:
        return put(schema, table, data)
    except duckdb.InterruptException:
        raise
    except (duckdb.Error, pa.ArrowException):
        for place, column in enumerate(data.columns):
            if not _is_read(column):
                raise _unreadable(data, headings, place) from None
        raise


def _may_be_damaged(kind: pa.DataType) -> bool:
    """Whether values of a type may be ones that the type does not allow or the database lacks."""
    return bool(
        (pa.types.is_timestamp(kind) and kind.unit in {"s", "ms"})
        or (pa.types.is_decimal128(kind) and kind.scale < 0)
    )


def _unreadable(data: pa.Table, headings: Sequence[str], place: int) -> SourceError:
    kind = data.column(place).type
    return SourceError(
        f"The column {headings[place]!r} ({kind}) has values that cannot be read.",
        fix="Make it a column of text, or leave it out.",
    )


def _first_line(error: BaseException) -> str:
    return str(error).split("\n", 1)[0].rstrip(".")


def readable_table(table: pa.Table, headings: Sequence[str]) -> pa.Table:
    """Return an Arrow table whose columns the database can read."""
    for place, name in enumerate(table.column_names):
        column = table.column(place)
        try:
            made = _readable(column, None)
        except pa.ArrowInvalid:
            raise _unreadable(table, headings, place) from None
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
            scratch.sql("SELECT c FROM tried").create("stored")
            scratch.table("stored").select("c, CAST(c AS VARCHAR)").to_arrow_table()
            if pa.types.is_timestamp(column.type):
                scratch.execute("SELECT CAST(CAST(c AS DATE) AS TIMESTAMP) FROM tried").fetchall()
    except duckdb.InterruptException:
        raise
    except (duckdb.Error, pa.ArrowException):
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
    if isinstance(value, np.generic):
        plain = value.item()
        return str(value) if isinstance(plain, np.generic | bytes) else _text(plain)
    if type(value).__name__ in {"NAType", "NaTType"}:
        return None
    if isinstance(value, Decimal) and value.is_nan():
        return None
    try:
        text = text_of(value)
    except (TypeError, ValueError):  # a frame inside a cell has no truth value
        text = str(value)
    return None if text is None else whole_text(text)
