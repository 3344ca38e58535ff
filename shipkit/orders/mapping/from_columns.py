"""Shipments made of recognised columns: the mapped relation, and the equivalent template."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

import duckdb
import pyarrow as pa

from shipkit.common.relation import Relation, StageSchema
from shipkit.common.sql import one, quoted
from shipkit.orders.carrier_columns import CARRIER_OF_SERVICE, may_name_a_carrier, names_a_carrier
from shipkit.orders.column_account import ColumnUse, account
from shipkit.orders.column_problems import instruction_problems
from shipkit.orders.columns import PLACE_ROLES, WEIGHT_PARTS, Column
from shipkit.orders.expressions import is_blank, quote
from shipkit.orders.fields import Recognition, recognise
from shipkit.orders.grouping import Once, once_of, unlike_lines
from shipkit.orders.heading_text import phrase
from shipkit.orders.layouts import meanings
from shipkit.orders.mapping.blank_units import blank_units
from shipkit.orders.mapping.column_leaves import ColumnLeaf, Taken, leaf_of, literal, plain_leaf
from shipkit.orders.mapping.column_questions import (
    MEASURED,
    ambiguous_columns,
    missing_columns,
    numbers_not_joined,
    unit_note,
)
from shipkit.orders.mapping.mapped import (
    ADDRESS_LEAVES,
    CUSTOMS_TYPE,
    LEAVES,
    OPTION_ROLES,
    PARCELS_TYPE,
    REFERENCES_TYPE,
    ROLE_LEAVES,
    Mapped,
    MappingSpec,
    field_path,
)
from shipkit.orders.mapping.name_questions import other_names, unclear_names
from shipkit.orders.mapping.named_columns import find_column
from shipkit.orders.mapping.origins import differing_origins, origin_leaves, origin_sql
from shipkit.orders.origin_headings import origin_field
from shipkit.orders.units import LENGTHS, WEIGHTS
from shipkit.schema import OWN, PARCELS, ROW_LEAVES, problems_table

__all__ = ["column_uses", "map_columns"]


def map_columns(
    schema: StageSchema,
    columns: Sequence[Column],
    spec: MappingSpec,
    selection: Relation,
    lines: Relation,
) -> Mapped:
    """Return the mapped relation that recognised columns and the settings make."""
    read = _columns_read(columns, spec)
    found, taken, ambiguous = read.found, read.taken, read.ambiguous
    leaves = {
        name: leaf
        for name in LEAVES
        if (leaf := leaf_of(name, taken, found.roles, spec)) is not None
    }
    references = {
        key: plain_leaf(find_column(columns, heading), "reference")
        for key, heading in spec.references.items()
    }
    origin = origin_leaves(taken)
    weighed = "weight_lb" in leaves
    uses = column_uses(columns, spec)
    street = taken["address_line1"][0].key if "address_line1" in taken else None
    country = taken["country"][0].key if "country" in taken else None
    names = other_names(columns, taken, found.roles, spec, read.ignored)
    named = {role: match for role, match in found.roles.items() if role not in spec.columns}
    return Mapped(
        relation=schema.view("mapped", _select(leaves, references, origin, selection)),
        template=_template(leaves, references, origin),
        offered=spec.offered,
        problems=pa.concat_tables(
            [
                unit_note(schema.con, taken, selection) if weighed else problems_table(),
                instruction_problems(schema.con, uses, selection, lines, street, country),
                blank_units(schema.con, taken, spec, selection, lines),
                numbers_not_joined(schema.con, taken, leaves.get("country"), selection),
                unclear_names(schema.con, taken, named, names, selection),
                differing_origins(schema.con, taken, selection, lines),
                _unlike_lines(schema.con, columns, leaves, references, lines),
            ]
        ),
        questions=(
            *ambiguous_columns(ambiguous, columns, leaves, spec),
            *missing_columns(ambiguous, columns, leaves, spec),
        ),
        fields={
            **{key: field_path(name) for name, leaf in leaves.items() for key in leaf.columns},
            **{key: f"ship_from.{part}" for part, leaf in origin.items() for key in leaf.columns},
        },
        defaulted=_defaulted(schema.con, leaves, spec, selection),
        filled=frozenset(leaves),
        nested=bool(origin),
    )


def _unlike_lines(
    con: duckdb.DuckDBPyConnection,
    columns: Sequence[Column],
    leaves: Mapping[str, ColumnLeaf],
    references: Mapping[str, ColumnLeaf],
    lines: Relation,
) -> pa.Table:
    """Return a problem for each order whose lines differ in a column that a person named.

    Columns that are read by their headings were compared when the lines were grouped.
    """
    by_key = {column.key: column for column in columns}
    fields = [
        *((field_path(name), leaf, once_of(name)) for name, leaf in leaves.items()),
        *((f"references.{key}", leaf, Once("references")) for key, leaf in references.items()),
    ]
    named = [
        (by_key[key], field, once)
        for field, leaf, once in fields
        if once is not None
        for key in leaf.columns
        if key in lines.columns and once_of(by_key[key].role) is None
    ]
    found = unlike_lines(con, lines.sql, named) if named else None
    return problems_table() if found is None else found.problems


def column_uses(columns: Sequence[Column], spec: MappingSpec) -> list[ColumnUse]:
    """Return what becomes of each column; with a template, a column that it names is used."""
    here = {name for column in columns for name in (column.name, column.key)}
    spec = replace(  # settings may be those of an earlier file; mapping reports what is missing
        spec,
        columns={field: name for field, name in spec.columns.items() if name in here},
        references={key: name for key, name in spec.references.items() if name in here},
        ignore=tuple(name for name in spec.ignore if name in here),
    )
    read = _columns_read(columns, spec)
    # Two columns of one option are not asked about: the account holds the rows that fill them.
    asked = {
        name for role, names in read.ambiguous.items() if role not in OPTION_ROLES for name in names
    }
    named = {*spec.columns.values(), *spec.references.values()}
    used = {
        *(column.key for column, _ in read.taken.values()),
        *(find_column(columns, heading).key for heading in named),
        *(column.key for column in columns if column.name in asked),
        *(c.key for c in other_names(columns, read.taken, read.found.roles, spec, read.ignored)),
    }
    if spec.template is not None:
        words = {*re.findall(r"\w+", spec.template)}
        used |= {
            column.key
            for column in columns
            if column.key in words or f'"{column.name}"' in spec.template
        }
    if "address_line1" not in read.taken:  # a number without a street is joined to nothing
        used -= {read.taken[role][0].key for role in _NUMBER_ROLES if role in read.taken}
    elif "house_number" not in read.taken and "house_number_addition" in read.taken:
        used -= {read.taken["house_number_addition"][0].key}
    if "first_name" not in read.taken and "middle_name" in read.taken:
        used -= {read.taken["middle_name"][0].key}
    carriers = [
        column.key
        for role, (column, _) in read.taken.items()
        if role.startswith(CARRIER_OF_SERVICE)
    ]
    used -= {c.key for c in columns if c.key in carriers and not names_a_carrier(c.name)}
    return account(
        columns,
        used,
        read.ignored,
        spec.layout,
        roles={*read.taken},
        address=[read.taken[role][0].key for role in PLACE_ROLES if role in read.taken],
        states=spec.states,
        one_service=spec.service is not None,
        carriers=carriers,
        companies=_may_be_carriers(columns, spec, read),
    )


_NUMBER_ROLES: Final = ("house_number", "house_number_addition")


class _ColumnsRead(NamedTuple):
    """What headings and settings say about the columns."""

    ignored: set[str]  # keys
    found: Recognition
    taken: Taken
    ambiguous: dict[str, list[str]]  # roles that several columns fit and no setting decides


def _columns_read(columns: Sequence[Column], spec: MappingSpec) -> _ColumnsRead:
    ignored = {find_column(columns, heading).key for heading in spec.ignore}
    found = meanings(
        ["" if column.key in ignored else column.name for column in columns], spec.layout
    )
    taken = {
        role: (columns[match.index], columns[match.index].unit_or(match.unit))
        for role, match in found.roles.items()
    }
    for name, heading in spec.columns.items():
        role, unit = _role_and_unit(name)
        column = find_column(columns, heading)
        taken[role] = (column, column.unit_or(unit or _heading_unit(column)))
        taken.pop(WEIGHT_PARTS.get(role, ""), None)  # whoever names a weight names all of it
    others = {*ignored, *(column.key for column, _ in taken.values())}
    taken |= _origins(columns, spec, others)
    if spec.service is None and ("service" in taken or "service" in spec.defaults):
        taken |= _carriers(columns, spec, others)
    ambiguous = {
        role: names
        for role, names in found.ambiguous.items()
        if role not in spec.columns
        and ROLE_LEAVES.get(role, role) not in spec.columns
        and not _names_its_unit(MEASURED.get(role, ""), taken)
    }
    return _ColumnsRead(ignored, found, taken, ambiguous)


def _names_its_unit(role: str, taken: Taken) -> bool:
    """Return whether the heading of a measure has its unit: "Weight (kg)"."""
    return role in taken and taken[role][1] is not None


def _origins(columns: Sequence[Column], spec: MappingSpec, others: Collection[str]) -> Taken:
    """Return the columns of the place that rows leave from; of two for one part, none is used.

    The account of columns holds the rows in which they are filled.
    """
    carried = {phrase(each) for each in (spec.layout.layout.carried if spec.layout else ())}
    found: dict[str, list[Column]] = {}
    for column in columns:
        field = origin_field(column.name)
        if field and column.key not in others and phrase(column.name) not in carried:
            found.setdefault(field, []).append(column)
    return {
        field: (group[0], None)
        for field, group in found.items()
        if len(group) == 1 and field not in spec.columns
    }


def _carriers(columns: Sequence[Column], spec: MappingSpec, others: Collection[str]) -> Taken:
    """Return the columns of the carriers of the services.

    The headings of a company ("Delivery Company") are not among them: it may be the recipient's. A
    heading that may be another thing ("Ship By") is, where no other is.
    """
    carried = {phrase(each) for each in (spec.layout.layout.carried if spec.layout else ())}
    free = [
        column
        for column in columns
        if column.key not in others
        and phrase(column.name) not in carried
        and column.role != "company"
    ]
    found = [column for column in free if names_a_carrier(column.name)]
    found = found or [column for column in free if may_name_a_carrier(column.name)]
    return {f"{CARRIER_OF_SERVICE}{n or ''}": (column, None) for n, column in enumerate(found)}


def _may_be_carriers(columns: Sequence[Column], spec: MappingSpec, read: _ColumnsRead) -> list[str]:
    """Return the keys of columns of a company by headings that may mean the carrier."""
    if "service" not in read.taken or spec.service is not None or spec.layout is not None:
        return []
    named = {find_column(columns, heading).key for heading in spec.columns.values()}
    return [
        column.key
        for column in columns
        if column.role == "company"
        and column.key not in {*named, *read.ignored}
        and names_a_carrier(column.name)
    ]


def _role_and_unit(name: str) -> tuple[str, str | None]:
    """Return ("weight", "oz") for ``weight_oz``, the name itself and None for other names."""
    role, _, unit = name.rpartition("_")
    if role in ROLE_LEAVES and unit in {**WEIGHTS.to_base, **LENGTHS.to_base}:
        return role, unit
    return name, None


def _heading_unit(column: Column) -> str | None:
    match = next(iter(recognise([column.name]).roles.values()), None)
    return match.unit if match else column.unit


def _select(
    leaves: Mapping[str, ColumnLeaf],
    references: Mapping[str, ColumnLeaf],
    origin: Mapping[str, ColumnLeaf],
    selection: Relation,
) -> str:
    """Return the statement that fills the mapped relation from the selected orders."""
    joined = {name: leaf for name, leaf in leaves.items() if leaf.by_cells}
    sql = {name: leaf.sql for name, leaf in leaves.items()}
    sql |= {name: f"its_{name}.its_value" for name in joined}
    values = ",\n            ".join(
        f"{sql.get(name, 'NULL::VARCHAR')} AS {name}" for name in LEAVES
    )
    pairs = ", ".join(
        f"{{key: {quote(key)}, value: {leaf.sql}::VARCHAR}}" for key, leaf in references.items()
    )
    return f"""
        SELECT
            row_number,
            row_numbers,
            source_file,
            {values},
            [{pairs}]::{REFERENCES_TYPE} AS "references",
            {origin_sql(origin)} AS ship_from,
            NULL::{PARCELS_TYPE} AS more_parcels,
            1 AS parcel_count,
            NULL::{CUSTOMS_TYPE} AS customs
        FROM {selection.sql} its
        {" ".join(_join(name, leaf, selection) for name, leaf in joined.items())}
    """


def _join(name: str, leaf: ColumnLeaf, selection: Relation) -> str:
    """Return the join of a leaf that is read once for each different cells of its columns."""
    keys = ", ".join(map(quoted, leaf.columns))
    # Names of their own: the other leaves read the columns of the selection by their bare names.
    named = ", ".join(f"{quoted(key)} AS its_{n}" for n, key in enumerate(leaf.columns))
    on = " AND ".join(
        f"its_{name}.its_{n} IS NOT DISTINCT FROM its.{quoted(key)}"
        for n, key in enumerate(leaf.columns)
    )
    return f"""LEFT JOIN (
            SELECT {named}, {leaf.sql} AS its_value
            FROM (SELECT DISTINCT {keys} FROM {selection.sql})
        ) its_{name} ON {on}"""


def _defaulted(
    con: duckdb.DuckDBPyConnection,
    leaves: Mapping[str, ColumnLeaf],
    spec: MappingSpec,
    selection: Relation,
) -> dict[str, int]:
    """Return field -> the number of rows that its default filled."""
    names = [name for name in spec.defaults if name in leaves]
    if not names:
        return {}
    empty = [
        " AND ".join(is_blank(quoted(key)) for key in leaves[name].columns) or "true"
        for name in names
    ]
    counts = ", ".join(f"count(*) FILTER ({condition})" for condition in empty)
    return dict(zip(names, one(con, f"SELECT {counts} FROM {selection.sql}"), strict=True))


def _template(
    leaves: Mapping[str, ColumnLeaf],
    references: Mapping[str, ColumnLeaf],
    origin: Mapping[str, ColumnLeaf],
) -> str:
    """Return the Jinja2 text that is equivalent to the leaves."""

    def member(name: str, leaf: ColumnLeaf, indent: int) -> str:
        value = f"{{{{ {leaf.jinja} | tojson }}}}" if leaf.columns else leaf.jinja
        return f"{' ' * indent}{literal(name)}: {value}"

    def members(names: Mapping[str, str], indent: int) -> str:
        """Return the members of an object; `names` is leaf -> its name there."""
        return ",\n".join(
            member(name, leaves[leaf], indent) for leaf, name in names.items() if leaf in leaves
        )

    address = members({name: name for name in ADDRESS_LEAVES}, 4)
    parcel = members({leaf.flat: leaf.name for leaf in PARCELS}, 6)
    own = {leaf.flat: leaf.name for leaf in (*OWN, *ROW_LEAVES)}
    others = {leaf: name for leaf, name in own.items() if leaf not in ("order_id", "service")}
    sections = [
        members({"order_id": "order_id"}, 2),
        f'  "ship_to": {{\n{address}\n  }}',
        members({"service": "service"}, 2),
        f'  "parcels": [\n    {{\n{parcel}\n    }}\n  ]',
    ]
    if origin:
        parts = ",\n".join(member(part, leaf, 4) for part, leaf in origin.items())
        sections.append(f'  "ship_from": {{\n{parts}\n  }}')
    if references:
        pairs = ",\n".join(member(key, leaf, 4) for key, leaf in references.items())
        sections.append(f'  "references": {{\n{pairs}\n  }}')
    sections.append(members(others, 2))
    return "{\n" + ",\n".join(section for section in sections if section) + "\n}\n"
