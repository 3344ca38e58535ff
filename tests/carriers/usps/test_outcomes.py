"""The table of outcomes over HTTP, for every fault of a purchase under a key."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pyarrow.compute as pc
import pytest

from shipkit.carriers.accounts import Accounts
from shipkit.plan import questions
from shipkit.purchasing.late_shipments import surplus
from shipkit.purchasing.recovery import decide, void_rows
from shipkit.state import JobStatus

from .conftest import BOX, asked, job_of, run

ROWS = 3
BOUGHT = (
    "reset_after",
    "503_after",
    "502_after",
    "half",
    "cut",
    "garbled",
    "hollow",
    "no_image",
    "broken_image",
    "empty",
    "page",
    "page_403",
    "hang_after",
    "late_work",
    "key_in_progress",
    "key_in_progress_400",
)
"""Faults after which the label is there, now or soon."""
NOTHING = ("reset_before", "503_before", "500_json", "hang", "page_before")
"""Faults that look the same and bought nothing."""
WAITS = ("hang", "hang_after", "late_work")


def story(job: Any, row: int = 0) -> list[str]:
    table = job.chain().table
    return table.filter(pc.equal(table.column("row"), row)).column("event").to_pylist()


def once_each(job: Any, server: Any, rows: int = ROWS) -> bool:
    """Return whether every row has one label at USPS, and ours is that one, with its file."""
    ours = [n for some in job.results().column("tracking_numbers").to_pylist() for n in some or ()]
    theirs = [one["number"] for one in server.sold() if one["state"] == "sold"]
    kept = {label.tracking_number for label in job.labels()}
    return sorted(ours) == sorted(theirs) and len(theirs) == rows and kept == set(theirs)


@pytest.mark.parametrize("fault", BOUGHT)
def test_a_label_without_a_usable_answer_is_asked_for_by_its_key(home, server, usps, fault):
    server.fault("label", fault, times=ROWS)
    carrier = usps(timeout_s=0.6 if fault in WAITS else 5.0)
    job = job_of(home, ROWS, carrier)
    assert run(job, carrier, grace_s=1.0) is JobStatus.COMPLETED
    assert story(job) == ["intent", "prepared", "in_doubt", "adopted"]
    assert server.calls["label"] == ROWS
    assert once_each(job, server)
    assert {line["charged_cents"] for line in job.results().to_pylist()} == {868}


@pytest.mark.parametrize("fault", NOTHING)
def test_what_did_nothing_is_sent_again_as_the_very_same_bytes(home, server, usps, fault):
    server.fault("label", fault, times=ROWS)
    carrier = usps(timeout_s=0.6 if fault in WAITS else 5.0)
    job = job_of(home, ROWS, carrier)
    assert run(job, carrier, grace_s=0.7) is JobStatus.COMPLETED
    assert story(job) == ["intent", "prepared", "in_doubt", "absent", "intent", "result"]
    assert once_each(job, server)
    sent = [each for name, each in server.bodies.items() if name.startswith("label ")]
    assert [len(each) for each in sent] == [2] * ROWS
    assert all(first == second for first, second in sent)


def test_a_label_that_lands_after_absence_was_concluded_is_the_same_label(home, server, usps):
    server.late_s = 1.0
    server.fault("label", "late_work", times=ROWS)
    carrier = usps(timeout_s=0.3)
    job = job_of(home, ROWS, carrier)
    assert run(job, carrier, grace_s=0.3) is JobStatus.COMPLETED
    assert once_each(job, server)
    assert surplus(job).num_rows == 0


@pytest.mark.parametrize(
    ("fault", "code", "words"),
    [
        ("refused", "030002", "Could not find working sku"),
        ("past_day", "160001", "cannot be in the past"),
    ],
)
def test_a_refusal_of_a_first_try_fails_the_row_in_usps_words(
    home, server, usps, fault, code, words
):
    server.fault("label", fault, times=ROWS)
    carrier = usps()
    job = job_of(home, ROWS, carrier)
    assert run(job, carrier) is JobStatus.COMPLETED_WITH_ERRORS
    line = job.results().to_pylist()[0]
    assert (line["state"], line["error_code"]) == ("failed", code)
    assert words in line["error_message"]
    assert server.sold() == []


@pytest.mark.parametrize("sold", [0, 1])
def test_a_refusal_of_a_repeat_proves_nothing(home, server, usps, sold):
    """After midnight USPS may refuse yesterday's mailing date of a label that exists."""
    server.fault("label", "reset_after" if sold else "reset_before")
    server.fault("label", "past_day")
    if sold:
        server.fault("reprint", "limit", times=100)
    carrier = usps()
    job = job_of(home, 1, carrier)
    assert run(job, carrier) is JobStatus.COMPLETED_WITH_ERRORS
    [line] = job.results().to_pylist()
    assert (line["state"], len(server.sold())) == ("review", sold)
    if sold:  # the label is there, and both answers say so or nothing
        assert line["error_code"] == "label_not_shown"
        server.forget_faults()
        assert run(job, usps()) is JobStatus.COMPLETED
        assert (once_each(job, server, 1), server.calls["label"]) == (True, 2)
        return
    assert line["error_code"] == "repeat_refused"
    decide(job, [0], "resend")
    assert run(job, usps()) is JobStatus.COMPLETED
    keys = [name for name in server.bodies if name.startswith("label ")]
    assert len(keys) == 2, "a person gave the first key up"
    assert once_each(job, server, 1)


@pytest.mark.parametrize("fault", ["429", "429_retry"])
def test_too_many_requests_wait_and_are_sent_again(home, server, usps, fault, monkeypatch):
    monkeypatch.setattr("shipkit.carriers.usps.call_quota._FIRST_PAUSE_S", 0.1)
    server.fault("label", fault)
    carrier = usps()
    job = job_of(home, ROWS, carrier)
    assert run(job, carrier) is JobStatus.COMPLETED
    assert Counter(story(job, row)[-1] for row in range(ROWS)) == {"result": ROWS}
    assert once_each(job, server)


@pytest.mark.parametrize("fault", ["401", "dead_payment"])
def test_a_dead_token_is_renewed_once_and_the_same_bytes_sent_again(home, server, usps, fault):
    server.fault("label", fault)
    carrier = usps()
    job = job_of(home, ROWS, carrier)
    assert run(job, carrier) is JobStatus.COMPLETED
    assert once_each(job, server)
    assert server.calls["token"] == server.calls["payment"] == 2
    assert all(len(set(each)) == 1 for each in server.bodies.values())


@pytest.mark.parametrize("payment", [True, False])
def test_tokens_that_die_in_the_middle_are_renewed(home, server, usps, payment):
    carrier = usps()
    ship = carrier.ship

    async def then_dead(*given: Any) -> Any:
        found = await ship(*given)
        if server.calls["label"] == ROWS:
            server.expire_tokens(payment=payment)
        return found

    carrier.ship = then_dead
    job = job_of(home, 2 * ROWS, carrier)
    assert run(job, carrier) is JobStatus.COMPLETED
    assert once_each(job, server, 2 * ROWS)


@pytest.mark.parametrize("fault", ["401_scope", "403", "not_enrolled", "dead_payment"])
def test_a_refused_account_stops_the_run_and_buys_nothing(home, server, usps, fault):
    server.fault("label", fault, times=100)
    carrier = usps()
    job = job_of(home, ROWS, carrier)
    assert run(job, carrier) is JobStatus.PAUSED
    assert "refused the credentials" in job.reason
    assert server.sold() == []
    assert set(job.results().column("state").to_pylist()) == {"pending"}


@pytest.mark.parametrize("fault", ["no_funds", "no_crid"])
def test_without_a_payment_authorization_nothing_is_bought(home, server, usps, fault):
    server.fault("payment", fault, times=100)
    carrier = usps()
    job = job_of(home, ROWS, carrier)
    assert run(job, carrier) is JobStatus.PAUSED
    words = "insufficient funds" if fault == "no_funds" else "isn't enrolled in USPS Ship"
    assert words in job.reason
    server.forget_faults()
    assert run(job, usps()) is JobStatus.COMPLETED
    assert once_each(job, server)


@pytest.mark.parametrize("call", ["token", "payment"])
@pytest.mark.parametrize("fault", ["reset_after", "503_before", "garbled"])
def test_a_sign_in_without_an_answer_is_no_doubt(home, server, usps, call, fault):
    server.fault(call, fault)
    carrier = usps()
    job = job_of(home, 1, carrier)
    status = run(job, carrier)
    if fault == "garbled":  # an answer without a token stops the run
        assert status is JobStatus.PAUSED
        status = run(job, usps())
    assert status is JobStatus.COMPLETED
    assert "in_doubt" not in story(job)
    assert once_each(job, server, 1)


@pytest.mark.parametrize("fault", ["limit", "past"])
def test_a_label_that_is_not_printed_again_comes_with_the_same_request(home, server, usps, fault):
    server.fault("label", "reset_after")
    server.fault("reprint", fault, times=100)
    carrier = usps()
    job = job_of(home, 1, carrier)
    assert run(job, carrier) is JobStatus.COMPLETED
    assert story(job)[-3:] == ["absent", "intent", "result"]
    assert once_each(job, server, 1)


def test_a_label_that_was_canceled_meanwhile_waits_for_a_person(home, server, usps):
    server.fault("label", "reset_after")
    server.fault("reprint", "503_before", times=1)
    carrier = usps()
    job = job_of(home, 1, carrier)
    find = carrier.find

    async def after_a_cancel(*given: Any) -> Any:
        server._db.execute("update sold set state = 'canceled'")
        return await find(*given)

    carrier.find = after_a_cancel
    assert run(job, carrier) is JobStatus.COMPLETED_WITH_ERRORS
    [line] = job.results().to_pylist()
    assert (line["state"], line["error_code"]) == ("review", "label_not_shown")
    assert "canceled labels are unavailable" in line["error_message"]


@pytest.mark.parametrize("honors", [True, False])
def test_on_a_live_account_a_lost_answer_waits_until_repeats_are_proven(home, server, usps, honors):
    """A server that ignores keys sells once all the same: nothing is repeated unproven."""
    server.honors_keys = honors
    server.fault("label", "reset_before")
    carrier = usps(environment="live")
    job = job_of(home, 1, carrier)
    assert run(job, carrier) is JobStatus.COMPLETED_WITH_ERRORS
    [line] = job.results().to_pylist()
    assert (line["state"], line["error_code"]) == ("review", "not_found")
    assert server.calls["label"] == 1
    assert server.sold() == []


def test_on_a_live_account_a_reprint_by_key_settles_a_lost_answer(home, server, usps):
    server.fault("label", "reset_after")
    carrier = usps(environment="live")
    job = job_of(home, 1, carrier)
    assert run(job, carrier) is JobStatus.COMPLETED
    assert (server.calls["label"], story(job)[-1]) == (1, "adopted")


def test_on_a_live_account_that_is_proven_the_same_bytes_are_sent_again(home, server, usps):
    server.fault("label", "reset_before")
    carrier = usps(environment="live", repeats_proven=True)
    job = job_of(home, 1, carrier)
    assert run(job, carrier) is JobStatus.COMPLETED
    assert once_each(job, server, 1)


def test_a_price_that_rose_since_the_approval_is_not_paid(home, server, usps):
    server.dearer = 1
    carrier = usps()
    job = job_of(home, ROWS, carrier)
    assert run(job, carrier) is JobStatus.COMPLETED_WITH_ERRORS
    assert set(job.results().column("error_code").to_pylist()) == {"price_changed"}
    assert server.calls["label"] == 0


def test_the_labels_of_a_whole_job_cost_one_question_for_prices(home, server, usps):
    carrier = usps()
    job = job_of(home, 12, carrier)
    assert run(job, carrier) is JobStatus.COMPLETED
    assert server.calls["prices"] == 1
    assert (server.calls["token"], server.calls["payment"]) == (1, 1)


# -- several parcels -------------------------------------------------------------------------------

TWO = [
    {"weight_lb": 2.0, "packaging": "package", **BOX},
    {"weight_lb": 3.0, "packaging": "package", **BOX},
]
TWO_CENTS = 868 + 923


def test_several_parcels_are_one_row_with_a_key_a_label_and_a_charge_each(home, server, usps):
    carrier = usps()
    job = job_of(home, ROWS, carrier, cents=TWO_CENTS, parcels=TWO)
    assert run(job, carrier) is JobStatus.COMPLETED
    for line in job.results().to_pylist():
        assert len(line["tracking_numbers"]) == 2
        assert (line["charged_cents"], line["charge_basis"]) == (TWO_CENTS, "billed")
    assert once_each(job, server, 2 * ROWS)
    assert len({one["key"] for one in server.sold()}) == 2 * ROWS
    bodies = [b for _, path, b in server.seen if path == "/labels/v3/label"]
    assert {(b["imageInfo"]["packageNumber"], b["imageInfo"]["totalPackages"]) for b in bodies} == {
        (1, 2),
        (2, 2),
    }


@pytest.mark.parametrize("fault", ["reset_after", "503_before", "garbled", "429", "401"])
def test_a_row_bought_in_part_is_completed_under_its_keys(home, server, usps, fault, monkeypatch):
    monkeypatch.setattr("shipkit.carriers.usps.call_quota._FIRST_PAUSE_S", 0.1)
    server.fault("label", fault, skip=1)
    carrier = usps()
    job = job_of(home, 1, carrier, cents=TWO_CENTS, parcels=TWO)
    assert run(job, carrier) is JobStatus.COMPLETED
    assert once_each(job, server, 2)
    [line] = job.results().to_pylist()
    assert line["charged_cents"] == TWO_CENTS


@pytest.mark.parametrize("choice", ["resend", "skip"])
def test_a_parcel_that_is_refused_leaves_the_row_to_a_person_who_sees_what_is_bought(
    home, server, usps, choice
):
    server.fault("label", "refused", skip=1)
    carrier = usps()
    job = job_of(home, 1, carrier, cents=TWO_CENTS, parcels=TWO)
    assert run(job, carrier) is JobStatus.COMPLETED_WITH_ERRORS
    (bought,) = server.sold()
    (line,) = job.results().to_pylist()
    assert (line["state"], line["error_code"]) == ("review", "partly_bought")
    assert f"Bought: {bought['number']}." in line["error_message"]
    assert "The rest was refused: USPS: Could not find working sku" in line["error_message"]
    decide(job, [0], choice)
    if choice == "resend":
        assert run(job, usps()) is JobStatus.COMPLETED
        assert once_each(job, server, 2)
    else:
        run(job, usps())
        assert len(server.sold()) == 1
        assert surplus(job).column("tracking_numbers").to_pylist() == [[bought["number"]]]


def test_a_void_knows_all_labels_of_a_row(home, server, usps):
    carrier = usps()
    job = job_of(home, 2, carrier, cents=TWO_CENTS, parcels=TWO)
    run(job, carrier)
    done = asked(usps(), lambda one: void_rows(job, one, [0, 1]))
    assert (done.voided, done.refused) == (2, {})
    assert {one["state"] for one in server.sold()} == {"canceled"}


def test_a_dispute_is_no_refund_and_the_row_stays_shipped(home, server, usps):
    carrier = usps()
    job = job_of(home, 1, carrier, cents=TWO_CENTS, parcels=TWO)
    run(job, carrier)
    server.disputes = True
    done = asked(usps(), lambda one: void_rows(job, one, [0]))
    assert done.voided == 0
    assert "opened the dispute 103789" in done.refused[0].message
    assert job.results().column("state").to_pylist() == ["shipped"]
    assert [one["state"] for one in server.sold()].count("disputed") == 1, "it stops at the first"


@pytest.mark.parametrize("fault", ["refused", "reset_before"])
def test_a_row_of_which_some_labels_are_canceled_has_the_others(home, server, usps, fault):
    carrier = usps()
    job = job_of(home, 1, carrier, cents=TWO_CENTS, parcels=TWO)
    run(job, carrier)
    first, second = job.results().column("tracking_numbers").to_pylist()[0]
    server.fault("cancel", fault, times=1 if fault == "refused" else 9, skip=1)
    done = asked(usps(), lambda one: void_rows(job, one, [0]))
    assert (done.voided, [*done.refused]) == (0, [0])
    [line] = job.results().to_pylist()
    assert (line["state"], line["tracking_numbers"]) == ("shipped", [second])
    assert line["charged_cents"] == 923, "each label has its own price"
    assert f"1 label of 2 voided ({first}), and the charge no longer" in line["error_message"]
    assert [one.tracking_number for one in job.labels()] == [second], "the other must not be used"
    assert tracker_numbers(job, usps()) == [second]
    server.forget_faults()
    done = asked(usps(), lambda one: void_rows(job, one, [0]))
    assert (done.voided, done.refused) == (1, {})
    [line] = job.results().to_pylist()
    assert (line["state"], line["tracking_numbers"]) == ("voided", [first, second])
    assert line["charged_cents"] == TWO_CENTS, "it is the record"
    assert (line["error_code"], line["error_message"]) == (None, None)
    assert {one["state"] for one in server.sold()} == {"canceled"}


def tracker_numbers(job, carrier):
    """Return the numbers of which it is asked where they are."""
    found = asked(carrier, lambda one: questions.track(job.results(), Accounts.of(one)))
    return found.column("tracking_number").to_pylist()
