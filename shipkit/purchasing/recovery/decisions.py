"""What a person decides about a job that is not running: cancel, restart, resend or skip rows."""

from __future__ import annotations

from collections.abc import Sequence

from shipkit.common.words import counted
from shipkit.errors import InputError, JobRunning, RestartUnconfirmed
from shipkit.purchasing.store import JobDraft, JobStore
from shipkit.purchasing.store.entries import REPEAT_REFUSED, LedgerEntry
from shipkit.purchasing.store.ledger import now_us
from shipkit.state import JobStatus, RowState

__all__ = ["cancel", "decide", "restart"]

_OPEN = (RowState.PENDING, RowState.IN_FLIGHT, RowState.IN_DOUBT)


def restart(store: JobStore, *, confirm_paid_labels: int | None = None) -> JobStore:
    """Return a new job of the same plan, with new references. It buys nothing yet.

    An open job is cancelled first. Restarting the same job again returns the same new job.

    Parameters
    ----------
    confirm_paid_labels
        How many labels are paid for. A number, because "yes" can be given without knowing it.

    Raises
    ------
    JobRunning
        A process runs the job.
    RestartUnconfirmed
        `confirm_paid_labels` is not the number of labels that are paid for.
    """
    counts = store.counts()
    paid = counts[RowState.SHIPPED]
    unsure = counts[RowState.IN_DOUBT] + counts[RowState.IN_FLIGHT] + counts[RowState.REVIEW]
    if store.owner() is not None:
        raise JobRunning(f"{store.job_id} is running.", fix="Pause it first.")
    if confirm_paid_labels != paid:
        also = f" and {counted(unsure, 'row')} in doubt may have been bought" if unsure else ""
        raise RestartUnconfirmed(
            f"{store.job_id} has bought {counted(paid, 'label')}{also}; a restart buys the whole "
            "plan again.",
            fix=f"Confirm the number: restart(confirm_paid_labels={paid}); with void_first=True "
            "they are voided before anything is bought.",
            paid=paid,
            in_doubt=unsure,
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
        accounts=manifest.accounts,
        row_accounts=store.row_accounts,
    )


def cancel(store: JobStore) -> None:
    """End a job that no process runs: rows that were not sent never will be.

    A job that is already finished or cancelled is left as it is.

    Raises
    ------
    CheckpointLocked
        A process runs the job.
    """
    if store.status in (JobStatus.CANCELLED, JobStatus.COMPLETED, JobStatus.COMPLETED_WITH_ERRORS):
        return
    with store.own("cancel") as ledger:
        ledger.record_now([LedgerEntry(row=None, event="cancelled", state=None, at=now_us())])


def decide(store: JobStore, rows: Sequence[int], choice: str) -> None:
    """Decide about rows in review, all of them or none.

    Parameters
    ----------
    rows
        Indices in the plan.
    choice
        ``"resend"`` makes the rows pending again; the next run sends them under new references, or
        under the same id or key where the carrier has one. A key whose repeat was refused is given
        up for a new one. ``"skip"`` sets them aside. Either way their references stay on the watch
        list: a shipment that turns up later is reported and can be voided.

    Raises
    ------
    InputError
        The choice is unknown, or a row is not in review.
    CheckpointLocked
        A process runs the job.
    """
    if choice not in ("resend", "skip"):
        raise InputError(f"Unknown choice {choice!r}.", fix="Use 'resend' or 'skip'.")
    with store.own("decide") as ledger:
        waiting = set(ledger.rows(RowState.REVIEW).tolist())
        last = store.last_entries_of(list(rows))
        entries = []
        for row in dict.fromkeys(rows):
            if row not in waiting:
                raise InputError(
                    f"Row {row} is {ledger.state(row)}, not in review.",
                    fix="results('review') lists the rows that wait for a decision.",
                )
            attempt = int(ledger.attempts[row])
            entry = LedgerEntry(
                row=row,
                event="decided",
                state=(RowState.PENDING if choice == "resend" else RowState.SKIPPED).value,
                attempt=attempt,
                reference=store.reference(row, attempt),
                at=now_us(),
                watch=[*ledger.watch.get(row, ()), attempt],
            )
            if choice == "skip":
                entry = entry._replace(message="skipped by a person", code="set_aside")
            elif last[row]["code"] == REPEAT_REFUSED:
                entry = entry._replace(shipment_id="")
            entries.append(entry)
        ledger.record_now(entries)
