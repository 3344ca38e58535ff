"""Where parcels leave from: columns, warehouses and their names; never a place that was guessed."""

from __future__ import annotations

import pytest
from stagekit import relations

from shipkit.carriers.ups.service_level import SERVICES
from shipkit.models import Address
from shipkit.orders import mapping
from shipkit.orders.mapping import map_rows
from shipkit.orders.normalize import normalize
from shipkit.orders.origin_headings import origin_field

ORDER = {
    "Order ID": "A1",
    "Name": "Ada Lovelace",
    "Address 1": "12 Main St",
    "City": "Boston",
    "State": "MA",
    "Zip": "02134",
    "Weight (oz)": "24",
    "Service": "Ground",
}
SHOP = Address(
    name="Ann Poe",
    company="Shop",
    address_line1="1 Alamo Plaza",
    city="San Antonio",
    state="TX",
    postal_code="78205",
    phone="2105550100",
)
NEWARK = Address(
    company="Shop East",
    address_line1="9 Dock Rd",
    city="Newark",
    state="NJ",
    postal_code="07102",
    phone="9735550100",
)
PLACES = {"home": SHOP, "Newark": NEWARK}
RENO = {
    "Ship From Address 1": "1 Elm St",
    "Ship From City": "Reno",
    "Ship From State": "Nevada",
    "Ship From ZIP": "89501",
}


def read(orders, rows, template=None, **spec):
    con, columns = orders(rows)
    spec = mapping.MappingSpec(template=template, offered=SERVICES, warehouses=PLACES, **spec)
    mapped = map_rows(con, columns, spec, SHOP, *relations(con))
    table, problems, _ = normalize(con, mapped)
    errors = [each for each in problems.to_pylist() if each["severity"] == "error"]
    return mapped, table.column("ship_from").to_pylist(), errors


def origin(orders, cells, **spec):
    _, [place], errors = read(orders, [{**ORDER, **cells}], **spec)
    assert errors == []
    return in_short(place)


def origins(orders, heading, cells):
    """The place that each cell of one column means, in a file of these orders."""
    rows = [{**ORDER, "Order ID": f"A{n}", heading: cell} for n, cell in enumerate(cells)]
    _, places, errors = read(orders, rows)
    assert errors == []
    return dict(zip(cells, map(in_short, places), strict=True))


def in_short(place):
    return place and (place["company"] or place["name"], place["city"], place["postal_code"])


@pytest.mark.parametrize(
    ("heading", "field"),
    [
        ("Warehouse", "warehouse"),
        ("Fulfillment Center", "warehouse"),
        ("Lager", "warehouse"),
        ("Ship From", "warehouse"),
        ("Ship-From ZIP", "ship_from_postal_code"),
        ("Origin Zip Code", "ship_from_postal_code"),
        ("from_address.city", "ship_from_city"),
        ("Absender PLZ", "ship_from_postal_code"),
        ("Sender Company", "ship_from_company"),
        ("Shipper Phone", "ship_from_phone"),
        ("Ship To ZIP", None),
        ("Country of Origin", None),
        ("Origin", None),
        ("Shipper Number", None),
        ("Sender Tax Number", None),
        ("Date From", None),
        ("Pickup Address", None),
        ("Return To City", None),
    ],
)
def test_headings_of_the_origin(heading, field):
    assert origin_field(heading) == field


def test_a_warehouse_is_known_by_its_name_or_its_company(orders):
    cells = ["newark", " NEWARK ", "Shop East"]
    newark = ("Shop East", "Newark", "07102")
    assert origins(orders, "Warehouse", cells) == dict.fromkeys(cells, newark)


def test_a_known_name_means_its_place_whatever_it_is_called(orders):
    """ "standard" asks for nothing, unless a warehouse is called so."""
    con, columns = orders([{**ORDER, "Warehouse": "Standard"}, {**ORDER, "Warehouse": "Shop"}])
    named = {"standard": NEWARK, "shop": NEWARK, "other": NEWARK.model_copy(update={"city": "X"})}
    spec = mapping.MappingSpec(offered=SERVICES, warehouses=named)
    table, _, _ = normalize(con, map_rows(con, columns, spec, SHOP, *relations(con)))
    assert [place["city"] for place in table.column("ship_from").to_pylist()] == ["Newark"] * 2


def test_a_sender_who_is_the_shipper_asks_for_nothing(orders):
    assert origin(orders, {"Sender Name": "Ann Poe", "Sender Phone": "210-555-0100"}) is None


def test_the_shippers_own_place_is_no_other_origin(orders):
    cells = ["home", "", None, "no", "N/A", "Keine", "Shop"]
    assert origins(orders, "Warehouse", cells) == dict.fromkeys(cells)


@pytest.mark.parametrize(
    "cells",
    [
        {"Origin ZIP": "07102"},
        {"Origin ZIP": "7102"},  # as a spreadsheet writes it
        {"Origin ZIP": "07102-1234"},
        {"Ship From City": "newark", "Ship From State": "New Jersey"},
    ],
)
def test_a_part_that_one_known_place_has_is_that_place(orders, cells):
    assert origin(orders, cells) == ("Shop East", "Newark", "07102")


def test_a_country_that_every_place_is_in_is_no_other_origin(orders):
    assert origin(orders, {"Ship From Country": "USA"}) is None


def test_two_places_that_fit_are_a_question_and_two_names_are_two(orders):
    """Reviewed: the shipper's was taken, and of "A-1" and "A1" the one that came last."""
    cells = [(None, "TX"), ("A1", None), ("A-1", None), ("a 1", None)]
    con, columns = orders(
        [{**ORDER, "Warehouse": name, "Ship From State": state} for name, state in cells]
    )
    annex = SHOP.model_copy(update={"company": "Annex", "postal_code": "78207"})
    spec = mapping.MappingSpec(
        offered=SERVICES, warehouses={"A-1": annex, "A1": NEWARK, "home": SHOP}
    )
    table, problems, _ = normalize(con, map_rows(con, columns, spec, SHOP, *relations(con)))
    places = [place and place["company"] for place in table.column("ship_from").to_pylist()]
    assert places == [None, "Shop East", "Annex", None]
    held = [p["row_number"] for p in problems.to_pylist() if p["code"] == "origin_unclear"]
    assert held == [1, 4]


def test_an_address_of_the_row_is_taken_whole_and_the_shipper_sends(orders):
    assert origin(orders, RENO) == ("Shop", "Reno", "89501")
    blind = {**RENO, "Ship From Company": "Acme"}
    assert origin(orders, blind) == ("Acme", "Reno", "89501")


def test_another_name_alone_is_printed_at_the_shippers_address(orders):
    _, [place], _ = read(orders, [{**ORDER, "Ship From Company": "Acme"}])
    assert (place["company"], place["name"], place["address_line1"], place["phone"]) == (
        "Acme",
        None,
        "1 Alamo Plaza",
        "2105550100",
    )


def test_another_name_is_no_place_where_the_shippers_is_not_known(orders):
    """Rates are read for any shipper: the row must not be priced from a placeholder."""
    con, columns = orders([{**ORDER, "Ship From Company": "Acme"}])
    spec = mapping.MappingSpec(offered=SERVICES)
    mapped = map_rows(con, columns, spec, Address(postal_code="78205"), *relations(con))
    table, _, _ = normalize(con, mapped)
    assert table.column("ship_from").to_pylist() == [None]


@pytest.mark.parametrize(
    ("cells", "value"),
    [
        ({"Warehouse": "Mars"}, "Mars"),
        ({"Origin ZIP": "90210"}, "90210"),
        ({"Ship From Country": "DE"}, "DE"),
        ({"Sender Name": "Grandma"}, "Grandma"),
        ({"Sender Phone": "5125550100"}, "5125550100"),
        ({"Warehouse": "7"}, "7"),  # a number may be the name of one
        ({"Shipper Company": "UPS", "Sender Name": "Grandma"}, "Grandma"),
        ({"Warehouse": "Newark", "Ship From ZIP": "78205"}, "Newark"),
        ({"Warehouse": "Newark", **RENO}, "Newark"),
    ],
)
def test_a_place_that_is_not_known_or_not_certain_holds_its_row(orders, cells, value):
    _, places, [error] = read(orders, [{**ORDER, **cells}])
    assert places == [None]
    assert (error["code"], error["field"], error["value"]) == ("origin_unclear", "warehouse", value)
    assert "map(" in error["fix"]


def test_a_word_for_no_warehouse_is_none(orders):
    cells = ["0", "Unknown", "unbekannt"]
    assert origins(orders, "Warehouse", cells) == dict.fromkeys(cells)


@pytest.mark.parametrize(
    "cells",
    [
        {"Ship From Company": "UPS"},
        {"Sender Company": "DHL Express"},
        {"Sender Name": "FedEx"},
        {"Sender Company": "U.S. Postal Service"},
    ],
)
def test_a_carrier_is_not_the_sender_which_is_said_once(orders, cells):
    con, columns = orders([{**ORDER, **cells}, {**ORDER, **cells, "Order ID": "A2"}])
    spec = mapping.MappingSpec(offered=SERVICES, warehouses=PLACES)
    mapped = map_rows(con, columns, spec, SHOP, *relations(con))
    table, problems, _ = normalize(con, mapped)
    assert table.column("ship_from").to_pylist() == [None, None]
    said = [
        (each["row_number"], each["severity"], each["code"])
        for each in problems.to_pylist()
        if each["field"] == "warehouse"
    ]
    assert said == [(1, "warning", "origin_assumed")]


def test_a_company_with_the_word_of_a_carrier_sends(orders):
    companies = ["UPS Store 12", "Hermes Paris", "Post & Co", "Express Inc"]
    found = origins(orders, "Ship From Company", companies)
    assert {cell: place and place[0] for cell, place in found.items()} == dict(
        zip(companies, companies, strict=True)
    )


def test_two_columns_for_one_part_are_not_used_and_hold_their_row(orders):
    _, places, [one, two] = read(
        orders, [{**ORDER, "Ship From ZIP": "07102", "Origin ZIP": "78205"}]
    )
    assert places == [None]
    assert one["code"] == two["code"] == "column_not_understood"


@pytest.mark.parametrize(
    ("heading", "key", "places"),
    [
        ("Warehouse", "warehouse", ("Newark", "home")),
        ("Ship From ZIP", "ship_from_zip", ("07102", "78205")),
        ("Ship From ZIP", "ship_from_zip", (None, "07102")),
        ("Warehouse", "warehouse", (None, "Newark")),
    ],
)
def test_lines_of_one_order_leave_from_one_place(orders, heading, key, places):
    lines = [
        {"row_number": n, "order_row": 1, key: place} for n, place in enumerate(places, start=1)
    ]
    con, columns = orders([{**ORDER, heading: places[0]}], lines)
    con.execute("UPDATE selected SET row_numbers = [1, 2]")
    spec = mapping.MappingSpec(offered=SERVICES, warehouses=PLACES)
    problems = map_rows(con, columns, spec, SHOP, *relations(con)).problems.to_pylist()
    [error] = [each for each in problems if each["severity"] == "error"]
    assert (error["row_number"], error["field"]) == (1, "warehouse")


def test_defaults_named_columns_and_the_equivalent_template_say_the_same(orders):
    rows = [{**ORDER, "Site": ""}]
    named = {"columns": {"warehouse": "Site"}, "defaults": {"warehouse": "Newark"}}
    mapped, places, errors = read(orders, rows, **named)
    assert errors == []
    assert [place["city"] for place in places] == ["Newark"]
    _, again, _ = read(orders, rows, template=mapped.template)
    assert again == places
    whole, places, _ = read(orders, [{**ORDER, **RENO}])
    assert read(orders, [{**ORDER, **RENO}], template=whole.template)[1] == places
