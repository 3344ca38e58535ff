"""What became of a job, for people and programs: status, counts, totals. Changes nothing."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from shipkit.common import html
from shipkit.common.words import aligned, counted, total_text
from shipkit.errors import InputError, ShipmentsFailed
from shipkit.models import BillTo, Money, Refund
from shipkit.plan.summary import BilledToOthers
from shipkit.purchasing.result_frames import results_frame
from shipkit.purchasing.store import JobStore
from shipkit.state import JobStatus, RowState

if TYPE_CHECKING:
    import pandas as pd


__all__ = [
    "BatchResult",
    "ChargedAbove",
    "Refunds",
    "can_write_back",
    "charged",
    "next_words",
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
        """The results, one row per shipment.

        See :func:`shipkit.purchasing.result_frames.results_frame`.
        """
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
