"""Rows that leave a country, or stay in it, and the services that do not go there."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from shipkit.carriers.quoting import SHOPPED
from shipkit.carriers.ups.service_level import SERVICES as UPS
from shipkit.models import Address
from shipkit.plan.reach import beyond_reach, unreached, within_reach
from shipkit.schema import SHIPMENTS
from shipkit.services import ServiceEntry, ServiceList

POST = ServiceList(
    "post",
    (
        ServiceEntry("post", "home", "Home", reach="domestic"),
        ServiceEntry("post", "world", "World", reach="abroad"),
        ServiceEntry("post", "any", "Any"),
    ),
    title="Post",
)
TEXAS = Address(name="Ada", state="TX", postal_code="78205")
LYON = Address(name="Ada", postal_code="69001", country="FR")
BERLIN = {"country": "DE", "postal_code": "10119"}


def table(*rows: dict[str, Any]) -> pa.Table:
    made = [
        {"row_number": n, "country": "US", "state": "NY", "postal_code": "10001", **row}
        for n, row in enumerate(rows, start=1)
    ]
    return pa.Table.from_pylist(made, schema=SHIPMENTS)


def held(*rows: dict[str, Any], shipper: Address = TEXAS, offered: ServiceList = POST) -> list[str]:
    whole = table({"service": "any"}, *rows)
    return unreached(whole.slice(1), offered, shipper).column("problem").to_pylist()


@pytest.mark.parametrize(
    ("row", "home", "world"),
    [
        ({}, None, "within US"),
        (BERLIN, "from US to DE", None),
        ({**BERLIN, "is_return": True}, "from DE to US", None),
        ({"country": "CA", "state": "ON"}, "from US to CA", None),
        # Mail of the US at one carrier, abroad at another.
        ({"country": "PR", "state": None}, None, None),
        ({"state": "PR", "postal_code": "00901"}, None, None),
        ({"state": "gu", "postal_code": "96910"}, None, None),
        ({"state": "AE", "postal_code": "09008"}, None, None),
        ({"state": None, "postal_code": "09008-0001"}, None, None),
        ({"country": None}, None, None),  # its own problem
        ({"country": "n/a"}, None, None),
    ],
)
def test_rows_of_the_us(row: dict[str, Any], home: str | None, world: str | None) -> None:
    expected = [f"Post Home does not run {home}"] if home else []
    assert held({**row, "service": "home"}) == expected
    expected = [f"Post World does not run {world}"] if world else []
    assert held({**row, "service": "world"}) == expected
    assert held({**row, "service": "any"}) == []
    assert held({**row, "service": "cheapest"}) == []
    assert held({**row, "service": None}) == []


def test_the_place_that_a_row_leaves_from_counts_and_not_the_payer() -> None:
    berlin = {"ship_from": {**BERLIN, "name": "Jo"}}
    assert held({**berlin, **BERLIN, "service": "home"}) == []
    assert held({**berlin, "service": "home"}) == ["Post Home does not run from DE to US"]
    guam = {"ship_from": {"name": "Jo", "country": "US", "state": "GU", "postal_code": "96910"}}
    assert held({**guam, "service": "world"}) == []


@pytest.mark.parametrize("country", ["FR", "MC"])
def test_monaco_has_the_post_of_france(country: str) -> None:
    row = {"country": country, "state": None, "postal_code": "98000", "service": "home"}
    assert held(row, shipper=LYON) == []


def test_reach_speaks_of_some_countries_only_where_the_list_says_so() -> None:
    abroad = {"state": None, "service": "standard"}
    at_home = LYON.model_copy(update={"country": "DE", "postal_code": "80331"})
    assert held({**BERLIN, **abroad}, shipper=at_home, offered=UPS) == []  # runs within the EU
    assert held({"service": "standard"}, offered=UPS) == ["UPS Standard does not run within US"]
    toronto = Address(name="Ada", state="ON", postal_code="M5V 2T6", country="CA")
    assert held({"service": "3_day_select"}, shipper=toronto, offered=UPS) == []


def test_the_problem_says_where_the_service_does_not_go() -> None:
    found = unreached(table({**BERLIN, "service": "home"}), POST, TEXAS).to_pylist()
    assert found == [
        {
            "row_number": 1,
            "field": "service",
            "value": "home",
            "problem": "Post Home does not run from US to DE",
            "fix": "Choose another, by a service column or map(service=...): session.shop() lists "
            "what goes there.",
            "severity": "error",
            "code": "reach_not_served",
        }
    ]


def test_a_rule_does_not_choose_what_does_not_go_there_while_another_does() -> None:
    lines = [
        {"row": 0, "service": "home", "cost_cents": 100},
        {"row": 0, "service": "any", "cost_cents": 300},
        {"row": 1, "service": "home", "cost_cents": 100},
        {"row": 2, "service": "home", "cost_cents": 100},
        {"row": 3, "problem": "refused"},
    ]
    offers = pa.Table.from_pylist(lines, schema=SHOPPED)
    asked = table(BERLIN, BERLIN, {}, {})
    left = within_reach(offers, asked, POST, TEXAS).select(["row", "service"]).to_pylist()
    assert [(line["row"], line["service"]) for line in left] == [
        (0, "any"),
        (1, "home"),  # nothing else: the row waits, and says why
        (2, "home"),
        (3, None),
    ]
    why = "does not run from US to DE"
    assert beyond_reach(offers, asked, POST, TEXAS) == {0: {"home": why}, 1: {"home": why}}
