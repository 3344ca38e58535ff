"""One rule for "today": the shipper's local day, by its ZIP, or else the machine's."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import httpx
import pandas as pd
import pyarrow as pa
import pytest
from pydantic import SecretStr

import shipkit as sk
from shipkit.carriers.ups import UPS
from shipkit.common import local_day as clock
from shipkit.common.local_day import local_day, time_zone
from shipkit.errors import CarrierRejected, SettingsError
from shipkit.models import LabelSpec, Parcel, Shipment
from shipkit.purchasing import result_frames
from shipkit.schema import SHIPMENTS
from shipkit.session import price_members


def shipper(state: str, postal_code: str, country: str = "US") -> sk.Address:
    return sk.Address(
        name="Dana Ortiz",
        company="Harbor Goods",
        address_line1="300 Alamo Plaza",
        city="Somewhere",
        state=state,
        postal_code=postal_code,
        country=country,
        phone="2105550100",
    )


TEXAS, HAWAII = shipper("TX", "78205"), shipper("HI", "96813")
GUAM, APO = shipper("GU", "96910"), shipper("AE", "09012")


def orders(**more: Any) -> list[dict[str, Any]]:
    return [
        {
            "order_id": "A-1",
            "name": "Ada Lee",
            "address1": "12 Marrow Creek Rd",
            "city": "Austin",
            "state": "TX",
            "zip": "78704",
            "weight_lb": 2,
            "service": "ground",
            **more,
        }
    ]


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Set the clock of shipkit."""

    def set_to(text: str) -> None:
        moment = dt.datetime.fromisoformat(text)
        monkeypatch.setattr(clock, "_now", lambda: moment)
        monkeypatch.setattr(price_members, "_now", lambda: moment)

    return set_to


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Set the time zone of this machine."""
    if not hasattr(time, "tzset"):
        pytest.skip("the zone of a process cannot be set here")

    def set_to(zone: str) -> None:
        monkeypatch.setenv("TZ", zone)
        time.tzset()

    yield set_to
    monkeypatch.undo()
    time.tzset()


# -- the zone of an address ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "postal_code", "country", "zone"),
    [
        ("TX", "78205", "US", "America/Chicago"),
        ("TX", "79901", "US", "America/Denver"),  # El Paso
        ("FL", "32501", "US", "America/Chicago"),  # Pensacola
        ("FL", "33101", "US", "America/New_York"),
        ("IN", "46320", "US", "America/Chicago"),  # Hammond
        ("IN", "46204", "US", "America/Indiana/Indianapolis"),
        ("KY", "42001", "US", "America/Chicago"),  # Paducah
        ("KY", "40202", "US", "America/New_York"),
        ("TN", "37402", "US", "America/New_York"),  # Chattanooga
        ("TN", "37397", "US", "America/Chicago"),  # Whitwell, in the same ZIP3 region
        ("TN", "37201", "US", "America/Chicago"),
        ("MI", "49938", "US", "America/Chicago"),  # Ironwood
        ("MI", "48226", "US", "America/Detroit"),
        ("ND", "58601", "US", "America/Denver"),  # Dickinson
        ("SD", "57701", "US", "America/Denver"),  # Rapid City
        ("SD", "57104", "US", "America/Chicago"),
        ("NE", "69361", "US", "America/Denver"),  # Scottsbluff
        ("KS", "67735", "US", "America/Denver"),  # Goodland
        ("ID", "83814", "US", "America/Los_Angeles"),  # Coeur d'Alene
        ("ID", "83702", "US", "America/Boise"),
        ("OR", "97914", "US", "America/Boise"),  # Ontario
        ("NV", "89883", "US", "America/Denver"),  # West Wendover
        ("AZ", "85001", "US", "America/Phoenix"),
        ("AZ", "86515", "US", "America/Denver"),  # Window Rock
        ("AK", "99501", "US", "America/Anchorage"),
        ("AK", "99546", "US", "America/Adak"),
        ("HI", "96813", "US", "Pacific/Honolulu"),
        ("AS", "96799", "US", "Pacific/Pago_Pago"),
        ("GU", "96910", "US", "Pacific/Guam"),
        ("MP", "96950", "MP", "Pacific/Guam"),
        ("PR", "00907", "PR", "America/Puerto_Rico"),
        ("CT", "06390", "US", "America/New_York"),  # a ZIP3 of two states
        ("NY", "10001-1234", "US", "America/New_York"),
        ("AE", "09012", "US", None),
        ("AP", "96201", "US", None),
        ("AA", "34002", "US", None),
        ("ON", "M5V 2T6", "CA", "America/Toronto"),
        ("NL", "A1C 5H6", "CA", "America/St_Johns"),
        ("NSW", "2000", "AU", "Australia/Sydney"),
        ("QLD", "4000", "AU", "Australia/Brisbane"),
        ("", "SW1A 1AA", "GB", "Europe/London"),
        ("", "10115", "DE", "Europe/Berlin"),
        ("", "35001", "ES", "Atlantic/Canary"),
        ("", "100-0001", "JP", "Asia/Tokyo"),
        ("CDMX", "06600", "MX", None),  # several zones, and no table of them
    ],
)
def test_the_zone_of_an_address(
    state: str, postal_code: str, country: str, zone: str | None
) -> None:
    found = time_zone(shipper(state, postal_code, country))
    assert (found and found.key) == zone


def test_every_zone_of_the_tables_exists() -> None:
    facts = clock._facts()
    for country in ("US", "CA", "AU", "ES", "PT"):
        for name in (*facts[country].get("states", {}).values(), *facts[country].get("zips", {})):
            assert clock.ZoneInfo(name).key == name


def test_no_beginning_of_a_zip_has_two_zones() -> None:
    for country in ("US", "CA", "AU"):
        listed = [zip3 for zips in clock._facts()[country]["zips"].values() for zip3 in zips]
        assert len(listed) == len(set(listed))


@pytest.mark.parametrize(
    ("place", "moment", "day"),
    [
        # the year ends in Hawaii ten hours after it does in UTC, and in Guam ten before
        (HAWAII, "2027-01-01T09:59:59+00:00", "2026-12-31"),
        (HAWAII, "2027-01-01T10:00:00+00:00", "2027-01-01"),
        (GUAM, "2026-12-31T13:59:59+00:00", "2026-12-31"),
        (GUAM, "2026-12-31T14:00:00+00:00", "2027-01-01"),
        # Texas: 6 hours in winter, 5 in summer, and both on the days of the change
        (TEXAS, "2026-11-01T04:59:59+00:00", "2026-10-31"),
        (TEXAS, "2026-11-01T05:00:00+00:00", "2026-11-01"),
        (TEXAS, "2026-11-02T05:59:59+00:00", "2026-11-01"),
        (TEXAS, "2026-11-02T06:00:00+00:00", "2026-11-02"),
        (TEXAS, "2027-03-14T05:59:59+00:00", "2027-03-13"),
        (TEXAS, "2027-03-15T05:00:00+00:00", "2027-03-15"),
    ],
)
def test_the_local_day_of_a_moment(place: sk.Address, moment: str, day: str) -> None:
    assert local_day(place, dt.datetime.fromisoformat(moment)).isoformat() == day


@pytest.mark.parametrize(("zone", "day"), [("Europe/Berlin", "2027-01-01"), ("UTC", "2026-12-31")])
def test_an_apo_has_the_day_of_the_machine(
    machine: Callable[[str], None], zone: str, day: str
) -> None:
    machine(zone)
    moment = dt.datetime(2026, 12, 31, 23, 30, tzinfo=dt.UTC)
    assert local_day(APO, moment).isoformat() == day
    assert local_day(TEXAS, moment).isoformat() == "2026-12-31"


# -- previews, rules, carriers ---------------------------------------------------------------------


@pytest.mark.parametrize("zone", ["UTC", "Pacific/Kiritimati"])
@pytest.mark.parametrize(
    ("place", "today"), [(HAWAII, "2026-12-31"), (TEXAS, "2027-01-01"), (GUAM, "2027-01-01")]
)
def test_a_shipment_without_a_date_leaves_on_the_shipper_s_day(
    at: Callable[[str], None],
    machine: Callable[[str], None],
    place: sk.Address,
    today: str,
    zone: str,
) -> None:
    machine(zone)
    at("2027-01-01T08:00:00+00:00")  # 22:00 on the last day of the year in Honolulu
    with sk.BatchSession(orders(), shipper=place) as session:
        assert session.preview()["ship_date"].astype(str).tolist() == [today]


def test_today_is_no_day_of_the_past_where_the_shipper_is(at: Callable[[str], None]) -> None:
    at("2027-01-01T08:00:00+00:00")
    for day, codes in (("2026-12-31", []), ("2026-12-30", ["ship_date_past"])):
        with sk.BatchSession(orders(ship_date=day), shipper=HAWAII) as session:
            found = session.problems
            assert [c for c in found["code"] if "date" in c] == codes


def test_do_not_ship_before_counts_from_the_shipper_s_day(at: Callable[[str], None]) -> None:
    """At 22:00 on the last day of the year in Honolulu, the first of January is to come."""
    at("2027-01-01T08:00:00+00:00")
    held = {}
    for place in (HAWAII, TEXAS):
        rows = orders(**{"Earliest Ship Date": "2027-01-01"})
        with sk.BatchSession(rows, shipper=place) as session:
            held[place.state] = session.preview()["cost_cents"].isna().tolist()
    assert held == {"HI": [True], "TX": [False]}


@pytest.mark.parametrize(("place", "dated"), [(HAWAII, "20270101"), (TEXAS, None)])
def test_ups_is_told_a_day_that_is_to_come_where_the_shipper_is(
    at: Callable[[str], None], place: sk.Address, dated: str | None
) -> None:
    """At 22:00 in Honolulu, January 1 is tomorrow and must be named; in Texas it is today."""
    at("2027-01-01T08:00:00+00:00")
    sent: list[dict[str, Any]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        if "oauth" in request.url.path:
            return httpx.Response(200, json={"access_token": "t", "expires_in": "3600"})
        sent.append(json.loads(request.content))
        error = {"code": "120500", "message": "no"}
        return httpx.Response(400, json={"response": {"errors": [error]}})

    ups = UPS("id", SecretStr("secret"), "A1B2C3", transport=httpx.MockTransport(answer))
    shipment = Shipment(
        order_id="A-1",
        ship_to=TEXAS,
        service="ground",
        parcels=(Parcel(weight_lb=2),),
        ship_date=dt.date(2027, 1, 1),
    )
    with pytest.raises(CarrierRejected):
        asyncio.run(ups.ship(shipment, place, "REF1", LabelSpec()))
    [body] = sent
    assert body["ShipmentRequest"]["Shipment"].get("ShipmentDate") == dated


# -- shipments of a period, confirmations ----------------------------------------------------------


def test_shipments_since_and_until_are_days_of_the_shipper() -> None:
    days = result_frames._local_days(
        pa.chunked_array(
            [pa.array([dt.datetime(2027, 1, 1, 8, tzinfo=dt.UTC), None], pa.timestamp("us", "UTC"))]
        ),
        HAWAII,
    )
    assert days.to_pylist() == [dt.date(2026, 12, 31), None]


def test_shipments_of_today(at: Callable[[str], None]) -> None:
    for place in (HAWAII, GUAM):
        with sk.BatchSession(
            orders(order_id=place.state), shipper=place, mode="auto", on_duplicate="ship"
        ) as session:
            session.preview()
            session.execute(progress=False)
    today = local_day(HAWAII)
    mine = sk.shipments(since=today, until=today)
    # Guam's day is ahead of Hawaii's for all but four hours of it
    expected = {"HI", "GU"} if local_day(GUAM) == today else {"HI"}
    assert set(mine["order_id"]) == expected


# -- times with a zone -----------------------------------------------------------------------------

CELLS = [
    ("2026-12-01 00:00", "Europe/Berlin"),
    ("2026-12-01 20:00", "America/New_York"),
    ("2026-12-01 08:00", "Asia/Tokyo"),
    ("2026-12-01 00:15", "Asia/Kathmandu"),
]


def sources(at: pd.Timestamp, folder: Path) -> dict[str, Any]:
    frame = pd.DataFrame(orders()).assign(ship_date=[at])
    frame.to_parquet(folder / "orders.parquet")
    frame.to_csv(folder / "orders.csv", index=False)
    relation = duckdb.connect()
    relation.execute(f"SET TimeZone = '{at.tz}'")
    table = pa.Table.from_pandas(frame)
    return {
        "frame": frame,
        "nanoseconds": frame.assign(
            ship_date=frame["ship_date"].astype(f"datetime64[ns, {at.tz}]")
        ),
        "objects": frame.astype({"ship_date": object}),
        "records": orders(ship_date=at.to_pydatetime()),
        "arrow": table,
        "reader": table.to_reader(),
        "parquet": folder / "orders.parquet",
        "csv": folder / "orders.csv",
        "relation": relation.from_arrow(table),
    }


@pytest.mark.parametrize(("text", "zone"), CELLS)
def test_a_time_with_a_zone_is_the_day_that_its_clock_shows(
    text: str, zone: str, tmp_path: Path, at: Callable[[str], None]
) -> None:
    at("2026-11-20T12:00:00+00:00")
    moment, got = pd.Timestamp(text, tz=zone), {}
    for label, source in sources(moment, tmp_path).items():
        with sk.BatchSession(source, shipper=TEXAS) as session:
            got[label] = str(session.preview()["ship_date"].iloc[0])[:10]
    assert got == dict.fromkeys(got, "2026-12-01")


def test_each_record_has_the_clock_of_its_own_zone(at: Callable[[str], None]) -> None:
    at("2026-11-20T12:00:00+00:00")
    zones = ["Europe/Berlin", "America/New_York", "Asia/Tokyo"]
    rows = [
        {**orders()[0], "order_id": zone, "ship_date": pd.Timestamp("2026-12-01 00:10", tz=zone)}
        for zone in zones
    ]
    plus = dt.timezone(dt.timedelta(hours=5, minutes=45))
    rows.append(
        {**rows[0], "order_id": "+", "ship_date": dt.datetime(2026, 12, 1, 0, 5, tzinfo=plus)}
    )
    rows.append({**rows[0], "order_id": "-", "ship_date": None})
    for source in (rows, pd.DataFrame(rows)):
        with sk.BatchSession(source, shipper=TEXAS) as session:
            days = session.preview()["ship_date"].astype(str).str[:10].tolist()
        assert days == ["2026-12-01"] * 4 + ["2026-11-20"], "the last has none, and leaves today"


@pytest.mark.parametrize("zone", ["+02:00", "-05:30"])
def test_a_parquet_file_with_a_fixed_offset(
    zone: str, tmp_path: Path, at: Callable[[str], None]
) -> None:
    at("2026-11-20T12:00:00+00:00")
    moment = dt.datetime.fromisoformat(f"2026-12-01T00:30:00{zone}")
    table = pa.Table.from_pylist(orders()).append_column(
        "ship_date", pa.array([moment], pa.timestamp("us", tz=zone))
    )
    pa.parquet.write_table(table, tmp_path / "o.parquet")
    with sk.BatchSession(tmp_path / "o.parquet", shipper=TEXAS) as session:
        assert session.preview()["ship_date"].astype(str).tolist() == ["2026-12-01"]


@pytest.mark.parametrize("day", ["2026-11-01", "2027-03-14"])
def test_days_on_which_the_clock_changes(
    day: str, at: Callable[[str], None], tmp_path: Path
) -> None:
    """Every hour of the day is that day; one of 25 hours has 01:30 twice."""
    at("2026-10-20T12:00:00+00:00")
    hours = pd.date_range(
        day, periods=25 if day == "2026-11-01" else 23, freq="h", tz="America/New_York"
    )
    rows = pd.DataFrame([{**orders()[0], "order_id": f"H-{n}"} for n in range(len(hours))])
    frame = rows.assign(ship_date=hours, address1=[f"{n} Oak Rd" for n in range(1, len(hours) + 1)])
    frame.to_parquet(tmp_path / "o.parquet")
    for source in (frame, tmp_path / "o.parquet"):
        with sk.BatchSession(source, shipper=TEXAS) as session:
            assert set(session.preview()["ship_date"].astype(str)) == {day}


def test_filters_compare_the_clock_of_the_cell(tmp_path: Path) -> None:
    moments = [
        pd.Timestamp("2026-12-01 00:00", tz="Europe/Berlin"),
        pd.Timestamp("2026-11-30 23:59", tz="Europe/Berlin"),
    ]
    frame = pd.DataFrame([{**orders()[0], "order_id": n} for n in ("B-1", "B-2")]).assign(
        order_date=moments
    )
    frame.to_parquet(tmp_path / "o.parquet")
    for source in (frame, tmp_path / "o.parquet"):
        with sk.BatchSession(source, shipper=TEXAS) as session:
            session.where("order_date < '2026-12-01'")
            assert session.preview()["order_id"].tolist() == ["B-2"]


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="Windows has no TZ")
def test_a_machine_without_a_time_zone_that_can_be_is_refused_in_words(monkeypatch) -> None:
    monkeypatch.setenv("TZ", "XYZ+99")
    time.tzset()
    try:
        with pytest.raises(SettingsError, match="TZ='XYZ\\+99'"):
            local_day(shipper("AE", "09001"))
    finally:
        monkeypatch.undo()
        time.tzset()


def test_each_row_has_the_day_of_the_place_that_it_leaves_from() -> None:
    moment = dt.datetime(2027, 1, 1, 9, tzinfo=dt.UTC)
    york = sk.Address(city="New York", state="NY", postal_code="10001")
    honolulu = sk.Address(city="Honolulu", state="HI", postal_code="96813")
    kind = SHIPMENTS.field("ship_from").type
    places = pa.chunked_array([pa.array([None, honolulu.model_dump(), None], kind)])
    days = clock.local_days(places, york, moment)
    assert [f"{day}" for day in days.to_pylist()] == ["2027-01-01", "2026-12-31", "2027-01-01"]
    alone = clock.local_days(pa.chunked_array([pa.nulls(2, kind)]), honolulu, moment)
    assert alone.as_py() == dt.date(2026, 12, 31)
