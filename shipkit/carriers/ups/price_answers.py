"""Prices in answers of UPS: what is paid, with its tax, and what it is made of.

The amount to pay is the account's own price where UPS gives one, with taxes where UPS gives them
(the request asks: ``TaxInformationIndicator``). What UPS does not say is empty, never zero.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Final

from shipkit.carriers.ups.codes import NOISE, SURCHARGES
from shipkit.carriers.ups.json_values import (
    Unreadable,
    at,
    date_of,
    listed,
    money_of,
    number_of,
    text_of,
)
from shipkit.carriers.ups.service_codes import service_of
from shipkit.carriers.ups.text import clean
from shipkit.models import Money, Rate, minor_units

__all__ = ["Total", "alerts_of", "rates", "total_of", "weight_of"]


@dataclass(frozen=True)
class Total:
    """What a shipment costs."""

    gross: Money
    """What is billed, with taxes."""
    tax: Money | None
    """None where UPS states no tax."""
    negotiated: bool
    """Whether it is the account's own price."""
    note: str = ""
    """What a person should know of its tax; with one, `gross` is not certain."""


def total_of(published: Any, negotiated: Any) -> Total | None:
    """Return what will be billed: the account's own price first, with taxes where given.

    Where UPS gives taxes of its published price only, those of the account's own are in proportion:
    both prices are taxed alike. None where UPS states no price at all.

    Raises
    ------
    Unreadable
        A price or a tax is stated and has no amount or no currency. The published price is not what
        an account with prices of its own pays, so the one is never taken for the other.
    """
    for charges, name, own in (
        (negotiated, "TotalCharge", True),
        (published, "TotalCharges", False),
    ):
        net = money_of(at(charges, name))
        gross = money_of(at(charges, _WITH_TAXES))
        if net is None and gross is not None:
            return Total(gross, None, own)
        if net is None:
            if at(charges, name) or at(charges, _WITH_TAXES):
                raise Unreadable(f"a {'price of your own' if own else 'price'} without a currency")
            continue
        tax = _tax(charges, net)
        if tax is not None:
            return Total(net + tax, tax, own)
        if own and (at(published, _WITH_TAXES) or _taxes(published)):
            list_price = money_of(at(published, "TotalCharges"))
            if list_price is None:
                raise Unreadable("a tax of a price that cannot be read")
            tax = _tax(published, list_price)
            if tax is not None:
                tax = _in_proportion(tax, list_price, net)
                return Total(net + tax, tax, own, _TAX_IN_PROPORTION)
        return Total(net, None, own)
    return None


_WITH_TAXES: Final = "TotalChargesWithTaxes"
_TAX_IN_PROPORTION: Final = (
    "UPS gives the tax of its published price only; that of your own price is in proportion"
)


def _taxes(charges: Any) -> list[Any]:
    return [tax for tax in listed(at(charges, "TaxCharges")) if tax]


def _tax(charges: Any, net: Money) -> Money | None:
    """Return the tax that UPS states on top of `net`, None where it states none.

    Raises
    ------
    Unreadable
        It states one that cannot be read: without it the price would be too low.
    """
    gross = money_of(at(charges, _WITH_TAXES))
    if gross is not None and gross.currency == net.currency:
        return gross - net
    stated = _taxes(charges)
    taxes = [number_of(tax.get("MonetaryValue")) for tax in stated]
    known = [tax for tax in taxes if tax is not None]
    if len(known) < len(taxes) or (not taxes and at(charges, _WITH_TAXES)):
        raise Unreadable("a tax that cannot be read")
    return Money(amount=sum(known, start=Decimal(0)), currency=net.currency) if known else None


def _in_proportion(tax: Money, of: Money, net: Money) -> Money:
    share = tax.amount / of.amount if of.amount else Decimal(0)
    smallest = Decimal(1).scaleb(-minor_units(net.currency))
    amount = (net.amount * share).quantize(smallest, ROUND_HALF_UP)
    return Money(amount=amount, currency=net.currency)


def rates(body: Any, *, only: str | None = None, code: str = "", country: str = "US") -> list[Rate]:
    """Return the prices of a Rate or Shop answer, cheapest first.

    Services that are not in ``services.toml`` are left out.

    Parameters
    ----------
    only
        The service that was asked for: Rate answers with one, and some versions do not repeat its
        code.
    code
        The code of UPS that was asked for. One code can have several names, and the answer is named
        as the question was.
    country
        The shipper's: it decides what a code is called.
    """
    response = at(body, "RateResponse")
    rated = listed(at(response, "RatedShipment"))
    if not rated:
        raise Unreadable("no RatedShipment in the answer")
    general = listed(at(response, "Response", "Alert"))
    found = []
    for shipment in rated:
        theirs = text_of(at(shipment, "Service", "Code"))
        service = only if code and theirs == code else service_of(theirs, country) or only
        if service is not None:
            found.append(_rate(shipment, service, general))
    return sorted(found, key=lambda r: (r.cost_cents, r.service))


def _rate(shipment: dict[str, Any], service: str, general: list[dict[str, Any]]) -> Rate:
    negotiated = at(shipment, "NegotiatedRateCharges")
    total = total_of(shipment, negotiated)
    if total is None:
        raise Unreadable("no total charge in the answer")
    days, date = _when(shipment)
    return Rate(
        service=service,
        cost_cents=total.gross.cents,
        currency=total.gross.currency,
        zone=text_of(at(shipment, "Zone")) or None,
        billable_weight_lb=weight_of(at(shipment, "BillingWeight")),
        transit_days=days,
        delivery_date=date,
        list_cents=_published(shipment, total),
        estimated=bool(total.note),
        warnings=(
            *alerts_of([*general, *listed(at(shipment, "RatedShipmentAlert"))]),
            *filter(None, (total.note,)),
        ),
        **_parts(shipment, negotiated, total),
    )


def _published(shipment: dict[str, Any], total: Total) -> int | None:
    """Return the published price where the account has another one of the same currency."""
    try:
        listed_price = total_of(shipment, None) if total.negotiated else None
    except Unreadable:
        return None  # it is not what the account pays
    if listed_price is None or listed_price.gross.currency != total.gross.currency:
        return None
    return listed_price.gross.cents


def _parts(shipment: dict[str, Any], negotiated: Any, total: Total) -> dict[str, int | None]:
    """Return base, fuel, residential, delivery area, tax and the rest, which add up to the total.

    Empty where UPS gives a total without its parts. Where it gives a base charge without a list of
    surcharges, what is not base is ``other``, and the surcharges are empty: UPS is silent about
    them, which is not the same as none.
    """
    tax = None if total.tax is None else total.tax.cents
    packages = listed(at(shipment, "RatedPackage"))
    levels = (
        [negotiated, *[at(p, "NegotiatedCharges") for p in packages]]
        if total.negotiated
        else [shipment, *packages]
    )
    currency = total.gross.currency
    bases = [_cents(listed(at(level, "BaseServiceCharge")), currency) for level in levels]
    items = [charge for level in levels for charge in listed(at(level, "ItemizedCharges"))]
    known = [cents for cents in bases if cents is not None]
    base = None if len(known) < len(bases) else known[0] or sum(known[1:])
    if not base:
        return {"tax_cents": tax}
    parts: dict[str, int | None] = dict.fromkeys(("fuel", "residential", "delivery_area"))
    if items:
        for name in parts:
            of_it = [item for item in items if SURCHARGES.get(text_of(item.get("Code"))) == name]
            parts[name] = _cents(of_it, currency)
    net = total.gross.cents - (tax or 0)
    return {
        "base_cents": base,
        **{f"{name}_cents": cents for name, cents in parts.items()},
        "other_cents": net - base - sum(cents or 0 for cents in parts.values()),
        "tax_cents": tax,
    }


def _when(shipment: dict[str, Any]) -> tuple[int | None, dt.date | None]:
    arrival = at(shipment, "TimeInTransit", "ServiceSummary", "EstimatedArrival")
    guaranteed = at(shipment, "GuaranteedDelivery")
    days = number_of(at(arrival, "BusinessDaysInTransit"))
    days = days if days is not None else number_of(at(guaranteed, "BusinessDaysInTransit"))
    date = date_of(at(arrival, "Arrival", "Date")) or date_of(
        at(guaranteed, "ScheduledDeliveryDate")
    )
    return (int(days) if days is not None else None), date


def alerts_of(alerts: list[dict[str, Any]]) -> tuple[str, ...]:
    """Return the alerts that are about the shipment, in UPS's words."""
    return tuple(
        dict.fromkeys(
            clean(text_of(a.get("Description")))
            for a in alerts
            if text_of(a.get("Code")) not in NOISE and clean(text_of(a.get("Description")))
        )
    )


def _cents(charges: list[dict[str, Any]], currency: str) -> int | None:
    """Return the sum of charges, None where one cannot be read or is of another currency."""
    amounts = [money_of(charge) for charge in charges]
    known = [each.cents for each in amounts if each is not None and each.currency == currency]
    return sum(known) if len(known) == len(charges) else None


def weight_of(value: Any) -> float | None:
    """Return a weight in pounds, None without one or in a unit that is not known."""
    number = number_of(at(value, "Weight"))
    pounds = _POUNDS.get(text_of(at(value, "UnitOfMeasurement", "Code")).upper())
    return None if number is None or pounds is None else round(float(number * pounds), 4)


_POUNDS: Final = {
    "LBS": Decimal(1),
    "OZS": Decimal(1) / 16,  # of parcels under a pound
    "KGS": Decimal("2.2046226218"),
}
"""Unit of a weight in an answer -> its pounds (UnitOfMeasurement.Code of both files)."""
