"""What only templates can write: parcels after the first, another origin, customs."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from shipkit.common.kept_plans import Rows
from shipkit.common.places import country_code, country_codes, state_code
from shipkit.common.sql import duck_type
from shipkit.orders import expressions as sql
from shipkit.orders.normalize.readings import reading
from shipkit.schema import ADDRESS_FIELDS, ITEMS, PAPERS, PARCELS, Leaf

__all__ = ["add_nested"]


def add_nested(rows: Rows, normal: pa.Table) -> pa.Table:
    """Return `normal` with the further parcels, origins and customs that `rows` have as text."""
    written = _written(rows)
    steps, joins = [], []
    values = ["CASE WHEN m.parcel_count = 0 THEN [] ELSE f.parcels END AS parcels"]
    if written.parcels is not None:
        steps.append(f"further AS ({_parcels(rows.sql, written.parcels)})")
        joins.append("LEFT JOIN further p USING (row_number)")
        values = [
            """CASE
                    WHEN m.parcel_count = 0 THEN []
                    WHEN p.parcels IS NULL THEN f.parcels
                    ELSE list_concat(f.parcels, p.parcels)
                END AS parcels"""
        ]
    if written.origins:
        steps.append(f"origins AS ({_origins(rows.sql)})")
        joins.append("LEFT JOIN origins o USING (row_number)")
        values.append("o.origin AS ship_from")
    if written.papers is not None:
        steps += [
            f"""papers AS (
                SELECT m.row_number, m.customs, f.currency
                FROM {rows.sql} m
                JOIN flat f USING (row_number)
                WHERE m.customs IS NOT NULL
            )""",
            f"items AS ({_items(written.items)})",
            f"""declared AS (
                SELECT p.row_number, {_customs(written.papers)} AS customs
                FROM papers p
                LEFT JOIN items i USING (row_number)
            )""",
        ]
        joins.append("LEFT JOIN declared d USING (row_number)")
        values.append("d.customs AS customs")
    codes = country_codes()
    return rows.run(
        f"""
            {f"WITH {', '.join(steps)}" if steps else ""}
            SELECT f.* REPLACE ({", ".join(values)})
            FROM flat f
            JOIN {rows.sql} m USING (row_number)
            {" ".join(joins)}
            ORDER BY f.row_number
        """,
        flat=normal,
        origin_places=_origin_places(rows) if written.origins else _PLACES.empty_table(),
        country_names=pa.table({"name": list(codes), "code": list(codes.values())}),
    )


_PLACES: Final = pa.schema(
    [(name, pa.string()) for name in ("raw_country", "raw_state", "country", "state")]
)


class _Written(NamedTuple):
    """What may have a value in nested parts; the rest would only be planned and set up.

    Parameters
    ----------
    parcels, papers
        The leaves of the further parcels and of customs. None: no row has any.
    items
        The leaves of the items.
    origins
        Whether a row has an origin.
    """

    parcels: Collection[str] | None
    papers: Collection[str] | None
    items: Collection[str]
    origins: bool


def _written(rows: Rows) -> _Written:
    """Return what the rows have; of many, that they have everything: it takes longer to look."""
    if rows.table is None:
        parcels, papers, items = (
            [leaf.name for leaf in leaves] for leaves in (PARCELS, PAPERS, ITEMS)
        )
        return _Written(parcels, papers, items, origins=True)
    names = ("more_parcels", "customs", "ship_from")
    parcels, customs, origins = (rows.table.column(name).combine_chunks() for name in names)
    further, items = parcels.flatten(), pc.struct_field(customs, "items").flatten()
    return _Written(
        parcels=_filled(further, PARCELS) if len(further) else None,
        papers=_filled(customs, PAPERS) if customs.null_count < len(customs) else None,
        items=_filled(items, ITEMS),
        origins=origins.null_count < len(origins),
    )


def _filled(structs: pa.StructArray, leaves: Sequence[Leaf]) -> list[str]:
    """Return the leaves that one of the structs has a value of."""
    values = {leaf.name: pc.struct_field(structs, leaf.name) for leaf in leaves}
    return [name for name, array in values.items() if array.null_count < len(array)]


def _value(leaf: Leaf, x: str, filled: Collection[str], **how: str) -> str:
    """Return SQL that reads the cell `x`, which is null unless its leaf is filled."""
    if leaf.name in filled or leaf.spec.kind in ("flag", "choice") or leaf.name == "packaging":
        return reading(leaf, x, **how)
    return f"NULL::{duck_type(leaf.arrow.type)}"


def _origin_places(rows: Rows) -> pa.Table:
    """Return the codes of all countries and states that origins of these rows name."""
    found = rows.run(
        f"""
        WITH places AS (
            SELECT DISTINCT ship_from.country AS country, ship_from.state AS state
            FROM {rows.sql}
            WHERE ship_from IS NOT NULL
        )
        SELECT
            country,
            state,
            {sql.tidy("country")} AS tidy_country,
            {sql.tidy("state")} AS tidy_state
        FROM places
        """
    )
    places = [
        (country, state, iso, state_code(iso, tidy_state))
        for country, state, tidy_country, tidy_state in zip(
            *(column.to_pylist() for column in found.columns), strict=True
        )
        for iso in [country_code(tidy_country)]
    ]
    columns = [pa.array([place[n] for place in places], pa.string()) for n in range(len(_PLACES))]
    return pa.table(columns, schema=_PLACES)


def _parcels(relation: str, filled: Collection[str]) -> str:
    parcel = ", ".join(
        f"{leaf.column}: {_value(leaf, f'p.{leaf.name}', filled, currency='currency')}"
        for leaf in PARCELS
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


def _items(filled: Collection[str]) -> str:
    item = ", ".join(f"{leaf.column}: {_item_value(leaf, filled)}" for leaf in ITEMS)
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


def _item_value(leaf: Leaf, filled: Collection[str]) -> str:
    if leaf.name == "origin_country":
        return "coalesce(c.code, upper(trim(i.origin_country)))"
    if leaf.name == "unit_value_exact" and not {"unit_value", leaf.name}.isdisjoint(filled):
        return sql.money_fraction("coalesce(i.unit_value_exact, i.unit_value)", "currency")
    return _value(leaf, f"i.{leaf.name}", filled, currency="currency")


def _customs(filled: Collection[str]) -> str:
    """Return SQL of customs, with words in the case that carriers use."""
    readings = {
        "reason": "lower(trim(p.customs.reason))",
        "duties_payer": "lower(trim(p.customs.duties_payer))",
        "terms": "upper(trim(p.customs.terms))",
    }
    papers = ", ".join(
        f"{leaf.column}: "
        f"{readings.get(leaf.name) or _value(leaf, f'p.customs.{leaf.name}', filled)}"
        for leaf in PAPERS
    )
    return f"{{{papers}, items: coalesce(i.items, [])}}"
