"""Prices from UPS: which requests are sent for them, and what of an answer belongs to which row.

Rows that send the same request share its answer; refusals and notes of a row are its own.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import orjson
import pyarrow as pa

from shipkit.carriers.pace import Pacer
from shipkit.carriers.protocol import CarrierIdentity
from shipkit.carriers.quote_cache import QuoteCache
from shipkit.carriers.quoting import alike, quote_line, refused_line, shop_questions
from shipkit.carriers.unsold_services import with_unsold
from shipkit.carriers.ups import responses, wire
from shipkit.carriers.ups.access_points import access_point_note
from shipkit.carriers.ups.billing import billing_note
from shipkit.carriers.ups.client import UpsClient
from shipkit.carriers.ups.customs import cut_notes
from shipkit.carriers.ups.purchases import read_answer
from shipkit.carriers.ups.route import Route, route_of
from shipkit.carriers.ups.service_codes import code_of
from shipkit.carriers.ups.service_level import SERVICES, settled
from shipkit.carriers.ups.service_options import notice_of_emails, simple_rate_services
from shipkit.carriers.ups.tax_numbers import customs_notes
from shipkit.common.local_day import local_day
from shipkit.common.pool import each
from shipkit.errors import AuthenticationFailed, CarrierError, CarrierRejected
from shipkit.models import Address, Rate, Shipment
from shipkit.schema import quotes_table, shipment_from_row

__all__ = ["UpsPrices"]

_NOT_SHOPPED: Final = tuple(each.code for each in SERVICES if not each.facts.get("shopped", True))
"""Services that Shop does not list (recorded answers of an account that buys Ground Saver have 01
02 03 12 13 14 only; verbb/postie#28)."""


@dataclass(frozen=True, slots=True)
class _ShopQuestion:
    """What is sent to shop a shipment."""

    key: str = field(repr=False)
    date: dt.date
    listed: wire.Request | None
    """The Shop request; None where only services of a flat price are asked for."""
    apart: tuple[Shipment | CarrierRejected, ...] = field(repr=False)
    """The shipment by each service that Shop does not list, or why UPS would refuse it."""
    refusals: dict[tuple[str, bool], CarrierRejected | None] = field(
        default_factory=dict, repr=False, compare=False
    )
    """Service, and whether the goods are described -> why UPS would refuse it."""

    def refusal(self, route: Route, shipment: Shipment, service: str) -> CarrierRejected | None:
        """Return why UPS would refuse a row of this question by a service, None where it sells.

        Asked once: the rest of what it depends on is in the question.
        """
        known = service, bool(route.description(shipment))
        if known not in self.refusals:
            self.refusals[known] = None
            try:
                wire.demand_service(route, shipment.model_copy(update={"service": service}))
            except CarrierRejected as refused:
                self.refusals[known] = refused
        return self.refusals[known]


class UpsPrices:
    """Asks UPS for prices, each question once.

    Parameters
    ----------
    identity
        Who pays; kept prices belong to it.
    concurrency
        How many requests are under way at a time.
    cache
        Keeps prices for a while; None asks every time.
    basis
        Which prices are wanted: see :func:`~shipkit.carriers.ups.rate_basis.rate_basis`.
    today
        The day, in tests; None: the day where the parcels leave from.
    """

    def __init__(
        self,
        client: UpsClient,
        identity: CarrierIdentity,
        *,
        concurrency: int,
        cache: QuoteCache | None,
        basis: Mapping[str, Any],
        today: Callable[[], dt.date] | None,
    ) -> None:
        self._client, self._account = client, identity.account
        self._who = f"{identity.name}|{identity.environment}|{identity.account}"
        self._concurrency, self._cache, self._today = concurrency, cache, today
        self._basis = basis
        self._days_apart: bool | None = None

    async def quote(self, shipment: Shipment, shipper: Address) -> Rate:
        """Return the price of `shipment`, with its days from the ship date, or from today."""
        shipment = settled(shipment, shipper)
        wire.check(shipment, shipper, self._account)
        request = self._rate_request(shipment, shipper)
        return self._noted(await self._priced(request, shipment, shipper), shipment, shipper)

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
                at_once=self._concurrency,
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
        question = self._shop_question(shipment, shipper)
        return self._offers(shipment, shipper, question, await self._shop(question, shipper))

    async def shop_table(
        self, table: pa.Table, shipper: Address, pacer: Pacer | None = None
    ) -> pa.Table:
        """Return a shop table; requests that are alike are written and sent once."""
        known: dict[str, _ShopQuestion] = {}

        def question_of(row: dict[str, Any], shipment: Shipment) -> tuple[str, _ShopQuestion]:
            key = alike(row)
            if key in known:
                wire.check_row(shipment, shipper, self._account)
            else:
                known[key] = self._shop_question(shipment, shipper)
            return known[key].key, known[key]

        async def ask(question: _ShopQuestion) -> tuple[_ShopQuestion, list[Rate]]:
            return question, await self._shop(question, shipper)

        return await shop_questions(
            table,
            question_of,
            ask,
            lambda shipment, answer: self._offers(shipment, shipper, *answer),
            concurrency=self._concurrency,
            pacer=pacer,
        )

    def _shop_question(self, shipment: Shipment, shipper: Address) -> _ShopQuestion:
        """Return what is sent to shop a shipment.

        Raises
        ------
        CarrierRejected
            UPS would refuse the shipment by every service.
        """
        route = wire.check_row(shipment, shipper, self._account)
        date = shipment.ship_date or self.day(shipment, shipper)
        simple = simple_rate_services(shipment)
        listed = None if simple else self._rate(shipment, shipper, date, shop=True)
        apart: list[Shipment | CarrierRejected] = []
        sent: list[object] = [listed.body if listed else None]
        for service in simple or _NOT_SHOPPED:
            own = shipment.model_copy(update={"service": service})
            try:
                wire.demand_service(route, own)
                sent.append(self._rate(own, shipper, date).body)
                apart.append(own)
            except CarrierRejected as refused:
                sent.append(str(refused))
                apart.append(refused)
        key = orjson.dumps(sent, option=orjson.OPT_SORT_KEYS).decode()
        return _ShopQuestion(key, date, listed, tuple(apart))

    async def _shop(self, question: _ShopQuestion, shipper: Address) -> list[Rate]:
        listed = [self._shopped(question.listed, shipper.country)] if question.listed else []
        asked = [each for each in question.apart if isinstance(each, Shipment)]
        apart = [self._asked_apart(shipment, shipper, question.date) for shipment in asked]
        found = await asyncio.gather(*listed, *apart, return_exceptions=True)
        rates = [rate for each in found if not isinstance(each, BaseException) for rate in each]
        for one in found:
            if isinstance(one, BaseException) and not isinstance(one, CarrierRejected):
                raise one
        if not rates:
            refused = [each for each in found if isinstance(each, CarrierRejected)]
            refused += [each for each in question.apart if isinstance(each, CarrierRejected)]
            raise refused[0] if listed else _none_sold(refused)
        return rates

    def _offers(
        self, shipment: Shipment, shipper: Address, question: _ShopQuestion, rates: list[Rate]
    ) -> list[Rate]:
        """Return an answer as the prices of a shipment, by what UPS sells it, cheapest first.

        Shop prices services that Ship then refuses for what the row asks. They are left out, and
        the others say why.

        Raises
        ------
        CarrierRejected
            UPS would refuse the shipment by every service.
        """
        route = route_of(shipment, shipper, self._account)
        notes = self._notes(shipment, shipper, route)
        noted, unsold = [], list[tuple[Rate, CarrierRejected]]()
        for rate in sorted(rates, key=lambda rate: (rate.cost_cents, rate.service)):
            refusal = question.refusal(route, shipment, rate.service)
            if refusal is None:
                noted.append(_with_warnings(rate, notes))
            else:
                unsold.append((rate, refusal))
        if unsold and not noted:
            raise _none_sold([refusal for _, refusal in unsold])
        return with_unsold(noted, unsold, SERVICES.title_of)

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
        request = self._rate(shipment, shipper, day)
        rate = self._price_of(await self._client.ask(request), shipment, shipper)
        if learns:
            self._days_apart = day is not None
        return rate

    def _days_to_ask(self, date: dt.date) -> tuple[dt.date | None, ...]:
        known = self._days_apart
        return (date, None) if known is None else (date,) if known else (None,)

    def _rate(
        self, shipment: Shipment, shipper: Address, date: dt.date | None, *, shop: bool = False
    ) -> wire.Request:
        return wire.rate(
            shipment, shipper, account=self._account, date=date, shop=shop, basis=self._basis
        )

    def _rate_request(self, shipment: Shipment, shipper: Address) -> wire.Request:
        """Return the question for a price, with transit times from the ship date, or from today."""
        date = shipment.ship_date or self.day(shipment, shipper)
        return self._rate(shipment, shipper, date)

    async def _priced(self, request: wire.Request, shipment: Shipment, shipper: Address) -> Rate:
        """Return the price that a question asks for, of Ground Saver without days if need be."""
        if shipment.service in _NOT_SHOPPED:
            date = shipment.ship_date or self.day(shipment, shipper)
            [rate] = await self._asked_apart(shipment, shipper, date)
            return rate
        return self._price_of(await self._client.ask(request), shipment, shipper)

    def _price_of(self, body: Any, shipment: Shipment, shipper: Address) -> Rate:
        """Return the price of the shipment's own service in an answer of Rate."""
        route = route_of(shipment, shipper, self._account)
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

    def _notes(self, shipment: Shipment, shipper: Address, route: Route) -> tuple[str, ...]:
        """Return what a person should know of a row beyond UPS's answer.

        They are of the row, not of the question: rows that ask the same may differ in them, and a
        kept answer has none.
        """
        ahead = None
        if shipment.ship_date and shipment.ship_date > self.last_day(shipment, shipper):
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
        return (
            *(note for note in own if note),
            *customs_notes(route, shipment),
            *cut_notes(route, shipment),
        )

    def _noted(self, rate: Rate, shipment: Shipment, shipper: Address) -> Rate:
        route = route_of(shipment, shipper, self._account)
        return _with_warnings(rate, self._notes(shipment, shipper, route))

    def day(self, shipment: Shipment, shipper: Address) -> dt.date:
        """Return today where the parcels leave from."""
        place = shipment.ship_from or shipper
        return local_day(place) if self._today is None else self._today()

    def last_day(self, shipment: Shipment, shipper: Address) -> dt.date:
        """Return the last ship date that UPS makes labels for today."""
        return self.day(shipment, shipper) + dt.timedelta(days=wire.DAYS_AHEAD)

    def _question(
        self,
        row: dict[str, Any],
        shipper: Address,
        questions: dict[str, tuple[wire.Request, Shipment]],
    ) -> dict[str, Any] | tuple[str, tuple[str, ...]]:
        """Return the key of a row's question with notes, or its quote where UPS would refuse it."""
        try:
            shipment = settled(shipment_from_row(row), shipper)
            wire.check(shipment, shipper, self._account)
            request = self._rate_request(shipment, shipper)
        except CarrierRejected as error:
            return refused_line(row["service"], error)
        key = orjson.dumps([request.path, request.body], option=orjson.OPT_SORT_KEYS).decode()
        questions.setdefault(key, (request, shipment))
        route = route_of(shipment, shipper, self._account)
        return key, self._notes(shipment, shipper, route)

    def _cache_keys(self, questions: Iterable[str]) -> dict[str, str]:
        return {key: f"{self._who}|{key}" for key in questions}

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
            return await self._priced(request, shipment, shipper)

        try:
            rate = await (pacer.repeat(ask) if pacer else ask())
        except AuthenticationFailed:
            raise  # no row can be priced
        except CarrierError as error:
            known[key] = refused_line(shipment.service, error)
            return
        known[key], fresh[key] = quote_line(rate), rate


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


def _with_warnings(rate: Rate, notes: tuple[str, ...]) -> Rate:
    return rate.model_copy(update={"warnings": (*rate.warnings, *notes)}) if notes else rate


def _with_notes(line: dict[str, Any], notes: tuple[str, ...]) -> dict[str, Any]:
    """Return a priced row of a quote table with notes among its warnings."""
    if not notes or line.get("cost_cents") is None:
        return line
    return {**line, "warnings": "; ".join(filter(None, (line.get("warnings"), *notes)))}
