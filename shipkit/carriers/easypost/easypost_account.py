"""EasyPost as a carrier: quotes, sells, finds, refunds, tracks, and checks addresses.

Here is the account and its protocol. Prices are in
:mod:`~shipkit.carriers.easypost.rate_questions`, purchases in
:mod:`~shipkit.carriers.easypost.label_purchases`; what an answer means for the outcome is decided
in :mod:`~shipkit.carriers.easypost.easypost_client`.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NoReturn

import pyarrow as pa
from pydantic import SecretStr

from shipkit.carriers.after_purchase import BoughtLabels, MadeManifest
from shipkit.carriers.easypost import CAPABILITIES
from shipkit.carriers.easypost.account_facts import AccountFacts
from shipkit.carriers.easypost.catalog import SERVICES, services_of
from shipkit.carriers.easypost.easypost_client import EasyPostClient, checked_key, checked_url
from shipkit.carriers.easypost.easypost_settings import EasyPostSettings
from shipkit.carriers.easypost.label_downloads import LabelFiles
from shipkit.carriers.easypost.label_purchases import LabelPurchases
from shipkit.carriers.easypost.pickup_objects import EasyPostPickups
from shipkit.carriers.easypost.rate_questions import RateQuestions
from shipkit.carriers.easypost.scan_form_objects import scan_form
from shipkit.carriers.easypost.shipment_request import address_body
from shipkit.carriers.easypost.tracker_answer import address_check, tracking_line
from shipkit.carriers.pace import Pacer
from shipkit.carriers.protocol import CarrierIdentity, Pace, Prepared
from shipkit.carriers.quote_cache import QuoteCache
from shipkit.carriers.tracking import track_each
from shipkit.common.loop_lock import LoopLock
from shipkit.errors import AnswerLost, AuthenticationFailed, CarrierRejected, SettingsError
from shipkit.models import Address, AddressCheck, LabelSpec, Purchase, Rate, Refund, Shipment
from shipkit.settings import Settings

if TYPE_CHECKING:
    import httpx

__all__ = ["EasyPost"]

_PROCESSING_S: Final = 60.0
"""How long EasyPost may go on with a purchase after the client gave up. It states nothing; its own
clients wait 60 s for an answer. A look-up is not believed earlier."""


class EasyPost(EasyPostPickups):
    """An EasyPost account; :meth:`from_env` makes one from the environment.

    Parameters
    ----------
    api_key
        A test or a production key. Its prefix and the mode of every answer must agree with
        `environment`.
    environment
        ``test`` (labels that no carrier takes) or ``live`` (labels that cost money).
    account
        A name that tells this account from others; empty: made from the key. Jobs belong to it.
    carrier_accounts
        Ids of carrier accounts to ask for prices; empty: all active ones.
    insurance
        ``account``, or ``off`` to insure nothing that has no declared value.
    verify
        Check each address when it is priced.
    end_shipper
        The id of an end shipper, where a carrier account requires one.
    base_url
        Another host on this machine, for tests.
    quote_cache
        Keeps prices for a while on disk; None keeps them in memory only.
    quote_cache_s
        How long a price is used again, in seconds.
    transport
        An httpx transport instead of the built-in one: a proxy, a client certificate, a mock.

    Raises
    ------
    SettingsError
        The key is of the other environment, or the host is not EasyPost's.
    """

    resend = "proven"
    """A second purchase of one id is refused by EasyPost, so sending a row again is safe."""

    def __init__(
        self,
        api_key: SecretStr,
        *,
        environment: str = "test",
        account: str = "",
        carrier_accounts: Sequence[str] = (),
        insurance: str = "account",
        verify: bool = False,
        end_shipper: str = "",
        base_url: str | None = None,
        timeout_s: float = 30.0,
        processing_s: float = _PROCESSING_S,
        quote_cache: QuoteCache | None = None,
        quote_cache_s: float = 3600.0,
        transport: httpx.AsyncBaseTransport | None = None,
        proxy: SecretStr | None = None,
    ) -> None:
        if environment not in ("test", "live"):
            raise SettingsError(
                f"SHIPKIT_EASYPOST_ENV is {environment!r}.", fix="Use test or live."
            )
        checked_key(api_key, environment)
        self.identity = CarrierIdentity("easypost", environment, account or _name_of(api_key))
        self.services, self.capabilities = SERVICES, CAPABILITIES
        self.pace = Pace(concurrency=20, timeout_s=timeout_s, processing_s=processing_s)
        self.absence_is_proof_after_s: float | None = processing_s
        self._client = EasyPostClient(
            checked_url(base_url),
            api_key,
            environment,
            timeout_s=timeout_s,
            transport=transport,
            proxy=proxy,
        )
        self._known: AccountFacts | None = None
        self._asking = LoopLock()
        accounts = tuple(filter(None, (text.strip() for text in carrier_accounts)))
        off = insurance == "off"
        self._files = LabelFiles(
            local=self._client.local,
            seconds=max(timeout_s, 0.2),
            transport=transport,
            proxy=proxy,
        )
        self._prices = RateQuestions(
            self._client,
            self._facts,
            accounts=accounts,
            insurance_off=off,
            verify=verify,
            keep_s=quote_cache_s,
            concurrency=self.pace.concurrency,
            cache=quote_cache,
            account="|".join((str(self.identity), self.identity.account, *accounts)),
        )
        self._purchases = LabelPurchases(
            self._client,
            self._files,
            self._facts,
            accounts=accounts,
            insurance_off=off,
            end_shipper=end_shipper,
        )

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> EasyPost:
        """Return the account that the variables ``SHIPKIT_EASYPOST_...`` describe.

        Raises
        ------
        SettingsError
            Variables are missing (the message names all of them) or have values that cannot be
            used.
        """
        return cls.from_settings(EasyPostSettings.read("easypost", environ), Settings.read(environ))

    @classmethod
    def from_settings(cls, own: EasyPostSettings, shared: Settings) -> EasyPost:
        """Return the account that `own` describes."""
        return cls(
            own.api_key,
            environment=own.env,
            account=own.account,
            carrier_accounts=own.carrier_accounts.split(","),
            insurance=own.insurance,
            verify=own.verify,
            end_shipper=own.end_shipper,
            base_url=own.base_url,
            timeout_s=shared.timeout_s,
            quote_cache=QuoteCache(shared.home / "quotes", max_age_s=shared.quote_cache_s),
            proxy=shared.proxy,
            quote_cache_s=shared.quote_cache_s,
        )

    def __reduce__(self) -> NoReturn:
        raise TypeError("an EasyPost account holds its key and cannot be pickled")

    def __repr__(self) -> str:
        """Name the environment and the account's last four characters."""
        return f"EasyPost({self.identity})"

    # -- prices ----------------------------------------------------------------------------------

    async def quote(self, shipment: Shipment, shipper: Address) -> Rate:
        """Return the account's price of `shipment`, with the fees of its purchase apart."""
        return await self._prices.quote(shipment, shipper)

    async def quote_table(
        self, table: pa.Table, shipper: Address, pacer: Pacer | None = None
    ) -> pa.Table:
        """Return a quote table; the same question is asked once, for all services together."""
        return await self._prices.quote_table(table, shipper, pacer)

    async def shop(self, shipment: Shipment, shipper: Address) -> list[Rate]:
        """Return the price by every service of the account, cheapest first."""
        return await self._prices.shop(shipment, shipper)

    async def shop_table(
        self, table: pa.Table, shipper: Address, pacer: Pacer | None = None
    ) -> pa.Table:
        """Return a shop table; rows that ask the same share one rating."""
        return await self._prices.shop_table(table, shipper, pacer)

    # -- labels ----------------------------------------------------------------------------------

    async def prepare(
        self, shipment: Shipment, shipper: Address, reference: str, label: LabelSpec
    ) -> Prepared:
        """Create the shipment without buying it; for several parcels, an order."""
        return await self._purchases.prepare(shipment, shipper, reference, label)

    async def ship(
        self,
        shipment: Shipment,
        shipper: Address,  # noqa: ARG002 - the prepared shipment has it
        reference: str,
        label: LabelSpec,
    ) -> Purchase:
        """Buy the label of the prepared shipment or order whose id is `reference`."""
        return await self._purchases.buy(shipment, reference, label)

    async def find(
        self,
        reference: str,
        label: LabelSpec | None = None,
        shipment: Shipment | None = None,  # noqa: ARG002 - an id needs nothing else
    ) -> list[Purchase]:
        """Return what was bought under the id `reference`."""
        return await self._purchases.find(reference, label or LabelSpec())

    async def void(self, purchase: Purchase) -> Refund:
        """Ask for a refund; one that was accepted before succeeds.

        EasyPost accepts the request and the carrier decides later, USPS after 15 days or more.
        :meth:`refund_state` says what became of it.
        """
        return await self._purchases.refund(purchase.shipment_id)

    async def refund_state(self, purchase: Purchase) -> Refund | None:
        """Return what became of the refund of its labels; one that is rejected counts for all."""
        return await self._purchases.refund_state(purchase.shipment_id, purchase.tracking_numbers)

    # -- afterwards ------------------------------------------------------------------------------

    async def manifest(
        self,
        shipments: Sequence[BoughtLabels],
        origin: Address,  # noqa: ARG002 - the shipments have it
        day: dt.date,  # noqa: ARG002 - the labels have it
        *,
        asked_before: bool,
    ) -> MadeManifest:
        """Put shipments of one carrier and origin on one scan form, or find the one they are on."""
        return await scan_form(
            self._client, self._files.paper, shipments, asked_before=asked_before
        )

    async def track(
        self, tracking_numbers: Sequence[str], pacer: Pacer | None = None
    ) -> list[dict[str, Any]]:
        """Return where parcels are, by the trackers that EasyPost made with their labels.

        No tracker is created: those of other labels are billed.
        """

        async def ask(number: str) -> dict[str, Any]:
            answer = await self._client.get("/trackers", {"tracking_code": number})
            listed = answer.get("trackers") if isinstance(answer, dict) else None
            if not isinstance(listed, list):
                raise AnswerLost("EasyPost's answer has no list of trackers.", fix="Ask again.")
            found = [t for t in listed if isinstance(t, dict)]
            own = [t for t in found if t.get("tracking_code") == number]
            return tracking_line(number, own[0] if own else None)

        return await track_each(ask, tracking_numbers, at_once=self.pace.concurrency, pacer=pacer)

    async def validate_address(self, address: Address) -> AddressCheck:
        """Return whether an address exists, how the carrier writes it, and whether it is a home."""
        body = address_body(address)
        answer = await self._client.post("/addresses", {"address": body, "verify": True})
        return address_check(address, body, answer)

    async def own_services(self) -> list[dict[str, Any]]:
        """Return the services of the account's own carriers, read from the API.

        Returns
        -------
        list
            A dict for each: ``service`` (as a row asks for it), ``title``, ``carrier``, ``wire``,
            ``billed_by`` (``easypost`` or ``carrier``). EasyPost asks for a production key here.
        """
        accounts = await self._client.get("/carrier_accounts")
        answer = await self._client.get("/metadata/carriers", {"types": "service_levels"})
        return services_of(accounts, answer.get("carriers") or ())

    async def aclose(self) -> None:
        """Close connections."""
        await self._client.aclose()
        await self._files.aclose()

    async def _facts(self) -> AccountFacts:
        """Return what the account charges on top of postage, asked once."""
        async with self._asking.here():  # the first fifty rows ask together
            if self._known is None:
                self._known = await self._read_facts()
            return self._known

    async def _read_facts(self) -> AccountFacts:
        try:
            found = AccountFacts.of(await self._client.get("/users"))
        except CarrierRejected:  # a key that may not see its user
            return AccountFacts(known=False)
        named = self.identity.account
        if named.startswith("user_") and found.user_id and found.user_id != named:
            raise AuthenticationFailed(
                f"The key is of another account than SHIPKIT_EASYPOST_ACCOUNT (...{named[-4:]}).",
                fix="Set both to the same account.",
            )
        return found


def _name_of(key: SecretStr) -> str:
    """Return a name for the account of a key that says nothing about the key."""
    return f"key-{hashlib.sha256(key.get_secret_value().encode()).hexdigest()[:8]}"
