"""The step before the money step, for carriers with ``prepare``.

``two_step``: a free request creates the shipment at the carrier and gives its id.
``idempotency_key``: the request is composed, and gives its key and what the same bytes are made of.
Either is durable in the ledger before the purchase is sent. So a row without one was not bought,
for certain, and a row with one is settled by asking for it. A row that is sent again buys under the
same one. A request with a key that was certainly never sent is composed again: its day or its price
may have passed.

To compose a request is work of our own, with a price question at most. So rows with keys are
composed while purchases have all the turns of the pace, and take a turn once they are durable.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, nullcontext
from typing import Final, TypeVar

from shipkit.carriers.protocol import Prepared, preparer, repeats_by_key
from shipkit.carriers.send_gate import check_gate
from shipkit.errors import AnswerLost, CarrierError, CarrierRejected, NotSent
from shipkit.models import Shipment
from shipkit.purchasing.run.run_state import RunState, moved
from shipkit.state import Outcome, RowState

__all__ = ["FirstStep", "NotBought", "called"]

log = logging.getLogger("shipkit.purchasing.run")

T = TypeVar("T")

_MOST_LOST: Final = 4
"""Lost answers of one row's first step in one run before the row fails. Each cost nothing; without
an end, a row that always breaks the carrier would be asked for ever."""

_AHEAD: Final = 1 / 4
"""Rows that may be composed without a turn, as a part of the calls that are allowed at a time."""


class NotBought(Exception):
    """The purchase of a row was not sent."""

    def __init__(self, error: CarrierError | None = None, seen: CarrierError | None = None) -> None:
        super().__init__()
        self.error = error
        """Why; None when the run was stopped meanwhile."""
        self.seen = seen
        """What the pace learns of, where that is another error."""


async def called(run: RunState, call: Callable[[], Awaitable[T]]) -> T | CarrierError:
    """Return the answer of one carrier call, or the error that says what is known after it."""
    # The carrier's client has a time-out of its own; twice that catches a client that hangs.
    longest_s, began = 2 * run.options.timeout_s, time.monotonic()
    try:
        async with asyncio.timeout(longest_s):
            check_gate()
            return await call()
    except CarrierError as error:
        return error
    except asyncio.CancelledError:
        return AnswerLost("The call was cancelled before the carrier answered.")
    except TimeoutError:
        return AnswerLost(f"The carrier did not answer within {longest_s:g} s.")
    except Exception as error:
        # A defect in the carrier's code says nothing about what the carrier did.
        log.warning("the carrier's code failed after sending began", exc_info=error)
        return AnswerLost(f"The carrier's answer could not be read ({type(error).__name__}).")
    finally:
        run.call_took(time.monotonic() - began)


class FirstStep:
    """Gives each row what its purchase is found by, durable before the purchase is sent."""

    def __init__(self, run: RunState) -> None:
        self._run, self._preparer = run, preparer(run.carrier)
        self._by_key = repeats_by_key(run.carrier)
        self._lost: Counter[int] = Counter()
        self._ahead: asyncio.Semaphore | None = None
        """Admits rows that are composed without a turn; None where the first step takes one."""
        if self._by_key and not run.pacer.rate_per_s:
            self._ahead = asyncio.Semaphore(1 + math.ceil(run.pacer.concurrency * _AHEAD))

    async def admit(self) -> None:
        """Return when one more row may begin; then comes :meth:`sent_under`, or :meth:`dismiss`."""
        if self._ahead is None:
            await self._run.pacer.enter()
        else:
            await self._ahead.acquire()

    def dismiss(self) -> None:
        """Take back an admission."""
        if self._ahead is None:
            self._run.pacer.leave()
        else:
            self._ahead.release()

    @asynccontextmanager
    async def sent_under(self, row: int, shipment: Shipment, reference: str) -> AsyncIterator[str]:
        """Yield what the purchase of an admitted row is sent under, while the row has a turn.

        It is `reference`, or the carrier's own id, or a key.

        Raises
        ------
        NotBought
            The first step failed, costs more than was approved, or the run was stopped.
        """
        if self._ahead is None:  # the admission is the turn
            try:
                yield await self._key(row, shipment, reference)
            finally:
                self._run.pacer.leave()
            return
        try:
            key = await self._key(row, shipment, reference)
            await self._turn()
        finally:
            self._ahead.release()
        try:
            yield key
        finally:
            self._run.pacer.leave()

    async def _turn(self) -> None:
        run = self._run
        try:
            await run.pacer.enter()
        except asyncio.CancelledError:
            raise NotBought from None
        if run.stop is not None:
            run.pacer.leave()
            raise NotBought

    async def _key(self, row: int, shipment: Shipment, reference: str) -> str:
        run, step = self._run, self._preparer
        if step is None:
            return reference
        known = run.ledger.prepared.get(row)
        if known is not None and not (self._by_key and row not in run.ledger.watch):
            return known  # sent before: the same again, never a second shipment
        answer = await called(
            run,
            lambda: step.prepare(shipment, run.manifest.shipper, reference, run.manifest.label),
        )
        if isinstance(answer, CarrierError):
            raise self._failed(row, answer)
        self._demand_price(row, answer)
        entry = moved(
            row,
            "prepared",
            RowState.IN_FLIGHT,
            **run.attempt(row),
            shipment_id=answer.shipment_id,
        )
        try:
            # The disk's time is not the carrier's: another row has the turn meanwhile.
            async with run.pacer.stepped_out() if self._ahead is None else nullcontext():
                await run.ledger.record([entry], urgent=self._ahead is None)
        except asyncio.CancelledError:
            raise NotBought from None
        if run.stop is not None:
            raise NotBought
        return answer.shipment_id

    def _failed(self, row: int, error: CarrierError) -> NotBought:
        """Return what a failed first step means: never a row in doubt, as it buys nothing."""
        if error.outcome is not Outcome.UNKNOWN:
            return NotBought(error)
        self._lost[row] += 1
        kind = NotSent if self._lost[row] < _MOST_LOST else CarrierRejected
        return NotBought(
            kind(
                f"{error.message} Nothing was bought.",
                fix="Run the row again later; if it fails again, look at its values.",
                carrier_code=error.carrier_code,
                transaction_id=error.transaction_id,
            ),
            seen=error,
        )

    def _demand_price(self, row: int, prepared: Prepared) -> None:
        """Raise NotBought when the row costs more than was approved, allowed drift included."""
        spend, price = self._run.spend, prepared.price
        quoted = int(spend.quoted[row])
        if price is None or not spend.has_quote(row):
            return
        if price.currency == spend.currency(row) and price.cents <= spend.price(row):
            return
        was = spend.money(row, quoted)
        raise NotBought(
            CarrierRejected(
                f"The price is {price} now, and {was} was approved. Nothing was bought.",
                fix="Preview the row again and approve its new price, or allow a price drift.",
                carrier_code="price_changed",
            )
        )
