"""The tools for a program that runs its own agent loop: async functions, dict in, dict out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from shipkit.agent.answers import Answer, Facts, as_result, failure
from shipkit.agent.batches import BatchRegistry
from shipkit.agent.host_arguments import arguments_of
from shipkit.agent.operator_rules import OperatorRules
from shipkit.agent.tool_arguments import LONGEST_CLAUSE, ToolArguments, parse
from shipkit.agent.tool_call import Approver, Caller, call
from shipkit.agent.tool_table import TOOLS
from shipkit.errors import InputError, ShipkitError
from shipkit.settings import Settings

if TYPE_CHECKING:
    from shipkit.session import BatchSession

__all__ = [
    "CommandArguments",
    "ListToolsArguments",
    "answer_model",
    "for_module",
    "get_orchestrator_tools",
    "list_tools",
    "process_command",
]

ToolFunction = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]


def get_orchestrator_tools(
    session: BatchSession | None = None,
    approve: Approver | None = None,
    *,
    roots: Sequence[str | Path] | None = None,
) -> list[dict[str, Any]]:
    """Return the tools, bound to one session.

    Parameters
    ----------
    session
        The session to work on. Default: a new one.
    approve
        Asks a person a question and returns True or False; a plain or an async function. With it,
        only the answer of the person counts, and the schemas have no ``approved``. Without it, the
        caller is expected to have asked: ``approved: True`` is its word, and is valid for the last
        preview only. Never pass the arguments of a model to a function without `approve`; see
        :func:`answer_model`.
    roots
        Folders that ``load_orders`` may read. Default: the working directory.

    Returns
    -------
    list of dict
        ``name``, ``description``, ``input_schema``, ``annotations`` and ``function`` of each tool.

    Examples
    --------
    >>> tools = get_orchestrator_tools()
    >>> [tool["name"] for tool in tools][:3]
    ['load_orders', 'describe_orders', 'batch_preview']
    """
    folders = tuple(Path(root) for root in (roots if roots is not None else [Path.cwd()]))
    registry = BatchRegistry(OperatorRules(roots=folders), session)
    caller = Caller(name="host program", host=True, approve=approve)
    return [
        {
            "name": tool.name,
            "description": tool.description,
            "input_schema": tool.schema if caller.may_approve else tool.model_schema,
            "annotations": tool.hints,
            "function": _function(registry, tool.name, caller),
        }
        for tool in TOOLS.values()
    ]


async def answer_model(
    tools: Sequence[Mapping[str, Any]], name: str, arguments: Mapping[str, Any] | str | None
) -> dict[str, Any]:
    """Return the answer to a tool call that a model wrote.

    Arguments that only the host may send (``approved``) are refused.

    Parameters
    ----------
    arguments
        As the API sends them: an object, or its JSON text (OpenAI).
    """
    tool = next((tool for tool in tools if tool["name"] == name), None)
    if tool is None:
        names = ", ".join(t["name"] for t in tools)
        return failure(InputError(f"Unknown tool {name[:60]!r}.", fix=f"Tools: {names}."))
    function = tool["function"]
    given = arguments_of(arguments)
    if not isinstance(given, Mapping | None):
        said = f"The arguments of {name} are not a JSON object."
        return failure(InputError(said, fix='Send them like {"job_id": "..."}.'))
    return await function.for_model(given)  # type: ignore[no-any-return]  # a dict of any


def _function(registry: BatchRegistry, name: str, caller: Caller) -> ToolFunction:
    async def run(args: dict[str, Any] | None = None) -> dict[str, Any]:
        return await call(registry, name, args, caller)

    run.__name__ = run.__qualname__ = f"{name}_tool"
    run.__doc__ = TOOLS[name].description
    model = Caller(name=f"{caller.name}, for a model", approve=caller.approve)
    run.for_model = partial(call, registry, name, caller=model)  # type: ignore[attr-defined]  # read by answer_model
    run.registry = registry  # type: ignore[attr-defined]  # keeps the batches alive with the tools
    return run


# -- the module's own functions: one session for the process ---------------------------------------


def _default_registry() -> BatchRegistry:
    return _registry_of(Settings.read().home)


@cache
def _registry_of(home: Path) -> BatchRegistry:
    """Return the registry of this process for a home, always the same one."""
    return BatchRegistry(OperatorRules(home=home, roots=(Path.cwd(),)))


def for_module(name: str) -> ToolFunction:
    """Return tool `name` on the default session of the process."""

    async def run(args: dict[str, Any] | None = None) -> dict[str, Any]:
        caller = Caller(name="host program", host=True)
        return await call(_default_registry(), name, args, caller)

    run.__name__ = run.__qualname__ = f"{name}_tool"
    run.__doc__ = f"{TOOLS[name].description} Works on the default session of the process."
    return run


class ListToolsArguments(ToolArguments):
    """No arguments."""


class CommandArguments(ToolArguments):
    """What a person typed."""

    command: str = Field("", max_length=LONGEST_CLAUSE)


class OverviewFacts(Facts):
    """The tools, the columns of the orders, and the tool to call next."""

    command: str
    tools: list[dict[str, str]]
    columns: list[str]
    next: str


async def list_tools(args: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return name and purpose of each tool."""
    try:
        parse(ListToolsArguments, "list_tools", args)
    except ShipkitError as error:
        return failure(error)
    return as_result(_overview("", [], "load_orders"))


async def process_command(args: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return what an orchestrator needs to act on a person's command; calls no model.

    These are the columns of the orders, the tools, and the tool to call next.
    """
    try:
        given = parse(CommandArguments, "process_command", args)
    except ShipkitError as error:
        return failure(error)
    batch = _default_registry().current
    if batch is None or not batch.loaded:
        return as_result(_overview(given.command, [], "load_orders"))
    next_tool = {
        "new": "describe_orders, then batch_preview",
        "previewed": "batch_execute, after the person has seen the total",
    }.get(batch.session.status, "get_job_status")
    return as_result(_overview(given.command, batch.session.columns, next_tool))


def _overview(command: str, columns: list[str], next_tool: str) -> Answer:
    tools = [{"name": tool.name, "description": tool.description} for tool in TOOLS.values()]
    lines = [f"- {tool['name']}: {tool['description']}" for tool in tools]
    return Answer(
        OverviewFacts(command=command, tools=tools, columns=columns, next=next_tool),
        "\n".join(["Tools:", *lines, f"Next: {next_tool}."]),
        data={"columns": [", ".join(columns)] if columns else []},
    )
