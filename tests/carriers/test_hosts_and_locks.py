"""What the carriers share: whether a host is this machine, and a lock for each event loop."""

from __future__ import annotations

import asyncio

import pytest

from shipkit.common.loop_lock import LoopLock
from shipkit.common.loopback import is_loopback


@pytest.mark.parametrize(
    ("host", "here"),
    [
        ("localhost", True),
        ("LOCALHOST", True),
        ("127.0.0.1", True),
        ("127.8.9.1", True),
        ("::1", True),
        ("localhost.example.com", False),
        ("127.0.0.1.example.com", False),
        ("0.0.0.0", False),
        ("10.0.0.1", False),
        ("", False),
        (None, False),
    ],
)
def test_only_this_machine_is_loopback(host: str | None, here: bool):
    assert is_loopback(host) is here


def test_a_lock_holds_within_its_loop_and_is_another_in_the_next():
    lock = LoopLock()
    inside = [0]

    async def one() -> None:
        async with lock.here():
            inside[0] += 1
            assert inside[0] == 1
            await asyncio.sleep(0)
            inside[0] -= 1

    async def several() -> asyncio.Lock:
        await asyncio.gather(*(one() for _ in range(5)))
        return lock.here()

    assert asyncio.run(several()) is not asyncio.run(several())
