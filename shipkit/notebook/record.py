"""The record below a panel: plain HTML that stays readable without the widget.

A widget shows nothing after a restart of its kernel and on static pages (GitHub, nbviewer). The
record is an output of its own that is updated in place, and says when it was last true.
"""

from __future__ import annotations

import threading
import time

from shipkit.common.html import block, escape, facts
from shipkit.common.live_output import LiveOutput
from shipkit.common.words import aligned, counted, total_text
from shipkit.notebook.model import RUNS, JobView, Offer
from shipkit.plan.preview import service_title

__all__ = ["PanelRecord", "bundle"]

_EVERY_S = 2.0
"""Most often that a running job updates its record: each update is stored in the notebook."""


class PanelRecord:
    """One HTML output, updated by its display id from any thread."""

    def __init__(self) -> None:
        self._output = LiveOutput()
        self._guard = threading.Lock()
        self._displayed = False
        self._last: tuple[float, str] = (0.0, "")

    def display(self, view: JobView | Offer) -> None:
        """Display the record below whatever was displayed last."""
        made = bundle(view)
        with self._guard:
            self._displayed, self._last = True, (time.monotonic(), made["text/plain"])
            self._output.show(made)

    def update(self, view: JobView | Offer) -> None:
        """Bring a displayed record up to date, at most every two seconds while a job runs."""
        with self._guard:
            at, text = self._last
            now = time.monotonic()
            too_soon = isinstance(view, JobView) and view.phase in RUNS and now - at < _EVERY_S
            if not self._displayed or too_soon:
                return
            made = bundle(view)
            if made["text/plain"] == text:
                return
            self._last = (now, made["text/plain"])
            self._output.show(made)


def bundle(view: JobView | Offer) -> dict[str, str]:
    """Return the record as text and as HTML."""
    (name, heading), *lines = _job(view) if isinstance(view, JobView) else _offer(view)
    head = f'<p style="margin:.6em 0 .2em;opacity:.75"><b>{escape(name)}</b> {escape(heading)}</p>'
    return {
        "text/plain": f"{name}: {heading}\n{aligned(lines, indent='  ')}",
        "text/html": block(head, facts(lines), name="shipkit-record"),
    }


def _offer(offer: Offer) -> list[tuple[str, str]]:
    summary = offer.summary
    labels = counted(summary.shipments, "label")
    total = f"{total_text(summary.totals)} for {labels} on {summary.carrier}"
    services = "; ".join(
        f"{service_title(line.service)} {line.shipments:,} for {line.total}"
        for line in summary.by_service
    )
    when = f"{summary.priced_at:%Y-%m-%d %H:%M:%S} UTC"
    lines = [
        ("Record", f"as of {when}: priced, nothing bought ({summary.preview_id})"),
        ("Total", total + _no_money(live=summary.live)),
    ]
    if summary.others:
        lines.append(("Billed to others", str(summary.others)))
    if services:
        lines.append(("By service", services))
    if offer.errors:
        lines.append(("Cannot ship", f"{counted(offer.errors, 'row')}, not in the total"))
    return lines


def _job(job: JobView) -> list[tuple[str, str]]:
    counts = [f"{job.shipped:,} shipped"]
    counts += [
        f"{count:,} {name}"
        for name, count in (
            ("failed", job.failed),
            ("in doubt", job.in_doubt),
            ("not sent", job.unsent),
            ("skipped", job.skipped),
        )
        if count
    ]
    lines = [
        (
            "Record",
            f"as of {job.as_of:%Y-%m-%d %H:%M:%S} UTC: {job.job_id}, {job.phase.replace('_', ' ')}",
        ),
        ("Rows", ", ".join(counts)),
        (
            "Spent",
            f"{job.spent} of {job.quoted} quoted on {job.carrier}{_no_money(live=job.live)}",
        ),
    ]
    if job.reason:
        lines.append(("Reason", job.reason))
    lines.append(("Open it", f'sk.BatchSession.open("{job.job_id}").panel()'))
    return lines


def _no_money(*, live: bool) -> str:
    return "" if live else ", no money is spent"
