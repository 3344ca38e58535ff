"""USPS as a carrier: quotes, sells, reprints, cancels, tracks, and checks addresses.

Here is the account and its protocol. Prices are in
:mod:`~shipkit.carriers.usps.price_questions`, purchases in
:mod:`~shipkit.carriers.usps.keyed_purchases`; what an answer means for the outcome is decided in
:mod:`~shipkit.carriers.usps.usps_client`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NoReturn

import pyarrow as pa
from pydantic import SecretStr

from shipkit.carriers.account_checks import AccountChecks
from shipkit.carriers.after_purchase import BoughtLabels, MadeManifest
from shipkit.carriers.pace import Pacer
from shipkit.carriers.protocol import CarrierIdentity, Pace, Prepared
from shipkit.carriers.quote_cache import AnswerCache
from shipkit.carriers.tracking import track_each
from shipkit.carriers.usps import CAPABILITIES
from shipkit.carriers.usps.call_quota import CallQuota
from shipkit.carriers.usps.carrier_pickups import UspsPickups
from shipkit.carriers.usps.delivery_answers import (
    address_query,
    checked_address,
    days_of,
    unknown_address,
    where_it_is,
)
from shipkit.carriers.usps.keyed_purchases import KeyedPurchases
from shipkit.carriers.usps.mail_classes import DOMESTIC, SERVICES, is_domestic
from shipkit.carriers.usps.parcel_question import pounds, zip5
from shipkit.carriers.usps.price_answer import PriceAnswer
from shipkit.carriers.usps.price_questions import PriceQuestions, mailing_day
from shipkit.carriers.usps.scan_forms import scan_form
from shipkit.carriers.usps.usps_client import Payer, UspsClient
from shipkit.carriers.usps.usps_host import api_host
from shipkit.carriers.usps.usps_settings import UspsSettings
from shipkit.errors import CarrierRejected, SettingsError
from shipkit.models import (
    Address,
    AddressCheck,
    LabelSpec,
    Purchase,
    Rate,
    Shipment,
    TransitTime,
)
from shipkit.settings import Settings

if TYPE_CHECKING:
    import httpx

__all__ = ["USPS"]

_PROCESSING_S: Final = 60.0
"""How long USPS may go on with a label after the client gave up. It states nothing; a reprint is
not believed earlier."""
_KEPT_S: Final = 86_400.0
"""How long a price is kept: it is of one mailing day, and of the account."""


class USPS(UspsPickups):
    """A USPS account; :meth:`from_env` makes one from the environment.

    Parameters
    ----------
    client_id, client_secret
        Of an app on developers.usps.com.
    payer
        Who pays, and whose label it is.
    environment
        ``test`` (labels that are not mailed) or ``live`` (labels that cost money).
    price_type
        ``commercial`` or ``contract``: what labels are billed at.
    quota_per_hour
        Requests that USPS allows the app in an hour, for each API.
    repeats_proven
        Whether this account's test host has shown that a repeated key returns the same label.
        Without that, a lost answer on a live account waits for a person.
    base_url
        Another host on this machine, for tests.
    price_cache
        Keeps prices for a while on disk; None keeps them in memory only.
    transport
        An httpx transport instead of the built-in one: a proxy, a client certificate, a mock.

    Raises
    ------
    SettingsError
        A value cannot be used, or the host is not USPS's.
    """

    resend = "proven"
    """The same key is one label, so sending a row again is safe where that is proven."""

    def __init__(
        self,
        client_id: str,
        client_secret: SecretStr,
        payer: Payer,
        *,
        environment: str = "test",
        price_type: str = "commercial",
        quota_per_hour: int = 60,
        repeats_proven: bool = False,
        base_url: str | None = None,
        timeout_s: float = 30.0,
        processing_s: float = _PROCESSING_S,
        price_cache: AnswerCache[PriceAnswer] | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        proxy: SecretStr | None = None,
    ) -> None:
        if price_type not in ("commercial", "contract"):
            raise SettingsError(
                f"SHIPKIT_USPS_PRICE_TYPE is {price_type!r}.", fix="Use commercial or contract."
            )
        self.identity = CarrierIdentity("usps", environment, payer.account)
        self.services, self.capabilities = SERVICES, CAPABILITIES
        self.pace = Pace(concurrency=8, timeout_s=timeout_s, processing_s=processing_s)
        certain = environment == "test" or repeats_proven
        self.absence_is_proof_after_s: float | None = processing_s if certain else None
        self._client = UspsClient(
            api_host(base_url, environment),
            client_id=client_id,
            client_secret=client_secret,
            payer=payer,
            quota=CallQuota(quota_per_hour),
            timeout_s=timeout_s,
            transport=transport,
            proxy=proxy,
        )
        paying = {"accountType": payer.account_type, "accountNumber": payer.account}
        self._prices = PriceQuestions(
            self._client,
            account=f"{self.identity}|{payer.account}",
            price_type=price_type,
            paying=paying if price_type == "contract" else {},
            concurrency=self.pace.concurrency,
            cache=price_cache,
        )
        self._purchases = KeyedPurchases(self._client, self._prices)

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> USPS:
        """Return the account that the variables ``SHIPKIT_USPS_...`` describe.

        Raises
        ------
        SettingsError
            Variables are missing (the message names all of them) or have values that cannot be
            used.
        """
        return cls.from_settings(UspsSettings.read("usps", environ), Settings.read(environ))

    @classmethod
    def from_settings(cls, own: UspsSettings, shared: Settings) -> USPS:
        """Return the account that `own` describes."""
        if own.account_type == "PERMIT" and not own.permit_zip:
            raise SettingsError(
                "SHIPKIT_USPS_PERMIT_ZIP is missing: a permit is named by its number and ZIP.",
                fix="Set it, or use SHIPKIT_USPS_ACCOUNT_TYPE=EPS.",
            )
        payer = Payer(
            own.account,
            own.crid,
            own.mid,
            own.manifest_mid or own.mid,
            own.account_type,
            own.permit_zip,
        )
        checked = AccountChecks(shared.home).last("usps", payer.account)
        kept_s = max(shared.quote_cache_s, _KEPT_S) if shared.quote_cache_s else 0.0
        return cls(
            own.client_id,
            own.client_secret,
            payer,
            environment=own.env,
            price_type=own.price_type,
            quota_per_hour=own.quota_per_hour,
            repeats_proven=checked is not None and checked.repeat_is_same,
            base_url=own.base_url,
            timeout_s=shared.timeout_s,
            price_cache=AnswerCache(
                shared.home / "quotes" / "usps-1.sqlite3", PriceAnswer, max_age_s=kept_s
            ),
            proxy=shared.proxy,
        )

    def __reduce__(self) -> NoReturn:
        raise TypeError("a USPS account holds its secret and cannot be pickled")

    def __repr__(self) -> str:
        """Name the environment and the account's last four characters."""
        return f"USPS({self.identity})"

    # -- prices ----------------------------------------------------------------------------------

    async def quote(self, shipment: Shipment, shipper: Address) -> Rate:
        """Return what the labels of `shipment` cost, extra services included."""
        return await self._prices.quote(shipment, shipper)

    async def quote_table(
        self, table: pa.Table, shipper: Address, pacer: Pacer | None = None
    ) -> pa.Table:
        """Return a quote table; rows that can only have one price are asked about once."""
        return await self._prices.quote_table(table, shipper, pacer)

    async def shop(self, shipment: Shipment, shipper: Address) -> list[Rate]:
        """Return the price by every service, cheapest first, with delivery days in the US."""
        return await self._prices.shop(shipment, shipper)

    async def shop_table(
        self, table: pa.Table, shipper: Address, pacer: Pacer | None = None
    ) -> pa.Table:
        """Return a shop table, by shipment and cost."""
        return await self._prices.shop_table(table, shipper, pacer)

    # -- labels ----------------------------------------------------------------------------------

    async def prepare(
        self, shipment: Shipment, shipper: Address, reference: str, label: LabelSpec
    ) -> Prepared:
        """Compose the purchase under a key made of `reference`. Buys nothing."""
        return await self._purchases.prepare(shipment, shipper, reference, label)

    async def ship(
        self, shipment: Shipment, shipper: Address, reference: str, label: LabelSpec
    ) -> Purchase:
        """Buy what was prepared as `reference`; sent again, the same labels."""
        return await self._purchases.buy(shipment, shipper, reference, label)

    async def find(
        self, reference: str, label: LabelSpec | None = None, shipment: Shipment | None = None
    ) -> list[Purchase]:
        """Return what was bought under `reference`, which is prepared text or a bare reference."""
        return await self._purchases.find(reference, label or LabelSpec(), shipment)

    async def void(self, purchase: Purchase) -> None:
        """Cancel labels. A dispute is not a refund: it is a refusal that names the dispute."""
        await self._purchases.cancel(purchase)

    # -- afterwards ------------------------------------------------------------------------------

    async def manifest(
        self,
        shipments: Sequence[BoughtLabels],
        origin: Address,
        day: dt.date,
        *,
        asked_before: bool,
    ) -> MadeManifest:
        """Put labels on one SCAN form. Asked for again, USPS names the form and does not show it.

        USPS sends the data of its labels on within 15 minutes: they cannot be canceled then.
        """
        return await scan_form(self._client, shipments, origin, day, asked_before=asked_before)

    async def track(
        self, tracking_numbers: Sequence[str], pacer: Pacer | None = None
    ) -> list[dict[str, Any]]:
        """Return where parcels are. A number without a scan is not found, whatever its label."""

        async def ask(number: str) -> dict[str, Any]:
            try:
                answer = await self._client.ask(
                    "GET", f"/tracking/v3/tracking/{number}", params={"expand": "DETAIL"}
                )
            except CarrierRejected as refused:  # 404, or 400 with one of ten codes
                return where_it_is(number, None, refused.message)
            return where_it_is(number, answer)

        return await track_each(ask, tracking_numbers, at_once=self.pace.concurrency, pacer=pacer)

    async def validate_address(self, address: Address) -> AddressCheck:
        """Return whether USPS delivers to an address, its ZIP+4, and whether it is a home."""
        if not is_domestic(address):
            return AddressCheck(
                status="unsupported", message="USPS checks addresses in the US only."
            )
        try:
            answer = await self._client.ask(
                "GET", "/addresses/v3/address", params=address_query(address)
            )
        except CarrierRejected as refused:
            found = unknown_address(refused.carrier_code, refused.message)
            if found is None:
                raise
            return found
        return checked_address(address, answer)

    async def transit_times(self, shipment: Shipment, shipper: Address) -> list[TransitTime]:
        """Return the days of each service within the US, fastest first: one question for each."""
        if not is_domestic(shipment.ship_to):
            return []
        origin, day = shipment.ship_from or shipper, mailing_day(shipment, shipper)
        found: list[TransitTime] = []
        for code in DOMESTIC:
            query = {
                "originZIPCode": zip5(origin, "ship_from"),
                "destinationZIPCode": zip5(shipment.ship_to, "ship_to"),
                "acceptanceDate": day.isoformat(),
                "mailClass": SERVICES.wire(code),
                "weight": f"{pounds(shipment.parcels[0]).normalize():f}",
            }
            answer = await self._client.ask("GET", "/service-standards/v3/estimates", params=query)
            found += days_of(answer, day)
        return sorted(found, key=lambda one: (one.transit_days, one.service))

    async def aclose(self) -> None:
        """Close connections."""
        await self._client.aclose()
