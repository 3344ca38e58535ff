"""How a job stands, in facts and in words."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from shipkit.agent.batches import Batch
from shipkit.agent.tool_results import Answer, JobFacts, Link
from shipkit.common.words import total_text
from shipkit.models import Money

if TYPE_CHECKING:
    from shipkit.purchasing.result import BatchResult
    from shipkit.purchasing.run import Progress

__all__ = ["links_of", "on_disk", "running", "standing", "stands"]


def stands(result: BatchResult) -> Answer:
    """Return the answer about a job that is not running here."""
    facts = _facts(result)
    return Answer(facts, f"{_standing(result)} {_advice(result)}", links=links_of(facts))


def standing(batch: Batch) -> str:
    """Return what an error says about money: nothing was bought, or how the job stands."""
    if batch.session.job_id is None:
        return "Nothing was bought."
    from shipkit.purchasing.result import BatchResult

    return _standing(BatchResult.of(batch.session.store))


def running(batch: Batch) -> Answer:
    """Return the answer about a job that goes on."""
    from shipkit.purchasing.result import BatchResult

    progress: Progress | None = batch.execution.progress if batch.execution else None
    facts = _facts(BatchResult.of(batch.session.store)).model_copy(
        update={"status": "running", "reason": None}
    )
    rate = f" at {progress.rate_per_s:,.0f} labels/s" if progress and progress.rate_per_s else ""
    text = (
        f"{facts.job_id} is running{rate}: {facts.shipped:,} shipped, {facts.failed:,} failed, "
        f"{facts.remaining + facts.in_doubt:,} to go."
    )
    return Answer(
        facts,
        f"{text} It goes on by itself; call get_job_status with job_id={facts.job_id} and "
        "wait_s=45.",
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


def _standing(result: BatchResult) -> str:
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
    total = total_text(result.totals)
    reason = f" ({result.reason})" if result.reason else ""
    return (
        f"{result.job_id} {result.status.replace('_', ' ')}{reason}: {counts}; {total} charged on "
        f"{result.carrier}."
    )


def _advice(result: BatchResult) -> str:
    if result.remaining or result.in_doubt:
        return (
            f"batch_resume with job_id={result.job_id} and choice=resume goes on; nothing is "
            "bought twice."
        )
    if result.failed:
        return (
            f"get_labels has the labels; batch_problems with job_id={result.job_id} says why rows "
            "failed."
        )
    return f"get_labels with job_id={result.job_id} has labels and tracking numbers."


def links_of(facts: JobFacts) -> tuple[Link, ...]:
    """Return links to the results and labels of a job that has some."""
    return tuple(Link(uri, name := uri.rsplit("/", 1)[1], _MIMES[name]) for uri in facts.uris)


_MIMES = {"results.csv": "text/csv", "labels.pdf": "application/pdf", "labels.zpl": "text/plain"}


def _uris(result: BatchResult) -> list[str]:
    labels = "labels.zpl" if result.store.manifest.label.format == "zpl" else "labels.pdf"
    return (
        [f"shipkit://jobs/{result.job_id}/{name}" for name in ("results.csv", labels)]
        if result.shipped
        else []
    )


async def on_disk(batch: Batch, wait_s: float) -> Answer:
    """Return the answer about a job that, if at all, another process is running; waits up to `wait_s` for its end."""
    from shipkit.purchasing.result import BatchResult

    loop = asyncio.get_running_loop()
    until = loop.time() + wait_s
    while True:
        result = await batch.do(BatchResult.of, batch.session.store)
        if result.status != "running" or loop.time() >= until:
            return stands(result)
        await asyncio.sleep(0.25)
