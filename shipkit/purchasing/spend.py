"""The spend limits of a job, kept by reserving each price before its row is sent.

At any time, what was charged plus what is reserved (the quotes, with the allowed price drift, of
every row in flight or in doubt) is an upper bound of what the carrier will bill. A row is sent only
when its own price still fits. Checking afterwards would be too late: with 200 calls in progress,
200 bills can arrive after the limit is reached.

All amounts are integers in minor units (cents).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from shipkit.models import Money
from shipkit.purchasing.pickup_book import pickup_costs
from shipkit.purchasing.store import JobStore
from shipkit.purchasing.store.ledger import Ledger
from shipkit.state import RowState

__all__ = ["Spend"]

_MAY_COST = (RowState.IN_FLIGHT, RowState.IN_DOUBT, RowState.REVIEW)
"""States in which a shipment may exist without our knowing its charge: the price stays reserved."""


class Spend:
    """What a job has spent and may still spend.

    A new one is made for every run from the ledger, so limits belong to the job and not to the run:
    after a resume, everything bought by earlier runs counts.

    Parameters
    ----------
    ledger
        The job's ledger, open for writing.
    quoted
        The quote of each row, in minor units; 0 where there is none.
    currencies
        The currency of each row's quote (an Arrow array of text), null where there is none.
    limits
        ``total_cents``, ``per_shipment_cents``, ``max_shipments``, ``price_drift`` and
        ``currency``; a missing or null entry means no such limit. ``per_account_cents`` has the
        name of an account -> the most to spend on it.
    accounts
        The place of each row's account in `names`; None: the job has one account.
    names
        The accounts of the job, in order.
    pickups
        Account and price of each pickup that is booked or may be.
    """

    def __init__(
        self,
        ledger: Ledger,
        quoted: np.ndarray[Any, Any],
        currencies: Any,
        limits: Mapping[str, Any],
        *,
        accounts: np.ndarray[Any, np.dtype[np.int64]] | None = None,
        names: Sequence[str] = (),
        pickups: Sequence[tuple[str, Money]] = (),
    ) -> None:
        self.quoted = quoted
        self._total = limits.get("total_cents")
        self._each = limits.get("per_shipment_cents")
        self._most = limits.get("max_shipments")
        drift = limits.get("price_drift")
        # Through text, because Decimal(0.1) is 0.1000000000000000055 and would round a cent up.
        self.drift = None if drift is None else Decimal(str(drift))
        self._currency = limits.get("currency") or "USD"
        texts = currencies.cast(pa.string())
        self._quoted_in = pc.fill_null(texts, self._currency)
        # As numbers, which a row is looked up in many times faster than in an Arrow array of text.
        kinds = pc.drop_null(pc.unique(texts))
        self._kinds: list[str] = kinds.to_pylist()
        self._codes = np.asarray(pc.fill_null(pc.index_in(texts, value_set=kinds), -1))
        self.spent_in = self._by_currency(ledger.charged.astype(np.int64))
        """Currency -> charged for shipments that are not voided."""
        self.bought = sum(ledger.count(state) for state in (*_MAY_COST, RowState.SHIPPED))
        """Number of shipments that were bought or may have been."""
        self.reserved_in: Counter[str] = Counter()
        """Currency -> set aside for rows whose charge is not known yet."""
        for row in ledger.rows(*_MAY_COST):
            self.reserved_in[self.currency(int(row))] += self.price(int(row))
        self._accounts, self._names = accounts, names or ("",)
        self._committed = self._of_accounts(ledger)
        self._pickups = 0
        """The cost of pickups, within the same limits."""
        for account, price in pickups:
            if price.currency == self._currency:
                self._pickups += price.cents
                self._committed[self._place_of(account)] += price.cents
        own = limits.get("per_account_cents") or {}
        unnamed = next(iter(own.values()), None) if accounts is None else None
        self._most_of = [own.get(name, unnamed) for name in self._names]

    @classmethod
    def of(cls, store: JobStore, ledger: Ledger) -> Spend:
        """Return what a job has spent and may still spend, as it is on disk now."""
        quotes = pq.read_table(
            store.path / "quotes.parquet", columns=["cost_cents", "currency"], partitioning=None
        )
        return cls(
            ledger,
            quotes.column("cost_cents").fill_null(0).to_numpy(),
            quotes.column("currency"),
            store.manifest.limits,
            accounts=store.account_codes,
            names=[account.name for account in store.manifest.accounts],
            pickups=pickup_costs(store),
        )

    def _place_of(self, account: str) -> int:
        return 0 if self._accounts is None else list(self._names).index(account)

    def _by_currency(self, cents: np.ndarray[Any, Any]) -> Counter[str]:
        """Return the sum of an amount of each row, in each currency of the quotes."""
        return Counter(
            {
                name: int(cents[np.asarray(pc.equal(self._quoted_in, name))].sum())
                for name in pc.unique(self._quoted_in).to_pylist()
            }
        )

    def _of_accounts(self, ledger: Ledger) -> list[int]:
        """Return what each account was charged, and what is reserved with it.

        In the currency of the limits: of others nothing is compared with them.
        """
        held = ledger.charged.astype(np.int64)
        for row in ledger.rows(*_MAY_COST):
            held[row] += self.price(int(row))
        held[~np.asarray(pc.equal(self._quoted_in, self._currency))] = 0
        if self._accounts is None:
            return [int(held.sum())]
        return [int(held[self._accounts == code].sum()) for code in range(len(self._names))]

    def _account(self, row: int) -> int:
        return 0 if self._accounts is None else int(self._accounts[row])

    @property
    def main_currency(self) -> str:
        """The currency of the first priced row, for displays that have room for one amount."""
        return self._kinds[0] if self._kinds else self._currency

    def currency(self, row: int) -> str:
        """Return the currency of a row's quote, that of the limits where there is no quote."""
        return self._stated(row) or self._currency

    def has_quote(self, row: int) -> bool:
        """Return whether `row` was priced before the approval; a price of zero is one."""
        return self._stated(row) is not None

    def _stated(self, row: int) -> str | None:
        """Return the currency of a row's quote, None where there is no quote."""
        code = self._codes[row]
        return None if code < 0 else self._kinds[code]

    def price(self, row: int) -> int:
        """Return what is reserved for `row`: its quote plus the allowed drift, rounded up."""
        quoted = int(self.quoted[row])
        # Up, never down: a reservation below the largest accepted bill could pass the limit.
        return quoted if self.drift is None else math.ceil(quoted * (1 + self.drift))

    def refusal(self, row: int) -> str | None:
        """Return why the limits do not allow sending `row` now, or None when they do."""
        price = self.price(row)
        limited = self._total is not None or self._each is not None
        if limited and self._stated(row) != self._currency:
            return self.refusal_of_currency(row)
        if self._each is not None and price > self._each:
            return (
                f"a shipment of {self._money(price)} exceeds the limit of "
                f"{self._money(self._each)} per shipment"
            )
        if self._most is not None and self.bought >= self._most:
            return f"the limit of {self._most:,} shipments is reached"
        if self._total is not None and self._held + price > self._total:
            return (
                f"the next shipment ({self._money(price)}) would exceed the limit of "
                f"{self._money(self._total)}; {self._money(self._held)} is already spent or "
                "reserved"
            )
        return None

    @property
    def _held(self) -> int:
        """What counts against the limits: what is in their currency."""
        counted = self.spent_in[self._currency] + self.reserved_in[self._currency]
        return counted + self._pickups

    @property
    def spent(self) -> int:
        """Charged for shipments that are not voided, where all are in one currency.

        Raises ValueError where they are in several: cents of two currencies have no sum.
        """
        return _one_sum(self.spent_in)

    @property
    def reserved(self) -> int:
        """Set aside for rows whose charge is not known yet; raises ValueError like `spent`."""
        return _one_sum(self.reserved_in)

    def pickup_refusal(self, price: Money, account: str) -> str | None:
        """Return why the limits do not allow a pickup at `price`, or None when they do."""
        place = self._place_of(account)
        for most, held, whose in (
            (self._total, self._held, ""),
            (self._most_of[place], self._committed[place], f" for {account}"),
        ):
            if most is None:
                continue
            if price.currency != self._currency:
                return f"the spend limits are in {self._currency} and the pickup costs {price}"
            if held + price.cents > most:
                return (
                    f"a pickup at {price} would exceed the limit of {self._money(most)}{whose}; "
                    f"{self._money(held)} is already spent or reserved"
                )
        return None

    def account_refusal(self, row: int) -> str | None:
        """Return why the limit of the row's own account does not allow sending it, or None."""
        account = self._account(row)
        most, price = self._most_of[account], self.price(row)
        if most is None:
            return None
        if self._stated(row) != self._currency:
            return self.refusal_of_currency(row)
        if self._committed[account] + price <= most:
            return None
        return (
            f"the next shipment ({self._money(price)}) would exceed the limit of "
            f"{self._money(most)} for this account; {self._money(self._committed[account])} is "
            "already spent or reserved"
        )

    def refusal_of_currency(self, row: int) -> str:
        """Return that a price cannot be compared with the limits."""
        return (
            f"the spend limits are in {self._currency} and a shipment is priced in "
            f"{self._stated(row)}"
        )

    def reserve(self, row: int) -> None:
        """Reserve the price of `row`: from now on it may be bought."""
        self.reserved_in[self.currency(row)] += self.price(row)
        self._commit(row, self.price(row))
        self.bought += 1

    def release(self, row: int) -> None:
        """Release the reservation of `row`: nothing was bought, or it is voided."""
        self.reserved_in[self.currency(row)] -= self.price(row)
        self._commit(row, -self.price(row))
        self.bought -= 1

    def owe(self, row: int, cents: int) -> None:
        """Replace the reservation of `row`, which is voided, by a charge that is not refunded."""
        self.charge(row, cents)
        self.bought -= 1

    def charge(self, row: int, cents: int) -> None:
        """Replace the reservation of `row` by what the carrier charged."""
        self.reserved_in[self.currency(row)] -= self.price(row)
        self.spent_in[self.currency(row)] += cents
        self._commit(row, cents - self.price(row))

    def _commit(self, row: int, cents: int) -> None:
        if self.currency(row) == self._currency:
            self._committed[self._account(row)] += cents

    def drifted(self, row: int, cents: int) -> str | None:
        """Return a reason to stop when a bill exceeds its quote by more than the allowed drift."""
        quoted = int(self.quoted[row])
        if self.drift is None or cents <= math.ceil(quoted * (1 + self.drift)):
            return None
        return (
            f"a shipment quoted at {self._money(quoted)} was billed {self._money(cents)}, more "
            f"than the allowed drift of {self.drift:%}"
        )

    def money(self, row: int, cents: int) -> Money:
        """Return an amount in the currency of a row's quote."""
        return Money.from_cents(cents, self.currency(row))

    def _money(self, cents: int) -> str:
        return str(Money.from_cents(cents, self._currency))


def _one_sum(amounts: Mapping[str, int]) -> int:
    used = {name: cents for name, cents in amounts.items() if cents}
    if len(used) > 1:
        raise ValueError(f"amounts in {' and '.join(sorted(used))} have no sum")
    return sum(used.values())
