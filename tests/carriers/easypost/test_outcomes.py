"""The table of outcomes over HTTP, for every fault of the money step and of the step before it."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pyarrow.compute as pc
import pytest

from shipkit.carriers.easypost import EasyPost
from shipkit.models import Refund
from shipkit.purchasing.late_shipments import surplus
from shipkit.purchasing.recovery import decide, update_refunds, void_rows
from shipkit.purchasing.result import BatchResult
from shipkit.purchasing.spend import Spend
from shipkit.state import JobStatus

from .conftest import asked, job_of, run

ROWS = 3
BOUGHT = (
    "reset_after",
    "503_after",
    "502_after",
    "504_after",
    "half",
    "garbled",
    "hollow",
    "empty",
    "no_response",
    "timed_out_after",
    "unknown_code",
    "late_work",
    "in_progress",
    "hang_after",
    "no_number",
)
"""Faults of a purchase after which the label is there, now or soon."""
NOTHING = ("reset_before", "503_before", "500_json", "hang", "timed_out", "in_progress_never")
"""Faults of a purchase that look the same and bought nothing."""
WAITS = ("hang", "hang_after", "late_work")


def story(job: Any, row: int = 0) -> list[str]:
    table = job.chain().table
    return table.filter(pc.equal(table.column("row"), row)).column("event").to_pylist()


def once_each(job: Any, server: Any) -> bool:
    """Return whether every row has one label at EasyPost, and ours is that one."""
    ours = [n for some in job.results().column("tracking_numbers").to_pylist() for n in some or ()]
    theirs = [one["number"] for one in server.sold() if not one["refund"]]
    kept = {label.tracking_number for label in job.labels()}
    return sorted(ours) == sorted(theirs) and len(set(theirs)) == ROWS and kept == set(theirs)


@pytest.mark.parametrize("fault", BOUGHT)
def test_a_purchase_without_a_usable_answer_is_read_by_its_id(home, server, easypost, fault):
    server.fault("buy", fault, times=ROWS)
    carrier = easypost(timeout_s=0.6 if fault in WAITS else 5.0)
    job = job_of(home, ROWS, carrier)
    assert run(job, carrier, grace_s=1.0) is JobStatus.COMPLETED
    assert story(job) == ["intent", "prepared", "in_doubt", "adopted"]
    assert (server.calls["create"], server.calls["buy"]) == (ROWS, ROWS)
    assert once_each(job, server)
    assert server.objections == []


@pytest.mark.parametrize("fault", NOTHING)
def test_a_purchase_that_did_nothing_is_sent_again_under_the_same_id(home, server, easypost, fault):
    server.fault("buy", fault, times=ROWS)
    carrier = easypost(timeout_s=0.6 if fault in WAITS else 5.0)
    job = job_of(home, ROWS, carrier)
    assert run(job, carrier, grace_s=0.7) is JobStatus.COMPLETED
    assert story(job) == ["intent", "prepared", "in_doubt", "absent", "intent", "result"]
    assert (server.calls["create"], server.calls["buy"]) == (ROWS, 2 * ROWS)
    assert once_each(job, server)


def test_a_purchase_that_lands_after_absence_was_concluded_is_one_label(home, server, easypost):
    """The second purchase is refused with SHIPMENT.POSTAGE.EXISTS, and the first one is adopted."""
    server.late_s = 1.0
    server.fault("buy", "late_work", times=ROWS)
    carrier = easypost(timeout_s=0.3)
    job = job_of(home, ROWS, carrier)
    assert run(job, carrier, grace_s=0.3) is JobStatus.COMPLETED
    assert once_each(job, server)
    assert surplus(job).num_rows == 0


@pytest.mark.parametrize("fault", ["exists", "no_url"])
def test_a_purchase_that_is_there_is_a_result(home, server, easypost, fault):
    server.fault("buy", fault, times=ROWS)
    carrier = easypost()
    job = job_of(home, ROWS, carrier)
    assert run(job, carrier) is JobStatus.COMPLETED
    assert story(job) == ["intent", "prepared", "result"]
    assert once_each(job, server)


@pytest.mark.parametrize(
    ("fault", "code", "said"),
    [
        ("failure", "SHIPMENT.POSTAGE.FAILURE", "The carrier does not take this parcel."),
        ("422_objects", "PARAMETER.INVALID", "parcel.weight: is too heavy"),
        ("422_texts", "UNPROCESSABLE_ENTITY", "The parcel is too heavy."),
    ],
)
def test_a_refusal_is_failed_in_the_carriers_words(home, server, easypost, fault, code, said):
    server.fault("buy", fault, times=ROWS)
    carrier = easypost()
    job = job_of(home, ROWS, carrier)
    assert run(job, carrier) is JobStatus.COMPLETED_WITH_ERRORS
    line = job.results().to_pylist()[0]
    assert (line["state"], line["error_code"]) == ("failed", code)
    assert said in line["error_message"]
    assert server.sold() == []


@pytest.mark.parametrize("fault", ["429", "429_retry"])
@pytest.mark.parametrize("call", ["create", "buy"])
def test_too_many_requests_wait_and_are_sent_again(home, server, easypost, call, fault):
    server.fault(call, fault)
    carrier = easypost()
    job = job_of(home, ROWS, carrier)
    assert run(job, carrier) is JobStatus.COMPLETED
    assert Counter(story(job, row)[-1] for row in range(ROWS)) == {"result": ROWS}
    assert server.calls["create"] == ROWS + (call == "create")
    assert once_each(job, server)


@pytest.mark.parametrize("fault", ["401", "403"])
def test_a_refused_key_stops_the_run_and_buys_nothing(home, server, easypost, fault):
    server.fault("buy", fault, times=ROWS)
    carrier = easypost()
    job = job_of(home, ROWS, carrier)
    assert run(job, carrier) is JobStatus.PAUSED
    assert "refused the credentials" in job.reason
    assert server.sold() == []
    assert set(job.results().column("state").to_pylist()) == {"pending"}


def test_without_funds_the_run_stops_and_goes_on_later_under_the_same_ids(home, server, easypost):
    server.fault("buy", "402", times=ROWS)
    carrier = easypost()
    job = job_of(home, ROWS, carrier)
    assert run(job, carrier) is JobStatus.PAUSED
    assert job.reason.startswith("EasyPost cannot charge the account: Insufficient funds.")
    created = server.calls["create"]
    server._faults.clear()
    assert run(job, easypost()) is JobStatus.COMPLETED
    assert created <= server.calls["create"] == ROWS
    assert once_each(job, server)


@pytest.mark.parametrize(
    "fault", ["reset_after", "503_after", "half", "garbled", "hollow", "empty", "500_json"]
)
def test_a_lost_answer_of_the_first_step_is_no_doubt(home, server, easypost, fault):
    server.fault("create", fault)
    carrier = easypost()
    job = job_of(home, ROWS, carrier)
    assert run(job, carrier) is JobStatus.COMPLETED
    events = {event for row in range(ROWS) for event in story(job, row)}
    assert events == {"intent", "not_sent", "prepared", "result"}
    assert once_each(job, server)


@pytest.mark.parametrize("fault", ["503_before", "garbled", "429", "hang"])
def test_a_look_up_without_an_answer_concludes_nothing(home, server, easypost, fault):
    server.fault("buy", "reset_after", times=1)
    server.fault("get", fault, times=2)
    carrier = easypost(timeout_s=0.6)
    job = job_of(home, 1, carrier)
    assert run(job, carrier) is JobStatus.COMPLETED
    assert story(job)[-1] == "adopted"
    assert len(server.sold()) == 1


def test_an_expired_rate_is_priced_again_and_bought_unless_it_rose(home, server, easypost):
    server.fault("buy", "rates_gone")
    carrier = easypost()
    job = job_of(home, ROWS, carrier)
    assert run(job, carrier) is JobStatus.COMPLETED
    assert server.calls["rerate"] == 1
    assert once_each(job, server)


def test_an_expired_rate_that_rose_is_not_paid(home, server, easypost):
    server.fault("buy", "rates_gone", times=1)
    carrier = easypost()
    job = job_of(home, 1, carrier)
    prepare = carrier.prepare

    async def then_dearer(*given: Any) -> Any:
        found = await prepare(*given)
        server.dearer = 1
        return found

    carrier.prepare = then_dearer
    assert run(job, carrier) is JobStatus.COMPLETED_WITH_ERRORS
    [line] = job.results().to_pylist()
    assert line["error_code"] == "price_changed"
    assert "$6.25 was approved, and it is $7.25 now. Nothing was bought." in line["error_message"]
    assert server.sold() == []


def test_a_price_that_rose_since_the_approval_is_not_paid(home, server, easypost):
    server.dearer = 1
    carrier = easypost()
    job = job_of(home, ROWS, carrier)
    assert run(job, carrier) is JobStatus.COMPLETED_WITH_ERRORS
    assert set(job.results().column("error_code").to_pylist()) == {"price_changed"}
    assert (server.calls["buy"], server.sold()) == (0, [])


BUSY = [{"carrier": "USPS", "type": "rate_error", "message": "Too Many Requests"}]


@pytest.mark.parametrize(("ratings", "created"), [(1, 1), (3, 2)])
def test_a_carrier_that_gives_no_price_for_a_moment_is_asked_again(
    home, server, easypost, ratings, created
):
    server.silent, server.messages, server.silent_for = frozenset({"USPS"}), BUSY, ratings
    carrier = easypost()
    job = job_of(home, 1, carrier)
    assert run(job, carrier) is JobStatus.COMPLETED
    assert (server.calls["create"], server.calls["buy"]) == (created, 1)


def test_a_carrier_that_gives_no_price_fails_the_row_in_its_own_words(home, server, easypost):
    server.silent, server.messages = frozenset({"USPS"}), BUSY
    carrier = easypost()
    job = job_of(home, 1, carrier)
    assert run(job, carrier) is JobStatus.COMPLETED_WITH_ERRORS
    [line] = job.results().to_pylist()
    assert (line["state"], line["error_code"]) == ("failed", "no_rate")
    assert line["error_message"] == "USPS: Too Many Requests. Nothing was bought."
    assert server.sold() == []


# -- label files -----------------------------------------------------------------------------------


@pytest.mark.parametrize("label", ["png", "pdf", "zpl"])
@pytest.mark.parametrize("fault", ["404", "half", "garbled", "empty", "503_before", "reset_before"])
def test_a_late_or_broken_file_is_asked_for_again(home, server, easypost, label, fault):
    server.fault("file", fault, times=2)
    carrier = easypost()
    job = job_of(home, ROWS, carrier, label=label)
    assert run(job, carrier) is JobStatus.COMPLETED
    assert once_each(job, server)
    assert {one.format for one in job.labels()} == {label}
    assert server.calls["buy"] == ROWS


def test_the_host_of_the_files_is_never_sent_the_key(home, server, easypost):
    carrier = easypost()
    run(job_of(home, ROWS, carrier), carrier)
    assert len(server.file_headers) == ROWS
    assert not any("authorization" in map(str.lower, each) for each in server.file_headers)


def test_a_file_that_never_comes_does_not_lose_the_purchase(home, server, easypost):
    server.fault("file", "404", times=1000)
    carrier = easypost(timeout_s=0.5)
    job = job_of(home, ROWS, carrier)
    assert run(job, carrier) is JobStatus.COMPLETED
    lines = job.results().to_pylist()
    assert {line["state"] for line in lines} == {"shipped"}
    assert sorted(line["tracking_number"] for line in lines) == sorted(
        one["number"] for one in server.sold()
    )
    assert list(job.labels()) == []
    server._faults.clear()
    carrier = easypost()
    assert run(job, carrier) is JobStatus.COMPLETED, "what a person calls resume"
    assert once_each(job, server)
    assert story(job) == ["intent", "prepared", "result", "labels"]
    assert (server.calls["buy"], job.results().to_pylist()) == (ROWS, lines)


# -- several parcels -------------------------------------------------------------------------------

TWO = [{"weight_lb": 2.0, "packaging": "package"}, {"weight_lb": 3.0, "packaging": "package"}]
GROUND = {"service": "ups:ground", "parcels": TWO}
TWO_CENTS = 941 + 32 + 941 + 48


def test_several_parcels_are_one_order_with_a_label_each(home, server, easypost):
    carrier = easypost()
    job = job_of(home, ROWS, carrier, cents=TWO_CENTS, **GROUND)
    assert run(job, carrier) is JobStatus.COMPLETED
    for line in job.results().to_pylist():
        assert len(line["tracking_numbers"]) == 2
        assert (line["charged_cents"], line["charge_basis"]) == (TWO_CENTS, "estimated")
    assert (server.calls["order"], server.calls["order_buy"], len(server.sold())) == (3, 3, 6)
    assert len(list(job.labels())) == 6


@pytest.mark.parametrize("fault", ["reset_after", "503_before", "part", "garbled"])
def test_an_order_without_a_whole_answer_is_settled_by_its_id(home, server, easypost, fault):
    server.fault("order_buy", fault, times=ROWS)
    carrier = easypost()
    job = job_of(home, ROWS, carrier, cents=TWO_CENTS, **GROUND)
    assert run(job, carrier) is JobStatus.COMPLETED
    numbers = [line["tracking_numbers"] for line in job.results().to_pylist()]
    assert [len(some) for some in numbers] == [2] * ROWS
    assert sorted(n for some in numbers for n in some) == sorted(
        one["number"] for one in server.sold()
    )
    assert server.calls["order"] == ROWS


@pytest.mark.parametrize("choice", ["resend", "skip"])
def test_an_order_bought_in_part_is_shown_to_the_person_who_decides(home, server, easypost, choice):
    server.fault("order_buy", "part")
    carrier = easypost()
    job = job_of(home, 1, carrier, cents=TWO_CENTS, resend="ask", **GROUND)
    assert run(job, carrier) is JobStatus.COMPLETED_WITH_ERRORS
    (bought,) = server.sold()
    (line,) = job.results().to_pylist()
    assert (line["state"], line["error_code"]) == ("review", "partly_bought")
    assert "bought 1 of 2 parcels" in line["error_message"]
    assert f"Bought: {bought['number']}." in line["error_message"]
    decide(job, [0], choice)
    if choice == "resend":
        assert run(job, carrier) is JobStatus.COMPLETED
        assert len(server.sold()) == 2
        assert surplus(job).num_rows == 0
    else:
        run(job, carrier)
        assert len(server.sold()) == 1
        assert surplus(job).column("tracking_numbers").to_pylist() == [[bought["number"]]]


def test_the_rest_of_an_order_that_is_refused_is_said(home, server, easypost):
    server.fault("order_buy", "part")
    server.fault("buy", "failure")
    carrier = easypost()
    job = job_of(home, 1, carrier, cents=TWO_CENTS, **GROUND)
    assert run(job, carrier) is JobStatus.COMPLETED
    table = job.chain().table.to_pylist()
    last = [entry for entry in table if entry["state"]][-1]
    assert (last["event"], len(last["tracking_numbers"])) == ("result", 1)
    assert "1 of 2 parcels were not bought" in last["details"]
    assert len(server.sold()) == 1


@pytest.mark.parametrize("decided", ["rejected", "refunded"])
def test_a_row_in_part_says_what_became_of_the_refund_of_its_voided_label(
    home, server, easypost, decided
):
    parcel = {"weight_lb": 2.0, "packaging": "package"}
    two = {"service": "ups:ground", "parcels": [parcel, parcel]}
    job = job_of(home, 1, easypost(), cents=1946, **two)
    run(job, easypost())
    first, second = job.results().column("tracking_numbers").to_pylist()[0]
    server.fault("refund", "422_texts", times=1, skip=1)
    asked(easypost(), lambda one: void_rows(job, one, [0]))
    asked(easypost(), lambda one: update_refunds(job, one))
    [before] = job.results().to_pylist()
    assert (before["state"], before["tracking_numbers"]) == ("shipped", [second])
    server.decide_refunds(decided, first)
    for _ in range(2):  # it is noted once
        asked(easypost(), lambda one: update_refunds(job, one))
        [line] = job.results().to_pylist()
        assert (line["state"], line["tracking_numbers"], line["refund"]) == (
            *("shipped", [second]),
            None,
        )
        back = decided == "refunded"
        more = ", and the charge no longer counts it" if back else ""
        assert line["error_message"] == (
            f"{before['error_message']} The carrier's answer about the refund of {first}: "
            f"{decided}{more}."
        )
        assert (before["charged_cents"], line["charged_cents"]) == (1946, 973 if back else 1946)
        assert BatchResult.of(job).total_charged.cents == line["charged_cents"]
    done = asked(easypost(), lambda one: void_rows(job, one, [0]))
    assert (done.voided, done.refused) == (1, {})
    [line] = job.results().to_pylist()
    assert (line["tracking_numbers"], line["refund"]) == ([first, second], "submitted")


def test_a_rejected_refund_of_one_parcel_is_the_charge_of_that_one(home, server, easypost):
    """It counted the whole order as charged, although the money of the others was back."""
    parcel = {"weight_lb": 2.0, "packaging": "package"}
    three = {"service": "ups:ground", "parcels": [parcel] * 3}
    job = job_of(home, 1, easypost(), cents=2919, **three)
    run(job, easypost())
    numbers = job.results().column("tracking_numbers").to_pylist()[0]
    done = asked(easypost(), lambda one: void_rows(job, one, [0]))
    assert (done.voided, BatchResult.of(job).total_charged.cents) == (1, 2919)

    def look() -> tuple[str, int, int]:
        asked(easypost(), lambda one: update_refunds(job, one))
        [line] = job.results().to_pylist()
        total = BatchResult.of(job).totals
        with job.own("test") as ledger:
            spent = Spend.of(job, ledger).spent
        return line["refund"], spent, sum(each.cents for each in total.values())

    server.decide_refunds("refunded", numbers[0])
    assert look() == ("submitted", 1946, 1946)
    server.decide_refunds("rejected", numbers[1])
    assert look() == ("rejected", 1946, 1946)
    entries = job.chain().table.num_rows
    assert look() == ("rejected", 1946, 1946)
    assert job.chain().table.num_rows == entries, "it is noted once"
    server.decide_refunds("refunded", numbers[2])  # it was not decided with the other one
    assert look() == ("rejected", 973, 973)
    server.decide_refunds("refunded", numbers[1])
    asked(easypost(), lambda one: void_rows(job, one, [0]))
    [line] = job.results().to_pylist()
    assert (line["refund"], line["charged_cents"]) == ("refunded", 2919), "it is the record"
    assert not sum(each.cents for each in BatchResult.of(job).totals.values())


def test_a_row_in_part_asks_on_when_the_refund_of_one_label_is_rejected(home, server, easypost):
    three = {"service": "ups:ground", "parcels": [{"weight_lb": 2.0, "packaging": "package"}] * 3}
    job = job_of(home, 1, easypost(), cents=2919, **three)
    run(job, easypost())
    first, second, third = job.results().column("tracking_numbers").to_pylist()[0]
    server.fault("refund", "422_texts", times=1, skip=2)
    asked(easypost(), lambda one: void_rows(job, one, [0]))
    [before] = job.results().to_pylist()
    words = before["error_message"]
    for label, decided, cents, more in (
        (first, "rejected", 2919, ""),
        (second, "refunded", 1946, ", and the charge no longer counts it"),
    ):
        server.decide_refunds(decided, label)
        words += f" The carrier's answer about the refund of {label}: {decided}{more}."
        for _ in range(2):  # it is noted once
            asked(easypost(), lambda one: update_refunds(job, one))
            [line] = job.results().to_pylist()
            assert (line["state"], line["tracking_numbers"]) == ("shipped", [third])
            assert (line["charged_cents"], line["error_message"]) == (cents, words)


def test_a_void_that_is_answered_with_a_rejection_asks_about_the_other_labels(
    home, server, easypost, monkeypatch
):
    """The answer about all was rejected at once, and it is not said of which label."""
    void = EasyPost.void

    async def rejected(self: EasyPost, purchase: Any) -> Refund:
        await void(self, purchase)
        return Refund.REJECTED

    three = {"service": "ups:ground", "parcels": [{"weight_lb": 2.0, "packaging": "package"}] * 3}
    job = job_of(home, 1, easypost(), cents=2919, **three)
    run(job, easypost())
    numbers = job.results().column("tracking_numbers").to_pylist()[0]
    with monkeypatch.context() as patched:
        patched.setattr(EasyPost, "void", rejected)
        asked(easypost(), lambda one: void_rows(job, one, [0]))
    for label, decided, cents in zip(
        numbers, ("rejected", "refunded", "refunded"), (2919, 1946, 973), strict=True
    ):
        server.decide_refunds(decided, label)
        asked(easypost(), lambda one: update_refunds(job, one))
        [line] = job.results().to_pylist()
        assert (line["state"], line["refund"], line["charged_cents"]) == (
            *("voided", "rejected"),
            cents,
        )
        assert BatchResult.of(job).total_charged.cents == cents


def test_voiding_again_asks_about_the_other_labels_where_a_rejected_one_is_refused(
    home, server, easypost
):
    two = {"service": "ups:ground", "parcels": [{"weight_lb": 2.0, "packaging": "package"}] * 2}
    job = job_of(home, 1, easypost(), cents=1946, **two)
    run(job, easypost())
    first, second = job.results().column("tracking_numbers").to_pylist()[0]
    asked(easypost(), lambda one: void_rows(job, one, [0]))
    server.decide_refunds("rejected", first)
    asked(easypost(), lambda one: update_refunds(job, one))
    server.decide_refunds("refunded", second)
    server.fault("refund", "422_texts", times=1)
    done = asked(easypost(), lambda one: void_rows(job, one, [0]))
    assert (done.voided, list(done.refused)) == (0, [0])
    [line] = job.results().to_pylist()
    assert (line["state"], line["refund"], line["charged_cents"]) == ("voided", "rejected", 973)
