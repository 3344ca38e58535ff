"""The command line: ``shipkit COMMAND`` reads options, calls a session and prints the result.

Nothing heavy is imported before the command is known, so help, usage errors and completion answer
at once.
"""

from __future__ import annotations

import importlib
import sys
import warnings
from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import cast

from shipkit.cli.commands import COMMANDS, UsageError, again, nearest, parser
from shipkit.cli.console import Console, End, open_log
from shipkit.cli.error_words import described
from shipkit.cli.exit_codes import Exit, of_error
from shipkit.cli.job_config import with_config
from shipkit.cli.option_rules import refuse_empty, refuse_ignored
from shipkit.cli.output_paths import refuse_shared_paths
from shipkit.cli.stop_signals import StopSignals, signals_interrupt
from shipkit.cli.streams import occupy_standard_descriptors
from shipkit.errors import NotSent, ShipkitError

__all__ = ["main", "program"]


def program() -> int:
    """Run the command of this process, which then ends: the ``shipkit`` program."""
    return main(last=True)


def main(argv: Sequence[str] | None = None, *, last: bool = False) -> int:
    """Run one command and return its exit code (see :mod:`shipkit.cli.exit_codes`).

    Parameters
    ----------
    argv
        The words of the command; without them, those of the process.
    last
        Whether the process ends with the command, so that a signal that comes meanwhile must not
        replace its exit code. A program that goes on gets its handlers of signals back.
    """
    occupy_standard_descriptors()
    words = list(sys.argv[1:] if argv is None else argv)
    console = Console(as_json="--json" in words)
    words = words or ["--help"]
    try:
        if words[0] == "mcp":
            return _serve(words[1:], console)
        with signals_interrupt(last=last) as stop, _warnings_said(console):
            try:
                end = _run(words, console, stop)
                stop.over(end.exit)
            except KeyboardInterrupt:  # one more, while the command ended
                end = _interrupted(console, stop)
            return _finish(console, end, words[0])
    except SystemExit as stop:  # argparse: --help, --version
        console.out.flush()
        return int(stop.code or 0)
    except BrokenPipeError:  # of the MCP server: its host has gone
        console.out.abandon()
        return Exit.DONE


@contextmanager
def _warnings_said(console: Console) -> Iterator[None]:
    """Print warnings, such as what a clause leaves out, as notes and without a line of code."""
    with warnings.catch_warnings():
        # Never as an error: with `PYTHONWARNINGS=error` one would end a void in the middle.
        warnings.simplefilter("always", UserWarning)
        warnings.showwarning = lambda message, *_: console.note(str(message))
        yield


def _run(words: list[str], console: Console, stop: StopSignals) -> End:
    """Run a command and return how it ended, whatever happens: ``--json`` needs a last line."""
    args: Namespace | None = None
    try:
        args = parser().parse_args(words)
        refuse_empty(words)
        refuse_shared_paths(args)
        console.log = _usable_log(args.log)  # an error in the config file is logged too
        typed, args = args, with_config(args)
        refuse_ignored(args)
        if args is not typed:  # it has files of the config file, too
            _refuse_shared(args, console)
        console.log = _usable_log(args.log)
        console.logged("start", command=args.command)
        console.ended = _handler(COMMANDS[args.command].handler)(args, console)
    except UsageError as error:
        console.ended = _usage_error(error, words, console)
    except KeyboardInterrupt:
        return _interrupted(console, stop)
    except Exception as error:  # noqa: BLE001 - a script must get an exit code and a last line
        console.ended = _failed(error, words, console, args)
    return console.ended


def _refuse_shared(args: Namespace, console: Console) -> None:
    """Refuse files that are one file, with those of the config file; the log may be one of them."""
    kept, console.log = console.log, None
    refuse_shared_paths(args)
    console.log = kept


def _interrupted(console: Console, stop: StopSignals) -> End:
    """Return how an interrupted command ended: as it did, if it was done before the signal came."""
    if console.ended is not None:
        stop.over(console.ended.exit)
        return console.ended
    stop.over(Exit.UNFINISHED)
    console.fail("Interrupted.", None, "interrupted", Exit.UNFINISHED)
    return End(Exit.UNFINISHED, console.job_id, facts={"code": "interrupted"})


def _usable_log(path: str | None) -> str | None:
    """Return `path` if it can be appended to. Raises UsageError, before anything was done."""
    if path is None:
        return None
    try:
        if Path(path).is_fifo() and not path.startswith("/dev/"):
            raise UsageError(f"--log {path} is a pipe: name a regular file")
        with open_log(path):
            return path
    except OSError as error:
        raise UsageError(f"--log {path} cannot be written: {error.strerror}") from None


def _failed(error: Exception, words: list[str], console: Console, args: Namespace | None) -> End:
    if "--debug" in words or not isinstance(error, ShipkitError | OSError):
        console.err.print_traceback()
    # After a purchase the command line was not invalid, whatever has failed since then.
    code = of_error(error) if console.job_id is None else Exit.BROKEN
    told = described(error)
    console.fail(told.message, told.fix, told.code, code)
    following = error.details.get("next") if isinstance(error, ShipkitError) else None
    outage = isinstance(error, NotSent) and console.job_id is None
    if outage and args is not None and getattr(args, "file", None):
        following = again(args.command, args)
    return End(code, console.job_id, next=following, facts={"code": told.code})


def _serve(words: list[str], console: Console) -> int:
    """Start the MCP server, which parses its own options and needs stdout for the protocol."""
    try:
        from shipkit.agent import mcp_server
    except ImportError as error:
        console.fail(
            f"The MCP server cannot start: {error}.",
            'Install it: pip install "shipkit[mcp]"',
            "usage",
            Exit.UNUSABLE,
        )
        return Exit.UNUSABLE
    return mcp_server.main(words)


def _handler(where: str) -> Callable[[Namespace, Console], End]:
    module, name = where.split(":")
    return cast(
        "Callable[[Namespace, Console], End]",
        getattr(importlib.import_module(f"shipkit.cli.{module}"), name),
    )


def _usage_error(error: UsageError, words: list[str], console: Console) -> End:
    name = words[0]
    if name in COMMANDS:
        text = str(error)
        message = f"{text[:1].upper()}{text[1:]}."
        usage = f"shipkit {name} {COMMANDS[name].usage}"
        fix = f"Usage: {usage}   (all options: shipkit {name} --help)"
    else:
        meant = nearest(name)
        message = f"Unknown command {name!r}."
        fix = f"Did you mean: shipkit {meant}" if meant else "See: shipkit --help"
    console.fail(message, fix, "usage", Exit.UNUSABLE)
    return End(Exit.UNUSABLE, facts={"code": "usage"})


def _finish(console: Console, end: End, command: str) -> int:
    console.end(end)
    answers = command in COMMANDS and COMMANDS[command].answers
    if console.out.failure is not None and answers:
        return int(max(end.exit, Exit.BROKEN))
    return int(end.exit)
