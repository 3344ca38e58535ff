"""The sandbox as a carrier: embedded in this process, or served over HTTP."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from shipkit.carriers.after_purchase import (
    BookedPickup,
    BoughtLabels,
    MadeManifest,
    PickupOffer,
    PickupRequest,
)
from shipkit.carriers.pace import Pacer
from shipkit.carriers.protocol import Capabilities, CarrierIdentity, Pace
from shipkit.carriers.quoting import shop_each
from shipkit.carriers.ratecard import PRICED, RateCard
from shipkit.carriers.sandbox.backend import SandboxBackend, Trouble
from shipkit.carriers.sandbox.books import Books
from shipkit.carriers.sandbox.faults import LONGEST_LATE_S, Fate, Faults
from shipkit.carriers.sandbox.price_lists import (
    PRICE_LISTS,
    account_of,
    card_of,
    name_of,
    services_of_list,
)
from shipkit.common.choices import one_of
from shipkit.errors import (
    AnswerLost,
    AuthenticationFailed,
    CarrierError,
    CarrierRejected,
    RateLimited,
)
from shipkit.models import (
    ACCESS_POINT_FIELDS,
    NUMBERED_REFERENCES,
    Address,
    LabelSpec,
    Purchase,
    Rate,
    Shipment,
)
from shipkit.schema import FURTHER_OPTIONS
from shipkit.settings import Settings

if TYPE_CHECKING:
    from shipkit.carriers.sandbox.messages import Wire

__all__ = ["CAPABILITIES", "SandboxCarrier"]

CAPABILITIES = Capabilities(
    shop_table=True,
    manifest=True,
    pickup=True,
    recovery="lookup",
    options=frozenset(
        {
            "direct_delivery_only",
            "ioss_number",
            "sender_tax_id",
            "sender_eori",
            "recipient_tax_id",
            "recipient_eori",
            "itn",
            "signature",
            "saturday_delivery",
            "is_return",
            "bill_to",
            "bill_account",
            "bill_postal_code",
            "bill_country",
            "duties_bill_to",
            "duties_account",
            "duties_postal_code",
            "duties_country",
            "shipper_release",
            "cod_amount",
            "additional_handling",
            *NUMBERED_REFERENCES,
            *ACCESS_POINT_FIELDS,
            *FURTHER_OPTIONS,
        }
    ),
    priced_by=PRICED,
)

_ROWS_A_REQUEST = 20_000
"""Shipments that a served sandbox quotes per request."""

_AFTER_LATE_S = 5.0
"""Absence is proof this long after the latest possible late commit: a slow disk, two clocks."""


class SandboxCarrier:
    """A carrier with invented prices, real label files and books of its own. No money, no network.

    Parameters
    ----------
    books
        The file with the books; default ``<home>/sandbox/books.sqlite``. Processes may share it.
    url
        Use a served sandbox (``python -m shipkit.carriers.sandbox --serve``) instead. Books,
        latency and faults are then the server's.
    faults
        What goes wrong, and how often (:class:`Faults`).
    latency_s, seed
        Short forms of the same fields of `faults`; `seed` also numbers new books.
    label_bytes
        Return labels of this size instead of drawing them.
    price_list
        ``"standard"``; ``"economy"``, cheaper, slower, for light parcels; or ``"express"``, more
        expensive and faster: carriers of their own, ``sandbox_economy`` and ``sandbox_express``.
    card
        Prices of your own, instead of a price list's.
    absence_is_proof_after_s
        Default: 5 s after the latest possible late commit.

    Examples
    --------
    >>> SandboxCarrier("books.sqlite").identity.environment
    'sandbox'
    """

    def __init__(
        self,
        books: str | Path | None = None,
        *,
        url: str | None = None,
        account: str | None = None,
        price_list: str = "standard",
        latency_s: float | None = None,
        faults: Faults | None = None,
        seed: int | None = None,
        home: str | Path | None = None,
        card: RateCard | None = None,
        label_bytes: int | None = None,
        concurrency: int = 20,
        rate_per_s: float | None = None,
        timeout_s: float | None = None,
        absence_is_proof_after_s: float | None = None,
    ) -> None:
        shorthands = {"latency_s": latency_s, "seed": seed}
        faults = (faults or Faults()).model_copy(
            update={name: value for name, value in shorthands.items() if value is not None}
        )
        one_of("price_list", price_list, tuple(PRICE_LISTS))
        account = account or account_of(price_list)
        self.identity = CarrierIdentity(name_of(price_list), "sandbox", account)
        self.services, self.capabilities = services_of_list(price_list), CAPABILITIES
        timeout_s = timeout_s or (
            30.0 if url is not None else 5.0
        )  # embedded, nothing can be slow but the disk
        self.pace = Pace(
            concurrency=concurrency,
            rate_per_s=rate_per_s,
            timeout_s=timeout_s,
            processing_s=_AFTER_LATE_S,
        )
        self.resend = "proven"
        longest_late = LONGEST_LATE_S if url is not None else faults.late_s if faults.late else 0.0
        self.absence_is_proof_after_s: float | None = (
            longest_late + _AFTER_LATE_S
            if absence_is_proof_after_s is None
            else absence_is_proof_after_s
        )
        self._backend: SandboxBackend | Wire
        if url is not None:
            from shipkit.carriers.sandbox.messages import Wire

            self._backend = Wire(url, account=account, timeout_s=timeout_s)
        else:
            path = (
                Path(books)
                if books is not None
                else Path(home or Settings.read().local_home) / "sandbox" / "books.sqlite"
            )
            self._backend = SandboxBackend(
                Books(path, seed=seed), card or card_of(price_list), faults, label_bytes
            )

    @property
    def faults(self) -> Faults:
        """What goes wrong at the embedded sandbox. Assign to switch."""
        return self._embedded.faults

    @faults.setter
    def faults(self, faults: Faults) -> None:
        self._embedded.switch(faults)
        if faults.late and self.absence_is_proof_after_s is not None:
            self.absence_is_proof_after_s = max(
                self.absence_is_proof_after_s, faults.late_s + _AFTER_LATE_S
            )

    @property
    def books(self) -> Books:
        """The embedded sandbox's books."""
        return self._embedded.books

    async def quote(self, shipment: Shipment, shipper: Address) -> Rate:
        """Return the price. Raises CarrierRejected when there is none."""
        with _acted_out(self._backend):
            return await self._backend.quote(shipment, shipper)

    async def quote_table(
        self, table: pa.Table, shipper: Address, pacer: Pacer | None = None
    ) -> pa.Table:
        """Return a quote table with a row per shipment, in order.

        A served sandbox is asked in parts, and each part is repeated on its own.
        """
        rows = (
            max(1, table.num_rows) if isinstance(self._backend, SandboxBackend) else _ROWS_A_REQUEST
        )

        async def ask(part: pa.Table) -> pa.Table:
            with _acted_out(self._backend):
                return await self._backend.quote_table(part, shipper)

        parts = []
        for start in range(0, max(1, table.num_rows), rows):
            part = table.slice(start, rows)
            parts.append(await (pacer.repeat(partial(ask, part)) if pacer else ask(part)))
        return pa.concat_tables(parts)

    async def shop(self, shipment: Shipment, shipper: Address) -> list[Rate]:
        """Return the price by every service that accepts the shipment, cheapest first."""
        with _acted_out(self._backend):
            return await self._backend.shop(shipment, shipper)

    async def shop_table(
        self, table: pa.Table, shipper: Address, pacer: Pacer | None = None
    ) -> pa.Table:
        """Return the price of each shipment by every service.

        Embedded, this is one statement; a served sandbox is asked shipment by shipment.
        """
        if not isinstance(self._backend, SandboxBackend):
            return await shop_each(
                self.shop, table, shipper, concurrency=self.pace.concurrency, pacer=pacer
            )
        backend = self._backend

        async def ask() -> pa.Table:
            with _acted_out(backend):
                return await backend.shop_table(table, shipper)

        return await (pacer.repeat(ask) if pacer else ask())

    async def ship(
        self, shipment: Shipment, shipper: Address, reference: str, label: LabelSpec
    ) -> Purchase:
        """Buy. Two calls buy two labels, also under one reference, as at a real carrier."""
        with _acted_out(self._backend):
            return await self._backend.ship(
                shipment, shipper, reference, label, self.identity.account
            )

    async def find(
        self,
        reference: str,
        label: LabelSpec | None = None,  # noqa: ARG002 - the protocol's parameter
        shipment: Shipment | None = None,  # noqa: ARG002 - the protocol's parameter
    ) -> list[Purchase]:
        """Return what was bought under `reference`, with labels in their original format."""
        with _acted_out(self._backend):
            return await self._backend.find(reference, self.identity.account)

    async def void(self, purchase: Purchase) -> None:
        """Void a shipment. Voiding it again changes nothing."""
        with _acted_out(self._backend):
            await self._backend.void(purchase.shipment_id, self.identity.account)

    async def manifest(
        self,
        shipments: Sequence[BoughtLabels],
        origin: Address,
        day: dt.date,
        *,
        asked_before: bool,
    ) -> MadeManifest:
        """Put labels on one form. They cannot be voided afterwards, as at USPS."""
        with _acted_out(self._backend):
            return await self._backend.manifest(
                shipments, origin, day, self.identity.account, asked_before=asked_before
            )

    async def pickup(self, request: PickupRequest) -> PickupOffer:
        """Return what a pickup costs: the same for any number of parcels, none on Sundays."""
        with _acted_out(self._backend):
            return await self._backend.pickup(request)

    async def book_pickup(
        self,
        request: PickupRequest,
        offer: PickupOffer,  # noqa: ARG002 - it costs the same for everybody
        *,
        asked_before: bool,
    ) -> BookedPickup:
        """Book a pickup. Two calls book two, as at a real carrier."""
        with _acted_out(self._backend):
            return await self._backend.book_pickup(
                request, self.identity.account, asked_before=asked_before
            )

    async def pickup_status(
        self,
        request: PickupRequest,  # noqa: ARG002 - the number is enough
        booked: BookedPickup,
    ) -> str:
        """Return scheduled or canceled."""
        return await self._backend.pickup_status(booked.number, self.identity.account)

    async def cancel_pickup(
        self,
        request: PickupRequest,  # noqa: ARG002 - the number is enough
        booked: BookedPickup,
        *,
        asked_before: bool,  # noqa: ARG002 - canceling it again changes nothing
    ) -> None:
        """Cancel a pickup. Canceling it again changes nothing."""
        await self._backend.cancel_pickup(booked.number, self.identity.account)

    async def aclose(self) -> None:
        """Close the books, or the connections."""
        if isinstance(self._backend, SandboxBackend):
            await self._backend.books.close()
        else:
            await self._backend.aclose()

    @property
    def _embedded(self) -> SandboxBackend:
        if not isinstance(self._backend, SandboxBackend):
            raise TypeError("a served sandbox keeps its own books and faults: ask its server")
        return self._backend

    def __repr__(self) -> str:
        return f"<{self.identity}>"


@contextmanager
def _acted_out(backend: SandboxBackend | Wire) -> Iterator[None]:
    """Turn a fault of the embedded back end into the error that it would be over HTTP."""
    try:
        yield
    except Trouble as trouble:
        assert isinstance(backend, SandboxBackend)  # noqa: S101 - over HTTP, trouble is real
        raise _error(trouble.fate, backend.faults) from None


def _error(fate: Fate, faults: Faults) -> CarrierError:
    match fate:
        case Fate.AUTH_REFUSED:
            return AuthenticationFailed(
                "The sandbox refuses the credentials, because the fault `auth_refused` is on.",
                fix="Switch the fault off.",
                carrier_code="401",
            )
        case Fate.RATE_LIMITED:
            return RateLimited(
                "The sandbox answered 429: too many requests.",
                retry_after_s=faults.retry_after_s,
                carrier_code="429",
            )
        case Fate.REJECTED:
            return CarrierRejected(
                "The sandbox refuses this request, because the fault `reject` is on.",
                fix="Switch the fault off.",
                carrier_code=faults.reject_code,
            )
        case Fate.ERROR_BEFORE | Fate.ERROR_AFTER:
            return AnswerLost(
                f"The sandbox answered {faults.status}.",
                fix="The row is looked up by its reference.",
                carrier_code=str(faults.status),
            )
        case _:
            return AnswerLost(
                "The connection to the sandbox broke before an answer came.",
                fix="The row is looked up by its reference.",
            )
