"""An interrupted job in words: what happened, and what each choice would do."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from shipkit.common.words import counted, plural, total_text
from shipkit.models import Money
from shipkit.purchasing.late_shipments import surplus
from shipkit.purchasing.recovery.job_list import interrupted
from shipkit.purchasing.result import charged
from shipkit.purchasing.store import JobStore
from shipkit.settings import Settings
from shipkit.state import RowState

__all__ = ["Interrupted", "check_interrupted_jobs", "describe"]

_OPEN = (RowState.PENDING, RowState.IN_FLIGHT, RowState.IN_DOUBT)


@dataclass(frozen=True)
class Interrupted:
    """One interrupted job, for the person who decides what to do with it. ``str()`` explains it."""

    job_id: str
    name: str | None
    carrier: str
    live: bool
    done: int
    """Rows that nothing is left to do for."""
    total: int
    """Rows of the job without skipped ones."""
    paid: int
    """Labels that are bought and not voided."""
    pending: int
    in_doubt: int
    review: int
    failed: int
    reason: str | None
    """Why it stopped, in words."""
    last_row: str | None
    """The row that was shipped last: its number, recipient and tracking number."""
    last_error: str | None
    charged: dict[str, Money]
    """Currency -> what the paid labels cost."""
    surplus: int
    """Shipments that the carrier has in addition to the adopted ones. They can be voided."""

    def choices(self) -> list[tuple[str, str]]:
        """Return each choice (resume, restart, cancel, review) and what it would do."""
        unsure = self.in_doubt + self.review
        look_up = f" and looks up the {self.in_doubt:,} in doubt" if self.in_doubt else ""
        unsure_text = f" ({counted(unsure, 'row')} in doubt may be paid for too)" if unsure else ""
        void = ", and void_first=True to void them before anything is bought" if self.paid else ""
        unsent = f"{counted(self.pending, 'row')} that {plural(self.pending, 'was', 'were')}"
        labels = counted(self.paid, "label")
        cost = total_text(self.charged, nothing="nothing")
        stay = plural(self.paid, "stays", "stay")
        restart = (
            f"buys all {self.total:,} again as a new job; {labels} ({cost}) "
            f"{plural(self.paid, 'is', 'are')} paid for and {stay} paid unless voided "
            f"first{unsure_text}. Needs confirm_paid_labels={self.paid}{void}"
        )
        cancel = f"ends the job; the {unsent} not sent never will be, and the {labels} {stay} valid"
        return [
            ("resume", f"sends the {unsent} not sent{look_up}; nothing is bought twice"),
            ("restart", restart),
            ("cancel", cancel),
            ("review", "shows the state of each row; changes nothing"),
        ]

    def __str__(self) -> str:
        head = (
            f"{self.job_id}{f' ({self.name})' if self.name else ''} on {self.carrier}: "
            f"{self.done:,} of {self.total:,} rows done, then it stopped"
        )
        lines = [f"{head}{f' ({self.reason})' if self.reason else ''}."]
        lines += [f"Last shipped: {self.last_row}."] if self.last_row else []
        lines += [f"Last error: {self.last_error}"] if self.last_error else []
        if self.in_doubt:
            lines.append(
                f"{counted(self.in_doubt, 'row')} {plural(self.in_doubt, 'is', 'are')} in doubt: "
                "sent, without an answer. Before anything else, they are looked up by reference."
            )
        if self.review:
            lines.append(
                f"{counted(self.review, 'row')} {plural(self.review, 'waits', 'wait')} for your "
                "decision: the carrier does not find them."
            )
        if self.surplus:
            lines.append(
                f"{counted(self.surplus, 'shipment')} {plural(self.surplus, 'exists', 'exist')} "
                "twice at the carrier and can be voided."
            )
        lines += [f"  {name:<8} {text}." for name, text in self.choices()]
        return "\n".join(lines)


def check_interrupted_jobs(home: str | Path | None = None) -> list[Interrupted]:
    """Return the interrupted jobs, newest first, each described in words.

    Parameters
    ----------
    home
        Default: the home of the settings.
    """
    return [describe(store) for store in interrupted(Settings.read(home=home).home)]


def describe(store: JobStore) -> Interrupted:
    """Return the description of an interrupted job."""
    counts, results = store.counts(), store.results()
    total = store.manifest.shipments - counts[RowState.SKIPPED]
    return Interrupted(
        job_id=store.job_id,
        name=store.manifest.name,
        carrier=str(store.manifest.identity),
        live=store.manifest.live,
        done=total - sum(counts[state] for state in _OPEN),
        total=total,
        paid=counts[RowState.SHIPPED],
        pending=counts[RowState.PENDING],
        in_doubt=counts[RowState.IN_DOUBT] + counts[RowState.IN_FLIGHT],
        review=counts[RowState.REVIEW],
        failed=counts[RowState.FAILED],
        reason=store.reason,
        last_row=_last_row(store, results),
        last_error=_last_error(store),
        charged=charged(results),
        surplus=surplus(store).num_rows,
    )


def _last_row(store: JobStore, results: pa.Table) -> str | None:
    times = results.column("shipped_at")
    if times.null_count == len(times):
        return None
    place = pc.index(times, pc.max(times)).as_py()
    to = store.plan.slice(place, 1).select(["name", "company", "city"]).to_pylist()[0]
    recipient = ", ".join(text for text in (to["name"] or to["company"], to["city"]) if text)
    return (
        f"row {results.column('row_number')[place]}, {recipient}, "
        f"{results.column('tracking_number')[place]}"
    )


def _last_error(store: JobStore) -> str | None:
    entries = store.chain(("entry", "row", "state", "message")).table
    # Entries without a state are about surplus, which is no error.
    entries = entries.filter(
        pc.and_(pc.is_valid(entries.column("message")), pc.is_valid(entries.column("state")))
    )
    return entries.sort_by("entry").column("message")[-1].as_py() if entries.num_rows else None
