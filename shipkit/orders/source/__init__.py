"""Orders from anywhere into the database, nothing lost to type guessing.

A file, frame, table, list of dicts or DuckDB relation becomes three relations of a
:class:`Loaded`: ``cells`` (the cells as they are), ``text`` (row_number, source_file, every column
as text under its heading) and ``lines`` (row_number, source_file, a typed column under each
snake_case key). The last two are views: nothing is copied.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa

from shipkit.common.relation import Relation, StageSchema, count, fresh
from shipkit.common.spill import bounded
from shipkit.common.sql import one, quoted
from shipkit.errors import SourceError
from shipkit.orders import layouts
from shipkit.orders.cells import Cells, Note, base_names, unique_names
from shipkit.orders.fields import KIND, Column, Match, column_kinds, keys, phrase
from shipkit.orders.layouts import LayoutMatch
from shipkit.orders.source import celltypes
from shipkit.orders.source.celltypes import Question, Shape
from shipkit.orders.source.readers import Origin, read
from shipkit.schema import PROBLEMS

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["LoadReport", "Loaded", "Origin", "connect", "load"]

_BLOCKING = frozenset({"weight", "length", "width", "height", "declared_value", "ship_date"})
"""Roles whose unreadable cell stops the shipment: a default or a guess there costs money."""
_WHO = frozenset(
    {"name", "first_name", "last_name", "company", "address_line1", "city", "postal_code"}
)
_TOTALS = ("total", "totals", "grand total", "subtotal", "sum")
_TYPES = {
    "text": "VARCHAR",
    "str": "VARCHAR",
    "string": "VARCHAR",
    "int": "BIGINT",
    "integer": "BIGINT",
    "float": "DOUBLE",
    "number": "DOUBLE",
    "bool": "BOOLEAN",
    "varchar": "VARCHAR",
    "bigint": "BIGINT",
    "double": "DOUBLE",
    "boolean": "BOOLEAN",
    "date": "DATE",
    "timestamp": "TIMESTAMP",
    "datetime": "TIMESTAMP",
}


@dataclass(frozen=True)
class LoadReport:
    """What was read, repaired, dropped and assumed."""

    rows: int
    columns: int
    notes: tuple[Note, ...] = ()

    def __str__(self) -> str:
        head = f"{self.rows:,} lines, {self.columns} columns"
        return "\n".join([head, *(f"{note.kind}: {note.text}" for note in self.notes)])

    def of(self, kind: str) -> tuple[Note, ...]:
        """Return the notes of one kind: read, repaired, dropped or assumed."""
        return tuple(note for note in self.notes if note.kind == kind)

    @property
    def frame(self) -> pd.DataFrame:
        """The notes as a frame: kind, text, count."""
        import pandas as pd

        return pd.DataFrame(
            [(n.kind, n.text, n.count) for n in self.notes], columns=["kind", "text", "count"]
        )


@dataclass(frozen=True)
class Loaded:
    """The source in the database `con`."""

    con: duckdb.DuckDBPyConnection = field(repr=False)
    cells: Relation = field(repr=False)
    """Columns ``c1``, ``c2``, ... as the source has them."""
    text: Relation = field(repr=False)
    """``row_number``, ``source_file``, then every column as text under its heading."""
    lines: Relation = field(repr=False)
    """``row_number``, ``source_file``, then every column with its type under its key."""
    columns: tuple[Column, ...]
    rows: int
    origin: Origin
    report: LoadReport = field(repr=False)
    problems: pa.Table = field(repr=False)
    layout: LayoutMatch | None = None
    """The known export that the headings told, or None."""
    copied: bool = True
    """False for a parquet file that is read where it is, each time it is needed."""

    def describe(self) -> pd.DataFrame:
        """Return a line for each column: name, type, non_null, distinct, examples (the commonest values), key, role, unit."""
        import pandas as pd

        return pd.DataFrame(
            [_described(self.con, self.lines, column) for column in self.columns],
            columns=["name", "type", "non_null", "distinct", "examples", "key", "role", "unit"],
        )

    def sample(self, n: int = 5, seed: int = 1) -> pd.DataFrame:
        """Return `n` random lines in source order, the same ones each time: row_number, then every column under its heading."""
        wanted = ", ".join(
            f"{quoted(c.key)} AS {quoted(name)}"
            for c, name in zip(self.columns, self.names, strict=True)
        )
        sql = (
            f"SELECT row_number, {wanted} FROM (SELECT * FROM {self.lines.sql} USING SAMPLE "
            f"reservoir({int(n)} ROWS) REPEATABLE ({int(seed)})) ORDER BY row_number"
        )
        found: pd.DataFrame = self.con.sql(sql).df()
        return found

    @property
    def names(self) -> tuple[str, ...]:
        """The headings, made unique."""
        return tuple(column.name for column in self.columns)

    def column(self, name: str) -> Column:
        """Return the column with this heading or key."""
        for column in self.columns:
            if name in (column.name, column.key):
                return column
        near = difflib.get_close_matches(
            name, [c.name for c in self.columns] + [c.key for c in self.columns], n=1
        )
        raise SourceError(
            f"There is no column {name!r}" + (f"; did you mean {near[0]!r}?" if near else "."),
            fix="See session.columns.",
        )


def connect() -> duckdb.DuckDBPyConnection:
    """Return a new in-memory database that never loads an extension, so never reaches for the network, and spills where only this user reads."""
    return duckdb.connect(
        ":memory:",
        config={
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "allow_community_extensions": "false",
            "python_enable_replacements": "false",
            **bounded(),
        },
    )


def load(
    source: Any,
    *,
    con: duckdb.DuckDBPyConnection | None = None,
    types: Mapping[str, Any] | None = None,
    sheet: str | int | None = None,
    delimiter: str | None = None,
    encoding: str | None = None,
    header: bool = True,
    layout: str | bool | None = None,
    layout_folder: Path | None = None,
    copy: bool = True,
) -> Loaded:
    """Read orders into the database.

    Parameters
    ----------
    source
        A path or glob (csv, tsv, xlsx, xls, ods, parquet, json, ndjson; gz), a DataFrame, Arrow
        table, list of dicts, DuckDB relation, or Database.
    con
        The database to read into (default: a new one in memory).
    types
        Pins types: heading or key -> a DuckDB type, ``str``, or a date format such as
        ``"%d/%m/%Y"``.
    sheet, delimiter, encoding, header
        For files whose sheet, delimiter or encoding is not found rightly, or that have no line of
        headings (``header=False``).
    layout
        The name of a known export; None: recognised by its headings; False: not looked for.
    layout_folder
        A person's own layouts.
    copy
        False: one parquet file is not copied into the database but read where it lies; it must
        stay as it is meanwhile.

    Raises
    ------
    SourceError
        The source is missing, empty, damaged or of a kind that is not known; the message says
        where and what to do.
    """
    con = connect() if con is None else con
    named = layouts.the_layout(layout, layout_folder) if isinstance(layout, str) else None
    with fresh(con, "source") as schema:
        cells, origin = read(
            schema,
            source,
            sheet=sheet,
            delimiter=delimiter,
            encoding=encoding,
            header=header and not (named and named.headings),
            copy=copy,
        )
        names = unique_names(_headings(cells, named), ("row_number", "source_file"))
        known = _layout_of(names, named, layout_folder, wanted=layout is not False)
        loaded = _made(schema, cells, origin, types or {}, names, known)
    return replace(loaded, copied="rowid" not in cells.relation.columns)


def _layout_of(
    names: Sequence[str], named: layouts.Layout | None, folder: Path | None, *, wanted: bool
) -> LayoutMatch | None:
    if named is not None:
        return layouts.matched(named, names, "named by hand")
    return layouts.recognise_layout(names, layouts.known_layouts(folder)) if wanted else None


def _headings(cells: Cells, named: layouts.Layout | None) -> Sequence[str]:
    """Return the headings of the source, or those that the named layout gives to a file without any."""
    if named is None or not named.headings:
        return cells.headings
    count = len(cells.headings)
    return [
        *named.headings[:count],
        *(f"column_{place}" for place in range(len(named.headings) + 1, count + 1)),
    ]


# -- cells -> views --------------------------------------------------------------------------------


def _made(
    schema: StageSchema,
    cells: Cells,
    origin: Origin,
    types: Mapping[str, Any],
    names: Sequence[str],
    layout: LayoutMatch | None,
) -> Loaded:
    """Decide on types, put the views in place, and report."""
    con = schema.con
    rows = count(con, cells.relation)
    where = origin.paths[0].name if origin.paths else f"The {origin.kind}"
    if not rows:
        raise SourceError(
            f"{where} has headings and no lines.",
            fix="Export it again with orders in it.",
            headings=list(cells.headings),
        )
    all_keys = keys(names)
    roles = {match.name: match for match in layouts.meanings(names, layout).roles.values()}
    pins = _layout_dates(con, cells.relation, names, layout) | _pins(types, names, all_keys)
    as_text, shapes = _shapes(schema, cells.relation, names, roles, pins)
    views = _views(schema, as_text, names, all_keys, shapes, origin, layout, roles)
    totals = views.totals
    columns = tuple(
        Column(
            name=name,
            key=key,
            type=shape.type,
            role=roles[name].role if name in roles else None,
            unit=roles[name].unit if name in roles else None,
        )
        for name, key, shape in zip(names, all_keys, shapes, strict=True)
    )
    blank = count(con, views.blank)
    footers = rows - blank - totals - count(con, views.lines)
    notes = [
        *cells.notes,
        *([Note("read", f"Layout: {layout}.")] if layout else []),
        *_heading_notes(_told(cells, names, layout), names),
        *_shape_notes(names, shapes),
    ]
    notes += [Note("dropped", f"{blank:,} lines without any text.", blank)] if blank else []
    notes += (
        [
            Note(
                "dropped",
                f"{footers:,} lines without {' or '.join(layout.layout.required)}: totals, "
                "footers.",
                footers,
            )
        ]
        if footers and layout
        else []
    )
    notes += (
        [Note("dropped", f"{totals:,} lines that say Total and name nobody.", totals)]
        if totals
        else []
    )
    if blank + footers + totals == rows:
        raise SourceError(
            f"{where} has headings and only empty lines.", fix="Export it again with orders in it."
        )
    problems = pa.concat_tables(
        [
            pa.Table.from_pylist(list(cells.broken), schema=PROBLEMS),
            *_misfits(con, as_text, columns, shapes),
        ]
    )
    problems = _of_lines(con, views.lines, problems) if footers or totals else problems
    kept = rows - blank - footers - totals
    return Loaded(
        con=con,
        cells=cells.relation,
        text=views.text,
        lines=views.lines,
        columns=columns,
        rows=kept,
        origin=origin,
        report=LoadReport(kept, len(columns), tuple(notes)),
        problems=problems,
        layout=layout,
    )


def _told(cells: Cells, names: Sequence[str], layout: LayoutMatch | None) -> Sequence[str]:
    return names if layout is not None and layout.layout.headings else cells.headings


def _of_lines(con: duckdb.DuckDBPyConnection, lines: Relation, problems: pa.Table) -> pa.Table:
    """Return the problems of lines that were kept: a footer has none."""
    con.register("cell_problems", problems)
    try:
        return (
            con.sql(
                f"SELECT p.* FROM cell_problems p SEMI JOIN {lines.sql} l USING (row_number) "
                "ORDER BY row_number"
            )
            .to_arrow_table()
            .cast(PROBLEMS)
        )
    finally:
        con.unregister("cell_problems")


def _layout_dates(
    con: duckdb.DuckDBPyConnection,
    cells: Relation,
    names: Sequence[str],
    layout: LayoutMatch | None,
) -> dict[int, str]:
    """Return the date formats that the layout says, for columns of text where every cell fits."""
    said = {
        phrase(heading): form for heading, form in (layout.layout.dates if layout else {}).items()
    }
    found: dict[int, str] = {}
    for place, name in enumerate(names):
        form = said.get(phrase(name))
        if form and cells.columns.get(f"c{place + 1}") == "VARCHAR":
            cell = f"nullif(trim(c{place + 1}), '')"
            misfits = one(
                con,
                f"SELECT count(*) FILTER ({cell} IS NOT NULL AND try_strptime({cell}, $form) IS "
                f"NULL) FROM {cells.sql}",
                {"form": form},
            )[0]
            found |= {} if misfits else {place: form}
    return found


def _pins(
    types: Mapping[str, Any], names: Sequence[str], all_keys: Sequence[str]
) -> dict[int, str]:
    pins = {}
    for wanted, kind in types.items():
        place = next(
            (
                n
                for n, (name, key) in enumerate(zip(names, all_keys, strict=True))
                if wanted in (name, key)
            ),
            None,
        )
        if place is None:
            near = difflib.get_close_matches(wanted, [*names, *all_keys], n=1)
            raise SourceError(
                f"types: there is no column {wanted!r}"
                + (f"; did you mean {near[0]!r}?" if near else "."),
                fix="Use a heading or its snake_case key.",
            )
        said = kind.__name__ if isinstance(kind, type) else str(kind)
        pin = said if "%" in said else _TYPES.get(said.lower())
        if pin is None:
            raise SourceError(
                f"types: {wanted!r} cannot be read as {said!r}.",
                fix=f"Use one of {', '.join(sorted(set(_TYPES)))}, or a date format such as "
                "'%d/%m/%Y'.",
            )
        pins[place] = pin
    return pins


def _shapes(
    schema: StageSchema,
    cells: Relation,
    names: Sequence[str],
    roles: Mapping[str, Match],
    pins: Mapping[int, str],
) -> tuple[Relation, list[Shape]]:
    """Return a view of each cell as text (typed cells also as they are, ``n1`` ...) and how each column is read."""
    con = schema.con
    found = [
        (name, kind.upper())
        for name, kind in cells.columns.items()
        if name not in {"file", "rowid"}
    ]
    native = {name: kind for name, kind in found if kind != "VARCHAR"}
    typed_source = bool(native)
    as_text = [f"{_text_sql(name, kind)} AS {name}" for name, kind in found]
    as_is = [f"{_clean_sql(name, kind)} AS n{name[1:]}" for name, kind in native.items()]
    file = ["file"] if "file" in cells.columns else []
    text = schema.view(
        "cells_text",
        f"SELECT rowid + 1 AS row_number, {', '.join([*as_text, *as_is, *file])} FROM {cells.sql}",
    )
    shapes: dict[str, Shape] = {}
    questions = []
    for place, ((name, kind), heading, meant) in enumerate(
        zip(found, names, _kinds(names, roles), strict=True)
    ):
        if place not in pins and name in native and _keeps(kind, meant):
            shapes[name] = Shape(sql=f"n{name[1:]}", type=_lasting(kind), raw=name)
        else:
            match = roles.get(heading)
            questions.append(
                Question(
                    name,
                    "text" if typed_source and meant is None else meant,
                    pins.get(place),
                    match.role if match else None,
                    match.unit if match else None,
                )
            )
    shapes |= dict(
        zip(
            (question.name for question in questions),
            celltypes.decide(con, text, questions),
            strict=True,
        )
    )
    return text, [shapes[name] for name, _ in found]


def _kinds(names: Sequence[str], roles: Mapping[str, Match]) -> list[str | None]:
    """Return the kind of each column: by the role that it was given, else by its heading alone."""
    return [
        KIND[roles[name].role] if name in roles else kind
        for name, kind in zip(names, column_kinds(names), strict=True)
    ]


def _keeps(kind: str, meant: str | None) -> bool:
    """Return whether a column that came with a type keeps it: not where its heading says text, or another type."""
    if kind.startswith(("DATE", "TIMESTAMP")):
        return meant in {None, "date"}
    if kind.startswith(("BOOL",)):
        return meant in {None, "flag"}
    if kind.startswith(
        (
            "TINYINT",
            "SMALLINT",
            "INTEGER",
            "BIGINT",
            "HUGEINT",
            "UTINYINT",
            "USMALLINT",
            "UINTEGER",
            "UBIGINT",
            "FLOAT",
            "DOUBLE",
            "DECIMAL",
        )
    ):
        return meant in {None, "number", "amount"}
    return False


def _lasting(kind: str) -> str:
    return "TIMESTAMP" if kind.startswith("TIMESTAMP") else kind


def _clean_sql(name: str, kind: str) -> str:
    if kind in {"FLOAT", "DOUBLE"}:
        return f"CASE WHEN isfinite({name}) THEN {name} END"
    if kind.startswith("TIMESTAMP"):
        return f"CAST({name} AS TIMESTAMP)"
    return name


def _text_sql(name: str, kind: str) -> str:
    """Return SQL of a typed cell as the text a person expects: no ".0" behind whole numbers, dates without midnight."""
    if kind == "VARCHAR":
        return name
    if kind in {"FLOAT", "DOUBLE"}:
        return (
            f"CASE WHEN NOT isfinite({name}) THEN NULL WHEN {name} = trunc({name}) AND "
            f"abs({name}) < 1e15 THEN CAST(CAST({name} AS BIGINT) AS VARCHAR) ELSE CAST({name} AS "
            "VARCHAR) END"
        )
    if kind.startswith("TIMESTAMP"):
        return (
            f"CASE WHEN CAST(CAST({name} AS DATE) AS TIMESTAMP) = CAST({name} AS TIMESTAMP) THEN "
            f"CAST(CAST({name} AS DATE) AS VARCHAR) ELSE CAST({name} AS VARCHAR) END"
        )
    if kind.startswith(("STRUCT", "MAP")) or kind.endswith("]"):
        return f"CAST(to_json({name}) AS VARCHAR)"
    return f"CAST({name} AS VARCHAR)"


@dataclass(frozen=True)
class _Views:
    text: Relation
    blank: Relation
    lines: Relation
    totals: int


def _views(
    schema: StageSchema,
    cells: Relation,
    names: Sequence[str],
    all_keys: Sequence[str],
    shapes: Sequence[Shape],
    origin: Origin,
    layout: LayoutMatch | None,
    roles: Mapping[str, Match],
) -> _Views:
    """Return the views of the lines, and how many lines are totals."""
    con = schema.con
    base = base_names(len(names))
    file = (
        "file"
        if len(origin.paths) > 1
        else "'" + origin.paths[0].name.replace("'", "''") + "'"
        if origin.paths
        else "CAST(NULL AS VARCHAR)"
    )
    text = ", ".join(f"{cell} AS {quoted(name)}" for cell, name in zip(base, names, strict=True))
    as_text = schema.view(
        "text", f"SELECT row_number, {file} AS source_file, {text} FROM {cells.sql}"
    )
    typed = ", ".join(
        f"{shape.sql} AS {quoted(key)}" for shape, key in zip(shapes, all_keys, strict=True)
    )
    some = f"coalesce({', '.join(base)}) IS NOT NULL"
    blank = schema.view("blank", f"SELECT row_number FROM {cells.sql} WHERE NOT ({some})")
    needed = layouts.required_sql(layout, dict(zip(names, base, strict=True)))
    kept = [some] if count(con, blank) else []
    kept += (
        [f"({needed})"]
        if needed and one(con, f"SELECT count(*) FROM {cells.sql} WHERE NOT ({needed})")[0]
        else []
    )
    total = _total_sql(
        [
            (cell, roles[name].role if name in roles else None)
            for cell, name in zip(base, names, strict=True)
        ]
    )
    totals = (
        int(
            one(
                con,
                f"SELECT count(*) FROM {cells.sql} WHERE "
                f"{total}{f' AND ({needed})' if needed else ''}",
            )[0]
        )
        if total
        else 0
    )
    kept += [f"({total}) IS NOT TRUE"] if totals else []
    condition = f" WHERE {' AND '.join(kept)}" if kept else ""
    lines = schema.view(
        "lines", f"SELECT row_number, {file} AS source_file, {typed} FROM {cells.sql}{condition}"
    )
    return _Views(as_text, blank, lines, totals)


def _total_sql(columns: Sequence[tuple[str, str | None]]) -> str | None:
    """Return SQL that is true of a line that says Total where an order has its number and names nobody: no parcel could be made of it."""
    who = [cell for cell, role in columns if role in _WHO]
    first = next((cell for cell, role in columns if role == "order_id"), columns[0][0])
    words = ", ".join(f"'{word}'" for word in _TOTALS)
    return (
        f"lower(rtrim(trim({first}), ':')) IN ({words}) AND coalesce({', '.join(who)}) IS NULL"
        if len(who) > 1
        else None
    )


# -- notes and problems ----------------------------------------------------------------------------


def _heading_notes(headings: Sequence[str], names: Sequence[str]) -> list[Note]:
    changed = [
        (old.strip(), new) for old, new in zip(headings, names, strict=True) if old.strip() != new
    ]
    return [
        Note(
            "repaired",
            f"The heading {old!r} stands twice; here it is {new!r}."
            if old
            else f"A column without heading is called {new!r}.",
        )
        for old, new in changed
    ]


def _shape_notes(names: Sequence[str], shapes: Sequence[Shape]) -> list[Note]:
    return [
        Note("assumed" if "assumed" in text else "repaired", f"{name}: {text}.")
        for name, shape in zip(names, shapes, strict=True)
        for text in shape.notes
    ]


def _misfits(
    con: duckdb.DuckDBPyConnection,
    cells: Relation,
    columns: Sequence[Column],
    shapes: Sequence[Shape],
) -> list[pa.Table]:
    """Return the cells that did not fit their column's type, as problems."""
    made = []
    for column, shape in zip(columns, shapes, strict=True):
        if not shape.can_fail:
            continue
        what, fix, code = celltypes.problem_of(shape.kind, column.name)
        severity = "error" if column.role in _BLOCKING else "warning"
        rows = con.sql(
            f"SELECT row_number, $field AS field, {shape.raw} AS value, $what AS problem, $fix AS "
            "fix, "
            f"CASE WHEN {celltypes.missing_sql(shape.raw)} THEN 'warning' ELSE $severity END AS "
            "severity, $code AS code "
            f"FROM {cells.sql} WHERE {shape.raw} IS NOT NULL AND {shape.sql} IS NULL ORDER BY "
            "row_number",
            params={
                "field": column.key,
                "what": what,
                "fix": fix,
                "severity": severity,
                "code": code,
            },
        ).to_arrow_table()
        made.append(rows.cast(PROBLEMS))
    return made


def _described(con: duckdb.DuckDBPyConnection, lines: Relation, column: Column) -> tuple[Any, ...]:
    key = quoted(column.key)
    counts = one(con, f"SELECT count({key}), count(DISTINCT {key}) FROM {lines.sql}")
    common = con.execute(
        f"SELECT CAST({key} AS VARCHAR) FROM {lines.sql} WHERE {key} IS NOT NULL GROUP BY 1 "
        "ORDER BY count(*) DESC, 1 LIMIT 3"
    ).fetchall()
    return (
        column.name,
        column.type,
        int(counts[0]),
        int(counts[1]),
        ", ".join(str(value) for (value,) in common),
        column.key,
        column.role,
        column.unit,
    )
