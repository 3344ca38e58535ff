"""A session with USPS from environment variables to canceled labels, over HTTP, and its check."""

from __future__ import annotations

import dataclasses
import json
import warnings
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.compute as pc
import pytest

import shipkit as sk
from shipkit.carriers.account_checks import AccountChecks
from shipkit.carriers.usps.call_quota import CallQuota
from shipkit.carriers.usps.quota_forecast import forecast
from shipkit.cli import main

from .conftest import SHOP

ENVIRONMENT = {
    "CLIENT_ID": "client-of-the-tests",
    "CLIENT_SECRET": "s3cret-of-the-tests",
    "ACCOUNT": "1000012345",
    "CRID": "987654321",
    "MID": "903456789",
    "QUOTA_PER_HOUR": "10000",
}
ORDERS = [
    {
        "Order ID": f"A-{i}",
        "Name": name,
        "Address": street,
        "City": city,
        "State": state,
        "Zip": code,
        "Weight (lb)": pounds,
        "Length (in)": 10,
        "Width (in)": 8,
        "Height (in)": 4,
    }
    for i, (name, street, city, state, code, pounds) in enumerate(
        [
            ("Ana Ruiz", "1 Oak Street", "Austin", "TX", "73301", 2),
            ("Ben Cole", "PO Box 12", "Boston", "MA", "02134", 5),
            ("Chi Tran", "3 Oak Street", "Denver", "CO", "80202", 0.5),
        ],
        start=1,
    )
]


@pytest.fixture
def served(server: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    for name, value in {**ENVIRONMENT, "BASE_URL": server.url}.items():
        monkeypatch.setenv(f"SHIPKIT_USPS_{name}", value)
    return server


def test_from_orders_to_labels_and_back(served: Any, tmp_path: Path) -> None:
    with sk.BatchSession(ORDERS, shipper=SHOP, carrier="usps", label_format="png") as session:
        session.map(service="ground_advantage")
        frame = session.preview()
        assert "...2345" in repr(session)
        assert not session.live
        assert frame["problem"].isna().all(), "a PO box is served"
        session.approve()
        result = session.execute(progress=False)
        assert (result.status, result.shipped) == ("completed", 3)
        assert result.total_charged == session.summary.total
        session.labels.save(tmp_path / "labels.pdf")
        assert (tmp_path / "labels.pdf").read_bytes().startswith(b"%PDF")
        assert list(session.track()["status"]) == ["not_found"] * 3
        assert set(session.void(all=True)["state"]) == {"voided"}
    assert {one["state"] for one in served.sold()} == {"canceled"}
    assert (served.calls["token"], served.calls["payment"]) == (1, 1)
    assert served.calls["prices"] == 3, "one question for a price, none for a label"


def test_a_second_preview_asks_nothing_and_a_rule_knows_days(served: Any) -> None:
    bases = []
    for _ in range(2):
        with sk.BatchSession(ORDERS, shipper=SHOP, carrier="usps") as session:
            session.map(service="usps:priority")
            bases.append(set(session.preview()["cost_basis"]))
    assert bases == [{"quoted"}, {"cached"}]
    assert served.calls["prices"] == 3
    with sk.BatchSession(ORDERS[:1], shipper=SHOP, carrier="usps") as session:
        chosen = {}
        rules = ("cheapest", "cheapest within 2 days", "fastest", "cheapest of usps, media mail")
        for rule in rules:
            session.map(service=rule)
            chosen[rule] = session.preview()["service"][0]
    assert chosen == {
        "cheapest": "ground_advantage",  # and not Library Mail, which is for libraries' books
        "cheapest within 2 days": "priority",
        "fastest": "express",
        "cheapest of usps, media mail": "media_mail",
    }
    with sk.BatchSession(ORDERS[:1], shipper=SHOP, carrier="usps") as session:
        session.map(service="cheapest")
        offers = session.shop().set_index("service")
    assert offers["warnings"]["library_mail"].startswith("only for books and media between")
    assert offers.index[offers["cheapest"]].tolist() == ["ground_advantage"]
    assert served.calls["options"] == 1, "one question for all of them"


def test_parcels_that_moved_between_two_looks(served: Any) -> None:
    def scan(category: str, text: str, hour: int) -> dict[str, Any]:
        event = {
            "eventType": text,
            "eventTimestamp": f"2026-11-29T{hour:02}:10:00",
            "eventCity": "AUSTIN",
            "eventCode": "01" if category == "Delivered" else "10",
        }
        return {"statusCategory": category, "statusSummary": text, "trackingEvents": [event]}

    with sk.BatchSession(ORDERS, shipper=SHOP, carrier="usps") as session:
        session.map(service="ground_advantage").preview()
        session.approve()
        session.execute(progress=False)
        job = session.job
        served.unscanned = False
        assert list(job.track(changes=True)["status"]) == ["picked_up"] * 3
        assert job.track(changes=True).empty
        one, two, three = job.results()["tracking_number"]

        def moved() -> list[tuple[str, str, str]]:
            frame = job.track(changes=True)[["tracking_number", "status_before", "status"]]
            return [tuple(line) for line in frame.to_numpy().tolist()]

        served.scans[one] = scan("Delivered", "Delivered, Front Door/Porch", 9)
        served.scans[two] = scan("Delivered", "Delivered, To Agent for Final Delivery", 9)
        assert moved() == [(one, "picked_up", "delivered"), (two, "picked_up", "in_transit")]
        # USPS takes a delivery back, another one goes back to the sender.
        served.scans[one] = scan("In-Transit", "Arrived at USPS Facility", 10)
        served.scans[three] = scan("Delivered", "Delivered, To Original Sender", 10)
        assert moved() == [(one, "delivered", "in_transit"), (three, "picked_up", "returned")]
        served.unscanned = True  # numbers that USPS does not know any more are news
        assert [status for _, _, status in moved()] == ["not_found"] * 3
        assert not job.track()["delivered"].any()


def test_days_of_a_named_service_are_those_of_a_comparison_that_is_kept(served: Any) -> None:
    """The price API knows none: a rule chose by days that the preview then did not have."""

    def days(service: str) -> list[int | None]:
        with sk.BatchSession(ORDERS, shipper=SHOP, carrier="usps") as session:
            found = session.map(service=service).preview()["transit_days"]
            return [None if pd.isna(day) else int(day) for day in found]

    assert days("priority") == [None] * 3, "nothing was compared: not asked for, as the quota is 60"
    chosen = days("cheapest of usps:priority within 4 days")
    assert None not in chosen
    assert days("priority") == chosen
    assert served.calls["options"] == 3


def test_a_service_without_what_a_row_asks_for_is_named_with_the_reason(served: Any) -> None:
    with sk.BatchSession(ORDERS[:1], shipper=SHOP, carrier="usps") as session:
        session.map(service="cheapest of usps, media mail", defaults={"signature": "adult"})
        assert session.preview()["service"][0] == "ground_advantage"
        [said] = session.problems.query("code == 'service_left_out'")["problem"]
        offers = session.shop().set_index("service")
    assert said == (
        "ground_advantage was chosen; Media Mail is left out: USPS has no price for Adult "
        "Signature with Media Mail for this parcel."
    )
    assert "Media Mail is left out" in offers["warnings"]["ground_advantage"]


def test_what_was_charged_above_the_quotes_is_in_the_result(served: Any) -> None:
    """USPS states a price with the label only: one that rose meanwhile is charged, and said."""
    with sk.BatchSession(ORDERS, shipper=SHOP, carrier="usps") as session:
        session.map(service="ground_advantage")
        session.preview()
        session.approve()
        approved = session.summary.total
        served.dearer = Decimal("0.50")
        result = session.execute(progress=False)
        count = len(ORDERS)
        assert (result.status, result.above_quotes.shipments) == ("completed", count)
        assert result.total_charged.cents == approved.cents + 50 * count
        said = dict(result.lines())["  above the quotes"]
        assert said == f"${0.5 * count:.2f} for {count} shipments"
        assert said in result._repr_html_()


def test_how_long_the_quota_takes_is_a_warning_before_anything_is_asked(
    served: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHIPKIT_USPS_QUOTA_PER_HOUR", "2")
    with sk.BatchSession(ORDERS, shipper=SHOP, carrier="usps") as session:
        session.map(service="ground_advantage")
        with pytest.raises(
            UserWarning, match="At your quota"
        ) as caught:  # warnings are errors here
            session.preview()
    assert str(caught.value).startswith(
        "At your quota of 2 requests an hour to each API of USPS (account ...2345), this batch "
        "takes 3 price questions about 1 hour and 3 labels about 1 hour."
    )
    assert served.calls == {}


def test_where_accounts_are_compared_the_forecast_is_of_what_may_be_bought_here(
    served: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Which rows are USPS's is known after the prices: until then it is a most."""
    monkeypatch.setenv("SHIPKIT_USPS_QUOTA_PER_HOUR", "3")
    alike = [{**ORDERS[0], "Order ID": f"A-{n}", "Address": f"{n} Oak St"} for n in range(1, 9)]
    alike[0]["Service"] = "usps:ground_advantage"
    for order in alike[1:]:
        order["Service"] = "cheapest"
    said = {}
    for name, factor in (("cheap", 0), ("dear", 100)):
        card = sk.RateCard.synthetic()
        at = card.rates.schema.get_field_index("cents")
        cents = pc.add(pc.multiply(card.rates.column("cents"), factor), 1)
        card = dataclasses.replace(card, rates=card.rates.set_column(at, "cents", cents))
        other = sk.SandboxCarrier(tmp_path / f"{name}.db", card=card)
        accounts = {"usps": "usps", "other": other}
        with (
            sk.BatchSession(
                alike, shipper=SHOP, carriers=accounts, home=tmp_path / name
            ) as session,
            warnings.catch_warnings(record=True) as caught,
        ):
            warnings.simplefilter("always")
            sellers = session.preview()["seller"].tolist()
        texts = [str(each.message).partition("batch takes ")[2] for each in caught]
        said[name] = (sellers.count("usps"), [text.partition(".")[0] for text in texts])
    most = "up to 7 labels about 2 hours"
    assert said == {"cheap": (1, [most]), "dear": (8, [most, "8 labels about 2 hours"])}


@pytest.mark.parametrize(
    ("asked", "compare", "later", "said"),
    [
        ((5, 0, 5), False, 0, None),
        ((6, 1, 9), False, 0, "7 price questions about 1 hour and 9 labels about 1 hour"),
        ((5, 9, 5), False, 0, "14 price questions about 1 hour"),
        ((5, 0, 5), True, 6, "up to 6 more for what a rule chooses about 1 hour"),
        (
            (12, 0, 30),
            True,
            12,
            (
                "12 price questions about 2 hours, up to 12 more for what a rule chooses about "
                "2 hours and up to 30 labels about 5 hours"
            ),
        ),
    ],
)
def test_the_forecast_counts_each_api_by_itself(
    asked: tuple[int, int, int], compare: bool, later: int, said: str | None
) -> None:
    quota = CallQuota(5)
    assert forecast(quota.needed_s, *asked, compare=compare, later=later) == said


def test_the_check_walks_the_test_host_and_is_kept_with_its_date(
    served: Any, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    assert main(["carriers", "check", "usps", "--home", str(home)]) == 0
    out = capsys.readouterr().out
    assert "repeat with its key" in out
    assert "the same label" in out
    assert [one["state"] for one in served.sold()] == ["canceled", "sold"], "one is on a form"
    assert "pickup after a lost answer" in out
    assert served.pickups == {}
    kept = AccountChecks(home).last("usps", ENVIRONMENT["ACCOUNT"])
    assert kept is not None
    assert (kept.repeat_is_same, kept.differences) == (True, ())
    text = (home / "checks" / "usps.json").read_text()
    assert ENVIRONMENT["ACCOUNT"] not in text
    assert "s3cret" not in text
    monkeypatch.setenv("SHIPKIT_HOME", str(home))
    monkeypatch.setenv("SHIPKIT_USPS_ENV", "live")
    assert sk.USPS.from_env().absence_is_proof_after_s is not None
    monkeypatch.setenv("SHIPKIT_USPS_ACCOUNT", "1000099999")
    assert sk.USPS.from_env().absence_is_proof_after_s is None, "another account"


def test_the_check_of_a_host_that_ignores_keys_says_so_and_voids_both(
    served: Any, tmp_path: Path, capsys: Any
) -> None:
    served.honors_keys = False
    args = ["carriers", "check", "usps", "--home", str(tmp_path), "--json"]
    assert main(args) == 2
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert lines[-1]["repeat_is_same"] is False
    assert any("another label" in text for text in lines[-1]["differences"])
    assert [one["state"] for one in served.sold()] == ["canceled", "canceled", "sold"]
    assert AccountChecks(tmp_path).last("usps", ENVIRONMENT["ACCOUNT"]).repeat_is_same is False


def test_the_check_refuses_a_live_account_before_anything_is_sent(
    served: Any, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHIPKIT_USPS_ENV", "live")
    assert main(["carriers", "check", "usps", "--home", str(tmp_path)]) == 1
    assert "is a live account, and a check buys labels" in capsys.readouterr().err
    assert served.calls == {}


def test_a_name_in_other_letters_is_a_warning_of_its_row(served: Any) -> None:
    orders = [ORDERS[0], {**ORDERS[0], "Order ID": "A-9", "Name": "张伟"}]
    with sk.BatchSession(orders, shipper=SHOP, carrier="usps") as session:
        session.map(service="ground_advantage")
        told = ["Latin letters" in str(text) for text in session.preview()["warnings"]]
    assert told == [False, True], "one price, and a warning of one row"
