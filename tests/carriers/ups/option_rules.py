"""What UPS refuses of options: the rules of the tests' server beyond the OpenAPI files.

Each rule names its source. It shares no module with shipkit. Codes are UPS's where one is known
from its older guide; a rule without a known code answers 128999, which is none of UPS's.
"""

from __future__ import annotations

import re
from typing import Any

ACCOUNT = "A1B2C3"
OTHER = "128999"
_US_PR = {"US", "PR"}
_POSTAL = {"US": r"\d{5}(\d{4})?", "PR": r"\d{5}(\d{4})?", "CA": r"([A-Z]\d){3}"}


def refused(call: str, shipment: dict[str, Any], pair: tuple[str, str]) -> tuple[str, str] | None:
    """Return code and words of what UPS would refuse of the options of a shipment."""
    name = "PaymentDetails" if call == "rate" else "PaymentInformation"
    charges = shipment.get(name, {}).get("ShipmentCharge", [])
    return (
        _billing(charges, shipment, pair) or _of_packages(shipment, pair) or _whole(shipment, pair)
    )


def _billing(
    charges: list[dict[str, Any]], shipment: dict[str, Any], pair: tuple[str, str]
) -> tuple[str, str] | None:
    """Shipping.yaml, PaymentInformation: one payer per charge, and what each needs."""
    if "ReturnService" in shipment and any("BillReceiver" in c for c in charges[:1]):
        return "120413", "the receiver of a return cannot be billed"
    if [c.get("Type") for c in charges] not in (["01"], ["01", "02"]):
        return "120410", "no payer"
    for charge in charges:
        payers = set(charge) - {"Type"}
        if len(payers) != 1:
            return "120410", f"{sorted(payers)}: exactly one payer"
        [payer] = payers
        said = charge[payer]
        if payer == "ConsigneeBilledIndicator":
            if charge["Type"] != "01" or set(pair) != _US_PR:
                return OTHER, "consignee billing is for transport between US and PR"
            continue
        account = said.get("AccountNumber", "")
        if payer == "BillShipper":
            if account != ACCOUNT:
                return "120415", "payer"
            continue
        if not re.fullmatch(r"[0-9A-Z]{6}", account) or account == ACCOUNT:
            return "120413", f"account {account}"
        address = said.get("Address", {})
        country = address.get("CountryCode") or shipment["ShipTo"]["Address"]["CountryCode"]
        if payer == "BillThirdParty" and "CountryCode" not in address:
            return "120413", "a third party's country is missing"
        wanted = _POSTAL.get(country)
        if (
            payer == "BillThirdParty" or country == shipment["ShipTo"]["Address"]["CountryCode"]
        ) and (wanted and not re.fullmatch(wanted, address.get("PostalCode", ""))):
            return "120413", "the postal code of the account is missing or wrong"
    return None


def _of_packages(shipment: dict[str, Any], pair: tuple[str, str]) -> tuple[str, str] | None:
    """Shipping.yaml: Package (returns), ShipperReleaseIndicator, COD, SimpleRate."""
    inside = set(pair) <= _US_PR
    whole = shipment.get("ShipmentServiceOptions", {})
    returned = "ReturnService" in shipment or "ReturnService" in whole
    if returned and len(shipment["Package"]) > (1 if pair[0] in _US_PR else 20):
        return OTHER, "more packages than a return may have"
    for package in shipment["Package"]:
        options = package.get("PackageServiceOptions", {})
        if "ShipperReleaseIndicator" in options and (
            not inside or returned or "DeliveryConfirmation" in options
        ):
            return OTHER, "shipper release"
        if "COD" in options:
            amount = options["COD"]["CODAmount"]
            if returned or not (inside or pair in {("CA", "CA"), ("CA", "US")}):
                return OTHER, "COD is not available here"
            if options["COD"]["CODFundsCode"] not in {"0", "8"} or not re.fullmatch(
                r"\d{1,5}\.\d{2}", amount["MonetaryValue"]
            ):
                return OTHER, "COD funds or amount"
        if "SimpleRate" in package:
            if len(shipment["Package"]) > 1 or pair != ("US", "US"):
                return OTHER, "simple rate"
            if package["SimpleRate"]["Code"] not in {"XS", "S", "M", "L", "XL"}:
                return OTHER, "simple rate size"
    return None


def _whole(shipment: dict[str, Any], pair: tuple[str, str]) -> tuple[str, str] | None:
    """Shipping.yaml: DocumentsOnlyIndicator and Notification; ups.com: Saturday delivery."""
    code = shipment.get("Service", {}).get("Code")  # Shop has none
    wanted = "SaturdayDeliveryIndicator" in shipment.get("ShipmentServiceOptions", {})
    if wanted and pair[0] in _US_PR and code not in (None, "01", "02", "14", "07", "54"):
        return OTHER, "Saturday delivery is not available for this service"
    if "DocumentsOnlyIndicator" in shipment and (
        pair[0] == pair[1] or pair in {("US", "CA"), ("US", "PR"), ("US", "MX")}
    ):
        return OTHER, "documents only"
    for message in shipment.get("ShipmentServiceOptions", {}).get("Notification", []):
        to = message["EMail"]["EMailAddress"]
        if message["NotificationCode"] not in {"6", "7", "8"} or not all(
            re.fullmatch(r"\S+@\S+", each) and len(each) <= 50 for each in to
        ):
            return OTHER, "notification"
    return None
