"""A session on few orders."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import shipkit as sk

sys.path.insert(0, str(Path(__file__).parent.parent / "core_kit"))

ROWS = [
    {
        "order_id": f"SO-{n}",
        "name": name,
        "address1": street,
        "city": city,
        "state": state,
        "zip": postal,
        "weight_lb": weight,
        "sku": sku,
    }
    for n, (name, street, city, state, postal, weight, sku) in enumerate(
        [
            ("Ada Lee", "1 Main St", "Austin", "TX", "78701", 2.0, "mug"),
            ("Ben Okri", "22 Elm Ave", "Boston", "MA", "2134", 5.5, "pan"),
            ("Cora Diaz", "3 Oak Blvd", "Los Angeles", "California", "90036", 0.5, "mug"),
            ("Dion Wu", "", "Seattle", "WA", "98101", 3.0, "pan"),
            ("Elif Kaya", "5 Pine Rd", "Denver", "CO", "80202", 12.0, "lamp"),
        ],
        start=1,
    )
]


@pytest.fixture
def rows() -> list[dict[str, Any]]:
    """Five orders: one with a lost leading zero, one with a state in full, one without a street."""
    return [dict(row) for row in ROWS]


@pytest.fixture
def session(rows: list[dict[str, Any]], shop: sk.Address) -> Iterator[sk.BatchSession]:
    """A session on the five orders, ground service chosen."""
    with sk.BatchSession(rows, shipper=shop, service="ground") as made:
        yield made


@pytest.fixture
def make(rows: list[dict[str, Any]], shop: sk.Address) -> Iterator[Callable[..., sk.BatchSession]]:
    """Return a maker of sessions on the five orders; they are closed at the end."""
    made: list[sk.BatchSession] = []

    def build(source: Any = None, **options: Any) -> sk.BatchSession:
        made.append(
            sk.BatchSession(
                rows if source is None else source,
                **{"shipper": shop, "service": "ground", **options},
            )
        )
        return made[-1]

    yield build
    for each in made:
        each.close()
