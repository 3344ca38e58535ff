"""A bundle and its parts, both listed as lines: which of them is in the parcel is a question."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Final

import pyarrow as pa

from shipkit.common.relation import Relation, StageSchema
from shipkit.common.sql import one, quoted
from shipkit.orders.columns import Column
from shipkit.orders.expressions import quoted_list, trimmed
from shipkit.orders.grouping import OrderSet
from shipkit.orders.heading_text import phrase, word_file
from shipkit.orders.mapping.mapped import MappingQuestion
from shipkit.orders.packing.lines import LineColumns, Sums
from shipkit.schema import PROBLEMS, problems_table

__all__ = ["bundle_problems", "bundle_questions"]


@cache
def _words() -> dict[str, frozenset[str]]:
    return {
        name: frozenset(map(phrase, words)) | frozenset(words)
        for name, words in word_file("bundles").items()
    }


_PLACE: Final = "place_in_order"
"""The number of a line among those of its order, for files that do not number them."""


def bundle_problems(
    schema: StageSchema, selected: Relation, columns: LineColumns, sums: Sums
) -> pa.Table:
    """Return a problem for each order in which a bundle and its parts both have a weight."""
    if columns.basis == "order":
        return problems_table()
    weighed = f"(SELECT row_number FROM {sums.lines.sql} WHERE line_lb > 0)"
    return pa.concat_tables(
        [
            problems_table(),
            *(
                _weighed_twice(schema, selected, pairs, column)
                for column, pairs in _pairs(columns, weighed)
            ),
        ]
    )


def bundle_questions(
    schema: StageSchema, columns: LineColumns, home: Sequence[str]
) -> list[MappingQuestion]:
    """Return a question for orders abroad in which a bundle and its parts both have a price.

    Their customs items would list the same goods twice.
    """
    price = next((column for column, _ in columns.of_role("item_price")), None)
    if price is None:
        return []
    text = f"regexp_extract({quoted(price.key)}::VARCHAR, '[0-9][0-9.]*')"
    lines = columns.orders.shipping_lines.sql
    priced = f"(SELECT row_number FROM {lines} WHERE TRY_CAST({text} AS DOUBLE) > 0)"
    asked = []
    for column, pairs in _pairs(columns, priced):
        found = schema.con.execute(f"SELECT DISTINCT order_row FROM ({pairs})").fetchall()
        if found:
            rows = ", ".join(str(row) for (row,) in found)
            asked.append(
                MappingQuestion(
                    "customs",
                    f"row_number IN ({rows}) AND country NOT IN ({quoted_list(home)})",
                    f'"{column.name}" shows a bundle and its parts, and both have a price: the '
                    "customs items would list the same goods twice",
                    f"Remove the prices of one of them from the file. {_both(column)}",
                    "bundle_declared_twice",
                )
            )
    return asked


def _pairs(columns: LineColumns, counted: str) -> list[tuple[Column, str]]:
    """Return SQL of the bundles and parts that each column shows: order_row, whole and part.

    `counted` is SQL of the row numbers of lines that count.
    """
    if columns.orders.single:
        return []
    ignored = {*columns.spec.ignore}
    by_flag = partial(
        _by_flag, price=next((column for column, _ in columns.of_role("item_price")), None)
    )
    made = []
    for column in columns.orders.columns:
        words = phrase(column.name).split()
        if {column.name, column.key} & ignored:
            continue
        if " ".join(words) in _words()["lists"]:  # "Components" may also name the bundle
            made.append((column, _pairs_sql(columns.orders, counted, column, _by_list)))
        if " ".join(words) in _words()["flags"] and _says_yes_and_no(columns, column):
            made.append((column, _pairs_sql(columns.orders, counted, column, by_flag)))
        elif " ".join(words) in _words()["part_flags"]:
            made.append((column, _pairs_sql(columns.orders, counted, column, _by_part_flag)))
        elif _names_a_bundle(words):
            made.append((column, _pairs_sql(columns.orders, counted, column, _by_name)))
        elif " ".join(words) in _words()["kinds"]:
            made.append((column, _pairs_sql(columns.orders, counted, column, _by_kind)))
        elif " ".join(words) in _words()["levels"]:
            made.append((column, _pairs_sql(columns.orders, counted, column, _by_level)))
        elif " ".join(words) in _words()["lines"]:
            made.append((column, _pairs_sql(columns.orders, counted, column, _by_point)))
    return made


def _names_a_bundle(words: list[str]) -> bool:
    known = _words()
    return bool(known["headings"].intersection(words)) and (
        known["headings"] | known["of_an_item"]
    ).issuperset(words)


def _pairs_sql(
    orders: OrderSet,
    counted: str,
    column: Column,
    split: Callable[[OrderSet, Column], tuple[str, str, str]],
) -> str:
    whole, part, joined = split(orders, column)
    place = "row_number() OVER (PARTITION BY order_row ORDER BY row_number)"
    numbered = f"(SELECT *, {place} AS {_PLACE} FROM {orders.shipping_lines.sql})"
    cells = f"(SELECT * FROM {numbered} SEMI JOIN {counted} USING (row_number))"
    return f"""
        WITH pairs AS (
            SELECT p.order_row, w.row_number AS whole, p.row_number AS part
            FROM (SELECT * FROM {cells} WHERE {part}) p
            JOIN (SELECT * FROM {cells} WHERE {whole}) w
                ON w.order_row = p.order_row AND w.row_number <> p.row_number AND {joined}
        )
        FROM pairs ANTI JOIN pairs back ON pairs.whole = back.part AND pairs.part = back.whole
    """  # two lines that name each other are no bundle and part


def _weighed_twice(schema: StageSchema, selected: Relation, pairs: str, column: Column) -> pa.Table:
    found = schema.con.sql(
        f"""
        SELECT
            order_row AS row_number,
            'parcels[0].weight_lb' AS field,
            NULL::VARCHAR AS value,
            'row ' || min(whole) || ' looks like a bundle and row ' || min(part)
                || ' like a part of it, and both are weighed' AS problem,
            $fix AS fix,
            'error' AS severity,
            'bundle_weighed_twice' AS code
        FROM ({pairs})
        SEMI JOIN {selected.sql} ON row_number = order_row
        GROUP BY order_row
        ORDER BY order_row
        """,
        params={
            "fix": "Remove the lines of one of them, or their weights, from the file. "
            + _both(column)
        },
    )
    return found.to_arrow_table().cast(PROBLEMS)


def _both(column: Column) -> str:
    return f'If both are in the parcel: map(ignore=["{column.name}"]).'


def _by_name(orders: OrderSet, column: Column) -> tuple[str, str, str]:
    """Return SQL of a bundle, of a part, and of what joins them: the part names the bundle."""
    names = [
        other
        for other in orders.columns
        if other.key != column.key
        and (
            other.role in ("sku", "item_name")
            or phrase(other.name).split()[-1:] in (["id"], ["sku"], ["no"], ["number"], ["code"])
            or phrase(other.name) in _words()["lines"]
        )
        and other.role != "order_id"
    ]
    filled = f"nullif({trimmed(f'{quoted(column.key)}::VARCHAR')}, '') IS NOT NULL"
    named = f"lower(p.{quoted(column.key)}::VARCHAR)"
    texts = [f"lower(w.{quoted(other.key)}::VARCHAR)" for other in names]
    of_a_line = _words()["of_a_line"].intersection(phrase(column.name).split())
    if of_a_line and not any(phrase(other.name) in _words()["lines"] for other in names):
        # "Parent Line" in a file that numbers no lines counts those of the order.
        texts.append(f"w.{_PLACE}::VARCHAR")
    same = " OR ".join(f"{text} = {named}" for text in texts)
    return "true", filled, f"({same or 'false'})"


def _says_yes_and_no(columns: LineColumns, column: Column) -> bool:
    """Return whether the cells of a column are yes or no, so that they name no bundle."""
    known = quoted_list([*_yes_and_no()[0], *_yes_and_no()[1]])
    return bool(
        one(
            columns.orders.con,
            f"SELECT bool_and({_cell(column)} IN ({known})) FROM "
            f"{columns.orders.shipping_lines.sql}",
        )[0]
    )


@cache
def _yes_and_no() -> tuple[list[str], list[str]]:
    """Return the cells that mean yes, and those that mean no."""
    values = word_file("values")
    return [*values["yes"], *values["settled"]], ["", *values["no"]]


def _cell(column: Column) -> str:
    return f"coalesce(lower({trimmed(f'{quoted(column.key)}::VARCHAR')}), '')"


def _by_flag(_: OrderSet, column: Column, *, price: Column | None) -> tuple[str, str, str]:
    """Return SQL of a bundle, of a part, and of what joins them: nothing but the order.

    A line with a price of its own is an article next to the bundle, and no part of it.
    """
    yes, no = map(quoted_list, _yes_and_no())
    part = f"{_cell(column)} IN ({no})"
    if price is not None:
        part += f" AND NOT regexp_matches({_cell(price)}, '[1-9]')"
    return f"{_cell(column)} IN ({yes})", part, "true"


def _by_part_flag(_: OrderSet, column: Column) -> tuple[str, str, str]:
    """Return SQL of a bundle, of a part, and of what joins them: yes is that of a part."""
    yes, no = map(quoted_list, _yes_and_no())
    return f"{_cell(column)} IN ({no})", f"{_cell(column)} IN ({yes})", "true"


def _by_point(orders: OrderSet, column: Column) -> tuple[str, str, str]:
    """Return SQL of a bundle, of a part, and of what joins them: line 1.2 is a part of line 1.

    Parts are counted from the first: a line 10.5 without a 10.1 was put between two others. Where
    lines are numbered 1.00 and 2.00, 1.10 is a number with two decimals.
    """
    part = rf"regexp_matches({_path(column)}, '[.]0*([1-9][0-9]*|[a-z])$')"
    first = (
        f"SELECT order_row, {_above(_path(column))} FROM {orders.shipping_lines.sql} "
        rf"WHERE regexp_matches({_path(column)}, '[.]0*(1|a)$')"
    )
    counted = f"(order_row, {_above(_path(column))}) IN ({first})"
    whole, above = _path(column, "w."), _above(_path(column, "p."))
    return "true", f"{part} AND {counted}", f"{whole} = {above}"


def _path(column: Column, row: str = "") -> str:
    """Return SQL of the number of a line with points: of "1,2", "1-2", "1/2" and "1b", too."""
    text = f"lower({trimmed(f'{row}{quoted(column.key)}::VARCHAR')})"
    dotted = f"regexp_replace({text}, '[,/_-]', '.', 'g')"
    plain = f"regexp_replace({dotted}, '([0-9])([a-z])$', '\\1.\\2')"
    is_path = f"regexp_full_match({plain}, '[0-9]+([.]([0-9]+|[a-z]))*')"
    return f"CASE WHEN {is_path} THEN regexp_replace({plain}, '^([0-9]+)[.]0$', '\\1') END"


def _above(path: str) -> str:
    """Return SQL of the line that a line is under: "1.1" of "1.1.2"."""
    return f"regexp_replace({path}, '[.][0-9a-z]+$', '')"


def _by_level(_: OrderSet, column: Column) -> tuple[str, str, str]:
    """Return SQL of a bundle, of a part, and of what joins them: it is deeper, and below."""
    w, p = (f"TRY_CAST({row}.{quoted(column.key)}::VARCHAR AS DOUBLE)" for row in ("w", "p"))
    return "true", "true", f"({p} > {w} AND p.row_number > w.row_number)"


def _by_list(orders: OrderSet, column: Column) -> tuple[str, str, str]:
    """Return SQL of a bundle, of a part, and of what joins them: the bundle names its parts."""
    skus = [other for other in orders.columns if other.role in ("sku", "item_name")]
    named = f"string_split_regex(lower(w.{quoted(column.key)}::VARCHAR), '[^\\w-]+')"
    same = " OR ".join(
        f"list_contains({named}, lower(p.{quoted(other.key)}::VARCHAR))" for other in skus
    )
    return f"{_cell(column)} <> ''", "true", f"({same or 'false'})"


def _by_kind(_: OrderSet, column: Column) -> tuple[str, str, str]:
    """Return SQL of a bundle, of a part, and of what joins them: nothing but the order."""
    kind = f"lower({trimmed(f'{quoted(column.key)}::VARCHAR')})"
    whole, part = (
        f"{kind} IN ({quoted_list(sorted(_words()[name]))})" for name in ("whole", "parts")
    )
    return whole, part, "true"
