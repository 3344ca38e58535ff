"""Pickups of the sandbox: priced, booked once under a reference, canceled; in its books."""

from __future__ import annotations

import datetime as dt
import sqlite3

from shipkit.carriers.after_purchase import BookedPickup, PickupOffer, PickupRequest
from shipkit.carriers.sandbox.books import Books
from shipkit.common.local_day import local_day
from shipkit.errors import CarrierRejected
from shipkit.models import Money

__all__ = ["PRICE", "booked", "canceled", "priced", "state_of"]

PRICE = Money.from_cents(625)
_DAYS_AHEAD = 30
_SUNDAY = 6


def priced(request: PickupRequest) -> PickupOffer:
    """Return what a pickup costs. Raises CarrierRejected on a day without one."""
    today = local_day(request.address)
    if not today <= request.day <= today + dt.timedelta(days=_DAYS_AHEAD):
        raise _refused(f"The sandbox picks up from today to {_DAYS_AHEAD} days ahead.", "day")
    if request.day.weekday() == _SUNDAY:
        raise _refused("The sandbox does not pick up on Sundays.", "sunday")
    return PickupOffer(PRICE)


async def booked(
    books: Books, account: str, request: PickupRequest, *, asked_before: bool
) -> BookedPickup:
    """Book a pickup; one that was asked for before is returned. Two requests book two.

    Once it was asked for as one that may be booked, its reference is settled: the first request,
    if it is still on its way, books no second one.
    """
    [fresh] = await books.numbers(1)

    def op(con: sqlite3.Connection) -> str:
        found = con.execute(
            "SELECT number FROM pickups WHERE reference = ? AND account = ?",
            (request.reference, account),
        ).fetchone()
        settled = con.execute(
            "SELECT 1 FROM pickups_settled WHERE reference = ? AND account = ?",
            (request.reference, account),
        ).fetchone()
        if found is not None and (asked_before or settled is not None):
            return str(found[0])
        priced(request)  # one that was booked is found also after its day
        if asked_before:
            con.execute("INSERT INTO pickups_settled VALUES (?, ?)", (request.reference, account))
        con.execute(
            "INSERT INTO pickups VALUES (?, ?, ?, ?, ?, NULL)",
            (fresh, request.reference, account, request.day.isoformat(), PRICE.cents),
        )
        return fresh

    return BookedPickup(await books.run(op), PRICE)


async def state_of(books: Books, account: str, number: str) -> str:
    """Return scheduled or canceled. Raises CarrierRejected for an unknown number."""

    def op(con: sqlite3.Connection) -> str | None:
        row = con.execute(
            "SELECT canceled_at FROM pickups WHERE number = ? AND account = ?", (number, account)
        ).fetchone()
        return None if row is None else "scheduled" if row[0] is None else "canceled"

    found = await books.run(op)
    if found is None:
        raise _refused(f"The sandbox has no pickup {number}.", "not_found")
    return found


async def canceled(books: Books, account: str, number: str, now: float) -> None:
    """Cancel a pickup. Canceling it again changes nothing."""
    await state_of(books, account, number)
    await books.run(
        lambda con: (
            con.execute(
                "UPDATE pickups SET canceled_at = coalesce(canceled_at, ?) WHERE number = ?",
                (now, number),
            ).rowcount
        )
    )


def _refused(message: str, code: str) -> CarrierRejected:
    return CarrierRejected(message, fix="Choose another day.", carrier_code=code)
