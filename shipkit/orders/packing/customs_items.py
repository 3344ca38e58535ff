"""Customs of orders that go abroad: items made of their lines, and defaults for all orders."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

import duckdb
import pyarrow as pa

from shipkit.common.kept_plans import run
from shipkit.common.places import US_DOMAIN, country_code, country_codes
from shipkit.common.sql import quoted
from shipkit.common.us_areas import AREAS, MILITARY, MILITARY_AREA, customs_area, military_zip3s
from shipkit.errors import MappingError
from shipkit.models import Address
from shipkit.orders import expressions as sql
from shipkit.orders.columns import Column
from shipkit.orders.currencies import own_currency_sql
from shipkit.orders.heading_text import phrase
from shipkit.orders.heading_words import word_file
from shipkit.orders.mapping.mapped import CUSTOMS_DEFAULTS, MappingSpec
from shipkit.orders.packing.customs_papers import papers_of_lines, papers_sql, papers_struct
from shipkit.orders.packing.lines import LineColumns, Sums
from shipkit.orders.packing.parcels import with_shipments
from shipkit.schema import ITEMS, PAPERS

__all__ = ["add_customs", "check_customs_defaults"]

_UNIT_PRICES: Final = (
    "unit price",
    "lineitem price",
    "line item price",
    "unit value",
    "price each",
    "value each",
    "item cost",
    "unit cost",
)
"""Headings that name the price of one unit; "price" alone may be that of the line."""

_PAYERS: Final = ("receiver", "shipper")


def check_customs_defaults(spec: MappingSpec) -> dict[str, str]:
    """Return field of customs, or of each item -> the value that was given for all orders.

    Raises
    ------
    MappingError
        A value is not allowed.
    """
    given = {
        CUSTOMS_DEFAULTS[name]: str(value).strip()
        for name, value in spec.defaults.items()
        if name in CUSTOMS_DEFAULTS
    }
    if given.get("duties_payer", _PAYERS[0]) not in _PAYERS:
        raise MappingError(
            f"defaults: duties_payer={given['duties_payer']!r} is unknown.",
            fix=f"Use {' or '.join(_PAYERS)}.",
        )
    if "origin_country" in given:
        iso = _iso(given["origin_country"])
        if iso is None:
            raise MappingError(
                f"defaults: origin_country={given['origin_country']!r} is not a country.",
                fix="Use its two-letter code or its English name.",
            )
        given["origin_country"] = iso
    return given


def add_customs(
    con: duckdb.DuckDBPyConnection,
    table: pa.Table,
    columns: LineColumns,
    sums: Sums | None,
    shipper: Address,
) -> pa.Table:
    """Return the shipments with customs items made of their lines.

    Items are made where an order goes abroad, to or from a military address or a territory of the
    US, or to a part of the US where the carrier wants to know the goods, and the description,
    quantity and value of each of its lines are known. Without a value the goods are its
    description, which carriers want where no invoice is needed. Customs that a template wrote stay;
    defaults fill what it left empty.
    """
    defaults = check_customs_defaults(columns.spec)
    names = next((column for column, _ in columns.of_role("item_name")), None)
    abroad = _abroad_sql(shipper, columns.spec.offered.goods_to)
    if names is not None and _any(con, table, abroad):
        price, price_of = _price(columns)
        if price is not None:
            table = _with_items(con, table, columns, sums, price, price_of, abroad)
        table = _described(con, table, columns, abroad)
    if table.column("customs").null_count == table.num_rows:
        return table
    given = {"duties_payer": "receiver", **defaults}
    known = {name: sql.quote(value) for name, value in given.items()}
    # What comes back is not sold once more.
    reason = "CASE WHEN is_return THEN 'return' ELSE 'sale' END"
    return _filled(con, table, {"reason": reason, **known})


def _with_items(
    con: duckdb.DuckDBPyConnection,
    table: pa.Table,
    columns: LineColumns,
    sums: Sums | None,
    price: Column,
    price_of: str | None,
    abroad: str,
) -> pa.Table:
    """Return the shipments that need papers with an item for each line, where all is known."""
    quantity = columns.counts.sql
    weights = "(SELECT NULL::BIGINT AS row_number, NULL::DOUBLE AS line_lb)"
    papers = papers_struct("t.order_id", "i")
    known = {
        "description": "left(item_name, 100)",
        "quantity": "CAST(quantity AS BIGINT)",
        "unit_value_cents": "CAST(round(price_cents / quantity) AS BIGINT)"
        if price_of == "line"
        else "price_cents",
        "unit_value_exact": sql.money_fraction(
            "price", "currency", "nullif(quantity, 0)" if price_of == "line" else "1"
        ),
        "weight_lb": "line_lb / nullif(quantity, 0)",
        "sku": "sku",
        "hs_code": "hs_code",
        "origin_country": "origin_country",
    }
    item = ", ".join(f"{leaf.column}: {known.get(leaf.column, 'NULL')}" for leaf in ITEMS)
    return with_shipments(
        con,
        table,
        f"""
        WITH {_abroad_rows(columns, price, abroad)},
        goods AS (
            SELECT
                l.order_row,
                l.row_number,
                a.currency,
                {_text(columns, "item_name")} AS item_name,
                {_text(columns, "sku")} AS sku,
                {_unless_nothing(_text(columns, "hs_code"))} AS hs_code,
                {_origin(columns)} AS origin_country,
                {papers_of_lines(columns)},
                {quantity} AS quantity,
                nullif(trim(CAST({quoted(price.key)} AS VARCHAR)), '') AS price
            FROM {columns.orders.shipping_lines.sql} l
            JOIN abroad a USING (order_row)
        ),
        priced AS (
            SELECT g.*, w.line_lb, {sql.money_cents("price", "currency")} AS price_cents
            FROM goods g
            LEFT JOIN {weights if sums is None else sums.lines.sql} w USING (row_number)
        ),
        items AS (
            SELECT
                order_row,
                list({{{item}}} ORDER BY row_number) AS items,
                {papers_sql("row_number")},
                bool_and(
                    {_names_goods("item_name")}
                    AND price_cents IS NOT NULL
                    AND quantity > 0
                    AND quantity = round(quantity)
                    AND {_price_is_certain(price_of)}
                ) AS complete
            FROM priced
            -- Lines with nothing left to ship are not in the parcel.
            WHERE quantity <> 0 OR quantity IS NULL
            GROUP BY order_row
        )
        SELECT t.* REPLACE (
            CASE WHEN i.complete THEN {{{papers}, items: i.items}} ELSE t.customs END AS customs,
            CASE WHEN i.complete THEN a.currency ELSE t.currency END AS currency
        )
        FROM shipments t
        LEFT JOIN items i ON i.order_row = t.row_number
        LEFT JOIN abroad a ON a.order_row = t.row_number
        """,
    )


def _abroad_rows(columns: LineColumns, price: Column, abroad: str) -> str:
    """Return the step ``abroad``: the orders that need papers, with the currency of their goods.

    Where no column, heading or default names a currency, it is that which the prices name: "10 €".
    """
    rows = f"""abroad_rows AS (
            SELECT row_number AS order_row, currency, cod_amount_cents IS NULL
                AND len(list_filter(parcels, lambda p: p.declared_value_cents IS NOT NULL)) = 0
                AS is_free
            FROM shipments
            WHERE customs IS NULL AND {abroad}
        )"""
    if (
        columns.of_role("currency")
        or "currency" in columns.spec.defaults
        or columns.spec.columns.get("currency")
        or price.type != "VARCHAR"
        or any(unit for _, unit in columns.of_role("item_price"))
    ):
        return f"{rows}, abroad AS (SELECT * FROM abroad_rows)"
    text = f"nullif(trim(CAST({quoted(price.key)} AS VARCHAR)), '')"
    return f"""{rows}, named AS (
            SELECT order_row, min(own) AS own
            FROM (
                SELECT order_row, {own_currency_sql(text)} AS own, {text} AS price
                FROM {columns.orders.shipping_lines.sql}
                SEMI JOIN abroad_rows USING (order_row)
            )
            GROUP BY order_row
            HAVING count(DISTINCT own) = 1 AND count(own) = count(price)
        ), abroad AS (
            SELECT order_row, CASE WHEN is_free THEN coalesce(own, currency) ELSE currency END
                AS currency
            FROM abroad_rows
            LEFT JOIN named USING (order_row)
        )"""


def _described(
    con: duckdb.DuckDBPyConnection, table: pa.Table, columns: LineColumns, abroad: str
) -> pa.Table:
    """Return the shipments that go abroad without items with their goods as the description."""
    return with_shipments(
        con,
        table,
        f"""
        WITH goods AS (
            SELECT l.order_row, {_text(columns, "item_name")} AS name, min(l.row_number) AS line
            FROM {columns.orders.shipping_lines.sql} l
            GROUP BY ALL
        ),
        named AS (
            SELECT order_row, string_agg(name, ', ' ORDER BY line) AS names
            FROM goods
            WHERE {_names_goods("name")}
            GROUP BY order_row
        )
        SELECT t.* REPLACE (
            CASE
                WHEN t.description IS NULL AND t.customs IS NULL AND {abroad} THEN n.names
                ELSE t.description
            END AS description
        )
        FROM shipments t
        LEFT JOIN named n ON n.order_row = t.row_number
        """,
    )


def _abroad_sql(shipper: Address, goods_to: Sequence[str]) -> str:
    """Return SQL of whether customs or the carrier want to know the goods of a shipment."""
    home = sql.quote(customs_area(shipper.country, shipper.state, shipper.postal_code))
    to, start = _customs_area_sql(), f"coalesce({_customs_area_sql('ship_from.')}, {home})"
    papers = f"({to} <> {start} OR {to} = {sql.quote(MILITARY_AREA)})"
    if not goods_to:
        return papers
    own = sql.quote(_us_area(shipper.country, shipper.state))
    start = f"CASE WHEN ship_from.country IS NULL THEN {own} ELSE {_us_area_sql('ship_from.')} END"
    parts, end = sql.quoted_list(goods_to), _us_area_sql()
    within = f"({start} <> {end} AND ({start} IN ({parts}) OR {end} IN ({parts})))"
    return f"({papers} OR coalesce({within}, false))"


def _customs_area_sql(place: str = "") -> str:
    """Return SQL of :func:`~shipkit.common.us_areas.customs_area`; null without a country."""
    country, state, code = (place + name for name in ("country", "state", "postal_code"))
    return f"""CASE
        WHEN {country} = 'PR' THEN 'US'
        WHEN {country} <> 'US' THEN {country}
        WHEN upper(coalesce({state}, '')) IN ({sql.quoted_list(MILITARY)})
            OR left(coalesce({code}, ''), 3) IN ({sql.quoted_list(military_zip3s())})
        THEN {sql.quote(MILITARY_AREA)}
        WHEN {country} = 'US' AND upper({state}) IN ({sql.quoted_list(AREAS)}) THEN upper({state})
        WHEN {country} = 'US' THEN 'US'
    END"""


def _us_area_sql(place: str = "") -> str:
    """Return SQL of a country; a part of the US that is written as its state is one."""
    parts = sql.quoted_list([part for part in US_DOMAIN if part != "US"])
    country, state = f"{place}country", f"upper({place}state)"
    return f"CASE WHEN {country} = 'US' AND {state} IN ({parts}) THEN {state} ELSE {country} END"


def _us_area(country: str, state: str | None) -> str:
    code = (state or "").strip().upper()
    return code if country == "US" and code in US_DOMAIN else country


def _text(columns: LineColumns, role: str) -> str:
    """Return SQL of the text in the first column of a role, null when it is blank."""
    column = next((column for column, _ in columns.of_role(role)), None)
    if column is None:
        return "NULL::VARCHAR"
    return f"nullif(trim(CAST(l.{quoted(column.key)} AS VARCHAR)), '')"


def _unless_nothing(text: str) -> str:
    """Return SQL of a text, null for a cell such as "n/a"."""
    nothing = sql.quoted_list(word_file("options")["nothing"])
    return f"CASE WHEN lower({text}) NOT IN ({nothing}) THEN {text} END"


def _origin(columns: LineColumns) -> str:
    """Return SQL of the country code that the cell names; a text that names none stays."""
    if not columns.of_role("origin_country"):
        return "NULL::VARCHAR"
    text = _text(columns, "origin_country")
    cells = columns.orders.con.execute(
        f"SELECT DISTINCT {text} FROM {columns.orders.shipping_lines.sql} l"
    ).fetchall()
    codes = {str(word): sql.quote(_made_in(str(word))) for (word,) in cells if word}
    return sql.choose(text, codes, "NULL::VARCHAR")


def _names_goods(text: str) -> str:
    """Return SQL of whether a text names goods, as an article number does not.

    Customs authorities refuse descriptions without words; three letters in a row are the least that
    a word has.
    """
    return f"coalesce(regexp_matches({text}, '\\p{{L}}{{3}}'), false)"


def _price_is_certain(price_of: str | None) -> str:
    # The price of a line of one piece is the price of a unit as well.
    return "quantity = 1" if price_of is None else "true"


def _price(columns: LineColumns) -> tuple[Column | None, str | None]:
    """Return the column of prices, and whether a price is that of a ``unit`` or of a ``line``.

    What the settings say comes first, then what the layout says, then the heading; None when it is
    not certain.
    """
    spec = columns.spec
    if "unit_price" in spec.columns:
        return columns.orders.loaded.column(spec.columns["unit_price"]), "unit"
    price = next((column for column, _ in columns.of_role("item_price")), None)
    if price is None:
        return None, None
    if spec.layout is not None and spec.layout.fields.get("item_price") == price.name:
        return price, spec.layout.layout.price_of
    return price, "unit" if phrase(price.name) in _UNIT_PRICES else None


def _filled(con: duckdb.DuckDBPyConnection, table: pa.Table, given: Mapping[str, str]) -> pa.Table:
    """Return the shipments with what is given for all, as SQL, where their customs have nothing."""

    def field(struct: str, name: str) -> str:
        own = f"{struct}.{name}"
        return f"{name}: coalesce({own}, {given[name]})" if name in given else (f"{name}: {own}")

    papers = ", ".join(field("customs", leaf.column) for leaf in PAPERS)
    item = ", ".join(field("i", leaf.column) for leaf in ITEMS)
    return with_shipments(
        con,
        table,
        f"""
        SELECT * REPLACE (
            CASE
                WHEN customs IS NOT NULL
                THEN {{{papers}, items: list_transform(customs.items, lambda i: {{{item}}})}}
            END AS customs
        )
        FROM shipments
        """,
    )


def _made_in(text: str) -> str | None:
    """Return the code of the country in a cell, None for "n/a", else the text: a problem later."""
    if text.strip().casefold() in word_file("options")["nothing"]:
        return None
    return _iso(text) or _iso(_MADE_IN.sub("", text)) or text


_MADE_IN: Final = re.compile(
    r"(?i)^\s*(?:made|manufactured|produced|product|origin)(?: in| of)?:? "
)


def _iso(text: str) -> str | None:
    """Return the code of the country that `text` names, None when it names none."""
    code = country_code(text)
    return code if code in country_codes().values() else None


def _any(con: duckdb.DuckDBPyConnection, table: pa.Table, condition: str) -> bool:
    """Return whether a condition on both places of a shipment is true of any."""
    places = table.select(["country", "state", "postal_code", "ship_from"])
    asked = f"SELECT coalesce(bool_or({condition}), false) AS found FROM places"
    return bool(run(con, asked, places=places).column("found")[0].as_py())
