"""The members of a job that hand its parcels over."""

from __future__ import annotations

from abc import ABC, abstractmethod

from shipkit.carriers.accounts import Accounts
from shipkit.carriers.connection import Connection
from shipkit.orders import where
from shipkit.purchasing.handover.driver_manifests import DriverManifests, ManifestBook
from shipkit.purchasing.handover.manifest_run import make_manifests
from shipkit.purchasing.store import JobStore
from shipkit.state import RowState

__all__ = ["HandoverMembers"]


class HandoverMembers(ABC):
    """What a :class:`shipkit.Job` can do with parcels that are about to leave."""

    store: JobStore
    connection: Connection

    @abstractmethod
    def _accounts(self) -> Accounts: ...

    @abstractmethod
    def _refuse_while_running(self) -> None: ...

    @abstractmethod
    def _refuse_other_account(self) -> None: ...

    @property
    def manifests(self) -> DriverManifests:
        """The manifests that were made, as they are on disk. Asks no carrier."""
        return DriverManifests.of(self.store)

    def manifest(self, clause: str | None = None) -> DriverManifests:
        """Put bought labels on manifests for the driver: SCAN forms at USPS. Safe to repeat.

        A label is on at most one manifest. What is voided, a return label or past its ship date is
        on none, nor what is on one already. There is one for each account, carrier, origin and
        ship date. At USPS, labels that are on a form can no longer be voided.

        Parameters
        ----------
        clause
            A SQL expression over the result columns; default: every label of the job.

        Returns
        -------
        DriverManifests
            All manifests of the job, and in ``left_out`` the chosen shipments that are on none.

        Raises
        ------
        InputError
            The carrier makes no manifests; the message says what it does instead.
        JobError
            The carrier is not set up for the job's own account. Nothing was asked.
        AnswerLost
            No usable answer came. The form may exist: call again, and it is not made twice.
        JobRunning
            The job is running in this session.
        """
        self._refuse_while_running()
        table = self.store.results()
        chosen = list(where.matching(table, clause, {})) if clause else list(range(table.num_rows))
        states = table.column("state").to_pylist()
        book = ManifestBook.of(self.store)
        made = {row for each in book.made for row in each.rows}
        rows = [row for row in chosen if states[row] == RowState.SHIPPED and row not in made]
        if not rows and not book.open:
            self._refuse_other_account()
            return self.manifests
        outcome = self.connection.run(make_manifests(self.store, self._accounts(), rows))
        outcome.refuse_silence()
        wanted = set(chosen)
        return DriverManifests.of(
            self.store, {row: why for row, why in outcome.left_out.items() if row in wanted}
        )
