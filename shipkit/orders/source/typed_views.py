"""From cells to rows: decide what type each column has, and which rows are data.

Everything here is a view over the cells. The types are decided on all rows, but no row is copied.
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

import duckdb
import pyarrow as pa

from shipkit.common.relation import Relation, StageSchema, count
from shipkit.common.sql import one
from shipkit.common.words import counted
from shipkit.errors import SourceError
from shipkit.orders import layouts
from shipkit.orders.cells import EXPLAINING, Cells, Note
from shipkit.orders.columns import KIND, WEIGHT_PARTS, Column, keys
from shipkit.orders.fields import column_kinds
from shipkit.orders.heading_meaning import Match
from shipkit.orders.heading_text import phrase
from shipkit.orders.layouts import LayoutMatch
from shipkit.orders.line_account import LineAccount
from shipkit.orders.quantity_headings import QUANTITIES
from shipkit.orders.source import celltypes
from shipkit.orders.source.celltypes import ColumnReading, ColumnSpec
from shipkit.orders.source.column_parts import decided
from shipkit.orders.source.data_rows import DataRows
from shipkit.orders.source.loaded import Loaded, LoadReport
from shipkit.orders.source.readers import Origin
from shipkit.orders.source.rows_aside import RowsAside
from shipkit.orders.source.text_view import as_text, is_nested, kinds_of_cells
from shipkit.schema import PROBLEMS

__all__ = ["loaded_from"]

_BLOCKING = frozenset(
    {
        *WEIGHT_PARTS,
        *WEIGHT_PARTS.values(),
        "length",
        "width",
        "height",
        "declared_value",
        "cod_amount",
        "ship_date",
        *QUANTITIES.values(),
    }
)
"""Roles whose unreadable cell stops the shipment: a default or a guess there costs money."""
_UNIT_ROLES = {
    "weight": "weight_unit",
    "item_weight": "weight_unit",
    **dict.fromkeys(("length", "width", "height"), "dimension_unit"),
    **dict.fromkeys(("declared_value", "item_price", "cod_amount"), "currency"),
}
"""Role of a measure or amount -> the role of the column that says its unit."""
_CORRECT = "Correct the one that is wrong, and load the file again."
_ORDINALS = {1: "first", 2: "second", 3: "third", 4: "fourth", 5: "fifth"}
_PINNED_TYPES = {
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
"""What ``load(types=...)`` accepts -> the type of DuckDB."""
_SEVERAL = 32
"""Columns that one query asks about."""
_SOURCES = {
    "frame": "DataFrame",
    "arrow": "Arrow table",
    "relation": "DuckDB relation",
    "records": "list of dicts",
    "database": "database table",
}
"""Kind of a source that is not a file -> its name in messages."""
_UNITS = {"csv": "line", "tsv": "line", "ndjson": "line", "json": "record", "records": "record"}
"""Kind of a source -> what its lines are called; of all others they are rows."""
_NUMBERS = (
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


def loaded_from(
    schema: StageSchema,
    cells: Cells,
    origin: Origin,
    *,
    types: Mapping[str, object],
    names: Sequence[str],
    layout: LayoutMatch | None,
    fixed: Sequence[ColumnReading] | None = None,
) -> Loaded:
    """Decide the types, make the views and report what was done.

    Parameters
    ----------
    cells
        What a reader stored in `schema`.
    types
        Heading or key -> the type that a person asked for.
    names
        The headings, made unique.
    fixed
        How each column is read, where that is decided already.

    Raises
    ------
    SourceError
        There are no data rows, or `types` names an unknown column or type.
    """
    con = schema.con
    read = count(con, cells.relation)
    if not read:
        raise _no_orders(origin, "no data rows", headings=list(cells.headings))
    all_keys = keys(names)
    roles = {match.name: match for match in layouts.meanings(names, layout).roles.values()}
    pins = _layout_dates(con, cells.relation, names, layout) | _pins(types, names, all_keys)
    text = as_text(schema, cells.relation)
    aside = RowsAside.of(schema, text, cells)
    data = aside.without(schema, text)
    readings = (
        _readings(schema, cells.relation, aside, data, names, roles, pins)
        if fixed is None
        else fixed
    )
    columns = tuple(
        Column(
            name=name,
            key=key,
            type=reading.type,
            role=roles[name].role if name in roles else None,
            unit=reading.unit or (roles[name].unit if name in roles else None),
            own_units=reading.unit is not None,
            names_units=reading.names_units,
            explained=words,
        )
        for name, key, reading, words in zip(
            names, all_keys, readings, _explanations(con, text, cells, len(names)), strict=True
        )
    )
    rows = DataRows(text, columns, readings, origin, layout, data)
    if not cells.item_headings:  # the items of a record are its lines, whatever they hold
        rows = rows.with_sums(con)
    lines = rows.lines(schema)
    kept = count(con, lines)
    dropped = aside.lines(cells.lines)
    dropped += rows.dropped(con, cells.lines) if kept < read - aside.count else []
    account = LineAccount.of(cells.lines, dropped, unit=_UNITS.get(origin.kind, "row"))
    if account.missing:
        raise _lost(origin, account)
    if not kept:
        raise _no_orders(origin, "only blank rows")
    problems = pa.concat_tables(
        [
            pa.Table.from_pylist(list(cells.broken), schema=PROBLEMS),
            *_misfits(con, data, columns, readings),
            rows.problems(con),
        ]
    )
    # Headings that come from a layout were not repaired.
    headings = names if layout and layout.layout.headings else cells.titles or cells.headings
    notes = (
        *cells.notes,
        *([Note("read", f"Layout: {layout}.")] if layout else []),
        *_heading_notes(headings, names),
        *_index_notes(cells, columns),
        *_reading_notes(names, readings),
        *(Note("dropped", part.note or f"{part}.", part.count) for part in account.aside),
    )
    return Loaded(
        con=con,
        cells=cells.relation,
        text=rows.text(schema),
        lines=lines,
        columns=columns,
        rows=kept,
        origin=origin,
        report=LoadReport(kept, len(columns), notes, account),
        problems=_of_rows(con, lines, problems) if kept < read else problems,
        layout=layout,
        copied="rowid" not in cells.relation.columns,
        readings=tuple(readings),
        item_columns=frozenset(
            name
            for name, heading in zip(names, cells.headings, strict=True)
            if heading in cells.item_headings
        ),
    )


def _explanations(
    con: duckdb.DuckDBPyConnection, text: Relation, cells: Cells, width: int
) -> list[str]:
    """Return what a line that explains the headings says about each column."""
    rows = [row for part in cells.skipped if part.reason == EXPLAINING for row in part.rows]
    if not rows:
        return [""] * width
    wanted = ", ".join(f"coalesce(c{place}, '')" for place in range(1, width + 1))
    found = one(con, f"SELECT {wanted} FROM {text.sql} WHERE row_number = {rows[0]}")
    return [str(cell) for cell in found]


def _lost(origin: Origin, account: LineAccount) -> SourceError:
    name = origin.paths[0].name if origin.paths else _SOURCES.get(origin.kind, "source")
    return SourceError(
        f"{abs(account.missing):,} of the {counted(account.lines, account.unit)} of {name} are "
        f"not accounted for ({account}).",
        fix="This is a defect of shipkit: please report it. Saving the orders as .xlsx may help.",
    )


def _no_orders(origin: Origin, rows: str, **details: object) -> SourceError:
    if origin.paths:
        return SourceError(
            f"{origin.paths[0].name} has a header row and {rows}.",
            fix="Export it again with orders in it.",
            **details,
        )
    source = _SOURCES.get(origin.kind, "source")
    return SourceError(
        f"The {source} has columns and {rows}.", fix="Pass at least one order.", **details
    )


# -- what type a column has ------------------------------------------------------------------------


def _layout_dates(
    con: duckdb.DuckDBPyConnection,
    cells: Relation,
    names: Sequence[str],
    layout: LayoutMatch | None,
) -> dict[int, str]:
    """Return the date formats that the layout gives, for text columns where every cell fits."""
    given = layout.layout.dates if layout else {}
    formats = {phrase(heading): form for heading, form in given.items()}
    found: dict[int, str] = {}
    for place, name in enumerate(names):
        form = formats.get(phrase(name))
        if form is None or cells.columns.get(f"c{place + 1}") != "VARCHAR":
            continue
        cell = f"nullif(trim(c{place + 1}), '')"
        query = f"""
            SELECT count(*)
            FROM {cells.sql}
            WHERE {cell} IS NOT NULL AND try_strptime({cell}, $form) IS NULL
        """
        if not one(con, query, {"form": form})[0]:
            found[place] = form
    return found


def _pins(
    types: Mapping[str, object], names: Sequence[str], all_keys: Sequence[str]
) -> dict[int, str]:
    """Return place of a column -> the type or date format that a person asked for."""
    pins = {}
    places = {key: place for place, key in enumerate(all_keys)}
    places |= {name: place for place, name in enumerate(names)}
    for wanted, kind in types.items():
        if wanted not in places:
            near = difflib.get_close_matches(wanted, [*names, *all_keys], n=1)
            raise SourceError(
                f"types: there is no column {wanted!r}"
                + (f"; did you mean {near[0]!r}?" if near else "."),
                fix="Use a heading or its snake_case key.",
            )
        given = kind.__name__ if isinstance(kind, type) else str(kind)
        pin = given if "%" in given else _PINNED_TYPES.get(given.lower())
        if pin is None:
            raise SourceError(
                f"types: {wanted!r} cannot be read as {given!r}.",
                fix=f"Use one of {', '.join(sorted(set(_PINNED_TYPES)))}, or a date format such "
                "as '%d/%m/%Y'.",
            )
        pins[places[wanted]] = pin
    return pins


def _readings(
    schema: StageSchema,
    cells: Relation,
    aside: RowsAside,
    data: Relation,
    names: Sequence[str],
    roles: Mapping[str, Match],
    pins: Mapping[int, str],
) -> list[ColumnReading]:
    """Return how each column of the cells is read, by the rows in `data`."""
    found = kinds_of_cells(cells)
    native = {name: kind for name, kind in found.items() if kind != "VARCHAR"}
    readings: dict[str, ColumnReading] = {}
    open_columns: list[ColumnSpec] = []
    kinds = _kinds(names, roles)
    units = _unit_cells(names, roles)
    for place, ((name, kind), heading) in enumerate(zip(found.items(), names, strict=True)):
        meant = kinds[place]
        if place not in pins and name in native and _keeps_type(kind, meant):
            lasting = "TIMESTAMP" if kind.startswith("TIMESTAMP") else kind
            readings[name] = ColumnReading(sql=f"n{name[1:]}", type=lasting, raw=name)
            continue
        match = roles.get(heading)
        open_columns.append(
            ColumnSpec(
                name,
                # In a source with types, a text column is text: only its role may say otherwise.
                "text" if native and meant is None else meant,
                pins.get(place),
                match.role if match else None,
                match.unit if match else None,
                units.get(match.role) if match else None,
            )
        )
    made = decided(schema, cells, aside, data, open_columns, [*units.values()])
    readings |= {spec.name: reading for spec, reading in zip(open_columns, made, strict=True)}
    return [readings[name] for name in found]


def _unit_cells(names: Sequence[str], roles: Mapping[str, Match]) -> dict[str, str]:
    """Return role of a measure or amount -> the column of cells that holds its unit."""
    here = {roles[name].role: f"c{place}" for place, name in enumerate(names, 1) if name in roles}
    return {role: here[unit] for role, unit in _UNIT_ROLES.items() if unit in here}


def _kinds(names: Sequence[str], roles: Mapping[str, Match]) -> list[str | None]:
    """Return the kind of each column: by its role where it has one, else by its heading alone."""
    return [
        KIND[roles[name].role] if name in roles else kind
        for name, kind in zip(names, column_kinds(names), strict=True)
    ]


def _keeps_type(kind: str, meant: str | None) -> bool:
    """Whether a column that came with a type keeps it: not where its heading means another one."""
    if is_nested(kind):
        return False
    if kind.startswith(("DATE", "TIMESTAMP")):
        return meant in {None, "date"}
    if kind.startswith("BOOL"):
        return meant in {None, "flag"}
    return kind.startswith(_NUMBERS) and meant in {None, "number", "amount"}


# -- notes and problems ----------------------------------------------------------------------------


def _heading_notes(headings: Sequence[str], names: Sequence[str]) -> list[Note]:
    """Return a note for each heading that was missing or had to be made unique."""
    notes = []
    seen: Counter[str] = Counter()
    for given, name in zip(headings, names, strict=True):
        heading = given.strip()
        seen[heading.casefold()] += 1
        place = _ORDINALS.get(seen[heading.casefold()], "last")
        if not heading:
            text = f"column without a heading: named {name!r}."
        elif heading == name:
            continue
        elif place == "first":
            text = f"reserved heading {heading!r}: renamed {name!r}."
        else:
            text = f"duplicate heading {heading!r}: the {place} is renamed {name!r}."
        notes.append(Note("repaired", text))
    return notes


def _index_notes(cells: Cells, columns: Sequence[Column]) -> list[Note]:
    """Return a note on an index that may hold the order numbers, where no column does."""
    if cells.unread_index is None or any(column.role == "order_id" for column in columns):
        return []
    text = (
        "the index of the DataFrame was not read, because it has no name and holds whole numbers "
        f"({cells.unread_index}, ...). If they are order numbers: "
        'frame.rename_axis("order_id").'
    )
    return [Note("assumed", text)]


def _reading_notes(names: Sequence[str], readings: Sequence[ColumnReading]) -> list[Note]:
    return [
        replace(note, text=f"{name}: {note.text}.")
        for name, reading in zip(names, readings, strict=True)
        for note in reading.notes
    ]


def _misfits(
    con: duckdb.DuckDBPyConnection,
    cells: Relation,
    columns: Sequence[Column],
    readings: Sequence[ColumnReading],
) -> list[pa.Table]:
    """Return the cells that do not fit the type of their column, as problems."""
    made = []
    pairs = list(zip(columns, readings, strict=True))
    for column, reading in (pairs[place] for place in _failing(con, cells, readings)):
        problem, fix, code = celltypes.problem_of(reading.kind, column.name)
        other = reading.contradiction
        contradicts = f"coalesce({other.condition}, false)" if other else "false"
        rows = con.sql(
            f"""
            SELECT
                row_number,
                $field AS field,
                {reading.raw} AS value,
                CASE WHEN {contradicts} THEN {other.problem if other else "''"}
                    ELSE $problem END AS problem,
                CASE WHEN {contradicts} THEN $correct ELSE $fix END AS fix,
                CASE WHEN {contradicts} THEN 'error'
                    WHEN {celltypes.missing_sql(reading.raw)} THEN $missing
                    ELSE $severity END AS severity,
                CASE WHEN {contradicts} THEN 'unit_contradicts' ELSE $code END AS code
            FROM {cells.sql}
            WHERE {reading.raw} IS NOT NULL AND {reading.sql} IS NULL
            ORDER BY row_number
            """,
            params={
                "field": column.key,
                "problem": problem,
                "fix": fix,
                "severity": "error" if column.role in _BLOCKING else "warning",
                # "-" units to ship may be none; of other numbers, a missing one is not known.
                "missing": "error" if column.role == "quantity_left" else "warning",
                "code": code,
                "correct": _CORRECT,
            },
        ).to_arrow_table()
        made.append(rows.cast(PROBLEMS))
    return made


def _failing(
    con: duckdb.DuckDBPyConnection, cells: Relation, readings: Sequence[ColumnReading]
) -> list[int]:
    """Return the places of the columns that may have cells that do not fit, of many those that do.

    Each query over the cells is planned with all of their columns.
    """
    places = [place for place, reading in enumerate(readings) if reading.can_fail]
    if len(places) <= _SEVERAL:
        return places
    found = []
    for start in range(0, len(places), _SEVERAL):
        part = places[start : start + _SEVERAL]
        asked = ", ".join(
            f"bool_or({readings[place].raw} IS NOT NULL AND {readings[place].sql} IS NULL)"
            for place in part
        )
        wrong = one(con, f"SELECT {asked} FROM {cells.sql}")
        found += [place for place, yes in zip(part, wrong, strict=True) if yes]
    return found


def _of_rows(con: duckdb.DuckDBPyConnection, lines: Relation, problems: pa.Table) -> pa.Table:
    """Return the problems of rows that were kept."""
    con.register("cell_problems", problems)
    try:
        found = con.sql(f"""
            SELECT p.*
            FROM cell_problems p
            SEMI JOIN {lines.sql} l USING (row_number)
            ORDER BY row_number
        """).to_arrow_table()
        return found.cast(PROBLEMS)
    finally:
        con.unregister("cell_problems")
