"""Templates compiled to SQL: the shipments that a template writes, as one SELECT over the orders.

A template can be compiled when it writes one JSON object whose leaves are constants, or cells with
operators and filters that have an exact form in SQL. Every other template is rendered row by row,
and so are the rows of a compiled template for which SQL might differ from Python in a letter.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from shipkit.models import Address
from shipkit.orders.columns import Column
from shipkit.orders.expressions import quote
from shipkit.orders.filters.column_values import Kind, NotCompilable
from shipkit.orders.mapping.compiler.expressions_to_sql import MOST_SQL
from shipkit.orders.mapping.compiler.json_to_sql import JsonCompiler
from shipkit.orders.mapping.mapped import (
    ADDRESS_LEAVES,
    ADDRESS_TYPE,
    CUSTOMS_TYPE,
    ITEM_LEAVES,
    ITEMS_TYPE,
    LEAVES,
    PARCEL_LEAVES,
    PARCELS_TYPE,
    REFERENCES_TYPE,
)
from shipkit.orders.mapping.template_limits import MAX_OUTPUT, OverBudget
from shipkit.schema import FLAT, OWN, PAPERS, ROW_LEAVES
from shipkit.services import ServiceList

__all__ = ["TemplateSql", "compile_template"]


@dataclass(frozen=True)
class TemplateSql:
    """A template compiled to SQL.

    Parameters
    ----------
    columns
        SQL of the columns that the template writes, over the orders.
    rendered_where
        SQL condition of the orders that must be rendered; it is never null.
    nested
        Whether it writes other than one parcel, another origin, or customs.
    filled
        The leaves that it writes.
    """

    columns: Mapping[str, str]
    rendered_where: str
    nested: bool
    filled: frozenset[str]

    def select(self, orders: str) -> str:
        """Return the statement that computes what the template writes for the relation `orders`."""
        computed = ",\n                ".join(
            f"{sql} AS {name}" for name, sql in self.columns.items()
        )
        return f"""
            SELECT
                row_number,
                row_numbers,
                source_file,
                {computed}
            FROM {orders}
        """


def compile_template(
    text: str,
    columns: Sequence[Column],
    shipper: Address,
    offered: ServiceList,
    *,
    as_text: Collection[str] = (),
) -> TemplateSql | None:
    """Return a template compiled to SQL, or None when it has to be rendered row by row.

    Parameters
    ----------
    text
        A template that :func:`shipkit.orders.mapping.templates.prepare_template` accepted.
    columns
        The columns of the orders.
    shipper
        What the template reads as ``shipper``.
    offered
        The services whose codes ``lookup_service_code`` gives.
    as_text
        Leaves to be given as text also where they are numbers, flags or dates.
    """
    compiler = JsonCompiler(columns, shipper, offered)
    try:
        made = _shipment(compiler, compiler.shape(text), as_text)
    except (NotCompilable, OverBudget, RecursionError, UnicodeEncodeError):
        return None
    size = len(made.rendered_where) + sum(map(len, made.columns.values()))
    return made if compiler.size <= MAX_OUTPUT and size <= MOST_SQL else None


# -- the parts of a shipment -----------------------------------------------------------------------

_NESTED: Final = ("ship_to", "ship_from", "parcels", "references", "customs")
_CUSTOMS: Final = tuple(leaf.name for leaf in PAPERS)
_OWN_FIELDS: Final = {*(leaf.name for leaf in (*OWN, *ROW_LEAVES)), *_NESTED}
"""Fields of the shipment itself; those of its address and its parcels are one level below."""

_BY_KIND: Final[Mapping[str, tuple[Kind, ...]]] = {
    "weight": (Kind.INT, Kind.FLOAT),
    "length": (Kind.INT, Kind.FLOAT),
    "flag": (Kind.FLAG,),
    "date": (Kind.DATE,),
}
_TYPED: Final[Mapping[str, tuple[Kind, ...]]] = {
    leaf.flat: _BY_KIND[leaf.spec.kind] for leaf in FLAT if leaf.spec.kind in _BY_KIND
}
"""Leaves that normalising takes as values of these kinds, and not only as text."""


def _shipment(
    compiler: JsonCompiler, shape: Mapping[str, Any], as_text: Collection[str]
) -> TemplateSql:
    """Return the columns of the shipments that have this shape.

    Raises
    ------
    NotCompilable
        The shape is not that of a shipment: rendering names what is wrong with it.
    """
    _check_fields(shape, _OWN_FIELDS)
    address, origin = _object(shape, "ship_to"), _object(shape, "ship_from")
    customs, references = _object(shape, "customs"), _object(shape, "references")
    parcels, items = _list(shape, "parcels"), _list(customs or {}, "items")
    for part in (address, origin):
        if part is not None:
            _check_fields(part, set(ADDRESS_LEAVES))
    if customs is not None:
        _check_fields(customs, {"items", *_CUSTOMS})
    for parcel in parcels or []:
        _check_fields(parcel, set(PARCEL_LEAVES))
    for item in items or []:
        _check_fields(item, set(ITEM_LEAVES))

    flat = {name: value for name, value in shape.items() if name not in _NESTED}
    flat |= address or {}
    for name, value in (parcels[0] if parcels else {}).items():
        flat["parcel_description" if name == "description" else name] = value
    leaves = {
        name: compiler.leaf(flat[name], () if name in as_text else _TYPED.get(name, ()))
        for name in LEAVES
        if flat.get(name) is not None
    }
    count = len(parcels or [])
    more = [_struct_sql(compiler, parcel, PARCEL_LEAVES) for parcel in (parcels or [])[1:]]
    return TemplateSql(
        columns={
            **{name: leaves.get(name, "NULL::VARCHAR") for name in LEAVES},
            '"references"': _references_sql(compiler, references or {}),
            "ship_from": f"NULL::{ADDRESS_TYPE}"
            if origin is None
            else _struct_sql(compiler, origin, ADDRESS_LEAVES),
            "more": f"[{', '.join(more)}]::{PARCELS_TYPE}",
            "parcel_count": str(count),
            "customs": f"NULL::{CUSTOMS_TYPE}"
            if customs is None
            else _customs_sql(compiler, customs, items),
        },
        rendered_where=_any(compiler.rendered_where),
        nested=count != 1 or origin is not None or customs is not None,
        filled=frozenset(leaves),
    )


def _check_fields(part: Any, allowed: Collection[str]) -> None:
    if not isinstance(part, dict) or not part or not set(part) <= set(allowed):
        raise NotCompilable


def _object(shape: Mapping[str, Any], name: str) -> dict[str, Any] | None:
    value = shape.get(name)
    if value is not None and not isinstance(value, dict):
        raise NotCompilable
    return value


def _list(shape: Mapping[str, Any], name: str) -> list[Any] | None:
    value = shape.get(name)
    if value is not None and (not isinstance(value, list) or None in value):
        raise NotCompilable
    return value


def _any(conditions: Collection[str]) -> str:
    """Return SQL of whether any of the conditions holds; an unknown one does not."""
    return (
        f"coalesce({' OR '.join(f'({condition})' for condition in conditions) or 'false'}, false)"
    )


# -- nested parts as SQL ---------------------------------------------------------------------------


def _references_sql(compiler: JsonCompiler, references: Mapping[str, Any]) -> str:
    pairs = ", ".join(
        f"{{key: {quote(name)}, value: {compiler.leaf(value)}}}"
        for name, value in references.items()
    )
    return f"[{pairs}]::{REFERENCES_TYPE}"


def _struct_sql(compiler: JsonCompiler, part: Mapping[str, Any], names: Sequence[str]) -> str:
    fields = ", ".join(f"{name}: {compiler.leaf(part.get(name))}" for name in names)
    return f"{{{fields}}}"


def _customs_sql(
    compiler: JsonCompiler,
    customs: Mapping[str, Any],
    items: Sequence[Mapping[str, Any]] | None,
) -> str:
    fields = ", ".join(f"{name}: {compiler.leaf(customs.get(name))}" for name in _CUSTOMS)
    structs = ", ".join(_struct_sql(compiler, item, ITEM_LEAVES) for item in items or [])
    listed = "NULL" if items is None else f"[{structs}]"
    return f"{{{fields}, items: {listed}::{ITEMS_TYPE}}}::{CUSTOMS_TYPE}"
