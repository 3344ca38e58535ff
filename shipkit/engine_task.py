"""A job as one task of an engine: Dask, Ray, Airflow, Prefect, a Kubernetes Job."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from shipkit.common.words import counted
from shipkit.errors import CheckpointLocked, JobUnfinished
from shipkit.job import Job
from shipkit.purchasing.result import BatchResult

__all__ = ["run_job"]

_UNFINISHED = ("paused", "failed", "running")


def run_job(job_id: str, *, home: str | Path | None = None) -> dict[str, Any]:
    """Buy what is left of a job, on whichever machine this runs, and return its counts.

    It can be called again and again: a row that was bought is never bought twice, and a finished
    job is returned as it is. If the machine dies, the engine runs the task on another one. That one
    waits until the dead one's lease is over, looks up what was in flight, and goes on.

    The carrier is set up from the environment of the machine that runs this, never from one that
    is passed along: no secret travels through the engine.

    Parameters
    ----------
    job_id
        As ``sk.jobs()`` lists it. The job was published by ``session.execute()`` or
        ``session.start()`` on any machine.
    home
        ``s3://bucket/prefix``; default: ``SHIPKIT_HOME``. With a folder, every machine must see
        the same one and its locks must be real.

    Returns
    -------
    dict
        ``job_id``, ``status``, ``shipped``, ``failed``, ``in_doubt``, ``skipped``, ``remaining``,
        ``total_charged`` (currency -> amount as decimal text). Plain values, which every engine
        can store.

    Raises
    ------
    JobUnfinished
        Rows are left, or another machine is running the job. Let the engine try again, a lease
        (30 s) later at the earliest.
    ApprovalRequired, SpendLimitExceeded
        The quotes expired and the rest became too expensive. Trying again does not help.
    JobError
        The machine's carrier belongs to another account, or the job is damaged. Nothing was sent.

    Examples
    --------
    >>> import shipkit as sk
    >>> sk.run_job("job-ywmb6x1z8h2e", home="s3://ops/shipkit")  # doctest: +SKIP
    """
    with Job.open(job_id, home=home) as job:
        try:
            result = job.resume(progress=False)
        except CheckpointLocked as error:
            raise JobUnfinished(
                f"{job_id} is being run elsewhere: {error.message}",
                fix="Run the task again later.",
                job_id=job_id,
            ) from None
        facts = _facts(result)
    if result.status in _UNFINISHED:
        raise JobUnfinished(
            f"{job_id} is not finished: {counted(result.remaining, 'row')} to send, "
            f"{result.in_doubt:,} in doubt ({result.status_text}).",
            fix="Run the task again.",
            **facts,
        )
    return facts


def _facts(result: BatchResult) -> dict[str, Any]:
    return {
        "job_id": result.job_id,
        "status": result.status,
        "shipped": result.shipped,
        "failed": result.failed,
        "in_doubt": result.in_doubt,
        "skipped": result.skipped,
        "remaining": result.remaining,
        "total_charged": {name: str(money.amount) for name, money in result.totals.items()},
    }
