"""How people write amounts, percents, weights and ZIPs in the files of a contract: read right, or
refused with the place. Each of these was read as something else, silently.
"""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import shipkit as sk
from shipkit.carriers.ratecard import RateCard
from shipkit.carriers.ratecard.sheets import cents_of
from shipkit.errors import InputError, RateCardError
from shipkit.models import Address

ZONES = """Made-up zones
For shipments originating in ZIP Codes 276-01 to 277-99
Dest. ZIP,Ground
100-199,004
"""
RATES = "Weight,4\n1 lb,9.10\n2 lb,9.95\n"
ORDER = [{"Zip": "10001", "Weight (lb)": 1.2, "Service": "Ground"}]


def card(tmp_path: Path, rates: str = RATES, rules: str = "", **given: Any) -> RateCard:
    for name, text in {"277.csv": ZONES, "ground.csv": rates, "rules.toml": rules}.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    return RateCard.from_files(
        **{
            "zones": tmp_path / "277.csv",
            "rates": {"ground": tmp_path / "ground.csv"},
            "surcharges": tmp_path / "rules.toml",
            **given,
        }
    )


@pytest.mark.parametrize(
    ("text", "cents"),
    [
        ("9.95", 995),
        ("$1,234.50", 123450),
        ("1,009", 100900),
        ("12,345,678.9", 1234567890),
        ("15.330000000000002", 1533),  # of a workbook
        (".5", 50),
        ("5.", 500),
        # A decimal comma was dropped: a hundredfold price.
        ("9,95", 995),
        ("9,5", 950),
        ("1.234,50", 123450),
        ("1234,50", 123450),
        ("9,9500", None),
        ("1,00,000", None),
        ("1.234,500", None),
        ("9.955", None),
        ("-9.95", None),
        ("1e3", None),
        ("NaN", None),
        ("", None),
    ],
)
def test_amounts(text: str, cents: int | None) -> None:
    assert cents_of(text, "USD") == cents


def test_a_price_list_with_decimal_commas(tmp_path: Path) -> None:
    found = card(tmp_path, "Weight;4\n1;9,10\n2;9,95\n", currency="eur")
    assert (found.currency, found.prices["ground", "4", 2]) == ("EUR", (995, 0))


def test_weights_in_kilograms_are_refused_and_ounces_are_what_their_heading_says(
    tmp_path: Path,
) -> None:
    with pytest.raises(RateCardError, match=r"line 1, column A: 'Weight \(kg\)' is not in pounds"):
        card(tmp_path, RATES.replace("Weight", "Weight (kg)"))
    light = card(tmp_path, "Weight Not Over (oz.),4\n4,4.10\n8,4.95\n1 lb,9.10\n")
    assert light.ounce_prices == {("ground", "4", n): 410 if n < 5 else 495 for n in range(1, 9)}


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ('[[discount]]\npercent = "150"\n', "a discount of 150 % leaves less than nothing"),
        ("[[discount]]\npercent = 0.425\n", "percent 0.425 is less than one percent"),
        (
            '[[surcharge]]\nname = "peak"\namount = "5"\nsince = 2026-12-10\nuntil = 2026-12-10\n',
            "'peak' ends on 2026-12-10, before it begins",
        ),
        (
            '[[surcharge]]\nname = "das"\namount = "5"\narea = "far"\n[areas]\nfar = ["100-101"]\n',
            "'100-101' is not a ZIP of five digits",
        ),
        (
            '[[surcharge]]\nname = "h"\namount = "5"\nservices = ["grond"]\n',
            "^rules.toml, surcharge 'h': 'grond' is not a known service",
        ),
    ],
)
def test_rules_that_would_never_or_wrongly_apply(tmp_path: Path, rules: str, message: str) -> None:
    with pytest.raises(RateCardError, match=message) as no:
        card(tmp_path, rules=rules)
    assert no.value.fix


def test_less_than_a_percent_is_written_with_its_sign(tmp_path: Path) -> None:
    [rule] = card(tmp_path, rules='[[discount]]\npercent = "0.5%"\n').discounts
    assert rule.percent == Decimal("0.5")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"origin": "900"},
            "the file is for shipments from 276 to 277, and origin='900' was given",
        ),
        ({"currency": "dollars"}, "currency='dollars' is not a currency"),
        ({"effective": "12/28/2026"}, "effective='12/28/2026' is not a date"),
    ],
)
def test_settings_that_are_not_those_of_the_files(
    tmp_path: Path, given: dict[str, str], message: str
) -> None:
    with pytest.raises(RateCardError, match=message):
        card(tmp_path, **given)
    card(tmp_path, origin="27703")


def test_one_place_as_text_is_no_list_of_its_letters(tmp_path: Path) -> None:
    contract = card(tmp_path)
    for place in ("27703", Address(postal_code="27703")):
        with pytest.raises(InputError, match="is one place"):
            sk.rate(ORDER, contract, origins=place)
    assert sk.rate(ORDER, contract, origins=["27703"])["cost_cents"].tolist() == [995]
    with pytest.raises(InputError, match="as_of='1/12/2026' is not a date"):
        sk.rate(ORDER, contract, as_of="1/12/2026")
