"""The sandbox's rate card: every price and zone here is made up, and no carrier charges them.

It is shaped like the real thing, so that what is built on it works with a contract: zones 2 to 8
by distance, 9 for Alaska, Hawaii and the islands, 10 for military mail, five groups of countries;
prices that rise with weight and zone; residential, delivery area, fuel and size surcharges.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import math
from collections.abc import Iterator, Sequence
from decimal import Decimal
from functools import lru_cache

import pyarrow as pa

from shipkit.carriers.ratecard import RATES, TRANSIT, ZONES, RateCard, Surcharge

__all__ = ["DistanceZones", "synthetic_card"]

_POSITIONS = (
    r"..........R=........S=S=S=T=T<S<S<S;T;T;S;S;S;S;S;S;S:S;S<S;T;T;T<T<T<U;T<U<T;T;"
    r"U;U:U:U:V9U:U8X8U9V:U<T=T=T=V=T;U=U=V<V<S=S=S<R<R=R=R=S=R=R>R>R>R>R>R>R>R>Q>R?R>"
    r"Q?Q?P?P?P>Q?Q?Q>R?Q>....................R>R>R>R>R>R>R>R>R>R>R>R>R>R>R>R>R>R=R>R="
    r"T>T>T>T>S>S>S>S?T>V>T@T@T@T?T?T?U@S@S@S@TCTCTCTCTBTATBSCSASARDQDQDQDQDQCQDRCRCQC"
    r"RDRDRCSDSDSDQBSCRBSAQAQAQBQAQAQ@Q@RARAR@R?R?R@R?S?R@R@R@S@Q?Q?Q?Q?Q@Q?Q@Q@Q@Q@P@"
    r"PAPBPAPAPAPAOAPAPAPAPAPAPA..PAQCP@PAO@Q@PAPAPAPAOAOAPBOBPCOCOAOAOAN@N@N@N@N@NANB"
    r"NDNDNFNEOCNCNFNENFODOEOEPFOFPBOFOFOFOEOEQEPEPDPDPDQDOEPCPC..MDMDMDMDMDMCMCMCMAM@"
    r"LELELELCKBLAMELGMGLHKEKEKELFJDKCLFLEKFJEKHKIJHKHIFLHKGLIJFJFJHKHJHIEIEHFHGIHJIII"
    r"GFFEGFGHGJGKGFFEFEEECDCDCDCDDDEFEFEGEFDF..CFDF..FF..EGFF..DDKKKKKK..JLKLLKLJLKKJ"
    r"IJIJKJHJHKHLHLIKJIILMKMKMKLILILNMFMHMHMHLMLNMMMMLKMILNKOKMKNINININIMHMGMHNKMHIKH"
    r"OIOJOJOHOHOHOINHNGNHPHOGOGOHOGNFOGNGNG..NMNJNKNKNLNINHNJ....QGQGQGRGRGRHSHQFQFQE"
    r"SERFRFRFRERERERERGRGPIPHPIQHQHQHPGPFRHPIQJQJQJRKSKRJSJRIRIRJPIOJPJQIPKOKOKOLPKQK"
    r"TGSGSGTGTGTHUHUHTITISJSJSHTJTJTJVJVIWKXMSRSQSRSRTQTRTPSPRSSRTTTTTTTSSSRTRS......"
    r"TOTPSPSPSPRPROSOSO..TLTLTL..TLTN..TMTOUMVQVLULULVNWNUOVPWPUMVQVQ..VRVQVRYOXQXPUP"
    r"URUTVTWRXSXTYRYT....TUUUVUUVVWUXWYU[....XUXUYVYWXWXYX[YYY[..WaWaY]W]YcZaXdWdXfYf"
    r"SLSLSLSLSLSLSLSLSLRLSNSMRNRMRNRNRNRMQLQLPN..PNQOPLQMQNQNOMOMOOPN..POQPQQOONNNNNN"
    r"PRPS....QSQSQRORNRPSOPPPPPPQOPOPNQNQNQ..PSPSPS..PTPTPTOSOTQVOVNUOUNTPVOWPWPYOYNY"
    r"RTRT..QURURURUSVRWQWQYRZTYS[............GNGN..GOHNGPGQHOGO..JQJRJPHPIQ..KPJQKRKQ"
    r"LPLPLPLOMOMPMQMRLQLRLVLV..GVKULWLWMVMWNYMTMT..NSMSLTNUKSLULSJUJTJUJUJTJRJSISHTHR"
    r"JUJUJUKWIVHVIUIUHWHXGS..GSGSGTGSGRGRHTFUFWFVFVEVEUCVGVGVFXGULZLZKYKZKZJXIXIZH]I^"
    r"Q]Q]Q]Q]Q^Q]Q]R[P\P]O\N^O^N`O`PaQ_......R]VbS]S_U`TaT^U]V_SbUcTcTdTfUdWhUhUhYi.."
    r"RdRdRdSdRdPbPdOe....JdJdJdKd..JbIbIc..KbMc....LdLfMa........L_L_..MaN`M^J_M]K`J_"
    r"I`K[J\J^L\I^......MgMgMg..PgPkQl..PlRh..KjKjKjKjKjKjKjKjKj..KjKjKjKkKjKjKjKjKjJi"
    r"JiJiKhKiKiKiKjKjKj..KkKlMkLkLmLjNlNlNlNnNnOnPmNnOnOnOnOnOnOoNnNnOmOmPoRpPmPmPmPn"
    r"RnQl................VoWoWoVoUoSoSmUmVkUiYnYnYnXoXnXoWo..YlXmYiYjYiWkWi.........."
)
"""Coordinates of the ZIP prefixes 000 to 999, two characters each, in whole degrees.

The first is the latitude (A is 24 degrees north), the second the longitude (0 is 60 degrees west).
Two dots: no such prefix on the mainland. The coordinates are those of public gazetteers.
"""

_CHARS = "".join(_POSITIONS)
_OFFICES = frozenset({"569", "888"})
"""Prefixes of government offices in Washington, which no gazetteer places."""
_MILES = ((150, "2"), (300, "3"), (600, "4"), (1000, "5"), (1400, "6"), (1800, "7"))
_REMOTE = frozenset(
    {"006", "007", "008", "009", "967", "968", "969", "995", "996", "997", "998", "999"}
)
_MILITARY = frozenset(
    {*(f"{p:03}" for p in range(90, 100)), "340", "962", "963", "964", "965", "966"}
)

_AIR = ("2nd_day_air", "next_day_air")
_SOLD = {
    "ground": ("2", "3", "4", "5", "6", "7", "8", "9", "10"),
    "3_day_select": ("2", "3", "4", "5", "6", "7", "8"),
    "2nd_day_air": ("2", "3", "4", "5", "6", "7", "8", "9"),
    "next_day_air": ("2", "3", "4", "5", "6", "7", "8", "9"),
}
_DAYS = {
    "ground": {"2": 1, "3": 2, "4": 3, "5": 3, "6": 4, "7": 5, "8": 5, "9": 8, "10": 15},
    "3_day_select": dict.fromkeys(_SOLD["3_day_select"], 3),
    "2nd_day_air": {**dict.fromkeys(_SOLD["2nd_day_air"], 2), "9": 3},
    "next_day_air": {**dict.fromkeys(_SOLD["next_day_air"], 1), "9": 2},
    "worldwide_saver": {"41": 2, "42": 3, "43": 3, "44": 4, "45": 6},
}
_PRICE = {
    "ground": (905, 62, 38, 11),
    "3_day_select": (1390, 170, 92, 24),
    "2nd_day_air": (1985, 310, 148, 44),
    "next_day_air": (3420, 690, 235, 81),
}
"""Cents: at zone 2, more for each zone, a pound at zone 2, more a pound for each zone."""

_COUNTRIES = {
    "41": "CA",
    "42": "MX",
    "43": (
        "AD AT BE CH CY CZ DE DK EE ES FI FR GB GG GI GR HR HU IE IM IS IT JE LI LT LU LV MC MT "
        "NL NO PL PT RO SE SI SK SM VA BG"
    ),
    "44": "AU CN HK ID IN JP KR MO MY NZ PH SG TH TW VN",
    "45": (
        "AE AG AI AL AM AO AR AW AZ BA BB BD BF BH BI BJ BM BN BO BR BS BT BW BZ CD CG CI "
        "CK CL CM CO CR CV CW DJ DM DO DZ EC EG ER ET FJ FO GA GD GE GF GH GL GM GN GP GQ "
        "GT GW GY HN HT IL IQ JM JO KE KG KH KI KM KN KW KY KZ LA LB LC LK LR LS LY MA MD "
        "ME MG MK ML MN MQ MR MS MU MV MW MZ NA NC NE NG NI NP NR OM PA PE PF PG PK PY QA "
        "RE RS RW SA SB SC SL SN SR ST SV SX SZ TC TD TG TJ TL TM TN TO TR TT TV TZ UA UG "
        "UY UZ VC VE VG VU WS YE ZA ZM ZW"
    ),
}
_WORLD = {
    "41": (2890, 165),
    "42": (3640, 240),
    "43": (4875, 395),
    "44": (5630, 480),
    "45": (7290, 640),
}

_REMOTE_TOWNS = frozenset(
    {
        "04622",
        "05901",
        "12864",
        "16748",
        "25801",
        "38769",
        "49970",
        "54564",
        "56711",
        "58831",
        "59001",
        "59745",
        "69201",
        "73949",
        "79845",
        "82055",
        "83237",
        "87579",
        "89045",
        "97910",
        "98859",
    }
)


class DistanceZones:
    """A zone chart by distance between ZIP prefixes, and by country group."""

    def __init__(self) -> None:
        self.fingerprint = hashlib.sha256(
            repr(
                (_POSITIONS, _MILES, sorted(_REMOTE), sorted(_MILITARY), _SOLD, _COUNTRIES)
            ).encode()
        ).hexdigest()

    def rows(self, origins: Sequence[str]) -> pa.Table:
        """Return the lines for `origins`."""
        return pa.concat_tables([ZONES.empty_table(), *(_rows_from(origin) for origin in origins)])


@lru_cache(maxsize=1000)
def _rows_from(origin: str) -> pa.Table:
    if origin == "US":
        rows = [
            ("US", country, "worldwide_saver", zone)
            for zone, countries in _COUNTRIES.items()
            for country in countries.split()
        ]
    else:
        rows = [
            (origin, prefix, service, zone)
            for prefix, zone in _zones_from(origin)
            for service, zones in _SOLD.items()
            if zone in zones
        ]
    return pa.table(
        [pa.array(column, pa.string()) for column in zip(*rows, strict=True)]
        or [pa.array([], pa.string())] * 4,
        schema=ZONES,
    )


def _zones_from(origin: str) -> Iterator[tuple[str, str]]:
    start = _position(origin)
    if start is None and origin not in _REMOTE | _MILITARY:
        return
    for number in range(1000):
        prefix = f"{number:03}"
        end = _position(prefix)
        if prefix == origin:
            yield prefix, "2"
        elif prefix in _MILITARY or (
            origin in _MILITARY and (end is not None or prefix in _REMOTE)
        ):
            yield prefix, "10"
        elif prefix in _REMOTE or (origin in _REMOTE and end is not None):
            yield prefix, "9"
        elif start is not None and end is not None:
            yield prefix, _band(_miles(start, end))


def _position(prefix: str) -> tuple[int, int] | None:
    if not (len(prefix) == 3 and prefix.isascii() and prefix.isdigit()):
        return None
    if prefix in _OFFICES:
        return _position("200")
    north, west = _CHARS[2 * int(prefix)], _CHARS[2 * int(prefix) + 1]
    return None if north == "." else (ord(north) - ord("A") + 24, ord(west) - ord("0") + 60)


def _miles(a: tuple[int, int], b: tuple[int, int]) -> float:
    """Return the distance of two points, near enough for a band."""
    return math.hypot(
        (a[0] - b[0]) * 69.1, (a[1] - b[1]) * 69.1 * math.cos(math.radians((a[0] + b[0]) / 2))
    )


def _band(miles: float) -> str:
    return next((zone for limit, zone in _MILES if miles <= limit), "8")


def _prices() -> Iterator[tuple[str, str, int, int, int]]:
    for service, zones in _SOLD.items():
        first, by_zone, pound, pound_by_zone = _PRICE[service]
        for zone in zones:
            step = {"9": 12, "10": 7}.get(zone, int(zone) - 2)
            at, more = first + by_zone * step, pound + pound_by_zone * step
            yield from (
                (service, zone, lb, at + more * (lb - 1) - (more * max(0, lb - 50)) // 4, 0)
                for lb in range(1, 151)
            )
            yield service, zone, 151, 0, at // 150 + more
    for zone, (first, pound) in _WORLD.items():
        yield from (
            ("worldwide_saver", zone, lb, first + pound * (lb - 1), 0) for lb in range(1, 151)
        )
        yield "worldwide_saver", zone, 151, 0, first // 150 + pound


@lru_cache(maxsize=1)
def synthetic_card() -> RateCard:
    """Return the card. One object a process: pricing keeps its lookup tables."""
    rates = list(_prices())
    days = [(service, zone, n) for service, zones in _DAYS.items() for zone, n in zones.items()]
    domestic = tuple(_SOLD)
    return RateCard(
        name="synthetic",
        zones=DistanceZones(),
        is_synthetic=True,
        effective=dt.date(2026, 1, 1),
        rates=pa.table(
            [pa.array(c, RATES.field(k).type) for k, c in enumerate(zip(*rates, strict=True))],
            schema=RATES,
        ),
        transit=pa.table(
            [pa.array(c, TRANSIT.field(k).type) for k, c in enumerate(zip(*days, strict=True))],
            schema=TRANSIT,
        ),
        areas={"remote": _REMOTE_TOWNS},
        surcharges=(
            Surcharge(
                "residential_ground",
                "residential",
                cents=495,
                residential=True,
                services=("ground", "3_day_select"),
            ),
            Surcharge("residential_air", "residential", cents=540, residential=True, services=_AIR),
            Surcharge(
                "delivery_area_home",
                "delivery_area",
                cents=580,
                area="remote",
                residential=True,
                services=domestic,
            ),
            Surcharge(
                "delivery_area",
                "delivery_area",
                cents=390,
                area="remote",
                residential=False,
                services=domestic,
            ),
            Surcharge(
                "additional_handling",
                "other",
                cents=2400,
                over_lb=50,
                over_longest_in=48,
                over_second_in=30,
                over_girth_in=105,
                group="handling",
            ),
            Surcharge(
                "large_package",
                "other",
                cents=9900,
                over_longest_in=96,
                over_girth_in=130,
                group="handling",
            ),
            Surcharge(
                "declared_value",
                "other",
                cents=130,
                declared_value=True,
                free_cents=10_000,
                minimum_cents=390,
            ),
            Surcharge("signature", "other", cents=640, signature=("required",)),
            Surcharge("adult_signature", "other", cents=790, signature=("adult",)),
            Surcharge("saturday", "other", cents=1600, saturday=True, services=_AIR),
            Surcharge(
                "fuel_ground",
                "fuel",
                percent=Decimal("14.25"),
                of=("base", "residential", "delivery_area"),
                services=("ground", "3_day_select"),
            ),
            Surcharge(
                "fuel_air",
                "fuel",
                percent=Decimal("15.75"),
                of=("base", "residential", "delivery_area"),
                services=(*_AIR, "worldwide_saver"),
            ),
        ),
    )
