"""Spend is reserved before a row is sent: charged + quoted (with the allowed drift) of all in flight, in doubt and next.

All amounts are minor units, as integers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import numpy as np

from shipkit.models import Money
from shipkit.purchasing.store.ledger import Ledger
from shipkit.state import RowState

__all__ = ["Spend"]

_MAY_COST = (RowState.IN_FLIGHT, RowState.IN_DOUBT, RowState.REVIEW)


class Spend:
    """What a job has spent and may still spend, kept beside its ledger.

    Parameters
    ----------
    quoted
        Quoted minor units of each row.
    currencies
        Currency of each row's quote.
    limits
        ``total_cents``, ``per_shipment_cents``, ``max_shipments``, ``price_drift``, ``currency``;
        null where there is none.
    """

    def __init__(
        self,
        ledger: Ledger,
        quoted: np.ndarray[Any, Any],
        currencies: Any,
        limits: Mapping[str, Any],
    ) -> None:
        self._ledger, self.quoted, self._currencies = ledger, quoted, currencies
        self._total = limits.get("total_cents")
        self._each = limits.get("per_shipment_cents")
        self._most = limits.get("max_shipments")
        drift = limits.get("price_drift")
        self.drift = None if drift is None else Decimal(str(drift))
        self._currency = limits.get("currency") or "USD"
        self.spent = int(ledger.charged.sum())
        self.bought = sum(ledger.count(state) for state in (*_MAY_COST, RowState.SHIPPED))
        """Shipments bought, or that may be."""
        self.reserved = sum(self.price(int(row)) for row in ledger.rows(*_MAY_COST))

    @property
    def main_currency(self) -> str:
        """The currency of the first priced row, for showing one amount."""
        return next((c.as_py() for c in self._currencies if c.is_valid), self._currency)

    def currency(self, row: int) -> str:
        """Return the currency of a row's quote."""
        return self._currencies[row].as_py() or self._currency

    def price(self, row: int) -> int:
        """Return what is set aside for `row`: its quote with the allowed drift."""
        quoted = int(self.quoted[row])
        return quoted if self.drift is None else math.ceil(quoted * (1 + self.drift))

    def refusal(self, row: int) -> str | None:
        """Return why `row` may not be sent now, None when it may."""
        price = self.price(row)
        limited = self._total is not None or self._each is not None
        if limited and self._currencies[row].as_py() != self._currency:
            return (
                f"the spend limits are in {self._currency} and a shipment is priced in "
                f"{self._currencies[row].as_py()}"
            )
        if self._each is not None and price > self._each:
            return (
                f"a shipment of {self._money(price)} passes the limit of "
                f"{self._money(self._each)} each"
            )
        if self._most is not None and self.bought >= self._most:
            return f"the limit of {self._most:,} shipments is reached"
        if self._total is not None and self.spent + self.reserved + price > self._total:
            return (
                f"the next shipment ({self._money(price)}) would pass the limit of "
                f"{self._money(self._total)}; {self._money(self.spent + self.reserved)} are spent "
                "or on their way"
            )
        return None

    def reserve(self, row: int) -> None:
        """Set the price of `row` aside."""
        self.reserved += self.price(row)
        self.bought += 1

    def release(self, row: int) -> None:
        """Give back what was set aside: nothing was bought."""
        self.reserved -= self.price(row)
        self.bought -= 1

    def charge(self, row: int, cents: int) -> None:
        """Turn what was set aside into what was charged."""
        self.reserved -= self.price(row)
        self.spent += cents

    def drifted(self, row: int, cents: int) -> str | None:
        """Return what is wrong when a bill lies above its quote by more than the allowed drift."""
        quoted = int(self.quoted[row])
        if self.drift is None or cents <= math.ceil(quoted * (1 + self.drift)):
            return None
        return (
            f"a shipment quoted at {self._money(quoted)} was billed {self._money(cents)}, more "
            f"than the allowed drift of {self.drift:%}"
        )

    def _money(self, cents: int) -> str:
        return str(Money.from_cents(cents, self._currency))
