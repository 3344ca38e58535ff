"""The same row twice: in a source without order numbers, or within one order."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Final

import pyarrow as pa

from shipkit.common.relation import Relation, StageSchema, count
from shipkit.common.sql import one, quoted
from shipkit.errors import MappingError
from shipkit.orders.columns import Column
from shipkit.orders.heading_text import phrase, word_file
from shipkit.schema import PROBLEMS, problems_table

__all__ = ["check_repeated_rows", "repeated_problems", "repeated_rows", "rows_text"]

_CHOICES: Final = ("hold", "keep", "drop")


def check_repeated_rows(choice: str) -> None:
    """Raise MappingError unless `choice` is one of ``hold``, ``keep`` and ``drop``."""
    if choice not in _CHOICES:
        raise MappingError(
            f"repeated_rows={choice!r} is unknown.",
            fix='Use "keep" to ship every row, "drop" to ship equal rows once, or "hold".',
        )


@cache
def _of_the_export() -> frozenset[str]:
    return frozenset(map(phrase, word_file("records")["of_the_export"]))


def repeated_rows(
    schema: StageSchema, lines: Relation, columns: Sequence[Column], groups: Relation | None
) -> Relation | None:
    """Return ``row_number`` -> ``first_row`` of rows that are equal in every column, None without.

    A column of when the file was made is not compared; ``differ`` says whether such columns do.

    Parameters
    ----------
    groups
        Which lines are one order: only lines of one order are compared. None: all lines are.
    """
    compared = [column for column in columns if phrase(column.name) not in _of_the_export()]
    cells = ", ".join(quoted(column.key) for column in compared or columns)
    order = "0" if groups is None else "g.order_row"
    source = f"{lines.sql} l"
    if groups is not None:
        # Most orders have one line, and a hash of every cell costs more than this count.
        source += f""" JOIN (
            SELECT * FROM {groups.sql} QUALIFY count(*) OVER (PARTITION BY order_row) > 1
        ) g USING (row_number)"""
    every = ", ".join(quoted(column.key) for column in columns)
    whole = f"hash({every})" if compared != [*columns] else "0"
    hashed = (
        f"SELECT row_number, {order} AS order_row, hash({cells}) AS cells, {whole} AS whole "
        f"FROM {source}"
    )
    # To count them costs a third of the sort below, which few files need.
    rows, different = one(
        schema.con,
        f"SELECT count(*), count(DISTINCT hash(order_row, cells)) FROM ({hashed})",
    )
    if rows == different:
        return None
    found = schema.table(
        "repeated_rows",
        f"""
        WITH hashed AS ({hashed})
        SELECT
            row_number,
            min(row_number) OVER alike AS first_row,
            min(whole) OVER alike <> max(whole) OVER alike AS differ
        FROM hashed
        WINDOW alike AS (PARTITION BY order_row, cells)
        QUALIFY count(*) OVER alike > 1
        ORDER BY row_number
        """,
    )
    if count(schema.con, found):
        return found
    schema.remove(found)
    return None


def repeated_problems(schema: StageSchema, repeats: Relation, shipments: Relation) -> pa.Table:
    """Return a problem for each shipment with a row that is there again.

    Parameters
    ----------
    shipments
        ``row_number`` and ``row_numbers`` of the shipments that are left.
    """
    found = schema.con.sql(f"""
        WITH rows AS (
            SELECT row_number AS shipment, unnest(row_numbers) AS row_number
            FROM {shipments.sql}
        ),
        groups AS (
            SELECT
                first_row,
                list(row_number ORDER BY row_number) AS numbers,
                list(DISTINCT shipment) AS shipments,
                bool_or(differ) AS differ
            FROM rows
            JOIN {repeats.sql} USING (row_number)
            GROUP BY first_row
            HAVING count(*) > 1
        )
        SELECT
            unnest(shipments) AS row_number,
            'parcels' AS field,
            NULL::VARCHAR AS value,
            {rows_text("numbers")} || ' are the same in every cell'
                || CASE WHEN differ THEN ' but when it was exported' ELSE '' END AS problem,
            'Ship them once: map(repeated_rows="drop"). If each of them is meant: '
                || 'map(repeated_rows="keep").' AS fix,
            'error' AS severity,
            'row_repeated' AS code
        FROM groups
        ORDER BY 1, problem
    """).to_arrow_table()
    return found.cast(PROBLEMS) if found.num_rows else problems_table()


def rows_text(numbers: str) -> str:
    """Return SQL of a list of row numbers in words: "rows 1, 2 and 3", at most five of them."""
    several = f"array_to_string({numbers}[:5], ', ') || ' and ' || (len({numbers}) - 5) || ' more'"
    few = f"array_to_string({numbers}[:-2], ', ') || ' and ' || {numbers}[-1]"
    return f"'rows ' || CASE WHEN len({numbers}) > 5 THEN {several} ELSE {few} END"
