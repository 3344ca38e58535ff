"""The account of columns: what becomes of each column of a source.

A column is used, carried (it says nothing about the parcel), ignored by the user, or not
understood. One that is not used and looks like an instruction ("House Number", "Hazmat") holds its
rows where it is filled. Its words are in ``data/words/instructions.toml``, those of columns that
are carried in ``carried.toml``.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cache

import duckdb
import pyarrow as pa

from shipkit.common.relation import Relation
from shipkit.common.sql import one, quoted
from shipkit.orders.expressions import quote, trimmed
from shipkit.orders.fields import Column, phrase, without_note
from shipkit.orders.heading_words import vocabulary, word_file
from shipkit.orders.layouts import LayoutMatch
from shipkit.schema import PROBLEMS, problems_table

__all__ = ["ColumnUse", "Instruction", "account", "instruction_of", "instruction_problems"]


@dataclass(frozen=True)
class Instruction:
    """Something that a column may ask for.

    Parameters
    ----------
    what
        What it asks for, in words.
    whole, part
        Headings that ask for it, and words that do so anywhere in a heading.
    unless
        Words that make a heading with one of `part` another thing.
    neutral
        Cells that ask for nothing, in lower case.
    field
        The field of a shipment that a person may name for it.
    place
        Whether it is a part of an address, and so belongs to a party.
    street_without_number
        Whether it only counts in rows whose street has no digit.
    """

    what: str
    whole: frozenset[str]
    part: tuple[str, ...]
    unless: frozenset[str]
    neutral: tuple[str, ...]
    field: str | None
    place: bool
    street_without_number: bool


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
        What it asks for, where it is not understood and looks like an instruction.
    """

    name: str
    key: str
    use: str
    asks: Instruction | None = None


def account(
    columns: Sequence[Column],
    used: Collection[str],
    ignored: Collection[str],
    layout: LayoutMatch | None,
) -> list[ColumnUse]:
    """Return the use of each column.

    Parameters
    ----------
    used
        Keys of columns that feed a field, or are asked about.
    ignored
        Headings or keys that the user set aside.
    """
    mentioned = _mentioned(layout)
    made = []
    for column in columns:
        asks = None
        if column.name in ignored or column.key in ignored:
            use = "ignored"
        elif column.key in used or phrase(column.name) in mentioned:
            use = "used"
        else:
            asks = instruction_of(column.name)
            use = "not understood" if asks or not _is_carried(column) else "carried"
        made.append(ColumnUse(column.name, column.key, use, asks))
    return made


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


def _is_carried(column: Column) -> bool:
    words = phrase(column.name).split()
    known = vocabulary()
    return bool(
        column.role is not None
        or known.others.intersection(words)
        or frozenset(word_file("carried")["words"]).intersection(words)
    )


def instruction_of(heading: str) -> Instruction | None:
    """Return what a heading asks for, None if it does not look like an instruction.

    Examples
    --------
    >>> [found and found.what for found in map(instruction_of, ["Apt #", "Hazmat?", "Price"])]
    ['a part of the address', 'dangerous goods, or goods with rules of their own', None]
    """
    whole = phrase(without_note(heading))
    words = whole.split()
    padded = f" {whole} "
    others = vocabulary().others.intersection(words)
    for each in _instructions():
        if each.place and others:
            continue
        known = _of_the_recipient(words) if each.place else {whole}
        within = any(f" {part} " in padded for part in each.part)
        if known & each.whole or (within and not each.unless & {*words}):
            return each
    return None


def _of_the_recipient(words: Sequence[str]) -> set[str]:
    """Return the phrases that remain of a heading without the recipient and "address"."""
    found = {" ".join(words)}
    for party in vocabulary().recipient:
        size = len(party.split())
        if " ".join(words[:size]) == party:
            found.add(" ".join(words[size:]))
        if " ".join(words[-size:]) == party:
            found.add(" ".join(words[:-size]))
    return found | {left.removeprefix("address ") for left in found}


@cache
def _instructions() -> tuple[Instruction, ...]:
    given = word_file("instructions")
    return tuple(
        Instruction(
            what=each["what"],
            whole=frozenset(each.get("whole", ())),
            part=tuple(each.get("part", ())),
            unless=frozenset(each.get("unless", ())),
            neutral=(*given["neutral"], *each.get("neutral", ())),
            field=each.get("field"),
            place=each.get("place", False),
            street_without_number=each.get("street_without_number", False),
        )
        for each in given["concern"]
    )


def instruction_problems(
    con: duckdb.DuckDBPyConnection,
    uses: Sequence[ColumnUse],
    selection: Relation,
    lines: Relation,
    street: str | None,
) -> pa.Table:
    """Return a problem for each order and column that asks for what is not done.

    Parameters
    ----------
    selection
        The orders, with the numbers of their lines in ``row_numbers``.
    lines
        All lines: an order may be asked about in any of them.
    street
        Key of the column with the street, None without one.
    """
    asking = {
        use.key: (use, use.asks, _asks_sql(use.key, use.asks, street))
        for use in uses
        if use.asks is not None and use.key in lines.columns
    }
    if not asking:
        return problems_table()
    counts = one(
        con,
        f"SELECT {', '.join(f'count(*) FILTER ({sql})' for _, _, sql in asking.values())} "
        f"FROM {lines.sql}",
    )
    filled = [each for each, count in zip(asking.values(), counts, strict=True) if count]
    if not filled:
        return problems_table()
    asked = " UNION ALL ".join(_asked_sql(use, asks, sql, lines) for use, asks, sql in filled)
    return (
        con.sql(f"""
        WITH asked AS (
            {asked}
        ),
        owners AS (
            SELECT row_number, unnest(row_numbers) AS line
            FROM {selection.sql}
        )
        SELECT
            owners.row_number,
            asked.field,
            min(asked.value) AS value,
            asked.problem,
            asked.fix,
            'error' AS severity,
            'instruction_not_read' AS code
        FROM asked
        JOIN owners USING (line)
        GROUP BY ALL
        ORDER BY ALL
        """)
        .to_arrow_table()
        .cast(PROBLEMS)
    )


def _asks_sql(key: str, asks: Instruction, street: str | None) -> str:
    """Return SQL that is true of a line whose cell holds more than a neutral value."""
    text = f"lower({trimmed(f'{quoted(key)}::VARCHAR')})"
    neutral = ", ".join(quote(word) for word in asks.neutral)
    where = "true"
    if asks.street_without_number and street is not None:
        where = f"NOT regexp_matches(coalesce({quoted(street)}::VARCHAR, ''), '[0-9]')"
    return (
        f"coalesce({where} AND {text} <> '' AND NOT list_contains([{neutral}], {text}) "
        f"AND coalesce(TRY_CAST({text} AS DOUBLE), 1) <> 0, false)"
    )


def _asked_sql(use: ColumnUse, asks: Instruction, condition: str, lines: Relation) -> str:
    problem = f'the column "{use.name}" looks like {asks.what}, and it is not used'
    fix = (
        f'{_named(use, asks)} If it does not concern the parcel: map(ignore=["{use.name}"]). '
        "A template can place it too."
    )
    return f"""
            SELECT
                row_number AS line,
                {quote(use.key)} AS field,
                {quoted(use.key)}::VARCHAR AS value,
                {quote(problem)} AS problem,
                {quote(fix)} AS fix
            FROM {lines.sql}
            WHERE {condition}
    """


def _named(use: ColumnUse, asks: Instruction) -> str:
    field = asks.field or "<field>"
    return f'To use it: map(columns={{"{field}": "{use.name}"}}).'
