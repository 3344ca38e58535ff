"""The tools that spend money, give it back, or decide whether anybody is asked."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from shipkit.agent import arguments as given
from shipkit.agent.asking import Consent, anything_to_buy, question, same_as_previewed
from shipkit.agent.batches import Batch, BatchRegistry
from shipkit.agent.status import links_of, on_disk, running, stands
from shipkit.agent.tool_results import Answer, JobFacts, ModeFacts, ResumeFacts, VoidFacts, plain
from shipkit.errors import (
    ApprovalRequired,
    CheckpointLocked,
    CheckpointWriteError,
    JobNotFound,
    ShipkitError,
)
from shipkit.models import Money

if TYPE_CHECKING:
    from shipkit.purchasing.result import BatchResult
    from shipkit.purchasing.run.handle import RunHandle

__all__ = ["Report", "execute", "get_job_status", "get_labels", "resume", "set_mode", "void"]

Report = Callable[[float, float, str], Awaitable[None]]

_POLL_S = 0.1


async def execute(
    desk: BatchRegistry, batch: Batch, args: given.Execute, consent: Consent | None, report: Report
) -> Answer:
    """Buy what was previewed, and answer when it is done or after ``wait_s``."""
    await batch.do(_begin, desk, batch, args, consent)
    return await _followed(desk, batch, args.wait_s, report)


def _begin(desk: BatchRegistry, batch: Batch, args: given.Execute, consent: Consent | None) -> None:
    session = batch.session
    same_as_previewed(desk, batch, args)
    if batch.running:
        return
    anything_to_buy(batch)
    if consent is not None and session.earlier_job is None:
        session.approve(
            consent.preview_id, by=consent.by, via=consent.via
        )  # of what the person saw, whatever came between
    reserved: dict[str, int] = {}
    if desk.rules.max_total is not None:
        summary = session.summary
        reserved = {currency: money.cents for currency, money in summary.totals.items()}
        for currency, cents in reserved.items():
            desk.reserve(batch, cents, currency, summary.preview_id)
    try:
        _note_beginning(batch)
        batch.execution = session.start(progress=False)
    except BaseException:
        for _ in reserved:
            desk.settle(session.preview_id or "", 0)
        raise


def _note_beginning(batch: Batch) -> None:
    """Write down that buying begins, and under whose word. Without a log nothing is bought."""
    from shipkit.plan import preview_store
    from shipkit.purchasing import approval

    session = batch.session
    given = None
    if (
        session.preview_id is not None
        and session.earlier_job is None
        and session.mode is approval.ExecutionMode.CONFIRM
    ):
        given = approval.stored_approval(
            preview_store.recall(session.settings.home, session.preview_id)
        )
    words = (
        (given.by, given.via)
        if given
        else (f"mode {session.mode}", "limits")
        if session.mode is approval.ExecutionMode.AUTO
        else (None, None)
    )
    outcome = "begins" if session.earlier_job is None else "opens the job again"
    _note(batch, "batch_execute", outcome=outcome, job=None, answered_by=words[0], via=words[1])


def _note(batch: Batch, tool: str, **line: Any) -> None:
    try:
        batch.audit.note(tool, **line)
    except OSError as error:
        raise CheckpointWriteError(
            f"The audit log cannot be written: {error}. Nothing was bought.",
            fix="Free disk space, or name another --home.",
        ) from error


async def _followed(desk: BatchRegistry, batch: Batch, wait_s: float, report: Report) -> Answer:
    """Wait for the batch's job up to `wait_s`, and answer how it stands. Giving up on the call pauses the job."""
    try:
        result = await _outcome(batch, wait_s, report)
    except CheckpointLocked:
        other = desk.sharing(batch)
        if other is None:
            raise
        result, batch = await _outcome(other, wait_s, report), other
    if result is None:
        return running(batch)
    _settle(desk, batch, result)
    return stands(result)


async def _outcome(batch: Batch, wait_s: float, report: Report) -> BatchResult | None:
    running = batch.execution
    assert running is not None  # noqa: S101 - callers started it
    loop = asyncio.get_running_loop()
    until = loop.time() + wait_s
    told = -1.0
    batch.waiting += 1
    try:
        while running.running and loop.time() < until:
            told = await _tell(running, report, told)
            await asyncio.sleep(_POLL_S)
    except asyncio.CancelledError:
        if batch.waiting == 1:  # another caller may still wait for the same job
            running.pause()
        raise
    finally:
        batch.waiting -= 1
    if not running.running:
        await _tell(running, report, told)
    try:
        return running.wait(0)
    except ShipkitError:
        # it never ran here (another process has the job), or ended badly: from now on the disk
        # tells
        batch.execution = None
        raise


async def _tell(running: RunHandle, report: Report, told: float) -> float:
    """Report progress when there is more than what was told."""
    progress = running.progress
    if progress is None or progress.done <= told:
        return told
    await report(
        float(progress.done),
        float(progress.total),
        f"{progress.shipped:,} of {progress.total:,} labels, "
        f"{Money.from_cents(progress.spent_cents, progress.currency)}",
    )
    return float(progress.done)


def _settle(desk: BatchRegistry, batch: Batch, result: BatchResult) -> None:
    if not result.in_doubt and (not result.remaining or result.status == "cancelled"):
        for key in (batch.session.preview_id, result.job_id):
            desk.settle(key or "", sum(money.cents for money in result.totals.values()))


async def get_job_status(
    desk: BatchRegistry, batch: Batch, args: given.JobStatus | given.GetLabels, report: Report
) -> Answer:
    """Answer how a job stands, after waiting up to ``wait_s`` for its end."""
    if batch.session.job_id is None:
        raise JobNotFound(
            f"{batch.id} has no job yet.",
            fix="batch_preview prices it, batch_execute makes the job.",
        )
    if batch.execution is not None:
        return await _followed(desk, batch, args.wait_s, report)
    return await on_disk(batch, args.wait_s)


async def get_labels(
    desk: BatchRegistry, batch: Batch, args: given.GetLabels, report: Report
) -> Answer:
    """Answer with links to labels and results."""
    answer = await get_job_status(desk, batch, args, report)
    facts = answer.facts
    assert isinstance(facts, JobFacts)  # noqa: S101 - what get_job_status answers
    if not facts.shipped:
        return Answer(facts, f"{facts.job_id} has no labels yet ({facts.status}).")
    text = (
        f"{facts.shipped:,} labels of {facts.job_id}: read the links, or in a terminal: "
        f"{desk.terminal(f'labels {facts.job_id} -o labels.pdf')}"
    )
    return Answer(facts, text, links=links_of(facts))


# -- mode, resume, void ----------------------------------------------------------------------------


def set_mode(batch: Batch, args: given.SetMode) -> Answer:
    """Switch the mode of `batch`."""
    session = batch.session
    previous = str(session.mode)
    session.set_mode(args.mode)
    limit = session.limits.total
    within = (
        ""
        if args.mode == "confirm"
        else (
            " It buys without "
            f"asking{f', up to {limit} {session.limits.currency}' if limit is not None else ', without a spend limit'}."
        )
    )
    return Answer(
        ModeFacts(job_id=batch.id, previous=previous, mode=str(session.mode)),
        f"Mode {previous} -> {session.mode} for {batch.id}.{within}",
    )


async def resume(
    desk: BatchRegistry, batch: Batch | None, args: given.Resume, report: Report
) -> Answer:
    """Tell what was interrupted, or act on the choice."""
    if args.choice is None:
        return await asyncio.to_thread(_interrupted, desk, args.job_id)
    target = await asyncio.to_thread(desk.job_meant, batch, args.job_id)
    match args.choice:
        case "review":
            return await target.do(_reviewed, target)
        case "cancel":
            return _as_resume(await target.do(_cancelled, target))
    await target.do(_continue, desk, target, args)
    return _as_resume(await _followed(desk, target, args.wait_s, report))


def _continue(desk: BatchRegistry, batch: Batch, args: given.Resume) -> None:
    session = batch.session
    if batch.running:
        return
    manifest = session.store.manifest
    for currency, cents in (
        manifest.quoted_cents.items() if desk.rules.max_total is not None else ()
    ):
        desk.reserve(
            batch,
            cents,
            currency,
            session.job_id or "" if args.choice == "resume" else f"{session.job_id} again",
        )
    _note(batch, "batch_resume", job=session.job_id, outcome=f"{args.choice} begins")
    if args.choice == "restart":
        batch.execution = session.start_restart(
            confirm_paid_labels=args.confirm_paid_labels, progress=False
        )
    else:
        batch.execution = session.start_resume(progress=False)


def _cancelled(batch: Batch) -> Answer:
    return stands(batch.session.cancel())


def _reviewed(batch: Batch) -> Answer:
    from shipkit.purchasing.result import BatchResult

    frame = batch.session.review()
    open_rows = frame[~frame["state"].isin(["shipped", "voided", "skipped"])].head(20)
    names = ["row_number", "order_id", "state", "attempts", "error_code", "error_message", "fix"]
    rows = plain(open_rows[names].to_dict("records"))
    answer = stands(BatchResult.of(batch.session.store))
    return Answer(
        _resumed(answer.facts),
        f"{answer.text} Nothing was changed.",
        data={"open rows": rows},
        links=answer.links,
    )


def _interrupted(desk: BatchRegistry, job_id: str) -> Answer:
    from shipkit.purchasing import recovery

    found = [
        job
        for job in recovery.check_interrupted_jobs(home=desk.settings.home)
        if job_id in {"", job.job_id}
    ]
    if not found:
        return Answer(
            ResumeFacts(job_id=job_id or None, status="nothing_interrupted"),
            "No interrupted jobs. Nothing was bought.",
        )
    lines = [f"{len(found)} interrupted job{'s' if len(found) > 1 else ''}:"]
    for job in found[:10]:
        lines.append(
            f"{job.job_id} on {job.carrier}{' (LIVE)' if job.live else ''}: {job.done:,} of "
            f"{job.total:,} rows done, {job.pending:,} not sent, {job.in_doubt:,} in doubt, "
            f"{job.failed:,} failed."
        )
        lines += [f"  {name}: {text}." for name, text in job.choices()] if len(found) == 1 else []
    lines.append(
        "Ask the person which, then call batch_resume with job_id and choice: resume, restart, "
        "cancel or review. Nothing was bought by this call."
    )
    listed = [
        {
            "job_id": job.job_id,
            "name": job.name,
            "carrier": job.carrier,
            "live": job.live,
            "total": job.total,
            "paid": job.paid,
            "pending": job.pending,
            "in_doubt": job.in_doubt + job.review,
            "failed": job.failed,
        }
        for job in found[:10]
    ]
    first = found[0]
    return Answer(
        ResumeFacts(
            job_id=first.job_id,
            status="interrupted",
            shipped=first.paid,
            failed=first.failed,
            in_doubt=first.in_doubt + first.review,
            remaining=first.pending,
            live=first.live,
            interrupted=plain(listed),
        ),
        "\n".join(lines),
    )


def void(desk: BatchRegistry, batch: Batch, args: given.Void, consent: Consent | None) -> Answer:
    """Give labels back."""
    if consent is None and question(desk, batch, args) is not None:
        raise ApprovalRequired(
            "Voiding needs a person's yes. Nothing was voided, nothing was bought."
        )
    session = batch.session
    frame = session.void(args.where)
    voided = int((frame["state"] == "voided").sum()) if len(frame) else 0
    facts = VoidFacts(
        job_id=session.job_id or "",
        matched=len(frame),
        voided=voided,
        not_voided=len(frame) - voided,
    )
    text = (
        f"{voided:,} of {len(frame):,} matching shipments of {facts.job_id} are voided."
        if len(frame)
        else f"No shipment of {facts.job_id} matches. Nothing was voided."
    )
    return Answer(facts, text)


def _as_resume(answer: Answer) -> Answer:
    return Answer(_resumed(answer.facts), answer.text, answer.data, answer.links)


def _resumed(facts: Any) -> ResumeFacts:
    return ResumeFacts(**facts.model_dump())
