"""The tables of places agree with real ZIPs."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shipkit.common.places import (
    country_code,
    country_codes,
    plain_zip,
    plain_zip_sql,
    state_code,
    state_codes,
    zip3_states,
    zip_with_zeros,
    zip_with_zeros_sql,
)


def test_every_real_zip_is_in_a_range_of_its_state(shared: Path):
    zips = pq.read_table(
        shared / "orders" / "us_zip_42789.parquet", columns=["zip_code", "state"]
    ).to_pylist()
    assert [
        z for z in zips if z["state"] not in zip3_states().get(z["zip_code"][:3], "").split()
    ] == []


def test_every_state_of_the_ranges_has_a_name():
    assert {state for states in zip3_states().values() for state in states.split()} == {
        code for (country, _), code in state_codes().items() if country == "US"
    }


def test_all_249_countries_are_known_by_both_codes():
    codes = set(country_codes().values())
    assert len(codes - {"XK"}) == 249  # Kosovo has a code in use, and none of ISO's
    assert all(country_code(code.lower()) == code for code in codes)
    assert len([name for name in country_codes() if len(name) == 3 and name.isalpha()]) >= 249


@pytest.mark.parametrize(
    ("text", "iso"),
    [
        (None, "US"),
        ("Holland", "NL"),
        ("Türkiye", "TR"),
        ("Czech Republic", "CZ"),
        ("Korea", "KR"),
        ("UAE", "AE"),
    ],
)
def test_countries_are_found_by_their_usual_names(text, iso):
    assert country_code(text) == iso


def test_a_state_is_looked_up_in_its_country():
    assert (
        state_code("US", "Washington"),
        state_code("AU", "Western Australia"),
        state_code("DE", "Washington"),
        state_code("PR", "puerto rico"),
        state_code("US", None),
    ) == ("WA", "WA", "Washington", "PR", None)


def test_a_state_is_known_as_newspapers_shorten_it():
    texts = ["Mass.", "Calif", "N. Dak.", "W.Va.", "Tex", "Zork."]
    assert [state_code("US", text) for text in texts] == ["MA", "CA", "ND", "WV", "TX", "Zork."]
    assert state_code("MX", "Tex") == "Tex"


@pytest.mark.parametrize(
    ("text", "state", "wanted"),
    [
        ("2134", "MA", "02134"),
        ("2134", None, "02134"),
        ("501", "NY", "00501"),
        ("901", "PR", "00901"),
        ("2134.0", "MA", "02134"),
        ("2134-1234", "MA", "02134-1234"),
        ("21341234", "MA", "02134-1234"),
        ("5011234", "NY", "00501-1234"),
        ("2134", "TX", None),
        ("2134", "", None),
        ("21341234", None, None),  # a Brazilian code has eight digits too
        ("999", None, "00999"),
        ("099", None, None),  # no ZIP begins with 000
        ("02134", "MA", None),
        ("34", "MA", None),
        ("1234567890", "MA", None),
        ("2134-12345", "MA", None),
        ("K1A 0B1", "ON", None),
        ("２１３４", "MA", None),
        ("2134\n", "MA", None),
    ],
)
def test_zeros_come_back_only_where_the_zip_is_then_one_of_the_state(text, state, wanted):
    assert zip_with_zeros(text, state) == wanted


ZIP = st.one_of(
    st.from_regex(r"[0-9]{1,10}(\.0+|[ -]+[0-9]{4})?\n?", fullmatch=True),
    st.text("0123456789-. \n", max_size=12),
    st.text(max_size=8).filter(lambda text: "\x00" not in text),
)
STATE = st.sampled_from(["MA", "CT", "NJ", "NY", "PR", "TX", "VT", "", " ", "0", "x", "|", None])


@settings(max_examples=15 if settings.default.derandomize else 40, deadline=None)
@given(st.lists(st.tuples(ZIP, STATE), min_size=20, max_size=80))
def test_zips_are_read_alike_in_python_and_in_sql(rows):
    con = duckdb.connect()
    found = con.execute(
        f"""
        SELECT zip, state, {zip_with_zeros_sql("zip")}, {zip_with_zeros_sql("zip", "state")},
            {plain_zip_sql("zip")}
        FROM (SELECT unnest($zips) AS zip, unnest($states) AS state)
        """,
        {"zips": [text for text, _ in rows], "states": [state for _, state in rows]},
    ).fetchall()
    for text, state, anywhere, in_state, plain in found:
        assert anywhere == zip_with_zeros(text), text
        assert in_state == (None if state is None else zip_with_zeros(text, state)), (text, state)
        assert plain == plain_zip(text), text
