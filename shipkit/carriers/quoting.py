"""Quote tables and shop tables: prices of many shipments, for carriers that are asked one by one.

The same question is asked once, and one bad row never costs another row its price.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from shipkit.carriers.pace import Pacer
from shipkit.common.pool import each
from shipkit.errors import AuthenticationFailed, CarrierError, CarrierRejected, SettingsError
from shipkit.models import NUMBERED_REFERENCES, Address, Rate, Shipment
from shipkit.schema import QUOTES, SHIPMENTS, UNANSWERED, quotes_table, shipment_from_row

__all__ = [
    "SHOPPED",
    "best_of",
    "quote_each",
    "quote_line",
    "refused_line",
    "shop_each",
]

SHOPPED: Final = pa.schema([pa.field("row", pa.int64()), *QUOTES])
"""Columns of a shop table: `row` is the index in the shipments table, the rest a quote.

A shipment has one row for each service that is priced for it.
"""

_OF_ITS_PLACE: Final = frozenset({"row_number", "row_numbers", "source_file", "order_id"})
_ASKED: Final = [name for name in SHIPMENTS.names if name not in _OF_ITS_PLACE]
"""Two shipments that agree in these columns are the same question for any carrier.

Names, phones, e-mails and references decide no price, and they decide refusals: a row without a
phone is refused where its neighbour is not, in words about that row.
"""

_LONG_NUMBER: Final = 30
"""Of an order number: a longer one is left out of some labels, and its row says so."""

_FORBIDDEN: Final = 403

_ANY_SERVICE: Final = "any"
"""The service of a shipment that is shopped: a carrier's `shop` does not look at it."""


async def quote_each(
    quote: Callable[[Shipment, Address], Awaitable[Rate]],
    table: pa.Table,
    shipper: Address,
    *,
    concurrency: int,
    pacer: Pacer | None = None,
) -> pa.Table:
    """Return a quote table by calling `quote` for every row of `table`.

    This is what ``quote_table`` can be for a carrier that prices one shipment at a time. Two rows
    are one question when they differ only in row numbers, file and order id.
    """
    questions: dict[str, dict[str, Any]] = {}
    keys: list[str] = []
    for row in _rows(table):
        key = _key(row)
        keys.append(key)
        questions.setdefault(key, row)
    found = await each(
        lambda row: _quote_line(quote, row, shipper, pacer),
        list(questions.values()),
        at_once=concurrency,
    )
    answers = dict(zip(questions, found, strict=True))
    return quotes_table([answers[key] for key in keys])


async def shop_each(
    shop: Callable[[Shipment, Address], Awaitable[list[Rate]]],
    table: pa.Table,
    shipper: Address,
    *,
    concurrency: int,
    pacer: Pacer | None = None,
) -> pa.Table:
    """Return a shop table (:data:`SHOPPED`) by calling `shop` for every row of `table`.

    This is how carriers are shopped that do not declare ``shop_table``.
    """
    rows = [{**row, "service": _ANY_SERVICE} for row in _rows(table)]
    keys = [_key(row) for row in rows]
    questions = dict(zip(keys, rows, strict=True))
    found = await each(
        lambda row: _offers(shop, row, shipper, pacer),
        list(questions.values()),
        at_once=concurrency,
    )
    answers = dict(zip(questions, found, strict=True))
    counts = [len(answers[key]) for key in keys]
    return best_of(
        quotes_table([offer for key in keys for offer in answers[key]]),
        np.repeat(np.arange(len(keys)), counts),
    )


def best_of(quotes: pa.Table, rows: npt.NDArray[np.int64]) -> pa.Table:
    """Return `quotes` as a shop table, by shipment and cost.

    Quotes with a problem are dropped where the shipment has a price by another service; a shipment
    without any price keeps one row with its problem.

    Parameters
    ----------
    rows
        The index in the shipments table that each quote belongs to.
    """
    priced = np.asarray(pc.is_valid(quotes.column("cost_cents")))
    unsold = np.flatnonzero(~priced & ~np.isin(rows, rows[priced]))
    _, first = np.unique(rows[unsold], return_index=True)
    keep = np.concatenate([np.flatnonzero(priced), unsold[first]])
    cents = np.asarray(pc.fill_null(quotes.column("cost_cents"), 0))[keep]
    keep = keep[np.lexsort((cents, rows[keep]))]
    return (
        quotes.take(pa.array(keep))
        .add_column(0, SHOPPED.field("row"), pa.array(rows[keep]))
        .select(SHOPPED.names)
        .cast(SHOPPED)
    )


def quote_line(rate: Rate, basis: str = "quoted") -> dict[str, Any]:
    """Return a price as a row of a quote table; one that is partly worked out is `estimated`."""
    basis = "estimated" if rate.estimated else basis
    return {**rate.model_dump(), "cost_basis": basis, "warnings": "; ".join(rate.warnings)}


def refused_line(service: str | None, error: CarrierError) -> dict[str, Any]:
    """Return a row without a price as a row of a quote table.

    A refusal is a problem of the row. Anything else (no connection, no time left, a 5xx, too many
    requests, a 403, which is about the caller) is an outage: the row is marked as
    :data:`~shipkit.schema.UNANSWERED`.
    """
    if isinstance(error, CarrierRejected) and error.details.get("status") != _FORBIDDEN:
        return {"service": service, "problem": error.message, "fix": error.fix}
    said = error.message.replace(" It may have acted.", "")
    return {
        "service": service,
        "cost_basis": UNANSWERED,
        "problem": f"no price: {said}",
        "fix": "Preview again once the carrier answers.",
    }


def _key(row: dict[str, Any]) -> str:
    """Return what is alike for rows that share an answer."""
    number = row["order_id"] or ""
    own = [row[name] for name in _ASKED]
    references = row["references"] or any(row[name] for name in NUMBERED_REFERENCES)
    return repr([*own, number] if references or len(number) > _LONG_NUMBER else own)


def _rows(table: pa.Table) -> Iterator[dict[str, Any]]:
    for batch in table.to_batches(max_chunksize=2_000):  # never all rows as Python objects at once
        yield from batch.to_pylist()


async def _quote_line(
    quote: Callable[[Shipment, Address], Awaitable[Rate]],
    row: dict[str, Any],
    shipper: Address,
    pacer: Pacer | None,
) -> dict[str, Any]:
    try:
        shipment = shipment_from_row(row)
        rate = await (
            pacer.repeat(lambda: quote(shipment, shipper)) if pacer else quote(shipment, shipper)
        )
    except (AuthenticationFailed, SettingsError):
        raise  # no row can be priced: this is not a problem of one row
    except CarrierError as error:
        return refused_line(row["service"], error)
    return quote_line(rate)


async def _offers(
    shop: Callable[[Shipment, Address], Awaitable[list[Rate]]],
    row: dict[str, Any],
    shipper: Address,
    pacer: Pacer | None,
) -> list[dict[str, Any]]:
    try:
        shipment = shipment_from_row(row)
    except ValueError:
        return [
            {
                "problem": "The row is not a complete shipment yet.",
                "fix": "session.problems lists what is missing.",
            }
        ]
    try:
        rates = await (
            pacer.repeat(lambda: shop(shipment, shipper)) if pacer else shop(shipment, shipper)
        )
    except (AuthenticationFailed, SettingsError):
        raise
    except CarrierError as error:
        return [refused_line(None, error)]
    return [quote_line(rate) for rate in rates] or [
        {
            "problem": "No service accepts this shipment.",
            "fix": "Correct the address or the parcel.",
        }
    ]
