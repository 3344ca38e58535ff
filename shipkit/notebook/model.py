"""What a panel shows, as plain values: an offer (what could be bought now), or a job."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from shipkit.common.words import counted, listed, total_text
from shipkit.models import Money
from shipkit.plan.summary import Summary
from shipkit.purchasing import recovery
from shipkit.purchasing.approval import SpendLimits
from shipkit.purchasing.result import BatchResult
from shipkit.purchasing.signals import Progress
from shipkit.purchasing.store import JobStore
from shipkit.state import JobStatus, RowState

if TYPE_CHECKING:
    from shipkit.session import BatchSession

__all__ = ["JobView", "Offer", "Phase", "job_of", "offered"]

_SHOWN_PROBLEMS = 50
_SHOWN_ROWS = 8


class Phase(StrEnum):
    """What a panel is showing; on the page it is the attribute ``data-state``."""

    OFFER = "offer"
    """Priced, nothing bought."""
    RUNNING = "running"
    PAUSING = "pausing"
    CANCELLING = "cancelling"
    PAUSED = "paused"
    """Unfinished and not running: paused, killed, stopped by a limit or by the carrier."""
    ELSEWHERE = "elsewhere"
    """Another process runs it."""
    DONE = "completed"
    DONE_WITH_ERRORS = "completed_with_errors"
    CANCELLED = "cancelled"


RUNS = frozenset({Phase.RUNNING, Phase.PAUSING, Phase.CANCELLING})
"""The phases in which this session is running the job."""


@dataclass(frozen=True)
class Offer:
    """What could be bought now: the preview, its problems and its first rows."""

    summary: Summary
    title: str
    source: str
    selection: str
    clause: str
    """The current filter, as one condition."""
    bound: str
    """The values of its ``$names``."""
    limits: str
    errors: int
    """Rows that cannot ship."""
    problems: tuple[Mapping[str, Any], ...]
    """The first problems; those that stop a row come first."""
    problem_count: int
    rows: tuple[Mapping[str, Any], ...]
    """The first shipments."""


@dataclass(frozen=True)
class JobView:
    """The status of a job. All counts are those of the whole job."""

    phase: Phase
    job_id: str
    title: str
    carrier: str
    live: bool
    total: int
    """Rows that were to be bought."""
    done: int
    shipped: int
    failed: int
    in_doubt: int
    skipped: int
    unsent: int
    """Rows that were not sent yet."""
    spent: str
    quoted: str
    as_of: dt.datetime
    reason: str | None = None
    """Why it stopped early, or what it is waiting for."""
    rate_per_s: float | None = None
    remaining_s: float | None = None
    """Estimated time until the end, in seconds."""
    choices: tuple[tuple[str, str], ...] = ()
    last_row: str | None = None
    last_error: str | None = None
    waiting: int = 0
    """Rows in doubt that the carrier does not find, so that a person must decide about them."""

    def in_phase(self, phase: Phase) -> JobView:
        """Return the same job in another phase."""
        return replace(self, phase=phase)

    def at(self, progress: Progress, phase: Phase) -> JobView:
        """Return the job with the counts that its run last reported."""
        return replace(
            self,
            phase=phase,
            total=progress.total,
            done=progress.done,
            shipped=progress.shipped,
            failed=progress.failed,
            in_doubt=progress.in_doubt,
            unsent=max(0, progress.total - progress.done - progress.in_doubt),
            spent=progress.spent,
            as_of=_now(),
            reason=progress.note,
            rate_per_s=progress.rate_per_s,
            last_error=progress.last_error,
            # At a rate near 0 (paused by the carrier) the estimate would be days, and wrong.
            remaining_s=(progress.total - progress.done) / progress.rate_per_s
            if progress.rate_per_s > 0.05
            else None,
        )


def offered(session: BatchSession) -> Offer:
    """Return what `session` could buy. Prices the orders if they are not priced yet."""
    shown = session.previewed
    clauses, params = session.filter
    problems = session.problems
    errors = problems["severity"] == "error"
    first: list[Mapping[Any, Any]] = [
        *problems[errors].head(_SHOWN_PROBLEMS).to_dict("records"),
        *problems[~errors].head(_SHOWN_PROBLEMS).to_dict("records"),
    ]
    return Offer(
        summary=session.summary,
        title=session.name or "Orders to ship",
        source=_source(shown.plan.table),
        selection=session.selection,
        clause=" AND ".join(f"({clause})" if len(clauses) > 1 else clause for clause in clauses),
        bound=", ".join(f"${name} = {value!r}" for name, value in params.items()),
        limits=_limits(session.limits),
        errors=int((~shown.buyable).sum()),
        problems=tuple(first[:_SHOWN_PROBLEMS]),
        problem_count=len(problems),
        rows=tuple(shown.view().slice(0, _SHOWN_ROWS).to_pylist()),
    )


def job_of(store: JobStore, *, running: bool = False) -> JobView:
    """Return the status of the job on disk; `running` if this session is running it."""
    result = BatchResult.of(store)
    phase = Phase.RUNNING if running else _phase(result.status)
    interrupted = recovery.describe(store) if phase is Phase.PAUSED else None
    manifest = store.manifest
    total = manifest.shipments - result.skipped
    return JobView(
        phase=phase,
        job_id=result.job_id,
        title=manifest.name or "Orders to ship",
        carrier=result.carrier,
        live=result.live,
        total=total,
        done=total - result.remaining - result.in_doubt,
        shipped=result.shipped,
        failed=result.failed,
        in_doubt=result.in_doubt,
        skipped=result.skipped,
        unsent=result.remaining,
        as_of=_now(),
        reason=None if running else result.reason,
        spent=total_text(result.totals),
        quoted=total_text(
            Money.from_cents(cents, currency) for currency, cents in manifest.quoted_cents.items()
        ),
        choices=tuple(interrupted.choices()) if interrupted else (),
        last_row=interrupted.last_row if interrupted else None,
        last_error=interrupted.last_error if interrupted else None,
        waiting=store.counts()[RowState.REVIEW],
    )


def _phase(status: str) -> Phase:
    match status:
        case JobStatus.COMPLETED:
            return Phase.DONE
        case JobStatus.COMPLETED_WITH_ERRORS:
            return Phase.DONE_WITH_ERRORS
        case JobStatus.CANCELLED:
            return Phase.CANCELLED
        case JobStatus.RUNNING:
            return Phase.ELSEWHERE
        case _:
            return Phase.PAUSED


def _source(plan: pa.Table) -> str:
    names = [Path(name).name for name in pc.unique(plan.column("source_file")).to_pylist() if name]
    return listed(names, 2)


def _limits(limits: SpendLimits) -> str:
    parts = []
    if limits.total_cents is not None:
        parts.append(f"at most {Money.from_cents(limits.total_cents, limits.currency)}")
    if limits.per_shipment_cents is not None:
        per_shipment = Money.from_cents(limits.per_shipment_cents, limits.currency)
        parts.append(f"at most {per_shipment} per shipment")
    if limits.max_shipments is not None:
        parts.append(f"at most {counted(limits.max_shipments, 'shipment')}")
    return ", ".join(parts) or "without a limit"


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)
