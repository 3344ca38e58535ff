"""Answers about a job: its status as facts and as text."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from pydantic import Field

from shipkit.agent.answers import Answer, Facts, ResourceLink
from shipkit.agent.batch import Batch
from shipkit.common.words import total_text
from shipkit.models import Money

if TYPE_CHECKING:
    from shipkit.purchasing.result import BatchResult
    from shipkit.purchasing.run import Progress

__all__ = [
    "JobFacts",
    "job_answer",
    "links_of",
    "running_answer",
    "stored_job_answer",
    "what_was_bought",
]

_POLL_S = 0.25
"""How often a job of another process is read: each time costs reading its last segments."""

_MIME_TYPES = {
    "results.csv": "text/csv",
    "labels.pdf": "application/pdf",
    "labels.zpl": "text/plain",
}


class JobFacts(Facts):
    """Status of a job. `total_charged` is decimal text, null with several currencies."""

    job_id: str
    status: str
    shipped: int
    failed: int
    in_doubt: int
    skipped: int
    voided: int
    remaining: int
    total_charged: str | None
    currency: str | None
    totals: dict[str, str]
    live: bool
    reason: str | None = None
    uris: list[str] = Field(default_factory=list)


def job_answer(result: BatchResult) -> Answer:
    """Return the answer about a job that is not running here."""
    facts = _facts(result)
    return Answer(facts, f"{_status_text(result)} {_next_step(result)}", links=links_of(facts))


def running_answer(batch: Batch) -> Answer:
    """Return the answer about a job that is still running here."""
    from shipkit.purchasing.result import BatchResult

    progress: Progress | None = batch.execution.progress if batch.execution else None
    facts = _facts(BatchResult.of(batch.session.store)).model_copy(
        update={"status": "running", "reason": None}
    )
    rate = f" at {progress.rate_per_s:,.0f} labels/s" if progress and progress.rate_per_s else ""
    return Answer(
        facts,
        f"{facts.job_id} is running{rate}: {facts.shipped:,} shipped, {facts.failed:,} failed, "
        f"{facts.remaining + facts.in_doubt:,} remaining. It continues by itself; call "
        f"get_job_status with job_id={facts.job_id} and wait_s=45.",
    )


async def stored_job_answer(batch: Batch, wait_s: float) -> Answer:
    """Return the answer about a job on disk.

    If another process is running it, wait up to `wait_s` seconds for it to end.
    """
    from shipkit.purchasing.result import BatchResult

    loop = asyncio.get_running_loop()
    until = loop.time() + wait_s
    while True:
        result = await batch.do(BatchResult.of, batch.session.store)
        if result.status != "running" or loop.time() >= until:
            return job_answer(result)
        await asyncio.sleep(_POLL_S)


def what_was_bought(batch: Batch) -> str:
    """Return what an error says about money: nothing was bought, or the status of the job."""
    if batch.session.job_id is None:
        return "Nothing was bought."
    from shipkit.purchasing.result import BatchResult

    return _status_text(BatchResult.of(batch.session.store))


def links_of(facts: JobFacts) -> tuple[ResourceLink, ...]:
    """Return links to the results and labels of a job."""
    names = [uri.rsplit("/", 1)[1] for uri in facts.uris]
    return tuple(
        ResourceLink(uri, name, _MIME_TYPES[name])
        for uri, name in zip(facts.uris, names, strict=True)
    )


def _facts(result: BatchResult) -> JobFacts:
    only = (
        next(iter(result.totals.items()), ("USD", Money.from_cents(0)))
        if len(result.totals) < 2
        else None
    )
    return JobFacts(
        job_id=result.job_id,
        status=result.status,
        shipped=result.shipped,
        failed=result.failed,
        in_doubt=result.in_doubt,
        skipped=result.skipped,
        voided=result.voided,
        remaining=result.remaining,
        total_charged=None if only is None else f"{only[1].amount}",
        currency=None if only is None else only[0],
        totals={currency: f"{money.amount}" for currency, money in result.totals.items()},
        live=result.live,
        reason=result.reason,
        uris=_uris(result),
    )


def _uris(result: BatchResult) -> list[str]:
    if not result.shipped:
        return []
    labels = "labels.zpl" if result.store.manifest.label.format == "zpl" else "labels.pdf"
    return [f"shipkit://jobs/{result.job_id}/{name}" for name in ("results.csv", labels)]


def _status_text(result: BatchResult) -> str:
    counts = ", ".join(
        f"{count:,} {name}"
        for name, count in (
            ("shipped", result.shipped),
            ("failed", result.failed),
            ("in doubt", result.in_doubt),
            ("voided", result.voided),
            ("skipped", result.skipped),
            ("not sent", result.remaining),
        )
        if count or name == "shipped"
    )
    status = result.status.replace("_", " ")
    reason = f" ({result.reason})" if result.reason else ""
    return (
        f"{result.job_id} {status}{reason}: {counts}; {total_text(result.totals)} charged on "
        f"{result.carrier}."
    )


def _next_step(result: BatchResult) -> str:
    """Return what to call next; only calls that can do something in this state."""
    job = f"job_id={result.job_id}"
    if result.status in {"paused", "failed"}:
        return f"batch_resume with {job} and choice=resume continues; nothing is bought twice."
    if result.status == "running":
        return f"get_job_status with {job} and wait_s=45 waits for it."
    if result.in_doubt:
        return (
            f"batch_problems with {job} lists the rows in doubt; a person must look them up at the "
            "carrier."
        )
    labels = "get_labels has the labels; " if result.shipped else ""
    if result.failed:
        return f"{labels}batch_problems with {job} explains the failures."
    if result.shipped:
        return f"get_labels with {job} has labels and tracking numbers."
    return "It has no labels."
