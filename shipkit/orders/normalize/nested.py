"""What only templates can say of a shipment: parcels after the first, another origin, customs."""

from __future__ import annotations

import duckdb
import pyarrow as pa

from shipkit.common.places import country_code, country_codes, state_code
from shipkit.orders import expressions as sql
from shipkit.orders.normalize.readings import reading
from shipkit.schema import ADDRESS_FIELDS, ITEMS, PARCELS, Leaf

__all__ = ["add_nested"]


def add_nested(con: duckdb.DuckDBPyConnection, normal: pa.Table, relation: str) -> pa.Table:
    """Return `normal` with the further parcels, origins and customs that `relation` holds as text."""
    con.register("flat", normal)
    try:
        _places(con, relation)
        return con.sql(f"""
            SELECT f.* REPLACE (
                CASE WHEN m.parcel_count = 0 THEN [] WHEN l.parcels IS NULL THEN f.parcels ELSE list_concat(f.parcels, l.parcels) END AS parcels,
                o.origin AS ship_from, c.customs AS customs
            )
            FROM flat f JOIN {relation} m USING (row_number)
            LEFT JOIN ({_parcels(relation)}) l USING (row_number) LEFT JOIN ({_origins(relation)}) o USING (row_number) LEFT JOIN ({_customs(relation)}) c USING (row_number)
            ORDER BY f.row_number
        """).to_arrow_table()
    finally:
        con.unregister("flat")
        con.unregister("origin_places")
        con.unregister("country_names")


def _places(con: duckdb.DuckDBPyConnection, relation: str) -> None:
    """Register what countries and states are called in this file."""
    pairs = con.execute(f"""
        SELECT country, state, {sql.tidy("country")}, {sql.tidy("state")}
        FROM (SELECT DISTINCT ship_from.country AS country, ship_from.state AS state FROM {relation} WHERE ship_from IS NOT NULL)
    """).fetchall()
    rows = [
        (country, state, iso, state_code(iso, region))
        for country, state, land, region in pairs
        for iso in [country_code(land)]
    ]
    names = ("raw_country", "raw_state", "country", "state")
    con.register(
        "origin_places",
        pa.table(
            {name: pa.array([row[n] for row in rows], pa.string()) for n, name in enumerate(names)}
        ),
    )
    con.register(
        "country_names",
        pa.table({"name": list(country_codes()), "code": list(country_codes().values())}),
    )


def _parcels(relation: str) -> str:
    parcel = ", ".join(
        f"{leaf.column}: {reading(leaf, f'p.{leaf.name}', currency='currency_')}"
        for leaf in PARCELS
    )
    return f"""
        SELECT row_number, list({{{parcel}}} ORDER BY place) AS parcels
        FROM (
            SELECT
                row_number,
                unnest(more_parcels) AS p,
                unnest(range(len(more_parcels))) AS place,
                coalesce(upper(trim(currency)), 'USD') AS currency_
            FROM {relation}
            WHERE len(more_parcels) > 0
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
    texts = ", ".join(
        f"{name}: {readings.get(name) or sql.tidy(f'f.{name}')}" for name in ADDRESS_FIELDS
    )
    return f"""
        SELECT row_number, {{{texts}}} AS origin
        FROM (SELECT row_number, unnest(ship_from) FROM {relation} WHERE ship_from IS NOT NULL) f
        LEFT JOIN origin_places p ON p.raw_country IS NOT DISTINCT FROM f.country AND p.raw_state IS NOT DISTINCT FROM f.state
    """


def _customs(relation: str) -> str:
    item = ", ".join(f"{leaf.column}: {_item_value(leaf)}" for leaf in ITEMS)
    return f"""
        WITH papers AS (SELECT row_number, customs, coalesce(upper(trim(currency)), 'USD') AS currency_ FROM {relation} WHERE customs IS NOT NULL),
        items AS (
            SELECT row_number, list({{{item}}} ORDER BY place) AS items
            FROM (SELECT row_number, currency_, unnest(customs.items) AS i, unnest(range(len(customs.items))) AS place FROM papers) lines
            LEFT JOIN country_names c ON c.name = lower(trim(i.origin_country)) GROUP BY row_number
        )
        SELECT row_number, {{reason: lower(trim(customs.reason)), duties_payer: lower(trim(customs.duties_payer)),
               invoice_number: {sql.tidy("customs.invoice_number")}, terms: upper(trim(customs.terms)), items: coalesce(items, [])}} AS customs
        FROM papers LEFT JOIN items USING (row_number)
    """


def _item_value(leaf: Leaf) -> str:
    if leaf.name == "origin_country":
        return "coalesce(c.code, upper(trim(i.origin_country)))"
    return reading(leaf, f"i.{leaf.name}", currency="currency_")
