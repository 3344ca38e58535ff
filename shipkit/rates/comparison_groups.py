"""A comparison as groups and their sums, which parts of the orders add up to exactly."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from shipkit.common import html
from shipkit.common.words import aligned
from shipkit.errors import InputError
from shipkit.models import Money
from shipkit.plan.preview import to_frame

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["GroupedComparison", "Totals", "added_up", "groups_of", "ranked"]

_SUMS = ("orders", "baseline_cents", "candidate_cents", "change_cents", "more_expensive", "cheaper")


@dataclass(frozen=True)
class Totals:
    """The totals of the orders that have both prices."""

    baseline: Money
    candidate: Money
    change: Money
    """Candidate minus baseline: negative if the candidate is cheaper."""

    @classmethod
    def of(cls, table: pa.Table, currency: str) -> Totals:
        """Return the totals of the columns ``baseline_cents`` and ``candidate_cents``."""
        before, after = (
            int(pc.sum(table.column(name), min_count=0).as_py())
            for name in ("baseline_cents", "candidate_cents")
        )
        return cls(
            *(Money.from_cents(cents, currency) for cents in (before, after, after - before))
        )


@dataclass(frozen=True, eq=False)
class GroupedComparison(html.Shown):
    """What changes, as sums by the keys that were asked for; no single orders are kept.

    Orders for which one of the two has no price are in no sum; `unrated` counts them.
    """

    table: pa.Table
    """The keys, then the sums of each group."""
    keys: tuple[str, ...]
    unrated: Mapping[str, int]
    """Orders by the price that is missing: ``baseline``, ``candidate`` or ``both``."""
    baseline: str
    candidate: str
    currency: str

    @cached_property
    def total(self) -> Totals:
        """Both totals and their difference."""
        return Totals.of(self.table, self.currency)

    def by(self, *keys: str) -> pd.DataFrame:
        """Return one row per value of `keys`, the biggest change first.

        Parameters
        ----------
        *keys
            Any of the keys that the comparison was made by; default: all of them.

        Raises
        ------
        InputError
            It was not made by this key.
        """
        for key in keys:
            if key not in self.keys:
                raise InputError(
                    f"The orders were not compared by {key!r}.",
                    fix=f"Name it in compare(..., by=...); these are by {', '.join(self.keys)}.",
                )
        return to_frame(ranked(added_up([self.table], keys or self.keys)))

    def lines(self) -> Iterator[tuple[str, str]]:
        """Yield the summary as pairs of name and text."""
        total, missing = self.total, sum(self.unrated.values())
        orders = int(pc.sum(self.table.column("orders"), min_count=0).as_py())
        more = f" ({missing:,} more without a price, in neither total)" if missing else ""
        yield "Orders", f"{orders:,}{more}"
        yield f"Baseline: {self.baseline}", str(total.baseline)
        yield f"Candidate: {self.candidate}", str(total.candidate)
        yield "Change", str(total.change)

    def __repr__(self) -> str:
        return aligned(self.lines())

    def _repr_html_(self) -> str:
        return html.block(html.facts(self.lines()), name="shipkit-comparison")


def groups_of(table: pa.Table, keys: Sequence[str]) -> pa.Table:
    """Return the sums of compared orders by `keys`."""
    change = table.column("change_cents")
    counted = table.append_column("orders", pa.repeat(pa.scalar(1), table.num_rows))
    counted = counted.append_column("more_expensive", pc.greater(change, 0).cast(pa.int64()))
    counted = counted.append_column("cheaper", pc.less(change, 0).cast(pa.int64()))
    return added_up([counted], keys)


def added_up(groups: Iterable[pa.Table], keys: Sequence[str]) -> pa.Table:
    """Return groups of parts added up, or those of one table by fewer keys."""
    table = pa.concat_tables([each.select([*keys, *_SUMS]) for each in groups])
    made = table.group_by([*keys]).aggregate([(name, "sum") for name in _SUMS])
    columns = [made.column(key) for key in keys]
    columns += [made.column(f"{name}_sum") for name in _SUMS]
    return pa.table(columns, names=[*keys, *_SUMS])


def ranked(groups: pa.Table) -> pa.Table:
    """Return groups with the change in percent, the biggest change first."""
    keys = [name for name in groups.column_names if name not in _SUMS]
    percent = _percent(groups.column("change_cents"), groups.column("baseline_cents"))
    named = groups.add_column(len(keys) + 4, "change_percent", percent).append_column(
        "size", pc.abs(groups.column("change_cents"))
    )
    order = [("size", "descending"), *((key, "ascending") for key in keys)]
    return named.sort_by(order).drop_columns(["size"])


def _percent(change: pa.ChunkedArray, before: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return `change` in percent of `before`; null where that is 0."""
    base = before.cast(pa.float64())
    ratio = pc.divide(change.cast(pa.float64()), base)
    return pc.if_else(pc.greater(base, 0), pc.multiply(ratio, 100.0), pa.scalar(None, pa.float64()))
