"""A source part by part: what is decided on all of its lines stays, and the views show only some of them at a time."""

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

__all__ = ["parts"]


def parts(loaded: Loaded, rows: int) -> Iterator[tuple[int, int]]:
    """Yield the first and the last row number of each part of at most `rows` lines, in order.

    Of a parquet file that was not copied, ``loaded.cells`` (and so every view over it) holds just
    the part that was yielded: a file is read once, not once for each part. Of all others it holds
    everything, and the row numbers choose.

    Raises
    ------
    SourceError
        The file is no longer the one that was loaded.
    """
    if loaded.copied:
        lines = sum(loaded.origin.rows)
        yield from ((first, min(first + rows - 1, lines)) for first in range(1, lines + 1, rows))
        return
    yield from _of_file(loaded, rows)


def _of_file(loaded: Loaded, rows: int) -> Iterator[tuple[int, int]]:
    import pyarrow.parquet as pq

    con, path = loaded.con, loaded.origin.paths[0]
    cast = ", ".join(
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
            con.register("cells_of_part", cells)
            con.execute(
                f"CREATE OR REPLACE VIEW {loaded.cells.sql} AS SELECT {cast} FROM cells_of_part"
            )
            yield done + 1, done + batch.num_rows
            done += batch.num_rows
    now = path.stat()
    if (now.st_mtime_ns, now.st_size) != (before.st_mtime_ns, before.st_size):
        raise SourceError(
            f"{path.name} was changed while it was read.", fix="Read it again; nothing was written."
        )
