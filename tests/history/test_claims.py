"""Which orders are the same, who has claimed them, and in which words that is said."""

from __future__ import annotations

import datetime as dt
import stat

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from corekit import SANDBOX, SHOP, draft_of, job_of, plan_of

from shipkit.common.files import Disk
from shipkit.common.local_day import local_day
from shipkit.plan.return_labels import with_return_labels
from shipkit.purchasing import history, recovery
from shipkit.purchasing.store import JobStore
from shipkit.purchasing.store.entries import LedgerEntry

DAY = dt.date(2026, 11, 2)


def changed(plan, **columns):
    for name, values in columns.items():
        at = plan.schema.get_field_index(name)
        field = plan.schema.field(at)
        plan = plan.set_column(at, field, pa.array(values, field.type))
    return plan


def parcel_keys(plan, today=DAY):
    return history.order_keys(plan, today).column("parcel_key").to_pylist()


def order_numbers(*numbers):
    plan = changed(plan_of(len(numbers)), order_id=list(numbers))
    return history.order_keys(plan, DAY).column("order_key").to_pylist()


def put(job, row, *states, number=None):
    """Bring a row of a job into a state."""
    with job.own() as ledger:
        for state in states:
            numbers = [number] if number and state in ("shipped", "voided") else None
            entry = LedgerEntry(row, "test", state, attempt=1, tracking_numbers=numbers)
            ledger.record_now([entry])


def claim(job, **options):
    return history.claim(job, job.states(), today=DAY, **options)


# -- what is the same order ------------------------------------------------------------------------


def test_order_numbers_are_the_same_whatever_their_case_and_spaces():
    one, *same = order_numbers("SO-1 a", "so-1 A", "  SO-1\u00a0 a ", "SO-1\ta")
    assert set(same) == {one}
    others = order_numbers("SO-2 a", "SO-1a", "SO1 a")
    assert one not in others
    assert len(set(others)) == 3


def test_a_row_without_an_order_number_has_no_key_for_it():
    assert order_numbers(None, "", "  ") == [None, None, None]


def test_parcels_are_the_same_by_address_contents_and_day():
    base = plan_of(1)
    [key] = parcel_keys(base)
    assert len(key) == 16
    assert parcel_keys(changed(base, order_id=["X"], name=["PERSON  0 "])) == [key]
    assert parcel_keys(changed(base, phone=["210"], email=["a@b.c"], residential=[True])) == [key]
    assert parcel_keys(changed(base, ship_date=[DAY])) == [key], "no date is today"


@pytest.mark.parametrize(
    "change",
    [
        {"name": ["Someone"]},
        {"company": ["Kurz"]},
        {"address_line1": ["1 Main St"]},
        {"address_line2": ["Apt 4"]},
        {"city": ["Dallas"]},
        {"state": ["OK"]},
        {"postal_code": ["73302"]},
        {"country": ["MX"]},
        {"parcels": [[{"weight_lb": 3.0, "packaging": "package"}]]},
        {"description": ["Mugs"]},
        {"is_return": [True]},
        {"ship_date": [DAY + dt.timedelta(days=1)]},
    ],
)
def test_parcels_that_differ_in_one_thing_are_not_the_same(change):
    base = plan_of(1)
    assert parcel_keys(changed(base, **change)) != parcel_keys(base)


def test_texts_that_only_run_together_the_same_way_are_not_the_same():
    one = changed(plan_of(1), address_line1=["1 Main"], address_line2=["St"])
    two = changed(plan_of(1), address_line1=["1"], address_line2=["Main St"])
    assert parcel_keys(one) != parcel_keys(two)


# -- who has it ------------------------------------------------------------------------------------


def test_a_shipped_order_is_named_with_its_tracking_number_and_an_open_one_with_its_state(home):
    first = job_of(home, 3)
    assert claim(first) == {}
    put(first, 0, "in_flight", "shipped", number="SANDBOX1")
    put(first, 1, "in_flight", "in_doubt")
    found = history.seen(home, SANDBOX, plan_of(4), today=DAY)
    assert found == {
        0: f"The order was already shipped: {first.job_id}, row 1, SANDBOX1.",
        1: f"The order is already in another job: {first.job_id}, row 2 (in doubt).",
        2: f"The order is already in another job: {first.job_id}, row 3 (pending).",
    }
    by_parcel = history.seen(home, SANDBOX, changed(plan_of(1), order_id=["X"]), today=DAY)
    assert by_parcel[0].startswith(
        "A parcel with the same contents, to the same address on the same day, was already shipped"
    )


@pytest.mark.parametrize(
    ("states", "held"),
    [
        ((), True),
        (("in_flight",), True),
        (("in_flight", "shipped"), True),
        (("in_flight", "in_doubt"), True),
        (("in_flight", "in_doubt", "review"), True),
        (("in_flight", "failed"), False),
        (("in_flight", "shipped", "voided"), False),
        (("skipped",), False),
    ],
)
@pytest.mark.parametrize("cancelled", [False, True])
def test_an_order_is_held_as_long_as_it_was_bought_or_may_be(home, states, held, cancelled):
    first = job_of(home, 1)
    claim(first)
    put(first, 0, *states)
    if cancelled:
        with first.own() as ledger:
            ledger.record_now([LedgerEntry(None, "cancelled", None)])
    waiting = states == () and cancelled  # what a cancelled job did not send it never will
    found = claim(job_of(home, 1, plan=plan_of(1), name="other"))
    assert bool(found) is (held and not waiting)


def test_a_job_without_folder_claims_nothing_any_more(home):
    import shutil

    first = job_of(home, 1)
    claim(first)
    shutil.rmtree(first.path)
    assert claim(job_of(home, 1, name="other")) == {}


def test_of_several_jobs_the_one_that_has_the_order_is_named(home):
    failed, shipped = job_of(home, 1, name="a"), job_of(home, 1, name="b")
    claim(failed)
    put(failed, 0, "in_flight", "failed")
    claim(shipped)
    put(shipped, 0, "in_flight", "shipped", number="SANDBOX1")
    found = history.seen(home, SANDBOX, plan_of(1), today=DAY)
    assert shipped.job_id in found[0]


def test_one_file_with_the_same_order_twice_is_no_matter_of_history(home):
    plan = changed(plan_of(3), order_id=["SO-1", "SO-1", None])
    first = JobStore.publish(home, draft_of(3, plan=plan))
    assert claim(first) == {}
    found = history.seen(home, SANDBOX, plan, today=DAY)
    assert set(found) == {0, 1, 2}, "but each of them is in the first job"


def test_orders_without_a_number_are_not_the_same_as_each_other(home):
    claim(JobStore.publish(home, draft_of(2, plan=changed(plan_of(2), order_id=[None, ""]))))
    other = changed(plan_of(2, first=50), order_id=[None, ""])
    assert history.seen(home, SANDBOX, other, today=DAY) == {}


def test_a_jobs_own_restarts_are_no_duplicates_and_other_jobs_are(home):
    first = job_of(home, 2, name="monday")
    claim(first)
    put(first, 0, "in_flight", "shipped", number="SANDBOX1")
    again = recovery.restart(first, confirm_paid_labels=1)
    assert claim(again) == {}
    put(again, 0, "in_flight", "shipped", number="SANDBOX2")
    third = recovery.restart(again, confirm_paid_labels=1)
    assert claim(third) == {}
    assert history.seen(home, SANDBOX, plan_of(2), but_not=lambda: third.job_id, today=DAY) == {}
    other = history.seen(home, SANDBOX, plan_of(2), but_not=lambda: "job-unknown", today=DAY)
    assert set(other) == {0, 1}
    assert set(claim(job_of(home, 2, name="tuesday"))) == {0, 1}


# -- claims on disk --------------------------------------------------------------------------------


def claims(home):
    [path] = (home / "claims").rglob("*.parquet")
    return path, pq.read_table(path).to_pylist()


def test_a_claim_has_the_pending_rows_that_no_other_job_has(home):
    first = job_of(home, 2)
    claim(first)
    second = job_of(home, 5, skipped={4: "no street"}, name="second")
    put(second, 3, "in_flight")
    assert set(claim(second)) == {0, 1}
    path = home / "claims" / second.manifest.account_key / f"{second.job_id}.parquet"
    found = pq.read_table(path).to_pylist()
    assert [(row["row"], row["row_number"]) for row in found] == [(2, 3)]
    keys = history.order_keys(plan_of(5), DAY).to_pylist()[2]
    assert {name: found[0][name] for name in keys} == keys
    assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0
    assert stat.S_IMODE(path.parent.stat().st_mode) & 0o077 == 0


def test_a_claim_is_durable_before_anything_is_sent(home):
    published = []

    class Noting(Disk):
        def publish(self, folder, name, data):
            super().publish(folder, name, data)
            published.append(name)

    job = job_of(home, 1)
    claim(job, disk=Noting())
    assert published == [f"{job.job_id}.parquet"]


def test_a_job_that_claims_again_keeps_its_rows_and_checks_the_others(home):
    first, second = job_of(home, 2), job_of(home, 3, name="second")
    claim(first)
    held = claim(second)
    assert set(held) == {0, 1}
    path = home / "claims" / second.manifest.account_key / f"{second.job_id}.parquet"
    before = path.read_bytes()
    assert claim(second) == held
    assert path.read_bytes() == before
    for row in range(2):
        put(first, row, "in_flight", "failed")
    assert claim(second) == {}
    third = job_of(home, 3, name="third")
    assert set(claim(third)) == {2}, "row 2 is the second job's"


def test_a_job_with_nothing_to_send_claims_nothing(home):
    job = job_of(home, 1)
    put(job, 0, "in_flight", "failed")
    assert claim(job) == {}
    assert not (home / "claims").exists()


def test_with_ship_every_row_is_claimed_and_none_is_held(home):
    claim(job_of(home, 2))
    again = job_of(home, 2, on_duplicate="ship", name="again")
    assert claim(again) == {}
    path = home / "claims" / again.manifest.account_key / f"{again.job_id}.parquet"
    assert pq.read_table(path).num_rows == 2


def test_without_claims_nothing_is_looked_up(home):
    assert history.seen(home, SANDBOX, plan_of(1), today=DAY) == {}


def test_a_row_without_a_date_is_of_today(home):
    claim(job_of(home, 1))
    plan = changed(plan_of(1), order_id=["X"])
    assert set(history.seen(home, SANDBOX, plan, today=DAY)) == {0}
    assert history.seen(home, SANDBOX, plan, today=DAY + dt.timedelta(days=1)) == {}
    today = local_day(SHOP)
    other = JobStore.publish(home, draft_of(1, plan=plan_of(1, first=9)))
    history.claim(other, other.states())
    same = changed(plan_of(1, first=9), order_id=["Y"])
    assert set(history.seen(home, SANDBOX, same, today=today)) == {0}


def test_a_return_label_of_an_order_is_another_order_than_its_parcel(home):
    plan = with_return_labels(plan_of(2), 10)
    first = job_of(home, 2)
    claim(first)
    put(first, 0, "in_flight", "shipped", number="SANDBOX1")
    held = history.seen(home, SANDBOX, plan, today=DAY)
    assert set(held) == {0, 1}
    assert history.bought(held) == {0}, "row 2 is only in another job"
    both = job_of(home, 4, plan=plan, name="both")
    assert set(claim(both)) == {0, 1}
    assert set(history.seen(home, SANDBOX, plan, today=DAY)) == {0, 1, 2, 3}


def test_a_job_from_before_return_labels_claims_its_orders(home):
    job = job_of(home, 2)
    path = job.path / "plan.parquet"
    pq.write_table(pq.read_table(path).drop_columns(["return_of"]), path)
    assert claim(job) == {}
    other = job_of(home, 2, name="other")
    assert set(claim(other)) == {0, 1}
