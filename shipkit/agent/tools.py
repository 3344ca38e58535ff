"""What each tool does: a few lines over :class:`~shipkit.session.BatchSession`, run on the batch's own thread.

Reading and pricing are here; what spends money or needs a person is in
:mod:`shipkit.agent.purchases`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shipkit.agent import arguments as given
from shipkit.agent.batches import Batch, BatchRegistry
from shipkit.agent.tool_results import (
    Answer,
    BatchFacts,
    ColumnFacts,
    Link,
    PreviewFacts,
    ProblemFacts,
    plain,
)
from shipkit.common.words import total_text
from shipkit.errors import InputError, ShipkitError
from shipkit.models import Money

if TYPE_CHECKING:
    import pandas as pd

    from shipkit.plan.summary import Summary

__all__ = ["describe_orders", "load_orders", "preview", "problems", "shown"]

_SAMPLE = (
    "row_number",
    "order_id",
    "city",
    "state",
    "postal_code",
    "country",
    "service",
    "parcels",
    "billable_weight_lb",
    "zone",
    "cost",
    "currency",
    "warnings",
    "problem",
)
"""What a sample row shows: enough to judge a price, and nobody's name or street."""

_WORST = 10


def load_orders(desk: BatchRegistry, batch: Batch, args: given.LoadOrders) -> Answer:
    """Load a file or rows into `batch`."""
    if bool(args.path) == bool(args.rows):
        raise InputError(
            "load_orders takes a path or rows, one of them.", fix="Pass the one you have."
        )
    source: Any = desk.readable(args.path) if args.path else args.rows
    session = batch.session.load(source)
    batch.loaded, batch.template, batch.frame = True, None, None
    count, columns = session.order_count, [name[:60] for name in session.columns]
    facts = BatchFacts(job_id=batch.id, orders=count, columns=columns)
    return Answer(
        facts,
        f"{count:,} order{'s' if count != 1 else ''} loaded as {batch.id}. Next: describe_orders "
        "to see columns and template, or batch_preview to price.",
        data={"columns": [", ".join(columns)]},
    )


def describe_orders(batch: Batch, args: given.DescribeOrders) -> Answer:
    """Describe the columns of `batch`, and the template that maps them."""
    session = batch.session
    frame = session.describe()
    page = [
        _column(line)
        for line in plain(frame.iloc[args.offset : args.offset + args.limit].to_dict("records"))
    ]
    template, note = _template(batch)
    facts = ColumnFacts(
        job_id=batch.id,
        orders=session.order_count,
        total=len(frame),
        columns=page,
        template=template,
    )
    shown_of = "" if len(page) == len(frame) else f" (showing {len(page)} from {args.offset})"
    return Answer(
        facts,
        f"{batch.id}: {facts.orders:,} orders, {len(frame)} columns{shown_of}. A filter is a SQL "
        f"expression over these names. {note}",
        data={"columns": page, "template": template or ""},
    )


def preview(desk: BatchRegistry, batch: Batch, args: given.Preview) -> Answer:
    """Price every order of `batch`."""
    session, said = batch.session, args.model_fields_set
    if session.shipper is None and not args.shipper_info:
        raise InputError(
            "Who ships? No shipper is named.",
            fix="Pass shipper_info: "
            f"{', '.join(desk.shipper_names()) or 'an address, or ask the operator for --shipper NAME=FILE'}.",
        )
    if args.shipper_info:
        session.ship_from(desk.shipper(args.shipper_info)[0])
    if "filter_clause" in said:
        session.where(*([args.filter_clause] if args.filter_clause.strip() else []))
    if "mapping_template" in said:
        batch.template = args.mapping_template if args.mapping_template.strip() else None
        session.map(batch.template)
    batch.frame = session.preview()
    return shown(desk, batch, sample=args.sample)


def shown(desk: BatchRegistry, batch: Batch, *, sample: int) -> Answer:
    """Return the answer about the last preview of `batch`."""
    session = batch.session
    summary = session.summary
    worst = _worst(session.problems)
    rows = plain(_sample(batch.frame, sample))
    kept, _, said = session.selection.partition(
        " orders"
    )  # what follows explains an empty result, in the orders' own words
    facts = PreviewFacts(
        preview_id=summary.preview_id,
        job_id=batch.id,
        shipments=summary.shipments,
        problems=summary.problems,
        warnings=summary.warnings,
        total=_amount(summary.total),
        currency=summary.currency,
        totals={c: _amount(m) or "" for c, m in summary.totals.items()},
        by_service=[
            {
                "service": line.service,
                "shipments": line.shipments,
                "total": _amount(line.total),
                "currency": line.total.currency,
            }
            for line in summary.by_service
        ],
        mode=summary.mode,
        live=summary.live,
        carrier=summary.carrier,
        approved=summary.approved,
        expires_at=summary.expires_at.isoformat(timespec="minutes"),
        worst_problems=worst,
        sample=rows,
    )
    return Answer(
        facts,
        f"{_told(summary, kept)}\n{_next(desk, facts)}",
        data={"filter": said, "worst problems": worst, "sample": rows},
        links=(
            Link(f"shipkit://previews/{summary.preview_id}/preview.csv", "preview.csv", "text/csv"),
        ),
    )


def problems(batch: Batch, args: given.Problems) -> Answer:
    """Return a page of the problems of `batch`: what the carrier refused first, then what kept rows from being sent."""
    found = _problem_rows(batch)
    page = plain(found[args.offset : args.offset + args.limit])
    more = (
        "" if args.offset + len(page) >= len(found) else f" More: offset={args.offset + len(page)}."
    )
    text = (
        f"{len(found):,} problems in {batch.name}; {len(page)} shown from {args.offset}.{more}"
        if found
        else f"No problems in {batch.name}."
    )
    return Answer(
        ProblemFacts(job_id=batch.name, total=len(found), problems=page),
        text,
        data={"problems": page},
    )


def _problem_rows(batch: Batch) -> list[dict[Any, Any]]:
    from shipkit.plan.preview import to_frame

    session = batch.session
    refused: list[dict[Any, Any]] = []
    if session.job_id is not None:
        frame = session.results()
        frame = frame[frame["state"].isin(["failed", "in_doubt", "review"])]
        refused = [
            {
                "row_number": row["row_number"],
                "field": row["state"],
                "value": row["order_id"],
                "problem": row["error_message"],
                "fix": row["fix"],
                "severity": "error",
                "code": row["error_code"],
            }
            for row in frame.to_dict("records")
        ]
    earlier = to_frame(session.store.problems) if batch.reopened else session.problems
    return refused + earlier.to_dict("records")


# -- in words --------------------------------------------------------------------------------------


def _template(batch: Batch) -> tuple[str | None, str]:
    try:
        return (
            batch.session.template,
            "The template in use is below: edit it and pass it as mapping_template.",
        )
    except ShipkitError as error:
        who = batch.session.shipper is None
        return (
            None,
            "There is no template yet: call batch_preview with shipper_info first."
            if who
            else f"There is no template yet: {error}",
        )


def _column(line: dict[str, Any]) -> dict[str, Any]:
    """Return what a model needs of a column: the name that filters and templates use, and the heading where it is another."""
    shown = {
        "name": line.pop("key", line["name"]),
        "heading": line["name"],
        **{name: line[name] for name in ("type", "non_null", "distinct", "examples")},
        "read_as": line.get("role"),
        "unit": line.get("unit"),
    }
    return {
        name: value
        for name, value in shown.items()
        if value is not None and not (name == "heading" and value == shown["name"])
    }


def _told(summary: Summary, kept: str) -> str:
    total = total_text(summary.totals)
    services = "; ".join(
        f"{line.service} {line.shipments:,} for {line.total}" for line in summary.by_service
    )
    lines = [
        (
            f"Preview {summary.preview_id}: {summary.shipments:,} shipments, total {total}, on "
            f"{summary.carrier}{'' if summary.live else ' (no money is spent)'}; {kept} orders."
        )
    ]
    if services:
        lines.append(f"By service: {services}.")
    if summary.problems or summary.warnings:
        lines.append(
            f"Rows that cannot ship and are in no total: {summary.problems:,}; with warnings: "
            f"{summary.warnings:,} (batch_problems lists them). A fix that says map(...) is made "
            "in mapping_template."
        )
    return "\n".join(lines)


def _next(desk: BatchRegistry, facts: PreviewFacts) -> str:
    if not facts.shipments:
        return (
            "Nothing can be bought as it stands: correct the problems (filter_clause, "
            "mapping_template) and preview again."
        )
    if facts.mode == "auto":
        return (
            f"Mode auto: batch_execute with preview_id={facts.preview_id} buys within the "
            "operator's limits."
        )
    if facts.approved:
        return (
            f"Approved by a person: batch_execute with preview_id={facts.preview_id} buys exactly "
            "this."
        )
    return (
        "Mode confirm: show the person this total. batch_execute with "
        f"preview_id={facts.preview_id} asks them, "
        f"or they approve in a terminal: {desk.terminal(f'approve {facts.preview_id}')}"
    )


def _amount(money: Money | None) -> str | None:
    return None if money is None else f"{money.amount}"


def _sample(frame: pd.DataFrame, count: int) -> list[dict[str, Any]]:
    some = frame.head(count)
    rows: list[dict[Any, Any]] = some[[name for name in _SAMPLE if name in some.columns]].to_dict(
        "records"
    )
    for row, cents, currency in zip(rows, some["cost_cents"], some["currency"], strict=True):
        row["cost"] = (
            None
            if row["cost"] is None or cents is None or str(cents) == "<NA>"
            else f"{Money.from_cents(int(cents), currency).amount}"
        )
    return [
        {name: value for name, value in row.items() if value not in (None, "")}
        for row in plain(rows)
    ]


def _worst(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the problems that stop or touch most rows: one line a kind, with the first row as an example."""
    kinds: dict[tuple[Any, ...], dict[Any, Any]] = {}
    for row in frame.to_dict("records"):
        kind = kinds.setdefault((row["severity"], row["code"], row["field"]), {**row, "rows": 0})
        kind["rows"] += 1
    ordered = sorted(kinds.values(), key=lambda kind: (kind["severity"] != "error", -kind["rows"]))[
        :_WORST
    ]
    names = ("severity", "rows", "field", "problem", "fix", "row_number", "value")
    return plain([{name: kind[name] for name in names} for kind in ordered])
