"""What a receiver or a third party should pay is shown apart, and never loosens a limit."""

from __future__ import annotations

import pytest

import shipkit as sk
from shipkit.errors import ApprovalRequired, SpendLimitExceeded
from shipkit.models import Money
from shipkit.plan import preview_store
from shipkit.plan.summary import BilledToOthers

ORDER = {
    "name": "Ada Lee",
    "city": "Austin",
    "state": "TX",
    "zip": "78701",
    "weight_lb": 2,
    "service": "ground",
}
THEIRS = {"Bill Transportation To": "Third Party", "Third Party Account Number": "B2C3D4"}
OURS = dict.fromkeys(THEIRS)
ROWS = [
    {**ORDER, "order_id": str(n), "address1": f"{n} Main St", **payer}
    for n, payer in enumerate((OURS, THEIRS, THEIRS), start=1)
]


def test_it_is_shown_apart_before_and_after_the_purchase(shop, home):
    with sk.BatchSession(ROWS, shipper=shop) as session:
        costs = session.preview()["cost_cents"].tolist()
        summary = session.summary
        theirs = Money.from_cents(costs[1] + costs[2])
        assert summary.total == Money.from_cents(sum(costs))
        assert (summary.others.shipments, summary.others.totals) == (2, {"USD": theirs})
        assert summary.own_totals == {"USD": Money.from_cents(costs[0])}
        said = f"2 shipments for {theirs}, which you are charged only where a payer refuses"
        shown = {name.strip(): text for name, text in summary.lines()}
        assert shown["billed to others"] == said
        assert shown["to your account"] == str(Money.from_cents(costs[0]))
        record = preview_store.recall(home, summary.preview_id)
        assert record.others == summary.others
        with pytest.raises(ApprovalRequired, match="billed to others: 2 shipments for"):
            session.execute(progress=False)
        session.approve()
        result = session.execute(progress=False)
        assert session.results()["bill_to"].tolist()[1:] == ["third_party"] * 2
    assert result.totals == summary.totals
    assert result.others == summary.others
    assert ("  billed to others", said) in result.lines()


def test_limits_count_what_others_should_pay(shop, home):
    with sk.BatchSession(ROWS, shipper=shop) as session:
        session.preview()
        own = session.summary.own_totals["USD"]
    limits = sk.SpendLimits(total=own.amount)
    with sk.BatchSession(ROWS, shipper=shop, limits=limits) as session:
        session.preview()
        session.approve()
        with pytest.raises(SpendLimitExceeded):
            session.execute(progress=False)


def test_nothing_is_said_where_the_shipper_pays_for_all(shop, home):
    with sk.BatchSession(ROWS[:1], shipper=shop) as session:
        session.preview()
        assert "others" not in str(session.summary)
    assert BilledToOthers().note == ""
