"""HTTP to a carrier: one request, then one answer, or one error that is clear about purchases.

aiohttp carries the bytes. In comparison (benchmarks/bench_transport.py, 50 connections), httpx
through aiohttp costs twice the CPU per request, and httpx alone thirty times. Any httpx transport
can be used instead: a client certificate, ``httpx.MockTransport``. Nothing here repeats a POST,
follows a redirect, reads the environment (but for a proxy that was asked for) or logs a body.

What a failure means is an allow-list. Only a request that provably never left is
:class:`~shipkit.errors.NotSent`; every other failure once sending may have begun is
:class:`~shipkit.errors.AnswerLost`. The classes of httpx cannot decide it: httpx-aiohttp reports a
reset *after* the whole request was sent as ``httpx.ConnectTimeout``, just like a refused
connection. So the underlying cause decides.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
import math
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

import aiohttp
import orjson
from pydantic import SecretBytes, SecretStr

from shipkit._version import __version__
from shipkit.carriers.http_senders import AiohttpSender, HttpxSender, Response, Sender, Sending
from shipkit.carriers.proxies import proxy_for, proxy_hint
from shipkit.carriers.send_gate import Passage
from shipkit.errors import AnswerLost, CarrierError, CarrierUnreachable, RateLimited

if TYPE_CHECKING:
    import httpx

__all__ = ["HttpTransport", "Response", "classified", "retry_after_s"]

log = logging.getLogger("shipkit.http")


_NEVER_SENT = (
    aiohttp.ClientConnectorError,  # refused, no route, no such host, TLS handshake failed
    aiohttp.ConnectionTimeoutError,  # no connection, or no free one in the pool, in time
)


_NEVER_SENT_BY_HTTPX = frozenset(
    {"httpcore.ConnectError", "httpcore.ConnectTimeout", "httpcore.PoolTimeout"}
)
"""The allow-list. Each is raised before a connection is handed to the request, and nowhere else."""


_LOGIN_WANTED = 407
"""Proxy Authentication Required: only a proxy answers it."""


class HttpTransport:
    """Connections to one carrier, reused. Used from one event loop; close it there.

    Parameters
    ----------
    base_url
        Scheme and host, and a path prefix if there is one.
    name
        The carrier's name in messages.
    timeout_s
        Time-out of a whole request, from the first byte sent to the last received.
    connect_timeout_s
        Time-out for a connection. When it runs out, nothing was sent, for certain.
    connections
        Most connections. How many requests run at once is up to the pacer.
    transport
        An httpx transport to use instead of aiohttp. It has its own proxy.
    proxy
        ``SHIPKIT_PROXY``; see :mod:`shipkit.carriers.proxies`.

    Raises
    ------
    SettingsError
        The proxy cannot be used.
    """

    def __init__(
        self,
        base_url: str,
        *,
        name: str = "the carrier",
        headers: Mapping[str, str] | None = None,
        timeout_s: float = 30.0,
        connect_timeout_s: float = 10.0,
        connections: int = 256,
        transport: httpx.AsyncBaseTransport | None = None,
        proxy: SecretStr | None = None,
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self.name = name
        self.timeout_s = timeout_s
        self._connect_s = min(connect_timeout_s, timeout_s)
        self._headers = {
            "user-agent": f"shipkit/{__version__}",
            "accept": "application/json",
            "accept-encoding": "gzip, deflate",
            **(headers or {}),
        }
        self._proxy, self._proxy_setting = proxy_for(self.base_url, proxy), proxy
        self._sender: Sender = (
            AiohttpSender(tls=self.base_url.startswith("https:"), connections=connections)
            if transport is None
            else HttpxSender(transport)
        )

    async def request(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        content: bytes | SecretBytes | None = None,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str | SecretStr] | None = None,
        authorization: SecretStr | None = None,
        timeout_s: float | None = None,
        judge: bool = True,
    ) -> Response:
        """Send a request once and return the answer: 2xx, 3xx (not followed), and 4xx except 429.

        Parameters
        ----------
        content
            A body that is not JSON, or one with credentials, revealed to the sender only.
        authorization, headers
            Secrets are revealed to the sender only: no traceback shows them, not even one with
            local variables.
        judge
            Raise for 429 and 5xx. With False they are returned too, for a caller that knows the
            carrier's own codes.

        Raises
        ------
        NotSent
            Its children CarrierUnreachable and RateLimited (429): sending again is free.
        AnswerLost
            A 5xx, or no whole answer: the carrier may have acted.
        """
        seconds = self.timeout_s if timeout_s is None else timeout_s
        own: dict[str, str | SecretStr] = {
            **self._headers,
            **{name.lower(): value for name, value in (headers or {}).items()},
        }
        if json is not None:
            content = orjson.dumps(json)
            own.setdefault("content-type", "application/json")
        sending = Sending(
            method,
            self.base_url + path,
            own,
            authorization,
            content or b"",
            params,
            min(self._connect_s, seconds),
            seconds,
            self._proxy,
            Passage(),
        )
        sending.passage.check()
        start = time.perf_counter()
        try:
            async with asyncio.timeout(seconds):
                answer = await self._sender.send(sending)
        except self._sender.failures as error:
            if sending.passage.refused is not None:  # at most a part of the body was written
                raise sending.passage.refused from None
            failure = classified(error, self.name, seconds, proxy_hint(self._proxy_setting))
            log.debug(
                "%s %s: %s after %.0f ms",
                method,
                path,
                type(failure).__name__,
                (time.perf_counter() - start) * 1000,
            )
            # The errors of aiohttp name the proxy, with its password.
            raise failure from (_without_frames(error) if self._proxy is None else None)
        log.debug(
            "%s %s: %d, %d bytes, %.0f ms",
            method,
            path,
            answer.status,
            len(answer.content),
            (time.perf_counter() - start) * 1000,
        )
        if answer.status == _LOGIN_WANTED:
            raise _refused_by_proxy(answer.status)
        if judge:
            _refuse_busy_and_broken(answer, self.name)
        return answer

    async def aclose(self) -> None:
        """Close the connections. The next request opens new ones."""
        await self._sender.aclose()


def classified(error: Exception, name: str, seconds: float, hint: str = "") -> CarrierError:
    """Return what a failed request means, by its underlying cause.

    Parameters
    ----------
    hint
        What to add to the advice when there was no connection.
    """
    causes = [error, *_causes(error)]
    for cause in causes:
        # Raised only for the CONNECT before the request, which opens the tunnel.
        if isinstance(cause, aiohttp.ClientHttpProxyError):
            return _refused_by_proxy(cause.status)
        if isinstance(cause, aiohttp.ClientProxyConnectionError):
            return CarrierUnreachable(
                f"No connection to the proxy: {_words([cause.os_error])}.",
                fix="Check the address in SHIPKIT_PROXY; nothing was sent.",
            )
    if any(
        isinstance(cause, _NEVER_SENT) or _qualified(cause) in _NEVER_SENT_BY_HTTPX
        for cause in causes
    ):
        return CarrierUnreachable(
            f"No connection to {name}: {_words(causes)}.",
            fix=f"Check the network and the address; nothing was sent. {hint}".rstrip(),
        )
    slow = any(isinstance(cause, TimeoutError) for cause in causes)
    what = f"did not answer within {seconds:g} s" if slow else f"broke off: {_words(causes)}"
    return AnswerLost(
        f"{name[:1].upper()}{name[1:]} {what}. It may have acted.",
        fix="The row is looked up by its reference before anything is sent again.",
    )


def _refused_by_proxy(status: int) -> CarrierUnreachable:
    """Return the error for an answer of the proxy itself: the request went no further."""
    login = status == _LOGIN_WANTED
    return CarrierUnreachable(
        f"The proxy {'wants a login' if login else 'refused'} ({status}). Nothing was sent.",
        fix="Put user:password@ before the host in SHIPKIT_PROXY."
        if login
        else "Ask for the carrier's host to be allowed, or add it to NO_PROXY.",
        carrier_code=str(status),
    )


def _without_frames(error: BaseException) -> BaseException:
    """Return `error` without its frames: the sender's local variables hold credentials."""
    for part in (error, *_causes(error)):
        part.__traceback__ = part.__context__ = None
    return error


def _causes(error: BaseException) -> list[BaseException]:
    """Return the causes of `error`, outermost first.

    Contexts do not count: they may be about another failure.
    """
    found: list[BaseException] = []
    cause = error.__cause__
    while cause is not None and cause not in found:
        found.append(cause)
        cause = cause.__cause__
    return found


def _qualified(error: BaseException) -> str:
    return f"{type(error).__module__.partition('.')[0]}.{type(error).__name__}"


def _words(causes: list[Any]) -> str:
    """Return the kind of the innermost failure, without its text, which may quote the request."""
    return next((type(cause).__name__ for cause in reversed(causes)), "unknown")


def _refuse_busy_and_broken(answer: Response, name: str) -> None:
    if answer.status == 429:
        wait = retry_after_s(answer.headers.get("retry-after"))
        raise RateLimited(
            f"{name[:1].upper()}{name[1:]} answered 429: too many requests.",
            fix="shipkit pauses and sends again.",
            retry_after_s=wait,
            carrier_code="429",
        )
    if answer.status >= 500:
        raise AnswerLost(
            f"{name[:1].upper()}{name[1:]} answered {answer.status}. It may have acted.",
            fix="The row is looked up by its reference before anything is sent again.",
            carrier_code=str(answer.status),
            status=answer.status,
        )


def retry_after_s(header: str | None) -> float | None:
    """Return the seconds that a ``Retry-After`` header asks for, None when it does not say.

    Examples
    --------
    >>> retry_after_s("2.5"), retry_after_s("soon")
    (2.5, None)
    """
    if header is None:
        return None
    try:
        seconds = float(header)
        return max(0.0, seconds) if math.isfinite(seconds) else None
    except ValueError:
        pass
    try:
        at = parsedate_to_datetime(header)
    except ValueError:
        return None
    return (
        max(0.0, (at - dt.datetime.now(tz=at.tzinfo or dt.UTC)).total_seconds())
        if at.tzinfo
        else None
    )
