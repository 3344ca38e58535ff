"""The server as its own process: stdio and HTTP, and what is left when it is killed."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from agentkit import ERAS, SHOP, Books, Person, Shorthand, orders, until

import shipkit as sk
from shipkit.agent import mcp_server
from shipkit.common.lock import holder_of

pytestmark = pytest.mark.anyio

HELD = str(Path(__file__).with_name("serve_held.py"))
SELLS = 3


@pytest.fixture
def shop_file(tmp_path):
    path = tmp_path / "shop.json"
    path.write_text(json.dumps(SHOP))
    return path


def environment(home) -> dict[str, str]:
    return {"SHIPKIT_HOME": str(home), "SHIPKIT_GRACE_S": "0.5", "PATH": os.environ["PATH"]}


@contextlib.asynccontextmanager
async def over_stdio(home, *command, era="auto", person=None):
    from mcp import Client, StdioServerParameters

    parameters = StdioServerParameters(
        command=sys.executable, args=list(command), env=environment(home)
    )
    async with Client(parameters, mode=era, elicitation_callback=person) as client:
        yield Shorthand(client)


def answers(port) -> bool:
    """Whether something accepts connections on `port`."""
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """The home and the port of a server process on HTTP, one for all tests here."""
    home = tmp_path_factory.mktemp("served")
    shop = home / "shop.json"
    shop.write_text(json.dumps(SHOP))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = ["-m", "shipkit.agent.mcp_server", "--http", "--port", str(port)]
    process = subprocess.Popen(
        [sys.executable, *server, "--shipper", f"harbor={shop}"],
        env=environment(home),
        stderr=subprocess.DEVNULL,
    )
    try:
        while not answers(port):
            assert process.poll() is None, "the server ended"
            time.sleep(0.02)
        yield home, port
    finally:
        process.terminate()
        process.wait(15)


@contextlib.asynccontextmanager
async def over_http(port, era="auto", person=None):
    from mcp import Client

    async with Client(
        f"http://127.0.0.1:{port}/mcp", mode=era, elicitation_callback=person
    ) as client:
        yield Shorthand(client)


@ERAS
async def test_the_whole_way_over_stdio(home, shop_file, tmp_path, books, era):
    (tmp_path / "orders").mkdir()
    (tmp_path / "orders" / "today.csv").write_text(
        "order_id,name,address1,city,state,zip,weight_lb,service\n"
        + "".join(f"{i},Ada Lee,{i} Main St,Austin,TX,78701,2,ground\n" for i in range(1, 9))
    )
    person = Person()
    command = (
        "-m",
        "shipkit.agent.mcp_server",
        "--root",
        str(tmp_path / "orders"),
        "--shipper",
        f"harbor={shop_file}",
    )
    async with over_stdio(home, *command, era=era, person=person) as c:
        await c.ok("load_orders", path="today.csv")
        shown = await c.ok("batch_preview")
        seen = []

        async def watch(done, total, message):
            seen.append((done, total))

        result = await c.client.call_tool(
            "batch_execute", {"preview_id": shown["preview_id"]}, progress_callback=watch
        )
        assert result.structured_content["shipped"] == 8
        assert seen[-1] == (8, 8)
        pdf = (await c.client.read_resource(result.structured_content["uris"][1])).contents[0]
        assert pdf.mime_type == "application/pdf"
    assert books.bought == 8


@ERAS
async def test_the_whole_way_over_http(served, era):
    home, port = served
    books = Books(home / "sandbox" / "books.sqlite")
    before = books.bought
    async with over_http(port, era, Person()) as c, over_http(port, era) as other:
        mine = [
            {**order, "order_id": f"{era}-{i}", "address1": f"{i} {era} Rd"}
            for i, order in enumerate(orders(6))
        ]
        batch = await c.ok("load_orders", rows=mine)
        shown = await c.ok("batch_preview", job_id=batch["job_id"])
        refused = await other.no("batch_execute", preview_id=shown["preview_id"])
        assert "Preview approval required" in refused
        assert books.bought == before
        job = await c.ok("batch_execute", preview_id=shown["preview_id"])
        assert (job["shipped"], books.bought) == (6, before + 6)
        labels = await c("get_labels", job_id=job["job_id"])
        uris = [part.uri for part in labels.content if part.type == "resource_link"]
        assert "tracking_number" in (await c.client.read_resource(uris[0])).contents[0].text


def test_a_page_in_a_browser_cannot_reach_the_server(served):
    _, port = served
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/list"})
    kinds = {
        "Content-Type": "application/json",
        "Accept": "application/json, text/event-stream",
    }

    def post(**headers) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        try:
            connection.request("POST", "/mcp", body, {**kinds, **headers})
            return connection.getresponse().status
        finally:
            connection.close()

    assert post(Host="evil.example") in {403, 421}
    assert post(Host=f"127.0.0.1:{port}", Origin="https://evil.example") in {400, 403}
    assert post(Host=f"127.0.0.1:{port}", Origin=f"http://127.0.0.1:{port}") not in {403, 421}


@pytest.fixture
def held(home, shop_file):
    """The command of a server that sells three shipments and then waits until `hold` is removed."""
    home.mkdir()
    (home / "hold").touch()
    return (HELD, str(home), "0", "--shipper", f"harbor={shop_file}")


def release(home) -> None:
    """Let the carrier answer again."""
    (home / "hold").unlink()


def the_job(home) -> Path:
    """Return the folder of the only job of a home."""
    (job,) = home.glob("jobs/job-*")
    return job


async def killed(home, sent=signal.SIGKILL) -> None:
    """Stop the process that runs the only job, and wait until it is gone."""
    os.kill(holder_of(the_job(home)).pid, sent)
    if sent == signal.SIGTERM:  # it finishes what is in flight, and starts no more
        await until((home / "asked").exists)
        release(home)
    await until(lambda: holder_of(the_job(home)) is None)


@pytest.mark.parametrize(
    ("era", "sent"),
    [("auto", signal.SIGKILL), ("legacy", signal.SIGKILL), ("auto", signal.SIGTERM)],
    ids=["kill", "kill-legacy", "terminate"],
)
async def test_a_server_killed_in_the_middle_leaves_a_job_that_a_new_one_finishes(
    home, held, books, era, sent
):
    count = 12
    with contextlib.suppress(Exception):  # the client of a server that is gone
        async with over_stdio(home, *held, era=era, person=Person()) as c:
            shown = await c.loaded(count)
            job = await c.ok("batch_execute", preview_id=shown["preview_id"], wait_s=0)
            assert job["status"] == "running"
            await until(lambda: books.bought == SELLS)
            await killed(home, sent)
    assert SELLS <= books.bought < count
    (home / "hold").unlink(missing_ok=True)
    async with over_stdio(home, *held, era=era) as c:
        found = await c.ok("batch_resume")
        assert (found["status"], found["job_id"]) == ("interrupted", job["job_id"])
        done = await c.ok("batch_resume", job_id=job["job_id"], choice="resume", wait_s=60)
        assert (done["status"], done["shipped"], done["in_doubt"]) == ("completed", count, 0)
        assert "No interrupted jobs" in (await c("batch_resume")).content[0].text
    assert books.bought == count


async def test_a_client_that_leaves_pauses_the_job(home, held, books):
    async with over_stdio(home, *held, person=Person()) as c:
        shown = await c.loaded(20)
        await c.ok("batch_execute", preview_id=shown["preview_id"], wait_s=0)
        await until(lambda: books.bought == SELLS)
        release(home)
    await until(lambda: holder_of(the_job(home)) is None)
    jobs = sk.jobs(home=home).to_dict("records")
    assert [(job["in_doubt"], job["shipped"]) for job in jobs] == [(0, books.bought)]


async def test_the_same_preview_after_a_crash_continues_the_job_and_asks_no_one(home, held, books):
    with contextlib.suppress(Exception):  # the client of a server that is gone
        async with over_stdio(home, *held, person=Person()) as c:
            shown = await c.loaded(12)
            await c.ok("batch_execute", preview_id=shown["preview_id"], wait_s=0)
            await until(lambda: books.bought == SELLS)
            await killed(home)
    release(home)
    async with over_stdio(home, *held) as c:
        again = await c.loaded(12)
        assert again["preview_id"] == shown["preview_id"]
        done = await c.ok("batch_execute", preview_id=again["preview_id"], wait_s=60)
        assert (done["shipped"], books.bought) == (12, 12)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--mode", "auto"], "--max-total"),
        (["--root", "/no/such/folder"], "not a folder"),
        (["--shipper", "harbor"], "NAME=FILE"),
        (["--shipper", "harbor=/no/such.json"], "cannot be used"),
        (["--max-total", "lots"], "not an amount"),
        (["--http", "--host", "0.0.0.0"], "this machine only"),
        (["--trust-client-approval", "--approve-elsewhere"], "cannot be combined"),
    ],
)
def test_an_invalid_option_is_reported_on_stderr(options, said, capsys):
    assert mcp_server.main(options) == 1
    out, err = capsys.readouterr()
    assert said in err
    assert out == ""


def test_stdout_is_the_protocols_alone(home, shop_file):
    messages = [
        {
            "jsonrpc": "2.0",
            "id": 1,
            "method": "initialize",
            "params": {
                "protocolVersion": "2025-11-25",
                "capabilities": {},
                "clientInfo": {"name": "t", "version": "1"},
            },
        },
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {
            "jsonrpc": "2.0",
            "id": 2,
            "method": "tools/call",
            "params": {"name": "load_orders", "arguments": {"rows": orders(2)}},
        },
        {
            "jsonrpc": "2.0",
            "id": 3,
            "method": "tools/call",
            "params": {"name": "batch_preview", "arguments": {}},
        },
    ]
    process = subprocess.Popen(
        [sys.executable, "-m", "shipkit", "mcp", "--shipper", f"harbor={shop_file}"],
        env=environment(home),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    lines = []
    for message in messages:
        process.stdin.write(json.dumps(message) + "\n")
        process.stdin.flush()
        if "id" in message:
            lines.append(json.loads(process.stdout.readline()))
    process.stdin.close()
    rest = process.stdout.read()
    process.wait(15)
    process.stdout.close()
    assert [line["id"] for line in lines] == [1, 2, 3]
    assert rest == ""


async def test_a_job_that_another_server_runs_is_watched_and_not_taken(home, held, books):
    async with (
        over_stdio(home, *held, person=Person()) as one,
        over_stdio(home, *held) as two,
    ):
        shown = await one.loaded(12)
        job = await one.ok("batch_execute", preview_id=shown["preview_id"], wait_s=0)
        await until(lambda: books.bought == SELLS)
        assert (await two.ok("get_job_status", job_id=job["job_id"]))["status"] == "running"
        assert "No interrupted jobs" in (await two("batch_resume")).content[0].text
        refused = await two.no("batch_resume", job_id=job["job_id"], choice="resume")
        assert job["job_id"] in refused
        release(home)
        done = await two.ok("get_job_status", job_id=job["job_id"], wait_s=60)
        assert (done["status"], done["shipped"], books.bought) == ("completed", 12, 12)
