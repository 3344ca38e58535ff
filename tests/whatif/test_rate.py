"""What orders would cost, to the cent, from little more than a ZIP and a weight."""

from __future__ import annotations

import dataclasses
import datetime as dt

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import shipkit as sk
from shipkit.errors import CarrierRejected, InputError
from shipkit.models import Address, Money, Parcel, Shipment
from shipkit.rates.comparison import COMPARED_COLUMNS
from shipkit.rates.whatif import RATED_COLUMNS
from shipkit.schema import SHIPMENTS

CARD = sk.RateCard.synthetic()
ORDERS = [
    {
        "order": "1",
        "zip": "10001",
        "weight (oz)": "48",
        "service": "UPS Ground",
        "residential": "yes",
        "paid": "$20.00",
    },
    {
        "order": "2",
        "zip": "2134",
        "weight (oz)": "16",
        "service": "2nd Day Air",
        "residential": "no",
        "paid": "1,030.50",
    },
    {
        "order": "3",
        "zip": "94103",
        "weight (oz)": "heavy",
        "service": "Ground",
        "residential": "no",
        "paid": "10",
    },
    {
        "order": "4",
        "zip": "94103",
        "weight (oz)": "16",
        "service": "by pigeon",
        "residential": "no",
        "paid": "10",
    },
    {
        "order": "5",
        "zip": "60601",
        "weight (oz)": "16",
        "service": "Ground",
        "residential": "no",
        "paid": "",
    },
]


def test_orders_without_a_street_are_rated_to_the_cent():
    frame = sk.rate(ORDERS, CARD, origin="78205")
    assert list(frame.columns[: len(RATED_COLUMNS)]) == list(RATED_COLUMNS)
    one = CARD.quote(
        Shipment(
            ship_to=Address(postal_code="10001", residential=True),
            service="ground",
            parcels=(Parcel(weight_lb=3),),
        ),
        Address(postal_code="78205"),
    )
    first = frame.iloc[0]
    assert (first.cost_cents, first.zone, first.state, first.residential_ground) == (
        one.cost_cents,
        one.zone,
        "NY",
        495,
    )
    assert frame.postal_code[1] == "02134"
    assert frame.cost_cents.isna().tolist() == [False, False, True, True, False]
    assert "heavy" in frame.problem[2] + str(frame.fix[2]) or "weight" in frame.problem[2]
    assert "service" in frame.problem[3]
    priced = frame[frame.problem.isna()]
    assert (
        priced[
            ["base_cents", "fuel_cents", "residential_cents", "delivery_area_cents", "other_cents"]
        ].sum(axis=1)
        == priced.cost_cents
    ).all()
    surcharges = [s.name for s in CARD.surcharges]
    assert (priced[surcharges].sum(axis=1) + priced.base_cents == priced.cost_cents).all()


@pytest.mark.parametrize("form", ["list", "frame", "arrow", "csv", "parquet", "relation"])
def test_orders_may_come_in_any_form(form, tmp_path):
    frame = pd.DataFrame(ORDERS)
    con = duckdb.connect()
    if form == "csv":
        frame.to_csv(tmp_path / "o.csv", index=False)
    if form == "parquet":
        frame.to_parquet(tmp_path / "o.parquet")
    source = {
        "list": lambda: ORDERS,
        "frame": lambda: frame,
        "arrow": lambda: pa.Table.from_pandas(frame),
        "csv": lambda: tmp_path / "o.csv",
        "parquet": lambda: str(tmp_path / "o.parquet"),
        "relation": lambda: con.from_arrow(pa.Table.from_pandas(frame)),
    }[form]()
    assert (
        sk.rate(source, CARD, origin="78205").cost_cents.sum()
        == sk.rate(ORDERS, CARD, origin="78205").cost_cents.sum()
        > 0
    )


def test_a_shipments_table_is_taken_as_it_is(tmp_path):
    table = pa.Table.from_pylist(
        [
            {
                "row_number": 9,
                "postal_code": "10001",
                "country": "US",
                "service": "ground",
                "parcels": [{"weight_lb": 3.0}, {"weight_lb": 2.0}],
            }
        ],
        schema=SHIPMENTS,
    )
    pq.write_table(table.select(["postal_code", "service", "parcels"]), tmp_path / "s.parquet")
    by_table, by_path = (
        sk.rate(table, CARD, origin="78205"),
        sk.rate(tmp_path / "s.parquet", CARD, origin="78205"),
    )
    assert by_table.billable_weight_lb.tolist() == by_path.billable_weight_lb.tolist() == [5.0]
    assert (by_table.row_number[0], by_path.row_number[0]) == (9, 1)


def test_a_service_for_all_or_a_rule_replaces_what_the_orders_say():
    assert (
        sk.rate(ORDERS, CARD, origin="78205", service="Ground").service.tolist() == ["ground"] * 5
    )
    assert sk.rate(ORDERS, CARD, origin="78205", service="Ground").problem.isna().tolist() == [
        True,
        True,
        False,
        True,
        True,
    ]
    assert sk.rate(
        ORDERS, CARD, origin="78205", service="fastest"
    ).service.dropna().unique().tolist() == ["next_day_air"]
    with pytest.raises(InputError, match="not a known service"):
        sk.rate(ORDERS, CARD, origin="78205", service="pigeon")


def test_every_order_starts_at_the_cheapest_warehouse():
    starts = {"west": "94103", "east": "08901"}
    frame = sk.rate(ORDERS, CARD, origins=starts)
    assert frame.origin.tolist()[:2] == ["east", "east"]
    alone = {name: sk.rate(ORDERS, CARD, origin=code).cost_cents for name, code in starts.items()}
    assert frame.cost_cents.dropna().tolist() == np.minimum(*alone.values()).dropna().tolist()
    assert frame.cost_cents_west.dropna().tolist() == alone["west"].dropna().tolist()
    assert frame.origin[3] is None or pd.isna(frame.origin[3])
    with pytest.raises(InputError, match="combined with origin"):
        sk.rate(ORDERS, CARD, origins=starts, origin="94103")


NAMED = [
    {"zip": "10001", "weight_lb": 3, "service": "Ground", "Warehouse": "Reno", "Paid": "9.00"},
    {"zip": "10001", "weight_lb": 3, "service": "Ground", "Warehouse": "", "Paid": "9.00"},
]


@pytest.mark.parametrize(
    "place", ["89501", sk.Address(postal_code="89501"), {"postal_code": "89501"}]
)
def test_a_warehouse_is_where_warehouses_says(place):
    plain = [{k: v for k, v in row.items() if k != "Warehouse"} for row in NAMED]
    there, here = (sk.rate(plain, CARD, origin=o).cost_cents[0] for o in ("89501", "78205"))
    assert there != here
    found = sk.rate(NAMED, CARD, origin="78205", warehouses={"Reno": place})
    assert found.cost_cents.tolist() == [there, here]
    compared = sk.compare("Paid", CARD, NAMED, origin="78205", warehouses={"Reno": place})
    assert compared.total.candidate.cents == there + here


def test_a_column_that_is_set_aside_decides_no_price(tmp_path):
    pd.DataFrame(NAMED).to_csv(tmp_path / "orders.csv", index=False)
    before = sk.rate(NAMED, CARD, origin="78205")
    assert "ignore=" in before.fix[0]
    assert before.cost_cents.isna().tolist() == [True, False]
    expected = [before.cost_cents[1]] * 2
    for orders in (NAMED, tmp_path / "orders.csv"):
        for ignore in ("Warehouse", ["Warehouse"]):
            found = sk.rate(orders, CARD, origin="78205", ignore=ignore)
            assert found.cost_cents.tolist() == expected
    rated = tmp_path / "rated.parquet"
    sk.rate(tmp_path / "orders.csv", CARD, origin="78205", ignore="Warehouse", to=rated)
    assert pd.read_parquet(rated).cost_cents.tolist() == expected
    compared = sk.compare("Paid", CARD, NAMED, origin="78205", ignore="Warehouse", by="service")
    assert compared.total.candidate.cents == sum(expected)
    for wrong in ({"ignore": 5}, {"warehouses": "89501"}, {"columns": ["zip"]}):
        with pytest.raises(InputError):
            sk.rate(NAMED, CARD, origin="78205", **wrong)


def test_an_order_is_priced_from_where_it_leaves_or_not_at_all():
    own = [
        {},
        {"Ship From ZIP": "10001"},
        {"Ship From ZIP": "78205"},
        {"Warehouse": "Reno"},
        {"Warehouse": "Reno", "service": "pigeon"},
        {"Ship From State": "TX"},
        {"Ship From Name": "Ada Lovelace"},
    ]
    headings = dict.fromkeys(name for each in own for name in each)
    given = [
        {**dict.fromkeys(headings, ""), "zip": "10001", "weight_lb": 3, "service": "Ground", **each}
        for each in own
    ]
    rated = sk.rate(given, CARD, origin="27703")
    bare = [{"zip": "10001", "weight_lb": 3, "service": "Ground"}]
    near, texas, usual = (
        int(sk.rate(bare, CARD, origin=start)["cost_cents"][0])
        for start in ("10001", "78205", "27703")
    )
    assert len({near, texas, usual}) == 3
    assert rated["cost_cents"].fillna(-1).tolist() == [usual, near, texas, -1, -1, -1, usual]
    assert rated["problem"].dropna().str.contains("the parcel leaves from").all()
    assert rated["fix"][3].startswith("Give the ZIP that it leaves from in a column Ship From ZIP")

    anywhere = sk.rate(given, CARD, origins={"tx": "78205", "ny": "10001"}, service="Ground")
    assert anywhere["origin"].tolist() == ["ny"] * len(given)
    assert set(anywhere["cost_cents"]) == {near}


def test_a_declared_value_in_another_currency_has_no_price():
    order = {"zip": "10001", "weight_lb": 3, "service": "Ground", "declared_value": "500"}
    given = [order, order | {"currency": "EUR"}, order | {"currency": "EUR", "declared_value": ""}]
    given = [{"currency": "USD"} | each for each in given]
    contract = dataclasses.replace(CARD, is_synthetic=False)
    rated = sk.rate(given, contract, origin="78205")
    assert rated["cost_cents"].isna().tolist() == [False, True, False]
    assert "declared value is not in USD" in rated["problem"][1]
    shipment = Shipment(
        ship_to=Address(postal_code="10001"),
        service="ground",
        parcels=(Parcel(weight_lb=3, declared_value=Money.of("500", "EUR")),),
    )
    with pytest.raises(CarrierRejected, match="declared value is not in USD"):
        contract.quote(shipment, Address(postal_code="78205"))
    made_up = sk.rate(given, CARD, origin="78205")
    assert made_up["cost_cents"].notna().all(), "made-up prices are of any currency"


def test_a_declared_value_in_another_currency_has_a_price_by_services_that_do_not_price_it():
    rules = [
        dataclasses.replace(rule, services=("ground",)) if rule.declared_value else rule
        for rule in CARD.surcharges
    ]
    contract = dataclasses.replace(CARD, is_synthetic=False, surcharges=tuple(rules))
    assert contract.pricing_values == ("ground",)
    order = {"zip": "10001", "weight_lb": 3, "declared_value": "500", "currency": "EUR"}
    given = [order | {"service": name} for name in ("Ground", "2nd Day Air")]
    rated = sk.rate(given, contract, origin="78205")
    assert rated["cost_cents"].isna().tolist() == [True, False]
    shipment = Shipment(
        ship_to=Address(postal_code="10001"),
        service="2nd_day_air",
        parcels=(Parcel(weight_lb=3, declared_value=Money.of("500", "EUR")),),
    )
    one = contract.quote(shipment, Address(postal_code="78205"))
    assert one.cost_cents == rated["cost_cents"][1]


def test_smaller_boxes_bill_less_and_a_parcel_that_fits_none_keeps_its_own():
    orders = [
        {
            "zip": "10001",
            "weight": 1,
            "length": length,
            "width": 12,
            "height": 12,
            "service": "Ground",
        }
        for length in (12, 20, None)
    ]
    assert sk.rate(orders, CARD, origin="78205").billable_weight_lb.tolist() == [13, 21, 1]
    assert sk.rate(
        orders, CARD, origin="78205", boxes=[(13, 13, 13), (12, 12, 12), (24, 24, 24)]
    ).billable_weight_lb.tolist() == [13, 100, 1]
    assert sk.rate(
        orders, CARD, origin="78205", boxes=[(12, 12, 12)]
    ).billable_weight_lb.tolist() == [13, 21, 1]
    assert sk.rate(
        orders, CARD, origin="78205", boxes={(12, 20, 12): (10, 10, 10)}
    ).billable_weight_lb.tolist() == [13, 8, 1]


def test_where_orders_start_is_asked_when_it_cannot_be_known(tmp_path, monkeypatch):
    (tmp_path / "zones.csv").write_text("origin,destination,zone\n277,010-999,5\n100,010-999,6\n")
    (tmp_path / "ground.csv").write_text("Weight,5,6\n1,5.00,6.00\n")
    two = sk.RateCard.from_files(tmp_path / "zones.csv", tmp_path / "ground.csv")
    monkeypatch.setenv("SHIPKIT_CONFIG", str(tmp_path / "none.toml"))
    with pytest.raises(InputError, match="unknown where these orders are shipped from"):
        sk.rate([{"zip": "10001", "weight": 1, "service": "ground"}], two)
    (tmp_path / "zones.csv").write_text("origin,destination,zone\n277,010-999,5\n276,010-999,5\n")
    (tmp_path / "ground.csv").write_text("Weight,5\n1,5.00\n")
    one = sk.RateCard.from_files(tmp_path / "zones.csv", tmp_path / "ground.csv")
    assert sk.rate(
        [{"zip": "10001", "weight": 1, "service": "ground"}], one
    ).cost_cents.tolist() == [500]


def test_as_of_prices_by_the_rules_of_that_day(tmp_path):
    (tmp_path / "zones.csv").write_text("origin,destination,zone\n277,010-999,5\n")
    (tmp_path / "ground.csv").write_text("Weight,5\n1,5.00\n")
    (tmp_path / "fuel.csv").write_text(
        "name,percent,of,since\nfuel,10,base,2026-11-02\nfuel,20,base,2026-11-09\n"
    )
    card = sk.RateCard.from_files(
        tmp_path / "zones.csv", tmp_path / "ground.csv", tmp_path / "fuel.csv"
    )
    orders = [{"zip": "10001", "weight": 1, "service": "ground"}]
    assert [
        sk.rate(orders, card, as_of).cost_cents[0]
        for as_of in (dt.date(2026, 11, 1), "2026-11-08", "2026-11-09", None)
    ] == [500, 550, 600, 600]


def test_compare_with_what_was_paid_leaves_unrated_orders_out_of_both_totals():
    result = sk.compare("paid", CARD, ORDERS, origin="78205")
    assert list(result.frame.columns) == list(COMPARED_COLUMNS)
    assert result.frame.order_id.tolist() == ["1", "2"]
    assert result.total.baseline == Money.from_cents(2000 + 103050)
    assert result.total.candidate == Money.from_cents(int(result.frame.candidate_cents.sum()))
    assert result.total.change.cents == result.total.candidate.cents - result.total.baseline.cents
    assert dict(zip(result.unrated.order_id, result.unrated.side, strict=True)) == {
        "3": "candidate",
        "4": "candidate",
        "5": "baseline",
    }
    assert result.unrated.problem.notna().all()
    assert "3 more without a price" in repr(result)
    assert "<table" in result._repr_html_()


def test_compare_says_what_changes_per_service_zone_weight_and_state(tmp_path):
    more_expensive = sk.RateCard(
        **{
            **{f: getattr(CARD, f) for f in CARD.__dataclass_fields__},
            "name": "more expensive",
            "dim_divisor": 100,
        }
    )
    rng = np.random.default_rng(1)
    orders = pd.DataFrame(
        {
            "zip": rng.choice(["10001", "94103", "60601", "99501"], 200),
            "weight": rng.integers(1, 40, 200),
            "length": 20,
            "width": 10,
            "height": 10,
            "service": rng.choice(["ground", "2nd day air"], 200),
        }
    )
    result = sk.compare(CARD, more_expensive, orders, origin="78205")
    for keys in (("service",), ("zone",), ("weight_band",), ("state",), ("state", "service")):
        lines = result.by(*keys)
        assert lines.change_cents.sum() == result.total.change.cents > 0
        assert lines.orders.sum() == len(result.frame) == 200
        assert lines.change_cents.abs().is_monotonic_decreasing
    assert set(result.by("state").state) == {"NY", "CA", "IL", "AK"}
    bands = result.by("weight_band")
    assert (bands.cheaper == 0).all()
    assert 0 < bands.more_expensive.sum() < 200
    with pytest.raises(InputError, match="'moon' is not a column to group by"):
        result.by("moon")
    assert len(result.plot("state").axes[0].patches) == 4


def test_compare_one_card_with_itself_in_other_boxes_or_from_other_places():
    orders = [
        {"zip": "10001", "weight": 1, "length": 12, "width": 12, "height": 12, "service": "Ground"}
    ]
    assert sk.compare(CARD, CARD, orders, origin="78205").total.change.cents == 0
    assert (
        sk.compare(
            CARD, CARD, orders, origin="78205", boxes={(12, 12, 12): (8, 8, 8)}
        ).total.change.cents
        < 0
    )
    assert (
        sk.compare(
            CARD, CARD, orders, origin="78205", origins=["78205", "08901"]
        ).total.change.cents
        < 0
    )


def test_an_unknown_paid_column_is_named_with_the_nearest():
    with pytest.raises(InputError, match="paidd"):
        sk.compare("paidd", CARD, ORDERS, origin="78205")


def test_amounts_paid_are_exact_whatever_their_type():
    orders = pd.DataFrame(
        {
            "zip": ["10001"] * 4,
            "weight": 1,
            "service": "ground",
            "paid": [0.1 + 0.2, 1.005, 19.99, np.nan],
        }
    )
    assert sk.compare("paid", CARD, orders, origin="78205").frame.baseline_cents.tolist() == [
        30,
        101,
        1999,
    ]
    table = pa.Table.from_pandas(orders.drop(columns="paid")).append_column(
        "paid", pa.array([1, 2, None, 4])
    )
    assert sk.compare("paid", CARD, table, origin="78205").total.baseline.cents == 700


def test_a_file_of_shipments_streams_past_into_a_file_of_prices(tmp_path, monkeypatch):
    rows = [
        {"postal_code": code, "country": "US", "service": service, "parcels": [{"weight_lb": 3.0}]}
        for code in ("10001", "94103", "34001")
        for service in ("ground", "next_day_air")
    ] * 5
    table = pa.Table.from_pylist(
        rows,
        schema=pa.schema(
            [SHIPMENTS.field(name) for name in ("postal_code", "country", "service", "parcels")]
        ),
    )
    pq.write_table(table, tmp_path / "in.parquet")
    whole = sk.rate(tmp_path / "in.parquet", CARD, origin="78205")
    monkeypatch.setattr("shipkit.rates.reading.ROWS_AT_A_TIME", 7)
    totals = sk.rate(
        tmp_path / "in.parquet", CARD, origin="78205", to=tmp_path / "out.parquet"
    ).set_index("service")
    streamed = pq.read_table(tmp_path / "out.parquet")
    assert (
        streamed.column("row_number").to_pylist() == whole.row_number.tolist() == list(range(1, 31))
    )
    assert streamed.column("cost_cents").to_pylist() == [
        None if pd.isna(cents) else cents for cents in whole.cost_cents
    ]
    assert totals.orders.to_dict() == {"ground": 15, "next_day_air": 15}
    assert totals.unrated.to_dict() == {"ground": 0, "next_day_air": 5}
    assert totals.cost_cents.to_dict() == whole.groupby("service").cost_cents.sum().to_dict()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.parquet", "out.parquet"]


def test_other_orders_can_be_written_too_and_a_failure_leaves_no_file(tmp_path):
    totals = sk.rate(ORDERS, CARD, origin="78205", to=tmp_path / "out.parquet")
    assert totals.orders.sum() == 5
    with pytest.raises(InputError):
        sk.rate(ORDERS, CARD, origin="78205", service="pigeon", to=tmp_path / "none.parquet")
    assert [path.name for path in tmp_path.iterdir()] == ["out.parquet"]
