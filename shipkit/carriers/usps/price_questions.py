"""Prices from USPS: each question once, within the quota.

USPS has no price resource for many parcels: one request is one parcel, and an app has 60 an hour.
So the answer to a question is kept for as long as it holds: in memory, and on disk by what it
depends on. One answer has every product and every extra service, whatever a row asks for. How long
the quota makes a batch wait is a warning before the first request is sent.

A row with its own service is a question to the price API, kept by ZIP3. A comparison of services
(`shop`) is one to the shipping options, which know the delivery days too, kept by all five digits.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import pyarrow as pa

from shipkit.carriers.label_letters import letter_notes
from shipkit.carriers.pace import Pacer
from shipkit.carriers.quote_cache import AnswerCache
from shipkit.carriers.quoting import SHOPPED, best_of, offers_table, quote_line, refused_line
from shipkit.carriers.unsold_services import with_unsold
from shipkit.carriers.usps.customs_form import form_notes
from shipkit.carriers.usps.label_request import check, reference_notes
from shipkit.carriers.usps.mail_classes import ABROAD, DOMESTIC, SERVICES, is_domestic
from shipkit.carriers.usps.parcel_question import INCLUDED, Question, extras_of, insured_value
from shipkit.carriers.usps.parcel_question import questions as questions_of
from shipkit.carriers.usps.price_answer import (
    PriceAnswer,
    PricedProduct,
    best_product,
    read_prices,
)
from shipkit.carriers.usps.quota_forecast import forecast
from shipkit.carriers.usps.usps_client import UspsClient
from shipkit.common import notices
from shipkit.common.local_day import local_day
from shipkit.common.pool import each
from shipkit.errors import AuthenticationFailed, CarrierError, CarrierRejected
from shipkit.models import Address, Rate, Shipment, Signature
from shipkit.schema import quotes_table, shipment_from_row

__all__ = ["PriceQuestions", "mailing_day"]

log = logging.getLogger("shipkit.usps")

_REMEMBERED: Final = 50_000
"""Answers kept in memory, the newest ones."""
_DAYS_AHEAD: Final = 7
"""The mailing date is today or up to seven days ahead (domestic-labels.yaml, mailingDate)."""


def mailing_day(shipment: Shipment, shipper: Address) -> dt.date:
    """Return the day a parcel is mailed: the row's ship date, else today where it leaves.

    Raises
    ------
    CarrierRejected
        USPS does not accept it.
    """
    today = local_day(shipment.ship_from or shipper)
    day = shipment.ship_date or today
    if not today <= day <= today + dt.timedelta(days=_DAYS_AHEAD):
        raise CarrierRejected(
            f"ship_date: USPS accepts today and the next {_DAYS_AHEAD} days, not {day}.",
            fix="Correct the ship date.",
            field="ship_date",
        )
    return day


@dataclass(frozen=True)
class _Drafted:
    """A row that can be asked about: a question for each parcel."""

    shipment: Shipment = field(repr=False)
    questions: list[Question]


@dataclass(frozen=True)
class _Answered:
    """A row with the answers to its questions."""

    shipment: Shipment = field(repr=False)
    answers: list[PriceAnswer]
    fresh: bool
    """Whether one of them was asked for now."""
    compared: list[PriceAnswer] = field(default_factory=list)
    """Answers that are kept of a comparison of the same parcels, which know the delivery days."""


class PriceQuestions:
    """Asks USPS for prices, each question once.

    Parameters
    ----------
    account
        Under whose name answers are kept on disk.
    price_type, paying
        What labels are billed at; for a contract, kind and number of the account.
    cache
        Answers on disk; None keeps them in memory only.
    """

    def __init__(
        self,
        client: UspsClient,
        *,
        account: str,
        price_type: str,
        paying: Mapping[str, str],
        concurrency: int,
        cache: AnswerCache[PriceAnswer] | None = None,
    ) -> None:
        self._client, self._account, self._cache = client, account, cache
        self._price_type, self._paying, self._concurrency = price_type, paying, concurrency
        self._known: dict[str, PriceAnswer] = {}
        self._turns: dict[str, asyncio.Lock] = {}
        """Questions that are being asked: rows that need the answer wait for it."""

    async def quote(self, shipment: Shipment, shipper: Address) -> Rate:
        """Return the price of the shipment's own service, the sum over its parcels."""
        shipment = SERVICES.settled(shipment)
        check(shipment, shipper, parcels=self._client.quota.per_hour)
        asked = questions_of(shipment, *self._from_and_day(shipment, shipper))
        answers = [await self._answer(question, compare=False) for question in asked]
        return self._rate(shipment, shipper, answers, self._compared(asked))

    async def products(
        self, shipment: Shipment, shipper: Address, day: dt.date
    ) -> list[PricedProduct]:
        """Return the product that each parcel is bought as, at its price."""
        asked = questions_of(shipment, shipment.ship_from or shipper, day)
        answers = [await self._answer(question, compare=False) for question in asked]
        return self._chosen(shipment, answers)

    async def shop(self, shipment: Shipment, shipper: Address) -> list[Rate]:
        """Return the price by every service, cheapest first, with delivery days within the US."""
        origin, day = self._from_and_day(shipment, shipper)
        answers = [
            await self._answer(question, compare=True)
            for question in questions_of(shipment, origin, day)
        ]
        return self._offers(shipment, shipper, answers)

    async def quote_table(
        self, table: pa.Table, shipper: Address, pacer: Pacer | None = None
    ) -> pa.Table:
        """Return a quote table. A row that is refused costs no other row its price."""
        lines = []
        for service, found in await self._asked(table, shipper, pacer, compare=False):
            if isinstance(found, CarrierError):
                lines.append(refused_line(service, found))
                continue
            try:
                rate = self._rate(found.shipment, shipper, found.answers, found.compared)
                lines.append(quote_line(rate, "quoted" if found.fresh else "cached"))
            except CarrierRejected as error:
                lines.append(refused_line(service, error))
        return quotes_table(lines)

    async def shop_table(
        self, table: pa.Table, shipper: Address, pacer: Pacer | None = None
    ) -> pa.Table:
        """Return a shop table, by shipment and cost."""
        offers: list[tuple[int, dict[str, Any]]] = []
        rows = await self._asked(table, shipper, pacer, compare=True)
        for place, (_, found) in enumerate(rows):
            if isinstance(found, CarrierError):
                offers.append((place, refused_line(None, found)))
                continue
            try:
                rates = self._offers(found.shipment, shipper, found.answers)
                offers += [(place, quote_line(rate)) for rate in rates]
            except CarrierRejected as error:
                offers.append((place, refused_line(None, error)))
        if not offers:
            return SHOPPED.empty_table()
        places = pa.array([place for place, _ in offers], pa.int64()).to_numpy()
        return best_of(offers_table([line for _, line in offers]), places)

    # -- asking ----------------------------------------------------------------------------------

    async def _asked(
        self, table: pa.Table, shipper: Address, pacer: Pacer | None, *, compare: bool
    ) -> list[tuple[str | None, _Answered | CarrierError]]:
        """Return the service of each row, and the answers to its questions or its refusal."""
        rows: list[tuple[str | None, _Drafted | CarrierError]] = []
        for batch in table.to_batches(max_chunksize=1_000):
            rows += [
                (row["service"], self._drafted(row, shipper, compare=compare))
                for row in batch.to_pylist()
            ]
            await asyncio.sleep(0)  # others on this event loop get a turn
        drafted = [row for _, row in rows if isinstance(row, _Drafted)]
        wanted = {
            self._key(question, compare=compare): question
            for row in drafted
            for question in row.questions
        }
        known = self._kept(list(wanted))
        compared = {} if compare else self._all_compared(drafted)
        fresh = {key: question for key, question in wanted.items() if key not in known}
        labels = sum(len(row.questions) for row in drafted)
        self._forecast(wanted.values(), list(fresh.values()), labels, compare=compare)
        refused: dict[str, CarrierError] = {}

        async def ask(key: str) -> None:
            async def once() -> PriceAnswer:
                return await self._ask(fresh[key], compare=compare)

            try:
                known[key] = await (pacer.repeat(once) if pacer else once())
            except AuthenticationFailed:
                raise  # no row can be priced
            except CarrierError as error:
                refused[key] = error

        await each(ask, list(fresh), at_once=self._concurrency)

        def answered(row: _Drafted | CarrierError) -> _Answered | CarrierError:
            if isinstance(row, CarrierError):
                return row
            keys = [self._key(question, compare=compare) for question in row.questions]
            error = next((refused[key] for key in keys if key in refused), None)
            if error is not None:
                return error
            fresh_ones = any(key in fresh for key in keys)
            answers = [known[key] for key in keys]
            return _Answered(row.shipment, answers, fresh_ones, compared.get(id(row), []))

        return [(service, answered(row)) for service, row in rows]

    def _all_compared(self, drafted: Sequence[_Drafted]) -> dict[int, list[PriceAnswer]]:
        """Return the kept comparisons of rows that have one of each parcel, by the row's id."""
        keys = {
            id(row): [self._key(question, compare=True) for question in row.questions]
            for row in drafted
        }
        known = self._kept(list(dict.fromkeys(key for some in keys.values() for key in some)))
        return {
            row: [known[key] for key in some]
            for row, some in keys.items()
            if all(key in known for key in some)
        }

    def _compared(self, asked: Sequence[Question]) -> list[PriceAnswer]:
        """Return the kept comparisons of a row's parcels, none where one is missing."""
        keys = [self._key(question, compare=True) for question in asked]
        known = self._kept(keys)
        return [known[key] for key in keys] if all(key in known for key in keys) else []

    def _drafted(
        self, row: dict[str, Any], shipper: Address, *, compare: bool
    ) -> _Drafted | CarrierError:
        """Return the questions of a row, or its refusal where it is refused unasked."""
        try:
            if compare:
                shipment = shipment_from_row({**row, "service": "any"})
            else:
                shipment = SERVICES.settled(shipment_from_row(row))
                check(shipment, shipper, parcels=self._client.quota.per_hour)
            asked = questions_of(shipment, *self._from_and_day(shipment, shipper))
        except CarrierRejected as refused:
            return refused
        except ValueError:
            return CarrierRejected(
                "The row is not a complete shipment yet.",
                fix="session.problems lists what is missing.",
            )
        return _Drafted(shipment, asked)

    async def _answer(self, question: Question, *, compare: bool) -> PriceAnswer:
        key = self._key(question, compare=compare)
        turn = self._turns.setdefault(key, asyncio.Lock())
        try:
            async with turn:  # the first rows of a job need the same answer together
                found = self._kept([key]).get(key)
                return found or await self._ask(question, compare=compare)
        finally:
            if not turn.locked():
                self._turns.pop(key, None)

    async def _ask(self, question: Question, *, compare: bool) -> PriceAnswer:
        path, body = self._request(question, compare=compare)
        answer = read_prices(await self._client.ask("POST", path, body=body))
        self._keep(self._key(question, compare=compare), answer)
        return answer

    def _request(self, question: Question, *, compare: bool) -> tuple[str, dict[str, Any]]:
        """Return path and body of a question. Extra services are left out: then all are listed."""
        length, width, height = map(float, question.sides)
        parcel = {
            "weight": float(question.weight),
            "length": length,
            "width": width,
            "height": height,
        }
        if compare and not question.abroad:
            package: dict[str, Any] = {
                **parcel,
                "mailClass": "ALL_OUTBOUND",
                "mailingDate": question.day,
            }
            if question.value:
                package["packageValue"] = float(question.value)
            pricing: dict[str, Any] = {"priceType": self._price_type.upper()}
            if self._paying:
                pricing["paymentAccount"] = dict(self._paying)
            return "/shipments/v3/options/search", {
                "pricingOptions": [pricing],
                "originZIPCode": question.origin,
                "destinationZIPCode": question.destination,
                "packageDescription": package,
            }
        body: dict[str, Any] = {
            **parcel,
            "originZIPCode": question.origin,
            "mailingDate": question.day,
            "priceType": self._price_type.upper(),
            **self._paying,
        }
        if question.value:
            body["itemValue"] = float(question.value)
        if question.abroad:
            body |= {"destinationCountryCode": question.destination, "mailClass": "ALL"}
            if question.foreign_code:
                body["foreignPostalCode"] = question.foreign_code
            return "/international-prices/v3/total-rates/search", body
        body |= {
            "destinationZIPCode": question.destination,
            "mailClasses": [SERVICES.wire(code) for code in DOMESTIC],
        }
        return "/prices/v3/total-rates/search", body

    def _from_and_day(self, shipment: Shipment, shipper: Address) -> tuple[Address, dt.date]:
        return shipment.ship_from or shipper, mailing_day(shipment, shipper)

    # -- answers ---------------------------------------------------------------------------------

    def _chosen(self, shipment: Shipment, answers: Sequence[PriceAnswer]) -> list[PricedProduct]:
        pairs = zip(answers, shipment.parcels, strict=True)
        return [best_product(a, shipment, parcel, self._price_type) for a, parcel in pairs]

    def _rate(
        self,
        shipment: Shipment,
        shipper: Address,
        answers: Sequence[PriceAnswer],
        compared: Sequence[PriceAnswer] = (),
    ) -> Rate:
        """Return the price of all parcels: postage in `base_cents`, fees and extras apart.

        The price API knows no delivery days. Where a comparison of the same parcels is kept, its
        days are the service's.
        """
        chosen = self._chosen(shipment, answers)
        extras = [extras_of(shipment, parcel) for parcel in shipment.parcels]
        total = sum(one.total(codes) for one, codes in zip(chosen, extras, strict=True))
        base = sum(one.postage for one in chosen)
        timed = self._timed(shipment, compared) or chosen
        days = [one.days for one in timed]
        dates = [one.date for one in timed]
        weights = [one.weight for one in chosen]
        return Rate(
            service=shipment.service,
            cost_cents=total,
            zone=chosen[0].zone or None,
            billable_weight_lb=None if None in weights else sum(filter(None, weights)),
            transit_days=None if None in days else max(filter(None, days), default=None),
            delivery_date=None if None in dates else max(filter(None, dates)),
            base_cents=base,
            other_cents=total - base or None,
            warnings=tuple(dict.fromkeys(self._warnings(shipment, shipper, chosen))),
        )

    def _timed(self, shipment: Shipment, compared: Sequence[PriceAnswer]) -> list[PricedProduct]:
        """Return the products of a comparison that a shipment's service is."""
        if not compared:
            return []
        try:
            return self._chosen(shipment, compared)
        except CarrierRejected:  # the two resources do not list the same products
            return []

    def _warnings(
        self, shipment: Shipment, shipper: Address, chosen: Sequence[PricedProduct]
    ) -> list[str]:
        found = [text for one in chosen for text in one.warnings]
        for one, parcel in zip(chosen, shipment.parcels, strict=True):
            for code in extras_of(shipment, parcel):
                found += one.extra_warnings.get(code, ())
            value = insured_value(parcel)
            if value is not None and not extras_of(shipment, parcel):
                found.append(
                    f"${value:,.2f} are insured by the service itself (up to ${INCLUDED}): no "
                    "insurance is bought"
                )
        origin = shipment.ship_from or shipper
        found += [*form_notes(shipment, origin), *reference_notes(shipment, origin)]
        found += letter_notes(shipment)
        if shipment.saturday_delivery and is_domestic(shipment.ship_to):
            found.append("USPS delivers on Saturdays without an option, and promises no day")
        return found

    def _offers(
        self, shipment: Shipment, shipper: Address, answers: Sequence[PriceAnswer]
    ) -> list[Rate]:
        """Return the price by every service that is sold, cheapest first.

        One that USPS has a price for, and not with what the row asks for, is left out, and the
        others say why.
        """
        codes = DOMESTIC if is_domestic(shipment.ship_to) else ABROAD
        found, unsold, refusals = [], [], []
        for code in codes:
            wanted = shipment.model_copy(update={"service": code})
            try:
                check(wanted, shipper, parcels=self._client.quota.per_hour)
                found.append(self._rate(wanted, shipper, answers))
            except CarrierRejected as error:
                refusals.append(error)
                if (plain := self._plain_rate(wanted, shipper, answers)) is not None:
                    unsold.append((plain, error))
        if not found:
            raise refusals[0]
        found.sort(key=lambda rate: rate.cost_cents)
        return with_unsold(found, unsold, SERVICES.title_of)

    def _plain_rate(
        self, shipment: Shipment, shipper: Address, answers: Sequence[PriceAnswer]
    ) -> Rate | None:
        """Return the price of a service without what the row asks for beyond transport."""
        bare = {
            "signature": Signature.NONE,
            "parcels": tuple(
                parcel.model_copy(update={"declared_value": None}) for parcel in shipment.parcels
            ),
        }
        try:
            return self._rate(shipment.model_copy(update=bare), shipper, answers)
        except CarrierRejected:
            return None

    # -- what is kept ----------------------------------------------------------------------------

    def _key(self, question: Question, *, compare: bool) -> str:
        compare = compare and not question.abroad  # abroad there is one resource for both
        parts = (self._account, self._price_type, compare, question.key(every_digit=compare))
        return repr(parts)

    def _kept(self, keys: Sequence[str]) -> dict[str, PriceAnswer]:
        found = {key: self._known[key] for key in keys if key in self._known}
        if self._cache is not None:
            found |= self._cache.get({key: key for key in keys if key not in found})
        return found

    def _keep(self, key: str, answer: PriceAnswer) -> None:
        self._known[key] = answer
        if len(self._known) > _REMEMBERED:
            del self._known[next(iter(self._known))]
        if self._cache is not None:
            self._cache.put({key: answer})

    def _forecast(
        self,
        wanted: Iterable[Question],
        fresh: Sequence[Question],
        labels: int,
        *,
        compare: bool,
    ) -> None:
        """Warn when the quota makes the batch wait, before anything is asked.

        Services are compared first: what a rule then chooses of this account is asked for its
        price, and bought. Which rows that are is not known yet, so it is a most.
        """
        quota = self._client.quota
        inside = [question for question in wanted if compare and not question.abroad]
        later = {self._key(question, compare=False) for question in inside}
        new = later - {*self._kept([*later])}
        abroad = sum(question.abroad for question in fresh)
        text = forecast(
            quota.needed_s,
            len(fresh) - abroad,
            abroad,
            labels,
            compare=compare,
            later=len(new),
        )
        if text is None:
            return
        tail = f" (account ...{self._account[-4:]})" if self._account else ""
        text = (
            f"At your quota of {quota.per_hour} requests an hour to each API of USPS{tail}, this "
            f"batch takes {text}. Ask USPS for a higher quota, then set "
            "SHIPKIT_USPS_QUOTA_PER_HOUR."
        )
        log.info("%s", text)
        if not notices.quiet.get():
            warnings.warn(text, UserWarning, stacklevel=2)
