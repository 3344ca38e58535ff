"""The command that is advised as `next`: after every command, in every state of a job, it works."""

from __future__ import annotations

import asyncio
import datetime as dt
import shlex
import threading

import pandas as pd
import pytest

import shipkit as sk
from shipkit.carriers.sandbox import Faults
from shipkit.cli.exit_codes import Exit
from shipkit.purchasing import recovery

ORDERS = [f"A-{n}" for n in range(1, 5)]


def table(tmp_path):
    """Four orders in a file."""
    path = tmp_path / "orders.csv"
    frame = pd.DataFrame({"order_id": ORDERS}).assign(
        name="Ada Lee",
        address1=[f"{n} Inkwell Row" for n in range(1, 5)],
        city="Austin",
        state="TX",
        zip="78704",
        weight_lb=2.0,
        service="ground",
    )
    frame.to_csv(path, index=False)
    return path


class Silent(sk.SandboxCarrier):
    """A sandbox that sells one shipment and never answers for the next one."""

    def __init__(self, **options):
        super().__init__(**options)
        self.asked = threading.Event()

    async def ship(self, shipment, *args):
        purchase = await super().ship(shipment, *args)
        if shipment.order_id == "A-2":
            self.asked.set()
            await asyncio.Event().wait()
        return purchase


def buy(source, shop, *, faults=None, on_error="continue", resend=None, **options):
    """Buy with these faults at the carrier, and return the id of the job."""
    carrier = sk.SandboxCarrier(
        faults=faults or Faults(), concurrency=1, absence_is_proof_after_s=0.1, timeout_s=0.2
    )
    with sk.BatchSession(
        source, shipper=shop, carrier=carrier, mode="auto", resend=resend, **options
    ) as session:
        session.settings = session.settings.model_copy(update={"grace_s": 0.1})
        session.preview()
        return session.execute(on_error=on_error, progress=False).job_id


def bought(source, shop):
    return buy(source, shop)


def with_problem_rows(source, shop):
    frame = pd.read_csv(source, dtype={"zip": str})
    frame.loc[3, "weight_lb"] = None
    frame.to_csv(source, index=False)
    return buy(source, shop)


def of_a_table(source, shop):
    return buy(pd.read_csv(source, dtype={"zip": str}), shop)


def some_rejected(source, shop):
    return buy(source, shop, faults=Faults(reject=1.0, match="^A-2$"))


def all_rejected(source, shop):
    return buy(source, shop, faults=Faults(reject=1.0))


def halted(source, shop):
    return buy(source, shop, faults=Faults(reject=1.0, match="^A-2$"), on_error="halt")


def credentials_refused(source, shop):
    return buy(source, shop, faults=Faults(auth_refused=True))


def in_doubt(source, shop):
    carrier = Silent(concurrency=1, timeout_s=60)
    with sk.BatchSession(source, shipper=shop, carrier=carrier, mode="auto") as session:
        session.preview()
        running = session.start(progress=False)
        assert carrier.asked.wait(60)
        running._control.stop_now()  # what a second Ctrl-C does
        return running.wait().job_id


def in_review(source, shop):
    return buy(source, shop, faults=Faults(lost_before=1.0, match="^A-2$"), resend="ask")


def cancelled_after_some(source, shop):
    job_id = halted(source, shop)
    with sk.Job.open(job_id) as job:
        job.cancel()
    return job_id


def cancelled_before_any(source, shop):
    job_id = credentials_refused(source, shop)
    with sk.Job.open(job_id) as job:
        job.cancel()
    return job_id


def voided(source, shop):
    job_id = buy(source, shop)
    with sk.Job.open(job_id) as job:
        job.void(all=True)
    return job_id


def voided_in_part(source, shop):
    job_id = buy(source, shop)
    with sk.Job.open(job_id) as job:
        job.void("order_id = 'A-1'")
    return job_id


def restarted(source, shop):
    with sk.Job.open(buy(source, shop)) as job:
        return job.restart(confirm_paid_labels=4, progress=False).job_id


def pruned(source, shop):
    job_id = buy(source, shop)
    recovery.prune(older_than=dt.timedelta(0))
    return job_id


STATES = {
    bought: "completed",
    with_problem_rows: "completed",
    of_a_table: "completed",
    some_rejected: "completed_with_errors",
    all_rejected: "completed_with_errors",
    halted: "paused",
    credentials_refused: "paused",
    in_doubt: "paused",
    in_review: "completed_with_errors",
    cancelled_after_some: "cancelled",
    cancelled_before_any: "cancelled",
    voided: "completed",
    voided_in_part: "completed",
    restarted: "completed",
    pruned: "completed",
}
"""How a job gets into a state, and its status then."""

LOOKING = ["show {job}", "show {job} --failed f.csv", "show {job} --results r.csv"]
ACTING = [
    "labels {job} -o l.pdf",
    "write-back {job} -o back.csv",
    "void {job} --all --dry-run",
    "void {job} --all",
    "resume {job}",
]
FOLLOWED_AT_MOST = 6


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SHIPKIT_GRACE_S", "0.1")
    return tmp_path


def follow(cli, command, known=None):
    """Run a command and what it advises, and what that advises, until nothing is left to advise.

    `known` is what commands advised that were run before and changed nothing: they are not run
    again.
    """
    commands = [command]
    while commands[-1] is not None:
        assert len(commands) < FOLLOWED_AT_MOST, f"the advice goes round: {commands}"
        if known is not None and commands[-1] in known:
            commands.append(known[commands[-1]])
            continue
        done = cli(*shlex.split(commands[-1])[1:], "--json")
        assert "Traceback" not in done.err
        if len(commands) > 1:
            assert done.code not in (Exit.UNUSABLE, Exit.NOT_APPROVED), f"{commands}: {done.err}"
        commands.append(done.last["next"])
        if known is not None:
            known[commands[-2]] = commands[-1]
    return commands


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.__name__)
def test_what_is_advised_in_a_state_of_a_job_works(cli, here, shop, state):
    job = state(table(here), shop)
    assert cli("show", job, "--json").last["status"] == STATES[state]
    known = {}
    for command in LOOKING:
        follow(cli, f"shipkit {command.format(job=job)}", known)
    for command in ACTING:
        follow(cli, f"shipkit {command.format(job=job)}")


def test_the_advice_of_a_job_leads_to_labels_and_tracking_numbers(cli, here, shop):
    job = bought(table(here), shop)
    assert follow(cli, f"shipkit show {job}") == [
        f"shipkit show {job}",
        f"shipkit labels {job} -o labels.pdf",
        f"shipkit write-back {job}",
        None,
    ]


def test_an_interrupted_job_is_resumed_first(cli, here, shop):
    job = halted(table(here), shop)
    assert follow(cli, f"shipkit show {job}")[1:4] == [
        f"shipkit resume {job}",
        f"shipkit show {job} --failed failed.csv",
        f"shipkit labels {job} -o labels.pdf",
    ]


def test_a_voided_job_advises_nothing(cli, here, shop):
    job = voided(table(here), shop)
    assert follow(cli, f"shipkit show {job}") == [f"shipkit show {job}", None]


def test_the_advice_stays_in_the_home_of_the_command(cli, here, shop):
    home = here / "other home"
    job = buy(table(here), shop, home=home)
    first = cli("show", job, "--home", home, "--json").last["next"]
    assert shlex.split(first)[-2:] == ["--home", str(home)]
    assert follow(cli, first)[-1] is None
