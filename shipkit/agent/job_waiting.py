"""Waiting for a job that runs here: progress while it runs, and the answer at the end."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from shipkit.agent.answers import Answer
from shipkit.agent.batch import Batch
from shipkit.agent.batches import BatchRegistry
from shipkit.agent.job_answers import job_answer, running_answer, stored_job_answer
from shipkit.agent.tool import Report, ToolRun
from shipkit.agent.tool_arguments import WaitArguments
from shipkit.errors import CheckpointLocked, CheckpointWriteError, JobNotFound, ShipkitError

if TYPE_CHECKING:
    from shipkit.purchasing.result import BatchResult
    from shipkit.purchasing.run.handle import RunHandle

__all__ = ["job_status", "log_or_refuse", "wait_for_job"]

_POLL_S = 0.1
"""How often progress is reported; the job itself runs in a thread of its own."""


async def wait_for_job(
    registry: BatchRegistry, batch: Batch, wait_s: float, report: Report
) -> Answer:
    """Wait up to `wait_s` seconds for the job of `batch`, and return its status.

    Giving up on the call pauses the job: a person who closes the chat does not go on buying.
    """
    try:
        result = await _outcome(batch, wait_s, report)
    except CheckpointLocked:
        # Another batch of this server runs the same job: one lock per job lets only one buy.
        other = registry.running_elsewhere(batch)
        if other is None:
            raise
        result, batch = await _outcome(other, wait_s, report), other
    if result is None:
        return running_answer(batch)
    _settle(registry, batch, result)
    return job_answer(result)


async def job_status(run: ToolRun[WaitArguments]) -> Answer:
    """Return the status of a job, after waiting up to ``wait_s`` for it to end."""
    batch = run.batch
    if batch.session.job_id is None:
        raise JobNotFound(
            f"{batch.id} has no job yet.",
            fix="Call batch_preview for prices, then batch_execute, which creates the job.",
        )
    if batch.execution is not None:
        return await wait_for_job(run.registry, batch, run.args.wait_s, run.report)
    return await stored_job_answer(batch, run.args.wait_s)


def log_or_refuse(batch: Batch, tool: str, **line: str | None) -> None:
    """Write a line of the log before money is spent.

    Raises
    ------
    CheckpointWriteError
        It cannot be written. A purchase without a record of who approved it must not happen.
    """
    try:
        batch.audit.note(tool, **line)
    except OSError as error:
        raise CheckpointWriteError(
            f"The audit log cannot be written: {error}. Nothing was bought.",
            fix="Free disk space, or use another --home.",
        ) from error


async def _outcome(batch: Batch, wait_s: float, report: Report) -> BatchResult | None:
    """Return the result of the job, or None when it is still running after `wait_s` seconds."""
    running = batch.execution
    assert running is not None  # noqa: S101 - callers started it
    loop = asyncio.get_running_loop()
    until = loop.time() + wait_s
    reported = -1.0
    batch.waiting += 1
    try:
        while running.running and loop.time() < until:
            reported = await _report_progress(running, report, reported)
            await asyncio.sleep(_POLL_S)
    except asyncio.CancelledError:
        if batch.waiting == 1:  # another caller may still wait for the same job
            running.pause()
        raise
    finally:
        batch.waiting -= 1
    if not running.running:
        await _report_progress(running, report, reported)
    try:
        return running.wait(0)
    except ShipkitError:
        # It never ran here (another process has the job), or it failed: from now on, the status
        # is read from disk.
        batch.execution = None
        raise


async def _report_progress(running: RunHandle, report: Report, reported: float) -> float:
    """Report progress if there is more than `reported`; return what is reported now."""
    progress = running.progress
    if progress is None or progress.done <= reported:
        return reported
    await report(
        float(progress.done),
        float(progress.total),
        f"{progress.shipped:,} of {progress.total:,} labels, {progress.spent}",
    )
    return float(progress.done)


def _settle(registry: BatchRegistry, batch: Batch, result: BatchResult) -> None:
    """Replace the reservation of a finished job by what it cost."""
    if result.in_doubt or (result.remaining and result.status != "cancelled"):
        return
    cost = sum(money.cents for money in result.totals.values())
    for key in (batch.session.preview_id, result.job_id):
        registry.budget.settle(key or "", cost)
