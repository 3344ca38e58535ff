"""UPS as a carrier: quotes, sells, finds, voids and tracks through its REST API.

What is sent is in :mod:`~shipkit.carriers.ups.wire` and what comes back is read in
:mod:`~shipkit.carriers.ups.responses`, both pure. What an answer means for the outcome is decided
in :mod:`~shipkit.carriers.ups.client`. Here is which requests are sent, in which order.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NoReturn

import orjson
import pyarrow as pa
from pydantic import SecretStr

from shipkit.carriers.label_format import checked
from shipkit.carriers.pace import Pacer
from shipkit.carriers.protocol import CarrierIdentity, Pace
from shipkit.carriers.quote_cache import QuoteCache
from shipkit.carriers.quoting import quote_line, refused_line
from shipkit.carriers.tracking import track_each
from shipkit.carriers.ups import CAPABILITIES, responses, tracking_answers, wire
from shipkit.carriers.ups.access_points import access_point_note
from shipkit.carriers.ups.billing import billing_note
from shipkit.carriers.ups.client import UpsClient
from shipkit.carriers.ups.codes import ALREADY_VOIDED, CANNOT_CLASSIFY
from shipkit.carriers.ups.customs import cut_notes
from shipkit.carriers.ups.host import checked_host
from shipkit.carriers.ups.landed_cost import landed_cost, landed_cost_of
from shipkit.carriers.ups.pickup_calls import UpsPickups
from shipkit.carriers.ups.purchases import read_answer
from shipkit.carriers.ups.reference_lookup import ReferenceLookup
from shipkit.carriers.ups.route import route_of
from shipkit.carriers.ups.service_codes import code_of
from shipkit.carriers.ups.service_level import SERVICES
from shipkit.carriers.ups.service_options import notice_of_emails, simple_rate_services
from shipkit.carriers.ups.tax_numbers import customs_notes
from shipkit.carriers.ups.ups_settings import UpsSettings
from shipkit.common.local_day import local_day
from shipkit.common.pool import each
from shipkit.errors import AuthenticationFailed, CarrierError, CarrierRejected, SettingsError
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
from shipkit.schema import quotes_table, shipment_from_row
from shipkit.settings import Settings

if TYPE_CHECKING:
    import httpx

__all__ = ["UPS"]

_NOT_SHOPPED: Final = tuple(each.code for each in SERVICES if not each.facts.get("shopped", True))
"""Services that Shop does not list (recorded answers of an account that buys Ground Saver have 01
02 03 12 13 14 only; verbb/postie#28)."""

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
        self._cache = quote_cache
        self._today = today
        self._days_apart: bool | None = None

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
        shipment = _settled(shipment, shipper)
        wire.check(shipment, shipper)
        body = await self._client.ask(self._rate_request(shipment, shipper))
        return self._noted(self._price_of(body, shipment, shipper), shipment, shipper)

    async def quote_table(
        self, table: pa.Table, shipper: Address, pacer: Pacer | None = None
    ) -> pa.Table:
        """Return a quote table.

        The same question is asked once, and not at all when the cache has the answer.
        """
        rows: list[dict[str, Any] | tuple[str, tuple[str, ...]]] = []
        questions: dict[str, tuple[wire.Request, Shipment]] = {}
        for batch in table.to_batches(max_chunksize=1_000):
            for row in batch.to_pylist():
                rows.append(self._question(row, shipper, questions))  # noqa: PERF401 - in batches
            await asyncio.sleep(0)  # others on this event loop get a turn
        cached = self._cache.get(self._cache_keys(questions)) if self._cache else {}
        known = {key: quote_line(rate, "cached") for key, rate in cached.items()}
        fresh: dict[str, Rate] = {}
        try:
            await each(
                lambda key: self._ask_price(key, questions[key], shipper, known, fresh, pacer),
                [key for key in questions if key not in known],
                at_once=self.pace.concurrency,
            )
        finally:
            if self._cache:
                keys = self._cache_keys(fresh)
                self._cache.put({question: fresh[key] for key, question in keys.items()})
        return quotes_table(
            [row if isinstance(row, dict) else _with_notes(known[row[0]], row[1]) for row in rows]
        )

    async def shop(self, shipment: Shipment, shipper: Address) -> list[Rate]:
        """Return the price by every service that UPS offers for `shipment`, cheapest first.

        Shop leaves Ground Saver out, so it is asked for by itself, and so are the services of a
        Simple Rate, whose answers are of that price for certain. Only a refusal by UPS means that a
        service is not offered; without an answer the row has no prices at all, because the cheapest
        of the rest may not be the cheapest.
        """
        date = shipment.ship_date or self._day(shipment, shipper)
        simple = simple_rate_services(shipment)
        listed = []
        if simple:
            wire.check(shipment.model_copy(update={"service": simple[0]}), shipper)
        else:
            asked = wire.rate(
                shipment, shipper, account=self.identity.account, shop=True, date=date
            )
            listed = [self._shopped(asked, shipper.country)]
        apart = [
            self._asked_apart(shipment.model_copy(update={"service": service}), shipper, date)
            for service in simple or _NOT_SHOPPED
        ]
        found = await asyncio.gather(*listed, *apart, return_exceptions=True)
        rates = [rate for each in found if not isinstance(each, BaseException) for rate in each]
        refused = [each for each in found if isinstance(each, CarrierRejected)]
        for one in found:
            if isinstance(one, BaseException) and not isinstance(one, CarrierRejected):
                raise one
        if not rates:
            first = found[0]
            raise first if listed and isinstance(first, CarrierRejected) else _none_sold(refused)
        rates = [self._noted(rate, shipment, shipper) for rate in rates]
        return sorted(rates, key=lambda rate: (rate.cost_cents, rate.service))

    async def _shopped(self, request: wire.Request, country: str) -> list[Rate]:
        body = await self._client.ask(request)
        return read_answer(lambda answer: responses.rates(answer, country=country), body)

    async def _asked_apart(self, shipment: Shipment, shipper: Address, date: dt.date) -> list[Rate]:
        """Return the price of a service that Shop does not list.

        No answer shows whether UPS gives the days with it. Where it refuses to, the price is asked
        for without them, until an answer has shown which of the two it is.

        Raises
        ------
        CarrierRejected
            The service does not run.
        """
        learns = shipment.service in _NOT_SHOPPED
        wire.check(shipment, shipper)
        *others, final = self._days_to_ask(date) if learns else (date,)
        for day in others:
            try:
                return [await self._priced_apart(shipment, shipper, day, learns=learns)]
            except CarrierRejected as refused:
                if refused.carrier_code is None:
                    raise  # found here, before UPS was asked
        return [await self._priced_apart(shipment, shipper, final, learns=learns)]

    async def _priced_apart(
        self, shipment: Shipment, shipper: Address, day: dt.date | None, *, learns: bool
    ) -> Rate:
        request = wire.rate(shipment, shipper, account=self.identity.account, date=day)
        rate = self._price_of(await self._client.ask(request), shipment, shipper)
        if learns:
            self._days_apart = day is not None
        return rate

    def _days_to_ask(self, date: dt.date) -> tuple[dt.date | None, ...]:
        known = self._days_apart
        return (date, None) if known is None else (date,) if known else (None,)

    async def transit_times(self, shipment: Shipment, shipper: Address) -> list[TransitTime]:
        """Return how long each service takes from the ship date (or today), fastest first."""
        request = wire.transit(
            shipment,
            shipper,
            account=self.identity.account,
            date=shipment.ship_date or self._day(shipment, shipper),
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
            date=shipment.ship_date or self._day(shipment, shipper),
            transaction=uuid.uuid4().hex,
        )
        return read_answer(landed_cost_of, await self._client.ask(request))

    def _rate_request(self, shipment: Shipment, shipper: Address) -> wire.Request:
        """Return the question for a price, with transit times from the ship date, or from today.

        Whether UPS gives the days of Ground Saver is not known until it has answered once.
        """
        date = shipment.ship_date
        if date is None and (shipment.service not in _NOT_SHOPPED or self._days_apart):
            date = self._day(shipment, shipper)
        return wire.rate(shipment, shipper, account=self.identity.account, date=date)

    def _price_of(self, body: Any, shipment: Shipment, shipper: Address) -> Rate:
        """Return the price of the shipment's own service in an answer of Rate."""
        route = route_of(shipment, shipper, self.identity.account)
        about = {
            "only": shipment.service,
            "code": code_of(route, shipment),
            "country": shipper.country,
        }
        rates = read_answer(lambda answer: responses.rates(answer, **about), body)
        rate = next((rate for rate in rates if rate.service == shipment.service), None)
        if rate is None:
            # Never the price of another service: a preview would show what is not bought.
            raise CarrierRejected(
                f"UPS gave no price for {SERVICES.title_of(shipment.service)}.",
                fix="Choose another service: session.shop() lists what UPS offers for this row.",
            )
        return rate

    def _notes(self, shipment: Shipment, shipper: Address) -> tuple[str, ...]:
        """Return what a person should know of a row beyond UPS's answer.

        They are of the row, not of the question: rows that ask the same may differ in them, and a
        kept answer has none.
        """
        ahead = None
        if shipment.ship_date and shipment.ship_date > self._last_day(shipment, shipper):
            first = shipment.ship_date - dt.timedelta(days=wire.DAYS_AHEAD)
            ahead = (
                f"UPS makes labels at most {wire.DAYS_AHEAD} days ahead; buy on or after {first}"
            )
        own = (
            billing_note(shipment),
            notice_of_emails(shipment),
            access_point_note(shipment),
            ahead,
        )
        route = route_of(shipment, shipper, self.identity.account)
        return (
            *(note for note in own if note),
            *customs_notes(route, shipment),
            *cut_notes(route, shipment),
        )

    def _noted(self, rate: Rate, shipment: Shipment, shipper: Address) -> Rate:
        notes = self._notes(shipment, shipper)
        return rate.model_copy(update={"warnings": (*rate.warnings, *notes)})

    def _day(self, shipment: Shipment, shipper: Address) -> dt.date:
        """Return today where the parcels leave from."""
        place = shipment.ship_from or shipper
        return local_day(place) if self._today is None else self._today()

    def _last_day(self, shipment: Shipment, shipper: Address) -> dt.date:
        return self._day(shipment, shipper) + dt.timedelta(days=wire.DAYS_AHEAD)

    def _question(
        self,
        row: dict[str, Any],
        shipper: Address,
        questions: dict[str, tuple[wire.Request, Shipment]],
    ) -> dict[str, Any] | tuple[str, tuple[str, ...]]:
        """Return the key of a row's question with notes, or its quote where UPS would refuse it."""
        try:
            shipment = _settled(shipment_from_row(row), shipper)
            wire.check(shipment, shipper)
            request = self._rate_request(shipment, shipper)
        except CarrierRejected as error:
            return refused_line(row["service"], error)
        key = orjson.dumps([request.path, request.body], option=orjson.OPT_SORT_KEYS).decode()
        questions.setdefault(key, (request, shipment))
        return key, self._notes(shipment, shipper)

    def _cache_keys(self, questions: Iterable[str]) -> dict[str, str]:
        who = f"{self.identity.name}|{self.identity.environment}|{self.identity.account}"
        return {key: f"{who}|{key}" for key in questions}

    async def _ask_price(
        self,
        key: str,
        question: tuple[wire.Request, Shipment],
        shipper: Address,
        known: dict[str, dict[str, Any]],
        fresh: dict[str, Rate],
        pacer: Pacer | None,
    ) -> None:
        request, shipment = question

        async def ask() -> Rate:
            return self._price_of(await self._client.ask(request), shipment, shipper)

        try:
            rate = await (pacer.repeat(ask) if pacer else ask())
        except AuthenticationFailed:
            raise  # no row can be priced
        except CarrierError as error:
            known[key] = refused_line(shipment.service, error)
            return
        known[key], fresh[key] = quote_line(rate), rate

    # -- labels ----------------------------------------------------------------------------------

    async def ship(
        self, shipment: Shipment, shipper: Address, reference: str, label: LabelSpec
    ) -> Purchase:
        """Buy. UPS stores `reference` with the shipment.

        UPS has no PDF and no PNG: such labels come as GIF, and become what `label` asks for when
        they are saved.
        """
        shipment = _settled(shipment, shipper)
        if shipment.ship_date and shipment.ship_date > self._last_day(shipment, shipper):
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
            today=self._day(shipment, shipper),
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
                f"UPS did not void {purchase.shipment_id}: {left}.",
                fix="Look at the shipment on ups.com.",
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


def _none_sold(refused: Sequence[CarrierRejected]) -> CarrierRejected:
    """Return the refusal of a row by every service that was asked for, with its reasons."""
    if not refused:
        return CarrierRejected(
            "UPS sells this row by none of its services.", fix="Name a service to see why."
        )
    reasons = list(dict.fromkeys(each.message for each in refused))
    one = refused[0]
    return CarrierRejected(
        reasons[0]
        if len(reasons) == 1
        else f"UPS sells this row by no service: {' '.join(reasons)}",
        fix=one.fix,
        carrier_code=one.carrier_code,
        carrier_message=one.carrier_message,
        transaction_id=one.transaction_id,
        **one.details,
    )


def _with_notes(line: dict[str, Any], notes: tuple[str, ...]) -> dict[str, Any]:
    """Return a priced row of a quote table with notes among its warnings."""
    if not notes or line.get("cost_cents") is None:
        return line
    return {**line, "warnings": "; ".join(filter(None, (line.get("warnings"), *notes)))}


def _settled(shipment: Shipment, shipper: Address) -> Shipment:
    """Return `shipment` with the code of its service, read as the shipper's country names them."""
    return SERVICES.of_shipper(shipper.country).settled(shipment)
