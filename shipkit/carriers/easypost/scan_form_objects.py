"""EasyPost's ScanForm objects: made of bought shipments, and found again by their tracking codes.

What is relied on (docs.easypost.com, ScanForm; 28 recorded exchanges): all shipments have one
origin and one carrier account, none is refunded, a shipment is on one form only, and a form is
listed by ``GET /scan_forms``. A form that is `creating` has no tracking codes yet.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

from shipkit.carriers.after_purchase import BoughtLabels, MadeManifest
from shipkit.carriers.easypost.easypost_client import EasyPostClient
from shipkit.carriers.easypost.shipment_answer import bought_parts
from shipkit.errors import AnswerLost, CarrierRejected

__all__ = ["made_form", "scan_form", "shipment_ids"]

_PAGE: Final = 100
_PAGES: Final = 5
"""How far back a form is looked for. One that is older than 500 others is refused a second time."""
_PAUSES_S: Final = (0.2, 0.5, 1.0, 2.0, 4.0, 8.0)
"""Between the looks at a form that is being made."""
_AGAIN: Final = "Ask for the manifest again: no label is on two forms."


async def scan_form(
    client: EasyPostClient,
    file: Callable[[str], Awaitable[bytes | None]],
    shipments: Sequence[BoughtLabels],
    *,
    asked_before: bool,
) -> MadeManifest:
    """Make one form, or return the one that was asked for before.

    Parameters
    ----------
    file
        Fetches the paper.

    Raises
    ------
    CarrierRejected
        EasyPost made none.
    AnswerLost
        There may be one.
    """
    numbers = {number for each in shipments for number in each.tracking_numbers}
    found = await _listed(client, numbers) if asked_before else None
    if found is None:
        parts = [part for each in shipments for part in await shipment_ids(client, each)]
        found = await _asked(client, parts, numbers, asked_before=asked_before)
    found = await _finished(client, found)
    number, codes, url, problem = made_form(found)
    if problem is not None:
        raise CarrierRejected(
            f"EasyPost made no scan form: {problem}",
            fix="Ask again; of several carriers or origins, each needs a form of its own.",
            carrier_code=number,
        )
    form = None if url is None else await file(url)
    warnings = () if form is not None else (f"the paper of {number} did not come",)
    return MadeManifest(number, codes, form, warnings)


async def _asked(
    client: EasyPostClient, parts: Sequence[str], numbers: set[str], *, asked_before: bool
) -> Any:
    """Ask for a form of these shipments.

    An answer that does not say clearly that none was made is a lost one: the next request looks at
    the list of forms first. Where that shows none a second time, EasyPost's words are a refusal.
    """
    body = {"shipments": [{"id": part} for part in parts]}
    try:
        return await client.buy("/scan_forms", body, done="made a form")
    except AnswerLost as lost:
        if not asked_before or lost.carrier_message is None:
            raise
        found = await _listed(client, numbers)
        if found is not None:
            return found
        raise CarrierRejected(
            f"EasyPost made no scan form: {lost.carrier_message}",
            fix="Hand the parcels over without it: each is scanned by itself.",
            carrier_code=lost.carrier_code,
        ) from None


def made_form(answer: Mapping[str, Any]) -> tuple[str, tuple[str, ...], str | None, str | None]:
    """Return number, tracking codes, address of the paper, and why the form failed (or None).

    Raises
    ------
    AnswerLost
        It is not a form, or it is not finished.
    """
    number, status = answer.get("id"), answer.get("status")
    if not isinstance(number, str) or not number:
        raise AnswerLost("EasyPost's answer is not a scan form. One may exist.", fix=_AGAIN)
    if status == "failed":
        return number, (), None, str(answer.get("message") or "no reason given.")
    if status != "created":
        raise AnswerLost(f"EasyPost is still making the scan form {number}.", fix=_AGAIN)
    url = answer.get("form_url")
    codes = tuple(str(code) for code in answer.get("tracking_codes") or ())
    return number, codes, url if isinstance(url, str) and url else None, None


async def shipment_ids(client: EasyPostClient, labels: BoughtLabels) -> list[str]:
    """Return the ids of labels that were bought as a shipment or an order of several parcels.

    Other labels of the order may be refunded: EasyPost puts none of those on a form.

    Raises
    ------
    CarrierRejected
        The order does not show one of the labels.
    """
    number = labels.shipment_id
    if not number.startswith("order_"):
        return [number]
    parts = bought_parts(await client.get(f"/orders/{number}"))
    ids = {str(part.get("tracking_code")): str(part["id"]) for part in parts}
    missing = [code for code in labels.tracking_numbers if code not in ids]
    if missing:
        raise CarrierRejected(
            f"EasyPost does not show {', '.join(missing)} in {number}.",
            fix="Look at the order in your EasyPost account.",
        )
    return [ids[code] for code in labels.tracking_numbers]


async def _finished(client: EasyPostClient, answer: Any) -> Mapping[str, Any]:
    """Return the form when it is made or has failed, or as it is after a while."""
    for pause in _PAUSES_S:
        if not isinstance(answer, dict) or answer.get("status") != "creating":
            break
        await asyncio.sleep(pause)
        answer = await client.get(f"/scan_forms/{answer.get('id')}")
    return answer if isinstance(answer, dict) else {}


async def _listed(client: EasyPostClient, numbers: set[str]) -> Mapping[str, Any] | None:
    """Return the newest form with any of these labels that did not fail, None when none has one.

    Raises
    ------
    AnswerLost
        A form is being made, and EasyPost does not say of which labels, or the answer has no list.
    """
    query: dict[str, str] = {"page_size": str(_PAGE)}
    for _ in range(_PAGES):
        answer = await client.get("/scan_forms", query)
        listed = answer.get("scan_forms")
        if not isinstance(listed, list):
            raise AnswerLost("EasyPost's answer has no list of scan forms.", fix=_AGAIN)
        forms = [form for form in listed if isinstance(form, dict)]
        for form in forms:
            if form.get("status") == "creating" and not form.get("tracking_codes"):
                raise AnswerLost("EasyPost is still making a scan form.", fix=_AGAIN)
            if form.get("status") != "failed" and numbers & set(form.get("tracking_codes") or ()):
                return form
        if not forms or not answer.get("has_more"):
            return None
        query["before_id"] = str(forms[-1].get("id"))
    return None
