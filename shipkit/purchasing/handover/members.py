"""The members of a job that hand its parcels over."""

from __future__ import annotations

import datetime as dt
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from typing import Any

import pyarrow as pa

from shipkit.carriers.accounts import Accounts
from shipkit.carriers.connection import Connection
from shipkit.errors import InputError
from shipkit.orders import where
from shipkit.purchasing.handover.driver_manifests import DriverManifests, ManifestBook
from shipkit.purchasing.handover.manifest_run import forget_manifest, make_manifests
from shipkit.purchasing.handover.pickup_run import PickupWish, offered
from shipkit.purchasing.handover.pickups import Pickup
from shipkit.purchasing.pickup_book import pickup_book
from shipkit.purchasing.store import JobStore
from shipkit.state import RowState

__all__ = ["HandoverMembers"]


class HandoverMembers(ABC):
    """What a :class:`shipkit.Job` can do with parcels that are about to leave."""

    store: JobStore
    connection: Connection

    @abstractmethod
    def _accounts(self) -> Accounts: ...

    @abstractmethod
    def _refuse_while_running(self) -> None: ...

    @abstractmethod
    def _refuse_other_account(self) -> None: ...

    @property
    def manifests(self) -> DriverManifests:
        """The manifests that were made, as they are on disk. Asks no carrier."""
        return DriverManifests.of(self.store)

    def manifest(self, clause: str | None = None) -> DriverManifests:
        """Put bought labels on manifests for the driver: SCAN forms at USPS. Safe to repeat.

        A label is on at most one manifest. What is voided, a return label or past its ship date is
        on none, nor what is on one already. There is one for each account, carrier, origin and
        ship date. At USPS, labels that are on a form can no longer be voided.

        Parameters
        ----------
        clause
            A SQL expression over the result columns; default: every label of the job.

        Returns
        -------
        DriverManifests
            All manifests of the job, and in ``left_out`` the chosen shipments that are on none.

        Raises
        ------
        InputError
            The carrier makes no manifests; the message says what it does instead.
        JobError
            The carrier is not set up for the job's own account. Nothing was asked.
        AnswerLost
            No usable answer came. The form may exist: call again, and it is not made twice.
        JobRunning
            The job is running in this session.
        """
        self._refuse_while_running()
        table = self.store.results()
        chosen = _matching(table, clause)
        states = table.column("state").to_pylist()
        book = ManifestBook.of(self.store)
        made = {row for each in book.made for row in each.rows}
        rows = [row for row in chosen if states[row] == RowState.SHIPPED and row not in made]
        if not rows and not book.open:
            self._refuse_other_account()
            return self.manifests
        outcome = self.connection.run(make_manifests(self.store, self._accounts(), rows))
        outcome.refuse_silence()
        wanted = set(chosen)
        return DriverManifests.of(
            self.store, {row: why for row, why in outcome.left_out.items() if row in wanted}
        )

    def forget_manifest(self, attempt: int | None = None) -> DriverManifests:
        """Give up a manifest whose answer was lost: a person knows that it was not made.

        Look at the carrier's own list first. Its labels may be put on another form then. Asks no
        carrier.

        Parameters
        ----------
        attempt
            Which one of :attr:`manifests`' ``in_doubt``; default: the only one.

        Raises
        ------
        InputError
            There is none in doubt, or several and none is named.
        JobRunning
            The job is running in this session.
        """
        self._refuse_while_running()
        self.connection.run(forget_manifest(self.store, attempt))
        return self.manifests

    @property
    def pickups(self) -> tuple[Pickup, ...]:
        """The pickups that were booked, or may be, as they are on disk. Asks no carrier."""
        return tuple(
            Pickup(entry, self.store, self._ask_accounts, self.connection.run)
            for entry in pickup_book(self.store).values()
        )

    def pickup(
        self,
        day: dt.date | str | None = None,
        *,
        ready: dt.time | str = "09:00",
        close: dt.time | str = "17:00",
        clause: str | None = None,
        place: str = "front_door",
        instructions: str = "",
    ) -> Pickup:
        """Ask what it costs that a driver comes for bought parcels. Nothing is booked.

        The parcels must be of one account and leave from one address. USPS comes for nothing.

        Parameters
        ----------
        day
            A date, or text such as ``"2026-12-01"``; default: today, where the parcels are.
        ready, close
            From when and until when the driver may come, by the clock of the place.
        clause
            A SQL expression over the result columns; default: every bought label.
        place
            Where the parcels are: ``front_door``, ``back_door``, ``side_door``, ``mail_room``,
            ``office``, ``reception``, ``porch`` or ``other``.
        instructions
            What the driver should know.

        Returns
        -------
        Pickup
            With its price. :meth:`Pickup.book` books it.

        Raises
        ------
        InputError
            The day, the hours or the choice of parcels cannot be used.
        CarrierRejected
            The carrier does not come there, or not on that day.
        JobError
            The carrier is not set up for the job's own account. Nothing was asked.
        """
        self._refuse_while_running()
        wish = PickupWish(_day(day), _time(ready), _time(close), place, instructions or "")
        table = self.store.results()
        chosen = _matching(table, clause)
        states = table.column("state").to_pylist()
        rows = [row for row in chosen if states[row] == RowState.SHIPPED]
        entry = self._ask_accounts(lambda a: offered(self.store, a, rows, wish))
        return Pickup(entry, self.store, self._ask_accounts, self.connection.run)

    def _ask_accounts(self, question: Callable[[Accounts], Awaitable[Any]]) -> Any:
        async def asked() -> Any:
            return await question(accounts)

        accounts = self._accounts()
        return self.connection.run(asked())


def _matching(table: pa.Table, clause: str | None) -> list[int]:
    """Return the rows that match a clause, as numbers that the ledger can write."""
    if clause is None:
        return list(range(table.num_rows))
    return [int(row) for row in where.matching(table, clause, {})]


def _day(value: dt.date | str | None) -> dt.date | None:
    if isinstance(value, dt.datetime):  # a pandas Timestamp is one
        return value.date()
    if value is None or isinstance(value, dt.date):
        return value
    try:
        return dt.date.fromisoformat(str(value).strip())
    except ValueError:
        raise InputError(f"{value!r} is not a day.", fix='Write it as "2026-12-01".') from None


def _time(value: dt.time | str) -> dt.time:
    """Return a time of the place: one with a zone would be of two places."""
    text = str(value).strip()
    try:
        found = dt.time.fromisoformat(text if text[1:2] != ":" else f"0{text}")
    except ValueError:
        found = dt.time(tzinfo=dt.UTC)
    if found.tzinfo is not None:
        raise InputError(f"{value!r} is not a time.", fix='Write it as "17:00".') from None
    return found
