"""What a panel shows, as plain values: what could be bought now, or how a job stands."""

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
from shipkit.plan.preview import Summary
from shipkit.purchasing import recovery
from shipkit.purchasing.approval import SpendLimits
from shipkit.purchasing.result import BatchResult
from shipkit.purchasing.signals import Progress
from shipkit.purchasing.store import JobStore
from shipkit.state import JobStatus, RowState

if TYPE_CHECKING:
    from shipkit.session import BatchSession

__all__ = ["JobView", "Offer", "Phase", "job_of", "offered"]

SHOWN_PROBLEMS = 50
SHOWN_ROWS = 8


class Phase(StrEnum):
    """Where a panel stands. Shown on the page as ``data-state``."""

    OFFER = "offer"
    """Priced, nothing bought."""
    RUNNING = "running"
    PAUSING = "pausing"
    CANCELLING = "cancelling"
    PAUSED = "paused"
    """Not at its end, and nobody runs it: paused, killed, stopped by a limit or by the carrier."""
    ELSEWHERE = "elsewhere"
    """Another process runs it."""
    DONE = "completed"
    DONE_WITH_ERRORS = "completed_with_errors"
    CANCELLED = "cancelled"


RUNS = frozenset({Phase.RUNNING, Phase.PAUSING, Phase.CANCELLING})


@dataclass(frozen=True)
class Offer:
    """What could be bought now."""

    summary: Summary
    title: str
    source: str
    selection: str
    clause: str
    """The filter in force, as one condition."""
    bound: str
    """What its ``$names`` stand for."""
    limits: str
    errors: int
    """Rows that cannot ship."""
    problems: tuple[Mapping[str, Any], ...]
    """The first problems, those that stop rows in front."""
    problem_count: int
    rows: tuple[Mapping[str, Any], ...]
    """The first shipments."""


@dataclass(frozen=True)
class JobView:
    """How a job stands. Counts are the whole job's."""

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
    left: int
    spent: str
    quoted: str
    as_of: dt.datetime
    reason: str | None = None
    """Why it stopped before its end, or what it waits for."""
    rate_per_s: float | None = None
    left_s: float | None = None
    choices: tuple[tuple[str, str], ...] = ()
    last_row: str | None = None
    last_error: str | None = None
    waiting: int = 0
    """Of those in doubt, the ones that a person must decide: the carrier does not find them."""

    def said(self, phase: Phase) -> JobView:
        """Return the same job in another phase."""
        return replace(self, phase=phase)

    def moved(self, progress: Progress, phase: Phase) -> JobView:
        """Return the job as a run last reported it."""
        left = progress.total - progress.done - progress.in_doubt
        return replace(
            self,
            phase=phase,
            total=progress.total,
            done=progress.done,
            shipped=progress.shipped,
            failed=progress.failed,
            in_doubt=progress.in_doubt,
            left=max(0, left),
            spent=str(Money.from_cents(progress.spent_cents, progress.currency)),
            as_of=_now(),
            reason=progress.note,
            rate_per_s=progress.rate_per_s,
            last_error=progress.last_error,
            left_s=(progress.total - progress.done) / progress.rate_per_s
            if progress.rate_per_s > 0.05
            else None,
        )


def offered(session: BatchSession) -> Offer:
    """Return what `session` offers. Prices the orders when they are not priced yet."""
    shown = session.previewed
    clauses, params = session.filter
    problems = session.problems
    errors = problems["severity"] == "error"
    first: list[Mapping[Any, Any]] = [
        *problems[errors].head(SHOWN_PROBLEMS).to_dict("records"),
        *problems[~errors].head(SHOWN_PROBLEMS).to_dict("records"),
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
        problems=tuple(first[:SHOWN_PROBLEMS]),
        problem_count=len(problems),
        rows=tuple(shown.view().slice(0, SHOWN_ROWS).to_pylist()),
    )


def job_of(store: JobStore, *, running: bool = False) -> JobView:
    """Return how the job of `checkpoint` stands on disk. `running`: this session runs it."""
    result = BatchResult.of(store)
    phase = Phase.RUNNING if running else _phase(result.status)
    told = recovery.describe(store) if phase is Phase.PAUSED else None
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
        left=result.remaining,
        as_of=_now(),
        reason=None if running else result.reason,
        spent=total_text(result.totals),
        quoted=total_text(
            Money.from_cents(cents, currency) for currency, cents in manifest.quoted_cents.items()
        ),
        choices=tuple(told.choices()) if told else (),
        last_row=told.last_row if told else None,
        last_error=told.last_error if told else None,
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
    said = (
        [f"at most {Money.from_cents(limits.total_cents, limits.currency)}"]
        if limits.total_cents is not None
        else []
    )
    said += (
        [f"{Money.from_cents(limits.per_shipment_cents, limits.currency)} a shipment"]
        if limits.per_shipment_cents is not None
        else []
    )
    said += [counted(limits.max_shipments, "shipment")] if limits.max_shipments is not None else []
    return ", ".join(said) or "without a limit"


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)
