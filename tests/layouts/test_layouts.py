"""Known exports are recognised by their headings, and give the shipments a person would."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pyarrow as pa
import pytest

import shipkit as sk
from shipkit.errors import LayoutError
from shipkit.orders import layouts, source

GOLDEN = Path(__file__).parent / "golden"
SAMPLES = {
    "amazon_new_orders_report.tsv": "amazon_new_orders",
    "ebay_us_orders.csv": "ebay_us",
    "etsy_sold_orders.csv": "etsy_sold_orders",
    "shopify_orders_export.csv": "shopify",
}
MADE = Path(__file__).parent / "samples"
"""Files of made-up orders under headings that are evidenced: see the page of each layout."""
HEADERS = {
    "pirateship_import_header.csv": "pirate_ship_import",
    "usps_click_n_ship_header.csv": "usps_click_n_ship",
    "woocommerce_advanced_header.csv": "woocommerce_advanced_order_export",
}


def seen(row):
    """What a shipment says, without what is empty."""
    if isinstance(row, dict):
        return {
            key: kept
            for key, value in row.items()
            if (kept := seen(value)) not in (None, [], {}, False)
        }
    return [seen(item) for item in row] if isinstance(row, list) else row


def shipments(path, shop, *, noted=False, **told):
    """Return what was made of a file; `noted` adds what grouping and the layout met."""
    with sk.BatchSession(shipper=shop) as session:
        session.load(path)
        if told:
            session.map(**told)
        table, problems, _ = session._planner.normalized()
        problems = pa.concat_tables(
            [problems, session._planner.orders.problems] if noted else [problems]
        )
        return (
            [seen(row) for row in table.to_pylist()],
            [(p["row_number"], p["field"], p["code"]) for p in problems.to_pylist()],
            session.layout,
        )


@pytest.mark.parametrize("name", SAMPLES)
def test_a_sample_gives_the_shipments_that_were_reviewed_by_eye(name, shared, shop):
    rows, problems, layout = shipments(shared / "orders" / "exports" / name, shop)
    assert layout.name == SAMPLES[name]
    golden = json.loads((GOLDEN / f"{SAMPLES[name]}.json").read_text(encoding="utf-8"))
    assert json.loads(json.dumps(rows, default=str)) == golden["shipments"]
    assert [list(problem) for problem in problems] == golden["problems"]


@pytest.mark.parametrize("path", sorted(MADE.glob("*.csv")), ids=lambda path: path.stem)
def test_made_up_orders_give_the_shipments_that_were_reviewed_by_eye(path, shop):
    rows, problems, layout = shipments(path, shop, noted=True)
    assert layout.name == path.stem
    golden = json.loads((GOLDEN / f"{path.stem}.json").read_text(encoding="utf-8"))
    assert json.loads(json.dumps(rows, default=str)) == golden["shipments"]
    assert [list(problem) for problem in problems] == golden["problems"]


def test_a_layout_is_recognised_by_headings_and_never_by_the_name_of_the_file(
    shared, tmp_path, shop
):
    copy = tmp_path / "amazon_new_orders_report.csv"
    copy.write_bytes((shared / "orders" / "exports" / "shopify_orders_export.csv").read_bytes())
    with sk.BatchSession(copy, shipper=shop) as session:
        assert session.layout.name == "shopify"
        assert "Lineitem name" in session.layout.why
        assert any("Shopify" in note.text for note in session.load_report.notes)


@pytest.mark.parametrize("name", HEADERS)
def test_headings_alone_are_recognised(name, shared):
    with (shared / "orders" / "exports" / name).open(encoding="utf-8-sig", newline="") as file:
        headings = next(csv.reader(file))
    assert layouts.recognise_layout(headings, layouts.known_layouts()).name == HEADERS[name]


@pytest.mark.parametrize(
    "name",
    sorted(
        name
        for name, layout in layouts.known_layouts().items()
        if layout.fields and layout.recognised_by
    ),
)
def test_every_layout_is_recognised_by_its_own_headings_and_by_no_other(name):
    layout = layouts.known_layouts()[name]
    headings = [options[0] for options in layout.fields.values()] + list(layout.recognised_by)
    assert layouts.recognise_layout(headings, layouts.known_layouts()).name == name
    assert layout.evidence


def test_unknown_headings_fall_back_to_recognition_by_words(shop):
    with sk.BatchSession(
        [{"Order ID": "1", "Ship Name": "Ada", "Ship Zip": "02134"}], shipper=shop
    ) as session:
        assert session.layout is None
        assert {column.role for column in session._planner.loaded.columns} == {
            "order_id",
            "name",
            "postal_code",
        }


def test_a_person_adds_a_layout_as_a_file(tmp_path, monkeypatch, shop):
    monkeypatch.setenv("SHIPKIT_CONFIG", str(tmp_path / "config.toml"))
    (tmp_path / "layouts").mkdir()
    (tmp_path / "layouts" / "our_erp.toml").write_text(
        'title = "Our ERP"\nrecognised_by = ["Beleg", "Empfaenger"]\nweight_of = '
        '"order"\n[fields]\norder_id = "Beleg"\nname = "Empfaenger"\naddress_line1 = '
        '"Strasse"\ncity = "Ort"\n'
        'postal_code = "PLZ"\ncountry = "Land"\nweight = "Gewicht"\n[units]\nGewicht = "kg"\n',
        encoding="utf-8",
    )
    row = {
        "Beleg": "7",
        "Empfaenger": "Ada Lee",
        "Strasse": "1 Main St",
        "Ort": "Boston",
        "PLZ": "02134",
        "Land": "US",
        "Gewicht": "1",
    }
    (made,), _, layout = shipments([row], shop)
    assert (layout.name, made["name"], made["postal_code"]) == ("our_erp", "Ada Lee", "02134")
    assert made["parcels"][0]["weight_lb"] == pytest.approx(2.2046, abs=1e-4)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("title = ", "is not TOML"),
        ('recognised_by = ["A"]\n[fields]\nzipp = "A"\n', "unknown field 'zipp'"),
        ('[fields]\nname = "A"\n', "`recognised_by` or `headings` is missing"),
        (
            'recognised_by = ["A"]\nweight_of = "box"\n[fields]\nname = "A"\n',
            "weight_of must be one of unit, line, order",
        ),
        ('colour = "red"\nrecognised_by = ["A"]\n[fields]\nname = "A"\n', "unknown key 'colour'"),
        ('recognised_by = ["A"]\nunsupported = "it has no addresses"\n', "needs `instead`"),
    ],
)
def test_a_layout_that_cannot_be_used_is_refused_by_name(tmp_path, text, fault):
    (tmp_path / "mine.toml").write_text(text, encoding="utf-8")
    with pytest.raises(LayoutError, match=r"mine\.toml") as error:
        layouts.known_layouts(tmp_path)
    assert fault in str(error.value)


def test_a_file_without_headings_gets_those_of_the_layout_that_is_named(tmp_path):
    (tmp_path / "rows.csv").write_text(
        "Ada Lee,1 Main St,Boston,02134\nBob Roe,2 Oak Ave,Salem,01970\n", encoding="utf-8"
    )
    (tmp_path / "bare.toml").write_text(
        'headings = ["Who", "Where", "City"]\n[fields]\nname = "Who"\naddress_line1 = '
        '"Where"\ncity = "City"\n',
        encoding="utf-8",
    )
    loaded = source.load(tmp_path / "rows.csv", layout="bare", layout_folder=tmp_path)
    assert loaded.con.sql(
        f"SELECT who, city, column_4 FROM {loaded.lines.sql} ORDER BY row_number"
    ).fetchall() == [("Ada Lee", "Boston", "02134"), ("Bob Roe", "Salem", "01970")]
    with pytest.raises(LayoutError, match="no layout 'bore'"):
        source.load(tmp_path / "rows.csv", layout="bore", layout_folder=tmp_path)


def test_a_campusship_batch_file_has_no_headings_and_is_loaded_by_name(tmp_path, shop):
    cells = [
        "Ada Lee",
        "Analytical Ltd",
        "US",
        "1 Main St",
        "",
        "",
        "Boston",
        "MA",
        "02134",
        "6175550100",
        "",
        "1",
        "ada@example.com",
        "2",
        "",
        "3",
        "",
        "",
        "",
        "LB",
        "",
        "",
        "",
        "",
        "03",
        *[""] * 7,
        "PO 7",
        "",
        "",
    ]
    path = tmp_path / "batch.ssv"
    path.write_text(
        ";".join(cells)
        + "\n"
        + ";".join(["Bob Roe", *cells[1:15], "2", "", "", "", "KG", *cells[20:]])
        + "\n",
        encoding="utf-8",
    )
    with sk.BatchSession(shipper=shop) as session:
        session.load(path, layout="ups_campusship_batch")
        assert session.layout.why == "chosen by name"
        rows = session._planner.normalized().table.to_pylist()
    assert [
        (row["name"], row["company"], row["postal_code"], row["residential"], row["service"])
        for row in rows
    ] == [
        ("Ada Lee", "Analytical Ltd", "02134", True, "ground"),
        ("Bob Roe", "Analytical Ltd", "02134", True, "ground"),
    ]
    assert [row["parcels"][0]["weight_lb"] for row in rows] == [3.0, pytest.approx(4.409, abs=1e-3)]


def test_each_line_of_a_carriers_file_is_a_shipment_also_where_order_numbers_repeat(shop):
    row = {
        "Name": "Ada",
        "Address": "1 Main St",
        "Address Line 2": None,
        "City": "Boston",
        "State": "MA",
        "Zipcode": "02134",
        "Country": "US",
        "Package Weight": 3,
        "Order ID": "7",
        "Rubber Stamp 1": None,
    }
    rows, _, layout = shipments([row, row], shop)
    assert (layout.name, [r["row_number"] for r in rows]) == ("pirate_ship_import", [1, 2])


def test_a_filter_that_matches_one_line_keeps_the_whole_order(shared, shop):
    with sk.BatchSession(
        shared / "orders" / "exports" / "shopify_orders_export.csv", shipper=shop
    ) as session:
        session.where("lineitem_name = 'The Videographer Snowboard' AND lineitem_price = 896.72")
        table = session._planner.normalized().table
        (order,) = table.to_pylist()
        assert (order["order_id"], order["row_numbers"], order["city"]) == (
            "#1005",
            [10, 11],
            "Ottawa",
        )


def test_lines_that_are_sold_and_not_shipped_are_left_out_and_counted(shared, shop):
    with sk.BatchSession(
        shared / "orders" / "exports" / "shopify_orders_export.csv", shipper=shop
    ) as session:
        orders = session._planner.orders
        first = [line["lineitem_name"] for line in orders.lines([1, 2, 3, 4])]
        assert first == [
            "Selling Plans Ski Wax - Selling Plans Ski Wax",
            "The Collection Snowboard: Hydrogen",
            "The Collection Snowboard: Oxygen",
        ]
        assert any(
            "17 lines sold but not shipped" in note.text
            for note in session.load_report.of("dropped")
        )
        heads = orders.orders.sql
        assert orders.con.sql(
            f"SELECT row_numbers FROM {heads} WHERE row_number = 1"
        ).fetchall() == [([1, 2, 3, 4],)]


def test_a_cancelled_order_waits_and_a_fulfilled_one_is_told(shop):
    row = {
        "Name": "#1",
        "Financial Status": "paid",
        "Lineitem name": "Fox",
        "Lineitem quantity": "1",
        "Shipping Name": "Ada",
        "Cancelled at": None,
        "Fulfillment Status": "fulfilled",
    }
    with sk.BatchSession(
        [
            row,
            {
                **row,
                "Name": "#2",
                "Cancelled at": "2026-01-02 10:00:00 -0400",
                "Fulfillment Status": "Unfulfilled",
            },
        ],
        shipper=shop,
    ) as session:
        assert [
            (p["row_number"], p["code"], p["severity"])
            for p in session._planner.orders.problems.to_pylist()
        ] == [(2, "order_state", "error"), (1, "order_state", "warning")]
    with sk.BatchSession(shipper=shop) as session:
        session.load([{**row, "Cancelled at": "2026"}], layout=False)
        assert session.layout is None
        assert session._planner.orders.problems.num_rows == 0


def test_a_speed_of_a_shop_is_not_taken_for_a_service_of_the_same_name(shared, shop):
    path = shared / "orders" / "exports" / "amazon_new_orders_report.tsv"
    rows, problems, _ = shipments(path, shop)
    assert {row.get("service") for row in rows} == {None}
    assert (1, "service", "service_unknown") in problems
    rows, problems, _ = shipments(
        path, shop, services={"standard": "ground", "Expedited": "2nd_day_air"}
    )
    assert [row["service"] for row in rows] == ["ground", "ground", "2nd_day_air", "ground"]
    assert "service_unknown" not in {code for _, _, code in problems}


def test_an_ebay_report_with_preamble_footer_and_ragged_rows_gives_its_orders(
    shared, tmp_path, shop
):
    text = (
        (shared / "orders" / "exports" / "ebay_us_orders.csv")
        .read_text(encoding="utf-8")
        .rstrip("\n")
    )
    dirty = tmp_path / "report.csv"
    dirty.write_text(
        f"\n\n{text}\n2,1-02,buyer2,Ann Lee,c@d.com,,9 Elm,,Reno,NV,89501,US,Ann Lee,,9 "
        "Elm,,Reno,NV,89501,US,22,Hat\n\n83 record(s) downloaded,\nSeller ID : shop\n",
        encoding="utf-8",
    )
    rows, _, layout = shipments(dirty, shop)
    assert [(row["order_id"], row["name"], row["postal_code"]) for row in rows] == [
        ("1-01", "John Doe", "90210"),
        ("1-02", "Ann Lee", "89501"),
    ]
    assert layout.name == "ebay_us"


def square(order, **cells):
    return {
        "Order": order,
        "Order Date": "2025/12/18",
        "Order Total": "12.5",
        "Fulfillment Date": "12/18/2025, 1:58 PM",
        "Fulfillment Type": "Shipment",
        "Recipient Name": "Ada Lee",
        "Recipient Address": "1 Main St",
        "Recipient City": "Boston",
        "Recipient Region": "MA",
        "Recipient Postal Code": "02134",
        "Recipient Country": "US",
        "Item Quantity": "1",
        "Item Name": "Mug",
        **cells,
    }


def order_problems(rows, shop, **options):
    with sk.BatchSession(shipper=shop) as session:
        session.load(rows, **options)
        orders = session._planner.orders
        return orders.con.sql(
            f"SELECT row_numbers FROM {orders.orders.sql} ORDER BY row_number"
        ).fetchall(), [
            (p["row_number"], p["code"], p["problem"], p["fix"])
            for p in orders.problems.to_pylist()
        ]


def test_orders_of_one_name_are_neither_merged_nor_shipped_without_a_question(shop):
    rows = [
        square("DOORDASH"),
        square("Square Online 1", **{"Item Name": "Jar"}),
        square("DOORDASH", **{"Item Name": "Spoon"}),
        square("DOORDASH", **{"Recipient Name": "Bo Finch"}),
        square("DOORDASH", **{"Order Total": "9"}),
    ]
    groups, problems = order_problems(rows, shop)
    assert groups == [([1, 3],), ([2],), ([4],), ([5],)]
    assert [(row, code) for row, code, *_ in problems] == [
        (1, "order_rows_apart"),
        (1, "order_number_not_unique"),
        (4, "order_number_not_unique"),
        (5, "order_number_not_unique"),
    ]
    assert "3 orders have the number 'DOORDASH'" in problems[1][2]
    assert "Order Date, Fulfillment Date, Recipient Name, Order Total" in problems[1][3]


def test_a_column_with_a_number_of_its_own_settles_orders_of_one_name(shop):
    rows = [
        square("DOORDASH", **{"Order Name": "D-1"}),
        square("DOORDASH", **{"Order Name": "D-2", "Recipient Name": "Bo Finch"}),
    ]
    assert order_problems(rows, shop, order_key="Order Name") == ([([1],), ([2],)], [])


def test_an_order_of_one_name_that_ships_alone_is_no_question(shop):
    rows = [
        square("STOREFRONT", **{"Fulfillment Type": "Pickup"}),
        square("STOREFRONT", **{"Recipient Name": "Bo Finch"}),
    ]
    assert order_problems(rows, shop) == ([([2],)], [])


def test_an_order_without_an_address_waits(shop):
    with sk.BatchSession(
        [
            square(
                "Payment Link",
                **{
                    "Fulfillment Type": "Other",
                    "Recipient Country": "ZZ",
                    "Recipient Address": None,
                    "Recipient City": None,
                    "Recipient Region": None,
                    "Recipient Postal Code": None,
                },
            )
        ],
        shipper=shop,
    ) as session:
        session.map(service="ground", defaults={"weight_lb": 1})
        session.preview()
        assert {"ship_to.address_line1", "ship_to.country"} <= set(
            session.problems.query("severity == 'error'")["field"]
        )


@pytest.mark.parametrize(
    ("name", "headings", "why", "instead"),
    [
        (
            "magento_2_grid",
            (
                "ID,Purchase Point,Purchase Date,Bill-to Name,Ship-to Name,Grand Total "
                "(Base),Grand Total (Purchased),Status,Billing Address,Shipping Address,Shipping "
                "Information,Customer Email,Customer Group,"
                "Subtotal,Shipping and Handling,Customer Name,Payment Method,Total "
                "Refunded,Allocated sources,Pickup Location Code,Braintree Transaction "
                "Source,Dispute State"
            ),
            "one cell without a country",
            "sales_order_address",
        ),
        (
            "magento_1_grid",
            (
                "Order #,Purchased From (Store),Purchased On,Bill to Name,Ship to Name,G.T. "
                "(Base),G.T. (Purchased),Status"
            ),
            "no addresses",
            "sales_flat_order_address",
        ),
        (
            "woocommerce_analytics",
            (
                "Date,Order #,N. Revenue (formatted),Status,Customer,Customer "
                "type,Product(s),Items sold,Coupon(s),Net Sales,Attribution"
            ),
            "no addresses",
            "Advanced Order Export",
        ),
    ],
)
def test_an_export_without_addresses_is_refused_naming_the_export_to_use(
    tmp_path, shop, name, headings, why, instead
):
    path = tmp_path / "export.csv"
    path.write_text(f"{headings}\n{','.join('7' for _ in headings.split(','))}\n", encoding="utf-8")
    with sk.BatchSession(shipper=shop) as session:
        with pytest.raises(LayoutError) as refused:
            session.load(path)
        assert (
            refused.value.details["layout"],
            why in refused.value.message,
            instead in refused.value.fix,
        ) == (name, True, True)
        session.load(path, layout=False)
        assert session.layout is None


def test_a_layout_of_ones_own_goes_before_an_export_that_cannot_be_used(tmp_path):
    (tmp_path / "ours.toml").write_text(
        'recognised_by = ["Order #", "Street"]\n[fields]\norder_id = "Order #"\naddress_line1 = '
        '"Street"\n',
        encoding="utf-8",
    )
    headings = [*layouts.known_layouts()["magento_1_grid"].recognised_by, "Street"]
    assert layouts.recognise_layout(headings, layouts.known_layouts(tmp_path)).name == "ours"
