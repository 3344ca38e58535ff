"""A job bought from any source, and the rows of its result."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from shipkit.session import BatchSession


@pytest.fixture
def buy(shop: Any) -> Iterator[Callable[..., BatchSession]]:
    """Buy every order of a source in the sandbox and return the session."""
    made: list[BatchSession] = []

    def run(source: Any, *, where: str | None = None, **options: Any) -> BatchSession:
        session = BatchSession(shipper=shop, carrier="sandbox")
        made.append(session)
        session.load(source, **options)
        if where:
            session.where(where)
        session.map(service="ground", weights="line")
        session.preview()
        session.approve()
        session.execute(progress=False)
        return session

    yield run
    for session in made:
        session.close()
