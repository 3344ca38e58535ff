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
from typing import Generic, TypeVar

from pydantic import BaseModel

from shipkit.models import Rate

__all__ = ["AnswerCache", "QuoteCache"]

Answer = TypeVar("Answer", bound=BaseModel)

_SCHEMA = (
    "create table if not exists quotes (key blob primary key, at real not null, rate text not "
    "null) without rowid"
)
_CHUNK = 500


class AnswerCache(Generic[Answer]):
    """Answers by question. A cache that cannot be read or written counts as empty.

    Parameters
    ----------
    path
        The file; its folder is created when the first answer is kept.
    kind
        The model of an answer.
    max_age_s
        Older answers are asked for again, and removed; 0 keeps nothing.
    """

    def __init__(
        self,
        path: Path,
        kind: type[Answer],
        *,
        max_age_s: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._path, self._kind = path, kind
        self._max_age_s = max_age_s
        self._clock = clock

    def get(self, questions: Mapping[str, str]) -> dict[str, Answer]:
        """Return name -> answer of the `questions` (name -> question) that are known."""
        if not (self._max_age_s and questions and self._path.exists()):
            return {}
        names: dict[bytes, list[str]] = {}
        for name, question in questions.items():
            names.setdefault(_hash(question), []).append(name)
        found: dict[str, Answer] = {}
        with contextlib.suppress(sqlite3.Error, ValueError), self._open() as db:
            keys = list(names)
            for start in range(0, len(keys), _CHUNK):
                some = keys[start : start + _CHUNK]
                marks = ",".join("?" * len(some))
                for key, text in db.execute(
                    f"select key, rate from quotes where at > ? and key in ({marks})",
                    [self._clock() - self._max_age_s, *some],
                ):
                    found |= dict.fromkeys(names[key], self._kind.model_validate_json(text))
        return found

    def put(self, answers: Mapping[str, Answer]) -> None:
        """Keep answers by their questions, and remove what is too old."""
        if not (self._max_age_s and answers):
            return
        now = self._clock()
        with contextlib.suppress(sqlite3.Error, OSError), self._open() as db:
            db.executemany(
                "insert or replace into quotes values (?, ?, ?)",
                [
                    (_hash(question), now, answer.model_dump_json())
                    for question, answer in answers.items()
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


class QuoteCache(AnswerCache[Rate]):
    """Quotes by question, in a folder."""

    def __init__(
        self, folder: Path, *, max_age_s: float = 3600.0, clock: Callable[[], float] = time.time
    ) -> None:
        super().__init__(folder / "quotes-1.sqlite3", Rate, max_age_s=max_age_s, clock=clock)


def _hash(question: str) -> bytes:
    return hashlib.sha256(question.encode()).digest()
