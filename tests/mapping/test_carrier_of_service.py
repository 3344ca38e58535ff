"""A column of carriers next to a column of services: whose service it is."""

from __future__ import annotations

import pandas as pd
import pytest
from pydantic import SecretStr

import shipkit as sk
from shipkit.carriers.joint_services import JointServices
from shipkit.carriers.ups.service_level import SERVICES as UPS
from shipkit.carriers.usps.mail_classes import SERVICES as USPS
from shipkit.carriers.usps.usps_client import Payer
from shipkit.orders.filters.carrier_filters import of_carrier

SHOP = sk.Address(
    name="Dana Ortiz",
    address_line1="300 Alamo Plaza",
    city="San Antonio",
    state="TX",
    postal_code="78205",
)


def rows(*pairs, heading="Carrier", **columns):
    return [
        {
            "Order ID": f"A-{n}",
            "Name": "Ada Lee",
            "Address": f"{n} Oak St",
            "City": "Austin",
            "State": "TX",
            "Zip": "78701",
            "Weight (lb)": 2,
            heading: carrier,
            "Service": service,
            **columns,
        }
        for n, (carrier, service) in enumerate(pairs, 1)
    ]


def ups():
    return sk.UPS("client", SecretStr("secret"), "A1B2C3")


def usps():
    return sk.USPS(
        "client", SecretStr("secret"), Payer("1000012345", "1", "903456789", "903456789")
    )


def easypost():
    return sk.EasyPost(SecretStr("EZTK_key"))


def both():
    return {"usps": usps(), "ups": ups()}


@pytest.fixture
def planned(tmp_path):
    """Return the service of each order, and the problems; no carrier is asked for them."""

    def plan(source, accounts, **mapping):
        made = accounts()
        given = {"carriers": made} if isinstance(made, dict) else {"carrier": made}
        with sk.BatchSession(source, shipper=SHOP, home=tmp_path, **given) as session:
            session.map(**mapping)
            services, template = _services(session), session.template
            problems = session.problems
            session.map(template, service=mapping.get("service"))
            assert _services(session) == services, "the template is equivalent"
            return services, problems

    return plan


def _services(session):
    return [None if pd.isna(each) else each for each in session.mapped()["service"]]


@pytest.mark.parametrize(
    ("offered", "pairs", "expected"),
    [
        (
            easypost,
            [("UPS", "Ground"), ("FedEx", "Ground"), ("USPS", "Priority"), ("usps", "First Class")],
            ["ups:ground", "fedex:ground", "usps:priority", "usps:first"],
        ),
        (
            easypost,
            [
                ("Canada Post", "Priority"),
                ("UPS®", "UPS® Ground"),
                ("Federal Express", "FedEx 2Day"),
            ],
            ["canadapost:priority", "ups:ground", "fedex:2_day"],
        ),
        (both, [("UPS", "Ground"), ("USPS", "Priority Mail")], ["ground", "priority"]),
        (both, [("FedEx", "Ground"), ("USPS", "UPS Ground"), ("DHL", "Express")], [None] * 3),
        (both, [("", "Ground"), (None, "usps:priority")], ["ground", "priority"]),
        (ups, [("UPS", "03"), ("United Parcel Service", "2nd Day Air")], ["ground", "2nd_day_air"]),
        (ups, [("FedEx", "Ground"), ("USPS", "Standard")], [None, None]),
    ],
)
def test_a_service_is_that_of_the_carrier_next_to_it(planned, offered, pairs, expected):
    services, problems = planned(rows(*pairs), offered)
    assert services == expected
    unknown = problems[problems["code"] == "service_unknown"]["row_number"].tolist()
    assert unknown == [n for n, each in enumerate(expected, 1) if each is None]
    assert not (problems["code"] == "column_not_understood").any()


def test_a_carrier_that_is_not_sold_says_so_and_can_be_translated(planned):
    source = rows(("FedEx", "Ground"), ("UPS", "Ground"))
    services, problems = planned(source, ups)
    assert services == [None, "ground"]
    [said] = problems[problems["code"] == "service_unknown"]["problem"]
    assert said == '"fedex:Ground" is a service of fedex, and this batch ships with ups'
    assert planned(source, ups, services={"fedex:Ground": "2nd_day_air"})[0] == [
        "2nd_day_air",
        "ground",
    ]
    assert planned(source, ups, services={"Ground": "2nd_day_air"})[0] == ["2nd_day_air"] * 2


@pytest.mark.parametrize(
    "heading", ["Courier", "Shipping Carrier", "Carrier Code", "Versanddienst"]
)
def test_other_headings_of_a_carrier(planned, heading):
    services, _ = planned(rows(("FedEx", "Ground"), heading=heading), easypost)
    assert services == ["fedex:ground"]


def test_a_carrier_that_is_no_carrier_is_a_warning_as_before(planned):
    services, problems = planned(rows(("Bob's Vans", "Ground"), ("UPS", "Ground")), ups)
    assert services == ["ground", "ground"]
    [note] = problems[problems["code"] == "column_not_understood"].to_dict("records")
    assert (note["row_number"], note["value"], note["severity"]) == (1, "Bob's Vans", "warning")


def test_one_service_for_all_rows_is_for_all_rows(planned):
    services, problems = planned(rows(("FedEx", "Ground")), ups, service="2nd_day_air")
    assert services == ["2nd_day_air"]
    assert problems.empty


@pytest.mark.parametrize(
    ("rule", "carrier", "chosen"),
    [("cheapest within 3 days", "USPS", {"usps"}), ("Fastest", "United Parcel Service", {"ups"})],
)
def test_a_rule_chooses_among_the_carriers_own_services(rule, carrier, chosen):
    offered = JointServices.of({"usps": USPS, "ups": UPS})
    found = offered.rule(of_carrier(rule, carrier))
    assert {code.partition(":")[0] for code in found.of} == chosen


def test_two_columns_of_carriers_are_used_for_nothing_and_said(planned):
    source = rows(("UPS", "Ground"), **{"Carrier Code": "fedex"})
    services, problems = planned(source, ups)
    assert services == ["ground"]
    assert set(problems["code"]) == {"column_not_understood"}
