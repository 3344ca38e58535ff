"""Progress on stderr: a bar at a terminal, an occasional line in a log, JSON lines for machines."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from shipkit.cli.console import Console
from shipkit.models import Money

if TYPE_CHECKING:
    from shipkit.purchasing.run import Progress

__all__ = ["reporter"]

EVERY_S = 5.0
"""Seconds between two lines, so that the log of a long run stays readable."""


def reporter(console: Console, *, every_s: float = EVERY_S) -> Callable[[Progress], None] | None:
    """Return a function that writes progress; None at a terminal, where the session draws a bar."""
    if console.err.isatty() and not console.as_json:
        return None
    began = last = time.monotonic()

    def follow(progress: Progress) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last < every_s:
            return
        last = now
        console.note(_json(progress, now - began) if console.as_json else _line(progress))

    return follow


def _line(p: Progress) -> str:
    counts = [f"{p.done:,} of {p.total:,}", p.spent]
    counts += [
        f"{count:,} {name}"
        for name, count in (("failed", p.failed), ("in doubt", p.in_doubt))
        if count
    ]
    return ", ".join(counts)


def _json(p: Progress, elapsed_s: float) -> str:
    besides = [str(each) for each in p.spent_besides]
    return json.dumps(
        {
            "event": "progress",
            "done": p.done,
            "total": p.total,
            "failed": p.failed,
            "in_doubt": p.in_doubt,
            "spent": f"{Money.from_cents(p.spent_cents, p.currency).amount}",
            "currency": p.currency,
            **({"spent_besides": besides} if besides else {}),
            "elapsed_s": round(elapsed_s, 1),
        }
    )
