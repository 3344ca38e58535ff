"""The columns by which labels are sorted, selected and named."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from shipkit.orders.columns import keys
from shipkit.orders.fields import column_kinds
from shipkit.schema import RETURN_OF

if TYPE_CHECKING:
    from shipkit.purchasing.store import JobStore

__all__ = ["job_view", "with_source"]


def job_view(store: JobStore) -> pa.Table:
    """Return one row per shipment of the job's plan, in its order.

    The columns are those of the results; ``recipient``, ``city``, ``ship_to_state``,
    ``postal_code`` and ``country`` of the plan; and the source's own under their snake_case names,
    prefixed with ``source_`` where the name is taken. Text columns that hold only numbers are
    converted to numbers.
    """
    table, plan = store.results(), store.plan
    table = table.append_column(
        "recipient", pc.coalesce(plan.column("name"), plan.column("company"))
    )
    for name, given in (
        ("city", "city"),
        ("ship_to_state", "state"),
        ("postal_code", "postal_code"),
        ("country", "country"),
    ):
        table = table.append_column(name, plan.column(given))
    source = store.source
    return table if source is None else with_source(table, source)


def with_source(table: pa.Table, source: pa.Table) -> pa.Table:
    """Return `table` with the columns of the source, taken from the first row of each shipment.

    A return label has those of its parcel.
    """
    numbers = table.column("row_number")
    if RETURN_OF in table.column_names:
        numbers = pc.coalesce(table.column(RETURN_OF), numbers)
    places = pc.index_in(numbers, value_set=source.column("row_number").combine_chunks())
    for name, column in _columns(source):
        taken = table.column_names
        key = name if name not in taken else f"source_{name}"
        if key not in taken:
            table = table.append_column(key, column.take(places))
    return table


def _columns(source: pa.Table) -> Iterator[tuple[str, pa.ChunkedArray]]:
    headings = [name for name in source.column_names if name not in {"row_number", "source_file"}]
    for heading, key, kind in zip(headings, keys(headings), column_kinds(headings), strict=True):
        column = source.column(heading)
        yield key, column if kind == "text" else _numbers(column)


def _numbers(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a text column as numbers if every cell is one, so that 9 sorts before 10.

    Cells with leading zeros are codes (ZIPs, SKUs): their column stays text.
    """
    if not pa.types.is_string(column.type) and not pa.types.is_large_string(column.type):
        return column
    cells = pc.utf8_trim_whitespace(column)
    if pc.any(pc.match_substring_regex(cells, "^0[0-9]")).as_py():
        return column
    filled = pc.if_else(pc.equal(cells, ""), None, cells)
    for kind in (pa.int64(), pa.float64()):
        try:
            return filled.cast(kind)
        except pa.ArrowInvalid:
            continue
    return column
