"""The tables that rooms exchange: shipments, problems and quotes, as Arrow schemas.

The fields of a shipment are declared once, in :mod:`shipkit.models`. From there come the columns of
a plan, one row per shipment: flat typed columns, with parcels and customs items as lists. Preview,
execution and resume read the same table, so the price shown and the parcel bought come from the
same bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel

from shipkit.errors import InputError
from shipkit.models import (
    NUMBERED_REFERENCES,
    Address,
    Customs,
    CustomsItem,
    Money,
    Parcel,
    Shipment,
    Spec,
    minor_units,
)

__all__ = [
    "ADDRESS",
    "ADDRESS_FIELDS",
    "EDITABLE",
    "FLAT",
    "FURTHER_OPTIONS",
    "ITEMS",
    "OPTIONS",
    "OWN",
    "PAPERS",
    "PARCEL",
    "PARCELS",
    "PROBLEMS",
    "QUOTES",
    "RETURN_OF",
    "ROW_LEAVES",
    "SHIPMENTS",
    "SHORT_NAMES",
    "UNANSWERED",
    "WAREHOUSE",
    "Leaf",
    "asked_for",
    "complete",
    "field_names",
    "major",
    "problems_table",
    "quotes_table",
    "shipment_from_row",
    "user_references",
]


@dataclass(frozen=True)
class Leaf:
    """One value of a shipment, as its model declares it; see :class:`shipkit.models.Spec`."""

    group: str
    """``""`` for the shipment's own, else ``ship_to``, ``parcels``, ``customs`` or ``items``."""
    name: str
    """The field's name in its model and in the JSON of a template."""
    spec: Spec
    required: bool
    """Whether the model has no empty value for it: a missing flag is then false."""

    @cached_property
    def column(self) -> str:
        """The name in the shipments table; amounts are whole minor units."""
        return f"{self.name}_cents" if self.spec.kind == "amount" else self.name

    @property
    def flat(self) -> str:
        """The name in a table with one parcel in its shipment's row, as in mapping."""
        return "parcel_description" if self.path == "parcels[0].description" else self.name

    @property
    def path(self) -> str:
        """The path that problems name: ``ship_to.city``, ``parcels[0].weight_lb``."""
        return {"": "", "parcels": "parcels[0]."}.get(self.group, f"{self.group}.") + self.name

    @property
    def arrow(self) -> pa.Field:
        """The Arrow field of the shipments table."""
        return pa.field(self.column, _ARROW.get(self.spec.kind, pa.string()))


_ARROW = {
    "weight": pa.float64(),
    "length": pa.float64(),
    "amount": pa.int64(),
    "count": pa.int64(),
    "date": pa.date32(),
    "flag": pa.bool_(),
}
"""Kind of a field -> type of its column; all others are text."""


def _leaves(model: type[BaseModel], group: str) -> tuple[Leaf, ...]:
    return tuple(
        Leaf(group, name, spec, required=field.is_required() or field.default is not None)
        for name, field in model.model_fields.items()
        for spec in field.metadata
        if isinstance(spec, Spec)
    )


ADDRESS = _leaves(Address, "ship_to")
PARCELS = _leaves(Parcel, "parcels")
ITEMS = _leaves(CustomsItem, "items")
PAPERS = _leaves(Customs, "customs")
OWN = _leaves(Shipment, "")
"""The fields of a shipment that are neither in its address, nor in its parcels or customs."""

CURRENCY = Leaf("", "currency", Spec("code"), required=True)
"""Of declared and customs values, never of the carrier's price. Models have it in each amount."""

NUMBER_OF_PARCELS = Leaf("", "number_of_parcels", Spec("count", since=3), required=False)
"""How many parcels a row is packed in. A plan has the parcels themselves."""

WAREHOUSE = Leaf("", "warehouse", Spec("code", editable=True, since=3), required=False)
"""The name of the place that a row leaves from. A plan has its address, in ``ship_from``."""

ROW_LEAVES = (CURRENCY, NUMBER_OF_PARCELS, WAREHOUSE)
"""What a row and a template may say that is not a field of its own in the models."""

SHORT_NAMES: Mapping[str, str] = {
    "saturday": "saturday_delivery",
    "insurance": "declared_value",
    "hold_at": "access_point_id",
    "parcels": "number_of_parcels",
}
"""Short name -> field, for columns, defaults, templates and edits; `parcels` of a template is the
list of its parcels."""


def field_names(given: Mapping[str, Any], argument: str) -> dict[str, Any]:
    """Return `given` by the names of fields. Raises InputError for a field that is given twice.

    Examples
    --------
    >>> field_names({"saturday": True, "weight_lb": 2}, "defaults")
    {'saturday_delivery': True, 'weight_lb': 2}
    """
    made: dict[str, Any] = {}
    for name, value in given.items():
        field = SHORT_NAMES.get(name, name) if isinstance(name, str) else name
        if field in made:
            raise InputError(
                f"{argument}: {field} is given twice, once by a short name.",
                fix="Give it once.",
            )
        made[field] = value
    return made


FLAT = (
    *(leaf for leaf in OWN if leaf.name == "order_id"),
    *ADDRESS,
    *(leaf for leaf in OWN if leaf.name == "service"),
    *PARCELS,
    *(leaf for leaf in OWN if leaf.name not in ("order_id", "service")),
    *ROW_LEAVES,
)
"""The fields that one row of orders can fill: the recipient, one parcel, the shipment's own."""

OPTIONS = tuple(leaf for leaf in (*OWN, *PARCELS) if leaf.spec.option)
"""Services on top of delivery that a row may ask for and a carrier may not offer."""

FURTHER_OPTIONS: Final = (
    "declared_value",
    "packaging",
    "references",
    "ship_from",
    "ship_date",
    "customs",
)
"""What a row may ask for next to its options, and a carrier may have no place for."""

EDITABLE = tuple(leaf for leaf in FLAT if leaf.spec.editable)
"""Fields that ``session.edit(clause, field=value)`` may set."""

ADDRESS_FIELDS = tuple(leaf.name for leaf in ADDRESS)
"""The fields of an address, in the order of the columns."""

PARCEL = pa.struct([leaf.arrow for leaf in PARCELS])

_PAIRS = pa.list_(pa.struct([pa.field("key", pa.string()), pa.field("value", pa.string())]))


RETURN_OF = "return_of"
"""The column that names the parcel of a return label."""


def _columns() -> Iterator[pa.Field]:
    """Yield the columns of a plan, in the order of :class:`~shipkit.models.Shipment`."""
    yield pa.field("row_number", pa.int64())
    yield pa.field("row_numbers", pa.list_(pa.int64()))
    yield pa.field("source_file", pa.string())
    own = {leaf.name: leaf for leaf in OWN}
    for name in Shipment.model_fields:
        match name:
            case "ship_to":
                yield from (leaf.arrow for leaf in ADDRESS)
            case "ship_from":
                yield pa.field(name, pa.struct([leaf.arrow for leaf in ADDRESS]))
            case "parcels":
                yield pa.field(name, pa.list_(PARCEL))
            case "references":
                yield pa.field(name, _PAIRS)
            case "customs":
                items = pa.field("items", pa.list_(pa.struct([leaf.arrow for leaf in ITEMS])))
                yield CURRENCY.arrow
                yield pa.field(name, pa.struct([*(leaf.arrow for leaf in PAPERS), items]))
            case _:
                yield own[name].arrow
    yield pa.field(RETURN_OF, pa.int64())


SHIPMENTS = pa.schema(list(_columns()))
"""Columns of a plan, one row per shipment, made from the models.

`row_number` is the 1-based row of the source, header not counted: the first one of an order;
`row_numbers` are all of them. A return label that was asked for with its parcel has the
`row_number` of that parcel in `return_of`, a number of its own behind those of the source, and no
`row_numbers`. `ship_to` is flat. `ship_from` is null for the session's shipper.
`service` is a service, or a rule for the plan to resolve ("cheapest"), or null when unknown. A row
with a problem keeps what could be read and has nulls elsewhere.
"""

PROBLEMS = pa.schema(
    [
        pa.field("row_number", pa.int64()),
        pa.field("field", pa.string()),
        pa.field("value", pa.string()),
        pa.field("problem", pa.string()),
        pa.field("fix", pa.string()),
        pa.field(
            "severity", pa.string()
        ),  # "error": the row cannot ship; "warning": it can, and a person should know
        pa.field("code", pa.string()),  # stable, e.g. "zip_state_mismatch"
    ]
)
"""Columns of a problems table: one row per problem."""

QUOTES = pa.schema(
    [
        pa.field("service", pa.string()),
        pa.field("cost_cents", pa.int64()),  # minor units; null when the row cannot be priced
        pa.field("currency", pa.string()),
        pa.field("cost_basis", pa.string()),  # quoted | cached | estimated | rate_card | UNANSWERED
        pa.field("zone", pa.string()),
        pa.field("billable_weight_lb", pa.float64()),
        pa.field("transit_days", pa.int32()),
        pa.field("delivery_date", pa.date32()),
        pa.field("base_cents", pa.int64()),
        pa.field("fuel_cents", pa.int64()),
        pa.field("residential_cents", pa.int64()),
        pa.field("delivery_area_cents", pa.int64()),
        pa.field("other_cents", pa.int64()),
        pa.field("tax_cents", pa.int64()),  # within the cost; null when the carrier is silent
        pa.field("list_cents", pa.int64()),  # the published price, next to the account's own
        pa.field("warnings", pa.string()),  # empty when none
        pa.field("problem", pa.string()),  # null when none
        pa.field("fix", pa.string()),
    ]
)
"""Columns of a quote table: one row per row of the shipments table, in the same order."""


def asked_for(table: pa.Table, leaf: Leaf) -> pa.ChunkedArray:
    """Return what each shipment of `table` asks for by an option.

    Of a parcel's option it is what the first parcel asks for that asks at all.
    """
    if leaf.group != "parcels":
        return table.column(leaf.column)
    flag = leaf.spec.kind == "flag"
    found = pa.nulls(table.num_rows, leaf.arrow.type)
    if flag:
        found = pa.array(np.zeros(table.num_rows, dtype=bool))
    values = pc.struct_field(pc.list_flatten(table.column("parcels")), leaf.column)
    asks = pc.fill_null(values, False) if flag else pc.is_valid(values)  # noqa: FBT003 - a fill value
    at = pc.indices_nonzero(asks)
    if len(at):
        rows = pc.list_parent_indices(table.column("parcels").combine_chunks()).take(at).to_numpy()
        _, first = np.unique(rows, return_index=True)
        mask = np.zeros(table.num_rows, dtype=bool)
        mask[rows] = True
        asked = values.combine_chunks().take(at).take(pa.array(first))
        found = pc.replace_with_mask(found, pa.array(mask), asked)
    return pa.chunked_array([found])


def user_references(table: pa.Table) -> pa.ChunkedArray:
    """Return the references of each shipment in `table`, as pairs: numbered ones, then named ones.

    Plans that were stored before a column existed do not have it.
    """
    named = table.column("references")
    present = [name for name in NUMBERED_REFERENCES if name in table.column_names]
    numbered = [name for name in present if table.column(name).null_count < table.num_rows]
    if not numbered:
        return named
    columns = (table.column(name).to_pylist() for name in numbered)
    pairs = []
    for own, *texts in zip(named.to_pylist(), *columns, strict=True):
        filled = ((name, text) for name, text in zip(numbered, texts, strict=True) if text)
        pairs.append([*({"key": name, "value": text} for name, text in filled), *(own or ())])
    return pa.chunked_array([pa.array(pairs, named.type)])


UNANSWERED: Final = "unanswered"
"""Cost basis of a row without a price because the carrier did not answer: no fault of the row."""


def problems_table(rows: list[dict[str, Any]] | None = None) -> pa.Table:
    """Return a problems table of `rows`; missing keys are null."""
    return pa.Table.from_pylist(rows, schema=PROBLEMS) if rows else _no_problems()


@cache  # and not a constant: pyarrow imports pandas to make an array
def _no_problems() -> pa.Table:
    return PROBLEMS.empty_table()


def quotes_table(rows: list[dict[str, Any]]) -> pa.Table:
    """Return a quote table of `rows`; missing keys are null."""
    return pa.Table.from_pylist(rows, schema=QUOTES)


def shipment_from_row(row: Mapping[str, Any]) -> Shipment:
    """Return the shipment of one row of a shipments table, given as a dict of its columns.

    Columns that are missing or null take the default of the model, so rows of plans that were
    stored before a field existed are read too. Raises ValueError where a required value is null.
    """
    currency = row.get("currency") or "USD"
    customs, origin = row.get("customs"), row.get("ship_from")
    return Shipment(
        **_values(OWN, row, currency),
        ship_to=Address(**_values(ADDRESS, row, currency)),
        ship_from=Address(**_values(ADDRESS, origin, currency)) if origin else None,
        parcels=tuple(Parcel(**_values(PARCELS, p, currency)) for p in row["parcels"] or ()),
        references={pair["key"]: pair["value"] for pair in row.get("references") or ()},
        customs=None if customs is None else _customs(customs, currency),
    )


def _values(leaves: Sequence[Leaf], row: Mapping[str, Any], currency: str) -> dict[str, Any]:
    found = {}
    for leaf in leaves:
        value = row.get(leaf.column)
        if value is not None:
            amount = leaf.spec.kind == "amount"
            found[leaf.name] = Money.from_cents(value, currency) if amount else value
    return found


def _customs(customs: Mapping[str, Any], currency: str) -> Customs:
    nothing = {"description": "", "quantity": 1, "unit_value": Money.from_cents(0, currency)}
    items = tuple(
        CustomsItem(**{**nothing, **_exact(_values(ITEMS, item, currency), currency)})
        for item in customs["items"] or ()
    )
    return Customs(**_values(PAPERS, customs, currency), items=items)


def _exact(item: dict[str, Any], currency: str) -> dict[str, Any]:
    """Return the values of an item with its exact unit value, where whole minor units round it."""
    exact = item.get("unit_value_exact")
    return item if exact is None else {**item, "unit_value": Money.of(exact, currency)}


def complete(table: pa.Table) -> pa.Table:
    """Return `table`, a plan of this or an earlier version, with every column of :data:`SHIPMENTS`.

    Fields that did not exist when the plan was stored are null.
    """
    if table.schema.equals(SHIPMENTS):
        return table
    columns = [
        _grown(table.column(field.name), field.type)
        if field.name in table.column_names
        else pa.nulls(table.num_rows, field.type)
        for field in SHIPMENTS
    ]
    return pa.table(columns, schema=SHIPMENTS)


def _grown(column: Any, kind: pa.DataType) -> Any:
    """Return `column` as `kind`, whose structs may have more fields than the column's."""
    if column.type.equals(kind):
        return column
    chunks = [_grown_chunk(chunk, kind) for chunk in column.chunks]
    return pa.chunked_array(chunks, kind)


def _grown_chunk(array: Any, kind: pa.DataType) -> Any:
    if pa.types.is_list(kind):
        return pa.ListArray.from_arrays(
            array.offsets,
            _grown_chunk(array.values, kind.value_type),
            type=kind,
            mask=array.is_null(),
        )
    if pa.types.is_struct(kind):
        have = {array.type.field(i).name: i for i in range(array.type.num_fields)}
        parts = [
            _grown_chunk(array.field(have[field.name]), field.type)
            if field.name in have
            else pa.nulls(len(array), field.type)
            for field in kind
        ]
        return pa.StructArray.from_arrays(parts, fields=list(kind), mask=array.is_null())
    return array.cast(kind)


def major(cents: pa.ChunkedArray, currency: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return amounts in major units as floats, for people and plots."""
    value = cents.cast(pa.float64())
    for code in pc.unique(currency.drop_null()).to_pylist():
        if minor_units(code):
            value = pc.if_else(
                pc.fill_null(pc.equal(currency, code), False),  # noqa: FBT003 - a fill value
                pc.divide(value, float(10 ** minor_units(code))),
                value,
            )
    return value


def minor_unit_scale(currency: str) -> int:
    """Return how many minor units one unit of `currency` has (100 for USD)."""
    return int(10 ** minor_units(currency))
