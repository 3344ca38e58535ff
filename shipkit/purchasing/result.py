"""A job -> frames, totals and the day sheet. Reads the checkpoint, changes nothing."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from shipkit.common import html
from shipkit.common.words import aligned, total_text
from shipkit.errors import InputError, ShipmentsFailed
from shipkit.models import Money
from shipkit.plan.preview import to_frame
from shipkit.purchasing.store import JobStore
from shipkit.settings import Settings
from shipkit.state import JobStatus, RowState

if TYPE_CHECKING:
    import pandas as pd


__all__ = ["BatchResult", "failed_rows", "results_frame", "shipments"]


@dataclass(frozen=True, eq=False)
class BatchResult(html.Shown):
    """How a job stands: the whole job's counts, whichever call bought them.

    `skipped` are rows that were never to be bought: problem rows, held duplicates, rows set aside.
    """

    job_id: str
    status: str
    shipped: int
    failed: int
    in_doubt: int
    skipped: int
    voided: int
    remaining: int
    totals: Mapping[str, Money]
    elapsed_s: float
    live: bool
    carrier: str
    reason: str | None
    """Why the job stopped before its end, in words."""
    store: JobStore

    @classmethod
    def of(cls, store: JobStore, *, elapsed_s: float = 0.0) -> BatchResult:
        """Return how the job of `checkpoint` stands."""
        counts = store.status_counts()
        identity = store.manifest.identity
        return cls(
            job_id=store.job_id,
            status=str(store.status),
            shipped=counts[RowState.SHIPPED],
            failed=counts[RowState.FAILED],
            in_doubt=counts[RowState.IN_DOUBT] + counts[RowState.REVIEW],
            skipped=counts[RowState.SKIPPED],
            voided=counts[RowState.VOIDED],
            remaining=counts[RowState.PENDING] + counts[RowState.IN_FLIGHT],
            totals=charged(store.results()),
            elapsed_s=elapsed_s,
            live=identity.live,
            carrier=str(identity),
            reason=store.reason,
            store=store,
        )

    @property
    def total_charged(self) -> Money:
        """What was charged, net of voided rows. Raises InputError when there are several currencies: see `totals`."""
        if len(self.totals) > 1:
            raise InputError(
                f"The job was charged in {', '.join(self.totals)}: there is no sum across "
                "currencies.",
                fix="Read result.totals.",
            )
        return next(iter(self.totals.values()), Money.from_cents(0))

    @property
    def standing(self) -> str:
        """How the job stands, in words, with the reason where it says more."""
        status = self.status.replace("_", " ")
        return status if self.reason in {None, status} else f"{status}: {self.reason}"

    @cached_property
    def frame(self) -> pd.DataFrame:
        """The results, a line a shipment; see :func:`results_frame`."""
        return results_frame(self.store)

    def raise_for_failures(self) -> BatchResult:
        """Return this result when every row of it shipped or was skipped; raise ShipmentsFailed otherwise."""
        left = self.failed + self.in_doubt + self.remaining
        if left == 0:
            return self
        frame = self.frame
        raise ShipmentsFailed(
            f"{self.failed:,} failed, {self.in_doubt:,} in doubt, {self.remaining:,} not sent "
            f"({self.job_id}, {self.status}).",
            fix="Read error.problems; session.failed_rows() has the rows with what to fix.",
            problems=frame[
                frame["state"].isin(["failed", "in_doubt", "review", "pending", "in_flight"])
            ],
        )

    def lines(self) -> list[tuple[str, str]]:
        """Return what a person wants to know, name and text."""
        rows = [
            ("Job", self.job_id),
            ("Status", self.standing),
            ("Carrier", self.carrier + ("" if self.live else " (no money is spent)")),
            ("Shipped", f"{self.shipped:,}"),
        ]
        rows += [
            (name, f"{count:,}")
            for name, count in (
                ("Failed", self.failed),
                ("In doubt", self.in_doubt),
                ("Skipped", self.skipped),
                ("Voided", self.voided),
                ("Not sent yet", self.remaining),
            )
            if count
        ]
        rows.append(("Charged", total_text(self.totals)))
        if self.elapsed_s:
            rows.append(("Time", f"{self.elapsed_s:,.1f} s"))
        return rows

    def __repr__(self) -> str:
        return aligned(self.lines())

    def _repr_html_(self) -> str:
        return html.block(html.facts(self.lines()), name="shipkit-result")


def results_frame(store: JobStore, state: str | None = None) -> pd.DataFrame:
    """Return the results of a job, a line a shipment of the plan, in plan order.

    Parameters
    ----------
    state
        Only rows in this state (``"shipped"``, ``"failed"``, ...).

    Returns
    -------
    DataFrame
        ``row_number`` Int64, ``order_id``, ``state``, ``tracking_number``, ``tracking_numbers``
        (list), ``service``, ``quoted_cents`` and ``charged_cents`` (Int64, minor units of
        ``currency``), ``charged`` (float, major units, for people), ``charge_basis``,
        ``billed_weight_lb``, ``currency``, ``shipkit_reference``, ``user_references``,
        ``attempts``, ``shipped_at`` (UTC), ``voided_at``, ``live``, ``account``, ``error_code``,
        ``error_message``, ``fix``. Null where it does not apply.
    """
    table = store.results()
    if state is not None:
        if state not in set(RowState):
            raise InputError(
                f"There is no row state {state!r}.", fix=f"States: {', '.join(RowState)}."
            )
        table = table.filter(pc.equal(table.column("state"), state))
    return to_frame(table)


def failed_rows(store: JobStore) -> pd.DataFrame:
    """Return the source's own rows that did not ship, with ``problem`` and ``fix``: correct them, load them, buy only them.

    Rows in doubt are not among them: they may have been bought.
    """
    results = store.results()
    states = results.column("state")
    chosen = results.filter(
        pc.is_in(states, value_set=pa.array([RowState.FAILED.value, RowState.SKIPPED.value]))
    )
    lines = store.plan.select(["row_number", "row_numbers"])
    owners = pa.table(
        {
            "row_number": pc.list_flatten(lines.column("row_numbers")),
            "order_row": pc.take(
                lines.column("row_number"), pc.list_parent_indices(lines.column("row_numbers"))
            ),
        }
    )
    why = pa.table(
        {
            "order_row": chosen.column("row_number"),
            "problem": chosen.column("error_message"),
            "fix": chosen.column("fix"),
        }
    )
    wanted = owners.join(why, "order_row", join_type="inner").drop_columns(["order_row"])
    source = store.source
    if source is None:
        return to_frame(wanted.sort_by("row_number"))
    return to_frame(source.join(wanted, "row_number", join_type="inner").sort_by("row_number"))


def shipments(
    since: str | dt.date | None = None,
    until: str | dt.date | None = None,
    where: str | None = None,
    live: bool | None = None,
    *,
    home: str | Path | None = None,
) -> pd.DataFrame:
    """Return every shipment of every job of this home, newest job first, with ``job_id`` in front.

    Parameters
    ----------
    since, until
        First and last day (UTC) of ``shipped_at``; a date or ISO text.
    where
        One SQL expression over the result columns.
    live
        True: only real ones. False: only sandbox and test ones.
    """
    from shipkit.orders import where as filters

    found = []
    for store in JobStore.list(Settings.read(home=home).home):
        table = store.results()
        table = table.filter(pc.is_valid(table.column("tracking_number")))
        found.append(
            table.add_column(0, "job_id", pa.array([store.job_id] * table.num_rows, pa.string()))
        )
    if not found:
        import pandas as pd

        return pd.DataFrame()
    table = pa.concat_tables(found)
    at = table.column("shipped_at").cast(pa.date32())
    keep = pc.is_valid(at)
    if since is not None:
        keep = pc.and_(keep, pc.greater_equal(at, _day(since)))
    if until is not None:
        keep = pc.and_(keep, pc.less_equal(at, _day(until)))
    if live is not None:
        keep = pc.and_(keep, pc.equal(table.column("live"), live))
    table = table.filter(keep)
    if where:
        table = table.take(pa.array(filters.matching(table, where, {})))
    return to_frame(table)


def charged(results: pa.Table) -> dict[str, Money]:
    """Return currency -> charged total of rows that stand, net of voided ones."""
    standing = results.filter(pc.equal(results.column("state"), RowState.SHIPPED.value)).select(
        ["currency", "charged_cents"]
    )
    sums = (
        standing.group_by("currency")
        .aggregate([("charged_cents", "sum")])
        .sort_by("currency")
        .to_pylist()
    )
    return {
        line["currency"]: Money.from_cents(line["charged_cents_sum"] or 0, line["currency"])
        for line in sums
        if line["currency"]
    }


def _day(value: str | dt.date) -> pa.Scalar:
    if isinstance(value, dt.datetime):
        value = value.date()
    try:
        return pa.scalar(
            value if isinstance(value, dt.date) else dt.date.fromisoformat(value), pa.date32()
        )
    except ValueError:
        raise InputError(f"{value!r} is not a day.", fix='Write it like "2026-11-01".') from None


def next_step(result: BatchResult) -> str:
    """Return the command to type next."""
    match result.status:
        case JobStatus.COMPLETED:
            return f"shipkit labels {result.job_id} -o labels.pdf"
        case JobStatus.COMPLETED_WITH_ERRORS if result.in_doubt:
            return f"shipkit resume {result.job_id}"
        case JobStatus.COMPLETED_WITH_ERRORS:
            return f"shipkit show {result.job_id} --failed failed.csv"
        case JobStatus.CANCELLED:
            return f"shipkit show {result.job_id}"
        case _:
            return f"shipkit resume {result.job_id}"
