"""Make the kept homes: run with the version whose job folders are to be kept, and not again.

    PYTHONPATH=<a checkout of that version> python tests/compat/make_homes.py

It writes `homes/` beside itself: a home with jobs of the sandbox, one with jobs at the UPS server
of the tests (its books beside it, in `ups-books.json`), what that version wrote back (`written/`),
and `expected.json`, what it told of every job. Everybody in them is invented.

The homes are built in a neutral folder, because a job remembers where its orders file was.
"""

from __future__ import annotations

import asyncio
import base64
import dataclasses
import datetime as dt
import importlib.util
import io
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
from collections import Counter
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pypdfium2

import shipkit as sk
from shipkit.errors import AnswerLost, CarrierRejected

HERE = Path(__file__).parent
BUILD = Path("/tmp/shipkit-compat")
SHOP = sk.Address(
    name="Dana Ortiz",
    company="Harbor Goods",
    address_line1="300 Alamo Plaza",
    city="San Antonio",
    state="TX",
    postal_code="78205",
    country="US",
    phone="2105550100",
)
PEOPLE = [
    ("Ada Lee", "1 Main St", "Austin", "TX", "78701"),
    ("Ben Okri", "22 Elm Ave", "Boston", "MA", "02134"),
    ("Cora Diaz", "3 Oak Blvd", "Los Angeles", "CA", "90036"),
    ("Dion Wu", "44 Pine Rd", "Seattle", "WA", "98101"),
    ("Elif Kaya", "5 Cedar Ct", "Denver", "CO", "80202"),
    ("Finn Berg", "61 Lake Dr", "Chicago", "IL", "60601"),
    ("Gia Rossi", "7 Hill St", "Atlanta", "GA", "30303"),
    ("Hugo Marsh", "80 Bay Rd", "Portland", "OR", "97201"),
]
UPS_SETTINGS = {
    "SHIPKIT_UPS_CLIENT_ID": "client-of-the-tests",
    "SHIPKIT_UPS_CLIENT_SECRET": "s3cret-of-the-tests",
    "SHIPKIT_UPS_ACCOUNT": "A1B2C3",
}
INVOICE = """{
  "order_id": {{ row["order_id"] | tojson }},
  "ship_to": {"name": {{ row["name"] | tojson }}, "phone": {{ row["phone"] | tojson }},
              "address_line1": {{ row["address1"] | tojson }}, "city": {{ row["city"] | tojson }},
              "postal_code": {{ row["zip"] | tojson }}, "country": {{ row["country"] | tojson }}},
  "service": "worldwide_saver",
  "parcels": [{"weight_lb": 3}],
  "customs": {"reason": "sale", "items": [
    {% for line in lines %}{"description": {{ line["item"] | tojson }},
     "quantity": {{ line["qty"] }}, "unit_value": {{ line["price"] | tojson }},
     "origin_country": "US"}{{ "," if not loop.last }}
    {% endfor %}]}
}"""
PROCESS = os.getpid()


def module(name: str, path: Path) -> Any:
    """Return a module by its path, as the tests load it."""
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    sys.modules[name] = made
    spec.loader.exec_module(made)
    return made


told = module("compat_told", HERE / "told.py")
ups_server = module("compat_ups_server", HERE.parent / "carriers" / "ups" / "server.py")


class UpsServer(ups_server.UpsServer):
    """The UPS server of the tests, with an invoice that is a real page."""

    def _bought(self, shipment: dict[str, Any], body: Any) -> dict[str, Any]:
        answer = super()._bought(shipment, body)
        results = answer["ShipmentResponse"]["ShipmentResults"]
        if "Form" in results:
            document, page = pypdfium2.PdfDocument.new(), io.BytesIO()
            document.new_page(288, 432)
            document.save(page)
            results["Form"]["Image"]["GraphicImage"] = base64.b64encode(page.getvalue()).decode()
        return answer


# -- carriers that play a script -------------------------------------------------------------------


class Scripted:
    """What happens at the first call for an order; everything else is the carrier's own doing."""

    session: sk.BatchSession
    server: Any = None

    def playing(self, script: dict[str, str], *, deaf: bool = False) -> Any:
        """Set the script; `deaf` look-ups are never answered."""
        self.script, self.deaf = dict(script), deaf
        self.asked: list[tuple[Any, ...]] = []
        return self

    async def ship(self, shipment: Any, shipper: Any, reference: str, label: Any) -> Any:
        self.asked.append((shipment, shipper, reference, label))
        step = self.script.pop(shipment.order_id, None)
        if step == "declined":
            raise CarrierRejected(
                "The address is unknown.", fix="Correct the street.", carrier_code="declined"
            )
        if step == "lost before":
            raise AnswerLost("The connection was reset.", fix="It is looked up.")
        if step == "pause":
            self.session.pause()
        if step in ups_server.FAULTS:
            self.server.fault("ship", step)
        bought = await super().ship(shipment, shipper, reference, label)  # type: ignore[misc]
        if step == "lost after":
            raise AnswerLost("The connection was reset.", fix="It is looked up.")
        if step == "killed":
            os.kill(PROCESS, signal.SIGKILL)
        return bought

    async def find(self, reference: str, label: Any = None, shipment: Any = None) -> Any:
        if self.deaf:
            raise AnswerLost("The look-up was not answered.", fix="It is looked up again.")
        return await super().find(reference, label, shipment)  # type: ignore[misc]


class Sandbox(Scripted, sk.SandboxCarrier):
    """The sandbox, with a script."""


class Ups(Scripted, sk.UPS):
    """UPS, with a script."""


def sandbox(home: Path, script: dict[str, str], *, deaf: bool = False) -> Sandbox:
    return Sandbox(home=home, seed=7, absence_is_proof_after_s=0.01).playing(script, deaf=deaf)


def ups(
    home: Path, url: str, script: dict[str, str], *, deaf: bool = False, env: str = "test"
) -> Ups:
    where = {"SHIPKIT_HOME": str(home), "SHIPKIT_UPS_BASE_URL": url, "SHIPKIT_UPS_ENV": env}
    return Ups.from_env({**UPS_SETTINGS, **where}).playing(script, deaf=deaf)


# -- orders ----------------------------------------------------------------------------------------


def orders(letter: str, count: int) -> list[dict[str, Any]]:
    """Return `count` orders of their own: nobody gets the same parcel twice in one home."""
    found = []
    for n in range(1, count + 1):
        name, street, city, state, code = PEOPLE[(n - 1) % len(PEOPLE)]
        to = {"name": name, "address1": f"{street} Apt {letter}{n}", "city": city, "state": state}
        what = {"zip": code, "weight_lb": n + 1, "sku": ("mug", "pan", "lamp")[n % 3]}
        found.append({"order_id": f"{letter}-{n}", **to, **what})
    return found


def file_of_orders() -> Path:
    """Return a CSV file: an order of two lines, one of two parcels, one that cannot be sent."""
    rows = orders("F", 8)
    rows.insert(2, {**rows[1], "sku": "mug", "weight_lb": 1})
    rows[6] = {**rows[6], "address1": ""}
    rows[8] = {**rows[8], "weight_lb": 70}
    path = BUILD / "orders.csv"
    lines = [",".join(rows[0]), *(",".join(map(str, row.values())) for row in rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


ABROAD = [
    {
        "order_id": "I-1",
        "name": "Jonas Beispiel",
        "address1": "Musterweg 6",
        "city": "Berlin",
        "zip": "10119",
        "country": "DE",
        "phone": "+49 30 1234567",
        "item": item,
        "qty": qty,
        "price": price,
    }
    for item, qty, price in [("Cotton T-shirt", 2, "15.00"), ("Stoneware mug", 1, "9.50")]
]


# -- jobs ------------------------------------------------------------------------------------------


@contextmanager
def batch(kind: str, home: Path, source: Any, carrier: Any, **options: Any) -> Any:
    """Give a session that is priced and approved; its quotes expire after a minute."""
    chosen = {"service": "ground", **options.pop("map", {})}
    age = dt.timedelta(minutes=1)
    given = {
        "shipper": SHOP,
        "concurrency": 1,
        "label_format": "zpl",
        "max_quote_age": age,
        **options,
    }
    with sk.BatchSession(source, carrier=carrier, name=kind, home=home, **given) as session:
        session.map(chosen.pop("template", None), **chosen)
        carrier.session = session
        yield session


def buy(session: sk.BatchSession, **states: int) -> None:
    """Buy, and see to it that the rows are in the states that are wanted."""
    session.preview()
    session.approve(by="Dana")
    session.execute(progress=False)
    found = Counter(session.results()["state"])
    assert found == Counter(states), f"{session.name}: {found}"


def kill(kind: str, url: str = "") -> None:
    """Make a job in a process that is killed while it waits for an answer."""
    done = subprocess.run([sys.executable, __file__, "--killed", kind, url], check=False)
    assert done.returncode == -signal.SIGKILL, done.returncode


def killed(kind: str, url: str) -> None:
    """Be that process."""
    if kind == "killed":
        home, rows, options = BUILD / "sandbox", orders("K", 8), {}
        carrier: Any = sandbox(home, {"K-4": "killed"})
    else:
        home, rows, options = BUILD / "ups", orders("Q", 8), {"limits": {"total": "400"}}
        carrier = ups(home, url, {"Q-4": "killed"}, env="live")
    with batch(kind, home, rows, carrier, **options) as session:
        buy(session)
    raise AssertionError("the process outlived its job")


def make_sandbox(home: Path) -> None:
    declined = sandbox(home, {"F-3": "declined"})
    few_parts, tidy = None, importlib.util.find_spec("shipkit.checkpoint.compaction")
    if tidy:  # so that one of the jobs has compactions
        few_parts = importlib.import_module(tidy.name)
        usual, few_parts.COMPACT_AFTER = few_parts.COMPACT_AFTER, 4
    maps = {"weights": "line", "parcels": "max 40 lb", "references": {"po": "order_id"}}
    with batch(
        "finished", home, file_of_orders(), declined, map=maps, label_format="pdf"
    ) as session:
        session.skip("order_id = 'F-7'", reason="the customer called")
        buy(session, shipped=5, failed=1, skipped=2)
        session.void("order_id = 'F-4'")
    if few_parts:
        few_parts.COMPACT_AFTER = usual
    script = {"P-2": "lost after", "P-3": "lost before", "P-4": "declined", "P-5": "pause"}
    with batch("paused", home, orders("P", 8), sandbox(home, script, deaf=True)) as session:
        buy(session, shipped=2, failed=1, in_doubt=2, pending=3)
    kill("killed")
    with batch("voided", home, orders("V", 3), sandbox(home, {})) as session:
        buy(session, shipped=3)
        session.void(all=True)
    lost = sandbox(home, {"R-2": "lost before"})
    with batch("review", home, orders("R", 3), lost, resend="ask") as session:
        buy(session, shipped=2, review=1)
    lost = sandbox(home, {"L-2": "lost before"})
    with batch("late", home, orders("L", 3), lost) as session:
        buy(session, shipped=3)
    [first, _] = [asked for asked in lost.asked if asked[0].order_id == "L-2"]
    asyncio.run(sell_late(home, first))


async def sell_late(home: Path, asked: tuple[Any, ...]) -> None:
    """Let the request that was given up arrive after all: the carrier has one shipment too many."""
    late = sk.SandboxCarrier(home=home)
    await late.ship(*asked)
    await late.aclose()


def make_ups(home: Path, server: Any) -> None:
    Scripted.server = server
    rows = orders("U", 4)
    rows[3]["weight_lb"] = 70
    maps = {"parcels": "max 40 lb", "references": {"po": "order_id"}}
    refused = ups(home, server.url, {"U-2": "empty"})
    with batch("ups-finished", home, rows, refused, map=maps, label_format="pdf") as session:
        buy(session, shipped=3, failed=1)
        session.void("order_id = 'U-3'")
    maps = {"template": INVOICE, "service": None}
    buyer = ups(home, server.url, {})
    with batch("ups-abroad", home, ABROAD, buyer, map=maps, label_format="pdf") as session:
        buy(session, shipped=1)
    script = {"T-2": "reset_after", "T-3": "reset_before", "T-4": "empty", "T-5": "pause"}
    with batch(
        "ups-paused", home, orders("T", 8), ups(home, server.url, script, deaf=True)
    ) as session:
        buy(session, shipped=2, failed=1, in_doubt=2, pending=3)
    kill("ups-live", server.url)


# -- what the version tells of them ----------------------------------------------------------------


def expected(homes: Path) -> dict[str, Any]:
    """Return what this version tells of every kept job, each read from a fresh copy of its home."""
    found: dict[str, Any] = {}
    (homes / "written").mkdir()
    for home in ("sandbox", "ups"):
        for job_id in sk.jobs(homes / home)["job_id"]:
            copy = BUILD / "read" / job_id / home
            shutil.copytree(homes / home, copy)
            with sk.BatchSession.open(job_id, home=copy) as session:
                facts = told.told(session)
                kind = session.name
                session.write_back(homes / "written" / f"{kind}.csv")
            line = told.listed(sk.jobs(copy), job_id)
            found[kind] = {"home": home, "job_id": job_id, "told": facts, "listed": line}
    return dict(sorted(found.items()))


def keep(homes: Path, server: Any) -> None:
    shutil.rmtree(homes, ignore_errors=True)
    not_kept = shutil.ignore_patterns("LOCK*", "quotes", "previews", "*-wal", "*-shm")
    with closing(sqlite3.connect(BUILD / "sandbox" / "sandbox" / "books.sqlite")) as books:
        books.execute("pragma wal_checkpoint(truncate)")  # the killed process left its log behind
        books.execute("pragma journal_mode = delete")
        books.execute("vacuum")
    for home in ("sandbox", "ups"):
        shutil.copytree(BUILD / home, homes / home, ignore=not_kept)
    shutil.copy(BUILD / "orders.csv", homes / "orders.csv")
    books = [dataclasses.asdict(one) for one in server.shipments]
    write_json(homes / "ups-books.json", books)
    write_json(homes / "expected.json", expected(homes))
    for path in homes.rglob("*"):  # reading left locks
        if path.name.startswith("LOCK"):
            path.unlink()


def write_json(path: Path, what: Any) -> None:
    path.write_text(json.dumps(what, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def refuse_traces(homes: Path, host: str) -> None:
    """Fail when a kept file, also a packed one, says which machine made it."""
    checkouts = str(HERE.parents[1]), str(Path(sk.__file__).parents[1])
    for path in [p for p in homes.rglob("*") if p.is_file()]:
        text = path.read_bytes().decode("latin-1")
        if path.suffix == ".parquet":
            text += str(pq.read_table(path, partitioning=None).to_pylist())
        for trace in (*checkouts, f'"{host}"'):
            assert trace not in text, f"{path} names {trace}"


def main() -> None:
    host = socket.gethostname()
    socket.gethostname = lambda: "a-machine"
    os.getpid = lambda: 4242
    for name in [name for name in os.environ if name.startswith("SHIPKIT_")]:
        del os.environ[name]
    os.environ |= {"SHIPKIT_GRACE_S": "0", "SHIPKIT_CONFIG": str(BUILD / "none.toml")}
    if sys.argv[1:2] == ["--killed"]:
        killed(*sys.argv[2:])
    shutil.rmtree(BUILD, ignore_errors=True)
    (BUILD / "read").mkdir(parents=True)
    server = UpsServer().start()
    try:
        make_sandbox(BUILD / "sandbox")
        make_ups(BUILD / "ups", server)
        keep(HERE / "homes", server)
    finally:
        server.stop()
    refuse_traces(HERE / "homes", host)
    for kind, job in json.loads((HERE / "homes" / "expected.json").read_text()).items():
        states = Counter(line["state"] for line in job["told"]["results"])
        print(kind, job["job_id"], job["told"]["status"], dict(states))


if __name__ == "__main__":
    main()
