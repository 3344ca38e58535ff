"""Python's garbage collector waits for more new objects during a run, and is as before after it."""

from __future__ import annotations

import asyncio
import gc

import pytest
from corekit import BookCarrier, job_of

from shipkit.purchasing.run import execute
from shipkit.purchasing.run.collector import calm_collector


@pytest.fixture(autouse=True)
def usual():
    before = gc.get_threshold()
    gc.set_threshold(700, 10, 10)
    yield
    gc.set_threshold(*before)


def test_it_is_as_before_also_after_a_run_that_fails():
    def failing():
        with calm_collector():
            assert gc.get_threshold() == (5_000, 10, 10)
            raise KeyError

    with pytest.raises(KeyError):
        failing()
    assert gc.get_threshold() == (700, 10, 10)


def test_it_waits_while_a_job_is_bought(tmp_path):
    carrier, seen = BookCarrier(tmp_path / "books.db"), []
    buy = carrier.ship

    async def ship(*given):
        seen.append(gc.get_threshold()[0])
        return await buy(*given)

    carrier.ship = ship
    asyncio.run(execute(job_of(tmp_path, 2), carrier))
    assert seen == [5_000, 5_000]
    assert gc.get_threshold() == (700, 10, 10)


def test_of_runs_that_overlap_the_last_one_puts_it_back():
    first, second = calm_collector(), calm_collector()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert gc.get_threshold() == (5_000, 10, 10)
    second.__exit__(None, None, None)
    assert gc.get_threshold() == (700, 10, 10)


@pytest.mark.parametrize("own", [(0, 10, 10), (20_000, 5, 5)])
def test_a_collector_that_is_off_or_calmer_is_left_alone(own):
    gc.set_threshold(*own)
    with calm_collector():
        assert gc.get_threshold() == own
    assert gc.get_threshold() == own


def test_what_is_set_during_a_run_stays():
    with calm_collector():
        gc.set_threshold(1_000, 10, 10)
    assert gc.get_threshold() == (1_000, 10, 10)
