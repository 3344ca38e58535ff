"""Names that notebooks, scripts and agents of other people use are there, and can be called."""

from __future__ import annotations

import inspect

import pytest

import shipkit as sk
from shipkit import agent

NAMES = """
    Address BatchSession CarrierAccount Database Job Pricer RateCard SpendLimits compare
    interrupted_jobs jobs rate read_once run_job shipments
"""
ERRORS = """
    ApprovalRequired CheckpointFenced FilterError JobError JobExists JobRunning JobUnfinished
    LimitsRequired ModeLocked PlanChanged PreviewExpired SpendLimitExceeded
"""
SESSION = """
    aexecute apreview approve cancel carrier close columns describe edit edits execute failed_rows
    job job_id labels live load load_report map mode open panel pause plot preview preview_id
    problems repairs report restart results resume review sample set_mode shop skip status summary
    template track unskip validate_addresses void where write_back
"""
JOB = """
    cancel decide failed_rows identity labels live open report restart results resume status track
    void void_surplus write_back
"""
OPTIONS = {
    sk.BatchSession: """
        source where template service shipper carrier carriers mode name limits on_duplicate resend
        concurrency rate_limit label_format label_size home
    """,
    sk.BatchSession.map: """
        template columns service defaults references ship_date ignore residential returns
    """,
    sk.BatchSession.approve: "preview_id by",
    sk.BatchSession.execute: "on_error progress",
    sk.BatchSession.restart: "confirm_paid_labels",
    sk.BatchSession.write_back: "dest columns in_place",
    sk.Job.open: "job_id home carrier",
    sk.rate: "orders card as_of to executor",
    sk.compare: "executor by",
    sk.shipments: "since until where live",
    sk.SpendLimits: "total per_shipment max_shipments price_drift currency",
    sk.run_job: "job_id home",
}
TOOLS = {
    "load_orders": "path rows",
    "describe_orders": "job_id offset limit",
    "batch_problems": "job_id offset limit",
    "batch_preview": "job_id filter_clause mapping_template shipper_info sample",
    "batch_execute": "job_id preview_id mapping_template shipper_info wait_s",
    "batch_set_mode": "mode job_id",
    "batch_resume": "job_id choice confirm_paid_labels wait_s",
    "get_job_status": "job_id wait_s",
    "get_labels": "job_id wait_s",
    "void_shipments": "job_id where",
}


def missing(owner: object, names: str) -> list[str]:
    return [name for name in names.split() if not hasattr(owner, name)]


def test_the_package_has_its_names() -> None:
    assert missing(sk, NAMES) == []
    assert missing(sk.errors, ERRORS) == []


def test_sessions_and_jobs_have_their_members() -> None:
    assert missing(sk.BatchSession, SESSION) == []
    assert missing(sk.Job, JOB) == []


@pytest.mark.parametrize("called", OPTIONS, ids=lambda called: called.__qualname__)
def test_calls_take_their_options(called) -> None:
    taken = inspect.signature(called).parameters
    assert [name for name in OPTIONS[called].split() if name not in taken] == []


def test_tools_take_their_arguments() -> None:
    given = {tool["name"]: tool["input_schema"]["properties"] for tool in session_tools()}
    assert {
        name: [argument for argument in arguments.split() if argument not in given[name]]
        for name, arguments in TOOLS.items()
    } == {name: [] for name in TOOLS}


def session_tools():
    with sk.BatchSession() as session:
        return agent.get_orchestrator_tools(session)


def test_a_load_report_has_its_parts() -> None:
    with sk.BatchSession([{"name": "Ann Lee"}]) as session:
        lines = session.load_report.lines
    assert missing(lines, "read loaded dropped merged") == []
