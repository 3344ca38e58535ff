"""Templates rendered row by row: one JSON object per shipment, read back as columns by DuckDB."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from shipkit.common.relation import Relation, StageSchema
from shipkit.common.sql import one
from shipkit.errors import TemplateError
from shipkit.models import Address
from shipkit.orders.columns import Column
from shipkit.orders.mapping.environment import RecordView
from shipkit.orders.mapping.json_shape import check_shape, json_fault, written_select
from shipkit.orders.mapping.mapped import LEAVES, Mapped, MappingSpec, field_path, leaf_of_role
from shipkit.orders.mapping.template_limits import Budget
from shipkit.orders.mapping.templates import (
    PreparedTemplate,
    cell_sql,
    date_out_of_range,
    plain_value,
    prepare_template,
)
from shipkit.orders.mapping.written_values import filled_by_defaults, mapped_select
from shipkit.schema import problems_table

__all__ = ["fed_fields", "render_rows"]

_CHUNK: Final = 20_000
"""Rows that are Python objects at one time."""

_SYSTEM: Final = ["row_number", "row_numbers", "source_file"]
_UNREADABLE: Final = "date out of range"
"""A column of the orders to be rendered. No key has a blank in it."""

_ROWS: Final = "rendered_rows"


def render_rows(
    schema: StageSchema,
    columns: Sequence[Column],
    spec: MappingSpec,
    shipper: Address,
    selection: Relation,
    all_lines: Relation,
    *,
    others: int = 0,
) -> Mapped:
    """Return the mapped relation that the template of `spec` makes of the selected orders.

    Parameters
    ----------
    others
        How many further orders the template made without rendering. They did not fail, which
        matters for the question whether it fails for every row.

    Raises
    ------
    TemplateError
        The template cannot be used, exceeds a limit, fails for every row, or writes a field that a
        shipment does not have.
    """
    con, text = schema.con, spec.template or ""
    template = prepare_template(
        text, tuple((column.name, column.key) for column in columns), spec.offered
    )
    orders = _orders(con, template, columns, selection)
    lines = _lines(con, all_lines, columns) if template.lines else {}
    texts, problems = _render(template, columns, orders, lines, shipper)
    texts, unreadable = _objects_only(con, orders, texts)
    problems += unreadable
    if orders.num_rows and len(problems) == orders.num_rows + others:
        first = problems[0]
        raise TemplateError(
            f"The template fails for every row. Row {first['row_number']}: {first['problem']}.",
            fix=first["fix"],
        )
    with _registered(con, orders, texts):
        written = f"({written_select(_ROWS)})"
        relation = schema.table("rendered", mapped_select(spec, written))
        check_shape(con, _ROWS, relation, same_fields=template.same_fields)
        defaulted = filled_by_defaults(con, spec, written)
    filled, nested = _contents(con, relation)
    return Mapped(
        relation=relation,
        template=text,
        offered=spec.offered,
        problems=problems_table(problems),
        nested=nested,
        fields=fed_fields(template, columns),
        defaulted=defaulted,
        filled=filled,
    )


def fed_fields(template: PreparedTemplate, columns: Sequence[Column]) -> dict[str, str]:
    """Return key of each column that the template reads -> path of the field that it feeds.

    What a template does with a column is not known; the meaning of the heading is taken, and the
    key where the heading means no field.
    """
    used = {*template.columns, *template.written}
    return {
        column.key: field_path(leaf) if leaf in LEAVES else column.key
        for column in columns
        if column.key in used
        for leaf in [leaf_of_role(column.role)]
    }


# -- rendering -------------------------------------------------------------------------------------


def _orders(
    con: duckdb.DuckDBPyConnection,
    template: PreparedTemplate,
    columns: Sequence[Column],
    selection: Relation,
) -> pa.Table:
    """Return the columns that the template reads: values as it sees them, and JSON texts."""
    by_key = {column.key: column for column in columns}
    values = [f'{cell_sql(by_key[key])} AS "{key}"' for key in template.columns]
    written = [
        f"coalesce(to_json({cell_sql(by_key[key])})::VARCHAR, 'null') AS \"{key} as json\""
        for key in template.written
    ]
    unreadable = [
        f"CASE WHEN {date_out_of_range(by_key[key])} THEN '{key}' END"
        for key in (*template.columns, *template.written)
        if by_key[key].type == "DATE"
    ]
    return con.sql(
        f"""
        SELECT
            {", ".join([*_SYSTEM, *values, *written])},
            coalesce({", ".join([*unreadable, "NULL"])})::VARCHAR AS "{_UNREADABLE}"
        FROM {selection.sql}
        ORDER BY row_number
        """
    ).to_arrow_table()


def _render(
    template: PreparedTemplate,
    columns: Sequence[Column],
    orders: pa.Table,
    lines: Mapping[int, Sequence[RecordView]],
    shipper: Address,
) -> tuple[pa.ChunkedArray, list[dict[str, Any]]]:
    """Return the text of each order, null where rendering failed, and the problems of those."""
    budget = Budget(orders.num_rows)
    scope = template.scope(
        {name: plain_value(value) for name, value in shipper.model_dump().items()}, budget
    )
    headings = {column.key: column.name for column in columns}
    read = [*template.columns, *(f"{key} as json" for key in template.written)]
    chunks, problems = [], []
    for chunk in _chunks(orders):
        cells = [chunk.column(name).to_pylist() for name in read]
        rows = zip(*cells, strict=True) if cells else [()] * chunk.num_rows
        numbers = chunk.column("row_number").to_pylist()
        unreadable = chunk.column(_UNREADABLE).to_pylist()
        texts: list[str | None] = []
        for number, bad_date, values in zip(numbers, unreadable, rows, strict=True):
            if bad_date is not None:
                texts.append(None)
                problem = f'the date in "{headings[bad_date]}" is not in the years 1 to 9999'
                problems.append(_failed(number, problem, "template_failed"))
                continue
            row = None
            if template.whole_row:
                row = _record(template.columns, values[: len(template.columns)], headings)
            try:
                made = template.render(values, scope, row, lines.get(number, ()))
            except TemplateError as error:
                raise _stopped(number, error) from None
            texts.append(made.text)
            if made.text is None:
                problem = f"template line {made.line}: {made.problem}"
                problems.append(_failed(number, problem, "template_failed"))
        chunks.append(pa.array(texts, pa.string()))
    return pa.chunked_array(chunks, pa.string()), problems


def _chunks(table: pa.Table) -> Iterator[pa.Table]:
    for start in range(0, max(table.num_rows, 1), _CHUNK):
        yield table.slice(start, _CHUNK)


def _record(keys: Sequence[str], values: Sequence[Any], headings: Mapping[str, str]) -> RecordView:
    cells = {headings[key]: value for key, value in zip(keys, values, strict=True)}
    return RecordView({**cells, **dict(zip(keys, values, strict=True))})


def _lines(
    con: duckdb.DuckDBPyConnection, all_lines: Relation, columns: Sequence[Column]
) -> dict[int, list[RecordView]]:
    """Return row number of an order -> its lines.

    What packing added belongs to the order and is not in its lines.
    """
    columns = [column for column in columns if column.key in all_lines.columns]
    keys = [column.key for column in columns]
    cells = [f'{cell_sql(column)} AS "{column.key}"' for column in columns]
    found = con.sql(
        f"""
        SELECT {", ".join(["order_row", "row_number", *cells])}
        FROM {all_lines.sql}
        ORDER BY order_row, row_number
        """
    ).to_arrow_table()
    headings = {column.key: column.name for column in columns}
    lines: dict[int, list[RecordView]] = {}
    values = zip(*(found.column(key).to_pylist() for key in keys), strict=True)
    for order, row in zip(found.column("order_row").to_pylist(), values, strict=True):
        lines.setdefault(order, []).append(_record(keys, row, headings))
    return lines


def _failed(number: int, problem: str, code: str) -> dict[str, Any]:
    return {
        "row_number": number,
        "problem": problem,
        "fix": "Correct the template or the cell.",
        "severity": "error",
        "code": code,
    }


def _stopped(number: int, error: TemplateError) -> TemplateError:
    """Return the error of a template that exceeded a limit, with its row."""
    line = error.details.get("line")
    return TemplateError(
        f"Row {number}{f', template line {line}' if line else ''}: {error.message}.",
        fix="Make the template simpler. It writes one JSON object.",
        row=number,
        line=line,
    )


# -- reading the JSON back -------------------------------------------------------------------------


@contextmanager
def _registered(
    con: duckdb.DuckDBPyConnection, orders: pa.Table, texts: pa.ChunkedArray
) -> Iterator[None]:
    """Let the database read the texts, with the numbers of their orders, as ``rendered_rows``."""
    con.register(_ROWS, orders.select(_SYSTEM).append_column("json", texts))
    try:
        yield
    finally:
        con.unregister(_ROWS)


def _objects_only(
    con: duckdb.DuckDBPyConnection, orders: pa.Table, texts: pa.ChunkedArray
) -> tuple[pa.ChunkedArray, list[dict[str, Any]]]:
    """Return the texts that are JSON objects, null for others, and the problems of those."""
    with _registered(con, orders, texts):
        others = con.execute(
            f"""
            WITH typed AS (
                SELECT *, CASE WHEN json_valid(json) THEN json_type(json) END AS kind FROM {_ROWS}
            )
            SELECT row_number, json
            FROM typed
            WHERE json IS NOT NULL AND kind IS DISTINCT FROM 'OBJECT'
            ORDER BY row_number
            """
        ).fetchall()
    if others:
        numbers = pa.array([number for number, _ in others], pa.int64())
        bad = pc.is_in(orders.column("row_number"), value_set=numbers)
        texts = pc.if_else(bad, pa.scalar(None, pa.string()), texts)
    return texts, [_failed(number, json_fault(text), "template_json") for number, text in others]


def _contents(con: duckdb.DuckDBPyConnection, mapped: Relation) -> tuple[frozenset[str], bool]:
    """Return the leaves that a row has a value of, and whether a row is nested.

    A row is if it has other than one parcel, another origin, or customs.
    """
    *counts, nested = one(
        con,
        f"""
        SELECT
            {", ".join(f"count({name})" for name in LEAVES)},
            bool_or(
                len(more_parcels) > 0
                OR parcel_count <> 1
                OR ship_from IS NOT NULL
                OR customs IS NOT NULL
            )
        FROM {mapped.sql}
        """,
    )
    filled = (name for name, count in zip(LEAVES, counts, strict=True) if count)
    return frozenset(filled), bool(nested)
