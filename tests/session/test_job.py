"""sk.Job: a job on disk, bound to the account it was bought on, readable without credentials."""

from __future__ import annotations

import asyncio
import dataclasses
import functools
import importlib.util
import itertools
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import shipkit as sk
from shipkit import errors
from shipkit.carriers.sandbox import Faults
from shipkit.models import LabelFormat
from shipkit.purchasing import recovery
from shipkit.purchasing.run.handle import RunHandle
from shipkit.purchasing.store import JobStore

UPS_SERVER = Path(__file__).parent.parent / "carriers" / "ups" / "server.py"


@pytest.fixture(scope="module")
def ups_module() -> Any:
    spec = importlib.util.spec_from_file_location("session_tests_ups_server", UPS_SERVER)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def server(ups_module: Any) -> Iterator[Any]:
    """UPS on loopback: one server for both environments, so that it sees every wrong call."""
    running = ups_module.UpsServer().start()
    yield running
    running.stop()


@pytest.fixture
def shell(server: Any, ups_module: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return a way to set the environment variables that name a UPS account, or to unset them."""

    def set_up(env: str | None, account: str = ups_module.ACCOUNT) -> None:
        values = {
            "CLIENT_ID": ups_module.CLIENT_ID,
            "CLIENT_SECRET": ups_module.CLIENT_SECRET,
            "ACCOUNT": account,
            "BASE_URL": server.url,
            "ENV": env,
        }
        for name, value in values.items():
            if env is None:
                monkeypatch.delenv(f"SHIPKIT_UPS_{name}", raising=False)
            else:
                monkeypatch.setenv(f"SHIPKIT_UPS_{name}", str(value))

    return set_up


@pytest.fixture
def live_job(shell: Any, server: Any, shop: sk.Address, rows: list[dict[str, Any]]) -> str:
    """The id of a finished live UPS job of three labels; the shell is set to test afterwards."""
    shell("live")
    with sk.BatchSession(rows[:3], shipper=shop, service="ground", carrier="ups") as session:
        session.preview()
        session.approve()
        job_id = session.execute(progress=False).job_id
    shell("test")
    server.calls.clear()
    return job_id


def interrupted(make: Callable[..., sk.BatchSession], carrier: Any = None, **options: Any) -> str:
    """Return the id of a job that was paused after its first label."""
    session = make(
        mode="auto",
        carrier=carrier or sk.SandboxCarrier(latency_s=0.2),
        concurrency=1,
        limits={"total": "500"},
        **options,
    )
    runs: list[RunHandle] = []
    runs.append(session.start(progress=lambda seen: seen.shipped and runs and runs[0].pause()))
    result = runs[0].wait()
    assert result is not None
    assert result.remaining > 0
    return result.job_id


# -- whose money it is -----------------------------------------------------------------------------

CALLS: dict[str, Callable[[sk.Job], Any]] = {
    "void one": lambda job: job.void("order_id = 'SO-1'"),
    "void all": lambda job: job.void(all=True),
    "void nothing": lambda job: job.void("order_id = 'SO-99'"),
    "void surplus": lambda job: job.void_surplus(),
    "track": lambda job: job.track(),
    "resume": lambda job: job.resume(progress=False),
    "restart": lambda job: job.restart(confirm_paid_labels=3, progress=False),
    "restart, void first": lambda job: job.restart(
        confirm_paid_labels=3, void_first=True, progress=False
    ),
    "its carrier": lambda job: job.carrier,
}


def refused(call: Callable[[Any], Any], job: Any) -> str:
    """Return how a call is refused, with its fix; nothing when it is not."""
    try:
        call(job)
    except errors.JobError as error:
        return f"{error} {error.fix}"
    return ""


def test_a_live_job_in_a_shell_set_to_test_is_refused_before_any_call(
    live_job: str, server: Any
) -> None:
    """The first release asked UPS's test host to void live labels, and booked them as voided."""
    for name, call in CALLS.items():
        with sk.Job.open(live_job) as job:
            before = job.results()
            answer = refused(call, job)
            assert "belongs to ups LIVE" in answer, name
            assert "SHIPKIT_UPS_ENV=live" in answer, name
            assert job.results().equals(before), name
        assert not server.calls, name
        assert sk.jobs()["job_id"].tolist() == [live_job], f"and no restart was published: {name}"


def test_a_session_on_it_refuses_the_same(live_job: str, server: Any) -> None:
    for name, call in CALLS.items():
        with sk.BatchSession.open(live_job) as session:
            assert "belongs to ups LIVE" in refused(call, session), name
        assert not server.calls, name


def test_another_account_of_the_same_environment_is_refused(
    live_job: str, server: Any, shell: Any
) -> None:
    shell("live", account="Z9Y8X7")
    with sk.Job.open(live_job) as job:
        with pytest.raises(errors.JobError, match=r"not to ups LIVE \.\.\.Y8X7") as refused:
            job.void(all=True)
        assert "SHIPKIT_UPS_ACCOUNT to the account ending in B2C3" in str(refused.value.fix)
        assert "_ENV" not in str(refused.value.fix)
    assert not server.calls


def test_another_carrier_is_refused_by_name_and_as_an_object(live_job: str, server: Any) -> None:
    for other in ("sandbox", sk.SandboxCarrier()):
        with sk.Job.open(live_job, carrier=other) as job:
            with pytest.raises(errors.JobError, match=r"not to .*sandbox"):
                job.void(all=True)
            assert "LIVE" in repr(job)
    assert not server.calls


def test_in_the_right_shell_the_job_is_tracked_and_voided(
    live_job: str, server: Any, shell: Any
) -> None:
    shell("live")
    with sk.Job.open(live_job) as job:
        assert len(job.track()) == 3
        assert set(job.void(all=True)["state"]) == {"voided"}
    assert server.alive == []


def test_no_caller_can_go_round_the_check(live_job: str, server: Any, home: Path) -> None:
    store = JobStore.open(home, live_job)
    carrier = sk.UPS.from_env()
    for work in (
        recovery.void_rows(store, carrier, [0]),
        recovery.void_surplus(store, carrier),
    ):
        with pytest.raises(errors.JobError, match="belongs to"):
            asyncio.run(work)
    assert not server.calls


def test_resending_a_row_in_review_is_refused_for_another_account(
    make: Callable[..., sk.BatchSession],
) -> None:
    """Who looked for the row in another account found nothing there, whatever the right one has."""
    faulty = sk.SandboxCarrier(
        faults=Faults(lost_before=1.0), absence_is_proof_after_s=0.1, timeout_s=0.2
    )
    session = make(mode="auto", carrier=faulty, resend="ask")
    session.settings = session.settings.model_copy(update={"grace_s": 0.2})
    job_id = session.execute(progress=False).job_id
    with sk.Job.open(job_id, carrier=sk.SandboxCarrier(account="OTHER0002")) as job:
        assert len(job.results("review")) == 4
        with pytest.raises(errors.JobError, match="belongs to"):
            job.decide("order_id = 'SO-1'", "resend")
        assert len(job.results("review")) == 4
        assert job.decide("order_id = 'SO-1'", "skip")["state"].tolist() == ["skipped"]


# -- without credentials ---------------------------------------------------------------------------


def test_a_job_is_opened_printed_and_read_without_credentials(
    live_job: str, server: Any, shell: Any, tmp_path: Path
) -> None:
    shell(None)
    with sk.Job.open(live_job) as job:
        for text in (repr(job), job._repr_html_()):
            assert "ups LIVE ...B2C3" in text
            assert live_job in text
        assert (job.status, job.live, job.mode) == ("completed", True, "confirm")
        assert str(job.identity) == "ups LIVE ...B2C3"
        assert job.results("shipped")["order_id"].tolist() == ["SO-1", "SO-2", "SO-3"]
        assert job.review()["waits_for"].isna().all()
        assert job.failed_rows().empty
        assert job.labels.save(tmp_path / "labels.pdf").labels == 3
        assert "$" in repr(job.report())
        assert Path(job.write_back(tmp_path / "back.csv")).exists()
        assert job.resume(progress=False).shipped == 3, "a finished job needs no carrier"
        assert job.void("order_id = 'SO-99'").empty
        assert job.void_surplus() == 0
        for call in ("void one", "track", "restart"):
            with pytest.raises(errors.SettingsError, match="SHIPKIT_UPS_CLIENT_ID"):
                CALLS[call](job)
        assert job.path == job.store.path
    assert not server.calls


def test_a_session_prints_without_credentials_before_and_after_there_is_a_job(
    live_job: str, shell: Any, shop: sk.Address
) -> None:
    shell(None)
    with sk.BatchSession.open(live_job) as session:
        assert "ups LIVE ...B2C3" in repr(session)
        assert "ups LIVE ...B2C3" in session._repr_html_()
        assert session.live
    with sk.BatchSession(shipper=shop, carrier="ups") as session:
        assert "ups (not set up)" in repr(session)
        assert "ups (not set up)" in session._repr_html_()


def test_a_reopened_session_shows_the_jobs_account_and_not_the_shells(live_job: str) -> None:
    with sk.BatchSession.open(live_job) as session:
        assert "ups LIVE ...B2C3" in repr(session)
        assert "TEST" not in repr(session) + session._repr_html_()
        assert session.job is not None
        assert session.job.job_id == session.job_id == live_job


def test_a_finished_job_says_which_rows_wait_to_be_looked_up(
    make: Callable[..., sk.BatchSession],
) -> None:
    """A row that was resent has an old reference; opening looks it up if the carrier is set up."""
    faulty = sk.SandboxCarrier(
        faults=Faults(lost_before=1.0), absence_is_proof_after_s=0.1, timeout_s=0.2
    )
    session = make(mode="auto", carrier=faulty, resend="ask")
    session.settings = session.settings.model_copy(update={"grace_s": 0.2})
    job_id = session.execute(progress=False).job_id
    faulty.faults = Faults()
    session.decide("order_id = 'SO-1'", "resend")
    session.decide("state = 'review'", "skip")
    assert session.resume(progress=False).status == "completed"
    with sk.Job.open(job_id) as job:
        assert job.not_looked_up == ()
        assert "looked up" not in repr(job) + job._repr_html_()
    with sk.Job.open(job_id, carrier=sk.SandboxCarrier(account="OTHER0002")) as job:
        assert "4 rows wait to be looked up" in repr(job)
        assert "4 rows wait to be looked up" in job._repr_html_()
        waits = job.review().set_index("order_id")["waits_for"]
        assert waits[["SO-1", "SO-2", "SO-3", "SO-5"]].tolist() == ["look-up"] * 4
        assert waits[["SO-4"]].isna().all()


def test_review_says_what_each_open_row_waits_for(make: Callable[..., sk.BatchSession]) -> None:
    with sk.Job.open(interrupted(make)) as job:
        frame = job.review()
        by_state = frame.groupby("state")["waits_for"].agg(lambda column: set(column.dropna()))
        assert by_state["pending"] == {"sending"}
        assert by_state["shipped"] == by_state["skipped"] == set()
        assert list(frame.columns[:-1]) == list(job.results().columns)


# -- what can be done with it ----------------------------------------------------------------------


def test_an_interrupted_job_is_resumed_by_its_id(make: Callable[..., sk.BatchSession]) -> None:
    job_id = interrupted(make, name="monday")
    with sk.Job.open(job_id) as job:
        assert "monday" in repr(job)
        assert (job.status, job.name, job.mode) == ("paused", "monday", "auto")
        assert job.resume(progress=False).shipped == 4
        assert job.execution is not None
        assert not job.running
        assert job.status == "completed"


def test_a_cancelled_job_sends_nothing_more(make: Callable[..., sk.BatchSession]) -> None:
    with sk.Job.open(interrupted(make)) as job:
        shipped = job.cancel().shipped
        assert job.status == "cancelled"
        assert job.resume(progress=False).shipped == shipped


def test_a_restart_leaves_the_old_job_and_names_the_new_one(
    make: Callable[..., sk.BatchSession],
) -> None:
    job_id = make(mode="auto").execute(progress=False).job_id
    with sk.Job.open(job_id) as job:
        assert job.restarted is None
        result = job.restart(confirm_paid_labels=4, void_first=True, progress=False)
        assert job.job_id == job_id
        assert job.restarted is not None
        assert job.restarted.job_id == result.job_id != job_id
        assert job.results()["state"].value_counts().to_dict() == {"voided": 4, "skipped": 1}
        assert result.shipped == 4


def test_closing_pauses_a_run(make: Callable[..., sk.BatchSession]) -> None:
    job = sk.Job.open(interrupted(make), carrier=sk.SandboxCarrier(latency_s=0.2))
    runs = [job.start_resume(progress=False)]
    assert job.running
    assert job.status == "running"
    job.close()
    result = runs[0].wait()
    assert result is not None
    assert result.status in {"paused", "completed"}
    assert not job.running


RUNNING: dict[str, Callable[[Any], Any]] = {
    "void": lambda x: x.void(all=True),
    "void_surplus": lambda x: x.void_surplus(),
    "decide": lambda x: x.decide("true", "skip"),
    "resume": lambda x: x.resume(progress=False),
    "restart": lambda x: x.restart(confirm_paid_labels=0, progress=False),
}


def test_what_needs_a_job_at_rest_says_that_it_is_running(
    make: Callable[..., sk.BatchSession],
) -> None:
    session = make(mode="auto", concurrency=1, carrier=sk.SandboxCarrier(latency_s=0.3))
    run = session.start(progress=False)
    for call in [*RUNNING.values(), lambda x: x.execute(progress=False)]:
        with pytest.raises(errors.JobRunning, match="is running in this session") as caught:
            call(session)
        assert caught.value.code == "job_running"
        assert isinstance(caught.value, errors.JobError)
        assert isinstance(caught.value, errors.ModeLocked), "what the first release raised"
    for call in RUNNING.values():
        with pytest.raises(errors.JobRunning):
            call(session.job)
    with pytest.raises(errors.ModeLocked) as locked:
        session.set_mode("confirm")
    assert locked.value.code == "mode_locked"
    run.pause()
    run.wait()


def test_void_needs_a_clause_or_all_and_not_both(make: Callable[..., sk.BatchSession]) -> None:
    session = make(mode="auto")
    session.execute(progress=False)
    for wrong in ({}, {"clause": "true", "all": True}):
        with pytest.raises(errors.InputError, match="needs a clause or all=True"):
            session.void(**wrong)
    with pytest.raises(errors.InputError, match="all='no' is not True or False"):
        session.void(all="no")
    for blank in ("", " "):
        with pytest.raises(errors.FilterError):
            session.void(blank)
        with pytest.raises(errors.ShipkitError):
            session.job.pickup(clause=blank)
    for flags in ({"in_place": "no"}, {"allow_test_numbers": "no"}):
        with pytest.raises(errors.InputError, match="is not True or False"):
            session.write_back(**flags)
    with pytest.raises(errors.InputError, match="is not True or False"):
        session.track(history="no")
    assert len(session.results("shipped")) == 4


def test_the_old_spellings_of_allow_test_numbers_work_and_warn(
    make: Callable[..., sk.BatchSession], tmp_path: Path
) -> None:
    source = tmp_path / "orders.csv"
    orders = (
        "order_id,name,address1,city,state,zip,weight_lb\n"
        "SO-1,Ada Lee,1 Main St,Austin,TX,78701,2\n"
    )
    source.write_text(orders)
    session = make(source, mode="auto")
    session.execute(progress=False)
    assert session.job is not None
    with pytest.raises(errors.WriteBackError, match="not real"):
        session.write_back(in_place=True)
    for target in (session, session.job):
        with pytest.warns(DeprecationWarning, match="allow_test_numbers=True") as warned:
            target.write_back(in_place="really")
        source.write_text(orders)
        assert warned[0].filename == __file__
    with pytest.warns(DeprecationWarning, match="allow_test_numbers=True"):
        session.write_back(layout="woocommerce", really=True)
    session.job.write_back(in_place=True, allow_test_numbers=True)


def test_a_pace_out_of_range_is_refused(make: Callable[..., sk.BatchSession]) -> None:
    job_id = make(mode="auto").execute(progress=False).job_id
    opened: list[Callable[..., Any]] = [
        make,
        functools.partial(sk.Job.open, job_id),
        functools.partial(sk.BatchSession.open, job_id),
    ]
    paces: list[tuple[str, float]] = [
        ("concurrency", 0),
        ("concurrency", -3),
        ("concurrency", 1.5),
        ("rate_limit", 0),
        ("rate_limit", -1),
        ("rate_limit", float("nan")),
        ("rate_limit", float("inf")),
    ]
    for (option, value), attempt in itertools.product(paces, opened):
        with pytest.raises(errors.InputError, match=f"{option}="):
            attempt(**{option: value})


def test_a_voided_job_advises_no_command_that_fails(
    make: Callable[..., sk.BatchSession], tmp_path: Path
) -> None:
    session = make(mode="auto")
    job_id = session.execute(progress=False).job_id
    report = session.report()
    assert report.next == f"shipkit labels {job_id} -o labels.pdf"
    assert report.next in report.save(tmp_path / "day.html").read_text()
    session.void(all=True)
    report = session.report()
    assert report.next is None
    for text in (
        repr(report),
        report._repr_html_(),
        report.save(tmp_path / "day.html").read_text(),
    ):
        assert "Next" not in text
        assert "shipkit labels" not in text
    with pytest.raises(errors.LabelError):
        session.labels.save(tmp_path / "labels.pdf")


def test_what_is_no_carrier_is_refused_at_once(make: Callable[..., sk.BatchSession]) -> None:
    job_id = make(mode="auto").execute(progress=False).job_id
    for wrong, words in ((object(), "not a carrier"), (sk.SandboxCarrier, "is a class")):
        for attempt in (
            lambda: make(carrier=wrong),  # noqa: B023 - called at once
            lambda: sk.Job.open(job_id, carrier=wrong),  # type: ignore[arg-type]  # noqa: B023
        ):
            with pytest.raises(errors.InputError, match=words):
                attempt()


def test_a_label_format_that_the_carrier_lacks_is_refused_before_anything_is_priced(
    make: Callable[..., sk.BatchSession],
) -> None:
    carrier = sk.SandboxCarrier()
    carrier.capabilities = dataclasses.replace(
        carrier.capabilities, label_formats=frozenset({LabelFormat.ZPL})
    )
    with pytest.raises(errors.InputError, match="does not deliver PDF labels"):
        make(carrier=carrier).preview()
    automatic = make(carrier=carrier, mode="auto")
    with pytest.raises(errors.InputError, match="label_format='zpl'"):
        automatic.execute(progress=False)
    assert len(sk.jobs()) == 0


def test_a_job_that_is_not_there_says_where_it_was_looked_for(home: Path) -> None:
    with pytest.raises(errors.JobNotFound, match="job-none"):
        sk.Job.open("job-none")


def test_a_job_has_a_panel_and_plots(make: Callable[..., sk.BatchSession]) -> None:
    pytest.importorskip("ipywidgets")
    pytest.importorskip("matplotlib")
    job_id = make(mode="auto").execute(progress=False).job_id
    with sk.Job.open(job_id) as job:
        assert job.panel().session.job is job
        assert job.plot.quoted_vs_charged().axes
