"""Fixtures for the tests of the tools: real servers over a real sandbox."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "held_carrier"))
sys.path.insert(0, str(Path(__file__).parent))

from agentkit import SHOP, Books
from held_carrier import HeldSandbox

from shipkit.agent.mcp_server import build
from shipkit.agent.server_options import rules_of


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture
def books(home):
    return Books(home / "sandbox" / "books.sqlite")


@pytest.fixture
def held(home):
    """A sandbox that sells three shipments, then holds the next ones until `release()`."""
    home.mkdir(parents=True, exist_ok=True)
    hold = home / "hold"
    hold.touch()
    carrier = HeldSandbox(hold, home=home, label_bytes=500)
    yield carrier
    carrier.release()
    asyncio.run(carrier.aclose())


@pytest.fixture
def serve(home, tmp_path):
    """Return a function that builds a server under given rules; it is closed after the test."""
    registries = []
    shop = tmp_path / "shop.json"
    shop.write_text(json.dumps(SHOP))

    def start(**rules):
        options = {"shippers": [f"harbor={shop}"], "home": home, **rules}
        server, registry = build(rules_of(**options))
        registries.append(registry)
        server.registry = registry
        return server

    yield start
    for registry in registries:
        registry.close()
