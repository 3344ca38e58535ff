"""``batch_execute``: buy the labels of a preview."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from shipkit.agent.answers import Answer
from shipkit.agent.batch import Batch
from shipkit.agent.consent import PermissionRequest, shortened
from shipkit.agent.job_answers import JobFacts
from shipkit.agent.job_waiting import log_or_refuse, wait_for_job
from shipkit.agent.tool import Tool, ToolRun
from shipkit.agent.tool_arguments import LONGEST_TEMPLATE, LONGEST_WAIT_S, JobArguments
from shipkit.common.words import counted, total_text
from shipkit.errors import ApprovalRequired, InputError, JobRunning, PlanChanged

__all__ = ["TOOL"]


class ExecuteArguments(JobArguments):
    """What to buy."""

    preview_id: str = Field("", max_length=40, description="The preview the person saw")
    mapping_template: str = Field("", max_length=LONGEST_TEMPLATE)
    shipper_info: str | dict[str, Any] = ""
    approved: bool = Field(
        default=False, description="The host confirms that a person approved this preview"
    )
    wait_s: float = Field(
        45, ge=0, le=LONGEST_WAIT_S, description="Then returns 'running'; the job continues"
    )


async def batch_execute(run: ToolRun[ExecuteArguments]) -> Answer:
    """Buy what was previewed; return when it is done, or after ``wait_s`` seconds."""
    await run.batch.do(_start, run)
    return await wait_for_job(run.registry, run.batch, run.args.wait_s, run.report)


def ask_to_buy(run: ToolRun[ExecuteArguments]) -> PermissionRequest | None:
    """Ask a person to approve the preview, unless it is approved or the mode is AUTO."""
    from shipkit.plan import preview_store
    from shipkit.purchasing import approval

    _check_same_as_previewed(run)
    batch, session = run.batch, run.session
    if batch.running or session.earlier_job is not None:
        return None  # continues what was approved then; nothing new is bought
    if session.mode is approval.ExecutionMode.AUTO:
        return None
    preview_id = session.preview_id
    if preview_id is None:
        raise ApprovalRequired(
            "Preview approval required: there is no preview yet. Nothing was bought.",
            fix="Call batch_preview, show the person its total, then call batch_execute.",
        )
    record = preview_store.recall(session.settings.home, preview_id)
    if approval.stored_approval(record) is not None:
        return None
    _check_anything_to_buy(batch)
    # A person must not approve what a limit refuses afterwards.
    approval.check_limits(session.limits, record.quotes, record.sellers)
    for currency, money in record.totals.items():
        run.registry.budget.check(preview_id, money.cents, currency)
    return _purchase_request(run, record)


def _purchase_request(run: ToolRun[ExecuteArguments], record: Any) -> PermissionRequest:
    preview_id = record.preview_id
    total = total_text(record.totals, nothing="nothing")
    identity = str(record.identity)
    if record.by_account:  # what each of several accounts is paid
        identity = ", ".join(f"{paid.identity} ({paid.total})" for paid in record.by_account)
    money = " with REAL MONEY" if record.identity.live else " (no real money)"
    left_out = record.quotes.num_rows - record.shipments
    without = f"; left out: {counted(left_out, 'row')}" if left_out else ""
    approve = run.terminal_command(f"approve {preview_id}")
    return PermissionRequest(
        f"Buy {counted(record.shipments, 'shipping label')} for {total} on {identity}{money}"
        f"{record.others.note}? "
        f"Shipping from {shortened(record.shipper)}. Preview {preview_id}{without}.",
        f"Preview approval required: {counted(record.shipments, 'shipment')} for {total} on "
        f"{identity} ({preview_id}){record.others.note}. Nothing was bought. Show the person this "
        "total. They approve "
        f"it in a terminal with: {approve}. Then call batch_execute again with "
        f"preview_id={preview_id}.",
        preview_id=preview_id,
    )


# -- starting --------------------------------------------------------------------------------------


def _start(run: ToolRun[ExecuteArguments]) -> None:
    """Approve, reserve, log and start; on the thread of the batch, so one call after another."""
    batch, session, consent = run.batch, run.session, run.consent
    _check_same_as_previewed(run)
    if batch.running:
        return
    _check_anything_to_buy(batch)
    if consent is not None and session.earlier_job is None:
        # Of the preview that the person saw: another client may have made a new one meanwhile.
        session.approve(consent.preview_id, by=consent.by, via=consent.via)
    reserved = _reserve(run)
    try:
        _log_start(batch)
        batch.execution = session.start(progress=False)
    except BaseException:
        if reserved:
            run.registry.budget.settle(session.preview_id or "", 0)
        raise


def _reserve(run: ToolRun[ExecuteArguments]) -> bool:
    """Reserve the quoted total in the operator's budget; return whether there is one."""
    if run.registry.budget.limit is None:
        return False
    summary = run.session.summary
    for currency, money in summary.totals.items():
        run.registry.reserve(run.batch, money.cents, currency, summary.preview_id)
    return True


def _log_start(batch: Batch) -> None:
    """Log that a purchase begins, and who approved it."""
    from shipkit.plan import preview_store
    from shipkit.purchasing import approval

    session = batch.session
    by: str | None = None
    via: str | None = None
    if session.mode is approval.ExecutionMode.AUTO:
        by, via = f"mode {session.mode}", "limits"
    elif session.preview_id is not None and session.earlier_job is None:
        record = preview_store.recall(session.settings.home, session.preview_id)
        given = approval.stored_approval(record)
        by, via = (given.by, given.via) if given else (None, None)
    outcome = "begins" if session.earlier_job is None else "opens the job again"
    log_or_refuse(batch, "batch_execute", outcome=outcome, job=None, answered_by=by, via=via)


# -- checks ----------------------------------------------------------------------------------------


def _check_anything_to_buy(batch: Batch) -> None:
    session = batch.session
    if (
        session.preview_id is not None
        and session.earlier_job is None
        and session.status == "previewed"
        and not session.summary.shipments
    ):
        raise InputError(
            f"{session.preview_id} contains nothing that can be bought. Nothing was bought.",
            fix="batch_problems explains why; correct it and call batch_preview again.",
        )


def _check_same_as_previewed(run: ToolRun[ExecuteArguments]) -> None:
    """Raise PlanChanged when what the call names is not what was previewed."""
    batch, session, args = run.batch, run.session, run.args
    if batch.reopened:
        raise InputError(
            f"{batch.name} is already a job, and its orders are not loaded. Nothing was bought.",
            fix=f"batch_resume with job_id={batch.name} continues it.",
        )
    if batch.running and session.earlier_job != session.job_id:
        raise JobRunning(
            f"{session.job_id} is still running in this batch; nothing of the new preview was "
            "bought.",
            fix=f"Wait for it: get_job_status with job_id={session.job_id}.",
        )
    if args.preview_id and args.preview_id != session.preview_id:
        raise PlanChanged(
            f"{args.preview_id} is not the last preview of {batch.name} "
            f"({session.preview_id or 'there is none'}). Nothing was bought.",
            fix="Call batch_preview, show the person that total, and pass its preview_id.",
        )
    if args.mapping_template and args.mapping_template not in {batch.template, session.template}:
        raise PlanChanged(
            "mapping_template differs from the previewed one. Nothing was bought.",
            fix="Call batch_preview with it, or omit it.",
        )
    if args.shipper_info:
        rules, settings = run.registry.rules, run.registry.settings
        if rules.shipper(args.shipper_info, settings)[0] != session.shipper:
            raise PlanChanged(
                "shipper_info differs from the previewed shipper. Nothing was bought.",
                fix="Call batch_preview with it, or omit it.",
            )


TOOL = Tool(
    "batch_execute",
    "Buy labels",
    "Buy the labels of a preview. SPENDS MONEY. In confirm mode a person approves first. "
    "Repeating it never buys twice.",
    ExecuteArguments,
    JobFacts,
    run=batch_execute,
    ask=ask_to_buy,
    destructive=True,
    idempotent=True,
    open_world=True,
    scope="propose",
)
