"""The vendors' own SDKs take the definitions, the answers and each other's call shapes.

Each SDK talks to a server on this machine that plays the vendor's API: it keeps what was sent, and
answers with tool calls as that API sends them. Run by tests/agent/hosts/run.sh, which installs the
SDKs; without one, its tests are skipped.
"""

from __future__ import annotations

import copy
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from agentkit import SHOP, Person, orders

import shipkit as sk
from shipkit.agent import answer_model, get_orchestrator_tools, to_anthropic, to_gemini, to_openai
from shipkit.agent.tool_table import TOOLS

pytestmark = pytest.mark.anyio

ABSENT = "is not installed; tests/agent/hosts/run.sh installs it"


@contextmanager
def vendor(answers):
    """Serve `answers` one after another; yield the address and the requests that came."""
    waiting, requests = list(answers), []

    class Api(BaseHTTPRequestHandler):
        def do_POST(self):
            requests.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            body = json.dumps(waiting.pop(0)).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Api)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", requests
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def session(home):
    with sk.BatchSession(orders(3), shipper=SHOP, home=home) as session:
        yield session


# -- OpenAI ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("strict", [False, True])
async def test_openai_types_every_definition(strict):
    pytest.importorskip("openai", reason=f"openai {ABSENT}")
    from openai.lib._pydantic import _ensure_strict_json_schema
    from openai.types.chat import ChatCompletionFunctionToolParam
    from openai.types.responses import FunctionToolParam
    from pydantic import TypeAdapter

    tools = get_orchestrator_tools()
    for api, typed in (("chat", ChatCompletionFunctionToolParam), ("responses", FunctionToolParam)):
        for tool in to_openai(tools, api=api, strict=strict):
            TypeAdapter(typed).validate_python(tool, extra="forbid")
            if strict:  # the SDK's own conversion to strict mode finds nothing to change
                schema = tool.get("function", tool)["parameters"]
                done = _ensure_strict_json_schema(copy.deepcopy(schema), path=(), root=schema)
                assert done == schema


async def test_openai_responses_calls_a_tool(session):
    openai = pytest.importorskip("openai", reason=f"openai {ABSENT}")
    called = {
        "id": "resp_1",
        "object": "response",
        "created_at": 0,
        "model": "gpt-test",
        "status": "completed",
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "output": [
            {
                "type": "function_call",
                "id": "fc_1",
                "call_id": "call_1",
                "name": "batch_preview",
                "arguments": '{"filter_clause":"","ignore":"[]","sample":1.0}',
                "status": "completed",
            }
        ],
    }
    tools = get_orchestrator_tools(session, approve=lambda _: False)
    with vendor([called]) as (url, sent):
        client = openai.OpenAI(base_url=url, api_key="test", max_retries=0)
        shown = to_openai(tools, api="responses")
        (call,) = client.responses.create(model="gpt-test", input="Ship", tools=shown).output
        client.close()
    assert [tool["strict"] for tool in sent[0]["tools"]] == [False] * len(TOOLS)
    answer = await answer_model(tools, call.name, call.arguments)
    assert answer["structuredContent"]["shipments"] == 3


async def test_openai_chat_calls_a_tool(session):
    openai = pytest.importorskip("openai", reason=f"openai {ABSENT}")
    function = {"name": "batch_problems", "arguments": ""}
    message = {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "call_1", "type": "function", "function": function}],
    }
    called = {
        "id": "c_1",
        "object": "chat.completion",
        "created": 0,
        "model": "gpt-test",
        "choices": [{"index": 0, "finish_reason": "tool_calls", "message": message}],
    }
    tools = get_orchestrator_tools(session, approve=lambda _: False)
    with vendor([called]) as (url, sent):
        client = openai.OpenAI(base_url=url, api_key="test", max_retries=0)
        done = client.chat.completions.create(
            model="gpt-test", messages=[{"role": "user", "content": "?"}], tools=to_openai(tools)
        )
        client.close()
    assert len(sent[0]["tools"]) == len(TOOLS)
    call = done.choices[0].message.tool_calls[0].function
    assert (await answer_model(tools, call.name, call.arguments))["is_error"] is False


# -- Anthropic -------------------------------------------------------------------------------------


def claude_says(*content):
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-test",
        "content": list(content),
        "stop_reason": "tool_use" if content[-1]["type"] == "tool_use" else "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 1, "output_tokens": 1},
    }


def claude_calls(name, **arguments):
    return claude_says({"type": "tool_use", "id": f"tu_{name}", "name": name, "input": arguments})


async def test_anthropic_types_every_definition_and_calls_a_tool(session):
    anthropic = pytest.importorskip("anthropic", reason=f"anthropic {ABSENT}")
    from anthropic.types import ToolParam
    from pydantic import TypeAdapter

    tools = get_orchestrator_tools(session, approve=lambda _: False)
    definitions = to_anthropic(tools)
    for tool in definitions:
        TypeAdapter(ToolParam).validate_python(tool, extra="forbid")
    with vendor([claude_calls("batch_preview", sample=1)]) as (url, sent):
        client = anthropic.Anthropic(base_url=url, api_key="test", max_retries=0)
        done = client.messages.create(
            model="claude-test",
            max_tokens=100,
            messages=[{"role": "user", "content": "Ship"}],
            tools=definitions,
        )
        client.close()
    assert sent[0]["tools"] == definitions
    (call,) = done.content
    answer = await answer_model(tools, call.name, call.input)
    assert answer["structuredContent"]["shipments"] == 3


async def test_anthropics_runner_drives_the_mcp_server_to_labels(serve, books):
    """Its MCP helper raises on content that it does not know, after the tool has run."""
    anthropic = pytest.importorskip("anthropic", reason=f"anthropic {ABSENT}")
    from anthropic.lib.tools.mcp import async_mcp_tool
    from mcp import Client

    turns = [
        claude_calls("load_orders", rows=json.dumps(orders(2))),
        claude_calls("batch_preview"),
        claude_calls("batch_execute"),
        claude_calls("get_job_status"),
        claude_calls("get_labels"),
        claude_says({"type": "text", "text": "Done."}),
    ]
    person = Person()
    async with Client(serve(text_only=True), elicitation_callback=person) as mcp_client:
        listed = (await mcp_client.list_tools()).tools
        with vendor(turns) as (url, sent):
            client = anthropic.AsyncAnthropic(base_url=url, api_key="test", max_retries=0)
            runner = client.beta.messages.tool_runner(
                model="claude-test",
                max_tokens=100,
                tools=[async_mcp_tool(tool, mcp_client) for tool in listed],
                messages=[{"role": "user", "content": "Ship"}],
            )
            await runner.until_done()
            await client.close()
    results = [request["messages"][-1]["content"][0] for request in sent[1:]]
    texts = [json.dumps(result["content"]) for result in results]
    assert not any(result.get("is_error") for result in results), texts
    assert "2 orders loaded" in texts[0]
    assert "shipkit://previews/" in texts[1]
    assert "2 shipped" in texts[2]
    assert "labels.pdf" in texts[3]
    assert "labels.pdf" in texts[4]
    assert (books.bought, len(person.asked)) == (2, 1)


# -- Gemini ----------------------------------------------------------------------------------------


def gemini_says(part):
    content = {"role": "model", "parts": [part]}
    return {"candidates": [{"content": content, "finishReason": "STOP", "index": 0}]}


async def test_gemini_types_every_definition_and_calls_a_tool(session):
    genai = pytest.importorskip("google.genai", reason=f"google-genai {ABSENT}")
    from google.genai import types

    tools = get_orchestrator_tools(session, approve=lambda _: False)
    definitions = to_gemini(tools)
    (typed,) = [types.Tool.model_validate(tool, extra="forbid") for tool in definitions]
    assert [d.name for d in typed.function_declarations] == list(TOOLS)
    # Gemini's arguments are a protobuf Struct: every number is a double
    call = {"name": "batch_preview", "args": {"sample": 1.0, "ignore": []}}
    with vendor([gemini_says({"functionCall": call})]) as (url, sent):
        client = genai.Client(api_key="test", http_options=types.HttpOptions(base_url=url))
        done = client.models.generate_content(
            model="gemini-test",
            contents="Ship",
            config=types.GenerateContentConfig(tools=definitions),
        )
        client.close()
    declared = sent[0]["tools"][0]["functionDeclarations"]
    assert "additional" not in json.dumps(declared)
    (called,) = done.function_calls
    answer = await answer_model(tools, called.name, called.args)
    assert answer["structuredContent"]["shipments"] == 3


@pytest.mark.filterwarnings("default")  # of google-genai's own: it subclasses an aiohttp session
async def test_geminis_mcp_bridge_takes_a_session_of_the_server(serve):
    genai = pytest.importorskip("google.genai", reason=f"google-genai {ABSENT}")
    from google.genai import types
    from mcp import Client

    rows = {"name": "load_orders", "args": {"rows": orders(2)}}
    turns = [
        gemini_says({"functionCall": rows}),
        gemini_says({"functionCall": {"name": "batch_preview", "args": {"sample": 2.0}}}),
        gemini_says({"text": "The total is shown."}),
    ]
    async with Client(serve(), mode="legacy") as mcp_client:
        with vendor(turns) as (url, sent):
            client = genai.Client(api_key="test", http_options=types.HttpOptions(base_url=url))
            await client.aio.models.generate_content(
                model="gemini-test",
                contents="Ship",
                config={"tools": [mcp_client.session]},  # typed, it is copied, and the copy fails
            )
            await client.aio.aclose()
    declared = [d for tool in sent[0]["tools"] for d in tool["functionDeclarations"]]
    assert [d["name"] for d in declared] == list(TOOLS)
    for node in declared:
        assert_no_empty_object(node["parameters"])
    answered = [json.dumps(request["contents"][-1]) for request in sent[1:]]
    assert "2 orders loaded" in answered[0]
    assert "pv_" in answered[1]


def assert_no_empty_object(node):
    if node["type"] == "OBJECT":
        assert node["properties"]
        for field in node["properties"].values():
            assert_no_empty_object(field)
    if node["type"] == "ARRAY":
        assert_no_empty_object(node["items"])
