"""Compare our UPS client with a bare aiohttp loop that sends the same bodies to one server.

Usage: python benchmarks/bench_ups.py [--n 3000] [--rounds 3] [--concurrency 50] [--latency-ms 100]
[--json OUT.json]

The server is a process of its own that answers a purchase after the latency, with a 12 kB ZPL
label, or with a GIF of its own size (1400 x 800) for the other formats; the sign-in is free. Three
ways for each format: a bare aiohttp loop that posts ready-made bytes and reads the answer as JSON;
`UPS.ship` alone (request built, answer read, label decoded); and a whole job (intent on disk,
purchase, result and label on disk). Rates are told twice: over all of the time
that a way takes (a job opens its books, connects and signs in; the two loops have connected
before), and while it is under way, without its first and last `concurrency` answers.
"""

from __future__ import annotations

import base64
import datetime as dt
import functools
import io
import itertools

import aiohttp
import orjson
from carrier_rounds import SHOP, compare, job, timed
from PIL import Image
from pydantic import SecretStr

from shipkit.carriers.ups import UPS, wire
from shipkit.models import Address, LabelSpec, Parcel, Shipment
from shipkit.render import LabelContent, png

SHIPMENT = Shipment(
    order_id="4412",
    ship_to=Address(
        name="Jo Ng",
        address_line1="1 Main Street",
        city="Timonium",
        state="MD",
        postal_code="21093",
        residential=True,
    ),
    service="ground",
    parcels=(Parcel(weight_lb=2.3, length_in=10, width_in=8, height_in=4),),
    references={"po": "PO-77"},
)


@functools.cache
def label_of(code: str) -> str:
    """Return a label as UPS sends it, in base64; a GIF lies on its side."""
    if code == "ZPL":
        return base64.b64encode(b"^XA" + b"^FO50,50^FDx^FS" * 600 + b"^XZ").decode()
    drawn = png(
        LabelContent(
            ship_from=SHOP, ship_to=SHIPMENT.ship_to, service="Ground", tracking_number="1ZA1B2C303"
        )
    )
    page = Image.new("L", (800, 1400), 255)
    page.paste(Image.open(io.BytesIO(drawn)).point(lambda grey: 255 if grey > 127 else 0))
    out = io.BytesIO()
    page.transpose(Image.Transpose.ROTATE_90).save(out, "GIF")
    return base64.b64encode(out.getvalue()).decode()


def answer(number: int, code: str) -> bytes:
    def usd(amount: str) -> dict[str, str]:
        return {"CurrencyCode": "USD", "MonetaryValue": amount}

    tracking = f"1ZA1B2C303{number:08d}"
    return orjson.dumps(
        {
            "ShipmentResponse": {
                "Response": {
                    "ResponseStatus": {"Code": "1", "Description": "Success"},
                    "TransactionReference": "",
                },
                "ShipmentResults": {
                    "ShipmentCharges": {
                        "TransportationCharges": usd("18.46"),
                        "ServiceOptionsCharges": usd("0.00"),
                        "TotalCharges": usd("18.46"),
                    },
                    "NegotiatedRateCharges": {"TotalCharge": usd("15.48")},
                    "BillingWeight": {"UnitOfMeasurement": {"Code": "LBS"}, "Weight": "3.0"},
                    "ShipmentIdentificationNumber": tracking,
                    "PackageResults": [
                        {
                            "TrackingNumber": tracking,
                            "ServiceOptionsCharges": usd("0.00"),
                            "ShippingLabel": {
                                "ImageFormat": {"Code": code},
                                "GraphicImage": label_of(code),
                            },
                        }
                    ],
                },
            }
        }
    )


TOKEN = orjson.dumps(
    {"token_type": "Bearer", "access_token": "t" * 900, "expires_in": "14399", "status": "approved"}
)


def answerer():
    numbers = itertools.count()

    def answered(path: bytes, body: bytes, _: str) -> tuple[bytes, bool]:
        if b"oauth" in path:
            return TOKEN, False
        return answer(next(numbers), "ZPL" if b'"ZPL"' in body else "GIF"), True

    return answered


async def bare(label: LabelSpec, url: str, n: int, concurrency: int) -> tuple[float, float, float]:
    request = wire.ship(
        SHIPMENT,
        SHOP,
        account="A1B2C3",
        reference="R" * 20,
        label=label,
        today=dt.date(2026, 11, 22),
    )
    body = orjson.dumps(request.body)
    headers = {
        "content-type": "application/json",
        "authorization": "Bearer " + "t" * 900,
        "transid": "0" * 32,
        "transactionsrc": "bench",
    }
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=concurrency)) as session:

        async def post(_):
            async with session.post(url + request.path, data=body, headers=headers) as got:
                return orjson.loads(await got.read())

        return await timed(post, n, concurrency)


async def alone(label: LabelSpec, url: str, n: int, concurrency: int) -> tuple[float, float, float]:
    ups = UPS("id", SecretStr("secret"), "A1B2C3", base_url=url)
    try:
        return await timed(lambda i: ups.ship(SHIPMENT, SHOP, f"R{i:019d}", label), n, concurrency)
    finally:
        await ups.aclose()


async def whole_job(
    label: LabelSpec, url: str, n: int, concurrency: int
) -> tuple[float, float, float]:
    bought = functools.partial(job, service="ground", cents=1548, resend="ask", residential=True)
    ups = UPS("id", SecretStr("secret"), "A1B2C3", base_url=url)
    return await bought(
        ups, n, concurrency, label=label, references=[{"key": "po", "value": "PO-77"}]
    )


WAYS = {
    f"{name}, {kind}": functools.partial(way, LabelSpec(format=kind))
    for kind in ("zpl", "pdf", "png", "gif")
    for name, way in {"bare aiohttp": bare, "UPS.ship": alone, "a job with UPS": whole_job}.items()
}


if __name__ == "__main__":
    compare(__doc__, answerer, WAYS, n=3000)
