"""A UPS server on loopback for tests: real HTTP, UPS's own OpenAPI as the judge, UPS's rules beyond
it, and faults on demand.

It shares no module with shipkit: what it believes about UPS comes from the specs and the recorded
answers. A request that breaks a rule is answered as UPS would (400 and a code) and noted in
`objections`, so that a test can demand that there were none.

Faults, by call ("ship", "rate", "recovery", "void", "track", "track_reference", "track_shipment",
"address", "transit", "token"): see `FAULTS`.

    server = UpsServer(contract).start()
    server.fault("ship", "reset_after", times=1)
    ...
    server.stop()

As a process of its own (crash tests, benchmarks): ``python server.py --port 8123 [--latency 0.1]
[--specs DIR]``.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import dataclasses
import datetime as dt
import functools
import importlib.util
import io
import json
import pathlib
import re
import socket
import sys
import threading
import time
from collections import Counter
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import web

ACCOUNT, CLIENT_ID, CLIENT_SECRET = "A1B2C3", "client-of-the-tests", "s3cret-of-the-tests"

FAULTS = {
    "reset_before": "the connection is reset, nothing was done",
    "reset_after": "the connection is reset after the work was done",
    "503_before": "503 10004, nothing was done",
    "503_after": "503 10004 after the work was done: UPS's UnexpectedEOFAtTarget",
    "500_html": "500 with a page for people, nothing was done",
    "502_after": "502 without a body after the work was done",
    "hang": "no answer at all; nothing was done",
    "hang_after": "no answer at all after the work was done",
    "late": "the answer comes after `late_s`, the work was done at once",
    "late_work": "no answer; the work is done after `late_s`, or when `work_may_go_on` is set",
    "half": "the work was done, half the answer is sent, then the connection ends",
    "garbled": "the work was done, the body is not JSON",
    "hollow": "the work was done, the body is JSON without a result",
    "empty": "200 without a body and with apierrorcode, nothing was done",
    "silent": "200 without a body and without a header, the work was done",
    "429": "429 10429, nothing was done",
    "429_retry": "429 with Retry-After: 1, nothing was done",
    "401": "401 250002, nothing was done",
    "403": "403, nothing was done",
    "refused": "400 110920, a refusal of the row; nothing was done",
    "20001": "400 20001 (a temporary failure), the work was done",
}

_INVALID = "The request is not valid. Review for errors before re-submitting."


@dataclasses.dataclass
class Shipped:
    """One shipment in the books."""

    number: str
    parcels: list[str]
    reference: str
    references: list[str]
    service: str
    zip_code: str
    country: str
    label: str
    made_at: float
    voided: bool = False
    forms: bool = False


class UpsServer:
    """The server. `contract` None skips the OpenAPI check (benchmarks)."""

    def __init__(self, contract: Any = None, *, latency_s: float = 0.0) -> None:
        self.contract = contract
        self.latency_s = latency_s
        self.late_s = 0.5
        self.work_may_go_on: threading.Event | None = None
        self.settle_s = 0.0
        self.token_s = 14399.0
        self.quirks = False
        self.negotiated = True
        self.test_host = False
        self.voidable = True
        self.saver_days = True
        """Ground Saver is rated with transit times: no recorded answer shows whether it is."""
        self.lone_labels = False
        """Label recovery answers with one parcel only: nobody knows what UPS does for the others.
        """
        self.base_cents, self.pound_cents = 900, 45
        """What Ground costs without its surcharges: once, and a pound."""
        self.pickups: dict[str, Any] = {}
        """Number -> the request that booked it."""
        self.pickup_price: str | None = "5.90"
        """The account's own price of a pickup, None: the list price of 7.35."""
        self.calls: Counter[str] = Counter()
        self.seen: list[tuple[str, str, dict[str, str], Any]] = []
        self.objections: list[str] = []
        self.shipments: list[Shipped] = []
        self.keep_seen = True
        self.storm_until = 0.0
        self._faults: dict[str, list[tuple[str, int, int, int]]] = {}
        self._tokens: dict[str, float] = {}
        self._hung: list[asyncio.Task[Any]] = []
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self.port = 0

    # -- life ----------------------------------------------------------------
    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self, port: int = 0) -> UpsServer:
        ready = threading.Event()
        self._thread = threading.Thread(target=self._serve, args=(port, ready), daemon=True)
        self._thread.start()
        assert ready.wait(10), "the server did not start"
        return self

    def stop(self) -> None:
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._stopping.set)
        if self._thread is not None:
            self._thread.join(10)

    def fault(self, call: str, kind: str, *, times: int = 1, skip: int = 0, every: int = 1) -> None:
        """Let the next `times` calls fail, after `skip` good ones; of those, one in `every`."""
        assert kind in FAULTS, kind
        self._faults.setdefault(call, []).append((kind, times, skip, every))

    def storm(self, seconds: float) -> None:
        """Answer 429 to every purchase for a while."""
        self.storm_until = time.monotonic() + seconds

    def revoke_tokens(self) -> None:
        self._tokens.clear()

    @property
    def alive(self) -> list[Shipped]:
        return [s for s in self.shipments if not s.voided]

    def _serve(self, port: int, ready: threading.Event) -> None:
        asyncio.run(self._main(port, ready))

    async def _main(self, port: int, ready: threading.Event) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        runner = web.AppRunner(self._app(), access_log=None, shutdown_timeout=0.2)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", port, backlog=1024)
        await site.start()
        self.port = site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
        ready.set()
        await self._stopping.wait()
        for task in self._hung:
            task.cancel()
        await runner.cleanup()

    def _app(self) -> web.Application:
        app = web.Application(client_max_size=2**24)
        routes = [
            ("POST", "/security/v1/oauth/token", "token", self._token),
            ("POST", "/api/rating/{version}/{option}", "rate", self._rate),
            ("POST", "/api/shipments/{version}/ship", "ship", self._ship),
            ("DELETE", "/api/shipments/{version}/void/cancel/{number}", "void", self._void),
            ("POST", "/api/labels/{version}/recovery", "recovery", self._recovery),
            ("GET", "/api/track/v1/details/{number}", "track", self._track),
            (
                "GET",
                "/api/track/v1/reference/details/{reference}",
                "track_reference",
                self._track_reference,
            ),
            (
                "GET",
                "/api/track/v1/shipment/details/{number}",
                "track_shipment",
                self._track_shipment,
            ),
            ("POST", "/api/addressvalidation/{version}/{option}", "address", self._address),
            ("POST", "/api/shipments/{version}/transittimes", "transit", self._transit),
            ("POST", "/api/landedcost/{version}/quotes", "landed_cost", self._landed_cost),
            ("POST", "/api/shipments/{version}/pickup/{kind}", "pickup_rate", self._pickup_rate),
            ("GET", "/api/shipments/{version}/pickup/{kind}", "pickup_list", self._pickup_list),
            (
                "DELETE",
                "/api/shipments/{version}/pickup/{by}",
                "pickup_cancel",
                self._pickup_cancel,
            ),
            ("POST", "/api/pickupcreation/{version}/pickup", "pickup", self._pickup),
        ]
        for method, path, call, work in routes:
            app.router.add_route(method, path, self._handler(call, work))
        app.router.add_get("/_books", self._books)
        app.router.add_post("/_fault", self._set_fault)
        app.router.add_post("/_revoke", self._revoke)
        return app

    # -- every request -------------------------------------------------------
    def _handler(self, call: str, work: Any) -> Any:
        async def handle(request: web.Request) -> web.StreamResponse:
            self.calls[call] += 1
            raw = await request.read()
            body, refusal = self._judge(call, request, raw)
            fault = self._next_fault(call)
            if self.latency_s:
                await asyncio.sleep(self.latency_s)
            if fault is None:
                return self._send(refusal or work(request, body))
            return await self._failing(fault, request, body, refusal, work)

        return handle

    def _judge(
        self, call: str, request: web.Request, raw: bytes
    ) -> tuple[Any, tuple[int, Any] | None]:
        """Parse and check a request; the second value is the refusal."""
        if call == "token":
            return raw, None
        if not self._signed_in(request):
            return None, _error(401, "250002", "Invalid Authentication Information.")
        body = None
        if raw:
            try:
                body = json.loads(raw)
            except ValueError:
                self.objections.append(f"{call}: the body is not JSON")
                return None, _error(400, "10001", "The JSON document is not well formed")
        if self.keep_seen:
            self.seen.append(
                (
                    request.method,
                    request.path_qs,
                    {
                        k.lower(): v
                        for k, v in request.headers.items()
                        if k.lower() != "authorization"
                    },
                    body,
                )
            )
        if len(request.headers.get("transId", "")) != 32:
            self.objections.append(
                f"{call}: transId has {len(request.headers.get('transId', ''))} characters, not 32"
            )
        if self.contract is not None:
            for problem in self.contract.request(
                request.method, request.path_qs, body, headers=dict(request.headers), mode="closed"
            ):
                self.objections.append(str(problem))
                return body, _error(
                    400,
                    "10002",
                    f"The JSON document is well formed but not valid: {problem.pointer}",
                )
        return body, None

    def _signed_in(self, request: web.Request) -> bool:
        kind, _, value = request.headers.get("Authorization", "").partition(" ")
        return kind == "Bearer" and self._tokens.get(value, 0) > time.monotonic()

    def _next_fault(self, call: str) -> str | None:
        if call == "ship" and time.monotonic() < self.storm_until:
            return "429"
        queue = self._faults.get(call, [])
        for i, (kind, times, skip, every) in enumerate(queue):
            if skip > 0:
                queue[i] = (kind, times, skip - 1, every)
                if every == 1:
                    return None
                continue
            if times > 1:
                queue[i] = (kind, times - 1, every - 1, every)
            else:
                queue.pop(i)
            return kind
        return None

    async def _failing(
        self, fault: str, request: web.Request, body: Any, refusal: Any, work: Any
    ) -> web.StreamResponse:
        def done() -> tuple[int, Any]:
            return refusal or work(request, body)

        match fault:
            case "reset_before":
                return self._reset(request)
            case "reset_after":
                done()
                return self._reset(request)
            case "503_before" | "503_after":
                if fault == "503_after":
                    done()
                return self._send(
                    _error(503, "10004", "The service is temporarily unavailable"),
                    {"errorcode": "500", "errordescription": "UnexpectedEOFAtTarget"},
                )
            case "500_html":
                return web.Response(
                    status=500,
                    text="<html><body>Internal Server Error</body></html>",
                    content_type="text/html",
                )
            case "502_after":
                done()
                return web.Response(status=502)
            case "hang" | "hang_after":
                if fault == "hang_after":
                    done()
                return await self._hang()
            case "late":
                answer = done()
                await asyncio.sleep(self.late_s)
                return self._send(answer)
            case "late_work":
                self._hung.append(asyncio.create_task(self._later(done)))
                return await self._hang()
            case "half":
                return await self._half(request, done())
            case "garbled":
                done()
                return web.Response(
                    body=b'{"ShipmentResponse":{"Response":{"Respo', content_type="application/json"
                )
            case "hollow":
                done()
                return web.json_response(
                    {
                        "ShipmentResponse": {
                            "Response": {"ResponseStatus": {"Code": "1", "Description": "Success"}}
                        }
                    }
                )
            case "empty":
                return web.Response(
                    status=200,
                    headers={
                        "apierrorcode": "1",
                        "apierrormsg": _INVALID,
                    },
                )
            case "silent":
                done()
                return web.Response(status=200)
            case "429" | "429_retry":
                headers = {"Retry-After": "1"} if fault == "429_retry" else {}
                return web.json_response(
                    {"response": {"errors": [{"code": "10429", "message": "Too Many Requests"}]}},
                    status=429,
                    headers=headers,
                )
            case "401":
                return self._send(_error(401, "250002", "Invalid Authentication Information."))
            case "403":
                return self._send(_error(403, "250053", "Authorization failed"))
            case "refused":
                return self._send(
                    _error(400, "110920", "The package exceeds the size of its rate.")
                )
            case "20001":
                done()
                return self._send(_error(400, "20001", "Temporary failure"))
        raise AssertionError(fault)

    async def _later(self, done: Any) -> None:
        if self.work_may_go_on is None:
            await asyncio.sleep(self.late_s)
        else:
            while not self.work_may_go_on.is_set():  # noqa: ASYNC110 - set by another thread
                await asyncio.sleep(0.01)
        done()

    async def _hang(self) -> web.StreamResponse:
        await asyncio.sleep(3600)
        raise AssertionError("a hanging answer was awaited for an hour")

    def _reset(self, request: web.Request) -> web.StreamResponse:
        """RST, not FIN: the client sees "connection reset by peer"."""
        transport = request.transport
        if transport is None:  # the client is gone already
            return web.Response()
        sock = transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        transport.abort()
        return web.Response()

    async def _half(self, request: web.Request, answer: tuple[int, Any]) -> web.StreamResponse:
        text = json.dumps(answer[1]).encode()
        response = web.StreamResponse(
            status=answer[0],
            headers={"Content-Length": str(len(text)), "Content-Type": "application/json"},
        )
        await response.prepare(request)
        await response.write(text[: len(text) // 2])
        if request.transport is not None:
            request.transport.abort()
        return response

    def _send(
        self, answer: tuple[int, Any], headers: dict[str, str] | None = None
    ) -> web.StreamResponse:
        status, body = answer
        extra = {"bkndtransid": "loopback0000000000000000", **(headers or {})}
        if body is None:
            return web.Response(
                status=status,
                headers={
                    **extra,
                    "apierrorcode": "1",
                    "apierrormsg": _INVALID,
                },
            )
        if status >= 400 and not headers:
            error = body["response"]["errors"][0]
            extra |= {
                "apierrorcode": error["code"],
                "apierrormsg": error["message"],
                "errorcode": error["code"],
            }
        if self.quirks:
            body = _quirky(body)
        return web.json_response(body, status=status, headers=extra)

    # -- calls ----------------------------------------------------------------
    def _token(self, request: web.Request, raw: bytes) -> tuple[int, Any]:
        wanted = "Basic " + base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
        if request.headers.get("Authorization") != wanted:
            return _error(401, "10401", "ClientId is Invalid")
        if dict(parse_qsl(raw.decode())).get("grant_type") != "client_credentials":
            self.objections.append("token: the grant type is not client_credentials")
            return _error(400, "10400", "Invalid/Missing Authorization Header")
        token = f"token-{len(self._tokens)}-{time.monotonic_ns()}"
        self._tokens[token] = time.monotonic() + self.token_s
        return 200, {
            "token_type": "Bearer",
            "issued_at": str(int(time.time() * 1000)),
            "client_id": CLIENT_ID,
            "access_token": token,
            "expires_in": f"{self.token_s:g}",
            "status": "approved",
        }

    def _rate(self, request: web.Request, body: Any) -> tuple[int, Any]:
        option = request.match_info["option"]
        shipment = body["RateRequest"]["Shipment"]
        refusal = self._refuse("rate", body) or _lane(shipment, shop=option.startswith("Shop"))
        if refusal:
            return self._no(refusal)
        code = shipment.get("Service", {}).get("Code")
        if not self.saver_days and code in {"92", "93"} and option.endswith("timeintransit"):
            return _error(400, "111100", "Time in transit is not available for this service")
        if option not in {"Rate", "Shop", "Ratetimeintransit", "Shoptimeintransit"}:
            return self._no(("111100", f"unknown request option {option}"))
        timed = option.endswith("timeintransit")
        if timed and (
            "ShipmentTotalWeight" not in shipment or "DeliveryTimeInformation" not in shipment
        ):
            return self._no(("111549", "Shipment total weight is required"))
        if (
            timed
            and _countries(shipment)[0] != _countries(shipment)[1]
            and "InvoiceLineTotal" not in shipment
        ):
            return self._no(("111547", "Invoice line total is required"))
        if option.startswith("Shop"):
            domestic = {"US", "PR"} >= set(_countries(shipment))
            codes = (
                ["03", "12", "02", "59", "13", "01", "14"]
                if domestic
                else ["11", "08", "65", "07", "54", "96"]
            )
        else:
            codes = [shipment["Service"]["Code"]]
        alerts = [
            {
                "Code": "110971",
                "Description": "Your invoice may vary from the displayed reference rates",
            }
        ]
        if not self.negotiated:
            alerts.append(
                {
                    "Code": "120900",
                    "Description": (
                        "User Id and Shipper Number combination is not qualified to receive "
                        "negotiated rates"
                    ),
                }
            )
        rated = [self._rated(shipment, code, timed=timed) for code in codes]
        return 200, {
            "RateResponse": {
                "Response": {
                    "ResponseStatus": {"Code": "1", "Description": "Success"},
                    "Alert": alerts,
                    "TransactionReference": "",
                },
                "RatedShipment": rated,
            }
        }

    def _price(
        self, package: dict[str, Any], code: str, shipment: dict[str, Any]
    ) -> dict[str, int]:
        base = (
            self.base_cents
            + int(_billed(package)) * self.pound_cents
            + {"01": 5200, "13": 4700, "14": 9900, "02": 2400, "59": 2900, "12": 1500}.get(code, 0)
            - {"92": 250, "93": 150}.get(code, 0)
        )
        area = 430 if shipment["ShipTo"]["Address"].get("PostalCode", "").endswith("9") else 0
        return {"base": base, "area": area, "fuel": (base + area) * 15 // 100}

    def _rated(self, shipment: dict[str, Any], code: str, *, timed: bool) -> dict[str, Any]:
        parts = [self._price(p, code, shipment) for p in shipment["Package"]]
        residential = (
            565 * len(parts)
            if "ResidentialAddressIndicator" in shipment["ShipTo"]["Address"]
            else 0
        )
        published = sum(sum(p.values()) for p in parts) + residential
        found: dict[str, Any] = {
            "Service": {"Code": code, "Description": ""},
            "Zone": "204",
            "RatedShipmentAlert": [
                {
                    "Code": "110971",
                    "Description": "Your invoice may vary from the displayed reference rates",
                }
            ],
            "BillingWeight": {
                "UnitOfMeasurement": {"Code": "LBS", "Description": "Pounds"},
                "Weight": f"{sum(_billed(p) for p in shipment['Package']):.1f}",
            },
            "TransportationCharges": _usd(published),
            "BaseServiceCharge": _usd(0),
            "ServiceOptionsCharges": _usd(0),
            "TotalCharges": _usd(published),
            "RatedPackage": [
                {
                    "BaseServiceCharge": _usd(p["base"]),
                    "TransportationCharges": _usd(sum(p.values())),
                    "ServiceOptionsCharges": _usd(0),
                    "TotalCharges": _usd(sum(p.values())),
                    "Weight": package["PackageWeight"]["Weight"],
                    "BillingWeight": {
                        "UnitOfMeasurement": {"Code": "LBS", "Description": "Pounds"},
                        "Weight": f"{_billed(package):.1f}",
                    },
                    "ItemizedCharges": _itemised(p, 10),
                    **(
                        {
                            "NegotiatedCharges": {
                                "BaseServiceCharge": _usd(p["base"] * 8 // 10),
                                "ItemizedCharges": _itemised(p, 10),
                            }
                        }
                        if self.negotiated
                        else {}
                    ),
                }
                for p, package in zip(parts, shipment["Package"], strict=True)
            ],
        }
        if residential:
            found["ItemizedCharges"] = [
                {"Code": "270", "CurrencyCode": "USD", "MonetaryValue": f"{residential / 100:.2f}"}
            ]
        if self.negotiated:
            mine = published - sum(p["base"] - p["base"] * 8 // 10 for p in parts)
            found["NegotiatedRateCharges"] = {
                "TotalCharge": _usd(mine),
                "ItemizedCharges": found.get("ItemizedCharges", []),
            }
        if timed:
            pickup = shipment["DeliveryTimeInformation"]["Pickup"]["Date"]
            days = {"01": 1, "13": 1, "14": 1, "02": 2, "59": 2, "12": 3}.get(code, 4)
            found["TimeInTransit"] = {
                "PickupDate": pickup,
                "PackageBillType": "03",
                "Disclaimer": ["Services listed as guaranteed are backed by a guarantee."],
                "ServiceSummary": {
                    "Service": {"Description": "A service"},
                    "SaturdayDelivery": "0",
                    "EstimatedArrival": {
                        "Arrival": {"Date": str(int(pickup) + days), "Time": "230000"},
                        "BusinessDaysInTransit": str(days),
                        "Pickup": {"Date": pickup, "Time": "170000"},
                        "DayOfWeek": "FRI",
                    },
                },
            }
        country = shipment["Shipper"]["Address"]["CountryCode"]
        if "TaxInformationIndicator" in shipment:
            _add_taxes(found, shipment, country)
        return _in_currency(found, _CURRENCIES.get(country, "USD"))

    def _ship(self, request: web.Request, body: Any) -> tuple[int, Any]:
        shipment = body["ShipmentRequest"]["Shipment"]
        refusal = (
            self._refuse("ship", body)
            or _own_country(shipment)
            or _lane(shipment)
            or _shipping_rules(shipment, body["ShipmentRequest"].get("LabelSpecification", {}))
        )
        if refusal == EMPTY:
            self.objections.append("ship: a control character")
            return 200, None
        if refusal:
            return self._no(refusal)
        return 200, self._bought(shipment, body)

    def _bought(self, shipment: dict[str, Any], body: Any) -> dict[str, Any]:
        label = body["ShipmentRequest"]["LabelSpecification"]["LabelImageFormat"]["Code"]
        count = len(self.shipments)
        parcels = [f"1Z{ACCOUNT}03{count:06d}{i:02d}"[:18] for i in range(len(shipment["Package"]))]
        references = [
            r["Value"]
            for holder in (shipment, *shipment["Package"])
            for r in holder.get("ReferenceNumber", [])
        ]
        forms = "InternationalForms" in shipment.get("ShipmentServiceOptions", {})
        address = shipment["ShipTo"]["Address"]
        new = Shipped(
            parcels[0],
            parcels,
            references[0] if references else "",
            references,
            shipment["Service"]["Code"],
            address.get("PostalCode", ""),
            address["CountryCode"],
            label,
            time.monotonic(),
            forms=forms,
        )
        self.shipments.append(new)
        rated = self._rated({**shipment, "Package": shipment["Package"]}, new.service, timed=False)
        abroad = _countries(shipment)[0] != _countries(shipment)[1]
        results: dict[str, Any] = {
            "ShipmentCharges": {
                **{
                    k: rated[k]
                    for k in (
                        "TransportationCharges",
                        "ServiceOptionsCharges",
                        "TotalCharges",
                        "TaxCharges",
                        "TotalChargesWithTaxes",
                    )
                    if k in rated
                },
                **(
                    {"ItemizedCharges": rated["ItemizedCharges"]}
                    if "ItemizedCharges" in rated
                    else {}
                ),
            },
            "BillingWeight": rated["BillingWeight"],
            "ShipmentIdentificationNumber": new.number,
            "PackageResults": [
                {
                    "TrackingNumber": number,
                    "BaseServiceCharge": p["BaseServiceCharge"],
                    "ServiceOptionsCharges": p["ServiceOptionsCharges"],
                    "ItemizedCharges": p["ItemizedCharges"],
                    "ShippingLabel": _label(
                        label, number, signature=abroad and i == 0 and label == "ZPL"
                    ),
                }
                for i, (number, p) in enumerate(zip(parcels, rated["RatedPackage"], strict=True))
            ],
        }
        if self.negotiated:
            results["NegotiatedRateCharges"] = {
                key: rated["NegotiatedRateCharges"][key]
                for key in ("TotalCharge", "TaxCharges", "TotalChargesWithTaxes")
                if key in rated["NegotiatedRateCharges"]
            }
        if forms:
            results["Form"] = {
                "Code": "01",
                "Description": "All Requested International Forms",
                "Image": {
                    "ImageFormat": {"Code": "PDF", "Description": "PDF"},
                    "GraphicImage": base64.b64encode(b"%PDF-1.4\n% an invoice\n%%EOF\n").decode(),
                },
            }
        context = body["ShipmentRequest"]["Request"].get("TransactionReference", "")
        return {
            "ShipmentResponse": {
                "Response": {
                    "ResponseStatus": {"Code": "1", "Description": "Success"},
                    "Alert": [],
                    "TransactionReference": context,
                },
                "ShipmentResults": results,
            }
        }

    def _void(self, request: web.Request, body: Any) -> tuple[int, Any]:
        number = request.match_info["number"]
        found = next((s for s in self.shipments if s.number == number), None)
        if not re.fullmatch(r"1Z[0-9A-Z]{16}", number):
            return self._no(("190100", "Invalid shipment identification number"))
        if found is None or not self.voidable:
            return _error(400, "190102", "No shipment found within the allowed void period")
        if found.voided:
            return _error(
                400,
                "190117",
                "The Pickup Request associated with this shipment has already been completed",
            )
        found.voided = True
        status = {"Code": "1", "Description": "Success"}
        return 200, {
            "VoidShipmentResponse": {
                "Response": {"ResponseStatus": status, "TransactionReference": ""},
                "SummaryResult": {"Status": {"Code": "1", "Description": "Voided"}},
            }
        }

    def _recovery(self, request: web.Request, body: Any) -> tuple[int, Any]:
        wanted = body["LabelRecoveryRequest"]
        if "TrackingNumber" in wanted:
            found = [s for s in self.shipments if wanted["TrackingNumber"] in s.parcels]
        else:
            values = wanted.get("ReferenceValues", {})
            if values.get("ShipperNumber") != ACCOUNT:
                return self._no(("300005", "Missing or invalid shipper number"))
            found = [
                s for s in self.shipments if values["ReferenceNumber"]["Value"] in s.references
            ]
        label = wanted.get("LabelSpecification", {}).get("LabelImageFormat", {}).get("Code", "GIF")
        alive = [s for s in found if not s.voided]
        if not found:
            return _error(400, "300007", "No shipment found")
        if not alive:
            return _error(400, "300033", "The shipment was voided")
        if any(time.monotonic() - s.made_at < self.settle_s for s in alive):
            return _error(400, "300034", "The shipment is not processed yet")
        answer: dict[str, Any] = {
            "Response": {
                "ResponseStatus": {"Code": "1", "Description": "Success"},
                "TransactionReference": "",
            }
        }
        if len(alive) > 1:
            answer |= {
                "LabelResults": [],
                "TrackingCandidate": [
                    {"TrackingNumber": s.number, "DestinationPostalCode": s.zip_code} for s in alive
                ],
            }
            return 200, {"LabelRecoveryResponse": answer}
        [one] = alive
        results = []
        wanted_parcels = (
            [wanted["TrackingNumber"]]
            if self.lone_labels and "TrackingNumber" in wanted
            else one.parcels[:1]
            if self.lone_labels
            else one.parcels
        )
        for number in wanted_parcels:
            drawn = _label(label, number)
            results.append(
                {
                    "TrackingNumber": number,
                    "LabelImage": {
                        "LabelImageFormat": {"Code": label},
                        "GraphicImage": drawn["GraphicImage"],
                    },
                    "Receipt": "",
                }
            )
        return 200, {
            "LabelRecoveryResponse": {
                **answer,
                "ShipmentIdentificationNumber": one.number,
                "LabelResults": results,
            }
        }

    def _track(self, request: web.Request, body: Any) -> tuple[int, Any]:
        number = request.match_info["number"]
        if not 7 <= len(number) <= 34:
            return self._no(("TV1002", "Invalid inquiry number"))
        return 200, self._tracked(
            [(s, p) for s in self.shipments for p in s.parcels if p == number], number
        )

    def _track_shipment(self, request: web.Request, body: Any) -> tuple[int, Any]:
        number = request.match_info["number"]
        found = [s for s in self.shipments if number in s.parcels]
        return 200, self._tracked([(s, p) for s in found for p in s.parcels], number)

    def _track_reference(self, request: web.Request, body: Any) -> tuple[int, Any]:
        reference = request.match_info["reference"]
        if request.query.get("shipperNum") != ACCOUNT:
            return self._no(("151085", "Multiple shipper numbers found"))
        hits = [
            (s, s.parcels[0])
            for s in self.shipments
            if reference in s.references and time.monotonic() - s.made_at >= self.settle_s
        ]
        return 200, self._tracked(hits, reference)

    def _tracked(self, hits: list[tuple[Shipped, str]], asked: str) -> dict[str, Any]:
        if not hits:
            return {
                "trackResponse": {
                    "shipment": [
                        {
                            "inquiryNumber": asked,
                            "warnings": [
                                {"code": "TW0001", "message": "Tracking Information Not Found"}
                            ],
                        }
                    ]
                }
            }
        packages = []
        for s, parcel in hits:
            status = {
                "type": "MV" if s.voided else "M",
                "code": "MP",
                "description": "Shipper created a label, UPS has not received the package yet.",
            }
            packages.append(
                {
                    "trackingNumber": parcel,
                    "deliveryDate": [{"type": "SDD", "date": "20261124"}],
                    "referenceNumber": [{"type": "SHIPMENT", "number": r} for r in s.references],
                    "currentStatus": {"code": "003", "description": status["description"]},
                    "activity": [
                        {
                            "location": {
                                "address": {
                                    "city": "Louisville",
                                    "stateProvince": "KY",
                                    "countryCode": "US",
                                }
                            },
                            "status": status,
                            "date": "20261122",
                            "time": "101500",
                        }
                    ],
                }
            )
        return {"trackResponse": {"shipment": [{"inquiryNumber": asked, "package": packages}]}}

    def _address(self, request: web.Request, body: Any) -> tuple[int, Any]:
        form = body["XAVRequest"]["AddressKeyFormat"]
        form = form[0] if isinstance(form, list) else form
        state, street = (
            form.get("PoliticalDivision1", ""),
            " ".join(form.get("AddressLine", [])).upper(),
        )
        if self.test_host and state not in {"NY", "CA"}:
            return _error(
                400,
                "9264030",
                "The state is not supported in the Customer Integration Environment.",
            )
        response: dict[str, Any] = {
            "Response": {"ResponseStatus": {"Code": "1", "Description": "Success"}}
        }
        key = {
            "PoliticalDivision2": form.get("PoliticalDivision2", "").upper(),
            "PoliticalDivision1": state,
            "PostcodePrimaryLow": form.get("PostcodePrimaryLow", ""),
            "PostcodeExtendedLow": "1234",
            "CountryCode": form["CountryCode"],
        }
        kind = (
            {"Code": "1", "Description": "Commercial"}
            if "SUITE" in street
            else {"Code": "2", "Description": "Residential"}
        )
        if "NOWHERE" in street:
            response["NoCandidatesIndicator"] = ""
        elif "AMBIGUOUS" in street:
            response |= {
                "AmbiguousAddressIndicator": "",
                "AddressClassification": {"Code": "0", "Description": "UnClassified"},
            }
            response["Candidate"] = [
                {
                    "AddressClassification": kind,
                    "AddressKeyFormat": {**key, "AddressLine": [f"{n} MAIN ST"]},
                }
                for n in (1, 3)
            ]
        else:
            response |= {"ValidAddressIndicator": "", "AddressClassification": kind}
            response["Candidate"] = [
                {
                    "AddressClassification": kind,
                    "AddressKeyFormat": {**key, "AddressLine": [street.replace("STREET", "ST")]},
                }
            ]
        return 200, {"XAVResponse": response}

    def _transit(self, request: web.Request, body: Any) -> tuple[int, Any]:
        if not (0 < body["weight"] < 10_000):
            return self._no(("270001", "Invalid weight"))
        services = []
        for code, name, days in (
            ("1DA", "UPS Next Day Air", 1),
            ("2DA", "UPS 2nd Day Air", 2),
            ("GND", "UPS Ground", 4),
        ):
            year, month, day = body["shipDate"].split("-")
            services.append(
                {
                    "serviceLevel": code,
                    "serviceLevelDescription": name,
                    "businessTransitDays": days,
                    "totalTransitDays": days,
                    "deliveryDate": f"{year}-{month}-{min(int(day) + days, 28):02d}",
                    "deliveryTime": "23:00:00",
                    "commitTime": "23:00:00",
                    "deliveryDayOfWeek": "TUE",
                    "nextDayPickupIndicator": "0",
                    "saturdayPickupIndicator": "0",
                    "saturdayDeliveryIndicator": "0",
                    "guaranteeIndicator": "1" if days < 3 else "0",
                    "restDaysCount": 0,
                    "holidayCount": 0,
                    "delayCount": 0,
                    "shipDate": body["shipDate"],
                    "pickupTime": "20:00:00",
                    "pickupDate": body["shipDate"],
                    "poddays": 0,
                    "cstccutoffTime": "18:00:00",
                }
            )
        return 200, {
            "emsResponse": {
                "shipDate": body["shipDate"],
                "shipTime": "11:25:18",
                "serviceLevel": "A",
                "billType": body.get("billType", "03"),
                "residentialIndicator": body.get("residentialIndicator", "02"),
                "destinationCountryName": "UNITED STATES",
                "destinationCountryCode": body.get("destinationCountryCode", "US"),
                "originCountryName": "UNITED STATES",
                "originCountryCode": body["originCountryCode"],
                "guaranteeSuspended": False,
                "numberOfServices": len(services),
                "services": services,
            }
        }

    def _landed_cost(self, request: web.Request, body: Any) -> tuple[int, Any]:
        """In the shape of the example of LandedCost.yaml, misspelt as it is."""
        if request.headers.get("AccountNumber") != ACCOUNT:
            return self._no(("LC001", "account number"))
        asked, items = body["shipment"], body["shipment"]["shipmentItems"]
        worth = [round(item["priceEach"] * item["quantity"] * 100) for item in items]
        duty, vat = sum(worth) * 5 // 100, sum(worth) * 20 // 100
        return 200, {
            "shipment": {
                "currencyCode": body["currencyCode"],
                "id": asked["id"],
                "brokerageFeeItems": [{"chargeName": "EntryPreparationFee", "chargeAmount": 5.6}],
                "totalBrokerageFees": 5.6,
                "totalDuties": duty / 100,
                "totalCommodityLevelTaxesAndFees": 0,
                "totalShipmentLevelTaxesAndFees": 0,
                "totalVAT": vat / 100,
                "totalDutyandTax": (duty + vat) / 100,
                "grandTotal": (duty + vat + 560) / 100,
                "importCountryCode": asked["importCountryCode"],
                "shipmentItems": [
                    {"commodityId": item["commodityId"], "isCalculable": bool(item.get("hsCode"))}
                    for item in items
                ],
            },
            "alversion": 0,
            "transID": body["transID"],
        }

    # -- pickups on call -------------------------------------------------------
    def _pickup_rate(self, request: web.Request, body: Any) -> tuple[int, Any]:
        asked = body["PickupRateRequest"]
        if asked["ShipperAccount"]["AccountNumber"] != ACCOUNT:
            return self._no(("9510001", "account number"))
        if (wrong := _unfit_times(asked["PickupDateInfo"])) is not None:
            return _error(400, *wrong)
        return 200, {
            "PickupRateResponse": {
                "Response": {"ResponseStatus": {"Code": "1", "Description": "Success"}},
                "RateResult": self._pickup_charge(),
            }
        }

    def _pickup_charge(self) -> Any:
        result = {
            "RateType": "FD",
            "CurrencyCode": "USD",
            "ChargeDetail": {
                "ChargeCode": "B",
                "ChargeDescription": "BASE CHARGE",
                "ChargeAmount": "6.10",
                "TaxAmount": "0.00",
            },
            "GrandTotalOfAllCharge": "7.35",
        }
        incented = {"GrandTotalOfAllIncentedCharge": self.pickup_price}
        return result | (incented if self.pickup_price else {})

    def _pickup(self, request: web.Request, body: Any) -> tuple[int, Any]:
        asked = body["PickupCreationRequest"]
        if asked["Shipper"]["Account"]["AccountNumber"] != ACCOUNT:
            return self._no(("9510001", "account number"))
        if (wrong := _unfit_times(asked["PickupDateInfo"])) is not None:
            return _error(400, *wrong)
        if sum(int(piece["Quantity"]) for piece in asked["PickupPiece"]) < 1:
            return self._no(("9510004", "no pieces"))
        number = f"292{len(self.pickups) + 1:07}9"
        self.pickups[number] = {"state": "002", **asked}
        return 200, {
            "PickupCreationResponse": {
                "Response": {"ResponseStatus": {"Code": "1", "Description": "Success"}},
                "PRN": number,
                "RateStatus": {"Code": "01", "Description": "Rate available"},
                "RateResult": self._pickup_charge(),
            }
        }

    def _pickup_list(self, request: web.Request, body: Any) -> tuple[int, Any]:
        """List pickups of today and tomorrow only, as Pickup.yaml says."""
        if request.headers.get("AccountNumber") != ACCOUNT:
            return self._no(("9510001", "account number"))
        last = dt.datetime.now(dt.UTC).date() + dt.timedelta(days=1)
        rows = [
            {
                "PickupType": "01",
                "ServiceDate": one["PickupDateInfo"]["PickupDate"],
                "PRN": number,
                "OnCallStatusCode": one["state"],
                "PickupStatusMessage": "Canceled"
                if one["state"] == "007"
                else "Dispatched to driver",
                "ReferenceNumber": one["ReferenceNumber"],
            }
            for number, one in self.pickups.items()
            if one["PickupDateInfo"]["PickupDate"] <= f"{last:%Y%m%d}"
        ]
        return 200, {
            "PickupPendingStatusResponse": {
                "Response": {"ResponseStatus": {"Code": "1", "Description": "Success"}},
                # Seen elsewhere in answers of UPS: one object where a list is declared.
                "PendingStatus": rows[0] if len(rows) == 1 else rows,
            }
        }

    def _pickup_cancel(self, request: web.Request, body: Any) -> tuple[int, Any]:
        one = self.pickups.get(request.headers.get("Prn", ""))
        if request.match_info["by"] != "02" or one is None or one["state"] == "007":
            return _error(400, "9510115", "Invalid PRN")
        one["state"] = "007"
        return 200, {
            "PickupCancelResponse": {
                "Response": {"ResponseStatus": {"Code": "1", "Description": "Success"}},
                "PickupType": "01",
            }
        }

    # -- rules beyond the OpenAPI ----------------------------------------------
    def _refuse(self, call: str, body: Any) -> tuple[str, str] | None:
        [outer] = body.values()
        shipment, asked = outer["Shipment"], outer["Request"]
        if asked.get("RequestOption", "nonvalidate") not in {
            "validate",
            "nonvalidate",
        } or asked.get("SubVersion", "2205") not in {"1801", "2108", "2205", "2407", "2409"}:
            return "120010", "request option or subversion"
        if outer.get("PickupType", {}).get("Code", "01") not in {"01", "03", "06", "19", "20"}:
            return "110208", "pickup type"
        customers = {"00", "01", "04", "05", "06", "53"}
        if outer.get("CustomerClassification", {}).get("Code", "00") not in customers:
            return "110210", "customer classification"
        if any(ord(c) < 32 or ord(c) == 127 for text in _texts(body) for c in text):
            return EMPTY
        if any(ord(c) > 255 for text in _texts(body) for c in text):
            return "10001", "a character that no label can print"
        if shipment["Shipper"].get("ShipperNumber") != ACCOUNT:
            return ("112111" if call == "rate" else "120100"), "Missing or invalid shipper number"
        return (
            _places(shipment)
            or _boxes(shipment)
            or _units(shipment)
            or _option_rules().refused(call, shipment, _countries(shipment))
        )

    def _no(self, refusal: tuple[str, str]) -> tuple[int, Any]:
        self.objections.append(f"{refusal[0]}: {refusal[1]}")
        return _error(400, *refusal)

    # -- for other processes -----------------------------------------------------
    async def _books(self, request: web.Request) -> web.Response:
        return web.json_response(
            {
                "calls": dict(self.calls),
                "objections": self.objections[:20],
                "shipments": [dataclasses.asdict(s) for s in self.shipments],
            }
        )

    async def _set_fault(self, request: web.Request) -> web.Response:
        wanted = await request.json()
        self.fault(
            wanted["call"],
            wanted["kind"],
            times=wanted.get("times", 1),
            skip=wanted.get("skip", 0),
            every=wanted.get("every", 1),
        )
        return web.json_response({})

    async def _revoke(self, request: web.Request) -> web.Response:
        self.revoke_tokens()
        return web.json_response({})


EMPTY = ("1", "")
_EU = {
    "AT",
    "BE",
    "BG",
    "CY",
    "CZ",
    "DE",
    "DK",
    "EE",
    "ES",
    "FI",
    "FR",
    "GR",
    "HR",
    "HU",
    "IE",
    "IT",
    "LT",
    "LU",
    "LV",
    "MT",
    "NL",
    "PL",
    "PT",
    "RO",
    "SE",
    "SI",
    "SK",
}
_SERVICES = {
    "01",
    "02",
    "03",
    "07",
    "08",
    "11",
    "12",
    "13",
    "14",
    "17",
    "54",
    "59",
    "65",
    "70",
    "71",
    "72",
    "74",
    "75",
    "82",
    "83",
    "85",
    "86",
    "92",
    "93",
    "96",
}
_DOMESTIC = {"01", "02", "03", "12", "13", "14", "59", "92", "93"}
_PACKAGING = {"01", "02", "03", "04", "21", "24", "25", "30", "2a", "2b", "2c"}


def _countries(shipment: dict[str, Any]) -> tuple[str, str]:
    origin = shipment.get("ShipFrom") or shipment["Shipper"]
    return origin["Address"]["CountryCode"], shipment["ShipTo"]["Address"]["CountryCode"]


def _lane(shipment: dict[str, Any], *, shop: bool = False) -> tuple[str, str] | None:
    """Whether the service runs on this way."""
    if shop:
        return None
    code, (origin, destination) = shipment.get("Service", {}).get("Code"), _countries(shipment)
    if code not in _SERVICES:
        return "120500", f"invalid service code {code}"
    if code in _DOMESTIC and not {origin, destination} <= {"US", "PR"} and origin != "CA":
        return "121210", f"service {code} is not available from {origin} to {destination}"
    if code in {"07", "08", "17", "65", "72"} and (origin, destination) == ("CA", "CA"):
        return "111210", "The requested service is unavailable between the selected locations."
    home = {"74": "DE", "82": "PL", "83": "PL", "85": "PL", "86": "PL"}.get(str(code))
    if home and (origin, destination) != (home, home):
        return "111210", "The requested service is unavailable between the selected locations."
    if code not in _DOMESTIC and (origin, destination) == ("US", "US"):
        return "121210", f"service {code} is not available within the US"
    return None


def _own_country(shipment: dict[str, Any]) -> tuple[str, str] | None:
    """Rate prices parcels that leave from another country; Ship refuses them."""
    home, start = (
        (shipment.get(who) or shipment["Shipper"])["Address"]["CountryCode"]
        for who in ("Shipper", "ShipFrom")
    )
    returned = "ReturnService" in shipment or "ReturnService" in shipment.get(
        "ShipmentServiceOptions", {}
    )
    if home != start and not {home, start} <= {"US", "PR"} and not returned:
        return "120317", "ShipFrom country must be the Shipper country (api-documentation#234)"
    return None


_ISLANDS = {"PR", "VI", "GU", "AS", "MP", "FM", "MH", "PW"}


def _places(shipment: dict[str, Any]) -> tuple[str, str] | None:
    for who in ("Shipper", "ShipTo", "ShipFrom"):
        if who not in shipment:
            continue
        address = shipment[who]["Address"]
        country, code, lines = (
            address["CountryCode"],
            address.get("PostalCode", ""),
            address.get("AddressLine", []),
        )
        if not 1 <= len(lines) <= 3 or any(not 1 <= len(line) <= 35 for line in lines):
            return "120202", f"{who} address lines"
        if country in {"US", "CA", "PR"} and not re.fullmatch(
            r"[A-Z]{2}", address.get("StateProvinceCode", "")
        ):
            return "120206", f"{who} state"
        if not re.fullmatch(r"[0-9A-Z]{0,5}", address.get("StateProvinceCode", "")):
            return "120206", f"{who} state: 0 to 5 alphanumeric (veeqo/ups-ruby#8)"
        if country in {"US", "PR"} and not re.fullmatch(r"\d{5}(\d{4})?", code):
            return "120207", f"{who} postal code"
        if country == "CA" and not re.fullmatch(r"([A-Z]\d){3}", code):
            return "120207", f"{who} postal code"
        if not re.fullmatch(r"[0-9A-Z]{0,9}", code):
            return "120207", f"{who} postal code"
        if country == "US" and address.get("StateProvinceCode") in _ISLANDS:
            return "120208", f"{who}: a territory is a country of its own"
        number = shipment[who].get("Phone", {}).get("Number", "0000000000")
        if not re.fullmatch(r"[0-9]{5,15}", number) or (
            country in {"US", "PR", "CA"} and len(number) < 10
        ):
            return "120213", f"{who} phone"
    return None


def _units(shipment: dict[str, Any]) -> tuple[str, str] | None:
    """The units of the shipper's country, and never mixed (public reports: 111057, 110548)."""
    country = shipment["Shipper"]["Address"]["CountryCode"]
    wanted = (
        [("LBS", "IN"), ("KGS", "CM")]
        if country == "CA"
        else [("LBS", "IN")]
        if country in {"US", "PR", "VI", "GU"}
        else [("KGS", "CM")]
    )
    light = shipment.get("Service", {}).get("Code") == "92"
    for package in shipment["Package"]:
        weight = package["PackageWeight"]["UnitOfMeasurement"]["Code"]
        if light:
            if weight != "OZS" or not 1 <= float(package["PackageWeight"]["Weight"]) < 16:
                return "111560", "service 92 takes 1 to 15.99 ounces"
            continue
        if shipment.get("Service", {}).get("Code") == "93" and (
            float(package["PackageWeight"]["Weight"]) < 1
        ):
            return "111560", "service 93 takes packages of a pound and more"
        length = package.get("Dimensions", {}).get("UnitOfMeasurement", {}).get("Code")
        if (weight, length) in {("KGS", "IN"), ("LBS", "CM"), ("OZS", "CM")}:
            return "110548", f"A shipment cannot have {weight}/{length} as its unit of measurements"
        if weight not in {unit for unit, _ in wanted} or length not in {
            None,
            *(unit for _, unit in wanted),
        }:
            return "111057", "This measurement system is not valid for the selected country."
    return None


def _boxes(shipment: dict[str, Any]) -> tuple[str, str] | None:
    for package in shipment["Package"]:
        packaging = (package.get("Packaging") or package.get("PackagingType") or {}).get("Code")
        if packaging not in _PACKAGING:
            return "120600", f"packaging {packaging}"
        weight = package.get("PackageWeight", {}).get("Weight", "")
        if not re.fullmatch(r"\d{1,3}(\.\d)?", weight) or not 0 < float(weight) <= 150:
            return "120601", f"weight {weight}"
        sides = package.get("Dimensions")
        if sides is not None:
            values = [sides.get(side, "") for side in ("Length", "Width", "Height")]
            if not all(re.fullmatch(r"[1-9]\d{0,2}", v) for v in values) or int(values[0]) < max(
                map(int, values)
            ):
                return "120602", f"dimensions {values}"
        value = package.get("PackageServiceOptions", {}).get("DeclaredValue")
        country = shipment["Shipper"]["Address"]["CountryCode"]
        if value is not None and not (
            re.fullmatch(r"\d{1,5}(\.\d{2})?", value["MonetaryValue"])
            and re.fullmatch(r"[A-Z]{3}", value["CurrencyCode"])
        ):
            return "120604", "declared value"
        if value is not None and country in _CURRENCIES | {"US": "", "PR": ""}:
            # Shipping.yaml, DeclaredValue.CurrencyCode: valid for the shipper's country.
            if value["CurrencyCode"] != _CURRENCIES.get(country, "USD"):
                return "120604", "declared value in a foreign currency"
            if country in {"US", "PR"} and float(value["MonetaryValue"]) > 50_000:
                return "120604", "declared value over 50,000"
    return None


def _customs_between(shipment: dict[str, Any], origin: str, destination: str) -> bool:
    """The EU, but for its islands outside the area of VAT; Northern Ireland is on both sides."""
    start = (shipment.get("ShipFrom") or shipment["Shipper"])["Address"].get("PostalCode", "")
    end = shipment["ShipTo"]["Address"].get("PostalCode", "")
    sides = []
    for country, code in ((origin, start), (destination, end)):
        islands = {"ES": ("35", "38", "51", "52"), "FR": ("97",), "FI": ("22",)}.get(country, ())
        sides.append(
            "EU"
            if (country in _EU and not code.startswith(islands))
            or country == "MC"
            or (country == "GB" and code.startswith("BT"))
            else f"{country} {code[:2] if islands else ''}"
        )
    return (
        origin != destination
        and not {origin, destination} <= {"US", "PR"}
        and {origin, destination} not in ({"GB", "IM"}, {"CH", "LI"})
        and sides != ["EU", "EU"]
    )


def _shipping_rules(shipment: dict[str, Any], label: dict[str, Any]) -> tuple[str, str] | None:
    origin, destination = _countries(shipment)
    inside = (origin, destination) in {("US", "US"), ("PR", "PR")}
    customs = _customs_between(shipment, origin, destination)
    returned = "ReturnService" in shipment
    package_level = any("ReferenceNumber" in p for p in shipment["Package"])
    if inside and "ReferenceNumber" in shipment:
        return "120541", "Shipment/ReferenceNumber is not allowed for this shipment"
    if not inside and package_level:
        return "120542", "Package/ReferenceNumber is not allowed for this shipment"
    if any(len(p.get("ReferenceNumber", [])) > 5 for p in shipment["Package"]):
        return "120544", "too many references"
    charges = shipment.get("PaymentInformation", {}).get("ShipmentCharge", [])
    if any(c.get("Type") == "02" for c in charges) and not customs:
        return "121524", "duties have no payer within a country"
    options = shipment.get("ShipmentServiceOptions", {})
    if (
        origin != destination
        and not shipment.get("Description")
        and not ({origin, destination} <= _EU and shipment["Service"]["Code"] == "11")
    ):
        return "120512", "Shipment Description is required for this shipment."
    if (
        (origin, destination) in {("US", "CA"), ("US", "PR")}
        and not returned
        and not re.fullmatch(
            r"\d{1,8}(\.\d{2})?", shipment.get("InvoiceLineTotal", {}).get("MonetaryValue", "")
        )
    ):
        return "121500", "invoice line total"
    if not re.fullmatch(
        r"[A-Z]{3}", shipment.get("InvoiceLineTotal", {}).get("CurrencyCode", "USD")
    ):
        return "121500", "invoice line total currency"
    if customs and "DocumentsOnlyIndicator" not in shipment:
        problem = _customs_rules(shipment, options.get("InternationalForms"), returned=returned)
        if problem:
            return problem
    elif "InternationalForms" in options:
        return "128000", "forms on a way without customs"
    if returned and not all(p.get("Description") for p in shipment["Package"]):
        return "120119", "a returned package needs a description"
    return _signature_rules(shipment, options, {origin, destination}) or _label_rules(label)


def _customs_rules(
    shipment: dict[str, Any], forms: dict[str, Any] | None, *, returned: bool
) -> tuple[str, str] | None:
    if not forms or not forms.get("Product"):
        return "128218", "no goods on the invoice"
    if forms["FormType"] != ["05" if returned else "01"]:
        return "128000", f"form type {forms['FormType']}"
    for who in ("Shipper", "ShipTo"):
        if not shipment[who].get("Phone", {}).get("Number") or not shipment[who].get(
            "AttentionName"
        ):
            return "120209", f"{who} phone or contact"
    for name, pattern in (
        ("InvoiceNumber", r".{1,35}"),
        ("InvoiceDate", r"20\d{6}"),
        ("ReasonForExport", r"SALE|GIFT|SAMPLE|RETURN|REPAIR|INTERCOMPANYDATA"),
        ("CurrencyCode", r"[A-Z]{3}"),
    ):
        if not re.fullmatch(pattern, forms.get(name, "")):
            return "128001", name
    if not re.fullmatch(
        r"(CFR|CIF|CIP|CPT|DAF|DAP|DDP|DEQ|DES|EXW|FAS|FCA|FOB)?", forms.get("TermsOfShipment", "")
    ):
        return "128002", "terms"
    sold = forms.get("Contacts", {}).get("SoldTo")
    if (
        not sold
        or not re.fullmatch(r"[0-9]{5,15}", sold.get("Phone", {}).get("Number", ""))
        or not re.fullmatch(r"[0-9A-Z]{0,9}", sold["Address"].get("PostalCode", ""))
    ):
        return "128003", "sold to"
    for product in forms["Product"]:
        unit = product.get("Unit", {})
        lines = product["Description"]
        if not 1 <= len(lines) <= 3 or any(not 1 <= len(line) <= 35 for line in lines):
            return "128215", "product description"
        if (
            not re.fullmatch(r"[1-9]\d{0,6}", unit.get("Number", ""))
            or not re.fullmatch(r"\d+(\.\d{1,6})?", unit.get("Value", ""))
            or float(unit["Value"]) <= 0
        ):
            return "128216", "product quantity or value"
        if unit.get("UnitOfMeasurement", {}).get("Code") not in {
            "PCS",
            "NMB",
            "EA",
            "BX",
            "PR",
            "KG",
            "LB",
        }:
            return "128216", "unit of measurement"
        if not re.fullmatch(r"[0-9A-Z]{6,15}|", product.get("CommodityCode", "")):
            return "128219", "commodity code"
        if not re.fullmatch(r"[A-Z]{2}", product.get("OriginCountryCode", "")):
            return "128217", "country of origin"
    return None


def _signature_rules(
    shipment: dict[str, Any], options: dict[str, Any], ends: set[str]
) -> tuple[str, str] | None:
    on_package = ends <= {"US", "PR"} or ends == {"CA"}
    kinds = [
        p["PackageServiceOptions"]["DeliveryConfirmation"]["DCISType"]
        for p in shipment["Package"]
        if "DeliveryConfirmation" in p.get("PackageServiceOptions", {})
    ]
    if kinds and (not on_package or not set(kinds) <= {"2", "3"}):
        return "120606", "delivery confirmation of a package"
    whole = options.get("DeliveryConfirmation", {}).get("DCISType")
    if whole and (on_package or whole not in {"1", "2"}):
        return "120606", "delivery confirmation of the shipment"
    return None


def _label_rules(label: dict[str, Any]) -> tuple[str, str] | None:
    code, size = label.get("LabelImageFormat", {}).get("Code"), label.get("LabelStockSize", {})
    if code not in {"GIF", "ZPL", "EPL", "SPL"}:
        return "120702", f"label format {code}"
    if (size.get("Width"), size.get("Height")) not in {("4", "6"), ("4", "8")}:
        return "120703", f"label size {size}"
    if code == "GIF" and not label.get("HTTPUserAgent"):
        return "120704", "a GIF label needs a user agent"
    return None


def _error(status: int, code: str, message: str) -> tuple[int, Any]:
    return status, {"response": {"errors": [{"code": code, "message": message}]}}


def _usd(cents: int) -> dict[str, str]:
    return {"CurrencyCode": "USD", "MonetaryValue": f"{cents / 100:.2f}"}


_CURRENCIES = {"CA": "CAD", "GB": "GBP", "MX": "MXN", "JP": "JPY"} | dict.fromkeys(
    ["AT", "BE", "DE", "ES", "FI", "FR", "GR", "IE", "IT", "LU", "NL", "PT"], "EUR"
)
_TAXES = {"CA": ("HST", 13), "DE": ("VAT", 19), "FR": ("VAT", 20), "GB": ("VAT", 20)}


def _add_taxes(rated: dict[str, Any], shipment: dict[str, Any], country: str) -> None:
    """Within the shipper's country; exports carry no tax. With an own price, on that price only
    (Rating.yaml, TaxInformationIndicator).
    """
    name, percent = _TAXES.get(country, ("", 0))
    if not percent or shipment["ShipTo"]["Address"]["CountryCode"] != country:
        return
    own = rated.get("NegotiatedRateCharges")
    holder, total = (own, "TotalCharge") if own else (rated, "TotalCharges")
    net = round(float(holder[total]["MonetaryValue"]) * 100)
    tax = net * percent // 100
    holder["TaxCharges"] = [{"Type": name, "MonetaryValue": f"{tax / 100:.2f}"}]
    holder["TotalChargesWithTaxes"] = _usd(net + tax)


def _in_currency(node: Any, currency: str) -> Any:
    """The account is billed in its country's currency."""
    if isinstance(node, dict):
        return {
            key: currency if key == "CurrencyCode" else _in_currency(value, currency)
            for key, value in node.items()
        }
    return [_in_currency(each, currency) for each in node] if isinstance(node, list) else node


def _billed(package: dict[str, Any]) -> float:
    return float(-(-float(package["PackageWeight"]["Weight"]) // 1))


def _itemised(parts: dict[str, int], tenths: int) -> list[dict[str, str]]:
    found = [
        {
            "Code": "375",
            "CurrencyCode": "USD",
            "MonetaryValue": f"{parts['fuel'] * tenths // 10 / 100:.2f}",
        }
    ]
    if parts["area"]:
        found.append(
            {
                "Code": "376",
                "CurrencyCode": "USD",
                "MonetaryValue": f"{parts['area'] / 100:.2f}",
                "SubType": "Rural",
            }
        )
    return found


_GIF: list[str] = []


def _label(code: str, number: str, *, signature: bool = False) -> dict[str, Any]:
    """A label: real ZPL with the number, or a real GIF of UPS's size (1400 x 800, lying on its
    side).
    """
    if code == "GIF":
        if not _GIF:
            from PIL import Image, ImageDraw

            picture = Image.new("P", (1400, 800), 255)
            ImageDraw.Draw(picture).rectangle((20, 20, 1180, 780), outline=0, width=6)
            out = io.BytesIO()
            picture.save(out, "GIF")
            _GIF.append(base64.b64encode(out.getvalue()).decode())
        return {
            "ImageFormat": {"Code": "GIF", "Description": "GIF"},
            "GraphicImage": _GIF[0],
            "HTMLImage": base64.b64encode(b"<html></html>").decode(),
        }
    start = "\n^XA\r\n^LRN^MNY^MFN,N^LH10,12^MCY^POI^PW812^CI27\r\n"
    text = f"{start}^FO50,50^A0N,40,40^FD{number}^FS\r\n^XZ\n".encode()
    found = {
        "ImageFormat": {"Code": code, "Description": code},
        "GraphicImage": base64.b64encode(text).decode(),
    }
    return (
        {**found, "InternationalSignatureGraphicImage": found["GraphicImage"]}
        if signature
        else found
    )


def _texts(node: Any) -> Any:
    if isinstance(node, dict):
        for value in node.values():
            yield from _texts(value)
    elif isinstance(node, list):
        for value in node:
            yield from _texts(value)
    elif isinstance(node, str):
        yield node


def _quirky(node: Any) -> Any:
    """What UPS was seen to do: a list of one becomes the bare object, an empty object becomes
    "".
    """
    if isinstance(node, dict):
        return {key: _quirky(value) for key, value in node.items()} if node else ""
    if isinstance(node, list):
        return (
            _quirky(node[0])
            if len(node) == 1 and isinstance(node[0], dict)
            else [_quirky(v) for v in node]
            if node
            else ""
        )
    return node


@functools.cache
def _option_rules() -> Any:
    """Return the module of the rules of options, which lies beside this file."""
    path = pathlib.Path(__file__).with_name("option_rules.py")
    spec = importlib.util.spec_from_file_location("ups_option_rules", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _unfit_times(asked: Any) -> tuple[str, str] | None:
    """Return why UPS does not come then. The codes are made up; UPS publishes none."""
    day = dt.date.fromisoformat(asked["PickupDate"])
    if day < dt.datetime.now(dt.UTC).date() - dt.timedelta(days=1):
        return "9510112", "The pickup date is in the past"
    if asked["ReadyTime"] >= asked["CloseTime"]:
        return "9510113", "The close time is before the ready time"
    return None


def load_contract(specs: pathlib.Path) -> Any:
    """Load UPS's OpenAPI files with the checker that lies beside this file."""
    spec = importlib.util.spec_from_file_location(
        "ups_contract", pathlib.Path(__file__).with_name("ups_contract.py")
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["ups_contract"] = module
    spec.loader.exec_module(module)
    module.PATCHES += (
        [
            (
                "Pickup",
                "PickupRateRequest",
                "ServiceDateOption",
                {"maxLength": 2},
                "declared 1 character, its own example has '02'",
            ),
            (
                "Pickup",
                "PickupCreationRequest_PickupDateInfo",
                "PickupDate",
                {"minLength": 8, "maxLength": 8},
                "declared 4 characters, its own example has '20221214'",
            ),
            (
                "Pickup",
                "PickupCreationRequest_TotalWeight",
                "Weight",
                {"minLength": 1},
                "declared exactly 6 characters, its own example has '5.5'",
            ),
        ]
        + [
            (name, "Package_SimpleRate", "Code", {"minLength": 1}, "its own text lists S, M and L")
            for name in ("Rating", "Shipping")
        ]
        + [
            (
                "Shipping",
                f"{holder}COD_CODAmount",
                "MonetaryValue",
                {"minLength": 1, "maxLength": 8},
                "declared exactly 5 characters; Rating declares 8 of the same amount",
            )
            for holder in ("", "PackageServiceOptions_")
        ]
    )
    return module.Contract.load(
        specs,
        only=[
            "Rating",
            "Shipping",
            "Tracking",
            "AddressValidation",
            "TimeInTransit",
            "LandedCost",
            "Pickup",
            "OAuthClientCredentials",
        ],
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--latency", type=float, default=0.0)
    parser.add_argument("--late", type=float, default=0.5, help="how late late work is")
    parser.add_argument(
        "--specs",
        type=pathlib.Path,
        help="UPS's OpenAPI files; without them requests are not checked against them",
    )
    parser.add_argument("--base-cents", type=int, default=900, help="of Ground")
    parser.add_argument("--pound-cents", type=int, default=45, help="of every service")
    given = parser.parse_args()
    contract = load_contract(given.specs) if given.specs else None
    server = UpsServer(contract, latency_s=given.latency)
    server.keep_seen, server.late_s = False, given.late
    server.base_cents, server.pound_cents = given.base_cents, given.pound_cents
    server.start(given.port)
    print(server.port, flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main()
