"""BatchSession: the stages in order, for a person, a script or an agent.

One object per batch. It holds what it was told and what it made of that; every stage is a function
elsewhere.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import re
import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import pyarrow as pa

from shipkit.carriers.pace import Pacer
from shipkit.carriers.protocol import Carrier
from shipkit.carriers.registry import carrier_named
from shipkit.common import html
from shipkit.common.portal import Portal
from shipkit.errors import (
    ApprovalRequired,
    InputError,
    JobNotFound,
    ModeLocked,
    PlanChanged,
    ShipkitError,
)
from shipkit.models import Address, LabelFormat, LabelSpec, Money
from shipkit.orders import where
from shipkit.orders.database import Database
from shipkit.orders.layouts import LayoutMatch
from shipkit.orders.masking import OPEN_ROLES, masked
from shipkit.outputs.labels import Labels
from shipkit.outputs.report import Report
from shipkit.outputs.writeback import Confirmation, confirm, write_back
from shipkit.outputs.writeback.databases import Written, write_to_database
from shipkit.plan import preview, questions
from shipkit.plan.plan import Edit, Plan
from shipkit.plan.planner import Planner
from shipkit.plan.preview import (
    MAX_QUOTE_AGE,
    PREVIEW_COLUMNS,
    Preview,
    PreviewRecord,
    Summary,
    to_frame,
)
from shipkit.purchasing import approval, history, recovery
from shipkit.purchasing.approval import Approval, ExecutionMode, SpendLimits
from shipkit.purchasing.purchase import Follower, RunHandle, Terms, all_problems, draft, renewed
from shipkit.purchasing.reconcile import late_rows
from shipkit.purchasing.result import BatchResult, failed_rows, results_frame
from shipkit.purchasing.run import look_again
from shipkit.purchasing.store import JobStore
from shipkit.settings import Settings
from shipkit.state import JobStatus, RowState

if TYPE_CHECKING:
    import pandas as pd

_ASKS_PRICES = re.compile(
    r"\b(cost\w*|\w+_cents|zone|billable_weight_lb|transit_days|delivery_date|currency)\b",
    re.IGNORECASE,
)

__all__ = ["BatchSession", "RunHandle"]


class BatchSession(html.Shown):
    """A batch of orders on its way to labels.

    Parameters
    ----------
    source
        A path, DataFrame, Arrow table, list of dicts or DuckDB relation; may be loaded later with
        :meth:`load`.
    where, template, service
        As in :meth:`where` and :meth:`map`.
    shipper
        Who ships: an Address, a dict of its fields, or the name of one in the config file.
    carrier
        A Carrier, ``"sandbox"`` or ``"ups"``; default ``SHIPKIT_CARRIER``, then the embedded
        sandbox.
    mode
        ``"confirm"`` (default): nothing is bought before :meth:`approve`. ``"auto"``: buys within
        `limits`.
    name
        A name for the job. The same name with another plan is refused (JobExists).
    limits
        SpendLimits, or a dict of its fields.
    on_duplicate
        An order that an earlier job of this home and account shipped: ``"hold"`` it back
        (default), or ``"ship"`` it with a warning.
    resend
        Rows in doubt that the carrier does not know: ``"proven"``, ``"ask"`` or ``"never"``;
        default: the carrier's own.
    concurrency, rate_limit
        Requests at a time, and per second; default: the carrier's own pace.
    label_format, label_size
        ``"pdf"``, ``"zpl"``, ``"png"``; ``"4x6"`` or ``"4x8"`` inches. Chosen at purchase.
    max_quote_age
        How long a preview may be approved and bought; default 24 hours.
    home
        Where previews and jobs live; default ``SHIPKIT_HOME``, then the user's data folder.

    Examples
    --------
    >>> import shipkit as sk
    >>> rows = [{"order_id": "1", "name": "Ada Lee", "address1": "1 Main St", "city": "Austin", "state": "TX", "zip": "78701", "weight_lb": 2}]
    >>> shop = sk.Address(name="Dana", address_line1="300 Alamo Plaza", city="San Antonio", state="TX", postal_code="78205", phone="2105550100")
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
        self.on_duplicate = _one_of("on_duplicate", on_duplicate, ("hold", "ship"))
        self.label = LabelSpec(
            format=_one_of("label_format", str(label_format), tuple(LabelFormat)),
            size=_one_of("label_size", label_size, ("4x6", "4x8")),
        )
        self._resend = (
            None if resend is None else _one_of("resend", resend, ("proven", "ask", "never"))
        )
        self._concurrency, self._rate_limit = concurrency, rate_limit
        self._carrier_given = carrier
        self._carrier: Carrier | None = None
        self._portal = Portal()
        self._planner = Planner(
            shipper=_shipper(shipper, self.settings),
            layouts=self.settings.config.parent / "layouts",
        )
        self._preview: Preview | None = None
        self._record: PreviewRecord | None = None
        self._store: JobStore | None = None
        self._execution: RunHandle | None = None
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
        concurrency: int | None = None,
        rate_limit: float | None = None,
        home: str | Path | None = None,
    ) -> BatchSession:
        """Return a session on a job on disk: results, labels, resume, void, write-back. It keeps the job's pace unless told another. Raises JobNotFound."""
        settings = Settings.read(home=home)
        store = JobStore.open(settings.home, job_id)
        manifest = store.manifest
        pace = manifest.facts.get("pace") or {}
        session = cls(
            shipper=manifest.shipper,
            carrier=carrier or manifest.identity.name,
            name=manifest.name,
            resend=manifest.resend,
            concurrency=concurrency or pace.get("concurrency"),
            rate_limit=rate_limit or pace.get("rate_limit"),
            home=settings.home,
        )
        session._store = store
        session.label = manifest.label
        session._mode = ExecutionMode.of(manifest.mode)
        session._look_again()
        return session

    # -- the orders -------------------------------------------------------------------------------

    def load(self, source: Any, **options: Any) -> Self:
        """Read orders; forgets what was made of an earlier source.

        Parameters
        ----------
        source
            As in the class.
        **options
            ``types={"column": "VARCHAR"}`` pins a type; ``sheet``, ``delimiter``, ``encoding``,
            ``order_key``; ``layout`` names a known export (see :attr:`layout`), or is False to
            look for none.
        """
        self._planner.load(source, **options)
        self._forget()
        return self

    @property
    def shipper(self) -> Address | None:
        """Who ships and pays; None before anybody was named."""
        return self._planner.shipper

    def ship_from(self, shipper: Address | Mapping[str, Any] | str) -> Self:
        """Name who ships: an Address, a dict of its fields, or the name of one in the config file."""
        self._planner.ship_from(_shipper(shipper, self.settings))
        self._forget()
        return self

    @property
    def order_count(self) -> int:
        """How many orders were loaded, before any filter."""
        return int(self._planner.orders.count)

    @property
    def columns(self) -> list[str]:
        """The names of the columns, as filters and templates know them."""
        return [column.key for column in self._planner.loaded.columns]

    @property
    def layout(self) -> LayoutMatch | None:
        """The known export that the headings told, and why; None when the columns were recognised one by one."""
        return self._planner.loaded.layout

    @property
    def load_report(self) -> Any:
        """What was read, repaired and dropped."""
        return self._planner.loaded.report

    def describe(self) -> pd.DataFrame:
        """Return a line a column: ``name``, ``type``, ``non_null``, ``distinct``, ``examples``."""
        return self._planner.loaded.describe()

    def sample(self, n: int = 5) -> pd.DataFrame:
        """Return the first `n` orders that the filter lets through, with the source's columns."""
        return to_frame(self._planner.sample(n))

    def where(self, *clauses: str, **params: Any) -> Self:
        """Keep only the orders that match; replaces the last filter, and no clause clears it.

        Clauses are AND-ed SQL expressions over the source's columns, ``$name`` is bound from
        `params`. An order is kept whole when any of its lines matches. The session's repr says
        "412 of 800 orders (was 800)"; a filter that lets nothing through warns, with what the
        compared columns commonly hold. Raises FilterError.
        """
        before = self._planner.kept
        now = self._planner.where(clauses, params).count
        self._was = before if before != now else None
        self._forget()
        if not now:
            warnings.warn(self.selection, stacklevel=2)
        return self

    @property
    def filter(self) -> tuple[tuple[str, ...], dict[str, Any]]:
        """The clauses in force and the values bound in them."""
        return self._planner.clauses, dict(self._planner.params)

    @property
    def selection(self) -> str:
        """How many orders the filter keeps: "412 of 800 orders"; when none, what the compared columns commonly hold."""
        chosen = self._planner.selected()
        return str(chosen) if chosen.count or not chosen.total else f"{chosen}. {chosen.explain()}"

    def map(
        self,
        template: str | Path | None = None,
        *,
        columns: Mapping[str, str] | None = None,
        service: str | None = None,
        services: Mapping[str, str] | None = None,
        defaults: Mapping[str, Any] | None = None,
        references: Mapping[str, str] | None = None,
        ship_date: dt.date | str | None = None,
        weights: str | None = None,
        parcels: str | None = None,
        skus: Any = None,
    ) -> Self:
        """Say how a row becomes a shipment; replaces what was said before.

        Parameters
        ----------
        template
            Jinja2: a `str` is template text, a `Path` a file. None: columns are recognised.
        columns
            Field -> heading, where recognition needs to be told.
        service
            One service for all rows, or a rule (``"cheapest"``, ``"fastest"``, ``"cheapest within
            3 days"``).
        services
            Value in the service column -> service.
        defaults
            Field -> value for rows that lack it (``{"weight_lb": 2}``).
        references
            Reference -> heading (``{"po": "PO Number"}``), printed on the label.
        ship_date
            Day of shipping; default: the day of purchase.
        weights
            What the weight column of orders of several lines is of: ``"unit"``, ``"line"`` or
            ``"order"``; default: as the layout or the heading says.
        parcels
            ``"one"`` (default) or a limit, ``"max 40 lb"``: heavier orders become several equal
            parcels.
        skus
            A table (frame, list of dicts, file) with the weight of each SKU, and perhaps its
            dimensions and boxes: fills missing weights, visibly.
        """
        day = dt.date.fromisoformat(ship_date) if isinstance(ship_date, str) else ship_date
        self._planner.map(
            template=template,
            columns=columns,
            service=service,
            services=services,
            defaults=defaults,
            references=references,
            ship_date=day,
            weights=weights,
            parcels=parcels,
            skus=skus,
        )
        self._forget()
        return self

    @property
    def template(self) -> str:
        """The Jinja2 text in use, or the one that says the same as the recognised columns: edit it and pass it to :meth:`map`."""
        return self._planner.template()

    def skip(self, clause: str, reason: str | None = None) -> Edit:
        """Set the shipments that match `clause` aside. The clause sees preview columns and the source's own."""
        made = self._planner.edit("skip", clause, self._view(clause), reason=reason)
        self._forget(keep_view=True)
        return made

    def unskip(self) -> Self:
        """Take back every :meth:`skip`."""
        self._planner.drop_edits("skip")
        self._forget(keep_view=True)
        return self

    def edit(self, clause: str, **fields: Any) -> Edit:
        """Set fields of the shipments that match `clause`: ``session.edit("order_id = '17'", postal_code="02134")``."""
        made = self._planner.edit("edit", clause, self._view(clause), fields=fields)
        self._forget(keep_view=True)
        return made

    @property
    def edits(self) -> pd.DataFrame:
        """What was set aside or changed by hand: ``action``, ``clause``, ``rows``, ``fields``, ``reason``."""
        import pandas as pd

        return pd.DataFrame(
            [
                {
                    "action": e.action,
                    "clause": e.clause,
                    "rows": len(e.row_numbers),
                    "fields": dict(e.fields),
                    "reason": e.reason,
                }
                for e in self._planner.edits
            ],
            columns=["action", "clause", "rows", "fields", "reason"],
        )

    # -- price and approval -----------------------------------------------------------------------

    def preview(self, *, include: Sequence[str] = (), mask: bool = False) -> pd.DataFrame:
        """Price every row and return the preview: a line a shipment, see :data:`shipkit.plan.preview.PREVIEW_COLUMNS`.

        ``cost_cents`` is exact (Int64, minor units), ``cost`` a float for people. A row that
        cannot be bought has null cost and a ``problem``, and is in no total. `include` carries
        columns of the source along. `mask` shows initials for names and hides what else may name a
        person, for notebooks that others read.
        """
        return self._portal.run(self._price_and_frame(include, mask=mask))

    async def apreview(self, *, include: Sequence[str] = (), mask: bool = False) -> pd.DataFrame:
        """Async twin of :meth:`preview`."""
        return await asyncio.wrap_future(
            self._portal.start(self._price_and_frame(include, mask=mask))
        )

    @property
    def previewed(self) -> Preview:
        """The preview in force. Makes one when there is none."""
        return self._preview or self._portal.run(self._price())

    @property
    def summary(self) -> Summary:
        """What the preview comes to. Makes one when there is none."""
        shown = self.previewed
        record = preview.recall(self.settings.home, shown.preview_id)
        return shown.summary(mode=self.mode, approved=approval.stored_approval(record) is not None)

    @property
    def problems(self) -> pd.DataFrame:
        """Every problem of every row: ``row_number``, ``field``, ``value``, ``problem``, ``fix``, ``severity``, ``code``."""
        shown = self._preview or self._portal.run(self._unpriced())
        return to_frame(all_problems(shown))

    def shop(self) -> pd.DataFrame:
        """Return what every service costs for every shipment: a line each, cheapest first, see :data:`shipkit.plan.questions.SHOP`. Buys and changes nothing."""
        plan = self._portal.run(self._plan())
        return to_frame(
            self._portal.run(questions.shop(plan.table, plan.shipper, self.carrier, self._pacer()))
        )

    def validate_addresses(self, *, accept: bool | Sequence[int] = False) -> pd.DataFrame:
        """Ask the carrier whether the addresses exist and are homes: a line a shipment, see :data:`shipkit.plan.questions.ADDRESSES`.

        `accept` takes suggestions as edits, listed in :attr:`edits`: True where there is one
        correction, row numbers for their first candidate.
        """
        plan = self._portal.run(self._plan())
        checks = self._portal.run(
            questions.check_addresses(plan.table, self.carrier, self._pacer())
        )
        if accept is not False:
            self._planner.edits = (
                *self._planner.edits,
                *questions.accepted(checks, None if accept is True else accept),
            )
            self._forget()
        return to_frame(checks)

    @property
    def preview_id(self) -> str | None:
        """The id of the last preview, None before there is one."""
        return self._record.preview_id if self._record else None

    @property
    def earlier_job(self) -> str | None:
        """The id of the job that the last preview's plan already has: executing goes on with it and buys nothing anew. None when there is none."""
        found = (
            JobStore.of_plan(self.settings.home, self._record.fingerprint, self.name)
            if self._record
            else None
        )
        return found.job_id if found else None

    @property
    def mode(self) -> ExecutionMode:
        """CONFIRM or AUTO."""
        return self._mode

    def set_mode(self, mode: str | ExecutionMode) -> Self:
        """Choose CONFIRM or AUTO. Raises ModeLocked while a job of this session executes, LimitsRequired for AUTO on a live carrier without a total."""
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

    def approve(
        self, preview_id: str | None = None, *, by: str | None = None, via: str = "session"
    ) -> Approval:
        """Say yes to exactly this preview: these shipments at these prices.

        Raises
        ------
        ApprovalRequired
            There is no preview to approve yet.
        PlanChanged
            Rows, filter, template, shipper, carrier, edits or prices moved since.
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
        self._portal.run(self._unchanged())
        return approval.approve(self.settings.home, record.preview_id, now=_now(), by=by, via=via)

    # -- buying -----------------------------------------------------------------------------------

    def execute(self, *, on_error: str = "continue", progress: Follower = None) -> BatchResult:
        """Buy what was approved, each label once, and return how the job stands.

        The same plan and name again returns the same job and buys nothing; an unfinished job is
        continued. Ctrl-C once pauses (what is in flight is finished and recorded), twice stops at
        once; :meth:`resume` goes on.

        Parameters
        ----------
        on_error
            ``"continue"``, or ``"halt"`` at the first failed row.
        progress
            A callable given a Progress; None for a bar where somebody looks; False for none.

        Raises
        ------
        ApprovalRequired, PlanChanged, PreviewExpired, SpendLimitExceeded
            Nothing was bought.
        """
        return self.start(on_error=on_error, progress=progress).watch()

    async def aexecute(
        self, *, on_error: str = "continue", progress: Follower = None
    ) -> BatchResult:
        """Async twin of :meth:`execute`. Cancelling it pauses the job and waits until what is in flight is recorded."""
        running = self.start(on_error=on_error, progress=False if progress is None else progress)
        return await running.awatch()

    def start(self, *, on_error: str = "continue", progress: Follower = None) -> RunHandle:
        """Check, then buy in the background; the caller goes on at once. Raises what :meth:`execute` raises."""
        _one_of("on_error", on_error, ("continue", "halt"))
        self._refuse_while_running()
        store = self._portal.run(self._publish())
        self._renew(store)
        return self._launch(store, on_error=on_error, progress=progress)

    def resume(
        self,
        *,
        on_error: str = "continue",
        confirm_total: Money | str | None = None,
        progress: Follower = None,
    ) -> BatchResult:
        """Go on with this session's job where it stands, and return how the whole job stands. A finished job is returned as it is.

        When the quotes expired meanwhile, the rest is priced again; if it costs more than was
        approved (beyond the allowed drift), ApprovalRequired says the new total, and
        `confirm_total` says yes to it.
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
        """Like :meth:`resume`, in the background; the caller goes on at once."""
        self._refuse_while_running()
        self._renew(self.store, confirm_total)
        return self._launch(self.store, on_error=on_error, progress=progress)

    def restart(
        self,
        *,
        confirm_paid_labels: int | None = None,
        void_first: bool = False,
        progress: Follower = None,
    ) -> BatchResult:
        """Buy the whole plan again as a new job, new labels and all.

        `confirm_paid_labels` must be the number already paid for; `void_first` gives those back
        before anything is bought.
        """
        if void_first:
            paid = BatchResult.of(self.store).shipped
            if confirm_paid_labels == paid:
                self.void(all=True)
                confirm_paid_labels = BatchResult.of(self.store).shipped
        return self.start_restart(
            confirm_paid_labels=confirm_paid_labels, progress=progress
        ).watch()

    def start_restart(
        self, *, confirm_paid_labels: int | None = None, progress: Follower = None
    ) -> RunHandle:
        """Like :meth:`restart`, in the background; the caller goes on at once."""
        self._refuse_while_running()
        self._store = recovery.restart(self.store, confirm_paid_labels=confirm_paid_labels)
        return self._launch(self._store, on_error="continue", progress=progress)

    def review(self) -> pd.DataFrame:
        """Return how each row of the job stands. Changes nothing."""
        return self.results()

    @property
    def execution(self) -> RunHandle | None:
        """The last run that this session started, None before one."""
        return self._execution

    def pause(self) -> None:
        """Stop sending; what is in flight is finished and recorded. Resumable."""
        if self._execution:
            self._execution.pause()

    def cancel(self) -> BatchResult:
        """Stop sending, finish what is in flight, and end the job for good; rows not sent are never sent."""
        if self._running and self._execution:
            self._execution.cancel()
            self._execution.wait()
        else:
            recovery.cancel(self.store)
        return BatchResult.of(self.store)

    # -- after buying -----------------------------------------------------------------------------

    def results(self, state: str | None = None) -> pd.DataFrame:
        """Return the results, a line a shipment; see :func:`shipkit.purchasing.result.results_frame` for the columns."""
        return results_frame(self.store, state)

    def failed_rows(self) -> pd.DataFrame:
        """Return the source's rows that did not ship, with ``problem`` and ``fix``."""
        return failed_rows(self.store)

    @property
    def labels(self) -> Labels:
        """The labels bought: save them, look at them."""
        return Labels.of(self.store)

    def void(self, clause: str | None = None, *, all: bool = False) -> pd.DataFrame:  # noqa: A002 - the public name
        """Give shipments back: those that match `clause` (over the result columns), or `all`. Repeat-safe. Returns their results."""
        if (clause is None) == (not all):
            raise InputError(
                "Say which shipments to void.", fix="void(\"order_id = '17'\"), or void(all=True)."
            )
        self._refuse_while_running()
        table = self.store.results()
        chosen = list(where.matching(table, clause, {})) if clause else list(range(table.num_rows))
        states = table.column("state")
        rows = [i for i in chosen if states[i].as_py() == RowState.SHIPPED]
        self._portal.run(recovery.void_rows(self.store, self.carrier, rows))
        return to_frame(self.store.results().take(pa.array(chosen, pa.int64())))

    def void_surplus(self) -> int:
        """Give back the shipments that the carrier has beside the ones that were adopted, and return how many."""
        self._refuse_while_running()
        return self._portal.run(recovery.void_surplus(self.store, self.carrier))

    def track(self) -> pd.DataFrame:
        """Return where the parcels are that were bought: a line each, see :data:`shipkit.plan.questions.TRACKING`."""
        return to_frame(
            self._portal.run(questions.track(self.store.results(), self.carrier, self._pacer()))
        )

    def write_back(
        self,
        dest: str | Path | Database | None = None,
        *,
        columns: Mapping[str, str] | None = None,
        in_place: bool | str = False,
        layout: str | None = None,
        allow_test_numbers: bool = False,
    ) -> Path | tuple[Path, ...] | Written | Confirmation:
        """Write the tracking numbers into a copy of the orders (default: beside them) and return its path; see :func:`shipkit.outputs.writeback.write_back`.

        Orders that came from a database are updated there; see
        :func:`shipkit.outputs.writeback.databases.write_to_database`. With `layout` (``"amazon"``,
        ``"ebay"``, ``"shopify"``, ``"woocommerce"``) the file is the one that the shop imports;
        see :func:`shipkit.outputs.writeback.confirmations.confirm`.
        """
        allow_test_numbers |= in_place == "really"  # the spelling of the first release
        if layout is not None:
            if columns is not None or in_place or isinstance(dest, Database):
                raise InputError(
                    "layout= writes the file of a shop: it has its own columns, and goes neither "
                    "into the orders nor into a database.",
                    fix="Leave columns and in_place out; dest is a file.",
                )
            return confirm(
                self.store,
                layout,
                dest,
                allow_test_numbers=allow_test_numbers,
                layout_folder=self._planner.layouts,
            )
        database = (
            dest if isinstance(dest, Database) else self._planner.database if dest is None else None
        )
        if database is not None:
            return write_to_database(
                self.store, database, columns=columns, allow_test_numbers=allow_test_numbers
            )
        assert not isinstance(dest, Database)  # noqa: S101 - returned above
        return write_back(
            self.store,
            dest,
            columns=columns,
            in_place=bool(in_place),
            allow_test_numbers=allow_test_numbers,
        )

    def decide(self, clause: str, choice: str) -> pd.DataFrame:
        """Settle rows in state ``review`` that match `clause` (over the result columns): ``"resend"`` or ``"skip"``. Returns their results.

        Such a row may have been bought and was not found; look it up at the carrier first.
        ``resume()`` sends what is to be sent.
        """
        self._refuse_while_running()
        table = self.store.results()
        states = table.column("state").to_pylist()
        rows = [i for i in where.matching(table, clause, {}) if states[i] == RowState.REVIEW]
        if not rows:
            raise InputError(
                f"No row in review matches {clause!r}.",
                fix='session.results("review") lists those that wait for a decision.',
            )
        recovery.decide(self.store, rows, choice)
        return to_frame(self.store.results().take(pa.array(rows, pa.int64())))

    def report(self) -> Report:
        """Return the day sheet of the job."""
        return Report.of(self.store)

    # -- looking -----------------------------------------------------------------------------------

    def panel(self) -> Any:
        """Return one panel for a notebook: cost, Approve, progress, Pause, labels; see :func:`shipkit.notebook.panel`."""
        return import_module("shipkit.notebook").panel(
            self
        )  # by name: the notebook face lies above, and scripts never load it

    @property
    def plot(self) -> Any:
        """Plots of the preview and of the job; see :class:`shipkit.notebook.plots.Plots`."""
        return import_module("shipkit.notebook.plots").Plots(self)

    @property
    def store(self) -> JobStore:
        """The job on disk. Raises JobNotFound before there is one."""
        if self._store is None:
            raise JobNotFound(
                "This session has no job yet.",
                fix="Call session.execute(), or open one: BatchSession.open(job_id).",
            )
        return self._store

    @property
    def job_id(self) -> str | None:
        """The job's id, None before there is one."""
        return self._store.job_id if self._store else None

    @property
    def status(self) -> str:
        """Where the session stands: ``new``, ``previewed``, or the job's status."""
        if self._store is not None:
            return "running" if self._running else str(self._store.status)
        return "previewed" if self._preview is not None else "new"

    @property
    def carrier(self) -> Carrier:
        """Who sells."""
        if self._carrier is None:
            given = self._carrier_given or self.settings.carrier
            self._carrier = carrier_named(given, self.settings) if isinstance(given, str) else given
        return self._carrier

    @property
    def live(self) -> bool:
        """Whether a purchase costs real money."""
        return self.carrier.identity.live

    def close(self) -> None:
        """Pause what runs, then close connections and the database. Repeat-safe."""
        if self._running and self._execution:
            self.pause()
            self._execution.wait()
        if self._carrier is not None:
            self._portal.run(
                self._carrier.aclose()
            )  # its connections belong to this session's loop; another session opens its own
            self._carrier = None
        self._portal.close()
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
        identity = f"{self.carrier.identity}"
        parts = [f"{self.name or 'batch'}", identity, f"{self._mode.upper()}", self.status]
        if self._planner.clauses and self._planner.kept is not None:
            parts.append(
                f"{self.selection}" + (f" (was {self._was:,})" if self._was is not None else "")
            )
        if self._store is not None:
            parts.append(self._store.job_id)
        elif self._preview is not None:
            parts.append(self._preview.preview_id)
        return f"<BatchSession {' | '.join(parts)}>"

    def _repr_html_(self) -> str:
        """Return where the session stands as a table; asks no carrier and reads no orders again."""
        lines = [
            ("Session", self.name or "batch"),
            ("Carrier", f"{self.carrier.identity}{'' if self.live else ' (no money is spent)'}"),
            ("Mode", self._mode.upper()),
            ("Status", self.status.replace("_", " ")),
        ]
        if self._store is not None:
            lines += [
                line
                for line in BatchResult.of(self._store).lines()
                if line[0] not in ("Carrier", "Status")
            ]
        elif self._preview is not None:
            lines += [
                line
                for line in self._preview.summary().lines()
                if line[0] not in ("Carrier", "Mode")
            ]
        return html.block(html.facts(lines), name="shipkit-session")

    # -- inside -----------------------------------------------------------------------------------

    @property
    def _running(self) -> bool:
        return self._execution is not None and self._execution.running

    def _refuse_while_running(self) -> None:
        if self._running:
            raise ModeLocked(
                f"{self.job_id} is executing in this session.",
                fix="Wait until it ends, or pause it.",
            )

    def _forget(self, *, keep_view: bool = False) -> None:
        """Drop what was made of an earlier plan. The record stays, so that approving it says PlanChanged."""
        if not keep_view:
            self._last_view = None
        self._preview = None
        if not self._running:
            self._store = None

    _last_view: pa.Table | None = None
    _was: int | None = None
    """How many orders the filter before this one kept."""

    def _view(self, clause: str) -> pa.Table:
        """Return a row for each shipment: preview columns, then the source's own, for `clause`; priced when it asks about prices."""
        if self._last_view is None or self._preview is not None:
            priced = self._preview is not None or _ASKS_PRICES.search(clause)
            shown = self.previewed if priced else self._portal.run(self._unpriced())
            self._last_view = self._planner.beside(shown.view())
        return self._last_view

    def _pacer(self) -> Pacer:
        pace = self.carrier.pace
        return Pacer(
            concurrency=self._concurrency or pace.concurrency,
            rate_per_s=self._rate_limit or pace.rate_per_s,
        )

    async def _plan(self) -> Plan:
        return await self._planner.plan(
            self.carrier, self._pacer(), today=_now().astimezone().date()
        )

    async def _unpriced(self) -> Preview:
        return preview.unpriced(await self._plan(), now=_now())

    async def _price(self) -> Preview:
        plan = await self._plan()
        seen = history.seen(
            self.settings.home,
            plan.identity,
            plan.table,
            but_not=JobStore.id_of(plan.fingerprint, self.name),
        )
        held, notes = (seen, {}) if self.on_duplicate == "hold" else ({}, seen)
        self._preview = await preview.price(
            plan,
            self.carrier,
            now=_now(),
            held=held,
            notes=notes,
            pacer=self._pacer(),
            max_age=self.max_quote_age,
        )
        self._record = preview.keep(self.settings.home, self._preview)
        return self._preview

    async def _price_and_frame(self, include: Sequence[str], *, mask: bool) -> pd.DataFrame:
        shown = await self._price()
        table = shown.view()
        keys = [key for key in self._planner.carried(include) if key not in table.column_names]
        table = self._planner.joined(table, keys) if keys else table
        if mask:
            harmless = [
                column.key for column in self._planner.loaded.columns if column.role in OPEN_ROLES
            ]
            table = masked(table, {*PREVIEW_COLUMNS, *harmless})
        return to_frame(table)

    async def _unchanged(self) -> Plan:
        """Return the plan as it is now; raise PlanChanged when it is not the one that was previewed."""
        assert self._record is not None  # noqa: S101 - callers checked
        plan = await self._plan() if self._preview is None else self._preview.plan
        if plan.fingerprint != self._record.fingerprint:
            raise PlanChanged(
                f"The batch changed since {self._record.preview_id}. Nothing was bought.",
                fix="Call session.preview() again and approve what it shows.",
            )
        return plan

    async def _publish(self) -> JobStore:
        """Return the job of the current plan: the one on disk, or a new one when it may be bought."""
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
        record = preview.recall(self.settings.home, shown.preview_id)
        given = approval.authorize(shown, record, self._mode, self.limits, now=_now())
        return JobStore.publish(
            self.settings.home, draft(shown, self._planner, self._terms(), given)
        )

    def _terms(self) -> Terms:
        return Terms(
            name=self.name,
            label=self.label,
            mode=self._mode,
            limits=self.limits,
            resend=self._resend or self.carrier.resend,
            on_duplicate=self.on_duplicate,
            concurrency=self._concurrency,
            rate_limit=self._rate_limit,
        )

    def _launch(self, store: JobStore, *, on_error: str, progress: Follower) -> RunHandle:
        self._store = store
        self._execution = RunHandle(
            store,
            self.carrier,
            self._portal,
            pacer=self._pacer(),
            grace_s=self.settings.grace_s,
            on_error=on_error,
            progress=progress,
        )
        return self._execution

    def _look_again(self) -> None:
        """Look up old references of a finished job, where it has any; a carrier that cannot be asked is no reason not to open it."""
        if self.store.status not in (
            JobStatus.PAUSED,
            JobStatus.FAILED,
            JobStatus.RUNNING,
        ) and late_rows(self.store):
            with suppress(ShipkitError):
                self._portal.run(look_again(self.store, self.carrier, pacer=self._pacer()))

    def _renew(self, store: JobStore, confirmed: Money | str | None = None) -> None:
        agreed = None if confirmed is None else Money.of(confirmed)
        self._portal.run(renewed(store, self.carrier, self._pacer(), now=_now(), confirmed=agreed))


def _shipper(given: Address | Mapping[str, Any] | str | None, settings: Settings) -> Address | None:
    if isinstance(given, Address):
        return given
    if isinstance(given, str):
        return settings.shipper(given)
    if given is None:
        known = list(settings.file.get("shippers", {}))
        return settings.shipper(known[0]) if len(known) == 1 else None
    try:
        return Address(**given)
    except (ValueError, TypeError) as error:
        raise InputError(
            f"The shipper cannot be used: {error}.", fix="Give the fields of sk.Address."
        ) from None


def _one_of(name: str, value: str, allowed: Sequence[str]) -> Any:
    if value not in allowed:
        raise InputError(
            f"{name}={value!r} is not known.", fix=f"Use one of: {', '.join(allowed)}."
        )
    return value


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)
