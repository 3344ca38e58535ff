"""Prices that are asked row by row: what is shared between rows, and what is not."""

from __future__ import annotations

import asyncio
from typing import Any

import pyarrow as pa
import pytest

from shipkit.carriers.quoting import quote_each, shop_each, shop_questions
from shipkit.carriers.row_refusal import refuse
from shipkit.models import Address, Rate, Shipment
from shipkit.rates.shipment_files import filled

PO = {"reference_1": "PO 7"}
SHOP = Address(postal_code="78205")
ROW = {
    "row_number": 1,
    "row_numbers": [1],
    "source_file": "a.csv",
    "order_id": "SO-1",
    "name": "Ada",
    "postal_code": "10001",
    "country": "US",
    "service": "ground",
    "parcels": [{"weight_lb": 1.0}],
    "phone": "2125550100",
}


def asked(*rows: dict[str, Any]) -> tuple[list[str | None], list[str | None], int]:
    """Return the problem of each row, quoted and shopped, and how often a price was asked for."""
    count = 0

    async def quote(shipment: Shipment, shipper: Address) -> Rate:
        nonlocal count
        count += 1
        who = shipment.ship_to
        if not who.phone or shipment.user_references:
            raise refuse("ship_to", f"{who.name} cannot be delivered to.", "Correct the row.")
        return Rate(service="ground", cost_cents=100)

    async def shop(shipment: Shipment, shipper: Address) -> list[Rate]:
        return [await quote(shipment, shipper)]

    every = dict.fromkeys(name for row in rows for name in row)
    table = filled(pa.Table.from_pylist([every | ROW | row for row in rows]))
    quoted = asyncio.run(quote_each(quote, table, SHOP, concurrency=2))
    shopped = asyncio.run(shop_each(shop, table, SHOP, concurrency=2))
    assert shopped.column("row").to_pylist() == list(range(len(rows)))
    return quoted.column("problem").to_pylist(), shopped.column("problem").to_pylist(), count


@pytest.mark.parametrize(
    "other",
    [
        {"phone": None},
        {"phone": None, "name": "Grace"},
        {"reference_1": "PO 7"},
        {"references": [{"key": "po", "value": "7"}]},
    ],
)
def test_a_row_has_the_refusal_of_its_own_names_phones_and_references(
    other: dict[str, Any],
) -> None:
    quoted, shopped, count = asked({}, other, {"order_id": "SO-3"})
    assert quoted == shopped
    assert quoted[0] is quoted[2] is None
    assert f"{other.get('name', 'Ada')} cannot be delivered to" in str(quoted[1])
    assert count == 4, "two questions, quoted and shopped"


def test_rows_that_differ_in_their_place_only_are_asked_for_once() -> None:
    places = {"row_number": 2, "row_numbers": [2], "source_file": "b.csv", "order_id": "SO-2"}
    assert asked({}, places) == ([None, None], [None, None], 2)


@pytest.mark.parametrize(("more", "count"), [(PO, 4), ({}, 2)])
def test_an_order_number_is_of_the_question_where_a_label_may_leave_it_out(
    more: dict[str, Any], count: int
) -> None:
    assert asked(more, {**more, "order_id": "x"})[2] == count


def test_rows_with_one_question_share_its_answer_and_keep_their_own_refusals_and_notes() -> None:
    asked_for: list[str] = []

    def question_of(row: dict[str, Any], shipment: Shipment) -> tuple[str, str]:
        if not row["phone"]:
            raise refuse("ship_to", f"{row['name']} has no phone.", "Correct the row.")
        return shipment.ship_to.postal_code, shipment.ship_to.postal_code

    async def ask(zip_code: str) -> int:
        asked_for.append(zip_code)
        if zip_code == "99999":
            raise refuse("ship_to", "No such place.", "Correct the row.")
        return 100

    def offers_of(shipment: Shipment, cents: int) -> list[Rate]:
        if shipment.ship_to.name == "Nil":
            return []
        return [Rate(service="ground", cost_cents=cents, warnings=(shipment.ship_to.name,))]

    rows = [
        {"name": "Ada"},
        {"name": "Grace"},
        {"name": "Alan", "phone": None},
        {"name": "Nil"},
        {"postal_code": "99999"},
        {"postal_code": "99999", "name": "Eve"},
    ]
    table = filled(pa.Table.from_pylist([ROW | row for row in rows]))
    shopped = asyncio.run(shop_questions(table, question_of, ask, offers_of, concurrency=2))
    assert sorted(asked_for) == ["10001", "99999"]
    assert shopped.column("row").to_pylist() == list(range(6))
    assert shopped.column("warnings").to_pylist()[:2] == ["Ada", "Grace"]
    assert shopped.column("problem").to_pylist() == [
        None,
        None,
        "ship_to: Alan has no phone.",
        "No service accepts this shipment.",
        "ship_to: No such place.",
        "ship_to: No such place.",
    ]
