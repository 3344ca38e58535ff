"""The batches that are open, each under its own handle.

Mode, session and approvals belong to a handle, never to the process: two clients of one server do
not affect each other unless they name the same batch.
"""

from __future__ import annotations

import re
import secrets
import threading
import time
from typing import TYPE_CHECKING, Any

from shipkit.agent.audit import AuditLog
from shipkit.agent.batch import Batch, principal
from shipkit.agent.operator_rules import OperatorRules, SharedBudget
from shipkit.errors import InputError, JobNotFound
from shipkit.models import Money
from shipkit.settings import Settings

if TYPE_CHECKING:
    from shipkit.purchasing.approval import SpendLimits
    from shipkit.session import BatchSession

__all__ = ["BatchRegistry"]


class BatchRegistry:
    """The open batches under the rules of one operator.

    Parameters
    ----------
    session
        The session that all calls work on. Without it, each ``load_orders`` over the wire opens a
        batch of its own.
    """

    def __init__(self, rules: OperatorRules, session: BatchSession | None = None) -> None:
        self.rules = rules
        self.settings = session.settings if session is not None else Settings.read(home=rules.home)
        self.budget = SharedBudget(rules.max_total)
        self._batches: dict[str, Batch] = {}
        self._guard = threading.RLock()
        self._currents: dict[str, Batch] = {}
        self._single = session is not None or not rules.wire
        self.audit = AuditLog(self.settings.home, f"calls-{secrets.token_hex(4)}")
        """The log of calls that are about no batch."""
        if session is not None:
            handle = f"session-{secrets.token_hex(4)}"
            log = AuditLog(self.settings.home, handle)
            self._add(Batch(handle, session, log, owned=False))

    # -- finding and opening ----------------------------------------------------------------------

    def new(self, name: str) -> Batch:
        """Return a batch for new orders: a new one over the wire, the only one in process."""
        with self._guard:
            if self._single and self._current is not None:
                return self._current
            self._make_room()
            handle = f"batch-{_slug(name)}-{secrets.token_hex(4)}"
            return self._add(
                Batch(handle, self._new_session(), AuditLog(self.settings.home, handle))
            )

    def find(self, job_id: str = "", preview_id: str = "") -> Batch:
        """Return the batch with this handle, job or preview; without any, the current one.

        Raises
        ------
        InputError
            No batch is open, or several are and none was named.
        JobNotFound
            The id is neither open here nor on disk.
        """
        with self._guard:
            if job_id:
                return self._named(job_id)
            if preview_id:
                for batch in self.open_batches():
                    if batch.session.preview_id == preview_id:
                        return self._touch(batch)
            if self._single and self._current is None:
                return self.new("orders")
            if self.rules.many_clients and len(self.open_batches()) > 1:
                raise InputError(
                    "Several batches are open on this server.",
                    fix="Pass the job_id that load_orders returned.",
                )
            if self._current is None:
                raise InputError(
                    "No orders are loaded.",
                    fix="Call load_orders first, or pass the job_id of an earlier job.",
                )
            return self._touch(self._current)

    @property
    def current(self) -> Batch | None:
        """The batch that a call without an id is about, or None."""
        with self._guard:
            one = not self.rules.many_clients or len(self.open_batches()) == 1
            return self._current if one else None

    @property
    def _current(self) -> Batch | None:
        return self._currents.get(principal.get())

    def open_batch(self, job_id: Any, preview_id: Any) -> Batch | None:
        """Return the open batch that a refused call was about, for its log."""
        if not job_id and not preview_id:
            return self.current
        return next(
            (
                b
                for b in self.open_batches()
                if (job_id and job_id in (b.id, b.session.job_id))
                or (preview_id and b.session.preview_id == preview_id)
            ),
            None,
        )

    def job_to_continue(self, batch: Batch | None, job_id: str) -> Batch:
        """Return the batch of the named job, of the current job, or of the only interrupted one.

        Raises
        ------
        JobNotFound
            There is no such job, or no interrupted one.
        InputError
            Several jobs are interrupted and none was named.
        """
        if job_id:
            return self.find(job_id)
        if batch is not None and batch.session.job_id is not None:
            return batch
        from shipkit.purchasing import recovery

        found = recovery.interrupted_jobs(home=self.settings.home)["job_id"].tolist()
        if not found:
            raise JobNotFound(
                "No interrupted jobs.",
                fix="get_job_status with a job_id returns the status of a job.",
            )
        if len(found) > 1:
            raise InputError(
                f"{len(found)} jobs are interrupted: {', '.join(found[:10])}.",
                fix="Pass the job_id of one of them.",
            )
        return self.find(found[0])

    def open_batches(self) -> list[Batch]:
        """Return the batches that are open, of who is signed in."""
        with self._guard:
            who = principal.get()
            return [b for b in self._batches.values() if b.owner == who or b.reopened]

    def running_elsewhere(self, batch: Batch) -> Batch | None:
        """Return another open batch that is running the same job."""
        return next(
            (
                b
                for b in list(self._batches.values())
                if b is not batch and b.running and b.session.job_id == batch.session.job_id
            ),
            None,
        )

    # -- closing ----------------------------------------------------------------------------------

    def drop_empty(self, batch: Batch) -> None:
        """Close a batch whose orders could not be loaded."""
        with self._guard:
            if self._single or batch.loaded or self._batches.pop(batch.id, None) is None:
                return
            self._forget(batch)
        batch.close()

    def close(self) -> None:
        """Pause what is running and close every batch."""
        for batch in list(self._batches.values()):
            batch.close()
        self._batches.clear()

    def _make_room(self) -> None:
        """Close the least recently used batch while there are too many.

        It closes in a thread of its own, because the requests in flight may take a while.
        """
        while len(self._batches) >= self.rules.max_batches:
            idle = [b for b in self._batches.values() if not b.running]
            if not idle:
                raise InputError(
                    f"All {len(self._batches)} batches of this server are running.",
                    fix="Wait for one of them to finish.",
                )
            oldest = min(idle, key=lambda b: b.used)
            del self._batches[oldest.id]
            self._forget(oldest)
            threading.Thread(target=oldest.close, name=f"shipkit-close-{oldest.id}").start()

    # -- sessions ---------------------------------------------------------------------------------

    def reserve(self, batch: Batch, cents: int, currency: str, key: str) -> None:
        """Reserve `cents` of the operator's budget and limit the session to what is left.

        Raises
        ------
        SpendLimitExceeded
            The budget has not that much left.
        """
        left = self.budget.reserve(key, cents, currency)
        if left is not None:
            batch.session.limits = self._limits(left)

    def _named(self, job_id: str) -> Batch:
        for batch in self._batches.values():
            mine = batch.owner == principal.get() or batch.reopened
            if job_id == batch.session.job_id or (mine and job_id == batch.id):
                return self._touch(batch)
        from shipkit.purchasing.store import JobStore
        from shipkit.session import BatchSession

        if job_id.startswith("batch-"):
            raise JobNotFound(
                f"The batch {job_id} is not open (any more).", fix="Call load_orders again."
            )
        given: dict[str, Any] = {"carrier": self.settings.carrier if self.rules.wire else None}
        if self.rules.carrier:
            manifest = JobStore.open(self.settings.home, job_id).manifest
            accounts = [account.name for account in manifest.accounts] or [manifest.carrier]
            given = self.rules.carriers_of_job(accounts)
        session = BatchSession.open(job_id, **given, home=self.settings.home)
        self._make_room()
        log = AuditLog(self.settings.home, job_id, job=job_id)
        return self._add(Batch(job_id, session, log, reopened=True))

    def _new_session(self) -> BatchSession:
        from shipkit.purchasing.approval import ExecutionMode
        from shipkit.session import BatchSession

        shippers = list(self.rules.shippers.values())
        session = BatchSession(
            **self.rules.carrier_options,
            shipper=shippers[0] if len(shippers) == 1 else None,
            home=self.settings.home,
            limits=self._limits(),
        )
        return session.set_mode(ExecutionMode.of(self.rules.mode))

    def _add(self, batch: Batch) -> Batch:
        self._batches[batch.id] = batch
        return self._touch(batch)

    def _touch(self, batch: Batch) -> Batch:
        """Note that `batch` is in use; reading an old job does not replace the current batch."""
        batch.used = time.monotonic()
        if self._current is None or not batch.reopened:
            self._currents[principal.get()] = batch
        return batch

    def _forget(self, batch: Batch) -> None:
        self._currents = {who: b for who, b in self._currents.items() if b is not batch}

    def _limits(self, cents: int | None = None) -> SpendLimits:
        from shipkit.purchasing.approval import SpendLimits

        limit = self.rules.max_total
        if limit is None:
            return SpendLimits()
        amount = limit if cents is None else Money.from_cents(cents, limit.currency)
        return SpendLimits(total=f"{amount.amount}", currency=limit.currency)


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:24] or "orders"
