"""``batch_resume``: describe interrupted jobs, or continue, restart, cancel or review one."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from shipkit.agent.answers import Answer, Facts, json_rows
from shipkit.agent.batch import Batch
from shipkit.agent.batches import BatchRegistry
from shipkit.agent.consent import PermissionRequest
from shipkit.agent.job_answers import job_answer
from shipkit.agent.job_waiting import log_or_refuse, wait_for_job
from shipkit.agent.tool import Tool, ToolRun
from shipkit.agent.tool_arguments import LONGEST_WAIT_S, JobArguments
from shipkit.common.words import counted, total_text
from shipkit.models import Money

if TYPE_CHECKING:
    from shipkit.purchasing.recovery import Interrupted

__all__ = ["TOOL"]

_JOBS_LISTED = 10
_ROWS_LISTED = 20


class ResumeArguments(JobArguments):
    """What to do with an interrupted job."""

    choice: Literal["resume", "restart", "cancel", "review"] | None = Field(
        None, description="Omitted: describe what was interrupted"
    )
    confirm_paid_labels: int | None = Field(
        None, ge=0, description="For restart: number of labels already paid for"
    )
    wait_s: float = Field(45, ge=0, le=LONGEST_WAIT_S)


class ResumeFacts(Facts):
    """Status of a job, or the interrupted jobs."""

    job_id: str | None
    status: str
    shipped: int = 0
    failed: int = 0
    in_doubt: int = 0
    skipped: int = 0
    voided: int = 0
    remaining: int = 0
    total_charged: str | None = None
    currency: str | None = None
    totals: dict[str, str] = Field(default_factory=dict)
    live: bool = False
    reason: str | None = None
    uris: list[str] = Field(default_factory=list)
    interrupted: list[dict[str, Any]] = Field(default_factory=list)


async def batch_resume(run: ToolRun[ResumeArguments]) -> Answer:
    """Describe what was interrupted, or act on the choice."""
    args, registry = run.args, run.registry
    if args.choice is None:
        return await asyncio.to_thread(_describe_interrupted, registry, args.job_id)
    target = await asyncio.to_thread(registry.job_to_continue, run.found, args.job_id)
    match args.choice:
        case "review":
            return await target.do(_review, target)
        case "cancel":
            return _as_resumed(await target.do(_cancel, target))
    await target.do(_start, registry, target, args)
    return _as_resumed(await wait_for_job(registry, target, args.wait_s, run.report))


def ask_to_restart(run: ToolRun[ResumeArguments]) -> PermissionRequest | None:
    """Ask a person before a whole plan is bought a second time."""
    from shipkit.purchasing.result import BatchResult

    args = run.args
    if args.choice != "restart" or args.confirm_paid_labels is None:
        return None  # a restart without the number is refused when it runs
    target = run.registry.job_to_continue(run.found, args.job_id)
    result = BatchResult.of(target.session.store)
    if args.confirm_paid_labels != result.shipped:
        return None  # the same
    manifest = target.session.store.manifest
    total = total_text(
        Money.from_cents(cents, currency) for currency, cents in manifest.quoted_cents.items()
    )
    money = " with REAL MONEY" if manifest.live else ""
    return PermissionRequest(
        f"Buy all {counted(manifest.to_buy, 'label')} of {result.job_id} AGAIN, for about {total} "
        f"on {manifest.identity}{money}? {result.shipped:,} of them are already paid for.",
        "Restarting buys everything again and needs a person's approval. Nothing was bought by "
        "this call.",
        host_may_answer=True,
    )


def _job_if_named(registry: BatchRegistry, args: ResumeArguments) -> Batch | None:
    return registry.find(args.job_id) if args.job_id else registry.current


# -- acting ----------------------------------------------------------------------------------------


def _start(registry: BatchRegistry, batch: Batch, args: ResumeArguments) -> None:
    session = batch.session
    if batch.running:
        return
    if registry.budget.limit is not None:
        # A restart is paid for in addition to the job itself, so it has a reservation of its own.
        job = session.job_id or ""
        key = job if args.choice == "resume" else f"{job} again"
        for currency, cents in session.store.manifest.quoted_cents.items():
            registry.reserve(batch, cents, currency, key)
    log_or_refuse(batch, "batch_resume", job=session.job_id, outcome=f"{args.choice} begins")
    if args.choice == "restart":
        batch.execution = session.start_restart(
            confirm_paid_labels=args.confirm_paid_labels, progress=False
        )
    else:
        batch.execution = session.start_resume(progress=False)


def _cancel(batch: Batch) -> Answer:
    return job_answer(batch.session.cancel())


def _review(batch: Batch) -> Answer:
    from shipkit.purchasing.result import BatchResult

    frame = batch.session.review()
    unfinished = frame[~frame["state"].isin(["shipped", "voided", "skipped"])].head(_ROWS_LISTED)
    names = ["row_number", "order_id", "state", "attempts", "error_code", "error_message", "fix"]
    answer = job_answer(BatchResult.of(batch.session.store))
    return Answer(
        _resumed(answer.facts),
        f"{answer.text} Nothing was changed.",
        data={"open rows": json_rows(unfinished[names].to_dict("records"))},
        links=answer.links,
    )


# -- describing ------------------------------------------------------------------------------------


def _describe_interrupted(registry: BatchRegistry, job_id: str) -> Answer:
    from shipkit.purchasing import recovery

    found = [
        job
        for job in recovery.check_interrupted_jobs(home=registry.settings.home)
        if job_id in {"", job.job_id}
    ]
    if not found:
        return Answer(
            ResumeFacts(job_id=job_id or None, status="nothing_interrupted"),
            "No interrupted jobs. Nothing was bought.",
        )
    lines = [f"{counted(len(found), 'interrupted job')}:"]
    for job in found[:_JOBS_LISTED]:
        lines.append(_line(job))
        lines += [f"  {name}: {text}." for name, text in job.choices()] if len(found) == 1 else []
    lines.append(
        "Ask the person what to do, then call batch_resume with job_id and choice: resume, "
        "restart, cancel or review. Nothing was bought by this call."
    )
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
            interrupted=json_rows([_entry(job) for job in found[:_JOBS_LISTED]]),
        ),
        "\n".join(lines),
    )


def _line(job: Interrupted) -> str:
    return (
        f"{job.job_id} on {job.carrier}{' (LIVE)' if job.live else ''}: {job.done:,} of "
        f"{counted(job.total, 'row')} done, {job.pending:,} not sent, {job.in_doubt:,} in doubt, "
        f"{job.failed:,} failed."
    )


def _entry(job: Interrupted) -> dict[str, Any]:
    return {
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


def _as_resumed(answer: Answer) -> Answer:
    return Answer(_resumed(answer.facts), answer.text, answer.data, answer.links)


def _resumed(facts: Facts) -> ResumeFacts:
    return ResumeFacts(**facts.model_dump())


TOOL = Tool(
    "batch_resume",
    "Resume a job",
    "Without a choice, describe interrupted jobs; with one, act. restart buys everything AGAIN.",
    ResumeArguments,
    ResumeFacts,
    run=batch_resume,
    ask=ask_to_restart,
    find=_job_if_named,
    destructive=True,
    idempotent=True,
    open_world=True,
    scope="propose",
)
