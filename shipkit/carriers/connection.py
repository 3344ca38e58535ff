"""The carriers that a batch or a job talks to: made on first use, called from one background loop.

Reading orders, printing a session or looking at a job that was bought last year needs no carrier,
and so no credentials. A carrier is made when the first call to it is about to be sent.
"""

from __future__ import annotations

import math
from collections.abc import Coroutine, Mapping, Sequence
from functools import cached_property
from typing import Any, TypeVar

from shipkit.carriers.accounts import (
    Account,
    Accounts,
    CarrierAccount,
    demand_one_kind,
    named_accounts,
)
from shipkit.carriers.joint_services import JointServices
from shipkit.carriers.pace import Pacer
from shipkit.carriers.protocol import Carrier
from shipkit.carriers.registry import check, resolve, services_of
from shipkit.common.portal import Portal
from shipkit.errors import InputError
from shipkit.services import ServiceList
from shipkit.settings import Settings

__all__ = ["Carriers", "Connection"]

T = TypeVar("T")

Carriers = Sequence[Carrier | str | CarrierAccount] | Mapping[str, Carrier | str]
"""Several accounts, as ``carriers=`` takes them: in order, or by their names in the batch."""


class Connection:
    """Carriers, the pace they are asked at, and the event loop their connections belong to.

    Parameters
    ----------
    given
        A carrier, or the name of one that is set up from `settings`.
    several
        The accounts of a batch that compares them. Not together with `given`.
    default
        What is used if neither is given: the name of a carrier, or accounts. Default:
        ``settings.carrier``. It is not checked before the first call: a job whose carrier is no
        longer installed can still be read.
    concurrency
        Most calls at the same time of one account, 1 or more; default: the carrier's own.
    rate_limit
        Most calls of one account started per second, greater than 0; default: the carrier's own.

    Raises
    ------
    InputError
        `given` is an object that is no carrier, both `given` and `several` are given, or
        `concurrency` or `rate_limit` is out of range.
    SettingsError
        There is no carrier with this name.
    """

    def __init__(
        self,
        given: Carrier | str | None,
        settings: Settings,
        *,
        several: Carriers | None = None,
        default: str | Mapping[str, str] | None = None,
        concurrency: int | None = None,
        rate_limit: float | None = None,
    ) -> None:
        check(given)
        _check_pace(concurrency, rate_limit)
        if given is not None and several is not None:
            raise InputError(
                "carrier= and carriers= were both given.",
                fix="Give one carrier with carrier=, or all accounts with carriers=.",
            )
        joint = several is not None
        if several is None and given is None and isinstance(default, Mapping):
            several, joint = default, True
        if several is None:
            name = default if isinstance(default, str) else settings.carrier
            self.given: tuple[CarrierAccount, ...] = (CarrierAccount(given or name),)
        else:
            self.given = named_accounts(several)
        self.alone = not joint or len(self.given) == 1
        """Whether there is one account. ``carriers=`` with one is the same as ``carrier=``."""
        self.concurrency, self.rate_limit = concurrency, rate_limit
        self.portal = Portal()
        self._settings = settings
        self._carriers: dict[str, Carrier] = {}

    @property
    def carrier(self) -> Carrier:
        """The one carrier. Raises SettingsError when it is not set up; sends nothing.

        Raises InputError where there are several.
        """
        if not self.alone:
            raise InputError(
                f"There are several carriers here: {', '.join(self.names)}.",
                fix="Use session.carriers, a dict of them by name.",
            )
        return self._made(self.given[0])

    @property
    def carriers(self) -> dict[str, Carrier]:
        """The carriers by the names of their accounts, set up."""
        return {account.name: self._made(account) for account in self.given}

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the accounts."""
        return tuple(account.name for account in self.given)

    def accounts(self, *, of_job: bool = False) -> Accounts:
        """Return the accounts, set up, each with a pacer of its own that begins afresh.

        Parameters
        ----------
        of_job
            Leave it to the job to refuse accounts that are not its own.

        Raises
        ------
        SettingsError
            Credentials are missing.
        InputError
            Live and test accounts are mixed.
        """
        members = [
            Account(name, carrier, self._pacer(carrier)) for name, carrier in self.carriers.items()
        ]
        accounts = Accounts(members, alone=self.alone, services=self._joint)
        if not of_job:
            demand_one_kind(accounts)
        return accounts

    @property
    def services(self) -> ServiceList:
        """What is offered. Needs no credentials."""
        return self._joint or services_of(self.given[0].carrier, self._settings)

    @cached_property
    def _joint(self) -> ServiceList | None:
        """The services of several accounts: one object, because what follows from it is kept."""
        if self.alone:
            return None
        return JointServices.of(
            {account.name: services_of(account.carrier, self._settings) for account in self.given}
        )

    def _made(self, account: CarrierAccount) -> Carrier:
        carrier = self._carriers.get(account.name)
        if carrier is None:
            carrier = resolve(account.carrier, self._settings)
            if isinstance(account.carrier, str):
                # One that was given as an object may be in use elsewhere: its owner closes it.
                self.portal.at_end(carrier.aclose)
            self._carriers[account.name] = carrier
        return carrier

    def _pacer(self, carrier: Carrier) -> Pacer:
        """Return a pacer at the pace that was asked for, else at the carrier's own."""
        pace = carrier.pace
        return Pacer(
            concurrency=self.concurrency or pace.concurrency,
            rate_per_s=self.rate_limit or pace.rate_per_s,
        )

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Return what `work` returns, run on the background loop; also from inside a loop."""
        return self.portal.run(work)

    def close(self) -> None:
        """Close the carriers' connections and end the loop. The next call opens both again.

        A connection that nothing refers to any more is closed too, unless it runs a job.

        A carrier that was given as an object is closed too: its connections belong to this loop,
        and another session that is given the same object opens its own.
        """
        for carrier in self._carriers.values():
            self.portal.run(carrier.aclose())
        self._carriers.clear()
        self.portal.close()

    def __str__(self) -> str:
        """Return the accounts as they were named, for those that are not set up."""
        return " + ".join(
            f"{each.carrier}" if each.name == str(each.carrier) else each.name
            for each in self.given
        )


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
