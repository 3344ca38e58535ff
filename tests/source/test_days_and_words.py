"""Days, homes and counts as people write them, from the file to the shipment."""

from __future__ import annotations

import datetime as dt

import pytest

import shipkit as sk
from shipkit.orders import source

TODAY = dt.datetime.now(tz=dt.UTC).date()
DAY = TODAY + dt.timedelta(days=14)


def read(tmp_path, shop, heading, *cells):
    """Return the shipments and the severities of the problems of each row of a CSV file."""
    path = tmp_path / "orders.csv"
    lines = [
        f'{n},Ada Lee {n},{n} Main St,Austin,TX,78701,2,"{cell}"'
        for n, cell in enumerate(cells, start=1)
    ]
    path.write_text(
        f"Order,Name,Address,City,State,Zip,Weight (lb),{heading}\n" + "\n".join(lines) + "\n",
        encoding="utf-8",
    )
    with sk.BatchSession(path, shipper=shop) as session:
        session.map(service="ground")
        table = session._planner.normalized().table.to_pylist()
        found = session.problems
        severities = [
            {*found.loc[found["row_number"] == row, "severity"]} for row in range(1, len(cells) + 1)
        ]
    return table, severities


@pytest.mark.parametrize(
    "cell",
    [
        "%Y-%m-%d to %Y-%m-28",
        "%Y-%m-%d/%Y-%m-28",
        "%Y-%m-%d - 28",
        "%m/%d/%Y - %m/28/%Y",
        "%Y-%m-%d %m-28",
        "%Y-%m-%d, %m-28",
        "%Y-%m-%d 10:00 - %m-28",
        "%Y-%m-%dT10:00/%Y-%m-28T10:00",
        "TBD",
        "?",
        "asap",
    ],
)
def test_a_range_or_an_open_day_is_no_ship_date(tmp_path, shop, cell):
    table, severities = read(tmp_path, shop, "Ship Date", DAY.strftime(cell), f"{DAY}")
    assert (severities[0], severities[1]) == ({"error"}, set())
    assert table[1]["ship_date"] == DAY


@pytest.mark.parametrize(
    "form",
    [
        "%Y-%m-%d, 10:00",
        "%Y-%m-%d, 2:30 PM",
        "%Y-%m-%d 10:00 - 14:00",
        "%Y-%m-%d 10:00:00 +0000 UTC",
        "%Y-%m-%dT10:00:00.123456-05:00",
        "%m/%d/%y",
        "%Y年%m月%d日",
        "%Y. %m. %d.",
        "%Y.%m.%d",
        "%Y-%m-%d (rush)",
        "%Y-%m-%dT10:00:00Z",
    ],
)
def test_days_next_to_days_of_another_form(tmp_path, shop, form):
    cells = (DAY.strftime(form), f"{DAY:%m/%d/%Y}", f"{DAY}")
    table, severities = read(tmp_path, shop, "Ship Date", *cells)
    assert [row["ship_date"] for row in table] == [DAY] * 3
    assert severities == [set()] * 3


def test_a_declared_value_that_is_open_holds(tmp_path, shop):
    _, severities = read(tmp_path, shop, "Declared Value", "TBD", "100", "unknown")
    assert ["error" in each for each in severities] == [True, False, True]


@pytest.mark.parametrize(
    ("cells", "home"),
    [
        (("B2C", "Privat", "private", "particulier", "自宅", "R"), True),
        (("B2B", "Firma", "entreprise", "azienda", "公司", "C"), False),
    ],
)
def test_homes_and_businesses(tmp_path, shop, cells, home):
    table, severities = read(tmp_path, shop, "Residential", *cells)
    assert [row["residential"] for row in table] == [home] * len(cells)
    assert severities == [set()] * len(cells)


def test_words_for_one_parcel(tmp_path, shop):
    cells = ("1 box", "1x", "1 Paket", "1個", "n/a", "1 of 1")
    table, severities = read(tmp_path, shop, "Packages", *cells)
    assert [len(row["parcels"]) for row in table] == [1] * len(cells)
    assert severities == [set()] * len(cells)
    _, severities = read(tmp_path, shop, "Packages", "2 of 3", "two", "1/2")
    assert severities == [{"error"}] * 3


def test_a_time_behind_a_comma_is_read(tmp_path):
    path = tmp_path / "orders.csv"
    path.write_text(
        'Order,Order Date\n1,"2026-11-02, 10:30"\n2,2026-11-02T10:30\n3,2026-11-02 10:30:00\n'
    )
    loaded = source.load(path)
    days = loaded.con.sql(f"SELECT order_date FROM {loaded.lines.sql}").fetchall()
    assert days == [(dt.datetime(2026, 11, 2, 10, 30),)] * 3  # noqa: DTZ001 - days have no zone
