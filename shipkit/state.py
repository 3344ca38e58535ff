"""Row states, the one table of legal moves, and the one table from outcome to state.

These tables are the whole logic of "never buy twice": code elsewhere asks them and decides nothing
by itself. Nothing here touches disk, clock or network. The counts of all states always add up to
the number of rows in the plan.
"""

from __future__ import annotations

from enum import Enum, StrEnum
from types import MappingProxyType

__all__ = ["MOVES", "STATE_AFTER", "JobStatus", "Outcome", "RowState", "can_move"]


class RowState(StrEnum):
    """The state of one shipment of a plan."""

    PENDING = "pending"
    """Not sent. Sending it is safe."""
    IN_FLIGHT = "in_flight"
    """An intent is durable on disk; the request may be on its way to the carrier."""
    SHIPPED = "shipped"
    """The carrier answered with a shipment; label and charge are stored."""
    FAILED = "failed"
    """The carrier rejected it. Never sent again unchanged."""
    IN_DOUBT = "in_doubt"
    """Sent without a usable answer: it may have been bought. Never sent again blindly."""
    REVIEW = "review"
    """Looked up and not found, and no policy allows sending it again: a person decides."""
    VOIDED = "voided"
    """Bought and voided."""
    SKIPPED = "skipped"
    """Not to be sent: a row with a problem, a held duplicate, or one that a person skipped."""


MOVES: MappingProxyType[RowState, frozenset[RowState]] = MappingProxyType(
    {
        RowState.PENDING: frozenset({RowState.IN_FLIGHT, RowState.SKIPPED}),
        # Back to pending only when the request provably never left. To itself: a purchase in two
        # steps is prepared, and the id that settles a lost answer is durable.
        RowState.IN_FLIGHT: frozenset(
            {
                RowState.IN_FLIGHT,
                RowState.SHIPPED,
                RowState.FAILED,
                RowState.IN_DOUBT,
                RowState.PENDING,
            }
        ),
        # Not to failed: a row in doubt that is not found was not rejected, and may be bought yet.
        RowState.IN_DOUBT: frozenset(
            {RowState.SHIPPED, RowState.PENDING, RowState.REVIEW, RowState.VOIDED}
        ),
        RowState.REVIEW: frozenset(
            {RowState.SHIPPED, RowState.PENDING, RowState.SKIPPED, RowState.VOIDED}
        ),
        # To itself: a label file that came later than its purchase.
        RowState.SHIPPED: frozenset({RowState.SHIPPED, RowState.VOIDED}),
        RowState.FAILED: frozenset(),
        # To itself: what became of the refund that the void asked for.
        RowState.VOIDED: frozenset({RowState.VOIDED}),
        RowState.SKIPPED: frozenset(),
    }
)
"""Every legal move. Any other is a defect in shipkit, refused before it is recorded."""


def can_move(old: RowState, new: RowState) -> bool:
    """Return whether a row may go from `old` to `new`.

    Examples
    --------
    >>> can_move(RowState.PENDING, RowState.SHIPPED)
    False
    """
    return new in MOVES[old]


class Outcome(Enum):
    """What is known after one carrier call."""

    ANSWERED = "answered"
    """The carrier answered with a shipment."""
    REJECTED = "rejected"
    """The carrier rejected it: a 4xx, a business error, or a 200 with an error header."""
    NOT_SENT = "not_sent"
    """The request provably never left, or was turned away unread. The causes are an allow-list."""
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
    """The status of a whole job."""

    RUNNING = "running"
    """A process owns it now."""
    COMPLETED = "completed"
    """Every row is shipped, voided or skipped."""
    COMPLETED_WITH_ERRORS = "completed_with_errors"
    """Nothing is left to send, and some rows failed or wait for a person."""
    PAUSED = "paused"
    """Interrupted; it can be resumed."""
    FAILED = "failed"
    """shipkit itself could not go on (a full disk, a defect); it can be resumed."""
    CANCELLED = "cancelled"
    """Ended by a person; rows that were not sent never will be."""
