"""The table of tools. In-process functions, the MCP server and every adapter derive from it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from shipkit.agent.tool import Tool
from shipkit.agent.tools import (
    batch_execute,
    batch_preview,
    batch_problems,
    batch_resume,
    batch_set_mode,
    describe_orders,
    get_job_status,
    get_labels,
    load_orders,
    void_shipments,
)

__all__ = ["TOOLS"]

TOOLS: Mapping[str, Tool] = MappingProxyType(
    {
        module.TOOL.name: module.TOOL
        for module in (
            load_orders,
            describe_orders,
            batch_preview,
            batch_problems,
            batch_execute,
            batch_set_mode,
            batch_resume,
            get_job_status,
            get_labels,
            void_shipments,
        )
    }
)
"""Name to tool, in the order in which a batch needs them."""
