"""The gate is asked where a request's bytes are written: after it closes, none reach the socket."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from shipkit.carriers.http import HttpTransport
from shipkit.carriers.send_gate import check_gate, guarded
from shipkit.errors import NotSent

LARGE = {"order": "x" * (3 * 2**20)}
SMALL = {"order": "SO-1"}


class Lease:
    """A gate that can be closed, and that closes by itself after so many questions."""

    def __init__(self, questions: int = 1_000_000) -> None:
        self.left = questions

    def __call__(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise NotSent("The lease ended.")


class Counting:
    """A server that counts every byte that arrives, and answers once a body is whole."""

    def __init__(self) -> None:
        self.received = 0
        self.answered = 0
        self.connected = asyncio.Event()
        self.connections: list[asyncio.Task] = []

    async def __call__(self, reader, writer) -> None:
        self.connections.append(asyncio.current_task())
        self.connected.set()
        try:
            await self._serve(reader, writer)
        except ConnectionError:  # the client gave the request up
            pass
        finally:
            writer.close()

    async def _serve(self, reader, writer) -> None:
        data = b""
        while chunk := await reader.read(65_536):
            self.received += len(chunk)
            data += chunk
            head, _, body = data.partition(b"\r\n\r\n")
            lengths = [x for x in head.lower().split(b"\r\n") if x.startswith(b"content-length:")]
            if lengths and len(body) >= int(lengths[0].split(b":")[1]):
                self.answered += 1
                data = b""
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
                await writer.drain()


def exchange(work, *, transport=None):
    """Run `work(http, server)` against a counting server; return the server."""

    async def go():
        counting = Counting()
        server = await asyncio.start_server(counting, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            http = HttpTransport(
                f"http://127.0.0.1:{port}",
                timeout_s=10,
                transport=None if transport is None else transport(),
            )
            try:
                await work(http, counting)
            finally:
                await http.aclose()
                await asyncio.gather(*counting.connections)
        return counting

    return asyncio.run(go())


TRANSPORTS = pytest.mark.parametrize("transport", [None, httpx.AsyncHTTPTransport])


@TRANSPORTS
@pytest.mark.parametrize("body", [SMALL, LARGE], ids=["small", "large"])
def test_an_open_gate_lets_a_request_through_as_it_is(transport, body):
    async def work(http, server):
        with guarded(Lease()):
            assert (await http.request("POST", "/ship", json=body)).status == 200

    assert exchange(work, transport=transport).answered == 1


@pytest.mark.parametrize("warm", [False, True], ids=["new connection", "kept connection"])
def test_not_one_byte_is_sent_when_the_lease_ends_between_the_call_and_the_socket(warm):
    async def work(http, server):
        if warm:
            await http.request("POST", "/ship", json=SMALL)
        before = server.received
        # One question at the start of the request, the next one where the body is written.
        with guarded(Lease(questions=1)), pytest.raises(NotSent, match="lease ended"):
            await http.request("POST", "/ship", json=SMALL)
        await server.connected.wait()
        # What the first request had sent is here by now: a second one is answered after it.
        await http.request("POST", "/ship", json=SMALL)
        one = server.received - before
        assert server.answered == (2 if warm else 1)
        before = server.received
        await http.request("POST", "/ship", json=SMALL)
        assert server.received - before == one  # exactly one request's bytes, so none of the first

    exchange(work)


@TRANSPORTS
def test_a_body_is_never_completed_after_the_lease_ended(transport):
    async def work(http, server):
        with guarded(Lease(questions=2)), pytest.raises(NotSent):
            await http.request("POST", "/ship", json=LARGE)

    assert exchange(work, transport=transport).answered == 0


def test_a_refused_request_does_not_connect_at_all_when_the_gate_was_closed_before():
    async def work(http, server):
        with guarded(Lease(questions=0)), pytest.raises(NotSent):
            await http.request("POST", "/ship", json=SMALL)
        assert not server.connected.is_set()

    assert exchange(work).received == 0


def test_the_gate_holds_for_the_tasks_of_its_block_and_for_no_others():
    async def asks():
        check_gate()

    async def go():
        outside = asyncio.create_task(asks())
        with guarded(Lease(questions=0)):
            inside = asyncio.create_task(asks())
        await outside
        with pytest.raises(NotSent):
            await inside
        check_gate()

    asyncio.run(go())
