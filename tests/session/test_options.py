"""An option that a row asks for reaches the label, or the row waits with a reason."""

from __future__ import annotations

import pytest

import shipkit as sk
from shipkit.carriers.protocol import Capabilities
from shipkit.carriers.sandbox import SandboxCarrier
from shipkit.errors import InputError
from shipkit.models import LabelFormat

ORDER = {
    "name": "Ada Lee",
    "address1": "1 Main St",
    "city": "Austin",
    "state": "TX",
    "zip": "78701",
    "weight_lb": 2,
    "service": "ground",
}
NAMED = [{**ORDER, "order_id": "1", "Direct Delivery": "yes"}, {**ORDER, "order_id": "2"}]


def asked(session: sk.BatchSession) -> list[bool]:
    return session.preview()["direct_delivery_only"].tolist()


def test_a_column_asks_for_it_and_the_label_says_it(shop, home):
    with sk.BatchSession(NAMED, shipper=shop, label_format="zpl") as session:
        assert asked(session) == [True, False]
        session.approve()
        session.execute(progress=False)
        with_it, without = (label.data.decode() for label in session.labels)
    assert "DIRECT DELIVERY ONLY" in with_it
    assert "DIRECT DELIVERY ONLY" not in without


def test_a_named_column_a_default_a_template_and_an_edit_ask_for_it(shop, home):
    rows = [{**ORDER, "order_id": "1", "door": "Y"}]
    with sk.BatchSession(rows, shipper=shop) as session:
        assert asked(session) == [False]
        assert asked(session.map(columns={"direct_delivery_only": "door"})) == [True]
        assert asked(session.map(defaults={"direct_delivery_only": True})) == [True]
        text = session.template
        assert '"direct_delivery_only": true' in text
        assert asked(session.map(text)) == [True]
        session.edit("order_id = '1'", direct_delivery_only=False)
        assert asked(session) == [False]


def test_a_cell_that_is_neither_yes_nor_no_stops_its_row(shop, home):
    rows = [{**ORDER, "order_id": "1", "Direct Delivery": "perhaps"}]
    with sk.BatchSession(rows, shipper=shop) as session:
        problem = session.problems.iloc[0]
    assert problem["code"] == "direct_delivery_only_unreadable"
    assert problem["problem"] == '"perhaps" is neither yes nor no'


def test_a_carrier_without_it_refuses_the_rows_that_ask_and_ships_the_others(shop, home):
    carrier = SandboxCarrier(home=home)
    carrier.capabilities = Capabilities(label_formats=frozenset(LabelFormat))
    with sk.BatchSession(NAMED, shipper=shop, carrier=carrier) as session:
        frame = session.preview()
        problem = session.problems.iloc[0]
    assert frame["cost_cents"].isna().tolist() == [True, False]
    assert problem["code"] == "option_not_supported"
    assert problem["problem"] == "sandbox does not offer direct_delivery_only"


def test_a_carrier_of_single_parcels_refuses_rows_of_several_and_ships_the_others(shop, home):
    carrier = SandboxCarrier(home=home)
    carrier.capabilities = Capabilities(multi_parcel=False)
    rows = [{**ORDER, "order_id": "1", "weight_lb": 90}, {**ORDER, "order_id": "2"}]
    with sk.BatchSession(rows, shipper=shop, carrier=carrier) as session:
        frame = session.map(parcels="max 40 lb").preview()
        problem = session.problems.iloc[0]
    assert frame["cost_cents"].isna().tolist() == [True, False]
    assert (problem["field"], problem["value"]) == ("parcels", "3")
    assert problem["problem"] == "sandbox sells one parcel per shipment"


def test_an_edit_that_the_field_cannot_hold_changes_nothing(shop, home):
    with sk.BatchSession(NAMED, shipper=shop) as session:
        with pytest.raises(InputError, match="direct_delivery_only='perhaps' cannot be used"):
            session.edit("order_id = '1'", direct_delivery_only="perhaps")
        assert session.edits.empty
        assert asked(session) == [True, False]
