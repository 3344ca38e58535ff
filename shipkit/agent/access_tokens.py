"""Access tokens of a remote server: who calls, and what the token permits.

The server is a resource server of OAuth 2.1, as the MCP authorization specification of 2026-07-28
has it: tokens are made by the authorization server of the operator, and verified here. Tokens are
JSON Web Tokens (RFC 9068); opaque ones are refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import httpx

from shipkit.common.loopback import is_loopback
from shipkit.errors import InputError

__all__ = ["SCOPES", "Access", "AccessTokens", "covers", "secure_url"]

SCOPES: Final = ("read", "price", "propose")
"""From the least to the most: each permits what those before it do.

`read` sees jobs, results and labels; `price` also loads orders and previews them; `propose` also
asks for purchases, voids and modes. None of them buys: that stays with a person or the limits that
the operator set.
"""

_ALGORITHMS: Final = (
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "ES256",
    "ES384",
    "ES512",
    "EdDSA",
)
"""Signatures by a private key. With a shared secret, each server could make tokens for others."""

_TYPES: Final = frozenset({"", "jwt", "at+jwt", "application/at+jwt"})
"""Values of ``typ`` that an access token may have (RFC 9068, and servers older than it)."""

_LEEWAY_S: Final = 30
_TIMEOUT_S: Final = 10


@dataclass(frozen=True)
class Access:
    """What a valid token says."""

    issuer: str
    subject: str
    client: str
    scopes: tuple[str, ...]
    expires_at: int

    @property
    def is_person(self) -> bool:
        """Whether a person signed in; a program's own token names only the program."""
        return bool(self.subject) and self.subject != self.client

    @property
    def principal(self) -> str:
        """Whose batches it may work on."""
        return f"{self.issuer} {self.subject or self.client}"


class AccessTokens:
    """Verifies the tokens that an authorization server made for this server.

    Parameters
    ----------
    issuer
        The authorization server.
    resource
        The address of this server, which must be the audience of a token.

    Raises
    ------
    InputError
        The authorization server does not describe itself (RFC 8414, OpenID Connect Discovery).
    """

    def __init__(self, issuer: str, resource: str) -> None:
        import jwt

        self.issuer, self.resource = secure_url(issuer, "--issuer"), resource
        bare = resource.rstrip("/")
        self._audience = [bare, f"{bare}/"]  # the specification takes both for one resource
        self._jwt = jwt
        self._keys = jwt.PyJWKClient(_jwks_uri(issuer), timeout=_TIMEOUT_S)

    def verify(self, token: str) -> Access | None:
        """Return what `token` says, or None if it is not valid here.

        Raises
        ------
        ConnectionError
            The keys of the authorization server cannot be read now.
        """
        jwt = self._jwt
        try:
            header = jwt.get_unverified_header(token)
            if str(header.get("typ", "")).lower() not in _TYPES:
                return None
            key = self._keys.get_signing_key_from_jwt(token)
            claims = jwt.decode(
                token,
                key,
                algorithms=list(_ALGORITHMS),
                audience=self._audience,
                issuer=self.issuer,
                leeway=_LEEWAY_S,
                options={"require": ["exp", "iss", "aud"]},
            )
        except jwt.PyJWKClientConnectionError as error:
            raise ConnectionError(str(error)) from error
        except jwt.PyJWTError:
            return None
        return _access(claims)


def covers(granted: Iterable[str], needed: str) -> bool:
    """Return whether any of the granted scopes permits `needed`."""
    least = SCOPES.index(needed)
    return any(scope in SCOPES and SCOPES.index(scope) >= least for scope in granted)


def secure_url(url: str, option: str) -> str:
    """Return `url` if it is https, or http on this machine.

    Raises
    ------
    InputError
        It is neither, or has a query or a fragment.
    """
    parts = urlsplit(url)
    secure = parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname))
    if not secure or not parts.hostname or parts.query or parts.fragment:
        raise InputError(
            f"{option} {url!r} is not an https address.",
            fix=f"Write it like {option} https://login.example.com, without ? and #.",
        )
    return url


def _access(claims: Mapping[str, Any]) -> Access:
    given = claims.get("scope", claims.get("scp", ""))  # a text, or a list (Entra, Okta)
    scopes = given.split() if isinstance(given, str) else [str(scope) for scope in given or ()]
    return Access(
        issuer=str(claims["iss"]),
        subject=str(claims.get("sub", "")),
        client=str(claims.get("client_id") or claims.get("azp") or ""),
        scopes=tuple(scopes),
        expires_at=int(claims["exp"]),
    )


def _jwks_uri(issuer: str) -> str:
    """Return where the keys of `issuer` are, from its own description."""
    parts = urlsplit(issuer)
    base, path = f"{parts.scheme}://{parts.netloc}", parts.path.rstrip("/")
    places = (
        f"{base}/.well-known/oauth-authorization-server{path}",
        f"{base}/.well-known/openid-configuration{path}",
        f"{base}{path}/.well-known/openid-configuration",
    )
    for place in dict.fromkeys(places):
        try:
            found = httpx.get(place, timeout=_TIMEOUT_S)
            told = found.json() if found.status_code == httpx.codes.OK else {}
        except (httpx.HTTPError, ValueError):
            continue
        if not isinstance(told, dict) or not told.get("jwks_uri"):
            continue
        if told.get("issuer") != issuer:
            raise InputError(
                f"{place} describes the issuer {str(told.get('issuer'))[:200]!r}.",
                fix="Write --issuer exactly as the authorization server does, also the last slash.",
            )
        return secure_url(str(told["jwks_uri"]), "jwks_uri")
    raise InputError(
        f"The authorization server {issuer} does not describe itself with a jwks_uri.",
        fix=f"It must answer at {places[0]} or {places[-1]}; check --issuer and the network.",
    )
