"""The client of UPS's API: signs in, sends one request, and decides what an answer means.

This is the one place that decides an outcome at UPS:

- No connection, a failed TLS handshake, no free connection in time: CarrierUnreachable, not sent.
- The sign-in fails or does not answer: AuthenticationFailed or CarrierUnreachable, not sent.
- 401, and 401 again with a fresh token: AuthenticationFailed, turned away unread.
- 429: RateLimited, turned away unread.
- A refusal of the account (:data:`~shipkit.carriers.ups.codes.ACCOUNT_REFUSED`):
  AuthenticationFailed, because every row would get it. Nothing was bought.
- Any other 4xx with an error of the API, or a 2xx with an error in its body: CarrierRejected.
- A 4xx without one, such as the page of a firewall: AnswerLost, in doubt.
- 200 without a body and an error in the headers: CarrierRejected (recorded, labels.malformed).
- A time-out, a reset, a 5xx, half an answer, an answer that is not JSON: AnswerLost, in doubt.
- A 4xx that is a failure of UPS's own systems (:data:`~shipkit.carriers.ups.codes.IN_DOUBT`):
  AnswerLost, in doubt.
"""

from __future__ import annotations

import base64
import logging
import time
import uuid
from typing import TYPE_CHECKING, Any, Final, NoReturn

from pydantic import SecretStr

from shipkit.carriers.http import HttpTransport, Response, retry_after_s
from shipkit.carriers.ups import responses
from shipkit.carriers.ups.codes import ACCOUNT_REFUSED, IN_DOUBT, explain
from shipkit.carriers.ups.json_values import Unreadable
from shipkit.carriers.ups.responses import ErrorAnswer
from shipkit.carriers.ups.text import clean, cut
from shipkit.carriers.ups.wire import Request
from shipkit.common.loop_lock import LoopLock
from shipkit.errors import (
    AnswerLost,
    AuthenticationFailed,
    CarrierError,
    CarrierRejected,
    CarrierUnreachable,
    RateLimited,
)

if TYPE_CHECKING:
    import httpx

__all__ = ["UpsClient"]

log = logging.getLogger("shipkit.ups")

_TOKEN_PATH = "/security/v1/oauth/token"  # noqa: S105 - a path
_EARLY_S: Final = 300.0
"""A token is renewed this long before it expires, or a tenth of its life if that is shorter.

A request in progress must not outlive its token.
"""
_LOOK_UP = "The row is looked up by its reference before anything is sent again."
_CREDENTIALS = (
    "Check SHIPKIT_UPS_CLIENT_ID and SHIPKIT_UPS_CLIENT_SECRET, and that they belong to this host "
    "(test or live)."
)


class UpsClient:
    """A signed-in connection to one UPS host: one token for all requests, one refresh at a time."""

    def __init__(
        self,
        base_url: str,
        *,
        client_id: str,
        client_secret: SecretStr,
        timeout_s: float,
        transport: httpx.AsyncBaseTransport | None = None,
        proxy: SecretStr | None = None,
    ) -> None:
        self._http = HttpTransport(
            base_url, name="UPS", timeout_s=timeout_s, transport=transport, proxy=proxy
        )
        self._client_id, self._secret = client_id, client_secret
        self._token: SecretStr | None = None
        self._good_until = 0.0
        self._signing_in = LoopLock()

    def __repr__(self) -> str:
        """Name the host and nothing else."""
        return f"UpsClient({self._http.base_url})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a signed-in client holds credentials and cannot be pickled")

    async def ask(self, request: Request) -> Any:
        """Return the body of UPS's answer.

        Raises
        ------
        CarrierError
            One of its children, as the module describes.
        """
        token = await self._signed_in()
        answer, transaction = await self._send(request, token)
        if answer.status == 401:
            # Turned away unread, so asking again with a new token cannot buy twice.
            token = await self._signed_in(refused=token)
            answer, transaction = await self._send(request, token)
        return _meaning(answer, transaction)

    async def aclose(self) -> None:
        """Close the connections and forget the token."""
        self._token = None
        await self._http.aclose()

    async def _send(self, request: Request, token: SecretStr) -> tuple[Response, str]:
        transaction = uuid.uuid4().hex
        headers = {"transid": transaction, "transactionsrc": "shipkit", **dict(request.headers)}
        began = time.perf_counter()
        try:
            answer = await self._http.request(
                request.method,
                request.path,
                json=request.body,
                params=dict(request.query) or None,
                headers=headers,
                authorization=token,
                judge=False,
            )
        except CarrierError as error:
            error.transaction_id = transaction
            log.info(
                "%s %s transId=%s: %s after %.0f ms",
                request.method,
                request.path,
                transaction,
                error.code,
                (time.perf_counter() - began) * 1000,
            )
            raise
        theirs = answer.headers.get("bkndtransid", "-")
        log.info(
            "%s %s transId=%s bkndtransid=%s: %d in %.0f ms",
            request.method,
            request.path,
            transaction,
            theirs,
            answer.status,
            (time.perf_counter() - began) * 1000,
        )
        return answer, transaction

    async def _signed_in(self, refused: SecretStr | None = None) -> SecretStr:
        """Return a token that is valid for a while and is not `refused`.

        Callers that come while a token is fetched wait for that one.
        """
        if (token := self._usable(refused)) is not None:
            return token
        async with self._signing_in.here():
            if (token := self._usable(refused)) is None:
                token, seconds = await self._fetch_token()
                self._token = token
                self._good_until = time.monotonic() + seconds - min(_EARLY_S, seconds / 10)
            return token

    def _basic(self) -> SecretStr:
        return SecretStr(
            "Basic "
            + base64.b64encode(
                f"{self._client_id}:{self._secret.get_secret_value()}".encode()
            ).decode("ascii")
        )

    def _usable(self, refused: SecretStr | None) -> SecretStr | None:
        fresh = self._token is not refused and time.monotonic() < self._good_until
        return self._token if fresh else None

    async def _fetch_token(self) -> tuple[SecretStr, float]:
        headers = {"content-type": "application/x-www-form-urlencoded"}
        try:
            answer = await self._http.request(
                "POST",
                _TOKEN_PATH,
                content=b"grant_type=client_credentials",
                headers=headers,
                authorization=self._basic(),
            )
        except AnswerLost as lost:  # only the sign-in was lost; the request after it never left
            raise CarrierUnreachable(
                f"UPS's sign-in gave no answer: {lost.message}", fix="Try again; nothing was sent."
            ) from None
        log.info("POST %s: %d", _TOKEN_PATH, answer.status)
        error = responses.error_in(_json(answer), answer.headers)
        if answer.status != 200 or error is not None:
            words = _words(error)
            raise AuthenticationFailed(
                f"UPS refused to sign in ({answer.status}). {words}",
                fix=_CREDENTIALS,
                carrier_code=error.code if error else str(answer.status),
                carrier_message=words,
            )
        try:
            token, seconds = responses.token(_json(answer))
        except Unreadable:
            raise CarrierUnreachable(
                "UPS's sign-in answered without a token.", fix="Try again; nothing was sent."
            ) from None
        return SecretStr(f"Bearer {token}"), seconds


def _meaning(answer: Response, transaction: str) -> Any:
    """Return the body of a good answer, or raise what a bad one means."""
    body = _json(answer)
    # A body that reports success is believed over an error header.
    in_headers = answer.headers if answer.status >= 400 or not answer.content else {}
    error = responses.error_in(body, in_headers)
    code = error.code if error else None
    theirs = answer.headers.get("bkndtransid")
    about: dict[str, Any] = {
        "carrier_code": code or str(answer.status),
        "carrier_message": _words(error) or None,
        "transaction_id": transaction,
        "bkndtransid": theirs,
        "status": answer.status,
    }
    if answer.status == 401:
        raise AuthenticationFailed(_sentence(answer, error), fix=_CREDENTIALS, **about)
    if answer.status == 429:
        about["carrier_code"] = code or "10429"
        raise RateLimited(
            _sentence(answer, error),
            fix="shipkit pauses and sends again.",
            retry_after_s=retry_after_s(answer.headers.get("retry-after")),
            **about,
        )
    if answer.status >= 500 or code in IN_DOUBT:
        raise AnswerLost(f"{_sentence(answer, error)} It may have acted.", fix=_LOOK_UP, **about)
    if answer.status >= 400 and error is None:
        raise AnswerLost(
            f"UPS answered {answer.status} without an error of its API: a proxy or a firewall may "
            "have answered instead. It may have acted.",
            fix=_LOOK_UP,
            **about,
        )
    if error is not None:
        known = explain(code)
        if code in ACCOUNT_REFUSED:
            raise AuthenticationFailed(
                _sentence(answer, error),
                fix=(known.fix if known else None) or _CREDENTIALS,
                **about,
            )
        raise CarrierRejected(
            _sentence(answer, error),
            fix=(known.fix if known else None)
            or f"Correct the row; UPS support knows code {about['carrier_code']}.",
            **about,
        )
    if not 200 <= answer.status < 300 or body is None:
        raise AnswerLost(
            f"UPS answered {answer.status} with {len(answer.content)} bytes without content. "
            "It may have acted.",
            fix=_LOOK_UP,
            **about,
        )
    return body


def _json(answer: Response) -> Any:
    """Return the body, None when there is none or it is not JSON."""
    try:
        return answer.json() if answer.content else None
    except AnswerLost:
        return None


def _words(error: ErrorAnswer | None) -> str:
    return cut(clean(error.message), 300) if error else ""


def _sentence(answer: Response, error: ErrorAnswer | None) -> str:
    """Return what happened: our plain words, then UPS's code and words."""
    known = explain(error.code) if error else None
    words = _words(error)
    if known and error:
        return f"{known.plain} (UPS {error.code}{': ' if words else ''}{words})"
    if error:
        return f"UPS refused: {words or 'without a reason'} ({error.code or answer.status})"
    return f"UPS answered {answer.status}."
