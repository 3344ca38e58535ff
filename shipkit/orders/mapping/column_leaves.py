"""Recognised columns as leaves of a shipment: each both as SQL and as a Jinja2 expression.

The SQL fills the mapped relation; the Jinja2 expressions make the equivalent template, which
``session.template`` shows. A test maps orders both ways and compares the shipments.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from shipkit.common.visible_text import visible
from shipkit.orders.carrier_columns import CARRIER_OF_SERVICE, carrier_cells_sql
from shipkit.orders.columns import Column
from shipkit.orders.expressions import (
    case,
    choose,
    convert,
    filled,
    is_number,
    number,
    quote,
    trimmed,
)
from shipkit.orders.filters.carrier_filters import BETWEEN_CELLS, of_carrier_sql
from shipkit.orders.filters.house_numbers import joined_sql
from shipkit.orders.filters.measure_filters import side_sql
from shipkit.orders.filters.name_filters import with_names_sql
from shipkit.orders.filters.place_filters import place_part_sql
from shipkit.orders.heading_meaning import Match
from shipkit.orders.heading_words import cells_under
from shipkit.orders.mapping.mapped import ROLE_LEAVES, MappingSpec
from shipkit.orders.units import BLANKS, LENGTHS, WEIGHTS
from shipkit.schema import FLAT
from shipkit.services import ServiceList

__all__ = ["ColumnLeaf", "Taken", "leaf_of", "literal", "plain_leaf"]

Taken = Mapping[str, tuple[Column, str | None]]
"""Role -> the column that gives it, with the unit of its numbers."""

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
"""Kind of a field -> DuckDB types that normalising reads as they are; others become text."""

_SIDES: Final = frozenset({"length", "width", "height"})

_TYPED: Final = {leaf.flat: _KEPT[leaf.spec.kind] for leaf in FLAT if leaf.spec.kind in _KEPT}


@dataclass(frozen=True)
class ColumnLeaf:
    """How a leaf is filled.

    Parameters
    ----------
    sql
        SQL over the selected orders.
    jinja
        The same as an expression of a template.
    columns
        Keys of the columns that it reads; none for a constant.
    by_cells
        Whether it is costly and columns repeat their cells: it is read once for each different
        ones, and joined.
    """

    sql: str
    jinja: str
    columns: tuple[str, ...] = ()
    by_cells: bool = False


def leaf_of(
    name: str, taken: Taken, roles: Mapping[str, Match], spec: MappingSpec
) -> ColumnLeaf | None:
    """Return how the leaf `name` is filled, None when nothing fills it."""
    if name == "service" and spec.service is not None:
        return _constant(spec.offered.read(spec.service))
    if name == "ship_date" and spec.ship_date is not None:
        return _constant(spec.ship_date.isoformat())
    leaf = _from_source(name, taken, roles, spec)
    if name in spec.defaults:
        leaf = _with_default(leaf, spec.defaults[name])
    if name == "service" and leaf is not None and (carrier := _carriers(taken)) is not None:
        # After the default: "ground" for an empty cell is that of the carrier next to it.
        return _of_carrier(leaf, _services(spec), spec.offered, carrier)
    return leaf


def plain_leaf(column: Column, name: str) -> ColumnLeaf:
    """Return a column as it is: text, or a type that normalising reads for the leaf `name`."""
    sql = f'"{column.key}"'
    if column.type in ("DOUBLE", "FLOAT"):
        sql = f"(CASE WHEN isfinite({sql}) THEN {sql}::DOUBLE END)"
    if column.type != "VARCHAR" and not column.type.startswith(_TYPED.get(name, ("-",))):
        sql = f"{sql}::VARCHAR"
    # A heading with hidden characters would be changed where they are made visible.
    shown = column.name if visible(column.name) == column.name else column.key
    is_plain = column.key.isidentifier()
    jinja = f"row.{column.key}" if is_plain else f"row[{literal(shown)}]"
    return ColumnLeaf(sql, jinja, (column.key,))


def _from_source(
    name: str, taken: Taken, roles: Mapping[str, Match], spec: MappingSpec
) -> ColumnLeaf | None:
    role = next((role for role, leaf in ROLE_LEAVES.items() if leaf == name), name)
    if name == "name" and _has_better_parts(taken, roles, spec):
        return _full_name(taken)
    if name == "name" and (parts := _names_beside(taken, roles, spec)):
        return _with_names(taken["name"][0], parts)
    if name == "currency" and role not in taken:
        return _currency_of_headings(taken)
    if role not in taken and name in ("city", "state", "postal_code"):
        return _part_of_place(name, taken)
    if role in _SIDES and "dimensions" in taken and not taken.keys() & _SIDES:
        column, unit = taken["dimensions"]
        leaf = _side(column, role)
    elif role not in taken:
        return None
    else:
        column, unit = taken[role]
        leaf = plain_leaf(column, name)
    if name == "address_line1" and "house_number" in taken:
        return _with_number(leaf, taken, roles, spec)
    if role in ROLE_LEAVES:
        unit_role = "weight_unit" if role == "weight" else "dimension_unit"
        if unit is None and unit_role in taken:
            return _by_unit_column(leaf, column, taken[unit_role][0], role)
        return _converted(leaf, column, unit, role)
    if name == "service":
        if _carriers(taken) is not None:
            return leaf
        return _translated(leaf, _services(spec), spec.offered)
    if cells := cells_under(name, column.name):
        return _by_cells(leaf, cells)
    if name == "phone" and "other_phone" in taken:
        return _or_other(leaf, plain_leaf(taken["other_phone"][0], name))
    return leaf


def literal(value: Any) -> str:
    """Return a value as JSON that is also a literal of Jinja2, and never begins one of its tags.

    Escapes of characters beyond 16 bits differ between the two, so they are written as they are.
    """
    written = json.dumps(value, ensure_ascii=False)
    return re.sub(r"\{(?=[{%#])", r"\\u007b", written) if isinstance(value, str) else written


def _constant(value: Any) -> ColumnLeaf:
    text = ("true" if value else "false") if isinstance(value, bool) else str(value)
    fixed = value if isinstance(value, bool | int | float) else text
    return ColumnLeaf(quote(text), literal(fixed))


def _with_default(leaf: ColumnLeaf | None, value: Any) -> ColumnLeaf:
    constant = _constant(value)
    if leaf is None:
        return constant
    return ColumnLeaf(
        filled(f"({leaf.sql})::VARCHAR", constant.sql),
        f"{leaf.jinja} | default_value({constant.jinja})",
        leaf.columns,
    )


def _part_of_place(name: str, taken: Taken) -> ColumnLeaf | None:
    """Return a part of a column that has city, state and postal code together."""
    if "city_state_zip" not in taken:
        return None
    whole = plain_leaf(taken["city_state_zip"][0], name)
    return ColumnLeaf(
        place_part_sql(f"({whole.sql})::VARCHAR", name),
        f"{whole.jinja} | place_part({literal(name)})",
        whole.columns,
    )


def _currency_of_headings(taken: Taken) -> ColumnLeaf | None:
    """Return the currency that headings of amounts name; two of them are none that is known."""
    amounts = ("declared_value", "item_price", "cod_amount")
    named = [taken[role][1] for role in amounts if role in taken]
    said = list(dict.fromkeys(currency for currency in named if currency))
    if len(said) > 1:  # a dollar next to another currency is that of the US
        said = list(dict.fromkeys("USD" if each == "$" else each for each in said))
    return _constant("/".join(said)) if said else None


def _or_other(leaf: ColumnLeaf, other: ColumnLeaf) -> ColumnLeaf:
    """Return a column with the cells of another where it has none."""
    return ColumnLeaf(
        filled(f"({leaf.sql})::VARCHAR", f"({other.sql})::VARCHAR"),
        f"{leaf.jinja} | default_value({other.jinja})",
        (*leaf.columns, *other.columns),
    )


# -- streets ---------------------------------------------------------------------------------------


def _with_number(
    street: ColumnLeaf, taken: Taken, roles: Mapping[str, Match], spec: MappingSpec
) -> ColumnLeaf:
    """Return the street joined with the number of the house, in the order of the country."""
    number = plain_leaf(taken["house_number"][0], "house_number")
    addition = _part(taken, "house_number_addition")
    country = leaf_of("country", taken, roles, spec)
    arguments = [number.jinja, addition.jinja if addition else "none"]
    arguments += [f"({country.jinja})"] if country else []
    return ColumnLeaf(
        joined_sql(
            f"({street.sql})::VARCHAR",
            number.sql,
            addition.sql if addition else None,
            f"({country.sql})::VARCHAR" if country else None,
        ),
        f"{street.jinja} | house_number({', '.join(arguments)})",
        (*street.columns, *number.columns, *(addition.columns if addition else ())),
    )


def _part(taken: Taken, role: str) -> ColumnLeaf | None:
    return plain_leaf(taken[role][0], role) if role in taken else None


# -- names -----------------------------------------------------------------------------------------


def _has_better_parts(taken: Taken, roles: Mapping[str, Match], spec: MappingSpec) -> bool:
    """Return whether first and last name are better than the name column.

    With the headings "Name" and "Shipping First Name", the first may be the buyer's.
    """
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


def _names_beside(taken: Taken, roles: Mapping[str, Match], spec: MappingSpec) -> dict[str, Column]:
    """Return the columns of the first and last name that a name of the same party may lack.

    In a German file, "Vorname" and "Name" are the first and the last name.
    """
    if "name" in spec.columns or "name" not in roles:
        return {}
    return {
        argument: taken[role][0]
        for argument, role in (("first", "first_name"), ("last", "last_name"))
        if role in taken and role in roles and roles[role].party == roles["name"].party
    }


def _with_names(name: Column, parts: Mapping[str, Column]) -> ColumnLeaf:
    whole = plain_leaf(name, "name")
    leaves = {argument: plain_leaf(column, "name") for argument, column in parts.items()}
    texts = {argument: f"({leaf.sql})::VARCHAR" for argument, leaf in leaves.items()}
    given = ", ".join(f"{argument}={leaf.jinja}" for argument, leaf in leaves.items())
    return ColumnLeaf(
        with_names_sql(f"({whole.sql})::VARCHAR", texts.get("first"), texts.get("last")),
        f"{whole.jinja} | with_names({given})",
        (*whole.columns, *(key for leaf in leaves.values() for key in leaf.columns)),
    )


def _full_name(taken: Taken) -> ColumnLeaf:
    roles = ("first_name", "middle_name", "last_name")
    # Headings in Japanese, Chinese or Korean are of files whose names begin with the family.
    if "last_name" in taken and re.search(
        r"[\u3040-\u30ff\u4e00-\u9fff\uac00-\ud7af]", taken["last_name"][0].name
    ):
        roles = ("last_name", "first_name", "middle_name")
    columns = [taken[role][0] for role in roles if role in taken]
    parts = [plain_leaf(column, "name") for column in columns]
    joined = ' ~ " " ~ '.join(f'({part.jinja} or "")' for part in parts)
    return ColumnLeaf(
        " || ' ' || ".join(f"coalesce({part.sql}, '')" for part in parts),
        f"({joined})",
        tuple(column.key for column in columns),
    )


# -- services --------------------------------------------------------------------------------------


def _services(spec: MappingSpec) -> dict[str, str]:
    """Return what texts of the service column mean, by the settings and then by the layout.

    Some exports write the speed of a service there: "Standard" is no service of a carrier.
    """
    given = {text.strip().lower() for text in spec.services}
    known = spec.layout.layout.services if spec.layout else {}
    return {
        **{text: meaning for text, meaning in known.items() if text.strip().lower() not in given},
        **spec.services,
    }


def _carriers(taken: Taken) -> ColumnLeaf | None:
    """Return the cells that name the carriers of the services."""
    named = [
        plain_leaf(column, "carrier")
        for role, (column, _) in taken.items()
        if role.startswith(CARRIER_OF_SERVICE)
    ]
    if len(named) < 2:
        return named[0] if named else None
    keys = [key for leaf in named for key in leaf.columns]
    between = f" ~ {literal(BETWEEN_CELLS)} ~ "
    cells = between.join(f'({leaf.jinja} or "")' for leaf in named)
    return ColumnLeaf(carrier_cells_sql(keys), f"({cells})", tuple(keys))


def _translated(leaf: ColumnLeaf, services: Mapping[str, str], offered: ServiceList) -> ColumnLeaf:
    if not services:
        return leaf
    meanings = _meanings(services, offered)
    cases: dict[str, str] = {}
    for text, meaning in meanings.items():  # the first of two spellings, as the filter takes it
        cases.setdefault(text.strip(BLANKS).lower(), quote(meaning))
    return ColumnLeaf(
        choose(f"lower({trimmed(leaf.sql)})", cases, leaf.sql),
        f"{leaf.jinja} | translate({literal(meanings)})",
        leaf.columns,
    )


def _by_cells(leaf: ColumnLeaf, meanings: Mapping[str, str]) -> ColumnLeaf:
    """Return a column of yes and no as the value that its heading asks for."""
    text = f"({leaf.sql})::VARCHAR"
    cases = {cell: quote(meaning) for cell, meaning in meanings.items()}
    return ColumnLeaf(
        choose(f"lower({trimmed(text)})", cases, text),
        f"{leaf.jinja} | translate({literal(meanings)})",
        leaf.columns,
    )


def _of_carrier(
    leaf: ColumnLeaf, services: Mapping[str, str], offered: ServiceList, carrier: ColumnLeaf
) -> ColumnLeaf:
    """Return the services as those of the carriers next to them."""
    meanings = _meanings(services, offered)
    table = f", {literal(meanings)}" if meanings else ""
    return ColumnLeaf(
        of_carrier_sql(f"({leaf.sql})::VARCHAR", f"({carrier.sql})::VARCHAR", meanings),
        f"{leaf.jinja} | of_carrier({carrier.jinja}{table})",
        tuple(dict.fromkeys((*leaf.columns, *carrier.columns))),
        # A million rows took 3 s of CPU, and 14 s where cells say more than a carrier's name.
        by_cells=True,
    )


def _meanings(services: Mapping[str, str], offered: ServiceList) -> dict[str, str]:
    """Return what texts mean; a layout may name a service that this carrier does not offer."""
    known = offered.known_among(services.values())
    return {text: known.get(service, service) for text, service in services.items()}


# -- units -----------------------------------------------------------------------------------------


def _side(column: Column, role: str) -> ColumnLeaf:
    """Return one side of a column that has all three: "10 x 8 x 4"."""
    whole = plain_leaf(column, "dimensions")
    jinja = f"{whole.jinja} | side({literal(role)})"
    return ColumnLeaf(f"({side_sql(f'({whole.sql})::VARCHAR', role)})", jinja, whole.columns)


def _converted(leaf: ColumnLeaf, column: Column, unit: str | None, role: str) -> ColumnLeaf:
    if unit in (None, "lb", "in"):
        return leaf
    return ColumnLeaf(
        _in_unit(leaf.sql, column, unit), f'{leaf.jinja} | {_filter(role)}("{unit}")', leaf.columns
    )


def _by_unit_column(leaf: ColumnLeaf, column: Column, unit: Column, role: str) -> ColumnLeaf:
    """Return a number converted by the unit in another column.

    An unknown unit is written behind the number, so that normalising reports "12 stone".
    """
    scale = WEIGHTS if role == "weight" else LENGTHS
    named = plain_leaf(unit, "unit")
    text = f"({leaf.sql})::VARCHAR"
    known = choose(
        scale.word_sql(named.sql), {word: quote(unit) for word, unit in scale.words.items()}, "''"
    )
    converted = {unit: f"({_in_unit(leaf.sql, column, unit)})::VARCHAR" for unit in scale.to_base}
    unknown = case((is_number(text), f"{text} || ' ' || {named.sql}"), otherwise=text)
    return ColumnLeaf(
        choose(known, converted, unknown),
        f"{leaf.jinja} | {_filter(role)}({named.jinja})",
        (*leaf.columns, unit.key),
    )


def _in_unit(sql: str, column: Column, unit: str) -> str:
    """Return SQL of a number of `unit` in pounds or inches; any other text stays."""
    if column.type != "VARCHAR":
        return convert(f"({sql}::DOUBLE)", unit)
    converted = f"{convert(f'({number(sql)})', unit)}::VARCHAR"
    return f"({case((is_number(sql), converted), otherwise=sql)})"


def _filter(role: str) -> str:
    return "convert_weight" if role == "weight" else "convert_length"
