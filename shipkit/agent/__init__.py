"""Tools with which an agent prices, approves, buys and recovers batches.

They are thin functions over :class:`~shipkit.session.BatchSession`. In a program that runs its own
agent loop::

    tools = get_orchestrator_tools(session, approve=ask_the_person)
    definitions = to_anthropic(tools)                                # to_openai, to_gemini
    answer = await answer_model(tools, call.name, call.input)

As an MCP server: ``shipkit mcp``, or ``python -m shipkit.agent.mcp_server``.

Importing this module does not import pandas, DuckDB or MCP; the first call that needs them does.
"""

from __future__ import annotations

from shipkit.agent.in_process import (
    CommandArguments,
    ListToolsArguments,
    answer_model,
    for_module,
    get_orchestrator_tools,
)
from shipkit.agent.in_process import list_tools as list_tools_tool
from shipkit.agent.in_process import process_command as process_command_tool
from shipkit.agent.tool_arguments import schema_of
from shipkit.agent.tool_formats import to_anthropic, to_gemini, to_openai
from shipkit.agent.tool_table import TOOLS

__all__ = [
    "BATCH_EXECUTE_SCHEMA",
    "BATCH_PREVIEW_SCHEMA",
    "BATCH_PROBLEMS_SCHEMA",
    "BATCH_RESUME_SCHEMA",
    "BATCH_SET_MODE_SCHEMA",
    "DESCRIBE_ORDERS_SCHEMA",
    "GET_JOB_STATUS_SCHEMA",
    "GET_LABELS_SCHEMA",
    "LIST_TOOLS_SCHEMA",
    "LOAD_ORDERS_SCHEMA",
    "PROCESS_COMMAND_SCHEMA",
    "VOID_SHIPMENTS_SCHEMA",
    "answer_model",
    "batch_execute_tool",
    "batch_preview_tool",
    "batch_problems_tool",
    "batch_resume_tool",
    "batch_set_mode_tool",
    "describe_orders_tool",
    "get_job_status_tool",
    "get_labels_tool",
    "get_orchestrator_tools",
    "list_tools_tool",
    "load_orders_tool",
    "process_command_tool",
    "to_anthropic",
    "to_gemini",
    "to_openai",
    "void_shipments_tool",
]

load_orders_tool = for_module("load_orders")
describe_orders_tool = for_module("describe_orders")
batch_preview_tool = for_module("batch_preview")
batch_problems_tool = for_module("batch_problems")
batch_execute_tool = for_module("batch_execute")
batch_set_mode_tool = for_module("batch_set_mode")
batch_resume_tool = for_module("batch_resume")
get_job_status_tool = for_module("get_job_status")
get_labels_tool = for_module("get_labels")
void_shipments_tool = for_module("void_shipments")

LOAD_ORDERS_SCHEMA = TOOLS["load_orders"].schema
DESCRIBE_ORDERS_SCHEMA = TOOLS["describe_orders"].schema
BATCH_PREVIEW_SCHEMA = TOOLS["batch_preview"].schema
BATCH_PROBLEMS_SCHEMA = TOOLS["batch_problems"].schema
BATCH_EXECUTE_SCHEMA = TOOLS["batch_execute"].schema
BATCH_SET_MODE_SCHEMA = TOOLS["batch_set_mode"].schema
BATCH_RESUME_SCHEMA = TOOLS["batch_resume"].schema
GET_JOB_STATUS_SCHEMA = TOOLS["get_job_status"].schema
GET_LABELS_SCHEMA = TOOLS["get_labels"].schema
VOID_SHIPMENTS_SCHEMA = TOOLS["void_shipments"].schema
LIST_TOOLS_SCHEMA = schema_of(ListToolsArguments)
PROCESS_COMMAND_SCHEMA = schema_of(CommandArguments)
