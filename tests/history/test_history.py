"""Orders seen before: shown, held back, claimed so that two jobs cannot both have one."""

from __future__ import annotations

import asyncio
import datetime as dt
import threading

import pyarrow as pa
import pytest
from corekit import SANDBOX, SHOP, BookCarrier, ask_after, draft_of, job_of, plan_of, state_counts

from shipkit.carriers.protocol import CarrierIdentity
from shipkit.common.local_day import local_day
from shipkit.errors import CarrierRejected
from shipkit.purchasing import history, recovery
from shipkit.purchasing.run import Control, execute
from shipkit.purchasing.store import JobStore
from shipkit.state import JobStatus


def buy(job, carrier, **options):
    return asyncio.run(execute(job, carrier, grace_s=0.2, **options))


def with_column(plan, name, values):
    at = plan.schema.get_field_index(name)
    return plan.set_column(at, plan.schema.field(at), pa.array(values, plan.schema.field(at).type))


@pytest.fixture
def carrier(tmp_path):
    return BookCarrier(tmp_path / "books.db")


def test_an_order_of_an_earlier_job_is_seen_with_its_tracking_number(home, carrier):
    job = job_of(home, 3)
    assert history.seen(home, SANDBOX, job.plan) == {}
    buy(job, carrier)
    found = history.seen(home, SANDBOX, plan_of(5))
    assert set(found) == {0, 1, 2}
    assert job.job_id in found[1]
    assert job.results().column("tracking_number")[1].as_py() in found[1]
    assert history.seen(home, SANDBOX, plan_of(3), but_not=lambda: job.job_id) == {}


def test_the_order_number_counts_whatever_its_case_and_spaces(home, carrier):
    buy(job_of(home, 2), carrier)
    plan = with_column(plan_of(2, first=500), "order_id", [" a0000000 ", "A0000009"])
    assert set(history.seen(home, SANDBOX, plan)) == {0}


def test_the_same_address_and_contents_on_the_same_day_is_seen_too(home, carrier):
    buy(job_of(home, 3), carrier)
    other_numbers = with_column(plan_of(3), "order_id", ["X1", "X2", None])
    assert set(history.seen(home, SANDBOX, other_numbers, today=local_day(SHOP))) == {0, 1, 2}
    tomorrow = local_day(SHOP) + dt.timedelta(days=1)
    assert history.seen(home, SANDBOX, other_numbers, today=tomorrow) == {}
    heavier = with_column(other_numbers, "parcels", [[{"weight_lb": 3.0}]] * 3)
    assert history.seen(home, SANDBOX, heavier) == {}


def test_another_account_is_another_history(home, carrier):
    buy(job_of(home, 2), carrier)
    assert history.seen(home, CarrierIdentity("books", "live", "ACCT0042"), plan_of(2)) == {}


def test_an_overlapping_job_holds_back_what_the_first_has(home, carrier):
    buy(job_of(home, 10), carrier)
    second = job_of(home, 15)
    assert buy(second, carrier) is JobStatus.COMPLETED
    assert state_counts(second) == {"skipped": 10, "shipped": 5}
    assert second.results().column("error_code").to_pylist()[:10] == ["shipped_before"] * 10
    assert set(carrier.sales().values()) == {1}


def test_orders_seen_before_are_bought_when_that_is_wanted(home, carrier):
    buy(job_of(home, 3), carrier)
    again = job_of(home, 4, on_duplicate="ship")
    buy(again, carrier)
    assert state_counts(again) == {"shipped": 4}


def test_failed_and_voided_orders_may_be_bought_by_another_job(home, tmp_path):
    async def refuse(carrier, shipment, reference):
        if shipment.order_id == "A0000000":
            raise CarrierRejected("no", carrier_code="1")

    carrier, first = BookCarrier(tmp_path / "books.db", hook=refuse), job_of(home, 3)
    buy(first, carrier)
    asyncio.run(recovery.void_rows(first, carrier, [1]))
    carrier.hook = None
    second = job_of(home, 4)
    buy(second, carrier)
    assert state_counts(second) == {"shipped": 3, "skipped": 1}
    assert set(carrier.sales().values()) == {1}


def test_rows_that_an_unfinished_job_still_wants_are_its_own_until_it_is_cancelled(home, tmp_path):
    first, control = job_of(home, 60), Control()
    carrier = BookCarrier(tmp_path / "books.db", latency_s=0.01, hook=ask_after(20, control.pause))
    assert buy(first, carrier, control=control) is JobStatus.PAUSED
    shipped = state_counts(first)["shipped"]
    assert len(history.seen(home, SANDBOX, plan_of(60))) == 60
    recovery.cancel(first)
    assert len(history.seen(home, SANDBOX, plan_of(60))) == shipped


def test_two_jobs_with_the_same_orders_that_begin_together_buy_each_order_once(home, tmp_path):
    carriers = [BookCarrier(tmp_path / "books.db", latency_s=0.005) for _ in range(4)]
    jobs = [job_of(home, 40 + i) for i in range(4)]
    gate = threading.Barrier(4)

    def run(job, carrier):
        gate.wait()
        buy(job, carrier)

    threads = [threading.Thread(target=run, args=pair) for pair in zip(jobs, carriers, strict=True)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    sales = carriers[0].sales()
    assert set(sales.values()) == {1}
    assert len(sales) == 43


def test_two_executions_of_one_job_at_the_same_moment_buy_once(home, tmp_path):
    carriers = [BookCarrier(tmp_path / "books.db", latency_s=0.005) for _ in range(4)]
    draft, gate, ended = draft_of(40), threading.Barrier(4), []

    def run(carrier):
        gate.wait()
        try:
            ended.append(buy(JobStore.publish(home, draft), carrier))
        except Exception as error:
            ended.append(type(error).__name__)

    threads = [threading.Thread(target=run, args=(carrier,)) for carrier in carriers]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert JobStatus.COMPLETED in ended
    assert set(ended) <= {JobStatus.COMPLETED, "CheckpointLocked"}
    assert set(carriers[0].sales().values()) == {1}
    assert len(carriers[0].sales()) == 40


def test_a_resume_after_the_claim_holds_back_what_it_held_before(home, carrier):
    buy(job_of(home, 5), carrier)
    second = job_of(home, 8)
    held = history.claim(second, second.states())
    assert set(held) == set(range(5))
    again = history.claim(second, second.states())  # killed before the ledger had them
    assert again == held


def test_claims_hold_no_addresses(home, carrier):
    buy(job_of(home, 3), carrier)
    for path in (home / "claims").rglob("*.parquet"):
        data = path.read_bytes()
        assert b"Main St" not in data
        assert b"Person" not in data
        assert b"A0000001" not in data
