"""The carrier protocol: what shipkit asks of anybody who sells labels.

A carrier translates and transports; it keeps no plan, no ledger and no policy. Whether a failed
call may have bought something is decided here, at the place that still knows what was sent, by the
class of the error it raises (:class:`~shipkit.errors.CarrierError` and its ``outcome``).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, runtime_checkable

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from shipkit.common.pool import each
from shipkit.errors import AuthenticationFailed, CarrierError, SettingsError
from shipkit.models import Address, LabelSpec, Purchase, Rate, ServiceLevel, Shipment
from shipkit.schema import QUOTES, SHIPMENTS, quotes_table, shipment_from_row

__all__ = [
    "SHOPPED",
    "Carrier",
    "CarrierIdentity",
    "Pace",
    "Pacer",
    "best_of",
    "quote_each",
    "shop_each",
]


@dataclass(frozen=True)
class CarrierIdentity:
    """Who sells: part of the plan's fingerprint and of everything that is shown to a person."""

    name: str
    """``sandbox``, ``ups``."""
    environment: str
    """``sandbox``, ``test`` or ``live``."""
    account: str = ""
    """The paying account. Only its last four characters are ever shown."""

    @property
    def live(self) -> bool:
        """Whether a purchase here costs money."""
        return self.environment == "live"

    @property
    def account_tail(self) -> str:
        """The last four characters of the account."""
        return self.account[-4:]

    def __str__(self) -> str:
        tail = f" ...{self.account_tail}" if self.account else ""
        return f"{self.name} {self.environment.upper()}{tail}"


@dataclass(frozen=True)
class Pace:
    """How fast a carrier may be asked, and how long it takes.

    `rate_per_s` None means no limit. `processing_s` is the longest a request may go on at the
    carrier after the client gave up; with the client time-out it makes the grace before a look-up
    concludes absence.
    """

    concurrency: int = 20
    rate_per_s: float | None = None
    timeout_s: float = 30.0
    processing_s: float = 5.0


@runtime_checkable
class Carrier(Protocol):
    """Anybody who sells labels."""

    identity: CarrierIdentity
    pace: Pace
    absence_is_proof_after_s: float | None
    """Seconds after which "not found by reference" proves that nothing was bought; None: it never does."""
    resend: str
    """Default policy for rows in doubt: ``proven``, ``ask`` or ``never``."""

    async def quote(self, shipment: Shipment, shipper: Address) -> Rate:
        """Return the price of `shipment`. Free to repeat. Raises CarrierRejected when it cannot be priced."""

    async def quote_table(
        self, table: pa.Table, shipper: Address, pacer: Pacer | None = None
    ) -> pa.Table:
        """Return a quote table (:data:`shipkit.schema.QUOTES`), a line for each line of `table`, in order.

        A row that cannot be priced has null cost and a problem; one bad row never costs another
        its price. `pacer` runs each request at the pace in force and repeats what is free to
        repeat.
        """

    async def shop(self, shipment: Shipment, shipper: Address) -> list[Rate]:
        """Return the price of `shipment` by every service sold for it."""

    async def ship(
        self, shipment: Shipment, shipper: Address, reference: str, label: LabelSpec
    ) -> Purchase:
        """Buy. `reference` is unique for ever and is stored by the carrier with the shipment.

        Raises CarrierRejected, NotSent (and its children) or AnswerLost. Anything else that
        escapes, cancellation included, counts as "a shipment may exist".
        """

    async def find(
        self, reference: str, label: LabelSpec, shipment: Shipment | None = None
    ) -> list[Purchase]:
        """Return the shipments bought under `reference`: none, one or several, voided ones marked."""

    async def void(self, purchase: Purchase) -> None:
        """Give a shipment back. Repeat-safe: voiding what is voided is success. Raises CarrierRejected otherwise."""

    async def aclose(self) -> None:
        """Close connections."""


T = TypeVar("T")


class Pacer(Protocol):
    """Runs idempotent carrier calls at the pace in force: concurrency, rate, pause on 429, retry."""

    async def repeat(self, call: Callable[[], Awaitable[T]]) -> T:
        """Return ``await call()``, repeated with back-off on 429, 5xx and lost answers. Only for what is free to repeat."""


async def quote_each(
    quote: Callable[[Shipment, Address], Awaitable[Rate]],
    table: pa.Table,
    shipper: Address,
    *,
    concurrency: int,
    pacer: Pacer | None = None,
) -> pa.Table:
    """Return a quote table by asking `quote` for every row: what ``quote_table`` is without a faster way.

    The same question is asked once: two rows are the same question when they differ only in row
    numbers, order id, references, and who the recipient is.
    """
    questions: dict[str, dict[str, Any]] = {}
    keys: list[str] = []
    for batch in table.to_batches(max_chunksize=2_000):
        for row in batch.to_pylist():
            key = repr([row[name] for name in _PRICED])
            keys.append(key)
            questions.setdefault(key, row)
    found = await each(
        lambda row: _answer(quote, row, shipper, pacer),
        list(questions.values()),
        at_once=concurrency,
    )
    answers = dict(zip(questions, found, strict=True))
    return quotes_table([answers[key] for key in keys])


SHOPPED = pa.schema([pa.field("row", pa.int64()), *QUOTES])
"""Columns of a shop table: `row` is the index in the shipments table, the rest a quote by one service. Several lines a shipment."""


def best_of(quotes: pa.Table, rows: npt.NDArray[np.int64]) -> pa.Table:
    """Return `quotes`, whose lines belong to `rows`, as a shop table: priced lines by row and cost; for a row without any, one with its problem."""
    priced = np.asarray(pc.is_valid(quotes.column("cost_cents")))
    unsold = np.flatnonzero(~priced & ~np.isin(rows, rows[priced]))
    _, first = np.unique(rows[unsold], return_index=True)
    keep = np.concatenate([np.flatnonzero(priced), unsold[first]])
    cents = np.asarray(pc.fill_null(quotes.column("cost_cents"), 0))[keep]
    keep = keep[np.lexsort((cents, rows[keep]))]
    return (
        quotes.take(pa.array(keep))
        .add_column(0, SHOPPED.field("row"), pa.array(rows[keep]))
        .select(SHOPPED.names)
        .cast(SHOPPED)
    )


async def shop_each(
    shop: Callable[[Shipment, Address], Awaitable[list[Rate]]],
    table: pa.Table,
    shipper: Address,
    *,
    concurrency: int,
    pacer: Pacer | None = None,
) -> pa.Table:
    """Return a shop table (:data:`SHOPPED`) by asking `shop` for every row, the same question once: for carriers without a ``shop_table``."""
    rows = [
        {**row, "service": ServiceLevel.GROUND.value}
        for batch in table.to_batches(max_chunksize=2_000)
        for row in batch.to_pylist()
    ]
    keys = [repr([row[name] for name in _PRICED]) for row in rows]
    questions = dict(zip(keys, rows, strict=True))
    found = await each(
        lambda row: _offers(shop, row, shipper, pacer),
        list(questions.values()),
        at_once=concurrency,
    )
    answers = dict(zip(questions, found, strict=True))
    counts = [len(answers[key]) for key in keys]
    return best_of(
        quotes_table([offer for key in keys for offer in answers[key]]),
        np.repeat(np.arange(len(keys)), counts),
    )


async def _offers(
    shop: Callable[[Shipment, Address], Awaitable[list[Rate]]],
    row: dict[str, Any],
    shipper: Address,
    pacer: Pacer | None,
) -> list[dict[str, Any]]:
    try:
        shipment = shipment_from_row(row)
    except ValueError:
        return [
            {
                "problem": "The row is not a shipment yet.",
                "fix": "session.problems says what it lacks.",
            }
        ]
    try:
        rates = await (
            pacer.repeat(lambda: shop(shipment, shipper)) if pacer else shop(shipment, shipper)
        )
    except (AuthenticationFailed, SettingsError):
        raise
    except CarrierError as error:
        return [{"problem": error.message, "fix": error.fix}]
    offers = [
        {
            **rate.model_dump(),
            "service": str(rate.service),
            "cost_basis": "quoted",
            "warnings": "; ".join(rate.warnings),
        }
        for rate in rates
    ]
    return offers or [
        {"problem": "No service takes this shipment.", "fix": "Correct the address or the parcel."}
    ]


_PRICED = [
    name
    for name in SHIPMENTS.names
    if name
    not in {
        "row_number",
        "row_numbers",
        "source_file",
        "order_id",
        "references",
        "name",
        "company",
        "phone",
        "email",
    }
]


async def _answer(
    quote: Callable[[Shipment, Address], Awaitable[Rate]],
    row: dict[str, Any],
    shipper: Address,
    pacer: Pacer | None,
) -> dict[str, Any]:
    try:
        shipment = shipment_from_row(row)
        rate = await (
            pacer.repeat(lambda: quote(shipment, shipper)) if pacer else quote(shipment, shipper)
        )
    except (AuthenticationFailed, SettingsError):
        raise
    except CarrierError as error:
        return {"service": row["service"], "problem": error.message, "fix": error.fix}
    fields = rate.model_dump()
    return {
        **fields,
        "service": str(rate.service),
        "cost_basis": "quoted",
        "warnings": "; ".join(rate.warnings),
    }
