"""A USPS account over HTTP: prices, labels, customs, addresses, tracking, tokens and the quota."""

from __future__ import annotations

import contextlib
import datetime as dt
import pickle
import random
import re
import traceback
from typing import Any

import pytest

import shipkit as sk
from shipkit.carriers.pace import Pacer
from shipkit.carriers.usps.call_quota import CallQuota, in_hours
from shipkit.carriers.usps.keyed_purchases import key_of
from shipkit.carriers.usps.label_request import Product, check, label_bytes
from shipkit.carriers.usps.mail_classes import SERVICES
from shipkit.carriers.usps.parcel_question import questions
from shipkit.errors import (
    AnswerLost,
    AuthenticationFailed,
    CarrierRejected,
    LabelNotShown,
    RateLimited,
)
from shipkit.models import (
    Address,
    Customs,
    CustomsItem,
    LabelSpec,
    Money,
    Parcel,
    Shipment,
    Signature,
)

from .conftest import BOX, SHOP, asked, plan_of

ZPL = LabelSpec(format="zpl")
MUG = CustomsItem(
    description="Mug", quantity=2, unit_value=Money.of("12.50"), weight_lb=0.8, origin_country="US"
)
CUSTOMS = Customs(items=(MUG,), invoice_number="INV-1")
BERLIN = Address(
    name="Eva Braun-Maier",
    address_line1="Torstr. 1",
    city="Berlin",
    postal_code="10115",
    country="DE",
    phone="+49 30 1234567",
)
APO = Address(
    name="Sam Lee", address_line1="PSC 3 Box 12", city="APO", state="AE", postal_code="09021"
)


def parcel(**fields: Any) -> Parcel:
    return Parcel(**{"weight_lb": 2.0, **BOX, **fields})


def bought(
    carrier: Any, shipment: Shipment, label: LabelSpec = ZPL, *, shop: Address = SHOP, row: int = 1
) -> Any:
    async def call(one: Any) -> Any:
        made = await one.prepare(shipment, shop, f"S0123456789A{row:05}001", label)
        return await one.ship(shipment, shop, made.shipment_id, label)

    return asked(carrier, call)


# -- prices ----------------------------------------------------------------------------------------


def test_a_price_is_postage_fees_and_extra_services_and_so_is_the_charge(server, usps, shipment):
    wanted = shipment.model_copy(
        update={
            "signature": Signature.ADULT,
            "parcels": (parcel(length_in=24.0, declared_value=Money.of("250")),),
        }
    )
    rate = asked(usps(), lambda one: one.quote(wanted, SHOP))
    # 5.10 + 2 x 0.55 + zone 8 x 0.31 ... postage; 4.00 for the length; 9.75 and 5.10 for extras.
    assert (rate.other_cents, rate.cost_cents - rate.base_cents) == (1885, 1885)
    purchase = bought(usps(), wanted)
    assert purchase.charge.cents == rate.cost_cents
    body = next(b for _, path, b in server.seen if path == "/labels/v3/label")
    assert body["packageDescription"]["extraServices"] == [922, 930]
    assert body["packageDescription"]["packageOptions"] == {"packageValue": 250.0}


@pytest.mark.parametrize(
    ("service", "fields", "value", "codes"),
    [
        ("ground_advantage", {"signature": Signature.REQUIRED}, None, [921]),
        ("express", {"signature": Signature.REQUIRED}, "300", [981, 925]),
        ("priority", {}, "600", [931]),
        ("media_mail", {}, "50", [930]),
        ("priority", {}, "100", None),
    ],
)
def test_extra_services_are_those_of_the_service(
    server, usps, shipment, service, fields, value, codes
):
    declared = None if value is None else Money.of(value)
    wanted = shipment.model_copy(
        update={"service": service, "parcels": (parcel(declared_value=declared),), **fields}
    )
    rate = asked(usps(), lambda one: one.quote(wanted, SHOP))
    assert any("insured by the service itself" in text for text in rate.warnings) == (codes is None)
    assert bought(usps(), wanted).charge.cents == rate.cost_cents
    body = next(b for _, path, b in server.seen if path == "/labels/v3/label")
    assert body["packageDescription"].get("extraServices") == codes


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        (
            {"service": "media_mail", "signature": Signature.ADULT},
            "Adult Signature with Media Mail",
        ),
        ({"parcels": (Parcel(weight_lb=1),)}, "needs length, width and height"),
        ({"parcels": (parcel(packaging="UPS Letter"),)}, "not one of USPS's packagings"),
        ({"parcels": (parcel(declared_value=Money.of("9000")),)}, "at most $5,000"),
        ({"parcels": (parcel(declared_value=Money.of("50", "EUR")),)}, "insures in USD"),
        ({"service": "priority_international"}, "does not go within the US"),
        ({"ship_date": dt.date(2031, 1, 1)}, "today and the next 7 days"),
        ({"is_return": True}, "return labels of USPS are not supported"),
        ({"ship_to": BERLIN}, "does not go to DE"),
        (
            {
                "ship_to": BERLIN,
                "service": "priority_international",
                "saturday_delivery": True,
            },
            "no Saturday delivery abroad",
        ),
        ({"ship_to": APO}, "needs a customs form"),
    ],
)
def test_what_usps_cannot_do_is_refused_before_anything_is_asked(
    server, usps, shipment, fields, words
):
    wanted = shipment.model_copy(update=fields)
    with pytest.raises(CarrierRejected) as caught:
        asked(usps(), lambda one: one.quote(wanted, SHOP))
    assert words in caught.value.message
    assert caught.value.fix
    assert set(server.calls) <= ({"token", "prices"} if "Adult" in words else set())


def test_a_box_of_ones_own_is_never_priced_as_presort_soft_pack_or_flat_rate(
    server, usps, shipment
):
    rate = asked(usps(), lambda one: one.quote(shipment, SHOP))
    bought(usps(), shipment)
    body = next(b for _, path, b in server.seen if path == "/labels/v3/label")
    chosen = body["packageDescription"]
    assert (chosen["rateIndicator"], chosen["destinationEntryFacilityType"]) == ("SP", "NONE")
    flat = shipment.model_copy(
        update={
            "service": "priority",
            "parcels": (Parcel(weight_lb=20, packaging="USPS Medium Flat Rate Box"),),
        }
    )
    assert asked(usps(), lambda one: one.quote(flat, SHOP)).cost_cents == 1840
    assert rate.cost_cents < 1840


def test_rows_that_can_only_have_one_price_are_one_question(server, usps):
    rows = plan_of(6).to_pylist()
    for row, (pounds, code, state) in zip(
        rows,
        [
            (2.1, "90277", "CA"),
            (2.9, "90210", "CA"),  # the same pound, the same ZIP3
            (3.1, "90277", "CA"),
            (0.5, "90277", "CA"),
            (0.49, "90277", "CA"),  # the same eighth ounce
            (2.5, "96910", "GU"),
        ],
        strict=True,
    ):
        row["parcels"] = [{"weight_lb": pounds, "packaging": "package", **BOX}]
        row["postal_code"], row["state"] = code, state
    import pyarrow as pa

    from shipkit.schema import SHIPMENTS

    table = pa.Table.from_pylist(rows, schema=SHIPMENTS)
    quotes = asked(usps(), lambda one: one.quote_table(table, SHOP, Pacer(concurrency=4)))
    assert server.calls["prices"] == 3, "Guam is refused without a form, the others are three"
    cents = quotes.column("cost_cents").to_pylist()
    assert cents[0] == cents[1] < cents[2]
    assert cents[3] == cents[4] < cents[0]
    assert "needs a customs form" in quotes.column("problem").to_pylist()[5]


@pytest.mark.parametrize(
    ("pounds", "abroad", "step"),
    [
        (0.01, False, "0.0625"),
        (0.0625, False, "0.0625"),
        (0.0626, False, "0.125"),
        (0.96, False, "0.999"),
        (0.9999, False, "0.9999"),
        (1.0, False, "1"),
        (1.0001, False, "2"),
        (69.2, False, "70"),
        (1.01, True, "1.0625"),
        (4.01, True, "5"),
    ],
)
def test_steps_of_weight(pounds, abroad, step):
    to = BERLIN if abroad else SHOP
    row = Shipment(ship_to=to, service="any", parcels=(parcel(weight_lb=pounds),))
    [question] = questions(row, SHOP, dt.date(2026, 11, 29))
    assert question.weight == step


def test_a_key_of_a_question_has_all_digits_where_the_zone_may_depend_on_them():
    def key(code: str, *, every: bool = False) -> Any:
        to = Address(name="A B", address_line1="1 A", city="X", postal_code=code, state="TX")
        row = Shipment(ship_to=to, service="any", parcels=(parcel(),))
        return questions(row, SHOP, dt.date(2026, 11, 29))[0].key(every_digit=every)

    assert key("90277") == key("90210") != key("91210")
    assert key("96910") != key("96911"), "the Pacific"
    assert key("09021") != key("09022"), "military"
    assert key("90277", every=True) != key("90210", every=True), "delivery days"


def test_a_price_error_without_a_code_is_a_problem_of_its_row(server, usps, shipment):
    away = shipment.ship_to.model_copy(update={"postal_code": "00001"})
    with pytest.raises(CarrierRejected, match="Could not find zone from provided ZIPs"):
        asked(usps(), lambda one: one.quote(shipment.model_copy(update={"ship_to": away}), SHOP))


# -- labels ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("multipart", [False, True])
@pytest.mark.parametrize("kind", ["zpl", "pdf", "png", "gif"])
def test_labels_come_whole_as_one_json_and_in_parts(server, usps, shipment, multipart, kind):
    server.multipart = multipart
    label = LabelSpec(format=kind)
    purchase = bought(usps(), shipment, label)
    [one] = purchase.labels
    assert (one.format.value, one.tracking_number) == (kind, purchase.tracking_numbers[0])
    assert purchase.warnings == ()
    found = asked(usps(), lambda a: a.find("S0123456789A00001001", label, shipment))
    assert [p.tracking_numbers for p in found] == [purchase.tracking_numbers]
    assert found[0].labels == purchase.labels
    assert found[0].charge == purchase.charge


def test_a_label_abroad_has_a_form_and_a_number_of_its_own_kind(server, usps, shipment):
    wanted = shipment.model_copy(
        update={"ship_to": BERLIN, "service": "priority_international", "customs": CUSTOMS}
    )
    rate = asked(usps(), lambda one: one.quote(wanted, SHOP))
    purchase = bought(usps(), wanted, LabelSpec(format="png"))
    assert purchase.tracking_numbers[0].startswith("LZ")
    assert purchase.charge.cents == rate.cost_cents
    assert purchase.labels[0].format.value == "pdf", "USPS draws no picture with a form"
    body = next(b for _, path, b in server.seen if path.endswith("/international-label"))
    assert body["customsForm"]["AESITN"] == "NO EEI 30.37(a)"
    assert body["customsForm"]["contents"][0]["itemTotalValue"] == 25.0
    assert body["toAddress"]["country"] == "Germany"
    asked(usps(), lambda one: one.void(purchase))
    assert server.sold()[0]["state"] == "canceled"


def test_a_military_address_has_a_form_and_its_city_is_left_alone(server, usps, shipment):
    wanted = shipment.model_copy(update={"ship_to": APO, "customs": CUSTOMS})
    bought(usps(), wanted)
    body = next(b for _, path, b in server.seen if path == "/labels/v3/label")
    assert (body["toAddress"]["city"], body["toAddress"]["state"]) == ("APO", "AE")
    assert "AESITN" not in body["customsForm"]


def sent_to(server: Any) -> dict[str, Any]:
    return next(body for _, path, body in reversed(server.seen) if path == "/labels/v3/label")


def test_the_sender_of_a_form_is_a_firm_and_references_are_not_printed(server, usps, shipment):
    wanted = shipment.model_copy(update={"ship_to": APO, "customs": CUSTOMS})
    rate = asked(usps(), lambda one: one.quote(wanted, SHOP))
    said = " ".join(rate.warnings)
    assert "references are sent, and not printed" in said
    assert "an item has no HS code: USPS looks one up" in said
    bought(usps(), wanted, shop=SHOP.model_copy(update={"company": None}))
    body = sent_to(server)
    assert body["fromAddress"]["firm"] == SHOP.name
    assert not {"firstName", "lastName"} & set(body["fromAddress"])
    assert "firm" not in body["toAddress"]
    assert body["packageDescription"]["customerReference"] == [
        {"referenceNumber": "PO-77"},
        {"referenceNumber": "4412"},
    ]
    three = wanted.model_copy(update={"references": {"a": "1", "b": "2", "c": "3"}})
    with pytest.raises(CarrierRejected, match="USPS takes 2 references with a customs form"):
        asked(usps(), lambda one: one.quote(three, SHOP))


@pytest.mark.parametrize(
    ("state", "code", "change", "said"),
    [
        ("AE", "09021", {"signature": Signature.REQUIRED}, "or send it by express"),
        ("AP", "96201", {"signature": Signature.ADULT}, "does not take it to a military address"),
        ("AE", "09021", {"parcels": (parcel(declared_value=Money.of("501")),)}, "at most $500"),
        ("PW", "96940", {"signature": Signature.ADULT}, "or a freely associated state"),
    ],
)
def test_extra_services_that_such_a_label_cannot_have_hold_the_row_unasked(
    server, usps, shipment, state, code, change, said
):
    to = APO.model_copy(update={"state": state, "postal_code": code})
    wanted = shipment.model_copy(update={"ship_to": to, "customs": CUSTOMS, **change})
    with pytest.raises(CarrierRejected, match=re.escape(said)):
        asked(usps(), lambda one: one.quote(wanted, SHOP))
    assert server.calls["prices"] == 0


def test_express_signs_and_insures_to_a_military_address(server, usps, shipment):
    for row, change in enumerate(
        ({"signature": Signature.REQUIRED}, {"parcels": (parcel(declared_value=Money.of("900")),)})
    ):
        wanted = shipment.model_copy(
            update={"ship_to": APO, "customs": CUSTOMS, "service": "express", **change}
        )
        bought(usps(), wanted, row=row)
        assert sent_to(server)["packageDescription"]["extraServices"] == [[981], [925]][row]


@pytest.mark.parametrize(
    ("start", "end", "needed", "form"),
    [
        ("TX 78205", "CA 90277", False, False),
        ("TX 78205", "PR 00901", False, False),
        ("TX 78205", "VI 00801", False, True),
        ("TX 78205", "GU 96910", True, True),
        ("GU 96910", "TX 78205", True, True),
        ("AE 09021", "TX 78205", True, True),
    ],
)
def test_a_form_is_demanded_and_sent_where_mail_needs_one(
    server, usps, shipment, start, end, needed, form
):
    places = [
        dict(zip(("state", "postal_code"), text.split(), strict=True)) for text in (start, end)
    ]
    origin = SHOP.model_copy(update=places[0])
    plain = shipment.model_copy(
        update={"ship_to": shipment.ship_to.model_copy(update=places[1]), "customs": None}
    )
    if needed:
        with pytest.raises(CarrierRejected, match="needs a customs form"):
            asked(usps(), lambda one: one.quote(plain, origin))
    wanted = plain.model_copy(update={"customs": CUSTOMS})
    rate = asked(usps(), lambda one: one.quote(wanted, origin))
    said = "customs items are not sent: mail between these places needs no form"
    assert (said in rate.warnings) is not form
    bought(usps(), wanted, shop=origin)
    assert ("customsForm" in sent_to(server)) is form


def test_what_a_customs_form_has_no_room_for_is_said_or_holds_its_row(server, usps, shipment):
    long = MUG.model_copy(update={"description": "Mug of bone china with a golden rim, set of two"})
    abroad = {"ship_to": BERLIN, "service": "priority_international"}
    wanted = shipment.model_copy(
        update={**abroad, "customs": Customs(items=(long, MUG)), "itn": "AES X20261129123456",
                "parcels": (parcel(weight_lb=4.0),)}
    )  # fmt: skip
    rate = asked(usps(), lambda one: one.quote(wanted, SHOP))
    assert any("'Mug of bone china with a' is what it has" in w for w in rate.warnings)
    bought(usps(), wanted)
    body = next(b for _, path, b in server.seen if path.endswith("/international-label"))
    assert body["customsForm"]["AESITN"] == "AES X20261129123456"
    assert body["customsForm"]["contents"][0]["itemDescription"] == "Mug of bone china with a"

    def of(**customs: Any) -> Shipment:
        made = Customs(**{"items": (MUG,), **customs})
        return shipment.model_copy(update={**abroad, "customs": made})

    def to(**place: str) -> Shipment:
        return of().model_copy(update={"ship_to": BERLIN.model_copy(update=place)})

    ring = MUG.model_copy(update={"quantity": 1, "unit_value": Money.of("2500.01")})
    pins = MUG.model_copy(
        update={"quantity": 10_000, "unit_value": Money.of("0.01"), "weight_lb": 0.0001}
    )
    for row, words in (
        (of(invoice_number="INV-2026-11-0001234"), "at most 15 characters"),
        (of(items=(ring,)), "the row has no ITN"),
        (of(items=(pins,)), "at most 9,999 pieces"),
        (to(postal_code="1234567890AB"), "postal_code: USPS prints at most 11 characters"),
        (to(state="S" * 41), "state: USPS prints at most 40 characters"),
        (of(items=(ring,)).model_copy(update={"itn": "X123"}), "is not an ITN"),
    ):
        with pytest.raises(CarrierRejected, match=words):
            asked(usps(), lambda one, row=row: one.quote(row, SHOP))
    filed = of(items=(ring,)).model_copy(update={"itn": "NOEEI 30.36"})
    assert asked(usps(), lambda one: one.quote(filed, SHOP)).cost_cents
    vase = ring.model_copy(update={"unit_value": Money.of("2500"), "weight_lb": 0.1})
    vases = [vase.model_copy(update={"hs_code": code}) for code in ("691200", "701337")]
    two = of(items=tuple(vases))
    assert asked(usps(), lambda one: one.quote(two, SHOP)).cost_cents
    number = "112-1234567-1234567"
    own = of(invoice_number=number).model_copy(update={"order_id": number})
    assert "not on the customs form" in str(asked(usps(), lambda one: one.quote(own, SHOP)))
    here = shipment.model_copy(update={"itn": "AES X20261129123456"})
    assert "itn is not sent" in str(asked(usps(), lambda one: one.quote(here, SHOP)).warnings)


def test_another_place_on_the_label_is_a_warning(server, usps, shipment):
    server.moves = {"90277": ("TORRANCE", "90503")}
    purchase = bought(usps(), shipment)
    assert purchase.warnings == ("USPS printed another place on the label: TORRANCE, CA 90503",)


def test_a_request_that_would_not_be_the_same_bytes_is_not_sent(server, usps, shipment):
    async def call(one: Any) -> Any:
        made = await one.prepare(shipment, SHOP, "S0123456789A00001001", ZPL)
        other = shipment.model_copy(update={"references": {"po": "PO-78"}})
        return await one.ship(other, SHOP, made.shipment_id, ZPL)

    with pytest.raises(CarrierRejected) as caught:
        asked(usps(), call)
    assert caught.value.carrier_code == "request_changed"
    assert server.calls["label"] == 0


def test_what_is_kept_for_a_repeat_holds_no_address(server, usps, shipment):
    made = asked(usps(), lambda one: one.prepare(shipment, SHOP, "S0123456789A00001001", ZPL))
    key, version, day, product, digest = made.shipment_id.split(";")
    assert (key, version, product) == (key_of("S0123456789A00001001"), "1", "SP.MACHINABLE.NONE")
    assert day == dt.date.fromisoformat(day).isoformat()
    assert len(digest) == 64


def test_keys_are_random_uuids_of_their_references():
    keys = {key_of(f"S0123456789A{place:05}001") for place in range(1000)}
    assert len(keys) == 1000
    assert all(key[14] == "4" and key[19] in "89ab" for key in keys)


def test_a_label_that_was_canceled_is_not_shown_and_voids_again(server, usps, shipment):
    purchase = bought(usps(), shipment)
    for _ in range(2):
        asked(usps(), lambda one: one.void(purchase))
    with pytest.raises(LabelNotShown) as caught:
        asked(usps(), lambda one: one.find("S0123456789A00001001", ZPL, shipment))
    assert caught.value.final


def test_only_the_codes_of_usps_say_that_there_is_no_label(server, usps, shipment):
    bought(usps(), shipment)
    server.fault("reprint", "not_found", times=1)
    with pytest.raises(AnswerLost, match="Resource not found"):
        asked(usps(), lambda one: one.find("S0123456789A00001001", ZPL, shipment))


def test_random_requests_are_what_the_files_of_usps_have(contract):
    if contract is None:
        pytest.skip("the folder `shared/usps` is not next to the project")
    dice, sent = random.Random(5), 0
    for _ in range(250):
        row = _random_shipment(dice)
        try:
            check(row, SHOP, parcels=60)
        except CarrierRejected:
            continue
        label = LabelSpec(format=dice.choice(["pdf", "zpl", "png", "gif"]))
        for place in range(len(row.parcels)):
            made = [
                label_bytes(
                    row, SHOP, label, place=place, product=Product("SP", "MACHINABLE"),
                    day="2026-11-29",
                )
                for _ in range(2)
            ]  # fmt: skip
            assert made[0] == made[1]
            abroad = row.ship_to.country not in ("US", "PR", "GU")
            path = "/international-labels/v3/international-label" if abroad else "/labels/v3/label"
            import orjson

            assert contract.request("POST", path, orjson.loads(made[0])) == []
            sent += 1
    assert sent > 60


def _random_shipment(dice: random.Random) -> Shipment:
    words = ["Ana", "José", "O'Neil", "李", "x" * 49, "Müller-Lüdenscheidt", "Jr."]
    to = dice.choice([SHOP, BERLIN, APO, SHOP.model_copy(update={"country": "PR", "state": None})])
    to = to.model_copy(
        update={
            "name": " ".join(dice.sample(words, dice.randint(0, 2))) or None,
            "company": dice.choice([None, "Acme", "y" * 40]),
            "address_line2": dice.choice([None, "Apt 5", "z" * 60]),
            "phone": dice.choice([None, "555-0100", "+1 (210) 555-0100", "12"]),
            "email": dice.choice([None, "a@b.co", "no mail", f"{'q' * 60}@b.co"]),
            "postal_code": dice.choice([to.postal_code, f"{to.postal_code}-1234"]),
        }
    )
    abroad = to.country == "DE"
    codes = ["priority_international", "express_international", "first_class_package_international"]
    item = MUG.model_copy(
        update={
            "description": dice.choice(["Mug", "Cup " * 20, "Gift"]),
            "hs_code": dice.choice([None, "6912.00", "6912.00.4500", "1"]),
            "weight_lb": dice.choice([None, 0.0004, 0.3]),
        }
    )
    return Shipment(
        order_id=dice.choice([None, "A-1", "order " * 9]),
        ship_to=to,
        service=dice.choice(codes if abroad else ["ground_advantage", "priority", "express"]),
        parcels=tuple(
            parcel(
                weight_lb=round(dice.uniform(0.001, 70), 5),
                length_in=round(dice.uniform(0.1, 40), 4),
                declared_value=dice.choice([None, Money.of("99.99"), Money.of("1234.5")]),
                packaging=dice.choice(["package", "package", "Small Flat Rate Box"]),
            )
            for _ in range(dice.choice([1, 1, 1, 3]))
        ),
        references={"po": dice.choice(["4412", "r" * 30])},
        signature=dice.choice(list(Signature)),
        customs=Customs(items=(item,), invoice_number=dice.choice([None, "I" * 30]))
        if abroad or dice.random() < 0.3
        else None,
    )


# -- afterwards ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("street", "code", "status", "home"),
    [
        ("3 Oak Street", "73301", "corrected", True),
        ("3 Oak St", "73301", "valid", True),
        ("9 Elm Apartments", "73301", "ambiguous", False),
        ("1 Hollow Rd", "73301", "not_found", False),
        ("1 Nowhere", "73301", "not_found", None),
        ("1 Oak St", "00000", "not_found", None),
    ],
)
def test_addresses_are_checked_with_zip_plus_4_and_kind(server, usps, street, code, status, home):
    address = Address(name="A B", address_line1=street, city="Austin", state="TX", postal_code=code)
    found = asked(usps(), lambda one: one.validate_address(address))
    assert (found.status, found.residential) == (status, home)
    if status in ("valid", "corrected"):
        assert found.candidates[0].postal_code == "73301-1234"
    if status == "ambiguous":
        assert found.message == "The apartment or suite is missing."
    abroad = asked(usps(), lambda one: one.validate_address(BERLIN))
    assert abroad.status == "unsupported"


def test_delivery_days_are_asked_for_each_service(server, usps, shipment):
    found = asked(usps(), lambda one: one.transit_times(shipment, SHOP))
    assert [(one.service, one.transit_days) for one in found] == [
        ("express", 1),
        ("priority", 2),
        ("ground_advantage", 3),
        ("library_mail", 6),
        ("media_mail", 6),
    ]


def test_tracking_is_read_loosely(server, usps):
    server.unscanned = False
    [one] = asked(usps(), lambda carrier: carrier.track(["9200190345678900000012"]))
    assert (one["status"], one["place"]) == ("picked_up", "HOUSTON, TX")
    assert one["description"] == "Your item was accepted at 9:30 am in HOUSTON, TX."
    assert one["delivery_date"] == dt.date(2026, 12, 1)
    server.unscanned = True
    [one] = asked(usps(), lambda carrier: carrier.track(["9200190345678900000012"]))
    assert (one["status"], one["delivered"]) == ("not_found", False)
    assert "status update is not yet available" in one["problem"]


# -- tokens, secrets and the quota -----------------------------------------------------------------


def test_a_wrong_secret_is_refused_without_being_shown(server, usps, shipment):
    with pytest.raises(AuthenticationFailed, match="Invalid client credentials") as caught:
        asked(usps(secret=f"hunter{2}-very-secret"), lambda one: one.quote(shipment, SHOP))
    shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value.details)
    frames = traceback.StackSummary.extract(
        traceback.walk_tb(caught.value.__traceback__), capture_locals=True
    )
    assert "hunter2-very" not in shown + "".join(frames.format())
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(usps())


def test_another_host_and_environment_are_refused(usps):
    for url in ("https://example.com", "https://apis.usps.com.example.com", "http://apis.usps.com"):
        with pytest.raises(sk.errors.SettingsError, match="neither USPS's test host"):
            sk.USPS.from_env(
                {
                    "SHIPKIT_USPS_CLIENT_ID": "c",
                    "SHIPKIT_USPS_CLIENT_SECRET": "s",
                    "SHIPKIT_USPS_ACCOUNT": "1",
                    "SHIPKIT_USPS_CRID": "1",
                    "SHIPKIT_USPS_MID": "901234567",
                    "SHIPKIT_USPS_BASE_URL": url,
                }
            )


def test_the_quota_is_counted_in_any_sixty_minutes_and_for_each_api():
    now = [0.0]
    quota = CallQuota(2, clock=lambda: now[0])
    quota.take("prices")
    now[0] = 10.0
    quota.take("prices")
    quota.take("labels")
    with pytest.raises(RateLimited) as caught:
        quota.take("prices")
    assert caught.value.retry_after_s == 3590.0
    now[0] = 3600.0
    quota.take("prices")
    assert quota.left("prices") == 0
    assert [quota.refused("labels") for _ in range(3)] == [60.0, 120.0, 240.0]
    quota.answered("labels")
    assert quota.refused("labels") == 60.0
    assert quota.needed_s("prices", 5) == 3 * 3600
    assert (in_hours(3600), in_hours(24 * 3600 * 3)) == ("1 hour", "3 days")
    quota.reserve("scans", 2)
    now[0] = 3700.0
    quota.reserve("labels", 2)
    with pytest.raises(RateLimited, match="no room for 2 together") as caught:
        quota.reserve("labels", 2)
    assert caught.value.retry_after_s == 3600.0
    assert quota.left("scans") == 0


def test_requests_that_were_reserved_and_not_sent_are_not_counted():
    now = [0.0]
    quota = CallQuota(3, clock=lambda: now[0])
    row = quota.reserve("labels", 3)
    now[0] = 30.0
    row.use()
    assert quota.left("labels") == 0
    row.give_back()
    assert quota.left("labels") == 2
    now[0] = 3629.0
    assert quota.left("labels") == 2, "the one that was sent counts from when it was sent"
    whole = quota.reserve("labels", 2)
    for _ in range(3):  # with one that is sent again, with fresh tokens
        whole.use()
    whole.give_back()
    now[0] = 3630.0
    assert quota.left("labels") == 0


def test_a_used_up_quota_sends_nothing_more(server, usps, shipment):
    async def call(one: Any) -> None:
        await one.quote(shipment, SHOP)
        other = shipment.model_copy(update={"parcels": (parcel(weight_lb=9.0),)})
        await one.quote(other, SHOP)

    with pytest.raises(RateLimited, match="quota of 1 requests an hour to USPS's prices API"):
        asked(usps(quota_per_hour=1), call)
    assert server.calls["prices"] == 1


def test_the_quota_never_splits_a_row(server, usps, shipment):
    row = shipment.model_copy(update={"parcels": (parcel(), parcel(weight_lb=3.0))})

    async def call(one: Any) -> None:
        for n in (1, 2):
            reference = f"S0123456789A0000100{n}"
            made = await one.prepare(row, SHOP, reference, ZPL)
            await one.ship(row, SHOP, made.shipment_id, ZPL)

    with pytest.raises(RateLimited, match="no room for 2 together"):
        asked(usps(quota_per_hour=3), call)
    assert len(server.sold()) == 2, "one row whole, nothing of the other"
    with pytest.raises(CarrierRejected, match="has 2 parcels, and your quota is 1 labels"):
        asked(usps(quota_per_hour=1), lambda one: one.quote(row, SHOP))


def test_fresh_tokens_do_not_split_a_row_and_a_refused_row_leaves_its_quota(server, usps, shipment):
    row = shipment.model_copy(update={"parcels": (parcel(), parcel(weight_lb=3.0))})
    left = []

    async def call(one: Any) -> None:
        for number, fault in enumerate(("401", "refused")):
            made = await one.prepare(row, SHOP, f"S0123456789A0000200{number}", ZPL)
            server.fault("label", fault)
            with contextlib.suppress(CarrierRejected):
                await one.ship(row, SHOP, made.shipment_id, ZPL)
            left.append(one._client.quota.left("labels"))

    asked(usps(quota_per_hour=5), call)
    assert len(server.sold()) == 2
    assert left == [2, 1], "2 labels and one that was sent again; then one that was refused"


def test_every_service_has_its_mail_class_and_no_two_share_a_name():
    assert len({SERVICES.wire(entry.code) for entry in SERVICES}) == len(SERVICES.codes)
    assert SERVICES.parse("USPS Priority Mail") == "priority"
    assert SERVICES.parse("usps:ground_advantage") == "ground_advantage"
