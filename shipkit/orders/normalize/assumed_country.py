"""The warning that addresses are in the shipper's country because nothing names one."""

from __future__ import annotations

import pyarrow as pa

from shipkit.common.words import counted
from shipkit.schema import problems_table

__all__ = ["country_note"]


def country_note(table: pa.Table, rows: int) -> pa.Table:
    """Return a warning at the first row of `table`, None where no country was taken.

    Parameters
    ----------
    rows
        How many rows have the shipper's country because nothing names theirs.
    """
    if not rows or not table.num_rows:
        return problems_table()
    country = table.column("country")[0].as_py()
    return problems_table(
        [
            {
                "row_number": table.column("row_number")[0].as_py(),
                "field": "ship_to.country",
                "value": country,
                "severity": "warning",
                "code": "country_assumed",
                "problem": f"no country is given: the shipper's is taken in {counted(rows, 'row')}",
                "fix": "Map a column of countries, or give one for all: "
                'map(defaults={"country": "US"}).',
            }
        ]
    )
