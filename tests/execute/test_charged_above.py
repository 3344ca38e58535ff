"""What was charged above the quotes is summed by currency, and nothing else is."""

from __future__ import annotations

import pyarrow as pa

from shipkit.models import Money
from shipkit.purchasing.result import ChargedAbove

ROWS = [  # state, charged, currency, quoted, currency of the quote
    ("shipped", 700, "USD", 650, "USD"),
    ("shipped", 651, "USD", 650, "USD"),
    ("shipped", 600, "USD", 650, "USD"),  # less
    ("shipped", 650, "USD", 650, "USD"),
    ("voided", 900, "USD", 650, "USD"),
    ("shipped", 900, "CAD", 650, "USD"),  # not compared
    ("shipped", 910, "CAD", 900, "CAD"),
    ("shipped", 700, "USD", None, None),
    ("failed", None, None, 650, "USD"),
]


def test_only_rows_that_cost_more_in_the_same_currency_count() -> None:
    state, cents, currency, quoted, quoted_in = map(list, zip(*ROWS, strict=True))
    results = pa.table({"state": state, "charged_cents": cents, "currency": currency})
    quotes = pa.table({"cost_cents": quoted, "currency": quoted_in})
    found = ChargedAbove.of(results, quotes)
    assert found.totals == {"CAD": Money.of("0.10", "CAD"), "USD": Money.of("0.51")}
    assert found.shipments == 3
    assert str(found) == "0.10 CAD + $0.51 for 3 shipments"


def test_nothing_is_said_where_nothing_costs_more() -> None:
    results = pa.table({"state": ["shipped"], "charged_cents": [650], "currency": ["USD"]})
    assert not ChargedAbove.of(results, pa.table({"cost_cents": [650], "currency": ["USD"]}))
