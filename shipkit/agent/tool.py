"""What a tool is: its declaration, and what its function is given."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from shipkit.agent.answers import Answer, Facts
from shipkit.agent.batch import Batch
from shipkit.agent.batches import BatchRegistry
from shipkit.agent.consent import Consent, PermissionRequest
from shipkit.agent.tool_arguments import ToolArguments, schema_of

if TYPE_CHECKING:
    from shipkit.session import BatchSession

__all__ = ["HOST_ONLY", "Report", "Tool", "ToolRun", "model_definition", "no_report"]

HOST_ONLY = ("approved",)
"""Arguments that a model never sees: an approval that it wrote itself is not a person's."""

Report = Callable[[float, "float | None", str], Awaitable[None]]
"""Called with the amount done, the total if it is known, and a text."""

A = TypeVar("A", bound=ToolArguments)


async def no_report(done: float, total: float | None, message: str) -> None:
    """Report progress to no one."""


@dataclass
class ToolRun(Generic[A]):
    """One run of a tool: its checked arguments, the batch it is about, and who agreed to it."""

    registry: BatchRegistry
    args: A
    found: Batch | None
    """The batch that the call is about; only ``batch_resume`` can do without one."""
    consent: Consent | None = None
    report: Report = no_report

    @property
    def batch(self) -> Batch:
        """The batch that the call is about."""
        assert self.found is not None  # noqa: S101 - `Tool.find` returned or raised
        return self.found

    @property
    def session(self) -> BatchSession:
        """The session of the batch."""
        return self.batch.session

    def terminal_command(self, words: str) -> str:
        """Return a command that a person can type for the same home."""
        return self.registry.rules.terminal_command(words)


def named_batch(registry: BatchRegistry, args: Any) -> Batch | None:
    """Return the batch that the arguments name; see :meth:`BatchRegistry.find`."""
    return registry.find(getattr(args, "job_id", ""), getattr(args, "preview_id", ""))


@dataclass(frozen=True)
class Tool:
    """A tool: what a model is shown of it, and the functions that do it.

    Parameters
    ----------
    arguments, answer
        Models of what it takes and what it returns.
    run
        Does it. A plain function runs on the thread of the batch; a coroutine function runs on
        the event loop.
    ask
        Returns what a person must be asked before `run`, or None; raises what `run` would raise
        anyway. Runs on the thread of the batch.
    find
        Returns the batch that a call is about.
    scope
        What a token must permit on a server with authorization; see
        :data:`shipkit.agent.access_tokens.SCOPES`.
    opens_batch
        The batch is a new one, which is dropped again when `run` fails.
    """

    name: str
    title: str
    description: str
    arguments: type[ToolArguments]
    answer: type[Facts]
    run: Callable[[ToolRun[Any]], Answer | Awaitable[Answer]]
    ask: Callable[[ToolRun[Any]], PermissionRequest | None] | None = None
    find: Callable[[BatchRegistry, Any], Batch | None] = named_batch
    opens_batch: bool = False
    scope: str = "read"
    read_only: bool = False
    destructive: bool = False
    idempotent: bool = False
    open_world: bool = False

    @cached_property
    def schema(self) -> dict[str, Any]:
        """JSON Schema of the arguments, for the host program."""
        return schema_of(self.arguments)

    @cached_property
    def model_schema(self) -> dict[str, Any]:
        """JSON Schema of the arguments, for a model."""
        return schema_of(self.arguments, without=HOST_ONLY)

    @cached_property
    def answer_schema(self) -> dict[str, Any]:
        """JSON Schema of the structured answer."""
        return schema_of(self.answer)

    @property
    def hints(self) -> dict[str, bool]:
        """MCP annotations."""
        hints = {"readOnlyHint": self.read_only, "openWorldHint": self.open_world}
        if not self.read_only:
            hints |= {"destructiveHint": self.destructive, "idempotentHint": self.idempotent}
        return hints


def model_definition(tool: Tool) -> dict[str, Any]:
    """Return what a model is shown of `tool`."""
    return {"name": tool.name, "description": tool.description, "input_schema": tool.model_schema}
