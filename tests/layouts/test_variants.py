"""Dirt that exports pick up (Excel, mail, another locale) changes no shipment.

Layouts of which only the headings are known work with rows in them.
"""

from __future__ import annotations

import csv
import io
from functools import cache
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import shipkit as sk
from shipkit.models import Address
from shipkit.orders import layouts
from shipkit.orders.heading_text import phrase

EXPORTS = Path(__file__).parent.parent.parent.parent / "shared" / "orders" / "exports"
SHOP = Address(
    name="Dana Ortiz",
    address_line1="300 Alamo Plaza",
    city="San Antonio",
    state="TX",
    postal_code="78205",
    country="US",
    phone="2105550100",
)
MADE = Path(__file__).parent / "samples"
NAMES = [
    "amazon_new_orders_report.tsv",
    "ebay_us_orders.csv",
    "etsy_sold_orders.csv",
    "shopify_orders_export.csv",
    *sorted(path.name for path in MADE.glob("*.csv")),
]
ORDER = {
    "order_id": "A-1",
    "first_name": "Ada",
    "last_name": "Lee",
    "name": "Ada Lee",
    "company": "Analytical Ltd",
    "address_line1": "1 Main St",
    "address_line2": "Apt 2",
    "city": "Boston",
    "state": "MA",
    "postal_code": "02134",
    "country": "US",
    "phone": "617-555-0100",
    "weight": "3",
    "length": "10",
    "width": "8",
    "height": "4",
    "service": "UPS Ground",
    "sku": "MUG-1",
    "item_name": "Mug",
    "quantity": "2",
    "item_price": "12.50",
}


def shipments(path):
    with sk.BatchSession(path, shipper=SHOP) as session:
        table, problems, _ = session._planner.normalized()
        rows = table.drop_columns(["source_file"]).to_pylist()
        problems = pa.concat_tables([problems, session._planner.orders.problems])
        return (
            rows,
            [(p["row_number"], p["field"], p["code"]) for p in problems.to_pylist()],
            session.layout.name,
        )


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    """Return the rows of a file, and their shipments; None where `shared` has the file and is not.

    Rows that miss cells are filled up: what becomes of such a row is another test's matter. Each
    file is read when a test first asks for it, so that a process reads those of its own tests.
    """
    plain = tmp_path_factory.mktemp("samples")

    @cache
    def read(name):
        path = MADE / name if (MADE / name).is_file() else EXPORTS / name
        if not path.is_file():
            return None
        delimiter = "\t" if name.endswith("tsv") else ","
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = [row for row in csv.reader(file, delimiter=delimiter) if row]
        width = len(rows[0])
        rows = [row + [""] * (width - len(row)) for row in rows]
        with (plain / name).open("w", encoding="utf-8", newline="") as file:
            csv.writer(file, delimiter=delimiter).writerows(rows)
        return rows, shipments(plain / name)

    return read


@pytest.mark.parametrize("name", NAMES)
@settings(
    max_examples=3 if settings.default.derandomize else 12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    order=st.randoms(use_true_random=False),
    delimiter=st.sampled_from(",;\t|"),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252", "latin-1"]),
    newline=st.sampled_from(["\n", "\r\n"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    blank=st.booleans(),
)
def test_dirt_changes_no_shipment(
    sample, tmp_path, name, order, delimiter, encoding, newline, quoting, blank
):
    if sample(name) is None:
        pytest.skip("the folder `shared` is not beside the project")
    rows, expected = sample(name)
    places = list(range(len(rows[0])))
    order.shuffle(places)
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, lineterminator=newline, quoting=quoting).writerows(
        [[row[place] for place in places] for row in rows]
    )
    path = tmp_path / "export.csv"
    path.write_bytes(
        (text.getvalue() + (newline * 2 if blank else "")).encode(encoding, errors="replace")
    )
    assert shipments(path) == expected


@pytest.mark.parametrize(
    "name",
    sorted(
        name
        for name, layout in layouts.known_layouts().items()
        if layout.fields and layout.recognised_by
    ),
)
def test_a_row_under_the_headings_of_a_layout_becomes_the_shipment_it_says(name, tmp_path):
    layout = layouts.known_layouts()[name]
    headings = list(
        dict.fromkeys(
            [options[0] for options in layout.fields.values()] + list(layout.recognised_by)
        )
    )
    by_heading = {phrase(options[0]): role for role, options in layout.fields.items()}
    path = tmp_path / "rows.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\r\n")
        writer.writerow(headings)
        for number in ("A-1", "A-2"):
            writer.writerow(
                [
                    number
                    if by_heading.get(phrase(h)) == "order_id"
                    else ORDER.get(
                        by_heading.get(phrase(h), ""), "1" if h in layout.required else ""
                    )
                    for h in headings
                ]
            )
    rows, problems, found = shipments(path)
    assert found == name
    for row in rows:
        assert (
            row["name"],
            row["address_line1"],
            row["city"],
            row["state"],
            row["postal_code"],
            row["country"],
        ) == ("Ada Lee", "1 Main St", "Boston", "MA", "02134", "US")
    assert [row["order_id"] for row in rows] == ["A-1", "A-2"]
    unit = next((layout.units.get(h) for h in layout.fields.get("weight", ())), None)
    if "weight" in layout.fields:
        assert rows[0]["parcels"][0]["weight_lb"] == pytest.approx({"oz": 3 / 16}.get(unit, 3.0))
    if "service" in layout.fields:
        assert rows[0]["service"] == "ground"
    questions = ("column_missing", "column_ambiguous")
    asked = {field for _, field, code in problems if code in questions}
    assert asked <= {"service", "parcels[0].weight_lb"}


@pytest.mark.parametrize(
    "name",
    [
        "pirateship_import_header.csv",
        "usps_click_n_ship_header.csv",
        "woocommerce_advanced_header.csv",
    ],
)
def test_a_file_of_headings_alone_works_with_rows_in_it(name, tmp_path):
    if not EXPORTS.is_dir():
        pytest.skip("the folder `shared` is not beside the project")
    with (EXPORTS / name).open(encoding="utf-8-sig", newline="") as file:
        headings = next(csv.reader(file))
    found = layouts.recognise_layout(headings, layouts.known_layouts())
    by_heading = {phrase(heading): role for role, heading in found.fields.items()}
    path = tmp_path / name
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(
            [headings, [ORDER.get(by_heading.get(phrase(h), ""), "") for h in headings]]
        )
    ((row,), _, layout) = shipments(path)
    assert layout == found.name
    assert (row["name"], row["city"], row["postal_code"]) == ("Ada Lee", "Boston", "02134")


def test_pounds_and_ounces_of_a_parcel_are_added_up():
    row = {
        "Reference ID": "7",
        "Recipient First Name": "Ada",
        "Recipient Last Name": "Lee",
        "Recipient Address Line 1": "1 Main St",
        "Recipient ZIP Code": "02134",
        "Package Weight (lb)": "2",
        "Package Weight (oz)": "8",
    }
    with sk.BatchSession(
        [row, {**row, "Reference ID": "8", "Package Weight (lb)": None}], shipper=SHOP
    ) as session:
        table = session._planner.normalized().table
        assert [r["parcels"][0]["weight_lb"] for r in table.to_pylist()] == [2.5, 0.5]
