"""Answers about where parcels are: of the parcel that was asked for, and with its history."""

from __future__ import annotations

from typing import Any

import pytest

from shipkit.carriers.easypost.tracker_answer import tracking_line
from shipkit.carriers.tracking import latest_first
from shipkit.carriers.ups.tracking_answers import tracking
from shipkit.carriers.usps.delivery_answers import where_it_is

ONE, TWO = "1Z0000000000000001", "1Z0000000000000002"


def of_ups(*parcels: dict[str, Any]) -> dict[str, Any]:
    return {"trackResponse": {"shipment": [{"inquiryNumber": ONE, "package": list(parcels)}]}}


def parcel(number: str | None, code: str, **more: Any) -> dict[str, Any]:
    status = {"description": "x", "code": code, "statusCode": code}
    named = {"trackingNumber": number} if number else {}
    return {**named, "currentStatus": status, **more}


def test_ups_answers_with_every_parcel_of_a_shipment_and_the_own_one_is_read() -> None:
    answer = of_ups(parcel(TWO, "011"), parcel(ONE, "021"))
    assert tracking(answer, ONE)["status"] == "out_for_delivery"
    assert tracking(answer, TWO.lower())["delivered"]
    other = parcel("9400", "011", alternateTrackingNumber=[{"number": ONE, "type": "ALTERNATE"}])
    assert tracking(of_ups(other), ONE)["delivered"]
    assert tracking(of_ups(parcel(None, "011")), ONE)["delivered"], "alone, it need not be named"


def test_an_answer_of_ups_about_another_parcel_is_none_about_this_one() -> None:
    found = tracking(of_ups(parcel(TWO, "011")), ONE)
    assert (found["status"], found["delivered"]) == ("unknown", False)
    assert found["problem"] == f"UPS's answer is about {TWO}."


USPS = "9400100000000000000000"
EVENTS = [
    {
        "eventCode": code,
        "eventType": kind,
        "eventTimestamp": f"2026-11-{day}T08:10:00",
        "eventCity": city,
    }
    for code, kind, day, city in (
        ("OF", "Out for Delivery", 29, "AUSTIN"),
        ("ZZ", "Available for Pickup", 28, None),
        ("GX", "Shipping Label Created", 27, None),
    )
]


def test_usps_tells_what_happened_the_latest_first() -> None:
    answer = {
        "trackingNumber": USPS,
        "statusCategory": "Out for Delivery",
        "trackingEvents": EVENTS,
    }
    found = where_it_is(USPS, answer)
    assert found["status"] == "out_for_delivery"
    assert [(each["status"], each["place"]) for each in found["events"]] == [
        ("out_for_delivery", "AUSTIN"),
        ("ready_for_pickup", None),
        ("label_created", None),
    ]
    assert str(found["events"][0]["happened_at"]) == "2026-11-29 08:10:00"


@pytest.mark.parametrize(
    ("category", "summary", "status"),
    [
        ("Available for Pickup", "Held at the post office", "ready_for_pickup"),
        ("Delivered", "Your item was delivered to an individual", "delivered"),
        ("Delivered", "Your item was delivered, to original sender", "returned"),
        ("Alert", "Your item is being returned to the sender", "returned"),
        ("Out-for-Delivery", "", "out_for_delivery"),
        ("Delivery Attempt: Action Needed", "Notice left", "exception"),
        ("Delivered to Agent", "Delivered to an agent for final delivery", "in_transit"),
        ("Pre-Shipment", "", "label_created"),
        ("Something New", "", "unknown"),
    ],
)
def test_the_states_of_usps(category: str, summary: str, status: str) -> None:
    found = where_it_is(USPS, {"statusCategory": category, "statusSummary": summary})
    assert (found["status"], found["delivered"]) == (status, status == "delivered")


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("Delivered, Front Door/Porch", "delivered"),
        ("Delivered, To Original Sender", "returned"),
        ("Delivered, To Agent for Final Delivery", "in_transit"),
        ("Delivered", "delivered"),
        ("", "delivered"),
    ],
)
def test_a_delivery_of_usps_is_one_to_the_recipient(kind: str, status: str) -> None:
    event = {"eventCode": "01", "eventType": kind, "eventTimestamp": "2026-11-29T08:10:00"}
    found = where_it_is(USPS, {"trackingEvents": [event]})
    assert (found["status"], found["delivered"]) == (status, status == "delivered")
    assert [each["status"] for each in found["events"]] == [status]


def test_events_of_usps_in_any_order_have_the_latest_first() -> None:
    found = where_it_is(USPS, {"trackingEvents": EVENTS[::-1]})
    assert (found["status"], found["place"]) == ("out_for_delivery", "AUSTIN")
    cut = [{**EVENTS[1], "eventTimestamp": None}, EVENTS[2]]
    assert where_it_is(USPS, {"trackingEvents": cut})["status"] == "ready_for_pickup"


def test_an_answer_of_usps_about_another_parcel_is_none_about_this_one() -> None:
    for same in (USPS, f"42078205{USPS}", " ".join((USPS[:4], USPS[4:]))):
        answer = {"trackingNumber": same, "statusCategory": "Delivered"}
        assert where_it_is(USPS, answer)["delivered"]
    found = where_it_is(USPS, {"trackingNumber": "9405", "statusCategory": "Delivered"})
    assert (found["status"], found["problem"]) == ("unknown", "USPS's answer is about 9405.")


def test_easypost_tells_what_happened_the_latest_first() -> None:
    """Recorded: details are the oldest first, with a place that may be empty."""
    details = [
        {"message": "Shipping Label Created", "status": "pre_transit",
         "datetime": "2024-07-17T05:50:01Z",
         "tracking_location": {"city": "HOUSTON", "state": "TX", "country": None}},
        {"message": "Held", "status": "available_for_pickup", "datetime": "2024-07-18T05:50:01Z",
         "tracking_location": {"city": None}},
    ]  # fmt: skip
    found = tracking_line("1", {"status": "available_for_pickup", "tracking_details": details})
    assert (found["status"], found["description"]) == ("ready_for_pickup", "Held")
    assert [(each["status"], each["place"]) for each in found["events"]] == [
        ("ready_for_pickup", None),
        ("label_created", "HOUSTON, TX"),
    ]


@pytest.mark.parametrize(
    ("words", "status"), [("Delivered, To Original Sender", "returned"), ("Delivered", "delivered")]
)
def test_what_is_back_at_the_sender_is_not_delivered_at_easypost(words: str, status: str) -> None:
    last = {"message": words, "status": "delivered", "datetime": "2024-07-18T05:50:01Z"}
    before = {"message": "Out", "status": "out_for_delivery", "datetime": "2024-07-18T05:50:01Z"}
    found = tracking_line("1", {"status": "delivered", "tracking_details": [before, last]})
    assert (found["status"], found["delivered"]) == (status, status == "delivered")
    assert [each["status"] for each in found["events"]] == [status, "out_for_delivery"]


NEWEST_FIRST = [
    {"message": "Delivered, Front Door", "status": "delivered",
     "datetime": "2024-07-19T05:50:01Z"},
    {"message": "Out for Delivery", "status": "out_for_delivery",
     "datetime": "2024-07-18T05:50:01Z"},
    {"message": "Departed", "status": "in_transit", "datetime": "2024-07-18T05:50:01Z"},
    {"message": "Shipping Label Created", "status": "pre_transit",
     "datetime": "2024-07-17T05:50:01Z"},
]  # fmt: skip


@pytest.mark.parametrize("way", [1, -1])
@pytest.mark.parametrize("moment", [None, "", "soon", 17])
@pytest.mark.parametrize("place", range(4))
def test_an_event_without_a_moment_keeps_its_place(place: int, moment: Any, way: int) -> None:
    """Nothing was sorted then: of a list with the latest first the oldest was the status."""
    cut = list(NEWEST_FIRST)
    cut[place] = {**cut[place], "datetime": moment}
    found = tracking_line("1", {"status": "delivered", "tracking_details": cut[::way]})
    assert [each["description"] for each in found["events"]] == [
        each["message"] for each in NEWEST_FIRST
    ]
    assert (found["status"], found["description"]) == ("delivered", "Delivered, Front Door")


def test_an_event_without_a_moment_stays_next_to_its_neighbor_when_others_are_sorted() -> None:
    label, departed, out, delivered = NEWEST_FIRST[::-1]
    mixed = [departed, {**out, "datetime": None}, label, delivered]
    found = tracking_line("1", {"status": "delivered", "tracking_details": mixed})
    assert [each["description"] for each in found["events"]] == [
        each["message"] for each in NEWEST_FIRST
    ]


@pytest.mark.parametrize(
    ("place", "given", "shown"),
    [
        ({"city": "HOUSTON", "state": "TX"}, "2026-12-01T05:30:00Z", "2026-11-30 23:30:00"),
        ({"state": "TX", "zip": "79901"}, "2026-07-01T05:30:00Z", "2026-06-30 23:30:00"),
        ({"city": "Berlin", "country": "DE"}, "2026-12-01T05:30:00Z", "2026-12-01 06:30:00"),
        ({"city": "HOUSTON", "state": "TX"}, "2026-12-01T05:30:00-06:00", "2026-12-01 05:30:00"),
        # EasyPost does not know the place: the carrier's local time is called UTC.
        ({"city": "BERLIN", "zip": "10119"}, "2026-12-01T05:30:00Z", "2026-12-01 05:30:00"),
        ({}, "2026-12-01T05:30:00Z", "2026-12-01 05:30:00"),
        (None, "2026-12-01T05:30:00Z", "2026-12-01 05:30:00"),
    ],
)
def test_events_of_easypost_are_by_the_clock_of_their_place(
    place: Any, given: str, shown: str
) -> None:
    """As UPS and USPS have them. Times in UTC were shown as if they were local."""
    detail = {"status": "delivered", "datetime": given, "tracking_location": place}
    tracker = {"status": "delivered", "tracking_details": [detail], "updated_at": given}
    found = tracking_line("1", tracker)
    assert (str(found["updated_at"]), str(found["events"][0]["happened_at"])) == (shown, shown)
    assert str(found["delivery_date"]) == shown[:10], "delivered, whatever day was planned"


def test_the_planned_day_of_easypost_is_that_of_the_place() -> None:
    planned = {"status": "in_transit", "est_delivery_date": "2026-12-04T02:00:00Z"}
    assert str(tracking_line("1", planned)["delivery_date"]) == "2026-12-04"
    local = {"carrier_detail": {"est_delivery_date_local": "2026-12-03"}}
    assert str(tracking_line("1", {**planned, **local})["delivery_date"]) == "2026-12-03"
    assert (
        tracking_line("1", {**planned, "updated_at": "2026-12-01T00:00:00Z"})["updated_at"] is None
    )


def test_moments_of_several_time_zones_are_compared_as_moments() -> None:
    before = {**NEWEST_FIRST[0], "message": "Before", "datetime": "2024-07-19T06:00:00+02:00"}
    after = {**NEWEST_FIRST[0], "message": "After", "datetime": "2024-07-19T05:00:00Z"}
    for given in ([before, after], [after, before]):
        found = tracking_line("1", {"status": "delivered", "tracking_details": given})
        assert [each["description"] for each in found["events"]] == ["After", "Before"]
    some = [{}, {}]
    assert latest_first(some, "datetime") == some
