"""Before labels are voided: their age, their manifest, and the driver who comes for them."""

from __future__ import annotations

import datetime as dt
import warnings
from types import SimpleNamespace

import pyarrow as pa
import pytest

from shipkit.carriers import registry
from shipkit.cli import main
from shipkit.common.local_day import local_day
from shipkit.errors import InputError
from shipkit.purchasing import void_notes as notes
from shipkit.purchasing.handover import pickup_run

from .conftest import SHOP, order

MONDAY = local_day(SHOP) + dt.timedelta(days=7 - local_day(SHOP).weekday())


@pytest.fixture(autouse=True)
def _in_the_morning(monkeypatch):
    monkeypatch.setattr(pickup_run, "_time_at", lambda _: dt.time(8, 0))


def noted(call):
    """Return what `call` warned of."""
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        call()
    return [str(each.message) for each in found]


def test_an_ordinary_void_warns_of_nothing(bought):
    job = bought(order(1), order(2))
    assert noted(lambda: job.void(all=True)) == []
    assert noted(lambda: job.void(all=True)) == [], "nothing is left to void"


def test_labels_older_than_the_carrier_voids_are_named_before_it_is_asked(
    bought, monkeypatch, tmp_path, capsys
):
    job = bought(order(1), order(2))
    monkeypatch.setattr(notes, "_void_days", lambda _: {"sandbox": 0})
    told = (
        "2 labels of sandbox were bought more than 0 days ago, after which such labels are seldom "
        "voided: expect a refusal."
    )
    main(["void", job.job_id, "--all", "--dry-run", "--home", str(tmp_path)])
    assert told in capsys.readouterr().err
    assert noted(lambda: job.void("row_number = 1")) == [
        told.replace("2 labels of sandbox were", "1 label of sandbox was")
    ]
    assert list(job.results()["state"]) == ["voided", "shipped"], "the carrier decides"
    monkeypatch.setattr(notes, "_void_days", lambda _: {"sandbox": 1})
    assert noted(lambda: job.void(all=True)) == []


def test_the_limits_of_the_carriers():
    days = {name: registry.plugin(name).capabilities.void_days for name in registry.names()}
    assert {name: dict(each) for name, each in days.items() if each} == {
        "ups": {"ups": 28},
        "usps": {"usps": 30},
        "easypost": {"usps": 30, "ups": 90, "fedex": 90},
    }


def test_a_pickup_stays_booked_and_says_which_parcels_are_gone(bought):
    job = bought(order(1), order(2), order(3))
    pickup = job.pickup(MONDAY).book(confirm_total="6.25")
    assert pickup.warnings == ()
    [note] = noted(lambda: job.void("row_number = 1"))
    assert note == (
        f"The pickup {pickup.number} on {MONDAY} is for 1 of these and stays booked ($6.25): "
        "cancel it if the driver need not come."
    )
    [note] = pickup.warnings
    assert note.startswith("1 of its 3 shipments is no longer bought")
    pickup.cancel()
    assert pickup.warnings == ()
    assert pickup.status() == "canceled", "no carrier is asked about one that is canceled"
    assert noted(lambda: job.void(all=True)) == []


def test_an_offer_whose_parcels_are_gone_is_not_booked(bought):
    job = bought(order(1), order(2))
    pickup = job.pickup(MONDAY, instructions=None)
    job.void("row_number = 1")
    with pytest.raises(InputError, match="1 of the 2 shipments of this pickup is no longer bought"):
        pickup.book(confirm_total="6.25")
    assert (pickup.state, job.pickups) == ("offered", ())


def test_a_pickup_on_another_day_is_named(bought):
    job = bought(order(1), order(2))
    first = job.pickup(MONDAY).book(confirm_total="6.25")
    second = job.pickup(MONDAY + dt.timedelta(days=1), clause="row_number = 1")
    named = f"1 shipment of it is in the pickup {first.number} on {MONDAY}, too"
    assert second.warnings == (named,)


def test_rows_that_may_have_paid_labels_are_named():
    states = ["review", "in_doubt", "failed", "voided"]
    empty = [None] * len(states)
    table = pa.table({"state": states, "seller": empty, "carrier": empty, "shipped_at": empty})
    store = SimpleNamespace(results=lambda: table)
    [note] = notes.void_notes(store, range(4))
    assert note.startswith("2 shipments may have paid labels and are not voided")
    assert notes.void_notes(store, [2, 3]) == []


def test_labels_on_a_manifest_are_named(bought):
    job = bought(order(1), order(2))
    job.manifest("row_number = 1")
    [note] = noted(lambda: job.void(all=True))
    assert note.startswith("1 shipment is on a manifest: the carrier may not void")
    assert list(job.results()["state"]) == ["shipped", "voided"]
