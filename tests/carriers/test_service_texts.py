"""Services as people write them, through the whole line: one grammar, one wording, old job ids."""

from __future__ import annotations

import json
from dataclasses import replace

import pandas as pd
import pytest

import shipkit as sk
from shipkit.carriers.sandbox.backend import SERVICES
from shipkit.cli import main
from shipkit.errors import InputError, MappingError
from shipkit.models import LabelFormat
from shipkit.services import Limits, ServiceEntry, ServiceList

SHOP = {
    "name": "Dana Ortiz",
    "company": "Harbor Goods",
    "address_line1": "300 Alamo Plaza",
    "city": "San Antonio",
    "state": "TX",
    "postal_code": "78205",
    "country": "US",
    "phone": "2105550100",
}
OLD = [
    "UPS Ground",
    "2nd Day Air",
    "03",
    "ground",
    "Next Day Air Saver",
    "3 Day Select",
    "SurePost",
]
"""Services as files of the first release had them, which knew no other way."""
QUALIFIED = [
    "ups:ground",
    "UPS:2nd Day Air",
    "ups:03",
    "sandbox:ground",
    "ups:next_day_air_saver",
    "UPS: 3 day select",
    "ups:ground_saver",
]
CODES = ["ground", "2nd_day_air", "ground", "ground", "next_day_air_saver", "3_day_select"]
CODES += ["ground_saver"]


def orders(services: list[str]) -> list[dict[str, str]]:
    return [
        {
            "order_id": f"J-{n}",
            "name": f"Person {n}",
            "address_line1": f"{n + 1} Main Street",
            "city": "New York",
            "state": "NY",
            "zip": "10001",
            "weight_lb": str(n + 1),
            "service": service,
        }
        for n, service in enumerate(services)
    ]


def session(tmp_path, services, **options) -> sk.BatchSession:
    return sk.BatchSession(
        orders(services), shipper=SHOP, home=tmp_path, **{"carrier": "sandbox", **options}
    )


# -- the plan holds the bare code ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "job_id"),
    [
        (None, "job-se0f0n76fnjx"),
        ("monday", "job-c4p53p33pdyz"),
    ],  # made by shipkit 0.1.0 of the same orders
)
@pytest.mark.parametrize("services", [OLD, CODES, QUALIFIED], ids=["old", "codes", "qualified"])
def test_the_same_orders_are_the_same_job_as_before(tmp_path, services, name, job_id):
    with session(tmp_path, services, name=name) as batch:
        assert batch.preview()["service"].tolist() == CODES
        batch.approve()
        assert batch.execute().job_id == job_id


def test_old_names_of_services_still_are_services(tmp_path):
    with session(tmp_path, [""] * 2) as batch:
        batch.map(service=sk.ServiceLevel.SECOND_DAY_AIR)
        assert batch.preview()["service"].tolist() == ["2nd_day_air"] * 2
        batch.edit("row_number = 1", service=sk.ServiceLevel.GROUND)
        assert batch.preview()["service"].tolist() == ["ground", "2nd_day_air"]


# -- one wording -----------------------------------------------------------------------------------

UNKNOWN = {
    "Second Class": '"Second Class" is not a known service',
    "usps:ground_advantage": (
        '"usps:ground_advantage" is a service of usps, and this batch ships with sandbox'
    ),
    "cheapest of ground, drone": ('"drone" in "cheapest of ground, drone" is not a known service'),
    "cheapest soon": '"cheapest soon" is not a known service',
}


@pytest.mark.parametrize("text", UNKNOWN)
def test_an_unknown_service_is_the_same_problem_wherever_it_is_written(tmp_path, text, capsys):
    known = SERVICES.of_shipper("US").known
    with session(tmp_path, [text, "ground"]) as batch:
        [problem] = batch.problems.to_dict("records")
        assert problem["problem"] == UNKNOWN[text]
        assert problem["fix"].endswith(known)
        assert (problem["code"], problem["row_number"]) == ("service_unknown", 1)
        assert batch.preview()["cost_cents"].notna().tolist() == [False, True]
        with pytest.raises(InputError) as caught:
            batch.edit("row_number = 1", service=text)
        assert (caught.value.message, caught.value.fix) == (f"{UNKNOWN[text]}.", known)
        batch.map(service=text)
        with pytest.raises(MappingError) as caught:
            batch.preview()
        assert (caught.value.message, caught.value.fix) == (f"{UNKNOWN[text]}.", known)
    if "usps" not in text:  # a rate card belongs to no batch
        with pytest.raises(InputError) as caught:
            sk.rate(orders(["ground"]), sk.RateCard.synthetic(), origin="78205", service=text)
        assert caught.value.message == f"{UNKNOWN[text]}."
    file = tmp_path / "orders.csv"
    pd.DataFrame(orders(["ground"])).to_csv(file, index=False)
    shop = tmp_path / "shop.json"
    shop.write_text(json.dumps(SHOP))
    arguments = ["preview", str(file), "--shipper", str(shop), "--home", str(tmp_path)]
    assert main([*arguments, "--service", text]) == 1
    assert UNKNOWN[text] in " ".join(capsys.readouterr().err.split())


RULES = {
    "cheapest": "ground_saver",
    "fastest": "next_day_air_early",
    "cheapest of ground, 2nd Day Air": "ground",
    "cheapest of 2nd_day_air, ups:Next Day Air": "2nd_day_air",
    "fastest of ground, ground_saver": "ground",
    "cheapest of next_day_air, 2nd_day_air within 1 day": "next_day_air",
    "cheapest within 1 day of next_day_air, 2nd_day_air": "next_day_air",
}


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_chooses_the_same_service_wherever_it_is_written(tmp_path, rule):
    with session(tmp_path, [rule, "standard"]) as batch:
        from_column = batch.preview()["service"][0]
        batch.edit("row_number = 2", service=rule)
        from_edit = batch.preview()["service"][1]
        batch.unskip()
        batch.map(service=rule)
        from_map = batch.preview()["service"][0]
    rated = sk.rate(orders(["ground"]), sk.RateCard.synthetic(), origin="78205", service=rule)
    assert {from_column, from_map, rated["service"][0]} == {from_edit}
    assert from_column == RULES[rule] or rule in ("cheapest", "fastest")


def test_a_rule_whose_choice_has_no_price_is_a_problem_of_its_row(tmp_path):
    with session(tmp_path, ["cheapest of standard, worldwide_saver", "ground"]) as batch:
        [problem] = batch.problems.to_dict("records")
        assert problem["code"] == "no_service_fits"
        assert "cheapest of standard, worldwide_saver" in problem["problem"]


# -- limits are the carrier's ----------------------------------------------------------------------


def other(tmp_path, **limits: float) -> sk.SandboxCarrier:
    """The sandbox as a carrier with two services and limits of its own."""
    carrier = sk.SandboxCarrier(home=tmp_path)
    carrier.services = ServiceList(
        "sandbox",
        (
            ServiceEntry("sandbox", "ground", "Ground", wire={"sandbox": "03"}),
            ServiceEntry("sandbox", "standard", "Standard", limits=Limits(weight_lb=2)),
        ),
        title="Acme",
        limits=Limits(**limits),
    )
    return carrier


def test_the_limits_of_a_carrier_and_of_one_service_are_checked_before_it_is_asked(tmp_path):
    with session(
        tmp_path, ["ground"] * 7 + ["standard"] * 3, carrier=other(tmp_path, weight_lb=6)
    ) as batch:
        found = batch.problems.to_dict("records")
    assert [(p["row_number"], p["code"]) for p in found] == [
        (7, "weight_over_limit"),
        (8, "weight_over_limit"),
        (8, "weight_over_limit"),
        (9, "weight_over_limit"),
        (9, "weight_over_limit"),
        (10, "weight_over_limit"),
        (10, "weight_over_limit"),
    ]
    texts = {p["problem"] for p in found if p["row_number"] in (7, 8)}
    assert texts == {
        "Acme accepts at most 6 lb per parcel, not 7.0 lb",
        "Acme accepts at most 6 lb per parcel, not 8.0 lb",
        "Acme Standard accepts at most 2 lb per parcel, not 8.0 lb",
    }


@pytest.mark.parametrize(
    ("limits", "change", "code"),
    [
        ({"address_line": 12}, {"address_line1": "1 Main Street"}, None),  # split at a word
        ({"address_line": 5}, {"address_line1": "1 Avenue"}, "address_line1_too_long"),
        ({"name": 5}, {"name": "Person"}, "name_too_long"),
        ({"city": 5}, {"city": "New York"}, "city_too_long"),
        ({"longest_side_in": 5}, {"length_in": "6"}, "length_over_limit"),
        ({"length_and_girth_in": 20}, {"length_in": "6"}, "girth_over_limit"),
    ],
)
def test_every_limit_is_that_of_the_carrier(tmp_path, limits, change, code):
    row = {**orders(["ground"])[0], "length_in": "4", "width_in": "4", "height_in": "4", **change}
    carrier = other(tmp_path, **limits)
    with sk.BatchSession([row], shipper=SHOP, home=tmp_path, carrier=carrier) as batch:
        errors = batch.problems.query("severity == 'error'")
        assert errors["code"].tolist() == ([] if code is None else [code])
    wide = sk.SandboxCarrier(home=tmp_path)
    wide.services = replace(wide.services, limits=Limits())
    with sk.BatchSession([row], shipper=SHOP, home=tmp_path, carrier=wide) as batch:
        assert batch.problems.query("severity == 'error'").empty


def test_parcels_over_the_limit_are_a_problem_and_not_a_traceback(tmp_path):
    rows = [{**orders(["ground"])[0], "weight_lb": "90"}]
    carrier = other(tmp_path, parcels=2)
    with sk.BatchSession(rows, shipper=SHOP, home=tmp_path, carrier=carrier) as batch:
        batch.map(parcels="max 40 lb")
        [problem] = batch.problems.query("severity == 'error'").to_dict("records")
        assert problem["problem"] == "Acme accepts at most 2 parcels per shipment, not 3"


# -- what a session refuses ------------------------------------------------------------------------


@pytest.mark.parametrize("carrier", [42, "pigeons", sk.SandboxCarrier, object()])
def test_a_wrong_carrier_is_refused_when_the_session_is_made(tmp_path, carrier):
    with pytest.raises(InputError, match="carrier"):
        sk.BatchSession(orders(["ground"]), shipper=SHOP, home=tmp_path, carrier=carrier)


def test_a_label_format_that_the_carrier_does_not_deliver_is_refused_before_prices(tmp_path):
    carrier = sk.SandboxCarrier(home=tmp_path)
    carrier.capabilities = replace(carrier.capabilities, label_formats=frozenset({LabelFormat.ZPL}))
    with (
        session(tmp_path, ["ground"], carrier=carrier) as batch,
        pytest.raises(InputError, match="does not deliver PDF labels"),
    ):
        batch.preview()
