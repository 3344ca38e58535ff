"""The sandbox over HTTP, on the client's side, and the messages of both sides."""

from __future__ import annotations

import base64
import datetime as dt
from collections.abc import Sequence
from typing import Any

import orjson
import pyarrow as pa

from shipkit.carriers.after_purchase import (
    BookedPickup,
    BoughtLabels,
    MadeManifest,
    PickupOffer,
    PickupRequest,
)
from shipkit.carriers.http import HttpTransport, Response
from shipkit.carriers.ratecard import PRICED
from shipkit.carriers.sandbox.driver_forms import labels_refused
from shipkit.errors import AnswerLost, AuthenticationFailed, CarrierError, CarrierRejected
from shipkit.models import Address, Label, LabelSpec, Money, Purchase, Rate, Shipment

__all__ = [
    "Wire",
    "purchase_from_json",
    "purchase_to_json",
    "table_from_bytes",
    "table_to_bytes",
    "wish_from_json",
]


class Wire:
    """What :class:`~shipkit.carriers.sandbox.backend.SandboxBackend` does, over HTTP."""

    def __init__(self, url: str, *, account: str, timeout_s: float) -> None:
        self.http = HttpTransport(
            url, name="the sandbox", headers={"x-sandbox-account": account}, timeout_s=timeout_s
        )

    async def quote(self, shipment: Shipment, shipper: Address) -> Rate:
        """Return the price."""
        return Rate.model_validate(
            _good(await self.http.request("POST", "/quote", content=_question(shipment, shipper)))
        )

    async def quote_table(self, table: pa.Table, shipper: Address) -> pa.Table:
        """Return the quote table of `table`."""
        known = table.select([name for name in PRICED if name in table.column_names])
        headers = {
            "content-type": "application/vnd.apache.arrow.stream",
            "x-sandbox-shipper": base64.b64encode(shipper.model_dump_json().encode()).decode(),
        }
        answer = await self.http.request(
            "POST", "/quotes", content=table_to_bytes(known), headers=headers
        )
        return table_from_bytes(answer.content) if answer.status == 200 else _good(answer)

    async def shop(self, shipment: Shipment, shipper: Address) -> list[Rate]:
        """Return the price by every service."""
        return [
            Rate.model_validate(rate)
            for rate in _good(
                await self.http.request("POST", "/shop", content=_question(shipment, shipper))
            )
        ]

    async def ship(
        self,
        shipment: Shipment,
        shipper: Address,
        reference: str,
        label: LabelSpec,
        account: str,  # noqa: ARG002 - the protocol's parameter
    ) -> Purchase:
        """Buy. Before this line a repeat is free; after it a repeat may buy a second label."""
        answer = await self.http.request(
            "POST",
            "/ship",
            content=_question(
                shipment, shipper, reference=reference, label=label.model_dump(mode="json")
            ),
        )
        return _purchase(_good(answer))

    async def find(self, reference: str, account: str) -> list[Purchase]:  # noqa: ARG002 - the account is a header
        """Return what was bought under `reference`."""
        return [
            _purchase(found)
            for found in _good(
                await self.http.request("GET", "/shipments", params={"reference": reference})
            )
        ]

    async def void(self, shipment_id: str, account: str) -> None:  # noqa: ARG002 - the account is a header
        """Void a shipment."""
        _good(await self.http.request("POST", "/void", json={"shipment_id": shipment_id}))

    async def manifest(
        self,
        shipments: Sequence[BoughtLabels],
        origin: Address,
        day: dt.date,
        account: str,  # noqa: ARG002 - the account is a header
        *,
        asked_before: bool,
    ) -> MadeManifest:
        """Put labels on one form."""
        body = {
            "shipments": [(each.shipment_id, each.tracking_numbers) for each in shipments],
            "origin": origin.model_dump(mode="json", exclude_none=True),
            "day": day.isoformat(),
            "asked_before": asked_before,
        }
        answer = await self.http.request("POST", "/manifest", json=body)
        if answer.status == 400 and isinstance(refused := answer.json().get("labels"), dict):
            raise labels_refused(refused)
        found = _good(answer)
        form = base64.b64decode(found["form"])
        return MadeManifest(found["number"], tuple(found["tracking_numbers"]), form)

    async def pickup(self, request: PickupRequest) -> PickupOffer:
        """Return what a pickup costs."""
        found = _good(await self.http.request("POST", "/pickup/price", json=_wish(request)))
        return PickupOffer(Money.from_cents(found["cents"]))

    async def book_pickup(
        self,
        request: PickupRequest,
        account: str,  # noqa: ARG002 - the account is a header
        *,
        asked_before: bool,
    ) -> BookedPickup:
        """Book a pickup, or return the one that was asked for before."""
        body = {**_wish(request), "asked_before": asked_before}
        found = _good(await self.http.request("POST", "/pickup", json=body))
        return BookedPickup(found["number"], Money.from_cents(found["cents"]))

    async def pickup_status(self, number: str, account: str) -> str:  # noqa: ARG002 - the account is a header
        """Return scheduled or canceled."""
        found = _good(await self.http.request("GET", "/pickup", params={"number": number}))
        return str(found["state"])

    async def cancel_pickup(self, number: str, account: str) -> None:  # noqa: ARG002 - the account is a header
        """Cancel a pickup."""
        _good(await self.http.request("POST", "/pickup/cancel", json={"number": number}))

    async def aclose(self) -> None:
        """Close the connections."""
        await self.http.aclose()


def _wish(request: PickupRequest) -> dict[str, Any]:
    """Return what the sandbox wants to know of a pickup; its price depends on nothing else."""
    return {
        "reference": request.reference,
        "address": request.address.model_dump(mode="json", exclude_none=True),
        "day": request.day.isoformat(),
    }


def wish_from_json(body: dict[str, Any]) -> PickupRequest:
    """Return the pickup of a request's body."""
    return PickupRequest(
        reference=str(body["reference"]),
        address=Address.model_validate(body["address"]),
        own_address=True,
        day=dt.date.fromisoformat(body["day"]),
        ready=dt.time(9),
        close=dt.time(17),
        shipments=(),
    )


def _question(shipment: Shipment, shipper: Address, **more: Any) -> bytes:
    return orjson.dumps(
        {
            "shipment": orjson.Fragment(shipment.model_dump_json(exclude_none=True)),
            "shipper": orjson.Fragment(shipper.model_dump_json(exclude_none=True)),
            **more,
        }
    )


def _good(answer: Response) -> Any:
    """Return the body of a 2xx; raise what another status means."""
    if answer.status == 401:
        raise AuthenticationFailed(
            "The sandbox refused the credentials.", fix="Switch the fault off.", carrier_code="401"
        )
    if 400 <= answer.status < 500:
        raise _rejection(answer)
    body = answer.json()
    if answer.status != 200:
        raise AnswerLost(
            f"The sandbox answered {answer.status}.",
            fix="The row is looked up by its reference.",
            carrier_code=str(answer.status),
        )
    return body


def _rejection(answer: Response) -> CarrierError:
    answered = answer.json()
    body = answered if isinstance(answered, dict) else {}
    message = str(body.get("message") or f"The sandbox answered {answer.status}.")
    return CarrierRejected(
        message,
        fix=body.get("fix"),
        carrier_code=str(body.get("code") or answer.status),
        carrier_message=message,
    )


def _purchase(body: Any) -> Purchase:
    try:
        return purchase_from_json(body)
    except (ValueError, KeyError, TypeError):  # pydantic's errors are ValueErrors
        raise AnswerLost(
            "The sandbox's answer is not a purchase.", fix="The row is looked up by its reference."
        ) from None


def purchase_to_json(purchase: Purchase) -> dict[str, Any]:
    """Return `purchase` as JSON values, labels in base64."""
    plain = purchase.model_dump(mode="json", exclude={"labels"})
    labels = [
        {
            "tracking_number": x.tracking_number,
            "format": x.format.value,
            "kind": x.kind,
            "data": base64.b64encode(x.data).decode(),
        }
        for x in purchase.labels
    ]
    return {**plain, "labels": labels}


def purchase_from_json(body: dict[str, Any]) -> Purchase:
    """Return the purchase of :func:`purchase_to_json`."""
    labels = tuple(
        Label(**{**label, "data": base64.b64decode(label["data"])}) for label in body["labels"]
    )
    return Purchase.model_validate({**body, "labels": labels})


def table_to_bytes(table: pa.Table) -> bytes:
    """Return `table` as an Arrow stream."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


def table_from_bytes(raw: bytes) -> pa.Table:
    """Return the table of an Arrow stream. Raises AnswerLost when it is none."""
    try:
        return pa.ipc.open_stream(raw).read_all()
    except pa.ArrowInvalid:
        raise AnswerLost(
            "The sandbox's answer is not a table.", fix="Ask again; quoting is free."
        ) from None
