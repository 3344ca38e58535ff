"""The texts on buttons and in captions."""

from __future__ import annotations

from shipkit.common.words import counted, total_text
from shipkit.plan.summary import Summary
from shipkit.purchasing.approval import ExecutionMode

__all__ = ["approve_text", "duration", "mode_text"]


def approve_text(summary: Summary, mode: ExecutionMode) -> str:
    """Return the text of the button that spends money: how much, and for how many labels."""
    verb = "Approve" if mode is ExecutionMode.CONFIRM else "Buy now:"
    return f"{verb} {total_text(summary.totals)} for {counted(summary.shipments, 'label')}"


def mode_text(mode: ExecutionMode, limits: str) -> str:
    """Return what a mode means for the money. `limits` are the spend limits in words."""
    if mode is ExecutionMode.CONFIRM:
        return "Nothing is bought until you approve exactly this preview."
    return f"Code in this notebook can buy without asking: session.execute() spends {limits}."


def duration(seconds: float) -> str:
    """Return a duration in words.

    Examples
    --------
    >>> duration(8), duration(130), duration(11_100)
    ('8 s', '2 min 10 s', '3 h 5 min')
    """
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s" if whole % 60 else f"{whole // 60} min"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
