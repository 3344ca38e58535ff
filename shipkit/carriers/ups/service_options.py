"""Options at UPS: what a shipment asks for beyond transport, where UPS takes it, and its form.

Rate and Ship take the same options, but for e-mails, which only Ship has. What is asked for where
UPS does not take it is refused; nothing is left out. From UPS's files (Shipping.yaml, Rating.yaml):

- ShipperReleaseIndicator: on packages within the US and Puerto Rico, not on a return.
- COD of a package: within US and PR, within Canada, and from CA to US (no letters), not on a
  return. COD of a shipment, from the EU, has other codes of funds that the files do not list, and
  is refused. Code 0, a check or money order and no cash, is what public programs send.
- DocumentsOnlyIndicator: abroad, and not from the US to CA, PR or MX.
- DirectDeliveryOnlyIndicator: the address on the label only.
- AdditionalHandlingIndicator: on a package; "it's a non-corrugated package".
- SaturdayDeliveryIndicator: of the services that have it (services.toml).
- SimpleRate: one package; codes XS to XL. Sizes and services are those of UPS's pages on Simple
  Rate, from memory: 100, 250, 650, 1,050 and 1,728 cubic inches, 50 lb, within the US.
- Notification codes: 6 shipped, 7 exception, 8 delivered; on the shipment.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from shipkit.carriers.row_refusal import refuse
from shipkit.carriers.ups.route import Route, latin
from shipkit.carriers.ups.service_level import SERVICES
from shipkit.carriers.ups.text import clean
from shipkit.models import Notify, Parcel, Shipment, Signature, SimpleRate

__all__ = [
    "CUSTOMS_NUMBERS",
    "demand_saturday",
    "demand_simple_rate",
    "documents_only",
    "notice_of_emails",
    "package_fields",
    "package_options",
    "shipment_options",
    "simple_rate_services",
]

CUSTOMS_NUMBERS: Final = (
    "ioss_number",
    "sender_tax_id",
    "sender_eori",
    "recipient_tax_id",
    "recipient_eori",
    "itn",
)
"""Fields of a shipment that only an invoice for customs has a place for."""
_US_PR: Final = frozenset({"US", "PR"})
_COD_FUNDS: Final = "0"
_NOT_FOR_DOCUMENTS: Final = frozenset({("US", "CA"), ("US", "PR"), ("US", "MX")})
_MESSAGES: Final = {
    Notify.SHIPPED: ("6",),
    Notify.DELIVERED: ("8",),
    Notify.ALL: ("6", "7", "8"),
}
_LONGEST_EMAIL: Final = 50
_CUBIC_INCHES: Final = {
    SimpleRate.XS: 100,
    SimpleRate.S: 250,
    SimpleRate.M: 650,
    SimpleRate.L: 1_050,
    SimpleRate.XL: 1_728,
}
_SIMPLE_RATE_LB: Final = 50
_SIMPLE_RATE_SERVICES: Final = ("ground", "3_day_select", "2nd_day_air", "next_day_air_saver")


def shipment_options(shipment: Shipment, *, rated: bool) -> dict[str, Any]:
    """Return the options of a whole shipment; those of e-mails are of Ship only."""
    options: dict[str, Any] = {}
    if shipment.direct_delivery_only:
        options["DirectDeliveryOnlyIndicator"] = ""
    if shipment.notify not in (None, Notify.NONE):
        messages = _messages(shipment)
        if not rated:
            options["Notification"] = messages
    return options


def documents_only(route: Route, shipment: Shipment) -> bool:
    """Return whether the shipment is documents.

    Raises
    ------
    CarrierRejected
        UPS has no such on this route, or the row has goods or numbers for customs, which documents
        have no invoice for.
    """
    if not shipment.documents_only:
        return False
    if route.pair[0] == route.pair[1] or route.pair in _NOT_FOR_DOCUMENTS:
        raise refuse(
            "documents_only",
            f"UPS has no shipments of documents from {route.pair[0]} to {route.pair[1]}.",
            "Leave it out for this row.",
        )
    customs = shipment.customs
    given = [name for name in CUSTOMS_NUMBERS if getattr(shipment, name)]
    if customs and any(item.unit_value.amount > 0 for item in customs.items):
        given.insert(0, "customs items with a value")
    if given:
        raise refuse(
            "documents_only",
            f"documents have no invoice for customs, and the row has {', '.join(given)}.",
            "Leave documents_only out, or leave the others out.",
        )
    return True


def simple_rate_services(shipment: Shipment) -> tuple[str, ...]:
    """Return the services that a flat price is of, where a parcel asks for one; else none."""
    return _SIMPLE_RATE_SERVICES if any(map(_asks, shipment.parcels)) else ()


def _asks(parcel: Parcel) -> bool:
    return parcel.simple_rate not in (None, SimpleRate.NONE)


def demand_simple_rate(shipment: Shipment) -> None:
    """Refuse a service that UPS has no flat price for, where a parcel asks for one."""
    able = simple_rate_services(shipment)
    if able and shipment.service not in able:
        asks = next(i for i, each in enumerate(shipment.parcels) if _asks(each))
        raise refuse(
            f"parcels[{asks}].simple_rate",
            "UPS has no Simple Rate for this service.",
            "Correct the row, or leave simple_rate out.",
        )


def demand_saturday(route: Route, shipment: Shipment) -> None:
    """Refuse a service without Saturday delivery, where the row asks for it.

    From the US and Puerto Rico only: what runs on Saturdays elsewhere is for UPS to say.
    """
    if not shipment.saturday_delivery or route.pair[0] not in _US_PR:
        return
    entry = SERVICES.entry(shipment.service) if shipment.service in SERVICES else None
    if entry is not None and not entry.facts.get("saturday"):
        raise refuse(
            "saturday_delivery",
            f"UPS {entry.title} has no Saturday delivery to ask for.",
            "Choose another service, or leave it out.",
        )


def package_fields(parcel: Parcel, index: int, route: Route, shipment: Shipment) -> dict[str, Any]:
    """Return what is written on a package itself, in Rate and in Ship."""
    found: dict[str, Any] = {}
    if parcel.additional_handling:
        found["AdditionalHandlingIndicator"] = ""
    if _asks(parcel):
        found["SimpleRate"] = {"Code": _simple_rate(parcel, index, route, shipment)}
    return found


def package_options(parcel: Parcel, route: Route, shipment: Shipment) -> dict[str, Any]:
    """Return what belongs in PackageServiceOptions, in Rate and in Ship."""
    options: dict[str, Any] = {}
    if shipment.shipper_release:
        options["ShipperReleaseIndicator"] = _released(route, shipment)
    if shipment.cod_amount is not None and shipment.cod_amount.amount > 0:
        options["COD"] = _cod(route, shipment, parcel)
    return options


def notice_of_emails(shipment: Shipment) -> str | None:
    """Return what UPS writes to whom, None where it writes nothing."""
    if shipment.notify in (None, Notify.NONE):
        return None
    what = {
        Notify.SHIPPED: "when it is shipped",
        Notify.DELIVERED: "when it is delivered",
        Notify.ALL: "when it is shipped, delayed and delivered",
    }[shipment.notify]
    return f"UPS writes an e-mail to the recipient {what}, with your name and the tracking number"


def _released(route: Route, shipment: Shipment) -> str:
    if not set(route.pair) <= _US_PR:
        raise refuse(
            "shipper_release",
            "UPS leaves parcels without a signature in the US and Puerto Rico only.",
            "Leave it out for this row.",
        )
    if shipment.is_return or shipment.signature is not Signature.NONE:
        against = "a return label" if shipment.is_return else "a signature"
        raise refuse(
            "shipper_release",
            f"UPS does not take it together with {against}.",
            "Leave one of the two out.",
        )
    return ""


def _cod(route: Route, shipment: Shipment, parcel: Parcel) -> dict[str, Any]:
    amount = shipment.cod_amount
    assert amount is not None  # noqa: S101 - the caller's condition
    inside = set(route.pair) <= _US_PR or route.pair in {("CA", "CA"), ("CA", "US")}
    problem = None
    if shipment.is_return:
        problem = "UPS collects no payment on a return."
    elif not inside:
        problem = f"payment on delivery is not sold from {route.pair[0]} to {route.pair[1]}."
    elif len(shipment.parcels) > 1:
        problem = "UPS collects a payment for each parcel, and this row has several."
    elif route.pair == ("CA", "US") and parcel.packaging in ("letter", "envelope", "01"):
        problem = "UPS collects no payment for a letter from Canada to the US."
    elif amount.currency != ("CAD" if route.pair[0] == "CA" else "USD"):
        problem = f"UPS does not collect {amount.currency} from here."
    if problem:
        raise refuse("cod_amount", problem, "Leave the amount out, or ship it in another way.")
    value = amount.amount.quantize(Decimal("0.01"))
    return {
        "CODFundsCode": _COD_FUNDS,
        "CODAmount": {"CurrencyCode": amount.currency, "MonetaryValue": f"{value:f}"},
    }


def _messages(shipment: Shipment) -> list[dict[str, Any]]:
    email = clean(shipment.ship_to.email)
    if shipment.is_return:
        raise refuse(
            "notify",
            "e-mails of returns are not sent through shipkit.",
            "Leave it out for this row.",
        )
    if not email or "@" not in email or len(email) > _LONGEST_EMAIL:
        raise refuse(
            "ship_to.email",
            f"UPS is to write to the recipient, and there is no e-mail address of at most "
            f"{_LONGEST_EMAIL} characters.",
            "Give the address, or leave notify out.",
        )
    to = {"EMailAddress": [latin(email, "ship_to.email")]}
    assert shipment.notify is not None  # noqa: S101 - the caller's condition
    return [{"NotificationCode": code, "EMail": dict(to)} for code in _MESSAGES[shipment.notify]]


def _simple_rate(parcel: Parcel, index: int, route: Route, shipment: Shipment) -> str:
    size = parcel.simple_rate
    assert size is not None  # noqa: S101 - the caller's condition
    field = f"parcels[{index}].simple_rate"
    sides = (parcel.length_in, parcel.width_in, parcel.height_in)
    problem = None
    if route.pair != ("US", "US"):
        problem = "UPS has Simple Rate within the US only."
    elif len(shipment.parcels) > 1:
        problem = "UPS sells a single parcel by Simple Rate."
    elif parcel.packaging not in ("package", "box", "02"):
        problem = "Simple Rate is for a box of your own."
    elif parcel.weight_lb > _SIMPLE_RATE_LB:
        problem = f"Simple Rate ends at {_SIMPLE_RATE_LB} lb."
    elif None in sides:
        problem = "UPS needs length, width and height for Simple Rate."
    else:
        length, width, height = (Decimal(str(side)) for side in sides)
        if length * width * height > _CUBIC_INCHES[size]:
            problem = (
                f"the box has more than the {_CUBIC_INCHES[size]:,} cubic inches of size "
                f"{size.value.upper()}."
            )
    if problem:
        raise refuse(field, problem, "Correct the row, or leave simple_rate out.")
    return size.value.upper()
