"""From the values that a template wrote to the mapped relation, with the settings on top.

A compiled template and a rendered one write the same columns, one text per leaf. Here an amount is
taken out of its object, and the service, translations, ship date and defaults of the settings are
applied.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

import duckdb

from shipkit.common.sql import one
from shipkit.orders.expressions import case, choose, filled, quote, stripped, trimmed
from shipkit.orders.mapping.mapped import ITEM_LEAVES, LEAVES, PARCEL_LEAVES, MappingSpec
from shipkit.schema import PAPERS

__all__ = ["AMOUNTS", "filled_by_defaults", "mapped_select"]

AMOUNTS = ("declared_value", "unit_value", "cod_amount")
"""Leaves that may be an amount, or an object with ``amount`` and ``currency``."""


MONEY: Final = (*(name for name in AMOUNTS if name in LEAVES), "currency")
"""Leaves that may be made of an object."""


def mapped_select(
    spec: MappingSpec, written: str, *, filled: Collection[str] = MONEY, nested: bool = True
) -> str:
    """Return the statement that makes the mapped relation of what a template wrote.

    Parameters
    ----------
    written
        SQL of a relation with the leaves and nested parts as the template wrote them.
    filled
        The leaves of money that are not null in every row.
    nested
        Whether there may be further parcels or customs.
    """
    leaves = ",\n            ".join(
        f"{_with_settings(name, _leaf(name, filled, nested=nested), spec)} AS {name}"
        for name in LEAVES
    )
    papers = ", ".join(f"{leaf.name}: customs.{leaf.name}" for leaf in PAPERS)
    items = f"list_transform(coalesce(customs.items, []), lambda i: {_struct('i', ITEM_LEAVES)})"
    return f"""
        SELECT
            row_number,
            row_numbers,
            source_file,
            {leaves},
            coalesce("references", []) AS "references",
            ship_from,
            list_transform(more, lambda p: {_struct("p", PARCEL_LEAVES)}) AS more_parcels,
            parcel_count,
            CASE WHEN customs IS NOT NULL THEN {{{papers}, items: {items}}} END AS customs
        FROM {written}
    """


def filled_by_defaults(
    con: duckdb.DuckDBPyConnection, spec: MappingSpec, written: str
) -> dict[str, int]:
    """Return field -> the number of rows that its default filled."""
    if not spec.defaults:
        return {}
    counts = ", ".join(
        f"count(*) FILTER (coalesce({stripped(_leaf(name))}, '') = '')" for name in spec.defaults
    )
    return dict(zip(spec.defaults, one(con, f"SELECT {counts} FROM {written}"), strict=True))


def _leaf(name: str, filled: Collection[str] = MONEY, *, nested: bool = True) -> str:
    """Return SQL of a leaf, an amount taken out of its object."""
    if name in AMOUNTS:
        return _amount(name) if name in filled else name
    if name != "currency":
        return name
    return _currency(filled, nested=nested)


def _currency(filled: Collection[str], *, nested: bool) -> str:
    """Return SQL of the currency that amounts name; of several, all with a slash, which is none."""
    own = [_currency_in(name) for name in AMOUNTS if name in LEAVES and name in filled]
    given = [f"[{', '.join([*own, 'currency'])}]"]
    if nested:
        items = "coalesce(customs.items, [])"
        given += [
            f"list_transform(coalesce(more, []), lambda p: {_currency_in('p.declared_value')})",
            f"list_transform({items}, lambda i: {_currency_in('i.unit_value')})",
        ]
    elif not own and "currency" not in filled:
        return "currency"
    named = f"list_filter(flatten([{', '.join(given)}]), lambda c: trim(c) <> '')"
    distinct = f"list_sort(list_distinct(list_transform({named}, lambda c: upper(trim(c)))))"
    return f"nullif(array_to_string({distinct}, '/'), '')"


def _currency_in(x: str) -> str:
    return case((_is_object(x), f"json_extract_string({x}, '$.currency')"))


def _struct(name: str, leaves: tuple[str, ...]) -> str:
    values = {leaf: f"{name}.{leaf}" for leaf in leaves}
    fields = ", ".join(
        f"{leaf}: {_amount(value) if leaf in AMOUNTS else value}" for leaf, value in values.items()
    )
    return f"{{{fields}}}"


def _amount(x: str) -> str:
    """Return SQL of the amount in an object; any other text stays, for normalising to judge."""
    return case((_is_object(x), f"json_extract_string({x}, '$.amount')"), otherwise=x)


def _is_object(x: str) -> str:
    return f"starts_with({x}, '{{') AND json_valid({x})"


def _with_settings(name: str, text: str, spec: MappingSpec) -> str:
    """Return SQL of a leaf with the settings applied to what the template wrote."""
    if name == "service" and spec.service is not None:
        return quote(spec.offered.read(spec.service))
    if name == "ship_date" and spec.ship_date is not None:
        return quote(spec.ship_date.isoformat())
    if name == "service" and spec.services:
        meanings = {
            text.strip().lower(): quote(spec.offered.read(service))
            for text, service in spec.services.items()
        }
        text = choose(f"lower({trimmed(text)})", meanings, text)
    if name in spec.defaults:
        default = spec.defaults[name]
        plain = str(default).lower() if isinstance(default, bool) else str(default)
        text = filled(text, quote(plain))
    return text
