"""The carrier that a batch or a job talks to: made on first use, called from one background loop.

Reading orders, printing a session or looking at a job that was bought last year needs no carrier,
and so no credentials. A carrier is made when the first call to it is about to be sent.
"""

from __future__ import annotations

import math
from collections.abc import Coroutine
from typing import Any, TypeVar

from shipkit.carriers.pace import Pacer
from shipkit.carriers.protocol import Carrier
from shipkit.carriers.registry import check, resolve, services_of
from shipkit.common.portal import Portal
from shipkit.errors import InputError
from shipkit.services import ServiceList
from shipkit.settings import Settings

__all__ = ["Connection"]

T = TypeVar("T")


class Connection:
    """A carrier, the pace it is asked at, and the event loop its connections belong to.

    Parameters
    ----------
    given
        A carrier, or the name of one that is set up from `settings`.
    default
        The name used if `given` is None; default: ``settings.carrier``. It is not checked before
        the first call: a job whose carrier is no longer installed can still be read.
    concurrency
        Most calls at the same time, 1 or more; default: the carrier's own.
    rate_limit
        Most calls started per second, greater than 0; default: the carrier's own.

    Raises
    ------
    InputError
        `given` is an object that is no carrier, or `concurrency` or `rate_limit` is out of range.
    SettingsError
        There is no carrier with this name.
    """

    def __init__(
        self,
        given: Carrier | str | None,
        settings: Settings,
        *,
        default: str | None = None,
        concurrency: int | None = None,
        rate_limit: float | None = None,
    ) -> None:
        check(given)
        _check_pace(concurrency, rate_limit)
        self.given: Carrier | str = given or default or settings.carrier
        """What :attr:`carrier` is or will be made from."""
        self.concurrency, self.rate_limit = concurrency, rate_limit
        self.portal = Portal()
        self._settings = settings
        self._carrier: Carrier | None = None

    @property
    def carrier(self) -> Carrier:
        """The carrier. Raises SettingsError when it is not set up; sends nothing."""
        if self._carrier is None:
            self._carrier = resolve(self.given, self._settings)
            if isinstance(self.given, str):
                # One that was given as an object may be in use elsewhere: its owner closes it.
                self.portal.at_end(self._carrier.aclose)
        return self._carrier

    @property
    def services(self) -> ServiceList:
        """What the carrier offers. Needs no credentials."""
        return services_of(self.given, self._settings)

    def pacer(self) -> Pacer:
        """Return a pacer at the pace that was asked for, else at the carrier's own."""
        pace = self.carrier.pace
        return Pacer(
            concurrency=self.concurrency or pace.concurrency,
            rate_per_s=self.rate_limit or pace.rate_per_s,
        )

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Return what `work` returns, run on the background loop; also from inside a loop."""
        return self.portal.run(work)

    def close(self) -> None:
        """Close the carrier's connections and end the loop. The next call opens both again.

        A connection that nothing refers to any more is closed too, unless it runs a job.

        A carrier that was given as an object is closed too: its connections belong to this loop,
        and another session that is given the same object opens its own.
        """
        if self._carrier is not None:
            self.portal.run(self._carrier.aclose())
            self._carrier = None
        self.portal.close()


def _check_pace(concurrency: int | None, rate_limit: float | None) -> None:
    if concurrency is not None and not (concurrency >= 1 and concurrency == int(concurrency)):
        raise InputError(
            f"concurrency={concurrency!r} is out of range: it must be a whole number of 1 or more.",
            fix="Leave it out to use the carrier's own pace.",
        )
    if rate_limit is not None and not 0 < rate_limit < math.inf:
        raise InputError(
            f"rate_limit={rate_limit!r} is out of range: it must be greater than 0 calls per "
            "second.",
            fix="Leave it out to use the carrier's own pace.",
        )
