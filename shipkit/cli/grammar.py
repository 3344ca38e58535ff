"""The commands and their options. Imports next to nothing, so that ``shipkit --help`` answers at once."""

from __future__ import annotations

import argparse
import difflib
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NoReturn

from shipkit._version import __version__
from shipkit.cli.exits import MEANING

__all__ = ["COMMANDS", "Command", "UsageError", "again", "nearest", "parser", "typeable"]

_Parser = argparse.ArgumentParser


class UsageError(Exception):
    """The command line cannot be understood. `usage` is the line that shows how to write it."""

    def __init__(self, message: str, usage: str) -> None:
        super().__init__(message)
        self.usage = usage


@dataclass(frozen=True)
class Command:
    """One command: what it does, its options, and the function that does it (imported when it is called)."""

    name: str
    group: str
    summary: str
    handler: str
    """``module:function`` under :mod:`shipkit.cli`."""
    options: Sequence[Callable[[_Parser], None]] = ()
    takes: str = "[options]"
    """What stands after the name in the usage line."""
    detail: str = ""


# -- options, by concern --------------------------------------------------------------------------


def _everywhere(p: _Parser) -> None:
    p.add_argument(
        "--json",
        action="store_true",
        help="JSON lines on stdout, for machines; the last one has job_id, exit and next",
    )
    p.add_argument(
        "--log",
        metavar="FILE",
        help="append what happens to a log, a JSON object a line; no names and no addresses",
    )
    p.add_argument(
        "--home",
        metavar="FOLDER",
        help="where previews and jobs live (default: SHIPKIT_HOME, then your data folder)",
    )
    p.add_argument("--debug", action="store_true", help="show the Python traceback of an error")


def _file(p: _Parser) -> None:
    p.add_argument(
        "file",
        nargs="?",
        metavar="FILE",
        help="orders: csv, tsv, xlsx, xls, ods, parquet, json, ndjson (also .gz), or a glob in "
        "quotes",
    )
    p.add_argument(
        "--config",
        metavar="JOB.toml",
        help="a file that holds these options; what is typed here wins",
    )
    g = p.add_argument_group("reading the file")
    g.add_argument(
        "--sheet", help="sheet of a workbook, by name (default: the one that looks like orders)"
    )
    g.add_argument("--delimiter", help="column separator of a text file (default: found out)")
    g.add_argument("--encoding", help="encoding of a text file (default: found out)")
    g.add_argument(
        "--type",
        action="append",
        metavar="COLUMN=TYPE",
        help="pin a column's type, e.g. sku=VARCHAR",
    )
    g.add_argument(
        "--order-key",
        metavar="COLUMN",
        help="the column whose value says which lines are one order",
    )


def _mapping(p: _Parser) -> None:
    g = p.add_argument_group("choosing and mapping")
    g.add_argument(
        "--where",
        action="append",
        metavar="SQL",
        help="keep the orders that match; repeat to narrow",
    )
    g.add_argument(
        "--param", action="append", metavar="NAME=VALUE", help="value for $NAME in --where"
    )
    g.add_argument(
        "--template", metavar="FILE", help="Jinja2 template of a shipment (see: shipkit template)"
    )
    g.add_argument("--service", help='one service for all rows ("ground"), or a rule ("cheapest")')
    g.add_argument(
        "--column",
        action="append",
        metavar="FIELD=HEADING",
        help='settle a column, e.g. postal_code="Ship Zip"',
    )
    g.add_argument(
        "--default",
        action="append",
        metavar="FIELD=VALUE",
        help="fill what is missing, e.g. weight_lb=2",
    )
    g.add_argument(
        "--map-service",
        action="append",
        metavar="VALUE=SERVICE",
        help='what a value of the service column means, e.g. "Second Class=ground"',
    )
    g.add_argument(
        "--reference",
        action="append",
        metavar="KEY=HEADING",
        help='print a column on the label, e.g. po="PO Number"',
    )
    g.add_argument(
        "--weights",
        choices=("unit", "line", "order"),
        help="what a weight is of, in orders of several lines",
    )
    g.add_argument("--parcels", metavar="RULE", help='"one" (default), or a limit: "max 40 lb"')
    g.add_argument(
        "--skus",
        metavar="FILE",
        help="a table of SKU weights (and dimensions) that fills missing weights",
    )
    g.add_argument(
        "--ship-date", metavar="YYYY-MM-DD", help="day of shipping (default: the day of purchase)"
    )
    g.add_argument(
        "--skip", action="append", metavar="SQL", help="set the matching shipments aside"
    )
    g.add_argument(
        "--shipper",
        metavar="NAME|FILE",
        help="who ships: a JSON or TOML file, or a name from the config file",
    )
    g.add_argument("--carrier", help="sandbox (default) or ups")


def _output(p: _Parser) -> None:
    p.add_argument("-o", "--output", metavar="FILE", help="write it to a file")


def _pricing(p: _Parser) -> None:
    p.add_argument("--name", help="name of the job; the same name with another plan is refused")
    p.add_argument(
        "--on-duplicate",
        choices=["hold", "ship"],
        help="orders that an earlier job shipped (default: hold)",
    )
    p.add_argument(
        "-n", "--rows", type=int, metavar="N", help="how many rows to print (default: 10)"
    )
    p.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        help="write the whole preview to a csv, xlsx or parquet file",
    )


def _buying(p: _Parser) -> None:
    g = p.add_argument_group("buying")
    g.add_argument(
        "--yes", action="store_true", help="approve this preview (mode CONFIRM); needs --max-total"
    )
    g.add_argument(
        "--auto", action="store_true", help="buy without approval (mode AUTO); needs --max-total"
    )
    g.add_argument("--max-total", metavar="AMOUNT", help="most to spend on the job, e.g. 500")
    g.add_argument("--max-each", metavar="AMOUNT", help="most to spend on one shipment")
    g.add_argument("--max-shipments", type=int, metavar="N", help="most shipments in the job")
    g.add_argument(
        "--price-drift",
        type=float,
        metavar="FRACTION",
        help="stop when a charge lies this far above its quote, e.g. 0.05",
    )
    g.add_argument("--currency", help="of the amounts above (default: USD)")
    g.add_argument(
        "--on-error", choices=["continue", "halt"], help="at a failed row (default: continue)"
    )
    g.add_argument(
        "--resend",
        choices=["proven", "ask", "never"],
        help="rows in doubt that the carrier does not know (default: the carrier's own)",
    )
    g.add_argument("--label-format", choices=["pdf", "zpl", "png"], help="default: pdf")
    g.add_argument("--label-size", choices=["4x6", "4x8"], help="inches; default: 4x6")
    g.add_argument(
        "--concurrency",
        type=int,
        metavar="N",
        help="requests at a time (default: the carrier's own)",
    )
    g.add_argument(
        "--rate-limit",
        type=float,
        metavar="N",
        help="requests a second (default: the carrier's own)",
    )
    g.add_argument("--dry-run", action="store_true", help="do everything but buy")


def _watching(p: _Parser) -> None:
    g = p.add_argument_group("a folder instead of a file")
    g.add_argument(
        "--watch",
        metavar="FOLDER",
        help="run each file that comes into FOLDER, once; it moves to FOLDER/done or FOLDER/failed",
    )
    g.add_argument("--once", action="store_true", help="with --watch: run what is there, then end")
    g.add_argument(
        "--every",
        type=float,
        metavar="SECONDS",
        help="with --watch: how often to look (default: 10)",
    )


def _after(p: _Parser) -> None:
    g = p.add_argument_group("afterwards")
    g.add_argument("--labels", metavar="FILE", help="save the labels there")
    g.add_argument(
        "--write-back",
        metavar="FILE",
        nargs="?",
        const="",
        help="write tracking numbers to a new file (default: beside the orders)",
    )
    g.add_argument(
        "--confirmation",
        metavar="SHOP",
        help="write the file that a shop imports beside the orders: amazon, ebay, shopify or "
        "woocommerce",
    )
    g.add_argument("--failed", metavar="FILE", help="write the rows that did not ship there")


def _job(p: _Parser) -> None:
    p.add_argument("job", metavar="JOB", help="a job's id or name (see: shipkit jobs)")


def _some_job(p: _Parser) -> None:
    p.add_argument(
        "job",
        metavar="JOB",
        nargs="?",
        help="a job's id or name (default: the only interrupted one)",
    )
    p.add_argument(
        "--on-error",
        choices=["continue", "halt"],
        default="continue",
        help="at a failed row (default: continue)",
    )
    p.add_argument(
        "--yes", action="store_true", help="approve new prices of what is left; needs --max-total"
    )
    p.add_argument("--max-total", metavar="AMOUNT", help="most to spend on the whole job")


def _jobs(p: _Parser) -> None:
    p.add_argument("--interrupted", action="store_true", help="only jobs that can be resumed")


def _show(p: _Parser) -> None:
    p.add_argument("job", metavar="JOB|PREVIEW", help="a job's id or name, or a preview's id")
    p.add_argument("--results", metavar="FILE", help="write the results, a line a shipment")
    p.add_argument(
        "--failed", metavar="FILE", help="write the rows that did not ship, with problem and fix"
    )
    p.add_argument("--report", metavar="FILE.html", help="write the day sheet")


def _approve(p: _Parser) -> None:
    p.add_argument("preview", metavar="PREVIEW", help="a preview's id, pv_...")
    p.add_argument("--by", help="who approves (default: your login)")


def _labels(p: _Parser) -> None:
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
        help="a file for each shipment, or for each parcel, in a folder",
    )
    p.add_argument(
        "--order-by",
        metavar="COLUMN",
        help="result or source column to sort by, e.g. sku; --order-by=-sku sorts downwards",
    )
    p.add_argument("--split", type=int, metavar="N", help="at most N labels in a file")
    p.add_argument("--where", metavar="SQL", help="only the shipments that match")
    p.add_argument(
        "--format",
        choices=["pdf", "zpl", "png", "gif"],
        help="of the files in a folder (default: as bought)",
    )
    p.add_argument("--documents", action="store_true", help="customs papers instead of labels")
    p.add_argument(
        "--filename", metavar="PATTERN", help='with --per, e.g. "{row_number:05}_{order_id}"'
    )


def _void(p: _Parser) -> None:
    g = p.add_mutually_exclusive_group(required=True)
    g.add_argument(
        "--where", metavar="SQL", help="the shipments that match, over the result columns"
    )
    g.add_argument("--all", action="store_true", help="every shipment of the job")
    p.add_argument("--dry-run", action="store_true", help="list them, give none back")


def _write_back(p: _Parser) -> None:
    p.add_argument(
        "-o", "--output", metavar="FILE", help="default: <orders>_shipped beside the orders"
    )
    p.add_argument(
        "--column",
        action="append",
        metavar="RESULT=HEADING",
        help='e.g. tracking_numbers="Tracking #" (repeat; replaces the default columns)',
    )
    p.add_argument(
        "--in-place",
        action="count",
        default=0,
        help="into the orders file itself, with a backup",
    )
    p.add_argument(
        "--layout",
        metavar="SHOP",
        help="the file that a shop imports instead: amazon, ebay, shopify or woocommerce",
    )
    p.add_argument(
        "--allow-test-numbers",
        "--really",
        action="store_true",
        help="with --in-place or --layout: also the made-up numbers of a sandbox or test job",
    )


def _prune(p: _Parser) -> None:
    p.add_argument("--older-than", metavar="AGE", required=True, help="e.g. 90d, 12w")
    p.add_argument("--dry-run", action="store_true", help="list the jobs, change nothing")


def _completion(p: _Parser) -> None:
    p.add_argument(
        "shell", choices=["bash", "zsh", "fish"], metavar="SHELL", help="bash, zsh or fish"
    )


def _demo(p: _Parser) -> None:
    p.add_argument(
        "--fresh", action="store_true", help="start over: remove what earlier demos made"
    )


COMMANDS: dict[str, Command] = {
    c.name: c
    for c in (
        Command(
            "demo",
            "Try it",
            "the main job on bundled orders: price, buy sandbox labels, write back",
            "demo:demo",
            [_demo],
        ),
        Command(
            "check",
            "Before buying",
            "read a file and list what is wrong with its rows",
            "batch:check",
            [_file, _mapping, _output],
            "FILE [options]",
        ),
        Command(
            "template",
            "Before buying",
            "print the Jinja2 template that says how rows become shipments",
            "batch:template",
            [_file, _mapping, _output],
            "FILE [options]",
        ),
        Command(
            "preview",
            "Before buying",
            "price every row; nothing is bought",
            "batch:preview",
            [_file, _mapping, _pricing],
            "FILE [options]",
        ),
        Command(
            "approve",
            "Buying",
            "say yes to a preview; needs a terminal and the total typed back",
            "batch:approve",
            [_approve],
            "PREVIEW",
        ),
        Command(
            "run",
            "Buying",
            "preview, get approval, buy the labels",
            "batch:run",
            [_file, _mapping, _pricing, _buying, _watching, _after],
            "FILE [--yes | --auto] [--max-total AMOUNT] [options]",
            "Without --yes or --auto it asks at a terminal; elsewhere it ends with exit 3 and the "
            "command that approves.",
        ),
        Command(
            "resume",
            "Buying",
            "go on with an interrupted job; nothing is bought twice",
            "job:resume",
            [_some_job],
            "[JOB] [options]",
        ),
        Command("jobs", "Afterwards", "list the jobs, newest first", "job:jobs", [_jobs]),
        Command(
            "show",
            "Afterwards",
            "how a job or a preview stands",
            "job:show",
            [_show],
            "JOB|PREVIEW [options]",
        ),
        Command(
            "labels",
            "Afterwards",
            "save labels: one file, split, or one for each shipment",
            "job:labels",
            [_job, _labels],
            "JOB -o FILE [options]",
        ),
        Command(
            "void",
            "Afterwards",
            "give shipments back",
            "job:void",
            [_job, _void],
            "JOB (--where SQL | --all) [options]",
        ),
        Command(
            "write-back",
            "Afterwards",
            "write tracking numbers into a copy of the orders file, or a shop's own file",
            "job:write_back",
            [_job, _write_back],
            "JOB [-o FILE] [options]",
        ),
        Command(
            "carriers",
            "Housekeeping",
            "list the carriers and whether they are set up",
            "job:carriers",
        ),
        Command(
            "prune",
            "Housekeeping",
            "remove addresses and labels of old jobs, keep the books",
            "job:prune",
            [_prune],
            "--older-than AGE [options]",
        ),
        Command(
            "completion",
            "Housekeeping",
            "print the completion script of a shell",
            "completion:completion",
            [_completion],
            "bash|zsh|fish",
        ),
        Command(
            "mcp",
            "Housekeeping",
            "serve the agent tools over MCP; its options: shipkit mcp --help",
            "",
        ),
    )
}
"""Every command, in the order of a batch's life."""


class _Strict(_Parser):
    """A parser that raises, so that a usage error ends like every other one."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(message, self.format_usage().strip())


def parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    top = _Strict(
        prog="shipkit",
        usage="shipkit COMMAND ...",
        description=_overview(),
        epilog=_epilog(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        add_help=True,
    )
    top.add_argument("--version", action="version", version=f"shipkit {__version__}")
    commands = top.add_subparsers(
        dest="command",
        metavar="COMMAND",
        parser_class=_Strict,
        help=argparse.SUPPRESS,
        required=False,
    )
    for command in COMMANDS.values():
        one = commands.add_parser(
            command.name,
            usage=f"shipkit {command.name} {command.takes}",
            description=f"{command.summary[0].upper()}{command.summary[1:]}. {command.detail}".strip(),
            epilog=_epilog(),
            allow_abbrev=False,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        for add in command.options:
            add(one)
        _everywhere(one)
    return top


def again(name: str, args: argparse.Namespace) -> str:
    """Return command `name` with the options of `args` that it knows, ready to type."""
    one = _Strict(add_help=False)
    for add in (*COMMANDS[name].options, _everywhere):
        add(one)
    given = getattr(args, "typed", None) or vars(args)
    words = ["shipkit", name]
    for action in one._actions:  # noqa: SLF001 - argparse offers no other way to ask what a parser knows
        value = given.get(action.dest)
        if (
            value is None
            or value == action.default
            or action.dest in {"json", "debug", "dry_run", "yes", "auto", "log"}
        ):
            continue
        if not action.option_strings:
            words.append(str(value))
        elif action.nargs == 0:
            words.append(action.option_strings[-1])
        else:
            for one_value in value if isinstance(value, list) else [value]:
                words += [action.option_strings[-1], *([str(one_value)] if one_value != "" else [])]
    return typeable(words)


def typeable(words: Sequence[str]) -> str:
    r"""Return words as a command line: quoted where a shell needs it, as a person would.

    Examples
    --------
    >>> typeable(["shipkit", "run", "a.csv", "--where", "zip LIKE '9%'"])
    'shipkit run a.csv --where "zip LIKE \'9%\'"'
    """
    return " ".join(
        f'"{word}"' if "'" in word and not set(word) & set('"$`\\!') else shlex.quote(word)
        for word in words
    )


def nearest(name: str) -> str | None:
    """Return the command that `name` was probably meant to be."""
    found = difflib.get_close_matches(name, COMMANDS, n=1)
    return found[0] if found else None


def _overview() -> str:
    lines = [
        "Orders in; priced previews, labels and tracking numbers out. Each label is bought once."
    ]
    group = ""
    for command in COMMANDS.values():
        if command.group != group:
            group = command.group
            lines += ["", f"{group}:"]
        lines.append(f"  {command.name:<12}{command.summary}")
    return "\n".join([*lines, "", "shipkit COMMAND --help shows a command's options."])


def _epilog() -> str:
    return "\n".join(["exit codes:", *(f"  {int(code)}  {text}" for code, text in MEANING.items())])
