"""The definitions keep to what each model API takes; tests/agent/test_vendor_sdks.py asks the SDKs.

The rules are those of the APIs, from their references and from what they answered to other people:
Gemini knows no ``additionalProperties`` and no object without properties, Vertex no ``anyOf`` next
to other keys, OpenAI's strict mode wants every property required and every object closed.
"""

from __future__ import annotations

import json
import re

import pytest
from agentkit import connected

import shipkit.agent as agent
from shipkit.agent.host_arguments import as_declared
from shipkit.agent.tool_table import TOOLS

KEYWORDS = {
    "type",
    "properties",
    "required",
    "items",
    "enum",
    "description",
    "default",
    "minimum",
    "maximum",
}
"""Keywords that Claude, OpenAI, Gemini (OpenAPI 3.0 subset) and VS Code all know."""

ANY = agent.get_orchestrator_tools()


def schemas(node, path=()):
    """Yield every schema in `node` with its path."""
    yield path, node
    for name, field in node.get("properties", {}).items():
        yield from schemas(field, (*path, name))
    if "items" in node:
        yield from schemas(node["items"], (*path, "[]"))


def faults(schema) -> list[str]:
    """Return what some API would refuse in `schema`."""
    found = []
    for path, node in schemas(schema):
        where = ".".join(path) or "root"
        found += [f"{where}: keyword {key}" for key in set(node) - KEYWORDS]
        if not isinstance(node.get("type"), str):
            found.append(f"{where}: no single type")
        if node.get("type") == "object" and not node.get("properties"):
            found.append(f"{where}: an object without properties")
        if node.get("type") == "array" and "items" not in node:
            found.append(f"{where}: an array without items")
        if "enum" in node and not all(isinstance(word, str) and word for word in node["enum"]):
            found.append(f"{where}: an enum of other things than texts")
        found += [
            f"{where}: required {name} is not there"
            for name in node.get("required", ())
            if name not in node["properties"]
        ]
    return found


def test_the_check_finds_what_apis_refuse():
    assert faults({"type": "object", "properties": {}, "additionalProperties": False})
    assert faults({"type": "object", "properties": {"a": {"anyOf": [{"type": "string"}]}}})
    assert faults({"type": "object", "properties": {"a": {"type": ["string", "null"]}}})
    assert faults({"type": "object", "properties": {"a": {"type": "array"}}})
    assert not faults({"type": "object", "properties": {"a": {"type": "string"}}})


@pytest.mark.parametrize("name", TOOLS)
def test_one_schema_suits_every_api_that_is_not_strict(name):
    for schema in (TOOLS[name].schema, TOOLS[name].model_schema):
        assert faults(schema) == []
    assert re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", name)
    assert len(TOOLS[name].description) <= 1_024


@pytest.mark.anyio
async def test_the_server_lists_the_same_schemas(serve):
    async with connected(serve()) as c:
        for tool in (await c.client.list_tools()).tools:
            assert tool.input_schema == TOOLS[tool.name].model_schema


def test_responses_is_told_that_the_definitions_are_not_strict():
    """Left out, it means strict there: every optional argument would have to be sent."""
    assert [t["strict"] for t in agent.to_openai(ANY, api="responses")] == [False] * len(TOOLS)
    assert all("strict" not in t["function"] for t in agent.to_openai(ANY))


@pytest.mark.parametrize("api", ["chat", "responses"])
def test_strict_definitions_are_closed_and_require_everything(api):
    for tool in agent.to_openai(ANY, api=api, strict=True):
        function = tool if api == "responses" else tool["function"]
        assert function["strict"] is True
        schema = function["parameters"]
        assert schema["required"] == list(schema["properties"])
        assert schema["additionalProperties"] is False
        needed = TOOLS[function["name"]].model_schema.get("required", [])
        for name, field in schema["properties"].items():
            assert "default" not in field
            optional = isinstance(field["type"], list)
            assert optional == (name not in needed), name
            assert (None in field.get("enum", [])) == (optional and "enum" in field)
            assert "object" not in json.dumps(field["type"]), "free names cannot be closed"


def test_a_strict_model_that_leaves_everything_out_sends_nothing():
    for tool in agent.to_openai(ANY, strict=True):
        function = tool["function"]
        properties = function["parameters"]["properties"]
        given = {
            name: None if isinstance(field["type"], list) else "x"
            for name, field in properties.items()
        }
        read = as_declared(TOOLS[function["name"]].arguments, given)
        assert set(read) == set(TOOLS[function["name"]].model_schema.get("required", []))


def test_gemini_gets_free_names_as_json_text():
    (tool,) = agent.to_gemini(ANY)
    declared = {d["name"]: d["parameters"] for d in tool["function_declarations"]}
    assert list(declared) == list(TOOLS)
    for schema in declared.values():
        assert faults(schema) == []
    rows = declared["load_orders"]["properties"]["rows"]
    columns = declared["batch_preview"]["properties"]["columns"]
    assert (rows["type"], columns["type"]) == ("string", "string")
    assert "JSON text: array of objects" in rows["description"]


def test_an_unknown_api_is_refused():
    with pytest.raises(agent.in_process.InputError, match="Unknown OpenAI API 'assistants'"):
        agent.to_openai(ANY, api="assistants")
