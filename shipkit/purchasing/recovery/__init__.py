"""Jobs of a home: listed, described in words, resumed, restarted, cancelled, voided, pruned.

Session, command line and agents call the same functions, so that all of them say and do the same.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from shipkit.carriers.pace import Pacer
from shipkit.carriers.protocol import Carrier
from shipkit.common.pool import each
from shipkit.common.words import total_text
from shipkit.errors import CarrierError, InputError, JobRunning, RestartUnconfirmed
from shipkit.models import Money, Purchase
from shipkit.purchasing.account import require_account
from shipkit.purchasing.reconcile import surplus
from shipkit.purchasing.recovery.pruning import prune
from shipkit.purchasing.store import JobDraft, JobStore
from shipkit.purchasing.store.entries import LedgerEntry, last_entries
from shipkit.purchasing.store.ledger import now_us
from shipkit.settings import Settings
from shipkit.state import JobStatus, RowState

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "Interrupted",
    "VoidOutcome",
    "cancel",
    "check_interrupted_jobs",
    "decide",
    "describe",
    "interrupted_jobs",
    "jobs",
    "prune",
    "restart",
    "void_rows",
    "void_surplus",
]

_OPEN = (RowState.PENDING, RowState.IN_FLIGHT, RowState.IN_DOUBT)


# -- listing ---------------------------------------------------------------------------------------


def jobs(home: str | Path | None = None) -> pd.DataFrame:
    """Return the jobs of a home, newest first.

    Returns
    -------
    DataFrame
        ``job_id``, ``name``, ``created_at`` (UTC), ``status``, ``mode``, ``carrier``, ``live``,
        ``shipments``, ``shipped``, ``failed``, ``in_doubt``, ``remaining`` (Int64),
        ``total_charged_cents`` (Int64, minor units of ``currency``; null where a job was charged
        in several), ``currency``.
    """
    return _frame([_job_line(store) for store in JobStore.list(Settings.read(home=home).home)])


def interrupted_jobs(home: str | Path | None = None) -> pd.DataFrame:
    """Return the jobs that want a decision: not final, or with rows pending or in doubt; none that somebody is running. Columns as :func:`jobs`."""
    return _frame([_job_line(store) for store in _interrupted(Settings.read(home=home).home)])


def check_interrupted_jobs(home: str | Path | None = None) -> list[Interrupted]:
    """Return the interrupted jobs, each described in words, newest first."""
    return [describe(store) for store in _interrupted(Settings.read(home=home).home)]


def _interrupted(home: Path) -> list[JobStore]:
    return [
        job
        for job in JobStore.list(home)
        if job.owner() is None and job.status in (JobStatus.PAUSED, JobStatus.FAILED)
    ]


def _job_line(store: JobStore) -> dict[str, Any]:
    manifest, counts = store.manifest, store.status_counts()
    totals = _charged(store)
    one = (
        next(iter(totals.items()))
        if len(totals) == 1
        else (None, None)
        if totals
        else (next(iter(manifest.quoted_cents), "USD"), 0)
    )
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
        "total_charged_cents": one[1],
        "currency": one[0],
    }


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


def _frame(lines: list[dict[str, Any]]) -> pd.DataFrame:
    from shipkit.plan.preview import to_frame

    return to_frame(pa.Table.from_pylist(lines, schema=_JOBS))


def _charged(store: JobStore) -> dict[str, int]:
    results = store.results()
    standing = results.filter(pc.equal(results.column("state"), RowState.SHIPPED.value)).select(
        ["currency", "charged_cents"]
    )
    sums = standing.group_by("currency").aggregate([("charged_cents", "sum")]).to_pylist()
    return {line["currency"]: line["charged_cents_sum"] or 0 for line in sums}


# -- describing ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Interrupted:
    """One interrupted job, for a person who must decide."""

    job_id: str
    name: str | None
    carrier: str
    live: bool
    done: int
    total: int
    paid: int
    pending: int
    in_doubt: int
    review: int
    failed: int
    reason: str | None
    last_row: str | None
    """The row that was shipped last: line, recipient, tracking number."""
    last_error: str | None
    charged: dict[str, Money]
    surplus: int
    """Shipments at the carrier beside the adopted ones: they can be voided."""

    def choices(self) -> list[tuple[str, str]]:
        """Return what can be done, and what it does."""
        paid = total_text(self.charged, nothing="nothing")
        resume = (
            f"sends the {self.pending:,} rows that were not sent"
            + (f" and looks up the {self.in_doubt:,} in doubt" if self.in_doubt else "")
            + "; nothing is bought twice"
        )
        doubtful = (
            f" ({self.in_doubt + self.review:,} rows in doubt may be paid for too)"
            if self.in_doubt + self.review
            else ""
        )
        void = (
            ", and void_first=True to give them back before anything is bought" if self.paid else ""
        )
        restart = (
            f"buys all {self.total:,} again as a new job; {self.paid:,} labels ({paid}) are paid "
            f"for and stay paid unless they are voided first{doubtful}"
        )
        return [
            ("resume", resume),
            ("restart", f"{restart}. Needs confirm_paid_labels={self.paid}{void}"),
            (
                "cancel",
                (
                    f"ends the job; the {self.pending:,} rows that were not sent never will be, "
                    f"and the {self.paid:,} labels stay valid"
                ),
            ),
            ("review", "shows how each row stands; changes nothing"),
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
                f"{self.in_doubt:,} rows are in doubt: sent, and no answer came. They are looked "
                "up by reference before anything else is done with them."
            )
        if self.review:
            lines.append(
                f"{self.review:,} rows wait for your decision: the carrier does not find them."
            )
        if self.surplus:
            lines.append(
                f"{self.surplus:,} shipments exist twice at the carrier and can be voided."
            )
        lines += [f"  {name:<8} {text}." for name, text in self.choices()]
        return "\n".join(lines)


def describe(store: JobStore) -> Interrupted:
    """Return how an interrupted job stands and what each choice does."""
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
        charged={
            currency: Money.from_cents(cents, currency)
            for currency, cents in _charged(store).items()
        },
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
    said = store.chain(("entry", "row", "state", "message")).table
    said = said.filter(
        pc.and_(pc.is_valid(said.column("message")), pc.is_valid(said.column("state")))
    )
    return said.sort_by("entry").column("message")[-1].as_py() if said.num_rows else None


# -- deciding --------------------------------------------------------------------------------------


def restart(store: JobStore, *, confirm_paid_labels: int | None = None) -> JobStore:
    """Return a new job of the same plan, with new references; buys nothing yet.

    Raises
    ------
    RestartUnconfirmed
        `confirm_paid_labels` is not the number of labels that are paid for. Void them first, or
        confirm the number.
    """
    counts = store.counts()
    paid, doubtful = (
        counts[RowState.SHIPPED],
        counts[RowState.IN_DOUBT] + counts[RowState.IN_FLIGHT] + counts[RowState.REVIEW],
    )
    if store.owner() is not None:
        raise JobRunning(f"{store.job_id} is running.", fix="Pause it first.")
    if confirm_paid_labels != paid:
        also = f" and {doubtful:,} rows in doubt may have been" if doubtful else ""
        raise RestartUnconfirmed(
            f"{store.job_id} has bought {paid:,} labels{also}; a restart buys the whole plan "
            "again.",
            fix=f"Confirm the number: restart(confirm_paid_labels={paid}); with void_first=True "
            "these are given back before anything is bought.",
            paid=paid,
            in_doubt=doubtful,
        )
    if store.status is not JobStatus.CANCELLED and any(counts[state] for state in _OPEN):
        cancel(store)
    return JobStore.publish(
        store.path.parent.parent, _draft_again(store), ordinal=store.manifest.ordinal + 1
    )


def _draft_again(store: JobStore) -> JobDraft:
    manifest = store.manifest
    reasons = store.skipped_reasons()
    return JobDraft(
        plan=store.plan,
        quotes=store.quotes,
        problems=store.problems,
        source=store.source,
        fingerprint=manifest.fingerprint,
        identity=manifest.identity,
        shipper=manifest.shipper,
        label=manifest.label,
        name=manifest.name,
        mode=manifest.mode,
        approval=manifest.approval,
        limits=manifest.limits,
        resend=manifest.resend,
        on_duplicate=manifest.on_duplicate,
        account=manifest.account_key,
        skipped={row: text for row, text in enumerate(reasons.to_pylist()) if text is not None},
        facts={**manifest.facts, "restart_of": store.job_id},
    )


def cancel(store: JobStore) -> None:
    """End a job that nobody runs: rows that were not sent never will be. Raises CheckpointLocked while somebody runs it."""
    if store.status in (JobStatus.CANCELLED, JobStatus.COMPLETED, JobStatus.COMPLETED_WITH_ERRORS):
        return
    with store.own("cancel") as ledger:
        ledger.record_now([LedgerEntry(row=None, event="cancelled", state=None, at=now_us())])


def decide(store: JobStore, rows: Sequence[int], choice: str) -> None:
    """Decide rows that wait for a person: ``"resend"`` makes them pending again (under a new reference), ``"skip"`` sets them aside."""
    if choice not in ("resend", "skip"):
        raise InputError(f"There is no choice {choice!r}.", fix="Use 'resend' or 'skip'.")
    with store.own("decide") as ledger:
        waiting = set(ledger.rows(RowState.REVIEW).tolist())
        lines = []
        for row in rows:
            if row not in waiting:
                raise InputError(
                    f"Row {row} does not wait for a decision: it is {ledger.state(row)}.",
                    fix="results('review') lists the rows that do.",
                )
            attempt = int(ledger.attempts[row])
            state = RowState.PENDING if choice == "resend" else RowState.SKIPPED
            lines.append(
                LedgerEntry(
                    row=row,
                    event="decided",
                    state=state.value,
                    attempt=attempt,
                    reference=store.reference(row, attempt),
                    at=now_us(),
                    watch=[*ledger.watch.get(row, ()), attempt],
                    message=None if choice == "resend" else "set aside by a person",
                    code=None if choice == "resend" else "set_aside",
                )
            )
        ledger.record_now(lines)


# -- voiding ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class VoidOutcome:
    """What became of a request to void."""

    voided: int
    already: int
    refused: dict[int, str]
    """Row -> the carrier's words."""


async def void_rows(
    store: JobStore, carrier: Carrier, rows: Sequence[int], *, pacer: Pacer | None = None
) -> VoidOutcome:
    """Give shipments back, and note it in the ledger. Repeat-safe: what is voided stays voided, and a repeat after a crash is harmless.

    Raises CheckpointLocked. Rows that the carrier will not take back are in the outcome, not
    raised.
    """
    require_account(store.manifest, carrier)
    pacer = pacer or Pacer(concurrency=carrier.pace.concurrency, rate_per_s=carrier.pace.rate_per_s)
    with store.own("void") as ledger:
        wanted = [row for row in dict.fromkeys(rows) if ledger.state(row) is RowState.SHIPPED]
        already = [row for row in set(rows) if ledger.state(row) is RowState.VOIDED]
        said = _said(store, wanted)
        refused: dict[int, str] = {}

        async def one(row: int) -> None:
            try:
                await pacer.repeat(lambda: carrier.void(_purchase(said[row])))
            except CarrierError as error:
                refused[row] = error.message
                return
            await ledger.record([_voided(said[row])], urgent=False)

        await each(one, wanted, at_once=pacer.concurrency)
        await ledger.settled()
    return VoidOutcome(voided=len(wanted) - len(refused), already=len(already), refused=refused)


async def void_surplus(store: JobStore, carrier: Carrier) -> int:
    """Give back the shipments that exist beside the adopted ones; returns how many."""
    require_account(store.manifest, carrier)
    count = 0
    with store.own("void") as ledger:
        for line in surplus(store).to_pylist():
            await carrier.void(_purchase(line))
            await ledger.record(
                [
                    LedgerEntry(
                        row=line["row"],
                        event="surplus_voided",
                        state=None,
                        at=now_us(),
                        shipment_id=line["shipment_id"],
                    )
                ]
            )
            count += 1
    return count


def _said(store: JobStore, rows: Sequence[int]) -> dict[int, dict[str, Any]]:
    """Return the last line of each of some rows."""
    table = store.chain().table
    last = table.take(last_entries(table))
    chosen = last.filter(pc.is_in(last.column("row"), value_set=pa.array(rows, pa.int32())))
    return {line["row"]: line for line in chosen.to_pylist()}


def _purchase(line: dict[str, Any]) -> Purchase:
    return Purchase(
        shipment_id=line["shipment_id"],
        tracking_numbers=tuple(line["tracking_numbers"]),
        service=line["service"] or None,
    )


def _voided(line: dict[str, Any]) -> LedgerEntry:
    kept = {
        name: line[name]
        for name in LedgerEntry._fields
        if name not in ("labels", "at", "shipped_at", "event", "state")
    }
    return LedgerEntry(
        **kept,
        event="voided",
        state=RowState.VOIDED.value,
        at=now_us(),
        shipped_at=_us(line["shipped_at"]),
    )


def _us(at: dt.datetime | None) -> int | None:
    return None if at is None else int(at.timestamp() * 1_000_000)
