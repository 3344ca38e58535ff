"""The shipments table: one Arrow schema that every producer fills and every consumer reads.

A line is a shipment: flat typed columns, parcels and customs items as lists. Preview, execution and
resume read this table, so the price shown and the parcel bought come from the same bytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from shipkit.models import (
    Address,
    Customs,
    CustomsItem,
    Money,
    Parcel,
    ServiceLevel,
    Shipment,
    Signature,
    minor_units,
)

__all__ = [
    "ADDRESS_FIELDS",
    "PARCEL",
    "PROBLEMS",
    "QUOTES",
    "SHIPMENTS",
    "digest",
    "major",
    "problems_table",
    "quotes_table",
    "shipment_from_row",
]

ADDRESS_FIELDS = (
    "name",
    "company",
    "phone",
    "email",
    "address_line1",
    "address_line2",
    "address_line3",
    "city",
    "state",
    "postal_code",
    "country",
    "residential",
)
"""The fields of an address, in the order of the columns."""

_ADDRESS = pa.struct(
    [
        pa.field(name, pa.bool_() if name == "residential" else pa.string())
        for name in ADDRESS_FIELDS
    ]
)

PARCEL = pa.struct(
    [
        pa.field("weight_lb", pa.float64()),
        pa.field("length_in", pa.float64()),
        pa.field("width_in", pa.float64()),
        pa.field("height_in", pa.float64()),
        pa.field("packaging", pa.string()),
        pa.field("declared_value_cents", pa.int64()),
        pa.field("description", pa.string()),
    ]
)

_ITEM = pa.struct(
    [
        pa.field("description", pa.string()),
        pa.field("quantity", pa.int64()),
        pa.field("unit_value_cents", pa.int64()),
        pa.field("weight_lb", pa.float64()),
        pa.field("sku", pa.string()),
        pa.field("hs_code", pa.string()),
        pa.field("origin_country", pa.string()),
    ]
)

_CUSTOMS = pa.struct(
    [
        pa.field("reason", pa.string()),
        pa.field("duties_payer", pa.string()),
        pa.field("invoice_number", pa.string()),
        pa.field("terms", pa.string()),
        pa.field("items", pa.list_(_ITEM)),
    ]
)

SHIPMENTS = pa.schema(
    [
        pa.field(
            "row_number", pa.int64()
        ),  # 1-based line of the source, header not counted; the first of an order
        pa.field("row_numbers", pa.list_(pa.int64())),  # all lines of the order
        pa.field("source_file", pa.string()),
        pa.field("order_id", pa.string()),
        *[
            pa.field(name, pa.bool_() if name == "residential" else pa.string())
            for name in ADDRESS_FIELDS
        ],  # ship_to, flat
        pa.field("ship_from", _ADDRESS),  # null: the session's shipper
        pa.field(
            "service", pa.string()
        ),  # a ServiceLevel, or a rule for resolve ("cheapest"); null when unknown
        pa.field("parcels", pa.list_(PARCEL)),
        pa.field("ship_date", pa.date32()),
        pa.field(
            "references",
            pa.list_(pa.struct([pa.field("key", pa.string()), pa.field("value", pa.string())])),
        ),
        pa.field("description", pa.string()),
        pa.field("signature", pa.string()),
        pa.field("saturday_delivery", pa.bool_()),
        pa.field("is_return", pa.bool_()),
        pa.field(
            "currency", pa.string()
        ),  # of declared and customs values, never of the carrier's price
        pa.field("customs", _CUSTOMS),
    ]
)
"""Columns of a plan. A problem row keeps what could be read of it and has nulls elsewhere."""

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
"""Columns of a problems table: every problem of every row."""

QUOTES = pa.schema(
    [
        pa.field("service", pa.string()),
        pa.field("cost_cents", pa.int64()),  # minor units; null when the row cannot be priced
        pa.field("currency", pa.string()),
        pa.field("cost_basis", pa.string()),  # quoted | cached | rate_card
        pa.field("zone", pa.string()),
        pa.field("billable_weight_lb", pa.float64()),
        pa.field("transit_days", pa.int32()),
        pa.field("delivery_date", pa.date32()),
        pa.field("base_cents", pa.int64()),
        pa.field("fuel_cents", pa.int64()),
        pa.field("residential_cents", pa.int64()),
        pa.field("delivery_area_cents", pa.int64()),
        pa.field("other_cents", pa.int64()),
        pa.field("warnings", pa.string()),  # empty when none
        pa.field("problem", pa.string()),  # null when none
        pa.field("fix", pa.string()),
    ]
)
"""Columns of a quote table: one line for each line of the shipments table, in the same order."""


def problems_table(rows: list[dict[str, Any]] | None = None) -> pa.Table:
    """Return a problems table of `rows` (missing keys are null), empty when there are none."""
    return pa.Table.from_pylist(rows or [], schema=PROBLEMS)


def quotes_table(rows: list[dict[str, Any]]) -> pa.Table:
    """Return a quote table of `rows` (missing keys are null)."""
    return pa.Table.from_pylist(rows, schema=QUOTES)


def shipment_from_row(row: Mapping[str, Any]) -> Shipment:
    """Return the pydantic shipment of one row of a shipments table (as from ``table.slice(i, 1).to_pylist()[0]``)."""
    currency = row.get("currency") or "USD"

    def money(cents: int | None) -> Money | None:
        return None if cents is None else Money.from_cents(cents, currency)

    parcels = tuple(
        Parcel(
            weight_lb=p["weight_lb"],
            length_in=p["length_in"],
            width_in=p["width_in"],
            height_in=p["height_in"],
            packaging=p["packaging"] or "package",
            declared_value=money(p["declared_value_cents"]),
            description=p["description"],
        )
        for p in row["parcels"] or ()
    )
    customs = row.get("customs")
    origin = row.get("ship_from")
    return Shipment(
        order_id=row.get("order_id"),
        ship_to=_address({name: row[name] for name in ADDRESS_FIELDS}),
        ship_from=_address(origin) if origin else None,
        service=ServiceLevel(row["service"]),
        parcels=parcels,
        ship_date=row.get("ship_date"),
        references={r["key"]: r["value"] for r in row.get("references") or ()},
        description=row.get("description"),
        signature=Signature(row.get("signature") or "none"),
        saturday_delivery=bool(row.get("saturday_delivery")),
        is_return=bool(row.get("is_return")),
        customs=None
        if customs is None
        else Customs(
            reason=customs["reason"] or "sale",
            duties_payer=customs["duties_payer"] or "receiver",
            invoice_number=customs["invoice_number"],
            terms=customs["terms"],
            items=tuple(
                CustomsItem(
                    description=i["description"] or "",
                    quantity=i["quantity"] or 1,
                    unit_value=Money.from_cents(i["unit_value_cents"] or 0, currency),
                    weight_lb=i["weight_lb"],
                    sku=i["sku"],
                    hs_code=i["hs_code"],
                    origin_country=i["origin_country"],
                )
                for i in customs["items"] or ()
            ),
        ),
    )


def _address(fields: Mapping[str, Any]) -> Address:
    return Address(
        **{**{name: fields[name] for name in ADDRESS_FIELDS}, "country": fields["country"] or "US"}
    )


def digest(table: pa.Table) -> str:
    """Return a SHA-256 of the table's values: same values, same digest, whatever the chunks and in any process.

    Notes
    -----
    Hashes each column's own buffers after nulls were filled with a constant, so it runs at memory
    speed and does not depend on a file format or a library version.
    """
    sha = hashlib.sha256()
    for name in table.column_names:
        sha.update(f"{name}:{table.num_rows};".encode())
        column = table.column(name)
        _update(sha, column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column)
    return sha.hexdigest()


def _update(sha: Any, array: Any) -> None:
    if isinstance(array, pa.ChunkedArray):
        array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], array.type)
    sha.update(len(array).to_bytes(8, "little"))
    sha.update(_bits(pc.is_valid(array)))
    kind = array.type
    if pa.types.is_struct(kind):
        for i in range(kind.num_fields):
            _update(sha, pc.struct_field(array, [i]))
    elif pa.types.is_list(kind) or pa.types.is_large_list(kind):
        _update(sha, pc.fill_null(pc.list_value_length(array), 0).cast(pa.int64()))
        _update(sha, pc.list_flatten(array))
    elif pa.types.is_boolean(kind):
        sha.update(_bits(pc.fill_null(array, False)))  # noqa: FBT003 - a fill value
    elif pa.types.is_string(kind) or pa.types.is_large_string(kind):
        filled = pc.fill_null(array, "").cast(pa.large_string())
        _update(sha, pc.binary_length(filled).cast(pa.int64()))
        _data(sha, pa.concat_arrays([filled]))
    elif pa.types.is_date32(kind):
        _update(sha, pc.fill_null(array.cast(pa.int32()), 0))
    else:
        fixed = pa.concat_arrays([pc.fill_null(array, 0)])
        width = kind.bit_width // 8
        data = fixed.buffers()[1]
        if data is not None and len(fixed):
            sha.update(memoryview(data)[fixed.offset * width : (fixed.offset + len(fixed)) * width])


def _bits(flags: Any) -> memoryview | bytes:
    return memoryview(flags.cast(pa.uint8()).buffers()[1])[: len(flags)] if len(flags) else b""


def _data(sha: Any, text: Any) -> None:
    """Hash the bytes of a large_string array (its second buffer holds 64-bit offsets)."""
    offsets, data = text.buffers()[1], text.buffers()[2]
    if data is None or not len(text):
        return
    view = memoryview(offsets).cast("q")
    sha.update(memoryview(data)[view[text.offset] : view[text.offset + len(text)]])


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
