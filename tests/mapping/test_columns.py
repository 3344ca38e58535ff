"""Recognised columns become shipments; what is not certain is asked."""

from __future__ import annotations

import datetime as dt
from functools import partial

import pytest
from stagekit import relations

import shipkit as sk
from shipkit.carriers.ups.service_level import SERVICES
from shipkit.errors import MappingError
from shipkit.orders import mapping
from shipkit.orders.mapping import map_rows
from shipkit.orders.normalize import normalize

MappingSpec = partial(mapping.MappingSpec, offered=SERVICES)

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


def shipments(orders, shop, rows, **spec):
    con, columns = orders(rows)
    mapped = map_rows(con, columns, MappingSpec(**spec), shop, *relations(con))
    table, problems, _ = normalize(con, mapped)
    return mapped, table.to_pylist(), problems.to_pylist()


def codes(problems):
    return [(p["code"], p["severity"], p["field"]) for p in problems]


def test_a_row_becomes_a_shipment_without_a_template(orders, shop):
    _, (row,), problems = shipments(orders, shop, [ORDER])
    assert problems == []
    assert (
        row["order_id"],
        row["name"],
        row["state"],
        row["postal_code"],
        row["country"],
        row["service"],
    ) == ("A1", "Ada Lovelace", "MA", "02134", "US", "ground")
    assert row["parcels"][0]["weight_lb"] == 1.5


@pytest.mark.parametrize(
    ("heading", "cell", "pounds"),
    [
        ("weight_lb", "2.5", 2.5),
        ("Weight (kg)", "1", 1 / 0.45359237),
        ("grams", "500", 500 / 453.59237),
        ("weight_oz", "8", 0.5),
        ("Weight", "12 oz", 0.75),
    ],
)
def test_a_weight_is_converted_by_the_unit_of_its_heading_or_cell(
    orders, shop, heading, cell, pounds
):
    row = {key: value for key, value in ORDER.items() if not key.startswith("Weight")} | {
        heading: cell
    }
    _, (made,), _ = shipments(orders, shop, [row])
    assert made["parcels"][0]["weight_lb"] == pytest.approx(pounds, rel=1e-12)


def test_a_unit_column_tells_the_unit_of_each_row_and_an_unknown_unit_is_a_problem(orders, shop):
    rows = [{**ORDER, "Weight": "1", "Weight Unit": unit} for unit in ("oz", "KG", "", "stone")]
    for row in rows:
        del row["Weight (oz)"]
    _, made, problems = shipments(orders, shop, rows)
    assert [m["parcels"][0]["weight_lb"] for m in made] == [1 / 16, 1 / 0.45359237, 1.0, None]
    assert codes(problems) == [
        ("unit_blank", "error", "parcels[0].weight_lb"),  # among ounces, 1 may be no pound
        ("weight_lb_unreadable", "error", "parcels[0].weight_lb"),
    ]
    assert problems[1]["value"] == "1 stone"


def test_a_weight_without_a_unit_is_taken_as_pounds_and_that_is_said_once(orders, shop):
    row = {**ORDER, "Weight": "2"}
    del row["Weight (oz)"]
    _, made, problems = shipments(orders, shop, [row, row])
    assert [m["parcels"][0]["weight_lb"] for m in made] == [2.0, 2.0]
    assert codes(problems) == [("weight_unit_assumed", "warning", "parcels[0].weight_lb")]
    _, made, problems = shipments(orders, shop, [row, row], columns={"weight_oz": "Weight"})
    assert [m["parcels"][0]["weight_lb"] for m in made] == [0.125, 0.125]
    assert problems == []


def test_two_columns_for_one_role_stop_every_row_and_name_the_candidates(orders, shop):
    rows = [{**ORDER, "Postal Code": "02135"}] * 2
    _, made, problems = shipments(orders, shop, rows)
    assert [m["postal_code"] for m in made] == [None, None]
    assert codes(problems) == [("column_ambiguous", "error", "ship_to.postal_code")] * 2
    assert '"Zip", "Postal Code"' in problems[0]["problem"]
    assert problems[0]["fix"] == 'Choose one: map(columns={"postal_code": "Zip"}).'
    _, made, problems = shipments(orders, shop, rows, columns={"postal_code": "Postal Code"})
    assert [m["postal_code"] for m in made] == ["02135", "02135"]
    assert problems == []


def test_a_heading_that_appears_twice_is_settled_by_its_key(orders, shop):
    from shipkit.orders.columns import Column

    con, _ = orders([{"Zip": "02134", "zip 2": "02135"}])
    columns = [Column("Zip", "zip", "VARCHAR"), Column("Zip", "zip_2", "VARCHAR")]
    mapped = map_rows(con, columns, MappingSpec(), shop, *relations(con))
    question = next(q for q in mapped.questions if q.field == "ship_to.postal_code")
    assert question.problem == '2 columns have the heading "Zip"'
    assert (
        question.fix
        == 'Choose one by its key: map(columns={"postal_code": "zip"}); the keys are zip, zip_2.'
    )
    mapped = map_rows(
        con, columns, MappingSpec(columns={"postal_code": "zip_2"}), shop, *relations(con)
    )
    assert normalize(con, mapped)[0].column("postal_code").to_pylist() == ["02135"]


def test_two_order_numbers_are_a_question_because_ungrouped_lines_would_ship_twice(orders, shop):
    _, (row,), problems = shipments(orders, shop, [{**ORDER, "Order Number": "7"}])
    assert row["order_id"] is None
    assert codes(problems) == [("column_ambiguous", "error", "order_id")]


@pytest.mark.parametrize(
    ("cells", "field"),
    [
        ({"Number of Packages": "3", "Package Count": "3"}, "number_of_parcels"),
        ({"Packaging": "ups_letter", "Package Type": "ups_pak"}, "parcels[0].packaging"),
        ({"Weight": "2", "Weight Unit": "kg", "Unit of Weight": "lb"}, "parcels[0].weight_lb"),
    ],
)
def test_two_columns_of_what_the_parcel_is_hold_the_row(orders, shop, cells, field):
    row = {heading: cell for heading, cell in ORDER.items() if heading != "Weight (oz)"}
    _, _, problems = shipments(orders, shop, [row | {"Weight": "2"} | cells])
    asked = [p["field"] for p in problems if p["code"] == "column_ambiguous"]
    assert asked == [field]
    assert all(p["severity"] == "error" for p in problems if p["code"] == "column_ambiguous")


def test_two_columns_of_units_are_no_question_where_the_weight_names_its_own(orders, shop):
    row = {**ORDER, "Weight Unit": "kg", "Unit of Weight": "lb", "Weight (oz)": "32"}
    _, (made,), problems = shipments(orders, shop, [row])
    assert made["parcels"][0]["weight_lb"] == 2
    assert "column_ambiguous" not in {p["code"] for p in problems}


def test_missing_columns_are_asked_for_in_every_row_with_a_fix(orders, shop):
    row = {"Name": "Ada", "City": "Boston"}
    _, _, problems = shipments(orders, shop, [row])
    assert {p["field"] for p in problems if p["code"] == "column_missing"} == {
        "ship_to.address_line1",
        "ship_to.state",
        "ship_to.postal_code",
        "service",
        "parcels[0].weight_lb",
    }
    assert all(p["fix"].startswith("Name it: map(columns=") for p in problems)


@pytest.mark.parametrize(
    ("first", "asked"),
    [
        (["1", "Ada Lee", "1 Main St", "Boston", "MA", "02134"], True),
        (["Ada Lee", "12 Oak Ave", "Reno", "NV", "ada@example.com"], True),
        (["Wer", "Wo", "Was", "2026"], True),  # it may be either: a question
        (["S", "M", "L", "Who"], False),  # unknown headings
        (["1", "2", "3"], False),  # days
        (["Name", "2026", "Note"], False),
    ],
)
def test_a_first_line_that_looks_like_an_order_is_asked_about(orders, shop, first, asked):
    _, _, problems = shipments(orders, shop, [dict.fromkeys(first, "x")])
    found = [p for p in problems if p["code"] == "headings_missing"]
    assert bool(found) is asked
    missing = {p["field"] for p in problems if p["code"] == "column_missing"}
    assert ("ship_to.address_line1" in missing) is not asked
    if asked:
        assert "load(header=False)" in found[0]["fix"]


def test_a_file_without_headings_is_read_by_the_places_of_its_columns(tmp_path, shop):
    path = tmp_path / "orders.csv"
    path.write_text("7,Ada Lee,1 Main St,Boston,MA,02134\n8,Bo Ray,2 Oak St,Reno,NV,89501\n")
    roles = ("order_id", "name", "address_line1", "city", "state", "postal_code")
    with sk.BatchSession(shipper=shop) as session:
        session.load(path, header=False)
        columns = {role: f"Column {place}" for place, role in enumerate(roles, 1)}
        session.map(columns=columns, service="ground", defaults={"weight_lb": 1})
        frame = session.preview()
    assert list(frame["order_id"]) == ["7", "8"]
    assert list(frame["postal_code"]) == ["02134", "89501"]
    assert frame["cost"].notna().all()


def test_service_for_all_overrides_the_service_column(orders, shop):
    _, (row,), problems = shipments(
        orders, shop, [{**ORDER, "Service": "Teleport"}], service="UPS 2nd Day Air"
    )
    assert (row["service"], problems) == ("2nd_day_air", [])


@pytest.mark.parametrize("rule", ["cheapest", "Fastest", "cheapest within 3 days"])
def test_a_rule_for_services_goes_through_to_resolve(orders, shop, rule):
    _, (row,), _ = shipments(orders, shop, [ORDER], service=rule)
    assert row["service"] == rule.lower()
    _, (row,), problems = shipments(orders, shop, [{**ORDER, "Service": rule}])
    assert (row["service"], problems) == (rule.lower(), [])


def test_an_unknown_service_is_a_problem_and_never_ground(orders, shop):
    _, (row,), problems = shipments(orders, shop, [{**ORDER, "Service": "Second Class"}])
    assert row["service"] is None
    assert codes(problems) == [("service_unknown", "error", "service")]
    assert problems[0]["value"] == "Second Class"


def test_services_translate_the_values_of_the_column(orders, shop):
    rows = [
        {**ORDER, "Service": text}
        for text in ("Standard Class", " standard class", "Next Day Air", "Drone")
    ]
    _, made, problems = shipments(orders, shop, rows, services={"Standard Class": "ground"})
    assert [m["service"] for m in made] == ["ground", "ground", "next_day_air", None]
    assert [p["row_number"] for p in problems] == [4]


def test_defaults_fill_what_is_missing_and_are_counted(orders, shop):
    rows = [{**ORDER, "Weight (oz)": text} for text in ("24", "", None, "  ", "\r\n", "\u3000")]
    mapped, made, problems = shipments(
        orders, shop, rows, defaults={"weight_lb": 2, "phone": "2125550142"}
    )
    assert [m["parcels"][0]["weight_lb"] for m in made] == [1.5, 2.0, 2.0, 2.0, 2.0, 2.0]
    assert {m["phone"] for m in made} == {"2125550142"}
    assert mapped.defaulted == {"weight_lb": 5, "phone": 6}
    assert problems == []


def test_a_default_never_hides_a_cell_that_cannot_be_read(orders, shop):
    _, (row,), problems = shipments(
        orders, shop, [{**ORDER, "Weight (oz)": "heavy"}], defaults={"weight_lb": 2}
    )
    assert row["parcels"][0]["weight_lb"] is None
    assert codes(problems) == [("weight_lb_unreadable", "error", "parcels[0].weight_lb")]


def test_references_and_ship_date_are_taken_as_told(orders, shop):
    _, (row,), _ = shipments(
        orders,
        shop,
        [{**ORDER, "PO Number": "4412"}],
        references={"po": "PO Number"},
        ship_date=dt.date(2026, 11, 23),
    )
    assert row["references"] == [{"key": "po", "value": "4412"}]
    assert row["ship_date"] == dt.date(2026, 11, 23)


def test_an_empty_reference_is_no_reference(orders, shop):
    _, (row,), _ = shipments(
        orders, shop, [{**ORDER, "PO Number": " "}], references={"po": "PO Number"}
    )
    assert row["references"] == []


def test_first_and_last_name_are_joined_when_they_name_the_recipient_better(orders, shop):
    row = {**ORDER, "First Name (Shipping)": "Grace", "Last Name (Shipping)": "Hopper"}
    _, (made,), _ = shipments(orders, shop, [row])
    assert made["name"] == "Grace Hopper"
    _, (made,), _ = shipments(orders, shop, [row], columns={"name": "Name"})
    assert made["name"] == "Ada Lovelace"


def test_typed_columns_are_used_as_they_are(orders, shop):
    row = {**ORDER, "Weight (oz)": 24.0, "Ship Date": dt.date(2026, 11, 23), "residential": True}
    _, (made,), problems = shipments(orders, shop, [row])
    assert (made["parcels"][0]["weight_lb"], made["ship_date"], made["residential"], problems) == (
        1.5,
        dt.date(2026, 11, 23),
        True,
        [],
    )


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"columns": {"postcode": "Zip"}}, "postal_code"),
        ({"columns": {"postal_code": "Zipp"}}, "Did you mean 'Zip'?"),
        ({"defaults": {"weigth_lb": 2}}, "Did you mean 'weight_lb'?"),
        ({"references": {"po": "PO Nummer"}}, "no column 'PO Nummer'"),
        ({"service": "Second Class"}, "not a known service"),
        ({"services": {"x": "hovercraft"}}, "not a known service"),
        ({"defaults": {"service": "hovercraft"}}, "not a known service"),
    ],
)
def test_a_wrong_name_in_the_mapping_is_refused_with_the_nearest(orders, shop, spec, said):
    with pytest.raises(MappingError) as caught:
        shipments(orders, shop, [ORDER], **spec)
    assert said in str(caught.value)


def test_no_rows_make_an_empty_plan(orders, shop):
    con, columns = orders([ORDER])
    con.execute("DELETE FROM selected")
    table, problems, _ = normalize(
        con, map_rows(con, columns, MappingSpec(), shop, *relations(con))
    )
    assert (table.num_rows, problems.num_rows) == (0, 0)


@pytest.mark.parametrize(
    ("heading", "cell", "sides"),
    [
        ("Dimensions", "10x8x4", (10, 8, 4)),
        ("L x W x H (cm)", "25.4 x 50.8 x 2.54", (10, 20, 1)),
        ("Dims", "25,4 × 50,8 × 2,54 cm", (10, 20, 1)),
        ("Dimensions", " x  x ", (None, None, None)),
    ],
)
def test_three_sides_are_read_from_one_column(orders, shop, heading, cell, sides):
    mapped, (row,), problems = shipments(orders, shop, [{**ORDER, heading: cell}])
    [parcel] = row["parcels"]
    assert tuple(parcel[f"{side}_in"] for side in ("length", "width", "height")) == sides
    assert problems == []
    _, (same,), _ = shipments(orders, shop, [{**ORDER, heading: cell}], template=mapped.template)
    assert same["parcels"] == row["parcels"]


def test_a_text_that_is_not_three_sides_holds_its_row(orders, shop):
    _, _, problems = shipments(orders, shop, [{**ORDER, "Dimensions": "large box"}])
    assert codes(problems) == [("length_in_unreadable", "error", "parcels[0].length_in")]
