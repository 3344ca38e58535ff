"""The tools for three agent frameworks, which are no dependencies.

The Claude Agent SDK calls the functions in this process. The OpenAI Agents SDK and LangChain use
the MCP server over stdio and cannot ask a person through MCP, so a purchase waits for
``shipkit approve PREVIEW`` in a terminal.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shipkit._version import __version__
from shipkit.agent.in_process import answer_model, get_orchestrator_tools
from shipkit.agent.tool_call import Approver

if TYPE_CHECKING:
    from shipkit.session import BatchSession

__all__ = ["claude_sdk_server", "langchain_connection", "openai_agents_server", "stdio_command"]

WAIT_S = 600.0
"""How long a host waits for one call: as long as the longest `wait_s`."""


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
        The session to work on. Default: a new one.
    approve
        Asks a person a question. Without it, only previews that are approved elsewhere are bought:
        the word of the model does not count.
    roots
        Folders that ``load_orders`` may read. Default: the working directory.
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
    """Return an ``MCPServerStdio`` for ``Agent(mcp_servers=[...])``.

    The arguments are those of :func:`stdio_command`. The default time-out of the SDK, five seconds,
    would cancel a purchase and so pause the job; this server waits as long as the tools may.
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
    """Return a connection for ``MultiServerMCPClient({"shipkit": ...})``.

    The arguments are those of :func:`stdio_command`. langchain-mcp-adapters 0.3 requires ``mcp``
    below 2, the server requires 2 or later: install shipkit in an environment of its own, and pass
    its command as `command`.
    """
    return {"transport": "stdio", **stdio_command(*options, env=env, command=command)}


def stdio_command(
    *options: str, env: Mapping[str, str] | None = None, command: Sequence[str] | None = None
) -> dict[str, Any]:
    """Return how a host starts the server: ``command``, ``args`` and, if given, ``env``.

    Parameters
    ----------
    *options
        Options of ``shipkit mcp``, such as ``"--root", "/srv/orders"``.
    env
        Environment variables for the server. Hosts pass on few of their own, so include what
        shipkit needs (``SHIPKIT_HOME``, ``SHIPKIT_UPS_...``).
    command
        The command that starts the server. Default: this Python. Use ``["shipkit", "mcp"]`` when
        shipkit is installed elsewhere.
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
