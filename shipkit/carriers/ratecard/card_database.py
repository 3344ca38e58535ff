"""A database with the tables of a rate card, which can be kept open for work on many tables.

To open one takes as long as to price ten thousand shipments, and the system clears the memory of a
new one page by page: together a quarter of the CPU time of ten million shipments.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final, Self, TypeVar

import duckdb
import pyarrow as pa

from shipkit.common.memory_database import memory_database
from shipkit.common.spill import bounded

if TYPE_CHECKING:
    from shipkit.carriers.ratecard import RateCard

__all__ = ["KeptDatabases", "card_database", "card_tables"]

_MOST_IDLE: Final = 8
"""The two sides of a comparison, each in four threads."""

Item = TypeVar("Item")
Made = TypeVar("Made")


class KeptDatabases:
    """The databases of one piece of work, closed at its end. Its threads share this object."""

    def __init__(self) -> None:
        self._idle: list[tuple[RateCard, duckdb.DuckDBPyConnection]] = []
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for _card, con in self._idle:
            con.close()
        self._idle.clear()

    def within(self, work: Callable[[Item], Made]) -> Callable[[Item], Made]:
        """Return `work` as a function that uses these databases."""

        def done(item: Item) -> Made:
            token = _KEPT.set(self)
            try:
                return work(item)
            finally:
                _KEPT.reset(token)

        return done

    def take(self, card: RateCard) -> duckdb.DuckDBPyConnection | None:
        """Return a database of `card` that is not in use; None without one."""
        with self._lock:
            for place, (its, con) in enumerate(self._idle):
                if its is card:
                    del self._idle[place]
                    return con
        return None

    def keep(self, card: RateCard, con: duckdb.DuckDBPyConnection) -> None:
        """Keep a database for the next table, in the place of the oldest where there are many."""
        with self._lock:
            self._idle.append((card, con))
            surplus = self._idle.pop(0)[1] if len(self._idle) > _MOST_IDLE else None
        if surplus is not None:
            surplus.close()


_KEPT: ContextVar[KeptDatabases | None] = ContextVar("kept databases of cards", default=None)


@contextmanager
def card_database(card: RateCard) -> Iterator[duckdb.DuckDBPyConnection]:
    """Yield a database with the tables of `card` that nothing else uses meanwhile.

    Inside :meth:`KeptDatabases.within` it is kept for the next table; otherwise it is closed.
    """
    kept = _KEPT.get()
    con = kept.take(card) if kept is not None else None
    if con is None:
        con = memory_database(bounded())
        for name, table in card_tables(card).items():
            con.register(f"given_{name}", table)
            con.execute(f"CREATE TABLE {name} AS FROM given_{name}")
            con.unregister(f"given_{name}")
    try:
        yield con
    except BaseException:
        con.close()
        raise
    if kept is None:
        con.close()
    else:
        kept.keep(card, con)


def card_tables(card: RateCard) -> dict[str, pa.Table]:
    """Return the tables of a card that its statement reads, by name, without the zones."""
    rows = [(name, code) for name, zips in sorted(card.areas.items()) for code in sorted(zips)]
    areas = pa.table(
        {
            "area": pa.array([row[0] for row in rows], pa.string()),
            "postal_code": pa.array([row[1] for row in rows], pa.string()),
        }
    )
    return {
        "rates": card.rates,
        "ounces": card.ounces,
        "transit": card.transit,
        "areas": areas,
    }
