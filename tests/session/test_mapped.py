"""`session.mapped()`: each shipment as the carrier will get it, before it is priced."""

from __future__ import annotations

import json

import pandas as pd


def test_every_field_of_every_shipment_is_shown_as_it_will_be_sent(session):
    session.edit("order_id = 'SO-1'", address_line2="Apt 4")
    frame = session.mapped()
    assert frame["order_id"].tolist() == ["SO-1", "SO-2", "SO-3", "SO-4", "SO-5"]
    assert frame["postal_code"][1] == "02134"  # repaired
    assert frame["state"][2] == "CA"  # repaired
    assert frame["address_line2"][0] == "Apt 4"  # edited
    assert pd.isna(frame["address_line1"][3])  # missing
    assert frame["weight_lb"].tolist() == [2.0, 5.5, 0.5, 3.0, 12.0]
    assert frame["parcel_count"].tolist() == [1] * 5
    assert [parcel["weight_lb"] for parcel in json.loads(frame["parcels"][1])] == [5.5]


def test_an_unknown_weight_of_a_parcel_makes_the_total_unknown(make, rows):
    del rows[0]["weight_lb"]
    frame = make(rows).mapped()
    assert pd.isna(frame["weight_lb"][0])
    assert frame["weight_lb"].tolist()[1:] == [5.5, 0.5, 3.0, 12.0]


def test_nothing_is_priced(session, monkeypatch):
    async def refused(*_, **__):
        raise AssertionError("the carrier was asked for a price")

    monkeypatch.setattr(type(session.carrier), "quote_table", refused)
    monkeypatch.setattr(type(session.carrier), "quote", refused)
    assert len(session.mapped()) == 5
