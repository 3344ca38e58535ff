"""The commands: what each one is called, takes and does, and the parser made from this table.

The imports are kept light, so that ``shipkit --help`` answers at once.
"""

from __future__ import annotations

import argparse
import difflib
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from shipkit._version import __version__
from shipkit.cli import option_groups as options
from shipkit.cli.exit_codes import MEANING

__all__ = [
    "COMMANDS",
    "CommandSpec",
    "UsageError",
    "actions_of",
    "again",
    "nearest",
    "parser",
    "quoted",
]


class UsageError(Exception):
    """The command line cannot be understood."""


@dataclass(frozen=True)
class CommandSpec:
    """One command of the command line."""

    name: str
    group: str
    """Heading under which ``shipkit --help`` lists it."""
    summary: str
    handler: str
    """``module:function`` in :mod:`shipkit.cli`, imported when the command runs."""
    options: Sequence[Callable[[argparse.ArgumentParser], None]] = ()
    usage: str = "[options]"
    """What follows the name in the usage line."""
    detail: str = ""
    """A second sentence for the help page of the command."""
    answers: bool = False
    """Whether the command only answers: when its output is lost, it has failed."""


_ROWS = (
    CommandSpec(
        "demo",
        "Try it",
        "run the whole workflow on bundled orders with the sandbox carrier",
        "demo_command:demo",
        [options.demo],
    ),
    CommandSpec(
        "check",
        "Before buying",
        "read a file and list the problems of its rows",
        "order_commands:check",
        [options.orders_file, options.mapping, options.output],
        "FILE [options]",
        answers=True,
    ),
    CommandSpec(
        "template",
        "Before buying",
        "print the Jinja2 template that turns rows into shipments",
        "order_commands:template",
        [options.orders_file, options.mapping, options.output],
        "FILE [options]",
        answers=True,
    ),
    CommandSpec(
        "preview",
        "Before buying",
        "price every row; nothing is bought",
        "order_commands:preview",
        [options.orders_file, options.mapping, options.pricing],
        "FILE [options]",
        answers=True,
    ),
    CommandSpec(
        "approve",
        "Buying",
        "approve a preview by typing its total at a terminal",
        "order_commands:approve",
        [options.approval],
        "PREVIEW",
    ),
    CommandSpec(
        "run",
        "Buying",
        "preview, get approval, buy the labels",
        "order_commands:run",
        [
            options.orders_file,
            options.mapping,
            options.pricing,
            options.buying,
            options.watching,
            options.after_buying,
        ],
        "FILE [--yes | --auto] [--max-total AMOUNT] [options]",
        "Without --yes or --auto it asks for approval at\na terminal; elsewhere it exits with code "
        "3 and prints the command that approves.",
    ),
    CommandSpec(
        "resume",
        "Buying",
        "continue an interrupted job; nothing is bought twice",
        "job_commands:resume",
        [options.job_to_resume],
        "[JOB] [options]",
    ),
    CommandSpec(
        "jobs",
        "Afterwards",
        "list jobs, newest first",
        "job_commands:jobs",
        [options.job_list],
        answers=True,
    ),
    CommandSpec(
        "show",
        "Afterwards",
        "show the status of a job or a preview",
        "job_commands:show",
        [options.job_or_preview],
        "JOB|PREVIEW [options]",
        answers=True,
    ),
    CommandSpec(
        "labels",
        "Afterwards",
        "save labels as one file, several files, or one per shipment",
        "job_commands:labels",
        [options.job, options.labels],
        "JOB -o FILE [options]",
    ),
    CommandSpec(
        "void",
        "Afterwards",
        "void shipments, so that they are not charged",
        "job_commands:void",
        [options.job, options.voiding],
        "JOB (--where SQL | --all) [options]",
    ),
    CommandSpec(
        "manifest",
        "Afterwards",
        "put bought labels on manifests for the driver (USPS: SCAN forms)",
        "handover_commands:manifest",
        [options.job, options.manifests],
        "JOB [-o FOLDER] [options]",
        "A label is on at\nmost one; at USPS it can no longer be voided then. One in doubt is\n"
        "asked for again, or given up by you with --forget.",
    ),
    CommandSpec(
        "pickup",
        "Afterwards",
        "ask what a pickup costs, and book it with --book",
        "handover_commands:pickup",
        [options.job, options.pickups],
        "JOB [--day DAY] [--book] [options]",
        "Without\n--book nothing is booked. --list shows the pickups of the job; one in doubt is\n"
        "settled with --look-up, or by you with --forget.",
    ),
    CommandSpec(
        "write-back",
        "Afterwards",
        "write tracking numbers into a copy of the orders, or a marketplace file",
        "job_commands:write_back",
        [options.job, options.write_back],
        "JOB [-o FILE] [options]",
    ),
    CommandSpec(
        "carriers",
        "Housekeeping",
        "list the carriers and whether they are configured; check one on its test host",
        "job_commands:carriers",
        [options.carrier_check],
        "[check NAME] [options]",
        "A check costs\nnothing: it refuses live accounts, and voids what it buys; a label on a "
        "manifest\nmay stay in the test account.",
        answers=True,
    ),
    CommandSpec(
        "prune",
        "Housekeeping",
        "delete addresses and labels of old jobs; keep numbers and charges",
        "job_commands:prune",
        [options.pruning],
        "--older-than AGE [options]",
    ),
    CommandSpec(
        "home",
        "Housekeeping",
        "check that an object store can be a home for live carriers",
        "job_commands:home_check",
        [options.object_home],
        "check s3://bucket/prefix",
        "It tries its conditional writes, its\nlatency and 100 races of eight writers, and records "
        "in the bucket that they went well.",
        answers=True,
    ),
    CommandSpec(
        "completion",
        "Housekeeping",
        "print a shell completion script",
        "completion:completion",
        [options.shell],
        "bash|zsh|fish",
        answers=True,
    ),
    CommandSpec(
        "mcp",
        "Housekeeping",
        "serve the agent tools over MCP (options: shipkit mcp --help)",
        "",
    ),
)

COMMANDS: Mapping[str, CommandSpec] = {command.name: command for command in _ROWS}
"""Name to command, in the order in which a batch needs them."""


class _CommandParser(argparse.ArgumentParser):
    """A parser that raises UsageError instead of exiting, so that ``--json`` gets its last line."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(message)


def parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    top = _CommandParser(
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
        parser_class=_CommandParser,
        help=argparse.SUPPRESS,
        required=False,
    )
    for command in COMMANDS.values():
        one = commands.add_parser(
            command.name,
            usage=f"shipkit {command.name} {command.usage}",
            description=f"{_sentence(command.summary)} {command.detail}".strip(),
            epilog=_epilog(),
            allow_abbrev=False,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        for add in (*command.options, options.everywhere):
            add(one)
    return top


def actions_of(name: str) -> list[argparse.Action]:
    """Return the arguments and options of a command, in the order of its help page."""
    one = _CommandParser(add_help=False)
    for add in (*COMMANDS[name].options, options.everywhere):
        add(one)
    return one._actions  # noqa: SLF001 - argparse has no public way to list what a parser knows


_NOT_REPEATED = frozenset({"json", "debug", "dry_run", "yes", "auto", "log"})
"""Options that an advised command leaves out: approving and buying is typed, never suggested."""


def again(name: str, args: argparse.Namespace) -> str:
    """Return command `name` with those options of `args` that it knows, ready to be typed."""
    given: dict[str, Any] = getattr(args, "typed", None) or vars(args)
    words = ["shipkit", name]
    for action in actions_of(name):
        value = given.get(action.dest)
        if value is None or value == action.default or action.dest in _NOT_REPEATED:
            continue
        if not action.option_strings:
            words.append(str(value))
        elif action.nargs == 0:
            words.append(action.option_strings[-1])
        else:
            for one_value in value if isinstance(value, list) else [value]:
                words += [action.option_strings[-1], *([str(one_value)] if one_value != "" else [])]
    return quoted(words)


def quoted(words: Sequence[str]) -> str:
    r"""Return words as a command line for a shell, quoted where that is needed.

    Examples
    --------
    >>> quoted(["shipkit", "run", "a.csv", "--where", "zip LIKE '9%'"])
    'shipkit run a.csv --where "zip LIKE \'9%\'"'
    """
    return " ".join(
        f'"{word}"' if "'" in word and not set(word) & set('"$`\\!') else shlex.quote(word)
        for word in words
    )


def nearest(name: str) -> str | None:
    """Return the command whose name is most like `name`, or None."""
    found = difflib.get_close_matches(name, COMMANDS, n=1)
    return found[0] if found else None


def _sentence(words: str) -> str:
    return f"{words[0].upper()}{words[1:]}."


def _overview() -> str:
    lines = [
        "Price, buy and print shipping labels for a file of orders. Each label is bought once."
    ]
    group = ""
    for command in COMMANDS.values():
        if command.group != group:
            group = command.group
            lines += ["", f"{group}:"]
        lines.append(f"  {command.name:<12}{command.summary}")
    return "\n".join([*lines, "", "shipkit COMMAND --help shows the options of a command."])


def _epilog() -> str:
    return "\n".join(["exit codes:", *(f"  {int(code)}  {text}" for code, text in MEANING.items())])
