"""Addresses of the whole world, through a session: valid ones are not asked about."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest

import shipkit as sk
from shipkit.common.places import country_code

SHOP = sk.Address(
    name="Dana Ortiz",
    address_line1="300 Alamo Plaza",
    city="San Antonio",
    state="TX",
    postal_code="78205",
    phone="2105550100",
)
HEADINGS = {
    "name": "Name",
    "street": "Address 1",
    "street2": "Address 2",
    "city": "City",
    "state": "State",
    "code": "Zip",
    "country": "Country",
    "phone": "Phone",
    "service": "Service",
}
DOMESTIC = ("US", "PR")


def orders(addresses: list[dict[str, str]]) -> list[dict[str, Any]]:
    """Rows of a file, one for each address."""
    return [
        {
            "Order": f"A-{number}",
            "Weight lb": 2,
            **{
                heading: {"name": "Ada Lee", **address}.get(field, "")
                for field, heading in HEADINGS.items()
            },
            "Service": address.get(
                "service",
                "ground" if address.get("country", "US") in DOMESTIC else "worldwide_saver",
            ),
        }
        for number, address in enumerate(addresses, start=1)
    ]


def read(home: Path, addresses: list[dict[str, str]]) -> tuple[Any, list[tuple[int, str, str]]]:
    """Return the shipments and the problems (row, code, severity), without those of customs."""
    with sk.BatchSession(shipper=SHOP, carrier=sk.SandboxCarrier(home / "b.sqlite")) as session:
        session.load(orders(addresses))
        session.map()
        problems = [
            (int(row.row_number), row.code, row.severity)
            for row in session.problems.itertuples()
            if row.code not in {"customs_missing", "phone_missing"}
        ]
        return session.mapped(), sorted(problems)


def valid() -> list[dict[str, str]]:
    lines = (Path(__file__).parent / "data" / "addresses.txt").read_text("utf-8").splitlines()
    rows = csv.reader((line for line in lines if not line.startswith("#")), delimiter=";")
    return [
        dict(zip(("country", "street", "city", "state", "code"), row, strict=True)) for row in rows
    ]


def test_valid_addresses_of_two_hundred_countries_are_not_asked_about(tmp_path):
    addresses = valid()
    assert len(addresses) == 314
    assert len({each["country"] for each in addresses}) == 203
    shipments, problems = read(tmp_path, addresses)
    assert [(addresses[row - 1], code) for row, code, _ in problems] == []
    codes = shipments["postal_code"].fillna("").tolist()
    assert {
        (each["country"], each["code"], code)
        for each, code in zip(addresses, codes, strict=True)
        if each["code"] != code
    } == {
        ("AE", "00000", ""),
        ("HK", "000000", ""),
        ("HT", "HT6110", "6110"),
        ("IR", "1511943943", "15119-43943"),
    }


STREET = {"street": "12 Test St"}
WRONG: list[tuple[str, str, dict[str, str]]] = [
    # code, severity, what the row has
    ("missing", "error", {"country": "DE", "city": "Bonn"}),
    ("missing", "error", {"country": "GB", "city": "London"}),
    ("missing", "error", {"country": "HR", "city": "Zagreb"}),
    ("missing", "error", {"country": "DE", "city": "Bonn", "code": "n/a"}),
    ("missing", "error", {"country": "DE", "city": "Bonn", "code": "00000"}),
    ("postal_code_format", "error", {"country": "DE", "city": "Bonn", "code": "ABC"}),
    ("postal_code_format", "error", {"country": "DE", "city": "Bonn", "code": "115"}),
    ("postal_code_format", "error", {"country": "DE", "city": "Bonn", "code": "531111"}),
    ("postal_code_format", "error", {"country": "GB", "city": "London", "code": "12345"}),
    ("postal_code_format", "error", {"country": "GB", "city": "London", "code": "SWIA 1AA"}),
    ("postal_code_format", "error", {"country": "GB", "city": "London", "code": "SW1A"}),
    ("postal_code_format", "error", {"country": "NL", "city": "Ede", "code": "1234"}),
    ("postal_code_format", "error", {"country": "FR", "city": "Nice", "code": "SW1A 1AA"}),
    ("postal_code_format", "error", {"country": "AT", "city": "Wien", "code": "101"}),
    ("postal_code_format", "error", {"country": "JP", "city": "Kyoto", "code": "1-Jan"}),
    ("postal_code_format", "error", {"country": "CA", "state": "ON", "city": "X", "code": "90210"}),
    ("postal_code_not_used", "warning", {"country": "HK", "city": "Central", "code": "90210"}),
    ("postal_code_not_used", "warning", {"country": "AE", "city": "Dubai", "code": "12345"}),
    *(
        ("country_of_territory", "warning", {"country": country, "city": city, "code": code})
        for country, city, code in (
            ("FR", "Pointe-à-Pitre", "97110"),
            ("France", "Saint-Denis", "97400"),
            ("GB", "St Helier", "JE2 3AB"),
            ("DK", "Nuuk", "3900"),
            ("FI", "Mariehamn", "22100"),
            ("IT", "San Marino", "47890"),
        )
    ),
    (
        "state_postal_mismatch",
        "error",
        {"country": "CA", "state": "ON", "city": "Vancouver", "code": "V6C 1T2"},
    ),
    (
        "state_postal_mismatch",
        "error",
        {"country": "AU", "state": "NSW", "city": "Perth", "code": "6000"},
    ),
    (
        "state_postal_mismatch",
        "warning",
        {"country": "BR", "state": "RJ", "city": "São Paulo", "code": "01310-200"},
    ),
    (
        "state_postal_mismatch",
        "warning",
        {"country": "ES", "state": "Barcelona", "city": "Madrid", "code": "28013"},
    ),
    (
        "country_mismatch",
        "error",
        {"country": "DE", "state": "TX", "city": "Austin", "code": "78701"},
    ),
    (
        "country_mismatch",
        "error",
        {"country": "France", "state": "New York", "city": "New York", "code": "10001"},
    ),
    ("postal_code_conflict", "error", {"country": "DE", "city": "10115 Berlin", "code": "10117"}),
    (
        "postal_code_conflict",
        "error",
        {"country": "US", "state": "IL", "city": "Springfield, IL 62701", "code": "62704"},
    ),
    ("zip_padded", "warning", {"country": "DE", "city": "Dresden", "code": "1067"}),
    ("zip_padded", "warning", {"country": "AU", "state": "NT", "city": "Darwin", "code": "800"}),
    ("postal_code_in_city", "warning", {"country": "DE", "city": "10115 Berlin"}),
    ("postal_code_in_city", "warning", {"country": "DE", "city": "Berlin 10115"}),
    ("postal_code_in_city", "warning", {"country": "GB", "city": "London SW1A 1AA"}),
    ("postal_code_in_city", "warning", {"country": "NL", "city": "1012 PH Amsterdam"}),
    ("postal_code_in_city", "warning", {"country": "US", "city": "Springfield, IL 62701"}),
]


def test_wrong_addresses_are_each_reported_once(tmp_path):
    shipments, problems = read(tmp_path, [{**STREET, **each} for _, _, each in WRONG])
    assert problems == [(n, code, severity) for n, (code, severity, _) in enumerate(WRONG, 1)]
    read_from_cities = shipments[["city", "state", "postal_code"]].iloc[-5:].fillna("")
    assert read_from_cities.to_numpy().tolist() == [
        ["Berlin", "", "10115"],
        ["Berlin", "", "10115"],
        ["London", "", "SW1A 1AA"],
        ["Amsterdam", "", "1012 PH"],
        ["Springfield", "IL", "62701"],
    ]


BERLIN = {"country": "DE", "city": "Berlin", "code": "10115", "street": "Teststr. 1"}
BOSTON = {"country": "US", "city": "Boston", "state": "MA", "code": "02134", "street": "1 Main St"}
LONDON = {"country": "GB", "city": "London", "code": "SW1A 1AA", "street": "1 Test Rd"}
PARIS = {"country": "FR", "city": "Paris", "code": "75001", "street": "1 rue Test"}
PHONES: list[tuple[dict[str, str], str, str | None]] = [
    # where, the cell, what is kept; None: dropped with a warning
    (BOSTON, "(212) 555-0142", "2125550142"),
    (BOSTON, "+1 212-555-0142 ext. 7", "2125550142x7"),
    (BOSTON, "0000000000", None),
    (BOSTON, "9999999999", None),
    (BOSTON, "111-111-1111", None),
    (BOSTON, "1234567890", None),
    (BOSTON, "123456", None),
    (BOSTON, "112 555 0142", None),
    (BOSTON, "212555014", None),
    (BOSTON, "21255501423", None),
    (BOSTON, "+49 30 1234567", None),
    (BERLIN, "+49 30 1234567", "+49301234567"),
    (BERLIN, "030 1234567", "0301234567"),
    (BERLIN, "+49 (0)30 1234567", "+490301234567"),
    (BERLIN, "0049 30 1234567", "0049301234567"),
    (BERLIN, "+33 1 42 34 56 78", "+33142345678"),
    (BERLIN, "00000000", None),
    (BERLIN, "12345678", None),
    (PARIS, "01 42 34 56 78", "0142345678"),
    (PARIS, "+33142345678", "+33142345678"),
    (PARIS, "01 42 34 56", None),
    (PARIS, "+33 1 42 34 56 78 9", None),
    (PARIS, "33142345678", "33142345678"),
    (LONDON, "020 7946", None),
    (LONDON, "020 7946 0018", "02079460018"),
]


def test_phones_keep_what_can_be_called(tmp_path):
    shipments, problems = read(tmp_path, [{**where, "phone": cell} for where, cell, _ in PHONES])
    kept = [each if isinstance(each, str) else None for each in shipments["phone"]]
    assert kept == [kept for _, _, kept in PHONES]
    assert problems == [
        (n, "phone_dropped", "warning") for n, (_, _, kept) in enumerate(PHONES, 1) if kept is None
    ]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Vereinigte Staaten", "US"),
        ("Allemagne", "DE"),
        ("ドイツ", "DE"),
        ("Германия", "DE"),
        ("Niemcy", "DE"),
        ("276", "DE"),
        ("826.0", "GB"),
        ("Scotland", "GB"),
        ("Hollande", "NL"),
        ("Burma", "MM"),
        ("Congo", "Congo"),
        ("Virgin Islands", "Virgin Islands"),
        ("Czechoslovakia", "Czechoslovakia"),
        ("Guinea", "GN"),
        ("Samoa", "WS"),
        ("Atlantis", "Atlantis"),
    ],
)
def test_names_of_countries_in_many_languages(text, code):
    assert country_code(text) == code
