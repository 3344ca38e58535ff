"""Sync outside, async inside, joined in one place."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import threading

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
    portal.run(answer(1))
    mine = next(t for t in threading.enumerate() if t is portal._thread)
    portal.close()
    portal.close()
    assert not mine.is_alive()
    assert portal.run(answer(2)) == 2
    portal.close()


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
