"""Pickups of a job: the price first, agreed to, booked once, canceled."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import shutil
from dataclasses import replace
from typing import Any

import pytest

import shipkit as sk
from shipkit.carriers.accounts import Accounts
from shipkit.carriers.after_purchase import PickupOffer, PickupRequest
from shipkit.carriers.sandbox import Faults, pickup_desk
from shipkit.cli import main
from shipkit.cli.advice import for_command_line
from shipkit.common.local_day import local_day
from shipkit.errors import (
    AnswerLost,
    ApprovalRequired,
    CarrierRejected,
    CarrierUnreachable,
    InputError,
    SpendLimitExceeded,
)
from shipkit.purchasing.approval import SpendLimits
from shipkit.purchasing.handover import pickup_run
from shipkit.purchasing.handover.picked_parcels import PickedParcels
from shipkit.purchasing.recovery.pruning import prune, prune_job
from shipkit.purchasing.spend import Spend
from shipkit.purchasing.store import JobStore
from shipkit.purchasing.store.entries import LedgerEntry

from .conftest import SHOP, order

MONDAY = local_day(SHOP) + dt.timedelta(days=7 - local_day(SHOP).weekday())


@pytest.fixture(autouse=True)
def _in_the_morning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pickup_run, "_time_at", lambda _: dt.time(8, 0))


def in_books(sandbox: Any) -> list[tuple[Any, ...]]:
    query = "SELECT number, cents, canceled_at IS NOT NULL FROM pickups"
    return list(asyncio.run(sandbox.books.run(lambda con: con.execute(query).fetchall())))


def test_the_price_is_agreed_to_and_a_second_booking_changes_nothing(bought, sandbox):
    job = bought(order(1), order(2), order(3, is_return=True))
    pickup = job.pickup(MONDAY, ready="10:00", close="16:30", instructions="Dock 2")
    assert (pickup.state, pickup.price, pickup.number) == ("offered", sk.Money.of("6.25"), None)
    assert (in_books(sandbox), job.pickups) == ([], ())
    for wrong in (pickup.status, pickup.cancel, pickup.forget):
        with pytest.raises(InputError, match="not"):
            wrong()
    with pytest.raises(ApprovalRequired, match=r"\$6\.25"):
        pickup.book()
    with pytest.raises(ApprovalRequired, match=r"\$6\.00 was agreed"):
        pickup.book(confirm_total="6.00")
    pickup.book(confirm_total="6.25")
    assert pickup.book().number == pickup.number
    assert in_books(sandbox) == [(pickup.number, 625, 0)]
    assert pickup.status() == "scheduled"
    with pytest.raises(InputError, match="booked already"):
        job.pickup(MONDAY)
    assert f"sandbox {pickup.number} | {MONDAY}, 10:00 to 16:30 | 2 shipments" in repr(pickup)


def test_it_is_kept_with_the_job_and_canceled_by_another_process(bought, sandbox, tmp_path):
    job = bought(order(1))
    number = job.pickup(MONDAY, clause="order_id = 'SO-1'").book(confirm_total="6.25").number
    with sk.Job.open(job.job_id, home=tmp_path, carrier=sandbox) as again:
        [kept] = again.pickups
        assert (kept.number, kept.state, kept.day) == (number, "booked", MONDAY)
        assert kept.cancel().cancel().state == "canceled"
        assert again.pickup(MONDAY).state == "offered", "a new one may be asked for"
        with pytest.raises(InputError, match="is canceled"):
            kept.book()
    assert [row[2] for row in in_books(sandbox)] == [1]


@pytest.mark.parametrize("fault", ["lost", "error_after", "lost_before", "rate_limited"])
def test_a_lost_answer_books_no_second_one(bought, sandbox, fault):
    pickup = bought(order(1)).pickup(MONDAY)
    sandbox.faults = Faults(on=frozenset({"pickup"}), first=1, **{fault: 1.0})
    pickup.book(confirm_total="6.25")
    assert [row[0] for row in in_books(sandbox)] == [pickup.number]


def test_a_request_that_lands_after_its_look_up_books_no_second_one(bought, sandbox):
    job = bought(order(1))
    entry = job.pickup(MONDAY)._entry
    parcels = PickedParcels.of(job.store, Accounts.of(sandbox), entry.rows)
    request = parcels.request(entry)

    async def asked(*, asked_before: bool) -> str:
        booked = await sandbox.book_pickup(request, entry.offer, asked_before=asked_before)
        return str(booked.number)

    number = asyncio.run(asked(asked_before=True))  # the first one is still on its way
    assert asyncio.run(asked(asked_before=False)) == number
    assert [row[0] for row in in_books(sandbox)] == [number]


def test_one_in_doubt_is_on_disk_and_looked_up_or_given_up(bought, sandbox, tmp_path):
    job = bought(order(1))
    sandbox.faults = Faults(on=frozenset({"pickup"}), lost=1.0)
    pickup = job.pickup(MONDAY)
    with pytest.raises(AnswerLost):
        pickup.book(confirm_total="6.25")
    assert pickup.state == "in_doubt"
    with pytest.raises(InputError, match="may be booked"):
        job.pickup(MONDAY)
    sandbox.faults = Faults()
    with sk.Job.open(job.job_id, home=tmp_path, carrier=sandbox) as again:
        [found] = again.pickups
        assert found.book().state == "booked", "it was agreed to before it was sent"
        with pytest.raises(InputError, match="not in doubt"):
            found.forget()
    assert len({row[0] for row in in_books(sandbox)}) == 1
    sandbox.faults = Faults(on=frozenset({"pickup"}), lost_before=1.0)
    other = bought(order(5)).pickup(MONDAY)
    with pytest.raises(AnswerLost):
        other.book(confirm_total="6.25")
    assert other.forget().state == "refused"


class Canceling:
    """Cancels at the sandbox as USPS does: what is gone is refused, and answers are lost."""

    def __init__(self, sandbox: Any, *, lost: int) -> None:
        self._cancel, self._lost, self.gone = sandbox.cancel_pickup, lost, False
        self.asked: list[bool] = []

    async def __call__(self, request: Any, booked: Any, *, asked_before: bool) -> None:
        self.asked.append(asked_before)
        if self.gone and not asked_before:
            raise CarrierRejected("Case number not found.")
        await self._cancel(request, booked, asked_before=asked_before)
        self.gone = True
        if len(self.asked) <= self._lost:
            raise AnswerLost("No usable answer.")


def test_a_cancellation_whose_answer_was_lost_is_asked_for_again(bought, sandbox, monkeypatch):
    job = bought(order(1))
    pickup = job.pickup(MONDAY).book(confirm_total="6.25")
    desk = Canceling(sandbox, lost=9)
    monkeypatch.setattr(sandbox, "cancel_pickup", desk)
    with pytest.raises(AnswerLost):
        pickup.cancel()
    assert (desk.asked[0], set(desk.asked[1:])) == (False, {True}), "the repeat says so"
    [kept] = job.pickups
    assert (kept.state, "it was asked to be canceled" in kept.warnings[-1]) == ("booked", True)
    count = len(desk.asked)
    desk._lost = 0
    assert kept.cancel().state == "canceled"
    assert desk.asked[count:] == [True], "by what is on disk, in any process"
    assert kept.warnings == ()


def test_a_cancellation_that_no_one_confirms_can_be_forgotten(bought, sandbox, monkeypatch):
    job = bought(order(1))
    pickup = job.pickup(MONDAY).book(confirm_total="6.25")

    async def refused(*_: Any, **__: Any) -> None:
        raise CarrierRejected("USPS did not say the number of this pickup.")

    monkeypatch.setattr(sandbox, "cancel_pickup", refused)
    with pytest.raises(InputError, match="not in doubt"):
        pickup.forget()
    with pytest.raises(CarrierRejected):
        pickup.cancel()
    assert (job.pickups[0].state, job.pickups[0].warnings) == ("booked", ())
    assert pickup.forget().state == "canceled"
    assert job.pickup(MONDAY).state == "offered"


def test_a_request_that_never_left_leaves_nothing_open(bought, sandbox, monkeypatch):
    job = bought(order(1))
    pickup = job.pickup(MONDAY)

    async def no_network(*_: Any, **__: Any) -> Any:
        raise CarrierUnreachable("No connection.")

    monkeypatch.setattr(sandbox, "book_pickup", no_network)
    with pytest.raises(CarrierUnreachable):
        pickup.book(confirm_total="6.25")
    monkeypatch.undo()
    assert pickup.state == "refused"
    assert job.pickup(MONDAY).book(confirm_total="6.25").state == "booked"


def test_days_hours_and_parcels_that_cannot_be_are_refused(bought):
    elsewhere = {"name": "Bo", "address_line1": "1 A St", "city": "Austin", "state": "TX"}
    other = {**elsewhere, "postal_code": "78701", "country": "US"}
    job = bought(order(1), order(2, ship_from=other))
    with pytest.raises(InputError, match="one carrier, one account and one address"):
        job.pickup(MONDAY)
    first = "order_id = 'SO-1'"
    with pytest.raises(CarrierRejected, match="Sundays"):
        job.pickup(MONDAY - dt.timedelta(days=1), clause=first)
    for wrong, words in (
        ({"day": "2020-01-01"}, "is over"),
        ({"day": "soon"}, "not a day"),
        ({"ready": "noon"}, "not a time"),
        ({"ready": "09:00+02:00"}, "not a time"),
        ({"ready": "17:00", "close": "9:00"}, "that is never"),
        ({"place": "roof"}, "roof"),
        ({"clause": "order_id = 'X'"}, "No bought parcels"),
    ):
        with pytest.raises(InputError, match=words):
            job.pickup(**{"day": MONDAY, "clause": first, **wrong})


@pytest.mark.parametrize("mode", ["auto", "confirm"])
@pytest.mark.parametrize(
    "limits", [{"total": "17.00"}, {"total": "99", "per_account": {"sandbox": "17.00"}}]
)
def test_labels_and_pickups_share_the_limits_of_the_job(bought, sandbox, mode, limits):
    limits = SpendLimits.of({**limits, "price_drift": 0.2}).in_cents()
    job = bought(order(1), mode=mode, limits=limits)
    spent = int(job.results()["charged_cents"].sum())
    agreed = None if mode == "auto" else "6.25"
    pickup = job.pickup(MONDAY)
    if spent + 625 > 1700:
        with pytest.raises(SpendLimitExceeded, match="is already spent"):
            pickup.book(confirm_total=agreed)
        assert (in_books(sandbox), job.pickups) == ([], ())
    else:
        assert pickup.book(confirm_total=agreed).state == "booked"
        with job.store.own("run") as ledger:
            spend = Spend.of(job.store, ledger)
            assert spend.pickup_refusal(sk.Money.of("6.25"), "sandbox") is not None
            spend.quoted = spend.quoted + 1100 - spend.quoted
            assert "would exceed" in (spend.refusal(0) or spend.account_refusal(0))


def test_a_booked_pickup_is_asked_about_by_the_request_that_booked_it(bought, sandbox, monkeypatch):
    other = SHOP.model_copy(update={"address_line1": "1 Dock St"}).model_dump()
    job = bought(order(1, ship_from=other), order(2, ship_from=other))
    asked: list[PickupRequest] = []
    for name in ("book_pickup", "pickup_status", "cancel_pickup"):
        real = getattr(sandbox, name)
        monkeypatch.setattr(
            sandbox,
            name,
            lambda request, *a, _real=real, **kw: asked.append(request) or _real(request, *a, **kw),
        )
    pickup = job.pickup(MONDAY).book(confirm_total="6.25")
    with pytest.warns(UserWarning, match="stays booked"):
        job.void("order_id = 'SO-1'")
    pickup.status()
    pickup.cancel()
    assert asked == [asked[0]] * 3
    assert (asked[0].address.address_line1, asked[0].own_address) == ("1 Dock St", False)
    assert len(asked[0].shipments) == 2


def test_the_ledger_is_read_a_few_times_for_a_booking(bought, monkeypatch):
    job = bought(order(1))
    pickup = job.pickup(MONDAY, instructions="Dock 2")
    reads: list[int] = []
    real = JobStore.notes
    monkeypatch.setattr(JobStore, "notes", lambda store: reads.append(1) or real(store))
    pickup.book(confirm_total="6.25")
    [kept] = job.pickups
    # To price it again, before and after it is sent, for what the limits leave; and job.pickups.
    assert len(reads) == 5
    assert (kept._entry, kept.state) == (pickup._entry, "booked")


def test_a_pruned_job_can_still_cancel_its_pickup(bought, sandbox):
    job = bought(order(1))
    pickup = job.pickup(MONDAY).book(confirm_total="6.25")
    prune_job(job.store)
    assert pickup.status() == "scheduled"
    assert pickup.cancel().state == "canceled"
    with pytest.raises(InputError, match="was pruned"):
        job.pickup(MONDAY)


def test_prune_leaves_jobs_alone_whose_pickup_is_to_come_or_in_doubt(bought, sandbox, tmp_path):
    coming, over, doubt = (bought(order(n)) for n in (1, 2, 3))
    coming.pickup(MONDAY).book(confirm_total="6.25")
    over.pickup(MONDAY).book(confirm_total="6.25").cancel()
    sandbox.faults = Faults(on=frozenset({"pickup"}), lost=1.0)
    with pytest.raises(AnswerLost):
        doubt.pickup(MONDAY).book(confirm_total="6.25")
    later = dt.datetime.combine(MONDAY, dt.time(23), dt.UTC)
    age = dt.timedelta(0)
    found = prune(tmp_path, older_than=age, now=later, dry_run=True)
    assert (found, set(found.held)) == ([over.job_id], {coming.job_id, doubt.job_id})
    assert "is still to come" in found.held[coming.job_id]
    assert "may be booked" in found.held[doubt.job_id]
    later += dt.timedelta(days=1)
    found = prune(tmp_path, older_than=age, now=later)
    assert sorted(found) == sorted([coming.job_id, over.job_id])
    doubt.pickups[0].forget()
    assert prune(tmp_path, older_than=age, now=later) == [doubt.job_id]


@pytest.mark.parametrize("mode", ["confirm", "auto"])
def test_a_price_that_rose_is_agreed_to_again_and_a_lower_one_is_booked(
    bought, sandbox, monkeypatch, mode
):
    limits = SpendLimits.of({"total": "99"}).in_cents()
    job = bought(order(1), mode=mode, limits=limits)
    pickup = job.pickup(MONDAY)
    monkeypatch.setattr(pickup_desk, "PRICE", sk.Money.of("7.35"))
    with pytest.raises(ApprovalRequired, match=r"costs \$7\.35, and \$6\.25 was agreed to"):
        pickup.book(confirm_total="6.25")
    assert (pickup.price, pickup.state, in_books(sandbox)) == (sk.Money.of("7.35"), "offered", [])
    monkeypatch.setattr(pickup_desk, "PRICE", sk.Money.of("5.00"))
    pickup.book(confirm_total="7.35")
    assert (pickup.price, pickup.state) == (sk.Money.of("5.00"), "booked")
    assert [row[1] for row in in_books(sandbox)] == [500]


def test_a_price_that_the_carrier_holds_is_not_asked_for_again(bought, sandbox, monkeypatch):
    async def held(*_: Any) -> PickupOffer:
        return PickupOffer(sk.Money.of("6.25"), "offer;1")

    monkeypatch.setattr(sandbox, "pickup", held)
    pickup = bought(order(1)).pickup(MONDAY)
    monkeypatch.setattr(sandbox, "pickup", None)
    assert pickup.book(confirm_total="6.25").state == "booked"


def test_a_pickup_is_booked_only_while_the_driver_can_still_come(bought, sandbox, monkeypatch):
    pickup = bought(order(1)).pickup(MONDAY, close="17:00")
    for day, clock, words in (
        (MONDAY, dt.time(17, 0), "It is 17:00"),
        (MONDAY + dt.timedelta(days=1), dt.time(8), "is over"),
    ):
        monkeypatch.setattr(pickup_run, "local_day", lambda _, day=day: day)
        monkeypatch.setattr(pickup_run, "_time_at", lambda _, clock=clock: clock)
        with pytest.raises(InputError, match=words):
            pickup.book(confirm_total="6.25")
    assert (in_books(sandbox), pickup.state) == ([], "offered")


def test_what_was_written_for_the_driver_is_private(bought, sandbox, tmp_path, monkeypatch):
    async def booked(*given: Any, **options: Any) -> Any:
        made = await type(sandbox).book_pickup(sandbox, *given, **options)
        return replace(made, warnings=("SECRET-NOTE",))

    monkeypatch.setattr(sandbox, "book_pickup", booked)
    job = bought(order(1))
    job.pickup(MONDAY, instructions="SECRET-GATE 4711").book(confirm_total="6.25")
    with job.store.own("test") as ledger:  # as it was written before, and what may come
        facts = json.loads(job.store.notes()["details"][-2].as_py())
        facts |= {"reference": "OLD", "instructions": "SECRET-OLD", "new_field": "SECRET-NEW"}
        ledger.record_now(
            [
                LedgerEntry(None, "pickup_asked", None, details=json.dumps(facts)),
                LedgerEntry(None, "pickup_refused", None, details='{"reference": "OLD"}'),
            ]
        )
    first, old = job.pickups
    assert (first._entry.instructions, first.warnings) == ("SECRET-GATE 4711", ("SECRET-NOTE",))
    assert old._entry.instructions == "SECRET-OLD"
    prune_job(job.store)
    first, old = job.pickups
    assert (first._entry.instructions, first.warnings, old._entry.instructions) == ("", (), "")
    assert (first.state, first.number is None, first.day, old.rows) == (
        "booked",
        False,
        MONDAY,
        (0,),
    )
    left = [path.read_bytes() for path in job.store.path.rglob("*") if path.is_file()]
    assert not any(b"SECRET" in data for data in left)
    assert b"SECRET" not in repr(job.store.chain().table.to_pylist()).encode()


def test_today_the_driver_comes_before_the_end_of_the_window(bought, monkeypatch):
    job = bought(order(1))
    monkeypatch.setattr(pickup_run, "_time_at", lambda _: dt.time(17, 0))
    for day in (local_day(SHOP), None):
        with pytest.raises(InputError, match="It is 17:00 where the parcels are"):
            job.pickup(day)


def test_the_command_line_looks_up_and_forgets_what_is_in_doubt(
    bought, sandbox, tmp_path, capsys, monkeypatch
):
    job = bought(order(1), order(2))
    sandbox.faults = Faults(on=frozenset({"pickup"}), lost=1.0)
    first, second = (job.pickup(MONDAY, clause=f"order_id = 'SO-{n}'") for n in (1, 2))
    for each in (first, second):
        with pytest.raises(AnswerLost):
            each.book(confirm_total="6.25")
    (tmp_path / "sandbox").mkdir()
    for name in tmp_path.glob("books.sqlite*"):
        shutil.copy(name, tmp_path / "sandbox" / name.name)
    command = ["pickup", job.job_id, "--home", str(tmp_path)]
    assert main([*command, "--list"]) == 0
    shown = capsys.readouterr().out
    assert first.reference in shown
    assert second.reference in shown
    assert main([*command, "--look-up"]) == 1
    assert f"Name one of them: {first.reference}, {second.reference}" in capsys.readouterr().err
    assert main([*command, "--look-up", first.reference]) == 0
    [looked_up, other] = job.pickups
    assert (looked_up.state, other.state) == ("booked", "in_doubt")
    assert looked_up.number in {row[0] for row in in_books(sandbox)}

    def no_credentials(_: Any) -> Any:
        raise InputError("No credentials.")

    monkeypatch.setattr(sk.Job, "_accounts", no_credentials)
    assert main([*command, "--forget"]) == 0, "the only one that is left, and no carrier is asked"
    assert [each.state for each in job.pickups] == ["booked", "refused"]
    assert main([*command, "--forget"]) == 1
    assert "No pickup of this job is in doubt" in capsys.readouterr().err
    assert main([*command, "--forget", first.reference]) != 0, "it is booked"
    assert main([*command, "--forget", "--list"]) == 1, "one of them"


def test_advice_about_pickups_is_in_the_words_of_the_command_line():
    assert for_command_line("Look at ups.com. If there is none: pickup.forget().") == (
        "Look at ups.com. If there is none: shipkit pickup JOB --forget."
    )
    assert for_command_line("job.pickups has it: book() looks it up, forget() gives it up.") == (
        "shipkit pickup JOB --list shows it: --look-up looks it up, shipkit pickup JOB --forget "
        "gives it up."
    )
    assert for_command_line('book(confirm_total="6.25").') == "--book --max-total 6.25."


def test_the_command_line_shows_the_price_books_lists_and_cancels(bought, tmp_path, capsys):
    job = bought(order(1))
    (tmp_path / "sandbox").mkdir()
    for name in tmp_path.glob("books.sqlite*"):
        shutil.copy(name, tmp_path / "sandbox" / name.name)
    command = ["pickup", job.job_id, "--home", str(tmp_path)]
    day = ["--day", str(MONDAY)]
    assert main([*command, *day]) == 0
    assert "Nothing is booked" in capsys.readouterr().out
    assert main([*command, *day, "--book"]) == 3
    assert main([*command, *day, "--book", "--max-total", "5"]) == 3
    assert job.pickups == ()
    assert main([*command, *day, "--book", "--max-total", "7"]) == 0
    [booked] = job.pickups
    assert main([*command, "--cancel", "X"]) == 1
    assert main([*command, "--cancel", booked.number]) == 0
    assert main([*command, "--list"]) == 0
    assert "canceled" in capsys.readouterr().out
