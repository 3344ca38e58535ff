"""The record beside the panel: plain HTML that stays readable when the widget is gone.

A widget does not show its own fallback after a kernel restart, and static pages show nothing of
it. The record is an output of its own, updated in place, and says as of when it is true.
"""

from __future__ import annotations

import threading
import time
import uuid
from typing import Any

from shipkit.common.html import block, escape, facts
from shipkit.common.words import aligned, counted, total_text
from shipkit.notebook.model import RUNS, JobView, Offer
from shipkit.plan.preview import service_title

__all__ = ["Record", "bundle"]

_EVERY_S = 2.0


class Record:
    """One HTML output, updated by its display id, from any thread, at most every two seconds while a job runs."""

    def __init__(self) -> None:
        self._id = f"shipkit-{uuid.uuid4().hex}"
        self._guard = threading.Lock()
        self._shown = False
        self._last: tuple[float, str] = (0.0, "")

    def show(self, told: JobView | Offer) -> None:
        """Display the record beneath whatever was displayed last."""
        from IPython.display import display

        with self._guard:
            self._shown, self._last = True, (time.monotonic(), bundle(told)["text/plain"])
            display(bundle(told), raw=True, display_id=self._id)

    def update(self, told: JobView | Offer) -> None:
        """Bring the record up to date."""
        with self._guard:
            at, text = self._last
            now = time.monotonic()
            if not self._shown or (
                isinstance(told, JobView) and told.phase in RUNS and now - at < _EVERY_S
            ):
                return
            made = bundle(told)
            if made["text/plain"] == text:
                return
            self._last = (now, made["text/plain"])
            _publish(made, self._id)


def _publish(made: dict[str, Any], display_id: str) -> None:
    from IPython.display import display

    display(made, raw=True, display_id=display_id, update=True)


def bundle(told: JobView | Offer) -> dict[str, str]:
    """Return the record as text and as HTML."""
    rows = _job(told) if isinstance(told, JobView) else _offer(told)
    title, *lines = rows
    text = f"{title[0]}: {title[1]}\n{aligned(lines, indent='  ')}"
    head = (
        f'<p style="margin:.6em 0 .2em;opacity:.75"><b>{escape(title[0])}</b> '
        f"{escape(title[1])}</p>"
    )
    return {"text/plain": text, "text/html": block(head, facts(lines), name="shipkit-record")}


def _offer(offer: Offer) -> list[tuple[str, str]]:
    summary = offer.summary
    return [
        (
            "Record",
            (
                f"as of {summary.priced_at:%Y-%m-%d %H:%M:%S} UTC: priced, nothing bought "
                f"({summary.preview_id})"
            ),
        ),
        (
            "Total",
            (
                f"{total_text(summary.totals)} for {counted(summary.shipments, 'label')} on "
                f"{summary.carrier}"
            )
            + ("" if summary.live else ", no money is spent"),
        ),
        *(
            [
                (
                    "By service",
                    "; ".join(
                        f"{service_title(line.service)} {line.shipments:,} for {line.total}"
                        for line in summary.by_service
                    ),
                )
            ]
            if summary.by_service
            else []
        ),
        *(
            [("Cannot ship", f"{counted(offer.errors, 'row')}, in no total")]
            if offer.errors
            else []
        ),
    ]


def _job(job: JobView) -> list[tuple[str, str]]:
    counts = [
        f"{job.shipped:,} shipped",
        *(
            f"{count:,} {name}"
            for name, count in (
                ("failed", job.failed),
                ("in doubt", job.in_doubt),
                ("not sent", job.left),
                ("left out", job.skipped),
            )
            if count
        ),
    ]
    return [
        (
            "Record",
            f"as of {job.as_of:%Y-%m-%d %H:%M:%S} UTC: {job.job_id}, {job.phase.replace('_', ' ')}",
        ),
        ("Rows", ", ".join(counts)),
        (
            "Spent",
            f"{job.spent} of {job.quoted} quoted on {job.carrier}"
            + ("" if job.live else ", no money is spent"),
        ),
        *([("Why", job.reason)] if job.reason else []),
        ("Open it", f'sk.BatchSession.open("{job.job_id}").panel()'),
    ]
