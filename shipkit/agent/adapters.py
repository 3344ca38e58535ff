"""The tools for three agent frameworks: a few lines each, over the same table. None of the frameworks is a dependency.

The Claude Agent SDK calls the functions in this process; the OpenAI Agents SDK and LangChain drive
the MCP server over stdio. Neither of those two can ask a person through MCP: a purchase then waits
for ``shipkit approve PREVIEW`` in a terminal.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shipkit._version import __version__
from shipkit.agent.inprocess import answer_model, get_orchestrator_tools
from shipkit.agent.tool_call import Approver

if TYPE_CHECKING:
    from shipkit.session import BatchSession

__all__ = ["claude_sdk_server", "langchain_connection", "openai_agents_server", "stdio_command"]

WAIT_S = 600.0
"""How long a host waits for one call: longer than the longest `wait_s`."""


def claude_sdk_server(
    session: BatchSession | None = None,
    approve: Approver | None = None,
    *,
    roots: Sequence[str | Path] | None = None,
) -> Any:
    """Return an in-process server for ``ClaudeAgentOptions(mcp_servers={"shipkit": ...})``.

    Parameters
    ----------
    session
        The batch to work on; None: one of its own.
    approve
        Puts a question to a person. Without it nothing is bought that nobody approved elsewhere:
        the model's word is none.
    roots
        Folders that ``load_orders`` may read from.
    """
    from claude_agent_sdk import SdkMcpTool, create_sdk_mcp_server
    from mcp.types import ToolAnnotations

    tools = get_orchestrator_tools(session, approve, roots=roots)
    shown = [
        SdkMcpTool(
            tool["name"],
            tool["description"],
            _without_approved(tool["input_schema"]),
            partial(answer_model, tools, tool["name"]),
            ToolAnnotations(**tool["annotations"]),
        )
        for tool in tools
    ]
    return create_sdk_mcp_server("shipkit", __version__, shown)


def openai_agents_server(
    *options: str, env: Mapping[str, str] | None = None, command: Sequence[str] | None = None
) -> Any:
    """Return an ``MCPServerStdio`` for ``Agent(mcp_servers=[...])``; arguments as of :func:`stdio_command`.

    The SDK's own time-out of five seconds would cancel a purchase, which pauses the job; here it
    waits as long as the tools may.
    """
    from agents.mcp import MCPServerStdio

    return MCPServerStdio(
        params=stdio_command(*options, env=env, command=command),
        name="shipkit",
        cache_tools_list=True,
        client_session_timeout_seconds=WAIT_S,
    )


def langchain_connection(
    *options: str, env: Mapping[str, str] | None = None, command: Sequence[str] | None = None
) -> dict[str, Any]:
    """Return a connection for ``MultiServerMCPClient({"shipkit": ...})``; arguments as of :func:`stdio_command`.

    langchain-mcp-adapters 0.3 wants ``mcp`` below 2 and the server above it: install shipkit
    apart, and name it in `command`.
    """
    return {"transport": "stdio", **stdio_command(*options, env=env, command=command)}


def stdio_command(
    *options: str, env: Mapping[str, str] | None = None, command: Sequence[str] | None = None
) -> dict[str, Any]:
    """Return how a host starts the server: ``command``, ``args`` and, where given, ``env``.

    Parameters
    ----------
    *options
        As for ``shipkit mcp``: ``"--root", "/srv/orders"``.
    env
        Hosts hand on few variables of their own: name here what shipkit needs (``SHIPKIT_HOME``,
        ``SHIPKIT_UPS_...``).
    command
        What starts the server; default this Python. ``["shipkit", "mcp"]`` where shipkit is
        installed apart.
    """
    program, *rest = command or (sys.executable, "-m", "shipkit.agent.mcp_server")
    started: dict[str, Any] = {"command": program, "args": [*rest, *options]}
    return {**started, "env": dict(env)} if env is not None else started


def _without_approved(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **schema,
        "properties": {
            name: field for name, field in schema["properties"].items() if name != "approved"
        },
    }
