"""Fixtures for the tests of the tools: real servers over a real sandbox."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import pytest

import shipkit as sk

sys.path.insert(0, str(Path(__file__).parent))

from agentkit import SHOP, Books

from shipkit.agent.mcp_server import build
from shipkit.agent.server_options import rules_of


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture
def books(home):
    return Books(home / "sandbox" / "books.sqlite")


@pytest.fixture
def slow(home):
    """A sandbox that takes its time over each label, so that a job can be seen running."""
    home.mkdir(parents=True, exist_ok=True)
    carrier = sk.SandboxCarrier(home=home, latency_s=0.1, concurrency=2, label_bytes=500)
    yield carrier
    asyncio.run(carrier.aclose())


@pytest.fixture
def serve(home, tmp_path):
    """Return a function that builds a server under given rules; its desk is closed after the
    test.
    """
    open_desks = []
    shop = tmp_path / "shop.json"
    shop.write_text(json.dumps(SHOP))

    def start(**rules):
        server, desk = build(rules_of(**{"shippers": [f"harbor={shop}"], "home": home, **rules}))
        open_desks.append(desk)
        server.desk = desk
        return server

    yield start
    for desk in open_desks:
        desk.close()
