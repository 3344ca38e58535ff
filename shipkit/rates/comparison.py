"""Two prices for the same orders: a contract against another, or against what was paid."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shipkit.carriers.ratecard import RateCard
from shipkit.common import html
from shipkit.common.words import aligned
from shipkit.errors import InputError
from shipkit.models import Money, minor_units
from shipkit.plan.preview import to_frame
from shipkit.rates.whatif import Boxes, Orders, Origins, Place, rated, read_orders
from shipkit.schema import major

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["COMPARED_COLUMNS", "Comparison", "Totals", "compare"]

COMPARED_COLUMNS = (
    "row_number",
    "order_id",
    "state",
    "postal_code",
    "country",
    "service",
    "weight_band",
    "zone",
    "billable_weight_lb",
    "baseline_cents",
    "candidate_cents",
    "change_cents",
    "currency",
    "baseline_zone",
    "baseline_billable_weight_lb",
)
"""Columns of :attr:`Comparison.frame`. ``service``, ``zone`` and weight are the candidate's."""

_BANDS = (1, 5, 10, 20, 50, 70, 150)


@dataclass(frozen=True)
class Totals:
    """What the rated orders come to."""

    baseline: Money
    candidate: Money
    change: Money
    """Candidate less baseline: negative where it saves."""


@dataclass(frozen=True, eq=False)
class Comparison(html.Shown):
    """What changes when `candidate` replaces `baseline`. Orders that one of them has no price for are in neither total."""

    table: pa.Table
    """:data:`COMPARED_COLUMNS`, the orders with both prices."""
    unrated_table: pa.Table
    baseline: str
    candidate: str
    currency: str

    @cached_property
    def frame(self) -> pd.DataFrame:
        """A line for each order with both prices: :data:`COMPARED_COLUMNS`."""
        return to_frame(self.table)

    @cached_property
    def unrated(self) -> pd.DataFrame:
        """Orders that are in neither total: ``row_number``, ``order_id``, ``service``, ``postal_code``, ``side``, ``problem``, ``fix``."""
        return to_frame(self.unrated_table)

    @cached_property
    def total(self) -> Totals:
        """Both totals, and the difference."""
        before, after = (
            int(pc.sum(self.table.column(name), min_count=0).as_py())
            for name in ("baseline_cents", "candidate_cents")
        )
        return Totals(
            *(Money.from_cents(cents, self.currency) for cents in (before, after, after - before))
        )

    def by(self, *keys: str) -> pd.DataFrame:
        """Return a line for each value of `keys` (``service``, ``zone``, ``weight_band``, ``state``, any column), the biggest change first.

        Columns: the keys, ``orders``, ``baseline_cents``, ``candidate_cents``, ``change_cents``
        (exact), ``change_percent`` (null where nothing was paid), ``dearer`` and ``cheaper`` (how
        many orders). Raises InputError for an unknown key.
        """
        return to_frame(self._by(keys or ("service",)))

    def plot(self, by: str = "service") -> Any:
        """Return a bar chart of the change per value of `by` (needs matplotlib)."""
        from matplotlib.figure import Figure

        lines = self._by((by,)).slice(0, 20).to_pylist()
        scale = 10 ** minor_units(self.currency)
        figure = Figure(figsize=(7, 0.4 + 0.35 * max(len(lines), 2)), layout="constrained")
        axes = figure.subplots()
        changes = [line["change_cents"] / scale for line in lines]
        axes.barh(
            [str(line[by]) for line in lines],
            changes,
            color=["#2e7d32" if change < 0 else "#c62828" for change in changes],
        )
        axes.invert_yaxis()
        axes.axvline(0, color="black", linewidth=0.8)
        axes.set(
            xlabel=f"change in {self.currency}",
            ylabel=by.replace("_", " "),
            title=f"{self.candidate} instead of {self.baseline}",
        )
        return figure

    def lines(self) -> Iterator[tuple[str, str]]:
        """Yield what a person wants to know, name and text."""
        total = self.total
        yield (
            "Orders",
            f"{self.table.num_rows:,}"
            + (
                f" ({self.unrated_table.num_rows:,} more unrated, in neither total)"
                if self.unrated_table.num_rows
                else ""
            ),
        )
        yield f"Baseline: {self.baseline}", str(total.baseline)
        yield f"Candidate: {self.candidate}", str(total.candidate)
        percent = (
            f" ({total.change.cents / total.baseline.cents:+.1%})" if total.baseline.cents else ""
        )
        yield "Change", f"{total.change}{percent}"
        for line in self._by(("service",)).slice(0, 8).to_pylist():
            yield (
                f"  {line['service']}",
                f"{Money.from_cents(line['change_cents'], self.currency)} on {line['orders']:,}",
            )

    def __repr__(self) -> str:
        return aligned(self.lines())

    def _repr_html_(self) -> str:
        return html.block(html.facts(self.lines()), name="shipkit-comparison")

    def _by(self, keys: tuple[str, ...]) -> pa.Table:
        for key in keys:
            if key not in self.table.column_names:
                raise InputError(
                    f"There is nothing to group by {key!r}.",
                    fix=f"Use one of: {', '.join(self.table.column_names)}.",
                )
        change = self.table.column("change_cents")
        table = self.table.append_column(
            "dearer", pc.greater(change, 0).cast(pa.int64())
        ).append_column("cheaper", pc.less(change, 0).cast(pa.int64()))
        sums = ("baseline_cents", "candidate_cents", "change_cents", "dearer", "cheaper")
        grouped = table.group_by(list(keys)).aggregate(
            [*((name, "sum") for name in sums), ("row_number", "count")]
        )
        grouped = grouped.rename_columns(
            [
                name.removesuffix("_sum").replace("row_number_count", "orders")
                for name in grouped.column_names
            ]
        )
        before = grouped.column("baseline_cents").cast(pa.float64())
        percent = pc.if_else(
            pc.greater(before, 0),
            pc.multiply(
                pc.divide(grouped.column("change_cents").cast(pa.float64()), before), 100.0
            ),
            pa.scalar(None, pa.float64()),
        )
        grouped = grouped.append_column("change_percent", percent).append_column(
            "size", pc.abs(grouped.column("change_cents"))
        )
        names = [
            *keys,
            "orders",
            "baseline_cents",
            "candidate_cents",
            "change_cents",
            "change_percent",
            "dearer",
            "cheaper",
        ]
        return grouped.sort_by(
            [("size", "descending"), *((key, "ascending") for key in keys)]
        ).select(names)


def compare(
    baseline: RateCard | str,
    candidate: RateCard,
    orders: Any,
    *,
    as_of: dt.date | str | None = None,
    origin: Place | None = None,
    origins: Origins | None = None,
    boxes: Boxes | None = None,
    service: str | None = None,
    columns: Mapping[str, str] | None = None,
    services: Mapping[str, str] | None = None,
    defaults: Mapping[str, Any] | None = None,
) -> Comparison:
    """Return what changes when `candidate` prices `orders` instead of `baseline`.

    Parameters
    ----------
    baseline
        A card, or the name of the column with what was paid.
    candidate
        A card. The same card as `baseline` with `origins`, `boxes` or `service` answers what those
        would change.
    as_of
        Price both by the rules of this day.
    origin
        Where orders start, for both.
    origins, boxes, service
        As in :func:`shipkit.rate`, for the candidate only.
    columns, services, defaults
        As in :meth:`shipkit.BatchSession.map`.

    Raises
    ------
    InputError
        There is no such column, or the two are in different currencies.

    Examples
    --------
    >>> import shipkit as sk
    >>> orders = [{"zip": "10001", "weight_lb": 3, "service": "Ground", "paid": "25.00"}, {"zip": "94103", "weight_lb": 1, "service": "Ground", "paid": ""}]
    >>> result = sk.compare("paid", sk.RateCard.synthetic(), orders, origin="78205")
    >>> len(result.frame), len(result.unrated), str(result.total.baseline)
    (1, 1, '25.00 USD')
    """
    read = read_orders(orders, columns=columns, services=services, defaults=defaults)
    day = dt.date.fromisoformat(as_of) if isinstance(as_of, str) else as_of
    start = None if origins is not None else origin
    after = rated(read, candidate, day, origin=start, origins=origins, boxes=boxes, service=service)
    if isinstance(baseline, RateCard):
        if baseline.currency != candidate.currency:
            raise InputError(
                f"{baseline.name} is in {baseline.currency} and {candidate.name} in "
                f"{candidate.currency}.",
                fix="Compare cards of one currency.",
            )
        before, name = rated(read, baseline, day, origin=origin), baseline.name
    else:
        before, name = _paid(read, baseline, candidate.currency), f"column {baseline!r}"
    return _compared(before, after, name, candidate)


def _compared(before: pa.Table, after: pa.Table, name: str, candidate: RateCard) -> Comparison:
    priced_before, priced_after = (
        pc.is_valid(side.column("cost_cents")) for side in (before, after)
    )
    both = pc.and_(priced_before, priced_after)
    weight = after.column("billable_weight_lb")
    columns = {
        **{
            key: after.column(key)
            for key in (
                "row_number",
                "order_id",
                "state",
                "postal_code",
                "country",
                "service",
                "zone",
                "billable_weight_lb",
                "currency",
            )
        },
        "weight_band": _bands(weight),
        "baseline_cents": before.column("cost_cents"),
        "candidate_cents": after.column("cost_cents"),
        "change_cents": pc.subtract(after.column("cost_cents"), before.column("cost_cents")),
        "baseline_zone": before.column("zone"),
        "baseline_billable_weight_lb": before.column("billable_weight_lb"),
    }
    table = pa.table({key: columns[key] for key in COMPARED_COLUMNS})
    side = pc.if_else(priced_before, "candidate", pc.if_else(priced_after, "baseline", "both"))
    unrated = pa.table(
        {
            **{
                key: after.column(key)
                for key in ("row_number", "order_id", "service", "postal_code")
            },
            "side": side,
            **{
                key: pc.coalesce(after.column(key), before.column(key))
                for key in ("problem", "fix")
            },
        }
    )
    return Comparison(
        table.filter(both),
        unrated.filter(pc.invert(both)),
        name,
        candidate.name,
        candidate.currency,
    )


def _bands(weight: pa.ChunkedArray) -> pa.Array:
    """Return the name of each billable weight's band."""
    names = [
        "1 lb",
        *(f"{low + 1}-{high} lb" for low, high in pairwise(_BANDS)),
        f"over {_BANDS[-1]} lb",
    ]
    place = np.searchsorted(_BANDS, np.asarray(pc.fill_null(weight, 0.0)), side="left")
    return pc.take(pa.array(names), pa.array(place, mask=np.asarray(pc.is_null(weight))))


def _paid(orders: Orders, column: str, currency: str) -> pa.Table:
    """Return what was paid, shaped as a rated table: exact cents, null where the cell is empty or no amount."""
    values = orders.column(column)
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
    text = pc.utf8_trim_whitespace(
        pc.replace_substring_regex(values.cast(pa.string()), r"[$,\s]|USD", "")
    )
    text = pc.replace_substring_regex(
        text, r"(\.\d{12})\d+$", r"\1"
    )  # floats have more digits than an amount
    amount = pc.if_else(
        pc.match_substring_regex(text, r"^\d{1,12}(\.\d{1,12})?$"),
        text,
        pa.scalar(None, pa.string()),
    )
    cents = (
        pc.round(
            pc.multiply(
                amount.cast(pa.decimal128(30, 12)),
                pa.scalar(10 ** minor_units(currency), pa.decimal128(5, 0)),
            ),
            ndigits=0,
            round_mode="half_towards_infinity",
        )
        .cast(pa.decimal128(38, 0))
        .cast(pa.int64())
    )
    n = orders.table.num_rows
    empty = pc.is_null(cents)
    problem = pc.if_else(
        empty,
        pa.scalar(f"{column}: no amount was paid, or it cannot be read"),
        pa.scalar(None, pa.string()),
    )
    return pa.table(
        {
            "cost_cents": cents,
            "cost": major(
                pa.chunked_array([cents]), pa.chunked_array([pa.repeat(pa.scalar(currency), n)])
            ),
            "zone": pa.nulls(n, pa.string()),
            "billable_weight_lb": pa.nulls(n, pa.float64()),
            "problem": problem,
            "fix": pc.if_else(
                empty,
                pa.scalar("Fill in the amount, or leave the order out."),
                pa.scalar(None, pa.string()),
            ),
        }
    )
