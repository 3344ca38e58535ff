"""A session with EasyPost from environment variables to a refunded label, over HTTP."""

from __future__ import annotations

import csv
import datetime as dt
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import shipkit as sk
from shipkit.carriers.host_walk import walk

from .conftest import SHOP, asked

ORDERS = [
    {
        "Order ID": f"A-{i}",
        "Name": name,
        "Address": f"{i} Oak Street",
        "City": city,
        "State": state,
        "Zip": code,
        "Weight (lb)": pounds,
    }
    for i, (name, city, state, code, pounds) in enumerate(
        [
            ("Ana Ruiz", "Austin", "TX", "73301", 2),
            ("Ben Cole", "Boston", "MA", "02134", 5),
            ("Chi Tran", "Denver", "CO", "80202", 1),
        ],
        start=1,
    )
]


@pytest.fixture
def served(server: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("SHIPKIT_EASYPOST_API_KEY", "EZTK_key_of_the_tests")
    monkeypatch.setenv("SHIPKIT_EASYPOST_ACCOUNT", "user_0e95f038c18f432fbc50f84855dc20c6")
    monkeypatch.setenv("SHIPKIT_EASYPOST_BASE_URL", server.url)
    return server


def test_two_variables_from_orders_to_labels_and_back(served: Any, tmp_path: Path) -> None:
    with sk.BatchSession(ORDERS, shipper=SHOP, carrier="easypost", label_format="png") as session:
        session.map(service="usps:ground_advantage", references={"po": "Order ID"})
        frame = session.preview()
        assert "...20c6" in repr(session)
        assert not session.live
        assert list(frame["cost_cents"]) == [625, 673, 609]
        assert list(frame["service"]) == ["usps:ground_advantage"] * 3
        session.approve()
        result = session.execute(progress=False)
        assert (result.status, result.shipped) == ("completed", 3)
        assert result.total_charged == session.summary.total == sk.Money.of("19.07")
        session.labels.save(tmp_path / "labels.pdf")
        assert (tmp_path / "labels.pdf").read_bytes().startswith(b"%PDF")
        assert list(session.track()["status"]) == ["in_transit"] * 3
        assert set(session.void(all=True)["state"]) == {"voided"}
    assert {one["refund"] for one in served.sold()} == {"submitted"}
    created = [body["shipment"] for _, path, body in served.seen if path == "/v2/shipments"]
    assert len(created) == 6, "one rating for a price, one shipment for a label"
    assert not any("service" in each for each in created), "never bought in one call"


def test_parcels_that_moved_between_two_looks(served: Any) -> None:
    with sk.BatchSession(ORDERS, shipper=SHOP, carrier="easypost", label_format="png") as session:
        session.map(service="usps:ground_advantage").preview()
        session.approve()
        session.execute(progress=False)
        job = session.job
        assert list(job.track(changes=True)["status"]) == ["in_transit"] * 3
        one, two, three = job.results()["tracking_number"]

        def scan(status: str, words: str, minute: int) -> dict[str, Any]:
            at = f"2026-11-29T09:{minute:02}:00Z"
            detail = {"message": words, "status": status, "datetime": at}
            return {"status": status, "tracking_details": [detail]}

        served.scans[one] = scan("delivered", "Delivered, Front Door/Porch", 1)
        served.scans[two] = scan("delivered", "Delivered, To Original Sender", 1)
        served.scans[three] = scan("failure", "Insufficient Address", 1)
        looks = [job.track(changes=True)]
        served.scans[one] = scan("out_for_delivery", "Out for Delivery", 2)
        looks.append(job.track(changes=True))
        assert [look[["status_before", "status"]].to_numpy().tolist() for look in looks] == [
            [
                ["in_transit", "delivered"],
                ["in_transit", "returned"],
                ["in_transit", "exception"],
            ],
            [["delivered", "out_for_delivery"]],
        ]
        assert job.track(changes=True).empty


def test_a_refund_is_money_back_when_the_carrier_says_so(served: Any) -> None:
    """USPS decides after weeks: until then the money is spent, and a label may stay paid for."""
    with sk.BatchSession(ORDERS, shipper=SHOP, carrier="easypost", label_format="png") as session:
        session.map(service="usps:ground_advantage").preview()
        session.approve()
        session.execute(progress=False)
        job = session.job
        frame = job.void("row_number < 3")
        assert frame["refund"].tolist() == ["submitted", "submitted"]
        assert (voided_at := frame["voided_at"].tolist())[0] is not None
        result = sk.BatchResult.of(job.store)
        assert (result.shipped, result.voided) == (1, 2)
        assert result.total_charged == sk.Money.of("19.07"), "nothing is back"
        assert ("  refund asked", "$12.98 for 2 voided shipments") in result.lines()
        first, second = frame["tracking_number"]

        job.track()  # nothing is decided yet
        assert job.results()["refund"].tolist()[:2] == ["submitted", "submitted"]
        served.decide_refunds("refunded", first)
        served.decide_refunds("rejected", second)
        job.track()
        frame = job.results()
        assert frame["refund"].fillna("").tolist() == ["refunded", "rejected", ""]
        assert frame["state"].tolist() == ["voided", "voided", "shipped"]
        assert frame["voided_at"].tolist()[:2] == voided_at, "the time of the void stays"
        result = sk.BatchResult.of(job.store)
        assert result.total_charged == sk.Money.of("12.82")
        assert ("  refund rejected", "$6.73 for 1 voided shipment") in result.lines()

        asked = served.calls["refund"]
        frame = job.void("row_number < 3")  # the rejected one is asked for again
        assert served.calls["refund"] == asked + 1
        assert frame["refund"].tolist() == ["refunded", "submitted"]
        served.decide_refunds("refunded", second)
        assert job.void("row_number = 2")["refund"].tolist() == ["refunded"]
        assert sk.BatchResult.of(job.store).total_charged == sk.Money.of("6.09")
        assert len(job.labels) == 1


def test_services_are_written_with_their_carrier_and_bare_where_one_fits(served: Any) -> None:
    texts = ["usps:priority", "UPS Ground", "Priority Mail", "easypost:usps:priority", "ground"]
    rows = [{**ORDERS[0], "Order ID": f"B-{i}", "Service": t} for i, t in enumerate(texts)]
    rows.append({**ORDERS[0], "Order ID": "B-9", "Service": "purolator:express"})
    with sk.BatchSession(rows, shipper=SHOP, carrier="easypost") as session:
        session.map()
        frame = session.preview()
    assert list(frame["service"])[:4] == [
        "usps:priority",
        "ups:ground",
        "usps:priority",
        "usps:priority",
    ]
    assert '"ground" may be ups:ground or fedex:ground' in frame["problem"][4]
    assert "is a service of purolator" in frame["problem"][5]


def test_the_cheapest_of_a_carrier_and_within_days(served: Any) -> None:
    with sk.BatchSession(ORDERS[:1], shipper=SHOP, carrier="easypost") as session:
        chosen = {}
        for rule in ("cheapest", "cheapest of ups", "cheapest within 2 days", "fastest"):
            session.map(service=rule)
            chosen[rule] = session.preview()["service"][0]
        assert chosen == {
            "cheapest": "usps:ground_advantage",
            "cheapest of ups": "ups:ground",
            "cheapest within 2 days": "usps:priority",
            "fastest": "usps:express",
        }
        assert len(session.shop()) == 5
    assert served.calls["create"] == 1, "one question for all of them"


def test_a_rule_chooses_no_service_that_does_not_take_the_parcel(served: Any) -> None:
    """A price is no promise: of USPS at 90 lb the row would wait, and UPS takes it."""
    rows = [{**ORDERS[0], "Weight (lb)": 90}, {**ORDERS[1], "Weight (lb)": 160}]
    with sk.BatchSession(rows, shipper=SHOP, carrier="easypost") as session:
        session.map(service="cheapest")
        frame = session.preview()
    assert frame["service"][0] == "ups:ground"
    assert "at most" in frame["problem"][1], "no service takes it, and the row says why"


def test_a_carrier_that_failed_is_in_the_preview_of_a_rule(served: Any) -> None:
    served.silent = frozenset({"UPS"})
    served.messages = [{"carrier": "UPS", "type": "rate_error", "message": "Too Many Requests"}]
    with sk.BatchSession(ORDERS[:1], shipper=SHOP, carrier="easypost") as session:
        session.map(service="cheapest")
        frame = session.preview()
        assert frame["service"][0] == "usps:ground_advantage"
        assert "UPS gave no price (Too Many Requests)" in frame["warnings"][0]
        assert session.summary.warnings == 1
        session.map(service="cheapest of usps")
        assert not session.preview()["warnings"][0], "UPS was not asked for"


def test_a_carrier_that_failed_at_one_account_is_said_when_another_account_sells(
    served: Any, tmp_path: Path
) -> None:
    """Chosen at the sandbox, because UPS gave EasyPost no price: it might have been cheaper."""
    served.silent = frozenset({"UPS"})
    served.messages = [{"carrier": "UPS", "type": "rate_error", "message": "Too Many Requests"}]
    served.dearer = Decimal(500)
    cheap = sk.SandboxCarrier(tmp_path / "books.db")
    both = {"easypost": "easypost", "cheap": cheap}
    home = tmp_path / "home"
    with sk.BatchSession(ORDERS[:1], shipper=SHOP, carriers=both, home=home) as session:
        session.map(service="cheapest")
        frame = session.preview()
        assert frame["seller"][0] == "cheap"
        [said] = session.problems.query("code == 'service_left_out'")["problem"]
        assert said.endswith(
            "easypost: UPS gave no price (Too Many Requests): another may be cheaper"
        )


def test_what_the_account_insures_by_itself_is_in_the_approved_total(served: Any) -> None:
    served.insures = Decimal(50)
    with sk.BatchSession(ORDERS, shipper=SHOP, carrier="easypost") as session:
        session.map(service="usps:priority")
        frame = session.preview()
        assert list(frame["other_cents"]) == [50] * 3
        assert session.summary.warnings == 3
        session.approve()
        result = session.execute(progress=False)
        assert result.total_charged == session.summary.total


def test_a_row_that_asks_for_what_easypost_does_not_have_waits(served: Any) -> None:
    rows = [
        {**ORDERS[0], "Direct delivery only": "yes", "Saturday delivery": ""},
        {**ORDERS[1], "Direct delivery only": "", "Saturday delivery": "yes"},
        {**ORDERS[2], "Direct delivery only": "", "Saturday delivery": ""},
    ]
    with sk.BatchSession(rows, shipper=SHOP, carrier="easypost") as session:
        session.map(service="usps:ground_advantage")
        frame = session.preview()
        assert list(frame["problem"].isna()) == [False, False, True]
        session.approve()
        result = session.execute(progress=False)
    assert result.shipped == 1
    assert len(served.sold()) == 1


@pytest.mark.parametrize(
    ("layout", "heading"),
    [("shopify", "Fulfillment: Tracking Company"), ("woocommerce", "tracking_provider")],
)
def test_marketplaces_are_told_the_carrier_that_moves_the_parcel(
    served: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, layout: str, heading: str
) -> None:
    monkeypatch.chdir(tmp_path)
    rows = [
        {**ORDERS[0], "Order Number": "1001", "Service": "usps:priority"},
        {**ORDERS[1], "Order Number": "1002", "Service": "ups:ground"},
    ]
    for row in rows:
        row["Order ID"] = row["Order Number"]
        del row["Order Number"]
    with sk.BatchSession(rows, shipper=SHOP, carrier="easypost") as session:
        session.map()
        session.preview()
        session.approve()
        session.execute(progress=False)
        written = session.write_back(layout=layout, allow_test_numbers=True)
    with Path(written.path).open(encoding="utf-8", newline="") as file:
        lines = [line for line in csv.reader(file) if heading in line or len(line) > 2]
    at = next(line for line in lines if heading in line).index(heading)
    assert [line[at] for line in lines if heading not in line] == ["USPS", "UPS"]


def test_a_second_preview_asks_nothing_again(served: Any) -> None:
    bases = []
    for service in ("usps:priority", "usps:priority", "ups:ground"):
        with sk.BatchSession(ORDERS, shipper=SHOP, carrier="easypost") as session:
            session.map(service=service)
            frame = session.preview()
            bases.append((set(frame["cost_basis"]), frame["cost_cents"].sum()))
    assert bases == [({"quoted"}, 2198), ({"cached"}, 2198), ({"quoted"}, 2951)]
    assert served.calls["create"] == 6


def test_a_kept_price_has_the_notes_of_its_row(served: Any) -> None:
    full = {f"Reference {n}": str(n) for n in (1, 2, 3)}
    for row, basis, noted in ((ORDERS[0], "quoted", False), (ORDERS[0] | full, "cached", True)):
        with sk.BatchSession([row], shipper=SHOP, carrier="easypost") as session:
            [line] = session.map(service="usps:priority").preview().to_dict("records")
        assert line["cost_basis"] == basis
        assert ("order number is not on the label" in str(line["warnings"])) is noted


def test_a_price_with_a_warning_is_asked_for_again(served: Any) -> None:
    served.messages = [{"carrier": "USPS", "type": "rate_error", "message": "Too Many Requests"}]
    for said in (True, True, False):
        with sk.BatchSession(ORDERS[:1], shipper=SHOP, carrier="easypost") as session:
            session.map(service="usps:priority")
            assert ("Too Many Requests" in session.preview()["warnings"][0]) is said
        if served.calls["create"] == 2:
            served.messages = []
    assert served.calls["create"] == 3


def test_the_check_walks_the_test_host_and_costs_nothing(served: Any, easypost: Any) -> None:
    found = asked(easypost(), walk)
    assert found.differences == []
    assert [step.name for step in found.steps] == [
        "compare",
        "price",
        "prepare",
        "buy",
        "label file",
        "look up",
        "track",
        "price of a pickup",
        "pickup",
        "pickup after a lost answer",
        "pickup status",
        "cancel the pickup",
        "cancel after a lost answer",
        "void",
        "void again",
        "prepare for the manifest",
        "manifest",
        "manifest after a lost answer",
        "void after the manifest",
    ]
    assert {one["refund"] for one in served.sold()} == {"submitted"}
    assert [one["status"] for one in served.pickups.values()] == ["canceled"]


def test_a_ship_date_far_ahead_is_a_warning_of_the_preview(served: Any) -> None:
    far = dt.datetime.now(dt.UTC).date() + dt.timedelta(days=60)
    orders = [{**ORDERS[0], "Ship Date": far.isoformat()}]
    with sk.BatchSession(orders, shipper=SHOP, carrier="easypost") as session:
        session.map(service="usps:ground_advantage")
        assert "USPS makes labels at most 7 days ahead" in session.preview()["warnings"][0]
        session.map(service="cheapest of usps")
        assert "USPS makes labels at most 7 days ahead" in session.preview()["warnings"][0]


def test_a_name_in_other_letters_is_a_warning_of_its_row(served: Any) -> None:
    orders = [ORDERS[0], {**ORDERS[0], "Order ID": "A-9", "Name": "张伟"}]
    with sk.BatchSession(orders, shipper=SHOP, carrier="easypost") as session:
        session.map(service="usps:ground_advantage")
        told = ["Latin letters" in str(text) for text in session.preview()["warnings"]]
    assert told == [False, True], "one price, and a warning of one row"
