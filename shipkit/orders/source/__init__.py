"""Orders from anywhere into the database, without losing a cell to type guessing.

A file, DataFrame, Arrow table, list of dicts, DuckDB relation or database becomes the relations of
a :class:`Loaded`: the cells as they are, every column as text, and every column with its type.
Only the cells are stored; the other two are views of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import duckdb

from shipkit.common.choices import flag, one_of
from shipkit.common.memory_database import memory_database
from shipkit.common.relation import Relation, fresh
from shipkit.common.spill import bounded
from shipkit.errors import InputError
from shipkit.orders import layouts
from shipkit.orders.cells import Cells, unique_names
from shipkit.orders.layouts import LayoutMatch
from shipkit.orders.line_account import SourceLines
from shipkit.orders.source.fixed_columns import FixedColumns
from shipkit.orders.source.loaded import Loaded, LoadReport
from shipkit.orders.source.readers import Origin, read
from shipkit.orders.source.text_view import as_text
from shipkit.orders.source.typed_views import loaded_from

__all__ = [
    "FixedColumns",
    "LoadReport",
    "Loaded",
    "Origin",
    "SourceRows",
    "connect",
    "load",
    "rows_of",
]


def connect() -> duckdb.DuckDBPyConnection:
    """Return a new in-memory database.

    It never loads an extension, so it never reaches for the network, and it spills to a folder that
    only this user can read. Times with a zone are UTC, whatever the machine's zone is.
    """
    con = memory_database(
        {
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "allow_community_extensions": "false",
            "python_enable_replacements": "false",
            **bounded(),
        }
    )
    con.execute("SET TimeZone = 'UTC'")
    return con


_HIDDEN: Final = (False, True, "rows", "columns")


def load(
    source: Any,
    *,
    con: duckdb.DuckDBPyConnection | None = None,
    types: Mapping[str, Any] | None = None,
    sheet: str | int | Sequence[str | int] | None = None,
    hidden: bool | str = False,
    delimiter: str | None = None,
    encoding: str | None = None,
    header: bool = True,
    layout: str | bool | None = None,
    layout_folder: Path | None = None,
    copy: bool = True,
    fixed: FixedColumns | None = None,
) -> Loaded:
    """Read orders into the database.

    Parameters
    ----------
    source
        A path or glob (csv, tsv, xlsx, xls, ods, parquet, json, ndjson; gz), a DataFrame, Arrow
        table, list of dicts, DuckDB relation or Database.
    con
        The database to read into; by default a new one in memory.
    types
        Heading or key -> a DuckDB type, ``str``, or a date format such as ``"%d/%m/%Y"``. By
        default types are decided by headings and values.
    sheet
        Name or number (from 0) of the sheet of a workbook, a list of them, or a pattern such as
        ``"*"`` for all sheets with orders; by default the one that looks like orders. Several that
        do are a question.
    hidden
        What a workbook hides is not read; True reads hidden rows and columns as if they were shown,
        ``"rows"`` or ``"columns"`` one of the two.
    delimiter, encoding
        Of a text file, where they are not detected correctly.
    header
        False for a file without a header row.
    layout
        The name of a known export. None: recognised by its headings. False: not recognised at all.
    layout_folder
        A folder with a person's own layouts.
    copy
        False: a single Parquet file is not copied into the database but read from disk each time
        it is needed; it must not change meanwhile.
    fixed
        How the columns are read, where that was decided with other files before; the cells are
        then copied in any case.

    Raises
    ------
    SourceError
        The source is missing, empty, damaged or of an unknown kind; the message says where, and
        what to do.
    """
    flag("header", header)
    flag("copy", copy)
    one_of("hidden", hidden, _HIDDEN)
    if types is not None and not isinstance(types, Mapping):
        raise InputError(
            f"types={types!r} is not a dict.", fix='Write it like types={"sku": "VARCHAR"}.'
        )
    con = connect() if con is None else con
    named = layouts.named_layout(layout, layout_folder) if isinstance(layout, str) else None
    with fresh(con, "source") as schema:
        cells, origin = read(
            schema,
            source,
            sheet=sheet,
            hidden=hidden,
            delimiter=delimiter,
            encoding=encoding,
            header=header and not (named and named.headings),
            copy=copy or fixed is not None,
        )
        if fixed is not None:
            cells = fixed.fitted(schema, cells, origin.paths[0].name if origin.paths else "A part")
            made = loaded_from(
                schema,
                cells,
                origin,
                types={},
                names=fixed.headings,
                layout=fixed.layout,
                fixed=fixed.readings,
            )
            return replace(made, copied=True)
        names = unique_names(_headings(cells, named), ("row_number", "source_file"))
        if named is not None:
            known: LayoutMatch | None = layouts.matched(named, names, "chosen by name")
        elif layout is False:
            known = None
        else:
            known = layouts.recognise_layout(names, layouts.known_layouts(layout_folder))
        return loaded_from(schema, cells, origin, types=types or {}, names=names, layout=known)


def _headings(cells: Cells, named: layouts.Layout | None) -> Sequence[str]:
    """Return the headings of the source, or those that a layout gives to a file without any."""
    if named is None or not named.headings:
        return cells.titles or cells.headings
    count = len(cells.headings)
    unnamed = range(len(named.headings) + 1, count + 1)
    return [*named.headings[:count], *(f"column_{place}" for place in unnamed)]


@dataclass(frozen=True)
class SourceRows:
    """The rows of one file as text, and the lines that they are in."""

    relation: Relation
    """``row_number``, then a column ``c1``, ``c2``, ... of text for each heading."""
    headings: tuple[str, ...]
    lines: SourceLines


def rows_of(path: Path, con: duckdb.DuckDBPyConnection, **options: Any) -> SourceRows:
    """Read the rows of one file as :func:`load` reads them, without deciding what they mean.

    Parameters
    ----------
    options
        ``sheet``, ``hidden``, ``delimiter``, ``encoding`` and ``header``, as for :func:`load`.

    Raises
    ------
    SourceError
        As for :func:`load`.
    """
    given = {
        "sheet": None,
        "hidden": False,
        "delimiter": None,
        "encoding": None,
        "header": True,
        "copy": True,
        **options,
    }
    with fresh(con, "rows") as schema:
        cells, _ = read(schema, path, **given)
        (lines,) = cells.lines
        return SourceRows(as_text(schema, cells.relation), cells.headings, lines)
