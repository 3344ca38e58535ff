"""Questions that buy nothing, as tables: services of every shipment, addresses, tracking."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Awaitable, Callable
from typing import Any

import pyarrow as pa
import pytest
from pydantic import SecretStr

from shipkit.carriers.accounts import Accounts
from shipkit.carriers.pace import Pacer
from shipkit.carriers.sandbox import SandboxCarrier
from shipkit.carriers.ups import UPS
from shipkit.carriers.ups.service_level import SERVICES
from shipkit.errors import AuthenticationFailed, InputError
from shipkit.models import Address, LabelSpec, Shipment
from shipkit.plan import questions
from shipkit.plan.edits import apply_edits
from shipkit.schema import SHIPMENTS


def table(*rows: dict[str, Any]) -> pa.Table:
    base = {
        "row_numbers": [1],
        "name": "Jo Ng",
        "address_line1": "1 Main Street",
        "city": "Timonium",
        "state": "MD",
        "postal_code": "21093",
        "country": "US",
        "service": "ground",
        "parcels": [{"weight_lb": 2.0}],
        "references": [],
        "signature": "none",
        "currency": "USD",
    }
    return pa.Table.from_pylist(
        [
            {**base, "row_number": i + 1, "order_id": f"O{i + 1}", **row}
            for i, row in enumerate(rows)
        ],
        schema=SHIPMENTS,
    )


def run(
    server: Any,
    work: Callable[[UPS, Pacer], Awaitable[pa.Table]],
    secret: str = "s3cret-of-the-tests",
) -> list[dict[str, Any]]:
    async def main() -> pa.Table:
        ups = UPS(
            "client-of-the-tests",
            SecretStr(secret),
            "A1B2C3",
            base_url=server.url,
            today=lambda: dt.date(2026, 11, 22),
        )
        try:
            return await work(ups, Pacer(concurrency=4))
        finally:
            await ups.aclose()

    return asyncio.run(main()).to_pylist()


def test_every_service_of_every_shipment_with_the_cheapest_and_the_fastest_marked(
    server: Any, shop: Address
) -> None:
    lines = run(
        server,
        lambda ups, pacer: questions.shop(
            table({}, {"parcels": [{"weight_lb": 9.0}]}, {"postal_code": "x"}, {"parcels": None}),
            shop,
            Accounts.of(ups, pacer),
        ),
    )
    by_row = {n: [line for line in lines if line["row_number"] == n] for n in (1, 2, 3, 4)}
    assert [len(by_row[n]) for n in (1, 2, 3, 4)] == [8, 8, 1, 1]
    for n in (1, 2):
        assert [line["service"] for line in by_row[n] if line["cheapest"]] == ["ground_saver"]
        assert [line["service"] for line in by_row[n] if line["fastest"]] == ["next_day_air_saver"]
        assert all(
            line["base_cents"]
            + line["fuel_cents"]
            + line["residential_cents"]
            + line["delivery_area_cents"]
            + line["other_cents"]
            == line["cost_cents"]
            for line in by_row[n]
        )
        assert all(
            line["cost"] == line["cost_cents"] / 100 and line["delivery_date"] for line in by_row[n]
        )
    assert by_row[3][0]["problem"].startswith("ship_to.postal_code")
    assert by_row[4][0]["problem"] == "The row is not a complete shipment yet."


def test_addresses_are_asked_once_and_one_lost_answer_is_one_line(server: Any) -> None:
    rows = table(
        {},
        {"name": "Another"},
        {"address_line1": "9 Ambiguous Ave"},
        {"address_line1": "1 Nowhere Rd"},
        {"country": "DE", "state": None, "postal_code": "10119"},
    )
    lines = run(server, lambda ups, pacer: questions.check_addresses(rows, Accounts.of(ups, pacer)))
    assert [line["status"] for line in lines] == [
        "corrected",
        "corrected",
        "ambiguous",
        "not_found",
        "unsupported",
    ]
    assert [line["residential"] for line in lines] == [True, True, True, None, None]
    assert lines[0]["candidates"] == ["1 MAIN ST, TIMONIUM, MD 21093-1234"]
    assert lines[0]["suggested_address_line1"] == "1 MAIN ST"
    assert len(lines[2]["candidates"]) == 2
    assert server.calls["address"] == 3


def test_suggestions_are_taken_as_edits_that_can_be_seen(server: Any) -> None:
    rows = table({}, {"address_line1": "9 Ambiguous Ave"})
    checks = pa.Table.from_pylist(
        run(server, lambda ups, pacer: questions.check_addresses(rows, Accounts.of(ups, pacer))),
        schema=questions.ADDRESSES,
    )
    [edit] = questions.accepted(checks)
    assert (edit.action, edit.row_numbers, edit.reason) == (
        "accept",
        (1,),
        "corrected: 1 MAIN ST, TIMONIUM, MD 21093-1234",
    )
    changed = apply_edits(rows, [edit], {0: [0]}, SERVICES).to_pylist()
    assert (changed[0]["address_line1"], changed[0]["postal_code"], changed[0]["residential"]) == (
        "1 MAIN ST",
        "21093-1234",
        True,
    )
    assert changed[1]["address_line1"] == "9 Ambiguous Ave"
    assert [e.row_numbers for e in questions.accepted(checks, [2])] == [(2,)]
    with pytest.raises(InputError, match="no suggestion"):
        questions.accepted(checks, [17])


def test_parcels_that_were_bought_are_tracked_and_no_others(
    server: Any, shop: Address, shipment: Shipment
) -> None:
    async def work(ups: UPS, pacer: Pacer) -> pa.Table:
        bought = await ups.ship(
            shipment.model_copy(update={"parcels": shipment.parcels * 2}),
            shop,
            "REF1",
            LabelSpec(format="zpl"),
        )
        results = pa.table(
            {
                "row_number": [1, 2, 3],
                "order_id": ["a", "b", "c"],
                "state": ["shipped", "failed", "voided"],
                "tracking_numbers": pa.array(
                    [list(bought.tracking_numbers), None, list(bought.tracking_numbers)],
                    pa.list_(pa.string()),
                ),
            }
        )
        return await questions.track(results, Accounts.of(ups, pacer))

    lines = run(server, work)
    assert [(line["row_number"], line["status"], line["place"]) for line in lines] == [
        (1, "label_created", "Louisville, KY, US")
    ] * 2
    assert lines[0]["updated_at"].isoformat() == "2026-11-22T10:15:00"


def test_wrong_credentials_stop_the_question_instead_of_filling_a_column_with_it(
    server: Any, shop: Address
) -> None:
    with pytest.raises(AuthenticationFailed):
        run(
            server,
            lambda ups, pacer: questions.shop(
                table({}, {"city": "Elsewhere"}), shop, Accounts.of(ups, pacer)
            ),
            secret="wrong",
        )


def test_a_carrier_that_cannot_says_so(tmp_path: Any) -> None:
    sandbox = Accounts.of(SandboxCarrier(home=tmp_path))
    with pytest.raises(InputError, match="sandbox cannot check addresses"):
        asyncio.run(questions.check_addresses(table({}), sandbox))
