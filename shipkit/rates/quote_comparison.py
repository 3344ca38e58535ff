"""Compare a card with the quotes of a carrier: which rows differ, and by which part of the price.

A part that the carrier did not state is not known, which is neither 0 nor a difference.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from shipkit.carriers.ratecard import RateCard
from shipkit.carriers.ratecard.card_parts import card_service
from shipkit.carriers.ratecard.zones import zone_name
from shipkit.common import html
from shipkit.common.words import aligned
from shipkit.errors import InputError
from shipkit.models import Money
from shipkit.plan.preview import PRICE_PARTS, Preview, to_frame
from shipkit.rates.comparison_groups import Totals, groups_of, ranked

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["QUOTE_COLUMNS", "QuoteComparison", "compare_quotes"]

_PARTS: Final = tuple(name.removesuffix("_cents") for name in PRICE_PARTS)
_CAUSES: Final = ("zone", "billable_weight_lb")
_UNSTATED: Final = "not stated"

QUOTE_COLUMNS = (
    "row_number",
    "order_id",
    "service",
    "quoted_cents",
    "card_cents",
    "change_cents",
    "currency",
    "differs",
    *(f"{side}_{name}" for name in _CAUSES for side in ("quoted", "card")),
    *(f"{side}_{name}" for name in PRICE_PARTS for side in ("quoted", "card")),
)
"""Columns of :attr:`QuoteComparison.frame`. ``differs`` names the parts of the price, and ``zone``
or ``billable_weight_lb`` where these are other ones; ``not stated`` where the totals differ and no
part that both sides state does. Amounts are in minor units, empty where they are not stated."""


@dataclass(frozen=True, eq=False)
class QuoteComparison(html.Shown):
    """The prices of a card next to a carrier's quotes, row by row and part by part."""

    table: pa.Table
    """:data:`QUOTE_COLUMNS`, the rows with both prices."""
    unrated_table: pa.Table
    card: str
    currency: str

    @cached_property
    def frame(self) -> pd.DataFrame:
        """The rows with both prices: :data:`QUOTE_COLUMNS`."""
        return to_frame(self.table)

    @cached_property
    def differences(self) -> pd.DataFrame:
        """The rows of `frame` whose totals differ, the largest difference first."""
        return to_frame(_by_size(self.table.filter(pc.not_equal(self.table["change_cents"], 0))))

    @cached_property
    def parts(self) -> pd.DataFrame:
        """One row per part of the price.

        Columns: ``part``, ``rows`` (where both sides state it), ``differ`` (of these), ``unstated``
        (rows where one side does not), ``quoted_cents``, ``card_cents`` and ``change_cents``, the
        sums over `rows`.
        """
        return to_frame(self._parts)

    @cached_property
    def unrated(self) -> pd.DataFrame:
        """The rows that one side has no price for, with ``side``, ``problem`` and ``fix``."""
        return to_frame(self.unrated_table)

    @cached_property
    def total(self) -> Totals:
        """Both totals and their difference, over the rows with both prices."""
        sums = [int(pc.sum(self.table[name], min_count=0).as_py()) for name in _BOTH]
        quoted, card = (Money.from_cents(cents, self.currency) for cents in sums)
        return Totals(quoted, card, Money.from_cents(sums[1] - sums[0], self.currency))

    def by(self, *keys: str) -> pd.DataFrame:
        """Return one row per value of `keys`, as :meth:`RateComparison.by` does.

        Parameters
        ----------
        *keys
            ``differs`` (the default), ``service``, ``card_zone`` or another column of `frame` that
            is no total.
        """
        wanted = keys or ("differs",)
        for key in wanted:
            if key not in _GROUPED:
                raise InputError(
                    f"{key!r} is not a column to group by.",
                    fix=f"Use one of: {', '.join(_GROUPED)}.",
                )
        names = {"quoted_cents": "baseline_cents", "card_cents": "candidate_cents"}
        renamed = [names.get(name, name) for name in self.table.column_names]
        return to_frame(ranked(groups_of(self.table.rename_columns(renamed), wanted)))

    def lines(self) -> Iterator[tuple[str, str]]:
        """Yield the summary as pairs of name and text."""
        total, differ = self.total, len(self.differences)
        more = self.unrated_table.num_rows
        without = f" ({more:,} more without one of the prices, in neither total)" if more else ""
        yield "Rows", f"{self.table.num_rows:,}{without}"
        yield "Quoted", str(total.baseline)
        yield f"Card: {self.card}", str(total.candidate)
        yield "Change", str(total.change)
        yield "Differ", f"{differ:,} rows"
        for line in self._parts.to_pylist():
            if line["differ"] or line["unstated"]:
                change = Money.from_cents(line["change_cents"], self.currency)
                unstated = f", not stated on {line['unstated']:,}" if line["unstated"] else ""
                yield f"  {line['part']}", f"{change} on {line['differ']:,}{unstated}"

    def __repr__(self) -> str:
        return aligned(self.lines())

    def _repr_html_(self) -> str:
        return html.block(html.facts(self.lines()), name="shipkit-comparison")

    @cached_property
    def _parts(self) -> pa.Table:
        lines = []
        for part in _PARTS:
            quoted, card = (self.table[f"{side}_{part}_cents"] for side in ("quoted", "card"))
            both = pc.and_(pc.is_valid(quoted), pc.is_valid(card))
            sums = [int(pc.sum(each.filter(both), min_count=0).as_py()) for each in (quoted, card)]
            differ = pc.fill_null(pc.not_equal(quoted, card), False)  # noqa: FBT003 - a fill value
            rows = int(pc.sum(both, min_count=0).as_py())
            lines.append(
                {
                    "part": part,
                    "rows": rows,
                    "differ": int(pc.sum(differ, min_count=0).as_py()),
                    "unstated": self.table.num_rows - rows,
                    "quoted_cents": sums[0],
                    "card_cents": sums[1],
                    "change_cents": sums[1] - sums[0],
                }
            )
        return pa.Table.from_pylist(lines)


_GROUPED: Final = tuple(
    name for name in QUOTE_COLUMNS if name not in ("quoted_cents", "card_cents", "change_cents")
)
_BOTH: Final = ("quoted_cents", "card_cents")


def compare_quotes(shown: Preview, card: RateCard) -> QuoteComparison:
    """Return `card` next to the quotes of a preview, for the services that the preview has."""
    plan = shown.plan.table
    priced = card.quote_table(_as_cards_name_them(shown), shown.plan.shipper)
    quotes = shown.quotes
    other = pc.and_(
        pc.is_valid(quotes["cost_cents"]), pc.not_equal(quotes["currency"], card.currency)
    )
    foreign = pc.fill_null(other, False)  # noqa: FBT003 - a fill value
    has_quote = pc.is_valid(quotes["cost_cents"])
    has_card = pc.and_(pc.is_valid(priced["cost_cents"]), pc.invert(foreign))
    both = pc.and_(has_quote, has_card)
    table = _table(plan, quotes, priced).filter(both)
    side = pc.if_else(has_quote, "card", pc.if_else(has_card, "quoted", "both"))
    problem = pc.if_else(
        foreign,
        pc.binary_join_element_wise(
            "the quote is in", quotes["currency"], f"and the card in {card.currency}", " "
        ),
        pc.if_else(has_quote, priced["problem"], pc.coalesce(quotes["problem"], _REASON)),
    )
    reasons = pa.array([shown.reasons.get(row) for row in range(plan.num_rows)], pa.string())
    unrated = pa.table(
        {
            "row_number": plan["row_number"],
            "order_id": plan["order_id"],
            "service": plan["service"],
            "side": side,
            "problem": pc.if_else(has_quote, problem, pc.coalesce(reasons, problem)),
            "fix": pc.if_else(has_quote, priced["fix"], quotes["fix"]),
        }
    )
    return QuoteComparison(table, unrated.filter(pc.invert(both)), card.name, card.currency)


def _as_cards_name_them(shown: Preview) -> pa.Table:
    """Return a plan with its services as cards call them, whichever account sells them.

    USPS's own ``priority`` is ``usps:priority``, and EasyPost's ``ups:ground`` is ``ground``.
    """
    plan = shown.plan.table
    both = pa.table({"service": plan["service"], "carrier": shown.movers})
    names = {
        (line["service"], line["carrier"]): card_service(line["service"], line["carrier"])
        for line in both.group_by(["service", "carrier"]).aggregate([]).to_pylist()
    }
    called = [names[pair] for pair in zip(*both.to_pydict().values(), strict=True)]
    at = plan.schema.get_field_index("service")
    return plan.set_column(at, plan.schema.field(at), pa.array(called, pa.string()))


_REASON: Final = "the row has no quote"


def _table(plan: pa.Table, quotes: pa.Table, priced: pa.Table) -> pa.Table:
    columns: dict[str, Any] = {
        "row_number": plan["row_number"],
        "order_id": plan["order_id"],
        "service": plan["service"],
        "quoted_cents": quotes["cost_cents"],
        "card_cents": priced["cost_cents"],
        "change_cents": pc.subtract(priced["cost_cents"], quotes["cost_cents"]),
        "currency": priced["currency"],
    }
    for name in (*_CAUSES, *PRICE_PARTS):
        columns[f"quoted_{name}"], columns[f"card_{name}"] = quotes[name], priced[name]
    columns["differs"] = _differs(columns)
    return pa.table({name: columns[name] for name in QUOTE_COLUMNS})


def _differs(columns: dict[str, Any]) -> pa.Array:
    """Return the names of what differs on each row, joined by commas; null where nothing does."""
    names: list[list[str]] = [[] for _ in columns["change_cents"]]
    for name in (*PRICE_PARTS, *_CAUSES):
        quoted, card = columns[f"quoted_{name}"], columns[f"card_{name}"]
        if name == "zone":  # USPS says "07"
            quoted, card = _zone_names(quoted), _zone_names(card)
        unlike = pc.not_equal(quoted, card)
        for row in pc.indices_nonzero(unlike).to_pylist():
            names[row].append(name.removesuffix("_cents"))
    for row in pc.indices_nonzero(columns["change_cents"]).to_pylist():
        names[row] = names[row] or [_UNSTATED]
    return pa.array([", ".join(row) or None for row in names], pa.string())


def _zone_names(zones: Any) -> pa.Array:
    return pa.array([text and zone_name(text) for text in zones.to_pylist()], pa.string())


def _by_size(table: pa.Table) -> pa.Table:
    size = pc.negate(pc.abs(table["change_cents"]))
    return table.append_column("size", size).sort_by([("size", "ascending")]).drop_columns(["size"])
