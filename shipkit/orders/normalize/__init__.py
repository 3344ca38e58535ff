"""Text becomes values, in one SQL pass over the mapped relation, with a record of every repair.

Nothing is guessed. A cell that cannot be read is a problem that shows its text; a repair that a
person should look at is a warning; the many small ones (spaces, names of states) are counted.

The pass has no joins, because DuckDB's joins do not keep the order of rows, and no costly
expression. Rows whose ZIP, phone or address lines need more go through a second query, which is
small in most files.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from shipkit.common.empty_columns import without_copies
from shipkit.common.kept_plans import rows_of
from shipkit.common.row_order import in_order
from shipkit.orders.currencies import DOLLAR
from shipkit.orders.mapping.mapped import Mapped
from shipkit.orders.normalize.address_repairs import repair_addresses
from shipkit.orders.normalize.assumed_country import country_note
from shipkit.orders.normalize.assumed_currency import currency_note
from shipkit.orders.normalize.cell_pass import normal_select, printed_texts, texts_to_read
from shipkit.orders.normalize.cell_problems import cell_problems
from shipkit.orders.normalize.city_repairs import repair_cities
from shipkit.orders.normalize.nested import add_nested
from shipkit.orders.normalize.parcel_numbers import several_parcels
from shipkit.orders.normalize.postal_repairs import repair_postal_codes
from shipkit.orders.normalize.suspects import judgement_of
from shipkit.schema import NUMBER_OF_PARCELS, SHIPMENTS

__all__ = ["Normalized", "country_note", "currency_note", "normalize"]

_COUNTED: Final = {
    "fixed_spaces": "spaces, line breaks or apostrophes removed from names and addresses",
    "fixed_markup": "HTML, escapes and invisible marks in names and addresses read as they mean",
    "fixed_letters": "names and addresses that had been read in a wrong encoding, read again",
    "fixed_nothing": "words such as nan and null for an empty cell left out of addresses",
    "fixed_state": "states written as their code",
    "fixed_city": "states, ZIPs and countries that a city repeated left out of it",
    "fixed_country": "countries written as their code",
    "fixed_phone": "phone numbers reduced to digits",
    "fixed_zip": "postal codes written as their country does",
}
"""Column that marks the repaired rows -> what was repaired."""


class Normalized(NamedTuple):
    """Shipments with typed values, and what was found on the way."""

    table: pa.Table
    """:data:`shipkit.schema.SHIPMENTS`, in the order of `row_number`."""
    problems: pa.Table
    """:data:`shipkit.schema.PROBLEMS`."""
    repairs: Mapping[str, int]
    """Repairs without a warning -> the number of rows that had them."""


def normalize(
    con: duckdb.DuckDBPyConnection,
    mapped: Mapped,
    *,
    source_problems: pa.Table | None = None,
    currency: str = DOLLAR,
) -> Normalized:
    """Return the shipments, the problems found and the repairs made.

    Parameters
    ----------
    mapped
        The result of :func:`shipkit.orders.mapping.map_rows`; its relation is in `con`.
    source_problems
        Cells that the source could not read. In a mapped column they stop their row; in another
        they are warnings.
    currency
        The shipper's: that of amounts where nothing names one.
    """
    rows = rows_of(con, mapped.relation)
    judgement = judgement_of(rows, printed_texts(mapped))
    normal = rows.run(normal_select(rows, mapped, judgement, currency), **judgement.tables)
    normal = without_copies(normal)
    normal = repair_addresses(
        con, _in_order(normal), mapped.line_length, upward=mapped.offered.lines_upward
    )
    normal = repair_cities(repair_postal_codes(con, normal))
    if mapped.nested:
        normal = _in_order(add_nested(rows, normal))
    if mapped.filled is None or NUMBER_OF_PARCELS.name in mapped.filled:
        normal = _in_order(several_parcels(con, normal, shared=mapped.shared_weights))
    problems = cell_problems(
        rows, normal, mapped, texts_to_read(mapped), source_problems, judgement
    )
    counts = {text: pc.sum(normal.column(name)).as_py() for name, text in _COUNTED.items()}
    return Normalized(
        normal.select(SHIPMENTS.names).cast(SHIPMENTS),
        problems,
        {text: count for text, count in counts.items() if count},
    )


def _in_order(table: pa.Table) -> pa.Table:
    """Return `table` by row number. DuckDB keeps the order of a plain pass; a join may not."""
    return in_order(table, table.column("row_number").to_numpy())
