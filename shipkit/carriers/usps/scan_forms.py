"""SCAN forms: one barcode for all parcels of an origin and a mailing date.

USPS has one request (scan-forms.yaml 3.1.14) and no way to read a form again. A label is on one
form only: asked for again, USPS names the form that the label is on already (160040). So a lost
answer is settled by the same request, and then the number is known and the paper is not.

A form starts the manifest: its labels can no longer be canceled (160174).
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson

from shipkit.carriers.after_purchase import BoughtLabels, MadeManifest
from shipkit.carriers.http import Response
from shipkit.carriers.label_format import format_of
from shipkit.carriers.usps.label_answer import ACCEPT, parts_of
from shipkit.carriers.usps.label_request import domestic_address
from shipkit.carriers.usps.parcel_question import zip5
from shipkit.carriers.usps.usps_client import UspsClient
from shipkit.common.base64_text import decoded_base64
from shipkit.errors import AnswerLost, CarrierRejected, LabelsRefused
from shipkit.models import Address, LabelFormat

__all__ = ["form_request", "made_form", "scan_form"]

_ON_A_FORM: Final = "160040"
_OF_A_LABEL: Final = frozenset(
    {
        "160006",  # another mailing date
        "160039",  # does not exist
        _ON_A_FORM,
        "160160",  # not eligible
        "160161",  # another ZIP
        "160162",  # another facility
        "160163",  # Label Broker
        "160164",  # printed by USPS
        "160166",  # parcel locker
        "160397",  # canceled
        "160398",  # manifested
    }
)
"""Refusals that name labels: the others can be on a form (USPS's list of errors, 2025-10-30)."""
_BARCODE: Final = re.compile(r"barcode\s*[\[<(]?\s*([A-Z0-9]{8,40})", re.IGNORECASE)
_EFN: Final = re.compile(r"\befn\s*[\[<(]?\s*([A-Z0-9]{6,40})", re.IGNORECASE)


_MAY_EXIST: Final = "A form was asked for before, and may exist: its answer was lost."


async def scan_form(
    client: UspsClient,
    shipments: Sequence[BoughtLabels],
    origin: Address,
    day: dt.date,
    *,
    asked_before: bool,
) -> MadeManifest:
    """Ask for one form, or for the number of the one that was asked for before.

    Raises
    ------
    LabelsRefused, CarrierRejected, AnswerLost
        As :meth:`~shipkit.carriers.after_purchase.MakesManifests.manifest` says.
    """
    numbers = [number for each in shipments for number in each.tracking_numbers]
    body = form_request(numbers, origin, day)
    try:
        answer = await client.recorded("POST", "/scan-forms/v3/scan-form", body, accept=ACCEPT)
    except CarrierRejected as refused:
        labels = _named_labels(refused, numbers)
        made = _made_before(refused, labels) if asked_before else None
        if made is not None:
            warning = (
                f"USPS made the form {made} and its answer was lost. USPS does not show a form "
                "again: hand the parcels over without it, and each is scanned by itself."
            )
            # Labels that USPS does not name may be on no form: they are asked for again.
            on_it = tuple(number for number, words in labels.items() if made in words)
            return MadeManifest(made, on_it, warnings=(warning,))
        if labels and asked_before:
            labels = {number: f"{words} {_MAY_EXIST}" for number, words in labels.items()}
        if labels:
            raise LabelsRefused(
                refused.message,
                fix="Leave these labels out.",
                labels=labels,
                carrier_code=refused.carrier_code,
            ) from None
        raise
    return made_form(answer, numbers)


def form_request(numbers: Sequence[str], origin: Address, day: dt.date) -> dict[str, Any]:
    """Return the request for a form of these labels: a letter page as PDF."""
    address = domestic_address(origin, "ship_from")
    return {
        "imageInfo": {"imageType": "PDF", "labelType": "8.5X11LABEL"},
        "mailingDate": day.isoformat(),
        "overwriteMailingDate": False,
        "entryFacilityZIPCode": zip5(origin, "ship_from"),
        # Labels are bought without an entry facility, and all of a form must have the same one.
        "destinationEntryFacilityType": "NONE",
        "shipment": {"trackingNumbers": list(numbers)},
        "fromAddress": {k: v for k, v in address.items() if k not in ("phone", "email")},
    }


def made_form(answer: Response, numbers: Sequence[str]) -> MadeManifest:
    """Return the form of an answer: one JSON object, or parts (the names of which have changed).

    Raises
    ------
    AnswerLost
        It has no number. The form may exist.
    """
    parts = parts_of(answer)
    facts, image = _facts(parts), _image(parts)
    number = facts.get("manifestNumber")
    if not isinstance(number, str) or not number:
        raise AnswerLost(
            "USPS's answer about a SCAN form has no number. The form may exist.",
            fix="Ask for the manifest again: no label is on two forms.",
        )
    listed = facts.get("trackingNumbers")
    # USPS refuses a form with a label that cannot be on it: without a list, all of them are on it.
    on_it = [str(each) for each in listed] if isinstance(listed, list) and listed else numbers
    warnings = () if image is not None else (f"USPS sent no paper of the form {number}.",)
    return MadeManifest(number, tuple(on_it), image, warnings)


def _named_labels(refused: CarrierRejected, numbers: Sequence[str]) -> dict[str, str]:
    """Return the labels that a refusal names, each with USPS's words about it."""
    if refused.carrier_code not in _OF_A_LABEL:
        return {}
    asked, found = set(numbers), {}
    for words in re.split(r"(?=\bbarcode)", refused.carrier_message or "", flags=re.IGNORECASE):
        named = _BARCODE.match(words)
        if named is not None and named[1] in asked:
            found[named[1]] = f"USPS: {words.strip()}"
    return found


def _made_before(refused: CarrierRejected, labels: Mapping[str, str]) -> str | None:
    """Return the number of the form that was asked for before: the one that USPS names."""
    forms = {form for words in labels.values() for form in _EFN.findall(words)}
    only = refused.carrier_code == _ON_A_FORM and len(forms) == 1
    return forms.pop() if only else None


def _facts(parts: Mapping[str, Any]) -> Mapping[str, Any]:
    if "manifestNumber" in parts:
        return parts
    for value in parts.values():
        if isinstance(value, Mapping):
            return value
        if isinstance(value, str) and value.lstrip().startswith("{"):
            try:
                found = orjson.loads(value)
            except orjson.JSONDecodeError:
                continue
            return found if isinstance(found, dict) else {}
    return {}


def _image(parts: Mapping[str, Any]) -> bytes | None:
    """Return the paper, which is base64 whatever its headers say; None where it is not whole."""
    for name, value in parts.items():
        if name.lower() in ("scanformimage", "label") and isinstance(value, str):
            try:
                data = decoded_base64(value)
            except ValueError:
                return None
            return data if format_of(data) is LabelFormat.PDF else None
    return None
