"""PO boxes, military addresses and islands: the row waits where its service does not go."""

from __future__ import annotations

import re

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pytest

import shipkit as sk
from shipkit.carriers import registry
from shipkit.carriers.ups.service_level import SERVICES
from shipkit.models import Address
from shipkit.orders.delivery_places import may_name_a_box
from shipkit.orders.heading_words import word_file
from shipkit.orders.validate import check, places_of
from shipkit.plan import sold_offers
from shipkit.schema import SHIPMENTS
from shipkit.services import ServiceList

GOOD = {
    "row_number": 1,
    "row_numbers": [1],
    "name": "Ada Lee",
    "phone": "2125550142",
    "address_line1": "12 Main St",
    "city": "Boston",
    "state": "MA",
    "postal_code": "02134",
    "country": "US",
    "service": "ground",
    "parcels": [{"weight_lb": 2.0}],
    "references": [],
    "signature": "none",
    "saturday_delivery": False,
    "is_return": False,
    "currency": "USD",
}
ITEM = {"description": "Doll", "quantity": 1, "unit_value_cents": 410, "origin_country": "CN"}
CUSTOMS = {"reason": "sale", "duties_payer": "receiver", "items": [ITEM]}
ABROAD = {"service": "worldwide_saver", "customs": CUSTOMS, "state": None, "phone": "+493012345678"}


def codes(shop, *changes, services=SERVICES):
    rows = [{**GOOD, "row_number": n, **change} for n, change in enumerate(changes)]
    table = pa.Table.from_pylist(rows, schema=SHIPMENTS)
    found = check(duckdb.connect(), table, shop, services).to_pylist()
    return sorted((p["row_number"], p["code"], p["severity"]) for p in found)


@pytest.fixture
def shop():
    return Address(
        name="Dana",
        address_line1="300 Alamo Plaza",
        city="San Antonio",
        state="TX",
        postal_code="78205",
        phone="2105550100",
    )


BOXES = [
    ("US", "PO Box 77"),
    ("US", "P.O. Box 12"),
    ("US", "p o box 9"),
    ("US", "P. O. BOX 1234"),
    ("US", "POBox 55"),
    ("US", "PO BX 5"),
    ("US", "P.O.B. 81"),
    ("US", "POB #4"),
    ("US", "Post Office Box 3, Suite 2"),
    ("US", "Post Box No. 17"),
    ("US", "PO Drawer 12"),
    ("US", "211 PO Box"),
    ("US", "Box 77"),
    ("US", "General Delivery"),
    ("CA", "C.P. 120 Succ. Centre-ville"),
    ("AU", "GPO Box 2890"),
    ("AU", "Locked Bag 1797"),
    ("NZ", "Private Bag 92019"),
    ("DE", "Postfach 10 20 30"),
    ("DE", "Postfach"),
    ("DE", "Packstation 145"),
    ("DE", "Pf. 1203"),
    ("CH", "Case postale 12"),
    ("FR", "BP 45"),
    ("FR", "B.P. 45"),
    ("FR", "Boîte postale 7"),
    ("FR", "BOITE POSTALE N° 7"),
    ("IT", "Casella Postale 12"),
    ("ES", "Apartado de Correos 100"),
    ("ES", "Apdo. 100"),
    ("MX", "Apartado Postal 8-100"),
    ("AR", "Casilla de Correo 23"),
    ("CL", "Casilla 23"),
    ("BR", "Caixa Postal 1001"),
    ("NL", "Postbus 123"),
    ("NO", "Postboks 11 Sentrum"),
    ("SE", "Box 123"),
    ("FI", "PL 55"),
    ("PL", "Skrytka pocztowa 12"),
    ("CZ", "Poštovní přihrádka 9"),
    ("HU", "Pf. 12"),
    ("TR", "P.K. 34"),
    ("GR", "Τ.Θ. 1234"),
    ("IL", "ת.ד. 123"),
    ("ZA", "Privaatsak X12"),
    ("JP", "私書箱 12号"),
    ("RU", "а/я 45"),
]


def in_a_box(country, line):
    """The changes of a row that goes to a box of its country."""
    places = {
        "US": ("MA", "02134"),
        "CA": ("QC", "H3B 2Y7"),
        "AU": ("NSW", "2000"),
    }
    state, code = places.get(country, (None, None))
    row = {"country": country, "address_line1": line}
    if country == "US":
        return row
    return {**ABROAD, **row, "state": state, "postal_code": code, "phone": None}


def test_a_box_waits_unless_the_service_goes_there(shop):
    found = codes(shop, *(in_a_box(*box) for box in BOXES), {})
    waits = {n for n, code, severity in found if (code, severity) == ("po_box_not_served", "error")}
    assert [box for n, box in enumerate(BOXES) if n not in waits] == []
    assert [code for n, code, _ in found if n == len(BOXES)] == [], "a street"


@pytest.mark.parametrize(
    "change",
    [
        {"address_line1": "8 Box Street", "address_line2": "Unit A"},
        {"address_line1": "12 Box Hill Rd"},
        {"address_line1": "5 Boxwood Lane"},
        {"address_line1": "21 Caller Street"},
        {"address_line1": "235 BOX Road"},
        {"address_line1": "5424 West Box R Street"},
        {"address_line1": "117 Cmr Trail"},
        {"address_line1": "9 Post Office Road"},
        {"address_line1": "14 Drawer Lane", "address_line2": "Apt 3"},
        {"address_line1": "400 Main St", "address_line2": "PMB 45"},
        {"address_line1": "400 Main St", "address_line2": "Box 12"},
        {"address_line1": "RR 2 Box 15"},
        {"address_line1": "HC 1 Box 20"},
        {**ABROAD, "country": "DE", "address_line1": "Postfachstraße 5", "postal_code": "10115"},
        {**ABROAD, "country": "DE", "address_line1": "Bag-Straße 5", "postal_code": "10115"},
        {**ABROAD, "country": "MX", "address_line1": "Calle 5 CP 06600", "postal_code": "06600"},
        {**ABROAD, "country": "ES", "address_line1": "Calle Apartadero 5", "postal_code": "28001"},
        {**ABROAD, "country": "BE", "address_line1": "Kerkstraat 5 bus 3", "postal_code": "1000"},
    ],
    ids=lambda change: change["address_line1"],
)
def test_a_street_is_not_a_box(shop, change):
    assert codes(shop, change) == []


def test_ground_saver_goes_to_boxes_and_military_addresses(shop):
    saver = {"service": "ground_saver"}
    apo = {"address_line1": "PSC 3 Box 12", "city": "APO", "state": "AE", "postal_code": "09021"}
    assert codes(shop, {**saver, "address_line1": "PO Box 77"}, {**saver, **apo}) == []


def test_a_box_next_to_a_street_is_a_warning(shop):
    both = {"address_line1": "12 Main St", "address_line2": "PO Box 77"}
    assert codes(shop, both, {"address_line1": "PO Box 77, 12 Main St"}) == [
        (0, "po_box_kept", "warning"),
        (1, "po_box_kept", "warning"),
    ]


def test_where_boxes_are_the_usual_addresses_a_phone_is_enough(shop):
    box = {**ABROAD, "country": "AE", "address_line1": "P.O. Box 1234", "postal_code": None}
    assert codes(shop, box, {**box, "phone": None}) == [
        (0, "po_box_kept", "warning"),
        (1, "phone_missing", "warning"),
        (1, "po_box_not_served", "error"),
    ]


@pytest.mark.parametrize(
    "change",
    [
        {"address_line1": "PSC 3 Box 12", "city": "APO", "state": "AE", "postal_code": "09021"},
        {
            "address_line1": "Unit 2050 Box 4190",
            "city": "FPO",
            "state": "AP",
            "postal_code": "96278",
        },
        {"address_line1": "Unit 3050", "city": "Dpo, AA", "state": "AA", "postal_code": "34002"},
        {
            "address_line1": "CMR 402, Box 19",
            "city": "A.P.O.",
            "state": "AE",
            "postal_code": "09180",
        },
        {**ABROAD, "country": "DE", "address_line1": "CMR 402 Box 19", "postal_code": "66849"},
        {**ABROAD, "country": "GB", "address_line1": "1 Depot", "postal_code": "BFPO 58"},
    ],
    ids=lambda change: change["address_line1"],
)
def test_military_addresses_wait(shop, change):
    assert codes(shop, change) == [(0, "military_not_served", "error")]


@pytest.mark.parametrize(
    ("state", "country", "code"),
    [
        ("GU", "US", "96910"),
        (None, "GU", "96910"),
        ("VI", "US", "00802"),
        (None, "VI", "00802"),
        ("AS", "US", "96799"),
        ("MP", "US", "96950"),
        ("FM", "US", "96941"),
        ("MH", "US", "96960"),
        ("PW", "US", "96940"),
    ],
)
def test_islands_wait_for_an_international_service(shop, state, country, code):
    there = {"state": state, "country": country, "postal_code": code}
    abroad = {**there, "service": "worldwide_saver"}
    assert codes(shop, there, abroad) == [(0, "outlying_not_served", "error")]


def test_puerto_rico_is_domestic(shop):
    assert codes(shop, {"state": "PR", "postal_code": "00901"}) == []


def test_the_sandbox_goes_where_ups_goes():
    sandbox = registry.plugin("sandbox").services
    assert {e.code: e.not_to for e in sandbox} == {e.code: e.not_to for e in SERVICES}


def test_an_unknown_kind_of_place_is_refused(tmp_path):
    file = tmp_path / "services.toml"
    file.write_text('carrier = "pony"\nnot_to = ["moon"]\n')
    with pytest.raises(ValueError, match="unknown kind of place 'moon'; known: po_box, military"):
        ServiceList.from_toml(file)


@pytest.mark.parametrize("rule", ["cheapest", "fastest"])
def test_a_rule_chooses_among_the_services_that_go_there(shop, rule):
    changes = (
        {"address_line1": "PO Box 77", "service": rule},
        {"address_line1": "1 Main St", "service": rule},
        {"address_line1": "PSC 3 Box 12", "city": "APO", "state": "AE", "service": rule},
    )
    rows = [{**GOOD, "row_number": n, **change} for n, change in enumerate(changes)]
    table = pa.Table.from_pylist(rows, schema=SHIPMENTS)
    kinds = places_of(duckdb.connect(), table, shop)
    assert kinds == {0: ["po_box"], 2: ["military"]}
    closed = sold_offers._closed(table, SERVICES, kinds)
    assert {*closed} == {0, 2}
    offers = pa.table(
        {
            "row": [row for row in (0, 1, 2) for _ in range(2)],
            "service": ["ground", "ground_saver"] * 3,
        }
    )
    left = sold_offers._without_closed(offers, closed).to_pylist()
    assert [(each["row"], each["service"]) for each in left] == [
        (0, "ground_saver"),
        (1, "ground"),
        (1, "ground_saver"),
        (2, "ground_saver"),
    ]
    only = offers.filter(pc.equal(offers.column("service"), "ground"))
    assert sold_offers._without_closed(only, closed).num_rows == 3, "validation says why it waits"


def test_a_box_that_no_service_goes_to_waits_with_the_reason_of_the_place(tmp_path, shop):
    row = {"Order": "A1", "Name": "Cy Doe", "Address": "PO Box 77", "City": "Boston"}
    row |= {"State": "MA", "Zip": "02134", "Weight (lb)": 1}
    with sk.BatchSession(shipper=shop, home=tmp_path) as session:
        session.load([row]).map(service="cheapest").preview()
        assert session.problems["code"].tolist() == ["po_box_not_served"]


def test_every_box_that_the_patterns_find_is_looked_for():
    """What is quick to see of a small table leaves out no box, however it is spelled."""
    words = word_file("boxes")
    named = [(word, "US") for word in (*words["named"], *words["numbered"], "box")]
    named += [(word, places[0]) for word, places in words["numbered_in"].items()]
    spellings = (
        lambda word: f"{word} 12",
        lambda word: f"{word.upper()} 12",
        lambda word: ". ".join(word.split()) + ". 12",
        lambda word: "\n".join(re.split(r"[\s.]+", word)) + " 12",
    )
    texts = [(spell(word), country) for word, country in named for spell in spellings]
    assert [text for text in texts if not may_name_a_box([None, text[0]], [text[1]])] == []
    assert not may_name_a_box(["12 Main St", "Apt 4", None], ["US", "DE"])
