"""Superstore's 5,009 orders across the three sandbox accounts, with a breaker in the middle.

    python benchmarks/several_accounts.py ORDERS.csv [--rows N]

Every row is priced by every account, the cheapest that arrives within 4 days is approved once and
bought. After a third of the labels, one account refuses everything: its breaker opens, the others
finish. Then that account works again, and a resume, in a session opened from disk, buys the rest.
Labels are merged into one file and the numbers written back. Printed as JSON: figures, CPU seconds
by step, and what must be 0.
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import json
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT)]

import shipkit as sk  # noqa: E402
from shipkit.carriers.sandbox import Faults  # noqa: E402
from shipkit.purchasing.signals import Progress  # noqa: E402

SHOP = sk.Address(
    name="Dana Ortiz",
    company="Harbor Goods",
    address_line1="300 Alamo Plaza",
    city="San Antonio",
    state="TX",
    postal_code="78205",
    phone="2105550100",
)
LISTS = {"sandbox": "standard", "sandbox_economy": "economy", "sandbox_express": "express"}
STOPS = "sandbox_economy"
RULE = "cheapest within 4 days"


def carriers(folder: Path) -> dict[str, sk.SandboxCarrier]:
    """Return the three accounts, each with books of its own."""
    return {
        name: sk.SandboxCarrier(folder / f"{name}.sqlite", price_list=prices)
        for name, prices in LISTS.items()
    }


class Steps:
    """CPU seconds by step."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._at = time.process_time()

    def took(self, step: str) -> None:
        """Note what was spent since the last step."""
        now = time.process_time()
        self.seconds[step] = round(now - self._at, 2)
        self._at = now


def books(sold: dict[str, sk.SandboxCarrier]) -> dict[str, list[tuple[str, str]]]:
    """Return account -> reference and tracking number of what it sold and did not void."""

    async def read() -> dict[str, list[tuple[str, str]]]:
        found = {}
        for name, carrier in sold.items():
            entries = await carrier.books.entries()
            found[name] = [(e.reference, e.numbers[0]) for e in entries if e.voided_at is None]
            await carrier.aclose()
        return found

    return asyncio.run(read())


def interrupted(orders: Path, folder: Path, rows: int, steps: Steps) -> tuple[str, dict]:
    """Buy until one account stops; return the job and the facts."""
    accounts = carriers(folder)
    with sk.BatchSession(orders, shipper=SHOP, carriers=accounts, home=folder / "home") as session:
        session.map(service=RULE, defaults={"weight_lb": 2})
        frame = session.preview()
        if rows < len(frame):
            session.skip(f"row_number > {rows}", reason="a small run")
            frame = session.preview()
        steps.took("preview")
        session.approve()
        third = session.summary.shipments // 3

        def refuse(progress: Progress) -> None:
            if progress.shipped >= third and not accounts[STOPS].faults.reject:
                accounts[STOPS].faults = Faults(reject=1.0)

        result = session.execute(progress=refuse)
        steps.took("buy until the breaker opens")
        left = session.results("pending")["seller"].value_counts().to_dict()
        facts = {
            "rows": len(frame),
            "priced": int(frame["cost_cents"].notna().sum()),
            "by_account": {p.account: p.shipments for p in session.summary.by_account},
            "total": str(session.summary.total),
            "status_with_a_breaker_open": result.status,
            "reason": result.reason,
            "pending_by_account": left,
            "refused": result.failed,
        }
        return session.job_id or "", facts


def finished(job_id: str, folder: Path, steps: Steps) -> dict:
    """Resume the job from disk, save everything, and compare all books."""
    accounts = carriers(folder)
    with sk.Job.open(job_id, home=folder / "home", carriers=accounts) as job:
        result = job.resume(progress=False)
        steps.took("resume")
        saved = job.labels.save(folder / "labels.pdf")
        steps.took("merge the labels")
        job.write_back(folder / "shipped.csv", allow_test_numbers=True)
        steps.took("write back")
        frame = job.results()
        base = job.store.manifest.reference_base
    ours = frame[frame["state"] == "shipped"]
    sold = books(accounts)
    rows = Counter(
        reference for found in sold.values() for reference, _ in found if reference[:12] == base
    )
    mine = dict(zip(ours["tracking_number"], ours["seller"], strict=True))
    theirs = {number: name for name, found in sold.items() for _, number in found}
    with (folder / "shipped.csv").open(encoding="utf-8", newline="") as file:
        written = sum(bool(row["tracking_number"]) for row in csv.DictReader(file))
    return {
        "status": result.status,
        "shipped": result.shipped,
        "failed": result.failed,
        "charged": str(result.total_charged),
        "labels_in_one_file": saved.labels,
        "numbers_written_back": written,
        "must_be_0": {
            "bought_twice": sum(count - 1 for count in rows.values()),
            "at_another_account": sum(mine.get(n) != name for n, name in theirs.items()),
            "unknown_to_us": len(theirs.keys() - mine.keys()),
            "unknown_to_them": len(mine.keys() - theirs.keys()),
            "labels_missing": result.shipped - saved.labels,
            "not_written_back": result.shipped - written,
        },
    }


def measured(orders: Path, rows: int) -> dict:
    """Return all figures."""
    steps = Steps()
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        job_id, first = interrupted(orders, folder, rows, steps)
        second = finished(job_id, folder, steps)
    return {**first, **second, "cpu_s": steps.seconds}


def main() -> int:
    """Print the figures; 1 where something that must be 0 is not."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("orders", type=Path)
    parser.add_argument("--rows", type=int, default=10**9, help="only the first N")
    options = parser.parse_args()
    found = measured(options.orders, options.rows)
    print(json.dumps(found, indent=1))
    return 1 if any(found["must_be_0"].values()) else 0


if __name__ == "__main__":
    sys.exit(main())
