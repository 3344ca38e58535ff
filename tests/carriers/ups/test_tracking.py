"""What UPS says of a parcel on its way, in the words of every carrier."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from shipkit.carriers.ups.tracking_answers import tracking
from shipkit.plan.questions import TRACKING
from shipkit.purchasing import last_look


def answer(kind: str, code: str, number: str, *, where: str = "current") -> dict[str, Any]:
    """A Track answer in the shape of Tracking.yaml; UPS puts the number in several places."""
    status = {"type": kind, "code": code, "description": "As UPS says"}
    package: dict[str, Any] = {
        "trackingNumber": "1Z1",
        "currentStatus": {"description": "As UPS says"},
        "activity": [
            {
                "date": "20261128",
                "time": "093000",
                "location": {"address": {"city": "Louisville", "stateProvince": "KY"}},
                "status": status,
            }
        ],
    }
    match where:
        case "current":
            package["currentStatus"]["code"] = number
        case "statusCode":
            package["currentStatus"] |= {"code": code, "statusCode": number}
        case "activity":
            package["currentStatus"]["code"] = code
            status["statusCode"] = number
        case "package":
            package["statusCode"] = number
    return {"trackResponse": {"shipment": [{"package": [package]}]}}


@pytest.mark.parametrize("where", ["current", "statusCode", "activity", "package"])
@pytest.mark.parametrize(
    ("letters", "number", "status", "delivered"),
    [
        # UPS-API/api-documentation#7; a recorded answer of 2021 has type I, code OT
        (("I", "OT"), "021", "out_for_delivery", False),
        (("I", "MP"), "003", "label_created", False),
        (("I", "PU"), "038", "picked_up", False),
        (("I", "ZP"), "040", "ready_for_pickup", False),
        (("I", "RS"), "035", "returned", False),
        (("D", "RS"), "034", "returned", False),
        (("D", "FS"), "011", "delivered", True),
        (("I", "DP"), "005", "in_transit", False),
        (("I", "LD"), "072", "out_for_delivery", False),
        (("X", "48"), "048", "exception", False),
        (("X", "48"), "022", "exception", False),
        (("D", "ZQ"), "017", "ready_for_pickup", False),
        (("D", "D1"), "026", "delivered", True),
        (("MV", "VP"), "007", "voided", False),
    ],
)
def test_the_numeric_status_tells(
    letters: tuple[str, str], number: str, status: str, where: str, *, delivered: bool
) -> None:
    found = tracking(answer(*letters, number, where=where), "1Z1")
    assert (found["status"], found["delivered"]) == (status, delivered)


@pytest.mark.parametrize(
    ("kind", "code", "status"),
    [
        ("I", "OT", "out_for_delivery"),
        ("D", "RS", "returned"),
        ("D", "FS", "delivered"),
        ("M", "MP", "label_created"),
        ("MV", "MP", "voided"),
        ("X", "OT", "exception"),
        ("I", "DP", "in_transit"),
        ("??", "??", "unknown"),
    ],
)
def test_without_a_number_the_letters_tell(kind: str, code: str, status: str) -> None:
    assert tracking(answer(kind, code, ""), "1Z1")["status"] == status


def test_the_history_is_told_event_by_event() -> None:
    body = answer("D", "FS", "011")
    package = body["trackResponse"]["shipment"][0]["package"][0]
    package["activity"].append(
        {
            "date": "20261127",
            "time": "80000",
            "status": {"type": "I", "code": "OT", "statusCode": "021"},
        }
    )
    events = tracking(body, "1Z1")["events"]
    assert [(e["status"], e["status_code"], f"{e['happened_at']}") for e in events] == [
        ("delivered", "FS", "2026-11-28 09:30:00"),
        ("out_for_delivery", "021", "2026-11-27 08:00:00"),
    ]
    assert events[0]["place"] == "Louisville, KY"
    assert tracking(None, "1Z1")["events"] == []


def test_a_rescheduled_day_goes_before_the_first_one() -> None:
    body = answer("I", "DP", "005")
    package = body["trackResponse"]["shipment"][0]["package"][0]
    package["deliveryDate"] = [
        {"type": "SDD", "date": "20261127"},
        {"type": "RDD", "date": "20261201"},
    ]
    assert f"{tracking(body, '1Z1')['delivery_date']}" == "2026-12-01"


def look(**statuses: str) -> pa.Table:
    return pa.Table.from_pylist(
        [
            {
                "tracking_number": number,
                "status": status,
                "problem": "no answer" if status == "unknown" else None,
            }
            for number, status in statuses.items()
        ],
        schema=TRACKING,
    )


def test_changes_are_what_moved_since_the_last_look(tmp_path: Path) -> None:
    def since(now: pa.Table) -> list[tuple[str, str | None, str]]:
        found = last_look.changes(tmp_path, now)
        last_look.remember(tmp_path, now)
        return [
            (each["tracking_number"], each["status_before"], each["status"])
            for each in found.to_pylist()
        ]

    first = since(look(a="label_created", b="in_transit"))
    assert first == [("a", None, "label_created"), ("b", None, "in_transit")]
    assert since(look(a="label_created", b="in_transit")) == []
    assert since(look(a="picked_up", b="unknown")) == [("a", "label_created", "picked_up")]
    # A parcel without an answer keeps what was known of it: no change then, and none after.
    assert since(look(a="picked_up", b="in_transit", c="delivered")) == [("c", None, "delivered")]
    (tmp_path / "tracking.parquet").write_bytes(b"damaged")
    assert len(since(look(a="picked_up"))) == 1
