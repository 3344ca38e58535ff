"""Measures and amounts whose unit is in another column: blank in their row, or another one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import duckdb
import pyarrow as pa

from shipkit.common.relation import Relation
from shipkit.common.sql import one, quoted
from shipkit.orders.columns import Column
from shipkit.orders.currencies import currency_sql
from shipkit.orders.expressions import is_number, quote, quoted_list, stripped
from shipkit.orders.mapping.column_leaves import Taken
from shipkit.orders.mapping.mapped import MappingSpec, field_path, leaf_of_role
from shipkit.orders.units import LENGTHS, WEIGHTS
from shipkit.schema import PROBLEMS, problems_table

__all__ = ["blank_units"]

_UNITS: Final = {
    "weight": "weight_unit",
    "item_weight": "weight_unit",
    **dict.fromkeys(("length", "width", "height"), "dimension_unit"),
    "declared_value": "currency",
    "cod_amount": "currency",
}
"""Role of a measure or an amount -> role of the column that names its unit."""


def blank_units(
    con: duckdb.DuckDBPyConnection,
    taken: Taken,
    spec: MappingSpec,
    selection: Relation,
    lines: Relation,
) -> pa.Table:
    """Return a problem for each order with a number whose unit is blank, where others name one.

    Another unit than that of the heading is a problem, too: "2" under "Weight (lb)" next to "kg".

    A blank means pounds, inches or dollars only in a file that names nothing else: among grams,
    100 may be grams, and 100 pounds are bought.
    """
    asked = [problems_table()]
    for number, unit, role in _pairs(taken, spec):
        if {number.key, unit.key} <= {*lines.columns} and _names_another(con, unit, role, lines):
            blank = f"{_text(unit)} = ''"
            asked.append(_of_orders(con, number, unit, role, selection, lines, blank))
    asked += _contradicting(con, taken, selection, lines)
    return pa.concat_tables(asked)


def _contradicting(
    con: duckdb.DuckDBPyConnection, taken: Taken, selection: Relation, lines: Relation
) -> Iterator[pa.Table]:
    """Yield the problems of orders with another unit next to a number than its heading names."""
    for role, unit_role in _UNITS.items():
        if role not in taken or unit_role not in taken or unit_role == "currency":
            continue
        (number, named), unit = taken[role], taken[unit_role][0]
        if named is None or not {number.key, unit.key} <= {*lines.columns}:
            continue
        scale = WEIGHTS if unit_role == "weight_unit" else LENGTHS
        same = quoted_list(sorted(word for word, each in scale.words.items() if each == named))
        other = f"({_text(unit)} <> '' AND {scale.word_sql(_text(unit))} NOT IN ({same}))"
        if one(con, f"SELECT bool_or({other}) FROM {lines.sql}")[0]:
            problem = f'"{unit.name}" names another unit than "{number.name}", which is in {named}'
            about = (problem, _CORRECT, "unit_contradicts")
            yield _of_orders(con, number, unit, role, selection, lines, other, about)


def _pairs(taken: Taken, spec: MappingSpec) -> Iterator[tuple[Column, Column, str]]:
    for role, unit_role in _UNITS.items():
        if role in taken and unit_role in taken and unit_role not in spec.defaults:
            number, unit = taken[role]
            if unit is None and not number.names_units:  # its reader asks about bare numbers
                yield number, taken[unit_role][0], role


def _names_another(
    con: duckdb.DuckDBPyConnection, unit: Column, role: str, lines: Relation
) -> bool:
    """Return whether cells name another unit than that which a blank means, and one is blank."""
    cell = _text(unit)
    if _UNITS[role] == "currency":
        is_usual = f"({currency_sql(cell)} = 'USD' OR {cell} = '$')"
    else:
        scale = WEIGHTS if _UNITS[role] == "weight_unit" else LENGTHS
        words = sorted(word for word, named in scale.words.items() if named == scale.base)
        is_usual = f"({scale.word_sql(cell)} IN ({quoted_list(words)}))"
    other, blank = one(
        con,
        f"SELECT bool_or({cell} <> '' AND NOT {is_usual}), bool_or({cell} = '') FROM {lines.sql}",
    )
    return bool(other and blank)


def _text(column: Column) -> str:
    return f"coalesce({stripped(f'{quoted(column.key)}::VARCHAR')}, '')"


_CORRECT: Final = 'Correct one of the two, or set the unit aside: map(ignore=["<heading>"]).'


def _blank(unit: Column, role: str) -> tuple[str, str, str]:
    """Return the problem, the fix and the code of a blank unit."""
    problem = f'"{unit.name}" is blank, and other rows name another unit than the usual one'
    fix = "Write the unit in its cell, or export the orders with it."
    if _UNITS[role] == "currency":
        fix = 'Write the currency in its cell, or give one: map(defaults={"currency": "EUR"}).'
    return problem, fix, "unit_blank"


def _of_orders(
    con: duckdb.DuckDBPyConnection,
    number: Column,
    unit: Column,
    role: str,
    selection: Relation,
    lines: Relation,
    condition: str,
    about: tuple[str, str, str] | None = None,
) -> pa.Table:
    """Return a problem for each order with a line that meets `condition`.

    Parameters
    ----------
    about
        What is wrong, how to fix it and the code; None: the unit is blank.
    """
    problem, fix, code = about or _blank(unit, role)
    return (
        con.sql(f"""
        WITH owners AS (
            SELECT row_number, unnest(row_numbers) AS line
            FROM {selection.sql}
        )
        SELECT
            owners.row_number,
            {quote(field_path(leaf_of_role(role.removeprefix("item_"))))} AS field,
            min({quoted(number.key)}::VARCHAR) AS value,
            {quote(problem)} AS problem,
            {quote(fix)} AS fix,
            'error' AS severity,
            {quote(code)} AS code
        FROM owners
        JOIN {lines.sql} l ON l.row_number = owners.line
        WHERE {condition} AND {is_number(f"{quoted(number.key)}::VARCHAR")}
            AND TRY_CAST({quoted(number.key)}::VARCHAR AS DOUBLE) IS DISTINCT FROM 0
        GROUP BY owners.row_number
        ORDER BY owners.row_number
        """)
        .to_arrow_table()
        .cast(PROBLEMS)
    )
