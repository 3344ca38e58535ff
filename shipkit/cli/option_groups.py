"""The options of the commands, grouped by what they are about.

Each function adds one group to a parser. The imports are kept light, so that ``shipkit --help``
answers at once.
"""

from __future__ import annotations

import argparse

from shipkit.common import number_options as numbers
from shipkit.common.number_options import option_type

__all__ = [
    "after_buying",
    "approval",
    "buying",
    "carrier_check",
    "demo",
    "everywhere",
    "job",
    "job_list",
    "job_or_preview",
    "job_to_resume",
    "labels",
    "mapping",
    "orders_file",
    "output",
    "pricing",
    "pruning",
    "shell",
    "voiding",
    "watching",
    "write_back",
]

_Parser = argparse.ArgumentParser

_AMOUNT = option_type(numbers.amount)
_COUNT = option_type(numbers.at_least(0))
_ONE_OR_MORE = option_type(numbers.at_least(1))

_ON_ERROR = ("continue", "halt")
_ON_ERROR_HELP = "what to do when a row fails (default: continue)"
_LONGEST_POLL_S = 86_400


# -- every command ---------------------------------------------------------------------------------


def everywhere(p: _Parser) -> None:
    """Add the options of every command."""
    p.add_argument(
        "--json",
        action="store_true",
        help="write JSON lines to stdout; the last line has job_id, exit and next",
    )
    p.add_argument(
        "--log",
        metavar="FILE",
        help="append events to FILE as JSON lines, without names or addresses",
    )
    p.add_argument(
        "--home",
        metavar="FOLDER|URL",
        help="folder of previews and jobs, or s3://bucket/prefix (default: SHIPKIT_HOME, then your "
        "user data folder)",
    )
    p.add_argument(
        "--debug", action="store_true", help="show the Python traceback when a command fails"
    )


# -- orders, up to the preview ---------------------------------------------------------------------


def orders_file(p: _Parser) -> None:
    """Add the orders file and how to read it."""
    p.add_argument(
        "file",
        nargs="?",
        metavar="FILE",
        help="orders as csv, tsv, xlsx, xls, ods, parquet, json or ndjson (also .gz), or a quoted "
        "glob",
    )
    p.add_argument(
        "--config",
        metavar="JOB.toml",
        help="read options from a TOML file; options on the command line take precedence",
    )
    g = p.add_argument_group("reading the file")
    g.add_argument(
        "--sheet",
        metavar="NAME",
        action="append",
        help='name of the worksheet, "*" for all with orders; repeat for several (default: the one '
        "that looks like orders)",
    )
    g.add_argument(
        "--hidden",
        choices=("rows", "columns", "all"),
        help="read rows or columns that a workbook hides (default: hidden rows are not shipped)",
    )
    g.add_argument(
        "--delimiter", metavar="CHAR", help="column separator of a text file (default: detected)"
    )
    g.add_argument("--encoding", metavar="NAME", help="encoding of a text file (default: detected)")
    g.add_argument(
        "--no-header",
        action="store_true",
        help='the file has no headings: its columns are called "Column 1", "Column 2" ...',
    )
    g.add_argument(
        "--type",
        action="append",
        metavar="COLUMN=TYPE",
        help="read a column as this type, e.g. sku=VARCHAR",
    )
    g.add_argument(
        "--order-key",
        metavar="COLUMN",
        help="column that identifies an order; lines with the same value belong together",
    )


def mapping(p: _Parser) -> None:
    """Add which orders to ship, and how their columns become shipments."""
    g = p.add_argument_group("choosing and mapping orders")
    g.add_argument(
        "--where",
        action="append",
        metavar="SQL",
        help="keep only matching orders; may be repeated",
    )
    g.add_argument(
        "--param", action="append", metavar="NAME=VALUE", help="value of $NAME in --where"
    )
    g.add_argument(
        "--template",
        metavar="FILE",
        help="Jinja2 template of a shipment (start from: shipkit template)",
    )
    g.add_argument(
        "--service",
        metavar="NAME",
        help='one service for all rows ("ground"), or a rule ("cheapest")',
    )
    g.add_argument(
        "--column",
        action="append",
        metavar="FIELD=HEADING",
        help='column to use for a field, e.g. postal_code="Ship Zip"',
    )
    g.add_argument(
        "--default",
        action="append",
        metavar="FIELD=VALUE",
        help="value for empty or missing cells, e.g. weight_lb=2",
    )
    g.add_argument(
        "--map-service",
        action="append",
        metavar="VALUE=SERVICE",
        help='service for a value of the service column, e.g. "Second Class=ground"',
    )
    g.add_argument(
        "--reference",
        action="append",
        metavar="KEY=HEADING",
        help='column to print on the label, e.g. po="PO Number"',
    )
    g.add_argument(
        "--ignore",
        action="append",
        metavar="HEADING",
        help="column that does not concern the parcel; may be repeated",
    )
    g.add_argument(
        "--weights",
        choices=("unit", "line", "order"),
        help="what a weight refers to in orders with several lines",
    )
    g.add_argument(
        "--parcels", metavar="RULE", help='"one" per order (default), or a limit: "max 40 lb"'
    )
    g.add_argument(
        "--skus",
        metavar="FILE",
        help="table of SKU weights and dimensions; fills in missing weights",
    )
    g.add_argument(
        "--each-row",
        action="store_true",
        help="each row is an order of its own, even if order numbers or recipients repeat",
    )
    g.add_argument(
        "--repeated-rows",
        choices=("hold", "keep", "drop"),
        help="rows that are equal in every cell (default: hold)",
    )
    g.add_argument(
        "--returns",
        choices=("with_each",),
        help="a return label for every parcel, bought with it",
    )
    g.add_argument(
        "--residential",
        choices=("unknown is home", "unknown is business"),
        help="what to assume of addresses that may be homes or not",
    )
    g.add_argument(
        "--warehouse",
        action="append",
        metavar="CELL=NAME|FILE",
        help="address of a place that the orders name, as for --shipper; may be repeated",
    )
    g.add_argument(
        "--ship-date", metavar="YYYY-MM-DD", help="shipping date (default: the day of purchase)"
    )
    g.add_argument("--skip", action="append", metavar="SQL", help="leave out matching shipments")
    g.add_argument(
        "--edit",
        action="append",
        metavar="CHANGE",
        help="change matching shipments, e.g. \"service=ground where state = 'CA'\"; may be "
        "repeated",
    )
    g.add_argument(
        "--shipper",
        metavar="NAME|FILE",
        help="sender: a JSON or TOML file, or a name from the config file",
    )
    g.add_argument(
        "--carrier",
        action="append",
        metavar="NAME",
        help="see: shipkit carriers (default: sandbox); may be repeated, to compare several",
    )


def output(p: _Parser) -> None:
    """Add a file for what is otherwise printed."""
    p.add_argument("-o", "--output", metavar="FILE", help="write the output to FILE")


def pricing(p: _Parser) -> None:
    """Add the options of a preview."""
    p.add_argument("--name", help="name of the job; a name is never reused for other orders")
    p.add_argument(
        "--on-duplicate",
        choices=["hold", "ship"],
        help="orders that an earlier job shipped (default: hold)",
    )
    p.add_argument(
        "-n",
        "--rows",
        type=_COUNT,
        metavar="N",
        help="number of priced rows to print (default: 10)",
    )
    p.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        help="write the whole preview to a csv, tsv, xlsx or parquet file",
    )


def approval(p: _Parser) -> None:
    """Add which preview to approve."""
    p.add_argument("preview", metavar="PREVIEW", help="id of a preview, pv_...")
    p.add_argument("--by", metavar="NAME", help="who approves (default: your login name)")


# -- buying ----------------------------------------------------------------------------------------


def buying(p: _Parser) -> None:
    """Add approval, limits, labels and pace of a purchase."""
    g = p.add_argument_group("buying")
    g.add_argument("--yes", action="store_true", help="approve this preview; requires --max-total")
    g.add_argument("--auto", action="store_true", help="buy without approval; requires --max-total")
    g.add_argument(
        "--max-total", type=_AMOUNT, metavar="AMOUNT", help="spend limit of the job, e.g. 500"
    )
    g.add_argument(
        "--max-each", type=_AMOUNT, metavar="AMOUNT", help="spend limit of each shipment"
    )
    g.add_argument(
        "--max-account",
        action="append",
        metavar="NAME=AMOUNT",
        help="spend limit of one of several accounts, e.g. usps=200; may be repeated",
    )
    g.add_argument(
        "--max-shipments", type=_COUNT, metavar="N", help="maximum number of shipments in the job"
    )
    g.add_argument(
        "--price-drift",
        type=option_type(numbers.fraction),
        metavar="FRACTION",
        help="stop when a charge exceeds its quote by more than this, e.g. 0.05 for 5 %%",
    )
    g.add_argument(
        "--currency", metavar="CODE", help="currency of the amounts above (default: USD)"
    )
    g.add_argument("--on-error", choices=_ON_ERROR, help=_ON_ERROR_HELP)
    g.add_argument(
        "--resend",
        choices=["proven", "ask", "never"],
        help="rows in doubt that the carrier cannot find (default: depends on the carrier)",
    )
    g.add_argument("--label-format", choices=["pdf", "zpl", "png"], help="default: pdf")
    g.add_argument("--label-size", choices=["4x6", "4x8"], help="in inches; default: 4x6")
    g.add_argument(
        "--concurrency",
        type=_ONE_OR_MORE,
        metavar="N",
        help="maximum number of parallel requests (default: depends on the carrier)",
    )
    g.add_argument(
        "--rate-limit",
        type=option_type(numbers.more_than_zero()),
        metavar="N",
        help="maximum requests per second (default: depends on the carrier)",
    )
    g.add_argument("--dry-run", action="store_true", help="do everything except buy")


def watching(p: _Parser) -> None:
    """Add a folder whose files are run."""
    g = p.add_argument_group("watching a folder")
    g.add_argument(
        "--watch",
        metavar="FOLDER",
        help="run each new file in FOLDER once, then move it to FOLDER/done or FOLDER/failed",
    )
    g.add_argument(
        "--once", action="store_true", help="with --watch: run the files that are there, then exit"
    )
    g.add_argument(
        "--every",
        type=option_type(numbers.more_than_zero(_LONGEST_POLL_S)),
        metavar="SECONDS",
        help="with --watch: seconds between checks (default: 10)",
    )


def after_buying(p: _Parser) -> None:
    """Add the files that a run writes when it has bought."""
    g = p.add_argument_group("output files")
    g.add_argument("--labels", metavar="FILE", help="save the labels")
    g.add_argument(
        "--write-back",
        metavar="FILE",
        nargs="?",
        const="",
        help="write a copy of the orders with tracking numbers (default: next to the orders)",
    )
    g.add_argument(
        "--confirmation",
        metavar="SHOP",
        help="write the shipment confirmation file of a marketplace, next to the orders: amazon, "
        "ebay, shopify or woocommerce",
    )
    g.add_argument("--failed", metavar="FILE", help="save the rows that did not ship")


# -- jobs ------------------------------------------------------------------------------------------


def job(p: _Parser) -> None:
    """Add which job."""
    p.add_argument("job", metavar="JOB", help="id or name of a job (see: shipkit jobs)")


def job_to_resume(p: _Parser) -> None:
    """Add which job to resume, and approval of new prices."""
    p.add_argument(
        "job",
        metavar="JOB",
        nargs="?",
        help="id or name of a job (default: the only interrupted job)",
    )
    p.add_argument("--on-error", choices=_ON_ERROR, default="continue", help=_ON_ERROR_HELP)
    p.add_argument(
        "--yes",
        action="store_true",
        help="approve new prices when the quotes have expired; requires --max-total",
    )
    p.add_argument(
        "--max-total",
        type=_AMOUNT,
        metavar="AMOUNT",
        help="with --yes: spend limit of the whole job, including what is already charged",
    )


def job_list(p: _Parser) -> None:
    """Add which jobs to list."""
    p.add_argument("--interrupted", action="store_true", help="list only jobs that can be resumed")


def job_or_preview(p: _Parser) -> None:
    """Add what to show and what to save of it."""
    p.add_argument("job", metavar="JOB|PREVIEW", help="id or name of a job, or id of a preview")
    p.add_argument("--results", metavar="FILE", help="save the results, one row per shipment")
    p.add_argument(
        "--failed", metavar="FILE", help="save the rows that did not ship, with problem and fix"
    )
    p.add_argument("--report", metavar="FILE.html", help="save the day sheet")


def labels(p: _Parser) -> None:
    """Add which labels to save, and how."""
    p.add_argument(
        "-o",
        "--output",
        metavar="FILE|FOLDER",
        required=True,
        help="labels.pdf, labels.zpl, or a folder with --per",
    )
    p.add_argument(
        "--per",
        choices=["shipment", "parcel"],
        help="one file per shipment or per parcel, in a folder",
    )
    p.add_argument(
        "--order-by",
        metavar="COLUMN",
        help="result or source column to sort by; --order-by=-sku sorts in descending order",
    )
    p.add_argument(
        "--split", type=_ONE_OR_MORE, metavar="N", help="start a new file after N labels"
    )
    p.add_argument("--where", metavar="SQL", help="only shipments that match")
    p.add_argument(
        "--format",
        choices=["pdf", "zpl", "png", "gif"],
        help="format of the files in a folder (default: as bought)",
    )
    p.add_argument(
        "--documents", action="store_true", help="save customs documents instead of labels"
    )
    p.add_argument(
        "--filename",
        metavar="PATTERN",
        help='file names with --per, e.g. "{row_number:05}_{order_id}"',
    )


def voiding(p: _Parser) -> None:
    """Add which shipments to void."""
    g = p.add_mutually_exclusive_group(required=True)
    g.add_argument("--where", metavar="SQL", help="shipments that match, over the result columns")
    g.add_argument("--all", action="store_true", help="every shipment of the job")
    p.add_argument("--dry-run", action="store_true", help="list the shipments, void none")


def manifests(p: _Parser) -> None:
    """Add which labels are put on manifests, and where the papers go."""
    p.add_argument(
        "--where",
        metavar="SQL",
        help="shipments that match, over the result columns",
    )
    p.add_argument("-o", "--output", metavar="FOLDER", help="save the papers, one PDF each")
    p.add_argument(
        "--forget",
        nargs="?",
        const=0,
        type=_ONE_OR_MORE,
        metavar="ATTEMPT",
        help="decide that the manifest in doubt was not made; asks no carrier",
    )


def pickups(p: _Parser) -> None:
    """Add when and where a driver comes, and whether that is booked."""
    p.add_argument("--day", metavar="DAY", help="such as 2026-12-01 (default: today)")
    p.add_argument("--ready", metavar="TIME", help="the driver may come from (09:00)")
    p.add_argument("--close", metavar="TIME", help="the driver may come until (17:00)")
    p.add_argument("--where", metavar="SQL", help="shipments that match, over the result columns")
    p.add_argument("--place", metavar="PLACE", help="front_door (default), mail_room, office, ...")
    p.add_argument("--instructions", metavar="TEXT", help="what the driver should know")
    g = p.add_mutually_exclusive_group()
    g.add_argument("--book", action="store_true", help="book it; its price is asked for approval")
    p.add_argument(
        "--max-total",
        type=_AMOUNT,
        metavar="AMOUNT",
        help="with --book: agree to a price up to this amount",
    )
    g.add_argument("--list", action="store_true", help="list the pickups of the job")
    g.add_argument("--cancel", metavar="NUMBER", help="cancel one, by its number or reference")
    g.add_argument(
        "--look-up",
        nargs="?",
        const="",
        metavar="REFERENCE",
        help="look one up that may be booked, and book it where that makes no second one",
    )
    g.add_argument(
        "--forget",
        nargs="?",
        const="",
        metavar="REFERENCE",
        help="decide that one in doubt is not booked, or that one is canceled; asks no carrier",
    )


def write_back(p: _Parser) -> None:
    """Add where tracking numbers are written."""
    p.add_argument(
        "-o", "--output", metavar="FILE", help="default: <orders>_shipped, next to the orders"
    )
    p.add_argument(
        "--column",
        action="append",
        metavar="RESULT=HEADING",
        help='e.g. tracking_numbers="Tracking #"; may be repeated, replaces the default columns',
    )
    p.add_argument(
        "--in-place",
        action="count",
        default=0,
        help="write into the orders file itself and keep a backup of it",
    )
    p.add_argument(
        "--layout",
        metavar="SHOP",
        help="write the confirmation file of a marketplace instead: amazon, ebay, shopify or "
        "woocommerce",
    )
    p.add_argument(
        "--allow-test-numbers",
        action="store_true",
        help="with --in-place or --layout: write the numbers of a job that is not live",
    )
    p.add_argument(  # the name of this option in the first release
        "--really", action="store_true", dest="allow_test_numbers", help=argparse.SUPPRESS
    )


# -- housekeeping ----------------------------------------------------------------------------------


def pruning(p: _Parser) -> None:
    """Add which jobs to prune."""
    p.add_argument(
        "--older-than",
        type=option_type(numbers.age),
        metavar="AGE",
        required=True,
        help="e.g. 90d, 12w or 36h",
    )
    p.add_argument("--dry-run", action="store_true", help="list the jobs, change nothing")


def carrier_check(p: _Parser) -> None:
    """Add which carrier to check on its test host."""
    p.add_argument(
        "ask",
        nargs="*",
        default=[],
        metavar="check NAME",
        help="walk a carrier's test host with your credentials: price, buy, look up, void, track; "
        "pickup and manifest where it has them",
    )


def shell(p: _Parser) -> None:
    """Add which shell to complete for."""
    p.add_argument(
        "shell", choices=["bash", "zsh", "fish"], metavar="SHELL", help="bash, zsh or fish"
    )


def object_home(p: _Parser) -> None:
    """Add what to do with a home in an object store, and its URL."""
    p.add_argument("action", choices=["check"], metavar="check", help="try what a home needs")
    p.add_argument("url", nargs="?", metavar="URL", help="s3://bucket/prefix; default: --home")


def demo(p: _Parser) -> None:
    """Add whether the demo starts from the beginning."""
    p.add_argument(
        "--fresh", action="store_true", help="delete the files of earlier demos and start over"
    )
