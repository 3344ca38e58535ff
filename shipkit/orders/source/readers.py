"""Choose the reader of a source: by its type; of a file by its first bytes, then its extension.

The rows of several files follow one another.
"""

from __future__ import annotations

import difflib
import hashlib
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from shipkit.common.relation import StageSchema, count
from shipkit.common.sql import is_interrupt
from shipkit.common.visible_text import readable
from shipkit.common.words import counted
from shipkit.errors import ShipkitError, SourceError
from shipkit.orders.cells import Cells, Note, SkippedRows, base_names, unique_names
from shipkit.orders.database import Database, Fetched
from shipkit.orders.expressions import quote
from shipkit.orders.line_account import SourceLines
from shipkit.orders.source.book_files import is_book
from shipkit.orders.source.delimited import read_delimited
from shipkit.orders.source.read_faults import is_defect, source_error
from shipkit.orders.source.records import (
    is_frame,
    read_arrow,
    read_frame,
    read_json,
    read_parquet,
    read_records,
)
from shipkit.orders.source.spreadsheets import read_spreadsheet
from shipkit.orders.source.text_view import kinds_of_cells, text_of_cell

__all__ = ["Origin", "read"]

_BOOK_ENDINGS = frozenset({".xlsx", ".xlsm", ".xlsb", ".xls", ".ods"})
_TEXT = "VARCHAR"
_JSON_ENDINGS = frozenset({".json", ".ndjson", ".jsonl"})


@dataclass(frozen=True)
class Origin:
    """Where the rows came from."""

    kind: str
    paths: tuple[Path, ...] = ()
    sha256: tuple[str, ...] = ()
    """Of each file, so that write-back notices a changed source."""
    rows: tuple[int, ...] = ()
    """Rows of each file; `row_number` runs on over all of them."""
    headings: tuple[str, ...] = field(default=(), repr=False)
    """As the source has them, duplicate and empty ones included."""
    sheet: str | None = None
    delimiter: str | None = None
    encoding: str | None = None
    header: bool = True
    named_here: tuple[str, ...] = ()
    """Names of the headings as the file itself has them, where the columns have others."""


def read(schema: StageSchema, source: Any, **options: Any) -> tuple[Cells, Origin]:
    """Read the cells of any source into `schema`; return them and where they came from.

    Raises
    ------
    SourceError
        The source cannot be read; the message says what to do.
    """
    if isinstance(source, str | Path):
        return _read_files(schema, _paths(source), **options)
    if (
        isinstance(source, Sequence)
        and source
        and all(isinstance(item, str | Path) for item in source)
    ):
        return _read_files(schema, [path for item in source for path in _paths(item)], **options)
    if isinstance(source, Database | Fetched):
        cells = read_arrow(
            schema,
            source.read() if isinstance(source, Database) else source.rows,
            "cells",
            kind="database",
        )
    elif is_frame(source):
        cells = read_frame(schema, source, "cells")
    elif isinstance(source, duckdb.DuckDBPyRelation):
        cells = read_arrow(schema, _rows_of(source), "cells", kind="relation")
    elif (hasattr(source, "__arrow_c_stream__") and not isinstance(source, type)) or isinstance(
        source, pa.RecordBatchReader
    ):
        cells = read_arrow(schema, source, "cells")
    elif isinstance(source, Sequence) and not isinstance(source, bytes):
        cells = read_records(schema, source, "cells")
    else:
        late = next((name for name in ("collect", "compute") if hasattr(source, name)), None)
        raise SourceError(
            f"Cannot read orders from an object of type {type(source).__name__}.",
            fix=f"Pass the result of its {late}() method."
            if late
            else "Pass a path, a DataFrame, an Arrow table, a list of dicts or a DuckDB relation.",
        )
    rows = count(schema.con, cells.relation)
    cells = _with_lines(cells, rows, None)
    return cells, Origin(kind=cells.kind, headings=cells.headings, rows=(rows,))


def _rows_of(relation: duckdb.DuckDBPyRelation) -> pa.Table:
    """Return the rows of a relation, which is run by the connection that it was made with."""
    try:
        return relation.to_arrow_table()
    except duckdb.Error as error:
        raise SourceError(
            f"The relation cannot be read: {error}",
            fix="Read it with its own connection first, fetchall(), to see what is wrong; or pass "
            "relation.to_arrow_table().",
        ) from error


def _with_lines(cells: Cells, rows: int, file: str | None) -> Cells:
    """Return the cells with an account of their lines; a reader of a table leaves it out."""
    lines = cells.lines or (SourceLines.of_table(rows),)
    return replace(cells, lines=tuple(replace(part, file=part.file or file) for part in lines))


def _paths(source: str | Path) -> list[Path]:
    text = str(source)
    if "://" in text:
        raise SourceError(
            f"Cannot read {text.split('://', 1)[0]}:// addresses.",
            fix="Download the file first, or pass its rows.",
        )
    path = Path(text).expanduser()
    if path.is_file():
        return [path]
    if path.is_dir():
        raise SourceError(f"{path} is a folder.", fix=f'Name the files: "{path / "*.csv"}".')
    if path.exists():
        raise SourceError(
            f"{path} is a pipe or a device, and orders are read from a regular file: more than "
            "once, and again for write-back.",
            fix="Save it to a file first, for example: cat > orders.csv",
        )
    if set("*?[") & set(path.name):
        found = sorted(p for p in path.parent.glob(path.name) if p.is_file())
        if found:
            return found
        raise SourceError(f"No file matches {path}.", fix="Check the pattern and the folder.")
    siblings = (
        [p.name for p in path.parent.iterdir() if p.is_file()] if path.parent.is_dir() else []
    )
    near = difflib.get_close_matches(path.name, siblings, n=1)
    where = (
        f"{path} does not exist"
        if path.parent.is_dir()
        else f"The folder {path.parent} does not exist"
    )
    raise SourceError(
        where + (f"; did you mean {near[0]}?" if near else "."),
        fix=f"Check the path (the working folder is {Path.cwd()}).",
    )


def _refuse_lost_bytes(path: Path) -> None:
    """Raise SourceError for a name that is not text: the readers, the job and its files need one.

    Python keeps bytes that it cannot decode as halves of characters.
    """
    whole = str(path.absolute())
    try:
        whole.encode()
    except UnicodeEncodeError:
        raw = os.fsencode(whole)
        try:
            raw.decode()
        except UnicodeDecodeError:
            raise SourceError(
                f"The name of {readable(str(path))} is not UTF-8.",
                fix="Rename the file, and its folder if that is meant.",
            ) from None
        raise SourceError(
            f"The name of {readable(str(path))} cannot be used: the locale of this process is "
            f"{sys.getfilesystemencoding()}.",
            fix="Set PYTHONUTF8=1 in the environment, or a UTF-8 locale.",
        ) from None


def _read_files(schema: StageSchema, paths: Sequence[Path], **options: Any) -> tuple[Cells, Origin]:
    for path in paths:
        _refuse_lost_bytes(path)
    read: list[Cells] = []
    for number, path in enumerate(paths):
        try:
            read.append(
                _read_file(
                    schema, path, f"cells_{number}" if len(paths) > 1 else "cells", **options
                )
            )
        except PermissionError:
            raise SourceError(
                f"No permission to read {path}.",
                fix="Check its permissions, and close it if another program has it open.",
            ) from None
        except ShipkitError:
            raise
        except Exception as error:  # the libraries that read files raise all kinds
            if is_interrupt(error):
                raise KeyboardInterrupt from None
            if is_defect(error):
                error.add_note(f"shipkit raised this while it read {path.name}.")
                raise
            raise source_error(path, error) from error
    rows = [count(schema.con, cells.relation) for cells in read]
    read = [
        _with_lines(cells, of_file, path.name)
        for cells, of_file, path in zip(read, rows, paths, strict=True)
    ]
    first = read[0]
    origin = Origin(
        kind=first.kind,
        paths=tuple(path.resolve() for path in paths),
        sha256=tuple(
            cells.sha256 or _sha256(path) for cells, path in zip(read, paths, strict=True)
        ),
        rows=tuple(rows),
        headings=first.headings,
        sheet=first.sheet,
        delimiter=first.delimiter,
        encoding=first.encoding,
        header=bool(options.get("header", True)),
        named_here=_named_in_file(first),
    )
    return (first if len(read) == 1 else _stacked(schema, read, origin)), origin


def _named_in_file(cells: Cells) -> tuple[str, ...]:
    """Return the headings without what the lines around them add; empty where that is nothing."""
    if cells.titles is None or cells.titles == cells.headings:
        return ()
    return tuple(unique_names(cells.headings, ("row_number", "source_file")))


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read_file(schema: StageSchema, path: Path, table: str, **options: Any) -> Cells:
    kind = _kind_of(path)
    if kind == "book":
        return read_spreadsheet(
            schema,
            path,
            table,
            sheet=options["sheet"],
            header=options["header"],
            hidden=options["hidden"],
        )
    if kind == "parquet":
        return read_parquet(schema, path, table, copy=options["copy"] or table != "cells")
    if kind == "json":
        return read_json(schema, path, table)
    return read_delimited(
        schema,
        path,
        table,
        delimiter=options["delimiter"],
        encoding=options["encoding"],
        header=options["header"],
    )


def _kind_of(path: Path) -> str:
    """Return the kind of a file: by its first bytes if they show it, else by its extension."""
    with path.open("rb") as file:
        head = file.read(4096)
    ending = (
        Path(path.stem).suffix.lower()
        if path.suffix.lower() in {".gz", ".gzip"}
        else path.suffix.lower()
    )
    if head.startswith(b"PAR1"):
        return "parquet"
    if is_book(path, head):
        return "book"
    if head.startswith(b"%PDF"):
        raise SourceError(f"{path.name} is a PDF.", fix="Export the orders as CSV or XLSX.")
    if ending in _JSON_ENDINGS:
        return "json"
    if ending in _BOOK_ENDINGS and not head:
        raise SourceError(
            f"{path.name} is empty (0 bytes).", fix="Export it again, or check the path."
        )
    if ending == ".parquet":
        return "parquet"
    return "text"


def _stacked_cell(own: str | None, kinds: Mapping[str, str], common: str) -> str:
    if own is None:
        return f"CAST(NULL AS {common})"
    return own if kinds[own] == common else text_of_cell(own, kinds[own])


def _stacked(schema: StageSchema, read: Sequence[Cells], origin: Origin) -> Cells:
    """Combine the files of a glob by heading; each row keeps the name of its file."""
    per_file = [unique_names(cells.titles or cells.headings, ()) for cells in read]
    headings = list(dict.fromkeys(name for names in per_file for name in names))
    own_cells = [dict(zip(names, base_names(len(names)), strict=True)) for names in per_file]
    kinds = [kinds_of_cells(cells.relation) for cells in read]
    of_heading = {
        name: {kind[own[name]] for own, kind in zip(own_cells, kinds, strict=True) if name in own}
        for name in headings
    }
    # A type that all files have stays; a column with several is text, as a person would write it.
    common = {name: found.pop() if len(found) == 1 else _TEXT for name, found in of_heading.items()}
    parts = []
    for cells, own, kind, path in zip(read, own_cells, kinds, origin.paths, strict=True):
        wanted = ", ".join(
            f"{_stacked_cell(own.get(name), kind, common[name])} AS c{n}"
            for n, name in enumerate(headings, start=1)
        )
        source = f"SELECT {wanted}, {quote(path.name)} AS file FROM {cells.relation.sql}"
        parts.append(f"({source} ORDER BY rowid)")
    relation = schema.table("cells", " UNION ALL ".join(parts))
    for cells in read:
        schema.remove(cells.relation)
    before = 0
    broken: list[Mapping[str, Any]] = []
    skipped: list[SkippedRows] = []
    for cells, lines in zip(read, origin.rows, strict=True):
        skipped += [
            replace(each, rows=tuple(row + before for row in each.rows)) for each in cells.skipped
        ]
        broken += [
            {**problem, "row_number": problem["row_number"] + before} for problem in cells.broken
        ]
        before += lines
    notes = [
        Note("read", f"{path.name}: {counted(lines, 'row')}.", lines)
        for path, lines in zip(origin.paths, origin.rows, strict=True)
    ]
    return Cells(
        relation=relation,
        headings=tuple(headings),
        kind=read[0].kind,
        notes=(*notes, *(n for cells in read for n in cells.notes)),
        lines=tuple(part for cells in read for part in cells.lines),
        skipped=tuple(skipped),
        broken=tuple(broken),
        item_headings=frozenset().union(*(cells.item_headings for cells in read)),
    )
