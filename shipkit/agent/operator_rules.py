"""What the operator of the tools decides before any model acts: folders, shippers, mode, budget."""

from __future__ import annotations

import shlex
import threading
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shipkit.errors import InputError, SourceError, SpendLimitExceeded
from shipkit.models import Address, Money
from shipkit.settings import Settings

__all__ = ["OperatorRules", "SharedBudget"]

_FILES_LISTED = 20


@dataclass(frozen=True)
class OperatorRules:
    """The decisions of the operator.

    Parameters
    ----------
    wire
        The caller is a client over MCP, so a call is not the word of the host program.
    many_clients
        Several clients may be connected (HTTP): a batch must be named unless it is the only one.
    home
        Folder of previews and jobs.
    roots
        Folders whose files may be loaded.
    shippers
        Name to address: the shippers that may be used without asking a person.
    carrier
        Name of a carrier, or an object with the Carrier protocol; several of them in a list, or by
        name, where batches compare several accounts.
    mode
        Mode of new batches. AUTO permits the agent to buy without asking.
    max_total
        Spend limit for all jobs together.
    trust_client_approval
        Accept ``approved: true`` from the client program as a person's approval.
    approve_elsewhere
        Never ask a person through the client: only an approval recorded by another process counts.
    text_only
        Answers are text and facts, without resource links as content of their own.
    max_batches
        How many batches stay open; the least recently used one is closed first.
    """

    wire: bool = False
    many_clients: bool = False
    home: Path | None = None
    roots: tuple[Path, ...] = ()
    shippers: Mapping[str, Address] = field(default_factory=dict)
    carrier: Any = None
    mode: str = "confirm"
    max_total: Money | None = None
    trust_client_approval: bool = False
    approve_elsewhere: bool = False
    text_only: bool = False
    max_batches: int = 8

    @property
    def carrier_options(self) -> dict[str, Any]:
        """The arguments of a session for the operator's carrier, or for several."""
        several = isinstance(self.carrier, (list, tuple, Mapping))
        return {"carriers": self.carrier} if several else {"carrier": self.carrier}

    def carriers_of_job(self, names: Sequence[str]) -> dict[str, Any]:
        """Return the arguments that open a job with the accounts `names`.

        Of several carriers, those of the job; all of them where the job has others, so that it is
        refused.
        """
        if "carriers" not in self.carrier_options:
            return self.carrier_options
        from shipkit.carriers.accounts import named_accounts

        given = {account.name: account.carrier for account in named_accounts(self.carrier)}
        own = {name: given[name] for name in names if name in given}
        if len(names) == 1 and own:
            return {"carrier": own[names[0]]}
        return {"carriers": own if len(own) == len(names) else given}

    def readable(self, path: str) -> Path:
        """Return the file that `path` names inside the operator's folders. Raises SourceError."""
        roots = [root.resolve() for root in self.roots]
        if not roots:
            raise SourceError(
                "This server reads no files: its operator allowed no folder.",
                fix="Pass the orders as rows, or ask the operator for --root FOLDER.",
            )
        for root in roots:
            with suppress(OSError, ValueError):  # a name that no file can have
                # resolve() follows links, so a link out of the folder is refused as well
                found = (root / path).resolve()
                if found.is_relative_to(root) and found.is_file():
                    return found
        names = ", ".join(_file_names(roots)) or "none"
        raise SourceError(
            "There is no such file in the folders that the operator allowed.",
            fix=f"Files there: {names}.",
        )

    def shipper_names(self, settings: Settings) -> list[str]:
        """Return the names of the shippers that may be used."""
        return sorted({*self.shippers, *settings.file.get("shippers", {})})

    def shipper(self, given: str | Mapping[str, Any], settings: Settings) -> tuple[Address, bool]:
        """Return the shipper that `given` means, and whether the operator allowed it.

        Raises
        ------
        InputError
            The name is unknown, or the fields are not an address.
        """
        if isinstance(given, str):
            return self._shipper_named(given, settings), True
        try:
            address = Address(**given)
        except (ValueError, TypeError):
            raise InputError(
                "shipper_info is not an address.",
                fix="Use the name of a shipper, or give these fields: "
                f"{', '.join(Address.model_fields)}.",
            ) from None
        allowed = [self._shipper_named(name, settings) for name in self.shipper_names(settings)]
        return address, address in allowed

    def _shipper_named(self, name: str, settings: Settings) -> Address:
        if name in self.shippers:
            return self.shippers[name]
        names = self.shipper_names(settings)
        if name not in names:
            known = ", ".join(names) or "none; start the server with --shipper NAME=FILE"
            raise InputError(f"Unknown shipper {name[:40]!r}.", fix=f"Known shippers: {known}.")
        return settings.shipper(name)

    def terminal_command(self, words: str) -> str:
        """Return a command of the command line for the same home."""
        if self.home is None:
            return f"shipkit {words}"
        return f"shipkit {words} --home {shlex.quote(str(self.home))}"


class SharedBudget:
    """The operator's ``--max-total``, shared by all jobs.

    A job reserves its whole quoted cost before it starts: two jobs that start together must not
    both see the same free amount. When it ends, the reservation becomes what it really cost.
    """

    def __init__(self, limit: Money | None) -> None:
        self.limit = limit
        self._reserved: dict[str, int] = {}
        self._guard = threading.RLock()

    def reserve(self, key: str, cents: int, currency: str) -> int | None:
        """Reserve `cents` for the job `key`, and return the minor units that it may spend.

        Returns None when there is no limit.

        Raises
        ------
        SpendLimitExceeded
            The limit has not that much left.
        """
        if self.limit is None:
            return None
        with self._guard:
            others = self.check(key, cents, currency)
            self._reserved[key] = cents
            return self.limit.cents - others

    def check(self, key: str, cents: int, currency: str) -> int:
        """Return what other jobs have reserved or spent. Raises as :meth:`reserve`."""
        limit = self.limit
        if limit is None:
            return 0
        with self._guard:
            others = sum(spent for name, spent in self._reserved.items() if name != key)
            if currency != limit.currency or others + cents > limit.cents:
                raise SpendLimitExceeded(
                    f"This would cost {Money.from_cents(cents, currency)}; of the operator's limit "
                    f"of {limit}, {Money.from_cents(others, limit.currency)} is spent or reserved. "
                    "Nothing was bought.",
                    fix="Filter further, or ask the operator for a higher --max-total.",
                )
            return others

    def settle(self, key: str, cents: int) -> None:
        """Replace the reservation of a finished job by what it really cost."""
        with self._guard:
            if key in self._reserved:
                self._reserved[key] = cents


def _file_names(roots: Iterable[Path]) -> list[str]:
    found = [
        path.name
        for root in roots
        if root.is_dir()
        for path in sorted(root.iterdir())
        if path.is_file() and not path.name.startswith(".")
    ]
    return found[:_FILES_LISTED]
