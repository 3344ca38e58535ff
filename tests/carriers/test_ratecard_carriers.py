"""Rate cards of USPS and FedEx next to UPS's: their zone files, ounces, and a comparison.

The zone files are synthetic, in the layouts that are published.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from openpyxl import Workbook

import shipkit as sk
from shipkit.carriers.ratecard import CARD_SERVICES, RateCard
from shipkit.carriers.ratecard.one import measure
from shipkit.errors import CarrierRejected, RateCardError
from shipkit.models import Address, Parcel, Shipment
from shipkit.render.pdf import document, stream

SHOP = Address(postal_code="27703", country="US")
USPS_ROWS = [
    ("ZIP Code", "Zone", "ZIP Code", "Zone", "", "ZIP Code", "Zone", "Specific to"),
    ("005---089", "4", "280", "2*", "", "09000---09004", "7", "Priority Mail"),
    ("100---199", "3+", "900---999", "8", "", "10012", "5", ""),
]
PRIORITY = "Weight Not Over (lb.),2,3,4,5,7,8\n" + "\n".join(
    f"{lb},{','.join(f'{8 + lb + zone / 10:.2f}' for zone in (2, 3, 4, 5, 7, 8))}"
    for lb in range(1, 71)
)
ADVANTAGE = (
    "Weight,2,3,4,5,7,8\n4 oz,4.10,4.20,4.30,4.40,4.50,4.60\n8 oz,4.50,4.60,4.70,4.80,4.90,5.00\n"
    "15.999 oz,5.10,5.20,5.30,5.40,5.50,5.60\n1,6.50,6.60,6.70,6.80,6.90,7.00\n"
    "2,7.50,7.60,7.70,7.80,7.90,8.00\n"
)
FEDEX_LINES = [
    "FedEx Express and FedEx Ground zone locator",
    "Origin ZIP 27700-27999",
    "Contiguous U.S.",
    "00500-08999 4 10000-19999 3",
    "28000-28049 2 28050-28099 3",
    "90000-96199 8 96200-96699 NA",
    "Alaska, Hawaii, and Puerto Rico",
    "Destination ZIP Express Ground",
    "99500-99799 10 25",
    "96700-96899 9 NA",
]


def pdf_of(lines: list[str]) -> bytes:
    text = " T* ".join(f"({line}) Tj" for line in lines)
    return document(
        [
            b"<</Type/Catalog/Pages 2 0 R>>",
            b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
            (
                b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents 5 0 R"
                b"/Resources<</Font<</F 4 0 R>>>>>>"
            ),
            b"<</Type/Font/Subtype/Type1/BaseFont/Courier>>",
            stream(f"BT /F 10 Tf 14 TL 40 740 Td {text} ET".encode("ascii")),
        ]
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cards")
    book = Workbook()
    for row in USPS_ROWS:
        book.active.append(row)
    book.save(folder / "277.xlsx")
    (folder / "priority.csv").write_text(PRIORITY)
    (folder / "advantage.csv").write_text(ADVANTAGE)
    (folder / "27700-27999.pdf").write_bytes(pdf_of(FEDEX_LINES))
    zones = [2, 3, 4, 8, 9, 10, 25]
    rates = "\n".join(
        ",".join([str(lb), *(f"{9 + lb + zone / 10:.2f}" for zone in zones)]) for lb in range(1, 11)
    )
    (folder / "rates.csv").write_text(f"Weight,{','.join(map(str, zones))}\n{rates}\n")
    return folder


@pytest.fixture(scope="module")
def usps(folder: Path) -> RateCard:
    return RateCard.from_files(
        zones=folder / "277.xlsx",
        rates={
            "Priority Mail": folder / "priority.csv",
            "Ground Advantage": folder / "advantage.csv",
        },
        carrier="usps",
    )


@pytest.fixture(scope="module")
def fedex(folder: Path) -> RateCard:
    return RateCard.from_files(
        zones=folder / "27700-27999.pdf",
        rates={"Ground": folder / "rates.csv", "2Day": folder / "rates.csv"},
        carrier="fedex",
    )


def zone(card: RateCard, code: str, service: str, origin: str = "277") -> str | None:
    return card.zone(origin, (code, code[:3]), service)


def test_a_zone_chart_of_usps_is_read_with_its_exceptions(usps: RateCard) -> None:
    assert usps.services == ("usps:ground_advantage", "usps:priority")
    ends = ("00601", "10001", "10012", "28001", "90210", "50001")
    assert [zone(usps, end, "usps:priority") for end in ends] == ["4", "3", "5", "2", "8", None]
    assert zone(usps, "09003", "usps:priority") == "7"
    assert zone(usps, "09003", "usps:ground_advantage") is None
    assert zone(usps, "08901", "usps:ground_advantage") == "4"


def test_a_zone_file_of_fedex_is_read_for_express_and_ground(fedex: RateCard) -> None:
    assert fedex.services == ("fedex:2_day", "fedex:ground")
    for origin in ("277", "278", "279"):
        assert zone(fedex, "10001", "fedex:ground", origin) == "3"
    assert [zone(fedex, end, "fedex:2_day") for end in ("28012", "28051", "96201")] == [
        "2",
        "3",
        None,
    ]
    assert zone(fedex, "99501", "fedex:2_day") == "10"
    assert zone(fedex, "99501", "fedex:ground") == "25"
    assert zone(fedex, "96701", "fedex:2_day") == "9"
    assert zone(fedex, "96701", "fedex:ground") is None


@pytest.mark.parametrize(
    ("pounds", "size", "cents"),
    [
        (0.1, None, 420),
        (0.25, None, 420),
        (0.2501, None, 460),
        (0.5, None, 460),
        (0.75, None, 520),
        (0.99, None, 520),
        (1, None, 660),
        (0.2, (6, 5, 4), 420),
        (0.2, (12, 12, 12), 420),  # a cubic foot: its size is not billed
        (1.5, None, 760),
    ],
)
def test_parcels_under_a_pound_are_priced_by_the_ounce(
    usps: RateCard, pounds: float, size: tuple[int, int, int] | None, cents: int
) -> None:
    sides = dict(zip(("length_in", "width_in", "height_in"), size or (), strict=False))
    parcel = Parcel(weight_lb=pounds, **sides)
    shipment = Shipment(
        ship_to=Address(postal_code="10001", country="US"),
        service="usps:ground_advantage",
        parcels=(parcel, parcel),
    )
    assert usps.quote(shipment, SHOP).cost_cents == 2 * cents
    orders = [
        {
            "zip": "10001",
            "weight": pounds,
            "service": "USPS Ground Advantage",
            **{name.removesuffix("_in"): side for name, side in sides.items()},
        }
    ]
    assert sk.rate(orders, usps).cost_cents.tolist() == [cents]


@pytest.mark.parametrize(("effective", "pounds"), [("2026-07-12", 14), ("2026-01-18", 12)])
def test_the_size_of_parcels_above_a_cubic_foot_is_billed_as_usps_does(
    folder: Path, effective: str, pounds: int
) -> None:
    """12.5 x 12 x 11.6 in: 13 x 12 x 12 = 1,872, / 139 since 12 July 2026, / 166 before."""
    card = RateCard.from_files(
        zones=folder / "277.xlsx",
        rates={"Priority Mail": folder / "priority.csv"},
        carrier="usps",
        effective=effective,
    )
    box = Parcel(weight_lb=1, length_in=12.5, width_in=12, height_in=11.6)
    foot = Parcel(weight_lb=1, length_in=12, width_in=12, height_in=12)
    assert measure(card, box, "usps:priority").billable_lb == pounds
    assert measure(card, foot, "usps:priority").billable_lb == 1
    assert (card.max_parcel_lb, card.max_girth_in) == (70, 130)


def test_a_card_with_ounces_is_saved_whole(usps: RateCard, tmp_path: Path) -> None:
    again = RateCard.load(usps.save(tmp_path / "usps.zip"))
    assert again.ounces.equals(usps.ounces)
    assert again.ounces.num_rows == 16 * 6
    plain = sk.RateCard.synthetic()
    plain.save(tmp_path / "over")
    usps.save(tmp_path / "over")
    plain.save(tmp_path / "over")
    assert sk.RateCard.load(tmp_path / "over").fingerprint == plain.fingerprint
    assert measure(again, Parcel(weight_lb=0.3)).ounces == 5


def test_carriers_are_compared_order_by_order(usps: RateCard, fedex: RateCard) -> None:
    orders = [
        {"Order": "A", "zip": "10001", "weight": 0.3, "service": "USPS Priority Mail"},
        {"Order": "B", "zip": "90210", "weight": 3, "service": "USPS Priority Mail"},
    ]
    result = sk.compare(usps, fedex, orders, origin="27703", service="cheapest of fedex")
    assert result.total.baseline.cents == 930 + 1180
    assert result.total.candidate.cents == 1030 + 1280
    own = sk.compare(usps, usps, orders, origin="27703", service="cheapest")
    assert own.frame["service"].tolist()[0] == "usps:ground_advantage"


def test_a_card_says_which_services_it_has_not(fedex: RateCard) -> None:
    to = Address(postal_code="10001", country="US")
    for service in ("ground", "usps:priority"):
        shipment = Shipment(ship_to=to, service=service, parcels=(Parcel(weight_lb=1),))
        with pytest.raises(CarrierRejected, match=f"does not sell {service}") as caught:
            fedex.quote(shipment, SHOP)
        assert "fedex:ground" in str(caught.value)


def test_names_of_another_carrier_are_not_taken(folder: Path) -> None:
    with pytest.raises(RateCardError, match="'2nd Day Air' is not a known service"):
        RateCard.from_files(
            zones=folder / "277.xlsx", rates={"2nd Day Air": folder / "rates.csv"}, carrier="usps"
        )
    with pytest.raises(RateCardError, match="carrier='dhl' is not known"):
        RateCard.from_files(zones="z", rates="r", carrier="dhl")
    assert CARD_SERVICES.parse("Ground") == "ground"
    assert CARD_SERVICES.parse("FedEx Ground") == "fedex:ground"
    assert CARD_SERVICES.parse("Express Saver") == "worldwide_saver"


@pytest.mark.parametrize(
    ("weight", "words"),
    [("4.5 oz", "not a weight in whole ounces"), ("16 oz", "not a weight in whole ounces")],
)
def test_a_weight_that_cannot_be_read_is_named(folder: Path, weight: str, words: str) -> None:
    path = folder / "broken.csv"
    path.write_text(ADVANTAGE.replace("4 oz", weight))
    with pytest.raises(RateCardError, match=f"broken.csv, line 2, column A: .*{words}"):
        RateCard.from_files(
            zones=folder / "277.xlsx", rates={"Ground Advantage": path}, carrier="usps"
        )


def test_a_chart_without_an_origin_and_a_scan_are_refused(folder: Path, tmp_path: Path) -> None:
    chart = tmp_path / "chart.xlsx"
    chart.write_bytes((folder / "277.xlsx").read_bytes())
    rates = {"Priority Mail": folder / "priority.csv"}
    with pytest.raises(RateCardError, match="nothing says where shipments start"):
        RateCard.from_files(zones=chart, rates=rates, carrier="usps")
    card = RateCard.from_files(zones=chart, rates=rates, carrier="usps", origin="27703")
    assert zone(card, "10001", "usps:priority") == "3"
    (tmp_path / "scan.pdf").write_bytes(pdf_of([]))
    with pytest.raises(RateCardError, match="has no text"):
        RateCard.from_files(
            zones=tmp_path / "scan.pdf", rates={"Ground": folder / "rates.csv"}, carrier="fedex"
        )


def fedex_card(
    folder: Path, lines: list[str], name: str = "27700-27999.pdf", **more: str
) -> RateCard:
    path = folder / name
    path.write_bytes(pdf_of(lines))
    zones = [2, 3, 4, 5, 8, 9, 10, 25]
    prices = ",".join(f"{zone}.00" for zone in zones)
    rates = folder / "prices.csv"
    rates.write_text(f"Weight,{','.join(map(str, zones))}\n1,{prices}\n")
    both = {"Ground": rates, "2Day": rates}
    return RateCard.from_files(zones=path, rates=both, carrier="fedex", **more)


@pytest.mark.parametrize(
    ("line", "instead"),
    [
        ("00500-08999 4 10000-19999 3", "00500-08999 10000-19999 3"),  # a zone is missing
        ("00500-08999 4 10000-19999 3", "500-8999 4 10000-19999 3"),  # zeros are lost
        ("00500-08999 4 10000-19999 3", "005-089 4 100-199 3"),
        ("28000-28049 2 28050-28099 3", "28000-28049 2 5 28050-28099 3 5"),  # which is Ground's?
        ("99500-99799 10 25", "99500-99799 10"),
        ("99500-99799 10 25", "99500-99799 10 -"),
    ],
)
def test_a_destination_of_fedex_that_is_not_read_is_named(
    tmp_path: Path, line: str, instead: str
) -> None:
    """It was left out, and its orders had no zone; or the first of two zones was Ground's."""
    lines = [instead if one == line else one for one in FEDEX_LINES]
    with pytest.raises(RateCardError, match=f"line {lines.index(instead) + 1}: .* is not read"):
        fedex_card(tmp_path, lines)


@pytest.mark.parametrize(
    "title", ["Alaska and Hawaii", "Hawaii, Alaska and Puerto Rico", "Alaska, Hawaii, Puerto Rico"]
)
def test_alaska_has_its_own_zones_under_any_title(tmp_path: Path, title: str) -> None:
    card = fedex_card(tmp_path, [*FEDEX_LINES[:6], title, *FEDEX_LINES[7:]])
    assert zone(card, "99501", "fedex:2_day") == "10"
    assert zone(card, "99501", "fedex:ground") == "25"
    with pytest.raises(RateCardError, match="line 8: 995 is not in the contiguous states"):
        fedex_card(tmp_path, [*FEDEX_LINES[:6], *FEDEX_LINES[7:]])


def test_columns_of_fedex_are_those_of_their_headings(tmp_path: Path) -> None:
    lines = [*FEDEX_LINES[:7], "Destination ZIP Ground Express", *FEDEX_LINES[8:]]
    card = fedex_card(tmp_path, lines)
    assert zone(card, "99501", "fedex:2_day") == "25"
    assert zone(card, "99501", "fedex:ground") == "10"
    near = ["Destination ZIP Express Ground", "00500-08999 4 5 10000-19999 3 NA"]
    card = fedex_card(tmp_path, [*FEDEX_LINES[:3], *near, *FEDEX_LINES[6:]])
    assert [zone(card, "08540", f"fedex:{name}") for name in ("2_day", "ground")] == ["4", "5"]
    assert [zone(card, "10001", f"fedex:{name}") for name in ("2_day", "ground")] == ["3", None]


def test_what_is_around_the_zones_of_fedex_is_no_destination(tmp_path: Path) -> None:
    more = ["Effective January 5, 2026", "Call 1.800.463.3339 or 1-800-463-3339", "Page 2 of 4"]
    again = ["2", "Origin ZIP 27700-27999 (continued)"]
    card = fedex_card(tmp_path, [*FEDEX_LINES[:6], *more, *again, *FEDEX_LINES[6:], *more])
    assert zone(card, "10001", "fedex:ground") == "3"


def test_the_origin_that_a_zone_file_of_fedex_names_is_its_own(tmp_path: Path) -> None:
    card = fedex_card(tmp_path, FEDEX_LINES, "zones.pdf")
    assert zone(card, "10001", "fedex:ground", "278") == "3"
    with pytest.raises(RateCardError, match="shipments from 277 to 279, and origin='90210'"):
        fedex_card(tmp_path, FEDEX_LINES, "zones.pdf", origin="90210")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("From,To,Zone\n005,089,4\n100,199,3\n", "no line is for shipments from 277"),
        ("Origin,Dest ZIP,Zone\n277,8540,3\n277,601,4\n", "line 3, column B: '601' may be the pre"),
    ],
)
def test_a_table_of_zones_that_can_be_read_in_two_ways_is_refused(
    folder: Path, tmp_path: Path, text: str, words: str
) -> None:
    path = tmp_path / "zones.csv"
    path.write_text(text)
    with pytest.raises(RateCardError, match=words):
        RateCard.from_files(
            zones=path, rates={"2Day": folder / "rates.csv"}, carrier="fedex", origin="27703"
        )
