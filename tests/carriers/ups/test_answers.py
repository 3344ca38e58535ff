"""Every recorded answer of UPS parses to the right result or the right error."""

from __future__ import annotations

import copy
import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest

from shipkit.carriers.http import Response
from shipkit.carriers.quoting import quote_line
from shipkit.carriers.ups import responses
from shipkit.carriers.ups.client import _meaning
from shipkit.carriers.ups.codes import CODES, IN_DOUBT
from shipkit.carriers.ups.json_values import Unreadable
from shipkit.carriers.ups.price_answers import total_of, weight_of
from shipkit.carriers.ups.service_level import ServiceLevel
from shipkit.carriers.ups.tracking_answers import parcels_of_reference, tracking
from shipkit.errors import AnswerLost, AuthenticationFailed, CarrierRejected
from shipkit.models import Address, LabelFormat


def recorded(shared_ups: Path, name: str) -> dict[str, Any]:
    return json.loads((shared_ups / "recorded" / f"friendly.{name}.json").read_text())


def response(seen: dict[str, Any]) -> Response:
    content = b"" if seen["response"] is None else json.dumps(seen["response"]).encode()
    return Response(
        seen["status"], {k.lower(): v for k, v in seen.get("headers", {}).items()}, content
    )


READS = {
    "access_token_success": lambda b: responses.token(b) == ("XXXXXXXXXXX", 14399.0),
    "address_classification.commercial_address": lambda b: (
        responses.addresses(b, Address()).residential is False
    ),
    "address_classification.residential_address": lambda b: (
        responses.addresses(b, Address()).residential is True
    ),
    "city_state_lookup.known_zip": lambda b: (
        (
            responses.addresses(b, Address()).status,
            len(responses.addresses(b, Address()).candidates),
        )
        == ("ambiguous", 7)
    ),
    "city_state_lookup.unknown_zip": lambda b: (
        responses.addresses(b, Address()).status == "not_found"
    ),
    "fixture.city_state_lookup": lambda b: (
        responses.addresses(b, Address()).candidates[0].city == "NEW YORK"
    ),
    "fixture.labels_two_packages": lambda b: (
        (
            responses.purchase(b, ServiceLevel.GROUND).charge.cents,
            len(responses.purchase(b, ServiceLevel.GROUND).labels),
        )
        == (5699, 2)
    ),
    "fixture.rates_with_negotiated_charges": lambda b: (
        (responses.rates(b)[0].service, responses.rates(b)[0].cost_cents) == ("ground", 1462)
    ),
    "fixture.rates_with_rate_modifiers": lambda b: (
        (responses.rates(b)[0].cost_cents, responses.rates(b)[0].other_cents) == (5724, -120)
    ),
    "labels.ground_saver_success": lambda b: (
        (
            responses.purchase(b, ServiceLevel.GROUND_SAVER).charge.cents,
            responses.purchase(b, ServiceLevel.GROUND_SAVER).labels[0].format,
        )
        == (1823, LabelFormat.GIF)
    ),
    "labels.international_paperless": lambda b: (
        [
            (x.kind, x.format.value)
            for x in responses.purchase(b, ServiceLevel.WORLDWIDE_EXPRESS_PLUS).labels
        ]
        == [("label", "zpl"), ("document", "zpl"), ("label", "zpl"), ("document", "pdf")]
    ),
    "labels.success": lambda b: (
        (
            responses.purchase(b, ServiceLevel.GROUND).charge.cents,
            responses.purchase(b, ServiceLevel.GROUND).charge.billed_weight_lb,
        )
        == (4748, 8.0)
    ),
    "rates.success": lambda b: (
        [(r.service, r.cost_cents) for r in responses.rates(b)][:2]
        == [("ground", 4836), ("3_day_select", 7376)]
    ),
    "timings.success": lambda b: (
        (len(responses.transits(b)), responses.transits(b)[0].delivery_date)
        == (6, dt.date(2024, 1, 30))
    ),
    "void.success": lambda b: responses.voided(b) is None,
}

REFUSES = {
    "address_classification.invalid_address": (CarrierRejected, "9264030"),
    "labels.city_name": (CarrierRejected, "120802"),
    "labels.failure": (CarrierRejected, "120202"),
    "rates.failure": (CarrierRejected, "111285"),
    "rates.invalid_request": (AuthenticationFailed, "112111"),  # of the account, not of a row
    "timings.failure": (AnswerLost, "10004"),
}


def test_the_tables_know_every_recording(shared_ups: Path) -> None:
    assert {
        f.stem.removeprefix("friendly.") for f in (shared_ups / "recorded").glob("*.json")
    } == READS.keys() | REFUSES.keys()


@pytest.mark.parametrize("name", READS)
def test_a_recorded_answer_is_read(shared_ups: Path, name: str) -> None:
    assert READS[name](_meaning(response(recorded(shared_ups, name)), "t"))


@pytest.mark.parametrize("name", REFUSES)
def test_a_recorded_refusal_is_the_right_error_with_ups_s_words_and_ours(
    shared_ups: Path, name: str
) -> None:
    kind, code = REFUSES[name]
    seen = recorded(shared_ups, name)
    with pytest.raises(kind) as caught:
        _meaning(response(seen), "t")
    error = caught.value
    assert error.carrier_code == code
    assert error.carrier_message == seen["response"]["response"]["errors"][0]["message"]
    assert CODES[code].plain in error.message
    assert error.fix


def test_200_with_an_empty_body_and_an_error_header_is_a_refusal() -> None:
    """Recorded as friendly.labels.malformed: a control character in an address line."""
    with pytest.raises(CarrierRejected) as caught:
        _meaning(
            Response(200, {"apierrorcode": "1", "apierrormsg": "The request is not valid."}, b""),
            "t",
        )
    assert caught.value.carrier_code == "1"
    assert "control character" in caught.value.message


def test_an_error_header_beside_a_good_body_does_not_deny_a_shipment(shared_ups: Path) -> None:
    seen = recorded(shared_ups, "labels.success")
    seen["headers"]["apierrorcode"] = "1"
    assert responses.purchase(_meaning(response(seen), "t"), ServiceLevel.GROUND).tracking_numbers


@pytest.mark.parametrize("code", sorted(IN_DOUBT))
def test_ups_s_own_failures_leave_the_row_in_doubt_whatever_the_status(code: str) -> None:
    with pytest.raises(AnswerLost):
        _meaning(
            Response(
                400,
                {},
                json.dumps({"response": {"errors": [{"code": code, "message": "x"}]}}).encode(),
            ),
            "t",
        )


def test_our_words_agree_with_the_curated_codes(shared_ups: Path) -> None:
    """Every code of the bundle is known, and what may have shipped there is not a refusal here."""
    curated = json.loads((shared_ups / "error_codes.json").read_text())["codes"]
    assert {c["code"] for c in curated} <= CODES.keys()
    maybe = {c["code"] for c in curated if c["ships"] and c["retry"] == "later"}
    assert maybe == IN_DOUBT


@pytest.mark.parametrize(
    "name",
    ["rates.success", "fixture.rates_with_negotiated_charges", "fixture.rates_with_rate_modifiers"],
)
def test_the_parts_of_every_recorded_price_add_up_to_it(shared_ups: Path, name: str) -> None:
    for rate in responses.rates(recorded(shared_ups, name)["response"]):
        assert (
            rate.base_cents
            + rate.fuel_cents
            + rate.residential_cents
            + rate.delivery_area_cents
            + rate.other_cents
            == rate.cost_cents
        )
        assert rate.other_cents in {0, -120}  # -120: the rate modifier of that fixture


def test_a_negotiated_total_without_its_parts_has_no_parts(shared_ups: Path) -> None:
    """The published surcharges would not add up to it."""
    body = copy.deepcopy(recorded(shared_ups, "fixture.rates_with_negotiated_charges")["response"])
    for shipment in body["RateResponse"]["RatedShipment"]:
        del shipment["RatedPackage"]["NegotiatedCharges"]
    assert {(r.base_cents, r.fuel_cents, r.other_cents) for r in responses.rates(body)} == {
        (None, None, None)
    }


def test_noise_is_no_warning_and_what_changes_the_price_is(shared_ups: Path) -> None:
    warnings = {
        w
        for r in responses.rates(
            recorded(shared_ups, "fixture.rates_with_negotiated_charges")["response"]
        )
        for w in r.warnings
    }
    assert warnings == {"Ship To Address Classification is changed from Residential to Commercial"}


def test_a_bare_object_and_a_list_of_one_read_alike(shared_ups: Path, ups_module: Any) -> None:
    for name in ("rates.success", "labels.ground_saver_success", "labels.international_paperless"):
        body = recorded(shared_ups, name)["response"]
        listed = as_lists(body)
        if "RateResponse" in body:
            assert (
                responses.rates(body)
                == responses.rates(listed)
                == responses.rates(ups_module._quirky(listed))
            )
        else:
            assert (
                responses.purchase(body, ServiceLevel.GROUND)
                == responses.purchase(listed, ServiceLevel.GROUND)
                == responses.purchase(ups_module._quirky(listed), ServiceLevel.GROUND)
            )


LISTS = {
    "ItemizedCharges",
    "RatedShipmentAlert",
    "RatedPackage",
    "PackageResults",
    "Alert",
    "RatedShipment",
}


def as_lists(node: Any) -> Any:
    if isinstance(node, dict):
        return {
            k: as_lists([v] if k in LISTS and isinstance(v, dict) else v) for k, v in node.items()
        }
    return [as_lists(v) for v in node] if isinstance(node, list) else node


@pytest.mark.parametrize(
    "hole", ["PackageResults", "TrackingNumber", "ShippingLabel", "GraphicImage"]
)
def test_a_purchase_with_a_hole_is_unreadable_not_half_a_purchase(
    shared_ups: Path, hole: str
) -> None:
    body = without(recorded(shared_ups, "labels.success")["response"], hole)
    with pytest.raises(Unreadable):
        responses.purchase(body, ServiceLevel.GROUND)


def without(node: Any, name: str) -> Any:
    if isinstance(node, dict):
        return {k: without(v, name) for k, v in node.items() if k != name}
    return [without(v, name) for v in node] if isinstance(node, list) else node


def test_padding_that_is_too_long_is_forgiven_and_garbage_is_not() -> None:
    assert responses._decoded("Cl5YQQ0KXkxSTg0K==") == b"\n^XA\r\n^LRN\r\n"
    with pytest.raises(Unreadable):
        responses._decoded("not base64 <>")


def test_taxes_are_part_of_what_is_billed(shared_ups: Path) -> None:
    body = copy.deepcopy(recorded(shared_ups, "labels.success")["response"])
    body["ShipmentResponse"]["ShipmentResults"]["NegotiatedRateCharges"][
        "TotalChargesWithTaxes"
    ] = {"CurrencyCode": "USD", "MonetaryValue": "50.00"}
    assert responses.purchase(body, ServiceLevel.GROUND).charge.cents == 5000


def test_the_published_price_is_next_to_the_accounts_own(shared_ups: Path) -> None:
    """Recorded: UPS states both. Where it states one, there is nothing to compare."""
    body = copy.deepcopy(recorded(shared_ups, "fixture.rates_with_negotiated_charges")["response"])
    both = [(rate.cost_cents, rate.list_cents) for rate in responses.rates(body)]
    assert both
    assert all(published is not None and own <= published for own, published in both)
    assert any(own < (published or 0) for own, published in both)
    for shipment in body["RateResponse"]["RatedShipment"]:
        del shipment["NegotiatedRateCharges"]
    alone = responses.rates(body)
    assert {rate.list_cents for rate in alone} == {None}
    assert sorted(rate.cost_cents for rate in alone) == sorted(published for _, published in both)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"trackResponse": {"shipment": []}},
        {"trackResponse": {"shipment": [{"inquiryNumber": "R"}]}},
        {"trackResponse": {"shipment": [{"warnings": [{"code": "TW0002"}]}]}},
        {"trackResponse": {"shipment": [{"package": [{"trackingNumber": ""}]}]}},
    ],
)
def test_only_ups_s_warning_says_that_a_reference_has_no_parcel(body: dict[str, Any]) -> None:
    with pytest.raises(Unreadable):
        parcels_of_reference(body, "R")
    nothing = {"trackResponse": {"shipment": [{"warnings": [{"code": "TW0001"}]}]}}
    assert parcels_of_reference(nothing, "R") == []


def test_parcels_of_another_reference_are_no_absence() -> None:
    def answer(*references: str) -> dict[str, Any]:
        package = {
            "trackingNumber": "1Z1",
            "referenceNumber": [{"type": "SHIPMENT", "number": each} for each in references],
        }
        return {"trackResponse": {"shipment": [{"package": [package]}]}}

    with pytest.raises(Unreadable, match="none with the reference"):
        parcels_of_reference(answer("OTHER"), "SK7F")
    assert parcels_of_reference(answer("OTHER", " sk7f "), "SK7F") == ["1Z1"]
    assert parcels_of_reference(answer(), "SK7F") == ["1Z1"]


def cad(amount: str) -> dict[str, str]:
    return {"CurrencyCode": "CAD", "MonetaryValue": amount}


HST = {"TaxCharges": [{"Type": "HST", "MonetaryValue": "13.00"}]}
UNREAD_TAX = {"TaxCharges": [{"MonetaryValue": "?"}]}


@pytest.mark.parametrize(
    ("published", "negotiated", "gross", "tax", "certain"),
    [
        (HST, None, "113.00", "13.00", True),
        (HST, HST | {"TaxCharges": {"MonetaryValue": "10.40"}}, "90.40", "10.40", True),
        ({"TotalChargesWithTaxes": cad("113")}, {}, "90.40", "10.40", False),
        (HST, {}, "90.40", "10.40", False),
        ({}, {"TotalChargesWithTaxes": cad("90.40")}, "90.40", "10.40", True),
        ({}, {}, "80.00", None, True),
    ],
)
def test_taxes_are_in_the_price_wherever_ups_states_them(
    published: Any, negotiated: Any, gross: str, tax: str | None, certain: bool
) -> None:
    own = None if negotiated is None else {"TotalCharge": cad("80.00"), **negotiated}
    total = total_of({"TotalCharges": cad("100.00"), **published}, own)
    assert total is not None
    assert (str(total.gross.amount), total.gross.currency) == (gross, "CAD")
    assert (None if total.tax is None else str(total.tax.amount)) == tax
    assert (total.note == "") is certain


@pytest.mark.parametrize(
    ("published", "negotiated"),
    [
        ({"TotalCharges": {"MonetaryValue": "12.00"}}, None),
        ({"TotalCharges": cad("100.00")}, {"TotalCharge": {"MonetaryValue": "80.00"}}),
        ({"TotalCharges": cad("100.00")}, {"TotalChargesWithTaxes": {"MonetaryValue": "80.00"}}),
        ({"TotalCharges": cad("100.00")} | HST, {"TotalCharge": cad("80"), **UNREAD_TAX}),
        ({"TotalCharges": cad("100.00")} | UNREAD_TAX, {"TotalCharge": cad("80.00")}),
        (HST, {"TotalCharge": cad("80.00")}),  # a tax of a price that is not there
        ({"TotalChargesWithTaxes": cad("113")}, {"TotalCharge": cad("80.00")}),
        (
            {"TotalCharges": cad("100.00")} | HST,
            {"TotalCharge": cad("80.00"), "TotalChargesWithTaxes": {"MonetaryValue": "90.40"}},
        ),
    ],
)
def test_a_price_or_a_tax_that_cannot_be_read_is_replaced_by_no_other(
    published: Any, negotiated: Any
) -> None:
    with pytest.raises(Unreadable):
        total_of(published, negotiated)


def test_where_ups_states_no_price_there_is_none() -> None:
    assert total_of({}, {"ItemizedCharges": []}) is None
    assert total_of({"TotalCharges": cad("12.00")}, {"TaxCharges": []}) is not None


def test_a_label_whose_charge_cannot_be_read_is_bought_and_says_so(
    shared_ups: Path,
) -> None:
    body = recorded(shared_ups, "labels.success")["response"]
    results = body["ShipmentResponse"]["ShipmentResults"]
    results["NegotiatedRateCharges"] = {"TotalCharge": {"MonetaryValue": "8.00"}}
    bought = responses.purchase(body, "ground")
    assert bought.charge is None
    assert bought.warnings[-1].endswith("the charge is taken from the quote")


def test_a_price_with_a_tax_in_proportion_is_estimated() -> None:
    shipment = {
        "Service": {"Code": "03"},
        "TotalCharges": cad("100.00"),
        **HST,
        "NegotiatedRateCharges": {"TotalCharge": cad("80.00")},
    }
    [rate] = responses.rates({"RateResponse": {"RatedShipment": [shipment]}})
    assert (rate.cost_cents, rate.estimated) == (9040, True)
    assert quote_line(rate)["cost_basis"] == "estimated"
    shipment["NegotiatedRateCharges"] |= {"TotalChargesWithTaxes": cad("90.40")}
    [rate] = responses.rates({"RateResponse": {"RatedShipment": [shipment]}})
    assert (rate.cost_cents, quote_line(rate)["cost_basis"]) == (9040, "quoted")


def test_a_part_of_a_price_that_cannot_be_read_is_empty_and_not_0() -> None:
    base, fuel = cad("70.00"), {"Code": "375", "MonetaryValue": "5.00"}
    shipment = {
        "Service": {"Code": "03"},
        "TotalCharges": cad("80.00"),
        "BaseServiceCharge": base,
        "ItemizedCharges": [fuel],
    }
    [rate] = responses.rates({"RateResponse": {"RatedShipment": [shipment]}})
    assert (rate.base_cents, rate.fuel_cents, rate.residential_cents) == (7000, None, 0)
    assert (rate.other_cents, rate.cost_cents) == (1000, 8000)
    shipment["BaseServiceCharge"] = {"MonetaryValue": "70.00"}
    [rate] = responses.rates({"RateResponse": {"RatedShipment": [shipment]}})
    assert (rate.base_cents, rate.fuel_cents, rate.cost_cents) == (None, None, 8000)


@pytest.mark.parametrize(
    ("unit", "pounds"), [("LBS", 12.0), ("OZS", 0.75), ("KGS", 26.4555), ("STN", None), ("", None)]
)
def test_a_weight_is_read_in_its_unit(unit: str, pounds: float | None) -> None:
    weight = {"Weight": "12.0", "UnitOfMeasurement": {"Code": unit}}
    assert weight_of(weight) == pounds


def test_an_answer_without_a_verdict_or_a_parcel_is_not_taken_for_not_found() -> None:
    with pytest.raises(Unreadable, match="no verdict"):
        responses.addresses({"XAVResponse": {"Response": {}}}, Address())
    for shipment, status, problem in (
        ({}, "unknown", "UPS's answer has no parcel"),
        ({"warnings": [{"code": "TW0002", "message": "Try later"}]}, "unknown", "Try later"),
        ({"warnings": [{"code": "TW0001"}]}, "not_found", None),
    ):
        line = tracking({"trackResponse": {"shipment": [shipment]}}, "1Z1")
        assert (line["status"], line["problem"]) == (status, problem)


@pytest.mark.parametrize("single", [False, True])
def test_a_void_of_some_packages_says_which(*, single: bool) -> None:
    """Shipping.yaml, VoidShipmentResponse.PackageLevelResults: 1 is voided, 0 is not."""

    def package(number: str, code: str) -> dict[str, Any]:
        return {"TrackingNumber": number, "Status": {"Code": code, "Description": "x"}}

    results: Any = [package("1Z1", "1"), package("1Z2", "0"), package("1Z3", "1")]
    if single:
        results = package("1Z2", "0")
    status = {"Status": {"Code": "0", "Description": "Partially voided"}}
    answer = {"VoidShipmentResponse": {"SummaryResult": status, "PackageLevelResults": results}}
    assert responses.voided(answer) == (
        ("1 of 1 packages were not voided", (), ("1Z2",))
        if single
        else ("1 of 3 packages were not voided", ("1Z1", "1Z3"), ("1Z2",))
    )
    if not single:
        results[1].pop("TrackingNumber")
        assert responses.voided(answer) == ("1 of 3 packages were not voided", (), ()), "which?"
