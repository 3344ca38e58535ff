"""Prices from EasyPost: one shipment created, unbought, answers for every service of the account.

Each creation is a rating, and EasyPost bills ratings beyond three for each label that is bought. So
a question is asked once, its answer serves every service and is kept for a while, and what a
preview would cost beyond that is a warning of its rows.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final

import orjson
import pyarrow as pa

from shipkit.carriers.easypost.account_facts import AccountFacts
from shipkit.carriers.easypost.catalog import SERVICES
from shipkit.carriers.easypost.easypost_client import EasyPostClient
from shipkit.carriers.easypost.rate_choice import (
    Rated,
    failed_for,
    is_of,
    offered,
    picked,
    plain_name,
    settled,
)
from shipkit.carriers.easypost.shipment_answer import (
    QuotedRate,
    cents_of,
    in_usd,
    rates_of,
    rewritten,
    usd,
)
from shipkit.carriers.easypost.shipment_request import (
    Draft,
    day_notes,
    demand_row,
    demand_service,
    draft,
    dropped,
    insured_amount,
    row_notes,
)
from shipkit.carriers.pace import Pacer
from shipkit.carriers.quote_cache import QuoteCache
from shipkit.carriers.quoting import alike, quote_line, refused_line, shop_questions
from shipkit.carriers.unsold_services import with_unsold
from shipkit.common.local_day import local_day
from shipkit.common.pool import each
from shipkit.errors import AnswerLost, AuthenticationFailed, CarrierError, CarrierRejected
from shipkit.models import Address, Rate, Shipment
from shipkit.schema import quotes_table, shipment_from_row

__all__ = ["RateQuestions"]

_PRIVATE: Final = ("name", "company", "phone", "email")
"""Of an address: no price depends on them."""
_REMEMBERED: Final = 50_000
"""Answers kept in memory, the newest ones: some 2 kB each."""
_FAILED_KEEP_S: Final = 300.0
"""An answer in which a carrier failed is not used longer than this: its next one may have it."""
_FREE_RATINGS: Final = 3
_RATING_FEE: Final = Decimal("0.02")
"""support.easypost.com, Billing FAQ: ratings beyond three times the labels, USD each."""


class RateQuestions:
    """Asks EasyPost for prices, each question once.

    Parameters
    ----------
    facts
        Returns what the account charges on top of postage.
    accounts
        Ids of carrier accounts to ask; none: all.
    insurance_off, verify
        As in the settings.
    keep_s
        How long an answer is used again.
    cache, account
        Prices on disk, under this account's name: another process asks nothing again.
    """

    def __init__(
        self,
        client: EasyPostClient,
        facts: Callable[[], Any],
        *,
        accounts: tuple[str, ...],
        insurance_off: bool,
        verify: bool,
        keep_s: float,
        concurrency: int,
        cache: QuoteCache | None = None,
        account: str = "",
    ) -> None:
        self._client, self._facts = client, facts
        self._cache, self._account = cache, account
        self._accounts, self._insurance_off, self._verify = accounts, insurance_off, verify
        self._keep_s, self._concurrency = keep_s, concurrency
        self._known: dict[str, Rated] = {}
        self._checked: dict[str, str | None] = {}
        self.ratings = 0
        """Shipments created for a price, by this object."""

    async def quote(self, shipment: Shipment, shipper: Address) -> Rate:
        """Return the price of the shipment's own service."""
        shipment = settled(shipment)
        question = draft(shipment, shipper, accounts=self._accounts)
        facts = await self._facts()
        rated = await self._rated(question, shipment.service)
        rate = self._own_rate(shipment, rated, facts)
        return self._noted(rate, shipment, facts)

    async def shop(self, shipment: Shipment, shipper: Address) -> list[Rate]:
        """Return the price by every service, cheapest first."""
        question = draft(shipment, shipper, accounts=self._accounts, shop=True)
        facts = await self._facts()
        rated = await self._rated(question)
        return self._noted_all(self._offers(shipment, rated, facts), shipment, facts)

    async def shop_table(
        self, table: pa.Table, shipper: Address, pacer: Pacer | None = None
    ) -> pa.Table:
        """Return a shop table; rows that ask the same share one rating and its offers."""
        facts: AccountFacts = await (pacer.repeat(self._facts) if pacer else self._facts())
        fresh: set[str] = set()
        forecast: list[str] = []
        drafted: dict[str, tuple[str, Draft]] = {}
        priced: dict[tuple[str, str | None], list[Rate]] = {}

        def question_of(row: dict[str, Any], shipment: Shipment) -> tuple[str, tuple[str, Draft]]:
            same = alike(row)
            if same in drafted:
                demand_row(shipment, shipper)
                return drafted[same][0], drafted[same]
            question = draft(shipment, shipper, accounts=self._accounts, shop=True)
            key = _key(question)
            if self._kept(key) is None:
                fresh.add(key)
            drafted[same] = key, question
            return key, drafted[same]

        async def ask(question: tuple[str, Draft]) -> tuple[str, Rated]:
            if not forecast:  # every row has its question now
                forecast.append(self._forecast(len(fresh), table.num_rows))
            return question[0], await self._rated(question[1])

        def offers_of(shipment: Shipment, answer: tuple[str, Rated]) -> list[Rate]:
            key, rated = answer
            same = key, insured_amount(shipment, off=self._insurance_off)
            if same not in priced:
                rates = self._offers(shipment, rated, facts)
                if key in fresh and forecast[0]:
                    rates = [_with_warnings(rate, (forecast[0],)) for rate in rates]
                priced[same] = rates
            return self._noted_all(priced[same], shipment, facts)

        return await shop_questions(
            table,
            question_of,
            ask,
            offers_of,
            concurrency=self._concurrency,
            pacer=pacer,
        )

    def _offers(self, shipment: Shipment, rated: Rated, facts: AccountFacts) -> list[Rate]:
        """Return an answer as the prices of its question, cheapest first.

        A service that does not have what the rows ask for is left out, and the others say why.
        """
        if rated.dropped:
            raise rated.dropped
        found: dict[tuple[str, str], Rate] = {}  # amounts in two currencies are not compared
        unsold: dict[tuple[str, str], tuple[Rate, CarrierRejected]] = {}
        for offer in rated.offers:
            same = offer.code, offer.currency
            if same in found or same in unsold:
                continue  # of several accounts, the cheapest is bought
            rate = self._rate(shipment, offer, rated, facts)
            try:
                demand_service(shipment, offer.code)
            except CarrierRejected as refusal:
                unsold[same] = rate, refusal
            else:
                found[same] = rate
        if unsold and not found:
            reasons = list(dict.fromkeys(refusal.message for _, refusal in unsold.values()))
            [(_, first), *_] = unsold.values()
            raise CarrierRejected(
                reasons[0]
                if len(reasons) == 1
                else f"EasyPost sells this row by no service: {' '.join(reasons)}",
                fix=first.fix,
                **first.details,
            )
        if not found:
            said = "; ".join(f"{c}: {', '.join(t)}" for c, t in rated.failed.items())
            raise CarrierRejected(
                f"No carrier of the EasyPost account has a price ({said or 'no reason given'}).",
                fix="Correct the address or the parcel, or try again later.",
            )
        rates = with_unsold(list(found.values()), unsold.values(), SERVICES.title_of)
        silent = tuple((f"{plain_name(carrier)}:*", text) for carrier, text in _silent(rated))
        if not silent:
            return rates
        return [rate.model_copy(update={"left_out": (*rate.left_out, *silent)}) for rate in rates]

    async def quote_table(
        self, table: pa.Table, shipper: Address, pacer: Pacer | None = None
    ) -> pa.Table:
        """Return a quote table; one question is asked once, whatever the services of its rows."""
        rows: list[dict[str, Any] | tuple[str, Shipment]] = []
        questions: dict[str, Draft] = {}
        for batch in table.to_batches(max_chunksize=1_000):
            rows += [self._question(row, shipper, questions) for row in batch.to_pylist()]
            await asyncio.sleep(0)  # others on this event loop get a turn
        cached = self._cached(rows)
        asked = [row for i, row in enumerate(rows) if i not in cached and isinstance(row, tuple)]
        needed = {(key, shipment.service): None for key, shipment in asked}
        fresh = list({key: None for key, service in needed if self._kept(key, service) is None})
        note = self._forecast(len(fresh), len(rows))
        facts: AccountFacts = await (pacer.repeat(self._facts) if pacer else self._facts())
        refused: dict[str, CarrierError] = {}

        async def ask(key: str) -> None:
            question = questions[key]
            try:
                await (pacer.repeat(lambda: self._ask(question)) if pacer else self._ask(question))
            except AuthenticationFailed:
                raise  # no row can be priced
            except CarrierError as error:
                refused[key] = error

        await each(ask, fresh, at_once=self._concurrency)
        noted = frozenset(fresh) if note else frozenset()
        lines, keep = [], dict[str, Rate]()
        for place, row in enumerate(rows):
            if isinstance(row, dict):  # refused by this machine
                lines.append(row)
            elif place in cached:
                lines.append(quote_line(self._noted(cached[place], row[1], facts), "cached"))
            else:
                found = self._priced(*row, refused, facts)
                if isinstance(found, Rate):
                    keep[self._cache_key(*row)] = found
                    if row[0] in noted:
                        found = found.model_copy(update={"warnings": (*found.warnings, note)})
                    lines.append(quote_line(self._noted(found, row[1], facts)))
                else:
                    lines.append(refused_line(row[1].service, found))
        self._keep(keep)
        return quotes_table(lines)

    def _priced(
        self,
        key: str,
        shipment: Shipment,
        refused: Mapping[str, CarrierError],
        facts: AccountFacts,
    ) -> Rate | CarrierError:
        if key in refused:
            return refused[key]
        try:
            return self._own_rate(shipment, self._known[key], facts)
        except CarrierRejected as error:
            return error

    def _cached(self, rows: list[Any]) -> dict[int, Rate]:
        """Return place -> price of the rows whose price is on disk."""
        if self._cache is None:
            return {}
        keys = {
            str(i): self._cache_key(*row) for i, row in enumerate(rows) if isinstance(row, tuple)
        }
        return {int(place): rate for place, rate in self._cache.get(keys).items()}

    def _cache_key(self, key: str, shipment: Shipment) -> str:
        insured = insured_amount(shipment, off=self._insurance_off)
        return f"{self._account}|{key}|{shipment.service}|{insured}|{self._verify}"

    def _keep(self, prices: Mapping[str, Rate]) -> None:
        """Keep prices on disk; not one with a warning, which may be gone with the next answer."""
        if self._cache is not None:
            self._cache.put({key: rate for key, rate in prices.items() if not rate.warnings})
        for key in list(self._known)[: max(0, len(self._known) - _REMEMBERED)]:
            del self._known[key]

    def _question(
        self, row: dict[str, Any], shipper: Address, questions: dict[str, Draft]
    ) -> dict[str, Any] | tuple[str, Shipment]:
        """Return key and shipment of a row, or its quote where it is refused unasked."""
        try:
            shipment = settled(shipment_from_row(row))
            question = draft(shipment, shipper, accounts=self._accounts)
            insured_amount(shipment, off=self._insurance_off)
        except CarrierRejected as error:
            return refused_line(row["service"], error)
        key = _key(question)
        questions.setdefault(key, question)
        return key, shipment

    async def _rated(self, question: Draft, service: str = "") -> Rated:
        """Return the answer to a question, asked now where it is not known."""
        return self._kept(_key(question), service) or await self._ask(question)

    async def _ask(self, question: Draft) -> Rated:
        self.ratings += 1
        answer = await self._client.post(question.path, question.body)
        if not answer.get("id"):
            raise AnswerLost("EasyPost's answer to a new shipment has no id.")
        self._client.demand_mode(answer)
        [inside] = question.body.values()
        sent = inside["to_address"]
        other = rewritten(sent, answer.get("to_address"))
        if other is None and self._verify:
            other = await self._as_the_carrier_has_it(sent)
        rates, failed = rates_of(answer)
        rated = Rated(tuple(rates), failed, dropped(question, answer), other)
        self._known[_key(question)] = rated
        return rated

    async def _as_the_carrier_has_it(self, sent: Mapping[str, Any]) -> str | None:
        """Return the address that a carrier would write instead, or that it is not found."""
        key = orjson.dumps({n: v for n, v in sent.items() if n not in _PRIVATE}).decode()
        if key not in self._checked:
            answer = await self._client.post("/addresses", {"address": sent, "verify": True})
            found = answer.get("verifications") or {}
            delivery = found.get("delivery") or {}
            gone = bool(delivery) and (bool(delivery.get("errors")) or not delivery.get("success"))
            self._checked[key] = "" if gone else rewritten(sent, answer)
        return self._checked[key]

    def _kept(self, key: str, service: str = "") -> Rated | None:
        """Return the answer that is known, None where it is too old or asking again may help."""
        known = self._known.get(key)
        if known is None:
            return None
        keep_s = min(self._keep_s, _FAILED_KEEP_S) if known.failed else self._keep_s
        if time.monotonic() - known.at >= keep_s:
            return None
        lacking = service and offered(known.offers, service) is None
        return None if lacking and failed_for(known.failed, service) else known

    def _own_rate(self, shipment: Shipment, rated: Rated, facts: AccountFacts) -> Rate:
        if rated.dropped:
            raise rated.dropped
        offer = picked(rated.offers, rated.failed, shipment.service)
        return self._rate(shipment, offer, rated, facts)

    def _rate(
        self, shipment: Shipment, offer: QuotedRate, rated: Rated, facts: AccountFacts
    ) -> Rate:
        """Return an offer as a price: postage, and the fees of its purchase apart."""
        insured = insured_amount(shipment, off=self._insurance_off)
        fees = facts.fees(insured, len(shipment.parcels)) if in_usd(offer.currency) else Decimal(0)
        total, postage = (
            cents_of(offer.amount + fees, offer.currency),
            cents_of(offer.amount, offer.currency),
        )
        return Rate(
            service=offer.code,
            cost_cents=total,
            currency=offer.currency,
            transit_days=offer.days,
            delivery_date=offer.date,
            base_cents=postage,
            other_cents=total - postage or None,
            warnings=tuple(self._warnings(shipment, offer, rated, facts, insured)),
        )

    def _warnings(
        self,
        shipment: Shipment,
        offer: QuotedRate,
        rated: Rated,
        facts: AccountFacts,
        insured: str | None,
    ) -> list[str]:
        found = []
        if insured is None and facts.insured_by_default > 0:
            fee = facts.insurance_fee(None) * len(shipment.parcels)
            part = "of the price" if in_usd(offer.currency) else "apart from the price"
            found.append(
                f"the account insures each label for {usd(facts.insured_by_default)} by itself: "
                f"{usd(fee)} {part} (SHIPKIT_EASYPOST_INSURANCE=off leaves it out)"
            )
        for carrier, text in _silent(rated):
            if is_of(carrier, offer.code):
                found.append(text)
        if rated.rewritten == "":
            found.append("EasyPost does not find the address")
        elif rated.rewritten:
            found.append(f"the address would be changed to {rated.rewritten}")
        return found

    def _noted(self, rate: Rate, shipment: Shipment, facts: AccountFacts) -> Rate:
        return self._noted_all([rate], shipment, facts)[0]

    def _noted_all(self, rates: list[Rate], shipment: Shipment, facts: AccountFacts) -> list[Rate]:
        """Return prices with what is to know of the row and account; kept ones have none of it."""
        notes = row_notes(shipment)
        if not facts.known:
            notes += ("EasyPost does not show the fees of the account: they are not in this price",)
        insured = insured_amount(shipment, off=self._insurance_off)
        fees = facts.fees(insured, len(shipment.parcels))

        def fee_notes(currency: str) -> tuple[str, ...]:
            if not fees or in_usd(currency):
                return ()
            text = (
                f"fees of the account, {usd(fees)}, are not in this price, which is in {currency}"
            )
            return (f"{text}; spend limits do not count them",)

        if shipment.ship_date is None:
            return [_with_warnings(rate, (*notes, *fee_notes(rate.currency))) for rate in rates]
        today = local_day(shipment.ship_from or shipment.ship_to)
        dated = [day_notes(shipment, rate.service, today) for rate in rates]
        return [
            _with_warnings(rate, (*notes, *fee_notes(rate.currency), *more))
            for rate, more in zip(rates, dated, strict=True)
        ]

    def _forecast(self, fresh: int, rows: int) -> str:
        """Return what ratings beyond the free ones would cost, empty when there are none."""
        # One more for each label: the shipment that is bought is created after the approval.
        beyond = self.ratings + fresh + rows - _FREE_RATINGS * rows
        if not fresh or beyond <= 0:
            return ""
        return (
            f"{self.ratings + fresh + rows:,} ratings for {rows:,} labels: EasyPost bills "
            f"{beyond:,} beyond three a label, {usd(beyond * _RATING_FEE)}"
        )


def _silent(rated: Rated) -> list[tuple[str, str]]:
    """Return each carrier that failed, and what to say where its services would be compared."""
    return [
        (carrier, f"{carrier} gave no price ({'; '.join(texts)}): another may be cheaper")
        for carrier, texts in rated.failed.items()
    ]


def _with_warnings(rate: Rate, notes: tuple[str, ...]) -> Rate:
    return rate.model_copy(update={"warnings": (*rate.warnings, *notes)}) if notes else rate


def _key(question: Draft) -> str:
    """Return what the price of a question depends on."""
    [(kind, inside)] = question.body.items()
    priced = dict(inside)
    for name in ("to_address", "from_address"):
        priced[name] = {n: v for n, v in inside[name].items() if n not in _PRIVATE}
    options = {n: v for n, v in question.options.items() if not n.startswith("print_custom")}
    parcels = [
        {n: v for n, v in each.items() if n != "options"}
        for each in inside.get("shipments", [{"parcel": inside.get("parcel")}])
    ]
    priced |= {"options": options, "shipments": parcels, "kind": kind}
    priced.pop("parcel", None)
    return orjson.dumps(priced, option=orjson.OPT_SORT_KEYS).decode()
