"""A contract read from files: what is in them is what is charged, and what cannot be read is
named.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from openpyxl import Workbook

import shipkit as sk
from shipkit.carriers.ratecard import RateCard
from shipkit.errors import RateCardError
from shipkit.models import Address, Parcel, Shipment
from shipkit.schema import SHIPMENTS

SHOP = Address(name="Dana Ortiz", state="NC", postal_code="27703")
HEADINGS = (
    "Dest. ZIP,Ground,3 Day Select,2nd Day Air,2nd Day Air A.M.,Next Day Air Saver,Next Day Air"
)


def zone_file(*rows: str, footer: tuple[str, ...] = ()) -> str:
    """Made up, in the layout of a carrier's file for origins 276 and 277."""
    preamble = [
        "Made-up zone chart",
        "",
        "ZONE CHART",
        "For shipments originating in ZIP Codes 276-01 to 277-99",
        "",
        "To find a zone, take the first three digits",
        "of the destination",
        "",
    ]
    return "\n".join([*preamble, HEADINGS, *rows, *footer]) + "\n"


ROWS = (
    "010-089,005,305,205,245,135,105",
    "100-199,004,304,204,-,134,104",
    "320-339,005,305,205,245,135,105",
    "341,003,-,203,243,133,103",
)
FOOTER = (
    "[1] Made-up notes follow.",
    '"For Alaska: Ground 045, 2nd Day Air 225 and Next Day Air 125 for these ZIP Codes:"',
    "99501,99502,99503",
    "99504",
    '"For Hawaii: Ground 044, Next Day Air 124"',
    "96701,96703",
)


def ground_rates(zones=("2", "3", "4", "5", "44", "45"), pounds=range(1, 7)) -> str:
    return (
        "\n".join(
            [
                ",".join(["Weight", *zones]),
                *(
                    ",".join([f"{lb} lb", *(f"{10 * int(z) + lb}.33" for z in zones)])
                    for lb in pounds
                ),
            ]
        )
        + "\n"
    )


@pytest.fixture
def files(tmp_path):
    (tmp_path / "277.csv").write_text(zone_file(*ROWS, footer=FOOTER))
    (tmp_path / "ground.csv").write_text(ground_rates())
    return tmp_path


def price(card: RateCard, postal_code: str, weight_lb=1.0, shop=SHOP, **fields) -> int:
    rate = card.quote(
        Shipment(
            ship_to=Address(postal_code=postal_code, residential=fields.pop("residential", None)),
            service=fields.pop("service", "ground"),
            parcels=(Parcel(weight_lb=weight_lb),),
            **fields,
        ),
        shop,
    )
    return rate.cost_cents


def test_a_zone_file_in_the_published_layout_with_ranges_dashes_and_footer(files):
    card = sk.RateCard.from_files(zones=files / "277.csv", rates=files / "ground.csv", name="mine")
    assert card.services == ("ground",)
    assert [
        card.zone("277", (code, code[:3]), "ground")
        for code in (
            "01002",
            "08999",
            "10001",
            "34101",
            "99501",
            "99504",
            "96703",
            "99505",
            "40001",
        )
    ] == ["5", "5", "4", "3", "45", "45", "44", None, None]
    assert card.zone("276", ("010",), "ground") == "5"
    assert card.zone("275", ("010",), "ground") is None
    assert price(card, "10001", 2.5) == 4333


def test_a_workbook_with_the_old_ending_and_a_sheet_for_each_service(tmp_path):
    book = Workbook()
    book.active.title = "277"
    for line in zone_file(*ROWS, footer=FOOTER[:1]).splitlines():
        book.active.append(
            [
                cell if i or not cell.isdigit() else int(cell)
                for i, cell in enumerate(line.split(","))
            ]
        )
    book.save(tmp_path / "277.xlsx")
    (tmp_path / "277.xlsx").rename(tmp_path / "277.xls")
    rates = Workbook()
    rates.active.title = "Notes"
    rates.active.append(["These prices are made up."])
    for title, zones in (("UPS Ground", (3, 4, 5)), ("UPS 2nd Day Air®", (203, 204, 205))):
        sheet = rates.create_sheet(title)
        sheet.append([f"{title}, made-up daily rates"])
        sheet.append(["Zones", *zones])
        sheet.append(["Letter", *[1.5] * 3])
        for lb in (1, 2, 3):
            sheet.append([f"{lb} lbs.", *(z % 100 + lb + 0.33 for z in zones)])
        sheet.append(["Price per pound", *[0.95] * 3])
    rates.save(tmp_path / "rates.xlsx")
    card = RateCard.from_files(zones=tmp_path / "277.xls", rates=tmp_path / "rates.xlsx")
    assert card.services == ("2nd_day_air", "ground")
    assert price(card, "10001", 3) == 733
    assert price(card, "10001", 1, service="2nd_day_air") == 533
    assert price(card, "10001", 7) == 665
    assert card.last_lb == 3


def test_generic_tables_by_line_and_by_parquet(tmp_path):
    (tmp_path / "zones.csv").write_text(
        "origin;destination;zone\n277;010-089;A1\n27703;90001-90003;B\n277;CA;Z\n"
    )
    pq.write_table(
        pa.table(
            {
                "service": ["Ground"] * 6,
                "zone": ["A1", "A1", "B", "B", "Z", "Z"],
                "lb": [1, 2] * 3,
                "price": [5.1, 6.2, 7.3, 8.4, 9.5, 10.6],
            }
        ),
        tmp_path / "rates.parquet",
    )
    card = RateCard.from_files(zones=tmp_path / "zones.csv", rates=tmp_path / "rates.parquet")
    assert (price(card, "01234", 2), price(card, "90002", 1)) == (620, 730)


def test_breaks_hold_for_all_weights_up_to_their_own(files):
    (files / "breaks.csv").write_text(
        "service,weight,3,4,5,44,45\nground,1,1,1,1,1,1\nground,5,5,5,5,5,5\nground,10,9,9,9,9,9\n"
    )
    with pytest.raises(
        RateCardError,
        match=r"breaks.csv, line 3, column C: ground in zone 3 has no price for 2 to 4 lb",
    ):
        RateCard.from_files(zones=files / "277.csv", rates=files / "breaks.csv")
    card = RateCard.from_files(zones=files / "277.csv", rates=files / "breaks.csv", breaks=True)
    assert [price(card, "10001", lb) for lb in (1, 2, 5, 6, 10)] == [100, 500, 500, 900, 900]


RULES = """
[areas]
far = "far.csv"
[[surcharge]]
name = "residential"
amount = "5.65"
services = ["UPS Ground"]
residential = true
[[surcharge]]
name = "delivery_area"
amount = "5.70"
area = "far"
[[surcharge]]
name = "declared_value"
amount = "1.30"
declared_value = true
free = "100"
minimum = "3.90"
[[surcharge]]
name = "additional_handling"
amount = "24.00"
over_lb = 50
over_longest_in = 48
[[surcharge]]
name = "peak"
amount = "0.40"
since = 2026-11-23
until = 2027-01-17
[[surcharge]]
name = "fuel"
percent = "15.25"
of = ["base", "residential"]
[[discount]]
percent = "50"
minimum = "9.00"
services = ["ground"]
"""


def test_rules_from_toml(files):
    (files / "rules.toml").write_text(RULES)
    (files / "far.csv").write_text("ZIP,Town\n10001-10003,A\n34101,B\n")
    (files / "rates.csv").write_text(ground_rates(pounds=[*range(1, 61)]))
    card = RateCard.from_files(
        zones=files / "277.csv",
        rates={"ground": files / "rates.csv"},
        surcharges=files / "rules.toml",
    )
    assert price(card, "01001") == 2566 + 391
    assert (
        price(card, "01001", residential=True, ship_date=dt.date(2026, 11, 22))
        == 2566 + 565 + ((2566 + 565) * 1525 + 5000) // 10000
    )
    assert price(card, "01001", ship_date=dt.date(2026, 11, 23)) - price(card, "01001") == 40
    table = pa.Table.from_pylist(
        [
            {
                "row_number": 1,
                "postal_code": "10001",
                "country": "US",
                "service": "ground",
                "parcels": [{"weight_lb": 51.0, "declared_value_cents": 25_000}],
            }
        ],
        schema=SHIPMENTS,
    )
    line = card.itemise(table, SHOP).to_pylist()[0]
    assert {
        name: line[name]
        for name in (
            "delivery_area",
            "declared_value",
            "additional_handling",
            "peak",
            "residential",
        )
    } == {
        "delivery_area": 570,
        "declared_value": 390,
        "additional_handling": 2400,
        "peak": 0,
        "residential": 0,
    }


def test_weekly_fuel_in_a_table_is_one_rule_with_steps_and_both_ways_of_pricing_agree(files):
    (files / "fuel.csv").write_text(
        "name,percent,of,since\nfuel,15.5%,base,2026-11-09\nfuel,15.25,base,2026-11-02\nfuel,16,base,2026-11-16\n"
    )
    card = RateCard.from_files(
        zones=files / "277.csv", rates=files / "ground.csv", surcharges=files / "fuel.csv"
    )
    assert [s.name for s in card.surcharges] == ["fuel"]
    days = [dt.date(2026, 11, d) for d in (1, 2, 8, 9, 15, 16, 30)]
    one = [price(card, "01001", ship_date=day) for day in days]
    assert [cents - 5133 for cents in one] == [0, 783, 783, 796, 796, 821, 821]
    table = pa.Table.from_pylist(
        [
            {
                "row_number": n,
                "postal_code": "01001",
                "country": "US",
                "service": "ground",
                "ship_date": day,
                "parcels": [{"weight_lb": 1.0}],
            }
            for n, day in enumerate([*days, None])
        ],
        schema=SHIPMENTS,
    )
    assert card.quote_table(table, SHOP).column("cost_cents").to_pylist() == [*one, 5133 + 821]
    assert (
        card.quote_table(table, SHOP, dt.date(2026, 11, 10)).column("cost_cents").to_pylist()
        == [5133 + 796] * 8
    )


def test_versions_price_each_shipment_by_the_card_of_its_day(files):
    (files / "new.csv").write_text(ground_rates().replace(".33", ".99"))
    old, new = (
        RateCard.from_files(zones=files / "277.csv", rates={"ground": files / f}, effective=day)
        for f, day in (("ground.csv", "2025-12-22"), ("new.csv", dt.date(2026, 12, 21)))
    )
    card = RateCard.dated(new, old)
    days = [dt.date(2024, 1, 1), dt.date(2026, 12, 20), dt.date(2026, 12, 21), None]
    assert [price(card, "01001", ship_date=day) for day in days] == [5133, 5133, 5199, 5199]
    rows = [
        {
            "row_number": n,
            "postal_code": "01001",
            "country": "US",
            "service": "ground",
            "ship_date": day,
            "parcels": [{"weight_lb": 1.0}],
        }
        for n, day in enumerate(days * 3)
    ]
    table = pa.Table.from_pylist(rows, schema=SHIPMENTS)
    assert (
        card.quote_table(table, SHOP).column("cost_cents").to_pylist()
        == [5133, 5133, 5199, 5199] * 3
    )
    assert set(
        card.quote_table(table, SHOP, dt.date(2026, 1, 1)).column("cost_cents").to_pylist()
    ) == {5133}
    assert card.fingerprint not in {old.fingerprint, new.fingerprint}
    with pytest.raises(RateCardError, match="effective day"):
        RateCard.dated(
            old, RateCard.from_files(zones=files / "277.csv", rates=files / "ground.csv")
        )


@pytest.mark.parametrize("target", ["card", "card.zip"])
def test_a_saved_card_is_the_same_card(files, target):
    (files / "rules.toml").write_text(RULES)
    (files / "far.csv").write_text("10001-10003\n34101\n")
    (files / "fuel.csv").write_text(
        "name,percent,of,since,until\nweekly,15.5,base,2026-11-09,\nweekly,15.25,base,2026-11-02,\n"
    )
    old, new = (
        RateCard.from_files(
            zones=files / "277.csv",
            rates=files / "ground.csv",
            surcharges=[files / "rules.toml", files / "fuel.csv"],
            effective=day,
            name='a "b"\nc',
        )
        for day in ("2025-12-22", "2026-12-21")
    )
    card = RateCard.dated(old, new)
    path = card.save(files / target)
    again = RateCard.load(path)
    assert again.fingerprint == card.fingerprint
    assert (again.name, again.surcharges, again.discounts, again.areas, again.effective) == (
        card.name,
        card.surcharges,
        card.discounts,
        card.areas,
        card.effective,
    )
    assert card.save(path) == path


def test_the_synthetic_card_can_be_saved_too(tmp_path):
    assert (
        RateCard.load(RateCard.synthetic().save(tmp_path / "sandbox.zip")).fingerprint
        == RateCard.synthetic().fingerprint
    )


def test_a_changed_bundle_is_refused_until_somebody_says_it_was_meant(files):
    path = RateCard.from_files(
        zones=files / "277.csv", rates=files / "ground.csv", surcharges=[sk_surcharge()]
    ).save(files / "card")
    text = (path / "card.toml").read_text()
    (path / "card.toml").write_text(text.replace('"15.25"', '"14.25"'))
    with pytest.raises(RateCardError, match="not the one that was saved"):
        RateCard.load(path)
    (path / "card.toml").write_text(
        "\n".join(
            line
            for line in text.replace('"15.25"', '"14.25"').splitlines()
            if "fingerprint =" not in line
        )
    )
    assert RateCard.load(path).surcharges[0].percent == Decimal("14.25")
    (path / "rates.parquet").write_bytes(b"PAR1")
    with pytest.raises(RateCardError, match="cannot be read"):
        RateCard.load(path)
    (path / "rates.parquet").unlink()
    with pytest.raises(RateCardError, match=r"has no rates\.parquet"):
        RateCard.load(path)


def sk_surcharge():
    from shipkit.carriers.ratecard import Surcharge

    return Surcharge("fuel", "fuel", percent=Decimal("15.25"), of=("base",))


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (
            ("010-089,005,305,205,245,135,1O5!",),
            r"277.csv, line 10, column G: '1O5!' is not a zone",
        ),
        (("010-089,,305,205,245,135,105",), r"line 10, column B: the cell is empty"),
        (("0l0-089,005,305,205,245,135,105",), r"line 10, column A: '0l0-089' is not a ZIP"),
        (("089-010,005,305,205,245,135,105",), r"line 10, column A: '089-010' is not a range"),
        (
            (*ROWS, "080,004,304,204,244,134,104"),
            r"line 14: 080 from 276 by ground is zone 4 here and zone 5 in 277.csv, line 10",
        ),
        (
            (*ROWS, "400,009,309,209,249,139,109"),
            r"line 14: 400 is zone 9 of ground, and the rate files have no prices for it",
        ),
        ((), r"have no zones"),
    ],
)
def test_a_zone_file_that_cannot_be_used_is_refused_by_line_and_column(files, rows, message):
    (files / "277.csv").write_text(zone_file(*rows))
    with pytest.raises(RateCardError, match=message):
        RateCard.from_files(zones=files / "277.csv", rates=files / "ground.csv")


def test_a_price_per_pound_of_nothing_next_to_a_price_is_none(files):
    """A column that is 0 where it does not apply made every price 0.00."""
    (files / "277.csv").write_text("Dest. ZIP,Ground\n004-999,5\n")
    (files / "ground.csv").write_text(
        "zone,lb,price,per lb\n5,1,10.00,0\n5,2,11.00,0.00\n5,3,12.00,-\n5,4,,2.50\n"
    )
    card = RateCard.from_files(zones=files / "277.csv", rates={"ground": files / "ground.csv"})
    prices = {lb: cents + more * lb for (_, _, lb), (cents, more) in card.prices.items()}
    assert prices == {1: 1000, 2: 1100, 3: 1200, 4: 1000}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            ground_rates(pounds=[1, 2, 4]),
            r"ground.csv, line 4, column B: ground in zone 2 has no price for 3 lb",
        ),
        (
            ground_rates(pounds=[1, 2, 2]),
            (
                r"line 4, column B: ground in zone 2 at 2 lb has a price already \(ground.csv, "
                r"line 3\)"
            ),
        ),
        (ground_rates(zones=("2", "3", "4", "5", "44")), r"99501 is zone 45 of ground"),
        (ground_rates().replace("52.33", "52.33€"), r"line 3, column E"),
        (
            ground_rates().replace("51.33", "call us"),
            r"line 2, column E: 'call us' is not an amount in USD",
        ),
        *(
            (ground_rates().replace("51.33", nothing), r"line 2, column E: '.*' is no price")
            for nothing in ("0", "0.00", "$0.00")
        ),
        (ground_rates().replace("51.33", "51.337"), r"'51.337' is not an amount in USD"),
        (
            ground_rates().replace("2 lb", "1.5 lb"),
            r"line 3, column A: '1.5 lb' is not a weight in whole pounds",
        ),
        ("nothing\n", "no line of zones"),
        ("<html><table>", "web page"),
    ],
)
def test_a_rate_file_that_cannot_be_used_is_refused_by_line_and_column(files, text, message):
    (files / "ground.csv").write_text(text)
    with pytest.raises(RateCardError, match=message):
        RateCard.from_files(zones=files / "277.csv", rates=files / "ground.csv")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "name,amount\nresidential,five\n",
            r"rules.csv, line 2: amount 'five' is not an amount in USD",
        ),
        ("name,amont\nresidential,5\n", r"line 1, column B: the heading 'amont' is not known"),
        ("name,percent\nfuel,15\n", r"line 2: 'fuel' does not say percent of what"),
        ("name,percent,of\nfuel,15,bse\n", r"percent of bse"),
        ("name,amount,area\ndas,5,nowhere\n", r"needs the ZIP list 'nowhere'"),
        (
            "name,amount,since,services\npeak,5,2026-01-01,ground\npeak,6,2026-02-01,2nd day air\n",
            r"is in it twice with different rules",
        ),
        ("name,amount,since\npeak,5,\npeak,6,\n", r"two amounts from the beginning on"),
        ("name,amount,since\npeak,5,soon\n", r"line 2: since 'soon' is not a date"),
        (
            "name,amount,residential\nhome,5,maybe\n",
            r"line 2: residential 'maybe' is neither yes nor no",
        ),
        ("name,amount,part\nhome,5,base\n", r"line 2: Surcharge 'home' belongs to 'base'"),
    ],
)
def test_a_rule_that_cannot_be_used_is_refused_by_line(files, text, message):
    (files / "rules.csv").write_text(text)
    with pytest.raises(RateCardError, match=message) as caught:
        RateCard.from_files(
            zones=files / "277.csv", rates=files / "ground.csv", surcharges=files / "rules.csv"
        )
    assert caught.value.fix


def test_a_chart_with_holes_is_refused_when_it_must_be_complete(files):
    with pytest.raises(RateCardError, match=r"chart of 276 has no zone for \d+ ZIP prefixes"):
        RateCard.from_files(zones=files / "277.csv", rates=files / "ground.csv", complete=True)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(RateCardError, match="There is no file"):
        RateCard.from_files(zones=tmp_path / "no.csv", rates=tmp_path / "no.csv")
