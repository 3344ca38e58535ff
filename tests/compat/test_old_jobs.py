"""Job folders of an older version keep working: read, resumed, voided, printed, written back.

`homes/` was made once, by `make_homes.py`, with the first release; `expected.json` is what that
release reported about its jobs. Every test works on a copy, and asks a session and a `sk.Job` the
same questions. Only public names are used here, so that this file does not change when the inside
of the package does.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import json
import os
import shutil
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pypdfium2
import pytest

import shipkit as sk
from shipkit.errors import ApprovalRequired, JobError, ShipkitError

HERE = Path(__file__).parent
HOMES = HERE / "homes"
OPENERS = {"session": sk.BatchSession.open, "job": sk.Job.open}


def _module(name: str, path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


kept = _module("compat_told", HERE / "told.py")
ups_server = _module("compat_ups_server", HERE.parent / "carriers" / "ups" / "server.py")

EXPECTED: dict[str, dict[str, Any]] = json.loads(
    (HOMES / "expected.json").read_text("utf-8"), object_hook=kept.pairs
)
for _job in EXPECTED.values():
    # Why a job stopped is worded by the version that reads it; that there is a reason is not.
    _job["told"]["has_reason"] = _job["told"].pop("reason") is not None
SANDBOX = [kind for kind, job in EXPECTED.items() if job["home"] == "sandbox"]
UPS = [kind for kind, job in EXPECTED.items() if job["home"] == "ups"]
INTERRUPTED = {"sandbox": {"paused", "killed"}, "ups": {"ups-paused", "ups-live"}}
PRINTABLE = [kind for kind, job in EXPECTED.items() if job["told"]["labels"]]


class Old:
    """A copy of the kept homes, and a way to open the jobs in it."""

    def __init__(self, folder: Path, opener: Any, server: Any) -> None:
        self.folder, self.opener, self.server = folder, opener, server
        self.opened: list[Any] = []

    def home(self, kind: str) -> Path:
        return self.folder / EXPECTED[kind]["home"]

    def open(self, kind: str, **options: Any) -> Any:
        """Open a job as its user would: by its id, in its home."""
        job = self.opener(EXPECTED[kind]["job_id"], home=self.home(kind), **options)
        self.opened.append(job)
        return job

    def sandbox(self) -> sk.SandboxCarrier:
        """The sandbox of the copied home, sure of an absence at once."""
        return sk.SandboxCarrier(home=self.folder / "sandbox", absence_is_proof_after_s=0.01)

    def sales(self, kind: str) -> list[Any]:
        """What the carrier's own books say of one job."""
        books = (
            kept.sandbox_sales(self.home(kind)) if kind in SANDBOX else kept.ups_sales(self.server)
        )
        base = next(
            line["shipkit_reference"][:12]
            for line in EXPECTED[kind]["told"]["results"]
            if line["shipkit_reference"]
        )
        return [sale for sale in books if sale.base == base]

    def close(self) -> None:
        while self.opened:
            self.opened.pop().close()


@pytest.fixture
def server() -> Iterator[Any]:
    """UPS with the books that it had when the jobs were made."""
    running = ups_server.UpsServer()
    for line in json.loads((HOMES / "ups-books.json").read_text("utf-8")):
        running.shipments.append(ups_server.Shipped(**{**line, "made_at": time.monotonic()}))
    running.start()
    yield running
    running.stop()


@pytest.fixture
def shell(server: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a way to say which UPS account the shell names, ``test`` or ``live``."""
    monkeypatch.setenv("SHIPKIT_GRACE_S", "0")

    def say(environment: str) -> None:
        settings = {
            "CLIENT_ID": ups_server.CLIENT_ID,
            "CLIENT_SECRET": ups_server.CLIENT_SECRET,
            "ACCOUNT": ups_server.ACCOUNT,
            "BASE_URL": server.url,
            "ENV": environment,
        }
        for name, value in settings.items():
            monkeypatch.setenv(f"SHIPKIT_UPS_{name}", value)

    return say


@pytest.fixture(params=OPENERS)
def old(request: pytest.FixtureRequest, tmp_path: Path, server: Any, shell: Any) -> Iterator[Old]:
    """Return copies of the homes, opened by each way there is."""
    for home in ("sandbox", "ups"):
        shutil.copytree(HOMES / home, tmp_path / home)
    found = Old(tmp_path, OPENERS[request.param], server)
    yield found
    found.close()


def shell_of(kind: str) -> str:
    return "live" if kind == "ups-live" else "test"


def standing(sales: list[Any]) -> Counter[int]:
    """Place in the plan -> how many of its shipments stand at the carrier."""
    return Counter(sale.row for sale in sales if not sale.voided)


def paid(kind: str) -> str:
    """Return the last order of a job that is paid for and stands."""
    lines = EXPECTED[kind]["told"]["results"]
    return [line["order_id"] for line in lines if line["state"] == "shipped"][-1]


def by_order(job: Any) -> dict[str, dict[str, Any]]:
    return {line["order_id"]: line for line in kept.lines(job.results(), kept.RESULTS)}


def numbers_of(lines: list[dict[str, Any]]) -> set[str]:
    return {number for line in lines for number in line["tracking_numbers"] or ()}


def nothing_moved(job: Any, kind: str, *, among: set[str]) -> None:
    """Fail when a row that was in one of these states is not exactly what it was."""
    now = by_order(job)
    for line in EXPECTED[kind]["told"]["results"]:
        if line["state"] in among:
            assert now[line["order_id"]] == line


def bought_once(job: Any, old: Old, kind: str) -> None:
    """Fail unless the carrier's books and the job's agree, one standing shipment a shipped row."""
    lines = kept.lines(job.results(), kept.RESULTS)
    shipped = {i for i, line in enumerate(lines) if line["state"] == "shipped"}
    assert standing(old.sales(kind)) == Counter(shipped)
    told = {n for line in lines if line["state"] == "shipped" for n in line["tracking_numbers"]}
    assert told == {n for sale in old.sales(kind) if not sale.voided for n in sale.numbers}


# -- reading ---------------------------------------------------------------------------------------


def test_the_kept_jobs_are_what_these_tests_are_about() -> None:
    states = {
        kind: Counter(line["state"] for line in job["told"]["results"])
        for kind, job in EXPECTED.items()
    }
    assert set(states["finished"]) == {"shipped", "failed", "voided", "skipped"}
    assert set(states["paused"]) == {"shipped", "failed", "in_doubt", "pending"}
    assert set(states["killed"]) == {"shipped", "in_doubt", "pending"}
    assert set(states["voided"]) == {"voided"}
    assert set(states["review"]) == {"shipped", "review"}
    assert set(states["ups-finished"]) == {"shipped", "failed", "voided"}
    assert set(states["ups-paused"]) == {"shipped", "failed", "in_doubt", "pending"}
    assert set(states["ups-live"]) == {"shipped", "in_doubt", "pending"}
    assert [kind for kind, job in EXPECTED.items() if job["listed"]["live"]] == ["ups-live"]
    listed = {p.name: p.parent.parent.name for p in HOMES.glob("*/jobs/job-*")}
    assert listed == {job["job_id"]: job["home"] for job in EXPECTED.values()}


@pytest.mark.parametrize("kind", EXPECTED)
def test_a_job_tells_what_it_told_the_version_that_made_it(old: Old, shell: Any, kind: str) -> None:
    shell(shell_of(kind))
    assert kept.told(old.open(kind)) == EXPECTED[kind]["told"]


@pytest.mark.parametrize("kind", EXPECTED)
def test_a_job_prints_itself_and_its_day_sheet(
    old: Old, shell: Any, kind: str, tmp_path: Path
) -> None:
    shell(shell_of(kind))
    job = old.open(kind)
    job_id = EXPECTED[kind]["job_id"]
    assert job_id in repr(job)
    assert ("LIVE" in repr(job)) == (kind == "ups-live")
    assert job.status == EXPECTED[kind]["told"]["status"]
    assert job.live == (kind == "ups-live")
    report = job.report()
    assert job_id in repr(report)
    assert job_id in repr(report.result)
    assert EXPECTED[kind]["told"]["total_charged"] in repr(report)
    page = report.save(tmp_path / "sheet.html").read_text("utf-8")
    assert job_id in page
    orders = [line["order_id"] for line in EXPECTED[kind]["told"]["open_rows"]]
    assert [order for order in orders if order not in page] == []


@pytest.mark.parametrize("kind", EXPECTED)
def test_results_can_be_asked_for_by_state(old: Old, shell: Any, kind: str) -> None:
    shell(shell_of(kind))
    job = old.open(kind)
    for state in ("shipped", "failed", "voided", "pending", "in_doubt", "review", "skipped"):
        wanted = [line for line in EXPECTED[kind]["told"]["results"] if line["state"] == state]
        assert kept.lines(job.results(state), kept.RESULTS) == wanted


@pytest.mark.parametrize("kind", UPS)
def test_a_ups_job_is_read_printed_and_written_back_without_credentials(
    old: Old, kind: str, tmp_path: Path
) -> None:
    assert "SHIPKIT_UPS_ACCOUNT" not in os.environ
    job = old.open(kind)
    assert kept.told(job) == EXPECTED[kind]["told"]
    assert job.labels.save(tmp_path / "labels", per="parcel").labels > 0
    job.write_back(tmp_path / "back.csv")
    assert kept.cells(tmp_path / "back.csv")
    assert EXPECTED[kind]["job_id"] in repr(job)
    assert job.live == (kind == "ups-live")
    assert not old.server.calls


@pytest.mark.parametrize("home", ["sandbox", "ups"])
def test_the_jobs_of_an_old_home_are_listed_as_they_were(tmp_path: Path, home: str) -> None:
    copy = shutil.copytree(HOMES / home, tmp_path / "copy")
    wanted = {kind: job for kind, job in EXPECTED.items() if job["home"] == home}
    frame = sk.jobs(copy)
    newest_first = sorted(
        wanted.values(), key=lambda job: job["listed"]["created_at"], reverse=True
    )
    assert list(frame["job_id"]) == [job["job_id"] for job in newest_first]
    assert [kept.listed(frame, job["job_id"]) for job in newest_first] == [
        job["listed"] for job in newest_first
    ]
    assert set(sk.interrupted_jobs(copy)["name"]) == INTERRUPTED[home]
    assert {found.name for found in sk.check_interrupted_jobs(copy)} == INTERRUPTED[home]
    bought = sk.shipments(home=copy)
    lines = [line for job in wanted.values() for line in job["told"]["results"]]
    assert {n for numbers in bought["tracking_numbers"] for n in numbers} == numbers_of(lines)
    live = sk.shipments(home=copy, live=True)
    assert len(live) == sum(line["live"] and line["tracking_number"] is not None for line in lines)


# -- labels and orders -----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", PRINTABLE)
def test_the_labels_of_an_old_job_are_saved_in_the_format_they_were_bought_in(
    old: Old, shell: Any, kind: str, tmp_path: Path
) -> None:
    shell(shell_of(kind))
    labels = [label for label in EXPECTED[kind]["told"]["labels"] if label["kind"] == "label"]
    ending = labels[0]["format"]
    job = old.open(kind)
    saved = job.labels.save(tmp_path / f"labels.{ending}")
    each = job.labels.save(tmp_path / "each", per="parcel", filename="{tracking_number}").paths
    assert (saved.labels, saved.missing) == (len(labels), ())
    assert {path.stem for path in each} == {label["tracking_number"] for label in labels}
    if ending == "pdf":
        assert pages(saved.path) == len(labels)
        assert {pages(path) for path in each} == {1}
    else:
        text = saved.path.read_bytes()
        assert text.count(b"^XA") == text.count(b"^XZ") == len(labels)
        digests = {path.stem: hashlib.sha256(path.read_bytes()).hexdigest() for path in each}
        assert digests == {label["tracking_number"]: label["sha256"] for label in labels}


def pages(path: Path) -> int:
    with contextlib.closing(pypdfium2.PdfDocument(path)) as document:
        return len(document)


def test_labels_are_sorted_by_a_column_of_the_old_orders(old: Old, tmp_path: Path) -> None:
    saved = old.open("finished").labels.save(
        tmp_path / "labels", per="shipment", order_by="sku", filename="{sku}-{order_id}"
    )
    assert sorted(path.name for path in saved.paths) == [
        "lamp-F-2.pdf",
        "lamp-F-5.pdf",
        "lamp-F-8.pdf",
        "pan-F-1.pdf",
    ]


def test_the_customs_papers_of_an_old_job_are_saved(old: Old, shell: Any, tmp_path: Path) -> None:
    shell("test")
    saved = old.open("ups-abroad").labels.save(tmp_path / "papers.pdf", kind="document")
    assert pages(saved.path) == 1


@pytest.mark.parametrize("kind", EXPECTED)
def test_an_old_job_is_written_back_with_the_same_cells(
    old: Old, shell: Any, kind: str, tmp_path: Path
) -> None:
    shell(shell_of(kind))
    if kind == "finished":
        put_orders_where_they_were()
    old.open(kind).write_back(tmp_path / "back.csv")
    wanted = kept.cells(HOMES / "written" / f"{kind}.csv")
    found = kept.cells(tmp_path / "back.csv")
    assert [{name: line[name] for name in wanted[0]} for line in found] == wanted
    written = {n for line in found for n in line["tracking_number"].split(", ") if n}
    stand = [line for line in EXPECTED[kind]["told"]["results"] if line["state"] == "shipped"]
    assert written == numbers_of(stand)


def put_orders_where_they_were() -> None:
    """Put the orders file where the job remembers it; other runs may do the same at this moment."""
    path, mine = Path("/tmp/shipkit-compat/orders.csv"), (HOMES / "orders.csv").read_bytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.read_bytes() != mine:
        part = path.with_suffix(f".{os.getpid()}")
        part.write_bytes(mine)
        part.replace(path)


# -- voiding ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [kind for kind in PRINTABLE if kind != "late"])
def test_a_paid_row_is_voided_here_and_at_the_carrier(old: Old, shell: Any, kind: str) -> None:
    shell(shell_of(kind))
    order = paid(kind)
    job = old.open(kind)
    before, sales = by_order(job), old.sales(kind)
    clause = f"order_id = '{order}'"
    assert list(job.void(clause)["state"]) == ["voided"]
    assert list(job.void(clause)["state"]) == ["voided"], "repeat-safe"
    after = by_order(job)
    assert after[order]["voided_at"] is not None
    assert after[order]["tracking_number"] == before[order]["tracking_number"]
    assert {k: v for k, v in after.items() if k != order} == {
        k: v for k, v in before.items() if k != order
    }
    changed = [new for was, new in zip(sales, old.sales(kind), strict=True) if was != new]
    assert [list(sale.numbers) for sale in changed] == [before[order]["tracking_numbers"]]
    assert changed[0].voided


def test_voiding_all_gives_back_what_stands_and_nothing_else(old: Old) -> None:
    job = old.open("finished")
    job.void(all=True)
    assert Counter(job.results()["state"]) == {"voided": 5, "failed": 1, "skipped": 2}
    assert standing(old.sales("finished")) == Counter()
    assert str(job.report().result.total_charged) == "$0.00"


def test_a_shipment_too_many_is_found_on_opening_and_given_back(old: Old) -> None:
    assert standing(old.sales("late")) == {0: 1, 1: 2, 2: 1}
    job = old.open("late")
    assert job.void_surplus() == 1
    assert job.void_surplus() == 0
    nothing_moved(job, "late", among={"shipped"})
    bought_once(job, old, "late")


# -- going on --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["paused", "killed"])
def test_an_interrupted_job_is_resumed_to_its_end_and_nothing_is_bought_twice(
    old: Old, kind: str
) -> None:
    before = EXPECTED[kind]["told"]["results"]
    sold = old.sales(kind)
    job = old.open(kind, carrier=old.sandbox())
    result = job.resume(progress=False)
    failed = sum(line["state"] == "failed" for line in before)
    assert result.status == ("completed_with_errors" if failed else "completed")
    assert (result.shipped, result.failed) == (len(before) - failed, failed)
    assert (result.in_doubt, result.remaining) == (0, 0)
    nothing_moved(job, kind, among={"shipped", "failed"})
    bought_once(job, old, kind)
    now = kept.lines(job.results(), kept.RESULTS)
    for sale in sold:  # what was bought and not heard of is found again, not bought again
        assert now[sale.row]["tracking_numbers"] == list(sale.numbers)
    assert len(old.sales(kind)) == len(before) - failed
    assert job.labels.save(old.folder / "all.zpl").missing == ()
    again = job.resume(progress=False)
    assert (again.status, again.shipped) == (result.status, result.shipped)
    assert len(old.sales(kind)) == len(before) - failed
    assert EXPECTED[kind]["job_id"] not in set(sk.interrupted_jobs(old.home(kind))["job_id"])


@pytest.mark.parametrize("kind", ["ups-paused", "ups-live"])
def test_an_interrupted_ups_job_finds_what_was_bought_and_asks_about_the_rest(
    old: Old, shell: Any, kind: str
) -> None:
    shell(shell_of(kind))
    before = EXPECTED[kind]["told"]["results"]
    sold = old.sales(kind)
    doubtful = {i for i, line in enumerate(before) if line["state"] == "in_doubt"}
    unsold = {before[i]["order_id"] for i in doubtful - {sale.row for sale in sold}}
    failed = sum(line["state"] == "failed" for line in before)
    job = old.open(kind)
    result = job.resume(progress=False)
    assert (result.status, result.remaining) == ("completed_with_errors", 0)
    assert set(job.results("review")["order_id"]) == unsold
    nothing_moved(job, kind, among={"shipped", "failed"})
    bought_once(job, old, kind)
    now = kept.lines(job.results(), kept.RESULTS)
    for sale in sold:
        assert now[sale.row]["tracking_numbers"] == list(sale.numbers)
    job.decide("state = 'review'", "resend")
    result = job.resume(progress=False)
    assert (result.shipped, result.failed, result.in_doubt) == (len(before) - failed, failed, 0)
    bought_once(job, old, kind)
    assert job.labels.save(old.folder / "all.zpl").missing == ()
    assert old.server.objections == []


def test_a_row_in_review_is_sent_again_when_a_person_says_so(old: Old) -> None:
    job = old.open("review")
    assert list(job.decide("order_id = 'R-2'", "resend")["state"]) == ["pending"]
    result = job.resume(progress=False)
    assert (result.status, result.shipped) == ("completed", 3)
    nothing_moved(job, "review", among={"shipped"})
    bought_once(job, old, "review")


def test_a_row_in_review_is_set_aside_when_a_person_says_so(old: Old) -> None:
    job = old.open("review")
    sold = old.sales("review")
    assert list(job.decide("order_id = 'R-2'", "skip")["state"]) == ["skipped"]
    assert job.resume(progress=False).status == "completed"
    assert old.sales("review") == sold


@pytest.mark.parametrize("kind", ["finished", "voided", "ups-finished"])
def test_resuming_a_finished_job_buys_nothing(old: Old, shell: Any, kind: str) -> None:
    shell("test")
    sold = old.sales(kind)
    job = old.open(kind)
    result = job.resume(progress=False)
    wanted = EXPECTED[kind]["told"]["result"]
    assert {name: getattr(result, name) for name in kept.RESULT} == wanted
    assert kept.lines(job.results(), kept.RESULTS) == EXPECTED[kind]["told"]["results"]
    assert old.sales(kind) == sold


def test_a_cancelled_old_job_never_sends_what_was_not_sent(old: Old) -> None:
    sold = old.sales("paused")
    job = old.open("paused", carrier=old.sandbox())
    assert job.cancel().status == "cancelled"
    with contextlib.suppress(ShipkitError):
        job.resume(progress=False)
    assert job.status == "cancelled"
    nothing_moved(job, "paused", among={"shipped", "failed"})
    assert old.sales("paused") == sold


def test_a_restart_buys_the_plan_of_an_old_job_again_as_a_new_one(old: Old) -> None:
    job = old.open("voided")
    result = job.restart(confirm_paid_labels=0, progress=False)
    assert result.job_id != EXPECTED["voided"]["job_id"]
    assert (result.status, result.shipped) == ("completed", 3)
    first = old.opener(EXPECTED["voided"]["job_id"], home=old.home("voided"))
    old.opened.append(first)
    assert kept.told(first) == EXPECTED["voided"]["told"]


def test_the_parcels_of_an_old_ups_job_are_tracked(old: Old, shell: Any) -> None:
    shell("test")
    tracked = old.open("ups-finished").track()
    lines = EXPECTED["ups-finished"]["told"]["results"]
    assert set(tracked["tracking_number"]) == numbers_of(
        [line for line in lines if line["state"] == "shipped"]
    )
    assert set(tracked["status"]) == {"label_created"}


# -- the same orders again -------------------------------------------------------------------------


@pytest.fixture
def again(tmp_path: Path, shop: sk.Address) -> Iterator[Any]:
    """Return a maker of sessions on the orders of the job `finished`, in a copy of its home."""
    home = shutil.copytree(HOMES / "sandbox", tmp_path / "sandbox")
    made: list[sk.BatchSession] = []

    def build(name: str) -> sk.BatchSession:
        session = sk.BatchSession(
            HOMES / "orders.csv", shipper=shop, name=name, home=home, label_format="pdf"
        )
        made.append(session)
        maps = {"weights": "line", "parcels": "max 40 lb", "references": {"po": "order_id"}}
        session.map(service="ground", **maps)
        session.skip("order_id = 'F-7'", reason="the customer called")
        return session

    yield build
    for session in made:
        session.close()


def test_the_same_orders_and_name_are_the_same_job_and_buy_nothing(
    again: Any, tmp_path: Path
) -> None:
    sold = kept.sandbox_sales(tmp_path / "sandbox")
    session = again("finished")
    session.preview()
    session.approve()
    result = session.execute(progress=False)
    assert result.job_id == EXPECTED["finished"]["job_id"]
    assert kept.sandbox_sales(tmp_path / "sandbox") == sold


def test_the_same_orders_under_another_name_are_held_back_where_they_shipped(
    again: Any, tmp_path: Path
) -> None:
    session = again("another")
    frame = session.preview()
    held = frame[frame["problem"].fillna("").str.contains(EXPECTED["finished"]["job_id"])]
    assert set(held["order_id"]) == {"F-1", "F-2", "F-5", "F-8"}
    with contextlib.suppress(ApprovalRequired):
        session.approve()
        session.execute(progress=False)
    sold = Counter(sale.base for sale in kept.sandbox_sales(tmp_path / "sandbox"))
    assert sorted(session.results("shipped")["order_id"]) == ["F-3", "F-4"], "failed, and voided"
    assert sum(sold.values()) == len(kept.sandbox_sales(HOMES / "sandbox")) + 2


# -- a job in a shell that is set to another environment -------------------------------------------

CALLS = {
    "void": lambda job: job.void(all=True),
    "void_surplus": lambda job: job.void_surplus(),
    "track": lambda job: job.track(),
    "resume": lambda job: job.resume(progress=False),
    "restart": lambda job: job.restart(confirm_paid_labels=paid_labels(job), progress=False),
}


def paid_labels(job: Any) -> int:
    return len(job.results("shipped"))


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(("kind", "environment"), [("ups-live", "test"), ("ups-paused", "live")])
def test_a_job_is_left_alone_by_a_shell_set_to_another_environment(
    old: Old, shell: Any, kind: str, environment: str, call: str
) -> None:
    """The first release asked UPS's test host to void a live job, and believed what it said."""
    shell(environment)
    sold = old.sales(kind)
    job = old.open(kind)
    with pytest.raises(JobError):
        CALLS[call](job)
    assert not old.server.calls, "refused before any call"
    assert kept.told(job) == EXPECTED[kind]["told"]
    assert old.sales(kind) == sold
    assert len(sk.jobs(old.home(kind))) == len(UPS), "and no new job was begun"
    assert job.live == (kind == "ups-live")
    assert ("LIVE" in repr(job)) == job.live
