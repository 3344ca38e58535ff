"""The money of voided labels: it counts until it is back, label by label where each has a price."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence

import pytest
from corekit import BookCarrier, job_of

from shipkit.carriers.protocol import Capabilities, CarrierIdentity
from shipkit.errors import CarrierError, CarrierRejected, CarrierUnreachable, JobError
from shipkit.models import Purchase, Refund
from shipkit.purchasing import recovery
from shipkit.purchasing.result import BatchResult
from shipkit.purchasing.spend import Spend
from shipkit.purchasing.store import JobStore
from shipkit.purchasing.store.entries import LedgerEntry, voided_in

PRICES = {"1ZA": 500, "1ZB": 300, "1ZC": 200}
A, B, C = PRICES
SUBMITTED, REFUNDED, REJECTED = Refund.SUBMITTED, Refund.REFUNDED, Refund.REJECTED


@pytest.fixture
def home(tmp_path):
    return tmp_path / "home"


class Refunding(BookCarrier):
    """Takes voids, and decides about the money later, label by label, as the test says."""

    def __init__(self, path, *, later: bool = True) -> None:
        super().__init__(path)
        self.later = later
        self.capabilities = Capabilities(refund_state=later)
        self.answer: CarrierError | None = None
        """What a void is answered with; None: success."""
        self.voids: list[tuple[str, ...]] = []
        self.decided: dict[str, Refund] = {}
        self.asked: list[tuple[str, ...]] = []
        self.silent = False

    async def void(self, purchase: Purchase) -> Refund | None:
        self.voids.append(purchase.tracking_numbers)
        if self.answer is not None:
            raise self.answer
        return SUBMITTED if self.later else None

    async def refund_state(self, purchase: Purchase) -> Refund | None:
        self.asked.append(purchase.tracking_numbers)
        if self.silent:
            raise CarrierUnreachable("no answer")
        states = {self.decided.get(each, SUBMITTED) for each in purchase.tracking_numbers}
        return next(iter(states)) if len(states) == 1 else SUBMITTED


@pytest.fixture
def carrier(tmp_path):
    return Refunding(tmp_path / "books.db")


def bought(home, prices: Mapping[str, int] = PRICES, *, apart: bool = True) -> JobStore:
    """Return a job of one row that is bought with these labels; `apart`: each has its price."""
    job = job_of(home, 1)
    details = json.dumps({"label_cents": dict(prices)}) if apart else None
    with job.own() as ledger:
        ledger.record_now([LedgerEntry(0, "intent", "in_flight", attempt=1)])
        ledger.record_now(
            [
                LedgerEntry(
                    0,
                    "result",
                    "shipped",
                    attempt=1,
                    shipment_id="S-1",
                    tracking_numbers=list(prices),
                    charged_cents=sum(prices.values()),
                    currency="USD",
                    details=details,
                )
            ]
        )
    return job


def void(job, carrier):
    return asyncio.run(recovery.void_rows(job, carrier, [0]))


def look(job, carrier) -> None:
    asyncio.run(recovery.update_refunds(job, carrier))


def line_of(job) -> dict:
    [line] = job.results().to_pylist()
    return line


def counts(job) -> int:
    """Return what the job costs: the same for a person, and for its limits after a resume."""
    total = sum(money.cents for money in BatchResult.of(job).totals.values())
    with job.own() as ledger:
        assert Spend.of(job, ledger).spent == total
    return total


def refused(voided: Sequence[str], not_voided: Sequence[str] = ()) -> CarrierRejected:
    return CarrierRejected("Not all.", carrier_code="V-1", voided=voided, not_voided=not_voided)


# -- a whole row -----------------------------------------------------------------------------------


def test_a_voided_row_counts_until_its_money_is_back(home, carrier):
    job = bought(home, {A: 500})
    assert void(job, carrier).voided == 1
    before = line_of(job)
    assert (before["state"], before["refund"], counts(job)) == ("voided", "submitted", 500)
    carrier.decided = {A: REFUNDED}
    look(job, carrier)
    line = line_of(job)
    assert (line["refund"], counts(job)) == ("refunded", 0)
    assert (line["charged_cents"], line["voided_at"]) == (500, before["voided_at"])


def test_where_a_void_is_final_it_no_longer_counts(home, tmp_path):
    carrier = Refunding(tmp_path / "books.db", later=False)
    job = bought(home)
    void(job, carrier)
    assert (line_of(job)["refund"], counts(job)) == (None, 0)
    look(job, carrier)
    assert carrier.asked == []


def test_a_void_that_is_refused_because_all_labels_are_voided_asked_for_the_money(home, carrier):
    job = bought(home)
    carrier.answer = refused([A, B, C])
    assert void(job, carrier).voided == 1
    assert (line_of(job)["state"], line_of(job)["refund"], counts(job)) == (
        "voided",
        "submitted",
        1000,
    )


def test_each_label_counts_until_its_own_money_is_back(home, carrier):
    job = bought(home)
    void(job, carrier)
    for decided, refund, cents in (
        ({A: REFUNDED}, "submitted", 500),
        ({A: REFUNDED, B: REFUNDED}, "submitted", 200),
        ({A: REFUNDED, B: REFUNDED, C: REJECTED}, "rejected", 200),
        ({A: REFUNDED, B: REFUNDED, C: REFUNDED}, "refunded", 0),
    ):
        carrier.decided = decided
        if refund == "refunded":  # a person asks again
            void(job, carrier)
        look(job, carrier)
        assert (line_of(job)["refund"], counts(job)) == (refund, cents)
    assert line_of(job)["charged_cents"] == 1000, "the record of what it cost"


def test_labels_without_prices_of_their_own_count_together(home, carrier):
    job = bought(home, apart=False)
    void(job, carrier)
    carrier.decided = {A: REFUNDED, B: REFUNDED}
    look(job, carrier)
    assert (carrier.asked[-1], counts(job)) == ((A, B, C), 1000)
    carrier.decided[C] = REFUNDED
    look(job, carrier)
    assert counts(job) == 0


def test_a_rejection_of_labels_without_prices_of_their_own_is_noted(home, carrier):
    job = bought(home, apart=False)
    void(job, carrier)
    carrier.decided = dict.fromkeys(PRICES, REJECTED)
    look(job, carrier)
    assert (line_of(job)["refund"], counts(job)) == ("rejected", 1000)


def test_money_that_is_back_is_not_asked_about_again_and_news_is_noted_once(home, carrier):
    job = bought(home)
    void(job, carrier)
    carrier.decided = {A: REFUNDED}
    look(job, carrier)
    noted, carrier.asked = job.chain().table.num_rows, []
    look(job, carrier)
    assert carrier.asked == [(B,), (C,)]
    assert job.chain().table.num_rows == noted


def test_an_account_that_does_not_answer_leaves_what_is_known(home, carrier):
    job = bought(home)
    void(job, carrier)
    noted, carrier.silent = job.chain().table.num_rows, True
    look(job, carrier)
    assert (job.chain().table.num_rows, counts(job)) == (noted, 1000)


def test_another_account_is_not_asked_about_a_refund(home, carrier, tmp_path):
    job = bought(home)
    void(job, carrier)
    other = Refunding(tmp_path / "other.db")
    other.identity = CarrierIdentity("books", "sandbox", "OTHER001")
    other.decided = dict.fromkeys(PRICES, REFUNDED)
    with pytest.raises(JobError):
        look(job, other)
    assert (other.asked, counts(job)) == ([], 1000)


# -- asking again ----------------------------------------------------------------------------------


def test_only_a_rejected_refund_is_asked_for_again(home, carrier):
    job = bought(home, {A: 500})
    void(job, carrier)
    assert void(job, carrier).already == 1
    assert carrier.voids == [(A,)]
    carrier.decided = {A: REJECTED}
    look(job, carrier)
    assert (line_of(job)["refund"], counts(job)) == ("rejected", 500)
    void(job, carrier)
    assert (carrier.voids, line_of(job)["refund"]) == ([(A,), (A,)], "submitted")


def test_a_rejected_refund_that_is_refused_again_stays_and_the_others_are_asked_about(
    home, carrier
):
    job = bought(home)
    void(job, carrier)
    carrier.decided = {A: REJECTED}
    look(job, carrier)
    carrier.answer, carrier.decided[B] = refused([A]), REFUNDED
    outcome = void(job, carrier)
    assert (outcome.voided, outcome.already, list(outcome.refused)) == (0, 1, [0])
    line = line_of(job)
    assert (line["state"], line["refund"], counts(job)) == ("voided", "rejected", 700)


# -- a row in part ---------------------------------------------------------------------------------


def test_a_voided_label_of_a_row_counts_until_its_money_is_back(home, carrier):
    job = bought(home)
    carrier.answer = refused([A, B], [C])
    void(job, carrier)
    before = line_of(job)
    assert (before["state"], before["tracking_numbers"], counts(job)) == ("shipped", [C], 1000)
    assert "the charge still counts them" in before["error_message"]
    carrier.decided = {A: REFUNDED}
    look(job, carrier)
    carrier.decided[B] = REJECTED
    look(job, carrier)
    line = line_of(job)
    assert (line["state"], line["tracking_numbers"], counts(job)) == ("shipped", [C], 500)
    assert line["error_message"] == (
        f"{before['error_message']} The carrier's answer about the refund of {A}: refunded, and "
        f"the charge no longer counts it. The carrier's answer about the refund of {B}: rejected."
    )
    noted = job.chain().table.num_rows
    look(job, carrier)
    assert job.chain().table.num_rows == noted


def test_where_a_void_is_final_a_row_in_part_costs_what_is_left(home, tmp_path):
    carrier = Refunding(tmp_path / "books.db", later=False)
    job = bought(home)
    carrier.answer = refused([A], [B, C])
    void(job, carrier)
    assert counts(job) == 500
    assert "the charge no longer counts it" in line_of(job)["error_message"]
    carrier.answer = refused([B], [C])
    outcome = void(job, carrier)
    assert (outcome.voided, outcome.labels, outcome.in_part) == (0, 1, {0})
    assert (line_of(job)["tracking_numbers"], counts(job)) == ([C], 200)
    carrier.answer = None
    void(job, carrier)
    line = line_of(job)
    assert (line["tracking_numbers"], counts(job)) == ([A, B, C], 0)
    assert line["charged_cents"] == 1000, "the record of what it cost"


def test_money_that_was_back_before_the_rest_was_voided_does_not_count_again(home, carrier):
    job = bought(home)
    carrier.answer = refused([A], [B, C])
    void(job, carrier)
    carrier.decided = {A: REFUNDED}
    look(job, carrier)
    carrier.answer = None
    void(job, carrier)
    line = line_of(job)
    assert (line["state"], line["tracking_numbers"], line["refund"]) == (
        "voided",
        [A, B, C],
        "submitted",
    )
    assert counts(job) == 500
    assert voided_in(job.last_entries_of([0])[0]["details"]) == (), "it is no row in part any more"
    carrier.asked = []
    look(job, carrier)
    assert carrier.asked == [(B,), (C,)]


def test_a_label_that_the_row_does_not_know_has_no_price_and_all_of_it_counts(home, tmp_path):
    carrier = Refunding(tmp_path / "books.db", later=False)
    job = bought(home, {A: 500, B: 300})
    carrier.answer = refused([A, B], ["1ZX"])
    void(job, carrier)
    line = line_of(job)
    assert (line["state"], line["tracking_numbers"], counts(job)) == ("shipped", ["1ZX"], 800)
