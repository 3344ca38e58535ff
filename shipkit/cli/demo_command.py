"""``shipkit demo``: the whole workflow on bundled orders with the sandbox carrier.

The orders are invented, and everything is kept in a folder of its own.
"""

from __future__ import annotations

import shutil
import tempfile
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from shipkit.cli import advice, display
from shipkit.cli.console import Console, End
from shipkit.cli.exit_codes import Exit
from shipkit.cli.json_facts import result_facts
from shipkit.cli.table_files import save_failed
from shipkit.common.files import write_file
from shipkit.common.words import counted
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
"""Everything that a demo writes; nothing else in the folder is ever deleted."""


def demo(args: Namespace, console: Console) -> End:
    """Price the bundled orders, buy sandbox labels, save labels and tracking numbers."""
    folder = Path(args.home) if args.home else Path(FOLDER)
    if args.fresh:
        _clear(folder)
    orders = _orders(folder)
    from shipkit.session import BatchSession

    console.say(
        "The orders are invented and the carrier is the built-in sandbox: no network, no money. "
        f"Everything is saved in {folder}/",
        hang=0,
    )
    with BatchSession(
        orders, shipper=SHOP, carrier="sandbox", name="demo", home=folder / "home"
    ) as session:
        console.title("1  Read the file")
        console.say(f"{orders}: {session.load_report}")
        session.map(weights="line")  # in this file, a weight is that of the whole line
        console.title("2  Price every order")
        frame = session.preview()
        display.preview_rows(frame, console, rows=8)
        console.title("3  Find the problems")
        display.problems(session.problems, console)
        display.summary_lines(session.summary, console, title="4  Check the total")
        end = _bought(session, folder, console)
    _compared(orders, console)
    return end


_ACCOUNTS: Final = ("sandbox", "sandbox_economy", "sandbox_express")
_RULE: Final = "cheapest within 4 days"


def _compared(orders: Path, console: Console) -> None:
    """Price the orders across the three sandboxes, each row by the account that a rule chooses."""
    from shipkit.session import BatchSession

    with (
        # In a home of its own: those that were bought above would be set aside as shipped.
        tempfile.TemporaryDirectory() as home,
        BatchSession(orders, shipper=SHOP, carriers=list(_ACCOUNTS), home=home) as session,
    ):
        session.map(weights="line", service=_RULE)
        session.preview()
        summary = session.summary
    console.title("7  Compare three accounts")
    console.say(
        f'The same orders by the rule "{_RULE}". One account is cheaper and takes at most 20 lb, '
        "another is a day faster. Nothing more is bought."
    )
    console.pairs(
        [
            *(
                (paid.account, f"{counted(paid.shipments, 'shipment')}, {paid.total}")
                for paid in summary.by_account
            ),
            ("Together", f"{counted(summary.shipments, 'shipment')}, {summary.total}"),
        ]
    )


def _bought(session: BatchSession, folder: Path, console: Console) -> End:
    again = session.earlier_job is not None
    if not again:
        session.approve(by="demo", via="demo")
    result = session.execute()
    console.title("5  Buy each label once")
    if again:
        console.say(
            "This demo has run before: the same orders are the same job, so nothing was bought "
            "again. (To start over: shipkit demo --fresh)"
        )
    console.pairs(result.lines())
    console.title("6  Output files")
    save_failed(session.failed_rows(), folder / "failed.csv")
    console.pairs(
        [
            ("Labels to print", str(session.labels.save(folder / "labels.pdf").path)),
            (
                "Orders with tracking numbers",
                str(session.write_back(folder / "orders_shipped.csv")),
            ),
            ("Rows to correct and run again", str(folder / "failed.csv")),
            ("The job, as Parquet files", f"{session.store.path}"),
        ]
    )
    return End(
        Exit.UNFINISHED if result.remaining or result.in_doubt else Exit.DONE,
        job_id=result.job_id,
        next=advice.command("show", result.job_id, args=Namespace(home=str(folder / "home"))),
        facts=result_facts(result),
    )


def _orders(folder: Path) -> Path:
    """Copy the bundled orders into the folder unless they are there."""
    path = folder / "orders.csv"
    if path.exists():
        if path.read_bytes() != demo_orders().read_bytes():
            raise InputError(
                f"{path} is not the file of the demo.",
                fix="Start over with: shipkit demo --fresh, or run the demo in another folder.",
            )
        return path
    folder.mkdir(parents=True, exist_ok=True)
    write_file(path, demo_orders().read_bytes())
    return path


def _clear(folder: Path) -> None:
    for name in _MADE:
        path = folder / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
