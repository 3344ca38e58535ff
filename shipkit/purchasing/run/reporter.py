"""Reports the progress of a run about ten times a second."""

from __future__ import annotations

import asyncio
import logging
import time

from shipkit.purchasing.run.run_state import RunState
from shipkit.purchasing.signals import Progress
from shipkit.state import RowState

__all__ = ["ProgressReporter"]

log = logging.getLogger("shipkit.purchasing.run")

_EVERY_S = 0.1


class ProgressReporter:
    """Calls the progress callback. Whatever the callback does, the job continues."""

    def __init__(self, run: RunState) -> None:
        self._run = run
        self._failed = False

    async def tick(self) -> None:
        """Report at intervals, until cancelled."""
        while True:
            await asyncio.sleep(_EVERY_S)
            self.report()

    def report(self) -> None:
        """Report once."""
        progress = self._run.options.progress
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
        total = run.manifest.shipments - count(RowState.SKIPPED)
        return Progress(
            done=total - open_rows,
            total=total,
            shipped=count(RowState.SHIPPED),
            failed=count(RowState.FAILED),
            in_doubt=count(RowState.IN_DOUBT) + count(RowState.REVIEW),
            spent_cents=run.spend.spent,
            currency=run.spend.main_currency,
            rate_per_s=run.bought / elapsed if elapsed > 0 else 0.0,
            elapsed_s=elapsed,
            last_error=run.last_error,
            note=run.note,
        )
