"""Numbers that customs and tax authorities ask for: IOSS, EORI, VAT, EIN, ITN.

They go into a purchase only, Rate has no place for them (Rating.yaml). Where they go:

- IOSS and VOEC: ``ShipFrom.VendorInfo``. It tells customs that the buyer has paid the VAT.
- Tax numbers and EORI of both sides: ``GlobalTaxInformation``, which replaced the field
  TaxIdentificationNumber of the parties (Shipping.yaml).
- The ITN of an export filing: in the comments of the invoice. ``EEIFilingOption`` belongs to the
  EEI form, which UPS would fill in; a shipper who has an ITN has filed already. UPS's file also
  wants 17 characters there, and an ITN has 15.
"""

from __future__ import annotations

import re
from typing import Any, Final

from shipkit.carriers.export_filing import goods_to_file, may_be_filed
from shipkit.carriers.row_refusal import refuse
from shipkit.carriers.ups.route import Party, Route, latin
from shipkit.carriers.ups.service_options import CUSTOMS_NUMBERS
from shipkit.carriers.ups.text import clean
from shipkit.common.customs_borders import EU
from shipkit.models import Shipment

__all__ = ["add_tax_numbers", "customs_notes"]

_IOSS: Final = re.compile(r"IM[0-9]{10}")
_VOEC: Final = re.compile(r"(?:VOEC)?[0-9]{7}")

_HS_WANTED: Final = EU | {"NO", "CH"}
"""Where the advance declaration of goods (ICS2) wants a tariff code of six digits of each item."""


def add_tax_numbers(body: dict[str, Any], route: Route, shipment: Shipment) -> None:
    """Add the numbers of a shipment to a Ship request that crosses customs."""
    vendor = _vendor(route, shipment)
    if vendor:
        body.setdefault("ShipFrom", route.origin.shown())["VendorInfo"] = vendor
    agents = [
        {"AgentRole": role, "TaxIdentificationNumber": numbers}
        for role, numbers in (
            ("20", _numbers_of_sender(route, shipment)),
            ("30", _numbers_of_recipient(route, shipment)),
        )
        if numbers
    ]
    if agents:
        body["GlobalTaxInformation"] = {"AgentTaxIdentificationNumber": agents}


def customs_notes(route: Route, shipment: Shipment) -> tuple[str, ...]:
    """Return what a person should know before a parcel goes to customs."""
    if not route.crosses_customs:
        given = [name for name in CUSTOMS_NUMBERS if getattr(shipment, name)]
        notes = tuple(f"{name} is not sent: no customs border is crossed" for name in given)
        goods = _goods_to_file(route, shipment)
        if not goods or shipment.itn:
            return notes
        # Between the US and Puerto Rico: no invoice that an ITN could be on.
        return (*notes, f"{goods} is worth more than 2,500 USD: the goods must be filed (EEI)")
    found = []
    if shipment.ioss_number and _vendor(route, shipment) is None:
        found.append(f"ioss_number is not sent: {route.pair[1]} does not take part in IOSS or VOEC")
    if not shipment.itn and (goods := _goods_to_file(route, shipment)):
        found.append(
            f"{goods} is worth more than 2,500 USD: the export must be filed (EEI) and its ITN "
            "given in the column itn"
        )
    items = shipment.customs.items if shipment.customs else ()
    other = sorted({item.unit_value.currency for item in items} - {"USD"})
    if other and not shipment.itn and may_be_filed(*route.pair):
        found.append(
            f"the goods are valued in {' and '.join(other)}: whether those of one tariff code are "
            "worth more than 2,500 USD, and must be filed (EEI), is not known"
        )
    bare = sum(len(re.sub(r"[^0-9]", "", item.hs_code or "")) < 6 for item in items)
    if bare and route.pair[1] in _HS_WANTED and not shipment.is_return:
        found.append(
            f"customs in {route.pair[1]} wants a tariff code of 6 digits of each item (ICS2): "
            f"{bare} of {len(items)} have none (column hs_code)"
        )
    return tuple(found)


def _goods_to_file(route: Route, shipment: Shipment) -> str:
    return goods_to_file(shipment) if may_be_filed(*route.pair) else ""


def _vendor(route: Route, shipment: Shipment) -> dict[str, str] | None:
    text = re.sub(r"[\s.-]", "", shipment.ioss_number or "").upper()
    destination = route.pair[1]
    if not text:
        return None
    if text.startswith("IM"):
        kind, form, where = "0356", _IOSS, destination in EU
    else:
        kind, form, where = "0357", _VOEC, destination == "NO"
    if not form.fullmatch(text):
        raise refuse(
            "ioss_number",
            f"{shipment.ioss_number!r} is neither an IOSS number (IM and ten digits) nor a VOEC "
            "number (seven digits).",
            "Correct it, or leave it out: customs then collects the VAT from the recipient.",
        )
    return {"VendorCollectIDTypeCode": kind, "VendorCollectIDNumber": text} if where else None


def _numbers_of_sender(route: Route, shipment: Shipment) -> list[dict[str, str]]:
    numbers = (
        ("sender_tax_id", shipment.sender_tax_id, "0001", "01"),
        ("sender_eori", shipment.sender_eori, "0002", "02"),
    )
    return [
        _number(name, text, kind, purpose, "06", route.origin)
        for name, text, kind, purpose in numbers
        if text
    ]


def _numbers_of_recipient(route: Route, shipment: Shipment) -> list[dict[str, str]]:
    # With role 30 the type must be 1002, 1005 or 0005 (Shipping.yaml, AgentRole).
    own = "1002" if shipment.ship_to.company else "0005"
    numbers = (
        ("recipient_tax_id", shipment.recipient_tax_id, own, "01"),
        ("recipient_eori", shipment.recipient_eori, "1002", "02"),
    )
    return [
        _number(name, text, kind, purpose, "18", route.destination)
        for name, text, kind, purpose in numbers
        if text
    ]


def _number(
    name: str, text: str, kind: str, purpose: str, role: str, party: Party
) -> dict[str, str]:
    number = latin(clean(text), name)
    if not 3 <= len(number) <= 35:
        raise refuse(name, f"{text!r} is not a tax number of 3 to 35 characters.", "Correct it.")
    return {
        "IdentificationNumber": number,
        "IDNumberTypeCode": kind,
        "IDNumberPurposeCode": purpose,
        "IDNumberCustomerRole": role,
        "IDNumberEncryptionIndicator": "0",
        "IDNumberIssuingCntryCd": party.country,
        "IDNumberRequestingCntryCd": party.country,
        "IncludeIDNumberOnShippingBrokerageDocs": "01",
    }
