"""The jobs of a home as a frame, and which of them are interrupted."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from shipkit.purchasing.result import charged
from shipkit.purchasing.store import JobStore
from shipkit.settings import Settings
from shipkit.state import JobStatus, RowState

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["interrupted", "interrupted_jobs", "jobs"]

_JOBS = pa.schema(
    [
        ("job_id", pa.string()),
        ("name", pa.string()),
        ("created_at", pa.timestamp("us", "UTC")),
        ("status", pa.string()),
        ("mode", pa.string()),
        ("carrier", pa.string()),
        ("live", pa.bool_()),
        ("shipments", pa.int64()),
        ("shipped", pa.int64()),
        ("failed", pa.int64()),
        ("in_doubt", pa.int64()),
        ("remaining", pa.int64()),
        ("total_charged_cents", pa.int64()),
        ("currency", pa.string()),
    ]
)


def jobs(home: str | Path | None = None) -> pd.DataFrame:
    """Return the jobs of a home, newest first.

    Parameters
    ----------
    home
        Default: the home of the settings.

    Returns
    -------
    DataFrame
        One row per job: ``job_id``, ``name``, ``created_at`` (UTC), ``status``, ``mode``,
        ``carrier``, ``live``, ``shipments``, ``shipped``, ``failed``, ``in_doubt`` (rows in review
        included), ``remaining`` (not sent yet), ``total_charged_cents`` (minor units of
        ``currency``, voided shipments left out; null where a job was charged in several
        currencies), ``currency``. Counts are Int64.
    """
    return _frame([_job_row(store) for store in JobStore.list(Settings.read(home=home).home)])


def interrupted_jobs(home: str | Path | None = None) -> pd.DataFrame:
    """Return the jobs that stopped early and that no process is running, newest first.

    Parameters
    ----------
    home
        Default: the home of the settings.

    Returns
    -------
    DataFrame
        Columns as :func:`jobs`.
    """
    return _frame([_job_row(store) for store in interrupted(Settings.read(home=home).home)])


def interrupted(home: Path) -> list[JobStore]:
    """Return the jobs that stopped early and that no process is running, newest first."""
    return [
        store
        for store in JobStore.list(home)
        if store.owner() is None and store.status in (JobStatus.PAUSED, JobStatus.FAILED)
    ]


def _job_row(store: JobStore) -> dict[str, Any]:
    manifest, counts = store.manifest, store.status_counts()
    cents, currency = _one_total(store)
    return {
        "job_id": manifest.job_id,
        "name": manifest.name,
        "created_at": manifest.created_at,
        "status": str(store.status),
        "mode": manifest.mode,
        "carrier": manifest.carrier,
        "live": manifest.live,
        "shipments": manifest.shipments,
        "shipped": counts[RowState.SHIPPED],
        "failed": counts[RowState.FAILED],
        "in_doubt": counts[RowState.IN_DOUBT] + counts[RowState.REVIEW],
        "remaining": counts[RowState.PENDING] + counts[RowState.IN_FLIGHT],
        "total_charged_cents": cents,
        "currency": currency,
    }


def _one_total(store: JobStore) -> tuple[int | None, str | None]:
    """Return the charged total and its currency, nulls where there are several currencies."""
    totals = list(charged(store.results()).values())
    if not totals:
        return 0, next(iter(store.manifest.quoted_cents), "USD")
    return (totals[0].cents, totals[0].currency) if len(totals) == 1 else (None, None)


def _frame(rows: list[dict[str, Any]]) -> pd.DataFrame:
    from shipkit.plan.preview import to_frame

    return to_frame(pa.Table.from_pylist(rows, schema=_JOBS))
