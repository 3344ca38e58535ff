"""Requests to USPS: tokens, the quota, and what each refusal means for a purchase.

Two tokens are reused for as long as they are valid, eight hours each: the access token, and for
labels the payment authorization, which names who pays. A refused one is fetched again once, and the
same bytes are sent again.

What an answer means (`errors.csv` of the project's material, made from USPS's own list):

- no connection, 429, 401, 403 in USPS's words: nothing was done;
- a 4xx with an error body of USPS: refused, nothing was bought by that request;
- a purchase with 408, 409, 425, a 4xx about the idempotency key, or a 4xx without an error body (a
  proxy's page): it may have bought a label, or one with this key is being made;
- a 5xx, a broken or unreadable answer: it may have bought a label.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NoReturn

import orjson
from pydantic import SecretBytes, SecretStr

from shipkit.carriers.http import HttpTransport, Response, retry_after_s
from shipkit.carriers.usps.call_quota import CallQuota, Reserved
from shipkit.common.loop_lock import LoopLock
from shipkit.errors import (
    AnswerLost,
    AuthenticationFailed,
    CarrierError,
    CarrierRejected,
    CarrierUnreachable,
    FundsExhausted,
    NotSent,
    RateLimited,
)

if TYPE_CHECKING:
    import httpx

__all__ = ["Payer", "UspsClient", "api_of", "error_of"]

_EARLY_S: Final = 300.0
"""A token is renewed this long before it expires, or a tenth of its life if that is shorter."""
_LIFE_S: Final = 28_800.0
"""Of a payment authorization: eight hours (payments.yaml). Its answer does not say."""
_JSON: Final = "application/json"
_PAY: Final = "x-payment-authorization-token"
_DOUBTFUL: Final = frozenset({408, 409, 425})
_ENROLMENT: Final = frozenset({"160302", "160303", "160304", "160305", "160369", "160395"})
"""Refusals of a label that every other label would get as well."""
_NO_FUNDS: Final = "100007"
_BY_NUMBER: Final = re.compile(r"[0-9]{6}")


@dataclass(frozen=True)
class Payer:
    """Who pays and whose label it is: the roles of a payment authorization."""

    account: str = field(repr=False)
    crid: str = field(repr=False)
    mid: str = field(repr=False)
    manifest_mid: str = field(repr=False)
    account_type: str = "EPS"
    permit_zip: str = ""

    def roles(self) -> list[dict[str, str]]:
        """Return the two roles that are required (160228, 160229)."""
        account = {"accountType": self.account_type, "accountNumber": self.account}
        if self.account_type == "PERMIT":
            account = {
                "accountType": "PERMIT",
                "permitNumber": self.account,
                "permitZIP": self.permit_zip,
            }
        owner = {"CRID": self.crid, "MID": self.mid, "manifestMID": self.manifest_mid}
        return [
            {"roleName": "PAYER", "CRID": self.crid, **account},
            {"roleName": "LABEL_OWNER", **owner},
        ]


@dataclass
class _Token:
    """A token and until when it is used."""

    value: SecretStr
    until: float


class UspsClient:
    """The connection to one USPS account."""

    def __init__(
        self,
        url: str,
        *,
        client_id: str,
        client_secret: SecretStr,
        payer: Payer,
        quota: CallQuota,
        timeout_s: float,
        transport: httpx.AsyncBaseTransport | None = None,
        proxy: SecretStr | None = None,
    ) -> None:
        self._http = HttpTransport(
            url, name="USPS", timeout_s=timeout_s, transport=transport, proxy=proxy
        )
        self._client_id, self._secret, self._payer = client_id, client_secret, payer
        self.quota = quota
        self._access: _Token | None = None
        self._paying: _Token | None = None
        self._fetching = LoopLock()  # fifty rows need the tokens together

    def __repr__(self) -> str:
        """Name the host and nothing else."""
        return f"UspsClient({self._http.base_url})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a client of USPS holds credentials and cannot be pickled")

    async def ask(
        self,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        params: Mapping[str, str] | None = None,
    ) -> Any:
        """Return the JSON answer to a question that buys nothing."""
        content = None if body is None else _bytes(body)
        answer = await self._authorized(method, path, content, params=params)
        if answer.status >= 300:
            raise _refusal(answer, buying=False)
        return answer.json()

    async def paid(
        self,
        method: str,
        path: str,
        content: bytes | None,
        *,
        key: str = "",
        accept: str = _JSON,
        buying: bool = False,
        reserved: Reserved | None = None,
    ) -> Response:
        """Return the answer to a request about labels, which names who pays.

        Parameters
        ----------
        content
            The very bytes: a repeat with the same key must have the same.
        key
            The idempotency key.
        buying
            Whether a refusal that is not clear must count as a purchase that may exist.
        reserved
            What the quota has counted already, with the other requests of its row.
        """
        headers = {"accept": accept}
        if key:
            headers["x-idempotency-key"] = key
        answer = await self._authorized(
            method, path, content, headers=headers, paying=True, reserved=reserved
        )
        if answer.status >= 300:
            raise _refusal(answer, buying=buying)
        return answer

    async def recorded(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        accept: str = _JSON,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """Return the answer to a request that leaves something at USPS and costs nothing.

        Raises
        ------
        AnswerLost
            Whatever is not clearly a refusal.
        """
        content = None if body is None else _bytes(body)
        own = {"accept": accept, **(headers or {})}
        answer = await self._authorized(method, path, content, headers=own)
        if answer.status < 300:
            return answer
        refusal = _refusal(answer, buying=True)
        if isinstance(refusal, AnswerLost):
            raise AnswerLost(
                f"USPS answered {answer.status}. It may have acted.",
                fix="Ask again.",
                carrier_code=refusal.carrier_code,
            )
        raise refusal

    async def aclose(self) -> None:
        """Close connections and forget the tokens."""
        self._access = self._paying = None
        await self._http.aclose()

    # -- every request ---------------------------------------------------------------------------

    async def _authorized(
        self,
        method: str,
        path: str,
        content: bytes | None,
        *,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        paying: bool = False,
        reserved: Reserved | None = None,
    ) -> Response:
        """Send with valid tokens; where one is refused, once more with fresh ones."""
        for last in (False, True):
            access = await self._signed_in()
            own: dict[str, str | SecretStr] = dict(headers or {})
            if paying:
                own[_PAY] = await self._payment(access)
            answer = await self._send(
                method,
                path,
                content,
                params=params,
                headers=own,
                authorization=access,
                reserved=reserved,
            )
            if last or not _is_stale(answer, paying=paying):
                return answer
            # Turned away unread, so the same bytes may be sent again (401; the payment token).
            if self._access is not None and self._access.value is access:
                self._access = None
            if paying:
                self._paying = None
        raise AssertionError("unreachable")

    async def _send(
        self,
        method: str,
        path: str,
        content: bytes | SecretBytes | None,
        *,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str | SecretStr] | None = None,
        authorization: SecretStr | None = None,
        reserved: Reserved | None = None,
    ) -> Response:
        """Send once, counted by the quota. 429 and 5xx are raised here."""
        api = api_of(path)
        if reserved is None:
            self.quota.take(api)
        else:
            reserved.use()
        own: dict[str, str | SecretStr] = {"accept": _JSON, **(headers or {})}
        if content is not None:
            own["content-type"] = _JSON
        answer = await self._http.request(
            method,
            path,
            content=content,
            params=params,
            headers=own,
            authorization=authorization,
            judge=False,
        )
        if answer.status == 429:
            said = retry_after_s(answer.headers.get("retry-after"))
            raise RateLimited(
                f"USPS turned the request away: the quota of its {api} API is used up.",
                fix="shipkit waits and sends again.",
                retry_after_s=self.quota.refused(api) if said is None else said,
                carrier_code="429",
            )
        self.quota.answered(api)
        if answer.status >= 500:
            raise AnswerLost(
                f"USPS answered {answer.status}. It may have acted.",
                fix="The row is looked up by its key before anything is sent again.",
                carrier_code=str(answer.status),
                status=answer.status,
            )
        return answer

    # -- tokens ----------------------------------------------------------------------------------

    async def _signed_in(self) -> SecretStr:
        async with self._fetching.here():
            if self._access is None or time.monotonic() >= self._access.until:
                self._access = await self._fetch_access()
            return self._access.value

    async def _payment(self, access: SecretStr) -> SecretStr:
        """Return the token that names who pays."""
        async with self._fetching.here():
            if self._paying is None or time.monotonic() >= self._paying.until:
                self._paying = await self._fetch_payment(access)
            return self._paying.value

    async def _fetch_access(self) -> _Token:
        # JSON, as USPS's own examples have it (USPS/api-examples, README of 2025-10-31).
        body = SecretBytes(
            orjson.dumps(
                {
                    "client_id": self._client_id,
                    "client_secret": self._secret.get_secret_value(),
                    "grant_type": "client_credentials",
                }
            )
        )
        try:
            answer = await self._send("POST", "/oauth2/v3/token", body)
        except AnswerLost as lost:  # the request after it never left
            raise CarrierUnreachable(
                f"The sign-in at USPS gave no answer: {lost.message}",
                fix="Try again; nothing was sent.",
            ) from None
        found = _object(answer)
        token = found.get("access_token")
        if answer.status != 200 or not isinstance(token, str) or not token:
            _, words = error_of(answer)
            raise AuthenticationFailed(
                f"USPS refused to sign in: {words or f'status {answer.status}.'}",
                fix="Check SHIPKIT_USPS_CLIENT_ID and SHIPKIT_USPS_CLIENT_SECRET, and that the "
                "app may use this host (test or live).",
                carrier_code=str(found.get("error") or answer.status),
            )
        return _Token(SecretStr(f"Bearer {token}"), _until(found.get("expires_in")))

    async def _fetch_payment(self, access: SecretStr) -> _Token:
        content = _bytes({"roles": self._payer.roles()})
        try:
            answer = await self._send(
                "POST",
                "/payments/v3/payment-authorization",
                content,
                authorization=access,
            )
        except AnswerLost as lost:
            raise NotSent(
                f"USPS's payment authorization gave no answer: {lost.message} Nothing was bought.",
                fix="Try again; nothing was sent.",
            ) from None
        token = _object(answer).get("paymentAuthorizationToken")
        if answer.status != 200 or not isinstance(token, str) or not token:
            raise _payment_refused(answer)
        return _Token(SecretStr(token), _until(_LIFE_S))


def api_of(path: str) -> str:
    """Return the API that a path belongs to: each has a quota of its own."""
    return path.split("/")[1]


def _payment_refused(answer: Response) -> CarrierError:
    """Return the error for a payment authorization that was not given: no label can be bought."""
    code, words = error_of(answer)
    if code == _NO_FUNDS:
        return FundsExhausted(
            f"USPS cannot charge the account: {words} Nothing was bought.",
            fix="Add funds to your USPS account, then resume.",
            carrier_code=code,
        )
    return AuthenticationFailed(
        f"USPS gave no payment authorization: {words or f'status {answer.status}.'}",
        fix="Check SHIPKIT_USPS_ACCOUNT, SHIPKIT_USPS_CRID and SHIPKIT_USPS_MID, and that the CRID "
        "is enrolled in USPS Ship.",
        carrier_code=code or str(answer.status),
    )


def _is_stale(answer: Response, *, paying: bool) -> bool:
    """Return whether fresh tokens may help."""
    if answer.status == 401:
        # A missing scope is a 401 too, and a new token has the same scopes.
        return b"scope" not in answer.content.lower()
    return paying and _refuses_payment(answer)


def _refuses_payment(answer: Response) -> bool:
    """Return whether a request was turned away because of its payment token."""
    # Status and words of a dead one are not published.
    named = b"payment-authorization" in answer.content.lower().replace(b" ", b"-")
    return answer.status in (400, 403) and named


def _refusal(answer: Response, *, buying: bool) -> CarrierError:
    """Return what a 3xx or 4xx means."""
    code, words = error_of(answer)
    facts = {"carrier_code": code or str(answer.status), "carrier_message": words or None}
    said = words or f"USPS answered {answer.status}."
    if answer.status == 401 or (answer.status == 403 and (words or not buying)):
        return AuthenticationFailed(
            f"USPS refused access: {said}",
            fix="Check that the app has this API product and the CRID is authorized; a label needs "
            "the products Labels and Payments.",
            **facts,
        )
    if _refuses_payment(answer):  # a fresh one, too: no label of the account can be bought
        return AuthenticationFailed(
            f"USPS refused the payment authorization: {said} Nothing was bought.",
            fix="Try again later. If it stays, check SHIPKIT_USPS_ACCOUNT, SHIPKIT_USPS_CRID and "
            "SHIPKIT_USPS_MID.",
            **facts,
        )
    if code in _ENROLMENT:
        return AuthenticationFailed(
            f"USPS refused the account: {said}", fix="Enroll the CRID in USPS Ship.", **facts
        )
    by_key = "idempoten" in words.lower()
    if answer.status < 400 or (
        buying and (answer.status in _DOUBTFUL or by_key or not (code or words))
    ):
        return AnswerLost(
            f"USPS answered {answer.status}: {said} It may have bought a label.",
            fix="The row is looked up by its key.",
            **facts,
        )
    return CarrierRejected(
        f"USPS: {said}", fix="Correct the row, or choose another service.", **facts
    )


def error_of(answer: Response) -> tuple[str, str]:
    """Return code and words of an error body, both empty where it has none.

    Recorded and reported shapes: ``error.errors`` with title, detail and code; ``error.message``
    alone; ``error`` as text (OAuth); ``fault`` (the gateway); ``body`` (payments).
    """
    body = _object(answer)
    error = body.get("error")
    if isinstance(error, str):
        return error, _sentence(str(body.get("error_description") or error))
    if isinstance(body.get("fault"), dict):
        return "", _sentence(str(body["fault"].get("faultstring") or "access is not granted"))
    if isinstance(body.get("body"), str):
        return "", _sentence(body["body"])
    if not isinstance(error, dict):
        return "", ""
    parts = [part for part in error.get("errors") or () if isinstance(part, dict)]
    codes = [str(part.get("code") or "") for part in parts]
    code = next((each for each in codes if _BY_NUMBER.fullmatch(each)), "")
    texts = [str(part.get("detail") or part.get("title") or "") for part in parts]
    words = [text for text in texts if text] or [str(error.get("message") or "")]
    return code, " ".join(_sentence(text) for text in dict.fromkeys(words) if text)


def _object(answer: Response) -> Mapping[str, Any]:
    try:
        found = orjson.loads(answer.content)
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}


def _bytes(body: Mapping[str, Any]) -> bytes:
    return orjson.dumps(body, option=orjson.OPT_SORT_KEYS)


def _until(seconds: Any) -> float:
    """Return until when a token is used. USPS writes its life as a number or as text."""
    try:
        life = float(seconds)
    except (TypeError, ValueError):
        life = 900.0
    return time.monotonic() + life - min(_EARLY_S, life / 10)


def _sentence(text: str) -> str:
    text = " ".join(text.split())
    return text if text.endswith((".", "!", "?")) else f"{text}."
