"""The HTML of the panel, made from plain values.

Everything that came from a file is escaped. A state is always written in words, never shown by
colour alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from shipkit.common.html import block, escape, grid
from shipkit.common.words import counted, total_text
from shipkit.models import Money
from shipkit.notebook.model import RUNS, JobView, Offer, Phase
from shipkit.notebook.wording import duration
from shipkit.orders.column_problems import unread_text
from shipkit.outputs.labels import LabelPicture
from shipkit.plan.preview import service_title
from shipkit.plan.summary import Summary

__all__ = [
    "alert",
    "badge",
    "head",
    "job_page",
    "label_pictures",
    "offer_page",
    "problem_page",
    "result_page",
    "status_line",
]

_SHOWN_RESULTS = 10

_PHASE_TEXT = {
    Phase.RUNNING: ("Buying labels", ""),
    Phase.PAUSING: ("Pausing: requests in progress are finished and recorded first", "warn"),
    Phase.CANCELLING: ("Cancelling: requests in progress are finished and recorded first", "warn"),
    Phase.PAUSED: ("Not finished", "warn"),
    Phase.ELSEWHERE: ("Running in another process", ""),
    Phase.DONE: ("Done: every label was bought exactly once", "good"),
    Phase.DONE_WITH_ERRORS: ("Done, but some rows did not ship", "bad"),
    Phase.CANCELLED: ("Cancelled: unsent rows will never be sent", "warn"),
}


def head(title: str, line: str) -> str:
    """Return the title of the panel and the line below it."""
    return block(
        f'<h3 class="sk-title">{escape(title)}</h3><div class="sk-soft">{escape(line)}</div>',
        name="sk-head-text",
    )


def badge(carrier: str, *, live: bool) -> str:
    """Return whose money is spent: carrier, LIVE or SANDBOX, last characters of the account."""
    words = f"{carrier.removeprefix('sandbox ')}, {'real money' if live else 'no money is spent'}"
    return block(
        f'<span class="sk-badge{" sk-live" if live else ""}">{escape(words)}</span>',
        name="sk-badge-box",
    )


def alert(message: str, fix: str | None = None) -> str:
    """Return what went wrong and how to fix it; screen readers announce it."""
    text = f"<b>{escape(message.rstrip())}</b>{f'<br>{escape(fix)}' if fix else ''}"
    return block(f'<div class="sk-alert" role="alert">{text}</div>', name="sk-alert-box")


def status_line(text: str) -> str:
    """Return a line in a muted colour; screen readers announce it."""
    if not text:
        return ""
    return block(f'<span class="sk-soft" role="status">{escape(text)}</span>', name="sk-status")


# -- the offer -------------------------------------------------------------------------------------


def offer_page(offer: Offer) -> str:
    """Return the offer: total, number of labels, total by service, rows that cannot ship."""
    summary = offer.summary
    tiles = [
        _tile("Total", total_text(summary.totals)),
        _tile("Labels", f"{summary.shipments:,}"),
        _tile("Orders", offer.selection.partition(" orders")[0]),
        _tile("Cannot ship", f"{offer.errors:,}", "bad" if offer.errors else ""),
        _tile("With warnings", f"{summary.warnings:,}", "warn" if summary.warnings else ""),
    ]
    services = _paid(summary)
    unread = (
        f'<div class="sk-soft sk-unread"><b>Columns</b> '
        f"{escape(unread_text(summary.not_understood))}</div>"
        if summary.not_understood
        else ""
    )
    left_out = (
        f'<div class="sk-soft sk-unread"><b>Filter</b> '
        f"{escape(' '.join(summary.filter_notes))}</div>"
        if summary.filter_notes
        else ""
    )
    until = (
        f"{summary.preview_id}, priced {summary.priced_at:%Y-%m-%d %H:%M} UTC, valid until "
        f"{summary.expires_at:%Y-%m-%d %H:%M} UTC"
    )
    return block(
        f'<div data-state="{Phase.OFFER}" class="sk-tiles">{"".join(tiles)}</div>{services}'
        f"{_others(summary)}{_not_compared(summary)}{unread}{left_out}"
        f'<div class="sk-soft" style="margin-top:6px">{escape(until)}</div>',
        name="sk-offer",
    )


def _paid(summary: Summary) -> str:
    """Return what each account, if there are several, and each service would be paid."""
    if not summary.by_service:
        return ""
    several = len({paid.account for paid in summary.by_account}) > 1
    right = ("Labels", "Total")
    accounts = [[p.identity, f"{p.shipments:,}", p.total] for p in summary.by_account]
    services = [
        [
            *([line.account] if several else []),
            service_title(line.service),
            f"{line.shipments:,}",
            line.total,
        ]
        for line in summary.by_service
    ]
    heads = ["Account", "Service"] if several else ["Service"]
    tables = [grid(["Paid to", *right], accounts, right=right)] if several else []
    return "".join([*tables, grid([*heads, *right], services, right=right)])


def _others(summary: Summary) -> str:
    if not summary.others:
        return ""
    return f'<div class="sk-soft"><b>Billed to others</b> {escape(str(summary.others))}</div>'


def _not_compared(summary: Summary) -> str:
    return "".join(
        f'<div class="sk-soft"><b>Not compared</b> {escape(name)} did not answer for '
        f"{counted(count, 'row')}: chosen without it</div>"
        for name, count in summary.not_compared.items()
    )


def problem_page(offer: Offer) -> str:
    """Return the problems and the first rows, collapsed unless a row cannot ship."""
    parts = []
    if offer.problems:
        rows = [
            [
                line["row_number"],
                "cannot ship" if line["severity"] == "error" else "warning",
                line["field"],
                line["problem"],
                _short(line["fix"]),
            ]
            for line in offer.problems
        ]
        table = grid(["Row", "Severity", "Field", "Problem", "How to fix it"], rows, right=("Row",))
        more = (
            f'<div class="sk-soft">The first {len(rows)} of {offer.problem_count:,}. All of '
            "them: session.problems</div>"
            if offer.problem_count > len(rows)
            else ""
        )
        title = counted(offer.problem_count, "problem") + (
            f", {counted(offer.errors, 'row')} cannot ship" if offer.errors else ""
        )
        parts.append(_details(title, table, more, opened=offer.errors > 0, name="sk-first"))
    if offer.rows:
        parts.append(
            _details(
                f"First {counted(len(offer.rows), 'shipment')} of {_all_rows(offer)}",
                _shipments(offer.rows),
                name="sk-nowrap",
            )
        )
    return block(*parts, name="sk-problems") if parts else ""


def _all_rows(offer: Offer) -> str:
    """Return how many shipments the preview has, including those that cannot ship."""
    return f"{offer.summary.shipments + offer.summary.problems:,}"


def _shipments(rows: Sequence[Mapping[str, Any]]) -> str:
    return grid(
        ["Row", "Order", "To", "Service", "Zone", "Weight", "Cost", "Days"],
        [
            [
                row["row_number"],
                row["order_id"],
                _place(row),
                service_title(row["service"] or ""),
                row["zone"],
                f"{row['billable_weight_lb']:g} lb" if row["billable_weight_lb"] else None,
                _cents(row["cost_cents"], row["currency"]) or "cannot ship",
                row["transit_days"],
            ]
            for row in rows
        ],
        right=("Row", "Zone", "Weight", "Cost", "Days"),
    )


def _place(row: Mapping[str, Any]) -> str:
    where = " ".join(
        part for part in (row["state"], row["country"] if row["country"] != "US" else None) if part
    )
    return ", ".join(part for part in (row["recipient"], row["city"], where) if part)


# -- the job ---------------------------------------------------------------------------------------


def job_page(job: JobView) -> str:
    """Return the status of a job: state in words, progress bar, money spent, counts, rate."""
    words, tone = _PHASE_TEXT[job.phase]
    tiles = [_tile("Spent", job.spent), _tile("Shipped", f"{job.shipped:,} of {job.total:,}")]
    tiles += [
        _tile("Failed", f"{job.failed:,}", "bad" if job.failed else ""),
        _tile("In doubt", f"{job.in_doubt:,}", "warn" if job.in_doubt else ""),
    ]
    if job.phase in RUNS:
        tiles += [
            _tile("Rate", f"{job.rate_per_s:,.1f} / s" if job.rate_per_s else "..."),
            _tile("Time left", duration(job.remaining_s) if job.remaining_s is not None else "..."),
        ]
    else:
        tiles += [
            _tile(name, f"{count:,}")
            for name, count in (("Not sent", job.unsent), ("Skipped", job.skipped))
            if count
        ]
    state = (
        f'<div data-state="{job.phase}" '
        f'class="sk-state{f" sk-{tone}" if tone else ""}">{escape(words)}{escape(_why(job))}</div>'
    )
    return block(
        state,
        _bar(job),
        f'<div class="sk-tiles">{"".join(tiles)}</div>',
        _happened(job),
        name="sk-job",
    )


def _bar(job: JobView) -> str:
    """Return the progress bar: shipped, failed and in doubt as parts of all rows to buy."""
    parts = "".join(
        f'<div class="{css}" style="width:{100 * count / max(job.total, 1):.2f}%"></div>'
        for css, count in (
            ("sk-shipped", job.shipped),
            ("sk-failed", job.failed),
            ("sk-doubt", job.in_doubt),
        )
        if count
    )
    return (
        '<div class="sk-bar" role="progressbar" aria-label="Rows done" aria-valuemin="0" '
        f'aria-valuemax="{job.total}" '
        f'aria-valuenow="{job.done}" aria-valuetext="{job.done:,} of {job.total:,} rows '
        f'done">{parts}</div>'
    )


def _why(job: JobView) -> str:
    explained = (Phase.RUNNING, Phase.PAUSED, Phase.ELSEWHERE)
    return f": {job.reason}" if job.reason and job.phase in explained else ""


def _happened(job: JobView) -> str:
    lines = [f"Last shipped: {job.last_row}."] if job.last_row else []
    if job.last_error and job.phase is not Phase.DONE:
        lines.append(f"Last error: {job.last_error}")
    if job.phase is Phase.PAUSED and job.in_doubt > job.waiting:
        lines.append(
            f"{counted(job.in_doubt - job.waiting, 'row')} in doubt: sent, but without an "
            "answer. They are looked up at the carrier first, so that nothing is bought twice."
        )
    if job.waiting and job.phase not in RUNS:
        lines.append(
            f"{counted(job.waiting, 'row')} in doubt for you to decide: sent, without an answer, "
            "and the carrier does not find them. Ask the carrier if you can."
        )
    return (
        f'<div class="sk-soft" style="margin-top:8px">{"<br>".join(map(escape, lines))}</div>'
        if lines
        else ""
    )


def result_page(frame: pd.DataFrame, *, opened: bool = True) -> str:
    """Return the first results; those that need attention come first."""
    attention = frame["state"].isin(["failed", "in_doubt", "review"])
    first = pd.concat([frame[attention], frame[~attention & (frame["state"] != "skipped")]]).head(
        _SHOWN_RESULTS
    )
    rows = [
        [
            r["row_number"],
            r["order_id"],
            str(r["state"]).replace("_", " "),
            r["tracking_number"],
            service_title(r["service"] if isinstance(r["service"], str) else ""),
            _cents(r["charged_cents"], r["currency"]),
            r["error_message"] if r["state"] != "shipped" else None,
        ]
        for r in first.to_dict("records")
    ]
    if not rows:
        return ""
    headings = ["Row", "Order", "State", "Tracking number", "Service", "Charged", "Error"]
    if not any(isinstance(row[-1], str) for row in rows):
        headings, rows = headings[:-1], [row[:-1] for row in rows]
    table = grid(headings, rows, right=("Row", "Charged"))
    return block(
        _details(
            f"Results, {len(rows)} of {len(frame):,} rows",
            table,
            '<div class="sk-soft">All of them: session.results()</div>',
            opened=opened,
            name="sk-nowrap",
        ),
        name="sk-results",
    )


def label_pictures(pictures: Sequence[LabelPicture]) -> str:
    """Return labels as pictures, side by side."""
    from shipkit.outputs.labels.pictures import figures

    return figures(pictures)


# -- parts -----------------------------------------------------------------------------------------


def _tile(name: str, value: str, tone: str = "") -> str:
    css = f"sk-tile sk-is-{tone}" if tone else "sk-tile"
    return f'<div class="{css}"><span>{escape(name)}</span><b>{escape(value)}</b></div>'


def _details(
    title: str, table: str, more: str = "", *, opened: bool = False, name: str = ""
) -> str:
    region = (
        f'<div class="sk-scroll {name}" tabindex="0" role="region" '
        f'aria-label="{escape(title)}">{table}</div>'
    )
    head = f"<details{' open' if opened else ''}><summary>{escape(title)}</summary>"
    return f"{head}{region}{more}</details>"


def _cents(cents: Any, currency: Any) -> str | None:
    return None if cents is None or pd.isna(cents) else str(Money.from_cents(int(cents), currency))


def _short(text: Any, most: int = 140) -> Any:
    """Return `text` cut off after a word; the frame has the whole text."""
    if not isinstance(text, str) or len(text) <= most:
        return text
    return text[:most].rsplit(" ", 1)[0] + " ..."
