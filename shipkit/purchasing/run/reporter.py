"""Reports the progress of a run about ten times a second."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Protocol

from shipkit.models import Money
from shipkit.purchasing.signals import Progress
from shipkit.purchasing.spend import Spend
from shipkit.purchasing.store.ledger import Ledger
from shipkit.purchasing.store.manifest import Manifest
from shipkit.state import RowState

__all__ = ["ProgressReporter"]

log = logging.getLogger("shipkit.purchasing.run")

_EVERY_S = 0.1


class Reported(Protocol):
    """A run, as far as its progress is concerned."""

    @property
    def progress(self) -> Callable[[Progress], None] | None:
        """What is called."""

    @property
    def ledger(self) -> Ledger:
        """The job's ledger."""

    @property
    def manifest(self) -> Manifest:
        """What the job is."""

    @property
    def spend(self) -> Spend:
        """What is spent."""

    @property
    def began(self) -> float:
        """When the run began, in monotonic seconds."""

    @property
    def bought(self) -> int:
        """Shipments bought by this run."""

    @property
    def last_error(self) -> str | None:
        """The last error of a row."""

    @property
    def note(self) -> str | None:
        """What the run is waiting for, in words."""


class ProgressReporter:
    """Calls the progress callback. Whatever the callback does, the job continues."""

    def __init__(self, run: Reported) -> None:
        self._run = run
        self._failed = False

    async def tick(self) -> None:
        """Report at intervals, until cancelled."""
        while True:
            await asyncio.sleep(_EVERY_S)
            self.report()

    def report(self) -> None:
        """Report once."""
        progress = self._run.progress
        if progress is None:
            return
        try:
            progress(self._progress())
        except Exception as error:  # noqa: BLE001 - a broken progress bar must not stop purchases
            if not self._failed:  # ten warnings a second would bury everything else
                log.warning("the progress callback failed, and the job continues: %s", error)
            self._failed = True

    def _progress(self) -> Progress:
        run, count = self._run, self._run.ledger.count
        elapsed = time.monotonic() - run.began
        open_rows = sum(
            count(state) for state in (RowState.PENDING, RowState.IN_FLIGHT, RowState.IN_DOUBT)
        )
        total, main = run.manifest.shipments - count(RowState.SKIPPED), run.spend.main_currency
        return Progress(
            done=total - open_rows,
            total=total,
            shipped=count(RowState.SHIPPED),
            failed=count(RowState.FAILED),
            in_doubt=count(RowState.IN_DOUBT) + count(RowState.REVIEW),
            spent_cents=run.spend.spent_in[main],
            currency=main,
            rate_per_s=run.bought / elapsed if elapsed > 0 else 0.0,
            elapsed_s=elapsed,
            last_error=run.last_error,
            note=run.note,
            spent_besides=tuple(
                Money.from_cents(cents, name)
                for name, cents in sorted(run.spend.spent_in.items())
                if cents and name != main
            ),
        )
