"""A small authorization server on this machine: registration, PKCE, consent, signed tokens, keys.

Its endpoints are those of the official SDK; the tokens are made with PyJWT. `person` is who signs
in, and `grants` what they agree to.
"""

from __future__ import annotations

import json
import secrets
import socket
import threading
import time
from contextlib import contextmanager

import jwt
import uvicorn
from cryptography.hazmat.primitives.asymmetric import ec
from mcp.server.auth.provider import AuthorizationCode, construct_redirect_uri
from mcp.server.auth.routes import create_auth_routes
from mcp.server.auth.settings import ClientRegistrationOptions
from mcp.shared.auth import OAuthToken
from pydantic import AnyHttpUrl
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

from shipkit.agent.access_tokens import SCOPES


class LoginServer:
    """The authorization server, and whoever signs in there."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.person = "dana@example.com"
        self.grants = set(SCOPES)
        self.asked: list[list[str]] = []
        """The scopes of each consent."""
        self.audience: str | None = None
        """What tokens are for, if not what the client asked for."""
        self.keys = {"k1": ec.generate_private_key(ec.SECP256R1())}
        self._clients, self._codes = {}, {}

    # -- tokens -----------------------------------------------------------------------------------

    def token(self, *, key: str = "k1", typ: str = "at+jwt", alg: str = "ES256", **claims) -> str:
        """Return a token; `claims` replace the usual ones, None leaves one out."""
        now = int(time.time())
        told = {
            "iss": self.url,
            "sub": self.person,
            "client_id": "client-1",
            "iat": now,
            "exp": now + 300,
            **claims,
        }
        told = {name: value for name, value in told.items() if value is not None}
        signer = self.keys.get(key, key)
        headers = {"kid": key if key in self.keys else "k1", "typ": typ}
        return jwt.encode(told, signer, algorithm=alg, headers=headers)

    def jwks(self, _request=None) -> JSONResponse:
        keys = []
        for kid, private in self.keys.items():
            public = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(private.public_key()))
            keys.append({**public, "kid": kid, "use": "sig", "alg": "ES256"})
        return JSONResponse({"keys": keys})

    # -- what the SDK's endpoints ask -------------------------------------------------------------

    async def get_client(self, client_id):
        return self._clients.get(client_id)

    async def register_client(self, client_info):
        # a client registers with what it wants at first, and may ask for more later
        client_info.scope = " ".join(SCOPES)
        self._clients[client_info.client_id] = client_info

    async def authorize(self, client, params):
        wanted = params.scopes or []
        self.asked.append(wanted)
        code = AuthorizationCode(
            code=secrets.token_hex(16),
            scopes=[scope for scope in wanted if scope in self.grants],
            expires_at=time.time() + 60,
            client_id=client.client_id,
            code_challenge=params.code_challenge,
            redirect_uri=params.redirect_uri,
            redirect_uri_provided_explicitly=params.redirect_uri_provided_explicitly,
            resource=params.resource,
            subject=self.person,
        )
        self._codes[code.code] = code
        return construct_redirect_uri(
            str(params.redirect_uri), code=code.code, state=params.state, iss=self.url
        )

    async def load_authorization_code(self, client, authorization_code):
        return self._codes.get(authorization_code)

    async def exchange_authorization_code(self, client, authorization_code):
        del self._codes[authorization_code.code]
        scopes = " ".join(authorization_code.scopes)
        token = self.token(
            aud=self.audience or authorization_code.resource,
            scope=scopes,
            sub=authorization_code.subject,
            client_id=client.client_id,
        )
        return OAuthToken(access_token=token, expires_in=300, scope=scopes)

    async def load_refresh_token(self, client, refresh_token):
        return None

    async def load_access_token(self, token):
        return None


@contextmanager
def running(app, port=None):
    """Serve `app` on a port of this machine until the block ends; yield its address."""
    sock = socket.socket()
    sock.bind(("127.0.0.1", port or 0))
    config = uvicorn.Config(app, log_level="error", lifespan="on")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [sock]}, daemon=True)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.01)
        yield f"http://127.0.0.1:{sock.getsockname()[1]}"
    finally:
        server.should_exit = True
        server.force_exit = True
        thread.join()
        sock.close()


@contextmanager
def login_server():
    """Yield a :class:`LoginServer` that is reachable."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    made = LoginServer(f"http://127.0.0.1:{port}")
    options = ClientRegistrationOptions(
        enabled=True, valid_scopes=[*SCOPES, "other"], default_scopes=list(SCOPES)
    )
    routes = create_auth_routes(made, AnyHttpUrl(made.url), client_registration_options=options)
    metadata = next(r for r in routes if r.path == "/.well-known/oauth-authorization-server")
    routes.remove(metadata)
    described = {
        "issuer": made.url,
        "authorization_endpoint": f"{made.url}/authorize",
        "token_endpoint": f"{made.url}/token",
        "registration_endpoint": f"{made.url}/register",
        "jwks_uri": f"{made.url}/keys",
        "response_types_supported": ["code"],
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": ["none"],
        "authorization_response_iss_parameter_supported": True,
        "scopes_supported": list(SCOPES),
    }
    routes += [
        Route(metadata.path, lambda _: JSONResponse(described)),
        Route("/keys", made.jwks),
    ]
    made.described = described
    with running(Starlette(routes=routes), port):
        yield made
