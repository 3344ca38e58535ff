"""Many questions, a few at a time: in order, bounded, and one error ends them all."""

from __future__ import annotations

import asyncio

import pytest

from shipkit.common.pool import each


def run(work, items, at_once):
    return asyncio.run(each(work, items, at_once=at_once))


def test_answers_come_in_the_order_of_the_items_whoever_answers_first():
    async def main():
        gates = [asyncio.Event() for _ in range(3)]
        asked: list[int] = []

        async def ask(number):
            asked.append(number)
            if len(asked) == 3:
                gates[2].set()  # the last asked answers first
            await gates[number].wait()
            if number:
                gates[number - 1].set()
            return number * 10

        return await each(ask, [0, 1, 2], at_once=3)

    assert asyncio.run(main()) == [0, 10, 20]


@pytest.mark.parametrize(("at_once", "most"), [(1, 1), (4, 4), (50, 20)])
def test_no_more_than_asked_for_are_in_progress(at_once, most):
    seen, now = [], 0

    async def ask(number):
        nonlocal now
        now += 1
        seen.append(now)
        await asyncio.sleep(0)
        now -= 1
        return number

    assert run(ask, range(20), at_once) == list(range(20))
    assert max(seen) == most


def test_nothing_to_ask_is_no_answer():
    async def ask(_):
        raise AssertionError("nothing was to be asked")

    assert run(ask, [], 5) == []


def test_the_first_error_itself_is_raised_and_the_others_are_cancelled():
    ended: dict[int, str] = {}

    async def ask(number):
        if number == 3:
            raise LookupError("row 3")
        try:
            await asyncio.Event().wait()  # for ever
        except asyncio.CancelledError:
            ended[number] = "cancelled"
            if number == 1:
                raise OSError("a consequence, not the cause") from None
            raise

    with pytest.raises(LookupError, match="row 3") as raised:
        run(ask, range(10), 4)
    assert raised.value.__cause__ is None
    assert ended == dict.fromkeys(range(3), "cancelled")  # and 4 to 9 were never asked


def test_a_group_that_work_raised_stays_the_group_it_was():
    group = ExceptionGroup("of the work", [KeyError("a")])

    async def ask(_):
        raise group

    with pytest.raises(ExceptionGroup) as raised:
        run(ask, [1], 1)
    assert raised.value is group


def test_cancelling_the_call_cancels_what_is_in_progress():
    async def main():
        started, ended = asyncio.Event(), []

        async def ask(number):
            started.set()
            try:
                await asyncio.Event().wait()
            finally:
                ended.append(number)

        call = asyncio.create_task(each(ask, range(5), at_once=2))
        await started.wait()
        await asyncio.sleep(0)  # the second worker starts in the same turn of the loop
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        return sorted(ended)

    assert asyncio.run(main()) == [0, 1]


@pytest.mark.parametrize("at_once", [0, -3])
def test_a_pool_without_workers_is_refused(at_once):
    async def ask(number):
        return number

    with pytest.raises(ValueError, match="at least 1"):
        run(ask, [1], at_once)
