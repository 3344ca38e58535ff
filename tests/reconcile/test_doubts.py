"""One row in doubt, with a clock that the test sets: when it is looked up, what is concluded."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from corekit import QUOTE, BookCarrier, KeyedCarrier, TwoStepCarrier, job_of, state_counts

from shipkit.carriers.pace import Pacer
from shipkit.carriers.protocol import Capabilities
from shipkit.errors import AnswerLost, CarrierUnreachable, PartlyBought
from shipkit.models import Charge, ChargeBasis, Purchase
from shipkit.purchasing.late_shipments import late_rows, surplus
from shipkit.purchasing.purchase_entry import purchase_entry
from shipkit.purchasing.reconcile import Reconciler
from shipkit.purchasing.spend import Spend
from shipkit.purchasing.store import JobStore
from shipkit.purchasing.store.entries import LedgerEntry, with_voided
from shipkit.purchasing.store.planrows import PlanRows
from shipkit.state import RowState

GRACE = 10.0


class Clock:
    """Monotonic seconds, as the test wants them."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def carrier(tmp_path):
    return BookCarrier(tmp_path / "books.db")


@contextmanager
def in_doubt(
    home, carrier, clock, *, rows=1, resend="proven", watch=None, quote=QUOTE, currency="USD"
) -> Iterator[SimpleNamespace]:
    """Return the parts around a job of which every row is in doubt since now."""
    job = job_of(home, rows)
    with job.own() as ledger:
        for row in range(rows):
            for state in ("in_flight", "in_doubt"):
                ledger.record_now([LedgerEntry(row, "test", state, attempt=2, watch=watch)])
        plan = PlanRows(job.path)
        quotes, currencies = np.full(rows, quote), pa.array([currency] * rows)
        spend, again = Spend(ledger, quotes, currencies, {"price_drift": 0.5}), []
        doubts = Reconciler(
            job,
            ledger,
            carrier,
            pacer=Pacer(concurrency=2),
            rows=plan,
            spend=spend,
            grace_s=GRACE,
            resend=resend,
            again=again.append,
            clock=clock,
        )
        for row in range(rows):
            doubts.add(row)
        yield SimpleNamespace(job=job, ledger=ledger, spend=spend, doubts=doubts, again=again)
        plan.close()


def look(case, row=0):
    """Look a row up now."""

    async def work():
        await case.doubts.look(case.doubts.doubts[row])
        await case.ledger.settled()

    asyncio.run(work())


def last(case, row=0):
    """Return the last entry of a row that moved it."""
    table = case.job.chain().table
    mine = [e for e in table.to_pylist() if e["row"] == row and e["state"] is not None]
    return mine[-1]


def sell(carrier, job, *, row=0, attempt=2, number="SANDBOX1", voided=0):
    carrier.books.execute(
        "insert into sold (reference, order_id, tracking, cents, voided) values (?, ?, ?, 850, ?)",
        (job.reference(row, attempt), f"A{row:07}", number, voided),
    )


# -- when absence may be concluded -----------------------------------------------------------------


@pytest.mark.parametrize(("after", "state"), [(GRACE - 0.001, "in_doubt"), (GRACE, "pending")])
def test_absence_is_concluded_by_a_look_up_that_began_after_the_grace(
    home, carrier, clock, after, state
):
    with in_doubt(home, carrier, clock) as case:
        clock.now += after
        look(case)
        assert case.ledger.state(0) is RowState(state)
        assert case.again == ([0] if state == "pending" else [])


def test_a_look_up_that_began_before_the_grace_concludes_nothing_however_long_it_takes(
    home, carrier, clock
):
    """It may have read the carrier's books before the purchase arrived there."""
    find = carrier.find

    async def slow(reference, label, shipment=None):
        found = await find(reference, label, shipment)
        sell(carrier, case.job)  # arrives after the books were read
        clock.now += GRACE
        return found

    with in_doubt(home, carrier, clock) as case:
        carrier.find = slow
        clock.now += GRACE - 1
        look(case)
        assert case.ledger.state(0) is RowState.IN_DOUBT
        assert case.again == []
        carrier.find = find
        look(case)
        assert case.ledger.state(0) is RowState.SHIPPED


@pytest.mark.parametrize(
    ("proof", "after", "state"),
    [
        (25.0, GRACE, "in_doubt"),
        (25.0, 24.99, "in_doubt"),
        (25.0, 25.0, "pending"),
        (5.0, 5.0, "in_doubt"),
        (5.0, GRACE, "pending"),
        (600.0, 599.0, "in_doubt"),
        (600.0, 600.0, "pending"),
        (600.1, GRACE, "review"),
        (None, GRACE, "review"),
        (None, GRACE - 0.1, "in_doubt"),
    ],
)
def test_absence_is_proof_only_after_the_carriers_own_time(
    home, carrier, clock, proof, after, state
):
    """And a proof that takes more than ten minutes is not waited for."""
    carrier.absence_is_proof_after_s = proof
    with in_doubt(home, carrier, clock) as case:
        clock.now += after
        look(case)
        assert case.ledger.state(0) is RowState(state)


@pytest.mark.parametrize("resend", ["ask", "never"])
def test_without_permission_a_person_decides_as_soon_as_the_grace_is_over(
    home, carrier, clock, resend
):
    carrier.absence_is_proof_after_s = 25.0
    with in_doubt(home, carrier, clock, resend=resend) as case:
        clock.now += GRACE
        look(case)
        entry = last(case)
        assert (entry["event"], entry["state"], entry["code"]) == ("review", "review", "not_found")
        assert "does not find the shipment by its reference" in entry["message"]
        assert "resend or skip" in entry["fix"]
        assert (entry["attempt"], entry["watch"]) == (2, None)
        assert entry["reference"] == case.job.reference(0, 2)
        assert case.again == []
        assert case.doubts.doubts == {}
        assert case.spend.reserved == QUOTE * 1.5, "it may have been bought"


def test_a_row_that_is_sent_again_is_no_longer_reserved_and_its_reference_is_watched(
    home, carrier, clock
):
    with in_doubt(home, carrier, clock, watch=[1]) as case:
        clock.now += GRACE
        look(case)
        entry = last(case)
        assert (entry["event"], entry["state"], entry["watch"]) == ("absent", "pending", [1, 2])
        assert (entry["attempt"], entry["reference"]) == (2, case.job.reference(0, 2))
        assert (entry["code"], entry["message"], entry["fix"]) == (None, None, None)
        assert case.again == [0]
        assert case.doubts.doubts == {}
        assert (case.spend.reserved, case.spend.bought) == (0, 0)


def test_the_grace_counts_from_when_this_process_took_over(home, carrier, clock):
    with in_doubt(home, carrier, clock) as case:
        case.doubts.add(0, since=clock.now - GRACE)
        look(case)
        assert case.ledger.state(0) is RowState.PENDING


def test_several_rows_are_concluded_each_by_its_own_time(home, carrier, clock):
    with in_doubt(home, carrier, clock, rows=2) as case:
        clock.now += 5
        case.doubts.add(1)
        clock.now += 5
        look(case, 0)
        look(case, 1)
        assert state_counts(case.job) == {"pending": 1, "in_doubt": 1}


# -- when a row is looked up -----------------------------------------------------------------------


def test_the_first_look_up_comes_soon_and_the_next_ones_at_growing_intervals(home, carrier, clock):
    with in_doubt(home, carrier, clock) as case:
        doubt, waits = case.doubts.doubts[0], []
        for _ in range(5):
            assert case.doubts.due(doubt.next_at - 0.001) == []
            assert case.doubts.due(doubt.next_at) == [doubt]
            waits.append(doubt.next_at - clock.now)
            clock.now = doubt.next_at
            look(case)
            if case.ledger.state(0) is not RowState.IN_DOUBT:
                break
        assert waits[0] == 1.0
        assert waits[1] == pytest.approx(1.7)
        assert waits[2] == pytest.approx(2.89)
        assert sum(waits) == pytest.approx(GRACE + 0.01), "the last one falls when it may conclude"
        assert case.ledger.state(0) is RowState.PENDING


@pytest.mark.parametrize(("grace", "first"), [(0.1, 0.05), (2.0, 0.5), (100.0, 1.0)])
def test_a_short_grace_is_looked_up_sooner(home, carrier, clock, grace, first):
    with in_doubt(home, carrier, clock) as case:
        case.doubts._grace_s = grace
        case.doubts.add(0)
        assert case.doubts.doubts[0].next_at - clock.now == pytest.approx(first)


def test_intervals_never_exceed_half_a_minute(home, carrier, clock):
    carrier.absence_is_proof_after_s = 600.0
    with in_doubt(home, carrier, clock) as case:
        doubt = case.doubts.doubts[0]
        for _ in range(12):
            clock.now = doubt.next_at
            look(case)
        assert doubt.next_at - clock.now == 30.0


def test_a_failed_look_up_is_repeated_and_does_not_conclude(home, carrier, clock):
    find = carrier.find

    async def refused(*_):
        raise CarrierUnreachable("connection refused")

    with in_doubt(home, carrier, clock) as case:
        carrier.find = refused
        clock.now += 2 * GRACE
        look(case)
        doubt = case.doubts.doubts[0]
        assert case.ledger.state(0) is RowState.IN_DOUBT
        assert (doubt.looks, doubt.error) == (1, "connection refused")
        assert doubt.next_at == pytest.approx(clock.now + 1.7)
        carrier.find = find
        sell(carrier, case.job)
        look(case)
        assert case.ledger.state(0) is RowState.SHIPPED


def test_while_look_ups_fail_none_is_planned_for_the_end_of_the_grace(home, carrier, clock):
    async def refused(*_):
        raise CarrierUnreachable("connection refused")

    with in_doubt(home, carrier, clock) as case:
        carrier.find, doubt = refused, case.doubts.doubts[0]
        clock.now += GRACE - 0.5
        look(case)
        assert doubt.next_at == pytest.approx(clock.now + 1.7)


def test_an_answer_after_failures_clears_the_error(home, carrier, clock):
    find, answers = carrier.find, iter([CarrierUnreachable("connection refused"), None])

    async def once_refused(*question):
        if error := next(answers):
            raise error
        return await find(*question)

    with in_doubt(home, carrier, clock) as case:
        carrier.find, doubt = once_refused, case.doubts.doubts[0]
        look(case)
        look(case)
        assert (doubt.error, doubt.looks) == (None, 2)
        clock.now += 10 * GRACE
        case.doubts.give_up(clock.now)
        assert 0 in case.doubts.doubts, "it is answered now, so it is not given up"


@pytest.mark.parametrize(("after", "kept"), [(GRACE + 30.0, True), (GRACE + 30.1, False)])
def test_a_row_whose_look_ups_keep_failing_is_left_to_the_next_run(
    home, carrier, clock, after, kept
):
    async def refused(*_):
        raise CarrierUnreachable("connection refused")

    with in_doubt(home, carrier, clock) as case:
        carrier.find = refused
        look(case)
        clock.now += after
        case.doubts.give_up(clock.now)
        assert (0 in case.doubts.doubts) is kept
        assert case.ledger.state(0) is RowState.IN_DOUBT


def test_a_defect_in_the_carriers_look_up_concludes_nothing(home, carrier, clock):
    async def broken(*_):
        raise KeyError("ShipmentResults")

    with in_doubt(home, carrier, clock) as case:
        carrier.find = broken
        clock.now += 2 * GRACE
        look(case)
        assert case.ledger.state(0) is RowState.IN_DOUBT
        assert "could not be read (KeyError)" in case.doubts.doubts[0].error


def test_look_ups_keep_to_the_pace_also_when_they_fail(home, carrier, clock):
    active = []

    async def refused(*_):
        active.append(case.doubts._pacer.active)
        raise CarrierUnreachable("connection refused")

    with in_doubt(home, carrier, clock, watch=[1]) as case:
        carrier.find = refused
        for _ in range(5):  # more than the pacer lets in at a time
            look(case)
            asyncio.run(case.doubts.watch())
            asyncio.run(case.doubts.review(0))
        assert active == [1] * 15
        assert case.doubts._pacer.active == 0
        assert case.doubts.doubts[0].looks == 5
        assert case.doubts.unlooked() == []


def test_what_was_never_looked_up_is_known(home, carrier, clock):
    with in_doubt(home, carrier, clock, rows=3) as case:
        look(case, 1)
        assert [doubt.row for doubt in case.doubts.unlooked()] == [0, 2]


# -- adopting --------------------------------------------------------------------------------------


def test_a_valid_shipment_is_adopted_rather_than_a_voided_one(home, carrier, clock):
    with in_doubt(home, carrier, clock) as case:
        sell(carrier, case.job, number="SANDBOXVOID", voided=1)
        sell(carrier, case.job, number="SANDBOXPAID")
        look(case)
        entry = last(case)
        assert (entry["state"], entry["tracking_numbers"]) == ("shipped", ["SANDBOXPAID"])
        assert surplus(case.job).num_rows == 0, "a voided shipment costs nothing"
        assert (case.spend.spent, case.spend.reserved, case.spend.bought) == (QUOTE, 0, 1)


def test_a_shipment_that_is_only_there_as_voided_is_not_bought_again_and_costs_nothing(
    home, carrier, clock
):
    with in_doubt(home, carrier, clock) as case:
        sell(carrier, case.job, number="SANDBOXVOID", voided=1)
        clock.now += 2 * GRACE
        look(case)
        entry = last(case)
        assert (entry["event"], entry["state"]) == ("adopted", "voided")
        assert case.again == []
        assert (case.spend.spent, case.spend.reserved, case.spend.bought) == (0, 0, 0)
        assert case.doubts.doubts == {}


def test_an_adopted_shipment_is_booked_whole_under_its_own_attempt(home, carrier, clock):
    with in_doubt(home, carrier, clock, watch=[1], quote=1234, currency="CAD") as case:
        sell(carrier, case.job, number="SANDBOX7")
        look(case)
        entry = last(case)
        assert {
            name: entry[name]
            for name in (
                "event",
                "state",
                "attempt",
                "reference",
                "shipment_id",
                "charged_cents",
                "currency",
                "charge_basis",
                "service",
                "watch",
            )
        } == {
            "event": "adopted",
            "state": "shipped",
            "attempt": 2,
            "reference": case.job.reference(0, 2),
            "shipment_id": "SANDBOX7",
            "charged_cents": 1234,
            "currency": "CAD",
            "charge_basis": "estimated",
            "service": "ground",
            "watch": [1],
        }
        assert (case.spend.spent, case.spend.reserved) == (1234, 0)
        assert [label.data for label in case.job.labels()] == [b"%PDF-labelSANDBOX7"]


def test_a_shipment_that_cost_nothing_is_adopted_for_nothing(home, carrier, clock):
    with in_doubt(home, carrier, clock, quote=0) as case:
        sell(carrier, case.job)
        look(case)
        assert (case.spend.spent, case.spend.reserved, case.spend.bought) == (0, 0, 1)


def test_shipments_beyond_the_adopted_one_are_surplus_each_reported_once(home, carrier, clock):
    with in_doubt(home, carrier, clock) as case:
        for number in ("SANDBOX1", "SANDBOX2", "SANDBOX3"):
            sell(carrier, case.job, number=number)
        sell(carrier, case.job, number="SANDBOXVOID", voided=1)
        look(case)
        found = surplus(case.job).to_pylist()
        assert last(case)["tracking_numbers"] == ["SANDBOX1"]
        assert [entry["shipment_id"] for entry in found] == ["SANDBOX2", "SANDBOX3"]
        assert [entry["tracking_numbers"] for entry in found] == [["SANDBOX2"], ["SANDBOX3"]]
        assert {entry["row"] for entry in found} == {0}
        assert {entry["reference"] for entry in found} == {case.job.reference(0, 2)}
        assert {entry["attempt"] for entry in found} == {2}
        assert json.loads(found[0]["details"]) == {"shipment_id": "SANDBOX2", "row": 0}
        assert "one more shipment" in found[0]["message"]
        assert "void_surplus" in found[0]["fix"]
        assert found[0]["at"] is not None


# -- references that were given up -----------------------------------------------------------------


def watch(case):
    async def work():
        await case.doubts.watch()
        await case.ledger.settled()

    asyncio.run(work())


def test_a_shipment_under_a_given_up_reference_is_surplus_once_and_never_adopted(
    home, carrier, clock
):
    with in_doubt(home, carrier, clock, watch=[1]) as case:
        sell(carrier, case.job, attempt=1, number="SANDBOXLATE")
        sell(carrier, case.job, attempt=1, number="SANDBOXVOID", voided=1)
        watch(case)
        watch(case)
        found = surplus(case.job).to_pylist()
        assert [(e["shipment_id"], e["attempt"]) for e in found] == [("SANDBOXLATE", 1)]
        assert case.ledger.state(0) is RowState.IN_DOUBT
        assert case.doubts.known_surplus == {"SANDBOXLATE"}
    assert JobStore(case.job.path).notes().num_rows == 1


def test_surplus_that_an_earlier_run_reported_is_not_reported_again(home, carrier, clock):
    with in_doubt(home, carrier, clock, watch=[1]) as case:
        sell(carrier, case.job, attempt=1, number="SANDBOXLATE")
        watch(case)
        again = Reconciler(
            case.job,
            case.ledger,
            carrier,
            pacer=Pacer(concurrency=1),
            rows=case.doubts._rows,
            spend=case.spend,
            grace_s=GRACE,
            resend="ask",
            again=case.again.append,
        )
        case.doubts = again
        watch(case)
        assert surplus(case.job).num_rows == 1


@pytest.mark.parametrize("late", [1, 2, 3])
def test_each_key_of_a_row_that_was_set_aside_is_watched(home, tmp_path, clock, late):
    carrier = KeyedCarrier(tmp_path / "keyed.db")
    with in_doubt(home, carrier, clock, watch=[1, 2]) as case:
        # Its third try was sent under a key of its own; those of the two before were given up.
        for state in ("review", "skipped"):
            case.ledger.record_now(
                [
                    LedgerEntry(
                        *(0, "test", state),
                        attempt=3,
                        watch=[1, 2, 3],
                        shipment_id=f"{case.job.reference(0, 3)};bytes",
                    )
                ]
            )
        sell(carrier, case.job, attempt=late, number="SANDBOXLATE")
        watch(case)
        assert [e["attempt"] for e in surplus(case.job).to_pylist()] == [late]


def test_what_is_bought_in_part_under_a_given_up_reference_is_surplus(home, carrier, clock):
    """Its parcels are paid for, although the carrier does not have the rest."""
    bought = carrier.purchase("SANDBOXLATE", cents=850)

    async def in_part(reference, *question):
        raise PartlyBought("1 of 2 parcels", purchase=bought)

    with in_doubt(home, carrier, clock, watch=[1]) as case:
        carrier.find = in_part
        watch(case)
        assert surplus(case.job).column("shipment_id").to_pylist() == ["SANDBOXLATE"]


def test_the_shipment_of_the_row_is_no_surplus_under_a_key_that_was_given_up(home, tmp_path, clock):
    carrier = KeyedCarrier(tmp_path / "keyed.db")
    with in_doubt(home, carrier, clock, watch=[1, 2]) as case:
        own = case.job.reference(0, 1)
        sold = {"attempt": 2, "watch": [1, 2], "shipment_id": own, "tracking_numbers": ["N1"]}
        case.ledger.record_now([LedgerEntry(0, "adopted", "shipped", **sold)])
        sell(carrier, case.job, attempt=1, number="N1")
        watch(case)
        assert carrier.finds, "it was looked up"
        assert surplus(case.job).num_rows == 0
        sell(carrier, case.job, attempt=2, number="N2")
        watch(case)
        assert [e["attempt"] for e in surplus(case.job).to_pylist()] == [2]


def test_references_of_another_account_are_not_looked_up_here(home, carrier, clock):
    with in_doubt(home, carrier, clock, rows=2, watch=[1]) as case:
        case.doubts._mine = lambda row: row == 1
        watch(case)
        assert carrier.finds == [case.job.reference(1, 1)]


def test_a_failed_look_up_of_one_reference_does_not_keep_the_others_from_being_watched(
    home, carrier, clock
):
    find = carrier.find

    async def first_fails(reference, *question):
        if reference == case.job.reference(0, 1):
            raise AnswerLost("reset")
        return await find(reference, *question)

    with in_doubt(home, carrier, clock, rows=2, watch=[1]) as case:
        carrier.find = first_fails
        for row in (0, 1):
            sell(carrier, case.job, row=row, attempt=1, number=f"SANDBOXLATE{row}")
        watch(case)
        assert surplus(case.job).column("shipment_id").to_pylist() == ["SANDBOXLATE1"]


def test_voided_surplus_is_no_longer_listed_and_other_surplus_is(home, carrier, clock):
    with in_doubt(home, carrier, clock, watch=[1]) as case:
        for number in ("SANDBOX8", "SANDBOX9"):
            sell(carrier, case.job, attempt=1, number=number)
        watch(case)
        case.ledger.record_now([LedgerEntry(0, "surplus_voided", None, shipment_id="SANDBOX8")])
        assert surplus(case.job).column("shipment_id").to_pylist() == ["SANDBOX9"]


# -- rows that wait for a person -------------------------------------------------------------------


def review(case):
    async def work():
        await case.doubts.review(0)
        await case.ledger.settled()

    asyncio.run(work())


def test_a_row_in_review_is_adopted_when_it_turns_up_and_stays_when_it_does_not(
    home, carrier, clock
):
    with in_doubt(home, carrier, clock, resend="ask") as case:
        clock.now += GRACE
        look(case)
        review(case)
        assert case.ledger.state(0) is RowState.REVIEW
        sell(carrier, case.job, number="SANDBOX5")
        review(case)
        assert case.ledger.state(0) is RowState.SHIPPED
        assert (case.spend.spent, case.spend.reserved) == (QUOTE, 0)


def test_a_row_in_review_stays_when_the_carrier_cannot_be_asked(home, carrier, clock):
    async def refused(*_):
        raise CarrierUnreachable("connection refused")

    with in_doubt(home, carrier, clock, resend="ask") as case:
        clock.now += GRACE
        look(case)
        carrier.find = refused
        review(case)
        assert case.ledger.state(0) is RowState.REVIEW


# -- what may still turn up ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("steps", "watch", "late"),
    [
        ([], None, 0),
        (["in_flight"], None, 1),
        (["in_flight", "in_doubt"], None, 1),
        (["in_flight", "in_doubt", "review"], None, 1),
        (["in_flight", "shipped"], None, 0),
        (["in_flight", "shipped"], [1], 1),
        (["in_flight", "failed"], None, 0),
        (["in_flight", "shipped", "voided"], None, 0),
        (["skipped"], None, 0),
    ],
)
def test_late_rows_are_those_with_something_that_may_still_turn_up(home, steps, watch, late):
    job = job_of(home, 3)
    with job.own() as ledger:
        for step in steps:
            ledger.record_now([LedgerEntry(1, "test", step, attempt=1, watch=watch)])
    assert late_rows(job) == [1] * late


@pytest.mark.parametrize(("resend", "state"), [("ask", "review"), ("proven", "pending")])
def test_what_is_bought_in_part_is_a_question_for_a_person_or_sent_again(
    home, tmp_path, clock, resend, state
):
    carrier = KeyedCarrier(tmp_path / "keyed.db")
    bought = carrier.purchase("N1", cents=850)

    async def in_part(reference, *question):
        raise PartlyBought("1 of 2 parcels is bought.", purchase=bought)

    carrier.find = in_part
    with in_doubt(home, carrier, clock, resend=resend) as case:
        clock.now += GRACE
        look(case)
        entry = last(case)
        assert entry["state"] == state
        if state == "review":
            assert (entry["code"], entry["message"]) == (
                "partly_bought",
                "1 of 2 parcels is bought. Bought: N1.",
            )
        else:
            assert (entry["code"], entry["message"], case.again) == (None, None, [0])


@pytest.mark.parametrize("cents", [0, 850])
def test_a_shipment_found_voided_is_owed_what_it_cost_until_the_refund(home, carrier, clock, cents):
    """With a refund that is decided later, to be voided gives no money back yet."""
    carrier.capabilities = Capabilities(refund_state=True)
    with in_doubt(home, carrier, clock, quote=cents) as case:
        sell(carrier, case.job, voided=1)
        look(case)
        assert case.ledger.state(0) is RowState.VOIDED
        assert (case.spend.spent, case.spend.reserved, case.spend.bought) == (cents, 0, 0)


# -- label files that did not come with their purchases --------------------------------------------


def unlabelled(case, *rows, voided=(), bought=None):
    """Make rows shipped without their label files."""
    for row in rows:
        numbers = [n for n in (bought or [f"N{row}"]) if n not in voided]
        details = with_voided(None, voided, of=bought or ()) if voided else None
        case.ledger.record_now(
            [
                LedgerEntry(
                    *(row, "adopted", "shipped"),
                    attempt=2,
                    shipment_id=f"drf_{row}",
                    tracking_numbers=numbers,
                    charged_cents=850,
                    currency="USD",
                    details=details,
                )
            ]
        )


def fetch(case):
    async def work():
        await case.doubts.fetch_labels()
        await case.ledger.settled()

    asyncio.run(work())


def stored(case):
    return [(one.row, one.tracking_number) for one in case.job.labels()]


@pytest.fixture
def two_step(tmp_path):
    carrier = TwoStepCarrier(tmp_path / "drafts.db")
    carrier.answers = {}

    async def find(reference, label, shipment=None):
        carrier.finds.append(reference)
        found = carrier.answers[reference]
        if isinstance(found, Exception):
            raise found
        return [found]

    carrier.find = find
    return carrier


def test_a_label_that_did_not_come_is_asked_for_by_its_id_and_stored(home, two_step, clock):
    with in_doubt(home, two_step, clock) as case:
        unlabelled(case, 0)
        two_step.answers["drf_0"] = two_step.purchase("N0", cents=850)
        before = last(case)
        fetch(case)
        assert (two_step.finds, stored(case)) == (["drf_0"], [(0, "N0")])
        kept = ("state", "shipment_id", "tracking_numbers", "charged_cents", "attempt")
        assert [last(case)[name] for name in kept] == [before[name] for name in kept]
        fetch(case)
        assert two_step.finds == ["drf_0"], "it is not asked for again"


def test_a_purchase_that_is_not_on_disk_yet_is_written_before_its_label_is_asked_for(
    home, two_step, clock
):
    """What its label is asked by is read from the disk."""

    async def work():
        sold = {"shipment_id": "drf_0", "tracking_numbers": ["N0"], "charged_cents": 850}
        entry = LedgerEntry(0, "adopted", "shipped", attempt=2, currency="USD", **sold)
        case.ledger.record([entry], urgent=False)
        await case.doubts.fetch_labels()
        await case.ledger.settled()

    with in_doubt(home, two_step, clock) as case:
        two_step.answers["drf_0"] = two_step.purchase("N0", cents=850)
        asyncio.run(work())
        assert (two_step.finds, stored(case)) == (["drf_0"], [(0, "N0")])


def test_labels_of_a_row_in_part_are_stored_without_the_voided_ones(home, two_step, clock):
    with in_doubt(home, two_step, clock) as case:
        unlabelled(case, 0, voided=["A"], bought=["A", "B"])
        [one] = two_step.purchase("A", cents=1).labels
        both = (one, one.model_copy(update={"tracking_number": "B"}))
        bought = Purchase(shipment_id="drf_0", tracking_numbers=("A", "B"), labels=both)
        two_step.answers["drf_0"] = bought
        fetch(case)
        segment = case.job.chain().segments[last(case)["label_sequence"]]
        written = pq.read_table(segment.path, columns=["labels"]).column("labels").to_pylist()
        assert [one["tracking_number"] for labels in written for one in labels] == ["B"]


def test_labels_of_what_is_bought_in_part_are_stored(home, two_step, clock):
    with in_doubt(home, two_step, clock) as case:
        unlabelled(case, 0)
        bought = two_step.purchase("N0", cents=850)
        two_step.answers["drf_0"] = PartlyBought("the rest was refused", purchase=bought)
        fetch(case)
        assert stored(case) == [(0, "N0")]


def test_labels_are_asked_for_at_their_own_account_and_each_alone(home, two_step, clock):
    with in_doubt(home, two_step, clock, rows=3) as case:
        unlabelled(case, 0, 1, 2)
        two_step.answers["drf_1"] = AnswerLost("reset")
        two_step.answers["drf_2"] = two_step.purchase("N2", cents=850)
        case.doubts._mine = lambda row: row > 0
        fetch(case)
        assert (sorted(two_step.finds), stored(case)) == (["drf_1", "drf_2"], [(2, "N2")])


def test_where_a_look_up_is_a_search_no_label_is_asked_for(home, carrier, clock):
    """It may find another shipment."""
    with in_doubt(home, carrier, clock) as case:
        unlabelled(case, 0)
        fetch(case)
        assert carrier.finds == []


# -- how a shipment is booked ----------------------------------------------------------------------


def test_a_billed_charge_is_booked_as_the_carrier_gave_it(carrier):
    bought = carrier.purchase("SANDBOX1", cents=None)
    charge = Charge(cents=777, currency="CAD", basis=ChargeBasis.BILLED, billed_weight_lb=3.0)
    bought = bought.model_copy(update={"charge": charge, "warnings": ("Address corrected.",)})
    entry = purchase_entry(
        bought,
        row=4,
        event="result",
        state=RowState.SHIPPED,
        attempt=3,
        reference="REF",
        quoted_cents=850,
        currency="USD",
        watch=[2],
    )
    assert entry._replace(at=None, shipped_at=None, labels=None) == LedgerEntry(
        row=4,
        event="result",
        state="shipped",
        attempt=3,
        reference="REF",
        shipment_id="SANDBOX1",
        tracking_numbers=("SANDBOX1",),
        service="ground",
        charged_cents=777,
        currency="CAD",
        charge_basis="billed",
        billed_weight_lb=3.0,
        details='{"warnings": ["Address corrected."]}',
        watch=[2],
    )
    assert entry.shipped_at == entry.at
    assert entry.at > 1_600_000_000_000_000, "microseconds since 1970"


def test_labels_are_booked_with_their_parcel_and_kind(carrier):
    one = carrier.purchase("N1", cents=1).labels[0]
    labels = (
        one,
        one.model_copy(update={"tracking_number": "N2"}),
        one.model_copy(update={"tracking_number": "N1", "kind": "document"}),
        one.model_copy(update={"tracking_number": "UNKNOWN"}),
    )
    bought = Purchase(shipment_id="N1", tracking_numbers=("N1", "N2"), labels=labels, service=None)
    entry = purchase_entry(
        bought,
        row=0,
        event="result",
        state=RowState.SHIPPED,
        attempt=1,
        reference="REF",
        quoted_cents=850,
        currency="USD",
    )
    assert [(x.tracking_number, x.parcel_index, x.kind, x.format) for x in entry.labels] == [
        ("N1", 0, "label", "pdf"),
        ("N2", 1, "label", "pdf"),
        ("N1", 0, "document", "pdf"),
        ("UNKNOWN", 0, "label", "pdf"),
    ]
    assert (entry.service, entry.details, entry.charged_cents) == (None, None, 850)
    assert (entry.charge_basis, entry.billed_weight_lb) == ("estimated", None)


def test_a_shipment_without_labels_has_none_in_its_entry(carrier):
    bought = Purchase(shipment_id="N1", tracking_numbers=("N1",))
    entry = purchase_entry(
        bought,
        row=0,
        event="adopted",
        state=RowState.SHIPPED,
        attempt=1,
        reference="REF",
        quoted_cents=1,
        currency="USD",
    )
    assert entry.labels is None


@pytest.mark.parametrize(
    ("numbers", "charged", "prices", "kept"),
    [
        (("N1", "N2"), 800, (500, 300), {"N1": 500, "N2": 300}),
        (("N1", "N2"), 801, (500, 300), None),  # not what the carrier charged
        (("N1", "N2"), None, (500, 300), None),
        (("N1", "N1"), 800, (500, 300), None),  # whose price is which is not known
        (("N1", "N2"), 500, (500,), None),
        (("N1",), 500, (500,), None),
        (("N1", "N2"), 800, (), None),
    ],
)
def test_labels_have_prices_of_their_own_where_they_add_up_to_the_charge(
    numbers, charged, prices, kept
):
    """What a label with a rejected refund costs is read from them."""
    bought = Purchase(
        shipment_id="S",
        tracking_numbers=numbers,
        charge=None if charged is None else Charge(cents=charged),
        label_cents=prices,
    )
    entry = purchase_entry(
        bought,
        row=0,
        event="result",
        state=RowState.SHIPPED,
        attempt=1,
        reference="REF",
        quoted_cents=800,
        currency="USD",
    )
    assert json.loads(entry.details or "{}").get("label_cents") == kept
