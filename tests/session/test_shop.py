"""All services side by side, and services chosen by rule."""

from __future__ import annotations

import dataclasses
import datetime as dt

import pandas as pd
import pyarrow as pa
import pytest

import shipkit as sk
from shipkit.carriers.quoting import shop_each
from shipkit.plan.questions import SHOP as COLUMNS

SHOP = sk.Address(
    name="Dana Ortiz",
    company="Harbor Goods",
    address_line1="300 Alamo Plaza",
    city="San Antonio",
    state="TX",
    postal_code="78205",
    phone="2105550100",
)
ROWS = [
    {
        "order_id": str(n),
        "name": "Ada Lee",
        "address1": "1 Main St",
        "city": city,
        "state": state,
        "zip": code,
        "weight_lb": weight,
        "residential": "yes",
    }
    for n, (city, state, code, weight) in enumerate(
        [
            ("Austin", "TX", "78701", 2),
            ("New York", "NY", "10001", 9),
            ("Anchorage", "AK", "99501", 4),
            ("Boston", "MA", "02134", None),
        ],
        start=1,
    )
]


@pytest.fixture
def session(tmp_path):
    with sk.BatchSession(pd.DataFrame(ROWS), shipper=SHOP, home=tmp_path) as session:
        yield session.map(ship_date=dt.date(2026, 11, 23))


def test_shop_lists_every_service_sold_for_each_shipment_cheapest_first(session):
    frame = session.shop()
    assert list(frame.columns) == COLUMNS.names
    assert frame.groupby("order_id").size().to_dict() == {"1": 4, "2": 4, "3": 3, "4": 1}
    assert (
        frame[frame.problem.isna()]
        .groupby("order_id")
        .cost_cents.apply(lambda cents: cents.is_monotonic_increasing)
        .all()
    )
    lacking = frame[frame.order_id == "4"].iloc[0]
    assert (pd.isna(lacking.cost_cents), "no weight" in lacking.problem) == (True, True)
    assert frame[frame.cheapest].service.tolist() == ["ground"] * 3
    assert frame[frame.fastest].service.tolist() == [
        "ground",
        "next_day_air",
        "next_day_air",
    ]  # Austin: ground takes a day too, and costs less


@pytest.mark.parametrize(
    ("rule", "services"),
    [
        ("cheapest", ["ground", "ground", "ground"]),
        ("fastest", ["ground", "next_day_air", "next_day_air"]),
        ("cheapest within 3 days", ["ground", "3_day_select", "2nd_day_air"]),
    ],
)
def test_a_rule_chooses_what_the_list_of_services_says(session, rule, services):
    frame = session.map(service=rule, defaults={"weight_lb": 1}).preview()
    assert frame.service.tolist()[:3] == services
    offers = session.shop().set_index(["order_id", "service"]).cost_cents
    assert frame.cost_cents.tolist() == [
        offers[key] for key in zip(frame.order_id, frame.service, strict=True)
    ]


def test_a_rule_that_nothing_fits_is_a_problem_of_its_row(session):
    frame = session.map(service="fastest within 1 days").preview()
    assert frame.problem.isna().tolist() == [True, True, False, False]
    assert "no service of sandbox" in frame.problem[2]
    assert "weight" in frame.problem[3]
    assert "no service of" not in frame.problem[3]


def test_a_carrier_that_is_asked_for_each_shipment_gives_the_same_list(session, tmp_path):
    class OneByOne(sk.SandboxCarrier):
        async def shop_table(self, table, shipper, pacer=None):
            return await shop_each(self.shop, table, shipper, concurrency=4, pacer=pacer)

    at_once = session.shop()
    with sk.BatchSession(
        pd.DataFrame(ROWS), shipper=SHOP, home=tmp_path, carrier=OneByOne(home=tmp_path)
    ) as other:
        one_by_one = other.map(ship_date=dt.date(2026, 11, 23)).shop()
    priced = at_once.problem.isna()
    pd.testing.assert_frame_equal(
        one_by_one[one_by_one.problem.isna()].reset_index(drop=True),
        at_once[priced].reset_index(drop=True),
    )
    assert one_by_one.order_id.tolist() == at_once.order_id.tolist()


def test_shop_sees_edits_and_buys_nothing(session):
    session.map(defaults={"weight_lb": 1}, service="ground").preview()
    session.edit("order_id = '1'", weight_lb=30)
    assert set(session.shop().query("order_id == '1'").billable_weight_lb) == {30.0}
    assert session.job_id is None


def test_a_service_that_does_not_go_where_a_row_goes_is_named(tmp_path):
    class Abroad(sk.SandboxCarrier):
        """Has a price for services within the country everywhere, as some carriers have."""

        async def shop_table(self, table, shipper, pacer=None):
            at = table.schema.get_field_index("country")
            home = table.set_column(at, table.schema.field(at), pa.array(["US"] * len(table)))
            return await super().shop_table(home, shipper, pacer)

    away = {"city": "Berlin", "state": "", "zip": "10119", "country": "DE"}
    rows = [{**ROWS[0], "country": "US"}, {**ROWS[1], **away}]
    carrier = Abroad(home=tmp_path)
    with sk.BatchSession(
        pd.DataFrame(rows), shipper=SHOP, home=tmp_path, carrier=carrier
    ) as session:
        frame = session.shop()
    assert frame[frame.row_number == 1].warnings.isna().all()
    [line] = frame[frame.row_number == 2].to_dict("records")
    assert line["problem"].startswith("nothing is sold to this row: ")
    assert line["problem"].endswith("do not run from US to DE")


def test_an_option_that_the_only_carrier_does_not_offer_is_named_next_to_its_prices(tmp_path):
    carrier = sk.SandboxCarrier(home=tmp_path)
    able = carrier.capabilities
    carrier.capabilities = dataclasses.replace(able, options=able.options - {"signature"})
    rows = [{**ROWS[0], "signature": "adult"}, {**ROWS[1], "signature": ""}]
    with sk.BatchSession(
        pd.DataFrame(rows), shipper=SHOP, home=tmp_path, carrier=carrier
    ) as session:
        frame = session.shop()
        held = session.map(service="ground", ship_date=dt.date(2026, 12, 7)).preview().problem
        assert held.str.contains("signature", na=False).tolist() == [True, False]
    assert set(frame[frame.row_number == 1].warnings) == {
        "sandbox cannot sell it: it does not offer signature"
    }
    assert frame[frame.row_number == 2].warnings.isna().all()
