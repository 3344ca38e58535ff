"""Who owns a job in an object store, and until when: one object, replaced again and again.

``OWNER`` is created or replaced on condition, so of two machines that want a job one gets it. Its
owner replaces it every quarter of a lease. A machine that finds it unchanged for a whole lease, *by
its own clock*, takes it: no two machines' clocks are ever compared.

The owner in turn stops sending two thirds of a lease after its last renewal *began*. A machine that
takes over has watched for a whole lease since then, so a third of a lease lies between the last
request of the one and the first look of the other; and what was in flight is looked up only after a
grace that begins then.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
import socket
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

from shipkit.common.lock import Holder
from shipkit.common.object_store import ObjectStore, StoredObject
from shipkit.errors import CheckpointLocked, CheckpointWriteError, NotSent

__all__ = ["Lease", "LeaseRecord", "Moment"]

log = logging.getLogger("shipkit.purchasing.store.lease")

_SENDING = 2 / 3
"""The part of a lease in which its owner sends."""
_RENEWALS = 4
"""Renewals per lease: two may fail in a row before the owner stops sending."""
_LOOKS = 20
"""How often per lease a machine looks that waits for one to end."""


@dataclass(frozen=True)
class Moment:
    """A reading of this machine's clocks.

    Two, because neither is enough: the first goes on while the machine sleeps (`time.monotonic`
    does not, on Linux and macOS), but a suspended virtual machine may miss it; the second can be
    set by anyone. The longer time that either of them shows is what counts.
    """

    awake: float
    wall: float

    @classmethod
    def now(cls) -> Moment:
        """Return the moment."""
        return cls(_uptime(), time.time())

    def seconds_since(self) -> float:
        """Return how long ago it was, at most."""
        now = Moment.now()
        return max(now.awake - self.awake, now.wall - self.wall)


def _uptime() -> float:
    if sys.platform == "linux":
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    if sys.platform == "darwin":  # counts sleep there, unlike on Linux
        return time.clock_gettime(time.CLOCK_MONOTONIC)
    return time.monotonic()


@dataclass(frozen=True)
class LeaseRecord:
    """What the object says: who owns the job, or that no one does."""

    token: str
    """Random, new for every owner."""
    holder: Holder
    seconds: float
    """The owner's lease."""
    renewal: int = 0
    """Counts up, so that every renewal is another content."""
    released: bool = False
    head: tuple[int, str] = (0, "")
    """Number and digest of the last segment at this renewal: what a restore must find at least."""

    def encode(self) -> bytes:
        """Return the object's bytes."""
        return json.dumps(
            {
                "token": self.token,
                "pid": self.holder.pid,
                "host": self.holder.host,
                "since": self.holder.since,
                "what": self.holder.what,
                "lease_s": self.seconds,
                "renewal": self.renewal,
                "released": self.released,
                "head": list(self.head),
            }
        ).encode()

    @classmethod
    def decode(cls, data: bytes) -> LeaseRecord:
        """Return what an object says. Raises CheckpointWriteError."""
        try:
            found = json.loads(data)
            holder = Holder(found["pid"], found["host"], found["since"], found["what"])
            sequence, sha = found["head"]
            return cls(
                found["token"],
                holder,
                float(found["lease_s"]),
                found["renewal"],
                found["released"],
                (sequence, sha),
            )
        except (ValueError, KeyError, TypeError) as error:
            raise CheckpointWriteError(
                "The object that names the owner of the job cannot be read.",
                fix="If no machine runs the job, remove the object OWNER from its folder in the "
                "bucket, and resume.",
            ) from error


class Lease:
    """The lease of one owner, renewed on a thread of its own until it is left.

    Parameters
    ----------
    key
        The object.
    seconds
        How long the lease is.
    what
        What the job is owned for, shown to others that want it.
    named
        The job in an error.
    head
        Returns number and digest of the last segment that is durable.

    Raises
    ------
    CheckpointLocked
        Entered while another machine owns the job and lives.
    CheckpointWriteError
        The store cannot be used.
    """

    def __init__(
        self,
        store: ObjectStore,
        key: str,
        *,
        seconds: float,
        what: str,
        named: str,
        head: Callable[[], tuple[int, str]],
    ) -> None:
        self._store, self._key, self._named, self._head = store, key, named, head
        # Of its own, which does not repeat for half a minute what is wanted within seconds.
        self._brisk = store.impatient()
        since = datetime.now(UTC).isoformat(timespec="seconds")
        holder = Holder(os.getpid(), socket.gethostname(), since, what)
        self.record = LeaseRecord(secrets.token_hex(8), holder, seconds)
        self.ended: str | None = None
        """Why nothing more may be sent, None while it may."""
        self._e_tag = ""
        self._renewed = Moment.now()
        self._leaving = threading.Event()
        self._on_end: Callable[[str], None] | None = None
        self._guard = threading.Lock()
        self._thread = threading.Thread(target=self._renew, name="shipkit-lease", daemon=True)

    # -- sending -------------------------------------------------------------------------------

    def check(self) -> None:
        """Return while the owner may send. The gate of :mod:`shipkit.carriers.send_gate`.

        Raises
        ------
        NotSent
            The lease was not renewed in time, or belongs to another machine.
        """
        if self.ended is None:
            silent = self._renewed.seconds_since()
            if silent < _SENDING * self.record.seconds:
                return
            self._end(
                f"the lease was not renewed for {silent:.1f} s (this machine slept, or could not "
                "reach the object store)"
            )
        raise NotSent(
            f"Not sent: {self.ended}.",
            fix="Resume the job: what was in flight is looked up first.",
            carrier_code="lease_ended",
        )

    def listen(self, on_end: Callable[[str], None] | None) -> None:
        """Call `on_end` once, with the reason, when nothing more may be sent. From any thread."""
        with self._guard:
            self._on_end = on_end
            ended = self.ended
        if ended is not None and on_end is not None:
            on_end(ended)

    def _end(self, why: str) -> None:
        with self._guard:
            if self.ended is not None:
                return
            self.ended = why
            on_end = self._on_end
        if on_end is not None:
            on_end(why)

    # -- owning --------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        try:
            self._take()
        except OSError as error:
            raise CheckpointWriteError(
                f"{self._named} cannot be taken over: {error}.",
                fix="Check the network and the credentials of the object store. Nothing was sent.",
            ) from error
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._leaving.set()
        self._thread.join()
        self._end("the job is no longer owned here")
        try:
            self._replace(released=True)
        except (
            OSError,
            CheckpointWriteError,
        ) as failure:  # the next owner waits for a lease instead
            log.warning("%s: the lease could not be given up: %s", self._named, failure)

    def _take(self) -> None:
        """Return when the object is ours. Wait for one lease where another's may have ended."""
        watched: tuple[str, Moment] | None = None
        while True:
            found = self._store.find(self._key)
            other = None if found is None else LeaseRecord.decode(found.data)
            if found is not None and other is not None and not other.released:
                if watched is None:
                    watched = (found.e_tag, Moment.now())
                elif watched[0] != found.e_tag:
                    raise self._locked(other)
                # Only the clock that cannot be set: a jump of the other must not shorten the wait.
                wait_s = max(other.seconds, self.record.seconds)
                if _uptime() - watched[1].awake < wait_s:
                    time.sleep(wait_s / _LOOKS)
                    continue
            if self._taken(found):
                return
            watched = None  # another machine was faster: it is the one to watch now

    def _taken(self, found: StoredObject | None) -> bool:
        self._renewed = Moment.now()
        data = self._next(head=(0, "") if found is None else LeaseRecord.decode(found.data).head)
        e_tag = (
            self._store.create(self._key, data)
            if found is None
            else self._store.replace(self._key, data, found.e_tag)
        )
        self._e_tag = e_tag or ""
        return e_tag is not None

    def _locked(self, other: LeaseRecord) -> CheckpointLocked:
        return CheckpointLocked(
            f"{self._named} is in use by {other.holder}.",
            fix="Wait until that process has finished, or stop it. Nothing was sent from here.",
            holder=vars(other.holder),
        )

    # -- renewing, on the thread -----------------------------------------------------------------

    def _renew(self) -> None:
        every = self.record.seconds / _RENEWALS
        wait = every
        while not self._leaving.wait(wait):
            began = Moment.now()
            try:
                renewed = self._replace()
            except (OSError, CheckpointWriteError) as error:
                log.warning("%s: the lease could not be renewed: %s", self._named, error)
                wait = every / _RENEWALS
            else:
                if not renewed:
                    self._end("another machine has gone on with the job")
                    return
                self._renewed = began  # when it began: the store may have written it at once
                wait = every
            if self._renewed.seconds_since() >= _SENDING * self.record.seconds:
                self._end("the lease could not be renewed in time")

    def _replace(self, *, released: bool = False) -> bool:
        """Replace our own record; False when it is no longer ours."""
        data = self._next(head=self._head(), released=released)
        e_tag = self._brisk.replace(self._key, data, self._e_tag)
        if e_tag is None:
            # A renewal whose answer was lost may have been written after all.
            found = self._brisk.find(self._key)
            if found is None or LeaseRecord.decode(found.data).token != self.record.token:
                return False
            e_tag = self._brisk.replace(self._key, data, found.e_tag)
        self._e_tag = e_tag or self._e_tag
        return e_tag is not None

    def _next(self, *, head: tuple[int, str], released: bool = False) -> bytes:
        said = self.record
        self.record = LeaseRecord(
            said.token, said.holder, said.seconds, said.renewal + 1, released, head
        )
        return self.record.encode()


def freshness_s(found: StoredObject) -> float:
    """Return for how long an object has not changed, by the clocks of the store and this machine.

    For lists that a person reads. Nothing is taken over because of it.
    """
    return (datetime.now(UTC) - found.modified).total_seconds()


def alive(found: StoredObject | None) -> Holder | None:
    """Return who seems to own the job, for lists that a person reads."""
    record: Any = None if found is None else LeaseRecord.decode(found.data)
    if found is None or record.released or freshness_s(found) > record.seconds + 1:
        return None
    holder: Holder = record.holder
    return holder
