"""A long street is cut where its lines read right in either order."""

from __future__ import annotations

import random

import duckdb
import pytest

from shipkit.carriers.ups.text import street
from shipkit.common.street_lines import cut_apart, cut_apart_sql, shortened

RIGHT = {
    "7007 Sea World Drive Northwest, Suite 100": ["7007 Sea World Drive Northwest,", "Suite 100"],
    "123 Very Long Boulevard Name East Apt 4B": ["123 Very Long Boulevard Name East", "Apt 4B"],
    "123 Very Long Boulevard Name East Ave #12": ["123 Very Long Boulevard Name East Ave", "#12"],
    "12 Lange Straße am Alten Markt, Hinterhaus": ["12 Lange Straße am Alten Markt,", "Hinterhaus"],
    "5033 Templeton Street Building C, Loading Dock 14, Suite 1200": [
        "5033 Templeton Street Building C,",
        "Loading Dock 14, Suite 1200",
    ],
}
WRONG = [  # cases/carriers/04: what was printed began with the second half of the street
    "4 Chemin de la Vieille Fontaine de la Madeleine Sud",
    "1234 North Old Highway 441 Frontage Road Building 7",
    "Martin Luther King Junior Memorial Boulevard 1500 Suite 300",
    "Old Mill House of the Long Valley, 5 Church Lane",
    "x" * 36,
]


@pytest.mark.parametrize(("line", "lines"), RIGHT.items())
def test_a_part_of_a_building_may_be_above_its_street(line: str, lines: list[str]) -> None:
    assert cut_apart(line, 37) == lines


@pytest.mark.parametrize("line", WRONG)
def test_a_street_is_not_cut_between_two_of_its_words(line: str) -> None:
    assert cut_apart(line, 35) is None
    assert street((line,)) is None


@pytest.mark.parametrize(
    ("line", "short"),
    [
        ("840 South MARTIN LUTHER KING JR Boulevard", "840 S MARTIN LUTHER KING JR Blvd"),
        ("11777 Southwest Queen Elizabeth Street", "11777 Southwest Queen Elizabeth St"),
        ("9583 United States Highway 181 North", "9583 United States Hwy 181 North"),
        ("1 Northampton Streetside Roadhouse Allee", "1 Northampton Streetside Roadhouse Allee"),
        ("12 South Street", "12 South Street"),
    ],
)
def test_american_streets_are_abbreviated_as_far_as_needed(line: str, short: str) -> None:
    assert shortened(line, 35) == short
    assert (street((line,), american=True) == [short]) is (len(short) <= 35)


def test_lines_that_fit_stay_as_they_are() -> None:
    assert street(("7007 Sea World Dr", "Suite 100")) == ["7007 Sea World Dr", "Suite 100"]
    assert street(("1 A St", "2", "3", "4")) is None


def test_python_and_sql_cut_alike() -> None:
    draw = random.Random(7)
    words = [
        "12",
        "Main",
        "Straße",
        "apt",
        "Suite",
        "#4",
        "Bldg C,",
        "North",
        "5b,",
        "Allee",
        "bât",
    ]
    lines = [" ".join(draw.choices(words, k=draw.randint(1, 12))) for _ in range(400)]
    lines += [*RIGHT, *WRONG]
    con = duckdb.connect()
    con.execute("CREATE TABLE t AS SELECT unnest($1) AS line", [lines])
    found = con.execute(f"SELECT line, {cut_apart_sql('line', 35)} FROM t").fetchall()
    assert len(found) == len(lines)
    assert {line for line, cut in found if cut and len(cut) == 2}
    assert all(cut == cut_apart(line, 35) for line, cut in found)
