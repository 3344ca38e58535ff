"""Services whose declared limits the parcels of a row exceed."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from shipkit.plan.too_large import too_large
from shipkit.rates.shipment_files import filled
from shipkit.services import Limits, ServiceEntry, ServiceList

SMALL = ServiceEntry(
    "post",
    "small",
    "Small",
    limits=Limits(weight_lb=4, longest_side_in=20, length_and_girth_in=40, parcels=2),
)
LARGE = ServiceEntry("post", "large", "Large")
OFFERED = ServiceList("post", (SMALL, LARGE), title="Post", limits=Limits(weight_lb=70))


def closed(*rows: list[dict[str, Any]], offered: ServiceList = OFFERED) -> dict[int, set[str]]:
    table = filled(pa.Table.from_pylist([{"parcels": parcels, "service": "x"} for parcels in rows]))
    # A slice: rows count from its own beginning.
    return too_large(pa.concat_tables([table, table]).slice(len(rows)), offered)


@pytest.mark.parametrize(
    ("parcels", "found"),
    [
        ([{"weight_lb": 4.0}], set()),
        ([{"weight_lb": 4.01}], {"small"}),
        ([{"weight_lb": 1.0}, {"weight_lb": 5.0}], {"small"}),
        ([{"weight_lb": 71.0}], {"small", "large"}),
        ([{"weight_lb": 1.0, "length_in": 20.0}], set()),
        ([{"weight_lb": 1.0, "width_in": 21.0}], {"small"}),
        ([{"weight_lb": 1.0, "length_in": 10.0, "width_in": 16.0, "height_in": 2.0}], set()),
        ([{"weight_lb": 1.0, "length_in": 11.0, "width_in": 16.0, "height_in": 2.0}], {"small"}),
        ([{"weight_lb": 1.0}] * 3, {"small"}),
    ],
)
def test_limits_of_a_service_and_of_its_carrier(parcels: Any, found: set[str]) -> None:
    rows = closed([{"weight_lb": 1.0}], parcels)
    assert rows == ({1: found} if found else {})
