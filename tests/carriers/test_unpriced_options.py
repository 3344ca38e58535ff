"""A card that has no price for what a shipment asks for says so, in tables and one by one."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

import shipkit as sk
from shipkit.carriers.ratecard import Surcharge
from shipkit.carriers.ratecard.price_tables import quote_table
from shipkit.carriers.ratecard.unpriced import unpriced_in, unpriced_of
from shipkit.errors import RateCardError
from shipkit.models import Address, Money, Parcel, Shipment
from shipkit.schema import SHIPMENTS

SHOP = Address(
    name="Dana", address_line1="1 Main St", city="Durham", state="NC", postal_code="27703"
)
BARE = replace(sk.RateCard.synthetic(), name="own", surcharges=(), is_synthetic=False)
RULES = (
    Surcharge("adult", "other", cents=700, signature=("adult",)),
    Surcharge("saturday", "other", cents=1600, saturday=True),
    Surcharge("value", "other", cents=130, declared_value=True, free_cents=10_000),
)


def asking(**given: Any) -> tuple[Shipment, dict[str, Any]]:
    """Return one shipment, and the same as a row."""
    cents, handling = given.pop("value", None), given.pop("handling", False)
    cod = given.pop("cod", None)
    value = None if cents is None else Money.from_cents(cents)
    parcel = Parcel(weight_lb=2, declared_value=value, additional_handling=handling)
    to = {"name": "Ada", "address_line1": "1 Elm St", "city": "New York", "state": "NY"}
    shipment = Shipment(
        ship_to=Address(**to, postal_code="10001"),
        service="ground",
        parcels=(Parcel(weight_lb=1), parcel),
        cod_amount=None if cod is None else Money.from_cents(cod),
        **given,
    )
    one = {"weight_lb": 1.0, "packaging": "package"}
    row = {
        **to,
        "postal_code": "10001",
        "country": "US",
        "service": "ground",
        "currency": "USD",
        "cod_amount_cents": cod,
        "parcels": [one, {**one, "declared_value_cents": cents, "additional_handling": handling}],
        **given,
    }
    return shipment, row


@pytest.mark.parametrize(
    ("given", "words", "priced"),
    [
        ({}, "", ""),
        ({"signature": "none", "value": 10_000, "cod": 0}, "", ""),
        ({"signature": "adult"}, "signature", ""),
        ({"signature": "required"}, "signature", "signature"),
        ({"saturday_delivery": True}, "Saturday delivery", ""),
        ({"value": 10_001}, "declared value", ""),
        ({"cod": 4500}, "payment on delivery", "payment on delivery"),
        ({"handling": True}, "additional handling", "additional handling"),
        (
            {"signature": "adult", "saturday_delivery": True, "handling": True},
            "signature, Saturday delivery, additional handling",
            "additional handling",
        ),
    ],
)
def test_what_has_no_price_is_named(given: dict[str, Any], words: str, priced: str) -> None:
    """Such rows had the price of transport, as if nothing had been asked for."""
    shipment, row = asking(**given)
    table = pa.Table.from_pylist([row, asking()[1]], schema=SHIPMENTS)
    for card, named in ((BARE, words), (replace(BARE, surcharges=RULES), priced)):
        text = ""
        if named:
            many = "them" if "," in named else "it"
            text = f"the card has no price for {named}, and this price does not include {many}"
        assert unpriced_of(card, shipment) == ((text,) if text else ())
        assert card.quote(shipment, SHOP).warnings == ((text,) if text else ())
        assert quote_table(card, table, SHOP, None)["warnings"].to_pylist() == [text, ""]
    assert unpriced_of(sk.RateCard.synthetic(), shipment) == (), "its prices are made up"


def test_columns_that_are_missing_ask_for_nothing() -> None:
    assert unpriced_in(BARE, pa.table({"service": ["ground"]})).to_pylist() == [""]
    empty = pa.Table.from_pylist([], schema=SHIPMENTS)
    assert unpriced_in(BARE, empty).to_pylist() == []


def test_a_percentage_of_nothing_is_refused() -> None:
    """Fuel "of fuel" was 0 for every parcel."""
    fuel = Surcharge("fuel", part="fuel", percent=Decimal(15), of=("fuel",))
    with pytest.raises(RateCardError, match="'fuel' is percent of fuel, its own part"):
        replace(BARE, surcharges=(fuel,))
    for of in (("base",), ("residential",), ("fuel", "base")):
        replace(BARE, surcharges=(replace(fuel, of=of),))
    replace(BARE, surcharges=(replace(fuel, name="first", of=("base",)), fuel))


def test_a_rated_frame_says_what_its_prices_leave_out():
    """A what-if on a card without signatures looked cheaper than one with them, without a word."""
    orders = pa.table(
        {
            "Order": ["1", "2"],
            "Zip": ["10001", "10001"],
            "Weight (lb)": [2.0, 2.0],
            "Service": ["ground", "ground"],
            "Signature": ["adult", "none"],
        }
    )
    frame = sk.rate(orders, BARE, origin="27703")
    assert frame["problem"].isna().all()
    assert frame["warnings"].tolist() == [
        "the card has no price for signature, and this price does not include it",
        "",
    ]
    priced = sk.rate(orders, replace(BARE, surcharges=RULES), origin="27703")
    assert (priced["warnings"] == "").all()
    assert priced["cost_cents"][0] - priced["cost_cents"][1] == 700
