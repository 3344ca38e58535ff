"""Where the parcels of a job were when someone last looked, and what has changed since.

It is kept next to the job's books and is not part of them: without it, every parcel is news.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from shipkit.common.files import whole_file

__all__ = ["changes", "remember"]

_FILE: Final = "tracking.parquet"
_NEWS: Final = ("status", "delivery_date", "place", "updated_at")


def changes(folder: Path, look: pa.Table) -> pa.Table:
    """Return the rows of `look` that differ from the last look, with their earlier status.

    The column ``status_before`` is null for a parcel that was not looked at before.
    """
    before = {line["tracking_number"]: line for line in _read(folder)}
    kept, statuses = [], []
    for row, line in enumerate(look.to_pylist()):
        earlier = before.get(line["tracking_number"])
        # A parcel that could not be asked about has no news.
        silent = line["status"] == "unknown" and line["problem"] is not None
        if earlier is None or (
            not silent and any(line[name] != earlier.get(name) for name in _NEWS)
        ):
            kept.append(row)
            statuses.append(earlier["status"] if earlier else None)
    return look.take(pa.array(kept, pa.int64())).append_column(
        pa.field("status_before", pa.string()), pa.array(statuses, pa.string())
    )


def remember(folder: Path, look: pa.Table) -> None:
    """Keep `look` as the last look. A parcel without an answer keeps what was known of it."""
    before = {line["tracking_number"]: line for line in _read(folder)}
    lines = [
        before.get(line["tracking_number"], line)
        if line["status"] == "unknown" and line["problem"] is not None
        else line
        for line in look.to_pylist()
    ]
    with whole_file(folder / _FILE, private=True, durable=False) as temporary:
        pq.write_table(pa.Table.from_pylist(lines, schema=look.schema), temporary)


def _read(folder: Path) -> list[dict[str, object]]:
    """Return the last look, nothing where there is none or it cannot be read."""
    try:
        found: list[dict[str, object]] = pq.read_table(
            folder / _FILE, partitioning=None
        ).to_pylist()
    except (OSError, pa.ArrowException):
        return []
    return found
