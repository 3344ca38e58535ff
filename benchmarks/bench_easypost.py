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

import functools
import itertools

import aiohttp
import orjson
from carrier_rounds import compare, job, timed
from pydantic import SecretStr

from shipkit.carriers.easypost import EasyPost
from shipkit.models import LabelSpec

KEY = SecretStr("EZTK_key_of_the_benchmark")
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


def answerer():
    numbers = itertools.count()

    def answered(path: bytes, _: bytes, url: str) -> tuple[bytes, bool]:
        if path.startswith(b"/files/"):
            return LABEL, True
        if path.endswith(b"/users"):
            return b"{}", True
        if path.endswith(b"/buy"):
            return shipment(int(path.split(b"/")[3][4:], 16), url, bought=True), True
        return shipment(next(numbers), url, bought=False), True

    return answered


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
    """Every intent, id and label on disk before the next step."""
    bought = functools.partial(job, service="usps:ground_advantage", cents=593, resend="proven")
    return await bought(
        EasyPost(KEY, base_url=url),
        n,
        concurrency,
        label=LabelSpec(format="zpl"),
        calls=("prepare", "ship"),
    )


WAYS = {"bare aiohttp": bare, "a job with EasyPost": whole_job}


if __name__ == "__main__":
    compare(__doc__, answerer, WAYS, n=1500, steps=3)
