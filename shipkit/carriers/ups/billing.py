"""Who pays at UPS: the ShipmentCharges of a request, and what a person should know of them.

Rate (PaymentDetails) and Ship (PaymentInformation) take the same charges. From UPS's files
(Shipping.yaml, PaymentInformation):

- Charge 01 is transport, 02 is duties and taxes. 02 is not valid within a country, between the US
  and Puerto Rico, and within the EU.
- A receiver's or third party's account is billed with the postal code of its pickup address, which
  US, Puerto Rican and Canadian accounts must have; a third party's also with its country.
- ConsigneeBilledIndicator needs no account and is for transport between the US and Puerto Rico.
"""

from __future__ import annotations

import re
from typing import Any, Final

from shipkit.carriers.row_refusal import refuse
from shipkit.carriers.ups.route import Route
from shipkit.carriers.ups.text import postal_code
from shipkit.models import BillTo, Shipment

__all__ = ["billing_note", "charges"]

_TRANSPORT: Final = "01"
_DUTIES: Final = "02"
_POSTAL_CODES: Final = {
    "US": r"[0-9]{5}(?:[0-9]{4})?",
    "PR": r"[0-9]{5}(?:[0-9]{4})?",
    "CA": r"(?:[A-Z][0-9]){3}",
}
"""Country of an account -> its postal code. Required there (PostalCode of both parties)."""


def charges(route: Route, shipment: Shipment) -> list[dict[str, Any]]:
    """Return who pays for the transport, and for duties where there are any.

    Raises
    ------
    CarrierRejected
        An account or its postal code is missing or cannot be one of UPS.
    """
    found = [{"Type": _TRANSPORT, **_transport(route, shipment)}]
    duties = _duties_payer(route, shipment)
    if duties is not None:
        found.append({"Type": _DUTIES, **duties})
    return found


def billing_note(shipment: Shipment) -> str | None:
    """Return who else pays for the transport, or None where the shipper's account does."""
    if shipment.bill_to in (None, BillTo.SHIPPER):
        return None
    if shipment.bill_to is BillTo.CONSIGNEE:
        return "UPS bills the consignee; the price is that of your own account"
    whose = "the receiver's" if shipment.bill_to is BillTo.RECEIVER else "a third party's"
    last = (shipment.bill_account or "").strip()[-4:]
    return f"UPS bills {whose} account ...{last}; the price is that of your own account"


def _transport(route: Route, shipment: Shipment) -> dict[str, Any]:
    party = shipment.bill_to
    account = _account(shipment.bill_account, "bill_account")
    if party in (None, BillTo.SHIPPER):
        if account is None and party is None:
            _refuse_a_place_alone(
                "bill_to",
                "an account that pays",
                shipment.bill_postal_code,
                shipment.bill_country,
                "Give bill_to and bill_account, or leave the place out.",
            )
        if account and account != route.account:
            raise refuse(
                "bill_to",
                f"the account of someone else is given (...{account[-4:]}), and not whose it is.",
                'Say it: session.edit("bill_account IS NOT NULL", bill_to="third_party") or '
                '"receiver".',
            )
        return _shipper(route)
    if party is BillTo.CONSIGNEE:
        return _consignee(route, account)
    if party is BillTo.RECEIVER and shipment.is_return:  # Shipping.yaml, BillReceiver
        raise refuse(
            "bill_to",
            "UPS does not bill the receiver of a return label.",
            "Bill the shipper or a third party.",
        )
    where = shipment.bill_country
    return _other(route, party, account, shipment.bill_postal_code, where, prefix="bill")


def _duties_payer(route: Route, shipment: Shipment) -> dict[str, Any] | None:
    party = shipment.duties_bill_to
    account = _account(shipment.duties_account, "duties_account")
    if party is None and account:
        raise refuse(
            "duties_bill_to",
            f"an account for duties is given (...{account[-4:]}), and not whose it is.",
            "Give duties_bill_to: shipper, receiver or third_party.",
        )
    if party is None and shipment.customs and shipment.customs.duties_payer == "shipper":
        party = BillTo.SHIPPER
    if not route.crosses_customs:
        if shipment.duties_bill_to in (BillTo.THIRD_PARTY, BillTo.CONSIGNEE) or account:
            raise refuse(
                "duties_bill_to",
                f"there are no duties from {route.pair[0]} to {route.pair[1]}.",
                "Leave the payer of duties out for this row.",
            )
        return None
    if party in (None, BillTo.RECEIVER):
        _refuse_ddp(shipment)
    if party is None or (party is BillTo.RECEIVER and account is None):
        _refuse_a_place_alone(
            "duties_account",
            "an account for duties",
            shipment.duties_postal_code,
            shipment.duties_country,
            "Give duties_account, or leave the place out: the receiver pays on delivery.",
        )
        return None  # the receiver pays on delivery
    if party is BillTo.SHIPPER:
        if account and account != route.account:
            raise refuse(
                "duties_account",
                f"the shipper pays the duties, and this is not your account (...{account[-4:]}).",
                "Leave the account out, or bill the receiver or a third party.",
            )
        return _shipper(route)
    if party is BillTo.CONSIGNEE:
        raise refuse(
            "duties_bill_to",
            "UPS bills a consignee for transport only.",
            "Use receiver, third_party or shipper.",
        )
    where = shipment.duties_country
    return _other(route, party, account, shipment.duties_postal_code, where, prefix="duties")


def _refuse_ddp(shipment: Shipment) -> None:
    """Refuse "delivered duty paid" on the invoice of a row whose receiver would pay."""
    terms = (shipment.customs.terms if shipment.customs else None) or ""
    if terms.strip().upper() == "DDP":
        raise refuse(
            "customs.terms",
            "DDP means that the shipper pays the duties, and the receiver pays those of this row.",
            'Have the shipper pay (defaults={"duties_payer": "shipper"}), or use DAP.',
        )


def _refuse_a_place_alone(
    field: str, what: str, code: str | None, country: str | None, fix: str
) -> None:
    """Refuse the place of an account without the account: a part of a payer is never dropped."""
    place = code or country
    if place:
        raise refuse(field, f"the place of {what} is given ({place}), and no account.", fix)


def _shipper(route: Route) -> dict[str, Any]:
    return {"BillShipper": {"AccountNumber": route.account}}


def _consignee(route: Route, account: str | None) -> dict[str, Any]:
    if route.pair not in {("US", "PR"), ("PR", "US")}:
        raise refuse(
            "bill_to",
            "UPS bills a consignee without an account between the US and Puerto Rico only.",
            'Use bill_to="receiver" with the account and its postal code.',
        )
    if account:
        raise refuse(
            "bill_account",
            "a consignee is billed without an account.",
            'Use bill_to="receiver" to bill this account, or leave the account out.',
        )
    return {"ConsigneeBilledIndicator": ""}


def _other(
    route: Route,
    party: BillTo,
    account: str | None,
    code: str | None,
    country: str | None,
    *,
    prefix: str,
) -> dict[str, Any]:
    """Return a receiver or a third party as payer."""
    if account is None:
        whose = "receiver's" if party is BillTo.RECEIVER else "third party's"
        raise refuse(
            f"{prefix}_account",
            f"UPS bills the {whose} account, and none is given.",
            f"Give {prefix}_account with {prefix}_postal_code, or bill the shipper.",
        )
    if account == route.account:
        raise refuse(
            f"{prefix}_account",
            "this is your own account.",
            "Give the other party's account, or leave the payer out.",
        )
    # A receiver's account is of the recipient's country; a third party's is taken to be of the
    # shipper's where nothing else is said. UPS refuses an account that is of another country.
    home = route.destination.country if party is BillTo.RECEIVER else route.shipper.country
    where = country or home
    address = _account_address(code, where, prefix)
    if party is BillTo.RECEIVER:
        payer: dict[str, Any] = {"AccountNumber": account}
        return {"BillReceiver": payer | ({"Address": address} if address else {})}
    whole = {**address, "CountryCode": where}
    return {"BillThirdParty": {"AccountNumber": account, "Address": whole}}


def _account(text: str | None, field: str) -> str | None:
    number = re.sub(r"[\s-]", "", text).upper() if text else ""
    if not number:
        return None
    if not re.fullmatch(r"[0-9A-Z]{6}", number):
        raise refuse(
            field,
            f"a UPS account has six letters and digits, and this one has {len(number)} characters.",
            "Correct the account number; leading zeros matter.",
        )
    return number


def _account_address(code: str | None, country: str, prefix: str) -> dict[str, str]:
    text = postal_code(code)
    wanted = _POSTAL_CODES.get(country)
    if wanted is not None and not re.fullmatch(wanted, text):
        raise refuse(
            f"{prefix}_postal_code",
            f"UPS wants the postal code of the account's pickup address in {country}, and "
            + (f"{text!r} is not one." if text else "none is given."),
            f"Give {prefix}_postal_code, as it is in the UPS account"
            + (f", or {prefix}_country." if not text else "."),
        )
    if len(text) > 9:
        raise refuse(
            f"{prefix}_postal_code", f"{text!r} has more than nine characters.", "Correct it."
        )
    return {"PostalCode": text} if text else {}
