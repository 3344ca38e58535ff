"""What machines read of rows, previews and jobs: values that JSON can hold, amounts as text."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from shipkit.models import Money

if TYPE_CHECKING:
    from shipkit.plan.summary import AccountTotal, Summary
    from shipkit.purchasing.result import BatchResult

__all__ = [
    "JSON_RESULT",
    "JSON_ROW",
    "account_facts",
    "cells",
    "json_value",
    "result_facts",
    "summary_facts",
]

JSON_ROW = (
    "row_number",
    "order_id",
    "recipient",
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
    "cost_cents",
    "currency",
    "cost_basis",
    "ship_date",
    "transit_days",
    "delivery_date",
    "warnings",
    "problem",
)
"""Preview columns of a ``row`` event."""

JSON_RESULT = (
    "row_number",
    "order_id",
    "state",
    "tracking_number",
    "tracking_numbers",
    "service",
    "carrier",
    "seller",
    "quoted_cents",
    "charged_cents",
    "charge_basis",
    "currency",
    "shipkit_reference",
    "attempts",
    "shipped_at",
    "voided_at",
    "error_code",
    "error_message",
    "fix",
    "refund",
)
"""Result columns of a ``result`` event."""


def summary_facts(summary: Summary) -> dict[str, Any]:
    """Return the summary of a preview; amounts are decimal text."""
    return {
        "preview_id": summary.preview_id,
        "shipments": summary.shipments,
        "problems": summary.problems,
        "warnings": summary.warnings,
        "not_understood": list(summary.not_understood),
        "filter_notes": list(summary.filter_notes),
        **_amounts(summary.totals),
        "by_service": [
            {
                "service": s.service,
                "carrier": s.carrier,
                "seller": s.account,
                "shipments": s.shipments,
                "total": f"{s.total.amount}",
                "currency": s.total.currency,
            }
            for s in summary.by_service
        ],
        "by_account": account_facts(summary.by_account),
        "not_compared": dict(summary.not_compared),
        "billed_to_others": {c: f"{m.amount}" for c, m in summary.others.totals.items()},
        "carrier": summary.carrier,
        "live": summary.live,
        "mode": summary.mode,
        "approved": summary.approved,
        "expires_at": summary.expires_at.isoformat(timespec="seconds"),
    }


def account_facts(totals: Iterable[AccountTotal]) -> list[dict[str, Any]]:
    """Return what each account would be paid; amounts are decimal text."""
    return [
        {
            "seller": paid.account,
            "account": paid.identity,
            "shipments": paid.shipments,
            "total": f"{paid.total.amount}",
            "currency": paid.total.currency,
        }
        for paid in totals
    ]


def result_facts(result: BatchResult) -> dict[str, Any]:
    """Return the counts and totals of a job; amounts are decimal text."""
    counts = {
        name: getattr(result, name)
        for name in ("shipped", "failed", "in_doubt", "skipped", "voided", "remaining")
    }
    return {
        "status": result.status,
        **counts,
        **_amounts(result.totals),
        "refunds_asked": result.refunds.asked,
        "refunds_rejected": result.refunds.rejected,
        "live": result.live,
        "carrier": result.carrier,
        "reason": result.reason,
        "elapsed_s": round(result.elapsed_s, 3),
    }


def cells(row: Mapping[Any, Any], names: Iterable[Any]) -> dict[str, Any]:
    """Return some cells of a row of a frame as JSON values."""
    return {str(name): json_value(row[name]) for name in names}


def json_value(value: Any) -> Any:
    """Return a cell of a frame as a JSON value; missing values of any kind become null."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [json_value(v) for v in value]
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return None if math.isnan(value) else value
    text = str(value)
    return None if text in {"<NA>", "NaT"} else text


def _amounts(totals: Mapping[str, Money]) -> dict[str, Any]:
    only = next(iter(totals.values()), Money.from_cents(0)) if len(totals) < 2 else None
    return {
        "total": f"{only.amount}" if only else None,
        "currency": only.currency if only else None,
        "totals": {currency: f"{money.amount}" for currency, money in totals.items()},
    }
