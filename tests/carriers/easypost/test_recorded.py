"""Every recorded exchange of a kind that shipkit uses, read back."""

from __future__ import annotations

import json
import re
from collections import Counter
from decimal import Decimal
from typing import Any

import pytest

from shipkit.carriers.easypost import easypost_client, shipment_answer
from shipkit.carriers.easypost.account_facts import AccountFacts
from shipkit.carriers.easypost.catalog import SERVICES, code_of, services_of
from shipkit.carriers.easypost.label_purchases import _demand_state
from shipkit.carriers.easypost.rate_choice import picked
from shipkit.carriers.easypost.shipment_answer import (
    bought_parts,
    fees_of,
    is_voided,
    parts_of,
    purchase_of,
    rates_of,
    refund_status,
    rewritten,
)
from shipkit.carriers.easypost.tracker_answer import address_check, tracking_line
from shipkit.carriers.http import Response
from shipkit.errors import AnswerLost, AuthenticationFailed, CarrierRejected
from shipkit.models import Address


def kind_of(exchange: dict[str, Any]) -> str:
    """Return method, path with ids left out, and status."""
    path = re.sub(r"/[a-z]+_[0-9a-f]{6,}[^/]*", "/{id}", exchange["path"].removeprefix("/v2"))
    if exchange["path"] == "/v2/shipments" and exchange["method"] == "POST":
        asked = (exchange["request"] or {}).get("shipment") or {}
        path += " with service" if "service" in asked else ""
    return f"{exchange['method']} {path} {exchange['status']}"


@pytest.fixture(scope="module")
def by_kind(exchanges) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for exchange in exchanges:
        found.setdefault(kind_of(exchange), []).append(exchange)
    return found


def test_every_created_shipment_has_its_rates_read_exactly(by_kind):
    count = Counter()
    for exchange in by_kind["POST /shipments 201"]:
        answer = exchange["response"]
        read = rates_of(answer)[0]
        count["shipments"] += 1
        count["rates"] += len(read)
        assert len(read) == len(answer["rates"])
        exact = {rate["id"]: Decimal(rate["rate"]) for rate in answer["rates"]}
        assert {offer.rate_id: offer.amount for offer in read} == exact
        assert [offer.amount for offer in read] == sorted(exact.values())
        assert bought_parts(answer) == []
    assert count["shipments"] == 111
    assert count["rates"] > 300


def test_every_service_of_the_recorded_rates_has_a_code_of_the_list(exchanges):
    seen = set()
    for exchange in exchanges:
        answer = exchange["response"]
        for rate in answer.get("rates") or () if isinstance(answer, dict) else ():
            if isinstance(rate, dict) and rate.get("carrier") and rate.get("service"):
                seen.add((rate["carrier"], rate["service"]))
    assert len(seen) >= 4
    assert {code_of(*each) for each in seen} <= set(SERVICES.codes)


@pytest.mark.parametrize(
    ("kind", "count"),
    [
        ("POST /shipments/{id}/buy 200", 35),
        ("POST /shipments with service 201", 86),
        ("POST /shipments/{id}/refund 200", 5),
        ("POST /shipments/{id}/insure 200", 11),
        ("GET /shipments/{id}/label 200", 4),
        ("POST /orders/{id}/buy 200", 7),
    ],
)
def test_every_recorded_purchase_costs_what_its_answer_adds_up_to(by_kind, kind, count):
    exchanges = by_kind[kind]
    assert len(exchanges) == count
    for exchange in exchanges:
        answer = exchange["response"]
        parts = parts_of(answer)
        assert bought_parts(answer) == parts
        bought = purchase_of(answer)
        assert bought.shipment_id == answer["id"]
        assert bought.tracking_numbers == tuple(part["tracking_code"] for part in parts)
        total = sum(Decimal(fee["amount"]) for part in parts for fee in part["fees"])
        assert bought.charge.cents == int((total * 100).quantize(Decimal(1), "ROUND_HALF_UP"))
        assert bought.charge.basis == "billed"
        for part in parts:
            assert fees_of(part)["PostageFee"] == Decimal(part["selected_rate"]["rate"])
        assert bought.service in SERVICES
        assert bought.voided is (kind == "POST /shipments/{id}/refund 200")


RATE = {
    "id": "rate_1",
    "carrier": "USPS",
    "service": "GroundAdvantage",
    "rate": "5.93",
    "currency": "USD",
    "billing_type": "easypost",
}
POSTAGE = {"type": "PostageFee", "amount": "5.93"}
PART = {"id": "shp_1", "tracking_code": "9400", "selected_rate": RATE}


@pytest.mark.parametrize(
    ("change", "cents"),
    [
        ({"fees": [POSTAGE, {"amount": "0.01"}]}, 594),
        ({"fees": []}, 593),
        ({"selected_rate": RATE | {"currency": "CAD"}}, 593),
        ({"selected_rate": RATE | {"currency": None}}, None),
        ({"selected_rate": None, "fees": [{"type": "LabelFee", "amount": "0.05"}]}, None),
        ({"selected_rate": None, "fees": [POSTAGE, {"amount": "0.05"}]}, 598),
        ({"selected_rate": RATE | {"currency": None}, "fees": [POSTAGE]}, 593),
        ({"fees": [POSTAGE, {"amount": "?"}]}, None),
        ({"selected_rate": RATE | {"currency": "CAD"}, "fees": [{"amount": "0.01"}]}, None),
        ({"selected_rate": RATE | {"currency": "CAD"}, "fees": [POSTAGE]}, None),
    ],
)
def test_a_charge_of_which_a_part_is_not_known_is_taken_from_the_quote_and_said(
    change: dict[str, Any], cents: int | None
) -> None:
    bought = purchase_of(PART | change)
    charge = bought.charge
    assert (charge.cents if charge else None) == cents
    offered = (change.get("selected_rate") or RATE)["currency"] or "USD"
    assert charge is None or charge.currency == offered
    order = {"id": "order_1", "shipments": [PART, PART | {"tracking_code": "9401"} | change]}
    whole = purchase_of(order)
    assert (whole.charge is not None) is (charge is not None and charge.currency == "USD")
    for one in (bought, whole):
        said = any(text.endswith("the charge is taken from the quote") for text in one.warnings)
        assert said is (one.charge is None)


def test_a_rate_without_a_currency_is_no_price_and_says_so() -> None:
    answer = {"rates": [RATE, RATE | {"service": "Express", "currency": ""}, "?"]}
    assert [offer.code for offer in rates_of(answer)[0]] == ["usps:ground_advantage"]
    assert rates_of(answer)[1] == {
        "USPS": ("its price for Express cannot be read",),
        "A carrier": ("its price for a service cannot be read",),
    }
    with pytest.raises(CarrierRejected, match="its price for Express cannot be read"):
        picked(*rates_of(answer), "usps:express")


def test_prices_of_one_service_in_two_currencies_are_not_compared() -> None:
    both = rates_of({"rates": [RATE, RATE | {"currency": "CAD", "rate": "5.00"}]})[0]
    with pytest.raises(CarrierRejected, match="in CAD and USD, which cannot be compared"):
        picked(both, {}, "usps:ground_advantage")


def test_what_usps_writes_on_a_purchase_is_the_same_place(by_kind):
    count = 0
    for kind in ("POST /shipments/{id}/buy 200", "POST /shipments with service 201"):
        for exchange in by_kind[kind]:
            sent = ((exchange["request"] or {}).get("shipment") or {}).get("to_address")
            if sent and sent.get("street1"):
                assert rewritten(sent, exchange["response"]["to_address"]) is None
                count += 1
    assert count == 86


def test_every_shipment_of_a_list_and_a_get_is_read(by_kind):
    states = Counter()
    for exchange in by_kind["GET /shipments 200"]:
        for shipment in exchange["response"]["shipments"]:
            bought = bool(bought_parts(shipment))
            states["bought" if bought else "not bought"] += 1
            states[refund_status(shipment) or "no refund"] += 1
            if bought:
                assert purchase_of(shipment).tracking_numbers == (shipment["tracking_code"],)
                assert is_voided(shipment) is (refund_status(shipment) in ("submitted", "refunded"))
    for exchange in by_kind["GET /shipments/{id} 200"]:
        assert rates_of(exchange["response"])[0]
    assert states["bought"] + states["not bought"] == states.total() / 2 > 50


def test_every_order_has_the_rates_of_all_its_parcels(by_kind):
    count = 0
    for kind in ("POST /orders 201", "GET /orders/{id} 200", "GET /orders/{id}/rates 200"):
        for exchange in by_kind[kind]:
            answer = exchange["response"]
            read = rates_of(answer)[0]
            assert len(read) == len(answer["rates"])
            parts = parts_of(answer)
            for offer in read:
                sums = [
                    o.amount for part in parts for o in rates_of(part)[0] if o.code == offer.code
                ]
                assert sum(sums) == offer.amount
            count += 1
    assert count == 40


def test_every_error_is_read_in_its_own_words(exchanges):
    kinds = Counter()
    for exchange in exchanges:
        if exchange["status"] < 400:
            continue
        body = json.dumps(exchange["response"]).encode()
        answer = Response(exchange["status"], {"x-ep-request-uuid": "u-1"}, body)
        error = easypost_client._refusal(answer)
        kinds[exchange["status"]] += 1
        assert error.carrier_code == exchange["response"]["error"]["code"]
        assert error.transaction_id == "u-1"
        assert exchange["response"]["error"]["message"].rstrip(".") in error.message
        for detail in exchange["response"]["error"]["errors"]:
            text = detail if isinstance(detail, str) else detail["message"]
            assert text.rstrip(".") in error.message
        wanted = AuthenticationFailed if exchange["status"] == 403 else CarrierRejected
        assert type(error) is wanted
    assert kinds == {422: 10, 404: 12, 403: 2}


def test_every_tracker_says_where_its_parcel_is(by_kind):
    count = Counter()
    for kind in (
        "GET /trackers 200",
        "GET /trackers/{id} 200",
        "POST /trackers 200",
        "POST /trackers 201",
    ):
        for exchange in by_kind[kind]:
            answer = exchange["response"]
            for tracker in answer.get("trackers", [answer]):
                line = tracking_line(tracker["tracking_code"], tracker)
                count[line["status"]] += 1
                assert line["status_code"] == tracker["status"]
                assert line["problem"] is None
    assert count["label_created"] > 20
    assert set(count) <= {
        "unknown",
        "label_created",
        "in_transit",
        "out_for_delivery",
        "delivered",
        "exception",
        "returned",
        "voided",
    }


def test_every_verified_address_is_checked(by_kind):
    count = Counter()
    for exchange in by_kind["POST /addresses 201"]:
        asked = exchange["request"] or {}
        body = asked.get("address") or {}
        if not (asked.get("verify") or asked.get("verify_strict")) or "street1" not in body:
            continue
        sent = Address(
            name=body.get("name"), address_line1=body.get("street1"), country=body["country"]
        )
        count[address_check(sent, body, exchange["response"]).status] += 1
    assert count == {"valid": 5, "not_found": 11}


def test_the_accounts_fees_are_those_of_its_purchases(by_kind):
    [exchange] = by_kind["GET /users 200"]
    facts = AccountFacts.of(exchange["response"])
    assert facts.insured_by_default == Decimal(50)
    assert facts.insurance_fee(None) == Decimal("0.50")
    assert facts.insurance_fee("249.99") == Decimal("1.249950")
    assert facts.insurance_fee("0") == 0
    assert facts.fees(None, 3) == Decimal("1.50")


@pytest.mark.parametrize(
    "answer",
    [
        [],
        {"insurance_fee_rate": "half a percent"},
        {"price_per_shipment": "-0.01"},
        {"default_insurance_amount": "NaN"},
        {"insurance_fee_minimum": True},
    ],
)
def test_a_fee_of_the_account_that_cannot_be_read_is_not_nothing(answer: Any) -> None:
    with pytest.raises(AnswerLost, match="its fees are not known"):
        AccountFacts.of(answer)
    assert AccountFacts.of({"price_per_shipment": None}).fees(None, 2) == 0


def test_an_answer_that_does_not_say_what_was_bought_is_no_absence() -> None:
    for number, answer in (
        ("shp_1", {"id": "shp_1"}),
        ("order_1", {"id": "order_1", "tracking_code": None}),
        ("order_1", {"id": "order_1", "shipments": [{"tracking_code": None}, {}]}),
    ):
        with pytest.raises(AnswerLost, match=f"does not say whether {number} was bought"):
            _demand_state(number, answer)
    _demand_state("shp_1", {"id": "shp_1", "tracking_code": None})
    _demand_state("order_1", {"id": "order_1", "shipments": [{"tracking_code": None}]})


def test_every_rerated_shipment_has_new_rates(by_kind):
    exchanges = by_kind["POST /shipments/{id}/rerate 200"]
    assert len(exchanges) == 6
    for exchange in exchanges:
        answer = exchange["response"]
        assert len(rates_of(answer)[0]) == len(answer["rates"]) > 0
        assert bought_parts(answer) == []


def test_the_services_of_every_recorded_account_are_read(by_kind):
    [metadata] = by_kind["GET /metadata/carriers 200"]
    carriers = metadata["response"]["carriers"]
    exchanges = by_kind["GET /carrier_accounts 200"]
    assert len(exchanges) == 5
    for exchange in exchanges:
        found = services_of(exchange["response"], carriers)
        codes = {line["service"] for line in found}
        assert {"usps:ground_advantage", "usps:priority", "usps:express"} <= codes
        assert {line["billed_by"] for line in found if line["carrier"] == "USPS"} == {"easypost"}
        listed = {code for code in codes if code in SERVICES}
        assert len(listed) >= 9, "and others have the names of their rates"


def test_every_service_of_the_list_is_one_that_easypost_names(by_kind):
    [metadata] = by_kind["GET /metadata/carriers 200"]
    known = {
        f"{carrier['name']}/{level['name']}".lower()
        for carrier in metadata["response"]["carriers"]
        for level in carrier["service_levels"]
    }
    ours = {wire.lower() for entry in SERVICES for wire in entry.wire.values()}
    assert ours <= known


def test_each_rate_of_an_answer_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []
    read = shipment_answer._offer
    monkeypatch.setattr(shipment_answer, "_offer", lambda rate: seen.append(rate) or read(rate))
    rates, failed = rates_of({"rates": [RATE, RATE | {"rate": "-1"}, None]})
    assert (len(rates), list(failed)) == (1, ["USPS", "A carrier"])
    assert len(seen) == 3
