"""The table of outcomes over HTTP, against a sandbox in a process of its own.

Time-outs are long enough for a busy machine. Only where the wire stays silent must one pass.
"""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
import time
from urllib.request import Request, urlopen

import pyarrow.compute as pc
import pytest
from corekit import job_of, plan_of, state_counts

from shipkit.carriers.pace import Pacer
from shipkit.carriers.sandbox import SandboxCarrier
from shipkit.purchasing.run import execute
from shipkit.state import JobStatus

ROWS = 3
SILENT = ("silence", "half", "half_headers")
"""Where the connection stays open, so that only the time-out ends the call."""
NO_ANSWER = ("reset", "close", "silence", "half", "half_headers", "garbage", "empty")


class Served:
    def __init__(self, folder):
        command = [
            sys.executable,
            "-m",
            "shipkit.carriers.sandbox",
            "--serve",
            "--books",
            str(folder / "books.sqlite"),
            "--label-bytes",
            "500",
        ]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.url = self.process.stdout.readline().strip()

    def suffer(self, **faults):
        """Switch faults on for the first call of every row."""
        urlopen(
            Request(
                f"{self.url}/faults",
                data=json.dumps({"first": ROWS, "seed": 1, **faults}).encode(),
                method="POST",
            )
        ).close()
        urlopen(Request(f"{self.url}/stats", method="POST")).close()

    def sold(self, job):
        with urlopen(f"{self.url}/books") as answer:
            return [
                entry
                for entry in json.load(answer)
                if entry["reference"].startswith(job.manifest.reference_base)
            ]

    def asked(self):
        with urlopen(f"{self.url}/stats") as answer:
            return json.load(answer)["requests"].get("/ship", 0)

    def close(self):
        self.process.terminate()
        self.process.wait()
        self.process.stdout.close()


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    server = Served(tmp_path_factory.mktemp("served"))
    yield server
    server.close()


def run(home, url, *, resend="proven", pacer=None, wire=None, grace_s=0.3):
    timeout_s = 1.5 if wire in SILENT else 20
    carrier = SandboxCarrier(url=url, timeout_s=timeout_s, absence_is_proof_after_s=0.2)
    job = job_of(home, ROWS, plan=plan_of(ROWS), identity=carrier.identity, resend=resend)

    async def work():
        try:
            return await execute(
                job,
                carrier,
                timeout_s=timeout_s,
                grace_s=grace_s,
                pacer=pacer or Pacer(concurrency=4),
            )
        finally:
            await carrier.aclose()

    return job, asyncio.run(work())


def story(job, row=0):
    """Return the events of a row, in order."""
    table = job.chain().table
    return table.filter(pc.equal(table.column("row"), row)).column("event").to_pylist()


@pytest.mark.parametrize("wire", NO_ANSWER)
def test_no_usable_answer_after_a_purchase_is_in_doubt_and_adopted(home, served, wire):
    served.suffer(lost=1.0, wire=wire)
    job, status = run(home, served.url, wire=wire)
    assert (status, story(job)) == (JobStatus.COMPLETED, ["intent", "in_doubt", "adopted"])
    assert served.asked() == len(served.sold(job)) == ROWS
    assert {label.tracking_number for label in job.labels()} == {
        number for entry in served.sold(job) for number in entry["numbers"]
    }


@pytest.mark.parametrize("wire", NO_ANSWER)
def test_no_usable_answer_and_no_purchase_is_in_doubt_and_sent_again_under_a_new_reference(
    home, served, wire
):
    served.suffer(lost_before=1.0, wire=wire)
    job, status = run(home, served.url, wire=wire)
    assert (status, story(job)) == (
        JobStatus.COMPLETED,
        ["intent", "in_doubt", "absent", "intent", "result"],
    )
    assert served.asked() == 2 * ROWS
    assert sorted(entry["reference"] for entry in served.sold(job)) == [
        job.reference(row, 2) for row in range(ROWS)
    ]


@pytest.mark.parametrize("resend", ["ask", "never"])
def test_no_answer_and_no_permission_to_send_again_waits_for_a_person(home, served, resend):
    served.suffer(lost_before=1.0)
    job, status = run(home, served.url, resend=resend)
    assert (status, story(job)) == (
        JobStatus.COMPLETED_WITH_ERRORS,
        ["intent", "in_doubt", "review"],
    )
    assert (state_counts(job), served.sold(job)) == ({"review": ROWS}, [])


@pytest.mark.parametrize("code", [500, 502, 503, 504])
def test_a_5xx_after_the_purchase_is_in_doubt_and_adopted(home, served, code):
    served.suffer(error_after=1.0, status=code)
    job, status = run(home, served.url)
    assert (status, story(job)) == (JobStatus.COMPLETED, ["intent", "in_doubt", "adopted"])
    assert served.asked() == len(served.sold(job)) == ROWS


def test_a_5xx_before_the_purchase_looks_the_same_and_is_sent_again_only_when_absence_is_proven(
    home, served
):
    served.suffer(error_before=1.0)
    job, status = run(home, served.url)
    assert (status, story(job)) == (
        JobStatus.COMPLETED,
        ["intent", "in_doubt", "absent", "intent", "result"],
    )
    assert len(served.sold(job)) == ROWS


def test_a_purchase_that_appears_late_is_in_doubt_and_adopted(home, served):
    served.suffer(late=1.0, late_s=0.15)
    job, status = run(home, served.url, grace_s=20)  # it is found long before
    assert (status, story(job)) == (JobStatus.COMPLETED, ["intent", "in_doubt", "adopted"])
    assert served.asked() == len(served.sold(job)) == ROWS


def test_an_answer_is_shipped(home, served):
    served.suffer()
    job, status = run(home, served.url)
    assert (status, story(job)) == (JobStatus.COMPLETED, ["intent", "result"])
    assert len(served.sold(job)) == ROWS


def test_a_no_is_failed_and_never_sent_again(home, served):
    served.suffer(reject=1.0, reject_code="120100")
    job, status = run(home, served.url)
    assert (status, story(job)) == (JobStatus.COMPLETED_WITH_ERRORS, ["intent", "failed"])
    assert job.results().column("error_code").to_pylist() == ["120100"] * ROWS
    assert (served.asked(), served.sold(job)) == (ROWS, [])


def test_429_is_pending_and_sent_again(home, served):
    served.suffer(rate_limited=1.0, retry_after_s=0.1)
    job, status = run(home, served.url)
    assert (status, story(job)) == (JobStatus.COMPLETED, ["intent", "not_sent", "intent", "result"])
    assert len(served.sold(job)) == ROWS


def test_refused_credentials_are_pending_and_pause_the_job(home, served):
    served.suffer(auth_refused=True)
    job, status = run(home, served.url)
    assert (status, story(job)) == (JobStatus.PAUSED, ["intent", "not_sent"])
    assert "refused the credentials" in job.reason
    assert (state_counts(job), served.sold(job)) == ({"pending": ROWS}, [])


def test_a_refused_connection_is_pending_and_pauses_the_job(home, served):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{free.getsockname()[1]}"  # bound, and nobody listens
        job, status = run(home, nobody, pacer=Pacer(concurrency=4, down_after_s=0.3))
    assert status is JobStatus.PAUSED
    assert set(story(job)) == {"intent", "not_sent"}
    assert "could not be reached" in job.reason
    assert (state_counts(job), served.sold(job)) == ({"pending": ROWS}, [])


def test_a_server_that_dies_in_the_middle_leaves_rows_in_doubt_that_the_next_run_settles(
    home, tmp_path
):
    """Not a fault switched on: the process is gone while it works on the requests."""
    server = Served(tmp_path)
    try:
        server.suffer(latency_s=60)
        carrier = SandboxCarrier(url=server.url, timeout_s=60, absence_is_proof_after_s=0.2)
        job = job_of(home, ROWS, identity=carrier.identity)

        def kill_with_all_requests():
            while server.asked() < ROWS:
                time.sleep(0.01)
            server.process.kill()

        async def work():
            killing = asyncio.create_task(asyncio.to_thread(kill_with_all_requests))
            try:
                return await execute(
                    job,
                    carrier,
                    timeout_s=60,
                    grace_s=0.1,
                    pacer=Pacer(concurrency=4, down_after_s=0.5, breaker_after=3),
                )
            finally:
                await killing
                await carrier.aclose()

        assert asyncio.run(work()) is JobStatus.PAUSED
        assert state_counts(job) == {"in_doubt": ROWS}
    finally:
        server.close()
    again = Served(tmp_path)
    try:

        async def resume():
            carrier = SandboxCarrier(url=again.url, timeout_s=20, absence_is_proof_after_s=0.2)
            try:
                return await execute(job, carrier, timeout_s=20, grace_s=0.1)
            finally:
                await carrier.aclose()

        assert asyncio.run(resume()) is JobStatus.COMPLETED
        assert len(again.sold(job)) == ROWS
    finally:
        again.close()
