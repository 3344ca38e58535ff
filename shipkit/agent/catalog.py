"""The one table of tools. In-process functions, the MCP server and every adapter are derived from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any

from shipkit.agent import arguments, tool_results

__all__ = ["HOST_ONLY", "TOOLS", "Tool", "model_definition"]

HOST_ONLY = ("approved",)
"""Arguments that a model never sees: a yes it wrote itself is not a person's."""


@dataclass(frozen=True)
class Tool:
    """A tool as declared: everything but what it does, which :mod:`shipkit.agent.tools` holds under the same name."""

    name: str
    title: str
    description: str
    arguments: type[arguments.Arguments]
    answer: type[tool_results.Facts]
    read_only: bool = False
    destructive: bool = False
    idempotent: bool = False
    open_world: bool = False
    may_ask: bool = False
    """Whether a person may have to say yes first."""

    @cached_property
    def schema(self) -> dict[str, Any]:
        """JSON Schema of the arguments, for the host program."""
        return arguments.schema_of(self.arguments)

    @cached_property
    def model_schema(self) -> dict[str, Any]:
        """JSON Schema of the arguments, for a model."""
        return arguments.schema_of(self.arguments, without=HOST_ONLY)

    @cached_property
    def answer_schema(self) -> dict[str, Any]:
        """JSON Schema of the structured answer."""
        return arguments.schema_of(self.answer)

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


_ROWS = (
    Tool(
        "load_orders",
        "Load orders",
        "Load orders from a file or inline; answers job_id. Then describe_orders or batch_preview.",
        arguments.LoadOrders,
        tool_results.BatchFacts,
        idempotent=False,
    ),
    Tool(
        "describe_orders",
        "Describe columns",
        "Columns with types and examples, and the mapping template in use. Read before writing a "
        "filter or template.",
        arguments.DescribeOrders,
        tool_results.ColumnFacts,
        read_only=True,
    ),
    Tool(
        "batch_preview",
        "Price a batch",
        "Price every order: totals, problems, preview_id. Buys nothing. Show the total to the "
        "person before batch_execute.",
        arguments.Preview,
        tool_results.PreviewFacts,
        idempotent=True,
        open_world=True,
        may_ask=True,
    ),
    Tool(
        "batch_problems",
        "List problems",
        "Orders that cannot ship or need a look, with the fix for each.",
        arguments.Problems,
        tool_results.ProblemFacts,
        read_only=True,
    ),
    Tool(
        "batch_execute",
        "Buy labels",
        "Buy the labels of a preview. SPENDS MONEY. In confirm mode a person approves first. "
        "Repeating it never buys twice.",
        arguments.Execute,
        tool_results.JobFacts,
        destructive=True,
        idempotent=True,
        open_world=True,
        may_ask=True,
    ),
    Tool(
        "batch_set_mode",
        "Set the mode",
        "confirm: a person approves each purchase. auto: buys within the operator's limits; "
        "switching to it needs a person.",
        arguments.SetMode,
        tool_results.ModeFacts,
        destructive=True,
        idempotent=True,
        may_ask=True,
    ),
    Tool(
        "batch_resume",
        "Resume a job",
        "Tell what was interrupted; with a choice, act. restart buys everything AGAIN.",
        arguments.Resume,
        tool_results.ResumeFacts,
        destructive=True,
        idempotent=True,
        open_world=True,
        may_ask=True,
    ),
    Tool(
        "get_job_status",
        "Job status",
        "How a job stands; wait_s waits for its end.",
        arguments.JobStatus,
        tool_results.JobFacts,
        read_only=True,
    ),
    Tool(
        "get_labels",
        "Get labels",
        "Links to the labels and the tracking numbers of a job.",
        arguments.GetLabels,
        tool_results.JobFacts,
        read_only=True,
    ),
    Tool(
        "void_shipments",
        "Void shipments",
        "Give bought labels back to the carrier. Needs a person.",
        arguments.Void,
        tool_results.VoidFacts,
        destructive=True,
        idempotent=True,
        open_world=True,
        may_ask=True,
    ),
)

TOOLS: Mapping[str, Tool] = MappingProxyType({tool.name: tool for tool in _ROWS})
"""Name -> tool, in the order in which they are used."""
