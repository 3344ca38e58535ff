"""Unit prices with fractions of a cent reach the customs invoice as they are."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import duckdb
import pytest

import shipkit as sk
from shipkit.carriers.ups import wire
from shipkit.models import LabelSpec
from shipkit.orders.expressions import money_fraction

SHOP = sk.Address(
    name="Dana Ortiz",
    address_line1="300 Alamo Plaza",
    city="San Antonio",
    state="TX",
    postal_code="78205",
    phone="2105550100",
)
TORONTO = {
    "Order ID": "1",
    "Name": "Kim Roy",
    "Address": "12 Queen Street",
    "City": "Toronto",
    "State": "ON",
    "Zip": "M5H 2N2",
    "Country": "CA",
    "Phone": "4165550100",
    "Weight (lb)": 1,
}


@pytest.mark.parametrize(
    ("cell", "currency", "pieces", "exact"),
    [
        ("0.125", "USD", 1, "0.125"),
        ("$0.0050", "USD", 1, "0.005"),
        ("9.50", "USD", 1, None),
        ("9.500", "USD", 1, None),
        ("1,234.5678", "USD", 1, "1234.5678"),
        ("0.125", "KWD", 1, None),
        ("10.5", "JPY", 1, "10.5"),
        ("10.00", "USD", 3, "3.333333"),
        ("10.00", "USD", 4, None),
        ("cheap", "USD", 1, None),
        ("EUR 0.125", "USD", 1, None),  # another currency: the row waits
    ],
)
def test_what_whole_minor_units_would_lose_is_kept(
    cell: str, currency: str, pieces: int, exact: str | None
) -> None:
    with duckdb.connect() as con:
        text = money_fraction("cell", "currency", "pieces")
        row = con.execute(
            f"SELECT {text} FROM (SELECT ? AS cell, ? AS currency, ? AS pieces)",
            [cell, currency, pieces],
        ).fetchone()
    assert row == (exact,)


def test_the_invoice_has_the_price_of_the_cell(tmp_path: Path) -> None:
    lines = [
        {**TORONTO, "Item Name": "Steel screws", "Qty": 400, "Unit Price": "0.125"},
        {**TORONTO, "Item Name": "Ceramic mug", "Qty": 2, "Unit Price": "9.50"},
    ]
    with sk.BatchSession(lines, shipper=SHOP, home=tmp_path) as session:
        session.map(service="standard", weights="order", defaults={"origin_country": "US"})
        session.preview()
        shipment = session.previewed.plan.shipment(0)
    body: Any = wire.ship(
        shipment.model_copy(update={"description": "Hardware"}),
        SHOP,
        account="A1B2C3",
        reference="R",
        label=LabelSpec(),
        today=dt.date(2026, 11, 22),
    ).body
    sent = body["ShipmentRequest"]["Shipment"]
    forms = sent["ShipmentServiceOptions"]["InternationalForms"]
    units = [(p["Unit"]["Number"], p["Unit"]["Value"]) for p in forms["Product"]]
    assert units == [("400", "0.125"), ("2", "9.50")]
    assert sent["InvoiceLineTotal"]["MonetaryValue"] == "69.00", "400 x 0.125 + 2 x 9.50"
