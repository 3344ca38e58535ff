"""The filters of templates, and their agreement with the SQL that reads cells."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shipkit.carriers.ups.service_level import SERVICES
from shipkit.errors import TemplateError
from shipkit.orders import expressions
from shipkit.orders.filters import filters_for
from shipkit.orders.filters.measure_filters import convert_length, convert_weight, read_number
from shipkit.orders.filters.place_filters import place_part, place_part_sql
from shipkit.orders.units import LENGTHS, WEIGHTS

FILTERS = filters_for(SERVICES)

CASES = [
    ("truncate_address", ("x" * 40,), "x" * 35),
    (
        "truncate_address",
        ("12 Long Name Street, Building C, Suite 1200",),
        "12 Long Name Street, Building C,",
    ),
    ("truncate_address", ("short",), "short"),
    ("truncate_address", ("a b c", 3), "a b"),
    ("format_us_zip", ("2134",), "02134"),
    ("format_us_zip", (2134,), "02134"),
    ("format_us_zip", ("501",), "00501"),
    ("format_us_zip", ("'02134",), "02134"),
    ("format_us_zip", ("02134-1234",), "02134-1234"),
    ("format_us_zip", ("021341234",), "02134-1234"),
    ("format_us_zip", ("2134.0",), "02134"),
    ("format_us_zip", ("110001",), "110001"),
    ("format_us_zip", ("01310-100",), "01310-100"),
    ("format_us_zip", ("K1A 0B1",), "K1A 0B1"),
    ("format_us_zip", ("SW1A 1AA",), "SW1A 1AA"),
    ("format_us_zip", ("2000", "Australia"), "2000"),
    ("format_us_zip", ("2134", "US", "Texas"), "2134"),
    ("format_us_zip", ("2134", "US", "MA"), "02134"),
    ("format_us_zip", ("2134", None, "Massachusetts"), "02134"),
    ("round_weight", ("2.25",), 2.3),
    ("round_weight", (2.25, 2), 2.25),
    ("round_weight", (0.001,), 0.1),
    ("round_weight", ("heavy",), "heavy"),
    ("convert_weight", (16, "oz"), 1.0),
    ("convert_weight", ("1", "kg", "g"), 1000.0),
    ("convert_weight", ("", "oz"), ""),
    ("convert_weight", ("5", ""), 5.0),
    ("convert_weight", ("x", "oz"), "x"),
    ("convert_weight", ("5", "stone"), "5 stone"),
    ("convert_length", ("30.48", "cm"), 12.0),
    ("convert_length", (1, "ft"), 12.0),
    ("lookup_service_code", ("Ground",), "03"),
    ("lookup_service_code", ("next_day_air",), "01"),
    ("lookup_service_code", ("UPS Next Day Air Saver®",), "13"),
    ("lookup_service_code", ("Second Class",), None),
    ("lookup_service_code", ("Second Class", "03"), "03"),
    ("lookup_service_code", ("65",), "65"),
    ("translate", ("A", {"a": "b"}), "b"),
    ("translate", (3, {"3": "x"}), "x"),
    ("side", ("10x8x4",), "10"),
    ("side", ("10x8x4", "height"), "4"),
    ("side", ('12" x 8.5" x 4"', "width"), '8.5 "'),
    ("side", ("30,5 × 20 × 10 cm", "length"), "30.5 cm"),
    ("side", ("30*20*10", "width"), "20"),
    ("side", (" x  x ", "length"), None),
    ("side", ("0 x 0 x 0", "length"), None),
    ("side", ("N/A", "length"), None),
    ("side", ("Large", "length"), "Large"),
    ("side", ("Large", "width"), None),
    ("side", ("10x8", "length"), "10x8"),
    ("place_part", ("Boise, ID 83702", "city"), "Boise"),
    ("place_part", ("New York, New York 10001", "city"), "New York"),
    ("place_part", ("New York, New York 10001", "state"), "New York"),
    ("place_part", ("Charleston West Virginia 25301", "state"), "West Virginia"),
    ("place_part", ("St. Louis MO, 63101-1234", "postal_code"), "63101-1234"),
    ("place_part", ("Coeur d'Alene, ID", "state"), "ID"),
    ("place_part", ("Boise, ID", "postal_code"), None),
    ("place_part", ("Toronto, ON M5V 2T6", "postal_code"), "M5V 2T6"),
    ("place_part", ("10115 Berlin", "postal_code"), "10115"),
    ("place_part", ("D-50667 Köln", "city"), "Köln"),
    ("place_part", ("1012 AB Amsterdam", "postal_code"), "1012 AB"),
    ("place_part", ("90-001 Łódź", "city"), "Łódź"),
    ("place_part", ("1 Main St, Boise, ID 83702", "city"), None),
    ("place_part", ("somewhere", "city"), None),
    ("place_part", (None, "city"), None),
    ("compact_date", ("2026-11-02T09:00:00-05:00",), "20261102"),
    ("compact_date", (dt.date(2026, 1, 2),), "20260102"),
    ("compact_date", (dt.datetime(2026, 1, 2, 3, tzinfo=dt.UTC),), "20260102"),
    ("compact_date", ("1/2/26",), "20260102"),
    ("compact_date", ("13/13/2026",), "13/13/2026"),
    ("compact_date", ("soon",), "soon"),
    ("phone_digits", ("+1 (212) 555-0142 ext. 77",), "2125550142"),
    ("phone_digits", ("6.1755501E+09",), "6.1755501E+09"),
    ("phone_digits", ("212.555.0142x9",), "2125550142"),
    ("phone_digits", ("+44 20 7946 0958",), "442079460958"),
    ("phone_digits", ("n/a",), None),
    ("to_ups_date", ("1/2/26",), "20260102"),
    ("to_ups_phone", ("212.555.0142x9",), "2125550142"),
    ("default_value", ("", 2), 2),
    ("default_value", ("a", 2), "a"),
    ("default_value", (None,), ""),
    ("default_value", (False, 2), False),
    ("split_name", ("Ada Lovelace",), "Ada"),
    ("split_name", ("Ada Lovelace", "last"), "Lovelace"),
    ("split_name", ("Madonna", "last"), ""),
    ("tojson", ('a"b',), '"a\\"b"'),
    ("tojson", (dt.date(2026, 1, 2),), '"2026-01-02"'),
    ("tojson", (Decimal("1.50"),), '"1.50"'),
    ("tojson", (None,), "null"),
    ("tojson", (1.5,), "1.5"),
]


@pytest.mark.parametrize(("name", "args", "wanted"), CASES)
def test_a_filter_does_what_its_name_says(name, args, wanted):
    assert FILTERS[name].python(*args) == wanted


@pytest.mark.parametrize(
    "name", sorted(set(FILTERS) - {"default", "d", "default_value", "string", "tojson"})
)
def test_a_missing_cell_stays_missing(name):
    extra = {"convert_weight": ("oz",), "convert_length": ("cm",), "translate": ({"a": "b"},)}.get(
        name, ()
    )
    assert FILTERS[name].python(None, *extra) is None


def test_an_unknown_target_unit_is_refused():
    with pytest.raises(TemplateError, match="no unit 'stone'"):
        convert_weight("5", "oz", "stone")


def test_every_service_has_its_code_and_another_carriers_has_none():
    lookup = FILTERS["lookup_service_code"].python
    everywhere = [code for code in SERVICES.codes if code not in SERVICES.local_codes]
    assert [lookup(code) for code in everywhere] == [SERVICES.wire(code) for code in everywhere]
    assert (lookup("ups:ground"), lookup("usps:ground")) == ("03", None)


def test_a_service_that_only_some_shippers_have_has_a_code_for_them():
    assert FILTERS["lookup_service_code"].python("today_express") is None
    polish = filters_for(SERVICES.of_shipper("PL"))["lookup_service_code"].python
    assert polish("today_express") == "85"


NUMERIC = st.one_of(
    st.sampled_from(
        [
            "",
            " ",
            "1,234",
            "1,23",
            "12,345.6",
            "'5",
            "''5",
            "1e3",
            "1e999",
            "nan",
            "inf",
            "-",
            ".",
            "5.",
            ".5",
            "+7",
            "--7",
            "1_0",
            "0x10",
            " 7\n",
            "１２",
            "1 2",
            "12abc",
        ]
    ),
    st.floats(allow_nan=False, allow_infinity=False).map(str),
    st.integers().map(str),
    st.text("0123456789.,eE+-' ", max_size=12),
)


@settings(max_examples=25 if settings.default.derandomize else 60, deadline=None)
@given(st.lists(NUMERIC, min_size=20, max_size=60))
def test_python_and_sql_read_the_same_numbers(texts):
    con = duckdb.connect()
    rows = con.execute(
        f"SELECT x, {expressions.number('x')}, "
        f"{expressions.convert(expressions.number('x'), 'kg')} FROM (SELECT unnest($texts) AS x)",
        {"texts": texts},
    ).fetchall()
    for text, number, pounds in rows:
        mine = read_number(text)
        assert mine == number, text
        converted = convert_weight(text, "kg")
        assert (converted if isinstance(converted, float) else None) == pounds, text


@pytest.mark.parametrize(
    ("unit", "function"),
    [
        *((u, convert_weight) for u in WEIGHTS.to_base),
        *((u, convert_length) for u in LENGTHS.to_base),
    ],
)
def test_python_and_sql_convert_units_to_the_last_bit(unit, function):
    con = duckdb.connect()
    for value in (0.1, 1.0, 2.3, 17.77, 453.6, 1e-7, 123456.789):
        assert con.execute(
            f"SELECT {expressions.convert('x', unit)} FROM (SELECT ?::DOUBLE AS x)", [value]
        ).fetchall()[0][0] == function(value, unit)


PLACES = [
    "Boise, ID 83702",
    "New York, New York 10001",
    "Charleston West Virginia 25301",
    "St. Louis MO, 63101-1234",
    "PORTLAND\nMAINE 04101",
    "Coeur d'Alene, ID",
    "Toronto, ON M5V 2T6",
    "10115 Berlin",
    "D-50667 Köln",
    "1012 AB Amsterdam",
    "90-001 Łódź",
    "110 00 Praha",
    "1 Main St, Boise, ID 83702",
    " Boise,ID 83702 \n",
    "ID 83702",
    "",
    "İzmir, tr 35000",
]


@pytest.mark.parametrize("part", ["city", "state", "postal_code"])
def test_the_parts_of_a_place_are_the_same_in_sql(part):
    con = duckdb.connect()
    sql = place_part_sql("x", part)
    for text in PLACES:
        found = con.execute(f"SELECT {sql} FROM (SELECT $x::VARCHAR AS x)", {"x": text}).fetchone()
        assert found == (place_part(text, part),), text


def test_an_unknown_part_of_a_place_is_an_error():
    with pytest.raises(TemplateError, match="'street' is not one of city, state, postal_code"):
        place_part("Boise, ID 83702", "street")
