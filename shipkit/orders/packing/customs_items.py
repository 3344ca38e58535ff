"""Customs of orders that go abroad: items made of the lines, and what a person said for all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from shipkit.common.places import US_DOMAIN, country_code, country_codes
from shipkit.common.relation import Relation
from shipkit.common.sql import quoted
from shipkit.errors import MappingError
from shipkit.models import Address
from shipkit.orders import expressions as sql
from shipkit.orders.fields import Column, phrase
from shipkit.orders.mapping.mapped import CUSTOMS_DEFAULTS, MappingSpec
from shipkit.orders.packing.lines import Found, numeric, over

__all__ = ["declared", "said_of_customs"]

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
_PAYERS: Final = ("receiver", "shipper")


def said_of_customs(spec: MappingSpec) -> dict[str, str]:
    """Return field of customs (or of its items) -> what a person gave for all. Raises MappingError for a value that cannot be."""
    said = {
        CUSTOMS_DEFAULTS[name]: str(value).strip()
        for name, value in spec.defaults.items()
        if name in CUSTOMS_DEFAULTS
    }
    if said.get("duties_payer", _PAYERS[0]) not in _PAYERS:
        raise MappingError(
            f"defaults: duties_payer={said['duties_payer']!r} is not known.",
            fix=f"Say who pays duties: {' or '.join(_PAYERS)}.",
        )
    if "origin_country" in said:
        iso = _iso(said["origin_country"])
        if iso is None:
            raise MappingError(
                f"defaults: origin_country={said['origin_country']!r} is no country.",
                fix="Give its two-letter code or its English name.",
            )
        said["origin_country"] = iso
    return said


def _iso(text: str) -> str | None:
    """Return the code of the country that `text` names, None when it names none."""
    code = country_code(text)
    return code if code in country_codes().values() else None


def declared(
    con: duckdb.DuckDBPyConnection,
    table: pa.Table,
    found: Found,
    *,
    lines: Relation | None,
    shipper: Address,
) -> pa.Table:
    """Return the shipments with customs items of their lines, where they go abroad and description, quantity and value of every line are known.

    Customs that a template wrote stay, with what it left empty filled by the defaults.
    """
    home = US_DOMAIN if shipper.country in US_DOMAIN else (shipper.country,)
    said = said_of_customs(found.spec)
    if _any_abroad(table, home):
        columns = {
            role: next((column for column, _ in found.of_role(role)), None)
            for role in ("item_name", "quantity", "sku", "hs_code", "origin_country")
        }
        price, per = _price(found)
        if columns["item_name"] is not None and price is not None:
            goods = {**columns, "item_price": price}
            table = _of_lines(con, table, found, goods, per, home, lines=lines)
    return (
        _filled(con, table, {"reason": "sale", "duties_payer": "receiver", **said})
        if table.column("customs").null_count < table.num_rows
        else table
    )


def _of_lines(
    con: duckdb.DuckDBPyConnection,
    table: pa.Table,
    found: Found,
    columns: Mapping[str, Column | None],
    per: str | None,
    home: Sequence[str],
    *,
    lines: Relation | None,
) -> pa.Table:
    """Return the shipments with items made of the lines, where every line tells all of an item."""
    text = {
        role: f"nullif(trim(CAST({quoted(column.key)} AS VARCHAR)), '')"
        if column
        else "NULL::VARCHAR"
        for role, column in columns.items()
    }
    quantity = numeric(columns["quantity"]) if columns["quantity"] else "1.0"
    cents = sql.money_cents(text["item_price"], "t.declared_in")
    unit_cents = f"CAST(round(({cents}) / {quantity}) AS BIGINT)" if per == "line" else cents
    certain = (
        "true" if per else f"({quantity}) = 1"
    )  # of one piece the price of the line is the price of a unit
    weight = "p.line_lb_ / nullif(p.count_, 0)" if lines is not None else "NULL::DOUBLE"
    beside = (
        (
            "LEFT JOIN (SELECT row_number AS row_, line_lb AS line_lb_, quantity AS count_ FROM "
            f"{lines.sql}) p ON p.row_ = l.row_number"
        )
        if lines is not None
        else ""
    )
    item = (
        f"{{description: left({text['item_name']}, 100), quantity: CAST({quantity} AS BIGINT), "
        f"unit_value_cents: {unit_cents}, weight_lb: {weight}, sku: {text['sku']}, "
        f"hs_code: {text['hs_code']}, origin_country: "
        f"{_country(found, columns['origin_country'], text['origin_country'])}}}"
    )
    own = ", ".join(
        quoted(column.key)
        for column in {column.key: column for column in columns.values() if column}.values()
    )
    whole = f"({quantity}) > 0 AND ({quantity}) = round({quantity}) AND {certain}"
    return over(
        con,
        table,
        f"""
        WITH abroad AS (SELECT row_number, currency FROM packed_shipments WHERE customs IS NULL AND country NOT IN ({", ".join(sql.quote(code) for code in home)})),
        goods AS (
            SELECT l.order_row, list({item} ORDER BY l.row_number) AS items, bool_and({_names_goods(text["item_name"])} AND ({cents}) IS NOT NULL AND {whole}) AS complete
            FROM (SELECT order_row, row_number, {own} FROM {found.orders.shipping_lines.sql}) l JOIN (SELECT row_number AS order_, currency AS declared_in FROM abroad) t ON t.order_ = l.order_row {beside} GROUP BY l.order_row
        )
        SELECT t.* REPLACE (CASE WHEN g.complete THEN {{reason: NULL::VARCHAR, duties_payer: NULL::VARCHAR, invoice_number: t.order_id, terms: NULL::VARCHAR, items: g.items}} ELSE t.customs END AS customs)
        FROM packed_shipments t LEFT JOIN goods g ON g.order_row = t.row_number
    """,
    )


def _names_goods(text: str) -> str:
    """Return SQL that tells a name of goods from an article number: customs must not be told one."""
    return f"coalesce(regexp_matches({text}, '\\p{{L}}{{3}}'), false)"


def _country(found: Found, column: Column | None, text: str) -> str:
    """Return SQL of the code of the country that a cell names; a text that names none is empty, which the carrier asks about."""
    if column is None:
        return "NULL::VARCHAR"
    cells = found.orders.con.execute(
        f"SELECT DISTINCT {text} FROM {found.orders.shipping_lines.sql}"
    ).fetchall()
    words = [str(word) for (word,) in cells if word]
    codes = {word: sql.quote(code) for word in words if (code := _iso(word))}
    return sql.choose(text, codes, "NULL::VARCHAR")


def _filled(con: duckdb.DuckDBPyConnection, table: pa.Table, said: Mapping[str, Any]) -> pa.Table:
    """Return the shipments whose customs have what was said, where they say nothing."""

    def field(whole: str, name: str) -> str:
        return (
            f"{name}: coalesce({whole}.{name}, {sql.quote(said[name])})"
            if name in said
            else f"{name}: {whole}.{name}"
        )

    item = ", ".join(
        field("i", name)
        for name in (
            "description",
            "quantity",
            "unit_value_cents",
            "weight_lb",
            "sku",
            "hs_code",
            "origin_country",
        )
    )
    whole = ", ".join(
        field("customs", name) for name in ("reason", "duties_payer", "invoice_number", "terms")
    )
    return over(
        con,
        table,
        f"SELECT * REPLACE (CASE WHEN customs IS NOT NULL THEN {{{whole}, items: "
        f"list_transform(customs.items, lambda i: {{{item}}})}} END AS customs) FROM "
        "packed_shipments",
    )


def _price(found: Found) -> tuple[Column | None, str | None]:
    """Return the column of prices, and what a price is of: as a person or the layout says, else by a heading that says so; None when it is not certain."""
    spec = found.spec
    if "unit_price" in spec.columns:
        return found.orders.loaded.column(spec.columns["unit_price"]), "unit"
    price = next((column for column, _ in found.of_role("item_price")), None)
    if (
        price is not None
        and spec.layout is not None
        and spec.layout.fields.get("item_price") == price.name
    ):
        return price, spec.layout.layout.price_of
    return price, "unit" if price is not None and phrase(price.name) in _UNIT_PRICES else None


def _any_abroad(table: pa.Table, home: Sequence[str]) -> bool:
    return bool(
        pc.any(pc.invert(pc.is_in(table.column("country"), value_set=pa.array(list(home))))).as_py()
    )
