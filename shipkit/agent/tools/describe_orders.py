"""``describe_orders``: the columns of a batch and the template that maps them."""

from __future__ import annotations

from typing import Any

from shipkit.agent.answers import NOTICE, Answer, Facts, json_rows, unread_data
from shipkit.agent.batch import Batch
from shipkit.agent.tool import Tool, ToolRun
from shipkit.agent.tool_arguments import PageArguments
from shipkit.common.words import counted
from shipkit.errors import ShipkitError

__all__ = ["TOOL"]


class DescribeOrdersArguments(PageArguments):
    """Which columns to describe."""


class ColumnFacts(Facts):
    """Columns of a batch."""

    job_id: str
    orders: int
    total: int
    columns: list[dict[str, Any]]
    not_understood: list[str]
    lines: str
    template: str | None = None
    notice: str = NOTICE


def describe_orders(run: ToolRun[DescribeOrdersArguments]) -> Answer:
    """Describe the columns of the batch, and the template that maps them."""
    args, batch = run.args, run.batch
    frame = run.session.describe()
    page = [
        _column(line)
        for line in json_rows(frame.iloc[args.offset : args.offset + args.limit].to_dict("records"))
    ]
    template, note = _template(batch)
    facts = ColumnFacts(
        job_id=batch.id,
        orders=run.session.order_count,
        total=len(frame),
        columns=page,
        not_understood=run.session.not_understood,
        lines=str(run.session.load_report.lines),
        template=template,
    )
    part = "" if len(page) == len(frame) else f" (showing {len(page)} from {args.offset})"
    return Answer(
        facts,
        f"{batch.id}: {counted(facts.orders, 'order')}, {counted(len(frame), 'column')}{part}. "
        f"{facts.lines}. "
        f"A filter is a SQL expression over these names. {note}",
        data={
            "columns": page,
            "template": template or "",
            **unread_data(facts.not_understood),
        },
    )


def _template(batch: Batch) -> tuple[str | None, str]:
    """Return the template in use, and a sentence about it."""
    try:
        return (
            batch.session.template,
            "The current template is below: edit it and pass it as mapping_template.",
        )
    except ShipkitError as error:
        if batch.session.shipper is None:
            return None, "There is no template yet: call batch_preview with shipper_info first."
        return None, f"There is no template yet: {error}"


def _column(line: dict[str, Any]) -> dict[str, Any]:
    """Return what a model needs to know about a column.

    ``name`` is what filters and templates use, ``heading`` the text in the file if it differs.
    """
    shown = {
        "name": line.pop("key", line["name"]),
        "heading": line["name"],
        **{name: line[name] for name in ("type", "non_null", "distinct", "examples")},
        "read_as": line.get("role"),
        "unit": line.get("unit"),
        "use": line.get("use"),
    }
    return {
        name: value
        for name, value in shown.items()
        if value is not None and not (name == "heading" and value == shown["name"])
    }


TOOL = Tool(
    "describe_orders",
    "Describe columns",
    "List columns with types and examples, and the current mapping template. Read it before "
    "writing a filter or template.",
    DescribeOrdersArguments,
    ColumnFacts,
    run=describe_orders,
    read_only=True,
)
