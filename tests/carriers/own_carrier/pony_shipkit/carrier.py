"""Requests to Pony Parcels and what its answers mean."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
from pydantic import SecretStr

from pony_shipkit.settings import PonySettings
from shipkit.carriers.http import HttpTransport
from shipkit.carriers.pace import Pacer
from shipkit.carriers.protocol import Capabilities, CarrierIdentity, Pace
from shipkit.carriers.quoting import quote_each
from shipkit.errors import AnswerLost, AuthenticationFailed, CarrierRejected
from shipkit.models import (
    Address,
    Charge,
    Label,
    LabelFormat,
    LabelSpec,
    Purchase,
    Rate,
    Shipment,
)
from shipkit.services import ServiceList


class Pony:
    """A Pony Parcels account."""

    services = ServiceList.from_toml(Path(__file__).with_name("services.toml"))
    capabilities = Capabilities(
        track=True,  # there is a method `track`
        multi_parcel=False,  # one label per request
        recovery="lookup",  # Pony finds labels by our reference
        label_formats=frozenset({LabelFormat.PDF}),
        options=frozenset({"references", "ship_from", "ship_date"}),  # rows with others wait
    )
    resend = "proven"

    def __init__(
        self, own: PonySettings, *, timeout_s: float, proxy: SecretStr | None = None
    ) -> None:
        self.identity = CarrierIdentity("pony", own.env, own.account)
        # Pony answers 429 above 8 requests at a time. It says that a request is worked on for at
        # most two seconds after the connection broke, so that is when a look-up may believe it.
        self.pace = Pace(concurrency=8, timeout_s=timeout_s, processing_s=2.0)
        self.absence_is_proof_after_s = own.absence_proof_s
        self._key = SecretStr(f"Bearer {own.api_key.get_secret_value()}")
        self._http = HttpTransport(
            own.base_url, name="Pony Parcels", timeout_s=timeout_s, proxy=proxy
        )

    # -- prices --------------------------------------------------------------------------------

    async def quote(self, shipment: Shipment, shipper: Address) -> Rate:
        """Return the price of one service."""
        shipment = self.services.settled(shipment)
        wire = self.services.wire(shipment.service)
        [found] = await self._rates(shipment, shipper, wire)
        return found

    async def quote_table(
        self, table: pa.Table, shipper: Address, pacer: Pacer | None = None
    ) -> pa.Table:
        """Price every row, the same question once."""
        return await quote_each(
            self.quote, table, shipper, concurrency=self.pace.concurrency, pacer=pacer
        )

    async def shop(self, shipment: Shipment, shipper: Address) -> list[Rate]:
        """Return the prices of all services, cheapest first."""
        return await self._rates(shipment, shipper, None)

    async def _rates(self, shipment: Shipment, shipper: Address, wire: str | None) -> list[Rate]:
        answer = await self._ask("POST", "/v1/rates", _question(shipment, shipper, service=wire))
        rates = [
            Rate(service=code, cost_cents=each["cents"], transit_days=each["days"])
            for each in answer["rates"]
            if (code := self.services.from_wire(each["service"])) is not None
        ]
        return sorted(rates, key=lambda rate: rate.cost_cents)

    # -- labels --------------------------------------------------------------------------------

    async def ship(
        self, shipment: Shipment, shipper: Address, reference: str, label: LabelSpec
    ) -> Purchase:
        """Buy a label. Pony stores `reference` with it."""
        shipment = self.services.settled(shipment)
        request = _question(
            shipment,
            shipper,
            service=self.services.wire(shipment.service),
            reference=reference,
            format=label.format.value,
        )
        # From here on a repeat may buy a second label. `_ask` raises AnswerLost for everything
        # that is not clearly a refusal, and shipkit looks the reference up before it sends again.
        return self._purchase(await self._ask("POST", "/v1/labels", request))

    async def find(
        self, reference: str, label: LabelSpec, shipment: Shipment | None = None
    ) -> list[Purchase]:
        """Return the labels that carry `reference`."""
        answer = await self._ask("GET", "/v1/labels", params={"reference": reference})
        return [self._purchase(each) for each in answer["labels"]]

    async def void(self, purchase: Purchase) -> None:
        """Void a label. Pony answers 200 for one that is voided already."""
        await self._ask("POST", f"/v1/labels/{purchase.shipment_id}/void")

    async def track(
        self, tracking_numbers: Sequence[str], pacer: Pacer | None = None
    ) -> list[dict[str, Any]]:
        """Return where parcels are."""
        found = []
        for number in tracking_numbers:

            async def ask(number: str = number) -> Any:
                return await self._ask("GET", f"/v1/track/{number}")

            try:
                answer = await (pacer.repeat(ask) if pacer else ask())
            except CarrierRejected as error:
                answer = {"status": "not_found", "problem": error.message}
            found.append({"tracking_number": number, **answer})
        return found

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    def _purchase(self, found: dict[str, Any]) -> Purchase:
        try:
            number = found["tracking"]
            return Purchase(
                shipment_id=found["id"],
                tracking_numbers=(number,),
                service=self.services.from_wire(found["service"]),
                charge=Charge(cents=found["cents"]),
                labels=(
                    Label(
                        tracking_number=number,
                        format=LabelFormat.PDF,
                        data=base64.b64decode(found["pdf"]),
                    ),
                ),
                voided=found["voided"],
            )
        except (KeyError, TypeError, ValueError):
            # It answered 200, so it may have sold something: never "refused", never "not sent".
            raise AnswerLost(
                "Pony Parcels's answer is not a label.", fix="The row is looked up."
            ) from None

    async def _ask(
        self, method: str, path: str, json: Any = None, params: dict[str, str] | None = None
    ) -> Any:
        """Return the body of a good answer; raise what a bad one means.

        `request` already raises NotSent, RateLimited (429) and AnswerLost (5xx, half an answer, no
        answer in time).
        """
        answer = await self._http.request(
            method, path, json=json, params=params, authorization=self._key
        )
        body = answer.json()  # AnswerLost when it is not JSON
        if answer.status == 401:
            raise AuthenticationFailed(
                "Pony Parcels refused the API key.", fix="Check SHIPKIT_PONY_API_KEY."
            )
        if answer.status >= 400:
            raise CarrierRejected(
                f"Pony Parcels refused: {body['message']}",
                fix="Correct the row.",
                carrier_code=body["code"],
                carrier_message=body["message"],
            )
        if answer.status >= 300:
            raise AnswerLost(f"Pony Parcels answered {answer.status}.", fix="It is looked up.")
        return body


def _question(shipment: Shipment, shipper: Address, **more: Any) -> dict[str, Any]:
    [parcel] = shipment.parcels
    origin = shipment.ship_from or shipper  # a row may leave from a place of its own
    return {
        "from": _place(origin),
        "to": _place(shipment.ship_to),
        "weight_lb": parcel.weight_lb,
        "order": shipment.order_id,
        "day": shipment.ship_date.isoformat() if shipment.ship_date else None,
        "references": dict(shipment.references),
        **more,
    }


def _place(address: Address) -> dict[str, Any]:
    return {
        "name": address.recipient,
        "lines": list(address.lines),
        "city": address.city,
        "state": address.state,
        "zip": address.postal_code,
    }
