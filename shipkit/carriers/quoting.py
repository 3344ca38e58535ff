"""Quote tables and shop tables: prices of many shipments, for carriers that are asked one by one.

The same question is asked once, and one bad row never costs another row its price.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Final, TypeVar

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
    "alike",
    "best_of",
    "offers_table",
    "quote_each",
    "quote_line",
    "refused_line",
    "shop_each",
    "shop_questions",
]

SHOPPED: Final = pa.schema(
    [
        pa.field("row", pa.int64()),
        *QUOTES,
        pa.field("left_out", pa.list_(pa.struct({"service": pa.string(), "why": pa.string()}))),
    ]
)
"""Columns of a shop table: `row` is the index in the shipments table, `left_out` names services
that are not sold to it (:mod:`shipkit.carriers.unsold_services`), and the rest is a quote.

A shipment has one row for each service that is priced for it.
"""

_OFFERS: Final = pa.schema([field for field in SHOPPED if field.name != "row"])

Question = TypeVar("Question")
Answer = TypeVar("Answer")

_OF_ITS_PLACE: Final = frozenset(
    {"row_number", "row_numbers", "source_file", "order_id", "return_of"}
)
_ASKED: Final = [name for name in SHIPMENTS.names if name not in _OF_ITS_PLACE]
"""Two shipments that agree in these columns are the same question for any carrier.

Names, phones, e-mails and references decide no price, and they decide refusals: a row without a
phone is refused where its neighbour is not, in words about that row.
"""

_NO_PRICE_BY: Final = frozenset(
    {"name", "company", "phone", "email", "references", *NUMBERED_REFERENCES}
)
_PRICED: Final = [name for name in _ASKED if name not in _NO_PRICE_BY]

_FORBIDDEN: Final = 403

_NONE_SOLD: Final = {
    "problem": "No service accepts this shipment.",
    "fix": "Correct the address or the parcel.",
}

_TURN: Final = 500
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

    async def ask(shipment: Shipment) -> list[Rate]:
        return await shop(shipment, shipper)

    return await shop_questions(
        table,
        lambda row, shipment: (_key(row), shipment),
        ask,
        lambda _shipment, rates: rates,
        concurrency=concurrency,
        pacer=pacer,
    )


async def shop_questions(
    table: pa.Table,
    question_of: Callable[[dict[str, Any], Shipment], tuple[str, Question]],
    ask: Callable[[Question], Awaitable[Answer]],
    offers_of: Callable[[Shipment, Answer], list[Rate]],
    *,
    concurrency: int,
    pacer: Pacer | None = None,
) -> pa.Table:
    """Return a shop table (:data:`SHOPPED`); questions with the same key are asked once.

    What decides a carrier's answer is less than a row: it is what goes over the wire. A carrier
    that knows it asks far less often than :func:`shop_each` can, and the refusals and notes of a
    row stay its own.

    Parameters
    ----------
    question_of
        Returns the key and the question of a row, without asking. A
        :class:`~shipkit.errors.CarrierRejected` is the refusal of this row.
    ask
        Asks the carrier.
    offers_of
        Returns the prices of one shipment from the answer to its question.
    """
    rows: list[CarrierRejected | tuple[str, Shipment]] = []
    questions: dict[str, Question] = {}
    for place, each_row in enumerate(_rows(table)):
        if place % _TURN == 0:
            await asyncio.sleep(0)  # others on this event loop get a turn
        row = {**each_row, "service": _ANY_SERVICE}
        try:
            shipment = shipment_from_row(row)
            key, question = question_of(row, shipment)
        except CarrierRejected as refused:
            rows.append(refused)
        except ValueError:
            rows.append(_incomplete())
        else:
            rows.append((key, shipment))
            questions.setdefault(key, question)

    async def answer(question: Question) -> Answer | CarrierError:
        try:
            return await (pacer.repeat(lambda: ask(question)) if pacer else ask(question))
        except (AuthenticationFailed, SettingsError):
            raise  # no row can be priced: this is not a problem of one row
        except CarrierError as error:
            return error

    found = await each(answer, list(questions.values()), at_once=concurrency)
    answers = dict(zip(questions, found, strict=True))

    def lines(row: CarrierRejected | tuple[str, Shipment]) -> list[dict[str, Any]]:
        if isinstance(row, CarrierRejected):
            return [refused_line(None, row)]
        key, shipment = row
        answered = answers[key]
        if isinstance(answered, CarrierError):
            return [refused_line(None, answered)]
        try:
            return [quote_line(rate) for rate in offers_of(shipment, answered)] or [_NONE_SOLD]
        except CarrierRejected as refused:
            return [refused_line(None, refused)]

    offers = []
    for place, one in enumerate(rows):
        if place % _TURN == 0:
            await asyncio.sleep(0)
        offers.append(lines(one))
    return best_of(
        offers_table([line for some in offers for line in some]),
        np.repeat(np.arange(len(offers)), [len(some) for some in offers]),
    )


def _incomplete() -> CarrierRejected:
    return CarrierRejected(
        "The row is not a complete shipment yet.", fix="session.problems lists what is missing."
    )


def offers_table(lines: list[dict[str, Any]]) -> pa.Table:
    """Return offers (:func:`quote_line`, :func:`refused_line`) as a table for :func:`best_of`."""
    return pa.Table.from_pylist(lines, schema=_OFFERS)


def best_of(quotes: pa.Table, rows: npt.NDArray[np.int64]) -> pa.Table:
    """Return `quotes` as a shop table, by shipment and cost.

    Quotes with a problem are dropped where the shipment has a price by another service; a shipment
    without any price keeps one row with its problem.

    Parameters
    ----------
    rows
        The index in the shipments table that each quote belongs to.
    """
    if "left_out" not in quotes.column_names:
        none = pa.nulls(quotes.num_rows, _OFFERS.field("left_out").type)
        quotes = quotes.append_column(_OFFERS.field("left_out"), none)
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
    left_out = [{"service": code, "why": text} for code, text in rate.left_out] or None
    return {
        **rate.model_dump(),
        "cost_basis": basis,
        "warnings": "; ".join(rate.warnings),
        "left_out": left_out,
    }


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


def alike(row: dict[str, Any]) -> str:
    """Return what a carrier that is shopped is asked about a row: it is less than the row.

    Names, phones, e-mails and references are on labels only. They decide refusals, so a row is
    checked for itself although its question is another row's, too.
    """
    return repr([row[name] for name in _PRICED])


def _key(row: dict[str, Any]) -> str:
    """Return what is alike for rows that share an answer."""
    own = [row[name] for name in _ASKED]
    # What a label leaves out depends on the order number beside the references, and is said.
    references = row["references"] or any(row[name] for name in NUMBERED_REFERENCES)
    return repr([*own, row["order_id"]] if references else own)


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
