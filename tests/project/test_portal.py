"""Sync outside, async inside, joined in one place."""

from __future__ import annotations

import asyncio
import concurrent.futures
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import warnings

import pytest

from shipkit.common.portal import Portal


@pytest.fixture
def portal():
    portal = Portal()
    yield portal
    portal.close()


async def answer(value: int) -> int:
    await asyncio.sleep(0)
    return value


def test_async_work_runs_from_plain_code(portal: Portal):
    assert portal.run(answer(7)) == 7


def test_it_runs_inside_a_running_loop(portal: Portal):
    async def cell() -> int:
        return portal.run(answer(7))

    assert asyncio.run(cell()) == 7


def test_an_error_arrives_as_itself(portal: Portal):
    async def fail() -> None:
        raise LookupError("here")

    with pytest.raises(LookupError, match="here"):
        portal.run(fail())


def test_a_timeout_of_the_work_itself_is_not_taken_for_waiting(portal: Portal):
    async def late() -> None:
        raise TimeoutError("the carrier's")

    with pytest.raises(TimeoutError, match="the carrier's"):
        portal.run(late())


def test_waiting_for_itself_is_refused(portal: Portal):
    async def inner() -> int:
        return portal.run(answer(1))

    with pytest.raises(RuntimeError, match="cannot wait for itself"):
        portal.run(inner())


def test_closing_ends_the_thread_and_may_be_repeated():
    portal = Portal()
    before = set(threading.enumerate())
    portal.run(answer(1))
    (mine,) = set(threading.enumerate()) - before
    portal.close()
    portal.close()
    assert not mine.is_alive()
    assert portal.run(answer(2)) == 2
    portal.close()


def test_a_portal_that_nobody_has_any_more_ends_its_thread_and_closes_what_it_was_given():
    portal, before, closed = Portal(), set(threading.enumerate()), []

    async def close() -> None:
        closed.append(True)

    portal.at_end(close)
    portal.run(asyncio.to_thread(threading.get_ident))
    mine = set(threading.enumerate()) - before
    del portal
    for thread in mine:
        thread.join(10)
    assert closed == [True]
    assert not any(thread.is_alive() for thread in mine)


def test_work_in_progress_keeps_its_portal():
    portal, gate = Portal(), threading.Event()
    future = portal.start(asyncio.to_thread(gate.wait, 10))
    del portal
    gate.set()
    assert future.result(10) is True


def test_cancelled_work_is_over_when_the_future_is_done(portal: Portal):
    began, gate, ended = threading.Event(), threading.Event(), []

    async def work() -> None:
        began.set()
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.to_thread(gate.wait, 10)
            ended.append(True)

    future = portal.start(work())
    assert began.wait(10)
    future.cancel()
    assert not future.done()
    gate.set()
    with pytest.raises(concurrent.futures.CancelledError):
        future.result(10)
    assert ended == [True]


def test_closing_ends_work_in_progress(portal: Portal):
    began = threading.Event()

    async def work() -> None:
        began.set()
        await asyncio.sleep(60)

    future = portal.start(work())
    assert began.wait(10)
    portal.close()
    with pytest.raises(concurrent.futures.CancelledError):
        future.result(10)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_process_that_was_forked_off_has_a_portal_of_its_own(portal: Portal):
    assert portal.run(answer(1)) == 1
    context = multiprocessing.get_context("fork")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # forking with threads
        child = context.Process(target=lambda: sys.exit(portal.run(answer(3))))
        child.start()
    child.join(20)
    assert child.exitcode == 3


def test_an_interrupt_is_told_and_the_wait_goes_on():
    code = """
import asyncio, sys, threading
from shipkit.common.portal import Portal
main = threading.main_thread().ident
def waits():
    frame = sys._current_frames()[main]
    while frame is not None and frame.f_code.co_name != "result":
        frame = frame.f_back
    return frame is not None  # the caller is inside future.result()
async def work():
    while not waits():
        await asyncio.sleep(0)
    print("ready", flush=True)
    for _ in range(1000):
        await asyncio.sleep(0.02)
        if stop: return "drained"
    return "ran on"
stop = []
portal = Portal()
print(portal.run(work(), on_interrupt=stop.append), stop)
portal.close()
"""
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    child.send_signal(signal.SIGINT)
    out, _ = child.communicate(timeout=20)
    assert out.strip() == "drained [1]"
