"""The pace in force: concurrency, an exact rate, pauses, the breaker."""

from __future__ import annotations

import asyncio
import time
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipkit.carriers.pace import Pacer, RateLimit
from shipkit.errors import (
    AnswerLost,
    AuthenticationFailed,
    CarrierRejected,
    CarrierUnreachable,
    FundsExhausted,
    NotSent,
    RateLimited,
)


@given(rate=st.floats(0.2, 500), lateness=st.lists(st.floats(0, 0.3), min_size=2, max_size=600))
def test_no_window_of_a_second_ever_holds_more_starts_than_the_limit(rate, lateness):
    limit, now, starts = RateLimit(rate), 1000.0, []
    for late in lateness:
        now += limit.plan(now) + late * late  # the loop is held up, by a little or by a lot
        while (wait := limit.start(now)) > 0:
            now += wait
        starts.append(now)
    whole = max(1, int(rate))
    for i in range(len(starts) - whole):
        assert starts[i + whole] - starts[i] >= whole / rate


def test_turns_are_evenly_spaced_from_the_first_and_a_short_hold_up_is_caught_up():
    limit = RateLimit(50)
    assert [round(limit.plan(1000.0), 4) for _ in range(4)] == [0.0, 0.021, 0.042, 0.063]
    assert limit.plan(1000.1) == 0.0
    assert limit.plan(1000.1) == pytest.approx(0.005, abs=0.001)
    limit.plan(2000.0)
    assert limit.plan(2000.0) == pytest.approx(0.021), "after a long idle time there is no burst"


def test_a_rate_that_is_no_rate_is_refused():
    with pytest.raises(ValueError, match="greater than 0"):
        RateLimit(0)
    with pytest.raises(ValueError, match="at least 1"):
        Pacer(concurrency=0)


async def _hold(pacer, seconds, seen):
    await pacer.enter()
    try:
        seen.append(pacer.active)
        await asyncio.sleep(seconds)
    finally:
        pacer.leave()


def test_never_more_calls_than_the_concurrency():
    seen = []

    async def main():
        pacer = Pacer(concurrency=3)
        await asyncio.gather(*(_hold(pacer, 0.01, seen) for _ in range(20)))
        assert pacer.active == 0

    asyncio.run(main())
    assert max(seen) == 3
    assert len(seen) == 20


def test_a_waiter_that_is_cancelled_hands_its_turn_on():
    async def main():
        pacer = Pacer(concurrency=1)
        await pacer.enter()
        waiters = [asyncio.create_task(pacer.enter()) for _ in range(3)]
        await asyncio.sleep(0)
        waiters[0].cancel()
        pacer.leave()
        waiters[1].cancel()
        async with asyncio.timeout(1):
            await waiters[2]

    asyncio.run(main())


def test_a_429_pauses_everything_halves_the_concurrency_and_it_grows_back():
    async def main():
        pacer = Pacer(concurrency=8)
        pacer.saw(RateLimited("slow down", retry_after_s=0.2))
        pacer.saw(RateLimited("slow down", retry_after_s=0.2))
        assert pacer.allowed == 4, "one halving for all that were turned away together"
        started = time.monotonic()
        await pacer.enter()
        assert time.monotonic() - started >= 0.18
        for _ in range(100):
            pacer.saw(None)
        assert pacer.allowed == 8

    asyncio.run(main())


def test_a_429_without_retry_after_backs_off_longer_each_time():
    pacer, pauses = Pacer(concurrency=8), []
    for _ in range(3):
        pacer._resume_at = 0.0
        pacer.saw(RateLimited("slow down"))
        pauses.append(pacer.pause_s)
    assert pauses[0] < pauses[1] < pauses[2]


def test_refused_credentials_open_the_breaker_at_once():
    pacer = Pacer()
    pacer.saw(AuthenticationFailed("wrong secret"))
    assert "credentials" in pacer.broken
    pacer.close_breaker()
    assert pacer.broken is None


def test_the_same_refusal_in_a_row_opens_the_breaker_and_an_answer_between_keeps_it_closed():
    pacer = Pacer(breaker_after=3)
    for error in [
        CarrierRejected("no", carrier_code="1"),
        CarrierRejected("no", carrier_code="1"),
        None,
        CarrierRejected("no", carrier_code="1"),
    ]:
        pacer.saw(error)
    pacer.saw(CarrierRejected("no", carrier_code="2"))
    assert pacer.broken is None
    for _ in range(2):
        pacer.saw(CarrierRejected("no", carrier_code="2"))
    assert "same reason (2" in pacer.broken


def test_lost_answers_in_a_row_open_the_breaker():
    pacer = Pacer(breaker_after=3)
    for _ in range(3):
        pacer.saw(AnswerLost("reset"))
    assert "no usable answer" in pacer.broken


def test_a_carrier_that_cannot_be_reached_is_waited_for_and_then_called_down(monkeypatch):
    now = time.monotonic()
    monkeypatch.setattr("shipkit.carriers.pace.time", SimpleNamespace(monotonic=lambda: now))
    pacer = Pacer(down_after_s=5)
    for _ in range(50):
        pacer.saw(CarrierUnreachable("refused"))
    assert pacer.broken is None, "fifty connections refused in the same moment are one event"
    assert pacer.pause_s > 0
    now += 5
    pacer.saw(CarrierUnreachable("refused"))
    assert "could not be reached" in pacer.broken


@pytest.mark.parametrize(
    "error", [RateLimited("429", retry_after_s=0.01), AnswerLost("503"), NotSent("no connection")]
)
def test_what_is_free_to_repeat_is_repeated(error, monkeypatch):
    monkeypatch.setattr("shipkit.carriers.pace._BACKOFF_S", 0.01)
    left = [error, error, None]

    async def call():
        if (failure := left.pop(0)) is not None:
            raise failure
        return "priced"

    assert asyncio.run(Pacer().repeat(call)) == "priced"


def test_a_rejection_is_not_repeated_and_the_last_error_is_raised(monkeypatch):
    monkeypatch.setattr("shipkit.carriers.pace._BACKOFF_S", 0.001)
    calls = []

    def failing(error):
        async def call():
            calls.append(error)
            raise error

        return call

    for error, expected in (
        (CarrierRejected("no such service"), 1),
        (AuthenticationFailed("wrong"), 1),
        (AnswerLost("503"), 3),
    ):
        calls.clear()
        pacer = Pacer(attempts=3)
        with pytest.raises(type(error)):
            asyncio.run(pacer.repeat(failing(error)))
        assert len(calls) == expected
        assert pacer.active == 0


# -- between two calls of one row ------------------------------------------------------------------


def test_a_row_that_steps_out_gives_its_turn_to_the_next_and_waits_for_a_new_one():
    async def main():
        pacer, told = Pacer(concurrency=1), []

        async def other():
            await pacer.enter()
            told.append("other")
            pacer.leave()

        await pacer.enter()
        waiting = asyncio.create_task(other())
        await asyncio.sleep(0)
        assert told == []
        async with pacer.stepped_out():
            await waiting
        told.append("back")
        assert (pacer.active, told) == (1, ["other", "back"])
        pacer.leave()
        assert pacer.active == 0

    asyncio.run(main())


def test_whatever_happens_outside_an_entry_has_one_leave():
    async def main():
        pacer = Pacer(concurrency=1)
        await pacer.enter()
        with pytest.raises(ValueError, match="the disk"):
            async with pacer.stepped_out():
                raise ValueError("the disk is full")
        assert pacer.active == 1
        pacer.leave()

        async def row():
            await pacer.enter()
            try:
                async with pacer.stepped_out():
                    await taken.wait()
            finally:
                pacer.leave()

        taken = asyncio.Event()
        task = asyncio.create_task(row())
        await asyncio.sleep(0)
        await pacer.enter()  # takes the turn that the row gave up, so that the row waits for one
        taken.set()
        await asyncio.sleep(0)
        assert (pacer.active, task.done()) == (1, False)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert pacer.active == 1
        pacer.leave()
        assert pacer.active == 0

    asyncio.run(main())


def test_an_account_without_funds_opens_the_breaker_in_its_own_words():
    pacer = Pacer()
    pacer.saw(FundsExhausted("The account cannot be charged."))
    assert pacer.broken == "The account cannot be charged."
