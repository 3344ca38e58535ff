"""The account of columns: what becomes of each column of a source.

A column is used, carried (it says nothing about the parcel), ignored by the user, or not
understood. One that is not used and looks like an instruction ("House Number", "Hazmat") holds its
rows where it is filled (:mod:`shipkit.orders.instructions`). The words of columns that are carried
are in ``data/words/carried.toml``.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Final, NamedTuple

import duckdb
import pyarrow as pa

from shipkit.common.relation import Relation
from shipkit.common.sql import one, quoted
from shipkit.common.words import listed, plural
from shipkit.orders.address_columns import by_place
from shipkit.orders.columns import WEIGHT_PARTS, Column
from shipkit.orders.expressions import quote, trimmed
from shipkit.orders.fields import recognise
from shipkit.orders.filters.carrier_filters import (
    BETWEEN_CELLS,
    carriers_named_sql,
    names_only_a_carrier_sql,
)
from shipkit.orders.heading_meaning import names_money
from shipkit.orders.heading_text import heading_words, phrase, word_file
from shipkit.orders.heading_words import vocabulary
from shipkit.orders.instructions import (
    Instruction,
    instruction_of,
    part_of_address,
    payer_by_terms,
)
from shipkit.orders.layouts import LayoutMatch
from shipkit.orders.option_cells import CellsThatAsk, cells_that_ask
from shipkit.schema import PROBLEMS, problems_table

__all__ = [
    "CARRIER_OF_SERVICE",
    "TODAY",
    "ColumnUse",
    "account",
    "carrier_cells_sql",
    "instruction_problems",
    "may_name_a_carrier",
    "names_a_carrier",
    "unread_columns",
    "unread_text",
    "ways_out",
]


CARRIER_OF_SERVICE: Final = "carrier_of_service"
"""The role of a column whose cells name the carriers of the services next to them."""


@dataclass(frozen=True)
class ColumnUse:
    """What becomes of a column.

    Parameters
    ----------
    name, key
        Its heading and its key.
    use
        ``used``, ``carried``, ``ignored`` or ``not understood``.
    asks
        What it asks for, where it looks like an instruction that is not followed.
    """

    name: str
    key: str
    use: str
    asks: Instruction | None = None
    cells: tuple[CellsThatAsk, ...] = ()
    """What its cells may ask for, whatever its heading says."""
    carriers: tuple[str, ...] = ()
    """Keys of columns whose cells name the carriers of the services, where it is the last one."""
    may_be_carrier: bool = False
    """Whether its heading may be that of a carrier or of another thing: "Ship By"."""


def account(
    columns: Sequence[Column],
    used: Collection[str],
    ignored: Collection[str],
    layout: LayoutMatch | None,
    *,
    roles: Collection[str] = (),
    address: Collection[str] = (),
    states: Collection[str] = (),
    one_service: bool = False,
    carriers: Sequence[str] = (),
    companies: Collection[str] = (),
) -> list[ColumnUse]:
    """Return the use of each column.

    Parameters
    ----------
    used
        Keys of columns that feed a field, or are asked about.
    ignored
        Headings or keys that the user set aside.
    roles
        Roles that a column fills, so that another column of one ("State Name" next to "State
        Code") adds nothing.
    address
        Keys of the columns that the recipient's address is made of.
    states
        Keys of the columns that say what became of an order; they are no part of an address,
        wherever they are.
    one_service
        Whether one service was set for all rows, so that no column is asked for it.
    carriers
        Keys of the columns whose cells name the carriers of the services.
    companies
        Keys of columns of a company, whose headings may mean the carrier: "Delivery Company".
    """
    mentioned = _mentioned(layout)
    known = {phrase(heading) for heading in (layout.layout.carried if layout else ())}
    priced = names_money([column.name for column in columns])
    made = []
    for column in columns:
        if column.name in ignored or column.key in ignored:
            made.append(ColumnUse(column.name, column.key, "ignored"))
        elif phrase(column.name) in known:
            made.append(ColumnUse(column.name, column.key, "carried"))
        elif column.key in used or phrase(column.name) in mentioned:
            made.append(ColumnUse(column.name, column.key, "used", _asks_too(column, roles)))
        else:
            made.append(_not_used(column, roles, one_service=one_service, priced=priced))
        if column.key in companies:
            made[-1] = replace(made[-1], may_be_carrier=True)
        if column.key in carriers:
            made[-1] = replace(
                made[-1],
                carriers=tuple(carriers[: carriers.index(column.key) + 1]),
                may_be_carrier=not names_a_carrier(column.name),
            )
    placed = _placed(columns, made, address, states)
    return [
        replace(
            use,
            cells=_cells(
                column,
                use,
                {*roles, *(_ALSO_STATES if use.key in states else ())},
                one_service=one_service,
            ),
        )
        for column, use in zip(columns, placed, strict=True)
    ]


_ALSO_STATES: Final = ("access_point_id",)
"""Roles that settle what the states of orders say of a cell, too: one problem is enough."""


def _cells(
    column: Column, use: ColumnUse, roles: Collection[str], *, one_service: bool
) -> tuple[CellsThatAsk, ...]:
    """Return what cells may ask for, of a column that is not used and holds no row by itself."""
    set_aside = column.role == "service" and one_service
    holds = use.asks is not None and use.asks.severity == "error"
    # What is sold is used for customs, and may name what carriers have rules for.
    asked = set_aside or column.role in ("item_name", "description", "parcel_description")
    if use.use == "ignored" or holds or (use.use == "used" and not asked):
        return ()
    found = cells_that_ask(column.name, roles)
    # A service that was set for all rows answers for what its cells ask of the delivery.
    of_service = {"saturday_delivery", "signature", "cod_amount"}
    return tuple(each for each in found if not set_aside or each.role not in of_service)


def _placed(
    columns: Sequence[Column],
    uses: Sequence[ColumnUse],
    address: Collection[str],
    states: Collection[str],
) -> list[ColumnUse]:
    """Return the uses, with what columns ask for that only their place tells."""
    unread = [
        column
        for column, use in zip(columns, uses, strict=True)
        if use.asks is None
        and use.key not in states
        and (use.use == "not understood" or _may_be_placed(column, use))
    ]
    found = by_place(columns, address, unread) if unread and address else {}
    return [
        replace(use, use="not understood", asks=found[use.key]) if use.key in found else use
        for use in uses
    ]


def _may_be_placed(column: Column, use: ColumnUse) -> bool:
    """Return whether a column that says nothing of the parcel may be a part of the address."""
    words = word_file("carried")["unless_next_to_a_street"]
    return use.use == "carried" and phrase(column.name) in words


def _not_used(
    column: Column, roles: Collection[str], *, one_service: bool, priced: bool
) -> ColumnUse:
    asks = instruction_of(column.name)
    if asks is not None and asks.or_money and priced:
        asks = replace(asks, severity="warning")
    settled = asks is not None and (
        (one_service and asks.unless_service) or asks.unless_role.intersection(roles)
    )
    if asks is not None and not settled:
        return ColumnUse(column.name, column.key, "not understood", asks)
    if column.role == "zip_plus_4":
        return ColumnUse(column.name, column.key, "carried")
    if column.role in ("house_number", "house_number_addition"):
        return ColumnUse(column.name, column.key, "not understood", part_of_address())
    carried = asks is not None or _is_carried(column, roles)
    return ColumnUse(column.name, column.key, "carried" if carried else "not understood")


def _asks_too(column: Column, roles: Collection[str]) -> Instruction | None:
    """Return what a column that is used asks for beyond its use."""
    if column.role != "customs_terms":
        return None
    asks = payer_by_terms()
    return None if asks.unless_role.intersection(roles) else asks


def names_a_carrier(heading: str) -> bool:
    """Return whether a heading is that of a carrier."""
    found = instruction_of(heading)
    return found is not None and found.names_carrier


def may_name_a_carrier(heading: str) -> bool:
    """Return whether a heading may be that of a carrier: "Ship By" is one, or a day."""
    return phrase(heading) in {phrase(each) for each in word_file("carriers")["may_be_headings"]}


def _mentioned(layout: LayoutMatch | None) -> set[str]:
    """Return the phrases of headings that the layout reads, in fields, notices or rules."""
    if layout is None:
        return set()
    given = layout.layout
    return {
        phrase(heading)
        for heading in (
            *(option for options in given.fields.values() for option in options),
            *(notice.heading for notice in given.notices),
            *given.not_shipped,
            *given.required,
            *given.order_key,
        )
    }


def _is_carried(column: Column, roles: Collection[str]) -> bool:
    words = heading_words(column.name)
    return bool(
        column.role not in (None, "weight_part")
        or vocabulary().others.intersection(words)
        or _carried_words().intersection(words)
        or {*recognise([column.name]).roles}.intersection(roles).difference(_PARTS)
    )


_PARTS: Final = frozenset(
    {
        *("address_line1", "address_line2", "address_line3"),
        *("house_number", "house_number_addition"),
        *("weight", *WEIGHT_PARTS.values()),
    }
)
"""Roles whose second column may be another part of it, and no other spelling of the first."""


@cache
def _carried_words() -> frozenset[str]:
    return frozenset(word for text in word_file("carried")["words"] for word in heading_words(text))


def instruction_problems(
    con: duckdb.DuckDBPyConnection,
    uses: Sequence[ColumnUse],
    selection: Relation,
    lines: Relation,
    street: str | None,
) -> pa.Table:
    """Return the problems of columns that ask for what is not done.

    An error is a problem of each order that asks; a warning is one problem at the first of them.

    Parameters
    ----------
    selection
        The orders, with the numbers of their lines in ``row_numbers``.
    lines
        All lines: an order may be asked about in any of them.
    street
        Key of the column with the street, None without one.
    """
    asking = [
        _Asking(
            use.key,
            f'the column "{use.name}" looks like {use.asks.what}, and it is not used',
            ways_out(use.name, use.asks),
            use.asks.severity,
            _asks_sql(use.key, use.asks, street),
        )
        for use in uses
        if use.asks is not None and use.key in lines.columns
    ]
    asking += [
        _Asking(
            use.key,
            each.problem(use.name),
            each.fix(use.name),
            each.asks.severity,
            f"coalesce({each.condition(_lowered(use.key))}, false)",
            by_cell=True,
        )
        for use in uses
        for each in use.cells
        if use.key in lines.columns
    ]
    asking += _of_carriers([use for use in uses if use.key in lines.columns])
    if not asking:
        return problems_table()
    found = one(con, f"SELECT {', '.join(each.any_sql(lines) for each in asking)}")
    filled = [each for each, any_asks in zip(asking, found, strict=True) if any_asks]
    if not filled:
        return problems_table()
    asked = " UNION ALL ".join(each.sql(lines) for each in filled)
    return (
        con.sql(f"""
        WITH asked AS (
            {asked}
        ),
        owners AS (
            SELECT row_number, unnest(row_numbers) AS line
            FROM {selection.sql}
        ),
        orders AS (
            SELECT
                owners.row_number,
                asked.* EXCLUDE (line, value),
                min(asked.value) AS value
            FROM asked
            JOIN owners USING (line)
            GROUP BY ALL
        ),
        counted AS (
            SELECT *, count(*) OVER (PARTITION BY field, problem) AS many
            FROM orders
            QUALIFY severity = 'error'
                OR row_number() OVER (PARTITION BY field, problem ORDER BY row_number) = 1
        )
        SELECT
            row_number,
            field,
            value,
            problem || CASE
                WHEN severity = 'error' OR many = 1 THEN ''
                ELSE format(' (in {{:,}} orders)', many)
            END AS problem,
            fix,
            severity,
            'column_not_understood' AS code
        FROM counted
        ORDER BY ALL
        """)
        .to_arrow_table()
        .cast(PROBLEMS)
    )


TODAY: Final = "shipkit_today"
"""The variable of the database that has the shipper's local day."""

_DAYS: Final = ("%Y-%m-%d", "%m/%d/%Y", "%d.%m.%Y", "%d/%m/%Y", "%Y/%m/%d", "%d-%m-%Y")


_CODE: Final = r"\S{1,4}|[0-9 ./-]+|[A-Z0-9._/-]{1,7}"
"""A cell that may be the code of a region: "4B", "48113", "TX-01"."""


def _lowered(key: str) -> str:
    return f"lower({trimmed(f'{quoted(key)}::VARCHAR')})"


def _asks_sql(key: str, asks: Instruction, street: str | None) -> str:
    """Return SQL that is true of a line whose cell holds more than a neutral value."""
    text = _lowered(key)
    neutral = ", ".join(quote(word) for word in asks.neutral)
    where = "true"
    if asks.street_without_number and street is not None:
        where = f"NOT regexp_matches(coalesce({quoted(street)}::VARCHAR, ''), '[0-9]')"
    if asks.unlike_street and street is not None:
        given = f"lower(coalesce({quoted(street)}::VARCHAR, ''))"
        where = (
            f"NOT contains(' ' || {given} || ' ', ' ' || {text} || ' ') "
            f"AND NOT ({given} <> '' AND contains({text}, {given}))"
        )
    if asks.unlike_code:
        where += f" AND NOT regexp_full_match({trimmed(f'{quoted(key)}::VARCHAR')}, '{_CODE}')"
    if asks.future:
        formats = ", ".join(quote(form) for form in _DAYS)
        day = (
            f"coalesce(TRY_CAST({text} AS DATE), try_strptime(left({text}, 10), [{formats}])::DATE)"
        )
        # Set for each mapping, because it is the shipper's local day and not that of the machine.
        where = f"coalesce({day} > coalesce(getvariable('{TODAY}')::DATE, current_date), true)"
    return (
        f"coalesce({where} AND {text} <> '' AND NOT list_contains([{neutral}], {text}) "
        f"AND coalesce(TRY_CAST({text} AS DOUBLE), 1) <> 0, false)"
    )


class _Asking(NamedTuple):
    """What a column asks for that is not done, and SQL of which lines do."""

    key: str
    problem: str
    fix: str
    severity: str
    condition: str
    by_cell: bool = False
    """Whether the condition reads this column alone."""

    def any_sql(self, lines: Relation) -> str:
        """Return SQL of whether any line asks.

        What reads one column is asked of its different cells: they are few in a column of options,
        and the pattern is long.
        """
        rows = (
            f"(SELECT DISTINCT {quoted(self.key)} FROM {lines.sql})" if self.by_cell else lines.sql
        )
        # Not a WHERE: that would be pushed below the DISTINCT, to all lines.
        return f"(SELECT bool_or({self.condition}) FROM {rows})"

    def sql(self, lines: Relation) -> str:
        """Return the query of the lines that ask."""
        return f"""
            SELECT
                row_number AS line,
                {quote(self.key)} AS field,
                {quoted(self.key)}::VARCHAR AS value,
                {quote(self.problem)} AS problem,
                {quote(self.fix)} AS fix,
                {quote(self.severity)} AS severity
            FROM {lines.sql}
            WHERE {self.condition}
        """


def _of_carriers(uses: Sequence[ColumnUse]) -> list[_Asking]:
    """Return which cells of carriers hold their rows: none is known, or two columns differ."""
    names = {use.key: json.dumps(use.name, ensure_ascii=False) for use in uses}
    found = []
    for use in uses:
        name, cell = names[use.key], f"{quoted(use.key)}::VARCHAR"
        own = carriers_named_sql(cell)
        if use.may_be_carrier and not use.carriers:
            problem = f"{name} names a carrier, and is read as the recipient's company"
            fix = (
                'Call the column "Carrier", or say that it is the company: '
                f'map(columns={{"company": {name}}}).'
            )
            condition = names_only_a_carrier_sql(cell)
            found.append(_Asking(use.key, problem, fix, "error", condition, by_cell=True))
        if use.carriers and not use.may_be_carrier:
            problem = f"the column {name} does not name one carrier that is known"
            fix = (
                "Write the carrier's usual name (UPS, FedEx). Or set the column aside, where the "
                f"services are right without it: map(ignore=[{name}])."
            )
            condition = f"coalesce({own} <> 1, false)"
            found.append(_Asking(use.key, problem, fix, "error", condition, by_cell=True))
        if len(use.carriers) > 1:
            problem = f"{name} names another carrier than {names[use.carriers[0]]}"
            fix = f"Correct one of them, or set one aside: map(ignore=[{name}])."
            joined = carriers_named_sql(carrier_cells_sql(use.carriers))
            condition = f"coalesce({own} = 1 AND {joined} > 1, false)"
            found.append(_Asking(use.key, problem, fix, "error", condition))
    return found


def carrier_cells_sql(keys: Sequence[str]) -> str:
    """Return SQL of the cells of several columns, as :func:`of_carrier` reads them."""
    cells = [f"coalesce({quoted(key)}::VARCHAR, '')" for key in keys]
    return f"({f' || {quote(BETWEEN_CELLS)} || '.join(cells)})"


def unread_columns(
    con: duckdb.DuckDBPyConnection, uses: Sequence[ColumnUse], lines: Relation
) -> list[str]:
    """Return the headings of columns that are not understood and hold more than neutral cells."""
    open_uses = [use for use in uses if use.use == "not understood"]
    if not open_uses:
        return []
    counts = (
        _unread_sql(use)
        if use.asks is None
        else f"count(*) FILTER ({_asks_sql(use.key, use.asks, None)})"
        for use in open_uses
    )
    found = one(con, f"SELECT {', '.join(counts)} FROM {lines.sql}")
    return [use.name for use, count in zip(open_uses, found, strict=True) if count]


def _unread_sql(use: ColumnUse) -> str:
    """Return SQL of how many cells of a column are not understood."""
    key = quoted(use.key)
    if not use.carriers:
        return f"count({key})"
    return f"count({key}) FILTER (coalesce({carriers_named_sql(f'{key}::VARCHAR')} <> 1, true))"


def unread_text(headings: Sequence[str]) -> str:
    """Return what a person should know of filled columns that are not understood.

    Examples
    --------
    >>> unread_text(["Tower"])
    '"Tower" is not understood and not used. Use it: map(columns={"<field>": "Tower"}). Set it \
aside: map(ignore=["Tower"]). Or place it with a template.'
    """
    names = listed([json.dumps(name, ensure_ascii=False) for name in headings], most=8)
    are = plural(len(headings), "is", "are")
    return f"{names} {are} not understood and not used. {ways_out(headings[0])}"


def ways_out(heading: str, asks: Instruction | None = None) -> str:
    """Return the three ways out for a column that is not used, in one wording for all surfaces.

    Examples
    --------
    >>> ways_out("Tower")
    'Use it: map(columns={"<field>": "Tower"}). Set it aside: map(ignore=["Tower"]). Or place it \
with a template.'
    """
    field = asks.field if asks and asks.field else "<field>"
    name = json.dumps(heading, ensure_ascii=False)
    if asks is not None and asks.fix is not None:
        return asks.fix.replace("{name}", name)
    used = (
        f'map(references={{"reference": {name}}})'
        if field == "references"
        else f'map(columns={{"{field}": {name}}})'
    )
    return f"Use it: {used}. Set it aside: map(ignore=[{name}]). Or place it with a template."
