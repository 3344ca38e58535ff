"""What people and engines use: sessions, approvals, claims, prune, run_job and the commands."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import pickle
import re
import threading

import pytest
from corekit import BookCarrier, draft_of, plan_of, state_counts

import shipkit as sk
from shipkit.carriers.pace import Pacer
from shipkit.carriers.protocol import CarrierIdentity
from shipkit.cli import main
from shipkit.common.object_store import ObjectStore, StoreError, store_of
from shipkit.common.store_check import check_store, demand_checked
from shipkit.errors import (
    CheckpointWriteError,
    JobUnfinished,
    PreviewNotFound,
    SettingsError,
)
from shipkit.plan.preview_store import recall
from shipkit.purchasing import recovery
from shipkit.purchasing.approval import approve, stored_approval
from shipkit.purchasing.history import claim
from shipkit.purchasing.pickup_book import pickup_book
from shipkit.purchasing.recovery import pruning
from shipkit.purchasing.run import execute
from shipkit.purchasing.store import JobStore
from shipkit.purchasing.store.entries import LabelBytes, LedgerEntry
from shipkit.settings import Settings

ORDERS = [
    {
        "Order ID": f"SO-{i}",
        "Name": f"Person {i}",
        "Address": f"{i} Main St",
        "City": "Austin",
        "State": "TX",
        "Zip": "73301",
        "Weight (lb)": "2",
    }
    for i in range(1, 4)
]
SHOP = sk.Address(
    name="Dana Ortiz",
    address_line1="300 Alamo Plaza",
    city="San Antonio",
    state="TX",
    postal_code="78205",
    phone="2105550100",
)


def buy(job, carrier):
    return asyncio.run(execute(job, carrier, pacer=Pacer(concurrency=4), grace_s=0.1))


@pytest.fixture
def books(tmp_path, monkeypatch):
    """The sandbox's books lie where this machine keeps its data, whatever the home."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    return tmp_path / "data" / "shipkit" / "sandbox" / "books.sqlite"


# -- sessions ------------------------------------------------------------------------------------


def test_a_batch_is_previewed_approved_bought_and_read_on_four_machines(machine, books):
    home = machine()
    url = Settings.read(home=home).shown_home
    with sk.BatchSession(ORDERS, shipper=SHOP, home=url, carrier="sandbox") as session:
        session.map(service="ground")
        session.preview()
        preview_id = session.preview_id

        there = machine()
        record = recall(there, preview_id)
        assert record.table.num_rows == 3
        assert stored_approval(record) is None
        approve(there, preview_id, now=dt.datetime.now(dt.UTC), by="dana")

        result = session.execute(progress=False)
    assert result.status == "completed"
    assert books.exists()

    machine()
    listed = sk.jobs(home=url)
    assert listed["job_id"].tolist() == [result.job_id]
    assert listed["shipped"].tolist() == [3]
    with sk.Job.open(result.job_id, home=url) as job:
        assert job.results()["state"].tolist() == ["shipped"] * 3
        assert len(job.failed_rows()) == 0
        assert job.review()["waits_for"].isna().all()
    with sk.BatchSession(ORDERS, shipper=SHOP, home=url, carrier="sandbox") as again:
        again.map(service="ground")
        assert again.execute(progress=False).job_id == result.job_id  # buys nothing


def test_a_preview_that_is_not_there_is_named_by_its_url(machine):
    home = machine()
    with pytest.raises(PreviewNotFound, match=Settings.read(home=home).shown_home):
        recall(home, "pv_0123456789ab")


def test_an_approval_that_the_store_never_got_does_not_count(machine, monkeypatch):
    home = machine()
    with sk.BatchSession(ORDERS, shipper=SHOP, home=home, carrier="sandbox") as session:
        session.map(service="ground")
        session.preview()
        put = ObjectStore.put

        def full(self, key, data):
            if key.endswith("approval.json"):
                raise StoreError("no route to host")
            put(self, key, data)

        with monkeypatch.context() as patch:
            patch.setattr(ObjectStore, "put", full)
            with pytest.raises(CheckpointWriteError, match="no route to host"):
                session.approve()
        assert stored_approval(recall(home, session.preview_id)) is None


def test_a_preview_is_made_again_where_another_machine_made_it(machine, books):
    url = Settings.read(home=machine()).shown_home
    ids = set()
    for _ in range(2):
        home = machine()
        with sk.BatchSession(ORDERS, shipper=SHOP, home=url, carrier="sandbox") as session:
            session.map(service="ground")
            if ids:
                recall(home, next(iter(ids)))
            session.preview()
            ids.add(session.preview_id)
    assert len(ids) == 1

    home, later = machine(), dt.datetime.now(dt.UTC) + dt.timedelta(days=2)
    assert recovery.prune(home, older_than=dt.timedelta(days=1), now=later).previews == [*ids]
    assert store_of(home).names("previews") == []


def test_a_store_that_is_away_does_not_make_a_preview_damaged(machine, monkeypatch):
    home = machine()
    store_of(home)

    def away(self, key):
        raise StoreError("no route to host")

    monkeypatch.setattr(ObjectStore, "find", away)
    with pytest.raises(CheckpointWriteError, match="no route to host"):
        recall(home, "pv_0123456789ab")


# -- claims --------------------------------------------------------------------------------------


def test_an_order_that_another_machine_shipped_is_held_back(machine, tmp_path):
    carrier = BookCarrier(tmp_path / "books")
    first = JobStore.publish(machine(), draft_of(6))
    buy(first, carrier)
    second = JobStore.publish(machine(), draft_of(9, name="again"))
    assert buy(second, carrier) == "completed"
    assert state_counts(second) == {"shipped": 3, "skipped": 6}
    assert set(carrier.sales().values()) == {1}
    assert first.job_id in second.results().column("error_message")[0].as_py()


def test_of_two_machines_that_claim_one_order_together_one_gets_it(machine, monkeypatch):
    homes = [machine(), machine()]
    jobs = [JobStore.publish(home, draft_of(5, name=str(i))) for i, home in enumerate(homes)]
    # Both have compared before either is entered in the book.
    barrier, enter = threading.Barrier(2), sk.purchasing.claim_book.ClaimBook.enter
    met = set()

    def together(self, path):
        if path not in met:
            met.add(path)
            barrier.wait()
        return enter(self, path)

    monkeypatch.setattr("shipkit.purchasing.claim_book.ClaimBook.enter", together)
    found = [None, None]

    def work(i):
        found[i] = claim(jobs[i], jobs[i].states())

    threads = [threading.Thread(target=work, args=(i,)) for i in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(len(rows) for rows in found) == [0, 5]


def test_a_resumed_job_keeps_its_claims_on_another_machine(machine):
    first = JobStore.publish(machine(), draft_of(4))
    assert claim(first, first.states()) == {}
    there = JobStore.open(machine(), first.job_id)
    assert claim(there, there.states()) == {}
    other = JobStore.publish(machine(), draft_of(4, name="other"))
    assert len(claim(other, other.states())) == 4


def test_claims_that_were_not_entered_are_compared_again(machine, monkeypatch):
    home = machine()
    job = JobStore.publish(home, draft_of(4))

    def killed(self, path):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("shipkit.purchasing.claim_book.ClaimBook.enter", killed)
        with pytest.raises(KeyboardInterrupt):
            claim(job, job.states())
    other = JobStore.publish(machine(), draft_of(4, name="other"))
    assert claim(other, other.states()) == {}
    assert len(claim(job, job.states())) == 4


# -- prune ---------------------------------------------------------------------------------------


WISH = json.dumps(
    {
        "reference": "P1",
        "account": "sandbox",
        "carrier": "sandbox",
        "day": "2026-12-01",
        "ready": "09:00:00",
        "close": "17:00:00",
        "place": "office",
        "rows": [0],
        "offer": "",
        "price": [625, "USD"],
    }
)


def test_prune_removes_addresses_and_labels_from_the_bucket(machine, tmp_path, monkeypatch):
    home = machine()
    job = JobStore.publish(home, draft_of(5, source=plan_of(5).select(["row_number", "name"])))
    buy(job, BookCarrier(tmp_path / "books", label=b"LABELBYTES"))
    with job.own("pickup") as ledger:
        texts = LabelBytes("P1", "json", "texts", 0, b'{"instructions": "GATE-CODE"}')
        ledger.record_now(
            [
                LedgerEntry(None, "pickup_asked", None, details=WISH, labels=[texts]),
                LedgerEntry(None, "pickup_refused", None, details='{"reference": "P1"}'),
            ]
        )
    assert pickup_book(job)["P1"].instructions == "GATE-CODE"
    results = job.results()
    later = dt.datetime.now(dt.UTC) + dt.timedelta(days=2)
    age = {"older_than": dt.timedelta(days=1), "now": later}
    third = JobStore.open(machine(), job.job_id)
    assert third.plan.column("name").null_count == 0
    assert recovery.prune(home, **age) == [job.job_id]
    third.objects._fetched = float("-inf")  # as a second later
    assert third.results().equals(results)
    assert third.pruned, "a machine that had the job in its cache follows"
    assert b"Person" not in b"".join(p.read_bytes() for p in third.path.rglob("*.parquet"))

    store, prefix = job.objects.store, job.objects.prefix
    assert store.names(f"{prefix}/labels") == []
    left = [store.get(f"{prefix}/{name}").data for name in store.names(prefix)]
    assert not any(b"LABELBYTES" in data or b"GATE-CODE" in data for data in left)
    assert pickup_book(job)["P1"].instructions == ""
    there = JobStore.open(machine(), job.job_id)
    assert there.pruned
    assert there.source is None
    assert there.plan.column("name").null_count == 5
    there.verify()
    assert list(there.labels()) == []
    assert there.results().equals(results)
    assert recovery.prune(there.path.parent.parent, **age) == []  # nothing is left to prune

    monkeypatch.setattr(pruning, "_ALLOW_LIST", "of a later version")
    monkeypatch.setattr(pruning, "_KEPT", pruning._KEPT - {"state"})
    assert recovery.prune(there.path.parent.parent, **age) == [job.job_id]
    third.objects._fetched = float("-inf")
    third.results()
    assert third.plan.column("state").null_count == 5, "a cache that was pruned before follows"
    assert recovery.prune(there.path.parent.parent, **age) == []


# -- live carriers -------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def few_races(monkeypatch):
    """A hundred races take half a minute with this server; what they show is the same."""
    monkeypatch.setattr("shipkit.common.store_check.RACES", 6)


def live_draft():
    return draft_of(2, identity=CarrierIdentity("ups", "live", "ACCT0042"))


def test_a_live_job_needs_one_check_of_its_bucket(machine):
    home = machine()
    with pytest.raises(SettingsError, match="never checked") as caught:
        JobStore.publish(home, live_draft())
    assert f"shipkit home check {Settings.read(home=home).shown_home}" in caught.value.fix
    assert check_store(home).passed
    demand_checked(machine())
    assert JobStore.publish(machine(), live_draft()).manifest.live


def test_a_store_whose_races_have_two_winners_does_not_pass(machine, monkeypatch):
    create = ObjectStore.create

    def forgetful(self, key, data):
        made = create(self, key, data)
        return made or ("tag" if "race" in key else None)

    home = machine()
    monkeypatch.setattr(ObjectStore, "create", forgetful)
    found = check_store(home)
    assert not found.passed
    assert found.lost_races >= 3
    with pytest.raises(SettingsError):
        demand_checked(home)


# -- run_job -------------------------------------------------------------------------------------


@pytest.fixture
def sandbox_job(machine, books):
    """The URL of a home and a job in it that is to be bought in the sandbox."""
    home = machine()
    carrier = sk.SandboxCarrier()
    asyncio.run(carrier.aclose())
    job = JobStore.publish(home, draft_of(3, identity=carrier.identity))
    return Settings.read(home=home).shown_home, job


def test_run_job_finishes_a_job_and_repeats_its_answer(sandbox_job, machine):
    url, job = sandbox_job
    machine()
    facts = sk.run_job(job.job_id, home=url)
    assert facts["total_charged"]["USD"] == str(job_total(JobStore.open(machine(), job.job_id)))
    del facts["total_charged"]
    assert facts == {
        "job_id": job.job_id,
        "status": "completed",
        "shipped": 3,
        "failed": 0,
        "in_doubt": 0,
        "skipped": 0,
        "remaining": 0,
    }
    machine()
    again = sk.run_job(job.job_id, home=url)
    assert json.loads(json.dumps(again)) == again  # Airflow keeps answers as JSON
    del again["total_charged"]
    assert again == facts


def job_total(job):
    return sk.BatchResult.of(job).total_charged.amount


def test_run_job_asks_for_another_try_while_another_machine_runs_the_job(sandbox_job, machine):
    url, job = sandbox_job
    with job.own("execute"):
        machine()
        with pytest.raises(JobUnfinished, match="run elsewhere") as caught:
            sk.run_job(job.job_id, home=url)
    error = pickle.loads(pickle.dumps(caught.value))  # engines carry it to their own machine
    assert (str(error), error.details) == (str(caught.value), caught.value.details)


# -- commands ------------------------------------------------------------------------------------


def test_home_check_prints_what_it_found(machine, capsys):
    url = Settings.read(home=machine()).shown_home
    assert main(["home", "check", url]) == 0
    said = capsys.readouterr().out
    assert "6 of 6" in said
    assert "recorded in the bucket" in said
    assert store_of(machine()).find("CHECKED.json") is not None


@pytest.mark.parametrize("words", [["home", "check"], ["home", "check", "/srv/home"]])
def test_home_check_needs_a_url(words, capsys):
    assert main(words) == 1
    assert "s3://bucket/prefix" in capsys.readouterr().err


def test_jobs_and_resume_take_the_url(sandbox_job, machine, capsys):
    url, job = sandbox_job
    machine()
    assert main(["jobs", "--home", url]) == 0
    assert job.job_id in capsys.readouterr().out
    machine()
    assert main(["resume", job.job_id, "--home", url]) == 0
    assert re.search(r"^Shipped +3$", capsys.readouterr().out, re.MULTILINE)


@pytest.mark.parametrize(
    "words",
    [
        ["jobs"],
        ["show", "job-abcdefghijkm"],
        ["resume", "job-abcdefghijkm"],
        ["home", "check"],
    ],
)
def test_a_bucket_that_is_not_there_is_named(s3, words, capsys):
    """A read of it is answered 404, as an object that nobody wrote yet is."""
    home = [f"{s3}-gone/shipkit"]
    assert main([*words, *(home if words[0] == "home" else ["--home", *home])]) == 5
    said = capsys.readouterr().err
    assert "NoSuchBucket, The specified bucket does not exist" in said
    assert "xml" not in said
