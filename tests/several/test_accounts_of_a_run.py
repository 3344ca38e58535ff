"""A job with several accounts: each row is bought, looked up and voided at its own only."""

from __future__ import annotations

import asyncio
import json

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from corekit import QUOTE, BookCarrier, TwoStepCarrier, draft_of, lose_first, quotes_of

from shipkit.carriers.accounts import Account, Accounts
from shipkit.carriers.pace import Pacer
from shipkit.carriers.protocol import CarrierIdentity, JointIdentity
from shipkit.errors import CarrierRejected, JobError
from shipkit.purchasing import history, recovery
from shipkit.purchasing.account import account_key
from shipkit.purchasing.run import Control, execute, look_again
from shipkit.purchasing.store import JobStore
from shipkit.purchasing.store.entries import STATES, LedgerEntry
from shipkit.purchasing.store.manifest import JobAccount
from shipkit.state import JobStatus, RowState

NAMES = ("post", "parcel")
ROWS = 12


@pytest.fixture
def home(tmp_path):
    return tmp_path / "home"


@pytest.fixture
def post(tmp_path):
    return named(BookCarrier(tmp_path / "post.db"), "POST0001")


@pytest.fixture
def parcel(tmp_path):
    return named(TwoStepCarrier(tmp_path / "parcel.db"), "PARC0002")


def named(carrier, account):
    carrier.identity = CarrierIdentity("books", "sandbox", account)
    return carrier


def accounts_of(post, parcel, *, breaker_after=20, concurrency=3):
    pacer = {"concurrency": concurrency, "breaker_after": breaker_after}
    members = zip(NAMES, (post, parcel), strict=True)
    return Accounts([Account(name, carrier, Pacer(**pacer)) for name, carrier in members])


def job_of(home, accounts, *, rows=ROWS, resend=("proven", "proven"), **fields) -> JobStore:
    """Return a job whose even rows are sold by the first account, its odd rows by the second."""
    sellers = [NAMES[row % 2] for row in range(rows)]
    made = [
        JobAccount.of(account.name, account.carrier.identity, policy)
        for account, policy in zip(accounts, resend, strict=True)
    ]
    draft = draft_of(
        rows,
        identity=accounts.identity,
        accounts=tuple(made),
        row_accounts=pa.array(sellers),
        **fields,
    )
    return JobStore.publish(home, draft)


def buy(job, accounts, **options):
    return asyncio.run(execute(job, accounts, **{"grace_s": 0.05, **options}))


def orders(*rows):
    return {f"A{row:07}": 1 for row in rows}


EVEN, ODD = range(0, ROWS, 2), range(1, ROWS, 2)


def test_each_row_is_bought_once_at_its_own_account(home, post, parcel):
    accounts = accounts_of(post, parcel)
    job = job_of(home, accounts)
    assert buy(job, accounts) is JobStatus.COMPLETED
    assert (post.sales(), parcel.sales()) == (orders(*EVEN), orders(*ODD))
    results = job.results()
    assert results.column("seller").to_pylist() == list(NAMES) * (ROWS // 2)
    assert results.column("account").to_pylist() == ["0001", "0002"] * (ROWS // 2)
    assert results.column("carrier").to_pylist() == ["books"] * ROWS


def test_the_ledger_notes_the_account_with_each_intent(home, post, parcel):
    accounts = accounts_of(post, parcel)
    job = job_of(home, accounts)
    buy(job, accounts)
    table = job.chain().table
    intents = table.filter(pc.equal(table.column("event"), "intent")).sort_by("row").to_pylist()
    noted = [json.loads(intent["details"]) for intent in intents]
    assert noted == [
        {"account": NAMES[row % 2], "carrier": "sandbox", "service": "ground"}
        for row in range(ROWS)
    ]


def test_each_account_settles_a_lost_answer_in_its_own_way(home, post, parcel):
    """One finds by our reference, the other by the id that it gave before the purchase."""
    post.hook, parcel.hook = lose_first(), lose_first()
    accounts = accounts_of(post, parcel)
    job = job_of(home, accounts)
    assert buy(job, accounts) is JobStatus.COMPLETED
    assert (post.sales(), parcel.sales()) == (orders(*EVEN), orders(*ODD))
    assert set(post.finds) == {job.reference(row, 1) for row in EVEN}
    assert parcel.finds
    assert all(key.startswith("drf_") for key in parcel.finds)
    assert sorted(parcel.prepared) == sorted(job.reference(row, 1) for row in ODD)


def test_each_account_has_its_own_policy_for_what_is_not_found(home, post, parcel):
    post.hook, parcel.hook = (lose_first(after_sale=False) for _ in range(2))
    accounts = accounts_of(post, parcel)
    job = job_of(home, accounts, resend=("ask", "proven"))
    assert buy(job, accounts) is JobStatus.COMPLETED_WITH_ERRORS
    states = job.results().column("state").to_pylist()
    assert states == ["review", "shipped"] * (ROWS // 2)
    assert post.sales() == {}


def test_the_breaker_of_one_account_stops_only_its_rows_and_the_result_says_so(home, post, parcel):
    async def refuse(carrier, shipment, reference):
        raise CarrierRejected("No money.", carrier_code="E1")

    post.hook = refuse
    accounts = accounts_of(post, parcel, breaker_after=3, concurrency=1)
    job = job_of(home, accounts)
    assert buy(job, accounts) is JobStatus.PAUSED
    assert parcel.sales() == orders(*ODD)
    results = job.results().to_pylist()
    counts = dict.fromkeys(("failed", "pending"), 0)
    for row in results[::2]:
        counts[row["state"]] += 1
    assert counts == {"failed": 3, "pending": 3}
    assert job.reason.startswith("post: the carrier refused the last 3 shipments")
    assert "(3 rows not sent)" in job.reason
    assert "parcel" not in job.reason
    post.hook = None
    assert buy(job, accounts_of(post, parcel)) is JobStatus.COMPLETED_WITH_ERRORS
    assert post.sales() == orders(6, 8, 10)
    assert parcel.sales() == orders(*ODD)


def test_a_limit_of_one_account_stops_only_its_rows(home, post, parcel):
    accounts = accounts_of(post, parcel)
    job = job_of(home, accounts, limits={"per_account_cents": {"post": 2 * QUOTE}})
    assert buy(job, accounts) is JobStatus.PAUSED
    assert (len(post.sales()), parcel.sales()) == (2, orders(*ODD))
    assert job.reason.startswith("post: the next shipment ($8.50) would exceed the limit of $17.00")
    assert buy(job, accounts_of(post, parcel)) is JobStatus.PAUSED, "the limit is the job's"
    assert len(post.sales()) == 2


def test_a_total_limit_holds_over_all_accounts_together(home, post, parcel):
    accounts = accounts_of(post, parcel)
    job = job_of(home, accounts, limits={"total_cents": 5 * QUOTE})
    assert buy(job, accounts) is JobStatus.PAUSED
    assert len(post.sales()) + len(parcel.sales()) == 5


def test_a_pause_stops_all_accounts_and_a_resume_goes_on_with_each(home, post, parcel):
    control = Control()

    async def pause(carrier, shipment, reference):
        control.pause()

    post.hook = pause
    accounts = accounts_of(post, parcel, concurrency=1)
    job = job_of(home, accounts)
    assert buy(job, accounts, control=control) is JobStatus.PAUSED
    assert job.reason == "paused"
    assert len(post.sales()) == 1
    post.hook = None
    assert buy(job, accounts_of(post, parcel)) is JobStatus.COMPLETED
    assert (post.sales(), parcel.sales()) == (orders(*EVEN), orders(*ODD))


def test_rows_that_a_dead_process_left_in_flight_are_settled_by_their_own_account(
    home, post, parcel
):
    accounts = accounts_of(post, parcel)
    job = job_of(home, accounts, rows=2)
    with job.own() as ledger:
        for row in (0, 1):
            reference = job.reference(row, 1)
            ledger.record_now([LedgerEntry(row, "intent", "in_flight", attempt=1)])
            if row == 0:
                post.sell(_shipment(job, row), reference)
    assert buy(job, accounts) is JobStatus.COMPLETED
    # The first was bought, and is found. The second had no id yet, so it was certainly not bought.
    assert (post.sales(), parcel.sales()) == (orders(0), orders(1))
    assert (len(post.calls), len(post.finds), len(parcel.finds)) == (0, 1, 0)


def _shipment(job, row):
    from shipkit.purchasing.store.planrows import PlanRows

    rows = PlanRows(job.path)
    try:
        return rows.one(row)
    finally:
        rows.close()


def test_a_finished_job_looks_for_late_shipments_at_the_account_of_their_row(home, post, parcel):
    lost = lose_first(after_sale=False)
    post.hook = lost
    accounts = accounts_of(post, parcel)
    job = job_of(home, accounts, rows=2)
    buy(job, accounts)
    post.finds.clear()
    parcel.finds.clear()
    post.sell(_shipment(job, 0), job.reference(0, 1))
    assert asyncio.run(look_again(JobStore(job.path), accounts_of(post, parcel))) == 1
    assert (len(post.finds), len(parcel.finds)) == (1, 0)
    assert asyncio.run(recovery.void_surplus(job, accounts_of(post, parcel))) == 1
    assert (post.sales(), parcel.sales()) == (orders(0), orders(1))


def test_labels_are_voided_at_the_account_that_sold_them(home, post, parcel):
    accounts = accounts_of(post, parcel)
    job = job_of(home, accounts, rows=4)
    buy(job, accounts)
    outcome = asyncio.run(recovery.void_rows(job, accounts_of(post, parcel), [0, 1]))
    assert outcome.voided == 2
    assert (post.sales(), parcel.sales()) == (orders(2), orders(3))


@pytest.mark.parametrize("wrong", ["swapped", "one", "other", "single"])
def test_another_account_is_refused_before_any_call(home, tmp_path, post, parcel, wrong):
    accounts = accounts_of(post, parcel)
    job = job_of(home, accounts, rows=4)
    buy(job, accounts)
    post.finds.clear()
    given = {
        "swapped": lambda: accounts_of(parcel, post),
        "one": lambda: Accounts([Account("post", post, Pacer())], alone=False),
        "other": lambda: accounts_of(named(BookCarrier(tmp_path / "x.db"), "ELSE0003"), parcel),
        "single": lambda: post,
    }[wrong]()
    for work in (
        recovery.void_rows(job, given, [0, 1]),
        execute(job_of(home, accounts, rows=6), given),
    ):
        with pytest.raises(JobError, match="belongs to post"):
            asyncio.run(work)
    assert (post.sales(), parcel.sales()) == (orders(0, 2), orders(1, 3))


def test_a_job_with_one_account_refuses_several(home, post, parcel):
    job = JobStore.publish(home, draft_of(2, identity=post.identity))
    with pytest.raises(JobError, match="belongs to books SANDBOX"):
        asyncio.run(execute(job, accounts_of(post, parcel)))
    assert post.calls == []


def test_a_restart_keeps_the_account_of_each_row(home, post, parcel):
    accounts = accounts_of(post, parcel)
    job = job_of(home, accounts, rows=4)
    buy(job, accounts)
    again = recovery.restart(job, confirm_paid_labels=4)
    assert again.manifest.accounts == job.manifest.accounts
    assert buy(again, accounts_of(post, parcel)) is JobStatus.COMPLETED
    assert post.sales() == dict.fromkeys(orders(0, 2), 2)
    assert parcel.sales() == dict.fromkeys(orders(1, 3), 2)


def test_the_accounts_of_rows_cannot_be_altered_unnoticed(home, post, parcel):
    from shipkit.errors import CheckpointCorrupt

    accounts = accounts_of(post, parcel)
    job = job_of(home, accounts, rows=2)
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"account": ["parcel", "post"]}), job.path / "accounts.parquet")
    with pytest.raises(CheckpointCorrupt, match=r"accounts\.parquet"):
        buy(JobStore(job.path), accounts)
    assert post.calls == parcel.calls == []


def test_an_order_of_one_account_is_held_in_a_job_with_several_and_the_other_way_round(
    home, post, parcel
):
    accounts = accounts_of(post, parcel)
    alone = JobStore.publish(home, draft_of(3, identity=post.identity))
    asyncio.run(execute(alone, post))
    both = job_of(home, accounts, rows=6)
    assert set(history.seen(home, accounts.identity, both.plan)) == {0, 1, 2}
    buy(both, accounts)
    assert both.results().column("state").to_pylist() == ["skipped"] * 3 + ["shipped"] * 3
    assert set(history.seen(home, parcel.identity, both.plan)) == {3, 4, 5}


def test_what_is_written_for_one_account_names_no_accounts(home, post):
    """An older shipkit reads the jobs of one account, and refuses those of several."""
    job = JobStore.publish(home, draft_of(2, identity=post.identity))
    fields = json.loads((job.path / "manifest.json").read_bytes())
    assert fields["schema_version"] == 1
    assert "accounts" not in fields
    assert not (job.path / "accounts.parquet").exists()


def test_a_job_with_several_accounts_is_of_a_later_schema(home, post, parcel):
    job = job_of(home, accounts_of(post, parcel), rows=2)
    assert json.loads((job.path / "manifest.json").read_bytes())["schema_version"] == 2
    identity = job.manifest.identity
    assert isinstance(identity, JointIdentity)
    assert str(identity) == "post (books SANDBOX ...0001) + parcel (books SANDBOX ...0002)"
    assert "POST0001" not in (job.path / "manifest.json").read_text()


def test_a_row_without_a_quote_of_its_currency_stops_its_own_account_only(home, post, parcel):
    quotes = quotes_of(4)
    at = quotes.schema.get_field_index("currency")
    mixed = pa.array(["CAD", "USD", "CAD", "USD"])
    quotes = quotes.set_column(at, quotes.schema.field(at), mixed)
    accounts = accounts_of(post, parcel)
    job = job_of(
        home, accounts, rows=4, quotes=quotes, limits={"per_account_cents": {"post": 9999}}
    )
    assert buy(job, accounts) is JobStatus.PAUSED
    assert (post.sales(), parcel.sales()) == ({}, orders(1, 3))
    assert "priced in CAD" in job.reason


def test_an_order_that_one_account_has_claimed_for_another_job_stays_that_jobs(home, post, parcel):
    """A crash between the two claims of a job leaves one that has the order, and one without."""
    accounts = accounts_of(post, parcel)
    job = job_of(home, accounts)
    pending = np.full(ROWS, STATES.index(RowState.PENDING))
    history.claim(job, pending)
    first, second = (
        home / "claims" / key / f"{job.job_id}.parquet" for key in sorted(job.manifest.account_keys)
    )
    whole = pq.read_table(first, partitioning=None)
    pq.write_table(whole.filter(pc.greater(whole.column("row"), 0)), second)
    other = next(a for a in accounts if account_key(a.carrier.identity) == second.parent.name)
    rival = JobStore.publish(home, draft_of(1, identity=other.carrier.identity))
    for claims in (first, second):
        claims.rename(claims.with_suffix(".away"))
    assert history.claim(rival, pending[:1]) == {}
    for claims in (first, second):
        claims.with_suffix(".away").rename(claims)
    assert list(history.claim(job, pending)) == [0]
