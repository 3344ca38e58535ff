"""Compare our EasyPost client with a bare aiohttp loop that sends the same bodies to one server.

Usage: python benchmarks/bench_easypost.py [--n 1500] [--rounds 3] [--concurrency 50]
[--latency-ms 100] [--json OUT.json]

The server is a process of its own that answers each step of a purchase after the latency: create,
buy, and the label file. Both ways take all three steps for each label. The bare loop posts
ready-made bytes and reads the answers as JSON; the job has every intent, every id and every label
on disk before its next step. Rates are told twice: over all of the time that a way takes, and while
it is under way, without its first and last `concurrency` answers. Turns in use are the part of
that time, of all `concurrency` turns, in which a request of the job was on its way: unlike the
rates, it says the same on a busy machine.
"""

from __future__ import annotations

import asyncio
import itertools
import tempfile
import time
from pathlib import Path

import aiohttp
import orjson
import pyarrow as pa
from carrier_rounds import Answers, Turns, compare, timed
from pydantic import SecretStr

from shipkit.carriers.easypost import EasyPost
from shipkit.carriers.pace import Pacer
from shipkit.models import Address, LabelSpec
from shipkit.purchasing.run import execute
from shipkit.purchasing.store import JobDraft, JobStore
from shipkit.schema import QUOTES, SHIPMENTS, problems_table
from shipkit.state import JobStatus

KEY = SecretStr("EZTK_key_of_the_benchmark")
SHOP = Address(
    name="Dana Ortiz",
    address_line1="300 Alamo Plaza",
    city="San Antonio",
    state="TX",
    postal_code="78205",
)
LABEL = b"^XA" + b"^FO50,50^FDx^FS" * 800 + b"^XZ"


def shipment(number: int, url: str, *, bought: bool) -> bytes:
    """Return an answer with the size of a recorded one."""
    name = f"shp_{number:032x}"
    rates = [
        {
            "id": f"rate_{number:028x}{i:04x}",
            "carrier": "USPS",
            "service": service,
            "rate": rate,
            "currency": "USD",
            "billing_type": "easypost",
            "delivery_days": 3,
            "delivery_date": None,
        }
        for i, (service, rate) in enumerate([("GroundAdvantage", "5.93"), ("Priority", "6.90")])
    ]
    body = {
        "id": name,
        "mode": "test",
        "messages": [],
        "options": {"label_format": "ZPL", "label_size": "4x6", "currency": "USD"},
        "to_address": {"street1": "1 Main Street", "city": "Timonium", "state": "MD"},
        "filler": "x" * 2500,
        "rates": rates,
        "tracking_code": f"94{number:020d}" if bought else None,
        "selected_rate": rates[0] if bought else None,
        "fees": [{"type": "PostageFee", "amount": "5.93000", "charged": True}] if bought else [],
        "postage_label": {"label_url": f"{url}/files/{number}.zpl"} if bought else None,
    }
    return orjson.dumps(body)


def serve(port, latency_s: float) -> None:
    numbers = itertools.count()

    class Connection(asyncio.Protocol):
        def connection_made(self, transport):
            self.transport, self.waiting = transport, b""
            host = transport.get_extra_info("sockname")
            self.url = f"http://127.0.0.1:{host[1]}"

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
            if path.startswith(b"/files/"):
                answer = LABEL
            elif path.endswith(b"/users"):
                answer = b"{}"
            elif path.endswith(b"/buy"):
                number = int(path.split(b"/")[3][4:], 16)
                answer = shipment(number, self.url, bought=True)
            else:
                answer = shipment(next(numbers), self.url, bought=False)
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
    address = {"name": "Jo Ng", "street1": "1 Main Street", "city": "Timonium", "state": "MD"}
    created = {"shipment": {"to_address": address, "from_address": address, "reference": "R" * 20}}
    body = orjson.dumps(created)
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=concurrency),
        headers={"authorization": aiohttp.encode_basic_auth(KEY.get_secret_value(), "")},
    ) as session:

        async def purchase(_):
            async with session.post(f"{url}/v2/shipments", data=body) as got:
                made = orjson.loads(await got.read())
            chosen = orjson.dumps({"rate": {"id": made["rates"][0]["id"]}})
            async with session.post(f"{url}/v2/shipments/{made['id']}/buy", data=chosen) as got:
                bought = orjson.loads(await got.read())
            async with session.get(bought["postage_label"]["label_url"]) as got:
                return await got.read()

        return await timed(purchase, n, concurrency)


async def whole_job(url: str, n: int, concurrency: int) -> tuple[float, float, float]:
    """A published job, executed: every intent, id and label on disk before the next step."""
    row = {
        "row_numbers": [1],
        "name": "Jo Ng",
        "address_line1": "1 Main Street",
        "city": "Timonium",
        "state": "MD",
        "postal_code": "21093",
        "country": "US",
        "service": "usps:ground_advantage",
        "parcels": [{"weight_lb": 2.3, "length_in": 10.0, "width_in": 8.0, "height_in": 4.0}],
        "signature": "none",
        "currency": "USD",
    }
    plan = pa.Table.from_pylist(
        [{**row, "row_number": i + 1, "order_id": f"O{i}"} for i in range(n)], schema=SHIPMENTS
    )
    quote = {"cost_cents": 593, "currency": "USD", "cost_basis": "quoted", "warnings": ""}
    quote["service"] = row["service"]
    easypost = EasyPost(KEY, base_url=url)
    with tempfile.TemporaryDirectory() as home:
        draft = JobDraft(
            plan=plan,
            quotes=pa.Table.from_pylist([quote] * n, schema=QUOTES),
            problems=problems_table(),
            fingerprint=f"{time.time_ns():064x}",
            shipper=SHOP,
            identity=easypost.identity,
            resend="proven",
            label=LabelSpec(format="zpl"),
        )
        store = JobStore.publish(Path(home), draft)
        turns = Turns()
        easypost.prepare = turns.of(easypost.prepare)
        answers = easypost.ship = Answers(turns.of(easypost.ship), concurrency)
        try:
            wall, cpu = time.perf_counter(), time.process_time()
            status = await execute(store, easypost, pacer=Pacer(concurrency=concurrency))
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        finally:
            await easypost.aclose()
        assert status is JobStatus.COMPLETED, status
        middle = answers.times[concurrency:-concurrency]
        USED.append(turns.in_use(middle[0], middle[-1], concurrency))
        return wall, cpu, answers.each_s()


WAYS = {"bare aiohttp": bare, "a job with EasyPost": whole_job}


if __name__ == "__main__":
    compare(__doc__, serve, WAYS, n=1500, steps=3)
    print(f"\nturns in use while under way: {min(USED):.1%} to {max(USED):.1%}")
