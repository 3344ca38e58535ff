"""A raw HTTP server on loopback that misbehaves on purpose, and counts what it read."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

Behaviour = Callable[["Exchange"], Awaitable[None]]


@dataclass
class Exchange:
    """One connection, after a request was read (or not)."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    server: Loopback
    body: bytes = b""

    def reset(self) -> None:
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    def close(self) -> None:
        self.writer.close()

    async def say(self, raw: bytes) -> None:
        self.writer.write(raw)
        await self.writer.drain()

    async def answer(self, status: int, body: bytes = b"{}", **headers: str) -> None:
        """Say a whole answer. Header names with underscores for dashes."""
        lines = [
            f"HTTP/1.1 {status} Some",
            f"Content-Length: {len(body)}",
            *(f"{k.replace('_', '-')}: {v}" for k, v in headers.items()),
        ]
        await self.say("\r\n".join(lines).encode() + b"\r\n\r\n" + body)

    async def read_request(self) -> bool:
        """Read a whole request; False at the end of the connection."""
        try:
            head = await self.reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            return False
        length = next(
            (
                int(line.split(b":")[1])
                for line in head.lower().split(b"\r\n")
                if line.startswith(b"content-length")
            ),
            0,
        )
        self.body = await self.reader.readexactly(length)
        self.server.requests.append(head.split(b"\r\n")[0].decode())
        self.server.heads.append(head)
        return True


@dataclass
class Loopback:
    """What happened at the server."""

    url: str = ""
    connections: int = 0
    requests: list[str] = field(default_factory=list)
    heads: list[bytes] = field(default_factory=list)


@asynccontextmanager
async def serve(behave: Behaviour, *, ssl=None) -> AsyncIterator[Loopback]:
    """Serve: `behave` gets each connection."""
    state = Loopback()
    tasks: set[asyncio.Task] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        state.connections += 1
        tasks.add(asyncio.current_task())
        try:
            await behave(Exchange(reader, writer, state))
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=ssl)
    state.url = f"{'https' if ssl else 'http'}://localhost:{server.sockets[0].getsockname()[1]}"
    try:
        yield state
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()


@pytest.fixture
def loopback():
    """``async with loopback(behaviour) as server``: a server whose every connection goes to
    `behaviour`.
    """
    return serve


@pytest.fixture
def unused_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]
