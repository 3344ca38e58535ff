"""A cell that names another unit or currency than its heading, or than the cell next to it."""

from __future__ import annotations

import json

import pytest

import shipkit as sk
from shipkit.orders import source
from shipkit.orders.fields import recognise

HEADINGS = "Order ID,Name,Address,City,State,Zip,Country"
WHO = "Mara Quint,418 Juniper Ave,Boise,ID,83702,US"


def ship(tmp_path, shop, headings, *rows, **settings):
    lines = [f"{n},{WHO},{row}" for n, row in enumerate(rows, start=1)]
    path = tmp_path / "orders.csv"
    path.write_text("\n".join([f"{HEADINGS},{headings}", *lines, ""]), encoding="utf-8")
    session = sk.BatchSession(path, shipper=shop)
    session.map(service="ground", **settings).preview()
    errors = session.problems[session.problems["severity"] == "error"]
    found = errors[["row_number", "code", "problem"]].itertuples(index=False, name=None)
    return session.mapped(), list(found)


def parcels(mapped, field):
    """Return a field of the first parcel of each row."""
    return [json.loads(made)[0][field] for made in mapped["parcels"]]


@pytest.mark.parametrize(
    ("headings", "cells", "pounds", "problem"),
    [
        ("Weight (kg)", ["2 kg", "2 lb"], 4.409245, "the cell says lb, and its heading says kg"),
        ("weight_oz", ["32", "1 kilo"], 2, "the cell says kilo, and its heading says oz"),
        ("Gewicht in g", ["453.59237", "2 lbs"], 1, "the cell says lbs, and its heading says g"),
        ("Item Weight (kg)", ["1", "1 lb"], 2.204623, "the cell says lb, and its heading says kg"),
        (
            "Weight,Weight Unit",
            ["16 oz,oz", "2 lb,kg"],
            1,
            "the cell says lb, and the unit next to it is kg",
        ),
        (
            "Weight,Weight UOM",
            ["2,KG", "2 lb,stone"],
            4.409245,
            "the cell says lb, and the unit next to it is stone",
        ),
    ],
)
def test_a_cell_with_another_unit_than_is_said_elsewhere_holds_its_row(
    tmp_path, shop, headings, cells, pounds, problem
):
    mapped, problems = ship(tmp_path, shop, headings, *cells)
    assert mapped["weight_lb"].tolist()[0] == pytest.approx(pounds, rel=1e-6)
    assert (2, "unit_contradicts", problem) in problems
    assert {row for row, _, _ in problems} == {2}


def test_a_side_with_another_unit_holds_its_row(tmp_path, shop):
    sides = "Length (cm),Width (cm),Height (cm)"
    given = {"defaults": {"weight_lb": 1}}
    mapped, problems = ship(tmp_path, shop, sides, "25.4 cm,10,10", "10 in,10,10", **given)
    assert parcels(mapped, "length_in")[0] == pytest.approx(10)
    assert problems == [(2, "unit_contradicts", "the cell says in, and its heading says cm")]


def test_a_unit_in_the_cell_counts_where_the_cell_beside_it_is_blank(tmp_path, shop):
    mapped, problems = ship(tmp_path, shop, "Weight,Weight Unit", "8 oz,", "2,kg")
    assert mapped["weight_lb"].tolist() == [0.5, pytest.approx(4.409245, rel=1e-6)]
    assert problems == []


def test_another_unit_cannot_be_named_for_cells_that_name_their_own(tmp_path, shop):
    named = {"columns": {"weight_lb": "Weight (kg)"}}
    with pytest.raises(sk.errors.MappingError, match="its cells name their units"):
        ship(tmp_path, shop, "Weight (kg)", "2 kg", **named)
    mapped, _ = ship(tmp_path, shop, "Weight (kg)", "2", **named)
    assert mapped["weight_lb"].tolist() == [2.0], "a person's word goes before a heading"


@pytest.mark.parametrize(
    ("headings", "cells", "currency", "problem"),
    [
        (
            "Declared Value,Currency",
            ["12,EUR", "$12,EUR"],
            "EUR",
            "the cell says $, and the currency next to it is EUR",
        ),
        (
            "Declared Value,Currency",
            ["$12,CAD", "CA$12,USD"],
            "CAD",
            "the cell says CA$, and the currency next to it is USD",
        ),
        ("Declared Value (EUR)", ["12", "$12"], "EUR", "the cell says $, and its heading says EUR"),
        (
            "Declared value in EUR",
            ["€12", "£12"],
            "EUR",
            "the cell says £, and its heading says EUR",
        ),
        (
            "insured_value_cad",
            ["$12", "12 EUR"],
            "CAD",
            "the cell says EUR, and its heading says CAD",
        ),
        ("Insured Value ($)", ["12", "€12"], "USD", "the cell says €, and its heading says $"),
        (
            "Declared Value (EUR),Currency",
            ["12,EUR", "12,USD"],
            "EUR",
            "its heading says EUR, and the currency next to it is USD",
        ),
    ],
)
def test_an_amount_in_another_currency_than_is_said_elsewhere_holds_its_row(
    tmp_path, shop, headings, cells, currency, problem
):
    mapped, problems = ship(tmp_path, shop, headings, *cells, defaults={"weight_lb": 1})
    assert parcels(mapped, "declared_value_cents")[0] == 1200
    assert mapped["currency"].tolist()[0] == currency
    assert problems == [(2, "unit_contradicts", problem)]


def test_the_currency_of_a_price_in_its_heading_is_that_of_customs(tmp_path, shop):
    path = tmp_path / "orders.csv"
    path.write_text(
        "Order ID,Name,Address,City,Zip,Country,Phone,Weight (lb),Quantity,Item Name,"
        "Unit Price (EUR)\n"
        "1,Eva Eins,Weg 1,Berlin,10115,DE,+49305550101,1,2,Blue mug,12.50\n"
    )
    session = sk.BatchSession(path, shipper=shop)
    session.map(service="worldwide_saver").preview()
    assert session.mapped()["currency"].tolist() == ["EUR"]


def test_a_heading_with_a_currency_of_several_countries_is_asked_about(tmp_path, shop):
    given = {"defaults": {"weight_lb": 1}}
    _, problems = ship(tmp_path, shop, "Declared Value (kr)", "12", **given)
    assert problems == [(1, "currency_unknown", '"KR" is not a currency')]


@pytest.mark.parametrize("heading", ["Price each", "Price top", "Unit price all", "Price try"])
def test_a_word_of_a_heading_that_is_a_code_by_chance_is_no_currency(heading):
    assert [match.unit for match in recognise([heading]).roles.values()] in ([], [None])


def test_a_weight_with_its_unit_is_not_said_to_be_taken_as_pounds(tmp_path, shop):
    path = tmp_path / "orders.csv"
    path.write_text(f"{HEADINGS},Weight\n1,{WHO},8 oz\n")
    session = sk.BatchSession(path, shipper=shop)
    session.map(service="ground").preview()
    assert session.mapped()["weight_lb"].tolist() == [0.5]
    assert len(session.problems) == 0


def test_the_row_of_a_contradiction_is_settled_by_an_edit(tmp_path, shop):
    path = tmp_path / "orders.csv"
    path.write_text(f"{HEADINGS},Weight (kg)\n1,{WHO},2 lb\n")
    session = sk.BatchSession(path, shipper=shop)
    session.map(service="ground").preview()
    session.edit("row_number = 1", weight_lb=2)
    session.preview()
    assert session.mapped()["weight_lb"].tolist() == [2.0]
    assert session.problems["code"].tolist() == []


def test_contradictions_are_found_at_loading_in_every_source():
    rows = [{"Order": 1, "Weight (kg)": "2 lb"}, {"Order": 2, "Weight (kg)": "2"}]
    loaded = source.load(rows)
    assert [(p["row_number"], p["code"]) for p in loaded.problems.to_pylist()] == [
        (1, "unit_contradicts")
    ]


@pytest.mark.parametrize("heading", ["UoM", "Unit of Measure", "Unité de mesure", "Einheit"])
def test_a_unit_under_a_heading_that_may_be_of_the_quantity_holds_its_row(tmp_path, shop, heading):
    _, problems = ship(tmp_path, shop, f"Weight,{heading}", "2,KG", "2,lb", "2,EA")
    assert [(row, code) for row, code, _ in problems] == [(1, "column_not_understood")]
    named = {"columns": {"weight_unit": heading}}
    mapped, problems = ship(tmp_path, shop, f"Weight,{heading}", "2,KG", "2,lb", **named)
    assert problems == []
    assert mapped["weight_lb"].tolist() == [pytest.approx(4.409245, rel=1e-6), 2]


def test_a_word_in_place_of_an_amount_is_not_taken_for_a_currency(tmp_path, shop):
    _, found = ship(tmp_path, shop, "Declared Value (EUR),Weight (lb)", "lots,2", "12,2")
    assert found == [
        (1, "cell_not_amount", "the value in column 'Declared Value (EUR)' is not an amount")
    ]


@pytest.mark.parametrize("quantity", ["", ",2"])
def test_a_weight_of_units_that_cannot_be_read_does_not_become_the_default(
    tmp_path, shop, quantity
):
    heading = "Item Weight (lb)" + (",Quantity" if quantity else "")
    rows = (f"heavy{quantity}", f"1.5{quantity}")
    _, found = ship(tmp_path, shop, heading, *rows, defaults={"weight_lb": 2})
    held = "the value in column 'Item Weight (lb)' is not a number"
    assert (1, "cell_not_number", held) in found
    assert not [row for row, code, _ in found if code == "cell_not_number" and row != 1]


@pytest.mark.parametrize(
    ("headings", "cells", "held"),
    [
        ("Weight,Weight Unit", ("500,g", "100,"), [2]),
        ("Weight,Weight Unit", ("5,lb", "2,"), []),
        ("Weight,Weight Unit", ("500,g", ","), []),
        (
            "Weight (lb),Length,Width,Height,Dimension Unit",
            ("2,30,20,10,cm", "2,30,20,10,"),
            [2] * 3,
        ),
        ("Weight (lb),Declared Value,Currency", ("2,300,EUR", "2,300,"), [2]),
        ("Weight (lb),Declared Value,Currency", ("2,300,USD", "2,300,"), []),
    ],
)
def test_a_blank_unit_among_others_is_a_question(tmp_path, shop, headings, cells, held):
    _, found = ship(tmp_path, shop, headings, *cells)
    assert [row for row, code, _ in found if code == "unit_blank"] == held


def test_a_bare_number_next_to_a_blank_unit_is_a_question_where_cells_name_units(tmp_path, shop):
    _, found = ship(tmp_path, shop, "Weight,Weight UOM", "0.5,kg", "500 g,", "9,")
    assert [(row, code) for row, code, _ in found] == [(3, "cell_not_number")]


@pytest.mark.parametrize("cell", ["-", "none"])
def test_no_number_of_units_to_ship_holds_its_row(tmp_path, shop, cell):
    _, found = ship(tmp_path, shop, "Weight (lb),Quantity,Qty to ship", f"1.5,4,{cell}", "1.5,1,1")
    assert (1, "cell_not_number", "the value in column 'Qty to ship' is not a number") in found


@pytest.mark.parametrize("cell", ["x", "two"])
def test_a_quantity_that_cannot_be_read_holds_its_row(tmp_path, shop, cell):
    _, found = ship(tmp_path, shop, "Weight (lb),Quantity", f"1.5,{cell}", "1.5,1")
    assert found == [(1, "cell_not_number", "the value in column 'Quantity' is not a number")]


@pytest.mark.parametrize(
    ("heading", "cell", "said"),
    [
        ("Weight (kg)", "2 lb", []),  # held, so not converted
        ("Weight (kg)", "1.5 kg", []),
        ("Weight", "1.5 kg", ["Weight: converted numbers with a unit to lb."]),
    ],
)
def test_what_is_not_converted_is_not_said_to_be(tmp_path, heading, cell, said):
    path = tmp_path / "orders.csv"
    path.write_text(f"Order ID,{heading}\nA1,{cell}\nA2,1.5\n", encoding="utf-8")
    notes = [note.text for note in source.load(path).report.notes]
    assert [text for text in notes if "converted" in text] == said


@pytest.mark.parametrize(
    ("headings", "cells", "pounds"),
    [
        ("Pounds,Ounces", ["1,4", ",8"], [1.25, 0.5]),
        ("lb,oz", ["1,4", "0,8"], [1.25, 0.5]),
        ("Weight Oz,Weight Lbs", ["4,1", "8,0"], [1.25, 0.5]),
        ("Package Weight (kg),Package Weight (g)", ["0,453.59237", "1,0"], [1, 2.204623]),
        ("Gewicht kg,Gewicht g", ["1,200", ",500"], [2.645547, 1.102311]),
        ("Weight,Weight UOM", ["500,GRM", "2,KGM"], [1.102311, 4.409245]),
        ("Weight (KGM)", ["1", "2"], [2.204623, 4.409245]),
        ("Pounds,Ounces", ["0.5,8", "2,32"], [0.5, 2]),  # the same weight in two units
        ("Item Weight (lb),Item Weight (oz),Quantity", ["1,4,2", "0,8,1"], [2.5, 0.5]),
    ],
)
def test_a_weight_in_two_columns_is_read_whole(tmp_path, shop, headings, cells, pounds):
    mapped, problems = ship(tmp_path, shop, headings, *cells)
    assert problems == []
    assert parcels(mapped, "weight_lb") == [pytest.approx(value, rel=1e-6) for value in pounds]


def test_two_weights_that_may_be_a_sum_or_a_repeat_hold_their_row(tmp_path, shop):
    _, problems = ship(tmp_path, shop, "Pounds,Ounces", "1,16", "1.5,3", "2,3")
    assert [(row, code) for row, code, _ in problems] == [
        (1, "weight_parts_unclear"),
        (2, "weight_parts_unclear"),
    ]
    assert '1 in "Pounds" and 16 in "Ounces"' in problems[0][2]


def test_the_parts_of_a_weight_can_be_named(tmp_path, shop):
    named = {"columns": {"weight_lb": "A", "weight_oz": "B"}}
    mapped, problems = ship(tmp_path, shop, "A,B", "1,4", "0,8", **named)
    assert problems == []
    assert parcels(mapped, "weight_lb") == [1.25, 0.5]


def test_a_part_of_a_weight_that_is_not_named_is_listed(tmp_path, shop):
    path = tmp_path / "orders.csv"
    path.write_text(f"{HEADINGS},Pounds,Ounces\n1,{WHO},1,4\n", encoding="utf-8")
    session = sk.BatchSession(path, shipper=shop)
    session.map(service="ground", columns={"weight_lb": "Pounds"}).preview()
    assert session.not_understood == ["Ounces"]


@pytest.mark.parametrize("kind", ["Weight", "Item Weight"])
def test_a_weight_in_two_systems_is_one_where_they_agree(tmp_path, shop, kind):
    headings = f"{kind} (lb),{kind} (kg)"
    rows = ("4.41,2", "1,4", "3,", ",1")
    mapped, problems = ship(tmp_path, shop, headings, *rows, defaults={"weight_lb": 2})
    assert [(row, code) for row, code, _ in problems] == [(2, "weight_parts_unclear")]
    assert "give different weights: 4 in" in problems[0][2]
    read = [parcels(mapped, "weight_lb")[place] for place in (0, 2, 3)]
    assert read == [pytest.approx(pounds, rel=1e-6) for pounds in (4.409245, 3, 2.204623)]


@pytest.mark.parametrize(
    ("heading", "cell"),
    [
        ("Weight (lb)", "5 TON"),
        ("Weight (lb)", "MUG 2"),
        ("Weight (lb)", "$9"),
        ("Weight (kg)", "9 EUR"),
        ("Weight (kg)", "MUG-1"),
        ("Weight", "2 QTL"),
        ("Quantity", "$2"),
        ("Quantity", "1 set"),
        ("Quantity", "2 PAR"),
    ],
)
def test_capitals_beside_a_measure_or_a_count_are_no_currency(tmp_path, shop, heading, cell):
    weight = "" if heading.startswith("Weight") else "Weight (lb),"
    cells = (f"{'1.5,' if weight else ''}{cell}", f"{'1.5,' if weight else ''}1 ")
    _, found = ship(tmp_path, shop, weight + heading, *cells)
    held = f"the value in column {heading!r} is not a number"
    assert (1, "cell_not_number", held) in found


@pytest.mark.parametrize(
    ("cell", "pounds"),
    [("500 GRS", 1.102311), ("50 GMS", 0.110231), ("2 libras", 2), ("8 onzas", 0.5)],
)
def test_units_of_other_languages_are_converted(tmp_path, shop, cell, pounds):
    mapped, problems = ship(tmp_path, shop, "Weight", cell)
    assert problems == []
    assert parcels(mapped, "weight_lb") == [pytest.approx(pounds, rel=1e-5)]


@pytest.mark.parametrize("cell", ["2 pcs", "2 PCS", "2 EA.", "2x", "x 2", "2 Stück", "2 szt."])
def test_a_quantity_may_say_that_it_counts_pieces(tmp_path, shop, cell):
    mapped, problems = ship(tmp_path, shop, "Item Weight (lb),Quantity", f"1.5,{cell}")
    assert problems == []
    assert parcels(mapped, "weight_lb") == [3.0]


@pytest.mark.parametrize("cell", ["3'", "3’", "3'16", "12 34", "1 0000"])
def test_an_apostrophe_or_a_blank_separates_thousands_and_nothing_else(tmp_path, shop, cell):
    headings = "Weight (lb),Length (in),Width (in),Height (in)"
    _, found = ship(tmp_path, shop, headings, f"2,{cell},5,4")
    held = "the value in column 'Length (in)' is not a number"
    assert (1, "cell_not_number", held) in found


@pytest.mark.parametrize("cell", ["1'234", "1 234", "1’234", "1'234.0", "1 234,0"])
def test_apostrophes_and_blanks_of_thousands_are_read(tmp_path, shop, cell):
    mapped, problems = ship(tmp_path, shop, "Weight (g)", f'"{cell}"')
    assert problems == []
    assert parcels(mapped, "weight_lb") == [pytest.approx(2.720504, rel=1e-5)]


@pytest.mark.parametrize(
    "cell",
    [
        *("2' 6\"", "2'6", "2'-6\"", "2 ft 6 in", "2 ft. 6 in.", "2 feet 6 inches", "2 ft 6"),
        *("2’ 6”", "2′ 6″", "2' 6''", "2 ft, 6 in", "2 feet and 6 inches", "2.5 ft"),
    ],
)
@pytest.mark.parametrize("unit", ["", " (in)", " (ft)"])
def test_feet_and_inches_in_one_cell_are_a_length(tmp_path, cell, unit):
    path = tmp_path / "orders.csv"
    quoted = cell.replace('"', '""')
    path.write_text(f'Order ID,Length{unit}\n1,"{quoted}"\n', encoding="utf-8")
    loaded = source.load(path)
    [(found,)] = loaded.con.sql(
        f"SELECT * EXCLUDE (row_number, source_file, order_id) FROM {loaded.lines.sql}"
    ).fetchall()
    inches = 12 if loaded.columns[1].unit == "ft" else 1
    if cell == "2.5 ft" and unit == " (in)":  # another unit than its heading
        assert found is None
    else:
        assert found * inches == pytest.approx(30)


@pytest.mark.parametrize("cell", ["2 lb 3 oz", "2 lb & 3 oz", "2 lb and 3 oz", "2 lbs, 3 ozs."])
def test_pounds_and_ounces_in_one_cell_are_a_weight(tmp_path, shop, cell):
    mapped, problems = ship(tmp_path, shop, "Weight", f'"{cell}"')
    assert mapped["weight_lb"].tolist() == [2.1875]
    assert problems == []


@pytest.mark.parametrize(
    ("cell", "currency"),
    [
        *(("$10.00 USD", "USD"), ("USD $10.00", "USD"), ("$10.00 CAD", "CAD")),
        *(("AUD $10.00", "AUD"), ("€10.00 EUR", "EUR"), ("EUR €10.00", "EUR"), ("¥10 JPY", "JPY")),
    ],
)
def test_an_amount_with_a_sign_and_a_code_is_in_that_currency(tmp_path, shop, cell, currency):
    mapped, problems = ship(tmp_path, shop, "Declared Value", cell, defaults={"weight_lb": 2})
    assert mapped["currency"].tolist() == [currency]
    assert parcels(mapped, "declared_value_cents") == [10 if currency == "JPY" else 1000]
    assert "declared_value_unreadable" not in {code for _, code, _ in problems}
