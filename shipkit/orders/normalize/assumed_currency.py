"""The warning that amounts are in the shipper's currency because nothing names one."""

from __future__ import annotations

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from shipkit.common.kept_plans import run
from shipkit.common.words import counted
from shipkit.orders.currencies import DOLLAR
from shipkit.orders.mapping.mapped import Mapped
from shipkit.orders.normalize.cell_pass import named_currency
from shipkit.schema import problems_table

__all__ = ["currency_note"]


def currency_note(
    con: duckdb.DuckDBPyConnection, table: pa.Table, mapped: Mapped, currency: str
) -> pa.Table:
    """Return a warning at the first row with an amount whose currency nothing names.

    None where the US dollar is taken, as it always was.

    Parameters
    ----------
    table
        The shipments of `mapped`, with their customs items.
    currency
        What is taken.
    """
    if currency == DOLLAR:
        return problems_table()
    unnamed = con.sql(
        f"SELECT row_number FROM {mapped.relation.sql} "
        f"WHERE {named_currency(mapped, currency)} IS NULL"
    ).to_arrow_table()
    rows = unnamed.column("row_number").combine_chunks()
    bare = table.filter(pc.is_in(table.column("row_number"), value_set=rows))
    found = run(
        con,
        """
        SELECT min(row_number) AS first, count(*) AS many
        FROM bare
        WHERE cod_amount_cents IS NOT NULL
            OR len(list_filter(parcels, lambda p: p.declared_value_cents IS NOT NULL)) > 0
            OR len(customs.items) > 0
        """,
        bare=bare.select(["row_number", "cod_amount_cents", "parcels", "customs"]),
    ).to_pylist()[0]
    if not found["many"]:
        return problems_table()
    problem = (
        f"no currency is given for amounts: {currency}, the shipper's, is taken in "
        f"{counted(found['many'], 'row')}"
    )
    return problems_table(
        [
            {
                "row_number": found["first"],
                "field": "currency",
                "value": currency,
                "severity": "warning",
                "code": "currency_assumed",
                "problem": problem,
                "fix": "Map a column of currencies, or give one for all: "
                f'map(defaults={{"currency": "{currency}"}}).',
            }
        ]
    )
