"""Every request of random shipments from thirty countries is valid, closed, and Rate is as Ship."""

from __future__ import annotations

import random
from typing import Any

import pytest

from shipkit.carriers.ups import wire
from shipkit.carriers.ups.service_level import SERVICES
from shipkit.errors import CarrierRejected


def test_a_shipment_of_each_of_thirty_origins_is_valid_in_rate_and_ship(
    shipments_module: Any, contract: Any, ups_module: Any
) -> None:
    found, kinds = shipments_module.faults(contract, ups_module, 30, seed=29)
    assert (found, kinds["built"]) == ([], 30)


def test_what_depends_on_the_service_is_checked_apart_and_both_parts_are_the_whole(
    shipments_module: Any,
) -> None:
    """Shopping checks a row once, and each service once for all rows that ask the same."""
    draw, outcomes = random.Random(7), set()

    def refused(check: Any, *given: Any) -> bool:
        try:
            check(*given)
        except CarrierRejected:
            return True
        return False

    for n in range(60):
        shop, made = shipments_module.shipment(draw, draw.choice([*shipments_module.PLACES]))
        row = refused(wire.check_row, made, shop)
        for entry in SERVICES if n % 6 == 0 else draw.sample([*SERVICES], 5):
            own = made.model_copy(update={"service": entry.code})
            whole = refused(wire.check, own, shop)
            part = row or refused(
                lambda s=own, p=shop: wire.demand_service(wire.check_row(s, p), s)
            )
            assert part == whole, (entry.code, own)
            outcomes.add((row, whole))
    assert outcomes == {(True, True), (False, True), (False, False)}


@pytest.mark.slow
def test_two_thousand_shipments_of_thirty_origins_are_valid_in_rate_and_ship(
    shipments_module: Any, contract: Any, ups_module: Any
) -> None:
    found, kinds = shipments_module.faults(contract, ups_module, 2_000, seed=1)
    assert (found, kinds["built"]) == ([], 2_000)
