"""Prices: what a card says, one by one and in bulk, to the cent."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from decimal import Decimal
from unittest.mock import patch

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shipkit.carriers.ratecard import (
    OUNCES,
    RATES,
    TRANSIT,
    ZONES,
    DimDivisor,
    Discount,
    RateCard,
    Surcharge,
    TableZones,
    price_tables,
    share,
)
from shipkit.carriers.ratecard.one import add_business_days, measure
from shipkit.common.places import zip3_states
from shipkit.errors import CarrierRejected, RateCardError
from shipkit.models import Address, Parcel, Shipment
from shipkit.schema import QUOTES, SHIPMENTS, shipment_from_row

SHOP = Address(
    name="Dana Ortiz",
    address_line1="300 Alamo Plaza",
    city="San Antonio",
    state="TX",
    postal_code="78205",
)


def card_of(*, zones, rates, **rest) -> RateCard:
    return RateCard(
        name="test",
        zones=TableZones(
            pa.Table.from_pylist(
                [dict(zip(ZONES.names, z, strict=True)) for z in zones], schema=ZONES
            )
        ),
        rates=pa.Table.from_pylist(
            [dict(zip(RATES.names, r, strict=True)) for r in rates], schema=RATES
        ),
        **rest,
    )


def published() -> RateCard:
    """The published arithmetic: 15.33 + 5.65 residential + 15.25 % fuel on both = 24.18."""
    return card_of(
        zones=[("277", "328", "ground", "5")],
        rates=[("ground", "5", 5, 1533, 0)],
        surcharges=(
            Surcharge("residential", "residential", cents=565, residential=True),
            Surcharge("fuel", "fuel", percent=Decimal("15.25"), of=("base", "residential")),
        ),
    )


def parcel(weight, *size, value=None) -> dict:
    length, width, height = size or (None, None, None)
    return {
        "weight_lb": weight,
        "length_in": length,
        "width_in": width,
        "height_in": height,
        "packaging": "package",
        "declared_value_cents": value,
        "description": None,
    }


def table(*rows) -> pa.Table:
    base = {"country": "US", "residential": None, "parcels": [parcel(1.0)], "service": "ground"}
    return pa.Table.from_pylist(
        [{"row_number": k + 1, **base, **row} for k, row in enumerate(rows)], schema=SHIPMENTS
    )


def test_a_small_light_box_bills_its_size():
    assert (
        measure(
            published(), Parcel(weight_lb=2, length_in=7.874, width_in=5.906, height_in=11.811)
        ).billable_lb
        == 5
    )


def test_the_published_example_comes_to_24_18_both_ways():
    home = Address(postal_code="32821", residential=True)
    shop = Address(postal_code="27703")
    rate = published().quote(
        Shipment(ship_to=home, service="ground", parcels=(Parcel(weight_lb=4.2),)), shop
    )
    assert (rate.base_cents, rate.residential_cents, rate.fuel_cents, rate.cost_cents) == (
        1533,
        565,
        320,
        2418,
    )
    rows = (
        published()
        .quote_table(
            table({"postal_code": "32821", "residential": True, "parcels": [parcel(4.2)]}), shop
        )
        .to_pylist()
    )
    assert (
        rows[0]["base_cents"],
        rows[0]["residential_cents"],
        rows[0]["fuel_cents"],
        rows[0]["cost_cents"],
    ) == (1533, 565, 320, 2418)
    assert rows[0]["problem"] is None
    assert rows[0]["cost_basis"] == "rate_card"


def test_half_a_cent_rounds_up_exactly():
    assert share(50, 10_000) == 1
    assert share(49, 10_000) == 0
    assert share(10**15 + 50, 10_000) == 10**13 + 1
    for cents, fuel in ((50, 1), (49, 0), (150, 2), (149, 1)):
        card = card_of(
            zones=[("782", "100", "ground", "5")],
            rates=[("ground", "5", 1, cents, 0)],
            surcharges=(Surcharge("fuel", "fuel", percent=Decimal(1), of=("base",)),),
        )
        assert card.quote_table(table({"postal_code": "10001"}), SHOP).column(
            "fuel_cents"
        ).to_pylist() == [fuel]


@pytest.mark.parametrize(
    ("start", "days", "end"),
    [
        ("2026-11-20", 1, "2026-11-23"),  # Friday
        ("2026-11-21", 1, "2026-11-23"),  # Saturday counts as its Friday
        ("2026-11-22", 5, "2026-11-27"),
        ("2026-11-23", 4, "2026-11-27"),
        ("2026-11-23", 5, "2026-11-30"),
        ("2026-11-25", 12, "2026-12-11"),
    ],
)
def test_delivery_skips_weekends(start, days, end):
    assert add_business_days(dt.date.fromisoformat(start), days) == dt.date.fromisoformat(end)


def test_a_row_that_cannot_be_priced_says_why_and_costs_its_neighbours_nothing():
    card = RateCard.synthetic()
    rows = [
        ({"postal_code": "10001"}, None),
        ({"postal_code": "10001", "service": None}, "No service is chosen"),
        ({"postal_code": "10001", "service": "standard"}, "does not sell standard"),
        ({"postal_code": None}, "ZIP is missing"),
        ({"postal_code": "34001"}, None),  # military mail goes by ground
        ({"postal_code": "34001", "service": "next_day_air"}, "no next_day_air from 782 to 34001"),
        ({"postal_code": "10001", "parcels": []}, "no weight"),
        ({"postal_code": "10001", "parcels": None}, "no weight"),
        ({"postal_code": "10001", "parcels": [parcel(2.0), parcel(None)]}, "no weight"),
        ({"postal_code": "10001", "parcels": [parcel(0.0)]}, "no weight"),
        ({"postal_code": "10001", "parcels": [parcel(float("nan"))]}, "no weight"),
        ({"postal_code": "10001", "parcels": [parcel(150.5)]}, "more than 150 lb"),
        ({"postal_code": "10001", "parcels": [parcel(10.0, 120, 5, 5)]}, "longer than 108 in"),
        ({"postal_code": "M5V 2T6", "country": "CA"}, "no ground from US to CA"),
        ({"postal_code": "M5V 2T6", "country": "CA", "service": "worldwide_saver"}, None),
        ({"postal_code": "10001", "service": "worldwide_saver"}, "no worldwide_saver"),
        (
            {"postal_code": "", "country": "KP", "service": "worldwide_saver"},
            "no worldwide_saver from US to KP",
        ),
    ]
    quotes = card.quote_table(table(*(row for row, _ in rows)), SHOP).to_pylist()
    for (row, problem), quote in zip(rows, quotes, strict=True):
        if problem is None:
            assert quote["problem"] is None, row
            assert quote["cost_cents"] > 0
        else:
            assert problem in quote["problem"], row
            assert quote["fix"]
            assert quote["cost_cents"] is None
            assert quote["base_cents"] is None


def test_a_quote_that_cannot_be_priced_is_a_rejection_with_a_fix():
    with pytest.raises(CarrierRejected, match="does not sell standard") as caught:
        RateCard.synthetic().quote(
            Shipment(
                ship_to=Address(postal_code="10001"),
                service="standard",
                parcels=(Parcel(weight_lb=1),),
            ),
            SHOP,
        )
    assert "ground" in caught.value.fix


def test_quotes_keep_the_order_of_the_rows_and_the_schema():
    zips = ["10001", "99501", "00601", "96815", "60601"] * 400
    quotes = RateCard.synthetic().quote_table(table(*({"postal_code": z} for z in zips)), SHOP)
    assert quotes.schema == QUOTES
    assert quotes.column("zone").to_pylist() == ["7", "9", "9", "9", "6"] * 400


def test_an_empty_table_gets_an_empty_quote_table():
    quotes = RateCard.synthetic().quote_table(SHIPMENTS.empty_table(), SHOP)
    assert quotes.num_rows == 0
    assert quotes.schema == QUOTES


def test_a_shipment_from_another_warehouse_is_priced_from_there():
    far = {"postal_code": "10001"}
    near = {**far, "ship_from": {"postal_code": "10010", "country": "US"}}
    zones = RateCard.synthetic().quote_table(table(far, near), SHOP).column("zone").to_pylist()
    assert zones == ["7", "2"]


def test_a_whole_zip_beats_its_prefix():
    shop = Address(postal_code="98101")
    card = card_of(
        zones=[("981", "999", "ground", "44"), ("981", "99950", "ground", "46")],
        rates=[("ground", "44", 1, 100, 0), ("ground", "46", 1, 300, 0)],
    )
    assert card.quote_table(
        table({"postal_code": "99901"}, {"postal_code": "99950-1234"}), shop
    ).column("cost_cents").to_pylist() == [100, 300]


def test_a_discount_stops_at_the_minimum():
    card = card_of(
        zones=[("782", "100", "ground", "5")],
        rates=[("ground", "5", lb, lb * 1000, 0) for lb in (1, 2)],
        discounts=(Discount(Decimal(40), minimum_cents=900),),
    )
    rows = table({"postal_code": "10001"}, {"postal_code": "10001", "parcels": [parcel(2.0)]})
    assert card.quote_table(rows, SHOP).column("base_cents").to_pylist() == [900, 1200]


@pytest.mark.parametrize("percent", [0, 40, 100])
def test_a_minimum_above_the_list_price_does_not_raise_it(percent):
    card = card_of(
        zones=[("782", "100", "ground", "5")],
        rates=[("ground", "5", lb, lb * 1000, 0) for lb in (1, 2)],
        discounts=(Discount(Decimal(percent), minimum_cents=1500),),
    )
    rows = table({"postal_code": "10001"}, {"postal_code": "10001", "parcels": [parcel(2.0)]})
    expected = [1000, 2000 if percent == 0 else 1500]
    assert card.quote_table(rows, SHOP).column("base_cents").to_pylist() == expected
    one_by_one = [card.quote(shipment_from_row(row), SHOP).base_cents for row in rows.to_pylist()]
    assert one_by_one == expected


def test_declared_value_is_charged_by_each_started_hundred_above_the_free_one():
    rule = Surcharge("declared", "other", cents=130, declared_value=True, free_cents=10_000)
    card = card_of(
        zones=[("782", "100", "ground", "5")],
        rates=[("ground", "5", 1, 1000, 0)],
        surcharges=(rule,),
    )
    rows = table(
        *(
            {"postal_code": "10001", "parcels": [parcel(1.0, value=cents)]}
            for cents in (None, 10_000, 10_001, 20_000, 20_001)
        )
    )
    assert card.quote_table(rows, SHOP).column("other_cents").to_pylist() == [0, 0, 130, 130, 260]
    assert [card.quote(shipment_from_row(row), SHOP).other_cents for row in rows.to_pylist()] == [
        0,
        0,
        130,
        130,
        260,
    ]


def test_a_declared_value_may_count_as_a_whole(tmp_path):
    """As UPS bills it: $4.35 from $100.01 to $300, then $1.45 for each $100 of the whole value."""
    (tmp_path / "277.csv").write_text("Dest. ZIP,Ground\n004-999,5\n")
    (tmp_path / "ground.csv").write_text("Weight,5\n1,10.00\n")
    line = 'name = "declared"\namount = "1.45"\ndeclared_value = true\nfree = "100"\n'
    (tmp_path / "value.toml").write_text(
        f'[[surcharge]]\n{line}minimum = "4.35"\nwhole_value = true\n'
    )
    card = RateCard.from_files(
        zones=tmp_path / "277.csv",
        rates={"ground": tmp_path / "ground.csv"},
        surcharges=tmp_path / "value.toml",
    )
    owed = {10_000: 0, 10_001: 435, 30_000: 435, 30_001: 580, 40_000: 580, 100_000: 1450}
    rows = table(
        *({"postal_code": "10001", "parcels": [parcel(1.0, value=cents)]} for cents in owed)
    )
    shop = SHOP.model_copy(update={"postal_code": "27703"})
    for one in (card, RateCard.load(card.save(tmp_path / "card.zip"))):
        assert one.quote_table(rows, shop).column("other_cents").to_pylist() == [*owed.values()]
        alone = [one.quote(shipment_from_row(row), shop).other_cents for row in rows.to_pylist()]
        assert alone == [*owed.values()]
    with pytest.raises(RateCardError, match="counts the whole value, and is not of declared"):
        Surcharge("declared", "other", cents=145, whole_value=True)


def test_a_rule_holds_between_its_dates():
    card = card_of(
        zones=[("782", "100", "ground", "5")],
        rates=[("ground", "5", 1, 1000, 0)],
        surcharges=(
            Surcharge(
                "peak", "other", cents=77, since=dt.date(2026, 11, 1), until=dt.date(2027, 1, 1)
            ),
        ),
    )
    rows = table(
        *(
            {"postal_code": "10001", "ship_date": day}
            for day in (dt.date(2026, 10, 31), dt.date(2026, 11, 1), dt.date(2027, 1, 1))
        )
    )
    assert card.quote_table(rows, SHOP).column("other_cents").to_pylist() == [0, 77, 0]
    assert card.quote_table(rows, SHOP, dt.date(2026, 12, 24)).column(
        "other_cents"
    ).to_pylist() == [77, 77, 77]


def test_every_surcharge_can_be_a_column():
    itemised = published().itemise(
        table({"postal_code": "32821", "residential": True, "parcels": [parcel(4.2)]}),
        Address(postal_code="27703"),
    )
    assert itemised.column_names[len(QUOTES) :] == ["residential", "fuel"]
    assert itemised.select(["residential", "fuel"]).to_pylist() == [
        {"residential": 565, "fuel": 320}
    ]


@pytest.mark.parametrize(
    ("rest", "words"),
    [
        (
            {"surcharges": (Surcharge("a", "other"), Surcharge("a", "fuel"))},
            "two surcharges of one name",
        ),
        ({"surcharges": (Surcharge("zone", "other"),)}, "name of a column"),
        (
            {
                "surcharges": (
                    Surcharge("fuel", "fuel", percent=Decimal(5), of=("late",)),
                    Surcharge("late", "other"),
                )
            },
            "no earlier surcharge",
        ),
        ({"surcharges": (Surcharge("das", "delivery_area", area="rural"),)}, "ZIP list 'rural'"),
        ({"rates": [("ground", "5", 1, 1, 0), ("ground", "5", 1, 2, 0)]}, "two prices"),
    ],
)
def test_a_card_that_contradicts_itself_is_refused(rest, words):
    with pytest.raises(RateCardError, match=words) as caught:
        card_of(**{"zones": [], "rates": [], **rest})
    assert caught.value.fix


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (Discount(Decimal(20), services=("groud",)), "Discount 1 .20 %. is of the service 'groud'"),
        (Discount(Decimal(20), zones=("05",)), "is of the zone '05'"),
        (Surcharge("x", "other", cents=5, services=("UPS Ground",)), "service 'UPS Ground'"),
        (Surcharge("x", "other", cents=5, zones=("zone 5",)), "is of the zone 'zone 5'"),
        (Surcharge("x", "other", cents=5, signature=("yes",)), "is of the signature 'yes'"),
    ],
)
def test_a_rule_of_a_service_or_zone_that_does_not_exist_is_refused(rule, words):
    kind = "discounts" if isinstance(rule, Discount) else "surcharges"
    with pytest.raises(RateCardError, match=words) as caught:
        replace(published(), **{kind: (rule,)})
    assert ("ground" if "service" in words else "5" if "zone" in words else "none") in str(
        caught.value.fix
    )
    known = Discount(Decimal(20), services=("next_day_air",))
    assert replace(published(), discounts=(known,)).discounts == (known,)


def test_the_fingerprint_follows_the_prices_not_the_object():
    dearer = Surcharge("residential", "residential", cents=566, residential=True)
    assert published().fingerprint == published().fingerprint
    assert (
        RateCard(
            name="x", zones=published().zones, rates=published().rates, surcharges=(dearer,)
        ).fingerprint
        != published().fingerprint
    )


def test_the_synthetic_card_says_that_it_is_and_reaches_every_state_and_the_islands():
    card = RateCard.synthetic()
    assert card.is_synthetic
    for code in (
        "02134",
        "10001",
        "33101",
        "60601",
        "78205",
        "98101",
        "99501",
        "96815",
        "00901",
        "00802",
        "96910",
        "09012",
        "34001",
        "96201",
    ):
        assert (
            card.quote(
                Shipment(
                    ship_to=Address(postal_code=code),
                    service="ground",
                    parcels=(Parcel(weight_lb=1),),
                ),
                SHOP,
            ).cost_cents
            > 0
        )
        assert (
            card.quote(
                Shipment(ship_to=SHOP, service="ground", parcels=(Parcel(weight_lb=1),)),
                Address(postal_code=code),
            ).cost_cents
            > 0
        )


def test_the_synthetic_card_prices_every_zip_prefix_there_is_from_there_and_to_there():
    prefixes = [f"{prefix}01" for prefix in zip3_states()]
    to = RateCard.synthetic().quote_table(
        table(*({"postal_code": code} for code in prefixes)), SHOP
    )
    back = RateCard.synthetic().quote_table(
        table(
            *(
                {"postal_code": "78205", "ship_from": {"postal_code": code, "country": "US"}}
                for code in prefixes
            )
        ),
        SHOP,
    )
    assert to.column("problem").null_count == back.column("problem").null_count == len(prefixes)
    assert to.column("zone").to_pylist()[:1] == back.column("zone").to_pylist()[:1]


# --- one by one == in bulk
# -------------------------------------------------------------------------------

ZIPS = ("78205", "78299-0001", "10001", "10099", "99950", "34001", "", None)
SERVICES = ("ground", "next_day_air", "worldwide_saver")
PERCENT = st.integers(0, 500_000).map(lambda n: Decimal(n) / 10_000)
CENTS = st.integers(0, 20_000)
PRICES = st.integers(1, 20_000)


@st.composite
def surcharges(draw):
    rules = []
    for k in range(draw(st.integers(0, 5))):
        kind = draw(st.sampled_from(["flat", "percent", "size", "value", "area"]))
        common = {
            "part": draw(st.sampled_from(["fuel", "residential", "delivery_area", "other"])),
            "services": draw(st.sampled_from([(), ("ground",), ("ground", "worldwide_saver")])),
            "residential": draw(st.sampled_from([None, True, False])),
            "minimum_cents": draw(st.sampled_from([0, 0, 350])),
            "since": draw(st.sampled_from([None, dt.date(2026, 11, 5)])),
            "until": draw(st.sampled_from([None, dt.date(2026, 11, 20)])),
            "zones": draw(st.sampled_from([(), (), ("5",), ("2", "8")])),
        }
        own = {
            "flat": {
                "cents": draw(CENTS),
                "per_parcel": draw(st.booleans()),
                "saturday": draw(st.booleans()),
                "signature": draw(st.sampled_from([(), ("adult", "required")])),
            },
            "percent": {
                "percent": draw(PERCENT),
                "of": tuple(
                    draw(
                        st.lists(
                            st.sampled_from(
                                ["base", "residential", "fuel", "other", *(r.name for r in rules)]
                            ),
                            unique=True,
                            max_size=3,
                        )
                    )
                ),
            },
            "size": {
                "cents": draw(CENTS),
                "over_lb": draw(st.sampled_from([None, 20])),
                "over_longest_in": draw(st.sampled_from([None, 15])),
                "over_second_in": 12,
                "over_girth_in": draw(st.sampled_from([None, 40])),
                "over_cubic_in": draw(st.sampled_from([None, 3000])),
                "group": draw(st.sampled_from([None, "handling", "handling", "peak"])),
                "minimum_billable_lb": draw(st.sampled_from([None, None, 4, 11])),
            },
            "value": {
                "cents": draw(st.integers(0, 300)),
                "declared_value": True,
                "free_cents": 10_000,
                "whole_value": draw(st.booleans()),
            },
            "area": {"cents": draw(CENTS), "area": "rural"},
        }[kind]
        if set(own.get("of", ())) == {common["part"]}:
            own["of"] = ("base",)  # of its own part alone, a card may refuse it
        days = draw(
            st.lists(st.dates(dt.date(2026, 11, 3), dt.date(2026, 11, 28)), unique=True, max_size=3)
        )
        steps = tuple(
            (day, draw(PERCENT) if kind == "percent" else Decimal(draw(CENTS)))
            for day in sorted(days)
        )
        rules.append(Surcharge(f"rule_{k}_{kind}", **common, **own, steps=steps))
    return tuple(rules)


@st.composite
def cards(draw):
    keys = [
        ("782", "100"),
        ("782", "99950"),
        ("782", "782"),
        ("100", "782"),
        ("US", "CA"),
        ("100", "340"),
    ]
    zones = [
        (o, d, s, draw(st.sampled_from("258")))
        for o, d in keys
        for s in SERVICES
        if draw(st.booleans())
    ]
    prices = [
        (s, z, lb, draw(PRICES), 0)
        for s in SERVICES
        for z in "258"
        for lb in range(1, 13)
        if lb % 3 or draw(st.booleans())
    ]
    if draw(st.booleans()):
        prices += [(s, "5", 13, draw(PRICES), draw(st.integers(1, 500))) for s in SERVICES]
    return card_of(
        zones=zones,
        rates=prices,
        surcharges=draw(surcharges()),
        areas={"rural": frozenset({"10001", "99950"})},
        discounts=draw(
            st.sampled_from(
                [
                    (),
                    (Discount(Decimal("33.3333"), 500, ("ground",)),),
                    (Discount(Decimal("12.5")),),
                    (
                        Discount(Decimal(40), 300, zones=("2", "5"), up_to_lb=6),
                        Discount(Decimal(20), services=("ground",), over_lb=6),
                    ),
                ]
            )
        ),
        transit=pa.Table.from_pylist(
            [{"service": s, "zone": z, "days": int(z)} for s in SERVICES for z in "25"],
            schema=TRANSIT,
        ),
        dim_divisor=draw(st.sampled_from([139, 166])),
        dim_divisors=draw(
            st.sampled_from(
                [
                    (),
                    (DimDivisor(194, ("ground",), up_to_cubic_in=1728), DimDivisor(0, ("ground",))),
                    (DimDivisor(250, up_to_cubic_in=3000),),
                ]
            )
        ),
        dim_rounding=draw(st.sampled_from(["nearest", "up", "by_day"])),
        by_shipment=draw(st.sampled_from([None, (), ("ground",), SERVICES])),
        ounces=pa.Table.from_pylist(
            [
                {"service": "ground", "zone": "5", "oz": oz, "cents": 300 + oz}
                for oz in draw(st.sampled_from([(), range(1, 17), range(1, 9)]))
            ],
            schema=OUNCES,
        ),
        max_parcel_lb=30,
        max_longest_in=40,
        max_girth_in=90,
    )


SIZE = st.floats(0.1, 45) | st.sampled_from([0.5, 7.5, 8.5, 11.811])
PARCELS = st.builds(
    lambda weight, size, value: parcel(weight, *(size or ()), value=value),
    st.floats(0.01, 33)
    | st.floats(0.01, 1.01)
    | st.sampled_from([0.5, 0.5000001, 1.0, 5.0, 5.0000001, 4.999999999]),
    st.none() | st.tuples(SIZE, SIZE, SIZE),
    st.none() | st.integers(0, 60_000) | st.sampled_from([10_000, 10_001, 20_000, 20_001]),
)
ROWS = st.fixed_dictionaries(
    {
        "postal_code": st.sampled_from(ZIPS),
        "country": st.sampled_from(["US", "US", "US", "PR", "CA", "MX"]),
        "residential": st.sampled_from([None, True, False]),
        "service": st.sampled_from([*SERVICES, "standard"]),
        "parcels": st.lists(PARCELS, min_size=1, max_size=3),
        "ship_date": st.none()
        | st.dates(dt.date(2026, 11, 1), dt.date(2026, 11, 30))
        | st.dates(dt.date(2025, 8, 16), dt.date(2025, 8, 19)),
        "signature": st.sampled_from([None, "none", "adult"]),
        "saturday_delivery": st.sampled_from([None, True]),
        "ship_from": st.none()
        | st.sampled_from(
            [
                {"postal_code": "10010", "country": "US"},
                {"postal_code": None, "country": "US"},
                {"postal_code": "M5V", "country": "CA"},
            ]
        ),
    }
)


@settings(
    max_examples=20 if settings.default.derandomize else 60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
@given(cards(), st.lists(ROWS, min_size=1, max_size=12), st.none() | st.just(dt.date(2026, 11, 10)))
def test_one_by_one_and_in_bulk_agree_to_the_cent_on_any_card(card, rows, as_of):
    shipments = table(*rows)
    for row, bulk in zip(
        shipments.to_pylist(), card.quote_table(shipments, SHOP, as_of).to_pylist(), strict=True
    ):
        one = answer(card, shipment_from_row(row), as_of)
        assert one == {name: bulk[name] for name in one}
        if bulk["problem"] is None:
            assert bulk["cost_cents"] == sum(
                bulk[f"{part}_cents"]
                for part in ("base", "fuel", "residential", "delivery_area", "other")
            )
    small = card.itemise(shipments, SHOP, as_of)
    with patch.object(price_tables, "SMALL", 0):
        large = card.itemise(shipments, SHOP, as_of)
    assert large.to_pylist() == small.to_pylist(), "in a database, rows of one parcel apart"


@settings(
    max_examples=8 if settings.default.derandomize else 25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(
    cards(),
    cards(),
    st.lists(ROWS, min_size=1, max_size=8),
    st.none() | st.just(dt.date(2026, 11, 10)),
)
def test_versions_and_all_services_agree_with_one_by_one_on_any_card_saved_and_loaded(
    tmp_path, old, new, rows, as_of
):
    both = RateCard.dated(
        replace(new, effective=dt.date(2026, 11, 12)), replace(old, effective=dt.date(2025, 12, 22))
    )
    card = RateCard.load(both.save(tmp_path / "card.zip"))
    shipments = table(*rows)
    for row, bulk in zip(
        shipments.to_pylist(), card.quote_table(shipments, SHOP, as_of).to_pylist(), strict=True
    ):
        one = answer(card, shipment_from_row(row), as_of)
        assert one == {name: bulk[name] for name in one}
    offers = [
        (offer["row"], offer["service"], offer["cost_cents"])
        for offer in card.shop_table(shipments, SHOP, as_of).to_pylist()
        if offer["cost_cents"] is not None
    ]
    singly = [
        (k, service, one["cost_cents"])
        for k, row in enumerate(shipments.to_pylist())
        for service in SERVICES
        if (one := answer(card, shipment_from_row({**row, "service": service}), as_of))["problem"]
        is None
    ]
    assert sorted(offers) == sorted(singly)
    assert offers == sorted(offers, key=lambda offer: (offer[0], offer[2]))


def answer(card, shipment, as_of) -> dict:
    try:
        rate = card.quote(shipment, SHOP, as_of)
        assert not rate.estimated, "a card states every part"
        return rate.model_dump(exclude={"service", "warnings", "estimated", "left_out"}) | {
            "problem": None
        }
    except CarrierRejected as refused:
        return {"cost_cents": None, "problem": refused.message, "fix": refused.fix}
