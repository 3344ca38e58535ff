"""A session with UPS from environment variables to a voided label, over HTTP."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import shipkit as sk
from shipkit.carriers.account_checks import AccountChecks
from shipkit.cli import main
from shipkit.errors import AuthenticationFailed

ORDERS = [
    {
        "Order ID": "A-1",
        "Name": "Ana Ruiz",
        "Address": "12 Oak Street",
        "City": "Austin",
        "State": "TX",
        "Zip": "73301",
        "Weight (lb)": 2,
    },
    {
        "Order ID": "A-2",
        "Name": "Ben Cole",
        "Address": "9 Ambiguous Ave",
        "City": "Boston",
        "State": "MA",
        "Zip": "02134",
        "Weight (lb)": 5,
    },
    {
        "Order ID": "A-3",
        "Name": "Chi Tran",
        "Address": "4 Bay Street",
        "City": "Denver",
        "State": "CO",
        "Zip": "80202",
        "Weight (lb)": 1,
    },
]


@pytest.fixture
def ups_env(server: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    for name, value in {
        "CLIENT_ID": "client-of-the-tests",
        "CLIENT_SECRET": "s3cret-of-the-tests",
        "ACCOUNT": "A1B2C3",
        "BASE_URL": server.url,
    }.items():
        monkeypatch.setenv(f"SHIPKIT_UPS_{name}", value)
    return server


def test_three_variables_from_orders_to_labels_and_back(
    ups_env: Any, shop: sk.Address, tmp_path: Path
) -> None:
    with sk.BatchSession(ORDERS, shipper=shop, service="ground", carrier="ups") as session:
        session.map(service="ground", references={"po": "Order ID"})
        frame = session.preview()
        assert "...B2C3" in repr(session)
        assert not session.live
        assert (
            frame["base_cents"]
            + frame["fuel_cents"]
            + frame["residential_cents"]
            + frame["delivery_area_cents"]
            + frame["other_cents"]
            == frame["cost_cents"]
        ).all()
        session.approve()
        result = session.execute(progress=False)
        assert (result.status, result.shipped) == ("completed", 3)
        assert result.total_charged == session.summary.total
        session.labels.save(tmp_path / "labels.pdf")
        assert (tmp_path / "labels.pdf").read_bytes().startswith(b"%PDF")
        assert [s.references[-1] for s in ups_env.shipments] == ["A-1", "A-2", "A-3"]
        tracked = session.track()
        assert list(tracked["status"]) == ["label_created"] * 3
        assert set(session.void(all=True)["state"]) == {"voided"}
    assert ups_env.alive == []
    assert ups_env.objections == []


def test_return_labels_with_each_parcel_from_preview_to_the_file(
    ups_env: Any, shop: sk.Address, tmp_path: Path
) -> None:
    source = tmp_path / "orders.csv"
    pd.DataFrame(ORDERS).to_csv(source, index=False)
    with sk.BatchSession(source, shipper=shop, service="ground", carrier="ups") as session:
        session.map(service="ground", returns="with_each")
        assert session.preview()["cost"].notna().all()
        session.approve()
        assert session.execute(progress=False).shipped == 6
        results = session.results().set_index("row_number")
        assert session.labels.save(tmp_path / "labels.pdf").labels == 6
        written = pd.read_csv(session.write_back(tmp_path / "out.csv", allow_test_numbers=True))
    for row, order in enumerate(written.itertuples(), 1):
        assert order.tracking_number == results.loc[row, "tracking_number"]
        assert order.return_tracking_number == results.loc[row + 10, "tracking_number"]
    assert written["return_tracking_number"].nunique() == 3
    assert ups_env.objections == []


def test_a_second_preview_asks_nothing_again(ups_env: Any, shop: sk.Address) -> None:
    bases = []
    for _ in range(2):
        with sk.BatchSession(ORDERS, shipper=shop, service="ground", carrier="ups") as session:
            bases.append(set(session.preview()["cost_basis"]))
    assert bases == [{"quoted"}, {"cached"}]
    assert ups_env.calls["rate"] == 3


def test_a_rule_chooses_among_what_ups_sells(ups_env: Any, shop: sk.Address) -> None:
    with sk.BatchSession(ORDERS[:1], shipper=shop, carrier="ups") as session:
        chosen = {}
        for rule in ("cheapest", "fastest", "cheapest within 2 days"):
            session.map(service=rule)
            chosen[rule] = session.preview()["service"][0]
        session.map(service="cheapest within 0 days")
        assert session.preview()["problem"].notna().all()
        offered = session.shop()
    assert chosen == {
        "cheapest": "ground_saver",  # Shop does not list it
        "fastest": "next_day_air_saver",
        "cheapest within 2 days": "2nd_day_air",
    }
    assert len(offered) == 8
    assert offered["cheapest"].sum() == offered["fastest"].sum() == 1


def test_address_suggestions_become_visible_edits_and_move_the_plan(
    ups_env: Any, shop: sk.Address
) -> None:
    with sk.BatchSession(ORDERS, shipper=shop, service="ground", carrier="ups") as session:
        before = session.preview()
        checks = session.validate_addresses()
        assert list(checks["status"]) == ["corrected", "ambiguous", "corrected"]
        assert session.edits.empty
        session.validate_addresses(accept=True)
        assert list(session.edits["action"]) == ["accept", "accept"]
        after = session.preview()
        assert list(after["postal_code"]) == ["73301-1234", "02134", "80202-1234"]
        assert list(after["cost_cents"] - before["cost_cents"]) == [
            565,
            0,
            565,
        ]  # they are homes, and that costs


LINES = [
    {
        "Order ID": "B-1",
        "Name": "Jürgen Groß",
        "Address": "Schönhauser Allee 6",
        "City": "Berlin",
        "Zip": "10119",
        "Country": "DE",
        "Phone": "+49 30 1234567",
        "Item": "Cotton T-shirt",
        "Qty": 2,
        "Price": "15.00",
        "HS Code": "6109.10",
    },
    {
        "Order ID": "B-1",
        "Name": "",
        "Address": "",
        "City": "",
        "Zip": "",
        "Country": "",
        "Phone": "",
        "Item": "Mug",
        "Qty": 1,
        "Price": "9.50",
        "HS Code": "",
    },
]
TEMPLATE = """{
  "order_id": {{ row["Order ID"] | tojson }},
  "ship_to": {"name": {{ row["Name"] | tojson }}, "phone": {{ row["Phone"] | tojson }},
    "address_line1": {{ row["Address"] | tojson }},
              "city": {{ row["City"] | tojson }}, "postal_code": {{ row["Zip"] | tojson }},
                "country": {{ row["Country"] | tojson }}},
  "service": "worldwide_saver",
  "parcels": [{"weight_lb": 3}],
  "customs": {"reason": "sale", "duties_payer": "shipper", "terms": "DDP", "items": [
    {% for line in lines %}{"description": {{ line["Item"] | tojson }},
      "quantity": {{ line["Qty"] }}, "unit_value": {{ line["Price"] | tojson }},
     "hs_code": {{ line["HS Code"] | tojson }},
       "origin_country": "US"}{{ "," if not loop.last }}{% endfor %}]}
}"""


def test_an_order_of_two_lines_goes_abroad_with_an_invoice_of_two_lines(
    ups_env: Any, shop: sk.Address, tmp_path: Path
) -> None:
    with sk.BatchSession(LINES, shipper=shop, template=TEMPLATE, carrier="ups") as session:
        frame = session.preview()
        assert list(frame["problem"].isna()) == [True], list(frame["problem"])
        session.approve()
        assert session.execute(progress=False).shipped == 1
        kinds = [
            label.kind
            for _, labels in [(1, session.store.labels())]
            for stored in labels
            for label in getattr(stored, "labels", [stored])
        ]
        assert sorted(kinds) == ["document", "label"]
    [ship] = [body for _, path, _, body in ups_env.seen if path.endswith("/ship")]
    forms = ship["ShipmentRequest"]["Shipment"]["ShipmentServiceOptions"]["InternationalForms"]
    assert [
        (p["Description"], p["Unit"]["Number"], p["Unit"]["Value"], p.get("CommodityCode"))
        for p in forms["Product"]
    ] == [(["Cotton T-shirt"], "2", "15.00", "610910"), (["Mug"], "1", "9.50", None)]
    assert (forms["InvoiceNumber"], forms["TermsOfShipment"]) == ("B-1", "DDP")
    assert [
        c["Type"]
        for c in ship["ShipmentRequest"]["Shipment"]["PaymentInformation"]["ShipmentCharge"]
    ] == ["01", "02"]
    assert ups_env.objections == []


def test_columns_alone_make_an_invoice_once_what_is_the_same_for_all_was_said(
    ups_env: Any, shop: sk.Address
) -> None:
    told = {"service": "worldwide_saver", "weights": "order", "columns": {"unit_price": "Price"}}
    with sk.BatchSession(
        [{**line, "weight_lb": 3} for line in LINES], shipper=shop, carrier="ups"
    ) as session:
        assert (
            "need an invoice"
            in session.map(**{**told, "columns": None}).preview()["problem"].iloc[0]
        ), "what a Price is of is not guessed"
        assert "country where the item was made" in session.map(**told).preview()["problem"].iloc[0]
        session.map(**told, defaults={"origin_country": "US", "duties_payer": "shipper"})
        frame = session.preview()
        assert list(frame["problem"].isna()) == [True], list(frame["problem"])
        session.approve()
        assert session.execute(progress=False).shipped == 1
    [ship] = [body for _, path, _, body in ups_env.seen if path.endswith("/ship")]
    forms = ship["ShipmentRequest"]["Shipment"]["ShipmentServiceOptions"]["InternationalForms"]
    assert [
        (p["Description"], p["Unit"]["Number"], p["Unit"]["Value"], p["OriginCountryCode"])
        for p in forms["Product"]
    ] == [(["Cotton T-shirt"], "2", "15.00", "US"), (["Mug"], "1", "9.50", "US")]
    assert [
        c["Type"]
        for c in ship["ShipmentRequest"]["Shipment"]["PaymentInformation"]["ShipmentCharge"]
    ] == ["01", "02"]
    assert ups_env.objections == []


def test_a_domestic_service_abroad_is_a_problem_with_a_fix(ups_env: Any, shop: sk.Address) -> None:
    abroad = [
        {
            **ORDERS[0],
            "City": "Berlin",
            "State": "",
            "Zip": "10119",
            "Country": "DE",
            "Phone": "+49 30 1234567",
        }
    ]
    with sk.BatchSession(abroad, shipper=shop, service="ground", carrier="ups") as session:
        frame = session.preview()
        told = session.problems
    assert frame["cost_cents"].isna().all()
    assert list(frame["problem"]) == ["service: UPS Ground does not run from US to DE"]
    assert list(told["fix"][told["field"] == "service"]) == [
        (
            "Choose another, by a service column or map(service=...): session.shop() lists what "
            "goes there."
        )
    ]
    assert ups_env.calls["rate"] == 0


def test_wrong_credentials_end_a_preview_with_the_variables_to_check(
    ups_env: Any, shop: sk.Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHIPKIT_UPS_CLIENT_SECRET", "wrong")
    with (
        sk.BatchSession(ORDERS, shipper=shop, service="ground", carrier="ups") as session,
        pytest.raises(AuthenticationFailed, match="SHIPKIT_UPS_CLIENT_SECRET"),
    ):
        session.preview()


def test_the_check_walks_the_test_host_and_is_kept(ups_env: Any, tmp_path: Path, capsys: Any):
    assert main(["carriers", "check", "ups", "--home", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert all(step in out for step in ("compare", "price", "buy", "look up", "track", "void"))
    assert "pickup after a lost answer" in out, "our reference is in UPS's list"
    assert [one["state"] for one in ups_env.pickups.values()] == ["007"]
    kept = AccountChecks(tmp_path).last("ups", "A1B2C3")
    assert kept is not None
    assert kept.differences == ()


def test_a_column_that_has_the_shipper_pay_duties_reaches_the_wire(
    ups_env: Any, shop: sk.Address
) -> None:
    rows = [{**line, "weight_lb": 3, "Duties Payer": "DDP"} for line in LINES]
    with sk.BatchSession(rows, shipper=shop, carrier="ups") as session:
        session.map(
            service="worldwide_saver",
            weights="order",
            columns={"unit_price": "Price"},
            defaults={"origin_country": "US"},
        )
        assert session.preview()["problem"].isna().tolist() == [True]
    [rate] = [body for _, path, _, body in ups_env.seen if "/rating/" in path]
    charges = rate["RateRequest"]["Shipment"]["PaymentDetails"]["ShipmentCharge"]
    assert charges[1] == {"Type": "02", "BillShipper": {"AccountNumber": "A1B2C3"}}
    assert ups_env.objections == []


def test_shop_shows_what_a_rule_may_choose(ups_env: Any, shop: sk.Address) -> None:
    # UPS prices Ground to a PO box, and does not deliver there.
    places = [
        {"Address": "12 Oak Street"},
        {"Address": "P.O. Box 55"},
        {"Address": "PSC 809 Box 2394", "City": "FPO", "State": "AE", "Zip": "09626"},
        {"Address": "P.O. Box 56", "Packaging": "PAK"},  # not with Ground Saver
    ]
    orders = [{**ORDERS[0], "Order ID": f"S-{n}", **place} for n, place in enumerate(places, 1)]
    with sk.BatchSession(orders, shipper=shop, carrier="ups") as session:
        session.map(service="cheapest")
        offered = session.shop()
        preview = session.preview()
    by_row = dict(iter(offered.groupby("row_number")))
    assert len(by_row[1]) == 8
    assert by_row[1]["warnings"].isna().all()
    for n in (2, 3):
        assert by_row[n]["service"].tolist() == ["ground_saver"]
        assert by_row[n]["cheapest"].tolist() == [True]
    assert "Ground, 3 Day Select" in by_row[2]["warnings"].iloc[0]
    assert by_row[2]["warnings"].iloc[0].endswith("more do not deliver to PO boxes")
    assert by_row[4]["service"].isna().all()
    assert "do not deliver to PO boxes" in by_row[4]["problem"].iloc[0]
    assert preview["service"].tolist()[:3] == ["ground_saver"] * 3
    assert "does not deliver to PO boxes" in preview["problem"][3]
