"""How callers of one session take turns: threads, tasks, and cells that are interrupted."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, TypeVar, cast

import duckdb

from shipkit.carriers.connection import Connection
from shipkit.common.portal import Portal
from shipkit.common.sql import is_interrupt
from shipkit.common.turns import Place, Turns
from shipkit.errors import InputError
from shipkit.plan.planner import Planner

__all__ = ["TurnMembers", "in_turn"]

T = TypeVar("T")
Method = TypeVar("Method", bound=Callable[..., Any])


class TurnMembers:
    """What a session needs to let its callers take turns. Others wait while orders are priced."""

    _turns: Turns
    _planner: Planner
    _connection: Connection

    @property
    def _portal(self) -> Portal:
        """The background loop, under the name that scripts for the first release reach it by."""
        return self._connection.portal

    def _run(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Return what `work` returns, run on the background loop in this caller's turn.

        An interrupt ends the query that runs. The turn ends when `work` has, even if the caller
        was interrupted twice and no longer waits for it.
        """
        return self._connection.portal.run(
            self._in_turn(work), on_cancel=self._planner.con.interrupt
        )

    def _enter(self, place: Place) -> None:
        portal = self._connection.portal
        if not self._turns.enter(place, may_wait=lambda: not portal.here):
            raise InputError(
                "This session is busy, and this callback is part of what it waits for.",
                fix="Call the session after the callback has returned.",
            )

    def _leave(self, place: Place) -> None:
        try:
            self._turns.leave(place)
        except KeyboardInterrupt:  # it came on the way
            self._turns.leave(place)
            raise

    async def _in_turn(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        place = Place()
        try:
            await self._turns.enter_async(place)
            return await work()
        finally:
            self._turns.leave(place)


def in_turn(method: Method) -> Method:
    """Let the callers of `method` take turns."""

    @wraps(method)
    def taken(self: TurnMembers, *given: Any, **named: Any) -> Any:
        place = Place()
        try:
            self._enter(place)
            return method(self, *given, **named)
        except duckdb.ConnectionException:
            raise InputError(
                "This session is closed.", fix="Make a new BatchSession with the orders."
            ) from None
        except (RuntimeError, duckdb.InterruptException) as error:
            if is_interrupt(error):
                raise KeyboardInterrupt from None
            raise
        finally:
            self._leave(place)

    return cast("Method", taken)
