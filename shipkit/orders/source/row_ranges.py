"""A source range by range, for files larger than memory.

Types and grouping are decided on all rows before; here the views only show some rows at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from shipkit.common.sql import quoted
from shipkit.errors import SourceError
from shipkit.orders.cells import base_names

if TYPE_CHECKING:
    from shipkit.orders.source import Loaded

__all__ = ["row_ranges"]


def row_ranges(loaded: Loaded, rows: int) -> Iterator[tuple[int, int]]:
    """Yield the first and last row number of each range of at most `rows` rows, in order.

    If the source is a Parquet file that was not copied, ``loaded.cells`` and all views of it have
    just the range that was yielded, so that the file is read once and not once per range. Any other
    source stays complete, and the caller selects by row number.

    Raises
    ------
    SourceError
        The file changed while it was read.
    """
    if loaded.copied:
        last = sum(loaded.origin.rows)
        yield from ((first, min(first + rows - 1, last)) for first in range(1, last + 1, rows))
        return
    yield from _of_file(loaded, rows)


def _of_file(loaded: Loaded, rows: int) -> Iterator[tuple[int, int]]:
    import pyarrow.parquet as pq

    con, path = loaded.con, loaded.origin.paths[0]
    # Arrow and DuckDB read some Parquet types differently; the views were made for DuckDB's.
    wanted = ", ".join(
        f"CAST({quoted(name)} AS {kind}) AS {quoted(name)}"
        for name, kind in loaded.cells.columns.items()
    )
    before, done = path.stat(), 0
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(rows):
            cells = (
                pa.table(batch)
                .rename_columns(base_names(batch.num_columns))
                .append_column("rowid", pa.array(np.arange(done, done + batch.num_rows)))
            )
            con.register("cells_of_range", cells)
            con.execute(
                f"CREATE OR REPLACE VIEW {loaded.cells.sql} AS SELECT {wanted} FROM cells_of_range"
            )
            yield done + 1, done + batch.num_rows
            done += batch.num_rows
    now = path.stat()
    if (now.st_mtime_ns, now.st_size) != (before.st_mtime_ns, before.st_size):
        raise SourceError(
            f"{path.name} changed while it was read.", fix="Read it again; nothing was written."
        )
