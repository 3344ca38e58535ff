"""The answers about labels, read: one JSON object, or parts of a multipart body.

`Accept: application/vnd.usps.labels+json` asks for one JSON with the image inside; multipart is
USPS's default, and is what a host answers that does not know that type. Images are base64 in both,
whatever their headers say (a recorded answer claims gzip).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import orjson

from shipkit.carriers.http import Response
from shipkit.carriers.label_format import format_of
from shipkit.carriers.usps.mail_classes import state_of
from shipkit.carriers.usps.price_answer import cents, warnings_in
from shipkit.common.base64_text import decoded_base64
from shipkit.errors import AnswerLost
from shipkit.models import Charge, Label, Purchase, Shipment

__all__ = ["ACCEPT", "one_label", "parts_of"]

ACCEPT: Final = "application/vnd.usps.labels+json"
_BOUNDARY: Final = re.compile(r'boundary="?([^";,]+)"?', re.IGNORECASE)
_NAME: Final = re.compile(r'\bname="?([A-Za-z]+)', re.IGNORECASE)
_FILE: Final = re.compile(r'\bfilename="?([A-Za-z]+)', re.IGNORECASE)
_METADATA: Final = "labelMetadata"
_IMAGE: Final = "labelImage"


def one_label(answer: Response, shipment: Shipment, key: str) -> Purchase:
    """Return the label of an answer as a purchase under `key`.

    Raises
    ------
    AnswerLost
        The answer is cut short, or has no number, no price or no image: the label exists, and is
        asked for again by its key.
    """
    parts = parts_of(answer)
    metadata = _metadata(parts)
    number = str(
        metadata.get("trackingNumber") or metadata.get("internationalTrackingNumber") or ""
    )
    data = _image(parts)
    kind = None if data is None else format_of(data)
    if not number or data is None or kind is None:
        raise _unreadable("lacks its number or its image")
    try:
        charge = _charged(metadata)
    except (ValueError, TypeError, ArithmeticError):
        raise _unreadable("has no price that can be read") from None
    return Purchase(
        shipment_id=key,
        tracking_numbers=(number,),
        service=shipment.service,
        charge=charge,
        labels=(Label(tracking_number=number, format=kind, data=data),),
        warnings=(
            *_warnings(metadata, shipment),
            *[text for part in _parts(metadata) for text in warnings_in(part)],
            *([] if charge else [_NO_CHARGE]),
        ),
    )


def parts_of(answer: Response) -> Mapping[str, Any]:
    """Return the parts of an answer by name: text, or the object that JSON has.

    Raises
    ------
    AnswerLost
        It is neither JSON nor a whole multipart body.
    """
    kind = answer.headers.get("content-type", "")
    if not kind.lower().startswith("multipart/"):
        found = answer.json()
        if not isinstance(found, dict):
            raise _unreadable("is not an object")
        return found
    boundary = _BOUNDARY.search(kind)
    if boundary is None:
        raise _unreadable("has no boundary")
    mark = b"--" + boundary[1].strip().encode()
    pieces = answer.content.split(mark)
    if len(pieces) < 3 or not pieces[-1].startswith(b"--"):
        raise _unreadable("ends before its last part")
    found = {}
    for piece in pieces[1:-1]:
        head, _, content = piece.lstrip(b"\r\n").replace(b"\r\n", b"\n").partition(b"\n\n")
        headers = head.decode("latin-1")
        name = _NAME.search(headers.replace("filename", "")) or _FILE.search(headers)
        if name is not None:
            found[_plain_name(name[1])] = content.rstrip(b"\n").decode("utf-8", "replace")
    return found


def _plain_name(name: str) -> str:
    """Return the documented name of a part: older answers write its beginning otherwise."""
    known = {text.lower(): text for text in (_METADATA, _IMAGE)}
    return known.get(name.lower(), name)


def _metadata(parts: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the metadata: next to the image in one JSON, or under a name, there also as text."""
    inside = parts.get(_METADATA, parts)
    if isinstance(inside, str):
        try:
            inside = orjson.loads(inside)
        except orjson.JSONDecodeError:
            raise _unreadable("has metadata that are not JSON") from None
    if not isinstance(inside, dict):
        raise _unreadable("has no metadata")
    return inside


def _image(parts: Mapping[str, Any]) -> bytes | None:
    text = parts.get(_IMAGE)
    if not isinstance(text, str) or not text:
        return None
    try:
        return decoded_base64(text)
    except ValueError:
        return None


_NO_CHARGE: Final = (
    "USPS's answer has a fee or an extra service without its price: the charge is taken from the "
    "quote"
)


def _charged(metadata: Mapping[str, Any]) -> Charge | None:
    """Return what the label costs: postage, fees and extra services (recorded apart).

    None where one of the parts has no price: the rest would be too little.
    """
    if metadata.get("postage") is None:
        raise ValueError("no postage")
    parts = _parts(metadata)
    if any(part.get("price") in (None, "") for part in parts):
        return None
    total = cents(metadata["postage"]) + sum(cents(part["price"]) for part in parts)
    return Charge(cents=total, billed_weight_lb=_weight(metadata))


def _parts(metadata: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [part for name in ("fees", "extraServices") for part in metadata.get(name) or ()]


def _weight(metadata: Mapping[str, Any]) -> float | None:
    value = metadata.get("weight")
    return float(value) if value not in (None, "") else None


def _warnings(metadata: Mapping[str, Any], shipment: Shipment) -> list[str]:
    """Return where USPS changed the address: it corrects city and ZIP by itself."""
    printed, to = metadata.get("labelAddress"), shipment.ship_to
    if not isinstance(printed, dict) or "ZIPCode" not in printed:
        return []
    asked = (_key(to.city), (to.postal_code or "")[:5], state_of(to))
    got = (_key(printed.get("city")), str(printed["ZIPCode"])[:5], str(printed.get("state") or ""))
    if asked == got or asked[1:] == got[1:]:
        return []
    place = f"{printed.get('city')}, {printed.get('state')} {printed['ZIPCode']}"
    return [f"USPS printed another place on the label: {place}"]


def _key(city: str | None) -> str:
    return re.sub(r"[^a-z]", "", (city or "").lower())


def _unreadable(why: str) -> AnswerLost:
    return AnswerLost(
        f"USPS's answer about a label {why}. The label may exist.",
        fix="It is asked for again by its key.",
    )
