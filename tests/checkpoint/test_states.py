"""The table of moves and the table of outcomes, written down a second time: they are promises."""

from __future__ import annotations

import pytest

from shipkit.errors import (
    AnswerLost,
    AuthenticationFailed,
    CarrierRejected,
    CarrierUnreachable,
    NotSent,
    RateLimited,
)
from shipkit.state import MOVES, STATE_AFTER, Outcome, RowState, can_move

LEGAL = {
    ("pending", "in_flight"),
    ("pending", "skipped"),
    ("in_flight", "in_flight"),  # prepared: the first of two steps is durable
    ("in_flight", "shipped"),
    ("in_flight", "failed"),
    ("in_flight", "in_doubt"),
    ("in_flight", "pending"),
    ("in_doubt", "shipped"),
    ("in_doubt", "pending"),
    ("in_doubt", "review"),
    ("in_doubt", "voided"),
    ("review", "shipped"),
    ("review", "pending"),
    ("review", "skipped"),
    ("review", "voided"),
    ("shipped", "shipped"),  # a label file that came later
    ("shipped", "voided"),
    ("voided", "voided"),  # what became of its refund
}


@pytest.mark.parametrize("old", RowState)
@pytest.mark.parametrize("new", RowState)
def test_a_row_goes_only_where_it_may(old, new):
    assert can_move(old, new) is ((str(old), str(new)) in LEGAL)


def test_every_state_has_its_moves():
    assert set(MOVES) == set(RowState)


def test_no_row_that_was_sent_is_sent_again_without_having_been_pending():
    before = {old for old, new in LEGAL if new == "in_flight"}
    assert before - {"in_flight"} == {"pending"}, "from itself: one attempt, one step further"


@pytest.mark.parametrize(
    ("outcome", "state"),
    [
        (Outcome.ANSWERED, RowState.SHIPPED),
        (Outcome.REJECTED, RowState.FAILED),
        (Outcome.NOT_SENT, RowState.PENDING),
        (Outcome.UNKNOWN, RowState.IN_DOUBT),
    ],
)
def test_what_is_known_of_a_call_decides_the_state(outcome, state):
    assert STATE_AFTER[outcome] is state


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (AnswerLost("reset"), RowState.IN_DOUBT),
        (CarrierRejected("no"), RowState.FAILED),
        (NotSent("refused"), RowState.PENDING),
        (CarrierUnreachable("refused"), RowState.PENDING),
        (RateLimited("slow down"), RowState.PENDING),
        (AuthenticationFailed("who are you"), RowState.PENDING),
    ],
)
def test_every_error_of_a_carrier_leaves_a_row_in_its_state(error, state):
    assert STATE_AFTER[error.outcome] is state
