"""Superstore's 5,009 orders across three accounts, one of which stops in the middle.

    python benchmarks/several_accounts.py ORDERS.csv [--rows N] [--over http]

The accounts are those of the sandbox or, ``--over http``, EasyPost, USPS and UPS on the tests' own
servers, each in a process of its own. Every row is priced by every account, the cheapest that
arrives within 4 days is approved once and bought. Prices and days differ by weight and distance, so
that each account wins a share of the rows. After a third of the labels, one account takes no more
(the sandbox refuses its key, EasyPost's balance is empty): its breaker opens, the others
finish. Then that account works again, and a resume, in a session opened from disk, buys the rest.
Labels are merged into one file and the numbers written back. Printed as JSON: figures, CPU seconds
by step, what must be 0, and what the run claims and did not show (too few rows, say): then it ends
with 1.
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import itertools
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

from kill_harness import ServedEasyPost, ServedUps, ServedUsps, client  # noqa: E402

import shipkit as sk  # noqa: E402
from shipkit.carriers.sandbox import Faults  # noqa: E402
from shipkit.carriers.usps.keyed_purchases import key_of  # noqa: E402
from shipkit.purchasing.signals import Progress  # noqa: E402
from shipkit.purchasing.store import JobStore  # noqa: E402

SHOP = sk.Address(
    name="Dana Ortiz",
    company="Harbor Goods",
    address_line1="300 Alamo Plaza",
    city="San Antonio",
    state="TX",
    postal_code="78205",
    phone="2105550100",
)
RULE = "cheapest within 4 days"
BOX = {"length_in": 12, "width_in": 10, "height_in": 8}
"""The orders have neither weights nor sizes: each piece is a pound here, and all go in a box."""
ATTEMPTS = 20
"""More than a row is sent here."""


class Sandboxes:
    """The three accounts of the sandbox, each with books of its own."""

    stops = "sandbox_economy"
    lists: ClassVar = {
        "sandbox": "standard",
        "sandbox_economy": "economy",
        "sandbox_express": "express",
    }

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.used: dict[str, sk.SandboxCarrier] = {}

    def carriers(self) -> dict[str, sk.SandboxCarrier]:
        """Return the accounts as a new program would have them."""
        self.used = {
            name: sk.SandboxCarrier(self.folder / f"{name}.sqlite", price_list=prices)
            for name, prices in self.lists.items()
        }
        return self.used

    def stop_one(self) -> None:
        """Let an account take no more; the next program finds it well again."""
        self.used[self.stops].faults = Faults(auth_refused=True)

    def sold(self) -> dict[str, list[tuple[str, str]]]:
        """Return account -> reference and tracking number of what it sold and did not void."""

        async def read() -> dict[str, list[tuple[str, str]]]:
            found = {}
            for name, carrier in self.used.items():
                entries = await carrier.books.entries()
                found[name] = [(e.reference, e.numbers[0]) for e in entries if e.voided_at is None]
                await carrier.aclose()
            return found

        return asyncio.run(read())

    def close(self) -> None:
        """Nothing is left running."""


# Each is the cheapest for some: USPS for what is light and near, where Ground Advantage takes at
# most 4 days; UPS, which hardly charges by weight, from some 10 lb; EasyPost in between.


class _EasyPost(ServedEasyPost):
    latency_s, faults, options = 0.0, {}, ("--dearer", "1.60", "--ounce-cents", "2")


class _Usps(ServedUsps):
    latency_s, faults, options = 0.0, {}, ("--by-distance",)


class _Ups(ServedUps):
    latency_s, faults, options = 0.0, {}, ("--base-cents", "1130", "--pound-cents", "15")


class Servers:
    """EasyPost, USPS and UPS on the tests' servers."""

    stops = "easypost"

    def __init__(self, folder: Path) -> None:
        self.servers = {served.name: served(folder, 0) for served in (_EasyPost, _Usps, _Ups)}

    def carriers(self) -> dict[str, Any]:
        """Return the accounts as a new program would have them."""
        return {
            name: client(name, served.url, timeout_s=60.0) for name, served in self.servers.items()
        }

    def stop_one(self) -> None:
        """Let EasyPost's balance be empty for some purchases."""
        self.servers[self.stops].fault("buy", "402", times=8)

    def sold(self) -> dict[str, list[tuple[str, str]]]:
        """Return account -> reference and tracking number of what it sold and did not void."""
        books = {name: served.books() for name, served in self.servers.items()}
        return {
            "easypost": [
                (one["reference"], one["number"])
                for one in books["easypost"]["sold"]
                if not one["refund"]
            ],
            "usps": [
                (one["key"], one["number"])  # made of the reference
                for one in books["usps"]["sold"]
                if one["state"] == "sold"
            ],
            "ups": [
                (one["reference"], one["parcels"][0])
                for one in books["ups"]["shipments"]
                if not one["voided"]
            ],
        }

    def close(self) -> None:
        """End the servers."""
        for served in self.servers.values():
            served.close()


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


def weighed(orders: Path, folder: Path, rows: int) -> Path:
    """Return a file of the first orders with a weight, which the file does not have."""
    path = folder / "orders.csv"
    with (
        orders.open(encoding="utf-8", newline="") as source,
        path.open("w", encoding="utf-8", newline="") as target,
    ):
        lines = csv.reader(source)
        heading = next(lines)
        pieces = heading.index("qty")
        writer = csv.writer(target, lineterminator="\n")
        writer.writerow([*heading, "Weight (lb)"])
        writer.writerows([*line, line[pieces]] for line in itertools.islice(lines, rows))
    return path


def interrupted(
    orders: Path, folder: Path, rows: int, accounts: Any, steps: Steps
) -> tuple[str, dict]:
    """Buy until one account stops; return the job and the facts."""
    with sk.BatchSession(
        weighed(orders, folder, rows),
        shipper=SHOP,
        carriers=accounts.carriers(),
        label_format="png",
        home=folder / "home",
    ) as session:
        session.map(service=RULE, defaults=BOX, weights="order")
        frame = session.preview()
        steps.took("preview")
        session.approve()
        third = session.summary.shipments // 3

        stopped = []

        def refuse(progress: Progress) -> None:
            if progress.shipped >= third and not stopped:
                stopped.append(progress.shipped)
                accounts.stop_one()

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


def finished(job_id: str, folder: Path, accounts: Any, steps: Steps) -> dict:
    """Resume the job from disk, save everything, and compare all books."""
    home, resumes = folder / "home", 1
    with sk.Job.open(job_id, home=home, carriers=accounts.carriers()) as job:
        result = job.resume(progress=False)
        while result.status != "completed" and resumes < 5:
            result, resumes = job.resume(progress=False), resumes + 1
        steps.took("resume")
        saved = job.labels.save(folder / "labels.pdf")
        steps.took("merge the labels")
        job.write_back(folder / "shipped.csv", allow_test_numbers=True)
        steps.took("write back")
        frame = job.results()
    ours = frame[frame["state"] == "shipped"]
    sold = accounts.sold()
    places = rows_of(JobStore.open(home, job_id))
    rows = Counter(places.get(key, key) for found in sold.values() for key, _ in found)
    mine = dict(zip(ours["tracking_number"], ours["seller"], strict=True))
    theirs = {number: name for name, found in sold.items() for _, number in found}
    with (folder / "shipped.csv").open(encoding="utf-8", newline="") as file:
        written = sum(bool(row["tracking_number"]) for row in csv.DictReader(file))
    return {
        "status": result.status,
        "resumes": resumes,
        "shipped": result.shipped,
        "failed": result.failed,
        "charged": str(result.total_charged),
        "labels_in_one_file": saved.labels,
        "numbers_written_back": written,
        "sold_by_account": {name: len(found) for name, found in sold.items()},
        "must_be_0": {
            "bought_twice": sum(count - 1 for count in rows.values()),
            "at_another_account": sum(mine.get(n) != name for n, name in theirs.items()),
            "of_no_row": sum(count for row, count in rows.items() if not isinstance(row, int)),
            "unknown_to_us": len(theirs.keys() - mine.keys()),
            "unknown_to_them": len(mine.keys() - theirs.keys()),
            "labels_missing": result.shipped - saved.labels,
            "not_written_back": result.shipped - written,
        },
    }


def rows_of(store: JobStore) -> dict[str, int]:
    """Return what carriers know a purchase by -> its row: each attempt has its own."""
    return {
        key: row
        for row in range(store.manifest.shipments)
        for attempt in range(1, ATTEMPTS + 1)
        for reference in [store.reference(row, attempt)]
        for key in (reference, key_of(reference))
    }


def not_shown(found: dict, accounts: Iterable[str]) -> list[str]:
    """Return what a run claims and did not show, in words."""
    said = []
    first = found["status_with_a_breaker_open"]
    if first != "paused":
        said.append(f"no breaker opened: the first run was {first}, not paused")
    if found["status"] != "completed":
        said.append(f"the resumed job is {found['status']}, not completed")
    for name in accounts:
        if not found["by_account"].get(name):
            said.append(f"{name} is the cheapest of no row")
        elif not found["sold_by_account"].get(name):
            said.append(f"{name} sold nothing")
    return said


def measured(orders: Path, rows: int, over: str = "sandbox") -> dict:
    """Return all figures."""
    steps = Steps()
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        accounts = (Servers if over == "http" else Sandboxes)(folder)
        names = list(accounts.servers if over == "http" else accounts.lists)
        try:
            job_id, first = interrupted(orders, folder, rows, accounts, steps)
            second = finished(job_id, folder, accounts, steps)
        finally:
            accounts.close()
    found = {**first, **second}
    return {**found, "not_shown": not_shown(found, names), "cpu_s": steps.seconds}


def main() -> int:
    """Print the figures; 1 where something that must be 0 is not, or a claim is not shown."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("orders", type=Path)
    parser.add_argument("--rows", type=int, default=10**9, help="only the first N")
    parser.add_argument("--over", choices=("sandbox", "http"), default="sandbox")
    options = parser.parse_args()
    found = measured(options.orders, options.rows, options.over)
    print(json.dumps(found, indent=1))
    for text in found["not_shown"]:
        print(f"Not shown: {text}.", file=sys.stderr)
    return 1 if any(found["must_be_0"].values()) or found["not_shown"] else 0


if __name__ == "__main__":
    sys.exit(main())
