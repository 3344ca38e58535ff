"""A server with authorization, a real authorization server, and the official client."""

from __future__ import annotations

import base64
import json
import time
from contextlib import asynccontextmanager, contextmanager
from urllib.parse import parse_qs, urlsplit

import httpx
import httpx2
import jwt
import pytest
from agentkit import Person, Shorthand, orders
from cryptography.hazmat.primitives.asymmetric import ec
from login_server import login_server, running
from mcp import Client, MCPError
from mcp.client.auth import AuthorizationCodeResult, OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import OAuthClientMetadata

from shipkit.agent import mcp_server
from shipkit.agent.access_tokens import AccessTokens, covers, secure_url
from shipkit.agent.protected_resource import protect, scope_needed
from shipkit.agent.tool_table import TOOLS
from shipkit.errors import InputError

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def login():
    with login_server() as made:
        yield made


@pytest.fixture(autouse=True)
def as_before(request):
    yield
    if "login" in request.fixturenames:
        made = request.getfixturevalue("login")
        made.person, made.audience = "dana@example.com", None
        made.grants = {"read", "price", "propose"}
        made.asked.clear()


@contextmanager
def remote(server, login, **options):
    """Serve `server` with the tokens of `login`; yield its address."""
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}/mcp"
    app = server.streamable_http_app()
    protect(app, AccessTokens(login.url, url))
    with running(app, port):
        yield url


class Storage:
    """What a client keeps."""

    def __init__(self):
        self.tokens = self.client = None

    async def get_tokens(self):
        return self.tokens

    async def set_tokens(self, tokens):
        self.tokens = tokens

    async def get_client_info(self):
        return self.client

    async def set_client_info(self, client_info):
        self.client = client_info


@asynccontextmanager
async def signed_in(url, person=None, storage=None):
    """Yield the official client; its browser is an HTTP client that follows one redirect."""
    seen = {}

    async def browse(address):
        async with httpx.AsyncClient() as browser:
            answer = await browser.get(address)
            seen.clear()
            seen.update(parse_qs(urlsplit(answer.headers["location"]).query))
            assert "error" not in seen, seen

    async def came_back():
        return AuthorizationCodeResult(
            code=seen["code"][0], state=seen["state"][0], iss=seen.get("iss", [None])[0]
        )

    auth = OAuthClientProvider(
        url,
        OAuthClientMetadata(
            redirect_uris=["http://127.0.0.1:1/back"],
            client_name="test",
            token_endpoint_auth_method="none",
        ),
        storage or Storage(),
        browse,
        came_back,
    )
    async with httpx2.AsyncClient(auth=auth, timeout=60) as http:
        transport = streamable_http_client(url, http_client=http)
        async with Client(transport, elicitation_callback=person) as client:
            yield Shorthand(client)


def ask(url, token=None, tool=None, **arguments):
    """Return the HTTP answer to one request of the 2026-07-28 protocol."""
    method = "tools/call" if tool else "tools/list"
    params = {"name": tool, "arguments": arguments} if tool else {}
    meta = {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": {"name": "raw", "version": "1"},
    }
    headers = {
        "Accept": "application/json, text/event-stream",
        "MCP-Protocol-Version": "2026-07-28",
        "Mcp-Method": method,
        **({"Mcp-Name": tool} if tool else {}),
        **({"Authorization": f"Bearer {token}"} if token else {}),
    }
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {**params, "_meta": meta}}
    return httpx.post(url, json=body, headers=headers, timeout=30)


def fetched(place):
    return httpx.get(place).json()


# -- the description and the challenges ------------------------------------------------------------


async def test_the_resource_describes_itself_and_challenges(serve, login):
    with remote(serve(many_clients=True), login) as url:
        refused = ask(url)
        assert refused.status_code == 401
        place = url.replace("/mcp", "/.well-known/oauth-protected-resource/mcp")
        assert refused.headers["www-authenticate"] == (
            f'Bearer resource_metadata="{place}", scope="read price"'
        )
        told = fetched(place)
        assert told["resource"] == url
        assert told["authorization_servers"] == [login.url]
        assert told["scopes_supported"] == ["read", "price", "propose"]
        assert told["bearer_methods_supported"] == ["header"]


async def test_a_token_that_permits_less_is_challenged_for_what_is_needed(serve, login):
    with remote(serve(many_clients=True), login) as url:
        weak = login.token(aud=url, scope="read")
        assert ask(url, weak).status_code == 200
        for tool, scope in (
            ("batch_preview", "read price"),
            ("void_shipments", "read price propose"),
        ):
            refused = ask(url, weak, tool)
            assert refused.status_code == 403, tool
            said = refused.headers["www-authenticate"]
            assert 'error="insufficient_scope"' in said
            assert f'scope="{scope}"' in said
            assert "resource_metadata=" in said
        assert ask(url, login.token(aud=url, scope="other")).status_code == 403


def forged(login, url):
    """Return tokens that must be refused, by why."""
    good = {"aud": url, "scope": "read price propose"}
    now = int(time.time())
    stranger = ec.generate_private_key(ec.SECP256R1())
    head, body, _ = login.token(**good).split(".")
    none = (
        base64.urlsafe_b64encode(b'{"alg":"none","typ":"at+jwt","kid":"k1"}').rstrip(b"=").decode()
    )
    return {
        "another resource": login.token(**{**good, "aud": "https://other.example.com/mcp"}),
        "the resource's host alone": login.token(**{**good, "aud": url.removesuffix("/mcp")}),
        "no audience": login.token(**{**good, "aud": None}),
        "an ID token": login.token(**{**good, "aud": "client-1"}),
        "expired": login.token(**good, exp=now - 120),
        "never expires": login.token(**good, exp=None),
        "not yet": login.token(**good, nbf=now + 3_600),
        "another issuer": login.token(**good, iss="https://evil.example.com"),
        "the issuer with a slash": login.token(**good, iss=f"{login.url}/"),
        "another key": login.token(**good, key=stranger),
        "a shared secret": login.token(**good, key="x" * 32, alg="HS256"),
        "no signature": f"{none}.{body}.",
        "a cut signature": f"{head}.{body}.",
        "a logout token": login.token(**good, typ="logout+jwt"),
        "an opaque token": "2YotnFZFEjr1zCsicMWpAA",
        "nonsense": "a.b.c",
    }


async def test_no_other_token_is_accepted(serve, login):
    with remote(serve(many_clients=True), login) as url:
        for why, token in forged(login, url).items():
            answer = ask(url, token)
            assert answer.status_code == 401, why
            assert 'error="invalid_token"' in answer.headers["www-authenticate"]
        assert ask(url, login.token(aud=[url, "other"], scope="read")).status_code == 200
        assert ask(url, login.token(aud=f"{url}/", scp=["read"], scope=None)).status_code == 200
        good = login.token(aud=url, scope="read")
        assert ask(f"{url}?access_token={good}").status_code == 401


async def test_a_new_key_of_the_authorization_server_is_found(serve, login, monkeypatch):
    monkeypatch.setattr(jwt.PyJWKClient, "_cooldown_is_active", lambda *_: False, raising=False)
    with remote(serve(many_clients=True), login) as url:
        assert ask(url, login.token(aud=url, scope="read")).status_code == 200
        login.keys["k2"] = ec.generate_private_key(ec.SECP256R1())
        tokens = AccessTokens(login.url, url)  # as after a restart; in between, keys are cached
        assert tokens.verify(login.token(aud=url, scope="read", key="k2")) is not None
        del login.keys["k2"]


# -- the official client ---------------------------------------------------------------------------


async def test_the_official_client_signs_in_prices_and_steps_up_to_buy(serve, login, books):
    person = Person()
    with remote(serve(many_clients=True), login) as url:
        async with signed_in(url, person) as c:
            assert login.asked == [["read", "price"]], "no more than it takes to see a price"
            batch = await c.ok("load_orders", rows=orders(3))
            shown = await c.ok("batch_preview", job_id=batch["job_id"])
            assert login.asked == [["read", "price"]]
            job = await c.ok("batch_execute", preview_id=shown["preview_id"])
            assert set(login.asked[1]) == {"read", "price", "propose"}
            assert (job["shipped"], books.bought) == (3, 3)
            assert len(person.asked) == 1


async def test_propose_does_not_buy_by_itself(serve, login, books):
    with remote(serve(many_clients=True), login) as url:
        async with signed_in(url) as c:  # a client that cannot ask
            await c.ok("load_orders", rows=orders(2))
            shown = await c.ok("batch_preview")
            text = await c.no("batch_execute", preview_id=shown["preview_id"])
            assert f"shipkit approve {shown['preview_id']}" in text
            for arguments in ({"approved": True}, {"approved": "true"}):
                said = await c.no("batch_execute", preview_id=shown["preview_id"], **arguments)
                assert "only a person can approve" in said
    assert books.bought == 0


async def test_a_person_who_grants_no_purchases_gets_prices_only(serve, login, books):
    login.grants = {"read", "price"}
    with remote(serve(many_clients=True), login) as url:
        async with signed_in(url, Person()) as c:
            await c.ok("load_orders", rows=orders(2))
            shown = await c.ok("batch_preview")
            assert shown["shipments"] == 2
            with pytest.raises(MCPError, match="Server returned an error"):
                await c("batch_execute", preview_id=shown["preview_id"])
    assert books.bought == 0


async def test_the_token_of_a_program_is_no_persons_answer(serve, login, books):
    """Client credentials name the client as subject: whoever answers there is no person."""
    from mcp.shared.auth import OAuthToken

    person = Person()
    with remote(serve(many_clients=True), login) as url:
        storage = Storage()
        token = login.token(aud=url, scope="propose", sub="robot", client_id="robot")
        storage.tokens = OAuthToken(access_token=token, expires_in=300, scope="propose")
        async with signed_in(url, person, storage) as c:
            await c.ok("load_orders", rows=orders(2))
            shown = await c.ok("batch_preview")
            said = await c.no("batch_execute", preview_id=shown["preview_id"])
            assert "Preview approval required" in said
    assert (person.asked, books.bought) == ([], 0)


async def test_each_person_has_batches_of_their_own_and_the_jobs_are_the_teams(serve, login, books):
    server = serve(many_clients=True)
    with remote(server, login) as url:
        async with signed_in(url, Person()) as dana:
            first = await dana.ok("load_orders", rows=orders(2))
            shown = await dana.ok("batch_preview")
            login.person = "eve@example.com"
            async with signed_in(url, Person()) as eve:
                assert "No orders are loaded" in await eve.no("batch_preview")
                assert "not open" in await eve.no("batch_preview", job_id=first["job_id"])
                for preview_id in (shown["preview_id"], ""):
                    assert "No orders" in await eve.no("batch_execute", preview_id=preview_id)
                second = await eve.ok("load_orders", rows=orders(3, city="Dallas", zip="75201"))
                assert (await eve.ok("batch_preview"))["job_id"] == second["job_id"]
                assert (await dana.ok("batch_preview"))["job_id"] == first["job_id"]
                login.person = "dana@example.com"  # who signs in again, to be allowed more
                job = await dana.ok("batch_execute", preview_id=shown["preview_id"])
                seen = await eve.ok("get_job_status", job_id=job["job_id"])
                assert seen["shipped"] == books.bought == 2


async def test_the_log_has_who_approved(serve, login, home):
    import duckdb

    with remote(serve(many_clients=True), login) as url:
        async with signed_in(url, Person()) as c:
            await c.ok("load_orders", rows=orders(1))
            shown = await c.ok("batch_preview")
            job = await c.ok("batch_execute", preview_id=shown["preview_id"])
    found = (
        duckdb.connect()
        .sql(
            f"SELECT answered_by FROM '{home}/jobs/{job['job_id']}/audit/*.parquet' "
            "WHERE tool = 'batch_execute' AND outcome = 'begins'"
        )
        .fetchall()
    )
    assert "dana@example.com" in found[0][0]


# -- scopes and options ----------------------------------------------------------------------------


def test_every_tool_has_the_scope_of_what_it_can_do():
    for tool in TOOLS.values():
        if tool.read_only:
            assert tool.scope == "read", tool.name
        elif tool.destructive:
            assert tool.scope == "propose", tool.name
        else:
            assert tool.scope == "price", tool.name


def test_a_broader_scope_permits_what_a_narrower_one_does():
    assert covers(["propose"], "read")
    assert covers(["openid", "price"], "read")
    assert not covers(["price"], "propose")
    assert not covers(["read price"], "read"), "one text with two scopes is no scope"
    assert not covers([], "read")


@pytest.mark.parametrize(
    ("body", "scope"),
    [
        ({"method": "tools/list"}, "read"),
        ({"method": "resources/read", "params": {"uri": "shipkit://jobs.csv"}}, "read"),
        ({"method": "tools/call", "params": {"name": "load_orders"}}, "price"),
        ({"method": "tools/call", "params": {"name": "batch_execute"}}, "propose"),
        ({"method": "tools/call", "params": {"name": "nothing"}}, "read"),
        ({"method": "tools/call", "params": [1]}, "read"),
        ({"method": "tools/call", "params": {"name": ["batch_execute"]}}, "read"),
        (
            [
                {"method": "tools/list"},
                {"method": "tools/call", "params": {"name": "void_shipments"}},
            ],
            "propose",
        ),
        ([], "read"),
        ("x", "read"),
    ],
)
def test_the_scope_that_a_request_needs(body, scope):
    assert scope_needed(json.dumps(body).encode()) == scope


def test_a_body_that_is_no_json_needs_the_least():
    assert scope_needed(b"") == scope_needed(b"{") == scope_needed(b"[" * 200_000) == "read"


REFUSED = [
    (["--http", "--host", "0.0.0.0"], "--issuer"),
    (["--http", "--public-url", "https://ship.example.com/mcp"], "needs --issuer"),
    (["--issuer", "https://login.example.com"], "Add --http"),
    (["--http", "--issuer", "http://login.example.com"], "not an https address"),
    (["--http", "--issuer", "https://login.example.com/?a=1"], "not an https address"),
    (
        ["--http", "--issuer", "https://login.example.com", "--trust-client-approval"],
        "cannot be combined",
    ),
    (["--http", "--host", "0.0.0.0", "--issuer", "https://login.example.com"], "--public-url"),
    (["--http", "--issuer", "http://127.0.0.1:9"], "does not describe itself"),
]


@pytest.mark.parametrize(("options", "said"), REFUSED, ids=lambda value: str(value)[:40])
def test_options_that_do_not_fit_stop_the_server(home, capsys, options, said):
    assert mcp_server.main([*options, "--home", str(home)]) == 1
    assert said in capsys.readouterr().err


def test_an_issuer_must_be_written_as_it_writes_itself(login):
    with pytest.raises(InputError, match="describes the issuer"):
        AccessTokens(f"{login.url}/", "https://ship.example.com/mcp")


def test_what_counts_as_secure():
    for url in ("https://a.example", "http://127.0.0.1:1", "http://localhost/x", "http://[::1]:2"):
        assert secure_url(url, "--issuer") == url
    for url in (
        "http://a.example",
        "a.example",
        "https://",
        "ftp://127.0.0.1",
        "http://127.0.0.1.evil",
    ):
        with pytest.raises(InputError):
            secure_url(url, "--issuer")


async def test_the_command_serves_with_authorization(home, login, tmp_path):
    """As an operator starts it, behind a proxy that has the public name."""
    import socket
    import subprocess
    import sys

    from agentkit import until

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    public = "https://ship.example.com/mcp"
    command = [sys.executable, "-m", "shipkit.agent.mcp_server", "--http", "--port", str(port)]
    command += ["--issuer", login.url, "--public-url", public, "--home", str(home)]
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(command, stderr=log)  # noqa: ASYNC220 - waited for below
    try:
        url = f"http://127.0.0.1:{port}/mcp"
        await until(lambda: process.poll() is not None or answers(url))
        refused = ask(url)
        assert refused.status_code == 401
        place = "https://ship.example.com/.well-known/oauth-protected-resource/mcp"
        assert f'resource_metadata="{place}"' in refused.headers["www-authenticate"]
        assert fetched(url.replace("/mcp", urlsplit(place).path))["resource"] == public
        assert ask(url, login.token(aud=url, scope="read")).status_code == 401
        assert ask(url, login.token(aud=public, scope="read")).status_code == 200
    finally:
        process.terminate()
        process.wait(20)


def answers(url):
    try:
        return httpx.get(url).status_code > 0
    except httpx.TransportError:
        return False
