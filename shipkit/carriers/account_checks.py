"""What the test hosts of accounts have shown, kept in the home with its date.

``shipkit carriers check`` writes it. A carrier reads it where its safety rests on something that
only its own test host can show: that a repeated key returns the same label.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from shipkit.common.files import make_private, write_file

__all__ = ["AccountCheck", "AccountChecks"]


@dataclass(frozen=True)
class AccountCheck:
    """What was shown for one account."""

    date: str
    """The day, ``2026-11-29``."""
    repeat_is_same: bool
    """A repeated purchase with its key returned the same label at the same price."""
    differences: tuple[str, ...] = ()
    """What was not as expected, in words."""


class AccountChecks:
    """The checks in a home: one file for each carrier. Accounts are kept as digests.

    Parameters
    ----------
    home
        The home of the settings.
    """

    def __init__(self, home: Path) -> None:
        self._folder = home / "checks"

    def last(self, carrier: str, account: str) -> AccountCheck | None:
        """Return the last check of an account, None without one that can be read."""
        found = self._all(carrier).get(_digest(account))
        if not isinstance(found, dict) or not isinstance(found.get("differences"), list):
            return None
        same = found.get("repeat_is_same") is True
        return AccountCheck(str(found.get("date")), same, tuple(map(str, found["differences"])))

    def keep(self, carrier: str, account: str, check: AccountCheck) -> Path:
        """Keep a check, and return the file."""
        path = self._path(carrier)
        found = {**self._all(carrier), _digest(account): asdict(check)}
        make_private(path.parent)
        write_file(path, json.dumps(found, indent=1, ensure_ascii=False), private=True)
        return path

    def _all(self, carrier: str) -> dict[str, dict[str, Any]]:
        try:
            found = json.loads(self._path(carrier).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def _path(self, carrier: str) -> Path:
        return self._folder / f"{carrier}.json"


def _digest(account: str) -> str:
    return hashlib.sha256(account.encode()).hexdigest()[:32]
