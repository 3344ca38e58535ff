"""What is printed on a label, as a value."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from shipkit.models import NUMBERED_REFERENCES, Address, BillTo, Parcel, Shipment, Signature

__all__ = ["LabelContent", "label_contents"]


@dataclass(frozen=True, slots=True)
class LabelContent:
    """Everything that is drawn on one label. Empty parts are left out of the picture."""

    ship_from: Address
    ship_to: Address
    service: str
    """The service's title: "Ground"."""
    tracking_number: str
    parcel_index: int = 1
    parcel_count: int = 1
    weight_lb: float | None = None
    dimensions_in: tuple[float, float, float] | None = None
    date: dt.date | None = None
    billing: str = "SANDBOX"
    reference: str | None = None
    """Shipkit's own reference of the purchase."""
    references: tuple[tuple[str, str], ...] = ()
    """The user's references: ("po", "4412")."""
    description: str | None = None
    notices: tuple[str, ...] = ()
    """Short handling words in capitals: "SIGNATURE REQUIRED"."""
    watermark: str | None = "SAMPLE"


def label_contents(
    shipment: Shipment,
    shipper: Address,
    tracking_numbers: Sequence[str],
    *,
    service: str,
    reference: str | None = None,
    date: dt.date | None = None,
    billing: str = "SANDBOX",
    watermark: str | None = "SAMPLE",
) -> tuple[LabelContent, ...]:
    """Return what to draw for a shipment: one label per parcel, in the order of its parcels.

    Parameters
    ----------
    tracking_numbers
        One number per parcel.
    service
        The service's title, "2nd Day Air": a shipment only has its code.
    date
        Used when the shipment has no ship date of its own.

    Returns
    -------
    tuple
        A return label goes from the customer to the shop.
    """
    here, there = shipment.ship_from or shipper, shipment.ship_to
    if shipment.is_return:
        here, there = there, here
    return tuple(
        LabelContent(
            ship_from=here,
            ship_to=there,
            service=service,
            tracking_number=number,
            parcel_index=index,
            parcel_count=len(shipment.parcels),
            weight_lb=parcel.weight_lb,
            dimensions_in=(parcel.length_in, parcel.width_in, parcel.height_in)
            if parcel.length_in and parcel.width_in and parcel.height_in
            else None,
            date=shipment.ship_date or date,
            billing=_billing(shipment, billing),
            reference=reference,
            references=tuple(
                (name.removeprefix("reference_") if name in NUMBERED_REFERENCES else name, text)
                for name, text in shipment.user_references
            ),
            description=parcel.description or shipment.description,
            notices=_notices(shipment, parcel),
            watermark=watermark,
        )
        for index, (parcel, number) in enumerate(
            zip(shipment.parcels, tracking_numbers, strict=True), 1
        )
    )


def _billing(shipment: Shipment, usual: str) -> str:
    if shipment.bill_to is None:
        return usual
    last = (shipment.bill_account or "").strip()[-4:]
    return f"{_name(shipment.bill_to)}{' ...' if last else ''}{last}"


def _name(payer: BillTo | None) -> str:
    return payer.value.replace("_", " ").upper() if payer else ""


def _held_at(shipment: Shipment) -> str:
    point = (shipment.access_point_name, shipment.access_point_street, shipment.access_point_city)
    return "HOLD AT: " + (", ".join(filter(None, point)) or shipment.access_point_id or "")


def _notices(shipment: Shipment, parcel: Parcel) -> tuple[str, ...]:
    return tuple(
        words
        for words, wanted in (
            ("RETURN", shipment.is_return),
            ("SATURDAY DELIVERY", shipment.saturday_delivery),
            ("DIRECT DELIVERY ONLY", shipment.direct_delivery_only),
            (_held_at(shipment), shipment.pickup_point is not None),
            (f"DUTIES: {_name(shipment.duties_bill_to)}", shipment.duties_bill_to is not None),
            ("NO SIGNATURE NEEDED", shipment.shipper_release),
            ("ADDITIONAL HANDLING", parcel.additional_handling),
            (f"COD {shipment.cod_amount}", shipment.cod_amount is not None),
            ("SIGNATURE REQUIRED", shipment.signature is Signature.REQUIRED),
            ("ADULT SIGNATURE", shipment.signature is Signature.ADULT),
            ("RESIDENTIAL", shipment.ship_to.residential is True and not shipment.is_return),
        )
        if wanted
    )
