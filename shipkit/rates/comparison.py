"""Compare two prices of the same orders: one contract with another, or with what was paid."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
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
from shipkit.plan.preview import Preview, to_frame
from shipkit.rates.comparison_groups import GroupedComparison, Totals, groups_of, ranked
from shipkit.rates.quote_comparison import QuoteComparison, compare_quotes
from shipkit.rates.reading import Orders, read_orders
from shipkit.rates.scenario import Boxes, Origins, Place, Scenario, day_of, mapping_of
from shipkit.rates.whatif import rated
from shipkit.schema import major

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["COMPARED_COLUMNS", "RateComparison", "Sides", "Totals", "compare"]

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
"""Columns of :attr:`RateComparison.frame`; service, zone and weight are the candidate's."""

_BANDS = (1, 5, 10, 20, 50, 70, 150)
"""Highest weight in pounds of each weight band."""


@dataclass(frozen=True, eq=False)
class RateComparison(html.Shown):
    """What changes when `candidate` replaces `baseline`.

    Orders for which one of the two has no price are in neither total; `unrated` lists them.
    """

    table: pa.Table
    """:data:`COMPARED_COLUMNS`, the orders with both prices."""
    unrated_table: pa.Table
    baseline: str
    candidate: str
    currency: str

    @cached_property
    def frame(self) -> pd.DataFrame:
        """The orders with both prices, one row each: :data:`COMPARED_COLUMNS`."""
        return to_frame(self.table)

    @cached_property
    def unrated(self) -> pd.DataFrame:
        """The orders that are in neither total, one row each.

        Columns: ``row_number``, ``order_id``, ``service``, ``postal_code``, ``side`` (which price
        is missing: ``baseline``, ``candidate`` or ``both``), ``problem``, ``fix``.
        """
        return to_frame(self.unrated_table)

    @cached_property
    def total(self) -> Totals:
        """Both totals and their difference."""
        return Totals.of(self.table, self.currency)

    def by(self, *keys: str) -> pd.DataFrame:
        """Return one row per value of `keys`, the biggest change first.

        Parameters
        ----------
        *keys
            ``service`` (the default), ``zone``, ``weight_band``, ``state`` or any other column of
            `frame`.

        Returns
        -------
        DataFrame
            The keys, ``orders``, ``baseline_cents``, ``candidate_cents``, ``change_cents`` (exact),
            ``change_percent`` (null where the baseline is 0), and ``more_expensive`` and
            ``cheaper``: how many orders would cost more, and less.

        Raises
        ------
        InputError
            A key is unknown.
        """
        return to_frame(self._by(keys or ("service",)))

    def plot(self, by: str = "service") -> Any:
        """Return a bar chart of the change per value of `by`, as a matplotlib figure."""
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
        """Yield the summary as pairs of name and text."""
        total = self.total
        yield (
            "Orders",
            f"{self.table.num_rows:,}"
            + (
                f" ({self.unrated_table.num_rows:,} more without a price, in neither total)"
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
                    f"{key!r} is not a column to group by.",
                    fix=f"Use one of: {', '.join(self.table.column_names)}.",
                )
        return ranked(groups_of(self.table, keys))


def compare(
    baseline: RateCard | str | Preview,
    candidate: RateCard,
    orders: Any = None,
    *,
    as_of: dt.date | str | None = None,
    origin: Place | None = None,
    origins: Origins | None = None,
    boxes: Boxes | None = None,
    service: str | None = None,
    columns: Mapping[str, str] | None = None,
    services: Mapping[str, str] | None = None,
    defaults: Mapping[str, Any] | None = None,
    ignore: Sequence[str] | str | None = None,
    warehouses: Mapping[str, Place] | None = None,
    by: Sequence[str] | str | None = None,
    executor: Any = None,
    progress: bool = False,
) -> RateComparison | GroupedComparison | QuoteComparison:
    """Return what changes when `candidate` prices `orders` instead of `baseline`.

    Parameters
    ----------
    baseline
        A card, the name of the column with the amounts that were paid, or
        ``session.previewed``: the quotes of a carrier, which are compared part by part, without
        `orders` and the other options.
    candidate
        A card. Pass the same card as `baseline` to see what only `origins`, `boxes` or `service`
        would change.
    orders, as_of, origin, columns, services, defaults, ignore, warehouses
        As in :func:`shipkit.rate`, for both sides.
    origins, boxes, service
        As in :func:`shipkit.rate`, for the candidate only.
    by
        Columns of :data:`COMPARED_COLUMNS`, such as ``("state", "service")``: only the sums of
        these groups are kept, so that files may have more orders than fit in memory.
    executor, progress
        As in :func:`shipkit.rate`, with `by`: each file is compared by itself, and the sums are
        added up, which is exact.

    Returns
    -------
    RateComparison, GroupedComparison or QuoteComparison
        The second with `by`, the last for the quotes of a preview.

    Raises
    ------
    InputError
        There is no such column, the two cards are in different currencies, or there are no orders.

    Examples
    --------
    >>> import shipkit as sk
    >>> orders = [
    ...     {"zip": "10001", "weight_lb": 3, "service": "Ground", "paid": "25.00"},
    ...     {"zip": "94103", "weight_lb": 1, "service": "Ground", "paid": ""},
    ... ]
    >>> result = sk.compare("paid", sk.RateCard.synthetic(), orders, origin="78205")
    >>> len(result.frame), len(result.unrated), str(result.total.baseline)
    (1, 1, '25.00 USD')
    """
    mapping = mapping_of(
        columns=columns,
        services=services,
        defaults=defaults,
        ignore=ignore,
        warehouses=warehouses,
    )
    if isinstance(baseline, Preview):
        given = (orders, as_of, origin, origins, boxes, service, by, executor, *mapping.values())
        if any(each is not None for each in given):
            raise InputError(
                "The quotes of a preview have their orders, places and services.",
                fix="Leave the other arguments out: compare(session.previewed, card).",
            )
        return compare_quotes(baseline, candidate)
    if orders is None:
        raise InputError("There are no orders to price.", fix="compare(card, other, orders)")
    sides = Sides.of(baseline, candidate, Scenario(day_of(as_of), origin, origins, boxes, service))
    if by is not None:
        from shipkit.rates.compared_parts import compare_by

        keys = (by,) if isinstance(by, str) else tuple(by)
        return compare_by(sides, keys, orders, mapping, executor, progress=progress)
    if executor is not None:
        raise InputError(
            "With an executor, orders are compared in groups.",
            fix='Name what they are grouped by: by=("state", "service").',
        )
    return sides.compared(read_orders(orders, **mapping))


@dataclass(frozen=True)
class Sides:
    """The two prices that are compared; it can be sent to other processes."""

    baseline: RateCard | str
    candidate: RateCard
    before: Scenario
    after: Scenario

    @classmethod
    def of(cls, baseline: RateCard | str, candidate: RateCard, scenario: Scenario) -> Sides:
        """Return the sides; origins, boxes and service of the scenario are the candidate's."""
        if isinstance(baseline, RateCard) and baseline.currency != candidate.currency:
            raise InputError(
                f"{baseline.name} is in {baseline.currency} and {candidate.name} in "
                f"{candidate.currency}.",
                fix="Compare cards in the same currency.",
            )
        start = None if scenario.origins is not None else scenario.origin
        return cls(
            baseline,
            candidate,
            Scenario(scenario.as_of, scenario.origin),
            replace(scenario, origin=start),
        )

    @property
    def name(self) -> str:
        """What the baseline is called."""
        if isinstance(self.baseline, RateCard):
            return self.baseline.name
        return f"column {self.baseline!r}"

    def compared(self, orders: Orders) -> RateComparison:
        """Return the comparison of some orders."""
        after = rated(orders, self.candidate, self.after)
        if isinstance(self.baseline, RateCard):
            before = rated(orders, self.baseline, self.before)
        else:
            before = _paid(orders, self.baseline, self.candidate.currency)
        return _compared(before, after, self.name, self.candidate)


def _compared(before: pa.Table, after: pa.Table, name: str, candidate: RateCard) -> RateComparison:
    priced_before, priced_after = (
        pc.is_valid(side.column("cost_cents")) for side in (before, after)
    )
    both = pc.and_(priced_before, priced_after)
    columns = {
        **{key: after.column(key) for key in COMPARED_COLUMNS if key in after.column_names},
        "weight_band": _bands(after.column("billable_weight_lb")),
        "baseline_cents": before.column("cost_cents"),
        "candidate_cents": after.column("cost_cents"),
        "change_cents": pc.subtract(after.column("cost_cents"), before.column("cost_cents")),
        "baseline_zone": before.column("zone"),
        "baseline_billable_weight_lb": before.column("billable_weight_lb"),
    }
    table = pa.table({key: columns[key] for key in COMPARED_COLUMNS})
    missing = pc.if_else(priced_before, "candidate", pc.if_else(priced_after, "baseline", "both"))
    unrated = pa.table(
        {
            **{
                key: after.column(key)
                for key in ("row_number", "order_id", "service", "postal_code")
            },
            "side": missing,
            **{
                key: pc.coalesce(after.column(key), before.column(key))
                for key in ("problem", "fix")
            },
        }
    )
    return RateComparison(
        table.filter(both),
        unrated.filter(pc.invert(both)),
        name,
        candidate.name,
        candidate.currency,
    )


def _bands(weight: pa.ChunkedArray) -> pa.Array:
    """Return the name of the weight band of each billable weight."""
    names = [
        "1 lb",
        *(f"{low + 1}-{high} lb" for low, high in pairwise(_BANDS)),
        f"over {_BANDS[-1]} lb",
    ]
    place = np.searchsorted(_BANDS, np.asarray(pc.fill_null(weight, 0.0)), side="left")
    return pc.take(pa.array(names), pa.array(place, mask=np.asarray(pc.is_null(weight))))


def _paid(orders: Orders, column: str, currency: str) -> pa.Table:
    """Return what was paid, in the columns of a rated table that a comparison needs."""
    values = orders.column(column)
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
    cents = _cents(values, currency)
    n = orders.table.num_rows
    empty = pc.is_null(cents)
    no_text = pa.scalar(None, pa.string())
    return pa.table(
        {
            "cost_cents": cents,
            "cost": major(
                pa.chunked_array([cents]), pa.chunked_array([pa.repeat(pa.scalar(currency), n)])
            ),
            "zone": pa.nulls(n, pa.string()),
            "billable_weight_lb": pa.nulls(n, pa.float64()),
            "problem": pc.if_else(empty, f"{column}: the amount is missing or unreadable", no_text),
            "fix": pc.if_else(empty, "Fill in the amount, or leave the order out.", no_text),
        }
    )


def _cents(values: pa.Array, currency: str) -> pa.Array:
    """Return amounts as exact minor units, rounded half up; null where a cell is not an amount."""
    text = pc.utf8_trim_whitespace(
        pc.replace_substring_regex(values.cast(pa.string()), r"[$,\s]|USD", "")
    )
    # A float such as 0.1 + 0.2 has 17 digits; 12 decimals are more than any amount has.
    text = pc.replace_substring_regex(text, r"(\.\d{12})\d+$", r"\1")
    amount = pc.if_else(
        pc.match_substring_regex(text, r"^\d{1,12}(\.\d{1,12})?$"),
        text,
        pa.scalar(None, pa.string()),
    )
    exact = pc.multiply(
        amount.cast(pa.decimal128(30, 12)),
        pa.scalar(10 ** minor_units(currency), pa.decimal128(5, 0)),
    )
    rounded = pc.round(exact, ndigits=0, round_mode="half_towards_infinity")
    return rounded.cast(pa.decimal128(38, 0)).cast(pa.int64())
