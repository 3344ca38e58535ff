"""The audit log: what was asked, answered and bought, and who approved it, without private data.

A line is written when a tool has answered. Before there is a job, the lines are in
``<home>/audit/<handle>/``; when the job begins they move to ``<home>/jobs/<job_id>/audit/``. They
are Parquet files: read them with ``duckdb.sql("FROM '.../audit/*.parquet'")``.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import re
import threading
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from shipkit.common.files import make_private, write_file
from shipkit.errors import SettingsError
from shipkit.home_url import url_of

__all__ = ["AuditLog", "redacted"]

COLUMNS = (
    "noted_at",
    "handle",
    "job_id",
    "tool",
    "client",
    "arguments",
    "asked",
    "answered",
    "answered_by",
    "via",
    "outcome",
    "answer",
    "shipped",
    "total_charged",
)
"""Columns of the log.

`asked` is the question to a person, `answered` their answer, `outcome` ``ok`` or the code of an
error, `answer` the text that the caller got.
"""

_MOST_PARTS = 64
"""Files in a folder before they are merged into one: a long chat must not make thousands."""


class AuditLog:
    """The log of one handle.

    Parameters
    ----------
    home
        Folder of previews and jobs.
    handle
        Handle of the batch.
    job
        Id of its job, if there is one already.
    """

    def __init__(self, home: Path, handle: str, *, job: str | None = None) -> None:
        if url_of(home) is not None:
            raise SettingsError(
                f"The agent tools cannot use the home {url_of(home)}: their audit log is kept in a "
                "folder.",
                fix="Give them a folder as home (--home, SHIPKIT_HOME). Jobs in the bucket are run "
                "with `shipkit run` or sk.run_job().",
            )
        self._home = home
        self._handle = handle
        self._job = job
        self._guard = threading.Lock()

    @property
    def folder(self) -> Path:
        """The folder that the lines are in now."""
        return (
            self._home / "audit" / self._handle
            if self._job is None
            else self._home / "jobs" / self._job / "audit"
        )

    def note(self, tool: str, *, job: str | None, **line: Any) -> None:
        """Write one line; its names are :data:`COLUMNS`. With `job`, the log moves to that job.

        Raises
        ------
        OSError
            The log cannot be written.
        """
        with self._guard:
            if job is not None and job != self._job:
                self._move(job)
            row = {
                "noted_at": dt.datetime.now(dt.UTC),
                "handle": self._handle,
                "job_id": job or "",
                "tool": tool,
                **line,
            }
            self._write([row])

    def _move(self, job: str) -> None:
        earlier = [] if self._job is not None else self._parts()
        lines = _read(earlier)
        self._job = job
        if lines is not None:
            self._write(lines.to_pylist())
        for part in earlier:
            part.unlink(missing_ok=True)

    def _write(self, rows: list[dict[str, Any]]) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        make_private(self.folder)
        parts = self._parts()
        if len(parts) >= _MOST_PARTS:
            rows = [*_rows(parts), *rows]
        else:
            parts = []
        table = pa.Table.from_pylist(
            [{name: row.get(name) for name in COLUMNS} for row in rows], schema=_schema()
        )
        name = f"{dt.datetime.now(dt.UTC):%Y%m%dT%H%M%S%f}-{uuid.uuid4().hex[:8]}"
        write_file(
            self.folder / f"{name}.parquet",
            lambda path: pq.write_table(table, path),
            private=True,
        )
        for part in parts:
            part.unlink(missing_ok=True)

    def _parts(self) -> list[Path]:
        # A file of another process that is still being written starts with a dot.
        return sorted(p for p in self.folder.glob("*.parquet") if not p.name.startswith("."))


def _read(parts: list[Path]) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as pq

    return (
        pa.concat_tables([pq.read_table(part, schema=_schema()) for part in parts])
        if parts
        else None
    )


def _rows(parts: list[Path]) -> list[dict[str, Any]]:
    table = _read(parts)
    return table.to_pylist() if table is not None else []


def _schema() -> Any:
    import pyarrow as pa

    kinds = {"noted_at": pa.timestamp("us", "UTC"), "shipped": pa.int64()}
    return pa.schema([pa.field(name, kinds.get(name, pa.string())) for name in COLUMNS])


def redacted(arguments: Mapping[str, Any]) -> str:
    """Return `arguments` as JSON without anything private.

    Orders are counted, addresses left out, long texts replaced by a digest, and SQL literals
    masked.
    """
    return json.dumps(
        {name: _masked(name, value) for name, value in arguments.items()},
        ensure_ascii=False,
        default=str,
    )[:2_000]


def _masked(name: str, value: Any) -> Any:
    match name, value:
        case "rows", list():
            return f"{len(value)} orders"
        case "rows", str() if value:  # hosts send arrays as text
            return f"orders in {len(value):,} characters"
        case "shipper_info", dict():
            return "an address"
        case "shipper_info", str() if "{" in value:
            return "an address"
        case (("rows" | "shipper_info"), _) if value:
            return type(value).__name__
        case (("mapping_template" | "command"), str()) if value:
            return (
                f"{len(value)} characters, sha256 {hashlib.sha256(value.encode()).hexdigest()[:16]}"
            )
        case (("filter_clause" | "where"), str()):
            return _LITERAL.sub("'...'", value)[:500]
        case _, str():
            return value[:200]
    return value


_LITERAL = re.compile(r"'(?:[^']|''){4,}'")
"""Text long enough to be a name; two-letter states and the like stay readable."""
