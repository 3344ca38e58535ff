"""Where a customs border is, and which states UPS takes."""

from __future__ import annotations

import datetime as dt
from typing import Any

import duckdb
import pytest

from shipkit.carriers.ups import wire
from shipkit.carriers.ups.route import place
from shipkit.common.customs_borders import border_sql, is_customs_border
from shipkit.errors import CarrierRejected
from shipkit.models import Address, LabelSpec, Parcel, Shipment

BERLIN = Address(
    name="Jutta Brandt",
    address_line1="Torstrasse 10",
    city="Berlin",
    postal_code="10119",
    country="DE",
    phone="+49301234567",
)


@pytest.mark.parametrize(
    ("one", "other", "border"),
    [
        (("DE", "10119"), ("FR", "75004"), False),
        (("DE", "10119"), ("DE", "80331"), False),
        (("DE", "10119"), ("ES", "28013"), False),
        (("DE", "10119"), ("ES", "35001"), True),  # Canary Islands
        (("ES", "28013"), ("ES", "35001"), False),  # within one country
        (("AT", "1010"), ("DE", "78266"), True),  # Büsingen
        (("AT", "1010"), ("IT", "23041"), True),  # Livigno
        (("SE", "11120"), ("FI", "22100"), True),  # Åland
        (("FR", "75004"), ("MC", "98000"), False),
        (("DE", "10119"), ("GB", "E8 4RP"), True),
        (("DE", "10119"), ("GB", "BT1 5GS"), False),  # Northern Ireland
        (("GB", "E8 4RP"), ("IM", "IM1 1AA"), False),
        (("GB", "E8 4RP"), ("JE", "JE2 3AB"), True),
        (("CH", "8001"), ("LI", "9490"), False),
        (("DE", "10119"), ("CH", "8001"), True),
        (("US", "78205"), ("PR", "00901"), False),
        (("US", "78205"), ("VI", "00801"), True),
        (("US", "78205"), ("CA", "M5H2N2"), True),
        (("CA", "M5H2N2"), ("CA", "V5K0A1"), False),
    ],
)
def test_where_a_customs_border_is(
    one: tuple[str, str], other: tuple[str, str], *, border: bool
) -> None:
    assert is_customs_border(one, other) is is_customs_border(other, one) is border


@pytest.mark.parametrize(
    ("postal_code", "papers"), [("28013", False), ("35001", True)], ids=["Madrid", "Las Palmas"]
)
def test_papers_are_made_only_at_a_border(postal_code: str, *, papers: bool) -> None:
    spain = BERLIN.model_copy(
        update={"country": "ES", "postal_code": postal_code, "city": "Anywhere"}
    )
    shipment = Shipment(
        ship_to=spain, service="standard", parcels=(Parcel(weight_lb=2),), description="Books"
    )
    if papers:
        with pytest.raises(CarrierRejected, match="need an invoice"):
            wire.check(shipment, BERLIN)
    else:
        wire.check(shipment, BERLIN)


@pytest.mark.parametrize(
    ("country", "state", "sent"),
    [
        ("MX", "D.F.", "DF"),
        ("MX", "N.L.", "NL"),
        ("MX", "CMX", "CMX"),
        ("AU", "Vic.", "VIC"),
        ("IE", "Co. D", None),
        ("CN", "沪", None),
        ("GB", "Greater London", None),
        ("DE", "BE", "BE"),
    ],
)
def test_a_state_has_up_to_five_letters_and_digits_or_is_left_out(
    country: str, state: str, sent: str | None, shop: Address, abroad: Shipment, ups_module: Any
) -> None:
    # veeqo/ups-ruby#8 ("Valid length is 0 to 5 alphanumeric"), abantecart-src#784
    there = abroad.ship_to.model_copy(
        update={"country": country, "state": state, "city": "Anywhere", "postal_code": "12345"}
    )
    shipment = abroad.model_copy(update={"ship_to": there})
    body: Any = wire.ship(
        shipment, shop, account="A1B2C3", reference="R", label=LabelSpec(), today=TODAY
    ).body
    address = body["ShipmentRequest"]["Shipment"]["ShipTo"]["Address"]
    assert address.get("StateProvinceCode") == sent
    address["StateProvinceCode"] = state
    refusal = ups_module._places(body["ShipmentRequest"]["Shipment"])
    assert (refusal or ("",))[0] == ("" if sent == state else "120206")
    rated: Any = wire.rate(shipment, shop, account="A1B2C3").body
    found = rated["RateRequest"]["Shipment"]["ShipTo"]["Address"].get("StateProvinceCode")
    assert found == (sent if sent and len(sent) == 2 else None), "Rate takes two characters"


TODAY = dt.date(2026, 11, 22)


def test_states_of_us_mail_are_countries_at_ups() -> None:
    assert place(Address(state="PR", country="US")) == ("PR", "PR")
    assert place(Address(state="G.U.", country="US")) == ("GU", "GU")
    for state in ("FM", "MH", "PW"):  # freely associated: countries that have US mail
        assert place(Address(state=state, country="US")) == (state, state)


def test_the_sql_of_a_border_says_the_same() -> None:
    places = [
        *(("DE", "10115"), ("DE", "78266"), ("FR", "75001"), ("FR", "98000"), ("FR", "97110")),
        *(("ES", "28001"), ("ES", "35 001"), ("GB", "SW1A 1AA"), ("GB", "bt1 5gs"), ("IM", "IM1")),
        *(("CH", "8001"), ("LI", "9490"), ("US", "78205"), ("PR", "00901"), ("MC", "98000")),
    ]
    with duckdb.connect() as con:
        for one in places:
            for other in places:
                a, b = ((f"'{country}'", f"'{code}'") for country, code in (one, other))
                found = con.execute(f"SELECT {border_sql(a, b)}").fetchone()
                assert found == (is_customs_border(one, other),), (one, other)
