"""Where parcels are, for carriers that answer about one number at a time."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
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
            return unknown_place(number, error.message)

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
    """Return events with the latest first; as they are where one has no moment.

    Of two at one moment the first one given is the later one, as carriers list them.
    """
    if not all(event.get(moment) for event in events):
        return list(events)
    return sorted(events, key=lambda event: str(event[moment]), reverse=True)
