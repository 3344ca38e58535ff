"""``batch_set_mode``: whether a person approves each purchase."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import field_validator

from shipkit.agent.answers import Answer, Facts
from shipkit.agent.consent import PermissionRequest
from shipkit.agent.tool import Tool, ToolRun
from shipkit.agent.tool_arguments import JobArguments
from shipkit.models import Money

__all__ = ["TOOL"]


class SetModeArguments(JobArguments):
    """Which mode."""

    mode: Literal["confirm", "auto"]

    @field_validator("mode", mode="before")
    @classmethod
    def _any_case(cls, mode: Any) -> Any:
        return mode.lower() if isinstance(mode, str) else mode


class ModeFacts(Facts):
    """The mode before and after."""

    job_id: str
    previous: str
    mode: str


def batch_set_mode(run: ToolRun[SetModeArguments]) -> Answer:
    """Switch the mode of the batch."""
    session = run.session
    previous = str(session.mode)
    session.set_mode(run.args.mode)
    limit = session.limits.total
    bound = f"up to {limit} {session.limits.currency}" if limit is not None else "without a limit"
    note = f" It buys without asking, {bound}." if run.args.mode == "auto" else ""
    return Answer(
        ModeFacts(job_id=run.batch.id, previous=previous, mode=str(session.mode)),
        f"Mode {previous} -> {session.mode} for {run.batch.id}.{note}",
    )


def ask_for_auto(run: ToolRun[SetModeArguments]) -> PermissionRequest | None:
    """Ask a person before the agent may buy without asking."""
    from shipkit.purchasing import approval

    session = run.session
    if (
        run.args.mode != "auto"
        or session.status == "running"
        or session.mode is approval.ExecutionMode.AUTO
        or run.registry.rules.mode == "auto"
    ):
        return None
    approval.require_limits(session.limits, live=session.live)
    limit = session.limits.total
    bound = (
        f"up to {Money.of(limit, session.limits.currency)}"
        if limit is not None
        else "without any spend limit"
    )
    identity = session.identity
    money = " with REAL MONEY" if identity.live else ""
    return PermissionRequest(
        f"Let the agent buy labels for {run.batch.id} WITHOUT asking you, {bound}, on "
        f"{identity}{money}?",
        "Switching to auto needs a person's approval, or a server that its operator started with "
        "--mode auto --max-total. The mode is still confirm. Nothing was bought.",
        host_may_answer=True,
    )


TOOL = Tool(
    "batch_set_mode",
    "Set the mode",
    "confirm: a person approves each purchase. auto: buys within the operator's limits; "
    "switching to auto needs a person.",
    SetModeArguments,
    ModeFacts,
    run=batch_set_mode,
    ask=ask_for_auto,
    destructive=True,
    idempotent=True,
    scope="propose",
)
