"""Postal codes of all countries: what is read, what is asked, and what is left alone."""

from __future__ import annotations

import re

import duckdb
import pytest

import shipkit as sk
from shipkit.common.address_formats import region_code, region_zips
from shipkit.common.places import US_DOMAIN, country_codes
from shipkit.common.postal import postal_format, read_postal_code

FORMATS = {
    country: format_
    for country in sorted(set(country_codes().values()))
    if (format_ := postal_format(country)) is not None
}


def test_most_countries_have_a_format():
    assert len(FORMATS) == 173
    assert not set(US_DOMAIN) & set(FORMATS)


def test_every_example_is_its_own_usual_form():
    wrong = [
        (country, example, read_postal_code(country, example))
        for country, format_ in FORMATS.items()
        for example in format_.examples
        if read_postal_code(country, example) != (example, False)
    ]
    assert wrong == [  # the library's example is without the blank that the Swedish post prints
        ("SE", "11455", ("114 55", False)),
        ("SE", "12345", ("123 45", False)),
        ("SE", "10500", ("105 00", False)),
    ]


def test_the_database_reads_every_pattern_as_python_does():
    con = duckdb.connect()
    for country, format_ in FORMATS.items():
        for text in (*format_.examples, "12345", "1234", "SW1A 1AA", "ABC", "123456"):
            for pattern in (format_.pattern, format_.usual):
                (found,) = con.execute("SELECT regexp_full_match(?, ?)", [text, pattern]).fetchone()
                assert found == bool(re.fullmatch(pattern, text, re.ASCII)), (country, text)
        for pattern in region_zips(country).values():
            con.execute("SELECT regexp_matches('10115', ?)", [pattern])


@pytest.mark.parametrize(
    ("country", "text", "code"),
    [
        ("GB", "SW1A1AA", "SW1A 1AA"),
        ("GB", "sw1a 1aa", "SW1A 1AA"),
        ("GB", "M25BQ", "M2 5BQ"),
        ("GB", "GY11AA", "GY1 1AA"),
        ("GB", "BFPO58", "BFPO 58"),
        ("CA", "K1A0B1", "K1A 0B1"),
        ("CA", "k1a-0b1", "K1A 0B1"),
        ("NL", "1234AB", "1234 AB"),
        ("NL", "NL-1234 ab", "1234 AB"),
        ("IE", "D02X285", "D02 X285"),
        ("IE", "d6wxy00", "D6W XY00"),
        ("IE", "D4", "D4"),
        ("PL", "00950", "00-950"),
        ("PL", "00 950", "00-950"),
        ("PL", "PL-00-950", "00-950"),
        ("CZ", "11000", "110 00"),
        ("SK", "SK-010 01", "010 01"),
        ("GR", "15124", "151 24"),
        ("SE", "SE-11122", "111 22"),
        ("SE", "S-111 22", "111 22"),
        ("BR", "01310100", "01310-100"),
        ("BR", "CEP 01310-100", "01310-100"),
        ("JP", "1000001", "100-0001"),
        ("JP", "〒100-0001", "100-0001"),
        ("JP", "１００－０００１", "100-0001"),
        ("PT", "1250096", "1250-096"),
        ("DE", "D-10115", "10115"),
        ("DE", "10115.0", "10115"),
        ("FR", "F-75001", "75001"),
        ("FR", "75 001", "75001"),
        ("CH", "CH8001", "8001"),
        ("AT", "A-1010", "1010"),
        ("LU", "L-1111", "1111"),
        ("LT", "LT-01100", "01100"),
        ("LV", "1073", "LV-1073"),
        ("LV", "lv1073", "LV-1073"),
        ("FI", "FIN-00100", "00100"),
        ("DK", "DNK 2100", "2100"),
        ("BB", "23026", "BB23026"),
        ("MT", "vlt1117", "VLT 1117"),
        ("IN", "110 001", "110001"),
        ("KY", "KY11100", "KY1-1100"),
        ("HK", "000000", None),
        ("HK", "999077", None),
        ("AE", "00000", None),
        ("IE", "n/a", None),
        ("QA", "-", None),
        ("TT", "150123", "150123"),
    ],
)
def test_a_spelling_is_read_as_the_usual_form(country, text, code):
    assert read_postal_code(country, text) == (code, False)


@pytest.mark.parametrize(
    ("country", "text", "code"),
    [
        ("DE", "1067", "01067"),
        ("FR", "6000", "06000"),
        ("ES", "8001", "08001"),
        ("IT", "187", "00187"),
        ("AU", "800", "0800"),
        ("MX", "6600", "06600"),
        ("KR", "3051", "03051"),
        ("SG", "18956", "018956"),
        ("JP", "600001", "060-0001"),
        ("PL", "950", "00-950"),
        ("PL", "5470", "05-470"),
        ("FI", "100", "00100"),
        ("NO", "150", "0150"),
        ("NZ", "110.0", "0110"),
        ("RO", "60274", "060274"),
        ("SK", "1001", "010 01"),
        ("TR", "6101", "06101"),
        ("UA", "1001", "01001"),
        ("BR", "1310100", "01310-100"),
        ("ZA", "83", "0083"),
        ("VA", "120", "00120"),
    ],
)
def test_zeros_come_back_where_one_code_is_possible(country, text, code):
    assert read_postal_code(country, text) == (code, True)


@pytest.mark.parametrize(
    ("country", "text"),
    [
        ("DE", "115"),  # no code begins with 00
        ("DE", "5123"),  # nor with 05
        ("DE", "ABC"),
        ("DE", "F-75001"),
        ("AT", "106"),
        ("CH", "801"),
        ("NL", "1234"),
        ("GB", "12345"),
        ("GB", "SWIA 1AA"),
        ("GB", "SW1A"),
        ("PT", "1250"),
        ("JP", "1-Jan"),
        ("KR", "135-080"),
        ("TW", "10"),
        ("IT", "7"),
        ("AE", "10001"),
        ("HK", "12345"),
    ],
)
def test_what_has_no_reading_stays_for_a_person(country, text):
    assert read_postal_code(country, text) is None


@pytest.mark.parametrize(
    ("country", "text", "region"),
    [
        ("CA", "Ontario", "ON"),
        ("CA", "Nouvelle-Écosse", "NS"),
        ("CA", "Terre-Neuve-et-Labrador", "NL"),
        ("AU", "Vic.", "VIC"),
        ("AU", "new south wales", "NSW"),
        ("MX", "Nuevo León", "NL"),
        ("MX", "N.L.", "NL"),
        ("MX", "Jalisco", "JAL"),
        ("MX", "Estado de México", "MEX"),
        ("BR", "São Paulo", "SP"),
        ("BR", "Sao Paulo", "SP"),
        ("BR", "Estado de Minas Gerais", "MG"),
        ("IT", "Milano", "MI"),
        ("IT", "Provincia di Bologna", "BO"),
        ("IN", "KA", "Karnataka"),
        ("JP", "東京都", "Tokyo"),
        ("JP", "大阪", "Osaka"),
        ("JP", "Tokyo-to", "Tokyo"),
        ("AE", "دبي", "Dubai"),
        ("KR", "서울", "Seoul"),
        ("CN", "广东省", "Guangdong Sheng"),
        ("DE", "Bayern", None),
        ("IT", "Atlantis", None),
    ],
)
def test_regions_are_read_in_the_languages_of_their_country(country, text, region):
    assert region_code(country, text) == region


def test_a_letter_for_a_zero_is_no_eircode():
    assert read_postal_code("IE", "DO2 X285") is None


def test_a_zip_without_its_second_part(shop):
    row = {"Order": "1", "Name": "Ada", "Address": "1 Main St", "City": "Boston", "State": "MA"}
    with sk.BatchSession([{**row, "Zip": "02134-", "Weight (lb)": 2}], shipper=shop) as session:
        session.map(service="ground")
        assert session.preview()["postal_code"].tolist() == ["02134"]
        assert not len(session.problems)
