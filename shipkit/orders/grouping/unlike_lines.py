"""Cells that an order has once, and in which its lines differ.

The lines of an order become one shipment, which takes each of these from its first line. Where
another line says something else, the order is held, or a warning names what was taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import duckdb
import pyarrow as pa

from shipkit.common.sql import one, quoted
from shipkit.orders.columns import Column
from shipkit.orders.expressions import number
from shipkit.schema import FLAT, PROBLEMS, problems_table

__all__ = ["Once", "UnlikeLines", "once_of", "unlike_lines"]

_CORRECT: Final = "Correct one of the rows, or give one of them another order number."
_WHOLE: Final = (
    "Give the {} of the whole order in one of its rows and leave the others empty, or give each "
    "row an order number of its own."
)


@dataclass(frozen=True)
class Once:
    """What an order has once, and what is reported where its lines differ in it."""

    values: str
    """What several of them are called."""
    fix: str = _CORRECT
    severity: str = "error"
    number: bool = False
    """Whether its cells are compared as numbers."""


_TAKEN: Final = "No action is needed if the first one is right; if not, correct the rows."
_SPECIAL: Final = {
    **dict.fromkeys(
        ("name", "first_name", "middle_name", "last_name", "company"), Once("recipients")
    ),
    **dict.fromkeys(
        (
            *("address_line1", "address_line2", "address_line3", "city", "postal_code", "country"),
            *("city_state_zip", "house_number", "house_number_addition"),
        ),
        Once("addresses"),
    ),
    # "TX" and "Texas" are one state, and a ZIP of another state is a problem by itself.
    "state": Once("states", _TAKEN, "warning"),
    "phone": Once("phone numbers", _TAKEN, "warning"),
    "email": Once("e-mail addresses", _TAKEN, "warning"),
    "description": Once("descriptions", _TAKEN, "warning"),
    "service": Once("services"),
    "ship_date": Once("ship dates"),
    "order_date": Once("order dates"),
    "number_of_parcels": Once(
        "numbers of parcels", _WHOLE.format("number of parcels"), number=True
    ),
    "declared_value": Once("declared values", _WHOLE.format("declared value"), number=True),
    "cod_amount": Once("amounts to collect", _WHOLE.format("amount to collect"), number=True),
    "customs_reason": Once("reasons for export"),
    "customs_terms": Once("terms of sale"),
    "customs_invoice_number": Once("numbers of the commercial invoice"),
}
_BY_LINE: Final = frozenset({"weight_lb", "length_in", "width_in", "height_in"})
"""Fields that the lines of an order have each; packing adds them up, or asks."""
_ONCE: Final = {
    **{
        leaf.flat: Once(f"values of {leaf.name}")
        for leaf in FLAT
        # Of warehouses, an empty cell says something, too: mapping/origins compares them.
        if leaf.flat not in _BY_LINE and leaf.flat not in ("order_id", "warehouse")
    },
    **_SPECIAL,
}


def once_of(name: str | None) -> Once | None:
    """Return what is reported of a role or a field that an order has once, None for others."""
    return _ONCE.get(name or "")


@dataclass(frozen=True)
class UnlikeLines:
    """How the lines of orders differ.

    Parameters
    ----------
    problems
        :data:`shipkit.schema.PROBLEMS`.
    apart
        Whether lines of other orders are between those of one.
    """

    problems: pa.Table
    apart: bool


def unlike_lines(
    con: duckdb.DuckDBPyConnection,
    lines: str,
    columns: Sequence[tuple[Column, str, Once]],
) -> UnlikeLines | None:
    """Return which orders have lines that differ in one of `columns`, or that are apart.

    Case and punctuation do not count. Of a ZIP only the first four digits without leading zeros
    count: spreadsheets drop the zeros of some lines, and a ZIP+4 names the same place.

    Parameters
    ----------
    lines
        SQL of a relation with ``order_row``, ``row_number`` and the source's columns by key.
    columns
        Each column, the field that it gives, and what is reported where lines differ.

    Returns
    -------
    UnlikeLines or None
        None where every order is one line.
    """
    several, apart, *unlike = _unlike(con, lines, [column for column, _, _ in columns])
    if not several:
        return None
    tables = [
        _differing(con, lines, column, field, once)
        for (column, field, once), differs in zip(columns, unlike, strict=True)
        if differs
    ]
    return UnlikeLines(pa.concat_tables([problems_table(), *tables]), apart=apart)


def _unlike(
    con: duckdb.DuckDBPyConnection, lines: str, columns: Sequence[Column]
) -> tuple[bool, ...]:
    """Return whether any order has several lines, whether those of any are apart from each other.

    Then, column by column, whether they differ.

    In most files they do not, and one pass over the cells as they are written shows it.
    """
    unlike = [f"coalesce(bool_or(min_{n} <> max_{n}), false)" for n in range(len(columns))]
    ends = [
        f"min({quoted(column.key)}) AS min_{n}, max({quoted(column.key)}) AS max_{n}"
        for n, column in enumerate(columns)
    ]
    return one(
        con,
        f"""
        WITH several AS (
            SELECT order_row
            FROM {lines}
            GROUP BY order_row
            HAVING count(*) > 1
        ),
        orders AS (
            SELECT {", ".join(["order_row", _APART, *ends])}
            FROM {lines}
            SEMI JOIN several USING (order_row)
            GROUP BY order_row
        )
        SELECT {", ".join(["count(*) > 0", "coalesce(bool_or(apart), false)", *unlike])}
        FROM orders
        """,
    )


_APART: Final = "max(row_number) - min(row_number) >= count(*) AS apart"
"""Whether there are lines of other orders between those of one."""


def _differing(
    con: duckdb.DuckDBPyConnection, lines: str, column: Column, field: str, once: Once
) -> pa.Table:
    cell = quoted(column.key)
    same = rf"regexp_replace(lower(CAST({cell} AS VARCHAR)), '[^\p{{L}}\p{{N}}]', '', 'g')"
    if once.number:  # not without punctuation: 1.50 is not 150
        text = f"trim(CAST({cell} AS VARCHAR))"
        same = f"coalesce(CAST({number(text)} AS VARCHAR), lower({text}))"
    if column.type.startswith(("DATE", "TIMESTAMP")):
        same = f"CAST(CAST({cell} AS DATE) AS VARCHAR)"
    if column.role == "postal_code":
        same = f"left(ltrim({same}, '0'), 4)"
    found = con.sql(
        f"""
        WITH cells AS (
            SELECT order_row, row_number, CAST({cell} AS VARCHAR) AS value, {same} AS same
            FROM {lines}
            WHERE {cell} IS NOT NULL
        ),
        firsts AS (
            SELECT order_row, arg_min(same, row_number) AS same, min(row_number) AS row_number
            FROM cells
            GROUP BY order_row
        ),
        others AS (
            SELECT
                c.order_row,
                min(c.row_number) AS row_number,
                arg_min(c.value, c.row_number) AS value
            FROM cells c
            JOIN firsts f USING (order_row)
            WHERE c.same <> f.same
            GROUP BY c.order_row
        )
        SELECT
            o.order_row AS row_number,
            $field AS field,
            o.value AS value,
            'rows ' || f.row_number || ' and ' || o.row_number
                || ' have the same order number but different ' || $values AS problem,
            $fix AS fix,
            $severity AS severity,
            'order_conflict' AS code
        FROM others o
        JOIN firsts f USING (order_row)
        ORDER BY 1
        """,
        params={
            "field": field,
            "values": once.values,
            "fix": once.fix,
            "severity": once.severity,
        },
    )
    return found.to_arrow_table().cast(PROBLEMS)
