"""``shipkit demo``: the main job on bundled orders, in a folder of its own. The orders are invented, the carrier is the sandbox."""

from __future__ import annotations

import shutil
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from shipkit.cli import printing
from shipkit.cli.console import Console, End
from shipkit.cli.exits import Exit
from shipkit.demo import demo_orders
from shipkit.errors import InputError
from shipkit.models import Address

if TYPE_CHECKING:
    from shipkit.session import BatchSession

__all__ = ["demo"]

FOLDER = "shipkit-demo"

SHOP = Address(
    name="Dana Ortiz",
    company="Harbor Goods",
    address_line1="300 Alamo Plaza",
    city="San Antonio",
    state="TX",
    postal_code="78205",
    phone="2105550100",
)

_MADE = ("orders.csv", "orders_shipped.csv", "labels.pdf", "failed.csv", "home")
"""Everything that a demo makes; nothing else in the folder is ever touched."""


def demo(args: Namespace, console: Console) -> End:
    """Price the bundled orders, buy their sandbox labels, save labels, tracking numbers and failed rows."""
    folder = Path(args.home) if args.home else Path(FOLDER)
    if args.fresh:
        _clear(folder)
    orders = _orders(folder)
    from shipkit.session import BatchSession

    console.say(
        "The orders are invented, the carrier is the embedded sandbox: no network, no money. "
        f"Everything is kept in {folder}/",
        hang=0,
    )
    with BatchSession(
        orders, shipper=SHOP, carrier="sandbox", name="demo", home=folder / "home"
    ) as session:
        console.title("1  Read")
        console.say(f"{orders}: {session.load_report}")
        session.map(weights="line")  # in orders of several lines, a weight is the line's
        console.title("2  Price every order")
        frame = session.preview()
        printing.preview_rows(frame, console, rows=8)
        console.title("3  What is wrong with some")
        printing.problems(session.problems, console)
        printing.summary_lines(session.summary, console, title="4  Look at the total")
        return _bought(session, folder, console)


def _bought(session: BatchSession, folder: Path, console: Console) -> End:
    before = session.earlier_job is not None
    if not before:
        session.approve(by="demo", via="demo")
    result = session.execute()
    console.title("5  Buy, each label once")
    if before:
        console.say(
            "This demo was run before: the same orders are the same job, and nothing was bought "
            "again. (Start over: shipkit demo --fresh)"
        )
    console.pairs(result.lines())
    console.title("6  Where everything is")
    console.pairs(
        [
            ("Labels to print", str(session.labels.save(folder / "labels.pdf").path)),
            (
                "Orders with tracking numbers",
                str(session.write_back(folder / "orders_shipped.csv")),
            ),
            ("Rows to correct and run again", str(_failed(session, folder))),
            ("The job, as plain parquet", f"{session.store.path}"),
        ]
    )
    job = result.job_id
    return End(
        Exit.UNFINISHED if result.remaining or result.in_doubt else Exit.DONE,
        job_id=job,
        next=printing.command("show", job, args=Namespace(home=str(folder / "home"))),
        facts=printing.result_facts(result),
    )


def _failed(session: BatchSession, folder: Path) -> Path:
    path = folder / "failed.csv"
    printing.save_failed(session.failed_rows(), path)
    return path


def _orders(folder: Path) -> Path:
    """Put the bundled orders into the folder, where they are not already."""
    path = folder / "orders.csv"
    if path.exists():
        if path.read_bytes() != demo_orders().read_bytes():
            raise InputError(
                f"{path} is not the demo's file.",
                fix="Start over with: shipkit demo --fresh, or run it in another folder.",
            )
        return path
    folder.mkdir(parents=True, exist_ok=True)
    path.write_bytes(demo_orders().read_bytes())
    return path


def _clear(folder: Path) -> None:
    for name in _MADE:
        path = folder / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
