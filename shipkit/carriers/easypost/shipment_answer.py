"""EasyPost's answers about shipments and orders, read. Pure: no clock, no connection.

Money is text in the answers and stays exact. A label that was bought is never read as "not bought"
because something else in the answer is missing.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any, Final

from shipkit.carriers.easypost.catalog import code_of
from shipkit.errors import AnswerLost
from shipkit.models import Charge, ChargeBasis, Purchase, Refund, minor_units

__all__ = [
    "QuotedRate",
    "bought_parts",
    "cents_of",
    "fees_of",
    "in_usd",
    "is_voided",
    "parts_of",
    "purchase_of",
    "rates_of",
    "refund_of",
    "refund_status",
    "rewritten",
    "usd",
]

_GONE: Final = frozenset({"submitted", "refunded"})
"""States of a refund after which a label must not be used. `submitted` is not money back yet."""
_POSTAGE: Final = "PostageFee"
_NO_CHARGE: Final = (
    "EasyPost's answer has a fee or a price that cannot be read, or amounts in several currencies: "
    "the charge is taken from the quote"
)


@dataclass(frozen=True)
class QuotedRate:
    """One rate: what a service costs for a shipment."""

    rate_id: str
    code: str
    carrier: str
    """As EasyPost names it; with `service`, an order is bought by it."""
    service: str
    amount: Decimal
    currency: str
    days: int | None
    date: dt.date | None
    billed_by_carrier: bool
    """Whether the carrier sends the invoice: an own account, whose final bill may differ."""


def rates_of(answer: Mapping[str, Any]) -> tuple[list[QuotedRate], dict[str, tuple[str, ...]]]:
    """Return the rates of a shipment or an order, and carrier -> why it gave none.

    Rates are sorted, cheapest first: of several accounts that offer one service, the cheapest is
    the one that is bought. EasyPost answers 201 although a carrier failed; a rate that cannot be
    read is a failure of its carrier.
    """
    read, unread = list[QuotedRate](), list[Any]()
    for each in answer.get("rates") or ():
        offer = _offer(each)
        if offer is None:
            unread.append(each)
        else:
            read.append(offer)
    read.sort(key=lambda offer: (offer.currency, offer.amount, offer.code))
    return read, _failures(answer, unread)


def _failures(answer: Mapping[str, Any], unread: Iterable[Any]) -> dict[str, tuple[str, ...]]:
    found: dict[str, dict[str, None]] = {}
    for rate in unread:
        named = rate if isinstance(rate, dict) else {}
        text = f"its price for {named.get('service') or 'a service'} cannot be read"
        found.setdefault(str(named.get("carrier") or "A carrier"), {})[text] = None
    for each in answer.get("messages") or ():
        if isinstance(each, dict):
            carrier = str(each.get("carrier") or "A carrier")
            said = each.get("message")
            text = said if isinstance(said, str) else str(said or each.get("type") or "no reason")
            found.setdefault(carrier, {})[" ".join(text.split())] = None
    return {carrier: tuple(texts) for carrier, texts in found.items()}


def parts_of(answer: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the shipments of an order, or a shipment as the only one."""
    listed = answer.get("shipments")
    return [each for each in listed if isinstance(each, dict)] if listed else [dict(answer)]


def bought_parts(answer: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the shipments that have postage: a label or a tracking number."""
    return [
        part for part in parts_of(answer) if part.get("postage_label") or part.get("tracking_code")
    ]


def refund_status(part: Mapping[str, Any]) -> str:
    """Return the state of a refund: submitted, refunded, rejected, not_applicable, or empty."""
    return str(part.get("refund_status") or "").lower()


def is_voided(answer: Mapping[str, Any]) -> bool:
    """Return whether every label of a purchase is refunded, or its refund was accepted."""
    bought = bought_parts(answer)
    return bool(bought) and all(refund_status(part) in _GONE for part in bought)


def refund_of(answer: Mapping[str, Any]) -> Refund | None:
    """Return what became of the refund of a purchase, None where a label has no refund.

    It is rejected where that of one label is: some of its money does not come back.
    """
    states = {refund_status(part) for part in bought_parts(answer)}
    if states & {"rejected", "not_applicable"}:
        return Refund.REJECTED
    if not states or not states <= _GONE:
        return None
    return Refund.REFUNDED if states == {"refunded"} else Refund.SUBMITTED


def fees_of(part: Mapping[str, Any]) -> dict[str, Decimal]:
    """Return the fees of a bought shipment by type, postage included; refunded ones too."""
    found: dict[str, Decimal] = {}
    for each in part.get("fees") or ():
        amount = _decimal(each.get("amount")) if isinstance(each, dict) else None
        if amount is not None and each.get("charged") is not False:
            kind = str(each.get("type") or "Fee")
            found[kind] = found.get(kind, Decimal(0)) + amount
    return found


def cents_of(amount: Decimal, currency: str) -> int:
    """Return an amount in minor units. Fees have five decimals; half a cent is rounded up."""
    return int(amount.scaleb(minor_units(currency)).quantize(Decimal(1), ROUND_HALF_UP))


def in_usd(currency: str) -> bool:
    """Return whether a price is in the currency of the account's fees: only then are they in it."""
    return currency == "USD"


def usd(amount: Decimal) -> str:
    """Return an exact amount as text: at least cents, and every digit beyond.

    Examples
    --------
    >>> usd(Decimal("0.50000")), usd(Decimal("1.24995"))
    ('$0.50', '$1.24995')
    """
    cents = amount.quantize(Decimal("0.01"))
    return f"${cents:,.2f}" if cents == amount else f"${amount.normalize():,f}"


def purchase_of(answer: Mapping[str, Any]) -> Purchase:
    """Return a bought shipment or order, without its label files.

    Raises
    ------
    AnswerLost
        It has postage, and no tracking number or no id yet.
    """
    parts = bought_parts(answer)
    numbers = tuple(dict.fromkeys(str(p["tracking_code"]) for p in parts if p.get("tracking_code")))
    number = answer.get("id")
    if len(numbers) < len(parts) or not numbers or not isinstance(number, str):
        raise AnswerLost(
            "EasyPost has bought a label and does not say its tracking number yet.",
            fix="The row is looked up again by its id.",
        )
    charge = _charge(parts)
    return Purchase(
        shipment_id=number,
        tracking_numbers=numbers,
        service=_bought_service(parts),
        charge=charge,
        voided=is_voided(answer),
        warnings=tuple(_remarks(answer, parts, charge)),
        label_cents=_label_cents(parts, charge) if len(numbers) == len(parts) > 1 else (),
    )


def rewritten(sent: Mapping[str, Any], back: Any) -> str | None:
    """Return the address that came back, when it is another place than the one that was sent.

    Capitals, a joined second line and the last four digits of a ZIP code are the same place: USPS
    writes every address like that when a label is bought (recorded 163 of 163 times).
    """
    if not isinstance(back, dict) or not back.get("street1"):
        return None
    if _place(sent) == _place(back):
        return None
    shown = [back.get(name) for name in ("street1", "street2", "city", "state", "zip")]
    return ", ".join(str(text) for text in shown if text)


def _offer(rate: Any) -> QuotedRate | None:
    if not isinstance(rate, dict):
        return None
    amount, number = _decimal(rate.get("rate")), rate.get("id")
    carrier, service = rate.get("carrier"), rate.get("service")
    texts = all(isinstance(each, str) and each for each in (number, carrier, service))
    currency = str(rate.get("currency") or "").upper()
    if amount is None or amount < 0 or not texts or not re.fullmatch(r"[A-Z]{3}", currency):
        return None
    assert isinstance(number, str)  # noqa: S101 - for the type checker: `texts` says so
    assert isinstance(carrier, str)  # noqa: S101
    assert isinstance(service, str)  # noqa: S101
    days = rate.get("delivery_days")
    return QuotedRate(
        number,
        code_of(carrier, service),
        carrier,
        service,
        amount,
        currency,
        days if isinstance(days, int) and not isinstance(days, bool) else None,
        _date(rate.get("delivery_date")),
        billed_by_carrier=rate.get("billing_type") == "carrier",
    )


def _bought_service(parts: Iterable[Mapping[str, Any]]) -> str | None:
    for part in parts:
        rate = part.get("selected_rate")
        if isinstance(rate, dict) and rate.get("carrier") and rate.get("service"):
            return code_of(str(rate["carrier"]), str(rate["service"]))
    return None


def _charge(parts: Iterable[Mapping[str, Any]]) -> Charge | None:
    """Return what a purchase costs: its fees, and postage that the carrier bills by itself.

    None where a part of it cannot be read, or is of another currency than the rest: fees are in
    USD. What is not known is taken from the quote. Where the fees have the postage, the offer that
    was bought may be missing.
    """
    total, currencies, basis = Decimal(0), set[str](), ChargeBasis.BILLED
    for part in parts:
        fees, offer = fees_of(part), _offer(part.get("selected_rate"))
        if _unread_fee(part) or (offer is None and _POSTAGE not in fees):
            return None
        currencies |= {offer.currency} if offer else set()
        currencies |= {"USD"} if fees else set()
        total += sum(fees.values(), Decimal(0))
        if offer is not None and _POSTAGE not in fees:
            total += offer.amount
            if offer.billed_by_carrier:
                basis = ChargeBasis.ESTIMATED
    if len(currencies) != 1:
        return None
    [currency] = currencies
    return Charge(cents=cents_of(total, currency), currency=currency, basis=basis)


def _label_cents(parts: Sequence[Mapping[str, Any]], charge: Charge | None) -> tuple[int, ...]:
    """Return what each label of an order costs, () where they do not add up to its charge."""
    charges = [_charge([part]) for part in parts]
    cents = tuple(one.cents for one in charges if one is not None)
    whole = charge is not None and len(cents) == len(parts) and sum(cents) == charge.cents
    return cents if whole else ()


def _unread_fee(part: Mapping[str, Any]) -> bool:
    return any(
        not isinstance(each, dict)
        or (each.get("charged") is not False and _decimal(each.get("amount")) is None)
        for each in part.get("fees") or ()
    )


def _remarks(
    answer: Mapping[str, Any], parts: list[dict[str, Any]], charge: Charge | None
) -> Iterable[str]:
    if charge is None:
        yield _NO_CHARGE
    missing = len(parts_of(answer)) - len(parts)
    if missing:
        yield f"{missing} of {len(parts_of(answer))} parcels were not bought"
    extra: dict[str, Decimal] = {}
    for part in parts:
        for kind, amount in fees_of(part).items():
            if kind != _POSTAGE and amount:
                extra[kind] = extra.get(kind, Decimal(0)) + amount
    if extra:
        listed = ", ".join(f"{kind} {usd(amount)}" for kind, amount in extra.items())
        yield f"fees apart from postage: {listed}"


def _place(address: Mapping[str, Any]) -> tuple[str, ...]:
    street = " ".join(str(address.get(name) or "") for name in ("street1", "street2"))
    code = str(address.get("zip") or "")
    if str(address.get("country") or "US") == "US":
        code = code.partition("-")[0]
    texts = (street, str(address.get("city") or ""), str(address.get("state") or ""), code)
    return tuple(re.sub(r"[^0-9a-z]+", "", text.casefold()) for text in texts)


def _decimal(value: Any) -> Decimal | None:
    if value is None or isinstance(value, bool):
        return None
    try:
        found = Decimal(str(value))
    except InvalidOperation:
        return None
    return found if found.is_finite() else None


def _date(value: Any) -> dt.date | None:
    try:
        return dt.date.fromisoformat(str(value)[:10]) if value else None
    except ValueError:
        return None
