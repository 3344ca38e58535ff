"""The purchases of one account within a run, as tasks that begin and end together."""

from __future__ import annotations

import asyncio
import time
from typing import Any, Final

from shipkit.common.words import counted
from shipkit.purchasing.run.dispatch import Dispatcher
from shipkit.purchasing.run.feeder import Feeder
from shipkit.purchasing.run.run_state import RunState

__all__ = ["Lane"]

_LOOK_EVERY_S: Final = 0.25
"""How often rows in doubt are checked for one that is due."""


class Lane:
    """One account at work: rows are fed and sent at its own pace, its rows in doubt looked up.

    The lanes of a run share the ledger and the limits. One that stops (its breaker opened) takes
    back what it did not send, and the others go on.
    """

    def __init__(self, run: RunState) -> None:
        self.run = run
        self.feeder = Feeder(run)
        self.dispatcher = Dispatcher(run, self.feeder)
        self._tasks: list[asyncio.Task[Any]] = [
            asyncio.create_task(work)
            for work in (self.feeder.feed(), self.dispatcher.dispatch(), self._look_after())
        ]

    @property
    def done(self) -> bool:
        """Whether nothing is left for this account to send or to look up, or it has stopped."""
        if self.run.stop is not None:
            return not self._tasks
        return self.feeder.done and not self.run.doubts.doubts

    def check(self) -> None:
        """Raise what ended one of the tasks."""
        for task in self._tasks:
            if task.done():
                task.result()

    async def end(self) -> None:
        """Send nothing more, and make rows pending again that have an intent and were not sent."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        # Only now: a feeder that is still writing would hand out again what is taken back.
        self.feeder.take_back()

    async def _look_after(self) -> None:
        """Look up rows in doubt when they are due, until cancelled."""
        run = self.run
        while True:
            now = time.monotonic()
            due = run.doubts.due(now)
            if due:
                await asyncio.gather(
                    *(run.doubts.look(doubt) for doubt in due[: run.pacer.concurrency])
                )
                run.doubts.give_up(time.monotonic())
                run.poke()
            waiting = run.doubts.doubts
            run.note = f"looking up {counted(len(waiting), 'row')} in doubt" if waiting else None
            next_at = min(
                (doubt.next_at for doubt in waiting.values()), default=now + _LOOK_EVERY_S
            )
            await asyncio.sleep(min(max(next_at - time.monotonic(), 0.01), _LOOK_EVERY_S))
