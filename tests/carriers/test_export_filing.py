"""Which exports are filed: by the value of the goods of one tariff code."""

from __future__ import annotations

from typing import Any

import pytest

from shipkit.carriers.export_filing import demand_filing, goods_to_file
from shipkit.errors import CarrierRejected
from shipkit.models import Address, Customs, CustomsItem, Money, Parcel, Shipment


def order(*goods: tuple[str, str, str], **more: Any) -> Shipment:
    items = tuple(
        CustomsItem(description=what, hs_code=code, quantity=1, unit_value=Money.of(worth))
        for what, code, worth in goods
    )
    return Shipment(
        ship_to=Address(country="DE"),
        service="any",
        parcels=(Parcel(weight_lb=1),),
        customs=Customs(items=items),
        **more,
    )


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
    demand_filing(row.model_copy(update={"itn": "NOEEI 30.36"}))
    if filed:
        with pytest.raises(CarrierRejected, match=f"{filed} is worth more than 2,500 USD"):
            demand_filing(row)
    else:
        demand_filing(row)
