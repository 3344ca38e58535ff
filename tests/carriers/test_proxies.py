"""Requests through a real proxy on loopback, for plain and for encrypted carriers."""

from __future__ import annotations

import asyncio
import base64
import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import pytest
from pydantic import SecretStr

from shipkit.carriers.http import HttpTransport
from shipkit.carriers.proxies import proxy_for
from shipkit.errors import AnswerLost, CarrierUnreachable, SettingsError
from shipkit.settings import Settings

VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@dataclass
class Proxy:
    """An HTTP proxy: CONNECT for tunnels, and requests with whole addresses."""

    login: str | None = None
    refuses: int = 0
    """Status that every request gets; 0: none."""
    url: str = ""
    asked: list[str] = field(default_factory=list)
    tasks: set[asyncio.Task] = field(default_factory=set)

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.tasks.add(asyncio.current_task())
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            head = await reader.readuntil(b"\r\n\r\n")
            first = head.split(b"\r\n")[0].decode()
            self.asked.append(first)
            wanted = self.login and base64.b64encode(self.login.encode()).decode()
            if wanted and f"basic {wanted}".lower() not in head.decode().lower():
                writer.write(b"HTTP/1.1 407 Login\r\nContent-Length: 0\r\n\r\n")
            elif self.refuses:
                writer.write(f"HTTP/1.1 {self.refuses} No\r\nContent-Length: 0\r\n\r\n".encode())
            else:
                await self._forward(first, head, reader, writer)
            await writer.drain()
        writer.transport.abort()

    async def _forward(
        self,
        first: str,
        head: bytes,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        method, target, _ = first.split()
        host, port = target.removeprefix("http://").split("/")[0].split(":")
        there, back = await asyncio.open_connection(host, int(port))
        if method == "CONNECT":
            writer.write(b"HTTP/1.1 200 Established\r\n\r\n")
        else:
            back.write(head.replace(f"http://{host}:{port}".encode(), b"", 1))
        try:
            await asyncio.gather(_copy(reader, back), _copy(there, writer))
        finally:
            back.transport.abort()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
        writer.close()


@asynccontextmanager
async def proxying(**options) -> AsyncIterator[Proxy]:
    proxy = Proxy(**options)
    server = await asyncio.start_server(proxy.connected, "127.0.0.1", 0)
    proxy.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield proxy
    finally:
        server.close()
        for task in proxy.tasks:
            task.cancel()
        await asyncio.gather(*proxy.tasks, return_exceptions=True)


async def answers(x) -> None:
    while await x.read_request():
        await x.answer(200, b'{"ok":true}')


async def post(url: str, proxy: str | None):
    http = HttpTransport(url, timeout_s=5, proxy=None if proxy is None else SecretStr(proxy))
    try:
        return await http.request("POST", "/ship", json={"order": "SO-1"})
    finally:
        await http.aclose()


def test_a_plain_carrier_is_asked_through_the_proxy(loopback):
    async def go():
        async with loopback(answers) as server, proxying() as proxy:
            answer = await post(server.url, proxy.url)
            assert (answer.status, proxy.asked) == (200, [f"POST {server.url}/ship HTTP/1.1"])
            assert len(server.requests) == 1

    asyncio.run(go())


@pytest.fixture
def encrypted(tmp_path, monkeypatch):
    """The context of a server whose certificate SSL_CERT_FILE names, as in a company."""
    key, crt = tmp_path / "key.pem", tmp_path / "crt.pem"
    command = (
        *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
        *("-keyout", str(key), "-out", str(crt), "-subj", "/CN=127.0.0.1"),
        *("-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"),
    )
    try:
        subprocess.run(command, check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("openssl is not installed")
    monkeypatch.setenv("SSL_CERT_FILE", str(crt))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(crt, key)
    return context


def test_an_encrypted_carrier_is_asked_through_a_tunnel(loopback, encrypted):
    async def go():
        async with loopback(answers, ssl=encrypted) as server, proxying(login="dana:p@ss") as proxy:
            url = server.url.replace("http:", "https:")
            host = url.removeprefix("https://")
            with_login = proxy.url.replace("://", "://dana:p%40ss@")
            assert (await post(url, with_login)).status == 200
            assert proxy.asked == [f"CONNECT {host} HTTP/1.1"]
            assert len(server.requests) == 1

    asyncio.run(go())


def test_a_proxy_that_wants_a_login_is_named_and_nothing_was_sent(loopback, encrypted):
    async def go(tls):
        async with loopback(answers, ssl=tls) as server, proxying(login="dana:pass") as proxy:
            url = server.url.replace("http:", "https:") if tls else server.url
            with pytest.raises(CarrierUnreachable, match=r"wants a login \(407\)") as caught:
                await post(url, proxy.url.replace("://", "://dana:wr0ng@"))
            assert "SHIPKIT_PROXY" in caught.value.fix
            assert "wr0ng" not in f"{caught.value}{caught.value.__cause__!r}"
            assert server.requests == []

    asyncio.run(go(encrypted))
    asyncio.run(go(None))


def test_a_proxy_that_refuses_the_tunnel_is_no_doubt(loopback, encrypted):
    async def go():
        async with loopback(answers, ssl=encrypted) as server, proxying(refuses=502) as proxy:
            with pytest.raises(CarrierUnreachable, match=r"proxy refused \(502\)"):
                await post(server.url.replace("http:", "https:"), proxy.url)
            assert server.requests == []

    asyncio.run(go())


def test_a_plain_proxy_that_answers_502_is_doubt(loopback):
    """It may have forwarded the request before the carrier broke off."""

    async def go():
        async with loopback(answers) as server, proxying(refuses=502) as proxy:
            with pytest.raises(AnswerLost):
                await post(server.url, proxy.url)

    asyncio.run(go())


def test_a_proxy_that_is_not_there_is_named():
    with pytest.raises(CarrierUnreachable, match="No connection to the proxy"):
        asyncio.run(post("http://ups.invalid", "http://127.0.0.1:9"))


def test_the_environment_counts_only_when_asked_for(loopback, monkeypatch):
    async def go():
        async with loopback(answers) as server, proxying() as proxy:
            monkeypatch.setenv("HTTP_PROXY", proxy.url)
            await post(server.url, None)
            assert proxy.asked == []
            await post(server.url, "environment")
            assert len(proxy.asked) == 1
            monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
            await post(server.url, "environment")
            await post(server.url, proxy.url)
            assert len(proxy.asked) == 1

    asyncio.run(go())


def test_without_a_connection_the_advice_names_the_variable_that_is_not_used(monkeypatch):
    with pytest.raises(CarrierUnreachable, match="Behind a proxy, set SHIPKIT_PROXY"):
        asyncio.run(post("http://127.0.0.1:9", None))
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:1")
    with pytest.raises(CarrierUnreachable, match="HTTPS_PROXY is set and not used"):
        asyncio.run(post("http://127.0.0.1:9", None))


@pytest.mark.parametrize(
    ("url", "setting", "proxy"),
    [
        ("https://a.example", "proxy.example:8080", "http://proxy.example:8080"),
        ("https://a.example", "https://p.example", "https://p.example"),
        ("https://a.example", " ENVIRONMENT ", "http://secure.example:1"),
        ("http://a.example", "environment", "http://all.example:2"),
        ("https://inside.example", "environment", None),
        ("https://inside.example:8443", "http://p.example", None),
    ],
)
def test_the_proxy_of_an_address(monkeypatch, url, setting, proxy):
    monkeypatch.setenv("HTTPS_PROXY", "http://secure.example:1")
    monkeypatch.setenv("ALL_PROXY", "http://all.example:2")
    monkeypatch.setenv("NO_PROXY", "inside.example")
    found = proxy_for(url, SecretStr(setting))
    assert (found and found.get_secret_value()) == proxy


@pytest.mark.parametrize("address", ["socks5://p.example:1080", "http://:8", "http://p:port", "::"])
def test_an_address_that_is_no_proxy_is_refused_without_showing_it(address):
    with pytest.raises(SettingsError, match="SHIPKIT_PROXY") as caught:
        proxy_for("https://a.example", SecretStr(address))
    assert address not in str(caught.value)


def test_the_setting_is_read_and_not_shown():
    settings = Settings.read({"SHIPKIT_PROXY": "http://dana:s3cret@p.example"})
    assert settings.proxy is not None
    assert "s3cret" not in repr(settings)
    assert Settings.read({}).proxy is None
