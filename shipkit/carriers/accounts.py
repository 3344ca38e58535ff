"""The accounts that a batch or a job buys from: one, or several that are compared.

Everything that asks a carrier about rows takes an :class:`Accounts` and lets it say which account a
row belongs to. A single carrier is the case of one account.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from shipkit.carriers import registry
from shipkit.carriers.joint_services import JointServices
from shipkit.carriers.pace import Pacer
from shipkit.carriers.protocol import Carrier, CarrierIdentity, JointIdentity
from shipkit.errors import InputError
from shipkit.services import ServiceList

__all__ = ["Account", "Accounts", "CarrierAccount", "demand_one_kind", "named_accounts"]

_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,39}")


@dataclass(frozen=True)
class CarrierAccount:
    """One of the accounts of a batch: a carrier, and the name that the batch knows it by.

    Needed only where two accounts of one carrier are in one batch: otherwise an account is called
    what its carrier is called.

    Examples
    --------
    >>> import shipkit as sk
    >>> east = sk.CarrierAccount("sandbox", name="east")
    >>> east.name
    'east'
    """

    carrier: Carrier | str
    """A carrier, or the name of one."""
    name: str = ""
    """Lower case letters, digits and underscores; default: the carrier's name."""

    def __post_init__(self) -> None:
        if not self.name:
            own = self.carrier
            name = own.strip().lower() if isinstance(own, str) else own.identity.name
            object.__setattr__(self, "name", name)

    def check(self) -> None:
        """Raise InputError where it cannot be an account of a batch; SettingsError likewise."""
        registry.check(self.carrier)
        if not _NAME.fullmatch(self.name):
            raise InputError(
                f"An account cannot be named {self.name!r}.",
                fix="Use lower case letters, digits and underscores, starting with a letter.",
            )


@dataclass(frozen=True)
class Account:
    """An account that is set up, and the pace that it is asked at."""

    name: str
    """Its name in the batch."""
    carrier: Carrier
    pacer: Pacer


class Accounts:
    """The accounts of a batch or a job, set up, in the order they were given.

    Parameters
    ----------
    members
        One or more.
    alone
        Whether the batch has one carrier and does not name accounts at all; default: as there is
        one.
    services
        What they offer; default: made from the carriers.
    """

    def __init__(
        self,
        members: Sequence[Account],
        *,
        alone: bool | None = None,
        services: ServiceList | None = None,
    ) -> None:
        self._members = {account.name: account for account in members}
        self.alone = len(members) == 1 if alone is None else alone
        self._services = services

    @classmethod
    def of(cls, carrier: Carrier | Accounts, pacer: Pacer | None = None) -> Accounts:
        """Return `carrier` as accounts; accounts are returned as they are.

        Parameters
        ----------
        pacer
            The pace of a single carrier; default: its own.
        """
        if isinstance(carrier, Accounts):
            return carrier
        pace = carrier.pace
        own = pacer or Pacer(concurrency=pace.concurrency, rate_per_s=pace.rate_per_s)
        return cls([Account(carrier.identity.name, carrier, own)])

    def __iter__(self) -> Iterator[Account]:
        return iter(self._members.values())

    def __len__(self) -> int:
        return len(self._members)

    def __getitem__(self, name: str) -> Account:
        return self._members[name]

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the accounts, in order."""
        return tuple(self._members)

    @property
    def only(self) -> Account:
        """The one account of a batch that has one."""
        [account] = self
        return account

    @cached_property
    def identity(self) -> CarrierIdentity:
        """Whose money is spent: the one account's identity, or that of all together."""
        if self.alone:
            return self.only.carrier.identity
        return JointIdentity.of({account.name: account.carrier.identity for account in self})

    @cached_property
    def services(self) -> ServiceList:
        """What is offered: in a batch with several accounts each service has its account first."""
        if self._services is not None:
            return self._services
        if self.alone:
            return self.only.carrier.services
        return JointServices.of({account.name: account.carrier.services for account in self})


def named_accounts(
    given: Sequence[Carrier | str | CarrierAccount] | Mapping[str, Carrier | str],
) -> tuple[CarrierAccount, ...]:
    """Return the accounts of ``carriers=`` by name, in order.

    Raises
    ------
    InputError
        There is none, two have the same name, or something is not a carrier.
    SettingsError
        There is no carrier of a name.
    """
    if isinstance(given, str):
        given = [given]
    if isinstance(given, Mapping):
        found = [CarrierAccount(carrier, name) for name, carrier in given.items()]
    else:
        for each in given:
            if not isinstance(each, CarrierAccount):
                registry.check(each)
        found = [
            each if isinstance(each, CarrierAccount) else CarrierAccount(each) for each in given
        ]
    for account in found:
        account.check()
    if not found:
        raise InputError(
            "carriers is empty: no carrier sells the labels.",
            fix='Name at least one: carriers=["usps", "ups"].',
        )
    names = [account.name for account in found]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise InputError(
            f"Two accounts are called {twice!r}.",
            fix="Name them apart: carriers=[sk.CarrierAccount(one, name="
            f'"{twice}_east"), sk.CarrierAccount(other, name="{twice}_west")].',
        )
    return tuple(found)


def demand_one_kind(accounts: Accounts) -> None:
    """Raise InputError where live and other accounts, or one account twice, would be one batch.

    Limits, pace and breaker are of an account: under two names it would have each of them twice.
    """
    found: dict[str, str] = {}
    for account in accounts:
        whose = account.carrier.identity
        if whose.account and (name := found.setdefault(repr(whose), account.name)) != account.name:
            raise InputError(
                f"{name} and {account.name} are the same account: {whose}.",
                fix="Name it once, or give the second carrier settings of its own.",
            )
    kinds = {account.name: account.carrier.identity.live for account in accounts}
    if len(set(kinds.values())) < 2:
        return
    live = ", ".join(name for name, is_live in kinds.items() if is_live)
    other = ", ".join(name for name, is_live in kinds.items() if not is_live)
    raise InputError(
        "Live and test accounts cannot be in one batch. Real money is spent on labels of "
        f"{live}, and none on those of {other}. Nothing was asked.",
        fix="Set all of them to live, or all of them to test (SHIPKIT_<CARRIER>_ENV).",
    )
