"""Homes and businesses: what is known of each address, and what is assumed where nothing is.

A delivery to a home costs more, so a row of which nothing is known has two prices. Which of them
the preview takes is the user's choice, and the preview has the other one, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from shipkit.carriers.accounts import Accounts
from shipkit.errors import CarrierError
from shipkit.models import Address
from shipkit.plan import offers

__all__ = ["CHOICES", "assumed", "kinds", "other_prices", "turned"]

CHOICES: Final = ("unknown is home", "unknown is business")


def assumed(table: pa.Table, choice: str | None) -> tuple[pa.Table, tuple[int, ...]]:
    """Return a plan's table as it is priced and bought, and the rows that are not known.

    Without a choice they stay empty, which carriers price as a business. A return label is not
    among them: its parcel is not delivered to its address.
    """
    goes_there = pc.invert(pc.fill_null(table.column("is_return"), False))  # noqa: FBT003 - a fill value
    open_ = pc.and_(pc.is_null(table.column("residential")), goes_there)
    rows = np.flatnonzero(np.asarray(open_))
    if choice is None or not len(rows):
        return table, tuple(rows.tolist())
    return turned(table, rows, home=choice == CHOICES[0]), tuple(rows.tolist())


def turned(table: pa.Table, rows: npt.NDArray[np.int64] | Sequence[int], *, home: bool) -> pa.Table:
    """Return `table` with `rows` as homes, or as businesses."""
    mask = np.zeros(table.num_rows, dtype=bool)
    mask[np.asarray(rows, dtype=np.int64)] = True
    at = table.column_names.index("residential")
    column = pc.if_else(pa.array(mask), pa.scalar(home), table.column("residential"))
    return table.set_column(at, table.schema.field(at), column)


def kinds(table: pa.Table, unknown: Sequence[int]) -> pa.Array:
    """Return ``yes``, ``no`` or ``unknown`` for each row."""
    known = pc.if_else(table.column("residential"), "yes", "no")
    mask = np.zeros(table.num_rows, dtype=bool)
    mask[np.asarray(unknown, dtype=np.int64)] = True
    found = pc.if_else(pa.array(mask), "unknown", pc.fill_null(known, "unknown"))
    return found.combine_chunks() if isinstance(found, pa.ChunkedArray) else found


async def other_prices(
    table: pa.Table,
    rows: Sequence[int],
    sellers: pa.Array | None,
    *,
    home: bool,
    accounts: Accounts,
    shipper: Address,
) -> tuple[dict[int, int], dict[int, str]]:
    """Return row -> what it would cost as a home, or as a business; and row -> why not known.

    Nothing is bought by these prices, so an outage here costs no row its own.
    """
    if not rows:
        return {}, {}
    asked = turned(table.take(pa.array(rows)), range(len(rows)), home=home)
    own = None if sellers is None else sellers.take(pa.array(rows))
    try:
        quotes = await offers.quote(asked, own, accounts, shipper)
    except CarrierError as error:
        return {}, dict.fromkeys(rows, _not_known(error.message, home=home))
    cents = quotes.column("cost_cents").to_pylist()
    reasons = quotes.column("problem").to_pylist()
    known, silent = {}, {}
    for row, cost, reason in zip(rows, cents, reasons, strict=True):
        if cost is None:
            silent[row] = _not_known(reason, home=home)
        else:
            known[row] = cost
    return known, silent


def _not_known(reason: str | None, *, home: bool) -> str:
    kind = "home" if home else "business"
    return f"what it would cost as a {kind} is not known: {reason or 'the carrier gave no price'}"
