"""The transport: each way a request can end, at a real server on loopback, and the error class it
gets.
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import logging
import socket
import ssl
import subprocess

import httpx
import pytest

from shipkit.carriers.http import HttpTransport, retry_after_s
from shipkit.errors import AnswerLost, CarrierUnreachable, NotSent, RateLimited
from shipkit.state import STATE_AFTER, RowState

BODY = {"order": "SO-1", "street": "1 Main St"}


async def post(url: str, **options):
    http = HttpTransport(url, **{"timeout_s": 5, **options})
    try:
        return await http.request("POST", "/ship", json=BODY)
    finally:
        await http.aclose()


@pytest.fixture
def ended(loopback):
    """The error that a POST ends with, and the server's side."""

    def end(behave, **options):
        async def go():
            async with loopback(behave) as server:
                with pytest.raises((NotSent, AnswerLost)) as caught:
                    await post(server.url, **options)
                return caught.value, server

        return asyncio.run(go())

    return end


# --- what a server can do to a request
# -------------------------------------------------------------------


async def accepts_then_closes(x):
    x.close()


async def accepts_then_resets(x):
    x.reset()


async def reads_all_then_says_nothing(x):
    await x.read_request()
    await asyncio.sleep(30)


async def reads_all_then_closes(x):
    await x.read_request()
    x.close()


async def reads_all_then_resets(x):
    await x.read_request()
    x.reset()


async def reads_half_then_resets(x):
    await x.reader.readexactly(20)
    x.reset()


async def sends_half_the_headers(x):
    await x.read_request()
    await x.say(b"HTTP/1.1 200 OK\r\nContent-Le")
    x.close()


async def sends_half_the_body(x):
    await x.read_request()
    await x.say(b'HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n{"tracking"')
    x.close()


async def sends_half_the_body_then_resets(x):
    await x.read_request()
    await x.say(b'HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n{"tracking"')
    await asyncio.sleep(0.05)
    x.reset()


async def sends_half_the_body_then_nothing(x):
    await x.read_request()
    await x.say(b'HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n{"tracking"')
    await asyncio.sleep(30)


async def sends_a_broken_chunk(x):
    await x.read_request()
    await x.say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}")
    x.close()


async def sends_garbage(x):
    await x.read_request()
    await x.say(b"\x00\xff\xfe not http at all\r\n\r\n")
    x.close()


async def sends_broken_gzip(x):
    await x.read_request()
    await x.answer(200, b"no gzip at all", Content_Encoding="gzip")


async def drips(x):
    await x.read_request()
    await x.say(b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n")
    while True:
        await asyncio.sleep(0.1)
        await x.say(b"{")


async def fails(x):
    await x.read_request()
    await x.answer(503)


async def fails_without_reading(x):
    await x.answer(500)
    x.close()


IN_DOUBT = [
    accepts_then_closes,
    accepts_then_resets,
    reads_all_then_says_nothing,
    reads_all_then_closes,
    reads_all_then_resets,
    reads_half_then_resets,
    sends_half_the_headers,
    sends_half_the_body,
    sends_half_the_body_then_resets,
    sends_half_the_body_then_nothing,
    sends_a_broken_chunk,
    sends_garbage,
    sends_broken_gzip,
    drips,
    fails,
    fails_without_reading,
]


@pytest.mark.parametrize("behave", IN_DOUBT, ids=lambda f: f.__name__)
def test_once_sending_may_have_begun_a_request_without_an_answer_is_in_doubt(behave, ended):
    error, server = ended(behave, timeout_s=0.8)
    assert isinstance(error, AnswerLost)
    assert STATE_AFTER[error.outcome] is RowState.IN_DOUBT
    assert error.fix
    assert len(server.requests) <= 1
    assert server.connections == 1


def test_a_refused_connection_is_never_sent(unused_port):
    with pytest.raises(CarrierUnreachable) as caught:
        asyncio.run(post(f"http://127.0.0.1:{unused_port}"))
    assert STATE_AFTER[caught.value.outcome] is RowState.PENDING


def test_a_host_that_does_not_exist_is_never_sent():
    with pytest.raises(CarrierUnreachable):
        asyncio.run(post("http://no-such-host.invalid"))


def test_a_connection_that_does_not_come_about_in_time_is_never_sent():
    with socket.socket() as full, contextlib.ExitStack() as queue:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for _ in range(6):  # fill the backlog: later connections get no answer to their SYN
            waiting = queue.enter_context(socket.socket())
            waiting.setblocking(False)  # noqa: FBT003
            waiting.connect_ex(full.getsockname())
        with pytest.raises(CarrierUnreachable):
            asyncio.run(
                post(
                    f"http://127.0.0.1:{full.getsockname()[1]}", connect_timeout_s=0.3, timeout_s=3
                )
            )


def test_no_free_connection_in_time_is_never_sent(loopback):
    async def go():
        async with loopback(reads_all_then_says_nothing) as server:
            http = HttpTransport(server.url, connections=1, connect_timeout_s=0.2, timeout_s=1.0)
            first = asyncio.create_task(http.request("POST", "/ship", json=BODY))
            await asyncio.sleep(0.1)
            with pytest.raises(CarrierUnreachable):
                await http.request("POST", "/ship", json=BODY)
            with pytest.raises(AnswerLost):
                await first
            await http.aclose()
            assert len(server.requests) == 1

    asyncio.run(go())


@pytest.fixture(scope="module")
def certificate(tmp_path_factory) -> tuple[str, str]:
    folder = tmp_path_factory.mktemp("tls")
    key, crt = str(folder / "key.pem"), str(folder / "crt.pem")
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-keyout",
        key,
        "-out",
        crt,
        "-days",
        "2",
        "-subj",
        "/CN=elsewhere.example",
    ]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("openssl is not installed, so there is no certificate to distrust")
    return crt, key


def test_a_server_that_cannot_be_trusted_is_never_sent_anything(certificate, loopback):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*certificate)

    async def go():
        async with loopback(fails, ssl=context) as server:
            with pytest.raises(CarrierUnreachable, match="SSLCertVerification"):
                await post(server.url)
            assert server.requests == []

    asyncio.run(go())


def test_a_plain_server_behind_https_is_never_sent_anything(loopback):
    async def go():
        async with loopback(accepts_then_closes) as server:
            with pytest.raises(CarrierUnreachable):
                await post(server.url.replace("http:", "https:"))

    asyncio.run(go())


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ({"Retry_After": "7"}, 7.0),
        ({}, None),
        ({"Retry_After": "soon"}, None),
        ({"Retry_After": "-3"}, 0.0),
        ({"Retry_After": "inf"}, None),
    ],
)
def test_429_is_turned_away_unread_and_keeps_the_carriers_wish(header, seconds, ended):
    async def busy(x):
        await x.read_request()
        await x.answer(429, **header)

    error, _ = ended(busy)
    assert isinstance(error, RateLimited)
    assert error.retry_after_s == seconds
    assert STATE_AFTER[error.outcome] is RowState.PENDING


def test_a_retry_after_date_becomes_seconds():
    assert retry_after_s("Wed, 21 Oct 2015 07:28:00 GMT") == 0.0
    assert retry_after_s("Wed, 21 Oct 2099 07:28:00 GMT") > 1e9


@pytest.mark.parametrize("status", [200, 201, 206, 302, 400, 401, 403, 404, 409])
def test_what_the_carrier_said_is_returned_and_never_followed(status, loopback):
    async def says(x):
        while await x.read_request():
            await x.answer(status, b'{"said": 1}', Location="/elsewhere", APIErrorCode="1")

    async def go():
        async with loopback(says) as server:
            reply = await post(server.url)
            return reply, server.requests

    reply, requests = asyncio.run(go())
    assert (reply.status, reply.json(), reply.headers["apierrorcode"]) == (status, {"said": 1}, "1")
    assert requests == ["POST /ship HTTP/1.1"]


def test_an_empty_200_is_returned_but_is_no_json(loopback):
    async def says(x):
        await x.read_request()
        await x.answer(200, b"")

    async def go():
        async with loopback(says) as server:
            return await post(server.url)

    reply = asyncio.run(go())
    assert reply.content == b""
    with pytest.raises(AnswerLost, match="not JSON"):
        reply.json()


def test_a_zipped_answer_is_read(loopback):
    async def says(x):
        await x.read_request()
        await x.answer(200, gzip.compress(b'{"ok": true}'), Content_Encoding="gzip")

    async def go():
        async with loopback(says) as server:
            return (await post(server.url)).json()

    assert asyncio.run(go()) == {"ok": True}


def test_a_body_of_megabytes_arrives_whole(loopback):
    lengths = []

    async def says(x):
        await x.read_request()
        lengths.append(len(x.body))
        await x.answer(200)

    async def go():
        async with loopback(says) as server:
            http = HttpTransport(server.url)
            await http.request("POST", "/quotes", content=b"x" * 3_000_000)
            await http.aclose()

    asyncio.run(go())
    assert lengths == [3_000_000]


def test_connections_are_used_again_and_carry_no_cookies(loopback):
    async def says(x):
        while await x.read_request():
            await x.answer(200, Set_Cookie="session=1")

    async def go():
        async with loopback(says) as server:
            http = HttpTransport(server.url)
            for _ in range(5):
                await http.request("POST", "/ship", json=BODY)
            await http.aclose()
            return server

    server = asyncio.run(go())
    assert (server.connections, len(server.requests)) == (1, 5)
    assert not any(b"cookie" in head.lower() for head in server.heads)


@pytest.mark.parametrize("method", ["POST", "DELETE", "PUT"])
@pytest.mark.parametrize("reset", [False, True], ids=["closes", "resets"])
def test_what_acts_is_sent_once_also_when_the_server_drops_a_kept_alive_connection(
    reset, method, loopback
):
    """aiohttp repeats idempotent requests on a dropped connection; none that acts may be one of
    them: a second cancellation is refused, because the first one worked.
    """

    async def answers_once_then_drops_the_second(x):
        if x.server.connections > 1:
            await x.read_request()
            await x.answer(200)
            return
        await x.read_request()
        await x.answer(200)
        await x.read_request()
        x.reset() if reset else x.close()

    async def go():
        async with loopback(answers_once_then_drops_the_second) as server:
            http = HttpTransport(server.url, timeout_s=3)
            await http.request(method, "/ship", json=BODY)
            with pytest.raises(AnswerLost):
                await http.request(method, "/ship", json=BODY)
            await http.aclose()
            return server

    server = asyncio.run(go())
    assert server.requests == [f"{method} /ship HTTP/1.1"] * 2
    assert server.connections == 1


def test_a_question_is_asked_again_when_the_server_dropped_a_kept_alive_connection(loopback):
    async def closes_after_each_answer(x):
        await x.read_request()
        await x.answer(200)
        if await x.read_request():
            x.close()

    async def go():
        async with loopback(closes_after_each_answer) as server:
            http = HttpTransport(server.url, timeout_s=3)
            answers = [await http.request("GET", "/services") for _ in range(2)]
            await http.aclose()
            return server, answers

    server, answers = asyncio.run(go())
    assert [answer.status for answer in answers] == [200, 200]
    assert server.connections == 2


def test_cancelling_passes_through_untouched(loopback):
    async def go():
        async with loopback(reads_all_then_says_nothing) as server:
            task = asyncio.create_task(post(server.url))
            await asyncio.sleep(0.2)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(go())


def test_it_can_be_closed_and_used_again_and_by_one_loop_after_another(loopback):
    async def says(x):
        while await x.read_request():
            await x.answer(200)

    http = None

    async def go():
        nonlocal http
        async with loopback(says) as server:
            http = http or HttpTransport(server.url)
            http.base_url = server.url
            for _ in range(2):
                assert (await http.request("GET", "/books")).status == 200
                await http.aclose()

    asyncio.run(go())
    asyncio.run(go())


def test_nothing_that_was_sent_or_received_is_logged(caplog, loopback):
    async def says(x):
        await x.read_request()
        await x.answer(200, b'{"name": "Ada Abbott"}')

    async def go():
        async with loopback(says) as server:
            http = HttpTransport(server.url, headers={"Authorization": "Bearer s3cret"})
            reply = await http.request("POST", "/ship", json=BODY, params={"reference": "REF1"})
            await http.aclose()
            return repr(reply)

    with caplog.at_level(logging.DEBUG):
        shown = asyncio.run(go())
    assert "POST /ship: 200" in caplog.text
    for secret in ("s3cret", "Main St", "Ada", "REF1"):
        assert secret not in caplog.text + shown


def test_another_httpx_transport_can_be_given_and_is_judged_by_the_same_list(loopback, unused_port):
    async def with_httpx(url):
        http = HttpTransport(url, transport=httpx.AsyncHTTPTransport(), timeout_s=1)
        try:
            await http.request("POST", "/ship", json=BODY)
        finally:
            await http.aclose()

    async def go():
        async with loopback(reads_all_then_resets) as server:
            with pytest.raises(AnswerLost):
                await with_httpx(server.url)
        with pytest.raises(CarrierUnreachable):
            await with_httpx(f"http://127.0.0.1:{unused_port}")

    asyncio.run(go())
