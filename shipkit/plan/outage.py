"""Rows that the carrier did not answer for: an outage, which says nothing about the rows.

A row that the carrier refuses has a problem that a person can correct. A row that got no answer has
none: the same preview is right a minute later. So a preview without any answer is an error, and one
with gaps is shown and not bought: the job of these orders would leave the rows out permanently.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shipkit.common.words import counted, row_list
from shipkit.errors import AnswerLost, CarrierUnreachable
from shipkit.schema import UNANSWERED

if TYPE_CHECKING:
    from shipkit.plan.plan import Plan
    from shipkit.plan.preview import Preview

__all__ = [
    "CODE",
    "UNCOMPARED",
    "answered",
    "refuse_gaps",
    "refuse_silence",
    "refuse_silent_offers",
    "refuse_uncompared",
    "unanswered_quotes",
    "unanswered_rows",
]

CODE = "carrier_unavailable"
"""Problem code of a row that the carrier did not answer for."""
UNCOMPARED = "account_not_compared"
"""Problem code of a row whose service was chosen while an account did not answer."""

_ROWS_NAMED = 8
_AGAIN = (
    "The orders are not at fault. Check the network (behind a proxy, SHIPKIT_PROXY), then run the "
    "same again."
)

T = TypeVar("T")


def unanswered_quotes(quotes: pa.Table) -> list[int]:
    """Return the rows of a quote table that got no answer."""
    found: list[int] = pc.indices_nonzero(
        pc.equal(pc.fill_null(quotes.column("cost_basis"), ""), UNANSWERED)
    ).to_pylist()
    return found


def unanswered_rows(plan: Plan, quotes: pa.Table) -> list[int]:
    """Return the rows of a plan without an answer: to a service rule, or to the price.

    Rows that would not be bought anyway are not among them.
    """
    met = plan.problems
    ours = pc.equal(pc.fill_null(met.column("code"), ""), CODE)
    errors = met.filter(pc.equal(met.column("severity"), "error"))
    others = errors.filter(pc.not_equal(pc.fill_null(errors.column("code"), ""), CODE))
    rows = {*unanswered_quotes(quotes), *_places(plan, met.filter(ours))}
    return sorted(rows - set(plan.skipped) - _places(plan, others))


def _places(plan: Plan, problems: pa.Table) -> set[int]:
    places = np.asarray(plan.index_of(problems.column("row_number").to_pylist()), dtype=np.int64)
    return set(places[places >= 0].tolist())


async def answered(question: Awaitable[T]) -> T:
    """Return what the carrier answers to a question about prices, which spends nothing.

    Raises
    ------
    CarrierUnreachable
        The answer was lost. For a purchase that would be doubt; here it is an outage.
    """
    try:
        return await question
    except AnswerLost as lost:
        raise CarrierUnreachable(
            f"No prices: {lost.message.replace(' It may have acted.', '')} Nothing was bought.",
            fix=_AGAIN,
        ) from None


def refuse_silence(plan: Plan, quotes: pa.Table) -> None:
    """Raise CarrierUnreachable when nothing is priced because the carrier did not answer."""
    if pc.count(quotes.column("cost_cents")).as_py():
        return
    rows = unanswered_rows(plan, quotes)
    if rows:
        raise CarrierUnreachable(
            f"No prices: {_reason(plan, quotes, rows)} Nothing was bought.",
            fix=_AGAIN,
        )


def refuse_silent_offers(offers: pa.Table) -> None:
    """Raise CarrierUnreachable when a shop table has no price because nothing was answered."""
    silent = unanswered_quotes(offers)
    if silent and not pc.count(offers.column("cost_cents")).as_py():
        said = offers.column("problem")[silent[0]].as_py()
        raise CarrierUnreachable(f"No prices: {said.removeprefix('no price: ')}", fix=_AGAIN)


def refuse_gaps(shown: Preview) -> None:
    """Raise CarrierUnreachable when some rows of a preview got no answer. Nothing was bought."""
    rows = shown.unanswered
    if not rows:
        return
    numbers = shown.plan.table.column("row_number").take(pa.array(rows)).to_pylist()
    listed = ", ".join(map(str, numbers[:_ROWS_NAMED]))
    raise CarrierUnreachable(
        f"{counted(len(rows), 'row')} of {len(shown.plan):,} got no price "
        f"({row_list(numbers, _ROWS_NAMED)}): {_reason(shown.plan, shown.quotes, rows)} "
        "Nothing was bought.",
        fix="Preview again; nothing about these rows has to be corrected. To buy the others now, "
        f'leave these out: session.skip("row_number IN ({listed}'
        f'{", ..." if len(numbers) > _ROWS_NAMED else ""})").',
    )


def refuse_uncompared(shown: Preview) -> None:
    """Raise CarrierUnreachable when services were chosen while an account did not answer.

    A person sees the warning of such rows before approving them. In AUTO no one does, and a whole
    file would be bought at the account that happened to answer.
    """
    met = shown.plan.problems
    silent = met.filter(pc.equal(met.column("code"), UNCOMPARED))
    if not silent.num_rows:
        return
    numbers = silent.column("row_number").to_pylist()
    raise CarrierUnreachable(
        f"{counted(len(numbers), 'row')} could not be compared ({row_list(numbers, _ROWS_NAMED)}): "
        f"{silent.column('problem')[0].as_py()}. Nothing was bought.",
        fix="Preview again; or leave the account out, or approve what was found in CONFIRM mode.",
    )


def _reason(plan: Plan, quotes: pa.Table, rows: list[int]) -> str:
    """Return what the carrier's silence looked like, in the first of these rows."""
    text = quotes.column("problem")[rows[0]].as_py() or plan.errors.get(rows[0], "")
    return f"{text.removeprefix('no price: ').removeprefix('service: no price: ').rstrip('.')}."
