"""Permission requests: what a person is asked before money moves, and the consent they give.

A request is about a stored preview or a job on disk, never about the clock or live prices: asked
again a minute later it reads the same.
"""

from __future__ import annotations

from dataclasses import dataclass

from shipkit.common.visible_text import visible

__all__ = ["Consent", "PermissionRequest", "shortened"]

_LONGEST_NAME = 160


@dataclass(frozen=True)
class PermissionRequest:
    """A question that a person must answer before a tool may act."""

    text: str
    refusal: str
    """Answer to the caller when no person can be asked: what was not done, and how to approve."""
    host_may_answer: bool = False
    """Whether a call by the host program itself counts as consent (mode, shipper, restart)."""
    preview_id: str = ""
    """The preview that the question is about; consent is valid for no other."""
    logged: str = ""
    """The question as the log has it, when the question itself contains an address."""

    @property
    def approvable(self) -> bool:
        """Whether ``approved: true`` answers it, where the caller's word counts."""
        return bool(self.preview_id)


@dataclass(frozen=True)
class Consent:
    """Consent to one permission request: by whom, and in which way."""

    by: str
    via: str
    preview_id: str = ""


def shortened(text: str) -> str:
    """Return `text` on one line, cut, and with hidden characters as escapes.

    A question must stay readable whatever an order, or an address that a model sent, says: a mark
    that turns the direction of writing would show a person another address than is printed.
    """
    return visible(" ".join(text.split()))[:_LONGEST_NAME]
