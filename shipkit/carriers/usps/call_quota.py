"""The quota of an app: so many requests an hour to each of USPS's APIs.

60 an hour is what an app has by default (USPS/api-examples, issue 30, from staff). USPS publishes
neither how its hour is counted nor a header for what is left, so the requests of this process are
counted in any sixty minutes, and one that would go over is not sent: it waits. Other processes are
not seen here; they show as 429.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable
from typing import Final

from shipkit.common.words import counted
from shipkit.errors import RateLimited

__all__ = ["CallQuota", "Reserved", "in_hours"]

_HOUR_S: Final = 3600.0
_FIRST_PAUSE_S: Final = 60.0
"""After a 429 that does not say how long to wait; doubled with each one that follows. Six tries
take an hour, the window of the quota."""


class CallQuota:
    """Counts requests by API and refuses to send what would be turned away.

    Parameters
    ----------
    per_hour
        Requests for each API.
    clock
        Monotonic seconds.
    """

    def __init__(self, per_hour: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.per_hour = per_hour
        self._clock = clock
        self._sent: dict[str, deque[float]] = {}
        self._refusals: dict[str, int] = {}

    def left(self, api: str) -> int:
        """Return how many requests to `api` can be sent now."""
        sent = self._sent.setdefault(api, deque())
        while sent and sent[0] <= self._clock() - _HOUR_S:
            sent.popleft()
        return max(0, self.per_hour - len(sent))

    def take(self, api: str) -> None:
        """Count a request to `api` that is sent now.

        Raises
        ------
        RateLimited
            It does not fit into this hour. Nothing was sent.
        """
        self.reserve(api, 1)

    def reserve(self, api: str, count: int) -> Reserved:
        """Count requests to `api` that are sent together, all of them or none.

        Raises
        ------
        RateLimited
            So many do not fit into this hour. Nothing was sent.
        """
        if self.left(api) < count:
            sent = self._sent[api]
            freed = min(len(sent), len(sent) + count - self.per_hour)
            wait = sent[freed - 1] + _HOUR_S - self._clock() if freed else _HOUR_S
            raise RateLimited(
                f"The quota of {self.per_hour} requests an hour to USPS's {api} API "
                + ("is used up." if count == 1 else f"has no room for {count} together."),
                fix="shipkit waits for the next hour. Ask USPS for a higher quota, then set "
                "SHIPKIT_USPS_QUOTA_PER_HOUR.",
                retry_after_s=wait,
            )
        now = self._clock()
        self._sent[api].extend([now] * count)
        return Reserved(self._sent[api], [now] * count, self._clock)

    def refused(self, api: str) -> float:
        """Return how long to wait after a 429 of `api` that does not say."""
        count = self._refusals[api] = self._refusals.get(api, 0) + 1
        return float(_FIRST_PAUSE_S * 2 ** min(count - 1, 5))

    def answered(self, api: str) -> None:
        """Take note of an answer that was no 429."""
        self._refusals.pop(api, None)

    def needed_s(self, api: str, requests: int) -> float:
        """Return how long so many more requests to `api` wait for the quota, in seconds."""
        beyond = requests - self.left(api)
        return math.ceil(beyond / self.per_hour) * _HOUR_S if beyond > 0 else 0.0


class Reserved:
    """Requests that are counted before the first of them is sent."""

    def __init__(
        self, sent: deque[float], reserved: list[float], clock: Callable[[], float]
    ) -> None:
        self._sent, self._reserved, self._clock = sent, reserved, clock

    def use(self) -> None:
        """Take note that one of them is sent now.

        One more than were reserved, sent again with fresh tokens, is counted and never refused:
        the labels of a row are bought together, and USPS may not count what it turned away.
        """
        self._take_back(self._reserved[:1])
        del self._reserved[:1]
        self._sent.append(self._clock())

    def give_back(self) -> None:
        """Count those no longer that were not sent."""
        self._take_back(self._reserved)
        self._reserved.clear()

    def _take_back(self, times: list[float]) -> None:
        for at in times:
            if at in self._sent:  # else more than an hour ago
                self._sent.remove(at)


def in_hours(seconds: float) -> str:
    """Return a wait for the quota in words.

    Examples
    --------
    >>> in_hours(10_800), in_hours(320_400)
    ('3 hours', '3 days and 17 hours')
    """
    hours = math.ceil(seconds / _HOUR_S)
    if hours < 48:
        return counted(hours, "hour")
    days, rest = divmod(hours, 24)
    return counted(days, "day") + (f" and {counted(rest, 'hour')}" if rest else "")
