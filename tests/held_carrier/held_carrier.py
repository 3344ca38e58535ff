"""A carrier that waits, as an object and as the plug-in ``held``.

A job on it can be seen running, paused or killed, however fast or slow the machine is.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from pathlib import Path

from shipkit.carriers.sandbox import PLUGIN as SANDBOX
from shipkit.carriers.sandbox import SandboxCarrier

__all__ = ["PLUGIN", "HeldSandbox"]

LONGEST_HOLD_S = 60
"""The hold ends by itself, so that a test that fails ends as well."""


class HeldSandbox(SandboxCarrier):
    """A sandbox that sells a few shipments and answers no more until the file `hold` is removed."""

    def __init__(self, hold: Path, *, sells: int = 3, **options) -> None:
        super().__init__(**{"concurrency": sells + 2, "timeout_s": 300, **options})
        self.hold, self.sells, self._asked = hold, sells, 0

    async def ship(self, *args):
        self._asked += 1
        if self._asked > self.sells:
            deadline = time.monotonic() + LONGEST_HOLD_S
            while self.hold.exists() and time.monotonic() < deadline:  # noqa: ASYNC110 - a file, because another process may remove it
                await asyncio.sleep(0.01)
        return await super().ship(*args)

    def release(self) -> None:
        """Answer again."""
        self.hold.unlink(missing_ok=True)


def _create(_, shared) -> HeldSandbox:
    made = HeldSandbox(shared.home / "hold", home=shared.home)
    made.identity, made.services = replace(made.identity, name="held"), SERVICES
    return made


SERVICES = replace(
    SANDBOX.services,
    carrier="held",
    entries=tuple(replace(entry, carrier="held") for entry in SANDBOX.services.entries),
)
PLUGIN = replace(SANDBOX, name="held", services=SERVICES, create=_create)
"""It holds while ``<home>/hold`` exists."""
