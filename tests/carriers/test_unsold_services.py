"""Services that are priced and not sold: who compares services learns which, and why."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest

from shipkit.carriers.quoting import SHOPPED, quote_line
from shipkit.carriers.row_refusal import refuse
from shipkit.carriers.unsold_services import with_unsold
from shipkit.models import Rate
from shipkit.plan.offers import left_out
from shipkit.services import ServiceRule


def rate(service: str, cents: int, days: int | None = None, **more: Any) -> Rate:
    return Rate(service=service, cost_cents=cents, transit_days=days, **more)


def named(rates: list[Rate], *unsold: Rate) -> list[list[str]]:
    """Return the services that are named as left out at each rate."""
    refusal = refuse("saturday_delivery", "not on Saturdays.", "Leave it out.")
    found = with_unsold(rates, [(one, refusal) for one in unsold], str.upper)
    assert {text for each in found for _, text in each.left_out} <= {
        f"{one.service.upper()} is left out: saturday_delivery: not on Saturdays." for one in unsold
    }
    return [[code for code, _ in each.left_out] for each in found]


@pytest.mark.parametrize(
    ("unsold", "at"),
    [
        (rate("x", 650, 3), [[], ["x"]]),  # cheaper than the second, and faster than none
        (rate("x", 500, 9), [["x"], ["x"]]),
        (rate("x", 900, 1), [["x"], ["x"]]),  # the fastest
        (rate("x", 900, 3), [[], ["x"]]),  # slower and more expensive: at the last one
        (rate("x", 900), [[], ["x"]]),
        (rate("x", 900, 3, currency="CAD"), [["x"], ["x"]]),  # not compared
    ],
)
def test_a_service_is_named_where_a_rule_might_prefer_it(unsold: Rate, at: list[Any]) -> None:
    assert named([rate("slow", 600, 3), rate("fast", 700, 2)], unsold) == at


def test_days_that_are_not_known_may_be_beaten() -> None:
    assert named([rate("a", 600)], rate("x", 900, 3)) == [["x"]]
    assert named([], rate("x", 900, 3)) == []


ROWS = [
    {"row": 0, "service": "ups:ground", "cost_cents": 900, "transit_days": 3, "left_out": "saver"},
    {"row": 0, "service": "usps:priority", "cost_cents": 800, "transit_days": 2},
    {"row": 1, "service": "usps:priority", "cost_cents": 800, "transit_days": 2},
    {"row": 2, "service": "ups:ground", "cost_cents": 700, "transit_days": 9, "left_out": "saver"},
    {"row": 2, "service": "ups:air", "cost_cents": 990, "transit_days": 1, "left_out": "early"},
]


@pytest.mark.parametrize(
    ("rule", "missing"),
    [
        (ServiceRule("cheapest"), {0: ("no saver",), 2: ("no saver",)}),
        (ServiceRule("fastest"), {0: ("no saver",), 2: ("no early",)}),
        (ServiceRule("cheapest", within_days=1), {0: ("no saver",), 2: ("no early",)}),
        (ServiceRule("cheapest", of=("ups:ground", "usps:priority")), {}),
        (
            ServiceRule("cheapest", of=("ups:ground", "ups:saver")),
            {0: ("no saver",), 2: ("no saver",)},
        ),
        (ServiceRule("cheapest", never=("ups:saver",)), {}),
    ],
)
def test_a_rule_learns_what_any_account_leaves_out(rule: ServiceRule, missing: Any) -> None:
    def line(row: dict[str, Any]) -> dict[str, Any]:
        code = row.get("left_out")
        said = [{"service": f"ups:{code}", "why": f"no {code}"}] if code else None
        return {**row, "left_out": said, "currency": "USD"}

    offers = pa.Table.from_pylist([line(row) for row in ROWS], schema=SHOPPED)
    accounts: Any = SimpleNamespace(names=["ups", "usps"], alone=False)
    assert left_out(offers, rule, accounts) == missing


@pytest.mark.parametrize(
    ("of", "may"),
    [((), True), (("easypost:ups:ground",), True), (("easypost:usps:priority",), False)],
)
def test_a_carrier_without_a_price_is_named_where_a_rule_has_one_of_its_services(
    of: tuple[str, ...], may: bool
) -> None:
    assert ServiceRule("cheapest", of=of).may_choose("easypost:ups:*") is may


def test_an_offer_in_a_table_has_what_is_left_out() -> None:
    line = quote_line(rate("ground", 900, left_out=(("saver", "Saver is left out: x"),)))
    assert line["left_out"] == [{"service": "saver", "why": "Saver is left out: x"}]
    assert quote_line(rate("ground", 900))["left_out"] is None
