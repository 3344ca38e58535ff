"""Rate cards with the rules of 2025 and 2026: several parcels, volume, one handling charge, zones.

The cases are from public reports; amounts are made up where no source is named. The calculator at
the end shares no code and no arithmetic with shipkit: it works in fractions of a dollar.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import random
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import shipkit as sk
from shipkit.carriers.ratecard import (
    RATES,
    ZONES,
    DimDivisor,
    Discount,
    RateCard,
    Surcharge,
    TableZones,
)
from shipkit.carriers.ratecard.one import measure
from shipkit.errors import CarrierRejected, RateCardError
from shipkit.models import Address, Parcel, Shipment
from shipkit.schema import SHIPMENTS, shipment_from_row

SHOP = Address(postal_code="27703", country="US")
HOME = Address(postal_code="32821", country="US", residential=True)
OFFICE = Address(postal_code="32821", country="US", residential=False)


def card_of(*rules: Surcharge, price: Any = lambda lb: 1000 + 100 * lb, **rest: Any) -> RateCard:
    zones = [("277", "328", "ground", "5"), ("277", "277", "ground", "2")]
    rates = [("ground", zone, lb, price(lb), 0) for zone in "25" for lb in range(1, 151)]
    return RateCard(
        name="contract",
        zones=TableZones(pa.table(list(zip(*zones, strict=True)), schema=ZONES)),
        rates=pa.table(list(zip(*rates, strict=True)), schema=RATES),
        surcharges=rules,
        **rest,
    )


def priced(card: RateCard, *parcels: Parcel, to: Address = OFFICE, **rest: Any) -> Any:
    return card.quote(Shipment(ship_to=to, service="ground", parcels=parcels, **rest), SHOP)


def box(lb: float, *sides: float) -> Parcel:
    length, width, height = sides or (None, None, None)
    return Parcel(weight_lb=lb, length_in=length, width_in=width, height_in=height)


# -- the reported cases ----------------------------------------------------------------------------


def test_two_parcels_cost_what_ups_recorded_for_two(shared: Path) -> None:
    """nopCommerce#523, active_shipping#486; UPS's answer: 15.33 each, 3.20 fuel each, 48.36."""
    recorded = json.loads((shared / "ups/recorded/friendly.rates.success.json").read_text())
    [ground] = [
        each
        for each in recorded["response"]["RateResponse"]["RatedShipment"]
        if each["Service"]["Code"] == "03"
    ]
    contract = card_of(
        Surcharge("residential", "residential", cents=565, residential=True, per_parcel=True),
        Surcharge("fuel", "fuel", percent=Decimal("15.25"), of=("base", "residential")),
        price=lambda lb: 1533 if lb == 5 else 1347 if lb == 1 else 1000 + 100 * lb,
    )
    two = priced(contract, box(5), box(5), to=HOME)
    assert f"{two.cost_cents / 100:.2f}" == ground["TotalCharges"]["MonetaryValue"] == "48.36"
    assert (two.base_cents, two.residential_cents, two.fuel_cents) == (3066, 1130, 640)
    assert priced(contract, *[box(1)] * 10, to=HOME).base_cents == 13_470
    assert priced(contract, *[box(40)] * 5).base_cents == 5 * priced(contract, box(40)).base_cents


def test_the_fuel_of_each_parcel_is_rounded_as_ups_rounds_it() -> None:
    """Recorded for service 14: 2 x (136.34 + 6.20) and 16 % of it is 330.70, not 330.69."""
    contract = card_of(
        Surcharge("residential", "residential", cents=620, residential=True, per_parcel=True),
        Surcharge("fuel", "fuel", percent=Decimal(16), of=("base", "residential")),
        price=lambda lb: 13_634,
    )
    assert priced(contract, box(5), box(5), to=HOME).cost_cents == 33_070


def test_a_service_that_prices_the_whole_shipment_adds_the_weights_up() -> None:
    together = card_of(by_shipment=("ground",))
    assert priced(together, box(5), box(5)).base_cents == 1000 + 100 * 10
    assert priced(card_of(), box(5), box(5)).base_cents == 2 * (1000 + 100 * 5)
    assert "worldwide_saver" in card_of().priced_together


def test_volume_and_a_least_weight_make_a_light_box_a_large_package() -> None:
    """Since January 2026: 26 x 26 x 26 in is 17,576 cubic inches, and billed as 90 lb at least."""
    large = Surcharge(
        "large", "other", cents=20_500, over_cubic_in=17_280, over_lb=110, minimum_billable_lb=90
    )
    contract = card_of(large, dim_divisor=250)
    light = priced(contract, box(20, 26, 26, 26))
    assert (light.billable_weight_lb, light.base_cents, light.other_cents) == (90, 10_000, 20_500)
    assert priced(contract, box(20, 24, 24, 24)).other_cents == 0
    assert priced(contract, box(111)).other_cents == 20_500
    assert priced(contract, box(110)).other_cents == 0


def test_a_parcel_pays_one_handling_charge_the_highest() -> None:
    """UPS's order of application (Rollo 29000049211): 205.00 and 34.50, not 263.00 and 58.00."""
    contract = card_of(
        Surcharge("handling_size", "other", cents=2350, over_longest_in=48, group="handling"),
        Surcharge("handling_weight", "other", cents=3450, over_lb=50, group="handling"),
        Surcharge("large", "other", cents=20_500, over_longest_in=96, group="handling"),
    )
    assert priced(contract, box(60, 100, 10, 10)).other_cents == 20_500
    assert priced(contract, box(60, 50, 10, 10)).other_cents == 3450
    assert priced(contract, box(60, 50, 10, 10), box(1, 50, 10, 10)).other_cents == 3450 + 2350
    frame = contract.itemise(
        shipments({"parcels": [sides(60, 100, 10, 10), sides(60, 50, 10, 10)]}), SHOP
    )
    assert frame.select(["handling_size", "handling_weight", "large"]).to_pylist() == [
        {"handling_size": 0, "handling_weight": 3450, "large": 20_500}
    ]


def test_a_surcharge_depends_on_the_zone() -> None:
    """AFS, 2024: additional handling is 18.50 in zone 2, 20.50 in 3 and 4, 23.50 above."""
    contract = card_of(
        Surcharge("handling_2", "other", cents=1850, over_lb=50, zones=("2",)),
        Surcharge("handling_3_4", "other", cents=2050, over_lb=50, zones=("3", "4")),
        Surcharge("handling_5", "other", cents=2350, over_lb=50, zones=("5", "6", "7", "8")),
    )
    near = Address(postal_code="27701", country="US")
    assert priced(contract, box(60), to=near).other_cents == 1850
    assert priced(contract, box(60)).other_cents == 2350


@pytest.mark.parametrize(
    ("rounding", "effective", "day", "pounds"),
    [
        ("by_day", None, None, 6),
        ("by_day", None, dt.date(2025, 8, 18), 6),
        ("by_day", None, dt.date(2025, 8, 17), 4),
        ("by_day", dt.date(2025, 12, 22), dt.date(2025, 3, 1), 6),
        ("by_day", dt.date(2024, 12, 23), dt.date(2025, 3, 1), 4),
        ("nearest", None, None, 4),
        ("up", None, dt.date(2025, 3, 1), 6),
    ],
)
def test_inches_are_rounded_up_since_18_august_2025(
    rounding: str, effective: dt.date | None, day: dt.date | None, pounds: int
) -> None:
    """12 x 9 x 7 = 756, / 139: 6 lb. To the nearest inch 11 x 8 x 6: 4 lb."""
    contract = card_of(dim_rounding=rounding, effective=effective)
    assert measure(contract, box(1, 11.1, 8.1, 6.1), "ground", day).billable_lb == pounds


def test_a_divisor_for_small_boxes_and_services() -> None:
    contract = card_of(
        dim_divisors=(
            DimDivisor(194, ("ground",), up_to_cubic_in=1728),
            DimDivisor(0, ("standard",)),
        )
    )
    assert measure(contract, box(1, 12, 12, 12), "ground").billable_lb == 9  # 1728 / 194
    assert measure(contract, box(1, 13, 12, 12), "ground").billable_lb == 14  # 1872 / 139
    assert measure(contract, box(1, 13, 12, 12), "standard").billable_lb == 1


def test_discounts_by_zone_and_weight() -> None:
    contract = card_of(
        discounts=(
            Discount(Decimal(50), 700, zones=("2",), up_to_lb=5),
            Discount(Decimal(10), over_lb=5),
        )
    )
    near = Address(postal_code="27701", country="US")
    assert priced(contract, box(1), to=near).base_cents == 700  # half of 11.00 is below the least
    assert priced(contract, box(1)).base_cents == 1100
    assert priced(contract, box(6)).base_cents == 1440


# -- reading, saving, refusing ---------------------------------------------------------------------


def test_a_saved_card_of_an_earlier_version_keeps_its_fingerprint() -> None:
    old = card_of(
        Surcharge("fuel", "fuel", percent=Decimal(16), of=("base",)),
        Surcharge("handling", "other", cents=1, over_lb=50),
        dim_rounding="nearest",
        discounts=(Discount(Decimal(10), 500),),
    )
    assert old.fingerprint == "874c4ac6580a7d51636778dc3eb5acfd5af49238e6390c16d892c592607fb9f6"


def test_what_is_new_is_saved_and_changes_the_fingerprint(tmp_path: Path) -> None:
    rich = card_of(
        Surcharge(
            "large",
            "other",
            cents=1,
            over_cubic_in=17_280,
            zones=("2", "5"),
            group="handling",
            minimum_billable_lb=90,
        ),
        dim_divisors=(DimDivisor(194, ("ground",), 1728),),
        by_shipment=("ground",),
        discounts=(Discount(Decimal(10), zones=("2",), over_lb=1, up_to_lb=5),),
    )
    again = RateCard.load(rich.save(tmp_path / "card.zip"))
    assert (again.surcharges, again.discounts) == (rich.surcharges, rich.discounts)
    assert (again.dim_divisors, again.by_shipment) == (rich.dim_divisors, ("ground",))
    prints = {
        card_of().fingerprint,
        card_of(by_shipment=()).fingerprint,
        card_of(dim_divisors=(DimDivisor(194),)).fingerprint,
        card_of(Surcharge("a", "other")).fingerprint,
        card_of(Surcharge("a", "other", zones=("2",))).fingerprint,
    }
    assert len(prints) == 5


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('over_volume_in = 1\namount = "1"', "'over_volume_in' is not known"),
        ('zones = ["8-5"]\namount = "1"', "zones '8-5' cannot be read"),
        ('group = "h"\npercent = "5"\nof = ["base"]', "is in the group 'h', and is not an amount"),
        ('group = "h"\namount = "5"', "is in the group 'h'"),
        ('over_cubic_in = "10,368"\namount = "1"', "over_cubic_in '10,368' is not a whole number"),
    ],
)
def test_rules_that_cannot_be_meant_are_refused(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(RateCardError, match=words) as caught:
        contract_of(tmp_path, f'[[surcharge]]\nname = "a"\n{text}\n')
    assert caught.value.fix


def test_an_unknown_rounding_or_service_is_refused() -> None:
    with pytest.raises(RateCardError, match="dim_rounding='down' is not known"):
        card_of(dim_rounding="down")
    with pytest.raises(RateCardError, match="'grond' is not a known service"):
        card_of(by_shipment=("grond",))


def test_what_if_tells_the_whole_price_of_several_parcels_from_raw_orders() -> None:
    orders = [
        {"Order": "A-1", "Zip": "32821", "Weight (lb)": 5, "Service": "Ground", "Residential": "no"}
    ]
    frame = sk.rate(orders, card_of(), origin="27703")
    assert frame["cost_cents"].tolist() == [1500]


# -- a contract with UPS's structure of 2026, and a calculator that is not ours --------------------

BANDS = {"2": ("2",), "34": ("3", "4"), "5": ("5", "6", "7", "8")}
HANDLING = {"weight": (2800, 3150, 3600), "size": (2300, 2550, 3050)}
LARGE = {True: (19_000, 20_500, 23_000), False: (16_500, 18_250, 21_000)}
PEAK = {"handling": 825, "large": 9050}
DISCOUNTS = [("42.5", 975, "ground", "2-4", 10), ("35", 1050, "ground", None, None)]
FUEL = {"ground": [("2026-01-05", "18.25"), ("2026-10-05", "19.5"), ("2026-11-02", "19.75")]}
FUEL["2nd_day_air"] = [("2026-01-05", "20"), ("2026-10-05", "21.25"), ("2026-11-02", "21.1")]
AREAS = {"das": ["59001", "83237"], "extended": ["99801", "69201"]}
AREA_CENTS = {("das", True): 620, ("das", False): 415, ("extended", True): 840}
AREA_CENTS["extended", False] = 585
PEAK_FROM, PEAK_TO = dt.date(2026, 9, 27), dt.date(2027, 1, 17)
ZONE_OF = {"590": "6", "832": "7", "998": "8", "692": "4", "328": "5", "277": "2", "100": "3"}


def list_price(service: str, zone: str, lb: int) -> int:
    step = {"ground": (905, 61), "2nd_day_air": (1985, 173)}[service]
    return step[0] + int(zone) * 37 + lb * (step[1] + 7 * int(zone)) + (lb * lb) % 13


def rules_text() -> str:
    lines = []

    def rule(name: str, **values: Any) -> None:
        lines.append(f"[[surcharge]]\nname = {json.dumps(name)}")
        lines.extend(f"{key} = {json.dumps(value)}" for key, value in values.items())

    def dollars(cents: int) -> str:
        return f"{cents / 100:.2f}"

    limits = {
        "weight": {"over_lb": 50},
        "size": {
            "over_longest_in": 48,
            "over_second_in": 30,
            "over_girth_in": 105,
            "over_cubic_in": 10_368,
        },
    }
    large = {"over_girth_in": 130, "over_cubic_in": 17_280, "over_lb": 110}
    peak = {"since": PEAK_FROM.isoformat(), "until": PEAK_TO.isoformat(), "group": "peak"}
    for place, (band, zones) in enumerate(BANDS.items()):
        for why, amounts in HANDLING.items():
            rule(
                f"handling_{why}_{band}",
                amount=dollars(amounts[place]),
                zones=list(zones),
                group="handling",
                **limits[why],
            )
        for home, amounts in LARGE.items():
            rule(
                f"large_{'home' if home else 'office'}_{band}",
                amount=dollars(amounts[place]),
                zones=["5-8"] if band == "5" else list(zones),
                residential="yes" if home else "no",
                group="handling",
                minimum_billable_lb=90,
                **large,
            )
    rule("peak_handling", amount=dollars(PEAK["handling"]), **limits["size"], **peak)
    rule("peak_large", amount=dollars(PEAK["large"]), **large, **peak)
    rule("residential", amount="6.05", residential="yes", per_parcel="yes")
    for (area, home), cents in AREA_CENTS.items():
        rule(
            f"area_{area}_{home}",
            part="delivery_area",
            amount=dollars(cents),
            area=area,
            residential="yes" if home else "no",
            per_parcel="yes",
        )
    rule("declared", amount="1.55", declared_value="yes", free="100", minimum="4.65")
    rule("adult", amount="9.35", signature=["adult"], per_parcel="yes")
    for service, weeks in FUEL.items():
        for day, percent in weeks:
            rule(
                f"fuel_{service}",
                percent=percent,
                of=["base", "residential", "delivery_area", "other"],
                services=[service],
                since=day,
            )
    for percent, least, service, zones, up_to in DISCOUNTS:
        lines.append(f'[[discount]]\npercent = "{percent}"\nminimum = "{dollars(least)}"')
        lines.append(f'services = ["{service}"]')
        if zones:
            lines.append(f'zones = ["{zones}"]\nup_to_lb = {up_to}')
    lines.append('[[dim]]\ndivisor = 166\nservices = ["ground"]\nup_to_cubic_in = 1728')
    lines.append("[areas]")
    lines.extend(f"{name} = {json.dumps(zips)}" for name, zips in AREAS.items())
    return "\n".join(lines)


def contract_of(folder: Path, rules: str) -> RateCard:
    zones = "\n".join(f"277,{to},{zone}" for to, zone in ZONE_OF.items())
    (folder / "zones.csv").write_text(f"origin,destination,zone\n{zones}\n")
    rates = {}
    for service in FUEL:
        rates[service] = folder / f"{service}.csv"
        heading = ",".join(["Weight", *map(str, range(2, 9))])
        lines = [
            ",".join(
                [str(lb), *(f"{list_price(service, str(z), lb) / 100:.2f}" for z in range(2, 9))]
            )
            for lb in range(1, 151)
        ]
        rates[service].write_text("\n".join([heading, *lines]))
    (folder / "rules.toml").write_text(rules)
    return RateCard.from_files(
        zones=folder / "zones.csv",
        rates=rates,
        surcharges=folder / "rules.toml",
        effective="2025-12-22",
        name="2026",
    )


def cents(amount: Fraction) -> int:
    exact = Decimal(amount.numerator) / Decimal(amount.denominator)
    return int(exact.quantize(Decimal(1), ROUND_HALF_UP))


def ceiling(value: Fraction) -> int:
    return -((-value.numerator) // value.denominator)


def calculated(row: dict[str, Any]) -> int | None:
    """The price by UPS's published structure, None where a parcel is over the limits."""
    service, home = row["service"], bool(row["residential"])
    code, day = row["postal_code"], row["ship_date"]
    zone = ZONE_OF[code[:3]]
    band = 0 if zone == "2" else 1 if zone in "34" else 2
    total = 0
    for parcel in row["parcels"]:
        lb = max(1, ceiling(Fraction(parcel["weight_lb"])))
        billed, volume, girth, longest, second = lb, 0, 0, 0, 0
        if parcel["length_in"] is not None:
            whole = [max(1, ceiling(Fraction(parcel[k]))) for k in SIDES]
            longest, second, third = sorted(whole, reverse=True)
            volume, girth = longest * second * third, longest + 2 * (second + third)
            divisor = 166 if service == "ground" and volume <= 1728 else 139
            billed = max(lb, ceiling(Fraction(volume, divisor)))
        if lb > 150 or longest > 108 or girth > 165:
            return None
        too_large = girth > 130 or volume > 17_280 or lb > 110
        too_big = longest > 48 or second > 30 or girth > 105 or volume > 10_368
        if too_large:
            billed = max(billed, 90)
        if billed > 150:
            return None
        handling = [HANDLING["weight"][band]] if lb > 50 else []
        handling += [HANDLING["size"][band]] if too_big else []
        handling += [LARGE[home][band]] if too_large else []
        other = max(handling, default=0)
        if PEAK_FROM <= day < PEAK_TO:
            other += PEAK["large"] if too_large else PEAK["handling"] if too_big else 0
        value = parcel["declared_value_cents"] or 0
        if value > 10_000:
            other += max(465, 155 * ceiling(Fraction(value - 10_000, 10_000)))
        other += 935 if row["signature"] == "adult" else 0
        base = list_price(service, zone, billed)
        if service == "ground":
            percent, least = ("42.5", 975) if zone in "234" and billed <= 10 else ("35", 1050)
            base = max(base - cents(Fraction(base) * Fraction(percent) / 100), least)
        area = next((name for name, zips in AREAS.items() if code in zips), None)
        before_fuel = base + other + (605 if home else 0)
        before_fuel += AREA_CENTS[area, home] if area else 0
        fuel = [p for since, p in FUEL[service] if since <= day.isoformat()][-1]
        total += before_fuel + cents(Fraction(before_fuel) * Fraction(fuel) / 100)
    return total


SIDES = ("length_in", "width_in", "height_in")


def sides(lb: float, *measures: float, value: int | None = None) -> dict[str, Any]:
    length, width, height = measures or (None, None, None)
    return {
        "weight_lb": lb,
        "length_in": length,
        "width_in": width,
        "height_in": height,
        "packaging": "package",
        "declared_value_cents": value,
    }


def shipments(*rows: dict[str, Any]) -> pa.Table:
    base = {"country": "US", "service": "ground", "postal_code": "32821", "signature": "none"}
    return pa.Table.from_pylist(
        [{"row_number": k + 1, **base, **row} for k, row in enumerate(rows)], schema=SHIPMENTS
    )


def random_rows(count: int, seed: int) -> list[dict[str, Any]]:
    rng = random.Random(seed)

    def parcel() -> dict[str, Any]:
        lb = round(
            rng.choice([rng.uniform(0.1, 12), rng.uniform(0.1, 152), rng.randint(1, 151)]), 2
        )
        scale = rng.choice([12, 30, 60])
        size = [round(rng.uniform(0.5, scale), 1) for _ in SIDES]
        if rng.random() < 0.1:
            size[0] = round(rng.uniform(40, 109), 1)
        if rng.random() < 0.5:
            size = [float(round(side)) or 1.0 for side in size]
        value = rng.choice([None, None, rng.randint(1, 90_000)])
        return sides(lb, *(size if rng.random() < 0.9 else ()), value=value)

    return [
        {
            "postal_code": rng.choice(
                ["59001", "83237", "99801", "69201", "32821", "27701", "10001"]
            ),
            "residential": rng.random() < 0.5,
            "service": rng.choice(list(FUEL)),
            "parcels": [parcel() for _ in range(rng.choice([1, 1, 2, 3, 4]))],
            "ship_date": dt.date(2026, 1, 5) + dt.timedelta(rng.randrange(360)),
            "signature": rng.choice(["none", "none", "adult"]),
        }
        for _ in range(count)
    ]


@pytest.fixture(scope="module")
def contract(tmp_path_factory: pytest.TempPathFactory) -> RateCard:
    return contract_of(tmp_path_factory.mktemp("contract"), rules_text())


@pytest.mark.parametrize("count", [600, pytest.param(10_000, marks=pytest.mark.slow)])
def test_what_if_equals_an_independent_calculator_to_the_cent(
    contract: RateCard, count: int
) -> None:
    rows = random_rows(count, seed=count)
    wanted = [calculated(row) for row in rows]
    quotes = contract.quote_table(shipments(*rows), SHOP)
    assert quotes.column("cost_cents").to_pylist() == wanted
    assert 0.5 < sum(cost is not None for cost in wanted) / count < 0.98
    assert quotes.column("problem").null_count == sum(cost is not None for cost in wanted)
    for row in shipments(*rows[:40]).to_pylist():
        try:
            one = contract.quote(shipment_from_row(row), SHOP).cost_cents
        except CarrierRejected:
            one = None
        assert one == wanted[row["row_number"] - 1]


@pytest.mark.parametrize(
    "rule", [{"percent": Decimal(10), "of": ("base",)}, {"declared_value": True}]
)
def test_a_size_condition_that_no_amount_would_heed_is_refused(rule: dict[str, Any]) -> None:
    with pytest.raises(RateCardError, match="size condition"):
        Surcharge("heavy", "other", cents=100, over_lb=50, **rule)


def test_two_transit_times_for_one_zone_are_refused() -> None:
    card = sk.RateCard.synthetic()
    twice = pa.concat_tables([card.transit, card.transit.slice(0, 1)])
    with pytest.raises(RateCardError, match="two transit times"):
        dataclasses.replace(card, transit=twice)
