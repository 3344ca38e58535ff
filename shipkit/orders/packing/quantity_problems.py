"""Orders whose lines do not say how many units are shipped: they wait, or have a warning."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import pyarrow as pa

from shipkit.common.relation import Relation, StageSchema
from shipkit.common.sql import one, quoted
from shipkit.orders import expressions as sql
from shipkit.orders.columns import Column
from shipkit.orders.grouping import OrderSet
from shipkit.orders.heading_text import phrase
from shipkit.orders.packing.quantities import UNCLEAR, Counts, number_of
from shipkit.orders.quantity_headings import counts_an_order
from shipkit.schema import PROBLEMS, problems_table

__all__ = ["quantity_problems"]


@dataclass(frozen=True)
class _Total:
    """SQL of a number that may be the total of an order, and of the quantity of a line."""

    number: str
    quantity: str
    of_lines: bool
    """Whether it may also be the number of lines: its heading says that it counts."""


@dataclass(frozen=True)
class _Question:
    """A condition over lines, and the problem of those that meet it: SQL, but `fix` and `code`."""

    condition: str
    problem: str
    fix: str
    code: str
    severity: str = "error"
    unless_total: _Total | None = None
    """Nothing is asked where a number is the order's total."""


def quantity_problems(
    schema: StageSchema,
    selected: Relation,
    orders: OrderSet,
    counts: Counts,
    per_unit: bool,
) -> pa.Table:
    """Return problems of the selected orders whose lines do not say how many units are shipped.

    Parameters
    ----------
    per_unit
        Whether the weight of a line is that of a unit, times the quantity.
    """
    questions = [*_of_cells(counts, per_unit=per_unit), *_of_states(counts, per_unit=per_unit)]
    found = [problems_table()]
    lines = orders.shipping_lines.sql
    if questions:
        # One pass over all lines: nearly every file has nothing to ask about.
        hits = one(
            schema.con,
            f"SELECT {', '.join(f'count(*) FILTER ({q.condition})' for q in questions)} "
            f"FROM {lines}",
        )
        found += [
            _asked(schema, selected, lines, question)
            for question, hit in zip(questions, hits, strict=True)
            if hit and not _is_total(schema, lines, question)
        ]
    if counts.others or counts.ordered is not None:
        found.append(_nothing_left(schema, selected, lines, counts))
    if per_unit and counts.ordered is None and not counts.others:
        found.append(_no_quantity(schema, selected, orders, counts.ignored))
    return pa.concat_tables(found)


def _is_total(schema: StageSchema, lines: str, question: _Question) -> bool:
    """Return whether a number is that of all units of each order, or of all lines of each.

    One of the two holds for the whole file. An order in which the number is that of the line
    anyway says nothing of it: two units of five allocated in each of two lines are not "2 lines".
    """
    total = question.unless_total
    if total is None:
        return False
    of_units, of_lines, several = one(
        schema.con,
        f"""
        SELECT
            bool_and(number IS NULL OR number IS NOT DISTINCT FROM units),
            bool_and(number IS NULL OR number = lines),
            bool_or(lines > 1 AND number IS DISTINCT FROM quantity)
        FROM (
            SELECT {total.number} AS number, {total.quantity} AS quantity,
                sum({total.quantity}) OVER (PARTITION BY order_row) AS units,
                count(*) OVER (PARTITION BY order_row) AS lines
            FROM {lines} l
        )
        """,
    )
    return bool(several and (of_units or (total.of_lines and of_lines)))


def _asked(schema: StageSchema, selected: Relation, lines: str, question: _Question) -> pa.Table:
    return _problems(
        schema,
        f"""
        SELECT order_row AS row_number, arg_min({question.problem}, l.row_number) AS problem
        FROM {lines} l
        WHERE {question.condition}
        GROUP BY order_row
        """,
        selected,
        question.fix,
        question.code,
        question.severity,
    )


def _problems(
    schema: StageSchema, query: str, selected: Relation, fix: str, code: str, severity: str
) -> pa.Table:
    found = schema.con.sql(
        f"""
        SELECT row_number, 'quantity' AS field, NULL::VARCHAR AS value, problem, $fix AS fix,
            $severity AS severity, $code AS code
        FROM ({query})
        SEMI JOIN {selected.sql} USING (row_number)
        ORDER BY row_number
        """,
        params={"fix": fix, "severity": severity, "code": code},
    )
    return found.to_arrow_table().cast(PROBLEMS)


def _shown(x: str) -> str:
    """Return SQL of a number as text: 2, not 2.0."""
    return f"printf('%g', {x})"


def _of_cells(counts: Counts, *, per_unit: bool) -> list[_Question]:
    """Return what is asked about numbers that no quantity has."""
    asked = []
    for column in counts.columns:
        x = number_of(column)
        if column in counts.gone:  # some shops write what was refunded as -1
            x = f"abs({x})"
        name = column.name.replace('"', "'")
        said = f"{sql.quote(name + ' is ')} || {_shown(x)} || ' in row ' || l.row_number"
        asked.append(
            _Question(
                f"{x} < 0",
                said,
                "Correct the cell, or leave the row out with where(...).",
                "quantity_negative",
            )
        )
        asked.append(
            _Question(
                f"{x} <> trunc({x})",
                said,
                "Write whole units.",
                "quantity_fractional",
                "error" if per_unit else "warning",
            )
        )
    for rival in counts.rivals[1:]:
        first, second = number_of(counts.rivals[0]), number_of(rival)
        names = [counts.rivals[0].name, rival.name]
        asked.append(
            _Question(
                f"{first} IS DISTINCT FROM {second}",
                sql.quote(f'"{names[0]}" and "{names[1]}" may both be the quantity, and differ'),
                f'Name one: map(columns={{"quantity": "{names[0]}"}}).',
                "quantity_unclear",
            )
        )
    return asked


def _of_states(counts: Counts, *, per_unit: bool) -> list[_Question]:
    """Return what is asked where units are left, or were shipped, refunded or cancelled."""
    others, asked = counts.others, []
    ordered = number_of(counts.ordered) if counts.ordered is not None else None
    left = others.get("quantity_left")
    if left is None:
        for role in UNCLEAR:
            column = others.get(role)
            if column is not None and role not in counts.named:
                asked.append(_unclear(column, ordered, role))
    if ordered is not None:
        asked += [_may_be(column, ordered, state) for column, state in counts.unsure]
    gone = counts.gone
    if left is None and len(gone) == 2 and not counts.named:
        first, second = map(number_of, gone)
        asked.append(
            _Question(
                f"{first} <> 0 AND {second} <> 0",
                sql.quote(f'"{gone[0].name}" and "{gone[1].name}" may count the same units'),
                f'Set one of them aside: map(ignore=["{gone[1].name}"]).',
                "quantity_unclear",
            )
        )
    if ordered is not None and (left is not None or gone):
        weight = "" if per_unit else "; the weight in the file may be that of all"
        told = "Correct the weight, or the quantity." if weight else "No action is needed."
        asked += [
            _Question(
                f"{counts.sql} < {ordered} AND {counts.sql} > 0",
                f"{_shown(counts.sql)} || ' of ' || {_shown(ordered)} || "
                f"' units are left to ship in row ' || l.row_number || {sql.quote(weight)}",
                told,
                "quantity_reduced",
                "warning",
            ),
            _Question(
                f"{counts.sql} > {ordered}",
                f"{_shown(counts.sql)} || ' units are left of ' || {_shown(ordered)} "
                "|| ' in row ' || l.row_number",
                "Correct the cells.",
                "quantity_unclear",
            ),
        ]
    return asked


def _may_be(column: Column, ordered: str, state: str) -> _Question:
    x = number_of(column)
    named = sql.quote(f'"{column.name}" is ')
    return _Question(
        f"{x} <> {ordered}" if state == "left" else f"{x} > 0",
        f"{named} || {_shown(x)} || ' of ' || {_shown(ordered)} "
        "|| ' in row ' || l.row_number || ': does it say how many are in the parcel?'",
        f'If the parcel holds these: map(columns={{"quantity": "{column.name}"}}). If it holds the '
        f'others: map(columns={{"quantity_shipped": "{column.name}"}}). If it says nothing of the '
        f'parcel: map(ignore=["{column.name}"]).',
        "quantity_unclear",
        unless_total=_Total(x, ordered, counts_an_order(phrase(column.name).split()))
        if state == "left"
        else None,
    )


def _unclear(column: Column, ordered: str | None, role: str) -> _Question:
    x = number_of(column)
    of = f" || ' of ' || {_shown(ordered)}" if ordered else ""
    named = sql.quote(f'"{column.name}" is ')
    return _Question(
        f"{x} > 0",
        f"{named} || {_shown(x)}{of} || ' in row ' || l.row_number "
        "|| ': are these units in this parcel?'",
        f'If they are: map(columns={{"quantity": "{column.name}"}}). If the parcel holds the '
        f'others: map(columns={{"{role}": "{column.name}"}}). If it holds all: '
        f'map(ignore=["{column.name}"]).',
        "quantity_unclear",
    )


def _nothing_left(schema: StageSchema, selected: Relation, lines: str, counts: Counts) -> pa.Table:
    columns = [*counts.others.values(), *counts.columns]
    units = (
        counts.sql if counts.others else number_of(columns[0])
    )  # below zero is a problem already
    if not one(schema.con, f"SELECT count(*) FROM {lines} WHERE {units} = 0")[0]:
        return problems_table()
    words = "nothing of the order is left to ship" if counts.others else "the quantity is 0"
    return _problems(
        schema,
        f"""
        SELECT order_row AS row_number, {sql.quote(words)} AS problem
        FROM (SELECT order_row, {units} AS units FROM {lines})
        GROUP BY order_row
        HAVING max(units) = 0
        """,
        selected,
        f'Leave it out with where(...). To ship it anyway: map(ignore=["{columns[0].name}"]).',
        "nothing_to_ship",
        "error",
    )


_BARE_NUMBERS: Final = ("number", "no")
"""Headings of a number of anything; their columns are text, as those of all numbers of things."""


def _minus_one(column: Column) -> str:
    return f"CASE WHEN {quoted(column.key)} IS NOT NULL THEN -1 END"


def _no_quantity(
    schema: StageSchema, selected: Relation, orders: OrderSet, ignored: frozenset[str]
) -> pa.Table:
    """Return a question where the weight of a unit is known, and a column may count the units."""
    numbers = [
        column
        for column in orders.columns
        if column.role is None
        and (
            column.type in ("BIGINT", "INTEGER", "SMALLINT", "DOUBLE")
            or (column.type == "VARCHAR" and phrase(column.name) in _BARE_NUMBERS)
        )
        and not {column.name, column.key} & ignored
    ]
    lines = orders.shipping_lines.sql
    for column in numbers:
        # A text that is no number is no count.
        x = f"coalesce(TRY_CAST({quoted(column.key)} AS DOUBLE), {_minus_one(column)})"
        fits, several, most = one(
            schema.con,
            f"""
            SELECT bool_and({x} IS NULL OR ({x} BETWEEN 0 AND 999 AND {x} = trunc({x}))),
                count(*) FILTER ({x} > 1),
                count(DISTINCT {x}) < 2 OR count(DISTINCT {x}) < count(*)
            FROM {lines}
            """,
        )
        running = one(
            schema.con,
            f"SELECT bool_and(step = 1) FROM (SELECT {x} - lag({x}) OVER (ORDER BY row_number) "
            f"AS step FROM {lines}) WHERE step IS NOT NULL",
        )[0]
        if fits and several and not (running and not most):
            return _problems(
                schema,
                f"""
                SELECT order_row AS row_number,
                    {sql.quote(f'the weight is that of a unit; "{column.name}" may count units')}
                        AS problem
                FROM {lines}
                WHERE {x} <> 1
                GROUP BY order_row
                """,
                selected,
                f'Name the quantity: map(columns={{"quantity": "{column.name}"}}). If each row '
                f'is one unit: map(ignore=["{column.name}"]).',
                "quantity_missing",
                "error",
            )
    if ignored:
        return problems_table()
    return _problems(
        schema,
        f"""
        SELECT min(row_number) AS row_number, 'the weight is that of a unit, and no column counts '
            'the units: one unit is assumed for each row' AS problem
        FROM {selected.sql}
        """,
        selected,
        'Name the quantity: map(columns={"quantity": "<heading>"}). If the weight is that of the '
        'row: map(weights="line").',
        "quantity_missing",
        "warning",
    )
