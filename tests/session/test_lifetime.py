"""Sessions that are dropped, and sessions in hosts that are not plain Python."""

from __future__ import annotations

import gc
import importlib.util
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import shipkit as sk

FOLDER = Path("/proc/self/fd")


def of_sessions() -> set[threading.Thread]:
    return {t for t in threading.enumerate() if t.name.startswith(("shipkit", "asyncio"))}


def open_files() -> int:
    return len(list(FOLDER.iterdir())) if FOLDER.exists() else 0


def ended(threads: set[threading.Thread]) -> bool:
    for thread in threads:
        thread.join(20)
    return not any(thread.is_alive() for thread in threads)


def test_a_cell_that_is_run_again_leaves_no_threads_and_no_files(make_dropped):
    gc.disable()  # what is dropped is freed at once, not at the next collection
    try:
        before = of_sessions()
        make_dropped()
        assert ended(of_sessions() - before)
        files = open_files()
        for _ in range(10):
            make_dropped()
            assert ended(of_sessions() - before)
        assert open_files() <= files
    finally:
        gc.enable()


@pytest.fixture
def make_dropped(rows, shop, home):
    def cell() -> None:
        session = sk.BatchSession(rows, shipper=shop, service="ground", home=home)
        session.preview()
        session.approve()
        session.execute(progress=False)

    return cell


def test_a_job_goes_on_when_its_session_is_dropped(rows, shop, home):
    session = sk.BatchSession(rows, shipper=shop, service="ground", home=home)
    session.preview()
    session.approve()
    handle = session.start(progress=False)
    del session
    gc.collect()
    result = handle.wait(60)
    assert result is not None
    assert result.shipped == 4


PARTS = """
import asyncio, os, sys
import shipkit as sk
def rows(street):
    return [
        {"order_id": f"{street}-{n}", "name": "Ada Lee", "address1": f"{n} {street} St",
         "city": "Austin", "state": "TX", "zip": "78701", "weight_lb": 2}
        for n in range(1, 4)
    ]
SHOP = sk.Address(name="Dana", address_line1="300 Alamo Plaza", city="San Antonio", state="TX",
                  postal_code="78205", phone="2105550100")
def session(street):
    return sk.BatchSession(rows(street), shipper=SHOP, service="ground")
def shipped(made):
    made.preview(); made.approve()
    return made.execute(progress=False).shipped
"""
GEVENT = """
from gevent import monkey; monkey.patch_all()
import gevent
gevent.spawn_later(100, lambda: (print("hangs", flush=True), os._exit(1)))
exec(PARTS)
first, second = session("First"), session("Second")
assert len(first.preview()) == len(second.preview()) == 3  # both are open
assert shipped(first) == 3
first.close()
jobs = gevent.joinall([gevent.spawn(shipped, session(name)) for name in ("Third", "Fourth")])
assert [job.value for job in jobs] == [3, 3]
async def around():
    return len(session("Fifth").preview()), len(await session("Sixth").apreview())
assert asyncio.run(around()) == (3, 3)
print("done", flush=True)
"""
UVLOOP = """
import uvloop
exec(PARTS)
async def main():
    one, other = session("First"), session("Second")
    both = await asyncio.gather(one.apreview(), other.apreview())
    one.approve()
    return [len(frame) for frame in both], (await one.aexecute()).shipped, shipped(other)
assert uvloop.run(main()) == ([3, 3], 3, 3)
print("done", flush=True)
"""


THREADS = """
import threading
from concurrent.futures import ThreadPoolExecutor
exec(PARTS)
gate = threading.Barrier(4)
def first(street):
    gate.wait()
    return shipped(session(street))
with ThreadPoolExecutor(4) as pool:  # all of them read the words of headings for the first time
    assert list(pool.map(first, ["One", "Two", "Three", "Four"])) == [3] * 4
print("done", flush=True)
"""


@pytest.mark.parametrize(
    ("package", "script"), [("gevent", GEVENT), ("uvloop", UVLOOP), ("threading", THREADS)]
)
def test_several_sessions_work_under_another_event_loop(package, script, home):
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed")
    done = subprocess.run(
        [sys.executable, "-c", f"PARTS = {PARTS!r}\n{script}"],
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "SHIPKIT_HOME": str(home)},
    )
    assert done.stdout.strip() == "done", done.stderr
    assert done.returncode == 0
