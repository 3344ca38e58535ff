"""Whose name a bare "Name" holds, where another column names someone else in the same row."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Final

import duckdb
import pyarrow as pa

from shipkit.common.relation import Relation
from shipkit.common.sql import quoted
from shipkit.orders.columns import Column
from shipkit.orders.expressions import quote, quoted_list, trimmed
from shipkit.orders.fields import recognise
from shipkit.orders.heading_meaning import Match
from shipkit.orders.heading_text import phrase, word_file
from shipkit.orders.instructions import instruction_of
from shipkit.orders.mapping.column_leaves import Taken
from shipkit.orders.mapping.mapped import MappingSpec
from shipkit.schema import PROBLEMS, problems_table

__all__ = ["other_names", "unclear_names"]

_VALUES = word_file("values")
_ANSWERS: Final = [*_VALUES["yes"], *_VALUES["settled"], *_VALUES["no"]]
_CODE = "[A-Za-z]{0,5}[ #_-]*[0-9]+"
"""What the number of a customer looks like: it is no name."""


def other_names(
    columns: Sequence[Column],
    taken: Taken,
    roles: Mapping[str, Match],
    spec: MappingSpec,
    ignored: Collection[str],
) -> list[Column]:
    """Return the columns that may hold the recipient's name as well as the one that is used."""
    if "name" not in taken or "name" not in roles or "name" in spec.columns:
        return []
    name = taken["name"][0]
    read = {column.key for column, _ in taken.values()} | {*ignored}
    free = [column for column in columns if column.key not in read]
    found = [column for column in free if _is_contact(column, roles["name"])]
    # A layout that names the column knows whose name it is.
    is_bare = phrase(name.name) == "name" and roles["name"].party != 0
    if is_bare and not {"first_name", "last_name"} & {*taken}:
        found += [column for column in free if column not in found and _is_party(column, columns)]
    return found


def _is_contact(column: Column, name: Match) -> bool:
    """Return whether a heading is a second name of the same party: "Contact" next to "Name"."""
    match = recognise([column.name]).roles.get("name")
    # "Attention" is an instruction, and asked about as one.
    is_other = match is not None and match.party == name.party
    return is_other and instruction_of(column.name) is None


def _is_party(column: Column, columns: Sequence[Column]) -> bool:
    """Return whether a heading names another party, and no address of its own is in the file."""
    words = phrase(column.name)
    known = word_file("parties")
    for party in (phrase(text) for text in known["next_to_a_name"]):
        rest = words.removeprefix(party).strip()
        if words.startswith(party) and rest in known["parts_of_a_name"]:
            return not any(
                phrase(other.name).startswith(f"{party} ")
                and _is_street(phrase(other.name).removeprefix(party))
                for other in columns
            )
    return False


def _is_street(words: str) -> bool:
    return bool({"address_line1", "house_number"} & {*recognise([words]).roles})


def unclear_names(
    con: duckdb.DuckDBPyConnection,
    taken: Taken,
    roles: Mapping[str, Match],
    others: Sequence[Column],
    selection: Relation,
) -> pa.Table:
    """Return a problem for each row in which another column has another name."""
    tables = [problems_table()]
    for condition, value, problem, fix in _questions(taken, roles, others):
        tables.append(
            con.sql(f"""
            SELECT
                row_number,
                'ship_to.name' AS field,
                {value} AS value,
                {quote(problem)} AS problem,
                {quote(fix)} AS fix,
                'error' AS severity,
                'column_ambiguous' AS code
            FROM {selection.sql}
            WHERE {condition}
            ORDER BY row_number
            """)
            .to_arrow_table()
            .cast(PROBLEMS)
        )
    return pa.concat_tables(tables)


def _questions(
    taken: Taken, roles: Mapping[str, Match], others: Sequence[Column]
) -> Iterator[tuple[str, str, str, str]]:
    """Yield SQL of the rows that are asked about and of the value, the problem and the fix."""
    if "name" not in taken:
        return
    name = taken["name"][0]
    given = json.dumps(name.name, ensure_ascii=False)
    text = f"lower(coalesce({trimmed(f'{quoted(name.key)}::VARCHAR')}, ''))"
    for other in others:
        heading = json.dumps(other.name, ensure_ascii=False)
        cell = trimmed(f"{quoted(other.key)}::VARCHAR")
        differs = f"""
            regexp_matches({cell}, '\\p{{L}}{{2}}')
            AND NOT contains({cell}, '@')
            AND lower({cell}) NOT IN ({quoted_list(_ANSWERS)})
            AND NOT regexp_full_match({cell}, '{_CODE}')
            AND NOT contains({text}, lower({cell}))
            AND NOT contains(lower({cell}), {text})"""
        problem = f"{given} and {heading} name two, and the recipient may be either"
        fix = f'Choose one: map(columns={{"name": {given}}}), or {heading}; to print both, '
        fix += f'map(columns={{"name": {heading}, "company": {given}}}).'
        yield differs, cell, problem, fix
    if "name" in roles and {"first_name", "last_name"} <= {*taken}:
        first, last = (
            trimmed(f"lower({quoted(taken[role][0].key)}::VARCHAR)")
            for role in ("first_name", "last_name")
        )
        parts = " and ".join(
            json.dumps(taken[role][0].name, ensure_ascii=False)
            for role in ("first_name", "last_name")
        )
        neither = (
            f"{text} <> '' AND {first} <> '' AND {last} <> '' "
            f"AND NOT contains({text}, {first}) AND NOT contains({text}, {last})"
        )
        problem = f"{given} is another name than {parts}, and all of it would be printed"
        fix = f"If {given} is not the recipient: map(ignore=[{given}]). If it is: "
        yield (
            neither,
            f"{quoted(name.key)}::VARCHAR",
            problem,
            fix + f'map(columns={{"name": {given}}}).',
        )
    if phrase(name.name) == "name" and _company_only(taken, roles):
        company = json.dumps(roles["company"].name, ensure_ascii=False)
        problem = f"next to {company}, {given} may be the name of the recipient, of the buyer or "
        problem += "of the product"
        fix = f'If it is the recipient: map(columns={{"name": {given}}}). If it is not: '
        yield "true", f"{quoted(name.key)}::VARCHAR", problem, f"{fix}map(ignore=[{given}])."


def _company_only(taken: Taken, roles: Mapping[str, Match]) -> bool:
    """Return whether headings say of company and street that they are the recipient's."""
    company, street = roles.get("company"), roles.get("address_line1")
    if company is None or street is None or "company" not in taken or "name" not in roles:
        return False
    return company.party == street.party == 0 != roles["name"].party
