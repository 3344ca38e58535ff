"""Compare our USPS client with a bare aiohttp loop that sends the same bodies to one server.

Usage: python benchmarks/bench_usps.py [--n 3000] [--rounds 3] [--concurrency 50]
[--latency-ms 100] [--json OUT.json]

The server is a process of its own that answers a label after the latency, with a 12 kB ZPL file in
the JSON of USPS's answer; the sign-in, the payment authorization and the one price question are
free. A label is one request. The bare loop posts ready-made bytes and reads the answers as JSON;
the job has every intent, every key and every label on disk before its next step. Rates and turns
in use are those of ``bench_easypost.py``.

USPS itself allows 60 requests an hour by default: the quota is set aside here.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import tempfile
import time
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pyarrow as pa
from carrier_rounds import Answers, Turns, compare, timed
from pydantic import SecretStr

from shipkit.carriers.pace import Pacer
from shipkit.carriers.usps import USPS
from shipkit.carriers.usps.usps_client import Payer
from shipkit.models import Address, LabelSpec
from shipkit.purchasing.run import execute
from shipkit.purchasing.store import JobDraft, JobStore
from shipkit.schema import QUOTES, SHIPMENTS, problems_table
from shipkit.state import JobStatus

SHOP = Address(
    name="Dana Ortiz",
    company="Harbor Goods",
    address_line1="300 Alamo Plaza",
    city="San Antonio",
    state="TX",
    postal_code="78205",
    phone="2105550100",
)
LABEL = base64.b64encode(b"^XA" + b"^FO50,50^FDx^FS" * 800 + b"^XZ").decode()
PRODUCT = {
    "SKU": "DUXP0XXXUC01080",
    "description": "USPS Ground Advantage",
    "priceType": "COMMERCIAL",
    "price": 8.68,
    "weight": 2.3,
    "dimWeight": 0,
    "fees": [],
    "startDate": "2026-07-12",
    "endDate": "",
    "mailClass": "USPS_GROUND_ADVANTAGE",
    "zone": "06",
    "processingCategory": "MACHINABLE",
    "rateIndicator": "SP",
    "destinationEntryFacilityType": "NONE",
}
FREE: dict[bytes, Any] = {
    b"/oauth2/v3/token": {
        "access_token": "eyJ.benchmark.sig",
        "token_type": "Bearer",
        "issued_at": "1764400000000",
        "expires_in": 28800,
        "status": "approved",
        "scope": "labels prices payments",
    },
    b"/payments/v3/payment-authorization": {"paymentAuthorizationToken": "pay.benchmark"},
    b"/prices/v3/total-rates/search": {
        "rateOptions": [{"totalBasePrice": 8.68, "rates": [PRODUCT], "extraServices": []}]
    },
}
"""Path -> what is answered at once."""


def label(number: int) -> bytes:
    """Return an answer with the size of a recorded one."""
    address = {"streetAddress": "1 MAIN ST", "city": "TIMONIUM", "state": "MD", "ZIPCode": "21093"}
    body = {
        "SKU": PRODUCT["SKU"],
        "postage": 8.68,
        "fees": [],
        "extraServices": [],
        "weightUOM": "lb",
        "weight": 2.3,
        "labelAddress": address,
        "routingInformation": "42021093",
        "trackingNumber": f"94{number:020d}",
        "constructCode": "C03",
        "labelImage": LABEL,
    }
    return orjson.dumps(body)


def serve(port, latency_s: float) -> None:
    numbers = itertools.count(1)

    class Connection(asyncio.Protocol):
        def connection_made(self, transport):
            self.transport, self.waiting = transport, b""

        def data_received(self, data):
            self.waiting += data
            start, found, body = self.waiting.partition(b"\r\n\r\n")
            length = next(
                (
                    int(line.split(b":")[1])
                    for line in start.lower().split(b"\r\n")
                    if line.startswith(b"content-length")
                ),
                0,
            )
            if not found or len(body) < length:
                return
            self.waiting = b""
            path = start.split(b" ", 2)[1]
            if path in FREE:
                self.reply(orjson.dumps(FREE[path]))
            else:
                answer = label(next(numbers))
                asyncio.get_running_loop().call_later(latency_s, self.reply, answer)

        def reply(self, text):
            self.transport.write(
                b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
                % len(text)
                + text
            )

    async def run():
        server = await asyncio.get_running_loop().create_server(
            Connection, "127.0.0.1", 0, backlog=1024
        )
        port.put(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(run())


USED: list[float] = []
"""Of each whole job."""


async def bare(url: str, n: int, concurrency: int) -> tuple[float, float, float]:
    address = {"firm": "Harbor Goods", "streetAddress": "1 Main Street", "ZIPCode": "21093"}
    parcel = {"mailClass": "USPS_GROUND_ADVANTAGE", "weight": 2.3, "rateIndicator": "SP"}
    body = orjson.dumps(
        {"toAddress": address, "fromAddress": address, "packageDescription": parcel}
    )
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=concurrency),
        headers={"authorization": "Bearer x", "x-payment-authorization-token": "y"},
    ) as session:

        async def purchase(_):
            async with session.post(f"{url}/labels/v3/label", data=body) as got:
                return orjson.loads(await got.read())

        return await timed(purchase, n, concurrency)


async def whole_job(url: str, n: int, concurrency: int) -> tuple[float, float, float]:
    """A published job, executed: every intent, key and label on disk before the next step."""
    row = {
        "row_numbers": [1],
        "name": "Jo Ng",
        "address_line1": "1 Main Street",
        "city": "Timonium",
        "state": "MD",
        "postal_code": "21093",
        "country": "US",
        "service": "ground_advantage",
        "parcels": [{"weight_lb": 2.3, "length_in": 10.0, "width_in": 8.0, "height_in": 4.0}],
        "signature": "none",
        "currency": "USD",
    }
    plan = pa.Table.from_pylist(
        [{**row, "row_number": i + 1, "order_id": f"O{i}"} for i in range(n)], schema=SHIPMENTS
    )
    quote = {"cost_cents": 868, "currency": "USD", "cost_basis": "quoted", "warnings": ""}
    quote["service"] = row["service"]
    usps = USPS(
        "client",
        SecretStr("secret"),
        Payer("1000012345", "987654321", "903456789", "903456789"),
        base_url=url,
        quota_per_hour=1_000_000,
    )
    with tempfile.TemporaryDirectory() as home:
        draft = JobDraft(
            plan=plan,
            quotes=pa.Table.from_pylist([quote] * n, schema=QUOTES),
            problems=problems_table(),
            fingerprint=f"{time.time_ns():064x}",
            shipper=SHOP,
            identity=usps.identity,
            resend="proven",
            label=LabelSpec(format="zpl"),
        )
        store = JobStore.publish(Path(home), draft)
        turns = Turns()
        answers = usps.ship = Answers(turns.of(usps.ship), concurrency)
        try:
            wall, cpu = time.perf_counter(), time.process_time()
            status = await execute(store, usps, pacer=Pacer(concurrency=concurrency))
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        finally:
            await usps.aclose()
        assert status is JobStatus.COMPLETED, status
        middle = answers.times[concurrency:-concurrency]
        USED.append(turns.in_use(middle[0], middle[-1], concurrency))
        return wall, cpu, answers.each_s()


WAYS = {"bare aiohttp": bare, "a job with USPS": whole_job}


if __name__ == "__main__":
    compare(__doc__, serve, WAYS, n=3000)
    print(f"\nturns in use while under way: {min(USED):.1%} to {max(USED):.1%}")
