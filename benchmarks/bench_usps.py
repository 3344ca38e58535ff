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

import base64
import functools
import itertools
from typing import Any

import aiohttp
import orjson
from carrier_rounds import compare, job, timed
from pydantic import SecretStr

from shipkit.carriers.usps import USPS
from shipkit.carriers.usps.usps_client import Payer
from shipkit.models import LabelSpec

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


def answerer():
    numbers = itertools.count(1)

    def answered(path: bytes, _: bytes, __: str) -> tuple[bytes, bool]:
        if path in FREE:
            return orjson.dumps(FREE[path]), False
        return label(next(numbers)), True

    return answered


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
    """Every intent, key and label on disk before the next step."""
    usps = USPS(
        "client",
        SecretStr("secret"),
        Payer("1000012345", "987654321", "903456789", "903456789"),
        base_url=url,
        quota_per_hour=1_000_000,
    )
    bought = functools.partial(job, service="ground_advantage", cents=868, resend="proven")
    return await bought(usps, n, concurrency, label=LabelSpec(format="zpl"))


WAYS = {"bare aiohttp": bare, "a job with USPS": whole_job}


if __name__ == "__main__":
    compare(__doc__, answerer, WAYS, n=3000)
