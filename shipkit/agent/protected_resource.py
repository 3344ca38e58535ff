"""The HTTP side of authorization: challenges, scopes, and the description of this resource.

A request without a valid token is answered with 401, one whose token permits less than it asks for
with 403; both say which scope is needed and where this resource is described (RFC 9728), so that a
client can send its user to the authorization server.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from mcp.server.auth.middleware.auth_context import AuthContextMiddleware
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken
from mcp.server.auth.routes import build_resource_metadata_url, create_protected_resource_routes
from mcp.server.auth.settings import AuthSettings
from starlette.applications import Starlette
from starlette.authentication import AuthCredentials
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shipkit.agent.access_tokens import SCOPES, Access, AccessTokens, covers
from shipkit.agent.tool_table import TOOLS

__all__ = ["protect", "scope_needed"]

_LONGEST_BODY = 4_000_000
"""As much as the SDK accepts; it refuses longer ones by itself."""


def protect(app: Starlette, tokens: AccessTokens) -> None:
    """Let only requests with a token of `tokens` reach the MCP endpoint of `app`."""
    # These settings keep an address as it was written; elsewhere pydantic adds a slash to a bare
    # host, and clients compare issuers letter by letter (RFC 8414, 3.3).
    written = AuthSettings.model_validate(
        {
            "issuer_url": tokens.issuer,
            "resource_server_url": tokens.resource,
            "validate_token_resource": False,  # the audience is checked with the signature
        }
    )
    resource = written.resource_server_url
    assert resource is not None  # noqa: S101 - it was given
    app.router.routes.extend(
        create_protected_resource_routes(
            resource_url=resource,
            authorization_servers=[written.issuer_url],
            scopes_supported=list(SCOPES),
            resource_name="shipkit",
        )
    )
    app.add_middleware(AuthContextMiddleware)
    app.add_middleware(_Guard, tokens=tokens, metadata=str(build_resource_metadata_url(resource)))


class _Guard:
    """Verifies the token of every request before the application sees it."""

    def __init__(self, app: ASGIApp, tokens: AccessTokens, metadata: str) -> None:
        self._app, self._tokens, self._metadata = app, tokens, metadata
        self._public = urlsplit(metadata).path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] == self._public:
            await self._app(scope, receive, send)
            return
        token = _bearer(scope)
        try:
            access = await asyncio.to_thread(self._tokens.verify, token) if token else None
        except ConnectionError:
            await _answer(send, 503, {"error": "temporarily_unavailable"}, retry_after="10")
            return
        if access is None:
            error = "invalid_token" if token else None
            await self._challenge(send, 401, error, "price")
            return
        body, receive = await _read(receive) if scope["method"] == "POST" else (b"", receive)
        needed = scope_needed(body)
        if not covers(access.scopes, needed):
            await self._challenge(send, 403, "insufficient_scope", needed)
            return
        await self._app({**scope, **_user(access, self._tokens.resource)}, receive, send)

    async def _challenge(self, send: Send, status: int, error: str | None, needed: str) -> None:
        """Answer with what is missing.

        The first challenge names the scopes that work up to a price. What is needed for more is
        asked for when a client gets there.
        """
        scopes = SCOPES[: SCOPES.index(needed) + 1]
        parts = [f'resource_metadata="{self._metadata}"', f'scope="{" ".join(scopes)}"']
        if error is not None:
            parts.insert(0, f'error="{error}"')
        told = {"error": error or "unauthorized", "scope": " ".join(scopes)}
        await _answer(send, status, told, authenticate=f"Bearer {', '.join(parts)}")


def scope_needed(body: bytes) -> str:
    """Return the scope that a request needs; for several messages in one, the most of them."""
    try:
        told = json.loads(body) if body else {}
    except (ValueError, RecursionError):
        return SCOPES[0]
    messages = told if isinstance(told, list) else [told]
    return max((_of_message(message) for message in messages), key=SCOPES.index, default=SCOPES[0])


def _of_message(message: Any) -> str:
    if not isinstance(message, Mapping) or message.get("method") != "tools/call":
        return SCOPES[0]
    params = message.get("params")
    name = params.get("name") if isinstance(params, Mapping) else None
    tool = TOOLS.get(name) if isinstance(name, str) else None
    return tool.scope if tool is not None else SCOPES[0]


def _bearer(scope: Scope) -> str:
    """Return the token of the header; a token anywhere else does not count."""
    found = [value for name, value in scope["headers"] if name.lower() == b"authorization"]
    if len(found) != 1:
        return ""
    scheme, _, token = found[0].decode("latin-1").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


async def _read(receive: Receive) -> tuple[bytes, Receive]:
    """Return the body of a request, and a `receive` that gives it again."""
    messages: list[Message] = []
    size = 0
    while True:
        message = await receive()
        messages.append(message)
        size += len(message.get("body", b""))
        if message["type"] != "http.request" or not message.get("more_body"):
            break
        if size > _LONGEST_BODY:  # the rest is not needed to see that it is too long
            break
    waiting = iter(messages)

    async def again() -> Message:
        return next(waiting, None) or await receive()

    return b"".join(message.get("body", b"") for message in messages), again


def _user(access: Access, resource: str) -> dict[str, Any]:
    """Return what the SDK binds sessions to."""
    user = AuthenticatedUser(
        AccessToken(
            token="",
            client_id=access.client or access.subject,
            scopes=list(access.scopes),
            expires_at=access.expires_at,
            resource=resource,
            subject=access.subject or None,
            claims={"iss": access.issuer},
        )
    )
    return {"user": user, "auth": AuthCredentials(user.scopes), "shipkit.access": access}


async def _answer(
    send: Send,
    status: int,
    told: Mapping[str, str],
    *,
    authenticate: str = "",
    retry_after: str = "",
) -> None:
    body = json.dumps(told).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    if authenticate:
        headers.append((b"www-authenticate", authenticate.encode()))
    if retry_after:
        headers.append((b"retry-after", retry_after.encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
