"""What a row asks for, and an account that does not offer it."""

from __future__ import annotations

import dataclasses
import datetime as dt
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest

from shipkit.carriers import registry
from shipkit.carriers.protocol import Capabilities
from shipkit.carriers.sandbox import SandboxCarrier
from shipkit.errors import InputError
from shipkit.models import Address
from shipkit.plan.asks import _FURTHER, unsupported
from shipkit.schema import FURTHER_OPTIONS, OPTIONS, SHIPMENTS

SHOP = Address(name="Ada", city="San Antonio", state="TX", postal_code="78205")
PLACE = SHOP.model_copy(update={"city": "Austin"}).model_dump()
BOX = {"weight_lb": 1.0, "packaging": "package"}


def found(row: dict[str, Any], offered: frozenset[str] = frozenset()) -> dict[str, str]:
    """Return field -> value of what an account does not offer."""
    able = SimpleNamespace(capabilities=Capabilities(options=offered))
    account = SimpleNamespace(name="pony", carrier=able)
    accounts: Any = SimpleNamespace(alone=True, only=account)
    plain = {"row_number": 1, "country": "US", "postal_code": "10001", "parcels": [BOX]}
    # A slice, and rows of more parcels before it: places count from its own beginning.
    rows = [{**plain, "parcels": [BOX, BOX]}, {**plain, "row_number": 2, **row}]
    whole = pa.Table.from_pylist(rows, schema=SHIPMENTS)
    problems = unsupported(whole.slice(1), accounts, SHOP).to_pylist()
    assert {each["row_number"] for each in problems} <= {2}
    return {each["field"]: each["value"] for each in problems}


ASKED: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
    "declared_value": (
        {"parcels": [{**BOX, "declared_value_cents": 50_000}]},
        {"parcels[0].declared_value": "50000"},
    ),
    "packaging": ({"parcels": [{**BOX, "packaging": "pak"}]}, {"parcels[0].packaging": "pak"}),
    "references": (
        {"references": [{"key": "po", "value": "PO 7"}]},
        {"references": "po: PO 7"},
    ),
    "ship_from": ({"ship_from": PLACE}, {"ship_from": "Austin"}),
    "ship_date": ({"ship_date": dt.date(2026, 12, 10)}, {"ship_date": "2026-12-10"}),
    "customs": (
        {"country": "CA", "customs": {"reason": "sale", "duties_payer": "receiver", "items": []}},
        {"customs": "CA"},
    ),
}


def test_every_name_is_checked() -> None:
    assert set(ASKED) == set(FURTHER_OPTIONS) == set(_FURTHER)


@pytest.mark.parametrize("name", ASKED)
def test_what_is_not_declared_is_a_problem_and_what_is_declared_is_none(name: str) -> None:
    row, said = ASKED[name]
    assert found(row) == said
    assert found(row, frozenset({name})) == {}


FOR_CUSTOMS = {
    "ioss_number": "IM2760000000",
    "sender_tax_id": "DE123456789",
    "sender_eori": "DE1234567",
    "recipient_tax_id": "12345678901",
    "recipient_eori": "FR1234567",
    "itn": "NOEEI 30.37(a)",
    "duties_bill_to": "shipper",
    "duties_account": "C3D4E5",
}


def test_what_is_for_customs_only_is_asked_where_a_border_is_crossed() -> None:
    """An export has the shop's IOSS number in each row, also of orders that stay in the country."""
    assert set(found({**FOR_CUSTOMS, "country": "DE"})) >= {*FOR_CUSTOMS} - {"duties_account"}
    assert found(FOR_CUSTOMS) == {}
    berlin = {"ship_from": {**PLACE, "country": "DE", "postal_code": "10115"}, "country": "FR"}
    within = frozenset({"ship_from"})
    assert found({**FOR_CUSTOMS, **berlin, "postal_code": "75001"}, within) == {}


def test_the_receiver_pays_duties_where_an_account_has_no_choice() -> None:
    abroad = {"country": "DE", "duties_bill_to": "receiver"}
    papers = {"reason": "sale", "duties_payer": "shipper", "items": []}
    offered = frozenset({"customs"})
    assert found(abroad, offered) == {}
    assert found({**abroad, "customs": {**papers, "duties_payer": "receiver"}}, offered) == {}
    assert found({**abroad, "customs": papers}, offered) == {"duties_bill_to": "receiver"}
    assert found({**abroad, "duties_account": "C3D4E5"}, offered) == {"duties_account": "C3D4E5"}


def test_an_order_without_wishes_asks_for_nothing() -> None:
    ordinary = {
        "ship_from": SHOP.model_dump(),  # the shipper's own address
        "parcels": [{**BOX, "declared_value_cents": 0}],
        "customs": {"reason": "sale", "items": []},  # goods that stay in the country
        "references": [],
        "signature": "none",
        "is_return": False,
    }
    assert found(ordinary) == {}


def test_the_second_parcel_asks_too() -> None:
    boxes = [BOX, {**BOX, "declared_value_cents": 900, "additional_handling": True}]
    asked = found({"parcels": boxes})
    assert asked == {
        "parcels[0].additional_handling": "True",
        "parcels[0].declared_value": "900",
    }


def test_a_carrier_that_declares_what_no_shipment_has_is_refused(tmp_path: Any) -> None:
    carrier = SandboxCarrier(tmp_path / "books.db")
    able = carrier.capabilities
    carrier.capabilities = dataclasses.replace(able, options=able.options | {"signatures"})
    with pytest.raises(InputError, match="declares the option 'signatures'") as no:
        registry.check(carrier)
    assert no.value.fix == "Did you mean 'signature'?"


def test_the_packages_own_carriers_have_a_place_for_all_that_is_no_option() -> None:
    for name in ("ups", "usps", "easypost", "sandbox"):
        offered = registry.plugin(name).capabilities.options
        assert offered >= set(FURTHER_OPTIONS), name
        assert offered <= {leaf.name for leaf in OPTIONS} | set(FURTHER_OPTIONS)
