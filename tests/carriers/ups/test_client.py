"""The UPS client against a real HTTP server on loopback: what each answer means, who signs in, what
is asked.
"""

from __future__ import annotations

import asyncio
import copy
import datetime as dt
import json
import logging
import socket
import threading
import time
import traceback
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any, TypeVar

import pyarrow as pa
import pytest
from pydantic import SecretStr

import shipkit as sk
from shipkit.carriers import registry
from shipkit.carriers.protocol import Carrier
from shipkit.carriers.quote_cache import QuoteCache
from shipkit.carriers.ups import UPS, wire
from shipkit.carriers.ups.client import UpsClient
from shipkit.carriers.ups.service_level import ServiceLevel
from shipkit.errors import (
    AnswerLost,
    AuthenticationFailed,
    CarrierError,
    CarrierRejected,
    CarrierUnreachable,
    InputError,
    RateLimited,
    SettingsError,
)
from shipkit.models import Address, LabelFormat, LabelSpec, Parcel, Rate, Shipment
from shipkit.render.convert import convert
from shipkit.schema import SHIPMENTS, shipment_from_row
from shipkit.settings import Settings

T = TypeVar("T")
TODAY = dt.date(2026, 11, 22)
SECRET = "s3cret-of-the-tests"


def carrier(server: Any, **options: Any) -> UPS:
    given = {"base_url": server.url, "timeout_s": 10.0, "today": lambda: TODAY, **options}
    return UPS("client-of-the-tests", SecretStr(given.pop("secret", SECRET)), "a1b2c3", **given)


def run(server: Any, work: Callable[[UPS], Awaitable[T]], **options: Any) -> T:
    async def main() -> T:
        ups = carrier(server, **options)
        try:
            return await work(ups)
        finally:
            await ups.aclose()

    return asyncio.run(main())


ZPL = LabelSpec(format="zpl")


def test_ups_is_a_carrier(server: Any) -> None:
    assert isinstance(carrier(server), Carrier)


# -- outcomes ------------------------------------------------------------------------

OUTCOMES = {
    "reset_before": (AnswerLost, None, 0),
    "reset_after": (AnswerLost, None, 1),
    "503_before": (AnswerLost, "10004", 0),
    "503_after": (AnswerLost, "10004", 1),
    "500_html": (AnswerLost, "500", 0),
    "502_after": (AnswerLost, "502", 1),
    "hang": (AnswerLost, None, 0),
    "hang_after": (AnswerLost, None, 1),
    "half": (AnswerLost, None, 1),
    "garbled": (AnswerLost, "200", 1),
    "hollow": (AnswerLost, None, 1),
    "silent": (AnswerLost, "200", 1),
    "20001": (AnswerLost, "20001", 1),
    "empty": (CarrierRejected, "1", 0),
    "403": (CarrierRejected, "250053", 0),
    "429": (RateLimited, "10429", 0),
}


@pytest.mark.parametrize("fault", OUTCOMES)
def test_what_an_answer_means(server: Any, shop: Address, shipment: Shipment, fault: str) -> None:
    """And: whatever was lost, the look-up by reference finds exactly what UPS has."""
    error, code, bought = OUTCOMES[fault]
    server.fault("ship", fault)

    async def work(ups: UPS) -> list[Any]:
        with pytest.raises(CarrierError) as caught:
            await ups.ship(shipment, shop, "REF1", ZPL)
        assert type(caught.value) is error
        assert caught.value.carrier_code == code
        assert caught.value.fix
        ups._client._http.timeout_s = 10.0
        return await ups.find("REF1", ZPL, shipment)

    found = run(server, work, timeout_s=0.5 if "hang" in fault else 10.0)
    assert len(server.shipments) == len(found) == bought
    assert [p.shipment_id for p in found] == [s.number for s in server.shipments]
    assert server.calls["ship"] == 1


def test_a_late_answer_in_time_is_a_shipment(
    server: Any, shop: Address, shipment: Shipment
) -> None:
    server.late_s = 0.2
    server.fault("ship", "late")
    assert (
        run(server, lambda ups: ups.ship(shipment, shop, "REF1", ZPL)).shipment_id
        == server.shipments[0].number
    )


def test_work_that_ups_does_after_the_client_gave_up_is_found_later(
    server: Any, shop: Address, shipment: Shipment
) -> None:
    server.work_may_go_on = threading.Event()
    server.fault("ship", "late_work")

    async def work(ups: UPS) -> tuple[int, int]:
        with pytest.raises(AnswerLost):
            await ups.ship(shipment, shop, "REF1", ZPL)
        ups._client._http.timeout_s = 10.0
        early = len(await ups.find("REF1", ZPL))
        server.work_may_go_on.set()
        while not server.shipments:  # noqa: ASYNC110 - the server is another thread
            await asyncio.sleep(0.05)
        return early, len(await ups.find("REF1", ZPL))

    assert run(server, work, timeout_s=0.5) == (0, 1)


def test_no_connection_means_not_sent(shop: Address, shipment: Shipment) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    nobody = type("Nobody", (), {"url": f"http://127.0.0.1:{port}"})
    with pytest.raises(CarrierUnreachable):
        run(nobody, lambda ups: ups.ship(shipment, shop, "REF1", ZPL))


def test_429_tells_how_long_to_wait(server: Any, shop: Address, shipment: Shipment) -> None:
    server.fault("ship", "429_retry")
    with pytest.raises(RateLimited) as caught:
        run(server, lambda ups: ups.ship(shipment, shop, "REF1", ZPL))
    assert caught.value.retry_after_s == 1.0


def test_a_refusal_carries_ups_s_code_ups_s_words_our_words_and_the_fix(
    server: Any, shop: Address, shipment: Shipment
) -> None:
    server.negotiated = True
    other = UPS(
        "client-of-the-tests", SecretStr(SECRET), "ZZZZZZ", base_url=server.url, today=lambda: TODAY
    )
    with pytest.raises(AuthenticationFailed) as caught:
        asyncio.run(_closing(other, other.ship(shipment, shop, "REF1", ZPL)))
    assert caught.value.carrier_code == "120100"
    assert caught.value.carrier_message == "Missing or invalid shipper number"
    assert caught.value.message == (
        "The UPS account number is missing or wrong. (UPS 120100: Missing or invalid shipper "
        "number)"
    )
    assert "SHIPKIT_UPS_ACCOUNT" in caught.value.fix
    assert len(caught.value.transaction_id) == 32


async def _closing(ups: UPS, work: Awaitable[T]) -> T:
    try:
        return await work
    finally:
        await ups.aclose()


# -- signing in ----------------------------------------------------------------------


def test_fifty_at_once_sign_in_once_and_again_once_when_the_token_is_taken_back(
    server: Any, shop: Address, shipment: Shipment
) -> None:
    async def work(ups: UPS) -> list[int]:
        counts = []
        for _ in range(2):
            await asyncio.gather(*[ups.quote(shipment, shop) for _ in range(50)])
            counts.append(server.calls["token"])
            server.revoke_tokens()
        return counts

    assert run(server, work, timeout_s=20) == [1, 2]


def test_a_token_is_renewed_before_it_ends(
    server: Any, shop: Address, shipment: Shipment, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.token_s = 100.0
    now = 0.0
    clock = SimpleNamespace(monotonic=lambda: now, perf_counter=time.perf_counter)
    monkeypatch.setattr("shipkit.carriers.ups.client.time", clock)

    async def work(ups: UPS) -> None:
        nonlocal now
        await ups.quote(shipment, shop)
        now = 91.0  # less than a tenth of its life is left: not enough for a request
        await ups.quote(shipment, shop)

    run(server, work)
    assert server.calls["token"] == 2
    assert not [o for o in server.objections if "401" in o]
    assert server.calls["rate"] == 2, "nothing was sent with the old token"


def test_one_401_is_asked_again_with_a_fresh_token(
    server: Any, shop: Address, shipment: Shipment
) -> None:
    server.fault("ship", "401")
    run(server, lambda ups: ups.ship(shipment, shop, "REF1", ZPL))
    assert (server.calls["ship"], server.calls["token"], len(server.shipments)) == (2, 2, 1)


def test_401_with_a_fresh_token_is_a_failed_authentication(
    server: Any, shop: Address, shipment: Shipment
) -> None:
    server.fault("ship", "401", times=2)
    with pytest.raises(AuthenticationFailed, match="SHIPKIT_UPS_CLIENT_ID"):
        run(server, lambda ups: ups.ship(shipment, shop, "REF1", ZPL))
    assert not server.shipments


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("hang", CarrierUnreachable),
        ("503_before", CarrierUnreachable),
        ("garbled", CarrierUnreachable),
        ("reset_before", CarrierUnreachable),
        ("429", RateLimited),
    ],
)
def test_a_lost_sign_in_never_leaves_a_shipment_in_doubt(
    server: Any, shop: Address, shipment: Shipment, fault: str, error: type[CarrierError]
) -> None:
    """The request behind it provably never left."""
    server.fault("token", fault)
    with pytest.raises(error):
        run(
            server,
            lambda ups: ups.ship(shipment, shop, "REF1", ZPL),
            timeout_s=0.5 if fault == "hang" else 10.0,
        )
    assert server.calls["ship"] == 0


def test_a_wrong_secret_is_a_failed_authentication(
    server: Any, shop: Address, shipment: Shipment
) -> None:
    with pytest.raises(AuthenticationFailed) as caught:
        run(server, lambda ups: ups.quote(shipment, shop), secret="wrong")
    assert caught.value.carrier_message == "ClientId is Invalid"


# -- what is bought --------------------------------------------------------------------


def test_all_labels_and_all_numbers_of_a_shipment_come_back_and_the_charge_is_the_quote(
    server: Any, shop: Address, shipment: Shipment
) -> None:
    three = shipment.model_copy(update={"parcels": shipment.parcels * 3})

    async def work(ups: UPS) -> Any:
        return await ups.quote(three, shop), await ups.ship(three, shop, "REF1", ZPL)

    rate, bought = run(server, work)
    assert len(set(bought.tracking_numbers)) == len(bought.labels) == 3
    assert bought.tracking_numbers == tuple(server.shipments[0].parcels)
    assert all(
        number.encode() in label.data
        for number, label in zip(bought.tracking_numbers, bought.labels, strict=True)
    )
    assert bought.charge.cents == rate.cost_cents
    assert bought.charge.basis == "billed"
    assert server.shipments[0].references[0] == "REF1"


@pytest.mark.parametrize(
    ("asked", "sent", "start"),
    [
        ("pdf", "gif", b"GIF8"),
        ("png", "gif", b"GIF8"),
        ("gif", "gif", b"GIF8"),
        ("zpl", "zpl", b"\n^XA"),
    ],
)
def test_labels_are_kept_as_ups_sends_them_and_converted_when_saved(
    server: Any, shop: Address, shipment: Shipment, asked: str, sent: str, start: bytes
) -> None:
    bought = run(server, lambda ups: ups.ship(shipment, shop, "REF1", LabelSpec(format=asked)))
    [label] = bought.labels
    assert (label.format, bought.warnings) == (sent, ())
    assert label.data.startswith(start)
    assert server.shipments[0].label == sent.upper()
    assert convert(label.data, label.format, LabelFormat(asked))


def test_an_international_shipment_brings_its_papers(
    server: Any, shop: Address, abroad: Shipment
) -> None:
    bought = run(server, lambda ups: ups.ship(abroad, shop, "REF1", LabelSpec()))
    assert [(label.kind, label.format) for label in bought.labels] == [
        ("label", LabelFormat.GIF),
        ("document", LabelFormat.PDF),
    ]
    assert server.shipments[0].forms


@pytest.mark.parametrize("quirks", [False, True])
def test_bare_objects_and_empty_texts_change_nothing(
    server: Any, shop: Address, shipment: Shipment, quirks: bool
) -> None:
    server.quirks = quirks

    async def work(ups: UPS) -> Any:
        dated = shipment.model_copy(update={"ship_date": TODAY + dt.timedelta(days=2)})
        rate, rates = await ups.quote(dated, shop), await ups.shop(dated, shop)
        bought = await ups.ship(shipment, shop, "REF1", ZPL)
        found = await ups.find("REF1", ZPL, shipment)
        tracked = await ups.track(bought.tracking_numbers)
        checked = await ups.validate_address(shipment.ship_to)
        times = await ups.transit_times(shipment, shop)
        await ups.void(bought)
        return (
            rate.cost_cents,
            len(rates),
            bought.shipment_id,
            found[0].shipment_id,
            tracked[0]["status"],
            checked.status,
            len(times),
            server.shipments[0].voided,
        )

    number = "1ZA1B2C30300000000"
    assert run(server, work) == (1548, 8, number, number, "label_created", "corrected", 3, True)
    assert server.objections == []


def test_a_ship_date_beyond_a_week_is_told_at_the_quote_and_refused_at_the_purchase(
    server: Any, shop: Address, shipment: Shipment
) -> None:
    late = shipment.model_copy(update={"ship_date": TODAY + dt.timedelta(days=8)})
    assert "at most 7 days ahead" in run(server, lambda ups: ups.quote(late, shop)).warnings[-1]
    with pytest.raises(CarrierRejected, match="ship_date"):
        run(server, lambda ups: ups.ship(late, shop, "REF1", ZPL))
    assert server.calls["ship"] == 0


# -- finding ---------------------------------------------------------------------------


def test_nothing_is_absent_until_recovery_and_tracking_both_say_so(server: Any) -> None:
    assert run(server, lambda ups: ups.find("NEVER", ZPL)) == []
    assert (server.calls["recovery"], server.calls["track_reference"]) == (1, 1)


@pytest.mark.parametrize(
    ("call", "fault"),
    [
        ("recovery", "503_before"),
        ("recovery", "hang"),
        ("recovery", "403"),
        ("track_reference", "403"),
        ("track_reference", "500_html"),
        ("track_reference", "429"),
    ],
)
def test_a_look_up_that_fails_is_never_absence(server: Any, call: str, fault: str) -> None:
    server.fault(call, fault)
    with pytest.raises(CarrierError):
        run(server, lambda ups: ups.find("NEVER", ZPL), timeout_s=0.5 if fault == "hang" else 10.0)


def test_a_shipment_that_ups_has_not_finished_is_not_absent(
    server: Any, shop: Address, shipment: Shipment
) -> None:
    server.settle_s = 60

    async def work(ups: UPS) -> None:
        await ups.ship(shipment, shop, "REF1", ZPL)
        with pytest.raises(AnswerLost, match="has not finished"):
            await ups.find("REF1", ZPL)

    run(server, work)


def test_several_under_one_reference_are_all_found(
    server: Any, shop: Address, shipment: Shipment
) -> None:
    async def work(ups: UPS) -> Any:
        await ups.ship(shipment, shop, "REF1", ZPL)
        await ups.ship(shipment, shop, "REF1", ZPL)
        return await ups.find("REF1", ZPL, shipment)

    found = run(server, work)
    assert [p.shipment_id for p in found] == [s.number for s in server.shipments]
    assert all(p.labels for p in found)


def test_a_voided_shipment_is_found_as_voided_with_its_number(
    server: Any, shop: Address, shipment: Shipment
) -> None:
    async def work(ups: UPS) -> Any:
        bought = await ups.ship(shipment, shop, "REF1", ZPL)
        await ups.void(bought)
        return bought, await ups.find("REF1", ZPL)

    bought, [found] = run(server, work)
    assert found.voided
    assert found.shipment_id == bought.shipment_id


@pytest.mark.parametrize("lone", [False, True])
def test_every_parcel_of_a_lost_shipment_is_recovered_also_when_ups_tells_one_at_a_time(
    server: Any, shop: Address, shipment: Shipment, lone: bool
) -> None:
    server.lone_labels = lone
    server.fault("ship", "reset_after")
    three = shipment.model_copy(update={"parcels": shipment.parcels * 3})

    async def work(ups: UPS) -> Any:
        with pytest.raises(AnswerLost):
            await ups.ship(three, shop, "REF1", ZPL)
        return await ups.find("REF1", ZPL, three)

    [found] = run(server, work)
    assert found.tracking_numbers == tuple(server.shipments[0].parcels)
    assert [label.tracking_number for label in found.labels] == server.shipments[0].parcels
    assert found.charge is None
    assert found.warnings == ()


def test_void_can_be_repeated_and_says_why_it_cannot_be_done(
    server: Any, shop: Address, shipment: Shipment
) -> None:
    async def work(ups: UPS) -> None:
        bought = await ups.ship(shipment, shop, "REF1", ZPL)
        await ups.void(bought)
        await ups.void(bought)
        server.voidable = False
        with pytest.raises(CarrierRejected) as caught:
            await ups.void(bought)
        assert caught.value.carrier_code == "190102"
        assert "call UPS" in caught.value.fix

    run(server, work)
    assert server.alive == []


# -- prices ------------------------------------------------------------------------------


def table(*rows: dict[str, Any]) -> pa.Table:
    base = {
        "row_numbers": [1],
        "order_id": "x",
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
        [{**base, "row_number": i + 1, **row} for i, row in enumerate(rows)], schema=SHIPMENTS
    )


def test_the_same_question_is_asked_once_and_a_bad_row_costs_no_other_its_price(
    server: Any, shop: Address
) -> None:
    rows = table(
        {},
        {"name": "Someone Else", "order_id": "y", "references": [{"key": "po", "value": "7"}]},
        {"parcels": [{"weight_lb": 9.0}]},
        {"state": None},
        {"references": [{"key": "po", "value": "x" * 40}]},
        {},
    )
    quotes = run(server, lambda ups: ups.quote_table(rows, shop)).to_pylist()
    assert server.calls["rate"] == 2
    assert [q["cost_cents"] for q in quotes] == [940, 940, 1239, None, None, 940]
    assert quotes[3]["problem"].startswith("ship_to.state")
    assert quotes[4]["problem"].startswith("references.po")
    assert all(
        q["base_cents"]
        + q["fuel_cents"]
        + q["residential_cents"]
        + q["delivery_area_cents"]
        + q["other_cents"]
        == q["cost_cents"]
        for q in quotes
        if q["cost_cents"]
    )


def test_a_note_is_of_its_row_also_where_the_price_is_that_of_another(
    server: Any, shop: Address, tmp_path: Any
) -> None:
    """E-mails are no part of a question for a price, and a kept price has no note of its row."""
    told = {"notify": "all", "email": "jo@example.com"}
    cache = QuoteCache(tmp_path)
    for rows, noted in ((table(told, {}), [True, False]), (table({}, told), [False, True])):
        quotes = run(
            server,
            lambda ups, rows=rows: ups.quote_table(rows, shop),  # type: ignore[misc]
            quote_cache=cache,
        )
        said = [text or "" for text in quotes.column("warnings").to_pylist()]
        assert ["e-mail" in text for text in said] == noted
    assert server.calls["rate"] == 1
    row = shipment_from_row(table(told).to_pylist()[0])
    rates = run(server, lambda ups: ups.shop(row, shop))
    assert all("e-mail" in " ".join(rate.warnings) for rate in rates)


def test_a_flat_price_is_shopped_by_the_services_that_have_one(
    server: Any, shop: Address, shipment: Shipment
) -> None:
    box = {"weight_lb": 3, "length_in": 10, "width_in": 8, "height_in": 4, "simple_rate": "m"}
    row = shipment.model_copy(update={"parcels": (Parcel(**box),), "service": "any"})
    rates = run(server, lambda ups: ups.shop(row, shop))
    assert {rate.service for rate in rates} == {
        *("ground", "3_day_select", "2nd_day_air", "next_day_air_saver")
    }
    large = row.model_copy(update={"parcels": (Parcel(**{**box, "simple_rate": "xs"}),)})
    with pytest.raises(CarrierRejected, match="more than the 100 cubic inches of size XS"):
        run(server, lambda ups: ups.shop(large, shop))
    server.fault("rate", "refused", times=1)
    assert len(run(server, lambda ups: ups.shop(row, shop))) == 3, "one service does not run"
    server.fault("rate", "refused", times=4)
    with pytest.raises(CarrierRejected, match="exceeds the size of its rate") as refused:
        run(server, lambda ups: ups.shop(row, shop))
    assert refused.value.carrier_code == "110920"


def test_shopping_a_table_sends_requests_that_are_alike_once_and_keeps_what_is_of_a_row(
    server: Any, shop: Address
) -> None:
    told = {"notify": "all", "email": "jo@example.com"}
    rows = table(
        *({"name": f"Ada {n}", "order_id": f"SO-{n}"} for n in range(40)),
        told,
        {"references": [{"key": "po", "value": "x" * 40}]},
        {"postal_code": "98101", "city": "Seattle", "state": "WA"},
    )
    found = run(server, lambda ups: ups.shop_table(rows, shop)).to_pandas()
    # Of two places: Shop, and Ground Saver with its days or, where they are refused, without.
    assert 2 * 2 <= server.calls["rate"] <= 2 * 3
    alone = run(server, lambda ups: ups.shop(shipment_from_row(rows.to_pylist()[0]), shop))
    for row in range(41):
        offers = found[found.row == row]
        assert offers.cost_cents.tolist() == [rate.cost_cents for rate in alone]
        assert offers.service.tolist() == [rate.service for rate in alone]
        assert offers.warnings.str.contains("e-mail").tolist() == [row == 40] * len(alone)
    [refused] = found[found.row == 41].problem
    assert refused.startswith("references.po")


def test_a_service_that_ship_refuses_is_named_with_the_reason(
    server: Any, shop: Address, shipment: Shipment
) -> None:
    rates = [
        Rate(service="standard", cost_cents=500, transit_days=4),
        Rate(service="ground", cost_cents=900, transit_days=3),
        Rate(service="2nd_day_air", cost_cents=2100, transit_days=2),
        Rate(service="worldwide_express", cost_cents=3000, transit_days=3),
    ]

    async def offers(ups: UPS) -> list[Rate]:
        question = ups._prices._shop_question(shipment, shop)
        return ups._prices._offers(shipment, shop, question, rates)

    found = {rate.service: [code for code, _ in rate.left_out] for rate in run(server, offers)}
    assert found == {"ground": ["standard"], "2nd_day_air": ["standard", "worldwide_express"]}
    del rates[1:3]
    with pytest.raises(CarrierRejected, match="UPS Standard does not run"):
        run(server, offers)


def test_your_own_account_as_payer_is_you_and_no_third_party(
    server: Any, shop: Address, shipment: Shipment
) -> None:
    """Which account is one's own depends on the settings, in prices as in purchases."""
    own = shipment.model_copy(update={"bill_account": "a1b2-c3"})
    assert run(server, lambda ups: ups.quote(own, shop)).cost_cents > 0
    assert run(server, lambda ups: ups.shop(own, shop))
    other = own.model_copy(update={"bill_to": "third_party", "bill_postal_code": "78205"})
    for ask in (lambda ups: ups.quote(other, shop), lambda ups: ups.shop(other, shop)):
        with pytest.raises(CarrierRejected, match="this is your own account"):
            run(server, ask)


def test_pickup_type_and_customer_are_in_each_question_for_a_price(
    server: Any, shop: Address, shipment: Shipment, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[dict[str, Any]] = []
    ask = UpsClient.ask

    async def noted(client: UpsClient, request: Any) -> Any:
        sent.append(request.body["RateRequest"])
        return await ask(client, request)

    monkeypatch.setattr(UpsClient, "ask", noted)
    who = {"pickup_type": "customer_counter", "customer_classification": "retail"}
    run(server, lambda ups: ups.quote(shipment, shop), **who)
    run(server, lambda ups: ups.quote_table(table({}), shop), **who)
    run(server, lambda ups: ups.shop(shipment, shop), **who)
    assert len(sent) >= 4
    for one in sent:
        assert one["PickupType"] == {"Code": "03"}
        assert one["CustomerClassification"] == {"Code": "04"}
    run(server, lambda ups: ups.quote(shipment, shop))
    assert "CustomerClassification" not in sent[-1]
    with pytest.raises(InputError, match="customer_classification='wholesale' is not known"):
        run(server, lambda ups: ups.quote(shipment, shop), customer_classification="wholesale")


def test_prices_are_kept_for_a_while_and_no_longer(
    server: Any, shop: Address, tmp_path: Any
) -> None:
    now = [1000.0]
    cache = QuoteCache(tmp_path / "quotes", max_age_s=60, clock=lambda: now[0])
    bases = []
    for wait in (0, 59, 61):
        now[0] += wait
        bases.append(
            run(server, lambda ups: ups.quote_table(table({}), shop), quote_cache=cache)
            .column("cost_basis")
            .to_pylist()
        )
    assert bases == [["quoted"], ["cached"], ["quoted"]]
    assert server.calls["rate"] == 2
    kept = b"".join(path.read_bytes() for path in (tmp_path / "quotes").iterdir())
    assert b"Main Street" not in kept
    assert b"21093" not in kept


def test_another_account_does_not_get_the_prices_of_this_one(
    server: Any, shop: Address, tmp_path: Any
) -> None:
    cache = QuoteCache(tmp_path)
    run(server, lambda ups: ups.quote_table(table({}), shop), quote_cache=cache)
    live = run(
        server, lambda ups: ups.quote_table(table({}), shop), quote_cache=cache, environment="live"
    )
    assert live.column("cost_basis").to_pylist() == ["quoted"]


def test_a_cache_that_cannot_be_read_is_an_empty_one(
    server: Any, shop: Address, tmp_path: Any
) -> None:
    (tmp_path / "quotes-1.sqlite3").write_bytes(b"not a database at all, " * 100)
    assert run(
        server, lambda ups: ups.quote_table(table({}), shop), quote_cache=QuoteCache(tmp_path)
    ).column("cost_basis").to_pylist() == ["quoted"]


def test_transit_times_come_with_the_ship_date_and_with_every_shop(
    server: Any, shop: Address, shipment: Shipment
) -> None:
    async def work(ups: UPS) -> Any:
        return (
            await ups.quote(shipment, shop),
            await ups.quote(shipment.model_copy(update={"ship_date": dt.date(2026, 11, 24)}), shop),
            await ups.shop(shipment, shop),
        )

    plain, dated, rates = run(server, work)
    assert (plain.transit_days, plain.delivery_date) == (4, dt.date(2026, 11, 26)), "from today"
    assert (dated.transit_days, dated.delivery_date) == (4, dt.date(2026, 11, 28))
    assert all(rate.transit_days for rate in rates)
    assert [rate.cost_cents for rate in rates] == sorted(rate.cost_cents for rate in rates)


def test_shop_leaves_out_what_shipkit_does_not_sell_and_works_abroad_from_a_row_without_a_service(
    server: Any, shop: Address, abroad: Shipment
) -> None:
    rates = run(
        server,
        lambda ups: ups.shop(abroad.model_copy(update={"service": ServiceLevel.GROUND}), shop),
    )
    assert {rate.service for rate in rates} == {
        "standard",
        "worldwide_saver",
        "worldwide_expedited",
        "worldwide_express",
        "worldwide_express_plus",
    }


def test_an_account_without_negotiated_rates_is_told(
    server: Any, shop: Address, shipment: Shipment
) -> None:
    server.negotiated = False
    rate = run(server, lambda ups: ups.quote(shipment, shop))
    assert rate.cost_cents == 1755
    assert any("negotiated" in warning for warning in rate.warnings)


# -- addresses, tracking ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("street", "status", "residential", "candidates"),
    [
        ("1 Main Street", "corrected", True, 1),
        ("1 Main St", "valid", True, 1),
        ("1 Nowhere Rd", "not_found", None, 0),
        ("1 Ambiguous Ave", "ambiguous", True, 2),
        ("1 SUITE ST", "valid", False, 1),
    ],
)
def test_addresses_are_checked(
    server: Any, street: str, status: str, residential: bool | None, candidates: int
) -> None:
    address = Address(
        name="Jo", address_line1=street, city="Timonium", state="MD", postal_code="21093"
    )
    found = run(server, lambda ups: ups.validate_address(address))
    assert (found.status, found.residential, len(found.candidates)) == (
        status,
        residential,
        candidates,
    )


def test_the_test_host_s_limit_is_said_and_countries_that_ups_cannot_check_are_not_asked(
    server: Any, abroad: Shipment, shipment: Shipment
) -> None:
    server.test_host = True
    limited = run(server, lambda ups: ups.validate_address(shipment.ship_to))
    assert limited.status == "unsupported"
    assert "New York and California" in limited.message
    assert run(server, lambda ups: ups.validate_address(abroad.ship_to)).status == "unsupported"
    assert server.calls["address"] == 1


def test_tracking_answers_in_order_and_a_failure_is_one_line_s_problem(
    server: Any, shop: Address, shipment: Shipment
) -> None:
    async def work(ups: UPS) -> Any:
        bought = await ups.ship(shipment, shop, "REF1", ZPL)
        return await ups.track(["1Z0000000000000000", *bought.tracking_numbers, "x"])

    lines = run(server, work)
    assert [line["status"] for line in lines] == ["not_found", "label_created", "unknown"]
    assert lines[2]["problem"]


# -- settings, secrets --------------------------------------------------------------------

ENV = {
    "SHIPKIT_UPS_CLIENT_ID": "id",
    "SHIPKIT_UPS_CLIENT_SECRET": SECRET,
    "SHIPKIT_UPS_ACCOUNT": "A1B2C3",
}


def test_three_variables_are_enough_and_mean_the_test_host() -> None:
    ups = sk.UPS.from_env(ENV)
    assert (ups.identity.environment, ups.identity.live) == ("test", False)
    assert "wwwcie.ups.com" in repr(ups._client)
    assert sk.UPS.from_env({**ENV, "SHIPKIT_UPS_ENV": "live"}).identity.live
    assert isinstance(registry.create("ups", Settings.read(ENV), ENV), UPS)
    assert (ups.resend, ups.absence_is_proof_after_s) == ("ask", 600.0)


def test_missing_settings_are_all_named() -> None:
    with pytest.raises(
        SettingsError,
        match=r"SHIPKIT_UPS_CLIENT_ID, SHIPKIT_UPS_CLIENT_SECRET, SHIPKIT_UPS_ACCOUNT",
    ):
        sk.UPS.from_env({})


@pytest.mark.parametrize(
    "url",
    [
        "http://wwwcie.ups.com",
        "https://wwwcie.ups.com.evil.example",
        "https://evil.example/ups.com",
        "https://evilups.com",
        "https://ups.com@evil.example",
        "ftp://127.0.0.1",
        "http://10.0.0.1",
        "http://127.0.0.1.evil.example",
        "https://user:pw@wwwcie.ups.com",
        "https://onlinetools.ups.com",
    ],
)
def test_the_credentials_go_to_no_host_but_ups_s_and_this_machine(url: str) -> None:
    """The last one is UPS's live host, which is no test host."""
    with pytest.raises(SettingsError) as caught:
        sk.UPS.from_env({**ENV, "SHIPKIT_UPS_BASE_URL": url})
    assert "pw" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "https://wwwcie.ups.com",
        "http://127.0.0.1:8080",
        "http://localhost:1",
        "http://[::1]:8",
        "https://future.ups.com",
    ],
)
def test_ups_hosts_and_loopback_are_taken(url: str) -> None:
    sk.UPS.from_env({**ENV, "SHIPKIT_UPS_BASE_URL": url})


def test_secrets_and_addresses_are_in_no_log_no_repr_and_no_traceback(
    server: Any, shop: Address, shipment: Shipment, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    said: list[str] = []
    with_locals: list[str] = []

    def locals_of(error: BaseException) -> None:
        with_locals.append(
            "".join(
                traceback.TracebackException.from_exception(error, capture_locals=True).format()
            )
        )

    async def lost(ups: UPS, fault: str) -> CarrierError:
        server.fault("ship", fault)
        with pytest.raises(CarrierError) as caught:
            await ups.ship(shipment, shop, f"REF-{fault}", ZPL)
        return caught.value

    async def work(ups: UPS) -> None:
        bought = await ups.ship(shipment, shop, "REF1", ZPL)
        ups._client._http.timeout_s = 0.5
        said.extend([repr(ups), str(ups.__dict__), repr(bought), repr(vars(ups._client))])
        for fault in OUTCOMES:
            error = await lost(ups, fault)
            said.append(
                "".join(traceback.format_exception(error)) + repr(error) + str(error.details)
            )
            locals_of(error)
        ups._client._token = None
        server.fault("token", "reset_before")
        with pytest.raises(CarrierError) as unsigned:
            await ups.ship(shipment, shop, "REF2", ZPL)
        locals_of(unsigned.value)

    run(server, work)
    text = caplog.text + "".join(said)
    assert "transId=" in caplog.text
    for secret in (SECRET, "token-", "Basic ", "Main Street", "Jo Ng", "21093", "Dana"):
        assert secret not in text, secret
    assert "client.py" in "".join(with_locals)
    for secret in (SECRET, "token-", "Basic "):
        assert secret not in "".join(with_locals), secret


def test_every_request_has_its_own_transaction_id_of_32_characters_in_request_and_log(
    server: Any, shop: Address, shipment: Shipment, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "shipkit.ups")

    async def work(ups: UPS) -> None:
        for _ in range(3):
            await ups.quote(shipment, shop)

    run(server, work)
    ids = [headers["transid"] for _, _, headers, _ in server.seen]
    assert len(set(ids)) == 3
    assert all(len(i) == 32 and f"transId={i}" in caplog.text for i in ids)


# -- the server is a good judge ---------------------------------------------------------


def test_the_server_answers_as_ups_s_specs_say(
    server: Any, contract: Any, shop: Address, shipment: Shipment, abroad: Shipment
) -> None:
    """Else the client would be tested against a fancy."""
    exchanges: list[tuple[str, str, int, Any]] = []
    send = server._send

    def noting(answer: tuple[int, Any], headers: Any = None) -> Any:
        exchanges.append((*current[-1], *answer))
        return send(answer, headers)

    current: list[tuple[str, str]] = []
    judge = server._judge

    def judging(call: str, request: Any, raw: bytes) -> Any:
        current.append((request.method, request.path_qs))
        return judge(call, request, raw)

    server._send, server._judge = noting, judging

    async def work(ups: UPS) -> None:
        for one in (shipment, abroad):
            dated = one.model_copy(update={"ship_date": TODAY})
            await ups.quote(dated, shop)
            await ups.shop(one, shop)
            bought = await ups.ship(one, shop, f"REF-{one.order_id}", LabelSpec())
            await ups.find(f"REF-{one.order_id}", LabelSpec(), one)
            await ups.track(bought.tracking_numbers)
            await ups.transit_times(one, shop)
            await ups.void(bought)
        await ups.find("NEVER", LabelSpec())
        await ups.validate_address(shipment.ship_to)

    run(server, work)
    assert len(exchanges) >= 18
    for method, path, status, body in exchanges:
        assert [
            str(p) for p in contract.response(method, path, status, json.loads(json.dumps(body)))
        ] == [], path
    assert server.objections == []


# What UPS itself would take in silence when it is gone or says something else: free text, options,
# and what it does not check.
FREE_TEXT = {
    "Name",
    "AttentionName",
    "City",
    "AddressLine",
    "Description",
    "CustomerContext",
    "Value",
    "HTTPUserAgent",
    "ResidentialAddressIndicator",
    "NegotiatedRatesIndicator",
    "InvoiceNumber",
    "PartNumber",
    "Code",
}
OPTIONAL = {
    "ShipmentRatingOptions",
    "NegotiatedRatesIndicator",
    "TransactionReference",
    "CustomerContext",
    "SubVersion",
    "ReferenceNumber",
    "Code",
    "CommodityCode",
    "PartNumber",
    "TermsOfShipment",
    "Dimensions",
    "PackageServiceOptions",
    "DeliveryConfirmation",
    "ResidentialAddressIndicator",
    "PostalCode",
    "PickupType",
    "NumOfPieces",
    "ShipFrom",
    "PaymentDetails",
    "PackagingType",
    "PackageWeight",
    "City",
    "Name",
    "AttentionName",
    "Phone",
    "Description",
    "ShipmentServiceOptions",
    "DeclaredValue",
    "Shipper",
    "ShipperNumber",
    "LabelSpecification",
}


def leaves(node: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    if isinstance(node, dict):
        return [p for key, value in node.items() for p in leaves(value, (*at, key))]
    if isinstance(node, list):
        return [p for i, value in enumerate(node) for p in leaves(value, (*at, i))]
    return [at]


def changed(body: Any, path: tuple[Any, ...], value: Any) -> Any:
    body = copy.deepcopy(body)
    holder = body
    for step in path[:-1]:
        holder = holder[step]
    if value is None:
        del holder[path[-1]]
    else:
        holder[path[-1]] = value
    return body


@pytest.mark.parametrize("which", ["inside", "abroad"])
def test_change_one_field_of_the_client_s_purchase_and_the_server_objects(
    server: Any, ups_module: Any, shop: Address, shipment: Shipment, abroad: Shipment, which: str
) -> None:
    """A judge that lets a wrong field through would let a wrong client through."""
    given = (
        abroad
        if which == "abroad"
        else shipment.model_copy(
            update={
                "signature": "adult",
                "parcels": (
                    Parcel(
                        weight_lb=2,
                        length_in=3,
                        width_in=2,
                        height_in=1,
                        declared_value=sk.Money.of(100),
                    ),
                ),
            }
        )
    )
    request = wire.ship(
        given, shop, account="A1B2C3", reference="REF1", label=LabelSpec(), today=TODAY
    )
    plain = ups_module.UpsServer(server.contract)

    def objected(body: Any) -> bool:
        if plain.contract.request("POST", request.path, body, mode="closed"):
            return True
        outer = body["ShipmentRequest"]
        return bool(
            plain._refuse("ship", body)
            or ups_module._lane(outer["Shipment"])
            or ups_module._shipping_rules(outer["Shipment"], outer.get("LabelSpecification", {}))
        )

    assert not objected(request.body)
    let_through = {
        next(s for s in reversed(path) if isinstance(s, str))
        for path in leaves(request.body)
        if not objected(changed(request.body, path, "Zz9"))
    }
    assert let_through <= FREE_TEXT
    gone = {
        path[-1]
        for path in leaves(request.body)
        if isinstance(path[-1], str) and not objected(changed(request.body, path, None))
    }
    assert gone <= OPTIONAL


def test_the_server_objects_over_http_and_the_client_says_so(
    server: Any, shop: Address, shipment: Shipment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole way once: a client that misnames a field gets nothing sold."""
    build = wire.ship

    def misnamed(*args: Any, **kwargs: Any) -> Any:
        request = build(*args, **kwargs)
        package = request.body["ShipmentRequest"]["Shipment"]["Package"][0]
        package["PackagingType"] = package.pop("Packaging")
        return request

    monkeypatch.setattr(wire, "ship", misnamed)
    with pytest.raises(CarrierRejected) as caught:
        run(server, lambda ups: ups.ship(shipment, shop, "REF1", ZPL))
    assert caught.value.carrier_code == "10002"
    assert server.shipments == []
    assert server.objections
