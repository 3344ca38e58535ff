"""The query that makes the lines of a confirmation file."""

from __future__ import annotations

from collections.abc import Mapping

import duckdb
import pyarrow as pa

from shipkit.common.sql import quoted
from shipkit.orders.expressions import quote
from shipkit.outputs.writeback.marketplaces import ConfirmationColumn, ConfirmationFormat

__all__ = ["file_lines"]


def file_lines(
    con: duckdb.DuckDBPyConnection,
    form: ConfirmationFormat,
    found: Mapping[str, str],
    not_for_shipping: str,
) -> pa.Table:
    """Return ``shipment``, ``wrong`` and the columns of the format, all of them text.

    ``wrong`` is the heading of the first cell that the marketplace would not accept, or null.
    Cells of the orders are called ``c0``, ``c1``, ... in between: a heading of the orders may be
    any text, even the name of a column used here.
    """
    cell = {name: f"c{n}" for n, name in enumerate(dict.fromkeys(found.values()))}
    item_cell = _item_cell(form, found, cell)
    source_cells = "".join(f",\n                {_cell(name)} AS {c}" for name, c in cell.items())
    first_cells = "".join(
        f",\n                arg_min({c}, row_number) AS {c}" for c in cell.values()
    )
    values = {
        column.heading: _value(column, cell.get(found.get(column.heading, "")), item_cell, form)
        for column in form.columns
    }
    columns = "".join(
        f",\n                {value} AS {quoted(heading)}" for heading, value in values.items()
    )
    return con.sql(f"""
        WITH source_cells AS (
            SELECT
                row_number,
                {not_for_shipping} AS not_for_shipping{source_cells}
            FROM stored
        ),
        shipped_rows AS (
            SELECT shipment, unnest(row_numbers) AS row_number
            FROM shipped
        ),
        order_lines AS (
            SELECT shipped_rows.shipment, source_cells.*
            FROM shipped_rows
            JOIN source_cells ON source_cells.row_number = shipped_rows.row_number
        ),
        first_lines AS (
            SELECT
                shipment{first_cells}
            FROM order_lines
            GROUP BY shipment
        ),
        file_lines AS (
            {_lines_sql(form, item_cell)}
        ),
        made AS (
            SELECT
                t.shipment,
                t.row_number AS place_{columns}
            FROM file_lines AS t
            JOIN shipped AS s USING (shipment)
            LEFT JOIN first_lines AS f USING (shipment)
        )
        SELECT
            shipment,
            {_wrong_sql(form)} AS wrong,
            * EXCLUDE (shipment, place_)
        FROM made
        ORDER BY shipment, place_
    """).to_arrow_table()


def _item_cell(
    form: ConfirmationFormat, found: Mapping[str, str], cell: Mapping[str, str]
) -> str | None:
    """Return the cell that tells items of an order apart; None for a file without item lines."""
    if form.per != "item":
        return None
    return next(
        (
            cell[found[column.heading]]
            for column in form.columns
            if column.item and column.heading in found
        ),
        None,
    )


def _lines_sql(form: ConfirmationFormat, item_cell: str | None) -> str:
    """Return the query for the lines of the file: ``shipment``, ``row_number`` and more."""
    if item_cell is not None:
        # An order whose items have no number at all (all cells empty) keeps its lines.
        return f"""SELECT *
            FROM order_lines
            WHERE NOT not_for_shipping
            QUALIFY
                {item_cell} IS NOT NULL
                OR count({item_cell}) OVER (PARTITION BY shipment) = 0"""
    if form.per == "parcel":
        return """SELECT
                shipment,
                unnest(tracking_numbers) AS number,
                generate_subscripts(tracking_numbers, 1) AS row_number
            FROM shipped"""
    return """SELECT shipment, shipment AS row_number
            FROM shipped"""


def _cell(name: str) -> str:
    """Return SQL of a cell of the orders as text; null when it is empty.

    Spreadsheets put an apostrophe before digits that are to stay text; it is not part of them.
    """
    return f"nullif(ltrim(trim(CAST({quoted(name)} AS VARCHAR)), ''''), '')"


def _value(
    column: ConfirmationColumn, cell: str | None, item_cell: str | None, form: ConfirmationFormat
) -> str:
    """Return SQL of a column's text, over ``t`` (file_lines), ``s`` (shipped), ``f`` (first_lines).

    `cell` is the cell of the orders that it is taken from, if any.
    """
    options = []
    if cell is not None and (item_cell is not None or not column.item):
        options.append(f"t.{cell}" if column.item else f"f.{cell}")
    match column.fact:
        case "tracking_number":
            options.append("t.number" if form.per == "parcel" else "s.tracking_number")
        case "carrier":
            options += ["s.carrier", quote(column.other) if column.other else "s.carrier_name"]
        case "other_carrier":
            options.append("CASE WHEN s.carrier IS NULL THEN s.carrier_name END")
        case "order_complete":
            options.append(
                f"CASE WHEN s.order_complete THEN {quote(column.yes)} ELSE {quote(column.no)} END"
            )
        case "nth":
            options.append(
                "CAST(row_number() OVER (PARTITION BY s.order_number "
                "ORDER BY t.shipment, t.row_number) AS VARCHAR)"
            )
        case str(name):
            options.append(f"s.{name}")
        case None if column.text is not None:
            options.append(quote(column.text))
    return f"coalesce({', '.join([*options, quote('')])})"


def _wrong_sql(form: ConfirmationFormat) -> str:
    """Return SQL of the heading of the first cell that the marketplace would not accept."""
    checks = "".join(
        f"\n                WHEN {_is_wrong(column, quoted(column.heading))}"
        f" THEN {quote(column.heading)}"
        for column in form.columns
        if column.required or column.pattern
    )
    return f"CASE{checks}\n            END" if checks else "NULL::VARCHAR"


def _is_wrong(column: ConfirmationColumn, cell: str) -> str:
    fits = f"regexp_full_match({cell}, {quote(column.pattern)})" if column.pattern else "true"
    return f"NOT ({cell} <> '' AND {fits})" if column.required else f"{cell} <> '' AND NOT {fits}"
