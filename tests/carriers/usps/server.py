"""A USPS server on loopback for tests: real HTTP, books that survive a kill, faults on demand.

It shares no module with shipkit: what it believes about USPS comes from the OpenAPI files, the
recordings and USPS's list of errors. What USPS refuses it refuses, and a request with something
that the files do not have is noted in `objections`.

    server = UspsServer().start()
    server.fault("label", "reset_after", times=1)
    ...
    server.stop()

Faults by call: "label" (also abroad), "reprint", "cancel", "prices", "options", "token", "payment",
"address", "standards", "tracking", "scan_form",
"pickup".

As a process: ``python server.py [--latency 0.1] [--books F]``.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import datetime as dt
import hashlib
import json
import re
import sqlite3
import struct
import threading
import uuid
import zlib
from collections import Counter
from contextlib import closing
from decimal import ROUND_CEILING, Decimal
from typing import Any

from aiohttp import web

CLIENT, SECRET = "client-of-the-tests", "s3cret-of-the-tests"
ACCOUNT, CRID, MID = "1000012345", "987654321", "903456789"

FAULTS = {
    "reset_before": "the connection is reset, nothing was done",
    "reset_after": "the connection is reset after the work was done",
    "503_before": "503 with USPS's error body, nothing was done",
    "503_after": "503 with a page after the work was done",
    "502_after": "502 without a body after the work was done",
    "500_json": "500 with an error body, nothing was done",
    "hang": "no answer; nothing was done",
    "hang_after": "no answer after the work was done",
    "late_work": "no answer; the work is done after `late_s`",
    "half": "the work was done, half the answer is sent, then the connection ends",
    "cut": "the work was done, and the answer ends early, as if it were whole",
    "garbled": "200 and not JSON, the work was done",
    "hollow": "200 and {}, the work was done",
    "no_image": "200 without the image, the work was done",
    "broken_image": "200 with half an image, the work was done",
    "empty": "200 without a body, the work was done",
    "429": "429 without Retry-After, nothing was done",
    "429_retry": "429 with Retry-After, nothing was done",
    "401": "401 invalid_token, nothing was done",
    "401_scope": "401 for a missing scope, nothing was done",
    "403": "403 with the gateway's fault, nothing was done",
    "not_found": "404 with an error body that has no number of USPS's, nothing was done",
    "dead_payment": "400 that names the payment token, nothing was done",
    "key_in_progress": "409 about the key; the work is done after `late_s`",
    "key_in_progress_400": "400 about the key; the work is done after `late_s`",
    "page_403": "403 with a firewall's page, after the work was done",
    "page": "400 with a proxy's page, the work was done",
    "page_before": "404 with a proxy's page, nothing was done",
    "refused": "400 030002, nothing was done",
    "past_day": "400 160001, nothing was done",
    "not_enrolled": "400 160302, nothing was done",
    "no_funds": "400 100007 (of a payment authorization)",
    "no_crid": "400 with the other error shape (of a payment authorization)",
    "limit": "400 160382 (of a reprint): the label exists",
    "past": "400 160381 (of a reprint): the label exists",
}
_WORK_FIRST = frozenset(
    {
        "reset_after", "503_after", "502_after", "hang_after", "half", "cut", "garbled", "hollow",
        "no_image", "broken_image", "empty", "page", "page_403",
    }
)  # fmt: skip
_LATE = frozenset({"late_work", "key_in_progress", "key_in_progress_400"})

_CLASSES = {
    "USPS_GROUND_ADVANTAGE": (Decimal("5.10"), "SP"),
    "PRIORITY_MAIL": (Decimal("8.20"), "SP"),
    "PRIORITY_MAIL_EXPRESS": (Decimal("30.40"), "PA"),
    "MEDIA_MAIL": (Decimal("4.47"), "SP"),
    "LIBRARY_MAIL": (Decimal("4.24"), "SP"),
    "FIRST-CLASS_PACKAGE_INTERNATIONAL_SERVICE": (Decimal("17.10"), "SP"),
    "PRIORITY_MAIL_INTERNATIONAL": (Decimal("42.20"), "SP"),
    "PRIORITY_MAIL_EXPRESS_INTERNATIONAL": (Decimal("65.64"), "PA"),
}
_ABROAD = frozenset(name for name in _CLASSES if name.endswith(("INTERNATIONAL", "NAL_SERVICE")))
_FLAT = {"FE": "10.40", "FA": "10.80", "FP": "11.35", "FS": "10.65", "FB": "18.40", "PL": "24.75"}
_DAYS = {
    "USPS_GROUND_ADVANTAGE": 3,
    "PRIORITY_MAIL": 2,
    "PRIORITY_MAIL_EXPRESS": 1,
    "MEDIA_MAIL": 6,
    "LIBRARY_MAIL": 6,
}
_FORM_STATES = frozenset({"AA", "AE", "AP", "AS", "GU", "MP", "PW", "FM", "MH"})
_TOP = frozenset({"imageInfo", "toAddress", "fromAddress", "packageDescription", "customsForm"})


class UspsServer:
    """The server.

    Parameters
    ----------
    books
        A SQLite file: what was sold is there before it is answered, and outlives the process.
    """

    def __init__(self, books: str = ":memory:", *, latency_s: float = 0.0) -> None:
        self.latency_s, self.late_s = latency_s, 0.3
        self.multipart = False
        """Answer labels in parts, as a host that does not know the vendor type does."""
        self.honors_keys = True
        """False: a repeat makes another label, and nothing is found by a key."""
        self.quota: int | None = None
        """Requests to each API until every further one gets 429."""
        self.dearer = Decimal(0)
        """Added to every price and postage from now on."""
        self.by_distance = False
        """Zones and days of Ground Advantage grow with the first digits of two ZIPs."""
        self.disputes = False
        """Cancels open disputes, as after the manifest."""
        self.token_life = "28799"
        self.moves: dict[str, tuple[str, str]] = {}
        """ZIP as sent -> city and ZIP as printed."""
        self.unscanned = True
        self.pickups: dict[str, dict[str, Any]] = {}
        """Confirmation number -> what was scheduled."""
        self.calls: Counter[str] = Counter()
        self.scans: dict[str, dict[str, Any]] = {}
        """Number -> what is said of a parcel that moved."""
        self.seen: list[tuple[str, str, Any]] = []
        self.answered: list[tuple[str, str, int, Any]] = []
        self.bodies: dict[str, list[bytes]] = {}
        """Key -> the bytes of each request with it."""
        self.keep_seen = True
        self.objections: list[str] = []
        self._path = books
        self._tokens: set[str] = set()
        self._payments: set[str] = set()
        self._faults: dict[str, list[tuple[str, int, int, int]]] = {}
        self._hung: list[asyncio.Task[Any]] = []
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self.port = 0

    # -- life --------------------------------------------------------------------------------------

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self, port: int = 0) -> UspsServer:
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

    def forget_faults(self) -> None:
        self._faults.clear()

    def expire_tokens(self, *, payment: bool = False) -> None:
        """Let USPS forget its tokens: the next request with one gets 401, or 400."""
        (self._payments if payment else self._tokens).clear()

    def sold(self) -> list[dict[str, Any]]:
        """Return every label that was sold: key, number, order, state, cents."""
        query = "select key, number, order_id, state, cents from sold order by rowid"
        if self._path == ":memory:":
            rows = self._db.execute(query).fetchall()
        else:
            with closing(sqlite3.connect(self._path)) as db:
                rows = db.execute(query).fetchall()
        names = ("key", "number", "order", "state", "cents")
        return [dict(zip(names, row, strict=True)) for row in rows]

    def _serve(self, port: int, ready: threading.Event) -> None:
        asyncio.run(self._main(port, ready))

    async def _main(self, port: int, ready: threading.Event) -> None:
        self._loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
        self._db = sqlite3.connect(self._path, check_same_thread=False, isolation_level=None)
        self._db.execute("pragma journal_mode=wal")
        self._db.execute("pragma synchronous=off")  # a killed process loses nothing by that
        self._db.execute(
            "create table if not exists sold (key text, digest text, number text primary key, "
            "order_id text, state text, cents int, reprints int, body text, abroad int)"
        )
        self._db.execute("create index if not exists by_key on sold (key)")
        self._db.execute(
            "create table if not exists forms (number text primary key, efn text, paper text)"
        )
        runner = web.AppRunner(self._app(), access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", port)
        await site.start()
        self.port = site._server.sockets[0].getsockname()[1]
        ready.set()
        await self._stopping.wait()
        for task in self._hung:
            task.cancel()
        await runner.cleanup()
        self._db.close()

    def _app(self) -> web.Application:
        app = web.Application(client_max_size=2**22)
        for method, path, call, work in (
            ("POST", "/oauth2/v3/token", "token", self._token),
            ("POST", "/payments/v3/payment-authorization", "payment", self._payment),
            ("POST", "/prices/v3/total-rates/search", "prices", self._prices),
            ("POST", "/international-prices/v3/total-rates/search", "prices", self._prices),
            ("POST", "/shipments/v3/options/search", "options", self._options),
            ("GET", "/service-standards/v3/estimates", "standards", self._standards),
            ("GET", "/addresses/v3/address", "address", self._address),
            ("GET", "/tracking/v3/tracking/{number}", "tracking", self._tracking),
            ("POST", "/scan-forms/v3/scan-form", "scan_form", self._scan_form),
            ("GET", "/pickup/v3/carrier-pickup/eligibility", "pickup", self._eligible),
            ("POST", "/pickup/v3/carrier-pickup", "pickup", self._pickup),
            ("GET", "/pickup/v3/carrier-pickup/{number}", "pickup", self._one_pickup),
            ("DELETE", "/pickup/v3/carrier-pickup/{number}", "pickup", self._cancel_pickup),
            ("POST", "/labels/v3/label", "label", self._label),
            ("DELETE", "/labels/v3/label/{number}", "cancel", self._cancel),
            ("POST", "/labels/v3/label-reprint", "reprint", self._reprint),
            ("POST", "/international-labels/v3/international-label", "label", self._label),
            ("DELETE", "/international-labels/v3/international-label/{number}", "cancel",
             self._cancel),
            ("POST", "/international-labels/v3/international-label-reprint", "reprint",
             self._reprint),
        ):  # fmt: skip
            app.router.add_route(method, path, self._handled(call, work))
        app.router.add_route("POST", "/_fault", self._set_fault)
        app.router.add_route("GET", "/_books", self._books)
        return app

    # -- every request -----------------------------------------------------------------------------

    def _handled(self, call: str, work: Any) -> Any:
        async def handle(request: web.Request) -> web.StreamResponse:
            self.calls[call] += 1
            raw = await request.read()
            body = json.loads(raw) if raw else None
            if self.keep_seen:
                self.seen.append((request.method, request.path_qs, body))
                if key := request.headers.get("x-idempotency-key"):
                    self.bodies.setdefault(f"{call} {key}", []).append(raw)
            if self.latency_s:
                await asyncio.sleep(self.latency_s)
            if self.quota is not None and call not in ("token", "payment"):
                self.quota -= 1
                if self.quota < 0:
                    return self._refuse(429, "Exceeded quota limit.", title="Too Many Requests.")
            if (unfit := self._unauthorized(call, request)) is not None:
                return unfit
            fault = self._next_fault(call)
            if fault is None:
                return self._send(request, *work(request, body, raw))
            return await self._suffer(fault, request, body, raw, work)

        return handle

    def _unauthorized(self, call: str, request: web.Request) -> web.Response | None:
        if call == "token":
            return None
        sent = request.headers.get("authorization", "").removeprefix("Bearer ")
        if sent not in self._tokens:
            return self._bad_token()
        if call in ("label", "reprint", "cancel"):
            token = request.headers.get("x-payment-authorization-token", "")
            if token not in self._payments:
                return self._dead_payment()
        return None

    def _bad_token(self) -> web.Response:
        # Recorded: `source` is a text here.
        detail = "The access token presented with the request is missing or malformed."
        return web.json_response(
            {
                "apiVersion": "/labels/v3",
                "error": {
                    "code": "401",
                    "message": "Missing or malformed access token.",
                    "errors": [
                        {"title": "invalid_token", "detail": detail, "source": "Access Token"}
                    ],
                },
            },
            status=401,
            headers={"WWW-Authenticate": "Bearer"},
        )

    def _dead_payment(self) -> web.Response:
        return self._refuse(400, "The X-Payment-Authorization-Token is not valid.")

    async def _suffer(
        self, fault: str, request: web.Request, body: Any, raw: bytes, work: Any
    ) -> web.StreamResponse:
        if fault in _WORK_FIRST:
            status, answer = work(request, body, raw)
        if fault in _LATE:
            self._hung.append(asyncio.create_task(self._later(request, body, raw, work)))
        match fault:
            case "reset_before" | "reset_after":
                return self._reset(request)
            case "hang" | "hang_after" | "late_work":
                await self._stopping.wait()
                return self._reset(request)
            case "503_before":
                return self._refuse(503, "Service Unavailable")
            case "503_after":
                return web.Response(status=503, text="<html>Service unavailable</html>")
            case "502_after":
                return web.Response(status=502)
            case "500_json":
                return self._refuse(500, "Internal error")
            case "half":
                return await self._half(request, self._send(request, status, answer).body)
            case "cut":
                return _cut(self._send(request, status, answer))
            case "garbled":
                return web.Response(text="<html>Welcome</html>", content_type="text/html")
            case "hollow":
                return web.json_response({})
            case "no_image":
                del answer["labelImage"]
                return self._send(request, status, answer)
            case "broken_image":
                half = base64.b64encode(base64.b64decode(answer["labelImage"])[:-30]).decode()
                return self._send(request, status, {**answer, "labelImage": half})
            case "empty":
                return web.Response()
            case "429":
                return self._refuse(429, "Exceeded quota limit.", title="Too Many Requests.")
            case "429_retry":
                answer = self._refuse(429, "Exceeded quota limit.", title="Too Many Requests.")
                answer.headers["Retry-After"] = "0.1"
                return answer
            case "401":
                return self._bad_token()
            case "401_scope":
                return self._refuse(401, "Insufficient OAuth scope.", title="invalid_oauth_scope")
            case "403":
                fault_body = {"fault": {"faultstring": "Access denied", "detail": {}}}
                return web.json_response(fault_body, status=403)
            case "dead_payment":
                return self._dead_payment()
            case "key_in_progress":
                return self._refuse(409, "A request with this key is being processed.")
            case "key_in_progress_400":
                return self._refuse(400, "The idempotency key is in use.")
            case "page":
                return web.Response(status=400, text="<html>Bad gateway page</html>")
            case "page_403":
                return web.Response(status=403, text="<html>Access Denied</html>")
            case "page_before":
                return web.Response(status=404, text="<html>Not here</html>")
            case "refused":
                words = "Could not find working sku from SSF ingredients"
                return self._refuse(400, words, code="030002")
            case "not_found":  # a gateway's words about a path, not USPS's about a label
                return self._refuse(404, "Resource not found")
            case "past_day":
                words = "cannot be in the past or more than 45 days in the future"
                return self._refuse(400, words, code="160001")
            case "not_enrolled":
                words = "Must be enrolled in USPS Ship Outbound in order to create labels"
                return self._refuse(400, words, code="160302")
            case "no_funds":
                words = "Your Trust balance has insufficient funds."
                return self._refuse(400, words, code="100007")
            case "no_crid":
                body = {"body": "CRID isn't enrolled in USPS Ship Outbound", "roles": []}
                return web.json_response(body, status=400)
            case "limit":
                words = "This label has reached the reprint limit of 3 reprints"
                return self._refuse(400, words, code="160382")
            case "past":
                words = "Labels past their mailingDate are unavailable for reprint"
                return self._refuse(400, words, code="160381")
        raise AssertionError(fault)

    async def _later(self, request: web.Request, body: Any, raw: bytes, work: Any) -> None:
        await asyncio.sleep(self.late_s)
        work(request, body, raw)

    def _next_fault(self, call: str) -> str | None:
        waiting = self._faults.get(call) or []
        for place, (kind, times, skip, every) in enumerate(waiting):
            if skip:
                waiting[place] = (kind, times, skip - 1, every)
                continue
            waiting[place] = (kind, times - 1, every - 1, every)
            if times <= 1:
                del waiting[place]
            return kind
        return None

    def _reset(self, request: web.Request) -> web.StreamResponse:
        transport = request.transport
        if transport is not None:
            sock = transport.get_extra_info("socket")
            sock.setsockopt(1, 13, struct.pack("ii", 1, 0))  # SO_LINGER of 0: a reset
            transport.abort()
        return web.Response()

    async def _half(self, request: web.Request, body: bytes) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"Content-Length": str(len(body))})
        await answer.prepare(request)
        await answer.write(body[: len(body) // 2])
        return self._reset(request)

    def _send(self, request: web.Request, status: int, body: Any) -> web.Response:
        if self.keep_seen:
            self.answered.append((request.method, request.path, status, body))
        if self.multipart and isinstance(body, dict) and "labelImage" in body:
            return _in_parts(status, body)
        answer = web.json_response(body, status=status)
        one = body[0] if isinstance(body, list) and body else body
        if isinstance(one, dict) and "confirmationNumber" in one:
            answer.headers["ETag"] = self.pickups[one["confirmationNumber"]]["tag"]
        return answer

    def _refuse(
        self, status: int, words: str, *, code: str = "", title: str = "Bad Request"
    ) -> web.Response:
        return web.json_response(_error(status, words, code=code, title=title), status=status)

    # -- tokens ------------------------------------------------------------------------------------

    def _token(self, request: web.Request, body: Any, raw: bytes) -> tuple[int, Any]:
        wanted = {"client_id": CLIENT, "client_secret": SECRET, "grant_type": "client_credentials"}
        if body != wanted:
            return 401, {
                "error": "invalid_client",
                "error_description": "Invalid client credentials",
                "error_uri": "",
            }
        token = f"eyJ.{uuid.uuid4().hex}.sig"
        self._tokens.add(token)
        return 200, {
            "access_token": token,
            "token_type": "Bearer",
            "issued_at": "1764400000000",
            "expires_in": self.token_life,
            "status": "approved",
            "scope": "labels prices payments addresses",
        }

    def _payment(self, request: web.Request, body: Any, raw: bytes) -> tuple[int, Any]:
        roles = {role.get("roleName"): role for role in body.get("roles", ())}
        if "PAYER" not in roles:
            return 400, _error(400, "PAYER is required", code="160228")
        if "LABEL_OWNER" not in roles:
            return 400, _error(400, "LABEL_OWNER is required", code="160229")
        owner = roles["LABEL_OWNER"]
        if roles["PAYER"].get("accountNumber") != ACCOUNT:
            return 400, _error(400, "Could not find an EPS Account.", code="100001")
        if owner.get("CRID") != CRID or not owner.get("MID") or not owner.get("manifestMID"):
            return 400, _error(400, "LABEL_OWNER requires MID", code="160221")
        token = f"pay.{uuid.uuid4().hex}"
        self._payments.add(token)
        return 200, {"paymentAuthorizationToken": token, "roles": body["roles"]}

    # -- prices ------------------------------------------------------------------------------------

    def _prices(self, request: web.Request, body: Any, raw: bytes) -> tuple[int, Any]:
        abroad = "destinationCountryCode" in body
        if not abroad and body["destinationZIPCode"][:3] == "000":
            return 400, {
                "apiVersion": "/prices/v3",
                "error": {
                    "code": "400",
                    "message": "Could not find zone from provided ZIPs, date, and mail class",
                    "errors": [],
                },
            }
        classes = sorted(_ABROAD) if abroad else body["mailClasses"]
        options = [o for name in classes for o in self._rated(name, body, abroad=abroad)]
        return 200, {"rateOptions": [o for o in options if o is not None]}

    def _options(self, request: web.Request, body: Any, raw: bytes) -> tuple[int, Any]:
        parcel = body["packageDescription"]
        asked = {
            **parcel,
            "originZIPCode": body["originZIPCode"],
            "destinationZIPCode": body["destinationZIPCode"],
            "itemValue": parcel.get("packageValue"),
        }
        shipping = []
        for name in _CLASSES:
            if name in _ABROAD:
                continue
            days = self._days_of(name, body["originZIPCode"], body["destinationZIPCode"])
            on = dt.date.fromisoformat(parcel["mailingDate"][:10]) + dt.timedelta(days=days)
            commitment = {
                "name": f"{days} Day{'s' * (days > 1)}",
                "scheduleDeliveryDate": on.isoformat(),
                "guaranteedDelivery": False,
            }
            found = [
                {"commitment": commitment, **option}
                for option in self._rated(name, asked, abroad=False)
            ]
            shipping.append({"mailClass": name, "rateOptions": found})
        pricing = {"shippingOptions": shipping, "priceType": "COMMERCIAL"}
        return 200, {
            "originZIPCode": body["originZIPCode"],
            "destinationZIPCode": body["destinationZIPCode"],
            "pricingOptions": [pricing],
        }

    def _zone_of(self, origin: str, destination: str) -> str:
        if self.by_distance:
            return f"0{1 + min(7, abs(int(origin[0]) - int(destination[0])))}"
        return _zone(origin, destination)

    def _days_of(self, name: str, origin: str, destination: str) -> int:
        if self.by_distance and name == "USPS_GROUND_ADVANTAGE":
            return min(5, 2 + int(self._zone_of(origin, destination)) // 2)
        return _DAYS[name]

    def _rated(self, name: str, asked: Any, *, abroad: bool) -> list[dict[str, Any]]:
        """Return the options of one class: those of a plain box, and those that it is not."""
        sides = sorted(
            (Decimal(str(asked[s])) for s in ("length", "width", "height")), reverse=True
        )
        weight = Decimal(str(asked["weight"]))
        if weight > 70 or (name.startswith("FIRST-CLASS") and weight > 4):
            return []
        zone = (
            "01" if abroad else self._zone_of(asked["originZIPCode"], asked["destinationZIPCode"])
        )
        plain = "DR" if sides[0] * sides[1] * sides[2] > 1728 and not abroad else _CLASSES[name][1]
        category = "MACHINABLE" if sides[0] <= 22 and weight <= 25 else "NONSTANDARD"
        entry = "NONE"
        found = [self._option(name, plain, category, entry, sides, weight, zone, asked)]
        if not abroad:  # cheaper ones that a plain box cannot have
            for other in (("5D", "DESTINATION_DELIVERY_UNIT"), ("P5", "NONE")):
                one = self._option(name, other[0], category, other[1], sides, weight, zone, asked)
                one["totalBasePrice"] -= 1
                one["rates"][0]["price"] -= 1
                found.append(one)
        if name == "PRIORITY_MAIL":
            for code, price in _FLAT.items():
                one = self._option(name, code, "MACHINABLE", entry, sides, weight, zone, asked)
                one["rates"][0] |= {"price": float(price), "fees": []}
                one["totalBasePrice"] = float(price)
                found.append(one)
        return found

    def _option(
        self, name: str, indicator: str, category: str, entry: str, sides: Any, weight: Decimal,
        zone: str, asked: Any,
    ) -> dict[str, Any]:  # fmt: skip
        postage = self._postage(name, weight, zone, indicator, sides)
        fees = _fees(sides)
        total = postage + sum(Decimal(str(fee["price"])) for fee in fees)
        codes = _extras(name, asked.get("itemValue"))
        return {
            "totalBasePrice": float(total),
            "rates": [
                {
                    "SKU": "DUXP0XXXUC01080",
                    "description": f"{name} {category}",
                    "priceType": "COMMERCIAL",
                    "price": float(postage),
                    "weight": float(weight),
                    "dimWeight": 0,
                    "fees": fees,
                    "startDate": "2026-07-12",
                    "endDate": "",
                    "mailClass": name,
                    "zone": zone,
                    "processingCategory": category,
                    "rateIndicator": indicator,
                    "destinationEntryFacilityType": entry,
                }
            ],
            "extraServices": [
                {"extraService": str(code), "name": str(code), "SKU": "DXX", "price": float(price)}
                for code, price in codes.items()
            ],
        }

    def _postage(
        self, name: str, weight: Decimal, zone: str, indicator: str, sides: Any
    ) -> Decimal:
        if indicator in _FLAT and name == "PRIORITY_MAIL":
            return Decimal(_FLAT[indicator]) + self.dearer
        step = (
            (weight * 16).to_integral_value(ROUND_CEILING) / 16
            if weight < 1 and name == "USPS_GROUND_ADVANTAGE"
            else weight.to_integral_value(ROUND_CEILING)
        )
        if indicator == "DR":
            step = max(
                step, (sides[0] * sides[1] * sides[2] / 139).to_integral_value(ROUND_CEILING)
            )
        base = _CLASSES[name][0] + Decimal("0.55") * step + Decimal("0.31") * int(zone)
        return base.quantize(Decimal("0.01")) + self.dearer

    # -- labels ------------------------------------------------------------------------------------

    def _label(self, request: web.Request, body: Any, raw: bytes) -> tuple[int, Any]:
        abroad = "international" in request.path
        key = request.headers.get("x-idempotency-key", "")
        if not re.fullmatch(r"[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}", key):
            self.objections.append(f"a label without a key: {key!r}")
        digest = hashlib.sha256(raw).hexdigest()
        status = 201 if abroad else 200
        if self.honors_keys:
            known = self._db.execute(
                "select digest, number from sold where key = ?", (key,)
            ).fetchone()
            if known is not None:
                if known[0] != digest:
                    self.objections.append(f"other bytes under the key {key}")
                    words = "The idempotency key was used with another payload."
                    return 400, _error(400, words)
                return status, self._drawn(known[1], body)
        if (refusal := self._refused_label(body, abroad=abroad)) is not None:
            return 400, refusal
        (count,) = self._db.execute("select count(*) from sold").fetchone()
        number = _international_number(count + 1) if abroad else _impb(count + 1)
        charged = self._charged(body)
        references = body["packageDescription"].get("customerReference") or [{}]
        order = references[0].get("referenceNumber", "")
        self._db.execute(
            "insert into sold values (?, ?, ?, ?, 'sold', ?, 0, ?, ?)",
            (key, digest, number, order, int(charged * 100), json.dumps(body), int(abroad)),
        )
        return status, self._drawn(number, body)

    def _refused_label(self, body: Any, *, abroad: bool) -> Any:
        parcel, image, to = body["packageDescription"], body["imageInfo"], body["toAddress"]
        if unknown := set(body) - _TOP:
            self.objections.append(f"label: unknown {sorted(unknown)}")
        for field, most in (("streetAddress", 50), ("secondaryAddress", 50), ("city", 28),
                            ("firm", 50), ("firstName", 50), ("lastName", 50)):  # fmt: skip
            for end in ("toAddress", "fromAddress"):
                if len(body[end].get(field) or "") > most:
                    self.objections.append(f"{end}.{field} is too long")
        if image.get("receiptOption") != "NONE" and not abroad:
            self.objections.append("a receipt is asked for, or left to USPS")
        named = [bool(end.get("firm") or (end.get("firstName") and end.get("lastName")))
                 for end in (to, body["fromAddress"])]  # fmt: skip
        if not all(named):
            return _error(400, "firstName and lastName or firm are required", code="160075")
        name = parcel["mailClass"]
        if name not in _CLASSES or (name in _ABROAD) != abroad:
            return _error(400, "mailClass is not valid", code="030002")
        plain = parcel["rateIndicator"] in {"SP", "PA", "DR", *_FLAT}
        if not plain or parcel["destinationEntryFacilityType"] != "NONE":
            words = "Could not find working sku from SSF ingredients"
            return _error(400, words, code="030002")
        if parcel["weight"] > 70:
            return _error(400, "weight is over the limit", code="160098")
        day = dt.date.fromisoformat(parcel["mailingDate"])
        today = dt.datetime.now(dt.UTC).date()
        if not -2 <= (day - today).days <= 45:
            words = "cannot be in the past or more than 45 days in the future"
            return _error(400, words, code="160001")
        extras = parcel.get("extraServices") or []
        value = (parcel.get("packageOptions") or {}).get("packageValue")
        if {930, 931, 925} & set(extras) and not value:
            return _error(400, "packageValue is required with insurance", code="160017")
        if set(extras) - set(_extras(name, value)):
            return _error(400, "an unsupported combination", code="160010")
        form = body.get("customsForm")
        if not abroad and to["state"] in _FORM_STATES and form is None:
            return _error(400, "Military ZIP Code requires a customs form", code="160120")
        if form is not None and not abroad:
            if not body["fromAddress"].get("firm"):
                words = "firm is required in From Address for labels with customs form."
                return _error(400, words, code="160023")
            if len(parcel.get("customerReference") or ()) > 2:
                words = "customer reference #3 cannot be used with a customs form"
                return _error(400, words, code="160315")
        if not abroad and to["state"] in {"AA", "AE", "AP"}:
            for codes, code in (({931}, "160025"), ({922}, "160026"), ({921}, "160130")):
                if codes & set(extras):
                    return _error(400, f"ExtraService: {codes} is not valid at APO", code=code)
        if form is not None and image["imageType"] not in ("PDF", "TIFF", "ZPL203DPI"):
            return _error(400, "imageType is not valid with a customs form", code="160024")
        if form is not None:
            weight = sum(item["itemTotalWeight"] for item in form["contents"])
            if weight > parcel["weight"] + 0.001:
                return _error(400, "items weigh more than the parcel", code="160021")
        return None

    def _charged(self, body: Any) -> Decimal:
        parts = self._charges(body)
        extras = sum(Decimal(str(extra["price"])) for extra in parts[2])
        return parts[0] + sum(Decimal(str(fee["price"])) for fee in parts[1]) + extras

    def _charges(self, body: Any) -> tuple[Decimal, list[Any], list[Any]]:
        parcel = body["packageDescription"]
        sides = sorted(
            (Decimal(str(parcel[s])) for s in ("length", "width", "height")), reverse=True
        )
        abroad = parcel["mailClass"] in _ABROAD
        zone = (
            "01"
            if abroad
            else self._zone_of(body["fromAddress"]["ZIPCode"], body["toAddress"]["ZIPCode"])
        )
        weight = Decimal(str(parcel["weight"]))
        name, indicator = parcel["mailClass"], parcel["rateIndicator"]
        postage = self._postage(name, weight, zone, indicator, sides)
        fees = [] if indicator in _FLAT else _fees(sides)
        value = (parcel.get("packageOptions") or {}).get("packageValue")
        prices = _extras(name, value)
        extras = [
            {"name": str(code), "SKU": "DXX", "price": float(prices[code])}
            for code in parcel.get("extraServices") or ()
        ]
        return postage, fees, extras

    def _drawn(self, number: str, body: Any) -> dict[str, Any]:
        """Return the answer about a label: postage, fees and extras apart, as recorded."""
        parcel, to = body["packageDescription"], dict(body["toAddress"])
        postage, fees, extras = self._charges(body)
        image = label_file(number, body["imageInfo"]["imageType"])
        common = {
            "SKU": "DUXP0XXXUC01080",
            "postage": float(postage),
            "fees": fees,
            "weightUOM": "lb",
            "weight": parcel["weight"],
            "mailingDate": parcel["mailingDate"],
            "labelImage": base64.b64encode(image).decode(),
        }
        if parcel["mailClass"] in _ABROAD:
            names = [
                {"serviceID": e["name"], "serviceName": e["name"], "price": e["price"]}
                for e in extras
            ]
            return {
                **common,
                "labelAddress": to,
                "internationalTrackingNumber": number,
                "constructCode": "I01",
                "extraServices": names,
                "dimensionalWeight": "0.0",
            }
        if to["ZIPCode"] in self.moves:
            to["city"], to["ZIPCode"] = self.moves[to["ZIPCode"]]
        return {
            **common,
            "labelAddress": to,
            "routingInformation": f"420{to['ZIPCode']}",
            "trackingNumber": number,
            "constructCode": "C03",
            "extraServices": extras,
            "serviceTypeCode": "001",
            "zone": self._zone_of(body["fromAddress"]["ZIPCode"], body["toAddress"]["ZIPCode"]),
            "dimensionalWeight": 0.0,
            "bannerText": "USPS TRACKING # USPS Ship",
        }

    def _reprint(self, request: web.Request, body: Any, raw: bytes) -> tuple[int, Any]:
        key = request.headers.get("x-idempotency-key", "")
        row = self._db.execute(
            "select number, state, reprints, body from sold where key = ?", (key,)
        ).fetchone()
        if row is None or not self.honors_keys:
            words = "Tracking number not found for a mailing date within the last 45 days"
            return 400, _error(400, words, code="160378")
        number, state, reprints, sold = row
        if state != "sold":
            code = "160379" if state == "canceled" else "160380"
            return 400, _error(400, f"{state} labels are unavailable for reprint", code=code)
        if reprints >= 3:
            words = "This label has reached the reprint limit of 3 reprints"
            return 400, _error(400, words, code="160382")
        self._db.execute("update sold set reprints = reprints + 1 where number = ?", (number,))
        bought = json.loads(sold)
        bought["imageInfo"] = {**bought["imageInfo"], **body["imageInfo"]}
        drawn = self._drawn(number, bought)
        image = drawn.pop("labelImage")
        info = {"reprintNumber": reprints + 1, "reprintLimit": 3}
        return 200, {"labelMetadata": drawn, "labelImage": image, "reprintInfo": info}

    def _cancel(self, request: web.Request, body: Any, raw: bytes) -> tuple[int, Any]:
        number = request.match_info["number"]
        row = self._db.execute(
            "select state, abroad from sold where number = ?", (number,)
        ).fetchone()
        if row is None or row[1] != int("international" in request.path):
            return 400, _error(400, "Order not found", code="160185")
        if row[0] == "canceled":
            return 400, _error(400, "Order already canceled", code="160186")
        if self.form_of(number) is not None:
            words = "Labels associated with a scan form cannot be canceled"
            return 400, _error(400, words, code="160174")
        if row[0] == "disputed":
            words = "A refund request for this order has already been submitted today"
            return 400, _error(400, words)
        state = "disputed" if self.disputes else "canceled"
        self._db.execute("update sold set state = ? where number = ?", (state, number))
        answer = {"trackingNumber": number, "status": state.upper()}
        return 200, answer | ({"disputeId": "103789"} if self.disputes else {})

    # -- SCAN forms --------------------------------------------------------------------------------

    def form_of(self, number: str) -> str | None:
        """Return the form that a label is on."""
        row = self._db.execute("select efn from forms where number = ?", (number,)).fetchone()
        return None if row is None else str(row[0])

    def _scan_form(self, request: web.Request, body: Any, raw: bytes) -> tuple[int, Any]:
        day = dt.date.fromisoformat(body["mailingDate"])
        today = dt.datetime.now(dt.UTC).date()
        if not -1 <= (day - today).days <= 30:
            words = "cannot be in the past or more than 30 days in the future"
            return 400, _error(400, words, code="160034")
        origin = body["fromAddress"]
        if not (origin.get("firm") or (origin.get("firstName") and origin.get("lastName"))):
            words = "must provide either first and last name or firm"
            return 400, _error(400, words, code="160168")
        numbers = body["shipment"]["trackingNumbers"]
        wrong = [each for number in numbers for each in self._unfit(number, body)]
        if wrong:
            whole = _error(400, "")
            whole["error"]["errors"] = [
                {"title": "Bad Request", "detail": words, "code": code, "source": {}}
                for code, words in wrong
            ]
            return 400, whole
        efn = f"9475{MID}{len({row[0] for row in self._db.execute('select efn from forms')}):09}"
        paper = base64.b64encode(label_file(efn, "PDF")).decode()
        rows = [(number, efn, paper) for number in numbers]
        self._db.executemany("insert into forms values (?, ?, ?)", rows)
        return 200, {
            **body,
            "manifestNumber": efn,
            "trackingNumbers": numbers,
            "SCANFormImage": paper,
        }

    def _unfit(self, number: str, body: Any) -> list[tuple[str, str]]:
        """Return why a label cannot be on a form, in USPS's words."""
        query = "select state, body from sold where number = ?"
        row = self._db.execute(query, (number,)).fetchone()
        if row is None:
            return [("160039", f"barcode {number} does not exist")]
        if (efn := self.form_of(number)) is not None:
            words = f"barcode {number} is already part of another SCAN Form with efn {efn}"
            return [("160040", words)]
        if row[0] == "canceled":
            words = "has been canceled and is not eligible to be added to a SCAN Form"
            return [("160397", f"barcode {number} {words}")]
        label = json.loads(row[1])
        mailed, code = label["packageDescription"]["mailingDate"], label["fromAddress"]["ZIPCode"]
        if mailed != body["mailingDate"] and not body["overwriteMailingDate"]:
            words = f"does not match SCAN Form request mailing date {body['mailingDate']}"
            return [("160006", f"barcode {number} with mailing date {mailed} {words}")]
        if code != body["entryFacilityZIPCode"]:
            words = f"does not match SCAN Form request zip {body['entryFacilityZIPCode']}"
            return [("160161", f"barcode {number} with zip {code} {words}")]
        return []

    # -- carrier pickup ----------------------------------------------------------------------------

    def _eligible(self, request: web.Request, body: Any, raw: bytes) -> tuple[int, Any]:
        if "NOWHERE" in request.query["streetAddress"].upper():
            return 400, _error(400, "Invalid pickup location.", code="020004")
        return 200, {
            "firstName": "Dana",
            "lastName": "Ortiz",
            "address": dict(request.query),
            "contact": [{"email": "dana@example.com"}],
        }

    def _pickup(self, request: web.Request, body: Any, raw: bytes) -> tuple[int, Any]:
        day = dt.date.fromisoformat(body["pickupDate"])
        today = dt.datetime.now(dt.UTC).date()
        if day < today - dt.timedelta(days=1):
            return 400, _error(400, "Pickup date is in the past.", code="020009")
        if day > today + dt.timedelta(days=366):
            words = "Pickups can only be scheduled one year in the future."
            return 400, _error(400, words, code="020010")
        if day.weekday() == 6:
            words = "Pickup Request cannot be scheduled on requested day."
            return 400, _error(400, words, code="020011")
        where = body["pickupLocation"]
        if where["packageLocation"] == "OTHER" and not where.get("specialInstructions"):
            words = "Pickup location of Other requires additional information in comments."
            return 400, _error(400, words, code="020020")
        address = body["pickupAddress"]["address"]
        key = (address["streetAddress"].upper(), body["pickupDate"])
        if any(each["key"] == key for each in self.pickups.values()):
            return 400, _error(400, "Pickup already exists for this address.", code="020001")
        number = f"WTC{65035594 + len(self.pickups)}"
        self.pickups[number] = {"key": key, "body": body, "tag": uuid.uuid4().hex}
        return 200, self._shown(number)

    def _shown(self, number: str) -> dict[str, Any]:
        body = self.pickups[number]["body"]
        return {
            "confirmationNumber": number,
            "pickupDate": body["pickupDate"],
            "carrierPickupRequest": body,
        }

    def _one_pickup(self, request: web.Request, body: Any, raw: bytes) -> tuple[int, Any]:
        number = request.match_info["number"]
        if number not in self.pickups:
            return 400, _error(400, "Case number not found.", code="020015")
        return 200, [self._shown(number)]

    def _cancel_pickup(self, request: web.Request, body: Any, raw: bytes) -> tuple[int, Any]:
        number = request.match_info["number"]
        if number not in self.pickups:
            return 400, _error(400, "Case number not found.", code="020015")
        if request.headers.get("If-Match") != self.pickups[number]["tag"]:
            return 412, _error(412, "Precondition failed.")
        del self.pickups[number]
        return 200, {}

    # -- the rest ----------------------------------------------------------------------------------

    def _standards(self, request: web.Request, body: Any, raw: bytes) -> tuple[int, Any]:
        asked = request.query
        days = "" if asked["destinationZIPCode"] == "00000" else str(_DAYS[asked["mailClass"]])
        delivery: dict[str, Any] = {"guaranteedDelivery": False}
        if days:
            on = dt.date.fromisoformat(asked["acceptanceDate"]) + dt.timedelta(days=int(days))
            delivery["scheduledDeliveryDateTime"] = f"{on}T18:00:00"
        return 200, [
            {
                "mailClass": asked["mailClass"],
                "destinationType": "STREET",
                "acceptanceDateTime": f"{asked['acceptanceDate']}T08:00:00",
                "cutOffTime": "1700",
                "serviceStandard": days,
                "serviceStandardMessage": f"{days} Days" if days else "",
                "delivery": delivery,
            }
        ]

    def _address(self, request: web.Request, body: Any, raw: bytes) -> tuple[int, Any]:
        asked = request.query
        street = asked["streetAddress"].upper()
        if "NOWHERE" in street:
            return 400, _error(400, "Address Not Found", code="010005")
        if asked.get("ZIPCode") == "00000":  # recorded without a code of its own
            return 400, _error(400, "Invalid Zip Code.", title="Bad request")
        confirmed = "D" if "APARTMENTS" in street else "N" if "HOLLOW" in street else "Y"
        address = {
            "streetAddress": street.replace("STREET", "ST"),
            "city": (asked.get("city") or "AUSTIN").upper(),
            "state": asked["state"],
            "ZIPCode": asked.get("ZIPCode") or "73301",
            "ZIPPlus4": "1234",
        }
        more = {"DPVConfirmation": confirmed, "business": "N" if "OAK" in street else "Y"}
        matches = [{"code": "31", "text": "Single Response - exact match"}]
        return 200, {"address": address, "additionalInfo": more, "matches": matches}

    def _tracking(self, request: web.Request, body: Any, raw: bytes) -> tuple[int, Any]:
        number = request.match_info["number"]
        if self.unscanned:
            words = "A status update is not yet available for your package."
            return 404, _error(404, words, code="150009")
        if number in self.scans:
            return 200, {"trackingNumber": number, **self.scans[number]}
        return 200, {
            "trackingNumber": number,
            "mailClass": "USPS Ground Advantage<SUP>&#153;</SUP>",
            "statusCategory": "Accepted",
            "statusSummary": "Your item was accepted at 9:30 am in <b>HOUSTON</b>, TX.",
            "proofOfDeliveryEnabled": "false",
            "expectedDeliveryTimeStamp": "2026-12-01T21:00:00",
            "trackingEvents": [
                {
                    "eventType": "USPS in possession of item",
                    "eventTimestamp": "2026-11-28T09:30:00",
                    "eventCity": "HOUSTON",
                    "eventState": "TX",
                    "eventCode": "03",
                }
            ],
        }

    async def _set_fault(self, request: web.Request) -> web.Response:
        wanted = await request.json()
        self.fault(
            wanted["call"],
            wanted["kind"],
            times=wanted.get("times", 1),
            skip=wanted.get("skip", 0),
            every=wanted.get("every", 1),
        )
        return web.Response()

    async def _books(self, request: web.Request) -> web.Response:
        return web.json_response({"sold": self.sold(), "objections": self.objections[:20]})


def _error(status: int, words: str, *, code: str = "", title: str = "Bad Request") -> Any:
    one: dict[str, Any] = {"title": title, "detail": words, "source": {"parameter": ""}}
    if code:
        one["code"] = code
    return {
        "apiVersion": "v3",
        "error": {"code": str(status), "message": "Bad Request", "errors": [one]},
    }


def _cut(whole: web.Response) -> web.Response:
    headers = {"content-type": whole.headers["content-type"]}
    return web.Response(status=whole.status, body=whole.body[:-40], headers=headers)


def _in_parts(status: int, body: dict[str, Any]) -> web.Response:
    """Return an answer in parts, with the headers that were recorded: the image claims gzip."""
    metadata = body.get("labelMetadata") or {n: v for n, v in body.items() if n != "labelImage"}
    mark = "4c6a8f1c-2d3b-4f7e-9a10"
    image = body["labelImage"] or ""
    disposition = 'Content-Disposition: form-data; name="labelMetadata"'
    parts = [
        f"{disposition}\r\nContent-Type: application/json\r\n\r\n{json.dumps(metadata)}",
    ]
    if image:
        parts.append(
            "Content-Type: application/pdf\r\nContent-Disposition: form-data; "
            'filename="labelImage.pdf"; name="labelImage"\r\nContent-Encoding: gzip'
            f"\r\n\r\n{image}"
        )
    text = "".join(f"--{mark}\r\n{part}\r\n" for part in parts) + f"--{mark}--\r\n"
    headers = {"content-type": f"multipart/form-data; boundary={mark}"}
    return web.Response(status=status, body=text.encode(), headers=headers)


def _zone(origin: str, destination: str) -> str:
    """Return a zone of two ZIP3s, 1 to 8; some islands have one of their own by all five digits."""
    if destination.startswith("969"):
        return "09"
    return f"0{1 + (int(origin[:3]) * 7 + int(destination[:3])) % 8}"


def _fees(sides: Any) -> list[dict[str, Any]]:
    fees = []
    if sides[0] > 22:
        fees.append({"name": "Nonstandard Length > 22", "SKU": "D811XUXXXXX0000", "price": 4.0})
    if sides[0] * sides[1] * sides[2] > 2 * 1728:
        fees.append({"name": "Nonstandard Volume > 2 cu ft", "SKU": "D813XUXXX", "price": 18.0})
    return fees


def _extras(name: str, value: Any) -> dict[int, Decimal]:
    amount = Decimal(str(value or 0))
    insurance = Decimal("2.60") + amount / 100
    insurance = insurance.quantize(Decimal("0.01"))
    insured = {930 if amount <= 500 else 931: insurance} if amount else {}
    if name in _ABROAD:
        return {} if name.startswith("FIRST-CLASS") else insured
    if name == "PRIORITY_MAIL_EXPRESS":
        extras = {986: Decimal(0), 981: Decimal("3.95"), 922: Decimal("9.75")}
        return extras | ({925: insurance} if amount else {})
    extras = {920: Decimal(0), 921: Decimal("4.15")} | insured
    if name not in ("MEDIA_MAIL", "LIBRARY_MAIL"):
        extras[922] = Decimal("9.75")
    return extras


def _impb(serial: int) -> str:
    """Return a number of 22 digits with its check digit: mod 10, weights 3 and 1 from the right."""
    body = f"92001{MID}{serial:07}"
    total = sum(int(digit) * (3 if i % 2 == 0 else 1) for i, digit in enumerate(reversed(body)))
    return f"{body}{-total % 10}"


def _international_number(count: int) -> str:
    """Return a number of UPU's standard S10."""
    serial = f"{count:08}"
    total = sum(int(d) * w for d, w in zip(serial, (8, 6, 4, 2, 3, 5, 9, 7), strict=True))
    check = 11 - total % 11
    digit = {10: 0, 11: 5}.get(check, check)
    return f"LZ{serial}{digit}US"


def label_file(number: str, kind: str) -> bytes:
    """Return the bytes of one label: whole, and different for each number."""
    if kind.startswith("ZPL"):
        return f"^XA^FO50,50^A0N,50,50^FD{number}^FS^XZ".encode()
    if kind == "PDF":
        return f"%PDF-1.4\n% {number}\ntrailer <<>>\n%%EOF\n".encode()
    if kind == "GIF":
        return b"GIF89a" + number.encode() + b"\x00;"
    rows = b"".join(b"\0" + bytes(i % 7 for i in range(100)) for _ in range(150))

    def chunk(tag: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + tag + data + struct.pack(">I", zlib.crc32(tag + data))

    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", 100, 150, 8, 0, 0, 0, 0))
        + chunk(b"tEXt", b"number\0" + number.encode())
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--latency", type=float, default=0.0)
    parser.add_argument("--late", type=float, default=0.3)
    parser.add_argument("--books", default=":memory:")
    parser.add_argument("--dearer", type=Decimal, default=Decimal(0), help="added to every price")
    parser.add_argument("--by-distance", action="store_true", help="zones and days of Ground")
    options = parser.parse_args()
    server = UspsServer(options.books, latency_s=options.latency)
    server.late_s, server.keep_seen = options.late, False
    server.dearer, server.by_distance = options.dearer, options.by_distance
    server.start(options.port)
    print(server.port, flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main()
