"""Makes the core's kit importable, and closes its books."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "core_kit"))


@pytest.fixture(autouse=True)
def _closed_books():
    from corekit import OPEN_BOOKS

    yield
    while OPEN_BOOKS:
        OPEN_BOOKS.pop().close()
