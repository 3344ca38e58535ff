"""Return labels that wait until their parcel is bought.

They are kept as arrays of row indices: where the account of the parcels has stopped, all return
labels of another account may wait, and they are looked at after each of its calls.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from shipkit.purchasing.run.run_state import RunState, moved
from shipkit.purchasing.store.entries import STATES
from shipkit.state import RowState

__all__ = ["WaitingReturns"]

Rows = np.ndarray[Any, np.dtype[np.int64]]

_SHIPPED: Final = STATES.index(RowState.SHIPPED)
_LOST: Final = [
    STATES.index(state) for state in (RowState.FAILED, RowState.SKIPPED, RowState.VOIDED)
]


class WaitingReturns:
    """The return labels of one account whose parcel is not bought yet.

    Parameters
    ----------
    run
        The account's part of the run.
    pending
        Its pending rows, ascending.
    """

    def __init__(self, run: RunState, pending: Rows) -> None:
        self._run = run
        of = run.shared.parcels
        parcels = np.full(len(pending), -1) if of is None else of[pending]
        waits = parcels >= 0
        self.others: Rows = pending[~waits]
        """The pending rows that wait for no parcel."""
        self._rows: Rows = pending[waits]
        self._parcels: Rows = parcels[waits]

    def take_due(self) -> Rows:
        """Return the rows whose parcel is bought, which wait no longer; skip those without one."""
        if not len(self._rows):
            return self._rows
        states = self._run.ledger.states[self._parcels]
        due, lost = states == _SHIPPED, np.isin(states, _LOST)
        taken: Rows = self._rows[due]
        if lost.any():
            self._skip(self._rows[lost])
        if len(taken) or lost.any():
            kept = ~(due | lost)
            self._rows, self._parcels = self._rows[kept], self._parcels[kept]
        return taken

    def may_settle(self) -> bool:
        """Return whether a parcel that is waited for is settled, or may be in this run."""
        # The first one mostly answers for all.
        return any(
            self._run.shared.may_settle(some) for some in (self._parcels[:1], self._parcels[1:])
        )

    def _skip(self, rows: Rows) -> None:
        entries = []
        for row, fields in self._run.rows.dicts(rows):
            parcel = fields["return_of"]
            entries.append(
                moved(
                    row,
                    "skipped",
                    RowState.SKIPPED,
                    code="return_waits",
                    message=f"Its parcel, row {parcel}, was not bought by this job, or was voided.",
                    fix=f"Look at row {parcel}, and run the orders again: what another job has "
                    "bought is not bought twice.",
                )
            )
        self._run.ledger.record(entries)
