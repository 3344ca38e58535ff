"""The answer to one question for prices, and the offer that is chosen from it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from shipkit.carriers.easypost.catalog import SERVICES, carrier_of
from shipkit.carriers.easypost.shipment_answer import QuotedRate
from shipkit.errors import CarrierRejected
from shipkit.models import Shipment

__all__ = ["Rated", "failed_for", "is_of", "offered", "picked", "plain_name", "settled"]


@dataclass(frozen=True)
class Rated:
    """The answer to one question."""

    offers: tuple[QuotedRate, ...]
    failed: Mapping[str, tuple[str, ...]]
    """Carrier -> why it gave no price."""
    dropped: CarrierRejected | None = None
    """What EasyPost did not take over."""
    rewritten: str | None = None
    """The address as EasyPost has it, where it is another place."""
    at: float = field(default_factory=time.monotonic)


def settled(shipment: Shipment) -> Shipment:
    """Return `shipment` with the code of its service; one of another carrier of the account stays.

    Raises
    ------
    CarrierRejected
        The service is not known, and not written as the code of an account's own.
    """
    code = SERVICES.parse(shipment.service)
    if code is not None:
        same = code == shipment.service
        return shipment if same else shipment.model_copy(update={"service": code})
    carrier, colon, service = shipment.service.partition(":")
    if colon and carrier and service and shipment.service == shipment.service.lower():
        return shipment
    return SERVICES.settled(shipment)


def offered(rated_offers: Iterable[QuotedRate], service: str) -> QuotedRate | None:
    """Return the offer of a service, the cheapest where several accounts have one.

    Raises
    ------
    CarrierRejected
        They are in several currencies.
    """
    found = [offer for offer in rated_offers if offer.code == service]
    currencies = sorted({offer.currency for offer in found})
    if len(currencies) > 1:
        raise CarrierRejected(
            f"EasyPost's prices for {SERVICES.title_of(service)} are in "
            f"{' and '.join(currencies)}, which cannot be compared.",
            fix="Name the carrier accounts to ask: SHIPKIT_EASYPOST_CARRIER_ACCOUNTS.",
            field="service",
        )
    return found[0] if found else None


def failed_for(failed: Mapping[str, tuple[str, ...]], service: str) -> list[str]:
    """Return what the carrier of a service reported when it gave no price."""
    return [
        f"{carrier}: {'; '.join(texts)}"
        for carrier, texts in failed.items()
        if is_of(carrier, service)
    ]


def picked(
    rated_offers: Iterable[QuotedRate], failed: Mapping[str, tuple[str, ...]], service: str
) -> QuotedRate:
    """Return the offer of a service.

    Raises
    ------
    CarrierRejected
        There is none; the message has the carrier's own words.
    """
    if (offer := offered(rated_offers, service)) is not None:
        return offer
    said = failed_for(failed, service)
    why = f" ({'; '.join(said)})" if said else ""
    raise CarrierRejected(
        f"EasyPost has no price for {SERVICES.title_of(service)}{why}.",
        fix="Choose another service: session.shop() lists what the account sells for this row."
        if not said
        else "Try again later, or choose another carrier's service.",
        field="service",
    )


def is_of(carrier: str, service: str) -> bool:
    """Return whether a carrier, as EasyPost writes it, is the one of a service's code."""
    return plain_name(carrier) == carrier_of(service)


def plain_name(carrier: str) -> str:
    """Return a carrier, as EasyPost writes it, as codes of services have it: ``dhlexpress``."""
    return "".join(letter for letter in carrier.lower() if letter.isalnum())
