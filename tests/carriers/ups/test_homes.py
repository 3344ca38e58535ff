"""Homes: what UPS's address check says becomes the row's value and its price."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

import shipkit as sk
from shipkit.errors import AnswerLost, InputError

_RESIDENTIAL = 565  # what the server adds for a home: UPS's charge of January 2024
ROWS = [
    {
        "Order ID": "H-1",
        "Name": "Ana Ruiz",
        "Address": "12 OAK ST",
        "City": "AUSTIN",
        "State": "TX",
        "Zip": "73301",
        "Weight (lb)": 2,
    },
    {
        "Order ID": "H-2",
        "Name": "Ben Cole",
        "Address": "9 ELM AVE SUITE 4",
        "City": "BOSTON",
        "State": "MA",
        "Zip": "02134",
        "Weight (lb)": 5,
    },
    {
        "Order ID": "H-3",
        "Name": "Chi Tran",
        "Address": "1 AMBIGUOUS AVE",
        "City": "DENVER",
        "State": "CO",
        "Zip": "80202",
        "Weight (lb)": 1,
    },
]


@pytest.fixture
def session(server: Any, shop: sk.Address, tmp_path: Path) -> Iterator[sk.BatchSession]:
    carrier = sk.UPS(
        "client-of-the-tests",
        SecretStr("s3cret-of-the-tests"),
        "A1B2C3",
        base_url=server.url,
        today=lambda: dt.date(2026, 11, 22),
    )
    with sk.BatchSession(
        ROWS, shipper=shop, service="ground", carrier=carrier, home=tmp_path
    ) as session:
        yield session


def test_what_the_address_check_says_is_the_value_and_the_price(
    session: sk.BatchSession, server: Any
) -> None:
    # woocommerce#12490 ($10.65 quoted, $14.91 billed), nopCommerce#8307, DotNetShipping#20
    before = session.preview()
    assert list(before["home"]) == ["unknown"] * 3
    assert "not known of 3 addresses, priced as businesses" in str(session.summary)
    checks = session.validate_addresses(accept=True)
    assert list(checks["status"]) == ["valid", "valid", "ambiguous"]
    after = session.preview()
    assert list(after["home"]) == ["yes", "no", "unknown"]
    assert list(after["cost_cents"] - before["cost_cents"]) == [_RESIDENTIAL, 0, 0]
    assert list(session.edits["reason"]) == ["valid: a home", "valid: a business"]
    assert "not known of 1 address, priced as businesses" in str(session.summary)
    session.skip("order_id <> 'H-1'")
    session.preview()
    session.approve()
    result = session.execute(progress=False)
    assert result.total_charged.cents == after["cost_cents"][0], "bought as it was priced"
    assert session.validate_addresses().shape[0] == 3


@pytest.mark.parametrize(
    ("choice", "priced", "other"),
    [("unknown is home", "homes", -_RESIDENTIAL), ("unknown is business", "businesses", 565)],
)
def test_unknown_is_priced_by_choice_with_the_other_price_beside_it(
    session: sk.BatchSession, choice: str, priced: str, other: int
) -> None:
    plain = session.preview()
    session.map(service="ground", residential=choice)
    frame = session.preview()
    assert list(frame["home"]) == ["unknown"] * 3, "an assumption is not knowledge"
    assert list(frame["other_way_cents"] - frame["cost_cents"]) == [other] * 3
    home = _RESIDENTIAL if priced == "homes" else 0
    assert list(frame["cost_cents"] - plain["cost_cents"]) == [home] * 3
    assert f"not known of 3 addresses, priced as {priced}" in str(session.summary)
    checks = session.validate_addresses(accept=True)
    assert checks["residential_before"].isna().all()
    assert list(session.preview()["home"]) == ["yes", "no", "unknown"], (
        "known, whatever was assumed"
    )
    session.edit("order_id = 'H-1'", residential=False)
    session.edit("order_id = 'H-2'", residential=None)
    known = session.preview()
    assert list(known["home"]) == ["no", "unknown", "unknown"]
    assert known["other_way_cents"].isna().tolist() == [True, False, False]


def test_a_price_of_the_other_way_that_is_not_told_is_a_warning(
    session: sk.BatchSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    session.map(service="ground", residential="unknown is home")
    usual, asked = session.carrier.quote_table, []

    async def first_only(*question: Any) -> Any:
        asked.append(question)
        if len(asked) > 1:
            raise AnswerLost("UPS answered 503.")
        return await usual(*question)

    monkeypatch.setattr(session.carrier, "quote_table", first_only)
    frame = session.preview()
    assert frame["cost_cents"].notna().all()
    assert frame["other_way_cents"].isna().all()
    said = "as a business is not known: No prices: UPS answered 503"
    assert frame["warnings"].str.contains(said).all()


def test_another_choice_is_refused(session: sk.BatchSession) -> None:
    with pytest.raises(InputError, match="unknown is home, unknown is business"):
        session.map(service="ground", residential="home")


def test_a_return_label_goes_to_no_home(session: sk.BatchSession, server: Any) -> None:
    session.map(service="ground", residential="unknown is home", returns="with_each")
    frame = session.preview().set_index("row_number")
    assert frame["other_way_cents"].notna().tolist() == [True] * 3 + [False] * 3
    assert "not known of 3 addresses, priced as homes" in str(session.summary)
    parcels, labels = frame["cost_cents"].to_numpy()[:3], frame["cost_cents"].to_numpy()[3:]
    assert list(parcels - labels) == [_RESIDENTIAL] * 3
    homes = [
        "ResidentialAddressIndicator" in body["RateRequest"]["Shipment"]["ShipTo"]["Address"]
        for _, path, _, body in server.seen
        if "/rating/" in path
    ]
    assert (len(homes), sum(homes)) == (9, 3), "what costs the same either way is asked once"
