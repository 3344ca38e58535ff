"""Random shipments from thirty countries, and what must hold for the requests made of them.

Run as a program it takes many: ``python random_shipments.py --specs DIR --count 2000``.
"""

from __future__ import annotations

import argparse
import datetime as dt
import random
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from shipkit.carriers.ups import wire
from shipkit.carriers.ups.service_level import SERVICES
from shipkit.errors import CarrierRejected
from shipkit.models import (
    Address,
    Customs,
    CustomsItem,
    LabelFormat,
    LabelSpec,
    Money,
    Parcel,
    Shipment,
    Signature,
)

TODAY = dt.date(2026, 11, 22)
ACCOUNT, REFERENCE = "A1B2C3", "SK7F3K2M9QX4B1ZP"

PLACES: dict[str, tuple[str, str, str, str]] = {
    "US": ("San Antonio", "TX", "78205", "2105550100"),
    "PR": ("San Juan", "", "00901", "7875550100"),
    "CA": ("Toronto", "ON", "M5H 2N2", "4165550100"),
    "MX": ("Monterrey", "N.L.", "64000", "+52 81 83401234"),
    "GB": ("London", "", "E8 4RP", "+44 20 79460958"),
    "IE": ("Dublin", "Co. D", "D02 X285", "+353 1 6771234"),
    "DE": ("Berlin", "BE", "10119", "+49 30 1234567"),
    "FR": ("Paris", "", "75004", "+33 1 42345678"),
    "ES": ("Madrid", "M", "28013", "+34 91 1234567"),
    "IT": ("Roma", "RM", "00184", "+39 06 1234567"),
    "PT": ("Lisboa", "", "1100-148", "+351 21 1234567"),
    "NL": ("Amsterdam", "", "1012 AB", "+31 20 1234567"),
    "BE": ("Bruxelles", "", "1000", "+32 2 1234567"),
    "LU": ("Luxembourg", "", "1009", "+352 123456"),
    "AT": ("Wien", "", "1010", "+43 1 1234567"),
    "CH": ("Zürich", "ZH", "8001", "+41 44 1234567"),
    "DK": ("København", "", "1050", "+45 12345678"),
    "SE": ("Stockholm", "", "111 20", "+46 8 1234567"),
    "NO": ("Oslo", "", "0150", "+47 12345678"),
    "FI": ("Helsinki", "", "00100", "+358 9 1234567"),
    "PL": ("Łódź", "", "90-001", "+48 42 1234567"),
    "CZ": ("Praha", "", "110 00", "+420 123456789"),
    "HU": ("Budapest", "", "1051", "+36 1 1234567"),
    "GR": ("Athina", "", "105 57", "+30 21 01234567"),
    "JP": ("Tokyo", "Tokyo", "100-0001", "+81 3 12345678"),
    "AU": ("Melbourne", "Vic.", "3000", "+61 3 12345678"),
    "SG": ("Singapore", "", "049178", "+65 61234567"),
    "HK": ("Hong Kong", "", "", "+852 21234567"),
    "BR": ("São Paulo", "SP", "01001-000", "+55 11 12345678"),
    "IN": ("Mumbai", "MH", "400001", "+91 22 12345678"),
}
"""Thirty origins: city, state as people write it, postal code, phone."""

_NAMES = ("Ana Ruiz", "Jürgen Groß", "Łukasz Nowak", "O’Brien & Søn", "Jo Ng")
_STREETS = ("1 Main Street", "Schönhauser Allee 6, Hinterhaus, 3. Stock links", "12 rue d'Été")
_GOODS = ("Cotton T-shirt", "Ceramic mug", "Printed books", "Steel screws M4")


def address(draw: random.Random, country: str) -> Address:
    city, state, code, number = PLACES[country]
    return Address(
        name=draw.choice(_NAMES),
        company=draw.choice((None, "Harbor Goods", "Brandt & Söhne GmbH")),
        address_line1=draw.choice(_STREETS),
        address_line2=draw.choice((None, None, "Floor 2")),
        city=city,
        state=state or None,
        postal_code=code or None,
        country=country,
        phone=number,
        residential=draw.choice((None, True, False)),
    )


def shipment(draw: random.Random, origin: str) -> tuple[Address, Shipment]:
    """Return a shipper in `origin` and a shipment that may go anywhere."""
    shop = address(draw, origin)
    there = origin if draw.random() < 0.4 else draw.choice(list(PLACES))
    services = SERVICES.of_shipper(origin)
    currency = draw.choice(("USD", "EUR", "GBP"))
    sized = draw.random() < 0.7
    sides = [round(draw.uniform(0.3, 30), draw.choice((0, 1, 3))) or 1 for _ in range(3)]
    parcels = tuple(
        Parcel(
            weight_lb=draw.choice((0.04, 0.5, 2.3, 5.511556554, 44.09, 149.9)),
            length_in=sides[0] if sized else None,
            width_in=sides[1] if sized else None,
            height_in=sides[2] if sized else None,
            packaging=draw.choice(("package", "package", "pak", "tube")),
            declared_value=draw.choice((None, None, Money.of("120.50"))),
        )
        for _ in range(draw.choice((1, 1, 1, 2, 4)))
    )
    items = tuple(
        CustomsItem(
            description=draw.choice(_GOODS),
            quantity=draw.randint(1, 12),
            unit_value=Money.of(draw.choice(("0.125", "9.50", "1200")), currency),
            hs_code=draw.choice((None, "6109.10", "4911.10.00")),
            origin_country=draw.choice(("US", "CN", "IT")),
            sku=draw.choice((None, "TS-1")),
        )
        for _ in range(draw.randint(1, 4))
    )
    made = Shipment(
        order_id=draw.choice((None, "4412")),
        ship_to=address(draw, there),
        service=draw.choice(services.codes),
        parcels=parcels,
        ship_date=draw.choice((None, TODAY, TODAY + dt.timedelta(days=3))),
        references=draw.choice(({}, {"po": "PO-77", "invoice": "12"})),
        reference_1=draw.choice((None, "00123")),
        description=draw.choice((None, "Books and toys")),
        signature=draw.choice((Signature.NONE, Signature.NONE, Signature.REQUIRED)),
        saturday_delivery=draw.random() < 0.1,
        is_return=draw.random() < 0.1,
        customs=Customs(items=items, duties_payer=draw.choice(("receiver", "shipper"))),
    )
    return shop, made


def sound(draw: random.Random, origin: str, kinds: Counter[str]) -> tuple[Address, Shipment]:
    """Return a shipment that can be built: most random services do not run on a random way."""
    while True:
        shop, made = shipment(draw, origin)
        try:
            wire.check(made, shop)
        except CarrierRejected as refused:
            kinds["refused"] += 1
            if not (refused.fix and refused.details.get("field")):
                raise AssertionError(f"refused without a fix or a field: {refused}") from refused
        else:
            return shop, made


_SAME = (
    ("Service", "Code"),
    ("TaxInformationIndicator",),
    ("InvoiceLineTotal",),
    ("ShipTo", "Address", "CountryCode"),
    ("ShipTo", "Address", "PostalCode"),
    ("ShipTo", "Address", "City"),
    ("ShipTo", "Address", "AddressLine"),
    ("ShipTo", "Address", "ResidentialAddressIndicator"),
    ("ShipmentServiceOptions", "SaturdayDeliveryIndicator"),
    ("ShipmentServiceOptions", "DirectDeliveryOnlyIndicator"),
    ("ShipmentServiceOptions", "DeliveryConfirmation"),
)
_SAME_OF_PACKAGES = (
    ("PackageWeight", "Weight"),
    ("PackageWeight", "UnitOfMeasurement", "Code"),
    ("Dimensions", "Length"),
    ("Dimensions", "Width"),
    ("Dimensions", "Height"),
    ("Dimensions", "UnitOfMeasurement", "Code"),
    ("PackageServiceOptions",),
)


def differences(rate: Any, ship: Any) -> Iterator[str]:
    """Yield where a Rate and a Ship request of one shipment say different things."""
    for path in _SAME:
        # The value of goods is asked by Rate wherever goods leave, by Ship on two ways only.
        if path == ("InvoiceLineTotal",) and "InvoiceLineTotal" not in ship:
            continue
        if _at(rate, path) != _at(ship, path):
            yield "/".join(path)
    for one, other in zip(rate["Package"], ship["Package"], strict=True):
        if _at(one, ("PackagingType", "Code")) != _at(other, ("Packaging", "Code")):
            yield "Packaging"
        for path in _SAME_OF_PACKAGES:
            if _at(one, path) != _at(other, path):
                yield "Package/" + "/".join(path)
    charges = [rate["PaymentDetails"], ship["PaymentInformation"]]
    if charges[0]["ShipmentCharge"] != charges[1]["ShipmentCharge"]:
        yield "ShipmentCharge"


def _at(value: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def faults(
    contract: Any, server: Any, count: int, seed: int, progress: Callable[[int], None] = id
) -> tuple[list[str], Counter[str]]:
    """Return what is wrong with the requests of `count` shipments, and how many were of a kind."""
    draw, found, kinds = random.Random(seed), [], Counter[str]()
    judge = server.UpsServer()
    for n in range(count):
        shop, made = sound(draw, list(PLACES)[n % len(PLACES)], kinds)
        who = f"{n}: {shop.country} to {made.ship_to.country} by {made.service}"
        kinds["built"] += 1
        kinds[shop.country] += 1
        label = LabelSpec(format=draw.choice((LabelFormat.ZPL, LabelFormat.PDF)))
        requests = [
            wire.rate(made, shop, account=ACCOUNT, date=made.ship_date),
            wire.rate(made, shop, account=ACCOUNT, shop=True, date=TODAY),
            wire.ship(made, shop, account=ACCOUNT, reference=REFERENCE, label=label, today=TODAY),
            wire.transit(made, shop, account=ACCOUNT, date=TODAY),
        ]
        for request in requests:
            problems = contract.request(request.method, request.path, request.body, mode="closed")
            found += [f"{who}: {request.path}: {problem}" for problem in problems]
        rate: Any = requests[0].body["RateRequest"]  # type: ignore[index]
        ship: Any = requests[2].body["ShipmentRequest"]  # type: ignore[index]
        found += [
            f"{who}: {path} differs" for path in differences(rate["Shipment"], ship["Shipment"])
        ]
        for refusal in (
            judge._refuse("rate", {"RateRequest": rate}),
            judge._refuse("ship", {"ShipmentRequest": ship}),
            server._lane(ship["Shipment"]),
            server._shipping_rules(ship["Shipment"], ship["LabelSpecification"]),
        ):
            if refusal:
                found.append(f"{who}: the server refuses: {refusal}")
        progress(n)
    return found, kinds


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--specs", type=Path, required=True, help="UPS's OpenAPI files")
    parser.add_argument("--count", type=int, default=2_000)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    sys.path.insert(0, str(Path(__file__).parent))
    import server

    found, kinds = faults(server.load_contract(given.specs), server, given.count, given.seed)
    print(dict(kinds))
    print("\n".join(found[:40]))
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
