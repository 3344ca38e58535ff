"""BatchSession: from an orders file to labels that were approved and bought, in one object.

A session is orders that are not bought yet; :attr:`BatchSession.job` is the job that buying them
made (:class:`shipkit.Job`). The class is written in four files by topic: what it knows about its
orders (``order_members``), what they cost (``price_members``), what it passes on to its job
(``job_members``), and, here, how a preview is approved and becomes a job.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from shipkit.carriers.connection import Carriers, Connection
from shipkit.carriers.protocol import Carrier, CarrierIdentity
from shipkit.common import html
from shipkit.common.choices import one_of
from shipkit.common.portal import demand_asyncio
from shipkit.common.turns import Place, Turns
from shipkit.errors import ApprovalRequired, JobRunning, ModeLocked, PlanChanged, ShipkitError
from shipkit.job import Job
from shipkit.models import Address, LabelFormat, LabelSpec
from shipkit.plan import preview_store
from shipkit.plan.plan import Plan
from shipkit.plan.planner import Planner
from shipkit.plan.preview import MAX_QUOTE_AGE
from shipkit.plan.preview_store import PreviewRecord
from shipkit.purchasing import approval
from shipkit.purchasing.approval import Approval, ExecutionMode, SpendLimits
from shipkit.purchasing.draft import PurchaseTerms, draft_job
from shipkit.purchasing.result import BatchResult
from shipkit.purchasing.run.handle import Follower, RunHandle
from shipkit.purchasing.store import JobStore
from shipkit.session.job_members import JobMembers
from shipkit.session.order_members import shipper_from
from shipkit.session.price_members import PriceMembers
from shipkit.session.turn_members import in_turn
from shipkit.settings import Settings

__all__ = ["BatchSession", "RunHandle"]


class BatchSession(PriceMembers, JobMembers, html.Shown):
    """A batch of orders on its way to shipping labels.

    A session reads orders, prices every row, and buys labels only for a preview that was approved.
    The steps, in order:

    1. Give the orders to the constructor or to :meth:`load`. Narrow them with :meth:`where`, and
       set how a row becomes a shipment with :meth:`map` if the recognised columns are not right.
    2. :meth:`preview` prices every row. :attr:`summary` has the total, :attr:`problems` what is
       wrong and how to fix it; :meth:`skip` and :meth:`edit` set rows aside or correct them.
    3. :meth:`approve` records that a person agreed to exactly this preview: these shipments, at
       these prices, from this account.
    4. :meth:`execute` buys each label once, and makes a job on disk. If it is interrupted,
       :meth:`resume` continues it, also in another process.
    5. :attr:`labels`, :meth:`results` and :meth:`write_back` are what you came for.

    Steps can be repeated in any order, as notebook cells are. Changing the orders after an approval
    makes the approval invalid, and running :meth:`execute` again buys nothing.

    Parameters
    ----------
    source
        Orders, as for :meth:`load`: a path or glob, DataFrame, Arrow table, list of dicts, DuckDB
        relation or :class:`~shipkit.Database`.
    where, template, service
        As for :meth:`where` and :meth:`map`.
    shipper
        The address labels are sent from: an Address, a dict of its fields, or a name from the
        config file.
    carrier
        A carrier, or its name; default: ``SHIPKIT_CARRIER``, then the embedded sandbox, which
        makes specimen labels and costs nothing.
    carriers
        Several accounts to compare, instead of `carrier`: names or carriers in a list, or by the
        names that the batch has for them. ``carriers=["usps", "ups"]``.
    mode
        ``"confirm"`` (default): nothing is bought before :meth:`approve`. ``"auto"``: buys without
        asking, within `limits`.
    name
        A name for the job. The same orders under the same name are the same job; the same name
        with other orders is refused (JobExists).
    limits
        :class:`~shipkit.SpendLimits`, or a dict of its fields. Checked on the preview, and again
        before each purchase.
    on_duplicate
        What to do with an order that an earlier job of this home and account shipped: ``"hold"``
        it back (default), or ``"ship"`` it with a warning.
    resend
        What to do with a row that may have been bought and that the carrier does not find:
        ``"proven"`` (buy it once its absence is proven), ``"ask"`` (leave it to :meth:`decide`) or
        ``"never"``; default: the carrier's own.
    concurrency, rate_limit
        Most requests at the same time (1 or more), and started per second (greater than 0);
        default: the carrier's own pace.
    label_format, label_size
        ``"pdf"``, ``"zpl"`` or ``"png"``; ``"4x6"`` or ``"4x8"`` inches. Fixed at purchase.
    max_quote_age
        How long a preview may be approved and bought; default: 24 hours.
    home
        Where previews and jobs are kept; default: ``SHIPKIT_HOME``, then the user's data folder.

    Raises
    ------
    InputError
        An option is not valid, or the orders, filter or mapping cannot be used.

    Examples
    --------
    >>> import shipkit as sk
    >>> rows = [
    ...     {
    ...         "order_id": "1",
    ...         "name": "Ada Lee",
    ...         "address1": "1 Main St",
    ...         "city": "Austin",
    ...         "state": "TX",
    ...         "zip": "78701",
    ...         "weight_lb": 2,
    ...     }
    ... ]
    >>> shop = sk.Address(
    ...     name="Dana",
    ...     address_line1="300 Alamo Plaza",
    ...     city="San Antonio",
    ...     state="TX",
    ...     postal_code="78205",
    ...     phone="2105550100",
    ... )
    >>> with sk.BatchSession(rows, shipper=shop, service="ground") as session:
    ...     frame = session.preview()
    ...     _ = session.approve()
    ...     result = session.execute()
    >>> result.shipped
    1
    """

    def __init__(
        self,
        source: Any = None,
        *,
        where: str | Sequence[str] | None = None,
        template: str | Path | None = None,
        service: str | None = None,
        shipper: Address | Mapping[str, Any] | str | None = None,
        carrier: Carrier | str | None = None,
        carriers: Carriers | None = None,
        mode: str | ExecutionMode = "confirm",
        name: str | None = None,
        limits: SpendLimits | Mapping[str, Any] | None = None,
        on_duplicate: str = "hold",
        resend: str | None = None,
        concurrency: int | None = None,
        rate_limit: float | None = None,
        label_format: str | LabelFormat = "pdf",
        label_size: str = "4x6",
        max_quote_age: dt.timedelta = MAX_QUOTE_AGE,
        home: str | Path | None = None,
    ) -> None:
        self.settings = Settings.read(home=home)
        self.name = name
        self.max_quote_age = max_quote_age
        self.limits = SpendLimits.of(limits)
        self.on_duplicate = one_of("on_duplicate", on_duplicate, ("hold", "ship"))
        self.label = LabelSpec(
            format=one_of("label_format", str(label_format), tuple(LabelFormat)),
            size=one_of("label_size", label_size, ("4x6", "4x8")),
        )
        self._resend = (
            None if resend is None else one_of("resend", resend, ("proven", "ask", "never"))
        )
        self._turns = Turns()
        self._connection = Connection(
            carrier,
            self.settings,
            several=carriers,
            concurrency=concurrency,
            rate_limit=rate_limit,
        )
        approval.check_accounts(self.limits, self._connection.names)
        connection, settings = self._connection, self.settings
        self._planner = Planner(
            # Not by way of the session: without a cycle it is freed as soon as it is dropped.
            services=lambda: connection.services,
            shipper=shipper_from(shipper, self.settings),
            warehouses=lambda: settings.shippers,
            layouts=self.settings.config.parent / "layouts",
        )
        self._record: PreviewRecord | None = None
        self._job: Job | None = None
        self._mode = ExecutionMode.CONFIRM
        if source is not None:
            self.load(source)
        if where:
            self.where(*([where] if isinstance(where, str) else where))
        if template is not None or service is not None:
            self.map(template, service=service)
        if ExecutionMode.of(mode) is ExecutionMode.AUTO:
            self.set_mode(mode)

    @classmethod
    def open(
        cls,
        job_id: str,
        *,
        carrier: Carrier | str | None = None,
        carriers: Carriers | None = None,
        concurrency: int | None = None,
        rate_limit: float | None = None,
        home: str | Path | None = None,
    ) -> BatchSession:
        """Return a session whose :attr:`job` is a job on disk; see :meth:`shipkit.Job.open`.

        The orders themselves are not loaded. For code that only works with the job,
        ``sk.Job.open(job_id)`` is simpler.
        """
        return cls.of(
            Job.open(
                job_id,
                home=home,
                carrier=carrier,
                carriers=carriers,
                concurrency=concurrency,
                rate_limit=rate_limit,
            )
        )

    @classmethod
    def of(cls, job: Job) -> BatchSession:
        """Return a session on a job that is open already."""
        manifest = job.store.manifest
        session = cls(
            shipper=manifest.shipper,
            name=manifest.name,
            resend=manifest.resend,
            home=job.settings.home,
        )
        session.label = manifest.label
        session._mode = job.mode
        session._job, session._connection = job, job.connection
        session._planner.services = lambda: job.connection.services
        return session

    # -- approval --------------------------------------------------------------------------------

    @property
    def mode(self) -> ExecutionMode:
        """CONFIRM (buy only what was approved) or AUTO (buy within the limits without asking)."""
        return self._mode

    def set_mode(self, mode: str | ExecutionMode) -> Self:
        """Set the mode, ``"confirm"`` or ``"auto"``.

        Raises
        ------
        ModeLocked
            A job of this session is running.
        LimitsRequired
            AUTO on a live carrier needs ``limits.total``.
        """
        wanted = ExecutionMode.of(mode)
        if self._running:
            raise ModeLocked(
                f"The mode is locked while {self.job_id} executes.",
                fix="Wait until it ends, or pause it.",
            )
        if wanted is ExecutionMode.AUTO:
            approval.require_limits(self.limits, live=self.live)
        self._mode = wanted
        return self

    @in_turn
    def approve(
        self, preview_id: str | None = None, *, by: str | None = None, via: str = "session"
    ) -> Approval:
        """Approve exactly the last preview: these shipments, at these prices.

        Parameters
        ----------
        preview_id
            The preview you looked at; refused if it is not the last one. Default: the last one.
        by
            Who approves; default: the user of this process.
        via
            Where the approval was given, for the record.

        Raises
        ------
        ApprovalRequired
            There is no preview to approve yet.
        PlanChanged
            Rows, filter, template, shipper, carrier, edits or prices changed since.
        PreviewExpired
            Its quotes are too old.
        """
        record = self._record
        if record is None:
            raise ApprovalRequired(
                "There is no preview to approve.",
                fix="Call session.preview() first and look at it.",
            )
        if preview_id is not None and preview_id != record.preview_id:
            raise PlanChanged(
                f"{preview_id} is not this session's last preview ({record.preview_id}).",
                fix=f"Look at {record.preview_id} and approve that.",
            )
        self._run(self._unchanged)
        return approval.approve(self.settings.home, record.preview_id, now=_now(), by=by, via=via)

    # -- buying ----------------------------------------------------------------------------------

    @property
    def earlier_job(self) -> str | None:
        """The id of the job that the last preview's orders already have, if any.

        :meth:`execute` then goes on with that job instead of making a new one.
        """
        found = (
            JobStore.of_plan(self.settings.home, self._record.fingerprint, self.name)
            if self._record
            else None
        )
        return found.job_id if found else None

    def execute(self, *, on_error: str = "continue", progress: Follower = None) -> BatchResult:
        """Buy what was approved, each label once, and return the result.

        Executing the same orders under the same name again returns the same job and buys nothing;
        an unfinished job goes on. The first Ctrl-C pauses the job after finishing and recording
        what is in flight, the second stops at once; :meth:`resume` goes on from there.

        Rows that fail are in the result and raise nothing. So does an outage of the carrier, a
        full disk or a limit that is reached: the job ends with a status and can be resumed.

        Parameters
        ----------
        on_error
            ``"continue"``, or ``"halt"`` at the first row that fails.
        progress
            A callable given a :class:`~shipkit.purchasing.signals.Progress`; None for a bar in a
            terminal or notebook; False for none.

        Raises
        ------
        ApprovalRequired, PlanChanged, PreviewExpired, SpendLimitExceeded
            Nothing was bought. The message says what to do.
        JobExists
            The session's name belongs to a job with other orders.
        JobRunning
            A job of this session is still running.
        """
        return self.start(on_error=on_error, progress=progress).watch()

    async def aexecute(
        self, *, on_error: str = "continue", progress: Follower = None
    ) -> BatchResult:
        """Return what :meth:`execute` returns, for callers on an event loop of their own.

        Cancelling it pauses the job and waits until what is in flight is recorded.
        """
        demand_asyncio("execute")
        running = self.start(on_error=on_error, progress=False if progress is None else progress)
        return await running.awatch()

    @in_turn
    def start(self, *, on_error: str = "continue", progress: Follower = None) -> RunHandle:
        """Make every check of :meth:`execute`, then buy in the background and return a handle."""
        one_of("on_error", on_error, ("continue", "halt"))
        if self._running:
            raise JobRunning(
                f"{self.job_id} is running in this session.",
                fix="Wait until it ends, or pause it.",
            )
        store = self._run(self._publish)
        job = Job(store, self._connection, self.settings)
        handle = job.start_resume(on_error=on_error, progress=progress)
        self._job = job
        return handle

    # -- looking ---------------------------------------------------------------------------------

    @property
    def status(self) -> str:
        """``new``, ``previewed``, or the status of the job."""
        if self._job is not None:
            return self._job.status
        return "previewed" if self._preview is not None else "new"

    @property
    def carrier(self) -> Carrier:
        """The carrier; with a job, set up for its account (see :attr:`shipkit.Job.carrier`).

        For a batch with several accounts, see :attr:`carriers`.
        """
        return self._connection.carrier if self._job is None else self._job.carrier

    @property
    def carriers(self) -> dict[str, Carrier]:
        """The carriers by the names of their accounts; one for a batch with one account."""
        return self._connection.carriers if self._job is None else self._job.carriers

    @property
    def identity(self) -> CarrierIdentity:
        """Whose money is spent: carrier, environment and account, or those of all accounts."""
        return self._connection.accounts().identity if self._job is None else self._job.identity

    @property
    def live(self) -> bool:
        """Whether a purchase costs real money."""
        return self.identity.live

    def panel(self) -> Any:
        """Return a panel for a notebook cell: cost, Approve, progress, Pause, labels.

        See :func:`shipkit.notebook.panel`.
        """
        # By name, because the notebook layer lies above this one and scripts never load it.
        return import_module("shipkit.notebook").panel(self)

    @property
    def plot(self) -> Any:
        """Plots of the preview and of the job; see :class:`shipkit.notebook.plots.Plots`."""
        return import_module("shipkit.notebook.plots").Plots(self)

    @in_turn
    def close(self) -> None:
        """Pause the job if it is running, then close all connections. Safe to repeat."""
        if self._job is not None:
            self._job.close()
        self._connection.close()
        self._planner.close()

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
        parts = [self.name or "batch", self._account, self._mode.upper(), self.status]
        place = Place()
        try:  # who prints a session that is busy does not wait for it
            free = self._turns.enter(place, may_wait=lambda: False)
            if free and self._planner.clauses and self._planner.kept is not None:
                was = f" (was {self._was:,})" if self._was is not None else ""
                parts.append(f"{self.selection}{was}")
        finally:
            self._turns.leave(place)
        if self._job is not None:
            parts.append(self._job.job_id)
        elif self._preview is not None:
            parts.append(self._preview.preview_id)
        return f"<BatchSession {' | '.join(parts)}>"

    def _repr_html_(self) -> str:
        lines = [
            ("Session", self.name or "batch"),
            ("Carrier", self._account + self._money),
            ("Mode", self._mode.upper()),
            ("Status", self.status.replace("_", " ")),
        ]
        shown = {name for name, _ in lines}
        if self._job is not None:
            more = list(BatchResult.of(self._job.store).lines())
        elif self._preview is not None:
            more = list(self._preview.summary().lines())
        else:
            more = []
        lines += [line for line in more if line[0] not in shown]
        return html.block(html.facts(lines), name="shipkit-session")

    # -- inside ----------------------------------------------------------------------------------

    @property
    def _account(self) -> str:
        """Carrier, environment and account as text, the job's once there is one. Never fails."""
        if self._job is not None:
            return str(self._job.identity)
        try:
            return str(self.identity)
        except ShipkitError:
            return f"{self._connection} (not set up)"

    @property
    def _money(self) -> str:
        try:
            return "" if self.live else " (no money is spent)"
        except ShipkitError:
            return ""

    @property
    def _running(self) -> bool:
        return self._job is not None and self._job.running

    def _forget(self, *, keep_view: bool = False) -> None:
        """Drop what was made of an earlier plan.

        The record of the last preview stays, so that approving it says PlanChanged and not that
        there is none. A running job stays too: it must be possible to pause it.
        """
        if not keep_view:
            self._viewed = None
        self._priced = None
        if not self._running:
            self._job = None

    async def _unchanged(self) -> Plan:
        """Return the current plan; raise PlanChanged if it is not the one that was previewed."""
        assert self._record is not None  # noqa: S101 - callers checked
        plan = await self._plan() if self._preview is None else self._preview.plan
        if plan.fingerprint != self._record.fingerprint:
            raise PlanChanged(
                f"The batch changed since {self._record.preview_id}. Nothing was bought.",
                fix="Call session.preview() again and approve what it shows.",
            )
        return plan

    async def _publish(self) -> JobStore:
        """Return the job of the current plan: the one on disk, or a new one if it may be bought."""
        plan = self._preview.plan if self._preview is not None else await self._plan()
        existing = JobStore.of_plan(self.settings.home, plan.fingerprint, self.name)
        if existing is not None:
            return existing
        if self._preview is None:
            if self._record is not None:
                await self._unchanged()
            elif self._mode is ExecutionMode.CONFIRM:
                raise ApprovalRequired(
                    "Preview approval required: there is no preview yet. Nothing was bought.",
                    fix="Call session.preview(), look at it, then session.approve().",
                )
            await self._price()
        shown = self._preview
        assert shown is not None  # noqa: S101 - made above
        record = preview_store.recall(self.settings.home, shown.preview_id)
        given = approval.authorize(shown, record, self._mode, self.limits, now=_now())
        return JobStore.publish(
            self.settings.home, draft_job(shown, self._planner, self._terms(), given)
        )

    def _resend_of_carriers(self) -> str:
        """Return the most careful policy of the carriers, for the job as a whole."""
        found = {carrier.resend for carrier in self._connection.carriers.values()}
        if len(found) == 1:
            return found.pop()
        return next((policy for policy in ("never", "ask") if policy in found), "proven")

    def _terms(self) -> PurchaseTerms:
        return PurchaseTerms(
            name=self.name,
            label=self.label,
            mode=self._mode,
            limits=self.limits,
            resend=self._resend or self._resend_of_carriers(),
            resend_of={
                name: self._resend or carrier.resend
                for name, carrier in self._connection.carriers.items()
            },
            on_duplicate=self.on_duplicate,
            concurrency=self._connection.concurrency,
            rate_limit=self._connection.rate_limit,
        )


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)
