"""What the headings leave open: ambiguous columns, missing columns, and units that are assumed."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

import duckdb
import pyarrow as pa

from shipkit.common.relation import Relation
from shipkit.common.sql import one, quoted
from shipkit.orders.column_problems import ways_out
from shipkit.orders.columns import Column
from shipkit.orders.expressions import quote
from shipkit.orders.filters.house_numbers import asked_sql
from shipkit.orders.heading_meaning import weight_words
from shipkit.orders.heading_text import heading_words
from shipkit.orders.mapping.column_leaves import ColumnLeaf, Taken
from shipkit.orders.mapping.mapped import (
    LEAVES,
    OPTION_ROLES,
    ROLE_LEAVES,
    Mapped,
    MappingQuestion,
    MappingSpec,
    field_path,
)
from shipkit.schema import NUMBER_OF_PARCELS, PROBLEMS, problems_table

__all__ = [
    "MEASURED",
    "MOST_PARCELS",
    "ambiguous_columns",
    "missing_columns",
    "numbers_not_joined",
    "parcel_questions",
    "unit_assumed",
    "unit_note",
    "weights_are_of_each",
]

_BLOCKING: Final = (
    "name",
    "company",
    "address_line1",
    "address_line2",
    "address_line3",
    "city",
    "state",
    "postal_code",
    "country",
    "service",
    "weight",
    "item_weight",
    "length",
    "width",
    "height",
    "dimensions",
    "residential",
    "signature",
    "ship_date",
    "order_id",
    "number_of_parcels",
    "packaging",
    "weight_unit",
    "dimension_unit",
)
"""Roles that stop a row when two columns fit.

The wrong column would send the wrong parcel, or one order twice, its lines not grouped. Other roles
stay empty, with a warning.
"""

MEASURED: Final = {"weight_unit": "weight", "dimension_unit": "length"}
"""Role of a column of units -> that of the numbers that they are of."""

MOST_PARCELS: Final = 200
"""More are a number of something else. Source: UPS Shipping.yaml, Package: 200 in a shipment."""

_NEEDED: Final = {
    "name": "recipient's name",
    "address_line1": "street",
    "city": "city",
    "state": "state",
    "postal_code": "postal code",
    "service": "service",
    "weight_lb": "weight",
}


def ambiguous_columns(
    ambiguous: Mapping[str, Sequence[str]],
    columns: Sequence[Column],
    leaves: Collection[str],
    spec: MappingSpec,
) -> list[MappingQuestion]:
    """Return a question for each role that several columns fit equally well.

    Parameters
    ----------
    ambiguous
        Role -> the headings that fit it.
    leaves
        The leaves that are filled anyway; a default does not answer the question.
    """
    asked = []
    for role, names in ambiguous.items():
        leaf = ROLE_LEAVES.get(role.removeprefix("item_"), role)
        if role in MEASURED:
            leaf = ROLE_LEAVES[MEASURED[role]]
            if leaf not in leaves:
                continue
        elif leaf not in LEAVES or (leaf in leaves and leaf not in spec.defaults):
            continue
        if role in OPTION_ROLES:
            continue
        keys = [column.key for column in columns if column.name in names]
        problem, fix = _which(role, names, keys)
        severity = "error" if role in _BLOCKING else "warning"
        asked.append(
            MappingQuestion(field_path(leaf), "true", problem, fix, "column_ambiguous", severity)
        )
    return asked


def _which(role: str, names: Sequence[str], keys: Sequence[str]) -> tuple[str, str]:
    """Return the problem and the fix of columns that may all be `role`."""
    if len(set(names)) < len(names):
        problem = f'{len(names)} columns have the heading "{names[0]}"'
        one_key = f'map(columns={{"{role}": "{keys[0]}"}})'
        return problem, f"Choose one by its key: {one_key}; the keys are {', '.join(keys)}."
    shown = ", ".join(f'"{name}"' for name in names)
    problem = f"more than one column may be the {role}: {shown}"
    return problem, f'Choose one: map(columns={{"{role}": "{names[0]}"}}).'


def weights_are_of_each(fields: Mapping[str, str], columns: Sequence[Column]) -> bool:
    """Return whether the headings of weights say that they are of each parcel.

    Parameters
    ----------
    fields
        Key of a column -> path of the field that it feeds.
    """
    weights = [c.name for c in columns if fields.get(c.key) == "parcels[0].weight_lb"]
    headings = [f" {' '.join(heading_words(name))} " for name in weights]
    said = [any(f" {text} " in words for text in weight_words("of_each")) for words in headings]
    return bool(said) and all(said)


def parcel_questions(mapped: Mapped, spec: MappingSpec) -> list[MappingQuestion]:
    """Return what is asked about rows that say how many parcels they are."""
    name = NUMBER_OF_PARCELS.name
    if mapped.filled is not None and name not in mapped.filled:
        return []
    asked = [
        MappingQuestion(
            field="parcels",
            condition=f"number_of_parcels < 1 OR number_of_parcels > {MOST_PARCELS}",
            problem="the number of parcels is not one of a shipment",
            fix=f"Give 1 to {MOST_PARCELS}, or map another column.",
            code="parcels_impossible",
        )
    ]
    if spec.parcels not in ("each", "shared"):
        asked.append(
            MappingQuestion(
                field="parcels[0].weight_lb",
                condition=f"number_of_parcels BETWEEN 2 AND {MOST_PARCELS}",
                problem="the row is several parcels, and its weight may be that of each or of all",
                fix='Say which: map(parcels="each") or map(parcels="shared"). In a template, write '
                "each parcel with its weight.",
                code="parcel_weights_unclear",
            )
        )
    return asked


def missing_columns(
    ambiguous: Collection[str],
    columns: Sequence[Column],
    leaves: Collection[str],
    spec: MappingSpec,
) -> list[MappingQuestion]:
    """Return a question for each leaf that a shipment needs and nothing fills."""
    instead = {
        "weight_lb": ' or give one for all: map(defaults={"weight_lb": 2})',
        "service": f' or set one for all: map(service="{spec.offered.example}")',
    }
    headings = [column.name for column in columns]
    headless = not _OF_AN_ADDRESS & {*leaves, *ambiguous} and _may_be_an_order(headings)
    if headless:
        return [_no_headings(headings)]
    asked = []
    for name, words in _NEEDED.items():
        role = next((role for role, leaf in ROLE_LEAVES.items() if leaf == name), name)
        if (
            name in leaves
            or {role, f"item_{role}"} & {*ambiguous}
            or (name == "name" and "company" in leaves)
        ):
            continue
        local = name in ("state", "postal_code")  # many countries have neither
        asked.append(
            MappingQuestion(
                field_path(name),
                # A city such as "Austin, TX 78701" has them.
                f"(country IN ('US', 'CA') AND {name} IS NULL)" if local else "true",
                f"no column was recognised as the {words}",
                f'Name it: map(columns={{"{role}": "<heading>"}}){instead.get(name, "")}.',
                "column_missing",
            )
        )
    return asked


def _may_be_an_order(headings: Sequence[str]) -> bool:
    """Return whether headings look like the cells of an order: text, and numbers or an e-mail."""
    data = [text for text in headings if _DATA.fullmatch(text.strip())]
    return bool(data) and len(headings) - len(data) >= _FEWEST_TEXTS


def _no_headings(headings: Sequence[str]) -> MappingQuestion:
    shown = ", ".join(json.dumps(text, ensure_ascii=False) for text in headings[:4])
    return MappingQuestion(
        None,  # of the whole row: nothing else is asked before this is answered
        "true",
        f"the first line was read as the headings, and looks like an order: {shown} ...",
        "Put a line of headings into the file. Or read it without one, load(header=False), and "
        'name the columns: map(columns={"name": "Column 2"}).',
        "headings_missing",
    )


_OF_AN_ADDRESS: Final = frozenset({"name", "address_line1", "city", "state", "postal_code"})
_DATA: Final = re.compile(r"#?\d[\d .,/:+-]*|[^\s@]+@[^\s@]+\.\w+|\d+ \w.*")
"""Cells that are data: a number, a date, an e-mail address, a street that begins with a number."""
_FEWEST_TEXTS: Final = 2
"""A name and a city. Headings that are only numbers are days or sizes."""


def unit_note(con: duckdb.DuckDBPyConnection, taken: Taken, selection: Relation) -> pa.Table:
    """Return a warning at the first row when no unit is named, so that pounds are assumed."""
    if "weight" not in taken or taken["weight"][1] is not None or "weight_unit" in taken:
        return problems_table()
    first, count = one(con, f"SELECT min(row_number), count(*) FROM {selection.sql}")
    if first is None:
        return problems_table()
    return problems_table([unit_assumed(first, taken["weight"][0].name, count)])


def unit_assumed(row_number: int, heading: str, rows: int) -> dict[str, Any]:
    """Return the warning, at the first row, that a weight without a unit is taken as pounds."""
    return {
        "row_number": row_number,
        "field": "parcels[0].weight_lb",
        "value": heading,
        "severity": "warning",
        "code": "weight_unit_assumed",
        "problem": f'the heading "{heading}" names no unit: pounds are assumed for all {rows:,} '
        "rows",
        "fix": f'Name the unit: map(columns={{"weight_oz": "{heading}"}}), or weight_lb if pounds '
        "are right.",
    }


def numbers_not_joined(
    con: duckdb.DuckDBPyConnection, taken: Taken, country: ColumnLeaf | None, selection: Relation
) -> pa.Table:
    """Return a problem for each row whose house number could not be joined to its street.

    The street has another number, or the order of the country is not known.
    """
    if "house_number" not in taken or "address_line1" not in taken:
        return problems_table()
    number, street = taken["house_number"][0], taken["address_line1"][0]
    land = f"({country.sql})::VARCHAR" if country else None
    asked = asked_sql(f"{quoted(street.key)}::VARCHAR", f"{quoted(number.key)}::VARCHAR", land)
    problem = (
        f'the number in "{number.name}" is not in the street, and where it belongs there is not '
        "certain"
    )
    return (
        con.sql(f"""
        SELECT
            row_number,
            {quote(number.key)} AS field,
            {quoted(number.key)}::VARCHAR AS value,
            {quote(problem)} AS problem,
            {quote(ways_out(number.name))} AS fix,
            'error' AS severity,
            'column_not_understood' AS code
        FROM {selection.sql}
        WHERE {asked}
        ORDER BY row_number
        """)
        .to_arrow_table()
        .cast(PROBLEMS)
    )
