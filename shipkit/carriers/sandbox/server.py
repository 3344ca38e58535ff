"""The sandbox behind HTTP on loopback, in a process of its own that outlives a killed client.

- ``POST /quote`` and ``/shop``: one shipment. ``POST /quotes``: an Arrow stream of many.
- ``POST /ship``: buys.
- ``GET /shipments?reference=...``: what was bought under a reference, with labels.
- ``POST /void``: ``{"shipment_id": ...}``. ``POST /manifest``: bought labels on one form.
- ``POST /pickup/price``, ``/pickup`` and ``/pickup/cancel``, ``GET /pickup?number=...``.
- ``GET /books``: every purchase of every account, without labels, for test harnesses.
- ``GET`` and ``POST /faults``: :class:`~shipkit.carriers.sandbox.faults.Faults` as JSON; ``{}``
  switches all faults off.
- ``GET /stats``: requests, most at the same time, and the busiest second of ``/ship``. ``POST``
  restarts the counts.
"""

from __future__ import annotations

import asyncio
import base64
import dataclasses
import datetime as dt
import socket
import struct
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from aiohttp import web
from pydantic import ValidationError

from shipkit.carriers.after_purchase import BoughtLabels
from shipkit.carriers.sandbox.backend import SandboxBackend, Trouble
from shipkit.carriers.sandbox.faults import LONGEST_LATE_S, Fate, Faults
from shipkit.carriers.sandbox.messages import (
    purchase_to_json,
    table_from_bytes,
    table_to_bytes,
    wish_from_json,
)
from shipkit.errors import AnswerLost, CarrierRejected, LabelsRefused
from shipkit.models import Address, LabelSpec, Shipment

__all__ = ["Server", "Stats", "serve"]

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_WINDOW_S = 1.0


class Window:
    """A count of the last second, and its highest value so far."""

    def __init__(self) -> None:
        self.busiest = 0
        self._times: deque[float] = deque()

    def add(self) -> None:
        """Count one now."""
        self._times.append(time.monotonic())
        self.busiest = max(self.busiest, self.count())

    def count(self) -> int:
        """Return the count of the last second."""
        while self._times and self._times[0] <= time.monotonic() - _WINDOW_S:
            self._times.popleft()
        return len(self._times)


class Stats:
    """What the server counts.

    The busiest second counts all requests to ``/ship``, including those that got 429.
    """

    def __init__(self) -> None:
        self.requests: Counter[str] = Counter()
        self.answers: Counter[str] = Counter()
        self.asked = Window()
        self.let_in = Window()
        self.at_once = 0
        self.most_at_once = 0

    def arrived(self, path: str) -> None:
        """Count a request."""
        self.requests[path] += 1
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        if path == "/ship":
            self.asked.add()

    def report(self) -> dict[str, Any]:
        """Return the counts."""
        return {
            "requests": dict(self.requests),
            "answers": dict(self.answers),
            "busiest_second": self.asked.busiest,
            "most_at_once": self.most_at_once,
        }


class Server:
    """The routes in front of a back end.

    Parameters
    ----------
    rate_limit
        Purchases per second; more get 429 with Retry-After.
    longest_late_s
        Faults with a longer delay are refused: clients rely on it when they conclude absence.
    """

    def __init__(
        self,
        backend: SandboxBackend,
        *,
        rate_limit: int | None = None,
        longest_late_s: float = LONGEST_LATE_S,
    ) -> None:
        self.backend = backend
        self.rate_limit = rate_limit
        self.longest_late_s = longest_late_s
        self.stats = Stats()

    def app(self) -> web.Application:
        """Return the application."""
        app = web.Application(client_max_size=256 * 2**20)
        for method, path, handler in (
            ("POST", "/quote", self._quote),
            ("POST", "/quotes", self._quotes),
            ("POST", "/shop", self._shop),
            ("POST", "/ship", self._ship),
            ("GET", "/shipments", self._find),
            ("POST", "/void", self._void),
            ("POST", "/manifest", self._manifest),
            ("POST", "/pickup/price", self._price_pickup),
            ("POST", "/pickup", self._book_pickup),
            ("GET", "/pickup", self._pickup_state),
            ("POST", "/pickup/cancel", self._cancel_pickup),
        ):
            app.router.add_route(method, path, self._guarded(handler))
        app.router.add_routes(
            [
                web.get("/books", self._books),
                web.get("/faults", self._get_faults),
                web.post("/faults", self._set_faults),
                web.get("/stats", self._stats),
                web.post("/stats", self._reset_stats),
            ]
        )
        return app

    def _guarded(self, handler: Handler) -> Handler:
        """Return `handler` counted and limited, with errors as answers and faults carried out."""

        async def guarded(request: web.Request) -> web.StreamResponse:
            self.stats.arrived(request.path)
            try:
                answer = await self._answered(handler, request)
            finally:
                self.stats.at_once -= 1
            self.stats.answers[str(answer.status)] += 1
            return answer

        return guarded

    async def _answered(self, handler: Handler, request: web.Request) -> web.StreamResponse:
        if request.path == "/ship" and not self._let_in():
            await request.read()
            return _json(
                {"code": "429", "message": "Too many requests."}, 429, {"Retry-After": "1"}
            )
        try:
            return await handler(request)
        except LabelsRefused as no:
            return _json({"code": no.code, "message": no.message, "labels": no.labels}, 400)
        except CarrierRejected as no:
            return _json(
                {"code": no.carrier_code or no.code, "message": no.message, "fix": no.fix}, 400
            )
        except (ValidationError, orjson.JSONDecodeError, KeyError) as error:
            return _json(
                {
                    "code": "request_invalid",
                    "message": f"The request cannot be read ({type(error).__name__}).",
                    "fix": "Use the client of the same version.",
                },
                400,
            )
        except AnswerLost as broken:
            return _json({"code": broken.code, "message": broken.message}, 500)
        except Trouble as trouble:
            return await _acted_out(request, trouble.fate, self.backend.faults)

    def _let_in(self) -> bool:
        if self.rate_limit is not None and self.stats.let_in.count() >= self.rate_limit:
            return False
        self.stats.let_in.add()
        return True

    async def _quote(self, request: web.Request) -> web.Response:
        shipment, shipper, _ = await _asked(request)
        return _json((await self.backend.quote(shipment, shipper)).model_dump(mode="json"))

    async def _quotes(self, request: web.Request) -> web.Response:
        shipper = Address.model_validate_json(
            base64.b64decode(request.headers["x-sandbox-shipper"])
        )
        quotes = await self.backend.quote_table(table_from_bytes(await request.read()), shipper)
        return web.Response(
            body=table_to_bytes(quotes), content_type="application/vnd.apache.arrow.stream"
        )

    async def _shop(self, request: web.Request) -> web.Response:
        shipment, shipper, _ = await _asked(request)
        return _json(
            [rate.model_dump(mode="json") for rate in await self.backend.shop(shipment, shipper)]
        )

    async def _ship(self, request: web.Request) -> web.Response:
        shipment, shipper, body = await _asked(request)
        purchase = await self.backend.ship(
            shipment,
            shipper,
            str(body["reference"]),
            LabelSpec.model_validate(body["label"]),
            _account(request),
        )
        return _json(purchase_to_json(purchase))

    async def _find(self, request: web.Request) -> web.Response:
        return _json(
            [
                purchase_to_json(p)
                for p in await self.backend.find(request.query["reference"], _account(request))
            ]
        )

    async def _void(self, request: web.Request) -> web.Response:
        await self.backend.void(
            str(orjson.loads(await request.read())["shipment_id"]), _account(request)
        )
        return _json({"voided": True})

    async def _manifest(self, request: web.Request) -> web.Response:
        body = orjson.loads(await request.read())
        made = await self.backend.manifest(
            [BoughtLabels(number, tuple(labels)) for number, labels in body["shipments"]],
            Address.model_validate(body["origin"]),
            dt.date.fromisoformat(body["day"]),
            _account(request),
            asked_before=body["asked_before"],
        )
        form = base64.b64encode(made.form or b"").decode()
        numbers = made.tracking_numbers
        return _json({"number": made.number, "tracking_numbers": numbers, "form": form})

    async def _price_pickup(self, request: web.Request) -> web.Response:
        offer = await self.backend.pickup(wish_from_json(orjson.loads(await request.read())))
        return _json({"cents": offer.price.cents})

    async def _book_pickup(self, request: web.Request) -> web.Response:
        body = orjson.loads(await request.read())
        made = await self.backend.book_pickup(
            wish_from_json(body), _account(request), asked_before=body["asked_before"]
        )
        return _json({"number": made.number, "cents": made.charged.cents if made.charged else 0})

    async def _pickup_state(self, request: web.Request) -> web.Response:
        number = request.query["number"]
        return _json({"state": await self.backend.pickup_status(number, _account(request))})

    async def _cancel_pickup(self, request: web.Request) -> web.Response:
        number = str(orjson.loads(await request.read())["number"])
        await self.backend.cancel_pickup(number, _account(request))
        return _json({"canceled": True})

    async def _books(self, _: web.Request) -> web.Response:
        return _json([dataclasses.asdict(entry) for entry in await self.backend.books.entries()])

    async def _get_faults(self, _: web.Request) -> web.Response:
        return _json(self.backend.faults.model_dump(mode="json"))

    async def _set_faults(self, request: web.Request) -> web.Response:
        try:
            faults = Faults.model_validate_json(await request.read() or b"{}")
        except ValidationError as error:
            return _json({"code": "faults_invalid", "message": str(error)}, 400)
        if faults.late and faults.late_s > self.longest_late_s:
            return _json(
                {
                    "code": "faults_invalid",
                    "message": f"late_s is over {self.longest_late_s:g}, on which clients rely.",
                    "fix": "Start the server with --longest-late-s.",
                },
                400,
            )
        self.backend.switch(faults)
        return _json(faults.model_dump(mode="json"))

    async def _stats(self, _: web.Request) -> web.Response:
        return _json(self.stats.report())

    async def _reset_stats(self, _: web.Request) -> web.Response:
        at_once, self.stats = self.stats.at_once, Stats()
        self.stats.at_once = at_once
        return _json(self.stats.report())


async def serve(
    server: Server, *, host: str = "127.0.0.1", port: int = 0, ready: Callable[[str], None] = print
) -> None:
    """Serve until cancelled. `ready` gets the URL."""
    runner = web.AppRunner(server.app(), access_log=None, handler_cancellation=False)
    await runner.setup()
    site = web.TCPSite(runner, host, port, backlog=1024)
    await site.start()
    listening = runner.addresses[0]
    ready(f"http://{listening[0]}:{listening[1]}")
    try:
        await asyncio.Event().wait()
    finally:
        await runner.cleanup()
        await server.backend.books.close()


def _json(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(
        body=orjson.dumps(value), status=status, content_type="application/json", headers=headers
    )


async def _asked(request: web.Request) -> tuple[Shipment, Address, dict[str, Any]]:
    body = orjson.loads(await request.read())
    return Shipment.model_validate(body["shipment"]), Address.model_validate(body["shipper"]), body


def _account(request: web.Request) -> str:
    return request.headers.get("x-sandbox-account", "")


# -- faults on the connection ----------------------------------------------------------------------


async def _acted_out(request: web.Request, fate: Fate, faults: Faults) -> web.StreamResponse:
    match fate:
        case Fate.AUTH_REFUSED:
            return _json({"code": "401", "message": "Credentials refused."}, 401)
        case Fate.RATE_LIMITED:
            wait = (
                {} if faults.retry_after_s is None else {"Retry-After": f"{faults.retry_after_s:g}"}
            )
            return _json({"code": "429", "message": "Too many requests."}, 429, wait)
        case Fate.REJECTED:
            return _json(
                {
                    "code": faults.reject_code,
                    "message": "The sandbox refuses it, because the fault `reject` is on.",
                },
                400,
            )
        case Fate.ERROR_BEFORE | Fate.ERROR_AFTER:
            return _json({"code": str(faults.status), "message": "Out of order."}, faults.status)
        case _:
            await _no_answer(request, faults.wire)
            return web.Response(status=500)  # written to a closed connection


_HALF = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: "
    b'9000\r\n\r\n{"shipment_id": "SANDBOX'
)


async def _no_answer(request: web.Request, wire: str) -> None:
    """End the connection of `request`, whose body was read, without a usable answer."""
    transport = request.transport
    if not isinstance(transport, asyncio.Transport):
        return  # the client is gone already
    match wire:
        case "silence":
            await _until_gone(transport)
        case "half":
            transport.write(_HALF)
        case "half_headers":
            transport.write(_HALF[:40])
        case "garbage":
            transport.write(b"\x00\x01\xff\xfe this is not an answer\r\n\r\n")
        case "empty":
            transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        case "reset":
            sock: socket.socket | None = transport.get_extra_info("socket")
            if sock is not None:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            transport.abort()
    transport.close()


async def _until_gone(transport: asyncio.Transport) -> None:
    while not transport.is_closing():  # noqa: ASYNC110 - aiohttp has no event for it
        await asyncio.sleep(0.05)
