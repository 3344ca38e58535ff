"""What carries the bytes of one request to a carrier and back: aiohttp, or a transport of httpx.

A body is handed over in pieces, and the send gate is asked before each.
"""

from __future__ import annotations

import asyncio
import io
import ssl
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import aiohttp
import orjson
from pydantic import SecretBytes, SecretStr

from shipkit.carriers.send_gate import Passage
from shipkit.errors import AnswerLost

if TYPE_CHECKING:
    import httpx

__all__ = ["AiohttpSender", "HttpxSender", "Response", "Sender", "Sending"]

_KEEP_ALIVE_S = 10.0
"""Shorter than servers keep idle connections.

A request on a connection that the server is just closing would be in doubt without need.
"""

_LARGEST_ANSWER = 64 * 2**20
_LARGE_BODY = 2**20


@dataclass(frozen=True)
class Response:
    """An answer that was read to its end. Header names are lower case."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    def json(self) -> Any:
        """Return the body as JSON.

        Raises
        ------
        AnswerLost
            The body is not JSON: there was an answer, and what it means is unknown.
        """
        try:
            return orjson.loads(self.content)
        except orjson.JSONDecodeError:
            raise AnswerLost(
                f"The carrier answered {self.status} with {len(self.content)} bytes that are not "
                "JSON.",
                fix="The row is looked up by its reference.",
                carrier_code=str(self.status),
            ) from None

    def __repr__(self) -> str:
        """Name status and size; bodies hold addresses."""
        return f"Response({self.status}, {len(self.content)} bytes)"


@dataclass(frozen=True)
class Sending:
    """One request. Only its method and URL are shown: the rest holds credentials and addresses."""

    method: str
    url: str
    headers: Mapping[str, str | SecretStr] = field(repr=False)
    authorization: SecretStr | None = field(repr=False)
    content: bytes | SecretBytes = field(repr=False)
    params: Mapping[str, str] | None = field(repr=False)
    connect_s: float
    seconds: float
    proxy: SecretStr | None
    passage: Passage

    def revealed(self) -> dict[str, str]:
        """Return the headers with the credentials. Never keep them in a variable."""
        given: dict[str, str | SecretStr | None] = {
            **self.headers,
            "authorization": self.authorization,
        }
        return {
            name: value.get_secret_value() if isinstance(value, SecretStr) else value
            for name, value in given.items()
            if value is not None
        }

    def body(self) -> bytes:
        """Return the body with the credentials. Never keep it in a variable."""
        if isinstance(self.content, SecretBytes):
            return self.content.get_secret_value()
        return self.content


class Sender(Protocol):
    """Sends one request after the other, each once, and reads the answers to their end."""

    failures: tuple[type[Exception], ...]
    """What it raises where there is no answer; :mod:`shipkit.carriers.http` says what it means."""

    async def send(self, what: Sending) -> Response:
        """Send a request and return its answer."""
        ...

    async def aclose(self) -> None:
        """Close the connections."""


class AiohttpSender:
    """aiohttp, with a session for the running loop that is opened again after a close."""

    # TimeoutError is an OSError.
    failures: tuple[type[Exception], ...] = (aiohttp.ClientError, OSError)

    def __init__(self, *, tls: bool, connections: int) -> None:
        self._tls, self._connections = tls, connections
        self._session: aiohttp.ClientSession | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def send(self, what: Sending) -> Response:
        """Send a request and return its answer."""
        try:
            return await self._sent(what)
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError):
            if what.method != "GET":
                raise
            return await self._sent(what)  # the kept connection was closed meanwhile

    async def _sent(self, what: Sending) -> Response:
        # The caller times the whole request.
        timeout = aiohttp.ClientTimeout(
            total=None, connect=what.connect_s, sock_connect=what.connect_s
        )
        async with self._opened().request(
            what.method,
            what.url,
            data=_payload(what),
            headers=what.revealed(),
            params=what.params,
            allow_redirects=False,
            timeout=timeout,
            proxy=what.proxy.get_secret_value() if what.proxy else None,
        ) as answer:
            received = bytearray()
            async for chunk in answer.content.iter_any():
                _grow(received, chunk)
            return Response(
                answer.status,
                {name.lower(): value for name, value in answer.headers.items()},
                bytes(received),
            )

    def _opened(self) -> aiohttp.ClientSession:
        """Return the session, without cookies and without anything from the environment.

        The session of another loop is left alone: only that loop can close it.
        """
        loop = asyncio.get_running_loop()
        if self._session is None or self._loop is not loop:
            context = ssl.create_default_context() if self._tls else True
            connector = aiohttp.TCPConnector(
                limit=self._connections, ssl=context, keepalive_timeout=_KEEP_ALIVE_S
            )
            self._session, self._loop = (
                aiohttp.ClientSession(
                    connector=connector, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False
                ),
                loop,
            )
            # On a dropped connection aiohttp sends PUT and DELETE again by itself (client.py,
            # IDEMPOTENT_METHODS). The carrier refuses the second cancellation because the first
            # one worked, and the refusal would be taken for its answer. aiohttp has no option for
            # it; a test notices when this attribute does nothing.
            self._session._retry_connection = False  # noqa: SLF001
        return self._session

    async def aclose(self) -> None:
        """Close the connections."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()


class HttpxSender:
    """Any httpx transport, used directly: a client would add cookies and redirects."""

    def __init__(self, transport: httpx.AsyncBaseTransport) -> None:
        import httpx

        self._transport = transport
        self._request = httpx.Request
        self.failures: tuple[type[Exception], ...] = (httpx.HTTPError, aiohttp.ClientError, OSError)

    async def send(self, what: Sending) -> Response:
        """Send a request and return its answer."""
        timeout = {
            "connect": what.connect_s,
            "pool": what.connect_s,
            "read": what.seconds,
            "write": what.seconds,
        }
        request = self._request(
            what.method,
            what.url,
            params=what.params,
            headers=_with_length(what),
            content=_stream(what),
            extensions={"timeout": timeout},
        )
        answer = await self._transport.handle_async_request(request)
        body = bytearray()
        try:
            async for chunk in answer.aiter_bytes():
                _grow(body, chunk)
        finally:
            await answer.aclose()
        return Response(answer.status_code, dict(answer.headers), bytes(body))

    async def aclose(self) -> None:
        """Close the connections."""
        await self._transport.aclose()


def _payload(what: Sending) -> Any:
    """Return the body as aiohttp takes it. Never keep it in a variable: it may hold credentials."""
    if len(what.content) and what.passage.guarded:
        return _GatedBody(what.body(), what.passage)
    # aiohttp writes a stream piece by piece, and bytes in one go that holds the loop up.
    return io.BytesIO(what.body()) if len(what.content) > _LARGE_BODY else what.body()


def _stream(what: Sending) -> Any:
    """Return the body as httpx takes it. Never keep it in a variable."""
    guarded = len(what.content) and what.passage.guarded
    return _gated_pieces(what.body(), what.passage) if guarded else what.body()


def _with_length(what: Sending) -> dict[str, str]:
    """Return the headers of :func:`_stream`. With its length given, it is not sent in chunks."""
    if len(what.content) and what.passage.guarded:
        return {**what.revealed(), "content-length": str(len(what.content))}
    return what.revealed()


class _GatedBody(aiohttp.Payload):
    """A body that asks the gate before each piece is handed to the socket.

    aiohttp holds the headers back until the first piece of the body, and writes both to the socket
    in the same turn of the loop: a request that is refused here has sent nothing. One that is
    refused between two pieces has sent less than its content-length, which no server acts on.
    """

    def __init__(self, content: bytes, passage: Passage) -> None:
        super().__init__(content)
        self._size = len(content)
        self._content, self._passage = content, passage

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        return self._content.decode(encoding, errors)

    async def write(self, writer: aiohttp.abc.AbstractStreamWriter) -> None:
        for piece in _pieces(self._content):
            self._passage.check()
            await writer.write(piece)


async def _gated_pieces(content: bytes, passage: Passage) -> AsyncIterator[bytes]:
    for piece in _pieces(content):
        passage.check()
        yield piece


def _pieces(content: bytes) -> Iterator[bytes]:
    for start in range(0, len(content), _LARGE_BODY):
        yield content[start : start + _LARGE_BODY]


def _grow(body: bytearray, chunk: bytes) -> None:
    body += chunk
    if len(body) > _LARGEST_ANSWER:
        raise aiohttp.ClientPayloadError(f"the answer is larger than {_LARGEST_ANSWER} bytes")
