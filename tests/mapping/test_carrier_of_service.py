"""A column of carriers next to a column of services: whose service it is."""

from __future__ import annotations

import pandas as pd
import pytest
from pydantic import SecretStr

import shipkit as sk
from shipkit.carriers.easypost.catalog import SERVICES as EASYPOST
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


@pytest.mark.parametrize(
    ("cell", "service"),
    [
        ("FedEx Ground", "fedex:ground"),
        ("FEDEX_GROUND", "fedex:ground"),
        ("FedEx™", "fedex:ground"),
        ("FedEx Corporation", "fedex:ground"),
        ("Fedex.", "fedex:ground"),
        ("FedEx Home Delivery", None),
        ("FedEx SmartPost", None),
        ("FedEx Freight", None),
        ("USPS Priority", None),
        ("usps.com", None),
        ("stamps_com", None),
        ("UPS Collect", None),
        ("The UPS", "ups:ground"),
        ("UPS (ShipStation)", "ups:ground"),
        ("UPS Ground", "ups:ground"),
    ],
)
def test_a_cell_with_a_carriers_name_is_that_carriers(planned, cell, service):
    source = rows((cell, "Ground"), ("UPS", "Ground"))
    assert planned(source, easypost)[0] == [service, "ups:ground"]
    services, problems = planned(source, ups)
    own = service == "ups:ground"
    assert services == ["ground" if own else None, "ground"]
    assert problems["row_number"].tolist() == ([] if own else [1])


@pytest.mark.parametrize("cell", ["LTL", "Bob's Vans", "UPS or FedEx", "Express", "7"])
def test_a_cell_that_names_no_known_carrier_holds_its_row(planned, cell):
    _, problems = planned(rows(("UPS", "Ground"), (cell, "Ground")), ups)
    [held] = problems.to_dict("records")
    assert (held["row_number"], held["value"], held["severity"]) == (2, cell, "error")
    assert held["problem"] == 'the column "Carrier" does not name one carrier that is known'


@pytest.mark.parametrize(
    "cell",
    [
        "Standard",
        "Free shipping",
        "Flat Rate",
        "Best",
        "Best Way",
        "Any",
        "Ground",
        "N/A",
        "-",
        "0",
    ],
)
def test_a_cell_that_names_no_carrier_asks_for_none(planned, cell):
    services, problems = planned(rows((cell, "Ground"), ("UPS", "2nd Day")), ups)
    assert services == ["ground", "2nd_day_air"]
    assert problems.empty


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


def test_two_columns_of_carriers_are_used_where_they_agree(planned):
    cells = [("FedEx", "FEDEX_GROUND"), ("UPS", "n/a"), ("", "UPS"), ("UPS", "FedEx"), ("x", "UPS")]
    source = [
        {**row, "Courier": second}
        for row, (_, second) in zip(
            rows(*((first, "Ground") for first, _ in cells)), cells, strict=True
        )
    ]
    services, problems = planned(source, easypost)
    assert services[:3] == ["fedex:ground", "ups:ground", "ups:ground"]
    held = problems[problems["code"] == "column_not_understood"]
    assert [*zip(held["row_number"], held["value"], held["severity"], strict=True)] == [
        (4, "FedEx", "error"),
        (5, "x", "error"),
    ]
    assert held["problem"].iloc[0] == '"Courier" names another carrier than "Carrier"'


@pytest.mark.parametrize("heading", ["Ship Via Carrier", "Ship By", "Shipped by"])
def test_more_headings_of_a_carrier(planned, heading):
    assert planned(rows(("FedEx", "Ground"), heading=heading), easypost)[0] == ["fedex:ground"]
    services, problems = planned(rows(("FedEx", "Ground"), heading=heading), ups)
    assert services == [None]
    assert problems["severity"].tolist() == ["error"]


@pytest.mark.parametrize("cell", ["2026-12-24", "Maria"])
def test_ship_by_may_be_a_day_or_a_person(planned, cell):
    services, problems = planned(rows((cell, "Ground"), heading="Ship By"), ups)
    assert services == ["ground"]
    assert problems.empty


@pytest.mark.parametrize("heading", ["Delivery Company", "Shipping Company"])
def test_a_company_that_is_a_carriers_name_is_asked_about(planned, heading):
    source = rows(("FedEx", "Ground"), ("The UPS Store", "Ground"), heading=heading)
    services, problems = planned(source, ups)
    assert services == ["ground", "ground"]
    assert problems["row_number"].tolist() == [1]
    assert problems["severity"].tolist() == ["error"]
    assert planned(source, ups, columns={"company": heading})[1].empty


def test_columns_of_one_letter_are_not_mixed_up(planned):
    letters = dict.fromkeys("CDEKMNOPST", "x")
    services, _ = planned(rows(("FedEx Ground", "Ground"), **letters), easypost)
    assert services == ["fedex:ground"]


@pytest.mark.parametrize("cell", ["La Poste", "LA POSTE"])
def test_letters_of_other_alphabets_are_kept(cell):
    assert of_carrier("La Poste Économie", cell) == "laposte:Économie"


@pytest.mark.parametrize(
    ("carrier", "service", "code"),
    [
        ("DHL", "Express Worldwide", "dhlexpress:express_worldwide"),
        ("DHL Express", "Worldwide", "dhlexpress:express_worldwide"),
        ("UPS", "2nd Day", "ups:2nd_day_air"),
        ("UPS", "Next Day", "ups:next_day_air"),
        ("USPS", "Priority Express", "usps:express"),
        ("FedEx", "Express Worldwide", None),
        ("DHL", "Ground", None),
    ],
)
def test_easypost_knows_the_names_that_the_carriers_have(carrier, service, code):
    named = of_carrier(service, carrier)
    assert EASYPOST.parse(named) == code
    assert JointServices.of({"easypost": EASYPOST}).parse(named) == (code and f"easypost:{code}")


def test_a_rule_of_dhl_chooses_among_dhl_express():
    rule = EASYPOST.rule(of_carrier("cheapest", "DHL"))
    assert {code.partition(":")[0] for code in rule.of} == {"dhlexpress"}


@pytest.mark.parametrize("heading", ["Service", None])
def test_a_default_service_is_that_of_the_carrier_next_to_it(heading):
    cells = rows(("FedEx", None), ("UPS", None), ("FedEx", "Ground"))
    if heading is None:
        cells = [{name: cell for name, cell in row.items() if name != "Service"} for row in cells]
    with sk.BatchSession(cells, shipper=SHOP) as session:
        frame = session.map(defaults={"service": "ground"}).preview()
        held = session.problems[session.problems["severity"] == "error"]
        again = session.map(session.template).preview()
    assert list(frame["service"].fillna("")) == ["", "ground", ""]
    assert list(held["row_number"]) == [1, 3]
    assert list(again["service"].fillna("")) == ["", "ground", ""]


def test_a_pair_of_cells_is_read_once_and_each_row_has_its_own():
    pairs = [("FedEx", "Ground"), ("UPS", "Ground"), (None, "Ground"), ("UPS", None), (None, None)]
    means = ["fedex:Ground", "ups:Ground", "Ground", None, None]
    with sk.BatchSession(rows(*pairs * 700), shipper=SHOP, carrier=easypost()) as session:
        mapped = session._planner.mapped()
        assert len(session._planner.con.sql(f"FROM {mapped.relation.sql}")) == 3500
        query = f"SELECT service FROM {mapped.relation.sql} ORDER BY row_number"
        assert [row[0] for row in session._planner.con.sql(query).fetchall()] == means * 700
        assert (
            "SELECT DISTINCT"
            in session._planner.con.sql(
                "SELECT string_agg(sql, '') FROM duckdb_views() WHERE view_name = 'mapped'"
            ).fetchall()[0][0]
        )
