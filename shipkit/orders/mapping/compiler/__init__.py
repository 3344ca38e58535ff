"""The template producer for straight templates: each leaf becomes an expression over whole columns, and no row is rendered.

A template is straight when it writes one JSON object whose leaves are constants, or cells with
filters, ``~``, ``or`` and ``if ... else`` that have an exact twin in SQL
(:mod:`shipkit.orders.mapping.compiler.filter_sql`). Rows with cells of which only Python can tell
what they become, such as a very long text or one that makes the template fail, are rendered one by
one beside the others; any other template is rendered as a whole.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import duckdb

from shipkit.models import Address
from shipkit.orders.expressions import quote
from shipkit.orders.fields import Column
from shipkit.orders.mapping.compiler.output import Writer
from shipkit.orders.mapping.compiler.values import DATE, FLAG, FLOAT, INT, MOST_SQL, Unlike
from shipkit.orders.mapping.environment import MAX_OUTPUT, OverBudget
from shipkit.orders.mapping.mapped import (
    ADDRESS_LEAVES,
    ITEM_LEAVES,
    LEAVES,
    PARCEL_LEAVES,
    Mapped,
    MappingSpec,
)
from shipkit.orders.mapping.rendering import fed_fields, filled_by_defaults, mapped_sql, render_rows
from shipkit.orders.mapping.templates import compile_template
from shipkit.schema import PROBLEMS

__all__ = ["map_template"]


def map_template(
    con: duckdb.DuckDBPyConnection,
    columns: Sequence[Column],
    spec: MappingSpec,
    shipper: Address,
    selection: str,
) -> Mapped:
    """Return the mapped relation that the template of `spec` makes of the selected orders: by whole columns where that says the same, else row by row.

    Raises
    ------
    TemplateError
        As :func:`shipkit.orders.mapping.rendering.render_rows`.
    """
    compiled = compile_template(
        spec.template or "", tuple((column.name, column.key) for column in columns)
    )
    made = (
        None
        if compiled.lines or compiled.whole_row
        else _straight(columns, spec, shipper, selection)
    )
    if made is None:
        return render_rows(con, columns, spec, shipper, selection)
    count, odd = con.execute(
        f"SELECT count(*), count(*) FILTER ({made.odd}) FROM {selection}"
    ).fetchall()[0]
    if odd == count:
        return render_rows(con, columns, spec, shipper, selection)
    rest: Mapped | None = None
    written, others = f"({made.written})", ""
    if odd:
        con.execute(
            f"CREATE OR REPLACE TEMP VIEW odd_orders AS SELECT * FROM {selection} WHERE {made.odd}"
        )
        rest = render_rows(con, columns, spec, shipper, "odd_orders", others=count - odd)
        written, others = (
            f"({made.written} WHERE NOT {made.odd})",
            f" UNION ALL SELECT * FROM {rest.relation}",
        )
    con.execute(f"CREATE OR REPLACE TEMP VIEW mapped AS {mapped_sql(spec, written)}{others}")
    defaulted = filled_by_defaults(con, spec, written)
    return Mapped(
        relation="mapped",
        template=spec.template or "",
        problems=rest.problems if rest else PROBLEMS.empty_table(),
        nested=made.nested or (rest is not None and rest.nested),
        fields=fed_fields(compiled, columns),
        defaulted={
            name: number + (rest.defaulted[name] if rest else 0)
            for name, number in defaulted.items()
        },
        filled=made.filled
        | {
            *spec.defaults,
            *(("service",) if spec.service is not None else ()),
            *(("ship_date",) if spec.ship_date is not None else ()),
        },
    )


@dataclass(frozen=True)
class _Made:
    """A straight template: the relation of what it writes, a condition for the rows that have to be rendered, and what it fills."""

    written: str
    odd: str
    nested: bool
    filled: frozenset[str]


def _straight(
    columns: Sequence[Column], spec: MappingSpec, shipper: Address, selection: str
) -> _Made | None:
    """Return the template of `spec` as SQL, or None when it has to be rendered."""
    writer = Writer(columns, shipper)
    try:
        made = _relation(writer, writer.shape(spec.template or ""), spec, selection)
    except (Unlike, OverBudget, RecursionError, UnicodeEncodeError):
        return None
    return (
        made
        if writer.size <= MAX_OUTPUT and len(made.written) + len(made.odd) <= MOST_SQL
        else None
    )


# -- the relation ----------------------------------------------------------------------------------


def _relation(writer: Writer, shape: Mapping[str, Any], spec: MappingSpec, selection: str) -> _Made:
    """Return the relation of what a template of this shape writes. Raises Unlike when that is not a shipment."""
    parts = {name: shape.get(name) for name in _PARTS}
    address, origin, customs, parcels, references = (
        parts[name] for name in ("ship_to", "ship_from", "customs", "parcels", "references")
    )
    known = [
        (
            shape,
            {*LEAVES, *_PARTS} - {*ADDRESS_LEAVES, *PARCEL_LEAVES, "parcel_description"}
            | {"description"},
        ),
        (address, set(ADDRESS_LEAVES)),
        (origin, set(ADDRESS_LEAVES)),
    ]
    items = (
        (customs or {}).get("items") if isinstance(customs, dict) or customs is None else _refuse()
    )
    known += [
        (customs, {"items", *_PAPERS}),
        *((parcel, set(PARCEL_LEAVES)) for parcel in _listed(parcels)),
        *((item, set(ITEM_LEAVES)) for item in _listed(items)),
    ]
    if any(
        part is not None and not (isinstance(part, dict) and part and set(part) <= names)
        for part, names in known
    ):
        raise Unlike
    if references is not None and not isinstance(references, dict):
        raise Unlike
    first = _listed(parcels)[0] if parcels else {}
    written = (
        {name: value for name, value in shape.items() if name not in _PARTS}
        | (address or {})
        | {
            ("parcel_description" if name == "description" else name): value
            for name, value in first.items()
        }
    )
    leaves = {
        name: writer.leaf(written[name], () if name in spec.defaults else _TYPED.get(name, ()))
        for name in LEAVES
        if written.get(name) is not None
    }
    pairs = ", ".join(
        f"{{key: {quote(name)}, value: {writer.leaf(value)}}}"
        for name, value in (references or {}).items()
    )
    texts = {
        **{name: leaves.get(name, "NULL::VARCHAR") for name in LEAVES},
        '"references"': f"[{pairs}]::{_PAIRS}",
        "ship_from": _struct(writer, origin, ADDRESS_LEAVES),
        "more": _list(writer, _listed(parcels)[1:], PARCEL_LEAVES),
        "parcel_count": str(len(_listed(parcels))),
        "customs": _papers(writer, customs, items),
    }
    written_sql = (
        "SELECT row_number, row_numbers, source_file, "
        f"{', '.join(f'{text} AS {name}' for name, text in texts.items())} FROM {selection}"
    )
    odd = f"coalesce({' OR '.join(f'({condition})' for condition in writer.odd) or 'false'}, false)"
    return _Made(
        written_sql,
        odd,
        len(_listed(parcels)) != 1 or origin is not None or customs is not None,
        frozenset(leaves),
    )


_TYPED: Final = {
    **dict.fromkeys(("weight_lb", "length_in", "width_in", "height_in"), (INT, FLOAT)),
    **dict.fromkeys(("residential", "saturday_delivery", "is_return"), (FLAG,)),
    "ship_date": (DATE,),
}
"""Leaves that the next stage takes as values and not only as text."""
_PARTS: Final = ("ship_to", "ship_from", "parcels", "references", "customs")
_PAPERS: Final = ("reason", "duties_payer", "invoice_number", "terms")
_PAIRS: Final = 'STRUCT("key" VARCHAR, "value" VARCHAR)[]'


def _refuse() -> Any:
    raise Unlike


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list) or None in value:
        raise Unlike
    return value


def _kind(names: Sequence[str]) -> str:
    return "STRUCT(" + ", ".join(f"{name} VARCHAR" for name in names) + ")"


def _struct(writer: Writer, part: Mapping[str, Any] | None, names: Sequence[str]) -> str:
    if part is None:
        return f"NULL::{_kind(names)}"
    return "{" + ", ".join(f"{name}: {writer.leaf(part.get(name))}" for name in names) + "}"


def _list(writer: Writer, parts: Sequence[Mapping[str, Any]], names: Sequence[str]) -> str:
    return f"[{', '.join(_struct(writer, part, names) for part in parts)}]::{_kind(names)}[]"


def _papers(
    writer: Writer, customs: Mapping[str, Any] | None, items: Sequence[Mapping[str, Any]] | None
) -> str:
    whole = (
        f"STRUCT({', '.join(f'{name} VARCHAR' for name in _PAPERS)}, items {_kind(ITEM_LEAVES)}[])"
    )
    if customs is None:
        return f"NULL::{whole}"
    listed = "NULL" if items is None else _list(writer, items, ITEM_LEAVES)
    return (
        "{"
        + ", ".join(f"{name}: {writer.leaf(customs.get(name))}" for name in _PAPERS)
        + f", items: {listed}}}::{whole}"
    )
