"""One tool call over MCP: raw arguments in, a person's answer through the client, result out."""

from __future__ import annotations

import contextvars
import inspect
from collections.abc import Mapping
from typing import Annotated, Any

from mcp.server.mcpserver import AcceptedElicitation, Context, Elicit, ElicitationResult, Resolve
from mcp.server.mcpserver.tools import Tool as WireTool
from mcp.shared.exceptions import MCPError
from mcp.types import (
    INVALID_PARAMS,
    CallToolResult,
    ContentBlock,
    ResourceLink,
    TextContent,
    ToolAnnotations,
)
from pydantic import BaseModel, Field

from shipkit.agent.access_tokens import Access
from shipkit.agent.answers import Answer, facts_of, failure_text, text_of
from shipkit.agent.batch import principal
from shipkit.agent.batches import BatchRegistry
from shipkit.agent.consent import Consent
from shipkit.agent.tool import Tool
from shipkit.agent.tool_call import Caller, ToolCall
from shipkit.agent.tool_table import TOOLS
from shipkit.common.visible_text import visible
from shipkit.errors import ShipkitError

__all__ = ["middleware", "wire_tool"]

_LONGEST_CLIENT_NAME = 80


class ApprovalForm(BaseModel):
    """What a person fills in."""

    # Without a default, so that a form that was accepted empty approves nothing.
    approve: bool = Field(description="Yes, go ahead")


class _WireCall(ToolCall):
    """A call over the wire: whether the person was really asked, and an error of the first step."""

    failure: ShipkitError | None = None
    elicited = False
    has_person = True
    """Whether a person can be at the client: the token of a program is no one's."""


_this: contextvars.ContextVar[_WireCall] = contextvars.ContextVar("shipkit_call")


def middleware(registry: BatchRegistry) -> Any:
    """Return the middleware that every request passes.

    It keeps the raw arguments of a tool call: the SDK would convert them (``"7"`` to 7) and drop
    those with an unknown name.
    """

    async def keep_arguments(ctx: Any, call_next: Any) -> Any:
        params = ctx.params or {}
        access = _access(ctx)
        if access is not None:
            principal.set(access.principal)
        if ctx.method == "prompts/get":
            return await _prompt(ctx, call_next)
        if ctx.method == "tools/call" and ctx.request_id is not None:
            tool = _named_tool(params.get("name", ""))
            caller = Caller(
                name=_client_name(ctx, access),
                trusted=registry.rules.trust_client_approval,
                report=ctx.session.report_progress,
            )
            call = _WireCall(registry, tool, params.get("arguments"), caller)
            call.has_person = access is None or access.is_person
            _this.set(call)
        return await call_next(ctx)

    return keep_arguments


def _named_tool(name: Any) -> Tool:
    tool = TOOLS.get(name) if isinstance(name, str) else None
    if tool is None:
        # The SDK answers with a result; the specification has a protocol error for it.
        known = ", ".join(TOOLS)
        raise MCPError(INVALID_PARAMS, f"Unknown tool {visible(str(name))[:60]!r}. Tools: {known}.")
    return tool


async def _prompt(ctx: Any, call_next: Any) -> Any:
    """Answer a request for a prompt; the SDK calls a wrong name or argument an internal error."""
    try:
        return await call_next(ctx)
    except ValueError as error:
        raise MCPError(INVALID_PARAMS, visible(str(error))) from None


def wire_tool(tool: Tool) -> WireTool:
    """Return `tool` as the SDK registers it, with the schemas of the table."""
    context = inspect.Parameter("ctx", inspect.Parameter.KEYWORD_ONLY, annotation=Context)
    approval = inspect.Parameter(
        "approval",
        inspect.Parameter.KEYWORD_ONLY,
        annotation=Annotated[ElicitationResult[ApprovalForm], Resolve(_ask_person)],
    )

    async def answer(*, ctx: Context, approval: Any = None) -> CallToolResult:  # noqa: ARG001 - the SDK reads the signature set below
        return await _result(approval)

    # The SDK builds the input schema from the signature: `approval` is resolved on the server and
    # never part of it, so that a model cannot send it.
    returns = Annotated[CallToolResult, tool.answer]
    parameters = [context, approval] if tool.ask is not None else [context]
    answer.__signature__ = inspect.Signature(parameters, return_annotation=returns)  # type: ignore[attr-defined]  # functions take it
    answer.__annotations__ = {**{p.name: p.annotation for p in parameters}, "return": returns}
    wire = WireTool.from_function(
        answer,
        name=tool.name,
        title=tool.title,
        description=tool.description,
        annotations=ToolAnnotations(title=tool.title, **_hints(tool.hints)),
        structured_output=True,
    )
    wire.parameters = tool.model_schema
    wire.fn_metadata.output_schema = tool.answer_schema
    return wire


async def _ask_person(ctx: Context) -> ApprovalForm | Elicit[ApprovalForm]:
    """Ask the person if the call needs it and the client can; :func:`_result` decides."""
    this = _this.get()
    try:
        request = await this.prepare()
    except ShipkitError as error:
        this.failure = error
        return ApprovalForm(approve=False)
    if (
        request is None
        or (this.caller.trusted and getattr(this.args, "approved", False))
        or this.registry.rules.approve_elsewhere
        or not this.has_person
        or not _can_ask(ctx)
    ):
        return ApprovalForm(approve=False)
    this.elicited = True
    if not ctx.input_responses:
        this.note("asks", "")
    return Elicit(request.text, ApprovalForm)


async def _result(approval: Any) -> CallToolResult:
    """Return the result of the call. `approval` is the person's answer, if one was asked."""
    this = _this.get()
    try:
        if this.failure is not None:
            raise this.failure
        if this.args is None:
            await this.prepare()
        consent: Consent | None
        if this.elicited:
            agreed = isinstance(approval, AcceptedElicitation) and approval.data.approve
            consent = this.answered_by_person(agreed=agreed)
        else:
            consent = await this.consent(this.request)
        return _wire_result(await this.run(consent), text_only=this.registry.rules.text_only)
    except ShipkitError as error:
        text = failure_text(error, money=this.money())
        return CallToolResult(content=[TextContent(type="text", text=text)], is_error=True)


def _wire_result(answer: Answer, *, text_only: bool) -> CallToolResult:
    content: list[ContentBlock] = [TextContent(type="text", text=text_of(answer))]
    content += [
        ResourceLink(type="resource_link", uri=link.uri, name=link.name, mime_type=link.mime)
        for link in ([] if text_only else answer.link_blocks)
    ]
    return CallToolResult(content=content, structured_content=facts_of(answer))


def _can_ask(ctx: Context) -> bool:
    capabilities = ctx.client_capabilities
    elicitation = capabilities.elicitation if capabilities is not None else None
    return elicitation is not None and (elicitation.form is not None or elicitation.url is None)


def _access(ctx: Any) -> Access | None:
    """Return what the token of the request says, None on a server without authorization."""
    found: Access | None = getattr(ctx.request, "scope", {}).get("shipkit.access")
    return found


def _client_name(ctx: Any, access: Access | None) -> str:
    params = ctx.session.client_params
    info = params.client_info if params is not None else None
    name = "unnamed client" if info is None else f"{info.name} {info.version}"
    who = f"{access.subject or access.client} at " if access is not None else ""
    return f"{who}{name}"[:_LONGEST_CLIENT_NAME]


def _hints(hints: Mapping[str, bool]) -> dict[str, Any]:
    names = {
        "readOnlyHint": "read_only_hint",
        "openWorldHint": "open_world_hint",
        "destructiveHint": "destructive_hint",
        "idempotentHint": "idempotent_hint",
    }
    return {names[name]: value for name, value in hints.items()}
