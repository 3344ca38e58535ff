"""Requests to EasyPost, and what each refusal means for a purchase.

The key alone decides whether money moves (one URL for test and production), so the mode that every
answer carries is compared with the environment that was asked for.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, NoReturn
from urllib.parse import urlsplit

import orjson
from pydantic import SecretStr

from shipkit.carriers.http import HttpTransport, Response
from shipkit.common.loopback import is_loopback
from shipkit.errors import (
    AnswerLost,
    AuthenticationFailed,
    CarrierError,
    CarrierRejected,
    FundsExhausted,
    SettingsError,
)

if TYPE_CHECKING:
    import httpx

__all__ = [
    "ALREADY_BOUGHT",
    "RATE_GONE",
    "EasyPostClient",
    "checked_key",
    "checked_url",
    "is_local",
]

_URL: Final = "https://api.easypost.com"
_MODES: Final = {"test": "test", "live": "production"}
_PREFIXES: Final = {"EZTK": "test", "EZAK": "live"}  # docs.easypost.com, Authentication

ALREADY_BOUGHT: Final = frozenset({"SHIPMENT.POSTAGE.EXISTS", "ORDER.POSTAGE.EXISTS"})
"""Of a purchase: it has its label, from an earlier request."""
RATE_GONE: Final = frozenset(
    {"SHIPMENT.RATES.UNAVAILABLE", "SHIPMENT.MISSING_RATE", "ORDER.RATE.UNAVAILABLE"}
)
"""Of a purchase: the rate is no longer valid, and nothing was bought."""
_NOT_BOUGHT: Final = RATE_GONE | {
    "SHIPMENT.POSTAGE.FAILURE",  # the carrier's own refusal, in `message`
    "UNPROCESSABLE_ENTITY",
    "BAD_REQUEST",
    "NOT_FOUND",
    "ADDRESS.VERIFY.FAILURE",
    "PARAMETER.REQUIRED",
    "PARAMETER.INVALID",
}
"""Codes of a purchase after which nothing was bought (easypost-node, `ErrorCode`; the guide to
errors). Their statuses are not published, so the code decides. Any other code of a purchase, also
one that does not exist today, may have bought something."""
_NOT_BOUGHT_ENDS: Final = (".INVALID", ".REQUIRED")


class EasyPostClient:
    """The connection to one EasyPost account.

    Parameters
    ----------
    url
        As :func:`checked_url` returns it.
    environment
        ``test`` or ``live``: what every answer is compared with.
    """

    def __init__(
        self,
        url: str,
        key: SecretStr,
        environment: str,
        *,
        timeout_s: float,
        transport: httpx.AsyncBaseTransport | None = None,
        proxy: SecretStr | None = None,
    ) -> None:
        self.local = is_local(url)
        self._mode = _MODES[environment]
        self._key = _basic(key)
        self._http = HttpTransport(
            url + "/v2", name="EasyPost", timeout_s=timeout_s, transport=transport, proxy=proxy
        )

    def __repr__(self) -> str:
        """Name the host and nothing else."""
        return f"EasyPostClient({self._http.base_url})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a client of EasyPost holds its key and cannot be pickled")

    async def get(self, path: str, params: Mapping[str, str] | None = None) -> Any:
        """Return what is at `path`. Raises CarrierRejected for a refusal, 404 included."""
        return self._judged(await self._send("GET", path, params=params))

    async def post(self, path: str, body: Any) -> Any:
        """Return the answer to a request that buys nothing."""
        return self._judged(await self._send("POST", path, body))

    async def buy(self, path: str, body: Any, *, done: str = "bought a label") -> Any:
        """Return the answer to a purchase, or to another request that must not act twice.

        Parameters
        ----------
        done
            What it may have done where the answer does not say.

        Raises
        ------
        AnswerLost
            Whatever is not clearly a refusal.
        """
        answer = await self._send("POST", path, body)
        if answer.status >= 300:
            raise _refusal(answer, done)
        return _parsed(answer)

    def demand_mode(self, answer: Any) -> None:
        """Refuse to go on with an object of the other mode: its labels would be, or not be, real.

        Raises
        ------
        AuthenticationFailed
            The key is not of the environment that was asked for, or the answer does not say.
        """
        mode = answer.get("mode") if isinstance(answer, dict) else None
        if mode != self._mode:
            raise AuthenticationFailed(
                f"EasyPost answers in mode {mode!r}, and this batch expects {self._mode!r}. "
                "Nothing was bought.",
                fix="Set SHIPKIT_EASYPOST_ENV and SHIPKIT_EASYPOST_API_KEY to one environment.",
            )

    async def aclose(self) -> None:
        """Close connections."""
        await self._http.aclose()

    async def _send(
        self,
        method: str,
        path: str,
        body: Any = None,
        params: Mapping[str, str] | None = None,
    ) -> Response:
        return await self._http.request(
            method, path, json=body, params=params, authorization=self._key
        )

    def _judged(self, answer: Response) -> Any:
        if answer.status >= 300:
            raise _refusal(answer)
        found = _parsed(answer)
        if isinstance(found, dict) and "mode" in found:
            self.demand_mode(found)
        return found


def checked_key(key: SecretStr, environment: str) -> None:
    """Refuse a key whose prefix says that it is of the other environment.

    Raises
    ------
    SettingsError
        The key is empty, or of the other environment. The message never holds the key.
    """
    value = key.get_secret_value()
    kind = _PREFIXES.get(value[:4].upper())
    if not value.strip() or not value.isascii() or not value.isprintable():
        raise SettingsError(
            "SHIPKIT_EASYPOST_API_KEY is not an EasyPost key.",
            fix="Copy it again from your EasyPost account settings.",
        )
    if kind is not None and kind != environment:
        raise SettingsError(
            f"SHIPKIT_EASYPOST_API_KEY is a {'production' if kind == 'live' else 'test'} key, and "
            f"SHIPKIT_EASYPOST_ENV is {environment}.",
            fix=f"Use the {'production' if environment == 'live' else 'test'} key, or set "
            f"SHIPKIT_EASYPOST_ENV={kind}.",
        )


def checked_url(base_url: str | None) -> str:
    """Return the URL of EasyPost's API. Another host is refused: it would be sent the key.

    Raises
    ------
    SettingsError
        `base_url` is neither EasyPost's nor on this machine.
    """
    url = (base_url or _URL).rstrip("/").removesuffix("/v2")
    parts = urlsplit(url)
    clean = not (parts.username or parts.password or parts.query or parts.fragment or parts.path)
    if url != _URL and not (clean and is_local(url)):
        raise SettingsError(
            "SHIPKIT_EASYPOST_BASE_URL is neither EasyPost's API nor this machine.",
            fix="Unset it.",
        )
    return url


def is_local(url: str) -> bool:
    """Return whether `url` is on this machine."""
    parts = urlsplit(url)
    return is_loopback(parts.hostname) and parts.scheme in {"http", "https"}


def _basic(key: SecretStr) -> SecretStr:
    """Return the header: the key as the user of HTTP Basic, without a password."""
    pair = f"{key.get_secret_value().strip()}:".encode()
    return SecretStr(f"Basic {base64.b64encode(pair).decode()}")


def _parsed(answer: Response) -> Any:
    """Return the body of an answer. A body that is not an object or a list is a lost answer."""
    found = answer.json()
    if not isinstance(found, dict | list):
        raise AnswerLost(
            f"EasyPost answered {answer.status} without an object. It may have acted.",
            fix="The row is looked up by its id.",
            carrier_code=str(answer.status),
        )
    return found


def _refusal(answer: Response, done: str | None = None) -> CarrierError:
    """Return what a 3xx or 4xx means. 429 and 5xx are judged by the transport.

    Parameters
    ----------
    done
        What the request may have done; None where it can do nothing twice.
    """
    code, message = _error_in(answer.content)
    facts = {
        "carrier_code": code or str(answer.status),
        "carrier_message": message or None,
        "transaction_id": answer.headers.get("x-ep-request-uuid"),
    }
    said = message or f"EasyPost answered {answer.status}."
    if answer.status in {401, 403} or code in {"UNAUTHORIZED", "APIKEY.INACTIVE"}:
        return AuthenticationFailed(
            f"EasyPost refused the key: {said}",
            fix="Check SHIPKIT_EASYPOST_API_KEY in your EasyPost account settings.",
            **facts,
        )
    if answer.status == 402 or code == "PAYMENT_REQUIRED":
        return FundsExhausted(
            f"EasyPost cannot charge the account: {said} Nothing was bought.",
            fix="Add funds to your EasyPost wallet, then resume.",
            **facts,
        )
    if answer.status < 400 or (done and not _surely_refused(code)):
        return AnswerLost(
            f"EasyPost answered {answer.status} {code}: {said} It may have {done or 'acted'}.",
            fix="What became of it is looked up.",
            **facts,
        )
    return CarrierRejected(f"EasyPost: {said}", fix=_fix_of(code), **facts)


def _surely_refused(code: str) -> bool:
    # An empty code is a proxy's page, or an error that does not say what happened.
    return code in _NOT_BOUGHT or code.endswith(_NOT_BOUGHT_ENDS)


def _fix_of(code: str) -> str:
    if code in RATE_GONE:
        return "Preview the row again: the rate is no longer valid."
    if code == "ADDRESS.VERIFY.FAILURE":
        return "Correct the address."
    if code == "NOT_FOUND":
        return "Check that the key is of the account and the environment that made it."
    return "Correct the row, or choose another service."


def _error_in(content: bytes) -> tuple[str, str]:
    """Return code and message of an error body, both empty where it has none.

    `errors` holds objects (``{field, message, suggestion}``) or plain texts; `message` may be a
    list or an object (the official clients guard against both).
    """
    try:
        body = orjson.loads(content)
    except orjson.JSONDecodeError:
        return "", ""
    error = body.get("error") if isinstance(body, dict) else None
    if isinstance(error, str):
        return "", _sentence(error)
    if not isinstance(error, dict):
        return "", ""
    parts = [*_texts(error.get("message")), *_texts(error.get("errors"))]
    return str(error.get("code") or ""), " ".join(map(_sentence, dict.fromkeys(parts)))


def _texts(value: Any) -> list[str]:
    """Return the texts of an error's message or details."""
    if isinstance(value, str):
        return [value.strip()] if value.strip() else []
    if isinstance(value, list):
        return [text for each in value for text in _texts(each)]
    if not isinstance(value, dict):
        return []
    if "message" not in value:  # {"field": ["text", ...]}
        return [f"{name}: {text}" for name, each in value.items() for text in _texts(each)]
    field, suggestion = value.get("field"), value.get("suggestion")
    said = " ".join(_texts(value["message"]))
    named = f"{field}: {said}" if isinstance(field, str) and field else said
    hint = f" (suggested: {suggestion})" if isinstance(suggestion, str) and suggestion else ""
    return [named + hint] if said else []


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."
