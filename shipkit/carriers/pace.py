"""The pace of requests to one carrier: concurrency, an exact rate, pauses, and a breaker.

One :class:`Pacer` is shared by everything that asks one carrier. It knows nothing of shipments.
"""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

from shipkit.errors import (
    AuthenticationFailed,
    CarrierError,
    CarrierRejected,
    FundsExhausted,
    NotSent,
    RateLimited,
)
from shipkit.state import Outcome

__all__ = ["Pacer", "RateLimit"]

T = TypeVar("T")

_MARGIN = 1.05
"""A window is 5 % longer than the carrier's, because not all requests travel equally fast."""

_CATCH_UP_S = 0.1
"""Lateness up to this is made up for by starting the next requests together.

The window keeps even those within the limit.
"""

_BACKOFF_S = 0.5
_LONGEST_BACKOFF_S = 30.0
_GROW_AFTER = 20
"""Successes in a row after which a halved concurrency grows by one."""


class RateLimit:
    """An exact rate: evenly spaced requests, and never more than the limit in any window.

    Even spacing avoids a burst in the first second. It is not enough: after the event loop was
    held up, late starts would bunch. So a turn is planned by the spacing, and taken when the window
    of the starts that really happened has room.
    """

    def __init__(self, per_s: float) -> None:
        if not per_s > 0:
            raise ValueError(f"a rate must be greater than 0, not {per_s}")
        whole = max(1, math.floor(per_s))
        self._spacing_s = _MARGIN / per_s
        self._window_s = whole / per_s * _MARGIN
        self._starts: deque[float] = deque(maxlen=whole)
        self._next = -math.inf

    def plan(self, now: float) -> float:
        """Return how long to wait for the next turn, and take that turn."""
        start = max(now, self._next)
        earliest = self._next if self._next > now - _CATCH_UP_S else start
        self._next = max(earliest, self._next) + self._spacing_s
        return start - now

    def start(self, now: float) -> float:
        """Count a start at `now` and return 0, or return how long the window is still full."""
        if (
            len(self._starts) == self._starts.maxlen
            and (wait := self._starts[0] + self._window_s - now) > 0
        ):
            return wait
        self._starts.append(now)
        return 0.0


class Pacer:
    """The pace in force for one carrier.

    Parameters
    ----------
    concurrency
        Most calls at the same time.
    rate_per_s
        Most calls started per second; None for no limit.
    breaker_after
        This many refusals in a row with the same code, or lost answers in a row, open the breaker.
    down_after_s
        This many seconds without any answer, while no connection can be made, open the breaker.
    attempts
        How often :meth:`repeat` asks before it gives up.
    """

    def __init__(
        self,
        *,
        concurrency: int = 20,
        rate_per_s: float | None = None,
        breaker_after: int = 20,
        down_after_s: float = 30.0,
        attempts: int = 6,
    ) -> None:
        if concurrency < 1:
            raise ValueError(f"concurrency must be at least 1, not {concurrency}")
        self.concurrency = concurrency
        self.allowed = concurrency
        """Calls allowed at the same time now: halved by a 429, increased again by successes."""
        self.broken: str | None = None
        """Why the breaker is open; None while it is closed."""
        self._rate = RateLimit(rate_per_s) if rate_per_s else None
        self._breaker_after, self._down_after_s, self._attempts = (
            breaker_after,
            down_after_s,
            attempts,
        )
        self._silent_since: float | None = None
        self._active = 0
        self._resume_at = 0.0
        self._backoff_s = 0.0
        self._streak: tuple[str, int] = ("", 0)
        self._successes = 0
        self._given_up = 0
        self._last_error: CarrierError | None = None
        self._waiting: deque[asyncio.Future[None]] = deque()

        self.rate_per_s = rate_per_s

    @property
    def active(self) -> int:
        """Calls in progress."""
        return self._active

    @property
    def pause_s(self) -> float:
        """Seconds until calls start again; 0 when there is no pause."""
        return max(0.0, self._resume_at - time.monotonic())

    async def enter(self) -> None:
        """Return when one more call may start. Every entry needs an :meth:`leave`."""
        while self._active >= self.allowed:
            turn = asyncio.get_running_loop().create_future()
            self._waiting.append(turn)
            try:
                await turn
            except asyncio.CancelledError:
                if turn in self._waiting:
                    self._waiting.remove(turn)
                self._wake()  # the next one in line gets the turn that was granted here
                raise
        self._active += 1
        try:
            await self._in_time()
        except BaseException:
            self.leave()
            raise

    def leave(self) -> None:
        """Report that a call has ended."""
        self._active -= 1
        self._wake()

    @asynccontextmanager
    async def stepped_out(self) -> AsyncIterator[None]:
        """Give the turn of an entry to another call, and come back with a new one.

        For work of ours between two calls of one row. The entry still needs one :meth:`leave`.
        """
        self.leave()
        try:
            yield
            await self.enter()
        except BaseException:
            self._active += 1  # the caller leaves once, whatever happened here
            raise

    def saw(self, error: CarrierError | None) -> None:
        """Record how a call ended: None for an answer."""
        if error is None or error.outcome is Outcome.REJECTED:
            self._silent_since, self._backoff_s = None, 0.0
        if error is None:
            self._streak = ("", 0)
            self._grow()
        elif isinstance(error, AuthenticationFailed):
            self.broken = f"the carrier refused the credentials ({error.message})"
        elif isinstance(error, FundsExhausted):
            self.broken = error.message  # every next row would be refused as well
        elif isinstance(error, NotSent):
            self._not_sent(error)
        else:
            self._count(error)

    def close_breaker(self) -> None:
        """Reset for another run."""
        self.broken, self._streak, self._silent_since = None, ("", 0), None
        self._backoff_s, self._resume_at = 0.0, 0.0

    async def repeat(self, call: Callable[[], Awaitable[T]]) -> T:
        """Return ``await call()``, repeated on 429, 5xx, lost answers and failed connections.

        Only for calls that are free to repeat, never for a purchase. Raises the last error when all
        attempts fail, and a rejection at once. When call after call failed in all attempts, the
        carrier is down: the calls that follow are not made, because waiting for each of thousands
        of rows would take hours.
        """
        if self._given_up >= self._breaker_after and self._last_error is not None:
            raise self._last_error
        for attempt in range(1, self._attempts + 1):
            await self.enter()
            try:
                answer = await call()
            except CarrierError as error:
                if (
                    isinstance(error, (CarrierRejected, AuthenticationFailed))
                    or attempt == self._attempts
                ):
                    self._gave_up(error)
                    raise
                if isinstance(error, RateLimited):
                    self._throttle(error.retry_after_s)
                    attempt_pause = 0.0
                else:
                    attempt_pause = _jittered(_BACKOFF_S * 2 ** (attempt - 1))
            else:
                self._given_up = 0
                self._grow()
                return answer
            finally:
                self.leave()
            await asyncio.sleep(attempt_pause)
        raise AssertionError("unreachable")

    def _gave_up(self, error: CarrierError) -> None:
        """Count a call that failed in all its attempts; a rejection is an answer."""
        rejected = isinstance(error, CarrierRejected)
        self._given_up = 0 if rejected else self._given_up + 1
        self._last_error = None if rejected else error

    async def _in_time(self) -> None:
        """Wait for the end of a pause, then for the rate."""
        while (pause := self.pause_s) > 0:  # noqa: ASYNC110 - a pause can grow while it lasts
            await asyncio.sleep(min(pause, 0.25))
        if self._rate:
            wait = self._rate.plan(time.monotonic())
            while wait > 0 or (wait := self._rate.start(time.monotonic())) > 0:
                await asyncio.sleep(wait)
                wait = 0.0

    def _grow(self) -> None:
        if self.allowed >= self.concurrency:
            return
        self._successes += 1
        if self._successes >= _GROW_AFTER:
            self._successes = 0
            self.allowed += 1
            self._wake()

    def _throttle(self, retry_after_s: float | None) -> None:
        if self.pause_s == 0:  # halved once for all that were turned away together
            self.allowed = max(1, self.allowed // 2)
        self._successes = 0
        self._pause(retry_after_s if retry_after_s is not None else self._next_backoff())

    def _pause(self, seconds: float) -> None:
        self._resume_at = max(self._resume_at, time.monotonic() + seconds)

    def _next_backoff(self) -> float:
        self._backoff_s = (
            min(_LONGEST_BACKOFF_S, max(_BACKOFF_S, self._backoff_s * 2))
            if self.pause_s == 0
            else self._backoff_s
        )
        return _jittered(self._backoff_s)

    def _not_sent(self, error: NotSent) -> None:
        """Wait after a request that never left; after long enough, report the carrier as down."""
        now = time.monotonic()
        self._silent_since = self._silent_since or now
        if isinstance(error, RateLimited):
            self._throttle(error.retry_after_s)
            return
        self._pause(self._next_backoff())
        if now - self._silent_since >= self._down_after_s:
            self.broken = (
                f"the carrier could not be reached for {now - self._silent_since:.0f} s "
                f"({error.message})"
            )

    def _count(self, error: CarrierError) -> None:
        lost = error.outcome is not Outcome.REJECTED
        kind = "" if lost else f"{error.carrier_code or error.code}"
        self._streak = (kind, self._streak[1] + 1) if self._streak[0] == kind else (kind, 1)
        if self._streak[1] < self._breaker_after:
            return
        if lost:
            self.broken = f"the last {self._streak[1]} calls got no usable answer ({error.message})"
        else:
            self.broken = (
                f"the carrier refused the last {self._streak[1]} shipments for the same reason "
                f"({kind}: {error.message})"
            )

    def _wake(self) -> None:
        free = self.allowed - self._active
        while free > 0 and self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                free -= 1


def _jittered(seconds: float) -> float:
    return seconds * random.uniform(0.8, 1.2)  # noqa: S311 - not a secret
