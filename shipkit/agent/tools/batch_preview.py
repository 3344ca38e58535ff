"""``batch_preview``: price every order of a batch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, field_validator

from shipkit.agent.answers import NOTICE, Answer, Facts, ResourceLink, json_rows, unread_data
from shipkit.agent.batch import Batch
from shipkit.agent.consent import PermissionRequest, shortened
from shipkit.agent.tool import Tool, ToolRun
from shipkit.agent.tool_arguments import (
    LONGEST_CLAUSE,
    LONGEST_TEMPLATE,
    JobArguments,
    free_names,
)
from shipkit.common.words import counted, total_text
from shipkit.errors import InputError
from shipkit.models import Address, Money

if TYPE_CHECKING:
    import pandas as pd

    from shipkit.plan.summary import Summary

__all__ = ["TOOL"]

_SAMPLE_COLUMNS = (
    "row_number",
    "order_id",
    "city",
    "state",
    "postal_code",
    "country",
    "service",
    "carrier",
    "seller",
    "parcels",
    "billable_weight_lb",
    "zone",
    "cost",
    "currency",
    "warnings",
    "problem",
)
"""Columns of a sample row: enough to judge a price, without names or streets."""

_WORST_LISTED = 10

_LINES = ("order_key", "each_row", "repeated_rows", "returns")
"""Arguments that say which rows are one order, and what each order becomes."""

_ALL = "all"
"""The filter that keeps every order. `ALL` alone is no SQL expression."""
_NONE = "none"
"""The template that forgets the mapping of earlier calls; no return labels."""

_MAPPED_FIELDS = ("order_id", "name", "postal_code", "weight_lb", "service")
"""The fields that a model is shown; `columns` takes all of them."""


class PreviewArguments(JobArguments):
    """What to price. An argument that is omitted, or empty text, keeps its last value."""

    filter_clause: str = Field(
        "",
        max_length=LONGEST_CLAUSE,
        description="SQL expression over the columns, e.g. state = 'CA' AND weight_lb < 20. "
        "Omitted: unchanged; 'all': every order",
    )
    mapping_template: str = Field(
        "",
        max_length=LONGEST_TEMPLATE,
        description="Jinja2 text, from describe_orders. Omitted: unchanged; 'none': start over",
    )
    columns: dict[str, str] = Field(
        {},
        max_length=60,
        description="Field -> heading",
        json_schema_extra={"properties": free_names(*_MAPPED_FIELDS)},
    )
    ignore: list[str] = Field(
        [],
        max_length=200,
        description="Headings to set aside",
    )
    order_key: str = Field("", max_length=200, description="Heading of the order number")
    each_row: bool = Field(default=False, description="Each row is an order")
    repeated_rows: Literal["hold", "keep", "drop"] = Field(
        "hold", description="Rows that are all equal"
    )
    returns: Literal["none", "with_each"] = Field("none", description="Return labels")
    shipper_info: str | dict[str, Any] = Field(
        "", description="Name of a shipper. An address, as JSON, needs a person's approval"
    )
    sample: int = Field(3, ge=0, le=20, description="Example rows to return")

    @field_validator("mapping_template")
    @classmethod
    def _is_text(cls, template: str) -> str:
        if "{" not in template and not _is_word(template, _NONE):
            raise ValueError("this is not a template; pass the text of a template, not a path")
        return template


class PreviewFacts(Facts):
    """A priced batch. Amounts are decimal text; `total` is null with several currencies."""

    preview_id: str
    job_id: str
    shipments: int
    problems: int
    warnings: int
    total: str | None
    currency: str | None
    totals: dict[str, str]
    by_service: list[dict[str, Any]]
    by_account: list[dict[str, Any]]
    not_compared: dict[str, int]
    billed_to_others: dict[str, str]
    mode: str
    live: bool
    carrier: str
    approved: bool
    expires_at: str
    not_understood: list[str]
    worst_problems: list[dict[str, Any]]
    sample: list[dict[str, Any]]
    uris: list[str]
    notice: str = NOTICE


def batch_preview(run: ToolRun[PreviewArguments]) -> Answer:
    """Price every order of the batch."""
    registry, batch, session, args = run.registry, run.batch, run.session, run.args
    if session.shipper is None and not args.shipper_info:
        names = ", ".join(registry.rules.shipper_names(registry.settings))
        raise InputError(
            "No shipper is set.",
            fix=f"Pass shipper_info: {names or 'an address, or ask the operator for --shipper'}.",
        )
    if args.shipper_info:
        session.ship_from(registry.rules.shipper(args.shipper_info, registry.settings)[0])
    if "filter_clause" in args.model_fields_set:
        session.where(*([] if _is_word(args.filter_clause, _ALL) else [args.filter_clause]))
    _map(batch, args)
    batch.frame = batch.wait_for(session.apreview)
    return _answer(run, batch)


def _map(batch: Batch, args: PreviewArguments) -> None:
    """Map the orders as the arguments say; what is omitted keeps its last value."""
    given = args.model_fields_set
    if not given & {"mapping_template", "columns", "ignore", *_LINES}:
        return
    template, columns, ignore = batch.template, batch.columns, batch.ignore
    lines = batch.lines
    if "mapping_template" in given:
        template = args.mapping_template
        if _is_word(template, _NONE):
            template, columns, ignore, lines = None, {}, [], {}
    if "columns" in given:
        columns = args.columns
    if "ignore" in given:
        ignore = args.ignore
    lines = lines | {name: getattr(args, name) for name in _LINES if name in given}
    key = lines.get("order_key")
    batch.session.map(
        template,
        columns={**columns, **({"order_id": key} if key else {})},
        ignore=ignore,
        **{name: value for name, value in lines.items() if name not in ("order_key", "returns")},
        returns=None if lines.get("returns") == _NONE else lines.get("returns"),
    )
    batch.template, batch.columns, batch.ignore, batch.lines = template, columns, ignore, lines


def _is_word(text: str, word: str) -> bool:
    return text.strip().lower() == word


def ask_about_shipper(run: ToolRun[PreviewArguments]) -> PermissionRequest | None:
    """Ask a person before another address becomes the sender, who may be charged for returns."""
    info, registry = run.args.shipper_info, run.registry
    if not isinstance(info, dict):
        return None
    address, allowed = registry.rules.shipper(info, registry.settings)
    if allowed:
        return None
    question = "Ship from an address that the operator did not allow, and print it as the sender"
    return PermissionRequest(
        f"{question}: {_one_line(address)}?",
        "Another shipper needs a person's approval. Use the name of an allowed shipper instead. "
        "Nothing was bought.",
        host_may_answer=True,
        logged=f"{question}?",
    )


# -- the answer ------------------------------------------------------------------------------------


def _answer(run: ToolRun[PreviewArguments], batch: Batch) -> Answer:
    session = batch.session
    summary = session.summary
    worst = _worst(session.problems)
    rows = _sample(batch.frame, run.args.sample)
    # What follows "n of m orders" explains an empty result in values from the order file.
    kept, _, explanation = session.selection.partition(" orders")
    uri = f"shipkit://previews/{summary.preview_id}/preview.csv"
    facts = PreviewFacts(
        preview_id=summary.preview_id,
        job_id=batch.id,
        shipments=summary.shipments,
        problems=summary.problems,
        warnings=summary.warnings,
        total=_amount(summary.total),
        currency=summary.currency,
        totals={c: _amount(m) or "" for c, m in summary.totals.items()},
        by_service=_by_service(summary),
        by_account=_by_account(summary),
        not_compared=dict(summary.not_compared),
        billed_to_others={c: _amount(m) or "" for c, m in summary.others.totals.items()},
        mode=summary.mode,
        live=summary.live,
        carrier=summary.carrier,
        approved=summary.approved,
        expires_at=summary.expires_at.isoformat(timespec="minutes"),
        not_understood=list(summary.not_understood),
        worst_problems=worst,
        sample=rows,
        uris=[uri],
    )
    return Answer(
        facts,
        f"{_summary_text(summary, kept)}\n{_next_step(run, facts)}",
        data={
            "filter": explanation,
            "worst problems": worst,
            "sample": rows,
            **unread_data(summary.not_understood),
        },
        links=(ResourceLink(uri, "preview.csv", "text/csv"),),
    )


def _summary_text(summary: Summary, kept: str) -> str:
    money = "" if summary.live else " (no money is spent)"
    head = (
        f"Preview {summary.preview_id}: {counted(summary.shipments, 'shipment')}, total "
        f"{total_text(summary.totals)}, on {summary.carrier}{money}{summary.others.note}; "
        f"{kept} orders."
    )
    lines = [head]
    several = len({paid.account for paid in summary.by_account}) > 1
    accounts = "; ".join(
        f"{paid.identity} {paid.shipments:,} for {paid.total}" for paid in summary.by_account
    )
    if several:
        lines.append(f"By account: {accounts}.")
    services = "; ".join(
        f"{f'{line.account}: ' if several else ''}{line.service} {line.shipments:,} for "
        f"{line.total}"
        for line in summary.by_service
    )
    if services:
        lines.append(f"By service: {services}.")
    for name, count in summary.not_compared.items():
        lines.append(
            f"{name} did not answer for {counted(count, 'row')}: a service was chosen without it. "
            "Preview again to compare it."
        )
    if summary.problems or summary.warnings:
        lines.append(
            f"Rows that cannot ship, not in the total: {summary.problems:,}; with warnings: "
            f"{summary.warnings:,} (see batch_problems). Where a fix says map(...), pass columns, "
            "ignore, each_row or repeated_rows here; for others, change mapping_template."
        )
    return "\n".join(lines)


def _next_step(run: ToolRun[PreviewArguments], facts: PreviewFacts) -> str:
    execute = f"batch_execute with preview_id={facts.preview_id}"
    if not facts.shipments:
        return (
            "Nothing can be bought yet: correct the problems (filter_clause, columns, ignore, "
            "mapping_template) "
            "and preview again."
        )
    if facts.mode == "auto":
        return f"Mode auto: {execute} buys within the operator's limits."
    if facts.approved:
        return f"Approved by a person: {execute} buys exactly this."
    approve = run.terminal_command(f"approve {facts.preview_id}")
    return (
        f"Mode confirm: show the person this total. {execute} asks them, or they approve it in a "
        f"terminal: {approve}"
    )


def _by_service(summary: Summary) -> list[dict[str, Any]]:
    return [
        {
            "service": line.service,
            "carrier": line.carrier,
            "seller": line.account,
            "shipments": line.shipments,
            "total": _amount(line.total),
            "currency": line.total.currency,
        }
        for line in summary.by_service
    ]


def _by_account(summary: Summary) -> list[dict[str, Any]]:
    return [
        {
            "seller": paid.account,
            "account": paid.identity,
            "shipments": paid.shipments,
            "total": _amount(paid.total),
            "currency": paid.total.currency,
        }
        for paid in summary.by_account
    ]


def _sample(frame: pd.DataFrame, count: int) -> list[dict[str, Any]]:
    some = frame.head(count)
    names = [name for name in _SAMPLE_COLUMNS if name in some.columns]
    rows = json_rows(some[names].to_dict("records"))
    for row, cents, currency in zip(rows, some["cost_cents"], some["currency"], strict=True):
        # `cost` is a float for plots; a model gets exact text
        priced = row["cost"] is not None and str(cents) != "<NA>"
        row["cost"] = f"{Money.from_cents(int(cents), currency).amount}" if priced else None
    return [{name: value for name, value in row.items() if value not in (None, "")} for row in rows]


def _worst(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the kinds of problem that affect most rows, errors first, with one row as example."""
    kinds: dict[tuple[Any, ...], dict[Any, Any]] = {}
    for row in frame.to_dict("records"):
        kind = kinds.setdefault((row["severity"], row["code"], row["field"]), {**row, "rows": 0})
        kind["rows"] += 1
    ordered = sorted(kinds.values(), key=lambda kind: (kind["severity"] != "error", -kind["rows"]))
    names = ("severity", "rows", "field", "problem", "fix", "row_number", "value")
    return json_rows([{name: kind[name] for name in names} for kind in ordered[:_WORST_LISTED]])


def _amount(money: Money | None) -> str | None:
    return None if money is None else f"{money.amount}"


def _one_line(address: Address) -> str:
    parts = (
        address.company,
        address.name,
        *address.lines,
        address.city,
        address.state,
        address.postal_code,
        address.country,
    )
    return shortened(", ".join(part for part in parts if part))


TOOL = Tool(
    "batch_preview",
    "Price a batch",
    "Price every order: totals, problems, preview_id. Buys nothing. Show the total to the person "
    "before batch_execute.",
    PreviewArguments,
    PreviewFacts,
    run=batch_preview,
    ask=ask_about_shipper,
    idempotent=True,
    open_world=True,
    scope="price",
)
