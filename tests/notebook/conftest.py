"""Sessions for the panel's tests."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import shipkit as sk
from shipkit.carriers.sandbox import SandboxCarrier

ROWS = [
    {
        "order_id": f"SO-{n}",
        "name": name,
        "address1": f"{n} Main St",
        "city": city,
        "state": state,
        "zip": postal,
        "weight_lb": 1 + n % 5,
    }
    for n, (name, city, state, postal) in enumerate(
        [
            ("Ada Lee", "Austin", "TX", "78701"),
            ("Ben Okri", "Boston", "MA", "02134"),
            ("Cora Diaz", "Denver", "CO", "80202"),
        ]
        * 4,
        start=1,
    )
]


@pytest.fixture
def rows() -> list[dict[str, Any]]:
    """Twelve orders that can all ship."""
    return [dict(row) for row in ROWS]


@pytest.fixture
def make(rows: list[dict[str, Any]], shop: sk.Address) -> Iterator[Callable[..., sk.BatchSession]]:
    """Return a maker of sessions, which are closed at the end.

    `latency_s` makes the sandbox slow enough to watch.
    """
    made: list[sk.BatchSession] = []

    def build(
        source: Any = None, *, latency_s: float = 0.0, concurrency: int = 4, **options: Any
    ) -> sk.BatchSession:
        carrier = options.pop("carrier", None) or SandboxCarrier(
            latency_s=latency_s, concurrency=concurrency
        )
        made.append(
            sk.BatchSession(
                rows if source is None else source,
                **{"shipper": shop, "service": "ground", "carrier": carrier, **options},
            )
        )
        return made[-1]

    yield build
    for session in made:
        session.close()


@pytest.fixture(name="purchases")
def count_of_purchases() -> Callable[[Path], int]:
    """Return a function that counts the shipments in a sandbox's books."""
    return purchases


def purchases(books: Path) -> int:
    """Return how many shipments a sandbox's books have, 0 before they are made."""
    if not books.exists():
        return 0
    con = sqlite3.connect(books)
    try:
        made = con.execute("SELECT count(*) FROM sqlite_master WHERE name = 'purchases'").fetchone()
        return con.execute("SELECT count(*) FROM purchases").fetchone()[0] if made[0] else 0
    finally:
        con.close()


@pytest.fixture
def bought(home: Path) -> Callable[[], int]:
    """Return a function that counts the labels that were really bought."""

    return lambda: purchases(home / "sandbox" / "books.sqlite")
