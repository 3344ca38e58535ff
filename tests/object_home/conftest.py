"""A real S3 server on loopback, and homes in it."""

from __future__ import annotations

import sys
import uuid
from pathlib import Path

import pytest

from shipkit import home_url
from shipkit.common import object_store
from shipkit.purchasing.store import job_objects, lease

sys.path.insert(0, str(Path(__file__).parent.parent / "core_kit"))


@pytest.fixture(scope="session")
def s3_server():
    """An S3 server that lives as long as the tests."""
    from s3_server import serving

    with serving() as server:
        yield server


@pytest.fixture
def s3(s3_server, monkeypatch):
    """The URL of a new bucket; the environment has what is needed to use it."""
    from s3_server import environment, make_bucket

    for name, value in environment(s3_server.url).items():
        monkeypatch.setenv(name, value)
    # A lease that no busy machine loses, renewed and looked at often, so that no test waits long.
    monkeypatch.setattr(lease, "_RENEWALS", 100)
    monkeypatch.setattr(lease, "_LOOKS", 150)
    return make_bucket(s3_server.url, f"ops-{uuid.uuid4().hex[:12]}")


@pytest.fixture
def short_lease(monkeypatch):
    """A lease of two seconds, for tests in which one runs out."""
    monkeypatch.setenv("SHIPKIT_LEASE_S", "2")


@pytest.fixture
def machine(s3):
    """Makes homes as other machines see them: the same URL, an empty cache.

    What tells two machines apart here is the cache; nothing else is shared by processes.
    """
    forgotten = []

    def another(prefix: str = "shipkit") -> Path:
        url = f"{s3}/{prefix}"
        home_url._FOLDERS.clear()
        folder = home_url.cache_of(url)
        forgotten.append(folder)
        return folder

    yield another
    object_store._store_at.cache_clear()
    for folder in forgotten:
        home_url._URLS.pop(folder, None)
        home_url._remove(folder, home_url.os.getpid())
        for known in [path for path in job_objects._JOBS if path.is_relative_to(folder)]:
            del job_objects._JOBS[known]
    home_url._FOLDERS.clear()


@pytest.fixture(autouse=True)
def _closed_books():
    from corekit import OPEN_BOOKS

    yield
    while OPEN_BOOKS:
        OPEN_BOOKS.pop().close()
