"""The table of tools: what a model is shown, what it costs, what importing costs."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from jsonschema import Draft202012Validator

import shipkit.agent as agent
from shipkit.agent.tool import model_definition
from shipkit.agent.tool_arguments import parse
from shipkit.agent.tool_table import TOOLS
from shipkit.errors import InputError


def test_all_definitions_together_stay_under_5500_characters():
    tools = agent.get_orchestrator_tools()
    for definitions in (
        [model_definition(tool) for tool in TOOLS.values()],
        agent.to_anthropic(tools),
        agent.to_openai(tools),
        agent.to_openai(tools, api="responses"),
        [
            {
                name: value
                for name, value in tool.items()
                if name in {"name", "description", "input_schema"}
            }
            for tool in tools
        ],
    ):
        assert len(json.dumps(definitions)) < 5_500


def test_the_tools_are_those_of_the_plan():
    assert list(TOOLS) == [
        "load_orders",
        "describe_orders",
        "batch_preview",
        "batch_problems",
        "batch_execute",
        "batch_set_mode",
        "batch_resume",
        "get_job_status",
        "get_labels",
        "void_shipments",
    ]


def test_everything_that_is_promised_is_exported():
    assert len(agent.__all__) == len(set(agent.__all__))
    for name in agent.__all__:
        assert getattr(agent, name) is not None
    for name in (
        "batch_preview",
        "batch_execute",
        "batch_set_mode",
        "batch_resume",
        "get_job_status",
        "list_tools",
        "process_command",
    ):
        assert f"{name}_tool" in agent.__all__
        schema = getattr(agent, f"{name.upper()}_SCHEMA")
        assert schema["type"] == "object"
        Draft202012Validator.check_schema(schema)


def test_no_model_is_shown_approved_and_the_host_is():
    tools = agent.get_orchestrator_tools()
    assert "approved" in agent.BATCH_EXECUTE_SCHEMA["properties"]
    assert (
        "approved"
        in next(tool for tool in tools if tool["name"] == "batch_execute")["input_schema"][
            "properties"
        ]
    )
    for shown in (
        agent.to_anthropic(tools),
        agent.to_openai(tools),
        agent.get_orchestrator_tools(approve=lambda _: False),
    ):
        assert '"approved"' not in json.dumps(
            [{k: v for k, v in tool.items() if k != "function"} for tool in shown]
        )


def test_the_shapes_are_those_of_the_two_apis():
    tools = agent.get_orchestrator_tools()
    assert set(agent.to_anthropic(tools)[0]) == {"name", "description", "input_schema"}
    chat = agent.to_openai(tools)[0]
    assert chat["type"] == "function"
    assert set(chat["function"]) == {"name", "description", "parameters"}
    assert set(agent.to_openai(tools, api="responses")[0]) == {
        "type",
        "name",
        "description",
        "parameters",
        "strict",
    }


def test_every_schema_is_valid_and_unknown_arguments_are_refused_by_the_tool():
    for tool in TOOLS.values():
        Draft202012Validator.check_schema(tool.schema)
        Draft202012Validator.check_schema(tool.answer_schema)
        # not in the schema, which some model APIs refuse for it; see test_tool_formats.py
        with pytest.raises(InputError, match="has no argument 'dry_run'"):
            parse(tool.arguments, tool.name, {"dry_run": True})


def test_what_buys_or_voids_is_marked_and_what_reads_is_marked():
    assert {name for name, tool in TOOLS.items() if tool.hints.get("destructiveHint")} == {
        "batch_execute",
        "batch_set_mode",
        "batch_resume",
        "void_shipments",
    }
    assert {name for name, tool in TOOLS.items() if tool.read_only} == {
        "describe_orders",
        "batch_problems",
        "get_job_status",
        "get_labels",
    }


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("shipkit", "mcp pandas duckdb pyarrow pydantic shipkit.agent"),
        ("shipkit.agent", "mcp mcp_types pandas duckdb pyarrow numpy"),
        ("shipkit.session", "mcp mcp_types"),
    ],
)
def test_importing_costs_no_library_that_is_not_needed_yet(module, absent):
    code = (
        f"import sys, {module}; print([name for name in {absent.split()!r} if name in sys.modules])"
    )
    assert (
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout.strip()
        == "[]"
    )
