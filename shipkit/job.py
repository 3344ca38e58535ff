"""A job on disk, and everything that can be done with it: read, print, resume, void, write back.

A job knows whose money it spends. Carrier, environment and account come from its manifest, which
was written when it was approved, and never from the settings of the process that opens it.
Settings only supply the credentials, at the moment a call to the carrier is about to be sent; if
they are those of another account, the call is refused.
"""

from __future__ import annotations

import datetime as dt
import warnings
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import pyarrow as pa
import pyarrow.compute as pc

from shipkit.carriers.accounts import Accounts
from shipkit.carriers.connection import Carriers, Connection
from shipkit.carriers.protocol import PREPARED, Carrier, CarrierIdentity
from shipkit.carriers.registry import plugin
from shipkit.common import html
from shipkit.common.choices import flag, one_of
from shipkit.common.notices import quiet
from shipkit.errors import InputError, JobRunning, SettingsError, ShipkitError
from shipkit.models import Money, Refund
from shipkit.orders import where
from shipkit.orders.database import Database
from shipkit.outputs.labels import Labels
from shipkit.outputs.report import Report
from shipkit.outputs.writeback import Confirmation, confirm, write_back
from shipkit.outputs.writeback.databases import Written, write_to_database
from shipkit.plan import questions
from shipkit.plan.preview import to_frame
from shipkit.purchasing import last_look, recovery
from shipkit.purchasing.account import require_account, require_carriers
from shipkit.purchasing.approval import ExecutionMode
from shipkit.purchasing.handover import HandoverMembers
from shipkit.purchasing.late_shipments import late_rows, surplus
from shipkit.purchasing.requote import requote_expired
from shipkit.purchasing.result import BatchResult
from shipkit.purchasing.result_frames import (
    failed_rows,
    results_frame,
    with_paid_returns,
    with_refusals,
)
from shipkit.purchasing.run import look_again
from shipkit.purchasing.run.handle import Follower, RunHandle
from shipkit.purchasing.store import JobStore
from shipkit.purchasing.void_notes import void_notes
from shipkit.settings import Settings
from shipkit.state import JobStatus, RowState

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Job", "test_numbers_allowed"]

_ENDED = (JobStatus.COMPLETED, JobStatus.COMPLETED_WITH_ERRORS, JobStatus.CANCELLED)

_WAITS_FOR = {
    RowState.PENDING: "sending",
    RowState.IN_FLIGHT: "an answer",
    RowState.IN_DOUBT: "look-up",
    RowState.REVIEW: "decision",
}
"""Row state -> what the row waits for, as :meth:`Job.review` says it."""


class Job(HandoverMembers, html.Shown):
    """One job on disk: what was bought, what was not, and what can still be done about it.

    Open one with :meth:`open`; a :class:`~shipkit.BatchSession` has its own as ``session.job``.

    Opening, printing and reading a job (results, labels, report, write-back) needs no credentials
    and no network. Voiding, tracking, resuming and restarting ask the carrier. They need the
    credentials of the account the job was bought on, and raise :class:`~shipkit.errors.JobError`
    for any other carrier, environment or account before anything is sent.

    Which one to use, when a job did not go as planned:

    - :meth:`resume` buys what was not bought yet and looks up what is in doubt. It never buys a row
      twice.
    - :meth:`cancel` ends the job. What was bought stays bought; the rest is never sent.
    - :meth:`void` cancels labels that were bought, at the carrier, for a refund.
    - :meth:`restart` buys the whole plan again as a new job. It is rarely what is wanted.

    Examples
    --------
    >>> import shipkit as sk
    >>> job = sk.Job.open("job-ywmb6x1z8h2e")  # doctest: +SKIP
    >>> job.status, job.live  # doctest: +SKIP
    ('paused', True)
    >>> job.resume()  # doctest: +SKIP
    """

    def __init__(self, store: JobStore, connection: Connection, settings: Settings) -> None:
        self.store = store
        """The folder of the job and its ledger."""
        self.connection = connection
        self.settings = settings
        self.restarted: Job | None = None
        """The new job that the last :meth:`restart` made, None before one."""
        self.not_looked_up: tuple[int, ...] = ()
        """Rows (places in the plan) whose old references could not be looked up on opening."""
        self._run: RunHandle | None = None

    @classmethod
    def open(
        cls,
        job_id: str,
        *,
        home: str | Path | None = None,
        carrier: Carrier | str | None = None,
        carriers: Carriers | None = None,
        concurrency: int | None = None,
        rate_limit: float | None = None,
    ) -> Job:
        """Open a job by its id.

        A finished job may have rows whose shipment could still turn up at the carrier. They are
        looked up now if the carrier is set up for the job's account. If it is not, opening goes on
        without, and the job's repr and :meth:`review` say how many rows wait for it.

        Parameters
        ----------
        job_id
            As ``sk.jobs()`` lists it.
        home
            Where jobs are kept; default: ``SHIPKIT_HOME``, then the user's data folder.
        carrier
            A carrier set up for the job's account; default: the job's own carrier, with the
            credentials in the environment.
        carriers
            The same for a job with several accounts: carriers by the names that the job has for
            them; default: the job's own, with the credentials in the environment.
        concurrency, rate_limit
            Most requests at the same time, and started per second; default: the job's own pace.

        Raises
        ------
        JobNotFound
            There is no such job in this home.
        CheckpointCorrupt, CheckpointVersion
            The folder is damaged, or was written by a newer shipkit.
        """
        settings = Settings.read(home=home)
        store = JobStore.open(settings.home, job_id)
        pace = store.manifest.facts.get("pace") or {}
        connection = Connection(
            carrier,
            settings,
            several=carriers,
            default=_own_carriers(store),
            concurrency=pace.get("concurrency") if concurrency is None else concurrency,
            rate_limit=pace.get("rate_limit") if rate_limit is None else rate_limit,
        )
        job = cls(store, connection, settings)
        job._look_up_late_rows()
        return job

    # -- what it is ------------------------------------------------------------------------------

    @property
    def job_id(self) -> str:
        """The id of the job, ``job-`` and twelve characters."""
        return self.store.job_id

    @property
    def name(self) -> str | None:
        """The name that the job was given, if any."""
        return self.store.manifest.name

    @property
    def path(self) -> Path:
        """The folder of the job: plain Parquet files, readable without shipkit."""
        return self.store.path

    @property
    def identity(self) -> CarrierIdentity:
        """Carrier, environment and account (its last four characters) that the job buys on."""
        return self.store.manifest.identity

    @property
    def live(self) -> bool:
        """Whether the labels of this job cost real money."""
        return self.store.manifest.live

    @property
    def mode(self) -> ExecutionMode:
        """The mode the job was started in: CONFIRM (a person approved it) or AUTO."""
        return ExecutionMode.of(self.store.manifest.mode)

    @property
    def status(self) -> str:
        """Where the job is in its life.

        ``running``, ``paused``, ``failed`` (both can be resumed), ``completed``,
        ``completed_with_errors`` or ``cancelled``.
        """
        return "running" if self.running else str(self.store.status)

    @property
    def carrier(self) -> Carrier:
        """The carrier of a job with one account, set up for that account; made on first use.

        See :attr:`carriers` for a job with several.

        Raises
        ------
        JobError
            The settings, or the carrier that was given, are for another carrier, environment or
            account. The message says what to set.
        SettingsError
            Credentials are missing.
        """
        self._accounts()
        return self.connection.carrier

    @property
    def carriers(self) -> dict[str, Carrier]:
        """The carriers by the names of their accounts, set up for the job's own accounts.

        Raises JobError and SettingsError as :attr:`carrier`.
        """
        return {account.name: account.carrier for account in self._accounts()}

    # -- what was bought -------------------------------------------------------------------------

    def results(self, state: str | None = None) -> pd.DataFrame:
        """Return the results, one row per shipment of the plan, in its order.

        Parameters
        ----------
        state
            Only rows in this state: ``shipped``, ``failed``, ``in_doubt``, ``pending``,
            ``review``, ``voided`` or ``skipped``.

        Returns
        -------
        DataFrame
            The columns of :func:`shipkit.purchasing.result_frames.results_frame`.
        """
        return results_frame(self.store, state)

    def failed_rows(self) -> pd.DataFrame:
        """Return the source rows that did not ship, with ``problem`` and ``fix`` for each.

        Correct them, load them as new orders, and only they are bought. Rows in doubt are not
        among them, because they may have been bought.
        """
        return failed_rows(self.store)

    def review(self) -> pd.DataFrame:
        """Return the results with a column ``waits_for``: what each open row needs next.

        ``sending`` (not sent yet), ``an answer`` (being sent), ``look-up`` (the carrier must be
        asked whether it was bought; :meth:`resume` does) or ``decision`` (the carrier does not
        find it; :meth:`decide` settles it). Null for rows that need nothing. Changes nothing.
        """
        frame = self.results()
        waits = [_WAITS_FOR.get(state) for state in frame["state"]]
        for row in self.not_looked_up:
            waits[row] = waits[row] or "look-up"
        return frame.assign(waits_for=to_frame(pa.table({"x": pa.array(waits, pa.string())}))["x"])

    @property
    def labels(self) -> Labels:
        """The labels that were bought: save them as files, or look at them."""
        return Labels.of(self.store)

    def report(self) -> Report:
        """Return the day sheet: what was spent, what failed, what is in doubt, what to do next."""
        return Report.of(self.store)

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

        Parameters
        ----------
        dest
            A file, or a :class:`~shipkit.Database` whose rows are updated; default: a copy of the
            orders file next to it, named ``<orders>_shipped``. Every source row is in it, in
            order.
        columns
            Result column -> heading or database column.
        in_place
            Write into the orders file itself, and keep a backup next to it.
        layout
            Write the file that a marketplace imports instead: ``amazon``, ``ebay``, ``shopify`` or
            ``woocommerce``.
        allow_test_numbers
            A sandbox or test job has made-up tracking numbers. They go into no orders file,
            database or marketplace file unless this is True.
        really
            Deprecated: use `allow_test_numbers`. So is ``in_place="really"``.

        Returns
        -------
        Path, tuple of Path, Written or Confirmation
            The file written (several if the orders were several files), what was updated in the
            database, or the marketplace file and what to know about it.

        Raises
        ------
        SourceChanged
            The orders are no longer those that were read.
        WriteBackError
            The destination cannot be written, or the numbers are made up. No result is lost.
        """
        in_place, allowed = test_numbers_allowed(in_place, really=really, allow=allow_test_numbers)
        if layout is not None:
            if columns is not None or in_place or isinstance(dest, Database):
                raise InputError(
                    "layout= writes the file that a marketplace imports, which has columns of its "
                    "own: it cannot be combined with columns=, in_place= or a database.",
                    fix="Leave columns and in_place out, and give a file as dest.",
                )
            return confirm(
                self.store,
                layout,
                dest,
                allow_test_numbers=allowed,
                layout_folder=self.settings.config.parent / "layouts",
            )
        if isinstance(dest, Database):
            return write_to_database(self.store, dest, columns=columns, allow_test_numbers=allowed)
        return write_back(
            self.store, dest, columns=columns, in_place=in_place, allow_test_numbers=allowed
        )

    # -- at the carrier --------------------------------------------------------------------------

    def void(self, clause: str | None = None, *, all: bool = False) -> pd.DataFrame:  # noqa: A002 - the public name
        """Void labels that were bought, for a refund by the carrier. Safe to repeat.

        Before it is asked, a warning has the labels that are older than the carrier's limit, on a
        manifest, or in a pickup that stays booked.

        Parameters
        ----------
        clause
            A SQL expression over the result columns, such as ``"order_id = '17'"``.
        all
            Void every label of the job.

        Returns
        -------
        DataFrame
            The results of the rows that matched. ``refund`` is ``submitted`` where the carrier
            decides about the money later (EasyPost): voiding again and :meth:`track` ask what
            became of it, and voiding asks again for one that is ``rejected``. A row the carrier
            would not void is still ``shipped``, with the carrier's answer in ``error_code``,
            ``error_message`` and ``fix``; where some of its labels are voided, it has the others
            only, and ``error_message`` names those. A voided parcel whose return label is still
            paid for says so there.

        Raises
        ------
        JobError
            The carrier is not set up for the job's own account. Nothing was voided.
        CarrierUnreachable, AuthenticationFailed
            The carrier answered for none of the shipments. Voiding again is safe.
        JobRunning
            The job is running in this session.
        """
        if (clause is None) == (not flag("all", all)):
            raise InputError(
                "void() needs a clause or all=True, and not both.",
                fix="void(\"order_id = '17'\"), or void(all=True).",
            )
        self._refuse_while_running()
        table = self.store.results()
        chosen = (
            list(where.matching(table, clause, {}))
            if clause is not None
            else list(range(table.num_rows))
        )
        states = table.column("state").to_pylist()
        refunds = table.column("refund").to_pylist()
        rows = [
            row
            for row in chosen
            if states[row] == RowState.SHIPPED or refunds[row] in Refund.owed()
        ]
        notes = void_notes(self.store, chosen)
        if not rows:
            self._refuse_other_account()
            _warn(notes)
            return to_frame(table.take(pa.array(chosen, pa.int64())))
        accounts = self._accounts()
        _warn(notes)
        outcome = self.connection.run(recovery.void_rows(self.store, accounts, rows))
        recovery.refuse_silence(outcome)
        # What the ledger says of a row that lost some of its labels has the answer.
        words = {row: e for row, e in outcome.refused.items() if row not in outcome.in_part}
        results = with_paid_returns(with_refusals(self.store.results(), words))
        return to_frame(results.take(pa.array(chosen, pa.int64())))

    def void_surplus(self) -> int:
        """Void shipments that the carrier has beyond the ones on record; return how many.

        They exist when an attempt that was concluded absent turned up after all.
        """
        self._refuse_while_running()
        if not surplus(self.store).num_rows:
            self._refuse_other_account()
            return 0
        return self.connection.run(recovery.void_surplus(self.store, self._accounts()))

    def track(self, *, changes: bool = False, history: bool = False) -> pd.DataFrame:
        """Return where the parcels are, one row per parcel.

        See :data:`shipkit.plan.questions.TRACKING` for the columns.

        Parameters
        ----------
        changes
            Return only the parcels that have moved since the last look, with the column
            ``status_before``. Each call is a look, whatever it returns.
        history
            Return what happened to each parcel instead, one row per event, the latest first
            (:data:`shipkit.plan.questions.EVENTS`). Empty where the carrier tells no events.
        """
        flag("changes", changes)
        flag("history", history)
        self.connection.run(recovery.update_refunds(self.store, self._accounts()))
        look, events = self.connection.run(
            questions.track_with_events(self.store.results(), self._accounts())
        )
        moved = last_look.changes(self.store.path, look)
        try:
            last_look.remember(self.store.path, look)
        except OSError:
            if changes:  # to look needs no place to write; to tell what changed does
                raise
        if not history:
            return to_frame(moved if changes else look)
        if changes:
            news = moved.column("tracking_number").combine_chunks()
            events = events.filter(pc.is_in(events.column("tracking_number"), value_set=news))
        return to_frame(events)

    # -- going on --------------------------------------------------------------------------------

    def decide(self, clause: str, choice: str) -> pd.DataFrame:
        """Settle rows in review: rows that may have been bought and that the carrier does not find.

        Look them up in the carrier's own shipping history first. :meth:`resume` then sends what is
        to be sent.

        Parameters
        ----------
        clause
            A SQL expression over the result columns; rows in other states are left alone.
        choice
            ``"resend"`` to buy them under a new reference, ``"skip"`` to set them aside.

        Returns
        -------
        DataFrame
            The results of the rows that were settled.
        """
        self._refuse_while_running()
        table = self.store.results()
        states = table.column("state").to_pylist()
        rows = [i for i in where.matching(table, clause, {}) if states[i] == RowState.REVIEW]
        if not rows:
            raise InputError(
                f"No row in review matches {clause!r}.",
                fix='results("review") lists the rows that wait for a decision.',
            )
        if choice == "resend":
            # If today's settings are for another account, these rows may have been looked for in
            # that one, and a second label would be bought for each that exists in the right one.
            self._refuse_other_account()
        recovery.decide(self.store, rows, choice)
        return to_frame(self.store.results().take(pa.array(rows, pa.int64())))

    def resume(
        self,
        *,
        on_error: str = "continue",
        confirm_total: Money | str | None = None,
        progress: Follower = None,
    ) -> BatchResult:
        """Buy what is left, look up what is in doubt, and return the counts of the whole job.

        Nothing is bought twice. A finished job is returned as it is. Ctrl-C pauses again.

        Parameters
        ----------
        on_error
            ``"continue"``, or ``"halt"`` at the first row that fails.
        confirm_total
            When the quotes expired, the rest is priced again. If it costs more than was approved
            (beyond the allowed drift), ApprovalRequired gives the new total; pass that total here
            to agree to it.
        progress
            A callable given a :class:`~shipkit.purchasing.signals.Progress`; None for a bar in a
            terminal or notebook; False for none.

        Raises
        ------
        JobError
            The carrier is not set up for the job's own account. Nothing was sent.
        ApprovalRequired, SpendLimitExceeded
            The rest became too expensive. Nothing more was bought.
        CheckpointLocked
            Another process is running the job.
        """
        return self.start_resume(
            on_error=on_error, confirm_total=confirm_total, progress=progress
        ).watch()

    def start_resume(
        self,
        *,
        on_error: str = "continue",
        confirm_total: Money | str | None = None,
        progress: Follower = None,
    ) -> RunHandle:
        """Do what :meth:`resume` does in the background, and return a handle at once."""
        one_of("on_error", on_error, ("continue", "halt"))
        self._refuse_while_running()
        if self._nothing_left:
            self._refuse_other_account()
            self._run = RunHandle.ended(BatchResult.of(self.store))
            return self._run
        agreed = None if confirm_total is None else Money.of(confirm_total)
        self.connection.run(
            requote_expired(
                self.store,
                self._accounts(),
                now=_now(),
                confirmed=agreed,
            )
        )
        return self._launch(on_error=on_error, progress=progress)

    def restart(
        self,
        *,
        confirm_paid_labels: int | None = None,
        void_first: bool = False,
        progress: Follower = None,
    ) -> BatchResult:
        """Buy the whole plan again as a new job with new labels; this job is cancelled.

        Parameters
        ----------
        confirm_paid_labels
            The number of labels that are paid for already, to confirm that they will be paid for
            twice.
        void_first
            Void those labels before anything is bought.

        Returns
        -------
        BatchResult
            Of the new job, which is :attr:`restarted` from now on.

        Raises
        ------
        RestartUnconfirmed
            `confirm_paid_labels` is missing or is another number. Nothing was bought or voided.
        JobError
            The carrier is not set up for the job's own account.
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
        self._refuse_while_running()
        self._accounts()  # refuses another account before a new job is on disk
        if (
            flag("void_first", void_first)
            and confirm_paid_labels == BatchResult.of(self.store).shipped
        ):
            self.void(all=True)
            confirm_paid_labels = BatchResult.of(self.store).shipped
        store = recovery.restart(self.store, confirm_paid_labels=confirm_paid_labels)
        self.restarted = job = Job(store, self.connection, self.settings)
        return job._launch(on_error="continue", progress=progress)

    @property
    def execution(self) -> RunHandle | None:
        """The last run that was started here, None before one."""
        return self._run

    @property
    def running(self) -> bool:
        """Whether the job is running here. In another process: ``status == "running"``."""
        return self._run is not None and self._run.running

    def pause(self) -> None:
        """Stop sending; what is in flight is finished and recorded. The job can be resumed."""
        if self._run is not None:
            self._run.pause()

    def cancel(self) -> BatchResult:
        """End the job: what is in flight is finished and recorded, the rest is never sent.

        Labels that were bought stay valid, and are voided only by :meth:`void`.
        """
        if self._run is not None and self._run.running:
            self._run.cancel()
            self._run.wait()
        else:
            recovery.cancel(self.store)
        return BatchResult.of(self.store)

    # -- looking at it ---------------------------------------------------------------------------

    def panel(self) -> Any:
        """Return a panel for a notebook cell: progress, Resume, Cancel, labels and results."""
        # By name, because the notebook layer lies above this one and scripts never load it.
        return import_module("shipkit.notebook").panel(self)

    @property
    def plot(self) -> Any:
        """Plots of the quotes and charges; see :class:`shipkit.notebook.plots.Plots`."""
        return import_module("shipkit.notebook.plots").Plots(self)

    def close(self) -> None:
        """Pause the job if it is running here, and close connections. Safe to repeat."""
        for job in (self, self.restarted):
            if job is not None and job.running:
                job.pause()
                assert job.execution is not None  # noqa: S101 - it is running
                job.execution.wait()
        self.connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        counts = self.store.status_counts()
        to_ship = self.store.manifest.shipments - counts[RowState.SKIPPED]
        parts = [
            self.name or "job",
            str(self.identity),
            self.status.replace("_", " "),
            f"{counts[RowState.SHIPPED]:,} of {to_ship:,} shipped",
            *([self._to_look_up] if self.not_looked_up else []),
            self.job_id,
        ]
        return f"<Job {' | '.join(parts)}>"

    def _repr_html_(self) -> str:
        lines = BatchResult.of(self.store).lines()
        if self.not_looked_up:
            lines.append(("To look up", self._to_look_up))
        return html.block(html.facts(lines), name="shipkit-job")

    # -- inside ----------------------------------------------------------------------------------

    @property
    def _to_look_up(self) -> str:
        count = len(self.not_looked_up)
        return f"{count:,} {'row waits' if count == 1 else 'rows wait'} to be looked up"

    @property
    def _nothing_left(self) -> bool:
        """Whether the job has ended and no shipment of it can still turn up."""
        return self.store.status in _ENDED and not self._late_rows()

    def _late_rows(self) -> list[int]:
        """Return the rows that a look-up can still change: by a shipment, or by a label file."""
        given = [account.carrier for account in self.connection.given]
        try:
            able = [plugin(each) if isinstance(each, str) else each for each in given]
        except SettingsError:  # of a package that is no longer installed
            return late_rows(self.store)
        labels = any(each.capabilities.recovery in PREPARED for each in able)
        return late_rows(self.store, labels=labels)

    def _accounts(self) -> Accounts:
        """Return the job's own accounts, set up. Raises JobError for any other."""
        manifest = self.store.manifest
        require_carriers(manifest, self.connection.given)
        accounts = self.connection.accounts(of_job=True)
        require_account(manifest, accounts)
        return accounts

    def _launch(self, *, on_error: str, progress: Follower) -> RunHandle:
        self.not_looked_up = ()
        self._run = RunHandle.start(
            self.store,
            self._accounts(),
            self.connection.portal,
            grace_s=self.settings.grace_s,
            on_error=on_error,
            progress=progress,
        )
        return self._run

    def _refuse_while_running(self) -> None:
        if self.running:
            raise JobRunning(
                f"{self.job_id} is running in this session.",
                fix="Wait until it ends, or pause it.",
            )

    def _refuse_other_account(self) -> None:
        """Raise JobError for another account, where no call is made and credentials may be missing.

        What happens to need no call today must not depend on the settings tomorrow: a void in the
        wrong shell is refused even if nothing is left to void.
        """
        try:
            self._accounts()  # checks them
        except SettingsError:
            return

    def _look_up_late_rows(self) -> None:
        """Look up rows of a finished job whose shipment may still turn up, if that is possible."""
        if self.store.status not in _ENDED:
            return
        rows = self._late_rows()
        if not rows:
            return
        try:
            self.connection.run(look_again(self.store, self._accounts()))
        except ShipkitError:  # no credentials, another account: reading the job needs neither
            self.not_looked_up = tuple(sorted(rows))


def _own_carriers(store: JobStore) -> str | dict[str, str]:
    """Return the carrier of a job, or those of its accounts by name."""
    manifest = store.manifest
    return {each.name: each.carrier for each in manifest.accounts} or manifest.carrier


def _warn(notes: Sequence[str]) -> None:
    for note in () if quiet.get() else notes:
        warnings.warn(note, UserWarning, stacklevel=3)


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


def test_numbers_allowed(in_place: bool | str, *, really: bool, allow: bool) -> tuple[bool, bool]:
    """Return `in_place` and whether made-up numbers may be written, from old and new spellings.

    Until the second release the spellings were ``in_place="really"`` and ``really=True``.
    """
    if in_place == "really" or really:
        warnings.warn(
            'in_place="really" and really=True are now spelled allow_test_numbers=True.',
            DeprecationWarning,
            stacklevel=3,
        )
        allow = True
    else:
        flag("in_place", in_place)
    return bool(in_place), flag("allow_test_numbers", allow)
