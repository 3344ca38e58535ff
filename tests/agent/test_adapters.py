"""The adapters, with the real frameworks where they are installed (see hosts/run.sh)."""

from __future__ import annotations

import json
import sys
import types

import pytest
from agentkit import SHOP, orders

import shipkit as sk
from shipkit.agent import adapters

pytestmark = pytest.mark.anyio


@pytest.fixture
def session(home):
    with sk.BatchSession(orders(4), shipper=SHOP, home=home) as session:
        yield session


@pytest.fixture
def fake_claude(monkeypatch):
    """The two names of claude-agent-sdk that the adapter uses, with its own argument order."""
    module = types.ModuleType("claude_agent_sdk")
    module.SdkMcpTool = lambda name, description, input_schema, handler, annotations=None: (
        types.SimpleNamespace(
            name=name,
            description=description,
            input_schema=input_schema,
            handler=handler,
            annotations=annotations,
        )
    )
    module.create_sdk_mcp_server = lambda name, version="1.0.0", tools=None: {
        "name": name,
        "tools": {tool.name: tool for tool in tools},
    }
    monkeypatch.setitem(sys.modules, "claude_agent_sdk", module)


async def test_the_claude_adapter_asks_the_person_and_never_takes_the_models_word(
    fake_claude, session, books
):
    asked = []
    server = adapters.claude_sdk_server(
        session, lambda question: asked.append(question) or len(asked) > 1
    )
    tools = server["tools"]
    assert "approved" not in json.dumps(tools["batch_execute"].input_schema)
    assert tools["batch_execute"].annotations.destructive_hint is True
    await tools["batch_preview"].handler({})
    assert (await tools["batch_execute"].handler({"approved": True}))["is_error"] is True
    assert not asked
    assert (await tools["batch_execute"].handler({}))["is_error"] is True
    assert books.bought == 0
    done = await tools["batch_execute"].handler({})
    assert done["is_error"] is False
    assert "4 shipped" in done["content"][0]["text"]
    assert books.bought == 4


async def test_without_an_approver_a_model_buys_nothing(fake_claude, session, books):
    tools = adapters.claude_sdk_server(session)["tools"]
    await tools["batch_preview"].handler({})
    for arguments in ({}, {"approved": True}):
        assert (await tools["batch_execute"].handler(arguments))["is_error"] is True
    assert (await tools["batch_set_mode"].handler({"mode": "auto"}))["is_error"] is True
    assert books.bought == 0


async def test_the_real_claude_agent_sdk_serves_the_tools(session, books):
    pytest.importorskip(
        "claude_agent_sdk",
        reason="claude-agent-sdk is not installed; tests/agent/hosts/run.sh installs it",
    )
    from mcp import Client

    config = adapters.claude_sdk_server(session, lambda _: True)
    async with Client(config["instance"]) as client:
        assert len((await client.list_tools()).tools) == 10
        assert not (await client.call_tool("batch_preview", {})).is_error
        assert (await client.call_tool("batch_execute", {"approved": True})).is_error
        assert books.bought == 0
        assert "4 shipped" in (await client.call_tool("batch_execute", {})).content[0].text
    assert books.bought == 4


def options(home, tmp_path) -> list[str]:
    shop = tmp_path / "shop.json"
    shop.write_text(json.dumps(SHOP))
    return ["--shipper", f"harbor={shop}", "--home", str(home)]


async def test_the_real_openai_agents_sdk_drives_the_server(home, tmp_path, books):
    pytest.importorskip(
        "agents.mcp", reason="openai-agents is not installed; tests/agent/hosts/run.sh installs it"
    )
    async with adapters.openai_agents_server(*options(home, tmp_path)) as server:
        assert len(await server.list_tools()) == 10
        await server.call_tool("load_orders", {"rows": orders(3)})
        shown = await server.call_tool("batch_preview", {})
        preview_id = json.loads(shown.model_dump_json(by_alias=True))["structuredContent"][
            "preview_id"
        ]
        refused = await server.call_tool("batch_execute", {"preview_id": preview_id})
        assert f"shipkit approve {preview_id}" in refused.content[0].text
        assert books.bought == 0
        approve(home, preview_id)
        done = await server.call_tool("batch_execute", {"preview_id": preview_id})
        assert "3 shipped" in done.content[0].text
    assert books.bought == 3


def test_hosts_start_the_server_of_this_python():
    assert adapters.stdio_command("--root", "/orders") == {
        "command": sys.executable,
        "args": ["-m", "shipkit.agent.mcp_server", "--root", "/orders"],
    }
    assert adapters.stdio_command("--http", command=["shipkit", "mcp"]) == {
        "command": "shipkit",
        "args": ["mcp", "--http"],
    }
    assert adapters.langchain_connection(env={"SHIPKIT_HOME": "/x"})["env"] == {
        "SHIPKIT_HOME": "/x"
    }


def approve(home, preview_id) -> None:
    import datetime as dt

    from shipkit.purchasing.approval import approve as record

    record(home, preview_id, now=dt.datetime.now(dt.UTC), by="dana", via="terminal")
