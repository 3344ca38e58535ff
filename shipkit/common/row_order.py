"""Rows in the order of their numbers, where the threads of a database finished in another one."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

__all__ = ["in_order"]

Numbers = npt.NDArray[np.int64]

_MOST_RUNS: Final = 256
"""Each makes a chunk of every column, and statements go through chunks one by one."""


def in_order(table: pa.Table, numbers: Numbers) -> pa.Table:
    """Return `table` by ascending `numbers`, one for each row; equal ones stay as they are.

    Threads leave a few long runs. These are put one after the other, and nothing is copied: to
    gather a million shipments row by row takes more than a second.
    """
    if (numbers[1:] >= numbers[:-1]).all():
        return table
    starts = _runs(numbers)
    if starts is None:
        return table.take(pa.array(np.argsort(numbers, kind="stable")))
    ends = np.append(starts[1:], len(numbers))
    order = np.argsort(numbers[starts], kind="stable")
    return pa.concat_tables(table.slice(starts[k], ends[k] - starts[k]) for k in order)


def _runs(numbers: Numbers) -> Numbers | None:
    """Return where runs start that are in order, with no number of one within another.

    None where they are too many, or where two have the same number.
    """
    starts = np.concatenate([[0], np.flatnonzero(numbers[1:] < numbers[:-1]) + 1])
    known = 0
    while known < len(starts) <= _MOST_RUNS:
        known, ends = len(starts), np.append(starts[1:], len(numbers))
        # A run is cut where another one begins: 1-5, 9 and 6-8 are three.
        inside = [
            start + np.searchsorted(numbers[start:end], numbers[starts])
            for start, end in zip(starts, ends, strict=True)
        ]
        starts = np.setdiff1d(np.concatenate([starts, *inside]), [len(numbers)])
    if len(starts) > _MOST_RUNS:
        return None
    firsts, lasts = numbers[starts], numbers[np.append(starts[1:], len(numbers)) - 1]
    order = np.argsort(firsts, kind="stable")
    return starts if (lasts[order[:-1]] < firsts[order[1:]]).all() else None
