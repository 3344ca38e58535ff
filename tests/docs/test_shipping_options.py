"""The page of options agrees with the schema, the carriers and UPS's requests: run this file to
write it again.

Nothing on the page is typed twice. Where an option goes at UPS is found by building the requests
of a shipment with it and without it, and its label by drawing both.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from shipkit.carriers.easypost import CAPABILITIES as EASYPOST
from shipkit.carriers.easypost import shipment_request
from shipkit.carriers.sandbox.carrier import CAPABILITIES as SANDBOX
from shipkit.carriers.ups import CAPABILITIES as UPS
from shipkit.carriers.ups import wire
from shipkit.carriers.usps import CAPABILITIES as USPS
from shipkit.carriers.usps import label_request
from shipkit.carriers.usps.customs_form import form_notes
from shipkit.carriers.usps.mail_classes import is_domestic
from shipkit.errors import CarrierRejected
from shipkit.models import (
    NUMBERED_REFERENCES,
    Address,
    Customs,
    CustomsItem,
    LabelSpec,
    Money,
    Parcel,
    Shipment,
)
from shipkit.orders.heading_words import headings_of
from shipkit.render.content import label_contents
from shipkit.schema import EDITABLE, FURTHER_OPTIONS, NUMBER_OF_PARCELS, OPTIONS, PARCELS, Leaf

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "shipping-options.md"
BEGIN, END = (
    "<!-- table: written by tests/docs/test_shipping_options.py -->\n",
    "<!-- end of table -->\n",
)
SHOP = Address(
    name="Ada Lee",
    company="Shop",
    address_line1="1 Alamo Plaza",
    city="San Antonio",
    state="TX",
    postal_code="78205",
    phone="2105550100",
)
HOME = SHOP.model_copy(update={"name": "Jo Ng", "email": "jo@example.com"})
BERLIN = Address(
    name="Jo Ng",
    address_line1="Allee 6",
    city="Berlin",
    postal_code="10119",
    country="DE",
    phone="+49 30 123456",
)
BOX = Parcel(weight_lb=3, length_in=9, width_in=8, height_in=4)
GOODS = Customs(
    items=(
        CustomsItem(
            description="Mug", quantity=1, unit_value=Money.of("9.50"), origin_country="US"
        ),
    )
)
INSIDE = Shipment(ship_to=HOME, service="ground", parcels=(BOX,))
BY_AIR = INSIDE.model_copy(update={"service": "next_day_air"})
ABROAD = Shipment(ship_to=BERLIN, service="worldwide_saver", parcels=(BOX,), customs=GOODS)

PAYER = {"bill_to": "third_party", "bill_account": "B2C3D4", "bill_postal_code": "10001"}
DUTIES = {
    "duties_bill_to": "third_party",
    "duties_account": "C3D4E5",
    "duties_postal_code": "10001",
}
POINT = {
    "access_point_id": "U12345678",
    "access_point_name": "Corner Shop",
    "access_point_street": "5 Bay St",
    "access_point_city": "Austin",
    "access_point_state": "TX",
    "access_point_postal_code": "78701",
}
EXAMPLES: dict[str, tuple[Shipment, dict[str, Any]]] = {
    "signature": (INSIDE, {"signature": "adult"}),
    "saturday_delivery": (BY_AIR, {"saturday_delivery": True}),
    "is_return": (INSIDE, {"is_return": True}),
    "direct_delivery_only": (INSIDE, {"direct_delivery_only": True}),
    "shipper_release": (INSIDE, {"shipper_release": True}),
    "documents_only": (ABROAD, {"documents_only": True, "customs": None}),
    "cod_amount": (INSIDE, {"cod_amount": Money.of("35")}),
    "notify": (INSIDE, {"notify": "all"}),
    "additional_handling": (INSIDE, {"additional_handling": True}),
    "simple_rate": (INSIDE, {"simple_rate": "m"}),
    "declared_value": (INSIDE, {"declared_value": Money.of("900")}),
    "packaging": (BY_AIR, {"packaging": "pak"}),
    **{name: (INSIDE, {name: "PO 4412"}) for name in NUMBERED_REFERENCES},
    "ioss_number": (ABROAD, {"ioss_number": "IM0123456789"}),
    "sender_tax_id": (ABROAD, {"sender_tax_id": "12-3456789"}),
    "sender_eori": (ABROAD, {"sender_eori": "GB123456789000"}),
    "recipient_tax_id": (ABROAD, {"recipient_tax_id": "DE123456789"}),
    "recipient_eori": (ABROAD, {"recipient_eori": "DE1234567890"}),
    "itn": (ABROAD, {"itn": "X20261129123456"}),
    **dict.fromkeys(POINT, (INSIDE, POINT)),
    "access_point": (INSIDE, POINT | {"access_point": "deliver"}),
    "access_point_country": (INSIDE, POINT | {"access_point_country": "US"}),
    **dict.fromkeys(PAYER, (INSIDE, PAYER)),
    "bill_country": (INSIDE, PAYER | {"bill_country": "US"}),
    **dict.fromkeys(DUTIES, (ABROAD, DUTIES)),
    "duties_country": (ABROAD, DUTIES | {"duties_country": "US"}),
}
"""Option -> a shipment that may have it, and what it is then."""

OF_PARCELS = {leaf.name for leaf in PARCELS}
ROWS: tuple[Leaf, ...] = (*OPTIONS, *(leaf for leaf in PARCELS if leaf.name in FURTHER_OPTIONS))


def with_option(name: str) -> tuple[Shipment, Shipment]:
    """Return a shipment without an option and with it."""
    assert name in EXAMPLES, f"add {name} to EXAMPLES in tests/docs/{Path(__file__).name}"
    base, given = EXAMPLES[name]
    own = {key: value for key, value in given.items() if key not in OF_PARCELS}
    box = {key: value for key, value in given.items() if key in OF_PARCELS}
    parcel = Parcel(**{**dict(base.parcels[0]), **box})
    return base, Shipment(**{**dict(base), **own, "parcels": (parcel,)})


def leaves(node: Any, at: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the path and the value of each leaf of a JSON body."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield from leaves(value, f"{at}.{key}" if at else key)
    elif isinstance(node, list):
        for value in node:
            yield from leaves(value, at)
    else:
        yield at, node


def places(name: str, *, rated: bool) -> list[str]:
    """Return the containers of a request of UPS that an option fills or changes."""
    found = []
    for shipment in with_option(name):
        request = (
            wire.rate(shipment, SHOP, account="A1B2C3")
            if rated
            else wire.ship(
                shipment,
                SHOP,
                account="A1B2C3",
                reference="R",
                label=LabelSpec(),
                today=dt.date(2026, 11, 29),
            )
        )
        [outer] = (request.body or {}).values()
        found.append(list(leaves(outer["Shipment"])))
    before, after = found
    new = [path for path, value in after if (path, value) not in before]
    return list(dict.fromkeys(_container(path) for path in new if "Address" not in path[:9]))


def _container(path: str) -> str:
    """Return the part of a path that names the option."""
    steps = path.split(".")
    for end, step in enumerate(steps, start=1):
        if step.endswith(("Indicator", "Service")) or step in _NAMES:
            return ".".join(steps[:end])
    return path


_NAMES = {
    "COD",
    "DeclaredValue",
    "DeliveryConfirmation",
    "Notification",
    "SimpleRate",
    "Packaging",
    "PackagingType",
    "BillThirdParty",
    "BillReceiver",
    "AlternateDeliveryAddress",
}


def printed(name: str) -> str:
    """Return what shipkit's own label says of an option."""
    before, after = (
        [
            *content.notices,
            *(text for text in dataclasses.astuple(content) if isinstance(text, str)),
            content.ship_from.recipient,
            *(f"{name}: {text}" for name, text in content.references),
        ]
        for shipment in with_option(name)
        for content in label_contents(shipment, SHOP, ["1"], service="Ground")
    )
    new = [text for text in after if text not in before]
    return ", ".join(f"`{text}`" for text in new) or "not printed"


def sent(name: str) -> str:
    return ", ".join(f"`{path}`" for path in places(name, rated=False)) or "not offered by UPS"


def price(name: str) -> str:
    if not at_ups(name):
        return "not offered by UPS"
    where = places(name, rated=True)
    if where:
        return "in UPS's quote (" + ", ".join(f"`{path}`" for path in where) + ")"
    return "free: Rate has no field for it"


def at_ups(name: str) -> bool:
    return name in UPS.options


def carriers(name: str) -> str:
    offered = {"UPS": UPS, "USPS": USPS, "sandbox": SANDBOX, "EasyPost": EASYPOST}
    if name == "is_return":
        del offered["USPS"]  # it names the refusal itself
    return ", ".join(title for title, able in offered.items() if name in able.options)


def heading(leaf: Leaf) -> str:
    first, second, *_ = [*headings_of(leaf), *headings_of(leaf)]
    return f"`{first}`, `{second}`" if first != second else f"`{first}`"


def row(leaf: Leaf) -> str:
    name = leaf.name
    member = f"`parcels[].{name}`" if leaf.group == "parcels" else f"`{name}`"
    rule = f"`edit(clause, {name}=...)`" if leaf in EDITABLE else "not editable"
    cells = (
        f"`{name}`",
        heading(leaf),
        f'`defaults={{"{name}": ...}}`',
        member,
        rule,
        sent(name),
        price(name),
        printed(name),
        carriers(name),
    )
    return f"| {' | '.join(cells)} |\n"


def table() -> str:
    count = (
        f"`{NUMBER_OF_PARCELS.name}`",
        heading(NUMBER_OF_PARCELS),
        f'`defaults={{"{NUMBER_OF_PARCELS.name}": 2}}`',
        f"`{NUMBER_OF_PARCELS.name}`, or `parcels`",
        '`map(parcels="each")`, `"shared"`',
        "`Package`, one for each",
        "in UPS's quote, each parcel",
        "`1 OF 3`",
        "UPS, USPS, sandbox, EasyPost",
    )
    titles = (
        *("option", "column", "default", "template", "rule and edit"),
        *("sent to UPS", "price", "sandbox label", "carriers"),
    )
    head = f"| {' | '.join(titles)} |\n| {' | '.join('---' for _ in titles)} |\n"
    return head + f"| {' | '.join(count)} |\n" + "".join(map(row, ROWS))


def written(text: str) -> str:
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    return before + BEGIN + "\n" + table() + "\n" + END + after


def test_the_page_is_current() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert text == written(text), "write it again: python tests/docs/test_shipping_options.py"


@pytest.mark.parametrize("leaf", ROWS, ids=lambda leaf: leaf.name)
def test_ups_is_sent_what_it_lists_and_the_page_has_every_cell(leaf: Leaf) -> None:
    """An option that a carrier lists and does not send would be dropped in silence."""
    why = "UPS's `options` and what shipkit/carriers/ups/wire.py sends do not agree"
    assert bool(places(leaf.name, rated=False)) == at_ups(leaf.name), why
    assert not any(cell.strip() == "" for cell in row(leaf).strip().strip("|").split(" | "))


FURTHER: dict[str, dict[str, Any]] = {
    "references": {"references": {"po": "PO 7"}},
    "ship_from": {"ship_from": SHOP.model_copy(update={"city": "Austin", "postal_code": "78701"})},
    "ship_date": {"ship_date": dt.date(2026, 12, 2)},
    "customs": {"customs": GOODS.model_copy(update={"reason": "gift"})},
}


def usps_sends(shipment: Shipment) -> tuple[Any, ...]:
    label_request.check(shipment, SHOP, parcels=60)
    product, day = label_request.Product("SP", "MACHINABLE"), shipment.ship_date or "2026-11-30"
    noted = (*form_notes(shipment, SHOP), *(["Saturday"] if shipment.saturday_delivery else []))
    body = label_request.label_bytes(
        shipment, SHOP, LabelSpec(), place=0, product=product, day=str(day)
    )
    # Within the US a warning of the price says that USPS delivers on Saturdays anyway.
    return (body, noted if is_domestic(shipment.ship_to) else form_notes(shipment, SHOP))


def easypost_sends(shipment: Shipment) -> tuple[Any, ...]:
    shipment_request.demand_row(shipment, SHOP)
    shipment_request.demand_service(shipment, shipment.service)
    asked = shipment_request.draft(shipment, SHOP, accounts=()).named("R", LabelSpec())
    insured = shipment_request.insured_amount(shipment, off=False)
    return (asked.body, insured, shipment_request.row_notes(shipment))


@pytest.mark.parametrize(
    ("sends", "able", "services"),
    [
        (usps_sends, USPS, ("priority", "priority_international")),
        (
            easypost_sends,
            EASYPOST,
            ("ups:next_day_air", "usps:priority", "ups:worldwide_saver"),
        ),
    ],
)
def test_what_a_carrier_lists_is_sent_or_refused_or_noted_by_each_of_its_services(
    sends: Any, able: Any, services: tuple[str, ...]
) -> None:
    """USPS dropped Saturday delivery abroad, without a word."""
    dropped = []
    for service in services:
        abroad = "international" in service or "worldwide" in service
        base = (ABROAD if abroad else INSIDE).model_copy(update={"service": service})
        for name in sorted(able.options):
            given = FURTHER.get(name) or EXAMPLES[name][1]
            own = {key: value for key, value in given.items() if key not in OF_PARCELS}
            box = {key: value for key, value in given.items() if key in OF_PARCELS}
            asks = Shipment(
                **{**dict(base), **own, "parcels": (Parcel(**{**dict(base.parcels[0]), **box}),)}
            )
            with suppress(CarrierRejected):
                if sends(asks) == sends(base):
                    dropped.append((name, service))
    assert dropped == []


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
