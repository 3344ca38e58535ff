"""The rows that wait because a column asks for what is not done, and columns that are not used.

The account (:mod:`shipkit.orders.column_account`) says which columns these are; here their cells
are read, in SQL over all lines.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple, TypeVar

import duckdb
import pyarrow as pa

from shipkit.common.customs_borders import is_customs_border
from shipkit.common.places import country_code, country_codes
from shipkit.common.relation import Relation
from shipkit.common.sql import one, quoted
from shipkit.common.words import listed, plural
from shipkit.orders.carrier_columns import carrier_cells_sql
from shipkit.orders.column_account import ColumnUse
from shipkit.orders.expressions import quote, trimmed
from shipkit.orders.filters.carrier_filters import carriers_named_sql, names_only_a_carrier_sql
from shipkit.orders.instructions import Instruction
from shipkit.orders.option_cells import CellsThatAsk, may_ask
from shipkit.schema import PROBLEMS, problems_table

__all__ = ["HOME", "TODAY", "instruction_problems", "unread_columns", "unread_text", "ways_out"]


def instruction_problems(
    con: duckdb.DuckDBPyConnection,
    uses: Sequence[ColumnUse],
    selection: Relation,
    lines: Relation,
    street: str | None,
    country: str | None,
) -> pa.Table:
    """Return the problems of columns that ask for what is not done.

    An error is a problem of each order that asks; a warning is one problem at the first of them.

    Parameters
    ----------
    selection
        The orders, with the numbers of their lines in ``row_numbers``.
    lines
        All lines: an order may be asked about in any of them.
    street, country
        Keys of the columns with the street and the country, None without one.
    """
    row = _RowCells(street, country)
    if country is not None and any(use.asks is not None and use.asks.abroad for use in uses):
        row = row._replace(home=_cells_at_home(con, country, lines))
    alike: dict[Instruction, list[ColumnUse]] = {}
    for use in uses:
        if use.asks is not None and use.key in lines.columns:
            alike.setdefault(use.asks, []).append(use)
    asking = [
        _asking_of(use, asks, row)
        for asks, columns in alike.items()
        if len(columns) < _ALIKE
        for use in columns
    ]
    asking += _of_carriers([use for use in uses if use.key in lines.columns])
    found: list[object] = []
    for few in _in_parts(asking):
        found += one(con, f"SELECT {', '.join(each.any_sql(lines) for each in few)}")
    filled: list[_Asking | _AlikeAsking] = [
        each for each, any_asks in zip(asking, found, strict=True) if any_asks
    ]
    for asks, columns in alike.items():
        if len(columns) >= _ALIKE:
            filled += _alike_asking(con, asks, columns, row, lines)
    filled += _cells_asking(con, [use for use in uses if use.key in lines.columns], lines)
    if not filled:
        return problems_table()
    parts = [_problems_of(con, few, selection, lines) for few in _in_parts(filled)]
    return parts[0] if len(parts) == 1 else pa.concat_tables(parts).sort_by("row_number")


def _problems_of(
    con: duckdb.DuckDBPyConnection,
    asking: Sequence[_Asking | _AlikeAsking],
    selection: Relation,
    lines: Relation,
) -> pa.Table:
    """Return the problems of the orders that ask."""
    asked = " UNION ALL ".join(each.sql(lines) for each in asking)
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


class _Asking(NamedTuple):
    """What a column asks for that is not done, and SQL of which lines do."""

    key: str
    problem: str
    fix: str
    severity: str
    condition: str
    cells: tuple[str, ...] = ()
    """Keys of the columns that the condition reads, where cells repeat; else all lines are."""

    def any_sql(self, lines: Relation) -> str:
        """Return SQL of whether any line asks.

        What reads columns of options is asked of their different cells: they are few, and the
        pattern is long.
        """
        keys = ", ".join(map(quoted, self.cells))
        rows = f"(SELECT DISTINCT {keys} FROM {lines.sql})" if keys else lines.sql
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


class _RowCells(NamedTuple):
    """The columns of a row that say whether a cell of another one asks for something.

    ``home`` are the cells of the country to which goods go without papers for customs.
    """

    street: str | None = None
    country: str | None = None
    home: tuple[str, ...] = ()

    @property
    def street_sql(self) -> str:
        return "NULL" if self.street is None else quoted(self.street)

    @property
    def country_sql(self) -> str:
        return "NULL" if self.country is None else quoted(self.country)

    @property
    def renamed(self) -> _RowCells:
        """The same columns by the names that :meth:`_AlikeAsking.cells_sql` gives them."""
        return _RowCells(
            None if self.street is None else "street",
            None if self.country is None else "country",
            self.home,
        )


def _cells_at_home(
    con: duckdb.DuckDBPyConnection, country: str, lines: Relation
) -> tuple[str, ...]:
    """Return the different cells of the country that are on this side of the customs border."""
    (own,) = con.execute(f"SELECT getvariable('{HOME}')::VARCHAR").fetchall()[0]
    if own is None:
        return ()
    cell = f"{quoted(country)}::VARCHAR"
    found = con.execute(
        f"SELECT DISTINCT {cell} FROM {lines.sql} WHERE {cell} IS NOT NULL ORDER BY 1"
    ).fetchall()
    known = set(country_codes().values())
    return tuple(
        text
        for (text,) in found
        if text.strip()
        and (code := country_code(text.strip())) in known
        and not is_customs_border((own, ""), (code, ""))
    )


_ALIKE: Final = 6
"""From so many columns on that ask for the same, their cells are read as one column.

A statement with a condition of its own for each of 300 columns took DuckDB 12 s to prepare.
"""


class _AlikeAsking(NamedTuple):
    """What several columns ask for that is not done, and SQL of which of their cells do."""

    each: tuple[_Asking, ...]
    condition: str
    row: _RowCells

    def cells_sql(self, lines: Relation) -> str:
        """Return the query of the cells that ask, with their column's place from 1 on."""
        texts = ", ".join(f"{quoted(one.key)}::VARCHAR" for one in self.each)
        return f"""
            SELECT row_number, place, cell
            FROM (
                SELECT
                    row_number,
                    {self.row.street_sql} AS street,
                    {self.row.country_sql} AS country,
                    unnest([{texts}]) AS cell,
                    unnest(range(1, {len(self.each) + 1})) AS place
                FROM {lines.sql}
            )
            WHERE {self.condition}
        """

    def sql(self, lines: Relation) -> str:
        """Return the query of the lines that ask, as :meth:`_Asking.sql` does."""
        fields, problems, fixes = (
            f"[{', '.join(map(quote, texts))}][place]"
            for texts in zip(*((one.key, one.problem, one.fix) for one in self.each), strict=True)
        )
        return f"""
            SELECT
                row_number AS line,
                {fields} AS field,
                cell AS value,
                {problems} AS problem,
                {fixes} AS fix,
                {quote(self.each[0].severity)} AS severity
            FROM ({self.cells_sql(lines)})
        """


def _asking_of(use: ColumnUse, asks: Instruction, row: _RowCells) -> _Asking:
    """Return what a column asks for."""
    return _Asking(
        use.key,
        f'the column "{use.name}" looks like {asks.what}, and it is not used',
        ways_out(use.name, asks),
        asks.severity,
        _asks_sql(use.key, asks, row),
    )


def _alike_asking(
    con: duckdb.DuckDBPyConnection,
    asks: Instruction,
    columns: Sequence[ColumnUse],
    row: _RowCells,
    lines: Relation,
) -> list[_AlikeAsking]:
    """Return what columns that ask for the same do ask for, where cells of them do."""
    all_of_them = _AlikeAsking(
        tuple(_asking_of(use, asks, row) for use in columns),
        _asks_sql("cell", asks, row.renamed),
        row,
    )
    cells = f"SELECT DISTINCT place FROM ({all_of_them.cells_sql(lines)}) ORDER BY place"
    asking = tuple(all_of_them.each[place - 1] for (place,) in con.execute(cells).fetchall())
    return [all_of_them._replace(each=asking)] if asking else []


def _cells_asking(
    con: duckdb.DuckDBPyConnection, uses: Sequence[ColumnUse], lines: Relation
) -> list[_Asking]:
    """Return what cells ask for, of the columns in which one does.

    A wide file has a thousand columns whose cells may ask for a dozen things, and nearly never do:
    one statement finds the columns in which a cell asks.
    """
    alike: dict[tuple[CellsThatAsk, ...], list[ColumnUse]] = {}
    for use in uses:
        if use.cells:
            alike.setdefault(use.cells, []).append(use)
    asking = []
    for kinds, columns in alike.items():
        texts = ", ".join(f"{quoted(use.key)}::VARCHAR" for use in columns)
        asks = ", ".join(f"coalesce(bool_or({kind.condition('cell')}), false)" for kind in kinds)
        found = con.execute(f"""
            SELECT place, [{asks}]
            FROM (
                SELECT DISTINCT place, {trimmed("cell")} AS cell
                FROM (
                    SELECT place, lower(cell) AS cell
                    FROM (
                        SELECT unnest([{texts}]) AS cell, unnest(range({len(columns)})) AS place
                        FROM {lines.sql}
                    )
                )
                WHERE {may_ask(kinds, "cell")}
            )
            GROUP BY place
            ORDER BY place
        """).fetchall()
        asking += [
            _Asking(
                (use := columns[place]).key,
                kind.problem(use.name),
                kind.fix(use.name),
                kind.asks.severity,
                f"coalesce({kind.condition(_lowered(use.key))}, false)",
            )
            for place, which in found
            for kind, does in zip(kinds, which, strict=True)
            if does
        ]
    return asking


_AT_A_TIME: Final = 50
"""Questions in one statement: DuckDB takes a time for it that grows with their square."""

_Part = TypeVar("_Part")


def _in_parts(given: Sequence[_Part]) -> Iterator[Sequence[_Part]]:
    return (given[at : at + _AT_A_TIME] for at in range(0, len(given), _AT_A_TIME))


TODAY: Final = "shipkit_today"
"""The variable of the database that has the shipper's local day."""

HOME: Final = "shipkit_home"
"""The variable of the database that has the code of the shipper's country."""


_DAYS: Final = ("%Y-%m-%d", "%m/%d/%Y", "%d.%m.%Y", "%d/%m/%Y", "%Y/%m/%d", "%d-%m-%Y")


_NO_BLANKS: Final = "|".join(
    rf"\p{{{script}}}"
    for script in ("Han", "Hangul", "Hiragana", "Katakana", "Thai", "Lao", "Khmer", "Myanmar")
)
"""Letters of scripts that write words without a blank between them."""

_STREET_NAME: Final = (
    r"[^ ]+ (st|street|ave|avenue|rd|road|blvd|boulevard|dr|drive|ln|lane|ct|court|hwy|highway|way"
    "|pl|place|pike|pkwy|parkway|ter|terrace|cir|circle|sq|square) "
)
"""The word before that of a street: "Main St" names no town called Main."""


def _names_sql(street: str, district: str) -> str:
    """Return SQL of whether a street names a district, both in small letters.

    It has the whole words, and not as the name of the street: "12 Manchester Rd" names no village
    called Man, and "12 Main St" no township called Main.
    """
    own, given = (
        rf"' ' || trim(regexp_replace({text}, '[^\pL\pM\pN]+', ' ', 'g')) || ' '"
        for text in (district, street)
    )
    named = f"regexp_replace({given}, '{_STREET_NAME}', '\\1 ', 'g')"
    without_blanks = f"regexp_matches({district}, '{_NO_BLANKS}')"
    return (
        f"CASE WHEN NOT contains({street}, {district}) AND NOT contains({given}, {own}) THEN false "
        f"WHEN {without_blanks} THEN true ELSE contains({named}, {own}) END"
    )


_CODE: Final = r"\S{1,4}|[0-9 ./-]+|[A-Z0-9._/-]{1,7}"
"""A cell that may be the code of a region: "4B", "48113", "TX-01"."""


_AMOUNT: Final = r"\pS? ?[0-9]{1,5}(?:[.,][0-9]{1,3})*(?: ?(?:\pS|%|[a-z]{2,3}))?"
"""An amount of money or a percentage; numbers of carriers' accounts have six digits and more."""


_ZERO: Final = (
    r"(?:[a-z]{0,3}\p{Sc} ?|[a-z]{3} )?[-+]?0+(?:[.,]0+)?(?: ?(?:%|\p{Sc}|[a-z]{1,4}\.?))?"
)
"""An amount or a measure of nothing: "$0.00", "0,00 €", "0 lb"."""


def _asks_sql(key: str, asks: Instruction, row: _RowCells) -> str:
    """Return SQL that is true of a line whose cell holds more than a neutral value."""
    street = row.street
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
    if asks.in_street and street is not None:
        given = f"lower(coalesce({quoted(street)}::VARCHAR, ''))"
        where = f"NOT (regexp_matches({text}, '\\pL{{2}}') AND {_names_sql(given, text)})"
    if asks.no_amounts:
        where += f" AND NOT regexp_full_match({text}, {quote(_AMOUNT)})"
    if asks.abroad and row.country is not None and row.home:
        home = ", ".join(map(quote, row.home))
        where += f" AND coalesce({quoted(row.country)}::VARCHAR NOT IN ({home}), true)"
    if asks.unlike_code:
        where += f" AND NOT regexp_full_match({trimmed(f'{quoted(key)}::VARCHAR')}, '{_CODE}')"
    if asks.future:
        formats = ", ".join(quote(form) for form in _DAYS)
        day = (
            f"coalesce(TRY_CAST({text} AS DATE), try_strptime(left({text}, 10), [{formats}])::DATE)"
        )
        # Set for each mapping, because it is the shipper's local day and not that of the machine.
        where = f"coalesce({day} > coalesce(getvariable('{TODAY}')::DATE, current_date), true)"
    if not asks.place:  # "0B" may be an apartment
        where += f" AND NOT regexp_full_match({text}, {quote(_ZERO)})"
    return (
        f"coalesce({where} AND {text} <> '' AND NOT list_contains([{neutral}], {text}) "
        f"AND coalesce(TRY_CAST({text} AS DOUBLE), 1) <> 0, false)"
    )


def _lowered(key: str) -> str:
    return f"lower({trimmed(f'{quoted(key)}::VARCHAR')})"


def _of_carriers(uses: Sequence[ColumnUse]) -> list[_Asking]:
    """Return which cells of carriers hold their rows: none is known, or two columns differ."""
    names = {use.key: json.dumps(use.name, ensure_ascii=False) for use in uses}
    found = []
    for use in uses:
        if not (use.carriers or use.may_be_carrier):
            continue  # the SQL of carriers is long, and nearly no column needs it
        name, cell = names[use.key], f"{quoted(use.key)}::VARCHAR"
        own = carriers_named_sql(cell)
        if use.may_be_carrier and not use.carriers:
            problem = f"{name} names a carrier, and is read as the recipient's company"
            fix = (
                'Call the column "Carrier", or say that it is the company: '
                f'map(columns={{"company": {name}}}).'
            )
            condition = names_only_a_carrier_sql(cell)
            found.append(_Asking(use.key, problem, fix, "error", condition, (use.key,)))
        if use.carriers and not use.may_be_carrier:
            problem = f"the column {name} does not name one carrier that is known"
            fix = (
                "Write the carrier's usual name (UPS, FedEx). Or set the column aside, where the "
                f"services are right without it: map(ignore=[{name}])."
            )
            condition = f"coalesce({own} <> 1, false)"
            found.append(_Asking(use.key, problem, fix, "error", condition, (use.key,)))
        if len(use.carriers) > 1:
            problem = f"{name} names another carrier than {names[use.carriers[0]]}"
            fix = f"Correct one of them, or set one aside: map(ignore=[{name}])."
            joined = carriers_named_sql(carrier_cells_sql(use.carriers))
            condition = f"coalesce({own} = 1 AND {joined} > 1, false)"
            cells = tuple(dict.fromkeys((use.key, *use.carriers)))
            found.append(_Asking(use.key, problem, fix, "error", condition, cells))
    return found


def unread_columns(
    con: duckdb.DuckDBPyConnection, uses: Sequence[ColumnUse], lines: Relation
) -> list[str]:
    """Return the headings of columns that are not understood and hold more than neutral cells."""
    open_uses = [use for use in uses if use.use == "not understood"]
    if not open_uses:
        return []
    counts = (
        _unread_sql(use, lines)
        if use.asks is None
        else f"count(*) FILTER ({_asks_sql(use.key, use.asks, _RowCells())})"
        for use in open_uses
    )
    found = one(con, f"SELECT {', '.join(counts)} FROM {lines.sql}")
    return [use.name for use, count in zip(open_uses, found, strict=True) if count]


def _unread_sql(use: ColumnUse, lines: Relation) -> str:
    """Return SQL of how many cells of a column are not understood."""
    key = quoted(use.key)
    if not use.carriers:
        return f"count({key})"
    unread = f"coalesce({carriers_named_sql(f'{key}::VARCHAR')} <> 1, true)"
    cells = f"SELECT {key}, count({key}) AS its_count FROM {lines.sql} GROUP BY {key}"
    return f"(SELECT coalesce(sum(its_count) FILTER ({unread}), 0) FROM ({cells}))"


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
