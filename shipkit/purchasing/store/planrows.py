"""Rows of a job's plan as shipments, a few at a time: a plan may have a million of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from shipkit.models import Shipment
from shipkit.schema import shipment_from_row

__all__ = ["PlanRows"]

_DECODE = 64
"""How many rows are converted to Python objects at once."""


class PlanRows:
    """Reads rows of a plan by their index.

    Only the row groups that hold a wanted row are read, and the last one is kept: rows are mostly
    asked for in order. Of some 70 columns, most are null in most plans, and every value of a row
    is made a Python object by itself: columns that are null in a whole group are left out.
    """

    def __init__(self, path: Path) -> None:
        self._file = pq.ParquetFile(path / "plan.parquet")
        counts = [
            self._file.metadata.row_group(i).num_rows for i in range(self._file.num_row_groups)
        ]
        self._starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        self._group: tuple[int, pa.Table] | None = None

    def one(self, row: int) -> Shipment:
        """Return one row as a shipment."""
        return shipment_from_row(next(self.dicts([row]))[1])

    def dicts(
        self, rows: Sequence[int] | np.ndarray[Any, Any]
    ) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yield the index and the columns of each of `rows`, in that order.

        A column that is missing is null.
        """
        wanted = np.asarray(rows, dtype=np.int64)
        groups = np.searchsorted(self._starts, wanted, side="right") - 1
        place = 0
        while place < len(wanted):
            end = place + 1
            while end < len(wanted) and end - place < _DECODE and groups[end] == groups[place]:
                end += 1
            table = self._table(int(groups[place])).take(
                pa.array(wanted[place:end] - self._starts[groups[place]])
            )
            yield from zip(wanted[place:end].tolist(), table.to_pylist(), strict=True)
            place = end

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _table(self, group: int) -> pa.Table:
        if self._group is None or self._group[0] != group:
            whole = self._file.read_row_group(group)
            filled = [name for name in whole.column_names if whole[name].null_count < len(whole)]
            self._group = (group, whole.select(filled))
        return self._group[1]
