"""Databases of rate cards: private to a call, or kept for work on many tables."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import duckdb
import pyarrow as pa
import pytest

import shipkit as sk
from shipkit.carriers.ratecard import card_database as opened
from shipkit.carriers.ratecard.card_database import KeptDatabases, card_database
from shipkit.models import Address
from shipkit.rates.rated_files import ahead

SHOP = Address(postal_code="78205", country="US")
CARD = sk.RateCard.synthetic()
ROWS = 10_001
"""One more than small tables have."""


@pytest.fixture
def databases(monkeypatch):
    """Return the databases that are opened, as they are opened."""
    made = []

    def memory_database(limits):
        made.append(duckdb.connect(":memory:", config=limits))
        return made[-1]

    monkeypatch.setattr(opened, "memory_database", memory_database)
    return made


def is_open(con):
    try:
        con.execute("SELECT 1")
    except duckdb.ConnectionException:
        return False
    return True


def orders(pounds: float) -> pa.Table:
    one = {"postal_code": "10001", "service": "ground", "parcels": [{"weight_lb": pounds}]}
    return pa.Table.from_pylist([one] * ROWS)


def cents(card, table):
    return set(card.quote_table(table, SHOP).column("cost_cents").to_pylist())


def test_a_database_is_closed_after_its_call(databases):
    cents(CARD, orders(3))
    cents(CARD, orders(3))
    assert [is_open(con) for con in databases] == [False, False]


@pytest.mark.parametrize("threads", [1, 3])
def test_work_on_many_tables_opens_one_for_each_thread_at_most_and_closes_them(databases, threads):
    weights = [1, 5, 9, 14, 20, 33]
    found = list(ahead(lambda lb: cents(CARD, orders(lb)), weights, threads))
    assert found == [{CARD.quote(sold(lb), SHOP).cost_cents} for lb in weights]
    assert 1 <= len(databases) <= threads
    assert not any(is_open(con) for con in databases)


def test_a_database_has_the_prices_of_one_card(databases):
    dearer = replace(CARD, rates=raised(CARD.rates))
    with KeptDatabases() as kept:
        both = kept.within(lambda table: (cents(CARD, table), cents(dearer, table)))
        first, again = both(orders(3)), both(orders(3))
    assert first == again
    assert first[0] != first[1]
    assert len(databases) == 2


def test_one_in_which_a_statement_failed_is_not_used_again(databases):
    def broken(_):
        with card_database(CARD) as con:
            con.execute("FROM nowhere")

    with KeptDatabases() as kept:
        with pytest.raises(duckdb.CatalogException):
            kept.within(broken)(None)
        assert [is_open(con) for con in databases] == [False]
        kept.within(lambda table: cents(CARD, table))(orders(3))
    assert len(databases) == 2


def test_no_two_threads_use_one_at_a_time(databases):
    def held(_):
        with card_database(CARD) as con:
            in_use.append(id(con))
            assert len(set(in_use)) == len(in_use)
            con.execute("SELECT count(*) FROM range(1_000_000)").fetchall()
            in_use.remove(id(con))
        return True

    in_use: list[int] = []
    with KeptDatabases() as kept, ThreadPoolExecutor(4) as pool:
        assert all(pool.map(kept.within(held), range(40)))
    assert len(databases) <= 4


def sold(pounds):
    return sk.Shipment(
        order_id="1",
        ship_to=sk.Address(
            name="Jo", address_line1="1 Main St", city="New York", state="NY", postal_code="10001"
        ),
        service="ground",
        parcels=(sk.Parcel(weight_lb=pounds),),
    )


def raised(rates: pa.Table) -> pa.Table:
    at = rates.schema.get_field_index("cents")
    more = pa.array([price + 100 for price in rates.column("cents").to_pylist()], pa.int64())
    return rates.set_column(at, rates.schema.field("cents"), more)
