"""The embedded sandbox: sells, refuses, remembers, forgets nothing."""

from __future__ import annotations

import asyncio
import datetime as dt
import time
from types import SimpleNamespace

import pyarrow as pa
import pytest

from shipkit.carriers.protocol import Carrier
from shipkit.carriers.sandbox import Faults, SandboxCarrier
from shipkit.errors import AnswerLost, AuthenticationFailed, CarrierRejected, RateLimited
from shipkit.models import (
    Address,
    Customs,
    CustomsItem,
    LabelFormat,
    LabelSpec,
    Money,
    Parcel,
    Shipment,
)
from shipkit.schema import SHIPMENTS

PDF = LabelSpec()


def to(**fields) -> Address:
    return Address(
        **{
            "name": "Ada Abbott",
            "address_line1": "1 Main St",
            "city": "New York",
            "state": "NY",
            "postal_code": "10001",
            **fields,
        }
    )


def shipment(**fields) -> Shipment:
    return Shipment(
        **{"ship_to": to(), "service": "ground", "parcels": (Parcel(weight_lb=3),), **fields}
    )


def run(work):
    return asyncio.run(work)


@pytest.fixture
def carrier(tmp_path):
    return SandboxCarrier(tmp_path / "books.sqlite", seed=1)


async def bought(carrier, n, shop, **fields):
    """Buy n; return each answer or error."""
    return await asyncio.gather(
        *(carrier.ship(shipment(**fields), shop, f"REF{k}", PDF) for k in range(n)),
        return_exceptions=True,
    )


def test_it_has_the_carrier_protocol_and_no_real_environment(carrier):
    assert isinstance(carrier, Carrier)
    assert carrier.identity.environment == "sandbox"
    assert not carrier.identity.live
    assert carrier.resend == "proven"


def test_a_purchase_has_a_number_and_a_label_file_for_each_parcel_and_costs_what_was_quoted(
    carrier, shop
):
    async def go():
        both = shipment(
            parcels=(
                Parcel(weight_lb=3),
                Parcel(weight_lb=12, length_in=20, width_in=12, height_in=12),
            )
        )
        return await carrier.quote(both, shop), await carrier.ship(both, shop, "REF1", PDF)

    rate, purchase = run(go())
    assert len(set(purchase.tracking_numbers)) == 2
    assert all(number.startswith("SANDBOX") for number in purchase.tracking_numbers)
    assert [label.tracking_number for label in purchase.labels] == list(purchase.tracking_numbers)
    assert all(label.data.startswith(b"%PDF-") for label in purchase.labels)
    assert purchase.charge.cents == rate.cost_cents


@pytest.mark.parametrize(
    ("form", "start"), [("zpl", b"^XA"), ("png", b"\x89PNG"), ("pdf", b"%PDF")]
)
def test_labels_come_in_the_format_asked_for(carrier, shop, form, start):
    purchase = run(carrier.ship(shipment(), shop, "REF1", LabelSpec(format=LabelFormat(form))))
    assert purchase.labels[0].format == form
    assert start in purchase.labels[0].data[:200]


def test_a_purchase_is_found_by_its_reference_with_labels_by_another_process_on_the_same_books(
    carrier, shop, tmp_path
):
    purchase = run(carrier.ship(shipment(), shop, "REF1", PDF))
    assert run(SandboxCarrier(tmp_path / "books.sqlite").find("REF1", PDF)) == [purchase]
    assert run(SandboxCarrier(tmp_path / "books.sqlite").find("REF2", PDF)) == []
    assert run(SandboxCarrier(tmp_path / "books.sqlite", account="OTHER").find("REF1", PDF)) == []


def test_buying_twice_under_one_reference_buys_two(carrier, shop):
    async def go():
        await carrier.ship(shipment(), shop, "REF1", PDF)
        await carrier.ship(shipment(), shop, "REF1", PDF)
        return await carrier.find("REF1", PDF)

    assert len({p.shipment_id for p in run(go())}) == 2


def test_voiding_twice_is_success_and_the_purchase_stays_in_the_books_marked(carrier, shop):
    async def go():
        purchase = await carrier.ship(shipment(), shop, "REF1", PDF)
        await carrier.void(purchase)
        await carrier.void(purchase)
        return await carrier.find("REF1", PDF)

    assert [p.voided for p in run(go())] == [True]


def test_what_was_never_sold_cannot_be_voided(carrier, shop, tmp_path):
    elsewhere = run(
        SandboxCarrier(tmp_path / "other.sqlite", seed=2).ship(shipment(), shop, "REF1", PDF)
    )
    with pytest.raises(CarrierRejected, match="no shipment"):
        run(carrier.void(elsewhere))


ITEM = CustomsItem(description="Mugs", quantity=2, unit_value=Money.of("8"))
ABROAD = {
    "ship_to": to(country="CA", state="ON", postal_code="M5V 2T6", phone="4165550100"),
    "service": "worldwide_saver",
}


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"ship_to": to(name=None)}, "recipient_name_missing"),
        ({"ship_to": to(address_line1=None)}, "recipient_address_line1_missing"),
        ({"ship_to": to(address_line1="x" * 36)}, "recipient_address_line1_too_long"),
        ({"ship_to": to(city=None)}, "recipient_city_missing"),
        ({"ship_to": to(state="TX")}, "recipient_state_zip_mismatch"),
        ({"ship_to": to(state="ZZ")}, "recipient_state_invalid"),
        ({"ship_to": to(state=None)}, "recipient_state_missing"),
        ({"ship_to": to(postal_code="9021")}, "recipient_postal_code_invalid"),
        ({"ship_to": to(phone="555")}, "recipient_phone_invalid"),
        ({"parcels": (Parcel(weight_lb=151),)}, "rate"),
        ({"parcels": (Parcel(weight_lb=1, length_in=120, width_in=2, height_in=2),)}, "rate"),
        ({"service": "standard"}, "rate"),
        ({**ABROAD}, "customs_missing"),
        (
            {**ABROAD, "ship_to": ABROAD["ship_to"].model_copy(update={"phone": None})},
            "phone_missing",
        ),
        (
            {
                **ABROAD,
                "ship_to": ABROAD["ship_to"].model_copy(update={"postal_code": "12345"}),
                "customs": Customs(items=(ITEM,)),
            },
            "recipient_postal_code_invalid",
        ),
    ],
)
def test_it_refuses_what_a_carrier_refuses_and_sells_nothing(carrier, shop, fields, code):
    with pytest.raises(CarrierRejected) as caught:
        run(carrier.ship(shipment(**fields), shop, "REF1", PDF))
    assert caught.value.carrier_code == code
    assert caught.value.fix
    assert run(carrier.books.entries()) == []


def test_it_ships_abroad_with_customs(carrier, shop):
    assert (
        run(
            carrier.ship(shipment(**ABROAD, customs=Customs(items=(ITEM,))), shop, "REF1", PDF)
        ).charge.cents
        > 0
    )


def test_a_shop_lists_the_services_that_can_take_it_cheapest_first(carrier, shop):
    rates = run(carrier.shop(shipment(), shop))
    assert [r.service for r in rates] == ["ground", "3_day_select", "2nd_day_air", "next_day_air"]
    assert [r.cost_cents for r in rates] == sorted(r.cost_cents for r in rates)
    assert [
        r.service
        for r in run(carrier.shop(shipment(ship_to=to(state="AE", postal_code="09012")), shop))
    ] == ["ground"]


def test_a_table_is_quoted_as_one_by_one_and_a_row_without_a_date_leaves_today(carrier, shop):
    row = {
        "row_number": 1,
        "postal_code": "10001",
        "country": "US",
        "service": "ground",
        "parcels": [{"weight_lb": 3.0}],
    }
    quotes = run(
        carrier.quote_table(
            pa.Table.from_pylist(
                [row, {**row, "ship_date": dt.date(2026, 11, 20)}], schema=SHIPMENTS
            ),
            shop,
        )
    ).to_pylist()
    rate = run(carrier.quote(shipment(), shop))
    assert (quotes[0]["cost_cents"], quotes[0]["delivery_date"]) == (
        rate.cost_cents,
        rate.delivery_date,
    )
    assert quotes[0]["cost_basis"] == "quoted"
    assert quotes[1]["delivery_date"] == dt.date(2026, 11, 27)


def test_many_buy_at_once_and_every_number_is_unique(carrier, shop):
    answers = run(bought(carrier, 300, shop))
    assert len({p.tracking_numbers[0] for p in answers}) == 300
    assert len(run(carrier.books.entries())) == 300


def test_a_lost_answer_is_in_the_books_and_an_error_before_is_not(carrier, shop):
    carrier.faults = Faults(lost=1.0)
    with pytest.raises(AnswerLost):
        run(carrier.ship(shipment(), shop, "LOST", PDF))
    carrier.faults = Faults(lost_before=1.0)
    with pytest.raises(AnswerLost):
        run(carrier.ship(shipment(), shop, "NEVER", PDF))
    assert len(run(carrier.find("LOST", PDF))) == 1
    assert run(carrier.find("NEVER", PDF)) == []


def test_a_late_commit_cannot_be_seen_until_it_lands_and_absence_is_proof_only_after(
    tmp_path, shop, monkeypatch
):
    now = time.time()
    clock = SimpleNamespace(time=lambda: now)
    monkeypatch.setattr("shipkit.carriers.sandbox.backend.time", clock)
    monkeypatch.setattr("shipkit.carriers.sandbox.books.time", clock)
    carrier = SandboxCarrier(tmp_path / "books.sqlite", faults=Faults(late=1.0, late_s=0.3))
    with pytest.raises(AnswerLost):
        run(carrier.ship(shipment(), shop, "REF1", PDF))
    assert run(carrier.find("REF1", PDF)) == []
    now += 0.3
    assert len(run(carrier.find("REF1", PDF))) == 1
    assert carrier.absence_is_proof_after_s == 5.3
    carrier.faults = Faults(late=0.1, late_s=3)
    assert carrier.absence_is_proof_after_s == 8.0


@pytest.mark.parametrize(
    ("faults", "error"),
    [
        (Faults(auth_refused=True), AuthenticationFailed),
        (Faults(rate_limited=1.0, retry_after_s=2), RateLimited),
        (Faults(reject=1.0), CarrierRejected),
        (Faults(error_before=1.0), AnswerLost),
        (Faults(error_after=1.0), AnswerLost),
    ],
)
def test_faults_are_the_errors_they_would_be_over_http(carrier, shop, faults, error):
    carrier.faults = faults
    with pytest.raises(error):
        run(carrier.ship(shipment(), shop, "REF1", PDF))
    assert len(run(carrier.books.entries())) == (1 if faults.error_after else 0)


def test_a_request_turned_away_by_429_gets_through_at_some_repeat(carrier, shop):
    carrier.faults = Faults(rate_limited=0.5, retry_after_s=0.0, seed=3)

    kinds = [[type(a).__name__ for a in run(bought(carrier, 20, shop))] for _ in range(12)]
    assert "RateLimited" in kinds[0]
    assert kinds[-1] == ["Purchase"] * 20


def test_the_same_seed_and_references_meet_the_same_faults(tmp_path, shop):
    faults = Faults(lost=0.2, reject=0.2, error_before=0.1, seed=11)
    runs = [
        [
            type(a).__name__
            for a in run(bought(SandboxCarrier(tmp_path / f"{k}.sqlite", faults=faults), 60, shop))
        ]
        for k in range(2)
    ]
    assert runs[0] == runs[1]
    assert {"AnswerLost", "CarrierRejected", "Purchase"} == set(runs[0])


def test_faults_can_be_held_to_the_first_requests_or_to_some_shipments(carrier, shop):
    carrier.faults = Faults(reject=1.0, first=2)
    assert [type(a).__name__ for a in run(bought(carrier, 4, shop))].count("CarrierRejected") == 2
    carrier.faults = Faults(reject=1.0, match="^REF[13]$")
    assert [type(a).__name__ for a in run(bought(carrier, 4, shop))] == [
        "Purchase",
        "CarrierRejected",
        "Purchase",
        "CarrierRejected",
    ]


def test_price_drift_bills_more_than_was_quoted(carrier, shop):
    carrier.faults = Faults(price_drift="0.10")
    rate = run(carrier.quote(shipment(), shop))
    assert run(carrier.ship(shipment(), shop, "REF1", PDF)).charge.cents == round(
        rate.cost_cents * 1.1
    )


def test_latency_is_felt(tmp_path, shop):
    carrier = SandboxCarrier(tmp_path / "books.sqlite", latency_s=0.2)
    start = time.monotonic()
    run(carrier.ship(shipment(), shop, "REF1", PDF))
    assert time.monotonic() - start >= 0.2


def test_shares_that_add_up_to_more_than_everything_are_refused():
    with pytest.raises(ValueError, match="more than 1"):
        Faults(lost=0.6, late=0.6)


def test_books_that_cannot_be_written_leave_the_row_in_doubt_not_failed(tmp_path, shop):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(AnswerLost, match="cannot be written"):
        run(SandboxCarrier(tmp_path / "file" / "books.sqlite").ship(shipment(), shop, "REF1", PDF))


def test_two_processes_on_one_books_never_give_out_a_number_twice(tmp_path, shop):
    """Two carriers with books of their own objects on one file stand for two processes: nothing is
    shared in memory.
    """
    one, two = (SandboxCarrier(tmp_path / "books.sqlite") for _ in range(2))

    async def go():
        return await asyncio.gather(bought(one, 150, shop), bought(two, 150, shop))

    numbers = [p.tracking_numbers[0] for answers in run(go()) for p in answers]
    assert len(set(numbers)) == 300
    assert len(run(one.books.entries())) == 300


def test_closing_finishes_what_waits_and_the_books_open_again(carrier, shop):
    async def go():
        await carrier.ship(shipment(), shop, "REF1", PDF)
        await carrier.aclose()
        return await carrier.find("REF1", PDF)

    assert len(run(go())) == 1
