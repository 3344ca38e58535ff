"""The answers of USPS's price APIs, read, and the product that is chosen from one.

Domestic prices, international prices and shipping options name their parts alike: a rate option has
`rates` (postage), `fees` inside them, `totalBasePrice` (both), and the extra services that fit with
their prices. What a label costs is all of these added up.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from pydantic import BaseModel, ConfigDict

from shipkit.carriers.usps.label_request import Product
from shipkit.carriers.usps.mail_classes import OWN_BOX, SERVICES, packaging_of
from shipkit.carriers.usps.parcel_question import extras_of, sides_of
from shipkit.errors import AnswerLost, CarrierRejected
from shipkit.models import Parcel, Shipment

__all__ = [
    "PriceAnswer",
    "PricedProduct",
    "best_product",
    "cents",
    "read_prices",
    "warnings_in",
]

_BOXES: Final = frozenset({"MACHINABLE", "NONSTANDARD", "NON_MACHINABLE", "IRREGULAR"})
"""Processing categories of parcels; a box of one's own is no letter and no flat."""
_LARGEST_MACHINABLE: Final = (Decimal(22), Decimal(18), Decimal(15))
_HEAVIEST_MACHINABLE: Final = 25.0
"""DMM 201.7: inches and pounds. A parcel beyond is refused as machinable (030011)."""
_BILLED: Final = {
    "commercial": frozenset({"COMMERCIAL", "COMMERCIAL_BASE", "COMMERCIAL_PLUS"}),
    "contract": frozenset({"CONTRACT", "NSA", "COMMERCIAL", "COMMERCIAL_BASE", "COMMERCIAL_PLUS"}),
}
"""Price type of the account -> price types of answers that its labels are billed at. Without a
contract for a product USPS answers its published price, with a warning."""


class PricedProduct(BaseModel):
    """One product of an answer. Amounts are cents; JSON keeps it on disk."""

    model_config = ConfigDict(frozen=True)

    mail_class: str
    indicator: str
    category: str
    entry: str
    postage: int
    fees: int
    extras: dict[int, int]
    """Code of an extra service -> its price."""
    extra_warnings: dict[int, tuple[str, ...]] = {}
    """Code of an extra service -> what USPS says about it."""
    price_type: str
    zone: str = ""
    weight: float | None = None
    days: int | None = None
    date: dt.date | None = None
    warnings: tuple[str, ...] = ()

    @property
    def product(self) -> Product:
        """What a label is asked for with."""
        return Product(self.indicator, self.category, self.entry)

    def total(self, extras: Iterable[int]) -> int:
        """Return the price with extra services. Raises KeyError for one that does not fit."""
        return self.postage + self.fees + sum(self.extras[code] for code in extras)


class PriceAnswer(BaseModel):
    """Every product of one answer."""

    model_config = ConfigDict(frozen=True)

    products: tuple[PricedProduct, ...]


def read_prices(body: Any) -> PriceAnswer:
    """Return the products of an answer.

    Raises
    ------
    AnswerLost
        It is not one of the documented shapes. Nothing was bought.
    """
    try:
        return PriceAnswer(products=tuple(filter(None, map(_product, _options(body)))))
    except (AttributeError, TypeError, KeyError, ValueError, InvalidOperation):
        raise AnswerLost("USPS's answer to a question for prices cannot be read.") from None


def best_product(
    answer: PriceAnswer, shipment: Shipment, parcel: Parcel, price_type: str
) -> PricedProduct:
    """Return the cheapest product of the shipment's service that the parcel can be sent with.

    Raises
    ------
    CarrierRejected
        There is none; the message says what does not fit.
    """
    title = SERVICES.title_of(shipment.service)
    mail_class, packaging = SERVICES.wire(shipment.service), packaging_of(parcel.packaging)
    found = [one for one in answer.products if one.mail_class == mail_class]
    if packaging is None:
        fits = [one for one in found if one.indicator in OWN_BOX and one.category in _BOXES]
        fits = _by_machine(fits, parcel)
    else:
        fits = [one for one in found if one.indicator == packaging.indicators.get(mail_class)]
    fits = [one for one in fits if one.entry == "NONE" and one.price_type in _BILLED[price_type]]
    if not fits:
        raise CarrierRejected(
            f"USPS has no price for {title} with this parcel.",
            fix="Choose another service: session.shop() lists what USPS sells for this row.",
            field="service",
        )
    wanted = extras_of(shipment, parcel)
    able = [one for one in fits if all(code in one.extras for code in wanted)]
    if not able:
        raise CarrierRejected(
            f"USPS has no price for {_names(wanted)} with {title} for this parcel.",
            fix="Leave it out, or choose another service.",
            field="signature" if shipment.signature != "none" else "parcels[].declared_value",
        )
    return min(able, key=lambda one: (one.total(wanted), one.indicator, one.category))


def cents(value: Any) -> int:
    """Return an amount of USD in cents: JSON's 9.17 is 917.

    Raises
    ------
    ValueError
        It has parts of a cent, or is not a number.
    """
    # To a hundredth of a cent first: a binary fraction may be written as 6.440000000000001.
    exact = (Decimal(str(value)) * 100).quantize(Decimal("0.01"))
    if exact != exact.to_integral_value():
        raise ValueError("an amount with parts of a cent")
    return int(exact)


def _by_machine(fits: list[PricedProduct], parcel: Parcel) -> list[PricedProduct]:
    """Return the products without those for machines, where the parcel is too large for one."""
    sides = sides_of(parcel, "parcels[]")
    large = any(side > most for side, most in zip(sides, _LARGEST_MACHINABLE, strict=True))
    if not large and parcel.weight_lb <= _HEAVIEST_MACHINABLE:
        return fits
    return [one for one in fits if one.category != "MACHINABLE"] or fits


def _options(body: Any) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """Return each rate option of an answer, with its commitment."""
    if "pricingOptions" in body:
        for pricing in body["pricingOptions"]:
            for shipping in pricing["shippingOptions"]:
                for option in shipping["rateOptions"]:
                    yield option, option.get("commitment") or {}
        return
    for option in [body] if "rates" in body else body["rateOptions"]:
        yield option, {}


def _product(found: tuple[Mapping[str, Any], Mapping[str, Any]]) -> PricedProduct | None:
    option, commitment = found
    rates = option.get("rates") or []
    if not rates:
        return None
    [rate] = rates if len(rates) == 1 else [_joined(rates)]
    fees = sum(cents(fee["price"]) for fee in rate.get("fees") or ())
    total, postage = cents(option["totalBasePrice"]), cents(rate["price"])
    # The total is USPS's own figure; what it has beyond postage is fees, named or not.
    extras = {  # one without a price is none that can be sold at it
        int(extra["extraService"]): cents(extra["price"])
        for extra in option.get("extraServices") or ()
        if extra.get("price") not in (None, "")
    }
    extra_warnings = {
        int(extra["extraService"]): said
        for extra in option.get("extraServices") or ()
        if (said := warnings_in(extra))
    }
    warnings = list(warnings_in(rate))
    if fees != total - postage:
        warnings.append("USPS's total differs from postage and fees; the total is taken")
    day = str(
        commitment.get("scheduleDeliveryDate") or commitment.get("expectedDeliveryDate") or ""
    )
    return PricedProduct(
        mail_class=rate["mailClass"],
        indicator=rate.get("rateIndicator") or "SP",
        category=rate.get("processingCategory") or "MACHINABLE",
        entry=rate.get("destinationEntryFacilityType") or "NONE",
        postage=postage,
        fees=total - postage,
        extras=extras,
        extra_warnings=extra_warnings,
        price_type=str(rate.get("priceType") or ""),
        zone=str(rate.get("zone") or ""),
        weight=rate.get("weight"),
        days=_days(str(commitment.get("name") or "")),
        date=dt.date.fromisoformat(day[:10]) if day else None,
        warnings=tuple(warnings),
    )


def warnings_in(part: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what USPS warns of at a rate, an extra service or a label."""
    texts = (str(each.get("warningDescription") or "") for each in part.get("warnings") or ())
    return tuple(text for text in texts if text)


def _joined(rates: list[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Return several rates of one option as one: their prices and fees add up."""
    total = sum(Decimal(str(rate["price"])) for rate in rates)
    fees = [fee for rate in rates for fee in rate.get("fees") or ()]
    return {**rates[0], "price": total, "fees": fees}


def _days(name: str) -> int | None:
    """Return the days of a commitment: ``"2 Days"``, ``"1-Day"``."""
    digits = re.match(r"[0-9]+", name)
    return int(digits[0]) if digits else None


def _names(codes: Iterable[int]) -> str:
    titles = {
        921: "Signature Confirmation",
        922: "Adult Signature",
        981: "a signature",
        925: "insurance",
        930: "insurance",
        931: "insurance",
    }
    return " and ".join(titles[code] for code in codes)
