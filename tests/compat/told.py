"""What a job tells of itself, as plain JSON: read by the old version once, and by every later one.

Both sides use this file, so that they ask the same questions. It names nothing but members of the
public API, and takes whatever has them: a `BatchSession` that was opened, or a `Job`.
"""

from __future__ import annotations

import csv
import hashlib
import json
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

RESULTS = [
    "row_number",
    "order_id",
    "state",
    "tracking_number",
    "tracking_numbers",
    "service",
    "quoted_cents",
    "charged_cents",
    "charged",
    "charge_basis",
    "billed_weight_lb",
    "currency",
    "shipkit_reference",
    "user_references",
    "attempts",
    "shipped_at",
    "voided_at",
    "live",
    "account",
    "error_code",
    "error_message",
    "fix",
]
JOBS = [
    "job_id",
    "name",
    "created_at",
    "status",
    "mode",
    "carrier",
    "live",
    "shipments",
    "shipped",
    "failed",
    "in_doubt",
    "remaining",
    "total_charged_cents",
    "currency",
]
RESULT = [
    "job_id",
    "status",
    "shipped",
    "failed",
    "in_doubt",
    "skipped",
    "voided",
    "remaining",
    "live",
]


def lines(frame: Any, columns: list[str]) -> list[dict[str, Any]]:
    """Return the columns of a frame as JSON would have them.

    Times without a zone are UTC. Names and values were objects once, and are pairs now.
    """
    asked = frame[columns]
    times = asked.select_dtypes("datetime").columns
    asked = asked.assign(**{name: asked[name].dt.tz_localize("UTC") for name in times})
    text = asked.to_json(orient="records", date_format="iso", date_unit="us")
    return json.loads(text, object_hook=pairs)


def pairs(found: dict[str, Any]) -> Any:
    """Return an object of a name and its value as a pair."""
    return [found["key"], found["value"]] if set(found) == {"key", "value"} else found


def told(job: Any) -> dict[str, Any]:
    """Return all that a job tells without asking its carrier."""
    report = job.report()
    return {
        "job_id": job.job_id,
        "status": job.status,
        "results": lines(job.results(), RESULTS),
        "failed_rows": lines(job.failed_rows(), ["row_number", "problem", "fix"]),
        "result": {name: getattr(report.result, name) for name in RESULT},
        "has_reason": report.result.reason is not None,
        "total_charged": str(report.result.total_charged),
        "open_rows": lines(report.open_rows, ["row_number", "order_id", "state"]),
        "labels": [
            {
                "row": label.row,
                "tracking_number": label.tracking_number,
                "format": label.format,
                "kind": label.kind,
                "sha256": hashlib.sha256(label.data).hexdigest(),
            }
            for label in job.labels
        ],
    }


def listed(frame: Any, job_id: str) -> dict[str, Any]:
    """Return the line of one job in the list of a home."""
    [line] = lines(frame[frame["job_id"] == job_id], JOBS)
    return line


def cells(path: Path) -> list[dict[str, str]]:
    """Return a file that was written back, a dict a line."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        return list(csv.DictReader(file))


@dataclass(frozen=True)
class Sale:
    """One shipment in a carrier's own books."""

    reference: str
    numbers: tuple[str, ...]
    voided: bool

    @property
    def base(self) -> str:
        """What the references of its job begin with."""
        return self.reference[:12]

    @property
    def row(self) -> int:
        """The place in the plan, as the reference tells it."""
        return int(self.reference[12:17], 36)


def sandbox_sales(home: Path) -> list[Sale]:
    """Return what the sandbox of a home sold, oldest first."""
    with closing(sqlite3.connect(home / "sandbox" / "books.sqlite", timeout=30)) as books:
        rows = books.execute("select reference, numbers, voided_at from purchases order by rowid")
        return [Sale(ref, tuple(json.loads(numbers)), at is not None) for ref, numbers, at in rows]


def ups_sales(server: Any) -> list[Sale]:
    """Return what the UPS server sold, oldest first."""
    return [Sale(one.reference, tuple(one.parcels), one.voided) for one in server.shipments]
