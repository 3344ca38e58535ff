"""What a session passes on to its job, so that a notebook needs only one object.

Each member does what the member of the same name does on :class:`shipkit.Job`, and is described in
full there. Before there is a job they raise JobNotFound.
"""

from __future__ import annotations

import datetime as dt
from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from shipkit.errors import JobNotFound
from shipkit.job import Job, test_numbers_allowed
from shipkit.models import Money
from shipkit.orders.database import Database
from shipkit.outputs.labels import Labels
from shipkit.outputs.report import Report
from shipkit.outputs.writeback import Confirmation
from shipkit.outputs.writeback.databases import Written
from shipkit.plan.preview import Preview
from shipkit.purchasing.handover import DriverManifests, Pickup
from shipkit.purchasing.result import BatchResult
from shipkit.purchasing.result_frames import unshippable_rows
from shipkit.purchasing.run.handle import Follower, RunHandle
from shipkit.purchasing.store import JobStore
from shipkit.session.turn_members import TurnMembers, in_turn

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["JobMembers"]


class JobMembers(TurnMembers):
    """The members of a session that belong to its job."""

    _job: Job | None

    @property
    @abstractmethod
    def _preview(self) -> Preview | None:
        """The preview of the orders as they are now, None if there is none."""

    @property
    def job(self) -> Job | None:
        """The job of this session: made by :meth:`execute`, or opened. None before there is one."""
        return self._job

    @property
    def job_id(self) -> str | None:
        """The id of the job, None before there is one."""
        return self._job.job_id if self._job else None

    @property
    def store(self) -> JobStore:
        """The folder of the job and its ledger."""
        return self._own_job.store

    @property
    def execution(self) -> RunHandle | None:
        """The last run of the job that this session started, None before one."""
        return self._job.execution if self._job else None

    # -- what was bought -------------------------------------------------------------------------

    def results(self, state: str | None = None) -> pd.DataFrame:
        """Return the results, one row per shipment; see :meth:`shipkit.Job.results`."""
        return self._own_job.results(state)

    @in_turn
    def failed_rows(self) -> pd.DataFrame:
        """Return the source rows that did not ship, with ``problem`` and ``fix`` for each.

        Before there is a job: the rows of the last preview that cannot ship.
        """
        if self._job is None and self._preview is not None:
            return unshippable_rows(self._preview, self._planner.source_rows())
        return self._own_job.failed_rows()

    def review(self) -> pd.DataFrame:
        """Return the results with what each open row waits for; see :meth:`shipkit.Job.review`."""
        return self._own_job.review()

    @property
    def labels(self) -> Labels:
        """The labels that were bought: save them as files, or look at them."""
        return self._own_job.labels

    def report(self) -> Report:
        """Return the day sheet: what was spent, what failed, what is in doubt, what to do next."""
        return self._own_job.report()

    def write_back(
        self,
        dest: str | Path | Database | None = None,
        *,
        columns: Mapping[str, str] | None = None,
        in_place: bool | str = False,
        layout: str | None = None,
        allow_test_numbers: bool = False,
        really: bool = False,
    ) -> Path | tuple[Path, ...] | Written | Confirmation:
        """Write the tracking numbers to where the orders came from, or to a copy of it.

        Orders that this session read from a database are updated there unless `dest` says
        otherwise. See :meth:`shipkit.Job.write_back` for the parameters.
        """
        in_place, allowed = test_numbers_allowed(in_place, really=really, allow=allow_test_numbers)
        return self._own_job.write_back(
            self._planner.database if dest is None and layout is None else dest,
            columns=columns,
            in_place=in_place,
            layout=layout,
            allow_test_numbers=allowed,
        )

    # -- at the carrier --------------------------------------------------------------------------

    def void(self, clause: str | None = None, *, all: bool = False) -> pd.DataFrame:  # noqa: A002 - the public name
        """Void labels that were bought, for a refund; see :meth:`shipkit.Job.void`."""
        return self._own_job.void(clause, all=all)

    def void_surplus(self) -> int:
        """Void shipments that the carrier has beyond the ones on record; return how many."""
        return self._own_job.void_surplus()

    def track(self, *, changes: bool = False, history: bool = False) -> pd.DataFrame:
        """Return where the parcels are, one row per parcel; see :meth:`shipkit.Job.track`."""
        return self._own_job.track(changes=changes, history=history)

    @property
    def manifests(self) -> DriverManifests:
        """The manifests that were made; see :attr:`shipkit.Job.manifests`."""
        return self._own_job.manifests

    def manifest(self, clause: str | None = None) -> DriverManifests:
        """Put bought labels on manifests for the driver; see :meth:`shipkit.Job.manifest`."""
        return self._own_job.manifest(clause)

    def forget_manifest(self, attempt: int | None = None) -> DriverManifests:
        """Give up a manifest in doubt; see :meth:`shipkit.Job.forget_manifest`."""
        return self._own_job.forget_manifest(attempt)

    @property
    def pickups(self) -> tuple[Pickup, ...]:
        """The pickups that were booked, or may be; see :attr:`shipkit.Job.pickups`."""
        return self._own_job.pickups

    def pickup(
        self,
        day: dt.date | str | None = None,
        *,
        ready: dt.time | str = "09:00",
        close: dt.time | str = "17:00",
        clause: str | None = None,
        place: str = "front_door",
        instructions: str = "",
    ) -> Pickup:
        """Ask what it costs that a driver comes; see :meth:`shipkit.Job.pickup`."""
        return self._own_job.pickup(
            day,
            ready=ready,
            close=close,
            clause=clause,
            place=place,
            instructions=instructions,
        )

    # -- going on --------------------------------------------------------------------------------

    def decide(self, clause: str, choice: str) -> pd.DataFrame:
        """Settle rows in review, by ``"resend"`` or ``"skip"``; see :meth:`shipkit.Job.decide`."""
        return self._own_job.decide(clause, choice)

    def resume(
        self,
        *,
        on_error: str = "continue",
        confirm_total: Money | str | None = None,
        progress: Follower = None,
    ) -> BatchResult:
        """Buy what is left of the job, and return its counts; see :meth:`shipkit.Job.resume`."""
        return self._own_job.resume(
            on_error=on_error, confirm_total=confirm_total, progress=progress
        )

    def start_resume(
        self,
        *,
        on_error: str = "continue",
        confirm_total: Money | str | None = None,
        progress: Follower = None,
    ) -> RunHandle:
        """Do what :meth:`resume` does in the background, and return a handle at once."""
        return self._own_job.start_resume(
            on_error=on_error, confirm_total=confirm_total, progress=progress
        )

    def restart(
        self,
        *,
        confirm_paid_labels: int | None = None,
        void_first: bool = False,
        progress: Follower = None,
    ) -> BatchResult:
        """Buy the whole plan again as a new job, which becomes this session's job.

        See :meth:`shipkit.Job.restart`.
        """
        return self.start_restart(
            confirm_paid_labels=confirm_paid_labels, void_first=void_first, progress=progress
        ).watch()

    def start_restart(
        self,
        *,
        confirm_paid_labels: int | None = None,
        void_first: bool = False,
        progress: Follower = None,
    ) -> RunHandle:
        """Do what :meth:`restart` does in the background, and return a handle at once."""
        job = self._own_job
        handle = job.start_restart(
            confirm_paid_labels=confirm_paid_labels, void_first=void_first, progress=progress
        )
        self._job = job.restarted
        return handle

    def pause(self) -> None:
        """Stop sending; what is in flight is finished and recorded. The job can be resumed."""
        if self._job is not None:
            self._job.pause()

    def cancel(self) -> BatchResult:
        """End the job: what is in flight is finished and recorded, the rest is never sent."""
        return self._own_job.cancel()

    @property
    def _own_job(self) -> Job:
        if self._job is None:
            raise JobNotFound(
                "This session has no job yet.",
                fix="Call session.execute(), or open a job: sk.Job.open(job_id).",
            )
        return self._job
