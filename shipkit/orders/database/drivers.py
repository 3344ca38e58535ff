"""Import the drivers of databases, which are optional, and turn their rows into Arrow tables."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any

import pyarrow as pa

from shipkit.errors import SourceError

__all__ = ["arrow_fetch", "double_quoted", "driver", "has_driver", "rows_to_table", "stacked"]


def driver(module: str) -> Any:
    """Return the module of a driver. Raises SourceError with the command that installs it."""
    try:
        return import_module(module)
    except ImportError:
        raise SourceError(
            f"Databases need the package {module.replace('_', '-')}.",
            fix='pip install "shipkit[db]"',
        ) from None


def has_driver(module: str) -> bool:
    """Return whether a driver is installed."""
    try:
        import_module(module)
    except ImportError:
        return False
    return True


def double_quoted(name: str) -> str:
    """Return a name as an identifier of standard SQL."""
    return '"' + name.replace('"', '""') + '"'


def arrow_fetch(connection: Any, sql: str, values: Sequence[Any]) -> pa.Table:
    """Return the rows of a query from an ADBC connection."""
    with connection.cursor() as cursor:
        cursor.execute(sql, list(values) or None)
        found: pa.Table = cursor.fetch_arrow_table()
    columns = [
        _unwrapped(column) if isinstance(column.type, pa.BaseExtensionType) else column
        for column in found.columns
    ]
    return pa.Table.from_arrays(columns, names=[str(name) for name in found.column_names])


def _unwrapped(column: pa.ChunkedArray) -> pa.ChunkedArray | pa.Array:
    """Return a column of a driver's own type as what is inside: text for numeric and enums."""
    if column.type.extension_name == "arrow.uuid":
        return pa.array(
            [None if value is None else str(value) for value in column.to_pylist()], pa.string()
        )
    return pa.chunked_array([chunk.storage for chunk in column.chunks], column.type.storage_type)


def rows_to_table(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> pa.Table:
    """Return rows as a table; a column with values of several types becomes text."""
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(names)
    return pa.Table.from_arrays([_array(column) for column in columns], names=list(names))


def _array(values: Sequence[Any]) -> pa.Array:
    try:
        return pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError):
        return pa.array([_as_text(value) for value in values], pa.string())


def _as_text(value: Any) -> str | None:
    if value is None:
        return None
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def stacked(parts: Sequence[pa.Table]) -> pa.Table:
    """Return the rows of several tables; a column whose type differs between them becomes text."""
    try:
        return pa.concat_tables(parts, promote_options="permissive")
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return pa.concat_tables([_all_text(part) for part in parts])


def _all_text(table: pa.Table) -> pa.Table:
    columns = [
        pa.array([None if v is None else str(v) for v in column.to_pylist()], pa.string())
        for column in table.columns
    ]
    return pa.Table.from_arrays(columns, names=table.column_names)
