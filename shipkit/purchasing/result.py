"""What became of a job, for people and programs: counts, totals, frames. Changes nothing."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from shipkit.common import html
from shipkit.common.local_day import local_day, time_zone
from shipkit.common.words import aligned, counted, total_text
from shipkit.errors import CarrierError, CarrierRejected, InputError, ShipmentsFailed
from shipkit.models import Address, BillTo, Money, Refund
from shipkit.plan.preview import Preview, to_frame
from shipkit.plan.summary import BilledToOthers
from shipkit.purchasing.store import JobStore
from shipkit.schema import RETURN_OF
from shipkit.settings import Settings
from shipkit.state import JobStatus, RowState

if TYPE_CHECKING:
    import pandas as pd


__all__ = [
    "BatchResult",
    "ChargedAbove",
    "Refunds",
    "can_write_back",
    "charged",
    "failed_rows",
    "next_words",
    "results_frame",
    "shipments",
    "unshippable_rows",
    "with_paid_returns",
    "with_refusals",
]


@dataclass(frozen=True)
class ChargedAbove:
    """Shipments that cost more than was quoted and approved, and by how much together."""

    shipments: int = 0
    totals: Mapping[str, Money] = field(default_factory=dict)

    @classmethod
    def of(cls, results: pa.Table, quotes: pa.Table) -> ChargedAbove:
        """Compare what was charged with the quotes, row by row, in each currency."""
        cents, currency = results.column("charged_cents"), results.column("currency")
        above = pc.subtract(cents, quotes.column("cost_cents"))
        found = pa.table({"currency": currency, "charged_cents": above, "state": results["state"]})
        same = pc.equal(currency, quotes.column("currency"))
        more = found.filter(pc.fill_null(pc.and_(pc.greater(above, 0), same), False))  # noqa: FBT003 - a fill value
        more = more.filter(pc.equal(more.column("state"), RowState.SHIPPED.value))
        return cls(more.num_rows, charged(more))

    def __bool__(self) -> bool:
        return self.shipments > 0

    def __str__(self) -> str:
        return f"{total_text(self.totals)} for {counted(self.shipments, 'shipment')}"


@dataclass(frozen=True)
class Refunds:
    """Voided shipments whose money is not back: the refund was asked for, or is rejected."""

    asked: int = 0
    asked_totals: Mapping[str, Money] = field(default_factory=dict)
    rejected: int = 0
    rejected_totals: Mapping[str, Money] = field(default_factory=dict)

    @classmethod
    def of(cls, results: pa.Table) -> Refunds:
        """Return those of some results."""
        found: list[Any] = []
        for state in (Refund.SUBMITTED, Refund.REJECTED):
            own = pc.equal(results.column("refund"), state.value)
            rows = results.filter(pc.fill_null(own, False))  # noqa: FBT003 - a fill value
            found += [rows.num_rows, charged(rows)]
        return cls(*found)

    @staticmethod
    def of_frame(results: pd.DataFrame) -> dict[str, int]:
        """Return how many voided rows of a frame have a refund in each state."""
        return {state.value: int((results["refund"] == state.value).sum()) for state in Refund}

    def lines(self) -> list[tuple[str, str]]:
        """Return them as pairs of name and text, none where there are none."""
        return [
            (name, f"{total_text(totals)} for {counted(count, 'voided shipment')}")
            for name, count, totals in (
                ("refund asked", self.asked, self.asked_totals),
                ("refund rejected", self.rejected, self.rejected_totals),
            )
            if count
        ]


@dataclass(frozen=True, eq=False)
class BatchResult(html.Shown):
    """The status, counts and total of a whole job, whichever calls bought its rows."""

    job_id: str
    status: str
    """``completed``, ``completed_with_errors``, ``paused``, ``failed``, ``cancelled``, or
    ``running`` while another process runs the job."""
    shipped: int
    """Rows that were bought and not voided."""
    failed: int
    """Rows that the carrier refused."""
    in_doubt: int
    """Rows that may have been bought: no answer came yet, or a person must decide."""
    skipped: int
    """Rows that were never to be bought: with a problem, held as duplicates, or set aside."""
    voided: int
    """Rows that were bought and voided since."""
    remaining: int
    """Rows that are still to be sent."""
    totals: Mapping[str, Money]
    """Currency -> amount charged, net of voided rows. Those whose refund was only asked for, or
    is rejected, count: their money is not back."""
    others: BilledToOthers
    """What of it the carrier bills to receivers and third parties."""
    above_quotes: ChargedAbove
    """What of it is more than was quoted: a carrier that states no price before the purchase may
    charge another one. ``SpendLimits(price_drift=...)`` stops a job at a larger difference."""
    refunds: Refunds
    """What of it is for voided shipments, where the carrier decides about the refund later."""
    elapsed_s: float
    """Seconds that this call took; 0 if it bought nothing."""
    live: bool
    """Whether the labels cost real money."""
    carrier: str
    """Carrier, environment and the last four characters of the account."""
    reason: str | None
    """Why the job stopped before its end, in words."""
    store: JobStore

    @classmethod
    def of(cls, store: JobStore, *, elapsed_s: float = 0.0) -> BatchResult:
        """Return the result of a job as it is on disk now."""
        counts = store.status_counts()
        identity, results = store.manifest.identity, store.results()
        theirs = results.filter(
            pc.and_(
                pc.equal(results.column("state"), RowState.SHIPPED.value),
                pc.not_equal(pc.fill_null(results.column("bill_to"), _SHIPPER), _SHIPPER),
            )
        )
        return cls(
            job_id=store.job_id,
            status=str(store.status),
            shipped=counts[RowState.SHIPPED],
            failed=counts[RowState.FAILED],
            in_doubt=counts[RowState.IN_DOUBT] + counts[RowState.REVIEW],
            skipped=counts[RowState.SKIPPED],
            voided=counts[RowState.VOIDED],
            remaining=counts[RowState.PENDING] + counts[RowState.IN_FLIGHT],
            totals=charged(results),
            others=BilledToOthers(theirs.num_rows, charged(theirs)),
            above_quotes=ChargedAbove.of(results, store.quotes),
            refunds=Refunds.of(results),
            elapsed_s=elapsed_s,
            live=identity.live,
            carrier=str(identity),
            reason=store.reason,
            store=store,
        )

    @property
    def total_charged(self) -> Money:
        """The amount charged, net of voided rows whose money is back.

        Raises
        ------
        InputError
            The job was charged in several currencies, which have no common sum.
        """
        if len(self.totals) > 1:
            raise InputError(
                f"The job was charged in {', '.join(self.totals)}, which cannot be summed.",
                fix="Use result.totals, which has one amount per currency.",
            )
        return next(iter(self.totals.values()), Money.from_cents(0))

    @property
    def status_text(self) -> str:
        """The status in words, with the reason if it adds anything."""
        status = self.status.replace("_", " ")
        return status if self.reason in {None, status} else f"{status}: {self.reason}"

    @cached_property
    def frame(self) -> pd.DataFrame:
        """The results, one row per shipment; see :func:`results_frame`."""
        return results_frame(self.store)

    def raise_for_failures(self) -> BatchResult:
        """Return this result if every row shipped, was voided or was skipped.

        Raises
        ------
        ShipmentsFailed
            Rows failed, are in doubt or were not sent; ``error.problems`` is a frame of them.
        """
        left = self.failed + self.in_doubt + self.remaining
        if left == 0:
            return self
        frame = self.frame
        raise ShipmentsFailed(
            f"{self.failed:,} failed, {self.in_doubt:,} in doubt, {self.remaining:,} not sent "
            f"({self.job_id}, {self.status}).",
            fix="error.problems lists them; session.failed_rows() has the rows to correct.",
            problems=frame[
                frame["state"].isin(["failed", "in_doubt", "review", "pending", "in_flight"])
            ],
        )

    def lines(self) -> list[tuple[str, str]]:
        """Return the facts that a person reads first, as pairs of name and text."""
        rows = [
            ("Job", self.job_id),
            ("Status", self.status_text),
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
        if self.others:
            rows.append(("  billed to others", str(self.others)))
        if self.above_quotes:
            rows.append(("  above the quotes", str(self.above_quotes)))
        rows += [(f"  {name}", text) for name, text in self.refunds.lines()]
        if self.elapsed_s:
            rows.append(("Time", f"{self.elapsed_s:,.1f} s"))
        return rows

    def __repr__(self) -> str:
        return aligned(self.lines())

    def _repr_html_(self) -> str:
        return html.block(html.facts(self.lines()), name="shipkit-result")


_SHIPPER: Final = BillTo.SHIPPER.value


def results_frame(store: JobStore, state: str | None = None) -> pd.DataFrame:
    """Return the results of a job, one row per shipment of the plan, in its order.

    Parameters
    ----------
    state
        Only rows in this state (``"shipped"``, ``"failed"``, ...).

    Returns
    -------
    DataFrame
        ``row_number`` Int64, ``order_id``, ``state``, ``tracking_number``, ``tracking_numbers``
        (tuple), ``service``, ``ship_from``, ``bill_to`` (who pays; null: your account),
        ``quoted_cents`` and ``charged_cents`` (Int64, minor units of ``currency``), ``charged``
        (float, major units, for people), ``charge_basis``, ``billed_weight_lb``, ``currency``,
        ``shipkit_reference``, ``user_references``, ``attempts``, ``shipped_at`` and ``voided_at``
        (UTC, without a time zone), ``live``, ``account``, ``error_code``, ``error_message``,
        ``fix``, ``refund`` (of voided rows at a carrier that decides later: ``submitted``,
        ``refunded`` or ``rejected``). Null where it does not apply.
    """
    table = store.results()
    if state is not None:
        if state not in set(RowState):
            raise InputError(
                f"{state!r} is not a row state.", fix=f"States: {', '.join(RowState)}."
            )
        table = table.filter(pc.equal(table.column("state"), state))
    return to_frame(table)


def with_refusals(results: pa.Table, refused: Mapping[int, CarrierError]) -> pa.Table:
    """Return `results` with the carrier's answer for the rows it refused to void."""
    answers: dict[str, dict[int, str | None]] = {
        "error_code": {
            # What was no refusal has our own code: a program must tell an outage from a no.
            row: (isinstance(error, CarrierRejected) and error.carrier_code) or error.code
            for row, error in refused.items()
        },
        "error_message": {row: error.message for row, error in refused.items()},
        "fix": {row: error.fix for row, error in refused.items()},
    }
    return _with_texts(results, answers)


def with_paid_returns(results: pa.Table) -> pa.Table:
    """Return `results`, in which a voided parcel says that its return label is still paid for."""
    labels = results.filter(
        pc.and_(
            pc.is_valid(results.column(RETURN_OF)),
            pc.equal(results.column("state"), RowState.SHIPPED.value),
        )
    )
    parcels = pc.index_in(results.column("row_number"), value_set=labels.column(RETURN_OF))
    voided = pc.equal(results.column("state"), RowState.VOIDED.value)
    said: dict[str, dict[int, str | None]] = {"error_code": {}, "error_message": {}, "fix": {}}
    for row in pc.indices_nonzero(pc.and_(voided, pc.is_valid(parcels))).to_pylist():
        label = labels.slice(parcels[row].as_py(), 1).to_pylist()[0]
        number = label["row_number"]
        said["error_code"][row] = "return_label_paid"
        said["error_message"][row] = (
            f"Its return label, row {number} ({label['tracking_number']}), is still paid for."
        )
        said["fix"][row] = f'To void it, too: void("row_number = {number}").'
    return _with_texts(results, said)


def _with_texts(results: pa.Table, texts_of: Mapping[str, Mapping[int, str | None]]) -> pa.Table:
    for name, answer in texts_of.items():
        texts = [answer.get(row, text) for row, text in enumerate(results.column(name).to_pylist())]
        place = results.schema.get_field_index(name)
        results = results.set_column(place, name, pa.array(texts, pa.string()))
    return results


def failed_rows(store: JobStore) -> pd.DataFrame:
    """Return the source's own rows that did not ship, with ``problem`` and ``fix`` for each.

    Correct them, load them as new orders, and only they are bought. Rows in doubt are not among
    them, because they may have been bought.

    A return label that failed alone has the rows of its parcel: loaded again with
    ``returns="with_each"``, they buy the label, because the parcel is known by its order number. An
    order without a number is left out.
    """
    results = store.results()
    states = results.column("state")
    chosen = results.filter(
        pc.is_in(states, value_set=pa.array([RowState.FAILED.value, RowState.SKIPPED.value]))
    )
    why = pa.table(
        {
            "order_row": chosen.column("row_number"),
            "problem": chosen.column("error_message"),
            "fix": chosen.column("fix"),
        }
    )
    failed = set(
        chosen.filter(pc.equal(chosen["state"], RowState.FAILED.value))["row_number"].to_pylist()
    )
    return _source_rows(store.plan, _with_parcels(store.plan, why, failed), store.source)


def unshippable_rows(shown: Preview, source: pa.Table) -> pd.DataFrame:
    """Return the rows of `source` that a preview would not buy, as :func:`failed_rows` does."""
    numbers = shown.plan.table.column("row_number").to_pylist()
    fixes: dict[int, str] = {}
    for line in pa.concat_tables([shown.plan.problems, shown.problems()]).to_pylist():
        if line["severity"] == "error" and line["fix"]:
            fixes.setdefault(line["row_number"], line["fix"])
    reasons = {numbers[index]: text for index, text in shown.reasons.items()}
    why = pa.table(
        {
            "order_row": pa.array(reasons, pa.int64()),
            "problem": pa.array(reasons.values(), pa.string()),
            "fix": pa.array([fixes.get(number) for number in reasons], pa.string()),
        }
    )
    return _source_rows(shown.plan.table, why, source)


def _source_rows(plan: pa.Table, why: pa.Table, source: pa.Table | None) -> pd.DataFrame:
    """Return every source row of the orders in `why`, with their problems."""
    lines = plan.select(["row_number", "row_numbers"])
    owners = pa.table(
        {
            "row_number": pc.list_flatten(lines.column("row_numbers")),
            "order_row": pc.take(
                lines.column("row_number"), pc.list_parent_indices(lines.column("row_numbers"))
            ),
        }
    )
    wanted = owners.join(why, "order_row", join_type="inner").drop_columns(["order_row"])
    if source is None:
        return to_frame(wanted.sort_by("row_number"))
    return to_frame(source.join(wanted, "row_number", join_type="inner").sort_by("row_number"))


def _with_parcels(plan: pa.Table, why: pa.Table, failed: Collection[int]) -> pa.Table:
    """Return `why` with the parcels of return labels that `failed`, where they are not in it."""
    labels = plan.filter(
        pc.and_(pc.is_valid(plan.column(RETURN_OF)), pc.is_valid(plan.column("order_id")))
    )
    parcel_of = dict(
        zip(
            labels.column("row_number").to_pylist(),
            labels.column(RETURN_OF).to_pylist(),
            strict=True,
        )
    )
    listed = set(why.column("order_row").to_pylist())
    added = [
        {
            "order_row": parcel_of[line["order_row"]],
            "problem": f"return label, row {line['order_row']}: {line['problem']}",
            "fix": line["fix"],
        }
        for line in why.to_pylist()
        if line["order_row"] in failed
        and line["order_row"] in parcel_of
        and parcel_of[line["order_row"]] not in listed
    ]
    return pa.concat_tables([why, pa.Table.from_pylist(added, schema=why.schema)])


def shipments(
    since: str | dt.date | None = None,
    until: str | dt.date | None = None,
    where: str | None = None,
    live: bool | None = None,
    *,
    home: str | Path | None = None,
) -> pd.DataFrame:
    """Return every shipment of every job of a home, one row each, newest job first.

    Parameters
    ----------
    since, until
        First and last day, inclusive; a date or ISO text. ``shipped_at`` is compared by the
        shipper's local day (:mod:`shipkit.common.local_day`).
    where
        A SQL expression over the result columns.
    live
        True: only shipments that cost money. False: only sandbox and test ones.
    home
        Where jobs are kept; default: ``SHIPKIT_HOME``, then the user's data folder.

    Returns
    -------
    DataFrame
        ``job_id``, then the columns of :func:`results_frame`. Empty, without columns, if no job
        has a shipment.
    """
    from shipkit.orders import where as filters

    found, days = [], []
    for store in JobStore.list(Settings.read(home=home).home):
        table = store.results()
        table = table.filter(pc.is_valid(table.column("tracking_number")))
        days.append(_local_days(table.column("shipped_at"), store.manifest.shipper))
        found.append(
            table.add_column(0, "job_id", pa.array([store.job_id] * table.num_rows, pa.string()))
        )
    if not found:
        import pandas as pd

        return pd.DataFrame()
    table = pa.concat_tables(found)
    at = pa.chunked_array(days, pa.date32())
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


def _local_days(times: pa.ChunkedArray, shipper: Address) -> pa.Array:
    """Return the shipper's local day of each time."""
    zone = time_zone(shipper)
    if zone is None:  # the machine's, which has no name
        local = [at and local_day(None, at) for at in times.to_pylist()]
        return pa.array(local, pa.date32())
    moments = times.combine_chunks().cast(pa.timestamp("us", tz=zone.key))
    return pc.local_timestamp(moments).cast(pa.date32())


def charged(results: pa.Table) -> dict[str, Money]:
    """Return currency -> amount charged for the rows that were bought and not voided.

    A voided row counts while its refund is not given: asked for, or rejected.
    """
    paid = pc.equal(results.column("state"), RowState.SHIPPED.value)
    if "refund" in results.column_names:
        owed = pa.array(sorted(Refund.owed()), pa.string())
        paid = pc.or_(paid, pc.is_in(results.column("refund"), value_set=owed))
    bought = results.filter(paid).select(["currency", "charged_cents"])
    sums = (
        bought.group_by("currency")
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
        raise InputError(f"{value!r} is not a date.", fix='Write it like "2026-11-01".') from None


def next_words(
    result: BatchResult, *, to_correct: bool | None = None, saved: Collection[str] = ()
) -> list[str] | None:
    """Return the command to type next, as the words after ``shipkit``; None if nothing is left.

    The command works in the state that the job is in: a job whose labels were all voided has none
    to save, and one in review waits for a person and not for another run.

    Parameters
    ----------
    to_correct
        Whether there are rows to correct and run again; default: whether any failed.
    saved
        What is saved already and not advised again: ``results``, ``failed``, ``labels``,
        ``write_back``.
    """
    job = result.job_id
    if to_correct is None:
        to_correct = result.failed > 0
    if result.status == JobStatus.RUNNING:
        return ["show", job]
    if result.status in (JobStatus.PAUSED, JobStatus.FAILED):
        return ["resume", job]
    if result.in_doubt and "results" not in saved:  # in review, which only a person can settle
        return ["show", job, "--results", "results.csv"]
    if to_correct and "failed" not in saved:
        return ["show", job, "--failed", "failed.csv"]
    if result.shipped and not result.store.pruned and "labels" not in saved:
        return ["labels", job, "-o", "labels.pdf"]
    if can_write_back(result) and "write_back" not in saved:
        return ["write-back", job]
    return None


def can_write_back(result: BatchResult) -> bool:
    """Whether a write-back without further options has something to write, and a known place."""
    origin = result.store.manifest.facts.get("source") or {}
    return bool(result.shipped and not result.store.pruned and origin.get("paths"))
