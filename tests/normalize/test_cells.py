"""Cells of real files: what is read, what is repaired, what is refused."""

from __future__ import annotations

import datetime as dt
from functools import partial

import pytest
from stagekit import relations

from shipkit.carriers.ups.service_level import SERVICES
from shipkit.orders import mapping
from shipkit.orders.mapping import map_rows
from shipkit.orders.normalize import normalize

MappingSpec = partial(mapping.MappingSpec, offered=SERVICES)

GOOD = {
    "Name": "Ada",
    "Company": None,
    "Address 1": "12 Main St",
    "Address 2": None,
    "Address 3": None,
    "City": "Boston",
    "State": "MA",
    "Zip": "02134",
    "Country": "US",
    "Phone": "2125550142",
    "weight_lb": "2",
    "length_in": None,
    "Service": "Ground",
    "residential": None,
    "Ship Date": None,
    "Declared Value": None,
    "Currency": None,
    "Signature": None,
}


@pytest.fixture
def read(orders, shop):
    """Normalise rows that differ from a good one; give (rows, problems, repairs)."""

    def run(*changes, **spec):
        con, columns = orders([{**GOOD, **change} for change in changes])
        mapped = map_rows(con, columns, MappingSpec(**spec), shop, *relations(con))
        table, problems, repairs = normalize(con, mapped)
        return table.to_pylist(), problems.to_pylist(), repairs

    return run


@pytest.fixture
def each(read):
    """Normalise a row for each change, all in one table; give (row, its problems) of each."""

    def run(changes):
        rows, problems, _ = read(*changes)
        held = [[] for _ in rows]
        for problem in problems:
            held[problem["row_number"] - 1].append(problem)
        return list(zip(rows, held, strict=True))

    return run


LOST_ZEROS = [
    ("2134", "MA", "US", "02134"),
    ("2134", "Massachusetts", None, "02134"),
    ("501", "NY", "US", "00501"),
    ("2134.0", "MA", "US", "02134"),
    ("'2134", "MA", "US", "02134"),
    ("2134-1234", "MA", "US", "02134-1234"),
    ("21341234", "MA", "US", "02134-1234"),
    ("901", "PR", "US", "00901"),
    ("901", None, "Puerto Rico", "00901"),
]


def test_lost_zeros_come_back_in_the_us_when_the_zip_then_fits_the_state(each):
    found = each({"Zip": z, "State": state, "Country": of} for z, state, of, _ in LOST_ZEROS)
    assert [row["postal_code"] for row, _ in found] == [wanted for *_, wanted in LOST_ZEROS]
    for case, (_, problems) in zip(LOST_ZEROS, found, strict=True):
        assert [(p["code"], p["severity"], p["field"]) for p in problems] == [
            ("zip_padded", "warning", "ship_to.postal_code")
        ], case


OTHER_CODES = [
    ("2134", "TX", "US"),
    ("2134", None, "US"),
    ("2134", "Texas", None),
    ("21", "MA", "US"),
    ("2000", "NSW", "Australia"),
    ("110001", "DL", "India"),
    ("01310-100", "SP", "Brazil"),
    ("SW1A 1AA", None, "UK"),
    ("K1A 0B1", "ON", "Canada"),
    ("1010", None, "Austria"),
]


def test_a_code_that_is_not_surely_a_us_zip_without_its_zeros_stays_as_it_is(each):
    found = each({"Zip": code, "State": state, "Country": of} for code, state, of in OTHER_CODES)
    assert [row["postal_code"] for row, _ in found] == [code for code, *_ in OTHER_CODES]
    for case, (_, problems) in zip(OTHER_CODES, found, strict=True):
        assert "zip_padded" not in {p["code"] for p in problems}, case


ZIPS = [
    ("'02134", "02134"),
    ('="02134"', "02134"),
    (" 02134 ", "02134"),
    ("02134.0", "02134"),
    ("021341234", "02134-1234"),
    ("02134 1234", "02134-1234"),
    ("02134-1234", "02134-1234"),
]


def test_a_zip_is_freed_of_what_spreadsheets_put_around_it(read):
    rows, problems, repairs = read(*({"Zip": cell} for cell, _ in ZIPS))
    assert [row["postal_code"] for row in rows] == [wanted for _, wanted in ZIPS]
    assert problems == []
    assert sum(repairs.values()) == sum(cell != wanted for cell, wanted in ZIPS)


US_STATES = [
    ("California", "CA"),
    ("new  york", "NY"),
    ("N.Y.", "NY"),
    ("District of Columbia", "DC"),
    ("puerto rico", "PR"),
    ("Armed Forces Pacific", "AP"),
    ("ae", "AE"),
    ("Guam", "GU"),
    ("'TX", "'TX"),
    ("Texass", "Texass"),
]


def test_us_states_are_written_as_their_code_and_unknown_ones_stay(each):
    found = each({"State": cell} for cell, _ in US_STATES)
    assert [row["state"] for row, _ in found] == [code for _, code in US_STATES]


STATES_ABROAD = [
    ("Canada", "Québec", "QC"),
    ("CA", "ontario", "ON"),
    ("Australia", "New South Wales", "NSW"),
    ("DE", "Bayern", "Bayern"),
    ("DE", "WA", "WA"),
]


def test_states_are_read_in_their_own_country(each):
    found = each({"Country": country, "State": cell} for country, cell, _ in STATES_ABROAD)
    assert [row["state"] for row, _ in found] == [code for *_, code in STATES_ABROAD]


COUNTRIES = [
    (None, "US"),
    ("", "US"),
    (" ", "US"),
    ("usa", "US"),
    ("United States", "US"),
    ("U.S.A.", "US"),
    ("us", "US"),
    ("Great Britain", "GB"),
    ("uk", "GB"),
    ("Deutschland", "DE"),
    ("Viet Nam", "VN"),
    ("KOR", "KR"),
    ("Côte d'Ivoire", "CI"),
    ("Atlantis", "Atlantis"),
]


def test_countries_are_written_as_iso_codes_us_when_absent(each):
    found = each({"Country": cell} for cell, _ in COUNTRIES)
    assert [row["country"] for row, _ in found] == [code for _, code in COUNTRIES]


PHONES = [
    ("2125550142", "US", "2125550142"),
    ("(212) 555-0142", "US", "2125550142"),
    ("+1 212 555 0142", "US", "2125550142"),
    ("1-212-555-0142", "US", "2125550142"),
    ("212.555.0142 ext. 77", "US", "2125550142x77"),
    ("212-555-0142x9", "US", "2125550142x9"),
    ("'2125550142", "US", "2125550142"),
    ("2125550142.0", "US", "2125550142"),
    ("+44 20 7946 0958", "GB", "+442079460958"),
    ("020 7946 0958", "GB", "02079460958"),
    ("", "US", None),
]


def test_phones_are_digits_with_their_extension(each):
    found = each({"Phone": cell, "Country": country} for cell, country, _ in PHONES)
    assert [row["phone"] for row, _ in found] == [wanted for *_, wanted in PHONES]
    for case, (_, problems) in zip(PHONES, found, strict=True):
        assert "phone_dropped" not in {p["code"] for p in problems}, case


NO_PHONES = ["555-0142", "call me", "21255501423456", "6.1755501E+09", "6,1755501e9"]


def test_a_phone_that_is_none_is_left_off_and_that_is_said(each):
    for cell, (row, problems) in zip(
        NO_PHONES, each({"Phone": cell} for cell in NO_PHONES), strict=True
    ):
        assert row["phone"] is None, cell
        assert [(p["code"], p["severity"], p["value"]) for p in problems] == [
            ("phone_dropped", "warning", cell)
        ]


def test_html_is_read_as_the_text_it_means_and_counted(read):
    rows, problems, repairs = read(
        {"Name": "Pat O&#8217;Neil", "Company": "Smith &amp; Sons", "City": "St&nbsp;Rear"},
        {"Name": "Zo&euml; M&uuml;ller", "Address 1": "1 Main St<br/>Rear", "Company": "A&amp;lt;"},
        {"Company": "AT&T; Texas", "Address 2": "R&D <ring>"},
        {},
    )
    assert problems == []
    assert [(row["name"], row["company"], row["city"]) for row in rows] == [
        ("Pat O\u2019Neil", "Smith & Sons", "St Rear"),
        ("Zoë Müller", "A<", "Boston"),  # encoded twice
        ("Ada", "AT&T; Texas", "Boston"),
        ("Ada", None, "Boston"),
    ]
    assert (rows[1]["address_line1"], rows[2]["address_line2"]) == ("1 Main St Rear", "R&D <ring>")
    assert (
        repairs["HTML, escapes and invisible marks in names and addresses read as they mean"] == 2
    )


def test_line_breaks_and_double_blanks_are_tidied_and_counted(read):
    (row,), problems, repairs = read(
        {"Address 2": "Rear entrance\nring  twice", "City": " Boston\u00a0"}
    )
    assert (row["address_line2"], row["city"], problems) == (
        "Rear entrance ring twice",
        "Boston",
        [],
    )
    assert repairs == {"spaces, line breaks or apostrophes removed from names and addresses": 1}


APOSTROPHES = [
    ("'12 Main St", "12 Main St"),
    ("'s-Hertogenbosch", "'s-Hertogenbosch"),
    ("O'Brien", "O'Brien"),
]


def test_only_a_spreadsheets_apostrophe_is_taken_off(each):
    found = each({"City": cell} for cell, _ in APOSTROPHES)
    assert [row["city"] for row, _ in found] == [wanted for _, wanted in APOSTROPHES]


LONG = "5033 Templeton Street Building C, Loading Dock 14, Suite 1200"


SPLIT = [
    (
        (LONG, None, None),
        ("5033 Templeton Street Building C,", "Loading Dock 14, Suite 1200", None),
    ),
    (
        (LONG, "c/o Ada", None),
        ("5033 Templeton Street Building C,", "Loading Dock 14, Suite 1200", "c/o Ada"),
    ),
    (
        ("12 Main St", LONG, None),
        ("12 Main St", "5033 Templeton Street Building C,", "Loading Dock 14, Suite 1200"),
    ),
    (("a" * 35, None, None), ("a" * 35, None, None)),
]


def lines_of(row):
    return row["address_line1"], row["address_line2"], row["address_line3"]


def in_lines(lines):
    return dict(zip(("Address 1", "Address 2", "Address 3"), lines, strict=True))


def test_a_long_address_line_is_split_at_words_into_free_lines(each):
    found = each(in_lines(lines) for lines, _ in SPLIT)
    for (lines, wanted), (row, problems) in zip(SPLIT, found, strict=True):
        assert lines_of(row) == wanted
        assert [p["code"] for p in problems] == (["address_split"] if wanted != lines else [])


TOO_LONG = [(LONG, LONG, None), ("x" * 36, None, None), (LONG, "c/o Ada", "Floor 3")]


def test_an_address_that_does_not_fit_is_never_cut(each):
    found = each(in_lines(lines) for lines in TOO_LONG)
    assert [(lines_of(row), problems) for row, problems in found] == [
        (lines, []) for lines in TOO_LONG
    ]


WEIGHTS = [
    ("2", 2.0),
    (" 1,234.5 ", 1234.5),
    ("'3", 3.0),
    ("12 oz", 0.75),
    ("2 lb 3 oz", 2.1875),
    ("1 kg", 1 / 0.45359237),
    ("-1", -1.0),
    ("0", 0.0),
    ("", None),
]


def test_weights_are_read_with_their_unit(each):
    found = each({"weight_lb": cell} for cell, _ in WEIGHTS)
    for (cell, wanted), (row, problems) in zip(WEIGHTS, found, strict=True):
        assert (row["parcels"][0]["weight_lb"], problems) == (wanted, []), cell


NO_WEIGHTS = ["heavy", "nan", "inf", "1,23", "1_0", "2 stone", "0x10", "12 in", "1.2.3"]


def test_a_weight_that_cannot_be_read_is_a_problem_with_its_text(each):
    found = each({"weight_lb": cell} for cell in NO_WEIGHTS)
    for cell, (row, problems) in zip(NO_WEIGHTS, found, strict=True):
        assert row["parcels"][0]["weight_lb"] is None, cell
        assert [(p["code"], p["severity"], p["value"]) for p in problems] == [
            ("weight_lb_unreadable", "error", cell)
        ]


AMOUNTS = [
    ("$1,234.50", 123450),
    ("1234.5", 123450),
    ("USD 12", 1200),
    (".5", 50),
    ("€5,000", 500000),
    (None, None),
    ("12.345", 1235),
]


def test_amounts_are_cents(each):
    found = each({"Declared Value": cell} for cell, _ in AMOUNTS)
    for (cell, cents), (row, problems) in zip(AMOUNTS, found, strict=True):
        assert (row["parcels"][0]["declared_value_cents"], problems) == (cents, []), cell


def test_amounts_have_the_minor_units_of_their_currency(read):
    rows, _, _ = read(
        {"Declared Value": "1200", "Currency": "jpy"},
        {"Declared Value": "1.234", "Currency": "KWD"},
    )
    assert [(r["currency"], r["parcels"][0]["declared_value_cents"]) for r in rows] == [
        ("JPY", 1200),
        ("KWD", 1234),
    ]


DATES = [
    "2026-11-02",
    "2026-11-02T09:00:00-05:00",
    "11/02/2026",
    "11/2/26",
    "20261102",
    "Nov 2, 2026",
    "02 November 2026",
]


def test_dates_are_read_in_the_formats_of_exports(each):
    found = each({"Ship Date": cell} for cell in DATES)
    for cell, (row, problems) in zip(DATES, found, strict=True):
        assert (row["ship_date"], problems) == (dt.date(2026, 11, 2), []), cell


NO_YEARS = ["0000-01-01", "00000101", "1/2/0000", "Jan 2, 0000"]


def test_a_year_that_python_does_not_have_is_unreadable(each):
    found = each({"Ship Date": cell} for cell in NO_YEARS)
    for cell, (row, problems) in zip(NO_YEARS, found, strict=True):
        assert row["ship_date"] is None, cell
        assert [p["code"] for p in problems] == ["ship_date_unreadable"], cell


FLAGS = [
    ("yes", True),
    ("N", False),
    ("1", True),
    ("TRUE", True),
    ("commercial", False),
    ("Residential", True),
    ("", None),
]


def test_the_residential_flag_is_read(each):
    found = each({"residential": cell} for cell, _ in FLAGS)
    for (cell, wanted), (row, problems) in zip(FLAGS, found, strict=True):
        assert (row["residential"], problems) == (wanted, []), cell


def test_what_cannot_be_read_is_a_problem_of_its_field(read):
    _, problems, _ = read(
        {
            "Ship Date": "soon",
            "residential": "perhaps",
            "Declared Value": "much",
            "Signature": "blood",
            "length_in": "long",
        }
    )
    assert {(p["field"], p["severity"]) for p in problems} == {
        ("ship_date", "error"),
        ("ship_to.residential", "warning"),
        ("parcels[0].declared_value", "error"),
        ("signature", "error"),
        ("parcels[0].length_in", "error"),
    }
    assert all(p["fix"] for p in problems)


def test_rows_come_back_in_the_order_of_their_numbers(read):
    rows, problems, _ = read(
        *(
            {
                "Zip": "2134" if n % 3 else "02134",
                "State": "MA" if n % 5 else "Massachusetts",
                "Address 1": LONG if n % 7 == 0 else "1 St",
            }
            for n in range(3000)
        )
    )
    assert [row["row_number"] for row in rows] == list(range(1, 3001))
    assert [p["row_number"] for p in problems] == sorted(p["row_number"] for p in problems)


def test_cells_that_the_source_could_not_read_block_only_where_they_are_used(orders, shop):
    from shipkit.schema import problems_table

    con, columns = orders([{**GOOD, "order_total": None}, GOOD | {"order_total": None}])
    seen = problems_table(
        [
            {
                "row_number": 1,
                "field": "weight_lb",
                "value": "heavy",
                "problem": "is not a number",
                "severity": "error",
                "code": "cell_unreadable",
            },
            {
                "row_number": 2,
                "field": "order_total",
                "value": "lots",
                "problem": "is not an amount",
                "severity": "error",
                "code": "cell_unreadable",
            },
            {
                "row_number": 99,
                "field": "weight_lb",
                "value": "x",
                "problem": "is not a number",
                "severity": "error",
                "code": "cell_unreadable",
            },
        ]
    )
    mapped = map_rows(con, columns, MappingSpec(), shop, *relations(con))
    problems = normalize(con, mapped, source_problems=seen).problems
    assert [(p["row_number"], p["field"], p["severity"]) for p in problems.to_pylist()] == [
        (1, "parcels[0].weight_lb", "error"),
        (2, "order_total", "warning"),
    ]
