"""Who works at this desk: the operator's rules, and the batches that are open, each under its own handle.

Mode, session and approvals belong to a handle, never to the process: two clients of one server do
not meet unless they name the same one.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import shlex
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from shipkit.agent.audit import AuditLog
from shipkit.errors import InputError, JobNotFound, SourceError, SpendLimitExceeded
from shipkit.models import Address, Money
from shipkit.settings import Settings

if TYPE_CHECKING:
    from shipkit.purchasing.approval import SpendLimits
    from shipkit.purchasing.run.handle import RunHandle
    from shipkit.session import BatchSession

__all__ = ["Batch", "BatchRegistry", "OperatorRules"]

T = TypeVar("T")


@dataclass(frozen=True)
class OperatorRules:
    """What the operator decided before any model spoke.

    Parameters
    ----------
    wire
        Whether the caller is a client over MCP, whose word is not the host's.
    many_clients
        Whether several clients may be connected (HTTP): then a batch is named unless it is the
        only one.
    roots
        Folders that a path may lie in.
    shippers
        Name -> address: who may be named as the payer.
    mode
        What new batches start in. AUTO is the operator's leave to buy without asking.
    max_total
        The most that all jobs of this desk may cost together.
    trust_client_approval
        Take ``approved: true`` from the client program for a person's yes.
    approve_elsewhere
        Never ask a person through the client: only an approval recorded by another process is a
        yes.
    max_batches
        How many batches are kept open; the one unused for longest is closed first.
    """

    wire: bool = False
    many_clients: bool = False
    home: Path | None = None
    roots: tuple[Path, ...] = ()
    shippers: Mapping[str, Address] = field(default_factory=dict)
    carrier: Any = None
    mode: str = "confirm"
    max_total: Money | None = None
    trust_client_approval: bool = False
    approve_elsewhere: bool = False
    max_batches: int = 8


class Batch:
    """One handle: a session, the one thread that works on it, its log."""

    def __init__(
        self,
        handle: str,
        session: BatchSession,
        audit: AuditLog,
        *,
        mine: bool = True,
        reopened: bool = False,
    ) -> None:
        self.id = handle
        self.reopened = reopened
        """Whether it is a job from disk, without its orders."""
        self.session = session
        self.audit = audit
        self.execution: RunHandle | None = None
        self.waiting = 0
        """How many callers wait for the execution."""
        self.template: str | None = None
        """The template as it was given last."""
        self.loaded = False
        """Whether orders were loaded through a tool."""
        self.frame: Any = None
        """The last preview frame, for the resource."""
        self.used = time.monotonic()
        self._mine = mine
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"shipkit-{handle}")

    async def do(self, work: Callable[..., T], *args: Any) -> T:
        """Return ``work(*args)``, run on the batch's own thread: one piece of work at a time, whoever asks and whoever gives up."""
        self.used = time.monotonic()
        return await asyncio.get_running_loop().run_in_executor(self._worker, work, *args)

    @property
    def running(self) -> bool:
        """Whether its job runs here."""
        return self.execution is not None and self.execution.running

    @property
    def name(self) -> str:
        """What to call it: the job's id once there is one."""
        return self.session.job_id or self.id

    def pause(self) -> None:
        """Stop sending; what is in flight is recorded."""
        if self.execution is not None:
            self.execution.pause()

    def close(self) -> None:
        """Pause what runs, wait until it is recorded, let go of the session."""
        if self._mine:
            self._worker.submit(self.session.close).result()
        elif self.execution is not None and self.execution.running:
            self.execution.pause()
            self.execution.wait(30)
        self._worker.shutdown()


class BatchRegistry:
    """The open batches under one operator's rules."""

    def __init__(self, rules: OperatorRules, session: BatchSession | None = None) -> None:
        self.rules = rules
        self.settings = session.settings if session is not None else Settings.read(home=rules.home)
        self._batches: dict[str, Batch] = {}
        self._guard = threading.RLock()
        self._current: Batch | None = None
        self._bound = session is not None or not rules.wire
        self._reserved: dict[str, int] = {}
        self.audit = AuditLog(self.settings.home, f"desk-{secrets.token_hex(4)}")
        """What was asked about no batch."""
        if session is not None:
            self._add(
                Batch(
                    handle := f"session-{secrets.token_hex(4)}",
                    session,
                    AuditLog(self.settings.home, handle),
                    mine=False,
                )
            )

    # -- batches ----------------------------------------------------------------------------------

    def new(self, name: str) -> Batch:
        """Return a batch for new orders: one of its own over the wire, the bound one in process."""
        with self._guard:
            if self._bound and self._current is not None:
                return self._current
            self._make_room()
            handle = f"batch-{_slug(name)}-{secrets.token_hex(4)}"
            return self._add(Batch(handle, self._session(), AuditLog(self.settings.home, handle)))

    def find(self, job_id: str = "", preview_id: str = "") -> Batch:
        """Return the batch that is meant: by handle, by job, by preview, or the only one that can be meant.

        Raises
        ------
        InputError
            None is open, or several are and none was named.
        JobNotFound
            The id names nothing here or on disk.
        """
        with self._guard:
            if job_id:
                return self._named(job_id)
            if preview_id:
                found = next(
                    (b for b in self._batches.values() if b.session.preview_id == preview_id), None
                )
                if found is not None:
                    return self._touch(found)
            if self._bound and self._current is None:
                return self.new("orders")
            if self.rules.many_clients and len(self._batches) > 1:
                raise InputError(
                    "Several batches are open on this server.",
                    fix="Say which: pass the job_id that load_orders answered.",
                )
            if self._current is None:
                raise InputError(
                    "No orders are loaded.",
                    fix="Call load_orders first, or pass the job_id of an earlier job.",
                )
            return self._touch(self._current)

    @property
    def at_hand(self) -> Batch | None:
        """The batch that is meant when none is named, if there is one."""
        with self._guard:
            return self._current if not self.rules.many_clients or len(self._batches) == 1 else None

    def known(self, job_id: Any, preview_id: Any) -> Batch | None:
        """Return the open batch that a refused call was about, for its log; the one at hand when it named none."""
        if not job_id and not preview_id:
            return self.at_hand
        return next(
            (
                b
                for b in self.open_batches()
                if (job_id and job_id in (b.id, b.session.job_id))
                or (preview_id and b.session.preview_id == preview_id)
            ),
            None,
        )

    def drop_empty(self, batch: Batch) -> None:
        """Let go of a batch into which nothing could be loaded."""
        with self._guard:
            if self._bound or batch.loaded or self._batches.pop(batch.id, None) is None:
                return
            if self._current is batch:
                self._current = None
        batch.close()

    def job_meant(self, batch: Batch | None, job_id: str) -> Batch:
        """Return the batch whose job is to go on: the named one, the one at hand, or the only interrupted one. Raises JobNotFound, InputError."""
        if job_id:
            return self.find(job_id)
        if batch is not None and batch.session.job_id is not None:
            return batch
        from shipkit.purchasing import recovery

        found = recovery.interrupted_jobs(home=self.settings.home)["job_id"].tolist()
        if not found:
            raise JobNotFound(
                "There are no interrupted jobs.",
                fix="get_job_status with a job_id tells how a job stands.",
            )
        if len(found) > 1:
            raise InputError(
                f"{len(found)} jobs were interrupted: {', '.join(found[:10])}.",
                fix="Say which: pass job_id.",
            )
        return self.find(found[0])

    def open_batches(self) -> list[Batch]:
        """Return the batches that are open."""
        with self._guard:
            return list(self._batches.values())

    def sharing(self, batch: Batch) -> Batch | None:
        """Return another batch of this desk that runs the same job now."""
        return next(
            (
                b
                for b in self.open_batches()
                if b is not batch and b.running and b.session.job_id == batch.session.job_id
            ),
            None,
        )

    def close(self) -> None:
        """Pause what runs and close every batch."""
        for batch in self.open_batches():
            batch.close()
        self._batches.clear()

    def _named(self, job_id: str) -> Batch:
        for batch in self._batches.values():
            if job_id in {batch.id, batch.session.job_id}:
                return self._touch(batch)
        from shipkit.session import BatchSession

        if job_id.startswith("batch-"):
            raise JobNotFound(
                f"The batch {job_id} is not open here (any more).", fix="Call load_orders again."
            )
        session = BatchSession.open(
            job_id,
            carrier=self.rules.carrier or (self.settings.carrier if self.rules.wire else None),
            home=self.settings.home,
        )
        self._make_room()
        return self._add(
            Batch(job_id, session, AuditLog(self.settings.home, job_id, job=job_id), reopened=True)
        )

    def _session(self) -> BatchSession:
        from shipkit.purchasing.approval import ExecutionMode
        from shipkit.session import BatchSession

        shippers = list(self.rules.shippers.values())
        session = BatchSession(
            carrier=self.rules.carrier,
            shipper=shippers[0] if len(shippers) == 1 else None,
            home=self.settings.home,
            limits=self._limits(),
        )
        return session.set_mode(ExecutionMode.of(self.rules.mode))

    def _add(self, batch: Batch) -> Batch:
        self._batches[batch.id] = batch
        return self._touch(batch)

    def _touch(self, batch: Batch) -> Batch:
        batch.used = time.monotonic()
        if (
            self._current is None or not batch.reopened
        ):  # looking at an old job does not take the place of the orders at hand
            self._current = batch
        return batch

    def _make_room(self) -> None:
        """Let go of the batch unused for longest, until there is room. It is closed aside: what it still does may take a while."""
        while len(self._batches) >= self.rules.max_batches:
            idle = [b for b in self._batches.values() if not b.running]
            if not idle:
                raise InputError(
                    f"{len(self._batches)} batches are running on this server, as many as it "
                    "holds.",
                    fix="Wait for one to end.",
                )
            oldest = min(idle, key=lambda b: b.used)
            del self._batches[oldest.id]
            if self._current is oldest:
                self._current = None
            threading.Thread(target=oldest.close, name=f"shipkit-close-{oldest.id}").start()

    # -- the operator's rules ---------------------------------------------------------------------

    def readable(self, path: str) -> Path:
        """Return the file that `path` names under the operator's folders. Raises SourceError."""
        roots = [root.resolve() for root in self.rules.roots]
        if not roots:
            raise SourceError(
                "This server reads no files: its operator named no folder.",
                fix="Pass the orders as rows, or ask for a server with --root FOLDER.",
            )
        for root in roots:
            with suppress(OSError, ValueError):  # a name that no file can have
                found = (root / path).resolve()
                if found.is_relative_to(root) and found.is_file():
                    return found
        names = ", ".join(_files(roots)) or "none"
        raise SourceError(
            "No such file in the folders the operator allowed.", fix=f"Files there: {names}."
        )

    def shipper_names(self) -> list[str]:
        """Return who may be named as the shipper."""
        return sorted({*self.rules.shippers, *self.settings.file.get("shippers", {})})

    def shipper(self, given: str | Mapping[str, Any]) -> tuple[Address, bool]:
        """Return the shipper that is meant, and whether the operator named it. Raises InputError."""
        known = dict(self.rules.shippers)
        if isinstance(given, str):
            if given in known:
                return known[given], True
            names = self.shipper_names()
            if given not in names:
                raise InputError(
                    f"The operator named no shipper {given[:40]!r}.",
                    fix="Named: "
                    f"{', '.join(names) or 'none; start the server with --shipper NAME=FILE'}.",
                )
            return self.settings.shipper(given), True
        try:
            address = Address(**given)
        except (ValueError, TypeError):
            raise InputError(
                "shipper_info is no address.",
                fix="Name a shipper of the operator, or give the fields: "
                f"{', '.join(Address.model_fields)}.",
            ) from None
        named = [
            *known.values(),
            *(self.settings.shipper(name) for name in self.settings.file.get("shippers", {})),
        ]
        return address, address in named

    def terminal(self, words: str) -> str:
        """Return the command a person types for this home."""
        return (
            f"shipkit {words}"
            if self.rules.home is None
            else f"shipkit {words} --home {shlex.quote(str(self.rules.home))}"
        )

    def reserve(self, batch: Batch, cents: int, currency: str, key: str) -> None:
        """Set `cents` of the operator's total aside for a job, before it may start. Raises SpendLimitExceeded."""
        limit = self.rules.max_total
        if limit is None:
            return
        with self._guard:
            others = self.afford(cents, currency, key)
            self._reserved[key] = cents
            batch.session.limits = self._limits(limit.cents - others)

    def afford(self, cents: int, currency: str, key: str) -> int:
        """Return what other jobs have of the operator's total. Raises SpendLimitExceeded when `cents` more are not in it."""
        limit = self.rules.max_total
        if limit is None:
            return 0
        with self._guard:
            others = sum(spent for name, spent in self._reserved.items() if name != key)
            if currency != limit.currency or others + cents > limit.cents:
                raise SpendLimitExceeded(
                    f"This would cost {Money.from_cents(cents, currency)}; of the operator's "
                    f"{limit}, {Money.from_cents(others, limit.currency)} are spent or set aside. "
                    "Nothing was bought.",
                    fix="Filter further, or ask the operator for a higher --max-total.",
                )
            return others

    def settle(self, key: str, cents: int) -> None:
        """Put what a finished job really cost in the place of what was set aside for it."""
        with self._guard:
            if key in self._reserved:
                self._reserved[key] = cents

    def _limits(self, cents: int | None = None) -> SpendLimits:
        from shipkit.purchasing.approval import SpendLimits

        limit = self.rules.max_total
        if limit is None:
            return SpendLimits()
        amount = limit if cents is None else Money.from_cents(cents, limit.currency)
        return SpendLimits(total=f"{amount.amount}", currency=limit.currency)


def _files(roots: Iterable[Path]) -> list[str]:
    found = [
        path.name
        for root in roots
        if root.is_dir()
        for path in sorted(root.iterdir())
        if path.is_file() and not path.name.startswith(".")
    ]
    return found[:20]


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:24] or "orders"
