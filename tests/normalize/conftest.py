"""Orders in a database, as the stages before mapping leave them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from shipkit.orders.columns import Column, keys
from shipkit.orders.fields import recognise

sys.path.insert(0, str(Path(__file__).parent.parent / "core_kit"))

Orders = Callable[..., tuple[duckdb.DuckDBPyConnection, list[Column]]]


@pytest.fixture
def orders() -> Orders:
    """Make the tables ``selected`` and ``shipping_lines`` of rows by heading; give (connection,
    columns).
    """

    def make(
        rows: Sequence[Mapping[str, Any]], lines: Sequence[Mapping[str, Any]] = ()
    ) -> tuple[duckdb.DuckDBPyConnection, list[Column]]:
        con = duckdb.connect()
        headings = list(rows[0])
        names = keys(headings)
        table = pa.table(
            {
                key: pa.array([row[heading] for row in rows])
                for key, heading in zip(names, headings, strict=True)
            }
        )
        table = table.append_column("row_number", pa.array(range(1, len(rows) + 1), pa.int64()))
        con.register("given", table)
        con.execute(
            "CREATE TABLE selected AS SELECT row_number, [row_number] AS row_numbers, "
            "'orders.csv' AS source_file, * EXCLUDE (row_number) FROM given"
        )
        types = {name: kind for name, kind, *_ in con.execute("DESCRIBE selected").fetchall()}
        con.execute("ALTER TABLE selected ALTER COLUMN source_file TYPE VARCHAR")
        if lines:
            con.register("given_lines", pa.Table.from_pylist(list(lines)))
            con.execute("CREATE TABLE shipping_lines AS SELECT * FROM given_lines")
        else:
            con.execute(
                "CREATE VIEW shipping_lines AS SELECT row_number AS order_row, "
                "* EXCLUDE (row_numbers) FROM selected"
            )
        roles = {
            match.key: (match.role, match.unit) for match in recognise(headings).roles.values()
        }
        columns = [
            Column(
                heading,
                key,
                "VARCHAR" if types[key] in ("INTEGER", '"NULL"') else types[key],
                *roles.get(key, (None, None)),
            )
            for heading, key in zip(headings, names, strict=True)
        ]
        return con, columns

    return make
