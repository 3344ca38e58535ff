"""What the tests of the tools share: orders, books, a carrier that waits, a person, a client."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

SHOP = {
    "name": "Dana Ortiz",
    "company": "Harbor Goods",
    "address_line1": "300 Alamo Plaza",
    "city": "San Antonio",
    "state": "TX",
    "postal_code": "78205",
    "country": "US",
    "phone": "2105550100",
}


def orders(count: int = 12, **more) -> list[dict]:
    """Return `count` orders that ship, all alike but for their number."""
    return [
        {
            "order_id": str(i),
            "name": "Ada Lee",
            "address1": f"{i} Main St",
            "city": "Austin",
            "state": "TX",
            "zip": "78701",
            "weight_lb": 2,
            "service": "ground",
            **more,
        }
        for i in range(1, count + 1)
    ]


async def until(condition, *, timeout_s: float = 60) -> None:
    """Wait until `condition()` is true."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        await asyncio.sleep(0.01)


class Books:
    """The books of the sandbox: what was really bought, whatever an answer says."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def _count(self, condition: str) -> int:
        if not self.path.exists():
            return 0
        con = sqlite3.connect(self.path)
        try:
            return con.execute(f"SELECT count(*) FROM purchases WHERE {condition}").fetchone()[0]
        except sqlite3.OperationalError:  # the file is there, its tables are being made
            return 0
        finally:
            con.close()

    @property
    def bought(self) -> int:
        """How many shipments were ever bought."""
        return self._count("true")

    @property
    def voided(self) -> int:
        """How many of them were voided."""
        return self._count("voided_at IS NOT NULL")


class Person:
    """A person at the client: what they were asked, and what they answer."""

    def __init__(self, answer: str = "accept", content=None) -> None:
        self.answer, self.content = answer, {"approve": True} if content is None else content
        self.asked: list[str] = []

    async def __call__(self, context, params):
        from mcp.types import ElicitResult

        self.asked.append(params.message)
        return ElicitResult(
            action=self.answer, content=self.content if self.answer == "accept" else None
        )


@asynccontextmanager
async def connected(server, person=None, era="auto"):
    """Yield an official client; `era` is ``auto`` (2026-07-28) or ``legacy`` (2025-11-25)."""
    from mcp import Client

    async with Client(server, mode=era, elicitation_callback=person) as client:
        yield Shorthand(client)


class Shorthand:
    """A client with short names: ``await c("batch_preview", sample=1)``."""

    def __init__(self, client) -> None:
        self.client = client

    async def __call__(self, tool: str, /, **arguments):
        return await self.client.call_tool(tool, arguments)

    async def ok(self, tool: str, /, **arguments) -> dict:
        result = await self(tool, **arguments)
        assert not result.is_error, result.content[0].text
        return result.structured_content

    async def no(self, tool: str, /, **arguments) -> str:
        result = await self(tool, **arguments)
        assert result.is_error, result.content[0].text
        assert result.structured_content is None
        return result.content[0].text

    async def loaded(self, count: int = 12, **more) -> dict:
        batch = await self.ok("load_orders", rows=orders(count, **more))
        return await self.ok("batch_preview", job_id=batch["job_id"])


ERAS = pytest.mark.parametrize("era", ["auto", "legacy"])
