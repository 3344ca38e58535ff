"""Prices kept on disk for a while, so that a second preview of the same orders asks nothing.

A key is a hash of the question, environment and account included. What is kept is the price and its
parts, never an address.
"""

from __future__ import annotations

import contextlib
import hashlib
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from shipkit.models import Rate

__all__ = ["QuoteCache"]

_SCHEMA = (
    "create table if not exists quotes (key blob primary key, at real not null, rate text not "
    "null) without rowid"
)
_CHUNK = 500


class QuoteCache:
    """Quotes by question. A cache that cannot be read or written counts as empty.

    Parameters
    ----------
    folder
        Created when the first price is kept.
    max_age_s
        Older prices are asked for again, and removed; 0 keeps nothing.
    """

    def __init__(
        self, folder: Path, *, max_age_s: float = 3600.0, clock: Callable[[], float] = time.time
    ) -> None:
        self._path = folder / "quotes-1.sqlite3"
        self._max_age_s = max_age_s
        self._clock = clock

    def get(self, questions: Mapping[str, str]) -> dict[str, Rate]:
        """Return name -> price of the `questions` (name -> question) that are known."""
        if not (self._max_age_s and questions and self._path.exists()):
            return {}
        names: dict[bytes, list[str]] = {}
        for name, question in questions.items():
            names.setdefault(_hash(question), []).append(name)
        found: dict[str, Rate] = {}
        with contextlib.suppress(sqlite3.Error, ValueError), self._open() as db:
            keys = list(names)
            for start in range(0, len(keys), _CHUNK):
                some = keys[start : start + _CHUNK]
                marks = ",".join("?" * len(some))
                for key, text in db.execute(
                    f"select key, rate from quotes where at > ? and key in ({marks})",
                    [self._clock() - self._max_age_s, *some],
                ):
                    found |= dict.fromkeys(names[key], Rate.model_validate_json(text))
        return found

    def put(self, prices: Mapping[str, Rate]) -> None:
        """Keep prices by their questions, and remove what is too old."""
        if not (self._max_age_s and prices):
            return
        now = self._clock()
        with contextlib.suppress(sqlite3.Error, OSError), self._open() as db:
            db.executemany(
                "insert or replace into quotes values (?, ?, ?)",
                [
                    (_hash(question), now, rate.model_dump_json())
                    for question, rate in prices.items()
                ],
            )
            db.execute("delete from quotes where at <= ?", [now - self._max_age_s])

    @contextlib.contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        db = sqlite3.connect(self._path, timeout=2)
        try:
            db.execute("pragma journal_mode=wal")
            db.execute("pragma synchronous=off")
            db.execute(_SCHEMA)
            with db:
                yield db
        finally:
            db.close()


def _hash(question: str) -> bytes:
    return hashlib.sha256(question.encode()).digest()
