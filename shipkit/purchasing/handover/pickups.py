"""A pickup as a person sees it: its price first, then booked, looked at, canceled."""

from __future__ import annotations

import datetime as dt
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final

from shipkit.carriers.accounts import Accounts
from shipkit.common import html
from shipkit.common.words import counted
from shipkit.models import Money
from shipkit.purchasing.handover import pickup_run
from shipkit.purchasing.handover.pickup_notes import pickup_notes
from shipkit.purchasing.pickup_book import PickupEntry, pickup_book
from shipkit.purchasing.store import JobStore

__all__ = ["Pickup"]

_CANCELING: Final = (
    "it was asked to be canceled, and may be: cancel() asks again; where the carrier's own list "
    "does not have it, forget()"
)


class Pickup(html.Shown):
    """A driver who comes for the parcels of a job: offered, then booked.

    Made by :meth:`shipkit.Job.pickup`; ``job.pickups`` has those that were booked.

    Examples
    --------
    >>> pickup = job.pickup(day="2026-12-01", ready="10:00", close="17:00")  # doctest: +SKIP
    >>> pickup.price  # doctest: +SKIP
    Money('6.25', 'USD')
    >>> pickup.book(confirm_total="6.25")  # doctest: +SKIP
    """

    def __init__(
        self,
        entry: PickupEntry,
        store: JobStore,
        run: Callable[[Callable[[Accounts], Awaitable[Any]]], Any],
        run_alone: Callable[[Coroutine[Any, Any, PickupEntry]], PickupEntry],
    ) -> None:
        self._entry, self._store = entry, store
        self._run, self._run_alone = run, run_alone

    @property
    def state(self) -> str:
        """``offered``, ``in_doubt`` (it may be booked), ``booked``, ``refused``, ``canceled``."""
        return self._entry.state

    @property
    def price(self) -> Money:
        """What it costs: as booked, before that as offered."""
        return self._entry.price

    @property
    def reference(self) -> str:
        """What shipkit calls it, also before it has a number; carriers are asked under it."""
        return self._entry.reference

    @property
    def can_be_forgotten(self) -> bool:
        """Whether :meth:`forget` can settle it."""
        return self.state == "in_doubt" or (self.state == "booked" and bool(self._entry.canceling))

    @property
    def number(self) -> str | None:
        """The carrier's number, None before it is booked and where the carrier does not say it."""
        return (self._entry.booked.number or None) if self._entry.booked else None

    @property
    def carrier(self) -> str:
        """Who comes."""
        return self._entry.carrier

    @property
    def day(self) -> dt.date:
        """When, by the calendar of the place."""
        return self._entry.day

    @property
    def rows(self) -> tuple[int, ...]:
        """The places of its shipments in the plan."""
        return self._entry.rows

    @property
    def warnings(self) -> tuple[str, ...]:
        """What to know about it."""
        booked = self._entry.booked
        asked = self.state == "booked" and self._entry.canceling == "asked"
        return (
            *self._entry.offer.warnings,
            *(booked.warnings if booked else ()),
            *((_CANCELING,) if asked else ()),
            *pickup_notes(self._store, self._entry),
        )

    def book(self, *, confirm_total: Money | str | None = None) -> Pickup:
        """Book it, once: one that is booked already is returned as it is.

        One in doubt is looked up at the carrier, and booked only if that cannot make a second one.
        Where the carrier does not hold its price (UPS), it is asked again first: one that rose is
        in :attr:`price`, and nothing is booked until you agree to it. A lower one is booked.

        Parameters
        ----------
        confirm_total
            The price, to agree to it. Not needed for one that costs nothing, nor for a job in mode
            AUTO within its limits.

        Raises
        ------
        ApprovalRequired, SpendLimitExceeded
            No one agreed to the price, or the job's limits do not allow it. Nothing was booked.
        CarrierRejected
            The carrier does not come. Nothing was booked.
        AnswerLost
            It may be booked, and the carrier does not tell. Look there; :meth:`forget` where it is
            not.
        """
        before = self._entry.offer.price
        agreed = None if confirm_total is None else Money.of(confirm_total, before.currency)
        self._entry = self._run(lambda a: pickup_run.priced_again(self._store, a, self._entry))
        now = self._entry.offer.price
        if agreed == before and now.currency == before.currency and now.cents < before.cents:
            agreed = now
        try:
            self._entry = self._run(lambda a: pickup_run.book(self._store, a, self._entry, agreed))
        except BaseException:  # it may be in doubt now, or refused
            self._entry = pickup_book(self._store).get(self.reference, self._entry)
            raise
        return self

    def status(self) -> str:
        """Return what the carrier says about it."""
        found: str = self._run(lambda a: pickup_run.status(self._store, a, self._entry))
        return found

    def cancel(self) -> Pickup:
        """Cancel it at the carrier. Safe to repeat, also after a lost answer.

        Raises
        ------
        CarrierRejected
            The carrier does not cancel it: too late, or on its website only. Canceled there,
            :meth:`forget` it here.
        AnswerLost
            It may be canceled: call again.
        """
        self._entry = self._run(lambda a: pickup_run.cancel(self._store, a, self._entry))
        return self

    def forget(self) -> Pickup:
        """Decide that one in doubt is not booked, or that one is canceled.

        It asks no carrier, and needs no credentials.
        Look at the carrier's own list first. One that is booked can be forgotten after
        :meth:`cancel` was tried.
        """
        self._entry = self._run_alone(pickup_run.forget(self._store, self._entry))
        return self

    def lines(self) -> list[tuple[str, str]]:
        """Return its facts as pairs of name and text."""
        entry = self._entry
        found = [
            ("Pickup", f"{entry.carrier} {self.number or ''}".strip()),
            ("Day", f"{entry.day}, {entry.ready:%H:%M} to {entry.close:%H:%M}"),
            ("Shipments", counted(len(entry.rows), "shipment")),
            ("Price", str(self.price)),
            ("State", self.state.replace("_", " ")),
        ]
        if self.state != "offered" and not self.number:
            found.append(("Reference", self.reference))
        return found + [("Note", warning) for warning in self.warnings]

    def __repr__(self) -> str:
        words = " | ".join(text for _, text in self.lines())
        return f"<Pickup {words}>"

    def _repr_html_(self) -> str:
        return html.block(html.facts(self.lines()), name="shipkit-pickup")
