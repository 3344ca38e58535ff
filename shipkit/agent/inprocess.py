"""The tools for a program that runs its own agent loop: plain async functions, dict in, dict out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shipkit.agent.arguments import Command, ListTools, parse
from shipkit.agent.batches import BatchRegistry, OperatorRules
from shipkit.agent.catalog import TOOLS, model_definition
from shipkit.agent.tool_call import Approver, Caller, call
from shipkit.agent.tool_results import Answer, Facts, as_result, failure
from shipkit.errors import InputError, ShipkitError
from shipkit.settings import Settings

if TYPE_CHECKING:
    from shipkit.session import BatchSession

__all__ = [
    "answer_model",
    "for_module",
    "get_orchestrator_tools",
    "list_tools",
    "process_command",
    "to_anthropic",
    "to_openai",
]

ToolFunction = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]


def get_orchestrator_tools(
    session: BatchSession | None = None,
    approve: Approver | None = None,
    *,
    roots: Sequence[str | Path] | None = None,
) -> list[dict[str, Any]]:
    """Return the tools, bound to one session: ``name``, ``description``, ``input_schema``, ``annotations``, ``function``.

    Parameters
    ----------
    session
        The batch to work on; None: one of its own.
    approve
        Puts a question to a person and returns True or False, plain or async. With it, nothing but
        the person's answer is a yes, and the schemas have no ``approved``. Without it the caller
        is taken to have asked: ``approved: True`` is its word, and holds for the last preview
        only. Never hand a model's arguments to a function without `approve`; see
        :func:`answer_model`.
    roots
        Folders that ``load_orders`` may read from; default: the working directory.

    Examples
    --------
    >>> tools = get_orchestrator_tools()
    >>> [tool["name"] for tool in tools][:3]
    ['load_orders', 'describe_orders', 'batch_preview']
    """
    desk = BatchRegistry(
        OperatorRules(
            roots=tuple(Path(root) for root in (roots if roots is not None else [Path.cwd()]))
        ),
        session,
    )
    caller = Caller(name="host program", host=True, approve=approve)
    return [
        {
            "name": tool.name,
            "description": tool.description,
            "input_schema": tool.schema if caller.may_approve else tool.model_schema,
            "annotations": tool.hints,
            "function": _function(desk, tool.name, caller),
        }
        for tool in TOOLS.values()
    ]


def to_anthropic(tools: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the definitions that the Anthropic Messages API takes as ``tools``; answer its calls with :func:`answer_model`."""
    return [model_definition(TOOLS[tool["name"]]) for tool in tools]


def to_openai(tools: Sequence[Mapping[str, Any]], *, api: str = "chat") -> list[dict[str, Any]]:
    """Return the definitions that OpenAI's APIs take as ``tools``: ``api="chat"`` (Chat Completions) or ``"responses"``."""
    shown = [model_definition(TOOLS[tool["name"]]) for tool in tools]
    functions = [
        {"name": d["name"], "description": d["description"], "parameters": d["input_schema"]}
        for d in shown
    ]
    if api == "responses":
        return [{"type": "function", **function} for function in functions]
    if api != "chat":
        raise InputError(f"There is no OpenAI API {api!r}.", fix="Use 'chat' or 'responses'.")
    return [{"type": "function", "function": function} for function in functions]


async def answer_model(
    tools: Sequence[Mapping[str, Any]], name: str, arguments: Mapping[str, Any] | None
) -> dict[str, Any]:
    """Return the answer to a tool call that a model wrote. What only the host may say (``approved``) is refused."""
    tool = next((tool for tool in tools if tool["name"] == name), None)
    if tool is None:
        return failure(
            InputError(
                f"There is no tool {name[:60]!r}.",
                fix=f"Tools: {', '.join(t['name'] for t in tools)}.",
            )
        )
    function = tool["function"]
    return await function.for_model(arguments or {})  # type: ignore[no-any-return]


def _function(desk: BatchRegistry, name: str, caller: Caller) -> ToolFunction:
    async def run(args: dict[str, Any] | None = None) -> dict[str, Any]:
        return await call(desk, name, args, caller)

    run.__name__ = run.__qualname__ = f"{name}_tool"
    run.__doc__ = TOOLS[name].description
    model = Caller(name=f"{caller.name}, for a model", approve=caller.approve)
    run.for_model = partial(call, desk, name, caller=model)  # type: ignore[attr-defined]
    run.desk = desk  # type: ignore[attr-defined]
    return run


# -- the module's own functions: one session of the process ----------------------------------------


def _default_desk() -> BatchRegistry:
    return _desk_of(Settings.read().home)


@cache
def _desk_of(home: Path) -> BatchRegistry:
    """Return the default desk of a home: one for the process, as long as ``SHIPKIT_HOME`` stays what it is."""
    return BatchRegistry(OperatorRules(home=home, roots=(Path.cwd(),)))


def for_module(name: str) -> ToolFunction:
    """Return tool `name` on the default session of the process."""

    async def run(args: dict[str, Any] | None = None) -> dict[str, Any]:
        return await call(_default_desk(), name, args, Caller(name="host program", host=True))

    run.__name__ = run.__qualname__ = f"{name}_tool"
    run.__doc__ = f"{TOOLS[name].description} Works on the default session of the process."
    return run


class _Said(Facts):
    command: str
    tools: list[dict[str, str]]
    columns: list[str]
    next: str


async def list_tools(args: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the tools: name and what each is for."""
    try:
        parse(ListTools, "list_tools", args)
    except ShipkitError as error:
        return failure(error)
    return as_result(_overview("", [], "load_orders"))


async def process_command(args: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return what an orchestrator needs to act on a person's command: the columns, the tools, the next step. Calls no model."""
    try:
        said = parse(Command, "process_command", args)
    except ShipkitError as error:
        return failure(error)
    batch = _default_desk().at_hand
    if batch is None or not batch.loaded:
        return as_result(_overview(said.command, [], "load_orders"))
    next_tool = {
        "new": "describe_orders, then batch_preview",
        "previewed": "batch_execute, once the person saw the total",
    }.get(batch.session.status, "get_job_status")
    return as_result(_overview(said.command, batch.session.columns, next_tool))


def _overview(command: str, columns: list[str], next_tool: str) -> Answer:
    tools = [{"name": tool.name, "description": tool.description} for tool in TOOLS.values()]
    lines = [f"- {tool['name']}: {tool['description']}" for tool in tools]
    return Answer(
        _Said(command=command, tools=tools, columns=columns, next=next_tool),
        "\n".join(["Tools:", *lines, f"Next: {next_tool}."]),
        data={"columns": [", ".join(columns)] if columns else []},
    )
