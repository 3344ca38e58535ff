"""The tables of places agree with real ZIPs."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from shipkit.common.places import country_code, country_codes, state_code, state_codes, zip3_states


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
    assert len(codes) == 249
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
