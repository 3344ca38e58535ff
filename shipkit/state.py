"""Row states, the one table of legal moves, and the one table from outcome to state.

Nothing here touches disk, clock or network. The counts of all states always add up to the plan.
"""

from __future__ import annotations

from enum import Enum, StrEnum
from types import MappingProxyType

__all__ = ["FINAL", "MOVES", "STATE_AFTER", "JobStatus", "Outcome", "RowState", "can_move"]


class RowState(StrEnum):
    """Where one shipment of a plan stands."""

    PENDING = "pending"
    """Not sent. Sending it is safe."""
    IN_FLIGHT = "in_flight"
    """An INTENT is durable; the request may be on its way."""
    SHIPPED = "shipped"
    """The carrier answered with a shipment; label and charge are stored."""
    FAILED = "failed"
    """The carrier said no. Never retried unchanged."""
    IN_DOUBT = "in_doubt"
    """Sent, and no usable answer. Never sent again blindly."""
    REVIEW = "review"
    """Looked up and not found, and no policy may decide: a person does."""
    VOIDED = "voided"
    """Bought and given back."""
    SKIPPED = "skipped"
    """Never meant to be sent: a problem row, a held duplicate, or set aside by a person."""


MOVES: MappingProxyType[RowState, frozenset[RowState]] = MappingProxyType(
    {
        RowState.PENDING: frozenset({RowState.IN_FLIGHT, RowState.SKIPPED}),
        RowState.IN_FLIGHT: frozenset(
            {RowState.SHIPPED, RowState.FAILED, RowState.IN_DOUBT, RowState.PENDING}
        ),
        RowState.IN_DOUBT: frozenset(
            {RowState.SHIPPED, RowState.PENDING, RowState.REVIEW, RowState.VOIDED}
        ),
        RowState.REVIEW: frozenset(
            {RowState.SHIPPED, RowState.PENDING, RowState.SKIPPED, RowState.VOIDED}
        ),
        RowState.SHIPPED: frozenset({RowState.VOIDED}),
        RowState.FAILED: frozenset(),
        RowState.VOIDED: frozenset(),
        RowState.SKIPPED: frozenset(),
    }
)
"""Every legal move. What is not here is a defect, and :func:`can_move` says so."""

FINAL: frozenset[RowState] = frozenset(
    {RowState.SHIPPED, RowState.FAILED, RowState.VOIDED, RowState.SKIPPED}
)
"""States in which a job owes nothing more to the row."""


def can_move(old: RowState, new: RowState) -> bool:
    """Return whether a row may go from `old` to `new`.

    Examples
    --------
    >>> can_move(RowState.PENDING, RowState.SHIPPED)
    False
    """
    return new in MOVES[old]


class Outcome(Enum):
    """What became of one carrier call."""

    ANSWERED = "answered"
    """The carrier answered with a shipment."""
    REJECTED = "rejected"
    """The carrier said no: a 4xx, a business error, a 200 with an empty body and an error header."""
    NOT_SENT = "not_sent"
    """The request provably never left, or was turned away unread (an allow-list of causes)."""
    UNKNOWN = "unknown"
    """Anything else once sending began, cancellation included."""


STATE_AFTER: MappingProxyType[Outcome, RowState] = MappingProxyType(
    {
        Outcome.ANSWERED: RowState.SHIPPED,
        Outcome.REJECTED: RowState.FAILED,
        Outcome.NOT_SENT: RowState.PENDING,
        Outcome.UNKNOWN: RowState.IN_DOUBT,
    }
)
"""The one place that turns an outcome into a state."""


class JobStatus(StrEnum):
    """Where a whole job stands."""

    RUNNING = "running"
    COMPLETED = "completed"
    COMPLETED_WITH_ERRORS = "completed_with_errors"
    PAUSED = "paused"
    FAILED = "failed"
    CANCELLED = "cancelled"
