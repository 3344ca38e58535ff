"""What only templates can write: parcels after the first, another origin, customs."""

from __future__ import annotations

import duckdb
import pyarrow as pa

from shipkit.common.places import country_code, country_codes, state_code
from shipkit.orders import expressions as sql
from shipkit.orders.normalize.readings import reading
from shipkit.schema import ADDRESS_FIELDS, ITEMS, PAPERS, PARCELS, Leaf

__all__ = ["add_nested"]


def add_nested(con: duckdb.DuckDBPyConnection, normal: pa.Table, relation: str) -> pa.Table:
    """Return `normal` with the further parcels, origins and customs that `relation` has as text."""
    con.register("flat", normal)
    try:
        _register_places(con, relation)
        return con.sql(
            f"""
            WITH further AS (
                {_parcels(relation)}
            ),
            origins AS (
                {_origins(relation)}
            ),
            papers AS (
                SELECT m.row_number, m.customs, f.currency
                FROM {relation} m
                JOIN flat f USING (row_number)
                WHERE m.customs IS NOT NULL
            ),
            items AS (
                {_items()}
            ),
            declared AS (
                SELECT p.row_number, {_customs()} AS customs
                FROM papers p
                LEFT JOIN items i USING (row_number)
            )
            SELECT f.* REPLACE (
                CASE
                    WHEN m.parcel_count = 0 THEN []
                    WHEN p.parcels IS NULL THEN f.parcels
                    ELSE list_concat(f.parcels, p.parcels)
                END AS parcels,
                o.origin AS ship_from,
                d.customs AS customs
            )
            FROM flat f
            JOIN {relation} m USING (row_number)
            LEFT JOIN further p USING (row_number)
            LEFT JOIN origins o USING (row_number)
            LEFT JOIN declared d USING (row_number)
            ORDER BY f.row_number
            """
        ).to_arrow_table()
    finally:
        con.unregister("flat")
        con.unregister("origin_places")
        con.unregister("country_names")


def _register_places(con: duckdb.DuckDBPyConnection, relation: str) -> None:
    """Register the codes of all countries and states that origins of this file name."""
    pairs = con.execute(
        f"""
        WITH places AS (
            SELECT DISTINCT ship_from.country AS country, ship_from.state AS state
            FROM {relation}
            WHERE ship_from IS NOT NULL
        )
        SELECT country, state, {sql.tidy("country")}, {sql.tidy("state")}
        FROM places
        """
    ).fetchall()
    rows = [
        (country, state, iso, state_code(iso, tidy_state))
        for country, state, tidy_country, tidy_state in pairs
        for iso in [country_code(tidy_country)]
    ]
    names = ("raw_country", "raw_state", "country", "state")
    columns = {
        name: pa.array([row[n] for row in rows], pa.string()) for n, name in enumerate(names)
    }
    con.register("origin_places", pa.table(columns))
    codes = country_codes()
    con.register("country_names", pa.table({"name": list(codes), "code": list(codes.values())}))


def _parcels(relation: str) -> str:
    parcel = ", ".join(
        f"{leaf.column}: {reading(leaf, f'p.{leaf.name}', currency='currency')}" for leaf in PARCELS
    )
    return f"""
                SELECT row_number, list({{{parcel}}} ORDER BY place) AS parcels
                FROM (
                    SELECT
                        m.row_number,
                        f.currency,
                        unnest(m.more_parcels) AS p,
                        unnest(range(len(m.more_parcels))) AS place
                    FROM {relation} m
                    JOIN flat f USING (row_number)
                    WHERE len(m.more_parcels) > 0
                )
                GROUP BY row_number
    """


def _origins(relation: str) -> str:
    readings = {
        "state": "p.state",
        "country": "p.country",
        "phone": sql.digits_phone("phone", "true"),
        "residential": sql.residential("residential"),
        "postal_code": sql.code("postal_code"),
    }
    address = ", ".join(
        f"{name}: {readings.get(name) or sql.tidy(f'f.{name}')}" for name in ADDRESS_FIELDS
    )
    return f"""
                SELECT row_number, {{{address}}} AS origin
                FROM (
                    SELECT row_number, unnest(ship_from)
                    FROM {relation}
                    WHERE ship_from IS NOT NULL
                ) f
                LEFT JOIN origin_places p
                    ON p.raw_country IS NOT DISTINCT FROM f.country
                    AND p.raw_state IS NOT DISTINCT FROM f.state
    """


def _items() -> str:
    item = ", ".join(f"{leaf.column}: {_item_value(leaf)}" for leaf in ITEMS)
    return f"""
                SELECT row_number, list({{{item}}} ORDER BY place) AS items
                FROM (
                    SELECT
                        row_number,
                        currency,
                        unnest(customs.items) AS i,
                        unnest(range(len(customs.items))) AS place
                    FROM papers
                )
                LEFT JOIN country_names c ON c.name = lower(trim(i.origin_country))
                GROUP BY row_number
    """


def _item_value(leaf: Leaf) -> str:
    if leaf.name == "origin_country":
        return "coalesce(c.code, upper(trim(i.origin_country)))"
    if leaf.name == "unit_value_exact":
        return sql.money_fraction("coalesce(i.unit_value_exact, i.unit_value)", "currency")
    return reading(leaf, f"i.{leaf.name}", currency="currency")


def _customs() -> str:
    """Return SQL of customs, with words in the case that carriers use."""
    readings = {
        "reason": "lower(trim(p.customs.reason))",
        "duties_payer": "lower(trim(p.customs.duties_payer))",
        "terms": "upper(trim(p.customs.terms))",
    }
    papers = ", ".join(
        f"{leaf.column}: {readings.get(leaf.name) or reading(leaf, f'p.customs.{leaf.name}')}"
        for leaf in PAPERS
    )
    return f"{{{papers}, items: coalesce(i.items, [])}}"
