"""Numbers as the words and amounts that stand on buttons and in captions."""

from __future__ import annotations

from collections.abc import Mapping

from shipkit.models import Money
from shipkit.plan.preview import Summary
from shipkit.purchasing.approval import ExecutionMode

__all__ = ["amount", "approve_text", "counted", "duration", "mode_text"]


def amount(totals: Mapping[str, Money]) -> str:
    """Return one total per currency: "$1,234.50 + CA$20.00", never a sum across."""
    return " + ".join(map(str, totals.values())) or str(Money.from_cents(0))


def counted(number: int, noun: str) -> str:
    """Return "1 label", "2 labels"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def approve_text(summary: Summary, mode: ExecutionMode) -> str:
    """Return what the button that spends money says: how much, and for how many."""
    verb = "Approve" if mode is ExecutionMode.CONFIRM else "Buy now:"
    return f"{verb} {amount(summary.totals)} for {counted(summary.shipments, 'label')}"


def mode_text(mode: ExecutionMode, limits: str) -> str:
    """Return what a mode means for the money."""
    if mode is ExecutionMode.CONFIRM:
        return "Nothing is bought until you approve exactly this preview."
    return f"Code in this notebook may buy without asking: session.execute() spends {limits}."


def duration(seconds: float) -> str:
    """Return a time as people say it: "8 s", "2 min 10 s", "3 h 5 min"."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s" if whole % 60 else f"{whole // 60} min"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
