"""Orders become shipments: two producers of one table of text, by recognised columns or by a template.

Both fill the relation ``mapped``: a line a shipment, every leaf still text (or the type the source
had). :mod:`shipkit.orders.normalize` reads it. Whatever is not certain is a :class:`Question`,
asked as a problem, never guessed.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import duckdb
import pyarrow as pa

from shipkit.common.relation import Relation, fresh
from shipkit.errors import MappingError
from shipkit.models import Address
from shipkit.orders import expressions as cells
from shipkit.orders.expressions import quote
from shipkit.orders.fields import KIND, Column, Match, recognise
from shipkit.orders.layouts import meanings
from shipkit.orders.mapping.compiler import map_template
from shipkit.orders.mapping.mapped import (
    CUSTOMS_DEFAULTS,
    ITEM_LEAVES,
    LEAVES,
    NOTHING_OFFERED,
    PARCEL_LEAVES,
    ROLE_LEAVES,
    Mapped,
    MappingSpec,
    Question,
    field_path,
)
from shipkit.orders.units import LENGTHS, WEIGHTS
from shipkit.schema import ADDRESS_FIELDS, CURRENCY, FLAT, OWN, PAPERS, PARCELS, PROBLEMS
from shipkit.services import ServiceList, UnknownService

__all__ = [
    "LEAVES",
    "NOTHING_OFFERED",
    "Mapped",
    "MappingSpec",
    "Question",
    "map_rows",
]

_STRUCT_ADDRESS = "STRUCT(" + ", ".join(f"{name} VARCHAR" for name in ADDRESS_FIELDS) + ")"
_STRUCT_PARCELS = "STRUCT(" + ", ".join(f"{name} VARCHAR" for name in PARCEL_LEAVES) + ")[]"
_STRUCT_REFERENCES = 'STRUCT("key" VARCHAR, "value" VARCHAR)[]'
_STRUCT_CUSTOMS = (
    "STRUCT("
    + "".join(f"{leaf.name} VARCHAR, " for leaf in PAPERS)
    + f"items STRUCT({', '.join(f'{name} VARCHAR' for name in ITEM_LEAVES)})[])"
)

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
    "length",
    "width",
    "height",
    "residential",
    "signature",
    "ship_date",
    "order_id",
)
"""Roles whose wrong column would send a wrong parcel, or one order twice (its lines ungrouped): two candidates stop the row. Elsewhere they are a warning and stay empty."""

_NEEDED: Final = {
    "name": "recipient's name",
    "address_line1": "street",
    "city": "city",
    "state": "state",
    "postal_code": "postal code",
    "service": "service",
    "weight_lb": "weight",
}
_NUMBERS: Final = (
    "DOUBLE",
    "FLOAT",
    "DECIMAL",
    "BIGINT",
    "INTEGER",
    "SMALLINT",
    "TINYINT",
    "HUGEINT",
    "UBIGINT",
    "UINTEGER",
)
_KEPT: Final = {"weight": _NUMBERS, "length": _NUMBERS, "date": ("DATE",), "flag": ("BOOLEAN",)}
"""Kind of a field -> DuckDB types that normalize reads as they are; others become text."""
_TYPED: Final = {leaf.flat: _KEPT[leaf.spec.kind] for leaf in FLAT if leaf.spec.kind in _KEPT}


@dataclass(frozen=True)
class _Leaf:
    """One field twice: as SQL over the selected orders and as a Jinja2 expression over ``row``."""

    sql: str
    jinja: str
    columns: tuple[str, ...] = ()


def map_rows(
    con: duckdb.DuckDBPyConnection,
    columns: Sequence[Column],
    spec: MappingSpec,
    shipper: Address,
    selection: Relation,
    lines: Relation,
) -> Mapped:
    """Return the mapped relation of the selected orders.

    Parameters
    ----------
    columns
        The columns of `selection`, as the source read them.
    shipper
        Given to templates as ``shipper``.
    selection
        The orders to map.
    lines
        The lines of all orders, which a template sees as ``lines``.

    Raises
    ------
    MappingError
        A field, heading or service named in `spec` does not exist; the message names the nearest.
    TemplateError
        The template cannot be used: syntax, an unknown column, or it runs away.
    """
    _check(spec, columns)
    leaves, questions, notes = _recognised(con, columns, spec, selection.sql)
    with fresh(con, "mapping") as schema:
        if spec.template is not None:
            return map_template(schema, columns, spec, shipper, selection, lines)
        relation = schema.view("mapped", _select(leaves, _references(columns, spec), selection.sql))
    return Mapped(
        relation=relation,
        template=_template(leaves, _references(columns, spec)),
        offered=spec.offered,
        problems=notes,
        questions=questions,
        fields={key: field_path(name) for name, leaf in leaves.items() for key in leaf.columns},
        defaulted=_defaulted(con, leaves, spec, selection.sql),
        filled=frozenset(leaves),
    )


# -- what the person said, checked -----------------------------------------------------------------


def _check(spec: MappingSpec, columns: Sequence[Column]) -> None:
    known = {
        *LEAVES,
        *ROLE_LEAVES,
        *KIND,
        "first_name",
        "last_name",
        "weight_unit",
        "dimension_unit",
        "unit_price",
        *(f"weight_{unit}" for unit in WEIGHTS.to_base),
    }
    for name in spec.columns:
        _known(name, known, "field of a shipment", "columns")
    for name in spec.defaults:
        _known(name, {*LEAVES, *CUSTOMS_DEFAULTS}, "field of a shipment", "defaults")
    for heading in (*spec.columns.values(), *spec.references.values()):
        find_column(columns, heading)
    for text in (spec.service, *spec.services.values(), spec.defaults.get("service")):
        if text is not None:
            try:
                spec.offered.read(str(text))
            except UnknownService as no:
                raise MappingError(f"{no.problem}.", fix=no.fix) from None


def _known(name: str, known: set[str], what: str, argument: str) -> None:
    if name not in known:
        raise MappingError(
            f"{argument}: there is no {what} {name!r}.",
            fix=f"{_nearest(name, sorted(known))}Known: {', '.join(sorted(known))}.",
        )


def find_column(columns: Sequence[Column], heading: str) -> Column:
    """Return the column with that heading or key. Raises MappingError naming the nearest."""
    for column in columns:
        if heading in (column.name, column.key):
            return column
    names = [column.name for column in columns]
    raise MappingError(
        f"The orders have no column {heading!r}.",
        fix=f"{_nearest(heading, names)}Columns: {', '.join(names)}.",
    )


def _nearest(name: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(name, known, 1, 0.5) or difflib.get_close_matches(
        name.lower(), [k.lower() for k in known], 1, 0.5
    )
    return f"Did you mean {close[0]!r}? " if close else ""


# -- recognised columns become leaves --------------------------------------------------------------


def _recognised(
    con: duckdb.DuckDBPyConnection, columns: Sequence[Column], spec: MappingSpec, selection: str
) -> tuple[dict[str, _Leaf], tuple[Question, ...], pa.Table]:
    """Return the leaves that columns and settings fill, the open questions, and notes about columns taken with a doubt."""
    found = meanings([column.name for column in columns], spec.layout)
    by_index = {role: (columns[match.index], match.unit) for role, match in found.roles.items()}
    ambiguous = {
        role: names
        for role, names in found.ambiguous.items()
        if role not in spec.columns and ROLE_LEAVES.get(role, role) not in spec.columns
    }
    for name, heading in spec.columns.items():
        role, unit = _role_and_unit(name)
        column = find_column(columns, heading)
        by_index[role] = (column, unit or _heading_unit(column))
    leaves: dict[str, _Leaf] = {}
    for name in LEAVES:
        leaf = _leaf(name, by_index, found.roles, spec)
        if leaf is not None:
            leaves[name] = leaf
    questions = (
        *_ambiguities(ambiguous, columns, leaves, spec),
        *_missing(ambiguous, leaves, spec.offered),
    )
    notes = (
        _unit_note(con, by_index, selection) if "weight_lb" in leaves else PROBLEMS.empty_table()
    )
    return leaves, questions, notes


def _role_and_unit(name: str) -> tuple[str, str | None]:
    role, _, unit = name.rpartition("_")
    if role in ROLE_LEAVES and unit in {**WEIGHTS.to_base, **LENGTHS.to_base}:
        return role, unit
    return name, None


def _heading_unit(column: Column) -> str | None:
    match = next(iter(recognise([column.name]).roles.values()), None)
    return match.unit if match else column.unit


_Taken = Mapping[str, tuple[Column, str | None]]


def _leaf(name: str, taken: _Taken, roles: Mapping[str, Match], spec: MappingSpec) -> _Leaf | None:
    """Return how one leaf is filled, or None when nothing fills it."""
    if name == "service" and spec.service is not None:
        return _constant(spec.offered.read(spec.service))
    if name == "ship_date" and spec.ship_date is not None:
        return _constant(spec.ship_date.isoformat())
    leaf = _source_leaf(name, taken, roles, spec)
    if name in spec.defaults:
        return _with_default(leaf, spec.defaults[name])
    return leaf


def _source_leaf(
    name: str, taken: _Taken, roles: Mapping[str, Match], spec: MappingSpec
) -> _Leaf | None:
    role = next((r for r, leaf in ROLE_LEAVES.items() if leaf == name), name)
    if name == "name" and _parts_fit_better(taken, roles, spec):
        return _full_name(taken)
    if role not in taken:
        return None
    column, unit = taken[role]
    leaf = _plain(column, name)
    if role in ROLE_LEAVES:
        unit_role = "weight_unit" if role == "weight" else "dimension_unit"
        return (
            _by_unit_column(leaf, column, taken[unit_role][0], role)
            if unit_role in taken and unit is None
            else _converted(leaf, column, unit, role)
        )
    services = _services(spec) if name == "service" else {}
    return _translated(leaf, services, spec.offered) if services else leaf


def _services(spec: MappingSpec) -> dict[str, str]:
    """Return what the texts of the service column mean: as the person said, else as the layout says ("Standard" is a speed there, no service)."""
    said = {text.strip().lower() for text in spec.services}
    known = spec.layout.layout.services if spec.layout else {}
    return {
        **{text: meaning for text, meaning in known.items() if text.strip().lower() not in said},
        **spec.services,
    }


def _parts_fit_better(taken: _Taken, roles: Mapping[str, Match], spec: MappingSpec) -> bool:
    """Whether first and last name name the recipient better than a name column does ("Name" beside "Shipping First Name")."""
    if "first_name" not in taken and "last_name" not in taken:
        return False
    if "name" not in taken:
        return True
    if "name" in spec.columns:
        return False
    if "first_name" in spec.columns or "last_name" in spec.columns:
        return True
    first = roles.get("first_name") or roles.get("last_name")
    return first is not None and first.party < roles["name"].party


def _full_name(taken: _Taken) -> _Leaf:
    columns = [taken[role][0] for role in ("first_name", "last_name") if role in taken]
    parts = [_plain(column, "name") for column in columns]
    joined = ' ~ " " ~ '.join(f'({part.jinja} or "")' for part in parts)
    return _Leaf(
        " || ' ' || ".join(f"coalesce({part.sql}, '')" for part in parts),
        f"({joined})",
        tuple(c.key for c in columns),
    )


def _plain(column: Column, leaf: str) -> _Leaf:
    sql = f'"{column.key}"'
    if column.type in ("DOUBLE", "FLOAT"):
        sql = f"(CASE WHEN isfinite({sql}) THEN {sql}::DOUBLE END)"
    if column.type != "VARCHAR" and not column.type.startswith(_TYPED.get(leaf, ("-",))):
        sql = f"{sql}::VARCHAR"
    return _Leaf(
        sql,
        f"row.{column.key}" if column.key.isidentifier() else f"row[{json.dumps(column.name)}]",
        (column.key,),
    )


def _constant(value: Any) -> _Leaf:
    text = ("true" if value else "false") if isinstance(value, bool) else str(value)
    literal = value if isinstance(value, bool | int | float) else text
    return _Leaf(quote(text), json.dumps(literal))


def _with_default(leaf: _Leaf | None, value: Any) -> _Leaf:
    constant = _constant(value)
    if leaf is None:
        return constant
    return _Leaf(
        cells.filled(f"({leaf.sql})::VARCHAR", constant.sql),
        f"{leaf.jinja} | default_value({constant.jinja})",
        leaf.columns,
    )


def _translated(leaf: _Leaf, services: Mapping[str, str], offered: ServiceList) -> _Leaf:
    # A layout may name a service that this carrier does not have: the row says so later.
    known = offered.known_among(services.values())
    meanings = {name: known.get(service, service) for name, service in services.items()}
    cases = " ".join(
        f"WHEN {quote(name.strip().lower())} THEN {quote(meaning)}"
        for name, meaning in meanings.items()
    )
    return _Leaf(
        f"CASE lower(trim({leaf.sql}, ' \t\r\n\f')) {cases} ELSE {leaf.sql} END",
        f"{leaf.jinja} | translate({json.dumps(meanings, ensure_ascii=False)})",
        leaf.columns,
    )


def _converted(leaf: _Leaf, column: Column, unit: str | None, role: str) -> _Leaf:
    if unit in (None, "lb", "in"):
        return leaf
    name = "convert_weight" if role == "weight" else "convert_length"
    return _Leaf(
        _in_unit(leaf.sql, column, str(unit)), f'{leaf.jinja} | {name}("{unit}")', leaf.columns
    )


def _in_unit(sql: str, column: Column, unit: str) -> str:
    if column.type != "VARCHAR":
        return cells.convert(f"({sql}::DOUBLE)", unit)
    return (
        f"(CASE WHEN {cells.is_number(sql)} THEN "
        f"{cells.convert(cells.number(sql), unit)}::VARCHAR ELSE {sql} END)"
    )


def _by_unit_column(leaf: _Leaf, column: Column, unit: Column, role: str) -> _Leaf:
    """Read a number whose unit stands in a column of its own; a unit nobody knows stays behind the number, so that it is a problem."""
    names = {
        "weight": {
            "oz": ("oz", "ounce", "ounces"),
            "kg": ("kg", "kgs", "kilogram", "kilograms"),
            "g": ("g", "gram", "grams"),
            "lb": ("", "lb", "lbs", "pound", "pounds"),
        }
    }.get(
        role,
        {
            "cm": ("cm",),
            "mm": ("mm",),
            "m": ("m",),
            "ft": ("ft",),
            "in": ("", "in", "inch", "inches"),
        },
    )
    told = f"rtrim(lower(trim(coalesce(\"{unit.key}\"::VARCHAR, ''), ' \t\r\n\f')), '.')"
    number = f"({leaf.sql})::VARCHAR"
    cases = " ".join(
        (
            f"WHEN {told} IN ({', '.join(quote(word) for word in words)}) THEN "
            f"({_in_unit(leaf.sql, column, name)})::VARCHAR"
        )
        for name, words in names.items()
    )
    unknown = (
        f"CASE WHEN {cells.is_number(number)} THEN {number} || ' ' || \"{unit.key}\" ELSE "
        f"{number} END"
    )
    filter_name = "convert_weight" if role == "weight" else "convert_length"
    return _Leaf(
        f"CASE {cases} ELSE {unknown} END",
        f"{leaf.jinja} | {filter_name}(row.{unit.key})",
        (*leaf.columns, unit.key),
    )


# -- questions -------------------------------------------------------------------------------------


def _ambiguities(
    ambiguous: Mapping[str, Sequence[str]],
    columns: Sequence[Column],
    leaves: Mapping[str, _Leaf],
    spec: MappingSpec,
) -> list[Question]:
    asked = []
    for role, names in ambiguous.items():
        leaf = ROLE_LEAVES.get(role, role)
        if leaf not in LEAVES or (leaf in leaves and leaf not in spec.defaults):
            continue
        problem, settle = _which(
            role, names, [column.key for column in columns if column.name in names]
        )
        asked.append(
            Question(
                field_path(leaf),
                "true",
                problem,
                settle,
                "column_ambiguous",
                "error" if role in _BLOCKING else "warning",
            )
        )
    return asked


def _which(role: str, names: Sequence[str], keys: Sequence[str]) -> tuple[str, str]:
    """Return the problem and the fix of columns that may all be `role`."""
    if len(set(names)) < len(names):
        return (
            f'{len(names)} columns have the heading "{names[0]}"',
            f'Say which: map(columns={{"{role}": "{keys[0]}"}}); their keys are {", ".join(keys)}.',
        )
    shown = ", ".join(f'"{name}"' for name in names)
    return (
        f"two or more columns may be the {role}: {shown}",
        f'Say which: map(columns={{"{role}": "{names[0]}"}}).',
    )


def _missing(
    ambiguous: Mapping[str, Sequence[str]], leaves: Mapping[str, _Leaf], offered: ServiceList
) -> list[Question]:
    asked = []
    for name, words in _NEEDED.items():
        role = next((r for r, leaf in ROLE_LEAVES.items() if leaf == name), name)
        if name in leaves or role in ambiguous or (name == "name" and "company" in leaves):
            continue
        value = (
            ' or give one for all: map(defaults={"weight_lb": 2})'
            if name == "weight_lb"
            else f' or set one for all: map(service="{offered.example}")'
            if name == "service"
            else ""
        )
        condition = "(country IN ('US', 'CA'))" if name in ("state", "postal_code") else "true"
        asked.append(
            Question(
                field_path(name),
                condition,
                f"no column was recognised as the {words}",
                f'Name it: map(columns={{"{role}": "<heading>"}}){value}.',
                "column_missing",
            )
        )
    return asked


def _unit_note(con: duckdb.DuckDBPyConnection, taken: _Taken, selection: str) -> pa.Table:
    """Return a warning, at the first row, when the weight's heading names no unit and pounds are assumed."""
    if "weight" not in taken or taken["weight"][1] is not None or "weight_unit" in taken:
        return PROBLEMS.empty_table()
    heading = taken["weight"][0].name
    first, count = con.execute(f"SELECT min(row_number), count(*) FROM {selection}").fetchall()[0]
    if first is None:
        return PROBLEMS.empty_table()
    return pa.Table.from_pylist(
        [
            {
                "row_number": first,
                "field": "parcels[0].weight_lb",
                "value": heading,
                "severity": "warning",
                "code": "weight_unit_assumed",
                "problem": (
                    f'the heading "{heading}" names no unit: all {count:,} rows are taken as pounds'
                ),
                "fix": (
                    f'Say the unit: map(columns={{"weight_oz": "{heading}"}}), or weight_lb if '
                    "pounds are right."
                ),
            }
        ],
        schema=PROBLEMS,
    )


def _defaulted(
    con: duckdb.DuckDBPyConnection, leaves: Mapping[str, _Leaf], spec: MappingSpec, selection: str
) -> dict[str, int]:
    """Return how many rows each default filled."""
    names = [name for name in spec.defaults if name in leaves]
    if not names:
        return {}
    empty = [
        " AND ".join(
            f"coalesce({cells.stripped(f'{chr(34)}{key}{chr(34)}::VARCHAR')}, '') = ''"
            for key in leaves[name].columns
        )
        or "true"
        for name in names
    ]
    counts = con.execute(
        f"SELECT {', '.join(f'count(*) FILTER ({condition})' for condition in empty)} FROM "
        f"{selection}"
    ).fetchall()[0]
    return dict(zip(names, counts, strict=True))


# -- the two texts: SQL and template ---------------------------------------------------------------


def _references(columns: Sequence[Column], spec: MappingSpec) -> dict[str, _Leaf]:
    return {
        key: _plain(find_column(columns, heading), "reference")
        for key, heading in spec.references.items()
    }


def _select(leaves: Mapping[str, _Leaf], references: Mapping[str, _Leaf], selection: str) -> str:
    """Return the statement that fills the mapped relation from the selected orders."""
    parts = [
        f"{leaves[name].sql if name in leaves else 'NULL::VARCHAR'} AS {name}" for name in LEAVES
    ]
    pairs = ", ".join(
        f"{{key: {quote(key)}, value: {leaf.sql}::VARCHAR}}" for key, leaf in references.items()
    )
    return (
        f"SELECT row_number, row_numbers, source_file, {', '.join(parts)}, "
        f'[{pairs}]::{_STRUCT_REFERENCES} AS "references", '
        f"NULL::{_STRUCT_ADDRESS} AS ship_from, NULL::{_STRUCT_PARCELS} AS more_parcels, 1 AS "
        f"parcel_count, NULL::{_STRUCT_CUSTOMS} AS customs FROM {selection}"
    )


def _template(leaves: Mapping[str, _Leaf], references: Mapping[str, _Leaf]) -> str:
    """Return the Jinja2 text that says what the leaves say."""

    def member(name: str, leaf: _Leaf, indent: int) -> str:
        value = f"{{{{ {leaf.jinja} | tojson }}}}" if leaf.columns else leaf.jinja
        return f"{' ' * indent}{json.dumps(name)}: {value}"

    def block(names: Sequence[str], indent: int) -> str:
        return ",\n".join(member(name, leaves[name], indent) for name in names if name in leaves)

    parcel = ",\n".join(
        member("description" if name == "parcel_description" else name, leaves[name], 6)
        for name in (leaf.flat for leaf in PARCELS)
        if name in leaves
    )
    sections = [
        block(["order_id"], 2),
        f'  "ship_to": {{\n{block(ADDRESS_FIELDS, 4)}\n  }}',
        block(["service"], 2),
        f'  "parcels": [\n    {{\n{parcel}\n    }}\n  ]',
    ]
    if references:
        sections.append(
            '  "references": {\n'
            + ",\n".join(member(key, leaf, 4) for key, leaf in references.items())
            + "\n  }"
        )
    sections.append(
        block(
            [leaf.name for leaf in (*OWN, CURRENCY) if leaf.name not in ("order_id", "service")],
            2,
        )
    )
    return "{\n" + ",\n".join(section for section in sections if section) + "\n}\n"
