"""Where parcels are, for carriers that answer about one number at a time."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from itertools import pairwise
from operator import itemgetter
from typing import Any, Final

from shipkit.carriers.pace import Pacer
from shipkit.common.pool import each
from shipkit.errors import AuthenticationFailed, CarrierError

__all__ = ["is_returned", "latest_first", "track_each", "unknown_place"]

_RETURNED: Final = re.compile(
    r"return to (?:the )?sender|\breturned\b|original sender|delivered to (?:the )?sender"
    r"|being returned",
    re.IGNORECASE,
)


async def track_each(
    ask: Callable[[str], Awaitable[dict[str, Any]]],
    tracking_numbers: Sequence[str],
    *,
    at_once: int,
    pacer: Pacer | None = None,
) -> list[dict[str, Any]]:
    """Return what `ask` says of each number, in order. A number is asked about once.

    A question that fails makes its parcel's status unknown, with the reason.

    Parameters
    ----------
    ask
        Returns the columns of :data:`shipkit.plan.questions.TRACKING` from ``tracking_number`` on.
    at_once
        The number of questions at a time.
    pacer
        Runs each question at the pace in force, and repeats it where that may help.

    Raises
    ------
    AuthenticationFailed
        The carrier refused the credentials: no other number would fare better.
    """

    async def one(number: str) -> dict[str, Any]:
        try:
            return await (pacer.repeat(lambda: ask(number)) if pacer else ask(number))
        except AuthenticationFailed:
            raise
        except CarrierError as error:
            # A question changes nothing at the carrier.
            return unknown_place(number, error.message.replace(" It may have acted.", ""))

    numbers = list(dict.fromkeys(tracking_numbers))
    found = await each(one, numbers, at_once=at_once)
    by_number = dict(zip(numbers, found, strict=True))
    return [by_number[number] for number in tracking_numbers]


def unknown_place(tracking_number: str, problem: str) -> dict[str, Any]:
    """Return that it is not known where a parcel is, and why."""
    return {
        "tracking_number": tracking_number,
        "status": "unknown",
        "delivered": False,
        "problem": problem,
    }


def is_returned(text: str) -> bool:
    """Return whether words about a parcel say that it goes back, or is back, at the sender.

    "Delivered, To Original Sender" is no delivery to the recipient.

    Examples
    --------
    >>> is_returned("Delivered, To Original Sender"), is_returned("Delivered, Front Door")
    (True, False)
    """
    return _RETURNED.search(text) is not None


def latest_first(events: Sequence[Mapping[str, Any]], moment: str) -> list[Mapping[str, Any]]:
    """Return events with the latest first.

    Of two at one moment the first one given is the later one, as carriers list them, or the last
    one given where the list has the oldest first. An event without a moment that can be read
    counts as right after the one before it.

    Examples
    --------
    >>> events = [{"at": "2026-11-27", "n": 1}, {"n": 2}, {"at": "2026-11-29", "n": 3}]
    >>> [each["n"] for each in latest_first(events, "at")]
    [3, 2, 1]
    """
    given = [(_moment(event.get(moment)), event) for event in events]
    known = [at for at, _ in given if at is not None]
    if sum((a < b) - (a > b) for a, b in pairwise(known)) > 0:
        given.reverse()
    at = next((at for at, _ in reversed(given) if at is not None), None)
    if at is None:
        return list(events)
    oldest_first = []
    for own, event in reversed(given):
        at = own or at
        oldest_first.append((at, event))
    oldest_first.sort(key=itemgetter(0))
    return [event for _, event in reversed(oldest_first)]


def _moment(value: Any) -> dt.datetime | None:
    try:
        found = dt.datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=dt.UTC)
