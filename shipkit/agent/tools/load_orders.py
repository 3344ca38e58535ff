"""``load_orders``: open a batch of orders from a file or inline rows."""

from __future__ import annotations

import json
from pathlib import PurePath
from typing import Any

from pydantic import Field, field_validator

from shipkit.agent.answers import NOTICE, Answer, Facts, unread_data
from shipkit.agent.batch import Batch
from shipkit.agent.batches import BatchRegistry
from shipkit.agent.tool import Tool, ToolRun
from shipkit.agent.tool_arguments import ToolArguments, free_names
from shipkit.common.words import counted
from shipkit.errors import InputError

__all__ = ["TOOL"]

LONGEST_ROWS = 1_000_000
"""Most characters of inline orders, about 5,000 of them. More belong in a file."""

_LONGEST_HEADING = 60

_USUAL_HEADINGS = (
    "order_id",
    "name",
    "address1",
    "city",
    "state",
    "zip",
    "weight_lb",
    "service",
)
"""Headings that a model is shown for orders of its own; any others are taken as well."""


class LoadOrdersArguments(ToolArguments):
    """Where the orders come from."""

    path: str = Field("", max_length=1_024, description="File in a folder allowed by the operator")
    rows: list[dict[str, Any]] = Field(
        [],
        max_length=5_000,
        description="Or the orders themselves",
        json_schema_extra={"items": {"type": "object", "properties": free_names(*_USUAL_HEADINGS)}},
    )
    encoding: str = Field("", max_length=40, description="Of a text file, if a problem asks")

    @field_validator("rows")
    @classmethod
    def _bounded(cls, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        if len(json.dumps(rows, default=str)) > LONGEST_ROWS:
            raise ValueError(
                f"inline orders are limited to {LONGEST_ROWS:,} characters; put them in a file "
                "and pass its path"
            )
        return rows


class BatchFacts(Facts):
    """A loaded batch."""

    job_id: str
    orders: int
    columns: list[str]
    not_understood: list[str]
    lines: str
    notice: str = NOTICE


def load_orders(run: ToolRun[LoadOrdersArguments]) -> Answer:
    """Load a file or rows into the batch."""
    args, batch = run.args, run.batch
    if bool(args.path) == bool(args.rows):
        raise InputError("load_orders takes either path or rows.", fix="Pass one of the two.")
    source: Any = run.registry.rules.readable(args.path) if args.path else args.rows
    session = run.session.load(source, **({"encoding": args.encoding} if args.encoding else {}))
    batch.loaded, batch.template, batch.lines, batch.frame = True, None, {}, None
    batch.columns, batch.ignore = {}, []
    columns = [name[:_LONGEST_HEADING] for name in session.columns]
    lines = str(session.load_report.lines)
    unread = [name[:_LONGEST_HEADING] for name in session.not_understood]
    return Answer(
        BatchFacts(
            job_id=batch.id,
            orders=session.order_count,
            columns=columns,
            not_understood=unread,
            lines=lines,
        ),
        f"{counted(session.order_count, 'order')} loaded as {batch.id} ({lines}). Next: "
        "describe_orders for columns and template, or batch_preview for prices.",
        data={"columns": [", ".join(columns)], **unread_data(unread)},
    )


def _new_batch(registry: BatchRegistry, args: LoadOrdersArguments) -> Batch:
    return registry.new(PurePath(args.path).stem or "rows")


TOOL = Tool(
    "load_orders",
    "Load orders",
    "Load orders from a file or inline; returns job_id. Next: describe_orders or batch_preview.",
    LoadOrdersArguments,
    BatchFacts,
    run=load_orders,
    find=_new_batch,
    opens_batch=True,
    scope="price",
)
