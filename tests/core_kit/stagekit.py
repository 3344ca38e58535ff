"""The relations that a stage is given, made by hand: for tests of mapping and normalising."""

from __future__ import annotations

import duckdb

from shipkit.common.relation import Relation, StageSchema


def relations(con: duckdb.DuckDBPyConnection) -> tuple[Relation, Relation]:
    """The selected orders, and the lines of all orders, of the fixture ``orders``."""
    schema = StageSchema(con, "main")
    return schema.relation("selected"), schema.relation("shipping_lines")
