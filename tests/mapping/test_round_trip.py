"""The template that is shown says the same as the columns: same rows, same plan, clean or dirty."""

from __future__ import annotations

import datetime as dt
import importlib.util
from functools import partial
from pathlib import Path

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shipkit.carriers.ups.service_level import SERVICES
from shipkit.common.relation import Relation
from shipkit.orders import mapping
from shipkit.orders.columns import Column, keys
from shipkit.orders.mapping import map_rows
from shipkit.orders.normalize import normalize

MappingSpec = partial(mapping.MappingSpec, offered=SERVICES)

TEXT = st.one_of(
    st.none(),
    st.sampled_from(
        [
            "",
            " ",
            "'",
            "N/A",
            "O'Brien",
            'Say "hi"',
            "back\\slash",
            "{{ row.zip }}",
            "{% if %}",
            "</script>",
            "tab\there",
            "line\nbreak",
            "Ünï cödé",
            "‘’",
            "\u200b",
            "null",
            "true",
            "'02134",
        ]
    ),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=60),
)
NUMBER = st.one_of(
    st.none(),
    st.sampled_from(
        [
            "",
            "12",
            "1,234.5",
            "abc",
            "-3",
            ".5",
            "'7",
            "2 lb 3 oz",
            "12 oz",
            "1e3",
            "nan",
            "inf",
            "１２",
        ]
    ),
    st.floats(-10, 200).map(str),
    st.integers(0, 99).map(str),
)
ROW = st.fixed_dictionaries(
    {
        "Order ID": TEXT,
        "First Name": TEXT,
        "Last Name": TEXT,
        "Company": TEXT,
        "Address 1": TEXT,
        "Address 2": TEXT,
        "City": TEXT,
        "State": st.one_of(
            TEXT, st.sampled_from(["MA", "massachusetts", " New  York", "n.y.", "Ontario", "ZZ"])
        ),
        "Zip": st.one_of(
            TEXT,
            st.sampled_from(
                [
                    "2134",
                    "02134",
                    "'02134",
                    '="02134"',
                    "2134.0",
                    "021341234",
                    "21341234",
                    "10001-",
                    "K1A 0B1",
                    "110001",
                    "01310-100",
                ]
            ),
        ),
        "Country": st.one_of(
            TEXT,
            st.sampled_from(["US", "usa", "Canada", "India", "Brasil", "Deutschland", "Atlantis"]),
        ),
        "Phone": st.one_of(
            TEXT,
            st.sampled_from(["2125550142", "+1 (212) 555-0142 ext. 77", "555", "+44 20 7946 0958"]),
        ),
        "Weight (oz)": NUMBER,
        "length_cm": NUMBER,
        "Width": NUMBER,
        "Service": st.one_of(
            TEXT, st.sampled_from(["Ground", "Standard Class", "ups 2nd day air", "cheapest", "03"])
        ),
        "residential": st.one_of(TEXT, st.sampled_from(["yes", "No", "residential", "maybe"])),
        "Ship Date": st.one_of(TEXT, st.sampled_from(["2026-11-23", "11/23/26", "13/45/2026"])),
        "PO": TEXT,
        "Declared Value": NUMBER,
    }
)
SPEC = MappingSpec(
    services={"Standard Class": "ground"},
    defaults={"weight_lb": 2, "country": "US", "residential": True},
    references={"po": "PO"},
)


SELECTED = Relation("main", "selected")


def both_ways(con, columns, spec, shop):
    by_columns = map_rows(con, columns, spec, shop, SELECTED, SELECTED)
    first = normalize(con, by_columns)
    second = normalize(
        con,
        map_rows(con, columns, MappingSpec(template=by_columns.template), shop, SELECTED, SELECTED),
    )
    return first[:2], second[:2]


def without_notes(problems):
    """Problems without the note about the unit of the weight's heading, which a template states."""
    return [p for p in problems.to_pylist() if p["code"] != "weight_unit_assumed"]


@settings(
    max_examples=4 if settings.default.derandomize else 8,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(rows=st.lists(ROW, min_size=5, max_size=40))
def test_columns_and_their_template_make_the_same_plan_of_any_rows(orders, shop, rows):
    con, columns = orders([{"Order ID": "x", **row} for row in rows])
    (table, problems), (again, problems_again) = both_ways(con, columns, SPEC, shop)
    assert table.to_pylist() == again.to_pylist()
    assert without_notes(problems) == without_notes(problems_again)


@settings(
    max_examples=3 if settings.default.derandomize else 5,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    rows=st.lists(
        st.fixed_dictionaries(
            {
                "Weight": st.one_of(st.none(), st.floats(-1e9, 1e20)),
                "Length (cm)": st.one_of(st.none(), st.integers(-5, 500)),
                "Ship Date": st.dates(dt.date(1970, 1, 1), dt.date(2100, 1, 1)),
                "residential": st.booleans(),
                "Contents": st.one_of(st.none(), st.floats(allow_nan=False, allow_infinity=False)),
                "n": st.integers(0, 10**12),
                "Weight Unit": TEXT,
            }
        ),
        min_size=3,
        max_size=30,
    )
)
def test_typed_columns_make_the_same_plan_both_ways(orders, shop, rows):
    typed = {
        "Weight": 1.0,
        "Length (cm)": 1,
        "Ship Date": dt.date(2026, 1, 1),
        "residential": True,
        "Contents": 1.0,
        "n": 1,
        "Weight Unit": "oz",
    }
    con, columns = orders([typed, *rows])
    (table, problems), (again, problems_again) = both_ways(
        con, columns, MappingSpec(references={"n": "n"}), shop
    )
    assert table.to_pylist() == again.to_pylist()
    told = [
        p
        for p in without_notes(problems)
        if p["code"] not in ("column_missing", "column_ambiguous")
    ]
    assert told == without_notes(problems_again)


def load(path: Path, con: duckdb.DuckDBPyConnection, query: str) -> list[Column]:
    found = con.execute(f"DESCRIBE {query}", [str(path)]).fetchall()
    names = [row[0] for row in found]
    wanted = ", ".join(f'"{name}" AS "{key}"' for name, key in zip(names, keys(names), strict=True))
    con.execute(
        "CREATE TABLE selected AS SELECT row_number() OVER () AS row_number, [row_number() OVER "
        f"()] AS row_numbers, 'f' AS source_file, {wanted} FROM ({query})",
        [str(path)],
    )
    return [
        Column(name, key, row[1]) for name, key, row in zip(names, keys(names), found, strict=True)
    ]


def test_the_superstore_orders_make_the_same_plan_both_ways(shared: Path, shop):
    con = duckdb.connect()
    columns = load(
        shared / "orders" / "superstore_shipments_5009.csv",
        con,
        "SELECT * FROM read_csv(?, all_varchar = true, header = true)",
    )
    spec = MappingSpec(
        services={
            "Standard Class": "ground",
            "Second Class": "2nd_day_air",
            "First Class": "next_day_air",
        },
        defaults={"weight_lb": 2},
    )
    (table, problems), (again, problems_again) = both_ways(con, columns, spec, shop)
    assert table.num_rows == 5009
    assert table.equals(again)
    assert problems.equals(problems_again)


def test_dirty_generated_orders_make_the_same_plan_both_ways(shared: Path, shop, tmp_path: Path):
    pandas = pytest.importorskip("pandas")
    module = importlib.util.spec_from_file_location(
        "make_orders", shared / "orders" / "make_orders.py"
    )
    maker = importlib.util.module_from_spec(module)
    module.loader.exec_module(maker)
    path = tmp_path / "orders.parquet"
    with pandas.option_context("mode.string_storage", "python"):  # finds one of a million faster
        maker.make(3000, seed=7, dirty=True).to_parquet(path)
    con = duckdb.connect()
    columns = load(path, con, "SELECT * FROM read_parquet(?)")
    (table, problems), (again, problems_again) = both_ways(con, columns, MappingSpec(), shop)
    assert table.equals(again)
    assert problems.equals(problems_again)
    assert problems.num_rows > 100


FIXED = st.one_of(
    st.sampled_from(
        [
            "{{ row.zip }}",
            "{% raw %}",
            "{# x",
            "a }} b %}",
            'Say "hi" \\ {{{',
            "\U0001f600 \u200d",
            "\x07\x1b[31m",
            "line\nbreak",
            "{{ '{%' }}",
            "\x1f",  # a blank of Python's, and none of a spreadsheet
            "\u00bc",  # a quarter: a letter of words, but of no name in Python
            "\ufb01rst",  # Python reads the joined letters as two
        ]
    ),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1),
)


@settings(
    max_examples=5 if settings.default.derandomize else 15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(heading=FIXED, name=FIXED, company=FIXED, city=FIXED, code=FIXED)
def test_fixed_texts_of_any_kind_are_written_into_the_template_as_they_are(
    orders, shop, heading, name, company, city, code
):
    con, columns = orders([{"Order ID": "x", heading: "y", "City": "", "Service": code}])
    spec = MappingSpec(
        defaults={"company": company, "city": city},
        references={name: columns[1].name},
        services={code: "ground"},
    )
    (table, _), (again, _) = both_ways(con, columns, spec, shop)
    assert table.to_pylist() == again.to_pylist()


@pytest.mark.parametrize(
    ("services", "cell", "service"),
    [
        ({"\x1f": "ground"}, "\x1f", "ground"),
        ({" Standard ": "ground", "standard": "next_day_air"}, "STANDARD", "ground"),
        ({"Standard": "ground"}, " standard\t", "ground"),
    ],
)
def test_texts_of_services_mean_the_same_in_columns_and_in_their_template(
    orders, shop, services, cell, service
):
    con, columns = orders([{"Order ID": "x", "Service": cell}])
    spec = MappingSpec(services=services)
    (table, _), (again, _) = both_ways(con, columns, spec, shop)
    assert table.column("service").to_pylist() == again.column("service").to_pylist() == [service]
