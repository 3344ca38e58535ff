"""Every request that shipkit can build is one that UPS's own OpenAPI files allow, closed."""

from __future__ import annotations

import copy
import datetime as dt
import json
from typing import Any
from urllib.parse import urlencode

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, assume, given, settings

from shipkit.carriers.ups import wire
from shipkit.carriers.ups.service_level import ServiceLevel
from shipkit.errors import CarrierRejected
from shipkit.models import (
    Address,
    BillTo,
    Customs,
    CustomsItem,
    LabelSpec,
    Money,
    Notify,
    Parcel,
    Shipment,
    Signature,
    SimpleRate,
)
from shipkit.schema import OPTIONS

ACCOUNT, REFERENCE, TODAY = "A1B2C3", "SK7F3K2M9QX4B1ZP", dt.date(2026, 11, 22)
HEADERS = {"transId": "0" * 32, "transactionSrc": "shipkit"}


def url(request: wire.Request) -> str:
    return request.path + (f"?{urlencode(request.query)}" if request.query else "")


def objections(contract: Any, request: wire.Request) -> list[str]:
    return [
        str(p)
        for p in contract.request(
            request.method, url(request), request.body, headers=HEADERS, mode="closed"
        )
    ]


def ship(shipment: Shipment, shop: Address, label: LabelSpec | None = None) -> wire.Request:
    return wire.ship(
        shipment,
        shop,
        account=ACCOUNT,
        reference=REFERENCE,
        label=label or LabelSpec(),
        today=TODAY,
    )


def every_request(shipment: Shipment, shop: Address) -> list[wire.Request]:
    return [
        wire.rate(shipment, shop, account=ACCOUNT),
        wire.rate(shipment, shop, account=ACCOUNT, shop=True),
        ship(shipment, shop),
        ship(shipment, shop, LabelSpec(format="zpl", size="4x8")),
        wire.transit(shipment, shop, account=ACCOUNT, date=TODAY),
        wire.classify(shipment.ship_to),
    ]


PLAIN = [
    wire.recover(account=ACCOUNT, label=LabelSpec(format="zpl"), reference=REFERENCE),
    wire.recover(account=ACCOUNT, label=LabelSpec(), tracking_number="1Z" + "9" * 16),
    wire.void("1Z" + "9" * 16),
    wire.track("1Z" + "9" * 16),
    wire.track_reference(REFERENCE, account=ACCOUNT),
]


@pytest.mark.parametrize("request_", PLAIN, ids=lambda r: r.path.split("/")[-1])
def test_requests_without_a_shipment_are_valid(contract: Any, request_: wire.Request) -> None:
    assert objections(contract, request_) == []


def variants(base: Shipment, abroad: Shipment) -> dict[str, Shipment]:
    pr = base.ship_to.model_copy(update={"city": "San Juan", "state": "PR", "postal_code": "00901"})
    ca = Address(
        name="A Roy",
        address_line1="5840 Oak St",
        city="Vancouver",
        state="BC",
        postal_code="v6m 2v9",
        country="CA",
        phone="604 555 0100",
    )
    at_work = base.ship_to.model_copy(
        update={
            "company": "Kurz & Söhne GmbH",
            "phone": "+1 410-555-0100 ext 7",
            "address_line2": "Suite 12",
        }
    )
    insured = Parcel(weight_lb=0.04, declared_value=Money.of("1250.5"), packaging="box")
    return {
        "plain": base,
        "signature": base.model_copy(update={"signature": Signature.REQUIRED}),
        "adult": base.model_copy(update={"signature": Signature.ADULT}),
        "saturday": base.model_copy(
            update={"saturday_delivery": True, "service": ServiceLevel.NEXT_DAY_AIR}
        ),
        "direct": base.model_copy(update={"direct_delivery_only": True}),
        "third party": base.model_copy(
            update={
                "bill_to": BillTo.THIRD_PARTY,
                "bill_account": "b2c3 d4",
                "bill_postal_code": "k1a 0b1",
                "bill_country": "CA",
            }
        ),
        "receiver": base.model_copy(
            update={
                "bill_to": BillTo.RECEIVER,
                "bill_account": "B2C3D4",
                "bill_postal_code": "21093",
            }
        ),
        "consignee": base.model_copy(
            update={
                "bill_to": BillTo.CONSIGNEE,
                "ship_to": pr,
                "description": "Books",
                "parcels": (insured,),
            }
        ),
        "duties of a third party": abroad.model_copy(
            update={
                "bill_to": BillTo.RECEIVER,
                "bill_account": "B2C3D4",
                "duties_bill_to": BillTo.THIRD_PARTY,
                "duties_account": "C3D4E5",
                "duties_postal_code": "10001",
            }
        ),
        "released": base.model_copy(update={"shipper_release": True}),
        "on delivery": base.model_copy(update={"cod_amount": Money.of("50.00")}),
        "told": base.model_copy(
            update={
                "notify": Notify.ALL,
                "ship_to": base.ship_to.model_copy(update={"email": "jo@example.com"}),
            }
        ),
        "documents": abroad.model_copy(update={"documents_only": True, "customs": None}),
        "handled": base.model_copy(
            update={"parcels": (Parcel(weight_lb=3, additional_handling=True), *base.parcels)}
        ),
        "flat": base.model_copy(
            update={"parcels": (base.parcels[0].model_copy(update={"simple_rate": SimpleRate.M}),)}
        ),
        "dated": base.model_copy(update={"ship_date": TODAY + dt.timedelta(days=2)}),
        "parcels": base.model_copy(
            update={
                "parcels": (
                    *base.parcels,
                    insured,
                    Parcel(weight_lb=150, length_in=107.2, width_in=3.01, height_in=12),
                )
            }
        ),
        "return": base.model_copy(update={"is_return": True}),
        "return abroad": abroad.model_copy(update={"is_return": True}),
        "company": base.model_copy(update={"ship_to": at_work}),
        "elsewhere": base.model_copy(update={"ship_from": at_work}),
        "references": base.model_copy(
            update={"references": {"po": "1", "invoice": "2", "IN": "3", "whatever it is": "4"}}
        ),
        "puerto rico": base.model_copy(
            update={"ship_to": pr, "parcels": (insured,), "description": "Books"}
        ),
        "canada": abroad.model_copy(update={"ship_to": ca, "service": ServiceLevel.STANDARD}),
        "abroad": abroad,
        "abroad dated": abroad.model_copy(
            update={
                "ship_date": TODAY + dt.timedelta(days=1),
                "signature": Signature.ADULT,
                "references": {"po": "9"},
            }
        ),
        "duties": abroad.model_copy(
            update={
                "customs": abroad.customs.model_copy(
                    update={"duties_payer": "shipper", "terms": "ddp", "reason": "gift"}
                )
            }
        ),
    }


def test_every_kind_of_shipment_builds_valid_requests_that_the_server_takes(
    contract: Any, ups_module: Any, shop: Address, shipment: Shipment, abroad: Shipment
) -> None:
    judge = ups_module.UpsServer()
    for name, kind in variants(shipment, abroad).items():
        for request in every_request(kind, shop):
            assert (name, objections(contract, request)) == (name, [])
        bought = ship(kind, shop).body["ShipmentRequest"]
        refusal = (
            judge._refuse("ship", {"ShipmentRequest": bought})
            or ups_module._lane(bought["Shipment"])
            or ups_module._shipping_rules(bought["Shipment"], bought["LabelSpecification"])
        )
        assert (name, refusal) == (name, None)


# -- hypothesis -------------------------------------------------------------------

text = st.one_of(
    st.text(max_size=80),
    st.text("ABC abc-éßñ'’–#/.,", max_size=80),
    st.sampled_from(["Łódź", "\x08tab", "a\nb", "😀 Smile", "東京", "O’Brien & Søn", "x" * 60]),
)
word = st.one_of(text, st.text("abcdefgh ", min_size=1, max_size=30))


@st.composite
def addresses(draw: st.DrawFn) -> Address:
    country = draw(st.sampled_from(["US", "US", "US", "PR", "CA", "DE", "FR", "MX", "JP", "IE"]))
    state = {
        "US": st.sampled_from(["TX", "ny", "PR", "VI", "CA"]),
        "PR": st.just(""),
        "CA": st.sampled_from(["ON", "bc"]),
    }.get(country, word)
    zips = {
        "US": st.sampled_from(["78205", "02134-1234", "9021"]),
        "PR": st.just("00901"),
        "CA": st.sampled_from(["K1A 0B1", "k1a0b1"]),
    }.get(country, st.text("0123456789AB -", max_size=12))
    return Address(
        name=draw(st.none() | word),
        company=draw(st.none() | word),
        phone=draw(
            st.none()
            | st.sampled_from(
                ["2105550100", "+1 (210) 555-0100 x42", "0049 30 1234567", "12", "call me"]
            )
            | text
        ),
        address_line1=draw(word),
        address_line2=draw(st.none() | word),
        address_line3=draw(st.none() | word),
        city=draw(word),
        state=draw(state),
        postal_code=draw(zips),
        country=country,
        residential=draw(st.sampled_from([None, True, False])),
    )


@st.composite
def parcels(draw: st.DrawFn) -> Parcel:
    side = st.none() | st.floats(0.01, 1200, allow_nan=False)
    return Parcel(
        weight_lb=draw(st.floats(0.001, 200, allow_nan=False)),
        length_in=draw(side),
        width_in=draw(side),
        height_in=draw(side),
        packaging=draw(st.sampled_from(["package", "letter", "PAK", "UPS Express Box", "crate"])),
        declared_value=draw(
            st.none() | st.decimals(0, 200_000, places=2).map(lambda d: Money(amount=d))
        ),
        description=draw(st.none() | word),
    )


@st.composite
def customs(draw: st.DrawFn) -> Customs:
    item = st.builds(
        CustomsItem,
        description=word,
        quantity=st.integers(1, 10**8),
        unit_value=st.decimals(0, 10**7, places=2).map(lambda d: Money(amount=d)),
        sku=st.none() | word,
        hs_code=st.none() | st.sampled_from(["6109.10", "61", "6109100012", "x" * 20]),
        origin_country=st.none() | st.sampled_from(["US", "CN"]),
    )
    return Customs(
        reason=draw(st.sampled_from(["sale", "gift", "whim"])),
        duties_payer=draw(st.sampled_from(["receiver", "shipper"])),
        terms=draw(st.none() | st.sampled_from(["DAP", "ddp", "XXX"])),
        invoice_number=draw(st.none() | word),
        items=tuple(draw(st.lists(item, max_size=3))),
    )


@st.composite
def payers(draw: st.DrawFn) -> dict[str, Any]:
    account = st.none() | st.sampled_from(["B2C3D4", "b2c-3d4", "A1B2C3", "12", "ÄÖ3456"])
    code = st.none() | st.sampled_from(["10001", "K1A 0B1", "1000", "x" * 12, "10119"])
    country = st.none() | st.sampled_from(["US", "CA", "DE", "PR"])
    party = st.none() | st.sampled_from(list(BillTo))
    return {
        "bill_to": draw(party),
        "bill_account": draw(account),
        "bill_postal_code": draw(code),
        "bill_country": draw(country),
        "duties_bill_to": draw(party),
        "duties_account": draw(account),
        "duties_postal_code": draw(code),
        "duties_country": draw(country),
        "shipper_release": draw(st.booleans()),
        "documents_only": draw(st.booleans()),
        "cod_amount": draw(st.none() | st.sampled_from([Money.of("0"), Money.of("10.10")])),
        "notify": draw(st.none() | st.sampled_from(list(Notify))),
    }


@st.composite
def shipments(draw: st.DrawFn) -> Shipment:
    return Shipment(
        order_id=draw(st.none() | word),
        ship_to=draw(addresses()),
        ship_from=draw(st.none() | addresses()),
        service=draw(st.sampled_from(list(ServiceLevel))),
        parcels=tuple(draw(st.lists(parcels(), min_size=1, max_size=3))),
        ship_date=draw(st.none() | st.dates(TODAY - dt.timedelta(9), TODAY + dt.timedelta(9))),
        references=draw(
            st.dictionaries(st.sampled_from(["po", "invoice", "IN", "§"]) | word, word, max_size=6)
        ),
        description=draw(st.none() | word),
        signature=draw(st.sampled_from(list(Signature))),
        saturday_delivery=draw(st.booleans()),
        is_return=draw(st.booleans()),
        direct_delivery_only=draw(st.booleans()),
        customs=draw(st.none() | customs()),
        **draw(st.just({}) | payers()),
    )


_ON_SATURDAYS = ("next_day_air", "2nd_day_air")


@st.composite
def shippable(draw: st.DrawFn) -> Shipment:
    """Shipments with little wrong, so that many get through."""
    made = draw(shipments())
    sound = draw(
        st.sampled_from(
            [
                ("US", "TX", "78205", "ground"),
                ("US", "NY", "10017-1234", "next_day_air"),
                ("DE", "", "10119", "worldwide_saver"),
                ("CA", "ON", "K1A 0B1", "standard"),
                ("PR", "", "00901", "2nd_day_air"),
            ]
        )
    )
    to = made.ship_to.model_copy(
        update={
            "country": sound[0],
            "state": sound[1],
            "postal_code": sound[2],
            "phone": "+1 210 555 0100",
            "city": "Somewhere",
            "address_line1": draw(st.text("abc dé1", min_size=3, max_size=50)) + " 1",
            "address_line2": None,
            "address_line3": None,
            "name": "Jo " + draw(st.text("abcö ", max_size=50)),
            "company": draw(st.none() | st.text("abcß&-", max_size=60)),
        }
    )
    item = CustomsItem(
        description="Thing " + draw(st.text("abc ", max_size=150)),
        quantity=draw(st.integers(1, 999)),
        unit_value=Money.of("3.25"),
        origin_country="US",
    )
    boxes = tuple(
        p.model_copy(
            update={
                "weight_lb": min(p.weight_lb, 150),
                "packaging": "package",
                "description": None,
                "length_in": None,
                "width_in": None,
                "height_in": None,
                "declared_value": None,
            }
        )
        for p in made.parcels
    )
    return made.model_copy(
        update={
            "ship_to": to,
            "ship_from": None,
            "service": ServiceLevel(sound[3]),
            "saturday_delivery": made.saturday_delivery and sound[3] in _ON_SATURDAYS,
            "customs": Customs(items=(item,)),
            "parcels": boxes,
            "references": {"po": "1"},
            "order_id": None,
            **{
                leaf.name: False if leaf.spec.kind == "flag" else None
                for leaf in OPTIONS
                if leaf.spec.since > 2 and leaf.group == ""
            },
            "description": draw(st.none() | st.text("abc é\x07", max_size=80)),
        }
    )


FAST = settings(
    max_examples=40 if settings.default.derandomize else 120,
    deadline=None,
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.filter_too_much,
        HealthCheck.too_slow,
    ],
)


def check(contract: Any, ups_module: Any, shipment: Shipment, shop: Address) -> bool:
    built = 0
    for build in (
        lambda: wire.rate(shipment, shop, account=ACCOUNT),
        lambda: wire.rate(shipment, shop, account=ACCOUNT, shop=True),
        lambda: ship(shipment, shop),
        lambda: wire.transit(shipment, shop, account=ACCOUNT, date=TODAY),
        lambda: wire.classify(shipment.ship_to),
    ):
        try:
            request = build()
        except CarrierRejected as refusal:
            if not refusal.fix:
                raise
            continue
        json.dumps(request.body).encode()
        assert objections(contract, request) == []
        if "ShipmentRequest" in (request.body or {}):
            inner = request.body["ShipmentRequest"]
            judge = ups_module.UpsServer()
            assert judge._refuse("ship", request.body) is None
            assert (
                ups_module._shipping_rules(inner["Shipment"], inner["LabelSpecification"]) is None
            )
            built += 1
    return bool(built)


@FAST
@given(shipments())
def test_whatever_a_shipment_holds_a_request_is_valid_or_refused_with_a_fix(
    contract: Any, ups_module: Any, shop: Address, shipment: Shipment
) -> None:
    check(contract, ups_module, shipment, shop)


@FAST
@given(shippable())
def test_sound_shipments_of_every_kind_build_valid_requests(
    contract: Any, ups_module: Any, shop: Address, shipment: Shipment
) -> None:
    assume(not (shipment.is_return and shipment.signature is not Signature.NONE))
    assume(not shipment.is_return or len(shipment.parcels) == 1)
    # A longer street that can be cut nowhere waits for a person: tests/normalize/test_street_lines.
    assume(len(shipment.ship_to.address_line1 or "") <= 35)
    assert check(contract, ups_module, shipment, shop)


# -- the server objects ----------------------------------------------------------


def paths(node: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    if isinstance(node, dict):
        return [at, *[p for key, value in node.items() for p in paths(value, (*at, key))]]
    if isinstance(node, list):
        return [at, *[p for i, value in enumerate(node) for p in paths(value, (*at, i))]]
    return [at]


@pytest.mark.parametrize("kind", ["plain", "duties"])
def test_the_judge_notices_every_field_that_is_misnamed(
    contract: Any, shop: Address, shipment: Shipment, abroad: Shipment, kind: str
) -> None:
    """UPS ignores a misnamed field in silence and does something else; the closed contract must
    not.
    """
    counted = 0
    for request in [
        *every_request(variants(shipment, abroad)[kind], shop),
        *[r for r in PLAIN if r.body],
    ]:
        for path in [p for p in paths(request.body) if p and isinstance(p[-1], str)]:
            body = copy.deepcopy(request.body)
            holder = body
            for step in path[:-1]:
                holder = holder[step]
            holder[f"{path[-1]}X"] = holder.pop(path[-1])
            unknown = [
                p
                for p in contract.request("POST", request.path, body, mode="closed")
                if p.rule in {"additionalProperties", "required"}
            ]
            assert unknown, path
            counted += 1
    assert counted > 200


def test_the_judge_notices_every_required_field_that_is_missing_or_of_the_wrong_type(
    contract: Any, ups_module: Any, shop: Address, abroad: Shipment
) -> None:
    request = ship(abroad, shop)
    unnoticed = []
    for path in [p for p in paths(request.body) if p and isinstance(p[-1], str)]:
        body = copy.deepcopy(request.body)
        holder = body
        for step in path[:-1]:
            holder = holder[step]
        holder[path[-1]] = 17
        if not contract.request("POST", request.path, body, mode="closed"):
            unnoticed.append(path)
    assert unnoticed == []


# -- details ---------------------------------------------------------------------


def package(request: wire.Request, i: int = 0) -> dict[str, Any]:
    return request.body["ShipmentRequest"]["Shipment"]["Package"][i]


@pytest.mark.parametrize(
    ("pounds", "told"),
    [
        (2.0, "2"),
        (2.01, "2.1"),
        (0.0001, "0.1"),
        (0.04, "0.1"),
        (5.00000001, "5"),
        (149.99, "150"),
        (150, "150"),
        (10.1, "10.1"),
    ],
)
def test_weights_go_up_to_a_tenth_and_never_to_another_pound(
    shop: Address, shipment: Shipment, pounds: float, told: str
) -> None:
    request = ship(shipment.model_copy(update={"parcels": (Parcel(weight_lb=pounds),)}), shop)
    assert package(request)["PackageWeight"]["Weight"] == told


@pytest.mark.parametrize(
    ("sides", "told"),
    [
        ((3.2, 8, 4), ("8", "4", "4")),
        ((7.874, 5.906, 11.811), ("12", "8", "6")),
        ((10.0000001, 1, 0.2), ("10", "1", "1")),
    ],
)
def test_dimensions_are_whole_inches_longest_first(
    shop: Address, shipment: Shipment, sides: tuple[float, ...], told: tuple[str, ...]
) -> None:
    box = Parcel(weight_lb=1, length_in=sides[0], width_in=sides[1], height_in=sides[2])
    found = package(ship(shipment.model_copy(update={"parcels": (box,)}), shop))["Dimensions"]
    assert (found["Length"], found["Width"], found["Height"]) == told


def test_our_reference_is_first_on_the_first_package_inside_the_us(
    shop: Address, shipment: Shipment
) -> None:
    request = ship(shipment.model_copy(update={"parcels": shipment.parcels * 2}), shop)
    assert package(request)["ReferenceNumber"] == [
        {"Code": "TN", "Value": REFERENCE},
        {"Code": "PO", "Value": "PO-77"},
    ]
    assert package(request, 1)["ReferenceNumber"] == [{"Code": "PO", "Value": "PO-77"}]
    assert "ReferenceNumber" not in request.body["ShipmentRequest"]["Shipment"]


def test_our_reference_is_on_the_shipment_abroad_and_to_puerto_rico(
    shop: Address, shipment: Shipment, abroad: Shipment
) -> None:
    for kind in (abroad, variants(shipment, abroad)["puerto rico"]):
        request = ship(kind, shop)
        assert request.body["ShipmentRequest"]["Shipment"]["ReferenceNumber"][0] == {
            "Code": "TN",
            "Value": REFERENCE,
        }
        assert "ReferenceNumber" not in package(request)
        assert (
            request.body["ShipmentRequest"]["Request"]["TransactionReference"]["CustomerContext"]
            == REFERENCE
        )


def test_puerto_rico_is_a_country_at_ups(
    shop: Address, shipment: Shipment, abroad: Shipment
) -> None:
    address = ship(variants(shipment, abroad)["puerto rico"], shop).body["ShipmentRequest"][
        "Shipment"
    ]["ShipTo"]["Address"]
    assert (address["CountryCode"], address["StateProvinceCode"], address["PostalCode"]) == (
        "PR",
        "PR",
        "00901",
    )


def test_a_return_label_goes_from_the_customer_to_the_shop(
    shop: Address, shipment: Shipment
) -> None:
    body = ship(shipment.model_copy(update={"is_return": True}), shop).body["ShipmentRequest"][
        "Shipment"
    ]
    assert (body["ShipFrom"]["Name"], body["ShipTo"]["Name"], body["Shipper"]["Name"]) == (
        "Jo Ng",
        "Harbor Goods",
        "Harbor Goods",
    )
    assert body["ReturnService"] == {"Code": "9"}


def test_a_return_label_has_one_parcel_from_the_us_and_twenty_from_elsewhere(
    shop: Address, shipment: Shipment
) -> None:
    """Shipping.yaml, Package: "US/PR origin return movements are limited to only one package"."""
    back = shipment.model_copy(update={"is_return": True, "parcels": shipment.parcels * 2})
    with pytest.raises(CarrierRejected, match="1 parcel for a return label from US, not 2"):
        wire.check(back, shop)
    with pytest.raises(CarrierRejected, match="1 parcel"):
        wire.rate(back, shop, account=ACCOUNT)
    berlin = {
        "address_line1": "Hauptstr. 1",
        "city": "Berlin",
        "state": None,
        "postal_code": "10115",
        "country": "DE",
    }
    here, there = shop.model_copy(update=berlin), shipment.ship_to.model_copy(update=berlin)
    several = back.model_copy(update={"ship_to": there, "service": "standard"})
    wire.check(several.model_copy(update={"parcels": shipment.parcels * 20}), here)
    with pytest.raises(CarrierRejected, match="20 parcels"):
        wire.check(several.model_copy(update={"parcels": shipment.parcels * 21}), here)


def test_a_parcel_within_the_emirates_needs_a_description(
    shop: Address, shipment: Shipment
) -> None:
    """Shipping.yaml, Description: "required for all UAE shipments", domestic ones too."""
    dubai = {"city": "Dubai", "state": None, "postal_code": None, "country": "AE"}
    here, there = shop.model_copy(update=dubai), shipment.ship_to.model_copy(update=dubai)
    parcel = shipment.model_copy(update={"ship_to": there, "service": "worldwide_saver"})
    with pytest.raises(CarrierRejected, match="description of the goods"):
        wire.check(parcel, here)
    wire.check(parcel.model_copy(update={"description": "Books"}), here)


@pytest.mark.parametrize(
    ("format_", "code"), [("pdf", "GIF"), ("png", "GIF"), ("gif", "GIF"), ("zpl", "ZPL")]
)
def test_pdf_and_png_are_asked_as_gif_and_zpl_as_zpl(
    shop: Address, shipment: Shipment, format_: str, code: str
) -> None:
    specification = ship(shipment, shop, LabelSpec(format=format_)).body["ShipmentRequest"][
        "LabelSpecification"
    ]
    assert specification["LabelImageFormat"]["Code"] == code
    assert specification["LabelStockSize"] == {"Height": "6", "Width": "4"}


def test_within_the_eu_there_are_no_forms_and_no_duties(shop: Address, abroad: Shipment) -> None:
    paris = Address(
        name="Anne Roux",
        address_line1="1 Rue X",
        city="Paris",
        postal_code="75001",
        country="FR",
        phone="+33 1 23456789",
    )
    inside = abroad.model_copy(
        update={
            "ship_from": paris,
            "service": ServiceLevel.STANDARD,
            "customs": Customs(duties_payer="shipper"),
        }
    )
    body = ship(inside, shop).body["ShipmentRequest"]["Shipment"]
    assert "InternationalForms" not in body.get("ShipmentServiceOptions", {})
    assert [c["Type"] for c in body["PaymentInformation"]["ShipmentCharge"]] == ["01"]


REFUSED = {
    "ground abroad": (
        lambda s, a: a.model_copy(update={"service": ServiceLevel.GROUND}),
        "service",
        "worldwide_saver",
    ),
    "worldwide at home": (
        lambda s, a: s.model_copy(update={"service": ServiceLevel.WORLDWIDE_SAVER}),
        "service",
        "ground",
    ),
    "no invoice": (
        lambda s, a: a.model_copy(update={"customs": None}),
        "customs.items",
        "description",
    ),
    "no phone abroad": (
        lambda s, a: a.model_copy(update={"ship_to": a.ship_to.model_copy(update={"phone": None})}),
        "ship_to.phone",
        "area code",
    ),
    "two sides": (
        lambda s, a: s.model_copy(
            update={"parcels": (Parcel(weight_lb=1, length_in=2, width_in=2),)}
        ),
        "parcels[0]",
        "missing dimension",
    ),
    "too heavy": (
        lambda s, a: s.model_copy(update={"parcels": (Parcel(weight_lb=150.1),)}),
        "parcels[0].weight_lb",
        "more parcels",
    ),
    "long street": (
        lambda s, a: s.model_copy(
            update={"ship_to": s.ship_to.model_copy(update={"address_line1": "word " * 40})}
        ),
        "ship_to.address_line1",
        "truncate_address",
    ),
    "long reference": (
        lambda s, a: s.model_copy(update={"references": {"po": "x" * 36}}),
        "references.po",
        "Shorten",
    ),
    "five references": (
        lambda s, a: s.model_copy(update={"references": dict.fromkeys("abcde", "1")}),
        "references",
        "fewer",
    ),
    "other script": (
        lambda s, a: s.model_copy(
            update={"ship_to": s.ship_to.model_copy(update={"name": "東京"})}
        ),
        "ship_to.name",
        "Latin",
    ),
    "zip": (
        lambda s, a: s.model_copy(
            update={"ship_to": s.ship_to.model_copy(update={"postal_code": "2109"})}
        ),
        "ship_to.postal_code",
        "leading zeros",
    ),
    "worthless gift": (
        lambda s, a: a.model_copy(
            update={
                "customs": Customs(
                    items=(
                        CustomsItem(
                            description="x", quantity=1, unit_value=Money.of(0), origin_country="US"
                        ),
                    )
                )
            }
        ),
        "customs.items[0].unit_value",
        "worth",
    ),
    "signature on return": (
        lambda s, a: s.model_copy(update={"is_return": True, "signature": Signature.ADULT}),
        "signature",
        "Leave the signature",
    ),
    "to puerto rico without value": (
        lambda s, a: s.model_copy(
            update={
                "ship_to": s.ship_to.model_copy(update={"state": "PR", "postal_code": "00901"}),
                "description": "Books",
            }
        ),
        "customs.items",
        "declared value",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_ups_would_refuse_is_refused_before_it_is_asked_with_field_and_fix(
    shop: Address, shipment: Shipment, abroad: Shipment, name: str
) -> None:
    change, field, fix = REFUSED[name]
    with pytest.raises(CarrierRejected) as caught:
        wire.check(change(shipment, abroad), shop)
    assert caught.value.details["field"] == field
    assert caught.value.message.startswith(f"{field}: ")
    assert fix in caught.value.fix


def test_a_service_is_never_swapped_in_silence(shop: Address, abroad: Shipment) -> None:
    with pytest.raises(CarrierRejected, match="UPS Ground does not run from US to DE"):
        wire.rate(abroad.model_copy(update={"service": ServiceLevel.GROUND}), shop, account=ACCOUNT)
