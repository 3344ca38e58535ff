"""UPS as a carrier: quotes, sells, finds, voids and tracks through its REST API.

What is sent is in :mod:`~shipkit.carriers.ups.wire` and what comes back is read in
:mod:`~shipkit.carriers.ups.responses`, both pure. What an answer means for the outcome is decided
in :mod:`~shipkit.carriers.ups.client`. Here is which requests are sent, in which order.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NoReturn

import pyarrow as pa
from pydantic import SecretStr

from shipkit.carriers.label_format import checked
from shipkit.carriers.pace import Pacer
from shipkit.carriers.protocol import CarrierIdentity, Pace
from shipkit.carriers.quote_cache import QuoteCache
from shipkit.carriers.tracking import track_each
from shipkit.carriers.ups import CAPABILITIES, responses, tracking_answers, wire
from shipkit.carriers.ups.client import UpsClient
from shipkit.carriers.ups.codes import ALREADY_VOIDED, CANNOT_CLASSIFY
from shipkit.carriers.ups.host import checked_host
from shipkit.carriers.ups.landed_cost import landed_cost, landed_cost_of
from shipkit.carriers.ups.pickup_calls import UpsPickups
from shipkit.carriers.ups.purchases import read_answer
from shipkit.carriers.ups.rate_basis import rate_basis
from shipkit.carriers.ups.reference_lookup import ReferenceLookup
from shipkit.carriers.ups.route import route_of
from shipkit.carriers.ups.service_level import SERVICES, settled
from shipkit.carriers.ups.ups_prices import UpsPrices
from shipkit.carriers.ups.ups_settings import UpsSettings
from shipkit.errors import CarrierRejected, SettingsError
from shipkit.models import (
    Address,
    AddressCheck,
    LabelSpec,
    LandedCost,
    Purchase,
    Rate,
    Shipment,
    TransitTime,
)
from shipkit.settings import Settings

if TYPE_CHECKING:
    import httpx

__all__ = ["UPS"]

_PROCESSING_S: Final = 60.0
"""How long UPS may go on with a request after the client gave up. UPS states nothing: a guess on
the safe side, so that a look-up does not come too early."""

_ABSENCE_PROOF_S: Final = 600.0
"""Negative look-ups over this long prove an absence. A guess too, which is why `resend` is ``ask``:
a person decides unless the user chose otherwise."""


class UPS(UpsPickups):
    """A UPS account; :meth:`from_env` makes one from the environment.

    The test host is used unless ``SHIPKIT_UPS_ENV=live``.

    Parameters
    ----------
    client_id, client_secret
        Of an app on developer.ups.com.
    account
        The paying account, six letters and digits.
    environment
        ``test`` (labels that no driver takes) or ``live`` (labels that cost money).
    base_url
        Another host: loopback, or UPS's own for that environment.
    absence_proof_after_s
        Seconds of negative look-ups, by both sources, after which ``resend="proven"`` may send a
        row again.
    pickup_type, customer_classification
        Which published prices are quoted, by the words of
        :class:`~shipkit.carriers.ups.ups_settings.UpsSettings`.
    quote_cache
        Keeps prices for a while; None asks every time.
    transport
        An httpx transport instead of the built-in one: a proxy, a client certificate, a mock.

    Raises
    ------
    SettingsError
        A value is missing or impossible, or the host is not UPS's.
    """

    resend = "ask"

    def __init__(
        self,
        client_id: str,
        client_secret: SecretStr,
        account: str,
        *,
        environment: str = "test",
        base_url: str | None = None,
        timeout_s: float = 30.0,
        absence_proof_after_s: float | None = _ABSENCE_PROOF_S,
        quote_cache: QuoteCache | None = None,
        pickup_type: str = "daily",
        customer_classification: str | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        proxy: SecretStr | None = None,
        today: Callable[[], dt.date] | None = None,
    ) -> None:
        number = account.strip().upper()
        if not (len(number) == 6 and number.isascii() and number.isalnum()):
            raise SettingsError(
                "SHIPKIT_UPS_ACCOUNT is not a UPS account: six letters and digits.",
                fix="Take it from a UPS invoice or your ups.com profile.",
            )
        self.identity = CarrierIdentity("ups", environment, number)
        self.services, self.capabilities = SERVICES, CAPABILITIES
        self.pace = Pace(
            concurrency=20, rate_per_s=None, timeout_s=timeout_s, processing_s=_PROCESSING_S
        )
        self.absence_is_proof_after_s = absence_proof_after_s
        self._client = UpsClient(
            checked_host(base_url, environment),
            client_id=client_id,
            client_secret=client_secret,
            timeout_s=timeout_s,
            transport=transport,
            proxy=proxy,
        )
        self._lookup = ReferenceLookup(self._client, number)
        self._prices = UpsPrices(
            self._client,
            self.identity,
            concurrency=self.pace.concurrency,
            cache=quote_cache,
            basis=rate_basis(pickup_type, customer_classification),
            today=today,
        )

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> UPS:
        """Return the account that the variables ``SHIPKIT_UPS_...`` describe.

        Raises
        ------
        SettingsError
            Variables are missing (the message names all of them) or have values that cannot be
            used.
        """
        return cls.from_settings(UpsSettings.read("ups", environ), Settings.read(environ))

    @classmethod
    def from_settings(cls, own: UpsSettings, shared: Settings) -> UPS:
        """Return the account that `own` describes."""
        return cls(
            own.client_id,
            own.client_secret,
            own.account,
            environment=own.env,
            base_url=own.base_url,
            timeout_s=shared.timeout_s,
            proxy=shared.proxy,
            pickup_type=own.pickup_type,
            customer_classification=own.customer_classification,
            absence_proof_after_s=own.absence_proof_s or _ABSENCE_PROOF_S,
            quote_cache=QuoteCache(shared.home / "quotes", max_age_s=shared.quote_cache_s),
        )

    def __reduce__(self) -> NoReturn:
        raise TypeError("a UPS account holds its credentials and cannot be pickled")

    def __repr__(self) -> str:
        """Name the environment and the account's last four characters."""
        return f"UPS({self.identity})"

    # -- prices ----------------------------------------------------------------------------------

    async def quote(self, shipment: Shipment, shipper: Address) -> Rate:
        """Return the price of `shipment`, with its days from the ship date, or from today."""
        return await self._prices.quote(shipment, shipper)

    async def quote_table(
        self, table: pa.Table, shipper: Address, pacer: Pacer | None = None
    ) -> pa.Table:
        """Return a quote table; one question is asked once, and kept prices are not asked for."""
        return await self._prices.quote_table(table, shipper, pacer)

    async def shop(self, shipment: Shipment, shipper: Address) -> list[Rate]:
        """Return the price by every service that UPS offers for `shipment`, cheapest first."""
        return await self._prices.shop(shipment, shipper)

    async def shop_table(
        self, table: pa.Table, shipper: Address, pacer: Pacer | None = None
    ) -> pa.Table:
        """Return a shop table; requests that are alike are sent once."""
        return await self._prices.shop_table(table, shipper, pacer)

    async def transit_times(self, shipment: Shipment, shipper: Address) -> list[TransitTime]:
        """Return how long each service takes from the ship date (or today), fastest first."""
        request = wire.transit(
            shipment,
            shipper,
            account=self.identity.account,
            date=shipment.ship_date or self._prices.day(shipment, shipper),
        )
        try:
            return responses.transits(await self._client.ask(request))
        except ValueError:
            # 206 with candidates for a place, recorded as apierrorcode 1070.
            raise CarrierRejected(
                "UPS does not recognise one of the two places with certainty.",
                fix="Correct city, state and postal code.",
            ) from None

    async def landed_cost(self, shipment: Shipment, shipper: Address) -> LandedCost:
        """Return what customs would take of `shipment`, by UPS's estimate. Nothing is bought."""
        request = landed_cost(
            shipment,
            route_of(shipment, shipper, self.identity.account),
            date=shipment.ship_date or self._prices.day(shipment, shipper),
            transaction=uuid.uuid4().hex,
        )
        return read_answer(landed_cost_of, await self._client.ask(request))

    # -- labels ----------------------------------------------------------------------------------

    async def ship(
        self, shipment: Shipment, shipper: Address, reference: str, label: LabelSpec
    ) -> Purchase:
        """Buy. UPS stores `reference` with the shipment.

        UPS has no PDF and no PNG: such labels come as GIF, and become what `label` asks for when
        they are saved.
        """
        shipment = settled(shipment, shipper)
        if shipment.ship_date and shipment.ship_date > self._prices.last_day(shipment, shipper):
            raise CarrierRejected(
                f"ship_date: {shipment.ship_date} is more than {wire.DAYS_AHEAD} days ahead, which "
                "UPS does not accept.",
                fix="Buy this row closer to its date.",
                field="ship_date",
            )
        request = wire.ship(
            shipment,
            shipper,
            account=self.identity.account,
            reference=reference,
            label=label,
            today=self._prices.day(shipment, shipper),
        )
        # Before this line a repeat is free; after it a repeat may buy a second label.
        body = await self._client.ask(request)
        bought = read_answer(lambda answer: responses.purchase(answer, shipment.service), body)
        return checked(bought, label)

    async def find(
        self, reference: str, label: LabelSpec | None = None, shipment: Shipment | None = None
    ) -> list[Purchase]:
        """Return the shipments under `reference`, by label recovery and by tracking.

        The list is empty only when both sources have none.
        """
        return await self._lookup.find(reference, label or LabelSpec(), shipment)

    async def void(self, purchase: Purchase) -> None:
        """Void a whole shipment. Voiding what is voided already succeeds."""
        if not purchase.shipment_id.startswith("1Z"):
            raise CarrierRejected(
                f"{purchase.shipment_id} is not a UPS shipment number.", fix="Void it on ups.com."
            )
        try:
            body = await self._client.ask(wire.void(purchase.shipment_id))
        except CarrierRejected as refused:
            if refused.carrier_code == ALREADY_VOIDED:
                return
            raise
        left = read_answer(responses.voided, body)
        if left:
            raise CarrierRejected(
                f"UPS did not void {purchase.shipment_id}: {left.text}.",
                fix="Look at the shipment on ups.com.",
                voided=left.voided,
                not_voided=left.not_voided,
            )

    # -- afterwards ------------------------------------------------------------------------------

    async def track(
        self, tracking_numbers: Sequence[str], pacer: Pacer | None = None
    ) -> list[dict[str, Any]]:
        """Return where parcels are, a dict per number, in order.

        See :func:`shipkit.carriers.ups.tracking_answers.tracking` for the keys.
        """

        async def ask(number: str) -> dict[str, Any]:
            return tracking_answers.tracking(await self._client.ask(wire.track(number)), number)

        return await track_each(ask, tracking_numbers, at_once=self.pace.concurrency, pacer=pacer)

    async def validate_address(self, address: Address) -> AddressCheck:
        """Return whether a street address in the US or PR exists, and whether it is a home."""
        request = wire.classify(address)
        if wire.country_of(request) not in {"US", "PR"}:
            return AddressCheck(
                status="unsupported",
                message="UPS validates streets in the US and Puerto Rico only.",
            )
        try:
            body = await self._client.ask(request)
        except CarrierRejected as refused:
            unsupported = refused.carrier_code == CANNOT_CLASSIFY
            return AddressCheck(
                status="unsupported" if unsupported else "not_found", message=refused.message
            )
        return read_answer(lambda answer: responses.addresses(answer, address), body)

    async def aclose(self) -> None:
        """Close connections."""
        await self._client.aclose()
