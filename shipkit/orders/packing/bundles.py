"""A bundle and its parts, both listed as lines: which of them is in the parcel is a question."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import pyarrow as pa

from shipkit.common.relation import Relation, StageSchema
from shipkit.common.sql import quoted
from shipkit.orders.expressions import quoted_list, trimmed
from shipkit.orders.fields import Column, phrase
from shipkit.orders.grouping import OrderSet
from shipkit.orders.heading_text import word_file
from shipkit.orders.packing.lines import LineColumns, Sums
from shipkit.schema import PROBLEMS, problems_table

__all__ = ["bundle_problems"]


@cache
def _words() -> dict[str, frozenset[str]]:
    return {
        name: frozenset(map(phrase, words)) | frozenset(words)
        for name, words in word_file("bundles").items()
    }


def bundle_problems(
    schema: StageSchema, selected: Relation, columns: LineColumns, sums: Sums
) -> pa.Table:
    """Return a problem for each order in which a bundle and its parts both have a weight."""
    if columns.orders.single or columns.basis == "order":
        return problems_table()
    ignored = {*columns.spec.ignore}
    free = [c for c in columns.orders.columns if not {c.name, c.key} & ignored]
    tables = [problems_table()]
    for column in free:
        words = phrase(column.name).split()
        if _names_a_bundle(words):
            tables.append(_asked(schema, selected, columns.orders, sums, column, _by_name))
        elif " ".join(words) in _words()["kinds"]:
            tables.append(_asked(schema, selected, columns.orders, sums, column, _by_kind))
    return pa.concat_tables(tables)


def _names_a_bundle(words: list[str]) -> bool:
    known = _words()
    return bool(known["headings"].intersection(words)) and (
        known["headings"] | known["of_an_item"]
    ).issuperset(words)


def _asked(
    schema: StageSchema,
    selected: Relation,
    orders: OrderSet,
    sums: Sums,
    column: Column,
    split: Callable[[OrderSet, Column], tuple[str, str, str]],
) -> pa.Table:
    whole, part, joined = split(orders, column)
    found = schema.con.sql(
        f"""
        WITH cells AS (
            SELECT l.*, s.line_lb AS packed_line_lb
            FROM {orders.shipping_lines.sql} l
            JOIN {sums.lines.sql} s USING (row_number)
            WHERE s.line_lb > 0
        ),
        pairs AS (
            SELECT p.order_row, w.row_number AS whole, p.row_number AS part
            FROM (SELECT * FROM cells WHERE {part}) p
            JOIN (SELECT * FROM cells WHERE {whole}) w
                ON w.order_row = p.order_row AND w.row_number <> p.row_number AND {joined}
        )
        SELECT
            order_row AS row_number,
            'parcels[0].weight_lb' AS field,
            NULL::VARCHAR AS value,
            'row ' || min(whole) || ' looks like a bundle and row ' || min(part)
                || ' like a part of it, and both are weighed' AS problem,
            $fix AS fix,
            'error' AS severity,
            'bundle_weighed_twice' AS code
        FROM pairs
        SEMI JOIN {selected.sql} ON row_number = order_row
        GROUP BY order_row
        ORDER BY order_row
        """,
        params={
            "fix": "Remove the lines of one of them, or their weights, from the file. If both are "
            f'in the parcel: map(ignore=["{column.name}"]).'
        },
    )
    return found.to_arrow_table().cast(PROBLEMS)


def _by_name(orders: OrderSet, column: Column) -> tuple[str, str, str]:
    """Return SQL of a bundle, of a part, and of what joins them: the part names the bundle."""
    names = [
        other
        for other in orders.columns
        if other.key != column.key
        and (
            other.role in ("sku", "item_name")
            or phrase(other.name).split()[-1:] in (["id"], ["sku"], ["no"], ["number"], ["code"])
        )
        and other.role != "order_id"
    ]
    filled = f"nullif({trimmed(f'{quoted(column.key)}::VARCHAR')}, '') IS NOT NULL"
    named = f"lower(p.{quoted(column.key)}::VARCHAR)"
    same = " OR ".join(f"lower(w.{quoted(other.key)}::VARCHAR) = {named}" for other in names)
    return "true", filled, f"({same or 'false'})"


def _by_kind(_: OrderSet, column: Column) -> tuple[str, str, str]:
    """Return SQL of a bundle, of a part, and of what joins them: nothing but the order."""
    kind = f"lower({trimmed(f'{quoted(column.key)}::VARCHAR')})"
    whole, part = (
        f"{kind} IN ({quoted_list(sorted(_words()[name]))})" for name in ("whole", "parts")
    )
    return whole, part, "true"
