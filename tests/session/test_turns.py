"""Two callers of one session, and cells that are interrupted."""

from __future__ import annotations

import asyncio
import contextvars
import signal
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import duckdb
import pandas as pd
import pytest

import shipkit as sk
from shipkit.common.turns import Place, Turns, postponed_interrupts
from shipkit.errors import InputError, PlanChanged
from shipkit.orders import source
from shipkit.orders.source import readers


class Gated(sk.SandboxCarrier):
    """A sandbox whose prices come when the gate is opened."""

    def __init__(self, *given, **named):
        super().__init__(*given, **named)
        self.asked, self.gate = threading.Event(), threading.Event()

    async def quote_table(self, table, shipper, pacer=None):
        self.asked.set()
        await asyncio.to_thread(self.gate.wait, 60)
        return await super().quote_table(table, shipper, pacer)


@pytest.fixture
def carrier(home):
    return Gated(home=home)


@pytest.fixture
def session(make, carrier):
    return make(carrier=carrier)


# -- callers take turns ----------------------------------------------------------------------------


def test_a_caller_waits_while_the_orders_are_priced(session, carrier):
    with ThreadPoolExecutor(3) as pool:
        priced = pool.submit(session.preview)
        assert carrier.asked.wait(60)
        others = [pool.submit(session.sample, 2), pool.submit(session.where, "state = 'TX'")]
        assert not any(other.done() for other in others)
        assert "SO-" not in repr(session)  # printing does not wait
        carrier.gate.set()
        assert len(priced.result(60)) == 5
        assert len(others[0].result(60)) == 2
        others[1].result(60)
    # The filter came after the prices, so that they are of another choice of orders.
    with pytest.raises(PlanChanged):
        session.approve()
    assert session.preview().order_id.tolist() == ["SO-1"]


def test_a_task_that_prices_and_a_cell_that_looks_on_do_not_wait_for_each_other(session, carrier):
    async def cell():
        first, second = (asyncio.create_task(session.apreview()) for _ in range(2))
        while not carrier.asked.is_set():  # noqa: ASYNC110 - set by another thread
            await asyncio.sleep(0)
        threading.Timer(0.05, carrier.gate.set).start()
        looked = session.sample(1)  # blocks the loop of both tasks
        return len(looked), len(await first), len(await second)

    assert asyncio.run(cell()) == (1, 5, 5)


def test_many_callers_get_what_they_would_get_alone(session, carrier):
    carrier.gate.set()
    session.preview()
    calls = {
        "describe": session.describe,
        "sample": session.sample,
        "preview": session.preview,
        "mapped": session.mapped,
        "problems": lambda: session.problems,
        "where": lambda: session.where("weight_lb > 0").selection,
    }
    alone = {name: str(call()) for name, call in calls.items()}
    with ThreadPoolExecutor(6) as pool:
        for _ in range(3):
            made = {name: pool.submit(call) for name, call in calls.items()}
            assert {name: str(call.result(60)) for name, call in made.items()} == alone


def test_a_call_that_was_cancelled_ends_its_turn(session, carrier):
    async def cell():
        task = asyncio.create_task(session.apreview())
        while not carrier.asked.is_set():  # noqa: ASYNC110 - set by another thread
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cell())
    carrier.gate.set()
    assert len(session.preview()) == 5


def test_a_callback_that_would_wait_for_itself_is_refused(session, carrier):
    carrier.gate.set()
    session.preview()
    session.approve()
    met = []

    def look(_):
        carrier.asked.clear()
        carrier.gate.clear()
        pricing = threading.Thread(target=session.preview)
        pricing.start()
        while not session._turns.taken:
            pass
        try:
            session.sample()
        except InputError as error:
            met.append(str(error))
        carrier.gate.set()
        threads.append(pricing)

    threads = []
    session.execute(progress=look)
    for thread in threads:
        thread.join(60)
    assert met[0].startswith("This session is busy, and this callback is part of what it waits for")


def test_a_closed_session_says_so_and_keeps_what_it_knows(session, carrier):
    carrier.gate.set()
    total = session.summary.total
    session.close()
    session.close()
    for call in (session.sample, session.describe, session.preview):
        with pytest.raises(InputError, match="This session is closed"):
            call()
    assert session.summary.total == total


def test_turns_are_first_come_first_served_and_may_be_taken_again():
    turns, order = Turns(), []

    def call(name):
        first, again = Place(), Place()
        turns.enter(first)
        order.append((name, turns.enter(again, may_wait=lambda: False)))
        turns.leave(again)
        turns.leave(again)
        assert turns.taken
        turns.leave(first)

    mine, threads = Place(), []
    turns.enter(mine)
    for name in "abc":
        threads.append(threading.Thread(target=call, args=(name,)))
        threads[-1].start()
        while turns.waiting < len(threads):
            pass
    assert not order
    turns.leave(mine)
    for thread in threads:
        thread.join(10)
    assert order == [("a", True), ("b", True), ("c", True)]
    assert not turns.taken


def test_work_that_goes_on_keeps_the_turn_of_a_caller_that_has_left():
    turns, mine, work, other = Turns(), Place(), Place(), Place()
    turns.enter(mine)
    contextvars.copy_context().run(turns.enter, work)
    turns.leave(mine)
    assert not turns.enter(other, may_wait=lambda: False)
    turns.leave(other)
    turns.leave(work)
    assert turns.enter(other, may_wait=lambda: False)
    turns.leave(other)


# -- cells that are interrupted --------------------------------------------------------------------


def place_of(frame):
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


class InterruptAt:
    """Sends a Ctrl-C at the n-th call of a function of shipkit in this thread."""

    def __init__(self, number):
        self.left, self.where = number, None

    def __call__(self, frame, event, _):
        if event == "call" and "/shipkit/" in frame.f_code.co_filename.replace("\\", "/"):
            self.left -= 1
            if self.left == 0:
                self.where = f"{frame.f_code.co_qualname}, {place_of(frame.f_back)}"
                sys.setprofile(None)
                signal.raise_signal(signal.SIGINT)

    def __enter__(self):
        sys.setprofile(self)
        return self

    def __exit__(self, *_):
        sys.setprofile(None)


def calls_of(work):
    with InterruptAt(0) as counter:
        work()
    return -counter.left


OTHER = pd.DataFrame(
    {
        "order_id": ["N-1", "N-2"],
        "name": ["Fay Low", "Gil Ray"],
        "address1": ["9 Oak St", "8 Elm St"],
        "city": "Austin",
        "state": "TX",
        "zip": "78701",
        "weight_lb": 1,
    }
)
CHANGES = {
    "load": (lambda s: s.load(OTHER), lambda s, rows: s.load(rows)),
    "map": (
        lambda s: s.map(service="2nd_day_air", each_row=True),
        lambda s, _: s.map(service="ground"),
    ),
    "where": (lambda s: s.where("weight_lb > 1"), lambda s, _: s.where()),
    "edit": (
        lambda s: s.edit("order_id = 'SO-1'", weight_lb=9),
        lambda s, rows: s.load(rows),
    ),
}


def seen(session):
    """Return what a session holds, priced."""
    frame = session.preview()
    return (
        frame[["order_id", "service", "cost_cents"]].astype(str).to_numpy().tolist(),
        session.columns,
        session.order_count,
        len(session.edits),
    )


@pytest.mark.skipif(sys.platform == "win32", reason="raise_signal does not interrupt there")
@pytest.mark.parametrize("name", CHANGES)
def test_an_interrupted_change_is_made_whole_or_not_at_all(name, make, rows):
    change, undo = CHANGES[name]
    session = make()
    old = seen(session)
    count = calls_of(lambda: change(session))
    new = seen(session)
    assert old != new
    met = set()
    for place in sorted({1, *range(3, count, count // 3), *range(count - 3, count)}):
        undo(session, rows)
        assert seen(session) == old
        preview_id = session.preview_id
        interrupt, came = InterruptAt(place), False
        try:
            with interrupt:
                change(session)
        except KeyboardInterrupt:
            came = True
        assert came == (interrupt.left == 0), interrupt.where
        if session._preview is not None:  # it may be approved: it must be of the old orders
            assert session._preview.preview_id == preview_id
            assert seen(session) == old
        found = seen(session)
        assert found in (old, new), place
        met.add(found == old)
    assert True in met


@pytest.mark.skipif(sys.platform == "win32", reason="raise_signal does not interrupt there")
def test_an_interrupted_preview_leaves_the_last_one(make, home):
    class Interrupting(sk.SandboxCarrier):
        armed = False

        async def quote_table(self, table, shipper, pacer=None):
            if self.armed:
                signal.raise_signal(signal.SIGINT)
                await asyncio.sleep(60)
            return await super().quote_table(table, shipper, pacer)

    carrier = Interrupting(home=home)
    session = make(carrier=carrier)
    frame, first = session.preview(), session.preview_id
    carrier.armed = True
    with pytest.raises(KeyboardInterrupt):
        session.preview()
    assert session.preview_id == first
    carrier.armed = False
    session.approve(first)
    pd.testing.assert_frame_equal(session.preview(), frame)


def test_an_interrupt_of_a_query_is_an_interrupt(make):
    # DuckDB ends an interrupted query with this error. A real signal is not sent: whether it comes
    # before the query ends is luck.
    session = make()

    def interrupted(_):
        raise RuntimeError("Query interrupted")

    session._planner.sample = interrupted
    with pytest.raises(KeyboardInterrupt):
        session.sample()
    assert len(session.preview()) == 5


@pytest.mark.parametrize(
    "error", [duckdb.InterruptException("Query interrupted"), RuntimeError("Query interrupted")]
)
def test_an_interrupt_while_a_file_is_read_is_no_damage_of_it(tmp_path, monkeypatch, error):
    def interrupted(*_: object, **__: object) -> None:
        raise error

    (tmp_path / "orders.csv").write_text("order_id\n1\n")
    monkeypatch.setattr(readers, "read_delimited", interrupted)
    with pytest.raises(KeyboardInterrupt):
        source.load(tmp_path / "orders.csv")


def test_an_interrupt_in_a_postponed_block_comes_after_it():
    done = []
    with pytest.raises(KeyboardInterrupt), postponed_interrupts():  # noqa: PT012
        signal.raise_signal(signal.SIGINT)
        done.append(True)
    assert done == [True]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize("method", ["preview", "execute"])
def test_another_library_than_asyncio_is_told_before_anything_is_started(session, method):
    # As trio does: it steps through the coroutine in a thread without a loop of asyncio.
    coroutine = getattr(session, f"a{method}")()
    with pytest.raises(InputError, match="Nothing was started") as caught:
        coroutine.send(None)
    assert f"trio.to_thread.run_sync(session.{method})" in caught.value.fix
    assert session.status == "new"
