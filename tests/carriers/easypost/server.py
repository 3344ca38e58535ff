"""An EasyPost server on loopback for tests: real HTTP, books that survive a kill, faults on demand.

It shares no module with shipkit: what it believes about EasyPost comes from the recordings and the
documents. What EasyPost refuses it refuses, and a request with a field that neither has is noted in
`objections` (EasyPost itself ignores it without an error).

    server = EasyPostServer().start()
    server.fault("buy", "reset_after", times=1)
    ...
    server.stop()

Faults by call: "create", "buy", "get", "rerate", "refund", "order", "order_buy", "address",
"users", "tracker", "file", "scan_form", "scan_forms",
"batch", "pickup", "pickup_get", "pickup_buy", "pickup_cancel".

As a process of its own: ``python server.py [--latency 0.1]
[--books FILE]``.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import sqlite3
import struct
import threading
import uuid
import zlib
from collections import Counter
from contextlib import closing
from decimal import Decimal
from typing import Any

from aiohttp import web

KEY = "EZTK_key_of_the_tests"
LIVE_KEY = "EZAK_key_of_the_tests"
USER = "user_0e95f038c18f432fbc50f84855dc20c6"

FAULTS = {
    "reset_before": "the connection is reset, nothing was done",
    "reset_after": "the connection is reset after the work was done",
    "503_before": "503 with a page, nothing was done",
    "503_after": "503 with a page after the work was done",
    "500_json": "500 with EasyPost's error body, nothing was done",
    "502_after": "502 without a body after the work was done",
    "504_after": "504 after the work was done",
    "hang": "no answer; nothing was done",
    "hang_after": "no answer after the work was done",
    "late_work": "no answer; the work is done after `late_s`",
    "half": "the work was done, half the answer is sent, then the connection ends",
    "garbled": "200 and not JSON, the work was done",
    "hollow": "200 and {}, the work was done",
    "empty": "200 without a body, the work was done",
    "429": "429, nothing was done",
    "429_retry": "429 with Retry-After: 1, nothing was done",
    "401": "401 UNAUTHORIZED, nothing was done",
    "403": "403 APIKEY.INACTIVE, nothing was done",
    "402": "402 PAYMENT_REQUIRED, nothing was done",
    "in_progress": "SHIPMENT.PURCHASE.IN_PROGRESS; the work is done after `late_s`",
    "in_progress_never": "SHIPMENT.PURCHASE.IN_PROGRESS, and nothing is done",
    "no_response": "SHIPMENT.POSTAGE.NO_RESPONSE after the work was done",
    "timed_out": "SHIPMENT.POSTAGE.TIMED_OUT, nothing was done",
    "timed_out_after": "SHIPMENT.POSTAGE.TIMED_OUT after the work was done",
    "unknown_code": "422 with a code that nobody knows, after the work was done",
    "failure": "SHIPMENT.POSTAGE.FAILURE, nothing was done",
    "rates_gone": "SHIPMENT.RATES.UNAVAILABLE, nothing was done",
    "422_objects": "422 with errors as objects, nothing was done",
    "422_texts": "422 with errors as texts, nothing was done",
    "exists": "SHIPMENT.POSTAGE.EXISTS after the work was done",
    "no_number": "200 with a label and no tracking number; the number comes with the next GET",
    "no_url": "200 with a label without an address; it comes with the next GET",
    "part": "an order of which only the first parcel is bought",
    "404": "404 (of a file: not there yet)",
}
_CODES = {
    "in_progress": ("SHIPMENT.PURCHASE.IN_PROGRESS", "A purchase is in progress."),
    "in_progress_never": ("SHIPMENT.PURCHASE.IN_PROGRESS", "A purchase is in progress."),
    "no_response": ("SHIPMENT.POSTAGE.NO_RESPONSE", "The carrier did not answer."),
    "timed_out": ("SHIPMENT.POSTAGE.TIMED_OUT", "The carrier timed out."),
    "timed_out_after": ("SHIPMENT.POSTAGE.TIMED_OUT", "The carrier timed out."),
    "unknown_code": ("SHIPMENT.POSTAGE.SOMETHING_NEW", "Something new."),
    "failure": ("SHIPMENT.POSTAGE.FAILURE", "The carrier does not take this parcel."),
    "rates_gone": ("SHIPMENT.RATES.UNAVAILABLE", "The rate is no longer available."),
    "exists": ("SHIPMENT.POSTAGE.EXISTS", "Postage already exists for this shipment."),
}
_WORK_FIRST = frozenset(
    {
        "reset_after",
        "503_after",
        "502_after",
        "504_after",
        "hang_after",
        "half",
        "garbled",
        "hollow",
    }
    | {"empty", "no_response", "timed_out_after", "unknown_code", "exists"}
)
_SERVICES = (
    ("USPS", "GroundAdvantage", "5.93", 3, "easypost"),
    ("USPS", "Priority", "6.90", 2, "easypost"),
    ("USPS", "Express", "34.10", 1, "easypost"),
    ("UPS", "Ground", "9.41", 4, "carrier"),
    ("UPS", "2ndDayAir", "21.07", 2, "carrier"),
)
_ADDRESS = frozenset(
    [
        "name",
        "company",
        "street1",
        "street2",
        "city",
        "state",
        "zip",
        "country",
        "phone",
        "email",
        "residential",
        "id",
    ]
)
_PARCEL = frozenset(
    [
        "weight",
        "length",
        "width",
        "height",
        "predefined_package",
        "id",
    ]
)
_OPTIONS = frozenset(
    [
        "delivery_confirmation",
        "saturday_delivery",
        "label_date",
        "print_custom_1",
        "print_custom_2",
        "print_custom_3",
        "incoterm",
        "duty_payment",
        "invoice_number",
        "label_format",
        "label_size",
    ]
)
_SHIPMENT = frozenset(
    [
        "to_address",
        "from_address",
        "parcel",
        "options",
        "customs_info",
        "reference",
        "is_return",
        "carrier_accounts",
    ]
)
_ORDER = frozenset(
    [
        "to_address",
        "from_address",
        "shipments",
        "reference",
        "is_return",
        "carrier_accounts",
    ]
)
_CUSTOMS = frozenset(
    [
        "contents_type",
        "contents_explanation",
        "restriction_type",
        "restriction_comments",
        "customs_certify",
        "customs_signer",
        "eel_pfc",
        "non_delivery_option",
        "customs_items",
    ]
)
_ITEM = frozenset(
    [
        "description",
        "quantity",
        "value",
        "weight",
        "hs_tariff_number",
        "origin_country",
        "code",
        "currency",
    ]
)


class EasyPostServer:
    """The server.

    Parameters
    ----------
    books
        A SQLite file: what was sold is there before it is answered, and outlives the process.
    """

    def __init__(self, books: str = ":memory:", *, latency_s: float = 0.0) -> None:
        self.latency_s = latency_s
        self.late_s = 0.3
        self.mode = "test"
        self.insures = Decimal(0)
        self.insurance_rate, self.insurance_least = Decimal("0.005"), Decimal("0.50")
        self.label_fee = Decimal(0)
        self.echoes: frozenset[str] = _OPTIONS
        """Options that the answer repeats; others are ignored without an error."""
        self.takes_currencies = True
        """Whether the currency of customs items is in the answers, as the documents have it."""
        self.messages: list[dict[str, str]] = []
        self.silent: frozenset[str] = frozenset()
        """Carriers without rates."""
        self.silent_for: int | None = None
        """In how many ratings; None: in all. Afterwards `messages` is empty too."""
        self.currency = "USD"
        """Of every rate from now on."""
        self.dearer = Decimal(0)
        """Added to every rate from now on."""
        self.ounce_cents = 1
        self.moves: dict[str, str] = {}
        """Street as sent -> street as the answers have it."""
        self.scans: dict[str, dict[str, Any]] = {}
        """Tracking number -> what is said of a parcel that moved."""
        self.refund_state = "submitted"
        self.forms: list[dict[str, Any]] = []
        """Scan forms, the newest first."""
        self.batches: dict[str, dict[str, Any]] = {}
        self.pickups: dict[str, dict[str, Any]] = {}
        self.pickup_rates: tuple[tuple[str, str, str], ...] = (("USPS", "NextDay", "0.00"),)
        self.forms_wait = 0
        """How many looks a new form is `creating`."""
        self.form_fails: str | None = None
        self.form_refused: str | None = None
        """The message with which the next form fails."""
        self.calls: Counter[str] = Counter()
        self.seen: list[tuple[str, str, Any]] = []
        self.file_headers: list[dict[str, str]] = []
        self.keep_seen = True
        self.objections: list[str] = []
        self._path = books
        self._shipments: dict[str, dict[str, Any]] = {}
        self._orders: dict[str, dict[str, Any]] = {}
        self._hidden: dict[str, dict[str, Any]] = {}
        self._faults: dict[str, list[tuple[str, int, int, int]]] = {}
        self._hung: list[asyncio.Task[Any]] = []
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self.port = 0

    # -- life --------------------------------------------------------------------------------------

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self, port: int = 0) -> EasyPostServer:
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

    def sold(self) -> list[dict[str, Any]]:
        """Return every label that was sold: reference, shipment, number, whether it is refunded."""
        query = "select reference, shipment, number, refund from sold"
        if self._path == ":memory:":
            rows = self._db.execute(query).fetchall()
        else:
            with closing(sqlite3.connect(self._path)) as db:
                rows = db.execute(query).fetchall()
        return [
            {"reference": r, "shipment": s, "number": n, "refund": f or ""} for r, s, n, f in rows
        ]

    def numbers(self) -> Counter[str]:
        """Return how many labels stand for each reference (without the place of its parcel)."""
        return Counter(one["reference"] for one in self.sold() if not one["refund"])

    def _serve(self, port: int, ready: threading.Event) -> None:
        asyncio.run(self._main(port, ready))

    async def _main(self, port: int, ready: threading.Event) -> None:
        self._loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
        self._db = sqlite3.connect(self._path, check_same_thread=False, isolation_level=None)
        self._db.execute("pragma journal_mode=wal")
        self._db.execute("pragma synchronous=off")  # a killed process loses nothing by that
        self._db.execute(
            "create table if not exists objects (id text primary key, kind text, body text)"
        )
        self._db.execute(
            "create table if not exists sold (reference text, shipment text primary key, number "
            "text, refund text)"
        )
        for number, kind, body in self._db.execute("select id, kind, body from objects"):
            (self._orders if kind == "order" else self._shipments)[number] = json.loads(body)
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
        add = app.router.add_route
        for method, path, call, work in (
            ("POST", "/v2/shipments", "create", self._create),
            ("GET", "/v2/shipments/{id}", "get", self._get),
            ("POST", "/v2/shipments/{id}/buy", "buy", self._buy),
            ("POST", "/v2/shipments/{id}/rerate", "rerate", self._rerate),
            ("POST", "/v2/shipments/{id}/refund", "refund", self._refund),
            ("POST", "/v2/orders", "order", self._create_order),
            ("GET", "/v2/orders/{id}", "get", self._get_order),
            ("GET", "/v2/orders/{id}/rates", "rerate", self._get_order),
            ("POST", "/v2/orders/{id}/buy", "order_buy", self._buy_order),
            ("POST", "/v2/addresses", "address", self._address),
            ("GET", "/v2/trackers", "tracker", self._trackers),
            ("POST", "/v2/scan_forms", "scan_form", self._scan_form),
            ("GET", "/v2/scan_forms", "scan_forms", self._scan_forms),
            ("GET", "/v2/scan_forms/{id}", "scan_forms", self._one_form),
            ("POST", "/v2/batches", "batch", self._batch),
            ("GET", "/v2/batches/{id}", "batch", self._one_batch),
            ("POST", "/v2/pickups", "pickup", self._pickup),
            ("GET", "/v2/pickups/{id}", "pickup_get", self._one_pickup),
            ("POST", "/v2/pickups/{id}/buy", "pickup_buy", self._buy_pickup),
            ("POST", "/v2/pickups/{id}/cancel", "pickup_cancel", self._cancel_pickup),
            ("GET", "/v2/users", "users", self._users),
            ("GET", "/v2/carrier_accounts", "accounts", self._accounts),
            ("GET", "/v2/metadata/carriers", "metadata", self._metadata),
        ):
            add(method, path, self._handled(call, work))
        add("GET", "/files/{name}", self._file)
        add("POST", "/_fault", self._set_fault)
        add("GET", "/_books", self._books)
        return app

    # -- every request -----------------------------------------------------------------------------

    def _handled(self, call: str, work: Any) -> Any:
        async def handle(request: web.Request) -> web.StreamResponse:
            self.calls[call] += 1
            body = await request.json() if request.can_read_body else None
            if self.keep_seen:
                self.seen.append((request.method, request.path_qs, body))
            if self.latency_s:
                await asyncio.sleep(self.latency_s)
            if not self._known_key(request):
                return self._error(401, "UNAUTHORIZED", "Invalid API key.")
            fault = self._next_fault(call)
            if fault is None or fault in ("no_number", "no_url", "part"):
                return self._answer(*work(request, body, fault))
            return await self._suffer(fault, request, body, work)

        return handle

    def _known_key(self, request: web.Request) -> bool:
        sent = request.headers.get("authorization", "")
        if not sent.startswith("Basic "):
            return False
        user = base64.b64decode(sent[6:]).decode().partition(":")[0]
        return user == (KEY if self.mode == "test" else LIVE_KEY)

    async def _suffer(
        self, fault: str, request: web.Request, body: Any, work: Any
    ) -> web.StreamResponse:
        if fault in _WORK_FIRST:
            _status, answer = work(request, body, None)
        if fault in ("late_work", "in_progress"):
            self._hung.append(asyncio.create_task(self._later(request, body, work)))
        match fault:
            case "reset_before" | "reset_after":
                return self._reset(request)
            case "hang" | "hang_after" | "late_work":
                await asyncio.sleep(30)
                return self._reset(request)
            case "503_before" | "503_after":
                return web.Response(status=503, text="<html>Service unavailable</html>")
            case "500_json":
                return self._error(500, "INTERNAL_SERVER_ERROR", "Something went wrong.")
            case "502_after":
                return web.Response(status=502)
            case "504_after":
                return web.Response(status=504, text="<html>Gateway time-out</html>")
            case "half":
                return await self._half(request, json.dumps(answer).encode())
            case "garbled":
                return web.Response(text="<html>Welcome to the hotel</html>")
            case "hollow":
                return web.json_response({})
            case "empty":
                return web.Response(status=200)
            case "429":
                return self._error(429, "RATE_LIMITED", "Too many requests.")
            case "429_retry":
                found = self._error(429, "RATE_LIMITED", "Too many requests.")
                found.headers["retry-after"] = "1"
                return found
            case "401":
                return self._error(401, "UNAUTHORIZED", "Invalid API key.")
            case "403":
                return self._error(
                    403,
                    "APIKEY.INACTIVE",
                    "This api key is no longer active. Please use a different api key or "
                    "reactivate this key.",
                )
            case "402":
                return self._error(402, "PAYMENT_REQUIRED", "Insufficient funds.")
            case "404":
                return self._error(404, "NOT_FOUND", "The requested resource could not be found.")
            case "422_objects":
                return self._error(
                    422,
                    "PARAMETER.INVALID",
                    "Invalid parameter.",
                    [{"field": "parcel.weight", "message": "is too heavy", "suggestion": None}],
                )
            case "422_texts":
                return self._error(422, "UNPROCESSABLE_ENTITY", "No.", ["The parcel is too heavy"])
        return self._error(422, *_CODES[fault])

    async def _later(self, request: web.Request, body: Any, work: Any) -> None:
        await asyncio.sleep(self.late_s)
        work(request, body, None)

    def _reset(self, request: web.Request) -> web.Response:
        if request.transport is not None:
            sock = request.transport.get_extra_info("socket")
            # SO_LINGER of zero seconds: the close is a reset.
            sock.setsockopt(1, 13, struct.pack("ii", 1, 0))
            request.transport.close()
        return web.Response()

    async def _half(self, request: web.Request, data: bytes) -> web.StreamResponse:
        found = web.StreamResponse(headers={"content-length": str(len(data))})
        await found.prepare(request)
        await found.write(data[: len(data) // 2])
        if request.transport is not None:
            request.transport.close()
        return found

    def _next_fault(self, call: str) -> str | None:
        queue = self._faults.get(call, [])
        for place, (kind, times, skip, every) in enumerate(queue):
            if skip > 0:
                queue[place] = (kind, times, skip - 1, every)
                if every == 1:
                    return None
                continue
            if times > 0:
                queue[place] = (kind, times - 1, every - 1, every)
                return kind
        return None

    def _answer(self, status: int, body: Any) -> web.Response:
        return web.json_response(
            body, status=status, headers={"x-ep-request-uuid": uuid.uuid4().hex}
        )

    def _error(
        self, status: int, code: str, message: str, errors: list[Any] | None = None
    ) -> web.Response:
        return web.json_response(
            {"error": {"code": code, "message": message, "errors": errors or []}}, status=status
        )

    @staticmethod
    def _refused(code: str, message: str, status: int = 422) -> tuple[int, Any]:
        return status, {"error": {"code": code, "message": message, "errors": []}}

    def _object(self, what: str, given: Any, known: frozenset[str]) -> None:
        for name in set(given or {}) - known:
            self.objections.append(f"{what}.{name} is not a field that EasyPost documents")

    # -- shipments ---------------------------------------------------------------------------------

    def _create(self, request: web.Request, body: Any, _: str | None) -> tuple[int, Any]:
        asked = (body or {}).get("shipment")
        if not asked:
            return 422, {
                "error": {
                    "code": "PARAMETER.REQUIRED",
                    "message": "Missing required parameter.",
                    "errors": [{"field": "shipment", "message": "cannot be blank"}],
                }
            }
        self._object("shipment", asked, _SHIPMENT)
        if "service" in asked:
            self.objections.append("a purchase in one call")
        made = self._shipment(asked, asked.get("options"))
        return 201, made

    def _shipment(self, asked: Any, options: Any, order: str | None = None) -> dict[str, Any]:
        for name in ("to_address", "from_address"):
            self._object(name, asked.get(name), _ADDRESS)
        self._object("parcel", asked["parcel"], _PARCEL)
        self._object("options", options, _OPTIONS)
        customs = asked.get("customs_info")
        self._object("customs_info", customs, _CUSTOMS)
        for item in (customs or {}).get("customs_items", ()):
            self._object("customs_item", item, _ITEM)
        weight = asked["parcel"].get("weight")
        if not isinstance(weight, int | float) or round(weight, 1) != weight:
            self.objections.append(f"a weight of {weight!r}: ounces have one decimal")
        number = f"shp_{uuid.uuid4().hex}"
        taken = {n: v for n, v in (options or {}).items() if n in self.echoes}
        if customs and not self.takes_currencies:
            items = [{**item, "currency": None} for item in customs["customs_items"]]
            customs = {**customs, "customs_items": items}
        made = {
            "id": number,
            "object": "Shipment",
            "mode": "test" if self.mode == "test" else "production",
            "reference": asked.get("reference") or None,
            "is_return": bool(asked.get("is_return")),
            "status": "unknown",
            "tracking_code": None,
            "postage_label": None,
            "selected_rate": None,
            "refund_status": None,
            "insurance": None,
            "order_id": order,
            "fees": [],
            "forms": [],
            "messages": [],
            "options": {"currency": "USD", "payment": {"type": "SENDER"}, "date_advance": 0}
            | taken,
            "to_address": self._placed(asked["to_address"]),
            "from_address": self._placed(asked["from_address"]),
            "parcel": {"id": f"prcl_{uuid.uuid4().hex}", **asked["parcel"]},
            "customs_info": customs,
        }
        made["rates"] = self._rates(number, weight)
        made["messages"] = list(self.messages)
        self._keep("shipment", made)
        return made

    def _placed(self, address: dict[str, Any]) -> dict[str, Any]:
        street = address.get("street1")
        return {
            "id": f"adr_{uuid.uuid4().hex}",
            "object": "Address",
            **address,
            "street1": self.moves.get(street, street),
            "verifications": {},
        }

    def _rates(self, number: str, ounces: float) -> list[dict[str, Any]]:
        heavy = Decimal(str(ounces)) * self.ounce_cents / 100
        if self.silent_for is not None:
            self.silent_for -= 1
            if self.silent_for < 0:
                self.silent, self.messages = frozenset(), []
        return [
            {
                "id": f"rate_{uuid.uuid4().hex}",
                "object": "Rate",
                "carrier": carrier,
                "service": service,
                "rate": f"{Decimal(price) + self.dearer + heavy:.2f}",
                "currency": self.currency,
                "list_rate": "99.00",
                "list_currency": "USD",
                "retail_rate": "99.00",
                "retail_currency": "USD",
                "delivery_days": days,
                "delivery_date": None,
                "delivery_date_guaranteed": False,
                "est_delivery_days": days,
                "billing_type": billing,
                "shipment_id": number,
                "carrier_account_id": f"ca_{carrier.lower()}",
            }
            for carrier, service, price, days, billing in _SERVICES
            if carrier not in self.silent
        ]

    def _get(self, request: web.Request, _: Any, __: str | None) -> tuple[int, Any]:
        number = request.match_info["id"]
        if number in self._hidden:  # what a fault kept back appears with this look
            self._shipments[number].update(self._hidden.pop(number))
            self._keep("shipment", self._shipments[number])
        found = self._shipments.get(number)
        return (200, found) if found else self._refused("NOT_FOUND", "Could not be found.", 404)

    def _buy(self, request: web.Request, body: Any, fault: str | None) -> tuple[int, Any]:
        found = self._shipments.get(request.match_info["id"])
        if found is None:
            return self._refused("NOT_FOUND", "Could not be found.", 404)
        self._object("buy", body, frozenset({"rate", "insurance", "end_shipper_id"}))
        wanted = (body.get("rate") or {}).get("id")
        rate = next((r for r in found["rates"] if r["id"] == wanted), None)
        if found["postage_label"] or found["id"] in self._hidden:
            return self._refused(*_CODES["exists"])
        if rate is None:
            return self._refused("SHIPMENT.MISSING_RATE", "The rate is not of this shipment.")
        self._sell(found, rate, body.get("insurance"))
        if fault in ("no_number", "no_url"):
            return 200, self._keep_back(found, fault)
        return 200, found

    def _keep_back(self, found: dict[str, Any], fault: str) -> dict[str, Any]:
        number = found["id"]
        if fault == "no_number":
            self._hidden[number] = {"tracking_code": found["tracking_code"]}
            return {**found, "tracking_code": None}
        label = {**found["postage_label"], "label_url": None, "label_pdf_url": None}
        return {**found, "postage_label": {**label, "label_zpl_url": None}}

    def _sell(self, found: dict[str, Any], rate: dict[str, Any], insurance: Any) -> None:
        number = f"94{int(uuid.uuid4().hex[:17], 16):020}"[:22]
        insured = self.insures if insurance is None else Decimal(str(insurance))
        fees = [("LabelFee", self.label_fee)]
        if rate["billing_type"] == "easypost":
            fees.append(("PostageFee", Decimal(rate["rate"])))
        if insured > 0:
            fees.append(("InsuranceFee", max(self.insurance_least, insured * self.insurance_rate)))
        kind = found["options"].get("label_format", "PNG").lower()
        url = f"{self.url}/files/{number}.{kind}"
        found |= {
            "tracking_code": number,
            "selected_rate": rate,
            "insurance": f"{insured:.2f}" if insured > 0 else None,
            "fees": [
                {
                    "object": "Fee",
                    "type": t,
                    "amount": f"{a:.5f}",
                    "charged": True,
                    "refunded": False,
                }
                for t, a in fees
            ],
            "postage_label": {
                "id": f"pl_{uuid.uuid4().hex}",
                "label_file_type": {"png": "image/png", "pdf": "application/pdf"}.get(
                    kind, "application/zpl"
                ),
                "label_size": found["options"].get("label_size", "4x6"),
                "label_url": url,
                "label_pdf_url": url if kind == "pdf" else None,
                "label_zpl_url": url if kind == "zpl" else None,
                "label_epl2_url": None,
                "label_file": None,
            },
        }
        if rate["carrier"] == "USPS":  # recorded: USPS rewrites the address on every purchase
            to = found["to_address"]
            for name in ("name", "street1", "city"):
                to[name] = (to.get(name) or "").upper() or None
            to["zip"] = f"{(to.get('zip') or '')[:5]}-1234"
        self._keep("shipment", found)
        self._db.execute(
            "insert into sold values (?, ?, ?, null)", (found["reference"], found["id"], number)
        )

    def _rerate(self, request: web.Request, _: Any, __: str | None) -> tuple[int, Any]:
        found = self._shipments[request.match_info["id"]]
        found["rates"] = self._rates(found["id"], found["parcel"]["weight"])
        found["messages"] = list(self.messages)
        self._keep("shipment", found)
        return 200, found

    def _refund(self, request: web.Request, _: Any, __: str | None) -> tuple[int, Any]:
        found = self._shipments.get(request.match_info["id"])
        if found is None:
            return self._refused("NOT_FOUND", "Could not be found.", 404)
        if not found["postage_label"] or found["refund_status"] in ("submitted", "refunded"):
            return self._refused("SHIPMENT.REFUND.UNAVAILABLE", "Refund is not available.")
        found["refund_status"] = self.refund_state
        self._keep("shipment", found)
        if self.refund_state in ("submitted", "refunded"):
            self._db.execute(
                "update sold set refund = ? where shipment = ?", (self.refund_state, found["id"])
            )
        return 200, found

    def decide_refunds(self, state: str, tracking_code: str | None = None) -> None:
        """Let the carrier decide about refunds that were asked for: all, or that of one label."""
        for found in self._shipments.values():
            if found["refund_status"] and tracking_code in (None, found["tracking_code"]):
                found["refund_status"] = state
                self._keep("shipment", found)

    # -- orders ------------------------------------------------------------------------------------

    def _create_order(self, request: web.Request, body: Any, _: str | None) -> tuple[int, Any]:
        asked = (body or {}).get("order") or {}
        self._object("order", asked, _ORDER)
        number = f"order_{uuid.uuid4().hex}"
        ends = {name: asked[name] for name in ("to_address", "from_address")}
        parts = []
        for each in asked["shipments"]:
            self._object("order.shipment", each, _SHIPMENT - {"to_address", "from_address"})
            parts.append(self._shipment({**ends, **each}, each.get("options"), number)["id"])
        order = {
            "id": number,
            "object": "Order",
            "mode": "test" if self.mode == "test" else "production",
            "reference": asked.get("reference") or "",
            "messages": list(self.messages),
            "options": {"currency": "USD"},
            "to_address": self._placed(asked["to_address"]),
            "shipments": parts,
        }
        self._keep("order", order)
        return 201, self._whole(order)

    def _whole(self, order: dict[str, Any]) -> dict[str, Any]:
        parts = [self._shipments[number] for number in order["shipments"]]
        rates = []
        for rate in parts[0]["rates"]:
            kind = (rate["carrier"], rate["service"])
            same = [r for p in parts for r in p["rates"] if (r["carrier"], r["service"]) == kind]
            if len(same) == len(parts):
                total = sum(Decimal(r["rate"]) for r in same)
                rates.append({**rate, "rate": f"{total:.2f}"})
        return {**order, "shipments": parts, "rates": rates}

    def _get_order(self, request: web.Request, _: Any, __: str | None) -> tuple[int, Any]:
        found = self._orders.get(request.match_info["id"])
        if found is None:
            return self._refused("NOT_FOUND", "Could not be found.", 404)
        return 200, self._whole(found)

    def _buy_order(self, request: web.Request, body: Any, fault: str | None) -> tuple[int, Any]:
        found = self._orders.get(request.match_info["id"])
        if found is None:
            return self._refused("NOT_FOUND", "Could not be found.", 404)
        self._object("order.buy", body, frozenset({"carrier", "service"}))
        parts = [self._shipments[number] for number in found["shipments"]]
        if any(part["postage_label"] for part in parts):
            return self._refused("ORDER.POSTAGE.EXISTS", "Postage exists.")
        for part in parts[:1] if fault == "part" else parts:
            rate = next(
                r
                for r in part["rates"]
                if (r["carrier"], r["service"]) == (body["carrier"], body["service"])
            )
            self._sell(part, rate, None)
        return 200, self._whole(found)

    # -- the rest ----------------------------------------------------------------------------------

    def _address(self, request: web.Request, body: Any, _: str | None) -> tuple[int, Any]:
        asked = body["address"]
        self._object("address", asked, _ADDRESS)
        made = self._placed(asked) | {"mode": "test" if self.mode == "test" else "production"}
        if not body.get("verify"):
            return 201, made
        if "unknown" in (asked.get("street1") or "").lower():
            errors = [
                {"code": "E.ADDRESS.NOT_FOUND", "field": "address", "message": "Address not found"}
            ]
            made["verifications"] = {"delivery": {"success": False, "errors": errors}}
            return 201, made
        for name in ("name", "street1", "city"):
            made[name] = (made.get(name) or "").upper() or None
        made["zip"] = f"{(made.get('zip') or '')[:5]}-1234"
        made["residential"] = True
        made["verifications"] = {"delivery": {"success": True, "errors": [], "details": {}}}
        return 201, made

    def _trackers(self, request: web.Request, _: Any, __: str | None) -> tuple[int, Any]:
        wanted = request.query.get("tracking_code")
        found = [s for s in self._shipments.values() if s["tracking_code"] == wanted and wanted]
        return 200, {
            "trackers": [
                {
                    "id": f"trk_{uuid.uuid4().hex}",
                    "tracking_code": wanted,
                    "status": "in_transit",
                    "status_detail": "arrived_at_facility",
                    "carrier": s["selected_rate"]["carrier"],
                    "shipment_id": s["id"],
                    "est_delivery_date": "2026-12-01T00:00:00Z",
                    "updated_at": "2026-11-29T10:00:00Z",
                    "tracking_details": [
                        {
                            "message": "Arrived at USPS Facility",
                            "status": "in_transit",
                            "datetime": "2026-11-28T09:30:00Z",
                            "tracking_location": {
                                "city": "HOUSTON",
                                "state": "TX",
                                "country": None,
                            },
                        }
                    ],
                    **self.scans.get(str(wanted), {}),
                }
                for s in found
            ],
            "has_more": False,
        }

    def _users(self, request: web.Request, _: Any, __: str | None) -> tuple[int, Any]:
        return 200, {
            "id": USER,
            "object": "User",
            "balance": "100.00000",
            "price_per_shipment": f"{self.label_fee:.5f}",
            "default_insurance_amount": f"{self.insures:.2f}" if self.insures else None,
            "insurance_fee_rate": str(self.insurance_rate),
            "insurance_fee_minimum": str(self.insurance_least),
        }

    # -- scan forms --------------------------------------------------------------------------------

    def _scan_form(self, request: web.Request, body: Any, _: str | None) -> tuple[int, Any]:
        self._object("scan_form", body, frozenset({"shipments"}))
        parts = [self._shipments.get(each["id"]) for each in body["shipments"]]
        if any(part is None or not part["tracking_code"] for part in parts):
            return self._refused("PARAMETER.INVALID", "Shipments must be purchased.")
        codes = [part["tracking_code"] for part in parts]
        taken = {code for form in self.forms for code in form["all_codes"]}
        if any(part["refund_status"] for part in parts):
            return self._refused("UNPROCESSABLE_ENTITY", "Refunded shipments cannot be added.")
        if taken & set(codes):
            return self._refused("UNPROCESSABLE_ENTITY", "A shipment is on another scan form.")
        origins = {(p["from_address"]["street1"], p["from_address"]["zip"]) for p in parts}
        carriers = {part["selected_rate"]["carrier_account_id"] for part in parts}
        if len(origins) > 1 or len(carriers) > 1:
            return self._refused("UNPROCESSABLE_ENTITY", "One origin and one carrier account.")
        number = f"sf_{uuid.uuid4().hex}"
        if self.form_refused:
            return self._refused(self.form_refused, "The manifest is not available.", 400)
        failed, self.form_fails = self.form_fails, None
        form = {
            "id": number,
            "object": "ScanForm",
            "created_at": "2026-11-29T10:00:00Z",
            "updated_at": "2026-11-29T10:00:00Z",
            "tracking_codes": [] if self.forms_wait else codes,
            "address": parts[0]["from_address"],
            "status": "failed" if failed else "creating" if self.forms_wait else "created",
            "message": failed,
            "form_url": None if failed else f"{self.url}/files/{number}.pdf",
            "form_file_type": None,
            "batch_id": f"batch_{uuid.uuid4().hex}",
            "confirmation": None,
            "all_codes": [] if failed else codes,
            "looks": self.forms_wait,
        }
        self.forms.insert(0, form)
        return 200, _shown(form)

    def _scan_forms(self, request: web.Request, _: Any, __: str | None) -> tuple[int, Any]:
        size = int(request.query.get("page_size", 20))
        before, known = request.query.get("before_id"), [form["id"] for form in self.forms]
        start = known.index(before) + 1 if before else 0
        page = self.forms[start : start + size]
        more = start + size < len(self.forms)
        return 200, {"scan_forms": [_shown(form) for form in page], "has_more": more}

    def _one_form(self, request: web.Request, _: Any, __: str | None) -> tuple[int, Any]:
        found = next((f for f in self.forms if f["id"] == request.match_info["id"]), None)
        if found is None:
            return self._refused("NOT_FOUND", "Could not be found.", 404)
        found["looks"] -= 1
        if found["looks"] <= 0 and found["status"] == "creating":
            found |= {"status": "created", "tracking_codes": found["all_codes"]}
        return 200, _shown(found)

    # -- pickups -----------------------------------------------------------------------------------

    def _batch(self, request: web.Request, body: Any, _: str | None) -> tuple[int, Any]:
        """Answer before it works, as recorded."""
        number = f"batch_{uuid.uuid4().hex}"
        asked = [each["id"] for each in body["batch"]["shipments"]]
        if any(each not in self._shipments for each in asked):
            return self._refused("NOT_FOUND", "Could not be found.", 404)
        made = {
            "id": number,
            "object": "Batch",
            "mode": "test" if self.mode == "test" else "production",
            "state": "creating",
            "num_shipments": len(asked),
            "shipments": [],
            "status": {"created": 0},
            "pickup": None,
            "label_url": None,
        }
        self.batches[number] = made
        return 200, dict(made)

    def _one_batch(self, request: web.Request, _: Any, __: str | None) -> tuple[int, Any]:
        found = self.batches.get(request.match_info["id"])
        if found is None:
            return self._refused("NOT_FOUND", "Could not be found.", 404)
        found["state"] = "purchased"
        return 200, dict(found)

    def _pickup(self, request: web.Request, body: Any, _: str | None) -> tuple[int, Any]:
        asked = body["pickup"]
        known = {"address", "min_datetime", "max_datetime", "instructions", "reference"}
        self._object(
            "pickup", asked, frozenset(known | {"is_account_address", "shipment", "batch"})
        )
        if "batch" in asked and self.batches[asked["batch"]["id"]]["state"] == "creating":
            return self._refused("UNPROCESSABLE_ENTITY", "The batch is not ready.")
        number = f"pickup_{uuid.uuid4().hex}"
        rates = [
            {
                "id": f"pickuprate_{uuid.uuid4().hex}",
                "object": "PickupRate",
                "mode": "test",
                "carrier": carrier,
                "service": service,
                "rate": rate,
                "currency": "USD",
                "pickup_id": number,
            }
            for carrier, service, rate in self.pickup_rates
        ]
        self.pickups[number] = {
            "id": number,
            "object": "Pickup",
            "mode": "test" if self.mode == "test" else "production",
            "status": "unknown",
            "reference": asked["reference"],
            "min_datetime": asked["min_datetime"],
            "max_datetime": asked["max_datetime"],
            "is_account_address": asked["is_account_address"],
            "instructions": asked["instructions"],
            "messages": [] if rates else [{"message": "No pickup on that day."}],
            "confirmation": None,
            "address": asked["address"],
            "carrier_accounts": [],
            "pickup_rates": rates,
        }
        return 200, self.pickups[number]

    def _one_pickup(self, request: web.Request, _: Any, __: str | None) -> tuple[int, Any]:
        found = self.pickups.get(request.match_info["id"])
        return (200, found) if found else self._refused("NOT_FOUND", "Could not be found.", 404)

    def _buy_pickup(self, request: web.Request, body: Any, _: str | None) -> tuple[int, Any]:
        self._object("buy", body, frozenset({"carrier", "service"}))
        found = self.pickups[request.match_info["id"]]
        offered = {(rate["carrier"], rate["service"]) for rate in found["pickup_rates"]}
        if (body["carrier"], body["service"]) not in offered:
            return self._refused("PARAMETER.INVALID", "No such rate.")
        if found["status"] == "scheduled":  # whether it is refused is not documented
            self.objections.append("a pickup is bought twice")
        found |= {"status": "scheduled", "confirmation": f"WTC{len(self.pickups):08}"}
        return 200, found

    def _cancel_pickup(self, request: web.Request, _: Any, __: str | None) -> tuple[int, Any]:
        found = self.pickups[request.match_info["id"]]
        found["status"] = "canceled"
        return 200, found

    def _accounts(self, request: web.Request, _: Any, __: str | None) -> tuple[int, Any]:
        return 200, [
            {
                "id": "ca_usps",
                "type": "UspsAccount",
                "readable": "USPS",
                "billing_type": "easypost",
            },
            {"id": "ca_ups", "type": "UpsAccount", "readable": "UPS", "billing_type": "carrier"},
            {
                "id": "ca_s",
                "type": "SendleAccount",
                "readable": "Sendle",
                "billing_type": "easypost",
            },
        ]

    def _metadata(self, request: web.Request, _: Any, __: str | None) -> tuple[int, Any]:
        def levels(*names: str) -> list[dict[str, Any]]:
            return [{"name": name, "human_readable": None} for name in names]

        return 200, {
            "carriers": [
                {"name": "usps", "human_readable": "USPS", "service_levels": levels("Priority")},
                {"name": "ups", "human_readable": "UPS", "service_levels": levels("Ground")},
                {"name": "sendle", "human_readable": "Sendle", "service_levels": levels("TwoDay")},
                {"name": "evri", "human_readable": "Evri", "service_levels": levels("Shop2Shop")},
            ]
        }

    async def _file(self, request: web.Request) -> web.StreamResponse:
        self.calls["file"] += 1
        self.file_headers.append(dict(request.headers))
        data = label_file(request.match_info["name"])
        match self._next_fault("file"):
            case None:
                return web.Response(body=data)
            case "404":
                return web.Response(status=404)
            case "half":
                return await self._half(request, data)
            case "garbled":  # a whole answer with a file that is cut short
                return web.Response(body=data[: len(data) // 2])
            case "empty":
                return web.Response(body=b"")
            case "503_before":
                return web.Response(status=503)
        return self._reset(request)

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

    def _keep(self, kind: str, made: dict[str, Any]) -> None:
        (self._orders if kind == "order" else self._shipments)[made["id"]] = made
        self._db.execute(
            "insert or replace into objects values (?, ?, ?)", (made["id"], kind, json.dumps(made))
        )


def _shown(form: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in form.items() if name not in ("all_codes", "looks")}


def label_file(name: str) -> bytes:
    """Return the bytes of one label: whole, and different for each number."""
    number, _, kind = name.rpartition(".")
    if kind == "zpl":
        return f"^XA^FO50,50^A0N,50,50^FD{number}^FS^XZ".encode()
    if kind == "pdf":
        return f"%PDF-1.4\n% {number}\ntrailer <<>>\n%%EOF\n".encode()
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
    parser.add_argument("--ounce-cents", type=int, default=1, help="of every price")
    options = parser.parse_args()
    server = EasyPostServer(options.books, latency_s=options.latency)
    server.late_s, server.keep_seen = options.late, False
    server.dearer, server.ounce_cents = options.dearer, options.ounce_cents
    server.start(options.port)
    print(server.port, flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main()
