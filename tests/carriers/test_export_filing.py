"""Which exports are filed: by the value of the goods of one tariff code."""

from __future__ import annotations

from typing import Any

import pytest

from shipkit.carriers.export_filing import demand_filing, goods_to_file, may_be_filed
from shipkit.errors import CarrierRejected
from shipkit.models import Address, Customs, CustomsItem, Money, Parcel, Shipment

SHOP = Address(country="US", state="TX")


def order(*goods: tuple[str, str, str], **more: Any) -> Shipment:
    items = tuple(
        CustomsItem(description=what, hs_code=code, quantity=1, unit_value=Money.of(worth))
        for what, code, worth in goods
    )
    given = {"ship_to": Address(country="DE"), "customs": Customs(items=items), **more}
    return Shipment(service="any", parcels=(Parcel(weight_lb=1),), **given)


@pytest.mark.parametrize(
    ("goods", "filed"),
    [
        ([("Ring", "7113.19", "2500")], ""),
        ([("Ring", "7113.19", "2500.01")], "711319"),
        ([("Ring", "7113.19", "2000"), ("Shirt", "6109.10", "2000")], ""),
        ([("Ring", "7113.19", "2000"), ("Chain", "711319", "500.01")], "711319"),
        ([("Ring", "", "2000"), ("Ring ", "", "500.01")], "Ring"),
        # What may be of one code is not taken for exempt.
        ([("T-shirt red", "", "2000"), ("T-shirt blue", "", "2000")], "T-shirt red"),
        ([("Shirt", "6109100012", "2000"), ("Shirt", "6109.10", "2000")], "610910"),
        ([], ""),
    ],
)
def test_goods_are_filed_above_2500_dollars_of_one_tariff_code(
    goods: list[tuple[str, str, str]], filed: str
) -> None:
    row = order(*goods)
    assert goods_to_file(row) == filed
    demand_filing(row.model_copy(update={"itn": "NOEEI 30.36"}), SHOP)
    if filed:
        with pytest.raises(CarrierRejected, match=f"{filed} is worth more than 2,500 USD"):
            demand_filing(row, SHOP)
    else:
        demand_filing(row, SHOP)


FILED = {
    "US": {"DE", "MX", "PR", "VI", "PW"},
    "PR": {"DE", "MX", "US", "VI", "PW"},
    "VI": {"DE", "MX", "PW"},
}


@pytest.mark.parametrize("origin", ["US", "PR", "VI", "GU", "AS", "MP", "DE", "CA"])
@pytest.mark.parametrize(
    "destination", ["US", "PR", "VI", "GU", "AS", "MP", "CA", "DE", "MX", "PW"]
)
def test_exports_of_the_us_puerto_rico_and_the_virgin_islands_are_filed(
    origin: str, destination: str
) -> None:
    assert may_be_filed(origin, destination) is (destination in FILED.get(origin, set()))


@pytest.mark.parametrize(
    ("origin", "to", "said"),
    [
        (SHOP, Address(country="US", state="PR"), "must be filed"),
        (SHOP, Address(country="VI"), "must be filed"),
        (SHOP, Address(country="US", state="AE"), ""),
        (SHOP, Address(country="US", state="GU"), ""),
        (Address(country="US", state="GU"), Address(country="DE"), ""),
        (Address(country="US", state="P.R."), Address(country="DE"), "must be filed"),
        (SHOP, Address(country="CA"), "by which exemption it goes to Canada unfiled"),
        (Address(country="DE"), Address(country="CA"), ""),
    ],
)
def test_papers_that_cite_a_filing_wait_for_it(origin: Address, to: Address, said: str) -> None:
    row = order(("Ring", "7113.19", "2500.01"), ship_to=to)
    if not said:
        demand_filing(row, origin)
        return
    with pytest.raises(CarrierRejected, match=said):
        demand_filing(row, origin)
    demand_filing(row.model_copy(update={"itn": "NOEEI 30.36"}), origin)


def test_a_return_is_an_export_of_the_country_that_it_leaves() -> None:
    back = order(("Ring", "7113.19", "2500.01"), is_return=True)
    demand_filing(back, SHOP)
    there = order(("Ring", "7113.19", "2500.01"), is_return=True, ship_to=SHOP)
    with pytest.raises(CarrierRejected, match="must be filed"):
        demand_filing(there, Address(country="DE"))
